#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""linetest: transcripts that pass, that fail, and that have errors; the
reports; that cuts find the faults for which they are made; and that every
expected line in every transcript of the tree is compared."""
import contextlib
import glob
import os
import pty
import re
import shutil
import signal
import subprocess
import threading
import time
import unittest

from certificates import Authority
from lined_test import LINED, MODULES, PATIENCE, TOP, Client, DaemonTest
from lined_test import environment, free_port, main, service

LINETEST = os.path.abspath(os.environ.get("LINETEST")
                           or os.path.join(os.path.dirname(LINED),
                                           "linetest"))
TRANSCRIPTS = os.path.join(TOP, "tests", "transcripts")

GREETING = b"* Welcome. You are guest%d. /help lists the commands.\n"

CRASH = """
#include <stdlib.h>
#include <lined/protocol.h>

static void crash_line(struct lined_socket *client,
		       const struct lined_line *line)
{
	(void)line;
	if (lined_socket_fd(client) >= 0)
		abort();
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "crash",
	.summary = "ends the daemon",
	.handle_line = crash_line,
};
"""


class Linetest(DaemonTest):
    def setUp(self):
        super().setUp()
        self.tmp = self.path("tmp")
        os.mkdir(self.tmp)

    def transcript(self, text, name="a.lt"):
        with open(self.path(name), "w") as f:
            f.write(text)
        return name

    def environment(self):
        return environment({"LINED": LINED, "LINED_MODULES": self.modules,
                            "TMPDIR": self.tmp})

    def launch_linetest(self, *args):
        process = subprocess.Popen(
            [LINETEST] + list(args), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment(), cwd=self.dir)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def linetest(self, *args, code, timeout=4 * PATIENCE):
        """Runs linetest, which must exit with this code. Returns (stdout,
        stderr)."""
        process = self.launch_linetest(*args)
        out, err = process.communicate(timeout=timeout)
        out, err = out.decode(), err.decode()
        self.assertEqual(process.returncode, code, out + err)
        self.assertEqual(os.listdir(self.tmp), [], "left behind")
        return out, err

    def passes(self, text, *args):
        out, err = self.linetest(*args, self.transcript(text), code=0)
        self.assertEqual(err, "")
        return out

    def fails(self, text, *wanted, args=()):
        """Runs a transcript that must fail, with these texts in the report.
        Returns the report."""
        out, err = self.linetest(*args, self.transcript(text), code=1)
        self.assertEqual(err, "")
        for part in wanted:
            self.assertIn(part, out)
        return out


class Passing(Linetest):
    def test_two_lines_and_a_protocol(self):
        out = self.passes("protocol echo\nalice> hello\nalice< hello\n")
        self.assertEqual(out, "ok   a.lt (1 run)\n"
                              "1 transcript, 0 failed; 1 run, 0 failed\n")

    def test_results_that_cannot_be_printed_are_no_success(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        name = self.transcript("protocol echo\nalice> hello\nalice< hello\n")
        for args in ([name], ["--tap", name], ["-V"], ["-h"]):
            with self.subTest(args), open("/dev/full", "w") as full:
                done = subprocess.run(
                    [LINETEST] + args, stdin=subprocess.DEVNULL, stdout=full,
                    stderr=subprocess.PIPE, env=self.environment(),
                    cwd=self.dir, timeout=4 * PATIENCE)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(b"standard output: No space left", done.stderr)

    def test_who_is_to_hear_is_there(self):
        """A client that only gets lines needs no `connect` in a transcript."""
        text = ("protocol relay\n"
                "alice> hello\nalice> again\n"
                "bob< hello\nbob< again\ncarol< ...\ncarol< again\n")
        for _ in range(5):
            self.passes(text)
        self.passes(text, "--fragment", "--workers", "2")
        self.passes("protocol chat\nalice> hello\nbob< ...\n"
                    "bob< [lobby] <guest1> hello\nalice< ...\n")
        self.fails("protocol relay\nalice> hello\nbob! 5s\n",
                   "a.lt:3: bob should have got nothing for 5000 ms\n"
                   "  got:      hello\\n\n")

    def test_the_leave_that_chat_takes_is_of_the_end(self):
        come = "protocol chat\nalice< ...\nalice< * guest1 joined lobby\n"
        goodbye = "alice< * announcement: this service is closing\n"
        self.passes(come)
        self.passes(come + "stop\n" + goodbye + "alice: eof\n")
        self.fails(come + "alice> /ping\n",
                   "alice got more than was expected")
        self.fails(come + "stop\n", "alice got more than was expected")

    def test_who_comes_later_does_not_hear_it(self):
        text = "protocol relay\nalice> hello\nbob: connect\nbob! 20ms\n"
        for _ in range(10):
            self.passes(text)

    def test_all_signs_and_actions(self):
        self.passes(
            "protocol echo\n"
            "a: connect tcp\n"
            "a> one\n"
            "a>> two\\nthree\\r\\n\n"
            "a<* three\n"
            "a<~* o.e\n"
            "a<* two\n"
            "a> {x*3} number 42 of {x*5}\n"
            "a< {word} number {n:[0-9]+} of {rest:.*}\n"
            "a> again {n} {word}{rest}\n"
            "a<< again 42 xxxxxxxx\n"
            "a<< \\n\n"
            "a! 10ms\n"
            "b> 1\n"
            "b> 2\n"
            "b> 3\n"
            "b< ...\n"
            "b< 3\n"
            "! 10ms\n"
            "b> rest\n"
            "b< ...\n"
            "b: close\n"
            "b: connect\n"
            "b> anew\n"
            "b< anew\n"
            "b: reset\n"
            "a> last\n"
            "a: half-close\n"
            "a< last\n"
            "a: eof\n"
            "c: connect udp\n"
            "c> datagram\n"
            "c< datagram\n"
            "c>> no end\n"
            "c< no end\n"
            "wait 1ms\n"
            "log<~ client .* connected to tcp.*\n"
            "d> ignored\n"
            "...\n")

    def test_a_config_and_a_reload(self):
        self.transcript('service "e" {\n\tprotocol = "echo"\n'
                        '\tlisten = { "{tcp:e}", "{unix:e}" }\n'
                        '\tframing { line-length = 4  too-long = skip }\n}\n',
                        "e.conf")
        self.passes("config e.conf\n"
                    "a: connect tcp to e\n"
                    "a> 12345\n"
                    "a> 1234\n"
                    "a< 1234\n"
                    "reload {\n"
                    '\tservice "e" {\n'
                    '\t\tprotocol = "echo"\n'
                    '\t\tlisten = { "{tcp:e}", "{unix:e}" }\n'
                    "\t}\n"
                    "}\n"
                    "b> 12345\n"
                    "b< 12345\n")

    def test_stop_and_start(self):
        self.passes("protocol echo\n"
                    "a> one\n"
                    "a< one\n"
                    "stop\n"
                    "log< stopping\n"
                    "a: eof\n"
                    "a: close\n"
                    "start\n"
                    "a: connect\n"
                    "a> two\n"
                    "a< two\n")

    def test_a_server_that_the_script_plays(self):
        for transport in ("tcp", "tcp6"):
            self.passes('protocol relay { relay { mode = "proxy" upstream = { '
                        '"{%s:up}" } } }\n'
                        "up: listen %s\n"
                        "a> one\n"
                        "up: accept\n"
                        "up< one\n"
                        "b> two\n"
                        "up: close\n"
                        "a: eof\n"
                        "up: accept\n"
                        "up< two\n"
                        "up: deaf\n" % (transport, transport))

    def test_includes(self):
        os.mkdir(self.path("sub"))
        self.transcript("protocol echo\ninclude more.lt\n", "sub/echo.lt")
        self.transcript("a> included\na< included\n", "sub/more.lt")
        self.passes("include sub/echo.lt\na> x\na< x\n")

    def test_a_long_name_has_room_below_a_long_directory(self):
        parent = self.tmp
        self.tmp = os.path.join(parent, "t" * max(1, 58 - len(parent)))
        os.mkdir(self.tmp)
        self.passes("protocol echo %s\na> x\na< x\n" % ("s" * 64))

    def test_several_files_are_counted(self):
        good = self.transcript("protocol echo\na> x\na< x\n")
        bad = self.transcript("protocol echo\na> x\na< y\n", "b.lt")
        out, _ = self.linetest(good, bad, good, code=1)
        self.assertTrue(out.endswith(
            "3 transcripts, 1 failed; 3 runs, 1 failed\n"), out)

    def test_tap(self):
        good = self.transcript("protocol echo\na> x\na< x\n")
        bad = self.transcript("protocol echo\na> x\na< y\n", "b.lt")
        out, _ = self.linetest("--tap", good, bad, code=1)
        lines = out.split("\n")
        self.assertEqual(lines[0], "ok 1 - a.lt (whole, 1 worker)")
        self.assertEqual(lines[1], "not ok 2 - b.lt (whole, 1 worker)")
        self.assertEqual(lines[-2], "1..2")
        self.assertTrue(all(line.startswith("# ") for line in lines[2:-2]),
                        out)
        self.assertIn("#   expected: y", lines)

    def test_fragment_is_every_cut(self):
        text = "protocol echo\na> one\na> two\na< one\na< two\n"
        out = self.passes(text, "-v", "--fragment=2", "--seed", "41")
        runs = re.findall(r"^ok   a.lt \((.*), 1 worker\)$", out, re.M)
        self.assertEqual(runs, ["whole", "1-byte writes", "split CRLF",
                                "joined writes", "random cuts, seed 41",
                                "random cuts, seed 42"])
        self.assertIn("(8 runs)", self.passes(text, "--fragment"))
        self.assertIn("(1 run)", self.passes("fragment off\n" + text,
                                             "--fragment"))

    def test_workers(self):
        text = "protocol echo\na> x\na< x\n"
        out = self.passes(text, "-v", "--workers", "5")
        self.assertEqual(re.findall(r"\(whole, (.*)\)", out),
                         ["1 worker", "2 workers", "4 workers", "5 workers"])
        self.assertEqual(re.findall(r"service, (\d) workers?", out),
                         ["1", "2", "4", "5"])
        out = self.passes("workers 3\n" + text, "-v", "--workers", "5")
        self.assertEqual(re.findall(r"service, (\d) workers?", out), ["3"])
        out = self.passes('config {\n\tworkers = 2\n\tservice "e" { protocol '
                          '= "echo" listen = { "{unix}" } }\n}\na> x\na< x\n',
                          "-v", "--workers", "5")
        self.assertEqual(re.findall(r"service, (\d) workers?", out), ["2"])

    def test_a_daemon_and_modules_of_ones_own(self):
        self.own_modules()
        name = self.transcript("protocol echo\na> x\na< x\n")
        environ = environment({"TMPDIR": self.tmp, "LINED": "/nowhere"})
        done = subprocess.run([LINETEST, "--lined", LINED, "-m", "modules",
                               name], env=environ, cwd=self.dir,
                              stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_a_module_of_ones_own_beside_those_of_the_build(self):
        self.own_modules()
        os.rename(self.path("modules/echo.so"), self.path("modules/mine.so"))
        name = self.transcript('config {\n\tservice "e" { protocol = "relay" '
                               'listen = { "{unix}" } }\n}\na> x\n')
        environ = environment({"TMPDIR": self.tmp})
        environ.pop("LINED_MODULES", None)
        done = subprocess.run([LINETEST, "--lined", LINED, "-m", "modules",
                               name], env=environ, cwd=self.dir,
                              stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout)


class Failing(Linetest):
    def test_the_difference_is_shown(self):
        out = self.fails("protocol echo\n"
                         "\n"
                         "alice> first\n"
                         "alice< first\n"
                         "alice> the gr\u00fc\u00dfe line\n"
                         "bob> \\x01 \\\\\n"
                         "alice< the gr\u00fc\u00dfe lime\n")
        head, _, log = out.partition("  the daemon's log:\n")
        head = re.sub(r"unix://\S*", "unix://", head)
        self.assertEqual(
            head,
            "FAIL a.lt (whole, 1 worker)\n"
            "a.lt:7: alice got another line than was expected\n"
            "  expected: the gr\u00fc\u00dfe lime\n"
            "  got:      the gr\u00fc\u00dfe line\n"
            "                        ^\n"
            "  alice:\n"
            "      alice: connect unix://\n"
            "      alice> first\n"
            "      alice< first\n"
            "      alice> the gr\u00fc\u00dfe line\n"
            "    ? alice< the gr\u00fc\u00dfe line\n"
            "  bob:\n"
            "      bob: connect unix://\n"
            "      bob> \\x01 \\\\\n"
            "    ? bob< \\x01 \\\\\n")
        self.assertIn("service echo: listening on unix:///", log)
        self.assertTrue(log.endswith(
            "1 transcript, 1 failed; 1 run, 1 failed\n"), log)

    def test_long_lines_are_cut_around_the_difference(self):
        out = self.fails("protocol echo\na> {x*400}y{z*4000}\n"
                         "a< {x*400}Y{z*4000}\n")
        expected, got, mark = re.search(
            r"  expected: (.*)\n  got:      (.*)\n(.*)\^\n", out).groups()
        self.assertLess(len(expected), 400)
        column = len(mark) - len("  expected: ")
        self.assertEqual(expected[column], "Y")
        self.assertEqual(got[column], "y")

    def test_nothing_comes(self):
        self.fails("protocol echo\na> x\na< x\na< more\n",
                   "a.lt:4: a did not get what was expected: nothing more "
                   "came within 0.5 s\n  expected: more\n  got:      "
                   "nothing\n", args=("--patience", "500ms"))

    def test_only_half_a_line_comes(self):
        self.fails("protocol echo { framing { unterminated = deliver } }\n"
                   "a>> x\na: half-close\na< x\n",
                   "a.lt:4: a did not get what was expected: the connection "
                   "has ended\n  expected: x\n  got:      x\n"
                   "            (without the end of a line)\n")

    def test_the_end_comes_instead(self):
        self.fails("protocol echo\na> x\na< x\na: half-close\na< more\n",
                   "a.lt:5: a did not get what was expected: the connection "
                   "has ended\n")

    def test_a_line_too_many_at_the_end(self):
        self.fails("protocol echo\na> x\na> y\na< x\n",
                   "a.lt:4: a got more than was expected\n"
                   "  got:      y\\n\n", "    ? a< y\n")

    def test_a_line_too_many_before_it_closes(self):
        self.fails("protocol echo\na> x\na> y\na< x\nwait 50ms\na: close\n",
                   "a.lt:6: a got more than was expected\n")

    def test_silence_that_is_none(self):
        self.fails("protocol echo\na> x\na! 2s\n",
                   "a.lt:3: a should have got nothing for 2000 ms\n"
                   "  got:      x\\n\n")
        self.fails("protocol echo\nb> x\na> x\na< x\n!\n",
                   "a.lt:5: b should have got nothing for 100 ms\n")
        self.fails("protocol echo\na> x\na< x\na: half-close\na! 2s\n",
                   "a.lt:5: a should have got nothing", "the end of the conn")

    def test_no_end(self):
        self.fails("patience 500ms\nprotocol echo\na> x\na< x\na: eof\n",
                   "a.lt:5: a did not see the end: nothing more came")
        self.fails("protocol echo\na> x\na: eof\n",
                   "a.lt:3: a got more than was expected")

    def test_other_bytes(self):
        self.fails("protocol echo\na>> x\\r\\n\na<< x\\n\n",
                   "a.lt:3: a got other bytes than were expected\n"
                   "  expected: x\\n\n  got:      x\\r\n"
                   "              ^\n")
        self.fails("patience 500ms\nprotocol echo\na>> x\\n\na<< x\\nz\n",
                   "a.lt:4: a did not get what was expected: nothing more")

    def test_any_order_is_not_any_line(self):
        self.fails("protocol echo\na> 1\na> 2\na> 3\na<* 3\na<* 1\na<* 4\n",
                   "a.lt:5: a got another line than was expected\n"
                   "  expected: 3\n  or:       4\n  got:      2\n")

    def test_a_pattern_is_shown_as_it_was_written(self):
        self.fails("protocol echo\na> x\na<~ [0-9]+\n",
                   "  expected: (a match of) [0-9]+\n  got:      x\n")

    def test_a_name_keeps_its_value(self):
        self.fails("protocol echo\na> x one\na> x two\na< x {n}\na< x {n}\n",
                   "a.lt:5: ", "  expected: x one\n  got:      x two\n")

    def test_passing_over_ends_with_patience(self):
        self.fails("patience 500ms\nprotocol echo\na> 1\na> 2\na< ...\na< 3\n",
                   "a.lt:6: ", "  got:      nothing of the kind (see below)",
                   "      a< 1\n      a< 2\n")

    def test_whom_it_is_about_comes_first(self):
        out = self.fails("protocol echo\na> x\nb> x\nb> y\nb< y\n")
        self.assertLess(out.index("\n  b:\n"), out.index("\n  a:\n"))
        out = self.fails("protocol echo\na> x\nb> y\na> z\na< x\na< z\n")
        self.assertIn("a.lt:6: b got more than was expected\n", out)
        self.assertLess(out.index("\n  b:\n"), out.index("\n  a:\n"))

    def test_nobody_comes_to_a_server(self):
        self.fails("patience 500ms\nprotocol echo\nup: listen\nup: accept\n",
                   "a.lt:4: nobody connected to up: nothing more came within")

    def test_nobody_to_connect_to(self):
        self.fails("protocol echo\na: connect unix:///nowhere/sock\n",
                   "a.lt:2: a could not connect: the connection is gone (No "
                   "such file")

    def test_the_log_has_no_such_line(self):
        self.fails("patience 500ms\nprotocol echo\na> x\na< x\n"
                   "log< no such line\n", "a.lt:5: the log has no such line")

    def test_a_bad_config(self):
        self.fails("protocol echo {\n\tcolour = 1\n}\na> x\n",
                   "a.lt:4: the daemon did not start: exit status 1\n",
                   "     4  \tcolour = 1\n", "lined.conf:4:", "colour")

    def test_a_config_that_is_refused_later(self):
        self.fails("protocol echo\na> x\na< x\nreload { colour = 1 }\n",
                   "a.lt:4: the daemon refused the new config\n", "colour")

    def test_a_daemon_that_dies(self):
        self.build_module("crash", CRASH)
        out = self.fails("protocol crash\na> x\na< x\n", "a.lt:3: a did not ")
        self.assertRegex(out, r"the daemon is gone, (killed by signal 6|exit "
                              r"status)")
        self.fails("protocol crash\na> x\na: gone\n",
                   "a.lt:3: the daemon failed: ")

    def test_no_daemon(self):
        name = self.transcript("protocol echo\na> x\n")
        out, _ = self.linetest("--lined", "/nowhere/lined", name, code=1)
        self.assertIn("a.lt:2: the daemon did not start: exit status 127", out)
        self.assertIn("/nowhere/lined: No such file or directory", out)

    def test_after_a_failure_the_rest_of_its_runs_only_if_asked(self):
        text = "protocol echo\na> x\na< y\n"
        self.assertIn("1 run, 1 failed",
                      self.fails(text, args=("--fragment=1",)))
        self.assertIn("5 runs, 5 failed",
                      self.fails(text, args=("--fragment=1", "-k")))


class Faults(Linetest):
    def test_faults_of_a_transcript(self):
        good = self.transcript("protocol echo\na> x\na< x\n", "good.lt")
        bad = self.transcript("protocol echo\nnonsense\na> \\q\n")
        for args in ((good, bad), ("-t", bad)):
            out, err = self.linetest(*args, code=2)
            self.assertEqual(out, "")
            self.assertEqual(
                err, 'a.lt:2: "nonsense" is no statement (a client\'s line is '
                     'NAME> TEXT or NAME< TEXT)\n'
                     'a.lt:3: unknown escape "\\q"; a \\ is written \\\\\n')
        self.assertEqual(self.linetest("-t", good, code=0), ("", ""))

    def test_patterns_that_grow_without_bound_are_refused(self):
        patterns = ("x{1,200}{1,200}{1,200}", "((x{200}){200}){200}",
                    "x" + "{2,}" * 40, "(" * 40 + "x" + "+)" * 40,
                    "(" * 20000 + "x" + ")" * 20000, "[]x]{30000}",
                    "{n:x{0,9000}}")
        for pattern in patterns:
            with self.subTest(pattern[:30]):
                text = "protocol echo\na> hi\na<~ %s\n" % pattern
                out, err = self.linetest("-t", self.transcript(text), code=2)
                self.assertIn("a.lt:3: the pattern is too large", err)
        fine = ("x{1,200}", "[a-z]+ (x|y{2}){3,}", "y" * 9000 + "{n}",
                "\\\\(" * 200, "[(]" * 200, "a{,3}")
        text = "protocol echo\na> hi\n" + "".join(
            "a<~ %s\n" % line.replace("\\\\", "\\") for line in fine)
        self.linetest("-t", self.transcript(text), code=0)

    def test_messages_have_no_controls_of_a_transcript(self):
        named = self.transcript("protocol echo\na> hi\na< ho\n",
                                "n\x1b]0;owned\x07.lt")
        wrong = self.transcript("protocol echo\n\x1b[2Jclear\x7f \x9b5m\n"
                                "a> \\q\x1b\na<~ (\x1b\n")
        done = self.linetest("-t", wrong, code=2)
        self.assertIn("a.lt:2: ", done[1])
        self.assertIn("\\e[2Jclear", done[1])
        for more in ([], ["-v"], ["--tap"]):
            done += self.linetest(*more, named, code=1)
        for text in done:
            self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f-\x9f]")
        self.assertIn("n\\e]0;owned\\a.lt", done[2])

    def test_wrong_usage(self):
        for args, wanted in (((), "no FILE"), (("-x", "a"), "-x|'x'"),
                             (("--workers", "0", "a"), "--workers"),
                             (("--workers", "x", "a"), "--workers"),
                             (("--fragment=0", "a"), "--fragment"),
                             (("--seed", "-1", "a"), "--seed"),
                             (("--patience", "1h", "a"), "--patience"),
                             (("--timeout", "0", "a"), "--timeout"),
                             (("--record", "x"), "--record needs a FILE"),
                             (("--record", "x", "a", "b"), "one FILE"),
                             (("--listen", "x", "a"), "go with --record"),
                             (("/nowhere/a.lt",), "/nowhere/a.lt: No such")):
            out, err = self.linetest(*args, code=2)
            self.assertEqual(out, "")
            self.assertRegex(err, wanted)

    def test_help_and_version(self):
        out, _ = self.linetest("-h", code=0)
        self.assertIn("--fragment", out)
        out, _ = self.linetest("--version", code=0)
        self.assertRegex(out, r"^linetest \d")


class Server(Linetest):
    """--connect plays transcripts against any server: here, a lined that the
    test has started."""

    TEXT = "alice> hello\nalice< hello\n"

    def serve(self):
        path = self.path("sock")
        self.start(service("echo", "unix://" + path))
        return "unix://" + path

    def test_it_plays_against_a_server_that_runs(self):
        url = self.serve()
        out = self.passes(self.TEXT, "--connect", url, "--fragment=1")
        self.assertEqual(out, "ok   a.lt (5 runs)\n"
                              "1 transcript, 0 failed; 5 runs, 0 failed\n")
        # The transcript's statements about services are ignored.
        self.passes("protocol echo x { limits { clients = 3 } }\nworkers 2\n"
                    "alice: connect tcp to x\n" + self.TEXT,
                    "--connect", url)

    def test_what_fails_shows_no_log(self):
        out = self.fails(self.TEXT + "alice> more\n",
                         "a.lt:3: alice got more than was expected",
                         args=("--connect", self.serve()))
        self.assertNotIn("the daemon's log", out)
        self.fails(self.TEXT, "alice could not connect",
                   args=("--connect", "unix:///nowhere/sock"))

    def test_what_needs_a_daemon_of_its_own_is_refused(self):
        for text in ("protocol echo\na> x\na< x\nstop\n",
                     "protocol echo\na> x\na< x\nreload\n",
                     "protocol echo\na> x\na< x\nlog< x\n"):
            _, err = self.linetest("--connect", "unix:///x",
                                   self.transcript(text), code=2)
            self.assertIn("a.lt:4: not with --connect", err)
        for args in (("--workers", "2"), ("--exec", "cat")):
            _, err = self.linetest("--connect", "unix:///x", *args,
                                   self.transcript(self.TEXT), code=2)
            self.assertIn("without --workers and --exec", err)
        _, err = self.linetest("--connect", "nowhere",
                               self.transcript(self.TEXT), code=2)
        self.assertIn("--connect", err)


class Terminal(Linetest):
    def test_a_transcript_may_come_from_standard_input(self):
        done = subprocess.run(
            [LINETEST, "-"], input=b"protocol echo\na> x\na< y\n",
            stdout=subprocess.PIPE, env=self.environment(), cwd=self.dir,
            timeout=4 * PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"FAIL - (whole, 1 worker)\n-:3: ", done.stdout)

    def on_terminal(self, *args, **environment):
        """The output on a terminal."""
        master, slave = pty.openpty()
        env = {**self.environment(), "TERM": "xterm", **environment}
        process = subprocess.Popen([LINETEST, *args], stdout=slave,
                                   stdin=subprocess.DEVNULL, env=env,
                                   cwd=self.dir)
        os.close(slave)
        out = b""
        with contextlib.suppress(OSError):  # EIO: the end
            while True:
                out += os.read(master, 65536)
        os.close(master)
        process.wait()
        return out

    def test_on_a_terminal_there_is_colour_and_progress(self):
        name = self.transcript("protocol echo\na> x\na< x\n")
        out = self.on_terminal("--fragment=1", name)
        self.assertIn(b"\r\x1b[Ka.lt: run 2 (", out)
        self.assertIn(b"\r\x1b[K\x1b[32mok\x1b[0m   a.lt (5 runs)\r\n", out)
        bad = self.transcript("protocol echo\na> x\na< y\n", "b.lt")
        self.assertIn(b"\x1b[31mFAIL\x1b[0m b.lt", self.on_terminal(bad))
        for plain in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            out = self.on_terminal(name, **plain)
            self.assertTrue(out.startswith(b"ok   a.lt (1 run)"), out)

    def test_bad_manners_of_a_module_are_warned_of(self):
        with open(os.path.join(MODULES, "echo.so"), "rb") as f:
            if b"__gcov_" in f.read():
                self.skipTest("gcov adds variables to modules")
        directory = os.path.dirname(self.build_module("rude", """
