#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""relay loses no line without counting it: for random streams, cuts and
options, each line reaches each reader or is in a counter. On one, two and four
workers."""
import random
import re
import threading

from lined_test import NODES, Server, main
from test_relay import HOLD
from test_relay_feed import REPEATS, FeedTest

SEED = 20261129
LENGTH = 60  # of a line


class Case:
    """Random options, the lines that are sent, and the expected result."""

    def __init__(self, seed):
        self.seed = seed
        self.draw = draw = random.Random(seed)
        self.source = draw.choice(("topic", "topic", "hub", "upstream"))
        self.deny = draw.choice((None, "b", "[ab]c"))
        self.deny_out = draw.choice((None, None, "^d", "a$"))
        self.dedupe = draw.random() < 0.5
        self.too_long = draw.choice(("skip", "truncate"))
        self.tag = draw.random() < 0.3
        self.slow = draw.random() < 0.4
        self.held = self.source == "topic" and draw.random() < 0.4
        self.readers = 1 if self.held else draw.randrange(1, 4)
        self.writers = 1 if self.source == "upstream" else draw.randrange(1, 5)
        self.count = draw.randrange(1, 2000)
        self.streams = [[self.line() for _ in range(self.count)]
                        for _ in range(self.writers)]

    def line(self):
        draw = self.draw
        size = draw.choice((0, 1, 2, 5, 5, 20, LENGTH, LENGTH + 1, 300))
        return "".join(draw.choice("abcde") for _ in range(size)).encode()

    def intake(self):
        options = {}
        if self.deny:
            options["filter"] = "{ 'deny %s' }" % self.deny
        if self.dedupe:
            options["dedupe"] = "1h"
        if self.tag:
            options["tag"] = '"{port} {seconds} "'
        if self.held:
            options["hold"] = "16M"
        return options

    def outlet(self):
        options = {}
        if self.deny_out:
            options["filter_out"] = "{ 'deny %s' }" % self.deny_out
        if self.slow:
            options["slow"] = '"drop-oldest"'
            options["gap_notice"] = '"# lost {count}"'
            options["max_age"] = "1h"  # because the kernel's buffers are small
        return options

    def expected(self):
        """Returns how many lines are too long, truncated, filtered, repeated,
        and filtered on their way out, and the lines that readers get."""
        counts = dict.fromkeys(("too long", "truncated", "lines_filtered",
                                "lines_repeated", "lines_filtered_out"), 0)
        seen, out = set(), []
        for line in (line for stream in self.streams for line in stream):
            if len(line) > LENGTH and self.too_long == "skip":
                counts["too long"] += 1
                continue
            if len(line) > LENGTH:
                counts["truncated"] += 1
                line = line[:LENGTH]
            if self.deny and re.search(self.deny.encode(), line):
                counts["lines_filtered"] += 1
            elif self.dedupe and line in seen:
                counts["lines_repeated"] += 1
            elif self.deny_out and re.search(self.deny_out.encode(), line):
                counts["lines_filtered_out"] += 1
                seen.add(line)
            else:
                seen.add(line)
                out.append(line)
        return counts, out


class Sums(FeedTest):
    WORKERS = 1
    CASES = 12

    def write_in_pieces(self, client, lines, seed):
        draw = random.Random(seed)
        data = b"".join(line + draw.choice((b"\n", b"\r\n"))
                        for line in lines)
        while data:
            size = draw.choice((1, 2, 7, 100, 5000, 60000))
            client.send(data[:size])
            data = data[size:]

    def configure(self, case, server):
        how = {"limits": "send-queue = 8k send-stall = 0"
               if case.slow else ""}
        if case.source == "topic":
            text, to, of = self.topic(ingest=case.intake(),
                                      feed=case.outlet(), **how)
        else:
            options = dict(case.intake(), **case.outlet())
            if case.source == "upstream":
                options.update(mode='"upstream"',
                               upstream='{ "%s" }' % server.url)
            text, of = self.hub(name="out-t", **options, **how)
            to = of
        text = text.replace("\trelay {", "\tframing { line-length = %d "
                            "too-long = %s }\n\trelay {"
                            % (LENGTH, case.too_long))
        self.services = re.findall(r'^service "([^"]*)"', text, re.M)
        return text, to, of

    def total(self, daemon, name):
        """Returns the sum of a counter over all services."""
        return sum(daemon.counters(service)[name]
                   for service in self.services)

    def mark(self, writer):
        """Sends a unique line that no option drops."""
        self.marks += 1
        writer.send(b"%d\n" % self.marks)
        return b"%d" % self.marks

    def join(self, address, writer, **how):
        """Connects a reader. Returns when it gets what the writer sends."""
        reader = self.client(address, **how)
        reader.sock.settimeout(0.1)
        for _ in range(200):
            self.mark(writer)
            try:
                reader.line()
                break
            except OSError:
                pass
        reader.sock.settimeout(20)
        return reader

    def play(self, case):
        server = Server()
        self.addCleanup(server.close)
        text, to, of = self.configure(case, server)
        self.one_node = (HOLD if case.held else
                         REPEATS if case.dedupe else None)
        daemon = self.serve(text)
        self.marks = 1000
        if case.source == "upstream":
            writers = [server.accept()]
            self.addCleanup(writers[0].close)
        else:
            writers = [self.client(to) for _ in range(case.writers)]
        readers = [] if case.held else [
            self.join(of, writers[0], rcvbuf=4096 if case.slow else None)
            for _ in range(case.readers)]
        threads = [threading.Thread(target=self.write_in_pieces,
                                    args=(writer, stream, case.seed + i))
                   for i, (writer, stream)
                   in enumerate(zip(writers, case.streams))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent = case.writers * case.count + self.marks - 1000
        self.eventually(lambda: self.total(daemon, "lines in") >= sent,
                        "everything has come in")
        readers = readers or [self.client(of)]
        counts, out = case.expected()
        ends = {self.mark(writer) for writer in writers}
        lost = sum(self.check_reader(case, reader, set(ends), out)
                   for reader in readers)
        if not case.held:
            # Each node filters the lines for its own readers.
            counts["lines_filtered_out"] *= NODES
        for name, count in counts.items():
            self.eventually(lambda: self.total(daemon, name) == count,
                            "%s: %d" % (name, count))
        self.eventually(lambda: self.total(daemon, "lines in")
                        == sent + len(ends), "lines in: %d" % sent)
        # The writers of a hub also lose lines, because they do not read.
        if case.source != "hub":
            self.eventually(lambda: self.total(daemon, "lines_dropped")
                            == lost, "lines_dropped: %d" % lost)
        for name in ("lines_not_relayed", "held_lines_dropped",
                     "lines_discarded"):
            self.assertEqual(self.total(daemon, name), 0, name)

    def check_reader(self, case, reader, ends, out):
        """Checks that the reader got all lines but those in its notices."""
        got, lost = [], 0
        while ends or len(got) + lost < len(out):
            line = reader.line().rstrip(b"\r\n")
            notice = re.fullmatch(rb"# lost (\d+)", line)
            if notice:
                lost += int(notice.group(1))
                continue
            if case.tag:
                tag = re.match(rb"(\d+|-) \d+ ", line)
                line = line[tag.end():]
            if re.fullmatch(rb"\d+", line):
                ends.discard(line)
            else:
                got.append(line)
        if lost == 0:
            self.assertEqual(sorted(got), sorted(out))
        left = sorted(out)
        self.assertEqual(len(got) + lost, len(out))
        for line in got:
            self.assertIn(line, left)
        return lost

    def test_lines_in_are_lines_out_and_counters(self):
        for i in range(self.CASES):
            case = Case(SEED + 100 * self.WORKERS + i)
            with self.subTest(seed=case.seed):
                self.play(case)


class Sums2(Sums):
    WORKERS = 2


class Sums4(Sums):
    WORKERS = 4


del FeedTest

if __name__ == "__main__":
    main(120)
