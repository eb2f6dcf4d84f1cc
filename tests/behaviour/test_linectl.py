# SPDX-License-Identifier: MIT
"""linectl(1): its output as tables and as JSON, its errors and exit codes; top
in a terminal; completion. LINECTL is the program under test.
"""
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import unittest

from lined_test import LINED, PATIENCE, TOP, Client, DaemonTest
from lined_test import environment, free_port, is_linked_with, main, service

LINECTL = os.path.abspath(os.environ.get("LINECTL")
                          or os.path.join(os.path.dirname(LINED), "linectl"))

DONE, REFUSED, USAGE, NO_DAEMON = range(4)


class LinectlTest(DaemonTest):
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

    def conf(self, text, name="new.conf"):
        return self.write(self.control + text, name, workers=self.WORKERS)

    # How long linectl may run.
    patience = PATIENCE

    def run_linectl(self, *args, where=None, stdout=subprocess.PIPE):
        """Runs linectl. Returns (exit code, standard output, standard error).
        """
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "KILL", LINECTL, "-s",
             where or self.socket] + list(args), stdin=subprocess.DEVNULL,
            stdout=stdout, stderr=subprocess.PIPE, env=environment(),
            timeout=self.patience)
        return (done.returncode, (done.stdout or b"").decode(),
                done.stderr.decode(errors="replace"))

    def good(self, *args):
        code, out, err = self.run_linectl(*args)
        self.assertEqual((code, err), (DONE, ""), out)
        return out

    def json(self, *args):
        return json.loads(self.good("--json", *args))

    def bad(self, code, *args):
        """The text on standard error of a command that must fail."""
        got, out, err = self.run_linectl(*args)
        self.assertEqual(got, code, out + err)
        self.assertRegex(err, r"\Alinectl: ")
        return err


