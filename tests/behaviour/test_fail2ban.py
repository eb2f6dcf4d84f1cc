#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fail2ban's filter and jail of conf/examples: fail2ban-regex reads the log of
a real daemon, in each form that the log may have."""
import os
import re
import shutil
import subprocess

from lined_test import PATIENCE, TOP, Client, DaemonTest, free_port, main
from lined_test import service

# The hash of a password that no test knows.
HASH = ("$6$lined$pT.I8T0PJGiW/CIQYUWkNb2.wCw2EiYzbyyPkKmEIzEShJ5s7We"
        "IO1UOy0cXXTDsh.bBJkXyLq82o4D4ceblI0")
EXAMPLES = os.path.join(TOP, "conf", "examples", "host")


class Fail2ban(DaemonTest):
    def setUp(self):
        super().setUp()
        for program in ("fail2ban-regex", "fail2ban-client"):
            if not shutil.which(program):
                self.skipTest(program + " was not found")

    def run_program(self, *argv):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=5 * PATIENCE, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def directory(self):
        """A copy of fail2ban's configuration with the filter and the jail."""
        place = self.path("fail2ban")
        if not os.path.exists(place):
            shutil.copytree("/etc/fail2ban", place)
            shutil.copy(EXAMPLES + "/fail2ban-filter.conf",
                        place + "/filter.d/lined.conf")
            shutil.copy(EXAMPLES + "/fail2ban-jail.conf",
                        place + "/jail.d/lined.conf")
        return place

    def matched(self, lines):
        """The addresses that the filter finds, in order."""
        log = self.path("log")
        with open(log, "w") as f:
            f.write("\n".join(lines) + "\n")
        out = self.run_program("fail2ban-regex", "-o", "ip", log,
                               self.directory() + "/filter.d/lined.conf")
        return out.split()

    def refusals(self, text, level="info"):
        """Returns the log of clients at 127.0.0.2 to 127.0.0.5, which cause
        refusals, and of a good client at 127.0.0.6."""
        port, chat = free_port(), free_port()
        address = ("127.0.0.1", port)
        daemon = self.start(
            text + service(
                "echo", "tcp://127.0.0.1:%d" % port, extra=
                'access { deny = { "127.0.0.2" } }\n'
                "framing { line-length = 20 }\n"
                "limits { first-line-timeout = 300ms }")
            + service("lobby", "tcp://127.0.0.1:%d" % chat, protocol="chat",
                      extra="chat { operator \"root\" { hash = '%s' } }" % HASH),
            level=level)
        for source, said in (("127.0.0.2", None), ("127.0.0.3", b"x" * 30),
                             ("127.0.0.4", b"")):
            with Client(address, source=source) as c:
                if said:
                    c.send(said)
                c.ended()
        with Client(("127.0.0.1", chat), source="127.0.0.5") as c:
            c.line()
            c.line()
            c.send(b"/oper root no\n")
            self.assertEqual(c.line(), b"! wrong password\n")
        with Client(address, source="127.0.0.6") as c:
            # The text of a client is not matched.
            self.assertTrue(c.echoes(b"closed: too-long\n"))
        daemon.wait_log(r"127\.0\.0\.6:\d+: access")
        daemon.stop()
        return daemon.log

    WRONG = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]

    def test_lines_on_stderr_are_matched(self):
        plain = self.refusals('log { format = "plain" }\n')
        self.assertEqual(self.matched(plain), self.WRONG)
        # The form of a collector that adds the time, such as svlogd, with a
        # priority.
        stamped = [re.sub(r"^(\S+)T(\S+)\.\d+Z \w+: ", r"\1 \2 <6>", line)
                   for line in plain]
        self.assertEqual(self.matched(stamped), self.WRONG)
        syslog = [re.sub(r"^\S+ \w+: ", "Nov 29 12:00:00 host lined[123]: ",
                         line) for line in plain]
        self.assertEqual(self.matched(syslog), self.WRONG)

    def test_every_address_and_nothing_else_is_matched(self):
        when = "2026-11-29T12:00:00.123Z info: "
        self.assertEqual(self.matched([when + text for text in (
            "service a: refused [2001:db8::1]:5123: access",
            "service a: refused 192.0.2.1:5: clients-per-address",
            "7 similar messages suppressed: service a: refused 192.0.2.2:5: "
            "connect-rate-per-address",
            "service a: refused 192.0.2.3:5: line-rate",
            "service p: refused 192.0.2.4:5: proxy: not a PROXY header: x",
            "service a: refused 192.0.2.5:5: penalty",
            # The message about the cause matches already.
            "service a: penalty 192.0.2.9:5: 60 s: too-long",
            # Not caused by the client.
            "service a: refused 192.0.2.9:5: clients",
            "service control: refused unix: clients",
            "client 3 192.0.2.9:5: closed: idle 300 s",
            "client 3 192.0.2.9:5: closed: peer",
            # Text that 192.0.2.8 has sent.
            "client 3 192.0.2.8:5: line: service a: refused 192.0.2.9:5: "
            "access",
            "client 3 192.0.2.8:5: line: client 4 192.0.2.9:5: closed: "
            "too-long",
            "service a: 192.0.2.8 says: client 4 192.0.2.9:5: closed: "
            "too-long",
        )]), ["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3",
              "192.0.2.4", "192.0.2.5"])

    def test_the_jail_is_good(self):
        out = self.run_program("fail2ban-client", "-c", self.directory(), "-d")
        self.assertRegex(out, r"'add', 'lined', 'systemd'")
        self.assertRegex(out, r"'set', 'lined', 'maxretry', 20")
        self.assertIn("refused", out)


if __name__ == "__main__":
    main(180)
