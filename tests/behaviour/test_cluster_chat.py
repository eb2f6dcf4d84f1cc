#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A chat on several nodes, with one and four workers each. Actions of operators
reach everybody, and each node keeps the state that it has heard of."""
import re

from cluster_test import ClusterTest, Nats
from lined_test import main
from test_chat import PASSWORD, make_hash


class ChatTest(ClusterTest):
    workers = 1

    def begin(self, count=3):
        """Starts nodes with one person each. The first person is an operator.
        """
        options = ("history = 10  operator \"root\" { hash = '%s' } "
                   % make_hash())
        self.nats = Nats(self)
        self.all = [self.node("node-%c" % (97 + i), self.nats.url(),
                              options=options) for i in range(count)]
        people = [self.person(node, "p%d" % i)
                  for i, node in enumerate(self.all)]
        for person in people:
            self.meet(person, people)
        people[0].say("/oper root " + PASSWORD)
        people[0].until(r"\* you are now an operator$")
        return people

    def meet(self, person, people):
        names = sorted(other.nickname for other in people)
        self.eventually(lambda: person.who() == names, "all of them")

    def hears(self, speaker, *listeners):
        """Checks that each listener hears the speaker's line. Returns the lines
        before it."""
        self.said = getattr(self, "said", 0) + 1
        speaker.say("probe %d" % self.said)
        before = []
        for listener in listeners:
            mark = len(listener.heard)
            listener.until(r"\[\w+\] <%s> probe %d$"
                           % (speaker.nickname, self.said))
            before.append(listener.heard[mark:-1])
        return before


class Operators(ChatTest):
    def test_kick(self):
        p0, p1, p2 = self.begin()
        p0.say("/kick p1 too loud")
        for person in p0, p1, p2:
            person.until(r"\* p1 was kicked from lobby by p0: too loud$")
        for person in p0, p2:
            self.eventually(lambda p=person: p.who() == ["p0", "p2"], "p1 out")
        p1.say("hello?")
        p1.until("! you are in no room$")
        p1.say("/join lobby")
        for person in p0, p1, p2:
            person.until(r"\* p1 joined lobby$")

    def test_ban(self):
        p0, p1, p2 = self.begin()
        p0.say("/ban p1")
        for person in p0, p1, p2:
            person.until(r"\* p1 was kicked from lobby by p0$")
        p1.say("/join lobby")
        p1.until("! you are banned from lobby$")
        # A ban also holds for another name and on another node.
        p1.say("/nick p9")
        p1.until(r"\* p1 is now p9$")
        p1.say("/join lobby")
        p1.until("! you are banned from lobby$")
        other = self.person(self.all[2])

        def is_p1():
            other.say("/nick p1")
            return "now" in other.until(r"(\* \S+ is now p1|! p1 is taken)$"
                                        ).group(1)
        self.eventually(is_p1, "the end of p1's name")
        other.say("/part")
        other.say("/join lobby")
        other.until("! you are banned from lobby$")
        p0.say("/unban p1")
        p0.until(r"\* p1 is no longer banned from lobby$")
        self.hears(p0, p2)
        for person in p1, other:
            def joins(p=person):
                p.say("/join lobby")
                return p.until(r"(\* \S+ joined lobby$|! you are banned)"
                               ).group(1).startswith("*")
            self.eventually(joins, "the end of the ban")

    def test_mute(self):
        p0, p1, p2 = self.begin()
        p0.say("/mute p1 600")
        for person in p0, p1, p2:
            person.until(r"\* p1 was muted by p0 for 600 s$")
        p1.say("hello")
        p1.until("! you are muted$")
        for before in self.hears(p2, p0, p1):
            self.assertEqual(before, [])
        p0.say("/mute p1 0")
        p1.until(r"\* p1 was muted by p0 for 0 s$")
        self.hears(p1, p0, p2)

    def test_announce_and_topic(self):
        p0, p1, p2 = self.begin()
        p2.say("/part")
        p2.until(r"\* p2 left lobby$")
        p0.say("/announce at noon")
        for person in p0, p1, p2:
            person.until(r"\* announcement: at noon$")
        p1.say("/topic by p1")
        for person in p0, p1:
            person.until(r"\* p1 set the topic of lobby: by p1$")
        p0.say("/topic by p0")
        for person in p1, p0:
            person.until(r"\* p0 set the topic of lobby: by p0$")
        self.hears(p0, p1)
        # A later client on any node gets the last topic.
        for node in self.all[:2]:
            late = self.person(node)
            self.assertIn("* topic of lobby: by p0", self.early(late))

    def early(self, person):
        """Returns the lines that a person got when it connected."""
        person.say("/ping")
        person.until(r"\* pong$")
        return person.heard


class Stop(ChatTest):
    def test_who_leaves_with_a_node_quits(self):
        p0, p1, p2 = people = self.begin()
        p3 = self.person(self.all[1], "p3")
        for person in people:
            self.meet(person, people + [p3])
        p1.say("/join den")
        p1.until(r"\* p1 joined den$")
        self.all[1].stop()
        for person in p0, p2:
            self.meet(person, [p0, p2])
            self.hears(p0, p2)
            person.say("/ping")
            person.until(r"\* pong$")
            for name in "p1", "p3":
                self.assertEqual(person.heard.count("* %s quit" % name), 1)
        # These two hear only of the end of their own node.
        for person in p1, p3:
            self.assertNotIn(b"quit", person.ended())


class StopOfFourWorkers(Stop):
    workers = 4


class OperatorsOfFourWorkers(Operators):
    workers = 4


class History(ChatTest):
    LINE = r"\[lobby \d\d:\d\d\] <(p\d)> (probe \d+)$"

    def told(self, person):
        person.say("/history")
        person.say("/ping")
        mark = len(person.heard)
        person.until(r"\* pong$")
        return [m.groups() for m in
                (re.match(self.LINE, line) for line in person.heard[mark:])
                if m]

    def test_each_node_tells_what_it_heard(self):
        people = self.begin()
        for i in range(12):
            speaker = people[i % 3]
            self.hears(speaker, *[p for p in people if p is not speaker])
        want = [("p%d" % (i % 3), "probe %d" % (i + 1)) for i in range(2, 12)]
        for person in people:
            self.assertEqual(self.told(person), want)
        # A new node gets only lines that are sent from then on.
        late = self.node("node-z", self.nats.url(),
                         options="history = 10 ")
        newcomer = self.person(late, "p7")
        self.meet(people[0], people + [newcomer])
        self.assertEqual(self.told(newcomer), [])
        self.hears(people[0], newcomer)
        self.assertEqual(self.told(newcomer), [("p0", "probe 13")])


class HistoryOfFourWorkers(History):
    workers = 4


if __name__ == "__main__":
    main()
