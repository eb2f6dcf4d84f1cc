#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The metrics for Prometheus: the page, checked by Prometheus' own tools; the
examples that use it; and HTTP clients that send malformed requests, are slow,
or are many at once."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import unittest
import urllib.request

from certificates import Authority
from lined_test import PATIENCE, TOP, Client, Datagram, DaemonTest
from lined_test import environment, free_port, main, service

EXAMPLES = os.path.join(TOP, "conf", "examples")
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? ([0-9.e+-]+|\+Inf)\Z"
                    % (NAME, LABEL, LABEL))


def parse(text):
    """Returns {(name, labels): value} of a page. Checks the format: the lines
    of a family follow one another, after the family's type and help."""
    samples, types, helped, family = {}, {}, set(), None
    if not text.endswith("\n"):
        raise AssertionError("no end of line at the end")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            if family in helped or not line.split(" ", 3)[3].endswith("."):
                raise AssertionError(line)
            helped.add(family)
            continue
        if line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            if name != family or name in types:
                raise AssertionError(line)
            types[name] = kind
            continue
        match = SAMPLE.match(line)
        if not match or not match[1].startswith(family):
            raise AssertionError(line)
        kind = types[family]
        ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        if match[1] not in [family + end for end in ends]:
            raise AssertionError(line)
        if (kind == "counter") != family.endswith("_total"):
            raise AssertionError(line)
        key = (match[1], match[2] or "")
        if key in samples:
            raise AssertionError("twice: " + line)
        samples[key] = float(match[3])
    if set(types) != helped:
        raise AssertionError(set(types) ^ helped)
    return samples


