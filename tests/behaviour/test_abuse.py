#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients that flood, never read, die or reset, and a daemon without free
descriptors: other clients are served, memory is bounded, and the daemon uses no
CPU time when it has nothing to do.

LINED_FLOOD_MB is what the flooding client sends, 200 where it is not set."""
import hashlib
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time

from lined_test import PATIENCE, Client, DaemonTest
from lined_test import free_port, main, service

FLOOD = int(os.environ.get("LINED_FLOOD_MB") or 200) << 20

LINE = bytes(33 + i % 90 for i in range(999)) + b"\n"


class Abuse(DaemonTest):
    limits = "clients-per-address = 0 connect-rate-per-address = 0"

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.unix = self.path("echo.sock")
        self.text = service(
            "echo", "tcp://127.0.0.1:%d" % self.port, "unix://" + self.unix,
            extra="\tlimits { %s }" % self.limits)

    def assert_small(self, daemon, before, kib):
        if not daemon.is_sanitized():
            self.assertLess(daemon.rss_kib() - before, kib)


class NeverReads(Abuse):
    def warm(self):
        """Serves a client, so that memory which the daemon allocates only once
        does not look like a leak."""
        with Client(self.address) as c:
            self.assertTrue(c.echoes(b"x" * 8000 + b"\n"))

    def test_a_flood_that_is_not_read_costs_little(self):
        for address in (self.address, self.unix):
            with self.subTest(address=address):
                self.flood(self.start(self.text, level="notice"), address)

    def flood(self, daemon, address):
        self.warm()
        with Client(address) as other, Client(address) as c:
            self.assertTrue(other.echoes())
            before = daemon.rss_kib()

            # The client sends as much as is accepted and reads nothing.
            sent = c.fill(LINE, quiet=1)
            self.assertGreater(sent, 100000)
            self.assertLess(sent, FLOOD)
            self.assert_small(daemon, before, 2048)
            for _ in range(20):
                with self.takes(0, 2):
                    self.assertTrue(other.echoes())

            # The daemon is idle meanwhile.
            cpu = daemon.cpu_seconds()
            time.sleep(0.5)
            self.assertLessEqual(daemon.cpu_seconds() - cpu, 0.05)

            # The client reads, and gets all answers to the last byte.
            want, got = hashlib.sha256(), hashlib.sha256()
            took, worst, checked = 0, 0, 0
            total = FLOOD // len(LINE) * len(LINE)
            block = LINE * 256
            c.sock.setblocking(False)
            while took < total:
                ready = select.select([c.sock], [c.sock] if sent < total
                                      else [], [], PATIENCE)
                self.assertTrue(ready[0] or ready[1], "the flood stands")
                if ready[0]:
                    data = c.sock.recv(1 << 18)
                    self.assertTrue(data, "closed after %d" % took)
                    took += len(data)
                    got.update(data)
                elif ready[1]:
                    at = sent % len(block)
                    room = min(len(block) - at, total - sent)
                    sent += c.sock.send(memoryview(block)[at:at + room])
                if took >> 23 != checked:
                    checked = took >> 23
                    worst = max(worst, daemon.rss_kib())
                    c.sock.setblocking(True)
                    self.assertTrue(other.echoes())
                    c.sock.setblocking(False)
            for _ in range(total // len(LINE)):
                want.update(LINE)
            self.assertEqual(got.hexdigest(), want.hexdigest())
            if not daemon.is_sanitized():
                self.assertLess(worst - before, 2048)
        daemon.stop()

    def test_twenty_of_them_are_bounded_each(self):
        daemon = self.start(self.text, level="notice")
        self.warm()
        with Client(self.address) as other:
            before = daemon.rss_kib()
            floods = [Client(self.address, rcvbuf=4096) for _ in range(20)]
            for c in floods:
                c.sock.setblocking(False)
            quiet = 0
            while quiet < 10:
                moved = False
                for c in floods:
                    try:
                        moved |= c.sock.send(LINE * 64) > 0
                    except BlockingIOError:
                        pass
                quiet = 0 if moved else quiet + 1
                if not moved:
                    time.sleep(0.05)
            # Each client holds at most its high mark and one read.
            self.assert_small(daemon, before, 20 * (256 + 64 + 32))
            with self.takes(0, 2):
                self.assertTrue(other.echoes())
            for c in floods:
                c.close()

    def test_a_flooder_that_reads_does_not_starve_others(self):
        self.start(self.text, level="notice")
        source = ("import socket, threading\n"
                  "s = socket.create_connection(('127.0.0.1', %d))\n"
                  "t = threading.Thread(target=lambda: ["
                  "s.sendall(b'flood\\n' * 10000) for _ in iter(int, 1)],"
                  "daemon=True)\n"
                  "t.start()\n"
                  "while s.recv(1 << 18): pass\n" % self.port)
        floods = [subprocess.Popen(["setpriv", "--pdeathsig", "KILL",
                                    sys.executable, "-c", source])
                  for _ in range(2)]
        try:
            with Client(self.address) as c:
                worst = 0
                for _ in range(100):
                    begin = time.monotonic()
                    self.assertTrue(c.echoes())
                    worst = max(worst, time.monotonic() - begin)
                    time.sleep(0.01)
                self.assertLess(worst, 2)
            for f in floods:
                self.assertIsNone(f.poll())
        finally:
            for f in floods:
                f.kill()
                f.wait()


class Dies(Abuse):
    def test_kill_9_of_a_client(self):
        daemon = self.start(self.text)
        base = daemon.descriptors()
        source = ("import socket, sys, time\n"
                  "s = socket.create_connection(('127.0.0.1', %d))\n"
                  "s.sendall(b'hello\\nhalf a line')\n"
                  "s.recv(6); print('up', flush=True)\n"
                  "while True: s.send(b'more and more\\n')\n" % self.port)
        with Client(self.address) as other:
            for _ in range(3):
                victim = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c",
                     source], stdout=subprocess.PIPE)
                with victim.stdout:
                    self.assertEqual(victim.stdout.readline(), b"up\n")
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                self.assertTrue(other.echoes())
        self.eventually(lambda: daemon.descriptors() == base,
                        "the victims' descriptors")

    def test_a_reset_in_mid_send(self):
        daemon = self.start(self.text)
        base = daemon.descriptors()
        with Client(self.address) as other:
            for _ in range(20):
                c = Client(self.address, rcvbuf=4096)
                c.fill(LINE * 100, quiet=0.02)
                c.reset()
                self.assertTrue(other.echoes())
        daemon.wait_log(r"client \d+ 127\.0\.0\.1:\d+: closed: ")
        self.eventually(lambda: daemon.descriptors() == base,
                        "the descriptors")

    def test_a_reset_is_noticed_while_it_is_not_read(self):
        # Above the high mark the client's input is not read. The deadlines are
        # far away.
        daemon = self.start(self.text)
        base = daemon.descriptors()
        c = Client(self.address, rcvbuf=4096)
        c.fill(LINE * 100, quiet=0.5)
        self.assertEqual(daemon.descriptors(), base + 1)
        c.reset()
        self.eventually(lambda: daemon.descriptors() == base,
                        "its end", timeout=5)

    def test_resets_at_every_moment(self):
        daemon = self.start(self.text, level="notice")
        base = daemon.descriptors()
        dice = random.Random(11)
        with Client(self.address) as other:
            for turn in range(400):
                c = Client(self.address)
                for _ in range(dice.randrange(4)):
                    c.send(dice.randbytes(dice.randrange(1, 3000)))
                dice.choice((c.reset, c.close))()
                if turn % 50 == 0:
                    self.assertTrue(other.echoes())
        self.eventually(lambda: daemon.descriptors() == base,
                        "the descriptors")

    def test_half_close_with_pending_echo(self):
        self.start(self.text)
        for address in (self.address, self.unix):
            with self.subTest(address=address), Client(address) as c:
                sent = c.fill(LINE, quiet=0.5)
                # The rest of a last line that was cut is dropped.
                c.half_close()
                time.sleep(0.2)
                whole = sent // len(LINE) * len(LINE)
                got = c.rest()
                self.assertEqual(len(got), whole)
                self.assertEqual(got.replace(LINE, b""), b"")

    def test_junk_is_local_to_its_connection(self):
        self.start(self.text, level="notice")
        dice = random.Random(5)
        with Client(self.address) as other:
            for _ in range(50):
                with Client(self.address) as c:
                    c.send(dice.randbytes(30000).replace(b"\n", b"\0"))
                self.assertTrue(other.echoes())


class OutOfDescriptors(Abuse):
    FILES = 64

    def open_clients(self, count):
        """Connects clients. The daemon may not have accepted them yet."""
        clients = []
        for _ in range(count):
            c = Client(self.address)
            c.send(b"hello\n")
            clients.append(c)
        return clients

    def served(self, clients, wait):
        """Returns the clients that were answered within the wait."""
        deadline = time.monotonic() + wait
        answered = set()
        while len(answered) < len(clients):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            ready = select.select([c.sock for c in clients
                                   if c not in answered], [], [], left)[0]
            for c in clients:
                if c.sock in ready:
                    self.assertEqual(c.line(), b"hello\n")
                    answered.add(c)
        return answered

    def test_who_does_not_fit_is_served_when_others_go(self):
        limit = "--nofile=%d:%d" % (self.FILES, self.FILES)
        daemon = self.start(self.text, prefix=["prlimit", limit])
        daemon.wait_log(r"\b%d\b" % self.FILES)
        total = 2 * self.FILES
        clients = self.open_clients(total)
        first = self.served(clients, 1.5)
        # No descriptor is left: clients have most of them, and further clients
        # wait.
        self.assertGreater(len(first), self.FILES // 2)
        self.assertLess(len(first), self.FILES)

        # The daemon is idle meanwhile, and does not flood the log.
        place, cpu = daemon.mark(), daemon.cpu_seconds()
        time.sleep(2)
        self.assertLessEqual(daemon.cpu_seconds() - cpu, 0.06)
        self.assertLess(len(daemon.log) - place, 25)
        daemon.wait_log("Too many open files")

        # Accepted clients are served meanwhile.
        held = sorted(first, key=clients.index)
        for c in held[:5]:
            c.send(b"again\n")
            self.assertEqual(c.line(), b"again\n")

        # For each client that leaves, one that waits is accepted.
        gone = set(held[:10])
        for c in gone:
            c.close()
        waiting = [c for c in clients if c not in first]
        next_in = self.served(waiting, 1.5)
        self.assertEqual(len(next_in), 10)

        # All leave, and all waiting clients get their answer.
        for c in first - gone:
            c.close()
        done = set(next_in)
        while len(done) < len(waiting):
            more = self.served([c for c in waiting if c not in done], 5)
            self.assertTrue(more, "%d of %d were served"
                            % (len(done), len(waiting)))
            done |= more
            for c in more:
                c.close()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())

    def test_a_reload_goes_on_without_descriptors(self):
        # Clients have taken all descriptors; a reload still reads the config,
        # opens a listener and notifies systemd.
        limit = "--nofile=%d:%d" % (self.FILES, self.FILES)
        daemon = self.start(self.text, prefix=["prlimit", limit])
        clients = self.open_clients(self.FILES)
        first = self.served(clients, 1.5)
        self.assertLess(len(first), self.FILES)
        other = free_port()
        self.write(self.text + service("two", "tcp://127.0.0.1:%d" % other))
        place = daemon.reload()
        daemon.wait_log("reload: done", place)
        for c in first:
            c.send(b"still here\n")
            self.assertEqual(c.line(), b"still here\n")
        for c in clients:
            c.close()
        self.eventually(self.lets_in, "room")
        with Client(("127.0.0.1", other)) as c:
            self.assertTrue(c.echoes())

    def test_linectl_has_a_place_without_descriptors(self):
        limit = "--nofile=%d:%d" % (self.FILES, self.FILES)
        control = self.path("control.sock")
        daemon = self.start(
            self.text + 'control { socket = "%s" }\n' % control,
            prefix=["prlimit", limit])
        clients = self.open_clients(2 * self.FILES)
        self.assertLess(len(self.served(clients, 1.5)), self.FILES)
        daemon.wait_log("Too many open files")
        # Each request is answered, although clients wait for the descriptors
        # that the request frees.
        for _ in range(8):
            with Client(control) as c:
                c.send(b"status\n")
                while b'"kind":"ok"' not in c.line():
                    pass

    def lets_in(self):
        with Client(self.address) as c:
            return c.echoes()

    def test_the_soft_limit_is_raised_to_the_hard_one(self):
        daemon = self.start(self.text, prefix=["prlimit", "--nofile=64:256"])
        with open("/proc/%d/limits" % daemon.pid) as f:
            row = [line for line in f
                   if line.startswith("Max open files")][0]
        self.assertEqual(row.split()[3:5], ["256", "256"])


if __name__ == "__main__":
    main(280)
