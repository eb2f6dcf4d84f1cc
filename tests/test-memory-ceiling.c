/* SPDX-License-Identifier: MIT */
/*
 * The charges for the sockets of a dispatcher, and the ceiling: which sockets
 * it closes, and which it does not. test-send tests the limit of a single
 * queue.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lined/table.h>

#include "dispatcher_priv.h"
#include "memory_ceiling.h"
#include "recorder.h"
#include "support.h"

#define CLIENTS 4

struct memory_case {
	struct lined_dispatcher *d;
	struct lined_dispatcher *others; /* another one, or NULL */
	struct memory_ceiling memory;
	struct lined_socket_group group;
	struct lined_socket *socks[CLIENTS];
	struct recorder recorders[CLIENTS];
	int peers[CLIENTS];
};

static enum memory_closing every_socket(const struct lined_socket *sock)
{
	return MEMORY_CLOSE;
}

static struct lined_socket *open_client(struct memory_case *c,
					struct lined_dispatcher *d, size_t i)
{
	int size = 16384, fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int k = 0; k < 2; k++)
		setsockopt(fds[k], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	c->peers[i] = fds[1];
	c->socks[i] = support_socket(&recorder_handlers, &c->recorders[i]);
	lined_socket_set_group(c->socks[i], &c->group);
	support_wrap(d, c->socks[i], fds[0]);
	return c->socks[i];
}

/* The last client is on the second dispatcher, if there is one. */
static void open_case(struct memory_case *c, bool two)
{
	struct lined_dispatcher **dispatchers = calloc(2, sizeof(*dispatchers));

	memset(c, 0, sizeof(*c));
	c->d = dispatchers[0] = support_dispatcher();
	if (two)
		c->others = dispatchers[1] = support_dispatcher();
	memory_init(&c->memory, dispatchers, two ? 2 : 1);
	c->memory.may_close = every_socket;
	for (size_t i = 0; i < CLIENTS; i++)
		open_client(c, two && i == CLIENTS - 1 ? c->others : c->d, i);
}

static void close_case(struct memory_case *c)
{
	lined_dispatcher_free(c->d);
	if (c->others != NULL)
		lined_dispatcher_free(c->others);
	/* All that was charged was given back. */
	free(c->memory.dispatchers);
	for (size_t i = 0; i < CLIENTS; i++) {
		close(c->peers[i]);
		recorder_fini(&c->recorders[i]);
	}
}

static void run(struct memory_case *c)
{
	for (int i = 0; i < 3; i++) {
		support_run_turns(c->d, 1);
		if (c->others != NULL)
			support_run_turns(c->others, 1);
	}
}

/* Queues bytes that the kernel does not take: more than its buffers. */
static void fill(struct memory_case *c, size_t i, size_t bytes)
{
	char *data = calloc(1, bytes);

	ck_assert_int_eq(lined_socket_send(c->socks[i], data, bytes), 0);
	free(data);
	run(c);
}

static bool is_closed(struct memory_case *c, size_t i)
{
	return c->recorders[i].closes > 0;
}

/* ---- charges ------------------------------------------------------------ */

START_TEST(shared_buffer_is_charged_once)
{
	struct lined_buffer *buffer = lined_buffer_alloc(1000000, NULL);
	struct memory_case c;
	uint64_t before, one, all;

	open_case(&c, false);
	before = memory_held(&c.memory);
	lined_socket_send_shared(c.socks[0], buffer, 0, 1000000);
	one = memory_held(&c.memory);
	for (size_t i = 1; i < CLIENTS; i++)
		lined_socket_send_shared(c.socks[i], buffer, 0, 1000000);
	all = memory_held(&c.memory);
	ck_assert_uint_ge(one, before + 1000000);
	ck_assert_uint_gt(all, one);
	ck_assert_uint_lt(all, one + 1000);
	lined_buffer_unref(buffer);
	for (size_t i = 0; i < CLIENTS; i++)
		lined_socket_close(c.socks[i]);
	run(&c);
	ck_assert_uint_eq(memory_held(&c.memory), 0);
	close_case(&c);
}
END_TEST

