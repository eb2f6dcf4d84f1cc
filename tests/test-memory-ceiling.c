/* SPDX-License-Identifier: MIT */
/*
 * The charges for the sockets of a dispatcher, and the ceiling: which sockets
 * it closes, and which it does not. test-send tests the limit of a single
 * queue; test-memory-keepers tests what protocols give up.
 */
#include "config.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ceiling_fixture.h"
#include "dispatcher_priv.h"
#include "support.h"

/* ---- charges ------------------------------------------------------------ */

START_TEST(shared_buffer_is_charged_once)
{
	struct lined_buffer *buffer = lined_buffer_alloc(1000000, NULL);
	struct ceiling_case c;
	uint64_t before, one, all;

	ceiling_open(&c, false);
	before = memory_held(&c.memory);
	lined_socket_send_shared(c.socks[0], buffer, 0, 1000000);
	one = memory_held(&c.memory);
	for (size_t i = 1; i < CEILING_CLIENTS; i++)
		lined_socket_send_shared(c.socks[i], buffer, 0, 1000000);
	all = memory_held(&c.memory);
	ck_assert_uint_ge(one, before + 1000000);
	ck_assert_uint_gt(all, one);
	ck_assert_uint_lt(all, one + 1000);
	lined_buffer_unref(buffer);
	for (size_t i = 0; i < CEILING_CLIENTS; i++)
		lined_socket_close(c.socks[i]);
	ceiling_run(&c);
	ck_assert_uint_eq(memory_held(&c.memory), 0);
	ceiling_close(&c);
}
END_TEST

START_TEST(input_that_waits_is_charged_until_it_is_read)
{
	struct ceiling_case c;
	uint64_t before;
	char part[5000];

	memset(part, 'x', sizeof(part));
	ceiling_open(&c, false);
	ceiling_run(&c);
	before = memory_held(&c.memory);
	support_write(c.peers[0], part, sizeof(part));
	ceiling_run(&c);
	ck_assert_uint_ge(memory_held(&c.memory), before + sizeof(part));
	support_puts(c.peers[0], "\n");
	ceiling_run(&c);
	ck_assert_uint_eq(memory_held(&c.memory), before);
	ceiling_close(&c);
}
END_TEST

/* The queue has many short pieces, each of another buffer, and the peer never
 * reads. */
START_TEST(queue_of_the_shortest_lines_takes_twice_its_limit_at_most)
{
	struct ceiling_case c;
	uint64_t before, most = 0;

	ceiling_open(&c, false);
	c.group.limits.send_queue = 1 << 20;
	lined_socket_set_overflow(c.socks[0], (enum lined_overflow)_i);
	before = memory_held(&c.memory);
	for (size_t i = 0; i < 3000000 && !ceiling_is_closed(&c, 0); i++) {
		struct lined_buffer *buffer = lined_buffer_new("\n", 1);

		lined_socket_send_shared(c.socks[0], buffer, 0, 1);
		lined_buffer_unref(buffer);
		if (i % 10000 == 0)
			ceiling_run(&c);
		if (memory_held(&c.memory) > most)
			most = memory_held(&c.memory);
	}
	ck_assert_uint_gt(most, before + (1 << 18));
	ck_assert_uint_le(most, before + (9 << 18));
	ck_assert(ceiling_is_closed(&c, 0) == (_i == LINED_OVERFLOW_CLOSE));
	ceiling_close(&c);
}
END_TEST

/* ---- the ceiling -------------------------------------------------------- */

START_TEST(ceiling_closes_the_longest_queue_first)
{
	struct ceiling_case c;

	ceiling_open(&c, false);
	ceiling_fill(&c, 0, 300000);
	ceiling_fill(&c, 1, 800000);
	ceiling_fill(&c, 2, 500000);
	memory_set_limit(&c.memory, 2000000);
	ceiling_run(&c);
	for (size_t i = 0; i < CEILING_CLIENTS; i++)
		ck_assert(!ceiling_is_closed(&c, i));
	ck_assert(!memory_is_near(&c.memory));
	memory_set_limit(&c.memory, 1700000);
	ck_assert(memory_is_near(&c.memory));
	memory_set_limit(&c.memory, 1200000);
	ceiling_run(&c);
	ck_assert(ceiling_is_closed(&c, 1));
	ck_assert_int_eq(c.recorders[1].reason, LINED_CLOSE_SLOW);
	ck_assert(!ceiling_is_closed(&c, 0) && !ceiling_is_closed(&c, 2));
	ck_assert_uint_eq(c.memory.closed, 1);
	memory_set_limit(&c.memory, 100000);
	ceiling_run(&c);
	ck_assert(ceiling_is_closed(&c, 0) && ceiling_is_closed(&c, 2));
	ck_assert(!ceiling_is_closed(&c, 3));
	ceiling_close(&c);
}
END_TEST

