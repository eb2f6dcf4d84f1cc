#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Classes: clients from some networks have other limits and their own
`clients`. After a reload they have the limits of the new config."""
import contextlib
import ctypes
import errno
import json
import os
import socket
import subprocess

from lined_test import LINED, Client, DaemonTest, Datagram, free_port, main
from lined_test import service

OFFICE, HOME = "127.0.0.2", "127.0.0.1"


class Classes(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.control = self.path("control.sock")

    def text(self, limits="", classes="", defaults="", more=""):
        return ('control { socket = "%s" }\ndefaults { %s }\n'
                % (self.control, defaults)
                + service("echo", "tcp://127.0.0.1:%d" % self.port,
                          "udp://127.0.0.1:%d" % self.port,
                          extra="limits { %s }\n%s\n%s"
                          % (limits, classes, more)))

    def client(self, source=HOME):
        return Client(("127.0.0.1", self.port), source=source)

    def ask(self, *request):
        done = subprocess.run(
            [os.path.join(os.path.dirname(LINED), "linectl"), "-s",
             self.control, "--json", *request],
            capture_output=True, timeout=20, check=True)
        return json.loads(done.stdout)

    def counters(self):
        record = self.ask("services", "echo")["services"][0]
        for name, group in list(record.items()):
            if isinstance(group, dict):
                record.update(("%s.%s" % (name, key), value)
                              for key, value in group.items())
        return record

    def why(self, address):
        return self.ask("why", address)["rulings"][0]

    def clients_are(self, **wanted):
        """Waits for these counts, because workers report closed clients later.
        """
        def counts():
            got = self.counters()
            return all(got.get(key.replace("__", ".")) == value
                       for key, value in wanted.items())
        self.eventually(counts, str(wanted))

    def test_a_full_service_has_places_for_the_class(self):
        daemon = self.start(self.text(
            "clients = 1",
            'class "office" { from = "127.0.0.2" clients = 2 }'))
        with self.client() as home, self.client(OFFICE) as one:
            self.assertTrue(home.echoes())
            self.assertTrue(one.echoes())
            with self.client() as late:
                late.ended()
            with self.client(OFFICE) as two, self.client(OFFICE) as three:
                self.assertTrue(two.echoes())
                three.ended()
                ruling = self.why(OFFICE)
                self.assertEqual(
                    (ruling["accepted"], ruling["by"], ruling["class"],
                     ruling["clients"], ruling["clients_limit"]),
                    (False, "clients", "office", 2, 2))
                self.assertIn("class", ruling["rule"])
                ruling = self.why(HOME)
                self.assertEqual((ruling["class"], ruling["clients"]),
                                 ("", 1))
                got = self.counters()
                self.assertEqual(got["refused.clients"], 2)
                self.assertEqual(got["clients_limit"], 3)
            self.clients_are(clients=2, class_clients__office=1)
            daemon.wait_log("refused 127.0.0.2:[0-9]+: clients")
            with self.client(OFFICE) as again:
                self.assertTrue(again.echoes())

    def test_other_limits_hold_for_the_class_only(self):
        daemon = self.start(self.text(
            "clients-per-address = 1",
            'class "office" { from = "127.0.0.2" clients-per-address = 2 }'))
        with self.client(OFFICE) as one, self.client(OFFICE) as two, \
                self.client() as home, self.client() as refused, \
                self.client(OFFICE) as three:
            self.assertTrue(one.echoes())
            self.assertTrue(two.echoes())
            self.assertTrue(home.echoes())
            refused.ended()
            three.ended()
            self.assertEqual(self.counters()["refused.clients-per-address"],
                             2)
            self.write(self.text(
                "idle-timeout = 500ms",
                'class "office" { from = "127.0.0.2" idle-timeout = 0 }'))
            daemon.reload()
            home.ended()
            daemon.wait_log("client [0-9]+ 127.0.0.1:[0-9]+: closed: idle "
                            "0.5 s")
            self.assertTrue(one.echoes())
            self.assertTrue(two.echoes())

    def test_shorter_timeouts_of_a_class_are_kept(self):
        for service_has, key in (
                ("idle-timeout = 0", "idle"),
                ("idle-timeout = 10m", "idle"),
                ("idle-timeout = 0 first-line-timeout = 10m", "first-line")):
            with self.subTest(service_has):
                daemon = self.start(self.text(
                    service_has,
                    'class "office" { from = "127.0.0.2" '
                    '%s-timeout = 300ms }' % key))
                with self.client(OFFICE) as office, self.client() as home:
                    office.ended()
                    daemon.wait_log(r"127\.0\.0\.2:[0-9]+: closed: .*0\.3 s")
                    self.assertTrue(home.echoes())
                daemon.stop()

    def user_timeouts(self, daemon):
        """Returns, by client address, the seconds after which the kernel closes
        a connection whose peer acknowledges nothing."""
        libc, found = ctypes.CDLL(None, use_errno=True), {}
        pidfd = os.pidfd_open(daemon.pid)
        for name in os.listdir("/proc/%d/fd" % daemon.pid):
            fd = libc.syscall(438, pidfd, int(name), 0)  # pidfd_getfd(2)
            if fd < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
                self.skipTest("pidfd_getfd is not permitted")
            try:
                sock = socket.socket(fileno=fd)
            except OSError: # not a socket
                os.close(fd)
                continue
            with sock, contextlib.suppress(OSError, IndexError):
                found[sock.getpeername()[0]] = sock.getsockopt(
                    socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) // 1000
        os.close(pidfd)
        return found

    def test_the_kernel_waits_as_long_as_send_stall(self):
        classes = 'class "office" { from = "127.0.0.2" send-stall = 5m }'
        daemon = self.start(self.text(classes=classes))
        with self.client() as home, self.client(OFFICE) as office:
            self.assertTrue(home.echoes() and office.echoes())
            self.assertEqual(self.user_timeouts(daemon),
                             {HOME: 60, OFFICE: 300})
            self.write(self.text("send-stall = 2m", classes))
            daemon.reload()
            self.assertEqual(self.user_timeouts(daemon),
                             {HOME: 120, OFFICE: 300})

    def test_datagrams_have_the_rate_of_their_senders_class(self):
        self.start(self.text(
            "line-rate = 1",
            'class "office" { from = "127.0.0.2" line-rate = 0 }'))
        with Datagram(("127.0.0.1", self.port), source=(OFFICE, 0)) as office, \
                Datagram(("127.0.0.1", self.port), source=(HOME, 0)) as home:
            for i in range(5):
                office.send(b"x%d\n" % i)
                self.assertEqual(office.receive(), b"x%d\n" % i)
            home.send(b"a\n")
            self.assertEqual(home.receive(), b"a\n")
            home.send(b"b\n")
            self.eventually(
                lambda: self.counters()["refused.line-rate"] == 1,
                "a datagram over the rate")

    def test_a_proxys_client_is_in_the_class_of_its_own_address(self):
        self.start(self.text(
            "clients = 5",
            'class "far" { from = "203.0.113.0/24" clients = 1 }',
            more='proxy-from = "127.0.0.1"'))
        header = b"PROXY TCP4 203.0.113.%d 127.0.0.1 1000 7\r\n"
        with self.client() as one, self.client() as two, \
                self.client() as three:
            one.send(header % 1)
            self.assertTrue(one.echoes())
            two.send(header % 2)
            two.ended()
            three.send(b"PROXY TCP4 192.0.2.1 127.0.0.1 1000 7\r\n")
            self.assertTrue(three.echoes())
            self.assertEqual(
                [c.get("class") for c in self.ask("clients")["clients"]
                 if c["service"] == "echo"].count("far"), 1)

    def test_a_reload_moves_the_clients_that_stay(self):
        daemon = self.start(self.text(
            "clients = 2 idle-timeout = 0",
            'class "office" { from = "127.0.0.2" clients = 1 }'))
        with self.client(OFFICE) as office, self.client() as home:
            self.assertTrue(office.echoes())
            self.assertTrue(home.echoes())
            plan = self.path("plan.conf")
            with open(plan, "w") as f:
                f.write(self.text(
                    "clients = 2 idle-timeout = 0",
                    'class "branch" { from = "127.0.0.0/30" clients = 2 '
                    "idle-timeout = 0 }") + "workers = 2\n")
            steps = self.ask("plan", plan)["steps"]
            self.assertIn("limits", [s["what"] for s in steps])
            os.rename(plan, self.config)
            daemon.reload()
            self.clients_are(clients=2, class_clients__branch=2)
            with self.client() as refused:
                refused.ended()
            self.write(self.text("clients = 2 idle-timeout = 0",
                                 'class "none" { from = "192.0.2.0/24" '
                                 "clients = 7 }"))
            daemon.reload()
            self.clients_are(clients=2, class_clients__none=0)
            with self.client() as refused:
                refused.ended()
        self.clients_are(clients=0)

    def serve_history(self, protocol, section):
        """Makes a history of 100 lines of 50 bytes. Returns the client that
        wrote them."""
        self.start(service(
            "s", "tcp://127.0.0.1:%d" % self.port, protocol=protocol,
            extra="framing { line-length = 200 }\n"
            "limits { send-queue = 2k }\n"
            'class "office" { from = "127.0.0.2" send-queue = 1M }\n'
            "%s { history = 100 %s }" % (protocol, section)), workers=1)
        writer = self.enterContext(self.client(OFFICE))
        for i in range(100):
            writer.send(b"%03d %s\n" % (i, b"x" * 45))
        return writer

    def kept_lines(self, client, last):
        count = 0
        while last not in (line := client.line()):
            count += b"xxx" in line
        return count

    def test_history_of_a_relay_fills_half_of_the_classes_queue(self):
        writer = self.serve_history("relay", "loopback = true")
        while not writer.line().startswith(b"099"):
            pass
        with self.client() as home, self.client(OFFICE) as office:
            writer.send(b"last\n")
            self.assertIn(self.kept_lines(home, b"last"), range(15, 21))
            self.assertIn(self.kept_lines(office, b"last"), (99, 100))

    def test_history_of_a_chat_fills_half_of_the_classes_queue(self):
        writer = self.serve_history("chat", "echo = true  flood-rate = 0")
        while b"099 xxx" not in writer.line():
            pass
        for source, counts in (HOME, range(5, 21)), (OFFICE, (100,)):
            with self.client(source) as client:
                client.send(b"/nonsense\n")
                self.assertIn(self.kept_lines(client, b"nonsense"), counts)

    def test_defaults_have_classes_for_all_services(self):
        self.start(self.text(
            "", 'class "b" { from = "127.0.0.1" clients = 1 }',
            defaults='class "a" { from = { "127.0.0.0/29", "127.0.0.1" } '
            "clients = 3 }"))
        self.assertEqual(self.why(HOME)["class"], "b")
        self.assertEqual(self.why(OFFICE)["class"], "a")
        self.assertEqual(self.why("127.0.0.9")["class"], "")

    def test_wrong_classes_are_told_with_file_and_line(self):
        code, err = self.check(self.text(
            "", 'class "a" { from = "127.0.0.2" clinets = 1 }\n'
            'class "b" { from = "127.0.0.2" clients = 1 }'))
        self.assertEqual(code, 1)
        self.assertIn('lined.conf:7: service "echo": class "a": unknown key '
                      '"clinets"', err)
        self.assertIn('lined.conf:8: service "echo": class "b": from: '
                      '127.0.0.2 is in class "a" already at', err)


if __name__ == "__main__":
    main()
