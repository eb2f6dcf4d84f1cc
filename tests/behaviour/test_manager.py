#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The daemon under a service manager such as systemd, which keeps listening
sockets over a restart, has a watchdog, and shows a status line. The test plays
the manager."""
import os
import signal
import socket
import sys
import time
import unittest

from lined_test import Client, DaemonTest, Datagram
from lined_test import free_port, main, service
from test_activation import PASS_ON, has_systemd

STONE = r"""
#include <string.h>
#include <unistd.h>
#include <lined/protocol.h>

static void stone_line(struct lined_socket *client,
		       const struct lined_line *line)
{
	while (strcmp(line->text, "stone") == 0)
		pause();
	lined_socket_send_line(client, line);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "stone",
	.summary = "stands still when told to",
	.handle_line = stone_line,
};
"""


class Manager:
    """Keeps descriptors by name, and all notifications."""

    def __init__(self, path):
        self.path = path
        self.kept = {}
        self.told = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        os.chmod(path, 0o777)

    def close(self):
        self.sock.close()
        for fd in self.kept.values():
            os.close(fd)

    def hear(self, timeout):
        """Reads a message. False: none came."""
        self.sock.settimeout(timeout)
        try:
            text, fds, _, _ = socket.recv_fds(self.sock, 4096, 4)
        except socket.timeout:
            return False
        lines = text.decode().split("\n")
        name = [x[7:] for x in lines if x.startswith("FDNAME=")]
        if "FDSTORE=1" in lines:
            # A socket that is stored again is not kept twice.
            if name[0] in self.kept:
                os.close(self.kept[name[0]])
            self.kept[name[0]] = fds[0]
        elif "FDSTOREREMOVE=1" in lines:
            os.close(self.kept.pop(name[0]))
        else:
            self.told += lines
            for fd in fds:
                os.close(fd)
        return True

    def wait(self, wanted):
        """Waits for a line that begins with this text. Removes the lines before
        it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            while self.told:
                line = self.told.pop(0)
                if line.startswith(wanted):
                    return line
            self.hear(0.2)
        raise AssertionError("it never said " + wanted)


