#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients that connect all the time, send a line and expect it back.

    knock.py FILE ADDRESS...

ADDRESS is HOST:PORT or a path. Runs until FILE exists; then prints one line:
how many clients were answered, how many refused (no connection), how many cut
(a connection, but no answer), and the first few reasons.
"""
import os
import socket
import sys
import threading
import time


class Knocker(threading.Thread):
    def __init__(self, address, end):
        super().__init__()
        self.address, self.end = address, end
        self.answered = self.refused = self.cut = 0
        self.reasons = []

    def connect(self):
        if self.address.startswith("/"):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(20)
            s.connect(self.address)
            return s
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), 20)

    def knock(self, line):
        try:
            s = self.connect()
        except OSError as e:
            self.refused += 1
            self.reasons.append("%s: %s" % (self.address, e))
            return
        with s:
            try:
                s.sendall(line)
                got = b""
                while len(got) < len(line):
                    more = s.recv(100)
                    if not more:
                        break
                    got += more
                if got != line:
                    raise OSError("got %r" % got)
                self.answered += 1
            except OSError as e:
                self.cut += 1
                self.reasons.append("%s: %s" % (self.address, e))

    def run(self):
        n = 0
        while not os.path.exists(self.end):
            self.knock(b"%d\n" % n)
            n += 1
            time.sleep(0.005)


def main():
    knockers = [Knocker(address, sys.argv[1]) for address in sys.argv[2:] * 2]
    for knocker in knockers:
        knocker.start()
    for knocker in knockers:
        knocker.join()
    print("answered %d refused %d cut %d" % tuple(
        sum(getattr(k, what) for k in knockers)
        for what in ("answered", "refused", "cut")))
    for reason in [r for k in knockers for r in k.reasons][:5]:
        print(reason)


main()
