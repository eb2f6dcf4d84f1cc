#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Hostile clients for minutes, with well-behaved clients beside them. Run by
hand: this needs two free processors.

	soak.py LINED MODULES [SCENE [SECONDS]]

drip    8,000 clients that send a byte a second. An echo client's p99 is at
        most twice what it is while they drip on another program; each dripper
        is cut at line-timeout, 1 s more or less.
storm   500 connections a second, 1,000 clients that never read, lines of
        64 MB, all at once. RSS stays below `memory` and 32 MB, the control
        socket answers within 100 ms, no well-behaved client is closed.
stop    10,000 clients of the default config stop reading what they make the
        server send. RSS stays below half of the memory (of 2 GB, if the group
        of control can be made)."""
import contextlib
import json
import os
import random
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

CONTROL = 'control { socket = "%s/control" }\n'
DRIP = CONTROL + """service "echo" { protocol = "echo" listen = "unix://%s/echo" }
service "dripped" {
	protocol = "echo"
	listen = "tcp://127.0.0.1:%d"
	limits {
		clients = 9000 clients-per-address = 0
		connect-rate-per-address = 0 line-timeout = 20s
	}
}
"""
STORM = CONTROL + """memory = 128M
defaults { limits { clients-per-address = 0 connect-rate-per-address = 0 } }
service "echo" { protocol = "echo" listen = "tcp://127.0.0.1:%d" }
service "hub" { protocol = "relay" listen = "tcp://127.0.0.1:%d" }
service "long" {
	protocol = "echo"
	listen = "tcp://127.0.0.1:%d"
	framing { line-length = 64M }
}
"""
STOP = CONTROL + """service "echo" {
	protocol = "echo"
	listen = "tcp://127.0.0.1:%d"
	limits { clients = 10000 clients-per-address = 0 connect-rate-per-address = 0 }
}
"""
failures = []


def check(holds, text):
    print(("ok    " if holds else "FAILS ") + text, flush=True)
    if not holds:
        failures.append(text)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def connect(port, source="127.0.0.1"):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if source != "127.0.0.1":
        sock.bind((source, 0))
    sock.connect(("127.0.0.1", port))
    return sock


class Daemon:
    """lined with a config, in a cgroup if there is one."""

    def __init__(self, lined, modules, config, directory, group=None):
        self.directory = directory
        self.linectl = os.path.join(os.path.dirname(lined), "linectl")
        with open(directory + "/lined.conf", "w") as file:
            file.write(config)
        self.process = subprocess.Popen(
            [lined, "-c", directory + "/lined.conf", "-m", modules,
             "-L", "stderr"], stderr=open(directory + "/log", "w"),
            preexec_fn=lambda: group and open(group + "/cgroup.procs",
                                              "w").write(str(os.getpid())))
        while not os.path.exists(directory + "/control"):
            if self.process.poll() is not None:
                sys.exit(open(directory + "/log").read())
            time.sleep(0.01)

    def ask(self, *command):
        """Returns the milliseconds until the answer is complete, without the
        start of linectl."""
        begun, got = time.monotonic(), b""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.directory + "/control")
            sock.sendall(" ".join(command).encode() + b"\n")
            while not got.endswith(b'{"kind":"ok"}\n'):
                more = sock.recv(65536)
                if not more:
                    sys.exit("control: %r" % got)
                got += more
        return (time.monotonic() - begun) * 1000

    def counters(self, service):
        out = subprocess.run([self.linectl, "-s", self.directory + "/control",
                              "--json", "services", service],
                             capture_output=True, check=True)
        return json.loads(out.stdout)["services"][0]

    def rss(self):
        with open("/proc/%d/statm" % self.process.pid) as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


@contextlib.contextmanager
def attacker(work, *args):
    """Runs an attacker in another process, so that it does not delay the
    measuring one. It writes its results to a pipe when it ends."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(out)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            work(os.fdopen(into, "w"), *args)
        except KeyboardInterrupt:
            pass
        finally:
            os._exit(0)
    os.close(into)
    try:
        yield os.fdopen(out)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Echo:
    """A well-behaved client that measures how long it waits for each answer."""

    def __init__(self, sock):
        self.sock, self.times = sock, []
        sock.settimeout(30)

    def line(self):
        begun = time.monotonic()
        self.sock.sendall(b"a line of somebody who behaves\n")
        got = b""
        while not got.endswith(b"\n"):
            more = self.sock.recv(4096)
            if not more:
                raise ConnectionError("closed")
            got += more
        self.times.append((time.monotonic() - begun) * 1000)

    def for_seconds(self, seconds):
        self.times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            self.line()
            time.sleep(0.005)
        return sorted(self.times)[len(self.times) * 99 // 100]


# ---- drip --------------------------------------------------------------------


def drip(report, port, count):
    """Each client sends one byte a second. Writes how late each was closed."""
    waits = select.epoll()
    socks, begun = {}, {}
    for i in range(count):
        sock = connect(port, "127.0.%d.%d" % (1 + i % 16, 1 + i % 250))
        sock.send(b"x")
        socks[sock.fileno()] = sock
        begun[sock.fileno()] = time.monotonic()
        waits.register(sock, select.EPOLLIN | select.EPOLLRDHUP)
    report.write("connected\n")
    report.flush()
    turn = list(socks)
    while socks:
        for part in range(1000):
            for fd in turn[part::1000]:
                if fd in socks:
                    with contextlib.suppress(OSError):
                        socks[fd].send(b"x", socket.MSG_NOSIGNAL)
            for fd, _ in waits.poll(0.001):
                report.write("%f\n" % (time.monotonic() - begun[fd]))
                waits.unregister(fd)
                socks.pop(fd).close()
    report.write("end\n")
    report.flush()
    time.sleep(60)


def sink(_, server):
    """Reads and discards, so that the machine has the same work."""
    waits, socks = select.epoll(), {}
    waits.register(server, select.EPOLLIN)
    while True:
        for fd, _ in waits.poll():
            if fd == server.fileno():
                sock = server.accept()[0]
                socks[sock.fileno()] = sock
                waits.register(sock, select.EPOLLIN)
            elif not socks[fd].recv(100):
                socks.pop(fd).close()


def scene_drip(lined, modules, directory, seconds):
    port = free_port()
    daemon = Daemon(lined, modules, DRIP % (directory, directory, port),
                    directory)
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(directory + "/echo")
    echo = Echo(sock)
    alone = echo.for_seconds(10)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server, \
            attacker(sink, server), \
            attacker(drip, server.getsockname()[1], 8000) as report:
        assert report.readline() == "connected\n"
        elsewhere = echo.for_seconds(10)
    with attacker(drip, port, 8000) as report:
        assert report.readline() == "connected\n"
        with_them = echo.for_seconds(10)
        ages = []
        for line in report:
            if line == "end\n":
                break
            ages.append(float(line))
    print("p99 %.2f ms alone, %.2f ms while they drip on another program, %.2f "
          "ms beside 8000 drippers; cut after %.2f to %.2f s"
          % (alone, elsewhere, with_them, min(ages), max(ages)))
    check(len(ages) == 8000 and 19 <= min(ages) and max(ages) <= 21,
          "each is cut at 20 s")
    check(with_them <= 2 * elsewhere, "p99 at most twice")
    daemon.end()


# ---- storm -------------------------------------------------------------------


def visitors(_, port):
    """Makes 500 connections a second. Each sends a line and closes, some with a
    reset."""
    due = time.monotonic()
    while True:
        with contextlib.suppress(OSError):
            with connect(port, "127.1.%d.%d" % (random.randrange(250),
                                                random.randrange(1, 250))) as s:
                s.send(b"hello\n")
                if random.random() < 0.3:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 b"\1\0\0\0\0\0\0\0")
        due += 1 / 500
        time.sleep(max(0, due - time.monotonic()))


