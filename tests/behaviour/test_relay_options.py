#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""In each mode and role, each option of relay has an effect, or lined -t warns
that it has none. The daemon tries every combination of the table in options.c
with the option and without it."""
import concurrent.futures
import os
import random
import re
import socket
import time

from lined_test import NODES, TOP, Client, DaemonTest, Server
from lined_test import free_port, main, service

MODES = ("hub", "upstream", "proxy")
ROLES = "aps"


def effects():
    """Returns {option: {mode: roles}} from options.c."""
    path = os.path.join(TOP, "daemon", "protocols", "relay", "options.c")
    with open(path) as file:
        rows = re.findall(r'^\t\{"([a-z-]+)",\s*\{"([aps-]{3})", '
                          r'"([aps-]{3})", "([aps-]{3})"\}', file.read(), re.M)
    return {name: dict(zip(MODES, roles)) for name, *roles in rows}


def names():
    """The names of all options."""
    path = os.path.join(TOP, "daemon", "protocols", "relay", "options.c")
    with open(path) as file:
        return re.findall(r'OPTION\("([a-z-]+)"', file.read())


class Scene:
    """A service in a mode and a role, with a way to send lines into it and to
    read its output."""

    def __init__(self, name, mode, role, values):
        self.mode, self.role = mode, role
        self.port, self.helper_port = free_port(), free_port()
        self.server = Server() if mode != "hub" else None
        self.second = Server() if mode != "hub" else None
        self.target = Server()  # for a push
        self.writer = None
        self.probes = 0
        topic = 'topic = "%s"\n' % name if role != "a" else ""
        roles = {"a": "", "p": "publish-only = true\n",
                 "s": "subscribe-only = true\n"}
        lines = 'mode = "%s"\n%s%s' % (mode, topic, roles[role])
        if mode != "hub":
            urls = ['"%s"' % self.server.url]
            if values.get("second") == mode:
                urls.append('"%s"' % self.second.url)
            lines += "upstream = { %s }\n" % ", ".join(urls)
        lines += "".join("%s = %s\n" % item for item in values.items()
                         if item[0] not in ("limits", "second"))
        lines = lines.replace("TARGET", self.target.url)
        self.text = service(
            name, "tcp://127.0.0.1:%d" % self.port, protocol="relay",
            extra="limits { clients-per-address = 0 "
            "connect-rate-per-address = 0 %s }\nrelay {\n%s}"
            % (values.get("limits", ""), lines))
        if role != "a" and mode != "proxy":
            other = roles["s" if role == "p" else "p"]
            self.text += service(
                name + "-helper", "tcp://127.0.0.1:%d" % self.helper_port,
                protocol="relay", extra="limits { clients-per-address = 0 "
                "connect-rate-per-address = 0 }\nrelay { %s %s }"
                % (topic, other))

    def close(self):
        for server in (self.server, self.second, self.target):
            if server:
                server.close()

    def client(self, **how):
        return Client(("127.0.0.1", self.port), **how)

    def reader(self, **how):
        """Returns a reader of the service's output."""
        port = self.helper_port if self.role == "p" else self.port
        return Client(("127.0.0.1", port), **how)

    def put(self, data):
        """Sends lines into the service."""
        if self.writer is None:
            if self.mode == "upstream":
                self.writer = self.server.accept()
            elif self.role == "s":
                self.writer = Client(("127.0.0.1", self.helper_port))
            else:
                self.writer = self.client()
        self.writer.send(data)

    def probe(self):
        self.probes += 1
        self.put(b"probe %d %d\n" % (self.probes, random.randrange(1 << 60)))

    def reach(self, reader):
        """Sends probes until the reader gets one."""
        reader.sock.settimeout(0.05)
        for _ in range(200):
            self.probe()
            try:
                line = b"begin"
                while line and b"probe" not in line:
                    line = reader.line()
                break
            except socket.timeout:
                pass
        return reader

    def read(self, reader, quiet=0.3, most=20):
        """Returns all lines, without probes, until nothing comes or `most`
        seconds are over. None: the connection was closed."""
        got = []
        end = time.monotonic() + most
        reader.sock.settimeout(quiet)
        try:
            while time.monotonic() < end:
                line = reader.line()
                if line == b"":
                    got.append(None)
                    break
                if b"probe" not in line:
                    got.append(line)
        except socket.timeout:
            pass
        except ConnectionError:
            got.append(None)
        return got

    def show(self, lines):
        """Returns the lines that a reader gets when these are sent."""
        reader = self.reach(self.reader())
        self.put(lines)
        return self.read(reader)