START_TEST(input_that_waits_is_charged_until_it_is_read)
{
	struct memory_case c;
	uint64_t before;
	char part[5000];

	memset(part, 'x', sizeof(part));
	open_case(&c, false);
	run(&c);
	before = memory_held(&c.memory);
	support_write(c.peers[0], part, sizeof(part));
	run(&c);
	ck_assert_uint_ge(memory_held(&c.memory), before + sizeof(part));
	support_puts(c.peers[0], "\n");
	run(&c);
	ck_assert_uint_eq(memory_held(&c.memory), before);
	close_case(&c);
}
END_TEST

/* Each of many short parts of buffers of their own, and never a read. */
START_TEST(queue_of_the_shortest_lines_takes_twice_its_limit_at_most)
{
	struct memory_case c;
	uint64_t before, most = 0;

	open_case(&c, false);
	c.group.limits.send_queue = 1 << 20;
	lined_socket_set_overflow(c.socks[0], (enum lined_overflow)_i);
	before = memory_held(&c.memory);
	for (size_t i = 0; i < 3000000 && !is_closed(&c, 0); i++) {
		struct lined_buffer *buffer = lined_buffer_new("\n", 1);

		lined_socket_send_shared(c.socks[0], buffer, 0, 1);
		lined_buffer_unref(buffer);
		if (i % 10000 == 0)
			run(&c);
		if (memory_held(&c.memory) > most)
			most = memory_held(&c.memory);
	}
	ck_assert_uint_gt(most, before + (1 << 18));
	ck_assert_uint_le(most, before + (9 << 18));
	ck_assert(is_closed(&c, 0) == (_i == LINED_OVERFLOW_CLOSE));
	close_case(&c);
}
END_TEST

/* ---- the ceiling -------------------------------------------------------- */

START_TEST(ceiling_closes_the_longest_queue_first)
{
	struct memory_case c;

	open_case(&c, false);
	fill(&c, 0, 300000);
	fill(&c, 1, 800000);
	fill(&c, 2, 500000);
	memory_set_limit(&c.memory, 2000000);
	run(&c);
	for (size_t i = 0; i < CLIENTS; i++)
		ck_assert(!is_closed(&c, i));
	ck_assert(!memory_is_near(&c.memory));
	memory_set_limit(&c.memory, 1700000);
	ck_assert(memory_is_near(&c.memory));
	memory_set_limit(&c.memory, 1200000);
	run(&c);
	ck_assert(is_closed(&c, 1));
	ck_assert_int_eq(c.recorders[1].reason, LINED_CLOSE_SLOW);
	ck_assert(!is_closed(&c, 0) && !is_closed(&c, 2));
	ck_assert_uint_eq(c.memory.closed, 1);
	memory_set_limit(&c.memory, 100000);
	run(&c);
	ck_assert(is_closed(&c, 0) && is_closed(&c, 2));
	ck_assert(!is_closed(&c, 3));
	close_case(&c);
}
END_TEST

/* The limit is passed within a turn: a check at its end would be too late. */
START_TEST(ceiling_holds_within_a_turn)
{
	struct memory_case c;
	char data[50000] = {0};

	open_case(&c, false);
	memory_set_limit(&c.memory, 1000000);
	run(&c);
	for (size_t i = 0; i < 100; i++) {
		lined_socket_send(c.socks[0], data, sizeof(data));
		ck_assert_uint_le(memory_held(&c.memory), 1100000);
	}
	run(&c);
	ck_assert(is_closed(&c, 0));
	close_case(&c);
}
END_TEST

/* Bytes that the kernel would still take are no reason. */
START_TEST(ceiling_sends_before_it_closes)
{
	struct memory_case c;
	char data[2000] = {0}, got[10000];

	open_case(&c, false);
	memory_set_limit(&c.memory, memory_held(&c.memory) + 5000);
	run(&c);
	for (size_t i = 0; i < 50; i++) {
		for (size_t k = 0; k < 5; k++)
			ck_assert_int_eq(lined_socket_send(c.socks[0], data,
							   sizeof(data)),
					 0);
		run(&c);
		ck_assert_int_eq(
			recv(c.peers[0], got, sizeof(got), MSG_WAITALL),
			sizeof(got));
	}
	ck_assert_uint_eq(c.memory.closed, 0);
	close_case(&c);
}
END_TEST

