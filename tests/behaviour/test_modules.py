#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The module loader: which modules it accepts, which it refuses, with which
message; and the calls that a module gets."""
import os
import shutil
import socket

from lined_test import MODULES, WORKERS, Client, DaemonTest
from lined_test import free_port, main, service

# A module for which each test chooses the name, the ABI, the size and further
# code.
PLAIN = r"""
#include <lined/protocol.h>

%(before)s

static void answer(struct lined_socket *client, const struct lined_line *line)
{
	(void)line;
	%(body)s
}

const struct lined_protocol lined_protocol = {
	.abi = %(abi)s,
	.size = %(size)s,
	.name = "%(name)s",
	.summary = "a module under test",
	.handle_line = answer,
	%(more)s
};
"""

# Sends its options on connect, and logs all events of a client.
TELLER = r"""
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <lined/protocol.h>

struct room {
	const char *title;
	int64_t seats;
};

struct options {
	int64_t number, span, bytes;
	bool flag;
	const char *word, *kind;
	struct lined_option_list list;
	struct lined_option_sections rooms;
};

static const char *const kinds[] = { "tall", "short", NULL };

static const struct lined_option room_options[] = {
	{ .name = "seats", .type = LINED_OPTION_INTEGER, .fallback = "4",
	  .min = 1, .max = 100, .offset = offsetof(struct room, seats) },
	{ 0 },
};

static const struct lined_option options[] = {
	{ .name = "number", .type = LINED_OPTION_INTEGER, .fallback = "7",
	  .min = 1, .max = 99, .offset = offsetof(struct options, number) },
	{ .name = "span", .type = LINED_OPTION_DURATION, .fallback = "2s",
	  .offset = offsetof(struct options, span) },
	{ .name = "bytes", .type = LINED_OPTION_SIZE, .fallback = "1k",
	  .offset = offsetof(struct options, bytes) },
	{ .name = "flag", .type = LINED_OPTION_BOOLEAN,
	  .offset = offsetof(struct options, flag) },
	{ .name = "word", .type = LINED_OPTION_STRING, .fallback = "none",
	  .offset = offsetof(struct options, word) },
	{ .name = "kind", .type = LINED_OPTION_STRING, .fallback = "tall",
	  .choices = kinds, .offset = offsetof(struct options, kind) },
	{ .name = "list", .type = LINED_OPTION_LIST,
	  .offset = offsetof(struct options, list) },
	{ .name = "room", .type = LINED_OPTION_SECTION,
	  .offset = offsetof(struct options, rooms),
	  .section = room_options, .section_size = sizeof(struct room) },
	{ 0 },
};

static int check(const void *opts, char *error, size_t size)
{
	const struct options *o = opts;

	if (strcmp(o->word, "forbidden") != 0)
		return 0;
	snprintf(error, size, "word: forbidden is forbidden");
	return -1;
}

static void greet(struct lined_service *service, struct lined_socket *client)
{
	const struct options *o = lined_service_options(service);
	const struct room *rooms = o->rooms.items;
	char text[400];
	int n;

	n = snprintf(text, sizeof(text),
		     "%" PRId64 " %" PRId64 " %" PRId64 " %d %s %s",
		     o->number, o->span, o->bytes, o->flag, o->word, o->kind);
	for (size_t i = 0; i < o->list.count; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %s",
			      o->list.items[i]);
	for (size_t i = 0; i < o->rooms.count; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      " %s:%" PRId64, rooms[i].title, rooms[i].seats);
	text[n++] = '\n';
	lined_socket_send(client, text, (size_t)n);
}

static void line(struct lined_socket *client, const struct lined_line *line)
{
	if (line->len == 4 && memcmp(line->text, "quit", 4) == 0) {
		lined_socket_send(client, "bye\n", 4);
		lined_socket_close_after_flush(client, LINED_CLOSE_LOCAL, 0);
		return;
	}
	if (line->len == 5 && memcmp(line->text, "noise", 5) == 0) {
		for (int i = 0; i < 200; i++)
			lined_service_log(lined_client_service(client),
					  LINED_LOG_NOTICE, "noise %d", i);
		lined_service_log(lined_client_service(client),
				  LINED_LOG_NOTICE, "after the noise");
	}
	lined_socket_send_line(client, line);
}

static void too_long(struct lined_socket *client)
{
	lined_socket_send(client, "too long\n", 9);
}

