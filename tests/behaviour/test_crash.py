#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""If a module crashes, in any of its functions, the signal ends the daemon, and
the log names the module. If a module calls exit(3), that does not look like a
stop. If a module leaks, the log names it when the daemon has much more memory
than before."""
import signal
import time

from lined_test import Client, DaemonTest
from lined_test import free_port, main, service

# Crashes when a client sends a line or, if a file of a certain name exists,
# earlier.
FAULTY = r"""
#define _DEFAULT_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <lined/protocol.h>

#define EARLY "%(early)s"

struct moment {
	struct lined_timer timer;
	struct lined_message message;
};

static int *volatile nowhere;
static volatile int zero;

static void poke(void)
{
	*nowhere = 1;
}

static void early(const char *moment)
{
	if (strcmp(EARLY, moment) == 0)
		%(how)s;
}

/* What a helper does that a module has forked. */
static void end_child(void)
{
	pid_t child = fork();

	if (child == 0)
		exit(0);
	waitpid(child, NULL, 0);
}

static void by_timer(struct lined_timer *timer)
{
	(void)timer;
	poke();
}

static void by_message(struct lined_message *message)
{
	(void)message;
	poke();
}

/* Deeper than any stack, and no compiler makes a loop of it. */
static int sink(volatile char *above)
{
	volatile char here[4096];

	here[0] = above[0];
	return zero == 0 ? sink(here) + here[0] : 0;
}

static void line(struct lined_socket *client, const struct lined_line *line)
{
	struct lined_service *service = lined_client_service(client);
	struct moment *moment = lined_service_data(service);
	volatile char top = 1;

	if (strcmp(line->text, "poke") == 0)
		poke();
	if (strcmp(line->text, "libc") == 0)
		lined_socket_printf(client, "%%zu", strlen((char *)nowhere));
	if (strcmp(line->text, "abort") == 0)
		abort();
	if (strcmp(line->text, "trap") == 0)
		__builtin_trap();
	if (strcmp(line->text, "raise") == 0)
		raise(SIGBUS);
	if (strcmp(line->text, "sink") == 0)
		zero = sink(&top);
	if (strcmp(line->text, "exit") == 0) {
		lined_service_log(service, LINED_LOG_NOTICE, "farewell");
		exit(0);
	}
	if (strcmp(line->text, "child") == 0)
		end_child();
	if (strcmp(line->text, "sleep") == 0)
		while (write(STDERR_FILENO, "asleep\n", 7) == 7)
			pause();
	if (strcmp(line->text, "timer") == 0) {
		lined_service_timer(service, &moment->timer, by_timer);
		lined_timer_start(&moment->timer, 1, 0);
	}
	if (strcmp(line->text, "message") == 0) {
		moment->message.handler = by_message;
		lined_dispatcher_defer(lined_service_dispatcher(service),
				       &moment->message);
	}
	lined_socket_send_line(client, line);
}

static void gone(struct lined_socket *client, enum lined_close_reason reason,
		 int error)
{
	(void)client;
	(void)reason;
	(void)error;
	early("close");
}

static void late(struct lined_socket *client)
{
	(void)client;
	early("timeout");
}

static int start(struct lined_service *service)
{
	early("start");
	lined_service_set_data(service, calloc(1, sizeof(struct moment)));
	return 0;
}

static void stop(struct lined_service *service)
{
	free(lined_service_data(service));
	early("stop");
}

static int check(const void *options, char *error, size_t size)
{
	(void)options;
	(void)error;
	(void)size;
	early("check");
	return 0;
}

