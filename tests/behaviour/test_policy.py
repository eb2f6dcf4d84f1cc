#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""policy: Postfix's documented protocol, greylisting, and malformed requests.
"""
import os
import shutil
import signal
import subprocess
import unittest

from lined_test import Client, DaemonTest, PATIENCE
from lined_test import free_port, main, service

# All attributes that Postfix 3.7 sends, as in its SMTPD_POLICY_README.
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
        # The same connection can be used again, and bytes may come one by one.
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
        self.assertEqual(self.ask(c, address="192.0.3.2"), DEFER)
        self.assertEqual(self.ask(c, sender=""), DEFER)

    def test_each_of_the_three_counts_and_case_does_not(self):
        daemon = self.serve("delay = 0")
        c = self.connect()
        # Without a delay nobody has to wait, and everybody is known at once.
        self.assertEqual(self.ask(c, sender="A@Example.ORG"), DUNNO)
        self.write(self.text("delay = 10m"))
        daemon.reload()
        self.assertEqual(self.ask(c), DUNNO)
        self.assertEqual(self.ask(c, recipient="B@EXAMPLE.net"), DUNNO)
        for other in ({"address": "192.0.3.1"}, {"sender": "x@example.org"},
                      {"recipient": "x@example.net"}, {"sender": ""}):
            self.assertEqual(self.ask(c, **other), DEFER, other)

    def passing(self, options, known, asked):
        """Returns which of these requests get DUNNO when `known` is known."""
        daemon = self.serve("delay = 0 " + options)
        c = self.connect()
        self.assertEqual(self.ask(c, **known), DUNNO)
        self.write(self.text("delay = 10m " + options))
        daemon.reload()
        return [one for one in asked
                if self.ask(c, **dict(known, **one)) == DUNNO]

    def test_a_neighbour_of_the_same_network_is_known(self):
        near = {"address": "192.0.2.200"}
        far = {"address": "192.0.3.1"}
        self.assertEqual(self.passing("", {"address": "192.0.2.1"},
                                      [near, far]), [near])

    def test_a_network_of_ipv6_is_a_64(self):
        near = {"address": "2001:db8:0:1:ffff::9"}
        far = {"address": "2001:db8:0:2::1"}
        self.assertEqual(self.passing("", {"address": "2001:db8:0:1::1"},
                                      [near, far]), [near])

    def test_by_address_a_neighbour_is_new(self):
        self.assertEqual(self.passing("by = address",
                                      {"address": "192.0.2.1"},
                                      [{"address": "192.0.2.2"}]), [])

    def test_the_prefixes_are_the_operators(self):
        near = {"address": "192.0.77.1"}
        self.assertEqual(self.passing("ipv4-prefix = 16",
                                      {"address": "192.0.2.1"}, [near]),
                         [near])
        code, out = self.check(self.text("ipv4-prefix = 33"))
        self.assertEqual(code, 1)
        self.assertRegex(out, r"lined\.conf:\d+: .*ipv4-prefix")

    def test_a_list_that_numbers_its_mails_is_one_sender(self):
        same = {"sender": "list-return-8-b=x.example@lists.example"}
        other = {"sender": "list-return-8-c=x.example@lists.example"}
        self.assertEqual(
            self.passing("", {"sender": "list-return-7-b=x.example"
                              "@lists.example"}, [same, other]), [same])

    def test_a_forwarder_that_signs_its_mails_is_one_sender(self):
        same = {"sender": "SRS0=Zz=9A=example.org=a@relay.example"}
        other = {"sender": "SRS0=Zz=9A=example.org=b@relay.example"}
        self.assertEqual(
            self.passing("", {"sender": "SRS0=Hh=7B=example.org=a"
                              "@relay.example"}, [same, other]), [same])

    def whitelist(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def test_those_on_a_whitelist_never_wait(self):
        clients = self.whitelist("clients", "198.51.100.0/24\nmx.example\n")
        recipients = self.whitelist("recipients", "postmaster@\n")
        daemon = self.serve('delay = 10m whitelist-clients = "%s" '
                            'whitelist-recipients = "%s"'
                            % (clients, recipients), workers=3)
        c = self.connect()
        self.assertEqual(self.ask(c), DEFER)
        self.assertEqual(self.ask(c, address="198.51.100.9"), DUNNO)
        self.assertEqual(self.ask(c, recipient="postmaster@x.example"), DUNNO)
        c.send(request().replace(b"\n\n", b"\nclient_name=a.mx.example\n\n"))
        self.assertEqual(c.line() + c.line(), DUNNO)
        # A reload reads a changed file; a reload with a wrong file is refused.
        self.whitelist("clients", "203.0.113.0/24\n")
        self.assertEqual(self.ask(c, address="203.0.113.1"), DEFER)
        daemon.reload()
        self.assertEqual(self.ask(c, address="203.0.113.1"), DUNNO)
        self.assertEqual(self.ask(c, address="198.51.100.9"), DEFER)
        self.whitelist("clients", "\n/[/\n")
        place = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_log(r'whitelist-clients: .*/clients:2: "/\[": ', place)
        self.assertEqual(self.ask(c, address="203.0.113.1"), DUNNO)

    def test_a_whitelist_that_is_not_there_is_an_error(self):
        for name in "whitelist-clients", "whitelist-recipients":
            code, out = self.check(self.text('%s = "/nowhere"' % name))
            self.assertEqual(code, 1)
            self.assertRegex(out, r"lined\.conf:\d+: .*%s: /nowhere: No such "
                             r"file or directory" % name)

    def test_who_comes_too_late_is_new(self):
        daemon = self.serve("delay = 0 retry = 0")
        c = self.connect()
        self.assertEqual(self.ask(c), DUNNO)
        self.write(self.text("delay = 10m"))
        daemon.reload()
        # With `retry = 0` the triplet is forgotten at once.
        self.assertEqual(self.ask(c), DEFER)

    def test_who_was_away_for_long_is_new(self):
        daemon = self.serve("delay = 0 lifetime = 1s")
        c = self.connect()
        for _ in range(2):
            self.assertEqual(self.ask(c), DUNNO)
        self.write(self.text("delay = 10m lifetime = 1s"))
        daemon.reload()
        # A request would prolong the life of the entry.
        self.assertTrue(c.is_silent(1.2))
        self.assertEqual(self.ask(c), DEFER)

    def test_without_a_recipient_there_is_nothing_to_go_by(self):
        self.serve("delay = 10m")
        c = self.connect()
        self.assertEqual(self.ask(c, recipient=""), DUNNO)
        c.send(b"request=smtpd_access_policy\nsender=x\n\n")
        self.assertEqual(c.line() + c.line(), DUNNO)
        # Nothing of one request remains for the next.
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
        kept = 64 * 1024 // 200
        self.assertGreater(daemon.counters("greylist")["evictions"], 1000 - kept)
        self.write(self.text("delay = 10m memory = 0"))
        daemon.reload()
        # If the table is full, the request passes.
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


POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = %(dir)s/spool
data_directory = %(dir)s/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example
mydestination = example.net
mynetworks =
local_recipient_maps =
local_transport = discard:
alias_maps =
smtpd_peername_lookup = no
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_recipient_restrictions = reject_unauth_destination
    check_policy_service inet:127.0.0.1:%(policy)d
"""
POSTFIX_MASTER = """\
127.0.0.1:%d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
"""


