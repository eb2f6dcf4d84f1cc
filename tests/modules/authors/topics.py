# SPDX-License-Identifier: MIT
"""topics.c in Twisted: clients with a name may publish, and all may listen."""
import argparse
import collections

from twisted.internet import protocol, reactor
from twisted.protocols.basic import LineReceiver


class Member(LineReceiver):
    delimiter = b"\n"

    def connectionMade(self):
        self.name = None
        self.topics = set()

    def connectionLost(self, reason):
        for topic in list(self.topics):
            self.unsubscribe(topic)
        if self.name:
            del self.factory.names[self.name]

    def lineReceived(self, line):
        answer = self.serve(line)
        if answer:
            self.sendLine(answer)

    def serve(self, line):
        words = line.split(None, 2)
        if words == [b"who"]:
            for name in sorted(self.factory.names):
                self.sendLine(name)
            return b"."
        if len(words) < 2 or len(words[1]) > 63:
            return b"what?"
        if words[0] == b"pub" and len(words) == 3:
            return self.publish(words[1], words[2])
        if len(words) > 2:
            return b"what?"
        if words[0] == b"name":
            return self.take_name(words[1])
        if words[0] == b"sub":
            return self.subscribe(words[1])
        if words[0] == b"unsub":
            return self.unsubscribe(words[1])
        return b"what?"

    def take_name(self, name):
        if len(name) > 32:
            return b"bad name"
        if name in self.factory.names:
            return name + b" is taken"
        if self.name:
            del self.factory.names[self.name]
        self.factory.names[name] = self
        self.name = name
        return b"hello " + name

    def subscribe(self, topic):
        if topic in self.topics:
            return b"subscribed already"
        self.topics.add(topic)
        self.factory.topics[topic].append(self)
        return b"ok"

    def unsubscribe(self, topic):
        if topic not in self.topics:
            return b"not subscribed"
        self.topics.remove(topic)
        self.factory.topics[topic].remove(self)
        if not self.factory.topics[topic]:
            del self.factory.topics[topic]
        return b"ok"

    def publish(self, topic, text):
        if not self.name:
            return b"name yourself first"
        line = b"%s <%s> %s" % (topic, self.name, text.rstrip())
        for member in self.factory.topics.get(topic, ()):
            member.sendLine(line)
        return None


class Topics(protocol.Factory):
    protocol = Member

    def __init__(self):
        self.names = {}
        self.topics = collections.defaultdict(list)


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=7100)
options = parser.parse_args()
reactor.listenTCP(options.port, Topics())
reactor.run()
