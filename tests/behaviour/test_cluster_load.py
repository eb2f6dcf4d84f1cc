#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A cluster under load, and with a node or a nats-server that does not keep up:
local readers get each line, memory is bounded, what other nodes miss is counted
exactly. LINED_LONG is how many seconds it lasts (1)."""
import os
import re
import signal
import threading
import time

from lined_test import main
from test_cluster_relay import RelayTest

SECONDS = float(os.environ.get("LINED_LONG") or 1)
RATE = 50000  # lines a second
TURN = 500
LINE = 100
LONG_LINE = 400  # more than the kernel keeps, in a second
MIB = 1024  # KiB


class Flood:
    """Lines with numbers, from a client, at RATE or as fast as they are
    taken."""

    def __init__(self, client, size=LINE):
        self.client = client
        self.size = size
        self.count = int(SECONDS * RATE) // TURN * TURN
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def _send(self):
        begin = time.monotonic()
        for first in range(0, self.count, TURN):
            time.sleep(max(0, begin + first / RATE - time.monotonic()))
            self.client.send(b"".join(
                (b"%d " % n).ljust(self.size - 1, b".") + b"\n"
                for n in range(first, first + TURN)))

    def wait(self):
        self.thread.join()
        self.client.send(b"end\n")


class Ears:
    """A reader that reads all the time; the numbers of the lines it got."""

    def __init__(self, client):
        self.client = client
        self.numbers = []
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                line = self.client.line()
            except OSError:
                return
            if line == b"end\n":
                self.ended.set()
            elif line == b"":
                return
            elif line[0] in b"0123456789":
                self.numbers.append(int(line.split()[0]))


class LoadTest(RelayTest):
    def setUp(self):
        super().setUp()
        # The most that one client may have queued, so that the readers of the
        # test lose nothing.
        limits = '\t}\n\tlimits {\n\t\tsend-queue = 64M\n'
        self.a, self.b = self.relays(limits, 2)
        self.writer = self.client(self.a)
        readers = self.client(self.a), self.client(self.b)
        self.reach(self.writer, *readers)
        self.near, self.far = [Ears(reader) for reader in readers]
        self.memory = [daemon.own_kib() for daemon in (self.a, self.b)]

    def metric(self, daemon, name):
        found = re.search(r"(?m)^lined_cluster_%s(?:{.*})? (\d+)$" % name,
                          self.linectl(daemon.control, "metrics"))
        return int(found.group(1))

    def end(self):
        """Waits until a line comes through again."""
        def comes():
            self.writer.send(b"end\n")
            return self.far.ended.wait(0.1)
        self.eventually(comes, "the end")

    def count_up(self):
        """What A has published is what B has received and lost."""
        def published():
            return (self.metric(self.a, "lines_sent_total")
                    + self.metric(self.a, "lines_unsent_total"))

        def arrived():
            return (self.metric(self.b, "lines_received_total")
                    + self.metric(self.b, "lost_total"))
        self.eventually(lambda: published() == arrived(), "the last line")
        return self.metric(self.b, "lost_total")

    def check_near(self, flood):
        """The local reader has got each line."""
        self.assertTrue(self.near.ended.wait(60))
        self.assertEqual(self.near.numbers, list(range(flood.count)))

    def check_far(self, flood):
        """Nothing came twice, or in another order."""
        self.assertEqual(self.far.numbers, sorted(set(self.far.numbers)))
        self.assertLess(len(self.far.numbers), flood.count)

    def check_memory(self, most):
        for daemon, before in zip((self.a, self.b), self.memory):
            if not daemon.is_sanitized():
                self.assertLess(daemon.own_kib() - before, most * MIB)


class Fast(LoadTest):
    def test_each_line_comes_and_memory_is_bounded(self):
        flood = Flood(self.writer)
        flood.wait()
        self.check_near(flood)
        self.end()
        self.assertEqual(self.count_up(), 0)
        self.assertEqual(self.far.numbers, list(range(flood.count)))
        self.check_memory(32)


class SlowNode(LoadTest):
    server = 'max_pending: 1048576\nwrite_deadline: "500ms"\n'

    def test_node_is_found_slow_by_nats(self):
        self.b.signal(signal.SIGSTOP)
        self.addCleanup(self.b.signal, signal.SIGCONT)
        flood = Flood(self.writer, LONG_LINE)
        flood.wait()
        self.check_near(flood)
        self.check_memory(32)
        mark = self.b.mark()
        self.b.signal(signal.SIGCONT)
        self.b.wait_log("cluster: joined as node node-b", mark)
        self.end()
        self.b.wait_log(r"cluster: \d+ lines of node node-a were lost", mark)
        self.assertGreater(self.count_up(), 0)
        self.check_far(flood)
        self.check_memory(32)


class SlowServer(LoadTest):
    def test_nats_does_not_read(self):
        self.nats.signal(signal.SIGSTOP)
        self.addCleanup(self.nats.signal, signal.SIGCONT)
        flood = Flood(self.writer, LONG_LINE)
        flood.wait()
        self.check_near(flood)
        self.check_memory(32)
        mark = self.b.mark()
        self.nats.signal(signal.SIGCONT)
        self.end()
        self.b.wait_log(r"cluster: \d+ lines of node node-a were lost", mark)
        self.assertGreater(self.count_up(), 0)
        self.check_far(flood)
        self.check_memory(32)


if __name__ == "__main__":
    main()