#include <poll.h>
#include <lined/protocol.h>

static int count;
int total = 3;
static const char *const words[] = {"a", "b"};
static _Thread_local int own;

static void serve(struct lined_socket *client, const struct lined_line *line)
{
	poll(NULL, 0, 150);
	count++;
	own++;
	total++;
	lined_socket_send(client, words[count % 2], 1);
	lined_socket_send_line(client, line);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "rude",
	.summary = "blocks, and counts",
	.handle_line = serve,
};
"""))
        text = self.transcript("protocol rude\na> x\na< bx\n")
        out, _ = self.linetest("-m", directory, text, code=0)
        self.assertRegex(
            out, r"warning: .*/rude.so: (count, total|total, count): writable")
        self.assertEqual(out.count("warning: "), 2, out)
        self.assertIn("warning: a.lt: a handler took longer than 100 ms", out)
        # The modules of lined have none.
        out, _ = self.linetest("-m", MODULES, self.transcript(
            "protocol echo\na> x\na< x\n"), code=0)
        self.assertNotIn("writable", out)


class Watchdog(Linetest):
    def of_this_test(self):
        """Processes with this test's directory in their arguments."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as f:
                    argv = f.read().split(b"\0")
            except OSError:
                continue
            if (b"-c" in argv and
                    any(self.tmp.encode() in arg for arg in argv)):
                found.append(path)
        return found

    def test_a_run_has_a_timeout(self):
        with self.takes(0.9, PATIENCE):
            self.fails("protocol echo\na> x\na< x\nwait 5m\n",
                       "a.lt:4: the run took longer than 1 s",
                       args=("--timeout", "1s"))
        self.assertEqual(self.of_this_test(), [])

    def test_ended_from_outside_it_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            name = self.transcript("protocol echo\na> x\na< x\nwait 5m\n")
            process = self.launch_linetest("--fragment", name, name)
            self.eventually(self.of_this_test, "a daemon")
            process.send_signal(number)
            out, _ = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, 1, out)
            self.assertIn(b"interrupted", out)
            # TSan, when killed while it starts, leaves tsan.rodata.PID.
            self.assertEqual([name for name in os.listdir(self.tmp)
                              if not name.startswith("tsan.")], [])
            self.assertEqual(self.of_this_test(), [])

    def test_killed_it_takes_the_daemon_along(self):
        name = self.transcript("protocol echo\na> x\na< x\nwait 5m\n")
        process = self.launch_linetest(name)
        self.eventually(self.of_this_test, "a daemon")
        process.kill()
        self.eventually(lambda: not self.of_this_test(), "the daemon's end")

    def test_directories_may_be_kept(self):
        name = self.transcript("protocol echo\na> x\na< y\n")
        process = self.launch_linetest("--keep", name)
        out, _ = process.communicate(timeout=PATIENCE)
        kept = re.search(rb"everything is kept in (\S+)", out).group(1).decode()
        self.assertTrue(os.path.exists(os.path.join(kept, "lined.conf")))
        shutil.rmtree(kept)


