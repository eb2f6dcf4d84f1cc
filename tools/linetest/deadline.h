/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a condition for a limited time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lined/dispatcher.h>

struct deadline {
	struct lined_timer timer;
	struct lined_timer tick;
	bool passed;
};

/* Starts the deadline. Its struct must not move in memory until
 * deadline_stop(). */
void deadline_start(struct deadline *deadline, struct lined_dispatcher *d,
		    uint32_t ms);

/* Runs one turn of the dispatcher, of a few ms at most. False, without a turn:
 * the time is over, or deadline_end_all() was called. */
bool deadline_turn(struct deadline *deadline);

void deadline_stop(struct deadline *deadline);

/* Runs turns of a dispatcher until the condition is true, for ms milliseconds
 * at most. Evaluates the condition before the first turn and after each. */
#define deadline_wait_until(d, ms, condition)                                  \
	do {                                                                   \
		struct deadline deadline_;                                     \
                                                                               \
		deadline_start(&deadline_, d, ms);                             \
		while (!(condition) && deadline_turn(&deadline_))              \
			;                                                      \
		deadline_stop(&deadline_);                                     \
	} while (0)

/* Ends every wait, now and later, so that linetest ends. Safe in a signal
 * handler. */
void deadline_end_all(void);
bool deadline_all_are_over(void);
