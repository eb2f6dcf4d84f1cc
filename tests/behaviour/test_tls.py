#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""TLS as clients and operators meet it: clients of four libraries, good and bad
certificates, handshakes that fail in every way, and certificates that are
replaced while clients stay connected."""
import grp
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request

from certificates import Authority, Pair, openssl
from lined_test import (Client, DaemonTest, LINED, MODULES, TOP, free_port,
                        main)

TLS = """
tls "{name}" {{ certificate = "{pair.certificate}"  key = "{pair.key}" {extra} }}
"""


def section(pair, name="default", extra=""):
    return TLS.format(name=name, pair=pair, extra=extra)


class Certificates:
    """Certificates that are made once for all cases."""
    made = None

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="lined-test-tls-")
        self.ca = Authority(self.dir)
        self.strange = Authority(self.dir, "strange")
        names = ["DNS:localhost", "IP:127.0.0.1"]
        self.server = self.ca.issue("server", names)
        self.second = self.ca.issue("second", names)
        self.wild = self.ca.issue("wild", ["DNS:*.example.org"])
        self.alice = self.ca.issue("alice", ["email:alice@example.org"])

    @classmethod
    def get(cls):
        if cls.made is None:
            cls.made = cls()
        return cls.made


def tearDownModule():
    if Certificates.made is not None:
        shutil.rmtree(Certificates.made.dir)


class TlsTest(DaemonTest):
    def setUp(self):
        super().setUp()
        self.certs = Certificates.get()
        self.port = free_port()
        self.metrics = free_port()

    def conf(self, sections=None, service="", limits="", protocol="echo",
               tls='"default"', more="", listen=None):
        if sections is None:
            sections = section(self.certs.server)
        return """
            metrics {{ listen = "tcp://127.0.0.1:{metrics}" }}
            control {{ socket = "{socket}" }}
            log {{ access = true }}
            {sections}
            service "s" {{
                protocol = "{protocol}"
                listen = {{ {listen} }}
                tls = {{ {tls} }}
                limits {{ clients-per-address = 0
                          connect-rate-per-address = 0 {limits} }}
                {service}
            }}
            {more}
        """.format(metrics=self.metrics, socket=self.path("control"),
                   sections=sections, protocol=protocol, tls=tls,
                   listen=listen or '"tls://127.0.0.1:%d"' % self.port,
                   limits=limits, service=service, more=more)

    def context(self, ca=None, pair=None):
        context = ssl.create_default_context(
            cafile=(ca or self.certs.ca).certificate)
        if pair:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def connect(self, context=None, name="localhost", session=None):
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.settimeout(20)
        try:
            return Client.adopt((context or self.context()).wrap_socket(
                sock, server_hostname=name, session=session))
        except (OSError, ssl.SSLError):
            sock.close()
            raise

    def counter(self, name, **labels):
        page = urllib.request.urlopen(
            "http://127.0.0.1:%d/metrics" % self.metrics, timeout=20).read()
        for line in page.decode().splitlines():
            if line.startswith(name + "{") and all(
                    '%s="%s"' % pair in line for pair in labels.items()):
                return int(line.rsplit(" ", 1)[1])
        return 0

    def counts(self, result, n=1):
        """Waits until so many handshakes have ended with this result."""
        self.eventually(lambda: self.service()["tls"][result] == n,
                        "%d handshakes counted as %s" % (n, result))

    def refused(self, context, **how):
        """Checks that a handshake, or the exchange after it, fails."""
        with self.assertRaises((OSError, ssl.SSLError, AssertionError)):
            with self.connect(context, **how) as client:
                client.send(b"x\n")
                self.assertEqual(client.line(), b"x\n")

    def service(self, name="s"):
        return json.loads(self.linectl("--json", "services", name))[
            "services"][0]

    def clients(self):
        return json.loads(self.linectl("--json", "clients"))["clients"]

    def linectl(self, *args):
        done = subprocess.run(
            [os.path.join(os.path.dirname(LINED), "linectl"), "-s",
             self.path("control")] + list(args), capture_output=True,
            timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class Clients(TlsTest):
    def program(self, *argv):
        if shutil.which(argv[0]) is None:
            self.skipTest(argv[0] + " is not installed")
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        process.stdin.write(b"one\ntwo\n")
        process.stdin.flush()
        seen = []
        while b"two\n" not in seen[-1:]:
            line = process.stdout.readline()
            self.assertNotEqual(line, b"", b"".join(seen))
            seen.append(line)
        process.stdin.close()
        return b"".join(seen).decode("latin-1")

    def test_openssl(self):
        self.start(self.conf())
        for version in "-tls1_2", "-tls1_3":
            self.program("openssl", "s_client", "-connect",
                         "127.0.0.1:%d" % self.port, "-servername",
                         "localhost", "-verify_return_error", "-CAfile",
                         self.certs.ca.certificate, "-quiet", version)
        self.counts("ok", 2)

    def test_gnutls(self):
        self.start(self.conf())
        for version in "1.2", "1.3":
            self.program("gnutls-cli", "--x509cafile",
                         self.certs.ca.certificate, "--priority",
                         "NORMAL:-VERS-ALL:+VERS-TLS" + version, "-p",
                         str(self.port), "localhost")
        self.counts("ok", 2)

    def test_curl_has_telnet_and_https(self):
        """HTTPS against echo: the request comes back."""
        if shutil.which("curl") is None:
            self.skipTest("curl is not installed")
        self.start(self.conf(limits="idle-timeout = 1s"))
        done = subprocess.run(
            ["curl", "--http0.9", "-s", "-m", "3", "--cacert",
             self.certs.ca.certificate,
             "https://localhost:%d/hello" % self.port], capture_output=True,
            timeout=30)
        self.assertIn(b"GET /hello", done.stdout)

    def test_python_old_and_new(self):
        daemon = self.start(self.conf())
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            context = self.context()
            context.minimum_version = context.maximum_version = version
            with self.connect(context) as client:
                self.assertTrue(client.echoes())
        daemon.wait_log(r"access: .* reason=peer tls=TLSv1\.2$")
        daemon.wait_log(r"access: .* reason=peer tls=TLSv1\.3$")

    def test_too_old(self):
        self.start(self.conf(section(self.certs.server,
                                       extra='min-version = "1.3"')))
        context = self.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.refused(context)
        self.counts("protocol")

    def test_ciphers(self):
        self.start(self.conf())
        for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256",
                       "ECDHE-ECDSA-CHACHA20-POLY1305"):
            context = self.context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(cipher)
            with self.connect(context) as client:
                self.assertTrue(client.echoes())

    def test_long_lines_both_ways(self):
        self.start(self.conf(service="framing { line-length = 1M }"))
        with self.connect() as client:
            line = os.urandom(100000).hex().encode() + b"\n"
            client.send(line)
            self.assertEqual(client.line(), line)


class Names(TlsTest):
    def shown(self, name):
        context = ssl.create_default_context(
            cafile=self.certs.ca.certificate)
        context.check_hostname = False
        with self.connect(context, name=name) as client:
            subject = client.sock.getpeercert()["subject"]
            return subject[0][0][1]

    def test_sni_selects(self):
        self.start(self.conf(
            section(self.certs.server) + section(self.certs.wild, "wild"),
            tls='"default", "wild"'))
        for name, cn in (("localhost", "server"), ("a.example.org", "wild"),
                         ("A.EXAMPLE.org", "wild"), ("example.org", "server"),
                         ("b.a.example.org", "server"), (None, "server"),
                         ("other", "server")):
            self.assertEqual(self.shown(name), cn, name)

    def test_status_shows_names_and_days(self):
        self.start(self.conf(
            section(self.certs.server) + section(self.certs.wild, "wild"),
            tls='"default", "wild"'))
        tls = json.loads(self.linectl("--json", "status"))["tls"]
        self.assertEqual([t["name"] for t in tls], ["default", "wild"])
        self.assertEqual(tls[0]["names"], ["localhost", "127.0.0.1"])
        self.assertIn(tls[0]["days_left"], (89, 90))
        self.assertAlmostEqual(tls[0]["expires_s"],
                               time.time() + 90 * 86400, delta=3600)
        self.assertIn("*.example.org", self.linectl("status").decode())
        self.eventually(lambda: self.counter(
            "lined_tls_certificate_expiry_timestamp_seconds",
            tls="wild") == tls[1]["expires_s"], "the expiry as a metric")
        with self.connect() as client:
            self.assertTrue(client.echoes())
        self.eventually(lambda: self.counter(
            "lined_tls_handshakes_total", service="s", result="ok") == 1,
            "the handshake as a metric")


class ClientCertificates(TlsTest):
    def begin(self, how, extra=""):
        return self.start(self.conf(section(
            self.certs.server,
            extra='client-ca = "%s" client-cert = "%s" %s'
            % (self.certs.ca.certificate, how, extra))))

    def test_required(self):
        daemon = self.begin("required")
        with self.connect(self.context(pair=self.certs.alice)) as client:
            self.assertTrue(client.echoes())
        daemon.wait_log(r"reason=peer tls=TLSv1\.3 name=alice@example\.org$")
        self.refused(self.context())
        self.counts("certificate")
        daemon.wait_log("closed: error: tls: peer did not return a certificate")

    def test_the_name_is_in_a_tag_of_relay(self):
        self.start(self.conf(
            section(self.certs.server,
                    extra='client-ca = "%s" client-cert = "optional"'
                    % self.certs.ca.certificate),
            protocol="relay", service='relay { tag = "{name} " '
            'loopback = true }'))
        for pair, name in ((self.certs.alice, b"alice@example.org"),
                           (None, b"-")):
            with self.connect(self.context(pair=pair)) as client:
                client.send(b"line\n")
                self.assertEqual(client.line(), name + b" line\n")

    def test_optional(self):
        self.begin("optional")
        with self.connect(self.context()) as client:
            self.assertTrue(client.echoes())
        with self.connect(self.context(pair=self.certs.alice)) as client:
            self.assertTrue(client.echoes())
        self.refused(self.context(
            pair=self.certs.strange.issue("nobody")))
        self.counts("certificate")

    def test_bad_ones(self):
        """Bad certificates, each with its reason in the log."""
        daemon = self.begin("required")
        ca = self.certs.ca
        bad = (
            (ca.issue("late", end=-1, begin=-9), "certificate has expired"),
            (ca.issue("early", begin=2), "certificate is not yet valid"),
            (ca.issue("usage", usage="serverAuth"),
             "unsuitable certificate purpose"),
            (self.certs.strange.issue("unknown"),
             "unable to get local issuer certificate"),
            (ca.issue("weak", key=("-newkey", "rsa:1024")),
             "EE certificate key too weak"),
        )
        for n, (pair, why) in enumerate(bad, 1):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            context.load_verify_locations(ca.certificate)
            context.load_cert_chain(pair.certificate, pair.key)
            self.refused(context)
            self.counts("certificate", n)
            daemon.wait_log("closed: error: tls: certificate verify failed: %s$"
                            % re.escape(why))

    def test_good_ones(self):
        """A deep chain, no common name, a name in a URI."""
        daemon = self.begin("required")
        below = self.certs.ca
        for n in range(4):
            below = Authority(self.certs.dir, "below%d" % n, issuer=below)
        for pair, name in (
                (below.issue("deep"), "deep"),
                (self.certs.ca.issue("uri", ["URI:urn:boat:7"]), "urn:boat:7"),
                (self.certs.ca.issue("nocn", ["DNS:boat.example"], cn=""),
                 r"boat\.example"),
                (self.certs.ca.issue("both", ["DNS:first", "email:b@c"]),
                 "first")):
            with self.connect(self.context(pair=pair)) as client:
                self.assertTrue(client.echoes())
            daemon.wait_log(r"tls=TLSv1\.3 name=%s$" % name)

    def test_revoked(self):
        other = Authority(self.certs.dir, "lists")
        good, gone = other.issue("good"), other.issue("revoked")
        other.revoke(gone)
        daemon = self.start(self.conf(section(
            self.certs.server,
            extra='client-ca = "%s" client-cert = required crl = "%s"'
            % (other.certificate, other.crl()))))
        with self.connect(self.context(pair=good)) as client:
            self.assertTrue(client.echoes())
        self.refused(self.context(pair=gone))
        daemon.wait_log("certificate verify failed: certificate revoked")


class Failures(TlsTest):
    def test_plaintext_is_closed_at_once(self):
        daemon = self.start(self.conf())
        with Client(("127.0.0.1", self.port)) as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            client.ended()
        daemon.wait_log("closed: error: tls: the peer does not speak TLS")
        self.counts("plaintext")

    def test_stalled_handshake(self):
        daemon = self.start(self.conf(limits="handshake-timeout = 200ms"))
        with Client(("127.0.0.1", self.port)) as silent, \
                Client(("127.0.0.1", self.port)) as slow:
            slow.send(b"\x16\x03\x01")
            silent.ended()
            slow.ended()
        self.counts("timeout", 2)
        daemon.wait_log("closed: timeout: handshake-timeout 0.2 s")

    def test_client_that_rejects_our_certificate(self):
        daemon = self.start(self.conf())
        self.refused(self.context(ca=self.certs.strange))
        self.counts("gone")
        daemon.wait_log("closed: error: tls: .*unknown ca")

    def test_client_that_vanishes_after_each_byte_of_its_hello(self):
        self.start(self.conf())
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = self.context().wrap_bio(incoming, outgoing,
                                        server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            hello.do_handshake()
        data = outgoing.read()
        for cut in range(0, len(data), 40):
            with Client(("127.0.0.1", self.port)) as client:
                client.send(data[:cut])
                client.reset() if cut % 80 else client.close()
        self.counts("gone", len(range(0, len(data), 40)))
        with self.connect() as client:
            self.assertTrue(client.echoes())

    def test_handshakes_over_the_cap(self):
        daemon = self.start(self.conf(
            limits="handshakes = 20 handshake-timeout = 2s"))
        silent = [socket.create_connection(("127.0.0.1", self.port))
                  for _ in range(20)]
        try:
            self.eventually(lambda: len(silent) == 20, "20 connections")
            for _ in range(30):
                with Client(("127.0.0.1", self.port)) as client:
                    client.ended()
            self.counts("refused", 30)
            self.assertEqual(self.service()["refused"]["handshakes"], 30)
            daemon.wait_log("refused 127.0.0.1:.*: handshakes")
        finally:
            for sock in silent:
                sock.close()
        self.counts("gone", 20)
        with self.connect() as client:
            self.assertTrue(client.echoes())

    def test_end_without_close_notify(self):
        self.start(self.conf(service="framing { unterminated = deliver }"))
        for clean in True, False:
            with self.connect() as client:
                client.send(b"one\ntwo")
                self.assertEqual(client.line(), b"one\n")
                if clean:
                    with self.assertRaises(ssl.SSLError):
                        # unwrap() sends close_notify, and then finds data of
                        # lined.
                        client.sock.unwrap()
                        raise ssl.SSLError("data was read")
                else:
                    os.close(client.sock.detach())
        self.eventually(lambda: self.service()["tls_truncated"] == 1,
                        "one that is counted")

    def test_close_notify_from_us(self):
        self.start(self.conf(limits="idle-timeout = 200ms"))
        with self.connect() as client:
            # Without close_notify this would raise an SSLEOFError.
            self.assertEqual(client.sock.recv(1), b"")

    def test_drain_while_in_a_handshake(self):
        daemon = self.start(self.conf())
        descriptors = daemon.descriptors()
        with Client(("127.0.0.1", self.port)) as client:
            client.send(b"\x16\x03")
            self.eventually(lambda: daemon.descriptors() > descriptors,
                            "it is accepted")
            daemon.stop()
            client.ended()


STARTTLS = r"""
#include <lined/protocol.h>
#include <lined/service.h>
#include <lined/socket.h>
#include <lined/tls.h>
#include <string.h>

