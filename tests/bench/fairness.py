#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fairness of the message phase: while clients of one address flood a hub,
measures how long a client of another service on the same worker waits, and how
long a reload and a stop take.

	fairness.py LINED MODULES [SECONDS [FLOODERS]]

Prints a line for each slow policy and number of workers. The bounds are those
of doc/production.md: p99 20 ms, reload 200 ms, stop drain-timeout (10 s)."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

FLOOD = b"x" * 19 + b"\n"
CONFIG = """workers = %d
control { socket = "%s/control" }
service "hub" {
	protocol = "relay"
	listen = { "unix://%s/hub" }
	limits { connect-rate-per-address = 0 }
	relay { slow = "%s" }
}
service "echo" { protocol = "echo" listen = { "unix://%s/echo" } }
"""


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return sock


def flood(path, count):
    """Runs all flooders in a process of their own, so that they do not delay
    the measuring process."""
    socks = [connect(path) for _ in range(count)]
    for sock in socks:
        sock.setblocking(False)
    while True:
        busy = False
        for sock in socks:
            try:
                busy |= sock.send(FLOOD * 3000) > 0
            except BlockingIOError:
                pass
            except OSError:
                socks.remove(sock)
                socks.append(connect(path))
                socks[-1].setblocking(False)
        if not busy:
            time.sleep(0.001)


def echo(sock):
    begun = time.monotonic()
    sock.send(b"ping\n")
    sock.recv(16)
    return (time.monotonic() - begun) * 1000


def measure(lined, modules, slow, workers, seconds, flooders):
    with tempfile.TemporaryDirectory() as at:
        config = at + "/lined.conf"
        with open(config, "w") as file:
            file.write(CONFIG % (workers, at, at, slow, at))
        daemon = subprocess.Popen(
            [lined, "-c", config, "-m", modules, "-L", "stderr"],
            stderr=open(at + "/log", "w"))
        while not os.path.exists(at + "/echo"):
            time.sleep(0.01)
        flooder = os.fork()
        if flooder == 0:
            try:
                flood(at + "/hub", flooders)
            finally:
                os._exit(0)
        socks = [connect(at + "/echo") for _ in range(2 * workers)]
        for sock in socks:
            sock.settimeout(30)
        time.sleep(1)
        times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            times.append(max(echo(sock) for sock in socks))
            time.sleep(0.005)
        times.sort()
        begun = time.monotonic()
        linectl = os.path.join(os.path.dirname(lined), "linectl")
        subprocess.run([linectl, "-s", at + "/control", "reload"],
                       stdout=subprocess.DEVNULL)
        reload_ms = (time.monotonic() - begun) * 1000
        out = subprocess.run([linectl, "-s", at + "/control", "--json",
                              "services", "hub"], capture_output=True)
        lines = json.loads(out.stdout)["services"][0]["lines_in"]
        begun = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
        stop_ms = (time.monotonic() - begun) * 1000
        os.kill(flooder, signal.SIGKILL)
        os.waitpid(flooder, 0)
        print("%-12s %d workers: echo p50 %.1f p99 %.1f max %.1f ms (%d), "
              "reload %.0f ms, stop %.0f ms, lines in %d"
              % (slow, workers, times[len(times) // 2],
                 times[len(times) * 99 // 100], times[-1], len(times),
                 reload_ms, stop_ms, lines), flush=True)


def main():
    lined, modules = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 3
    flooders = int(sys.argv[4]) if len(sys.argv) > 4 else 90
    for workers in (1, 2):
        for slow in ("disconnect", "drop-oldest", "drop-newest"):
            measure(lined, modules, slow, workers, seconds, flooders)


if __name__ == "__main__":
    main()
