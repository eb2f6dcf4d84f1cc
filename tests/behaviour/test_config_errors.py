#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Errors in a config: each has a clear message with file and line, all are
reported at once, and lined exits with the right code."""
import glob
import os
import re
import signal
import socket
import unittest

from lined_test import MODULES, TOP, Client, DaemonTest
from lined_test import free_port, main, service

# A service on lines 1 to 4; each case adds an error.
GOOD = ['service "one" {',
        '\tprotocol = "echo"',
        '\tlisten = { "tcp://127.0.0.1:PORT" }',
        '}']


def inside(line):
    """The good service with this line as its fourth line."""
    return GOOD[:3] + ["\t" + line] + GOOD[3:]


def listening(address):
    return [GOOD[0], GOOD[1], '\tlisten = { "%s" }' % address, GOOD[3]]


# The errors: the lines of the file, the line number, and the text that the
# message must contain.
CASES = {
    "an unknown key at top level": (
        GOOD + ["colour = 3"], 5, "colour"),
    "an unknown key in a service": (
        inside("colour = 3"), 4, "colour"),
    "an unknown key in limits": (
        inside("limits { clients = 3\n\t colour = 3 }"), 5, "colour"),
    "an unknown key with a list": (
        inside('colours = { "red", "green" }'), 4, "colours"),
    "an unknown section": (
        GOOD + ["paint {", "\tcolour = 3", "}"], 5, "paint"),
    "an unknown section with a title": (
        GOOD + ['paint "it" {', "\tcolour = 3", "}"], 5, "paint"),
    "a key of another section": (
        inside("line-length = 3"), 4, "line-length"),
    "a section of another protocol": (
        inside('relay { mode = "hub" }'), 4, "relay"),
    "an unknown key in the protocol's section": (
        inside("echo { loudness = 3 }"), 4, "loudness|echo"),
    "a bad value of a choice": (
        inside('framing { too-long = "wait" }'), 4, "too-long"),
    "a terminator of two bytes": (
        inside('framing { terminator = "ab" }'), 4,
        'terminator "ab": any, lf, crlf, cr, nul, syslog or one byte'),
    "an empty terminator": (
        inside('framing { terminator = "" }'), 4, 'terminator "": any'),
    "a number that is a word": (
        inside("limits { clients = many }"), 4, "clients|many"),
    "a number out of range": (
        inside("limits { clients = -1 }"), 4, "clients"),
    "a number larger than any": (
        inside("limits { clients = 99999999999999999999 }"), 4,
        "clients|99999999999999999999"),
    "a line length of nothing": (
        inside("framing { line-length = 0 }"), 4, "line-length"),
    "a leading zero": (
        inside("limits { clients = 010 }"), 4, "010|clients"),
    "a hexadecimal number": (
        inside("limits { clients = 0x10 }"), 4, "0x10|clients"),
    "a bad duration": (
        inside("limits { idle-timeout = 10w }"), 4, "10w|idle-timeout"),
    "a bad size": (
        inside("limits { send-queue = 10Q }"), 4, "10Q|send-queue"),
    "a bad level": (
        GOOD + ['log { level = "loud" }'], 5, "loud|level"),
    "a bad facility": (
        GOOD + ['log { facility = "loud" }'], 5, "loud|facility"),
    "a bad number of workers": (
        GOOD + ["workers = -3"], 5, "workers"),
    "a bad mode": (
        inside("socket-mode = 0999"), 4, "socket-mode|0999"),
    "a bad network": (
        inside('access { allow = { "10.0.0.0/33" } }'), 4,
        re.escape("10.0.0.0/33")),
    "a network that is none": (
        inside('access { deny = { "ten.zero" } }'), 4, "ten.zero"),
    "an unknown protocol": (
        [GOOD[0], '\tprotocol = "nosuch"'] + GOOD[2:], 2, "nosuch"),
    "a protocol with a path": (
        [GOOD[0], '\tprotocol = "../echo"'] + GOOD[2:], 2, r"\.\./echo"),
    "no protocol": (
        [GOOD[0]] + GOOD[2:], None, "protocol"),
    "no listen": (
        GOOD[:2] + GOOD[3:], None, "listen"),
    "an address without a scheme": (
        listening("127.0.0.1:7007"), 3, re.escape("127.0.0.1:7007")),
    "an address of an unknown scheme": (
        listening("http://127.0.0.1:7007"), 3, "http://127"),
    "an address without a port": (
        listening("tcp://127.0.0.1"), 3, "tcp://127.0.0.1"),
    "port 0": (
        listening("tcp://127.0.0.1:0"), 3, "tcp://127.0.0.1:0"),
    "a port too large": (
        listening("tcp://127.0.0.1:65536"), 3, "65536"),
    "a port with junk": (
        listening("tcp://127.0.0.1:7007x"), 3, "7007x"),
    "a host that is a name": (
        listening("tcp://example.org:7007"), 3, "example.org"),
    "an unclosed bracket": (
        listening("tcp://[::1:7007"), 3, re.escape("[::1:7007")),
    "IPv6 without brackets": (
        listening("tcp://::1:7007"), 3, "::1:7007"),
    "a relative UNIX path": (
        listening("unix://echo.sock"), 3, "echo.sock"),
    "a UNIX path too long": (
        listening("unix:///" + "x" * 200), 3, "unix:///x"),
    "an unclosed section": (
        GOOD[:3], "any", ""),
    "an unclosed string": (
        GOOD + ['user = "nobody'], "any", ""),
    "an unclosed list": (
        GOOD[:2] + ['\tlisten = { "tcp://127.0.0.1:PORT"', "}"], "any", ""),
    "a missing value": (
        inside("socket-mode ="), "any", ""),
    "a brace too many": (
        GOOD + ["}"], 5, ""),
    "binary junk": (
        GOOD + ["\x01\x02\xff\xfe\x1b[31m\x80"], 5, ""),
    "a missing include": (
        GOOD + ['include("DIR/nosuch.conf")'], 5,
        "nosuch.conf.*No such file"),
    "an include of a directory": (
        GOOD + ['include("DIR")'], 5, "DIR"),
    "an include in a section": (
        inside('include("DIR/*.conf")'), 4, "include"),
    "a file that includes itself": (
        GOOD + ['include("DIR/lined.conf")'], "any", "lined.conf"),
}


class Case(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()

    def fill(self, lines):
        text = "\n".join(lines) + "\n"
        return text.replace("PORT", str(self.port)).replace("DIR", self.dir)

    def expect(self, out, line, message, file=None):
        """Checks that one line of out is FILE:LINE: MESSAGE."""
        file = re.escape(file or self.config)
        number = r"\d+" if line in ("any", None) else str(line)
        pattern = r"(?m)^(<\d>)?(\S+: )?%s:%s: .*(%s)" % (
            file, number, message.replace("DIR", re.escape(self.dir)))
        self.assertRegex(out, pattern)
        for text in out.splitlines():
            self.assertNotRegex(text, r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class EachError(Case):
    pass


def add(name, lines, line, message):
    def by_check(self):
        self.write(self.fill(lines), workers=None)
        code, out = self.check()
        self.assertEqual(code, 1, out)
        self.expect(out, line, message)
    title = re.sub(r"\W+", "_", name)
    setattr(EachError, "test_" + title, by_check)


for case_name, case in CASES.items():
    add(case_name, *case)


class Start(Case):
    """A start reports the same errors as -t."""

    def test_a_bad_file_is_exit_1_at_start(self):
        for name in ("an unknown key in a service", "a leading zero",
                     "an unclosed section", "an unknown protocol",
                     "a host that is a name", "binary junk"):
            lines, line, message = CASES[name]
            with self.subTest(name):
                log = self.start_fails(self.fill(lines), 1, workers=None)
                self.expect(log, line, message)

    def test_a_missing_file_is_named(self):
        for options in (["-t"], ["-L", "stderr"]):
            code, _, err = self.run_lined("-c", self.path("nosuch.conf"),
                                          *options)
            self.assertEqual(code, 1)
            self.assertRegex(err, "nosuch.conf: No such file or directory")

    def test_a_directory_is_refused(self):
        for options in (["-t"], ["-L", "stderr"]):
            code, _, err = self.run_lined("-c", self.dir, *options)
            self.assertEqual(code, 1, err)
            self.assertRegex(err, re.escape(self.dir) + r": .*[Dd]irectory")

    @unittest.skipIf(os.geteuid() == 0, "root may read any file")
    def test_an_unreadable_file_is_named(self):
        self.write(self.fill(GOOD))
        os.chmod(self.config, 0)
        code, err = self.check()
        self.assertEqual(code, 1)
        self.assertRegex(err, "lined.conf: Permission denied")

    def test_a_port_in_use_is_exit_3_with_address_and_reason(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", self.port))
            s.listen()
            log = self.start_fails(self.fill(GOOD), 3)
            self.assertRegex(
                log, r"service one: listen tcp://127\.0\.0\.1:%d: "
                     r"Address already in use" % self.port)
            # lined -t opens nothing: to it, the file is correct.
            self.assertEqual(self.check()[0], 0)

    def test_every_address_that_fails_is_named(self):
        second = free_port()
        with socket.socket() as a, socket.socket(type=socket.SOCK_DGRAM) as b:
            a.bind(("127.0.0.1", self.port))
            a.listen()
            b.bind(("127.0.0.1", second))
            log = self.start_fails(
                service("one", "tcp://127.0.0.1:%d" % self.port,
                        "udp://127.0.0.1:%d" % second), 3)
            for address in ("tcp://127.0.0.1:%d" % self.port,
                            "udp://127.0.0.1:%d" % second):
                self.assertRegex(log, "service one: listen %s: Address "
                                 "already in use" % re.escape(address))

    def test_an_address_of_another_machine_is_exit_3(self):
        log = self.start_fails(
            service("one", "tcp://203.0.113.77:%d" % self.port), 3)
        self.assertRegex(log, "service one: listen tcp://203.0.113.77:%d: "
                         "Cannot assign requested address" % self.port)


class Examples(Case):
    def test_each_is_good_as_it_stands(self):
        found = sorted(glob.glob(os.path.join(TOP, "conf", "*.conf"))
                       + glob.glob(os.path.join(TOP, "conf", "examples",
                                                "*.conf")))
        # The other files are for fail2ban and supervisord.
        found = [path for path in found
                 if 'service "' in open(path).read()]
        self.assertGreater(len(found), 8)
        # test_tls.py makes the files that this one needs.
        found.remove(os.path.join(TOP, "conf", "examples", "tls.conf"))
        for path in found:
            code, _, err = self.run_lined("-t", "-c", path, "-m", MODULES)
            self.assertEqual(code, 0, err)
            # There may be warnings only about the worst case of memory, and
            # about users that this machine does not have.
            for line in err.splitlines():
                self.assertRegex(line, "is good$|^memory: |"
                                 "no such (user|group) on this machine$")


class OneGo(Case):
    def test_two_unknown_keys_and_a_bad_value(self):
        code, out = self.check(self.fill(
            GOOD[:3] + ["\tcolour = 3", "\ttaste = \"sour\"",
                        "\tlimits { clients = -4 }"] + GOOD[3:]))
        self.assertEqual(code, 1)
        self.expect(out, 4, "colour")
        self.expect(out, 5, "taste")
        self.expect(out, 6, "clients")

    def test_all_kinds_over_all_files(self):
        inc = self.write('smell = 1\nservice "three" {\n'
                         '\tprotocol = "echo"\n'
                         '\tlisten = { "tcp://nohost:7" }\n}\n',
                         "inc.conf", workers=None)
        code, out = self.check(self.fill(
            ['include("DIR/inc*.conf")'] + GOOD +
            ['service "two" {',                                # 6
             '\tprotocol = "nosuch"',                          # 7
             '\tlisten = { "tcp://127.0.0.1:PORT" }',          # 8
             '\tframing { line-length = 0 }',                  # 9
             '\tbogus { deep { deeper = { 1, 2 } } }',         # 10
             '}',
             'service "one" {',                                # 12
             '\tprotocol = "echo"',
             '\tlisten = { "tcp://127.0.0.1:70000" }',         # 14
             '}',
             'log { level = "loud" }']))                       # 16
        self.assertEqual(code, 1)
        self.expect(out, 1, "smell", inc)
        self.expect(out, 4, "nohost", inc)
        self.expect(out, 7, "nosuch")
        self.expect(out, 8, "tcp://127.0.0.1:%d" % self.port)
        self.expect(out, 9, "line-length")
        self.expect(out, 10, "bogus")
        self.expect(out, 12, "one")
        self.expect(out, 14, "70000")
        self.expect(out, 16, "level|loud")

    def test_a_duplicate_service_is_told_with_both_places(self):
        code, out = self.check(self.fill(
            GOOD + [line.replace("PORT", str(free_port())) for line in GOOD]))
        self.assertEqual(code, 1)
        self.expect(out, 5, "one.*%s:1\\b" % re.escape(self.config))

    def test_a_duplicate_over_two_files(self):
        inc = self.write(self.fill(GOOD), "inc.conf", workers=None)
        code, out = self.check(self.fill(
            ["# a line before"] +
            [line.replace("PORT", str(free_port())) for line in GOOD] +
            ['include("DIR/inc.conf")']))
        self.assertEqual(code, 1)
        self.assertRegex(out, re.escape(inc) + r":1\b")
        self.assertRegex(out, re.escape(self.config) + r":2\b")

    def test_an_address_used_twice_is_told_with_both_places(self):
        code, out = self.check(self.fill(
            GOOD + [line.replace("one", "two") for line in GOOD]))
        self.assertEqual(code, 1)
        self.expect(out, 7, "tcp://127.0.0.1:%d" % self.port)
        self.assertRegex(out, re.escape(self.config) + r":[13]\b")


class Check(Case):
    def test_a_good_file_is_told_and_exit_0(self):
        code, out = self.check(self.fill(GOOD))
        self.assertEqual(code, 0, out)
        self.assertIn(self.config, out)

    def test_unknown_users_and_groups_are_warnings(self):
        # The config may be meant for another machine.
        code, out = self.check(self.fill(
            ['user = "no-such"', 'group = "no-such"',
             'control { socket = "DIR/control.sock"', 'group = "no-such" }']
            + GOOD[:3] + ['socket-owner = "no-such"',
                          'socket-group = "no-such"'] + GOOD[3:]))
        self.assertEqual(code, 0, out)
        self.assertEqual(re.findall("warning: .*", out), [
            "warning: %s:%d: %s" % (self.config, line, text)
            for line, text in (
                (1, 'user "no-such": no such user on this machine'),
                (2, 'group "no-such": no such group on this machine'),
                (4, 'control: group "no-such": no such group on this '
                    'machine'),
                (8, 'service "one": socket-owner "no-such": no such user on '
                    'this machine'),
                (9, 'service "one": socket-group "no-such": no such group on '
                    'this machine'))])

    def test_known_users_and_groups_are_nothing_to_tell(self):
        code, out = self.check(self.fill(
            ['user = "root"', 'group = "root"'] + GOOD[:3]
            + ['socket-owner = "root"', 'socket-group = "root"'] + GOOD[3:]))
        self.assertEqual(code, 0, out)
        self.assertNotIn("warning", out)

    def test_it_opens_nothing(self):
        path = self.path("echo.sock")
        code, out = self.check(service("one", "unix://" + path))
        self.assertEqual(code, 0, out)
        self.assertFalse(os.path.lexists(path))

    def test_sections_that_stand_once_parse(self):
        code, out = self.check(self.fill(
            GOOD + ['control { socket = "DIR/control.sock" group = "adm" }',
                    'metrics { listen = "tcp://127.0.0.1:9117" }',
                    'defaults { limits { idle-timeout = 5m } }',
                    'drain-timeout = 3s']))
        self.assertEqual(code, 0, out)

    def test_every_key_of_limits_and_framing_parses(self):
        code, out = self.check(self.fill(
            GOOD[:3] +
            ['limits { clients = 10 clients-per-address = 0',
             'connect-rate-per-address = 0 line-rate = 0 line-burst = 5',
             'idle-timeout = 0 first-line-timeout = 500ms',
             'line-timeout = 2m send-queue = 64k send-stall = 1h }',
             'framing { terminator = "crlf" line-length = 1M',
             "too-long = 'skip' unterminated = 'deliver' }",
             'access { allow = { "10.0.0.0/8", "::1", "192.0.2.1" }',
             'deny = { "10.1.0.0/16" } }',
             'socket-mode = 0600'] + GOOD[3:]))
        self.assertEqual(code, 0, out)

    def test_includes_are_sorted_and_an_empty_glob_is_good(self):
        # Files are read in sorted order, which decides which of two duplicates
        # is the second.
        os.mkdir(self.path("conf.d"))
        for name in ("20-b.conf", "10-a.conf", "ignored.txt"):
            self.write(self.fill(GOOD), "conf.d/" + name, workers=None)
        text = ('include("%s/none.d/*.conf")\ninclude("%s/conf.d/*.conf")\n'
                % (self.dir, self.dir))
        code, out = self.check(text)
        self.assertEqual(code, 1, out)
        self.expect(out, 1, "one.*10-a.conf:1",
                    self.path("conf.d/20-b.conf"))
        self.assertNotIn("ignored.txt", out)
        os.unlink(self.path("conf.d/20-b.conf"))
        code, out = self.check(text)
        self.assertEqual(code, 0, out)

    def test_an_included_service_serves(self):
        self.write(self.fill(GOOD), "inc.conf", workers=None)
        self.start('include("%s/inc*.conf")\n' % self.dir)
        with Client(("127.0.0.1", self.port)) as c:
            self.assertTrue(c.echoes())


class Usage(DaemonTest):
    def test_a_bad_command_line_is_exit_2(self):
        for args in (["--nosuch"], ["-Z"], ["stray"], ["-c"],
                     ["-l", "loud", "-t"], ["-L", "nowhere", "-t"]):
            with self.subTest(args):
                code, out, err = self.run_lined(*args)
                self.assertEqual(code, 2, err)
                self.assertEqual(out, "")
                self.assertNotEqual(err, "")

    def test_version_and_help_are_exit_0_on_stdout(self):
        for args in (["-V"], ["--version"], ["-h"], ["--help"]):
            with self.subTest(args):
                code, out, err = self.run_lined(*args)
                self.assertEqual(code, 0, err)
                self.assertIn("lined", out)
                self.assertEqual(err, "")

    def test_what_cannot_be_printed_is_told(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        for args in (["-V"], ["-h"]):
            with self.subTest(args), open("/dev/full", "w") as full:
                code, _, err = self.run_lined(*args, stdout=full)
                self.assertEqual(code, 3, err)
                self.assertIn("standard output: No space left", err)

    def test_the_help_names_every_option(self):
        _, out, _ = self.run_lined("--help")
        for option in ("--config", "--check", "--daemon", "--log-level",
                       "--log", "--module-dir", "--version", "--help"):
            self.assertIn(option, out)

    def test_long_options_are_taken(self):
        port = free_port()
        self.write(service("one", "tcp://127.0.0.1:%d" % port))
        code, _, err = self.run_lined(
            "--check", "--config=" + self.config, "--log=stderr",
            "--log-level=debug", "--module-dir", self.modules)
        self.assertEqual(code, 0, err)


class Reload(Case):
    def test_no_bad_file_touches_what_runs(self):
        daemon = self.start(self.fill(GOOD))
        with Client(("127.0.0.1", self.port)) as held:
            self.assertTrue(held.echoes())
            descriptors = daemon.descriptors()
            for name, (lines, line, message) in CASES.items():
                with self.subTest(name):
                    self.write(self.fill(lines), workers=None)
                    place = daemon.reload()
                    log = "\n".join(daemon.log[place:])
                    self.expect(log, line, message)
                    self.assertTrue(held.echoes())
                    with Client(("127.0.0.1", self.port)) as c:
                        self.assertTrue(c.echoes())
            os.unlink(self.config)
            place = daemon.reload()
            daemon.wait_log("No such file", place)
            os.mkdir(self.config)
            place = daemon.reload()
            daemon.wait_log("[Dd]irectory", place)
            os.rmdir(self.config)
            self.assertTrue(held.echoes())
            self.eventually(lambda: daemon.descriptors() == descriptors,
                            "the same descriptors as before")

    def test_a_port_in_use_changes_nothing(self):
        busy, free = free_port(), free_port()
        daemon = self.start(self.fill(GOOD))
        with socket.socket() as s, \
                Client(("127.0.0.1", self.port)) as held:
            s.bind(("127.0.0.1", busy))
            s.listen()
            self.assertTrue(held.echoes())
            # The first address can be opened, the second cannot, the third
            # could.
            self.write(service("two", "tcp://127.0.0.1:%d" % busy) +
                       service("three", "tcp://127.0.0.1:%d" % free))
            place = daemon.reload()
            daemon.wait_log("service two: listen tcp://127.0.0.1:%d: Address "
                            "already in use" % busy, place)
            self.assertTrue(held.echoes())
            with Client(("127.0.0.1", self.port)) as c:
                self.assertTrue(c.echoes())
            with self.assertRaises(ConnectionRefusedError):
                Client(("127.0.0.1", free))

    def test_many_hups_at_once_do_no_harm(self):
        daemon = self.start(self.fill(GOOD))
        with Client(("127.0.0.1", self.port)) as held:
            for i in range(50):
                daemon.signal(signal.SIGHUP)
                self.assertTrue(held.echoes())


@unittest.skipIf(os.geteuid() != 0, "only root becomes another user")
class ReadAgain(Case):
    """A reload reads the files as `user`, the user that root becomes at the
    start."""

    WARNING = 'user "daemon" cannot read it (Permission denied), so each ' \
              "reload will be refused"

    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)

    def warnings(self, text):
        code, err = self.check(self.fill(text))
        self.assertEqual(code, 0, err)
        return re.findall("warning: (.*)", err)

    def test_a_file_that_only_root_reads_is_a_warning(self):
        os.mkdir(self.path("closed"), 0o700)
        for name in ("a.conf", "closed/b.conf", "c.conf"):
            with open(self.path(name), "w") as f:
                f.write("drain-timeout = 3s\n" if name == "a.conf" else "")
            os.chmod(self.path(name), 0o600 if name == "a.conf" else 0o644)
        text = ['user = "daemon"', 'include("[ac].conf")',
                'include("closed/*.conf")'] + GOOD
        self.write("")
        os.chmod(self.config, 0o600)
        said = ["%s: %s" % (self.config, self.WARNING)] + [
            "%s:%d: %s: %s" % (self.config, line, self.path(name),
                               self.WARNING)
            for line, name in ((2, "a.conf"), (3, "closed/b.conf"),
                               (3, "closed/*.conf"))]
        self.assertEqual(sorted(self.warnings(text)), sorted(said))
        daemon = self.start(self.fill(text))
        for want in said:
            daemon.wait_log("^<4>" + re.escape(want))
        place = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("^<3>reload: refused", place)

    def test_files_that_the_user_reads_are_nothing_to_tell(self):
        self.write("")
        for owner, group, mode in ((0, 0, 0o644), (0, 1, 0o640),
                                   (1, 0, 0o400)):
            os.chown(self.config, owner, group)
            os.chmod(self.config, mode)
            self.assertEqual(self.warnings(['user = "daemon"'] + GOOD), [])
        os.chmod(self.config, 0o600)
        os.chown(self.config, 0, 0)
        self.assertEqual(self.warnings(GOOD), [])
        self.assertEqual(self.warnings(['user = "root"'] + GOOD), [])


if __name__ == "__main__":
    main(180)
