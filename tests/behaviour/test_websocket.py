#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""WebSocket clients: the upgrade and bad requests, messages as lines, valid
and forbidden frames of RFC 6455, closing, pings, origins, proxies. Python's
websockets, npm's ws and nginx, if they are there."""
import asyncio
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from certificates import Authority
from lined_test import LINED, PATIENCE, Client, DaemonTest
from lined_test import free_port, main, service
from websocket_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from websocket_client import WebSocket, close, frame, request

try:
    import websockets
except ImportError:
    websockets = None

LINECTL = os.path.abspath(os.environ.get("LINECTL") or
                          os.path.join(os.path.dirname(LINED), "linectl"))


class Web(DaemonTest):
    protocol = "echo"

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.tcp = free_port()
        self.address = ("127.0.0.1", self.port)
        self.control = self.path("control.sock")

    def text(self, extra="", path=""):
        return ('control { socket = "%s" }\n' % self.control
                + service("w", "ws://127.0.0.1:%d%s" % (self.port, path),
                          "tcp://127.0.0.1:%d" % self.tcp,
                          protocol=self.protocol, extra="\t" + extra))

    def serve(self, extra="", path="", **kw):
        self.daemon = self.start(self.text(extra, path), **kw)

    def open(self, source=None, **kw):
        return WebSocket(Client(self.address, source=source), **kw)

    def ask(self, head):
        """Sends a request. Returns the response: (status, fields, body)."""
        with Client(self.address) as c:
            c.send(head if isinstance(head, bytes) else head.encode())
            ws = WebSocket(c, upgrade=False)
            status, fields = ws.response()
            body = b"" if status == 101 else c.rest()
            return status, fields, body

    def services(self):
        out = subprocess.run(
            [LINECTL, "-s", self.control, "--json", "services", "w"],
            check=True, stdout=subprocess.PIPE, timeout=PATIENCE).stdout
        return json.loads(out)["services"][0]

    def clients(self):
        out = subprocess.run(
            [LINECTL, "-s", self.control, "--json", "clients"],
            check=True, stdout=subprocess.PIPE, timeout=PATIENCE).stdout
        return json.loads(out)["clients"]


