#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""relay with an upstream: the upstream's lines reach every client, also after
failures, and lines of clients go up. On one, two and four workers. With
--upstream, this script is the upstream that is killed."""
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import tty

from lined_test import PATIENCE, TOP, Client, Datagram, DaemonTest, Late
from lined_test import Server, free_port, main, one_node, service
from lined_test import with_workers

SEED = 20261123


def options(values):
    return "\trelay {\n%s\t}\n" % "".join(
        "\t\t%s = %s\n" % (name.replace("_", "-"), value)
        for name, value in values.items())


def urls(*servers):
    """Returns servers or addresses as a list in config text."""
    return "{ %s }" % ", ".join(
        '"%s"' % (s if isinstance(s, str) else s.url) for s in servers)


class UpstreamTest(DaemonTest):
    WORKERS = 1

    def text(self, *upstreams, extra="", listen=("tcp",), **values):
        """Returns the config of a service with these upstreams, on
        self.address."""
        values.setdefault("mode", '"upstream"')
        if upstreams:
            values["upstream"] = urls(*upstreams)
        if not hasattr(self, "address"):
            self.address = ("127.0.0.1", free_port())
        return service(
            "feed", *["%s://127.0.0.1:%d" % (kind, self.address[1])
                      for kind in listen], protocol="relay",
            extra="\tlimits { clients-per-address = 0 "
            "connect-rate-per-address = 0 %s }\n%s"
            % (extra, options(values)))

    def serve(self, *upstreams, env=None, **how):
        self.daemon = self.start(self.text(*upstreams, **how),
                                 workers=self.WORKERS, env=env)
        return self.daemon

    def server(self, **how):
        server = Server(**how)
        self.addCleanup(server.close)
        return server

    def accept(self, server):
        up = server.accept()
        self.addCleanup(up.close)
        return up

    def client(self, **how):
        c = Client(self.address, **how)
        self.addCleanup(c.close)
        return c

    def say_numbered(self, client, count):
        """The client sends so many lines of 1,000 bytes, and closes. Returns
        when lined has read all of them."""
        for n in range(count):
            client.send(b"%d %s\n" % (n, b"x" * 992))
        client.half_close()
        client.rest()

    def fed(self, up, n=1, **how):
        """Connects clients and waits until they get the lines of this
        upstream."""
        clients = [self.client(**how) for _ in range(n)]
        for c in clients:
            self.reach(up, c)
        return clients

    def reach(self, up, c):
        """Waits until lines of `up` reach `c`, and no line is under way."""
        deadline = time.monotonic() + 20
        patience = c.sock.gettimeout()
        c.sock.settimeout(0.05)
        while not c.buffer:
            up.send(b"probe\n")
            try:
                c._more()
            except socket.timeout:
                self.assertLess(time.monotonic(), deadline, "no probe came")
        c.sock.settimeout(patience)
        word = b"here %d\n" % random.randrange(1 << 60)
        up.send(word)
        line = c.line()
        while line != word:
            self.assertRegex(line, rb"^(probe|here \d+)\n$")
            line = c.line()

    def expect(self, c, *lines):
        for line in lines:
            got = c.line()
            while re.match(rb"(probe|here \d+)\n", got):
                got = c.line()
            self.assertEqual(got, line)

    def counted(self, name):
        """Stops the daemon. Returns the counter, added over all workers."""
        self.daemon.stop()
        return sum(int(n) for line in self.daemon.logged("service feed: ")
                   for n in re.findall(r", %s (\d+)" % name, line))


class Feed(UpstreamTest):
    def test_its_lines_reach_every_client_of_every_worker(self):
        server = self.server()
        self.serve(server)
        up = self.accept(server)
        clients = self.fed(up, 12)
        up.send(b"lf\ncrlf\r\n\nnul\0in it\n")
        for part in (b"in ", b"par", b"ts\r", b"\n"):
            up.send(part)
            time.sleep(0.02)
        for c in clients:
            self.expect(c, b"lf\n", b"crlf\r\n", b"\n", b"nul\0in it\n",
                        b"in parts\r\n")

    def test_what_it_says_is_tapped_and_counted(self):
        server = self.server()
        path = self.path("control.sock")
        self.daemon = self.start('control { socket = "%s" }\n' % path
                                 + self.text(server), workers=self.WORKERS)
        up = self.accept(server)
        c = self.fed(up)[0]
        with Client(path) as control:
            control.send(b"services feed\n")
            told = control.line()
            self.assertEqual(control.line(), b'{"kind":"ok"}\n')
            told = json.loads(told)
            lines = told["opened"]["lines_in"]
            self.assertGreater(lines, 0)
            self.assertEqual(told["count"]["upstream_lines"], lines)
            control.send(b"tap feed\n")
            control.sock.settimeout(0.05)
            # The client has joined when it gets a line.
            while not control.buffer:
                up.send(b"shown\n")
                try:
                    control._more()
                except socket.timeout:
                    pass
            control.sock.settimeout(PATIENCE)
            self.assertEqual(json.loads(control.line()),
                             {"kind": "line", "client": 0,
                              "address": "127.0.0.1:%d" % server.port,
                              "len": 5, "text": "shown"})
        self.expect(c, b"shown\n")

    def test_what_it_says_is_logged_at_the_level_debug(self):
        server = self.server()
        self.daemon = self.start(self.text(server), level=None,
                                 workers=self.WORKERS)
        up = self.accept(server)
        c = self.fed(up)[0]
        for level in ("debug", "info"):
            self.write('log { level = "%s" }\n' % level + self.text(server),
                       workers=self.WORKERS)
            self.daemon.reload()
            up.send(b"%s\x1b[31m\n" % level.encode())
            self.expect(c, b"%s\x1b[31m\n" % level.encode())
        self.daemon.stop()
        self.assertEqual(self.daemon.logged(": line: .*31m"),
                         [r"<7>service feed: peer 127.0.0.1:%d: line: "
                          r"debug\x1b[31m" % server.port])

    def test_there_is_one_connection_whatever_the_workers(self):
        server = self.server()
        self.serve(server)
        up = self.accept(server)
        self.fed(up, 8)
        self.assertTrue(server.is_left_alone(0.5))

    def test_clients_lines_are_discarded_by_default(self):
        server = self.server()
        self.serve(server)
        up = self.accept(server)
        a, b = self.fed(up, 2)
        a.send(b"hello\n")
        self.assertTrue(up.is_silent(0.3))
        self.reach(up, b)
        self.reach(up, a)
        self.assertEqual(self.counted("lines_discarded"), 1)

    def test_filter_dedupe_and_tag_apply(self):
        server = self.server()
        self.serve(server, tag="true", dedupe="1h", history=1,
                   filter="{ 'allow ^[!$]', 'deny .' }")
        up = self.accept(server)
        up.send(b"!one\n")
        # The line comes from the history, or directly from the upstream.
        clients = [self.client() for _ in range(4)]
        for c in clients:
            self.assertEqual(c.line(), b"127.0.0.1 !one\n")
        up.send(b"no\n!one\n$two\r\n!one\nneither\n!end\n")
        for c in clients:
            self.assertEqual(c.line(), b"127.0.0.1 $two\r\n")
            self.assertEqual(c.line(), b"127.0.0.1 !end\n")
        self.assertEqual(self.counted("lines_filtered"), 2)

    def test_a_tag_is_the_host_as_it_was_written(self):
        server = self.server()
        self.serve("tcp://localhost:%d" % server.port, tag="true", history=1)
        self.accept(server).send(b"probe\n")
        c = self.client()
        self.assertEqual(c.line(), b"localhost probe\n")

    def test_newcomers_get_the_history(self):
        server = self.server()
        self.serve(server, history=3)
        up = self.accept(server)
        clients = self.fed(up, 8)
        up.send(b"1\n2\n3\n4\n")
        for c in clients:
            self.expect(c, b"1\n", b"2\n", b"3\n", b"4\n")
        for _ in range(4):
            late = self.client()
            for line in (b"2\n", b"3\n", b"4\n"):
                self.assertEqual(late.line(), line)

    def test_what_nobody_hears_is_held(self):
        server = self.server()
        self.serve(server, hold="64k")
        up = self.accept(server)
        up.send(b"".join(b"%d\n" % n for n in range(100)))
        time.sleep(0.2)
        c = self.client()
        for n in range(100):
            self.assertEqual(c.line(), b"%d\n" % n)
        up.send(b"live\n")
        self.assertEqual(c.line(), b"live\n")

    def test_its_feed_may_be_shared(self):
        """A service with the same topic gets the upstream's lines, too. Lines
        of its clients do not go to the upstream."""
        server = self.server()
        port = free_port()
        text = self.text(server, topic='"t"', subscribe_only="false")
        hub = service("hub", "tcp://127.0.0.1:%d" % port, protocol="relay",
                      extra='\trelay { topic = "t" }\n')
        self.daemon = self.start(text + hub, workers=self.WORKERS)
        up = self.accept(server)
        c = self.client()
        other = Client(("127.0.0.1", port))
        self.addCleanup(other.close)
        self.reach(up, c)
        self.reach(up, other)
        other.send(b"to the feed\n")
        self.expect(c, b"to the feed\n")
        c.send(b"to the upstream\n")
        self.assertEqual(up.line(), b"to the upstream\n")
        self.assertTrue(up.is_silent(0.2))
        self.reach(up, other)

    def test_a_line_that_is_too_long_follows_the_policy(self):
        server = self.server()
        text = self.text(server, retry_min="200ms")
        for policy, goes_on in (("close", False), ("skip", True)):
            with self.subTest(policy=policy):
                daemon = self.start(
                    text.replace("\trelay {", "\tframing { line-length = 32 "
                                 "too-long = %s }\n\trelay {" % policy),
                    workers=self.WORKERS)
                up = self.accept(server)
                [c] = self.fed(up)
                up.send(b"before\n" + b"x" * 100 + b"\nafter\n")
                self.expect(c, b"before\n")
                if goes_on:
                    self.expect(c, b"after\n")
                else:
                    daemon.wait_log("lost, next try in 0.2 s: "
                                    "a line is over line-length")
                    up = self.accept(server)
                    up.send(b"again\n")
                    self.expect(c, b"again\n")
                daemon.stop()


# Blocks its worker for as long as a client asks. Also tells which worker it is.
BLOCKING = r"""
#define _GNU_SOURCE
#include <lined/protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void accepted(struct lined_service *service, struct lined_socket *client)
{
	char text[20];

	snprintf(text, sizeof(text), "%u\n", lined_service_worker(service));
	lined_socket_send(client, text, strlen(text));
}

