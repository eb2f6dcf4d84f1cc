#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""time: a line with the time at the beginning of each second."""
import calendar
import time

from lined_test import Client, DaemonTest, PATIENCE
from lined_test import free_port, main, service


def seconds(line):
    return calendar.timegm(time.strptime(line.decode(),
                                         "%Y-%m-%dT%H:%M:%SZ\n"))


class Time(DaemonTest):
    def setUp(self):
        super().setUp()
        self.address = ("127.0.0.1", free_port())
        self.tcp = "tcp://127.0.0.1:%d" % self.address[1]

    def text(self, options=""):
        return service("clock", self.tcp, protocol="time",
                       extra="\ttime { %s }" % options)

    def test_it_tells_the_time(self):
        self.start(self.text())
        with Client(self.address) as c:
            before = int(time.time())
            told = seconds(c.line())
            self.assertLessEqual(before, told)
            self.assertLessEqual(told, time.time())

    def test_its_lines_end_as_the_framing_says(self):
        for terminator, end in (("crlf", b"Z\r\n"), ("nul", b"Z\0")):
            with self.subTest(terminator):
                daemon = self.start(service(
                    "clock", self.tcp, protocol="time",
                    extra="framing { terminator = %s }" % terminator))
                with Client(self.address) as c:
                    self.assertEqual(c.exactly(19 + len(end))[19:], end)
                daemon.stop()

    def test_no_second_is_told_twice(self):
        self.start(self.text())
        with Client(self.address) as c:
            times = [seconds(c.line()) for _ in range(4)]
        self.assertEqual(times, sorted(set(times)))
        # On a busy machine some seconds may be missing.
        self.assertIn(1, [b - a for a, b in zip(times, times[1:])])

    def test_lines_come_as_the_second_begins(self):
        self.start(self.text())
        prompt = 0
        deadline = time.monotonic() + 2 * PATIENCE
        with Client(self.address) as c:
            while prompt < 2:
                told = seconds(c.line())
                prompt += time.time() - told < 0.3
                self.assertLess(time.monotonic(), deadline)

    def test_everybody_hears_it_on_every_worker(self):
        self.start(self.text(), workers=3)
        clients = [Client(self.address) for _ in range(6)]
        lines = [{c.line() for _ in range(3)} for c in clients]
        for c in clients:
            c.close()
        self.assertTrue(set.intersection(*lines), lines)

    def test_the_format_is_the_operators(self):
        daemon = self.start(self.text("format = 'it is %% %Y'"))
        with Client(self.address) as c:
            self.assertRegex(c.line(), rb"^it is % 20\d\d\n$")
            self.write(self.text("format = 'now'"))
            daemon.reload()
            while c.line() != b"now\n":
                pass

    def test_local_time(self):
        # This time zone is 5:45 hours ahead of UTC.
        self.start(self.text("local = true format = '%H:%M'"),
                   env={"TZ": "XYZ-5:45"})
        with Client(self.address) as c:
            told = c.line()
        now = time.time()
        self.assertIn(told.decode().strip(),
                      [time.strftime("%H:%M", time.gmtime(now + t + 20700))
                       for t in (0, -2, -PATIENCE)])

    def test_what_is_sent_is_not_read(self):
        self.start(self.text())
        with Client(self.address) as c:
            c.send(b"x" * 100000 + b"\nhello\n")
            c.half_close()
            self.assertEqual(c.ended(), b"")

    def test_a_format_must_give_a_line(self):
        for bad in ("", "%n", "a%nb", "x" * 300):
            with self.subTest(bad):
                code, out = self.check(self.text("format = '%s'" % bad))
                self.assertEqual(code, 1, out)
                self.assertRegex(out, r"lined\.conf:\d+: .*format: it must")


if __name__ == "__main__":
    main()
