# SPDX-License-Identifier: MIT
"""notes.c in Twisted: texts under keys, kept for a while, and reminders."""
import argparse
import collections

from twisted.internet import protocol, reactor, task
from twisted.protocols.basic import LineReceiver


class Guest(LineReceiver):
    delimiter = b"\n"

    def connectionMade(self):
        self.reminder = None
        self.factory.guests.add(self)
        self.sendLine(self.factory.options.motto.encode())

    def connectionLost(self, reason):
        self.factory.guests.discard(self)
        if self.reminder:
            self.reminder.cancel()

    def lineReceived(self, line):
        words = line.split(None, 2)
        command = words[0] if words else b""
        if command == b"note" and len(words) == 3:
            self.note(words[1], words[2])
        elif command == b"show" and len(words) == 2:
            self.show(words[1])
        elif command == b"list" and len(words) == 1:
            for key in self.factory.notes:
                self.sendLine(key)
            self.sendLine(b".")
        elif command == b"remind" and len(words) == 3:
            self.remind(words[1], words[2])
        else:
            self.sendLine(b"what?")

    def note(self, key, text):
        options, notes = self.factory.options, self.factory.notes
        if len(key) + len(text) + 128 > options.memory:
            self.sendLine(b"no room")
            return
        self.factory.forget(key)
        expires = reactor.callLater(options.keep, self.factory.forget, key)
        notes[key] = text, expires
        self.factory.size += len(key) + len(text) + 128
        while self.factory.size > options.memory:
            self.factory.forget(next(iter(notes)))
        self.sendLine(b"ok")

    def show(self, key):
        if key in self.factory.notes:
            self.factory.notes.move_to_end(key)
            self.sendLine(self.factory.notes[key][0])
        else:
            self.sendLine(b"no such note")

    def remind(self, delay, text):
        if not delay.isdigit() or int(delay) > 3600000:
            self.sendLine(b"bad reminder")
            return
        if self.reminder:
            self.reminder.cancel()
        self.reminder = reactor.callLater(int(delay) / 1000, self.expired,
                                          text)

    def expired(self, text):
        self.reminder = None
        self.sendLine(b"reminder: " + text)


class Notes(protocol.Factory):
    protocol = Guest

    def __init__(self, options):
        self.options = options
        self.guests = set()
        self.notes = collections.OrderedDict()
        self.size = 0
        self.told = 0
        task.LoopingCall(self.tell).start(0.1)

    def forget(self, key):
        if key in self.notes:
            text, expires = self.notes.pop(key)
            self.size -= len(key) + len(text) + 128
            if expires.active():
                expires.cancel()

    def tell(self):
        if len(self.notes) != self.told:
            for guest in self.guests:
                guest.sendLine(b"%d notes" % len(self.notes))
        self.told = len(self.notes)


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=7100)
parser.add_argument("--keep", type=float, default=3600)
parser.add_argument("--memory", type=int, default=1 << 20)
parser.add_argument("--motto", default="Take notes.")
options = parser.parse_args()
reactor.listenTCP(options.port, Notes(options))
reactor.run()
