# SPDX-License-Identifier: MIT
"""Credentials for nats-server in operator mode: keys of Ed25519 (nkeys) and
tokens that they sign, made with openssl(1).

    keys = Keys(directory)
    keys.config()               # of nats-server
    keys.credentials(path)      # writes a user's file
"""
import base64
import binascii
import json
import os

from certificates import openssl

# Prefix bytes. They decide the letters with which keys begin: SEED makes "S",
# the others begin public keys and follow "S" in seeds.
OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3
DER = bytes.fromhex("302e020100300506032b657004220420")


def encode(data):
    check = binascii.crc_hqx(data, 0).to_bytes(2, "little")
    return base64.b32encode(data + check).decode().rstrip("=")


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    def __init__(self, directory, name, kind):
        self.path = os.path.join(directory, "nkey-%s.der" % name)
        self.kind = kind
        self.secret = os.urandom(32)
        self._write(self.path, DER + self.secret)
        public = openssl("pkey", "-inform", "DER", "-in", self.path,
                         "-pubout", "-outform", "DER")[-32:]
        self.public = encode(bytes([kind]) + public)

    @staticmethod
    def _write(path, data):
        with open(path, "wb") as f:
            f.write(data)

    def seed(self):
        return encode(bytes([SEED | self.kind >> 5, (self.kind & 31) << 3])
                      + self.secret)

    def sign(self, subject, kind, nats):
        """A token about the key `subject`, signed by this key."""
        claims = {"jti": "1", "iat": 1700000000, "iss": self.public,
                  "sub": subject.public, "name": kind,
                  "nats": dict(nats, type=kind, version=2)}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (
            {"typ": "JWT", "alg": "ed25519-nkey"}, claims))
        self._write(self.path + ".text", text.encode())
        signature = openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER",
                            "-inkey", self.path, "-in", self.path + ".text")
        return text + "." + base64url(signature)


class Keys:
    def __init__(self, directory):
        self.operator = Key(directory, "operator", OPERATOR)
        self.system = Key(directory, "system", ACCOUNT)
        self.account = Key(directory, "account", ACCOUNT)
        self.user = Key(directory, "user", USER)

    def config(self):
        limits = {name: -1 for name in (
            "subs", "data", "payload", "imports", "exports", "conn", "leaf")}
        streams = {name: -1 for name in (
            "mem_storage", "disk_storage", "streams", "consumer")}
        accounts = ["%s: %s" % (key.public, self.operator.sign(
            key, "account", {"limits": dict(limits, **more)}))
            for key, more in ((self.system, {}), (self.account, streams))]
        return ("operator: %s\nsystem_account: %s\nresolver: MEMORY\n"
                "resolver_preload: { %s }\n" % (
                    self.operator.sign(self.operator, "operator", {}),
                    self.system.public, "\n".join(accounts)))

    def credentials(self, path):
        limits = {"subs": -1, "data": -1, "payload": -1}
        with open(path, "w") as f:
            f.write("-----BEGIN NATS USER JWT-----\n%s\n"
                    "------END NATS USER JWT------\n\n"
                    "-----BEGIN USER NKEY SEED-----\n%s\n"
                    "------END USER NKEY SEED------\n" % (
                        self.account.sign(self.user, "user", limits),
                        self.user.seed()))