/* The dispatcher that notices the limit closes nothing; the one that holds more
 * does. */
START_TEST(ceiling_closes_the_longest_of_all_dispatchers)
{
	struct memory_case c;

	open_case(&c, true);
	fill(&c, 0, 300000);
	fill(&c, CLIENTS - 1, 600000);
	memory_set_limit(&c.memory, 930000); /* near: both look */
	run(&c);
	ck_assert_uint_eq(c.memory.closed, 0);
	fill(&c, 0, 100000);
	run(&c);
	ck_assert(!is_closed(&c, 0));
	ck_assert(is_closed(&c, CLIENTS - 1));
	ck_assert_uint_eq(c.memory.closed, 1);
	close_case(&c);
}
END_TEST

/* How long it has waited for the other one counts each time anew. */
START_TEST(ceiling_waits_for_other_dispatchers_each_time)
{
	struct memory_case c;

	open_case(&c, true);
	fill(&c, CLIENTS - 1, 600000);
	fill(&c, 0, 300000);
	memory_set_limit(&c.memory, 950000);
	run(&c);
	fill(&c, 0, 100000);
	ck_assert(is_closed(&c, CLIENTS - 1));
	/* Longer than a dispatcher waits. */
	support_run_for(c.d, 100);
	close(c.peers[CLIENTS - 1]);
	recorder_fini(&c.recorders[CLIENTS - 1]);
	memset(&c.recorders[CLIENTS - 1], 0, sizeof(c.recorders[0]));
	open_client(&c, c.others, CLIENTS - 1);
	fill(&c, CLIENTS - 1, 500000);
	memory_ask_all(&c.memory);
	run(&c);
	ck_assert_uint_eq(c.memory.closed, 1);
	fill(&c, 0, 90000);
	ck_assert(!is_closed(&c, 0));
	ck_assert(is_closed(&c, CLIENTS - 1));
	ck_assert_uint_eq(c.memory.closed, 2);
	close_case(&c);
}
END_TEST

/* Messages are charged to the dispatcher that sends them: the other one, whose
 * socket holds most, does not notice that its memory grows. */
START_TEST(ceiling_asks_dispatchers_that_have_not_measured)
{
	struct memory_case c;

	open_case(&c, true);
	memory_set_limit(&c.memory, 1000000);
	run(&c);
	support_run_for(c.d, 20);
	fill(&c, 0, 100000 * (size_t)_i);
	dispatcher_hold(c.others, -900000);
	dispatcher_hold(c.d, 900000);
	for (size_t k = 0; k < 20 && !is_closed(&c, CLIENTS - 1); k++)
		fill(&c, CLIENTS - 1, 40000);
	ck_assert(!is_closed(&c, CLIENTS - 1));
	dispatcher_hold(c.d, 300000);
	run(&c);
	ck_assert(is_closed(&c, CLIENTS - 1));
	ck_assert(!is_closed(&c, 0));
	dispatcher_hold(c.others, 900000);
	dispatcher_hold(c.d, -1200000);
	close_case(&c);
}
END_TEST

static struct memory_ceiling *asked;

/* As another thread does, at any time. */
static enum memory_closing ask_meanwhile(const struct lined_socket *sock)
{
	memory_ask_all(asked);
	return MEMORY_CLOSE;
}

START_TEST(ceiling_checks_again_if_it_is_asked_meanwhile)
{
	struct memory_case c;

	open_case(&c, false);
	asked = &c.memory;
	fill(&c, 0, 300000);
	fill(&c, 1, 200000);
	c.memory.may_close = ask_meanwhile;
	c.memory.limit = _i == 0 ? 550000 : 400000;
	memory_check(c.d);
	ck_assert_uint_eq(c.memory.closed, (unsigned)_i);
	ck_assert(memory_is_due(&c.d->pool.memory));
	c.memory.may_close = every_socket;
	run(&c);
	ck_assert(!memory_is_due(&c.d->pool.memory));
	close_case(&c);
}
END_TEST

