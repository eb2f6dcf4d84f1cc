/* SPDX-License-Identifier: MIT */
/*
 * Waits by timers of the dispatcher. A tick ends each turn soon, for conditions
 * that the dispatcher does not see: the end of a process, a signal.
 */
#include "config.h"

#include "linetest/deadline.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_MS 5

static volatile sig_atomic_t all_over;

static void deadline_expired(struct lined_timer *timer)
{
	lined_container_of(timer, struct deadline, timer)->passed = true;
}

static void deadline_ticked(struct lined_timer *timer)
{
}

void deadline_start(struct deadline *deadline, struct lined_dispatcher *d,
		    uint32_t ms)
{
	deadline->passed = false;
	lined_timer_init(&deadline->timer, d, deadline_expired);
	lined_timer_init(&deadline->tick, d, deadline_ticked);
	if (lined_timer_start(&deadline->timer, ms, 0) < 0 ||
	    lined_timer_start(&deadline->tick, TICK_MS, TICK_MS) < 0) {
		perror("linetest: timer");
		exit(2);
	}
}

bool deadline_turn(struct deadline *deadline)
{
	if (deadline->passed || all_over)
		return false;
	if (lined_dispatcher_poll(deadline->timer.dispatcher, -1) < 0) {
		perror("linetest: poll");
		exit(2);
	}
	return true;
}

void deadline_stop(struct deadline *deadline)
{
	lined_timer_stop(&deadline->timer);
	lined_timer_stop(&deadline->tick);
}

void deadline_end_all(void)
{
	all_over = 1;
}

bool deadline_all_are_over(void)
{
	return all_over != 0;
}
