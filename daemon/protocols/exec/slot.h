/* SPDX-License-Identifier: MIT */
/*
 * A slot of mode shared: a program, the clients that it serves, and the lines
 * about them.
 */
#pragma once

#include "exec/exec.h"

/* A place for a program in mode shared, and its clients. */
struct exec_slot {
	struct exec *exec;
	struct exec_program *program; /* NULL: none runs */
	bool idle;                    /* at the last look */
	bool looks_known;             /* the system shows what it waits for */
	struct lined_timer restart;
	uint32_t restart_ms;
	size_t clients, ended_clients; /* the latter: whose input has ended */
	struct exec_client *first, *last; /* which wait to be read */
};

/* The time of the instance's dispatcher. */
static inline uint64_t exec_now_ms(const struct exec *exec)
{
	return lined_dispatcher_now_ms(lined_service_dispatcher(exec->service));
}

/* Without a program; NULL: no memory. To be freed when it has none. */
struct exec_slot *exec_slot_new(struct exec *exec);

/* Starts the program; the clients wait until they are announced. -1 and errno.
 */
int exec_slot_start(struct exec_slot *slot);
/* The same; if it fails, it is logged and tried again later. */
void exec_slot_restart(struct exec_slot *slot);
/* Ends the program, which may still write for wait_ms. */
void exec_slot_retire(struct exec_slot *slot, uint32_t wait_ms);

/* Whether its program takes a line now. */
bool exec_slot_has_room(const struct exec_slot *slot);
/* Stops reading the client until the program has room. */
void exec_slot_queue(struct exec_slot *slot, struct exec_client *client);
void exec_slot_unqueue(struct exec_slot *slot, struct exec_client *client);

/* "+ID ...", "-ID ...", "ID TEXT"; all but "-ID" need room in the slot. */
void exec_slot_announce(struct exec_slot *slot, struct exec_client *client);
void exec_slot_retract(struct exec_slot *slot, const struct exec_client *client,
		       const char *reason);
void exec_slot_say(struct exec_slot *slot, const struct exec_client *client,
		   const struct lined_line *line);

/* Looks if the program is idle: it has read all that it was told, and waits. */
void exec_slot_look(struct exec_slot *slot);
