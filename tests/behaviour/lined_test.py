# SPDX-License-Identifier: MIT
"""For tests of the daemon from outside: starts the daemon in a directory of the
test, connects clients whose reads time out, and stops the daemon. Knows no
protocol, and kills only processes that it started. A whole test script, which
must be executable:

    #!/usr/bin/python3
    # SPDX-License-Identifier: MIT
    from lined_test import Client, DaemonTest, free_port, main, service


    class Echo(DaemonTest):
        def test_line_comes_back(self):
            port = free_port()
            daemon = self.start(service("echo", "tcp://127.0.0.1:%d" % port))
            with Client(("127.0.0.1", port)) as client:
                client.send(b"hello\\n")
                self.assertEqual(client.line(), b"hello\\n")
            daemon.wait_log("client 1 .*: closed: peer")


    if __name__ == "__main__":
        main()

Add the script to `behaviour` in Makefile.am. Run it by `make -C build check
TESTS=tests/behaviour/test_NAME.py`, or by itself, the whole or one case:
`tests/behaviour/test_NAME.py Echo.test_line_comes_back`.

- DaemonTest: start() starts the daemon with a config; after the test it is
  stopped, and must exit 0. start_fails() is for configs with errors, check()
  for lined -t; write() and path() for files; build_module() for modules;
  eventually() and takes() for waiting.
- Daemon, which start() returns: wait_log(), logged(), reload(), signal(),
  stop(), wait(), kill().
- Client, Datagram, Server: the other side of a stream, of UDP, and of a
  connection that the daemon makes.

Environment: LINED is the daemon (build/lined), LINED_MODULES the directory of
its modules, LINED_WORKERS the number of workers if a test does not set it,
LINED_PATIENCE how many seconds each event may take (20), LINED_TEST_NODES on
how many nodes of a cluster the tests of chat and relay run (nodes.py),
LINED_TEST_WORKERS with how many workers each case is played once.
"""
import atexit
import collections
import contextlib
import ctypes
import faulthandler
import glob
import itertools
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LINED = os.path.abspath(os.environ.get("LINED")
                        or os.path.join(TOP, "build", "lined"))
WORKERS = int(os.environ.get("LINED_WORKERS") or 1)

# How many seconds an event may take that should come at once.
PATIENCE = float(os.environ.get("LINED_PATIENCE") or 20)

_daemons = set()
_reserved = []

# The number of nodes for a chat or a relay. Clients connect to the nodes in
# turn, see nodes.py. turns: by address, the node for the next client.
NODES = int(os.environ.get("LINED_TEST_NODES") or 1)
SHARED = re.compile(r'protocol\s*=\s*"(chat|relay)"')
turns = {}


def one_node(reason):
    """Decorates a test or a class of tests: in a cluster, all its clients
    connect to one node. doc/cluster.md has the reason."""
    def decorate(test):
        test.one_node = reason
        return test
    return decorate


def one_machine(reason):
    """Decorates a test that is skipped in a cluster. doc/cluster.md has the
    reason."""
    return unittest.skipIf(NODES > 1, "one machine: " + reason)


def environment(extra=None):
    env = {k: v for k, v in os.environ.items()
           if k not in ("NOTIFY_SOCKET", "FDSTORE")
           and not k.startswith(("WATCHDOG_", "LISTEN_"))}
    env["LC_ALL"] = "C"
    env.update(extra or {})
    return env