def never_readers(_, port, count):
    socks = []
    while True:
        with contextlib.suppress(OSError):
            while len(socks) < count:
                sock = connect(port, "127.2.0.%d" % (1 + len(socks) % 250))
                sock.setblocking(False)
                socks.append(sock)
        # Clients that were closed connect again.
        kept = []
        for sock in socks:
            try:
                sock.send(b"I never read\n")
                kept.append(sock)
            except BlockingIOError:
                kept.append(sock)
            except OSError:
                sock.close()
        socks = kept
        time.sleep(0.5)


def long_lines(_, ports):
    """Sends one line of 64 MB after another, with and without a line end."""
    socks = {}
    while True:
        for i in range(8):
            if i not in socks:
                with contextlib.suppress(OSError):
                    socks[i] = [connect(ports[i % 2], "127.3.0.%d" % (1 + i)),
                                0]
                    socks[i][0].setblocking(False)
        for i, (sock, sent) in list(socks.items()):
            try:
                if sent >= 64 * 2**20:
                    sock.send(b"\n")
                    socks[i][1] = 0
                socks[i][1] += sock.send(b"y" * 65536)
            except BlockingIOError:
                pass
            except OSError:
                sock.close()
                del socks[i]
        time.sleep(0.001)


class Good:
    """Well-behaved clients: some read everything that the hub sends, some use
    echo."""

    def __init__(self, echo_port, hub_port):
        self.echoes = [Echo(connect(echo_port)) for _ in range(10)]
        self.readers = [connect(hub_port) for _ in range(20)]
        self.writer = connect(hub_port)
        for sock in self.readers + [self.writer]:
            sock.setblocking(False)
        self.closed = 0

    def turn(self):
        for sock in list(self.readers) + [self.writer]:
            try:
                while len(sock.recv(65536)) == 65536:
                    pass
            except BlockingIOError:
                pass
            except OSError:
                self.closed += 1
        with contextlib.suppress(BlockingIOError):
            self.writer.send((b"z" * 200 + b"\n") * 20)
        for echo in self.echoes:
            try:
                echo.line()
            except OSError:
                self.closed += 1


