/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a condition for a limited time. Every wait in linetest is this
 * loop:
 *
 *	deadline_start(&deadline, d, ms);
 *	while (!condition && deadline_turn(&deadline))
 *		;
 *	deadline_stop(&deadline);
 */
#ifndef LINETEST_DEADLINE_H
#define LINETEST_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/dispatcher.h>

struct deadline {
	struct lined_timer timer;
	struct lined_timer tick;
	bool passed;
};

/* Starts the time. The deadline must not move until deadline_stop(). */
void deadline_start(struct deadline *deadline, struct lined_dispatcher *d,
		    uint32_t ms);

/* One turn of the dispatcher, of a few ms at most. False once the time is
 * over. */
bool deadline_turn(struct deadline *deadline);

void deadline_stop(struct deadline *deadline);

/* Ends every wait, now and later: linetest is to end. Safe in a signal
 * handler. */
void deadline_end_all(void);
bool deadline_all_are_over(void);

#endif
