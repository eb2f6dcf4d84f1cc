#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A relay on several nodes of a cluster, with one and four workers each: each
line comes once to each reader, and one node has the upstreams and the targets.
"""
import os
import select
import signal
import threading

from cluster_test import ClusterTest, Nats
from lined_test import Client, Server, free_port, main


class RelayTest(ClusterTest):
    workers = 1
    server = ""  # the config of nats-server

    def setUp(self):
        super().setUp()
        self.nats = Nats(self, config=self.server)

    def relay(self, name, options="", service="feed"):
        """Starts a node with a relay with these options. Its port is in .port.
        """
        port = free_port()
        daemon = self.serve(name, self.section(name, self.nats.url()) + (
            'service "%s" {\n\tprotocol = "relay"\n\tcluster = true\n'
            '\tlisten = { "tcp://127.0.0.1:%d" }\n\trelay {\n%s\t}\n}\n'
            'control { socket = "%s" }\n'
            % (service, port, options, self.path(name + ".sock"))))
        daemon.port = port
        daemon.control = self.path(name + ".sock")
        return daemon

    def relays(self, options="", count=3):
        nodes = [self.relay("node-%c" % (97 + i), options)
                 for i in range(count)]
        for node in nodes:
            for i, other in enumerate(nodes):
                if other is not node:
                    node.wait_log("node node-%c is there" % (97 + i))
        return nodes

    def client(self, node):
        client = Client(("127.0.0.1", node.port))
        self.addCleanup(client.close)
        return client

    def reach(self, writer, *readers):
        """Returns when lines of the writer reach the readers."""
        def reached(reader):
            writer.send(b"probe\n")
            return not reader.is_silent(0.1)
        for reader in readers:
            self.eventually(lambda r=reader: reached(r), "the writer's lines")
        writer.send(b"begin\n")
        for reader in readers:
            while reader.line() != b"begin\n":
                pass

    def primary(self, nodes):
        """Waits until a node logs that it is the primary. Returns its index."""
        def found():
            return [i for i, node in enumerate(nodes) if not node.stopped and
                    node.logged("this node is now the primary")]
        self.eventually(found, "a primary")
        self.assertEqual(len(found()), 1)
        return found()[0]


class Lines(RelayTest):
    def test_each_line_comes_once_and_in_order(self):
        nodes = self.relays()
        writers = [self.client(node) for node in nodes]
        readers = [self.client(node) for node in nodes]
        for writer in writers:
            self.reach(writer, *readers)
        for i in range(200):
            for number, writer in enumerate(writers):
                writer.send(b"%d %d\n" % (number, i))
        for reader in readers:
            got = [[], [], []]
            while [lines[-1:] for lines in got] != [[199]] * 3:
                line = reader.line()
                if line not in (b"probe\n", b"begin\n"):
                    number, i = line.split()
                    got[int(number)].append(int(i))
            self.assertEqual(got, [list(range(200))] * 3)

    def test_topic_joins_services_of_nodes(self):
        a = self.relay("node-a", '\t\ttopic = "t"\n\t\tpublish-only = true\n',
                       "ingest")
        b = self.relay("node-b", '\t\ttopic = "t"\n\t\tsubscribe-only = true\n',
                       "readers")
        writer, reader = self.client(a), self.client(b)
        self.reach(writer, reader)
        writer.send(b"one\ntwo\n")
        self.assertEqual(reader.line(), b"one\n")
        self.assertEqual(reader.line(), b"two\n")

    def test_repeat_of_another_node_is_dropped(self):
        a, b = self.relays("\t\tdedupe = 60s\n", 2)
        first, second = self.client(a), self.client(b)
        reader = self.client(b)
        turns = iter(range(1000000))

        def reached():
            first.send(b"probe %d\n" % next(turns))
            return not reader.is_silent(0.1)
        self.eventually(reached, "the lines of another node")

        def dropped():
            """Whether the node drops a line that its reader has got already.
            The node's other workers may get the line later than the reader."""
            turn = next(turns)
            first.send(b"line %d\n" % turn)
            while reader.line() != b"line %d\n" % turn:
                pass
            second.send(b"line %d\nend %d\n" % (turn, turn))
            heard = reader.line()
            while not heard.endswith(b" %d\n" % turn):
                heard = reader.line()
            return heard == b"end %d\n" % turn
        self.eventually(dropped, "a repeat that is dropped")


class LinesOfFourWorkers(Lines):
    workers = 4


class OneOfAKind(RelayTest):
    def upstream(self, upstream, more=""):
        return self.relays('\t\tmode = "upstream"\n\t\tupstream = { "%s" }\n'
                           '\t\tretry-min = 100ms\n%s' % (upstream.url, more))

    def test_one_upstream_for_all_is_taken_over(self):
        with Server() as upstream:
            nodes = self.upstream(upstream, "\t\tdedupe = 60s\n")
            readers = [self.client(node) for node in nodes]
            with upstream.accept() as source:
                for node in nodes:
                    node.wait_log("connected to tcp")
                source.send(b"one\ntwo\n")
                for reader in readers:
                    self.assertEqual(reader.line(), b"one\n")
                    self.assertEqual(reader.line(), b"two\n")
                self.assertTrue(upstream.is_left_alone(0.5))
                first = self.primary(nodes)
                nodes[first].kill()
            del readers[first]
            with self.takes(0, 20), upstream.accept() as source:
                # The upstream sends its last line again.
                source.send(b"two\nthree\n")
                for reader in readers:
                    self.assertEqual(reader.line(), b"three\n")
                self.assertTrue(upstream.is_left_alone(0.5))

    def test_lines_of_all_nodes_go_up(self):
        with Server() as upstream:
            nodes = self.upstream(upstream, "\t\tsubscribe-only = false\n")
            with upstream.accept() as source:
                for i, node in enumerate(nodes):
                    self.client(node).send(b"from %d\n" % i)
                    self.assertEqual(source.line(), b"from %d\n" % i)

    def test_primary_pushes_once(self):
        with Server() as target:
            nodes = self.relays('\t\tpush = { "%s" }\n\t\tretry-min = 100ms\n'
                                % target.url)
            writers = [self.client(node) for node in nodes]
            with target.accept() as pushed:
                first = self.primary(nodes)
                for i, writer in enumerate(writers):
                    writer.send(b"%d\n" % i)
                    self.assertEqual(pushed.line(), b"%d\n" % i)
                self.assertTrue(target.is_left_alone(0.5))
                nodes[first].kill()
            del writers[first]
            with self.takes(0, 20), target.accept() as pushed:
                for i, writer in enumerate(writers):
                    writer.send(b"again %d\n" % i)
                    self.assertEqual(pushed.line(), b"again %d\n" % i)
                self.assertTrue(target.is_left_alone(0.5))


