#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the commands of the documents against an installation.

doc/writing-a-protocol.md and doc/writing-a-program.md are followed to the
letter, each in an empty directory. A block with a file's name is written to
that file. The commands of a console block are run in one shell, and must print
the shown output; "..." stands for any text in a line, or for any lines. The
port is replaced by a free one. Other blocks are ignored.

README.md, doc/production.md and the manuals, as they were installed, show
examples from any system. A block that is a config must be valid. Commands of
lined and linectl are run, with the installed config or beside a daemon that
uses it, and must succeed; `lined -t` must print the shown output. `cat` of a
file makes that file. Commands of other programs are not run; their names are
printed.

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
GUIDES = [("docdir", "README.md"), ("docdir", "production.md"),
          ("mandir", "man8/lined.8"), ("mandir", "man5/lined.conf.5"),
          ("mandir", "man1/linectl.1"), ("mandir", "man1/linetest.1")]
PORT = "7070"
PATIENCE = 60

sys.path.insert(0, os.path.join(HERE, "behaviour"))
from lined_test import free_port  # noqa: E402


def blocks(text):
    """Returns (line number, language, file or None, content) of each block."""
    for found in re.finditer(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", text,
                             re.M | re.S):
        yield (text.count("\n", 0, found.start()) + 1, found.group(1),
               found.group(2), found.group(3))


def commands(content):
    """Returns (command, expected output) for each command of a console block.
    """
    for part in re.split(r"^\$ ", content, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def matches(wanted, got):
    pattern = re.escape(wanted).replace(re.escape("...") + "\n", "(.*\n)*")
    pattern = pattern.replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, got) is not None


class Shell:
    """A shell that runs one command after another."""

    def __init__(self, directory, env):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "bash", "--norc"],
            cwd=directory, env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True)

    def run(self, command):
        """Runs a command. Returns its exit status and output."""
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
    """Installs below tmp. Returns an environment in which the installation is
    found."""
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
    # The compiler of this build, by the name that the documents use.
    os.mkdir(os.path.join(tmp, "bin"))
    cc = os.path.join(tmp, "bin", "cc")
    with open(cc, "w") as f:
        f.write("#!/bin/sh\nexec %s \"$@\"\n" % (os.environ.get("CC") or "gcc"))
    os.chmod(cc, 0o755)
    # A lined that was moved does not find its own protocols.
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
    # The directory of modules of an installation that was moved.
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


# ---- guides ---------------------------------------------------------------

# These commands need a terminal, or never end.
INTERACTIVE = ("linectl top", "linectl tap")
TOP_LEVEL = ("service", "control", "metrics", "log", "defaults", "user",
             "tls", "workers", "include")


def literal_blocks(text):
    """Returns (line number, content) of each literal block."""
    for found in re.finditer(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$"
                             r"|^```(?P<language>.*)\n((?:.*\n)*?)```$"
                             r"|(?:(?<=\n\n))((?:    .*\n|\n(?=    ))+)",
                             text, re.M):
        manual, language, fenced, indented = found.groups()
        if language:
            continue
        content = manual or fenced or indented
        if indented is not None:
            content = re.sub("(?m)^    ", "", content)
        elif manual is not None:
            for code, plain in (("\\(dq", '"'), ("\\&", ""), ("\\-", "-"),
                                ("\\e", "\\")):
                content = content.replace(code, plain)
        yield text.count("\n", 0, found.start()) + 2, content


def session(content):
    """Returns (command, expected output) for each prompt."""
    lines = content.splitlines(keepends=True)
    while lines:
        line = lines.pop(0)
        if not line.startswith(("$ ", "# ")):
            continue
        command = line[2:].rstrip("\n")
        while lines and command.endswith(("|", "\\")):
            command += "\n" + lines.pop(0).rstrip("\n")
        output = ""
        while lines and not lines[0].startswith(("$ ", "# ")):
            output += lines.pop(0)
        yield command, output


