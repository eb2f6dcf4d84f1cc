/* SPDX-License-Identifier: MIT */
/*
 * WebSocket as a transport: frames that the kernel takes only in part, queues
 * that overflow, and closes. In all of them a frame must not be cut. In place
 * of the kernel, a transport of this test takes as many bytes as the test says.
 * test-websocket tests the frames themselves.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocation.h"
#include "recorder.h"
#include "support.h"
#include "websocket_priv.h"

/* How many bytes the kernel takes from now on. */
static size_t kernel_room;

static ssize_t kernel_send(struct lined_socket *sock,
			   const struct iovec *vector, int count)
{
	size_t len = count > 0 ? vector[0].iov_len : 0;
	ssize_t n;

	if (len > kernel_room)
		len = kernel_room;
	if (len == 0) {
		errno = EAGAIN;
		return -1;
	}
	n = send(sock->delegate.fd, vector[0].iov_base, len, MSG_NOSIGNAL);
	if (n > 0)
		kernel_room -= (size_t)n;
	return n;
}

struct web_case {
	struct lined_dispatcher *d;
	struct lined_socket *sock;
	struct lined_socket_group group;
	struct recorder recorder;
	struct transport kernel;
	int peer;
};

static void accept_at_once(struct lined_socket *sock, const char *request,
			   size_t len)
{
	websocket_accept(sock, len, "OK", 2, 60000);
}

static void accept_later(struct lined_socket *sock, const char *request,
			 size_t len)
{
}

static void open_with(struct web_case *c, websocket_request *request)
{
	memset(c, 0, sizeof(*c));
	kernel_room = SIZE_MAX;
	c->d = support_dispatcher();
	c->sock = support_pair_in_group(c->d, &recorder_handlers, &c->recorder,
					&c->group, &c->peer);
	ck_assert_int_eq(websocket_begin(c->sock, "?", 1, 5000, request), 0);
	c->kernel = transport_stream;
	c->kernel.send = kernel_send;
	websocket_of(c->sock)->lower = &c->kernel;
}

static void open_case(struct web_case *c)
{
	open_with(c, accept_at_once);
	support_expect(c->d, c->peer, "OK");
}

static void close_case(struct web_case *c)
{
	lined_dispatcher_free(c->d);
	close(c->peer);
	recorder_fini(&c->recorder);
}

/* A mask of zeros. */
#define M             "\0\0\0\0"
#define PUTS(c, text) support_write((c)->peer, text, sizeof(text) - 1)

/* Runs turns until exactly these bytes have come. */
static void peer_expects(struct web_case *c, const char *bytes, size_t len)
{
	char got[256];
	size_t have = 0;
	uint64_t end_ms = support_now_ms() + SUPPORT_WATCHDOG_MS;
	ssize_t n;

	ck_assert_uint_lt(len, sizeof(got));
	while (have < len && support_now_ms() < end_ms) {
		support_run_turns(c->d, 1);
		n = recv(c->peer, got + have, sizeof(got) - have, MSG_DONTWAIT);
		ck_assert(n > 0 || (n < 0 && errno == EAGAIN));
		if (n > 0)
			have += (size_t)n;
	}
	ck_assert_uint_eq(have, len);
	ck_assert_mem_eq(got, bytes, len);
}

#define EXPECT(c, text) peer_expects(c, text, sizeof(text) - 1)

/* Sends lines until the queue overflows: the limit of 32 bytes has room for
 * one. */
static void overflow(struct web_case *c)
{
	c->group.limits.send_queue = 32;
	lined_socket_set_overflow(c->sock, LINED_OVERFLOW_DROP_OLDEST);
	for (int i = 0; i < 3; i++)
		lined_socket_printf(c->sock, "0123456789 line %d\n", i);
}

static void wait_for_queue(struct web_case *c)
{
	while (!lined_socket_is_send_data_buffered(c->sock))
		support_run_turns(c->d, 1);
}

/* ---- partly sent or dropped frames --------------------------------------- */

