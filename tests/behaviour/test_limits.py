#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The limits of a service: which clients are refused, closed or slowed down,
and the messages about that."""
import ctypes
import errno
import os
import signal
import socket
import threading
import time

from lined_test import PATIENCE, Client, DaemonTest, Datagram, Late, Server
from lined_test import free_port, main, service

# Sends a megabyte in small sends for each line that it gets.
GUSH = r"""
#include <string.h>
#include <lined/protocol.h>

static void gush_line(struct lined_socket *client,
		      const struct lined_line *line)
{
	char text[1024];

	(void)line;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\n';
	for (int i = 0; i < 1024; i++)
		lined_socket_send(client, text, sizeof(text));
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "gush",
	.summary = "says more than it is asked",
	.handle_line = gush_line,
};
"""


class Limits(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.unix = self.path("echo.sock")

    def serve(self, limits="", more="", **kw):
        return self.start(service(
            "echo", "tcp://127.0.0.1:%d" % self.port,
            "tcp://[::1]:%d" % self.port,
            "udp://127.0.0.1:%d" % self.port, "unix://" + self.unix,
            extra="\tlimits { %s }\n%s" % (limits, more)), **kw)

    def client(self, source=None, **kw):
        return Client(self.address, source=source, **kw)

    def test_refused_are_closed_whatever_is_logged(self):
        self.serve("clients = 1", level="warning")
        with self.client() as first:
            self.assertTrue(first.echoes())
            with self.client() as second:
                self.assertEqual(second.ended(), b"")

    def lets_in(self, source=None):
        with self.client(source) as c:
            return c.echoes()


class Admission(Limits):
    def test_clients(self):
        daemon = self.serve("clients = 3")
        held = [self.client() for _ in range(3)]
        for c in held:
            self.assertTrue(c.echoes())
        self.assertFalse(self.lets_in())
        # The limit counts the clients of all addresses of the service.
        with Client(self.unix) as c:
            self.assertFalse(c.echoes())
        daemon.wait_log(r"refused .*: clients$")
        for c in held:
            self.assertTrue(c.echoes())
        held.pop().close()
        self.eventually(self.lets_in, "room for one more")
        for c in held:
            c.close()

    def test_clients_per_address(self):
        daemon = self.serve("clients-per-address = 2")
        held = [self.client("127.0.0.2") for _ in range(2)]
        for c in held:
            self.assertTrue(c.echoes())
        self.assertFalse(self.lets_in("127.0.0.2"))
        daemon.wait_log(r"127\.0\.0\.2.*clients-per-address")
        self.assertTrue(self.lets_in("127.0.0.3"))
        for c in held:
            self.assertTrue(c.echoes())
        # However a client ends, its place is free again.
        held.pop().reset()
        self.eventually(lambda: self.lets_in("127.0.0.2"), "a free place")
        held.pop().close()

    def test_clients_per_address_over_ipv6(self):
        daemon = self.serve("clients-per-address = 2")
        six = ("::1", self.port)
        with Client(six) as a, Client(six) as b, Client(six) as c:
            self.assertTrue(a.echoes())
            self.assertTrue(b.echoes())
            self.assertFalse(c.echoes())
        daemon.wait_log(r"::1.*clients-per-address")

    def test_unix_clients_have_no_address(self):
        self.serve("clients-per-address = 1 connect-rate-per-address = 1")
        held = [Client(self.unix) for _ in range(5)]
        for c in held:
            self.assertTrue(c.echoes())
            c.close()

    def test_zero_is_unlimited(self):
        self.serve("clients-per-address = 0 "
                   "connect-rate-per-address = 0")
        held = [self.client() for _ in range(300)]
        for c in held:
            self.assertTrue(c.echoes())
        for c in held:
            c.close()

    def test_the_default_per_address_is_100(self):
        self.serve("connect-rate-per-address = 0")
        held = [self.client() for _ in range(100)]
        for c in held:
            self.assertTrue(c.echoes())
        self.assertFalse(self.lets_in())
        for c in held:
            c.close()

    def test_connect_rate_per_address(self):
        daemon = self.serve("connect-rate-per-address = 5")
        # The clients connect at the same time, also on a slow machine.
        begin = time.monotonic()
        daemon.signal(signal.SIGSTOP)
        clients = [self.client("127.0.0.4") for _ in range(40)]
        daemon.signal(signal.SIGCONT)
        let_in = sum(c.echoes() for c in clients)
        seconds = time.monotonic() - begin
        for c in clients:
            c.close()
        self.assertGreaterEqual(let_in, 5)
        self.assertLessEqual(let_in, 5 + 5 * (seconds + 1))
        self.assertLess(let_in, 40)
        daemon.wait_log(r"127\.0\.0\.4.*connect-rate-per-address")
        self.assertTrue(self.lets_in("127.0.0.5"))
        self.eventually(lambda: self.lets_in("127.0.0.4"), "its turn")

    def test_refusals_are_not_counted_as_clients(self):
        self.serve("clients-per-address = 1 connect-rate-per-address = 0")
        with self.client() as held:
            self.assertTrue(held.echoes())
            for _ in range(50):
                self.assertFalse(self.lets_in())
            self.assertTrue(held.echoes())
        self.eventually(self.lets_in, "the place")

    def test_a_client_that_has_read_the_end_can_connect_again(self):
        """A client's place is free before the peer can notice the end."""
        limits = ("\tlimits { clients-per-address = 1 "
                  "connect-rate-per-address = 0 }\n")
        other = ("127.0.0.1", free_port())
        self.start(
            service("echo", "tcp://127.0.0.1:%d" % self.port, extra=limits)
            + service("kv", "tcp://127.0.0.1:%d" % other[1], protocol="kv",
                      extra=limits), level="warning", workers=2)
        for number in range(300):
            with self.client() as c:
                self.assertTrue(c.echoes(), "refused: %d" % number)
                c.half_close()
                self.assertEqual(c.line(), b"")
        # The service closes the client while its input is unread: the socket
        # lingers.
        for number in range(300):
            with Client(other) as c:
                c.send(b"version\r\nquit\r\nversion\r\n" * 20)
                self.assertIn(b"VERSION", c.line(), "refused: %d" % number)
                self.assertEqual(c.line(), b"")


