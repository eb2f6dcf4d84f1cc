/* SPDX-License-Identifier: MIT */
/*
 * Time limits of reading: the rate of lines, and the deadlines for idle
 * clients, first lines and lines.
 */
#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "dispatcher_watch.h"
#include "stream_fixture.h"
#include "support.h"

START_TEST(line_rate_slows_and_never_closes)
{
	uint64_t start_ms = support_now_ms();

	stream_open(NULL);
	stream.group.limits.line_rate = 50;
	stream.group.limits.line_burst = 5;
	support_puts(stream.peer,
		     "1\n2\n3\n4\n5\n6\n7\n8\n9\na\nb\nc\nd\ne\nf\n");
	support_run_turns(stream.d, 3);
	ck_assert_uint_ge(stream.recorder.lines, 5);
	ck_assert_uint_lt(stream.recorder.lines, 15);
	support_run_until_count(stream.d, &stream.recorder.lines, 15);
	ck_assert_uint_ge(support_now_ms() - start_ms, 10 * 20 - 25);
	ck_assert_uint_gt(stream.group.counters.rate_slowed, 0);
	ck_assert_uint_eq(stream.recorder.closes, 0);
}
END_TEST

/* With the old limits the remaining lines would take a minute, and the debt of
 * the rate a quarter of an hour. */
static void expect_free_under(uint32_t rate, uint32_t burst)
{
	stream_open(NULL);
	stream.group.limits.line_rate = 1;
	stream.group.limits.line_burst = 1000;
	for (unsigned i = 0; i < 1050; i++)
		support_puts(stream.peer, "x\n");
	while (stream.group.counters.rate_slowed == 0)
		support_run_turns(stream.d, 1);
	ck_assert_uint_ge(stream.recorder.lines, 1000);
	stream.group.limits.line_rate = rate;
	stream.group.limits.line_burst = burst;
	lined_socket_limits_changed(stream.sock);
	support_run_until_count(stream.d, &stream.recorder.lines, 1050);
	ck_assert_uint_eq(stream.recorder.closes, 0);
	stream_close();
}

START_TEST(changed_rate_holds_at_once_for_who_was_slowed)
{
	expect_free_under(1000, 1000); /* a higher rate */
	expect_free_under(100, 1);     /* a lower rate and burst */
	expect_free_under(0, 0);       /* no rate */
}
END_TEST

/* Slowed input must not make the loop spin, and must not be lost when the peer
 * closes. */
START_TEST(slowed_lines_survive_the_peers_end)
{
	stream_open(NULL);
	stream.group.limits.line_rate = 50;
	stream.group.limits.line_burst = 1;
	support_puts(stream.peer, "1\n2\n3\n4\n5\n");
	shutdown(stream.peer, SHUT_WR);
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&stream.recorder),
			 "<1\\n><2\\n><3\\n><4\\n><5\\n>$#peer");
}
END_TEST

/* The client has sent lines that wait, so it is not idle. */
START_TEST(who_is_slowed_is_not_idle)
{
	stream_open(NULL);
	stream.group.limits.line_rate = 5;
	stream.group.limits.line_burst = 1;
	stream.group.limits.idle_ms = 100;
	lined_socket_limits_changed(stream.sock);
	support_puts(stream.peer, "1\n2\n3\n");
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&stream.recorder),
			 "<1\\n><2\\n><3\\n>#timeout");
}
END_TEST

static void expect_timeout(struct lined_limits limits, const char *data,
			   const char *log)
{
	stream_open(NULL);
	limits.send_queue = LINED_SEND_QUEUE_DEFAULT;
	stream.group.limits = limits;
	lined_socket_limits_changed(stream.sock);
	support_puts(stream.peer, data);
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&stream.recorder), log);
	ck_assert_uint_eq(stream.group.counters.closed[LINED_CLOSE_TIMEOUT], 1);
	stream_close();
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
	/* A report of a crash or a stuck worker names the service. */
	ck_assert_ptr_eq(dispatcher_serving(stream.d),
			 lined_socket_group(stream.sock));
	lined_socket_printf(sock, "421 timeout\n");
}

static void note_close(struct lined_socket *sock, void *arg,
		       enum lined_close_reason reason, int error)
{
	unsigned *calls = arg;

	ck_assert_int_eq(reason, LINED_CLOSE_TIMEOUT);
	++*calls;
}

START_TEST(a_timeout_may_be_told_before_the_end)
{
	static const struct lined_socket_handlers handlers = {
		.handle_timeout = say_goodbye,
		.handle_close = note_close,
	};
	struct lined_socket_group group = {
		.limits = {.idle_ms = 50, .send_queue = 1024},
	};
	char heard[20] = "";
	unsigned calls = 0;

	stream_open_with(&handlers, &calls, &group);
	support_run_until_count(stream.d, &calls, 2);
	ck_assert_int_eq(
		recv(stream.peer, heard, sizeof(heard) - 1, MSG_WAITALL),
		strlen("421 timeout\n"));
	ck_assert_str_eq(heard, "421 timeout\n");
	stream_close();
}
END_TEST