class MetricsTest(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port, self.page_port = free_port(), free_port()
        self.address = ("127.0.0.1", self.port)
        self.page_address = ("127.0.0.1", self.page_port)
        self.metrics = ('metrics { listen = "tcp://127.0.0.1:%d" }\n'
                        % self.page_port)
        self.echo = service("echo", "tcp://127.0.0.1:%d" % self.port)

    def start(self, text=None, **options):
        return super().start(self.metrics + (text or self.echo), **options)

    def page(self):
        url = "http://127.0.0.1:%d/metrics" % self.page_port
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            self.assertEqual(answer.headers["Content-Type"],
                             "text/plain; version=0.0.4; charset=utf-8")
            return answer.read().decode()

    def value(self, name, **labels):
        wanted = ",".join('%s="%s"' % item for item in labels.items())
        return parse(self.page())[(name, wanted)]

    def becomes(self, wanted, name, **labels):
        self.eventually(lambda: self.value(name, **labels) == wanted,
                        "%s %s of %r" % (wanted, name, labels))


class Page(MetricsTest):
    def test_what_happens_is_counted(self):
        text = service("echo", "tcp://127.0.0.1:%d" % self.port,
                       extra="limits { clients = 2 }\n"
                       "framing { line-length = 10 }")
        for workers in (1, 3):
            daemon = self.start(text, workers=workers)
            with Client(self.address) as a, Client(self.address) as b:
                self.assertTrue(a.echoes(b"1234\n"))
                self.assertTrue(b.echoes(b"1\n"))
                with Client(self.address) as c:
                    self.assertEqual(c.ended(), b"")
                self.becomes(2, "lined_clients", service="echo")
                self.becomes(2, "lined_lines_in_total", service="echo")
                self.becomes(7, "lined_bytes_in_total", service="echo")
                self.becomes(7, "lined_bytes_out_total", service="echo")
                self.becomes(1, "lined_refused_total", service="echo",
                             reason="clients")
                b.send(b"12345678901\n")
                self.assertEqual(b.ended(), b"")
            self.becomes(1, "lined_closed_total", service="echo",
                         reason="too-long")
            self.becomes(1, "lined_closed_total", service="echo",
                         reason="peer")
            self.becomes(0, "lined_clients", service="echo")
            self.assertEqual(self.value("lined_queue_high_bytes",
                                        service="echo"), 5)
            samples = parse(self.page())
            self.assertEqual(samples[("lined_workers", "")], workers)
            self.assertEqual(len([k for k in samples
                                  if k[0] == "lined_build_info"]), 1)
            for i in range(workers):
                self.check_worker(samples, i)
            daemon.stop()

    def check_worker(self, samples, index):
        """The histogram adds up."""
        name = "lined_worker_loop_delay_seconds"
        label = 'worker="%d"' % index
        buckets = [v for k, v in samples.items()
                   if k[0] == name + "_bucket"
                   and k[1].startswith(label + ",")]
        self.assertGreater(len(buckets), 5)
        self.assertEqual(buckets, sorted(buckets))
        count = samples[(name + "_count", label)]
        self.assertEqual(buckets[-1], count)
        self.assertEqual(samples[("lined_worker_turns_total", label)], count)
        self.assertEqual(samples[("lined_worker_busy_seconds_total", label)],
                         samples[(name + "_sum", label)])

    def test_relay_and_chat_count_too(self):
        feed, lobby = free_port(), free_port()
        self.start(service("feed", "tcp://127.0.0.1:%d" % feed,
                           "udp://127.0.0.1:%d" % feed, protocol="relay")
                   + service("lobby", "tcp://127.0.0.1:%d" % lobby,
                             protocol="chat"), workers=2)
        with Client(("127.0.0.1", feed)) as c, \
                Datagram(("127.0.0.1", feed)) as d, \
                Client(("127.0.0.1", lobby)) as p:
            self.assertTrue(p.line().startswith(b"* Welcome"))
            self.becomes(1, "lined_clients", service="feed")
            d.send(b"by datagram\n")
            self.assertEqual(c.line(), b"by datagram\n")
            self.becomes(1, "lined_datagrams_in_total", service="feed")
            self.eventually(
                lambda: self.value("lined_bus_published_total") >= 1, "the bus")
            self.eventually(
                lambda: self.value("lined_registry_names",
                                   service="lobby") >= 1, "a name")

    def test_reloads_are_counted(self):
        daemon = self.start()
        daemon.reload()
        self.becomes(1, "lined_reloads_total", result="done")
        self.write(self.metrics + self.echo + "typo = 1\n")
        daemon.signal(1)
        daemon.wait_log("nothing was changed")
        self.becomes(1, "lined_reloads_total", result="refused")

    @unittest.skipUnless(shutil.which("promtool"), "no promtool")
    def test_promtool_accepts_it(self):
        self.start(self.echo + service(
            "lobby", "tcp://127.0.0.1:%d" % free_port(), protocol="chat"))
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        done = subprocess.run(["promtool", "check", "metrics"],
                              input=self.page().encode(),
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (0, b""))

    @unittest.skipUnless(shutil.which("prometheus"), "no prometheus")
    def test_prometheus_scrapes_it(self):
        self.start()
        port = free_port()
        with open(self.path("prometheus.yml"), "w") as f:
            f.write("scrape_configs:\n- job_name: lined\n"
                    "  scrape_interval: 1s\n  scrape_timeout: 1s\n"
                    "  static_configs: [{targets: ['127.0.0.1:%d']}]\n"
                    % self.page_port)
        log = open(self.path("prometheus.log"), "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "prometheus",
             "--config.file=" + self.path("prometheus.yml"),
             "--storage.tsdb.path=" + self.path("data"),
             "--web.listen-address=127.0.0.1:%d" % port],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=environment())
        try:
            with Client(self.address) as c:
                self.assertTrue(c.echoes())
                self.eventually(
                    lambda: self.query(port, 'up{job="lined"}') == 1, "it up")
                self.eventually(
                    lambda: self.query(
                        port, 'lined_lines_in_total{service="echo"}') == 1,
                    "the line")
        finally:
            process.kill()
            process.wait()

    @staticmethod
    def query(port, what):
        url = ("http://127.0.0.1:%d/api/v1/query?query=%s"
               % (port, urllib.request.quote(what)))
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                found = json.load(answer)["data"]["result"]
        except OSError:
            return None
        return float(found[0]["value"][1]) if found else None


