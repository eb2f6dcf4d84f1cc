#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""chat: every line that a client gets, to the letter, with one, two and four
workers. All workers must agree on names and seats, and abuse must not reach
other terminals."""
import collections
import itertools
import os
import random
import re
import signal
import subprocess
import threading
import time

from lined_test import NODES, PATIENCE, TOP, Client, DaemonTest
from lined_test import free_port, main, one_node, service, with_workers

HELP = ". /help lists the commands."
GOODBYE = "* announcement: this service is closing"
PASSWORD = "open sesame"


def make_hash():
    """A hash of PASSWORD, made by this system."""
    done = subprocess.run(["perl", "-e", "print crypt(shift, '$6$lined$')",
                           PASSWORD], stdout=subprocess.PIPE, check=True,
                          timeout=30)
    return done.stdout.decode().strip()


class Person(Client):
    """A member. Reads lines as text."""
    tokens = itertools.count(1)

    def says(self, *lines):
        self.send("".join(line + "\n" for line in lines).encode())

    def hears_line(self):
        line = self.line()
        if not line.endswith(b"\n"):
            raise AssertionError("the end instead of a line: %r" % line)
        return line[:-1].decode("utf-8")

    def hears(self, *lines):
        for line in lines:
            got = self.hears_line()
            if got != line:
                raise AssertionError("%r instead of %r" % (got, line))

    def asks(self, line, *answers):
        self.says(line)
        self.hears(*answers)

    def tells(self, other, text):
        """Sends a private message to another person, whose name may become
        known only a moment later."""
        self.says("/msg %s %s" % (other.name, text))
        unknown = "! no such nickname: " + other.name
        while NODES > 1:
            self.says("/ping")
            if unknown not in self.until("* pong"):
                break
            self.says("/msg %s %s" % (other.name, text))

    def has_heard_nothing(self):
        """Checks that the person gets nothing but the answer to its own
        command."""
        self.asks("/ping", "* pong")

    def until(self, wanted):
        """Returns the lines before this one."""
        lines = []
        while True:
            line = self.hears_line()
            if line == wanted:
                return lines
            lines.append(line)

    def greeted(self, motd="Welcome.", room="lobby"):
        """Reads the greeting. Returns the guest's number."""
        line = self.hears_line()
        head = "* " + (motd + " " if motd else "") + "You are guest"
        if not (line.startswith(head) and line.endswith(HELP)):
            raise AssertionError(line)
        self.name = "guest" + line[len(head):-len(HELP)]
        if room:
            self.hears("* %s joined %s" % (self.name, room))
        return int(self.name[5:])


class Chat(DaemonTest):
    workers = 1
    options = ""
    limits = ("limits { clients-per-address = 0 "
              "connect-rate-per-address = 0 }\n")

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.daemon = self.start(self.text(self.options),
                                 workers=self.workers)

    def text(self, options):
        return service("lobby", "tcp://127.0.0.1:%d" % self.port,
                       protocol="chat",
                       extra=self.limits + "chat { %s }" % options)

    def connect(self):
        person = Person(self.address)
        self.addCleanup(person.close)
        return person

    def arrive(self, *names):
        """Connects people with these names. Returns when all of them have heard
        of each other in the lobby."""
        people = []
        for name in names:
            person = self.connect()
            person.greeted()
            person.says("/nick " + name)
            # On another node the person may get late lines that were sent
            # before it connected.
            person.until("* %s is now %s" % (person.name, name))
            person.name = name
            people.append(person)
        self.settle(*people)
        return people if len(people) > 1 else people[0]

    def settle(self, *people):
        """Makes everybody read all lines that were sent to them."""
        for a in people:
            for b in people:
                if a is not b:
                    text = "settle %d" % next(Person.tokens)
                    a.tells(b, text)
                    b.until("(%s) %s" % (a.name, text))

    def last_words(self, person, *others):
        """Returns the lines until the end. Because nodes do not stop at the
        same time, there may be lines about others that have quit."""
        theirs = tuple("* %s " % other.name for other in others)
        return [line for line in person.rest().decode().splitlines()
                if NODES == 1 or not line.startswith(theirs)]

    def finds(self, person, line, answer):
        """Asks until the answer matches, because a change on another node
        becomes known only a moment later."""
        def found():
            person.says(line)
            return person.hears_line() == answer
        self.eventually(found, answer, PATIENCE if NODES > 1 else 0)

    def names(self, person, room="lobby"):
        person.says("/who " + room)
        line = person.hears_line()
        head = "* %s:" % room
        self.assertTrue(line.startswith(head), line)
        return line[len(head):].split()


# ---- the text ---------------------------------------------------------------