def _readable_by_others(directory):
    """Returns the directory or, if only root can enter it (root's home), a copy
    of its modules that everybody can read. The daemon is no longer root when a
    reload makes it load another module."""
    at = directory
    while os.stat(at).st_mode & stat.S_IXOTH:
        if at == "/":
            return directory
        at = os.path.dirname(at)
    copy = tempfile.mkdtemp(prefix="lined-test-modules-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    os.chmod(copy, 0o755)
    for name in glob.glob(os.path.join(directory, "*.so")):
        shutil.copy(name, copy)
    return copy


MODULES = os.path.abspath(os.environ.get("LINED_MODULES")
                          or os.path.join(os.path.dirname(LINED), ".libs"))
if os.geteuid() == 0:
    MODULES = _readable_by_others(MODULES)


def landlock_version():
    """The version of the kernel's Landlock; below 1 there is none."""
    create_ruleset = 444
    return ctypes.CDLL(None).syscall(create_ruleset, None, 0, 1)


def free_port():
    """Returns a port that is free for TCP and UDP over IPv4 and IPv6.

    It is outside of the range from which the kernel takes the ports of
    clients, and of that of linetest; an abstract socket reserves it among
    scripts and suites.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low = int(f.read().split()[0])
    while True:
        port = random.randrange(min(10000, low // 2), min(low, 22000))
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            mark.bind("\0lined-test-port-%d" % port)
            for family, host in ((socket.AF_INET, "0.0.0.0"),
                                 (socket.AF_INET6, "::")):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(family, kind) as s:
                        s.setsockopt(socket.SOL_SOCKET,
                                     socket.SO_REUSEADDR,
                                     kind == socket.SOCK_STREAM)
                        if family == socket.AF_INET6:
                            s.setsockopt(socket.IPPROTO_IPV6,
                                         socket.IPV6_V6ONLY, 1)
                        s.bind((host, port))
        except OSError:
            mark.close()
            continue
        _reserved.append(mark)
        return port


def service(name, *listen, protocol="echo", extra=""):
    """The config of one service; extra is put into its section."""
    return ('service "%s" {\n\tprotocol = "%s"\n\tlisten = { %s }\n%s\n}\n'
            % (name, protocol, ", ".join('"%s"' % a for a in listen), extra))


def is_linked_with(library, program=LINED):
    """Whether the program has a library of this name, such as libtsan."""
    done = subprocess.run(["ldd", program], stdout=subprocess.PIPE, check=True)
    return library.encode() in done.stdout


class Client:
    """A stream client that connects to (host, port) or to the path of a UNIX
    socket."""

    def __init__(self, address, source=None, rcvbuf=None, sndbuf=None,
                 timeout=PATIENCE):
        address = next(turns.get(address, itertools.repeat(address)))
        if isinstance(address, str):
            family = socket.AF_UNIX
        elif ":" in address[0]:
            family = socket.AF_INET6
        else:
            family = socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if sndbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        if source:
            self.sock.bind((source, 0))
        try:
            self.sock.connect(address)
        except BaseException:
            self.sock.close()
            raise
        self.buffer = bytearray()

    @classmethod
    def adopt(cls, sock, timeout=PATIENCE):
        """Makes a client of a socket that is connected."""
        client = cls.__new__(cls)
        client.sock = sock
        client.sock.settimeout(timeout)
        client.buffer = bytearray()
        return client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def send(self, data):
        self.sock.sendall(data)

    def fill(self, data, quiet=0.5):
        """Sends data again and again until the daemon has read nothing for
        `quiet` seconds, or closes. Returns the number of sent bytes; the last
        repetition may be incomplete."""
        total = 0
        timeout = self.sock.gettimeout()
        self.sock.settimeout(quiet)
        try:
            while True:
                total += self.sock.send(data[total % len(data):])
        except (socket.timeout, ConnectionError):
            return total
        finally:
            self.sock.settimeout(timeout)

    def _more(self):
        got = self.sock.recv(1 << 18)
        self.buffer += got
        return bool(got)

    def line(self):
        """The next line with its terminator; b"" at the end."""
        while True:
            end = self.buffer.find(b"\n") + 1
            if end:
                break
            if not self._more():
                end = len(self.buffer)
                break
        line = bytes(self.buffer[:end])
        del self.buffer[:end]
        return line

    def exactly(self, size):
        while len(self.buffer) < size:
            if not self._more():
                raise AssertionError("closed after %d of %d bytes: %r"
                                     % (len(self.buffer), size,
                                        bytes(self.buffer[-80:])))
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def rest(self):
        """Returns everything until the end of the stream."""
        while self._more():
            pass
        data = bytes(self.buffer)
        self.buffer.clear()
        return data

    def is_silent(self, seconds):
        """True if nothing comes for so many seconds, not even the end."""
        if self.buffer:
            return False
        timeout = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            got = self.sock.recv(1, socket.MSG_PEEK)
        except socket.timeout:
            return True
        except ConnectionError:
            return False
        finally:
            self.sock.settimeout(timeout)
        del got
        return False

    def ended(self):
        """Waits for the end or a reset. Returns everything that came before
        that."""
        try:
            return self.rest()
        except ConnectionError:
            data = bytes(self.buffer)
            self.buffer.clear()
            return data

    def echoes(self, text=b"ping\n"):
        """True if the line comes back, false if the connection ends."""
        try:
            self.send(text)
            return self.exactly(len(text)) == text
        except (ConnectionError, AssertionError):
            return False


class Server:
    """A listener that the daemon connects to. The listener can be closed and
    opened again on the same port."""

    def __init__(self, port=None, rcvbuf=None):
        self.port = port or free_port()
        self.rcvbuf = rcvbuf
        self.sock = None
        self.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def url(self):
        return "tcp://127.0.0.1:%d" % self.port

    def open(self):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                 self.rcvbuf)
        self.sock.bind(("127.0.0.1", self.port))
        self.sock.listen(1000)

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    def accept(self, timeout=PATIENCE):
        """The next connection, as a Client."""
        self.sock.settimeout(timeout)
        sock, _ = self.sock.accept()
        return Client.adopt(sock)

    def is_left_alone(self, seconds):
        """True if nobody connects for so many seconds."""
        try:
            self.accept(seconds).close()
        except socket.timeout:
            return True
        return False


class Datagram:
    """A UDP client, connected to one address."""

    def __init__(self, address, source=None, timeout=PATIENCE):
        address = next(turns.get(address, itertools.repeat(address)))
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.settimeout(timeout)
        if source:
            self.sock.bind(source)
        self.sock.connect(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.send(data)

    def receive(self):
        return self.sock.recv(65536)

    def is_silent(self, seconds):
        timeout = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(65536)
        except socket.timeout:
            return True
        except ConnectionError:
            return False
        finally:
            self.sock.settimeout(timeout)
        return False


class Daemon:
    """A process of lined, its log and its notifications (sd_notify). beside:
    another daemon, whose log is used by both."""
    count = 1

    def __init__(self, argv, notify, env=None, capture=True, inherit=(),
                 beside=None):
        self.level = argv[argv.index("-l") + 1] if "-l" in argv else None
        self.notify = notify
        self.notified = []
        self.log = beside.log if beside else []
        self.news = beside.news if beside else threading.Condition()
        self.stopped = False
        # setpriv kills the daemon if this script is killed.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL"] + argv,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env=environment(env),
            pass_fds=[sock.fileno() for sock in inherit])
        self.pid = self.process.pid
        _daemons.add(self)
        self.reader = None
        if capture:
            self.reader = threading.Thread(target=self._read, daemon=True)
            self.reader.start()
        # Reads notifications at once, as a service manager does.
        self.ear = threading.Thread(target=self._hear, daemon=True)
        self.ear.start()

    def _hear(self):
        while True:
            try:
                ended = self.process.returncode is not None
                told = self.notify.recv(65536)
            except socket.timeout:
                if not ended:
                    continue
                return
            except OSError:
                return
            with self.news:
                self.notified += told.decode().split("\n")
                self.news.notify_all()

    def _read(self):
        for raw in self.process.stderr:
            with self.news:
                self.log.append(
                    raw.decode("latin-1").rstrip("\n"))
                self.news.notify_all()

    # ---- the log -------------------------------------------------------

    def mark(self):
        """The current end of the log, for `since` of wait_log()."""
        with self.news:
            return len(self.log)

    def wait_log(self, pattern, since=0, timeout=PATIENCE):
        """Waits for a log line in which the pattern is found."""
        return self.wait_logs(pattern, 1, since, timeout)[0]

    def wait_logs(self, pattern, count, since=0, timeout=PATIENCE):
        """Waits for so many log lines."""
        deadline = time.monotonic() + timeout
        with self.news:
            found, seen = [], since
            while True:
                found += [line for line in self.log[seen:]
                          if re.search(pattern, line)]
                if len(found) >= count:
                    return found
                seen = len(self.log)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        "no %r in the log:\n%s"
                        % (pattern, "\n".join(self.log[since:])))
                self.news.wait(left)

    def logged(self, pattern, since=0):
        """The log lines so far in which the pattern is found."""
        with self.news:
            return [line for line in self.log[since:]
                    if re.search(pattern, line)]

    def log_text(self):
        with self.news:
            return "\n".join(self.log)

    # ---- systemd -------------------------------------------------------

    def _told(self, wanted):
        """Returns the first notification that the pattern matches, and removes
        it and those before it. None: there is no such notification."""
        while self.notified:
            line = self.notified.pop(0)
            if re.match(wanted, line):
                return line
        return None

    def wait_notify(self, wanted, timeout=PATIENCE):
        """Waits for a notification that the pattern matches, and removes it and
        those before it."""
        deadline = time.monotonic() + timeout
        while True:
            with self.news:
                line = self._told(wanted)
                if line is None:
                    self.news.wait(0.05)
                    line = self._told(wanted)
            if line is not None:
                return line
            if self.process.poll() is not None:
                # The daemon's last notification may not have been read yet.
                self.ear.join(PATIENCE)
                self._join()
                with self.news:
                    line = self._told(wanted)
                if line is not None:
                    return line
                raise AssertionError(
                    "exit %d before it said %s:\n%s"
                    % (self.process.returncode, wanted, self.log_text()))
            if time.monotonic() > deadline:
                raise AssertionError("it never said %s:\n%s"
                                     % (wanted, self.log_text()))

    # ---- signals and the end -------------------------------------------

    def signal(self, number):
        self.process.send_signal(number)

    def _join(self):
        if self.reader:
            self.reader.join(PATIENCE)

    def wait(self, timeout=PATIENCE):
        """Waits until the daemon ends. Returns its exit code, negative for a
        signal."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("it did not end within %g s:\n%s"
                                 % (timeout, self.log_text()))
        self._join()
        self.stopped = True
        _daemons.discard(self)
        return code

    def stop(self, timeout=PATIENCE):
        """Sends SIGTERM, unless the daemon has ended; it must exit 0."""
        if self.stopped:
            return
        self.signal(signal.SIGTERM)
        code = self.wait(timeout)
        assert code == 0, "exit %d:\n%s" % (code, self.log_text())
        faults = self.logged(r"Sanitizer|runtime error|assert")
        assert not faults, "\n".join(faults)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._join()
        self.stopped = True
        _daemons.discard(self)

    def reload(self):
        """Sends SIGHUP and waits for the end of the reload: first for the
        notification, then for the line in the log, which is written later."""
        place = self.mark()
        self.signal(signal.SIGHUP)
        self.wait_notify("RELOADING=1")
        self.wait_notify("READY=1")
        if self.level not in ("err", "warning"):
            self.wait_logs("reload: (done|refused)", self.count, place)
        return place

    def counters(self, service):
        """Returns the counters of a service, which lined logs on SIGUSR1."""
        place = self.mark()
        self.signal(signal.SIGUSR1)
        told = self.wait_logs("^<5>service %s: .*lines in" % service,
                              self.count, place)
        total = collections.Counter()
        for name, n in re.findall(r"([a-z][a-z_ ]*) (\d+)(?:,|$)",
                                  "\n".join(told), re.M):
            total[name] += int(n)
        return total

    # ---- measuring -----------------------------------------------------

    def rss_kib(self):
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def own_kib(self):
        """The memory that the daemon has allocated, in RAM and swap. Pages of
        files are not counted: the system drops and reads them at any time."""
        with open("/proc/%d/status" % self.pid) as f:
            return sum(int(kib) for kib in re.findall(
                r"(?:RssAnon|VmSwap):\s+(\d+)", f.read()))

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return ((int(fields[11]) + int(fields[12]))
                / os.sysconf("SC_CLK_TCK"))

    def descriptors(self):
        """Waits until the number of open descriptors stays the same for a
        while, and returns it. Some descriptors are open only for a moment, for
        instance for a notification."""
        same, count = 0, -1
        while same < 5:
            now = len(os.listdir("/proc/%d/fd" % self.pid))
            same = same + 1 if now == count else 0
            count = now
            time.sleep(0.01)
        return count

    def is_sanitized(self):
        with open("/proc/%d/maps" % self.pid) as f:
            maps = f.read()
        return "libasan" in maps or "libtsan" in maps


