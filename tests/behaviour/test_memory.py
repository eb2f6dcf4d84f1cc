#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What all clients hold together: it is counted and given back, and has a
ceiling, near which nobody comes in and at which the longest queues go."""
import json
import os
import subprocess

from lined_test import LINED, Client, DaemonTest, main, service

LINECTL = os.path.join(os.path.dirname(LINED), "linectl")
MIB = 1 << 20
LINE = b"x" * 999 + b"\n"


class Case(DaemonTest):
    def setUp(self):
        super().setUp()
        self.control = self.path("control.sock")
        self.echo = self.path("echo.sock")
        self.top = "control { socket = \"%s\" }\n" % self.control

    def ask(self, *request):
        out = subprocess.run([LINECTL, "-s", self.control, "--json", *request],
                             capture_output=True, text=True, check=True)
        return json.loads(out.stdout)

    def status(self):
        return self.ask("status")["daemon"]

    def floods(self, address, count):
        """Clients of an echo that send and do not read."""
        clients = []
        for _ in range(count):
            clients.append(Client(address, rcvbuf=4096))
            clients[-1].sock.setblocking(False)
            self.addCleanup(clients[-1].close)
        return clients

    def push(self, clients, until):
        def pushed():
            for client in clients:
                try:
                    client.sock.send(LINE * 50)
                except OSError:
                    pass
            return until()
        self.eventually(pushed, "what was waited for")


class Ceiling(Case):
    def begin(self, memory):
        return self.start(
            "memory = %s\n" % memory + self.top
            + service("echo", "unix://" + self.echo))

    def test_the_longest_queues_are_closed(self):
        daemon = self.begin("8M")
        with Client(self.echo) as good:
            self.assertTrue(good.echoes())
            clients = self.floods(self.echo, 60)
            before = daemon.rss_kib()
            self.push(clients,
                      lambda: self.status()["memory_closed"] > 5)
            self.assertLessEqual(self.status()["memory_held"], 9 * MIB)
            if not daemon.is_sanitized():
                self.assertLess(daemon.rss_kib() - before, 20 * 1024)
            # Who reads is served all the time.
            self.assertTrue(good.echoes())
            record = self.ask("services", "echo")["services"][0]
            self.assertGreater(record["closed"]["slow"], 5)
            daemon.wait_log(r"memory: clients hold .* MiB, the ceiling is 8.0 "
                            r"MiB: closed \d+ with the longest queues")
        for client in clients:
            client.close()
        self.eventually(lambda: self.status()["memory_held"] < MIB,
                        "the memory is given back")

    def test_nobody_comes_in_near_it(self):
        daemon = self.begin("8M")
        clients = self.floods(self.echo, 60)
        self.push(clients, lambda: self.status()["memory_closed"] > 0)
        with Client(self.echo) as late:
            self.assertEqual(late.rest(), b"")
        daemon.wait_log("service echo: refused unix: memory")
        record = self.ask("services", "echo")["services"][0]
        self.assertGreater(record["refused"]["memory"], 0)
        ruling = self.ask("why", "unix")["rulings"][0]
        self.assertFalse(ruling["accepted"])
        self.assertEqual(ruling["by"], "memory")
        for client in clients:
            client.close()

        def let_in():
            with Client(self.echo) as again:
                return again.echoes()
        self.eventually(let_in, "somebody comes in again")

    def test_a_reload_changes_it(self):
        daemon = self.begin("0")
        self.assertEqual(self.status()["memory_limit"], 0)
        clients = self.floods(self.echo, 40)
        self.push(clients, lambda: self.status()["memory_held"] > 5 * MIB)
        self.assertEqual(self.status()["memory_closed"], 0)
        self.write("memory = 4M\n" + self.top
                   + service("echo", "unix://" + self.echo))
        daemon.reload()
        self.eventually(lambda: self.status()["memory_held"] < 4 * MIB,
                        "the ceiling holds")
        self.assertGreater(self.status()["memory_closed"], 0)

    def test_auto_is_a_quarter_of_what_there_is(self):
        self.begin("auto")
        limit = self.status()["memory_limit"]
        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
        self.assertGreater(limit, 0)
        self.assertLessEqual(limit, most // 4)
        out = subprocess.run([LINECTL, "-s", self.control, "status"],
                             capture_output=True, text=True)
        self.assertRegex(out.stdout, r"(?m)^memory +.* held by clients, of "
                         r"at most .*; 0 closed for it$")


class Check(Case):
    def test_t_prints_the_worst_case(self):
        code, out = self.check(
            "memory = 64M\n"
            + service("a", "unix://" + self.echo,
                      extra="limits { clients = 100 send-queue = 512k }\n")
            + service("b", "unix://" + self.path("b.sock"),
                      extra="limits { clients = 1000 }\n"
                      "framing { line-length = 1M }\n"))
        self.assertEqual(code, 0, out)
        self.assertIn("memory: service a: at worst 106M: 100 clients of 1.1M "
                      "each\n", out)
        self.assertIn("memory: service b: at worst 3.9G: 1000 clients of "
                      "4.0M each\n", out)
        self.assertIn("memory: all services: at worst 4.0G; the ceiling "
                      "(memory) is 64M\n", out)

    def test_other_values_are_errors(self):
        for value in ("much", "-1", "7", "08M", "1.5G", "\"\""):
            code, out = self.check("memory = %s\n" % value
                                   + service("a", "unix://" + self.echo))
            self.assertEqual(code, 1, value)
            self.assertRegex(out, r"lined.conf:\d+: memory: \".*\" is not "
                             r"auto, 0 \(no ceiling\) or a size of at least "
                             r"1M")


class Readers(Case):
    """Publishers of empty lines, and readers that never read."""
    queue = 64 * 1024
    readers = 20

    def test_a_queue_takes_twice_its_limit_at_most(self):
        for slow in ("disconnect", "drop-oldest", "drop-newest"):
            with self.subTest(slow=slow):
                self.fill(slow)

    def fill(self, slow):
        hub, into = self.path("hub.sock"), self.path("in.sock")
        limits = "limits { send-queue = 64k }\n"
        topic = "topic = \"t\" slow = \"%s\"" % slow
        daemon = self.start(
            self.top
            + service("hub", "unix://" + hub, protocol="relay",
                      extra=limits + "relay { %s }\n" % topic)
            + service("in", "unix://" + into, protocol="relay",
                      extra="relay { %s publish-only = true }\n" % topic))
        readers = [Client(hub, rcvbuf=4096) for _ in range(self.readers)]
        self.eventually(lambda: self.status()["clients"] == self.readers,
                        "all are there")
        rss, held = daemon.rss_kib(), self.status()["memory_held"]
        with Client(into) as publisher:
            for _ in range(1000):
                # Each send is a block of its own, most of the time.
                publisher.send(b"\n")
            for _ in range(160):
                publisher.send(b"\n" * 500)
        self.eventually(
            lambda: self.ask("services", "in")["services"][0]["clients"] == 0,
            "all was published")
        most = 2 * self.queue * self.readers
        self.assertLess(self.status()["memory_held"] - held, most)
        if not daemon.is_sanitized():
            self.assertLess(daemon.rss_kib() - rss, most // 1024 + 4096)
        for reader in readers:
            reader.close()
        self.eventually(lambda: self.status()["memory_held"] < 20000,
                        "it is given back")
        daemon.stop()


if __name__ == "__main__":
    main()
