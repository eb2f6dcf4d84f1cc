/* SPDX-License-Identifier: MIT */
/*
 * Sending: order and ownership of what is queued, the overflow policies as the
 * receiver sees them, water marks and back-pressure, the errors of a flush, and
 * the stall deadline. test-close tests how a closing socket flushes.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "recorder.h"
#include "support.h"

struct send_case {
	struct lined_dispatcher *d;
	struct lined_socket *sock;
	struct lined_socket_group group;
	struct recorder recorder;
	int peer;
};

/* Each test begins with an empty one. */
static struct send_case c;

/*
 * A pair of UNIX sockets whose buffers are small: the kernel takes little, so
 * the queue is met soon, and makes progress as soon as the peer reads.
 */
static void case_init(struct send_case *one, uint32_t send_queue)
{
	int size = 16384, fds[2];

	memset(one, 0, sizeof(*one));
	one->d = support_dispatcher();
	one->group.limits.send_queue = send_queue;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	one->peer = fds[1];
	one->sock = support_socket(&recorder_handlers, &one->recorder);
	lined_socket_set_group(one->sock, &one->group);
	ck_assert_int_eq(
		lined_socket_wrap(one->sock, fds[0], LINED_SOCKET_CONNECTED),
		0);
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(one->d, one->sock));
}

static void case_fini(struct send_case *one)
{
	lined_dispatcher_free(one->d);
	if (one->peer >= 0)
		close(one->peer);
	recorder_fini(&one->recorder);
}

static void open_case(uint32_t send_queue)
{
	case_init(&c, send_queue);
}

static void close_case(void)
{
	if (c.d != NULL)
		case_fini(&c);
	c.d = NULL;
}

static TCase *send_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, NULL, close_case);
	return tcase;
}

/* ---- order and ownership ---------------------------------------------- */

START_TEST(all_kinds_of_sends_keep_their_order)
{
	struct lined_buffer *buffer = lined_buffer_new("0123456789", 10);
	const struct lined_line line = {"line", 4, "\r\n", 2, false, false};
	const struct iovec pieces[] = {{(void *)(uintptr_t) "pie", 3},
				       {NULL, 0},
				       {(void *)(uintptr_t) "ces;", 4}};
	struct lined_socket *alone;

	open_case(0);
	ck_assert_int_eq(lined_socket_send(c.sock, "one;", 4), 0);
	ck_assert_int_eq(lined_socket_send_shared(c.sock, buffer, 2, 3), 0);
	ck_assert_int_eq(lined_socket_send_shared(c.sock, buffer, 5, 5), 0);
	ck_assert_int_eq(lined_socket_sendv(c.sock, pieces, 3), 0);
	ck_assert_int_eq(lined_socket_send(c.sock, "", 0), 0);
	ck_assert_int_eq(lined_socket_send_line(c.sock, &line), 0);
	ck_assert_int_eq(lined_socket_send_shared(c.sock, buffer, 0, 1), 0);
	ck_assert_uint_eq(lined_socket_queued(c.sock), 4 + 8 + 7 + 6 + 1);
	ck_assert_uint_eq(lined_socket_room(c.sock), SIZE_MAX);
	alone = lined_socket_new(NULL, NULL);
	ck_assert_uint_eq(lined_socket_room(alone), SIZE_MAX);
	lined_socket_close(alone);
	c.group.limits.send_queue = 100;
	ck_assert_uint_eq(lined_socket_room(c.sock), 100 - 26);
	c.group.limits.send_queue = 20; /* reloaded */
	ck_assert_uint_eq(lined_socket_room(c.sock), 0);
	c.group.limits.send_queue = 0;
	ck_assert(lined_socket_is_send_data_buffered(c.sock));
	support_expect(c.d, c.peer, "one;23456789pieces;line\r\n0");
	ck_assert(!lined_socket_is_send_data_buffered(c.sock));
	ck_assert_uint_eq(c.group.counters.bytes_out, 26);
	lined_buffer_unref(buffer);
}
END_TEST

