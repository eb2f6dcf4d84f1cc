#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""chat with programs that people use: telnet on a terminal, nc, and a bot that
needs CRLF. In one room, each gets the lines that it expects. Also the log and
the counters for operators, and long answers."""
import collections
import os
import re
import shutil
import subprocess
import sys
import time
import unittest
import urllib.request

from lined_test import NODES, Client, DaemonTest, free_port, main, service

try:
    import pexpect
except ImportError:
    pexpect = None

HELP = ". /help lists the commands."
IAC, DONT, DO, WONT, WILL, IP = b"\xff", b"\xfe", b"\xfd", b"\xfc", b"\xfb", \
    b"\xf4"
ECHO, MARK, SGA = b"\x01", b"\x06", b"\x03"

# A strict bot: LineReceiver accepts only CRLF as a line end.
BOT = """
import sys
from twisted.internet import protocol, reactor
from twisted.protocols.basic import LineReceiver

class Bot(LineReceiver):
    delimiter = b"\\r\\n"
    def connectionMade(self):
        self.sendLine(b"/nick bot")
    def lineReceived(self, line):
        print(line.decode(), flush=True)
        if line.endswith(b"> bot: hello"):
            self.sendLine(b"hello yourself")
        if line.endswith(b"> bot: bye"):
            self.sendLine(b"/quit")
    def connectionLost(self, reason):
        reactor.stop()

factory = protocol.ClientFactory()
factory.protocol = Bot
reactor.connectTCP("127.0.0.1", int(sys.argv[1]), factory)
reactor.run()
"""


def python_with(name):
    """The Python interpreter that has this module; None: there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import " + name],
                          stderr=subprocess.DEVNULL).returncode == 0:
            return python
    return None


class ChatTest(DaemonTest):
    workers = 2

    def serve(self, chat="", extra=""):
        self.port = free_port()
        self.metrics = free_port()
        self.daemon = self.start(
            'metrics { listen = "tcp://127.0.0.1:%d" }\n' % self.metrics
            + service("lobby", "tcp://127.0.0.1:%d" % self.port,
                      protocol="chat",
                      extra=extra + "chat { %s }" % chat),
            workers=self.workers)

    def connect(self, greeted=True, room=True):
        client = Client(("127.0.0.1", self.port))
        self.addCleanup(client.close)
        if greeted:
            client.line()
            if room:
                client.line()
        return client

    def asks(self, client, line, *answers):
        client.send(line + b"\n")
        for answer in answers:
            self.assertEqual(client.line(), answer + b"\n")

    def events(self):
        """Returns the sums of the counters of all nodes."""
        total = collections.Counter()
        for number in range(1, NODES + 1):
            page = urllib.request.urlopen("http://127.0.0.%d:%d/metrics" % (
                number, self.metrics), timeout=20).read()
            for name, n in re.findall(r'lined_protocol_events_total\{service='
                                      r'"lobby",event="(\w+)"\} (\d+)',
                                      page.decode()):
                total[name] += int(n)
        return total

    def counts(self, **wanted):
        self.eventually(lambda: {name: self.events().get(name, 0)
                                 for name in wanted} == wanted,
                        "the counters %r" % wanted)


# ---- line ends and telnet, byte by byte -------------------------------------

