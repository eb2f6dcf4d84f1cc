/* SPDX-License-Identifier: MIT */
/*
 * The armed timers of a dispatcher: a 4-ary heap by due time. An entry holds
 * its due time beside the pointer, so that sifting compares without touching
 * the timers.
 */
#ifndef TIMER_HEAP_H
#define TIMER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/timer.h>

/* lined_timer.slot of a timer that is not armed. */
#define TIMER_UNARMED UINT32_MAX

struct timer_entry {
	uint64_t due_ms;
	struct lined_timer *timer;
};

struct timer_heap {
	struct timer_entry *entries;
	uint32_t count, room;
};

void timer_heap_fini(struct timer_heap *heap);

/* Inserts, or moves where it is in. -1/ENOMEM on insertion. */
int timer_heap_set(struct timer_heap *heap, struct lined_timer *timer,
		   uint64_t due_ms);
void timer_heap_remove(struct timer_heap *heap, struct lined_timer *timer);

/* When this armed timer is due. */
uint64_t timer_heap_due_of(const struct timer_heap *heap,
			   const struct lined_timer *timer);

/* When the first timer is due; UINT64_MAX where none is armed. */
uint64_t timer_heap_due(const struct timer_heap *heap);

#endif