class Access(Limits):
    def test_deny(self):
        daemon = self.serve(more='access { deny = { "127.0.0.6/31" } }')
        self.assertFalse(self.lets_in("127.0.0.6"))
        self.assertFalse(self.lets_in("127.0.0.7"))
        self.assertTrue(self.lets_in("127.0.0.8"))
        daemon.wait_log(r"127\.0\.0\.6.*(access|deny|denied)")

    def test_with_allow_the_rest_is_refused(self):
        self.serve(more='access { allow = { "127.0.0.8" } }')
        self.assertTrue(self.lets_in("127.0.0.8"))
        self.assertFalse(self.lets_in("127.0.0.9"))
        with Client(("::1", self.port)) as c:
            self.assertFalse(c.echoes())

    def test_the_longest_prefix_wins(self):
        self.serve(more='access { '
                   'allow = { "127.0.0.0/8", "127.9.9.9/32" } '
                   'deny = { "127.9.0.0/16", "127.9.9.0/24" } }')
        self.assertTrue(self.lets_in("127.0.0.1"))
        self.assertFalse(self.lets_in("127.9.0.1"))
        self.assertFalse(self.lets_in("127.9.9.8"))
        self.assertTrue(self.lets_in("127.9.9.9"))

    def test_deny_wins_a_tie(self):
        self.serve(more='access { allow = { "127.0.0.0/8", "127.7.0.0/16" } '
                   'deny = { "127.7.0.0/16" } }')
        self.assertFalse(self.lets_in("127.7.1.1"))
        self.assertTrue(self.lets_in("127.8.1.1"))

    def test_ipv6_networks(self):
        self.serve(more='access { deny = { "::/64" } }')
        with Client(("::1", self.port)) as c:
            self.assertFalse(c.echoes())
        self.assertTrue(self.lets_in())

    def test_unix_clients_are_exempt(self):
        self.serve(more='access { allow = { "192.0.2.0/24" } }')
        self.assertFalse(self.lets_in())
        with Client(self.unix) as c:
            self.assertTrue(c.echoes())

    def test_datagrams_are_denied_too(self):
        self.serve(more='access { deny = { "127.0.0.10" } }')
        with Datagram(self.address, source=("127.0.0.10", 0)) as c:
            c.send(b"denied\n")
            self.assertTrue(c.is_silent(0.3))
        with Datagram(self.address, source=("127.0.0.11", 0)) as c:
            c.send(b"fine\n")
            self.assertEqual(c.receive(), b"fine\n")


