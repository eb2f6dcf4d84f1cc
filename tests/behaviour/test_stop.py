#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""SIGTERM and SIGINT: the daemon stops accepting, answers the lines it has
received, and ends within drain-timeout."""
import fcntl
import os
import signal
import sys
import termios
import threading
import time

from lined_test import Client, DaemonTest, Datagram
from lined_test import free_port, main, service

# Answers, and never returns from its handler.
TAR = r"""
#include <sys/socket.h>
#include <unistd.h>
#include <lined/protocol.h>

static void tar_line(struct lined_socket *client,
		     const struct lined_line *line)
{
	(void)line;
	send(lined_socket_fd(client), "sinking\n", 8, 0);
	for (;;)
		pause();
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "tar",
	.summary = "takes in and never lets go",
	.handle_line = tar_line,
};
"""

# Its drain of the first client closes all other clients.
PANIC = r"""
#include <lined/protocol.h>

static void panic_line(struct lined_socket *client,
		       const struct lined_line *line)
{
	lined_socket_send_line(client, line);
}

static void close_one(struct lined_socket *client, void *arg)
{
	(void)arg;
	lined_socket_close_for(client, LINED_CLOSE_KICKED, 0);
}

static void panic_drain(struct lined_socket *client)
{
	struct lined_service *service = lined_client_service(client);

	lined_service_log(service, LINED_LOG_NOTICE, "drained a client%s",
			  lined_socket_is_closed(client) ? " too late" : "");
	lined_service_each_client(service, close_one, NULL);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "panic",
	.summary = "closes all where one is to be closed",
	.flags = LINED_ONE_WORKER,
	.handle_line = panic_line,
	.handle_drain = panic_drain,
};
"""

# Tells the client that its line has come, and then works slowly.
SLOW = r"""
#define _POSIX_C_SOURCE 200809L
#include <sys/socket.h>
#include <time.h>
#include <lined/protocol.h>

static void slow_line(struct lined_socket *client,
		      const struct lined_line *line)
{
	const struct timespec pause = {0, 30000000};

	(void)line;
	send(lined_socket_fd(client), "come\n", 5, 0);
	nanosleep(&pause, NULL);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "slow",
	.summary = "thinks about each line",
	.handle_line = slow_line,
};
"""

# Passes words on to the other clients, and gives the sender a long answer, to
# "x" too, and takes its time.
POST = r"""
#define _POSIX_C_SOURCE 200809L
#include <string.h>
#include <time.h>
#include <lined/protocol.h>

struct post {
	struct lined_socket *from;
	const struct lined_line *line;
};

static void pass_on(struct lined_socket *client, void *arg)
{
	struct post *post = arg;

	if (client != post->from)
		lined_socket_send_line(client, post->line);
}

