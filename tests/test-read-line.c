/* SPDX-License-Identifier: MIT */
/*
 * read_line, read_block and read on a socket, sentence by sentence: statuses,
 * terminators, limits and policies, the end of a stream, fair turns, pause, and
 * the deadlines of lines. test-framing tests that cuts do not matter.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recorder.h"
#include "socket_priv.h"
#include "support.h"

/* ---- one stream, one answer ------------------------------------------ */

static const struct lined_framing defaults = LINED_FRAMING_DEFAULT;

static struct lined_framing framing_of(enum lined_terminator terminator,
				       uint32_t limit,
				       enum lined_too_long too_long,
				       enum lined_unterminated unterminated)
{
	struct lined_framing f = defaults;

	f.terminator = (uint8_t)terminator;
	f.line_length = limit;
	f.too_long = (uint8_t)too_long;
	f.unterminated = (uint8_t)unterminated;
	return f;
}

#define ANY     LINED_TERMINATOR_ANY
#define LF      LINED_TERMINATOR_LF
#define CRLF    LINED_TERMINATOR_CRLF
#define DROP    LINED_UNTERMINATED_DROP
#define DELIVER LINED_UNTERMINATED_DELIVER

struct stream_case {
	struct lined_dispatcher *d;
	struct lined_socket *sock;
	struct lined_socket_group group;
	struct recorder recorder;
	int peer;
};

static void open_stream(struct stream_case *c, const struct lined_framing *f)
{
	memset(c, 0, sizeof(*c));
	c->d = support_dispatcher();
	c->group.limits.send_queue = 64 * 1024;
	c->sock = support_pair_in_group(c->d, &recorder_handlers, &c->recorder,
					&c->group, &c->peer);
	if (f != NULL)
		lined_socket_set_framing(c->sock, f);
}

static void close_stream(struct stream_case *c)
{
	lined_dispatcher_free(c->d);
	if (c->peer >= 0)
		close(c->peer);
	recorder_fini(&c->recorder);
}

/* The peer sends data in pieces of `piece` bytes, then ends. */
static void expect_log(const struct lined_framing *f, const char *data,
		       size_t len, size_t piece, const char *want)
{
	struct stream_case c;
	size_t at, n;

	open_stream(&c, f);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		support_write(c.peer, data + at, n);
		support_run_turns(c.d, 1);
	}
	shutdown(c.peer, SHUT_WR);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), want);
	close_stream(&c);
}

/* Whole, and byte by byte. */
static void expect(struct lined_framing f, const char *data, size_t len,
		   const char *want)
{
	expect_log(&f, data, len, len, want);
	expect_log(&f, data, len, 1, want);
}

#define EXPECT(f, text, want) expect(f, text, sizeof(text) - 1, want)

START_TEST(any_takes_lf_and_crlf_and_keeps_which)
{
	EXPECT(defaults, "a\nbc\r\n\n\r\nd\n",
	       "<a\\n><bc\\r\\n><\\n><\\r\\n><d\\n>$#peer");
}
END_TEST

START_TEST(lone_cr_is_data)
{
	EXPECT(defaults, "a\rb\n\r\r\nc\r", "<a\\rb\\n><\\r\\r\\n>$#peer");
	EXPECT(framing_of(ANY, 8192, LINED_TOO_LONG_CLOSE, DELIVER), "c\r",
	       "<c\\r>$#peer");
}
END_TEST

START_TEST(nul_bytes_are_data)
{
	EXPECT(defaults, "\0a\0\n\0\0\r\n",
	       "<\\x00a\\x00\\n><\\x00\\x00\\r\\n>$#peer");
}
END_TEST

START_TEST(lf_framing_keeps_the_cr)
{
	EXPECT(framing_of(LF, 2, LINED_TOO_LONG_SKIP, DROP), "a\r\nab\r\nab\n",
	       "<a\\r\\n>!<ab\\n>$#peer");
}
END_TEST

