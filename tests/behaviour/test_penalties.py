#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Penalties: after a client was closed for a fault, its address is not let in
for some time. Other addresses are let in, and nobody can cause a penalty for
another address."""
import contextlib
import json
import os
import subprocess
import time

from lined_test import LINED, Client, DaemonTest, Datagram, free_port, main
from lined_test import service

BAD, GOOD, EXEMPT = "127.0.0.66", "127.0.0.2", "127.0.0.3"

JUDGE = r"""
#include <lined/protocol.h>

static void judge_line(struct lined_socket *client,
		       const struct lined_line *line)
{
	if (line->len == 3)
		lined_client_penalize(client);
	lined_socket_printf(client, "%zu\n", line->len);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "judge",
	.summary = "penalizes who sends three bytes",
	.transports = LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM,
	.handle_line = judge_line,
};
"""


def crypt_hash(password):
    return subprocess.run(["openssl", "passwd", "-6", password], check=True,
                          capture_output=True, text=True).stdout.strip()


class Penalties(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.control = self.path("control.sock")

    def text(self, limits="", more="", protocol="echo", name="s"):
        return ('control { socket = "%s" }\n' % self.control
                + service(name, "tcp://127.0.0.1:%d" % self.port,
                          "tcp://[::1]:%d" % self.port,
                          protocol=protocol,
                          extra="limits { %s }\n%s" % (limits, more)))

    def client(self, source=BAD):
        return Client(("127.0.0.1", self.port), source=source)

    def linectl(self, *request):
        return subprocess.run(
            [os.path.join(os.path.dirname(LINED), "linectl"), "-s",
             self.control, *request],
            capture_output=True, timeout=20, text=True, check=True).stdout

    def ask(self, *request):
        return json.loads(self.linectl("--json", *request))

    def counters(self):
        return self.ask("services", "s")["services"][0]

    def is_let_in(self, source):
        with self.client(source) as client:
            return client.echoes()

    def offend(self, source=BAD):
        """Sends a line that is too long. Returns when the connection is closed.
        """
        with self.client(source) as client:
            client.send(b"x" * 200)
            client.ended()

    def test_an_offender_is_out_and_its_neighbours_are_in(self):
        daemon = self.start(self.text(
            'penalty = 1h penalty-max = 2h exempt = { "127.0.0.3" }',
            "framing { line-length = 100 }"))
        for source in (BAD, EXEMPT):
            self.assertTrue(self.is_let_in(source))
            self.offend(source)
        # The penalty holds on every worker.
        for _ in range(4):
            self.assertFalse(self.is_let_in(BAD))
        self.assertTrue(self.is_let_in(GOOD))
        self.assertTrue(self.is_let_in(EXEMPT))
        got = self.counters()
        self.assertEqual(got["refused"]["penalty"], 4)
        self.assertEqual(got["penalties"], 1)
        daemon.wait_log("service s: penalty 127.0.0.66:[0-9]+: 3600 s: "
                        "too-long")
        daemon.wait_log("service s: refused 127.0.0.66:[0-9]+: penalty")
        self.assertIn('lined_penalties{service="s"} 1',
                      self.linectl("metrics"))
        self.assertIn('lined_refused_total{service="s",reason="penalty"} 4',
                      self.linectl("metrics"))
        ruling = self.ask("why", BAD)["rulings"][0]
        self.assertEqual((ruling["accepted"], ruling["by"]),
                         (False, "penalty"))
        self.assertRegex(ruling["rule"],
                         "^3[0-9.]+ s of 3600 s are left, for too-long$")
        self.assertTrue(self.ask("why", GOOD)["rulings"][0]["accepted"])

    def test_forgive_ends_it(self):
        self.start(self.text("penalty = 1h penalty-max = 2h",
                             "framing { line-length = 100 }"))
        self.assertEqual(self.linectl("forgive", BAD),
                         BAD + " has no penalty\n")
        self.offend()
        self.assertFalse(self.is_let_in(BAD))
        self.assertRegex(
            self.linectl("forgive", BAD),
            "^service s: 127.0.0.66 is let in again: 3[0-9.]+ s of 3600 s "
            "were left, for too-long\n$")
        self.assertTrue(self.is_let_in(BAD))
        self.assertEqual(self.counters()["penalties"], 0)
        # The penalty is forgotten: the next penalty is not doubled.
        self.offend()
        forgiven = self.ask("forgive", BAD)["forgiven"]
        self.assertEqual([(f["service"], f["address"], f["length_ms"])
                          for f in forgiven], [("s", BAD, 3600000)])

    def test_causes_and_no_causes(self):
        """Reasons for a close that are causes of a penalty, and others."""
        causes = {
            "line-timeout": "line-timeout = 300ms",
            "first-line-timeout": "first-line-timeout = 300ms",
            "connect-rate-per-address": "connect-rate-per-address = 1",
            None: "idle-timeout = 300ms",
        }
        for cause, limits in causes.items():
            with self.subTest(cause=cause):
                daemon = self.start(self.text("penalty = 10m " + limits))
                with self.client() as client:
                    if cause != "first-line-timeout":
                        client.send(b"line\nhalf a")
                    if cause == "connect-rate-per-address":
                        for _ in range(10):
                            self.client().close()
                    else:
                        client.ended()
                if cause:
                    self.eventually(
                        lambda: self.counters()["penalties"] == 1, cause)
                    ruling = self.ask("why", BAD)["rulings"][0]
                    self.assertEqual(ruling["by"], "penalty")
                    self.assertIn("for " + cause, ruling["rule"])
                    self.assertFalse(self.is_let_in(BAD))
                else:
                    self.assertTrue(self.is_let_in(BAD))
                daemon.stop()

    def test_a_reload_changes_penalties_that_run(self):
        limits = "framing { line-length = 100 }"
        daemon = self.start(self.text("penalty = 1h penalty-max = 2h",
                                      limits))
        self.offend()

        def reload(penalty):
            self.write(self.text(penalty, limits))
            daemon.reload()

        reload("penalty = 30m penalty-max = 2h")
        self.assertFalse(self.is_let_in(BAD))
        self.assertIn("of 3600 s",
                      self.ask("why", BAD)["rulings"][0]["rule"])
        reload("penalty = 10m penalty-max = 10m")
        self.assertIn("of 600 s",
                      self.ask("why", BAD)["rulings"][0]["rule"])
        reload('penalty = 10m exempt = "127.0.0.66"')
        self.assertTrue(self.is_let_in(BAD))
        reload("penalty = 10m")
        self.assertTrue(self.is_let_in(BAD))
        self.offend()
        self.assertFalse(self.is_let_in(BAD))
        reload("penalty = 0")
        self.assertTrue(self.is_let_in(BAD))

    def test_a_class_may_have_none(self):
        self.start(self.text(
            "penalty = 1h penalty-max = 1h",
            'framing { line-length = 100 }\n'
            'class "lab" { from = "127.0.0.66" penalty = 0 }'))
        self.offend()
        self.assertTrue(self.is_let_in(BAD))
        self.offend(GOOD)
        self.assertFalse(self.is_let_in(GOOD))

    def test_a_module_penalizes_clients_but_no_forged_sender(self):
        self.build_module("judge", JUDGE)
        self.copy_module("control")
        text = self.text("penalty = 1h penalty-max = 1h", protocol="judge")
        self.start(text.replace("tcp://[::1]", "udp://127.0.0.1"))
        with Datagram(("127.0.0.1", self.port), source=(BAD, 0)) as sender:
            sender.send(b"abc\n")
            self.assertEqual(sender.receive(), b"3\n")
        with self.client() as first, self.client() as second:
            second.send(b"abcd\n")
            self.assertEqual(second.line(), b"4\n")
            first.send(b"abc\n")
            self.assertEqual(first.line(), b"3\n")
            # Connected clients stay.
            second.send(b"abcd\n")
            self.assertEqual(second.line(), b"4\n")
        with self.client() as third:
            self.assertEqual(third.ended(), b"")
        self.assertIn("for judge", self.ask("why", BAD)["rulings"][0]["rule"])

    def test_behind_a_proxy_the_address_in_the_header_is_penalized(self):
        self.start(self.text(
            "penalty = 1h penalty-max = 1h handshake-timeout = 300ms",
            'framing { line-length = 100 }\nproxy-from = "127.0.0.66"'))
        header = b"PROXY TCP4 203.0.113.%d 127.0.0.1 1000 7\r\n"
        with self.client() as client:
            client.send(header % 1 + b"x" * 200)
            client.ended()
        with self.client() as client:
            client.send(header % 1)
            client.ended()
        # The proxy itself never gets a penalty.
        for junk in (b"junk\n", b""):
            with self.client() as client:
                client.send(junk)
                client.ended()
        with self.client() as client:
            client.send(header % 2)
            self.assertTrue(client.echoes())
        # From an address that is not a proxy, a header is data.
        with self.client(GOOD) as client:
            client.send(header % 2 + b"x" * 200)
            client.ended()
        with self.client() as client:
            client.send(header % 2)
            self.assertTrue(client.echoes())
        self.assertFalse(self.is_let_in(GOOD))

    def test_three_wrong_passwords_of_chat(self):
        self.start(self.text("penalty = 1h penalty-max = 1h",
                             'chat { password = "secret" }',
                             protocol="chat"))
        with self.client() as client:
            for _ in range(3):
                client.send(b"wrong\n")
            client.ended()
        with self.client() as client:
            self.assertEqual(client.ended(), b"")
        with self.client(GOOD) as client:
            client.line()
        self.assertIn("for chat", self.ask("why", BAD)["rulings"][0]["rule"])

    def test_guesses_of_an_address_keep_no_other_waiting(self):
        """For each address one password is verified at a time, and a wrong one
        is followed by a pause."""
        password = crypt_hash("right")
        self.start(self.text(
            "clients-per-address = 0 connect-rate-per-address = 0",
            "chat { operator \"op\" { hash = '%s' } }" % password,
            protocol="chat"))
        with contextlib.ExitStack() as stack:
            guessers = []
            for i in range(60):
                client = stack.enter_context(self.client())
                client.send(b"/oper op wrong%d\n" % i)
                guessers.append(client)
            guessers[0].sock.settimeout(20)
            while guessers[0].line() != b"! wrong password\n":
                pass
            begin = time.monotonic()
            with self.client(GOOD) as operator:
                operator.send(b"/oper op right\n")
                while operator.line() != b"* you are now an operator\n":
                    pass
            # 58 guesses are waiting, each of which takes a second.
            self.assertLess(time.monotonic() - begin, 20)
            self.assertLess(self.counters()["count"]["passwords_wrong"], 30)
            while guessers[1].line() != b"! wrong password\n":
                pass
            self.assertGreaterEqual(
                self.counters()["count"]["passwords_delayed"], 1)

    def test_an_ipv6_neighbour_of_the_64_is_out(self):
        self.start(self.text("penalty = 1h penalty-max = 1h",
                             "framing { line-length = 100 }"))
        try:
            with Client(("::1", self.port)) as client:
                client.send(b"x" * 200)
                client.ended()
        except OSError:
            self.skipTest("no IPv6")
        self.assertEqual(self.ask("why", "::2")["rulings"][0]["by"],
                         "penalty")
        self.assertEqual(len(self.ask("forgive", "::3")["forgiven"]), 1)
        self.assertTrue(self.ask("why", "::1")["rulings"][0]["accepted"])

    def test_wrong_keys_are_told(self):
        code, err = self.check(self.text("penalty = 1h"))
        self.assertEqual(code, 1)
        self.assertIn('limits: penalty (1h) is longer than penalty-max (10m)',
                      err)
        code, err = self.check(self.text('exempt = "127.0.0.1" '
                                         "penalty-max = 1h"))
        self.assertEqual(code, 0)
        self.assertIn("exempt does nothing without penalty", err)
        self.assertIn("penalty-max does nothing without penalty", err)

    def test_two_keys_of_different_sections_are_told_once(self):
        code, err = self.check('''defaults {
	limits { penalty = 20m }
	class "near" { from = { "10.0.0.0/8" } penalty-max = 1m }
}
service "a" { protocol = "echo" listen = { "tcp://127.0.0.1:7" } }
service "b" {
	protocol = "echo"
	listen = { "tcp://127.0.0.1:8" }
	limits { penalty-max = 1h }
	class "near" { penalty = 2m }
	class "far" { from = { "10.1.0.0/16" } penalty = 2h }
}
service "c" { protocol = "echo" listen = { "tcp://127.0.0.1:9" } }
''', workers=1)
        self.assertEqual(code, 1)
        self.assertEqual(
            [line.split("lined.conf", 1)[1] for line in err.splitlines()
             if "longer" in line],
            [":%d: %s: penalty (%s) is longer than penalty-max (%s)" % wrong
             for wrong in (
                 (2, "defaults: limits", "20m", "10m"),
                 (3, 'defaults: class "near"', "20m", "1m"),
                 (10, 'service "b": class "near"', "2m", "1m"),
                 (11, 'service "b": class "far"', "2h", "1h"))])
        code, err = self.check('''defaults { limits { penalty = 20m } }
service "b" {
	protocol = "echo"
	listen = { "tcp://127.0.0.1:8" }
	limits { penalty-max = 1h }
}
''')
        self.assertEqual(code, 0, err)


if __name__ == "__main__":
    main()