START_TEST(sent_bytes_are_copied)
{
	char bytes[] = "before";

	open_case(0);
	ck_assert_int_eq(lined_socket_send(c.sock, bytes, 6), 0);
	memcpy(bytes, "after!", 6);
	support_expect(c.d, c.peer, "before");
}
END_TEST

START_TEST(a_formatted_text_is_one_send_of_any_length)
{
	char longer[3000], *want = malloc(8 * sizeof(longer));

	ck_assert_ptr_nonnull(want);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	open_case(0);
	ck_assert_int_eq(lined_socket_printf(c.sock, "%s %d;", "one", 1), 0);
	ck_assert_int_eq(lined_socket_printf(c.sock, "%s", ""), 0);
	/* Around what it has room for. */
	ck_assert_int_eq(lined_socket_printf(c.sock, "%.1023s;", longer), 0);
	ck_assert_int_eq(lined_socket_printf(c.sock, "%.1022s;", longer), 0);
	ck_assert_int_eq(lined_socket_printf(c.sock, "%s,%s", longer, "end"),
			 0);
	ck_assert_uint_eq(c.group.counters.sends, 4);
	sprintf(want, "one 1;%.1023s;%.1022s;%s,end", longer, longer, longer);
	support_expect(c.d, c.peer, want);
	lined_socket_close(c.sock);
	support_fails(lined_socket_printf(c.sock, "late"), EPIPE);
	free(want);
}
END_TEST

/* Nothing is that long: a length went below zero somewhere. */
START_TEST(size_that_no_send_has_is_refused)
{
	static char byte;
	const struct iovec pieces[] = {{&byte, SIZE_MAX - 10}, {&byte, 20}};

	for (uint32_t limit = 0; limit <= 1000; limit += 1000) {
		open_case(limit);
		lined_socket_set_overflow(c.sock, LINED_OVERFLOW_DROP_NEWEST);
		ck_assert_int_eq(lined_socket_send(c.sock, "kept", 4), 0);
		ck_assert_int_eq(lined_socket_sendv(c.sock, pieces, 2), -1);
		ck_assert_int_eq(errno, EMSGSIZE);
		ck_assert_int_eq(lined_socket_send(c.sock, &byte, SIZE_MAX - 2),
				 -1);
		ck_assert_int_eq(errno, limit > 0 ? ENOBUFS : EMSGSIZE);
		support_expect(c.d, c.peer, "kept");
		close_case();
	}
}
END_TEST