class Deadlines(Limits):
    def test_idle_timeout(self):
        self.at_any_pace(self.idle_timeout, 1, 3, 9)

    def idle_timeout(self, seconds):
        daemon = self.serve("idle-timeout = %ds" % seconds)
        ended, moments = [], [time.monotonic()]

        def keep_busy():
            for _ in range(15):
                time.sleep(seconds / 5)
                ended.append(not busy.echoes())
                moments.append(time.monotonic())
        with self.takes(0.9 * seconds, seconds + PATIENCE), \
                self.client() as idle, self.client() as silent, \
                self.client() as busy:
            thread = threading.Thread(target=keep_busy)
            thread.start()
            try:
                self.assertTrue(idle.echoes())
                self.assertEqual(idle.rest(), b"")
                self.assertEqual(silent.rest(), b"")
                daemon.wait_log(r"client \d+ 127\.0\.0\.1:\d+: "
                                "closed: idle %d s" % seconds)
            finally:
                thread.join()
        pause = max(b - a for a, b in zip(moments, moments[1:]))
        if any(ended) and pause > 0.8 * seconds:
            raise Late("nobody was busy for %g s" % pause)
        self.assertFalse(any(ended))

    def test_dripping_bytes_is_idle(self):
        self.serve("idle-timeout = 1s")
        with self.takes(0.9), self.client() as c:
            self.drips(c)

    def drips(self, c):
        """Sends a byte every tenth of a second until the client is closed."""
        c.sock.settimeout(0.1)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                c.send(b"x")
                if not c.sock.recv(100):
                    return
            except socket.timeout:
                continue
            except ConnectionError:
                return
        self.fail("it was not closed")

    def test_taking_bytes_is_neither_idle_nor_stalled(self):
        # A slow but steady reader that has sent its only line long ago.
        self.build_module("gush", GUSH)
        self.at_any_pace(self.slow_reader, 1, 3, 9)

    def slow_reader(self, seconds):
        self.start(service("gush", "tcp://127.0.0.1:%d" % self.port,
                           protocol="gush", extra="limits { "
                           "idle-timeout = %ds send-stall = %ds "
                           "send-queue = 4M }" % (seconds, seconds)))
        with self.client(rcvbuf=16384) as c:
            c.send(b"go\n")
            got, begin = 0, time.monotonic()
            while got < 1 << 20:
                with self.within(0.8 * seconds):
                    got += len(c.exactly(min(1 << 15, (1 << 20) - got)))
                    time.sleep(0.1 * seconds)
            self.assertGreater(time.monotonic() - begin, 2 * seconds)

    def test_taking_a_little_of_a_full_buffer_is_neither(self):
        # The kernel reports room only when a large part of the output has gone.
        self.at_any_pace(self.slow_to_empty, 1, 3, 9)

    def slow_to_empty(self, seconds):
        self.serve("idle-timeout = %ds send-stall = %ds"
                   % (seconds, seconds))
        with self.client(rcvbuf=16384) as c:
            c.fill(b"x" * 999 + b"\n", quiet=0.2)
            begin = time.monotonic()
            while time.monotonic() - begin < 3 * seconds:
                with self.within(0.6 * seconds):
                    c.exactly(1 << 13)
                    time.sleep(0.1 * seconds)

    def test_first_line_timeout(self):
        self.at_any_pace(self.first_line_timeout, 700, 3000, 9000)

    def first_line_timeout(self, ms):
        daemon = self.serve("first-line-timeout = %dms" % ms)
        with self.within(ms / 1000):
            spoken = self.client()
            self.assertTrue(spoken.echoes())
        with spoken:
            with self.takes(0.7 * ms / 1000), self.client() as silent, \
                    self.client() as dripping:
                self.assertEqual(silent.rest(), b"")
                self.drips(dripping)
            daemon.wait_log(r"closed: .*(first|line)")
            self.assertTrue(spoken.is_silent(1))
            self.assertTrue(spoken.echoes())

    def test_line_timeout(self):
        daemon = self.serve("line-timeout = 700ms")
        with self.client() as quiet, self.client() as c:
            self.assertTrue(quiet.echoes())
            self.assertTrue(c.echoes())
            with self.takes(0.6):
                self.drips(c)
            daemon.wait_log(r"closed: .*line")
            # The deadline does not run before the first byte of a line.
            self.assertTrue(quiet.is_silent(1))
            self.assertTrue(quiet.echoes())

    def test_line_timeout_counts_from_each_lines_first_byte(self):
        self.at_any_pace(self.lines_in_halves, 1, 3, 9)

    def lines_in_halves(self, seconds):
        self.serve("line-timeout = %ds" % seconds)
        with self.client() as c:
            for i in range(8):
                with self.within(seconds):
                    c.send(b"half ")
                    time.sleep(0.3 * seconds)
                    c.send(b"and half\n")
                    self.assertEqual(c.line(), b"half and half\n")

    def test_zero_is_off(self):
        self.serve("idle-timeout = 0 first-line-timeout = 0 "
                   "line-timeout = 0 send-stall = 0")
        with self.client() as c:
            self.assertTrue(c.is_silent(2))
            c.send(b"half")
            self.assertTrue(c.is_silent(2))
            c.send(b"\n")
            self.assertEqual(c.line(), b"half\n")