static void block(struct lined_socket *client, const struct lined_line *line)
{
	usleep((useconds_t)atoi(line->text) * 1000);
	lined_socket_send_line(client, line);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI, .size = sizeof(struct lined_protocol),
	.name = "blocking", .summary = "blocks its worker", .handle_accept = accepted,
	.handle_line = block,
};
"""


class Lag(UpstreamTest):
    WORKERS = 2

    @one_node("what comes faster than a node takes it is lost")
    def test_the_upstream_waits_for_a_worker_that_is_blocked(self):
        """Meanwhile the upstream sends more than the bus has room for."""
        server = self.server()
        port = free_port()
        self.build_module("blocking", BLOCKING)
        self.copy_module("relay")
        self.daemon = self.start(
            self.text(server, extra="send-queue = 1G send-stall = 0")
            + service("blocking", "tcp://127.0.0.1:%d" % port,
                      protocol="blocking"), workers=self.WORKERS)
        up = self.accept(server)
        up.sock.settimeout(100)
        # There is one client on each worker.
        clients = self.fed(up, self.WORKERS)
        line = b"x" * 4090 + b"\n"
        count = (100 << 20) // (len(line) + 8)
        standing = [Client(("127.0.0.1", port)) for _ in range(self.WORKERS)]
        for c in standing:
            self.addCleanup(c.close)
        self.assertEqual(sorted(c.line() for c in standing),
                         [b"%d\n" % n for n in range(self.WORKERS)])
        faults = []

        def read(c):
            c.sock.settimeout(100)
            n = 0
            while n < self.WORKERS * count:
                got = c.line()
                if got == b"%08d" % n + line:
                    n += 1
                elif n or not re.fullmatch(rb"(probe|here \d+)\n", got):
                    faults.append((n, got[:100]))
                    return

        readers = [threading.Thread(target=read, args=(c,)) for c in clients]
        for reader in readers:
            reader.start()
        n = 0
        for c in standing:
            # The worker with the upstream waits for the others.
            c.send(b"1500\n")
            for _ in range(count):
                up.send(b"%08d" % n + line)
                n += 1
            self.assertEqual(c.line(), b"1500\n")
        for reader in readers:
            reader.join()
        self.assertFalse(faults)
        self.assertEqual(self.counted("lines_not_relayed"), 0)


class Upward(UpstreamTest):
    def test_clients_lines_go_up_whole_and_in_order(self):
        server = self.server()
        self.serve(server, subscribe_only="false", extra="send-queue = 16M")
        up = self.accept(server)
        clients = self.fed(up, 20)
        rng = random.Random(SEED)
        count = 60

        def talk(i, cuts):
            said = b"".join(b"%d %d %s\r\n" % (i, n, b"x" * cuts.choice(
                (0, 1, 50, 3000))) for n in range(count))
            at = 0
            while at < len(said):
                size = cuts.choice((1, 7, 1000, 9000))
                clients[i].send(said[at:at + size])
                at += size

        talkers = [threading.Thread(target=talk, args=(
            i, random.Random(rng.random()))) for i in range(len(clients))]
        for talker in talkers:
            talker.start()
        seen = [0] * len(clients)
        for _ in range(count * len(clients)):
            line = up.line()
            match = re.fullmatch(rb"(\d+) (\d+) x*\r\n", line)
            self.assertTrue(match, line)
            i, n = int(match.group(1)), int(match.group(2))
            self.assertEqual(n, seen[i])
            seen[i] += 1
        for talker in talkers:
            talker.join()
        self.assertTrue(up.is_silent(0.2))
        # No other client has got these lines.
        for c in clients:
            self.reach(up, c)

    def test_tag_and_filter_apply_upwards(self):
        server = self.server()
        self.serve(server, subscribe_only="false", tag="true",
                   filter="{ 'deny ^no' }")
        up = self.accept(server)
        c = self.client()
        c.send(b"no\nyes\nunfinished")
        self.assertEqual(up.line(), b"127.0.0.1 yes\n")
        c.close()
        self.assertTrue(up.is_silent(0.2))

    def test_datagrams_go_up_too(self):
        server = self.server()
        self.serve(server, subscribe_only="false", listen=("tcp", "udp"))
        up = self.accept(server)
        with Datagram(self.address) as c:
            c.send(b"one\ntwo\n")
            self.assertEqual(up.line(), b"one\n")
            self.assertEqual(up.line(), b"two\n")

    def test_while_it_is_down_lines_are_dropped_and_counted(self):
        server = self.server()
        self.serve(server, subscribe_only="false", retry_min="1s",
                   retry_max="1s")
        up = self.accept(server)
        clients = self.fed(up, 5)
        server.close()
        up.close()
        self.daemon.wait_log("lost, next try in 1.0 s: closed by the peer")
        for c in clients:
            c.send(b"to nobody\nat all\n")
        # When a later line has arrived, these lines have, too.
        time.sleep(0.5)
        server.open()
        up = self.accept(server)
        for c in clients:
            c.send(b"hello\n")
        for _ in clients:
            self.assertEqual(up.line(), b"hello\n")
        self.assertEqual(self.counted("upstream_down"), 10)

    def test_up_hold_keeps_what_goes_up(self):
        server = self.server()
        self.serve(server, subscribe_only="false", retry_min="1s",
                   retry_max="1s", up_hold="64k", preamble='{ "hi" }')
        up = self.accept(server)
        self.assertEqual(up.line(), b"hi\n")
        [c] = self.fed(up)
        c.send(b"0\n")
        self.assertEqual(up.line(), b"0\n")
        server.close()
        up.close()
        self.daemon.wait_log("lost, next try in 1.0 s: closed by the peer")
        for n in range(1, 100):
            c.send(b"%d\n" % n)
        time.sleep(0.2)
        server.open()
        up = self.accept(server)
        self.assertEqual(up.line(), b"hi\n")
        for n in range(1, 100):
            self.assertEqual(up.line(), b"%d\n" % n)
        self.assertEqual(self.counted("upstream_down"), 0)

    def test_what_up_hold_keeps_at_the_stop_is_counted(self):
        server = self.server()
        self.serve(server, subscribe_only="false", retry_min="60s",
                   retry_max="60s", up_hold="64k")
        up = self.accept(server)
        [c] = self.fed(up)
        server.close()
        up.close()
        self.daemon.wait_log("lost, next try in")
        for n in range(10):
            c.send(b"%d\n" % n)
        c.half_close()
        self.assertEqual(c.rest(), b"")
        self.assertEqual(self.counted("upstream_down"), 10)

    def test_a_reload_without_up_hold_keeps_the_order(self):
        server = self.server(rcvbuf=4096)
        how = {"subscribe_only": "false",
               "extra": "send-queue = 64k send-stall = 0"}
        self.serve(server, up_hold="32M", **how)
        up = self.accept(server)
        c, d = self.fed(up, 2)
        for n in range(8000):
            c.send(b"%d %s\n" % (n, b"x" * 992))
        self.reach(up, d)
        self.write(self.text(server, **how), workers=self.WORKERS)
        self.daemon.reload()
        for n in range(8000, 12000):
            c.send(b"%d\n" % n)
            try:
                up.buffer += up.sock.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        up.sock.settimeout(0.5)
        with self.assertRaises(socket.timeout):
            while up._more():
                pass
        numbers = [int(line.split()[0]) for line in up.buffer.splitlines()]
        self.assertEqual(numbers, sorted(numbers))

    def test_what_up_hold_keeps_goes_to_the_one_that_takes_over(self):
        first, second = self.server(), self.server(rcvbuf=4096)
        first.close()
        self.serve(first, second, subscribe_only="false", up_hold="32M",
                   retry_min="200ms", retry_max="200ms",
                   extra="send-queue = 64k send-stall = 0")
        backup = self.accept(second)
        [c] = self.fed(backup)
        for n in range(8000):
            c.send(b"%d %s\n" % (n, b"x" * 992))
        c.send(b"last\n")
        # No later line would flush these lines.
        c.half_close()
        c.rest()
        first.open()
        up = self.accept(first)
        up.send(b"good\n")
        # The first upstream takes over at the end of a line.
        while not self.daemon.logged(": taken back from "):
            backup.send(b"line\n")
            time.sleep(0.01)
        line = up.line()
        while line != b"last\n":
            self.assertNotEqual(line, b"")
            line = up.line()

    def begin_slow(self, first, second):
        """The second upstream is in use, but does not read while many lines go
        up."""
        self.serve(first, second, subscribe_only="false", up_hold="32M",
                   retry_min="200ms", retry_max="200ms",
                   extra="send-queue = 64k send-stall = 0")
        backup = self.accept(second)
        [c] = self.fed(backup)
        self.say_numbered(c, 8000)
        return backup

    def until_all_went_up(self, up):
        """Returns the numbers of the lines that go up."""
        numbers = []
        while numbers[-1:] != [7999]:
            numbers.append(int(up.line().split()[0]))
        self.assertEqual(numbers, list(range(numbers[0], 8000)))
        return numbers

    def test_what_a_slow_backup_did_not_take_is_counted(self):
        """Later lines went up to the upstream that took over. The lost lines
        must not follow them."""
        first, second = self.server(), self.server(rcvbuf=4096)
        first.close()
        backup = self.begin_slow(first, second)
        first.open()
        up = self.accept(first)
        up.send(b"good\n")
        while not self.daemon.logged(": taken back from "):
            backup.send(b"line\n")
            time.sleep(0.01)
        numbers = self.until_all_went_up(up)
        def down():
            return self.daemon.counters("feed")["upstream_down"]
        # Until the backup is left, after retry-min, it may still take the
        # lines.
        self.eventually(lambda: down() > 0, "lines that are dropped")
        whole, _, _ = backup.ended().rpartition(b"\n")
        taken = [int(line.split()[0]) for line in whole.split(b"\n") if line]
        self.assertEqual(taken, list(range(len(taken))))
        # If the backup was reset, the bytes in the kernel's buffers are lost.
        self.assertLessEqual(len(taken) + down(), numbers[0])

    def test_what_one_that_is_removed_did_not_take_goes_to_the_next(self):
        first, second = self.server(), self.server(rcvbuf=4096)
        first.close()
        backup = self.begin_slow(first, second)
        self.write(self.text(first, subscribe_only="false", up_hold="32M",
                             retry_min="200ms", retry_max="200ms",
                             extra="send-queue = 64k send-stall = 0"),
                   workers=self.WORKERS)
        self.daemon.reload()
        self.daemon.wait_log("left, it is not configured any more")
        backup.close()
        first.open()
        numbers = self.until_all_went_up(self.accept(first))
        self.assertGreater(numbers[0], 0)
        self.assertEqual(self.counted("upstream_down"), 0)

    def begin_all(self):
        """Both upstreams are open. Earlier lines wait for the first one, which
        does not read; the second one has got the later lines."""
        servers = [self.server(rcvbuf=4096), self.server()]
        for server in servers:
            server.close()
        self.serve(*servers, use='"all"', subscribe_only="false",
                   up_hold="32M", retry_min="100ms", retry_max="100ms",
                   extra="send-queue = 64k send-stall = 0")
        with self.client() as c:
            for n in range(8000):
                c.send(b"%d %s\n" % (n, b"x" * 992))
            c.half_close()
            c.rest()
        ups = []
        for server in servers:
            server.open()
            ups.append(self.accept(server))
            self.daemon.wait_log("upstream %s: connected" % server.url)
        d = self.client()
        for n in range(8000, 8100):
            d.send(b"%d\n" % n)
        for n in range(8000, 8100):
            self.assertEqual(ups[1].line(), b"%d\n" % n)
        return (d, *ups)

    def test_with_all_later_lines_do_not_pass_those_that_wait(self):
        _, first, _ = self.begin_all()
        # The first upstream reads faster now.
        first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for n in range(8100):
            self.assertEqual(first.line().split()[0], b"%d" % n)
        self.assertEqual(self.counted("upstream_down"), 0)

    def test_with_all_lines_that_wait_do_not_come_behind_later_ones(self):
        """The second upstream has got later lines than those that the first one
        did not take."""
        d, first, second = self.begin_all()
        first.close()
        self.daemon.wait_log("lost, next try in")
        d.send(b"last\n")
        self.assertEqual(second.line(), b"last\n")
        self.assertTrue(second.is_silent(0.1))
        self.assertGreater(self.counted("upstream_down"), 0)

    def test_one_that_does_not_read_feeds_on(self):
        """The queue to the upstream is bounded, and its lines still reach
        clients."""
        server = self.server(rcvbuf=4096)
        self.serve(server, subscribe_only="false",
                   extra="send-queue = 64k send-stall = 0")
        up = self.accept(server)
        c, d = self.fed(up, 2)
        line = b"%s\n" % (b"x" * 999)
        before = self.daemon.rss_kib()
        for _ in range(60):
            d.send(line * 400)
        self.reach(up, c)
        self.reach(up, d)
        if not self.daemon.is_sanitized():
            self.assertLess(self.daemon.rss_kib() - before,
                            self.daemon.count * 16 << 10)
        # The upstream gets only whole lines.
        up.sock.settimeout(0.5)
        got = 0
        try:
            while up.line() == line:
                got += 1
            self.fail("a line was cut")
        except socket.timeout:
            self.assertEqual(bytes(up.buffer), b"")
        self.assertGreater(got, 50)
        self.assertEqual(self.counted("upstream_slow"), 60 * 400 - got)

    def test_a_line_longer_than_the_queues_mark_goes_up(self):
        server = self.server()
        self.serve(server, subscribe_only="false", extra="send-queue = 8k")
        up = self.accept(server)
        [c] = self.fed(up)
        for size in (10, 3000, 6000, 2000):
            c.send(b"x" * size + b"\n")
            self.assertEqual(len(up.line()), size + 1)


class Stop(UpstreamTest):
    @one_node("a node that stops waits for its own clients only")
    def test_it_is_there_until_the_last_client_of_any_worker_is_gone(self):
        for busy in range(self.WORKERS):
            with self.subTest(busy=busy):
                server = self.server()
                daemon = self.serve(server, subscribe_only="false")
                up = self.accept(server)
                # There is one client on each worker.
                clients = self.fed(up, self.WORKERS, rcvbuf=4096)
                last = clients.pop(busy)
                up.send(b"x" * 999 + b"\n")
                for c in clients:
                    self.expect(c, b"x" * 999 + b"\n")
                # More than fits into the queue to the upstream.
                word = b"y" * 999 + b"\n"
                readers = [threading.Thread(
                    target=lambda c=c: self.expect(c, *[word] * 100))
                    for c in clients]
                for reader in readers:
                    reader.start()
                up.send(word * 100)
                for reader in readers:
                    reader.join()
                daemon.signal(signal.SIGTERM)
                for c in clients:
                    self.assertEqual(c.ended(), b"")
                time.sleep(0.2)
                last.send(b"the last word\n")
                self.expect(up, b"the last word\n")
                self.assertIn(word * 100, last.ended())
                self.assertEqual(up.ended(), b"")
                self.assertEqual(daemon.wait(), 0)

    def test_it_gets_all_that_was_said_though_it_is_slow(self):
        server = self.server(rcvbuf=4096)
        daemon = self.serve(server, subscribe_only="false",
                            extra="send-queue = 16M")
        up = self.accept(server)
        clients = self.fed(up, 4)
        line = b"z" * 999 + b"\n"
        for c in clients:
            c.send(line * 2000)
        daemon.signal(signal.SIGTERM)
        for c in clients:
            c.ended()
        time.sleep(0.2)
        got = up.ended()
        self.assertEqual(len(got), len(clients) * 2000 * len(line))
        self.assertEqual(got.replace(line, b""), b"")
        self.assertEqual(daemon.wait(), 0)

    def begin_held(self):
        """Makes lines wait, because the upstream does not read."""
        server = self.server(rcvbuf=4096)
        self.serve(server, subscribe_only="false", up_hold="32M",
                   extra="send-queue = 64k send-stall = 0")
        up = self.accept(server)
        [c] = self.fed(up)
        self.say_numbered(c, 5000)
        return up

    def check_all_went_up(self, up):
        # The upstream reads faster now.
        up.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        numbers = [int(line.split()[0]) for line in up.ended().splitlines()]
        self.assertEqual(numbers, list(range(5000)))

    def test_it_gets_what_up_hold_keeps(self):
        up = self.begin_held()
        self.daemon.signal(signal.SIGTERM)
        self.check_all_went_up(up)
        self.assertEqual(self.daemon.wait(), 0)

    def test_it_gets_what_up_hold_keeps_when_the_mode_changes(self):
        up = self.begin_held()
        self.write(self.text(mode='"hub"', up_hold="32M"),
                   workers=self.WORKERS)
        self.daemon.reload()
        self.check_all_went_up(up)

    def test_one_that_takes_nothing_is_left_after_the_timeout(self):
        server = self.server(rcvbuf=4096)
        text = self.text(server, subscribe_only="false",
                         extra="send-queue = 16M")
        daemon = self.start("drain-timeout = 1s\n" + text,
                            workers=self.WORKERS)
        up = self.accept(server)
        c, = self.fed(up)
        c.send((b"z" * 999 + b"\n") * 8000)
        with self.takes(0.8, 8):
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait(), 0)


class Reconnect(UpstreamTest):
    def test_killed_twenty_times_under_traffic(self):
        """The upstream is killed in the middle of lines. Clients get whole
        lines, in order, none twice. Each connection begins with the preamble,
        and none is made before retry-min is over."""
        port = free_port()
        retry = 0.1
        self.serve("tcp://127.0.0.1:%d" % port, retry_min="100ms",
                   retry_max="300ms",
                   preamble='{ "login observer", "", "go" }')
        clients = [self.client() for _ in range(6)]
        stop = threading.Event()
        news = threading.Condition()
        epochs = [-1] * len(clients)
        faults = []

        def read(i):
            c, last = clients[i], (-1, -1)
            c.sock.settimeout(0.2)
            while not stop.is_set():
                try:
                    line = c.line()
                except socket.timeout:
                    continue
                match = re.fullmatch(rb"e(\d+) n(\d+) (x*) (\d+)\r\n", line)
                now = match and tuple(int(g) for g in match.groups()[:2])
                if not match or int(match.group(4)) != len(match.group(3)) \
                        or now <= last:
                    faults.append((i, last, line[:200]))
                    return
                last = now
                with news:
                    epochs[i] = now[0]
                    news.notify_all()

        readers = [threading.Thread(target=read, args=(i,))
                   for i in range(len(clients))]
        for reader in readers:
            reader.start()
        self.addCleanup(stop.set)
        rng = random.Random(SEED)
        killed = None
        for epoch in range(21):
            upstream = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, __file__,
                 "--upstream", str(port), str(epoch)],
                stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
            self.addCleanup(upstream.stdout.close)
            self.addCleanup(upstream.kill)
            self.assertEqual(upstream.stdout.readline(), b"listening\n")
            self.assertEqual(upstream.stdout.readline(), b"connected\n")
            if killed is not None:
                self.assertGreaterEqual(time.monotonic() - killed, retry)
            self.assertEqual(upstream.stdout.readline(), b"preamble\n")
            with news:
                self.assertTrue(news.wait_for(
                    lambda: min(epochs) == epoch or faults, 20),
                    (epoch, epochs))
            self.assertFalse(faults)
            time.sleep(rng.random() * 0.05)
            killed = time.monotonic()
            upstream.kill()
            upstream.wait()
        stop.set()
        for reader in readers:
            reader.join()
        self.assertFalse(faults)
        self.daemon.wait_log(r"lost, next try in 0\.[123] s: ")

    def test_the_back_off_grows_and_a_good_connection_ends_it(self):
        """A connection is good when its lines have come for retry-max. One line
        is not enough."""
        server = self.server()
        self.serve(server, retry_min="200ms", retry_max="1600ms")
        up = self.accept(server)
        up.close()
        last = time.monotonic()
        for least in (0.2, 0.2, 0.4, 0.8, 0.8):
            with self.accept(server) as up:
                up.send(b"server full\n")
            now = time.monotonic()
            # The clocks of two processes may differ slightly.
            self.assertGreaterEqual(now - last, least - 0.005)
            last = now
        up = self.accept(server)
        [c] = self.fed(up)
        self.eventually(lambda: len(self.daemon.logged("connected$")) == 7,
                        "the seventh connection in the log")
        time.sleep(1.7)
        place = self.daemon.mark()
        up.close()
        line = self.daemon.wait_log("lost, next try in", place)
        self.assertIn("next try in 0.2 s: closed by the peer", line)
        up = self.accept(server)
        self.reach(up, c)

    def test_a_rest_without_its_end_is_dropped(self):
        server = self.server()
        # Also if lines of clients go up.
        text = self.text(server, retry_min="100ms").replace(
            "\trelay {", "\tframing { unterminated = deliver }\n\trelay {")
        self.start(text, workers=self.WORKERS)
        up = self.accept(server)
        [c] = self.fed(up)
        for end in (Client.close, Client.reset):
            up.send(b"whole\nunfin")
            self.expect(c, b"whole\n")
            end(up)
            up = self.accept(server)
            up.send(b"ished\n")
            self.expect(c, b"ished\n")

    def stalled(self):
        """Returns an upstream that does not read, while lined has more lines
        for it."""
        server = self.server(rcvbuf=4096)
        self.serve(server, subscribe_only="false", retry_min="100ms",
                   extra="send-stall = 0")
        up = self.accept(server)
        [c] = self.fed(up)
        c.send((b"x" * 999 + b"\n") * 12000)
        self.reach(up, c)
        return server, up, c

    def test_its_end_is_seen_where_it_does_not_read(self):
        server, up, c = self.stalled()
        up.half_close()
        self.daemon.wait_log("lost, next try in 0.1 s: closed by the peer",
                             timeout=10)
        self.reach(self.accept(server), c)

    def test_a_reload_with_a_shorter_send_stall_holds_at_once(self):
        server, _, c = self.stalled()
        self.write(self.text(server, subscribe_only="false",
                             retry_min="100ms", extra="send-stall = 200ms"),
                   workers=self.WORKERS)
        self.daemon.reload()
        self.daemon.wait_log("lost, .* it takes nothing within send-stall")
        self.reach(self.accept(server), c)

    def test_silence_is_noticed(self):
        self.at_any_pace(self.silence, 0.6, 2.4, 9.6)

    def silence(self, stale):
        server = self.server()
        # Otherwise the upstream of node 1 would be stale before node 3 serves.
        server.close()
        self.serve(server, stale_timeout="%dms" % (1000 * stale),
                   retry_min="100ms", retry_max="100ms")
        c = self.client()
        # Slow lines keep the connection.
        moments = [time.monotonic()]
        try:
            server.open()
            up = self.accept(server)
            self.reach(up, c)
            for _ in range(6):
                moments.append(time.monotonic())
                up.send(b"alive\n")
                self.expect(c, b"alive\n")
                time.sleep(stale / 2)
            self.assertFalse(self.daemon.logged("lost"))
        except (AssertionError, OSError) as error:
            moments.append(time.monotonic())
            if max(b - a for a, b in zip(moments, moments[1:])) < stale * 0.9:
                raise
            raise Late("no line within %g s" % stale) from error
        # Bytes without a line end do not keep it.
        begin = time.monotonic()
        try:
            while time.monotonic() - begin < stale + 10:
                up.send(b"x")
                time.sleep(0.05)
        except ConnectionError:
            pass
        self.assertLess(time.monotonic() - begin, stale + 9)
        self.assertGreaterEqual(time.monotonic() - begin, stale / 2 - 0.1)
        self.daemon.wait_log("lost, next try in 0.1 s: "
                             "no line within stale-timeout")
        up = self.accept(server)
        up.send(b"back\n")
        self.expect(c, b"back\n")

    def test_who_never_says_a_line_is_called_again_later_and_later(self):
        server = self.server()
        self.serve(server, stale_timeout="100ms", retry_min="100ms",
                   retry_max="10s")
        for _ in range(5):
            self.accept(server)
        self.daemon.wait_log("next try in 0.1 s: no line within")
        slow = self.daemon.logged(r"next try in (0\.[4-9]|1)")
        self.assertTrue(slow, self.daemon.log_text())

    def test_a_refused_connection_is_told_with_its_reason(self):
        port = free_port()
        self.serve("tcp://127.0.0.1:%d" % port, retry_min="50ms",
                   retry_max="100ms")
        line = self.daemon.wait_log("next try in")
        self.assertIn("service feed: upstream tcp://127.0.0.1:%d: "
                      "not connected, next try in 0.1 s: Connection refused"
                      % port, line)
        with Server(port) as server:
            up = self.accept(server)
            self.daemon.wait_log("upstream %s: connected" % server.url)
            self.fed(up)

    def test_a_name_that_nobody_knows(self):
        server = self.server()
        self.serve("tcp://no-such-name.invalid:7", server,
                   env={"RES_OPTIONS": "timeout:1 attempts:1"})
        up = self.accept(server)
        self.fed(up)
        self.daemon.wait_log(
            r"upstream tcp://no-such-name\.invalid:7: not connected, "
            r"next try in 1\.0 s: the name ")

    def test_a_name_with_several_addresses(self):
        server = self.server()  # listens on IPv4 only
        self.serve("tcp://localhost:%d" % server.port)
        self.fed(self.accept(server))

    def test_the_end_comes_orderly_in_every_state(self):
        """The daemon stops while it is connected, waits for the next attempt,
        or looks up a name."""
        server = self.server()
        for upstream, log in ((server.url, "connected"),
                              ("tcp://127.0.0.1:%d" % free_port(),
                               "next try in"),
                              ("tcp://no-such-name.invalid:7", "listening")):
            with self.subTest(log=log):
                daemon = self.start(self.text(upstream),
                                    workers=self.WORKERS)
                daemon.wait_log(log)
                c = self.client()
                daemon.stop()
                self.assertEqual(c.ended(), b"")


class Backup(UpstreamTest):
    WORKERS = 2

    def pair(self, **values):
        """The first address is down, and a client gets the lines of a backup.
        """
        self.first, self.backup = self.server(), self.server()
        self.first.close()
        values.setdefault("retry_max", "1s")
        self.serve(self.first, self.backup, **values)
        self.spare = self.accept(self.backup)
        [self.c] = self.fed(self.spare)

    def test_fails_over_and_back_at_a_lines_end(self):
        self.pair(preamble='{ "hello" }')
        self.assertEqual(self.spare.line(), b"hello\n")
        self.spare.send(b"backup 1\nbackup ")
        self.expect(self.c, b"backup 1\n")
        self.first.open()
        up = self.accept(self.first)
        self.assertEqual(up.line(), b"hello\n")
        up.send(b"first 1\n")
        # The first upstream is not used yet, because the backup has begun a
        # line.
        self.assertTrue(self.c.is_silent(0.5))
        self.spare.send(b"2\r")
        self.assertTrue(self.c.is_silent(0.2))
        self.spare.send(b"\n")
        self.expect(self.c, b"backup 2\r\n", b"first 1\n")
        self.daemon.wait_log("upstream %s: taken back from %s"
                             % (self.first.url, self.backup.url))
        self.assertEqual(self.spare.ended(), b"")
        # The same again, at once.
        up.send(b"first 2\nunfinished")
        self.expect(self.c, b"first 2\n")
        time.sleep(1)  # longer than retry-min: a good connection
        self.first.close()
        up.close()
        spare = self.accept(self.backup)
        spare.send(b"backup 3\n")
        self.expect(self.c, b"backup 3\n")
        self.daemon.wait_log("upstream %s: lost, next try in 1.0 s: "
                             "closed by the peer" % self.first.url)
        self.daemon.wait_log("upstream %s: feeds" % self.backup.url)

    def test_a_silent_backup_is_left_once_the_first_has_said_a_line(self):
        self.pair()
        self.first.open()
        up = self.accept(self.first)
        self.assertTrue(self.spare.is_silent(0.5))
        self.reach(self.spare, self.c)
        up.send(b"probe\n")
        with self.takes(0, 5):
            self.assertEqual(self.spare.ended(), b"")
        self.reach(up, self.c)
        # No other connection is open or tried.
        self.assertTrue(self.first.is_left_alone(1.5))
        self.assertTrue(self.backup.is_left_alone(0.1))

    def test_a_busy_backup_is_left_at_a_lines_end(self):
        """The backup keeps sending. Its lines arrive whole, and none arrives
        after a line of the first."""
        self.pair(extra="send-queue = 256M")
        done = threading.Event()

        def chatter():
            n, rest = 0, b""
            try:
                while not done.is_set():
                    lines = rest + b"".join(b"backup %d %s\n"
                                            % (k, b"x" * (k % 300))
                                            for k in range(n, n + 200))
                    cut = len(lines) - n % 13
                    self.spare.send(lines[:cut])
                    rest = lines[cut:]
                    n += 200
                    time.sleep(0.001)
            except ConnectionError:
                pass

        talker = threading.Thread(target=chatter)
        talker.start()
        self.addCleanup(done.set)
        self.first.open()
        up = self.accept(self.first)
        up.send(b"first\n")
        line = self.c.line()
        while line != b"first\n":
            match = re.fullmatch(rb"backup (\d+) (x*)\n|probe\n|here \d+\n",
                                 line)
            self.assertTrue(match, line)
            if match.group(1):
                self.assertEqual(int(match.group(1)) % 300,
                                 len(match.group(2)))
            line = self.c.line()
        done.set()
        talker.join()
        self.reach(up, self.c)

    def test_a_backup_that_has_just_ended_a_line_is_left_soon(self):
        self.pair()
        ups = []

        def connected():
            self.spare.send(b"probe\n")
            try:
                ups.append(self.first.accept(0.05))
            except socket.timeout:
                pass
            return ups

        self.first.open()
        self.eventually(connected, "a connection to the first")
        self.addCleanup(ups[0].close)
        self.reach(self.spare, self.c)
        # From now on the backup sends nothing.
        ups[0].send(b"first\n")
        with self.takes(0, 5):
            self.expect(self.c, b"first\n")

    def test_a_line_that_never_ends_is_given_up(self):
        self.pair()
        self.spare.send(b"never ")
        time.sleep(0.2)
        self.first.open()
        up = self.accept(self.first)
        up.send(b"first\n")
        with self.takes(5, 20):
            self.expect(self.c, b"first\n")

    def test_a_backup_lost_meanwhile_changes_nothing(self):
        for end in (Client.close, Client.reset):
            with self.subTest(end=end.__name__):
                self.pair()
                self.spare.send(b"unfinished ")
                time.sleep(0.2)
                self.first.open()
                up = self.accept(self.first)
                up.send(b"first\n")
                self.assertTrue(self.c.is_silent(0.3))
                end(self.spare)
                self.expect(self.c, b"first\n")
                self.daemon.stop()
                del self.address

    def test_the_first_lost_meanwhile_changes_nothing(self):
        self.pair()
        self.spare.send(b"line in ")
        time.sleep(0.2)
        self.first.open()
        # The connection may be reset before lined has noticed it.
        self.accept(self.first).reset()
        self.daemon.wait_log("<6>service feed: upstream %s: "
                             "(lost|not connected), next try in "
                             % self.first.url)
        self.spare.send(b"two parts\nand another\n")
        self.expect(self.c, b"line in two parts\n", b"and another\n")
        # lined tries the first address again.
        self.reach(self.accept(self.first), self.c)

    def test_a_first_that_ended_meanwhile_is_not_taken_back(self):
        self.pair()
        self.spare.send(b"line in ")
        time.sleep(0.2)
        self.first.open()
        self.accept(self.first).close()
        time.sleep(0.2)
        self.spare.send(b"two parts\nand another\n")
        self.expect(self.c, b"line in two parts\n", b"and another\n")
        self.daemon.wait_log("upstream %s: lost, next try in .*: "
                             "closed by the peer" % self.first.url)
        self.reach(self.accept(self.first), self.c)

    def test_addresses_are_tried_in_order(self):
        servers = [self.server() for _ in range(3)]
        for s in servers[:2]:
            s.close()
        self.serve(*servers, retry_max="60s")
        up = self.accept(servers[2])
        [c] = self.fed(up)
        time.sleep(1)
        # The lost upstream is tried last.
        servers[1].open()
        up.close()
        up = self.accept(servers[1])
        self.reach(up, c)
        # lined may have connected to this server before that line came.
        try:
            with servers[2].accept(0.3) as late:
                self.assertEqual(late.rest(), b"")
        except socket.timeout:
            pass

    def test_two_that_close_at_once_are_not_called_without_end(self):
        servers = [self.server(), self.server()]
        self.serve(*servers, retry_min="300ms", retry_max="600ms")
        calls, stop = [0, 0], threading.Event()

        def answer(i):
            while not stop.is_set():
                try:
                    with servers[i].accept(0.1) as up:
                        calls[i] += 1
                        # One of the servers sends a line before it closes.
                        if i:
                            up.send(b"busy, call again\n")
                except (socket.timeout, ConnectionError):
                    pass

        threads = [threading.Thread(target=answer, args=(i,))
                   for i in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(3)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertGreaterEqual(min(calls), 2)
        self.assertLessEqual(max(calls), 11)


class Talker(threading.Thread):
    """Accepts each connection to a server and sends numbered lines. Counts the
    connections."""

    def __init__(self, server, word, pause=0.02, says=True, closes=False):
        super().__init__(daemon=True)
        self.server, self.word, self.pause = server, word, pause
        self.says, self.closes, self.calls = says, closes, []
        self.said = 0
        self.stopped = threading.Event()
        self.start()

    def run(self):
        ups = []
        while not self.stopped.is_set():
            try:
                ups.append(self.server.accept(0.001))
                self.calls.append(time.monotonic())
            except (socket.timeout, OSError, AttributeError):
                pass
            for up in ups[:]:
                try:
                    if self.says:
                        up.send(b"%s %d\n" % (self.word, self.said))
                        self.said += 1
                    if self.closes:
                        up.close()
                        ups.remove(up)
                except OSError:
                    ups.remove(up)
            time.sleep(self.pause)
        for up in ups:
            up.close()

    def stop(self):
        self.stopped.set()
        self.join()


class FailOver(UpstreamTest):
    WORKERS = 4

    def talker(self, server, *how, **more):
        talker = Talker(server, *how, **more)
        self.addCleanup(talker.stop)
        return talker

    def heard(self, seconds):
        """Returns when lines came, in tenths of a second, and the lines."""
        c = self.client()
        c.sock.settimeout(0.05)
        lines, begin = [], time.monotonic()
        while time.monotonic() - begin < seconds:
            try:
                lines.append((int((time.monotonic() - begin) * 5), c.line()))
            except socket.timeout:
                pass
        return lines

    def test_the_first_is_half_dead_the_second_refuses_the_third_is_good(self):
        half, refuses, good = (self.server() for _ in range(3))
        refuses.close()
        silent = self.talker(half, b"half", says=False)
        self.talker(good, b"good")
        self.serve(half, refuses, good, stale_timeout="300ms",
                   retry_min="100ms", retry_max="500ms")
        lines = self.heard(5)
        fed = {when for when, _ in lines if when >= 2}
        self.assertGreaterEqual(len(fed), 0.95 * 23)
        gaps = [b - a for a, b in zip(silent.calls, silent.calls[1:])]
        self.assertLess(len(gaps), 8)
        self.assertGreater(gaps[-1], 2 * gaps[0], gaps)

    def test_a_first_that_greets_and_closes(self):
        full, good = self.server(), self.server()
        greeter = self.talker(full, b"server full", closes=True)
        feeder = self.talker(good, b"good")
        self.serve(full, good, retry_min="100ms", retry_max="200ms")
        lines = [line for _, line in self.heard(4)]
        numbers = [int(line.split()[1]) for line in lines
                   if line.startswith(b"good")]
        # lined tries the upstream; the one in use loses no line by that.
        self.assertGreater(len(numbers), feeder.said / 2)
        self.assertEqual(numbers, list(range(numbers[0], numbers[-1] + 1)))
        self.assertLess(len(greeter.calls), 9)
        self.assertGreater(len(greeter.calls), 1)

    def test_nothing_is_lost_or_doubled_when_a_first_appears(self):
        first, backup = self.server(), self.server()
        first.close()
        self.talker(backup, b"backup", pause=0.001)
        self.serve(first, backup, retry_min="100ms", retry_max="200ms",
                   extra="send-queue = 16M")
        clients = [self.client() for _ in range(8)]
        for c in clients:
            c.line()
        for _ in range(3):
            first.open()
            talker = self.talker(first, b"first", pause=0.001)
            self.eventually(lambda: len(talker.calls) > 0, "a call")
            time.sleep(0.4)
            talker.stop()
            first.close()
            time.sleep(0.4)
        mark = b"end"
        for c in clients:
            c.sock.settimeout(0.3)
            runs, end = [], time.monotonic() + 10
            while time.monotonic() < end:
                name, n = c.line().split()
                if not runs or runs[-1][0] != name or int(n) == 0:
                    runs.append((name, []))
                runs[-1][1].append(int(n))
                if len(runs) > 6 and len(runs[-1][1]) > 20:
                    break
            names = [name for name, _ in runs]
            self.assertEqual(names[:7], [b"backup", b"first"] * 3
                             + [b"backup"])
            for name, numbers in runs:
                self.assertEqual(numbers, list(range(
                    numbers[0], numbers[-1] + 1)), name)
            for name, numbers in runs[1::2]:
                self.assertEqual(numbers[0], 0)

    def test_an_address_of_a_name_that_is_half_dead(self):
        """localhost is two addresses, of which the first is silent."""
        found = {family for family, *_ in socket.getaddrinfo(
            "localhost", 7, type=socket.SOCK_STREAM)}
        if found != {socket.AF_INET, socket.AF_INET6}:
            self.skipTest("localhost has one address only")
        good = self.server()
        silent = socket.create_server(("::1", good.port),
                                      family=socket.AF_INET6)
        self.addCleanup(silent.close)
        self.talker(good, b"good")
        self.serve("tcp://localhost:%d" % good.port, stale_timeout="200ms",
                   retry_min="100ms")
        self.assertRegex(self.client().line(), rb"good \d+\n")
        self.daemon.wait_log(r"upstream tcp://localhost:%d "
                             r"\(127\.0\.0\.1:%d\): connected"
                             % (good.port, good.port))

    def test_all_of_them_feed(self):
        servers = [self.server() for _ in range(3)]
        servers[1].close()
        self.serve(*servers, use='"all"', dedupe="1h", subscribe_only="false",
                   retry_min="100ms", history=1)
        a, b = self.accept(servers[0]), self.accept(servers[2])
        a.send(b"same\n")
        c = self.client()
        self.assertEqual(c.line(), b"same\n")
        b.send(b"same\nother\n")
        self.expect(c, b"other\n")
        # Lines of a client go to both upstreams.
        c.send(b"up\n")
        self.assertEqual(a.line(), b"up\n")
        self.assertEqual(b.line(), b"up\n")
        # A lost upstream does not affect the other one, and comes back.
        a.close()
        b.send(b"alone\n")
        self.expect(c, b"alone\n")
        self.accept(servers[0]).send(b"again\n")
        self.expect(c, b"again\n")

    def test_a_reload_changes_who_feeds(self):
        a, b = self.server(), self.server()
        self.serve(a, b)
        up = self.accept(a)
        [c] = self.fed(up)
        self.write(self.text(a, b, use='"all"'), workers=self.WORKERS)
        self.daemon.reload()
        other = self.accept(b)
        self.reach(other, c)
        self.reach(up, c)
        self.write(self.text(a, b), workers=self.WORKERS)
        self.daemon.reload()
        self.assertEqual(other.ended(), b"")
        self.reach(up, c)

    def test_linectl_and_metrics_show_each_upstream(self):
        half, refuses, good = (self.server() for _ in range(3))
        refuses.close()
        path = self.path("control.sock")
        self.daemon = self.start(
            'control { socket = "%s" }\n' % path + self.text(
                half, refuses, good, stale_timeout="1s",
                retry_min="200ms", retry_max="60s"), workers=self.WORKERS)
        # This upstream sends lines all the time: otherwise it would be stale,
        # too.
        self.talker(good, b"good")
        self.accept(half)
        c = self.client()
        for _ in range(2):
            c.line()

        def ask(*what):
            done = subprocess.run(
                [os.environ.get("LINECTL") or "linectl", "-s", path, *what],
                stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
            return done.stdout.decode()

        def state(name):
            told = json.loads(ask("--json", "upstreams"))
            return {row["upstream"]: row[name] for row in told["upstreams"]}

        self.assertEqual(state("state")[good.url], "good")
        self.eventually(lambda: state("state")[half.url] == "stale", "stale")
        told = json.loads(ask("--json", "upstreams"))
        self.assertEqual(list(told), ["upstreams"])
        first, second, third = told["upstreams"]
        self.assertEqual(list(third), [
            "service", "upstream", "address", "state", "since_s", "silent_s",
            "lines", "connects", "error"])
        self.assertEqual(third["service"], "feed")
        self.assertEqual(third["address"], "127.0.0.1:%d" % good.port)
        self.assertEqual(third["connects"], 1)
        self.assertGreaterEqual(third["lines"], 2)
        self.assertEqual(third["error"], "")
        self.assertEqual(first["error"], "no line within stale-timeout")
        self.assertEqual(second["error"], "Connection refused")
        self.assertRegex(ask("upstreams"), r"(?m)^feed +%s +127\.0\.0\.1:%d "
                         "+good " % (re.escape(good.url), good.port))
        page = ask("metrics")
        for url, up in ((half.url, 0), (refuses.url, 0), (good.url, 1)):
            self.assertIn('\nlined_relay_upstream_up{service="feed",'
                          'upstream="%s"} %d\n' % (url, up), page)
        self.assertRegex(page, '\nlined_relay_upstream_lines_total{service='
                         '"feed",upstream="%s"} [1-9]' % good.url)

    def test_an_upstream_on_a_unix_path(self):
        path = self.path("up.sock")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()
        self.serve("unix://" + path, tag="true", history=1)
        up = Client.adopt(listener.accept()[0])
        self.addCleanup(up.close)
        up.send(b"line\n")
        self.assertEqual(self.client().line(), b"unix line\n")


class Push(UpstreamTest):
    WORKERS = 2

    def hub(self, *targets, **values):
        return self.serve(mode='"hub"', push=urls(*targets),
                          retry_min="100ms", retry_max="200ms", **values)

    def test_the_feed_goes_out_to_all_kinds_of_targets(self):
        server = self.server()
        path = self.path("push.sock")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(datagrams.close)
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(PATIENCE)
        self.hub(server, "unix://" + path,
                 "udp://127.0.0.1:%d" % datagrams.getsockname()[1],
                 push_preamble='{ "login me" }', filter_up="{ 'deny no' }")
        up = self.accept(server)
        other = Client.adopt(listener.accept()[0])
        self.addCleanup(other.close)
        for c in (up, other):
            self.assertEqual(c.line(), b"login me\n")
        clients = [self.client() for _ in range(4)]
        for i, c in enumerate(clients):
            c.send(b"%d a\n%d no\n%d b\r\n" % (i, i, i))
        for target in (up, other):
            got = sorted(target.line() for _ in range(8))
            self.assertEqual(got, sorted(
                b"%d %s" % (i, rest) for i in range(4)
                for rest in (b"a\n", b"b\r\n")))
        got = sorted(datagrams.recv(100) for _ in range(8))
        self.assertEqual(got[:2], [b"0 a\n", b"0 b\r\n"])
        # Input from a target is discarded.
        up.send(b"hello\n")
        for c in clients:
            c.send(b"end\n")
        for _ in clients:
            self.assertEqual(up.line(), b"end\n")
        self.assertEqual(self.counted("lines_discarded"), 1)

    def test_datagrams_are_sent_before_any_is_dropped(self):
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(datagrams.close)
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(PATIENCE)
        self.hub("udp://127.0.0.1:%d" % datagrams.getsockname()[1],
                 extra="send-queue = 1k")
        lines = [b"%03d %s\n" % (i, b"x" * 90) for i in range(100)]
        self.client().send(b"".join(lines))
        self.assertEqual([datagrams.recv(200) for _ in lines], lines)
        self.assertEqual(self.counted("push_lines_dropped"), 0)

    def test_what_an_upstream_says_is_pushed(self):
        source, target = self.server(), self.server()
        self.serve(source, push=urls(target))
        up, out = self.accept(source), self.accept(target)
        up.send(b"one\ntwo\n")
        self.assertEqual(out.line(), b"one\n")
        self.assertEqual(out.line(), b"two\n")

    def test_what_is_not_delivered_is_lost_and_counted(self):
        target = self.server()
        target.close()
        self.hub(target)
        self.daemon.wait_log("push %s: not connected, next try in"
                             % target.url)
        c = self.client()
        c.send(b"lost\n" * 7)
        time.sleep(0.3)
        target.open()
        out = self.accept(target)
        c.send(b"heard\n")
        self.assertEqual(out.line(), b"heard\n")
        self.assertEqual(self.counted("push_lines_dropped"), 7)

    def test_push_hold_keeps_the_newest(self):
        target = self.server()
        target.close()
        self.hub(target, push_hold="1000")
        c = self.client()
        c.send(b"".join(b"%08d\n" % n for n in range(1000)))
        time.sleep(0.3)
        target.open()
        out = self.accept(target)
        first = int(out.line())
        self.assertEqual(first, 1000 - 1000 // 9)
        for n in range(first + 1, 1000):
            self.assertEqual(int(out.line()), n)
        self.assertEqual(self.counted("push_lines_dropped"), first)

    def test_a_connection_that_is_lost_takes_no_line_with_it(self):
        """Lines that were not completely sent are sent again, whole, on the
        next connection."""
        target = self.server(rcvbuf=4096)
        self.hub(target, push_hold="64M", extra="send-queue = 256k")
        out = self.accept(target)
        c = self.client()
        count = 6000
        c.send(b"".join(b"%08d %s\n" % (n, b"x" * 990)
                        for n in range(count)))
        time.sleep(0.5)
        got = int(out.line().split()[0])
        self.assertEqual(got, 0)
        out.reset()
        out = self.accept(target)
        first = int(out.line().split()[0])
        # Only bytes in the kernel's buffers are lost.
        self.assertGreater(first, 0)
        self.assertLess(first, 4000)
        for n in range(first + 1, count):
            self.assertEqual(int(out.line().split()[0]), n)
        self.assertEqual(self.counted("push_lines_dropped"), 0)

    def test_a_reload_changes_the_targets(self):
        a, b = self.server(), self.server()
        self.hub(a)
        out = self.accept(a)
        c = self.client()
        self.write(self.text(mode='"hub"', push=urls(a, b)),
                   workers=self.WORKERS)
        self.daemon.reload()
        other = self.accept(b)
        c.send(b"both\n")
        self.assertEqual(out.line(), b"both\n")
        self.assertEqual(other.line(), b"both\n")
        self.write(self.text(mode='"hub"', push=urls(a)),
                   workers=self.WORKERS)
        self.daemon.reload()
        self.assertEqual(other.ended(), b"")
        self.write(self.text(mode='"hub"'), workers=self.WORKERS)
        self.daemon.reload()
        self.assertEqual(out.ended(), b"")
        self.assertEqual(self.counted("push_lines_dropped"), 0)

    def test_a_reload_with_a_shorter_send_stall_holds_for_targets(self):
        target = self.server(rcvbuf=4096)
        self.hub(target, extra="send-stall = 0")
        self.accept(target)
        c = self.client()
        c.send((b"x" * 999 + b"\n") * 12000)
        self.eventually(
            lambda: self.daemon.counters("feed").get("push_lines_dropped"),
            "a full queue")
        self.write(self.text(mode='"hub"', push=urls(target),
                             extra="send-stall = 200ms"),
                   workers=self.WORKERS)
        self.daemon.reload()
        self.daemon.wait_log("lost, .* it takes nothing within send-stall")

    def test_lines_that_a_target_got_are_not_lost_with_it(self):
        a, b = self.server(), self.server()
        self.hub(a)
        out = self.accept(a)
        self.client().send(b"got\n")
        self.assertEqual(out.line(), b"got\n")
        self.write(self.text(mode='"hub"', push=urls(b)),
                   workers=self.WORKERS)
        self.daemon.reload()
        self.assertEqual(out.ended(), b"")
        self.assertEqual(self.counted("push_lines_dropped"), 0)

    def test_all_that_was_said_is_pushed_before_the_end(self):
        target = self.server(rcvbuf=4096)
        self.hub(target, push_hold="64M", extra="send-queue = 64k")
        out = self.accept(target)
        c = self.client()
        c.send((b"z" * 999 + b"\n") * 2000)
        self.daemon.signal(signal.SIGTERM)
        c.ended()
        self.assertEqual(len(out.ended()), 2000 * 1000)
        self.assertEqual(self.daemon.wait(), 0)

    def test_what_a_target_does_not_take_at_the_end_is_counted(self):
        target, other = self.server(rcvbuf=4096), self.server()
        self.hub(target, other, extra="send-queue = 64M")
        out, good = self.accept(target), self.accept(other)
        c = self.client()
        c.send((b"z" * 999 + b"\n") * 20000)
        self.daemon.signal(signal.SIGTERM)
        # Both connections are flushed and closed at the same time.
        self.assertEqual(len(good.ended()), 20000 * 1000)
        out.reset()
        self.assertEqual(self.daemon.wait(), 0)
        self.assertGreater(self.counted("push_lines_dropped"), 5000)


class Reload(UpstreamTest):
    def again(self, *upstreams, **values):
        self.write(self.text(*upstreams, **values), workers=self.WORKERS)
        return self.daemon.reload()

    def test_another_list_is_taken_and_nobody_lost(self):
        a, b, d = self.server(), self.server(), self.server()
        self.serve(a)
        up = self.accept(a)
        clients = self.fed(up, 6)
        # If an address stays, so does its connection.
        self.again(a, b)
        for c in clients:
            self.reach(up, c)
        self.assertTrue(b.is_left_alone(0.2))
        # The address is the second one now: lined connects to the new first one
        # at once.
        self.again(b, a)
        other = self.accept(b)
        other.send(b"probe\n")
        self.assertEqual(up.ended(), b"")
        for c in clients:
            self.reach(other, c)
        # The address is no longer in the list.
        self.again(d)
        up = self.accept(d)
        self.assertEqual(other.ended(), b"")
        for c in clients:
            self.reach(up, c)
        self.daemon.wait_log("upstream %s: left, it is not configured any "
                             "more" % b.url)

    def test_other_times_are_taken(self):
        server = self.server()
        server.close()
        self.serve(server, retry_min="1h", retry_max="1h")
        self.daemon.wait_log("next try in 3600.0 s")
        [c] = [self.client()]
        server.open()
        self.again(server, retry_min="100ms", retry_max="1h")
        up = self.accept(server)
        self.reach(up, c)
        self.again(server, retry_min="100ms", stale_timeout="300ms")
        up = self.accept(server)
        self.reach(up, c)
        self.daemon.wait_log("no line within stale-timeout")

    def test_the_mode_may_change(self):
        server = self.server()
        self.serve(server)
        up = self.accept(server)
        a, b = self.fed(up, 2)
        self.again(mode='"hub"')
        self.assertEqual(up.ended(), b"")
        self.reach(a, b)
        self.again(server)
        up = self.accept(server)
        self.reach(up, a)
        self.reach(up, b)

    def test_reloads_under_traffic_lose_nothing(self):
        server = self.server()
        self.serve(server)
        up = self.accept(server)
        [c] = self.fed(up)
        stop, sent = threading.Event(), []

        def talk():
            while not stop.is_set():
                up.send(b"%d\n" % len(sent))
                sent.append(1)
                time.sleep(0.0005)

        talker = threading.Thread(target=talk)
        talker.start()
        self.addCleanup(stop.set)
        for i in range(6):
            self.again(server, retry_max="%ds" % (20 + i), history=i,
                       preamble='{ "number %d" }' % i)
        stop.set()
        talker.join()
        for n in range(len(sent)):
            self.expect(c, b"%d\n" % n)
        self.assertTrue(c.is_silent(0.2))
        up.close()
        up = self.accept(server)
        self.assertEqual(up.line(), b"number 5\n")


class LastWords(UpstreamTest):
    """Lines that an upstream sent before a reload removes it still reach all
    readers."""

    def hub(self):
        return service("hub", "tcp://127.0.0.1:%d" % self.port,
                       protocol="relay", extra='\trelay { topic = "t" }\n')

    def feed(self, **values):
        return self.text("unix://" + self.path("up.sock"), topic='"t"',
                         **values)

    def check_reload(self, after):
        self.port = free_port()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path("up.sock"))
            listener.listen()
            self.daemon = self.start(self.hub() + self.feed(),
                                     workers=self.WORKERS)
            up = Client.adopt(listener.accept()[0])
        self.addCleanup(up.close)
        reader = Client(("127.0.0.1", self.port))
        self.addCleanup(reader.close)
        self.reach(up, reader)
        self.daemon.signal(signal.SIGSTOP)
        self.write(self.hub() + after, workers=self.WORKERS)
        # More than is read before the reload.
        said = b"".join(b"%d\n" % (n % 7) for n in range(80000))
        up.send(said)
        self.daemon.signal(signal.SIGHUP)
        self.daemon.signal(signal.SIGCONT)
        self.assertEqual(reader.exactly(len(said)), said)
        self.assertEqual(up.ended(), b"")

    def test_the_service_is_removed(self):
        self.check_reload("")

    def test_the_upstream_is_removed(self):
        other = self.server()
        self.check_reload(self.text(other, topic='"t"'))

    def test_the_mode_changes(self):
        self.check_reload(self.text(mode='"hub"', topic='"t"'))


class LastWordsOfFourWorkers(LastWords):
    WORKERS = 4


class Config(UpstreamTest):
    def test_the_example_is_good(self):
        code, _, told = self.run_lined(
            "-t", "-m", self.modules, "-c",
            os.path.join(TOP, "conf", "examples", "feed.conf"))
        self.assertEqual(code, 0, told)
        self.assertIn("is good", told)

    def test_an_address_of_its_own_is_refused(self):
        port = free_port()
        for listen, own in (("tcp://127.0.0.1:%d", "tcp://127.0.0.1:%d"),
                            ("tcp://*:%d", "tcp://127.0.0.1:%d"),
                            ("tcp://*:%d", "tcp://127.0.0.7:%d")):
            text = service("feed", listen % port, protocol="relay",
                           extra='\trelay {\n\t\tmode = "upstream"\n'
                           '\t\tupstream = "%s"\n\t}\n' % (own % port))
            code, told = self.check(text)
            self.assertEqual(code, 1)
            self.assertRegex(told, r'lined\.conf:\d+: service "feed": relay: '
                             'upstream: "%s" is an address of this service '
                             'itself' % (own % port))

    def test_its_own_address_by_a_name_is_not_connected(self):
        port = free_port()
        self.address = ("127.0.0.1", port)
        self.serve("tcp://localhost:%d" % port, retry_min="100ms")
        self.daemon.wait_log(r"upstream tcp://localhost:%d \(127\.0\.0\.1:"
                             r"%d\): not connected, next try in .* s: "
                             "it is an address of this service itself"
                             % (port, port))
        c = self.client()
        self.assertTrue(c.is_silent(0.3))

    def test_two_upstreams_without_stale_timeout_are_warned_of(self):
        text = self.text("tcp://a.example:1", "tcp://b.example:1")
        code, told = self.check(text)
        self.assertEqual(code, 0, told)
        self.assertRegex(told, r'lined\.conf:\d+: service "feed": relay: '
                         'upstream: without stale-timeout')
        for values in ({"stale_timeout": "1m"}, {"use": '"all"'}):
            code, told = self.check(self.text(
                "tcp://a.example:1", "tcp://b.example:1", **values))
            self.assertNotIn("stale-timeout", told)

    def test_the_same_twice_is_refused(self):
        code, told = self.check(self.text("tcp://a:1", "tcp://a:1"))
        self.assertEqual(code, 1)
        self.assertIn('upstream: "tcp://a:1" is listed twice', told)

    def test_with_a_topic_it_needs_no_address(self):
        server = self.server()
        port = free_port()
        source = ('service "source" {\n\tprotocol = "relay"\n\trelay { '
                  'mode = "upstream" upstream = "%s" %%s }\n}\n'
                  % server.url)
        self.address = ("127.0.0.1", port)
        feed = service("feed", "tcp://127.0.0.1:%d" % port, protocol="relay",
                       extra='\trelay { topic = "t" }\n')
        code, told = self.check(source % "" + feed)
        self.assertEqual(code, 1)
        self.assertRegex(told, 'service "source": listen is missing')
        self.daemon = self.start(source % 'topic = "t"' + feed, workers=2)
        self.fed(self.accept(server))

    def test_bad_addresses_are_told_with_file_and_line(self):
        for bad, why in (("127.0.0.1:70", "begins with none of"),
                         ("tcp://host", "the port is missing"),
                         ("tcp://::1:7", "write IPv6 in brackets"),
                         ("tcp://h:0", "the port is not 1 to 65535")):
            with self.subTest(bad=bad):
                code, told = self.check(self.text("tcp://good:1", bad))
                self.assertEqual(code, 1)
                self.assertRegex(told, r'lined\.conf:\d+: .*upstream "%s": .*'
                                 '%s' % (re.escape(bad), why))


with_workers(globals(), 4, Feed, Upward, Stop, Reload)
with_workers(globals(), 2, Upward, Reconnect)


def be_upstream(port, epoch):
    """Serves one connection: gets the preamble, then sends lines, most of them
    in two parts, until this process is killed."""
    rng = random.Random(SEED + epoch)
    with Server(port) as server:
        print("listening", flush=True)
        with server.accept() as up:
            print("connected", flush=True)
            said = [up.line() for _ in range(3)]
            print("preamble" if said == [b"login observer\n", b"\n", b"go\n"]
                  else repr(said), flush=True)
            n = 0
            while True:
                lines = b""
                for _ in range(rng.randrange(1, 20)):
                    size = rng.choice((0, 10, 200, 3000))
                    lines += b"e%d n%d %s %d\r\n" % (epoch, n, b"x" * size,
                                                     size)
                    n += 1
                cut = len(lines) - rng.randrange(0, 8)
                up.send(lines[:cut])
                time.sleep(0.002)
                up.send(lines[cut:])


class Devices(UpstreamTest):
    def terminal(self, path):
        """Makes a pseudo-terminal at the path. Returns its master."""
        master, slave = os.openpty()
        tty.setraw(slave)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(os.ttyname(slave), path)
        os.close(slave)
        return master

    def said(self, master, size):
        data = b""
        while len(data) < size:
            self.assertTrue(select.select([master], [], [], PATIENCE)[0],
                            data)
            data += os.read(master, size - len(data))
        return data

    def test_a_serial_line_in_both_directions(self):
        path = self.path("tty")
        master = self.terminal(path)
        url = "serial://%s?baud=38400" % path
        daemon = self.serve(url, subscribe_only="false", retry_min="50ms",
                            retry_max="100ms", preamble='{ "?WATCH" }')
        self.assertEqual(self.said(master, 7), b"?WATCH\n")
        ended = termios.tcgetattr(master)
        self.assertEqual(ended[4:6], [termios.B38400] * 2)
        self.assertFalse(ended[3] & (termios.ECHO | termios.ICANON))
        c = self.client()
        c.send(b"to it\n")
        self.assertEqual(self.said(master, 6), b"to it\n")
        os.write(master, b"$GPGGA,1\r\n$GP")
        self.assertEqual(c.line(), b"$GPGGA,1\r\n")
        # The device goes and comes back. Half a line was lost with it.
        os.close(master)
        os.unlink(path)
        daemon.wait_log(re.escape(url) + ": lost, .*: the device has gone")
        daemon.wait_log(re.escape(url) + ": not connected, .*: No such file")
        place = daemon.mark()
        master = self.terminal(path)
        daemon.wait_log(re.escape(url) + ": connected", place)
        self.assertEqual(self.said(master, 7), b"?WATCH\n")
        os.write(master, b"$GPGGA,2\r\n")
        self.assertEqual(c.line(), b"$GPGGA,2\r\n")
        os.close(master)

    def test_a_fifo_stays_open_while_writers_come_and_go(self):
        path = self.path("fifo")
        os.mkfifo(path)
        # The first line may come before the client has reached its worker.
        daemon = self.serve("fifo://" + path, subscribe_only="false",
                            preamble='{ "unheard" }', history=1)
        daemon.wait_log("upstream fifo://.*: connected")
        c = self.client()
        c.send(b"unheard too\n")
        for i in range(3):
            with open(path, "wb") as fifo:
                fifo.write(b"line %d\n" % i)
            self.assertEqual(c.line(), b"line %d\n" % i)
        self.assertTrue(c.is_silent(0.1))
        self.assertFalse(daemon.logged("lost"))

    def test_a_fifo_gets_no_lines_that_up_hold_keeps(self):
        path = self.path("fifo")
        os.mkfifo(path)
        daemon = self.serve("fifo://" + path, subscribe_only="false",
                            up_hold="64k", history=1)
        daemon.wait_log("upstream fifo://.*: connected")
        with self.client() as c:
            c.send(b"one\ntwo\n")
            c.half_close()
            self.assertEqual(c.rest(), b"")
        self.assertEqual(self.counted("upstream_lines"), 0)
        self.assertIn("upstream_slow 2", "".join(daemon.logged("upstream_")))

    def test_what_is_none_is_said(self):
        path = self.path("file")
        with open(path, "w"):
            pass
        for kind, why in (("serial", "it is no serial line"),
                          ("fifo", "it is no FIFO")):
            daemon = self.serve("%s://%s" % (kind, path))
            daemon.wait_log("not connected, next try .*: " + why)
            daemon.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--upstream"]:
        signal.alarm(100)
        be_upstream(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main(300)
