#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kv: memcached's answers to the letter, values as counted blocks however they
arrive, its bounds, and clients of memcached that know nothing of lined."""
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
    from pymemcache.client.base import Client as MemcacheClient
    from pymemcache.exceptions import MemcacheServerError
except ImportError:
    MemcacheClient = None

BAD_FORMAT = b"CLIENT_ERROR bad command line format\r\n"
NOT_NUMERIC = (b"CLIENT_ERROR cannot increment or decrement "
               b"non-numeric value\r\n")
LONG = b"k" * 251

# What memcached 1.6.18 answers, tried.
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
    # What the old value was stays after a bad chunk.
    (b"set a 1 0 3\r\nabc\r\nset a 1 0 3\r\nabcd\r\nget a\r\n",
     b"STORED\r\nCLIENT_ERROR bad data chunk\r\nERROR\r\n"
     b"VALUE a 1 3\r\nabc\r\nEND\r\n"),
    (b"set a 1 0\r\n", b"ERROR\r\n"),
    (b"set a 1 0 1 2 3\r\n", b"ERROR\r\n"),
    (b"set a x 0 1\r\n", BAD_FORMAT),
    (b"set a -1 0 1\r\n", BAD_FORMAT),
    (b"set a 1 x 1\r\n", BAD_FORMAT),
    (b"set a 1 0 -1\r\n", BAD_FORMAT),
    (b"set a 1 0 3000000000\r\n", BAD_FORMAT),
    (b"set " + LONG + b" 0 0 1\r\n", BAD_FORMAT),
    (b"set " + LONG + b" 0 0 1 noreply\r\n\r\n", b"ERROR\r\n"),
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
        """The value of a key, None where it has none."""
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
            # Nothing of the last one is left over.
            clean = b"".join(b"delete %c noreply\r\n" % c for c in b"abensx")
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
            # Counting has not made it longer.
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
    def test_memory_is_bounded_and_the_longest_unused_goes(self):
        daemon = self.start(self.text("memory = 1M"))
        value = b"x" * 10000
        with Client(self.address) as c:
            self.set(c, b"first", value)
            for n in range(300):
                self.set(c, b"k%d" % n, value)
                if n % 20 == 0:
                    # This one is asked for again and again.
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

    def test_a_value_that_is_too_large_is_not_read(self):
        self.start(self.text("value-size = 1000"))
        with Client(self.address) as c:
            self.set(c, b"a", b"x" * 1000)
            c.send(b"set a 0 0 1001\r\n" + b"get b\r\n" * 200)
            self.assertEqual(c.ended(), b"SERVER_ERROR object too large "
                             b"for cache\r\n")
        with Client(self.address) as c:
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
            c.send(b"get " + b"k" * 20000 + b"\r\nget a\r\n")
            self.assertEqual(c.ended(), b"")


@unittest.skipUnless(shutil.which("memccapable"), "no libmemcached-tools")
class Libmemcached(KeysAndValues):
    def run_tool(self, *argv):
        return subprocess.run(argv, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, cwd=self.dir,
                              env=environment(), timeout=PATIENCE)

    def test_its_own_tests_of_a_server_pass(self):
        self.start(self.text())
        for name in ("version", "set", "set noreply", "get", "mget",
                     "delete", "delete noreply", "incr", "incr noreply",
                     "decr", "decr noreply"):
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


if __name__ == "__main__":
    main()