class Cuts(Linetest):
    def test_fragment_finds_a_protocol_that_takes_a_read_for_a_line(self):
        with open(os.path.join(TOP, "tests", "modules", "line-a-read.c")) as f:
            self.build_module("line-a-read", f.read())
        text = ("protocol line-a-read\n"
                "a> hello\na< heard hello\na> world\na< heard world\n")
        self.passes(text)
        out = self.fails(text, args=("--fragment=6", "-k", "--patience",
                                     "2s", "--seed", "1"))
        for cut in ("1-byte writes", "split CRLF", "random cuts, seed 1"):
            self.assertIn("FAIL a.lt (%s, 1 worker)" % cut, out)
        self.assertNotIn("FAIL a.lt (whole", out)
        self.assertIn("  expected: heard hello\n  got:      heard h\n", out)
        # A seed with which a run failed fails again.
        seed = re.findall(r"FAIL a.lt \(random cuts, seed (\d+)", out)[-1]
        self.assertIn("seed %s" % seed,
                      self.fails(text, args=("--fragment=1", "--seed", seed,
                                             "-k", "--patience", "2s")))

    def test_joined_writes_find_one_too(self):
        with open(os.path.join(TOP, "tests", "modules", "line-a-read.c")) as f:
            self.build_module("line-a-read", f.read())
        out = self.fails("protocol line-a-read\na> 1\na> 2\n"
                         "a<~* heard [12].*\na<~* heard [12].*\n",
                         args=("--fragment=1", "-k", "--patience", "1s"))
        self.assertIn("FAIL a.lt (joined writes", out)


