#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""SIGHUP: the effects of a new config, and what it leaves unchanged.
test_config_errors.py tests bad configs."""
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from lined_test import LINED, MODULES, Client, DaemonTest, Datagram
from lined_test import free_port, main, service

# Answers each line in capitals: another protocol, for reloads that change the
# protocol.
SHOUT = r"""
#include <ctype.h>
#include <string.h>
#include <lined/protocol.h>

static void shout_line(struct lined_socket *client,
		       const struct lined_line *line)
{
	char text[8192];

	for (size_t i = 0; i < line->len; i++)
		text[i] = (char)toupper((unsigned char)line->text[i]);
	text[line->len] = '\n';
	lined_socket_send(client, text, line->len + 1);
}

static void goodbye(struct lined_socket *client, void *arg)
{
	(void)arg;
	lined_socket_send(client, "GOODBYE\n", 8);
}

static void shout_drain(struct lined_service *service)
{
	lined_service_each_client(service, goodbye, NULL);
}

static void shout_reload(struct lined_service *service)
{
	lined_service_log(service, LINED_LOG_NOTICE, "shout has reloaded");
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "shout",
	.summary = "answers in capitals",
	.handle_line = shout_line,
	.drain = shout_drain,
	.reload = shout_reload,
};
"""


STONE = r"""
#include <lined/protocol.h>

static int stone_start(struct lined_service *service)
{
	(void)service;
	return -1;
}

static void stone_line(struct lined_socket *client,
		       const struct lined_line *line)
{
	(void)client;
	(void)line;
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "stone",
	.summary = "does not start",
	.start = stone_start,
	.handle_line = stone_line,
};
"""


# A module that loads slowly.
SLOW = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>
#include <lined/protocol.h>

__attribute__((constructor)) static void load(void)
{
	close(open("%(begun)s", O_CREAT | O_WRONLY, 0600));
	while (access("%(go)s", F_OK) < 0)
		usleep(10000);
}

static void slow_line(struct lined_socket *client,
		      const struct lined_line *line)
{
	lined_socket_send_line(client, line);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "slow",
	.summary = "takes its time to be loaded",
	.handle_line = slow_line,
};
"""