static void gone(struct lined_socket *client, enum lined_close_reason reason,
		 int error)
{
	(void)error;
	lined_service_log(lined_client_service(client), LINED_LOG_NOTICE,
			  "gone %" PRIu64 " %s", lined_client_id(client),
			  lined_close_reason_text(reason));
}

static int start(struct lined_service *service)
{
	lined_service_log(service, LINED_LOG_NOTICE, "start called");
	return 0;
}

static void stop(struct lined_service *service)
{
	lined_service_log(service, LINED_LOG_NOTICE, "stop called");
}

static void task(struct lined_service *service)
{
	lined_service_log(service, LINED_LOG_NOTICE, "task");
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "teller",
	.summary = "tells what it was given",
	.handle_accept = greet,
	.handle_line = line,
	.handle_too_long = too_long,
	.handle_close = gone,
	.options = options,
	.options_size = sizeof(struct options),
	.check = check,
	.start = start,
	.stop = stop,
	.handle_task = task,
	.task_ms = 200,
	.framing_fixed = LINED_FRAMING_TERMINATOR,
	.framing = { 20, LINED_TERMINATOR_ANY, 0, LINED_TOO_LONG_SKIP,
		     LINED_UNTERMINATED_DROP },
};
"""

# For each call, sends its number and the text. A line that is a number asks for
# a block of so many bytes.
COUNTED = r"""
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <lined/protocol.h>

struct own {
	unsigned calls;
	max_align_t aligned;
};

static void greet(struct lined_service *service, struct lined_socket *client)
{
	(void)service;
	if (lined_client_expect_block(client, 4) < 0)
		abort();
}

static void line(struct lined_socket *client, const struct lined_line *line)
{
	struct own *own = lined_client_data(client);
	int rc = 0;

	if ((uintptr_t)&own->aligned % _Alignof(max_align_t) != 0)
		abort();
	if (line->len > 0 && strspn(line->text, "0123456789") == line->len)
		rc = lined_client_expect_block(client, (size_t)atol(line->text));
	lined_socket_printf(client, "%u %zu%s %d <", ++own->calls, line->len,
			    line->unterminated ? " rest" : "", rc);
	lined_socket_send(client, line->text, line->len);
	lined_socket_printf(client, ">\n");
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "counted",
	.summary = "counts calls and takes blocks",
	.handle_accept = greet,
	.handle_line = line,
	.client_size = sizeof(struct own),
	.framing = { 20, LINED_TERMINATOR_ANY, 0, LINED_TOO_LONG_SKIP,
		     LINED_UNTERMINATED_DELIVER },
};
"""

# The same with a handle_block: blocks can ask for blocks, too.
ASKED = COUNTED.replace("const struct lined_protocol", r"""
static void block(struct lined_socket *client, const struct lined_line *asked,
		  const struct lined_line *came)
{
	lined_socket_printf(client, "for <%s>%zu: ", asked->text,
			    asked->terminator_len);
	line(client, came);
}

const struct lined_protocol""").replace(
    ".handle_line = line,", ".handle_line = line,\n\t.handle_block = block,")

# After a certain line or block, the client has other handlers of the protocol.
TAKEN_OVER = r"""
#include <string.h>
#include <lined/protocol.h>

static void own_read(struct lined_socket *client, void *arg)
{
	struct lined_line line;

	while (lined_socket_read_line(client, &line) == LINED_LINE_READY)
		lined_socket_printf(client, "%s %s\n", (const char *)arg,
				    line.text);
}

static const struct lined_socket_handlers own = {.handle_read = own_read};

static void line(struct lined_socket *client, const struct lined_line *line)
{
	if (strcmp(line->text, "own") == 0)
		lined_socket_set_handlers(client, &own, "own");
	else if (strcmp(line->text, "block") == 0)
		lined_client_expect_block(client, 4);
	else
		lined_socket_printf(client, "line %s\n", line->text);
}

