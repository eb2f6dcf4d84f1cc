/* SPDX-License-Identifier: MIT */
/*
 * Other ways to read input than line by line: blocks between lines, raw bytes,
 * input that a handler changes, another framing in the middle of the stream.
 * The memory of input is freed when it has been read.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "socket_priv.h"
#include "stream_fixture.h"
#include "support.h"

/* "3\n" announces a block of three bytes. */
static void block_read(struct lined_socket *sock, void *arg)
{
	struct reader *b = arg;
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
		reader_add(b, b->want > 0 ? "{" : "<", 1);
		reader_add(b, line.text, line.len);
		reader_add(b, line.unterminated ? "~" : "", line.unterminated);
		reader_add(b, b->want > 0 ? "}" : ">", 1);
		b->want = b->want > 0 ? 0 : strtoul(line.text, NULL, 10);
	}
}

static const struct lined_socket_handlers block_handlers = {
	.handle_read = block_read,
};

static void expect_blocks(const struct lined_framing *f, const char *data,
			  size_t cut, const char *want)
{
	struct reader b = {.len = 0};

	stream_open_with(&block_handlers, &b, NULL);
	lined_socket_set_framing(stream.sock, f);
	support_write(stream.peer, data, cut);
	support_run_turns(stream.d, 2);
	support_puts(stream.peer, data + cut);
	support_run_turns(stream.d, 2);
	shutdown(stream.peer, SHUT_WR);
	support_run_until_set(stream.d, &b.closed);
	ck_assert_str_eq(b.log, want);
	stream_close();
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

static void too_big_read(struct lined_socket *sock, void *arg)
{
	struct reader *s = arg;
	struct lined_line line;

	s->status = lined_socket_read_block(sock, 11, 10, &line);
	s->error = errno;
	if (s->reads++ == 0) {
		/* A refused call reads nothing. */
		ck_assert_int_eq(lined_socket_read(sock, &line),
				 LINED_LINE_READY);
		reader_add(s, line.text, line.len);
	}
}

START_TEST(block_over_the_callers_bound_is_refused)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = too_big_read,
	};
	struct reader s = {.error = 0};

	stream_open_with(&handlers, &s, NULL);
	support_puts(stream.peer, "0123456789ABCDEF");
	support_run_until_count(stream.d, &s.reads, 1);
	ck_assert_int_eq(s.status, LINED_LINE_ERROR);
	ck_assert_int_eq(s.error, EMSGSIZE);
	ck_assert_str_eq(s.log, "0123456789ABCDEF");
	stream_close();
}
END_TEST

/* The first line switches the framing of the bytes that are already
 * buffered. */
static void switcher_read(struct lined_socket *sock, void *arg)
{
	struct reader *s = arg;
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY) {
		reader_add(s, line.text, line.len);
		reader_add(s, "|", 1);
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
	struct reader s = {.reads = 0};
	char answer[4] = "";

	stream_open_with(&handlers, &s, NULL);
	support_puts(stream.peer, "-a-b?");
	support_run_turns(stream.d, 2);
	ck_assert_int_eq(recv(stream.peer, answer, 3, MSG_WAITALL), 3);
	ck_assert_str_eq(answer, "yes");
	support_puts(stream.peer, "c\n-");
	support_run_turns(stream.d, 2);
	ck_assert_str_eq(s.log, "+ab?+c|");
	/* A line after which the hook has closed the socket is not read. */
	support_puts(stream.peer, "d\n!");
	ck_assert_int_eq(lined_dispatcher_poll(stream.d, 5000), 0);
	ck_assert_str_eq(s.log, "+ab?+c|");
	stream_close();
}
END_TEST

START_TEST(framing_switched_in_mid_stream_loses_nothing)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = switcher_read,
	};
	static const char data[] = "a;b\nswitch\nc\nd;;e;switch;";

	for (size_t cut = 0; cut < sizeof(data); cut++) {
		struct reader s = {.second = LINED_FRAMING_DEFAULT};

		s.second.terminator = LINED_TERMINATOR_BYTE;
		s.second.byte = ';';
		stream_open_with(&handlers, &s, NULL);
		support_write(stream.peer, data, cut);
		support_run_turns(stream.d, 2);
		support_puts(stream.peer, data + cut);
		support_run_turns(stream.d, 2);
		ck_assert_str_eq(s.log, "a;b|switch|c\nd||e|switch|");
		stream_close();
	}
}
END_TEST

/* The report that a line is too long switches the framing. */
static void scolded_read(struct lined_socket *sock, void *arg)
{
	struct reader *s = arg;
	enum lined_line_status status;
	struct lined_line line;

	for (;;) {
		status = lined_socket_read_line(sock, &line);
		if (status == LINED_LINE_TOO_LONG) {
			lined_socket_set_framing(sock, &s->second);
			reader_add(s, "!", 1);
			continue;
		}
		if (status != LINED_LINE_READY)
			return;
		reader_add(s, line.text, line.len);
		reader_add(s, "|", 1);
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
		struct reader s = {.second = LINED_FRAMING_DEFAULT};

		s.second.terminator = LINED_TERMINATOR_BYTE;
		s.second.byte = ';';
		stream_open_with(&handlers, &s, NULL);
		lined_socket_set_framing(stream.sock, &first);
		support_write(stream.peer, data, cut);
		support_run_turns(stream.d, 2);
		support_puts(stream.peer, data + cut);
		support_run_turns(stream.d, 2);
		ck_assert_str_eq(s.log, "!in|out|");
		stream_close();
	}
}
END_TEST

