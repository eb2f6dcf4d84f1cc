#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The memory of all clients is counted and returned, and has a ceiling: near
the ceiling no client is accepted, and at the ceiling the clients with the
longest queues are closed."""
import json
import os
import re
import subprocess

from certificates import Authority
from lined_test import LINED, Client, DaemonTest, Server, free_port, main, service

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
        """Opens clients of echo that send but do not read."""
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
            # A client that reads is served all the time.
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


class Kept(Case):
    """The ceiling includes memory that protocols keep; it is freed for clients.
    """

    def begin(self, memory, *services):
        self.services = services
        return self.start("memory = %s\n" % memory + self.top
                          + "".join(services))

    def counter(self, name, key):
        record = self.ask("services", name)["services"][0]
        return record["count"].get(key, 0)

    def publish(self, path, mib):
        """Publishes numbered lines of 1000 bytes. Returns how many."""
        count = mib * 1048
        with Client(path) as publisher:
            for first in range(0, count, 64):
                publisher.send(b"".join(
                    b"%09d " % i + LINE[10:]
                    for i in range(first, min(first + 64, count))))
        return count

    def all_served(self, name, count):
        def served():
            record = self.ask("services", name)["services"][0]
            return record["lines_in"] == count and record["clients"] == 0
        self.eventually(served, "all lines came in")

    def hub(self, options, queue="1M"):
        self.feed = self.path("feed.sock")
        return service("feed", "unix://" + self.feed, protocol="relay",
                       extra="limits { send-queue = %s }\nrelay { %s }\n"
                       % (queue, options))

    def numbers(self, client, last):
        """The numbers of the lines up to the last one."""
        numbers = []
        while not numbers or numbers[-1] < last:
            line = client.line()
            self.assertEqual(len(line), len(LINE))
            numbers.append(int(line[:9]))
        self.assertEqual(numbers,
                         list(range(numbers[0], numbers[-1] + 1)))
        return numbers

    def test_a_history_is_given_up_and_no_client_closed(self):
        hub = self.hub("history = 100000")
        daemon = self.begin("8M", hub)
        count = self.publish(self.feed, 8)
        self.all_served("feed", count)
        status = self.status()
        self.assertGreater(status["memory_kept"], 5 * MIB)
        # The history stops growing at 3/4 of the ceiling, so that nothing must
        # be given up.
        self.assertLess(status["memory_held"], 6.1 * MIB)
        self.assertLess(status["memory_given_up"], 100000)
        dropped = self.counter("feed", "history_lines_dropped")
        self.assertGreater(dropped, 1500)
        self.write("memory = 4M\n" + self.top + hub)
        daemon.reload()
        self.eventually(lambda: self.status()["memory_given_up"] > 2 * MIB,
                        "it is given up")
        self.assertLess(self.status()["memory_held"], 3.1 * MIB)
        self.assertGreater(self.counter("feed", "history_lines_dropped"),
                           dropped + 2000)
        self.assertEqual(self.status()["memory_closed"], 0)
        # Clients are let in, and get the newest lines.
        with Client(self.feed) as reader:
            self.numbers(reader, count - 1)
        daemon.wait_log(r"memory: clients hold .* MiB, the ceiling is 4.0 "
                        r"MiB: closed 0 .*, protocols gave up .* MiB of what "
                        r"they keep")
        out = subprocess.run([LINECTL, "-s", self.control, "status"],
                             capture_output=True, text=True)
        self.assertRegex(out.stdout, r"(?m)^memory .* held by clients, of at "
                         r"most 4.2 MB, [\d.]+ MB of it kept by protocols; 0 closed")
        self.write("memory = 0\n" + self.top + self.hub("history = 10"))
        daemon.reload()
        self.eventually(lambda: self.status()["memory_kept"] < 200000,
                        "what is dropped is returned")

    def test_a_history_goes_before_clients_do(self):
        self.begin("8M", self.hub("history = 100000"),
                   service("echo", "unix://" + self.echo))
        count = self.publish(self.feed, 3)
        self.all_served("feed", count)
        self.assertGreater(self.status()["memory_kept"], 2 * MIB)
        self.assertEqual(self.status()["memory_given_up"], 0)
        clients = self.floods(self.echo, 40)

        def grows():
            # Protocols gave up memory before the first client was closed.
            status = self.status()
            if status["memory_kept"] > 1.5 * MIB:
                self.assertEqual(status["memory_closed"], 0)
            return status["memory_closed"] > 0
        for part in range(1, 41):
            # Fills the queue slowly, because a turn must not take a quarter of
            # the ceiling.
            self.push(clients[part - 1:part], lambda: True)
            if self.status()["memory_kept"] < MIB:
                break
        self.push(clients, grows)
        self.assertLess(self.status()["memory_kept"], MIB)

    def test_a_chat_history_is_bounded(self):
        self.begin("1M", service("chat", "unix://" + self.echo,
                                 protocol="chat", extra="""
                chat { history = 100000 flood-rate = 0 }
                """))
        with Client(self.echo) as alice:
            alice.line()
            for _ in range(30):
                alice.send(LINE[20:] * 100)
            alice.send(b"/ping\n")
            while alice.line() != b"* pong\n":
                pass
            status = self.status()
            self.assertLess(status["memory_held"], MIB)
            self.assertEqual(status["memory_closed"], 0)
            self.assertGreater(self.counter("chat", "history_lines_dropped"),
                               1000)
            alice.send(b"/history 3\n/ping\n")
            self.assertRegex(alice.line(), rb"^\[lobby \d\d:\d\d\] <guest1> x")

    def heard(self, client, end):
        """Returns all lines up to one with this end."""
        lines = [client.line()]
        while not lines[-1].endswith(end):
            self.assertNotEqual(lines[-1], b"")
            lines.append(client.line())
        return lines

    def in_chat(self):
        """A client, greeted and in the lobby."""
        client = Client(self.echo)
        self.addCleanup(client.close)
        self.heard(client, b" joined lobby\n")
        return client

    def test_rooms_topics_and_answers_of_a_chat_have_a_ceiling(self):
        daemon = self.begin("1M", service("chat", "unix://" + self.echo,
                                          protocol="chat", extra="""
                limits { send-queue = 8k }
                framing { line-length = 32k }
                chat { flood-rate = 0 }
                """))
        self.in_chat().close()
        self.eventually(lambda: self.status()["clients"] == 0, "it has gone")
        before, refused, clients = self.status()["memory_kept"], 0, []
        while refused == 0 and len(clients) < 40:
            clients.append(self.in_chat())
            clients[-1].send(b"".join(
                b"/join r%d-%d\n/topic %s\n" % (len(clients), n, b"x" * 200)
                for n in range(63)) + b"/ping\n")
            refused += self.heard(clients[-1], b"* pong\n").count(
                b"! out of memory\n")
        self.assertGreater(refused, 0)
        status = self.status()
        self.assertGreater(status["memory_kept"], MIB / 2)
        self.assertLess(status["memory_held"], MIB * 7 / 8)
        self.assertEqual(status["memory_closed"], 0)
        self.assertEqual(self.counter("chat", "memory_refused"), refused)
        # Other clients are still let in, and can talk.
        with self.in_chat() as late:
            text = b"x" * 30000
            late.send(b"/topic %s\n/away %s\nhello\n" % (text, text))
            self.assertEqual(late.line() + late.line(),
                             b"! out of memory\n" * 2)
            clients[0].send(b"/join lobby\n")
            self.heard(clients[0], b"> hello\n")
            self.write("memory = 4M\n" + self.top + self.services[0])
            daemon.reload()
            # These answers do not fit into a queue yet.
            kept = self.status()["memory_kept"]
            late.send(b"/join lobby\n" + b"/rooms\n" * 200)
            self.eventually(lambda: self.status()["memory_kept"] > kept + 1000,
                            "an answer waits")
        for client in clients:
            client.close()
        self.eventually(lambda: self.status()["memory_kept"] == before,
                        "it is given back")

    def test_held_lines_push_out_the_oldest(self):
        self.begin("4M", self.hub("hold = 64M", "16M"))
        count = self.publish(self.feed, 6)
        self.all_served("feed", count)
        self.assertLess(self.status()["memory_held"], 3.6 * MIB)
        self.assertEqual(self.status()["memory_closed"], 0)
        dropped = self.counter("feed", "held_lines_dropped")
        self.assertGreater(dropped, 1000)
        with Client(self.feed) as reader:
            self.assertEqual(len(self.numbers(reader, count - 1)),
                             count - dropped)
        self.eventually(lambda: self.status()["memory_kept"] < 50000,
                        "it is given back")

    def test_lines_for_a_target_push_out_the_oldest(self):
        target = Server()
        self.addCleanup(target.close)
        target.close()
        daemon = self.begin("4M", self.hub(
            "push = { \"%s\" } push-hold = 64M retry-min = 20ms "
            "retry-max = 20ms" % target.url))
        count = self.publish(self.feed, 6)
        self.all_served("feed", count)
        self.eventually(lambda: self.counter("feed", "push_lines_dropped") > 0,
                        "lines are dropped")
        self.assertLess(self.status()["memory_held"], 3.6 * MIB)
        dropped = self.counter("feed", "push_lines_dropped")
        target.open()
        with target.accept() as upper:
            self.assertEqual(len(self.numbers(upper, count - 1)),
                             count - dropped)
        self.assertEqual(self.counter("feed", "push_lines_dropped"), dropped)
        self.eventually(lambda: self.status()["memory_kept"] < 50000,
                        "it is given back")
        daemon.stop()

    def test_a_connection_that_takes_nothing_is_closed(self):
        for options, counter in (
                ('mode = "upstream" subscribe-only = false upstream = ',
                 "upstream_losses"),
                ("push = ", "push_lines_dropped")):
            with self.subTest(options), Server(rcvbuf=4096) as server:
                text = service("echo", "unix://" + self.echo)
                daemon = self.begin("4M", text, self.hub(
                    options + '"%s" retry-min = 20ms' % server.url, "32M"))
                with server.accept() as first, Client(self.echo) as client, \
                        Client(self.feed, rcvbuf=4096) as publisher:
                    self.push([publisher], lambda: self.status()
                              ["memory_closed"] > 0)
                    self.assertLess(self.status()["memory_held"], 4 * MIB)
                    with server.accept():
                        self.assertTrue(client.echoes())
                    self.eventually(lambda: self.counter("feed", counter),
                                    counter)
                    first.close()
                daemon.wait_log(r"%s: lost, .*: memory is full, and its queue "
                                "the longest$" % server.url)
                daemon.stop()

    def test_a_proxys_client_whose_server_takes_nothing_is_closed(self):
        with Server(rcvbuf=4096) as server:
            self.begin("4M", service("echo", "unix://" + self.echo), self.hub(
                'mode = "proxy" upstream = "%s"' % server.url, "32M"))
            with Client(self.feed) as client, server.accept(), \
                    Client(self.echo) as other:
                client.sock.setblocking(False)
                self.push([client], lambda: self.status()["memory_closed"] > 0)
                self.eventually(lambda: self.ask("services", "feed")
                                ["services"][0]["clients"] == 0,
                                "the client is closed")
                self.assertLess(self.status()["memory_held"], MIB)
                self.assertTrue(other.echoes())

    def test_what_a_proxy_read_and_cannot_send_yet(self):
        server, pairs, ends = Server(), 10, []
        self.addCleanup(server.close)
        self.begin("0", self.hub("mode = \"proxy\" upstream = \"%s\""
                                 % server.url, "16k"))
        for _ in range(pairs):
            client = Client(self.feed, rcvbuf=4096)
            ends += [client, server.accept()]
            ends[-1].fill(LINE * 64, quiet=0.05)
        # A large part of one read does not fit into a quarter of a queue.
        self.assertGreater(self.status()["memory_kept"], pairs * 20000)
        self.assertLess(self.status()["memory_kept"], pairs * 65536)
        for end in ends:
            end.close()
        self.eventually(lambda: self.status()["memory_kept"] == 0,
                        "it is given back")

    def test_short_lines_that_wait_take_twice_their_limit_at_most(self):
        target = Server()
        target.close()
        self.begin("0", self.hub("push = { \"%s\" } push-hold = 512k"
                                 % target.url))
        with Client(self.feed) as publisher:
            for _ in range(3000):
                # The daemon reads most sends alone, each as a block; on a slow
                # machine it reads many at once.
                publisher.send(b"0123456789\n")
        self.all_served("feed", 3000)
        # The lines have 33,000 bytes: none is dropped, and the overhead is
        # small.
        self.assertEqual(self.counter("feed", "push_lines_dropped"), 0)
        self.assertLess(self.status()["memory_kept"], 120000)
        with Client(self.feed) as publisher:
            for _ in range(40):
                publisher.send(b"\n" * 20000)
        self.eventually(lambda: self.counter("feed", "push_lines_dropped") > 0,
                        "the memory is bounded, too")
        self.assertLess(self.status()["memory_kept"], 1.2 * MIB)

    def test_what_a_client_has_is_held(self):
        policy = self.path("policy.sock")
        self.begin("0", service("kv", "unix://" + self.echo, protocol="kv"),
                   service("policy", "unix://" + policy, protocol="policy"))
        before = self.status()["memory_held"]
        # An instance keeps the data of each client, and the line of a command
        # until its value has come.
        clients = [Client(policy) for _ in range(10)]
        self.eventually(lambda: self.status()["memory_held"]
                        > len(clients) * 3000, "the data counts")
        clients += [Client(self.echo) for _ in range(10)]
        for client in clients[10:]:
            client.send(b"set k 0 0 5" + b" " * 500000 + b"\r\n")
        self.eventually(lambda: self.status()["memory_held"] > 5000000,
                        "the lines count")
        clients[-1].send(b"value\r\n")
        self.assertEqual(clients[-1].line(), b"STORED\r\n")
        self.assertLess(self.status()["memory_held"], 5000000)
        for client in clients:
            client.close()
        self.eventually(lambda: self.status()["memory_held"] < before + 1000,
                        "it is given back")

    def test_the_store_takes_no_more_items(self):
        self.begin("4M", service("kv", "unix://" + self.echo, protocol="kv",
                                 extra="kv { memory = 64M }\n"))
        value = b"v" * 65536

        def put(client, key):
            client.send(b"set %s 0 0 %d\r\n%s\r\n"
                        % (key, len(value), value))
            return client.line()
        with Client(self.echo) as client:
            # The received part of a value counts, too. A value that comes in
            # fewer pieces may find room although another did not.
            stored = refused = 0
            while refused < 2:
                answer = put(client, b"k%d" % stored)
                if answer == b"STORED\r\n":
                    stored += 1
                    continue
                self.assertEqual(answer, b"SERVER_ERROR out of memory "
                                 b"storing object\r\n")
                refused += 1
            self.assertGreater(stored, 35)
            self.assertLess(stored, 48)
            self.assertEqual(self.counter("kv", "items_refused"), 2)
            # Stored values stay. They may be replaced or removed.
            self.assertEqual(put(client, b"k0"), b"STORED\r\n")
            for key in (b"k1", b"k2"):
                client.send(b"delete %s\r\n" % key)
                self.assertEqual(client.line(), b"DELETED\r\n")
            self.assertEqual(put(client, b"more"), b"STORED\r\n")
            # Clients are still let in.
            with Client(self.echo) as other:
                other.send(b"get k0\r\n")
                self.assertEqual(other.line(), b"VALUE k0 0 65536\r\n")
            client.send(b"flush_all\r\n")
            self.assertEqual(client.line(), b"OK\r\n")
            self.assertLess(self.status()["memory_kept"], 1000)

    def test_senders_are_forgotten_where_memory_is_short(self):
        def greylist(delay):
            return service("greylist", "unix://" + self.echo,
                           protocol="policy", extra="policy { delay = %s "
                           "memory = 64M }\n" % delay)

        def ask(client, numbers):
            client.send(b"".join(
                b"request=smtpd_access_policy\nprotocol_state=RCPT\n"
                b"client_address=192.0.2.1\nsender=%d%s@example.org\n"
                b"recipient=b@example.net\n\n" % (n, b"x" * 200)
                for n in numbers))
            return [(client.line() + client.line()).split()[0]
                    for _ in numbers]

        daemon = self.begin("0", greylist("0"))
        with Client(self.echo) as client:
            for n in range(0, 20000, 200):
                self.assertEqual(set(ask(client, range(n, n + 200))),
                                 {b"action=dunno"})
            self.assertGreater(self.status()["memory_kept"], 5 * MIB)
            self.write("memory = 4M\n" + self.top + greylist("10m"))
            daemon.reload()
            self.eventually(lambda: self.status()["memory_kept"] <= 3 * MIB,
                            "it is given up")
            # The values that were unused for the longest time have gone.
            self.assertEqual(ask(client, [19999, 0]),
                             [b"action=dunno", b"action=defer_if_permit"])
            for n in range(20000, 36000, 200):
                ask(client, range(n, n + 200))
            self.assertLess(self.status()["memory_kept"], 3.1 * MIB)
            self.assertEqual(ask(client, [19999]), [b"action=defer_if_permit"])
            # Each triplet is in the table, or was evicted.
            evicted = self.counter("greylist", "evictions")
            self.assertGreater(evicted, 36000 - 3.1 * MIB / 200)
            self.assertLess(evicted, 36000)

    def test_dedupe_forgets_where_memory_is_short(self):
        lines, hub = 100000, self.hub("dedupe = 1h")
        daemon = self.begin("0", hub)

        def publish(numbers):
            with Client(self.feed) as publisher:
                publisher.send(b"".join(b"%d\n" % n for n in numbers))
        publish(range(lines))
        self.all_served("feed", lines)
        self.assertGreater(self.status()["memory_kept"], 3 * MIB)
        self.write("memory = 1M\n" + self.top + hub)
        daemon.reload()
        self.eventually(lambda: self.status()["memory_kept"] <= MIB * 3 / 4,
                        "it is given up")
        self.assertGreater(self.status()["memory_given_up"], 2 * MIB)
        evicted = self.counter("feed", "dedupe_evictions")
        self.assertGreater(evicted, lines * 3 / 4)
        self.assertLess(evicted, lines)
        # The newest are still known, the oldest are not.
        with Client(self.feed) as reader:
            publish([lines - 1, 0])
            self.assertEqual(reader.line(), b"0\n")
        self.write("memory = 0\n" + self.top + self.hub("hold = 1M"))
        daemon.reload()
        self.eventually(lambda: self.status()["memory_kept"] < 20000,
                        "it is given back without dedupe")

    def test_a_lower_ceiling_takes_from_what_is_kept(self):
        held = self.path("held.sock")
        services = (
            service("kv", "unix://" + self.echo, protocol="kv")
            + service("held", "unix://" + held, protocol="relay",
                      extra="relay { hold = 64M }\n"))
        daemon = self.begin("0", services)
        with Client(self.echo) as client:
            for i in range(64):
                client.send(b"set k%d 0 0 50000\r\n%s\r\n"
                            % (i, b"v" * 50000))
                self.assertEqual(client.line(), b"STORED\r\n")
            self.all_served("held", self.publish(held, 4))
            self.assertGreater(self.status()["memory_kept"], 7 * MIB)
            self.write("memory = 4M\n" + self.top + services)
            daemon.reload()
            self.eventually(lambda: self.status()["memory_kept"] <= 3 * MIB,
                            "it is given up")
            # Each service has given up a part.
            self.assertGreater(self.counter("kv", "evictions"), 10)
            self.assertLess(self.counter("kv", "evictions"), 64)
            dropped = self.counter("held", "held_lines_dropped")
            self.assertGreater(dropped, 1000)
            self.assertLess(dropped, 4 * 1048)
            self.assertEqual(self.status()["memory_closed"], 0)
            client.send(b"get k63\r\n")
            self.assertEqual(client.line(), b"VALUE k63 0 50000\r\n")


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

    def test_t_counts_transports_and_what_protocols_keep(self):
        pair = Authority(self.dir).issue("localhost")
        code, out = self.check(
            "workers = 4\nmemory = 0\n"
            "tls \"t\" { certificate = \"%s\" key = \"%s\" }\n" % (pair.certificate, pair.key)
            + service("tls", "tls://127.0.0.1:%d" % free_port(),
                      extra="tls = { \"t\" }\nlimits { clients = 1000 "
                      "send-queue = 64k }\n")
            + service("hub", "unix://" + self.path("hub.sock"),
                      protocol="relay", extra="limits { clients = 1 }\n"
                      "framing { line-length = 64k }\n"
                      "relay { history = 100 hold = 1M dedupe = 1s "
                      "push = { \"tcp://127.0.0.1:1\" } push-hold = 2M }\n")
            + service("proxy", "unix://" + self.path("proxy.sock"),
                      protocol="relay", extra="limits { clients = 1000 }\n"
                      "relay { mode = \"proxy\" upstream = \"tcp://127.0.0.1:1\" }\n")
            + service("kv", "unix://" + self.path("kv.sock"), protocol="kv",
                      extra="limits { clients = 1 }\nkv { memory = 7M }\n")
            + service("chat", "unix://" + self.path("chat.sock"),
                      protocol="chat", extra="limits { clients = 1 }\n"
                      "framing { line-length = 1000 }\n"
                      "chat { history = 10 }\n"))
        self.assertEqual(code, 0, out)
        # Twice the queue, the input, the socket, and an SSL object with its
        # buffers.
        self.assertIn("1000 clients of 367k each\n", out)
        # 4 * 100 * 64k; 2 * 1M; 36M; 2 * 2M; twice the target's queue of 1M
        self.assertIn(", 69M kept by relay\n", out)
        # 1000 * 3 * 64k, and a socket each
        self.assertIn(", 189M kept by relay\n", out)
        self.assertIn(", 7.0M kept by kv\n", out)
        # 65 rooms * 10 lines on 4 workers
        self.assertRegex(out, r", [34]\.\dM kept by chat\n")
        self.assertRegex(out, r"all services: at worst 2\.\dG; there is "
                         r"no ceiling \(memory = 0\)")

    def test_t_counts_the_queues_of_a_protocol_s_own_connections(self):
        kept = []
        for options in (
                "push = { \"tcp://127.0.0.1:1\", \"udp://127.0.0.1:2\" }",
                "mode = upstream subscribe-only = false upstream = "
                "{ \"tcp://127.0.0.1:1\" } push = { \"tcp://127.0.0.1:2\", "
                "\"tcp://127.0.0.1:3\" }",
                # Nothing is ever sent to this address.
                "mode = upstream upstream = { \"tcp://127.0.0.1:1\" }"):
            code, out = self.check(service(
                "feed", "unix://" + self.path("feed.sock"), protocol="relay",
                extra="limits { clients = 1 send-queue = 4M }\n"
                "relay { %s }\n" % options))
            self.assertEqual(code, 0, out)
            kept.append(re.findall(r", (\S+) kept by relay\n", out))
        self.assertEqual(kept, [["16M"], ["24M"], []])

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
                # The daemon reads most sends alone, each as a block; on a slow
                # machine it reads many at once.
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