START_TEST(part_outside_of_a_buffer_is_refused)
{
	struct lined_buffer *buffer = lined_buffer_new("abc", 3);

	open_case(0);
	ck_assert_int_eq(lined_socket_send_shared(c.sock, buffer, 4, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(lined_socket_send_shared(c.sock, buffer, 1, 3), -1);
	ck_assert_int_eq(
		lined_socket_send_shared(c.sock, buffer, 2, (size_t)-1), -1);
	ck_assert_uint_eq(lined_socket_queued(c.sock), 0);
	lined_buffer_unref(buffer);
}
END_TEST

static void count_release(void *arg)
{
	(*(unsigned *)arg)++;
}

START_TEST(shared_buffer_is_released_when_the_last_has_sent)
{
	unsigned released = 0;
	struct lined_buffer *buffer =
		lined_buffer_wrap("shared\n", 7, count_release, &released);
	struct send_case cases[3];

	for (int i = 0; i < 3; i++) {
		case_init(&cases[i], 0);
		ck_assert_int_eq(
			lined_socket_send_shared(cases[i].sock, buffer, 0, 7),
			0);
	}
	lined_buffer_unref(buffer);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(released, 0);
		support_expect(cases[i].d, cases[i].peer, "shared\n");
	}
	ck_assert_uint_eq(released, 1);
	for (int i = 0; i < 3; i++)
		case_fini(&cases[i]);
	ck_assert_uint_eq(released, 1);
}
END_TEST

START_TEST(shared_buffer_is_released_by_a_close)
{
	static char bytes[1 << 20];
	unsigned released = 0;
	struct lined_buffer *buffer = lined_buffer_wrap(
		bytes, sizeof(bytes), count_release, &released);

	open_case(0);
	ck_assert_int_eq(
		lined_socket_send_shared(c.sock, buffer, 0, sizeof(bytes)), 0);
	lined_buffer_unref(buffer);
	support_run_turns(c.d, 3); /* sent in part */
	ck_assert_uint_gt(lined_socket_queued(c.sock), 0);
	ck_assert_uint_lt(lined_socket_queued(c.sock), sizeof(bytes));
	ck_assert_uint_eq(released, 0);
	lined_socket_close(c.sock);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_uint_eq(released, 1);
}
END_TEST

/* A SEQPACKET peer shows where one write ended and the next began. */
START_TEST(what_a_turn_sends_leaves_in_one_write)
{
	struct recorder recorder = {0};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket *sock =
		support_socket(&recorder_handlers, &recorder);
	char got[512];
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	ck_assert_int_eq(
		lined_socket_wrap(sock, fds[0], LINED_SOCKET_CONNECTED), 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	recorder.echo = true;
	support_puts(fds[1], "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
	support_run_turns(d, 1);
	ck_assert_int_eq(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), 21);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(lined_socket_send(sock, "0123456789", 10), 0);
	support_run_turns(d, 1);
	ck_assert_int_eq(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), 400);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(fds[1]);
}
END_TEST

START_TEST(sent_before_connected_is_kept)
{
	struct recorder recorder = {0};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket *sock =
		support_socket(&recorder_handlers, &recorder);
	uint16_t port;
	int listener = support_listen_fd(1, &port), peer;

	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	ck_assert_int_eq(lined_socket_connect(sock, "127.0.0.1", port, 0), 0);
	ck_assert_int_eq(lined_socket_send(sock, "early ", 6), 0);
	ck_assert_int_eq(lined_socket_send(sock, "bird\n", 5), 0);
	ck_assert(!lined_socket_is_writeable(sock));
	support_run_turns(d, 3);
	peer = accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	support_expect(d, peer, "early bird\n");
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(peer);
	close(listener);
}
END_TEST

/* ---- overflow ---------------------------------------------------------- */

START_TEST(full_queue_closes_a_slow_reader)
{
	char chunk[4096];
	unsigned sent = 0;

	memset(chunk, 'x', sizeof(chunk));
	open_case(65536);
	while (lined_socket_send(c.sock, chunk, sizeof(chunk)) == 0) {
		ck_assert_uint_le(lined_socket_queued(c.sock), 65536);
		support_run_turns(c.d, 1);
		ck_assert_uint_lt(++sent, 10000);
	}
	ck_assert_int_eq(errno, ENOBUFS);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_SLOW);
	ck_assert_uint_eq(c.group.counters.closed[LINED_CLOSE_SLOW], 1);
}
END_TEST

/* Sends of one length, each full of its own number. */
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
			r->taken[i] = lined_socket_send_shared(c.sock, buffer,
							       0, r->size) == 0;
			lined_buffer_unref(buffer);
		} else {
			r->taken[i] =
				lined_socket_send(c.sock, record, r->size) == 0;
		}
		if (!r->taken[i])
			ck_assert_int_eq(errno, ENOBUFS);
		r->kept += r->taken[i];
		ck_assert_uint_le(lined_socket_queued(c.sock),
				  c.group.limits.send_queue);
		if (i % 7 == 0)
			support_run_turns(c.d, 1);
	}
	free(record);
}