class Recording(Linetest):
    def record(self, *args, new="new.lt"):
        """Starts the recorder. Returns it and the address for its clients."""
        process = self.launch_linetest("--record", new, *args)
        line = process.stdout.readline().decode()
        found = re.match(r"listening on (?:tcp://127.0.0.1:(\d+)|unix://(.*))",
                         line)
        if not found:
            self.fail("%r %r" % (line, process.stderr.read()))
        port, path = found.groups()
        return process, path or ("127.0.0.1", int(port))

    def finish(self, process):
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out, err), (0, b"", b""))

    def conversation(self, address):
        with Client(address) as alice, contextlib.ExitStack() as later:
            self.assertEqual(alice.line(), GREETING % 1)
            self.assertEqual(alice.line(), b"* guest1 joined lobby\n")
            bob = later.enter_context(Client(address))
            self.assertEqual(bob.line(), GREETING % 2)
            self.assertEqual(bob.line(), b"* guest2 joined lobby\n")
            self.assertEqual(alice.line(), b"* guest2 joined lobby\n")
            alice.send(b"/nick al")
            time.sleep(0.05)
            alice.send(b"ice\r\n")
            # Answers to Alice have the line end that she uses.
            self.assertEqual(alice.line(), b"* guest1 is now alice\r\n")
            self.assertEqual(bob.line(), b"* guest1 is now alice\n")
            bob.send(b"... {brace} \\ \n")
            self.assertEqual(alice.line(),
                             b"[lobby] <guest2> ... {brace} \\ \r\n")
            bob.send(b"/part\n...\n")
            self.assertEqual(alice.line(), b"* guest2 left lobby\r\n")
            self.assertEqual(bob.line(), b"* guest2 left lobby\n")
            self.assertEqual(bob.line(), b"! you are in no room\n")
            bob.send(b"/quit\n")
            self.assertEqual(bob.rest(), b"")
            bob.close()
            alice.send(b"/ping\n")
            self.assertEqual(alice.line(), b"* pong\r\n")
            alice.reset()

    def read(self, name="new.lt"):
        with open(self.path(name)) as f:
            return f.read()

    def test_what_was_recorded_passes(self):
        head = self.transcript("# A head.\nprotocol chat {\n"
                               "\tchat { flood-rate = 0 }\n}\n", "head.lt")
        process, address = self.record(head)
        self.conversation(address)
        self.eventually(lambda: "client1: reset" in self.read(), "the end")
        self.finish(process)
        text = self.read()
        self.assertTrue(text.startswith(
            "# A head.\nprotocol chat {\n\tchat { flood-rate = 0 }\n}\n\n"
            "client1: connect\n"), text)
        for line in ("client1< * Welcome. You are guest1. /help lists the "
                     "commands.", "client1: terminator crlf",
                     "client2> ... \\{brace} \\\\\\x20",
                     "client2> \\...", "client2: eof", "client1: reset"):
            self.assertIn("\n%s\n" % line, text)
        self.linetest("--fragment=2", "--workers", "2", "new.lt", code=0)
        # If an expected line of the recording is changed, the recording fails.
        self.transcript(text.replace("* guest1 is now", "* guest1 was"),
                        "new.lt")
        self.linetest("new.lt", code=1)

    def test_a_daemon_that_is_there(self):
        self.start(service("lobby", "unix://" + self.path("sock"),
                           protocol="chat"), workers=1)
        head = self.transcript("protocol chat\n", "head.lt")
        process, address = self.record(
            head, "--listen", "unix://" + self.path("here"),
            "--connect", "unix://" + self.path("sock"))
        self.assertEqual(address, self.path("here"))
        self.conversation(address)
        self.eventually(lambda: "client1: eof" in self.read(), "the end")
        self.finish(process)
        self.linetest("new.lt", code=0)

    def test_a_daemon_over_tls(self):
        done = subprocess.run([LINETEST, "-t", "--over", "tls", "x.lt"],
                              capture_output=True)
        if b"without OpenSSL" in done.stderr:
            self.skipTest("built without OpenSSL")
        pair = Authority(self.dir).issue("one", ["IP:127.0.0.1"])
        url = "tls://127.0.0.1:%d" % free_port()
        self.start('tls "t" { certificate = "%s" key = "%s" }\n'
                   % (pair.certificate, pair.key)
                   + service("e", url, extra='tls = { "t" }'))
        process, address = self.record("--connect", url)
        with Client(address) as one:
            one.send(b"hello\n")
            self.assertEqual(one.line(), b"hello\n")
        self.eventually(lambda: "eof" in self.read(), "the end")
        self.finish(process)

    def test_bytes_without_line_ends(self):
        head = self.transcript(
            "protocol echo { framing { unterminated = deliver } }\n",
            "head.lt")
        process, address = self.record(head)
        with Client(address) as one:
            one.send(b"a\0\r\nb\n\x80 \r c\n\nrest")
            one.half_close()
            self.assertEqual(one.rest(), b"a\0\r\nb\n\x80 \r c\n\nrest")
        self.eventually(lambda: "eof" in self.read(), "the end")
        self.finish(process)
        said, _, heard = self.read().split("\n", 2)[2].partition(
            "client1>> rest\n")
        self.assertEqual(
            said, "client1: connect\n"
            "client1: terminator crlf\nclient1> a\\0\n"
            "client1: terminator lf\nclient1> b\nclient1> \\x80 \\r c\n"
            "client1>\n")
        # The note about the half-close may come after the first answers.
        self.assertEqual(heard.count("client1: half-close\n"), 1)
        self.assertEqual(
            heard.replace("client1: half-close\n", ""),
            "client1< a\\0\nclient1< b\nclient1< \\x80 \\r c\n"
            "client1<\nclient1<< rest\nclient1: eof\n")
        self.linetest("--fragment", "new.lt", code=0)

    def test_much_at_once_is_passed_on_whole(self):
        head = self.transcript("protocol echo\n", "head.lt")
        process, address = self.record(head)
        data = b"".join(b"%d %s\n" % (i, b"x" * 1000) for i in range(4000))
        with Client(address) as one:
            sender = threading.Thread(target=one.send, args=(data,))
            sender.start()
            self.assertEqual(one.exactly(len(data)), data)
            sender.join()
        self.eventually(lambda: "eof" in self.read()[-100:], "the end")
        self.finish(process)

    def test_what_it_refuses(self):
        head = self.transcript("protocol echo\n", "head.lt")
        steps = self.transcript("protocol echo\na> x\n", "steps.lt")
        empty = self.transcript("# nothing\n", "empty.lt")
        udp = self.transcript('config { service "e" { listen = { "{udp}" } } '
                              "}\n", "udp.lt")
        for args, code, wanted in (
                (("new.lt", steps), 2, "steps.lt:2: the FILE of --record may"),
                (("new.lt", empty), 2, "empty.lt: it does not say what is"),
                (("new.lt", udp), 1, "udp.lt: no stream to record"),
                (("head.lt", head), 1, "head.lt: File exists"),
                (("new.lt", "--listen", "here", head), 1, "no address"),
                (("new.lt", "--connect", "tcp://x:1"), 1, "no address"),
                (("new.lt", "--listen", "udp://127.0.0.1:7007", head), 1,
                 '"udp://127.0.0.1:7007": --listen takes tcp:// and unix://'),
                (("new.lt", "--listen", "tls://127.0.0.1:7007", head), 1,
                 '"tls://127.0.0.1:7007": --listen takes tcp:// and unix://'),
                (("new.lt", "--listen", "ws://127.0.0.1:7007", head), 1,
                 "--listen takes tcp:// and unix:// only"),
                (("new.lt", "--connect", "ws://127.0.0.1:7007"), 1,
                 "--connect takes tcp://, unix:// and tls:// only"),
                (("new.lt", "--connect", "wss://127.0.0.1:7007"), 1,
                 '"wss://127.0.0.1:7007": --connect takes tcp://, unix://'),
                (("new.lt", "--listen", "tcp://192.0.2.1:7007", head), 1,
                 "tcp://192.0.2.1:7007: ")):
            _, err = self.linetest("--record", *args, code=code)
            self.assertIn(wanted, err)
            if os.path.exists(self.path("new.lt")):
                os.unlink(self.path("new.lt"))
        self.assertEqual(self.read("head.lt"), "protocol echo\n")

    def test_nobody_there(self):
        process, address = self.record("--connect", "unix:///nowhere/sock")
        with Client(address) as one:
            self.assertEqual(one.ended(), b"")
        self.eventually(lambda: "gone" in self.read(), "the end")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b"client1: the daemon: No such file", err)
        self.assertIn("# What is served", self.read())


