#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Several daemons, connected by nats-server, are one: the section `cluster`."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import unittest

from lined_test import HERE, LINED, PATIENCE, TOP, Client, DaemonTest
from lined_test import Server, free_port, main

# A leak of libnats, see the file.
os.environ["LSAN_OPTIONS"] = ("suppressions=%s:print_suppressions=0" %
                              os.path.join(HERE, "libnats.supp"))
SECTION = 'cluster { servers = { "nats://127.0.0.1:4222" }  %s }\n'


def lobby(extra="cluster = true", protocol="chat"):
    return ('service "lobby" {\n\tprotocol = "%s"\n'
            '\tlisten = { "tcp://127.0.0.1:%d" }\n\t%s\n}\n'
            % (protocol, free_port(), extra))


# What is wrong: the section's keys, and what must be found in the message.
FAULTS = {
    "servers = { }": "lined.conf:2: cluster: servers is empty",
    'servers = { "127.0.0.1:4222" }': "is not nats://HOST:PORT or tls://",
    'servers = { "nats://127.0.0.1" }': "has no port",
    'servers = { "nats://:4222" }': "has no host",
    'servers = { "nats://u:p@h:4222" }': "are keys of their own",
    'servers = { "nats://h:1" } name = "a b"': 'name: "a b" is not 1 to 64',
    'servers = { "nats://h:1" } prefix = "a.b"': 'prefix: "a.b" is not',
    'servers = { "nats://h:1" } user = "u"': "user needs password",
    'servers = { "nats://h:1" } token = "t" credentials = "lined.conf"':
        "credentials: token says already",
    'servers = { "nats://h:1" } tls-key = "no.key" tls-certificate = "no.pem"':
        r"tls-key: .*no\.key: No such file",
    'servers = { "nats://h:1" } lease = 100ms': "lease: .*out of range",
    'servers = { "nats://h:1" } server = "x"': 'did you mean "servers"',
}


class Config(DaemonTest):
    def refused(self, text, message):
        code, said = self.check(text)
        self.assertEqual(code, 1, said)
        self.assertRegex(said, message)

    def test_section_and_key_are_good(self):
        code, said = self.check(SECTION % 'name = "node-a"' + lobby())
        if "built without libnats" in said:
            self.assertEqual(code, 1)
            self.assertRegex(said, r"lined\.conf:2: cluster: ")
        else:
            self.assertEqual(code, 0, said)

    def test_each_fault_is_named(self):
        for section, message in FAULTS.items():
            with self.subTest(section):
                self.refused("cluster {\n%s\n}\n" % section + lobby(), message)

    def test_service_needs_the_section(self):
        self.refused(lobby(), r"lined\.conf:\d+: service \"lobby\": cluster = "
                     "true needs a section cluster")

    def test_state_of_one_machine_is_not_shared(self):
        for protocol in "kv", "policy", "exec":
            with self.subTest(protocol):
                self.refused(
                    SECTION % "" + lobby(protocol=protocol),
                    r"lined\.conf:\d+: service \"lobby\": cluster: .*protocol "
                    + protocol)


CHAT = ('service "lobby" {\n\tprotocol = "chat"\n\tcluster = %s\n'
        '\tlisten = { "tcp://127.0.0.1:%d" }\n'
        '\tlimits { clients-per-address = 0  '
        'connect-rate-per-address = 0 }\n\tchat { flood-rate = 0 }\n%s}\n')


LINECTL = os.path.abspath(os.environ.get("LINECTL") or
                          os.path.join(os.path.dirname(LINED), "linectl"))


class Nats:
    """A nats-server of the test."""

    def __init__(self, test, *options):
        self.test = test
        self.port = free_port()
        self.argv = ["setpriv", "--pdeathsig", "KILL", "nats-server",
                     "-a", "127.0.0.1", "-p", str(self.port)]
        self.argv += list(options) or ["-js"]
        self.argv += ["-sd", test.path("js")]
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
                far = socket.create_connection(("127.0.0.1", self.to))
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
    """Somebody in the chat, who remembers what was read."""

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
            line = self.line().decode().rstrip("\n")
            self.heard.append(line)
            found = re.match(pattern, line)
            if found:
                return found

    def who(self):
        self.say("/who")
        return sorted(self.until(r"\* lobby: (.*)").group(1).split())


