/* SPDX-License-Identifier: MIT */
/*
 * A send queue that fills up: what the receiver sees with each overflow policy,
 * back-pressure, water marks, and the memory of the queue.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_priv.h"
#include "stream_fixture.h"
#include "support.h"

/* ---- overflow ---------------------------------------------------------- */

START_TEST(full_queue_closes_a_slow_reader)
{
	char chunk[4096];
	unsigned sent = 0;

	memset(chunk, 'x', sizeof(chunk));
	stream_open_small(65536);
	while (lined_socket_send(stream.sock, chunk, sizeof(chunk)) == 0) {
		ck_assert_uint_le(lined_socket_queued(stream.sock), 65536);
		support_run_turns(stream.d, 1);
		ck_assert_uint_lt(++sent, 10000);
	}
	ck_assert_int_eq(errno, ENOBUFS);
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_int_eq(stream.recorder.reason, LINED_CLOSE_SLOW);
	ck_assert_uint_eq(stream.group.counters.closed[LINED_CLOSE_SLOW], 1);
}
END_TEST

/* Sends of the same length, each filled with its number. */
#define RECORDS 3000

struct records {
	size_t size;
	size_t kept;
	bool taken[RECORDS];
};

static void make_record(char *record, size_t size, unsigned number)
{
	memset(record, 'a' + (int)(number % 26), size);
	sprintf(record, "%05u", number % 100000);
	record[5] = ' ';
	record[size - 1] = '\n';
}

static void send_records(struct records *r, unsigned count)
{
	char *record = malloc(r->size);
	struct lined_buffer *buffer;

	ck_assert_ptr_nonnull(record);
	for (unsigned i = 0; i < count; i++) {
		make_record(record, r->size, i);
		if (i % 3 == 2) {
			buffer = lined_buffer_new(record, r->size);
			ck_assert_ptr_nonnull(buffer);
			r->taken[i] =
				lined_socket_send_shared(stream.sock, buffer, 0,
							 r->size) == 0;
			lined_buffer_unref(buffer);
		} else {
			r->taken[i] = lined_socket_send(stream.sock, record,
							r->size) == 0;
		}
		if (!r->taken[i])
			ck_assert_int_eq(errno, ENOBUFS);
		r->kept += r->taken[i];
		ck_assert_uint_le(lined_socket_queued(stream.sock),
				  stream.group.limits.send_queue);
		if (i % 7 == 0)
			support_run_turns(stream.d, 1);
	}
	free(record);
}

/* Reads until the end. Every record must be whole, and numbers must ascend.
 * Returns how many records came. */
static unsigned receive_records(const struct records *r, unsigned *last)
{
	char *record = malloc(r->size), *want = malloc(r->size);
	uint64_t start_ms = support_now_ms();
	unsigned count = 0, number;
	size_t have = 0;
	ssize_t n;

	ck_assert_ptr_nonnull(record);
	ck_assert_ptr_nonnull(want);
	*last = 0;
	lined_socket_close_after_flush(stream.sock, LINED_CLOSE_LOCAL, 0);
	for (;;) {
		n = recv(stream.peer, record + have, r->size - have,
			 MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			support_run_turns(stream.d, 1);
			ck_assert_uint_lt(support_now_ms() - start_ms,
					  SUPPORT_WATCHDOG_MS);
			continue;
		}
		have += (size_t)n;
		if (have < r->size)
			continue;
		have = 0;
		number = (unsigned)strtoul(record, NULL, 10);
		ck_assert_uint_lt(number, RECORDS);
		make_record(want, r->size, number);
		ck_assert_mem_eq(record, want, r->size);
		ck_assert(count == 0 || number > *last);
		ck_assert(r->taken[number]);
		*last = number;
		count++;
	}
	ck_assert_uint_eq(have, 0); /* no record was cut off */
	free(record);
	free(want);
	return count;
}

static void check_drop_newest(size_t size, uint32_t queue, unsigned count)
{
	static struct records r;
	unsigned last;

	memset(&r, 0, sizeof(r));
	r.size = size;
	stream_open_small(queue);
	lined_socket_set_overflow(stream.sock, LINED_OVERFLOW_DROP_NEWEST);
	send_records(&r, count);
	ck_assert_uint_lt(r.kept, count);
	ck_assert_uint_eq(stream.group.counters.sends_dropped, count - r.kept);
	ck_assert_uint_eq(lined_socket_take_dropped(stream.sock),
			  count - r.kept);
	ck_assert_uint_eq(lined_socket_take_dropped(stream.sock), 0);
	ck_assert_uint_eq(stream.recorder.closes, 0);
	ck_assert_uint_eq(receive_records(&r, &last), r.kept);
	stream_close();
}

