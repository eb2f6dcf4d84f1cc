#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What can be wrong between a node and nats-server: each is said in the log, and
the node serves its own clients. Reloads of the section `cluster`."""
import os

from cluster_test import CHAT, ClusterTest, Nats, Person, Proxy
from lined_test import free_port, main


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
        nats = Nats(self, "--user", "lined", "--pass", "right")
        self.cut_off(nats.url(), "cluster: nats://.*Authorization Violation",
                     '\tuser = "lined"\n\tpassword = "wrong"\n')

    def test_password_is_right(self):
        nats = Nats(self, "--user", "lined", "--pass", "right")
        self.node("node-a", nats.url(),
                  more='\tuser = "lined"\n\tpassword = "right"\n')

    def test_jetstream_is_off(self):
        nats = Nats(self, jetstream=False)
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