static enum memory_closing no_socket(const struct lined_socket *sock)
{
	return MEMORY_SPARE;
}

START_TEST(ceiling_spares_what_may_not_be_closed)
{
	struct memory_case c;

	open_case(&c, false);
	c.memory.may_close = no_socket;
	fill(&c, 0, 300000);
	memory_set_limit(&c.memory, 100000);
	run(&c);
	ck_assert(!is_closed(&c, 0));
	close_case(&c);
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
	struct memory_case c;
	char *bytes;

	open_case(&c, false);
	c.memory.may_close = and_wait;
	fill(&c, 0, 300000);
	buffer = lined_buffer_alloc(1000000, &bytes);
	memset(bytes, 0, 1000000);
	dispatcher_keep(c.d, buffer);
	lined_socket_send_shared(c.socks[1], buffer, 0, 1000000);
	run(&c);
	memory_set_limit(&c.memory, 900000);
	memory_check(c.d);
	memory_check(c.d);
	ck_assert_uint_eq(c.memory.closed, 1);
	dispatcher_unkeep(c.d, buffer); /* as in handle_close */
	lined_buffer_unref(buffer);
	run(&c);
	ck_assert(is_closed(&c, 1));
	ck_assert(!is_closed(&c, 0));
	ck_assert_uint_eq(c.memory.closed, 1);
	/* The next socket is closed if that was not enough. */
	memory_set_limit(&c.memory, 200000);
	run(&c);
	ck_assert(is_closed(&c, 0));
	close_case(&c);
}
END_TEST

/* The bytes that the owner of a socket keeps until handle_close. */
#define OWNED 700000

static void return_owned(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error)
{
	struct memory_case *c = arg;

	dispatcher_hold(c->d, -OWNED);
}

/* The owner of another socket gets its bytes, and a third one a line. */
static void pass_on(struct lined_socket *sock, void *arg,
		    enum lined_close_reason reason, int error)
{
	struct memory_case *c = arg;

	dispatcher_hold(c->d, OWNED);
	lined_socket_send(c->socks[3], "line\n", 5);
}

/* A close that the flush of output has caused is told after the flush. A socket
 * that is closed then is told in the next turn. */
START_TEST(ceiling_waits_for_what_an_owner_keeps_in_the_next_turn)
{
	static const struct lined_socket_handlers owner = {
		.handle_close = return_owned,
	};
	static const struct lined_socket_handlers sender = {
		.handle_close = pass_on,
	};
	struct memory_case c;

	open_case(&c, false);
	c.memory.may_close = and_wait;
	fill(&c, 0, 300000);
	fill(&c, 1, 500000);
	lined_socket_set_handlers(c.socks[1], &owner, &c);
	lined_socket_set_handlers(c.socks[2], &sender, &c);
	memory_set_limit(&c.memory, memory_held(&c.memory) + 100000);
	run(&c);
	ck_assert_uint_eq(c.memory.closed, 0);
	lined_socket_close_after_flush(c.socks[2], LINED_CLOSE_LOCAL, 0);
	/* In the second turn the socket whose owner keeps bytes is told. */
	support_run_turns(c.d, 1);
	ck_assert_uint_eq(c.memory.closed, 1);
	run(&c);
	ck_assert_uint_eq(c.memory.closed, 1);
	ck_assert(!is_closed(&c, 0));
	/* The next socket is closed if that was not enough. */
	memory_set_limit(&c.memory, 250000);
	run(&c);
	ck_assert(is_closed(&c, 0));
	close_case(&c);
}
END_TEST

/* ---- keepers ------------------------------------------------------------ */

struct keeper_case {
	struct memory_keeper keeper;
	struct lined_dispatcher *d;
	int64_t kept;
	bool spare; /* it can give it up */
	unsigned asked;
};

