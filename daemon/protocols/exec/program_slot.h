/* SPDX-License-Identifier: MIT */
/*
 * A slot of mode shared: a program, its clients, and the lines that tell the
 * program about them. A program that ends is restarted.
 */
#pragma once

#include "exec/exec.h"

struct exec_slot {
	struct exec *exec;
	struct exec_program *program; /* NULL: none running */
	bool idle;                    /* found at the last check */
	bool looks_known;             /* see exec_program_is_idle() */
	struct lined_timer restart;
	uint32_t restart_ms;
	size_t clients, ended_clients;    /* ended_clients: with ended input */
	struct exec_client *first, *last; /* clients waiting to be read */
};

/* The time of the instance's dispatcher. */
static inline uint64_t exec_now_ms(const struct exec *exec)
{
	return lined_dispatcher_now_ms(lined_service_dispatcher(exec->service));
}

/* Makes a slot without a program; NULL: no memory. A slot may be freed only
 * without a program. */
struct exec_slot *exec_slot_new(struct exec *exec);

/* Starts the program. The slot's clients wait until they are announced to the
 * program. -1 and errno. */
int exec_slot_start(struct exec_slot *slot);
/* As exec_slot_start(); a failure is logged, and a later attempt follows. */
void exec_slot_restart(struct exec_slot *slot);
/* Call this each second: restarts the program if its restart timer could not be
 * started. */
void exec_slot_watch(struct exec_slot *slot);
/* Takes the program out of the slot and ends it as exec_program_end() does. */
void exec_slot_retire(struct exec_slot *slot, uint32_t wait_ms);

/* Whether the slot's program takes a line now. */
bool exec_slot_has_room(const struct exec_slot *slot);
/* Queues the client and stops reading it until the program has room. */
void exec_slot_queue(struct exec_slot *slot, struct exec_client *client);
void exec_slot_unqueue(struct exec_slot *slot, struct exec_client *client);

/* Send "+ID ...", "-ID ..." and "ID TEXT" to the program. Only "-ID ..." may be
 * sent if exec_slot_has_room() is false. */
void exec_slot_announce(struct exec_slot *slot, struct exec_client *client);
void exec_slot_retract(struct exec_slot *slot, const struct exec_client *client,
		       const char *reason);
void exec_slot_say(struct exec_slot *slot, const struct exec_client *client,
		   const struct lined_line *line);

/* Checks whether the program is idle: it has read everything and waits. */
void exec_slot_look(struct exec_slot *slot);
