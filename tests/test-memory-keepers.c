/* SPDX-License-Identifier: MIT */
/*
 * The keepers of a dispatcher. A keeper is what a protocol keeps for its
 * clients, and gives up before the ceiling closes a socket.
 */
#include "config.h"

#include <string.h>

#include <lined/table.h>

#include "ceiling_fixture.h"
#include "dispatcher_priv.h"
#include "support.h"

struct keeper_case {
	struct memory_keeper keeper;
	struct lined_dispatcher *d;
	int64_t kept;
	bool spare; /* may be given up, as a history may */
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

/* Each keeper gives up its share, before any socket is closed. */
START_TEST(keepers_give_up_from_three_quarters_on)
{
	struct keeper_case a, b;
	struct ceiling_case c;

	ceiling_open(&c, false);
	keep(&a, c.d, 300000, true);
	keep(&b, c.d, 300000, true);
	memory_set_limit(&c.memory, 1000000);
	ceiling_run(&c);
	ck_assert_uint_eq(a.asked + b.asked, 0);
	ck_assert(dispatcher_may_keep(c.d, 100000));
	ck_assert(!dispatcher_may_keep(c.d, 200000));
	ceiling_fill(&c, 0, 350000);
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
	ceiling_close(&c);
}
END_TEST

/* Because of long queues, keepers do not give up what somebody waits for;
 * because of a lower ceiling they do. */
START_TEST(keepers_give_up_more_only_if_they_keep_too_much)
{
	struct keeper_case k;
	struct ceiling_case c;

	ceiling_open(&c, false);
	keep(&k, c.d, 600000, false);
	memory_set_limit(&c.memory, 1000000);
	ceiling_run(&c);
	ceiling_fill(&c, 0, 200000);
	ck_assert(!ceiling_is_closed(&c, 0));
	ceiling_fill(&c, 0, 300000);
	ck_assert(ceiling_is_closed(&c, 0));
	ck_assert_int_eq(k.kept, 600000);
	ck_assert_uint_gt(k.asked, 0);
	memory_set_limit(&c.memory, 400000);
	ceiling_run(&c);
	ck_assert_int_le(k.kept, 300000);
	ck_assert_int_gt(k.kept, 290000);
	keep_fini(&k);
	ceiling_close(&c);
}
END_TEST

/* A buffer with two keepers is counted twice as kept memory, but only once as
 * held memory. */
START_TEST(keepers_give_up_nothing_more_if_what_is_spare_was_enough)
{
	struct lined_buffer *buffer = lined_buffer_alloc(500000, NULL);
	struct keeper_case history, waiting;
	struct ceiling_case c;

	ceiling_open(&c, false);
	dispatcher_keep(c.d, buffer);
	dispatcher_keep(c.d, buffer);
	keep(&history, c.d, 100000, true);
	keep(&waiting, c.d, 1000, false);
	memory_set_limit(&c.memory, 1000000);
	ceiling_run(&c);
	ceiling_fill(&c, 0, 200000);
	ck_assert_int_lt(history.kept, 100000);
	ck_assert_int_gt(history.kept, 0);
	ck_assert_int_eq(waiting.kept, 1000);
	keep_fini(&history);
	keep_fini(&waiting);
	dispatcher_unkeep(c.d, buffer);
	dispatcher_unkeep(c.d, buffer);
	lined_buffer_unref(buffer);
	ceiling_close(&c);
}
END_TEST

START_TEST(keepers_of_other_dispatchers_are_asked)
{
	struct keeper_case a, b;
	struct ceiling_case c;

	ceiling_open(&c, true);
	keep(&a, c.d, 1000, false);
	keep(&b, c.others, 400000, true);
	memory_set_limit(&c.memory, 1000000);
	ceiling_run(&c);
	ceiling_fill(&c, 0, 500000);
	ceiling_run(&c);
	ck_assert_int_lt(b.kept, 300000);
	ck_assert_uint_eq(c.memory.closed, 0);
	/* A dispatcher that was asked to check asks no other one. */
	a.asked = b.asked = 0;
	ceiling_run(&c);
	ceiling_run(&c);
	ck_assert_uint_eq(a.asked + b.asked, 0);
	keep_fini(&a);
	keep_fini(&b);
	ceiling_close(&c);
}
END_TEST

/* The same if a dispatcher sends before the end of the turn in which it was
 * asked. */
START_TEST(keepers_that_were_asked_ask_nobody_while_clients_queue)
{
	struct keeper_case a, b;
	struct ceiling_case c;
	char bytes[5000] = {0};

	ceiling_open(&c, true);
	keep(&a, c.d, 1000, false);
	keep(&b, c.others, 1000, false);
	memory_set_limit(&c.memory, 1000000);
	ceiling_fill(&c, 0, 800000);
	ceiling_run(&c);
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
	ceiling_close(&c);
}
END_TEST

START_TEST(buffer_that_is_kept_and_queued_is_charged_once)
{
	struct lined_buffer *buffer = lined_buffer_alloc(1000000, NULL);
	struct lined_table_entry entry = {.value = buffer};
	struct lined_table *table;
	struct ceiling_case c;
	uint64_t before;

	ceiling_open(&c, false);
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
	ceiling_run(&c);
	ck_assert_uint_lt(memory_held(&c.memory), before);
	ceiling_close(&c);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("memory-keepers");
	TCase *keepers = support_case(suite, "keepers");

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
