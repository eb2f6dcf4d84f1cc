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
	/* input_end: the read end of standard input; -1: not kept. unread: a
	 * socket made of input_end when the program has ended. */
	int input_end;
	struct lined_socket *unread;
	/* The socket group of input. It has no deadlines and no limits:
	 * exec_program_has_room() bounds the input. */
	struct lined_socket_group group;
	struct lined_timer timer;
	uint32_t kill_after_ms;
	unsigned kill_step;
	char *how; /* how the process ended */

	uint64_t started_ms, asked_ms; /* asked_ms: last client line */
	bool spoke;                    /* the program wrote after asked_ms */
	bool ending;                   /* its input is to be closed */
};

/*
 * Starts the command of the options. variables: NAME=VALUE texts, ending with
 * NULL, added to the environment. keep_unread: when the program has ended, the
 * lines that it has not read are counted as lines_unread. The program is in the
 * list *all until it is freed. NULL and errno on failure.
 */
struct exec_program *
exec_program_start(struct lined_service *service,
		   const struct exec_options *options,
		   const char *const *variables, bool keep_unread,
		   const struct exec_program_handlers *handlers, void *owner,
		   struct exec_program **all);

/* Call this after a reload. The program's output gets the service's new
 * framing. The new kill-after holds for timers that start later. */
void exec_program_reload(struct exec_program *program,
			 const struct exec_options *options);

/* Closes standard input when all queued lines are sent. Sends SIGTERM if the
 * program still runs after wait_ms, and SIGKILL after another kill-after. */
void exec_program_end(struct exec_program *program, uint32_t wait_ms);

/* Kills the process and frees the program. No handler is called. */
void exec_program_free(struct exec_program *program);

/* Whether the program takes more input now. */
bool exec_program_has_room(const struct exec_program *program);

/* Sends a line of `count` pieces to standard input, followed by LF. -1
 * and errno: the program does not get the line. */
int exec_program_say(struct exec_program *program, const struct iovec *pieces,
		     size_t count);

/* As exec_program_say(), for a line of a client. A line that finds no memory is
 * counted as lines_lost. */
void exec_program_ask(struct exec_program *program, const struct iovec *pieces,
		      size_t count);

/* Closes standard input when all queued lines are sent. Sends no signals. */
void exec_program_end_input(struct exec_program *program);

/* Whether the program has read everything and waits for more, or has ended.
 * *known is set to false if the system does not show what the program waits
 * for; the result then only says whether it has read everything. */
bool exec_program_is_idle(const struct exec_program *program, bool *known);

/* The memory of the process in bytes; 0: unknown. */
uint64_t exec_program_memory(const struct exec_program *program);

/* To be called each second. If the program has read a line, writes nothing and
 * waits for the next line, logs this and returns true. */
bool exec_program_watch(const struct exec_program *program);
