# SPDX-License-Identifier: MIT
"""The laboratory's scenario: a config with every protocol and transport, and
the steps of a short life of the daemon: traffic with each of them, a reload, a
drain, a stop. The scenario knows nothing of faults: a step returns, or raises
an exception."""
import json
import os
import socket
import ssl
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "behaviour"))

from certificates import Authority  # noqa: E402
from lined_test import Client, Datagram, free_port  # noqa: E402
from websocket_client import WebSocket  # noqa: E402

# The password is: change me
HASH = ("$6$harbour$1QrciNBqBJ8MHLR7QWylh6zfT9Fhpb/AKa/IcYSPYJcqbKJt5NYkVVwu"
        "0JpEFzbEGWabLqRCm131MPfacV0An/")

CONFIG = r"""
workers = 2
drain-timeout = 1s
log { level = "info" }
control { socket = "%(dir)s/control.sock" }
metrics { listen = "tcp://127.0.0.1:%(metrics)d" }
tls "default" { certificate = "%(cert)s" key = "%(key)s" }
tls "mutual" { certificate = "%(cert)s" key = "%(key)s"
	client-cert = "optional" client-ca = "%(ca)s" crl = "%(crl)s" }
defaults { limits { send-stall = 2s handshake-timeout = 2s } }

service "echo" {
	protocol = "echo"
	listen = { "tcp://127.0.0.1:%(echo)d", "unix://%(dir)s/echo.sock",
		"udp://127.0.0.1:%(echo)d", "tls://127.0.0.1:%(tls)d",
		"ws://127.0.0.1:%(ws)d", "wss://127.0.0.1:%(wss)d" }
	tls = { "default", "mutual" }
	limits { clients = %(clients)d line-rate = 20000 idle-timeout = 10m }
	access { allow = { "127.0.0.0/8" } deny = { "127.9.0.0/16" } }
	web { page = "console" }
}
service "behind" {
	protocol = "echo"
	listen = { "tcp://127.0.0.1:%(behind)d" }
	proxy-from = { "127.0.0.1" }
}
service "hub" {
	protocol = "relay"
	listen = { "tcp://127.0.0.1:%(hub)d", "udp://127.0.0.1:%(hub)d" }
	relay { mode = "hub" history = 3 dedupe = 1s tag = true
		filter = { 'deny ^#', 'allow .' } heartbeat = 300ms
		push = { "tcp://localhost:%(echo)d" } push-preamble = { "pushed" } }
}
service "up" {
	protocol = "relay"
	listen = { "tcp://127.0.0.1:%(up)d" }
	relay { mode = "upstream" retry-min = 100ms retry-max = 200ms
		upstream = { "tcp://localhost:%(hub)d" }
		preamble = { "# hello" } hold = 10k }
}
service "uptls" {
	protocol = "relay"
	listen = { "tcp://127.0.0.1:%(uptls)d" }
	relay { mode = "upstream" retry-min = 100ms retry-max = 200ms
		upstream = { "tls://127.0.0.1:%(tls)d" } upstream-ca = "%(ca)s"
		subscribe-only = false up-hold = 10k }
}
service "fifo" {
	protocol = "relay"
	listen = { "tcp://127.0.0.1:%(fifo)d" }
	relay { mode = "upstream" retry-min = 100ms retry-max = 200ms
		upstream = { "fifo://%(dir)s/feed.fifo" } }
}
service "through" {
	protocol = "relay"
	listen = { "tcp://127.0.0.1:%(through)d" }
	relay { mode = "proxy" upstream = { "tcp://localhost:%(behind)d" }
		upstream-proxy = "v2" }
}
service "lobby" {
	protocol = "chat"
	listen = { "tcp://127.0.0.1:%(lobby)d" }
	chat { history = 5 flood-rate = 0
		room "quiet" { topic = "Silence" key = "sesame" }
		operator "root" { hash = '%(hash)s' } }
}
service "cache" {
	protocol = "kv"
	listen = { "tcp://127.0.0.1:%(cache)d" }
	limits { send-queue = 8M }
	kv { memory = 1M }
}
service "greylist" {
	protocol = "policy"
	listen = { "tcp://127.0.0.1:%(greylist)d" }
	policy { delay = 1m whitelist-clients = "%(dir)s/whitelist" }
}
service "time" {
	protocol = "time"
	listen = { "tcp://127.0.0.1:%(time)d" }
}
service "bot" {
	protocol = "exec"
	listen = { "tcp://127.0.0.1:%(bot)d" }
	exec { command = { "sed", "-u", "-n", "/^[0-9]/p" } restart-max = 1s
		environment = { "A=b" } }
}
service "each" {
	protocol = "exec"
	listen = { "tcp://127.0.0.1:%(each)d" }
	exec { mode = "each" command = { "cat" } stdout = "pipe" kill-after = 1s }
}
service "extra" {
	protocol = "echo"
	listen = { "tcp://127.0.0.1:%(extra)d" }
}
%(late)s
"""

