/* SPDX-License-Identifier: MIT */
/*
 * read_line on a socket: statuses, terminators, limits and policies, the end of
 * a stream, fair turns, pause. test-framing tests that cuts do not matter,
 * test-input tests other ways to read, test-socket-deadline tests deadlines.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream_fixture.h"
#include "support.h"

/* ---- one stream, one answer ------------------------------------------ */

static const struct lined_framing defaults = LINED_FRAMING_DEFAULT;

/* The peer sends data in pieces of `piece` bytes, then ends. */
static void expect_log(const struct lined_framing *f, const char *data,
		       size_t len, size_t piece, const char *want)
{
	size_t at, n;

	stream_open(f);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		support_write(stream.peer, data + at, n);
		support_run_turns(stream.d, 1);
	}
	shutdown(stream.peer, SHUT_WR);
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&stream.recorder), want);
	stream_close();
}

/* The peer sends the data whole, and byte by byte. */
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

	EXPECT(f, "a\nb\r\n\n\r\nc\n", "<a\\nb\\r\\n><\\n\\r\\n>$#peer");
	stream_open(&f);
	support_puts(stream.peer, "a\nb\r\n\n");
	support_run_until_count(stream.d, &stream.recorder.lines, 1);
	ck_assert_uint_eq(stream.group.counters.bare_lf, 2);
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
	EXPECT(defaults, "a\nb", "<a\\n>$#peer");
	stream_open(NULL);
	support_puts(stream.peer, "a\nb");
	shutdown(stream.peer, SHUT_WR);
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_uint_eq(stream.group.counters.unterminated, 1);
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

	stream_open(&skip);
	ck_assert(!lined_socket_is_within_line(stream.sock));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		support_puts(stream.peer, steps[i].text);
		support_run_turns(stream.d, 2);
		ck_assert_msg(lined_socket_is_within_line(stream.sock) ==
				      steps[i].within,
			      "step %zu", i);
	}
}
END_TEST

START_TEST(default_limit_is_8192_bytes)
{
	char *line = malloc(8194);

	ck_assert_ptr_nonnull(line);
	memset(line, 'x', 8194);
	stream_open(NULL);
	support_write(stream.peer, line, 8192);
	support_puts(stream.peer, "\r\n");
	support_run_until_count(stream.d, &stream.recorder.lines, 1);
	support_write(stream.peer, line, 8193);
	support_run_until_count(stream.d, &stream.recorder.too_long, 1);
	ck_assert_uint_eq(stream.group.counters.too_long, 1);
	free(line);
}
END_TEST

/* ---- the end --------------------------------------------------------- */

START_TEST(what_is_sent_on_too_long_is_flushed)
{
	struct lined_framing f = framing_of(ANY, 4, LINED_TOO_LONG_CLOSE, DROP);

	stream_open(&f);
	stream.recorder.scold = "too long\n";
	support_puts(stream.peer, "0123456789\nmore\n");
	support_expect(stream.d, stream.peer, "too long\n");
	support_expect_eof(stream.d, stream.peer);
	close(stream.peer);
	stream.peer = -1;
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_int_eq(stream.recorder.reason, LINED_CLOSE_TOO_LONG);
}
END_TEST

START_TEST(half_closing_client_gets_every_answer)
{
	char *all = malloc(60001);
	int i;

	ck_assert_ptr_nonnull(all);
	for (i = 0; i < 6000; i++)
		sprintf(all + 10 * i, "line %04d\n", i % 10000);
	stream_open(NULL);
	stream.recorder.echo = true;
	stream.recorder.quiet = true;
	support_write(stream.peer, all, 60000);
	shutdown(stream.peer, SHUT_WR);
	support_expect(stream.d, stream.peer, all);
	support_expect_eof(stream.d, stream.peer);
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_int_eq(stream.recorder.reason, LINED_CLOSE_PEER);
	free(all);
}
END_TEST

START_TEST(allowed_half_close_stays_open_for_sending)
{
	stream_open(NULL);
	lined_socket_allow_half_close(stream.sock, true);
	support_puts(stream.peer, "a\n");
	shutdown(stream.peer, SHUT_WR);
	support_run_turns(stream.d, 5);
	ck_assert_str_eq(recorder_log(&stream.recorder), "<a\\n>$");
	ck_assert(lined_socket_is_connected(stream.sock));
	ck_assert_int_eq(lined_socket_send(stream.sock, "late\n", 5), 0);
	support_expect(stream.d, stream.peer, "late\n");
	ck_assert_uint_eq(stream.recorder.closes, 0);
	lined_socket_close(stream.sock);
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_int_eq(stream.recorder.reason, LINED_CLOSE_LOCAL);
}
END_TEST

