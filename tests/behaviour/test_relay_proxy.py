#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""relay as a proxy: bytes pass in both directions, a half-close is passed on,
and memory is always bounded."""
import hashlib
import random
import re
import resource
import signal
import socket
import threading
import time

from lined_test import Client, DaemonTest, Server, free_port, main
from lined_test import one_node, service

SEED = 20261123


class ProxyTest(DaemonTest):
    WORKERS = 2

    def text(self, *upstreams, limits="", extra="", options=""):
        if not hasattr(self, "address"):
            self.address = ("127.0.0.1", free_port())
        return service(
            "proxy", "tcp://127.0.0.1:%d" % self.address[1],
            protocol="relay",
            extra="\tlimits { clients-per-address = 0 "
            "connect-rate-per-address = 0 %s }\n%s\trelay {\n"
            '\t\tmode = "proxy"\n\t\tupstream = { %s }\n%s\t}\n'
            % (limits, extra,
               ", ".join('"%s"' % (u if isinstance(u, str) else u.url)
                         for u in upstreams), options))

    def serve(self, *upstreams, workers=None, env=None, **how):
        self.daemon = self.start(self.text(*upstreams, **how), env=env,
                                 workers=workers or self.WORKERS)
        return self.daemon

    def server(self, **how):
        server = Server(**how)
        self.addCleanup(server.close)
        return server

    def client(self, **how):
        c = Client(self.address, **how)
        self.addCleanup(c.close)
        return c

    def pair(self, server, **how):
        """Returns a client, and the upstream's end of its connection."""
        c = self.client(**how)
        upstream = server.accept()
        self.addCleanup(upstream.close)
        return c, upstream

    def size(self, mebibytes):
        return (mebibytes // 5 if self.daemon.is_sanitized()
                else mebibytes) << 20


def noise(size, seed=SEED):
    return random.Random(seed).randbytes(size)


class Sender(threading.Thread):
    """Sends `size` bytes, the same MiB of noise again and again, and
    half-closes."""

    BLOCK = noise(1 << 20)

    def __init__(self, c, size):
        super().__init__()
        self.c, self.size, self.fault = c, size, None
        self.digest = hashlib.sha256()
        c.sock.settimeout(200)
        self.start()

    def run(self):
        left = self.size
        try:
            while left:
                part = self.BLOCK[:left]
                self.digest.update(part)
                self.c.send(part)
                left -= len(part)
            self.c.half_close()
        except OSError as e:
            self.fault = e


class Receiver(threading.Thread):
    """Reads to the end, and pauses at intervals."""

    def __init__(self, c, pause=0, every=1 << 20):
        super().__init__()
        self.c, self.pause, self.every = c, pause, every
        self.size, self.fault = 0, None
        self.digest = hashlib.sha256()
        c.sock.settimeout(200)
        self.start()

    def run(self):
        rested = 0
        try:
            while True:
                got = self.c.sock.recv(65536)
                if not got:
                    return
                self.digest.update(got)
                self.size += len(got)
                if self.size - rested >= self.every:
                    rested = self.size
                    time.sleep(self.pause)
        except OSError as e:
            self.fault = e


