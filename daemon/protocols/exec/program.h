/* SPDX-License-Identifier: MIT */
/*
 * One program: its process, and sockets on its standard input, output and
 * error. What the program writes to standard error is logged, line by line.
 * Knows nothing of clients.
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
	/* Standard output can be read, or has ended. */
	void (*readable)(struct exec_program *program);
	/* Standard input has room; see lined_socket_want_write(). */
	void (*writable)(struct exec_program *program);
	/* The process has ended and its output was read. The program is freed
	 * after this call. */
	void (*ended)(struct exec_program *program, const char *how);
};

struct exec_program {
	struct exec_program **all, *prev, *next; /* the list of programs */
	struct lined_service *service;
	const struct exec_program_handlers *handlers;
	void *owner; /* private to the caller */

	struct lined_program *process; /* NULL: ended */
	/* NULL: closed. */
	struct lined_socket *input, *output, *errors;
	/* input_end: the program's end of its standard input; -1: not kept.
	 * unread: after the program's end, reads what is left in input_end. */
	int input_end;
	struct lined_socket *unread;
	/* The socket group of input: no deadlines, and no limit but
	 * exec_program_has_room(). */
	struct lined_socket_group group;
	struct lined_timer timer;
	uint32_t kill_after_ms;
	unsigned kill_step;
	char *how; /* how the process ended */

	uint64_t started_ms, asked_ms; /* asked_ms: last line of a client */
	bool spoke;                    /* it has written since asked_ms */
	bool ending;                   /* lined has asked it to end */
};

/*
 * Starts the command of the options. variables: NAME=VALUE texts, ending with
 * NULL, added to the environment. keep_unread: lines not read at the program's
 * end are counted as lines_unread. The program is in the list *all until it is
 * freed. NULL and errno.
 */
struct exec_program *
exec_program_start(struct lined_service *service,
		   const struct exec_options *options,
		   const char *const *variables, bool keep_unread,
		   const struct exec_program_handlers *handlers, void *owner,
		   struct exec_program **all);

/* Call this after a reload: from now on the program's output has the service's
 * new framing, and signals that are not sent yet follow the new kill-after. */
void exec_program_reload(struct exec_program *program,
			 const struct exec_options *options);

/* Ends the program's input when all of it is sent. If the program still runs
 * after wait_ms, sends SIGTERM, and after kill-after SIGKILL. */
void exec_program_end(struct exec_program *program, uint32_t wait_ms);

/* Frees the program: its process is killed, and no handler is called any more.
 */
void exec_program_free(struct exec_program *program);

/* Whether the program takes more input now. */
bool exec_program_has_room(const struct exec_program *program);

/* Sends a line of `count` pieces to standard input, followed by LF. */
void exec_program_say(struct exec_program *program, const struct iovec *pieces,
		      size_t count);

/* As exec_program_say(), for a line of a client. */
void exec_program_ask(struct exec_program *program, const struct iovec *pieces,
		      size_t count);

/* Ends the program's input when all of it is sent, without a time limit. */
void exec_program_end_input(struct exec_program *program);

/* Whether the program has read everything and waits for more. !*known: the
 * system does not show what the program waits for. */
bool exec_program_is_idle(const struct exec_program *program, bool *known);

/* The memory of the process in bytes; 0: unknown. */
uint64_t exec_program_memory(const struct exec_program *program);

/* Called each second. If the program has read a line, writes nothing and waits
 * for the next line, logs this and returns true. */
bool exec_program_watch(const struct exec_program *program);
