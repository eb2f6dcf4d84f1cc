# SPDX-License-Identifier: MIT
"""Several daemons instead of one. With LINED_TEST_NODES=3, a test that starts a
daemon with a chat or a relay starts a nats-server and three nodes of a cluster
instead, all with the test's config. Each new client connects to the next node.
Calls of the test go to all nodes: see class Nodes.

In place of 127.0.0.1 node 2 listens at 127.0.0.2, and in place of a UNIX
socket's PATH at PATH.2. Node 1 is the primary, which has the upstreams.
Programs such as linectl connect to node 1, and so do all clients in a test for
one_node()."""
import itertools
import re
import signal
import sys

import lined_test
from cluster_test import Nats, need_nats
from lined_test import NODES, PATIENCE, SHARED

# The addresses on which nodes listen, not those to which they connect.
LISTEN = re.compile(r'\b(listen|socket)\s*=\s*(\{[^}]*\}|"[^"]*")')
ADDRESS = re.compile(r'127\.0\.0\.1:(\d+)|(?<=unix://)/[^"?]+|(?<=")/[^"]+')
LEASE = "10s"  # a busy machine is slow


def place(found, number):
    """Returns where a node listens, as clients write the address and as the
    config writes it."""
    if found.group(1):
        host, port = "127.0.0.%d" % number, int(found.group(1))
        return (host, port), "%s:%d" % (host, port)
    path = found.group() if number == 1 else "%s.%d" % (found.group(), number)
    return path, path


class Nodes(lined_test.Daemon):
    """Looks like one daemon. Signals go to all nodes; their logs are one log;
    sizes and counters are sums."""
    count = NODES

    def __init__(self, test, launch):
        """launch(config, beside) starts a daemon with this config and the log
        of the daemon `beside`."""
        need_nats(test)
        case = getattr(test, test._testMethodName)
        self.one_node = getattr(case, "one_node", test.one_node)
        if self.one_node:
            print("one node: %s ... " % self.one_node, end="",
                  file=sys.stderr, flush=True)
        self.test = test
        self.nats = Nats(test)
        self.members = []
        for number in range(1, NODES + 1):
            node = launch(self.write(number), self.members and self.members[0])
            self.members.append(node)
            self.log, self.news, self.level = node.log, node.news, node.level
            node.wait_notify("READY=1")
            self.wait_log("cluster: this node is now the primary")
        self.wait_logs("cluster: node .* is there", NODES * (NODES - 1))
        # Other nodes may know a node before that node knows that it has joined.
        self.wait_logs("cluster: joined as node", NODES)
        self.pid = self.members[0].pid

    def write(self, number):
        """Writes the test's config for a node. Lines keep their numbers."""
        def own(found):
            places = [place(found, i + 1) for i in range(NODES)]
            lined_test.turns.setdefault(places[0][0], itertools.cycle(
                where for where, _ in places[:1 if self.one_node else NODES]))
            return places[number - 1][1]

        with open(self.test.config) as f:
            text = f.read()
        text = LISTEN.sub(lambda found: ADDRESS.sub(own, found.group()), text)
        text = SHARED.sub(r"cluster = true \g<0>", text)
        text += 'cluster { servers = "%s" name = "node-%d" lease = %s }\n' % (
            self.nats.url(), number, LEASE)
        return self.test.write(text, "node-%d.conf" % number, workers=None)

    def wait_notify(self, wanted, timeout=PATIENCE):
        for node in self.members:
            node.wait_notify(wanted, timeout)

    def signal(self, number):
        if number == signal.SIGHUP:
            for i in range(1, NODES + 1):
                self.write(i)
        for node in self.members:
            node.signal(number)

    def wait(self, timeout=PATIENCE):
        codes = [node.wait(timeout) for node in self.members]
        return next(filter(None, codes), 0)

    @property
    def stopped(self):
        return all(node.stopped for node in self.members)

    def stop(self, timeout=PATIENCE):
        """Prints warnings of the cluster: a test may have failed because the
        link was cut, on a machine that is too busy."""
        for line in self.logged("^<4>cluster: "):
            print(line, file=sys.stderr)
        super().stop(timeout)

    def kill(self):
        for node in self.members:
            node.kill()

    def is_sanitized(self):
        return self.members[0].is_sanitized()

    def rss_kib(self):
        return sum(node.rss_kib() for node in self.members)

    def own_kib(self):
        return sum(node.own_kib() for node in self.members)

    def descriptors(self):
        return sum(node.descriptors() for node in self.members)

    def cpu_seconds(self):
        return sum(node.cpu_seconds() for node in self.members)