@unittest.skipUnless(shutil.which("nats-server"), "no nats-server")
class ClusterTest(DaemonTest):
    """Nodes with a lease of two seconds, and one nats-server."""

    lease = "2s"

    def setUp(self):
        super().setUp()
        code, said = self.check(SECTION % "" + lobby())
        if code != 0 and "without libnats" in said:
            self.skipTest("built without libnats")

    def section(self, name, server, more=""):
        return ('cluster {\n\tservers = { "%s" }\n\tname = "%s"\n'
                '\tlease = %s\n%s}\n' % (server, name, self.lease, more))

    def serve(self, name, text, joined=True):
        """Starts a node with this config."""
        config = self.write(text, name + ".conf")
        daemon = self.launch(self.arguments(config))
        daemon.wait_notify("READY=1")
        if joined:
            daemon.wait_log("cluster: joined as node " + name)
        self.addCleanup(daemon.stop)
        daemon.config = config
        return daemon

    def node(self, name, server, joined=True, more="", extra=""):
        """A node with a chat; its port is in .port."""
        port = free_port()
        text = self.section(name, server, more) + CHAT % ("true", port, extra)
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

    def person(self, node, nickname=None):
        person = Person(node.port, nickname)
        self.addCleanup(person.close)
        return person


class Chat(ClusterTest):
    def test_people_of_all_nodes_are_in_one_room(self):
        a, b, c = self.nodes(Nats(self).url())
        alice = self.person(a, "alice")
        bob = self.person(b, "bob")
        carol = self.person(c, "carol")
        alice.until(r"\* guest\d is now carol$")
        for person in alice, bob, carol:
            self.assertEqual(person.who(), ["alice", "bob", "carol"])
        carol.say("/nick Alice")
        carol.until("! Alice is taken$")
        alice.say("hello")
        alice.say("/msg carol psst")
        for person in bob, carol:
            person.until(r"\[lobby\] <alice> hello$")
        carol.until(r"\(alice\) psst$")
        bob.say("/topic of bob")
        alice.until(r"\* bob set the topic of lobby: of bob$")
        bob.say("/me waves")
        alice.until(r"\[lobby\] \* bob waves$")
        carol.say("/join den")
        bob.say("/rooms")
        carol.until(r"\* carol joined den$")
        self.eventually(lambda: bob.say("/rooms") or bob.until(
            r"\* rooms: (.*)").group(1) == "den (1) lobby (3)", "the room")
        carol.say("/quit bye")
        alice.until(r"\* carol quit: bye$")
        self.eventually(lambda: alice.who() == ["alice", "bob"], "her end")

    def test_each_line_comes_once_and_in_order(self):
        nodes = self.nodes(Nats(self).url())
        people = [self.person(node, "p%d" % i)
                  for i, node in enumerate(nodes)]
        for person in people:
            self.eventually(lambda p=person: p.who() == ["p0", "p1", "p2"],
                            "all three")
        for i in range(100):
            for person in people:
                person.say("line %d" % i)
        for person in people:
            for other in people:
                if other is person:
                    continue
                said = r"\[lobby\] <%s> line (\d+)$" % other.nickname
                got = [int(m.group(1)) for m in
                       (re.match(said, line) for line in person.heard) if m]
                while not got or got[-1] != 99:
                    got.append(int(person.until(said).group(1)))
                self.assertEqual(got, list(range(100)))

    def test_joined_comes_before_the_first_line(self):
        a, b = self.nodes(Nats(self).url(), 2)
        alice = self.person(a, "alice")
        for i in range(20):
            port = b.port
            with Client(("127.0.0.1", port)) as client:
                client.send(b"/nick n%d\nhello %d\n" % (i, i))
                alice.until(r"\[lobby\] <n%d> hello %d$" % (i, i))
            before = "\n".join(alice.heard)
            self.assertRegex(before, r"joined lobby\n(.*\n)*.* is now n%d\n"
                             % i)
            self.assertIn("n%d" % i, " ".join(alice.heard))
            alice.heard = []

    def test_a_name_has_one_owner(self):
        nodes = self.nodes(Nats(self).url())
        people = [self.person(nodes[i % 3]) for i in range(300)]
        for i, person in enumerate(people):
            person.say("/nick name%d" % (i % 100))
        won = []
        for i, person in enumerate(people):
            name = "name%d" % (i % 100)
            answer = person.until(r"(! %s is taken|\* %s is now %s)$" %
                                  (name, person.nickname, name)).group(1)
            if answer.startswith("*"):
                won.append(name)
        self.assertEqual(sorted(won),
                         sorted("name%d" % i for i in range(100)))
        seen = [people[i].who() for i in range(3)]
        self.assertEqual(len(seen[0]), 300)
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0], seen[2])