/* A turn exceeds the limit. A check at the end of the turn would be too
 * late. */
START_TEST(ceiling_holds_within_a_turn)
{
	struct ceiling_case c;
	char data[50000] = {0};

	ceiling_open(&c, false);
	memory_set_limit(&c.memory, 1000000);
	ceiling_run(&c);
	for (size_t i = 0; i < 100; i++) {
		lined_socket_send(c.socks[0], data, sizeof(data));
		ck_assert_uint_le(memory_held(&c.memory), 1100000);
	}
	ceiling_run(&c);
	ck_assert(ceiling_is_closed(&c, 0));
	ceiling_close(&c);
}
END_TEST

/* Bytes that the kernel still takes are no reason to close a socket. */
START_TEST(ceiling_sends_before_it_closes)
{
	struct ceiling_case c;
	char data[2000] = {0}, got[10000];

	ceiling_open(&c, false);
	memory_set_limit(&c.memory, memory_held(&c.memory) + 5000);
	ceiling_run(&c);
	for (size_t i = 0; i < 50; i++) {
		for (size_t k = 0; k < 5; k++)
			ck_assert_int_eq(lined_socket_send(c.socks[0], data,
							   sizeof(data)),
					 0);
		ceiling_run(&c);
		ck_assert_int_eq(
			recv(c.peers[0], got, sizeof(got), MSG_WAITALL),
			sizeof(got));
	}
	ck_assert_uint_eq(c.memory.closed, 0);
	ceiling_close(&c);
}
END_TEST

/* The dispatcher that notices the excess closes nothing; the dispatcher that
 * holds more closes a socket. */
START_TEST(ceiling_closes_the_longest_of_all_dispatchers)
{
	struct ceiling_case c;

	ceiling_open(&c, true);
	ceiling_fill(&c, 0, 300000);
	ceiling_fill(&c, CEILING_CLIENTS - 1, 600000);
	memory_set_limit(&c.memory, 930000); /* near the limit: both dispatchers
					      * check */
	ceiling_run(&c);
	ck_assert_uint_eq(c.memory.closed, 0);
	ceiling_fill(&c, 0, 100000);
	ceiling_run(&c);
	ck_assert(!ceiling_is_closed(&c, 0));
	ck_assert(ceiling_is_closed(&c, CEILING_CLIENTS - 1));
	ck_assert_uint_eq(c.memory.closed, 1);
	ceiling_close(&c);
}
END_TEST

/* A dispatcher waits for another one for a limited time, which begins again
 * with each check. */
START_TEST(ceiling_waits_for_other_dispatchers_each_time)
{
	struct ceiling_case c;

	ceiling_open(&c, true);
	ceiling_fill(&c, CEILING_CLIENTS - 1, 600000);
	ceiling_fill(&c, 0, 300000);
	memory_set_limit(&c.memory, 950000);
	ceiling_run(&c);
	ceiling_fill(&c, 0, 100000);
	ck_assert(ceiling_is_closed(&c, CEILING_CLIENTS - 1));
	/* Waits longer than a dispatcher waits. */
	support_run_for(c.d, 100);
	close(c.peers[CEILING_CLIENTS - 1]);
	recorder_fini(&c.recorders[CEILING_CLIENTS - 1]);
	memset(&c.recorders[CEILING_CLIENTS - 1], 0, sizeof(c.recorders[0]));
	ceiling_open_client(&c, c.others, CEILING_CLIENTS - 1);
	ceiling_fill(&c, CEILING_CLIENTS - 1, 500000);
	memory_ask_all(&c.memory);
	ceiling_run(&c);
	ck_assert_uint_eq(c.memory.closed, 1);
	ceiling_fill(&c, 0, 90000);
	ck_assert(!ceiling_is_closed(&c, 0));
	ck_assert(ceiling_is_closed(&c, CEILING_CLIENTS - 1));
	ck_assert_uint_eq(c.memory.closed, 2);
	ceiling_close(&c);
}
END_TEST

