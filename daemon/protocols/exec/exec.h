/* SPDX-License-Identifier: MIT */
/*
 * The instance of a service, its clients, and what the two modes do for them.
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
	struct exec_program *all;   /* running, replaced ones included */
	size_t programs;            /* mode each: number of programs */
	size_t old_programs;        /* mode shared: replaced by a reload */
	uint64_t restarts;
	bool silent_named; /* a program that buffers its output was logged */
	bool draining;
	size_t drained; /* clients without unread input */
};

/* The data of a client: lined_client_data(). */
struct exec_client {
	struct lined_socket *sock;
	/* Mode each; NULL: the program has ended. */
	struct exec_program *program;
	/* Mode shared. A client waiting to be read is in its slot's list. */
	struct exec_slot *slot;
	struct exec_client *prev, *next;
	bool waits;
	bool announced; /* the program was told about the client */
	bool again;     /* an earlier program was told, too */
	bool drained;
	/* The client's input has ended. The client is closed when its answers
	 * are complete: when enough checks since then have found the program
	 * idle. */
	bool ended;
	unsigned char idle_looks;
	uint64_t told_ms; /* last output, or the end of input */
};

/* ---- mode_shared.c ------------------------------------------------------ */

/* -1 and errno. */
int exec_shared_start(struct exec *exec);
void exec_shared_stop(struct exec *exec);
void exec_shared_reload(struct exec *exec);
void exec_shared_accept(struct exec *exec, struct exec_client *client);
/* A program has written something: check soon whether clients whose input has
 * ended have got their answers. */
void exec_shared_look_soon(struct exec *exec);
/* The number of running programs, without those replaced by a reload, and the
 * memory in bytes that they use. */
size_t exec_shared_measure(const struct exec *exec, uint64_t *memory);
/* Ends the programs' input; true: all programs have ended. */
bool exec_shared_drain(struct exec *exec);

/* ---- mode_each.c -------------------------------------------------------- */

void exec_each_accept(struct exec *exec, struct exec_client *client);
void exec_each_drain(struct exec_client *client);
