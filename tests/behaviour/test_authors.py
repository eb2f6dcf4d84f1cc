#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Modules as authors write them (tests/modules/authors). Each passes its
transcript with every cut of the clients' bytes, and with three workers. The
same protocol in Twisted also passes, and the module has at most one and a half
times as many lines."""
import os
import re
import socket
import subprocess
import sys

from lined_test import DaemonTest, LINED, TOP
from lined_test import environment, free_port, main

AUTHORS = os.path.join(TOP, "tests", "modules", "authors")
LINETEST = os.path.abspath(os.environ.get("LINETEST") or os.path.join(
    os.path.dirname(LINED), "linetest"))
# The options that the transcripts set in the config.
ARGUMENTS = {
    "notes": ["--keep", "0.7"],
    "mail": ["--command-timeout", "1.5", "--data-timeout", "0.5"],
    "topics": [],
}


def python_with(name):
    """The Python interpreter that has this module; None: there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import " + name],
                          stderr=subprocess.DEVNULL).returncode == 0:
            return python
    return None


def code_lines(path):
    """Lines that are neither blank nor a comment."""
    with open(path) as file:
        text = file.read()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r'^""".*?"""', "", text, flags=re.S | re.M)
    return len([line for line in text.split("\n")
                if line.strip() and not line.startswith("# ")])


class Authors(DaemonTest):
    def linetest(self, *args):
        process = subprocess.Popen(
            [LINETEST, *args],
            env=environment({"LINED": LINED}), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def all_pass(self, processes):
        """The runs are parallel, because they mostly wait."""
        for name, process in processes.items():
            with self.subTest(name):
                out = process.communicate(timeout=100)[0].decode()
                self.assertEqual(process.returncode, 0, out)
                self.assertNotIn("warning", out)

    def transcript(self, name):
        return os.path.join(AUTHORS, name + ".lt")

    def test_modules_pass(self):
        processes = {}
        for name in ARGUMENTS:
            with open(os.path.join(AUTHORS, name + ".c")) as source:
                module = self.build_module(name, source.read())
            more = ["--workers", "3"] if name == "topics" else []
            processes[name] = self.linetest(
                "--fragment=1", "-m", os.path.dirname(module), *more, self.transcript(name))
        self.all_pass(processes)

    def answers(self, port):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def test_twins_in_twisted_pass(self):
        python = python_with("twisted")
        if not python:
            self.skipTest("needs python3-twisted")
        ports, processes = {}, {}
        for name, arguments in ARGUMENTS.items():
            ports[name] = free_port()
            server = subprocess.Popen(
                [python, os.path.join(AUTHORS, name + ".py"),
                 "--port", str(ports[name])] + arguments)
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
        for name, port in ports.items():
            self.eventually(lambda: self.answers(port), "the twin")
            processes[name] = self.linetest(
                "--connect", "tcp://127.0.0.1:%d" % port,
                self.transcript(name))
        self.all_pass(processes)

    def test_a_module_has_few_more_lines_than_its_twin(self):
        for name in ARGUMENTS:
            lines = [code_lines(os.path.join(AUTHORS, name + end))
                     for end in (".c", ".py")]
            self.assertLessEqual(lines[0], 1.5 * lines[1], name)


if __name__ == "__main__":
    main()
