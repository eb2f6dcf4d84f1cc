/* SPDX-License-Identifier: MIT */
/*
 * Reads the clock of a dispatcher, and fires its timers (lined/timer.h) and the
 * deadlines of its sockets.
 */
#include "config.h"

#include <lined/timer.h>

#include <time.h>

#include "dispatcher_priv.h"

void dispatcher_read_clock(struct lined_dispatcher *d)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	d->now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	d->now_ms = d->now_ns / 1000000;
}

uint64_t dispatcher_clock(struct lined_dispatcher *d)
{
	if (!d->in_turn)
		dispatcher_read_clock(d);
	return d->now_ms;
}

void lined_timer_init(struct lined_timer *timer,
		      struct lined_dispatcher *dispatcher,
		      void (*handler)(struct lined_timer *timer))
{
	timer->dispatcher = dispatcher;
	timer->handler = handler;
	timer->interval_ms = 0;
	timer->slot = TIMER_UNARMED;
}

/* Within a turn the delay is at least 1 ms: otherwise the timer phase would
 * never end if a handler armed its own timer with 0. */
static int timer_arm(struct lined_dispatcher *d, struct timer_heap *heap,
		     uint32_t *slot, uint64_t delay_ms)
{
	uint64_t now_ms = dispatcher_clock(d);

	if (delay_ms == 0 && d->in_turn)
		delay_ms = 1;
	if (delay_ms > UINT64_MAX - 1 - now_ms)
		delay_ms = UINT64_MAX - 1 - now_ms;
	return timer_heap_set(heap, slot, now_ms + delay_ms);
}

int lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
		      uint32_t interval_ms)
{
	struct lined_dispatcher *d = timer->dispatcher;

	if (timer_arm(d, &d->timers, &timer->slot, delay_ms) < 0)
		return -1;
	timer->interval_ms = interval_ms;
	return 0;
}

void lined_timer_stop(struct lined_timer *timer)
{
	/* lined_timer_init() was not called for this zeroed timer. */
	if (timer->dispatcher == NULL)
		return;
	timer_heap_remove(&timer->dispatcher->timers, &timer->slot);
}

bool lined_timer_is_armed(const struct lined_timer *timer)
{
	return timer->dispatcher != NULL && timer->slot != TIMER_UNARMED;
}

int dispatcher_set_deadline(struct lined_dispatcher *d, uint32_t *slot,
			    uint64_t delay_ms)
{
	return timer_arm(d, &d->deadlines, slot, delay_ms);
}

static void timer_fire(struct lined_dispatcher *d)
{
	struct lined_timer *timer = lined_container_of(
		d->timers.entries[0].slot, struct lined_timer, slot);

	/* Arm first: the handler may stop or free the timer. */
	if (timer->interval_ms > 0)
		timer_heap_set(&d->timers, &timer->slot,
			       d->now_ms + timer->interval_ms);
	else
		timer_heap_remove(&d->timers, &timer->slot);
	dispatcher_begin_call(d, (uintptr_t)timer->handler);
	timer->handler(timer);
	dispatcher_end_call(d);
}

static void timer_fire_deadline(struct lined_dispatcher *d)
{
	uint32_t *slot = d->deadlines.entries[0].slot;

	timer_heap_remove(&d->deadlines, slot);
	dispatcher_begin_call(d, (uintptr_t)d->socket_ops->expire);
	d->socket_ops->expire(slot);
	dispatcher_end_call(d);
}

void timers_fire(struct lined_dispatcher *d)
{
	uint64_t due;

	while ((due = timers_due(d)) <= d->now_ms)
		if (due == timer_heap_due(&d->timers))
			timer_fire(d);
		else
			timer_fire_deadline(d);
}
