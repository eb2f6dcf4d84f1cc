#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The section `cluster`: several daemons, connected by nats-server, work as
one."""
import json
import os
import re
import signal

from cluster_test import SECTION, ClusterTest, Nats, Proxy, lobby
from cluster_test import thread_names
from lined_test import TOP, Client, DaemonTest, free_port, main, service

# Errors: the section's keys, and the text that the message must contain.
FAULTS = {
    "servers = { }": "lined.conf:2: cluster: servers is empty",
    'servers = { "127.0.0.1:4222" }': "is not nats://HOST:PORT or tls://",
    'servers = { "nats://127.0.0.1" }': "has no port",
    'servers = { "nats://:4222" }': "has no host",
    'servers = { "nats://u:p@h:4222" }': "are keys of their own",
    'servers = { "tls://h:1", "nats://h:2" }':
        r'servers: "nats://h:2" is another scheme: TLS is for all',
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
            self.assertRegex(said, r"lined\.conf:1: cluster: ")
        else:
            self.assertEqual(code, 0, said)

    def test_each_fault_is_named(self):
        for section, message in FAULTS.items():
            with self.subTest(section):
                self.refused("cluster {\n%s\n}\n" % section + lobby(), message)

    def test_service_needs_the_section(self):
        self.refused(lobby(), r"lined\.conf:\d+: service \"lobby\": cluster = "
                     "true needs a section cluster")

    def test_section_that_no_service_uses_is_warned_of(self):
        unused = r"lined\.conf:1: cluster: no service has cluster = true"
        code, said = self.check(SECTION % ""
                                + lobby(extra=""))
        if "built without libnats" in said:
            self.skipTest("lined was built without libnats")
        self.assertEqual(code, 0, said)
        self.assertRegex(said, unused)
        code, said = self.check(SECTION % "" + lobby())
        self.assertNotRegex(said, "no service")

    def test_state_of_one_machine_is_not_shared(self):
        for protocol in "kv", "policy", "exec":
            with self.subTest(protocol):
                self.refused(
                    SECTION % "" + lobby(protocol=protocol),
                    r"lined\.conf:\d+: service \"lobby\": cluster: .*protocol "
                    + protocol)


class Without(DaemonTest):
    """A daemon without the section has no thread, descriptor or memory for a
    cluster."""
    COUNT = 800

    def test_no_thread_and_no_descriptor(self):
        for workers in 1, 2:
            port = free_port()
            daemon = self.start(service("echo", "tcp://127.0.0.1:%d" % port),
                                workers=workers)
            if daemon.is_sanitized():
                self.skipTest("a sanitizer has threads of its own")
            # The main thread, the log thread, and the workers.
            self.eventually(lambda: len(thread_names(daemon)) == 2 + (
                workers if workers > 1 else 0), "the threads")
            self.assertFalse([name for name in thread_names(daemon)
                              if "nats" in name])
            # The main thread and each worker have an eventfd that wakes them.
            self.assertLessEqual(self.links(daemon).count("eventfd"),
                                 1 if workers == 1 else workers + 1)

    def links(self, daemon):
        where = "/proc/%d/fd/" % daemon.pid
        return " ".join(os.readlink(where + fd) for fd in os.listdir(where)
                        if os.path.islink(where + fd))

    def test_no_byte_a_client(self):
        path = self.path("echo.sock")
        daemon = self.start(
            service("echo", "unix://" + path,
                    extra="\tlimits { clients = 5000 }\n"), workers=1)
        clients = []
        for size in self.COUNT // 10, self.COUNT:
            before = daemon.own_kib()
            for _ in range(size):
                clients.append(Client(path))
                self.addCleanup(clients[-1].close)
                self.assertTrue(clients[-1].echoes())
        if daemon.is_sanitized():
            self.skipTest("a sanitizer has memory of its own")
        # 344 bytes, see tests/bench/idle-memory, and what malloc() adds.
        self.assertLess((daemon.own_kib() - before) * 1024 / self.COUNT, 400)


class Chat(ClusterTest):
    workers = 1

    def test_people_of_all_nodes_are_in_one_room(self):
        a, b, c = self.nodes(Nats(self).url())
        alice = self.person(a, "alice")
        bob = self.person(b, "bob")
        carol = self.person(c, "carol")
        for person in alice, bob:
            person.until(r"\* guest\d is now carol$")
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


class ChatOfFourWorkers(Chat):
    workers = 4


class Cut(ClusterTest):
    def collide(self, alice, bob):
        """While both nodes are cut off, each gives the same name to a client.
        The earlier claim keeps the name."""
        alice.say("/nick carol")
        alice.until(r"\* alice is now carol$")
        alice.say("nobody hears this")
        bob.say("/nick carol")
        bob.until(r"\* bob is now carol$")

    def settle(self, alice, bob):
        """The new name may come before the message that the cut has ended.
        Returns whether alice is told of bob's new name: node-b may send that
        before node-a has joined."""
        mark = len(bob.heard)
        for person in alice, bob:
            person.until(r"\* everybody hears you again$")
        guest = bob.until_since(
            mark, r"\* carol is taken: you are now (guest\d+)$").group(1)
        for person in alice, bob:
            self.eventually(
                lambda p=person: p.who() == sorted(["carol", guest]),
                "one order")
        bob.say("hello again")
        alice.until(r"\[lobby\] <%s> hello again$" % guest)
        return "* carol is now " + guest in alice.heard

    def test_nats_is_killed_and_started_again(self):
        nats = Nats(self)
        a, b = self.nodes(nats.url(), 2)
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        alice.until(r"\* \S+ is now bob$")
        # Lines that node-b has not read yet may also be lost.
        alice.say("hello")
        bob.until(r"\[lobby\] <alice> hello$")
        nats.kill()
        for person in alice, bob:
            person.until(r"\* some people may not hear you$")
        self.collide(alice, bob)
        nats.start()
        told = self.settle(alice, bob)
        # node-b loses "is now carol" and one line; node-a loses one or two
        # lines "is now carol".
        self.lost(b, "node-a", 2)
        self.lost(a, "node-b", 1 if told else 2)

    def lost(self, daemon, node, lines):
        """Waits until the daemon's log has so many lost lines of a node, in one
        message or in several."""
        pattern = r"cluster: (\d+) lines? of node %s (?:was|were) lost$" % node
        self.eventually(
            lambda: sum(int(re.search(pattern, line).group(1))
                        for line in daemon.logged(pattern)) == lines,
            "%d lost lines of %s" % (lines, node))

    def test_first_join_is_the_end_of_no_cut(self):
        nats = Nats(self)
        nats.kill()
        a = self.node("node-a", nats.url(), False)
        a.wait_log("cluster: nats://.*: No server available")
        alice = self.person(a, "alice")
        nats.start()
        a.wait_log("cluster: joined as node node-a")
        b = self.node("node-b", nats.url())
        bob = self.person(b, "bob")
        for person in alice, bob:
            self.eventually(lambda p=person: p.who() == ["alice", "bob"],
                            "one room")
            self.assertNotIn("hear", "".join(person.heard))

    def test_who_comes_during_a_cut_is_not_told_of_its_end(self):
        nats = Nats(self)
        a = self.node("node-a", nats.url())
        alice = self.person(a, "alice")
        nats.kill()
        alice.until(r"\* some people may not hear you$")
        carol = self.person(a, "carol")
        nats.start()
        alice.until(r"\* everybody hears you again$")
        self.assertEqual(carol.who(), ["alice", "carol"])
        self.assertNotIn("hear", "".join(carol.heard))

    def test_link_of_one_node_is_cut(self):
        nats = Nats(self)
        proxy = Proxy(self, nats.port)
        a = self.node("node-a", nats.url())
        b = self.node("node-b", "nats://127.0.0.1:%d" % proxy.port)
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        proxy.cut()
        bob.until(r"\* some people may not hear you$")
        # The other node notices two missed renewals, and the end of the lease.
        alice.until(r"\* some people may not hear you$")
        self.collide(alice, bob)
        alice.until(r"\* everybody hears you again$")
        self.eventually(lambda: alice.who() == ["carol"], "the end of bob")
        self.eventually(lambda: bob.who() == ["carol"], "the end of alice")
        proxy.heal()
        mark = len(bob.heard)
        bob.until(r"\* everybody hears you again$")
        guest = bob.until_since(
            mark, r"\* carol is taken: you are now (guest\d+)$").group(1)
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


class Shown(ClusterTest):
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


if __name__ == "__main__":
    main()
