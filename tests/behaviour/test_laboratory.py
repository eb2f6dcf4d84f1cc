#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A sample of the laboratory (tests/laboratory/lab.py): allocations and system
calls that fail. To test all of them takes long, and is done by hand."""
import os
import re
import shutil
import sys
import tempfile
import unittest

from lined_test import TOP, is_linked_with, main

sys.path.insert(0, os.path.join(TOP, "tests", "laboratory"))

import lab  # noqa: E402

# How many cases of each kind.
SAMPLE = int(os.environ.get("LABORATORY_SAMPLE") or 4)

# Earlier findings: a place, the fault, and whether the fault lasts. Because a
# compiler may inline functions, a pattern may have two names.
FOUND = [
    # a crash of the daemon, or of the child that reads a config
    ("delegates_reserve_fd .*socket_attach", "ENOMEM", lab.ONCE),
    ("relay_filter_new ", "ENOMEM", lab.FROM_THEN_ON),
    ("modules_new .*reload_find_in_child", "ENOMEM", lab.ONCE),
    # a start without a word, or with the wrong one
    ("malloc < child_start .*conf_subprocess_run ", "ENOMEM", lab.FROM_THEN_ON),
    ("pread .*module_(read_part|is_whole) ", "EIO", lab.ONCE),
    ("fstat .*unix_path_hold ", "EIO", lab.ONCE),
    # an address that nobody served, also not after the next reload
    ("upstreams_read_list .*relay_(upstreams_)?reload", "ENOMEM",
     lab.FROM_THEN_ON),
    # clients refused for something else, or left without a word
    ("admission_find_or_add .*(admission_enter|accept_admit) ", "ENOMEM",
     lab.ONCE),
    ("crypt_hash_compare ", "ENOMEM", lab.ONCE),
    ("recv .*arrival_(take|read|advance) ", "EINTR", lab.ONCE),
    ("worker_batch_new .*reload_apply .*reload_try", "ENOMEM", lab.ONCE),
    ("malloc .*decoder_begin_payload ", "ENOMEM", lab.ONCE),
    # a helper without requests that stayed
    ("sendmsg .*fd_message_send .*helper_ask ", "ENOBUFS", lab.ONCE),
]


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

    def play(self, cases, count=SAMPLE):
        reached = 0
        for place, fault, how_long in lab.spread(cases, count):
            verdict = self.lab.test(place, fault, how_long)
            reached += verdict.faults > 0
            with self.subTest(place=place.text, fault=fault):
                self.assertEqual(verdict.problems, [], verdict.log[-4000:])
        self.assertGreater(reached, min(count, len(cases)) // 2)

    def own(self, is_memory):
        return [p for p in self.places if p.is_memory == is_memory
                and "(lib" not in p.text]

    def test_what_was_found_once(self):
        cases = []
        for pattern, fault, how_long in FOUND:
            if how_long == lab.FROM_THEN_ON and is_linked_with("libasan"):
                continue
            with self.subTest(pattern=pattern):
                cases.append((next(p for p in self.places
                                   if re.search(pattern, p.text)),
                              fault, how_long))
        self.play(cases, len(FOUND))

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
    main(400)