static void serve(struct lined_socket *client, const struct lined_line *line)
{
	struct lined_tls tls;

	if (strcmp(line->text, "tls") == 0) {
		lined_socket_printf(client, "%s\n",
				    lined_client_tls(client, &tls)
					    ? tls.version : "none");
	} else if (strcmp(line->text, "STARTTLS") == 0) {
		lined_socket_printf(client, "go ahead\n");
		if (lined_client_start_tls(client) < 0)
			lined_socket_printf(client, "no\n");
	} else {
		lined_socket_printf(client, "%s\n", line->text);
	}
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "starttls",
	.summary = "upgrades a connection",
	.handle_line = serve,
};
"""


class StartTls(TlsTest):
    def setUp(self):
        super().setUp()
        self.own_modules()
        self.copy_module("control")
        self.copy_module("metrics")
        self.build_module("starttls", STARTTLS)

    def begin(self, **how):
        return self.start(self.conf(
            protocol="starttls", listen='"tcp://127.0.0.1:%d"' % self.port,
            **how))

    def test_upgrade(self):
        daemon = self.begin()
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.settimeout(20)
        with Client.adopt(sock) as plain:
            plain.send(b"tls\nSTARTTLS\ninjected\n")
            self.assertEqual(plain.line(), b"none\n")
            self.assertEqual(plain.line(), b"go ahead\n")
            # Bytes that were sent before the handshake never become a line.
            tls = Client.adopt(self.context().wrap_socket(
                sock, server_hostname="localhost"))
            tls.send(b"tls\n")
            self.assertEqual(tls.line(), b"TLSv1.3\n")
            tls.send(b"STARTTLS\n")
            self.assertEqual(tls.line(), b"go ahead\n")
            self.assertEqual(tls.line(), b"no\n")
            tls.close()
        self.counts("ok")
        daemon.wait_log("reason=.* tls=TLSv1.3")

    def test_plaintext_after_it_is_closed(self):
        daemon = self.begin()
        with Client(("127.0.0.1", self.port)) as client:
            client.send(b"STARTTLS\n")
            self.assertEqual(client.line(), b"go ahead\n")
            client.send(b"no handshake\n")
            client.ended()
        self.counts("plaintext")
        daemon.wait_log("closed: error: tls: the peer does not speak TLS")

    def test_service_without_tls(self):
        text = self.conf(protocol="starttls",
                         listen='"tcp://127.0.0.1:%d"' % self.port)
        self.start(re.sub(r"tls = \{.*\}", "", text))
        with Client(("127.0.0.1", self.port)) as client:
            client.send(b"STARTTLS\n")
            self.assertEqual(client.line(), b"go ahead\n")
            self.assertEqual(client.line(), b"no\n")


class Upstreams(TlsTest):
    """relay as a TLS client."""

    def setUp(self):
        super().setUp()
        self.there = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.there.close)
        self.there.settimeout(20)
        self.there_port = self.there.getsockname()[1]

    def relay(self, options="", mode="upstream", host="localhost"):
        return self.conf(
            protocol="relay", listen='"tcp://127.0.0.1:%d"' % self.port,
            service="""
                relay {{ mode = "{mode}" upstream = "tls://{host}:{port}"
                         {options} }}
            """.format(mode=mode, host=host, port=self.there_port,
                       options=options))

    def trusting(self, options="", **how):
        return self.relay('upstream-ca = "%s" %s'
                          % (self.certs.ca.certificate, options), **how)

    def accept(self, pair=None, clients=None):
        """Returns the upstream's end of a connection, after the handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = pair or self.certs.server
        context.load_cert_chain(pair.certificate, pair.key)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.certificate)
        sock = self.there.accept()[0]
        sock.settimeout(20)
        self.addCleanup(sock.close)
        return Client.adopt(context.wrap_socket(sock, server_side=True))

    def rejected(self, daemon, why, pair=None):
        with self.assertRaises((ssl.SSLError, OSError)):
            with self.accept(pair) as up:
                # With TLS 1.3 the client may refuse only after our handshake
                # has ended.
                up.exactly(1)
                raise OSError("data came")
        daemon.wait_log("upstream tls://.*: " + why)

    def test_feed(self):
        daemon = self.start(self.trusting())
        with self.accept() as up:
            self.assertEqual(up.sock.version(), "TLSv1.3")
            daemon.wait_log("upstream tls://localhost.*: connected")
            with Client(("127.0.0.1", self.port)) as client:
                self.eventually(lambda: self.service()["clients"] == 1,
                                "the client")
                up.send(b"one\ntwo\n")
                self.assertEqual(client.line(), b"one\n")
                self.assertEqual(client.line(), b"two\n")

    def test_address_in_the_certificate(self):
        daemon = self.start(self.trusting(host="127.0.0.1"))
        with self.accept():
            daemon.wait_log("upstream tls://127.0.0.1:.*: connected")

    def test_wrong_name(self):
        daemon = self.start(self.trusting("retry-min = 50ms"))
        self.rejected(daemon,
                      "certificate verify failed: hostname mismatch",
                      self.certs.wild)

    def test_name_of_ones_own(self):
        daemon = self.start(self.trusting(
            'upstream-name = "a.example.org"'))
        with self.accept(self.certs.wild):
            daemon.wait_log("upstream tls://.*: connected")

    def test_bad_certificates(self):
        ca = self.certs.ca
        names = ["DNS:localhost"]
        daemon = self.start(self.trusting(
            "retry-min = 50ms retry-max = 50ms"))
        for pair, why in (
                (ca.issue("upold", names, end=-1, begin=-9),
                 "certificate has expired"),
                (ca.issue("upearly", names, begin=2),
                 "certificate is not yet valid"),
                (ca.issue("upusage", names, usage="clientAuth"),
                 "unsuitable certificate purpose"),
                (self.certs.strange.issue("upstrange", names),
                 "unable to get local issuer certificate"),
                (ca.issue("upnocn", ["DNS:other"], cn="localhost"),
                 "hostname mismatch")):
            self.rejected(daemon, "certificate verify failed: " + why, pair)

    def test_the_systems_authorities_do_not_know_ours(self):
        daemon = self.start(self.relay("retry-min = 50ms"))
        self.rejected(daemon, "certificate verify failed: ")

    def test_without_verification(self):
        daemon = self.start(self.relay("upstream-verify = false"))
        daemon.wait_log("upstream-verify: false: the certificates of "
                        "upstreams are not checked")
        with self.accept(self.certs.strange.issue("anybody")):
            daemon.wait_log("upstream tls://.*: connected")

    def test_our_certificate(self):
        self.start(self.trusting(
            'upstream-certificate = "%s" upstream-key = "%s"'
            % (self.certs.alice.certificate, self.certs.alice.key)))
        with self.accept(clients=self.certs.ca) as up:
            self.assertEqual(up.sock.getpeercert()["subject"],
                             ((("commonName", "alice"),),))

    def test_plain_upstream(self):
        daemon = self.start(self.trusting("retry-min = 50ms"))
        with self.there.accept()[0] as sock:
            sock.sendall(b"hello\n")
            daemon.wait_log("upstream tls://.*: the peer does not speak TLS")

    def test_proxy(self):
        daemon = self.start(self.trusting(mode="proxy"))
        with Client(("127.0.0.1", self.port)) as client:
            client.send(b"question\n")
            with self.accept() as up:
                self.assertEqual(up.line(), b"question\n")
                up.send(b"answer\n")
                self.assertEqual(client.line(), b"answer\n")
                client.half_close()
                self.assertEqual(up.sock.recv(1), b"")
        with Client(("127.0.0.1", self.port)) as client:
            with self.assertRaises((ssl.SSLError, OSError)):
                with self.accept(self.certs.wild) as up:
                    up.exactly(1)
                    raise OSError("data came")
            client.ended()
        daemon.wait_log("hostname mismatch")

    def test_errors(self):
        certs = self.certs
        for options, why in (
                ('upstream-ca = "/no/such"',
                 "upstream-ca: /no/such: No such file or directory"),
                ('upstream-certificate = "%s"' % certs.alice.certificate,
                 "upstream-certificate and upstream-key need each other"),
                ('upstream-name = "%s"' % ("x" * 256),
                 "upstream-name: a name has at most 255 characters"),
                ('upstream-certificate = "%s" upstream-key = "%s"'
                 % (certs.alice.certificate, certs.server.key),
                 r"upstream-key: \S+: it is not the key of the "
                 "certificate")):
            code, err = self.check(self.relay(options))
            self.assertEqual(code, 1, err)
            self.assertRegex(err, r'lined\.conf:\d+: service "s": relay: .*'
                             + why)
        code, err = self.check(self.relay("upstream-name = x").replace(
            "tls://localhost", "tcp://localhost"))
        self.assertEqual(code, 0, err)
        self.assertIn("upstream-name: no effect: no upstream is tls://", err)
        self.assertEqual(err.count("no effect"), 1, err)