START_TEST(bare_lf_under_crlf_is_data_and_counted)
{
	struct lined_framing f =
		framing_of(CRLF, 100, LINED_TOO_LONG_CLOSE, DROP);
	struct stream_case c;

	EXPECT(f, "a\nb\r\n\n\r\nc\n", "<a\\nb\\r\\n><\\n\\r\\n>$#peer");
	open_stream(&c, &f);
	support_puts(c.peer, "a\nb\r\n\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	ck_assert_uint_eq(c.group.counters.bare_lf, 2);
	close_stream(&c);
}
END_TEST

START_TEST(chosen_byte_ends_lines)
{
	struct lined_framing f = defaults;

	f.terminator = LINED_TERMINATOR_BYTE;
	EXPECT(f, "a\n\0\0b\r\0c", "<a\\n\\x00><\\x00><b\\r\\x00>$#peer");
	f.byte = ';';
	EXPECT(f, "a\n\0;;b\r;c", "<a\\n\\x00;><;><b\\r;>$#peer");
}
END_TEST

START_TEST(cr_of_crlf_never_counts_to_the_limit)
{
	EXPECT(framing_of(ANY, 3, LINED_TOO_LONG_SKIP, DROP),
	       "abc\r\nabc\nabcd\nabc\r\r\nx\n",
	       "<abc\\r\\n><abc\\n>!!<x\\n>$#peer");
	EXPECT(framing_of(CRLF, 3, LINED_TOO_LONG_SKIP, DROP),
	       "abc\r\nabcd\r\nab\r\r\nx\r\n",
	       "<abc\\r\\n>!<ab\\r\\r\\n><x\\r\\n>$#peer");
}
END_TEST

START_TEST(too_long_close_reports_then_closes)
{
	EXPECT(framing_of(ANY, 3, LINED_TOO_LONG_CLOSE, DROP), "ab\nabcd\nx\n",
	       "<ab\\n>!$#too-long");
}
END_TEST

START_TEST(too_long_skip_goes_on_behind_the_terminator)
{
	EXPECT(framing_of(ANY, 3, LINED_TOO_LONG_SKIP, DROP),
	       "abcdefgh\nab\nabcd\r\n\nabcdef", "!<ab\\n>!<\\n>!$#peer");
}
END_TEST

START_TEST(too_long_truncate_delivers_what_fits)
{
	EXPECT(framing_of(ANY, 3, LINED_TOO_LONG_TRUNCATE, DROP),
	       "abcdefgh\nab\nabcd\r\nabcdef",
	       "<abc...\\n><ab\\n><abc...\\r\\n>$#peer");
	EXPECT(framing_of(ANY, 3, LINED_TOO_LONG_TRUNCATE, DELIVER), "abcdef",
	       "<abc...>$#peer");
}
END_TEST

START_TEST(unterminated_rest_is_dropped_and_counted)
{
	struct stream_case c;

	EXPECT(defaults, "a\nb", "<a\\n>$#peer");
	open_stream(&c, NULL);
	support_puts(c.peer, "a\nb");
	shutdown(c.peer, SHUT_WR);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_uint_eq(c.group.counters.unterminated, 1);
	close_stream(&c);
}
END_TEST

START_TEST(unterminated_rest_is_delivered_before_closed)
{
	EXPECT(framing_of(ANY, 8192, LINED_TOO_LONG_CLOSE, DELIVER), "a\nb",
	       "<a\\n><b>$#peer");
	EXPECT(framing_of(ANY, 8192, LINED_TOO_LONG_CLOSE, DELIVER), "a\n",
	       "<a\\n>$#peer");
}
END_TEST

START_TEST(empty_stream_is_only_closed)
{
	EXPECT(framing_of(ANY, 8192, LINED_TOO_LONG_CLOSE, DELIVER), "",
	       "$#peer");
}
END_TEST

START_TEST(default_limit_is_8192_bytes)
{
	struct stream_case c;
	char *line = malloc(8194);

	ck_assert_ptr_nonnull(line);
	memset(line, 'x', 8194);
	open_stream(&c, NULL);
	support_write(c.peer, line, 8192);
	support_puts(c.peer, "\r\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	support_write(c.peer, line, 8193);
	support_run_until_count(c.d, &c.recorder.too_long, 1);
	ck_assert_uint_eq(c.group.counters.too_long, 1);
	free(line);
	close_stream(&c);
}
END_TEST

/* ---- the end --------------------------------------------------------- */

START_TEST(what_is_sent_on_too_long_is_flushed)
{
	struct lined_framing f = framing_of(ANY, 4, LINED_TOO_LONG_CLOSE, DROP);
	struct stream_case c;

	open_stream(&c, &f);
	c.recorder.scold = "too long\n";
	support_puts(c.peer, "0123456789\nmore\n");
	support_expect(c.d, c.peer, "too long\n");
	support_expect_eof(c.d, c.peer);
	close(c.peer);
	c.peer = -1;
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_TOO_LONG);
	close_stream(&c);
}
END_TEST

START_TEST(half_closing_client_gets_every_answer)
{
	struct stream_case c;
	char *all = malloc(60001);
	int i;

	ck_assert_ptr_nonnull(all);
	for (i = 0; i < 6000; i++)
		sprintf(all + 10 * i, "line %04d\n", i % 10000);
	open_stream(&c, NULL);
	c.recorder.echo = true;
	c.recorder.quiet = true;
	support_write(c.peer, all, 60000);
	shutdown(c.peer, SHUT_WR);
	support_expect(c.d, c.peer, all);
	support_expect_eof(c.d, c.peer);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_PEER);
	free(all);
	close_stream(&c);
}
END_TEST

START_TEST(allowed_half_close_stays_open_for_sending)
{
	struct stream_case c;

	open_stream(&c, NULL);
	lined_socket_allow_half_close(c.sock, true);
	support_puts(c.peer, "a\n");
	shutdown(c.peer, SHUT_WR);
	support_run_turns(c.d, 5);
	ck_assert_str_eq(recorder_log(&c.recorder), "<a\\n>$");
	ck_assert(lined_socket_is_connected(c.sock));
	ck_assert_int_eq(lined_socket_send(c.sock, "late\n", 5), 0);
	support_expect(c.d, c.peer, "late\n");
	ck_assert_uint_eq(c.recorder.closes, 0);
	lined_socket_close(c.sock);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_LOCAL);
	close_stream(&c);
}
END_TEST

/* A half-closed stream is not news in every turn. */
START_TEST(allowed_half_close_does_not_spin)
{
	struct stream_case c;
	unsigned reads;

	open_stream(&c, NULL);
	lined_socket_allow_half_close(c.sock, true);
	shutdown(c.peer, SHUT_WR);
	support_run_turns(c.d, 5);
	reads = c.recorder.reads;
	ck_assert_uint_le(support_run_for(c.d, 60), 3);
	ck_assert_uint_eq(c.recorder.reads, reads);
	close_stream(&c);
}
END_TEST