__attribute__((constructor)) static void load(void)
{
	early("load");
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "faulty",
	.summary = "crashes as it is told",
	.handle_line = line,
	.handle_close = gone,
	.handle_timeout = late,
	.start = start,
	.stop = stop,
	.check = check,
};
"""


class Crash(DaemonTest):
    def setUp(self):
        super().setUp()
        self.address = ("127.0.0.1", free_port())
        self.good = ("127.0.0.1", free_port())
        self.text = (service("fine", "tcp://127.0.0.1:%d" % self.good[1])
                     + service("trouble", "tcp://127.0.0.1:%d"
                               % self.address[1], protocol="faulty"))

    def build(self, early="", how="poke()"):
        self.build_module("faulty", FAULTY % {"early": early, "how": how})

    def serve(self, workers, env=None):
        self.write(self.text, workers=workers)
        daemon = self.launch(self.arguments(), env=env)
        daemon.wait_notify("READY=1")
        return daemon

    def expect(self, daemon, number, words):
        """Checks that the daemon ends by this signal and logs it. A sanitizer
        may add its own report."""
        code = daemon.wait()
        daemon.wait_log(r"^<3>(worker \d+|main thread): %s$" % words)
        if not any("Sanitizer" in line for line in daemon.log):
            self.assertEqual(code, -number, daemon.log_text())
        else:
            self.assertNotEqual(code, 0)

    def test_whatever_of_it_runs_it_is_named(self):
        self.build()
        line = "in protocol faulty, service trouble"
        for workers in (1, 3):
            for how, number, words in (
                    ("poke", signal.SIGSEGV, "SIGSEGV " + line),
                    ("libc", signal.SIGSEGV, "SIGSEGV " + line),
                    ("abort", signal.SIGABRT, "SIGABRT " + line),
                    ("raise", signal.SIGBUS, "SIGBUS " + line),
                    ("sink", signal.SIGSEGV, "SIGSEGV " + line),
                    ("timer", signal.SIGSEGV, "SIGSEGV in protocol faulty"),
                    ("message", signal.SIGSEGV,
                     "SIGSEGV in protocol faulty")):
                with self.subTest(how, workers=workers):
                    daemon = self.serve(workers)
                    with Client(self.address) as c:
                        c.send(how.encode() + b"\n")
                        self.expect(daemon, number, words)

    def test_a_trap_is_named_too(self):
        self.build()
        daemon = self.serve(2)
        with Client(self.address) as c:
            c.send(b"trap\n")
            daemon.wait()
        daemon.wait_log(r"^<3>worker \d: SIG(ILL|TRAP) in protocol faulty, "
                        "service trouble$")

    def test_when_its_client_goes(self):
        self.build("close")
        for workers in (1, 2):
            daemon = self.serve(workers)
            with Client(self.address) as c:
                self.assertTrue(c.echoes())
            self.expect(daemon, signal.SIGSEGV,
                        "SIGSEGV in protocol faulty, service trouble")

    def test_when_its_client_misses_a_deadline(self):
        self.build("timeout")
        self.text = service("trouble", "tcp://127.0.0.1:%d" % self.address[1],
                            protocol="faulty",
                            extra='limits { idle-timeout = "50ms" }')
        for workers in (1, 2):
            daemon = self.serve(workers)
            with Client(self.address):
                self.expect(daemon, signal.SIGSEGV,
                            "SIGSEGV in protocol faulty, service trouble")

    def expect_refusal(self, words):
        self.assertRegex(self.start_fails(self.text, 1),
                         r"<3>\S+lined.conf: the process that reads it has "
                         r"crashed: %s(\n|\Z)" % words)

    def test_before_it_serves(self):
        self.build("start")
        for workers in (1, 2):
            with self.subTest(workers=workers):
                self.write(self.text, workers=workers)
                daemon = self.launch(self.arguments())
                self.expect(daemon, signal.SIGSEGV, "SIGSEGV in protocol "
                            "faulty, service trouble")
        # A child process reads the config and loads the modules.
        for early, words in (
                ("check", "in protocol faulty, checking its options"),
                ("load", r"in \S+/faulty\.so")):
            with self.subTest(early):
                self.build(early)
                self.expect_refusal("SIGSEGV " + words)
        # lined -t reports the crash, too.
        code, out = self.check()
        self.assertNotEqual(code, 0)
        self.assertRegex(out, r"crashed: SIGSEGV in \S+/faulty\.so")

    def test_an_exit_is_no_stop(self):
        self.build()
        for workers in (1, 3):
            with self.subTest(workers=workers):
                daemon = self.serve(workers)
                with Client(self.address) as c:
                    c.send(b"exit\n")
                    self.expect(daemon, signal.SIGABRT,
                                r"exit\(\) called in protocol faulty, "
                                "service trouble")
                # Earlier messages are not lost.
                self.assertTrue(daemon.logged("service trouble: farewell$"))
        self.build("start", "exit(0)")
        self.write(self.text, workers=2)
        daemon = self.launch(self.arguments())
        self.expect(daemon, signal.SIGABRT, r"exit\(\) called in protocol "
                    "faulty, service trouble")
        for early, words in (
                ("check", "in protocol faulty, checking its options"),
                ("load", r"in \S+/faulty\.so")):
            with self.subTest(early):
                self.build(early, "exit(0)")
                self.expect_refusal(r"exit\(\) called " + words)
        # The config has an error, too.
        code, out = self.check()
        self.assertNotEqual(code, 0)
        self.assertRegex(out, r"crashed: exit\(\) called in "
                              r"\S+/faulty\.so")

    def test_an_exit_while_it_stops_is_told_too(self):
        self.build("stop", "exit(0)")
        for workers in (1, 3):
            with self.subTest(workers=workers):
                daemon = self.serve(workers)
                daemon.signal(signal.SIGTERM)
                self.expect(daemon, signal.SIGABRT,
                            r"exit\(\) called in protocol faulty, "
                            "service trouble")

    def test_a_child_of_a_module_may_exit(self):
        self.build()
        # In a child, a sanitizer would report the memory of other threads as
        # lost.
        daemon = self.serve(2, {"ASAN_OPTIONS": "detect_leaks=0"})
        with Client(self.address) as c:
            c.send(b"child\n")
            self.assertEqual(c.line(), b"child\n")
        daemon.stop()
        self.assertFalse(daemon.logged(r"exit\(\) called"))

    def test_a_fault_of_nobodys_names_nobody(self):
        self.build()
        daemon = self.serve(1)
        daemon.signal(signal.SIGSEGV)
        self.expect(daemon, signal.SIGSEGV, "SIGSEGV")

    def test_a_watchdog_that_bites_finds_who_it_was(self):
        # As systemd does: sends SIGABRT if the watchdog was not fed for some
        # time.
        self.build()
        for workers in (1, 3):
            with self.subTest(workers=workers):
                daemon = self.serve(workers)
                with Client(self.address) as c:
                    c.send(b"sleep\n")
                    daemon.wait_log("^asleep$")
                    daemon.signal(signal.SIGABRT)
                    daemon.wait()
                daemon.wait_log(r"^<3>worker \d: (SIGABRT|busy) in protocol "
                                "faulty, service trouble$")


# Never frees its memory.
LEAKY = r"""
#include <stdlib.h>
#include <string.h>
#include <lined/protocol.h>