START_TEST(drop_newest_keeps_exactly_what_was_taken)
{
	check_drop_newest(1000, 65536, 1500);
	check_drop_newest(50, 4096, RECORDS);
	check_drop_newest(30000, 100000, 60);
}
END_TEST

static void check_drop_oldest(size_t size, uint32_t queue, unsigned count)
{
	static struct records r;
	unsigned last, got, dropped;

	memset(&r, 0, sizeof(r));
	r.size = size;
	stream_open_small(queue);
	lined_socket_set_overflow(stream.sock, LINED_OVERFLOW_DROP_OLDEST);
	send_records(&r, count);
	ck_assert_uint_eq(r.kept, count);
	dropped = lined_socket_take_dropped(stream.sock);
	ck_assert_uint_gt(dropped, 0);
	ck_assert_uint_eq(stream.group.counters.sends_dropped, dropped);
	got = receive_records(&r, &last);
	ck_assert_uint_eq(got + dropped, count);
	ck_assert_uint_eq(last, count - 1);
	stream_close();
}

START_TEST(drop_oldest_never_cuts_one_already_begun)
{
	check_drop_oldest(1000, 65536, 1500);
	check_drop_oldest(50, 4096, RECORDS);
	check_drop_oldest(30000, 100000, 60);
}
END_TEST

/* A send that is partly written stays in the queue, so there may be no room for
 * a big one. */
START_TEST(drop_oldest_drops_the_new_one_where_nothing_else_can_go)
{
	static char big[100000];
	size_t rest;

	stream_open_small(sizeof(big));
	lined_socket_set_overflow(stream.sock, LINED_OVERFLOW_DROP_OLDEST);
	ck_assert_int_eq(lined_socket_send(stream.sock, big, sizeof(big)), 0);
	support_run_turns(stream.d, 3);
	rest = lined_socket_queued(stream.sock);
	ck_assert_uint_gt(rest, 1);
	ck_assert_uint_lt(rest, sizeof(big));
	support_fails(
		lined_socket_send(stream.sock, big, sizeof(big) - rest + 1),
		ENOBUFS);
	ck_assert_uint_eq(lined_socket_take_dropped(stream.sock), 1);
	ck_assert_int_eq(
		lined_socket_send(stream.sock, big, sizeof(big) - rest), 0);
	ck_assert_uint_eq(lined_socket_take_dropped(stream.sock), 0);
	ck_assert_uint_eq(stream.recorder.closes, 0);
}
END_TEST

/* If a send would not fit anyway, no other send is dropped for it. */
START_TEST(drop_oldest_drops_nothing_where_that_makes_no_room)
{
	static char big[100000], got[100050];
	size_t rest, more, have = 0;
	ssize_t n;

	stream_open_small(sizeof(big));
	lined_socket_set_overflow(stream.sock, LINED_OVERFLOW_DROP_OLDEST);
	ck_assert_int_eq(lined_socket_send(stream.sock, big, sizeof(big)), 0);
	support_run_turns(stream.d, 3);
	rest = lined_socket_queued(stream.sock);
	ck_assert_uint_gt(rest, 200);
	ck_assert_uint_lt(rest, sizeof(big) - 50);
	ck_assert_int_eq(lined_socket_send(stream.sock, "waits", 5), 0);
	support_fails(
		lined_socket_send(stream.sock, big, sizeof(big) - rest + 1),
		ENOBUFS);
	ck_assert_uint_eq(lined_socket_take_dropped(stream.sock), 1);
	ck_assert_uint_eq(lined_socket_queued(stream.sock), rest + 5);
	/* The oldest send is dropped if that makes room. */
	ck_assert_int_eq(lined_socket_send(stream.sock, "too", 3), 0);
	more = sizeof(big) - rest - 3 - 48;
	ck_assert_int_eq(lined_socket_send(stream.sock, big, more), 0);
	ck_assert_uint_eq(lined_socket_take_dropped(stream.sock), 1);
	lined_socket_close_after_flush(stream.sock, LINED_CLOSE_LOCAL, 0);
	while ((n = recv(stream.peer, got, sizeof(got), MSG_DONTWAIT)) != 0) {
		ck_assert(n > 0 || errno == EAGAIN);
		have += n > 0 ? (size_t)n : 0;
		support_run_turns(stream.d, 1);
	}
	ck_assert_uint_eq(have, sizeof(big) + 3 + more);
}
END_TEST

