#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The keys of `framing`, seen from a client of echo: lines, lines that are too
long, and a rest without terminator."""
import random
import socket
import time

from lined_test import Client, DaemonTest, Datagram
from lined_test import free_port, main, service


class Framing(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)

    def serve(self, framing, limits=""):
        return self.start(service(
            "echo", "tcp://127.0.0.1:%d" % self.port,
            "udp://127.0.0.1:%d" % self.port,
            extra="\tframing { %s }\n\tlimits { %s }" % (framing, limits)))

    def answer(self, data):
        """The answer of echo to data, sent in one piece and in single
        bytes."""
        with Client(self.address) as c:
            c.send(data)
            c.half_close()
            whole = c.ended()
        with Client(self.address) as c:
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for byte in data:
                    c.send(bytes([byte]))
                    time.sleep(0.001)
                c.half_close()
            except ConnectionError:
                # The service may have closed the connection already, as the
                # policy says.
                pass
            pieces = c.ended()
        self.assertEqual(pieces, whole)
        return whole


class Terminator(Framing):
    SAID = b"a\nb\r\nc\rd\n\n\r\ne\r\r\nf\n\rg\r\nrest\r"

    def test_any(self):
        self.serve("terminator = any unterminated = drop")
        self.assertEqual(self.answer(self.SAID), self.SAID[:-5])

    def test_lf(self):
        self.serve("terminator = lf")
        self.assertEqual(self.answer(self.SAID), self.SAID[:-5])

    def test_lf_counts_the_cr_to_the_line(self):
        self.serve("terminator = lf line-length = 3 too-long = skip")
        self.assertEqual(self.answer(b"abc\r\nab\r\nabc\n"),
                         b"ab\r\nabc\n")

    def test_any_does_not_count_the_cr(self):
        self.serve("terminator = any line-length = 3 too-long = skip")
        self.assertEqual(self.answer(b"abc\r\nabcd\r\nab\r\r\nabc\n"),
                         b"abc\r\nab\r\r\nabc\n")

    def test_crlf(self):
        # A bare LF is data: a and b are one line.
        self.serve("terminator = crlf")
        self.assertEqual(self.answer(b"a\nb\r\nc\rd\r\n\r\ne\n"),
                         b"a\nb\r\nc\rd\r\n\r\n")

    def test_crlf_waits_for_its_lf(self):
        self.serve("terminator = crlf")
        with Client(self.address) as c:
            c.send(b"a\nb\r")
            self.assertTrue(c.is_silent(0.2))
            c.send(b"\n")
            self.assertEqual(c.exactly(5), b"a\nb\r\n")


    def test_cr(self):
        # After a CR, an LF is part of the terminator.
        self.serve("terminator = cr")
        self.assertEqual(self.answer(b"a\rb\r\nc\nd\r\r\n\n\re\n"),
                         b"a\rb\rc\nd\r\r\n\r")

    def test_cr_does_not_wait_for_an_lf(self):
        self.serve("terminator = cr")
        with Client(self.address) as c:
            c.send(b"4006381333931\r")
            self.assertEqual(c.exactly(14), b"4006381333931\r")

    def test_nul(self):
        self.serve("terminator = nul")
        self.assertEqual(self.answer(b"a\nb\0\0c\r\n\0d\n"),
                         b"a\nb\0\0c\r\n\0")

    def test_a_byte(self):
        self.serve("terminator = ';'")
        self.assertEqual(self.answer(b"a\nb;;c\0;d\n"), b"a\nb;;c\0;")

    def test_syslog(self):
        self.serve("terminator = syslog line-length = 20 too-long = skip")
        self.assertEqual(
            self.answer(b"11 hello world" b"<13>a line\n" b"5 a\nb\r\n"
                        b"<13>crlf\r\n" b"2 ab\n" b"99 " + b"x" * 99 +
                        b"2017-01-01 no count\n" b"012 nor this\n"
                        b"1234567890 nor this\n" b"7 <13>1 2"),
            b"hello world\n<13>a line\na b\n<13>crlf\nab\n"
            b"2017-01-01 no count\n012 nor this\n"
            b"1234567890 nor this\n<13>1 2\n")


class TooLong(Framing):
    LONG = b"0123456789a\n"

    def test_close(self):
        daemon = self.serve("line-length = 10 too-long = close")
        self.assertEqual(self.answer(b"0123456789\nx\n" + self.LONG + b"y\n"),
                         b"0123456789\nx\n")
        daemon.wait_log(r"client \d+ 127.0.0.1:\d+: closed: .*long")

    def test_close_does_not_wait_for_the_terminator(self):
        self.serve("line-length = 10")
        with Client(self.address) as c:
            c.send(b"x\n0123456789a")
            self.assertEqual(c.ended(), b"x\n")

    def test_close_lets_the_last_answers_arrive(self):
        # Unread input must not cause a reset that destroys the answers.
        self.serve("line-length = 100")
        short = b"short\n" * 2000
        for _ in range(10):
            with Client(self.address) as c:
                c.send(short + b"x" * 50000)
                self.assertEqual(c.rest(), short)

    def test_skip(self):
        self.serve("line-length = 10 too-long = skip")
        self.assertEqual(
            self.answer(b"a\n" + self.LONG + b"b\n" + b"x" * 5000 +
                        b"\r\nc\r\n0123456789\r\n0123456789a\r\nd\n"),
            b"a\nb\nc\r\n0123456789\r\nd\n")

    def test_truncate(self):
        self.serve("line-length = 10 too-long = truncate")
        self.assertEqual(
            self.answer(b"a\n" + self.LONG + b"0123456789\n" +
                        b"x" * 5000 + b"\r\nc\n"),
            b"a\n0123456789\n0123456789\n" + b"x" * 10 + b"\r\nc\n")

    def test_an_endless_line_is_skipped_in_bounded_memory(self):
        daemon = self.serve("too-long = skip")
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            before = daemon.rss_kib()
            for _ in range(400):
                c.send(b"x" * (1 << 16))
            self.assertLess(daemon.rss_kib() - before, 1024)
            c.send(b"\nback\n")
            self.assertEqual(c.line(), b"back\n")

    def test_a_long_limit_is_kept_too(self):
        # A line that is to be sent back must fit into the send queue.
        self.serve("line-length = 1M", limits="send-queue = 4M")
        said = random.Random(7).randbytes(1 << 20)
        said = said.replace(b"\n", b"-").replace(b"\r", b"-") + b"\n"
        with Client(self.address) as c:
            c.send(said)
            self.assertTrue(c.exactly(len(said)) == said)
            c.send(b"x" * (1 << 20) + b"y")
            self.assertEqual(c.ended(), b"")


class Unterminated(Framing):
    def test_deliver(self):
        # The rest of the stream comes back without a terminator.
        self.serve("unterminated = deliver")
        self.assertEqual(self.answer(b"a\nrest"), b"a\nrest")
        self.assertEqual(self.answer(b"a\n"), b"a\n")
        self.assertEqual(self.answer(b""), b"")
        self.assertEqual(self.answer(b"rest\r"), b"rest\r")

    def test_drop(self):
        self.serve("unterminated = drop")
        self.assertEqual(self.answer(b"a\nrest"), b"a\n")

    def test_a_rest_over_the_limit_is_too_long(self):
        self.serve("unterminated = deliver line-length = 10 too-long = skip")
        self.assertEqual(self.answer(b"a\n0123456789a"), b"a\n")
        self.assertEqual(self.answer(b"a\n0123456789"), b"a\n0123456789")


class Datagrams(Framing):
    def test_a_line_too_long_leaves_the_others(self):
        self.serve("line-length = 10 too-long = skip")
        with Datagram(self.address) as c:
            c.send(b"a\n0123456789a\nb\n")
            self.assertEqual(c.receive(), b"a\nb\n")

    def test_a_line_too_long_never_closes_the_socket(self):
        self.serve("line-length = 10 too-long = close")
        with Datagram(self.address) as c:
            c.send(b"0123456789a\n")
            c.send(b"b\n")
            got = c.receive()
            self.assertEqual(got, b"b\n")


class Defaults(Framing):
    def test_the_limit_is_8192(self):
        self.serve("")
        with Client(self.address) as c:
            self.assertTrue(c.echoes(b"x" * 8192 + b"\n"))
            c.send(b"x" * 8193 + b"\n")
            self.assertEqual(c.ended(), b"")


if __name__ == "__main__":
    main(180)
