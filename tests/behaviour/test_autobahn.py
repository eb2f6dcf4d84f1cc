#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The cases of the Autobahn test suite for WebSocket servers, with their
numbers, written again as a table: the frames of a client, and the answers that
echo must give. The cases for compression (12, 13) are left out, and the
messages of 9 are smaller."""
import socket

from lined_test import Client, DaemonTest, free_port, main, service
from websocket_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from websocket_client import WebSocket, close, frame

# How the bytes are cut into writes: all at once, each frame, each byte.
WHOLE, FRAMES, BYTES = 0, -1, 1

KOSME = bytes.fromhex("cebae1bdb9cf83cebcceb5")  # a Greek word
LIMIT = 1 << 20


def text(payload, **kw):
    return frame(TEXT, payload, **kw)


def ping(payload=b"", **kw):
    return frame(PING, payload, **kw)


def pieces(opcode, payloads):
    """The frames of a message in fragments."""
    return [frame(CONTINUATION if i else opcode, payload,
                  fin=i == len(payloads) - 1)
            for i, payload in enumerate(payloads)]


def fragments(opcode, payload, size):
    return pieces(opcode, [payload[i:i + size]
                           for i in range(0, len(payload), size)])


def said(*payloads, opcode=TEXT):
    return [(opcode, payload) for payload in payloads]


def pongs(*payloads):
    return said(*payloads, opcode=PONG)


def bad_bytes(*texts):
    return [bytes.fromhex(word) for word in texts]


# Each case: its number, the frames, the answers, the code with which the server
# closes, and the cut. The code is None if the server does not close, and
# answers the client's closing frame.

def framing():
    for major, opcode, byte in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
        for minor, size in enumerate((0, 125, 126, 127, 128, 65535, 65536), 1):
            # An empty line has no bytes that would make the message binary.
            answer = [(opcode if size else TEXT, byte * size)]
            yield ("1.%d.%d" % (major, minor), [frame(opcode, byte * size)],
                   answer, None, WHOLE)
        yield ("1.%d.8" % major, [frame(opcode, byte * 65536)],
               said(byte * 65536, opcode=opcode), None, 997)


def pings():
    odd = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    yield "2.1", [ping()], pongs(b""), None, WHOLE
    yield "2.2", [ping(b"Hello")], pongs(b"Hello"), None, WHOLE
    yield "2.3", [ping(odd)], pongs(odd), None, WHOLE
    yield "2.4", [ping(b"\xfe" * 125)], pongs(b"\xfe" * 125), None, WHOLE
    yield "2.5", [ping(b"\xfe" * 126)], [], 1002, WHOLE
    yield "2.6", [ping(b"\xfe" * 125)], pongs(b"\xfe" * 125), None, BYTES
    yield "2.7", [frame(PONG)], [], None, WHOLE
    yield "2.8", [frame(PONG, b"unsolicited")], [], None, WHOLE
    yield ("2.9", [frame(PONG, b"unsolicited"), ping(b"p")], pongs(b"p"),
           None, WHOLE)
    ten = [b"payload-%d" % i for i in range(10)]
    yield "2.10", [ping(p) for p in ten], pongs(*ten), None, WHOLE
    yield "2.11", [ping(p) for p in ten], pongs(*ten), None, BYTES


def reserved_bits():
    hello, after = text(b"Hello"), ping()
    yield "3.1", [text(b"Hello", rsv=1)], [], 1002, WHOLE
    for number, rsv, cut in (("3.2", 2, WHOLE), ("3.3", 3, FRAMES),
                             ("3.4", 4, BYTES)):
        yield (number, [hello, text(b"Hello", rsv=rsv), after], said(b"Hello"),
               1002, cut)
    yield "3.5", [frame(BINARY, b"\xff" * 8, rsv=5)], [], 1002, WHOLE
    yield "3.6", [ping(b"Hello", rsv=6)], [], 1002, WHOLE
    yield "3.7", [close(1000, rsv=7)], [], 1002, WHOLE


def opcodes():
    for minor, first in ((1, 3), (2, 11)):
        for i in range(5):
            bad = frame(first + i, b"Hello" if i in (1, 3, 4) else b"")
            before = [text(b"Hello")] if i > 1 else []
            yield ("4.%d.%d" % (minor, i + 1), before + [bad, ping()],
                   said(b"Hello") if before else [], 1002,
                   (WHOLE, WHOLE, WHOLE, FRAMES, BYTES)[i])


def fragmentation():
    two = pieces(TEXT, [b"fragment1", b"fragment2"])
    whole = said(b"fragment1fragment2")
    for number, opcode in (("5.1", PING), ("5.2", PONG)):
        yield number, pieces(opcode, [b"a", b"b"]), [], 1002, WHOLE
    for minor, cut in enumerate((WHOLE, FRAMES, BYTES)):
        yield "5.%d" % (3 + minor), two, whole, None, cut
        yield ("5.%d" % (6 + minor), [two[0], ping(b"between"), two[1]],
               pongs(b"between") + whole, None, cut)
        for first, fin in ((9, True), (12, False)):
            yield ("5.%d" % (first + minor),
                   [frame(CONTINUATION, b"nothing", fin=fin), text(b"Hello")],
                   [], 1002, cut)
    lost = frame(CONTINUATION, b"fragment3", fin=False)
    yield "5.15", two + [lost, text(b"fragment4")], whole, 1002, WHOLE
    yield "5.16", [lost] + two, [], 1002, WHOLE
    yield "5.17", [frame(CONTINUATION, b"fragment3")] + two, [], 1002, WHOLE
    yield ("5.18", [text(b"fragment1", fin=False), text(b"fragment2")], [],
           1002, WHOLE)
    five = pieces(TEXT, [b"fragment%d" % i for i in range(1, 6)])
    mixed = five[:2] + [ping(b"one")] + five[2:4] + [ping(b"two"), five[4]]
    answers = pongs(b"one", b"two") + said(
        b"".join(b"fragment%d" % i for i in range(1, 6)))
    yield "5.19", mixed, answers, None, FRAMES
    yield "5.20", mixed, answers, None, WHOLE


def utf8():
    yield "6.1.1", [text(b"")], said(b""), None, WHOLE
    yield "6.1.2", pieces(TEXT, [b""] * 3), said(b""), None, WHOLE
    yield ("6.1.3", pieces(TEXT, [b"", b"middle frame payload", b""]),
           said(b"middle frame payload"), None, WHOLE)
    long = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield "6.2.1", [text(long)], said(long), None, WHOLE
    yield ("6.2.2", pieces(TEXT, [long[:8], long[8:]]), said(long), None,
           WHOLE)
    yield "6.2.3", fragments(TEXT, long, 1), said(long), None, WHOLE
    yield "6.2.4", fragments(TEXT, KOSME, 1), said(KOSME), None, WHOLE
    bad = KOSME + b"\xed\xa0\x80" + b"edited"
    yield "6.3.1", [text(bad)], [], 1007, WHOLE
    yield "6.3.2", fragments(TEXT, bad, 1), [], 1007, WHOLE
    # The server must not wait for the rest of the character, which does not
    # come.
    for number, end in (("6.4.1", b"\xf4\x90\x80\x80"), ("6.4.2", b"\xf4\x90")):
        yield (number, pieces(TEXT, [KOSME, end, b"edited"])[:2], [], 1007,
               FRAMES)
    whole = text(KOSME + b"\xf4\x90\x80\x80edited")
    yield "6.4.3", [whole[:-8]], [], 1007, WHOLE
    yield "6.4.4", [whole[:-8]], [], 1007, BYTES
    for i in range(1, 12):
        good = i in (2, 5, 7, 9, 11)
        yield utf8_case("6.6.%d" % i, KOSME[:i], good)
    yield utf8_case("6.11.5", b"\xf4\x90\x80\x80", False)
    for major, good, texts in UTF8:
        for minor, payload in enumerate(texts, 1):
            yield utf8_case("6.%d.%d" % (major, minor), payload, good)


def utf8_case(number, payload, good):
    return (number, [text(payload)], said(payload) if good else [],
            None if good else 1007, WHOLE)


MISSING = bad_bytes("c0", "e080", "f08080", "f8808080", "fc80808080", "df",
                    "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf")
LOW, HIGH = ("eda080", "edadbf", "edae80", "edafbf"), ("edb080", "edbfbf")
UTF8 = (
    (5, True, [KOSME[:2], KOSME[:5], KOSME[:7], KOSME[:9], KOSME]),
    # The first and the last character of each length.
    (7, True, bad_bytes("00", "c280", "e0a080", "f0908080")),
    (8, False, bad_bytes("f888808080", "fc8480808080")),
    (9, True, bad_bytes("7f", "dfbf", "efbfbf", "f48fbfbf")),
    (10, False, bad_bytes("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf")),
    (11, True, bad_bytes("ed9fbf", "ee8080", "efbfbd", "f48fbfbf")),
    # Continuation bytes without a first byte, and first bytes without
    # continuation.
    (12, False, [(b"\x80\xbf" * 4)[:i] for i in range(1, 8)]
     + [b"\xbf", bytes(range(0x80, 0xc0))]),
    (13, False, [b" ".join(bytes([b]) for b in range(*r)) + b" "
                 for r in ((0xc0, 0xe0), (0xe0, 0xf0), (0xf0, 0xf8),
                           (0xf8, 0xfc), (0xfc, 0xfe))]),
    (14, False, MISSING), (15, False, [b"".join(MISSING)]),
    (16, False, bad_bytes("fe", "ff", "fefeffff")),
    # Overlong forms.
    (17, False, bad_bytes("c0af", "e080af", "f08080af", "f8808080af",
                          "fc80808080af")),
    (18, False, bad_bytes("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf",
                          "fc83bfbfbfbf")),
    (19, False, bad_bytes("c080", "e08080", "f0808080", "f880808080",
                          "fc8080808080")),
    # Surrogates, alone and in pairs.
    (20, False, bad_bytes(*LOW, *HIGH, "edbe80")),
    (21, False, bad_bytes(*[a + b for a in LOW for b in HIGH])),
    # Noncharacters, which are valid.
    (22, True, [chr(plane << 16 | low).encode() for plane in range(17)
                for low in (0xfffe, 0xffff)]),
    (23, True, [chr(c).encode() for c in range(0xfff9, 0x10000)]),
)


def closing():
    bye = close(1000)
    yield "7.1.1", [text(b"Hello"), bye], said(b"Hello"), 1000, WHOLE
    yield "7.1.2", [bye, bye], [], 1000, WHOLE
    yield "7.1.3", [bye, ping(b"late")], [], 1000, WHOLE
    yield "7.1.4", [bye, text(b"late")], [], 1000, WHOLE
    two = pieces(TEXT, [b"fragment1", b"fragment2"])
    yield "7.1.5", [two[0], bye, two[1]], [], 1000, WHOLE
    big = b"BAsd7&jh23" * 26214
    yield "7.1.6", [text(big), bye, ping()], said(big), 1000, WHOLE
    yield "7.3.1", [frame(CLOSE)], [], "none", WHOLE
    yield "7.3.2", [frame(CLOSE, b"a")], [], 1002, WHOLE
    yield "7.3.3", [bye], [], 1000, WHOLE
    yield "7.3.4", [close(1000, b"Hello World!")], [], 1000, WHOLE
    yield "7.3.5", [close(1000, b"*" * 123)], [], 1000, WHOLE
    yield "7.3.6", [close(1000, b"*" * 124)], [], 1002, WHOLE
    yield "7.5.1", [close(1000, KOSME + b"\xed\xa0\x80")], [], 1007, WHOLE
    for i, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                              1011, 3000, 3999, 4000, 4999), 1):
        yield "7.7.%d" % i, [close(code)], [], code, WHOLE
    for i, code in enumerate((0, 999, 1004, 1005, 1006, 1015, 1016, 1100,
                              2000, 2999), 1):
        yield "7.9.%d" % i, [close(code)], [], 1002, WHOLE
    for i, code in enumerate((5000, 65535), 1):
        yield "7.13.%d" % i, [close(code)], [], 1002, WHOLE


def limits():
    for major, opcode, byte in ((0, TEXT, b"*"), (1, BINARY, b"\xfe")):
        for minor, size in enumerate((1 << 16, 1 << 18, LIMIT), 1):
            yield ("9.%d.%d" % (1 + major, minor),
                   [frame(opcode, byte * size)],
                   said(byte * size, opcode=opcode), None, WHOLE)
        big = byte * (1 << 18)
        for minor, size in enumerate((64, 256, 1 << 10, 1 << 14, 1 << 18), 1):
            yield ("9.%d.%d" % (3 + major, minor), fragments(opcode, big, size),
                   said(big, opcode=opcode), None, WHOLE)
        for minor, cut in enumerate((64, 512, 2048), 1):
            yield ("9.%d.%d" % (5 + major, minor), [frame(opcode, big)],
                   said(big, opcode=opcode), None, cut)
        for minor, size in enumerate((0, 16, 64, 256, 1024), 1):
            payload = byte * size
            yield ("9.%d.%d" % (7 + major, minor),
                   [frame(opcode, payload)] * 200,
                   said(*[payload] * 200, opcode=opcode if size else TEXT),
                   None, WHOLE)


def fragmented():
    yield ("10.1.1", fragments(TEXT, b"*" * 65536, 1300), said(b"*" * 65536),
           None, WHOLE)


class Cases(DaemonTest):
    def setUp(self):
        super().setUp()
        port = free_port()
        self.address = ("127.0.0.1", port)
        self.start(service(
            "echo", "ws://127.0.0.1:%d" % port,
            extra="\tframing { line-length = %d }\n"
                  "\tlimits { send-queue = 4M  connect-rate-per-address = 0 }" % LIMIT))

    def writes(self, frames, cut):
        if cut == FRAMES:
            return frames
        data = b"".join(frames)
        step = cut or len(data)
        return [data[i:i + step] for i in range(0, len(data), step)]

    def play(self, frames, answers, code, cut):
        with WebSocket(Client(self.address)) as ws:
            ws.client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY,
                                      1)
            for data in self.writes(frames, cut):
                ws.client.send(data)
            got = [ws.frame() for _ in answers]
            # The answer to a ping may overtake a line.
            for kind in (True, False):
                self.assertEqual(
                    [a for a in got if (a[0] == PONG) == kind],
                    [a for a in answers if (a[0] == PONG) == kind])
            if code is None:
                ws.client.send(close(1000))
                code = 1000
            self.assertEqual(ws.closed(), None if code == "none" else code)

    def run_cases(self, cases):
        for number, frames, answers, code, cut in cases:
            with self.subTest(case=number):
                self.play(frames, answers, code, cut)

    def test_1_framing(self):
        self.run_cases(framing())

    def test_2_pings_and_pongs(self):
        self.run_cases(pings())

    def test_3_reserved_bits(self):
        self.run_cases(reserved_bits())

    def test_4_opcodes(self):
        self.run_cases(opcodes())

    def test_5_fragmentation(self):
        self.run_cases(fragmentation())

    def test_6_utf8(self):
        self.run_cases(utf8())

    def test_7_closing(self):
        self.run_cases(closing())

    def test_9_limits(self):
        self.run_cases(limits())

    def test_10_fragments_of_a_sender(self):
        self.run_cases(fragmented())


if __name__ == "__main__":
    main()