/* The memory of many short sends is bounded, too. */
START_TEST(short_sends_count_what_holds_them)
{
	stream_open_small(4900);
	lined_socket_set_overflow(stream.sock, LINED_OVERFLOW_DROP_OLDEST);
	while (lined_socket_take_dropped(stream.sock) == 0)
		ck_assert_int_eq(lined_socket_send(stream.sock, "\n", 1), 0);
	ck_assert_uint_le(lined_socket_queued(stream.sock), 4900 / 49 + 1);
	ck_assert_uint_lt(lined_socket_room(stream.sock), 49);
}
END_TEST

/* The send that is partly written stays. */
START_TEST(old_sends_are_dropped_by_age)
{
	static char big[100000];
	size_t rest;

	stream_open_small(0);
	lined_socket_keep_apart(stream.sock, true);
	ck_assert_uint_eq(lined_socket_drop_older(stream.sock, 0), 0);
	do {
		lined_socket_send(stream.sock, big, sizeof(big));
		support_run_turns(stream.d, 3);
		rest = lined_socket_queued(stream.sock);
	} while (rest == 0);
	ck_assert_int_eq(lined_socket_send(stream.sock, "old", 3), 0);
	ck_assert_int_eq(lined_socket_send(stream.sock, "older", 5), 0);
	ck_assert_uint_eq(lined_socket_drop_older(stream.sock, 100000), 0);
	support_run_for(stream.d, 50);
	ck_assert_int_eq(lined_socket_send(stream.sock, "new", 3), 0);
	ck_assert_uint_eq(lined_socket_drop_older(stream.sock, 20), 2);
	ck_assert_uint_eq(lined_socket_take_dropped(stream.sock), 2);
	ck_assert_uint_eq(lined_socket_queued(stream.sock), rest + 3);
	ck_assert_uint_eq(stream.group.counters.queued, rest + 3);
	/* Nor does a socket between two dispatchers drop any. */
	support_run_for(stream.d, 10);
	ck_assert_int_eq(
		lined_dispatcher_unregister(stream.d, &stream.sock->delegate),
		0);
	ck_assert_uint_eq(lined_socket_drop_older(stream.sock, 0), 0);
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(stream.d, stream.sock));
	ck_assert_uint_eq(lined_socket_drop_older(stream.sock, 0), 1);
}
END_TEST

START_TEST(send_over_the_limit_is_dropped_alone)
{
	static char big[10000];

	for (int policy = LINED_OVERFLOW_DROP_NEWEST;
	     policy <= LINED_OVERFLOW_DROP_OLDEST; policy++) {
		stream_open_small(8192);
		lined_socket_set_overflow(stream.sock,
					  (enum lined_overflow)policy);
		ck_assert_int_eq(lined_socket_send(stream.sock, "a", 1), 0);
		support_fails(lined_socket_send(stream.sock, big, sizeof(big)),
			      ENOBUFS);
		ck_assert_int_eq(lined_socket_send(stream.sock, "b", 1), 0);
		ck_assert_uint_eq(lined_socket_take_dropped(stream.sock), 1);
		support_expect(stream.d, stream.peer, "ab");
		stream_close();
	}
}
END_TEST

/* ---- back-pressure ----------------------------------------------------- */

#define QUEUE (64 * 1024)

/* An echo that checks how full its queue is when it is called. */
struct watcher {
	unsigned lines;
	bool above; /* at the end of a call, the queue was above its high
		     * mark */
	unsigned resumed;
};

static void watcher_read(struct lined_socket *sock, void *arg)
{
	struct watcher *w = arg;
	struct lined_line line;

	ck_assert_uint_le(lined_socket_queued(sock), QUEUE / 4);
	if (w->above) {
		ck_assert_uint_le(lined_socket_queued(sock), QUEUE / 8);
		w->above = false;
		w->resumed++;
	}
	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY) {
		w->lines++;
		ck_assert_int_eq(lined_socket_send_line(sock, &line), 0);
	}
	/* One answer may exceed the mark. After that, no other line may be
	 * delivered. */
	ck_assert_uint_le(lined_socket_queued(sock), QUEUE / 4 + 1024);
	w->above = lined_socket_queued(sock) > QUEUE / 4;
}

static const struct lined_socket_handlers watcher_handlers = {
	.handle_read = watcher_read,
};

