#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How relay processes lines: filters by direction, dedupe over a topic, tags,
heartbeats, lines that are too old. On one and four workers."""
import calendar
import re
import time

from lined_test import NODES, Client, Datagram, Server, main, one_node
from test_relay import HOLD, RelayTest

REPEATS = "nodes that get a line at the same time both relay it"


def checksum(text):
    total = 0
    for byte in text:
        total ^= byte
    return b"%02X" % total


class FeedTest(RelayTest):
    def topic(self, name="t", ingest=None, feed=None, **how):
        """Two services that share a topic: the config, and both addresses."""
        a, to = self.hub(name="in-" + name, topic='"%s"' % name,
                         publish_only="true", **(ingest or {}), **how)
        b, of = self.hub(name="out-" + name, topic='"%s"' % name,
                         subscribe_only="true", **(feed or {}), **how)
        return a + b, to, of

    def read(self, reader, last):
        got = []
        while not got or not got[-1].endswith(last):
            got.append(reader.line())
        return got


class Lines(FeedTest):
    @one_node(REPEATS)
    def test_each_repeat_is_counted_once(self):
        text, to, of = self.topic(ingest={"dedupe": "60s"})
        daemon = self.serve(text)
        writers = [self.client(to) for _ in range(6)]
        readers = [self.member(of, writers[0]) for _ in range(4)]
        before = daemon.counters("in-t").get("lines_repeated", 0)
        for writer in writers:
            writer.send(b"".join(b"line %d\n" % i for i in range(100)))
        # The order is promised only for each sender, so a line of one writer
        # cannot mark the end of another's lines.
        for reader in readers:
            self.assertEqual(sorted(reader.line() for _ in range(100)),
                             sorted(b"line %d\n" % i for i in range(100)))
        self.eventually(
            lambda: daemon.counters("in-t")["lines_repeated"] - before
            == 500, "500 repeats")
        self.assertNotIn("lines_repeated", daemon.counters("out-t"))

    def test_each_service_says_which_of_its_own_lines_are_dropped(self):
        text, to, of = self.topic(ingest={"dedupe": "60s"})
        other, plain = self.hub(name="plain", topic='"t"',
                                publish_only="true")
        self.serve(text, other)
        a, b = self.client(to), self.client(plain)
        reader = self.member(of, a)
        self.reach(reader, b)
        b.send(b"x\n")
        self.assertEqual(reader.line(), b"x\n")
        a.send(b"x\ny\n")
        self.assertEqual(reader.line(), b"y\n")
        b.send(b"y\nx\n")
        self.assertEqual(reader.line(), b"y\n")
        self.assertEqual(reader.line(), b"x\n")

    def test_a_part_is_left_out_of_the_comparison(self):
        text, address = self.hub(dedupe="60s",
                                 dedupe_without=r"'^[\][^\]*[\]|,[0-9]+$'")
        self.serve(text)
        a, b = self.pair(address)
        a.send(b"\\s:one*00\\!AIVDM,A,1\n!AIVDM,A,2\n!AIVDM,B\n"
               b"\\s:two*00\\!AIVDM,A,1\n\\x\\\n\\y\\\nend\n")
        self.assertEqual(self.read(b, b"end\n"),
                         [b"\\s:one*00\\!AIVDM,A,1\n", b"!AIVDM,B\n",
                          b"\\x\\\n", b"end\n"])

    def test_each_direction_has_a_filter(self):
        text, to, of = self.topic(
            ingest={"filter": "{ 'deny secret' }", "tag": "true"},
            feed={"filter_out": "{ 'allow ^[$0-9]', 'deny .' }",
                  "history": 10})
        second, all_of = self.hub(name="all", topic='"t"',
                                  subscribe_only="true")
        daemon = self.serve(text, second)
        writer = self.client(to)
        some = self.client(of)
        everything = self.client(all_of)
        self.reach(some, writer)
        self.reach(everything, writer)
        writer.send(b"$GP\n!AI\nsecret\n$end\n")
        self.assertEqual(some.line(), b"127.0.0.1 $GP\n")
        self.assertEqual(some.line(), b"127.0.0.1 $end\n")
        for line in (b"$GP\n", b"!AI\n", b"$end\n"):
            self.assertEqual(everything.line(), b"127.0.0.1 " + line)
        self.eventually(
            lambda: daemon.counters("out-t")["lines_filtered_out"]
            == NODES, "one line filtered on each node")
        self.eventually(lambda: daemon.counters("in-t").get(
            "lines_filtered") == 1, "one more")

    def test_no_line_makes_a_filter_slow(self):
        """If the time were quadratic in the length, each line would take a
        second."""
        text, address = self.hub(filter="{ 'deny [a-z]+@', 'deny ([a-z]+)*%',"
                                 r" 'deny ^\\0*x$|b$', 'deny (c.)\1', 'deny a b' }")
        text = text.replace("\trelay {", "\tframing { line-length = 32k }\n"
                            "\trelay {")
        self.serve(text)
        a, b = self.pair(address)
        with self.takes(0, 10):
            a.send((b"a" * 32000 + b"\n") * 20)
            for _ in range(20):
                self.assertEqual(b.line(), b"a" * 32000 + b"\n")
        a.send(b"\0\0x@\n\0b\n\0c\0c\nc1c2\nc1c1\na b\nend\n")
        self.assertEqual(self.read(b, b"end\n"),
                         [b"\0c\0c\n", b"c1c2\n", b"end\n"])

    @one_node(HOLD)
    def test_held_lines_are_filtered_for_their_reader(self):
        text, to, of = self.topic(
            ingest={"hold": "64k", "tag": "true"},
            feed={"filter_out": "{ 'deny ^no' }"})
        daemon = self.serve(text)
        with Client(to) as writer:
            writer.send(b"yes\r\nno 1\nno 2\nend\n")
            self.eventually(lambda: daemon.counters("in-t").get(
                "lines_held") == 4, "all are held")
        reader = self.client(of)
        self.assertEqual(self.read(reader, b"end\n"),
                         [b"127.0.0.1 yes\r\n", b"127.0.0.1 end\n"])
        self.eventually(lambda: daemon.counters("out-t").get(
            "lines_filtered_out") == 2, "two are filtered")

    @one_node(HOLD)
    def test_repeats_are_dropped_before_they_are_held(self):
        text, to, of = self.topic(ingest={"hold": "64k", "dedupe": "100ms"})
        daemon = self.serve(text)
        writer = self.client(to)
        for turn in range(3):
            writer.send(b"same\nsame\n")
            self.eventually(lambda: daemon.counters("in-t").get(
                "lines_held", 0) == turn + 1, "one more is held")
            time.sleep(0.15)
        writer.send(b"end\n")
        reader = self.client(of)
        self.assertEqual(self.read(reader, b"end\n"),
                         [b"same\n"] * 3 + [b"end\n"])

    @one_node(HOLD)
    def test_hold_is_the_size_of_the_lines(self):
        text, address = self.hub(hold="4000")
        daemon = self.serve(text)
        with Client(address) as a:
            for i in range(1000):
                a.send(b"line %04d\n" % i)
            self.eventually(lambda: daemon.counters("feed").get(
                "lines_held") == 1000, "all are held")
        self.eventually(lambda: daemon.counters("feed").get(
            "held_lines_dropped") == 600, "the others are dropped")
        b = self.client(address)
        self.assertEqual(self.read(b, b"0999\n"),
                         [b"line %04d\n" % i for i in range(600, 1000)])

    def test_tags_by_a_template(self):
        text, address = self.hub(
            listen=("tcp", "udp"),
            tag='"<{address}|{port}|{service}|{name}|{seconds}|{time}> {x "')
        self.write(text)
        code, told = self.check()
        self.assertEqual(code, 1, told)
        self.assertRegex(told, r"lined\.conf:\d+: .*tag: .*after \{")
        self.serve(text.replace(" {x", ""))
        a, b = self.pair(address)
        now = int(time.time())
        a.send(b"one\n")
        port = a.sock.getsockname()[1]
        match = re.fullmatch(
            rb"<127\.0\.0\.1\|(\d+)\|feed\|-\|(\d+)\|"
            rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)> one\n", b.line())
        self.assertEqual(int(match.group(1)), port)
        self.assertLess(abs(int(match.group(2)) - now), 30)
        parsed = time.strptime(match.group(3).decode(), "%Y-%m-%dT%H:%M:%SZ")
        self.assertLess(abs(calendar.timegm(parsed) - now), 30)
        with Datagram(address) as d:
            d.send(b"two")
            self.assertIn(b"|%d|feed|" % d.sock.getsockname()[1], b.line())

    def test_the_checksum_of_a_tag_block(self):
        text, address = self.hub(tag=r'"\\s:{service},c:{seconds}\\"',
                                 tag_checksum="true")
        self.serve(text)
        a, b = self.client(address), self.client(address)
        a.send(b"!AIVDM,x\n")
        deadline = time.monotonic() + 5
        b.sock.settimeout(0.1)
        while True:
            try:
                line = b.line()
                break
            except OSError:
                self.assertLess(time.monotonic(), deadline)
                a.send(b"!AIVDM,x\n")
        match = re.fullmatch(rb"\\(s:feed,c:\d+)\*([0-9A-F]{2})\\!AIVDM,x\n",
                             line)
        self.assertEqual(match.group(2), checksum(match.group(1)))

    def test_a_heartbeat_while_the_feed_is_silent(self):
        text, address = self.hub(heartbeat="200ms", history=5,
                                 heartbeat_line='"# {seconds} {other}"',
                                 loopback="true")
        self.serve(text)
        a = self.client(address)
        for _ in range(2):
            self.assertRegex(a.line(), rb"^# \d{10} \{other\}\n$")
        a.send(b"line\n")
        while a.line() != b"line\n":
            pass
        self.assertRegex(a.line(), rb"^# ")
        b = self.client(address)
        while True:
            line = b.line()
            if line == b"line\n":  # from this worker's history
                break
            a.send(b"line\n")

    def test_no_heartbeat_while_there_are_lines(self):
        text, address = self.hub(heartbeat="400ms")
        self.serve(text)
        a, b = self.pair(address)
        end = time.monotonic() + 1.2
        i = 0
        while time.monotonic() < end:
            a.send(b"%d\n" % i)
            self.assertEqual(b.line(), b"%d\n" % i)
            i += 1
            time.sleep(0.02)

    def test_a_reader_that_comes_back_hears_what_is_new(self):
        text, address = self.hub(
            limits="send-queue = 16M send-stall = 0", max_age="500ms",
            gap_notice='"# lost {count} lines"')
        self.serve(text)
        a, other = self.pair(address)
        slow = self.member(address, a, rcvbuf=4096)
        total = 3000
        for i in range(total):
            a.send(b"%06d %s\n" % (i, b"x" * 400))
            while other.line()[:6] != b"%06d" % i:
                pass
        time.sleep(0.8)
        a.send(b"now\n")
        got = self.read(slow, b"now\n")
        a.send(b"end\n")
        got += self.read(slow, b"end\n")
        lines = [line for line in got if re.match(rb"\d{6} x", line)]
        old = sum(map(len, lines))
        self.assertLessEqual(old, 65536)
        numbers = [int(line[:6]) for line in lines]
        self.assertEqual(numbers, list(range(len(numbers))))
        notices = [int(m.group(1)) for m in
                   (re.fullmatch(rb"# lost (\d+) lines\n", line)
                    for line in got) if m]
        if not notices:
            notices = [int(re.fullmatch(rb"# lost (\d+) lines\n",
                                        slow.line()).group(1))]
        self.assertEqual(len(numbers) + sum(notices), total)


class Up(FeedTest):
    def test_what_goes_up_passes_filter_then_filter_up(self):
        server = Server()
        self.addCleanup(server.close)
        text, address = self.hub(
            mode='"upstream"', upstream='{ "%s" }' % server.url,
            subscribe_only="false", filter="{ 'deny one' }",
            filter_up="{ 'deny two' }")
        daemon = self.serve(text)
        above = server.accept()
        self.addCleanup(above.close)
        a = self.client(address)
        a.send(b"one\ntwo\nthree\n")
        self.assertEqual(above.line(), b"three\n")
        above.send(b"two\n")
        self.assertEqual(a.line(), b"two\n")
        for name in ("lines_filtered", "lines_filtered_up"):
            self.eventually(lambda: daemon.counters("feed").get(name)
                            == 1, name)

    def test_the_tag_of_an_upstream(self):
        server = Server()
        self.addCleanup(server.close)
        text, address = self.hub(
            mode='"upstream"', upstream='{ "%s" }' % server.url,
            tag='"{address} {port} {name} "')
        self.serve(text)
        above = server.accept()
        self.addCleanup(above.close)
        a = self.client(address)
        above.sock.settimeout(5)
        a.sock.settimeout(0.1)
        for _ in range(50):
            above.send(b"x\n")
            try:
                line = a.line()
                break
            except OSError:
                pass
        url = server.url.encode()
        host, port = url[6:].rsplit(b":", 1)
        self.assertEqual(line, b"%s %s %s x\n" % (host, port, url))


class Lines4(Lines):
    WORKERS = 4


if __name__ == "__main__":
    main(120)