START_TEST(data_before_a_reset_is_delivered_first)
{
	struct stream_case c;
	char want[64];

	open_stream(&c, NULL);
	c.recorder.stop_after = 1; /* the reset is met with a line unread */
	support_puts(c.peer, "a\nb\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	support_reset(c.peer);
	c.peer = -1;
	support_run_until_count(c.d, &c.recorder.closes, 1);
	snprintf(want, sizeof(want), "<a\\n><b\\n>E%d#error", ECONNRESET);
	ck_assert_str_eq(recorder_log(&c.recorder), want);
	ck_assert_int_eq(c.recorder.error, ECONNRESET);
	close_stream(&c);
}
END_TEST

struct closer {
	enum lined_line_status after;
	unsigned closes;
};

static void closer_read(struct lined_socket *sock, void *arg)
{
	struct closer *closer = arg;
	struct lined_line line;

	ck_assert_int_eq(lined_socket_read_line(sock, &line), LINED_LINE_READY);
	lined_socket_close(sock);
	closer->after = lined_socket_read_line(sock, &line);
}

static void closer_close(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error)
{
	(void)sock;
	(void)error;
	ck_assert_int_eq(reason, LINED_CLOSE_LOCAL);
	((struct closer *)arg)->closes++;
}

START_TEST(closed_in_the_handler_reads_closed)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = closer_read,
		.handle_close = closer_close,
	};
	struct closer closer = {.after = LINED_LINE_READY};
	struct lined_dispatcher *d = support_dispatcher();
	int peer;

	support_pair(d, &handlers, &closer, &peer);
	support_puts(peer, "a\nb\n");
	support_run_until_count(d, &closer.closes, 1);
	ck_assert_int_eq(closer.after, LINED_LINE_CLOSED);
	lined_dispatcher_free(d);
	close(peer);
}
END_TEST

/* ---- fair turns, pause ------------------------------------------------ */

START_TEST(flooding_client_does_not_starve_another)
{
	struct stream_case flood;
	struct recorder calm = {0};
	static char lines[200000];
	int peer;

	open_stream(&flood, NULL);
	flood.recorder.quiet = true;
	support_pair(flood.d, &recorder_handlers, &calm, &peer);
	memset(lines, '\n', sizeof(lines)); /* empty lines: the most a byte */
	support_write(flood.peer, lines, sizeof(lines));
	support_puts(peer, "hello\n");
	support_run_turns(flood.d, 2);
	ck_assert_uint_eq(calm.lines, 1);
	ck_assert_uint_gt(flood.recorder.lines, 0);
	/* Lines are bounded, not bytes alone: a read holds 65,536 of these. */
	ck_assert_uint_lt(flood.recorder.lines, 16384);
	support_run_until_count(flood.d, &flood.recorder.lines, sizeof(lines));
	close_stream(&flood);
	recorder_fini(&calm);
	close(peer);
}
END_TEST

/* A handler that takes one line and returns is called again for the next. */
START_TEST(lines_left_over_are_served_without_the_kernel)
{
	struct stream_case c;

	open_stream(&c, NULL);
	c.recorder.stop_after = 1;
	support_puts(c.peer, "1\n2\n3\n4\n");
	support_run_until_count(c.d, &c.recorder.lines, 4);
	ck_assert_uint_ge(c.recorder.reads, 4);
	ck_assert_str_eq(recorder_log(&c.recorder), "<1\\n><2\\n><3\\n><4\\n>");
	close_stream(&c);
}
END_TEST

struct pauser {
	struct recorder recorder;
	char log[256];
	size_t len;
};

static void pauser_read(struct lined_socket *sock, void *arg)
{
	struct pauser *p = arg;
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY) {
		ck_assert_uint_lt(p->len + line.len, sizeof(p->log) - 1);
		memcpy(p->log + p->len, line.text, line.len);
		p->len += line.len;
		if (line.len == 1 && line.text[0] == '|')
			lined_socket_pause(sock);
	}
}

START_TEST(pause_stops_at_the_current_line)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = pauser_read,
	};
	struct pauser p = {.len = 0};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket *sock;
	int peer;

	sock = support_pair(d, &handlers, &p, &peer);
	support_puts(peer, "a\n|\nb\nc\n|\nd\n");
	support_run_turns(d, 5);
	ck_assert_str_eq(p.log, "a|");
	ck_assert(lined_socket_is_paused(sock));
	ck_assert_uint_le(support_run_for(d, 30), 2);
	ck_assert_str_eq(p.log, "a|");
	lined_socket_resume(sock);
	support_run_turns(d, 3);
	ck_assert_str_eq(p.log, "a|bc|");
	lined_socket_resume(sock);
	support_run_turns(d, 3);
	ck_assert_str_eq(p.log, "a|bc|d");
	lined_dispatcher_free(d);
	close(peer);
}
END_TEST

START_TEST(reset_is_noticed_while_paused)
{
	struct stream_case c;

	open_stream(&c, NULL);
	support_puts(c.peer, "a\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	lined_socket_pause(c.sock);
	support_run_turns(c.d, 2);
	support_reset(c.peer);
	c.peer = -1;
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_ERROR);
	ck_assert_int_eq(c.recorder.error, ECONNRESET);
	close_stream(&c);
}
END_TEST

/* ---- blocks ----------------------------------------------------------- */

struct block_reader {
	char log[512];
	size_t len;
	size_t want; /* bytes of the block that comes next, 0: a line */
	bool closed;
};

static void log_bytes(struct block_reader *b, const char *text, size_t len)
{
	ck_assert_uint_lt(b->len + len, sizeof(b->log) - 1);
	memcpy(b->log + b->len, text, len);
	b->len += len;
}

/* "3\n" announces a block of three bytes. */
static void block_read(struct lined_socket *sock, void *arg)
{
	struct block_reader *b = arg;
	enum lined_line_status status;
	struct lined_line line;

	for (;;) {
		if (b->want > 0)
			status = lined_socket_read_block(sock, b->want, 100,
							 &line);
		else
			status = lined_socket_read_line(sock, &line);
		if (status == LINED_LINE_CLOSED)
			b->closed = true;
		if (status != LINED_LINE_READY)
			return;
		ck_assert_int_eq(line.text[line.len], '\0');
		log_bytes(b, b->want > 0 ? "{" : "<", 1);
		log_bytes(b, line.text, line.len);
		log_bytes(b, line.unterminated ? "~" : "", line.unterminated);
		log_bytes(b, b->want > 0 ? "}" : ">", 1);
		b->want = b->want > 0 ? 0 : strtoul(line.text, NULL, 10);
	}
}