@unittest.skipUnless(has_systemd(), "built without libsystemd")
class Restart(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.tcp = ("127.0.0.1", self.port)
        self.unix = self.path("echo.sock")
        self.manager = Manager(self.path("manager"))
        self.addCleanup(self.manager.close)
        self.wants("127.0.0.1")

    def wants(self, host, extra=""):
        self.write(service("echo", "tcp://%s:%d" % (host, self.port),
                           "udp://%s:%d" % (host, self.port),
                           "unix://" + self.unix) + extra)

    def begin(self):
        """Starts a daemon with the descriptors that the manager has kept."""
        prefix = ["env", "NOTIFY_SOCKET=" + self.manager.path, "FDSTORE=64"]
        kept = self.manager.kept
        inherit = [socket.socket(fileno=os.dup(fd)) for fd in kept.values()]
        if kept:
            prefix += [sys.executable, "-c", PASS_ON, ":".join(kept),
                       ",".join(str(s.fileno()) for s in inherit)]
        daemon = self.launch(self.arguments(), prefix, inherit=inherit)
        for sock in inherit:
            sock.close()
        self.manager.wait("READY=1")
        while self.manager.hear(0.1):
            pass
        return daemon

    def end(self, daemon):
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)
        self.manager.wait("STOPPING=1")

    def test_who_comes_between_two_is_served(self):
        daemon = self.begin()
        self.assertEqual(len(self.manager.kept), 3)
        inode = os.stat(self.unix).st_ino
        self.end(daemon)
        with Client(self.tcp) as tcp, Client(self.unix) as local, \
                Datagram(self.tcp) as udp:
            tcp.send(b"one\n")
            local.send(b"two\n")
            udp.send(b"three\n")
            daemon = self.begin()
            daemon.wait_log("listening sockets kept over the restart: 3")
            self.assertEqual(tcp.line(), b"one\n")
            self.assertEqual(local.line(), b"two\n")
            self.assertEqual(udp.receive(), b"three\n")
        self.assertEqual(os.stat(self.unix).st_ino, inode)
        self.end(daemon)

    def test_who_comes_after_a_crash_is_served(self):
        daemon = self.begin()
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        with Client(self.tcp) as c:
            daemon = self.begin()
            self.assertTrue(c.echoes())
        self.end(daemon)

    def test_what_is_wanted_no_more_is_given_up(self):
        self.wants("127.0.0.1",
                   service("more", "unix://" + self.path("more")))
        daemon = self.begin()
        self.assertEqual(len(self.manager.kept), 4)
        self.wants("127.0.0.1")
        daemon.signal(signal.SIGHUP)
        with self.assertRaises(OSError):
            # The manager has not been notified yet: it still has the socket.
            daemon.wait_log("reload: done")
            Client(self.path("more"))
        self.manager.wait("READY=1")
        self.assertEqual(len(self.manager.kept), 3)
        self.end(daemon)
        os.unlink(self.unix)
        self.write(service("echo", "tcp://127.0.0.1:%d" % self.port))
        daemon = self.begin()
        self.assertEqual(len(self.manager.kept), 1)
        self.end(daemon)

    def test_a_service_that_takes_an_address_over_keeps_it(self):
        daemon = self.begin()
        kept = set(self.manager.kept)
        self.write(service("other", "tcp://127.0.0.1:%d" % self.port,
                           "udp://127.0.0.1:%d" % self.port,
                           "unix://" + self.unix))
        daemon.signal(signal.SIGHUP)
        self.manager.wait("READY=1")
        while self.manager.hear(0.1):
            pass
        self.assertEqual(set(self.manager.kept), kept)
        with Client(self.unix) as c:
            self.assertTrue(c.echoes())
        self.end(daemon)
        daemon = self.begin()
        with Client(self.tcp) as c:
            self.assertTrue(c.echoes())
        self.end(daemon)

    def test_without_a_store_paths_are_removed(self):
        daemon = self.launch(self.arguments(), [
            "env", "NOTIFY_SOCKET=" + self.manager.path])
        self.manager.wait("READY=1")
        self.end(daemon)
        self.assertEqual(self.manager.kept, {})
        self.assertFalse(os.path.exists(self.unix))


@unittest.skipUnless(has_systemd(), "built without libsystemd")
class Told(DaemonTest):
    def setUp(self):
        super().setUp()
        self.build_module("stone", STONE)
        self.port = free_port()
        self.text = service("one", "tcp://127.0.0.1:%d" % self.port,
                            protocol="stone")

    def test_the_status_says_how_it_is(self):
        daemon = self.start(self.text, workers=2)
        daemon.wait_notify(r"STATUS=Serving 1 service on 2 workers: "
                           r"0 clients$")
        with Client(("127.0.0.1", self.port)) as c:
            self.assertTrue(c.echoes())
            daemon.wait_notify("STATUS=Serving .*: 1 client$")
        self.write(self.text + "colour = red\n", workers=2)
        daemon.signal(signal.SIGHUP)
        daemon.wait_notify("STATUS=Serving .*; the last reload was refused$")
        self.write(self.text, workers=2)
        daemon.signal(signal.SIGHUP)
        daemon.wait_notify("STATUS=Serving .*: 0 clients$")
        daemon.signal(signal.SIGTERM)
        daemon.wait_notify(r"EXTEND_TIMEOUT_USEC=\d+$")

    def test_a_worker_that_stands_still_starves_the_watchdog(self):
        daemon = self.start(self.text, workers=2,
                            env={"WATCHDOG_USEC": "2000000"})
        for _ in range(4):
            daemon.wait_notify("WATCHDOG=1")
        with Client(("127.0.0.1", self.port)) as c:
            c.send(b"stone\n")
            daemon.wait_log(r"worker \d: stuck for \d+ s: in protocol stone, "
                            r"service one")
            with daemon.news:
                daemon.notified.clear()
            daemon.wait_notify("STATUS=.*worker . is stuck")
            time.sleep(1.5)
            with daemon.news:
                self.assertNotIn("WATCHDOG=1", daemon.notified)
            daemon.kill()


if __name__ == "__main__":
    main(180)