class Cut(ClusterTest):
    def collide(self, alice, bob):
        """Both have been cut off, and take one name: the earlier keeps it."""
        alice.say("/nick carol")
        alice.until(r"\* alice is now carol$")
        alice.say("nobody hears this")
        bob.say("/nick carol")
        bob.until(r"\* bob is now carol$")

    def settle(self, alice, bob):
        for person in alice, bob:
            person.until(r"\* everybody hears you again$")
        guest = bob.until(
            r"\* carol is taken: you are now (guest\d+)$").group(1)
        alice.until(r"\* carol is now %s$" % guest)
        for person in alice, bob:
            self.assertEqual(person.who(), sorted(["carol", guest]))
        bob.say("hello again")
        alice.until(r"\[lobby\] <%s> hello again$" % guest)

    def test_nats_is_killed_and_started_again(self):
        nats = Nats(self)
        a, b = self.nodes(nats.url(), 2)
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        alice.until(r"\* \S+ is now bob$")
        nats.kill()
        for person in alice, bob:
            person.until(r"\* some people may not hear you$")
        self.collide(alice, bob)
        nats.start()
        self.settle(alice, bob)
        # "is now carol" and one line; and one "is now carol".
        b.wait_log("cluster: 2 lines of node node-a were lost")
        a.wait_log("cluster: 1 lines of node node-b were lost")

    def test_link_of_one_node_is_cut(self):
        nats = Nats(self)
        proxy = Proxy(self, nats.port)
        a = self.node("node-a", nats.url())
        b = self.node("node-b", "nats://127.0.0.1:%d" % proxy.port)
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        proxy.cut()
        bob.until(r"\* some people may not hear you$")
        # The others after two renewals were missed, and when its lease ends.
        alice.until(r"\* some people may not hear you$")
        self.collide(alice, bob)
        alice.until(r"\* everybody hears you again$")
        self.eventually(lambda: alice.who() == ["carol"], "the end of bob")
        self.eventually(lambda: bob.who() == ["carol"], "the end of alice")
        proxy.heal()
        bob.until(r"\* everybody hears you again$")
        guest = bob.until(
            r"\* carol is taken: you are now (guest\d+)$").group(1)
        alice.until(r"\* carol is now %s$" % guest)
        for person in alice, bob:
            self.assertEqual(person.who(), sorted(["carol", guest]))

    def test_nats_does_not_answer_for_a_while(self):
        nats = Nats(self)
        a, b = self.nodes(nats.url(), 2)
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        dora = self.person(a, "dora")
        nats.signal(signal.SIGSTOP)
        self.addCleanup(nats.signal, signal.SIGCONT)
        for i in range(20):
            alice.say("local %d" % i)
            dora.until(r"\[lobby\] <alice> local %d$" % i)
        for person in alice, bob:
            person.until(r"\* some people may not hear you$")
        nats.signal(signal.SIGCONT)
        for person in alice, bob:
            person.until(r"\* everybody hears you again$")
        for person in alice, bob:
            self.eventually(
                lambda p=person: p.who() == ["alice", "bob", "dora"],
                "one room")

    def test_people_of_a_killed_node_are_gone(self):
        a, b = self.nodes(Nats(self).url(), 2)
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        alice.until(r"\* \S+ is now bob$")
        self.assertEqual(alice.who(), ["alice", "bob"])
        b.kill()
        alice.until(r"\* some people may not hear you$")
        alice.until(r"\* everybody hears you again$")
        self.eventually(lambda: alice.who() == ["alice"], "his end")
        a.wait_log("cluster: node node-b is gone")
        # The name is free again.
        alice.say("/nick bob")
        alice.until(r"\* alice is now bob$")


