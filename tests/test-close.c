/* SPDX-License-Identifier: MIT */
/*
 * Closing: what the peer still gets with each kind of close, and how an end by
 * the peer is reported. test-close-anywhere.c tests that any socket may be
 * closed from anywhere, test-unregister.c sockets that leave their dispatcher.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ending_fixture.h"
#include "socket_daemon.h"
#include "socket_priv.h"
#include "support.h"

START_TEST(handle_close_never_runs_inside_close)
{
	ending_begin();
	lined_socket_close_for(ending.sock, LINED_CLOSE_LIMIT, EMFILE);
	ck_assert_uint_eq(ending.closes, 0);
	ck_assert(lined_socket_is_closed(ending.sock));
	/* The first close decides the reason. */
	lined_socket_close(ending.sock);
	ck_assert_int_eq(lined_dispatcher_poll(ending.dispatcher, -1), 0);
	ending_finish(LINED_CLOSE_LIMIT, EMFILE);
}
END_TEST

START_TEST(close_drops_what_is_queued)
{
	int error;

	ending_begin();
	ck_assert_int_eq(lined_socket_send(ending.sock, "lost\n", 5), 0);
	lined_socket_close(ending.sock);
	support_fails(lined_socket_send(ending.sock, "more\n", 5), EPIPE);
	ending_wait();
	ck_assert_uint_eq(support_drain(NULL, ending.peer, &error), 0);
	ending_finish(LINED_CLOSE_LOCAL, 0);
}
END_TEST

START_TEST(close_after_flush_delivers_all_that_is_queued)
{
	static char block[1024 * 1024];
	int error, i;

	ending_begin();
	for (i = 0; i < 6; i++)
		ck_assert_int_eq(
			lined_socket_send(ending.sock, block, sizeof(block)),
			0);
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_SHUTDOWN, 0);
	ck_assert_uint_eq(support_drain(ending.dispatcher, ending.peer, &error),
			  6 * sizeof(block));
	ck_assert_int_eq(error, 0);
	ending_wait();
	ending_finish(LINED_CLOSE_SHUTDOWN, 0);
}
END_TEST

START_TEST(close_after_flush_with_nothing_queued_is_soon)
{
	ending_begin();
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LIMIT, 0);
	while (ending.closes == 0)
		lined_dispatcher_poll(ending.dispatcher, -1);
	support_expect_eof(NULL, ending.peer);
	ending_finish(LINED_CLOSE_LIMIT, 0);
}
END_TEST

START_TEST(close_after_flush_reads_no_more)
{
	static char block[4 * 1024 * 1024];
	int error;

	ending_begin();
	lined_socket_send(ending.sock, block, sizeof(block));
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LOCAL, 0);
	support_puts(ending.peer, "too late\n");
	support_run_turns(ending.dispatcher, 5);
	ck_assert_uint_eq(ending.reads, 0);
	ck_assert_uint_eq(ending.closes, 0);
	ck_assert_uint_eq(support_drain(ending.dispatcher, ending.peer, &error),
			  sizeof(block));
	ck_assert_int_eq(error, 0);
	close(ending.peer);
	ending.peer = -1;
	ending_wait();
	ck_assert_uint_eq(ending.reads, 0);
	ending_finish(LINED_CLOSE_LOCAL, 0);
}
END_TEST

START_TEST(close_after_flush_gives_up_at_its_deadline)
{
	static char block[16 * 1024 * 1024];
	uint64_t start_ms = support_now_ms();

	ending_begin();
	ck_assert_int_eq(lined_socket_send(ending.sock, block, sizeof(block)),
			 0);
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_SHUTDOWN, 120);
	ending_wait();
	ck_assert_uint_ge(support_now_ms() - start_ms + 2, 120);
	ending_finish(LINED_CLOSE_SHUTDOWN, 0);
}
END_TEST