class Text(Chat):
    def test_the_conversation_of_the_design(self):
        alice = self.connect()
        alice.hears("* Welcome. You are guest1" + HELP,
                    "* guest1 joined lobby")
        bob = self.connect()
        bob.hears("* Welcome. You are guest2" + HELP,
                  "* guest2 joined lobby")
        carol = self.connect()
        carol.hears("* Welcome. You are guest3" + HELP,
                    "* guest3 joined lobby")
        if NODES == 1:
            alice.hears("* guest2 joined lobby", "* guest3 joined lobby")
            bob.hears("* guest3 joined lobby")
        else:  # what people on different nodes do has no order
            alice.name, bob.name, carol.name = "guest1", "guest2", "guest3"
            self.settle(alice, bob, carol)
        alice.says("/nick alice")
        for who in (alice, bob, carol):
            who.hears("* guest1 is now alice")
        bob.says("/nick bob")
        for who in (alice, bob, carol):
            who.hears("* guest2 is now bob")
        alice.says("hello")
        for who in (bob, carol):
            who.hears("[lobby] <alice> hello")
        alice.says("/msg bob psst")
        bob.hears("(alice) psst")
        for who in (alice, bob, carol):
            who.has_heard_nothing()

    def test_guests_are_numbered_and_no_number_comes_again(self):
        for number in range(1, 9):
            person = self.connect()
            self.assertEqual(person.greeted(), number)
            if number % 3 == 0:
                person.close()
        late = self.connect()
        self.assertEqual(late.greeted(), 9)

    def test_messages_and_actions(self):
        alice, bob = self.arrive("alice", "bob")
        alice.says("hello", "/me waves", "//not a command", " /nor this",
                   "", "last  ")
        bob.hears("[lobby] <alice> hello", "[lobby] * alice waves",
                  "[lobby] <alice> /not a command",
                  "[lobby] <alice>  /nor this", "[lobby] <alice> last  ")
        alice.has_heard_nothing()

    def test_joining_parting_and_quitting(self):
        alice, bob = self.arrive("alice", "bob")
        alice.asks("/join den", "* alice joined den")
        bob.has_heard_nothing()
        self.settle(alice, bob)
        bob.asks("/join den", "* bob joined den")
        alice.hears("* bob joined den")
        alice.says("here")
        bob.hears("[den] <alice> here")
        alice.asks("/part den", "* alice left den")
        bob.hears("* alice left den")
        alice.says("back in the lobby")
        bob.hears("[lobby] <alice> back in the lobby")
        alice.says("/join den", "/quit so long")
        alice.hears("* alice joined den")
        bob.hears("* alice joined den", "* alice quit: so long")
        self.assertEqual(alice.ended(), b"")
        bob.has_heard_nothing()
        carol = self.arrive("carol")
        self.settle(bob, carol)
        carol.says("/quit")
        bob.hears("* carol quit")
        dave = self.arrive("dave")
        self.settle(bob, dave)
        dave.reset()
        bob.hears("* dave quit")

    def test_who_shares_two_rooms_hears_of_a_name_and_a_quit_once(self):
        alice, bob = self.arrive("alice", "bob")
        for who in (alice, bob):
            who.says("/join den", "/join attic")
            who.until("* %s joined attic" % who.name)
        self.settle(alice, bob)
        alice.asks("/nick ally", "* alice is now ally")
        bob.hears("* alice is now ally")
        bob.has_heard_nothing()
        alice.says("/quit")
        bob.hears("* ally quit")
        bob.has_heard_nothing()

    def test_who_shares_no_room_hears_nothing(self):
        alice, bob = self.arrive("alice", "bob")
        alice.asks("/part", "* alice left lobby")
        bob.hears("* alice left lobby")
        alice.asks("/nick ally", "* alice is now ally")
        alice.name = "ally"
        self.settle(alice, bob)
        alice.asks("hello", "! you are in no room")
        alice.says("/quit")
        self.assertEqual(alice.ended(), b"")
        self.eventually(lambda: self.gone(bob, "ally"), "ally's end")
        bob.has_heard_nothing()

    def gone(self, person, name):
        person.says("/ignore " + name, "/ping")
        return person.until("* pong") == ["! no such nickname: " + name]

    def test_the_current_room_is_the_one_joined_last(self):
        alice, bob = self.arrive("alice", "bob")
        for who in (alice, bob):
            who.says("/join den", "/join attic")
            who.until("* %s joined attic" % who.name)
        self.settle(alice, bob)
        alice.says("one", "/join den", "two", "/part", "three")
        alice.hears("* alice left den")
        bob.hears("[attic] <alice> one", "[den] <alice> two",
                  "* alice left den", "[attic] <alice> three")

    def test_topics(self):
        alice, bob = self.arrive("alice", "bob")
        alice.says("/topic")
        alice.has_heard_nothing()
        alice.asks("/topic  Tea  and more ",
                   "* alice set the topic of lobby: Tea  and more")
        bob.hears("* alice set the topic of lobby: Tea  and more")
        bob.asks("/topic", "* topic of lobby: Tea  and more")
        carol = self.connect()
        carol.greeted()
        carol.hears("* topic of lobby: Tea  and more")
        carol.has_heard_nothing()
        # The topic ends with the room.
        alice.says("/join den", "/topic new")
        alice.until("* alice set the topic of den: new")
        alice.asks("/part", "* alice left den")
        bob.hears("* guest3 joined lobby")
        self.settle(alice, bob)
        bob.asks("/join den", "* bob joined den")
        bob.says("/topic")
        bob.has_heard_nothing()

    def test_who_rooms_and_ping(self):
        zoe, bob, alice = self.arrive("Zoe", "bob", "alice")
        zoe.asks("/join den", "* Zoe joined den")
        for who in (alice, bob):
            who.has_heard_nothing()
        self.settle(zoe, bob, alice)
        for who in (zoe, bob, alice):
            who.asks("/who lobby", "* lobby: alice bob Zoe")
            who.asks("/rooms", "* rooms: den (1) lobby (3)")
            who.asks("/who den", "* den: Zoe")
        zoe.asks("/who", "* den: Zoe")
        bob.asks("/ping", "* pong")
        zoe.asks("/part", "* Zoe left den")
        self.settle(zoe, bob)
        bob.asks("/who den", "! no such room: den")
        bob.asks("/rooms", "* rooms: lobby (3)")

    def test_names_are_one_without_regard_to_case(self):
        alice, bob = self.arrive("Alice", "bob")
        for name in ("alice", "ALICE", "Alice"):
            bob.asks("/nick " + name, "! %s is taken" % name)
        bob.says("/msg aLiCe hi")
        alice.hears("(bob) hi")
        alice.asks("/nick aLICE", "* Alice is now aLICE")
        bob.hears("* Alice is now aLICE")
        bob.asks("/who", "* lobby: aLICE bob")
        bob.asks("/nick alice", "! alice is taken")
        alice.asks("/nick alice", "* aLICE is now alice")
        bob.hears("* aLICE is now alice")
        alice.asks("/nick carol", "* alice is now carol")
        bob.hears("* alice is now carol")
        self.finds(bob, "/nick ALICE", "* bob is now ALICE")
        alice.hears("* bob is now ALICE")

    def test_a_name_is_free_when_its_owner_has_gone(self):
        alice, bob = self.arrive("alice", "bob")
        alice.close()
        bob.hears("* alice quit")
        self.finds(bob, "/nick alice", "* bob is now alice")

    def test_away(self):
        alice, bob = self.arrive("alice", "bob")
        bob.asks("/away for tea", "* you are away: for tea")
        self.settle(alice, bob)
        alice.asks("/msg bob there?", "* bob is away: for tea")
        bob.hears("(alice) there?")
        bob.asks("/nick rob", "* bob is now rob")
        alice.hears("* bob is now rob")
        alice.asks("/msg ROB hm", "* rob is away: for tea")
        bob.hears("(alice) hm")
        bob.asks("/away", "* you are back")
        bob.has_heard_nothing()
        bob.name = "rob"
        self.settle(alice, bob)
        alice.says("/msg rob now")
        bob.hears("(alice) now")
        alice.has_heard_nothing()

    def test_ignoring(self):
        alice, bob, carol = self.arrive("alice", "bob", "carol")
        alice.asks("/ignore BOB", "* you ignore bob")
        bob.asks("/nick rob", "* bob is now rob")
        bob.name = "rob"
        alice.hears("* bob is now rob")
        carol.hears("* bob is now rob")
        bob.says("pest", "/me pesters", "/msg alice pssst")
        carol.hears("[lobby] <rob> pest", "[lobby] * rob pesters")
        carol.says("enough")
        alice.hears("[lobby] <carol> enough")
        alice.asks("/ignore rob", "* you no longer ignore rob")
        bob.says("peace")
        alice.hears("[lobby] <rob> peace")

    def test_commands_in_one_packet_are_answered_in_order(self):
        alice = self.connect()
        alice.greeted()
        alice.says("/nick alice", "/who", "/join den", "/topic t", "/who",
                   "/part", "/rooms", "/nick a b", "/ping")
        alice.hears("* guest1 is now alice", "* lobby: alice",
                    "* alice joined den", "* alice set the topic of den: t",
                    "* den: alice", "* alice left den",
                    "* rooms: lobby (1)", "! bad nickname: a b", "* pong")

    def test_a_half_closed_client_gets_all_answers(self):
        alice = self.connect()
        alice.says("/nick alice", "/join den", "/who", "/quit")
        alice.half_close()
        self.assertEqual(alice.ended().decode().split("\n"), [
            "* Welcome. You are guest1" + HELP, "* guest1 joined lobby",
            "* guest1 is now alice", "* alice joined den", "* den: alice",
            ""])

    def test_errors(self):
        alice, bob = self.arrive("alice", "bob")
        alice.asks("/nick bob", "! bob is taken")
        alice.asks("/nick BOB", "! BOB is taken")
        for name in ("x y", "é", "a" * 33, "guest7", "Guest77", "a.b"):
            alice.asks("/nick " + name, "! bad nickname: " + name)
        alice.asks("/msg nobody hi", "! no such nickname: nobody")
        alice.asks("/ignore x y", "! no such nickname: x y")
        alice.asks("/who den", "! no such room: den")
        for room in ("Den", "a.b", "r" * 33):
            alice.asks("/join " + room, "! bad room name: " + room)
        alice.asks("/part den", "! not in den")
        alice.asks("/foo", "! unknown command: /foo (try /help)")
        alice.asks("/", "! unknown command: / (try /help)")
        for command in ("nick NAME", "join ROOM [KEY]", "msg NICK TEXT",
                        "me TEXT", "ignore NICK", "oper NAME PASSWORD"):
            alice.asks("/" + command.split()[0], "! usage: /" + command)
        alice.asks("/msg bob", "! usage: /msg NICK TEXT")
        alice.asks("/oper root", "! usage: /oper NAME PASSWORD")
        alice.asks("/history x", "! usage: /history [N]")
        for command in ("kick bob", "ban bob", "unban bob", "mute bob 1",
                        "announce x", "kick"):
            alice.asks("/" + command, "! operators only")
        alice.asks("/part", "* alice left lobby")
        for command in ("hello", "/me x", "/who", "/topic", "/topic x",
                        "/part", "/history"):
            alice.asks(command, "! you are in no room")
        bob.hears("* alice left lobby")
        bob.has_heard_nothing()

    options = "flood-rate = 0"

    def test_help_names_every_command(self):
        alice = self.arrive("alice")
        alice.says("/help")
        line = alice.hears_line()
        self.assertTrue(line.startswith("* "), line)
        for command in ("/help", "/nick NAME", "/join ROOM [KEY]",
                        "/part [ROOM]", "/rooms", "/who [ROOM]",
                        "/msg NICK TEXT", "/me TEXT", "/topic [TEXT]",
                        "/history [N]", "/ignore NICK", "/away [TEXT]",
                        "/ping", "/quit [REASON]"):
            self.assertIn(command, line)


