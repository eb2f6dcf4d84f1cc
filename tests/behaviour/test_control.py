# SPDX-License-Identifier: MIT
"""The control socket: its mode and owner, the rights that each verb needs, and
the answers. test_linectl.py tests linectl, which speaks the same protocol.
"""
import contextlib
import grp
import json
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

from lined_test import LINED, PATIENCE, Client, Datagram, DaemonTest, TOP
from lined_test import free_port, main, service, with_workers

ROOT = os.geteuid() == 0
# An unprivileged user, and its group.
OTHER = 54321
TEAM = 54322


class Control:
    """A connection to the control socket. A record is (kind, {name: value}). An
    answer is a list of records, or an error."""

    class Refused(Exception):
        pass

    def __init__(self, path, timeout=PATIENCE):
        self.client = Client(path, timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def send(self, line):
        self.client.send(line.encode() + b"\n")

    def record(self):
        line = self.client.line()
        if not line.endswith(b"\n"):
            raise AssertionError("the answer breaks off: %r" % line)
        return parse(line.decode()[:-1])

    def answer(self):
        records = []
        while True:
            kind, values = self.record()
            if kind == "ok":
                return records
            if kind == "error":
                refused = Control.Refused(values["error"])
                refused.records = records
                raise refused
            records.append((kind, values))

    def ask(self, line, data=b""):
        self.client.send(line.encode() + b"\n" + data)
        return self.answer()

    def plan(self, text, name="/etc/lined.conf"):
        data = text.encode()
        return self.ask("plan %d %s" % (len(data), name), data)


def parse(line):
    values = {}
    for name, value in json.loads(line).items():
        if isinstance(value, dict):
            values.update(("%s.%s" % (name, n), v) for n, v in value.items())
        else:
            values[name] = value
    return values.pop("kind"), values


class ControlTest(DaemonTest):
    WORKERS = 1

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.socket = self.path("control.sock")
        self.control = 'control { socket = "%s" }\n' % self.socket
        self.echo = service("echo", "tcp://127.0.0.1:%d" % self.port)

    def start(self, text=None, **options):
        options.setdefault("workers", self.WORKERS)
        return super().start(self.control + (text or self.echo), **options)

    def rewrite(self, text):
        self.write(text, workers=self.WORKERS)

    def ask(self, line, data=b""):
        with Control(self.socket) as c:
            return c.ask(line, data)

    def refused(self, line, data=b""):
        with self.assertRaises(Control.Refused) as caught:
            self.ask(line, data)
        return str(caught.exception)

    def one(self, line, kind):
        """The only record of this kind."""
        records = [v for k, v in self.ask(line) if k == kind]
        self.assertEqual(len(records), 1, records)
        return records[0]

    def clients(self, argument=""):
        return [v for k, v in self.ask("clients " + argument)]


# ---- the socket ------------------------------------------------------------


# Slows down each step in the creation of a path, so that watch() sees it.
STEPS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	int (*next)(int, const struct sockaddr *, socklen_t) =
		(int (*)(int, const struct sockaddr *, socklen_t))
		dlsym(RTLD_NEXT, "bind");
	int result = next(fd, address, len);

	usleep(100000);
	return result;
}

int fchownat(int fd, const char *path, uid_t uid, gid_t gid, int flags)
{
	int (*next)(int, const char *, uid_t, gid_t, int) =
		(int (*)(int, const char *, uid_t, gid_t, int))
		dlsym(RTLD_NEXT, "fchownat");
	int result = next(fd, path, uid, gid, flags);

	usleep(100000);
	return result;
}