class Examples(MetricsTest):
    """The page must have each name, label and value that the alerts and the
    dashboard use."""

    def unknown(self, text, page):
        names = {name for name, _ in parse(page)}
        return [name for name in re.findall(r"\blined_\w+", text)
                if name not in names]

    def expressions(self, name):
        with open(os.path.join(EXAMPLES, name)) as f:
            text = f.read()
        return text if name.endswith(".yml") else self.of_dashboard(
            json.loads(text))

    def of_dashboard(self, dashboard):
        found = [v["query"]["query"] for v in dashboard["templating"]["list"]
                 if isinstance(v["query"], dict)]
        found += [a["expr"] for a in dashboard["annotations"]["list"]]
        for panel in dashboard["panels"]:
            found += [t["expr"] for t in panel.get("targets", [])]
        return "\n".join(found)

    def test_the_names_are_those_of_the_page(self):
        # Makes a protocol with its own counter and a certificate, so that the
        # page has them.
        os.mkdir(self.path("tls"))
        pair = Authority(self.path("tls"))
        self.start(self.echo + service(
            "greylist", "tcp://127.0.0.1:%d" % (other := free_port()),
            protocol="policy", extra='tls = { "t" } policy { delay = 0 }')
            + 'tls "t" { certificate = "%s" key = "%s" }'
            % (pair.certificate, pair.key) + service(
            "feed", "tcp://127.0.0.1:%d" % free_port(), protocol="relay",
            extra='relay { mode = "upstream" upstream = "tcp://127.0.0.1:%d" '
            '}' % free_port()), workers=1)

        with Client(("127.0.0.1", other)) as c:
            c.send(b"request=smtpd_access_policy\nclient_address=192.0.2.1\n"
                   b"sender=a\nrecipient=b\n\n")
            self.assertEqual(c.line(), b"action=dunno\n")
        self.eventually(lambda: "lined_protocol_events_total{" in self.page(),
                        "the protocol's own")
        page = self.page()
        for name in ("alerts.yml", "grafana-dashboard.json"):
            # test_cluster.py checks the metrics of a cluster.
            text = re.sub(r"\blined_cluster_\w+", "",
                          self.expressions(name))
            self.assertGreater(len(re.findall(r"\blined_\w+", text)), 8)
            self.assertEqual(self.unknown(text, page), [], name)
            self.assertEqual(
                len(self.unknown(text.replace("lined_c", "lined_x"), page)),
                text.count("lined_c"))
            for label in re.findall(r"(?:by|,) ?\((\w+(?:, \w+)*)\)", text):
                for word in label.split(", "):
                    self.assertTrue(word in ("job", "instance", "node")
                                    or word + '="' in page, word)

    @unittest.skipUnless(shutil.which("promtool"), "no promtool")
    def test_promtool_accepts_the_rules(self):
        done = subprocess.run(
            ["promtool", "check", "rules",
             os.path.join(EXAMPLES, "alerts.yml")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout)


class Http(MetricsTest):
    def answer(self, client):
        """Reads one answer. Returns (status, headers, body)."""
        status = int(client.line().split(b" ")[1])
        headers = {}
        while True:
            line = client.line().rstrip(b"\r\n")
            if not line:
                break
            key, value = line.split(b": ", 1)
            headers[key.lower()] = value
        return status, headers, client.exactly(
            int(headers[b"content-length"]))

    def ask(self, request):
        with Client(self.page_address) as c:
            c.send(request)
            return self.answer(c)

    def test_other_requests_are_answered_as_http_has_it(self):
        self.start()
        for request, wanted in (
                (GET, 200),
                (b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", 200),
                (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
                (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
                (b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405),
                (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
                (b"GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n", 505),
                (b"hello\r\n\r\n", 400),
                (b"\xff\xfe\0\r\n\r\n", 400),
                (b"GET " + b"/x" * 10000 + b" HTTP/1.1\r\n\r\n", 431),
                (b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 200, 431)):
            status, _, body = self.ask(request)
            self.assertEqual(status, wanted, request[:60])
            if wanted == 200:
                parse(body.decode())

    def test_the_connection_is_kept_and_requests_may_be_piled_up(self):
        self.start()
        with Client(self.page_address) as c:
            c.send(GET * 3)
            for _ in range(3):
                self.assertEqual(self.answer(c)[0], 200)
            for byte in GET:
                c.send(bytes([byte]))
            self.assertEqual(self.answer(c)[0], 200)
            c.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            self.assertEqual(self.answer(c)[0], 200)
            self.assertEqual(c.ended(), b"")

    def test_head_has_the_length_and_no_page(self):
        self.start()
        with Client(self.page_address) as c:
            c.send(GET.replace(b"GET", b"HEAD"))
            length = 0
            while True:
                line = c.line()
                if line.lower().startswith(b"content-length"):
                    length = int(line.split()[1])
                if line == b"\r\n":
                    break
            self.assertGreater(length, 1000)
            c.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(self.answer(c)[0], 404)

    def test_one_who_has_said_all_is_still_answered(self):
        self.start()
        with Client(self.page_address) as c:
            c.send(GET)
            c.half_close()
            self.assertEqual(self.answer(c)[0], 200)

    def test_a_slow_request_holds_nobody_up_and_is_ended(self):
        self.start()
        with Client(self.page_address, timeout=60) as slow:
            begin = time.monotonic()
            for byte in b"GET /met":
                slow.send(bytes([byte]))
                self.assertEqual(self.ask(GET)[0], 200)
            slow.send(b"rics HTTP/1.1\r\nA: b\r\n")
            self.assertEqual(self.answer(slow)[0], 408)
            self.assertGreaterEqual(time.monotonic() - begin, 9)
            self.assertEqual(slow.ended(), b"")

    def test_a_crowd_that_says_nothing_keeps_nobody_out(self):
        self.start()
        with contextlib.ExitStack() as crowd:
            for i in range(500):
                c = crowd.enter_context(Client(self.page_address))
                c.send((b"", b"GET /met")[i % 2])
            self.assertEqual(self.ask(GET)[0], 200)

    def test_many_at_once_are_all_answered(self):
        self.start()
        good = []

        def scrape():
            for _ in range(5):
                status, _, body = self.ask(GET)
                if status == 200 and parse(body.decode()):
                    good.append(1)
        threads = [threading.Thread(target=scrape) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(good), 150)

    def busy_ns(self, daemon):
        with open("/proc/%d/schedstat" % daemon.pid) as f:
            return int(f.read().split()[0])

    @unittest.skipUnless(os.path.exists("/proc/self/schedstat"),
                         "the kernel does not say what a thread takes")
    def test_a_crowd_that_asks_at_once_gets_one_page(self):
        count = 200
        daemon = self.start(self.echo + "".join(
            service("s%d" % i, "unix://" + self.path("%d.sock" % i))
            for i in range(100)))
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(Client(self.page_address))
                     for _ in range(count)]
            # The last client has been let in.
            crowd[-1].send(GET)
            self.answer(crowd[-1])
            time.sleep(0.6)  # a page is reused for half a second
            begin = self.busy_ns(daemon)
            crowd[-1].send(GET)
            self.answer(crowd[-1])
            once = self.busy_ns(daemon) - begin
            time.sleep(0.6)
            # Clients send requests while the daemon is stopped, and the first
            # client leaves.
            begin = self.busy_ns(daemon)
            daemon.signal(signal.SIGSTOP)
            for c in crowd:
                c.send(GET)
            crowd.pop(0).close()
            daemon.signal(signal.SIGCONT)
            for c in crowd:
                self.assertEqual(self.answer(c)[0], 200)
            self.assertLess(self.busy_ns(daemon) - begin, count * once / 3)

    def test_what_never_reads_costs_only_itself(self):
        self.start()
        deaf = Client(self.page_address, rcvbuf=4096)
        deaf.sock.settimeout(1)
        try:
            for _ in range(20000):
                deaf.sock.send(GET)
        except OSError:
            pass
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
        self.assertEqual(self.ask(GET)[0], 200)
        deaf.close()


if __name__ == "__main__":
    main(240)