class Relay(ClusterTest):
    def feed(self, name, nats, upstream):
        port = free_port()
        daemon = self.serve(name, self.section(name, nats.url()) + (
            'service "feed" {\n\tprotocol = "relay"\n\tcluster = true\n'
            '\tlisten = { "tcp://127.0.0.1:%d" }\n\trelay {\n'
            '\t\tmode = "upstream"\n\t\tupstream = { "%s" }\n'
            '\t\tretry-min = 100ms\n\t}\n}\n' % (port, upstream.url)))
        daemon.port = port
        return daemon

    def test_one_upstream_for_all_is_taken_over(self):
        nats = Nats(self)
        with Server() as upstream:
            nodes = [self.feed("node-%c" % (97 + i), nats, upstream)
                     for i in range(3)]
            readers = [Client(("127.0.0.1", node.port)) for node in nodes]
            for reader in readers:
                self.addCleanup(reader.close)
            with upstream.accept() as source:
                for node in nodes:
                    node.wait_log("connected to tcp")
                source.send(b"one\n")
                for reader in readers:
                    self.assertEqual(reader.line(), b"one\n")
                self.assertTrue(upstream.is_left_alone(0.5))
                first = [i for i, node in enumerate(nodes)
                         if node.logged("this node is now the primary")]
                self.assertEqual(len(first), 1)
                nodes[first[0]].kill()
            with upstream.accept() as source:
                source.send(b"two\n")
                for i, reader in enumerate(readers):
                    if i != first[0]:
                        self.assertEqual(reader.line(), b"two\n")
                self.assertTrue(upstream.is_left_alone(0.5))


class Trouble(ClusterTest):
    def cut_off(self, server, message, more=""):
        """A node that cannot join says why, and serves its clients."""
        node = self.node("node-a", server, False, more)
        node.wait_log(message)
        alice = self.person(node, "alice")
        self.assertEqual(alice.who(), ["alice"])
        return node

    def test_nobody_listens(self):
        self.cut_off("nats://127.0.0.1:%d" % free_port(),
                     r"cluster: nats://127\.0\.0\.1:\d+: .*No server available")

    def test_password_is_wrong(self):
        nats = Nats(self, "-js", "--user", "lined", "--pass", "right")
        self.cut_off(nats.url(), "cluster: nats://.*Authorization Violation",
                     '\tuser = "lined"\n\tpassword = "wrong"\n')

    def test_password_is_right(self):
        nats = Nats(self, "-js", "--user", "lined", "--pass", "right")
        self.node("node-a", nats.url(),
                  more='\tuser = "lined"\n\tpassword = "right"\n')

    def test_jetstream_is_off(self):
        nats = Nats(self, "-l", "/dev/null")
        self.cut_off(nats.url(), "JetStream is not enabled there: start "
                     "nats-server with -js")

    def test_two_nodes_have_one_name(self):
        nats = Nats(self)
        first = self.node("node-a", nats.url())
        second = self.node("node-a", nats.url(), False)
        second.wait_log("another node has the name node-a, too")
        alice, bob = self.person(first, "alice"), self.person(second, "bob")
        self.assertEqual(alice.who(), ["alice"])
        self.assertEqual(bob.who(), ["bob"])
        for speaker, listener in (alice, bob), (bob, alice):
            speaker.say("hello")
            self.assertTrue(listener.is_silent(0.3))

    def test_node_is_started_again(self):
        nats = Nats(self)
        first = self.node("node-a", nats.url())
        first.kill()
        self.node("node-a", nats.url())