static const struct lined_socket_handlers block_handlers = {
	.handle_read = block_read,
};

static void expect_blocks(const struct lined_framing *f, const char *data,
			  size_t cut, const char *want)
{
	struct block_reader b = {.len = 0};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket *sock;
	int peer;

	sock = support_pair(d, &block_handlers, &b, &peer);
	lined_socket_set_framing(sock, f);
	support_write(peer, data, cut);
	support_run_turns(d, 2);
	support_puts(peer, data + cut);
	support_run_turns(d, 2);
	shutdown(peer, SHUT_WR);
	support_run_until_set(d, &b.closed);
	ck_assert_str_eq(b.log, want);
	lined_dispatcher_free(d);
	close(peer);
}

START_TEST(lines_and_blocks_alternate_at_any_cut)
{
	static const char data[] = "3\na\nb5\r\n\r\n\n1\n1\nzx\n2\nq";
	struct lined_framing f =
		framing_of(ANY, 8, LINED_TOO_LONG_CLOSE, DELIVER);

	for (size_t cut = 0; cut < sizeof(data); cut++)
		expect_blocks(&f, data, cut,
			      "<3>{a\nb}<5>{\r\n\n1\n}<1>{z}<x><2>{q~}");
	f.unterminated = DROP;
	expect_blocks(&f, data, 4, "<3>{a\nb}<5>{\r\n\n1\n}<1>{z}<x><2>");
}
END_TEST

struct switcher {
	struct lined_framing second;
	char log[256];
	size_t len;
	int error;
	enum lined_line_status status;
	unsigned reads;
};

static void too_big_read(struct lined_socket *sock, void *arg)
{
	struct switcher *s = arg;
	struct lined_line line;

	s->status = lined_socket_read_block(sock, 11, 10, &line);
	s->error = errno;
	if (s->reads++ == 0) {
		/* The refusal takes nothing. */
		ck_assert_int_eq(lined_socket_read(sock, &line),
				 LINED_LINE_READY);
		memcpy(s->log, line.text, line.len);
		s->len = line.len;
	}
}

START_TEST(block_over_the_callers_bound_is_refused)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = too_big_read,
	};
	struct switcher s = {.error = 0};
	struct lined_dispatcher *d = support_dispatcher();
	int peer;

	support_pair(d, &handlers, &s, &peer);
	support_puts(peer, "0123456789ABCDEF");
	support_run_until_count(d, &s.reads, 1);
	ck_assert_int_eq(s.status, LINED_LINE_ERROR);
	ck_assert_int_eq(s.error, EMSGSIZE);
	ck_assert_str_eq(s.log, "0123456789ABCDEF");
	lined_dispatcher_free(d);
	close(peer);
}
END_TEST

/* The first line switches the framing for what is buffered already. */
static void switcher_read(struct lined_socket *sock, void *arg)
{
	struct switcher *s = arg;
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY) {
		memcpy(s->log + s->len, line.text, line.len);
		s->len += line.len;
		s->log[s->len++] = '|';
		if (line.len == 6 && memcmp(line.text, "switch", 6) == 0)
			lined_socket_set_framing(sock, &s->second);
	}
}

/* Removes each '-', adds '+' before each read, and answers each '?'; '!' closes
 * the socket. */
static size_t switcher_input(struct lined_socket *sock, void *arg, char *bytes,
			     size_t len)
{
	size_t i, used = 1;

	(void)arg;
	memmove(bytes + 1, bytes, len);
	bytes[0] = '+';
	for (i = 1; i <= len; i++) {
		if (bytes[i] == '?')
			lined_socket_send(sock, "yes", 3);
		if (bytes[i] == '!')
			lined_socket_close(sock);
		if (bytes[i] != '-')
			bytes[used++] = bytes[i];
	}
	return used;
}

START_TEST(input_may_be_changed_before_it_is_split_into_lines)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = switcher_read,
		.handle_input = switcher_input,
	};
	struct switcher s = {.reads = 0};
	struct lined_dispatcher *d = support_dispatcher();
	char answer[4] = "";
	int peer;

	support_pair(d, &handlers, &s, &peer);
	support_puts(peer, "-a-b?");
	support_run_turns(d, 2);
	ck_assert_int_eq(recv(peer, answer, 3, MSG_WAITALL), 3);
	ck_assert_str_eq(answer, "yes");
	support_puts(peer, "c\n-");
	support_run_turns(d, 2);
	ck_assert_str_eq(s.log, "+ab?+c|");
	/* A line that it has closed the socket for is not read. */
	support_puts(peer, "d\n!");
	ck_assert_int_eq(lined_dispatcher_poll(d, 5000), 0);
	ck_assert_str_eq(s.log, "+ab?+c|");
	lined_dispatcher_free(d);
	close(peer);
}
END_TEST

START_TEST(framing_switched_in_mid_stream_loses_nothing)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = switcher_read,
	};
	static const char data[] = "a;b\nswitch\nc\nd;;e;switch;";

	for (size_t cut = 0; cut < sizeof(data); cut++) {
		struct switcher s = {.second = LINED_FRAMING_DEFAULT};
		struct lined_dispatcher *d = support_dispatcher();
		int peer;

		s.second.terminator = LINED_TERMINATOR_BYTE;
		s.second.byte = ';';
		support_pair(d, &handlers, &s, &peer);
		support_write(peer, data, cut);
		support_run_turns(d, 2);
		support_puts(peer, data + cut);
		support_run_turns(d, 2);
		ck_assert_str_eq(s.log, "a;b|switch|c\nd||e|switch|");
		lined_dispatcher_free(d);
		close(peer);
	}
}
END_TEST

