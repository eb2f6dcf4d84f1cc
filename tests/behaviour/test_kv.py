#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kv: the same answers as memcached, values as counted blocks with all cuts,
limits, and unmodified clients of memcached."""
import os
import random
import shutil
import socket
import subprocess
import sys
import unittest

from lined_test import Client, DaemonTest, PATIENCE
from lined_test import environment, free_port, main, service

sys.path.append("/usr/lib/python3/dist-packages")
try:
    import memcache
except ImportError:
    memcache = None
try:
    import pylibmc
except ImportError:
    pylibmc = None
try:
    from pymemcache.client.base import Client as MemcacheClient
    from pymemcache.exceptions import MemcacheServerError
except ImportError:
    MemcacheClient = None

BAD_FORMAT = b"CLIENT_ERROR bad command line format\r\n"
NOT_NUMERIC = (b"CLIENT_ERROR cannot increment or decrement "
               b"non-numeric value\r\n")
LONG = b"k" * 251

# The answers of memcached 1.6.18.
EXCHANGES = [
    (b"get a\r\n", b"END\r\n"),
    (b"get\r\n", b"ERROR\r\n"),
    (b"\r\n", b"ERROR\r\n"),
    (b"GET a\r\n", b"ERROR\r\n"),
    (b"get  a  b \r\n", b"END\r\n"),
    (b"get " + LONG + b"\r\n", BAD_FORMAT),
    (b"get a " + LONG + b"\r\n", BAD_FORMAT),
    (b"get " + LONG[1:] + b"\r\n", b"END\r\n"),
    (b"set a 1 0 3\r\nabc\r\nget a\r\n",
     b"STORED\r\nVALUE a 1 3\r\nabc\r\nEND\r\n"),
    (b"set a 1 0 3\nabc\r\nget a\n",
     b"STORED\r\nVALUE a 1 3\r\nabc\r\nEND\r\n"),
    (b"set b 4294967295 0 7\r\n\r\n\0\r\n\r\n\r\nget b\r\n",
     b"STORED\r\nVALUE b 4294967295 7\r\n\r\n\0\r\n\r\n\r\nEND\r\n"),
    (b"set e 0 0 0\r\n\r\nget e\r\n",
     b"STORED\r\nVALUE e 0 0\r\n\r\nEND\r\n"),
    (b"set a 1 0 1\r\nx\r\nset b 2 0 1\r\ny\r\nget a c b a\r\n",
     b"STORED\r\nSTORED\r\nVALUE a 1 1\r\nx\r\nVALUE b 2 1\r\ny\r\n"
     b"VALUE a 1 1\r\nx\r\nEND\r\n"),
    # After a bad chunk the old value stays.
    (b"set a 1 0 3\r\nabc\r\nset a 1 0 3\r\nabcd\r\nget a\r\n",
     b"STORED\r\nCLIENT_ERROR bad data chunk\r\nERROR\r\n"
     b"VALUE a 1 3\r\nabc\r\nEND\r\n"),
    (b"set a 1 0 1 noreply\r\nn\r\nget a\r\n",
     b"VALUE a 1 1\r\nn\r\nEND\r\n"),
    (b"set a 1 0 1 other\r\no\r\nget a\r\n",
     b"STORED\r\nVALUE a 1 1\r\no\r\nEND\r\n"),
    (b"delete a\r\ndelete a\r\n", b"DELETED\r\nNOT_FOUND\r\n"),
    (b"delete a 0\r\n", b"NOT_FOUND\r\n"),
    (b"delete b noreply\r\nget b\r\n", b"END\r\n"),
    (b"delete\r\n", b"ERROR\r\n"),
    (b"delete a b c d\r\n", b"ERROR\r\n"),
    (b"set n 5 0 1\r\n9\r\nincr n 1\r\nget n\r\n",
     b"STORED\r\n10\r\nVALUE n 5 2\r\n10\r\nEND\r\n"),
    (b"incr n 18446744073709551615\r\n", b"9\r\n"),
    (b"decr n 10\r\n", b"0\r\n"),
    (b"incr n 3 noreply\r\nget n\r\n", b"VALUE n 5 1\r\n3\r\nEND\r\n"),
    (b"incr m 1\r\n", b"NOT_FOUND\r\n"),
    (b"incr n\r\n", b"ERROR\r\n"),
    (b"incr n 1 2 3\r\n", b"ERROR\r\n"),
    (b"incr n -1\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n"),
    (b"incr n 18446744073709551616\r\n",
     b"CLIENT_ERROR invalid numeric delta argument\r\n"),
    (b"incr e 1\r\n", NOT_NUMERIC),
    (b"set s 0 0 1\r\nx\r\nincr s 1\r\n", b"STORED\r\n" + NOT_NUMERIC),
    (b"set s 0 0 20\r\n99999999999999999999\r\nincr s 1\r\n",
     b"STORED\r\n" + NOT_NUMERIC),
    (b"set x 0 -1 1\r\nx\r\nget x\r\n", b"STORED\r\nEND\r\n"),
    (b"set x 0 1000000000 1\r\nx\r\nget x\r\n", b"STORED\r\nEND\r\n"),
    (b"set x 0 2000000000 1\r\nx\r\nget x\r\n",
     b"STORED\r\nVALUE x 0 1\r\nx\r\nEND\r\n"),
    (b"set x 0 99999999999 1\r\ny\r\nget x\r\n",
     b"STORED\r\nVALUE x 0 1\r\ny\r\nEND\r\n"),
    (b"add a 3 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\n", b"STORED\r\nNOT_STORED\r\n"),
    (b"replace z 0 0 1\r\n1\r\nreplace a 4 0 1\r\n3\r\n",
     b"NOT_STORED\r\nSTORED\r\n"),
    (b"append z 0 0 1\r\n1\r\nappend a 9 0 1\r\n4\r\n",
     b"NOT_STORED\r\nSTORED\r\n"),
    (b"prepend z 0 0 1\r\n1\r\nprepend a 9 0 1 noreply\r\n2\r\n",
     b"NOT_STORED\r\n"),
    (b"get a\r\n", b"VALUE a 4 3\r\n234\r\nEND\r\n"),
    (b"cas z 0 0 1 7\r\n1\r\ncas a 0 0 1 999999\r\n1\r\n",
     b"NOT_FOUND\r\nEXISTS\r\n"),
    (b"touch a 0\r\ntouch z 0\r\ntouch a 0 noreply\r\n",
     b"TOUCHED\r\nNOT_FOUND\r\n"),
    (b"touch a\r\ntouch a 0 0 0\r\n", b"ERROR\r\nERROR\r\n"),
    (b"touch a x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
    (b"gat 0 a z\r\n", b"VALUE a 4 3\r\n234\r\nEND\r\n"),
    (b"gat\r\ngat 0\r\n", b"ERROR\r\nEND\r\n"),
    (b"gat x a\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
    (b"gat -1 a\r\nget a\r\n", b"VALUE a 4 3\r\n234\r\nEND\r\nEND\r\n"),
    (b"verbosity 1\r\nverbosity 1 noreply\r\nverbosity\r\n",
     b"OK\r\nERROR\r\n"),
    (b"verbosity x\r\n", BAD_FORMAT),
    (b"set a 0 0 1\r\n1\r\nflush_all 100\r\nget a\r\n",
     b"STORED\r\nOK\r\nVALUE a 0 1\r\n1\r\nEND\r\n"),
    (b"flush_all noreply\r\nget a\r\n", b"END\r\n"),
    (b"set a 0 0 1\r\n1\r\nflush_all 0 noreply\r\nget a\r\n",
     b"STORED\r\nEND\r\n"),
    (b"flush_all x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
    (b"flush_all 0 1 2\r\n", b"ERROR\r\n"),
    (b"stats foo\r\nstats items\r\nstats reset\r\n",
     b"ERROR\r\nEND\r\nRESET\r\n"),
    (b"delete a 1\r\n", b"CLIENT_ERROR bad command line format.  "
     b"Usage: delete <key> [noreply]\r\n"),
]

# A value whose storage command is refused, and the answer if the value were
# executed as commands. memcached executes some of these.
EVIL = b"set evil 0 0 3\r\nbad\r\n"
REFUSED = [
    (b"set a x 0 %d\r\n", BAD_FORMAT),
    (b"add a 0 x %d\r\n", BAD_FORMAT),
    (b"replace a -1 0 %d\r\n", BAD_FORMAT),
    (b"append " + LONG + b" 0 0 %d\r\n", BAD_FORMAT),
    (b"prepend " + LONG + b" 0 0 %d noreply\r\n", b""),
    (b"cas a 0 0 %d x\r\n", BAD_FORMAT),
    (b"cas a 0 0 %d -1 noreply\r\n", b""),
    (b"ms a %d T0\r\n", b"ERROR\r\n"),
    (b"replace nobody 0 0 %d\r\n", b"NOT_STORED\r\n"),
]
# The length of the value is unknown, so the connection is closed.
UNKNOWN_LENGTH = [
    (b"set a 0 0 x\r\n", BAD_FORMAT),
    (b"set a 0 0 -1\r\n", BAD_FORMAT),
    (b"set a 0 0 3000000000\r\n", BAD_FORMAT),
    (b"set a 0 23\r\n", b"ERROR\r\n"),
    (b"add a b 0 0 23 noreply x\r\n", b"ERROR\r\n"),
    (b"cas a 0 0 23\r\n", b"ERROR\r\n"),
    (b"ms a\r\n", b"ERROR\r\n"),
]


class KeysAndValues(DaemonTest):
    def setUp(self):
        super().setUp()
        self.address = ("127.0.0.1", free_port())

    def text(self, options="", more=""):
        return service("cache", "tcp://127.0.0.1:%d" % self.address[1],
                       protocol="kv", extra="\tkv { %s }\n%s"
                       % (options, more))

    def expect(self, client, sent, wanted):
        client.send(sent)
        self.assertEqual(client.exactly(len(wanted)), wanted, sent[:80])

    def set(self, client, key, value, answer=b"STORED\r\n", expires=0):
        self.expect(client, b"set %s 0 %d %d\r\n%s\r\n"
                    % (key, expires, len(value), value), answer)

    def get(self, client, key):
        """Returns the value of a key; None: it has none."""
        client.send(b"get %s\r\n" % key)
        line = client.line()
        if line == b"END\r\n":
            return None
        self.assertTrue(line.startswith(b"VALUE %s 0 " % key), line)
        value = client.exactly(int(line.split()[3]) + 2)
        self.assertEqual(value[-2:], b"\r\n")
        self.assertEqual(client.line(), b"END\r\n")
        return value[:-2]


class Protocol(KeysAndValues):
    def test_it_answers_as_memcached_does(self):
        self.start(self.text())
        with Client(self.address) as c:
            for sent, wanted in EXCHANGES:
                self.expect(c, sent, wanted)
            c.send(b"version\r\n")
            self.assertRegex(c.line(), rb"^VERSION 1\.\d+\.\d+-lined\r\n$")
            c.send(b"quit\r\nget a\r\n")
            self.assertEqual(c.rest(), b"")

    def test_packets_do_not_matter(self):
        self.start(self.text())
        sent = b"".join(s for s, _ in EXCHANGES)
        wanted = b"".join(w for _, w in EXCHANGES)
        draw = random.Random(5)
        for step in (lambda: len(sent), lambda: 1, lambda: 2,
                     lambda: draw.randint(1, 9), lambda: draw.randint(1, 300)):
            # The store is empty at the start of each round.
            clean = b"flush_all noreply\r\n"
            with Client(self.address) as c:
                c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                c.send(clean)
                at = 0
                while at < len(sent):
                    size = step()
                    c.send(sent[at:at + size])
                    at += size
                c.half_close()
                self.assertEqual(c.rest(), wanted)

    def test_a_refused_value_is_never_run(self):
        self.start(self.text())
        with Client(self.address) as c:
            for sent, wanted in REFUSED:
                sent = sent % len(EVIL) + EVIL
                self.expect(c, sent + b"\r\nget evil\r\n",
                            wanted + b"END\r\n")
            for sent, wanted in UNKNOWN_LENGTH:
                with Client(self.address) as other:
                    other.send(sent + EVIL + b"\r\n")
                    self.assertEqual(other.ended(), wanted, sent)
            self.expect(c, b"get evil\r\n", b"END\r\n")

    def test_a_value_that_is_too_large_is_passed_over(self):
        self.start(self.text("value-size = 1000"))
        evil = EVIL * 20000
        with Client(self.address) as c:
            self.set(c, b"a", b"x" * 1000)
            self.set(c, b"b", b"x" * 1000)
            for command in b"add", b"set", b"append", b"cas":
                unique = b" 1" if command == b"cas" else b""
                c.send(b"%s a 0 0 %d%s\r\n%s\r\n"
                       % (command, len(evil), unique, evil))
                self.assertEqual(c.line(), b"SERVER_ERROR object too large "
                                 b"for cache\r\n")
            self.expect(c, b"set a 0 0 1001 noreply\r\n%s\r\nget evil\r\n"
                        % (b"x" * 1001), b"END\r\n")
            # The old value must not stay in place of the refused one.
            self.assertIsNone(self.get(c, b"a"))
            self.expect(c, b"append b 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
            self.assertEqual(self.get(c, b"b"), b"x" * 1000)

    def test_a_get_has_any_number_of_keys(self):
        self.start(self.text())
        with Client(self.address) as c:
            self.set(c, b"k0", b"first")
            self.set(c, b"k9999", b"last")
            for command in b"get", b"gets", b"gat 0", b"gats 0":
                keys = b" ".join(b"k%d" % n for n in range(10000))
                c.send(b"%s %s\r\n" % (command, keys))
                lines = []
                while lines[-1:] != [b"END\r\n"]:
                    lines.append(c.line())
                self.assertEqual(lines[1::2], [b"first\r\n", b"last\r\n"])

    def test_an_update_needs_the_unique_it_was_read_with(self):
        self.start(self.text())
        with Client(self.address) as c, Client(self.address) as other:
            self.set(c, b"a", b"1")
            unique = self.unique(c, b"a")
            self.assertEqual(self.unique(other, b"a"), unique)
            self.expect(c, b"touch a 100\r\n", b"TOUCHED\r\n")
            self.expect(other, b"cas a 0 0 1 %d\r\n2\r\n" % unique,
                        b"STORED\r\n")
            self.expect(c, b"cas a 0 0 1 %d\r\n3\r\n" % unique,
                        b"EXISTS\r\n")
            self.assertEqual(self.get(c, b"a"), b"2")
            for change in (b"incr a 1\r\n", b"append a 0 0 1\r\n4\r\n",
                           b"set a 0 0 1\r\n5\r\n"):
                unique = self.unique(c, b"a")
                other.send(change)
                other.line()
                self.expect(c, b"cas a 0 0 1 %d\r\n3\r\n" % unique,
                            b"EXISTS\r\n")
            self.expect(c, b"delete a\r\ncas a 0 0 1 %d\r\n3\r\n" % unique,
                        b"DELETED\r\nNOT_FOUND\r\n")

    def unique(self, client, key):
        client.send(b"gets %s\r\n" % key)
        unique = int(client.line().split()[4])
        client.line()
        self.assertEqual(client.line(), b"END\r\n")
        return unique

    def test_a_request_of_http_ends_the_connection(self):
        daemon = self.start(self.text())
        for sent in (b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n",
                     b"Host: 127.0.0.1\r\n", b"POST\r\n"):
            with Client(self.address) as c:
                c.send(sent + b"\r\n" + EVIL)
                self.assertEqual(c.ended(), b"")
        with Client(self.address) as c:
            self.expect(c, b"get evil\r\n", b"END\r\n")
        del daemon

    def test_flush_all_with_a_delay_comes_later(self):
        self.start(self.text())
        with Client(self.address) as c:
            self.set(c, b"a", b"x")
            self.expect(c, b"flush_all 1\r\n", b"OK\r\n")
            self.assertEqual(self.get(c, b"a"), b"x")
            self.eventually(lambda: self.get(c, b"a") is None,
                            "the end of a second")
            # A second flush_all replaces the first.
            self.expect(c, b"flush_all 1\r\nflush_all 3600\r\n",
                        b"OK\r\nOK\r\n")
            self.set(c, b"a", b"x")

    def test_stats_add_up(self):
        self.start(self.text())
        with Client(self.address) as c:
            self.set(c, b"a", b"1")
            self.get(c, b"a")
            self.get(c, b"b")
            for sent in (b"incr a 1", b"decr b 1", b"delete b", b"touch a 0",
                         b"gat 0 a", b"delete a"):
                c.send(sent + b"\r\nversion\r\n")
                while not c.line().startswith(b"VERSION"):
                    pass
            c.send(b"stats\r\n")
            stats = {}
            for line in iter(c.line, b"END\r\n"):
                word, name, value = line.split()
                self.assertEqual(word, b"STAT")
                stats[name.decode()] = value.decode()
        wanted = dict(cmd_get=2, get_hits=2, get_misses=1, cmd_set=1,
                      incr_hits=1, decr_misses=1, delete_hits=1,
                      delete_misses=1, cmd_touch=2, touch_hits=2,
                      curr_items=0, total_items=1, bytes=0,
                      curr_connections=1)
        self.assertEqual({name: int(stats[name]) for name in wanted}, wanted)

    def test_half_a_value_is_not_kept(self):
        self.start(self.text())
        with Client(self.address) as c:
            c.send(b"set a 0 0 10\r\n12345")
        with Client(self.address) as c:
            c.send(b"set a 0 0 10\r\n1234567890")
            c.half_close()
            self.assertEqual(c.rest(), b"")
        with Client(self.address) as c:
            self.expect(c, b"get a\r\n", b"END\r\n")

    def test_a_value_lasts_as_long_as_was_said(self):
        self.start(self.text())
        with Client(self.address) as c:
            self.set(c, b"long", b"x", expires=3600)
            self.set(c, b"number", b"1", expires=1)
            self.expect(c, b"incr number 1\r\n", b"2\r\n")
            self.set(c, b"short", b"x", expires=1)
            self.eventually(lambda: self.get(c, b"short") is None,
                            "the end of a second")
            # Counting has not prolonged the life of the entry.
            self.assertIsNone(self.get(c, b"number"))
            self.assertEqual(self.get(c, b"long"), b"x")

    def test_all_clients_on_all_workers_see_the_same(self):
        self.start(self.text(), workers=3)
        clients = [Client(self.address) for _ in range(6)]
        for n, c in enumerate(clients):
            self.set(c, b"k%d" % n, b"v%d" % n)
        for c in clients:
            for n in range(len(clients)):
                self.assertEqual(self.get(c, b"k%d" % n), b"v%d" % n)
            c.close()


class Bounds(KeysAndValues):
    def test_defaults_are_not_warned_of(self):
        code, err = self.check(service("kv", "unix://" + self.path("k"),
                                       protocol="kv"))
        self.assertEqual(code, 0)
        self.assertNotIn("warning", err)

    def test_memory_is_bounded_and_the_longest_unused_goes(self):
        daemon = self.start(self.text("memory = 1M"))
        value = b"x" * 10000
        with Client(self.address) as c:
            self.set(c, b"first", value)
            for n in range(300):
                self.set(c, b"k%d" % n, value)
                if n % 20 == 0:
                    # This key is used all the time.
                    self.assertEqual(self.get(c, b"first"), value)
            self.assertIsNone(self.get(c, b"k0"))
            self.assertEqual(self.get(c, b"k299"), value)
            self.assertEqual(self.get(c, b"first"), value)
            left = sum(self.get(c, b"k%d" % n) is not None
                       for n in range(300))
            self.assertTrue(60 < left < 105, left)
            self.write(self.text("memory = 64k"))
            daemon.reload()
            left = sum(self.get(c, b"k%d" % n) is not None
                       for n in range(300))
            self.assertTrue(3 < left < 7, left)

    def test_more_than_the_memory_is_refused(self):
        self.start(self.text("memory = 64k"))
        with Client(self.address) as c:
            self.set(c, b"a", b"old")
            self.set(c, b"a", b"x" * 65536,
                     b"SERVER_ERROR out of memory storing object\r\n")
            self.assertIsNone(self.get(c, b"a"))

    def test_an_answer_over_the_send_queue_is_an_error(self):
        self.start(self.text(more="limits { send-queue = 64k }"))
        with Client(self.address) as c:
            self.set(c, b"a", b"x" * 40000)
            self.assertEqual(self.get(c, b"a"), b"x" * 40000)
            c.send(b"get a a\r\n")
            self.assertEqual(c.line(), b"VALUE a 0 40000\r\n")
            c.exactly(40002)
            self.assertEqual(c.line(), b"SERVER_ERROR out of memory writing "
                             b"get response\r\n")
            self.expect(c, b"get b\r\n", b"END\r\n")

    def test_a_line_that_is_too_long_closes(self):
        self.start(self.text())
        with Client(self.address) as c:
            c.send(b"get " + b"k" * 2000000 + b"\r\nget a\r\n")
            self.assertEqual(c.ended(), b"")


@unittest.skipUnless(shutil.which("memcached"), "no memcached")
class BesideMemcached(KeysAndValues):
    """The same random commands go to memcached and to kv. flush_all is left
    out, because in memcached it hides values that are stored in the same
    second."""

    def draw(self, rng):
        key = rng.choice([b"a", b"b", b"n", b"m"])
        number = b"%d" % rng.choice([0, 1, 7, 99, 2 ** 32 - 1])
        end = rng.choice([b"", b"", b" noreply"])
        value = rng.choice([b"", b"x", b"12", b"7", b"get a\r\n",
                            b"y" * rng.randrange(3000)])
        storage = rng.choice([b"set", b"add", b"replace", b"append",
                              b"prepend"])
        expires = rng.choice([b"0", b"0", b"100", b"-1"])
        return rng.choice([
            b"%s %s %s %s %d%s\r\n%s\r\n" % (storage, key, number, expires,
                                            len(value), end, value),
            b"%s %s %s 0 %d%s\r\n%s\r\n" % (storage, key, number,
                                           len(value), end, value),
            b"cas %s 0 0 1 999999%s\r\nx\r\n" % (key, end),
            b"get %s a b\r\n" % key, b"gat %s %s\r\n" % (expires, key),
            b"incr %s %s%s\r\n" % (key, number, end),
            b"delete %s%s\r\n" % (key, end),
            b"touch %s %s%s\r\n" % (key, expires, end),
            b"verbosity 0%s\r\n" % end,
            b"get\r\n", b"nonsense %s\r\n" % key, b"stats reset\r\n",
        ])

    def test_both_answer_alike(self):
        self.start(self.text("value-size = 1M"))
        port = free_port()
        server = subprocess.Popen(
            ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0",
             "-u", "nobody"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.eventually(lambda: self.connects(port), "memcached")
        rng = random.Random(11)
        for _ in range(20):
            sent = [self.draw(rng) for _ in range(200)] + [b"version\r\n"]
            answers = []
            for address in (("127.0.0.1", port), self.address):
                with Client(address) as c:
                    c.send(b"".join(sent))
                    c.half_close()
                    got = c.rest()
                    answers.append(got[:got.rindex(b"VERSION")])
            self.assertEqual(*answers)

    def connects(self, port):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True


@unittest.skipUnless(shutil.which("memccapable"), "no libmemcached-tools")
class Libmemcached(KeysAndValues):
    def run_tool(self, *argv):
        return subprocess.run(argv, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, cwd=self.dir,
                              env=environment(), timeout=PATIENCE)

    def test_its_own_tests_of_a_server_pass(self):
        self.start(self.text())
        for name in ("version", "verbosity", "set", "set noreply", "get",
                     "gets", "mget", "flush", "flush noreply", "add",
                     "add noreply", "replace", "replace noreply", "cas",
                     "cas noreply", "delete", "delete noreply", "incr",
                     "incr noreply", "decr", "decr noreply", "append",
                     "append noreply", "prepend", "prepend noreply",
                     "stat"):
            with self.subTest(name):
                done = self.run_tool("memccapable", "-h", "127.0.0.1", "-p",
                                     str(self.address[1]), "-a", "-T",
                                     "ascii " + name)
                self.assertRegex(done.stdout.decode(),
                                 r"ascii %s +\[pass\]" % name)
                self.assertEqual(done.returncode, 0, done.stdout)

    def test_its_tools_copy_show_and_remove(self):
        self.start(self.text())
        servers = "--servers=127.0.0.1:%d" % self.address[1]
        with open(os.path.join(self.dir, "file"), "wb") as f:
            f.write(bytes(range(256)) * 1000)
        self.assertEqual(self.run_tool("memccp", servers, "file").returncode,
                         0)
        shown = self.run_tool("memccat", servers, "file")
        self.assertEqual(shown.returncode, 0)
        self.assertIn(bytes(range(256)) * 1000, shown.stdout)
        self.assertEqual(self.run_tool("memcrm", servers, "file").returncode,
                         0)
        self.assertNotEqual(
            self.run_tool("memccat", servers, "file").returncode, 0)


@unittest.skipUnless(MemcacheClient, "no python3-pymemcache")
class Pymemcache(KeysAndValues):
    def test_a_session(self):
        self.start(self.text())
        c = MemcacheClient(self.address, timeout=PATIENCE,
                           default_noreply=False)
        self.addCleanup(c.close)
        self.assertTrue(c.set("a", b"one"))
        self.assertEqual(c.get("a"), b"one")
        self.assertEqual(c.get("b", b"none"), b"none")
        self.assertEqual(c.set_many({"k%d" % n: b"v%d" % n
                                     for n in range(500)}), [])
        self.assertEqual(c.get_many(["k%d" % n for n in range(600)]),
                         {"k%d" % n: b"v%d" % n for n in range(500)})
        self.assertTrue(c.delete("a"))
        self.assertFalse(c.delete("a"))
        self.assertIsNone(c.incr("n", 1))
        c.set("n", b"41", noreply=True)
        self.assertEqual(c.incr("n", 1), 42)
        self.assertEqual(c.decr("n", 50), 0)
        self.assertIn(b"lined", c.version())
        big = os.urandom(500000)
        self.assertTrue(c.set("big", big))
        self.assertEqual(c.get("big"), big)
        with self.assertRaises(MemcacheServerError):
            c.set("big", big + big)
        self.assertIsNone(c.get("big"))
        c.quit()


class OtherClients(KeysAndValues):
    """One session with each client of Debian, unmodified."""

    def session(self, c):
        self.assertTrue(c.set("a", "one"))
        self.assertEqual(c.get("a"), "one")
        self.assertFalse(c.add("a", "two"))
        self.assertTrue(c.replace("a", "two"))
        self.assertTrue(c.append("a", "+"))
        self.assertTrue(c.prepend("a", "-"))
        self.assertEqual(c.get("a"), "-two+")
        self.assertFalse(c.set_multi({"k%d" % n: n for n in range(5000)}))
        self.assertEqual(c.get_multi(["k%d" % n for n in range(5000)]),
                         {"k%d" % n: n for n in range(5000)})
        self.assertTrue(c.set("n", 41))
        self.assertEqual(c.incr("n"), 42)
        self.assertEqual(c.decr("n", 2), 40)
        self.assertTrue(c.touch("n", 100))
        self.assertTrue(c.delete("a"))
        self.assertIsNone(c.get("a"))
        self.assertTrue(c.get_stats())
        c.flush_all()
        self.assertIsNone(c.get("n"))

    @unittest.skipUnless(memcache, "no python3-memcache")
    def test_python_memcache(self):
        self.start(self.text())
        c = memcache.Client(["127.0.0.1:%d" % self.address[1]], cache_cas=True)
        self.addCleanup(c.disconnect_all)
        self.session(c)
        c.set("a", 1)
        self.assertEqual(c.gets("a"), 1)
        self.assertTrue(c.cas("a", 2))
        self.assertEqual(c.get("a"), 2)

    @unittest.skipUnless(pylibmc, "no python3-pylibmc")
    def test_pylibmc(self):
        self.start(self.text())
        c = pylibmc.Client(["127.0.0.1:%d" % self.address[1]],
                           behaviors={"cas": True})
        self.session(c)
        c.set("a", 1)
        value, unique = c.gets("a")
        self.assertEqual(value, 1)
        self.assertTrue(c.cas("a", 2, unique))
        self.assertFalse(c.cas("a", 3, unique))

    PHP = """
        $c = new Memcached();
        $c->addServer("127.0.0.1", %d);
        function is($a, $b) { if ($a !== $b) { var_dump($a, $b); exit(1); } }
        is($c->set("a", "one"), true);
        is($c->add("a", "two"), false);
        is($c->replace("a", "two", 100), true);
        is($c->get("a"), "two");
        is($c->setMulti(["x" => 1, "y" => [2, 3]]), true);
        is($c->getMulti(["x", "y", "z"]), ["x" => 1, "y" => [2, 3]]);
        is($c->increment("x", 41), 42);
        is($c->touch("x", 100), true);
        $got = $c->get("a", null, Memcached::GET_EXTENDED);
        is($c->cas($got["cas"], "a", "three"), true);
        is($c->cas($got["cas"], "a", "four"), false);
        is($c->get("a"), "three");
        is($c->delete("a"), true);
        is(count($c->getStats()), 1);
        is($c->flush(), true);
        is($c->get("x"), false);
        is($c->getResultCode(), Memcached::RES_NOTFOUND);
        echo "good";
    """

    def test_php_memcached(self):
        php = shutil.which("php")
        if not php or b"memcached" not in subprocess.run(
                [php, "-m"], stdout=subprocess.PIPE).stdout.split():
            self.skipTest("no php-memcached")
        self.start(self.text())
        done = subprocess.run([php, "-r", self.PHP % self.address[1]],
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE)
        self.assertEqual(done.stdout, b"good")


if __name__ == "__main__":
    main()