static size_t flood(const char *data, size_t len, size_t sent)
{
	unsigned quiet = 0;

	while (sent < len && quiet < 20) {
		ssize_t n = send(stream.peer, data + sent, len - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		quiet = n > 0 ? 0 : quiet + 1;
		sent += n > 0 ? (size_t)n : 0;
		support_run_for(stream.d, n > 0 ? 1 : 5);
	}
	return sent;
}

START_TEST(peer_that_never_reads_is_not_read_until_it_does)
{
	const size_t len = 2 << 20, width = 128;
	struct watcher w = {.lines = 0};
	char *data = malloc(len + 1), *got = malloc(len);
	size_t sent = 0, have = 0;
	uint64_t start_ms = support_now_ms();
	unsigned stopped;
	ssize_t n;

	ck_assert_ptr_nonnull(data);
	ck_assert_ptr_nonnull(got);
	for (size_t at = 0; at < len; at += width) {
		memset(data + at, '.', width);
		sprintf(data + at, "%zu", at);
		data[at + width - 1] = '\n';
	}
	stream_open_small(QUEUE);
	lined_socket_set_handlers(stream.sock, &watcher_handlers, &w);
	sent = flood(data, len, 0);
	ck_assert_uint_lt(sent, len);
	ck_assert_uint_gt(lined_socket_queued(stream.sock), QUEUE / 4);
	ck_assert(!lined_socket_is_writeable(stream.sock));
	/* The socket may hold one read and a full queue of bytes that it has
	 * not sent back. */
	ck_assert_uint_le(stream.group.counters.bytes_in -
				  stream.group.counters.bytes_out,
			  QUEUE + 65536);
	stopped = w.lines;
	ck_assert_uint_le(support_run_for(stream.d, 50), 3);
	ck_assert_uint_eq(w.lines, stopped);
	while (have < len) {
		n = recv(stream.peer, got + have, len - have, MSG_DONTWAIT);
		have += n > 0 ? (size_t)n : 0;
		if (sent < len) {
			ssize_t more =
				send(stream.peer, data + sent, len - sent,
				     MSG_DONTWAIT | MSG_NOSIGNAL);

			sent += more > 0 ? (size_t)more : 0;
		}
		support_run_turns(stream.d, 1);
		ck_assert_uint_lt(support_now_ms() - start_ms,
				  2 * SUPPORT_WATCHDOG_MS);
	}
	ck_assert_mem_eq(got, data, len);
	ck_assert_uint_gt(w.resumed, 0);
	ck_assert(lined_socket_is_writeable(stream.sock));
	free(data);
	free(got);
}
END_TEST

/* ---- memory ------------------------------------------------------------ */

static size_t resident_kib(void)
{
	char text[64];
	size_t pages;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	fclose(file);
	ck_assert_int_eq(sscanf(text, "%*u %zu", &pages), 1);
	return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

enum { SMALL_SENDS, MIXED_SENDS, SHARED_SENDS, KINDS };

/* The memory of a queue is a small multiple of its bytes, even with the
 * smallest sends. */
START_TEST(memory_follows_the_queue_whatever_is_sent)
{
	struct lined_buffer *shared = lined_buffer_new("0123456789abcdef", 16);
	size_t before;

	for (int overflow = 0; overflow < 3; overflow++) {
		stream_open_small(1024 * 1024);
		lined_socket_set_overflow(stream.sock,
					  (enum lined_overflow)overflow);
		before = resident_kib();
		for (size_t i = 0; i < 50000; i++) {
			int result;

			if (_i == SHARED_SENDS || (_i == MIXED_SENDS && i % 2))
				result = lined_socket_send_shared(
					stream.sock, shared, i % 2, 14);
			else
				result = lined_socket_send(stream.sock,
							   "little\n", 7);
			ck_assert_int_eq(result, 0);
			if (i == 5000) /* the buffers of the kernel are full */
				support_run_turns(stream.d, 2);
		}
		ck_assert_uint_ge(lined_socket_queued(stream.sock), 100000);
		ck_assert_uint_le(resident_kib() - before, 24 * 1024);
		stream_close();
	}
	lined_buffer_unref(shared);
}
END_TEST

/* ---- want_write -------------------------------------------------------- */

static void pump_write(struct lined_socket *sock, void *arg)
{
	static const char chunk[1000] = {'x'};

	(*(unsigned *)arg)++;
	ck_assert(lined_socket_is_writeable(sock));
	ck_assert_uint_le(lined_socket_queued(sock), QUEUE / 8);
	ck_assert_int_eq(lined_socket_send(sock, chunk, sizeof(chunk)), 0);
}

START_TEST(handle_write_comes_while_wanted_and_writeable)
{
	static const struct lined_socket_handlers handlers = {
		.handle_write = pump_write,
	};
	unsigned writes = 0, before;

	stream_open_small(QUEUE);
	lined_socket_set_handlers(stream.sock, &handlers, &writes);
	support_run_turns(stream.d, 3);
	ck_assert_uint_eq(writes, 0);
	lined_socket_want_write(stream.sock, true);
	/* Writes until the kernel's buffers, and the queue up to its low mark,
	 * are full. */
	do {
		before = writes;
		support_run_for(stream.d, 20);
	} while (writes > before);
	ck_assert_uint_gt(writes, 3);
	ck_assert_uint_le(lined_socket_queued(stream.sock), QUEUE / 8 + 1000);
	/* When the peer reads, more is written. */
	for (int i = 0; i < 50; i++) {
		char sink[65536];

		if (recv(stream.peer, sink, sizeof(sink), MSG_DONTWAIT) < 0)
			ck_assert_int_eq(errno, EAGAIN);
		support_run_turns(stream.d, 1);
	}
	ck_assert_uint_gt(writes, before);
	lined_socket_want_write(stream.sock, false);
	before = writes;
	support_run_turns(stream.d, 5);
	ck_assert_uint_eq(writes, before);
}
END_TEST

/* A queue must be below its low mark even if it was never above the high
 * one. */
START_TEST(handle_write_waits_until_the_queue_is_low)
{
	static const struct lined_socket_handlers handlers = {
		.handle_write = pump_write,
	};
	static char chunk[1000];
	unsigned writes = 0;

	stream_open_small(QUEUE);
	lined_socket_set_handlers(stream.sock, &handlers, &writes);
	while (lined_socket_queued(stream.sock) <= QUEUE / 8 + sizeof(chunk)) {
		ck_assert_int_eq(
			lined_socket_send(stream.sock, chunk, sizeof(chunk)),
			0);
		support_run_turns(stream.d, 1);
	}
	ck_assert(lined_socket_is_writeable(stream.sock));
	lined_socket_want_write(stream.sock, true);
	for (int i = 0; i < 500 && writes == 0; i++) {
		char sink[500];

		recv(stream.peer, sink, sizeof(sink), MSG_DONTWAIT);
		support_run_turns(stream.d, 1);
	}
	ck_assert_uint_gt(writes, 0);
}
END_TEST

START_TEST(longer_queue_is_read_again)
{
	static char data[QUEUE - 1000];

	stream_open_small(QUEUE);
	ck_assert_int_eq(lined_socket_send(stream.sock, data, sizeof(data)), 0);
	support_run_turns(stream.d, 2);
	ck_assert_uint_gt(lined_socket_queued(stream.sock), QUEUE / 4);
	support_puts(stream.peer, "one\n");
	support_run_turns(stream.d, 2);
	ck_assert_int_eq(stream.recorder.lines, 0);
	stream.group.limits.send_queue = QUEUE * 8;
	lined_socket_limits_changed(stream.sock);
	support_run_turns(stream.d, 2);
	ck_assert_int_eq(stream.recorder.lines, 1);
}
END_TEST

/* After the end of the write side, handle_write is not called. */
START_TEST(handle_write_ends_with_the_write_side)
{
	static const struct lined_socket_handlers handlers = {
		.handle_write = pump_write,
	};
	unsigned writes = 0;

	stream_open_small(QUEUE);
	lined_socket_set_handlers(stream.sock, &handlers, &writes);
	lined_socket_want_write(stream.sock, true);
	lined_socket_shutdown_write(stream.sock);
	ck_assert_uint_le(support_run_for(stream.d, 60), 3);
	ck_assert_uint_eq(writes, 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("send_overflow");
	TCase *overflow = stream_case(suite, "overflow");
	TCase *pressure = stream_case(suite, "pressure");

	tcase_add_test(overflow, full_queue_closes_a_slow_reader);
	tcase_add_test(overflow, drop_newest_keeps_exactly_what_was_taken);
	tcase_add_test(overflow, drop_oldest_never_cuts_one_already_begun);
	tcase_add_test(overflow,
		       drop_oldest_drops_the_new_one_where_nothing_else_can_go);
	tcase_add_test(overflow,
		       drop_oldest_drops_nothing_where_that_makes_no_room);
	tcase_add_test(overflow, short_sends_count_what_holds_them);
	tcase_add_test(overflow, old_sends_are_dropped_by_age);
	tcase_add_test(overflow, send_over_the_limit_is_dropped_alone);
	tcase_add_test(pressure,
		       peer_that_never_reads_is_not_read_until_it_does);
	tcase_add_loop_test(pressure, memory_follows_the_queue_whatever_is_sent,
			    0, KINDS);
	tcase_add_test(pressure, handle_write_comes_while_wanted_and_writeable);
	tcase_add_test(pressure, handle_write_waits_until_the_queue_is_low);
	tcase_add_test(pressure, longer_queue_is_read_again);
	tcase_add_test(pressure, handle_write_ends_with_the_write_side);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