class Answers(LinectlTest):
    def test_status(self):
        daemon = self.start()
        out = self.good("status")
        self.assertRegex(out, r"\Alined \S+, pid %d, serving since \d{4}-"
                         % daemon.pid)
        self.assertIn(self.config, out)
        self.assertRegex(out, r"(?m)^WORKER +CLIENTS +BUSY +TURNS +DELAY$")
        self.assertRegex(out, r"(?m)^0 +\d+ +\d+\.\d % +\d+ +\S+ ms$")
        told = self.json("status")
        self.assertEqual(told["daemon"]["pid"], daemon.pid)
        self.assertEqual(told["daemon"]["bus"]["published"], 0)
        self.assertEqual(len(told["workers"]),
                         self.WORKERS + (self.WORKERS > 1))
        self.assertEqual(sum(told["workers"][0]["turns_us"].values()),
                         told["workers"][0]["turns"])

    def test_services(self):
        self.start(self.echo + service("other", "unix://" + self.path("o")))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            lines = self.good("services").splitlines()
            self.assertEqual(len(lines), 3)
            self.assertRegex(lines[0], r"^SERVICE +PROTOCOL +STATE +CLIENTS")
            self.assertRegex(lines[1], r"^echo +echo +open +1/10000 +1 ")
            self.assertTrue(lines[1].endswith(
                "  tcp://127.0.0.1:%d" % self.port))
            out = self.good("services", "echo")
            self.assertRegex(out, r"(?m)^lines_in +1$")
            self.assertNotIn("other", out)
            told, = self.json("services", "echo")["services"]
            self.assertEqual(told["listen"], ["tcp://127.0.0.1:%d" % self.port])
            self.assertEqual(told["refused"]["clients-per-address"], 0)
            self.assertEqual(len(self.json("services")["services"]), 2)
        self.assertIn("there are: echo, other",
                      self.bad(REFUSED, "services", "none"))

    def test_clients_with_address_and_port(self):
        self.start()
        self.assertEqual(self.json("clients"), {"clients": []})
        with Client(self.address) as a, Client(self.address) as b:
            self.assertTrue(a.echoes())
            self.assertTrue(b.echoes())
            ports = {"127.0.0.1:%d" % c.sock.getsockname()[1] for c in (a, b)}
            told = self.json("clients")["clients"]
            self.assertEqual({c["address"] for c in told}, ports)
            lines = self.good("clients", "echo").splitlines()
            self.assertEqual({line.split()[2] for line in lines[1:]}, ports)
            ids = [int(line.split()[0]) for line in lines[1:]]
            self.assertEqual(ids, sorted(c["id"] for c in told))

    def test_kick(self):
        self.start()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            ident = str(self.json("clients")["clients"][0]["id"])
            mine = "127.0.0.1:%d" % c.sock.getsockname()[1]
            self.assertEqual(self.good("kick", ident),
                             "client %s %s of service echo was closed\n"
                             % (ident, mine))
            self.assertEqual(c.ended(), b"")
        self.assertIn("no client " + ident, self.bad(REFUSED, "kick", ident))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            ident = str(self.json("clients")["clients"][0]["id"])
            self.assertEqual(self.json("kick", ident)["kicked"]["id"],
                             int(ident))

    def test_why(self):
        self.start(service("echo", "tcp://127.0.0.1:%d" % self.port,
                           extra='access { deny = { "10.0.0.0/8" } }'))
        line = self.good("why", "10.1.2.3").splitlines()[1]
        self.assertEqual(re.split("  +", line),
                         ["echo", "refused", "access", "0/10000", "0/100",
                          "deny 10.0.0.0/8"])
        told, = self.json("why", "192.0.2.1")["rulings"]
        self.assertIs(told["accepted"], True)

    def test_log(self):
        daemon = self.start()
        self.assertIn("debug", self.good("log", "debug"))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        daemon.wait_log("<7>")
        self.assertEqual(self.json("log", "info"), {})

    def test_metrics(self):
        self.start()
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            out = self.good("metrics")
            self.assertIn('\nlined_lines_in_total{service="echo"} 1\n', out)
            told = self.json("metrics")["metrics"]
            self.assertIn({"name": "lined_lines_in_total",
                           "labels": {"service": "echo"}, "value": 1}, told)
            self.assertEqual(len(told), len([x for x in out.splitlines()
                                             if not x.startswith("#")]))

    def test_reload(self):
        self.start()
        self.assertEqual(self.good("reload"), "reloaded\n")
        self.conf(service("echo", "tcp://127.0.0.1:%d" % self.port,
                          extra="limits { line-burst = 5 }"), "lined.conf")
        code, out, err = self.run_linectl("reload")
        self.assertEqual((code, out), (DONE, "reloaded\n"))
        self.assertRegex(err, r"\Awarning: .*line-burst")
        self.conf("typo = 1\n" + self.echo + "oops = 2\n", "lined.conf")
        code, out, err = self.run_linectl("reload")
        self.assertEqual((code, out), (REFUSED, ""))
        self.assertRegex(err, r'\A\S+lined.conf:2: unknown key "typo"\n'
                         r'\S+lined.conf:\d+: unknown key "oops".*\n'
                         r"linectl: reload: refused, nothing was changed\n\Z")
        code, out, _ = self.run_linectl("--json", "reload")
        self.assertEqual(code, REFUSED)
        told = json.loads(out)
        self.assertEqual(len(told["messages"]), 2)
        self.assertIn("nothing was changed", told["error"])
        with Client(self.address) as c:
            self.assertTrue(c.echoes())

    def test_drain(self):
        self.start("drain-timeout = 3s\n" + self.echo)
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            self.assertRegex(self.good("drain", "echo"),
                             r"\Aservice echo was drained")
            self.assertEqual(c.ended(), b"")
        self.assertRegex(self.good("services"), r"(?m)^echo +echo +drained ")
        for command in ("drain", "tap", "clients"):
            self.assertIn('"echo" was drained; the next reload',
                          self.bad(REFUSED, command, "echo"))
        told, = self.json("why", "127.0.0.1")["rulings"]
        self.assertEqual((told["service"], told["accepted"], told["by"]),
                         ("echo", False, "drain"))
        self.assertIn("was drained", told["rule"])
        self.good("reload")
        self.assertEqual(self.json("drain", "echo")["drained"]["service"],
                         "echo")

    def test_plan(self):
        self.start()
        self.assertEqual(self.good("plan", self.config),
                         "a reload would change nothing\n")
        new = "tcp://127.0.0.1:%d" % free_port()
        path = self.conf(self.echo + service("new", new))
        self.assertEqual(self.good("plan", path),
                         "service new: begins, with protocol echo\n"
                         "service new: opens %s\n" % new)
        steps = self.json("plan", path)["steps"]
        self.assertEqual([s["action"] for s in steps], ["begin", "open"])
        path = self.conf("typo = 1\n" + self.echo)
        code, out, err = self.run_linectl("plan", path)
        self.assertEqual((code, out), (REFUSED, ""))
        self.assertIn('%s:2: unknown key "typo"' % path, err)
        self.assertIn("No such file", self.bad(REFUSED, "plan", "/no/file"))
        self.assertIn("directory", self.bad(REFUSED, "plan", self.dir))

    def test_plan_of_a_file_that_the_daemon_cannot_see(self):
        """The daemon cannot see the file. Includes are relative to it."""
        if os.geteuid() != 0:
            self.skipTest("only root may read what the daemon may not")
        os.chmod(self.dir, 0o711)
        os.chown(self.dir, 54321, 54321)
        hidden = self.path("hidden")
        self.start(prefix=("setpriv", "--reuid", "54321", "--regid", "54321",
                           "--clear-groups"))
        os.mkdir(hidden, 0o700)
        with open(os.path.join(hidden, "a file.conf"), "w") as f:
            f.write(self.control + self.echo + "workers = %d\n" % self.WORKERS)
        self.assertEqual(self.good("plan", os.path.join(hidden, "a file.conf")),
                         "a reload would change nothing\n")

    def test_plan_of_a_file_that_is_too_large(self):
        self.start()
        with open(self.path("big"), "w") as f:
            f.write("# comment\n" * 200000)
        self.assertIn("too large", self.bad(REFUSED, "plan",
                                            self.path("big")).lower())

    def test_tap(self):
        self.start()
        with Client(self.address) as c:
            tap = subprocess.Popen([LINECTL, "-s", self.socket, "-n", "3",
                                    "tap", "echo"], stdout=subprocess.PIPE,
                                   env=environment())
            lines = self.say_until(c, tap)
            self.assertEqual(tap.wait(PATIENCE), DONE)
            mine = "127.0.0.1:%d" % c.sock.getsockname()[1]
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.assertRegex(line, r"^\d\d:\d\d:\d\d \d+ %s  said \d+$" % mine)

    def say_until(self, client, process):
        """Sends lines until the process ends."""
        lines = []
        reader = threading.Thread(
            target=lambda: lines.extend(process.stdout.read().decode()
                                        .splitlines()))
        reader.start()
        deadline = time.monotonic() + PATIENCE
        i = 0
        while reader.is_alive():
            self.assertLess(time.monotonic(), deadline)
            i += 1
            self.assertTrue(client.echoes(b"said %d\n" % i))
            reader.join(0.01)
        process.stdout.close()
        return lines

    def test_tap_as_json_until_it_is_interrupted(self):
        self.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            with Client(self.address) as c:
                tap = subprocess.Popen([LINECTL, "-s", self.socket, "--json",
                                        "tap", "echo"], stdout=subprocess.PIPE,
                                       env=environment())
                threading.Timer(0.5, tap.send_signal, [number]).start()
                lines = self.say_until(c, tap)
                self.assertEqual(tap.wait(PATIENCE), DONE)
            told = json.loads("\n".join(lines))["lines"]
            for line in told:
                self.assertRegex(line["text"], r"^said \d+$")

    def test_tap_ends_with_its_service(self):
        daemon = self.start()
        tap = subprocess.Popen([LINECTL, "-s", self.socket, "tap", "echo"],
                               stdout=subprocess.PIPE, env=environment())
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            time.sleep(0.2)
            self.good("drain", "echo")
        self.assertEqual(tap.wait(PATIENCE), DONE)
        tap.stdout.close()
        self.assertIn("was drained", self.bad(REFUSED, "tap", "echo"))
        daemon.stop()


