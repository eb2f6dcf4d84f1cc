#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rights that lined gives up at its start: a module tries to use them.
Everything else must work without them: reloads that read new files and load
modules, sockets in new directories, programs, devices."""
import errno
import glob
import os
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import unittest

from lined_test import LINED, PATIENCE, TOP, Client, DaemonTest, free_port
from lined_test import landlock_version, main, service

DENIED = "Permission denied"
REFUSED = "Operation not permitted"
FAMILY = "Address family not supported by protocol"
HERE = os.path.dirname(os.path.abspath(__file__))


def has_seccomp():
    done = subprocess.run(["ldd", LINED], stdout=subprocess.PIPE)
    return b"libseccomp" in done.stdout


def sanitized():
    with open(LINED, "rb") as f:
        return b"__asan_init" in f.read() or b"__tsan_init" in f.read()


class Hardening(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        with open(os.path.join(HERE, "..", "modules", "tries.c")) as f:
            self.build_module("tries", f.read())
        self.file = self.path("file")
        with open(self.file, "w") as f:
            f.write("text\n")
        os.chmod(self.file, 0o666)

    def start_tries(self, hardening="", more="", **how):
        self.text = "%s\n%s" % (
            service("tries", "tcp://127.0.0.1:%d" % self.port,
                    protocol="tries"), more)
        if hardening:
            self.text += "hardening { %s }\n" % hardening
        return self.start(self.text, **how)

    def tries(self, *lines):
        """Returns the module's answer to each line."""
        with Client(("127.0.0.1", self.port)) as c:
            for line in lines:
                c.send(line.encode() + b"\n")
            return [c.line().decode().rstrip("\n") for _ in lines]

    def expect(self, answer, *lines):
        for line, got in zip(lines, self.tries(*lines)):
            with self.subTest(line=line):
                self.assertEqual(got, answer)

    def threads(self, daemon, key):
        values = []
        for status in glob.glob("/proc/%d/task/*/status" % daemon.pid):
            with open(status) as f:
                values += [line.split()[1] for line in f
                           if line.startswith(key + ":")]
        return values

    def helper(self, daemon):
        """The helper's process, from the list of lined's children."""
        found = []
        for children in glob.glob("/proc/%d/task/*/children" % daemon.pid):
            with open(children) as f:
                for pid in f.read().split():
                    with open("/proc/%s/cmdline" % pid) as g:
                        if g.read().startswith("lined-helper"):
                            found.append(int(pid))
        self.assertEqual(len(found), 1)
        return found[0]

    # ---- what is given up ----------------------------------------------

    def test_every_thread_has_no_new_privileges(self):
        daemon = self.start_tries(workers=3)
        daemon.wait_log("hardening: no-new-privileges on")
        values = self.threads(daemon, "NoNewPrivs")
        # There are three workers, the main thread, and the log thread.
        self.assertGreaterEqual(len(values), 5)
        self.assertEqual(set(values), {"1"})

    @unittest.skipIf(os.geteuid() != 0, "only root can be dropped")
    def test_workers_cannot_bind_low_ports(self):
        os.chmod(self.dir, 0o755)
        daemon = self.start_tries(more='user = "daemon"', workers=3)
        rights = {}
        for task in glob.glob("/proc/%d/task/*" % daemon.pid):
            with open(task + "/comm") as f:
                name = f.read().strip()
            with open(task + "/status") as f:
                rights[name] = {line.split()[1] for line in f
                                if line.startswith(("CapPrm:", "CapEff:"))}
        self.assertEqual(rights["lined"], {"%016x" % (1 << 10)})
        for worker in range(3):
            self.assertEqual(rights["lined/%d" % worker], {"%016x" % 0})

    @unittest.skipUnless(landlock_version() > 0, "no Landlock here")
    def test_module_cannot_write_remove_or_execute(self):
        self.start_tries()
        new = self.path("new")
        self.expect(DENIED, "write " + self.file, "truncate " + self.file,
                    "remove " + self.file, "rename " + self.file,
                    "create " + new, "mkdir " + new)
        if not has_seccomp():
            self.expect(DENIED, "exec /bin/true")
        with open(self.file) as f:
            self.assertEqual(f.read(), "text\n")
        self.assertFalse(os.path.exists(new))
        self.expect("done", "read " + self.file, "list " + self.dir,
                    "write /dev/null", "bind " + self.path("new.sock"),
                    "thread")

    @unittest.skipUnless(landlock_version() > 0, "no Landlock here")
    def test_module_writes_where_the_config_says(self):
        os.mkdir(self.path("data"))
        os.chmod(self.path("data"), 0o777)
        self.start_tries('writable = { "data", "%s" }' % self.file)
        self.expect("done", "create " + self.path("data/x"),
                    "rename " + self.path("data/x"),
                    "mkdir " + self.path("data/y"), "write " + self.file,
                    "truncate " + self.file)
        self.expect(DENIED, "create " + self.path("z"), "remove " + self.file)

    def test_writable_path_that_is_missing_is_a_warning(self):
        daemon = self.start_tries(
            'writable = { "/nowhere/at-all", "/etc/passwd/x" }')
        daemon.wait_log("^<4>hardening: writable /nowhere/at-all: "
                        "No such file or directory")
        daemon.wait_log("^<4>hardening: writable /etc/passwd/x: "
                        "Not a directory")
        if landlock_version() > 0:  # otherwise they are not given up
            daemon.wait_log("hardening: .*landlock on")

    @unittest.skipUnless(has_seccomp(), "built without libseccomp")
    def test_module_makes_no_forbidden_system_call(self):
        daemon = self.start_tries(workers=2)
        self.assertEqual(set(self.threads(daemon, "Seccomp")), {"2"})
        calls = ["exec /bin/true", "unshare", "setuid", "tiocsti"]
        calls += """process_vm_readv process_vm_writev bpf userfaultfd
            perf_event_open io_uring_setup keyctl add_key init_module
            finit_module mount umount2 chroot pivot_root reboot kexec_load
            swapon personality clock_settime sethostname setns""".split()
        if not sanitized():
            calls.append("ptrace")
        self.expect(REFUSED, *calls)
        self.expect(FAMILY, "netlink", "packet", "alg", "vsock", "bluetooth",
                    "ax25")
        self.expect("done", "unix", "inet", "inet6", "route", "thread")

    # ---- choices --------------------------------------------------------

    def test_each_part_can_be_off(self):
        daemon = self.start_tries(
            'no-new-privileges = "off" landlock = "off" seccomp = "off"')
        daemon.wait_log("hardening: no-new-privileges off, landlock off, "
                        "seccomp off$")
        self.assertEqual(set(self.threads(daemon, "NoNewPrivs")), {"0"})
        self.assertEqual(set(self.threads(daemon, "Seccomp")), {"0"})
        self.expect("done", "write " + self.file, "personality")

    @unittest.skipIf(has_seccomp(), "built with libseccomp")
    def test_what_must_be_on_and_cannot_ends_the_start(self):
        code, err = self.start_fails(
            service("echo", "tcp://127.0.0.1:%d" % self.port)
            + '\nhardening { seccomp = "on" }\n')
        self.assertEqual(code, 3)
        self.assertIn("hardening: seccomp: lined was built without libseccomp",
                      err)

    def test_changed_section_needs_a_restart(self):
        daemon = self.start_tries()
        self.write(self.text + 'hardening { landlock = "off" }\n')
        daemon.reload()
        daemon.wait_log("^<4>reload: hardening: a change needs a restart")

    def test_unknown_word_is_an_error(self):
        code, err = self.check('hardening { seccomp = "maybe" }\n')
        self.assertEqual(code, 1)
        self.assertRegex(err, r"lined.conf:\d+: hardening: seccomp")

    # ---- what goes on ---------------------------------------------------

    def test_reload_reads_new_files_and_loads_a_module(self):
        daemon = self.start_tries()
        port = free_port()
        os.mkdir(self.path("later"))
        with open(self.path("later/more.conf"), "w") as f:
            f.write(service("echo", "tcp://127.0.0.1:%d" % port,
                            "unix://" + self.path("later/echo.sock")))
        self.write(self.text + 'include("later/*.conf")\n')
        daemon.reload()
        with Client(("127.0.0.1", port)) as c:
            c.send(b"hello\n")
            self.assertEqual(c.line(), b"hello\n")
        with Client(self.path("later/echo.sock")) as c:
            c.send(b"hello\n")
            self.assertEqual(c.line(), b"hello\n")
        # lined also removes the sockets that it has made there.
        self.write(self.text)
        daemon.reload()
        self.eventually(lambda: os.listdir(self.path("later")) == ["more.conf"],
                        "the socket's end")

    def test_helper_removes_no_file_and_opens_no_file(self):
        self.start_tries()
        self.expect("No such device", "device " + self.file)
        self.expect("done", "device /dev/null")
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        os.chmod(fifo, 0o666)
        self.expect("done", "device " + fifo)

    def test_no_descriptor_is_left_for_a_device(self):
        daemon = self.start_tries()
        with Client(("127.0.0.1", self.port)) as c:
            c.send(b"thread\n")
            self.assertEqual(c.line(), b"done\n")
            used = {int(fd) for fd in os.listdir("/proc/%d/fd" % daemon.pid)}
            free = min(set(range(len(used) + 1)) - used)
            limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE,
                             (free, limits[1]))
            c.send(b"device /dev/null\n")
            self.assertEqual(c.line(), b"Too many open files\n")
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)

    def test_programs_are_not_hardened(self):
        self.copy_module("exec")
        port = free_port()
        made = self.path("made")
        os.mkdir(made)
        os.chmod(made, 0o777)
        daemon = self.start_tries(more=service(
            "writer", "tcp://127.0.0.1:%d" % port, protocol="exec",
            extra='exec { mode = "each" command = { "sh", "-c", '
            '\'grep Seccomp: /proc/self/status; echo x >%s/it; cat\' } }'
            % made))
        with Client(("127.0.0.1", port)) as c:
            self.assertEqual(c.line().split(), [b"Seccomp:", b"0"])
            c.send(b"hello\n")
            self.assertEqual(c.line(), b"hello\n")
        self.assertEqual(os.listdir(made), ["it"])
        # lined is still the parent, and reaps its children.
        daemon.reload()
        self.helper(daemon)

    def test_without_its_helper_a_reload_is_refused(self):
        daemon = self.start_tries()
        helper = self.helper(daemon)
        os.kill(helper, signal.SIGKILL)
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("lined.conf: the process that reads it cannot be "
                        "started: the helper process has ended: restart lined")
        daemon.wait_log("reload: refused")
        daemon.signal(signal.SIGHUP)
        self.eventually(lambda: len(daemon.logged("reload: refused")) == 2,
                        "the second")
        self.assertEqual(len(daemon.logged(
            "^<3>the helper process has ended: restart lined")), 1)
        self.assertFalse(os.path.exists("/proc/%d" % helper))  # no zombie
        self.expect("done", "thread")

    def test_helper_ends_with_lined(self):
        daemon = self.start_tries()
        helper = self.helper(daemon)
        os.kill(helper, signal.SIGTERM)
        daemon.reload()
        daemon.kill()
        self.eventually(lambda: not os.path.exists("/proc/%d/fd/0" % helper),
                        "the helper's end")


