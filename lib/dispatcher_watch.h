/* SPDX-License-Identifier: MIT */
/*
 * A dispatcher as other threads see it: the load of its thread, and its present
 * work. All functions are MT-safe.
 */
#pragma once

#include <stdint.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

/* ---- load ---------------------------------------------------------------- */

#define TURN_STATS_BOUNDS 10

/*
 * The turns of a dispatcher, with a histogram of their lengths: an event may
 * have to wait for a whole turn. The time in which the dispatcher waits for
 * events is not included. The numbers only grow. The dispatcher's thread writes
 * them; other threads may read them with relaxed atomic loads.
 */
struct turn_stats {
	uint64_t turns;
	uint64_t busy_ns;
	/* Turns that lasted at most bounds[i], and longer than bounds[i - 1];
	 * in the last place, longer than all bounds. */
	uint64_t lasted[TURN_STATS_BOUNDS + 1];
};

extern const uint32_t turn_stats_bounds_us[TURN_STATS_BOUNDS];

/* Counts a turn that worked for busy_ns. Thread: the dispatcher's. */
void turn_stats_count(struct turn_stats *stats, uint64_t busy_ns);

/* Valid until the dispatcher is freed. */
const struct turn_stats *dispatcher_turns(const struct lined_dispatcher *d);

/* The number of wakeups that the dispatcher has seen. Posted messages and
 * lined_dispatcher_wake() cause wakeups. */
uint64_t dispatcher_wakeups(const struct lined_dispatcher *d);

/* ---- work ---------------------------------------------------------------- */

/*
 * The group of the socket whose handlers run now; NULL: none. The group may
 * have been freed meanwhile: compare the pointer, do not follow it.
 */
const struct lined_socket_group *
dispatcher_serving(const struct lined_dispatcher *d);

/* The address of the handler that runs now, of a timer, a message or a
 * delegate; 0: none. */
uintptr_t dispatcher_calling(const struct lined_dispatcher *d);