/* Messages are charged to the dispatcher that sends them. The other dispatcher,
 * whose socket holds most, does not notice that its memory grows. */
START_TEST(ceiling_asks_dispatchers_that_have_not_measured)
{
	struct ceiling_case c;

	ceiling_open(&c, true);
	memory_set_limit(&c.memory, 1000000);
	ceiling_run(&c);
	support_run_for(c.d, 20);
	ceiling_fill(&c, 0, 100000 * (size_t)_i);
	dispatcher_hold(c.others, -900000);
	dispatcher_hold(c.d, 900000);
	for (size_t k = 0;
	     k < 20 && !ceiling_is_closed(&c, CEILING_CLIENTS - 1); k++)
		ceiling_fill(&c, CEILING_CLIENTS - 1, 40000);
	ck_assert(!ceiling_is_closed(&c, CEILING_CLIENTS - 1));
	dispatcher_hold(c.d, 300000);
	ceiling_run(&c);
	ck_assert(ceiling_is_closed(&c, CEILING_CLIENTS - 1));
	ck_assert(!ceiling_is_closed(&c, 0));
	dispatcher_hold(c.others, 900000);
	dispatcher_hold(c.d, -1200000);
	ceiling_close(&c);
}
END_TEST

static struct memory_ceiling *asked;

/* Another thread may ask for a check at any time. */
static enum memory_closing ask_meanwhile(const struct lined_socket *sock)
{
	memory_ask_all(asked);
	return MEMORY_CLOSE;
}

START_TEST(ceiling_checks_again_if_it_is_asked_meanwhile)
{
	struct ceiling_case c;

	ceiling_open(&c, false);
	asked = &c.memory;
	ceiling_fill(&c, 0, 300000);
	ceiling_fill(&c, 1, 200000);
	c.memory.may_close = ask_meanwhile;
	c.memory.limit = _i == 0 ? 550000 : 400000;
	memory_check(c.d);
	ck_assert_uint_eq(c.memory.closed, (unsigned)_i);
	ck_assert(memory_is_due(&c.d->pool.memory));
	c.memory.may_close = ceiling_any_socket;
	ceiling_run(&c);
	ck_assert(!memory_is_due(&c.d->pool.memory));
	ceiling_close(&c);
}
END_TEST

static enum memory_closing no_socket(const struct lined_socket *sock)
{
	return MEMORY_SPARE;
}

START_TEST(ceiling_spares_what_may_not_be_closed)
{
	struct ceiling_case c;

	ceiling_open(&c, false);
	c.memory.may_close = no_socket;
	ceiling_fill(&c, 0, 300000);
	memory_set_limit(&c.memory, 100000);
	ceiling_run(&c);
	ck_assert(!ceiling_is_closed(&c, 0));
	ceiling_close(&c);
}
END_TEST

static enum memory_closing and_wait(const struct lined_socket *sock)
{
	return MEMORY_CLOSE_AND_WAIT;
}

/* The owner keeps a buffer of a million bytes until handle_close. */
START_TEST(ceiling_waits_for_what_an_owner_keeps)
{
	struct lined_buffer *buffer;
	struct ceiling_case c;
	char *bytes;

	ceiling_open(&c, false);
	c.memory.may_close = and_wait;
	ceiling_fill(&c, 0, 300000);
	buffer = lined_buffer_alloc(1000000, &bytes);
	memset(bytes, 0, 1000000);
	dispatcher_keep(c.d, buffer);
	lined_socket_send_shared(c.socks[1], buffer, 0, 1000000);
	ceiling_run(&c);
	memory_set_limit(&c.memory, 900000);
	memory_check(c.d);
	memory_check(c.d);
	ck_assert_uint_eq(c.memory.closed, 1);
	dispatcher_unkeep(c.d, buffer); /* what handle_close would do */
	lined_buffer_unref(buffer);
	ceiling_run(&c);
	ck_assert(ceiling_is_closed(&c, 1));
	ck_assert(!ceiling_is_closed(&c, 0));
	ck_assert_uint_eq(c.memory.closed, 1);
	/* If closing the first socket was not enough, the next one is
	 * closed. */
	memory_set_limit(&c.memory, 200000);
	ceiling_run(&c);
	ck_assert(ceiling_is_closed(&c, 0));
	ceiling_close(&c);
}
END_TEST

