#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A relay on several nodes of a cluster."""
from cluster_test import ClusterTest, Nats
from lined_test import Client, Server, free_port, main


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


if __name__ == "__main__":
    main()
