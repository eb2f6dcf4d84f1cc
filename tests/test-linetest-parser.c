/* SPDX-License-Identifier: MIT */
/*
 * Reading transcripts: every statement, the config that statements make, and
 * errors with their lines.
 */
#include "config.h"

#include "linetest/transcript.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

static char dir[64];

static void make_dir(void)
{
	strcpy(dir, "/tmp/lined-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

/* A test may write files with these names only. */
static const char *const names[] = {"a.lt", "b.lt", "c.lt", "x.conf"};

static void remove_dir(void)
{
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void write_bytes(const char *name, const char *text, size_t len)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

static void write_file(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

/* The command of --exec. */
static const char *command;

static struct transcript *read_file(struct bytes *errors)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/a.lt", dir);
	return transcript_read(path, command, false, TRANSPORT_UNIX, errors);
}

static struct transcript *good(const char *text)
{
	struct bytes errors = {0};
	struct transcript *transcript;

	write_file("a.lt", text);
	transcript = read_file(&errors);
	ck_assert_msg(errors.len == 0 && transcript != NULL, "%s",
		      bytes_text(&errors));
	bytes_fini(&errors);
	return transcript;
}

/* A message that begins with a number is one for a.lt. */
static void bad_file(const char *wanted)
{
	struct bytes errors = {0};
	char text[1024], *p, *out = text;
	size_t len = strlen(dir);

	ck_assert_ptr_null(read_file(&errors));
	for (p = errors.data; *p != '\0'; *out++ = *p++) {
		if (strncmp(p, dir, len) == 0)
			p += len + 1;
		if (strncmp(p, "a.lt:", 5) == 0)
			p += 5;
	}
	*out = '\0';
	ck_assert_str_eq(text, wanted);
	bytes_fini(&errors);
}

static void bad(const char *text, const char *wanted)
{
	write_file("a.lt", text);
	bad_file(wanted);
}

/* ---- steps -------------------------------------------------------------- */

static const char *const kinds[] = {
	[STEP_CONNECT] = "connect", [STEP_SEND] = ">",
	[STEP_SEND_RAW] = ">>",     [STEP_LINE] = "<",
	[STEP_RAW] = "<<",          [STEP_SKIP] = "...",
	[STEP_SILENCE] = "!",       [STEP_EOF] = "eof",
	[STEP_GONE] = "gone",       [STEP_CLOSE] = "close",
	[STEP_HALF_CLOSE] = "half", [STEP_RESET] = "reset",
	[STEP_LISTEN] = "listen",   [STEP_ACCEPT] = "accept",
	[STEP_DEAF] = "deaf",       [STEP_START] = "start",
	[STEP_STOP] = "stop",       [STEP_RELOAD] = "reload",
	[STEP_LOG] = "log",         [STEP_WAIT] = "wait",
};

/* Compares the steps, each written in a word or two. */
static void has_steps(const struct transcript *transcript, const char *wanted)
{
	struct bytes out = {0};
	size_t i;

	for (i = 0; i < transcript->step_count; i++) {
		const struct step *step = &transcript->steps[i];

		if (step->client != STEP_NO_CLIENT)
			bytes_add_format(&out, "%s ",
					 transcript->clients[step->client]);
		bytes_add_text(&out, kinds[step->kind]);
		if (step->kind == STEP_CONNECT || step->kind == STEP_LISTEN)
			bytes_add_format(
				&out, " %s:%s",
				step->url != NULL
					? step->url
					: transports
						  [transcript
							   ->addresses
								   [step->address]
							   .transport]
							  .name,
				step->url != NULL
					? ""
					: transcript->addresses[step->address]
						  .name);
		if (step->text.is_pattern)
			bytes_add_byte(&out, '~');
		if (step->any_order)
			bytes_add_byte(&out, '*');
		if (step->ms > 0)
			bytes_add_format(&out, " %u", (unsigned)step->ms);
		bytes_add_text(&out,
			       i + 1 < transcript->step_count ? ", " : "");
	}
	ck_assert_str_eq(bytes_text(&out), wanted);
	bytes_fini(&out);
}

static void steps_of(const char *text, const char *wanted)
{
	struct transcript *transcript = good(text);

	has_steps(transcript, wanted);
	transcript_free(transcript);
}

static void sends(const struct transcript *transcript, size_t step,
		  const char *wanted)
{
	struct values none = {0};
	struct bytes out = {0};

	template_expand(&transcript->steps[step].text, &none, &out);
	ck_assert_str_eq(bytes_text(&out), wanted);
	bytes_fini(&out);
}

/* ---- good ones ---------------------------------------------------------- */

START_TEST(the_smallest_transcript_is_three_lines)
{
	struct transcript *transcript = good("protocol echo\n"
					     "alice> hello\n"
					     "alice< hello");

	has_steps(transcript,
		  "start, alice connect unix:echo, alice >, alice <");
	sends(transcript, 2, "hello");
	ck_assert_uint_eq(transcript->steps[3].line, 3);
	ck_assert_str_eq(transcript->steps[3].statement, "alice< hello");
	ck_assert_str_eq(transcript->config, "service \"echo\" {\n"
					     "\tprotocol = \"echo\"\n"
					     "\tlisten = { \"{unix:echo}\" }\n"
					     "}\n");
	transcript_free(transcript);
}
END_TEST

START_TEST(a_head_has_a_config_and_no_step)
{
	struct transcript *transcript =
		good("# nothing but this\nprotocol echo\n");

	has_steps(transcript, "");
	ck_assert_ptr_nonnull(transcript->config);
	transcript_free(transcript);
	transcript = good("");
	ck_assert_ptr_null(transcript->config);
	transcript_free(transcript);
}
END_TEST

START_TEST(a_byte_order_mark_is_no_part_of_a_file)
{
	struct transcript *transcript;

	write_file("x.conf", "\xef\xbb\xbf{unix}\n");
	transcript = good("\xef\xbb\xbf"
			  "config x.conf\na> x\n");
	has_steps(transcript, "start, a connect unix:, a >");
	ck_assert_str_eq(transcript->config, "{unix}\n");
	transcript_free(transcript);
	transcript_free(good("\xef\xbb\xbf"));
}
END_TEST

START_TEST(every_sign_of_a_client)
{
	steps_of("protocol echo\r\n"
		 "\r\n"
		 "  # a comment\r\n"
		 "\ta> x\r\n"
		 "a>> x\\n\r\n"
		 "a< x\r\n"
		 "a<~ x.*\r\n"
		 "a<* x\r\n"
		 "a<~* x\r\n"
		 "a<*~ x\r\n"
		 "a<< x\r\n"
		 "a< ...\r\n"
		 "a< x\r\n"
		 "a!\r\n"
		 "a! 2s\r\n"
		 "! 1m\r\n"
		 "!\r\n"
		 "a>\r\n"
		 "a<\r\n"
		 "a< \\...\r\n"
		 "...\r\n",
		 "start, a connect unix:echo, a >, a >>, a <, a <~, a <*, "
		 "a <~*, a <~*, a <<, a ..., a <, a ! 100, a ! 2000, ! 60000, "
		 "! 100, a >, a <, a <, a ...");
}
END_TEST

START_TEST(who_is_to_hear_comes_before_it_is_said)
{
	/* The order in which a person writes it down: the third client hears
	 * the line as well. */
	steps_of("protocol relay\n"
		 "a> x\na> y\nb< x\nb< y\nc< ...\nc< y\nd! 10ms\n",
		 "start, a connect unix:relay, b connect unix:relay, "
		 "c connect unix:relay, d connect unix:relay, a >, a >, b <, "
		 "b <, c ..., c <, d ! 10");
	/* A connect moves before consecutive sends of two clients. */
	steps_of("protocol relay\na> x\nb>> y\nc<< x\n",
		 "start, a connect unix:relay, c connect unix:relay, a >, "
		 "b connect unix:relay, b >>, c <<");
	/* A connect does not move before an expectation or an action. */
	steps_of("protocol chat\na> x\na< x\nb< x\n",
		 "start, a connect unix:chat, a >, a <, b connect unix:chat, "
		 "b <");
	steps_of("protocol chat\na> x\nb< x\na> y\nb< y\nc< y\n",
		 "start, a connect unix:chat, b connect unix:chat, a >, b <, "
		 "a >, b <, c connect unix:chat, c <");
	steps_of("protocol chat\na> x\nwait 1ms\nb< x\n",
		 "start, a connect unix:chat, a >, wait 1, "
		 "b connect unix:chat, b <");
	steps_of("protocol chat\na> x\nb: connect\nb< x\nc> y\n",
		 "start, a connect unix:chat, a >, b connect unix:chat, b <, "
		 "c connect unix:chat, c >");
}
END_TEST

START_TEST(every_action_of_a_client)
{
	steps_of("protocol echo\n"
		 "up: listen\n"
		 "a: connect tcp # now\n"
		 "b: connect udp6 to echo\n"
		 "c: connect to echo\n"
		 "d: connect tcp://127.0.0.1:7\n"
		 "a: half-close\n"
		 "a: eof\n"
		 "b: gone\n"
		 "a: close\n"
		 "c: reset\n"
		 "a: connect\n"
		 "up: accept\n"
		 "up> hello\n"
		 "up: eof\n"
		 "up: accept\n"
		 "up: deaf\n"
		 "a: gone\n"
		 "a: connect\n",
		 "up listen tcp:up, start, a connect tcp:echo, "
		 "b connect udp6:echo, c connect unix:echo, "
		 "d connect tcp://127.0.0.1:7:, a half, a eof, b gone, "
		 "a close, c reset, a connect unix:echo, up accept, up >, "
		 "up eof, up accept, up deaf, a gone, a connect unix:echo");
}
END_TEST

START_TEST(every_statement)
{
	struct transcript *transcript = good("workers 3\n"
					     "patience 2s\n"
					     "fragment off\n"
					     "transport tcp6\n"
					     "protocol echo\n"
					     "start\n"
					     "a> x\n"
					     "wait 10ms\n"
					     "log< some line\n"
					     "log<~ some .*\n"
					     "reload\n"
					     "stop\n"
					     "a: eof\n"
					     "start\n"
					     "transport unix\n"
					     "b> x\n");

	has_steps(transcript,
		  "start, a connect tcp6:echo, a >, wait 10, log, log~, "
		  "reload, stop, a eof, start, b connect unix:echo, b >");
	ck_assert_uint_eq(transcript->workers, 3);
	ck_assert_uint_eq(transcript->patience_ms, 2000);
	ck_assert(transcript->is_whole);
	transcript_free(transcript);
}
END_TEST

START_TEST(line_ends_are_those_of_the_place)
{
	static const enum line_end wanted[] = {LINE_END_ANY, LINE_END_CRLF,
					       LINE_END_LF, LINE_END_CRLF};
	struct transcript *transcript = good("protocol echo\n"
					     "a> 1\n"
					     "terminator crlf\n"
					     "a> 2\n"
					     "a: terminator lf\n"
					     "a> 3\n"
					     "b> 4\n");
	size_t i, at = 0;

	for (i = 0; i < transcript->step_count; i++)
		if (transcript->steps[i].kind == STEP_SEND)
			ck_assert_int_eq(transcript->steps[i].end,
					 wanted[at++]);
	ck_assert_uint_eq(at, 4);
	transcript_free(transcript);
}
END_TEST

START_TEST(names_are_learned_from_above)
{
	steps_of("protocol chat\n"
		 "a< You are {me}, {n:[0-9]+}\n"
		 "a<~ .* {pattern}\n"
		 "a> /msg {me} {n} {pattern} \\{no}\n"
		 "a<< {me}\n",
		 "start, a connect unix:chat, a <, a <~, a >, a <<");
}
END_TEST

START_TEST(services_have_blocks)
{
	struct transcript *transcript =
		good("protocol chat {\n"
		     "\tchat { motd = \"\" }\n"
		     "\tlimits {\n"
		     "\t}\n"
		     "}\n"
		     "protocol relay feed { relay { upstream = "
		     "\"{tcp:chat}\" } }\n"
		     "protocol echo\n"
		     "a: connect to feed\n"
		     "b: connect udp to echo\n"
		     "reload feed { limits { } }\n"
		     "reload {\n"
		     "\tchat { }\n"
		     "}\n");

	ck_assert_str_eq(transcript->config,
			 "service \"chat\" {\n"
			 "\tprotocol = \"chat\"\n"
			 "\tlisten = { \"{tcp:chat}\" }\n"
			 "\tchat { motd = \"\" }\n"
			 "\tlimits {\n"
			 "\t}\n"
			 "}\n"
			 "service \"feed\" {\n"
			 "\tprotocol = \"relay\"\n"
			 "\tlisten = { \"{unix:feed}\" }\n"
			 " relay { upstream = \"{tcp:chat}\" } \n"
			 "}\n"
			 "service \"echo\" {\n"
			 "\tprotocol = \"echo\"\n"
			 "\tlisten = { \"{udp:echo}\" }\n"
			 "}\n");
	ck_assert_ptr_nonnull(strstr(transcript->steps[3].config, "motd"));
	ck_assert_ptr_nonnull(
		strstr(transcript->steps[3].config, "limits { } "));
	ck_assert_ptr_null(strstr(transcript->steps[3].config, "relay {"));
	ck_assert_ptr_null(strstr(transcript->steps[4].config, "motd"));
	ck_assert_ptr_nonnull(
		strstr(transcript->steps[4].config, "limits { } "));
	transcript_free(transcript);
}
END_TEST

/* The command as the shell passes it, written as a string in the config. */
START_TEST(a_command_is_served_in_place_of_a_protocol)
{
	struct transcript *transcript;
	char here[4096], wanted[5000];

	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	command = "echo \"$1\" \\\nexit";
	transcript = good("a> x\n");
	snprintf(wanted, sizeof(wanted),
		 "service \"exec\" {\n"
		 "\tprotocol = \"exec\"\n"
		 "\tlisten = { \"{unix:exec}\" }\n"
		 "\texec {\n"
		 "\t\tcommand = { \"sh\", \"-c\", "
		 "\"echo \\\"\\$1\\\" \\\\\\nexit\" }\n"
		 "\t\tdirectory = \"%s\"\n"
		 "\t}\n"
		 "}\n",
		 here);
	ck_assert_str_eq(transcript->config, wanted);
	transcript_free(transcript);
	bad("protocol echo\na> x\n", "1: --exec says what is served\n");
	command = NULL;
}
END_TEST

START_TEST(a_config_has_its_addresses_by_placeholders)
{
	static const char config[] =
		"\tservice \"in\" { listen = { \"{tcp:in}\" } }\n"
		"\tservice \"out\" { listen = { \"{tcp6:out}\", "
		"\"{unix:out}\" } }\n"
		"\tcontrol { socket = \"{dir}/c\" } {other} {here}\n";
	struct transcript *transcript;
	char text[512];

	snprintf(text, sizeof(text),
		 "config {\n%s}\n"
		 "a: connect\n"
		 "b: connect to out\n"
		 "transport unix\n"
		 "c: connect to out\n"
		 "d: connect tcp6 to out\n"
		 "e> x\n",
		 config);
	transcript = good(text);
	has_steps(transcript, "start, a connect tcp:in, b connect tcp6:out, "
			      "c connect unix:out, d connect tcp6:out, "
			      "e connect tcp:in, e >");
	ck_assert_str_eq(transcript->config, config);
	ck_assert(!transcript->fixes_workers);
	transcript_free(transcript);
}
END_TEST

START_TEST(a_config_may_be_a_file)
{
	struct transcript *transcript;

	write_file("x.conf", "log { }\n"
			     "  workers = 2\n"
			     "service \"a\" { listen = { \"{unix}\" } }\n");
	transcript = good("config x.conf\na> x\n");
	has_steps(transcript, "start, a connect unix:, a >");
	ck_assert(transcript->fixes_workers);
	transcript_free(transcript);
}
END_TEST

START_TEST(files_include_files)
{
	struct transcript *transcript;

	write_file("b.lt", "# what is served\ninclude c.lt\na> from b\n");
	write_file("c.lt", "protocol echo\na> from c\n");
	transcript = good("include b.lt\na> from a\n");
	has_steps(transcript, "start, a connect unix:echo, a >, a >, a >");
	ck_assert_ptr_nonnull(strstr(transcript->steps[2].file, "c.lt"));
	ck_assert_uint_eq(transcript->steps[2].line, 2);
	ck_assert_ptr_nonnull(strstr(transcript->steps[3].file, "b.lt"));
	ck_assert_uint_eq(transcript->steps[3].line, 3);
	ck_assert_ptr_nonnull(strstr(transcript->steps[4].file, "a.lt"));
	transcript_free(transcript);
}
END_TEST

/* ---- bad ones ----------------------------------------------------------- */

#define ECHO "protocol echo\n"

static const struct {
	const char *text, *error;
} faults[] = {
	{"a> x\n", "1: no \"protocol\" or \"config\" above says what the "
		   "daemon is to serve (such as \"protocol echo\")\n"},
	{"helo\n", "1: \"helo\" is no statement (a client's line is NAME> TEXT "
		   "or NAME< TEXT)\n"},
	{ECHO "a>x\n", "2: a blank is missing before \"x\"\n"},
	{ECHO "a>>x\n", "2: a blank is missing before \"x\"\n"},
	{ECHO "a<x\n", "2: a blank is missing before \"x\"\n"},
	{ECHO "a<~~ x\n", "2: a blank is missing before \"~ x\"\n"},
	{ECHO "a> \\q\n", "2: unknown escape \"\\q\"; a \\ is written \\\\\n"},
	{ECHO "a> {b}\n", "2: nothing above gives {b} a value (\\{b} sends it "
			  "as it is)\n"},
	{ECHO "a<< {b}\n", "2: nothing above gives {b} a value (\\{b} sends it "
			   "as it is)\n"},
	{ECHO "a<<\n", "2: no bytes: nothing to wait for\n"},
	{ECHO "a<~ (\n", "2: Unmatched ( or \\(\n"},
	{ECHO "a! soon\n", "2: \"soon\" is no duration (such as 200ms, 2s, "
			   "1m)\n"},
	{ECHO "a! 1s 2s\n", "2: usage: NAME! [DURATION]\n"},
	{ECHO "a: dance\n",
	 "2: \"dance\" is no action of a client (connect, close, "
	 "half-close, reset, eof, gone, terminator; listen, accept, deaf)\n"},
	{ECHO "a: close now\n", "2: usage: NAME: close\n"},
	{ECHO "a: terminator cr\n", "2: usage: NAME: terminator lf|crlf\n"},
	{ECHO "a: connect\na: connect\n", "3: a is connected already\n"},
	{ECHO "a: connect sctp\n",
	 "2: usage: NAME: connect [unix|tcp|tcp6|udp|udp6|tls|ws|wss] [to "
	 "SERVICE], "
	 "or "
	 "NAME: connect ADDRESS\n"},
	{ECHO "a: connect to chat\n", "2: there is no service \"chat\"\n"},
	{ECHO "a: close\na> x\n", "3: a was closed at line 2; \"a: connect\" "
				  "connects it again\n"},
	{ECHO "a: accept\n", "2: a does not listen\n"},
	{ECHO "a: listen\na> x\n", "3: a has accepted nobody yet (\"a: "
				   "accept\")\n"},
	{ECHO "a: listen\na: listen\n", "3: a listens already\n"},
	{ECHO "a> x\na: listen\n", "3: a is a client above\n"},
	{ECHO "a: listen\na: connect\n", "3: a listens, it does not connect\n"},
	{ECHO "a: listen\na: accept\na: accept\n",
	 "4: a has a connection; \"close\" ends it\n"},
	{ECHO "a< ...\na! 1s\n",
	 "2: \"...\" passes over lines up to a line or the end, not to what "
	 "stands at line 3\n"},
	{ECHO "a< ...\n! 1s\n",
	 "2: \"...\" passes over lines up to a line or the end, not to what "
	 "stands at line 3\n"},
	{ECHO "a< ...\na: half-close\na<< x\n",
	 "2: \"...\" passes over lines up to a line or the end, not to what "
	 "stands at line 4\n"},
	{ECHO "log> x\n", "2: \"log\" is the daemon's log: it can be read, "
			  "log< or log<~\n"},
	{ECHO "a> x\nstart\n", "3: the daemon was started above\n"},
	{ECHO "stop\n", "2: the daemon does not run here\n"},
	{ECHO "reload\n", "2: the daemon does not run here\n"},
	{ECHO "a> x\nstop\nb> x\n", "4: the daemon was stopped above; "
				    "\"start\" starts it again\n"},
	{ECHO "a> x\nreload echo\n", "3: usage: reload, or reload [SERVICE] "
				     "{\n"},
	{ECHO "a> x\nreload chat { }\n", "3: there is no service \"chat\"\n"},
	{ECHO "a> x\nworkers 2\n", "3: \"workers\" comes before the first "
				   "client\n"},
	{ECHO "a> x\nprotocol chat\n",
	 "3: what the daemon serves is said before the first client; "
	 "\"reload\" changes it\n"},
	{ECHO "protocol echo\na> x\n", "2: there is a service echo already\n"},
	{ECHO "config { }\na> x\n", "2: what is served was said above\n"},
	{"config { {unix} }\nprotocol echo\na> x\n",
	 "2: \"config\" above says what is served\n"},
	{"config { {unix} }\na: connect tcp\n",
	 "2: the config has no {tcp} to connect to\n"},
	{"config { {unix:x} }\na: connect to y\n",
	 "2: the config has no {unix:y} to connect to\n"},
	{"config { }\na> x\n",
	 "2: the config has no {unix} to connect to (an address in it is "
	 "\"{unix}\", \"{tcp}\" and so on; \"NAME: connect ADDRESS\" goes to "
	 "any)\n"},
	{"config nowhere.conf\n", "1: config: nowhere.conf: No such file or "
				  "directory\n"},
	{"config\n", "1: usage: config FILE, or config {\n"},
	{"protocol\n", "1: usage: protocol PROTOCOL [SERVICE] [{]\n"},
	{"protocol e!\n", "1: usage: protocol PROTOCOL [SERVICE] [{]\n"},
	{"protocol echo {\n\tlimits { }\n}x\na> x\n",
	 "1: the { is never closed: a line with } alone, indented no deeper, "
	 "is missing\n"},
	{"protocol echo { limits\n}\n",
	 "1: a block begins behind its { on the next line, or ends with a } on "
	 "the same\n2: \"}\" is no statement (a client's line is NAME> TEXT or "
	 "NAME< TEXT)\n"},
	{"protocol echo { x { \"{tcp:up}\" } }\na> x\n",
	 "2: {tcp:up}: there is no such service, and no \"up: listen\"\n"},
	{"workers 0\n", "1: workers \"0\": a number from 1 to 1024\n"},
	{"workers 2 3\n", "1: usage: workers N\n"},
	{"transport sctp\n", "1: transport \"sctp\": unix, tcp, tcp6, udp, "
			     "udp6, tls, ws or wss\n"},
	{"terminator cr\n", "1: terminator \"cr\": lf or crlf\n"},
	{"fragment on\n", "1: usage: fragment off\n"},
	{"patience 2h\n", "1: \"2h\" is no duration (such as 200ms, 2s, "
			  "1m)\n"},
	{"include nowhere.lt\n", "1: include: nowhere.lt: No such file or "
				 "directory\n"},
	{"include\n", "1: usage: include FILE\n"},
	{"... x\n", "1: usage: ...\n"},
};

START_TEST(every_fault_is_told_with_its_place)
{
	bad(faults[_i].text, faults[_i].error);
}
END_TEST

START_TEST(all_faults_are_told_at_once)
{
	bad(ECHO "nonsense\n"
		 "a> \\q\n"
		 "a> fine\n"
		 "b: dance\n",
	    "2: \"nonsense\" is no statement (a client's line is NAME> TEXT or "
	    "NAME< TEXT)\n"
	    "3: unknown escape \"\\q\"; a \\ is written \\\\\n"
	    "5: \"dance\" is no action of a client (connect, close, "
	    "half-close, reset, eof, gone, terminator; listen, accept, "
	    "deaf)\n");
}
END_TEST

START_TEST(faults_of_an_included_file_are_its_own)
{
	write_file("b.lt", "\n\nnonsense\n");
	bad("include b.lt\n" ECHO "a> x\n",
	    "b.lt:3: \"nonsense\" is no statement (a client's line is NAME> "
	    "TEXT or NAME< TEXT)\n");
}
END_TEST

START_TEST(a_file_that_includes_itself_is_refused)
{
	struct bytes errors = {0};

	write_file("a.lt", "include a.lt\n");
	ck_assert_ptr_null(read_file(&errors));
	ck_assert_ptr_nonnull(strstr(errors.data, "files within files"));
	bytes_fini(&errors);
}
END_TEST

START_TEST(nul_bytes_and_missing_files_are_refused)
{
	struct bytes errors = {0};

	write_bytes("a.lt", ECHO "a> \0\n", sizeof(ECHO "a> \0\n") - 1);
	bad_file("2: a NUL byte; it is written \\0\n");
	ck_assert_ptr_null(transcript_read("/nowhere/x.lt", NULL, false,
					   TRANSPORT_UNIX, &errors));
	ck_assert_str_eq(errors.data,
			 "/nowhere/x.lt: No such file or directory\n");
	bytes_clear(&errors);
	ck_assert_ptr_null(
		transcript_read("/tmp", NULL, false, TRANSPORT_UNIX, &errors));
	ck_assert_str_eq(errors.data, "/tmp: Is a directory\n");
	bytes_fini(&errors);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("linetest-transcript");
	TCase *good = support_case(suite, "good");
	TCase *bad = support_case(suite, "bad");

	tcase_add_checked_fixture(good, make_dir, remove_dir);
	tcase_add_test(good, the_smallest_transcript_is_three_lines);
	tcase_add_test(good, a_head_has_a_config_and_no_step);
	tcase_add_test(good, a_byte_order_mark_is_no_part_of_a_file);
	tcase_add_test(good, every_sign_of_a_client);
	tcase_add_test(good, who_is_to_hear_comes_before_it_is_said);
	tcase_add_test(good, every_action_of_a_client);
	tcase_add_test(good, every_statement);
	tcase_add_test(good, line_ends_are_those_of_the_place);
	tcase_add_test(good, names_are_learned_from_above);
	tcase_add_test(good, services_have_blocks);
	tcase_add_test(good, a_command_is_served_in_place_of_a_protocol);
	tcase_add_test(good, a_config_has_its_addresses_by_placeholders);
	tcase_add_test(good, a_config_may_be_a_file);
	tcase_add_test(good, files_include_files);
	tcase_add_checked_fixture(bad, make_dir, remove_dir);
	tcase_add_loop_test(bad, every_fault_is_told_with_its_place, 0,
			    sizeof(faults) / sizeof(*faults));
	tcase_add_test(bad, all_faults_are_told_at_once);
	tcase_add_test(bad, faults_of_an_included_file_are_its_own);
	tcase_add_test(bad, a_file_that_includes_itself_is_refused);
	tcase_add_test(bad, nul_bytes_and_missing_files_are_refused);
	return suite;
}

int main(void)
{
	return support_main_once(suite);
}