class Late(AssertionError):
    """The test was too slow to check a condition in time."""


class DaemonTest(unittest.TestCase):
    """A test with its own directory. Its daemons are stopped after the test.
    """
    one_node = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="lined-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.config = os.path.join(self.dir, "lined.conf")
        self.modules = MODULES
        self.daemons = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, text, name="lined.conf", workers=WORKERS):
        """Writes a config and returns its path. Puts the number of workers on
        the last line, so that the other lines keep their numbers."""
        if workers and "workers" not in text:
            text += "workers = %d\n" % workers
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def arguments(self, config=None, level="info", log="stderr"):
        argv = [LINED, "-c", config or self.config, "-m", self.modules]
        if level:
            argv += ["-l", level]
        if log:
            argv += ["-L", log]
        return argv

    def launch(self, argv, prefix=(), env=None, capture=True, inherit=(),
               beside=None):
        """Starts a daemon without waiting for it. The daemon inherits the
        sockets of `inherit`, and is killed after the test."""
        path = self.path("notify-%d" % len(self.daemons))
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(path)
        os.chmod(path, 0o777)
        notify.settimeout(0.05)
        env = dict(env or {}, NOTIFY_SOCKET=path)
        daemon = Daemon(list(prefix) + argv, notify, env, capture, inherit,
                        beside)
        self.daemons.append(daemon)
        self.addCleanup(notify.close)
        self.addCleanup(daemon.process.stderr.close)
        self.addCleanup(daemon.kill)
        return daemon

    def start(self, text, level="info", prefix=(), env=None, options=(),
              capture=True, workers=WORKERS, inherit=()):
        """Starts a daemon with this config and waits until it serves. After the
        test the daemon is stopped, and must exit 0."""
        self.write(text, workers=workers)

        def launch(config, beside=None):
            return self.launch(self.arguments(config, level) + list(options),
                               prefix, env, capture, inherit, beside)

        if NODES > 1 and SHARED.search(text) and "cluster" not in text:
            from nodes import Nodes  # imports this module
            daemon = Nodes(self, launch)
        else:
            daemon = launch(self.config)
            daemon.wait_notify("READY=1")
        if capture and level not in ("err", "warning", None):
            daemon.wait_log(r"lined \S+: \d+ service")
        self.addCleanup(daemon.stop)
        return daemon

    def start_fails(self, text, code, workers=WORKERS, prefix=(),
                    options=()):
        """Starts a daemon that must exit with this code. Returns its log."""
        self.write(text, workers=workers)
        daemon = self.launch(self.arguments() + list(options), prefix)
        got = daemon.wait()
        self.assertEqual(got, code, daemon.log_text())
        return daemon.log_text()

    def run_lined(self, *args, timeout=PATIENCE, stdout=subprocess.PIPE):
        """Runs lined until it exits. Returns (exit code, stdout, stderr)."""
        done = subprocess.run(["setpriv", "--pdeathsig", "KILL", LINED]
                              + list(args),
                              stdin=subprocess.DEVNULL,
                              stdout=stdout, stderr=subprocess.PIPE,
                              env=environment(), timeout=timeout)
        return (done.returncode, (done.stdout or b"").decode("latin-1"),
                done.stderr.decode("latin-1"))

    def check(self, text=None, workers=None):
        """Runs lined -t. Returns (exit code, standard error)."""
        if text is not None:
            self.write(text, workers=workers)
        code, _, err = self.run_lined("-t", "-c", self.config,
                                      "-m", self.modules)
        return code, err

    # ---- modules -------------------------------------------------------

    def own_modules(self):
        """Makes daemons load modules from a directory of this test. The
        directory has echo."""
        if self.modules == MODULES:
            self.modules = self.path("modules")
            os.mkdir(self.modules)
            os.chmod(self.modules, 0o755)  # whatever the umask is
            self.copy_module("echo")
        return self.modules

    def copy_module(self, name, to=None):
        target = os.path.join(self.modules, "%s.so" % (to or name))
        shutil.copyfile(os.path.join(MODULES, name + ".so"), target)
        os.chmod(target, 0o644)
        return target

    def build_module(self, name, source):
        """Compiles a module against the public headers."""
        self.own_modules()
        code = self.path(name + ".c")
        target = os.path.join(self.modules, name + ".so")
        with open(code, "w") as f:
            f.write(source)
        compiler = (os.environ.get("CC") or "cc").split()
        subprocess.run(compiler
                       + ["-std=c11", "-Wall", "-Werror", "-O1", "-shared",
                          "-fPIC", "-I" + os.path.join(TOP, "lib"),
                          "-I" + os.path.join(TOP, "daemon"),
                          "-o", target, code],
                       check=True, timeout=60)
        os.chmod(target, 0o644)
        return target

    # ---- waiting -------------------------------------------------------

    def eventually(self, condition, what, timeout=PATIENCE):
        """Polls a condition that has no event, for instance in /proc."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                self.fail("never came: " + what)
            time.sleep(0.02)

    @contextlib.contextmanager
    def takes(self, least, most=PATIENCE):
        """Checks how many seconds the block takes. The upper bound is generous,
        because a busy machine is slow. The event that starts the time must be
        within the block: otherwise the block may take less than `least`."""
        begin = time.monotonic()
        yield
        took = time.monotonic() - begin
        self.assertGreaterEqual(took, least)
        self.assertLessEqual(took, most)

    @contextlib.contextmanager
    def within(self, seconds):
        """For a block that checks a condition which lasts only for so many
        seconds. A failure after that time says nothing about the daemon: raises
        Late."""
        begin = time.monotonic()
        try:
            yield
        except (AssertionError, OSError) as error:
            if time.monotonic() - begin < seconds:
                raise
            raise Late("it took longer than %g s" % seconds) from error

    def at_any_pace(self, attempt, *seconds):
        """Calls attempt with the first of these times. If it raises Late, this
        machine was too slow: kills the daemons, and calls it with the next
        time."""
        for number, time_given in enumerate(seconds, 1):
            begun = len(self.daemons)
            try:
                return attempt(time_given)
            except Late:
                if number == len(seconds):
                    raise
            for daemon in self.daemons[begun:]:
                daemon.kill()


def tally(items):
    return collections.Counter(items)


def with_workers(script, count, *cases):
    """Adds variants of the cases with so many workers to a script's globals."""
    for case in cases:
        name = "%s%d" % (case.__name__, count)
        script[name] = type(name, (case,), {
            "WORKERS": count, "workers": count, "__module__": case.__module__})