def scene_storm(lined, modules, directory, seconds):
    ports = [free_port() for _ in range(3)]
    daemon = Daemon(lined, modules, STORM % (directory, *ports), directory)
    good = Good(ports[0], ports[1])
    rss, answers = [], []
    with attacker(visitors, ports[0]), attacker(never_readers, ports[1], 1000), \
            attacker(long_lines, (ports[0], ports[2])):
        end, due = time.monotonic() + seconds, 0
        while time.monotonic() < end and daemon.process.poll() is None:
            good.turn()
            if time.monotonic() >= due:
                rss.append(daemon.rss())
                answers.append(daemon.ask("status"))
                due = time.monotonic() + 0.5
        hub = daemon.counters("hub")
        echo = daemon.counters("echo")
    answers.sort()
    times = sorted(t for e in good.echoes for t in e.times)
    print("RSS at most %.0f MB; control p50 %.1f, slowest %.1f ms (%d); echo "
          "p99 %.1f, slowest %.1f ms; %d accepted by echo, %d by hub"
          % (max(rss), answers[len(answers) // 2], answers[-1], len(answers),
             times[len(times) * 99 // 100], times[-1], echo["accepted"],
             hub["accepted"]))
    check(daemon.process.poll() is None, "lined lives")
    check(max(rss) < 128 + 32, "RSS below the ceiling and the program's own")
    check(answers[-1] <= 100, "control answers within 100 ms")
    check(good.closed == 0, "no well-behaved client was closed")
    daemon.end()


# ---- stop --------------------------------------------------------------------


def stop_reading(report, port, count, seconds):
    """Clients that send as long as the server reads, and read nothing."""
    socks, sent = [], 0
    for i in range(count):
        sock = connect(port, "127.4.%d.%d" % (i // 250, 1 + i % 250))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.setblocking(False)
        socks.append(sock)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for sock in list(socks):
            try:
                sent += sock.send(b"w" * 79 + b"\n" * 1, socket.MSG_NOSIGNAL)
                sent += sock.send((b"w" * 79 + b"\n") * 800,
                                  socket.MSG_NOSIGNAL)
            except BlockingIOError:
                pass
            except OSError:
                socks.remove(sock)
    report.write("%d %d\n" % (sent, len(socks)))
    report.flush()
    time.sleep(60)


def group_of_control(size):
    """Makes a cgroup with 2 GB of memory. None: it could not be made."""
    try:
        own = next(line.strip().split(":")[2] for line in
                   open("/proc/self/cgroup") if ":memory:" in line)
        path = "/sys/fs/cgroup/memory" + own + "/soak"
        os.makedirs(path, exist_ok=True)
        with open(path + "/memory.limit_in_bytes", "w") as file:
            file.write(str(size))
        return path
    except (OSError, StopIteration):
        return None


def scene_stop(lined, modules, directory, seconds):
    port, size = free_port(), 2 * 2**30
    group = group_of_control(size)
    daemon = Daemon(lined, modules, STOP % (directory, port), directory, group)
    before, rss = daemon.rss(), []
    with attacker(stop_reading, port, 10000, seconds) as report:
        while not select.select([report], [], [], 0.2)[0]:
            rss.append(daemon.rss())
        sent, left = map(int, report.readline().split())
    print("%s: RSS %.0f MB before, at most %.0f MB; %d MB sent, %d of 10000 "
          "left" % (group or "no group of control", before, max(rss),
                    sent >> 20, left))
    check(daemon.process.poll() is None, "lined lives")
    check(max(rss) < size / 2**21, "RSS below half of 2 GB")
    daemon.end()
    if group is not None:
        print("highest of the group, kernel's buffers too: %d MB" %
              (int(open(group + "/memory.max_usage_in_bytes").read()) >> 20))
        os.rmdir(group)


SCENES = {"drip": (scene_drip, 0), "storm": (scene_storm, 300),
          "stop": (scene_stop, 60)}


def main():
    lined, modules = sys.argv[1:3]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in [sys.argv[3]] if len(sys.argv) > 3 else SCENES:
        scene, seconds = SCENES[name]
        if len(sys.argv) > 4:
            seconds = float(sys.argv[4])
        print("---- " + name, flush=True)
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            scene(lined, modules, directory, seconds)
    sys.exit(len(failures) > 0)


if __name__ == "__main__":
    main()