enum { PIECE = 1 << 20 };

static void **chain;

static void line(struct lined_socket *client, const struct lined_line *line)
{
	void **piece = malloc(PIECE);

	memset(piece, 1, PIECE);
	*piece = chain;
	chain = piece;
	lined_socket_send_line(client, line);
}

__attribute__((destructor)) static void unload(void)
{
	void **next;

	for (; chain != NULL; chain = next) {
		next = *chain;
		free(chain);
	}
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "leaky",
	.summary = "forgets to free",
	.handle_line = line,
};
"""


class Growth(DaemonTest):
    def test_memory_that_grows_is_told_with_who_was_busy(self):
        self.build_module("leaky", LEAKY)
        ports = [free_port() for _ in range(3)]
        daemon = self.start("".join(
            service(name, "tcp://127.0.0.1:%d" % port, protocol=protocol)
            for name, port, protocol in zip(
                ("fine", "trouble", "idle"), ports,
                ("echo", "leaky", "echo"))))
        # A daemon with a sanitizer begins with more memory: leak more than
        # twice as much.
        lines = 80 + daemon.rss_kib() // 1024
        with Client(("127.0.0.1", ports[0])) as good, \
                Client(("127.0.0.1", ports[1])) as bad:
            self.assertTrue(good.echoes())
            for _ in range(lines):
                self.assertTrue(bad.echoes())
            daemon.wait_log(
                r"^<5>memory: \d+ MiB, \d+ MiB more than \d+ s ago; since "
                r"then: protocol leaky, service trouble: \d+ lines, 1 clients "
                r"now; protocol echo, service fine: 1 lines, 1 clients now$",
                timeout=60)


class Watchdog(DaemonTest):
    def test_it_is_not_fed_while_a_worker_stands_still(self):
        self.build_module("faulty", FAULTY % {"early": "", "how": "poke()"})
        address = ("127.0.0.1", free_port())
        text = service("trouble", "tcp://127.0.0.1:%d" % address[1],
                       protocol="faulty")
        self.write(text, workers=2)
        daemon = self.launch(self.arguments(),
                             env={"WATCHDOG_USEC": "1000000"})
        daemon.wait_notify("WATCHDOG=1")
        with Client(address) as c:
            c.send(b"sleep\n")
            daemon.wait_log("stuck for .* in protocol faulty, service trouble")
            with daemon.news:
                daemon.notified.clear()
            # The watchdog is not fed for longer than its timeout: systemd would
            # kill lined now.
            end = time.monotonic() + 2.5
            while time.monotonic() < end:
                with daemon.news:
                    self.assertNotIn("WATCHDOG=1", daemon.notified)
                time.sleep(0.05)


if __name__ == "__main__":
    main(300)