# ---- when it cannot --------------------------------------------------------


class Failures(LinectlTest):
    def test_unknown_commands_and_wrong_usage(self):
        # These errors need not even a daemon.
        self.assertIn('unknown command "bogus"', self.bad(USAGE, "bogus"))
        self.assertIn("no command", self.bad(USAGE))
        for args in (("status", "x"), ("kick",), ("kick", "1", "2"),
                     ("drain",), ("why",), ("plan",), ("log",), ("tap",),
                     ("services", "a", "b"), ("-n", "x", "status"),
                     ("-n", "0", "tap", "echo"), ("", )):
            self.assertEqual(self.run_linectl(*args)[0], USAGE, args)
        code, _, err = self.run_linectl("--bogus", "status")
        self.assertEqual(code, USAGE)
        self.assertIn("linectl -h", err)

    def test_wrong_usage_is_told_as_json_too(self):
        self.start()
        for args in ((), ("bogus",), ("kick",), ("status", "x"),
                     ("--bogus", "status"), ("-n", "0", "tap", "echo"),
                     ("why", "a\nb"), ("top",)):
            for asks in (("--json",) + args, args + ("--json",)):
                code, out, err = self.run_linectl(*asks)
                self.assertEqual(code, USAGE, asks)
                self.assertTrue(json.loads(out)["error"], asks)
                self.assertTrue(err, asks)

    def test_json_is_utf_8_whatever_is_named(self):
        self.start()
        name = os.fsdecode(b"/nowhere/\xff\xc3")
        for args in (("plan", name), ("why", name), (name,)):
            code, out, _ = self.run_linectl("--json", *args)
            self.assertNotEqual(code, DONE)
            self.assertTrue(json.loads(out)["error"], args)
        code, out, _ = self.run_linectl("--json", "status", where=name)
        self.assertEqual(code, NO_DAEMON)
        self.assertIn("/nowhere/??: ", json.loads(out)["error"])

    def test_no_daemon_says_what_to_do(self):
        err = self.bad(NO_DAEMON, "status")
        self.assertIn("no such socket", err)
        self.assertIn("control {", err)
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(self.socket)
        stale.close()
        self.assertIn("not running", self.bad(NO_DAEMON, "status"))
        code, out, err = self.run_linectl("--json", "services")
        self.assertEqual(code, NO_DAEMON)
        self.assertIn("not running", json.loads(out)["error"])

    def test_a_file_and_a_long_path_are_no_sockets(self):
        with open(self.path("file"), "w"):
            pass
        for where in (self.path("file"), self.path(".")):
            code, _, err = self.run_linectl("status", where=where)
            self.assertEqual(code, NO_DAEMON)
            self.assertIn(where + ": this is no socket", err)
        code, _, err = self.run_linectl("status", where="/" + "x" * 200)
        self.assertEqual(code, NO_DAEMON)
        self.assertIn("too long", err)
        done = subprocess.run([LINECTL, "-s", "", "status"],
                              stdin=subprocess.DEVNULL, env=environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, NO_DAEMON)
        self.assertIn(b"no such socket", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be others")
    def test_permission_denied_says_who_may(self):
        os.chmod(self.dir, 0o711)
        self.start()
        done = subprocess.run(
            ["setpriv", "--reuid", "54321", "--regid", "54321",
             "--clear-groups", LINECTL, "-s", self.socket, "status"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
            timeout=PATIENCE)
        if b"Permission denied" in done.stderr and done.returncode == 126:
            self.skipTest("others may not run this build")
        self.assertEqual(done.returncode, NO_DAEMON)
        self.assertIn(b"control group", done.stderr)

    def test_help_and_version(self):
        code, out, err = self.run_linectl("-h")
        self.assertEqual((code, err), (DONE, ""))
        for command in ("status", "services", "clients", "kick", "drain",
                        "reload", "plan", "why", "log", "metrics", "tap",
                        "top"):
            self.assertRegex(out, r"(?m)^  %s\b" % command)
        self.assertEqual(self.run_linectl("help"), (DONE, out, ""))
        code, out, _ = self.run_linectl("--version")
        self.assertEqual(code, DONE)
        self.assertRegex(out, r"^linectl \d")

    def test_a_full_disk_is_no_success(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        self.start()
        for what in ("status", "-h", "-V"):
            with self.subTest(what), open("/dev/full", "w") as full:
                code, _, err = self.run_linectl(what, stdout=full)
                self.assertEqual(code, REFUSED)
                self.assertIn("No space left", err)

    def test_a_daemon_that_ends_meanwhile(self):
        daemon = self.start("drain-timeout = 30s\n" + self.echo)
        with Client(self.address, rcvbuf=4096) as c:
            c.fill(b"x" * 1000 + b"\n")
            drain = subprocess.Popen([LINECTL, "-s", self.socket, "drain",
                                      "echo"], stderr=subprocess.PIPE,
                                     env=environment())
            daemon.wait_log("service echo: draining")
            daemon.kill()
            _, err = drain.communicate(timeout=PATIENCE)
        self.assertEqual(drain.returncode, NO_DAEMON)
        self.assertIn(b"closed the connection", err)

    def test_the_second_signal_ends_a_tap_of_a_daemon_that_hangs(self):
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        path = self.path("hung.sock")
        server.bind(path)
        server.listen()
        server.settimeout(PATIENCE)
        signals = signal.SIGINT, signal.SIGTERM
        for first in signals:
            for second in signals:
                tap = subprocess.Popen([LINECTL, "-s", path, "tap", "echo"],
                                       env=environment())
                self.addCleanup(tap.kill)
                daemon, _ = server.accept()
                with daemon, self.subTest(first=first, second=second):
                    daemon.settimeout(PATIENCE)
                    self.assertEqual(daemon.recv(100), b"tap echo\n")
                    tap.send_signal(first)
                    self.assertEqual(daemon.recv(100), b"stop\n")
                    tap.send_signal(second)
                    self.assertEqual(tap.wait(PATIENCE), -second)

    def test_top_needs_a_terminal(self):
        self.start()
        self.assertIn("terminal", self.bad(USAGE, "top"))


class Fuzz(LinectlTest):
    """Answers of a false server, and arguments of all kinds."""

    def answer_with(self, data, *args):
        """Runs linectl with a server that sends this answer. linectl must end
        by itself."""
        server = socket.socket(socket.AF_UNIX)
        path = self.path("other.sock")
        server.bind(path)
        server.listen()
        server.settimeout(PATIENCE)

        def serve():
            client, _ = server.accept()
            with client:
                client.settimeout(self.patience)
                try:
                    client.recv(65536)
                    client.sendall(data)
                except OSError:
                    pass
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return self.run_linectl(*args, where=path)
        finally:
            thread.join()
            server.close()
            os.unlink(path)

    def test_answers_that_are_none_of_lineds(self):
        rng = random.Random(int(os.environ.get("LINED_SEED") or 5))
        pieces = [b'{"kind":"daemon"', b'{"kind":"service"',
                  b'{"kind":"client"', b',"id":1', b',"name":"a"',
                  b',"address":"x:1"', b"}\n", b"}\n", b"\n",
                  b'{"kind":"ok"}\n', b'{"kind":"error"', b',"error":"why"}\n',
                  b',"listen":["a","b"]', b"\xff\xfe", b"\0", b'"', b"{",
                  b',"turns":10', b',"turns_us":{"100":4}',
                  b',"closed":{"peer":3}', b":", b',"text":"\\u00e9\\n"',
                  b'{"kind":"line"', b'{"kind":"step"', b'{"kind":"message"',
                  b',"text":"\\u001b[31m\\u009b\x7f\xc2\x9b"',
                  b',"error":"\\u001b]0;x\\u0007\\r"}\n',
                  b',"level":"warning"', b',"listen":["\\u001bc","\\b"]',
                  b',"line":"\\u001b[2J"', b"x" * 5000,
                  b',"queued":99999999999999999999999']
        commands = [("status",), ("services",), ("services", "a"),
                    ("clients",), ("why", "unix"), ("kick", "1"), ("reload",),
                    ("metrics",), ("tap", "a"), ("drain", "a"), ("log", "info"),
                    ("plan", "/dev/null")]
        for i in range(60):
            data = b"".join(rng.choice(pieces)
                            for _ in range(rng.randrange(40)))
            args = list(rng.choice(commands))
            if rng.random() < 0.5:
                args.insert(0, "--json")
            code, out, err = self.answer_with(data, *args)
            self.assertIn(code, (DONE, REFUSED, NO_DAEMON), (data, args, err))
            self.assertNotRegex(err, "Sanitizer|runtime error")
            if "--json" in args:
                json.loads(out)
                self.assertNotIn("\x1b", out)
            else:
                self.assertNotRegex(out, self.COMMANDING)
            self.assertNotRegex(err, self.COMMANDING)

    # Characters that may control a terminal. "\ufffd" stands for bytes that are
    # not UTF-8. LF is allowed, because tables and texts have line ends.
    COMMANDING = "[\0-\x09\x0b-\x1f\x7f-\x9f\ufffd]"

    def test_no_escape_of_an_answer_reaches_the_terminal(self):
        raw = r'"\u001b[31m\n\u009b\r" '
        shown = r"\x1b[31m\n\xc2\x9b\r"
        for command, record in (
                ("reload", '{"kind":"message","level":"err","text":%s}'),
                ("status", '{"kind":"daemon","version":%s}'),
                ("services", '{"kind":"service","name":%s}'),
                ("services", '{"kind":"service","name":"a","listen":["b",%s]}'),
                ("services a", '{"kind":"service","name":"a","listen":[%s]}'),
                ("services a", '{"kind":"service","state":%s}'),
                ("clients", '{"kind":"client","id":1,"address":%s}'),
                ("why unix", '{"kind":"ruling","rule":%s}'),
                ("plan /dev/null", '{"kind":"step","service":%s}'),
                ("kick 1", '{"kind":"client","id":1,"address":%s}'),
                ("tap a", '{"kind":"line","client":1,"address":"x","text":%s}'),
                ("tap a", '{"kind":"line","client":1,"address":%s}'),
                ("metrics", '{"kind":"text","line":%s}'),
                ("drain a", '{"kind":"error","error":%s}')):
            line = (record % raw.strip() + '\n{"kind":"ok"}\n').encode()
            code, out, err = self.answer_with(line, *command.split())
            self.assertIn(code, (DONE, REFUSED), (record, err))
            self.assertNotRegex(out + err, self.COMMANDING)
            self.assertIn(shown, out + err)
        # The argument is escaped, too.
        code, out, _ = self.answer_with(b'{"kind":"ok"}\n', "drain",
                                        "\x1b[31m")
        self.assertEqual(code, DONE)
        self.assertIn(r"service \x1b[31m was", out)
        # JSON has the text unchanged.
        _, out, _ = self.answer_with(
            ('{"kind":"error","error":%s}\n' % raw.strip()).encode(),
            "--json", "drain", "a")
        self.assertEqual(json.loads(out)["error"], "\x1b[31m\n\x9b\r")

    def test_an_answer_without_an_end_is_given_up(self):
        # Two million records take TSan half a minute.
        self.patience = 6 * PATIENCE
        for args in (("status",), ("--json", "clients"), ("reload",))[
                :1 if is_linked_with("libtsan", LINECTL) else 3]:
            code, _, err = self.answer_with(
                b'{"kind":"a"}\n' * (2 << 20), *args)
            self.assertEqual(code, NO_DAEMON)
            self.assertIn("has no end", err)

    def test_no_escape_of_a_client_reaches_the_terminal(self):
        self.start()
        with Client(self.address) as c:
            tap = subprocess.Popen([LINECTL, "-s", self.socket, "-n", "1",
                                    "tap", "echo"], stdout=subprocess.PIPE,
                                   env=environment())
            out = []
            reader = threading.Thread(target=lambda: out.append(
                tap.stdout.read()))
            reader.start()
            while reader.is_alive():
                self.assertTrue(c.echoes(b"\033[2J\x07\x9b31m\xff\n"))
                reader.join(0.01)
            tap.stdout.close()
            self.assertEqual(tap.wait(PATIENCE), DONE)
        self.assertNotRegex(out[0], rb"[\x00-\x09\x0b-\x1f\x7f\x9b\xff]")
        self.assertIn(b"\\x1b[2J\\x07\\x9b31m\\xff", out[0])

    def test_arguments_of_all_kinds(self):
        daemon = self.start()
        rng = random.Random(int(os.environ.get("LINED_SEED") or 6))
        words = ["status", "services", "clients", "why", "kick", "log", "tap",
                 "drain", "plan", "metrics", "-s", "--json", "-n", "1", "x" * 9000,
                 "", " ", "\n", "a b", "--", "-", "%s%n", "\"", "\\", "\xe9",
                 "../../etc/passwd", "echo\nreload", "0", "-1"]
        for _ in range(60):
            args = [rng.choice(words) for _ in range(rng.randrange(1, 4))]
            # These may wait for ever.
            if "tap" in args or "echo" in args:
                continue
            code, _, err = self.run_linectl(*args)
            self.assertIn(code, (DONE, REFUSED, USAGE, NO_DAEMON), (args, err))
            self.assertNotRegex(err, "Sanitizer|runtime error")
        self.assertFalse(daemon.logged("reload: reading"))
        self.assertEqual(self.json("status")["daemon"]["pid"], daemon.pid)


# ---- top -------------------------------------------------------------------


class Terminal:
    """A terminal in which linectl top runs. Keeps the output as bytes, in which
    tests search for words."""

    def __init__(self, argv, rows=24, columns=80, term="xterm",
                 **variables):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self.fd = 0
            self.resize(rows, columns)
            env = environment({"TERM": term, "LC_ALL": "C.UTF-8",
                               **variables})
            os.execve(argv[0], argv, env)
        self.shown = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                self.shown += os.read(self.fd, 65536)
            except OSError:
                return False
        return True

    def wait_for(self, pattern, since=0):
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self.shown[since:]):
            if time.monotonic() > deadline or not self.read(0.1):
                raise AssertionError("never shown: %r\n%r"
                                     % (pattern, self.shown[-3000:]))
        return len(self.shown)

    def type(self, keys):
        place = len(self.shown)
        os.write(self.fd, keys)
        return place

    def end(self):
        """Returns the exit code."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                # Reads the last output.
                self.read(0.05)
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        raise AssertionError("it did not end")


def has_top():
    try:
        with open(LINECTL, "rb") as f:
            return b"built without ncurses" not in f.read()
    except OSError:
        return False


@unittest.skipUnless(has_top(), "built without ncurses")
class Top(LinectlTest):
    def top(self, **options):
        return Terminal([LINECTL, "-s", self.socket, "top"], **options)

    def test_it_shows_services_and_clients_and_kicks(self):
        daemon = self.start(self.echo
                            + service("other", "unix://" + self.path("o")))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            top = self.top()
            top.wait_for(rb"LINES/S")
            top.wait_for(rb"echo")
            top.wait_for(rb"other")
            place = top.type(b"\r")
            top.wait_for(b"127.0.0.1:%d" % c.sock.getsockname()[1], place)
            place = top.type(b"k")
            top.wait_for(rb"close client \d+ .*y/n", place)
            place = top.type(b"y")
            top.wait_for(rb"was closed", place)
            self.assertEqual(c.ended(), b"")
            place = top.type(b"\033")
            top.wait_for(rb"LINES/S", place)
            top.type(b"q")
            self.assertEqual(top.end(), DONE)
        daemon.wait_log("closed: kicked")

    def test_sorting_filtering_and_a_kick_that_fails(self):
        self.start(self.echo + service("other", "unix://" + self.path("o")))
        top = self.top()
        top.wait_for(rb"other")
        for _ in range(9):
            top.type(b"s")
        place = top.type(b"/oth")
        top.wait_for(rb"filter: ", place)
        place = top.type(b"\r")
        top.wait_for(rb"filter: oth\]", place)
        place = top.type(b"k")
        top.wait_for(rb"kick client: ", place)
        place = top.type(b"99\r")
        top.wait_for(rb"y/n", place)
        place = top.type(b"y")
        top.wait_for(rb"no client", place)
        place = top.type(b"kx\r")
        top.wait_for(rb"is no client", place)
        top.type(b"q")
        self.assertEqual(top.end(), DONE)

    def test_it_follows_the_size_of_the_terminal(self):
        self.start()
        top = self.top()
        top.wait_for(rb"quit")
        for rows, columns in ((50, 200), (24, 80), (5, 20), (2, 3), (1, 1),
                              (30, 100)):
            place = len(top.shown)
            top.resize(rows, columns)
            top.type(b"r")
            deadline = time.monotonic() + 0.3
            while time.monotonic() < deadline:
                top.read(0.05)
            if columns >= 80:
                top.wait_for(rb"serving", place)
        top.type(b"q")
        self.assertEqual(top.end(), DONE)

    def test_what_is_too_wide_is_cut(self):
        self.start()
        top = self.top(rows=12, columns=40)
        top.wait_for(rb"serving")
        place = top.type(b"\r")
        top.wait_for(rb"\(no clients\)", place)
        top.type(b"q")
        self.assertEqual(top.end(), DONE)
        for wide in (b"QUEUE", b"CONNECTED", b"services 1", b"delay"):
            self.assertNotIn(wide, top.shown)

    def test_a_cut_name_is_marked_and_a_wide_terminal_has_it_whole(self):
        name = "a-long-name.of_a-service.1234567"
        self.start(self.echo + service(name, "unix://" + self.path("o")))
        for columns, shown, seconds in ((80, name[:17] + "+ ", 16),
                                        (120, name + " ", 42),
                                        (500, name + " ", 400)):
            top = self.top(columns=columns, term="vt100")
            top.wait_for(re.escape(shown).encode())
            top.wait_for(b"LINES/S, %d s " % seconds)
            top.type(b"q")
            self.assertEqual(top.end(), DONE)

    def test_a_column_that_does_not_fit_is_left_out(self):
        self.start()
        top = self.top(columns=60)
        top.wait_for(rb"QUEUE")
        top.wait_for(rb"echo")
        place = top.type(b"\r")
        top.wait_for(rb"LINES", place)
        top.wait_for(rb"\(no clients\)", place)
        top.type(b"q")
        self.assertEqual(top.end(), DONE)
        self.assertNotIn(b"DRO", top.shown)
        self.assertNotIn(b"OU", top.shown[place:])

    def test_a_terminal_that_cannot_be_drawn_on_is_named(self):
        self.start()
        for term in ("nosuch", "dumb"):
            top = self.top(term=term)
            self.assertEqual(top.end(), USAGE)
            self.assertRegex(top.shown, rb"\A\r?linectl: top: .*\"%s\".*TERM"
                             % term.encode())

    def test_colors_are_for_who_wants_them(self):
        self.start()
        cyan = rb"\x1b\[[0-9;]*36m"
        for unasked in ({}, {"NO_COLOR": ""}):
            top = self.top(**unasked)
            top.wait_for(cyan)
            top.type(b"q")
            self.assertEqual(top.end(), DONE)
        top = self.top(NO_COLOR="1")
        top.wait_for(rb"LINES/S")
        top.wait_for(rb"echo")
        top.type(b"q")
        self.assertEqual(top.end(), DONE)
        self.assertNotRegex(top.shown, cyan)

    def test_it_goes_on_after_a_restart(self):
        daemon = self.start()
        top = self.top()
        top.wait_for(rb"echo")
        place = len(top.shown)
        daemon.kill()
        top.wait_for(rb"no answer, trying again", place)
        os.unlink(self.socket)
        self.start(self.echo + service("later", "unix://" + self.path("l")))
        top.wait_for(rb"connected again", place)
        top.wait_for(rb"later", place)
        top.type(b"q")
        self.assertEqual(top.end(), DONE)

    def test_it_ends_with_the_daemon_and_says_so(self):
        daemon = self.start()
        top = self.top()
        top.wait_for(rb"echo")
        daemon.kill()
        self.assertEqual(top.end(), NO_DAEMON)
        self.assertIn(b"closed the connection", top.shown)

    def test_any_key_is_survived(self):
        self.start()
        rng = random.Random(3)
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            top = self.top(term="vt100")
            top.wait_for(rb"echo")
            for _ in range(300):
                top.type(bytes([rng.choice(b"skr/\r\n\033[ABCDyn019 \x7f\x08"
                                           b"xyzGHOP~\xff\t")]))
                top.read(0.002)
            top.type(b"\033\033\033")
            time.sleep(0.3)
            top.type(b"\rn\033")
            time.sleep(0.3)
            top.type(b"\033q")
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                top.type(b"q")
                top.read(0.1)
                if os.waitpid(top.pid, os.WNOHANG)[0]:
                    break
            else:
                os.kill(top.pid, signal.SIGKILL)
                self.fail("it did not end: %r" % top.shown[-500:])
            os.close(top.fd)


# ---- completion ------------------------------------------------------------


@unittest.skipUnless(shutil.which("bash"), "no bash")
class Completion(LinectlTest):
    def complete(self, *words):
        """Returns bash's completions of the last word."""
        script = ("source %s\nPATH=%s:$PATH\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d\n"
                  "_linectl\nprintf '%%s\\n' \"${COMPREPLY[@]}\"\n"
                  % (os.path.join(TOP, "tools", "completion", "linectl"),
                     os.path.dirname(LINECTL),
                     " ".join("'%s'" % w for w in words), len(words) - 1))
        done = subprocess.run(["bash", "--norc", "-c", script],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment(), timeout=PATIENCE)
        return done.stdout.decode().split()

    def test_commands_options_and_levels(self):
        self.assertEqual(self.complete("linectl", "st"), ["status"])
        self.assertIn("reload", self.complete("linectl", ""))
        self.assertEqual(self.complete("linectl", "--js"), ["--json"])
        self.assertEqual(self.complete("linectl", "--json", "log", "de"),
                         ["debug"])
        self.assertEqual(self.complete("linectl", "-s", "/x", "log", "e"),
                         ["err"])

    def test_nothing_follows_a_whole_command(self):
        self.start()
        here = ("linectl", "-s", self.socket)
        for command in (("log", "debug"), ("services", "echo"),
                        ("clients", "echo"), ("tap", "echo"),
                        ("drain", "echo"), ("kick", "1"), ("why", "unix"),
                        ("plan", self.config), ("status",), ("reload",),
                        ("metrics",), ("top",)):
            self.assertEqual(self.complete(*here, *command, ""), [], command)
        # Options may come after arguments.
        self.assertEqual(self.complete(*here, "log", "debug", "--js"),
                         ["--json"])
        self.assertEqual(self.complete("linectl", "tap", "-s", self.socket,
                                       "-n", "3", ""), ["echo"])
        self.assertEqual(self.complete("linectl", "tap", "echo", "-s",
                                       self.socket[:-2]), [self.socket])

    def test_services_clients_and_files(self):
        self.start(self.echo + service("other", "unix://" + self.path("o")))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            for command in ("services", "drain", "tap", "clients"):
                self.assertEqual(
                    self.complete("linectl", "-s", self.socket, command, "e"),
                    ["echo"])
            ident = self.complete("linectl", "-s", self.socket, "kick", "")
            self.assertEqual(ident, [str(self.json("clients")["clients"][0]
                                         ["id"])])
            # Readline treats an equals sign as a separate word.
            self.assertEqual(
                self.complete("linectl", "--socket", "=", self.socket,
                              "--lines", "=", "3", "tap", ""),
                ["echo", "other"])
        self.assertEqual(self.complete("linectl", "plan", self.config[:-2]),
                         [self.config])
        for before in (["-s"], ["--socket", "="]):
            self.assertEqual(
                self.complete("linectl", *before, self.socket[:-2]),
                [self.socket])


class Answers3(Answers):
    WORKERS = 3


if __name__ == "__main__":
    if not os.access(LINECTL, os.X_OK):
        raise SystemExit("%s: no linectl there, set LINECTL" % LINECTL)
    main(300)
