#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The log: its targets, the form of its lines, and that neither clients nor
readers of the log can do harm."""
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess

from lined_test import LINED, PATIENCE, Client, Datagram, DaemonTest
from lined_test import environment, free_port, main, service

TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
JOURNALD = "/lib/systemd/systemd-journald"
JOURNAL_STEPS = r"""
journald=$1
shift
mount -t tmpfs tmpfs /run && mkdir -p /run/log/journal || exit 77
$journald 2>/dev/null &
journal=$!
for i in $(seq 50); do
	[ -S /run/systemd/journal/socket ] && break
	sleep 0.1
done
[ -S /run/systemd/journal/socket ] || { kill $journal; exit 77; }
env -u NOTIFY_SOCKET "$@" &
lined=$!
sleep 1
kill $lined
wait $lined
for i in $(seq 50); do
	journalctl -q -D /run/log/journal -o json >/run/out
	grep -q '"MESSAGE":"stopped"' /run/out && break
	sleep 0.1
done
cat /run/out
kill $journal
wait $journal
exit 0
"""
EVIL = b"\x1b[31mred\x1b]0;title\x07\x08\x7f\x9b2J\xff\0<0>fake\rmore"


class Log(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.text = service("echo", "tcp://127.0.0.1:%d" % self.port,
                            extra="\tlimits { connect-rate-per-address = 0 }")

    def assert_clean(self, daemon):
        for line in daemon.log:
            self.assertRegex(line, r"^<[0-7]>[\x20-\x7e]+$")

    @staticmethod
    def told(daemon):
        """The log without the warning about root."""
        return [line for line in daemon.log
                if not re.match("<4>.*as root", line)]

    def test_each_line_has_its_priority(self):
        daemon = self.start(self.text, level="debug")
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.wait_log(r"^<6>client \d+ 127\.0\.0\.1:\d+: .*closed")
        daemon.stop()
        self.assert_clean(daemon)
        for number in (5, 6):
            self.assertTrue(daemon.logged("^<%d>" % number))
        self.assertFalse([t for t in self.told(daemon)
                          if re.match("<[0-4]>", t)])

    def test_a_connection_leaves_an_access_line(self):
        extra = "\tlimits { first-line-timeout = 200ms }"
        unix = self.path("a sock")
        for workers in (1, 2):
            daemon = self.start(
                service("echo", "tcp://127.0.0.1:%d" % self.port,
                        "unix://" + unix, extra=extra), workers=workers)
            with Client(self.address) as c:
                peer = "127.0.0.1:%d" % c.sock.getsockname()[1]
                self.assertTrue(c.echoes(b"one\n"))
                self.assertTrue(c.echoes(b"three\n"))
            daemon.wait_log(
                r"^<6>client 1 %s: access: service=echo listen=tcp://%s:%d "
                r"duration=\d+\.\d{3} lines_in=2 bytes_in=10 bytes_out=10 "
                r"queued=0 reason=peer$" % ((peer,) + self.address))
            with Client(unix) as c:
                self.assertEqual(c.ended(), b"")
            daemon.wait_log(
                r"^<6>client 2 unix: access: service=echo listen=unix://%s "
                r"duration=0\.[2-9]\d\d lines_in=0 bytes_in=0 bytes_out=0 "
                r"queued=0 reason=timeout,first_line$"
                % re.escape(unix.replace(" ", "_")))
            daemon.stop()

    def test_access_lines_are_switched_off_by_a_reload(self):
        daemon = self.start(self.text)
        self.write("log { access = false }\n" + self.text)
        place = daemon.reload()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.wait_log("closed: peer", place)
        daemon.stop()
        self.assertFalse(daemon.logged("access:", place))

    def test_the_level_is_kept_to(self):
        def lines(level):
            port = free_port()
            daemon = self.start(service("echo", "tcp://127.0.0.1:%d" % port),
                                level=level)
            with Client(("127.0.0.1", port)) as c:
                self.assertTrue(c.echoes())
            daemon.stop()
            return self.told(daemon)
        self.assertEqual(lines("err"), [])
        self.assertEqual(lines("warning"), [])
        notice, info, debug = lines("notice"), lines("info"), lines("debug")
        self.assertTrue(0 < len(notice) < len(info) <= len(debug))
        self.assertFalse([t for t in notice if "client" in t
                          and re.match("<[67]>", t)])
        self.assertFalse([t for t in info if t.startswith("<7>")])

    def test_the_level_of_the_config(self):
        daemon = self.start('log { level = "warning" }\n' + self.text,
                            level=None)
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.stop()
        self.assertEqual(self.told(daemon), [])

    def test_bytes_of_a_peer_are_escaped(self):
        daemon = self.start(self.text, level="debug")
        with Client(self.address) as c:
            self.assertTrue(c.echoes(EVIL + b"\n"))
            self.assertTrue(c.echoes(b"100%s%n%n%d\n"))
        daemon.stop()
        self.assert_clean(daemon)
        self.assertFalse(daemon.logged("^<0>"))
        self.assertEqual(len(daemon.logged(
            r"^<7>client \d+ 127\.0\.0\.1:\d+: line: 100%s%n%n%d$")), 1)
        self.assertEqual(len(daemon.logged("^<7>client .*: line: ")), 2)

    def test_datagrams_and_long_lines_are_lines_too(self):
        udp = free_port()
        daemon = self.start(
            self.text + service("udp", "udp://127.0.0.1:%d" % udp),
            level="debug")
        with Datagram(("127.0.0.1", udp)) as d:
            d.send(b"a\nb\n")
            self.assertEqual(d.receive(), b"a\nb\n")
        with Client(self.address) as c:
            self.assertTrue(c.echoes(b"x" * 8000 + b"\n"))
        daemon.stop()
        for text in ("a$", "b$", r"x{500,1000}\.\.\.$"):
            self.assertEqual(len(daemon.logged("^<7>.*: line: " + text)), 1)

    def test_lines_are_logged_by_a_reload(self):
        log = 'log { level = "%s" }\n'
        daemon = self.start(log % "info" + self.text, level=None)
        with Client(self.address) as c:
            self.assertTrue(c.echoes(b"one\n"))
            for level in ("debug", "info"):
                self.write(log % level + self.text)
                daemon.reload()
                self.assertTrue(c.echoes(level.encode() + b"\n"))
        daemon.stop()
        self.assertEqual(len(daemon.logged(": line: ")), 1)
        self.assertEqual(len(daemon.logged(": line: debug$")), 1)

    def test_bytes_of_the_config_are_escaped(self):
        with open(self.config, "wb") as f:
            f.write(b'service "a\x1b[31mb" {\n\tprotocol = "ec\x07ho\xff"\n'
                    b'\tlisten = { "tcp://\x9b2J:7" }\n}\n')
        code, out = self.check()
        self.assertEqual(code, 1)
        self.assertRegex(out, r"\A[\x20-\x7e\n]+\Z")

    def test_repeats_are_told_as_a_number(self):
        daemon = self.start(service(
            "echo", "tcp://127.0.0.1:%d" % self.port,
            extra='access { deny = { "127.0.0.0/8" } }'))
        place = daemon.mark()
        for _ in range(1000):
            with Client(self.address) as c:
                self.assertFalse(c.echoes())
        daemon.wait_log(r"\d+ .*suppressed|suppressed.* \d+", place)
        self.assertLess(len(daemon.log) - place, 500)

    def test_refusals_of_one_service_or_address_hide_no_other(self):
        other = free_port()
        extra = 'access { deny = { "127.0.0.0/8" } }' \
                'limits { connect-rate-per-address = 0 }'
        daemon = self.start(
            service("noisy", "tcp://127.0.0.1:%d" % self.port, extra=extra) +
            service("quiet", "tcp://127.0.0.1:%d" % other, extra=extra))
        for _ in range(150):
            with Client(self.address) as c:
                self.assertEqual(c.ended(), b"")
        for address, source in ((self.address, "127.0.0.2"),
                                (("127.0.0.1", other), "127.0.0.1")):
            with Client(address, source=source) as c:
                self.assertEqual(c.ended(), b"")
        daemon.wait_log(r"^<6>service noisy: refused 127\.0\.0\.2:\d+: access$")
        daemon.wait_log(r"^<6>service quiet: refused 127\.0\.0\.1:\d+: access$")
        self.assertLessEqual(
            len(daemon.logged(r"^<6>service noisy: refused 127\.0\.0\.1:")),
            100)

    def test_clients_of_one_service_hide_no_other_ones(self):
        other = free_port()
        extra = "limits { connect-rate-per-address = 0 " \
                "clients-per-address = 0 }"
        daemon = self.start(
            service("noisy", "tcp://127.0.0.1:%d" % self.port, extra=extra) +
            service("quiet", "tcp://127.0.0.1:%d" % other))
        for _ in range(150):
            Client(self.address).close()
        with Client(("127.0.0.1", other)) as c:
            self.assertTrue(c.echoes())
            peer = re.escape("127.0.0.1:%d" % c.sock.getsockname()[1])
        daemon.wait_log("client .* %s: service quiet: connected" % peer)
        daemon.wait_log("client .* %s: closed: peer" % peer)

    def test_a_timeout_names_its_key_and_time_and_is_counted(self):
        control = self.path("control")
        daemon = self.start(
            'control { socket = "%s" }\n' % control + service(
                "echo", "tcp://127.0.0.1:%d" % self.port,
                extra="limits { first-line-timeout = 300ms "
                      "line-timeout = 200ms idle-timeout = 100ms }"))
        with Client(self.address) as c:
            self.assertEqual(c.ended(), b"")
        daemon.wait_log(r"client 1 .*: closed: idle 0\.1 s$")
        self.write('control { socket = "%s" }\n' % control + service(
            "echo", "tcp://127.0.0.1:%d" % self.port,
            extra="limits { first-line-timeout = 300ms "
                  "line-timeout = 200ms }"))
        daemon.reload()
        with Client(self.address) as c:
            self.assertEqual(c.ended(), b"")
        daemon.wait_log(r"client 2 .*: closed: timeout: "
                        r"first-line-timeout 0\.3 s$")
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            c.send(b"x")
            self.assertEqual(c.ended(), b"")
        daemon.wait_log(r"client 3 .*: closed: timeout: line-timeout 0\.2 s$")
        done = subprocess.run([LINED[:-len("lined")] + "linectl", "-s",
                               control, "metrics"], stdout=subprocess.PIPE,
                              timeout=PATIENCE, check=True)
        for key in ("idle-timeout", "first-line-timeout", "line-timeout"):
            self.assertIn('lined_timeouts_total{service="echo",limit="%s"} 1\n'
                          % key, done.stdout.decode())

    def test_what_many_services_do_is_no_repeat(self):
        names = ["s%d" % i for i in range(30)]
        text = "".join(service(name, "unix://" + self.path(name))
                       for name in names)
        daemon = self.start(text)
        daemon.stop()
        for name in names:
            self.assertEqual(len(daemon.logged(
                "^<5>service %s: (listening on|stopped$)" % name)), 2, name)
        self.assertEqual(daemon.logged("suppressed"), [])

    def test_auto_without_a_terminal_is_syslog_if_there_is_one(self):
        """Without /dev/log the target is stderr, with the time."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            has_syslog = s.connect_ex("/dev/log") == 0
        self.write(self.text)
        daemon = self.launch(self.arguments(log=None))
        daemon.wait_notify("READY=1")
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        if not has_syslog:
            daemon.wait_log("info: client 1 .*: closed: peer")
        daemon.stop()
        if has_syslog:
            self.assertEqual(daemon.log, [])
        for line in daemon.log:
            self.assertRegex(line, TIME)
        self.assertTrue(has_syslog or
                        daemon.logged(TIME + "notice: stopped$"))

    def test_the_format_changes_by_a_reload(self):
        log = 'log { format = "%s" }\n'
        daemon = self.start(log % "plain" + self.text)
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.wait_log(TIME + "info: client 1 .*: closed: peer")
        self.write(log % "priority" + self.text)
        daemon.reload()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.wait_log("^<6>client 2 .*: closed: peer")

    def test_journal_gets_fields(self):
        """Starts another journald, in a mount namespace."""
        if os.geteuid() != 0 or not os.access(JOURNALD, os.X_OK) or \
                not shutil.which("journalctl"):
            self.skipTest("no root, or no journald")
        self.write(self.text)
        with open(self.path("steps"), "w") as f:
            f.write(JOURNAL_STEPS)
        done = subprocess.run(
            ["unshare", "-m", "timeout", "15", "sh", self.path("steps"), JOURNALD,
             *self.arguments(log="journal")], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(), timeout=PATIENCE)
        if done.returncode == 77:
            self.skipTest("journald did not start here")
        self.assertEqual(done.stderr, b"")
        self.assertRegex(done.stdout, rb'"LINED_SERVICE":"echo"')
        self.assertRegex(done.stdout, rb'"MESSAGE":"stopped"')

    def test_messages_that_are_lost_are_counted(self):
        control = self.path("control")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            if s.connect_ex("/dev/log") == 0:
                self.skipTest("there is a syslog")
        self.write('control { socket = "%s" }\n' % control + self.text)
        daemon = self.launch(self.arguments(log="syslog"))
        daemon.wait_notify("READY=1")
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        done = subprocess.run([LINED[:-len("lined")] + "linectl", "-s",
                               control, "status"], stdout=subprocess.PIPE,
                              timeout=PATIENCE, check=True)
        self.assertRegex(done.stdout.decode(),
                         r"(?m)^log +info, \d+ messages lost$")
        daemon.stop()

    def test_auto_on_a_terminal_is_stderr(self):
        self.write(self.text)
        master, slave = pty.openpty()
        argv = ["setpriv", "--pdeathsig", "KILL"] + self.arguments(log=None)
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=slave,
                                   env=environment())
        os.close(slave)
        text = b""
        try:
            while b"127.0.0.1:%d" % self.port not in text:
                self.assertTrue(select.select([master], [], [], PATIENCE)[0],
                                text)
                text += os.read(master, 4096)
            process.send_signal(signal.SIGTERM)
            # Unless somebody reads the terminal, its writer waits.
            try:
                while os.read(master, 4096):
                    pass
            except OSError:
                pass
            self.assertEqual(process.wait(PATIENCE), 0)
        finally:
            process.kill()
            process.wait()
            os.close(master)

    def test_syslog_works_where_there_is_none(self):
        self.write(self.text)
        daemon = self.launch(self.arguments(log="syslog"))
        daemon.wait_notify("READY=1")
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.stop()
        self.assertEqual(daemon.log, [])

    def test_a_log_that_nobody_reads_blocks_nobody(self):
        daemon = self.start(self.text, level="debug", capture=False)
        with Client(self.address) as c:
            for i in range(3000):
                self.assertTrue(c.echoes(b"line %d %s\n" % (i, b"x" * 200)))
        for _ in range(300):
            with Client(self.address) as c:
                self.assertTrue(c.echoes())
        daemon.stop(timeout=PATIENCE)

    def test_a_log_whose_reader_is_gone_kills_nobody(self):
        daemon = self.start(self.text, level="debug", capture=False)
        daemon.process.stderr.close()
        for _ in range(100):
            with Client(self.address) as c:
                self.assertTrue(c.echoes())
        daemon.signal(signal.SIGHUP)
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.stop()

    def test_it_detaches_and_is_ready_when_its_parent_ends(self):
        self.write(self.text)
        done = subprocess.run(
            [LINED, "-d", "-c", self.config, "-m", self.modules],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment(), timeout=PATIENCE)
        pid = self.owner_of_port()
        try:
            self.assertEqual(done.returncode, 0, done.stderr)
            with Client(self.address) as c:
                self.assertTrue(c.echoes())
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            # The daemon has its own session, and no terminal.
            self.assertNotEqual(int(fields[3]), os.getsid(0))
            self.assertEqual(int(fields[4]), 0)
        finally:
            os.kill(pid, signal.SIGTERM)
        self.eventually(lambda: not os.path.exists("/proc/%d" % pid),
                        "its end")

    def owner_of_port(self):
        """The process that was started with this test's config."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    if self.config.encode() in f.read():
                        return int(pid)
            except OSError:
                pass
        self.fail("no daemon is left")

    def test_detaching_fails_where_starting_does(self):
        with Client(self.listener()):
            self.write(self.text)
            code, _, err = self.run_lined("-d", "-c", self.config, "-m",
                                          self.modules, "-L", "stderr")
            self.assertEqual(code, 3, err)
            self.assertIn("Address already in use", err)

    def listener(self):
        s = socket.socket()
        self.addCleanup(s.close)
        s.bind(self.address)
        s.listen()
        return self.address


if __name__ == "__main__":
    main(180)