static void keeper_give_up(struct memory_keeper *keeper, uint64_t bytes,
			   bool spare)
{
	struct keeper_case *k =
		lined_container_of(keeper, struct keeper_case, keeper);
	int64_t freed = (int64_t)bytes < k->kept ? (int64_t)bytes : k->kept;

	k->asked++;
	if (spare && !k->spare)
		return;
	k->kept -= freed;
	dispatcher_charge(k->d, -freed);
}

static void keep(struct keeper_case *k, struct lined_dispatcher *d,
		 int64_t bytes, bool spare)
{
	memset(k, 0, sizeof(*k));
	k->d = d;
	k->kept = bytes;
	k->spare = spare;
	k->keeper.give_up = keeper_give_up;
	list_init(&k->keeper.link);
	dispatcher_charge(d, bytes);
	dispatcher_add_keeper(d, &k->keeper);
}

static void keep_fini(struct keeper_case *k)
{
	dispatcher_charge(k->d, -k->kept);
	dispatcher_remove_keeper(&k->keeper);
}

/* Each its share, and before a socket is closed. */
START_TEST(keepers_give_up_from_three_quarters_on)
{
	struct keeper_case a, b;
	struct memory_case c;

	open_case(&c, false);
	keep(&a, c.d, 300000, true);
	keep(&b, c.d, 300000, true);
	memory_set_limit(&c.memory, 1000000);
	run(&c);
	ck_assert_uint_eq(a.asked + b.asked, 0);
	ck_assert(dispatcher_may_keep(c.d, 100000));
	ck_assert(!dispatcher_may_keep(c.d, 200000));
	fill(&c, 0, 350000);
	ck_assert_uint_le(memory_held(&c.memory), 752000);
	ck_assert_int_lt(a.kept, 270000);
	ck_assert_int_gt(a.kept, 100000);
	ck_assert_int_lt(b.kept, 270000);
	ck_assert_int_gt(b.kept, 100000);
	ck_assert_uint_eq(memory_kept(&c.memory), (uint64_t)(a.kept + b.kept));
	ck_assert_uint_ge(c.memory.given_up, 60000);
	ck_assert(!dispatcher_may_keep(c.d, 10000));
	ck_assert_uint_eq(c.memory.closed, 0);
	keep_fini(&a);
	keep_fini(&b);
	close_case(&c);
}
END_TEST

/* Queues of clients take nothing that somebody waits for; a lower ceiling
 * does. */
START_TEST(keepers_give_up_more_only_if_they_keep_too_much)
{
	struct keeper_case k;
	struct memory_case c;

	open_case(&c, false);
	keep(&k, c.d, 600000, false);
	memory_set_limit(&c.memory, 1000000);
	run(&c);
	fill(&c, 0, 200000);
	ck_assert(!is_closed(&c, 0));
	fill(&c, 0, 300000);
	ck_assert(is_closed(&c, 0));
	ck_assert_int_eq(k.kept, 600000);
	ck_assert_uint_gt(k.asked, 0);
	memory_set_limit(&c.memory, 400000);
	run(&c);
	ck_assert_int_le(k.kept, 300000);
	ck_assert_int_gt(k.kept, 290000);
	keep_fini(&k);
	close_case(&c);
}
END_TEST

/* A buffer that is kept twice counts twice as kept, but it is held once. */
START_TEST(keepers_give_up_nothing_more_if_what_is_spare_was_enough)
{
	struct lined_buffer *buffer = lined_buffer_alloc(500000, NULL);
	struct keeper_case history, waiting;
	struct memory_case c;

	open_case(&c, false);
	dispatcher_keep(c.d, buffer);
	dispatcher_keep(c.d, buffer);
	keep(&history, c.d, 100000, true);
	keep(&waiting, c.d, 1000, false);
	memory_set_limit(&c.memory, 1000000);
	run(&c);
	fill(&c, 0, 200000);
	ck_assert_int_lt(history.kept, 100000);
	ck_assert_int_gt(history.kept, 0);
	ck_assert_int_eq(waiting.kept, 1000);
	keep_fini(&history);
	keep_fini(&waiting);
	dispatcher_unkeep(c.d, buffer);
	dispatcher_unkeep(c.d, buffer);
	lined_buffer_unref(buffer);
	close_case(&c);
}
END_TEST