LATE = """
service "late" {
	protocol = "echo"
	listen = { "tcp://localhost:%(port)d", "tls://127.0.0.1:%(tls)d" }
	tls = { "default" }
}
"""


def _json(line):
    values = json.loads(line)
    return values.pop("kind"), values


class Control:
    def __init__(self, path, patience):
        self.client = Client(path, timeout=patience)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def ask(self, line, data=b""):
        self.client.send(line.encode() + b"\n" + data)
        records = []
        while True:
            kind, values = _json(expect_line(self.client))
            if kind == "ok":
                return records
            if kind == "error":
                raise AssertionError("%s: %s %s" % (
                    line, values.get("error"), records))
            records.append((kind, values))


def expect_line(client):
    line = client.line()
    if not line.endswith(b"\n"):
        raise AssertionError("closed after %r" % line)
    return line


class World:
    """The directory, ports and files of daemons that run one after another."""

    def __init__(self, directory, authority):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.config = os.path.join(directory, "lined.conf")
        names = ("echo tls ws wss behind hub up uptls fifo through lobby cache "
                 "greylist time bot each extra late latetls metrics").split()
        self.ports = {name: free_port() for name in names}
        self.patience = 1.0
        with open(os.path.join(directory, "whitelist"), "w") as f:
            f.write("192.0.2.0/24\nexample.org\n/^mx[0-9]/\n")
        os.mkfifo(os.path.join(directory, "feed.fifo"))
        pair = authority.pair
        self.values = dict(self.ports, dir=directory, cert=pair.certificate,
                           key=pair.key, ca=authority.certificate,
                           crl=authority.crl_path, hash=HASH)
        self.tls = ssl.create_default_context(cafile=authority.certificate)
        self.tls.load_cert_chain(authority.client.certificate,
                                 authority.client.key)

    def text(self, after=False):
        late = LATE % {"port": self.ports["late"],
                       "tls": self.ports["latetls"]}
        return CONFIG % dict(self.values, clients=51 if after else 50,
                             late=late if after else "")

    def write(self, after=False):
        with open(self.config + ".new", "w") as f:
            f.write(self.text(after))
        os.rename(self.config + ".new", self.config)

    def connect(self, name):
        address = (name if name.startswith("/")
                   else ("127.0.0.1", self.ports[name]))
        return Client(address, timeout=self.patience)

    def connect_tls(self, name):
        client = self.connect(name)
        try:
            client.sock = self.tls.wrap_socket(client.sock,
                                               server_hostname="localhost")
        except BaseException:
            client.close()
            raise
        return client

    def control(self):
        return Control(os.path.join(self.dir, "control.sock"), self.patience)

    def until(self, condition, what):
        """Repeats a quick check until it is true."""
        deadline = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(what)
            time.sleep(0.01)


def make_authority(directory):
    authority = Authority(directory)
    authority.pair = authority.issue("server",
                                     ["DNS:localhost", "IP:127.0.0.1"])
    authority.client = authority.issue("client")
    authority.crl_path = authority.crl()
    return authority


# ---- steps ----------------------------------------------------------------

LINES = b"".join(b"line %06d %s\n" % (i, b"x" * 80) for i in range(300))


def exchange(client, more=True):
    for text in (b"hello\n", LINES if more else b"again\n"):
        client.send(text)
        got = client.exactly(len(text))
        if got != text:
            raise AssertionError("another echo: %r" % got[:80])


def echo_tcp(world):
    with world.connect("echo") as c:
        exchange(c)
        c.send(b"rest")
        c.half_close()
        if c.ended() not in (b"", b"rest\n"):
            raise AssertionError("more than the echo")


def echo_unix(world):
    with world.connect(os.path.join(world.dir, "echo.sock")) as c:
        exchange(c)


def echo_udp(world):
    with Datagram(("127.0.0.1", world.ports["echo"]),
                  timeout=world.patience) as c:
        for text in (b"one\n", b"one\ntwo\nthree\n"):
            c.send(text)
            if c.receive() != text:
                raise AssertionError("another echo")


def echo_tls(world):
    with world.connect_tls("tls") as c:
        exchange(c)


def echo_web(world):
    with WebSocket(world.connect("ws"), "/") as web:
        _web(web)


def echo_web_tls(world):
    with WebSocket(world.connect_tls("wss"), "/") as web:
        _web(web)