class Gone(ProxyTest):
    @one_node("each node has its own limits")
    def test_what_outlives_a_client_counts_and_is_gone_within_seconds(self):
        """Clients that reset while their upstream does not read."""
        server = self.server(rcvbuf=4096)
        self.serve(server, limits="clients = 3 send-queue = 256k")
        pairs = [self.pair(server) for _ in range(3)]
        for c, _ in pairs:
            c.fill(b"x" * 65536)
        for c, _ in pairs:
            c.reset()
        refused = self.client()
        with self.takes(0, 3):
            self.assertEqual(refused.ended(), b"")
        self.assertTrue(server.is_left_alone(0.2))
        self.daemon.wait_log("clients")
        # A place becomes free when the upstream's connection has gone.
        with self.takes(0, 9):
            def served():
                c = self.client()
                c.send(b"hello\n")
                try:
                    with server.accept(0.3) as up:
                        return up.line() == b"hello\n"
                except socket.timeout:
                    return False
            self.eventually(served, "a place")

    def test_an_orderly_reconnect_has_its_place(self):
        server = self.server()
        self.serve(server, limits="clients = 1")
        for _ in range(50):
            c, up = self.pair(server)
            c.send(b"question")
            c.half_close()
            self.assertEqual(up.rest(), b"question")
            up.send(b"answer")
            up.close()
            self.assertEqual(c.rest(), b"answer")
            c.close()

    @staticmethod
    def place(port):
        """Returns the place of an address in the table of addresses that could
        not be reached."""
        place = 2166136261
        for byte in b"tcp://127.0.0.1:%d" % port:
            place = (place ^ byte) * 16777619 & 0xffffffff
        return place % 64

    @one_node("each node finds out by itself")
    def test_an_address_that_does_not_answer_is_waited_for_once(self):
        """A listener with a full backlog does not answer. Its address has the
        same place in the table as one that answers."""
        server = self.server()
        port = int(server.url.rsplit(":", 1)[1])
        while True:
            dead = socket.socket()
            self.addCleanup(dead.close)
            dead.bind(("127.0.0.1", 0))
            if self.place(dead.getsockname()[1]) == self.place(port):
                break
        dead.listen(0)
        fill = [socket.socket() for _ in range(3)]
        for sock in fill:
            self.addCleanup(sock.close)
            sock.setblocking(False)
            sock.connect_ex(dead.getsockname())
        self.serve("tcp://127.0.0.1:%d" % dead.getsockname()[1], server)
        with self.takes(8, 15):
            self.pair(server)
        with self.takes(0, 3):
            for _ in range(5):
                self.pair(server)


