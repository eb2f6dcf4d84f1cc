#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""echo over TCP, UDP and UNIX: every line comes back with its terminator. Also
when the file of a UNIX socket is made and removed."""
import os
import socket
import stat
import threading
import unittest

from lined_test import PATIENCE, Client, DaemonTest, Datagram
from lined_test import free_port, main, service


class Echo(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.unix = self.path("echo.sock")
        self.v4 = ("127.0.0.1", self.port)
        self.v6 = ("::1", self.port)
        self.daemon = self.start(service(
            "echo",
            "tcp://127.0.0.1:%d" % self.port, "tcp://[::1]:%d" % self.port,
            "udp://127.0.0.1:%d" % self.port, "udp://[::1]:%d" % self.port,
            "unix://" + self.unix))

    def streams(self):
        return (self.v4, self.v6, self.unix)


class Streams(Echo):
    def test_a_line_comes_back_on_every_transport(self):
        for address in self.streams():
            with self.subTest(address=address), Client(address) as c:
                c.send(b"hello\n")
                self.assertEqual(c.line(), b"hello\n")
                c.send(b"again\n")
                self.assertEqual(c.line(), b"again\n")

    def test_terminators_and_bytes_are_kept(self):
        said = (b"lf\ncrlf\r\n\n\r\nlone\rcr\nnul\0in\0it\n\xff\xfe\x80\r\n"
                b"two\r\r\nlast\n")
        for address in self.streams():
            with self.subTest(address=address), Client(address) as c:
                c.send(said)
                self.assertEqual(c.exactly(len(said)), said)

    def test_a_line_in_single_bytes_is_one_line(self):
        with Client(self.v4) as c:
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"dripped\r":
                c.send(bytes([byte]))
            self.assertTrue(c.is_silent(0.2))
            c.send(b"\n")
            self.assertEqual(c.line(), b"dripped\r\n")

    def test_an_unterminated_rest_is_dropped_by_default(self):
        for address in self.streams():
            with self.subTest(address=address), Client(address) as c:
                c.send(b"whole\nrest")
                c.half_close()
                self.assertEqual(c.rest(), b"whole\n")

    def test_half_close_still_gets_every_pending_line(self):
        # More than the send queue up to its high mark and all socket buffers
        # hold.
        said = b"".join(b"line %07d %s\n" % (i, b"x" * 80)
                        for i in range(150000))
        for address in (self.v4, self.unix):
            with self.subTest(address=address), Client(address) as c:
                def push():
                    c.send(said)
                    c.half_close()
                pusher = threading.Thread(target=push)
                pusher.start()
                got = c.rest()
                pusher.join()
                self.assertEqual(len(got), len(said))
                self.assertTrue(got == said)

    def test_half_close_before_reading_anything(self):
        said = b"".join(b"%d\n" % i for i in range(4000))
        with Client(self.v4) as c:
            c.send(said)
            c.half_close()
            self.assertEqual(c.rest(), said)

    def test_many_clients_get_only_their_own_lines(self):
        clients = [Client(self.streams()[i % 3]) for i in range(60)]
        try:
            for turn in range(5):
                for i, c in enumerate(clients):
                    c.send(b"client %d turn %d\r\n" % (i, turn) * 3)
                for i, c in enumerate(clients):
                    want = b"client %d turn %d\r\n" % (i, turn) * 3
                    self.assertEqual(c.exactly(len(want)), want)
        finally:
            for c in clients:
                c.close()

    def test_a_line_of_the_limit_comes_back(self):
        with Client(self.v4) as c:
            for end in (b"\n", b"\r\n"):
                said = b"x" * 8192 + end
                c.send(said)
                self.assertEqual(c.exactly(len(said)), said)

    def test_descriptors_are_given_back(self):
        with Client(self.v4) as c:
            self.assertTrue(c.echoes())
        self.eventually(lambda: not self.clients_open(), "the close")
        before = self.daemon.descriptors()
        clients = [Client(a) for a in self.streams() for _ in range(20)]
        for c in clients:
            self.assertTrue(c.echoes())
        self.assertEqual(self.daemon.descriptors(), before + 60)
        for i, c in enumerate(clients):
            c.reset() if i % 2 else c.close()
        self.eventually(lambda: self.daemon.descriptors() == before,
                        "the descriptors")

    def clients_open(self):
        with open("/proc/net/tcp") as f:
            local = ":%04X " % self.port
            return any(local in line and line.split()[3] in ("01", "08")
                       for line in f.readlines()[1:])


class Datagrams(Echo):
    def addresses(self):
        return (self.v4, self.v6)

    def test_a_datagram_comes_back_as_one(self):
        for address in self.addresses():
            with self.subTest(address=address), Datagram(address) as c:
                for said in (b"one\n", b"one\ntwo\r\n\nfour\n", b"no end",
                             b"one\nno end", b"\n", b"nul\0\r\n",
                             b"x" * 8000):
                    c.send(said)
                    self.assertEqual(c.receive(), said)

    def test_an_empty_datagram_does_no_harm(self):
        for address in self.addresses():
            with self.subTest(address=address), Datagram(address) as c:
                c.send(b"")
                c.send(b"after\n")
                got = c.receive()
                if got == b"":
                    got = c.receive()
                self.assertEqual(got, b"after\n")

    def test_the_answer_comes_from_the_address_that_was_asked(self):
        port = free_port()
        self.start(service("any", "udp://*:%d" % port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.settimeout(PATIENCE)
            c.bind(("127.0.0.1", 0))
            for asked in ("127.0.0.1", "127.0.0.2", "127.0.0.77"):
                c.sendto(b"who is there\n", (asked, port))
                self.assertEqual(c.recvfrom(100),
                                 (b"who is there\n", (asked, port)))

    def test_each_sender_gets_its_own(self):
        with Datagram(self.v4) as a, Datagram(self.v4) as b:
            for i in range(50):
                a.send(b"a %d\n" % i)
                b.send(b"b %d\nand more\n" % i)
                self.assertEqual(b.receive(), b"b %d\nand more\n" % i)
                self.assertEqual(a.receive(), b"a %d\n" % i)

    def test_a_datagram_makes_no_client(self):
        before = self.daemon.descriptors()
        with Datagram(self.v4) as a, Datagram(self.v4) as b:
            for c in (a, b):
                c.send(b"hello\n")
                self.assertEqual(c.receive(), b"hello\n")
            self.assertEqual(self.daemon.descriptors(), before)

    def test_a_sender_that_is_gone_does_no_harm(self):
        for i in range(20):
            with Datagram(self.v4) as c:
                c.send(b"gone\n" * 10)
        with Datagram(self.v4) as c:
            c.send(b"still there\n")
            self.assertEqual(c.receive(), b"still there\n")

    @unittest.skipIf(os.geteuid() != 0, "binding a low port takes root")
    def test_a_low_source_port_gets_nothing(self):
        # Its own source address, because another script may use the same port
        # at the same time.
        source = "127.0.%d.%d" % (self.port >> 8 & 255, self.port & 255)
        with Datagram(self.v4, source=(source, 1019)) as low:
            low.send(b"reflect\n")
            self.assertTrue(low.is_silent(0.3))
        with Datagram(self.v4, source=(source, 0)) as high:
            high.send(b"fine\n")
            self.assertEqual(high.receive(), b"fine\n")


class UnixSocketFile(DaemonTest):
    def setUp(self):
        super().setUp()
        self.unix = self.path("echo.sock")
        self.text = service("echo", "unix://" + self.unix)

    def test_it_has_the_mode_and_is_unlinked_at_stop(self):
        daemon = self.start(self.text)
        mode = os.stat(self.unix).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o660)
        daemon.stop()
        self.assertFalse(os.path.lexists(self.unix))

    def test_socket_mode_is_kept_to(self):
        self.start(service("echo", "unix://" + self.unix,
                           extra="\tsocket-mode = 0600"))
        self.assertEqual(stat.S_IMODE(os.stat(self.unix).st_mode), 0o600)

    def test_a_stale_one_is_replaced(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.unix)
            s.listen()
        self.assertTrue(os.path.exists(self.unix))
        self.start(self.text)
        with Client(self.unix) as c:
            self.assertTrue(c.echoes())

    def test_a_live_one_is_refused_and_left_alone(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.unix)
            s.listen()
            s.settimeout(5)
            log = self.start_fails(self.text, 3)
            self.assertIn(self.unix, log)
            self.assertRegex(log, r"unix://\S+: \S")
            # The connection by which the daemon checks the path may wait in the
            # backlog before this one.
            with Client(self.unix) as c:
                c.send(b"alive\n")
                got = b""
                while got != b"alive\n":
                    peer, _ = s.accept()
                    with peer:
                        got = peer.recv(100)

    def test_a_file_that_is_no_socket_is_refused_and_left_alone(self):
        with open(self.unix, "w") as f:
            f.write("precious")
        log = self.start_fails(self.text, 3)
        self.assertIn(self.unix, log)
        with open(self.unix) as f:
            self.assertEqual(f.read(), "precious")

    def test_two_daemons_do_not_share_one(self):
        daemon = self.start(self.text)
        other = self.launch(self.arguments())
        self.assertEqual(other.wait(), 3)
        self.assertIn(self.unix, other.log_text())
        with Client(self.unix) as c:
            self.assertTrue(c.echoes())
        daemon.stop()

    def test_a_missing_directory_is_named(self):
        log = self.start_fails(
            service("echo", "unix://" + self.path("no/echo.sock")), 3)
        self.assertRegex(log, "no/echo.sock: No such file or directory")


if __name__ == "__main__":
    main()
