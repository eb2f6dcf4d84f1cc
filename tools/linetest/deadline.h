/* SPDX-License-Identifier: MIT */
/*
 * Waiting for something, but not for ever: the loop that every wait of linetest
 * is.
 *
 *	deadline_start(&deadline, d, ms);
 *	while (!something && deadline_turn(&deadline))
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

/* Armed from now on; stays where it is until deadline_stop(). */
void deadline_start(struct deadline *deadline, struct lined_dispatcher *d,
		    uint32_t ms);

/* One turn of the dispatcher, which waits, but looks up now and then. False
 * once the time is over. */
bool deadline_turn(struct deadline *deadline);

void deadline_stop(struct deadline *deadline);

/* Every wait is over, those to come as well: linetest is to end. For a signal's
 * handler. */
void deadline_end_all(void);
bool deadline_all_are_over(void);

#endif