class Wire(ChatTest):
    def test_each_is_answered_with_the_line_end_that_it_uses(self):
        self.serve()
        unix, dos = self.connect(), self.connect()
        self.assertEqual(unix.line(), b"* guest2 joined lobby\n")
        # On another node the client may get late lines that were sent before it
        # connected.
        unix.send(b"/msg guest2 hi\n/ping\n")
        while dos.line() != b"(guest1) hi\n":
            pass
        dos.send(b"/ping\r\n")
        self.assertEqual(dos.line(), b"* pong\r\n")
        self.assertEqual(unix.line(), b"* pong\n")
        unix.send(b"hello\n/topic tea\n")
        self.assertEqual([dos.line(), dos.line()],
                         [b"[lobby] <guest1> hello\r\n",
                          b"* guest1 set the topic of lobby: tea\r\n"])
        self.assertEqual(unix.line(), b"* guest1 set the topic of lobby: tea\n")
        # lined needs to see CRLF only once.
        dos.send(b"/msg guest1 psst\n/ping\n")
        self.assertEqual(dos.line(), b"* pong\r\n")
        self.assertEqual(unix.line(), b"(guest2) psst\n")

    def test_with_terminator_crlf_every_line_ends_so(self):
        self.serve(extra="framing { terminator = crlf }\n")
        client = self.connect(greeted=False)
        self.assertTrue(client.line().endswith(b"\r\n"))
        self.assertEqual(client.line(), b"* guest1 joined lobby\r\n")
        client.send(b"a\nb /ping\r\n/ping\r\n")
        self.assertEqual(client.line(), b"* pong\r\n")

    def test_requests_are_refused_once_however_they_are_cut(self):
        self.serve('default-room = ""')
        said = (IAC + DO + SGA + b"/aw" + IAC + WILL + b"\x18ay\r\n"
                + IAC + DO + SGA + b"/pi" + IAC + DONT + ECHO + b"ng\r\n")
        for cut in range(len(said)):
            client = self.connect(room=False)
            client.send(said[:cut])
            client.sock.sendall(said[cut:])
            self.assertEqual(
                [client.line(), client.line()],
                [IAC + WONT + SGA + IAC + DONT + b"\x18* you are back\r\n",
                 b"* pong\r\n"], cut)
            client.close()

    def test_a_timing_mark_is_answered_without_a_line(self):
        self.serve()
        client = self.connect()
        for _ in range(2):
            client.send(IAC + IP + IAC + DO + MARK)
            self.assertEqual(client.exactly(3), IAC + WONT + MARK)
        # The data mark comes as urgent data.
        client.send(IAC + IP + IAC)
        client.sock.send(b"\xf2", 1)  # MSG_OOB
        client.send(IAC + DO + MARK + b"/ping\r\n")
        self.assertEqual(client.line(), IAC + WONT + MARK + b"* pong\r\n")

    def test_who_sends_no_command_is_sent_none(self):
        self.serve('password = "pw"')
        client = self.connect(greeted=False)
        client.send(b"\xff\xff\xffx\npw\n/quit\n")
        self.assertNotIn(b"\xff", client.ended())

    def test_the_echo_is_off_while_the_password_is_asked(self):
        self.serve('password = "pw"')
        client = self.connect(greeted=False)
        self.assertEqual(client.line(),
                         b"* a password is needed: send it now\n")
        client.send(IAC + DO + SGA)
        self.assertEqual(client.exactly(6),
                         IAC + WILL + ECHO + IAC + WONT + SGA)
        client.send(IAC + DO + ECHO + b"no\r\n")
        self.assertEqual(client.line(), b"! wrong password\r\n")
        client.send(b"pw\r\n")
        self.assertEqual(client.exactly(3), IAC + WONT + ECHO)
        self.assertIn(b"You are guest1", client.line())
        client.send(IAC + DONT + ECHO + b"/ping\r\0")
        self.assertEqual([client.line(), client.line()],
                         [b"* guest1 joined lobby\r\n", b"* pong\r\n"])

    def test_a_telnet_client_may_rub_out_in_its_password(self):
        self.serve('password = "pw"')
        client = self.connect(greeted=False)
        client.line()
        client.send(IAC + DO + ECHO + b"\x08xx\x7fp\x08\x08pg\x7fw\r\0")
        self.assertEqual(client.exactly(3), IAC + WILL + ECHO)
        self.assertEqual(client.exactly(3), IAC + WONT + ECHO)
        self.assertIn(b"You are guest1", client.line())

    def test_cr_ends_the_lines_of_telnet_clients_alone(self):
        self.serve("flood-rate = 0")
        telnet, plain, other = [self.connect() for _ in range(3)]
        telnet.line(), telnet.line(), plain.line()
        telnet.send(IAC + b"\xf1one\rtwo\r\0three\r\n")
        for text in (b"one", b"two", b"three"):
            self.assertEqual(other.line(), b"[lobby] <guest1> %s\n" % text)
        plain.send(b"one\rtwo\n")
        self.assertEqual(other.line(), b"[lobby] <guest2> onetwo\n")


# ---- programs ---------------------------------------------------------------

@unittest.skipUnless(pexpect and shutil.which("telnet"),
                     "needs python3-pexpect and telnet")