/* The bytes that the owner of a socket keeps until handle_close. */
#define OWNED 700000

static void return_owned(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error)
{
	struct ceiling_case *c = arg;

	dispatcher_hold(c->d, -OWNED);
}

/* Charges bytes that the owner of another socket keeps, and sends a line to a
 * third socket. */
static void pass_on(struct lined_socket *sock, void *arg,
		    enum lined_close_reason reason, int error)
{
	struct ceiling_case *c = arg;

	dispatcher_hold(c->d, OWNED);
	lined_socket_send(c->socks[3], "line\n", 5);
}

/* If the flush of output closes a socket, its handle_close is called after the
 * flush. If another socket is closed at that time, its handle_close is called
 * in the next turn. */
START_TEST(ceiling_waits_for_what_an_owner_keeps_in_the_next_turn)
{
	static const struct lined_socket_handlers owner = {
		.handle_close = return_owned,
	};
	static const struct lined_socket_handlers sender = {
		.handle_close = pass_on,
	};
	struct ceiling_case c;

	ceiling_open(&c, false);
	c.memory.may_close = and_wait;
	ceiling_fill(&c, 0, 300000);
	ceiling_fill(&c, 1, 500000);
	lined_socket_set_handlers(c.socks[1], &owner, &c);
	lined_socket_set_handlers(c.socks[2], &sender, &c);
	memory_set_limit(&c.memory, memory_held(&c.memory) + 100000);
	ceiling_run(&c);
	ck_assert_uint_eq(c.memory.closed, 0);
	lined_socket_close_after_flush(c.socks[2], LINED_CLOSE_LOCAL, 0);
	/* In the second turn, handle_close of the socket whose owner keeps
	 * bytes is called. */
	support_run_turns(c.d, 1);
	ck_assert_uint_eq(c.memory.closed, 1);
	ceiling_run(&c);
	ck_assert_uint_eq(c.memory.closed, 1);
	ck_assert(!ceiling_is_closed(&c, 0));
	/* If closing the first socket was not enough, the next one is
	 * closed. */
	memory_set_limit(&c.memory, 250000);
	ceiling_run(&c);
	ck_assert(ceiling_is_closed(&c, 0));
	ceiling_close(&c);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("memory");
	TCase *charges = support_case(suite, "charges");
	TCase *ceiling = support_case(suite, "ceiling");

	tcase_add_test(charges, shared_buffer_is_charged_once);
	tcase_add_test(charges, input_that_waits_is_charged_until_it_is_read);
	tcase_add_loop_test(
		charges,
		queue_of_the_shortest_lines_takes_twice_its_limit_at_most, 0,
		3);
	tcase_add_test(ceiling, ceiling_closes_the_longest_queue_first);
	tcase_add_test(ceiling, ceiling_holds_within_a_turn);
	tcase_add_test(ceiling, ceiling_sends_before_it_closes);
	tcase_add_test(ceiling, ceiling_closes_the_longest_of_all_dispatchers);
	tcase_add_test(ceiling, ceiling_waits_for_other_dispatchers_each_time);
	tcase_add_loop_test(
		ceiling, ceiling_asks_dispatchers_that_have_not_measured, 0, 2);
	tcase_add_loop_test(
		ceiling, ceiling_checks_again_if_it_is_asked_meanwhile, 0, 2);
	tcase_add_test(ceiling, ceiling_spares_what_may_not_be_closed);
	tcase_add_test(ceiling, ceiling_waits_for_what_an_owner_keeps);
	tcase_add_test(ceiling,
		       ceiling_waits_for_what_an_owner_keeps_in_the_next_turn);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
