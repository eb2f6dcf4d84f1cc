#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""System calls that fail: a preloaded library makes them fail while the test
says so. The daemon continues to serve, logs its losses, and recovers."""
import contextlib
import json
import os
import signal
import subprocess
import unittest

from lined_test import LINED, Client, Datagram, DaemonTest, free_port, main, service

# FAULTS names a file with a letter for each call that fails.
LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int fails(char letter)
{
	char letters[16] = "";
	int error = errno, fd = open(getenv("FAULTS"), O_RDONLY);

	if (fd >= 0) {
		if (read(fd, letters, sizeof(letters) - 1) < 0)
			letters[0] = '\0';
		close(fd);
	}
	errno = error;
	return strchr(letters, letter) != NULL;
}

/* A datagram socket of IPv6, the second one of udp://localhost. */
static int is_second(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address), size = sizeof(int);
	int type = 0;

	return getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
	       address.ss_family == AF_INET6 &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       type == SOCK_DGRAM;
}

static int fcntl_of(const char *name, int fd, int command, void *argument)
{
	int (*next)(int, int, ...) =
		(int (*)(int, int, ...))dlsym(RTLD_NEXT, name);

	if (command == F_DUPFD_CLOEXEC && fails('d') && is_second(fd)) {
		errno = EMFILE;
		return -1;
	}
	return next(fd, command, argument);
}

#define FCNTL(NAME)                                                            \
	int NAME(int fd, int command, ...)                                     \
	{                                                                      \
		va_list more;                                                  \
		void *argument;                                                \
                                                                               \
		va_start(more, command);                                       \
		argument = va_arg(more, void *);                               \
		va_end(more);                                                  \
		return fcntl_of(#NAME, fd, command, argument);                 \
	}

#undef fcntl
#undef fcntl64
FCNTL(fcntl)
FCNTL(fcntl64)

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	static int (*next)(int, struct sockaddr *, socklen_t *, int);

	if (next == NULL)
		next = (int (*)(int, struct sockaddr *, socklen_t *, int))
			dlsym(RTLD_NEXT, "accept4");
	if (fails('a')) {
		errno = ENFILE;
		return -1;
	}
	return next(fd, address, len, flags);
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	static int (*next)(int, int, int, struct epoll_event *);

	if (next == NULL)
		next = (int (*)(int, int, int, struct epoll_event *))
			dlsym(RTLD_NEXT, "epoll_ctl");
	socklen_t len = sizeof(int);
	int type = 0;

	/* 'L': sockets only; 'D': the second of two. */
	if (op == EPOLL_CTL_ADD &&
	    (fails('L') || (fails('D') && is_second(fd))))
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	if ((op == EPOLL_CTL_MOD && fails('m')) || type != 0 ||
	    (op == EPOLL_CTL_ADD && fails('A'))) {
		errno = ENOMEM;
		return -1;
	}
	return next(epoll_fd, op, fd, event);
}

/* 'b': the wall clock is set back by an hour. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*next)(clockid_t, struct timespec *);
	int result;

	if (next == NULL)
		next = (int (*)(clockid_t, struct timespec *))dlsym(
			RTLD_NEXT, "clock_gettime");
	result = next(clock, now);
	if (clock == CLOCK_REALTIME && fails('b'))
		now->tv_sec -= 3600;
	return result;
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int max, int ms)
{
	static int (*next)(int, struct epoll_event *, int, int);
	int n;

	if (next == NULL)
		next = (int (*)(int, struct epoll_event *, int, int))
			dlsym(RTLD_NEXT, "epoll_wait");
	n = next(epoll_fd, events, max, ms);
	if (!fails('w'))
		return n;
	errno = EBADF;
	return -1;
}
"""


