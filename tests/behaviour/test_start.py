#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Starts without systemd: with -d and a pid file, and by runit, s6 and
supervisord with the run files of conf/examples."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from lined_test import LINED, PATIENCE, TOP, Client, DaemonTest, environment
from lined_test import free_port, main, service

EXAMPLES = os.path.join(TOP, "conf", "examples", "host")


class Start(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.text = service("echo", "tcp://127.0.0.1:%d" % self.port)
        self.write(self.text)

    def run_here(self, *arguments, env=None, pass_fds=()):
        """Runs lined in the config's directory, with a relative path."""
        done = subprocess.run(
            [LINED, "-c", os.path.basename(self.config), "-m", self.modules,
             *arguments], cwd=os.path.dirname(self.config),
            env=environment(env), timeout=PATIENCE, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=pass_fds)
        return done.returncode, done.stderr.decode()

    def answers(self):
        try:
            with Client(self.address) as c:
                return c.echoes()
        except OSError:
            return False


class Detached(Start):
    def detach(self, *arguments):
        """Starts lined with -d and the pid file `lined.pid` beside the config.
        Returns the process id."""
        code, err = self.run_here("-d", *arguments)
        self.assertEqual(code, 0, err)
        with open(self.path("lined.pid")) as f:
            pid = int(f.read())
        self.addCleanup(self.end, pid)
        return pid

    def end(self, pid):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        self.eventually(lambda: not os.path.exists("/proc/%d" % pid),
                        "its end")

    def test_missing_syslog_is_told_by_the_command(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            has_syslog = s.connect_ex("/dev/log") == 0
        code, err = self.run_here("-d", "--pid-file", "lined.pid")
        with open(self.path("lined.pid")) as f:
            self.addCleanup(self.end, int(f.read()))
        self.assertEqual(code, 0, err)
        self.assertEqual("there is no syslog" in err, not has_syslog, err)

    def test_pid_file_contains_the_daemon_until_it_ends(self):
        pid = self.detach("--pid-file", "lined.pid")
        self.assertTrue(self.answers())
        self.assertEqual(os.readlink("/proc/%d/exe" % pid),
                         os.path.realpath(LINED))
        self.assertEqual(os.readlink("/proc/%d/cwd" % pid), "/")
        self.end(pid)
        self.assertFalse(os.path.exists(self.path("lined.pid")))

    def test_reload_finds_a_relative_config(self):
        pid = self.detach("--pid-file", "lined.pid")
        other = free_port()
        self.write(self.text + service("more",
                                       "tcp://127.0.0.1:%d" % other))
        os.kill(pid, signal.SIGHUP)
        self.address = ("127.0.0.1", other)
        self.eventually(self.answers, "the new service")

    def test_config_names_the_pid_file_from_its_own_directory(self):
        self.write('pid-file = "lined.pid"\n' + self.text)
        pid = self.detach()
        self.assertTrue(self.answers())
        self.end(pid)

    def test_second_lined_with_the_same_file_is_refused(self):
        pid = self.detach("--pid-file", "lined.pid")
        self.port = free_port()
        self.write(service("echo", "tcp://127.0.0.1:%d" % self.port))
        code, err = self.run_here("-L", "stderr", "--pid-file",
                                  self.path("lined.pid"))
        self.assertEqual(code, 3, err)
        self.assertIn("pid-file %s: is locked by process %d"
                      % (self.path("lined.pid"), pid), err)
        self.assertTrue(os.path.exists("/proc/%d" % pid))
        with open(self.path("lined.pid")) as f:
            self.assertEqual(int(f.read()), pid)

    def test_what_is_no_place_for_a_pid_file_is_refused(self):
        os.symlink(self.path("elsewhere"), self.path("link"))
        os.mkfifo(self.path("fifo"))
        for path, why in (("link", "is a symbolic link"),
                          ("fifo", "is not a regular file"),
                          ("none/x", "No such file or directory"),
                          (".", "Is a directory")):
            with self.subTest(path):
                code, err = self.run_here("-L", "stderr", "--pid-file",
                                          self.path(path))
                self.assertEqual(code, 3, err)
                self.assertIn("pid-file %s: %s" % (self.path(path), why), err)
        self.assertFalse(os.path.exists(self.path("elsewhere")))

    def test_user_that_may_not_remove_the_pid_file_empties_it(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        os.mkdir(self.path("run"))
        os.chmod(self.path("run"), 0o755)
        self.write('user = "daemon"\npid-file = "run/lined.pid"\n' + self.text)
        daemon = self.launch(self.arguments())
        daemon.wait_log("lined .*: 1 service")
        self.eventually(lambda: os.path.getsize(self.path("run/lined.pid")),
                        "the number")
        with open(self.path("run/lined.pid")) as f:
            self.assertEqual(int(f.read()), daemon.pid)
        daemon.stop()
        self.assertEqual(os.path.getsize(self.path("run/lined.pid")), 0)

    def test_changed_pid_file_needs_a_restart(self):
        daemon = self.start(self.text)
        self.write('pid-file = "lined.pid"\n' + self.text)
        place = daemon.reload()
        daemon.wait_log("^<4>reload: pid-file: a change needs a restart",
                        place)


class WithoutIpv6(Start):
    """On a host without IPv6 in its kernel."""
    PREFIX = ["unshare", "-r", "-n", "sh", "-c",
              "ip link set lo up && "
              "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && "
              "exec \"$0\" \"$@\""]

    def setUp(self):
        super().setUp()
        if subprocess.run(self.PREFIX + ["true"],
                          stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("may not make a network namespace without IPv6")

    def test_both_families_are_the_one_that_there_is(self):
        daemon = self.start(
            service("a", "tcp://localhost:7001")
            + service("b", "tcp://*:7002")
            + service("c", "udp://localhost:7003"), prefix=self.PREFIX)
        for address in "tcp://localhost:7001", "tcp://*:7002", \
                "udp://localhost:7003":
            self.assertTrue(daemon.logged("listening on " + re.escape(address)))

    def test_an_address_of_the_other_says_what_to_do(self):
        log = self.start_fails(service("a", "tcp://[::1]:7001"), 3,
                               prefix=self.PREFIX)
        self.assertIn("this host has no IPv6: remove the address", log)

    def test_no_example_has_one(self):
        conf = os.path.join(TOP, "conf")
        for folder, _, names in os.walk(conf):
            for name in names:
                with open(os.path.join(folder, name)) as f:
                    for line in f:
                        if not line.lstrip().startswith("#"):
                            self.assertNotIn("://[:", line, name)


class Watched(Start):
    def test_valgrind_runs_it(self):
        """lined starts its other processes from /proc/self/exe, which under
        valgrind is valgrind itself."""
        if not shutil.which("valgrind"):
            self.skipTest("valgrind is not installed")
        daemon = self.start(self.text)
        if daemon.is_sanitized():
            self.skipTest("a sanitizer and valgrind do not mix")
        daemon.stop()
        self.start(self.text, prefix=["valgrind", "--tool=none"])
        self.assertTrue(self.answers())


class Notified(Start):
    def test_descriptor_gets_a_newline_when_addresses_are_open(self):
        ours, its = os.pipe()
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", LINED, "-c", self.config, "-m",
             self.modules, "--notify-fd", str(its)], pass_fds=[its],
            env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            os.close(its)
            with os.fdopen(ours, "rb") as f:
                # lined writes nothing else, and closes the descriptor.
                self.assertEqual(f.read(), b"\n")
            self.assertTrue(self.answers())
        finally:
            process.terminate()
            self.assertEqual(process.wait(PATIENCE), 0)

    def test_failed_start_says_nothing(self):
        ours, its = os.pipe()
        with Client(self.listener()):
            code, err = self.run_here("-L", "stderr", "--notify-fd", str(its),
                                      pass_fds=[its])
        os.close(its)
        self.assertEqual(code, 3, err)
        with os.fdopen(ours, "rb") as f:
            self.assertEqual(f.read(), b"")

    def listener(self):
        s = socket.socket()
        self.addCleanup(s.close)
        s.bind(self.address)
        s.listen()
        return self.address


class Supervised(Start):
    """The run files of conf/examples, with the real programs."""

    def need(self, *programs):
        for program in programs:
            if not shutil.which(program):
                self.skipTest(program + " was not found")

    def example(self, name, to):
        """Copies a run file, changed to start this build with the test's
        config."""
        with open(os.path.join(EXAMPLES, name)) as f:
            text = f.read()
        self.assertIn("/usr/local/sbin/lined", text)
        self.assertIn("/usr/local/etc/lined/lined.conf", text)
        text = text.replace("/usr/local/sbin/lined",
                            "%s -m %s" % (LINED, self.modules))
        text = text.replace("/usr/local/etc/lined/lined.conf", self.config)
        with open(to, "w") as f:
            f.write(text)
        os.chmod(to, 0o755)

    def supervise(self, *argv):
        """Starts a supervisor, which passes its output to a file."""
        out = open(self.path("out"), "wb")
        self.addCleanup(out.close)
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *argv], env=environment(),
            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.addCleanup(self.end_supervisor, process)
        return process

    @staticmethod
    def end_supervisor(process):
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def control(self, *argv):
        done = subprocess.run(argv, env=environment(), timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        return done.stdout.decode()

    def output(self):
        with open(self.path("out")) as f:
            return f.read()

    def reloads(self, *argv):
        """Checks that the supervisor's command for SIGHUP makes lined use the
        new config."""
        other = free_port()
        self.write(self.text + service("more", "tcp://127.0.0.1:%d" % other))
        first, self.address = self.address, ("127.0.0.1", other)
        self.control(*argv)
        self.eventually(self.answers, "the new service")
        self.address = first

    def test_runit(self):
        self.need("runsv", "sv")
        place = self.path("sv")
        os.mkdir(place)
        self.example("runit-run", place + "/run")
        self.supervise("runsv", place)
        self.eventually(self.answers, "an answer")
        self.reloads("sv", "hup", place)
        self.control("sv", "-w", "20", "stop", place)
        self.assertFalse(self.answers())
        self.assertIn("<5>stopped\n", self.output())
        self.control("sv", "exit", place)

    def test_s6(self):
        self.need("s6-supervise", "s6-svc", "s6-svwait")
        place = self.path("s6")
        os.mkdir(place)
        self.example("s6-run", place + "/run")
        with open(place + "/notification-fd", "w") as f:
            f.write("3\n")
        self.supervise("s6-supervise", place)
        self.eventually(lambda: os.path.exists(place + "/supervise/control"),
                        "s6-supervise")
        # lined reports by the descriptor that it is ready.
        self.control("s6-svwait", "-U", "-t", "15000", place)
        self.assertTrue(self.answers())
        self.reloads("s6-svc", "-h", place)
        self.control("s6-svc", "-wD", "-T", "15000", "-d", place)
        self.assertFalse(self.answers())
        self.control("s6-svc", "-x", place)

    def test_supervisord(self):
        self.need("supervisord", "supervisorctl")
        conf = self.path("supervisord.conf")
        self.example("supervisord.conf", conf)
        with open(conf, "a") as f:
            f.write("stdout_logfile=%s\n" % self.path("log"))
            f.write("[supervisord]\nnodaemon=true\nlogfile=/dev/null\n"
                    "logfile_maxbytes=0\npidfile=%s\n" % self.path("pid"))
            f.write("[unix_http_server]\nfile=%s\n" % self.path("ctl"))
            f.write("[supervisorctl]\nserverurl=unix://%s\n"
                    % self.path("ctl"))
            f.write("[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory"
                    " = supervisor.rpcinterface:make_main_rpcinterface\n")
        self.supervise("supervisord", "-c", conf)
        self.eventually(self.answers, "an answer")
        ctl = ["supervisorctl", "-c", conf]
        self.reloads(*ctl, "signal", "HUP", "lined")
        self.assertIn("listening on", self.control(*ctl, "tail", "lined"))
        # After an error in the config, lined is not started again and again.
        self.control(*ctl, "stop", "lined")
        self.write("service")
        subprocess.run(ctl + ["start", "lined"], env=environment(),
                       stdout=subprocess.DEVNULL, timeout=PATIENCE)
        time.sleep(1.5)
        with open(self.path("log")) as f:
            self.assertLessEqual(f.read().count("syntax error"), 4)


if __name__ == "__main__":
    main(180)