START_TEST(a_close_cuts_a_close_after_flush_short)
{
	static char block[16 * 1024 * 1024];

	ending_begin();
	lined_socket_send(ending.sock, block, sizeof(block));
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_SHUTDOWN, 0);
	support_run_turns(ending.dispatcher, 3);
	ck_assert_uint_eq(ending.closes, 0);
	lined_socket_close_for(ending.sock, LINED_CLOSE_KICKED, 0);
	ck_assert_int_eq(lined_dispatcher_poll(ending.dispatcher, -1), 0);
	ending_finish(LINED_CLOSE_KICKED, 0);
}
END_TEST

/* The peer still sends while the last answer is under way: no reset may
 * overtake it. */
START_TEST(the_last_answer_arrives_though_the_peer_still_sends)
{
	static char answer[256 * 1024], junk[64 * 1024];
	size_t got = 0;
	ssize_t n;
	int i;

	ending_begin();
	lined_socket_pause(ending.sock);
	support_write(ending.peer, junk, sizeof(junk));
	support_run_turns(ending.dispatcher, 2);
	lined_socket_send(ending.sock, answer, sizeof(answer));
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LIMIT, 0);
	for (i = 0; i < 20; i++) {
		support_run_turns(ending.dispatcher, 2);
		n = send(ending.peer, junk, sizeof(junk) / 4,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		ck_assert_msg(n > 0 || errno == EAGAIN, "send: %s",
			      strerror(errno));
	}
	while (got < sizeof(answer)) {
		n = recv(ending.peer, answer, sizeof(answer), MSG_DONTWAIT);
		ck_assert_msg(n > 0 || (n < 0 && errno == EAGAIN),
			      "after %zu bytes: %s", got,
			      n == 0 ? "the end" : strerror(errno));
		if (n > 0)
			got += (size_t)n;
		else
			lined_dispatcher_poll(ending.dispatcher, 20);
	}
	support_expect_eof(ending.dispatcher, ending.peer);
	close(ending.peer);
	ending.peer = -1;
	ending_wait();
	ending_finish(LINED_CLOSE_LIMIT, 0);
}
END_TEST

/* Everything is flushed and no input is unread, but the peer has not received
 * everything, and sends more a moment later. */
START_TEST(the_last_answer_arrives_though_the_peer_sends_again)
{
	static char answer[1024 * 1024];
	size_t got = 0;
	ssize_t n;

	ending_begin();
	lined_socket_send(ending.sock, answer, sizeof(answer));
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LIMIT, 0);
	while (ending.closes == 0 && lined_socket_queued(ending.sock) > 0) {
		lined_dispatcher_poll(ending.dispatcher, 0);
		n = recv(ending.peer, answer, 4096, MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
	}
	support_run_turns(ending.dispatcher, 3);
	support_puts(ending.peer, "and another thing\n");
	support_run_turns(ending.dispatcher, 3);
	while (got < sizeof(answer)) {
		n = recv(ending.peer, answer, sizeof(answer), 0);
		ck_assert_msg(n > 0, "after %zu bytes: %s", got,
			      n == 0 ? "the end" : strerror(errno));
		got += (size_t)n;
	}
	support_expect_eof(ending.dispatcher, ending.peer);
	close(ending.peer);
	ending.peer = -1;
	ending_wait();
	ending_finish(LINED_CLOSE_LIMIT, 0);
}
END_TEST

/* A peer that never stops sending delays the close by two seconds at most. */
START_TEST(lingering_ends_by_itself)
{
	static char junk[64 * 1024];
	uint64_t start_ms = support_now_ms();

	ending_begin();
	lined_socket_pause(ending.sock);
	support_write(ending.peer, junk, sizeof(junk));
	support_run_turns(ending.dispatcher, 2);
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LIMIT, 0);
	while (ending.closes == 0) {
		send(ending.peer, junk, 512, MSG_NOSIGNAL | MSG_DONTWAIT);
		lined_dispatcher_poll(ending.dispatcher, 20);
		ck_assert_uint_le(support_now_ms() - start_ms, 8000);
	}
	ending_finish(LINED_CLOSE_LIMIT, 0);
}
END_TEST

/* Discarded bytes are counted, because the client has sent them, although no
 * handler has read them. */
