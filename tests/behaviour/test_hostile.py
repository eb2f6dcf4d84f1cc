#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Hostile clients: a table of attacks, each with the counters that show it.
After each attack, a well-behaved client of the same daemon is served."""
import json
import os
import select
import subprocess

from certificates import Authority
from lined_test import LINED, Client, DaemonTest, Datagram, free_port, main
from lined_test import service
from websocket_client import request

OTHER = "127.0.0.9"


class Attack:
    """The service of a row, for its client."""

    def __init__(self, port):
        self.port = port

    def client(self, source=None):
        return Client(("127.0.0.1", self.port), source=source)

    def says(self, data=b""):
        """Connects, sends this and waits for the end. Returns the answer."""
        with self.client() as client:
            if data:
                client.send(data)
            return client.ended()

    # ---- what they do ----------------------------------------------------

    def nothing(self):
        self.says()

    def one_byte(self):
        self.says(b"x")

    def a_line_and_nothing(self):
        self.says(b"line\n")

    def an_endless_line(self):
        self.says(b"x" * 4096)

    def a_flood(self):
        with self.client() as client:
            client.send(b"".join(b"%d\n" % i for i in range(20)))
            for i in range(20):
                assert client.line() == b"%d\n" % i

    def never_reads(self):
        with Client(("127.0.0.1", self.port), rcvbuf=4096) as client:
            client.fill(b"x" * 99 + b"\n", quiet=0.2)
            ended = select.poll()
            ended.register(client.sock, 0)  # close with a reset
            assert ended.poll(20000)

    def many_connections(self):
        clients = [self.client() for _ in range(10)]
        ended = select.poll()
        for client in clients:
            ended.register(client.sock, select.POLLIN)
        assert ended.poll(20000)
        for client in clients:
            client.close()

    def a_reset(self):
        with self.client() as client:
            assert client.echoes()
            client.reset()

    def half_closes(self):
        with self.client() as client:
            client.send(b"last\n")
            client.half_close()
            assert client.ended() == b"last\n"

    def nuls_and_junk(self):
        junk = bytes(range(256)).replace(b"\n", b"")
        with self.client() as client:
            client.send(junk + b"\n\0\0\n")
            assert client.exactly(len(junk) + 4) == junk + b"\n\0\0\n"

    def forges_a_proxy_header(self):
        with self.client(OTHER) as client:
            assert client.echoes(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")

    def a_forged_datagram(self):
        with Datagram(("127.0.0.1", self.port)) as sender:
            for _ in range(3):
                sender.send(b"x\n")

    def a_foreign_page(self):
        self.says(request(extra="Origin: https://evil.example\r\n"))

    def twice_too_long(self):
        for _ in range(2):
            self.an_endless_line()


# Name; function; config of the service; counters.
TABLE = [
    ("opens and says nothing", Attack.nothing,
     "limits { first-line-timeout = 300ms }",
     ["timeouts.first-line-timeout", "closed.timeout"]),
    ("drips bytes", Attack.one_byte,
     "limits { line-timeout = 300ms }",
     ["timeouts.line-timeout", "closed.timeout"]),
    ("falls silent", Attack.a_line_and_nothing,
     "limits { idle-timeout = 300ms }",
     ["timeouts.idle-timeout", "closed.timeout"]),
    ("sends an endless line", Attack.an_endless_line,
     "framing { line-length = 100 }",
     ["too_long", "closed.too-long"]),
    ("floods", Attack.a_flood,
     "limits { line-rate = 50 line-burst = 5 }",
     ["rate_slowed"]),
    ("never reads", Attack.never_reads,
     "limits { send-stall = 500ms send-queue = 64k }",
     ["timeouts.send-stall", "closed.slow"]),
    ("opens many connections, for the service", Attack.many_connections,
     "limits { clients = 1 }",
     ["refused.clients"]),
    ("opens many connections, for its address", Attack.many_connections,
     "limits { clients-per-address = 1 }",
     ["refused.clients-per-address"]),
    ("opens many connections, for a second", Attack.many_connections,
     "limits { connect-rate-per-address = 1 }",
     ["refused.connect-rate-per-address"]),
    ("is not allowed", Attack.nothing,
     'access { deny = "127.0.0.1" }',
     ["refused.access"]),
    ("comes back after a fault", Attack.twice_too_long,
     "framing { line-length = 100 }\nlimits { penalty = 1m }",
     ["refused.penalty", "penalties"]),
    ("speaks plaintext to TLS", Attack.a_line_and_nothing,
     "tls = own", ["tls.plaintext"]),
    ("stalls the handshake", Attack.nothing,
     "tls = own\nlimits { handshake-timeout = 300ms }",
     ["tls.timeout", "timeouts.handshake-timeout"]),
    ("opens many handshakes", Attack.many_connections,
     "tls = own\nlimits { handshakes = 1 handshake-timeout = 2s }",
     ["refused.handshakes", "tls.refused"]),
    ("forges a PROXY header", Attack.forges_a_proxy_header,
     'proxy-from = "127.0.0.1"',
     ["lines_in"]),
    ("is a proxy without a header", Attack.a_line_and_nothing,
     'proxy-from = "127.0.0.1"',
     ["refused.proxy"]),
    ("resets", Attack.a_reset, "", ["closed.error"]),
    ("half-closes", Attack.half_closes, "", ["closed.peer"]),
    ("sends NULs and junk", Attack.nuls_and_junk, "", ["lines_in"]),
    ("floods with datagrams", Attack.a_forged_datagram,
     "limits { line-rate = 1 }", ["refused.line-rate"]),
    ("sends datagrams and is not allowed", Attack.a_forged_datagram,
     'access { deny = "127.0.0.1" }', ["refused.access"]),
    ("is the page of another site", Attack.a_foreign_page,
     "web { ping = 0 }", ["refused.origin"]),
]


class Hostile(DaemonTest):
    def setUp(self):
        super().setUp()
        self.control = self.path("control.sock")
        self.good = free_port()
        pair = Authority(self.dir).issue("server", ["DNS:localhost"])
        self.head = (
            'control { socket = "%s" }\n'
            'tls "own" { certificate = "%s" key = "%s" }\n'
            % (self.control, pair.certificate, pair.key)
            + service("good", "tcp://127.0.0.1:%d" % self.good))

    @staticmethod
    def transport(attack, config):
        if "tls = own" in config:
            return "tls"
        if attack is Attack.a_forged_datagram:
            return "udp"
        return "ws" if "web" in config else "tcp"

    def counters(self, name):
        done = subprocess.run(
            [os.path.join(os.path.dirname(LINED), "linectl"), "-s",
             self.control, "--json", "services", name],
            capture_output=True, timeout=20, check=True)
        return json.loads(done.stdout)["services"][0]

    def is_counted(self, name, counter):
        value = self.counters(name)
        for key in counter.split("."):
            value = value.get(key, {})
        return isinstance(value, int) and value > 0

    def test_every_row_of_the_table(self):
        ports = [free_port() for _ in TABLE]
        text = self.head
        for i, (_, attack, config, _) in enumerate(TABLE):
            text += service("row%d" % i, "%s://127.0.0.1:%d" % (
                self.transport(attack, config), ports[i]), extra=config)
        self.start(text)
        for i, (does, attack, config, counted) in enumerate(TABLE):
            with self.subTest(does=does):
                for counter in counted:
                    self.assertFalse(self.is_counted("row%d" % i, counter),
                                     counter)
                attack(Attack(ports[i]))
                for counter in counted:
                    self.eventually(
                        lambda: self.is_counted("row%d" % i, counter),
                        "%s: %s" % (does, counter))
                with Client(("127.0.0.1", self.good)) as client:
                    self.assertTrue(client.echoes())


if __name__ == "__main__":
    main()