/* A half-closed stream is reported once, not in every turn. */
START_TEST(allowed_half_close_does_not_spin)
{
	unsigned reads;

	stream_open(NULL);
	lined_socket_allow_half_close(stream.sock, true);
	shutdown(stream.peer, SHUT_WR);
	support_run_turns(stream.d, 5);
	reads = stream.recorder.reads;
	ck_assert_uint_le(support_run_for(stream.d, 60), 3);
	ck_assert_uint_eq(stream.recorder.reads, reads);
}
END_TEST

START_TEST(data_before_a_reset_is_delivered_first)
{
	char want[64];

	stream_open(NULL);
	stream.recorder.stop_after =
		1; /* the reset comes while a line is unread */
	support_puts(stream.peer, "a\nb\n");
	support_run_until_count(stream.d, &stream.recorder.lines, 1);
	support_reset(stream.peer);
	stream.peer = -1;
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	snprintf(want, sizeof(want), "<a\\n><b\\n>E%d#error", ECONNRESET);
	ck_assert_str_eq(recorder_log(&stream.recorder), want);
	ck_assert_int_eq(stream.recorder.error, ECONNRESET);
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

	stream_open_with(&handlers, &closer, NULL);
	support_puts(stream.peer, "a\nb\n");
	support_run_until_count(stream.d, &closer.closes, 1);
	ck_assert_int_eq(closer.after, LINED_LINE_CLOSED);
	stream_close();
}
END_TEST

/* ---- fair turns, pause ------------------------------------------------ */

START_TEST(flooding_client_does_not_starve_another)
{
	static struct recorder calm;
	static char lines[200000];
	int peer;

	stream_open(NULL);
	stream.recorder.quiet = true;
	support_pair(stream.d, &recorder_handlers, &calm, &peer);
	memset(lines, '\n', sizeof(lines)); /* empty lines: as many as possible
					     * for the bytes */
	support_write(stream.peer, lines, sizeof(lines));
	support_puts(peer, "hello\n");
	support_run_turns(stream.d, 2);
	ck_assert_uint_eq(calm.lines, 1);
	ck_assert_uint_gt(stream.recorder.lines, 0);
	/* The number of lines is bounded, too: a read holds 65,536 of these. */
	ck_assert_uint_lt(stream.recorder.lines, 16384);
	support_run_until_count(stream.d, &stream.recorder.lines,
				sizeof(lines));
	recorder_fini(&calm);
	close(peer);
}
END_TEST

/* A handler that takes one line and returns is called again for the next. */
START_TEST(lines_left_over_are_served_without_the_kernel)
{
	stream_open(NULL);
	stream.recorder.stop_after = 1;
	support_puts(stream.peer, "1\n2\n3\n4\n");
	support_run_until_count(stream.d, &stream.recorder.lines, 4);
	ck_assert_uint_ge(stream.recorder.reads, 4);
	ck_assert_str_eq(recorder_log(&stream.recorder),
			 "<1\\n><2\\n><3\\n><4\\n>");
}
END_TEST

static void pauser_read(struct lined_socket *sock, void *arg)
{
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY) {
		reader_add(arg, line.text, line.len);
		if (line.len == 1 && line.text[0] == '|')
			lined_socket_pause(sock);
	}
}

START_TEST(pause_stops_at_the_current_line)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = pauser_read,
	};
	struct reader p = {.len = 0};

	stream_open_with(&handlers, &p, NULL);
	support_puts(stream.peer, "a\n|\nb\nc\n|\nd\n");
	support_run_turns(stream.d, 5);
	ck_assert_str_eq(p.log, "a|");
	ck_assert(lined_socket_is_paused(stream.sock));
	ck_assert_uint_le(support_run_for(stream.d, 30), 2);
	ck_assert_str_eq(p.log, "a|");
	lined_socket_resume(stream.sock);
	support_run_turns(stream.d, 3);
	ck_assert_str_eq(p.log, "a|bc|");
	lined_socket_resume(stream.sock);
	support_run_turns(stream.d, 3);
	ck_assert_str_eq(p.log, "a|bc|d");
	stream_close();
}
END_TEST

START_TEST(reset_is_noticed_while_paused)
{
	stream_open(NULL);
	support_puts(stream.peer, "a\n");
	support_run_until_count(stream.d, &stream.recorder.lines, 1);
	lined_socket_pause(stream.sock);
	support_run_turns(stream.d, 2);
	support_reset(stream.peer);
	stream.peer = -1;
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_int_eq(stream.recorder.reason, LINED_CLOSE_ERROR);
	ck_assert_int_eq(stream.recorder.error, ECONNRESET);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("read_line");
	TCase *lines = stream_case(suite, "lines");
	TCase *ends = stream_case(suite, "ends");
	TCase *turns = stream_case(suite, "turns");

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
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