static void post_line(struct lined_socket *client,
		      const struct lined_line *line)
{
	const struct timespec pause = {0, 5000000};
	struct post post = {client, line};
	char answer[1200];

	if (line->len == 0) {
		lined_socket_send(client, "\n", 1);
		return;
	}
	if (line->len > 1)
		lined_service_each_client(lined_client_service(client), pass_on,
					  &post);
	memset(answer, 'x', sizeof(answer));
	lined_socket_send(client, answer, sizeof(answer));
	nanosleep(&pause, NULL);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "post",
	.summary = "passes words on",
	.flags = LINED_ONE_WORKER,
	.handle_line = post_line,
};
"""


class Stop(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.unix = self.path("echo.sock")
        self.text = service("echo", "tcp://127.0.0.1:%d" % self.port,
                            "unix://" + self.unix,
                            "udp://127.0.0.1:%d" % self.port)

    def stuck(self, address=None):
        """Returns a client that reads none of its queued answers."""
        c = Client(address or self.address, rcvbuf=4096)
        c.fill(b"x" * 99 + b"\n")
        return c

    def test_idle_clients_are_closed_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.start("drain-timeout = 30s\n" + self.text)
            with Client(self.address) as a, Client(self.unix) as b, \
                    Client(self.address) as silent:
                self.assertTrue(a.echoes())
                self.assertTrue(b.echoes())
                self.assertTrue(silent.is_silent(0.1))
                with self.takes(0, 5):
                    daemon.signal(number)
                    self.assertEqual(daemon.wait(), 0)
                for c in (a, b, silent):
                    # The client gets the end of the stream, not a reset.
                    self.assertEqual(c.rest(), b"")

    def test_who_has_just_come_is_answered_once(self):
        for _ in range(20):
            daemon = self.start(self.text)
            with Client(self.address) as c:
                came = time.monotonic()
                daemon.wait_log("connected to tcp://")
                daemon.signal(signal.SIGTERM)
                daemon.wait_log("stopping")
                c.send(b"in time\n")
                late = time.monotonic() - came > 0.15
                if not late:
                    self.assertEqual(c.rest(), b"in time\n")
            self.assertEqual(daemon.wait(), 0)
            if not late:
                return
        self.skipTest("this machine is too slow to be in time")

    def test_without_clients_it_is_gone_at_once(self):
        daemon = self.start("drain-timeout = 30s\n" + self.text)
        with self.takes(0, 5):
            daemon.stop()

    def test_pending_input_is_answered(self):
        daemon = self.start(self.text)
        said = b"".join(b"line %d\r\n" % i for i in range(3000))
        with Client(self.address) as tcp, Client(self.unix) as local, \
                Datagram(self.address) as udp:
            self.assertTrue(tcp.echoes())
            self.assertTrue(local.echoes())
            # The kernel has all input before the signal comes.
            daemon.signal(signal.SIGSTOP)
            tcp.send(said)
            local.send(said)
            udp.send(b"datagram\n")
            daemon.signal(signal.SIGTERM)
            daemon.signal(signal.SIGCONT)
            self.assertEqual(tcp.rest(), said)
            self.assertEqual(local.rest(), said)
            self.assertEqual(udp.receive(), b"datagram\n")
        self.assertEqual(daemon.wait(), 0)

    def test_pending_datagrams_are_answered(self):
        daemon = self.start(service(
            "echo", "udp://127.0.0.1:%d" % self.port))
        with Datagram(self.address) as udp:
            daemon.signal(signal.SIGSTOP)
            for i in range(100):
                udp.send(b"%d\n" % i)
            daemon.signal(signal.SIGTERM)
            daemon.signal(signal.SIGCONT)
            for i in range(100):
                self.assertEqual(udp.receive(), b"%d\n" % i)
        self.assertEqual(daemon.wait(), 0)

    def test_a_slow_reader_gets_its_whole_queue(self):
        daemon = self.start("drain-timeout = 15s\n" + self.text)
        line = b"x" * 99 + b"\n"
        with Client(self.address, rcvbuf=4096) as c:
            # Fills the kernel's buffers and the daemon's queue.
            sent = c.fill(line)
            self.assertGreater(sent, 100000)
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify("STOPPING=1")
            time.sleep(0.5)
            got = c.rest()
        self.assertEqual(daemon.wait(), 0)
        # Only whole lines arrive, and all lines that fitted into the queue are
        # answered.
        self.assertEqual(got.replace(line, b""), b"")
        self.assertEqual(len(got), sent // len(line) * len(line))

    def test_a_slow_reader_does_not_keep_the_idle(self):
        daemon = self.start("drain-timeout = 30s\n" + self.text)
        with Client(self.address, rcvbuf=4096) as slow, \
                Client(self.address) as idle:
            self.assertTrue(idle.echoes())
            slow.fill(b"x" * 99 + b"\n")
            with self.takes(0, 10):
                daemon.signal(signal.SIGTERM)
                self.assertEqual(idle.ended(), b"")
            self.assertIsNone(daemon.process.poll())
        self.assertEqual(daemon.wait(), 0)

    def test_an_answer_under_way_is_not_cut_by_what_comes_after(self):
        daemon = self.start("drain-timeout = 15s\n" + self.text)
        line = b"x" * 99 + b"\n"
        with Client(self.address, rcvbuf=4096) as c:
            # The answers fit into the kernel's buffers: the daemon has nothing
            # left to do for this client.
            c.send(line * 3000)
            self.eventually(lambda: self.unread(c) > 1000, "an answer")
            time.sleep(0.2)
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify("STOPPING=1")
            time.sleep(0.2)
            c.send(b"too late\n")
            self.assertEqual(c.rest()[:300000], line * 3000)
        self.assertEqual(daemon.wait(), 0)

    @staticmethod
    def unread(c):
        size = fcntl.ioctl(c.sock, termios.FIONREAD, b"\0" * 4)
        return int.from_bytes(size, sys.byteorder)

    def test_what_does_not_drain_is_cut_after_the_timeout(self):
        daemon = self.start("drain-timeout = 2s\n" + self.text)
        with self.stuck(), self.stuck(self.unix):
            with self.takes(1.8, 8):
                daemon.signal(signal.SIGTERM)
                self.assertEqual(daemon.wait(), 0)

    def test_what_lined_serves_itself_has_no_time_of_its_own(self):
        metrics = self.path("metrics.sock")
        daemon = self.start('drain-timeout = 2s\n'
                            'metrics { listen = "unix://%s" }\n' % metrics
                            + self.text)
        with self.stuck(), Client(metrics) as scraper:
            scraper.fill(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            daemon.signal(signal.SIGTERM)
            with self.takes(1.5, 3.5):
                self.assertEqual(daemon.wait(), 0)

    def test_a_client_that_never_stops_sending_does_not_hold_it(self):
        daemon = self.start("drain-timeout = 2s\n" + self.text)
        # Both ends of the flood continue while the daemon stops.
        ended = threading.Event()

        def flood(c):
            try:
                while not ended.is_set():
                    c.send(b"flood\n" * 1000)
            except OSError:
                pass

        def drink(c):
            c.ended()
        with Client(self.address) as c:
            threads = [threading.Thread(target=t, args=(c,))
                       for t in (flood, drink)]
            for t in threads:
                t.start()
            try:
                with self.takes(0, 8):
                    daemon.signal(signal.SIGTERM)
                    self.assertEqual(daemon.wait(), 0)
            finally:
                ended.set()
                for t in threads:
                    t.join()

    def test_clients_that_send_in_turn_do_not_hold_it(self):
        self.build_module("slow", SLOW)
        daemon = self.start("drain-timeout = 20s\n" + service(
            "desk", "unix://" + self.unix, protocol="slow"))
        with Client(self.unix) as a, Client(self.unix) as b:
            a.send(b"mine\n")
            self.assertEqual(a.line(), b"come\n")
            with self.takes(0, 10):
                daemon.signal(signal.SIGTERM)
                # While the line of one client is handled, the other sends.
                try:
                    while True:
                        b.send(b"mine\n")
                        if b.line() == b"":
                            break
                        a, b = b, a
                except OSError:
                    pass
                self.assertEqual(daemon.wait(), 0)

    def test_a_sender_with_long_answers_is_heard_by_the_others(self):
        """Its queue is too long in each turn, until the flush."""
        self.build_module("post", POST)
        daemon = self.start("drain-timeout = 20s\n" + service(
            "post", "unix://" + self.unix, protocol="post",
            extra="limits { send-queue = 4k }"))
        with Client(self.unix) as other, Client(self.unix) as sender:
            for c in other, sender:
                c.send(b"\n")
                self.assertEqual(c.line(), b"\n")
            sender.send(b"first\n" + b"x\n" * 58 + b"last\n")
            self.assertEqual(other.line(), b"first\n")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(other.rest(), b"last\n")
            self.assertEqual(len(sender.rest()), 60 * 1200)
        self.assertEqual(daemon.wait(), 0)

    def test_a_second_signal_ends_it_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM),
                              (signal.SIGINT, signal.SIGTERM)):
            daemon = self.start("drain-timeout = 60s\n" + self.text)
            with self.stuck() as c:
                daemon.signal(first)
                daemon.wait_notify("STOPPING=1")
                self.assertIsNone(daemon.process.poll())
                with self.takes(0, 5):
                    daemon.signal(second)
                    # The process exits, and is not killed by the signal.
                    self.assertGreaterEqual(daemon.wait(), 0)
                del c

    def test_a_worker_that_is_stuck_does_not_keep_it(self):
        self.build_module("tar", TAR)
        daemon = self.start("drain-timeout = 1s\n" + service(
            "pit", "tcp://127.0.0.1:%d" % self.port, protocol="tar"),
            workers=2)
        with Client(self.address) as c:
            c.send(b"sink\n")
            self.assertEqual(c.line(), b"sinking\n")
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify("STOPPING=1")
            with self.takes(0, 5):
                daemon.signal(signal.SIGTERM)
                self.assertGreaterEqual(daemon.wait(), 0)

    def test_a_main_thread_that_stands_still_is_ended(self):
        """A blocked main thread reads no signals: the second signal ends the
        process."""
        self.build_module("tar", TAR)
        daemon = self.start(service(
            "pit", "tcp://127.0.0.1:%d" % self.port, protocol="tar"),
            workers=1)
        with Client(self.address) as c:
            c.send(b"sink\n")
            self.assertEqual(c.line(), b"sinking\n")
            daemon.signal(signal.SIGTERM)
            time.sleep(0.2)
            self.assertIsNone(daemon.process.poll())
            with self.takes(1, 6):
                daemon.signal(signal.SIGTERM)
                self.assertEqual(daemon.wait(), -signal.SIGTERM)
        self.assertTrue(daemon.logged("stopping at once: the main thread "
                                      "stands still$"))

    def test_a_second_signal_leaves_no_socket_behind(self):
        control = self.path("control.sock")
        daemon = self.start('drain-timeout = 60s\n'
                            'control { socket = "%s" }\n' % control
                            + self.text)
        self.assertTrue(os.path.lexists(control))
        with self.stuck():
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify("STOPPING=1")
            # linectl can still connect.
            self.assertTrue(os.path.lexists(control))
            daemon.signal(signal.SIGTERM)
            self.assertGreaterEqual(daemon.wait(), 0)
        self.assertFalse(os.path.lexists(control))
        self.assertFalse(os.path.lexists(self.unix))

    def test_a_closed_client_is_not_asked_to_end(self):
        self.build_module("panic", PANIC)
        daemon = self.start(service(
            "ship", "tcp://127.0.0.1:%d" % self.port, protocol="panic"))
        with Client(self.address) as a, Client(self.address) as b, \
                Client(self.address) as c:
            for client in (a, b, c):
                self.assertTrue(client.echoes())
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait(), 0)
        self.assertTrue(daemon.logged("drained a client$"))
        self.assertFalse(daemon.logged("drained a client too late"))

    def test_a_reload_does_not_wait_for_a_stuck_worker(self):
        self.build_module("tar", TAR)
        text = "drain-timeout = 1s\n" + service(
            "pit", "tcp://127.0.0.1:%d" % self.port, protocol="tar")
        daemon = self.start(text, workers=2)
        with Client(self.address) as c:
            c.send(b"sink\n")
            self.assertEqual(c.line(), b"sinking\n")
            daemon.wait_log("^<4>worker .*stuck")
            place = daemon.reload()
            daemon.wait_log("^<3>reload: a worker is stuck", place)
            daemon.wait_log("^<3>reload: refused", place)
            for _ in range(2):
                daemon.signal(signal.SIGTERM)
                time.sleep(0.2)
            self.assertGreaterEqual(daemon.wait(), 0)

    def test_nobody_comes_in_while_it_drains(self):
        daemon = self.start("drain-timeout = 60s\n" + self.text)
        with self.stuck():
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify("STOPPING=1")
            self.eventually(self.is_refused, "the listener's end")
            self.assertFalse(os.path.lexists(self.unix))
            daemon.signal(signal.SIGTERM)
            daemon.wait()

    def is_refused(self):
        try:
            with Client(self.address) as c:
                c.ended()
            return False
        except ConnectionRefusedError:
            return True

    def test_a_hup_while_it_drains_changes_nothing(self):
        daemon = self.start("drain-timeout = 2s\n" + self.text)
        with self.stuck():
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify("STOPPING=1")
            daemon.signal(signal.SIGHUP)
            with self.takes(0, 8):
                self.assertEqual(daemon.wait(), 0)
        self.assertTrue(self.is_refused())

    def test_it_starts_again_on_the_same_addresses(self):
        for _ in range(3):
            daemon = self.start(self.text)
            with Client(self.address) as c:
                self.assertTrue(c.echoes())
                # The daemon closes first, so that its side stays in TIME_WAIT.
                daemon.stop()

    def test_start_and_stop_are_in_the_log(self):
        daemon = self.start(self.text, level="notice")
        daemon.stop()
        self.assertTrue(daemon.logged("^<5>"))


if __name__ == "__main__":
    main(180)