START_TEST(lowered_limit_holds_for_a_line_begun)
{
	struct lined_framing f =
		framing_of(ANY, 8, LINED_TOO_LONG_TRUNCATE, DROP);

	stream_open(&f);
	support_puts(stream.peer, "0123456789");
	support_run_turns(stream.d, 2);
	f.line_length = 4;
	lined_socket_set_framing(stream.sock, &f);
	support_puts(stream.peer, "abc\r\nnext\n");
	support_run_turns(stream.d, 3);
	ck_assert_str_eq(recorder_log(&stream.recorder),
			 "<0123...\\r\\n><next\\n>");
}
END_TEST

static void raw_read(struct lined_socket *sock, void *arg)
{
	struct reader *b = arg;
	enum lined_line_status status;
	struct lined_line data;

	while ((status = lined_socket_read(sock, &data)) == LINED_LINE_READY) {
		ck_assert_uint_gt(data.len, 0);
		ck_assert_int_eq(data.text[data.len], '\0');
		reader_add(b, data.text, data.len);
	}
	if (status == LINED_LINE_CLOSED)
		b->closed = true;
}

START_TEST(raw_read_takes_what_is_there)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = raw_read,
	};
	struct reader b = {.len = 0};

	stream_open_with(&handlers, &b, NULL);
	support_puts(stream.peer, "no line\r");
	support_run_turns(stream.d, 2);
	ck_assert_str_eq(b.log, "no line\r");
	support_puts(stream.peer, "\n\nx");
	shutdown(stream.peer, SHUT_WR);
	support_run_until_set(stream.d, &b.closed);
	ck_assert_str_eq(b.log, "no line\r\n\nx");
	stream_close();
}
END_TEST

/* A socket holds no memory for input that was read, in or outside of
 * handle_read. */
START_TEST(what_was_saved_is_freed_when_it_is_used_up)
{
	struct lined_line line;

	stream_open(NULL);
	stream.recorder.stop_after = 1;
	support_puts(stream.peer, "a\nb\n");
	support_run_until_count(stream.d, &stream.recorder.lines, 1);
	lined_socket_pause(stream.sock);
	ck_assert_ptr_nonnull(stream.sock->in.data);
	ck_assert_int_eq(lined_socket_read_line(stream.sock, &line),
			 LINED_LINE_PARTIAL);
	lined_socket_resume(stream.sock);
	/* A call outside of handle_read. */
	ck_assert_int_eq(lined_socket_read_line(stream.sock, &line),
			 LINED_LINE_READY);
	ck_assert_str_eq(line.text, "b");
	ck_assert_int_eq(lined_socket_read_line(stream.sock, &line),
			 LINED_LINE_PARTIAL);
	ck_assert_ptr_null(stream.sock->in.data);
	support_puts(stream.peer, "c\n");
	support_run_until_count(stream.d, &stream.recorder.lines, 2);
	ck_assert_ptr_null(stream.sock->in.data);
	ck_assert_str_eq(recorder_log(&stream.recorder), "<a\\n><c\\n>");
}
END_TEST

/* Asks for more than there is, then takes one block or one line, and returns.
 */
static void sip_read(struct lined_socket *sock, void *arg)
{
	struct reader *sip = arg;
	enum lined_line_status status;
	struct lined_line line;

	if (lined_socket_read_block(sock, 1000, 1000, &line) !=
	    LINED_LINE_PARTIAL)
		return;
	status = sip->want > 0
			 ? lined_socket_read_block(sock, sip->want, 2, &line)
			 : lined_socket_read_line(sock, &line);
	if (status != LINED_LINE_READY)
		return;
	reader_add(sip, line.text, line.len);
	reader_add(sip, "|", 1);
}

/* If a call wanted a longer block, the remaining input is handled without
 * another event of the kernel. */
START_TEST(what_is_left_behind_a_partial_block_is_served)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = sip_read,
	};

	for (int blocks = 0; blocks < 2; blocks++) {
		struct reader sip = {.want = blocks ? 2 : 0};

		stream_open_with(&handlers, &sip, NULL);
		support_puts(stream.peer, "a\nb\nc\n");
		support_run_turns(stream.d, 10);
		ck_assert_str_eq(sip.log, blocks ? "a\n|b\n|c\n|" : "a|b|c|");
		/* Afterwards the loop waits for the kernel again. */
		ck_assert_uint_le(support_run_for(stream.d, 50), 3);
		stream_close();
	}
}
END_TEST

/* Without handlers, input is discarded. New handlers begin with a new line. */
static void expect_fresh_start(struct lined_framing f, const char *before,
			       const char *meanwhile, const char *after,
			       const char *log)
{
	stream_open(&f);
	support_puts(stream.peer, before);
	support_run_turns(stream.d, 2);
	lined_socket_set_handlers(stream.sock, NULL, NULL);
	support_puts(stream.peer, meanwhile);
	support_run_turns(stream.d, 2);
	lined_socket_set_handlers(stream.sock, &recorder_handlers,
				  &stream.recorder);
	support_puts(stream.peer, after);
	support_run_turns(stream.d, 3);
	ck_assert_str_eq(recorder_log(&stream.recorder), log);
	stream_close();
}

START_TEST(what_nobody_read_leaves_no_trace)
{
	struct lined_framing f = LINED_FRAMING_DEFAULT;

	expect_fresh_start(f, "begun", "gone", "a\nb\n", "<a\\n><b\\n>");
	f = framing_of(ANY, 4, LINED_TOO_LONG_TRUNCATE, DROP);
	expect_fresh_start(f, "too long", "gone", "a\nb\n", "<a\\n><b\\n>");
	f = framing_of(ANY, 4, LINED_TOO_LONG_SKIP, DROP);
	expect_fresh_start(f, "too long", "gone\n", "a\n", "!<a\\n>");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("input");
	TCase *blocks = stream_case(suite, "blocks");

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
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
