#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""relay as a hub: which client gets which lines, held lines, and the losses of
slow readers. On one, two and four workers. Other scripts test upstreams and
proxies."""
import random
import re
import signal
import socket
import sys
import threading
import time
import unittest

from lined_test import PATIENCE, Client, Datagram, DaemonTest
from lined_test import free_port, main, one_machine, one_node, service
from lined_test import with_workers
from test_activation import PASS_ON, has_systemd

SEED = 20261123
HOLD = "each node holds what has no reader there"


def options(**values):
    """Options of relay as config text; underscores are dashes."""
    text = "".join("\t\t%s = %s\n" % (name.replace("_", "-"), value)
                   for name, value in values.items())
    return "\trelay {\n%s\t}\n" % text


class Listener(Client):
    """Reads all lines but probes."""

    def line(self):
        while True:
            line = super().line()
            if not line.endswith(b" probe\n"):
                return line

    def is_silent(self, seconds):
        """Whether nothing but probes comes within this time."""
        self.sock.settimeout(seconds)
        try:
            return self.line() is None
        except socket.timeout:
            return True
        finally:
            self.sock.settimeout(PATIENCE)


class RelayTest(DaemonTest):
    WORKERS = 1

    def hub(self, listen=("tcp",), limits="", name="feed", **values):
        """A config of one service on a free port."""
        port = free_port()
        addresses = ["%s://127.0.0.1:%d" % (kind, port) for kind in listen]
        text = service(name, *addresses, protocol="relay",
                       extra="\tlimits { clients-per-address = 0 "
                       "connect-rate-per-address = 0 %s }\n%s"
                       % (limits, options(**values)))
        return text, ("127.0.0.1", port)

    def serve(self, *texts, **how):
        return self.start("".join(texts), workers=self.WORKERS, **how)

    def client(self, address, **how):
        c = Listener(address, **how)
        self.addCleanup(c.close)
        return c

    def member(self, address, sender, **how):
        """A client that gets what the sender sends."""
        c = self.client(address, **how)
        self.reach(c, sender)
        return c

    def reach(self, c, sender):
        """Sends probes until one arrives: a client cannot know when its
        worker has begun to serve it."""
        c.sock.settimeout(0.05)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            sender.send(b"%d probe\n" % random.randrange(1 << 60))
            try:
                Client.line(c)
                break
            except socket.timeout:
                pass
        else:
            self.fail("no probe arrived")
        c.sock.settimeout(PATIENCE)

    def leave(self, c, daemon):
        """Closes a client, and waits until the service has noticed."""
        port = c.sock.getsockname()[1]
        c.close()
        daemon.wait_log("127.0.0.1:%d.*closed: " % port)

    def pair(self, address):
        """Returns two clients that get each other's lines."""
        a, b = self.client(address), self.client(address)
        self.reach(a, b)
        self.reach(b, a)
        return a, b


