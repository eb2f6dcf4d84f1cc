/* SPDX-License-Identifier: MIT */
/*
 * The instance of an exec service, its clients, and the functions of the two
 * modes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/protocol.h>

#include "exec/options.h"
#include "exec/program.h"

struct exec_shared;
struct exec_slot;

struct exec {
	struct lined_service *service;
	const struct exec_options *options;
	struct exec_shared *shared; /* mode shared */
	struct exec_program *all;   /* all programs, also replaced ones */
	size_t programs;            /* mode each: number of programs */
	size_t old_programs;        /* mode shared: programs that a reload has
				     * replaced */
	uint64_t restarts;
	bool silent_named; /* exec_program_watch() has logged a program */
	bool draining;
	size_t drained; /* clients without unread input */
};

/* The data of a client: lined_client_data(). */
struct exec_client {
	struct lined_socket *sock;
	/* Mode each; NULL: the program has ended. */
	struct exec_program *program;
	/* Mode shared. A client that waits to be read is in the list of its
	 * slot. */
	struct exec_slot *slot;
	struct exec_client *prev, *next;
	bool waits;
	bool announced; /* the slot's program knows the client */
	bool again;     /* an earlier program knew the client */
	bool drained;
	/* The client's input has ended: shared_close_ended() closes the client
	 * later. idle_looks: how many checks in a row have found the program
	 * idle. */
	bool ended;
	unsigned char idle_looks;
	uint64_t told_ms; /* of the last output to the client, or of the end
			   * of its input */
};

/* ---- mode_shared.c ------------------------------------------------------ */

/* Starts the programs. -1 and errno on failure. */
int exec_shared_start(struct exec *exec);
void exec_shared_stop(struct exec *exec);
void exec_shared_reload(struct exec *exec);
/* Call this each second: restarts programs whose restart timer could not be
 * started. */
void exec_shared_watch(struct exec *exec);
void exec_shared_accept(struct exec *exec, struct exec_client *client);
/* Call this when a program has written. Clients whose input has ended are
 * checked soon: perhaps their last answer has come. */
void exec_shared_look_soon(struct exec *exec);
/* Returns the number of running programs and adds their memory in bytes to
 * *memory. Programs that a reload has replaced are left out. */
size_t exec_shared_measure(const struct exec *exec, uint64_t *memory);
/* Ends the programs' input. Returns true when all programs have ended. */
bool exec_shared_drain(struct exec *exec);

/* ---- mode_each.c -------------------------------------------------------- */

void exec_each_accept(struct exec *exec, struct exec_client *client);
void exec_each_drain(struct exec_client *client);
