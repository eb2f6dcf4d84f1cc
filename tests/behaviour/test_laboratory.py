#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A sample of the laboratory (tests/laboratory/lab.py): allocations and system
calls that fail. The whole of it takes a while and is run by hand."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from lined_test import LINED, TOP, main

sys.path.insert(0, os.path.join(TOP, "tests", "laboratory"))

import lab  # noqa: E402

# The same number of cases in each: memory once, memory from then on, calls.
SAMPLE = int(os.environ.get("LABORATORY_SAMPLE") or 7)


def is_linked_with(name):
    done = subprocess.run(["ldd", LINED], stdout=subprocess.PIPE, check=True)
    return name.encode() in done.stdout


@unittest.skipIf(is_linked_with("libtsan"), "TSan has an allocator of its own")
@unittest.skipUnless(is_linked_with("libssl"), "its scenario needs TLS")
@unittest.skipIf(os.environ.get("LINED_POLLER") == "poll",
                 "the same but for one file")
class Sample(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="lined-lab-")
        os.chmod(cls.dir, 0o755)
        cls.lab = lab.Laboratory(cls.dir)
        cls.places = cls.lab.learn(1)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir, ignore_errors=True)

    def play(self, cases):
        reached = 0
        for place, fault, how_long in lab.spread(cases, SAMPLE):
            verdict = self.lab.test(place, fault, how_long)
            reached += verdict.faults > 0
            with self.subTest(place=place.text, fault=fault):
                self.assertEqual(verdict.problems, [], verdict.log[-4000:])
        self.assertGreater(reached, SAMPLE // 2)

    def own(self, is_memory):
        return [p for p in self.places if p.is_memory == is_memory
                and "(lib" not in p.text]

    def test_there_are_many_places(self):
        self.assertGreater(len(self.own(True)), 200)
        self.assertGreater(len(self.own(False)), 150)

    def test_allocations_fail_once(self):
        self.play([(p, "ENOMEM", lab.ONCE) for p in self.own(True)])

    @unittest.skipIf(is_linked_with("libasan"),
                     "ASan needs memory for itself in each thread")
    def test_allocations_fail_from_then_on(self):
        self.play([(p, "ENOMEM", lab.FROM_THEN_ON) for p in self.own(True)])

    def test_libraries_have_no_memory(self):
        self.play([(p, "ENOMEM", lab.ONCE) for p in self.places
                   if p.is_memory and "(lib" in p.text])

    def test_system_calls_fail(self):
        self.play([(p, fault, how_long) for p in self.own(False)
                   for fault, how_long in lab.faults_of(p)])


if __name__ == "__main__":
    main(120)