# ---- options ----------------------------------------------------------------

class Options(Chat):
    options = """
        motd = ""  history = 3  echo = true  flood-rate = 0
        default-room = "hall"
        room "hall" { topic = "Be kind" }
        room "vault" { key = "tick tock" }
        room "board" { read-only = true }
        operator "root" { hash = '%s' }
        operator "far" { hash = '%s'  from = { "192.0.2.0/24", "unix" } }
        operator "near" { hash = '%s'  from = { "127.0.0.0/8" } }
    """ % ((make_hash(),) * 3)

    def arrive(self, *names):
        people = []
        for name in names:
            person = self.connect()
            person.greeted("", "hall")
            person.until("* topic of hall: Be kind")
            person.says("/nick " + name)
            person.until("* %s is now %s" % (person.name, name))
            person.name = name
            people.append(person)
        self.settle(*people)
        return people if len(people) > 1 else people[0]

    def oper(self, person, name="root"):
        person.asks("/oper %s %s" % (name, PASSWORD),
                    "* you are now an operator")

    def test_echo_goes_to_the_sender_too(self):
        alice, bob = self.arrive("alice", "bob")
        alice.says("hello", "/me waves", "/ping", "/msg bob x")
        alice.hears("[hall] <alice> hello", "[hall] * alice waves", "* pong")
        bob.hears("[hall] <alice> hello", "[hall] * alice waves",
                  "(alice) x")
        alice.has_heard_nothing()

    def history_of(self, person, command="/history"):
        person.says(command, "/ping")
        return person.until("* pong")

    def test_history(self):
        alice, bob = self.arrive("alice", "bob")
        self.assertEqual(self.history_of(alice), [])
        for i in range(4):
            alice.asks("line %d" % i, "[hall] <alice> line %d" % i)
        alice.asks("/me waves", "[hall] * alice waves")
        self.settle(alice, bob)
        clock = time.strftime("%H:%M", time.gmtime())
        carol = self.connect()
        carol.hears("* You are guest3" + HELP, "* guest3 joined hall",
                    "* topic of hall: Be kind")
        lines = [carol.hears_line() for _ in range(3)]
        carol.has_heard_nothing()
        self.assertEqual(
            [re.sub(r" \d\d:\d\d\]", "]", line) for line in lines],
            ["[hall] <alice> line 2", "[hall] <alice> line 3",
             "[hall] * alice waves"])
        if clock == time.strftime("%H:%M", time.gmtime()):
            self.assertIn("[hall %s] <alice> line 3" % clock, lines)
        bob.until("* guest3 joined hall")
        self.assertEqual(self.history_of(bob), lines)
        self.assertEqual(self.history_of(bob, "/history 1"), lines[2:])
        self.assertEqual(self.history_of(bob, "/history 0"), [])

    def test_what_the_config_names_outlives_its_members(self):
        self.write(self.text('history = 5 room "den" { }'),
                   workers=self.workers)
        self.daemon.reload()
        alice = self.connect()
        alice.greeted()
        alice.says("in the lobby", "/topic Tea", "/join den", "in the den",
                   "/join attic", "in the attic", "/topic Dust", "/part",
                   "/part", "/part", "/who lobby", "/who den", "/who attic")
        alice.until("* guest1 left lobby")
        alice.hears("* lobby:", "* den:", "! no such room: attic")
        alice.close()
        bob = self.connect()
        self.assertEqual(bob.greeted(), 2)
        bob.hears("* topic of lobby: Tea")
        self.assertRegex(bob.hears_line(),
                         r"^\[lobby \d\d:\d\d\] <guest1> in the lobby$")
        # On another node the line about alice's end may come late.
        bob.says("/join attic")
        bob.until("* guest2 joined attic")
        bob.asks("/join den", "* guest2 joined den")
        self.assertRegex(bob.hears_line(),
                         r"^\[den \d\d:\d\d\] <guest1> in the den$")
        bob.has_heard_nothing()

    def test_a_long_history_drops_nobody(self):
        """A new member gets the newest lines of a history that is longer than
        its queue."""
        self.write(self.text("history = 1000 flood-rate = 0").replace(
            "limits {", "limits { send-queue = 64k"), workers=self.workers)
        self.daemon.reload()
        # There is one client on each worker: when all have heard a line, all
        # earlier lines have arrived, too.
        alice, *others = Chat.arrive(self, "alice", "bob", "chris", "dora")
        alice.says(*("%d %s" % (i, "x" * 1000) for i in range(300)))
        for other in others:
            other.until("[lobby] <alice> 299 " + "x" * 1000)
        carol = Person(self.address, rcvbuf=2048)
        self.addCleanup(carol.close)
        carol.greeted()
        carol.says("/ping")
        lines = carol.until("* pong")
        numbers = [int(line.split()[3]) for line in lines]
        self.assertEqual(numbers, list(range(300 - len(numbers), 300)))
        self.assertTrue(20 < len(numbers) < 40, len(numbers))
        self.assertEqual(self.history_of(carol), lines)
        self.assertEqual(self.history_of(carol, "/history 2"), lines[-2:])
        self.settle(carol, *others)

    def test_history_is_the_same_on_all_workers(self):
        people = self.arrive("a", "b", "c", "d")
        for i in range(50):
            for who in people:
                who.says("%s %d" % (who.name, i))
        self.settle(*people)
        views = [self.history_of(who) for who in people]
        self.assertEqual(len(views[0]), 3)
        for view in views[1:]:
            self.assertEqual(view, views[0])

    def test_permanent_rooms(self):
        alice, bob = self.arrive("alice", "bob")
        alice.asks("/who vault", "! vault needs a key")
        alice.asks("/who board", "* board:")
        alice.asks("/rooms", "* rooms: hall (2)")
        alice.asks("/join vault", "! vault needs a key")
        alice.asks("/join vault tick", "! vault needs a key")
        alice.asks("/join vault tick tock", "* alice joined vault")
        alice.asks("/who", "* vault: alice")
        alice.asks("/topic deep", "* alice set the topic of vault: deep")
        alice.asks("/part", "* alice left vault")
        self.settle(alice, bob)
        bob.asks("/join vault tick tock", "* bob joined vault",
                 "* topic of vault: deep")
        bob.asks("/join board", "* bob joined board")
        bob.asks("hello", "! board is read-only")
        bob.asks("/me x", "! board is read-only")
        bob.asks("/topic x", "! board is read-only")
        self.oper(bob)
        bob.asks("hello", "[board] <bob> hello")
        self.settle(alice, bob)
        alice.says("/join board")
        alice.hears("* alice joined board")
        self.assertTrue(alice.hears_line().endswith("] <bob> hello"))

    def test_an_answer_is_awaited_when_it_stops(self):
        alice = self.arrive("alice")
        # Verifying a password takes longer than a step of the drain. It must
        # not begin before the signal arrives.
        self.daemon.signal(signal.SIGSTOP)
        alice.says("/oper root " + PASSWORD)
        self.daemon.signal(signal.SIGTERM)
        self.daemon.signal(signal.SIGCONT)
        # The signal and the line were there at the same time.
        self.assertEqual({alice.hears_line(), alice.hears_line()},
                         {"* you are now an operator", GOODBYE})
        self.assertEqual(alice.rest(), b"")
        self.assertEqual(self.daemon.wait(), 0)

    def test_operators_and_their_passwords(self):
        alice = self.arrive("alice")
        alice.asks("/oper root " + PASSWORD.upper(), "! wrong password")
        alice.asks("/oper far " + PASSWORD, "! wrong password")
        self.oper(alice, "near")
        alice.says("/help")
        alice.hears_line()
        self.assertIn("/announce TEXT", alice.hears_line())
        bob = self.connect()
        bob.greeted("", "hall")
        bob.until("* topic of hall: Be kind")
        for _ in range(3):
            bob.asks("/oper nobody x", "! wrong password")
        self.assertEqual(bob.ended(), b"")

    def test_the_lines_behind_a_password_wait_for_it(self):
        alice = self.arrive("alice")
        alice.says("/oper root x", "/oper root " + PASSWORD, "/announce hi",
                   "/ping")
        alice.hears("! wrong password", "* you are now an operator",
                    "* announcement: hi", "* pong")

    def test_kicking_and_banning(self):
        alice, bob, carol = self.arrive("alice", "bob", "carol")
        self.oper(alice)
        alice.says("/kick bob be gone", "/who")
        kicked = "* bob was kicked from hall by alice: be gone"
        alice.hears(kicked, "* hall: alice carol")
        bob.hears(kicked)
        carol.hears(kicked)
        carol.asks("/who", "* hall: alice carol")
        bob.asks("hello", "! you are in no room")
        alice.asks("/kick bob", "! not in hall")
        alice.asks("/kick nobody", "! no such nickname: nobody")
        bob.asks("/join hall", "* bob joined hall",
                 "* topic of hall: Be kind")
        for who in (alice, carol):
            who.hears("* bob joined hall")
        alice.says("/ban Bob")
        for who in (alice, bob, carol):
            who.hears("* bob was kicked from hall by alice")
        bob.asks("/join hall", "! you are banned from hall")
        bob.asks("/nick rob", "* bob is now rob")
        bob.asks("/join hall", "! you are banned from hall")
        self.finds(carol, "/nick bob", "* carol is now bob")
        alice.hears("* carol is now bob")
        alice.asks("/unban nobody", "! no such nickname: nobody")
        alice.asks("/unban alice", "! alice is not banned")
        alice.asks("/unban BOB", "* BOB is no longer banned from hall")
        bob.name, carol.name = "rob", "bob"
        self.settle(alice, bob)
        bob.asks("/join hall", "* rob joined hall",
                 "* topic of hall: Be kind")
        alice.until("* rob joined hall")
        alice.asks("/kick", "! usage: /kick NICK [REASON]")
        # The ban also works with the person's current nickname.
        alice.says("/ban rob", "/ban rob now")
        bob.hears("* rob was kicked from hall by alice")
        bob.asks("/nick robert", "* rob is now robert")
        bob.asks("/join hall", "! you are banned from hall")
        alice.until("* rob was kicked from hall by alice")
        bob.name = "robert"
        self.settle(alice, bob)
        alice.asks("/unban Robert",
                   "* Robert is no longer banned from hall")
        self.settle(alice, bob)
        bob.asks("/join hall", "* robert joined hall",
                 "* topic of hall: Be kind")

    def test_muting(self):
        alice, bob, carol = self.arrive("alice", "bob", "carol")
        self.oper(alice)
        alice.asks("/mute bob", "! usage: /mute NICK SECONDS")
        alice.asks("/mute bob x", "! usage: /mute NICK SECONDS")
        alice.asks("/mute nobody 1", "! no such nickname: nobody")
        alice.says("/mute bob 60", "/ping")
        alice.hears("* bob was muted by alice for 60 s", "* pong")
        bob.hears("* bob was muted by alice for 60 s")
        carol.hears("* bob was muted by alice for 60 s")
        for line in ("hello", "/me x", "/msg carol x", "/topic x"):
            bob.asks(line, "! you are muted")
        bob.asks("/who", "* hall: alice bob carol")
        carol.has_heard_nothing()
        alice.says("/mute bob 0")
        for who in (alice, bob, carol):
            who.hears("* bob was muted by alice for 0 s")
        bob.asks("hello", "[hall] <bob> hello")
        bob.asks("/part", "* bob left hall")
        for who in (alice, carol):
            who.until("* bob left hall")
        alice.asks("/mute bob 1", "* bob was muted by alice for 1 s")
        bob.hears("* bob was muted by alice for 1 s")
        carol.has_heard_nothing()
        dave = self.arrive("dave")
        self.settle(alice, carol, dave)
        alice.says("/mute dave 60")
        dave.until("* dave was muted by alice for 60 s")
        dave.says("/part")
        dave.until("* dave left hall")
        dave.says("/join hall", "/quit with a word")
        self.assertIn(b"* dave joined hall\n", dave.ended())
        self.assertEqual(carol.until("* dave quit"), [
            "* dave was muted by alice for 60 s", "* dave left hall",
            "* dave joined hall"])

    def test_announcements_reach_everybody(self):
        alice, bob, carol = self.arrive("alice", "bob", "carol")
        self.oper(alice)
        carol.asks("/part", "* carol left hall")
        for who in (alice, bob):
            who.hears("* carol left hall")
        alice.asks("/announce", "! usage: /announce TEXT")
        alice.says("/announce tea is ready")
        for who in (alice, bob, carol):
            who.hears("* announcement: tea is ready")

    def test_reload_takes_new_options_and_loses_nobody(self):
        alice, bob = self.arrive("alice", "bob")
        alice.asks("kept", "[hall] <alice> kept")
        bob.hears("[hall] <alice> kept")
        self.write(self.text('motd = "News."  history = 1 flood-rate = 0 '
                             'room "hall" { topic = "Now" }'),
                   workers=self.workers)
        self.daemon.reload()
        alice.asks("/topic", "* topic of hall: Now")
        alice.says("no echo")
        bob.hears("[hall] <alice> no echo")
        alice.has_heard_nothing()
        self.assertEqual(len(self.history_of(bob)), 1)
        carol = self.connect()
        carol.greeted("News.", "lobby")
        carol.has_heard_nothing()

    def test_reload_under_talk_loses_and_repeats_no_line(self):
        """Texts, history, limits and rooms change while everybody talks, and
        every line arrives once, in its sender's order."""
        people = self.arrive("alice", "bob", "carol", "dave")
        reloaded, wrong = threading.Event(), []

        def talk(who):
            """Sends lines until all reloads are done, then some more, and a
            last one."""
            number, over = 0, False
            while not over:
                over = reloaded.is_set()
                who.says(*("%s %d" % (who.name, number + n)
                           for n in range(20)))
                number += 20
                time.sleep(0.01)
            who.says(who.name + " end")

        def listen(who):
            heard, ended = collections.Counter(), 0
            while ended < len(people):
                line = who.hears_line()
                name, number = line.split()[-2:]
                if number == "end":
                    ended += 1
                elif line != "[hall] <%s> %s %d" % (name, name, heard[name]):
                    wrong.append((who.name, line, dict(heard)))
                    return
                heard[name] += 1

        threads = [threading.Thread(target=work, args=(who,), daemon=True)
                   for work in (talk, listen) for who in people]
        for thread in threads:
            thread.start()
        for i in range(6):
            options = self.options.replace('motd = ""', 'motd = "No %d"' % i)
            options = options.replace("history = 3", "history = %d" % (i * 7))
            if i % 2:
                options += 'room "more" { topic = "t" }'
            self.write(self.text(options).replace(
                "limits {", "limits { clients = %d send-queue = %dM "
                "idle-timeout = %dm " % (4 + i, 4 + i, i)),
                workers=self.workers)
            self.daemon.reload()
        reloaded.set()
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        self.assertEqual(wrong, [])
        self.settle(*people)
        views = [self.history_of(who) for who in people]
        self.assertEqual(len(views[0]), 35)
        for view in views:
            self.assertEqual(view, views[0])
        newcomer = self.connect()
        newcomer.greeted("No 5", "hall")
        self.assertEqual(self.daemon.logged("closed: "), [])