class Rate(Limits):
    def test_line_rate_slows_and_never_closes(self):
        self.serve("line-rate = 50 line-burst = 10")
        said = [b"line %d\n" % i for i in range(110)]
        with self.client() as c:
            with self.takes(1.6):
                c.send(b"".join(said))
                for line in said:
                    self.assertEqual(c.line(), line)
            self.assertTrue(c.echoes())

    def test_it_is_each_clients_own(self):
        self.serve("line-rate = 1 line-burst = 1")
        with self.client() as c, self.client() as other:
            # This input is enough for minutes.
            c.send(b"x\n" * 200)
            self.assertEqual(c.line(), b"x\n")
            with self.takes(0):
                self.assertTrue(other.echoes())

    def test_a_burst_goes_at_once(self):
        self.serve("line-rate = 2 line-burst = 100")
        with self.client() as c:
            with self.takes(0):
                self.assertTrue(c.echoes(b"x\n" * 90))

    def test_a_reload_frees_who_was_slowed_by_the_limits_before(self):
        before = "line-rate = 1 line-burst = 1000"
        daemon = self.serve(before)
        text = open(self.path("lined.conf")).read()
        with self.client() as c:
            self.assertTrue(c.echoes(b"x\n" * 1000))
            # With the old burst, these lines would be delayed by a quarter of
            # an hour.
            self.write(text.replace(before, "line-rate = 10 line-burst = 2"),
                       workers=None)
            daemon.reload()
            self.assertTrue(c.echoes(b"y\n" * 5))

    def test_half_close_of_a_slowed_client_loses_nothing(self):
        self.serve("line-rate = 50 line-burst = 10")
        said = b"".join(b"line %d\n" % i for i in range(60))
        with self.client() as c:
            c.send(said)
            c.half_close()
            self.assertEqual(c.rest(), said)