START_TEST(bytes_that_lingering_discards_are_counted)
{
	struct lined_traffic traffic;

	ending_begin();
	lined_socket_pause(ending.sock);
	support_puts(ending.peer, "unread\n");
	support_run_turns(ending.dispatcher, 2);
	lined_socket_close_after_flush(ending.sock, LINED_CLOSE_LIMIT, 0);
	support_run_turns(ending.dispatcher, 3);
	ck_assert_int_eq(ending.closes, 0);
	lined_socket_traffic(ending.sock, &traffic);
	ck_assert_uint_eq(traffic.bytes_in, strlen("unread\n"));
	close(ending.peer);
	ending.peer = -1;
	ending_wait();
	ending_finish(LINED_CLOSE_LIMIT, 0);
}
END_TEST

/* ---- ends that the peer makes ---------------------------------------- */

START_TEST(the_end_of_the_peer_is_PEER)
{
	ending_begin();
	support_puts(ending.peer, "one\ntwo\n");
	shutdown(ending.peer, SHUT_WR);
	ending_wait();
	ck_assert_uint_eq(ending.lines, 2);
	ck_assert_int_eq(ending.status, LINED_LINE_CLOSED);
	ending_finish(LINED_CLOSE_PEER, 0);
}
END_TEST

START_TEST(what_is_sent_at_the_end_of_the_peer_still_leaves)
{
	ending_begin();
	ending.answer_the_end = true;
	support_puts(ending.peer, "one\n");
	shutdown(ending.peer, SHUT_WR);
	support_expect(ending.dispatcher, ending.peer, "bye\n");
	support_expect_eof(ending.dispatcher, ending.peer);
	ending_wait();
	ending_finish(LINED_CLOSE_PEER, 0);
}
END_TEST

START_TEST(a_reset_is_an_ERROR_with_its_errno)
{
	ending_begin();
	support_reset(ending.peer);
	ending.peer = -1;
	ending_wait();
	ending_finish(LINED_CLOSE_ERROR, ECONNRESET);
}
END_TEST

enum paused_how {
	PAUSED_QUIET,
	PAUSED_UNREAD,
	PAUSED_BLOCKED,
	PAUSED_WANTS_WRITE,
	PAUSED_HOWS
};

START_TEST(a_reset_is_noticed_while_paused)
{
	static char block[8 * 1024 * 1024];

	ending_begin();
	lined_socket_pause(ending.sock);
	switch ((enum paused_how)_i) {
	case PAUSED_UNREAD:
		support_puts(ending.peer, "unread\n");
		break;
	case PAUSED_BLOCKED:
		lined_socket_send(ending.sock, block, sizeof(block));
		break;
	case PAUSED_WANTS_WRITE:
		lined_socket_want_write(ending.sock, true);
		break;
	default:
		break;
	}
	support_run_turns(ending.dispatcher, 3);
	ck_assert_uint_eq(ending.reads, 0);
	support_reset(ending.peer);
	ending.peer = -1;
	ending_wait();
	ck_assert_int_eq(ending.reason, LINED_CLOSE_ERROR);
	ck_assert(ending.error == ECONNRESET || ending.error == EPIPE);
	ck_assert_uint_eq(ending.reads, 0);
	ending_finish(LINED_CLOSE_ERROR, ending.error);
}
END_TEST

START_TEST(the_end_of_the_peer_waits_for_a_paused_reader_without_spinning)
{
	ending_begin();
	lined_socket_pause(ending.sock);
	support_puts(ending.peer, "last\n");
	close(ending.peer);
	ending.peer = -1;
	ck_assert_uint_le(support_run_for(ending.dispatcher, 60), 6);
	ck_assert_uint_eq(ending.closes, 0);
	lined_socket_resume(ending.sock);
	ending_wait();
	ck_assert_uint_eq(ending.lines, 1);
	ending_finish(LINED_CLOSE_PEER, 0);
}
END_TEST