class Password(Chat):
    options = "password = 'let me in' flood-rate = 0"

    def test_nothing_before_the_password(self):
        asks = "* a password is needed: send it now"
        alice = self.connect()
        alice.hears(asks)
        alice.asks("/nick alice", "! wrong password")
        alice.asks("let me out", "! wrong password")
        alice.asks("let me in", "* Welcome. You are guest1" + HELP,
                   "* guest1 joined lobby")
        bob = self.connect()
        bob.hears(asks)
        for _ in range(3):
            bob.asks("x", "! wrong password")
        self.assertEqual(bob.ended(), b"")
        alice.has_heard_nothing()

    def test_a_hash_does_as_well(self):
        self.write(self.text("password = '%s'" % make_hash()),
                   workers=self.workers)
        self.daemon.reload()
        alice = self.connect()
        alice.hears("* a password is needed: send it now")
        alice.asks("let me in", "! wrong password")
        alice.says(PASSWORD, "/ping")
        alice.hears("* Welcome. You are guest1" + HELP,
                    "* guest1 joined lobby", "* pong")

    def test_only_members_are_told_that_it_closes(self):
        asks = "* a password is needed: send it now"
        self.write(self.text("password = '%s'" % make_hash()),
                   workers=self.workers)
        self.daemon.reload()
        alice, bob, carol = self.connect(), self.connect(), self.connect()
        for person in (alice, bob, carol):
            person.hears(asks)
        alice.says(PASSWORD)
        alice.greeted()
        self.daemon.signal(signal.SIGSTOP)
        bob.says(PASSWORD)
        self.daemon.signal(signal.SIGTERM)
        self.daemon.signal(signal.SIGCONT)
        # A client that is accepted meanwhile also hears of the end.
        said = self.last_words(bob, alice)
        self.assertEqual(len(said), 3, said)
        self.assertRegex(said[0], "^. Welcome")
        self.assertEqual(said.count(GOODBYE), 1, said)
        self.assertIn(GOODBYE, alice.rest().decode().splitlines())
        self.assertEqual(carol.rest(), b"")
        self.assertEqual(self.daemon.wait(), 0)