/* Reads until the end; every record whole, numbers ascending; how many. */
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
	lined_socket_close_after_flush(c.sock, LINED_CLOSE_LOCAL, 0);
	for (;;) {
		n = recv(c.peer, record + have, r->size - have, MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			support_run_turns(c.d, 1);
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
	ck_assert_uint_eq(have, 0); /* none was cut off */
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
	open_case(queue);
	lined_socket_set_overflow(c.sock, LINED_OVERFLOW_DROP_NEWEST);
	send_records(&r, count);
	ck_assert_uint_lt(r.kept, count);
	ck_assert_uint_eq(c.group.counters.sends_dropped, count - r.kept);
	ck_assert_uint_eq(lined_socket_take_dropped(c.sock), count - r.kept);
	ck_assert_uint_eq(lined_socket_take_dropped(c.sock), 0);
	ck_assert_uint_eq(c.recorder.closes, 0);
	ck_assert_uint_eq(receive_records(&r, &last), r.kept);
	close_case();
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
	open_case(queue);
	lined_socket_set_overflow(c.sock, LINED_OVERFLOW_DROP_OLDEST);
	send_records(&r, count);
	ck_assert_uint_eq(r.kept, count);
	dropped = lined_socket_take_dropped(c.sock);
	ck_assert_uint_gt(dropped, 0);
	ck_assert_uint_eq(c.group.counters.sends_dropped, dropped);
	got = receive_records(&r, &last);
	ck_assert_uint_eq(got + dropped, count);
	ck_assert_uint_eq(last, count - 1);
	close_case();
}

START_TEST(drop_oldest_never_cuts_one_already_begun)
{
	check_drop_oldest(1000, 65536, 1500);
	check_drop_oldest(50, 4096, RECORDS);
	check_drop_oldest(30000, 100000, 60);
}
END_TEST

/* The send in the middle stays, so there may be no room for a big one. */
START_TEST(drop_oldest_drops_the_new_one_where_nothing_else_can_go)
{
	static char big[100000];
	size_t rest;

	open_case(sizeof(big));
	lined_socket_set_overflow(c.sock, LINED_OVERFLOW_DROP_OLDEST);
	ck_assert_int_eq(lined_socket_send(c.sock, big, sizeof(big)), 0);
	support_run_turns(c.d, 3);
	rest = lined_socket_queued(c.sock);
	ck_assert_uint_gt(rest, 1);
	ck_assert_uint_lt(rest, sizeof(big));
	ck_assert_int_eq(lined_socket_send(c.sock, big, sizeof(big) - rest + 1),
			 -1);
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_eq(lined_socket_take_dropped(c.sock), 1);
	ck_assert_int_eq(lined_socket_send(c.sock, big, sizeof(big) - rest), 0);
	ck_assert_uint_eq(lined_socket_take_dropped(c.sock), 0);
	ck_assert_uint_eq(c.recorder.closes, 0);
}
END_TEST

/* Nothing is given up in vain: what waits behind it stays. */
START_TEST(drop_oldest_drops_nothing_where_that_makes_no_room)
{
	static char big[100000], got[100050];
	size_t rest, more, have = 0;
	ssize_t n;

	open_case(sizeof(big));
	lined_socket_set_overflow(c.sock, LINED_OVERFLOW_DROP_OLDEST);
	ck_assert_int_eq(lined_socket_send(c.sock, big, sizeof(big)), 0);
	support_run_turns(c.d, 3);
	rest = lined_socket_queued(c.sock);
	ck_assert_uint_gt(rest, 200);
	ck_assert_uint_lt(rest, sizeof(big) - 50);
	ck_assert_int_eq(lined_socket_send(c.sock, "waits", 5), 0);
	ck_assert_int_eq(lined_socket_send(c.sock, big, sizeof(big) - rest + 1),
			 -1);
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_eq(lined_socket_take_dropped(c.sock), 1);
	ck_assert_uint_eq(lined_socket_queued(c.sock), rest + 5);
	/* It goes where that does help. */
	ck_assert_int_eq(lined_socket_send(c.sock, "too", 3), 0);
	more = sizeof(big) - rest - 3 - 48;
	ck_assert_int_eq(lined_socket_send(c.sock, big, more), 0);
	ck_assert_uint_eq(lined_socket_take_dropped(c.sock), 1);
	lined_socket_close_after_flush(c.sock, LINED_CLOSE_LOCAL, 0);
	while ((n = recv(c.peer, got, sizeof(got), MSG_DONTWAIT)) != 0) {
		ck_assert(n > 0 || errno == EAGAIN);
		have += n > 0 ? (size_t)n : 0;
		support_run_turns(c.d, 1);
	}
	ck_assert_uint_eq(have, sizeof(big) + 3 + more);
}
END_TEST

/* The memory of many short sends is bounded, too. */
START_TEST(short_sends_count_what_holds_them)
{
	open_case(4900);
	lined_socket_set_overflow(c.sock, LINED_OVERFLOW_DROP_OLDEST);
	while (lined_socket_take_dropped(c.sock) == 0)
		ck_assert_int_eq(lined_socket_send(c.sock, "\n", 1), 0);
	ck_assert_uint_le(lined_socket_queued(c.sock), 4900 / 49 + 1);
	ck_assert_uint_lt(lined_socket_room(c.sock), 49);
}
END_TEST

/* The one that has begun to leave stays. */
START_TEST(old_sends_are_dropped_by_age)
{
	static char big[100000];
	size_t rest;

	open_case(0);
	lined_socket_keep_apart(c.sock, true);
	ck_assert_uint_eq(lined_socket_drop_older(c.sock, 0), 0);
	do {
		lined_socket_send(c.sock, big, sizeof(big));
		support_run_turns(c.d, 3);
		rest = lined_socket_queued(c.sock);
	} while (rest == 0);
	ck_assert_int_eq(lined_socket_send(c.sock, "old", 3), 0);
	ck_assert_int_eq(lined_socket_send(c.sock, "older", 5), 0);
	ck_assert_uint_eq(lined_socket_drop_older(c.sock, 100000), 0);
	support_run_for(c.d, 50);
	ck_assert_int_eq(lined_socket_send(c.sock, "new", 3), 0);
	ck_assert_uint_eq(lined_socket_drop_older(c.sock, 20), 2);
	ck_assert_uint_eq(lined_socket_take_dropped(c.sock), 2);
	ck_assert_uint_eq(lined_socket_queued(c.sock), rest + 3);
	ck_assert_uint_eq(c.group.counters.queued, rest + 3);
}
END_TEST

START_TEST(send_over_the_limit_is_dropped_alone)
{
	static char big[10000];

	for (int policy = LINED_OVERFLOW_DROP_NEWEST;
	     policy <= LINED_OVERFLOW_DROP_OLDEST; policy++) {
		open_case(8192);
		lined_socket_set_overflow(c.sock, (enum lined_overflow)policy);
		ck_assert_int_eq(lined_socket_send(c.sock, "a", 1), 0);
		ck_assert_int_eq(lined_socket_send(c.sock, big, sizeof(big)),
				 -1);
		ck_assert_int_eq(errno, ENOBUFS);
		ck_assert_int_eq(lined_socket_send(c.sock, "b", 1), 0);
		ck_assert_uint_eq(lined_socket_take_dropped(c.sock), 1);
		support_expect(c.d, c.peer, "ab");
		close_case();
	}
}
END_TEST

/* ---- back-pressure ----------------------------------------------------- */

#define QUEUE (64 * 1024)

/* An echo that watches at which fill it is called. */
struct watcher {
	unsigned lines;
	bool above; /* the queue was left above its high mark */
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
	/* One line may pass the mark, then no other is given. */
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
		ssize_t n = send(c.peer, data + sent, len - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		quiet = n > 0 ? 0 : quiet + 1;
		sent += n > 0 ? (size_t)n : 0;
		support_run_for(c.d, n > 0 ? 1 : 5);
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
	open_case(QUEUE);
	lined_socket_set_handlers(c.sock, &watcher_handlers, &w);
	sent = flood(data, len, 0);
	ck_assert_uint_lt(sent, len);
	ck_assert_uint_gt(lined_socket_queued(c.sock), QUEUE / 4);
	ck_assert(!lined_socket_is_writeable(c.sock));
	/* The bytes that it has read and not sent back: one read and the
	 * queue. */
	ck_assert_uint_le(c.group.counters.bytes_in -
				  c.group.counters.bytes_out,
			  QUEUE + 65536);
	stopped = w.lines;
	ck_assert_uint_le(support_run_for(c.d, 50), 3);
	ck_assert_uint_eq(w.lines, stopped);
	while (have < len) {
		n = recv(c.peer, got + have, len - have, MSG_DONTWAIT);
		have += n > 0 ? (size_t)n : 0;
		if (sent < len) {
			ssize_t more = send(c.peer, data + sent, len - sent,
					    MSG_DONTWAIT | MSG_NOSIGNAL);

			sent += more > 0 ? (size_t)more : 0;
		}
		support_run_turns(c.d, 1);
		ck_assert_uint_lt(support_now_ms() - start_ms,
				  2 * SUPPORT_WATCHDOG_MS);
	}
	ck_assert_mem_eq(got, data, len);
	ck_assert_uint_gt(w.resumed, 0);
	ck_assert(lined_socket_is_writeable(c.sock));
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

/* A queue of the smallest sends costs a small multiple of its bytes. */
START_TEST(memory_follows_the_queue_whatever_is_sent)
{
	struct lined_buffer *shared = lined_buffer_new("0123456789abcdef", 16);
	size_t before;

	for (int overflow = 0; overflow < 3; overflow++) {
		open_case(1024 * 1024);
		lined_socket_set_overflow(c.sock,
					  (enum lined_overflow)overflow);
		before = resident_kib();
		for (size_t i = 0; i < 50000; i++) {
			int result;

			if (_i == SHARED_SENDS || (_i == MIXED_SENDS && i % 2))
				result = lined_socket_send_shared(
					c.sock, shared, i % 2, 14);
			else
				result = lined_socket_send(c.sock, "little\n",
							   7);
			ck_assert_int_eq(result, 0);
			if (i == 5000) /* the kernel has had its fill */
				support_run_turns(c.d, 2);
		}
		ck_assert_uint_ge(lined_socket_queued(c.sock), 100000);
		ck_assert_uint_le(resident_kib() - before, 24 * 1024);
		close_case();
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

	open_case(QUEUE);
	lined_socket_set_handlers(c.sock, &handlers, &writes);
	support_run_turns(c.d, 3);
	ck_assert_uint_eq(writes, 0);
	lined_socket_want_write(c.sock, true);
	/* Until the kernel and the queue up to its low mark are full. */
	do {
		before = writes;
		support_run_for(c.d, 20);
	} while (writes > before);
	ck_assert_uint_gt(writes, 3);
	ck_assert_uint_le(lined_socket_queued(c.sock), QUEUE / 8 + 1000);
	/* The peer reads: it goes on. */
	for (int i = 0; i < 50; i++) {
		char sink[65536];

		if (recv(c.peer, sink, sizeof(sink), MSG_DONTWAIT) < 0)
			ck_assert_int_eq(errno, EAGAIN);
		support_run_turns(c.d, 1);
	}
	ck_assert_uint_gt(writes, before);
	lined_socket_want_write(c.sock, false);
	before = writes;
	support_run_turns(c.d, 5);
	ck_assert_uint_eq(writes, before);
}
END_TEST

/* A queue that never rose above its high mark has to be low as well. */
START_TEST(handle_write_waits_until_the_queue_is_low)
{
	static const struct lined_socket_handlers handlers = {
		.handle_write = pump_write,
	};
	static char chunk[1000];
	unsigned writes = 0;

	open_case(QUEUE);
	lined_socket_set_handlers(c.sock, &handlers, &writes);
	while (lined_socket_queued(c.sock) <= QUEUE / 8 + sizeof(chunk)) {
		ck_assert_int_eq(
			lined_socket_send(c.sock, chunk, sizeof(chunk)), 0);
		support_run_turns(c.d, 1);
	}
	ck_assert(lined_socket_is_writeable(c.sock));
	lined_socket_want_write(c.sock, true);
	for (int i = 0; i < 500 && writes == 0; i++) {
		char sink[500];

		recv(c.peer, sink, sizeof(sink), MSG_DONTWAIT);
		support_run_turns(c.d, 1);
	}
	ck_assert_uint_gt(writes, 0);
}
END_TEST

/* After the write side has ended there is nothing to be asked for. */
START_TEST(handle_write_ends_with_the_write_side)
{
	static const struct lined_socket_handlers handlers = {
		.handle_write = pump_write,
	};
	unsigned writes = 0;

	open_case(QUEUE);
	lined_socket_set_handlers(c.sock, &handlers, &writes);
	lined_socket_want_write(c.sock, true);
	lined_socket_shutdown_write(c.sock);
	ck_assert_uint_le(support_run_for(c.d, 60), 3);
	ck_assert_uint_eq(writes, 0);
}
END_TEST

/* ---- the end ----------------------------------------------------------- */

START_TEST(flush_error_closes_with_its_errno)
{
	struct recorder recorder = {0};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket *sock;
	int peer;

	sock = support_pair(d, &recorder_handlers, &recorder, &peer);
	lined_socket_pause(sock);
	support_run_turns(d, 1);
	support_reset(peer);
	ck_assert_int_eq(lined_socket_send(sock, "lost\n", 5), 0);
	support_run_until_count(d, &recorder.closes, 1);
	ck_assert_int_eq(recorder.reason, LINED_CLOSE_ERROR);
	ck_assert(recorder.error == ECONNRESET || recorder.error == EPIPE);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
}
END_TEST

/* All lines of a client that closes without reading are served, even if the
 * answer to its first line fails. */
START_TEST(lines_before_a_failed_send_are_served)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {.quiet = true, .echo = true};
	struct lined_socket_group group = {.limits.send_queue =
						   LINED_SEND_QUEUE_DEFAULT};
	struct lined_socket *sock;
	char text[8192];
	size_t bytes = 0;
	ssize_t n = 0;
	int fds[2];

	for (size_t i = 0; i < sizeof(text); i += 8)
		memcpy(text + i, "0123456\n", 8);

	if (_i == 0)
		support_tcp_fds(fds);
	else
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	sock = support_socket(&recorder_handlers, &recorder);
	lined_socket_set_group(sock, &group);
	ck_assert_int_eq(
		lined_socket_wrap(sock, fds[0], LINED_SOCKET_CONNECTED), 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	while (n >= 0 && bytes < 60000) {
		n = send(fds[1], text + bytes % 8, sizeof(text) - bytes % 8,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		bytes += n > 0 ? (size_t)n : 0;
	}
	/* Some are read by now, and answered. */
	if (_i == 0)
		support_run_turns(d, 1);
	close(fds[1]);
	support_run_until_count(d, &recorder.closes, 1);
	ck_assert_uint_eq(recorder.lines, bytes / 8);
	ck_assert_int_eq(recorder.reason, LINED_CLOSE_ERROR);
	ck_assert(recorder.error == ECONNRESET || recorder.error == EPIPE);
	ck_assert_uint_eq(group.counters.queued, 0);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
}
END_TEST

START_TEST(closed_socket_takes_no_sends)
{
	struct lined_buffer *buffer = lined_buffer_new("x", 1);

	open_case(0);
	lined_socket_close(c.sock);
	ck_assert_int_eq(lined_socket_send(c.sock, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(lined_socket_send_shared(c.sock, buffer, 0, 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	lined_buffer_unref(buffer);
}
END_TEST

START_TEST(ended_write_side_takes_no_sends)
{
	open_case(0);
	ck_assert_int_eq(lined_socket_send(c.sock, "last\n", 5), 0);
	lined_socket_shutdown_write(c.sock);
	ck_assert_int_eq(lined_socket_send(c.sock, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	support_expect(c.d, c.peer, "last\n");
	support_expect_eof(c.d, c.peer);
	support_puts(c.peer, "still read\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
}
END_TEST

struct mourner {
	struct lined_socket *other;
	unsigned closes;
};

static void mourner_close(struct lined_socket *sock, void *arg,
			  enum lined_close_reason reason, int error)
{
	struct mourner *m = arg;

	m->closes++;
	ck_assert_int_eq(lined_socket_send(sock, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(lined_socket_send(m->other, "gone\n", 5), 0);
}

START_TEST(sends_in_handle_close_reach_the_others)
{
	static const struct lined_socket_handlers handlers = {
		.handle_close = mourner_close,
	};
	struct mourner m = {.closes = 0};
	struct lined_socket *sock;
	int peer;

	open_case(0);
	m.other = c.sock;
	sock = support_pair(c.d, &handlers, &m, &peer);
	lined_socket_close(sock);
	support_run_turns(c.d, 1);
	ck_assert_uint_eq(m.closes, 1);
	/* Flushed in the same turn. */
	support_expect(NULL, c.peer, "gone\n");
	close(peer);
}
END_TEST

START_TEST(stalled_queue_closes_a_slow_reader)
{
	static char bytes[1 << 20];

	open_case(2 << 20);
	c.group.limits.send_stall_ms = 80;
	lined_socket_limits_changed(c.sock);
	ck_assert_int_eq(lined_socket_send(c.sock, bytes, sizeof(bytes)), 0);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_SLOW);
}
END_TEST

/* A reader that takes a little now and then does not stall. */
START_TEST(slow_progress_is_no_stall)
{
	static char bytes[4 << 20], sink[65536];
	uint64_t start_ms;
	size_t got = 0;
	ssize_t n;

	open_case(sizeof(bytes));
	c.group.limits.send_stall_ms = 400;
	lined_socket_limits_changed(c.sock);
	ck_assert_int_eq(lined_socket_send(c.sock, bytes, sizeof(bytes)), 0);
	start_ms = support_now_ms();
	while (support_now_ms() - start_ms < 1000) {
		n = recv(c.peer, sink, sizeof(sink), MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		support_run_for(c.d, 20);
	}
	ck_assert_uint_eq(c.recorder.closes, 0);
	ck_assert_uint_gt(got, 0);
	ck_assert_uint_lt(got, sizeof(bytes));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("send");
	TCase *order = send_case(suite, "order");
	TCase *overflow = send_case(suite, "overflow");
	TCase *pressure = send_case(suite, "pressure");
	TCase *ends = send_case(suite, "ends");

	tcase_add_test(order, all_kinds_of_sends_keep_their_order);
	tcase_add_test(order, sent_bytes_are_copied);
	tcase_add_test(order, a_formatted_text_is_one_send_of_any_length);
	tcase_add_test(order, size_that_no_send_has_is_refused);
	tcase_add_test(order, part_outside_of_a_buffer_is_refused);
	tcase_add_test(order, shared_buffer_is_released_when_the_last_has_sent);
	tcase_add_test(order, shared_buffer_is_released_by_a_close);
	tcase_add_test(order, what_a_turn_sends_leaves_in_one_write);
	tcase_add_test(order, sent_before_connected_is_kept);
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
	tcase_add_test(pressure, handle_write_ends_with_the_write_side);
	tcase_add_test(ends, flush_error_closes_with_its_errno);
	tcase_add_loop_test(ends, lines_before_a_failed_send_are_served, 0, 2);
	tcase_add_test(ends, closed_socket_takes_no_sends);
	tcase_add_test(ends, ended_write_side_takes_no_sends);
	tcase_add_test(ends, sends_in_handle_close_reach_the_others);
	tcase_add_test(ends, stalled_queue_closes_a_slow_reader);
	tcase_add_test(ends, slow_progress_is_no_stall);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
