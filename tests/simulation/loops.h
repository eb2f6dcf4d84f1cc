/* SPDX-License-Identifier: MIT */
/*
 * The dispatchers of all servers: one for each main thread and one for each
 * worker. Their pollers ask the simulated network. There are no threads:
 * loops_step() runs a turn of one dispatcher that would wake up now.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lined_dispatcher;

void loops_begin(void);

/* The first begins to run turns of this dispatcher, which belongs to a main
 * thread; the second stops that. */
void loops_add_main(struct lined_dispatcher *d);
void loops_remove_main(struct lined_dispatcher *d);

/* Must enclose calls that the main thread would make within a turn. */
void loops_main_calls(struct lined_dispatcher *d, bool begin);

/* While on, no worker answers within the time for which others wait. */
void loops_stall(bool on);

/* Stops one of the dispatchers for some steps, as if its thread waited for a
 * CPU; lets all of them run again. */
void loops_rest(void);
void loops_wake(void);

/* Runs a turn of a dispatcher that has something to do. False: there is
 * none. */
bool loops_step(void);

/* The time at which the next timer is due. UINT64_MAX: never. */
uint64_t loops_due_ns(void);

/* The number of dispatchers and threads. */
unsigned loops_count(void);
