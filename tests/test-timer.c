/* SPDX-License-Identifier: MIT */
/*
 * Timers: handlers are called in order, not too early, and as often as asked.
 * Delays depend on the machine: there are no assertions about them.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <lined/dispatcher.h>
#include <lined/timer.h>

#include "support.h"

struct tick {
	struct lined_timer timer;
	unsigned fired;
	uint64_t due_ms;
	void (*act)(struct tick *tick);
	void *arg;
};

static void fire(struct lined_timer *timer)
{
	struct tick *tick = lined_container_of(timer, struct tick, timer);

	tick->fired++;
	if (tick->act != NULL)
		tick->act(tick);
}

static void tick_init(struct tick *tick, struct lined_dispatcher *d)
{
	memset(tick, 0, sizeof(*tick));
	lined_timer_init(&tick->timer, d, fire);
}

static void tick_start(struct tick *tick, uint64_t delay_ms,
		       uint32_t interval_ms)
{
	ck_assert_int_eq(lined_timer_start(&tick->timer, delay_ms, interval_ms),
			 0);
	/* lined_timer_start() may have read the clock: compute the due time
	 * after it. */
	tick->due_ms =
		lined_dispatcher_now_ms(tick->timer.dispatcher) + delay_ms;
}

START_TEST(a_one_shot_timer_fires_once_and_not_before_its_time)
{
	struct lined_dispatcher *d = support_dispatcher();
	uint64_t start_ms = support_now_ms();
	struct tick tick;

	tick_init(&tick, d);
	ck_assert(!lined_timer_is_armed(&tick.timer));
	tick_start(&tick, 30, 0);
	ck_assert(lined_timer_is_armed(&tick.timer));
	support_run_until_count(d, &tick.fired, 1);
	ck_assert_uint_ge(support_now_ms() - start_ms, 30);
	ck_assert_uint_ge(lined_dispatcher_now_ms(d), tick.due_ms);
	ck_assert(!lined_timer_is_armed(&tick.timer));
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	ck_assert_uint_eq(tick.fired, 1);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(an_armed_timer_alone_is_a_program)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct tick tick;
	unsigned turns = 0;

	tick_init(&tick, d);
	tick_start(&tick, 20, 0);
	while (lined_dispatcher_poll(d, 500) > 0)
		turns++;
	ck_assert_uint_eq(tick.fired, 1);
	ck_assert_uint_le(turns, 3);
	lined_dispatcher_free(d);
}
END_TEST

static void stop_at_five(struct tick *tick)
{
	uint64_t now_ms = lined_dispatcher_now_ms(tick->timer.dispatcher);

	/* The timer was armed again before the handler was called. */
	ck_assert(lined_timer_is_armed(&tick->timer));
	ck_assert_uint_ge(now_ms, tick->due_ms);
	tick->due_ms = now_ms + 5;
	if (tick->fired == 5)
		lined_timer_stop(&tick->timer);
}

START_TEST(a_periodic_timer_fires_until_stopped_in_its_own_handler)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct tick tick;

	tick_init(&tick, d);
	tick.act = stop_at_five;
	tick_start(&tick, 10, 5);
	while (lined_dispatcher_poll(d, 500) > 0)
		;
	ck_assert_uint_eq(tick.fired, 5);
	ck_assert(!lined_timer_is_armed(&tick.timer));
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(a_periodic_timer_that_was_held_up_fires_once)
{
	struct lined_dispatcher *d = support_dispatcher();
	uint64_t start_ms = support_now_ms();
	struct tick tick;

	tick_init(&tick, d);
	tick_start(&tick, 2, 2);
	while (support_now_ms() - start_ms < 50)
		;
	support_run_turns(d, 1);
	ck_assert_uint_eq(tick.fired, 1);
	lined_timer_stop(&tick.timer);
	lined_dispatcher_free(d);
}
END_TEST

/* The cleanup of a failed start may stop timers that it has not prepared. */
START_TEST(a_timer_of_zeroes_is_not_armed)
{
	struct lined_timer timer = {.slot = 0};

	ck_assert(!lined_timer_is_armed(&timer));
	lined_timer_stop(&timer);
	ck_assert(!lined_timer_is_armed(&timer));
}
END_TEST

