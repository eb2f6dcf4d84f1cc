#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sockets that a service manager has opened and passes on by name, as systemd
does. Also the mode and owner of UNIX sockets that the daemon makes itself."""
import grp
import os
import pwd
import re
import socket
import stat
import subprocess
import sys
import unittest

from lined_test import LINED, Client, DaemonTest, Datagram
from lined_test import environment, free_port, main, service

# Moves the descriptors to 3 and up, and sets LISTEN_PID.
PASS_ON = r"""
import os, sys
fds = [os.dup(int(fd)) for fd in sys.argv[2].split(",")]
high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES=sys.argv[1])
os.execvp(sys.argv[3], sys.argv[3:])
"""

# A stream protocol that also sends the address of its peer.
WHO = r"""
#include <string.h>
#include <lined/protocol.h>

static void who_line(struct lined_socket *client,
		     const struct lined_line *line)
{
	const char *peer = lined_client_peer(client);

	(void)line;
	lined_socket_send(client, peer, strlen(peer));
	lined_socket_send(client, "\n", 1);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "who",
	.summary = "says who you are",
	.handle_line = who_line,
};
"""


def timers_of(port):
    """Returns the running timer of each connection to this port, from Linux's
    /proc/net/tcp: 02 is the keepalive timer."""
    with open("/proc/net/tcp") as f:
        rows = [row.split() for row in f.readlines()[1:]]
    return [row[5].split(":")[0] for row in rows
            if row[1].endswith(":%04X" % port) and row[3] == "01"]


def has_systemd():
    said = subprocess.run([LINED, "-V"], stdout=subprocess.PIPE,
                          env=environment()).stdout
    return b"systemd: yes" in said


@unittest.skipUnless(has_systemd(), "built without libsystemd")
class Activation(DaemonTest):
    def setUp(self):
        super().setUp()
        self.sockets = []

    def passed(self, name, sock):
        """Has this socket passed on under that name."""
        sock.set_inheritable(True)
        self.sockets.append((name, sock))
        self.addCleanup(sock.close)
        return sock

    def tcp(self, name, host="127.0.0.1", backlog=50):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.bind((host, 0))
        if backlog:
            sock.listen(backlog)
        return self.passed(name, sock).getsockname()[:2]

    def udp(self, name):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        return self.passed(name, sock).getsockname()

    def prefix(self):
        return [sys.executable, "-c", PASS_ON,
                ":".join(name for name, _ in self.sockets),
                ",".join(str(sock.fileno()) for _, sock in self.sockets)]

    def activated(self, text, **more):
        return self.start(text, prefix=self.prefix(),
                          inherit=[s for _, s in self.sockets], **more)

    def refused(self, text):
        self.write(text)
        daemon = self.launch(self.arguments(), self.prefix(),
                             inherit=[s for _, s in self.sockets])
        self.assertEqual(daemon.wait(), 3, daemon.log_text())
        return daemon.log_text()

    def test_clients_who_came_before_the_daemon_are_served(self):
        address = self.tcp("echo")
        early = Client(address)
        early.send(b"early\n")
        daemon = self.activated(service("it", "systemd:echo"))
        daemon.wait_log("service it: listening on systemd:echo")
        with early, Client(address) as late:
            self.assertEqual(early.line(), b"early\n")
            self.assertTrue(late.echoes())

    def test_each_name_goes_to_its_service(self):
        path = self.path("passed.sock")
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        local.bind(path)
        local.listen(5)
        self.passed("unix", local)
        address = self.tcp("tcp")
        self.tcp("nobodys")
        self.activated(
            service("one", "systemd:unix") +
            service("two", "systemd:tcp",
                    extra="framing { line-length = 5 too-long = skip }"))
        with Client(path) as one, Client(address) as two:
            self.assertTrue(one.echoes(b"longer than five\n"))
            two.send(b"longer than five\nshort\n")
            self.assertEqual(two.line(), b"short\n")
        # The service manager, which made the path, removes it.
        self.assertTrue(os.path.exists(path))

    def test_sockets_of_one_name_are_one_address(self):
        # A unit with ListenStream= twice and ListenDatagram= passes these on.
        addresses = self.tcp("echo"), self.tcp("echo", "::1")
        datagrams = self.udp("echo")
        daemon = self.activated(service("echo", "systemd:echo"))
        for address in addresses:
            with Client(address) as c:
                self.assertTrue(c.echoes())
        with Datagram(datagrams) as c:
            c.send(b"datagram\n")
            self.assertEqual(c.receive(), b"datagram\n")
        self.assertLess(daemon.cpu_seconds(), 5)

    def test_datagrams_only(self):
        address = self.udp("echo")
        self.activated(service("echo", "systemd:echo"))
        with Datagram(address) as c:
            c.send(b"one\ntwo\n")
            self.assertEqual(c.receive(), b"one\ntwo\n")

    def test_tcp_clients_get_keepalive_as_from_our_own_sockets(self):
        address = self.tcp("echo")
        daemon = self.activated(service("echo", "systemd:echo"))
        with Client(address) as c:
            self.assertTrue(c.echoes())
            self.eventually(lambda: timers_of(address[1]) == ["02"],
                            "the timer of keepalive, and no other")
        daemon.stop()

    def test_both_families_on_one_socket_are_told_apart(self):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        sock.listen(5)
        port = self.passed("who", sock).getsockname()[1]
        self.build_module("who", WHO)
        self.activated(service(
            "who", "systemd:who", protocol="who",
            extra="limits { clients-per-address = 1 }\n"
                  'access { deny = { "127.0.0.3" } }'))
        with Client(("127.0.0.1", port)) as one, \
                Client(("127.0.0.1", port), source="127.0.0.2") as two, \
                Client(("::1", port)) as three:
            for c, host in ((one, "127.0.0.1"), (two, "127.0.0.2"),
                            (three, "[::1]")):
                c.send(b"?\n")
                self.assertEqual(
                    c.line().decode(),
                    "%s:%d\n" % (host, c.sock.getsockname()[1]))
            with Client(("127.0.0.1", port)) as more:
                self.assertEqual(more.ended(), b"")
            with Client(("127.0.0.1", port), source="127.0.0.3") as denied:
                self.assertEqual(denied.ended(), b"")

    def test_a_reload_keeps_and_finds_them(self):
        first, second = self.tcp("first"), self.tcp("second")
        daemon = self.activated(service("one", "systemd:first"))
        with Client(first) as held:
            self.assertTrue(held.echoes())
            self.write(service("one", "systemd:first") +
                       service("two", "systemd:second"))
            daemon.reload()
            self.assertTrue(held.echoes())
            with Client(second) as c:
                self.assertTrue(c.echoes())
            # A reload gives the socket up, and a later one takes it again.
            self.write(service("two", "systemd:second"))
            daemon.reload()
            self.assertEqual(held.ended(), b"")
            self.write(service("one", "systemd:first") +
                       service("two", "systemd:second"))
            daemon.reload()
            with Client(first) as c:
                self.assertTrue(c.echoes())

    def test_a_socket_that_no_service_names_is_warned_of(self):
        first, second = self.tcp("first"), self.tcp("second")
        warning = (r"^<4>systemd:%s: no service listens on this socket "
                   r"\(127\.0\.0\.1:%d\): its clients wait")
        daemon = self.activated(service("one", "systemd:first"))
        daemon.wait_log(warning % ("second", second[1]))
        self.assertEqual(daemon.logged("systemd:first: no service"), [])
        with Client(second) as waiting:
            waiting.send(b"hello\n")
            self.write(service("two", "systemd:second"))
            place = daemon.reload()
            self.assertEqual(waiting.line(), b"hello\n")
        daemon.wait_log(warning % ("first", first[1]), place)
        self.assertEqual(daemon.logged("systemd:second: no", place), [])

    def test_log_tells_the_address_behind_a_name(self):
        address = self.tcp("echo")
        path = self.path("passed.sock")
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        local.bind(path)
        local.listen(5)
        self.passed("unix", local)
        daemon = self.activated(service("it", "systemd:echo",
                                        "systemd:unix"))
        daemon.wait_log(r"listening on systemd:echo \(127\.0\.0\.1:%d\)$"
                        % address[1])
        daemon.wait_log(r"listening on systemd:unix \(%s\)$" % path)
        for to, shown in ((address, "127\\.0\\.0\\.1:%d" % address[1]),
                          (path, path)):
            with Client(to) as c:
                self.assertTrue(c.echoes())
            daemon.wait_log(r"access: service=it listen=systemd:\S+ .* "
                            r"reason=peer local=%s$" % shown)

    def test_a_name_that_was_not_passed_is_named(self):
        self.tcp("echo")
        self.assertRegex(
            self.refused(service("it", "systemd:else")),
            "service it: listen systemd:else: no socket of that name")

    def test_a_reload_that_asks_for_another_name_changes_nothing(self):
        address = self.tcp("echo")
        daemon = self.activated(service("it", "systemd:echo"))
        with Client(address) as c:
            self.write(service("it", "systemd:echo", "systemd:else"))
            place = daemon.reload()
            daemon.wait_log("^<3>.*systemd:else: no socket", place)
            self.assertTrue(c.echoes())

    def test_the_address_of_one_that_is_passed_on_stays_its_own(self):
        """The service manager keeps the address open."""
        address = self.tcp("echo")
        daemon = self.activated(service("it", "systemd:echo"))
        self.write(service("it", "tcp://127.0.0.1:%d" % address[1]))
        place = daemon.reload()
        daemon.wait_log("^<3>.*: Address already in use", place)
        with Client(address) as c:
            self.assertTrue(c.echoes())

    def test_a_socket_of_the_wrong_kind_is_refused(self):
        self.build_module("who", WHO)
        self.udp("datagrams")
        self.assertRegex(
            self.refused(service("who", "systemd:datagrams",
                                 protocol="who")),
            "listen systemd:datagrams: the protocol does not speak over "
            "datagrams")

    def test_what_does_not_listen_is_refused(self):
        self.tcp("bound", backlog=0)
        self.assertRegex(self.refused(service("it", "systemd:bound")),
                         "listen systemd:bound: descriptor 3 is neither a "
                         "listening stream nor a datagram socket")
        # A file is no socket at all.
        self.sockets.clear()
        self.passed("file", FileAsSocket())
        self.assertRegex(self.refused(service("it", "systemd:file")),
                         "listen systemd:file: descriptor 3 is neither")


class FileAsSocket:
    def __init__(self):
        self.fd = os.open("/dev/null", os.O_RDWR)

    def set_inheritable(self, value):
        os.set_inheritable(self.fd, value)

    def fileno(self):
        return self.fd

    def close(self):
        os.close(self.fd)


class Unix(DaemonTest):
    def setUp(self):
        super().setUp()
        self.sock = self.path("echo.sock")

    def local(self, keys="", protocol="echo"):
        return service("echo", "unix://" + self.sock, protocol=protocol,
                       extra=keys)

    def mode(self):
        return stat.S_IMODE(os.stat(self.sock).st_mode)

    def owner(self):
        status = os.stat(self.sock)
        return status.st_uid, status.st_gid

    def test_the_mode_is_as_asked_whatever_the_umask(self):
        for keys, mode in (("", 0o660), ("socket-mode = 600", 0o600),
                           ('socket-mode = "0666"', 0o666)):
            for umask in ("0", "0777"):
                with self.subTest(keys=keys, umask=umask):
                    daemon = self.start(
                        self.local(keys),
                        prefix=["sh", "-c", 'umask %s; exec "$@"' % umask,
                                "sh"])
                    self.assertEqual(self.mode(), mode)
                    daemon.stop()
                    self.assertFalse(os.path.lexists(self.sock))

    def test_a_reload_changes_the_mode_of_a_socket_that_stays(self):
        daemon = self.start(self.local("socket-mode = 600"))
        inode = os.stat(self.sock).st_ino
        self.write(self.local("socket-mode = 666"))
        daemon.reload()
        self.assertEqual(self.mode(), 0o666)
        self.assertEqual(os.stat(self.sock).st_ino, inode)

    def test_a_socket_that_is_handed_over_gets_the_new_mode(self):
        self.build_module("who", WHO)
        daemon = self.start(self.local("socket-mode = 600"))
        self.write(self.local("socket-mode = 666", protocol="who"))
        daemon.reload()
        self.assertEqual(self.mode(), 0o666)
        with Client(self.sock) as c:
            c.send(b"?\n")
            self.assertEqual(c.line(), b"unix\n")

    def test_the_group_may_be_one_of_ours(self):
        group = grp.getgrgid(os.getgid()).gr_name
        self.start(self.local('socket-group = "%s"' % group))
        self.assertEqual(self.owner(), (os.geteuid(), os.getgid()))

    @unittest.skipIf(os.geteuid() != 0, "only root gives sockets away")
    def test_the_owner_and_the_group_are_as_asked(self):
        os.chmod(self.dir, 0o755)
        self.start(self.local('socket-owner = "daemon" '
                               'socket-group = "nogroup" '
                               "socket-mode = 600"))
        self.assertEqual(self.owner(), (pwd.getpwnam("daemon").pw_uid,
                                        grp.getgrnam("nogroup").gr_gid))
        self.assertEqual(self.mode(), 0o600)
        # The owner of the socket can connect, others cannot.
        code = ("import socket; s = socket.socket(socket.AF_UNIX); "
                "s.connect(%r); s.send(b'in\\n'); print(s.recv(9))"
                % self.sock)
        for user, works in (("daemon", True), ("nobody", False)):
            done = subprocess.run(
                ["setpriv", "--reuid", user, "--clear-groups",
                 "python3", "-c", code],
                # These directories have a python3 that the users may execute.
                env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.assertEqual(b"in" in done.stdout, works, user)

    @unittest.skipIf(os.geteuid() != 0, "only root gives sockets away")
    def test_a_reload_takes_a_socket_back(self):
        os.chmod(self.dir, 0o755)
        plain = (os.geteuid(), os.getegid())
        other = (pwd.getpwnam("daemon").pw_uid, grp.getgrnam("nogroup").gr_gid)
        daemon = self.start(self.local())
        self.assertEqual(self.owner(), plain)
        for keys, owner in (("socket-owner = daemon socket-group = nogroup",
                             other),
                            ("socket-group = nogroup", (plain[0], other[1])),
                            ("", plain)):
            self.write(self.local(keys))
            daemon.reload()
            self.assertEqual(self.owner(), owner, keys)
        # A reload keeps the group that a setgid directory gives.
        daemon.stop()
        os.chown(self.dir, -1, other[1])
        os.chmod(self.dir, 0o2755)
        daemon = self.start(self.local())
        given = self.owner()
        daemon.reload()
        self.assertEqual(self.owner(), given)

    def test_nobody_by_that_name_is_an_error_that_names_it(self):
        for key, what in (("socket-owner", "user"), ("socket-group", "group")):
            log = self.start_fails(
                self.local('%s = "nobody-has-this"' % key), 3)
            self.assertRegex(
                log, re.escape('listen unix://%s: %s "nobody-has-this": no '
                               "such %s" % (self.sock, key, what)))
            self.assertFalse(os.path.lexists(self.sock))

    def test_a_reload_with_nobody_by_that_name_changes_nothing(self):
        daemon = self.start(self.local("socket-mode = 600"))
        with Client(self.sock) as held:
            self.write(self.local('socket-mode = 666 '
                                   'socket-owner = "nobody-has-this"'))
            place = daemon.reload()
            daemon.wait_log("reload: refused", place)
            daemon.wait_log('^<3>.*socket-owner "nobody-has-this": no such '
                            "user", place)
            self.assertEqual(self.mode(), 0o600)
            self.assertTrue(held.echoes())


if __name__ == "__main__":
    main(180)