/* The report that a line is too long switches the framing. */
static void scolded_read(struct lined_socket *sock, void *arg)
{
	struct switcher *s = arg;
	enum lined_line_status status;
	struct lined_line line;

	for (;;) {
		status = lined_socket_read_line(sock, &line);
		if (status == LINED_LINE_TOO_LONG) {
			lined_socket_set_framing(sock, &s->second);
			s->log[s->len++] = '!';
			continue;
		}
		if (status != LINED_LINE_READY)
			return;
		memcpy(s->log + s->len, line.text, line.len);
		s->len += line.len;
		s->log[s->len++] = '|';
	}
}

START_TEST(skipped_rest_ends_where_its_line_does)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = scolded_read,
	};
	static const char data[] = "too long;this is\nin;out;";
	const struct lined_framing first =
		framing_of(LF, 4, LINED_TOO_LONG_SKIP, DROP);

	for (size_t cut = 0; cut < sizeof(data); cut++) {
		struct switcher s = {.second = LINED_FRAMING_DEFAULT};
		struct lined_dispatcher *d = support_dispatcher();
		int peer;

		s.second.terminator = LINED_TERMINATOR_BYTE;
		s.second.byte = ';';
		lined_socket_set_framing(support_pair(d, &handlers, &s, &peer),
					 &first);
		support_write(peer, data, cut);
		support_run_turns(d, 2);
		support_puts(peer, data + cut);
		support_run_turns(d, 2);
		ck_assert_str_eq(s.log, "!in|out|");
		lined_dispatcher_free(d);
		close(peer);
	}
}
END_TEST

START_TEST(lowered_limit_holds_for_a_line_begun)
{
	struct lined_framing f =
		framing_of(ANY, 8, LINED_TOO_LONG_TRUNCATE, DROP);
	struct stream_case c;

	open_stream(&c, &f);
	support_puts(c.peer, "0123456789");
	support_run_turns(c.d, 2);
	f.line_length = 4;
	lined_socket_set_framing(c.sock, &f);
	support_puts(c.peer, "abc\r\nnext\n");
	support_run_turns(c.d, 3);
	ck_assert_str_eq(recorder_log(&c.recorder), "<0123...\\r\\n><next\\n>");
	close_stream(&c);
}
END_TEST

static void raw_read(struct lined_socket *sock, void *arg)
{
	struct block_reader *b = arg;
	enum lined_line_status status;
	struct lined_line data;

	while ((status = lined_socket_read(sock, &data)) == LINED_LINE_READY) {
		ck_assert_uint_gt(data.len, 0);
		ck_assert_int_eq(data.text[data.len], '\0');
		log_bytes(b, data.text, data.len);
	}
	if (status == LINED_LINE_CLOSED)
		b->closed = true;
}

START_TEST(raw_read_takes_what_is_there)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = raw_read,
	};
	struct block_reader b = {.len = 0};
	struct lined_dispatcher *d = support_dispatcher();
	int peer;

	support_pair(d, &handlers, &b, &peer);
	support_puts(peer, "no line\r");
	support_run_turns(d, 2);
	ck_assert_str_eq(b.log, "no line\r");
	support_puts(peer, "\n\nx");
	shutdown(peer, SHUT_WR);
	support_run_until_set(d, &b.closed);
	ck_assert_str_eq(b.log, "no line\r\n\nx");
	lined_dispatcher_free(d);
	close(peer);
}
END_TEST

START_TEST(within_a_line_until_its_end_has_come)
{
	struct lined_framing skip =
		framing_of(ANY, 4, LINED_TOO_LONG_SKIP, DROP);
	static const struct {
		const char *text;
		bool within;
	} steps[] = {
		{"a", true},      {"\r", true},    {"\n", false},
		{"b\n", false},   {"c\nd", true},  {"\n", false},
		{"longer", true}, {"still", true}, {"\n", false},
	};
	struct stream_case c;

	open_stream(&c, &skip);
	ck_assert(!lined_socket_is_within_line(c.sock));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		support_puts(c.peer, steps[i].text);
		support_run_turns(c.d, 2);
		ck_assert_msg(lined_socket_is_within_line(c.sock) ==
				      steps[i].within,
			      "step %zu", i);
	}
	close_stream(&c);
}
END_TEST

/* A socket holds no memory for input that has been used up, whoever took it. */
START_TEST(what_was_saved_is_freed_when_it_is_used_up)
{
	struct stream_case c;
	struct lined_line line;

	open_stream(&c, NULL);
	c.recorder.stop_after = 1;
	support_puts(c.peer, "a\nb\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	lined_socket_pause(c.sock);
	ck_assert_ptr_nonnull(c.sock->in.data);
	ck_assert_int_eq(lined_socket_read_line(c.sock, &line),
			 LINED_LINE_PARTIAL);
	lined_socket_resume(c.sock);
	/* Outside of handle_read. */
	ck_assert_int_eq(lined_socket_read_line(c.sock, &line),
			 LINED_LINE_READY);
	ck_assert_str_eq(line.text, "b");
	ck_assert_int_eq(lined_socket_read_line(c.sock, &line),
			 LINED_LINE_PARTIAL);
	ck_assert_ptr_null(c.sock->in.data);
	support_puts(c.peer, "c\n");
	support_run_until_count(c.d, &c.recorder.lines, 2);
	ck_assert_ptr_null(c.sock->in.data);
	ck_assert_str_eq(recorder_log(&c.recorder), "<a\\n><c\\n>");
	close_stream(&c);
}
END_TEST

struct sip {
	bool blocks; /* one block of two bytes, else one line */
	char log[64];
	size_t len;
};

/* Asks for more than there is, then takes a little, and returns. */
static void sip_read(struct lined_socket *sock, void *arg)
{
	struct sip *sip = arg;
	enum lined_line_status status;
	struct lined_line line;

	if (lined_socket_read_block(sock, 1000, 1000, &line) !=
	    LINED_LINE_PARTIAL)
		return;
	status = sip->blocks ? lined_socket_read_block(sock, 2, 2, &line)
			     : lined_socket_read_line(sock, &line);
	if (status != LINED_LINE_READY)
		return;
	memcpy(sip->log + sip->len, line.text, line.len);
	sip->len += line.len;
	sip->log[sip->len++] = '|';
}

/* Input left by a call that wanted a longer block is served without an event of
 * the kernel. */
START_TEST(what_is_left_behind_a_partial_block_is_served)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = sip_read,
	};

	for (int blocks = 0; blocks < 2; blocks++) {
		struct sip sip = {.blocks = blocks};
		struct lined_dispatcher *d = support_dispatcher();
		int peer;

		support_pair(d, &handlers, &sip, &peer);
		support_puts(peer, "a\nb\nc\n");
		support_run_turns(d, 10);
		ck_assert_str_eq(sip.log, blocks ? "a\n|b\n|c\n|" : "a|b|c|");
		/* And then it waits for the kernel again. */
		ck_assert_uint_le(support_run_for(d, 50), 3);
		lined_dispatcher_free(d);
		close(peer);
	}
}
END_TEST