class Vanished(Limits):
    """How long the kernel waits for acknowledgements of a peer. The test checks
    only the setting; by hand, a reader whose packets were dropped was closed
    after 62 s."""

    def user_timeouts(self, daemon, local=None, peer=None):
        """Returns TCP_USER_TIMEOUT in ms of the daemon's connections with this
        local address, or this peer."""
        libc = ctypes.CDLL(None, use_errno=True)
        pidfd = os.pidfd_open(daemon.pid)
        timeouts = []
        try:
            table = "/proc/%d/fd/" % daemon.pid
            for number in os.listdir(table):
                if not os.readlink(table + number).startswith("socket:"):
                    continue
                fd = libc.syscall(438, pidfd, int(number), 0)  # pidfd_getfd
                if fd < 0 and ctypes.get_errno() in (errno.EPERM,
                                                     errno.ENOSYS):
                    self.skipTest("no pidfd_getfd(2)")
                if fd < 0:
                    continue
                try:
                    with socket.socket(fileno=fd) as sock:
                        if sock.getpeername() == peer or (
                                peer is None and
                                sock.getsockname() == local):
                            timeouts.append(sock.getsockopt(
                                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
                except OSError:
                    pass  # not connected
        finally:
            os.close(pidfd)
        return timeouts

    def test_a_minute_or_a_longer_send_stall(self):
        for stall, wanted in (("30s", 60000), ("5m", 300000), ("0", 0)):
            with self.subTest(stall):
                daemon = self.serve("send-stall = " + stall)
                with Client(self.address) as c:
                    self.assertTrue(c.echoes())
                    self.assertEqual(
                        self.user_timeouts(daemon, local=self.address),
                        [wanted])
                daemon.stop()

    def test_a_reload_changes_it_for_new_connections(self):
        text = service("echo", "tcp://127.0.0.1:%d" % self.port,
                       extra="limits { send-stall = 2m }")
        daemon = self.start(text)
        self.write(text.replace("2m", "3m"))
        daemon.reload()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            self.assertEqual(self.user_timeouts(daemon, local=self.address),
                             [180000])

    def test_a_reload_changes_it_for_a_client_in_a_handshake(self):
        text = service("echo", "ws://127.0.0.1:%d" % self.port,
                       extra="limits { send-stall = 2m }")
        daemon = self.start(text)
        with Client(self.address):
            self.eventually(
                lambda: self.user_timeouts(daemon, local=self.address) ==
                [120000], "the client is accepted")
            self.write(text.replace("2m", "3m"))
            daemon.reload()
            self.assertEqual(self.user_timeouts(daemon, local=self.address),
                             [180000])

    def test_a_reload_changes_it_before_the_proxy_header(self):
        text = service("echo", "tcp://127.0.0.1:%d" % self.port,
                       extra='proxy-from = "127.0.0.1" '
                             "limits { send-stall = 2m }")
        daemon = self.start(text)
        with Client(self.address) as c:
            self.eventually(
                lambda: self.user_timeouts(daemon, local=self.address) ==
                [120000], "the connection is accepted")
            self.write(text.replace("2m", "3m"))
            daemon.reload()
            c.send(b"PROXY TCP4 192.0.2.1 127.0.0.1 5123 7007\r\n")
            self.assertTrue(c.echoes())
            self.assertEqual(self.user_timeouts(daemon, local=self.address),
                             [180000])

    def test_an_upstream_too(self):
        with Server() as server:
            daemon = self.start(service(
                "feed", "unix://" + self.unix, protocol="relay",
                extra='relay { mode = "upstream" upstream = { "%s" } }'
                      % server.url))
            with server.accept():
                daemon.wait_log("upstream .*: connected")
                self.assertEqual(
                    self.user_timeouts(daemon,
                                       peer=("127.0.0.1", server.port)),
                    [60000])


class Sending(Limits):
    def test_a_full_send_queue_closes_the_slow_one(self):
        self.build_module("gush", GUSH)
        daemon = self.start(service(
            "gush", "tcp://127.0.0.1:%d" % self.port, protocol="gush",
            extra="limits { send-queue = 64k }"))
        with self.client(rcvbuf=4096) as slow:
            slow.send(b"go\n" * 4)
            daemon.wait_log(r"closed: .*slow")
            # The client gets whole sends, one after the other, and then the
            # end.
            got = slow.ended()
            self.assertLess(len(got), 4 << 20)

    def test_a_queue_with_room_for_all_delivers_all(self):
        self.build_module("gush", GUSH)
        self.start(service(
            "gush", "tcp://127.0.0.1:%d" % self.port, protocol="gush",
            extra="limits { send-queue = 8M }"))
        with self.client(rcvbuf=4096) as c:
            c.send(b"go\n" * 3)
            c.half_close()
            time.sleep(0.5)
            self.assertEqual(len(c.rest()), 3 << 20)

    def test_send_stall(self):
        daemon = self.serve("send-stall = 1s")
        with self.client(rcvbuf=4096) as c, self.client() as other:
            self.assertTrue(other.echoes())
            with self.takes(0.9):
                c.fill(b"x" * 99 + b"\n", quiet=0.2)
                daemon.wait_log(
                    r"client \d+ 127\.0\.0\.1:\d+: closed: .*(slow|stall)")
            self.assertTrue(other.echoes())


if __name__ == "__main__":
    main(180)