START_TEST(keepers_of_other_dispatchers_are_asked)
{
	struct keeper_case a, b;
	struct memory_case c;

	open_case(&c, true);
	keep(&a, c.d, 1000, false);
	keep(&b, c.others, 400000, true);
	memory_set_limit(&c.memory, 1000000);
	run(&c);
	fill(&c, 0, 500000);
	run(&c);
	ck_assert_int_lt(b.kept, 300000);
	ck_assert_uint_eq(c.memory.closed, 0);
	/* A dispatcher that was asked to check asks no other one. */
	a.asked = b.asked = 0;
	run(&c);
	run(&c);
	ck_assert_uint_eq(a.asked + b.asked, 0);
	keep_fini(&a);
	keep_fini(&b);
	close_case(&c);
}
END_TEST

/* Also one that sends before the end of the turn in which it was asked. */
START_TEST(keepers_that_were_asked_ask_nobody_while_clients_queue)
{
	struct keeper_case a, b;
	struct memory_case c;
	char bytes[5000] = {0};

	open_case(&c, true);
	keep(&a, c.d, 1000, false);
	keep(&b, c.others, 1000, false);
	memory_set_limit(&c.memory, 1000000);
	fill(&c, 0, 800000);
	run(&c);
	memory_ask_all(&c.memory);
	support_run_turns(c.others, 1);
	b.asked = 0;
	ck_assert_int_eq(lined_socket_send(c.socks[1], bytes, sizeof(bytes)),
			 0);
	support_run_turns(c.d, 1);
	ck_assert_uint_gt(a.asked, 0);
	support_run_turns(c.others, 1);
	ck_assert_uint_eq(b.asked, 0);
	keep_fini(&a);
	keep_fini(&b);
	close_case(&c);
}
END_TEST

START_TEST(buffer_that_is_kept_and_queued_is_charged_once)
{
	struct lined_buffer *buffer = lined_buffer_alloc(1000000, NULL);
	struct lined_table_entry entry = {.value = buffer};
	struct lined_table *table;
	struct memory_case c;
	uint64_t before;

	open_case(&c, false);
	table = lined_table_new(c.d, 4000000);
	before = memory_held(&c.memory);
	dispatcher_keep(c.d, buffer);
	ck_assert_int_eq(lined_table_put(table, "k", 1, &entry), 0);
	lined_socket_send_shared(c.socks[0], buffer, 0, 1000000);
	lined_buffer_unref(buffer);
	ck_assert_uint_ge(memory_held(&c.memory), before + 1000000);
	ck_assert_uint_lt(memory_held(&c.memory), before + 1002000);
	ck_assert_uint_ge(memory_kept(&c.memory), 1000000);
	ck_assert_uint_lt(memory_kept(&c.memory), 1001000);
	dispatcher_unkeep(c.d, buffer);
	ck_assert_uint_ge(memory_kept(&c.memory), 1000000);
	lined_table_free(table);
	ck_assert_uint_eq(memory_kept(&c.memory), 0);
	ck_assert_uint_ge(memory_held(&c.memory), before + 1000000);
	lined_socket_close(c.socks[0]);
	run(&c);
	ck_assert_uint_lt(memory_held(&c.memory), before);
	close_case(&c);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("memory");
	TCase *charges = support_case(suite, "charges");
	TCase *ceiling = support_case(suite, "ceiling");
	TCase *keepers = support_case(suite, "keepers");

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
	tcase_add_test(keepers, keepers_give_up_from_three_quarters_on);
	tcase_add_test(keepers,
		       keepers_give_up_more_only_if_they_keep_too_much);
	tcase_add_test(
		keepers,
		keepers_give_up_nothing_more_if_what_is_spare_was_enough);
	tcase_add_test(keepers, keepers_of_other_dispatchers_are_asked);
	tcase_add_test(keepers,
		       keepers_that_were_asked_ask_nobody_while_clients_queue);
	tcase_add_test(keepers, buffer_that_is_kept_and_queued_is_charged_once);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