/* While nobody reads input is discarded; whoever reads next begins anew. */
static void expect_fresh_start(struct lined_framing f, const char *before,
			       const char *meanwhile, const char *after,
			       const char *log)
{
	struct stream_case c;

	open_stream(&c, &f);
	support_puts(c.peer, before);
	support_run_turns(c.d, 2);
	lined_socket_set_handlers(c.sock, NULL, NULL);
	support_puts(c.peer, meanwhile);
	support_run_turns(c.d, 2);
	lined_socket_set_handlers(c.sock, &recorder_handlers, &c.recorder);
	support_puts(c.peer, after);
	support_run_turns(c.d, 3);
	ck_assert_str_eq(recorder_log(&c.recorder), log);
	close_stream(&c);
}

START_TEST(what_nobody_read_leaves_no_trace)
{
	struct lined_framing f = defaults;

	expect_fresh_start(f, "begun", "gone", "a\nb\n", "<a\\n><b\\n>");
	f = framing_of(ANY, 4, LINED_TOO_LONG_TRUNCATE, DROP);
	expect_fresh_start(f, "too long", "gone", "a\nb\n", "<a\\n><b\\n>");
	f = framing_of(ANY, 4, LINED_TOO_LONG_SKIP, DROP);
	expect_fresh_start(f, "too long", "gone\n", "a\n", "!<a\\n>");
}
END_TEST

/* ---- time ------------------------------------------------------------- */

START_TEST(line_rate_slows_and_never_closes)
{
	struct stream_case c;
	uint64_t start_ms = support_now_ms();

	open_stream(&c, NULL);
	c.group.limits.line_rate = 50;
	c.group.limits.line_burst = 5;
	support_puts(c.peer, "1\n2\n3\n4\n5\n6\n7\n8\n9\na\nb\nc\nd\ne\nf\n");
	support_run_turns(c.d, 3);
	ck_assert_uint_ge(c.recorder.lines, 5);
	ck_assert_uint_lt(c.recorder.lines, 15);
	support_run_until_count(c.d, &c.recorder.lines, 15);
	ck_assert_uint_ge(support_now_ms() - start_ms, 10 * 20 - 25);
	ck_assert_uint_gt(c.group.counters.rate_slowed, 0);
	ck_assert_uint_eq(c.recorder.closes, 0);
	close_stream(&c);
}
END_TEST

/* By the old limits the rest would take a minute, and what is owed a quarter of
 * an hour. */
static void expect_free_under(uint32_t rate, uint32_t burst)
{
	struct stream_case c;

	open_stream(&c, NULL);
	c.group.limits.line_rate = 1;
	c.group.limits.line_burst = 1000;
	for (unsigned i = 0; i < 1050; i++)
		support_puts(c.peer, "x\n");
	while (c.group.counters.rate_slowed == 0)
		support_run_turns(c.d, 1);
	ck_assert_uint_ge(c.recorder.lines, 1000);
	c.group.limits.line_rate = rate;
	c.group.limits.line_burst = burst;
	lined_socket_limits_changed(c.sock);
	support_run_until_count(c.d, &c.recorder.lines, 1050);
	ck_assert_uint_eq(c.recorder.closes, 0);
	close_stream(&c);
}

START_TEST(changed_rate_holds_at_once_for_who_was_slowed)
{
	expect_free_under(1000, 1000); /* a higher rate */
	expect_free_under(100, 1);     /* and a lower burst */
	expect_free_under(0, 0);       /* no rate */
}
END_TEST

/* Slowed input must not be polled for, nor lost at the peer's end. */
START_TEST(slowed_lines_survive_the_peers_end)
{
	struct stream_case c;

	open_stream(&c, NULL);
	c.group.limits.line_rate = 50;
	c.group.limits.line_burst = 1;
	support_puts(c.peer, "1\n2\n3\n4\n5\n");
	shutdown(c.peer, SHUT_WR);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder),
			 "<1\\n><2\\n><3\\n><4\\n><5\\n>$#peer");
	close_stream(&c);
}
END_TEST

/* Its lines wait here, so it is not silent. */
START_TEST(who_is_slowed_is_not_idle)
{
	struct stream_case c;

	open_stream(&c, NULL);
	c.group.limits.line_rate = 5;
	c.group.limits.line_burst = 1;
	c.group.limits.idle_ms = 100;
	lined_socket_limits_changed(c.sock);
	support_puts(c.peer, "1\n2\n3\n");
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder),
			 "<1\\n><2\\n><3\\n>#timeout");
	close_stream(&c);
}
END_TEST