class Processes(unittest.TestCase):
    """The helper and the keeper, with the test at lined's end of their sockets.
    """
    REMOVABLE, SPAWN, REMOVE = range(3)
    SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM,
               signal.SIGUSR1, signal.SIGUSR2)

    def begin(self, name):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX,
                                              socket.SOCK_SEQPACKET)
        self.sock.settimeout(PATIENCE)
        self.process = subprocess.Popen([name], executable=LINED,
                                        stdin=theirs)
        theirs.close()
        self.addCleanup(self.process.wait)
        self.addCleanup(self.sock.close)

    def ask_helper(self, kind=REMOVABLE, path="", fds=()):
        """The helper's answer and its errno."""
        request = struct.pack("=ii4096s", kind, 0, os.fsencode(path))
        socket.send_fds(self.sock, [request], fds)
        return struct.unpack("=ii", self.sock.recv(100))

    def ask_keeper(self, fds=()):
        """Returns the kind, number and errno of the report about a program that
        does not exist."""
        request = struct.pack("=IIiiIIIIQQQ", 0, 7, 0, 0, 0, 0, 0, 0, 0,
                              0, 0)
        socket.send_fds(self.sock, [request + b"/nowhere\0/\0"], fds)
        report = struct.unpack("=IIiiii", self.sock.recv(100))
        return report[0], report[1], report[3]

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def test_helper_takes_three_descriptors(self):
        self.begin("lined-helper")
        self.ask_helper()
        before = self.descriptors()
        self.assertEqual(
            self.ask_helper(self.REMOVE, "/nowhere/x", [0, 0, 0, 0]),
            (-1, errno.ENOENT))
        self.ask_helper()
        self.assertEqual(self.descriptors(), before)

    def test_helper_removes_sockets_and_one_file(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        one, other, local = (os.path.join(directory, name)
                             for name in ("one", "other", "socket"))
        for path in one, other:
            open(path, "w").close()
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(local)
        for first, second in ((one, other), ("", other)):
            self.begin("lined-helper")
            self.assertEqual(self.ask_helper(self.REMOVABLE, first), (0, 0))
            self.assertEqual(self.ask_helper(self.REMOVABLE, second),
                             (-1, errno.EINVAL))
            self.assertEqual(self.ask_helper(self.REMOVE, second),
                             (-1, errno.EPERM))
        for path, answer in ((one, (-1, errno.EPERM)), (local, (0, 0)),
                             (local, (-1, errno.ENOENT))):
            self.assertEqual(self.ask_helper(self.REMOVE, path), answer)
        self.assertEqual(sorted(os.listdir(directory)), ["one", "other"])

    def test_keeper_takes_three_descriptors(self):
        self.begin("lined-programs")
        seen = set()
        for fds, error in (([0, 0, 0], errno.ENOENT), ([], errno.EMFILE),
                           ([0, 0, 0, 0], errno.ENOENT), ([], errno.EMFILE)):
            self.assertEqual(self.ask_keeper(fds), (1, 7, error))
            if not fds:  # the descriptors of the previous request are closed
                seen.add(self.descriptors())
        self.assertEqual(len(seen), 1, seen)

    def test_signals_for_lined_do_not_end_them(self):
        for name, asks in (("lined-helper", self.ask_helper),
                           ("lined-programs", self.ask_keeper)):
            with self.subTest(name):
                self.begin(name)
                asks()
                for number in self.SIGNALS:
                    os.kill(self.process.pid, number)
                asks()


if __name__ == "__main__":
    main()
