/* SPDX-License-Identifier: MIT */
/*
 * One program: its process, and sockets on its standard input, output and
 * error. What it writes to standard error goes to the log, line by line. Knows
 * nothing of clients.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lined/program.h>
#include <lined/service.h>

#include "exec/options.h"

struct exec_program;

struct exec_program_handlers {
	/* Its standard output can be read, or is at its end. */
	void (*readable)(struct exec_program *program);
	/* Its standard input has room; see lined_socket_want_write(). */
	void (*writable)(struct exec_program *program);
	/* The process has ended, and its output was read. It is freed after
	 * the call. */
	void (*ended)(struct exec_program *program, const char *how);
};

struct exec_program {
	struct exec_program **all, *prev, *next; /* the list it is in */
	struct lined_service *service;
	const struct exec_program_handlers *handlers;
	void *owner; /* the caller's */

	struct lined_program *process; /* NULL: it has ended */
	/* NULL: closed. */
	struct lined_socket *input, *output, *errors;
	/* input_end: the program's end of its input; -1: not kept. unread: once
	 * it has ended, reads what is left. */
	int input_end;
	struct lined_socket *unread;
	/* The group of input: no deadline and no bound but
	 * exec_program_has_room(). */
	struct lined_socket_group group;
	struct lined_timer timer;
	uint32_t kill_after_ms;
	unsigned kill_step;
	char *how; /* how it ended */

	uint64_t started_ms, asked_ms; /* asked: when it last got a line */
	bool spoke;                    /* since then */
	bool ending;                   /* lined wants it to end */
};

/*
 * Starts the command of the options with these variables, NAME=VALUE and a NULL
 * at the end, added to the environment. keep_unread: if it ends, the lines that
 * it has not read are counted as lines_unread. It is in the list *all until it
 * is freed. NULL and errno.
 */
struct exec_program *
exec_program_start(struct lined_service *service,
		   const struct exec_options *options,
		   const char *const *variables, bool keep_unread,
		   const struct exec_program_handlers *handlers, void *owner,
		   struct exec_program **all);

/* Ends its input when all of it is sent. If it still runs after wait_ms, sends
 * SIGTERM, and after kill-after SIGKILL. */
void exec_program_end(struct exec_program *program, uint32_t wait_ms);

/* Frees it: its process is killed, no handler is called any more. */
void exec_program_free(struct exec_program *program);

/* Whether it takes more input now. */
bool exec_program_has_room(const struct exec_program *program);

/* Sends a line of input, of `count` pieces, to which a LF is added. */
void exec_program_say(struct exec_program *program, const struct iovec *pieces,
		      size_t count);

/* The same, for a line of a client. */
void exec_program_ask(struct exec_program *program, const struct iovec *pieces,
		      size_t count);

/* Ends its input when all of it is sent, and waits for as long as it takes. */
void exec_program_end_input(struct exec_program *program);

/* It has read everything and, if *known, waits for more. */
bool exec_program_is_idle(const struct exec_program *program, bool *known);

/* The bytes of memory that its process has; 0: not known. */
uint64_t exec_program_memory(const struct exec_program *program);

/* To be called each second: if it has read a line, says nothing and waits for
 * the next one, logs its name and returns true. */
bool exec_program_watch(const struct exec_program *program);
