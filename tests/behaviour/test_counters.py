#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""SIGUSR1 logs the counters of each service: every line and byte, every
refusal, drop and close by its reason, and nothing else."""
import re
import signal
import socket

from lined_test import Client, DaemonTest, Datagram
from lined_test import free_port, main, service


class Counters(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.tcp = "tcp://127.0.0.1:%d" % self.port

    @staticmethod
    def read(line):
        """Returns the numbers in a line of the log, by their names."""
        text = re.match(r"<5>service \S+: (\d+ clients, .*)$", line).group(1)
        counters = {}
        for item in text.split(", "):
            first, name, last = re.match(r"(?:(\d+) )?(.*?)(?: (\d+))?$",
                                         item).groups()
            # Counters of a protocol have the names of metrics.
            counters[name.replace("_", " ")] = int(first or last)
        return counters

    def ask(self, daemon, name="echo"):
        place = daemon.mark()
        daemon.signal(signal.SIGUSR1)
        return self.read(daemon.wait_log(
            r"^<5>service %s: \d+ clients" % name, place))

    def expect(self, daemon, **wanted):
        """Waits until the counters are exactly these."""
        wanted = {k.replace("_", " "): v for k, v in wanted.items()}
        got = {}

        def counted():
            got.clear()
            got.update(self.ask(daemon))
            return got == wanted
        try:
            self.eventually(counted, "these counters")
        except AssertionError:
            self.assertEqual(got, wanted)

    def test_nothing_happened(self):
        daemon = self.start(service("echo", self.tcp))
        self.expect(daemon, clients=0, lines_in=0, bytes_in=0, bytes_out=0)

    def test_lines_and_bytes_of_all_clients(self):
        daemon = self.start(service("echo", self.tcp))
        with Client(self.address) as a, Client(self.address) as b:
            for i in range(10):
                self.assertTrue(a.echoes(b"x" * i + b"\r\n"))
                self.assertTrue(b.echoes(b"\n"))
            self.expect(daemon, clients=2, lines_in=20, bytes_in=75,
                        bytes_out=75)
            b.half_close()
            b.rest()
            self.expect(daemon, clients=1, lines_in=20, bytes_in=75,
                        bytes_out=75, closed_peer=1)

    def test_what_lines_did_wrong(self):
        daemon = self.start(service(
            "echo", self.tcp,
            extra='framing { terminator = "crlf" line-length = 8 '
                  "too-long = skip }"))
        with Client(self.address) as c:
            self.assertTrue(c.echoes(b"a\nb\nc\r\n"))
            c.send(b"123456789\r\n" * 3 + b"good\r\n")
            self.assertEqual(c.exactly(6), b"good\r\n")
            c.send(b"rest")
            c.half_close()
            self.assertEqual(c.rest(), b"")
        self.expect(daemon, clients=0, lines_in=5, bytes_in=50, bytes_out=13,
                    too_long=3, bare_LF=2, unterminated=1, closed_peer=1)

    def test_what_was_cut_off(self):
        daemon = self.start(service(
            "echo", self.tcp,
            extra="framing { terminator = syslog line-length = 5 "
                  "too-long = truncate }"))
        with Client(self.address) as c:
            c.send(b"5 abcde9 abcdefghi3 abc123456\n3 x")
            c.half_close()
            self.assertEqual(c.rest(), b"abcde\nabcde\nabc\n12345\n")
        self.expect(daemon, clients=0, lines_in=4, bytes_in=33, bytes_out=22,
                    truncated=2, unterminated=1, closed_peer=1)

    def test_why_clients_were_closed(self):
        text = service("echo", self.tcp, extra="framing { line-length = 8 }\n"
                       "limits { idle-timeout = 10m send-queue = 1k }")
        daemon = self.start(text)
        with Client(self.address) as idle, Client(self.address) as endless, \
                Client(self.address) as gone:
            endless.send(b"123456789\n")
            endless.ended()
            gone.send(b"12345678\n")
            gone.line()
            gone.reset()
            # No client is idle before the others have gone.
            self.eventually(lambda: self.ask(daemon)["clients"] == 1,
                            "the end of two")
            self.write(text.replace("10m", "500ms"))
            daemon.reload()
            self.assertEqual(idle.ended(), b"")
        self.expect(daemon, clients=0, lines_in=2, bytes_in=19, bytes_out=9,
                    too_long=1, closed_error=1, closed_timeout=1,
                    **{"closed_too-long": 1})

    def test_who_was_refused_and_why(self):
        daemon = self.start(service(
            "echo", self.tcp,
            extra='access { deny = { "127.0.0.9" } }\n'
                  "limits { clients = 3 clients-per-address = 2 "
                  "connect-rate-per-address = 3 }"))

        def connect(source):
            c = Client(self.address, source=source)
            self.addCleanup(c.close)
            return c
        sources = ("127.0.0.9", "127.0.0.1", "127.0.0.1",
                   "127.0.0.1",  # two from one address
                   "127.0.0.1",  # and four within a second
                   "127.0.0.2", "127.0.0.3", "127.0.0.3")
        # The clients connect at the same time, also on a slow machine.
        daemon.signal(signal.SIGSTOP)
        clients = [connect(source) for source in sources]
        daemon.signal(signal.SIGCONT)
        self.assertEqual([c.echoes(b"\n") for c in clients],
                         [False, True, True, False, False, True, False, False])
        self.expect(daemon, clients=3, lines_in=3, bytes_in=3, bytes_out=3,
                    refused_by_clients=2,
                    refused_by_access=1,
                    **{"refused_by_clients-per-address": 1,
                       "refused_by_connect-rate-per-address": 1})

    def test_who_was_slowed(self):
        daemon = self.start(service(
            "echo", self.tcp, extra="limits { line-rate = 5 "
                                    "line-burst = 1 }"))
        with Client(self.address) as c:
            c.send(b"\n" * 3)
            self.assertEqual(c.exactly(3), b"\n" * 3)
            self.expect(daemon, clients=1, lines_in=3, bytes_in=3,
                        bytes_out=3, rate_slowed=2)

    def test_datagrams(self):
        daemon = self.start(service(
            "echo", "udp://127.0.0.1:%d" % self.port,
            extra='access { deny = { "127.0.0.9" } }\n'
                  "limits { line-rate = 1 line-burst = 2 }"))
        with Datagram(self.address) as c, \
                Datagram(self.address, source=("127.0.0.9", 0)) as denied:
            # All datagrams come at the same time, also on a slow machine.
            daemon.signal(signal.SIGSTOP)
            for said in (b"a\n", b"b\nc\nd\n", b"too many\n"):
                c.send(said)
            daemon.signal(signal.SIGCONT)
            for said in (b"a\n", b"b\n"):
                self.assertEqual(c.receive(), said)
            denied.send(b"denied\n")
            self.assertTrue(denied.is_silent(0.2))
        # This datagram comes from echo's own port, as one of another echo
        # service would.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.bind(("127.0.0.2", self.port))
            own.sendto(b"round and round\n", self.address)
        # Each line beyond the rate is counted, and the log names each datagram.
        self.expect(daemon, **{
            "clients": 0, "lines_in": 2, "bytes_in": 40, "bytes_out": 4,
            "datagrams_in": 5, "datagrams_dropped": 2,
            "refused_by_access": 1, "refused_by_line-rate": 3,
            "reflections_refused": 1})
        for why in ("127.0.0.9:.*: access", "127.0.0.1:.*: line-rate"):
            daemon.wait_log("^<6>service echo: refused " + why)

    def test_what_a_protocol_has_counted_on_all_workers(self):
        daemon = self.start("workers = 2\n" + service(
            "proxy", self.tcp, protocol="relay", extra='\trelay {\n'
            '\t\tmode = "proxy"\n\t\tupstream = { "tcp://127.0.0.1:%d" }\n\t}\n'
            % free_port()))
        for _ in range(4):
            with Client(self.address) as c:
                c.rest()
        self.eventually(
            lambda: self.ask(daemon, "proxy").get("upstream failures") == 4,
            "the sum over the workers")

    def test_each_service_for_itself_and_once_more_at_its_end(self):
        other = free_port()
        daemon = self.start(service("echo", self.tcp) + service(
            "other", "tcp://127.0.0.1:%d" % other))
        with Client(("127.0.0.1", other)) as c:
            self.assertTrue(c.echoes())
            self.eventually(
                lambda: self.ask(daemon, "other")["lines in"] == 1, "the line")
            self.assertEqual(self.ask(daemon)["lines in"], 0)
        place = daemon.mark()
        daemon.stop()
        # Counters that were requested earlier may also come late.
        last = self.read(daemon.logged(r"^<5>service other: \d+ clients",
                                       place)[-1])
        self.assertEqual((last["clients"], last["lines in"]), (0, 1))


if __name__ == "__main__":
    main(120)
