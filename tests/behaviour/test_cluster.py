#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Several daemons, connected by nats-server, are one: the section `cluster`."""
import unittest

from lined_test import DaemonTest, free_port, main

SECTION = 'cluster { servers = { "nats://127.0.0.1:4222" }  %s }\n'


def lobby(extra="cluster = true", protocol="chat"):
    return ('service "lobby" {\n\tprotocol = "%s"\n'
            '\tlisten = { "tcp://127.0.0.1:%d" }\n\t%s\n}\n'
            % (protocol, free_port(), extra))


# What is wrong: the section's keys, and what must be found in the message.
FAULTS = {
    "servers = { }": "lined.conf:2: cluster: servers is empty",
    'servers = { "127.0.0.1:4222" }': "is not nats://HOST:PORT or tls://",
    'servers = { "nats://127.0.0.1" }': "has no port",
    'servers = { "nats://:4222" }': "has no host",
    'servers = { "nats://u:p@h:4222" }': "are keys of their own",
    'servers = { "nats://h:1" } name = "a b"': 'name: "a b" is not 1 to 64',
    'servers = { "nats://h:1" } prefix = "a.b"': 'prefix: "a.b" is not',
    'servers = { "nats://h:1" } user = "u"': "user needs password",
    'servers = { "nats://h:1" } token = "t" credentials = "lined.conf"':
        "credentials: token says already",
    'servers = { "nats://h:1" } tls-key = "no.key" tls-certificate = "no.pem"':
        r"tls-key: .*no\.key: No such file",
    'servers = { "nats://h:1" } lease = 100ms': "lease: .*out of range",
    'servers = { "nats://h:1" } server = "x"': 'did you mean "servers"',
}


class Config(DaemonTest):
    def refused(self, text, message):
        code, said = self.check(text)
        self.assertEqual(code, 1, said)
        self.assertRegex(said, message)

    def test_section_and_key_are_good(self):
        code, said = self.check(SECTION % 'name = "node-a"' + lobby())
        if "built without libnats" in said:
            self.assertEqual(code, 1)
            self.assertRegex(said, r"lined\.conf:2: cluster: ")
        else:
            self.assertEqual(code, 0, said)

    def test_each_fault_is_named(self):
        for section, message in FAULTS.items():
            with self.subTest(section):
                self.refused("cluster {\n%s\n}\n" % section + lobby(), message)

    def test_service_needs_the_section(self):
        self.refused(lobby(), r"lined\.conf:\d+: service \"lobby\": cluster = "
                     "true needs a section cluster")

    def test_state_of_one_machine_is_not_shared(self):
        for protocol in "kv", "policy", "exec":
            with self.subTest(protocol):
                self.refused(
                    SECTION % "" + lobby(protocol=protocol),
                    r"lined\.conf:\d+: service \"lobby\": cluster: .*protocol "
                    + protocol)


if __name__ == "__main__":
    main()