class OneConnection(RelayTest):
    def test_service_that_is_made_anew_waits_for_the_one_before(self):
        self.own_modules()
        for name in "relay", "control":
            self.copy_module(name)
        with Server() as upstream:
            node = self.relay(
                "node-a", '\t\tmode = "upstream"\n\t\tupstream = { "%s" }\n'
                '\t\tretry-min = 100ms\n' % upstream.url)
            with upstream.accept() as before:
                def feed():
                    """Lines that the upstream had sent before it was left are
                    still read."""
                    try:
                        while True:
                            before.send(b"feed\n" * 1000)
                    except OSError:
                        pass
                feeder = threading.Thread(target=feed, daemon=True)
                feeder.start()
                path = self.copy_module("relay", "new")
                os.rename(path, os.path.join(self.modules, "relay.so"))
                node.reload()
                with upstream.accept() as after:
                    ended, _, _ = select.select([before.sock], [], [], 0)
                    self.assertTrue(ended, "two connections")
                    feeder.join()
                    reader = self.client(node)
                    node.wait_log("client .*: connected")
                    after.send(b"one\n")
                    self.assertEqual(reader.line(), b"one\n")


class Stopped(RelayTest):
    def test_primary_that_drains_hands_over(self):
        with Server() as upstream:
            nodes = self.relays(
                '\t\tmode = "upstream"\n\t\tupstream = { "%s" }\n'
                '\t\tretry-min = 100ms\n\t}\n'
                '\tlimits {\n\t\tsend-queue = 64M\n' % upstream.url, 2)
            first = nodes.pop(self.primary(nodes))
            [other] = nodes
            # The service drains for long, because this client does not read.
            stuck = Client(("127.0.0.1", first.port), rcvbuf=4096)
            self.addCleanup(stuck.close)
            readers = self.client(first), self.client(other)
            with upstream.accept() as source:
                for node in first, other:
                    node.wait_log("connected to tcp|node node-. is there")
                for _ in range(8):
                    source.send((b"x" * 999 + b"\n") * 1000)
                    for reader in readers:
                        reader.exactly(1000000)
                first.signal(signal.SIGTERM)
                with upstream.accept() as taken_over:
                    self.assertEqual(source.ended(), b"")
                    taken_over.send(b"one\n")
                    self.assertEqual(readers[1].line(), b"one\n")
                    self.assertTrue(upstream.is_left_alone(0.5))
                    self.assertIsNone(first.process.poll())
                    first.wait_log("this node is no longer the primary")


class Replaced(RelayTest):
    """A reload with a replaced module starts a new service, while the old
    service still drains a client that does not read."""

    def begin(self, options=""):
        self.own_modules()
        for name in "relay", "control":
            self.copy_module(name)
        self.node = self.relay("node-a", options +
                               "\t}\n\tlimits {\n\t\tsend-queue = 64M\n")
        self.node.wait_log("this node is now the primary")
        self.stuck = Client(("127.0.0.1", self.node.port), rcvbuf=4096)
        self.addCleanup(self.stuck.close)
        with self.client(self.node) as writer, \
                self.client(self.node) as reader:
            self.reach(writer, self.stuck, reader)
            for _ in range(8):
                writer.send((b"x" * 999 + b"\n") * 1000)
                reader.exactly(1000000)

    def replace(self):
        path = self.copy_module("relay", "new")
        os.rename(path, os.path.join(self.modules, "relay.so"))
        self.node.reload()

    def test_clients_of_the_one_before_are_heard(self):
        self.begin()
        self.replace()
        reader = self.client(self.node)

        def heard():
            self.stuck.send(b"probe\n")
            return not reader.is_silent(0.1)
        self.eventually(heard, "the client of before")
        self.stuck.send(b"one\n")
        while reader.line() != b"one\n":
            pass
        self.stuck.send(b"two\n")
        self.assertEqual(reader.line(), b"two\n")

    def test_each_line_is_pushed_once(self):
        with Server() as target:
            self.begin('\t\tpush = { "%s" }\n\t\tretry-min = 100ms\n'
                       '\t\tpush-hold = 64M\n' % target.url)
            with target.accept() as before:
                self.replace()
                with target.accept() as after:
                    self.stuck.send(b"one\n")
                    self.assertEqual(after.line(), b"one\n")
                    pushed = before.ended()
                    self.assertNotIn(b"one\n", pushed)
                    self.assertEqual(pushed.count(b"x\n"), 8000)
                    self.stuck.send(b"two\n")
                    self.assertEqual(after.line(), b"two\n")


class ReplacedOnFourWorkers(Replaced):
    workers = 4


if __name__ == "__main__":
    main()