# ---- the end ----------------------------------------------------------------

class End(Chat):
    def leaves(self, *people):
        """Checks that the people get the announcement once, and nothing else.
        """
        for person in people:
            self.assertEqual(self.last_words(person, *people), [GOODBYE])

    def test_a_stop_is_told(self):
        alice, bob = self.arrive("alice", "bob")
        # alice is in no room now.
        alice.asks("/part", "* alice left lobby")
        bob.hears("* alice left lobby")
        self.daemon.signal(signal.SIGTERM)
        self.leaves(alice, bob)
        self.assertEqual(self.daemon.wait(), 0)

    def test_the_end_of_the_service_is_told(self):
        alice, bob = self.arrive("alice", "bob")
        self.write(service("other", "tcp://127.0.0.1:%d" % free_port()),
                   workers=self.workers)
        self.daemon.reload()
        self.leaves(alice, bob)

    def test_who_is_busy_is_told_at_once(self):
        alice, bob = self.arrive("alice", "bob")
        self.daemon.signal(signal.SIGSTOP)
        # These are more lines than are read of one client in a turn.
        bob.says(*["/ping"] * 24)
        self.daemon.signal(signal.SIGTERM)
        self.daemon.signal(signal.SIGCONT)
        self.assertEqual(self.last_words(alice, bob), [GOODBYE])
        said = self.last_words(bob, alice)
        self.assertEqual(said.count(GOODBYE), 1, said)
        self.assertEqual(said.count("* pong"), 24, said)
        self.assertEqual(said[-1], "* pong")
        self.assertEqual(self.daemon.wait(), 0)

    def test_a_reload_is_not_told(self):
        alice, bob = self.arrive("alice", "bob")
        self.write(self.text(self.options + " motd = 'Hi.'"),
                   workers=self.workers)
        self.daemon.reload()
        alice.has_heard_nothing()
        bob.has_heard_nothing()


