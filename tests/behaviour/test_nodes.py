#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Some cases of chat and relay that are written for one machine, with the
clients on three nodes of a cluster. To run all cases in this way, see
CONTRIBUTING.md."""
import os
import unittest

os.environ["LINED_TEST_NODES"] = "3"

import test_chat
import test_chat_crowd
import test_relay
import test_relay_feed
import test_relay_upstream
from lined_test import main

CASES = {
    1: {test_chat.Abuse: ("what_one_hears_of_is_so",
                          "everything_of_one_sender_is_in_order"),
        test_relay.Hub: ("each_line_goes_to_every_other_client",)},
    4: {test_chat.Text: ("the_conversation_of_the_design",
                         "joining_parting_and_quitting",
                         "names_are_one_without_regard_to_case"),
        test_chat.Options: ("kicking_and_banning",
                            "reload_under_talk_loses_and_repeats_no_line"),
        test_chat_crowd.Crowd: ("what_each_hears_hangs_together",),
        test_relay.Hub: ("many_senders_at_once_keep_their_order",
                         "publish_only_and_subscribe_only_share_a_topic"),
        test_relay.Reload: ("changed_options_lose_nobody_and_no_line",),
        test_relay_feed.Lines: ("each_direction_has_a_filter",),
        test_relay_upstream.Feed: (
            "its_lines_reach_every_client_of_every_worker",),
        test_relay_upstream.Upward: (
            "clients_lines_go_up_whole_and_in_order",)},
}


def load_tests(_loader, _standard, _pattern):
    suite = unittest.TestSuite()
    for workers, cases in CASES.items():
        for case, names in cases.items():
            made = type("%s%d" % (case.__name__, workers), (case,),
                        {"workers": workers, "WORKERS": workers,
                         "__module__": case.__module__})
            suite.addTests(made("test_" + name) for name in names)
    return suite


if __name__ == "__main__":
    main(100)