class Mutations(Linetest):
    """A transcript with one changed expected line must fail at this line."""

    def mutate(self, path):
        """The changed copies of a transcript, by the changed line."""
        with open(path) as f:
            lines = f.read().split("\n")
        name = os.path.basename(path)
        copies = {}
        for number, line in enumerate(lines, 1):
            found = re.match(r"\s*[A-Za-z][\w-]*<([<~*]*)( |$)(.*)", line)
            if not found or found.group(3) == "...":
                continue
            at = found.start(3)
            changed = list(lines)
            changed[number - 1] = "%s~%s" % (
                line[:at] if found.group(2) else line + " ", line[at:])
            copy = "%s-%d.lt" % (name[:-3], number)
            with open(self.path(os.path.join("copies", copy)), "w") as f:
                f.write("\n".join(changed))
            copies[copy] = number
        return copies

    def check_file(self, path):
        copies = self.mutate(path)
        included = re.search(r"^\s*include ", open(path).read(), re.M)
        self.assertTrue(copies or included, "it expects nothing")
        if not copies:
            return
        out, _ = self.linetest(
            "--tap", *(os.path.join("copies", copy) for copy in copies), code=1,
            timeout=400)
        for copy, number in copies.items():
            path = os.path.join("copies", copy)
            self.assertRegex(
                out, r"(?m)^not ok \d+ - %s .*\n# %s:\d+: "
                % (re.escape(path), re.escape(path)))
            where = int(re.search(r"(?m)^# %s:(\d+): " % re.escape(path),
                                  out).group(1))
            self.assertTrue(self.is_group(path, where, number),
                            "%s failed at line %d:\n%s"
                            % (path, where, out))

    def is_group(self, path, where, number):
        """Whether the failure is reported at the first line of a group: so it
        is for lines that may come in any order."""
        if where == number:
            return True
        with open(self.path(path)) as f:
            lines = f.read().split("\n")[where - 1:number]
        return all(re.match(r"\s*[A-Za-z][\w-]*<~?\*|\s*(#|$)", line)
                   for line in lines)

    def test_every_transcript(self):
        shutil.copytree(TRANSCRIPTS, self.path("copies"))
        os.chmod(self.path("copies"), 0o755)
        paths = sorted(glob.glob(os.path.join(TRANSCRIPTS, "*.lt")))
        self.assertGreater(len(paths), 1)
        for path in paths:
            with self.subTest(transcript=os.path.basename(path)):
                self.check_file(path)


if __name__ == "__main__":
    main(500)
