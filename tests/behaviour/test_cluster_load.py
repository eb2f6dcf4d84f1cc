#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A cluster under load, and with a node or a nats-server that is too slow:
local readers get each line, memory is bounded, and lines that other nodes miss
are counted exactly. LINED_LONG is the duration in seconds (default 1); if it is
set, tests with long cuts run, too."""
import os
import re
import signal
import threading
import time
import unittest

from cluster_test import ClusterTest, Nats, Proxy
from lined_test import main
from test_cluster_relay import RelayTest

LONG = os.environ.get("LINED_LONG")
SECONDS = float(LONG or 1)
RATE = 50000  # lines a second
TURN = 500
LINE = 100
LONG_LINE = 400  # a second of these does not fit into kernel buffers
MIB = 1024  # KiB


class Flood:
    """A client that sends numbered lines, at RATE or as fast as the daemon
    reads."""

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
    """A reader that reads all the time, and keeps the numbers of its lines."""

    def __init__(self, client):
        self.client = client
        self.client.sock.settimeout(None)
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
        # The longest queue that a client may have, so that the readers of the
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
        """Waits until a line arrives again."""
        def comes():
            self.writer.send(b"end\n")
            return self.far.ended.wait(0.1)
        self.eventually(comes, "the end")

    def count_up(self):
        """Waits until B has received, or counted as lost, all lines that A has
        published."""
        def published():
            return (self.metric(self.a, "lines_sent_total")
                    + self.metric(self.a, "lines_unsent_total"))

        def arrived():
            return (self.metric(self.b, "lines_received_total")
                    + self.metric(self.b, "lost_total"))
        self.eventually(lambda: published() == arrived(), "the last line")
        return self.metric(self.b, "lost_total")

    def check_near(self, flood):
        """Checks that the local reader has got each line."""
        self.assertTrue(self.near.ended.wait(60))
        self.assertEqual(self.near.numbers, list(range(flood.count)))

    def check_far(self, flood):
        """Checks that no line came twice or out of order."""
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
        self.check_memory(12)


class SlowNode(LoadTest):
    server = 'max_pending: 1048576\nwrite_deadline: "500ms"\n'

    def test_node_is_found_slow_by_nats(self):
        self.b.signal(signal.SIGSTOP)
        self.addCleanup(self.b.signal, signal.SIGCONT)
        flood = Flood(self.writer, LONG_LINE)
        flood.wait()
        self.check_near(flood)
        self.check_memory(12)
        mark = self.b.mark()
        self.b.signal(signal.SIGCONT)
        self.b.wait_log("cluster: joined as node node-b", mark)
        self.end()
        self.b.wait_log(r"cluster: \d+ lines of node node-a were lost", mark)
        self.assertGreater(self.count_up(), 0)
        self.check_far(flood)
        self.check_memory(12)


class SlowServer(LoadTest):
    def test_nats_does_not_read(self):
        self.nats.signal(signal.SIGSTOP)
        self.addCleanup(self.nats.signal, signal.SIGCONT)
        flood = Flood(self.writer, LONG_LINE)
        flood.wait()
        self.check_near(flood)
        self.check_memory(12)
        mark = self.b.mark()
        self.nats.signal(signal.SIGCONT)
        self.end()
        self.b.wait_log(r"cluster: \d+ lines of node node-a were lost", mark)
        self.assertGreater(self.count_up(), 0)
        self.check_far(flood)
        self.check_memory(12)


class LeftServer(LoadTest):
    def test_lines_that_it_has_not_read_are_not_sent(self):
        self.nats.signal(signal.SIGSTOP)
        self.addCleanup(self.nats.signal, signal.SIGCONT)
        stopped = self.a.mark()
        flood = Flood(self.writer, LONG_LINE)
        flood.wait()
        self.check_near(flood)
        before = self.metric(self.a, "lines_unsent_total")
        sent = self.metric(self.a, "lines_sent_total")
        with open(self.a.config) as f:
            text = f.read()
        self.nats = Nats(self)
        self.write(re.sub(r"nats://[^\"]*", self.nats.url(), text),
                   os.path.basename(self.a.config))
        mark = self.a.reload()
        self.a.wait_log("cluster: joined as node node-a", mark)
        after = self.metric(self.a, "lines_unsent_total")
        # On a slow machine the link may have ended during the flood; then these
        # lines were counted before.
        if not self.a.logged("cluster: nats://", stopped):
            self.assertGreater(after, before)
        self.assertEqual(self.metric(self.a, "lines_sent_total"),
                         sent + before - after)


class Echo:
    """Two people on one node: one speaks every 10 ms, the other hears it. Notes
    the longest delay, and the number of delays above 100 ms."""

    def __init__(self, test, node):
        self.speaker, self.listener = test.person(node), test.person(node)
        for person in self.speaker, self.listener:
            person.say("/part")
            person.say("/join den")
            person.until(r"\* %s joined den$" % person.nickname)
        self.longest = self.over = self.count = 0
        self.ending = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ending:
            said = time.monotonic()
            self.speaker.say("echo %d" % self.count)
            self.listener.until(r"\[den\] <%s> echo %d$"
                                % (self.speaker.nickname, self.count))
            took = time.monotonic() - said
            self.longest = max(self.longest, took)
            self.over += took > 0.1
            self.count += 1
            time.sleep(0.01)

    def end(self, what):
        self.ending = True
        self.thread.join()
        print("%s: %d local lines, the longest took %.1f ms, %d more than "
              "100 ms" % (what, self.count, self.longest * 1000, self.over))


@unittest.skipUnless(LONG, "lasts minutes: LINED_LONG")
class Timed(ClusterTest):
    """Tests with the default lease."""

    lease = "15s"

    def begin(self):
        self.nats = Nats(self)
        self.proxy = Proxy(self, self.nats.port)
        self.a = self.node("node-a", self.nats.url())
        self.b = self.node("node-b",
                           "nats://127.0.0.1:%d" % self.proxy.port)
        self.alice = self.person(self.a, "alice")
        self.bob = self.person(self.b, "bob")
        self.eventually(lambda: self.alice.who() == ["alice", "bob"], "bob")
        self.echoes = [Echo(self, node) for node in (self.a, self.b)]

    def cut(self, what, cut, seconds, heal):
        """Cuts a link for a time. Meanwhile both nodes give the same name to a
        client; afterwards only one client has it."""
        self.begin()
        cut()
        begin = time.monotonic()
        self.bob.until(r"\* some people may not hear you$")
        print("%s: told after %.2f s" % (what, time.monotonic() - begin))
        time.sleep(max(0, begin + seconds - 2 - time.monotonic()))
        for person in self.bob, self.alice:
            person.say("/nick carol")
            person.until(r"\* (alice|bob) is now carol$")
        time.sleep(max(0, begin + seconds - time.monotonic()))
        healed = time.monotonic()
        heal()
        self.alice.until(r"\* carol is taken: you are now guest\d+$")
        print("%s: settled %.2f s after the end"
              % (what, time.monotonic() - healed))
        self.eventually(lambda: self.alice.who() == self.bob.who()
                        and self.bob.who().count("carol") == 1, "one order")
        print("%s: one order %.2f s after the end"
              % (what, time.monotonic() - healed))
        for echo, node in zip(self.echoes, (self.a, self.b)):
            echo.end(what)
            for line in node.logged("were lost"):
                print("  " + line)

    def test_nats_is_killed(self):
        self.cut("kill -9", lambda: self.nats.kill(), 5,
                 lambda: self.nats.start())

    def test_nats_is_stopped(self):
        self.cut("SIGSTOP", lambda: self.nats.signal(signal.SIGSTOP), 10,
                 lambda: self.nats.signal(signal.SIGCONT))

    def test_link_is_cut(self):
        self.cut("cut", lambda: self.proxy.cut(), 60,
                 lambda: self.proxy.heal())

    def test_node_is_killed(self):
        self.begin()
        self.echoes[1].ending = True
        self.echoes[1].thread.join()
        begin = time.monotonic()
        self.b.kill()
        self.eventually(lambda: self.alice.who() == ["alice"],
                        "the end of bob", 30)
        print("node killed: its people are gone after %.1f s"
              % (time.monotonic() - begin))
        self.echoes[0].end("node killed")


if __name__ == "__main__":
    main(600 if LONG else 120)
