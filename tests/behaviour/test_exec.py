#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""exec: programs as protocols, one program for all clients or one for each
client; faults of programs; and that no process is left over."""
import glob
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
import unittest

from lined_test import LINED, Client, DaemonTest
from lined_test import free_port, landlock_version, main, service

LINECTL = os.path.join(os.path.dirname(LINED), "linectl")
CROWD = ("\tlimits { clients-per-address = 1000 "
         "connect-rate-per-address = 0 }")
PYTHON = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin")

# Writes each line that lined sends to a file. If a client's line is "say X",
# prints X; sends other lines back. gate() waits for open_gate() of the test.
PUPPET = r"""
import os, sys, time
def gate():
    while not os.path.exists(os.environ["HEARD"] + ".gate"):
        time.sleep(0.01)
log = open(os.environ["HEARD"], "a", buffering=1)
for line in sys.stdin:
    log.write(line)
    if not line[0].isdigit():
        continue
    id, _, text = line.rstrip("\n").partition(" ")
    if text.startswith("say "):
        print(text[4:].replace("ME", id))
    elif text.startswith("do "):
        exec(text[3:])
    else:
        print(id, text)
"""


def processes():
    """The process group and command of each process."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                head, tail = f.read().rsplit(")", 1)
            with open(path[:-4] + "cmdline") as f:
                line = f.read().replace("\0", " ")
        except OSError:
            continue
        if tail.split()[0] != "Z":
            found[int(head.split()[0])] = line
    return found