class Faults(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.tcp = "tcp://127.0.0.1:%d" % self.port
        self.faults = self.path("faults")
        code, self.library = self.path("faults.c"), self.path("faults.so")
        with open(code, "w") as f:
            f.write(LIBRARY)
        compiler = (os.environ.get("CC") or "cc").split()
        subprocess.run(compiler + ["-shared", "-fPIC", "-o", self.library,
                                   code, "-ldl"], check=True, timeout=60)

    def let_fail(self, letters):
        with open(self.faults + ".new", "w") as f:
            f.write(letters)
        os.rename(self.faults + ".new", self.faults)

    def environment(self):
        options = os.environ.get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": self.library, "FAULTS": self.faults,
                "ASAN_OPTIONS": options + ":verify_asan_link_order=0"}

    def start_with_faults(self, text, **more):
        self.let_fail("")
        return self.start(text, env=self.environment(), **more)

    def test_a_full_system_is_told_of_once_and_gone_through(self):
        daemon = self.start_with_faults(service("echo", self.tcp))
        self.let_fail("a")
        with Client(self.address) as c:
            daemon.wait_log("^<4>service echo: accept on tcp://.*: Too many "
                            "open files in system")
            self.assertTrue(c.is_silent(0.5))
            self.let_fail("")
            self.assertTrue(c.echoes())
            daemon.wait_log("^<5>service echo: accepting on .* again")
        self.assertEqual(len(daemon.logged("accept on")), 1)

    @unittest.skipIf(os.environ.get("LINED_POLLER") == "poll",
                     "it is epoll that fails")
    def test_a_client_that_cannot_be_watched_is_lost_alone(self):
        for workers in (1, 2):
            daemon = self.start_with_faults(service(
                "echo", self.tcp, extra="limits { clients = 2 }"),
                workers=workers)
            with Client(self.address) as held:
                self.assertTrue(held.echoes())
                self.let_fail("A")
                for _ in range(5):
                    with Client(self.address) as c:
                        self.assertEqual(c.ended(), b"")
                daemon.wait_log("^<4>service echo: client lost: ")
                self.let_fail("")
                self.assertTrue(held.echoes())
                # The clients' places are free again.
                self.eventually(self.lets_in, "a place")
            # Accepted clients count as closed. One may have connected before
            # the place of the previous one was free.
            place = daemon.mark()
            daemon.signal(signal.SIGUSR1)
            daemon.wait_log("service echo: .* closed error [1-5]", place)
            daemon.stop()

    def lets_in(self):
        with Client(self.address) as c:
            return c.echoes()

    @unittest.skipIf(os.environ.get("LINED_POLLER") == "poll",
                     "poll(2) watches what it is given")
    def test_a_lost_listener_is_told_of_and_opened_by_a_reload(self):
        unix = self.path("echo.sock")
        daemon = self.start_with_faults(
            service("echo", self.tcp, "unix://" + unix))
        with Client(self.address) as held:
            self.assertTrue(held.echoes())
            # The listener pauses when accepting fails, and then cannot be
            # watched again.
            self.eventually(lambda: self.lose(daemon, unix), "the loss")
            self.let_fail("")
            daemon.wait_log("^<3>service echo: listen unix://%s: lost: "
                            "Cannot allocate memory" % unix)
            # The loss is logged first, then the listener is closed.
            self.eventually(lambda: not os.path.lexists(unix), "no path")
            self.assertTrue(held.echoes())
            place = daemon.reload()
            daemon.wait_log("service echo: listening on unix://", place)
            with Client(unix) as c:
                self.assertTrue(c.echoes())
            self.assertTrue(held.echoes())

    @unittest.skipIf(os.environ.get("LINED_POLLER") == "poll",
                     "it is epoll that fails")
    def test_a_loop_that_cannot_wait_is_no_clean_stop(self):
        """The main thread exits 3, a worker aborts, so that the service
        manager starts lined again."""
        for workers, code, said in (
                (1, 3, "poll fails again and again: lined ends"),
                (2, -signal.SIGABRT,
                 r"worker \d: SIGABRT in poll, which fails again and again")):
            self.write(service("echo", self.tcp), workers=workers)
            self.let_fail("")
            daemon = self.launch(self.arguments(), env=self.environment())
            daemon.wait_notify("READY=1")
            with Client(self.address) as c:
                self.assertTrue(c.echoes())
                # With two workers only a worker fails: without an event, the
                # main thread does not call epoll_wait(2) again.
                self.let_fail("w")
                c.send(b"lost\n")
                self.assertEqual(daemon.wait(), code)
            daemon.wait_log("^<3>%s$" % said)

    @unittest.skipIf(os.environ.get("LINED_POLLER") == "poll",
                     "it is epoll that fails")
    def test_a_loop_that_cannot_wait_for_a_moment_goes_on(self):
        for workers in (1, 2):
            daemon = self.start_with_faults(service("echo", self.tcp),
                                            workers=workers)
            with Client(self.address) as c:
                self.assertTrue(c.echoes())
                self.let_fail("w")
                c.send(b"kept\n")
                daemon.wait_log(r"^<3>worker \d: poll: Bad file descriptor$")
                self.let_fail("")
                daemon.wait_log(r"^<5>worker \d: poll: works again$")
                self.assertEqual(c.line(), b"kept\n")
                self.assertTrue(c.echoes())
            daemon.stop()

    @unittest.skipIf(os.environ.get("LINED_POLLER") == "poll",
                     "poll(2) watches what it is given")
    def test_a_start_that_cannot_watch_an_address_is_none(self):
        for workers in (1, 2):
            for address in (self.tcp, "udp://127.0.0.1:%d" % self.port,
                            "unix://" + self.path("echo.sock")):
                self.write(service("echo", address), workers=workers)
                self.let_fail("L")
                daemon = self.launch(self.arguments(), env=self.environment())
                self.assertEqual(daemon.wait(), 3)
                daemon.wait_log("^<3>service echo: listen %s: Cannot allocate "
                                "memory$" % address)
                self.assertFalse(daemon.notified)
                self.assertFalse(os.path.lexists(self.path("echo.sock")))

    @unittest.skipIf(os.environ.get("LINED_POLLER") == "poll",
                     "poll(2) watches what it is given")
    def test_of_two_sockets_for_datagrams_none_is_left(self):
        udp = "udp://localhost:%d" % self.port
        try:
            with Datagram(("::1", self.port)):
                pass
        except OSError:
            self.skipTest("no IPv6")
        for letter, why in (("d", "Too many open files"),
                            ("D", "Cannot allocate memory")):
            unix = "unix://" + self.path("echo.sock")
            daemon = self.start_with_faults(service("echo", unix))
            self.write(service("echo", unix, udp))
            self.let_fail(letter)
            place = daemon.reload()
            daemon.wait_log("^<3>service echo: listen %s: %s$" % (udp, why),
                            place)
            self.let_fail("")
            # Neither address is open any more: the next reload opens both.
            place = daemon.reload()
            daemon.wait_log("service echo: listening on udp://", place)
            for host in ("127.0.0.1", "::1"):
                with Datagram((host, self.port)) as d:
                    d.send(b"one\n")
                    self.assertEqual(d.receive(), b"one\n")
            daemon.stop()

    def test_a_clock_that_is_set_back_changes_no_order(self):
        self.start_with_faults(
            "control { socket = \"%s\" }\n" % self.path("control")
            + service("lobby", self.tcp, protocol="chat"), workers=2)
        with contextlib.ExitStack() as stack:
            # There is one client on each worker.
            clients = []
            for n in (1, 2):
                clients.append(stack.enter_context(Client(self.address)))
                for client in clients:
                    while client.line() != b"* guest%d joined lobby\n" % n:
                        pass
            a, b = clients
            a.send(b"/topic one\n")
            for client in clients:
                while client.line() != (b"* guest1 set the topic of lobby: "
                                        b"one\n"):
                    pass
            self.let_fail("b")
            b.send(b"/topic two\n")
            for client in clients:
                self.assertEqual(client.line(), b"* guest2 set the topic of "
                                 b"lobby: two\n")
            for client in clients:
                client.send(b"/topic\n")
                self.assertEqual(client.line(),
                                 b"* topic of lobby: two\n")
            linectl = os.path.join(os.path.dirname(LINED), "linectl")
            out = subprocess.run(
                [linectl, "-s", self.path("control"), "--json", "status"],
                stdout=subprocess.PIPE, check=True)
            daemon = json.loads(out.stdout)["daemon"]
            self.assertLess(daemon["uptime_s"], 600)

    def lose(self, daemon, unix):
        """Returns true when the listener is lost, which may take a while."""
        if daemon.logged("lost: "):
            return True
        self.let_fail("a")
        try:
            with Client(unix):
                daemon.wait_log("accept on unix://")
                self.let_fail("m")
                daemon.wait_log("lost: ", timeout=0.3)
            return True
        except (AssertionError, FileNotFoundError, ConnectionRefusedError):
            return False


if __name__ == "__main__":
    main(120)