class Upgrade(Web):
    def test_requests_get_the_answer_that_they_deserve(self):
        self.serve(path="/chat")
        good = request("/chat").decode()
        for status, head in (
                (101, good),
                (101, good.replace("GET /chat", "GET /chat?a=b")),
                (101, good.replace("websocket", "WebSocket")),
                (404, request("/")), (404, request("/chat/")),
                (405, good.replace("GET", "PUT")),
                (400, "hello\r\n"), (400, "GET /chat\r\n"),
                (400, good.replace("Host: localhost\r\n", "")),
                (400, good.replace("Connection: keep-alive, Upgrade",
                                   "Connection: close")),
                (400, good.replace("Sec-WebSocket-Key", "Sec-Key")),
                (400, request("/chat", key="short")),
                (400, request("/chat", key="x" * 22 + "==" + "\r\n" +
                              "Sec-WebSocket-Key: " + "y" * 22 + "==")),
                (426, request("/chat", version="8")),
                (426, "GET /chat HTTP/1.1\r\nHost: x\r\n\r\n"),
                (505, "GET /chat HTTP/2.0\r\n\r\n"),
                (431, "GET /chat HTTP/1.1\r\nX: " + "x" * 9000)):
            got, fields, body = self.ask(head)
            self.assertEqual(got, status, head)
            self.assertEqual(len(body), int(fields.get("content-length", 0)))
            if status == 405:
                self.assertIn("GET", fields["allow"])
            if status == 426:
                self.assertEqual(fields["upgrade"], "websocket")
                self.assertEqual(fields["sec-websocket-version"], "13")
        self.eventually(lambda: self.services()["clients"] == 0, "all left")

    def test_refusals_say_why(self):
        self.serve("limits { clients = 1 }")
        good = request().decode()
        for words, head in (
                ("Connection: Upgrade is missing",
                 good.replace("keep-alive, Upgrade", "close")),
                ("Sec-WebSocket-Version is missing",
                 good.replace("Sec-WebSocket-Version", "X")),
                ("Sec-WebSocket-Key must be", request(key="short")),
                ("needs HTTP/1.1", good.replace("HTTP/1.1", "HTTP/1.0")),
                ("without a body", good.replace(
                    "Host", "Content-Length: 5\r\nHost")),
                ("no HTTP/1.1 request", "hello\r\n"),
                ("nothing is at this path", request("/other")),
                ("pages of this Origin", request(
                    extra="Origin: https://b.example\r\n")),
                ("speaks WebSocket, version 13",
                 "GET / HTTP/1.1\r\nHost: x\r\n\r\n")):
            self.assertIn(words, self.ask(head)[2].decode(), head)

    def test_request_and_frames_may_come_in_any_pieces(self):
        self.serve(workers=2)
        for step in (1, 7, 100):
            with Client(self.address) as c:
                data = (request() + frame(TEXT, b"one") + frame(TEXT, b"tw",
                        fin=False) + frame(PING, b"?")
                        + frame(CONTINUATION, b"o"))
                for i in range(0, len(data), step):
                    c.send(data[i:i + step])
                    time.sleep(0.0005)
                ws = WebSocket(c, upgrade=False)
                self.assertEqual(ws.response()[0], 101)
                # The answer to a ping may come before lines.
                got = [ws.frame() for _ in range(3)]
                self.assertIn((PONG, b"?"), got)
                got.remove((PONG, b"?"))
                self.assertEqual(got, [(TEXT, b"one"), (TEXT, b"two")])

    def test_extensions_and_subprotocols_are_declined(self):
        self.serve()
        status, fields, _ = self.ask(request(
            extra="Sec-WebSocket-Extensions: permessage-deflate\r\n"
                  "Sec-WebSocket-Protocol: chat\r\n"))
        self.assertEqual(status, 101)
        self.assertNotIn("sec-websocket-extensions", fields)
        self.assertNotIn("sec-websocket-protocol", fields)

    def test_protocol_sees_nothing_before_the_upgrade(self):
        self.serve("limits { handshake-timeout = 2s  handshakes = 1 }")
        with Client(self.address) as c:
            c.send(b"GET / HTTP/1.1\r\nX: y")
            time.sleep(0.05)
            self.assertEqual(self.services()["clients"] > 1, False)
            with Client(self.address) as second:
                self.assertEqual(second.ended(), b"")
            self.assertEqual(c.ended(), b"")
        self.daemon.wait_log("closed: timeout: handshake")
        self.daemon.wait_log("service w: refused .*: handshakes")
        with self.open() as ws:
            ws.send("hello")
            self.assertEqual(ws.message(), "hello")

    def test_full_service_says_so(self):
        self.serve("limits { clients = 1 }")
        with self.open() as ws:
            self.assertEqual(self.ask(request())[0], 503)
            ws.send("still here")
            self.assertEqual(ws.message(), "still here")
        self.eventually(lambda: self.services()["clients"] == 0, "it is gone")
        with self.open() as ws:
            ws.send("a place")
            self.assertEqual(ws.message(), "a place")
        self.assertEqual(self.services()["refused"]["clients"], 1)

    def test_access_closes_without_an_answer(self):
        self.serve('access { deny = "127.0.0.2" }')
        with Client(self.address, source="127.0.0.2") as c:
            self.assertEqual(c.ended(), b"")
        self.daemon.wait_log("refused 127.0.0.2:.*: access")

    def test_origins(self):
        self.serve('web { origins = { "https://a.example", "null" } }')
        for good, origin in (
                (True, "http://localhost"), (True, "https://localhost"),
                (True, "http://localhost:80"), (True, "https://A.example"),
                (True, "null"),
                (False, "https://b.example"), (False, "http://a.example"),
                (False, "http://localhost:81"), (False, "localhost"),
                (False, "http://localhost.evil.example")):
            status = self.ask(request(extra="Origin: %s\r\n" % origin))[0]
            self.assertEqual(status, 101 if good else 403, origin)
        self.assertEqual(self.services()["refused"]["origin"], 5)

    def test_any_origin(self):
        self.serve('web { origins = "*" }')
        self.assertEqual(self.ask(request(
            extra="Origin: https://b.example\r\n"))[0], 101)

    def test_page_is_served_at_the_path(self):
        self.serve('web { page = "console" }', path="/talk")
        head = "%s /talk HTTP/1.1\r\nHost: h.example:81\r\n\r\n"
        status, fields, body = self.ask(head % "GET")
        self.assertEqual(status, 200)
        self.assertEqual(len(body), int(fields["content-length"]))
        self.assertLess(len(body), 20 * 1024)
        self.assertIn(b"<!doctype html>", body)
        policy = fields["content-security-policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertIn("ws://h.example:81", policy)
        self.assertNotIn("unsafe", policy)
        nonce = policy.split("'nonce-")[1].split("'")[0]
        self.assertEqual(body.count(nonce.encode()), 2)
        self.assertNotIn(nonce.encode(), self.ask(head % "GET")[2])
        self.assertEqual(self.ask(head % "HEAD")[2], b"")
        self.assertEqual(self.ask(request("/talk"))[0], 101)
        bad = self.ask("GET /talk HTTP/1.1\r\nHost: h'; x\r\n\r\n")[1]
        self.assertNotIn("h'", bad["content-security-policy"])


class Messages(Web):
    def test_message_is_a_line(self):
        self.serve()
        with self.open() as ws:
            for size in (0, 1, 125, 126, 127, 1000):
                ws.send("x" * size)
                self.assertEqual(ws.message(), "x" * size)
            # A terminator is added unless the text ends with one. A newline
            # within the text also ends a line.
            ws.send("one\n")
            ws.send("two\r\n")
            ws.send("three\nfour")
            for line in ("one", "two", "three", "four"):
                self.assertEqual(ws.message(), line)
            ws.send("Grüße, 世界 \U0001f600")
            self.assertEqual(ws.message(), "Grüße, 世界 \U0001f600")
            ws.send(b"\xff\x00\xfe")
            self.assertEqual(ws.message(), b"\xff\x00\xfe")
            ws.send(b"text in a binary message")
            self.assertEqual(ws.message(), "text in a binary message")

    def test_long_messages(self):
        self.serve("framing { line-length = 200000 }")
        with self.open() as ws:
            for size in (65535, 65536, 150000):
                ws.send("y" * size)
                self.assertEqual(ws.message(), "y" * size)

    def test_terminator_of_the_service(self):
        self.serve("framing { terminator = crlf }")
        with self.open() as ws, Client(("127.0.0.1", self.tcp)) as tcp:
            ws.send("one")
            self.assertEqual(ws.message(), "one")
            ws.send("two\r\n")
            self.assertEqual(ws.message(), "two")
            tcp.send(b"three\r\n")
            self.assertEqual(tcp.line(), b"three\r\n")

    def test_fragments_and_control_frames_between(self):
        self.serve()
        with self.open() as ws:
            ws.client.send(frame(TEXT, b"a", fin=False)
                           + frame(PING, b"p" * 125)
                           + frame(CONTINUATION, b"b", fin=False)
                           + frame(PONG, b"nobody asked")
                           + frame(CONTINUATION, b"", fin=False)
                           + frame(CONTINUATION, b"c"))
            got = [ws.frame(), ws.frame()]
            self.assertIn((PONG, b"p" * 125), got)
            self.assertIn((TEXT, b"abc"), got)

    def test_many_at_once(self):
        self.serve()
        rng = random.Random(7)
        texts = ["%d %s" % (i, "z" * rng.randrange(300)) for i in range(3000)]
        data = b"".join(frame(TEXT, t.encode(), mask=rng.randbytes(4))
                        for t in texts)
        with self.open() as ws:
            sent = 0
            while sent < len(data):
                ws.client.send(data[sent:sent + 5000])
                sent += 5000
                # Reads while sending: otherwise both sides would wait.
            self.assertEqual([ws.message() for _ in texts], texts)

    def test_violations_are_closed_with_their_code(self):
        self.serve("framing { line-length = 100 }")
        for code, data in (
                (1002, frame(TEXT, b"x", mask=None)),
                (1002, frame(TEXT, b"x", rsv=4)),
                (1002, frame(TEXT, b"x", rsv=1)),
                (1002, frame(3)), (1002, frame(7)), (1002, frame(11)),
                (1002, frame(15)),
                (1002, frame(CONTINUATION, b"x")),
                (1002, frame(TEXT, b"a", fin=False) + frame(TEXT, b"b")),
                (1002, frame(PING, b"x", fin=False)),
                (1002, frame(PING, b"x" * 126)),
                (1002, frame(TEXT, b"short", length=16)),
                (1002, frame(TEXT, b"short", length=64)),
                (1002, b"\x81\xff" + b"\xff" * 8 + b"mask"),
                (1002, frame(CLOSE, b"x")),
                (1002, close(999)), (1002, close(1005)), (1002, close(1006)),
                (1002, close(1016)), (1002, close(2999)), (1002, close(5000)),
                (1007, frame(TEXT, b"\xc0\xaf")),
                (1007, frame(TEXT, b"\xed\xa0\x80")),
                (1007, frame(TEXT, b"\xf4\x90\x80\x80")),
                (1007, frame(TEXT, b"\xce", fin=False)
                 + frame(CONTINUATION, b"x")),
                (1007, frame(TEXT, b"\xe4\xb8")),
                (1007, close(1000, b"\xff")),
                (1009, frame(TEXT, b"x" * 101)),
                (1009, frame(BINARY, b"x" * 60, fin=False)
                 + frame(CONTINUATION, b"x" * 60, fin=False))):
            with self.open() as ws:
                ws.client.send(frame(TEXT, b"before") + data)
                self.assertEqual(ws.message(), "before")
                self.assertEqual(ws.closed(), code, data)

    def test_closing_is_answered(self):
        self.serve()
        for code, data in ((1000, close(1000)), (1001, close(1001, b"bye")),
                           (4999, close(4999)), (None, frame(CLOSE))):
            with self.open() as ws:
                ws.client.send(frame(TEXT, b"last") + data)
                self.assertEqual(ws.message(), "last")
                self.assertEqual(ws.closed(), code)
        self.daemon.wait_log("closed: peer")

    def test_end_without_a_closing_frame(self):
        self.serve()
        for _ in range(3):
            with self.open() as ws:
                ws.send("x")
                self.assertEqual(ws.message(), "x")
        for i in range(1, 4):
            self.daemon.wait_log("client %d .*: closed: peer$" % i)

    def test_stop_says_goodbye(self):
        self.serve(workers=2)
        with self.open() as ws:
            ws.send("x")
            ws.message()
            time.sleep(0.3)
            self.daemon.signal(signal.SIGTERM)
            self.assertEqual(ws.closed(), 1001)

    def test_kick_and_timeout_are_policy(self):
        self.serve("limits { idle-timeout = 300ms }")
        with self.open() as ws:
            self.assertEqual(ws.closed(), 1008)
        self.daemon.wait_log("closed: idle")
        with self.open() as ws:
            ws.send("x")
            ws.message()
            subprocess.run([LINECTL, "-s", self.control, "kick",
                            str(self.clients()[0]["id"])], check=True,
                           stdout=subprocess.DEVNULL, timeout=PATIENCE)
            self.assertEqual(ws.closed(), 1008)

    def test_client_that_answers_no_ping_is_closed(self):
        self.serve("web { ping = 200ms }")
        with self.open() as good, self.open() as bad:
            for _ in range(2):
                self.assertEqual(good.frame(), (PING, b""))
                good.client.send(frame(PONG))
            self.assertEqual(bad.frame(), (PING, b""))
            self.assertEqual(bad.closed(), 1008)
            self.daemon.wait_log(r"closed: timeout: ping 0\.2 s$")
            self.assertEqual(good.frame(), (PING, b""))

    def test_the_log_names_the_time_that_the_client_had(self):
        def extra(ping, handshake):
            return ("web { ping = %s }\nlimits { handshake-timeout = %s }"
                    % (ping, handshake))
        self.serve(extra("2s", "3s"))
        with self.open() as silent, Client(self.address) as slow:
            silent.send("x")
            self.assertEqual(silent.message(), "x")
            self.write(self.text(extra("5m", "5m")))
            self.daemon.reload()
            slow.ended()
            self.daemon.wait_log(r"closed: timeout: handshake-timeout 3 s$")
            self.daemon.wait_log(r"closed: timeout: ping 2 s$")

    def test_pings_do_not_keep_an_idle_client(self):
        self.serve("limits { idle-timeout = 400ms }")
        with self.open() as ws:
            ended = threading.Event()

            def ping():
                while not ended.wait(0.05):
                    try:
                        ws.client.send(frame(PING, b"x"))
                    except OSError:
                        return

            pinger = threading.Thread(target=ping)
            pinger.start()
            try:
                opcode = PONG
                while opcode in (PING, PONG):
                    opcode, payload = ws.frame()
            finally:
                ended.set()
                pinger.join()
            self.assertEqual((opcode, payload), (CLOSE, b"\x03\xf0"))
        self.daemon.wait_log("closed: idle 0.4 s")

    def test_pings_are_answered_in_order_and_whole(self):
        self.serve()
        payloads = [b"%d" % i * (i % 30) for i in range(4000)]
        with self.open() as ws:
            ws.client.send(b"".join(frame(PING, p) for p in payloads))
            self.assertEqual([ws.frame() for _ in payloads],
                             [(PONG, p) for p in payloads])

    def test_client_that_pings_and_never_reads_is_slow(self):
        self.serve("limits { send-queue = 64k  send-stall = 500ms }")
        with WebSocket(Client(self.address, rcvbuf=4096)) as ws:
            ws.client.fill(frame(PING, b"x" * 125) * 100)
            self.daemon.wait_log("closed: slow")

    def test_pings_behind_the_one_that_closes_are_harmless(self):
        """The first answers to a read of 64 KB fill the queue."""
        self.serve("limits { send-queue = 8k }\nframing { line-length = 64 }")
        with WebSocket(Client(self.address, rcvbuf=4096)) as ws:
            try:
                for _ in range(400):
                    ws.client.send(frame(PING, b"x" * 125) * 1000)
            except OSError:
                pass
            self.daemon.wait_log("closed: slow")

    def test_vanished_client_is_forgotten(self):
        self.serve()
        ws = self.open()
        ws.client.send(b"\x81")
        ws.client.reset()
        self.eventually(lambda: self.services()["clients"] == 0, "it is gone")


class HalfClosed(Web):
    """The program answers only after the client's half-close."""
    protocol = "exec"

    def serve_program(self, script="cat; sleep 0.4; echo after",
                      ping="50ms"):
        self.serve("framing { unterminated = deliver }\n"
                   "web { ping = %s }\n"
                   'exec { mode = each  command = { "sh", "-c", "%s" } }'
                   % (ping, script))

    def rest(self, ws):
        got = [ws.frame()]
        while got[-1][0] != CLOSE:
            got.append(ws.frame())
        return [payload for opcode, payload in got if opcode == TEXT]

    def test_closing_frame_waits_for_the_answers(self):
        self.serve_program()
        with self.open() as ws:
            ws.client.send(frame(TEXT, b"x") + close(1000))
            self.assertEqual(self.rest(ws), [b"x", b"after"])

    def test_message_waits_for_the_end_of_its_line(self):
        self.serve_program("printf 'name: '; read x; printf hel; read x; "
                           "printf 'lo\\ntwo\\nthr'; read x; echo ee; "
                           "seq -s ' ' 20000; printf end", ping="30s")
        with self.open() as ws:
            for _ in range(3):
                ws.send("go on")
            self.assertEqual(ws.message(), "name: hello")
            self.assertEqual(ws.message(), "two")
            self.assertEqual(ws.message(), "three")
            self.assertEqual(ws.message().split(" "),
                             [str(i) for i in range(1, 20001)])
            self.assertEqual(ws.message(), "end")
            self.assertEqual(ws.closed(), 1000)

    def test_nobody_is_pinged_who_cannot_answer(self):
        self.serve_program()
        with self.open() as ws:
            ws.client.send(frame(TEXT, b"x"))
            ws.client.half_close()
            got = ws.client.rest().replace(frame(PING, mask=None), b"")
            self.assertEqual(got, frame(TEXT, b"x", mask=None)
                             + frame(TEXT, b"after", mask=None))

    def test_cut_message_is_no_line(self):
        """The rest of a message is a line only if a closing frame follows."""
        self.serve_program()
        half = frame(TEXT, b"half", fin=False)
        for last, delivered in ((half, False), (half + close(1000), True),
                                (frame(TEXT, b"half")[:-1], False)):
            with self.open() as ws:
                ws.client.send(frame(TEXT, b"x") + last)
                ws.client.half_close()
                got = ws.client.rest()
                self.assertEqual(b"\x81\x04half" in got, delivered)
                self.assertEqual(got.count(b"\x81"), 2 + delivered)
                self.assertIn(b"after", got)


class Hub(Web):
    protocol = "relay"

    def test_lines_go_between_transports(self):
        self.serve(workers=2)
        with self.open() as a, self.open() as b, \
                Client(("127.0.0.1", self.tcp)) as tcp:
            self.eventually(lambda: sum(c["service"] == "w" for c
                                        in self.clients()) == 3,
                            "all are there")
            a.send("from a")
            self.assertEqual(b.message(), "from a")
            self.assertEqual(tcp.line(), b"from a\n")
            tcp.send(b"one\ntwo\r\n\xff\n")
            for ws in a, b:
                self.assertEqual([ws.message() for _ in range(3)],
                                 ["one", "two", b"\xff"])

    def test_long_run_arrives_whole(self):
        self.serve("limits { send-queue = 8M }")
        lines = [("%d " % i + "q" * (i % 90)) for i in range(20000)]
        with self.open() as ws, Client(("127.0.0.1", self.tcp)) as tcp:
            self.eventually(lambda: self.services()["clients"] == 2,
                            "both are there")
            tcp.send(b"".join(l.encode() + b"\n" for l in lines))
            self.assertEqual([ws.message() for _ in lines], lines)


class Proxied(Web):
    def test_fields_say_whose_the_address_is(self):
        self.serve('proxy-from = { "127.0.0.1", "10.0.0.0/8" }\n'
                   'access { deny = { "203.0.113.66", "127.0.0.1" } }\n'
                   'limits { clients-per-address = 2 }', workers=2)
        for shown, extra in (
                ("203.0.113.7:0", "X-Forwarded-For: 203.0.113.7\r\n"),
                ("203.0.113.7:0",
                 "X-Forwarded-For: 1.2.3.4, 203.0.113.7, 10.1.2.3\r\n"),
                ("203.0.113.8:0", "X-Forwarded-For: 1.2.3.4\r\n"
                 "X-Forwarded-For: 203.0.113.8\r\n"),
                ("203.0.113.9:0", "X-Forwarded-For: 1.2.3.4\r\n"
                 "Forwarded: for=1.1.1.1, for=203.0.113.9;proto=http\r\n"),
                ("[2001:db8::7]:0",
                 'Forwarded: proto=https; For="[2001:db8::7]:4711"\r\n')):
            with self.open(extra=extra) as ws:
                ws.send("x")
                self.assertEqual(ws.message(), "x")
                (client,) = self.clients()
                self.assertEqual(client["address"], shown)
                self.assertEqual(client["via"].split(":")[0], "127.0.0.1")
            self.eventually(lambda: not self.clients(), "it is gone")
        # Without the field, the client's address is that of the proxy, which is
        # denied.
        for extra in ("", "X-Forwarded-For: unknown\r\n",
                      "X-Forwarded-For: 203.0.113.66\r\n"):
            with Client(self.address) as c:
                c.send(request(extra=extra))
                self.assertEqual(c.ended(), b"")
        self.daemon.wait_log("service w: refused 203.0.113.66:0: access")
        self.assertEqual(self.services()["refused"]["access"], 3)

    def test_limits_are_by_the_field(self):
        self.serve('proxy-from = { "127.0.0.1" }\n'
                   'limits { clients-per-address = 1  clients = 2 }',
                   workers=2)
        one = "X-Forwarded-For: 203.0.113.1\r\n"
        two = "X-Forwarded-For: 203.0.113.2\r\n"
        three = "X-Forwarded-For: 203.0.113.3\r\n"
        with self.open(extra=one):
            with Client(self.address) as c:
                c.send(request(extra=one))
                self.assertEqual(c.ended(), b"")
            with self.open(extra=two):
                self.assertEqual(self.ask(request(extra=three))[0], 503)
        self.eventually(lambda: self.services()["clients"] == 0, "all left")
        with self.open(extra=one) as ws:
            ws.send("x")
            self.assertEqual(ws.message(), "x")

    def test_header_or_field(self):
        self.serve('proxy-from = { "127.0.0.1" }')
        with Client(self.address) as c:
            c.send(b"PROXY TCP4 203.0.113.5 127.0.0.1 99 80\r\n"
                   + request(extra="X-Forwarded-For: 1.2.3.4\r\n"))
            ws = WebSocket(c, upgrade=False)
            self.assertEqual(ws.response()[0], 101)
            self.assertEqual(self.clients()[0]["address"], "203.0.113.5:99")
        # A request in pieces is not taken for an incomplete PROXY header.
        with Client(self.address) as c:
            for piece in (b"P", b"U", b"T / HTTP/1.1\r\nHost: x\r\n\r\n"):
                c.send(piece)
                time.sleep(0.02)
            self.assertEqual(WebSocket(c, upgrade=False).response()[0], 405)
        with Client(self.address) as c:
            c.send(b"PROXY TCP4 bad\r\n")
            self.assertEqual(c.ended(), b"")
        self.daemon.wait_log("refused .*: proxy: not a PROXY header")

    def test_a_proxys_client_is_not_counted_for_the_one_before(self):
        self.serve('proxy-from = { "127.0.0.1" }')
        # Both clients are accepted in one turn.
        self.daemon.signal(signal.SIGSTOP)
        with Client(self.address, source="127.0.0.2") as other, \
                Client(self.address) as proxied:
            proxied.send(b"GET / HTTP/1.1\r\n")
            self.daemon.signal(signal.SIGCONT)
            ws = WebSocket(other)
            ws.send("here")
            self.assertEqual(ws.message(), "here")
            proxied.close()
            self.daemon.wait_log(r"127\.0\.0\.1:[0-9]+: closed: ")
            out = subprocess.run(
                [LINECTL, "-s", self.control, "--json", "why", "127.0.0.2"],
                check=True, stdout=subprocess.PIPE, timeout=PATIENCE).stdout
            self.assertEqual([r["address_clients"] for r in
                              json.loads(out)["rulings"]
                              if r["service"] == "w"], [1])
            ws.client.close()

    def test_client_that_leaves_while_asked_about(self):
        self.serve('proxy-from = { "127.0.0.1" }', workers=2)
        for _ in range(50):
            with Client(self.address) as c:
                c.send(request(extra="X-Forwarded-For: 203.0.113.1\r\n"))
                c.reset()
        self.eventually(lambda: self.services()["clients"] == 0, "all left")

    def test_nginx(self):
        nginx = shutil.which("nginx") or shutil.which("nginx",
                                                      path="/usr/sbin")
        if nginx is None:
            self.skipTest("nginx is missing")
        self.serve('proxy-from = { "127.0.0.1" }\n'
                   'web { origins = "https://a.example" }')
        front = free_port()
        where = self.path("nginx")
        os.mkdir(where)
        os.chmod(self.dir, 0o755)
        config = self.write(
            "daemon off; error_log stderr warn; pid %s/pid;\n"
            "events { }\nhttp {\n access_log off;\n"
            " client_body_temp_path %s/b; proxy_temp_path %s/p;\n"
            " fastcgi_temp_path %s/f; uwsgi_temp_path %s/u;"
            " scgi_temp_path %s/s;\n"
            " server { listen 127.0.0.1:%d;\n  location / {\n"
            "   proxy_pass http://127.0.0.1:%d;\n"
            "   proxy_http_version 1.1;\n"
            "   proxy_set_header Host $host;\n"
            "   proxy_set_header Upgrade $http_upgrade;\n"
            "   proxy_set_header Connection upgrade;\n"
            "   proxy_set_header X-Forwarded-For"
            " $proxy_add_x_forwarded_for;\n"
            "   proxy_set_header Forwarded \"\";\n"
            "   proxy_read_timeout 1h;\n  } } }\n"
            % ((where,) * 6 + (front, self.port)), name="nginx.conf",
            workers=None)
        with open(self.path("nginx.log"), "wb") as log:
            proxy = subprocess.Popen([nginx, "-c", config, "-p", where],
                                     stdout=log, stderr=log)
        try:
            def connects():
                try:
                    Client(("127.0.0.1", front)).close()
                    return True
                except OSError:
                    return False
            self.eventually(connects, "nginx listens")
            with WebSocket(Client(("127.0.0.1", front), source="127.0.0.9"),
                           extra="X-Forwarded-For: 1.2.3.4\r\n"
                           "Forwarded: for=1.2.3.5\r\n") as ws:
                ws.send("through")
                self.assertEqual(ws.message(), "through")
                self.assertEqual(self.clients()[0]["address"], "127.0.0.9:0")
        finally:
            proxy.terminate()
            proxy.wait(PATIENCE)


class OverTls(Web):
    def setUp(self):
        super().setUp()
        self.ca = Authority(self.path(""), "ca")
        pair = self.ca.issue("server", ["DNS:localhost"])
        self.tls = ('tls "t" { certificate = "%s" key = "%s" }\n'
                    % (pair.certificate, pair.key))

    def serve_tls(self, extra="", protocol="echo", **kw):
        try:
            self.daemon = self.start(
                self.tls + service(
                    "w", "wss://127.0.0.1:%d" % self.port,
                    "tcp://127.0.0.1:%d" % self.tcp, protocol=protocol,
                    extra='\ttls = "t"\n\tweb { page = "console" }\n' + extra),
                **kw)
        except AssertionError as error:
            if "without OpenSSL" in str(error):
                self.skipTest("built without OpenSSL")
            raise

    def connect(self):
        context = ssl.create_default_context(cafile=self.ca.certificate)
        sock = socket.create_connection(self.address, timeout=PATIENCE)
        return Client.adopt(context.wrap_socket(
            sock, server_hostname="localhost"))

    def test_messages_and_closing(self):
        self.serve_tls(workers=2)
        with WebSocket(self.connect()) as ws:
            for size in (0, 5, 126, 8000):
                ws.send("x" * size)
                self.assertEqual(ws.message(), "x" * size)
            texts = ["%d" % i for i in range(5000)]
            ws.client.send(b"".join(frame(TEXT, t.encode()) for t in texts))
            self.assertEqual([ws.message() for _ in texts], texts)
            ws.send("", opcode=PING)
            self.assertEqual(ws.frame(), (PONG, b""))
            ws.client.send(close(1000))
            self.assertEqual(ws.closed(), 1000)
        self.daemon.wait_log("access: .*listen=wss://.*tls=TLSv1")

    def test_page_and_refusals(self):
        self.serve_tls()
        for head, status in (("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
                             ("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
                              404)):
            with self.connect() as c:
                c.send(head.encode())
                ws = WebSocket(c, upgrade=False)
                got, fields = ws.response()
                self.assertEqual(got, status)
                self.assertEqual(len(c.exactly(int(
                    fields["content-length"]))), int(fields["content-length"]))

    def test_plain_request_is_no_handshake(self):
        self.serve_tls("limits { handshake-timeout = 300ms }")
        with Client(self.address) as c:
            c.send(request())
            self.assertNotIn(b"101", c.ended())
        with self.connect() as c:
            c.send(b"GET / HT")
            self.assertEqual(c.ended(), b"")
        self.daemon.wait_log("closed: timeout: handshake")

    def test_hub(self):
        self.serve_tls(protocol="relay", workers=2)
        with WebSocket(self.connect()) as a, WebSocket(self.connect()) as b, \
                Client(("127.0.0.1", self.tcp)) as tcp:
            time.sleep(0.2)
            a.send("from a")
            self.assertEqual(b.message(), "from a")
            self.assertEqual(tcp.line(), b"from a\n")
            self.daemon.signal(signal.SIGTERM)
            self.assertEqual(a.closed(), 1001)


class Others(Web):
    """WebSocket clients of other projects."""

    def test_websockets_of_python(self):
        if websockets is None:
            self.skipTest("python3-websockets is missing")
        self.serve()

        async def talk():
            # The client offers permessage-deflate, which is declined.
            async with websockets.connect(
                    "ws://127.0.0.1:%d/" % self.port) as ws:
                self.assertEqual(ws.extensions, [])
                for text in ("hello", "", "Grüße", "x" * 8000):
                    await ws.send(text)
                    self.assertEqual(await ws.recv(), text)
                await ws.send(["in ", "three ", "pieces"])
                self.assertEqual(await ws.recv(), "in three pieces")
                await ws.send(b"\xff\xfe")
                self.assertEqual(await ws.recv(), b"\xff\xfe")
                await (await ws.ping(b"are you there"))
            self.assertEqual(ws.close_code, 1000)

        asyncio.run(asyncio.wait_for(talk(), PATIENCE))

    def test_ws_of_node(self):
        # The directory of Debian's packages, for a node from another source.
        env = dict(os.environ, NODE_PATH="/usr/share/nodejs")
        node = shutil.which("node")
        if node is None or subprocess.run(
                [node, "-e", "require('ws')"], stderr=subprocess.DEVNULL,
                check=False, env=env, timeout=PATIENCE).returncode != 0:
            self.skipTest("node or its ws is missing")
        # A second without an answer closes the client, so this node must be
        # patient, too.
        self.serve("web { ping = 1s }")
        script = """
        const WebSocket = require('ws');
        const fail = (what) => { console.log(what); process.exit(1); };
        const ws = new WebSocket('ws://127.0.0.1:%d/',
            { perMessageDeflate: { threshold: 0 } });
        const texts = ['hello', '', 'Gr\\u00fc\\u00dfe', 'x'.repeat(8000)];
        const all = texts.concat('in three pieces');
        let at = 0, pings = 0, pongs = 0;
        ws.on('open', () => {
            if (ws.extensions !== '') fail('extensions ' + ws.extensions);
            ws.ping('are you there');
            texts.forEach((t) => ws.send(t));
            ws.send('in ', { fin: false });
            ws.send('three ', { fin: false });
            ws.send('pieces');
            ws.send(Buffer.from([0xff, 0xfe]));
        });
        ws.on('pong', (data) => {
            if (data.toString() !== 'are you there') fail('pong');
            pongs++;
        });
        ws.on('ping', () => { if (++pings === 2) ws.close(1000, 'bye'); });
        ws.on('message', (data, binary) => {
            if (at < all.length
                ? binary || data.toString() !== all[at]
                : !binary || !data.equals(Buffer.from([0xff, 0xfe])))
                fail('message ' + at + ': ' + data);
            at++;
        });
        ws.on('error', (error) => fail(error));
        ws.on('close', (code) => {
            if (code !== 1000 || at !== 6 || pongs !== 1)
                fail([code, at, pongs]);
        });
        """ % self.port
        done = subprocess.run([node, "-e", script], env=env, check=False,
                              stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        self.daemon.wait_log("closed: peer")


if __name__ == "__main__":
    main()
