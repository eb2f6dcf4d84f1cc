#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""relay with the programs of doc/feeds.md: each line of a program reaches a
reader, or is counted as lost. Programs that are not installed are skipped.
Prints the rows of the page's table."""
import logging
import logging.handlers
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

from lined_test import PATIENCE, TOP, Client, DaemonTest
from lined_test import free_port, main, service

NMEA = ["$GPRMC,1202%02d,A,4916.45,N,12311.12,W,000.5,054.7,191126,020.3,E"
        % n for n in range(30)]
# Two aircraft: identification, position (odd and even), velocity.
ADSB = ["8D4840D6202CC371C32CE0576098", "8D40621D58C382D690C8AC2863A7",
        "8D40621D58C386435CC412692AD6", "8D485020994409940838175B284F"]


def checked(sentence):
    """An NMEA sentence with its checksum."""
    total = 0
    for char in sentence[1:]:
        total ^= ord(char)
    return b"%s*%02X\r\n" % (sentence.encode(), total)


def needs(*names):
    """Skips a test if one of these programs is missing. Also looks in
    /usr/sbin."""
    missing = [name for name in names if not find(name)]
    return unittest.skipIf(missing, "not installed: " + " ".join(missing))


def find(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


class Reader(Client):
    """Counts the lines that it reads."""
    count = 0

    def line(self):
        line = super().line()
        self.count += 1
        return line


class Feeds(DaemonTest):
    def setUp(self):
        super().setUp()
        self.address = ("127.0.0.1", free_port())

    def serve(self, relay, framing="", listen=()):
        text = service(
            "feed", "tcp://127.0.0.1:%d" % self.address[1], *listen,
            protocol="relay",
            extra="\tframing { %s }\n\tlimits { clients-per-address = 0 }\n"
                  "\trelay { history = 100 %s }" % (framing, relay))
        self.daemon = self.start(text)
        return self.daemon

    def collect(self, framing, **options):
        """Starts a service: writers connect to self.address, a reader connects
        to the returned address. Lines are held for the reader."""
        reader = ("127.0.0.1", free_port())
        self.daemon = self.start(
            service("feed", "tcp://127.0.0.1:%d" % self.address[1],
                    "udp://127.0.0.1:%d" % self.address[1], protocol="relay",
                    extra='framing { %s }\nrelay { topic = "t" hold = 4M '
                          "publish-only = true }" % framing) +
            service("out", "tcp://127.0.0.1:%d" % reader[1], protocol="relay",
                    extra='relay { topic = "t" subscribe-only = true }'))
        return reader

    def program(self, *command, **how):
        """Starts a program. It is ended with the test."""
        how.setdefault("stdout", subprocess.DEVNULL)
        how.setdefault("stderr", subprocess.STDOUT)
        process = subprocess.Popen([find(command[0]), *command[1:]], **how)

        def end():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        self.addCleanup(end)
        return process

    def write_file(self, name, text):
        path = self.path(name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def reader(self, address=None):
        c = Reader(address or self.address)
        self.addCleanup(c.close)
        return c

    def counters(self, name="feed"):
        place = self.daemon.mark()
        self.daemon.signal(signal.SIGUSR1)
        line = self.daemon.wait_log(r"^<5>service %s: \d+ clients" % name,
                                    place)
        return dict((name.replace(" ", "_"), int(n)) for name, n in
                    re.findall(r", ([a-zA-Z_ -]+?) (\d+)", line))

    def row(self, program, what, sent, reader):
        """Checks that the counts add up; prints a row of the table in
        doc/feeds.md."""
        got, counted = reader.count, self.counters()
        dropped = {name: counted[name] for name in counted if re.match(
            "lines_(filtered|repeated|discarded|dropped)|too_long", name)}
        lines_in = counted["lines_in"]
        print("| %s | %s | %s | %d | %d | %s |" % (
            program, what, sent, lines_in, got,
            ", ".join("%s %d" % i for i in dropped.items()) or "none"),
            flush=True)
        self.assertEqual(lines_in, got + sum(dropped.values()), counted)
        return counted

    def lines(self, c, count):
        return [c.line() for _ in range(count)]

    def test_each_configuration_of_the_page_is_good(self):
        with open(os.path.join(TOP, "doc", "feeds.md")) as f:
            blocks = re.findall(r"^```lined\n(.*?)^```", f.read(), re.M | re.S)
        self.assertGreater(len(blocks), 5)
        for block in blocks:
            code, said = self.check(block)
            self.assertEqual(code, 0, said)
            self.assertNotIn("warning: ", said)

    # ---- syslog ---------------------------------------------------------

    def test_python_over_tcp_ends_messages_with_nul(self):
        reader = self.collect("terminator = nul line-length = 16384 "
                              "too-long = truncate")
        handler = logging.handlers.SysLogHandler(
            address=self.address, socktype=socket.SOCK_STREAM)
        log = logging.Logger("feeds")
        log.addHandler(handler)
        for n in range(2000):
            log.warning("payment %d\n  failed", n)
        handler.close()
        c = self.reader(reader)
        got = self.lines(c, 2000)
        self.assertEqual(got[7], b"<12>payment 7   failed\n")
        self.assertEqual(len(set(got)), 2000)
        self.row("Python's SysLogHandler", "TCP, NUL", 2000, c)

    @needs("rsyslogd")
    def test_rsyslog_counts_octets(self):
        self.rsyslog("octet-counted", "RSYSLOG_SyslogProtocol23Format")

    @needs("rsyslogd")
    def test_rsyslog_ends_lines(self):
        self.rsyslog("traditional", "RSYSLOG_TraditionalForwardFormat")

    def rsyslog(self, framing, template):
        reader = self.collect("terminator = syslog")
        port = free_port()
        conf = self.write_file("rsyslog.conf", """
global(workDirectory="%s")
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="%d")
action(type="omfwd" target="127.0.0.1" port="%d" protocol="tcp"
       TCP_Framing="%s" template="%s")
""" % (self.path("."), port, self.address[1], framing, template))
        self.program("rsyslogd", "-n", "-f", conf, "-i", self.path("pid"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", port))
            self.eventually(lambda: self.heard(s), "rsyslog")
            c = self.reader(reader)
            while b"last probe" not in c.line():
                pass
            before = self.counters()["lines_in"]
            for n in range(500):
                s.send(b"<13>Nov 29 12:00:00 host app: message %d" % n)
                if n % 50 == 0:
                    time.sleep(0.01)
            got = self.lines(c, 500)
        for n, line in enumerate(got):
            self.assertTrue(line.startswith(b"<13>") and line.endswith(
                b"message %d\n" % n), line)
        self.assertEqual(self.counters()["lines_in"] - before, 500)
        self.row("rsyslog", "TCP, " + framing, "500 and probes", c)

    def heard(self, s):
        """Whether a probe has arrived. Then sends the last line."""
        try:
            s.send(b"<13>Nov 29 12:00:00 host app: probe")
        except ConnectionError:
            return False
        time.sleep(0.05)
        if self.counters()["lines_in"] == 0:
            return False
        s.send(b"<13>Nov 29 12:00:00 host app: last probe")
        return True

    @needs("logger")
    def test_logger_in_three_ways(self):
        reader = self.collect("terminator = syslog")
        to = ["-n", self.address[0], "-P", str(self.address[1])]
        for how in (["-T"], ["-T", "--octet-count"], ["-d"]):
            for n in range(3):
                subprocess.run([find("logger"), *how, *to, "--rfc5424",
                                "-s", "said %d" % n], check=True,
                               stderr=subprocess.DEVNULL)
        c = self.reader(reader)
        got = self.lines(c, 9)
        self.assertEqual(sorted(line[-7:] for line in got),
                         sorted([b"said 0\n", b"said 1\n", b"said 2\n"] * 3))
        self.row("logger (util-linux)", "TCP lines, TCP counted, UDP", 9, c)

    # ---- serial lines ----------------------------------------------------

    def pair_of_ports(self):
        """Returns both ends of a serial line that socat makes."""
        ends = self.path("ttyA"), self.path("ttyB")
        self.program("socat", *("PTY,link=%s,rawer,mode=666" % end
                                for end in ends))
        self.eventually(lambda: all(map(os.path.exists, ends)), "the ports")
        return ends

    @needs("socat")
    def test_a_serial_line_by_socat(self):
        ours, theirs = self.pair_of_ports()
        self.serve('mode = "upstream" upstream = { "serial://%s?baud=4800" }'
                   % ours)
        self.daemon.wait_log("upstream serial://.*: connected")
        c = self.reader()
        with open(theirs, "wb", buffering=0) as device:
            self.reach(c, lambda: device.write(b"probe\r\n"))
            for sentence in NMEA:
                device.write(checked(sentence))
        self.all_came("socat PTY", "serial:// upstream", c)

    def all_came(self, program, what, c):
        """Checks that the sentences come whole and in order, after the
        probes."""
        got = self.lines_until(c, NMEA[-1])
        self.assertEqual([line for line in got if line.startswith(b"$")],
                         [checked(s) for s in NMEA])
        self.row(program, what, "%d and probes" % len(NMEA), c)

    def reach(self, c, probe):
        """Sends probes until one arrives."""
        c.sock.settimeout(0.05)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            probe()
            try:
                c.line()
                break
            except socket.timeout:
                pass
        else:
            self.fail("no probe arrived")
        c.sock.settimeout(PATIENCE)

    def lines_until(self, c, text):
        got = [c.line()]
        while not got[-1].startswith(text.encode()):
            got.append(c.line())
            self.assertNotEqual(got[-1], b"")
        return got

    @needs("ser2net", "socat")
    def test_ser2net_as_an_upstream(self):
        ours, theirs = self.pair_of_ports()
        port = free_port()
        conf = self.write_file("ser2net.yaml", """
connection: &gps
  accepter: tcp,127.0.0.1,%d
  connector: serialdev,%s,4800n81,local
""" % (port, ours))
        self.program("ser2net", "-n", "-c", conf, "-P", self.path("pid"))
        self.serve('mode = "upstream" upstream = { "tcp://127.0.0.1:%d" } '
                   "retry-min = 50ms retry-max = 200ms" % port)
        self.daemon.wait_log("upstream tcp://.*: connected")
        c = self.reader()
        with open(theirs, "wb", buffering=0) as device:
            self.reach(c, lambda: device.write(b"probe\r\n"))
            for sentence in NMEA:
                device.write(checked(sentence))
        self.all_came("ser2net", "tcp:// upstream", c)

    @needs("gpsd", "socat")
    def test_gpsd_is_asked_to_watch(self):
        ours, theirs = self.pair_of_ports()
        port = free_port()
        self.program("gpsd", "-N", "-n", "-S", str(port), ours)
        self.serve('mode = "upstream" upstream = { "tcp://127.0.0.1:%d" } '
                   "retry-min = 50ms retry-max = 200ms "
                   """preamble = { '?WATCH={"enable":true,"nmea":true};' } """
                   "filter = { 'allow ^[$!]', 'deny .' }" % port)
        self.daemon.wait_log("upstream tcp://.*: connected")
        c = self.reader()
        with open(theirs, "wb", buffering=0) as device:
            self.reach(c, lambda: device.write(checked(NMEA[0])))
            for sentence in NMEA[1:]:
                device.write(checked(sentence))
                time.sleep(0.02)
        got = self.lines_until(c, NMEA[-1])
        for sentence in NMEA[1:]:
            self.assertIn(checked(sentence), got)
        counted = self.row("gpsd", "?WATCH, filter",
                           "%d and probes" % len(NMEA), c)
        self.assertGreater(counted["lines_filtered"], 0)

    # ---- radio -----------------------------------------------------------

    @needs("dump1090-mutability")
    def test_dump1090_as_an_upstream(self):
        frames, sbs = free_port(), free_port()
        self.program("dump1090-mutability", "--net-only", "--quiet",
                     "--net-bind-address", "127.0.0.1",
                     "--net-ri-port", str(frames), "--net-sbs-port", str(sbs),
                     "--net-ro-port", "0", "--net-bi-port", "0",
                     "--net-bo-port", "0", "--net-http-port", "0")
        self.serve('mode = "upstream" upstream = { "tcp://127.0.0.1:%d" } '
                   "retry-min = 50ms retry-max = 200ms" % sbs)
        self.daemon.wait_log("upstream tcp://.*: connected")
        c = self.reader()
        with Client(("127.0.0.1", frames)) as antenna:
            self.reach(c, lambda: antenna.send(
                b"*%s;\n" % ADSB[0].encode()))
            for _ in range(5):
                for frame in ADSB:
                    antenna.send(b"*%s;\n" % frame.encode())
            got = [c.line() for _ in range(20)]
            while c.count < self.counters()["lines_in"]:
                got.append(c.line())
        self.assertTrue(all(line.startswith(b"MSG,") for line in got))
        self.row("dump1090-mutability", "BaseStation port",
                 "20 frames and probes", c)

    @needs("socat")
    def test_a_scanner_that_ends_codes_with_cr(self):
        reader = self.collect("terminator = cr")
        codes = [b"40063813339%02d" % n for n in range(50)]
        subprocess.run([find("socat"), "-u", "-",
                        "TCP:127.0.0.1:%d" % self.address[1]],
                       input=b"".join(code + b"\r" for code in codes),
                       check=True)
        c = self.reader(reader)
        got = self.lines(c, 50)
        self.assertEqual(got, [code + b"\n" for code in codes])
        self.row("socat as a scanner", "TCP, CR", 50, c)


if __name__ == "__main__":
    main(120)