/* A long queue stops the reading until the next flush, which may read on. */
START_TEST(unread_input_counts_until_the_peer_takes_no_output)
{
	static const char data[5000];

	ending_begin();
	ending.group.limits.send_queue = 4000;
	lined_socket_set_overflow(ending.sock, LINED_OVERFLOW_DROP_NEWEST);
	support_puts(ending.peer, "one\n");
	support_wait_readable(ending.sock->delegate.fd);
	ck_assert_int_eq(lined_socket_send(ending.sock, data, 3000), 0);
	ck_assert(socket_has_unread(ending.sock));
	/* What does not fit is refused, after what was queued is written. */
	ck_assert_int_eq(lined_socket_send(ending.sock, data, 5000), -1);
	ck_assert(!lined_socket_is_send_data_buffered(ending.sock));
	ck_assert(socket_has_unread(ending.sock));
	ck_assert(!lined_socket_is_quiet(ending.sock));
	while (lined_socket_send(ending.sock, data, 3000) == 0)
		;
	ck_assert(!socket_has_unread(ending.sock));
	support_run_turns(ending.dispatcher, 2);
	ck_assert_uint_eq(ending.lines, 0);
	ck_assert(!socket_has_unread(ending.sock));
	lined_socket_close(ending.sock);
	ending_wait();
	ending_finish(LINED_CLOSE_LOCAL, 0);
}
END_TEST

/* When back-pressure ends, more bytes of the peer may be under way after the
 * first ones are read. A drain that closed the socket at that moment would lose
 * them. */
START_TEST(who_was_kept_from_sending_is_not_quiet_yet)
{
	unsigned turns = 0;

	ending_begin();
	support_puts(ending.peer, "one\n");
	support_run_until_count(ending.dispatcher, &ending.lines, 1);
	ck_assert(lined_socket_is_quiet(ending.sock));

	lined_socket_pause(ending.sock);
	support_puts(ending.peer, "two\n");
	support_run_turns(ending.dispatcher, 3);
	ck_assert(!lined_socket_is_quiet(ending.sock));
	lined_socket_resume(ending.sock);
	support_run_until_count(ending.dispatcher, &ending.lines, 2);
	ck_assert(!lined_socket_is_quiet(ending.sock));
	while (!lined_socket_is_quiet(ending.sock)) {
		support_run_for(ending.dispatcher, 10);
		ck_assert_uint_lt(turns++, 500);
	}
	/* As if 30 days had passed: more than half the range of a time of 32
	 * bits in milliseconds. */
	ending.sock->resume_at -= 30u * 86400 * 1000;
	ck_assert(lined_socket_is_quiet(ending.sock));

	lined_socket_close(ending.sock);
	ending_wait();
	ending_finish(LINED_CLOSE_LOCAL, 0);
}
END_TEST

/* ---- half-close ------------------------------------------------------ */

START_TEST(shutdown_write_ends_sending_after_the_queue)
{
	static char block[4 * 1024 * 1024];
	int error;

	ending_begin();
	lined_socket_send(ending.sock, block, sizeof(block));
	lined_socket_shutdown_write(ending.sock);
	support_fails(lined_socket_send(ending.sock, "x", 1), EPIPE);
	ck_assert(!lined_socket_is_writeable(ending.sock));
	ck_assert_uint_eq(support_drain(ending.dispatcher, ending.peer, &error),
			  sizeof(block));
	ck_assert_int_eq(error, 0);
	/* The socket is still read. */
	ck_assert_uint_eq(ending.closes, 0);
	support_puts(ending.peer, "still\n");
	support_run_until_count(ending.dispatcher, &ending.lines, 1);
	close(ending.peer);
	ending.peer = -1;
	ending_wait();
	ending_finish(LINED_CLOSE_PEER, 0);
}
END_TEST

START_TEST(with_half_close_allowed_sending_goes_on_after_the_end)
{
	ending_begin();
	lined_socket_allow_half_close(ending.sock, true);
	support_puts(ending.peer, "one\n");
	shutdown(ending.peer, SHUT_WR);
	support_run_until_count(ending.dispatcher, &ending.lines, 1);
	/* The socket stays open, and the loop does not spin. */
	ck_assert_uint_le(support_run_for(ending.dispatcher, 60), 6);
	ck_assert_int_eq(ending.status, LINED_LINE_CLOSED);
	ck_assert_uint_eq(ending.closes, 0);
	ck_assert_int_eq(lined_socket_send(ending.sock, "two\n", 4), 0);
	support_expect(ending.dispatcher, ending.peer, "two\n");
	lined_socket_close(ending.sock);
	ending_wait();
	ending_finish(LINED_CLOSE_LOCAL, 0);
}
END_TEST