class LastLines(Chat):
    options = "flood-rate = 0"

    def text(self, options):
        # Data on a UNIX socket needs no acknowledgement.
        self.address = self.path("chat.sock")
        return service("lobby", "unix://" + self.address, protocol="chat",
                       extra=self.limits + "chat { %s }" % options)

    @one_node("a node that stops waits for its own clients only")
    def test_who_is_silent_gets_what_others_have_sent(self):
        alice, bob = self.arrive("alice", "bob")
        # Lines of a client that was held may still be on their way for 250 ms.
        self.assertTrue(alice.is_silent(0.3))
        self.daemon.signal(signal.SIGSTOP)
        # These lines are read in many turns.
        lines = ["line %d" % i for i in range(3000)]
        bob.says(*lines)
        self.daemon.signal(signal.SIGTERM)
        self.daemon.signal(signal.SIGCONT)
        said = self.last_words(alice, bob)
        self.assertEqual(said.count(GOODBYE), 1)
        said.remove(GOODBYE)
        self.assertEqual(len(said), len(lines))
        self.assertEqual(said, ["[lobby] <bob> " + line for line in lines])
        self.assertEqual(self.daemon.wait(), 0)


# ---- abuse ------------------------------------------------------------------

class Abuse(Chat):
    options = "flood-rate = 0"

    def test_no_control_reaches_another_terminal(self):
        alice, bob = self.arrive("alice", "bob")
        for said, heard in (
                (b"\x1b[2Jred\x1b]0;title\x07!", "[2Jred]0;title!"),
                (b"a\0b\x7fc\x08d", "abcd"),
                (b"tab\there", "tab here"),
                (b"lone\rcr", "lonecr"),
                ("c1 \x9b31m \x85 end".encode(), "c1 31m  end"),
                (b"raw c1 \x9b31m", "raw c1 \ufffd31m"),
                (b"bad \xfe \xc3( \xe2\x82 \xed\xa0\x80 \xf4\x90\x80\x80",
                 b"bad \xfe \xc3( \xe2\x82 \xed\xa0\x80 \xf4\x90\x80\x80"
                 .decode("utf-8", "replace")),
                (b"\xc0\xafoverlong", "\ufffd\ufffdoverlong"),
                ("grüße \u20ac \U0001f600".encode(),
                 "grüße \u20ac \U0001f600")):
            alice.send(said + b"\n")
            bob.hears("[lobby] <alice> " + heard)

    def test_no_control_gets_through_by_a_command(self):
        """Each text of a client that others see has no control characters."""
        evil, clean = "\x1b[2J\x9b1m\x07", "[2J1m"
        alice, bob = self.arrive("alice", "bob")
        for line, heard in (
                ("/me %s", "[lobby] * alice %s"),
                ("/topic %s", "* alice set the topic of lobby: %s"),
                ("/msg bob %s", "(alice) %s"),
                ("/nick al%sice", None), ("/join d%s", None),
                ("%s", "[lobby] <alice> %s"),
                ("/away %s", None),
                ("/quit %s", "* alice quit: %s")):
            alice.says(line.replace("%s", evil))
            if line.startswith("/away"):
                alice.says("/msg bob now")
                bob.hears("(alice) now")
                bob.asks("/msg alice hi", "* alice is away: " + clean)
                alice.until("(bob) hi")
            if heard:
                bob.hears(heard.replace("%s", clean))
        left = alice.ended().decode()
        self.assertEqual(left, "")
        # Only the sender gets the error, and its text is clean.
        for line, heard in (
                ("/nick a%sb", "! bad nickname: a%sb"),
                ("/join a%sb", "! bad room name: a%sb"),
                ("/who a%sb", "! no such room: a%sb"),
                ("/part a%sb", "! not in a%sb"),
                ("/msg a%sb c", "! no such nickname: a%sb"),
                ("/a%sb", "! unknown command: /a%sb (try /help)")):
            bob.asks(line.replace("%s", evil), heard.replace("%s", clean))

    def test_every_byte_comes_out_clean(self):
        alice, bob = self.arrive("alice", "bob")
        random.seed(4)
        for _ in range(200):
            said = bytes(random.choice(
                (random.randrange(256), random.choice(b"\x1b\xff\xc2\x9b")))
                for _ in range(random.randrange(1, 60)))
            # After a telnet command, CR is a line end.
            said = b"x" + said.replace(b"\n", b"").replace(b"\r", b"")
            alice.send(said + b"\n")
            line = bob.line()
            self.assertTrue(line.startswith(b"[lobby] <alice> x"), line)
            for char in line[:-1].decode("utf-8"):
                self.assertFalse(ord(char) < 32 or 127 <= ord(char) < 160,
                                 (said, line))

    def test_telnet_negotiation_is_no_text(self):
        alice, bob = self.arrive("alice", "bob")
        for said, heard in (
                (b"\xff\xfb\x18\xff\xfd\x03hello", "hello"),
                (b"he\xff\xf1llo", "hello"),
                (b"he\xff\xfa\x18\x00xterm\xff\xf0llo", "hello"),
                (b"\xc3\xff\xf1\xa9", "é"),
                (b"\xc2\xff\xf1\x9bx", "x"),
                (b"a\xff\xffb", "a\ufffdb"),
                (b"a\xffb", "a\ufffdb"),
                (b"a\xff\xfeb", "a"),
                (b"end\xff", "end"), (b"end\xff\xfb", "end"),
                (b"end\xff\xfaopen", "end")):
            alice.send(said + b"\r\n")
            bob.hears("[lobby] <alice> " + heard)
        alice.send(b"\xff\xfb\x01/who\r\n")
        self.assertEqual(alice.line(), b"\xff\xfe\x18\xff\xfc\x03"
                         b"\xff\xfe\x0d\xff\xfe\x01"
                         b"* lobby: alice bob\r\n")
        alice.send(b"\xff\xfb\x01\r\n/ping\n")
        self.assertEqual(alice.line(), b"* pong\r\n")
        bob.has_heard_nothing()

    def test_a_line_too_long_is_told_once_and_reaches_nobody(self):
        alice, bob = self.arrive("alice", "bob")
        alice.says("y" * 8192)
        bob.hears("[lobby] <alice> " + "y" * 8192)
        alice.send(b"z" * 10240)
        alice.send(b"z\n")
        alice.hears("! line too long")
        alice.ended()
        bob.hears("* alice quit")

    def test_a_line_too_long_may_be_skipped(self):
        self.write(self.text(self.options).replace(
            "chat {", "framing { line-length = 100  too-long = skip }\nchat {"),
            workers=self.workers)
        self.daemon.reload()
        alice, bob = self.arrive("alice", "bob")
        alice.says("z" * 10240, "/msg bob " + "y" * 91, "still here",
                   "x" * 101, "w" * 100)
        alice.hears("! line too long", "! line too long")
        bob.hears("(alice) " + "y" * 91, "[lobby] <alice> still here",
                  "[lobby] <alice> " + "w" * 100)
        alice.has_heard_nothing()
        bob.has_heard_nothing()

    def test_two_hundred_claim_one_name_and_one_has_it(self):
        people = [self.connect() for _ in range(200)]
        numbers = {who.greeted() for who in people}
        self.assertEqual(numbers, set(range(1, 201)))
        for who in people:
            who.says("/nick King")
        won = 0
        for who in people:
            while True:
                line = who.hears_line()
                if line == "! King is taken":
                    break
                if line == "* %s is now King" % who.name:
                    won += 1
                    break
        self.assertEqual(won, 1)

    def test_who_is_right_while_clients_come_and_go(self):
        alice = self.arrive("alice")
        crowd = []
        random.seed(7)
        for _ in range(30):
            for _ in range(random.randrange(1, 6)):
                who = self.connect()
                who.greeted()
                crowd.append(who)
            for _ in range(random.randrange(0, min(5, len(crowd)))):
                crowd.pop(random.randrange(len(crowd))).close()
            # A greeted client is listed at once; on another node, soon
            # afterwards.
            wanted = {who.name for who in crowd} | {"alice"}
            self.eventually(
                lambda: wanted <= set(self.after(alice, "/who")),
                "all who have been greeted", PATIENCE if NODES > 1 else 0)
            names = self.after(alice, "/who")
            self.assertEqual(names, sorted(names))
        wanted = sorted(["alice"] + [who.name for who in crowd])
        for who in (alice, crowd[0], crowd[1], crowd[2], crowd[-1]):
            self.eventually(lambda: self.after(who, "/who") == wanted,
                            "the same names for everybody")

    def test_a_crowd_that_comes_and_goes_leaves_nothing(self):
        """Many clients at once, on all workers, with names, rooms and sudden
        ends."""
        alice, bob = self.arrive("alice", "bob")

        def churn(seed):
            dice = random.Random(seed)
            for i in range(40):
                who = Person(self.address)
                with who:
                    who.greeted()
                    name = "c%d-%d" % (seed, i)
                    who.says("/nick " + name, "/join den")
                    if dice.random() < 0.5:
                        who.until("* %s joined den" % name)
                        who.says("/who")
                        # The client itself is always listed.
                        while True:
                            line = who.hears_line()
                            if line.startswith("* den: "):
                                break
                        if name not in line.split():
                            lost.append(line)
                    if dice.random() < 0.5:
                        who.reset()

        lost = []
        threads = [threading.Thread(target=churn, args=(i,), daemon=True)
                   for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        self.assertEqual(lost, [])
        for who in (alice, bob):
            self.eventually(lambda: self.after(who, "/who") == ["alice", "bob"],
                            "a lobby without the crowd")
            # A name that is changed on another worker is missing for a moment.
            self.eventually(
                lambda: self.answer(who, "/rooms", "* rooms:")
                == "* rooms: lobby (2)", "no other room")

    def answer(self, person, command, beginning):
        """The matching line of its answer, after any other lines."""
        person.says(command)
        while True:
            line = person.hears_line()
            if line.startswith(beginning):
                return line

    def after(self, person, command):
        """The names in its answer, after any other lines."""
        return self.answer(person, command, "* lobby:").split()[2:]

    def test_what_one_hears_of_is_so(self):
        """When a client has heard of a join, a part or a quit, and asks, the
        answer already shows the change."""
        alice, bob = self.arrive("alice", "bob")
        for _ in range(50):
            alice.asks("/part", "* alice left lobby")
            bob.hears("* alice left lobby")
            bob.asks("/who", "* lobby: bob")
            alice.asks("/join lobby", "* alice joined lobby")
            bob.hears("* alice joined lobby")
            bob.asks("/who", "* lobby: alice bob")
        for _ in range(20):
            who = self.connect()
            who.greeted()
            bob.hears("* %s joined lobby" % who.name)
            bob.asks("/who", "* lobby: alice bob " + who.name)
            who.close()
            bob.hears("* %s quit" % who.name)
            bob.asks("/who", "* lobby: alice bob")

    def test_everything_of_one_sender_is_in_order(self):
        alice, bob = self.arrive("alice", "bob")
        said, heard, name = [], [], "alice"
        for i in range(200):
            said.append("m %d" % i)
            heard.append("[lobby] <%s> m %d" % (name, i))
            if i % 3 == 0:
                said.append("/nick a%d" % i)
                heard.append("* %s is now a%d" % (name, i))
                name = "a%d" % i
            if i % 7 == 0:
                said += ["/part", "/join lobby"]
                heard += ["* %s left lobby" % name,
                          "* %s joined lobby" % name]
            if i % 5 == 0:
                said.append("/msg bob p %d" % i)
                heard.append("(%s) p %d" % (name, i))
        alice.says(*said)
        bob.hears(*heard)

    def test_a_thousand_names_and_no_other_line(self):
        alice, bob = self.arrive("alice", "bob")
        alice.says(*("/nick n%d" % i for i in range(1000)))
        before = "alice"
        for i in range(1000):
            line = "* %s is now n%d" % (before, i)
            alice.hears(line)
            bob.hears(line)
            before = "n%d" % i
        bob.asks("/who", "* lobby: bob n999")

    def test_a_member_that_stops_reading_is_dropped(self):
        self.write(self.text(self.options).replace(
            "limits {", "limits { send-queue = 16k send-stall = 1s"),
            workers=self.workers)
        self.daemon.reload()
        deaf = Person(self.address, rcvbuf=2048)
        self.addCleanup(deaf.close)
        deaf.greeted()
        alice, bob = self.arrive("alice", "bob")
        stop = threading.Event()

        def talk():
            while not stop.is_set():
                alice.says("x" * 4000)
                time.sleep(0.0005)
        talker = threading.Thread(target=talk)
        talker.start()
        try:
            bob.until("* %s quit" % deaf.name)
        finally:
            stop.set()
            talker.join()
        alice.until("* %s quit" % deaf.name)
        self.settle(alice, bob)

    def test_rooms_are_bounded(self):
        alice = self.arrive("alice")
        for i in range(63):
            alice.asks("/join r%d" % i, "* alice joined r%d" % i)
        alice.asks("/join more", "! too many rooms: more")
        alice.asks("/part r5", "* alice left r5")
        alice.asks("/join more", "* alice joined more")
        alice.asks("/nick ally", "* alice is now ally")


class Flood(Chat):
    options = "flood-rate = 10 flood-burst = 10"

    def test_flooding_is_slowed_muted_and_closed(self):
        bob, alice = self.arrive("bob", "alice")
        time.sleep(1.2)
        begin = time.monotonic()
        alice.says(*("f %d" % i for i in range(400)))
        self.assertEqual(alice.ended().decode(),
                         "! slow down\n! you are muted\n")
        took = time.monotonic() - begin
        heard = bob.until("* alice quit")
        self.assertEqual(heard[:20],
                         ["[lobby] <alice> f %d" % i for i in range(20)])
        # On a busy machine more time has passed, in which flood-rate allows
        # more lines.
        self.assertLessEqual(len(heard), 15 + 10 * took)
        self.assertGreater(took, 0.8)

    def test_a_short_flood_loses_nothing(self):
        bob, alice = self.arrive("bob", "alice")
        time.sleep(1.2)
        alice.says(*("f %d" % i for i in range(15)))
        bob.hears(*("[lobby] <alice> f %d" % i for i in range(15)))
        alice.hears("! slow down")
        time.sleep(1.2)
        alice.has_heard_nothing()


class Config(DaemonTest):
    def refused(self, options, text):
        code, err = self.check(
            'service "c" {\n\tprotocol = "chat"\n'
            '\tlisten = { "tcp://127.0.0.1:%d" }\n\tchat { %s }\n}\n'
            % (free_port(), options))
        self.assertEqual(code, 1, err)
        self.assertRegex(err, r"lined\.conf:\d+: .*" + re.escape(text))

    def test_bad_values_are_refused(self):
        for options, text in (
                ('history = -1', "history"),
                ('flood-burst = 0', "flood-burst"),
                ('motd = "a\\nb"', "motd has control characters"),
                ('default-room = "No"', 'default-room "No"'),
                ('default-room = "d" room "d" { key = "k" }',
                 'default-room "d" has a key'),
                ('room "Den" { }', 'room "Den"'),
                ('room "den" { topic = "\\x1b" }', 'room "den"'),
                ('room "den" { colour = 1 }', "colour"),
                ('operator "o" { }', 'operator "o"'),
                ('operator "o" { hash = "plain" }', 'operator "o"'),
                ("operator \"o\" { hash = '%s' from = { \"moon\" } }"
                 % make_hash(), '"moon"'),
                ("password = '$9$nonsense'", "password"),
                ("mtod = 1", "mtod")):
            with self.subTest(options=options):
                self.refused(options, text)

    def test_the_example_is_served(self):
        """Two permanent rooms and an operator, who has a password."""
        with open(os.path.join(TOP, "conf", "examples", "chat.conf")) as f:
            text = f.read()
        port = free_port()
        text, count = re.subn(r"listen += .*", 'listen = { "tcp://127.0.0.1:'
                              '%d" }' % port, text)
        self.assertEqual(count, 1)
        self.start(text, workers=2)
        alice = Person(("127.0.0.1", port))
        self.addCleanup(alice.close)
        alice.greeted("Welcome to the harbour.", "quay")
        alice.hears("* topic of quay: Be kind; the harbour master listens")
        alice.asks("/join notices", "* guest1 joined notices",
                   "* topic of notices: Read here, ask on the quay")
        alice.asks("hello", "! notices is read-only")
        alice.asks("/oper harbour-master change me",
                   "* you are now an operator")
        alice.says("fresh fish", "/history")
        self.assertRegex(alice.hears_line(),
                         r"^\[notices \d\d:\d\d\] <guest1> fresh fish$")
        alice.asks("/rooms", "* rooms: notices (1) quay (1)")

    def test_datagrams_are_refused(self):
        code, err = self.check(service(
            "c", "udp://127.0.0.1:%d" % free_port(), protocol="chat"))
        self.assertEqual(code, 1, err)


with_workers(globals(), 2, Text, Options, Password, End, LastLines, Abuse,
             Flood)
with_workers(globals(), 4, Text, Options, Password, End, LastLines, Abuse,
             Flood)

if __name__ == "__main__":
    main(500)
