# SPDX-License-Identifier: MIT
"""A WebSocket client that may break the rules: sends frames as bytes, whole or
in pieces, over any connected socket. For tests only."""
import base64
import hashlib
import os
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload=b"", fin=True, mask=b"\x12\x34\x56\x78", rsv=0,
          length=None):
    """length: the bits of the length field, 7, 16 or 64; None: the
    shortest."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    size = len(payload)
    if length is None:
        length = 7 if size < 126 else 16 if size < 65536 else 64
    if length == 7:
        head += bytes([bit | size])
    elif length == 16:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if mask:
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        head += mask
    return head + payload


def close(code, reason=b"", **kw):
    return frame(CLOSE, struct.pack(">H", code) + reason, **kw)


def request(path="/", host="localhost", key=None, extra="", version="13"):
    key = key or base64.b64encode(os.urandom(16)).decode()
    return ("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
            "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: %s\r\n"
            "Sec-WebSocket-Version: %s\r\n%s\r\n"
            % (path, host, key, version, extra)).encode()


def accept_key(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())


class WebSocket:
    """A WebSocket over a connected lined_test.Client. Makes the upgrade at
    once."""

    def __init__(self, client, path="/", extra="", upgrade=True):
        self.client = client
        if upgrade:
            key = base64.b64encode(os.urandom(16)).decode()
            client.send(request(path, key=key, extra=extra))
            status, fields = self.response()
            assert status == 101, (status, fields)
            assert fields["sec-websocket-accept"] == accept_key(key).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def response(self):
        line = self.client.line().decode()
        status = int(line.split()[1])
        fields = {}
        while True:
            line = self.client.line().decode().rstrip("\r\n")
            if not line:
                return status, fields
            name, value = line.split(":", 1)
            fields[name.lower()] = value.strip()

    def send(self, text, opcode=None, **kw):
        if opcode is None:
            opcode = TEXT if isinstance(text, str) else BINARY
        if isinstance(text, str):
            text = text.encode()
        self.client.send(frame(opcode, text, **kw))

    def frame(self):
        """Returns (opcode, payload). The server's frames are whole and
        unmasked."""
        head = self.client.exactly(2)
        assert head[0] & 0xf0 == 0x80 and not head[1] & 0x80, head
        size = head[1]
        if size == 126:
            size, = struct.unpack(">H", self.client.exactly(2))
            assert size > 125
        elif size == 127:
            size, = struct.unpack(">Q", self.client.exactly(8))
            assert size > 65535
        return head[0] & 15, self.client.exactly(size) if size else b""

    def message(self):
        opcode, payload = self.frame()
        assert opcode in (TEXT, BINARY), (opcode, payload)
        return payload.decode() if opcode == TEXT else payload

    def closed(self):
        """Waits for the closing frame and the end. Returns the code."""
        opcode, payload = self.frame()
        assert opcode == CLOSE, (opcode, payload)
        rest = self.client.ended()
        assert rest == b"", rest
        return struct.unpack(">H", payload[:2])[0] if payload else None
