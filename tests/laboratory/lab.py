#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The laboratory: makes each allocation and each system call of the daemon
fail, at each place, and checks the daemon and its clients.

    tests/laboratory/lab.py memory              every allocation, twice
    tests/laboratory/lab.py calls               every system call and error
    tests/laboratory/lab.py memory --sample 20  some of them
    tests/laboratory/lab.py calls --list        the places, nothing fails
    tests/laboratory/lab.py memory --at buffer_new --keep DIR
                                                the places with this in them,
                                                a function or the digits that a
                                                finding names; their logs
                                                are kept

The first run, with no fault, notes the places (refuse.c). Then the daemon is
run for each place and fault; while the fault is there a step of the scenario
may fail, with a line in the log. After it, everything must work. At no time
may the daemon crash, hang, leak memory (with --enable-sanitizers) or
descriptors, or count clients that are gone.

Environment: LINED and LINED_MODULES as in tests/behaviour/lined_test.py.
"""
import argparse
import collections
import concurrent.futures
import ctypes
import errno
import itertools
import mmap
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import scenario
from lined_test import LINED, MODULES, environment

HERE = os.path.dirname(os.path.abspath(__file__))
SHORT, END = -1, -2
ONCE, FROM_THEN_ON = 0, 1

# The errors of calls. A call that is not listed never fails. getaddrinfo() and
# glob() have their own errors.
FILES = ["EMFILE", "ENFILE", "ENOMEM"]
PATH = ["ENOENT", "EACCES", "EIO", "ENOMEM"]
FAULTS = {
    "accept4": FILES + ["ENOBUFS", "ECONNABORTED", "EPROTO", "EINTR", "EAGAIN",
                        "EPERM"],
    "read": ["EINTR", "EAGAIN", "EIO", "ECONNRESET", "SHORT", "END"],
    "recv": ["EINTR", "EAGAIN", "ECONNRESET", "ETIMEDOUT", "ENOMEM", "SHORT",
             "END"],
    "recvmsg": ["EINTR", "EAGAIN", "ECONNRESET", "ENOMEM", "SHORT", "END"],
    "readv": ["EINTR", "EIO", "SHORT"],
    "pread": ["EINTR", "EIO", "SHORT", "END"],
    "write": ["EINTR", "EAGAIN", "EPIPE", "EIO", "ENOSPC", "SHORT"],
    "writev": ["EINTR", "EAGAIN", "EPIPE", "ECONNRESET", "ENOBUFS", "ENOMEM",
               "ENOSPC", "EIO", "SHORT"],
    "pwrite": ["EINTR", "EIO", "ENOSPC", "SHORT"],
    "send": ["EINTR", "EAGAIN", "EPIPE", "ECONNRESET", "ENOBUFS", "ENOMEM",
             "SHORT"],
    "sendmsg": ["EINTR", "EAGAIN", "EPIPE", "ECONNRESET", "ENOBUFS", "ENOMEM",
                "SHORT"],
    "close": ["EINTR", "EIO"],
    "fclose": ["ENOMEM"],
    "open": FILES + ["ENOENT", "EACCES", "EINTR"],
    "openat": FILES + ["ENOENT", "EACCES"],
    "fopen": FILES + ["ENOENT", "EACCES"],
    "fmemopen": ["ENOMEM"],
    "socket": FILES + ["ENOBUFS", "EACCES", "EAFNOSUPPORT"],
    "socketpair": FILES,
    "bind": ["EADDRINUSE", "EACCES", "ENOMEM", "EADDRNOTAVAIL"],
    "listen": ["EADDRINUSE", "ENOMEM"],
    "connect": ["ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "ETIMEDOUT",
                "EAGAIN", "EACCES"],
    "shutdown": ["ENOTCONN"],
    "getsockname": ["ENOBUFS"],
    "getpeername": ["ENOTCONN", "ENOBUFS"],
    "getsockopt": ["ENOPROTOOPT", "ENOMEM"],
    "setsockopt": ["ENOPROTOOPT", "ENOMEM", "EINVAL"],
    "epoll_create1": FILES,
    "epoll_ctl": ["ENOMEM", "ENOSPC"],
    "epoll_wait": ["EINTR"],
    "timerfd_create": FILES,
    "timerfd_settime": ["ENOMEM"],
    "poll": ["EINTR", "ENOMEM"],
    "ppoll": ["EINTR", "ENOMEM"],
    "eventfd": FILES,
    "pipe2": FILES,
    "memfd_create": FILES + ["ENOSYS"],
    "dup2": ["EMFILE", "EBUSY", "EINTR"],
    "fcntl": ["EMFILE"],
    "ioctl": ["ENOTTY", "EIO"],
    "prctl": ["EINVAL", "EPERM"],
    "lseek": ["ESPIPE"],
    "ftruncate": ["EIO", "ENOSPC", "EINTR"],
    "flock": ["EWOULDBLOCK", "EINTR", "ENOLCK"],
    "fstat": ["ENOMEM", "EIO"],
    "stat": PATH, "lstat": PATH, "access": PATH, "faccessat": PATH,
    "chmod": ["EPERM", "EROFS"], "fchmod": ["EPERM", "EROFS"],
    "fchownat": ["EPERM", "EROFS"],
    "unlink": ["EACCES", "EROFS", "EBUSY"],
    "chdir": ["EACCES", "ENOENT"],
    "getcwd": ["ENOENT", "ENOMEM"],
    "realpath": PATH,
    "fork": ["EAGAIN", "ENOMEM"],
    "execve": ["EACCES", "ENOENT", "ENOMEM"],
    "waitpid": ["EINTR", "ECHILD"], "waitid": ["EINTR", "ECHILD"],
    "kill": ["EPERM", "ESRCH"],
    "setsid": ["EPERM"],
    "getrlimit": ["EINVAL"], "setrlimit": ["EPERM"],
    "sched_getaffinity": ["EINVAL", "ENOSYS"],
    "getrandom": ["ENOSYS"],
    "tcgetattr": ["EIO"], "tcsetattr": ["EIO"],
    "posix_openpt": FILES, "grantpt": ["EACCES"], "unlockpt": ["EIO"],
    "ptsname_r": ["ENOTTY"],
    "pthread_create": ["EAGAIN"],
    "posix_spawnp": ["EAGAIN", "ENOMEM", "ENOENT"],
    "getaddrinfo": ["EAI_AGAIN", "EAI_FAIL", "EAI_NONAME", "EAI_MEMORY",
                    "EAI_SYSTEM"],
    "glob": ["GLOB_NOSPACE", "GLOB_ABORTED"],
}
# Places where only these errors can occur.
FEWER = {
    # An eventfd whose counter is never full.
    "wakeup_signal": ["EINTR"],
    # The pipe of a program. While lined also has the other end, EPIPE cannot
    # occur; after a simulated one, polling would report an error for ever.
    "transport_file_send": ["EINTR", "EAGAIN", "ENOMEM", "ENOSPC", "EIO",
                            "SHORT"],
}
NUMBERS = {"SHORT": SHORT, "END": END, "EAI_NONAME": -2, "EAI_AGAIN": -3,
           "EAI_FAIL": -4, "EAI_MEMORY": -10, "EAI_SYSTEM": -11,
           "GLOB_NOSPACE": 1, "GLOB_ABORTED": 2}
# Short transfers, interrupted calls and EAGAIN are no errors: nothing must
# show.
HARMLESS = {"SHORT", "EINTR", "EAGAIN"}


def number_of(fault):
    return NUMBERS.get(fault) or getattr(errno, fault)


# ---- the table of refuse.c --------------------------------------------------

class Frame(ctypes.Structure):
    _fields_ = [("object", ctypes.c_uint32), ("offset", ctypes.c_uint32)]


class PlaceRecord(ctypes.Structure):
    _fields_ = [("key", ctypes.c_uint64), ("count", ctypes.c_uint32),
                ("depth", ctypes.c_uint32), ("call", ctypes.c_char * 16),
                ("frames", Frame * 32)]


class TableHead(ctypes.Structure):
    _fields_ = [("target", ctypes.c_uint64), ("fault", ctypes.c_int32),
                ("how_long", ctypes.c_uint32), ("first", ctypes.c_uint32),
                ("is_memory", ctypes.c_uint32),
                ("is_over", ctypes.c_uint32), ("faults", ctypes.c_uint32),
                ("place_count", ctypes.c_uint32),
                ("object_count", ctypes.c_uint32), ("lock", ctypes.c_uint32),
                ("own", ctypes.c_char * 256)]


class TableRecord(ctypes.Structure):
    _fields_ = TableHead._fields_ + [
        ("objects", (ctypes.c_char * 256) * 64),
        ("places", PlaceRecord * 16384)]


class Table:
    """The mapping that refuse.c and this script share."""

    def __init__(self, path):
        with open(path, "w+b") as f:
            f.truncate(ctypes.sizeof(TableRecord))
            self.memory = mmap.mmap(f.fileno(), 0)
        self.record = TableRecord.from_buffer(self.memory)

    def arm(self, place=None, fault=0, how_long=ONCE):
        head = TableHead.from_buffer(self.memory)
        ctypes.memset(ctypes.addressof(head), 0, ctypes.sizeof(TableHead))
        head.own = MODULES.encode()
        head.target = place.key if place else 0
        head.fault = fault
        head.how_long = how_long
        head.first = place.frames[0][1] if place else 0
        head.is_memory = place.is_memory if place else 0
        self.head = head

    def places(self):
        objects = [bytes(o.value).decode() for o in self.record.objects]
        return [Place(record, objects) for record in self.record.places
                if record.key]


MEMORY_CALLS = {"malloc", "calloc", "realloc", "posix_memalign",
                "aligned_alloc"}


class Place:
    def __init__(self, record, objects):
        self.key = record.key
        self.count = record.count
        self.call = record.call.decode()
        self.frames = [(objects[f.object], f.offset)
                       for f in record.frames[:record.depth]]
        self.is_memory = self.call in MEMORY_CALLS
        self.text = ""

    def is_own(self, name):
        return name == "lined" or name.startswith(MODULES)

    def describe(self, symbols):
        words = [self.call]
        foreign = []
        for frame in self.frames:
            if self.is_own(frame[0]):
                if foreign:
                    words.append("(%s)" % foreign[0])
                    foreign = []
                words.append(symbols.get(frame, "?"))
            else:
                foreign.append(os.path.basename(frame[0]).split(".so")[0])
        self.text = "%016x %s" % (self.key, " < ".join(words))


def name_places(places):
    """Gives each place a text: the functions and lines of lined's own frames.
    """
    wanted = collections.defaultdict(set)
    for place in places:
        for name, offset in place.frames:
            if place.is_own(name):
                wanted[name].add(offset)
    symbols = {}
    for name, offsets in wanted.items():
        offsets = sorted(offsets)
        done = subprocess.run(
            ["addr2line", "-f", "-e", LINED if name == "lined" else name],
            input="\n".join("0x%x" % (o - 1) for o in offsets).encode(),
            stdout=subprocess.PIPE, check=True)
        lines = done.stdout.decode().splitlines()
        for offset, function, line in zip(offsets, lines[::2], lines[1::2]):
            line = re.sub(r"^.*?/((lib|daemon)/)", r"\1", line)
            symbols[name, offset] = "%s %s" % (
                function, re.sub(r" \(disc.*", "", line))
    for place in places:
        place.describe(symbols)


# ---- one run ----------------------------------------------------------------

class Verdict:
    def __init__(self):
        self.descriptors = 0
        self.faults = 0  # faults that were made
        self.steps = []       # that failed while there were faults
        self.problems = []
        self.log = ""
        self.lost = 0


class Ended(Exception):
    """The daemon is gone."""


class Run:
    """One daemon, from its start to its end, with at most one fault."""

    def __init__(self, world, table, library, patience):
        self.world = world
        self.table = table
        self.library = library
        world.patience = self.patience = patience
        self.verdict = Verdict()
        self.log_path = os.path.join(world.dir, "log")

    def problem(self, text):
        self.verdict.problems.append(text)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    # ---- the process ----

    def start(self):
        world = self.world
        world.write()
        notify_path = os.path.join(world.dir, "notify")
        if os.path.exists(notify_path):
            os.unlink(notify_path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(notify_path)
        self.notify.settimeout(0.01)
        options = os.environ.get("ASAN_OPTIONS", "")
        env = environment({
            "LD_PRELOAD": self.library, "NOTIFY_SOCKET": notify_path,
            "LABORATORY": os.path.join(world.dir, "table"),
            "ASAN_OPTIONS": options + ":verify_asan_link_order=0:"
                            "detect_leaks=1:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1"})
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [LINED, "-c", world.config, "-m", MODULES, "-L", "stderr"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                start_new_session=True)
        # Without a notification: until the log says that it serves.
        deadline = time.monotonic() + 10 * self.patience
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Ended()
            try:
                if b"READY=1" in self.notify.recv(65536):
                    return
            except socket.timeout:
                pass
            if re.search(r"lined \S+: \d+ services", self.log()):
                return
        self.problem("it does not start, and does not end")
        raise Ended()

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        # The programs that the daemon has started are in its session.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def alive(self):
        if self.process.poll() is not None:
            raise Ended()

    # ---- the steps ----

    def play(self, steps):
        for step in steps:
            self.alive()
            try:
                step(self.world)
            except (AssertionError, OSError, ValueError, LookupError) as error:
                self.verdict.steps.append("%s: %s" % (
                    step.__name__, str(error) or type(error).__name__))

    def bystanders(self):
        found = []
        for name in ("echo", "echo", "cache"):
            try:
                found.append((name, self.world.connect(name)))
            except OSError as error:
                self.verdict.steps.append("bystander: %s" % error)
        return found

    def count_bystanders(self, bystanders):
        for name, client in bystanders:
            text, wanted = ((b"version\r\n", b"VERSION") if name == "cache"
                            else (b"still\n", b"still"))
            try:
                client.send(text)
                if not client.line().startswith(wanted):
                    raise AssertionError()
            except (AssertionError, OSError):
                self.verdict.lost += 1
            client.close()

    def recover(self):
        """Everything must work again. A lost listener or service may need a
        reload, if the log says so."""
        world = self.world
        world.patience = 4 * self.patience
        try:
            if scenario.reload in self.steps:
                world.write(after=True)
                self.retry("reload", scenario.reload)
            for step in scenario.RECOVERED:
                if self.is_due(step):
                    self.retry(step.__name__, step)
            self.settle()
        finally:
            world.patience = self.patience

    def is_due(self, step):
        if step is scenario.late:
            return scenario.reload in self.steps
        return step is not scenario.time_of_day or step in self.steps

    def retry(self, name, step):
        error = None
        for _ in range(2):
            self.alive()
            try:
                return step(self.world)
            except (AssertionError, OSError, ValueError,
                    LookupError) as caught:
                error = caught
        self.problem("afterwards %s: %s"
                     % (name, str(error) or type(error).__name__))

    def settle(self):
        """Checks that no client is counted that has gone, and that no
        descriptor is left over."""
        def counts():
            with self.world.control() as c:
                return {v["name"]: v["clients"]
                        for kind, v in c.ask("services")
                        if kind == "service" and "clients" in v}
        deadline = time.monotonic() + 4 * self.patience
        left = error = None
        while time.monotonic() < deadline:
            self.alive()
            try:
                left = {n: c for n, c in counts().items()
                        if c > STAYING.get(n, 0)}
            except (AssertionError, OSError, ValueError,
                    LookupError) as caught:
                error = caught
                continue
            self.verdict.descriptors = self.descriptors()
            if not left and (self.wanted is None or
                             self.verdict.descriptors <= self.wanted):
                return
            time.sleep(0.01)
        if left is None:
            self.problem("control does not answer: %s" % error)
        elif left:
            self.problem("clients that are gone: %s" % left)
        elif self.wanted is not None:
            self.problem("descriptors: %d, not %d: %s" % (
                self.verdict.descriptors, self.wanted, self.list_files()))

    def list_files(self):
        root = "/proc/%d/fd/" % self.process.pid
        return " ".join(os.readlink(root + n) for n in os.listdir(root))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10 * self.patience)
        except subprocess.TimeoutExpired:
            self.problem("it does not stop")

    def run(self, steps, wanted=None, ease=True):
        """wanted: how many descriptors may be open at the end. ease: the fault
        ends before the recovery; otherwise it lasts to the end."""
        verdict = self.verdict
        self.steps = steps
        self.wanted = wanted
        try:
            self.start()
            bystanders = self.bystanders()
            self.play(steps)
            self.count_bystanders(bystanders)
            if ease:
                self.table.head.is_over = 1
                self.recover()
            self.stop()
        except Ended:
            pass
        finally:
            code = self.process.poll()
            self.kill()
            self.notify.close()
        verdict.faults = self.table.head.faults
        verdict.log = self.log()
        verdict.code = code
        return verdict


# The clients that lined itself makes: push and upstreams.
STAYING = {"echo": 2, "hub": 1, "control": 1}


def judge(verdict, place, fault, how_long, baseline):
    """Adds the problems that the log and the exit code show."""
    log, code = verdict.log, verdict.code
    bad = re.search(r"Sanitizer.*|runtime error:.*|SIG[A-Z]+ in .*"
                    r"|exit\(\) called.*|.*[Aa]ssertion.*", log)
    # Without memory, libconfuse ends its process, which is a child of lined.
    if bad and "the process that reads it has crashed" not in log:
        verdict.problems.append(bad.group(0))
    if code is None:
        verdict.problems.append("it had to be killed")
    elif code < 0:
        verdict.problems.append("ended by signal %d" % -code)
    elif code not in (0, 1, 3):
        verdict.problems.append("exit code %d" % code)
    elif code != 0 and re.search(r"lined \S+: \d+ services", log):
        verdict.problems.append("exit code %d after the start" % code)
    if verdict.lost > 1 and how_long == ONCE:
        verdict.problems.append("%d bystanders were lost" % verdict.lost)
    shows = verdict.steps or code or verdict.lost
    told = log + "\n".join(verdict.steps)
    if shows and not verdict.problems and not says_why(
            told, place, fault, baseline):
        verdict.problems.append("nothing in the log of: %s" % "; ".join(
            verdict.steps or ["%d lost, exit code %s" % (verdict.lost, code)]))


def says_why(log, place, fault, baseline):
    """Whether the log has a line that names the error and that runs without a
    fault do not have."""
    # The child process that reads a config has no log of its own.
    if re.search("the process that reads it has (ended|crashed)", log):
        return True
    # Lost datagrams and lines are counted.
    if "datagrams dropped" in log or "lines_not_relayed" in log:
        return True
    # dlopen() has its own messages.
    if "module_open" in place.text and re.search(r"\.so: cannot ", log):
        return True
    # Without the client's credentials, it has no rights.
    if "permission denied" in log:
        return True
    # EIO means that the device has gone.
    if "transport_file_recv" in place.text and fault == "EIO":
        return "the device has gone" in log
    # Without memory, OpenSSL may report a bad certificate.
    if "tls_" in place.text and fault == "ENOMEM":
        wanted = "tls:|memory"
    elif fault == "ENOMEM" or fault.endswith("MEMORY"):
        # If there is no memory for a thread's stack, the error is EAGAIN.
        wanted = "[Mm]emory|malloc|Resource temporarily unavailable"
    elif fault.startswith(("EAI_", "GLOB_", "SHORT", "END")):
        wanted = ""
    else:
        wanted = re.escape(os.strerror(number_of(fault)))
    return any(re.search(wanted, line) for line in news(log, baseline))


def news(log, baseline):
    """Returns the lines that runs without a fault do not have, or have less
    often."""
    seen = collections.Counter()
    for line in log.splitlines():
        seen[shape(line)] += 1
        if seen[shape(line)] > baseline[shape(line)]:
            yield line


def shape(line):
    """Returns a line of the log without the parts that differ from run to run.
    """
    return re.sub(r"\d+(\.\d+)?", "N", line)


# ---- all runs ---------------------------------------------------------------

class Laboratory:
    def __init__(self, directory, number=0, authority=None):
        self.dir = os.path.join(directory, "w%d" % number)
        os.makedirs(self.dir)
        self.library = os.path.join(directory, "refuse.so")
        if not os.path.exists(self.library):
            compiler = (os.environ.get("CC") or "cc").split()
            subprocess.run(compiler + [
                "-O1", "-g", "-shared", "-fPIC", "-fno-omit-frame-pointer",
                "-o", self.library, os.path.join(HERE, "refuse.c"),
                os.path.join(HERE, "refuse_calls.c"), "-ldl"], check=True)
        self.authority = authority or scenario.make_authority(directory)
        self.world = scenario.World(self.dir, self.authority)
        self.table = Table(os.path.join(self.dir, "table"))
        self.steps = scenario.TRAFFIC + scenario.RELOADING
        self.patience = 0.5 * float(os.environ.get("LABORATORY_PATIENCE", 1))
        self.baseline = None
        self.wanted = None

    def learn(self, times=2):
        """Runs without a fault; returns the places."""
        for _ in range(times):
            self.table.arm()
            run = Run(self.world, self.table, self.library, 10)
            verdict = run.run(self.steps)
            judge(verdict, None, "ENOMEM", ONCE, collections.Counter())
            if verdict.problems or verdict.steps or verdict.lost:
                raise SystemExit("without a fault: %s\n%s" % (
                    verdict.problems + verdict.steps, verdict.log[-3000:]))
            shapes = collections.Counter(
                shape(line) for line in verdict.log.splitlines())
            # After a client's reset, lined may get either of these errors.
            self.baseline = (shapes if self.baseline is None
                             else self.baseline & shapes)
            self.wanted = max(self.wanted or 0, verdict.descriptors)
        places = self.table.places()
        name_places(places)
        return sorted(places, key=lambda place: (place.text[17:], place.key))

    def adopt(self, other):
        self.baseline = other.baseline
        self.wanted = other.wanted

    def steps_of(self, place):
        """Returns the steps for a place. Steps that wait for the clock, up to a
        second, are included only if the place needs them."""
        return [step for step in self.steps
                if step is not scenario.time_of_day or "time_" in place.text]

    def test(self, place, fault, how_long):
        """Returns the verdict on this fault. A run that fails is repeated with
        more time, because a busy machine is slow."""
        for patience in (self.patience, 6 * self.patience,
                         6 * self.patience):
            self.table.arm(place, number_of(fault), how_long)
            run = Run(self.world, self.table, self.library, patience)
            verdict = run.run(self.steps_of(place), self.wanted)
            judge(verdict, place, fault, how_long, self.baseline)
            if verdict.faults and not verdict.problems:
                break
        return verdict


def faults_of(place):
    if place.is_memory:
        return [("ENOMEM", ONCE), ("ENOMEM", FROM_THEN_ON)]
    faults = next((fewer for name, fewer in FEWER.items()
                   if name + " " in place.text), FAULTS.get(place.call, []))
    return [(fault, ONCE) for fault in faults]


def spread(items, count):
    """Returns so many of the items, evenly distributed."""
    if not count or count >= len(items):
        return items
    return [items[i * len(items) // count] for i in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["memory", "calls"])
    parser.add_argument("--at", help="only places with this text in them")
    parser.add_argument("--without", help="only places without this text")
    parser.add_argument("--fault", help="only this one, e.g. EINTR")
    parser.add_argument("--how-long", choices=["once", "from-then-on"])
    parser.add_argument("--sample", type=int, help="so many cases")
    parser.add_argument("--from", type=int, default=0, dest="begin",
                        help="leave out the cases before this one")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", help="a directory for the logs")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="lined-lab-")
    os.chmod(directory, 0o755)
    try:
        return run_all(args, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run_all(args, directory):
    begin = time.monotonic()
    first = Laboratory(directory)
    places = [p for p in first.learn()
              if p.is_memory == (args.what == "memory")]
    took = time.monotonic() - begin
    print("%d places of %d calls, %.2f s" % (
        len(places), len({p.call for p in places}), took), flush=True)
    if args.at:
        places = [p for p in places if args.at in p.text]
    if args.without:
        places = [p for p in places if args.without not in p.text]
    if args.list:
        for place in places:
            print("%6d %s" % (place.count, place.text))
        return 0
    cases = [(p, fault, how_long) for p in places
             for fault, how_long in faults_of(p)
             if args.fault in (None, fault) and args.how_long in (
                 None, "from-then-on" if how_long else "once")]
    cases = list(enumerate(spread(cases, args.sample)))[args.begin:]
    labs = [first]
    for number in range(1, args.jobs):
        labs.append(Laboratory(directory, number, first.authority))
        labs[-1].adopt(first)
    totals = collections.Counter()
    findings = []

    def work(lab, mine):
        for number, (place, fault, how_long) in mine:
            verdict = lab.test(place, fault, how_long)
            totals["cases"] += 1
            totals["not reached" if not verdict.faults else
                   "bad" if verdict.problems else
                   "shown" if verdict.steps or verdict.code or verdict.lost
                   else "unseen"] += 1
            if verdict.faults and verdict.problems:
                text = "%d %s%s at %s: %s" % (
                    number, fault, " from then on" if how_long else " once",
                    place.text, "; ".join(verdict.problems)[:600])
                findings.append(text)
                print(text, flush=True)
            if args.keep:
                os.makedirs(args.keep, exist_ok=True)
                with open(os.path.join(args.keep, "%d.log" % number),
                          "w") as f:
                    f.write("%s %s %d\n%s\n%s\n%s" % (
                        place.text, fault, how_long, verdict.problems,
                        verdict.steps, verdict.log))
            if totals["cases"] % 100 == 0:
                print("%d of %d: %s, %.0f s" % (
                    totals["cases"], len(cases), dict(totals),
                    time.monotonic() - begin), flush=True)

    with concurrent.futures.ThreadPoolExecutor(len(labs)) as pool:
        parts = [pool.submit(work, lab, cases[i::len(labs)])
                 for i, lab in enumerate(labs)]
        for part in parts:
            part.result()
    print("%s of %d places: %s, %.0f s" % (
        args.what, len(places), dict(totals), time.monotonic() - begin))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