START_TEST(response_is_not_dropped)
{
	struct web_case c;

	open_with(&c, accept_later);
	kernel_room = 0;
	websocket_accept(c.sock, 1, "OK", 2, 0);
	overflow(&c);
	kernel_room = SIZE_MAX;
	EXPECT(&c, "OK\x81\x11"
		   "0123456789 line 2");
	close_case(&c);
}
END_TEST

START_TEST(rest_of_an_answer_to_a_ping_is_not_dropped)
{
	struct web_case c;

	open_case(&c);
	kernel_room = 3;
	PUTS(&c, "\x89\x85" M "hello");
	wait_for_queue(&c);
	overflow(&c);
	kernel_room = SIZE_MAX;
	EXPECT(&c, "\x8a\x05hello\x81\x11"
		   "0123456789 line 2");
	close_case(&c);
}
END_TEST

START_TEST(rest_of_a_ping_is_not_dropped)
{
	struct web_case c;

	open_case(&c);
	kernel_room = 1;
	socket_transport(c.sock)->wake(c.sock);
	overflow(&c);
	kernel_room = SIZE_MAX;
	EXPECT(&c, "\x89\x00\x81\x11"
		   "0123456789 line 2");
	close_case(&c);
}
END_TEST

START_TEST(close_within_an_answer_to_a_ping_adds_nothing)
{
	struct web_case c;

	open_case(&c);
	kernel_room = 3;
	PUTS(&c, "\x89\x85" M "hello");
	wait_for_queue(&c);
	kernel_room = SIZE_MAX;
	lined_socket_close(c.sock);
	EXPECT(&c, "\x8a\x05h");
	support_expect_eof(c.d, c.peer);
	close_case(&c);
}
END_TEST

static enum memory_closing every_socket(const struct lined_socket *sock)
{
	return MEMORY_CLOSE;
}

START_TEST(shedding_within_a_message_adds_nothing)
{
	struct memory_ceiling memory = {.may_close = every_socket};
	struct web_case c;

	open_case(&c);
	c.d->memory = &memory;
	kernel_room = 3;
	lined_socket_send(c.sock, "hello\n", 6);
	support_run_turns(c.d, 1);
	kernel_room = SIZE_MAX;
	socket_ops.shed(&c.sock->delegate);
	EXPECT(&c, "\x81\x05h");
	support_expect_eof(c.d, c.peer);
	ck_assert_str_eq(recorder_log(&c.recorder), "#slow");
	ck_assert_uint_eq(c.group.counters.queued, 0);
	c.d->memory = NULL;
	close_case(&c);
}
END_TEST

START_TEST(ping_in_a_queue_is_not_dropped)
{
	struct web_case c;

	open_case(&c);
	kernel_room = 0;
	lined_socket_send(c.sock, "old\n", 4);
	support_run_turns(c.d, 1);
	socket_transport(c.sock)->wake(c.sock);
	overflow(&c);
	kernel_room = SIZE_MAX;
	EXPECT(&c, "\x89\x00\x81\x11"
		   "0123456789 line 2");
	close_case(&c);
}
END_TEST

/* A ping is due, but there is no memory for it: a client that can answer is not
 * closed. */
START_TEST(ping_without_memory_is_sent_later)
{
	struct web_case c;

	open_case(&c);
	kernel_room = 0;
	allocation_fail(1, false);
	socket_transport(c.sock)->wake(c.sock);
	ck_assert_uint_eq(allocation_count(), 1);
	allocation_fail(0, false);
	kernel_room = SIZE_MAX;
	socket_transport(c.sock)->wake(c.sock);
	ck_assert_uint_eq(c.recorder.closes, 0);
	EXPECT(&c, "\x89\x00");
	/* Without an answer to this ping, the socket is closed. */
	socket_transport(c.sock)->wake(c.sock);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), "#timeout");
	close_case(&c);
}
END_TEST

/* The peer reads its last lines slowly. Only the close frame can follow them,
 * and the peer must answer it. */