@unittest.skipUnless(os.path.exists("/usr/sbin/postfix") and
                     os.getuid() == 0, "no postfix, or not root")
class Postfix(DaemonTest):
    """A separate instance of Debian's Postfix asks policy, configured as in
    conf/examples."""

    def postfix(self, *words):
        return subprocess.run(["/usr/sbin/postfix", "-c", self.path("etc"),
                               *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE)

    def start_postfix(self, policy):
        port = free_port()
        # Postfix's user must be able to read the directory.
        os.chmod(self.dir, 0o755)
        for name in "etc", "spool", "data":
            os.mkdir(self.path(name), 0o755)
        shutil.chown(self.path("data"), "postfix")
        for name, text in (("main.cf", POSTFIX_MAIN
                            % {"dir": self.dir, "policy": policy}),
                           ("master.cf", POSTFIX_MASTER % port)):
            with open(self.path("etc/" + name), "w") as f:
                f.write(text)
        done = self.postfix("start")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.addCleanup(self.postfix, "stop")
        return port

    def recipient(self, port, address):
        """The answer to RCPT for a client with this address."""
        with Client(("127.0.0.1", port)) as smtp:
            self.assertEqual(smtp.line()[:3], b"220")
            for sent, wanted in ((b"XCLIENT ADDR=%s NAME=mx.example.org"
                                  % address, b"220"), (b"EHLO x", b"250"),
                                 (b"MAIL FROM:<a@example.org>", b"250")):
                self.assertEqual(self.ask(smtp, sent)[:3], wanted)
            return self.ask(smtp, b"RCPT TO:<b@example.net>")

    def ask(self, smtp, sent):
        smtp.send(sent + b"\r\n")
        line = smtp.line()
        while line[3:4] == b"-":
            line = smtp.line()
        return line

    def test_a_mail_is_deferred_once(self):
        port = free_port()
        self.start(service("greylist", "tcp://127.0.0.1:%d" % port,
                           protocol="policy",
                           extra="\tpolicy { delay = 1s }"))
        smtp = self.start_postfix(port)
        self.assertRegex(self.recipient(smtp, b"192.0.2.1"),
                         rb"^450 4\.7\.1 .*Service temporarily unavailable")
        # The client comes from its other address.
        self.eventually(lambda: self.recipient(smtp, b"192.0.2.9")
                        .startswith(b"250"), "the end of the delay")
        self.assertEqual(self.recipient(smtp, b"198.51.100.1")[:3], b"450")


if __name__ == "__main__":
    main()