def shows(*lines):
    return lambda scene: scene.show(b"".join(lines))


def own_lines(scene):
    sender = scene.client()
    sender.send(b"mine\n")
    return scene.read(sender)


def newcomer_gets(scene):
    scene.reach(scene.reader())
    scene.put(b"early\n")
    time.sleep(0.2)
    return scene.read(scene.reader())


def first_reader_gets(scene):
    scene.put(b"kept\n")
    time.sleep(0.2)
    return scene.read(scene.reader())


def silence(scene):
    got = scene.read(scene.reach(scene.reader()), 0.8, 0.8)
    return {re.sub(rb"\d.*", b"", line) for line in got}


def stalls(scene):
    """Returns the lines of a reader that pauses for a while."""
    reader = scene.reach(scene.reader(rcvbuf=4096))
    scene.put(b"".join(b"%d %s\n" % (i, b"x" * 500) for i in range(1000)))
    time.sleep(0.5)
    scene.put(b"last\n")
    got = scene.read(reader)
    return None in got, len(got) < 1000, any(
        b"lost" in line for line in got if line)


def goes_up(scene):
    above = scene.server.accept()
    scene.client().send(b"secret\nplain\n")
    above.sock.settimeout(1)
    return above.line()


def greets(scene):
    return scene.read(scene.server.accept())


def is_left(scene):
    """Whether lined leaves a silent upstream."""
    return None in scene.read(scene.server.accept(), 1.5)


def is_called(most):
    """Returns a probe: whether lined connects more than `most` times to an
    upstream that closes at once."""
    def observe(scene):
        count = 0
        end = time.monotonic() + 1.5
        while time.monotonic() < end and count <= most:
            try:
                scene.server.accept(0.1).close()
                count += 1
            except socket.timeout:
                pass
        return count > most
    return observe


def both_are_called(scene):
    """Whether a second upstream is connected while the first one feeds."""
    above = scene.server.accept()
    scene.second.sock.settimeout(0.05)
    for i in range(20):
        above.send(b"line %d\n" % i)
        try:
            scene.second.sock.accept()
            return True
        except socket.timeout:
            pass
    return False


def is_called_again(scene):
    """Whether lined connects to an upstream that is there again."""
    if scene.mode == "upstream":
        return is_called(20)(scene)
    scene.server.close()
    first = scene.client()
    scene.second.accept()
    scene.server.open()
    try:
        for _ in range(10):
            with scene.client():
                try:
                    scene.server.accept(0.1).close()
                    return True
                except socket.timeout:
                    pass
        return False
    finally:
        first.close()


def pushes(scene):
    """The first line that a target gets."""
    try:
        target = scene.target.accept(2)
    except socket.timeout:
        return None
    target.sock.settimeout(0.1)
    for _ in range(50):
        scene.put(b"line\n")
        try:
            return target.line()
        except socket.timeout:
            pass
    return None


def pushes_later(scene):
    """The lines that a target gets after it was not connected."""
    target = scene.target.accept()
    scene.target.close()
    target.close()
    time.sleep(0.2)
    scene.put(b"kept\n")
    time.sleep(0.2)
    scene.target.open()
    return scene.read(scene.target.accept(), 1)


LOSSY = {"slow": '"drop-oldest"', "max-age": "1h",
         "limits": "send-queue = 16k send-stall = 0"}