START_TEST(no_pong_is_awaited_before_the_close_frame)
{
	struct web_case c;
	int i;

	open_case(&c);
	kernel_room = 0;
	lined_socket_send(c.sock, "last\n", 5);
	support_run_turns(c.d, 1);
	lined_socket_shutdown_write(c.sock);
	for (i = 0; i < 3; i++)
		socket_transport(c.sock)->wake(c.sock);
	ck_assert_uint_eq(c.recorder.closes, 0);
	kernel_room = SIZE_MAX;
	EXPECT(&c, "\x81\x04last\x88\x02\x03\xe8");
	for (i = 0; i < 2; i++)
		socket_transport(c.sock)->wake(c.sock);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), "#timeout");
	close_case(&c);
}
END_TEST

/* Fills with zeros the memory that short segments will get next. */
static void clear_free_memory(void)
{
	void *blocks[7];

	for (size_t i = 0; i < 7; i++)
		blocks[i] = calloc(1, 40);
	for (size_t i = 0; i < 7; i++)
		free(blocks[i]);
}

START_TEST(end_of_the_output_is_not_dropped_for_its_age)
{
	struct web_case c;

	open_case(&c);
	kernel_room = 0;
	lined_socket_keep_apart(c.sock, true);
	lined_socket_send(c.sock, "end", 3);
	lined_socket_shutdown_write(c.sock);
	clear_free_memory();
	wait_for_queue(&c);
	support_run_for(c.d, 3);
	ck_assert_uint_eq(lined_socket_drop_older(c.sock, 1), 0);
	kernel_room = SIZE_MAX;
	EXPECT(&c, "\x81\x03"
		   "end\x88\x02\x03\xe8");
	close_case(&c);
}
END_TEST

/* ---- the end ------------------------------------------------------------- */

static unsigned inputs;

static size_t count_input(struct lined_socket *sock, void *arg, char *bytes,
			  size_t len)
{
	inputs++;
	return len;
}

/* The bytes that follow a ping. */
static const struct {
	const char *bytes;
	size_t len;
} ends[] = {
	{"\x81\x81" M "a", 7},
	{"\x88\x80" M, 6},
	{"\x81\x01x", 3},
};

/* The answer to a ping makes the queue overflow and closes the socket: the line
 * after the ping is not handled. */
START_TEST(overflow_by_an_answer_to_a_ping_ends_the_input)
{
	struct lined_socket_handlers handlers = recorder_handlers;
	char bytes[6 + 125 + 8] = "\x89\xfd";
	struct web_case c;

	open_case(&c);
	handlers.handle_input = count_input;
	lined_socket_set_handlers(c.sock, &handlers, &c.recorder);
	inputs = 0;
	/* The queue has room for the line, but not for the answer. */
	kernel_room = 0;
	c.group.limits.send_queue = 100;
	lined_socket_send(c.sock, "hello\n", 6);
	support_run_turns(c.d, 1);
	memcpy(bytes + 6 + 125, ends[_i].bytes, ends[_i].len);
	support_write(c.peer, bytes, 6 + 125 + ends[_i].len);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_uint_eq(inputs, 0);
	ck_assert_str_eq(recorder_log(&c.recorder), "#slow");
	ck_assert_int_eq(c.recorder.error, 0);
	close_case(&c);
}
END_TEST

START_TEST(fault_of_the_peer_is_told_when_lingering_ends)
{
	struct web_case c;

	open_case(&c);
	PUTS(&c, "\x81\x01x");
	EXPECT(&c, "\x88\x02\x03\xea");
	ck_assert_uint_eq(c.recorder.closes, 0);
	shutdown(c.peer, SHUT_WR);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), "#error");
	ck_assert_int_eq(c.recorder.error, EPROTO);
	close_case(&c);
}
END_TEST

/* ---- what is counted ----------------------------------------------------- */