START_TEST(both_halves_closed_is_the_end)
{
	ending_begin();
	lined_socket_allow_half_close(ending.sock, true);
	shutdown(ending.peer, SHUT_WR);
	support_run_until_count(ending.dispatcher, &ending.reads, 1);
	lined_socket_send(ending.sock, "two\n", 4);
	lined_socket_shutdown_write(ending.sock);
	support_expect(ending.dispatcher, ending.peer, "two\n");
	support_expect_eof(ending.dispatcher, ending.peer);
	ending_wait();
	ending_finish(LINED_CLOSE_PEER, 0);
}
END_TEST

START_TEST(a_socket_taken_out_of_its_group_has_the_defaults)
{
	ending_begin();
	lined_socket_set_group(ending.sock, NULL);
	support_puts(ending.peer, "one\n");
	support_run_until_count(ending.dispatcher, &ending.lines, 1);
	ck_assert_int_eq(lined_socket_send(ending.sock, "two\n", 4), 0);
	support_expect(ending.dispatcher, ending.peer, "two\n");
	lined_socket_close(ending.sock);
	ending_wait();
	ck_assert_uint_eq(ending.group.counters.lines_in, 0);
	ck_assert_uint_eq(ending.group_closes, 0);
	close(ending.peer);
	lined_dispatcher_free(ending.dispatcher);
}
END_TEST

START_TEST(every_reason_has_its_text)
{
	static const char *const texts[LINED_CLOSE_REASONS] = {
		"closed", "peer",  "error",    "timeout", "too-long",
		"slow",   "limit", "shutdown", "kicked",
	};

	ck_assert_str_eq(lined_close_reason_text((enum lined_close_reason)_i),
			 texts[_i]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("close");
	TCase *tcase = support_case(suite, "ways");

	tcase_add_test(tcase, handle_close_never_runs_inside_close);
	tcase_add_test(tcase, close_drops_what_is_queued);
	tcase_add_test(tcase, close_after_flush_delivers_all_that_is_queued);
	tcase_add_test(tcase, close_after_flush_with_nothing_queued_is_soon);
	tcase_add_test(tcase, close_after_flush_reads_no_more);
	tcase_add_test(tcase, close_after_flush_gives_up_at_its_deadline);
	tcase_add_test(tcase, a_close_cuts_a_close_after_flush_short);
	tcase_add_test(tcase,
		       the_last_answer_arrives_though_the_peer_still_sends);
	tcase_add_test(tcase,
		       the_last_answer_arrives_though_the_peer_sends_again);
	tcase_add_test(tcase, lingering_ends_by_itself);
	tcase_add_test(tcase, bytes_that_lingering_discards_are_counted);
	tcase_add_test(tcase, a_socket_taken_out_of_its_group_has_the_defaults);
	tcase_add_loop_test(tcase, every_reason_has_its_text, 0,
			    LINED_CLOSE_REASONS);

	tcase = support_case(suite, "peer");
	tcase_add_test(tcase, the_end_of_the_peer_is_PEER);
	tcase_add_test(tcase, what_is_sent_at_the_end_of_the_peer_still_leaves);
	tcase_add_test(tcase, a_reset_is_an_ERROR_with_its_errno);
	tcase_add_loop_test(tcase, a_reset_is_noticed_while_paused, 0,
			    PAUSED_HOWS);
	tcase_add_test(
		tcase,
		the_end_of_the_peer_waits_for_a_paused_reader_without_spinning);
	tcase_add_test(tcase,
		       unread_input_counts_until_the_peer_takes_no_output);
	tcase_add_test(tcase, who_was_kept_from_sending_is_not_quiet_yet);

	tcase = support_case(suite, "half-close");
	tcase_add_test(tcase, shutdown_write_ends_sending_after_the_queue);
	tcase_add_test(tcase,
		       with_half_close_allowed_sending_goes_on_after_the_end);
	tcase_add_test(tcase, both_halves_closed_is_the_end);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