class Headers(ProxyTest):
    def header(self, version, source="127.0.0.9"):
        server = self.server()
        self.serve(server, options="upstream-proxy = %s\n" % version)
        c, upstream = self.pair(server, source=source)
        c.send(b"hello\n")
        return c.sock.getsockname(), upstream

    def test_version_1(self):
        (host, port), upstream = self.header("v1")
        self.assertEqual(upstream.line(), b"PROXY TCP4 %s 127.0.0.1 %d %d\r\n"
                         % (host.encode(), port, self.address[1]))
        self.assertEqual(upstream.line(), b"hello\n")

    def test_version_2(self):
        (host, port), upstream = self.header("v2")
        self.assertEqual(upstream.exactly(28), b"".join((
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
            socket.inet_aton(host), socket.inet_aton("127.0.0.1"),
            port.to_bytes(2, "big"), self.address[1].to_bytes(2, "big"))))
        self.assertEqual(upstream.line(), b"hello\n")

    def test_unix_client_has_no_address(self):
        for version, wanted in (
                ("v1", b"PROXY UNKNOWN\r\n"),
                ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")):
            server = self.server()
            path = self.path("p%s.sock" % version)
            self.start(service(
                "proxy", "unix://" + path, protocol="relay",
                extra='relay { mode = "proxy" upstream = "%s"\n'
                      'upstream-proxy = %s }' % (server.url, version)))
            with Client(path) as c, server.accept() as upstream:
                c.send(b"hello\n")
                self.assertEqual(upstream.exactly(len(wanted)), wanted)
                self.assertEqual(upstream.line(), b"hello\n")

    def test_header_does_not_go_into_tls(self):
        code, err = self.check(self.text(
            "tls://127.0.0.1:1", options="upstream-proxy = v2\n"))
        self.assertEqual(code, 1)
        self.assertIn("upstream-proxy", err)


class Bytes(ProxyTest):
    def test_bytes_go_both_ways_as_they_are(self):
        server = self.server()
        # Line limits do not apply to a proxy.
        self.serve(server, extra="\tframing { line-length = 16 "
                   "terminator = crlf }\n")
        c, upstream = self.pair(server)
        for said in (b"no end of line", b"\n\r\n\0\xff", noise(300000),
                     b"x" * 100000, b"\n"):
            c.send(said)
            self.assertTrue(upstream.exactly(len(said)) == said)
            upstream.send(said[::-1])
            self.assertTrue(c.exactly(len(said)) == said[::-1])

    def test_each_client_has_its_own_connection(self):
        server = self.server()
        self.serve(server)
        pairs = [self.pair(server) for _ in range(20)]
        for i, (c, upstream) in enumerate(pairs):
            c.send(b"up %d" % i)
        for i, (c, upstream) in enumerate(pairs):
            self.assertEqual(upstream.exactly(4), b"up %d" % i if i < 10
                             else b"up %d" % (i // 10))
            upstream.send(b"down")
            self.assertEqual(c.exactly(4), b"down")

    def test_what_is_said_at_once_arrives(self):
        """Bytes that were sent before the upstream was connected arrive, even
        if the client has gone."""
        server = self.server()
        self.serve(server)
        said = noise(3 << 20)
        with self.client() as c:
            c.send(said)
        with server.accept() as upstream:
            self.assertTrue(upstream.rest() == said)

    def test_half_close_by_the_client(self):
        server = self.server()
        self.serve(server)
        c, upstream = self.pair(server)
        c.send(b"question")
        c.half_close()
        self.assertEqual(upstream.rest(), b"question")
        self.assertTrue(c.is_silent(0.3))
        for _ in range(3):
            upstream.send(b"answer")
            self.assertEqual(c.exactly(6), b"answer")
        upstream.close()
        self.assertEqual(c.rest(), b"")
        self.daemon.wait_log("client [0-9]+ .* closed: peer")

    def test_half_close_by_the_upstream(self):
        server = self.server()
        self.serve(server)
        c, upstream = self.pair(server)
        upstream.send(b"greeting")
        upstream.half_close()
        self.assertEqual(c.rest(), b"greeting")
        self.assertTrue(upstream.is_silent(0.3))
        for _ in range(3):
            c.send(b"word")
            self.assertEqual(upstream.exactly(4), b"word")
        c.half_close()
        self.assertEqual(upstream.rest(), b"")
        self.daemon.wait_log("client [0-9]+ .* closed: peer")

    def test_half_close_behind_much_that_waits(self):
        """A half-close comes after the bytes that a slow side has not read yet.
        """
        server = self.server(rcvbuf=4096)
        self.serve(server, limits="send-queue = 64k")
        c, upstream = self.pair(server, rcvbuf=4096)
        up, down = noise(1 << 20), noise(1 << 20, 1)
        for who, said in ((c, up), (upstream, down)):
            threading.Thread(target=lambda who=who, said=said: (
                who.send(said), who.half_close())).start()
        time.sleep(0.3)
        self.assertTrue(upstream.rest() == up)
        self.assertTrue(c.rest() == down)
        self.daemon.wait_log("client [0-9]+ .* closed: peer")

    def test_one_way_does_not_wait_for_the_other(self):
        """Both sides send more than the kernel buffers before either
        reads."""
        server = self.server()
        self.serve(server, limits="send-queue = 64k")
        c, upstream = self.pair(server)
        size = 48 << 20
        down = Sender(upstream, size)
        up = Sender(c, size)
        heard = Receiver(upstream)
        up.join()
        heard.join()
        self.assertIsNone(up.fault)
        self.assertEqual(heard.digest.digest(), up.digest.digest())
        self.assertTrue(down.is_alive())
        heard = Receiver(c)
        heard.join()
        down.join()
        self.assertEqual(heard.digest.digest(), down.digest.digest())

    def test_small_queues_are_enough(self):
        server = self.server()
        self.serve(server, limits="send-queue = 1k")
        c, upstream = self.pair(server)
        up, down = Sender(c, 1 << 20), Sender(upstream, 1 << 20)
        heard = [Receiver(upstream), Receiver(c)]
        for thread in [up, down] + heard:
            thread.join()
        self.assertEqual(heard[0].digest.digest(), up.digest.digest())
        self.assertEqual(heard[1].digest.digest(), down.digest.digest())


class Memory(ProxyTest):
    def through(self, backwards):
        """Sends 100 MB to a slow receiver: everything arrives, and the daemon
        never buffers more than its queues."""
        server = self.server()
        self.serve(server)
        c, upstream = self.pair(server)
        size = self.size(100)
        before = most = self.daemon.rss_kib()
        giver, taker = (upstream, c) if backwards else (c, upstream)
        sender = Sender(giver, size)
        receiver = Receiver(taker, pause=0.01)
        while receiver.is_alive():
            most = max(most, self.daemon.rss_kib())
            receiver.join(0.01)
        sender.join()
        self.assertIsNone(sender.fault)
        self.assertIsNone(receiver.fault)
        self.assertEqual(receiver.size, size)
        self.assertEqual(receiver.digest.digest(), sender.digest.digest())
        print("%d MiB, %d KiB more than before ... " % (size >> 20,
                                                        most - before),
              end="", flush=True)
        if not self.daemon.is_sanitized():
            self.assertLess(most - before, 2048)

    def test_much_to_a_slow_client(self):
        self.through(backwards=True)

    def test_much_to_a_slow_upstream(self):
        self.through(backwards=False)

    def test_who_never_reads_costs_its_queue(self):
        server = self.server()
        self.serve(server, limits="send-stall = 0")
        pairs = [self.pair(server, rcvbuf=4096) for _ in range(20)]
        before = self.daemon.rss_kib()
        for _, upstream in pairs:
            upstream.fill(Sender.BLOCK, quiet=0.1)
        # A quarter of the queue, and one read at most.
        if not self.daemon.is_sanitized():
            self.assertLess(self.daemon.rss_kib() - before,
                            20 * (256 + 64) + 2048)
        for c, upstream in pairs:
            c.send(b"still heard")
            self.assertEqual(upstream.exactly(11), b"still heard")

    def test_a_client_that_never_reads_is_closed_after_send_stall(self):
        server = self.server()
        self.serve(server, limits="send-stall = 1s")
        c, upstream = self.pair(server, rcvbuf=4096)
        upstream.fill(Sender.BLOCK, quiet=0.3)
        self.daemon.wait_log("client [0-9]+ .* closed: slow: send-stall ")
        upstream.ended()

    def test_a_reload_with_a_shorter_send_stall_holds_for_upstreams(self):
        server = self.server(rcvbuf=4096)
        self.serve(server, limits="send-stall = 0")
        c, upstream = self.pair(server)
        c.fill(Sender.BLOCK, quiet=0.1)
        self.write(self.text(server, limits="send-stall = 200ms"),
                   workers=self.WORKERS)
        self.daemon.reload()
        self.daemon.wait_log("client [0-9]+ .*: upstream: Connection timed out")
        upstream.ended()

    def test_waiting_costs_no_time(self):
        """A waiting pair uses no CPU time."""
        server = self.server(rcvbuf=4096)
        self.serve(server, limits="send-stall = 0")
        pairs = [self.pair(server, rcvbuf=4096) for _ in range(6)]
        pairs[0][0].half_close()
        pairs[1][1].half_close()
        pairs[2][0].fill(Sender.BLOCK, quiet=0.1)
        pairs[3][1].fill(Sender.BLOCK, quiet=0.1)
        for side in pairs[4]:
            side.fill(Sender.BLOCK, quiet=0.1)
        pairs[5][0].half_close()
        pairs[5][1].fill(Sender.BLOCK, quiet=0.1)
        before = self.daemon.cpu_seconds()
        time.sleep(1)
        self.assertLess(self.daemon.cpu_seconds() - before, 0.2)

    def test_five_hundred_clients(self):
        # Raise the limit on open files as far as allowed.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE,
                        (soft, hard))
        many = min(500, (hard - 100) // 2)
        server = self.server()
        self.serve(server)
        descriptors = self.daemon.descriptors()
        before = self.daemon.rss_kib()
        pairs = []
        for _ in range(many):
            c = self.client()
            pairs.append((c, server.accept()))
        for i, (c, upstream) in enumerate(pairs):
            upstream.send(b"%d\n" % i)
        # The workers connect in any order: a line shows which upstream
        # connection belongs to which client.
        faces = {}
        for c, _ in pairs:
            faces[int(c.line())] = c
        self.assertEqual(sorted(faces), list(range(many)))
        print("%.1f KiB a client ... "
              % ((self.daemon.rss_kib() - before) / many), end="", flush=True)
        for i, (_, upstream) in enumerate(pairs):
            faces[i].send(b"from %d\n" % i)
        for i, (_, upstream) in enumerate(pairs):
            self.assertEqual(upstream.line(), b"from %d\n" % i)
            upstream.send(b"x" * 100000)
        for i, (_, upstream) in enumerate(pairs):
            self.assertEqual(faces[i].exactly(100000), b"x" * 100000)
        for i, (_, upstream) in enumerate(pairs):
            if i % 3:
                upstream.close()
                self.assertEqual(faces[i].rest(), b"")
                faces[i].close()
            else:
                faces[i].close()
                self.assertEqual(upstream.rest(), b"")
                upstream.close()
        self.eventually(lambda: self.daemon.descriptors() == descriptors,
                        "all descriptors closed")


class Failure(ProxyTest):
    def test_refused_by_the_upstream(self):
        server = self.server()
        server.close()
        self.serve(server)
        c = self.client()
        c.send(b"hello\n")
        self.assertEqual(c.ended(), b"")
        self.daemon.wait_log(
            r"<4>service proxy: client [0-9]+ 127\.0\.0\.1:\d+: upstream %s: "
            "Connection refused" % re.escape(server.url))
        self.daemon.wait_log("client [0-9]+ .* closed: error: "
                             "Connection refused")
        server.open()
        c, upstream = self.pair(server)
        c.send(b"again\n")
        self.assertEqual(upstream.line(), b"again\n")
        self.daemon.stop()
        self.assertTrue(self.daemon.logged("upstream_failures 1"))

    def test_addresses_are_tried_in_order(self):
        dead, server = self.server(), self.server()
        dead.close()
        self.serve(dead, "tcp://no-such-name.invalid:7", server,
                   env={"RES_OPTIONS": "timeout:1 attempts:1"})
        c = self.client()
        c.send(b"said before\n")
        upstream = server.accept()
        self.assertEqual(upstream.line(), b"said before\n")
        upstream.send(b"answer\n")
        self.assertEqual(c.line(), b"answer\n")

    def test_a_reset_by_the_upstream_ends_the_client(self):
        server = self.server()
        self.serve(server)
        c, upstream = self.pair(server)
        upstream.send(b"last words")
        self.assertEqual(c.exactly(10), b"last words")
        upstream.reset()
        self.assertEqual(c.ended(), b"")
        self.daemon.wait_log(r"<5>service proxy: client [0-9]+ "
                             r"127\.0\.0\.1:\d+: "
                             "upstream: Connection reset by peer")
        self.daemon.wait_log("client [0-9]+ .* closed: error")

    def test_a_reset_by_the_client_ends_the_upstream(self):
        server = self.server()
        self.serve(server)
        c, upstream = self.pair(server)
        c.send(b"last words")
        self.assertEqual(upstream.exactly(10), b"last words")
        c.reset()
        self.assertEqual(upstream.ended(), b"")
        self.daemon.wait_log("client [0-9]+ .* closed: error: "
                             "Connection reset by peer")

    def test_a_reset_while_much_is_on_its_way(self):
        """One side resets while the other does not read."""
        server = self.server(rcvbuf=4096)
        self.serve(server)
        descriptors = self.daemon.descriptors()
        for _ in range(5):
            c, upstream = self.pair(server, rcvbuf=4096)
            upstream.fill(Sender.BLOCK, quiet=0.1)
            c.fill(Sender.BLOCK, quiet=0.1)
            c.reset()
            upstream.ended()
            upstream.close()
            c, upstream = self.pair(server, rcvbuf=4096)
            c.fill(Sender.BLOCK, quiet=0.1)
            upstream.fill(Sender.BLOCK, quiet=0.1)
            upstream.reset()
            c.ended()
            c.close()
        self.eventually(lambda: self.daemon.descriptors() == descriptors,
                        "all descriptors closed")

    def test_a_reset_after_an_end_loses_nothing_of_the_answer(self):
        """The upstream answers and closes while the client still sends: even a
        slow client gets the answer."""
        server = self.server()
        self.serve(server)
        c, upstream = self.pair(server, rcvbuf=4096)
        answer = noise(600000)
        c.send(b"question\n")
        self.assertEqual(upstream.line(), b"question\n")
        upstream.send(answer)
        upstream.close()
        time.sleep(0.2)
        c.send(b"one more\n")
        self.daemon.wait_log("client [0-9]+ .* closed: ")
        self.assertTrue(c.exactly(len(answer)) == answer)

    def hanging(self):
        """Returns a server that accepts no connection, because its backlog is
        full."""
        server = socket.socket()
        self.addCleanup(server.close)
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            s = socket.socket()
            self.addCleanup(s.close)
            s.setblocking(False)
            s.connect_ex(server.getsockname())
        return "tcp://127.0.0.1:%d" % server.getsockname()[1]

    def test_a_client_that_goes_while_its_upstream_is_connected(self):
        self.serve(self.hanging())
        descriptors = self.daemon.descriptors()
        for _ in range(2):
            c = self.client()
            c.send(b"hello\n")
            self.wait_connecting(descriptors)
            c.reset()
            self.eventually(lambda: self.daemon.descriptors() == descriptors,
                            "all descriptors closed")

    def wait_connecting(self, descriptors):
        """Waits until a client and its upstream each have a descriptor."""
        self.eventually(
            lambda: self.daemon.descriptors() == descriptors + 2,
            "the upstream is called")

    def test_an_upstream_that_does_not_answer(self):
        self.serve(self.hanging())
        c = self.client()
        with self.takes(8, 20):
            self.assertEqual(c.ended(), b"")
        self.daemon.wait_log("upstream tcp://.*: no answer in 10 s")

    def test_the_end_comes_orderly_in_every_state(self):
        server = self.server(rcvbuf=4096)
        hanging = self.hanging()
        for place, prepare in (
                (server, lambda c, up: None),
                (server, lambda c, up: c.half_close()),
                (server, lambda c, up: up.half_close()),
                (server, lambda c, up: c.fill(Sender.BLOCK, quiet=0.1)),
                (server, lambda c, up: up.fill(Sender.BLOCK, quiet=0.1)),
                (hanging, lambda c, up: self.wait_connecting(descriptors))):
            with self.subTest():
                self.daemon = daemon = self.start(
                    "drain-timeout = 300ms\n" + self.text(place),
                    workers=self.WORKERS)
                descriptors = daemon.descriptors()
                c = self.client(rcvbuf=4096)
                upstream = server.accept() if place is server else None
                prepare(c, upstream)
                daemon.stop()
                c.ended()
                if upstream:
                    upstream.ended()
                    upstream.close()


class Stop(ProxyTest):
    def test_an_answer_that_is_awaited_still_comes(self):
        server = self.server()
        daemon = self.serve(server)
        pairs = [self.pair(server) for _ in range(4)]
        for c, upstream in pairs:
            c.send(b"question\n")
            self.assertEqual(upstream.line(), b"question\n")
        daemon.signal(signal.SIGTERM)
        for c, upstream in pairs:
            # The upstream has received the end of the stream, and answers
            # slowly.
            self.assertEqual(upstream.rest(), b"")
            self.assertTrue(c.is_silent(0.3))
            upstream.send(b"answer\n")
            self.assertEqual(c.line(), b"answer\n")
            c.send(b"too late\n")
            upstream.send(b"goodbye\n")
            upstream.close()
            self.assertEqual(c.rest(), b"goodbye\n")
        self.assertEqual(daemon.wait(), 0)

    def test_who_has_nothing_to_say_goes_at_once(self):
        server = self.server()
        daemon = self.start("drain-timeout = 30s\n" + self.text(server),
                            workers=self.WORKERS)
        pairs = [self.pair(server) for _ in range(4)]
        with self.takes(0, 10):
            daemon.signal(signal.SIGTERM)
            for c, upstream in pairs:
                self.assertEqual(upstream.rest(), b"")
                upstream.close()
                self.assertEqual(c.rest(), b"")
            self.assertEqual(daemon.wait(), 0)

    def test_a_slow_upstream_gets_all_that_was_said(self):
        server = self.server(rcvbuf=4096)
        daemon = self.serve(server)
        c, upstream = self.pair(server)
        said = noise(2 << 20)
        sender = threading.Thread(target=c.send, args=(said,))
        sender.start()
        time.sleep(0.2)
        daemon.signal(signal.SIGTERM)
        daemon.wait_notify("STOPPING=1")
        got = upstream.rest()
        sender.join()
        self.assertEqual(len(got), len(said))
        self.assertEqual(got, said)
        upstream.close()
        self.assertEqual(c.rest(), b"")
        self.assertEqual(daemon.wait(), 0)

    def test_an_upstream_that_never_ends_is_left_after_the_timeout(self):
        server = self.server()
        daemon = self.start("drain-timeout = 1s\n" + self.text(server),
                            workers=self.WORKERS)
        c, upstream = self.pair(server)
        with self.takes(0.8, 8):
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait(), 0)
        self.assertEqual(c.ended(), b"")
        upstream.ended()


class Reload(ProxyTest):
    def again(self, *upstreams, **how):
        self.write(self.text(*upstreams, **how), workers=self.WORKERS)
        return self.daemon.reload()

    def test_who_is_there_stays_and_newcomers_go_elsewhere(self):
        a, b = self.server(), self.server()
        self.serve(a)
        c, upstream = self.pair(a)
        self.again(b)
        other, other_far = self.pair(b)
        for one, two in ((c, upstream), (other, other_far)):
            one.send(b"hello\n")
            self.assertEqual(two.line(), b"hello\n")
            two.send(b"answer\n")
            self.assertEqual(one.line(), b"answer\n")

    def test_the_mode_may_change(self):
        server = self.server()
        self.serve(server)
        c, upstream = self.pair(server)
        text = self.text(server)
        hub = re.sub(r"\t\tmode.*\n\t\tupstream.*\n", '\t\tmode = "hub"\n',
                     text)
        self.write(hub, workers=self.WORKERS)
        self.daemon.reload()
        a, b = self.client(), self.client()
        while b.is_silent(0.05):
            a.send(b"hub\n")
        self.assertEqual(b.line(), b"hub\n")
        c.send(b"proxied\n")
        self.assertEqual(upstream.line(), b"proxied\n")
        self.again(server)
        other, other_far = self.pair(server)
        other.send(b"proxied too\n")
        self.assertEqual(other_far.line(), b"proxied too\n")


class OneWorker(Bytes):
    WORKERS = 1


class OneWorkerFailure(Failure):
    WORKERS = 1


if __name__ == "__main__":
    main(400)
