#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients behind a proxy that sends a PROXY header: which address is used for
limits, refusals and messages. With HAProxy, and with headers of the test, whole
and in pieces."""
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import time

from certificates import Authority
from lined_test import LINED, PATIENCE, Client, DaemonTest
from lined_test import free_port, main, service
from websocket_client import WebSocket

LINECTL = os.path.abspath(os.environ.get("LINECTL") or
                          os.path.join(os.path.dirname(LINED), "linectl"))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(address, port=5123):
    family = "TCP6" if ":" in address else "TCP4"
    return ("PROXY %s %s %s %d 7007\r\n"
            % (family, address, address, port)).encode()


def v2(address, port=5123, tlvs=b"", command=0x21):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    body = packed + packed + struct.pack(">HH", port, 7007) + tlvs
    return (SIGNATURE + struct.pack(
        ">BBH", command, 0x21 if ":" in address else 0x11, len(body)) + body)


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


# Sends the result of lined_client_tls().
WHO = r"""
#include <lined/protocol.h>
#include <lined/tls.h>

static void who_line(struct lined_socket *client,
		     const struct lined_line *line)
{
	struct lined_tls tls;

	(void)line;
	if (lined_client_tls(client, &tls))
		lined_socket_printf(client, "%s %s %s %s %d\n", tls.version,
				    tls.cipher, tls.server_name, tls.name,
				    tls.verified);
	else
		lined_socket_send(client, "no TLS\n", 7);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "who",
	.summary = "says who the client is",
	.handle_line = who_line,
};
"""


class ProxyHeader(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.control = self.path("control.sock")

    def serve(self, extra="", trusted="127.0.0.1", protocol="echo", **kw):
        self.unix = self.path("echo.sock")
        self.daemon = self.start(
            'control { socket = "%s" }\n' % self.control
            + service("p", "tcp://127.0.0.1:%d" % self.port,
                      "unix://" + self.unix, protocol=protocol,
                      extra="\tproxy-from = { %s }\n%s" % (
                          ", ".join('"%s"' % t for t in trusted.split()),
                          extra)), **kw)

    def client(self, header=b"", source="127.0.0.1"):
        client = Client(("127.0.0.1", self.port), source=source)
        client.send(header)
        return client

    def linectl(self, *args):
        return subprocess.run(
            [LINECTL, "-s", self.control, *args], check=True, text=True,
            stdout=subprocess.PIPE, timeout=PATIENCE).stdout

    def clients(self):
        return json.loads(self.linectl("--json", "clients"))["clients"]

    def refused(self, reason):
        answer = json.loads(self.linectl("--json", "services", "p"))
        return answer["services"][0]["refused"][reason]

    def own(self, client):
        return "%s:%d" % client.sock.getsockname()

    # ---- the client's address -------------------------------------------

    def test_address_of_the_header_is_the_clients(self):
        self.serve()
        for header, shown in (
                (v1("203.0.113.7"), "203.0.113.7:5123"),
                (v1("2001:db8::7"), "[2001:db8::7]:5123"),
                (v2("203.0.113.8"), "203.0.113.8:5123"),
                (v2("2001:db8::8"), "[2001:db8::8]:5123"),
                (v2("203.0.113.9", tlvs=b"\x04\xff\x00" + b"x" * 0xff00),
                 "203.0.113.9:5123"),
                (SIGNATURE + b"\x21\x31\0\xd8" + b"/x" + b"\0" * 214,
                 "unix")):
            with self.client(header + b"hello\n") as c:
                self.assertEqual(c.line(), b"hello\n")
                (client,) = self.clients()
                self.assertEqual(client["address"], shown)
                self.assertEqual(client["via"], self.own(c))
                table = self.linectl("clients")
                self.assertIn("VIA", table)
                self.assertIn(self.own(c), table)
                self.daemon.wait_log("client [0-9]+ %s: service p: connected"
                                     % shown.replace("[", r"\["))
            self.eventually(lambda: not self.clients(), "the client is gone")

    def test_header_in_pieces_is_the_same(self):
        self.serve(workers=2)
        for header in (v1("203.0.113.7"), v2("203.0.113.7")):
            with self.client() as c:
                for byte in header + b"one\ntwo\n":
                    c.send(bytes([byte]))
                    time.sleep(0.001)
                self.assertEqual(c.line(), b"one\n")
                self.assertEqual(c.line(), b"two\n")

    def test_local_and_unknown_are_the_connections_own(self):
        self.serve()
        for header in (b"PROXY UNKNOWN\r\n", v2("203.0.113.7", command=0x20),
                       SIGNATURE + b"\x20\0\0\0", SIGNATURE + b"\x21\0\0\0"):
            with self.client(header) as c:
                self.assertTrue(c.echoes())
                (client,) = self.clients()
                self.assertEqual(client["address"], self.own(c))
                self.assertEqual(client["via"], self.own(c))
            self.eventually(lambda: not self.clients(), "the client is gone")

    def test_others_do_not_speak_for_others(self):
        self.serve(trusted="192.0.2.1")
        with self.client(v1("203.0.113.7")) as c:
            self.assertEqual(c.line(), v1("203.0.113.7"))
            (client,) = self.clients()
            self.assertEqual(client["address"], self.own(c))
            self.assertNotIn("via", client)

    def test_unix_may_be_a_proxy(self):
        self.serve(trusted="unix")
        with Client(self.unix) as c:
            c.send(v2("203.0.113.7") + b"hello\n")
            self.assertEqual(c.line(), b"hello\n")
            (client,) = self.clients()
            self.assertEqual(client["address"], "203.0.113.7:5123")
            self.assertEqual(client["via"], "unix")
        with self.client() as c:
            self.assertTrue(c.echoes())

    # ---- access and limits ----------------------------------------------

    def test_access_is_by_the_header(self):
        self.serve("access { deny = { \"203.0.113.0/24\", \"127.0.0.1\" } }")
        with self.client(v1("203.0.113.7")) as c:
            self.assertEqual(c.ended(), b"")
        self.daemon.wait_log("service p: refused 203.0.113.7:5123: access")
        with self.client(v1("198.51.100.7")) as c:
            self.assertTrue(c.echoes())
        with self.client(b"PROXY UNKNOWN\r\n") as c:
            self.assertEqual(c.ended(), b"")
        self.assertEqual(self.refused("access"), 2)

    def test_limits_are_by_the_header_and_not_the_proxys(self):
        self.serve("limits { clients-per-address = 1 }")
        with self.client(v1("203.0.113.1")) as first:
            self.assertTrue(first.echoes())
            for i in range(2, 6):
                with self.client(v1("203.0.113.%d" % i)) as c:
                    self.assertTrue(c.echoes())
            with self.client(v1("203.0.113.1")) as c:
                self.assertEqual(c.ended(), b"")
            self.daemon.wait_log("refused 203.0.113.1:5123: "
                                 "clients-per-address")
        why = json.loads(self.linectl("--json", "why", "127.0.0.1"))
        self.assertIn("proxy", json.dumps(why))
        self.assertEqual(self.refused("clients-per-address"), 1)

    # ---- no header -------------------------------------------------------

    def test_bytes_that_are_no_header_are_refused_and_shown(self):
        self.serve()
        with self.client(b"hello there\n") as c:
            own = self.own(c)
            self.assertEqual(c.ended(), b"")
        self.daemon.wait_log(
            r"service p: refused %s: proxy: not a PROXY header: "
            r"hello there\\x0a \(12 bytes\)$" % own)
        for bad in (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
                    SIGNATURE + b"\x21\x11\0\x01x",
                    b"\r\n\r\n\0\r\nQUIX\n", b"PROXY " + b"x" * 200):
            with self.client(bad) as c:
                self.assertEqual(c.ended(), b"")
        self.assertEqual(self.refused("proxy"), 5)
        with self.client(v1("203.0.113.7")) as c:
            self.assertTrue(c.echoes())

    def test_header_has_a_time(self):
        self.serve("limits { handshake-timeout = 100ms }")
        with self.client(b"PROXY TC") as c:
            self.assertEqual(c.ended(), b"")
        self.daemon.wait_log(r"proxy: no PROXY header within "
                             r"handshake-timeout: PROXY TC \(8 bytes\)")
        with self.client(v1("203.0.113.7")) as c:
            self.assertTrue(c.echoes())
        self.assertEqual(self.refused("proxy"), 1)

    def test_handshakes_are_limited(self):
        self.serve("limits { handshakes = 2 }")
        with self.client(), self.client(b"PROX") as second:
            with self.client() as third:
                self.assertEqual(third.ended(), b"")
            self.daemon.wait_log("service p: refused .*: handshakes")
            second.send(b"Y UNKNOWN\r\n")
            self.assertTrue(second.echoes())
            # When a handshake is over, another client is let in.
            with self.client(v1("203.0.113.7")) as c:
                self.assertTrue(c.echoes())
        self.assertEqual(self.refused("handshakes"), 1)

    def test_stop_does_not_wait_for_a_header(self):
        self.serve()
        with self.client(b"PROX") as c:
            self.eventually(lambda: not self.clients(), "it has connected")
            self.daemon.stop()
            self.assertEqual(c.ended(), b"")

    def test_tlvs_answer_for_tls(self):
        self.build_module("who", WHO)
        self.copy_module("control")
        self.serve(protocol="who")
        spoken = (b"\x07\0\0\0\0" + tlv(0x21, b"TLSv1.3")
               + tlv(0x22, b"alice") + tlv(0x23, b"TLS_AES"))
        for tlvs, want in (
                (tlv(2, b"irc.example") + tlv(0x20, spoken),
                 b"TLSv1.3 TLS_AES irc.example alice 1\n"),
                # The certificate was not verified: its name is ignored.
                (tlv(0x20, b"\x07\0\0\0\x01" + spoken[5:]),
                 b"TLSv1.3 TLS_AES  alice 0\n".replace(b"alice", b"")),
                (b"", b"no TLS\n")):
            with self.client(v2("203.0.113.7", tlvs=tlvs) + b"?\n") as c:
                self.assertEqual(c.line(), want)
        self.daemon.wait_log("client 1 .* access: .* tls=TLSv1.3 name=alice$")
        self.daemon.wait_log("client 2 .* access: .* tls=TLSv1.3$")
        self.daemon.wait_log("client 3 .* access: .* reason=peer$")

    def test_what_a_header_says_of_tls_is_escaped(self):
        self.serve()
        spoken = b"\x07\0\0\0\0" + tlv(0x22, b"al ice\nx")
        for version in b"", tlv(0x21, b"1\n2"):
            self.client(v2("203.0.113.7",
                           tlvs=tlv(0x20, spoken + version))).close()
        self.daemon.wait_log(r"client 1 .* access: .* tls=- name=al_ice\\nx$")
        self.daemon.wait_log(r"client 2 .* access: .* tls=1\\n2 name=al_ice")

    # ---- a real proxy ----------------------------------------------------

    def haproxy(self, *sections):
        """Starts HAProxy with a section `listen` for each (bind options, server
        options), and waits for it. Returns the ports."""
        program = shutil.which("haproxy") or shutil.which(
            "haproxy", path="/usr/sbin")
        if program is None:
            self.skipTest("haproxy is missing")
        ports = [free_port() for _ in sections]
        config = self.write(
            "global\n\tmaxconn 100\ndefaults\n\tmode tcp\n"
            "\ttimeout connect 5s\n\ttimeout client 20s\n"
            "\ttimeout server 20s\n"
            + "".join("listen l%d\n\tbind 127.0.0.1:%d %s\n\tserver s %s\n"
                      % (port, port, bind, server)
                      for port, (bind, server) in zip(ports, sections)),
            name="haproxy.cfg", workers=None)
        with open(self.path("haproxy.log"), "wb") as log:
            proxy = subprocess.Popen([program, "-db", "-f", config],
                                     stdout=log, stderr=log)
        self.addCleanup(proxy.wait, PATIENCE)
        self.addCleanup(proxy.terminate)

        def connects(port):
            try:
                Client(("127.0.0.1", port)).close()
                return True
            except OSError:
                return False
        for port in ports:
            self.eventually(lambda: connects(port), "haproxy listens")
        return ports

    def test_haproxy_speaks_for_its_clients(self):
        self.serve(workers=2)
        for port in self.haproxy(*[
                ("", "127.0.0.1:%d %s check inter 100ms" % (self.port, option))
                for option in ("send-proxy", "send-proxy-v2")]):
            with Client(("127.0.0.1", port), source="127.0.0.9") as c:
                self.assertTrue(c.echoes())
                own = self.own(c)
                self.assertIn(own, [k["address"] for k in self.clients()])
            self.daemon.wait_log("client [0-9]+ %s: closed: peer" % own)

    def test_haproxy_passes_tls_through(self):
        """The header comes before TLS, and before TLS with WebSocket."""
        ca = Authority(self.path("."))
        pair = ca.issue("server", ["DNS:localhost"])
        web = free_port()
        self.daemon = self.start(
            'control { socket = "%s" }\n'
            'tls "t" { certificate = "%s" key = "%s" }\n'
            % (self.control, pair.certificate, pair.key)
            + service("p", "tls://127.0.0.1:%d" % self.port,
                      "wss://127.0.0.1:%d" % web,
                      extra='\ttls = "t"\n\tproxy-from = "127.0.0.1"\n'
                      '\taccess { deny = "127.0.0.8" }\n'), workers=2)
        context = ssl.create_default_context(cafile=ca.certificate)

        def connect(port, source):
            sock = Client(("127.0.0.1", port), source=source).sock
            own = "%s:%d" % sock.getsockname()
            return own, Client.adopt(context.wrap_socket(
                sock, server_hostname="localhost"))

        for version in "send-proxy", "send-proxy-v2":
            through = self.haproxy(*[("", "127.0.0.1:%d %s" % (port, version))
                                     for port in (self.port, web)])
            own, client = connect(through[0], "127.0.0.9")
            with client:
                self.assertTrue(client.echoes())
                self.assertIn(own, [k["address"] for k in self.clients()])
            own, client = connect(through[1], "127.0.0.9")
            with WebSocket(client) as ws:
                ws.send("hello")
                self.assertEqual(ws.message(), "hello")
                self.assertIn(own, [k["address"] for k in self.clients()])
            for port in through:
                with self.assertRaises((OSError, ssl.SSLError)):
                    connect(port, "127.0.0.8")
            self.eventually(lambda: self.refused("access") >= 2,
                            "two refused")

    def test_haproxy_ends_tls(self):
        """The TLS version and the certificate's name come from the header."""
        ca = Authority(self.path("."))
        pair = ca.issue("server", ["DNS:localhost"])
        alice = ca.issue("alice")
        with open(self.path("both.pem"), "w") as f:
            for path in pair.certificate, pair.key:
                with open(path) as part:
                    f.write(part.read())
        self.build_module("who", WHO)
        self.copy_module("control")
        self.serve(protocol="who")
        (port,) = self.haproxy(
            ("ssl crt %s ca-file %s verify optional"
             % (self.path("both.pem"), ca.certificate),
             "127.0.0.1:%d send-proxy-v2-ssl-cn proxy-v2-options "
             "ssl-cipher,authority" % self.port))
        context = ssl.create_default_context(cafile=ca.certificate)
        for name in b"", b"alice":
            if name:
                context.load_cert_chain(alice.certificate, alice.key)
            with Client.adopt(context.wrap_socket(
                    Client(("127.0.0.1", port)).sock,
                    server_hostname="localhost")) as c:
                c.send(b"?\n")
                self.assertEqual(
                    c.line(), b"TLSv1.3 %s localhost %s %d\n"
                    % (c.sock.cipher()[0].encode(), name, bool(name)))


if __name__ == "__main__":
    main()