class Configuration(TlsTest):
    def test_errors_name_file_line_and_reason(self):
        certs = self.certs
        openssl("pkey", "-in", certs.server.key, "-aes128", "-passout",
                "pass:x", "-out", self.path("locked"))
        cases = (
            ('certificate = "%s" key = "%s"'
             % (certs.server.certificate, certs.second.key),
             r"key: \S+second\.key: it is not the key of the certificate"),
            ('certificate = "%s" key = "%s"'
             % (certs.server.certificate, self.path("locked")),
             r"key: \S+locked: it is encrypted with a passphrase; write it "
             r"without \(openssl pkey -in FILE -out NEW\)"),
            ('certificate = "%s" key = "/no/such"' % certs.server.certificate,
             r"key: /no/such: No such file or directory"),
            ('certificate = "%s" key = "%s"'
             % (certs.server.key, certs.server.key),
             r"certificate: \S+: there is no PEM certificate in it"),
        )
        for keys, why in cases:
            text = self.conf('tls "default" { %s }' % keys)
            code, err = self.check(text)
            self.assertEqual(code, 1)
            self.assertRegex(err, r'lined\.conf:\d+: tls "default": ' + why)
            log = self.start_fails(text, 1)
            self.assertRegex(log, r'lined\.conf:\d+: tls "default": ' + why)

    def test_dates_are_warnings(self):
        for days, says in ((-2, "it has expired on"), (10, "it expires on")):
            pair = self.certs.ca.issue("dated%d" % days, ["DNS:localhost"],
                                       begin=-9, end=days)
            code, err = self.check(self.conf(section(pair)))
            date = time.strftime("%Y-%m-%d",
                                 time.gmtime(time.time() + days * 86400))
            self.assertEqual(code, 0, err)
            self.assertRegex(err, r'tls "default": certificate: \S+: %s %s'
                             % (says, date))

    def test_example(self):
        directory = self.path("example")
        os.mkdir(directory)
        path = os.path.join(directory, "tls.conf")
        shutil.copy(os.path.join(TOP, "conf", "examples", "tls.conf"), path)
        with open(path) as f:
            commands = re.search(r"#\tmkdir tls.*?(?=#\tlined )", f.read(),
                                 re.S).group(0)
        done = subprocess.run(["sh", "-ec", re.sub(r"(?m)^#\t", "", commands)],
                              cwd=directory, capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        code, _, err = self.run_lined("-t", "-c", path, "-m", MODULES)
        self.assertEqual(code, 0, err)

    def test_plan_sees_new_files(self):
        self.start(self.conf())
        plan = json.loads(self.linectl("--json", "plan",
                                       self.path("lined.conf")))
        self.assertNotIn("TLS", json.dumps(plan))


class Reload(TlsTest):
    def setUp(self):
        super().setUp()
        self.pair = self.certs.server.__class__(self.path("live.pem"),
                                                self.path("live.key"))
        self.certs.server.copy_to(self.pair.certificate, self.pair.key)

    def cn(self):
        with self.connect() as client:
            self.assertTrue(client.echoes())
            return client.sock.getpeercert()["subject"][0][0][1]

    def test_reload_takes_new_and_refuses_bad_ones(self):
        daemon = self.start(self.conf(section(
            self.pair, extra="auto-reload = false")))
        with self.connect() as stays:
            self.certs.second.copy_to(self.pair.certificate, self.pair.key)
            daemon.reload()
            self.assertEqual(self.cn(), "second")
            shutil.copyfile(self.certs.server.key, self.pair.key)
            mark = daemon.reload()
            daemon.wait_log("it is not the key of the certificate", mark)
            daemon.wait_log("reload: refused", mark)
            self.assertEqual(self.cn(), "second")
            self.assertTrue(stays.echoes())

    def test_files_that_change_are_taken(self):
        daemon = self.start(self.conf(section(self.pair)))
        with self.connect() as stays:
            self.certs.second.copy_to(self.pair.certificate, self.pair.key)
            with self.within(5):
                daemon.wait_log("tls default: new files")
            self.assertEqual(self.cn(), "second")
            # A bad pair of files changes nothing.
            shutil.copyfile(self.certs.server.key, self.pair.key)
            daemon.wait_log(r"tls default: key: \S+: it is not the key of the "
                            "certificate: the files before stay in use")
            self.assertEqual(self.cn(), "second")
            self.assertTrue(stays.echoes())

    def test_links_swapped_as_certbot_does(self):
        live = self.path("live")
        os.mkdir(live)
        links = [os.path.join(live, name) for name in ("cert", "key")]
        os.symlink(self.certs.server.certificate, links[0])
        os.symlink(self.certs.server.key, links[1])
        pair = self.pair.__class__(*links)
        daemon = self.start(self.conf(section(pair)))
        self.assertEqual(self.cn(), "server")
        for link, target in zip(links, (self.certs.second.certificate,
                                        self.certs.second.key)):
            os.symlink(target, link + ".new")
            os.rename(link + ".new", link)
        daemon.wait_log("tls default: new files")
        self.assertEqual(self.cn(), "second")


@unittest.skipIf(os.geteuid() != 0, "only root becomes another user")
class FilesOfTheUser(TlsTest):
    """Root reads the files at the start; a reload reads them as `user`."""

    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)
        self.pair = Pair(self.path("a.pem"), self.path("a.key"))
        self.certs.server.copy_to(self.pair.certificate, self.pair.key)
        for path in (self.pair.certificate, self.pair.key):
            os.chmod(path, 0o644)

    def user_conf(self, top='user = "daemon"', extra=""):
        return top + self.conf(section(self.pair, extra=extra)).replace(
            'control { socket = "%s" }' % self.path("control"), "")

    def test_what_only_root_can_read_is_an_error(self):
        os.mkdir(self.path("closed"), 0o700)
        shutil.copy(self.certs.ca.certificate, self.path("closed/ca.pem"))
        os.chmod(self.pair.key, 0o600)
        text = self.user_conf(
            extra='client-cert = optional client-ca = "%s"'
                  % self.path("closed/ca.pem"))
        said = [r'lined.conf:\d+: tls "default": key: %s: user "daemon" cannot '
                "read it: Permission denied" % re.escape(self.pair.key),
                r'lined.conf:\d+: tls "default": client-ca: %s: user "daemon" '
                "cannot read it: Permission denied"
                % re.escape(self.path("closed/ca.pem"))]
        code, err = self.check(text)
        self.assertEqual(code, 1, err)
        for want in said:
            self.assertRegex(err, want)
        log = self.start_fails(text, 1)
        for want in said:
            self.assertRegex(log, want)

    def test_what_the_user_or_his_groups_can_read_is_good(self):
        adm = grp.getgrnam("adm").gr_gid
        for top, owner, group, mode in (
                ('user = "daemon"', 1, 0, 0o400),
                ('user = "daemon"', 0, 1, 0o640),
                ('user = "daemon" group = "adm"', 0, adm, 0o640),
                ('user = "root"', 0, 0, 0o600),
                ('group = "adm"', 0, 0, 0o600),
                ('', 0, 0, 0o600)):
            with self.subTest(top, owner=owner, group=group):
                os.chown(self.pair.key, owner, group)
                os.chmod(self.pair.key, mode)
                code, err = self.check(self.user_conf(top))
                self.assertEqual(code, 0, err)
                self.assertNotIn("warning", err)

    def test_a_credential_is_left_to_systemd(self):
        os.chmod(self.pair.key, 0o600)
        text = self.user_conf().replace(
            'key = "%s"' % self.pair.key, 'key = "credential:a.key"')
        daemon = self.start(text, env={"CREDENTIALS_DIRECTORY": self.dir})
        with self.connect() as c:
            self.assertTrue(c.echoes())
        daemon.stop()

    def test_files_that_the_user_reads_are_taken_at_a_reload(self):
        daemon = self.start(self.user_conf())
        self.certs.second.copy_to(self.pair.certificate, self.pair.key)
        place = daemon.reload()
        daemon.wait_log("^<5>reload: done", place)
        with self.connect() as c:
            self.assertTrue(c.echoes())


if __name__ == "__main__":
    main()
