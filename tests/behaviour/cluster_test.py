# SPDX-License-Identifier: MIT
"""For tests of several daemons connected by nats-server: the nats-server, a
proxy in front of it that can be cut, nodes with a chat, and people in the chat.
"""
import os
import re
import shutil
import socket
import subprocess
import threading

from lined_test import HERE, LINED, PATIENCE, WORKERS, Client, DaemonTest
from lined_test import free_port

# The file describes a leak of libnats.
os.environ["LSAN_OPTIONS"] = ("suppressions=%s:print_suppressions=0" %
                              os.path.join(HERE, "libnats.supp"))
SECTION = 'cluster { servers = { "nats://127.0.0.1:4222" }  %s }\n'

LINECTL = os.path.abspath(os.environ.get("LINECTL") or
                          os.path.join(os.path.dirname(LINED), "linectl"))


def lobby(extra="cluster = true", protocol="chat"):
    return ('service "lobby" {\n\tprotocol = "%s"\n'
            '\tlisten = { "tcp://127.0.0.1:%d" }\n\t%s\n}\n'
            % (protocol, free_port(), extra))


def chat(clustered, port, extra="", options=""):
    """A service with the config text extra and options of chat."""
    return ('service "lobby" {\n\tprotocol = "chat"\n\tcluster = %s\n'
            '\tlisten = { "tcp://127.0.0.1:%d" }\n'
            '\tlimits { clients-per-address = 0  '
            'connect-rate-per-address = 0 }\n'
            '\tchat { flood-rate = 0 %s}\n%s}\n'
            % ("true" if clustered else "false", port, options, extra))


def thread_names(daemon):
    names = []
    for task in os.listdir("/proc/%d/task" % daemon.pid):
        try:
            with open("/proc/%d/task/%s/comm" % (daemon.pid, task)) as f:
                names.append(f.read().strip())
        except OSError:
            pass
    return sorted(names)


class Nats:
    """A nats-server of the test."""

    def __init__(self, test, *options, jetstream=True, config=""):
        self.test = test
        self.port = free_port()
        self.argv = ["setpriv", "--pdeathsig", "KILL", "nats-server",
                     "-a", "127.0.0.1", "-p", str(self.port)]
        if jetstream:
            self.argv += ["-js", "-sd", test.path("js")]
        self.argv += options
        if config:
            path = test.path("nats-%d.conf" % self.port)
            with open(path, "w") as f:
                f.write(config)
            self.argv += ["-c", path]
        self.process = None
        self.start()
        test.addCleanup(self.kill)

    def url(self, scheme="nats"):
        return "%s://127.0.0.1:%d" % (scheme, self.port)

    def start(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

        def answers():
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                return False
        self.test.eventually(answers, "nats-server")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Wire(Client):
    """Speaks to nats-server, like a node of another version."""

    def __init__(self, test, nats):
        super().__init__(("127.0.0.1", nats.port))
        test.addCleanup(self.close)
        self.line()
        self.send(b'CONNECT {"verbose":false,"headers":true}\r\n')

    def publish(self, subject, data):
        self.send(b"PUB %s %d\r\n%s\r\nPING\r\n"
                  % (subject.encode(), len(data), data))
        while self.line() != b"PONG\r\n":
            pass


class Proxy:
    """Forwards connections to nats-server until it is cut."""

    def __init__(self, test, port):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = []
        self.is_cut = False
        self.ending = False
        threading.Thread(target=self._accept, daemon=True).start()
        test.addCleanup(self.close)

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.is_cut:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self.to))
                except OSError:
                    near.close()
                    continue
                self.pairs += [near, far]
            for ends in (near, far), (far, near):
                threading.Thread(target=self._copy, args=ends,
                                 daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
        except OSError:
            pass
        for sock in source, sink:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            self.is_cut = True
            for sock in self.pairs:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.pairs = []

    def heal(self):
        with self.lock:
            self.is_cut = False

    def close(self):
        # shutdown: close() alone does not wake accept().
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.cut()


class Person(Client):
    """A person in the chat. Keeps all lines that it has read."""

    def __init__(self, port, nickname=None):
        super().__init__(("127.0.0.1", port))
        self.heard = []
        greeting = self.until(r"\* Welcome\. You are (guest\d+)")
        self.nickname = greeting.group(1)
        self.until(r"\* %s joined lobby$" % self.nickname)
        if nickname:
            self.say("/nick " + nickname)
            self.until(r"\* \S+ is now %s$" % nickname)
            self.nickname = nickname

    def say(self, text):
        self.send(text.encode() + b"\n")

    def until(self, pattern):
        """Reads lines until one matches."""
        while True:
            try:
                line = self.line().decode()
            except socket.timeout:
                raise AssertionError("never came: %r, but %r"
                                     % (pattern, self.heard[-20:])) from None
            if not line.endswith("\n"):
                raise AssertionError("closed before %r, after %r"
                                     % (pattern, self.heard[-20:]))
            line = line.rstrip("\n")
            self.heard.append(line)
            found = re.match(pattern, line)
            if found:
                return found

    def until_since(self, mark, pattern):
        """The same for a line after this mark, which may have been read
        already."""
        for line in self.heard[mark:]:
            found = re.match(pattern, line)
            if found:
                return found
        return self.until(pattern)

    def who(self):
        self.say("/who")
        return sorted(self.until(r"\* lobby: (.*)").group(1).split())


def need_nats(test):
    """Skips the test if nats-server or libnats is missing."""
    if not shutil.which("nats-server"):
        test.skipTest("no nats-server")
    config = test.write(SECTION % "" + lobby(), "cluster.conf")
    _, _, said = test.run_lined("-t", "-c", config, "-m", test.modules)
    if "without libnats" in said:
        test.skipTest("built without libnats")


class ClusterTest(DaemonTest):
    """Nodes with a lease of two seconds, and one nats-server."""

    lease = "2s"
    workers = WORKERS

    def setUp(self):
        super().setUp()
        need_nats(self)

    def section(self, name, server, more=""):
        return ('cluster {\n\tservers = { "%s" }\n\tname = "%s"\n'
                '\tlease = %s\n%s}\n' % (server, name, self.lease, more))

    def serve(self, name, text, joined=True):
        """Starts a node with this config."""
        config = self.write(text, name + ".conf", self.workers)
        daemon = self.launch(self.arguments(config))
        daemon.wait_notify("READY=1")
        if joined:
            daemon.wait_log("cluster: joined as node " + name)
        self.addCleanup(daemon.stop)
        daemon.config = config
        return daemon

    def node(self, name, server, joined=True, more="", extra="", options=""):
        """A node with a chat; its port is in .port."""
        port = free_port()
        text = self.section(name, server, more) + chat(True, port, extra,
                                                       options)
        daemon = self.serve(name, text, joined)
        daemon.port = port
        return daemon

    def nodes(self, server, count=3):
        nodes = [self.node("node-%c" % (97 + i), server)
                 for i in range(count)]
        for node in nodes:
            for other in range(count):
                if nodes[other] is not node:
                    node.wait_log("node node-%c is there" % (97 + other))
        return nodes

    def linectl(self, socket_path, *command):
        done = subprocess.run([LINECTL, "-s", socket_path] + list(command),
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0)
        return done.stdout.decode()

    def person(self, node, nickname=None):
        person = Person(node.port, nickname)
        self.addCleanup(person.close)
        return person
