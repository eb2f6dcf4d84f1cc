#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""chat: many members act at random at the same time, on one, two and four
workers. The lines that a member gets must be consistent: they are from rooms of
which it is a member; a message has the name that its sender had; no line comes
twice, is out of order or missing; and in the end all members agree on the list
of members."""
import collections
import os
import random
import re
import threading

from lined_test import Client, DaemonTest, free_port, main, service
from lined_test import with_workers

MEMBERS = 12
STEPS = 150
NAMES = 12
ROOMS = 3

# "[room] <name> MEMBER NUMBER name room", with the name and the room that the
# sender had, as far as it knew.
MESSAGE = re.compile(r"\[(\S+)\] <(\S+)> (\d+) (\d+) (\S+) (\S+)$")


class Member(threading.Thread):
    """A member, which acts on its own thread."""

    def __init__(self, address, number, seed):
        super().__init__(daemon=True)
        self.client = Client(address)
        self.number = number
        self.dice = random.Random(seed)
        self.rooms = ["lobby"]  # the current one last
        self.said = 0
        self.said_in_lobby = 0
        self.last = collections.defaultdict(lambda: -1)
        self.heard_in_lobby = collections.Counter()
        self.ended = set()
        self.error = None
        greeting = self.line()
        self.name = re.search(r"You are (\S+)\.", greeting).group(1)
        self.until("* %s joined lobby" % self.name)

    # ---- hearing -------------------------------------------------------

    def line(self):
        line = self.client.line().decode()
        if not line.endswith("\n"):
            raise AssertionError("the end instead of a line")
        return line[:-1]

    def take(self, line):
        """Checks a line of another member."""
        end = re.match(r"\[lobby\] <\S+> end (\d+)$", line)
        if end:
            self.ended.add(int(end.group(1)))
        found = MESSAGE.match(line)
        if not found:
            return
        room, name, sender, number, its_name, its_room = found.groups()
        number = int(number)
        if room not in self.rooms:
            raise AssertionError("%r, in %r" % (line, self.rooms))
        if (name, room) != (its_name, its_room):
            raise AssertionError("as another: %r" % line)
        if number <= self.last[sender]:
            raise AssertionError("%r after %d" % (line, self.last[sender]))
        self.last[sender] = number
        if room == "lobby":
            self.heard_in_lobby[int(sender)] += 1

    def until(self, *wanted):
        """Returns the first line that is one of these, or begins with one of
        these."""
        while True:
            line = self.line()
            for text in wanted:
                if line == text or (text[-1] == " " and
                                    line.startswith(text)):
                    return line
            self.take(line)

    # ---- doing ---------------------------------------------------------

    def says(self, line):
        self.client.send(line.encode() + b"\n")

    def talk(self):
        self.says("%d %d %s %s" % (self.number, self.said, self.name,
                                   self.rooms[-1]))
        self.said += 1
        self.said_in_lobby += self.rooms[-1] == "lobby"

    def rename(self):
        name = "name%d" % self.dice.randrange(NAMES)
        if name == self.name:
            return
        self.says("/nick " + name)
        if self.until("* %s is now %s" % (self.name, name),
                      "! %s is taken" % name).startswith("*"):
            self.name = name

    def join_room(self, room):
        self.says("/join " + room)
        if room in self.rooms:
            self.rooms.remove(room)
        else:
            self.until("* %s joined %s" % (self.name, room))
        self.rooms.append(room)

    def part(self):
        """Leaves a random room, but not the lobby."""
        rooms = [room for room in self.rooms if room != "lobby"]
        if rooms:
            room = self.dice.choice(rooms)
            self.says("/part " + room)
            self.until("* %s left %s" % (self.name, room))
            self.rooms.remove(room)

    def who(self):
        self.says("/who lobby")
        return self.until("* lobby: ").split()[2:]

    def look(self):
        names = self.who()
        if self.name not in names or len(names) != MEMBERS:
            raise AssertionError("%s sees %r" % (self.name, names))

    def step(self):
        chance = self.dice.random()
        if chance < 0.5:
            self.talk()
        elif chance < 0.65:
            self.rename()
        elif chance < 0.8:
            self.join_room("room%d" % self.dice.randrange(ROOMS))
        elif chance < 0.9:
            self.part()
        elif chance < 0.95:
            self.join_room("lobby")
        else:
            self.look()

    def run(self):
        try:
            for _ in range(STEPS):
                self.step()
            self.join_room("lobby")
            self.says("end %d" % self.number)
            # Reads lines until each other member has ended.
            while len(self.ended) < MEMBERS - 1:
                self.take(self.line())
        except (AssertionError, OSError) as error:
            self.error = "member %d: %r" % (self.number, error)


class Crowd(DaemonTest):
    workers = 1

    def test_what_each_hears_hangs_together(self):
        seed = int(os.environ.get("LINED_SEED") or random.randrange(1 << 30))
        address = ("127.0.0.1", free_port())
        self.start(service("lobby", "tcp://%s:%d" % address, protocol="chat",
                           extra="chat { flood-rate = 0 }"),
                   workers=self.workers)
        members = []
        for i in range(MEMBERS):
            members.append(Member(address, i, seed + i))
            self.addCleanup(members[-1].client.close)
        # One member's node may not know yet that the last member came.
        for member in members:
            self.eventually(lambda m=member: len(m.who()) == MEMBERS, "all")
        for member in members:
            member.start()
        for member in members:
            member.join()  # reading times out
        for member in members:
            self.assertIsNone(member.error, "seed %d" % seed)
        for member in members:
            said = {m.number: m.said_in_lobby for m in members
                    if m is not member and m.said_in_lobby}
            self.assertEqual(member.heard_in_lobby, said, "seed %d" % seed)
        names = sorted(member.name for member in members)
        for member in members:
            self.assertEqual(sorted(member.who()), names, "seed %d" % seed)


with_workers(globals(), 2, Crowd)
with_workers(globals(), 4, Crowd)

if __name__ == "__main__":
    main(300)
