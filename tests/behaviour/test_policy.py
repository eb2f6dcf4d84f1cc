#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""policy: the exchange that Postfix documents, greylisting by it, and what a
client gets that does not keep to it."""
from lined_test import Client, DaemonTest
from lined_test import main, service

# All that Postfix 3.7 sends, as its SMTPD_POLICY_README has it.
REQUEST = """\
request=smtpd_access_policy
protocol_state=RCPT
protocol_name=SMTP
helo_name=some.domain.tld
queue_id=8045F2AB23
sender=foo@bar.tld
recipient=bar@foo.tld
recipient_count=0
client_address=1.2.3.4
client_name=another.domain.tld
reverse_client_name=another.domain.tld
instance=123.456.7
sasl_method=plain
sasl_username=you
sasl_sender=
size=12345
ccert_subject=solaris9.porcupine.org
ccert_issuer=Wietse+20Venema
ccert_fingerprint=C2:9D:F4:87:71:73:73:D9:18:E7:C2:F3:C1:DA:6E:04
encryption_protocol=TLSv1/SSLv3
encryption_cipher=DHE-RSA-AES256-SHA
encryption_keysize=256
etrn_domain=
stress=
ccert_pubkey_fingerprint=68:B3:29:DA:98:93:E3:40:99:C7:D8:AD:5C:B9:C9:40
client_port=1234
policy_context=submission
server_address=10.3.2.1
server_port=54321

"""
DEFER = b"action=defer_if_permit Service temporarily unavailable\n\n"
DUNNO = b"action=dunno\n\n"


def request(address="192.0.2.1", sender="a@example.org",
            recipient="b@example.net", kind="smtpd_access_policy"):
    return ("request=%s\nclient_address=%s\nsender=%s\nrecipient=%s\n\n"
            % (kind, address, sender, recipient)).encode()


class Policy(DaemonTest):
    def serve(self, options="", workers=1):
        return self.start(self.text(options), workers=workers)

    def text(self, options):
        return service("greylist", "unix://" + self.path("sock"),
                       protocol="policy", extra="\tpolicy { %s }" % options)

    def connect(self):
        client = Client(self.path("sock"))
        self.addCleanup(client.close)
        return client

    def ask(self, client, **attributes):
        client.send(request(**attributes))
        return client.line() + client.line()

    def test_the_documented_exchange(self):
        self.serve("delay = 300ms")
        c = self.connect()
        c.send(REQUEST.encode())
        self.assertEqual(c.exactly(len(DEFER)), DEFER)
        # The same connection can be used again, a byte at a time too.
        for byte in REQUEST.encode():
            c.send(bytes([byte]))
        self.assertIn(c.line() + c.line(), (DEFER, DUNNO))

        def passes():
            c.send(REQUEST.encode())
            return c.line() + c.line() == DUNNO
        self.eventually(passes, "the end of the delay")

    def test_who_is_new_waits_and_others_are_others(self):
        self.serve("delay = 10m")
        c = self.connect()
        self.assertEqual(self.ask(c), DEFER)
        self.assertEqual(self.ask(c), DEFER)
        self.assertEqual(self.ask(c, address="192.0.2.2"), DEFER)
        self.assertEqual(self.ask(c, sender=""), DEFER)

    def test_each_of_the_three_counts_and_case_does_not(self):
        daemon = self.serve("delay = 0")
        c = self.connect()
        # Without a delay nobody waits, and everybody is known at once.
        self.assertEqual(self.ask(c, sender="A@Example.ORG"), DUNNO)
        self.write(self.text("delay = 10m"))
        daemon.reload()
        self.assertEqual(self.ask(c), DUNNO)
        self.assertEqual(self.ask(c, recipient="B@EXAMPLE.net"), DUNNO)
        for other in ({"address": "192.0.2.2"}, {"sender": "x@example.org"},
                      {"recipient": "x@example.net"}, {"sender": ""}):
            self.assertEqual(self.ask(c, **other), DEFER, other)

    def test_who_comes_too_late_is_new(self):
        daemon = self.serve("delay = 0 retry = 0")
        c = self.connect()
        self.assertEqual(self.ask(c), DUNNO)
        self.write(self.text("delay = 10m"))
        daemon.reload()
        # It was to be known for no time at all.
        self.assertEqual(self.ask(c), DEFER)

    def test_who_was_away_for_long_is_new(self):
        daemon = self.serve("delay = 0 lifetime = 1s")
        c = self.connect()
        for _ in range(2):
            self.assertEqual(self.ask(c), DUNNO)
        self.write(self.text("delay = 10m lifetime = 1s"))
        daemon.reload()
        # To ask would make him stay.
        self.assertTrue(c.is_silent(1.2))
        self.assertEqual(self.ask(c), DEFER)

    def test_without_a_recipient_there_is_nothing_to_go_by(self):
        self.serve("delay = 10m")
        c = self.connect()
        self.assertEqual(self.ask(c, recipient=""), DUNNO)
        c.send(b"request=smtpd_access_policy\nsender=x\n\n")
        self.assertEqual(c.line() + c.line(), DUNNO)
        # Nothing of one request is left in the next.
        self.assertEqual(self.ask(c), DEFER)
        c.send(b"request=smtpd_access_policy\nsender=a@example.org\n\n")
        self.assertEqual(c.line() + c.line(), DUNNO)

    def test_all_workers_know_the_same(self):
        daemon = self.serve("delay = 0", workers=3)
        clients = [self.connect() for _ in range(6)]
        self.assertEqual(self.ask(clients[0]), DUNNO)
        self.write(self.text("delay = 10m"), workers=3)
        daemon.reload()
        for c in clients:
            self.assertEqual(self.ask(c), DUNNO)

    def test_memory_is_bounded(self):
        daemon = self.serve("delay = 10m memory = 64k")
        c = self.connect()
        self.assertEqual(self.ask(c), DEFER)
        for n in range(1000):
            self.assertEqual(self.ask(c, sender="spam%d" % n), DEFER)
        self.write(self.text("delay = 10m memory = 0"))
        daemon.reload()
        # Who cannot be remembered is not made to wait for ever.
        self.assertEqual(self.ask(c), DUNNO)

    def test_the_action_is_the_operators(self):
        self.serve("action = \"451 4.7.1 Come again\"")
        c = self.connect()
        self.assertEqual(self.ask(c), b"action=451 4.7.1 Come again\n\n")
        for bad in ("", "a\\nb"):
            code, out = self.check(self.text('action = "%s"' % bad))
            self.assertEqual(code, 1)
            self.assertRegex(out, r"lined\.conf:\d+: .*action: one line")

    def test_in_trouble_there_is_no_answer(self):
        daemon = self.serve()
        for bad, said in ((b"\n", "no request of type"),
                          (request(kind="junk"), "no request of type"),
                          (b"sender=x\n\n", "no request of type"),
                          (b"request=smtpd_access_policy\nHELO\n\n",
                           "not an attribute"),
                          (b"x" * 9000 + b"=\n\n", "too-long")):
            place = daemon.mark()
            c = self.connect()
            c.send(bad)
            self.assertEqual(c.ended(), b"")
            daemon.wait_log(said, place)

    def test_long_values_are_cut_and_harm_nobody(self):
        self.serve("delay = 10m")
        c = self.connect()
        self.assertEqual(self.ask(c, sender="s" * 8000, recipient="r" * 8000,
                                  address="a" * 8000), DEFER)
        self.assertEqual(self.ask(c, sender="\0\xff%s%n"), DEFER)


if __name__ == "__main__":
    main()