START_TEST(a_stopped_timer_does_not_fire)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct tick tick, other;

	tick_init(&tick, d);
	tick_init(&other, d);
	lined_timer_stop(&tick.timer); /* not armed: does nothing */
	tick_start(&tick, 0, 0);
	tick_start(&other, 20, 0);
	lined_timer_stop(&tick.timer);
	lined_timer_stop(&tick.timer);
	while (lined_dispatcher_poll(d, 500) > 0)
		;
	ck_assert_uint_eq(tick.fired, 0);
	ck_assert_uint_eq(other.fired, 1);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(starting_an_armed_timer_moves_it)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct tick later, sooner, fence;

	tick_init(&later, d);
	tick_init(&sooner, d);
	tick_init(&fence, d);
	tick_start(&later, 1, 0);
	tick_start(&later, 100000, 0);
	tick_start(&sooner, 100000, 7);
	tick_start(&sooner, 1, 0);
	tick_start(&fence, 30, 0);
	support_run_until_count(d, &fence.fired, 1);
	ck_assert_uint_eq(later.fired, 0);
	ck_assert_uint_eq(sooner.fired, 1);
	ck_assert(!lined_timer_is_armed(&sooner.timer));
	ck_assert(lined_timer_is_armed(&later.timer));
	lined_timer_stop(&later.timer);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	lined_dispatcher_free(d);
}
END_TEST

static void restart_at_once(struct tick *tick)
{
	if (tick->fired < 10)
		tick_start(tick, 0, 0);
}

/* A delay of 0 means the next turn: the timer phase ends. */
START_TEST(a_timer_restarted_with_no_delay_comes_a_turn_later)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct tick tick;
	unsigned before;

	tick_init(&tick, d);
	tick.act = restart_at_once;
	tick_start(&tick, 0, 0);
	while (tick.fired < 10) {
		before = tick.fired;
		ck_assert_int_ge(lined_dispatcher_poll(d, -1), 0);
		ck_assert_uint_le(tick.fired - before, 1);
	}
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	lined_dispatcher_free(d);
}
END_TEST

static void start_other(struct lined_message *message);

struct from_message {
	struct lined_message message;
	struct tick *tick;
};

static void start_other(struct lined_message *message)
{
	struct from_message *from =
		lined_container_of(message, struct from_message, message);

	tick_start(from->tick, 0, 0);
}

START_TEST(a_timer_started_in_a_turn_fires_in_the_next_at_the_earliest)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct from_message from = {.message.handler = start_other};
	struct tick tick;

	tick_init(&tick, d);
	from.tick = &tick;
	lined_dispatcher_open_mailbox(d);
	ck_assert_int_eq(lined_dispatcher_post(d, &from.message), 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert(lined_timer_is_armed(&tick.timer));
	ck_assert_uint_eq(tick.fired, 0);
	support_run_until_count(d, &tick.fired, 1);
	lined_dispatcher_free(d);
}
END_TEST

struct heap_tick {
	struct tick tick;
	struct heap_tick *other;
};

static void free_both(struct tick *tick)
{
	struct heap_tick *self =
		lined_container_of(tick, struct heap_tick, tick);
	bool *freed = tick->arg;

	ck_assert(!*freed);
	*freed = true;
	lined_timer_stop(&self->other->tick.timer);
	free(self->other);
	lined_timer_stop(&tick->timer);
	free(self);
}

START_TEST(a_handler_may_free_its_own_and_another_due_timer)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct heap_tick *a = calloc(1, sizeof(*a));
	struct heap_tick *b = calloc(1, sizeof(*b));
	bool freed = false;

	tick_init(&a->tick, d);
	tick_init(&b->tick, d);
	a->other = b;
	b->other = a;
	a->tick.act = b->tick.act = free_both;
	a->tick.arg = b->tick.arg = &freed;
	tick_start(&a->tick, 0, 3);
	tick_start(&b->tick, 0, 3);
	while (lined_dispatcher_poll(d, 500) > 0)
		;
	ck_assert(freed);
	lined_dispatcher_free(d);
}
END_TEST