def parent(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


class Exec(DaemonTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.heard = self.path("heard")

    def script(self, text, name="program.py"):
        self.write(text, name, workers=None)
        return self.path(name)

    def bot(self, command, options="", extra="", name="bot", port=None):
        words = ", ".join('"%s"' % word for word in command)
        return service(name, "tcp://127.0.0.1:%d" % (port or self.port),
                       protocol="exec", extra=extra + "\n\texec {\n\t\t"
                       "command = { %s }\n\t\tenvironment = { \"HEARD=%s\" }\n"
                       "%s\n\t}" % (words, self.heard, options))

    def puppet(self, options="", extra="", text=PUPPET):
        program = self.script(text)
        return self.start(self.bot([PYTHON, program], options, extra))

    def heard_lines(self):
        try:
            with open(self.heard, newline="") as f:
                return f.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def open_gate(self):
        self.write("", "heard.gate", workers=None)

    def wait_heard(self, pattern, times=1):
        self.eventually(lambda: len([line for line in self.heard_lines()
                                     if re.search(pattern, line)]) >= times,
                        "%s in %s" % (pattern, self.heard_lines()))

    def kill_one(self, mark):
        """Kills a program with this mark. False: there is none."""
        for pid, line in processes().items():
            if mark in line:
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def nothing_is_left(self, mark):
        self.eventually(lambda: not [p for p in processes().values()
                                     if mark in p],
                        "the end of " + mark, timeout=5)

    def counter(self, daemon, name):
        daemon.stop()
        found = daemon.wait_log(r"service bot: \d+ clients")
        value = re.search(r"\b%s (\d+)" % name, found)
        return int(value.group(1)) if value else 0


class Shared(Exec):
    def test_the_four_lines_of_the_manual_are_an_echo(self):
        program = self.script('import sys\nfor l in sys.stdin: print(l, end="")'
                              ' if l[0].isdigit() else None\n')
        self.start(self.bot([PYTHON, program]))
        with Client(self.address) as a, Client(self.address) as b:
            a.send(b"from a\n")
            b.send(b"from b\n")
            self.assertEqual(a.line(), b"from a\n")
            self.assertEqual(b.line(), b"from b\n")
            a.send(b"last\n\n")
            a.half_close()
            self.assertEqual(a.rest(), b"last\n\n")

    def test_what_lined_says(self):
        self.puppet()
        with Client(self.address) as a:
            a.send(b"hello  there\n")
            self.assertEqual(a.line(), b"hello  there\n")
            port = a.sock.getsockname()[1]
        self.wait_heard("^-")
        heard = self.heard_lines()
        self.assertEqual(heard[0], "hello 1 service=bot")
        self.assertEqual(heard[1], "+1 peer=127.0.0.1:%d "
                         "listen=tcp://127.0.0.1:%d" % (port, self.port))
        self.assertEqual(heard[2:], ["1 hello  there", "-1 reason=peer"])

    def test_a_value_is_one_word(self):
        path = self.path("a b\\c=d\n\t\u00e9")
        program = self.script(PUPPET)
        self.start(self.bot([PYTHON, program]).replace(
            "tcp://127.0.0.1:%d" % self.port, "unix://" + path
            .replace("\\", "\\\\").replace("\n", "\\n")))
        with Client(path) as a:
            a.send(b"hello\n")
            self.assertEqual(a.line(), b"hello\n")
        self.wait_heard("^-")
        self.assertEqual(
            self.heard_lines()[1], "+1 peer=unix listen=unix://"
            + self.path("a") + "\\x20b\\\\c=d\\n\\t\u00e9")

    def test_what_a_program_says(self):
        daemon = self.puppet()
        with Client(self.address) as a, Client(self.address) as b, \
                Client(self.address) as c:
            for client in (a, b, c):
                client.send(b"ready\n")
                client.line()
            a.send(b"say 1,3 to two\n")
            self.assertEqual((a.line(), c.line()), (b"to two\n",) * 2)
            a.send(b"say * to all\n")
            for client in (a, b, c):
                self.assertEqual(client.line(), b"to all\n")
            b.send(b"say *-ME to the others\n")
            self.assertEqual((a.line(), c.line()), (b"to the others\n",) * 2)
            a.send(b"say 2 \n")  # an empty text keeps its blank
            self.assertEqual(b.line(), b"\n")
            c.send(b"say 3 bye\nsay -3\n")
            self.assertEqual(c.rest(), b"bye\n")
            self.wait_heard("^-3 reason=closed")
            for bad in (b"2", b"x 2", b"2,x no", b"-", b"*-x no", b"",
                        b"99999999999999999999 no", b"2\tno"):
                a.send(b"say " + bad + b"\n")
            a.send(b"say 3 too late\nsay 77,2 one of them\n")
            self.assertEqual(b.line(), b"one of them\n")
        self.eventually(lambda: len(daemon.logged(
            "program says something that is no line to a client")) == 8,
            "a line in the log for each")
        daemon.stop()
        counters = daemon.wait_log(r"service bot: \d+ clients")
        self.assertRegex(counters, r"program_lines_bad 8\b")
        self.assertRegex(counters, r"lines_to_gone 2\b")

    def test_a_client_cannot_speak_for_another(self):
        self.puppet(extra="\tframing { terminator = crlf }")
        with Client(self.address) as victim, Client(self.address) as a:
            victim.send(b"here\r\n")
            self.assertEqual(victim.line(), b"here\r\n")
            a.send(b"x\r1 evil\n1 worse\n\r\n")
            self.assertEqual(a.line(), b"x 1 evil 1 worse \r\n")
        self.assertFalse([l for l in self.heard_lines()
                          if re.match("1 (evil|worse)", l)])

    def test_a_killed_program_keeps_its_clients(self):
        daemon = self.puppet()
        with Client(self.address) as a, Client(self.address) as b:
            for number in range(2):
                a.send(b"one\n")
                self.assertEqual(a.line(), b"one\n")
                b.send(b"do os.kill(os.getpid(), 9)\n")
                daemon.wait_log("program ended after .*killed by signal 9.*"
                                "started again in %d s" % (number + 1))
                a.send(b"waits\n")
                self.assertEqual(a.line(), b"waits\n")
            b.send(b"still here\n")
            self.assertEqual(b.line(), b"still here\n")
        self.wait_heard("^\\+1 .* again$", 2)
        self.wait_heard("^\\+2 .* again$", 2)

    def test_what_it_has_not_read_is_counted(self):
        program = self.script("import os, time\nos.read(0, 20)\n"
                              "time.sleep(1000)\n")
        daemon = self.start(self.bot([PYTHON, program])
                            + "drain-timeout = 300ms\n")
        with Client(self.address) as a:
            a.fill(b"line\n" * 1000)
            pid = next(pid for pid, line in processes().items()
                       if program in line)
            os.kill(pid, signal.SIGKILL)
            daemon.wait_log("program ended")
        unread = self.counter(daemon, "lines_unread")
        got = int(re.search(r"lines in (\d+)", daemon.wait_log(
            r"service bot: \d+ clients")).group(1))
        # The second program has not read its lines either: stop kills it.
        self.assertGreater(unread, 0)
        self.assertLessEqual(unread, got)

    def test_what_is_unread_at_a_wanted_end_is_counted(self):
        # The program closes its output: lined closes its input and ends the
        # program.
        control = self.path("control")
        program = self.script(PUPPET.replace(
            "for line", "gate()\nos.close(1)\ntime.sleep(1000)\nfor line"))
        daemon = self.start(
            "control { socket = \"%s\" }\ndrain-timeout = 300ms\n" % control
            + self.bot([PYTHON, program], "\t\tkill-after = 100ms"))

        def lines_in():
            out = subprocess.run(
                [LINECTL, "-s", control, "--json", "services", "bot"],
                stdout=subprocess.PIPE, check=True, timeout=20).stdout
            return json.loads(out)["services"][0]["lines_in"]

        with Client(self.address) as a:
            a.send(b"line\n" * 100)
            self.eventually(lambda: lines_in() == 100, "the lines are read")
            self.open_gate()
            daemon.wait_log("program ended")
        self.assertEqual(self.counter(daemon, "lines_unread"), 100)

    def test_a_slow_program_makes_its_clients_wait(self):
        program = self.script(PUPPET.replace("for line", "gate()\nfor line"))
        other = free_port()
        self.start(self.bot([PYTHON, program]) +
                   service("echo", "tcp://127.0.0.1:%d" % other))
        lines = 10000
        got = []

        def push(client, number):
            for i in range(lines // 100):
                client.send(b"".join(b"%d %d\n" % (number, i * 100 + j)
                                     for j in range(100)))

        clients = [Client(self.address) for _ in range(3)]
        pushers = [threading.Thread(target=push, args=(c, n))
                   for n, c in enumerate(clients)]
        for pusher in pushers:
            pusher.start()
        with Client(("127.0.0.1", other)) as echo:
            echo.echoes()
        self.open_gate()
        for number, client in enumerate(clients):
            for i in range(lines):
                got = client.line()
                self.assertEqual(got, b"%d %d\n" % (number, i))
        for pusher in pushers:
            pusher.join()
        for client in clients:
            client.close()

    def test_a_slow_client_does_not_hold_up_the_program(self):
        self.puppet(extra="\tlimits { send-queue = 100k }")
        with Client(self.address, rcvbuf=4096) as slow, \
                Client(self.address) as a:
            slow.send(b"here\n")
            slow.line()
            a.send(b"do for i in range(2000): print(1, 'x' * 8000)\ndone\n")
            self.assertEqual(a.line(), b"done\n")
            self.wait_heard("^-1 reason=slow")

    def test_too_long_and_odd_lines(self):
        daemon = self.puppet(extra="\tframing { line-length = 100 "
                             "too-long = skip }")
        with Client(self.address) as a:
            a.send(b"do print(id, 'y' * 1000000)\n"
                   b"do print(id, 'z' * 101)\n"
                   b"do print(id, 'a\\0b')\nlast\n")
            self.assertEqual(a.line(), b"a\0b\n")
            self.assertEqual(a.line(), b"last\n")
        self.assertEqual(self.counter(daemon, "program_lines_too_long"), 2)

    def test_half_a_line_and_a_closed_output(self):
        daemon = self.puppet(options="\t\tkill-after = 200ms")
        with Client(self.address) as a:
            a.send(b"do sys.stdout.write(id + ' ha'); sys.stdout.flush()\n"
                   b"do gate(); print('lf')\n")
            self.wait_heard("gate")
            self.assertTrue(a.is_silent(0.05))
            self.open_gate()
            self.assertEqual(a.line(), b"half\n")
            a.send(b"do os.close(1)\n")
            daemon.wait_log("program ended after")
            a.send(b"back\n")
            self.assertEqual(a.line(), b"back\n")

    def test_a_program_that_forks_and_exits(self):
        mark = self.path("forked")
        daemon = self.puppet(text="import os, sys, time\n"
                             "if os.fork() == 0:\n"
                             "    os.execlp('sleep', '%s', '1000')\n"
                             "sys.exit(3)\n" % mark)
        daemon.wait_log("program ended after 0 s: exit status 3; started "
                        "again in 1 s")
        self.nothing_is_left(mark)

    def test_its_errors_go_to_the_log(self):
        daemon = self.puppet()
        with Client(self.address) as a:
            a.send(b"do sys.stderr.write('oh \\x1b[1m no\\n')\n")
            daemon.wait_log(r"service bot: program says: oh \\x1b\[1m no")
            a.send(b"do os._exit(int('x'))\n")
            daemon.wait_log("program says: ValueError: ")

    def a_program_that_buffers_is_named(self, mode):
        program = self.script("import sys\n"
                              "for l in sys.stdin:\n"
                              "    if l[0].isdigit(): print(l, end='')\n")
        daemon = self.start(self.bot([PYTHON, program],
                                     "\t\tstdout = pipe  mode = " + mode))
        with Client(self.address) as a, Client(self.address) as b:
            a.send(b"1 hello\n")
            b.send(b"2 hello\n")
            daemon.wait_log("says nothing and waits .*python3 -u")
            a.send(b"3 hello\n")
            self.assertTrue(a.is_silent(0.3))
        self.assertEqual(len(daemon.logged("python3 -u")), 1)

    def test_a_program_that_buffers_is_named(self):
        self.a_program_that_buffers_is_named("shared")

    def test_a_client_s_own_program_that_buffers_is_named(self):
        self.a_program_that_buffers_is_named("each")

    def answers_after_the_end(self, text):
        self.puppet(text=text)
        with Client(self.address) as a:
            a.send(b"x\n")
            self.assertEqual(a.line(), b"x\n")
            a.send(b"y\n")
            a.half_close()
            self.assertEqual(a.rest(), b"y\n")

    def test_a_program_that_waits_for_several_events(self):
        self.answers_after_the_end(
            "import os, select\n"
            "while select.select([0], [], []):\n"
            "    lines = os.read(0, 1000).splitlines(True)\n"
            "    if not lines: break\n"
            "    for line in lines:\n"
            "        if line[:1].isdigit(): os.write(1, line)\n")

    def test_a_program_of_which_the_system_does_not_tell(self):
        """Unless lined is root, the system does not tell whether a program
        waits for input."""
        self.answers_after_the_end(
            "import ctypes, sys\n"
            "ctypes.CDLL(None).prctl(4, 0)\n"
            "for line in sys.stdin:\n"
            "    if line[0].isdigit(): print(line, end='')\n")

    def test_a_program_that_works_is_left_alone(self):
        """While a client waits for its answer, lined checks the program only
        now and then."""
        daemon = self.puppet()
        with Client(self.address) as a:
            a.send(b"do gate(); print(id, 'x')\n")
            a.half_close()
            self.wait_heard("gate")
            time.sleep(0.3)  # after the first checks
            before, began = self.switches(daemon), time.monotonic()
            time.sleep(1)
            rate = ((self.switches(daemon) - before)
                    / (time.monotonic() - began))
            self.open_gate()
            self.assertEqual(a.rest(), b"x\n")
        self.assertLess(rate, 60)

    def switches(self, daemon):
        """Returns how often the daemon's threads have begun to wait."""
        total = 0
        for path in glob.glob("/proc/%d/task/*/status" % daemon.pid):
            with open(path) as f:
                total += int(re.search(r"^voluntary.*:\t(\d+)", f.read(),
                                       re.M)[1])
        return total

    def test_status_shows_programs(self):
        socket = self.path("control")
        program = self.script(PUPPET)
        daemon = self.start("control { socket = \"%s\" }\n" % socket +
                            self.bot([PYTHON, program],
                                     "\t\tprograms = 2"))

        def programs():
            out = subprocess.run([LINECTL, "-s", socket, "--json", "status"],
                                 stdout=subprocess.PIPE, check=True,
                                 timeout=20).stdout
            return json.loads(out)["programs"]

        self.eventually(lambda: programs()[0]["memory_bytes"] > 1 << 20,
                        "the memory of the programs")
        row = programs()[0]
        del row["memory_bytes"]
        self.assertEqual(row, {"service": "bot", "running": 2,
                               "programs_limit": 2, "restarts": 0})
        with Client(self.address) as a:
            a.send(b"do os._exit(0)\n")
            daemon.wait_log("program ended")
            self.eventually(lambda: programs()[0]["restarts"] == 1,
                            "a restart")

    def test_several_programs(self):
        program = self.script(PUPPET.replace("print(id, text)",
                                             "print(id, os.getpid())"))
        self.start(self.bot([PYTHON, program], "\t\tprograms = 3"))
        clients = [Client(self.address) for _ in range(6)]
        pids = []
        for client in clients:
            client.send(b"who\n")
            pids.append(client.line())
        for client in clients:
            client.close()
        self.assertEqual(sorted(pids.count(pid) for pid in set(pids)),
                         [2, 2, 2])

    def test_many_clients_while_programs_die(self):
        daemon = self.puppet("\t\tprograms = 2\n",
                             CROWD)
        clients = [Client(self.address) for _ in range(300)]
        mark = self.path("program.py")
        for turn in range(4):
            for number, client in enumerate(clients):
                client.send(b"%d in %d\n" % (number, turn))
            self.eventually(lambda: self.kill_one(mark), "a program to kill")
            self.eventually(lambda t=turn: len(daemon.logged(
                "program ended .*killed by signal 9")) > t, "its end")
        # Lines that the killed programs had read are lost; all others arrive.
        for number, client in enumerate(clients):
            client.send(b"say ME end\n")
            said = []
            while not said or said[-1] != b"end\n":
                said.append(client.line())
            turns = [int(re.fullmatch(b"%d in (.)\n" % number, line).group(1))
                     for line in said[:-1]]
            self.assertEqual(turns, sorted(set(turns)))
            client.close()

    def test_a_crowd_is_told_of_again(self):
        # More than a program's input queue holds at once.
        path = self.path("x" * 60)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE,
                        (soft, hard))
        program = self.script(PUPPET)
        daemon = self.start(self.bot([PYTHON, program]).replace(
            "tcp://127.0.0.1:%d" % self.port, "unix://" + path))
        clients = [Client(path) for _ in range(2500)]
        clients[0].send(b"do os.kill(os.getpid(), 9)\n")
        daemon.wait_log("program ended")
        for client in clients:
            client.send(b"here\n")
        for client in clients:
            self.assertEqual(client.line(), b"here\n")
            client.close()

    def test_programs_that_buffer_answer(self):
        text, ports = "", {}
        for command in (["sed", "-n", "/^[0-9]/p"], ["grep", "^[0-9]"],
                        ["perl", "-ne", "print if /^[0-9]/"],
                        ["mawk", "-W", "interactive", "/^[0-9]/"]):
            if shutil.which(command[0]) is None:
                continue
            ports[command[0]] = free_port()
            text += self.bot(command, name=command[0],
                             port=ports[command[0]])
        self.start(text)
        for name, port in ports.items():
            with self.subTest(program=name), \
                    Client(("127.0.0.1", port)) as a:
                a.send(b"hello\n")
                self.assertEqual(a.line(), b"hello\n")


class Reload(Exec):
    def test_a_changed_command_takes_the_clients_over(self):
        daemon = self.puppet()
        with Client(self.address) as a:
            a.send(b"old\n")
            self.assertEqual(a.line(), b"old\n")
            second = self.script(PUPPET.replace("print(id, text)",
                                                "print(id, 'new', text)"),
                                 "second.py")
            self.write(self.bot([PYTHON, second]))
            # The old program answers a line that it got before the reload.
            a.send(b"do gate(); print(id, 'late')\n")
            self.wait_heard("late")
            daemon.reload()
            a.send(b"hello\n")
            self.assertEqual(a.line(), b"new hello\n")
            self.open_gate()
            self.assertEqual(a.line(), b"late\n")
        self.wait_heard("^\\+1 .* again$")
        self.assertFalse(daemon.logged("program ended after"))
        self.nothing_is_left(self.path("program.py"))

    def test_other_changes_leave_it_alone(self):
        daemon = self.puppet()
        with Client(self.address) as a:
            a.send(b"do x = 5\n")
            self.write(self.bot([PYTHON, self.path("program.py")],
                                "\t\tkill-after = 1s",
                                "\tlimits { clients = 5 }"))
            daemon.reload()
            a.send(b"do print(id, x)\n")
            self.assertEqual(a.line(), b"5\n")

    def test_changed_framing_holds_for_a_running_program(self):
        daemon = self.puppet(extra="\tframing { line-length = 100 }")
        with Client(self.address) as a:
            a.send(b"do x = 5\n")
            self.write(self.bot([PYTHON, self.path("program.py")],
                                extra="\tframing { line-length = 200000 "
                                "too-long = truncate }"))
            daemon.reload()
            a.send(b"do print(id, 'y' * 200000)\n"
                   b"do print(id, 'z' * 300000)\n"
                   b"do print(id, x)\n")
            self.assertEqual(a.line(), b"y" * 200000 + b"\n")
            self.assertEqual(a.line(), b"z" * 200000 + b"\n")
            self.assertEqual(a.line(), b"5\n")

    def test_another_mode_begins_anew(self):
        daemon = self.puppet()
        cat, each = ["cat"], "\t\tmode = each\n"
        with Client(self.address) as a:
            a.send(b"old\n")
            self.assertEqual(a.line(), b"old\n")
            self.write(self.bot(cat, each))
            daemon.reload()
            a.ended()
        with Client(self.address) as a:
            a.send(b"its own\n")
            self.assertEqual(a.line(), b"its own\n")
            self.write(self.bot([PYTHON, self.path("program.py")]))
            daemon.reload()
            a.ended()
        with Client(self.address) as a:
            a.send(b"do print(id, 'shared')\n")
            self.assertEqual(a.line(), b"shared\n")

    def test_fewer_and_more_programs(self):
        daemon = self.puppet(options="\t\tprograms = 3")
        clients = [Client(self.address) for _ in range(5)]
        for programs in (1, 4, 2):
            self.write(self.bot([PYTHON, self.path("program.py")],
                                "\t\tprograms = %d" % programs))
            daemon.reload()
            for client in clients:
                client.send(b"here\n")
                self.assertEqual(client.line(), b"here\n")
        for client in clients:
            client.close()

    def test_stop_waits_for_the_answers(self):
        daemon = self.puppet()
        with Client(self.address) as a:
            a.send(b"do gate(); print(id, 'answer')\n")
            self.wait_heard("answer")
            daemon.signal(signal.SIGTERM)
            daemon.wait_log("stopping")
            self.open_gate()
            self.assertEqual(a.rest(), b"answer\n")


class Each(Exec):
    def test_half_close_gives_every_answer(self):
        ports = {}
        text = ""
        for name, command, said, answer in (
                ("cat", ["cat"], b"a\nb\n", b"a\nb\n"),
                ("sed", ["sed", "s/a/b/"], b"aa\nxa\n", b"ba\nxb\n"),
                ("sh", ["sh", "-c", "while read x; do echo got $x; done"],
                 b"one\ntwo\n", b"got one\ngot two\n"),
                ("bc", ["bc"], b"6*7\n", b"42\n"),
                ("python3", [PYTHON, "-c",
                             "import sys; print(len(sys.stdin.read()))"],
                 b"abc\n", b"4\n"),
                ("prompt", ["sh", "-c", "printf 'name: '; read x; "
                            "echo hello $x"], b"bob\n",
                 b"name: hello bob\n")):
            if shutil.which(command[0]) is None:
                continue
            ports[name] = (free_port(), said, answer)
            text += self.bot(command, "\t\tmode = each", name=name,
                             port=ports[name][0])
        daemon = self.start(text)
        for name, (port, said, answer) in ports.items():
            with self.subTest(program=name), \
                    Client(("127.0.0.1", port)) as a:
                a.send(said)
                a.half_close()
                self.assertEqual(a.rest(), answer)
        daemon.stop()

    def test_what_it_gets(self):
        program = self.script(
            "import os, resource\n"
            "for name in sorted(os.environ): print(name, os.environ[name])\n"
            "print('fds', [f for f in os.listdir('/proc/self/fd') "
            "if os.path.exists('/proc/self/fd/' + f)])\n"
            "print('nnp', [l for l in open('/proc/self/status') "
            "if l.startswith('NoNewPrivs')])\n"
            "print('limits', resource.getrlimit(resource.RLIMIT_AS)[0], "
            "resource.getrlimit(resource.RLIMIT_NOFILE)[0], "
            "resource.getrlimit(resource.RLIMIT_CPU)[0])\n"
            "print('leader', os.getsid(0) == os.getpid() == os.getpgid(0))\n"
            "print('in', os.getcwd())\n")
        self.start(self.bot([PYTHON, program],
                            "\t\tmode = each\n\t\tmemory = 500M\n"
                            "\t\tfiles = 50\n\t\tcpu-time = 7s\n"
                            "\t\tdirectory = \"%s\"" % self.dir))
        with Client(self.address) as a:
            port = a.sock.getsockname()[1]
            got = a.rest().decode().split("\n")
        names = [line.split(" ")[0] for line in got[:9]]
        self.assertEqual(sorted(set(names) - {"LC_CTYPE"}),
                         ["HEARD", "LINED_ID", "LINED_LISTEN", "LINED_PEER",
                          "LINED_SERVICE", "PATH", "TCPREMOTEIP",
                          "TCPREMOTEPORT"] +
                         (["fds"] if "fds" in names else []))
        self.assertIn("LINED_PEER 127.0.0.1:%d" % port, got)
        self.assertIn("TCPREMOTEPORT %d" % port, got)
        self.assertIn("fds ['0', '1', '2']", got)
        self.assertIn("nnp ['NoNewPrivs:\\t1\\n']", got)
        self.assertIn("limits %d 50 7" % (500 << 20), got)
        self.assertIn("leader True", got)
        self.assertIn("in " + self.dir, got)

    def test_clients_come_and_go_and_nothing_is_left(self):
        mark = self.path("each")
        os.symlink("/bin/cat", mark)
        daemon = self.start(self.bot([mark], "\t\tmode = each", CROWD))
        before = None
        for _ in range(4):
            clients = [Client(self.address) for _ in range(50)]
            for client in clients:
                client.send(b"x\n")
                self.assertEqual(client.line(), b"x\n")
            for client in clients:
                client.close()
            self.nothing_is_left(mark)
            before = before or daemon.descriptors()
            self.eventually(lambda: daemon.descriptors() <= before,
                            "descriptors given back")

    def stubborn(self, kill_after):
        """A program for each client that ignores SIGTERM."""
        program = self.script(
            "import signal, sys, time, os\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print('up', flush=True)\n"
            "while True: time.sleep(1)\n", "stubborn")
        return self.bot([PYTHON, program], "\t\tmode = each\n"
                        "\t\tkill-after = " + kill_after)

    def test_a_client_that_resets_ends_its_program(self):
        daemon = self.start(self.stubborn("100ms"))
        with Client(self.address) as a:
            self.assertEqual(a.line(), b"up\n")
            a.reset()
        self.nothing_is_left(self.path("stubborn"))
        daemon.stop()

    def test_a_changed_kill_after_holds_for_a_running_program(self):
        daemon = self.start(self.stubborn("10m"))
        with Client(self.address) as a:
            self.assertEqual(a.line(), b"up\n")
            self.write(self.stubborn("100ms"))
            daemon.reload()
            a.reset()
        self.nothing_is_left(self.path("stubborn"))
        daemon.stop()

    def test_a_fin_ends_its_input_and_nothing_else(self):
        self.start(self.bot(["sh", "-c", "cat; sleep 0.5; echo after"],
                            "\t\tmode = each"))
        with Client(self.address) as a:
            a.send(b"x\n")
            a.half_close()
            self.assertEqual(a.rest(), b"x\nafter\n")

    def test_a_slow_client_makes_its_program_wait(self):
        daemon = self.start(self.bot(["seq", "2000000"],
                                     "\t\tmode = each"))
        with Client(self.address, rcvbuf=4096) as a:
            self.eventually(lambda: self.sleeps("seq 2000000"),
                            "the program waits")
            self.assertLess(daemon.rss_kib(), 100000)
            data = a.rest()
        self.assertTrue(data.endswith(b"\n1999999\n2000000\n"))
        self.assertEqual(data.count(b"\n"), 2000000)

    def sleeps(self, mark):
        """Whether the program sleeps and uses no CPU time."""
        def usage():
            for pid, line in processes().items():
                if mark in line:
                    with open("/proc/%d/stat" % pid) as f:
                        fields = f.read().rsplit(")", 1)[1].split()
                    return fields[0], fields[11:13]
            return None, None

        before = usage()
        time.sleep(0.1)
        return before[0] == "S" and usage() == before

    def test_too_many_programs(self):
        daemon = self.start(self.bot(["cat"], "\t\tmode = each\n"
                                     "\t\tprograms = 2"))
        with Client(self.address) as a, Client(self.address) as b:
            for client in (a, b):
                client.send(b"x\n")
                client.line()
            with Client(self.address) as c:
                self.assertEqual(c.rest(), b"")
                peer = "127.0.0.1:%d" % c.sock.getsockname()[1]
            daemon.wait_log("service bot: refused %s: programs" % peer)
            a.send(b"y\n")
            self.assertEqual(a.line(), b"y\n")


class Rights(Exec):
    def test_the_control_socket_is_closed_to_programs(self):
        socket = self.path("control")
        # Neither a child of the program nor an orphan in its own session may
        # use the control socket.
        ask = "%s -s %s status 2>&1" % (LINECTL, socket)
        daemon = self.start(
            "control { socket = \"%s\" }\n" % socket + self.bot(
                ["sh", "-c", "%s; setsid -f sh -c 'sleep 0.1; %s; >%s'; "
                 "until test -e %s; do sleep 0.05; done"
                 % (ask, ask, self.heard, self.heard)], "\t\tmode = each"))
        with Client(self.address) as a:
            said = a.rest().decode()
        self.assertEqual(said.count("permission denied"), 2, said)
        self.assertNotIn("lined 0.", said)
        done = subprocess.run([LINECTL, "-s", socket, "status"], timeout=20,
                              stdout=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0)
        daemon.stop()

    # The program's child connects and exits before the program sends the
    # request. Another child tries to kill the keeper, from which all programs
    # descend.
    HIDES = ("import os, socket, subprocess, sys, time\n"
             "path, linectl, heard = sys.argv[1:]\n"
             "s = socket.socket(socket.AF_UNIX)\n"
             "pid = os.fork()\n"
             "if pid == 0:\n"
             "    s.connect(path)\n"
             "    os._exit(0)\n"
             "os.waitpid(pid, 0)\n"
             "s.sendall(b'status\\n')\n"
             "print(s.makefile().readline(), flush=True)\n"
             "keeper = os.getppid()\n"
             "if os.fork() == 0:\n"
             "    os.setsid()\n"
             "    try: os.kill(keeper, 9)\n"
             "    except PermissionError: keeper = 0\n"
             "    while os.path.exists('/proc/%d/fd/0' % keeper):\n"
             "        time.sleep(0.01)\n"
             "    with open(heard + '.new', 'w') as f:\n"
             "        subprocess.run([linectl, '-s', path, 'status'],\n"
             "                       stdout=f, stderr=f)\n"
             "    os.rename(heard + '.new', heard)\n"
             "    os._exit(0)\n"
             "os.wait()\n")

    def test_a_program_that_hides_has_no_rights_either(self):
        socket = self.path("control")
        self.start("control { socket = \"%s\" }\n" % socket + self.bot(
            [PYTHON, self.script(self.HIDES), socket, LINECTL, self.heard],
            "\t\tmode = each\n\t\tkill-after = 100ms"))
        with Client(self.address) as a:
            self.assertIn("permission denied", a.line().decode())
        self.eventually(lambda: os.path.exists(self.heard), "its answer")
        with open(self.heard) as f:
            self.assertIn("permission denied", f.read())


    # Prints for each path whether it can be read.
    READS = ("import os, sys\n"
             "lined = os.getppid()\n"
             "with open('/proc/%d/stat' % lined) as f:\n"
             "    lined = int(f.read().rsplit(')', 1)[1].split()[1])\n"
             "for path in sys.argv[1:]:\n"
             "    try:\n"
             "        open(path.replace('LINED', str(lined)), 'rb').read(1)\n"
             "        print('read', path)\n"
             "    except OSError as e:\n"
             "        print(e.strerror, path)\n"
             "os.mkdir('a')\n"
             "os.mkdir('b')\n"
             "open('a/file', 'w').close()\n"
             "os.rename('a/file', 'b/file')\n"
             "try: os.kill(lined, 0)\n"
             "except OSError as e: print(e.strerror, 'kill')\n"
             "print('end')\n")

    def what_it_reads(self, options, *paths):
        os.mkdir(self.path("data"))
        os.chmod(self.path("data"), 0o777)
        self.start(self.bot(
            [PYTHON, self.script(self.READS, "data/reads.py")] + list(paths),
            "\t\tmode = each\n\t\tdirectory = \"%s\"\n%s"
            % (self.path("data"), options)))
        with Client(self.address) as a:
            said = a.rest().decode().splitlines()
        self.assertEqual(said[-1], "end", said)
        if landlock_version() >= 6:
            self.assertEqual(said[-2], "Operation not permitted kill")
        return said[:len(paths)]

    @unittest.skipUnless(landlock_version() > 0, "no Landlock here")
    def test_what_it_may_read(self):
        key, config = self.path("key.pem"), self.path("lined.conf")
        self.write("secret", "key.pem", workers=None)
        given = self.path("given")
        self.write("given", "given", workers=None)
        said = self.what_it_reads(
            "\t\treadable = { \"%s\", \"%s\" }" % (self.path("data"), given),
            given, "/dev/null", key, config, "/etc/passwd",
            "/proc/LINED/root" + key)
        self.assertEqual([line.split(" /")[0] for line in said],
                         ["read", "read"] + 4 * ["Permission denied"])

    @unittest.skipUnless(landlock_version() > 1, "no Landlock here")
    def test_it_may_not_trace_lined(self):
        said = self.what_it_reads("", "/etc/passwd", "/proc/LINED/mem")
        self.assertEqual(said, ["read /etc/passwd",
                                "Permission denied /proc/LINED/mem"])


class Ends(Exec):
    # The program's child leaves the process group and the session.
    FAMILY = ("import os, signal, time\n"
              "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
              "if os.fork() == 0:\n"
              "    os.setsid()\n"
              "    if os.fork() > 0: os._exit(0)\n"
              "while True: time.sleep(1)\n")

    def family(self):
        program = self.script(self.FAMILY, "family")
        daemon = self.start(self.bot([PYTHON, program]) +
                            "drain-timeout = 500ms\n")
        self.eventually(lambda: len([p for p in processes().values()
                                     if program in p]) == 2, "a grandchild")
        return daemon, program

    def test_a_killed_daemon_leaves_nothing(self):
        daemon, mark = self.family()
        daemon.process.kill()
        self.nothing_is_left(mark)
        daemon.kill()

    def test_a_stopped_daemon_leaves_nothing(self):
        daemon, mark = self.family()
        daemon.stop()
        self.nothing_is_left(mark)

    def test_a_service_that_is_removed_leaves_nothing(self):
        mark = self.script(self.FAMILY, "family")
        other = free_port()
        echo = (service("echo", "tcp://127.0.0.1:%d" % other)
                + "drain-timeout = 300ms\n")
        daemon = self.start(echo)
        for options, changed in (("", "\t\tfiles = 50"), (
                "\t\tmode = each\n\t\tkill-after = 200ms", None)):
            self.write(echo + self.bot([PYTHON, mark], options))
            daemon.reload()
            with Client(self.address) as a:
                self.eventually(lambda: [p for p in processes().values()
                                         if mark in p], "the program")
                if changed:  # also a program that was replaced
                    self.write(echo + self.bot([PYTHON, mark], changed))
                    daemon.reload()
                self.write(echo)
                place = daemon.reload()
                self.assertEqual(a.rest(), b"")
            daemon.wait_log("service bot: stopped", place)
            self.nothing_is_left(mark)
            with Client(("127.0.0.1", other)) as e:
                e.echoes()

    def test_a_killed_keeper_is_replaced(self):
        daemon = self.puppet()
        keeper = next(
            pid for pid, line in processes().items()
            if line.startswith("lined-programs") and parent(pid) == daemon.pid)
        with Client(self.address) as a:
            a.send(b"x\n")
            self.assertEqual(a.line(), b"x\n")
            os.kill(keeper, signal.SIGKILL)
            daemon.wait_log("killed with its keeper")
            a.send(b"y\n")
            self.assertEqual(a.line(), b"y\n")


class Errors(Exec):
    def test_bad_configs(self):
        code, said = self.check(
            self.bot(["no-such-program"], "\t\tdirectory = \"/no/such\"") +
            self.bot(["/etc/passwd"], name="b", port=free_port()) +
            self.bot(["bin/cat"], name="c", port=free_port()) +
            self.bot(["cat"], "\t\treadable = { \"x\", \"/no/such\" }",
                     name="d", port=free_port()) +
            self.bot(["cat"], "\t\tdirectory = etc\n\t\tcpu-time = 1500ms",
                     name="e", port=free_port()) +
            self.bot(["cat"], "\t\tdirectory = \"/etc/passwd\"\n"
                     "\t\tmode = each\n\t\trestart-max = 2s",
                     name="f", port=free_port()).replace("HEARD=", "=") +
            self.bot(["/etc/passwd/x"], name="g", port=free_port()) +
            self.bot(["/etc"], name="h", port=free_port()))
        self.assertEqual(code, 1)
        for text in ('lined.conf:6: service "bot": exec: command: '
                     "no-such-program: not found in ",
                     'exec: directory: /no/such: No such file',
                     'service "b": exec: command: /etc/passwd: not executable',
                     'service "c": exec: command: bin/cat: a path must be '
                     "absolute",
                     'service "d": exec: readable: x: a path must be absolute',
                     'service "d": exec: readable: /no/such: No such file',
                     'service "e": exec: directory: etc: a path must be '
                     "absolute",
                     'service "e": exec: cpu-time: whole seconds only',
                     'service "f": exec: environment: "=',
                     'service "f": exec: directory: /etc/passwd: no directory',
                     'service "f": exec: restart-max: without effect in mode',
                     'service "g": exec: command: /etc/passwd/x: Not a dir',
                     'service "h": exec: command: /etc: Is a directory'):
            self.assertIn(text, said)

    @unittest.skipIf(os.geteuid() != 0, "only root becomes another user")
    def test_files_that_only_root_may_use(self):
        os.chmod(self.dir, 0o755)
        os.mkdir(self.path("closed"), 0o700)
        program = self.script("#!/bin/sh\nexec cat\n", "script")
        os.chmod(program, 0o700)
        text = 'user = "daemon"\n' + self.bot(
            [program], '\t\treadable = { "%s" }\n\t\tdirectory = "%s"'
            % (self.path("closed/x"), self.path("closed/.")))
        with open(self.path("closed/x"), "w"):
            pass
        said = (r'lined.conf:\d+: service "bot": exec: command: %s: '
                "not executable for the user that runs lined" % program,
                "exec: readable: .*/closed/x: Permission denied",
                "exec: directory: .*/closed/.: Permission denied")
        for err in self.check(text)[1], self.start_fails(text, 1):
            for want in said:
                self.assertRegex(err, want)
        os.chmod(program, 0o755)
        os.chmod(self.path("closed"), 0o755)
        daemon = self.start(text)
        with Client(self.address) as a:
            self.assertTrue(a.echoes())
        daemon.stop()

    def test_a_program_that_is_gone_later(self):
        program = self.script("#!/bin/sh\nexec cat\n", "script")
        os.chmod(program, 0o755)
        daemon = self.start(self.bot([program], "\t\tmode = each"))
        os.unlink(program)
        with Client(self.address) as a:
            self.assertEqual(a.rest(), b"")
        daemon.wait_log("service bot: .*script: No such file or directory")


if __name__ == "__main__":
    main()
