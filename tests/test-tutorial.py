#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""doc/writing-a-protocol.md and doc/writing-a-program.md, followed to the letter:
each in an empty directory, against an installation. What stands in a block with a file's name is put
there, what stands in a console block is run, in one shell, and must print what
is shown; "..." stands for anything in its line, or for any lines. The port it
uses is exchanged for a free one. A block that says neither is only read.

Runs in the build directory, which must be complete."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = [os.path.join(os.path.dirname(HERE), "doc", name)
         for name in ("writing-a-protocol.md", "writing-a-program.md")]
PORT = "7070"
PATIENCE = 60

sys.path.insert(0, os.path.join(HERE, "behaviour"))
from lined_test import free_port  # noqa: E402


def blocks(text):
    """(line number, language, file or None, content) of each."""
    for found in re.finditer(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", text,
                             re.M | re.S):
        yield (text.count("\n", 0, found.start()) + 1, found.group(1),
               found.group(2), found.group(3))


def commands(content):
    """(command, what it prints) of a console block."""
    for part in re.split(r"^\$ ", content, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def matches(wanted, got):
    pattern = re.escape(wanted).replace(re.escape("...") + "\n", "(.*\n)*")
    pattern = pattern.replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, got) is not None


class Shell:
    """A shell that is told one command after another."""

    def __init__(self, directory, env):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "bash", "--norc"],
            cwd=directory, env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True)

    def run(self, command):
        """Its exit status and what it printed."""
        mark = "status-of-%d" % time.monotonic_ns()
        self.process.stdin.write("%s\necho %s $?\n" % (command, mark))
        self.process.stdin.flush()
        output = ""
        for line in self.process.stdout:
            before, found, status = line.partition(mark)
            output += before
            if found:
                return int(status), output
        raise AssertionError("the shell has ended:\n" + output)

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def value(make, name):
    rule = "include Makefile\nvalue-of:\n\t@echo '$(%s)'\n" % name
    done = subprocess.run([make, "-s", "--no-print-directory", "-f", "-",
                           "value-of"], input=rule, text=True, check=True,
                          stdout=subprocess.PIPE)
    return done.stdout.strip()


def install(tmp):
    """An installation below tmp, and an environment in which it is found."""
    make = os.environ.get("MAKE") or "make"
    root = os.path.join(tmp, "root")
    done = subprocess.run([make, "install", "DESTDIR=" + root],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(done.stdout)
    os.mkdir(os.path.join(tmp, "pkgconfig"))
    with open(root + value(make, "pkgconfigdir") + "/lined.pc") as f:
        text = re.sub("(?m)^prefix=", "prefix=" + root, f.read())
    with open(os.path.join(tmp, "pkgconfig", "lined.pc"), "w") as f:
        f.write(text)
    # The compiler of this build, by the name it has in the text.
    os.mkdir(os.path.join(tmp, "bin"))
    cc = os.path.join(tmp, "bin", "cc")
    with open(cc, "w") as f:
        f.write("#!/bin/sh\nexec %s \"$@\"\n" % (os.environ.get("CC") or "gcc"))
    os.chmod(cc, 0o755)
    # A moved lined does not find its own protocols.
    lined = os.path.join(tmp, "bin", "lined")
    with open(lined, "w") as f:
        f.write("#!/bin/sh\nexec %s -m %s \"$@\"\n"
                % (root + value(make, "sbindir") + "/lined",
                   root + value(make, "pkglibdir")))
    os.chmod(lined, 0o755)
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("LINED", "MAKE", "NOTIFY_"))}
    env["PATH"] = ":".join([os.path.join(tmp, "bin"),
                            root + value(make, "bindir"),
                            root + value(make, "sbindir"), env["PATH"]])
    env["PKG_CONFIG_PATH"] = os.path.join(tmp, "pkgconfig")
    env["LC_ALL"] = "C"
    # Where modules are that come with an installation that was moved.
    env["LINED"] = lined
    return env


def wait_for_port(port):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def follow(text, directory, shell, port):
    checks = faults = 0

    def say(good, what, detail=""):
        nonlocal checks, faults
        checks += 1
        faults += not good
        print("%s: %s%s" % ("PASS" if good else "FAIL", what, detail))

    for number, language, name, content in blocks(text):
        content = content.replace(PORT, str(port))
        if name:
            with open(os.path.join(directory, name), "w") as f:
                f.write(content)
            continue
        if language != "console":
            continue
        for command, wanted in commands(content):
            status, got = shell.run(command)
            if command.endswith("&"):
                wait_for_port(port)
            good = status == 0 and matches(wanted, got)
            say(good, "%d: %s" % (number, command),
                "" if good else "\nstatus %d, it printed:\n%swanted:\n%s"
                % (status, got, wanted))
    print("Checks: %d, Failures: %d" % (checks, faults))
    return checks > 0 and faults == 0


def follow_in(directory, path, env):
    os.mkdir(directory)
    print(os.path.basename(path))
    with open(path) as f:
        text = f.read()
    shell = Shell(directory, env)
    try:
        return follow(text, directory, shell, free_port())
    finally:
        shell.end()


def main():
    for program in ("bash", "pkg-config"):
        if not shutil.which(program):
            print(program + " was not found")
            sys.exit(77)
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="lined-test-") as tmp:
        os.chmod(tmp, 0o755)
        env = install(tmp)
        good = all([follow_in(os.path.join(tmp, str(number)), path, env)
                    for number, path in enumerate(TEXTS)])
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