class Telnet(ChatTest):
    def telnet(self):
        telnet = pexpect.spawn("telnet", ["127.0.0.1", str(self.port)],
                               timeout=20, encoding="latin-1",
                               env=dict(os.environ, TERM="vt100"))
        telnet.delaybeforesend = None
        self.addCleanup(telnet.close, True)
        return telnet

    def test_interrupts_silence_nobody(self):
        self.serve()
        telnet = self.telnet()
        telnet.expect_exact("joined lobby")
        for key in "c\\c":
            telnet.sendcontrol(key)
            telnet.sendline("/ping")
            telnet.expect_exact("* pong")
        telnet.sendline("/quit")
        telnet.expect(pexpect.EOF)

    def test_a_password_is_not_shown(self):
        self.serve('password = "sesame"')
        telnet = self.telnet()
        telnet.expect_exact("send it now")
        # Its first command tells lined that the client is telnet.
        telnet.sendcontrol("c")
        time.sleep(0.5)
        telnet.sendline("sesame")
        telnet.expect_exact("joined lobby")
        self.assertNotIn("sesame", telnet.before)
        # The terminal's echo is on again.
        telnet.sendline("/ping")
        telnet.expect_exact("/ping")
        telnet.expect_exact("* pong")

    def test_telnet_a_strict_bot_and_nc_in_one_room(self):
        python = python_with("twisted")
        if not python or not shutil.which("nc"):
            self.skipTest("needs python3-twisted and nc")
        self.serve()
        bot = subprocess.Popen([python, "-c", BOT, str(self.port)],
                               stdout=subprocess.PIPE)
        self.addCleanup(bot.kill)
        self.addCleanup(bot.stdout.close)
        # For this bot, the greeting and the answer to its first line are one
        # line: only its first line tells lined that it uses CRLF.
        while not bot.stdout.readline().endswith(b"is now bot\n"):
            pass
        telnet = self.telnet()
        telnet.expect_exact("joined lobby")
        telnet.sendline("/nick tess")
        telnet.expect_exact("is now tess")
        nc = subprocess.Popen(["nc", "127.0.0.1", str(self.port)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(nc.kill)
        for pipe in (nc.stdin, nc.stdout):
            self.addCleanup(pipe.close)
        while not nc.stdout.readline().endswith(b" joined lobby\n"):
            pass
        nc.stdin.write(b"/nick ned\n")
        nc.stdin.flush()
        self.assertTrue(nc.stdout.readline().endswith(b" is now ned\n"))
        telnet.expect_exact("is now ned")
        # After ^C the client still sends and gets lines.
        telnet.sendcontrol("c")
        telnet.sendline("bot: hello")
        # The lines of two senders may come in either order.
        self.assertEqual({nc.stdout.readline(), nc.stdout.readline()},
                         {b"[lobby] <tess> bot: hello\n",
                          b"[lobby] <bot> hello yourself\n"})
        telnet.expect_exact("[lobby] <bot> hello yourself\r\n")
        nc.stdin.write(b"bot: bye\n")
        nc.stdin.flush()
        telnet.expect_exact("[lobby] <ned> bot: bye\r\n")
        telnet.expect_exact("* bot quit\r\n")
        self.assertEqual(nc.stdout.readline(), b"* bot quit\n")
        heard = bot.stdout.read().decode().split("\n")
        self.assertEqual(heard[-3:], ["[lobby] <tess> bot: hello",
                                      "[lobby] <ned> bot: bye", ""])


# ---- announcing -------------------------------------------------------------

class Announce(ChatTest):
    def test_a_probe_makes_no_noise(self):
        self.serve('announce = "first-line" flood-rate = 0')
        alice = self.connect()
        alice.send(b"/nick alice\n")
        self.assertEqual(alice.line(), b"* guest1 is now alice\n")
        probe = self.connect()
        probe.send(b"\r\n\r\n")
        probe.close()
        bob = self.connect()
        # The silent client gets lines, too, and is listed.
        alice.send(b"hello\n")
        self.assertEqual(bob.line(), b"[lobby] <alice> hello\n")
        self.asks(alice, b"/who", b"* lobby: alice guest3")
        self.asks(bob, b"/nick bob", b"* guest3 is now bob")
        self.assertEqual([alice.line(), alice.line()],
                         [b"* guest3 joined lobby\n",
                          b"* guest3 is now bob\n"])
        bob.send(b"hi\n")
        self.assertEqual(alice.line(), b"[lobby] <bob> hi\n")
        bob.close()
        self.assertEqual(alice.line(), b"* bob quit\n")

    def test_a_password_is_announcement_enough(self):
        self.serve('announce = "first-line" password = "pw"')
        alice = self.connect(greeted=False)
        alice.send(b"pw\n")
        for _ in range(3):
            alice.line()
        bob = self.connect(greeted=False)
        bob.send(b"pw\n")
        self.assertEqual(alice.line(), b"* guest2 joined lobby\n")

    def test_another_word_is_refused(self):
        out = self.check(service("lobby", "tcp://127.0.0.1:%d" % free_port(),
                                 protocol="chat",
                                 extra='chat { announce = "never" }'))
        self.assertIn('announce', str(out))


# ---- what operators find in the log and the counters ------------------------

class Deeds(ChatTest):
    def setUp(self):
        super().setUp()
        made = subprocess.run(["openssl", "passwd", "-6", "sesame"],
                              stdout=subprocess.PIPE, check=True)
        self.serve("flood-rate = 0\n"
                   "operator \"root\" { hash = '%s' }\n"
                   'room "vault" { key = "tick" }'
                   % made.stdout.decode().strip())

    def test_deeds_and_refusals_are_logged_and_counted(self):
        alice, bob = self.connect(), self.connect()
        alice.line()
        peer = r"client \d+ 127\.0\.0\.1:\d+: "
        self.asks(alice, b"/join vault", b"! vault needs a key")
        self.asks(alice, b"/join vault tock", b"! vault needs a key")
        self.asks(alice, b"/oper root open", b"! wrong password")
        self.asks(alice, b"/oper boss sesame", b"! wrong password")
        self.asks(alice, b"/oper root sesame", b"* you are now an operator")
        self.asks(alice, b"/mute guest2 5",
                  b"* guest2 was muted by guest1 for 5 s")
        self.asks(alice, b"/announce tea\x1b[2J is ready",
                  b"* announcement: tea[2J is ready")
        kicked = b"* guest2 was kicked from lobby by guest1: out"
        self.asks(alice, b"/kick guest2 out", kicked)
        self.asks(alice, b"/ban guest2", b"* guest2 is banned from lobby")
        self.asks(alice, b"/unban guest2",
                  b"* guest2 is no longer banned from lobby")
        for text in ("no key for room vault", "wrong key for room vault",
                     "wrong password for operator root",
                     "wrong password for operator boss",
                     "guest1 is now operator root",
                     "guest1 muted guest2 for 5 s",
                     r"guest1 announced: tea\[2J is ready",
                     "guest1 kicked guest2 from lobby: out",
                     "guest1 banned guest2 from lobby",
                     "guest1 unbanned guest2 from lobby"):
            self.daemon.wait_log("service lobby: " + peer + text + "$")
        self.counts(keys_refused=2, passwords_wrong=2, mutes=1,
                    announcements=1, kicks=1, bans=1, unbans=1)

    def test_an_operator_that_banned_itself_can_undo_it(self):
        alice = self.connect()
        self.asks(alice, b"/oper root sesame", b"* you are now an operator")
        self.asks(alice, b"/ban guest1",
                  b"* guest1 was kicked from lobby by guest1")
        self.asks(alice, b"/join lobby", b"! you are banned from lobby")
        self.asks(alice, b"/unban guest1",
                  b"* guest1 is no longer banned from lobby")
        self.asks(alice, b"/join lobby", b"* guest1 joined lobby")


# ---- long answers -----------------------------------------------------------

class Long(ChatTest):
    def test_long_answers_come_in_several_lines(self):
        """The answers are longer than the send queue and line-length."""
        self.serve("flood-rate = 0", "framing { line-length = 100 }\n"
                   "limits { send-queue = 2k clients-per-address = 0 }\n")
        asker = self.connect()
        people = [self.connect() for _ in range(9)]
        rooms = set()
        for i, person in enumerate(people):
            for j in range(30):
                room = "r%d-%s" % (j, "x" * 20) + str(i)
                rooms.add(room + " (1)")
                person.send(b"/join %s\n" % room.encode())
                while not person.line().endswith(
                        b" joined %s\n" % room.encode()):
                    pass
        rooms.add("lobby (10)")
        for _ in people:
            asker.line()
        asker.send(b"/rooms\n/ping\n")
        listed = []
        while True:
            line = asker.line().decode()
            if line == "* pong\n":
                break
            self.assertLessEqual(len(line), 101)
            self.assertTrue(line.startswith("* rooms: "), line)
            listed += re.findall(r"\S+ \(\d+\)", line)
        self.assertEqual(listed, sorted(rooms))
        self.assertGreater(len("".join(listed)), 3 * 2048)


# ---- memory -----------------------------------------------------------------

class Memory(ChatTest):
    def test_rooms_are_given_back(self):
        self.serve("flood-rate = 0 history = 20",
                   "limits { send-queue = 1M }\n")
        if self.daemon.is_sanitized():
            self.skipTest("sanitizers keep freed memory")
        keeper = self.connect()
        self.asks(keeper, b"/part", b"* guest1 left lobby")
        for round_ in range(3):
            client = self.connect()
            for i in range(60):
                client.send(b"/join room%d\n/topic %s\n" % (i, b"t" * 8000)
                            + (b"x" * 8000 + b"\n") * 20)
                while b" set the topic of room%d:" % i not in client.line():
                    pass
            full = self.daemon.own_kib()
            client.send(b"/quit\n")
            client.ended()
            client.close()
            self.eventually(lambda: self.rooms(keeper) == b"* rooms:\n",
                            "the rooms' end")
            if round_ == 0:
                self.eventually(
                    lambda: self.daemon.own_kib() < full - 5000,
                    "memory given back: %d KiB, %d KiB when full"
                    % (self.daemon.own_kib(), full))
                first = self.daemon.own_kib()
        self.eventually(lambda: self.daemon.own_kib() < first + 5000,
                        "the same after three clients")

    def rooms(self, keeper):
        keeper.send(b"/rooms\n")
        return keeper.line()


if __name__ == "__main__":
    main()