class Shown(ClusterTest):
    def linectl(self, socket_path, *command):
        done = subprocess.run([LINECTL, "-s", socket_path] + list(command),
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0)
        return done.stdout.decode()

    def test_nodes_and_metrics(self):
        nats = Nats(self)
        path = self.path("a.sock")
        a = self.node("node-a", nats.url(),
                      extra='}\ncontrol {\n\tsocket = "%s"\n' % path)
        b = self.node("node-b", nats.url())
        a.wait_log("node node-b is there")
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        bob.say("hello")
        alice.until(r"\[lobby\] <bob> hello$")
        self.assertRegex(self.linectl(path, "cluster"),
                         r"node +node-a, joined(, primary)?, at nats://.*\n"
                         r"names +\d+, revision \d+, round trip (.*\n)*"
                         r"NODE +STATE .*\nnode-b +there ")
        told = json.loads(self.linectl(path, "--json", "cluster"))
        self.assertEqual(told["cluster"]["name"], "node-a")
        self.assertEqual(told["cluster"]["nodes"], 2)
        self.assertEqual([node["name"] for node in told["nodes"]], ["node-b"])
        self.assertIn("node-b", self.linectl(path, "status"))
        metrics = self.linectl(path, "metrics")
        self.assertRegex(metrics, r"(?m)^lined_cluster_up 1$")
        with open(os.path.join(TOP, "conf/examples/alerts.yml")) as f:
            for name in re.findall(r"\blined_cluster_\w+", f.read()):
                self.assertRegex(metrics, r"(?m)^%s\b" % name)
        self.assertRegex(metrics, r"(?m)^lined_cluster_nodes 2$")
        self.assertRegex(metrics,
                         r'(?m)^lined_cluster_lost_total{node="node-b"} 0$')
        nats.kill()
        alice.until(r"\* some people may not hear you$")
        self.assertRegex(self.linectl(path, "cluster"),
                         r"node +node-a, cut off(, primary)?, at .*: \S+")
        self.assertRegex(self.linectl(path, "metrics"),
                         r"(?m)^lined_cluster_up 0$")


class Reload(ClusterTest):
    def write_config(self, node, clustered, server):
        text = CHAT % ("true" if clustered else "false", node.port, "")
        if server:
            text = self.section("node-a", server) + text
        self.write(text, "node-a.conf")

    def test_join_change_and_leave(self):
        nats = Nats(self)
        port = free_port()
        a = self.serve("node-a", CHAT % ("false", port, ""), False)
        a.port = port
        threads, files = self.threads(a), a.descriptors()
        self.assertFalse([name for name in threads if "nats" in name])
        b = self.node("node-b", nats.url())
        bob = self.person(b, "bob")
        with Person(port):
            # The section alone disturbs nobody; the key begins it anew.
            self.write_config(a, False, nats.url())
            a.reload()
            a.wait_log("cluster: joined as node node-a")
        self.write_config(a, True, nats.url())
        a.reload()
        alice = self.person(a, "alice")
        self.eventually(lambda: alice.who() == ["alice", "bob"], "bob")
        # Another way to the same server: nobody is disconnected.
        proxy = Proxy(self, nats.port)
        mark = a.mark()
        self.write_config(a, True, "nats://127.0.0.1:%d" % proxy.port)
        a.reload()
        a.wait_log("cluster: joined as node node-a", mark)
        bob.say("still here")
        self.eventually(lambda: alice.who() == ["alice", "bob"], "bob again")
        self.write_config(a, False, None)
        a.reload()
        self.assertIsNotNone(alice.ended())
        self.eventually(lambda: bob.who() == ["bob"], "the end of alice")
        self.eventually(lambda: self.threads(a) == threads and
                        a.descriptors() == files,
                        "the end of its threads")

    def threads(self, daemon):
        names = []
        for task in os.listdir("/proc/%d/task" % daemon.pid):
            try:
                with open("/proc/%d/task/%s/comm" % (daemon.pid, task)) as f:
                    names.append(f.read().strip())
            except OSError:
                pass
        return sorted(names)


if __name__ == "__main__":
    main()