class Guide:
    """Runs a guide's commands beside a daemon with the installed config."""

    def __init__(self, root, env, tmp):
        make = os.environ.get("MAKE") or "make"
        self.shell = Shell(tmp, env)
        self.tmp = tmp
        self.checks = self.faults = 0
        self.installed = value(make, "sysconfdir") + "/lined/lined.conf"
        self.config = os.path.join(tmp, "lined.conf")
        self.port = free_port()
        socket_path = os.path.join(tmp, "control")
        with open(root + self.installed) as f:
            text = f.read()
        ports = {}
        text = re.sub(r"127\.0\.0\.1:(\d+)", lambda m: "127.0.0.1:%d"
                      % ports.setdefault(m.group(1), free_port()), text)
        with open(self.config, "w") as f:
            f.write(text + '\ncontrol { socket = "%s" }\n' % socket_path)
        self.feed = ports.get("7008")
        with open(os.path.join(tmp, "linectl"), "w") as f:
            f.write('#!/bin/sh\nexec %s%s/linectl -s %s "$@"\n'
                    % (root, value(make, "bindir"), socket_path))
        os.chmod(os.path.join(tmp, "linectl"), 0o755)
        self.run("PATH=%s:$PATH; lined -c lined.conf -L stderr 2>daemon.log &"
                 % tmp)
        wait_for_port(self.feed)

    def run(self, command):
        return self.shell.run(command)

    def say(self, good, what, detail):
        self.checks += 1
        self.faults += not good
        print("%s: %s%s" % ("PASS" if good else "FAIL", what,
                            "" if good else "\n" + detail))

    def check_config(self, place, content):
        with open(os.path.join(self.tmp, "shown.conf"), "w") as f:
            f.write(content)
        status, got = self.run("lined -t -c shown.conf")
        self.say(status == 0, place + ": a configuration", got)

    def prepare(self, command):
        """Returns the command as it is run here; None: it is not run."""
        command = re.split(r"\s*&& (?=sudo |systemctl )", command)[0]
        command = command.replace(self.installed, self.config)
        if not command.startswith(("lined ", "linectl ")) or \
                command.startswith(INTERACTIVE):
            return None
        if "jq" in command and not shutil.which("jq"):
            return None
        if command.startswith("lined -t") and " -c" not in command:
            command += " -c " + self.config
        return command

    def follow_session(self, place, content):
        for command, wanted in session(content):
            where = "%s: %s" % (place, command)
            name = re.fullmatch(r"cat ([\w.-]+)", command)
            if name:
                with open(os.path.join(self.tmp, name.group(1)), "w") as f:
                    f.write(wanted.replace("127.0.0.1:7007", "127.0.0.1:%d"
                                           % self.port))
                continue
            ready = self.prepare(command)
            if ready is None:
                print("READ: " + where)
                continue
            with socket.create_connection(("127.0.0.1", self.feed)):
                if "kick 4711" in ready:
                    ready = ready.replace("4711", "$(linectl --json clients "
                                          "feed | sed 's/.*\"id\":\\([0-9]*\\)"
                                          ".*/\\1/')")
                status, got = self.run(ready)
            if ready.endswith("&"):
                wait_for_port(self.port)
                self.run("kill %2; wait %2")
            shown = ready.startswith("lined -t") and wanted != ""
            self.say(matches(wanted, got) if shown else status == 0, where,
                     "status %d, it printed:\n%swanted:\n%s"
                     % (status, got, wanted))
            if "drain" in ready:
                self.run("linectl reload")

    def follow(self, name, text):
        for number, content in literal_blocks(text):
            place = "%s:%d" % (name, number)
            if re.match(r"(%s)\b.*[{=(]" % "|".join(TOP_LEVEL), content):
                self.check_config(place, content)
            elif re.search(r"(?m)^[$#] ", content):
                self.follow_session(place, content)

    def end(self):
        self.run("kill %1; wait %1")
        self.shell.end()


def follow_guides(tmp, env):
    make = os.environ.get("MAKE") or "make"
    root = os.path.join(tmp, "root")
    place = os.path.join(tmp, "guides")
    os.mkdir(place)
    guide = Guide(root, env, place)
    try:
        for variable, name in GUIDES:
            with open(os.path.join(root + value(make, variable), name)) as f:
                guide.follow(os.path.basename(name), f.read())
    finally:
        guide.end()
    print("Checks: %d, Failures: %d" % (guide.checks, guide.faults))
    # If there are fewer, blocks are not found any more.
    return guide.checks >= 20 and guide.faults == 0


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
                    for number, path in enumerate(TEXTS)]
                   + [follow_guides(tmp, env)])
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
