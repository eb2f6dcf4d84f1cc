/* SPDX-License-Identifier: MIT */
/*
 * The dispatchers of all servers, the main thread's and one for each worker,
 * each with a poller that asks the simulated network. Threads do not run:
 * loops_step() runs a turn of one dispatcher that would wake up now.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lined_dispatcher;

void loops_begin(void);

/* This dispatcher is a main thread's, whose turns are run from now on; and not
 * any more. */
void loops_add_main(struct lined_dispatcher *d);
void loops_remove_main(struct lined_dispatcher *d);

/* Around calls that the main thread would make within a turn. */
void loops_main_calls(struct lined_dispatcher *d, bool begin);

/* While on, workers take longer than anybody waits for them. */
void loops_stall(bool on);

/* One of the dispatchers does not run for some steps: its thread waits for a
 * CPU. All run again. */
void loops_rest(void);
void loops_wake(void);

/* Runs a turn of a dispatcher that has something to do. False: none has. */
bool loops_step(void);

/* When the next timer is due. UINT64_MAX: never. */
uint64_t loops_due_ns(void);

/* How many dispatchers and threads there are. */
unsigned loops_count(void);