def _one_count(script, workers):
    """Lets each case run once, with so many workers: leaves out the classes
    that differ from another one only in the number of workers."""
    for name, case in list(script.items()):
        if not isinstance(case, type) or not issubclass(case, DaemonTest):
            continue
        own = {key for key in vars(case) if not key.startswith("_")}
        if own <= {"WORKERS", "workers"} and (
                unittest.defaultTestLoader.getTestCaseNames(case.__base__)):
            del script[name]
        else:
            case.WORKERS = case.workers = workers


def _expired(_signal, _frame):
    sys.stderr.write("watchdog: the script took too long\n")
    faulthandler.dump_traceback()
    for daemon in list(_daemons):
        sys.stderr.write(daemon.log_text() + "\n")
        daemon.process.kill()
    os._exit(99)


def main(seconds=120):
    """Runs the tests of the script, which is killed after so many seconds.
    Exits with 77, which means "skipped" to automake, if all tests were skipped.
    """
    if not os.access(LINED, os.X_OK):
        sys.exit("%s: no daemon there, set LINED" % LINED)
    signal.signal(signal.SIGALRM, _expired)
    signal.alarm(seconds * NODES)
    if "LINED_TEST_WORKERS" in os.environ:
        _one_count(vars(sys.modules["__main__"]),
                   int(os.environ["LINED_TEST_WORKERS"]))
    program = unittest.main(module="__main__", exit=False, verbosity=2,
                            warnings="ignore")
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun and len(result.skipped) == result.testsRun:
        sys.exit(77)