/* ---- many ------------------------------------------------------------ */

enum { MANY = 5000 };

struct many {
	struct tick ticks[MANY];
	/* The due times, in the order of firing. */
	uint64_t fired_due_ms[MANY];
	unsigned fired;
};

static void record(struct tick *tick)
{
	struct many *many = tick->arg;

	ck_assert_uint_ge(lined_dispatcher_now_ms(tick->timer.dispatcher),
			  tick->due_ms);
	many->fired_due_ms[many->fired++] = tick->due_ms;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Starts, stops and moves timers at random. The remaining ones must fire in
 * order. */
START_TEST(many_timers_fire_in_the_order_of_their_due_times)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct many *many = calloc(1, sizeof(*many));
	uint64_t *expected = calloc(MANY, sizeof(*expected));
	unsigned i, armed = 0;

	srand(4711 + (unsigned)_i);
	for (i = 0; i < MANY; i++) {
		tick_init(&many->ticks[i], d);
		many->ticks[i].act = record;
		many->ticks[i].arg = many;
		tick_start(&many->ticks[i], (uint64_t)(rand() % 200), 0);
	}
	for (i = 0; i < MANY; i++) {
		struct tick *tick = &many->ticks[rand() % MANY];

		if (rand() % 3 == 0)
			lined_timer_stop(&tick->timer);
		else
			tick_start(tick, (uint64_t)(rand() % 200), 0);
	}
	for (i = 0; i < MANY; i++)
		if (lined_timer_is_armed(&many->ticks[i].timer))
			expected[armed++] = many->ticks[i].due_ms;
	qsort(expected, armed, sizeof(*expected), compare_u64);

	while (lined_dispatcher_poll(d, 500) > 0)
		;
	ck_assert_uint_eq(many->fired, armed);
	for (i = 0; i < armed; i++)
		ck_assert_uint_eq(many->fired_due_ms[i], expected[i]);
	free(expected);
	free(many);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(the_clock_stands_still_within_a_turn_and_never_goes_back)
{
	struct lined_dispatcher *d = support_dispatcher();
	uint64_t before_ms, now_ms = 0;
	struct tick tick;
	int i;

	tick_init(&tick, d);
	tick_start(&tick, 100000, 0);
	for (i = 0; i < 20; i++) {
		before_ms = support_now_ms();
		ck_assert_int_eq(lined_dispatcher_poll(d, 2), 1);
		ck_assert_uint_ge(lined_dispatcher_now_ms(d), now_ms);
		now_ms = lined_dispatcher_now_ms(d);
		ck_assert_uint_ge(now_ms, before_ms);
		ck_assert_uint_le(now_ms, support_now_ms());
	}
	lined_timer_stop(&tick.timer);
	lined_dispatcher_free(d);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("timer");
	TCase *tcase = support_case(suite, "timer");

	tcase_add_test(tcase,
		       a_one_shot_timer_fires_once_and_not_before_its_time);
	tcase_add_test(tcase, an_armed_timer_alone_is_a_program);
	tcase_add_test(tcase, a_timer_of_zeroes_is_not_armed);
	tcase_add_test(tcase,
		       a_periodic_timer_fires_until_stopped_in_its_own_handler);
	tcase_add_test(tcase, a_periodic_timer_that_was_held_up_fires_once);
	tcase_add_test(tcase, a_stopped_timer_does_not_fire);
	tcase_add_test(tcase, starting_an_armed_timer_moves_it);
	tcase_add_test(tcase,
		       a_timer_restarted_with_no_delay_comes_a_turn_later);
	tcase_add_test(
		tcase,
		a_timer_started_in_a_turn_fires_in_the_next_at_the_earliest);
	tcase_add_test(tcase, a_handler_may_free_its_own_and_another_due_timer);
	tcase_add_loop_test(
		tcase, many_timers_fire_in_the_order_of_their_due_times, 0, 3);
	tcase_add_test(
		tcase,
		the_clock_stands_still_within_a_turn_and_never_goes_back);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