static void expect_timeout(struct lined_limits limits, const char *data,
			   const char *log)
{
	struct stream_case c;

	open_stream(&c, NULL);
	limits.send_queue = LINED_SEND_QUEUE_DEFAULT;
	c.group.limits = limits;
	lined_socket_limits_changed(c.sock);
	support_puts(c.peer, data);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), log);
	ck_assert_uint_eq(c.group.counters.closed[LINED_CLOSE_TIMEOUT], 1);
	close_stream(&c);
}

START_TEST(idle_timeout_closes)
{
	expect_timeout((struct lined_limits){.idle_ms = 60}, "", "#timeout");
	expect_timeout((struct lined_limits){.idle_ms = 60}, "a\n",
		       "<a\\n>#timeout");
}
END_TEST

static void say_goodbye(struct lined_socket *sock, void *arg)
{
	unsigned *calls = arg;

	++*calls;
	ck_assert_str_eq(lined_socket_missed_deadline(sock), "idle");
	lined_socket_printf(sock, "421 timeout\n");
}

static void note_close(struct lined_socket *sock, void *arg,
		       enum lined_close_reason reason, int error)
{
	unsigned *calls = arg;

	(void)sock;
	(void)error;
	ck_assert_int_eq(reason, LINED_CLOSE_TIMEOUT);
	++*calls;
}

START_TEST(a_timeout_may_be_told_before_the_end)
{
	static const struct lined_socket_handlers handlers = {
		.handle_timeout = say_goodbye,
		.handle_close = note_close,
	};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket_group group = {
		.limits = {.idle_ms = 50, .send_queue = 1024},
	};
	char heard[20] = "";
	unsigned calls = 0;
	int peer;

	support_pair_in_group(d, &handlers, &calls, &group, &peer);
	support_run_until_count(d, &calls, 2);
	ck_assert_int_eq(recv(peer, heard, sizeof(heard) - 1, MSG_WAITALL),
			 strlen("421 timeout\n"));
	ck_assert_str_eq(heard, "421 timeout\n");
	lined_dispatcher_free(d);
	close(peer);
}
END_TEST

START_TEST(first_line_timeout_closes_who_says_nothing)
{
	struct stream_case c;

	expect_timeout((struct lined_limits){.first_line_ms = 60}, "half",
		       "#timeout");
	open_stream(&c, NULL);
	c.group.limits.first_line_ms = 60;
	lined_socket_limits_changed(c.sock);
	support_puts(c.peer, "a\n");
	support_run_for(c.d, 150);
	ck_assert_str_eq(recorder_log(&c.recorder), "<a\\n>");
	close_stream(&c);
}
END_TEST

START_TEST(line_timeout_runs_from_the_first_byte)
{
	struct stream_case c;

	expect_timeout((struct lined_limits){.line_ms = 60}, "a\nb",
		       "<a\\n>#timeout");
	open_stream(&c, NULL);
	c.group.limits.line_ms = 60;
	lined_socket_limits_changed(c.sock);
	support_puts(c.peer, "a\n");
	support_run_for(c.d, 150); /* no line has begun: nothing runs */
	ck_assert_str_eq(recorder_log(&c.recorder), "<a\\n>");
	close_stream(&c);
}
END_TEST

/* Limits are 32 bits wide, the longest of them 49 days. */
START_TEST(the_longest_deadlines_close_nobody_now)
{
	struct stream_case c;

	open_stream(&c, NULL);
	c.group.limits.idle_ms = UINT32_MAX;
	c.group.limits.first_line_ms = UINT32_MAX - 1;
	c.group.limits.line_ms = (uint32_t)INT32_MAX + 1;
	c.group.limits.send_stall_ms = UINT32_MAX;
	lined_socket_limits_changed(c.sock);
	support_puts(c.peer, "half");
	ck_assert_uint_le(support_run_for(c.d, 60), 5);
	support_puts(c.peer, " a line\n");
	support_run_turns(c.d, 2);
	ck_assert_str_eq(recorder_log(&c.recorder), "<half a line\\n>");
	lined_socket_pause(c.sock);
	lined_socket_close_after_flush(c.sock, LINED_CLOSE_LIMIT, UINT32_MAX);
	support_expect_eof(c.d, c.peer);
	close_stream(&c);
}
END_TEST

/* Dripping bytes is not a line: neither deadline moves. */
static void expect_drip_to_end(struct lined_limits limits)
{
	struct stream_case c;
	uint64_t start_ms;

	open_stream(&c, NULL);
	limits.send_queue = LINED_SEND_QUEUE_DEFAULT;
	c.group.limits = limits;
	lined_socket_limits_changed(c.sock);
	start_ms = support_now_ms();
	while (c.recorder.closes == 0) {
		send(c.peer, "x", 1, MSG_NOSIGNAL);
		support_run_for(c.d, 10);
		ck_assert_uint_lt(support_now_ms() - start_ms,
				  SUPPORT_WATCHDOG_MS);
	}
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_TIMEOUT);
	close_stream(&c);
}

START_TEST(dripping_bytes_moves_no_deadline)
{
	expect_drip_to_end((struct lined_limits){.idle_ms = 100});
	expect_drip_to_end((struct lined_limits){.first_line_ms = 100});
	expect_drip_to_end((struct lined_limits){.line_ms = 100});
}
END_TEST

/* Reads what came a turn later, as one does who asks elsewhere first. */
static void read_every_other_time(struct lined_socket *sock, void *arg)
{
	unsigned *calls = arg;
	struct lined_line line;

	if (++*calls % 2 == 0)
		while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
			;
}

static void expect_line_timeout(struct lined_socket *sock, void *arg,
				enum lined_close_reason reason, int error)
{
	(void)arg;
	(void)error;
	ck_assert_int_eq(reason, LINED_CLOSE_TIMEOUT);
	ck_assert_str_eq(lined_socket_missed_deadline(sock), "line");
}

