#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The system calls of a request and its answer: one wait, one receive, one
send, and nothing else. Skipped if processes may not be traced."""
import re
import shutil
import signal
import socket
import subprocess
import unittest

from lined_test import PATIENCE, Client, Datagram, DaemonTest
from lined_test import free_port, main, service, tally

WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll"}
RECEIVES = {"read", "readv", "recvfrom", "recvmsg", "recvmmsg"}
SENDS = {"write", "writev", "sendto", "sendmsg", "sendmmsg"}


def may_trace():
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"],
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


class Trace:
    """The system calls of a daemon while the block runs. Client c sends a line
    before and one after the block, so that calls made while strace attaches are
    not counted: `calls` has the calls between the send for the first line and
    the receive of the second."""

    def __init__(self, daemon, file, c):
        self.daemon = daemon
        self.file = file
        self.client = c

    def say(self, text):
        self.client.send(text)
        got = (self.client.receive() if isinstance(self.client, Datagram)
               else self.client.line())
        assert got == text, got

    def __enter__(self):
        self.strace = subprocess.Popen(
            ["setpriv", "--pdeathsig", "INT", "strace", "-f", "-o", self.file,
             "-p", str(self.daemon.pid)],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # strace reports when it has attached.
        line = self.strace.stderr.readline().decode()
        if "attached" not in line:
            self.strace.kill()
            self.strace.wait()
            self.strace.stderr.close()
            raise unittest.SkipTest("strace: " + line.strip())
        self.say(b"warm\n")
        self.say(b"warm\n")
        self.say(b"trace-begin\n")
        return self

    def __exit__(self, *_):
        try:
            self.say(b"trace-end\n")
            self.say(b"cold\n")
        finally:
            self.strace.send_signal(signal.SIGINT)
            self.strace.wait(PATIENCE)
            self.strace.stderr.close()
        with open(self.file) as f:
            lines = [line for line in f.read().splitlines()
                     if not re.match(r"\d+ +(\+\+\+|---)", line)]
        begin = max(i for i, line in enumerate(lines)
                    if "trace-begin" in line)
        end = min(i for i, line in enumerate(lines) if "trace-end" in line)
        self.lines = lines[begin + 1:end]
        self.calls = tally(self.names())

    def names(self):
        begun = {}
        for line in self.lines:
            called = re.match(r"(\d+) +(\w+)\(", line)
            resumed = re.match(r"(\d+) +<\.\.\. (\w+) resumed>", line)
            if called and line.endswith("<unfinished ...>"):
                begun[called.group(1)] = called.group(2)
                continue
            if resumed and not begun.pop(resumed.group(1), None):
                continue
            name = called.group(2) if called else resumed.group(2)
            yield ("wait" if name in WAITS else
                   "receive" if name in RECEIVES else
                   "send" if name in SENDS else name)


@unittest.skipUnless(may_trace(), "processes may not be traced here")
class Syscalls(DaemonTest):
    POLLER = "epoll"

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.unix = self.path("echo.sock")
        self.daemon = self.start(
            service("echo", "tcp://127.0.0.1:%d" % self.port,
                    "unix://" + self.unix,
                    "udp://127.0.0.1:%d" % self.port),
            workers=1, env={"LINED_POLLER": self.POLLER})

    def trace(self, c):
        return Trace(self.daemon, self.path("trace"), c)

    def assert_calls(self, trace, exchanges, receives=None):
        calls = dict(trace.calls)
        told = "\n".join(trace.lines[:40])
        self.assertEqual(calls.pop("receive", 0), receives or exchanges, told)
        self.assertEqual(calls.pop("send", 0), exchanges, told)
        # There is one more wait at the end, and timers may end one or two.
        waits = calls.pop("wait", 0)
        # The regular check of the memory.
        calls.pop("getrusage", None)
        if self.daemon.is_sanitized():
            # Calls of a sanitizer for its own memory and clock.
            for own in ("mmap", "munmap", "madvise", "gettimeofday",
                        "nanosleep", "clock_nanosleep"):
                calls.pop(own, 0)
        self.assertGreaterEqual(waits, exchanges + 1, told)
        self.assertLessEqual(waits, exchanges + 3, told)
        self.assertEqual(calls, {}, told)

    def test_one_line_at_a_time(self):
        for address in (self.address, self.unix):
            with self.subTest(address=address), Client(address) as c:
                for _ in range(10):
                    self.assertTrue(c.echoes())
                with self.trace(c) as trace:
                    for _ in range(200):
                        self.assertTrue(c.echoes(b"x" * 63 + b"\n"))
                self.assert_calls(trace, 200)

    def test_64_pipelined_lines(self):
        said = b"".join(b"pipelined line %2d\n" % i for i in range(64))
        with Client(self.address) as c:
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.assertTrue(c.echoes())
            with self.trace(c) as trace:
                for _ in range(20):
                    c.send(said)
                    self.assertEqual(c.exactly(len(said)), said)
            self.assert_calls(trace, 20)

    def test_an_idle_daemon_makes_none(self):
        with Client(self.address) as c:
            self.assertTrue(c.echoes())
            with self.trace(c) as trace:
                self.assertTrue(c.is_silent(1))
        if self.daemon.is_sanitized():
            self.skipTest("a sanitizer never rests")
        self.assertLessEqual(sum(trace.calls.values()), 3, trace.lines)

    def test_datagrams(self):
        with Datagram(self.address) as c:
            c.send(b"warm\n")
            c.receive()
            with self.trace(c) as trace:
                for i in range(100):
                    c.send(b"datagram %d\n" % i)
                    c.receive()
        # One more receive may find the socket empty.
        receives = trace.calls.get("receive", 0)
        self.assertLessEqual(receives, 200)
        self.assert_calls(trace, 100, receives)


class SyscallsOfPoll(Syscalls):
    POLLER = "poll"


if __name__ == "__main__":
    main(120)