START_TEST(first_line_timeout_closes_who_says_nothing)
{
	expect_timeout((struct lined_limits){.first_line_ms = 60}, "half",
		       "#timeout");
	stream_open(NULL);
	stream.group.limits.first_line_ms = 60;
	lined_socket_limits_changed(stream.sock);
	support_puts(stream.peer, "a\n");
	support_run_for(stream.d, 150);
	ck_assert_str_eq(recorder_log(&stream.recorder), "<a\\n>");
}
END_TEST

START_TEST(line_timeout_runs_from_the_first_byte)
{
	expect_timeout((struct lined_limits){.line_ms = 60}, "a\nb",
		       "<a\\n>#timeout");
	stream_open(NULL);
	stream.group.limits.line_ms = 60;
	lined_socket_limits_changed(stream.sock);
	support_puts(stream.peer, "a\n");
	support_run_for(stream.d, 150); /* no line has begun: no deadline
					 * runs */
	ck_assert_str_eq(recorder_log(&stream.recorder), "<a\\n>");
}
END_TEST

/* A limit has 32 bits: the longest one is 49 days. */
START_TEST(the_longest_deadlines_close_nobody_now)
{
	stream_open(NULL);
	stream.group.limits.idle_ms = UINT32_MAX;
	stream.group.limits.first_line_ms = UINT32_MAX - 1;
	stream.group.limits.line_ms = (uint32_t)INT32_MAX + 1;
	stream.group.limits.send_stall_ms = UINT32_MAX;
	lined_socket_limits_changed(stream.sock);
	support_puts(stream.peer, "half");
	ck_assert_uint_le(support_run_for(stream.d, 60), 5);
	support_puts(stream.peer, " a line\n");
	support_run_turns(stream.d, 2);
	ck_assert_str_eq(recorder_log(&stream.recorder), "<half a line\\n>");
	lined_socket_pause(stream.sock);
	lined_socket_close_after_flush(stream.sock, LINED_CLOSE_LIMIT,
				       UINT32_MAX);
	support_expect_eof(stream.d, stream.peer);
}
END_TEST

/* Single bytes are no line: they do not move a deadline. */
static void expect_drip_to_end(struct lined_limits limits)
{
	uint64_t start_ms;

	stream_open(NULL);
	limits.send_queue = LINED_SEND_QUEUE_DEFAULT;
	stream.group.limits = limits;
	lined_socket_limits_changed(stream.sock);
	start_ms = support_now_ms();
	while (stream.recorder.closes == 0) {
		send(stream.peer, "x", 1, MSG_NOSIGNAL);
		support_run_for(stream.d, 10);
		ck_assert_uint_lt(support_now_ms() - start_ms,
				  SUPPORT_WATCHDOG_MS);
	}
	ck_assert_int_eq(stream.recorder.reason, LINED_CLOSE_TIMEOUT);
	stream_close();
}

START_TEST(dripping_bytes_moves_no_deadline)
{
	expect_drip_to_end((struct lined_limits){.idle_ms = 100});
	expect_drip_to_end((struct lined_limits){.first_line_ms = 100});
	expect_drip_to_end((struct lined_limits){.line_ms = 100});
}
END_TEST

/* Reads only in the next turn, like a protocol that must ask another thread
 * first. */
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
	ck_assert_int_eq(reason, LINED_CLOSE_TIMEOUT);
	ck_assert_str_eq(lined_socket_missed_deadline(sock), "line");
}

static const struct lined_socket_handlers late_handlers = {
	.handle_read = read_every_other_time,
	.handle_close = expect_line_timeout,
};

START_TEST(line_timeout_is_not_moved_by_a_late_reader)
{
	struct lined_socket_group group = {
		.limits = {.line_ms = 100, .send_queue = 1024},
	};
	uint64_t start_ms = support_now_ms();
	unsigned calls = 0;

	stream_open_with(&late_handlers, &calls, &group);
	while (group.counters.closed[LINED_CLOSE_TIMEOUT] == 0) {
		send(stream.peer, "x", 1, MSG_NOSIGNAL);
		support_run_for(stream.d, 10);
		ck_assert_uint_lt(support_now_ms() - start_ms,
				  SUPPORT_WATCHDOG_MS);
	}
	stream_close();
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

/* The line may have ended in the input that is not read yet. */
START_TEST(line_timeout_spares_who_waits_for_the_reader)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = pause_at_the_second,
	};
	struct lined_socket_group group = {
		.limits = {.line_ms = 250, .send_queue = 1024},
	};
	unsigned calls = 0;

	stream_open_with(&handlers, &calls, &group);
	support_puts(stream.peer, "a");
	support_run_until_count(stream.d, &calls, 1);
	support_puts(stream.peer, "b\n");
	support_run_until_count(stream.d, &calls, 2);
	support_run_for(stream.d, 400);
	ck_assert(lined_socket_is_connected(stream.sock));
	lined_socket_resume(stream.sock);
	support_run_until_count(stream.d, &calls, 3);
	ck_assert_uint_eq(group.counters.lines_in, 1);
	support_run_for(stream.d, 400);
	ck_assert(lined_socket_is_connected(stream.sock));
	stream_close();
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("socket_deadline");
	TCase *times = stream_case(suite, "times");

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