START_TEST(control_frames_are_counted)
{
	struct lined_traffic traffic;
	struct web_case c;
	uint64_t before;

	open_case(&c);
	lined_socket_traffic(c.sock, &traffic);
	before = traffic.bytes_out;
	ck_assert_uint_eq(c.group.counters.bytes_out, before);
	PUTS(&c, "\x89\x85" M "hello");
	EXPECT(&c, "\x8a\x05hello");
	socket_transport(c.sock)->wake(c.sock);
	EXPECT(&c, "\x89\x00");
	lined_socket_traffic(c.sock, &traffic);
	ck_assert_uint_eq(traffic.bytes_out, before + 9);
	ck_assert_uint_eq(c.group.counters.bytes_out, before + 9);
	lined_socket_close(c.sock);
	EXPECT(&c, "\x88\x02\x03\xe8");
	ck_assert_uint_eq(c.group.counters.bytes_out, before + 13);
	close_case(&c);
}
END_TEST

START_TEST(text_without_end_is_charged)
{
	struct lined_dispatcher **dispatchers = calloc(1, sizeof(*dispatchers));
	struct memory_ceiling memory = {.may_close = every_socket};
	static const char text[5000] = {'x'};
	struct web_case c;
	uint64_t before;

	open_case(&c);
	dispatchers[0] = c.d;
	memory_init(&memory, dispatchers, 1);
	before = memory_held(&memory);
	lined_socket_send(c.sock, text, sizeof(text));
	ck_assert_uint_ge(memory_held(&memory), before + sizeof(text));
	lined_socket_send(c.sock, "\n", 1);
	support_run_turns(c.d, 1);
	ck_assert_uint_eq(memory_held(&memory), before);
	lined_socket_send(c.sock, text, sizeof(text));
	memory_set_limit(&memory, before);
	memory_check(c.d);
	/* The memory is freed before the socket. */
	ck_assert_uint_le(memory_held(&memory), before);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_SLOW);
	ck_assert_uint_eq(memory_held(&memory), 0);
	memory_fini(&memory);
	close_case(&c);
}
END_TEST

START_TEST(request_is_charged)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {.lines = 0};
	struct lined_socket *sock;
	int64_t before;
	int peer;

	sock = support_pair(d, &recorder_handlers, &recorder, &peer);
	before = d->pool.memory.held;
	ck_assert_int_eq(websocket_begin(sock, "?", 1, 5000, accept_later), 0);
	ck_assert_int_ge(d->pool.memory.held, before + WEBSOCKET_REQUEST_MAX);
	websocket_accept(sock, 0, "OK", 2, 0);
	support_run_turns(d, 1);
	ck_assert_int_lt(d->pool.memory.held, before + 1000);
	lined_socket_close(sock);
	support_run_turns(d, 1);
	ck_assert_int_eq(d->pool.memory.held, 0);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(peer);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("transport-websocket");
	TCase *half = support_case(suite, "half sent");
	TCase *end = support_case(suite, "end");
	TCase *counted = support_case(suite, "counted");

	tcase_add_test(half, response_is_not_dropped);
	tcase_add_test(half, rest_of_an_answer_to_a_ping_is_not_dropped);
	tcase_add_test(half, rest_of_a_ping_is_not_dropped);
	tcase_add_test(half, close_within_an_answer_to_a_ping_adds_nothing);
	tcase_add_test(half, ping_in_a_queue_is_not_dropped);
	tcase_add_test(half, ping_without_memory_is_sent_later);
	tcase_add_test(half, no_pong_is_awaited_before_the_close_frame);
	tcase_add_test(half, end_of_the_output_is_not_dropped_for_its_age);
	tcase_add_test(half, shedding_within_a_message_adds_nothing);
	tcase_add_loop_test(end, overflow_by_an_answer_to_a_ping_ends_the_input,
			    0, (int)(sizeof(ends) / sizeof(ends[0])));
	tcase_add_test(end, fault_of_the_peer_is_told_when_lingering_ends);
	tcase_add_test(counted, control_frames_are_counted);
	tcase_add_test(counted, text_without_end_is_charged);
	tcase_add_test(counted, request_is_charged);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