def _web(web):
    for text in ("hello", "x" * 3000):
        web.send(text)
        if web.message() != text:
            raise AssertionError("another message")
    web.send(b"\xff\xfe", 2)
    web.message()
    web.send(b"ping", 9)
    while web.frame()[0] != 10:
        pass


def web_page(world):
    with world.connect("ws") as c:
        c.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if b"200" not in expect_line(c):
            raise AssertionError("no page")
        c.ended()


def echo_proxy(world):
    packed = socket.inet_pton(socket.AF_INET, "192.0.2.7")
    body = packed + packed + struct.pack(">HH", 5123, 7007)
    for head in (b"PROXY TCP4 192.0.2.7 192.0.2.7 5123 7007\r\n",
                 b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(
                     ">BBH", 0x21, 0x11, len(body)) + body):
        with world.connect("behind") as c:
            c.send(head)
            exchange(c, False)


def too_long(world):
    with world.connect("echo") as c:
        c.send(b"x" * 9000)
        c.ended()


def denied(world):
    with Client(("127.0.0.1", world.ports["echo"]), source="127.9.0.1",
                timeout=world.patience) as c:
        if c.ended() != b"":
            raise AssertionError("let in")


def never_reads(world):
    """Queues much, and then drops it by a reset."""
    with world.connect("echo") as c:
        c.send(LINES * 4)
        c.reset()


_number = [0]


def unique(text):
    """Returns a line that dedupe has not seen yet."""
    _number[0] += 1
    return b"%s %d\n" % (text, _number[0])


def comes(client, line):
    """Reads up to a line with this end. Other lines may come before it."""
    deadline = time.monotonic() + client.sock.gettimeout()
    while not expect_line(client).endswith(line):
        if time.monotonic() > deadline:
            raise AssertionError("%r did not come" % line)


def hub(world):
    with world.connect("hub") as a, world.connect("hub") as b:
        # Both clients are served when each has heard the other.
        for source, sink in ((a, b), (b, a)):
            heard(world, source, sink, b"here")
        with Datagram(("127.0.0.1", world.ports["hub"]),
                      timeout=world.patience) as c:
            line = unique(b"datagram")
            c.send(line)
            comes(a, line)
            comes(b, line)


def heard(world, source, sink, text, is_it=None):
    """Sends a line until the other side has got it."""
    said = []
    deadline = time.monotonic() + world.patience
    timeout = sink.sock.gettimeout()
    sink.sock.settimeout(0.03)
    try:
        while time.monotonic() < deadline:
            said.append(unique(text))
            source.send(said[-1])
            try:
                while time.monotonic() < deadline:
                    line = expect_line(sink)
                    if is_it(line) if is_it else line.endswith(tuple(said)):
                        return
            except socket.timeout:
                pass
        raise AssertionError("nothing came of %s" % text.decode())
    finally:
        sink.sock.settimeout(timeout)


def upstream(world):
    with world.connect("up") as reader, world.connect("hub") as source:
        heard(world, source, reader, b"up")


def upstream_tls(world):
    with world.connect("uptls") as reader:
        heard(world, reader, reader, b"over tls")


def upstream_fifo(world):
    with world.connect("fifo") as reader:
        fd = -1
        try:
            def opens():
                nonlocal fd
                try:
                    fd = os.open(os.path.join(world.dir, "feed.fifo"),
                                 os.O_WRONLY | os.O_NONBLOCK)
                except OSError:
                    return False
                return True
            world.until(opens, "nobody reads the fifo")

            class Pipe:
                send = staticmethod(lambda text: os.write(fd, text))
            heard(world, Pipe, reader, b"fifo")
        finally:
            if fd >= 0:
                os.close(fd)


def relay_proxy(world):
    with world.connect("through") as c:
        exchange(c)


def chat(world):
    with world.connect("lobby") as a, world.connect("lobby") as b:
        for c in (a, b):
            comes(c, b"joined lobby\n")
        a.send(b"/nick anna\n")
        comes(a, b"is now anna\n")
        comes(b, b"is now anna\n")
        b.send(b"hello all\n")
        comes(a, b"hello all\n")
        b.send(b"/msg anna psst\n")
        comes(a, b"psst\n")
        a.send(b"/oper root change me\n")
        comes(a, b"an operator\n")
        a.send(b"/join quiet sesame\n/topic News\n/rooms\n/who quiet\n"
               b"/help\n/announce tea\n/away gone\n/ping\n")
        comes(a, b"pong\n")
        comes(b, b"tea\n")
        b.send(b"/join other\nfirst\n/part\n/ping\n/quit bye\n")
        comes(b, b"pong\n")
        b.ended()