# By option: its value, other options that are always set, and what is observed.
# Options that are missing here are modes and roles themselves, or need TLS.
PROBES = {
    "loopback": ("true", {}, own_lines),
    "use": ('"all"', {"second": "upstream"}, both_are_called),
    "retry-min": ("10ms", {"retry-max": "1s"}, is_called(3)),
    "retry-max": ("10ms", {"retry-min": "10ms", "second": "proxy"},
                  is_called_again),
    "stale-timeout": ("300ms", {}, is_left),
    "preamble": ('{ "hello" }', {}, greets),
    "filter": ("{ 'deny secret' }", {}, shows(b"secret\n", b"plain\n")),
    "filter-out": ("{ 'deny secret' }", {}, shows(b"secret\n", b"plain\n")),
    "filter-up": ("{ 'deny secret' }", {"subscribe-only": "false"}, goes_up),
    "dedupe": ("60s", {}, shows(b"same\n", b"same\n")),
    "dedupe-without": ("'^[0-9]*'", {"dedupe": "60s"},
                       shows(b"1 same\n", b"2 same\n")),
    "tag": ('"{service} "', {}, shows(b"line\n")),
    "tag-checksum": ("true", {"tag": r'"\\s:x\\"'}, shows(b"line\n")),
    "history": ("5", {}, newcomer_gets),
    "heartbeat": ("200ms", {}, silence),
    "heartbeat-line": ('"beat"', {"heartbeat": "200ms"}, silence),
    "slow": ('"drop-newest"', {"max-age": "1h",
                               "limits": LOSSY["limits"]}, stalls),
    "gap-notice": ('"lost"', LOSSY, stalls),
    "max-age": ("100ms", {"slow": '"drop-oldest"',
                          "limits": "send-queue = 16M send-stall = 0"},
                stalls),
    "hold": ("64k", {}, first_reader_gets),
    "push": ('{ "TARGET" }', {}, pushes),
    "push-preamble": ('{ "hello" }', {"push": '{ "TARGET" }'}, pushes),
    "push-hold": ("64k", {"push": '{ "TARGET" }', "retry-min": "50ms",
                          "retry-max": "50ms"}, pushes_later),
}

# Values for the tests with lined -t.
VALUES = {"upstream-ca": '"ca.pem"', "upstream-name": '"x"',
          "upstream-certificate": '"x.pem"', "upstream-key": '"x.pem"',
          "upstream-verify": "false", "upstream-proxy": "v1",
          "push": '"udp://127.0.0.1:9"', "push-preamble": '"x"',
          "push-hold": "64k", "up-hold": "64k",
          "subscribe-only": "true", "publish-only": "true", "topic": '"x"'}


class Options(DaemonTest):
    def combinations(self, take_effect):
        for option, modes in effects().items():
            for mode in MODES:
                for role in ROLES:
                    if (role in modes[mode]) == take_effect:
                        yield option, mode, role

    def test_the_table_has_every_option(self):
        self.assertEqual(sorted(effects()), sorted(names()))
        own = {"mode", "upstream", *VALUES}
        for option in set(names()) - own - set(PROBES):
            self.fail("no test of the option %s" % option)

    def test_what_has_no_effect_is_said_with_its_place(self):
        text, expected = "", []
        for i, (option, mode, role) in enumerate(self.combinations(False)):
            value, base, _ = PROBES.get(option, (VALUES.get(option), {}, None))
            # Both roles at the same time are an error.
            if option == "upstream" or (role != "a" and
                                        option.endswith("-only")):
                continue
            values = {name: value for name, value in base.items()
                      if name not in ("subscribe-only",)}
            values.pop(option, None)
            if option in ("subscribe-only", "publish-only", "topic"):
                values = {}
            scene = Scene("s%d" % i, mode, role, values)
            self.addCleanup(scene.close)
            before, after = scene.text.split("relay {\n", 1)
            text += before + "relay {\n"
            if option not in after.split("}")[0]:
                text += "%s = %s\n" % (
                    option, value.replace("TARGET", scene.target.url))
            expected.append((option, mode, role, "s%d" % i))
            text += after
        self.write(text)
        code, told = self.check()
        self.assertEqual(code, 0, told)
        for option, mode, role, name in expected:
            said = re.search(r'lined\.conf:\d+: service "%s": relay: %s: '
                             r'no effect' % (name, option), told)
            self.assertTrue(said, (option, mode, role, name))

    def test_what_takes_effect_does(self):
        pairs, text = [], ""
        for i, (option, mode, role) in enumerate(self.combinations(True)):
            # In a cluster, each node that has no reader holds lines.
            if option not in PROBES or (NODES > 1 and option == "hold"):
                continue
            value, base, observe = PROBES[option]
            with_it = Scene("w%d" % i, mode, role, {**base, option: value})
            without = Scene("o%d" % i, mode, role, base)
            for scene in (with_it, without):
                self.addCleanup(scene.close)
                text += scene.text
            pairs.append((option, mode, role, observe, with_it, without))
        self.start(text, workers=1)
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            seen = [(pair[:3], pool.submit(pair[3], pair[4]),
                     pool.submit(pair[3], pair[5])) for pair in pairs]
            for what, with_it, without in seen:
                with self.subTest(what):
                    self.assertNotEqual(with_it.result(), without.result())
        for _, _, _, _, *scenes in pairs:
            for scene in scenes:
                scene.close()


if __name__ == "__main__":
    main(120)
