#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A child process with limits reads the config. A config that takes all memory,
never ends, or crashes the child is refused, and the daemon serves its clients
meanwhile."""
import os
import signal
import socket
import time

from lined_test import Client, DaemonTest, free_port, main, service

BOMB = "relay { filter = { 'deny x{1,32767}y{1,32767}' } }"

CHECK = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <lined/protocol.h>

static int %s_check(const void *options, char *error, size_t size)
{
	(void)options, (void)error, (void)size;
	%s;
	return 0;
}

static void %s_line(struct lined_socket *client, const struct lined_line *line)
{
	(void)client, (void)line;
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "%s",
	.summary = "does not get through its check",
	.handle_line = %s_line,
	.check = %s_check,
};
"""


class ConfigChild(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.socket = self.path("control.sock")
        self.good = (
            'control { socket = "%s" }\n' % self.socket
            + service("echo", "tcp://127.0.0.1:%d" % self.port))
        self.other = "unix://" + self.path("other.sock")

    def bomb(self):
        return self.good + service("feed", self.other, protocol="relay",
                                   extra=BOMB)

    def with_own_modules(self):
        self.own_modules()
        self.copy_module("control")

    def module(self, name, statement):
        """Makes a module whose check executes this statement. Returns a config
        with a service of it."""
        self.build_module(name, CHECK % (name, statement, name, name,
                                        name, name))
        return self.good + service("bad", self.other, protocol=name)

    def echoes(self):
        with Client(("127.0.0.1", self.port)) as c:
            return c.echoes()

    def ask(self, request):
        with Client(self.socket) as c:
            c.send(request.encode())
            c.half_close()
            return c.rest().decode()

    def plan(self, text):
        return self.ask("plan %d %s\n%s" % (len(text), self.config, text))

    def refused(self, daemon, text):
        """Checks that a reload with this config is refused. Returns the errors
        in the log."""
        self.write(text)
        place = daemon.reload()
        daemon.wait_log("<3>reload: refused, nothing was changed", place)
        self.assertTrue(self.echoes())
        return "\n".join(daemon.logged("<3>", place))

    def children(self, daemon):
        """The daemon's children without the helper, which stays."""
        with open("/proc/%d/task/%d/children"
                  % (daemon.pid, daemon.pid)) as f:
            return [pid for pid in f.read().split()
                    if "lined-helper" not in self.command(pid)]

    def command(self, pid):
        try:
            with open("/proc/%s/cmdline" % pid) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_child(self, daemon, module):
        """Waits until a child has loaded this module."""
        self.eventually(lambda: self.children(daemon), "a child")
        child = self.children(daemon)[0]

        def maps():
            with open("/proc/%s/maps" % child) as f:
                return f.read()
        self.eventually(lambda: module in maps(), "its module")
        return child

    def test_a_pattern_that_takes_all_memory(self):
        daemon = self.start(self.good)
        if daemon.is_sanitized():
            self.skipTest("a sanitizer's address space cannot be bounded")
        code, err = self.check(self.bomb())
        self.assertEqual(code, 1)
        wanted = 'filter: "deny x{1,32767}y{1,32767}": Memory exhausted'
        self.assertIn(wanted, err)
        before = daemon.own_kib()
        self.assertIn(wanted, self.refused(daemon, self.bomb()))
        self.assertIn("Memory exhausted", self.plan(self.bomb()))
        self.assertLess(daemon.own_kib(), before + 4096)
        self.assertIn(wanted, self.start_fails(self.bomb(), 1))

    def test_a_crash_is_a_refusal(self):
        self.with_own_modules()
        daemon = self.start(self.good)
        crash = self.module("crasher",
                            'fputs("says this\\n", stderr); abort()')
        said = self.refused(daemon, crash)
        self.assertIn("lined.conf: the process that reads it has crashed: "
                      "SIGABRT in protocol crasher, checking its options",
                      said)
        self.assertTrue(daemon.logged("^says this$"))
        leave = self.module("leaver", "_exit(0)")
        self.assertIn("has ended early", self.refused(daemon, leave))
        self.assertIn("has crashed", self.plan(crash))
        self.assertEqual(self.children(daemon), [])

    def test_it_serves_while_it_reads(self):
        self.with_own_modules()
        daemon = self.start(self.good, workers=1)
        text = self.module("sleeper", "for (;;) pause()")
        self.write(text)
        place = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reload: reading", place)
        with Client(self.socket) as waiting, Client(self.socket) as asking:
            waiting.send(b"reload\n")
            asking.send(b"plan %d x\n%s" % (len(text), text.encode()))
            for _ in range(3):
                self.assertTrue(self.echoes())
                self.assertIn('"kind":"ok"', self.ask("status\n"))
            self.assertEqual(len(self.children(daemon)), 2)
            pids = self.children(daemon)
            # Two more requests during a reload cause one more reload.
            daemon.signal(signal.SIGHUP)
            with self.takes(0, 5):
                daemon.stop()
            self.assertIn(b"refused", waiting.rest())
            self.assertIn(b"lined is stopping", asking.rest())
        daemon.wait_log("<3>reload: refused, nothing was changed", place)
        for pid in pids:
            self.assertFalse(os.path.exists("/proc/" + pid))

    def test_what_is_asked_for_while_it_reads_is_read_again(self):
        self.with_own_modules()
        daemon = self.start(self.good)
        self.write(self.module("slow", "sleep(1)"))
        place = daemon.mark()
        daemon.signal(signal.SIGHUP)
        self.wait_child(daemon, "slow.so")
        self.write(self.good)
        for _ in range(5):
            daemon.signal(signal.SIGHUP)
            time.sleep(0.01)
        self.assertIn('"kind":"ok"', self.ask("reload\n"))
        daemon.wait_log("service bad: removed", place)
        daemon.wait_logs("reload: done", 2, place)
        self.assertEqual(len(daemon.logged("reload: done", place)), 2)

    def test_a_plan_loads_no_module(self):
        daemon = self.start(self.good)
        text = self.good + service("cache", self.other, protocol="kv")
        said = self.plan(text)
        self.assertIn('"text":"begins, with protocol kv"', said)
        with open("/proc/%d/maps" % daemon.pid) as f:
            self.assertNotIn("kv.so", f.read())
        self.assertIn("kv: memory", self.plan(
            self.good + service("cache", self.other, protocol="kv",
                                extra="kv { memory = x }")))

    def test_includes_have_a_bound(self):
        os.mkdir(self.path("d"))
        for number in range(1100):
            with open(self.path("d/%04d.conf" % number), "w"):
                pass
        code, err = self.check(self.good + 'include("d/*.conf")\n')
        self.assertEqual(code, 1)
        self.assertIn('lined.conf:', err)
        self.assertIn("more than 1024 files are included", err)

    def test_messages_have_a_bound(self):
        code, err = self.check(self.good + "wrong = 1\n" * 5000)
        self.assertEqual(code, 1)
        self.assertIn("and more", err)
        self.assertLess(err.count("\n"), 1100)

    def test_it_inherits_nothing_but_what_it_needs(self):
        self.with_own_modules()
        daemon = self.start(self.good)
        self.write(self.module("holder", "for (;;) pause()"))
        with socket.create_connection(("127.0.0.1", self.port)):
            daemon.signal(signal.SIGHUP)
            child = self.wait_child(daemon, "holder.so")
            fds = sorted(int(fd) for fd in os.listdir("/proc/%s/fd" % child))
            self.assertEqual(fds[:3], [0, 1, 2])
            self.assertFalse([fd for fd in fds if os.readlink(
                "/proc/%s/fd/%d" % (child, fd)).startswith("socket:")
                and fd > 2])
        daemon.stop()


if __name__ == "__main__":
    main()
