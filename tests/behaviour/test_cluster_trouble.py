#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Faults between a node and nats-server: the log names each of them, and the
node serves its own clients. Also reloads of the section `cluster`."""
import socket
import time

import os
import re

from certificates import Authority
from cluster_test import ClusterTest, Nats, Person, Proxy, Wire, chat
from cluster_test import thread_names
from lined_test import TOP, free_port, main
from nats_keys import Keys


class TroubleTest(ClusterTest):
    def cut_off(self, server, message, more="", name="node-a"):
        """Checks that a node which cannot join logs the reason, and serves its
        clients."""
        node = self.node(name, server, False, more)
        node.wait_log(message)
        alice = self.person(node, "alice")
        self.assertEqual(alice.who(), ["alice"])
        return node


class Trouble(TroubleTest):
    def test_nobody_listens(self):
        self.cut_off("nats://127.0.0.1:%d" % free_port(),
                     r"cluster: nats://127\.0\.0\.1:\d+: .*No server avail")

    def test_end_does_not_wait_for_servers_that_say_nothing(self):
        silent = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
        for listener in silent:
            self.addCleanup(listener.close)
        # Each attempt to connect takes two seconds.
        node = self.node("node-a", '", "'.join(
            "nats://127.0.0.1:%d" % listener.getsockname()[1]
            for listener in silent), False)
        begun = time.monotonic()
        node.stop()
        self.assertLess(time.monotonic() - begun, 5)

    def test_password_is_wrong(self):
        nats = Nats(self, "--user", "lined", "--pass", "right")
        self.cut_off(nats.url(), "cluster: nats://.*user, password, token or "
                     "credentials are wrong: Authorization Violation",
                     '\tuser = "lined"\n\tpassword = "wrong"\n')

    def test_password_is_right(self):
        nats = Nats(self, "--user", "lined", "--pass", "right")
        self.node("node-a", nats.url(),
                  more='\tuser = "lined"\n\tpassword = "right"\n')

    def test_token(self):
        nats = Nats(self, "--auth", "right")
        self.node("node-a", nats.url(), more='\ttoken = "right"\n')
        self.cut_off(nats.url(), "token or credentials are wrong",
                     '\ttoken = "wrong"\n')

    def test_credentials(self):
        keys = Keys(self.dir)
        nats = Nats(self, config=keys.config())
        keys.credentials(self.path("good.creds"))
        self.node("node-a", nats.url(), more='\tcredentials = "good.creds"\n')
        Keys(self.dir).credentials(self.path("bad.creds"))
        self.cut_off(nats.url(), "token or credentials are wrong: "
                     "Authorization Violation",
                     '\tcredentials = "bad.creds"\n', "node-b")
        with open(self.path("none.creds"), "w") as f:
            f.write("nothing\n")
        self.cut_off(nats.url(), r"no nkey user seed found in .*/none\.creds",
                     '\tcredentials = "none.creds"\n', "node-c")

    def test_user_may_not_publish(self):
        nats = Nats(self, config='authorization { users = [ { user: u, '
                    'password: p, permissions: { publish: "_INBOX.>" } } ] }')
        self.cut_off(nats.url(), "the user may not do this: Permissions "
                     r"Violation for Publish to \"\$JS",
                     '\tuser = "u"\n\tpassword = "p"\n')

    def test_permissions_that_are_needed(self):
        with open(os.path.join(TOP, "doc/cluster.md")) as f:
            users = re.search(r"(?s)    authorization \{ users = .*?\] \}\n",
                              f.read()).group(0)
        nats = Nats(self, config=users)
        user = '\tuser = "lined"\n\tpassword = "secret"\n'
        a = self.node("node-a", nats.url(), more=user)
        b = self.node("node-b", nats.url(), more=user)
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        self.eventually(lambda: alice.who() == ["alice", "bob"], "bob")
        bob.say("hello")
        alice.until(r"\[lobby\] <bob> hello$")
        self.assertFalse(a.logged("Violation") + b.logged("Violation"))

    def test_lease_is_another_one(self):
        nats = Nats(self)
        self.node("node-a", nats.url())
        self.lease = "3s"
        self.cut_off(nats.url(), "cluster: .*lease must be the same on every "
                     "node", name="node-b")

    def test_lease_is_changed_when_no_node_has_one(self):
        nats = Nats(self)
        self.lease = "1s"
        self.node("node-a", nats.url()).stop()
        self.lease = "2s"
        self.node("node-a", nats.url())

    def test_leases_differ_that_were_set_at_one_moment(self):
        """The node whose lease is not that of the bucket leaves."""
        nats = Nats(self)
        a = self.node("node-a", nats.url())
        # The result is the same as if both nodes had found an empty bucket.
        Wire(self, nats).publish("$JS.API.STREAM.UPDATE.KV_lined_nodes", (
            b'{"name": "KV_lined_nodes", "subjects": ["$KV.lined_nodes.>"],'
            b'"retention": "limits", "max_consumers": -1, "max_msgs": -1,'
            b'"max_msgs_per_subject": 1, "max_bytes": -1, "discard": "new",'
            b'"max_age": 3000000000, "duplicate_window": 2000000000,'
            b'"storage": "memory", "num_replicas": 1, "deny_delete": true,'
            b'"allow_rollup_hdrs": true, "max_msg_size": -1}'))
        self.lease = "3s"
        b = self.node("node-b", nats.url())
        for node, other, has in (a, "b", (3000, 2000)), (b, "a", (2000, 3000)):
            node.wait_log("cluster: lease must be the same on every node: node "
                          "node-%s has %d ms, this one has %d ms"
                          % ((other,) + has))
        a.wait_log("cluster: nats://.*: lease must be the same on every node")
        # Node B has connected again by now, or does so soon.
        b.wait_logs("cluster: joined as node node-b", 2)
        bob = self.person(b, "bob")
        self.eventually(lambda: bob.who() == ["bob"], "one order")

    def test_node_has_another_version(self):
        nats = Nats(self)
        a = self.node("node-a", nats.url())
        b = self.node("node-b", nats.url())
        old = Wire(self, nats)
        old.publish("$KV.lined_nodes.n.old", b"9 80000000000000aa 9.9")
        for node in a, b:
            node.wait_log(r"cluster: node old has version 9 of the frames, "
                          "this one has 1: neither hears the other")
        # These nodes ignore its frames and names.
        old.publish("lined.frames", b"L9l" + bytes(60))
        old.publish("$KV.lined_names.lobby.nick/alice", b"9 what")
        alice, bob = self.person(a), self.person(b)
        bob.say("hello")
        alice.until(r"\[lobby\] <%s> hello$" % bob.nickname)

    def test_payload_is_limited(self):
        nats = Nats(self, config="max_payload: 2048\n")
        a, b = self.nodes(nats.url(), 2)
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        self.eventually(lambda: alice.who() == ["alice", "bob"], "bob")
        # The lines of one turn need more than one frame.
        alice.say("\n".join("%d %s" % (i, "." * 400) for i in range(60)))
        for i in range(60):
            bob.until(r"\[lobby\] <alice> %d \.{400}$" % i)
        alice.say("x" * 3000)
        a.wait_log(r"cluster: a line of \d+ bytes is too long for NATS's "
                   "max_payload: other nodes do not get such lines")
        alice.say("short")
        bob.until(r"\[lobby\] <alice> short$")
        self.assertFalse([line for line in bob.heard if "xxx" in line])

    def test_payload_is_too_small(self):
        nats = Nats(self, config="max_payload: 1200\n")
        self.cut_off(nats.url(), "cluster: nats://.*: max_payload of "
                     "nats-server is 1200 bytes: it must be 1536 at least")

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


class Tls(TroubleTest):
    """TLS with a CA of the test. At a stop the daemon must exit 0: libnats and
    OpenSSL must not clean up the same memory."""

    def setUp(self):
        super().setUp()
        self.ca = Authority(self.dir)

    def server(self, *names, verify=False):
        pair = self.ca.issue("server", names or ["IP:127.0.0.1"])
        options = ["--tls", "--tlscert", pair.certificate, "--tlskey",
                   pair.key]
        if verify:
            options += ["--tlsverify", "--tlscacert", self.ca.certificate]
        return Nats(self, *options)

    def keys(self, ca=None, pair=None):
        text = '\ttls-ca = "%s"\n' % (ca or self.ca).certificate
        if pair:
            text += ('\ttls-certificate = "%s"\n\ttls-key = "%s"\n'
                     % (pair.certificate, pair.key))
        return text

    def test_nodes_meet(self):
        nats = self.server(verify=True)
        keys = self.keys(pair=self.ca.issue("client"))
        a = self.node("node-a", nats.url("tls"), more=keys)
        b = self.node("node-b", nats.url("tls"), more=keys)
        a.wait_log("node node-b is there")
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        bob.say("hello")
        alice.until(r"\[lobby\] <bob> hello$")
        # OpenSSL still works after the node has left and joined again.
        for text in chat(False, a.port), None:
            if text is None:
                text = (self.section("node-a", nats.url("tls"), keys)
                        + chat(True, a.port))
            self.write(text, "node-a.conf")
            place = a.reload()
        a.wait_log("joined as node node-a", place)

    def test_ca_is_another_one(self):
        self.cut_off(self.server().url("tls"),
                     "cluster: tls://.*tls-ca is not the CA of nats-server's "
                     "certificate: .*unable to get local issuer certificate",
                     self.keys(ca=Authority(self.dir, "other")))

    def test_certificate_has_another_name(self):
        self.cut_off(self.server("DNS:nats.example.org").url("tls"),
                     "cluster: tls://.*nats-server's certificate has another "
                     "name: .*IP address mismatch", self.keys())

    def test_server_has_no_tls(self):
        self.cut_off(Nats(self).url("tls"), "cluster: tls://.*nats-server has "
                     "no TLS, say nats://", self.keys())

    def test_server_wants_a_certificate(self):
        self.cut_off(self.server(verify=True).url("tls"),
                     "cluster: tls://.*does nats-server want tls-certificate",
                     self.keys())


class Reload(ClusterTest):
    def write_config(self, node, clustered, server):
        text = chat(clustered, node.port)
        if server:
            text = self.section("node-a", server) + text
        self.write(text, "node-a.conf")

    def test_join_change_and_leave(self):
        nats = Nats(self)
        port = free_port()
        a = self.serve("node-a", chat(False, port), False)
        a.port = port
        threads, files = thread_names(a), a.descriptors()
        self.assertFalse([name for name in threads if "nats" in name])
        b = self.node("node-b", nats.url())
        bob = self.person(b, "bob")
        with Person(port):
            # A change of the section keeps the clients; a change of the key
            # `cluster` begins the service anew.
            self.write_config(a, False, nats.url())
            a.reload()
            a.wait_log("cluster: joined as node node-a")
        self.write_config(a, True, nats.url())
        a.reload()
        alice = self.person(a, "alice")
        self.eventually(lambda: alice.who() == ["alice", "bob"], "bob")
        # The proxy is another way to the same server: nobody is disconnected.
        proxy = Proxy(self, nats.port)
        mark = a.mark()
        self.write_config(a, True, "nats://127.0.0.1:%d" % proxy.port)
        a.reload()
        a.wait_log("cluster: joined as node node-a", mark)
        bob.say("still here")
        self.eventually(lambda: alice.who() == ["alice", "bob"], "bob again")
        self.write_config(a, False, None)
        a.reload()
        bob.until(r"\* alice quit$")
        said = alice.ended()
        self.assertIn(b"* announcement: this service is closing", said)
        self.assertNotIn(b"may not hear", said)
        self.eventually(lambda: bob.who() == ["bob"], "the end of alice")
        self.eventually(lambda: thread_names(a) == threads and
                        a.descriptors() == files,
                        "the end of its threads")

    def test_changes_with_clients_connected(self):
        nats = Nats(self)
        a, b = self.nodes(nats.url(), 2)
        alice, bob = self.person(a, "alice"), self.person(b, "bob")
        alice.until(r"\* \S+ is now bob$")

        def change(name, server, more=""):
            self.write(self.section(name, server, more)
                       + chat(True, a.port), "node-a.conf")
            return a.reload()

        def hear_each_other():
            for speaker, listener in (alice, bob), (bob, alice):
                self.eventually(
                    lambda p=speaker: p.who() == ["alice", "bob"], "both")
                speaker.say("hello")
                listener.until(r"\[lobby\] <%s> hello$" % speaker.nickname)

        # With another name, the old name leaves at once, and the people stay.
        mark = b.mark()
        place = change("node-x", nats.url())
        a.wait_log("cluster: joined as node node-x", place)
        b.wait_log("cluster: node node-a has left", mark)
        b.wait_log("cluster: node node-x is there", mark)
        hear_each_other()
        # The servers do not exist; then the config has the real one again.
        place = change("node-x", "nats://127.0.0.1:%d" % free_port())
        a.wait_log("cluster: .*No server available", place)
        alice.until(r"\* some people may not hear you$")
        self.assertEqual(alice.who(), ["alice"])
        place = change("node-x", nats.url())
        a.wait_log("cluster: joined as node node-x", place)
        alice.until(r"\* everybody hears you again$")
        hear_each_other()
        # A key that is wrong changes nothing.
        place = change("node-x", nats.url(), '\tprefix = "a.b"\n')
        a.wait_log(r"node-a\.conf:\d+: cluster: prefix: \"a\.b\" is not",
                   place)
        a.wait_log("reload: refused", place)
        hear_each_other()


if __name__ == "__main__":
    main()