class Hub(RelayTest):
    @one_node("a node that stops waits for its own clients only")
    def test_who_is_silent_gets_what_others_sent_before_a_stop(self):
        # Data on a UNIX socket needs no acknowledgement.
        address = self.path("feed.sock")
        daemon = self.serve(service("feed", "unix://" + address,
                                    protocol="relay"))
        a, b = self.pair(address)
        # Lines of a client that was held may still be on their way for 250 ms.
        self.assertTrue(b.is_silent(0.3))
        daemon.signal(signal.SIGSTOP)
        # These lines are read in many turns.
        lines = b"".join(b"line %d\n" % i for i in range(3000))
        a.send(lines)
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGCONT)
        said = b.rest()
        self.assertEqual(said.count(b"line "), lines.count(b"line "))
        self.assertTrue(said.endswith(lines))
        self.assertEqual(daemon.wait(), 0)

    def test_each_line_goes_to_every_other_client(self):
        text, address = self.hub()
        self.serve(text)
        a, b = self.pair(address)
        c = self.member(address, b)
        b.send(b"one\r\ntwo\n\nthree\n")
        for other in (a, c):
            for line in (b"one\r\n", b"two\n", b"\n", b"three\n"):
                self.assertEqual(other.line(), line)
        self.assertTrue(b.is_silent(0.2))

    def test_loopback_gives_the_sender_its_lines_too(self):
        text, address = self.hub(loopback="true")
        self.serve(text)
        a = self.client(address)
        a.send(b"hello\n")
        self.assertEqual(a.line(), b"hello\n")

    def test_nothing_but_whole_lines(self):
        """Bytes of two senders are never mixed, and an unfinished line is
        not relayed."""
        text, address = self.hub()
        self.serve(text)
        a, b = self.pair(address)
        c = self.member(address, b)
        for byte in b"never ending":
            a.send(bytes([byte]))
        b.send(b"whole\n")
        self.assertEqual(c.line(), b"whole\n")
        a.close()
        b.send(b"again\n")
        self.assertEqual(c.line(), b"again\n")

    def test_an_unterminated_rest_is_ended_before_it_is_relayed(self):
        text, address = self.hub()
        text = text.replace("\trelay {",
                            '\tframing { unterminated = "deliver" }\n'
                            "\trelay {")
        self.serve(text)
        a, b = self.pair(address)
        a.send(b"rest")
        a.half_close()
        self.assertEqual(b.line(), b"rest\n")

    def test_many_senders_at_once_keep_their_order(self):
        text, address = self.hub()
        self.serve(text)
        first = self.client(address)
        others = [self.member(address, first) for _ in range(11)]
        senders, reader = others[:10], others[10]

        def send(number, c):
            draw = random.Random(SEED + number)
            data = b"".join(b"%d %d %s\n" % (number, i,
                                             b"x" * draw.randrange(200))
                            for i in range(300))
            while data:
                n = draw.choice((1, 1, 2, 3, 700))
                c.send(data[:n])
                data = data[n:]

        threads = [threading.Thread(target=send, args=pair)
                   for pair in enumerate(senders)]
        for thread in threads:
            thread.start()
        seen = [0] * len(senders)
        while sum(seen) < 300 * len(senders):
            match = re.fullmatch(rb"(\d+) (\d+) x*\n", reader.line())
            number, i = int(match.group(1)), int(match.group(2))
            self.assertEqual(i, seen[number])
            seen[number] += 1
        for thread in threads:
            thread.join()

    def test_publish_only_and_subscribe_only_share_a_topic(self):
        ingest, to = self.hub(name="ingest", topic='"t"', publish_only="true")
        feed, of = self.hub(name="feed", topic='"t"', subscribe_only="true")
        other, apart = self.hub(name="other", topic='"u"')
        self.serve(ingest, feed, other)
        writer, quiet = self.client(to), self.client(to)
        elsewhere = self.client(apart)
        reader = self.client(of)
        self.reach(reader, writer)
        reader.send(b"unheard\n")
        writer.send(b"one\ntwo\n")
        self.assertEqual(reader.line(), b"one\n")
        self.assertEqual(reader.line(), b"two\n")
        self.assertTrue(quiet.is_silent(0.1))
        self.assertTrue(elsewhere.is_silent(0.1))
        self.assertTrue(writer.is_silent(0.1))

    def test_filters_in_order(self):
        text, address = self.hub(
            filter="{ 'deny ^!AIVDO', 'allow ^[$!0-9]', 'deny .' }")
        self.serve(text)
        a, b = self.client(address), self.client(address)
        self.reach(b, a)
        a.send(b"!AIVDO,1\n!AIVDM,1\nnoise\n\n$GPGGA\0x\n$end\n")
        # The empty line matches no rule.
        for line in (b"!AIVDM,1\n", b"\n", b"$GPGGA\0x\n", b"$end\n"):
            self.assertEqual(b.line(), line)

    def test_tags(self):
        text, address = self.hub(listen=("tcp", "udp"), tag="true")
        path = self.path("feed.sock")
        text = text.replace('listen = { ', 'listen = { "unix://%s", ' % path)
        self.serve(text)
        local, a = self.client(path), self.client(address)
        self.reach(a, local)
        self.reach(local, a)
        local.send(b"end\n")
        self.assertEqual(a.line(), b"unix end\n")
        a.send(b"hello\r\n\n")
        self.assertEqual(local.line(), b"127.0.0.1 hello\r\n")
        self.assertEqual(local.line(), b"127.0.0.1 \n")
        with Datagram(address) as d:
            d.send(b"one\ntwo")
            for c in (a, local):
                self.assertEqual(c.line(), b"127.0.0.1 one\n")
                self.assertEqual(c.line(), b"127.0.0.1 two\n")

    def test_lines_end_as_the_framing_of_their_reader_says(self):
        if self.WORKERS > 1:
            self.skipTest("workers may see the senders in another order")
        ends = {"any": b"\n", "lf": b"\n", "crlf": b"\r\n", "cr": b"\r",
                "nul": b"\0", "syslog": b"\n", '";"': b";"}
        said = {"any": b"one\r\ntwo\n", "lf": b"one\ntwo\n",
                "crlf": b"one\r\ntwo\r\n", "cr": b"one\rtwo\r\n",
                "nul": b"one\0two\0", "syslog": b"3 one<1>two\n",
                '";"': b"one;two;"}
        texts, writers, readers = [], {}, {}
        for number, word in enumerate(ends):
            for kind, to in (("publish", writers), ("subscribe", readers)):
                text, to[word] = self.hub(
                    name="%s-%d" % (kind, number), topic='"t"',
                    history=50, **{kind + "_only": "true"})
                texts.append(text.replace(
                    "\tlimits", "\tframing { terminator = %s }\n\tlimits"
                    % word))
        self.serve(*texts)
        want = {word: b"" for word in readers}
        for word, address in writers.items():
            with Client(address) as writer:
                writer.send(said[word])
                for of in readers:
                    for text in (b"one", b"<1>two" if word == "syslog"
                                 else b"two"):
                        kept = (word != "cr" and of == "any" and
                                text + b"\r\n" in said[word])
                        want[of] += text + (b"\r\n" if kept else ends[of])
                # Clients get the history, now or when they connect.
                with Client(readers["any"]) as reader:
                    self.assertEqual(reader.exactly(len(want["any"])),
                                     want["any"])
        for word, address in readers.items():
            with self.subTest(reader=word), Client(address) as reader:
                self.assertEqual(reader.exactly(len(want[word])), want[word])

    def test_a_byte_that_ends_lines_of_a_reader_becomes_a_blank(self):
        ingest, to = self.hub(name="in", topic='"t"', publish_only="true",
                              hold="1M")
        feed, of = self.hub(name="out", topic='"t"', subscribe_only="true")
        self.serve(ingest.replace("\tlimits",
                                  "\tframing { terminator = nul }\n\tlimits"),
                   feed)
        with Client(to) as writer:
            writer.send(b"Traceback:\n  line 1\0next\0")
            reader = self.client(of)
            self.assertEqual(reader.line(), b"Traceback:   line 1\n")
            self.assertEqual(reader.line(), b"next\n")

    def test_datagrams_are_published_and_never_answered(self):
        text, address = self.hub(listen=("tcp", "udp"))
        self.serve(text)
        a = self.client(address)
        with Datagram(address) as d:
            self.reach(a, d)
            a.send(b"to nobody\n")
            d.send(b"end")
            self.assertEqual(a.line(), b"end\n")
            self.assertTrue(d.is_silent(0.1))

    @one_machine("each node joins the group and hears all of it")
    def test_a_multicast_group_is_joined(self):
        text, address = self.hub()
        group = "239.192.%d.%d" % (random.randrange(256),
                                   random.randrange(1, 256))
        port = free_port()
        with_group = text.replace(
            'listen = { ', 'listen = { "udp://%s:%d?interface=lo", '
            % (group, port))
        daemon = self.serve(with_group)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                         socket.inet_aton("127.0.0.1"))
            s.connect((group, port))
            reader = self.client(address)
            self.reach(reader, s)
            s.send(b"$GPRMC,1\r\n\0")
            self.assertEqual(reader.line(), b"$GPRMC,1\r\n")
            # Only lines from the named source are accepted, also after a
            # reload.
            self.write(with_group.replace(
                "interface=lo", "interface=lo&source=127.0.0.5"),
                workers=self.WORKERS)
            daemon.reload()
            s.send(b"another one's\n")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                                 socket.inet_aton("127.0.0.1"))
                other.bind(("127.0.0.5", 0))
                other.sendto(b"mine\n", (group, port))
            self.assertEqual(reader.line(), b"mine\n")

    def test_history_then_the_live_feed(self):
        text, address = self.hub(history=5)
        self.serve(text)
        a, b = self.pair(address)
        for i in range(20):
            a.send(b"line %d\n" % i)
        while b.line() != b"line 19\n":
            pass
        # The history of the other workers may be a moment late.
        deadline = time.monotonic() + 20
        while True:
            c = self.client(address)
            got = [c.line() for _ in range(5)]
            if got[-1] == b"line 19\n" or time.monotonic() > deadline:
                break
            c.close()
        self.assertEqual(got, [b"line %d\n" % i for i in range(15, 20)])
        a.send(b"live\n")
        self.assertEqual(c.line(), b"live\n")

    def test_history_has_no_gap_and_no_repeat_under_traffic(self):
        text, address = self.hub(history=50)
        self.serve(text)
        a, b = self.pair(address)
        ended = threading.Event()

        def talk():
            i = 0
            while not ended.is_set():
                a.send(b"".join(b"n %d\n" % n for n in range(i, i + 7)))
                i += 7
                time.sleep(0.001)

        def listen():
            b.sock.settimeout(0.2)
            while not ended.is_set():
                try:
                    b.sock.recv(1 << 16)
                except socket.timeout:
                    pass

        threads = [threading.Thread(target=talk),
                   threading.Thread(target=listen)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                with Client(address) as c:
                    numbers = []
                    while len(numbers) < 100:
                        match = re.fullmatch(rb"n (\d+)\n", c.line())
                        if match:
                            numbers.append(int(match.group(1)))
                    first = numbers[0]
                    self.assertEqual(numbers,
                                     list(range(first, first + 100)))
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def test_a_line_seen_lately_is_not_relayed_again(self):
        text, address = self.hub(dedupe="60s", tag="true")
        path = self.path("feed.sock")
        text = text.replace('listen = { ', 'listen = { "unix://%s", ' % path)
        self.serve(text)
        a, reader = self.pair(address)
        local = self.client(path)
        a.send(b"same\nother\nsame\nlast\n")
        a.send(b"same\r\nend 1\n")
        got = []
        while not got or got[-1] != b"127.0.0.1 end 1\n":
            got.append(reader.line())
        self.assertEqual(got, [b"127.0.0.1 " + t for t in
                               (b"same\n", b"other\n", b"last\n",
                                b"end 1\n")])
        local.send(b"other\nnew\n")
        self.assertEqual(reader.line(), b"unix new\n")

    def test_a_line_may_come_again_after_the_window(self):
        text, address = self.hub(dedupe="100ms")
        self.serve(text)
        a, b = self.pair(address)
        a.send(b"same\n")
        self.assertEqual(b.line(), b"same\n")
        time.sleep(0.3)
        a.send(b"same\n")
        self.assertEqual(b.line(), b"same\n")


@one_node(HOLD)
class Hold(RelayTest):
    def test_what_nobody_was_there_for_goes_to_the_first(self):
        ingest, to = self.hub(name="ingest", topic='"log"',
                              publish_only="true", hold="64k")
        feed, of = self.hub(name="feed", topic='"log"', subscribe_only="true")
        self.serve(ingest, feed)
        writers = [self.client(to) for _ in range(4)]
        for i, writer in enumerate(writers):
            writer.send(b"".join(b"%d %d\n" % (i, n) for n in range(10)))
        for writer in writers:
            writer.half_close()
            self.assertEqual(writer.rest(), b"")
        reader = self.client(of)
        seen = [0] * 4
        while sum(seen) < 40:
            i, n = map(int, reader.line().split())
            self.assertEqual(n, seen[i])
            seen[i] += 1
        second = self.client(of)
        self.assertTrue(second.is_silent(0.2))
        writer = self.client(to)
        writer.send(b"live\n")
        self.assertEqual(reader.line(), b"live\n")
        self.assertEqual(second.line(), b"live\n")

    def test_two_services_that_hold_agree_on_one(self):
        texts, places = zip(*(self.hub(name=name, topic='"log"',
                                       publish_only="true", hold="64k")
                              for name in ("one", "two")))
        feed, of = self.hub(name="feed", topic='"log"', subscribe_only="true")
        daemon = self.serve(feed, *texts)
        for turn, places in enumerate((places * 2, places[1:])):
            for i, to in enumerate(places):
                writer = self.client(to)
                writer.send(b"".join(b"%d %d %d\n" % (turn, i, n)
                                     for n in range(10)))
                writer.half_close()
                self.assertEqual(writer.rest(), b"")
            reader = self.client(of)
            seen = [0] * len(places)
            while sum(seen) < 10 * len(places):
                at, i, n = map(int, reader.line().split())
                self.assertEqual((at, n), (turn, seen[i]))
                seen[i] += 1
            self.assertTrue(reader.is_silent(0.1))
            self.leave(reader, daemon)
            # Only the other service holds the next lines.
            self.write(feed + texts[1], workers=self.WORKERS)
            daemon.reload()

    def test_held_again_when_the_last_reader_is_gone(self):
        text, address = self.hub(hold="64k")
        daemon = self.serve(text)
        for turn in range(5):
            a = self.client(address)
            a.send(b"kept %d\n" % turn)
            a.half_close()
            self.assertEqual(a.rest(), b"")
            b = self.client(address)
            self.assertEqual(b.line(), b"kept %d\n" % turn)
            self.leave(b, daemon)

    def test_the_sender_alone_is_no_reader(self):
        text, address = self.hub(hold="64k")
        self.serve(text)
        a = self.client(address)
        a.send(b"one\ntwo\n")
        self.assertTrue(a.is_silent(0.2))
        b = self.client(address)
        self.assertEqual(b.line(), b"one\n")
        self.assertEqual(b.line(), b"two\n")
        a.send(b"three\n")
        self.assertEqual(b.line(), b"three\n")
        self.assertTrue(a.is_silent(0.1))

    def test_the_oldest_go_where_there_is_no_room(self):
        text, address = self.hub(hold="4k")
        self.serve(text)
        a = self.client(address)
        for i in range(100):
            a.send(b"%03d %s\n" % (i, b"x" * 95))
            time.sleep(0.001)
        a.half_close()
        self.assertEqual(a.rest(), b"")
        b = self.client(address)
        numbers = [int(b.line()[:3])]
        while numbers[-1] != 99:
            numbers.append(int(b.line()[:3]))
        self.assertEqual(numbers, list(range(numbers[0], 100)))
        self.assertLessEqual(len(numbers), 41)

    def test_the_newest_of_what_came_in_one_go_are_kept(self):
        text, address = self.hub(hold="4k")
        daemon = self.serve(text)
        a = self.client(address)
        for turn in range(3):
            a.send(b"".join(b"%d %03d %s\n" % (turn, i, b"x" * 93)
                            for i in range(100)))
        self.eventually(lambda: daemon.counters("feed")["lines_held"]
                        == 300, "all are held")
        a.close()
        b = self.client(address)
        numbers = [int(b.line()[2:5])]
        while numbers[-1] != 99:
            line = b.line()
            self.assertEqual(line[:2], b"2 ")
            numbers.append(int(line[2:5]))
        self.assertEqual(numbers, list(range(numbers[0], 100)))
        self.assertLessEqual(len(numbers), 41)
        self.assertGreater(len(numbers), 30)
        self.assertTrue(b.is_silent(0.1))


class Slow(RelayTest):
    LINES = 20000

    def text(self, i):
        return b"%06d %s\n" % (i, b"x" * 200)

    def lines(self):
        return [self.text(i) for i in range(self.LINES)]

    def flood(self, writer, other):
        """Sends each line when another reader has got the previous one."""
        lines = self.lines()
        for i in range(0, len(lines), 100):
            writer.send(b"".join(lines[i:i + 100]))
            while other.line() != lines[min(i + 99, len(lines) - 1)]:
                pass

    def start_slow(self, **values):
        text, address = self.hub(limits="send-queue = 64k send-stall = 0",
                                 **values)
        daemon = self.serve(text)
        writer, other = self.pair(address)
        slow = self.member(address, writer, rcvbuf=4096)
        return daemon, writer, other, slow

    def test_a_slow_reader_is_disconnected(self):
        daemon, writer, other, slow = self.start_slow()
        self.flood(writer, other)
        daemon.wait_log("closed: slow")
        data = re.sub(rb"\d+ probe\n", b"", slow.ended())
        self.assertEqual(data[:7], b"000000 ")
        self.assertLess(len(data), self.LINES * 208)

    def read_all(self, slow, writer):
        writer.send(b"end\n")
        got = []
        while not got or got[-1] != b"end\n":
            got.append(slow.line())
        return got

    def check_gaps(self, slow, writer, other):
        self.flood(writer, other)
        got = []
        line = b""
        while not line.startswith(b"# lost"):
            line = slow.line()
            got.append(line)
        got += self.read_all(slow, writer)
        numbers, lost = [], 0
        for line in got:
            notice = re.fullmatch(rb"# lost (\d+) lines\n", line)
            if notice:
                lost += int(notice.group(1))
            elif line != b"end\n":
                self.assertEqual(line, self.text(int(line[:6])))
                numbers.append(int(line[:6]))
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertGreater(lost, 0)
        self.assertEqual(len(numbers) + lost, self.LINES)
        return numbers, got

    def test_drop_newest_tells_of_the_gap_where_it_is(self):
        _, writer, other, slow = self.start_slow(
            slow='"drop-newest"', gap_notice='"# lost {count} lines"')
        numbers, got = self.check_gaps(slow, writer, other)
        expected = 0
        for line in got[:-1]:
            if line.startswith(b"#"):
                expected += int(line.split()[2])
            else:
                self.assertEqual(int(line[:6]), expected)
                expected += 1
        self.assertEqual(numbers[0], 0)

    def test_a_shorter_line_does_not_overtake_the_notice(self):
        self.text = lambda i: b"%06d %s\n" % (i, b"x" * (i * 37 % 400))
        self.test_drop_newest_tells_of_the_gap_where_it_is()

    def test_drop_oldest_keeps_the_newest(self):
        _, writer, other, slow = self.start_slow(
            slow='"drop-oldest"', gap_notice='"# lost {count} lines"')
        numbers, _ = self.check_gaps(slow, writer, other)
        self.assertEqual(numbers[0], 0)
        self.assertEqual(numbers[-1], self.LINES - 1)

    def start_small(self, **values):
        """Starts clients with small socket buffers, so that the kernel queues
        little."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = listener.getsockname()
        self.start(service(
            "feed", "systemd:feed", protocol="relay",
            extra="\tlimits { send-queue = 64k send-stall = 0 }\n" +
            options(**values)), workers=self.WORKERS, inherit=[listener],
            prefix=[sys.executable, "-c", PASS_ON, "feed",
                    str(listener.fileno())])
        writer, other = self.pair(address)
        return writer, other, self.member(address, writer, rcvbuf=4096)

    @unittest.skipUnless(has_systemd(), "built without libsystemd")
    def test_no_notice_is_lost_when_the_reader_stalls_again(self):
        """The reader stops some lines before the newest. A notice may be queued
        or due when the next flood comes."""
        writer, other, slow = self.start_small(
            slow='"drop-oldest"', gap_notice='"# lost {count} lines"')
        numbers, lost = [], 0

        def read_to(last):
            nonlocal lost
            while not numbers or numbers[-1] < last:
                line = slow.line()
                if line.startswith(b"#"):
                    lost += int(line.split()[2])
                else:
                    numbers.append(int(line[:6]))

        first = 0
        for back in range(0, 80, 4):
            lines = [self.text(i) for i in range(first, first + 600)]
            first += len(lines)
            writer.send(b"".join(lines))
            while other.line() != lines[-1]:
                pass
            read_to(first - 1 - back)
        read_to(first - 1)
        while len(numbers) + lost < first:
            line = slow.line()
            self.assertTrue(line.startswith(b"# lost "), line)
            lost += int(line.split()[2])
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(len(numbers) + lost, first)
        self.assertTrue(slow.is_silent(0.1))

    def test_the_longest_notice_is_told(self):
        words = "x" * (1000 - len("{count}"))
        _, writer, other, slow = self.start_slow(
            slow='"drop-newest"', gap_notice='"{count}%s"' % words)
        self.flood(writer, other)
        while not slow.line().endswith(words.encode() + b"\n"):
            pass

    def test_without_a_notice_nothing_but_lines(self):
        _, writer, other, slow = self.start_slow(slow='"drop-oldest"')
        self.flood(writer, other)
        got = self.read_all(slow, writer)
        self.assertLess(len(got), self.LINES)
        for line in got[:-1]:
            self.assertEqual(line[6:], b" " + b"x" * 200 + b"\n")


class Reload(RelayTest):
    def test_changed_options_lose_nobody_and_no_line(self):
        """Forty reloads under load: no client misses a line or gets one twice.
        """
        text, address = self.hub(history=10)
        daemon = self.serve(text)
        a, b = self.pair(address)
        ended = threading.Event()
        sent = [0]

        def talk():
            while not ended.is_set():
                i = sent[0]
                a.send(b"".join(b"n %d\n" % n for n in range(i, i + 5)))
                sent[0] = i + 5
                time.sleep(0.0005)
            a.send(b"end\n")

        numbers = []

        def listen():
            line = b.line()
            while line not in (b"end\n", b""):
                if line.startswith(b"n "):
                    numbers.append(int(line[2:]))
                line = b.line()

        threads = [threading.Thread(target=talk),
                   threading.Thread(target=listen)]
        for thread in threads:
            thread.start()
        for i in range(40):
            changed = re.sub(r"history = \d+", "history = %d" % (i % 7), text)
            changed = changed.replace("connect-rate", "idle-timeout = %ds "
                                      "connect-rate" % (100 + i), 1)
            if i % 3 == 0:
                changed = changed.replace("\trelay {\n",
                                          "\trelay {\n\t\tdedupe = 1ms\n", 1)
            self.write(changed, workers=self.WORKERS)
            daemon.reload()
        ended.set()
        for thread in threads:
            thread.join()
        self.assertEqual(numbers, list(range(sent[0])))

    def test_what_clients_may_do_changes(self):
        text, address = self.hub(topic='"t"')
        daemon = self.serve(text)
        a, b = self.pair(address)
        self.write(text.replace("\trelay {\n",
                                "\trelay {\n\t\tpublish-only = true\n"),
                   workers=self.WORKERS)
        daemon.reload()
        a.send(b"to nobody\n")
        self.assertTrue(b.is_silent(0.2))
        self.write(text, workers=self.WORKERS)
        daemon.reload()
        a.send(b"to b\n")
        self.assertEqual(b.line(), b"to b\n")
        self.write(text.replace("\trelay {\n",
                                "\trelay {\n\t\tsubscribe-only = true\n"),
                   workers=self.WORKERS)
        daemon.reload()
        a.send(b"discarded\n")
        self.assertTrue(b.is_silent(0.2))

    @one_node(HOLD)
    def test_a_service_takes_up_holding(self):
        text, address = self.hub()
        daemon = self.serve(text)
        self.write(text.replace("\trelay {\n",
                                "\trelay {\n\t\thold = 64k\n"),
                   workers=self.WORKERS)
        daemon.reload()
        a = self.client(address)
        a.send(b"kept\n")
        a.half_close()
        self.assertEqual(a.rest(), b"")
        b = self.client(address)
        self.assertEqual(b.line(), b"kept\n")


class Errors(RelayTest):
    def refused(self, complaint, **values):
        text, _ = self.hub(**values)
        self.write(text)
        code, told = self.check()
        self.assertEqual(code, 1, told)
        self.assertRegex(told, r"lined\.conf:\d+: .*" + complaint)

    def test_what_an_expression_cannot_match_is_warned_of(self):
        for bad in ("allow ^$GP", "deny ($GP|x)", "allow $[x]"):
            text, _ = self.hub(filter="{ '%s' }" % bad)
            self.write(text)
            code, told = self.check()
            self.assertEqual(code, 0, told)
            self.assertRegex(told, r"lined\.conf:\d+: .*filter: .*"
                             r"\$ is an anchor")
        for good in ("allow ^[$]GP", r"allow \$GP", "deny ^(a$|b)$",
                     "deny []$a]"):
            text, _ = self.hub(filter="{ '%s' }" % good)
            self.write(text)
            code, told = self.check()
            self.assertEqual((code, "filter" in told), (0, False), told)

    def test_bad_options(self):
        self.refused("mode", mode='"star"')
        self.refused("needs an upstream", mode='"upstream"')
        self.refused("needs an upstream", mode='"proxy"')
        self.refused("upstream", upstream='{ "tcp://127.0.0.1:1" }')
        self.refused("retry-min", mode='"upstream"', retry_min="10s",
                     retry_max="1s", upstream='{ "tcp://127.0.0.1:1" }')
        self.refused("filter", filter="{ 'deny (' }")
        self.refused("filter", filter="{ 'refuse x' }")
        self.refused("filter-out", filter_out="{ 'deny (' }")
        self.refused("filter-up", filter_up="{ 'deny (' }")
        self.refused("dedupe-without", dedupe="1s", dedupe_without="'('")
        self.refused("tag: .*after {", tag='"{nobody} "')
        self.refused("tag: .*backslashes", tag='"{name} "',
                     tag_checksum="true")
        self.refused("tag: .*more than one line", tag='"a\\nb"')
        self.refused("tag: .*too long", tag='"%s"' % ("x" * 600))
        self.refused("topic: longer than", topic='"%s"' % ("x" * 300))
        self.refused('filter: "deny x', filter="{ 'deny x[' }")
        self.refused("heartbeat-line", heartbeat="1s", heartbeat_line='""')
        self.refused("nothing", publish_only="true", subscribe_only="true")
        self.refused("gap-notice", gap_notice='"a\\nb"')
        self.refused("gap-notice: longer than 1000 bytes",
                     slow='"drop-oldest"', gap_notice='"%s"' % ("x" * 1001))
        self.refused("slow", slow='"sometimes"')
        self.refused("subscribe-only", subscribe_only="maybe")
        self.refused("history", history="-1")


with_workers(globals(), 2, Hub, Hold, Slow, Reload)
with_workers(globals(), 4, Hub, Hold, Slow, Reload)

if __name__ == "__main__":
    main(240)
