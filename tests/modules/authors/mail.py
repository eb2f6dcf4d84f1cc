# SPDX-License-Identifier: MIT
"""mail.c in Twisted: accepts mail as SMTP does, and discards it."""
import argparse

from twisted.internet import protocol, reactor
from twisted.protocols.basic import LineReceiver
from twisted.protocols.policies import TimeoutMixin


class Session(LineReceiver, TimeoutMixin):
    def connectionMade(self):
        self.reset()
        self.sendLine(b"220 mail")
        self.setTimeout(self.factory.options.command_timeout)

    def connectionLost(self, reason):
        self.setTimeout(None)

    def timeoutConnection(self):
        self.sendLine(b"421 timeout")
        self.transport.loseConnection()

    def reset(self):
        self.sender = False
        self.in_data = False
        self.recipients = 0
        self.bytes = 0

    def lineReceived(self, line):
        if self.in_data:
            self.data(line)
        else:
            self.command(line)
        options = self.factory.options
        self.setTimeout(options.data_timeout if self.in_data
                        else options.command_timeout)

    def data(self, line):
        if line != b".":
            self.bytes += len(line) - line.startswith(b".")
            return
        self.factory.mails += 1
        self.sendLine(b"250 %d bytes for %d" % (self.bytes, self.recipients))
        self.reset()

    def command(self, line):
        if line.upper() == b"QUIT":
            self.sendLine(b"221 bye")
            self.transport.loseConnection()
            return
        for prefix, run in self.commands.items():
            if line.upper().startswith(prefix):
                self.sendLine(run(self))
                return
        self.sendLine(b"500 unknown command")

    def do_ok(self):
        return b"250 ok"

    def do_mail(self):
        if self.sender:
            return b"503 one sender only"
        self.sender = True
        return b"250 sender ok"

    def do_rcpt(self):
        if not self.sender:
            return b"503 MAIL first"
        self.recipients += 1
        return b"250 recipient ok"

    def do_data(self):
        if not self.recipients:
            return b"503 RCPT first"
        self.in_data = True
        return b"354 end with a dot"

    def do_reset(self):
        self.reset()
        return b"250 ok"

    commands = {b"HELO ": do_ok, b"EHLO ": do_ok, b"MAIL FROM:": do_mail,
                b"RCPT TO:": do_rcpt, b"DATA": do_data, b"RSET": do_reset,
                b"NOOP": do_ok}


class Mail(protocol.Factory):
    protocol = Session

    def __init__(self, options):
        self.options = options
        self.mails = 0


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=7100)
parser.add_argument("--command-timeout", type=float, default=300)
parser.add_argument("--data-timeout", type=float, default=180)
options = parser.parse_args()
reactor.listenTCP(options.port, Mail(options))
reactor.run()
