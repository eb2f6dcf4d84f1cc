#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""TLS with many clients, and with clients that cost much: streams while
certificates and limits change, more handshakes than the limit allows, sessions
that are resumed on other workers, floods of KeyUpdates, handshakes that stop
anywhere.

The sizes are small by default; for full sizes (clients, changes, crowd):

    LINED_TLS_CLIENTS=300 LINED_TLS_CHANGES=50 LINED_TLS_PAUSE=2 \\
    LINED_TLS_CROWD=1000 LINED_PATIENCE=120 tests/behaviour/test_tls_load.py
"""
import os
import selectors
import shutil
import socket
import ssl
import subprocess
import threading
import time

from lined_test import PATIENCE, Client, free_port, main, service
from test_tls import TlsTest, section, tearDownModule  # noqa: F401

CLIENTS = int(os.environ.get("LINED_TLS_CLIENTS") or 30)
CHANGES = int(os.environ.get("LINED_TLS_CHANGES") or 10)
PAUSE = float(os.environ.get("LINED_TLS_PAUSE") or 0)
CROWD = int(os.environ.get("LINED_TLS_CROWD") or 200)


class Sessions(TlsTest):
    def test_resumed_on_other_workers(self):
        """The clients stay, so that they are on several workers."""
        self.start(self.conf(), workers=4)
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            context = self.context()
            context.minimum_version = context.maximum_version = version
            clients, session = [], None
            for _ in range(4):
                client = self.connect(context, session=session)
                self.assertTrue(client.echoes())
                self.assertEqual(client.sock.session_reused, bool(session))
                # With TLS 1.3 a ticket is for one connection.
                session = client.sock.session
                clients.append(client)
            # There are four workers; a linectl that connected before is not
            # counted.
            self.assertGreater(
                len({client["worker"] for client in self.clients()}), 2)
            for client in clients:
                client.close()
            self.eventually(lambda: not self.clients(), "all are gone")


class Floods(TlsTest):
    def s_client(self, *options):
        if shutil.which("openssl") is None:
            self.skipTest("openssl is not installed")
        process = subprocess.Popen(
            ["openssl", "s_client", "-connect", "127.0.0.1:%d" % self.port,
             *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.counts("ok")
        return process

    def command(self, process, letter, answer):
        """Sends a command to s_client. False: s_client has ended."""
        try:
            process.stdin.write(letter + b"\n")
            process.stdin.flush()
        except OSError:
            return False
        for line in process.stdout:
            if answer in line:
                return True
        return False

    def test_key_updates(self):
        """32 key updates are accepted and answered, and other clients are
        served meanwhile."""
        daemon = self.start(self.conf())
        process = self.s_client("-tls1_3")
        with self.connect() as other:
            for n in range(32):
                self.assertTrue(self.command(process, b"K", b"KEYUPDATE"))
            self.assertTrue(self.command(process, b"a line", b"a line"))
            self.assertTrue(other.echoes())
            self.command(process, b"K", b"KEYUPDATE")
            daemon.wait_log("closed: error: tls: too many KeyUpdates")
            self.assertTrue(other.echoes())
        self.assertEqual(self.service()["closed"]["error"], 1)

    def test_renegotiation(self):
        daemon = self.start(self.conf())
        process = self.s_client("-tls1_2")
        self.command(process, b"R", b"no renegotiation")
        daemon.wait_log("closed: error: tls: ")
        with self.connect() as other:
            self.assertTrue(other.echoes())


class Streams(TlsTest):
    """Echo and hub over TLS while certificates and limits change."""

    def setUp(self):
        super().setUp()
        self.pair = self.certs.server.__class__(self.path("live.pem"),
                                                self.path("live.key"))
        self.certs.server.copy_to(self.pair.certificate, self.pair.key)
        self.hub = free_port()
        self.stop = threading.Event()
        self.failures = []
        self.lines = [0, 0]

    def text(self, handshakes):
        return self.conf(
            section(self.pair), limits="handshakes = %d" % handshakes,
            more=service("hub", "tls://127.0.0.1:%d" % self.hub,
                         protocol="relay", extra='\ttls = "default"\n'
                         "\tlimits { clients-per-address = 0 "
                         "connect-rate-per-address = 0 handshakes = %d }\n"
                         % handshakes))

    def hub_client(self):
        sock = socket.create_connection(("127.0.0.1", self.hub))
        sock.settimeout(PATIENCE)
        return Client.adopt(self.context().wrap_socket(
            sock, server_hostname="localhost"))

    def failing(self, run, *args):
        def body():
            try:
                run(*args)
            except Exception as error:  # is reported at the end
                self.failures.append(error)
        thread = threading.Thread(target=body)
        thread.start()
        return thread

    def echo(self, client):
        n = 0
        while not self.stop.is_set():
            client.send(b"%d\n" % n)
            self.assertEqual(client.line(), b"%d\n" % n)
            n += 1
            time.sleep(CLIENTS / 6000)
        self.lines[0] += n
        client.close()

    def publish(self, client):
        n = 0
        while not self.stop.is_set():
            client.send(b"%d\n" % n)
            n += 1
            time.sleep(CLIENTS / 3000)
        client.send(b"end\n")

    def listen(self, client):
        n = 0
        while True:
            line = client.line()
            if line == b"end\n":
                break
            self.assertEqual(line, b"%d\n" % n)
            n += 1
        self.lines[1] += n
        client.close()

    def cn(self):
        with self.connect() as client:
            self.assertTrue(client.echoes())
            return client.sock.getpeercert()["subject"][0][0][1]

    def test_none_is_lost(self):
        """Good and bad certificates in turn: a reload accepts the good ones,
        with new limits, and refuses the bad ones."""
        daemon = self.start(self.text(256), workers=2)
        publisher = self.hub_client()
        readers = [self.hub_client() for _ in range(CLIENTS // 2 - 1)]
        clients = [self.connect() for _ in range(CLIENTS // 2)]
        self.eventually(lambda: len(self.clients()) == len(readers)
                        + len(clients) + 1, "all clients")
        threads = [self.failing(self.listen, reader) for reader in readers]
        threads += [self.failing(self.echo, client) for client in clients]
        threads.append(self.failing(self.publish, publisher))
        used, reloads = "server", 0
        for n in range(CHANGES):
            name = ("second", "server")[n // 2 % 2]
            mark = daemon.mark()
            getattr(self.certs, name).copy_to(self.pair.certificate,
                                              self.pair.key)
            if n % 2:
                shutil.copyfile(self.certs.wild.key, self.pair.key)
                if PAUSE:
                    daemon.wait_log("the files before stay in use", mark)
                self.write(self.text(500 + n), workers=2)
                daemon.reload()
                daemon.wait_log("reload: refused", mark)
            else:
                used = name
                if PAUSE:
                    daemon.wait_log("tls default: new files", mark)
                for limit in 100 + n, 300 + n:
                    self.write(self.text(limit), workers=2)
                    daemon.reload()
                    reloads += 1
                self.assertFalse(daemon.logged("reload: refused", mark))
            self.assertEqual(self.cn(), used)
            time.sleep(PAUSE)
        self.stop.set()
        for thread in threads:
            thread.join(PATIENCE)
        # Reads the ticket: to close with unread bytes would cause a reset.
        publisher.sock.settimeout(0.05)
        with self.assertRaises(TimeoutError):
            publisher.sock.recv(1)
        publisher.close()
        self.assertEqual(self.failures, [])
        self.eventually(lambda: not self.clients(), "all have left")
        for name in "s", "hub":
            row = self.service(name)
            self.assertEqual(row["closed"]["error"], 0, row)
            self.assertEqual(row["tls"]["ok"], row["accepted"], row)
        print("%d clients, %d changes, %d reloads: %d lines echoed, %d by "
              "the hub, none lost"
              % (CLIENTS, CHANGES, reloads, *self.lines))


class Crowd(TlsTest):
    """More handshakes at once than the limit allows."""

    def test_over_the_cap(self):
        """All clients connect; then all that were let in send their hello at
        the same time. A client that was connected before is served meanwhile.
        """
        cap = CROWD // 4
        self.start(self.conf(limits="handshakes = %d clients = 5000 "
                             "handshake-timeout = 2m" % cap), workers=2)
        other = self.connect()
        slowest = [0]
        stop = threading.Event()

        def measure():
            while not stop.is_set():
                begin = time.monotonic()
                self.assertTrue(other.echoes())
                slowest[0] = max(slowest[0], time.monotonic() - begin)

        context = self.context()
        socks = []
        for _ in range(CROWD):
            sock = socket.create_connection(("127.0.0.1", self.port))
            sock.setblocking(False)
            socks.append(context.wrap_socket(
                sock, server_hostname="localhost",
                do_handshake_on_connect=False))
        self.counts("refused", CROWD - cap)
        thread = threading.Thread(target=measure)
        thread.start()
        begin = time.monotonic()
        good = self.shake(socks)
        took = time.monotonic() - begin
        stop.set()
        thread.join(PATIENCE)
        self.assertEqual(good, cap)
        self.counts("ok", cap + 1)
        self.assertEqual(self.service()["refused"]["handshakes"],
                         CROWD - cap)
        # Finished handshakes make room for others.
        self.assertEqual(len(self.clients()), cap + 1)
        with self.connect() as client:
            self.assertTrue(client.echoes())
        for sock in socks:
            sock.close()
        other.close()
        print("%d at once: %d refused, %d handshakes in %.2f s; another "
              "client's slowest echo meanwhile %.0f ms"
              % (CROWD, CROWD - cap, good, took, slowest[0] * 1000))

    def shake(self, socks):
        """Drives all handshakes on one thread. Returns how many succeed."""
        good = 0
        with selectors.DefaultSelector() as selector:
            for sock in socks:
                selector.register(sock, selectors.EVENT_READ
                                  | selectors.EVENT_WRITE)
            while selector.get_map():
                ready = selector.select(PATIENCE)
                self.assertTrue(ready, "a handshake does not end")
                for key, _ in ready:
                    try:
                        key.fileobj.do_handshake()
                        good += 1
                    except ssl.SSLWantReadError:
                        selector.modify(key.fileobj, selectors.EVENT_READ)
                        continue
                    except OSError:
                        pass
                    selector.unregister(key.fileobj)
        return good


if __name__ == "__main__":
    main(600 if PAUSE else 120)