static void block(struct lined_socket *client, const struct lined_line *asked,
		  const struct lined_line *came)
{
	(void)asked;
	lined_socket_printf(client, "block %s\n", came->text);
	lined_socket_set_handlers(client, &own, "block's own");
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "taken",
	.handle_line = line,
	.handle_block = block,
};
"""


class Modules(DaemonTest):
    def setUp(self):
        super().setUp()
        self.own_modules()
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.tcp = "tcp://127.0.0.1:%d" % self.port

    def plain(self, file, name=None, abi="LINED_ABI",
              size="sizeof(struct lined_protocol)", before="",
              body='lined_socket_send(client, "fine\\n", 5);', more=""):
        return self.build_module(file, PLAIN % {
            "name": name or file, "abi": abi, "size": size,
            "before": before, "body": body, "more": more})

    def make_bad_ones(self):
        """Makes bad modules. Returns their names, each with the text that its
        refusal must contain."""
        self.plain("oldabi", abi="LINED_ABI + 7")
        self.plain("misnamed", name="other")
        self.plain("unresolved", before="void lined_no_such_call(void);",
                   body="(void)client; lined_no_such_call();")
        self.plain("tiny", size="8")
        os.chmod(self.plain("group"), 0o664)
        os.chmod(self.plain("world"), 0o646)
        self.build_module("empty", "int lined_nothing_here(void);\n"
                          "int lined_nothing_here(void) { return 0; }\n")
        with open(os.path.join(self.modules, "text.so"), "w") as f:
            f.write("this is no shared object\n")
        os.chmod(os.path.join(self.modules, "text.so"), 0o644)
        cut = self.plain("cut")
        os.truncate(cut, os.path.getsize(cut) // 2)
        os.mkdir(os.path.join(self.modules, "folder.so"))
        return {
            "oldabi": r"built for ABI \d+, this lined has ABI \d+$",
            "misnamed": r'it claims to be "other"$',
            "unresolved": r"undefined symbol: lined_no_such_call$",
            "tiny": r"its lined_protocol says a size of 8, ABI \d+ has",
            "group": r"is group-writable$",
            "world": r"is world-writable$",
            "empty": r"it exports no lined_protocol$",
            "text": r"(invalid ELF header|file too short)$",
            "cut": r"it is cut off after \d+ bytes$",
            "folder": r"not a regular file$",
            "missing": r"No such file or directory$",
        }

    def services(self, names):
        text, ports = "", {}
        for name in names:
            ports[name] = free_port()
            text += service("of-" + name, "tcp://127.0.0.1:%d" % ports[name],
                            protocol=name)
        return text, ports


class Refused(Modules):
    def expect_all(self, out, bad):
        for name, message in bad.items():
            self.assertRegex(out, r"(?m)/%s\.so: %s" % (name, message))
        self.assertNotIn("echo.so", out)

    def test_at_start_all_are_named_and_exit_1(self):
        bad = self.make_bad_ones()
        text = service("good", self.tcp) + self.services(bad)[0]
        self.expect_all(self.start_fails(text, 1), bad)
        code, out = self.check()
        self.assertEqual(code, 1)
        self.expect_all(out, bad)

    def test_each_alone_is_exit_1(self):
        bad = self.make_bad_ones()
        for name, message in bad.items():
            with self.subTest(name):
                code, out = self.check(service("it", self.tcp,
                                               protocol=name))
                self.assertEqual(code, 1, out)
                self.assertRegex(out, r"(?m)/%s\.so: %s" % (name, message))

    def test_name_that_does_not_exist_is_told_those_that_do(self):
        code, out = self.check(service("it", self.tcp, protocol="ekho"))
        self.assertEqual(code, 1, out)
        self.assertRegex(out, r'service "it": protocol ekho: not one of '
                              r".*\becho\b.*: \S+/ekho\.so: No such file or "
                              "directory$")

    def test_at_reload_the_file_is_refused(self):
        bad = self.make_bad_ones()
        good = service("good", self.tcp)
        daemon = self.start(good)
        with Client(self.address) as held:
            self.assertTrue(held.echoes())
            text, ports = self.services(bad)
            self.write(good + text)
            place = daemon.reload()
            self.expect_all("\n".join(daemon.log[place:]), bad)
            self.assertTrue(held.echoes())
            for port in ports.values():
                with self.assertRaises(ConnectionRefusedError):
                    Client(("127.0.0.1", port))
            # The same file is accepted when it is repaired.
            for name in bad:
                path = os.path.join(self.modules, name + ".so")
                if os.path.isdir(path):
                    os.rmdir(path)
                elif os.path.exists(path):
                    os.unlink(path)
                self.plain(name)
            daemon.reload()
            for name, port in ports.items():
                # A refused file stays refused if the system's loader keeps it;
                # a new file is loaded.
                with self.subTest(name), Client(("127.0.0.1", port)) as c:
                    c.send(b"hello\n")
                    self.assertEqual(c.line(), b"fine\n")
            self.assertTrue(held.echoes())

    def test_a_datagram_address_needs_a_protocol_that_takes_it(self):
        self.plain("plain")
        code, out = self.check(
            'service "it" {\n\tprotocol = "plain"\n'
            '\tlisten = { "udp://127.0.0.1:%d" }\n}\n' % self.port)
        self.assertEqual(code, 1)
        self.assertRegex(out, r"lined.conf:3: .*udp://127.0.0.1")

    def test_a_stream_address_needs_one_too(self):
        self.plain("gram", more=".transports = LINED_TRANSPORT_DATAGRAM,")
        code, out = self.check(
            'service "it" {\n\tprotocol = "gram"\n'
            '\tlisten = { "%s" }\n}\n' % self.tcp)
        self.assertEqual(code, 1)
        self.assertRegex(out, r"lined.conf:3: .*tcp://127.0.0.1")


class Taken(Modules):
    def test_a_module_that_was_replaced_is_taken_at_reload(self):
        self.plain("late")
        ports = free_port(), free_port()
        daemon = self.start(
            service("good", "tcp://127.0.0.1:%d" % ports[0])
            + service("it", "tcp://127.0.0.1:%d" % ports[1],
                      protocol="late"))
        with Client(("127.0.0.1", ports[0])) as held, \
                Client(("127.0.0.1", ports[1])) as old:
            self.assertTrue(held.echoes())
            old.send(b"hello\n")
            self.assertEqual(old.line(), b"fine\n")
            self.plain("new", name="late",
                       body='lined_socket_send(client, "finer\\n", 6);')
            os.rename(os.path.join(self.modules, "new.so"),
                      os.path.join(self.modules, "late.so"))
            daemon.reload()
            with Client(("127.0.0.1", ports[1])) as c:
                c.send(b"hello\n")
                self.assertEqual(c.line(), b"finer\n")
            self.assertEqual(old.ended(), b"")
            self.assertTrue(held.echoes())

    def test_a_new_module_is_loaded_at_reload(self):
        daemon = self.start(service("good", self.tcp))
        self.plain("late")
        text, ports = self.services(["late"])
        self.write(service("good", self.tcp) + text)
        daemon.reload()
        with Client(("127.0.0.1", ports["late"])) as c:
            c.send(b"hello\n")
            self.assertEqual(c.line(), b"fine\n")

    def test_members_may_be_missing_at_the_end(self):
        # A module with an older header of the same ABI: the missing members are
        # zero.
        self.plain("older",
                   size="offsetof(struct lined_protocol, options)")
        self.start(service("it", self.tcp, protocol="older"))
        with Client(self.address) as c:
            c.send(b"hello\n")
            self.assertEqual(c.line(), b"fine\n")

    def test_members_may_follow_that_are_not_known(self):
        self.plain("newer", size="sizeof(struct lined_protocol) + 64")
        self.start(service("it", self.tcp, protocol="newer"))
        with Client(self.address) as c:
            c.send(b"hello\n")
            self.assertEqual(c.line(), b"fine\n")

    def test_the_config_may_name_the_directory(self):
        shutil.copytree(self.modules, self.path("others"))
        self.modules = self.path("others")
        self.plain("there")
        self.write('module-dir = "%s"\n' % self.modules +
                   service("it", self.tcp, protocol="there"))
        code, _, err = self.run_lined("-t", "-c", self.config)
        self.assertEqual(code, 0, err)

    def test_directories_are_searched_in_their_order(self):
        first, second, third = (self.path(name) for name in "abc")
        for self.modules in (first, second, third):
            os.mkdir(self.modules)
            os.chmod(self.modules, 0o755)
        self.plain("third")
        self.modules = second
        self.plain("second")
        self.plain("both")
        self.modules = first
        self.plain("both", abi="LINED_ABI + 1")
        at = ("-m", first, "-m", second)

        def check(protocol):
            self.write('module-dir = "%s"\n' % third +
                       service("it", self.tcp, protocol=protocol))
            return self.run_lined("-t", "-c", self.config, *at)

        for good in "second", "third":
            code, _, err = check(good)
            self.assertEqual(code, 0, err)
        # The first file that is found is used, even if it is a bad one.
        code, _, err = check("both")
        self.assertEqual(code, 1)
        self.assertRegex(err, r"/a/both\.so: built for ABI")
        # The message for a missing module names the first directory.
        code, _, err = check("nowhere")
        self.assertEqual(code, 1)
        self.assertRegex(err, r"/a/nowhere\.so: No such file")
        code, _, err = self.run_lined("-t", *("-m", first) * 9)
        self.assertEqual(code, 2)
        self.assertIn("more than 8 -m", err)

    def test_a_module_of_ones_own_runs_beside_control(self):
        # The way in which authors start it: `lined -m .`, with a control
        # socket.
        self.modules = self.path("own")
        os.mkdir(self.modules)
        os.chmod(self.modules, 0o755)
        self.plain("mine")
        self.start('module-dir = "%s"\ncontrol { socket = "%s" }\n'
                   % (MODULES, self.path("control")) +
                   service("it", self.tcp, protocol="mine"))
        with Client(self.address) as c:
            c.send(b"hello\n")
            self.assertEqual(c.line(), b"fine\n")


class Teller(Modules):
    def setUp(self):
        super().setUp()
        self.build_module("teller", TELLER)

    def text(self, options="", more=""):
        return service("it", self.tcp, protocol="teller",
                       extra="\tteller { %s }\n%s" % (options, more))

    def test_options_have_their_defaults(self):
        self.start(service("it", self.tcp, protocol="teller"))
        with Client(self.address) as c:
            self.assertEqual(c.line(), b"7 2000 1024 0 none tall\n")

    def test_options_are_filled_and_filled_anew(self):
        daemon = self.start(self.text(
            'number = 99 span = 150ms bytes = 2M flag = true word = "a b" '
            'kind = "short" list = { "x", "y z" } room "den" { seats = 2 } '
            'room "hall" { }'))
        with Client(self.address) as c:
            self.assertEqual(c.line(), b"99 150 2097152 1 a b short x y z "
                             b"den:2 hall:4\n")
            self.write(self.text("number = 8"))
            daemon.reload()
            self.assertTrue(c.echoes())
        with Client(self.address) as c:
            self.assertEqual(c.line(), b"8 2000 1024 0 none tall\n")

    def test_bad_options_are_named_with_their_line(self):
        code, out = self.check(
            'service "it" {\n\tprotocol = "teller"\n\tlisten = { "%s" }\n'
            '\tteller {\n\t\tnumber = 100\n\t\tspan = 3x\n\t\tbytes = 3m\n'
            '\t\tflag = perhaps\n\t\tkind = "wide"\n\t\tnubmer = 3\n'
            '\t\troom "den" { seats = 0 }\n\t\troom "den" { sets = 1 }\n'
            '\t}\n}\n' % self.tcp)
        self.assertEqual(code, 1)
        for line, word in ((5, "number"), (6, "span|3x"), (7, "bytes|3m"),
                           (8, "flag|perhaps"), (9, "kind|wide"),
                           (10, "nubmer"), (11, "seats"), (12, "den|sets")):
            self.assertRegex(out, r"lined\.conf:%d: .*(%s)" % (line, word))

    def test_check_refuses_values(self):
        text = self.text('word = "forbidden"')
        code, out = self.check(text)
        self.assertEqual(code, 1)
        self.assertRegex(out, r"lined\.conf:\d+: .*forbidden is forbidden")
        self.start_fails(text, 1)

    def test_a_fixed_framing_key_may_not_be_set(self):
        code, out = self.check(
            'service "it" {\n\tprotocol = "teller"\n\tlisten = { "%s" }\n'
            '\tframing {\n\t\tterminator = lf\n\t}\n}\n' % self.tcp)
        self.assertEqual(code, 1)
        self.assertRegex(out, r"lined\.conf:5: .*terminator")

    def test_its_framing_is_below_the_services(self):
        self.start(self.text())
        with Client(self.address) as c:
            c.line()
            c.send(b"x" * 20 + b"\n" + b"x" * 21 + b"\nafter\n")
            self.assertEqual(c.line(), b"x" * 20 + b"\n")
            self.assertEqual(c.line(), b"too long\n")
            self.assertEqual(c.line(), b"after\n")

    def test_the_services_framing_is_above_it(self):
        self.start(self.text(more="framing { line-length = 30 }"))
        with Client(self.address) as c:
            c.line()
            self.assertTrue(c.echoes(b"x" * 30 + b"\n"))

    def test_close_comes_once_with_its_reason(self):
        daemon = self.start(self.text())
        with Client(self.address) as c:
            c.line()
        daemon.wait_log(r"service it: gone \d+ peer")
        with Client(self.address) as c:
            c.line()
            c.send(b"quit\n")
            self.assertEqual(c.rest(), b"bye\n")
        daemon.wait_log(r"service it: gone \d+ closed")
        with Client(self.address) as c:
            c.line()
            daemon.stop()
            self.assertEqual(c.rest(), b"")
        gone = daemon.logged(r"service it: gone \d+")
        self.assertEqual(len(gone), 3, gone)
        self.assertRegex(gone[2], "shutdown")
        # There is an instance on each worker.
        self.assertEqual(len(daemon.logged("it: start called")), WORKERS)
        self.assertEqual(len(daemon.logged("it: stop called")), WORKERS)

    def test_a_noisy_message_does_not_silence_others(self):
        daemon = self.start(self.text())
        with Client(self.address) as c:
            c.line()
            self.assertTrue(c.echoes(b"noise\n"))
        daemon.wait_log("service it: after the noise")
        self.assertLess(len(daemon.logged("it: noise")), 100)

    def test_the_task_runs(self):
        daemon = self.start(self.text())
        place = daemon.mark()
        self.eventually(lambda: len(daemon.logged("it: task", place)) >= 3,
                        "three tasks")


class Counted(Modules):
    SENT = b"\n\n\n\nline\n5\n1\n2\n3\n30\n" + b"x" * 30 + b"\n0\n0\nrest"
    SAID = (b"1 4 0 <\n\n\n\n>\n"
            b"2 4 0 <line>\n"
            b"3 1 0 <5>\n"
            b"4 5 0 <1\n2\n3>\n"
            b"5 0 0 <>\n"
            b"6 2 0 <30>\n"
            b"7 30 0 <" + b"x" * 30 + b">\n"
            b"8 0 0 <>\n"
            b"9 1 -1 <0>\n"
            b"10 1 -1 <0>\n"
            b"11 4 rest 0 <rest>\n")

    def setUp(self):
        super().setUp()
        self.build_module("counted", COUNTED)
        self.start(service("it", self.tcp, protocol="counted"))

    def test_lines_and_blocks_alternate_however_they_arrive(self):
        for size in (len(self.SENT), 1, 3, 10):
            with self.subTest(size), Client(self.address) as c:
                c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(0, len(self.SENT), size):
                    c.send(self.SENT[at:at + size])
                c.half_close()
                self.assertEqual(c.rest(), self.SAID)

    def test_each_client_has_its_own(self):
        with Client(self.address) as one, Client(self.address) as two:
            for n, c in ((1, one), (1, two), (2, two), (2, one)):
                c.send(b"abcd" if n == 1 else b"efgh\n")
                self.assertRegex(c.line(), b"^%d 4 0 " % n)

    def test_a_rest_of_a_block_follows_the_policy(self):
        with Client(self.address) as c:
            c.send(b"abcd10\n12345")
            c.half_close()
            self.assertEqual(c.rest(), b"1 4 0 <abcd>\n2 2 0 <10>\n"
                             b"3 5 rest 0 <12345>\n")


class BlocksWithTheirLine(Modules):
    def setUp(self):
        super().setUp()
        self.build_module("counted", ASKED)
        self.start(service("it", self.tcp, protocol="counted"))

    def test_a_block_comes_with_the_line_that_asked(self):
        sent = b"abcd3\r\nx\nyplain\n2\n04a\n\0d5\n1234"
        said = (b"for <>0: 1 4 0 <abcd>\n"
                b"2 1 0 <3>\nfor <3>2: 3 3 0 <x\ny>\n"
                b"4 5 0 <plain>\n"
                b"5 1 0 <2>\nfor <2>1: 6 2 0 <04>\n"
                b"for <2>1: 7 4 0 <a\n\0d>\n"
                b"8 1 0 <5>\nfor <5>1: 9 4 rest 0 <1234>\n")
        for size in (len(sent), 1, 3):
            with self.subTest(size), Client(self.address) as c:
                c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(0, len(sent), size):
                    c.send(sent[at:at + size])
                c.half_close()
                self.assertEqual(c.rest(), said)


class TakenOver(Modules):
    def test_handlers_of_its_own_get_the_rest(self):
        self.build_module("taken", TAKEN_OVER)
        self.start(service("it", self.tcp, protocol="taken"))
        for sent, said in (
                (b"a\nown\nb\nblock\n", b"line a\nown b\nown block\n"),
                (b"a\nblock\n1234b\nown\n",
                 b"line a\nblock 1234\nblock's own b\nblock's own own\n")):
            for size in (len(sent), 1):
                with self.subTest(sent=sent, size=size), \
                        Client(self.address) as c:
                    for at in range(0, len(sent), size):
                        c.send(sent[at:at + size])
                    c.half_close()
                    self.assertEqual(c.rest(), said)


if __name__ == "__main__":
    main(180)