def inode_of(port):
    """Returns the inode of the only socket that listens on 127.0.0.1 at this
    port."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    found = [r[9] for r in rows
             if r[1] == "0100007F:%04X" % port and r[3] == "0A"]
    assert len(found) == 1, found
    return found[0]


class Reload(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.tcp = "tcp://127.0.0.1:%d" % self.port

    def test_a_reload_asked_for_before_it_serves_comes_after(self):
        begun, go = self.path("begun"), self.path("go")
        self.build_module("slow", SLOW % {"begun": begun, "go": go})
        self.write(service("slow", self.tcp, protocol="slow"))
        daemon = self.launch(self.arguments())
        self.eventually(lambda: os.path.exists(begun), "its load")
        daemon.signal(signal.SIGHUP)
        daemon.signal(signal.SIGUSR1)
        open(go, "w").close()
        daemon.wait_notify("READY=1")
        daemon.wait_notify("RELOADING=1")
        daemon.wait_notify("READY=1")
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.stop()

    def test_an_unchanged_service_keeps_sockets_and_clients(self):
        unix = self.path("echo.sock")
        text = service("echo", self.tcp, "unix://" + unix,
                       "udp://127.0.0.1:%d" % self.port)
        daemon = self.start(text)
        inode, file = inode_of(self.port), os.stat(unix).st_ino
        with Client(self.address) as tcp, Client(unix) as local, \
                Datagram(self.address) as udp:
            tcp.send(b"half a li")
            for _ in range(3):
                daemon.reload()
                self.assertEqual(inode_of(self.port), inode)
                self.assertEqual(os.stat(unix).st_ino, file)
                self.assertTrue(local.echoes())
                udp.send(b"datagram\n")
                self.assertEqual(udp.receive(), b"datagram\n")
            tcp.send(b"ne\n")
            self.assertEqual(tcp.line(), b"half a line\n")

    def test_no_connection_is_lost_over_reloads(self):
        daemon = self.start(service(
            "echo", self.tcp,
            extra="limits { connect-rate-per-address = 0 }"))
        failed, done = [], threading.Event()

        def connect():
            while not done.is_set():
                try:
                    with Client(self.address) as c:
                        if not c.echoes():
                            failed.append("closed")
                except OSError as error:
                    failed.append(str(error))
        thread = threading.Thread(target=connect)
        thread.start()
        try:
            for i in range(10):
                self.write(service(
                    "echo", self.tcp, extra="limits { clients = %d "
                    "connect-rate-per-address = 0 }" % (100 + i)))
                daemon.reload()
        finally:
            done.set()
            thread.join()
        self.assertEqual(failed, [])

    def test_a_service_is_added_and_removed(self):
        other = free_port()
        one = service("one", self.tcp)
        two = service("two", "tcp://127.0.0.1:%d" % other)
        daemon = self.start(one)
        with Client(self.address) as held:
            self.assertTrue(held.echoes())
            self.write(one + two)
            daemon.reload()
            with Client(("127.0.0.1", other)) as c:
                self.assertTrue(c.echoes())
                self.write(one)
                daemon.reload()
                # The service drains: an idle client is closed, no new client
                # is accepted.
                self.assertEqual(c.rest(), b"")
            with self.assertRaises(ConnectionRefusedError):
                Client(("127.0.0.1", other))
            self.assertTrue(held.echoes())
            self.write(one + two)
            daemon.reload()
            with Client(("127.0.0.1", other)) as c:
                self.assertTrue(c.echoes())

    def test_a_reload_right_after_opens_what_the_last_one_closed(self):
        begun, go = self.path("begun"), self.path("go")
        self.build_module("slow", SLOW % {"begun": begun, "go": go})
        slow = service("slow", "unix://" + self.path("slow.sock"),
                       protocol="slow")
        comes = service("comes", self.tcp, "udp://127.0.0.1:%d" % self.port)
        daemon = self.start(comes)
        self.write(slow)
        daemon.signal(signal.SIGHUP)
        self.eventually(lambda: os.path.exists(begun), "its load")
        # The first reload has read the file, but is not done when the next one
        # is requested.
        daemon.signal(signal.SIGHUP)
        self.write(slow + comes)
        open(go, "w").close()
        for _ in range(2):
            daemon.wait_notify("RELOADING=1")
            daemon.wait_notify("READY=1")
        with Client(self.address) as c, Datagram(self.address) as udp:
            self.assertTrue(c.echoes())
            udp.send(b"datagram\n")
            self.assertEqual(udp.receive(), b"datagram\n")
        self.assertFalse(daemon.logged("refused"))

    def test_a_removed_service_answers_what_is_pending(self):
        other = free_port()
        keep = service("keep", "tcp://127.0.0.1:%d" % other)
        daemon = self.start(service("gone", self.tcp) + keep)
        said = b"".join(b"%d\n" % i for i in range(2000))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            self.write(keep)
            daemon.signal(signal.SIGSTOP)
            c.send(said)
            daemon.signal(signal.SIGHUP)
            daemon.signal(signal.SIGCONT)
            self.assertEqual(c.ended(), said)

    def test_an_address_is_added_and_removed(self):
        unix = self.path("echo.sock")
        both = service("echo", self.tcp, "unix://" + unix)
        daemon = self.start(service("echo", self.tcp))
        with Client(self.address) as held:
            self.assertTrue(held.echoes())
            inode = inode_of(self.port)
            self.write(both)
            daemon.reload()
            with Client(unix) as c:
                self.assertTrue(c.echoes())
            self.assertEqual(inode_of(self.port), inode)
            self.write(service("echo", self.tcp))
            place = daemon.reload()
            self.assertFalse(os.path.lexists(unix))
            daemon.wait_log("service echo: stopped listening on unix://%s$"
                            % unix, place)
            self.assertTrue(held.echoes())

    def test_an_address_moves_from_one_service_to_another(self):
        other = free_port()
        daemon = self.start(
            service("one", self.tcp) +
            service("two", "tcp://127.0.0.1:%d" % other))
        self.write(service("one", "tcp://127.0.0.1:%d" % other) +
                   service("two", self.tcp))
        daemon.reload()
        for port in (self.port, other):
            with Client(("127.0.0.1", port)) as c:
                self.assertTrue(c.echoes())

    def is_shared(self, kind=socket.SOCK_STREAM):
        """Whether another socket can bind the port."""
        with socket.socket(socket.AF_INET, kind) as s:
            if kind == socket.SOCK_STREAM:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(self.address)
            except OSError as e:
                self.assertEqual(e.errno, errno.EADDRINUSE)
                return False
            return True

    def test_an_address_becomes_narrower_and_wider(self):
        """The new address is opened before the overlapping old one is
        closed."""
        at = [scheme + "://%s:" + str(self.port) for scheme in ("tcp", "udp")]

        def text(host):
            return service("echo", *[a % host for a in at])

        daemon = self.start(text("*"))
        was = Client(self.address)
        self.addCleanup(was.close)
        self.assertTrue(was.echoes())
        for host in ("127.0.0.1", "localhost", "*", "localhost", "127.0.0.1",
                     "*"):
            self.write(text(host))
            place = daemon.reload()
            self.assertTrue(daemon.logged("reload: done", place), host)
            self.assertTrue(was.echoes())
            with Client(self.address) as c, Datagram(self.address) as d:
                self.assertTrue(c.echoes(), host)
                d.send(b"ping\n")
                self.assertEqual(d.receive(), b"ping\n", host)
            with self.subTest(host):
                if host == "*":
                    with Client(("127.0.0.2", self.port)) as c:
                        self.assertTrue(c.echoes())
                else:
                    with self.assertRaises(ConnectionRefusedError):
                        Client(("127.0.0.2", self.port))
            self.assertFalse(self.is_shared(), host)
            self.assertFalse(self.is_shared(socket.SOCK_DGRAM), host)

    def test_a_refused_reload_leaves_the_wider_address_alone(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = "tcp://127.0.0.1:%d" % other.getsockname()[1]
            daemon = self.start(service("echo", "tcp://*:%d" % self.port))
            self.write(service("echo", self.tcp) + service("taken", taken))
            place = daemon.reload()
            self.assertEqual(len(daemon.logged(
                "listen .*: Address already in use", place)), 1)
            for host in ("127.0.0.1", "127.0.0.2"):
                with Client((host, self.port)) as c:
                    self.assertTrue(c.echoes())
            self.assertFalse(self.is_shared())

    def test_who_came_before_the_address_went_is_served(self):
        """More clients have connected than are accepted in one turn."""
        unix = "unix://" + self.path("echo.sock")
        limits = ("limits { clients-per-address = 0 "
                  "connect-rate-per-address = 0 }")
        daemon = self.start(service("echo", self.tcp, unix, extra=limits))
        os.kill(daemon.pid, signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(self.address))
                       for _ in range(300)]
            self.write(service("echo", unix, extra=limits))
            daemon.signal(signal.SIGHUP)
            daemon.signal(signal.SIGCONT)
            for c in clients:
                self.assertTrue(c.echoes())
        daemon.wait_log("reload: done")

    def test_changed_limits_apply_to_clients_already_there(self):
        daemon = self.start(service("echo", self.tcp))
        with Client(self.address) as idle, Client(self.address) as dripping:
            self.assertTrue(idle.echoes())
            dripping.send(b"half a line")
            self.assertTrue(dripping.is_silent(0.3))
            self.write(service("echo", self.tcp,
                               extra="limits { idle-timeout = 1s }"))
            daemon.reload()
            with self.takes(0, 5):
                self.assertEqual(idle.ended(), b"")
                self.assertEqual(dripping.ended(), b"")

    def test_a_limit_that_is_lifted_no_longer_closes(self):
        daemon = self.start(service("echo", self.tcp,
                                    extra="limits { idle-timeout = 2s }"))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            self.write(service("echo", self.tcp,
                               extra="limits { idle-timeout = 0 }"))
            daemon.reload()
            self.assertTrue(c.is_silent(3))
            self.assertTrue(c.echoes())

    def test_fewer_clients_close_nobody_but_let_nobody_in(self):
        daemon = self.start(service("echo", self.tcp))
        clients = [Client(self.address) for _ in range(4)]
        for c in clients:
            self.assertTrue(c.echoes())
        self.write(service("echo", self.tcp, extra="limits { clients = 2 }"))
        daemon.reload()
        for c in clients:
            self.assertTrue(c.echoes())
        with Client(self.address) as c:
            self.assertFalse(c.echoes())
        for c in clients[:3]:
            c.close()
        daemon.wait_log("closed", timeout=5)
        self.eventually(lambda: self.lets_in(), "room for one")
        clients[3].close()

    def lets_in(self):
        with Client(self.address) as c:
            return c.echoes()

    def test_changed_defaults_apply_too(self):
        daemon = self.start(service("echo", self.tcp))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            self.write("defaults { limits { idle-timeout = 1s } }\n" +
                       service("echo", self.tcp))
            daemon.reload()
            with self.takes(0, 5):
                self.assertEqual(c.ended(), b"")

    def test_framing_applies_to_new_clients_only(self):
        daemon = self.start(service("echo", self.tcp))
        with Client(self.address) as old:
            self.assertTrue(old.echoes())
            self.write(service(
                "echo", self.tcp,
                extra="framing { line-length = 5 too-long = skip }"))
            daemon.reload()
            self.assertTrue(old.echoes(b"longer than five\n"))
            with Client(self.address) as new:
                new.send(b"longer than five\nfive5\n")
                self.assertEqual(new.line(), b"five5\n")
                self.assertTrue(old.echoes(b"longer than five\n"))

    def test_framing_applies_to_the_next_datagram(self):
        udp = "udp://127.0.0.1:%d" % self.port
        daemon = self.start(service("echo", udp))
        with Datagram(self.address) as client:
            client.send(b"longer than five\n")
            self.assertEqual(client.receive(), b"longer than five\n")
            self.write(service(
                "echo", udp,
                extra="framing { line-length = 5 too-long = truncate }"))
            daemon.reload()
            client.send(b"longer than five\n")
            self.assertEqual(client.receive(), b"longe\n")

    def test_access_applies_to_new_clients(self):
        daemon = self.start(service("echo", self.tcp))
        self.write(service("echo", self.tcp,
                           extra='access { deny = { "127.0.0.1" } }'))
        daemon.reload()
        with Client(self.address) as c:
            self.assertFalse(c.echoes())
        with Client(self.address, source="127.0.0.2") as c:
            self.assertTrue(c.echoes())

    def test_a_changed_protocol_gets_the_descriptor(self):
        self.build_module("shout", SHOUT)
        daemon = self.start(service("it", self.tcp))
        inode = inode_of(self.port)
        with Client(self.address) as old:
            self.assertTrue(old.echoes())
            self.write(service("it", self.tcp, protocol="shout"))
            daemon.reload()
            # The service is removed and added again: the old clients are
            # drained.
            self.assertEqual(old.ended(), b"")
        self.assertEqual(inode_of(self.port), inode)
        with Client(self.address) as new:
            new.send(b"hello\n")
            self.assertEqual(new.line(), b"HELLO\n")

    def test_a_protocol_hears_of_reload_and_drain(self):
        self.build_module("shout", SHOUT)
        keep = service("keep", "tcp://127.0.0.1:%d" % free_port())
        daemon = self.start(keep + service("it", self.tcp, protocol="shout"))
        with Client(self.address) as c:
            c.send(b"hello\n")
            self.assertEqual(c.line(), b"HELLO\n")
            place = daemon.reload()
            daemon.wait_log("service it: shout has reloaded", place)
            self.write(keep)
            daemon.reload()
            self.assertEqual(c.ended(), b"GOODBYE\n")

    def test_a_service_that_cannot_start_changes_nothing(self):
        self.build_module("stone", STONE)
        other = free_port()
        daemon = self.start(service("echo", self.tcp))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            self.write(service("echo", self.tcp) +
                       service("fine", "tcp://127.0.0.1:%d" % other) +
                       service("heavy", "tcp://127.0.0.1:%d" % free_port(),
                               protocol="stone"))
            place = daemon.reload()
            daemon.wait_log("^<3>service heavy: protocol stone could not "
                            "start", place)
            daemon.wait_log("^<3>reload: refused", place)
            self.assertTrue(c.echoes())
            with self.assertRaises(ConnectionRefusedError):
                Client(("127.0.0.1", other))
        daemon.stop()
        # `stop` is not called for instances that never served.
        self.assertEqual(daemon.logged("service (fine|heavy): (stopped|0)",
                                       place), [])
        self.assertEqual(len(daemon.logged("service echo: stopped")), 1)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become a user")
    def test_module_of_the_user_is_refused_at_start_and_reload(self):
        modules = self.own_modules()
        os.chmod(modules, 0o755)
        copy = os.path.join(modules, "time.so")
        shutil.copy(os.path.join(MODULES, "time.so"), copy)
        os.chown(copy, 1, 1)
        good = 'user = "daemon"\n' + service("echo", self.tcp)
        bad = good + service("time", "unix://" + self.path("time"),
                             protocol="time")
        self.write(bad)
        wrong = "does not belong to root, and root started lined"
        arguments = [LINED, "-c", self.config, "-L", "stderr", "-m", modules]
        for more in (["-t"], []):
            done = subprocess.run(arguments + more, stderr=subprocess.PIPE,
                                  timeout=20, text=True)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(wrong, done.stderr)
        self.write(good)
        os.chmod(os.path.dirname(self.config), 0o755)
        daemon = self.launch(arguments)
        daemon.wait_log("lined .*: 1 service")
        self.write(bad)
        os.chmod(self.config, 0o644)
        place = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("^<3>.*" + wrong, place)
        daemon.wait_log("^<3>reload: refused", place)

    def test_path_that_was_removed_or_replaced_is_opened_again(self):
        os.mkdir(self.path("run"))
        path, control = self.path("run/echo"), self.path("run/control")
        text = ('control { socket = "%s" }\n' % control +
                service("echo", "unix://" + path, self.tcp))
        daemon = self.start(text)
        held = Client(path)
        self.addCleanup(held.close)

        def gone():
            os.unlink(path)
            os.unlink(control)

        def swapped():
            os.rename(self.path("run"), self.path("old"))
            os.mkdir(self.path("run"))

        for harm in (gone, swapped):
            with self.subTest(harm.__name__):
                harm()
                with self.assertRaises(OSError):
                    Client(path)
                place = daemon.reload()
                daemon.wait_log("^<5>service echo: listening on unix://%s "
                                "again: its path was removed or replaced$"
                                % path, place)
                with Client(path) as c, Client(control) as linectl:
                    self.assertTrue(c.echoes())
                    linectl.send(b"status\n")
                    self.assertIn(b"daemon", linectl.line())
                # Connected clients stay.
                self.assertTrue(held.echoes())
        # A socket that cannot be made refuses the reload, with the reason.
        os.unlink(path)
        with open(path, "w"):
            pass
        place = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("^<3>service echo: listen unix://%s: File exists"
                        % path, place)
        daemon.wait_log("^<3>reload: refused", place)
        os.unlink(path)
        daemon.reload()
        with Client(path) as c:
            self.assertTrue(c.echoes())
        # A reload without changes opens nothing.
        place = daemon.reload()
        self.assertEqual(daemon.logged("listening on", place), [])

    def test_what_needs_a_restart_is_warned_of(self):
        # Without -m, which would take precedence over module-dir.
        elsewhere = self.own_modules()
        keys = {"workers": "1", "module-dir": '"%s"' % MODULES}

        def text():
            return ("".join("%s = %s\n" % item for item in keys.items()) +
                    service("echo", self.tcp))
        self.write(text())
        daemon = self.launch([LINED, "-c", self.config, "-L", "stderr"])
        daemon.wait_notify("READY=1")
        self.addCleanup(daemon.stop)
        with Client(self.address) as c:
            for key, value in (("workers", "2"), ("user", '"daemon"'),
                               ("module-dir", '"%s"' % elsewhere)):
                with self.subTest(key):
                    before = keys.get(key)
                    keys[key] = value
                    # The warning is repeated as long as the value differs from
                    # that at the start.
                    for _ in range(2):
                        self.write(text())
                        place = daemon.reload()
                        daemon.wait_log("^<4>.*%s.*restart" % key, place)
                        self.assertTrue(c.echoes())
                    keys[key] = before
                    if before is None:
                        del keys[key]
                    self.write(text())
                    place = daemon.reload()
                    self.assertTrue(c.echoes())
                    self.assertEqual(daemon.logged("restart", place), [])

    def test_protocols_come_from_where_they_came_at_the_start(self):
        mine = self.own_modules()
        other = os.path.join(mine, "other")
        os.mkdir(other)
        os.chmod(other, 0o755)
        os.rename(self.copy_module("time"), os.path.join(other, "time.so"))
        conf = service("echo", self.tcp)
        self.write('module-dir = "%s"\n' % mine + conf)
        daemon = self.launch([LINED, "-c", self.config, "-L", "stderr"])
        daemon.wait_notify("READY=1")
        self.addCleanup(daemon.stop)
        self.write('module-dir = "%s"\n' % other +
                   service("echo", self.tcp, protocol="time"))
        place = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("refused, nothing was changed", place)
        self.assertEqual(len(daemon.logged(mine + "/time.so: No such file",
                                           place)), 1)
        with Client(self.address) as c:
            self.assertTrue(c.echoes())

    def test_nothing_is_warned_of_where_nothing_changed(self):
        daemon = self.start(service("echo", self.tcp))
        place = daemon.reload()
        daemon.stop()
        self.assertEqual(daemon.logged("^<[0-4]>", place), [])
        self.assertEqual(daemon.logged("restart", place), [])

    def test_systemd_hears_of_it_in_order(self):
        daemon = self.start(service("echo", self.tcp))
        daemon.notified.clear()
        daemon.signal(signal.SIGHUP)
        daemon.wait_notify("RELOADING=1")
        # Type=notify-reload also needs the time.
        daemon.wait_notify(r"MONOTONIC_USEC=\d+$")
        daemon.wait_notify("READY=1")

    def test_reloads_leak_no_descriptor_and_little_memory(self):
        other = free_port()
        one = service("one", self.tcp)
        two = service("two", "tcp://127.0.0.1:%d" % other)
        daemon = self.start(one, level="warning")

        def cycle(times):
            for _ in range(times):
                self.write(one + two)
                daemon.reload()
                self.write(one)
                daemon.reload()
        cycle(30)
        descriptors, rss = daemon.descriptors(), daemon.rss_kib()
        cycle(100)
        self.eventually(lambda: daemon.descriptors() == descriptors,
                        "the same descriptors")
        if not daemon.is_sanitized():
            self.assertLess(daemon.rss_kib() - rss, 400)

    def test_addresses_that_come_and_go_leave_nothing(self):
        kept = service("one", self.tcp)
        more = service("one", self.tcp, *["unix://" + self.path("%d.sock" % i)
                                          for i in range(20)])
        daemon = self.start(kept, level="err")

        def cycle(times):
            for _ in range(times):
                self.write(more)
                daemon.reload()
                with Client(self.path("3.sock")) as late:
                    self.assertTrue(late.echoes())
                    self.write(kept)
                    daemon.reload()
                    # The service's address is closed, but its name is still in
                    # use.
                    self.assertTrue(late.echoes())
        with Client(self.address) as c:
            cycle(20)
            rss = daemon.rss_kib()
            cycle(80)
            if not daemon.is_sanitized():
                self.assertLess(daemon.rss_kib() - rss, 600)
            self.assertTrue(c.echoes())

    def test_who_locks_a_directory_holds_up_no_reload(self):
        text = service("echo", self.tcp)
        daemon = self.start(text)
        locked = os.open(self.dir, os.O_RDONLY)
        self.addCleanup(os.close, locked)
        fcntl.flock(locked, fcntl.LOCK_EX)
        self.write(text + service("many", *[
            "unix://" + self.path("%d.sock" % i) for i in range(40)]))
        began = time.monotonic()
        daemon.reload()
        # Half a second for each client would be 20 s.
        self.assertLess(time.monotonic() - began, 10)
        with Client(self.path("39.sock")) as c:
            self.assertTrue(c.echoes())

    @unittest.skipIf(os.geteuid() != 0, "only root can be dropped")
    def test_root_is_dropped_and_the_reload_still_binds_low_ports(self):
        os.chmod(self.dir, 0o755)
        daemon = self.start('user = "daemon"\n' + service("echo", self.tcp))
        with open("/proc/%d/status" % daemon.pid) as f:
            status = dict(line.rstrip("\n").split(":\t", 1)
                          for line in f if ":\t" in line)
        self.assertEqual(status["Uid"].split(), ["1"] * 4)
        self.assertEqual(status["Gid"].split(), ["1"] * 4)
        self.assertIn(status["Groups"].split(), ([], ["1"]))
        bind_service = 1 << 10
        for kind in ("CapPrm", "CapEff"):
            self.assertEqual(int(status[kind], 16), bind_service)
        with Client(self.address) as held:
            self.assertTrue(held.echoes())
            low = self.low_port()
            self.write('user = "daemon"\n' + service(
                "echo", self.tcp, "tcp://127.0.0.1:%d" % low))
            daemon.reload()
            with Client(("127.0.0.1", low)) as c:
                self.assertTrue(c.echoes())
            self.assertTrue(held.echoes())

    @staticmethod
    def low_port():
        for port in range(1023, 600, -1):
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue
        raise AssertionError("no low port is free")


if __name__ == "__main__":
    main(180)