static const struct lined_socket_handlers late_handlers = {
	.handle_read = read_every_other_time,
	.handle_close = expect_line_timeout,
};

START_TEST(line_timeout_is_not_moved_by_a_late_reader)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket_group group = {
		.limits = {.line_ms = 100, .send_queue = 1024},
	};
	uint64_t start_ms = support_now_ms();
	unsigned calls = 0;
	int peer;

	support_pair_in_group(d, &late_handlers, &calls, &group, &peer);
	while (group.counters.closed[LINED_CLOSE_TIMEOUT] == 0) {
		send(peer, "x", 1, MSG_NOSIGNAL);
		support_run_for(d, 10);
		ck_assert_uint_lt(support_now_ms() - start_ms,
				  SUPPORT_WATCHDOG_MS);
	}
	lined_dispatcher_free(d);
	close(peer);
}
END_TEST

static void pause_at_the_second(struct lined_socket *sock, void *arg)
{
	unsigned *calls = arg;
	struct lined_line line;

	if (++*calls == 2)
		lined_socket_pause(sock);
	else
		while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
			;
}

/* It may have ended its line: nobody has looked. */
START_TEST(line_timeout_spares_who_waits_for_the_reader)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = pause_at_the_second,
	};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket_group group = {
		.limits = {.line_ms = 250, .send_queue = 1024},
	};
	struct lined_socket *sock;
	unsigned calls = 0;
	int peer;

	sock = support_pair_in_group(d, &handlers, &calls, &group, &peer);
	support_puts(peer, "a");
	support_run_until_count(d, &calls, 1);
	support_puts(peer, "b\n");
	support_run_until_count(d, &calls, 2);
	support_run_for(d, 400);
	ck_assert(lined_socket_is_connected(sock));
	lined_socket_resume(sock);
	support_run_until_count(d, &calls, 3);
	ck_assert_uint_eq(group.counters.lines_in, 1);
	support_run_for(d, 400);
	ck_assert(lined_socket_is_connected(sock));
	lined_dispatcher_free(d);
	close(peer);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("read_line");
	TCase *lines = support_case(suite, "lines");
	TCase *ends = support_case(suite, "ends");
	TCase *turns = support_case(suite, "turns");
	TCase *blocks = support_case(suite, "blocks");
	TCase *times = support_case(suite, "times");

	tcase_add_test(lines, any_takes_lf_and_crlf_and_keeps_which);
	tcase_add_test(lines, lone_cr_is_data);
	tcase_add_test(lines, nul_bytes_are_data);
	tcase_add_test(lines, lf_framing_keeps_the_cr);
	tcase_add_test(lines, bare_lf_under_crlf_is_data_and_counted);
	tcase_add_test(lines, chosen_byte_ends_lines);
	tcase_add_test(lines, cr_of_crlf_never_counts_to_the_limit);
	tcase_add_test(lines, too_long_close_reports_then_closes);
	tcase_add_test(lines, too_long_skip_goes_on_behind_the_terminator);
	tcase_add_test(lines, too_long_truncate_delivers_what_fits);
	tcase_add_test(lines, unterminated_rest_is_dropped_and_counted);
	tcase_add_test(lines, unterminated_rest_is_delivered_before_closed);
	tcase_add_test(lines, empty_stream_is_only_closed);
	tcase_add_test(lines, default_limit_is_8192_bytes);
	tcase_add_test(ends, what_is_sent_on_too_long_is_flushed);
	tcase_add_test(ends, half_closing_client_gets_every_answer);
	tcase_add_test(ends, allowed_half_close_stays_open_for_sending);
	tcase_add_test(ends, allowed_half_close_does_not_spin);
	tcase_add_test(ends, data_before_a_reset_is_delivered_first);
	tcase_add_test(ends, closed_in_the_handler_reads_closed);
	tcase_add_test(turns, flooding_client_does_not_starve_another);
	tcase_add_test(turns, lines_left_over_are_served_without_the_kernel);
	tcase_add_test(turns, pause_stops_at_the_current_line);
	tcase_add_test(turns, reset_is_noticed_while_paused);
	tcase_add_test(lines, within_a_line_until_its_end_has_come);
	tcase_add_test(blocks, lines_and_blocks_alternate_at_any_cut);
	tcase_add_test(blocks, block_over_the_callers_bound_is_refused);
	tcase_add_test(blocks,
		       input_may_be_changed_before_it_is_split_into_lines);
	tcase_add_test(blocks, framing_switched_in_mid_stream_loses_nothing);
	tcase_add_test(blocks, skipped_rest_ends_where_its_line_does);
	tcase_add_test(blocks, lowered_limit_holds_for_a_line_begun);
	tcase_add_test(blocks, raw_read_takes_what_is_there);
	tcase_add_test(blocks, what_was_saved_is_freed_when_it_is_used_up);
	tcase_add_test(blocks, what_is_left_behind_a_partial_block_is_served);
	tcase_add_test(blocks, what_nobody_read_leaves_no_trace);
	tcase_add_test(times, line_rate_slows_and_never_closes);
	tcase_add_test(times, changed_rate_holds_at_once_for_who_was_slowed);
	tcase_add_test(times, slowed_lines_survive_the_peers_end);
	tcase_add_test(times, who_is_slowed_is_not_idle);
	tcase_add_test(times, idle_timeout_closes);
	tcase_add_test(times, a_timeout_may_be_told_before_the_end);
	tcase_add_test(times, first_line_timeout_closes_who_says_nothing);
	tcase_add_test(times, line_timeout_runs_from_the_first_byte);
	tcase_add_test(times, the_longest_deadlines_close_nobody_now);
	tcase_add_test(times, dripping_bytes_moves_no_deadline);
	tcase_add_test(times, line_timeout_is_not_moved_by_a_late_reader);
	tcase_add_test(times, line_timeout_spares_who_waits_for_the_reader);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