def kv(world):
    with world.connect("cache") as c:
        def ask(text, *answers):
            c.send(text)
            for answer in answers:
                got = expect_line(c)
                if got != answer + b"\r\n":
                    raise AssertionError("%r: %r" % (text[:40], got[:80]))
        ask(b"set a 0 0 5\r\nhello\r\n", b"STORED")
        ask(b"set b 1 100 6000\r\n" + b"y" * 6000 + b"\r\n", b"STORED")
        ask(b"append a 0 0 1\r\n!\r\n", b"STORED")
        ask(b"get a nothing b\r\n", b"VALUE a 0 6", b"hello!",
            b"VALUE b 1 6000", b"y" * 6000, b"END")
        ask(b"set n 0 0 1\r\n9\r\nincr n 1\r\n", b"STORED", b"10")
        ask(b"delete a\r\n", b"DELETED")
        # By now some are evicted.
        for i in range(0, 250, 10):
            c.send(b"".join(b"set k%d 0 0 5000 noreply\r\n%s\r\n"
                            % (i + j, b"z" * 5000) for j in range(10)))
        c.send(b"stats\r\n")
        comes(c, b"END\r\n")
        ask(b"flush_all\r\n", b"OK")


def policy(world):
    with world.connect("greylist") as c:
        for client, action in ((b"198.51.100.7", b"defer_if_permit"),
                               (b"192.0.2.9", b"dunno")):
            c.send(b"request=smtpd_access_policy\nsender=foo@bar.tld\n"
                   b"recipient=%s\nclient_address=%s\nclient_name=a.b\n\n"
                   % (unique(b"bar@foo.tld").split()[0], client))
            got = expect_line(c)
            if not got.startswith(b"action=" + action):
                raise AssertionError(got)
            expect_line(c)


def time_of_day(world):
    with world.connect("time") as c:
        if not c.line().startswith(b"20"):
            c.send(b"\n")
            if not expect_line(c).startswith(b"20"):
                raise AssertionError("no time")


def bot(world):
    with world.connect("bot") as c:
        heard(world, c, c, b"bot")


def each(world):
    with world.connect("each") as c:
        exchange(c, False)
        c.half_close()
        c.ended()


def control(world):
    with world.control() as c:
        for verb in ("status", "services", "clients", "why 127.0.0.1",
                     "upstreams", "programs", "metrics", "help", "all",
                     "log debug", "log info"):
            c.ask(verb)
        text = world.text(True).encode()
        c.ask("plan %d %s" % (len(text), world.config), text)
        clients = [v for kind, v in c.ask("clients") if kind == "client"]
        ids = [v["id"] for v in clients if v.get("service") == "echo"]
        if not ids:
            raise AssertionError("no client is shown")
    with world.control() as c, world.connect("extra") as talker:
        c.client.send(b"tap extra\n")
        heard(world, talker, c.client, b"tapped", lambda line: line.endswith(
            b"\"}\n") and b"tapped" in line)


def kick(world):
    with world.control() as c, world.connect("extra") as kicked:
        exchange(kicked, False)
        ids = [v["id"] for kind, v in c.ask("clients extra")
               if kind == "client"]
        c.ask("kick %s" % ids[-1])
        kicked.ended()


def metrics(world):
    with world.connect("metrics") as c:
        c.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
               b"Connection: close\r\n\r\n")
        got = c.ended()
        if b"lined_lines_in_total" not in got:
            raise AssertionError("no counters: %r" % got[:100])


def reload(world):
    world.write(after=True)
    with world.control() as c:
        c.ask("reload")


def late(world):
    with world.connect("late") as c:
        exchange(c)
    with world.connect_tls("latetls") as c:
        exchange(c, False)


def drain(world):
    with world.control() as c, world.connect("extra") as drained:
        exchange(drained, False)
        c.ask("drain extra")
        drained.ended()


TRAFFIC = [echo_tcp, echo_unix, echo_udp, echo_tls, echo_web, echo_web_tls,
           web_page, echo_proxy, too_long, denied, never_reads, hub, upstream,
           upstream_tls, upstream_fifo, relay_proxy, chat, kv, policy,
           time_of_day, bot, each, control, kick, metrics]
RELOADING = [reload, late, drain]

# The steps that must work when the fault is over, for every service and
# address.
RECOVERED = [echo_tcp, echo_unix, echo_udp, echo_tls, echo_web, echo_web_tls,
             echo_proxy, hub, upstream, upstream_tls, upstream_fifo,
             relay_proxy, chat, kv, policy, time_of_day, bot, each, control,
             metrics, late]