int chmod(const char *path, mode_t mode)
{
	int (*next)(const char *, mode_t) =
		(int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "chmod");
	int result = next(path, mode);

	usleep(100000);
	return result;
}
"""


class Making(ControlTest):
    def setUp(self):
        super().setUp()
        code, self.library = self.path("steps.c"), self.path("steps.so")
        with open(code, "w") as f:
            f.write(STEPS)
        compiler = (os.environ.get("CC") or "cc").split()
        subprocess.run(compiler + ["-shared", "-fPIC", "-o", self.library,
                                   code, "-ldl"], check=True, timeout=60)

    def watch(self, seen):
        """Notes every mode and group that the path has. A single observation
        may be wrong: the system may return the new mode with the old group."""
        before = None
        while not self.watched:
            now = self.look()
            if now == before and now is not None:
                seen.add(now)
            before = now
            time.sleep(0.001)

    def look(self):
        try:
            st = os.lstat(self.socket)
        except FileNotFoundError:
            return None
        return stat.S_IMODE(st.st_mode), st.st_gid

    def start_watched(self):
        seen = set()
        self.watched = False
        watcher = threading.Thread(target=self.watch, args=(seen,))
        watcher.start()
        options = os.environ.get("ASAN_OPTIONS", "")
        before = os.umask(0)
        try:
            daemon = self.start(env={
                "LD_PRELOAD": self.library,
                "ASAN_OPTIONS": options + ":verify_asan_link_order=0"})
        finally:
            os.umask(before)
            self.watched = True
            watcher.join()
        seen.add(self.look())
        return daemon, seen

    def test_it_is_never_wider_than_0600(self):
        daemon, seen = self.start_watched()
        self.assertEqual({mode for mode, _ in seen}, {0o600})
        daemon.stop()
        self.assertFalse(os.path.lexists(self.socket))

    @unittest.skipUnless(ROOT, "only root gives files away")
    def test_a_link_in_its_place_is_not_followed(self):
        """The socket is in a directory of another user. This user puts a link
        in the socket's place, at a reload, and between bind() and the change of
        owner."""
        os.chmod(self.dir, 0o711)
        yard = self.path("yard")
        os.mkdir(yard)
        os.chown(yard, OTHER, OTHER)
        treasure = self.path("treasure")
        with open(treasure, "w"):
            pass
        os.chmod(treasure, 0o600)
        path = os.path.join(yard, "echo.sock")
        extra = 'socket-owner = "daemon" socket-mode = 0666'

        def lure():
            os.unlink(path)
            os.symlink(treasure, path)
        daemon = self.start(service("echo", "unix://" + path, extra=extra),
                            env={"LD_PRELOAD": self.library,
                                 "ASAN_OPTIONS": os.environ.get(
                                     "ASAN_OPTIONS", "")
                                 + ":verify_asan_link_order=0"})
        lure()
        place = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reload: (done|refused)", place)
        self.assertEqual(os.stat(treasure).st_uid, 0)
        self.assertEqual(stat.S_IMODE(os.stat(treasure).st_mode), 0o600)
        daemon.stop()
        os.unlink(path)
        self.write(self.control + service("echo", "unix://" + path,
                                          extra=extra))
        daemon = self.launch(self.arguments(), env={
            "LD_PRELOAD": self.library, "ASAN_OPTIONS": os.environ.get(
                "ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
        # bind() takes 100 ms here.
        self.eventually(lambda: os.path.lexists(path), "the socket")
        lure()
        self.assertEqual(daemon.wait(), 3)
        daemon.wait_log("listen unix://%s: (another file is in its place|Too "
                        "many levels of symbolic links)" % path)
        self.assertEqual(os.stat(treasure).st_uid, 0)
        self.assertEqual(stat.S_IMODE(os.stat(treasure).st_mode), 0o600)

    def test_a_group_has_it_only_when_it_is_the_right_one(self):
        gid = os.getgid()
        if ROOT:
            gid = grp.getgrnam("daemon").gr_gid
        self.control = ('control { socket = "%s" group = "%s" }\n'
                        % (self.socket, grp.getgrgid(gid).gr_name))
        daemon, seen = self.start_watched()
        self.assertLessEqual({mode for mode, _ in seen}, {0o600, 0o660})
        self.assertEqual({g for mode, g in seen if mode == 0o660}, {gid})
        daemon.stop()


class Path(ControlTest):
    def test_without_the_section_there_is_none(self):
        DaemonTest.start(self, self.echo)
        self.assertFalse(os.path.lexists(self.socket))

    def test_an_unknown_group_is_named(self):
        log = self.start_fails('control { socket = "%s" group = "no-such" }\n'
                               % self.socket + self.echo, 3)
        self.assertRegex(log, r'control: .*"no-such": no such group')
        self.assertFalse(os.path.lexists(self.socket))

    def test_a_live_one_is_never_stolen(self):
        daemon = self.start()
        log = self.start_fails(
            self.control + service("other", "tcp://127.0.0.1:%d"
                                   % free_port()), 3)
        self.assertRegex(log, r"control\.sock: Address already in use")
        self.assertEqual(self.one("status", "daemon")["pid"], daemon.pid)

    def test_one_of_several_starting_together_has_it(self):
        texts = [self.control
                 + service("echo", "tcp://127.0.0.1:%d" % free_port())
                 for _ in range(4)]
        daemons = []
        for i, text in enumerate(texts):
            config = self.write(text, "%d.conf" % i, workers=1)
            daemons.append(self.launch(self.arguments(config)))
        lost = 0
        for daemon in daemons:
            try:
                daemon.wait_notify("READY=1")
            except AssertionError:
                self.assertEqual(daemon.wait(), 3)
                lost += 1
        self.assertEqual(lost, 3)
        alive = [d for d in daemons if not d.stopped]
        self.assertEqual(self.one("status", "daemon")["pid"], alive[0].pid)
        alive[0].stop()

    def test_a_stale_one_is_replaced(self):
        daemon = self.start()
        daemon.kill()
        self.assertTrue(os.path.lexists(self.socket))
        again = self.start()
        self.assertEqual(self.one("status", "daemon")["pid"], again.pid)

    def test_a_file_at_its_path_is_left_alone(self):
        with open(self.socket, "w") as f:
            f.write("precious")
        log = self.start_fails(self.control + self.echo, 3)
        self.assertIn("control.sock: File exists", log)
        with open(self.socket) as f:
            self.assertEqual(f.read(), "precious")

    def test_another_one_at_its_path_survives_the_stop(self):
        daemon = self.start()
        os.unlink(self.socket)
        other = socket.socket(socket.AF_UNIX)
        other.bind(self.socket)
        daemon.stop()
        self.assertTrue(os.path.lexists(self.socket))
        other.close()

    def test_a_reload_adds_it_and_takes_it_away(self):
        self.write(self.echo)
        daemon = DaemonTest.start(self, self.echo)
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            self.write(self.control + self.echo)
            daemon.reload()
            self.assertEqual(self.one("status", "daemon")["pid"], daemon.pid)
            elsewhere = self.path("elsewhere.sock")
            self.write('control { socket = "%s" }\n' % elsewhere + self.echo)
            daemon.reload()
            self.assertFalse(os.path.lexists(self.socket))
            with Control(elsewhere) as control:
                self.assertEqual(len(control.ask("services")), 1)
            self.write(self.echo)
            daemon.reload()
            self.assertFalse(os.path.lexists(elsewhere))
            self.assertTrue(c.echoes())

    def test_a_reload_through_it_may_take_it_away(self):
        self.start()
        self.rewrite(self.echo)
        self.assertEqual(self.ask("reload"), [])
        self.eventually(lambda: not os.path.lexists(self.socket),
                        "the socket is gone")

    def test_who_finds_no_place_is_logged_and_nobody_else_is(self):
        daemon = self.start()
        with contextlib.ExitStack() as crowd:
            for _ in range(100):
                crowd.enter_context(Client(self.socket))
            with Client(self.socket) as c:
                self.assertRegex(c.ended(), rb'\A{"kind":"error","error":"too '
                                 rb'many connections to the control socket: ')
            daemon.wait_log("<6>service control: refused unix: clients$")
        daemon.stop()
        self.assertFalse(daemon.logged("<[0-6]>client "))

    def test_idle_connections_are_closed_and_taps_are_not(self):
        self.control = ('control { socket = "%s" idle-timeout = 300ms }\n'
                        % self.socket)
        self.start()
        with Control(self.socket) as tap, Client(self.socket) as idle:
            tap.client.send(b"tap echo\n")
            with self.takes(0.2):
                self.assertEqual(idle.ended(), b"")
            time.sleep(0.5)
            with Client(self.address) as c:
                self.assertTrue(c.echoes())
            self.assertIn(b'"kind":"line"', tap.client.line())

    def test_it_may_have_the_name_of_a_service(self):
        self.start(service("control", "tcp://127.0.0.1:%d" % self.port))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            self.assertEqual(self.one("services", "service")["name"],
                             "control")
            self.assertEqual(len(self.clients("control")), 1)


# ---- who may ---------------------------------------------------------------


@unittest.skipUnless(ROOT, "only root can be others")
class Rights(ControlTest):
    """Requests of other users' processes. All users may open the socket here,
    so that only the user id decides."""

    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o711)
        # A group whose members have the right to look. It must have a name.
        self.group = grp.getgrnam("daemon")
        self.control = ('control { socket = "%s" group = "%s" }\n'
                        % (self.socket, self.group.gr_name))

    def ask_as(self, uid, gid, line, groups=()):
        """Returns the answer that a process of another user gets."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups(list(groups))
                os.setgid(gid)
                os.setuid(uid)
                with Client(self.socket) as c:
                    c.send(line.encode() + b"\n")
                    c.half_close()
                    os.write(write, c.rest())
            except BaseException as error:
                os.write(write, repr(error).encode())
            finally:
                os._exit(0)
        os.close(write)
        with open(read, "rb") as f:
            out = f.read()
        os.waitpid(child, 0)
        return out.decode()

    def test_others_may_do_nothing(self):
        self.start()
        os.chmod(self.socket, 0o666)
        for line in ("status", "services", "clients", "why unix", "metrics",
                     "tap echo", "plan 0 x", "kick 1", "drain echo", "reload",
                     "log debug", "help"):
            out = self.ask_as(OTHER, OTHER, line)
            self.assertRegex(out, r'\A{"kind":"error","error":'
                                  '"%s: permission denied' % line.split()[0])
        self.assertIn("state", self.one("status", "daemon"))

    def test_others_do_not_even_get_in(self):
        self.start()
        out = self.ask_as(OTHER, OTHER, "status")
        self.assertIn("PermissionError", out)

    def test_members_may_look_and_not_change(self):
        daemon = self.start()
        for gid, groups in ((self.group.gr_gid, ()),
                            (OTHER, (TEAM, self.group.gr_gid))):
            for line in ("status", "services", "clients", "why unix",
                         "metrics", "plan 0 x", "help"):
                out = self.ask_as(OTHER, gid, line, groups)
                self.assertTrue(out.endswith('{"kind":"ok"}\n'), line)
            for line in ("kick 1", "drain echo", "reload", "log debug"):
                out = self.ask_as(OTHER, gid, line, groups)
                self.assertRegex(
                    out, r'\A{"kind":"error","error":'
                    '"%s: permission denied: only root' % line.split()[0])
                daemon.wait_log(
                    r"<6>service control: uid %d, pid \d+: %s: permission "
                    "denied$" % (OTHER, line.split()[0]))
        self.assertEqual(self.one("status", "daemon")["control_denied"], 8)
        with Client(self.address) as c:
            self.assertTrue(c.echoes())

    def crowd_as(self, uid, count):
        """Opens so many connections of another user, which stay open until the
        returned process is killed. Also returns how many were let in."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([self.group.gr_gid])
                os.setuid(uid)
                crowd = [Client(self.socket) for _ in range(count)]
                for c in crowd:
                    with contextlib.suppress(ConnectionError):
                        c.send(b"help\n")
                said = [c.line() for c in crowd]
                os.write(write, b"%d %s" % (
                    sum(b'"verb"' in line for line in said), said[-1]))
                signal.pause()
            finally:
                os._exit(1)
        os.close(write)
        self.addCleanup(os.close, read)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.kill, child, signal.SIGKILL)
        count, line = os.read(read, 4096).split(b" ", 1)
        return int(count), line.decode()

    def test_a_member_does_not_keep_root_out(self):
        daemon = self.start()
        count, said = self.crowd_as(OTHER, 120)
        self.assertEqual(count, 32)
        self.assertEqual(said, '{"kind":"error","error":"too many connections '
                         'to the control socket: this user has 32 already"}'
                         '\n')
        daemon.wait_log("<6>service control: refused unix: clients-per-user$")
        self.assertEqual(self.crowd_as(OTHER + 1, 40)[0], 32)
        count, said = self.crowd_as(OTHER + 2, 40)
        self.assertEqual(count, 16)
        self.assertIn("there are 80 already, and 20 places are kept for root",
                      said)
        self.assertIn("state", self.one("status", "daemon"))
        with contextlib.ExitStack() as places:
            for _ in range(18):
                places.enter_context(Client(self.socket))
            self.assertIn("state", self.one("status", "daemon"))

    def test_the_daemons_user_and_root_may_change(self):
        self.control = 'control { socket = "%s" }\n' % self.socket
        os.chown(self.dir, OTHER, OTHER)
        daemon = self.start(prefix=("setpriv", "--reuid", str(OTHER),
                                    "--regid", str(OTHER), "--clear-groups"))
        self.assertEqual(self.ask_as(OTHER, OTHER, "log debug"),
                         '{"kind":"ok"}\n')
        self.assertEqual(self.ask("log info"), [])
        daemon.wait_log(r"<5>service control: uid %d, pid \d+: log debug"
                        % OTHER)
        daemon.wait_log(r"<5>service control: uid 0, pid \d+: log info")
        # Another user of the same group may not.
        os.chmod(self.socket, 0o666)
        out = self.ask_as(OTHER + 7, OTHER, "log debug")
        self.assertIn("permission denied", out)

    def plan_as(self, uid, groups, path):
        """Runs linectl plan as another user. Returns (exit code, output)."""
        done = subprocess.run(
            ["setpriv", "--reuid", str(uid), "--regid", str(uid),
             "--groups", ",".join(str(group) for group in groups),
             self.linectl(), "-s", self.socket, "plan", path],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        return done.returncode, done.stdout

    def linectl(self):
        """Returns a copy of linectl that everybody may run."""
        path = self.path("linectl")
        shutil.copy(os.path.join(os.path.dirname(LINED), "linectl"), path)
        os.chmod(path, 0o755)
        return path

    def test_a_plan_reads_what_who_asks_may_read(self):
        """linectl reads a plan's file with the user's rights, not with those of
        the daemon: a file in a closed directory, and a file of a supplementary
        group."""
        closed = self.path("closed")
        os.mkdir(closed, 0o700)
        for name, group in (("closed/secret.conf", 0), ("team.conf", TEAM)):
            path = self.path(name)
            with open(path, "w") as f:
                f.write("password-of-%s = 1\n" % group)
            os.chown(path, 0, group)
            os.chmod(path, 0o640 if group else 0o644)
        self.start()
        groups = (self.group.gr_gid, TEAM)
        for text, wanted, hidden in (
                ('include("closed/secret.conf")',
                 'include "%s/closed/secret.conf": Permission denied'
                 % os.path.realpath(self.dir), "password"),
                ('include("closed/no-such.conf")',
                 "no-such.conf\": Permission denied", "No such file"),
                ('include("closed/*.conf")', "Permission denied", "secret"),
                ('include("team.conf")', "password-of-%d" % TEAM, "denied")):
            self.write(text + "\n", "plan.conf")
            os.chmod(self.path("plan.conf"), 0o644)
            code, said = self.plan_as(OTHER, groups, self.path("plan.conf"))
            self.assertIn(wanted, said)
            self.assertNotIn(hidden, said)
            self.assertEqual(code, 1)

    def test_a_plan_does_not_tell_whether_a_file_is_there(self):
        closed = self.path("closed")
        os.mkdir(closed, 0o700)
        with open(self.path("closed/key.pem"), "w"):
            pass
        self.start()
        said = []
        for name in ("key", "no-such"):
            text = self.control + self.echo + (
                'tls "x" { certificate = "%s/%s.pem" key = "%s/%s.pem" }\n'
                % (closed, name, closed, name))
            said.append(self.ask_as(
                OTHER, self.group.gr_gid,
                "plan %d %s\n%s" % (len(text), self.config, text)))
            self.assertNotIn(closed, said[-1])
        self.assertEqual(said[0], said[1])


# ---- verbs -----------------------------------------------------------------


class Verbs(ControlTest):
    def test_status(self):
        daemon = self.start()
        status = self.one("status", "daemon")
        self.assertEqual(status["pid"], daemon.pid)
        self.assertEqual(status["state"], "serving")
        self.assertEqual(status["config"], self.config)
        self.assertEqual(status["workers"], self.WORKERS)
        self.assertEqual(status["services"], 1)
        self.assertEqual(status["clients"], 0)
        self.assertRegex(status["version"], r"^\d")
        workers = [v for k, v in self.ask("status") if k == "worker"]
        names = [w["name"] for w in workers]
        wanted = [str(i) for i in range(self.WORKERS)]
        self.assertEqual(names, wanted + (["main"] if self.WORKERS > 1 else []))
        for w in workers:
            turns = [v for n, v in w.items() if n.startswith("turns_us.")]
            self.assertEqual(sum(turns), w["turns"])

    def test_what_is_long_is_whole_or_says_what_is_left_out(self):
        names = ["%02d-%s" % (i, "x" * 61) for i in range(30)]
        listen = ["unix://" + self.path("l%d" % i) for i in range(100)]
        many = 'service "many" { protocol = "echo"\nlisten = { %s } }\n' % (
            ", ".join('"%s"' % address for address in listen))
        self.start(many + "".join(
            service(name, "unix://" + self.path(name[:2])) for name in names))
        self.assertEqual(self.one("services many", "service")["listen"],
                         listen)
        told = self.refused("clients none")
        shown = [name for name in names if name in told]
        self.assertGreater(len(shown), 10)
        self.assertTrue(told.endswith(", ... and %d more)"
                                      % (len(names) - len(shown))), told)
        self.assertIn("there are: many, " + names[0], told)

    def test_services_and_what_they_count(self):
        self.start(self.echo + service("other", "unix://" + self.path("o")))
        with Client(self.address) as a, Client(self.address) as b:
            self.assertTrue(a.echoes(b"12345\n"))
            self.assertTrue(b.echoes(b"1\n"))
            # An answer may arrive before its worker has counted it.
            self.eventually(
                lambda: self.one("services echo", "service")["bytes_out"] == 8,
                "the bytes of both answers")
            echo = self.one("services echo", "service")
            self.assertEqual(echo["name"], "echo")
            self.assertEqual(echo["protocol"], "echo")
            self.assertEqual(echo["state"], "open")
            self.assertEqual(echo["listen"], ["tcp://127.0.0.1:%d" % self.port])
            self.assertEqual(echo["clients"], 2)
            self.assertEqual(echo["accepted"], 2)
            self.assertEqual(echo["lines_in"], 2)
            self.assertEqual(echo["bytes_in"], 8)
            self.assertEqual(echo["queue_most"], 6)
        names = [v["name"] for _, v in self.ask("services")]
        self.assertEqual(names, ["echo", "other"])
        self.eventually(
            lambda: self.one("services echo", "service")["closed.peer"] == 2,
            "both are closed")
        self.assertIn('no service \\"none\\" (there are: echo, other)',
                      json.dumps(self.refused("services none")))

    def test_clients_with_address_and_port(self):
        self.start(self.echo + service("other", "unix://" + self.path("o")))
        with Client(self.address) as a, Client(self.path("o")) as b:
            self.assertTrue(a.echoes(b"12345\n"))
            self.assertTrue(b.echoes())
            mine = "127.0.0.1:%d" % a.sock.getsockname()[1]
            client, = self.clients("echo")
            self.assertEqual(client["address"], mine)
            self.assertEqual(client["service"], "echo")
            self.assertEqual(client["listen"], "tcp://127.0.0.1:%d" % self.port)
            self.assertEqual(client["lines_in"], 1)
            self.assertEqual(client["bytes_in"], 6)
            self.assertEqual(client["bytes_out"], 6)
            self.assertEqual(client["queued"], 0)
            other, = self.clients("other")
            self.assertEqual(other["address"], "unix")
            self.assertNotEqual(other["id"], client["id"])
            self.assertEqual(len(self.clients()), 2)

    def test_clients_of_all_workers(self):
        self.start(self.echo)
        clients = [Client(self.address) for _ in range(50)]
        for c in clients:
            self.assertTrue(c.echoes())
        told = self.clients()
        ports = {"127.0.0.1:%d" % c.sock.getsockname()[1] for c in clients}
        self.assertEqual({c["address"] for c in told}, ports)
        self.assertEqual(len({c["id"] for c in told}), 50)
        self.assertEqual({c["worker"] for c in told},
                         set(range(self.WORKERS)))
        for c in clients:
            c.close()

    def test_kick(self):
        daemon = self.start()
        with Client(self.address) as a, Client(self.address) as b:
            self.assertTrue(a.echoes())
            self.assertTrue(b.echoes())
            mine = "127.0.0.1:%d" % a.sock.getsockname()[1]
            ident, = [c["id"] for c in self.clients() if c["address"] == mine]
            (kind, told), = self.ask("kick %d" % ident)
            self.assertEqual((kind, told["address"]), ("client", mine))
            self.assertEqual(a.ended(), b"")
            self.assertTrue(b.echoes())
            daemon.wait_log(r"client %d \S+: closed: kicked" % ident)
            self.assertIn("no client %d" % ident,
                          self.refused("kick %d" % ident))
        self.eventually(
            lambda: self.one("services", "service")["closed.kicked"] == 1,
            "the kick is counted")

    def test_every_change_is_logged(self):
        daemon = self.start()
        for i in range(1, 41):
            self.refused("kick %d" % (1000 + i))
        daemon.stop()
        self.assertEqual(len(daemon.logged(
            r"^<5>service control: uid \d+, pid \d+: kick 10\d\d$")), 40)
        self.assertEqual(daemon.logged("suppressed"), [])

    def test_kick_of_what_is_no_id(self):
        self.start()
        for text in ("x", "-1", "0", "1x", "99999999999999999999", "0x10"):
            self.assertIn("id", self.refused("kick " + text))
        self.assertIn("usage: kick ID", self.refused("kick"))

    def test_log(self):
        daemon = self.start()
        self.ask("log err")
        place = daemon.mark()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        self.ask("log info")
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.wait_log("connected to", place)
        self.assertEqual(len(daemon.logged("connected to", place)), 1)
        self.assertIn("no level", self.refused("log loud"))
        self.assertEqual(self.one("status", "daemon")["log_level"], "info")

    def test_metrics_are_the_text_of_the_page(self):
        self.start()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            lines = [v["line"] for _, v in self.ask("metrics")]
        self.assertIn('lined_lines_in_total{service="echo"} 1', lines)
        self.assertIn('lined_clients{service="echo"} 1', lines)

    def test_help_tells_every_verb(self):
        self.start()
        verbs = [v["usage"].split()[0] for _, v in self.ask("help")]
        for verb in ("status", "services", "clients", "kick", "drain",
                     "reload", "plan", "why", "log", "metrics", "tap"):
            self.assertIn(verb, verbs)


class Why(ControlTest):
    def ruling(self, address, name="echo"):
        rulings = {v["service"]: v for _, v in self.ask("why " + address)}
        return rulings[name]

    def test_access(self):
        self.start(service(
            "echo", "tcp://*:%d" % self.port,
            extra='access { allow = { "127.0.0.0/8", "10.0.0.0/8", "::1" }'
                  ' deny = { "10.1.0.0/16" } }'))
        for address in ("10.2.3.4", "10.2.3.4:5123", "::ffff:10.2.3.4"):
            ruling = self.ruling(address)
            self.assertTrue(ruling["accepted"])
            self.assertEqual(ruling["rule"], "allow 10.0.0.0/8")
        ruling = self.ruling("10.1.3.4")
        self.assertFalse(ruling["accepted"])
        self.assertEqual((ruling["by"], ruling["rule"]),
                         ("access", "deny 10.1.0.0/16"))
        ruling = self.ruling("192.0.2.1")
        self.assertFalse(ruling["accepted"])
        self.assertEqual(ruling["rule"], "no entry of allow contains it")
        for address in ("::1", "[::1]:5123"):
            self.assertTrue(self.ruling(address)["accepted"])
        self.assertEqual(self.ruling("unix")["by"], "listen")

    def test_limits(self):
        self.start(service(
            "echo", "tcp://127.0.0.1:%d" % self.port,
            extra="limits { clients = 3 clients-per-address = 2 }"))
        clients = []
        for source in ("127.0.0.1", "127.0.0.1", "127.0.0.2"):
            self.assertTrue(self.ruling(source)["accepted"])
            clients.append(Client(self.address, source=source))
            self.assertTrue(clients[-1].echoes())
            ruling = self.ruling("127.0.0.1")
            if source == "127.0.0.1" and len(clients) == 2:
                self.assertFalse(ruling["accepted"])
                self.assertEqual(ruling["by"], "clients-per-address")
                self.assertEqual(ruling["address_clients"], 2)
        ruling = self.ruling("127.0.0.3")
        self.assertFalse(ruling["accepted"])
        self.assertEqual(ruling["by"], "clients")
        self.assertEqual(ruling["rule"], "the service has 3 of 3 clients")
        for c in clients:
            c.close()

    def test_asking_takes_no_place(self):
        self.start(service(
            "echo", "tcp://127.0.0.1:%d" % self.port,
            extra="limits { connect-rate-per-address = 1 }"))
        for _ in range(20):
            self.assertTrue(self.ruling("127.0.0.1")["accepted"])
        self.eventually(self.second_one_is_refused, "a refusal for the rate")

    def second_one_is_refused(self):
        """Whether a second client would be refused. False if the second in
        which only one client may connect is over."""
        with Client(self.address) as c:
            c.echoes()
            ruling = self.ruling("127.0.0.1")
        return (not ruling["accepted"]
                and ruling["by"] == "connect-rate-per-address")

    def test_what_is_no_address(self):
        self.start()
        for text in ("foo", "1.2.3", "1.2.3.4.5", "[::1", "::1]", "[::1]x",
                     "300.1.1.1", "1.2.3.4/8", "unix:///run/x", "1.2.3.4:",
                     "1.2.3.4:65536", "1.2.3.4:x", "1.2.3.4:-1", "[::1]:",
                     "[::1]:99999"):
            self.assertIn("is no address", self.refused("why " + text), text)


class Tap(ControlTest):
    def test_lines_come_while_they_come(self):
        self.start()
        with Control(self.socket) as tap, Client(self.address) as a, \
                Client(self.address) as b:
            self.assertTrue(a.echoes(b"before\n"))
            tap.send("tap echo")
            seen = self.first_line(tap, a)
            self.assertEqual(seen["address"],
                             "127.0.0.1:%d" % a.sock.getsockname()[1])
            ids = {c["address"]: c["id"] for c in self.clients()}
            for c, text in ((a, b"one"), (b, b"two"), (a, b"\033[31mthree")):
                self.assertTrue(c.echoes(text + b"\n"))
                kind, line = tap.record()
                self.assertEqual(kind, "line")
                self.assertEqual(line["client"], ids[line["address"]])
                self.assertEqual(line["len"], len(text))
                self.assertEqual(
                    line["text"],
                    text.decode().replace("\033", "\\x1b"))
            # Any line ends the tap; the commands after it are executed.
            tap.send("stop")
            tap.send("status")
            self.assertEqual(tap.record()[0], "ok")
            self.assertEqual(tap.record()[0], "daemon")
            tap.answer()
            self.assertTrue(a.echoes(b"after\n"))
            self.assertTrue(tap.client.is_silent(0.1))

    def first_line(self, tap, c):
        """Sends lines until the tap shows one."""
        tap.client.sock.settimeout(0.05)
        while True:
            self.assertTrue(c.echoes(b"is it there\n"))
            try:
                seen = tap.record()[1]
                break
            except socket.timeout:
                pass
        tap.client.sock.settimeout(PATIENCE)
        self.last_line(tap, c)
        return seen

    def last_line(self, tap, c):
        """Sends a line and reads until the tap shows it, so that no other line
        is under way."""
        word = "here %d" % random.randrange(1 << 60)
        self.assertTrue(c.echoes(word.encode() + b"\n"))
        while tap.record()[1].get("text") != word:
            pass

    def test_two_taps_see_the_same(self):
        self.start()
        with Control(self.socket) as one, Control(self.socket) as two, \
                Client(self.address) as c:
            one.send("tap echo")
            self.first_line(one, c)
            two.send("tap echo")
            self.first_line(two, c)
            self.last_line(one, c)
            two.record()
            self.assertTrue(c.echoes(b"both\n"))
            self.assertEqual(one.record()[1]["text"], "both")
            self.assertEqual(two.record()[1]["text"], "both")
            one.client.close()
            self.assertTrue(c.echoes(b"one left\n"))
            self.assertEqual(two.record()[1]["text"], "one left")

    def test_datagrams_are_lines_too(self):
        self.start(service("echo", "udp://127.0.0.1:%d" % self.port))
        with Control(self.socket) as tap, Datagram(self.address) as c:
            tap.send("tap echo")
            tap.client.sock.settimeout(0.05)
            while True:
                c.send(b"hello\n")
                c.receive()
                try:
                    seen = tap.record()[1]
                    break
                except socket.timeout:
                    pass
            self.assertEqual(seen["text"], "hello")
            self.assertEqual(seen["address"],
                             "127.0.0.1:%d" % c.sock.getsockname()[1])

    def test_it_ends_with_the_service(self):
        self.start()
        with Control(self.socket) as tap, Client(self.address) as c:
            tap.send("tap echo")
            self.first_line(tap, c)
            self.ask("drain echo")
            self.assertEqual(tap.record()[0], "ok")
        self.assertIn("was drained", self.refused("tap echo"))

    def test_who_does_not_read_holds_up_nobody(self):
        daemon = self.start()
        with Control(self.socket) as tap, Client(self.address) as c:
            tap.send("tap echo")
            self.first_line(tap, c)
            before = daemon.own_kib()
            text = b"x" * 900 + b"\n"
            for _ in range(300):
                c.send(text * 100)
                self.assertEqual(len(c.exactly(100 * len(text))),
                                 100 * len(text))
            if not daemon.is_sanitized():
                self.assertLess(daemon.own_kib() - before, 20000)
            # The lines that the tap missed are reported when it reads again.
            lines = lost = 0
            total = 30000
            while lines + lost < total:
                if tap.client.is_silent(0.2):
                    self.assertTrue(c.echoes(b"and one more\n"))
                    total += 1
                    self.assertLess(total, 30100, (lines, lost))
                kind, values = tap.record()
                if kind == "lost":
                    lost += values["lines"]
                else:
                    lines += 1
            self.assertEqual(lines + lost, total)
            self.assertGreater(lost, 0)

    def test_clients_that_vanish_leave_nothing(self):
        daemon = self.start()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            fds = daemon.descriptors()
            for i in range(60):
                tap = Control(self.socket)
                tap.send("tap echo")
                if i % 3:
                    tap.send("stop")
                if i % 2:
                    self.assertTrue(c.echoes())
                tap.client.close()
            self.assertTrue(c.echoes())
            self.eventually(lambda: daemon.descriptors() == fds,
                            "all taps are gone")


class Change(ControlTest):
    def test_a_good_reload_waits_for_its_result(self):
        daemon = self.start()
        port = free_port()
        self.rewrite(self.control + self.echo
                     + service("new", "tcp://127.0.0.1:%d" % port))
        self.assertEqual(self.ask("reload"), [])
        with Client(("127.0.0.1", port)) as c:
            self.assertTrue(c.echoes())
        status = self.one("status", "daemon")
        self.assertEqual((status["reloads.done"], status["reloads.refused"]),
                         (1, 0))
        daemon.wait_log("reload: done")

    def test_a_bad_one_tells_all_that_is_wrong(self):
        daemon = self.start()
        self.rewrite(self.control
                     + service("echo", "tcp://127.0.0.1", extra="typo = 1"))
        with self.assertRaises(Control.Refused) as caught:
            self.ask("reload")
        self.assertEqual(str(caught.exception),
                         "reload: refused, nothing was changed")
        texts = [v["text"] for k, v in caught.exception.records]
        self.assertEqual(len(texts), 2, texts)
        self.assertIn("the port is missing", texts[0])
        self.assertIn('unknown key "typo"', texts[1])
        self.assertTrue(all(v["level"] == "err"
                            for k, v in caught.exception.records))
        # The log has the errors, too.
        daemon.wait_log("the port is missing")
        with Client(self.address) as c:
            self.assertTrue(c.echoes())

    def test_one_that_cannot_listen_says_why(self):
        self.start()
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        self.rewrite(self.control + self.echo
                     + service("new", "tcp://127.0.0.1:%d"
                               % taken.getsockname()[1]))
        with self.assertRaises(Control.Refused) as caught:
            self.ask("reload")
        texts = [v["text"] for k, v in caught.exception.records]
        self.assertEqual(len(texts), 1)
        self.assertIn("Address already in use", texts[0])
        taken.close()

    def test_one_whose_module_cannot_start_says_why(self):
        self.build_module("moody", r"""
            #include <lined/protocol.h>
            static void line(struct lined_socket *client,
                             const struct lined_line *l)
            {
                (void)client;
                (void)l;
            }
            static int start(struct lined_service *service)
            {
                lined_service_log(service, LINED_LOG_ERR, "not in the mood");
                return -1;
            }
            const struct lined_protocol lined_protocol = {
                .abi = LINED_ABI, .size = sizeof(struct lined_protocol),
                .name = "moody", .summary = "never starts", .start = start,
                .handle_line = line,
            };""")
        self.copy_module("control")
        self.start()
        self.rewrite(self.control + self.echo
                     + service("m", "tcp://127.0.0.1:%d" % free_port(),
                               protocol="moody"))
        with self.assertRaises(Control.Refused) as caught:
            self.ask("reload")
        texts = [v["text"] for k, v in caught.exception.records]
        self.assertIn("service m: not in the mood", texts)

    def test_warnings_are_told_and_do_not_refuse(self):
        self.start()
        self.rewrite(self.control
                     + service("echo", "tcp://127.0.0.1:%d" % self.port,
                               extra="limits { line-burst = 5 }"))
        (kind, message), = self.ask("reload")
        self.assertEqual((kind, message["level"]), ("message", "warning"))

    def test_drain_waits_until_it_is_over(self):
        daemon = self.start(self.echo
                            + service("other", "unix://" + self.path("o")))
        with Client(self.address) as c, Client(self.path("o")) as o:
            self.assertTrue(c.echoes())
            (kind, told), = self.ask("drain echo")
            self.assertEqual((kind, told["service"]), ("drained", "echo"))
            self.assertEqual(c.ended(), b"")
            with self.assertRaises(ConnectionRefusedError):
                Client(self.address)
            self.assertTrue(o.echoes())
            states = {v["name"]: v["state"] for _, v in self.ask("services")}
            self.assertEqual(states, {"other": "open", "echo": "drained"})
            # The next reload starts the service again.
            daemon.reload()
            with Client(self.address) as again:
                self.assertTrue(again.echoes())
            self.assertTrue(o.echoes())

    def test_drain_lets_busy_clients_finish_until_the_deadline(self):
        self.at_any_pace(self.drain_busy_clients, 2, 8, 32)

    def drain_busy_clients(self, seconds):
        self.start("drain-timeout = %ds\n" % seconds + self.echo)
        with Client(self.address, rcvbuf=4096) as c:
            c.fill(b"x" * 1000 + b"\n")
            with Control(self.socket, timeout=seconds + PATIENCE) as control, \
                    Control(self.socket, timeout=seconds + PATIENCE) as second:
                with self.within(seconds):
                    control.send("drain echo")
                    self.assertTrue(control.client.is_silent(0.5))
                    service = self.one("services echo", "service")
                    self.assertEqual(service["state"], "draining")
                    self.assertEqual(service["clients"], 1)
                    # A second request waits for the same drain.
                    second.send("drain echo")
                    self.assertTrue(second.client.is_silent(0.1))
                self.assertEqual(len(control.answer()), 1)
                self.assertEqual(len(second.answer()), 1)

    def is_gone(self):
        """Whether no socket has the datagram address."""
        with Datagram(self.address, timeout=0.05) as d:
            try:
                d.send(b"anybody?\n")
                d.receive()
            except ConnectionRefusedError:
                return True
            except socket.timeout:
                pass
        return False

    def test_what_drains_leaves_its_addresses_at_once(self):
        text = "drain-timeout = 60s\n" + service(
            "echo", "tcp://127.0.0.1:%d" % self.port,
            "udp://127.0.0.1:%d" % self.port)
        daemon = self.start(text)
        with Client(self.address, rcvbuf=4096) as c, \
                Control(self.socket) as control:
            c.fill(b"x" * 1000 + b"\n")
            control.send("drain echo")
            daemon.wait_log("service echo: draining")
            self.eventually(self.is_gone, "the datagram socket's end")
            # The service starts again, beside the old one, which still drains.
            self.ask("reload")
            with Client(self.address) as again, \
                    Datagram(self.address) as datagram:
                self.assertTrue(again.echoes())
                datagram.send(b"again\n")
                self.assertEqual(datagram.receive(), b"again\n")
                states = sorted(v["state"]
                                for _, v in self.ask("services echo"))
                self.assertEqual(states, ["draining", "open"])

    def test_drain_goes_on_without_who_asked(self):
        daemon = self.start("drain-timeout = 1s\n" + self.echo)
        with Client(self.address, rcvbuf=4096) as c:
            c.fill(b"x" * 1000 + b"\n")
            control = Control(self.socket)
            control.send("drain echo")
            daemon.wait_log("service echo: draining")
            control.client.close()
            daemon.wait_log("service echo: stopped")
        self.eventually(
            lambda: self.one("services echo", "service")["state"] == "drained",
            "it is drained")

    def test_drain_of_what_is_not_there(self):
        self.start()
        self.assertIn("there are: echo", self.refused("drain nothing"))
        self.assertIn("usage: drain SERVICE", self.refused("drain"))

    def test_a_stop_can_be_watched(self):
        daemon = self.start("drain-timeout = 60s\n" + self.echo)
        with Client(self.address, rcvbuf=4096) as c:
            c.fill(b"x" * 1000 + b"\n")
            daemon.signal(signal.SIGTERM)
            daemon.wait_log("stopping")
            status = self.one("status", "daemon")
            self.assertEqual(status["state"], "stopping")
            self.assertEqual(self.one("services", "service")["state"],
                             "draining")
            self.assertIn("refused", self.refused("reload"))
        self.assertEqual(daemon.wait(), 0)
        self.assertFalse(os.path.lexists(self.socket))


class Plan(ControlTest):
    def steps(self, text):
        with Control(self.socket) as c:
            return [(v["action"], v["service"], v["what"])
                    for k, v in c.plan(text, self.config) if k == "step"]

    def conf(self, text):
        return self.control + text + "workers = %d\n" % self.WORKERS

    def test_the_same_does_nothing(self):
        self.start()
        self.assertEqual(self.steps(self.conf(self.echo)), [])

    def test_what_comes_and_goes(self):
        other = "unix://" + self.path("o")
        self.start(self.echo + service("other", other))
        new = "tcp://127.0.0.1:%d" % free_port()
        with Client(self.path("o")) as c:
            self.assertTrue(c.echoes())
            steps = self.steps(self.conf(self.echo + service("new", new)))
            self.assertEqual(steps, [("begin", "new", "service"),
                                     ("open", "new", new),
                                     ("end", "other", "service"),
                                     ("close", "other", other),
                                     ("disconnect", "other", "clients")])
            self.assertTrue(c.echoes())

    def test_it_is_what_the_reload_does(self):
        self.start()
        port = free_port()
        text = self.conf(service("echo", "tcp://127.0.0.1:%d" % port,
                                 extra="limits { clients = 5 }\n"
                                       "framing { line-length = 10 }\n"
                                       'access { deny = { "10.0.0.0/8" } }'))
        self.assertEqual(self.steps(text), [
            ("change", "echo", "limits"), ("change", "echo", "framing"),
            ("change", "echo", "access"),
            ("open", "echo", "tcp://127.0.0.1:%d" % port),
            ("close", "echo", "tcp://127.0.0.1:%d" % self.port)])
        with self.assertRaises(ConnectionRefusedError):
            Client(("127.0.0.1", port))
        self.rewrite(text)
        self.ask("reload")
        self.assertEqual(self.steps(text), [])
        with Client(("127.0.0.1", port)) as c:
            self.assertTrue(c.echoes())

    def test_owners_of_sockets(self):
        local = "unix://" + self.path("o")
        self.start(service("echo", local))
        for key in ("socket-owner = root", "socket-group = daemon",
                    "socket-mode = 0600"):
            self.assertEqual(
                self.steps(self.conf(service("echo", local, extra=key))),
                [("change", "echo", "socket-mode")], key)

    def test_an_owner_that_nobody_knows_is_a_warning(self):
        self.start()
        text = self.conf(service("echo", "unix://" + self.path("o"),
                                 extra="socket-owner = no-such"))
        with Control(self.socket) as c:
            messages = [(v["level"], v["text"].split(": ", 1)[1])
                        for k, v in c.plan(text, self.config)
                        if k == "message"]
        self.assertEqual(messages, [
            ("warning", 'service "echo": socket-owner "no-such": no such '
                        'user on this machine')])

    def test_another_protocol_disconnects(self):
        self.start()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            steps = self.steps(self.conf(service(
                "echo", "tcp://127.0.0.1:%d" % self.port, protocol="chat")))
            self.assertEqual(steps, [("restart", "echo", "protocol"),
                                     ("disconnect", "echo", "clients")])

    def test_an_address_moves(self):
        self.start()
        steps = self.steps(self.conf(service(
            "other", "tcp://127.0.0.1:%d" % self.port)))
        self.assertEqual(steps, [
            ("begin", "other", "service"),
            ("move", "other", "tcp://127.0.0.1:%d" % self.port),
            ("end", "echo", "service")])

    def test_a_drained_service_would_begin_again(self):
        self.start()
        self.ask("drain echo")
        self.assertEqual(self.steps(self.conf(self.echo)), [
            ("begin", "echo", "service"),
            ("open", "echo", "tcp://127.0.0.1:%d" % self.port)])

    def test_what_needs_a_restart(self):
        self.start(level=None)
        text = (self.control + self.echo + "workers = %d\nuser = nobody\n"
                % (self.WORKERS + 1) + "log { level = debug }\n")
        self.assertEqual(self.steps(text), [("ignore", "", "workers"),
                                            ("ignore", "", "user"),
                                            ("change", "", "log")])

    def test_a_level_that_was_set_by_hand_goes(self):
        self.start(level=None)
        text = self.conf(self.echo)
        self.ask("log err")
        self.assertEqual(self.steps(text), [("change", "", "log")])
        self.assertEqual(self.steps(text + "log { level = err }\n"), [])
        self.ask("reload")
        self.assertEqual(self.steps(text), [])

    def test_the_command_line_wins_over_the_log_section(self):
        self.start(level="info")
        text = self.conf(self.echo)
        self.assertEqual(self.steps(text + "log { level = debug }\n"), [])
        self.assertEqual(self.steps(text + "log { access = false }\n"),
                         [("change", "", "log")])

    def test_what_waits_for_a_restart_is_not_what_runs(self):
        self.start()
        with open(self.config) as file:
            now = file.read()
        later = now + "user = nobody\n"
        self.write(later)
        self.ask("reload")
        self.assertEqual(self.steps(later), [("ignore", "", "user")])
        self.assertEqual(self.steps(now), [])

    def test_control_and_metrics_are_planned_too(self):
        self.start()
        page = "tcp://127.0.0.1:%d" % free_port()
        text = (self.echo + 'metrics { listen = "%s" }\n' % page
                + "workers = %d\n" % self.WORKERS)
        self.assertEqual(self.steps(text), [
            ("begin", "metrics", "service"), ("open", "metrics", page),
            ("end", "control", "service"),
            ("close", "control", "unix://" + self.socket),
            ("disconnect", "control", "clients")])

    def test_errors_are_told_with_their_places(self):
        self.start()
        with Control(self.socket) as c:
            with self.assertRaises(Control.Refused) as caught:
                c.plan("workers = 1\nworkerz = 2\n" + self.echo,
                       "/some/where.conf")
            (kind, message), = caught.exception.records
            self.assertEqual(kind, "message")
            self.assertRegex(message["text"],
                             r'^/some/where\.conf:2: unknown key "workerz"')
            # The connection can send further requests.
            self.assertEqual(c.plan(self.conf(self.echo)), [])
            self.assertEqual(len(c.ask("services")), 1)

    def test_a_file_that_cannot_be_one(self):
        self.start()
        for line in ("plan 5", "plan x y", "plan -1 x", "plan 9999999 x",
                     "plan 99999999999999999999 x"):
            with Control(self.socket) as c:
                with self.assertRaises(Control.Refused):
                    c.ask(line)
                self.assertEqual(c.client.rest(), b"")
        with Control(self.socket) as c:
            c.client.send(b"plan 10 x\nabc")
            c.client.half_close()
            with self.assertRaisesRegex(Control.Refused, "shorter"):
                c.answer()
        with Control(self.socket) as c:
            records = c.ask("plan 0 x")
            self.assertIn("there is no service", str(records))


# ---- bad company -----------------------------------------------------------


class Abuse(ControlTest):
    def test_unknown_commands_and_arguments(self):
        self.start()
        self.assertIn('unknown command "bogus"', self.refused("bogus"))
        with Control(self.socket) as c:
            c.client.send(b"\xff\xc3 x\n")
            self.assertIn(r'unknown command "\xff\xc3"', c.record()[1]["error"])
        self.assertIn("takes no argument", self.refused("status now"))
        self.assertIn("usage: why ADDRESS", self.refused("why"))
        with Control(self.socket) as c:
            c.client.send(b"\n  \n\t\r\n  status  \r\n")
            self.assertEqual(c.answer()[0][0], "daemon")

    def test_commands_are_answered_in_order(self):
        self.start()
        with Control(self.socket) as c:
            c.client.send(b"services\nstatus\nclients\nkick 99\nservices\n")
            c.client.half_close()
            self.assertEqual(c.answer()[0][0], "service")
            self.assertEqual(c.answer()[0][0], "daemon")
            self.assertEqual(c.answer(), [])
            with self.assertRaises(Control.Refused):
                c.answer()
            self.assertEqual(c.answer()[0][0], "service")
            self.assertEqual(c.client.rest(), b"")

    def test_a_command_without_its_end_is_obeyed(self):
        self.start()
        with Control(self.socket) as c:
            c.client.send(b"status")
            c.client.half_close()
            self.assertEqual(c.answer()[0][0], "daemon")

    def test_an_endless_line(self):
        self.start()
        with Control(self.socket) as c:
            c.client.send(b"x" * 100000)
            self.assertIn(b'"error":"the line is too long"', c.client.ended())

    def test_nobody_is_answered_who_has_gone(self):
        """Thousands of commands on connections that are closed at once cost
        nearly nothing, but their changes are made."""
        self.control += ('metrics { listen = "unix://%s" }\n'
                         % self.path("metrics.sock"))
        daemon = self.start()
        for _ in range(20):
            for path, said in (
                    (self.socket, b"metrics\n" * 5000 + b"log debug\n"),
                    (self.path("metrics.sock"),
                     b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)):
                with Client(path, sndbuf=1 << 20) as c:
                    c.send(said)
        before = daemon.cpu_seconds()
        self.eventually(lambda: len(daemon.logged(": log debug$")) == 20,
                        "the changes")
        self.assertIn("state", self.one("status", "daemon"))
        self.assertLess(daemon.cpu_seconds() - before, 3)

    def test_many_clients_are_bounded(self):
        self.start()
        clients = []
        try:
            for _ in range(150):
                clients.append(Client(self.socket))
            # Connections beyond the limit are closed, the others stay open.
            self.eventually(
                lambda: sum(not c.is_silent(0.001) for c in clients) >= 40,
                "refusals")
        finally:
            for c in clients:
                c.close()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        self.eventually(self.answers, "there is room again")

    def answers(self):
        try:
            return bool(self.ask("status"))
        except (AssertionError, OSError):
            return False

    def test_junk(self):
        daemon = self.start()
        seed = int(os.environ.get("LINED_SEED") or 20)
        rng = random.Random(seed)
        words = [b"status", b"services", b"clients", b"kick", b"drain",
                 b"reload", b"plan", b"why", b"log", b"metrics", b"tap",
                 b"help", b"echo", b"1", b"0", b"-1", b"10 x", b"debug",
                 b"unix", b"127.0.0.1", b"\0", b"\xff", b"\"", b"\\", b"%s%n",
                 b"\r", b"\n", b"\n", b"\n", b" ", b" ", b"\t",
                 b"x" * 300, b"\033[31m"]
        with Client(self.address) as c:
            for i in range(150):
                with Client(self.socket) as control:
                    said = b"".join(
                        rng.choice(words) if rng.random() < 0.9
                        else bytes(rng.randrange(256)
                                   for _ in range(rng.randrange(40)))
                        for _ in range(rng.randrange(60)))
                    # Leaves out a drain of echo, which has its own test.
                    said = re.sub(rb"drain\s*echo", b"drain x", said)
                    said = re.sub(rb"log\s*(err|warning)", b"log x", said)
                    try:
                        control.send(said)
                        if rng.random() < 0.7:
                            control.half_close()
                            if b"tap" not in said and b"plan" not in said:
                                control.rest()
                    except ConnectionError:
                        pass
                if i % 10 == 0:
                    self.assertTrue(c.echoes())
            self.assertTrue(c.echoes())
        self.assertEqual(self.one("status", "daemon")["pid"], daemon.pid)
        self.assertFalse([line for line in daemon.log if "\033" in line])


class Stuck(ControlTest):
    """A blocked worker does not block requests."""
    WORKERS = 2

    def test_who_is_asked_about_clients_is_told(self):
        self.build_module("sleepy", r"""
            #include <unistd.h>
            #include <lined/protocol.h>
            int usleep(unsigned microseconds);
            static void line(struct lined_socket *client,
                             const struct lined_line *l)
            {
                (void)client;
                /* Until there is a file of this name. */
                while (access(l->text, F_OK) != 0)
                    usleep(10000);
            }
            const struct lined_protocol lined_protocol = {
                .abi = LINED_ABI, .size = sizeof(struct lined_protocol),
                .name = "sleepy", .summary = "sleeps", .handle_line = line,
            };""")
        self.copy_module("control")
        self.start(service("sleepy", "tcp://127.0.0.1:%d" % self.port,
                           protocol="sleepy"))
        morning = self.path("morning")
        self.addCleanup(self.touch, morning)
        with Client(self.address) as c:
            c.send(morning.encode() + b"\n")
            self.eventually(
                lambda: self.one("services", "service")["lines_in"] == 1,
                "it sleeps")
            self.assertEqual(self.one("services", "service")["clients"], 1)
            self.assertRegex(self.refused("clients"),
                             r"worker \d does not answer")
            self.assertEqual(self.one("status", "daemon")["state"], "serving")
            self.touch(morning)
            self.eventually(self.all_answer, "it wakes")

    @staticmethod
    def touch(path):
        with open(path, "w"):
            pass

    def all_answer(self):
        try:
            return len(self.clients()) == 1
        except Control.Refused:
            return False


with_workers(globals(), 3, Verbs, Tap, Change, Plan, Abuse)

if __name__ == "__main__":
    main(300)
