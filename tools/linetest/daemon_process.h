/* SPDX-License-Identifier: MIT */
/*
 * The daemon under test: a process of lined, its log, its signals and its exit
 * status.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lined/dispatcher.h>

/* Embedded by value. */
struct daemon_process {
	struct lined_dispatcher *dispatcher;
	struct lined_socket
		*error; /* its standard error; NULL: it was closed */
	pid_t pid;      /* 0: it does not run */
	int status;     /* from waitpid(2), after the end */
	char **log;     /* lines, without priorities */
	size_t log_count;
	size_t arrivals; /* clients that were accepted or refused, by the log */
	size_t log_read; /* how many lines the steps have read */
};

/* The strings are the caller's. */
struct daemon_settings {
	const char *lined;
	/* Where modules are looked for, in this order, before lined's own
	 * directory; either may be NULL. */
	const char *modules, *build_modules;
};

void daemon_process_init(struct daemon_process *process,
			 struct lined_dispatcher *d);

/* Kills the daemon if it still runs, and frees the log. */
void daemon_process_fini(struct daemon_process *process);

/*
 * Starts lined with a config file and waits until it serves. -1 and a message,
 * to be freed, if it does not serve within timeout_ms; if the daemon has ended,
 * its log says why.
 */
int daemon_process_start(struct daemon_process *process,
			 const struct daemon_settings *settings,
			 const char *config, uint32_t timeout_ms, char **error);

/* Sends SIGHUP and waits until the config is in effect. -1 and a message, as
 * daemon_process_start(). */
int daemon_process_reload(struct daemon_process *process, uint32_t timeout_ms,
			  char **error);

/* Sends SIGTERM and does not wait. */
void daemon_process_stop(struct daemon_process *process);

/* Waits until the daemon has ended, and kills it after timeout_ms. -1 and a
 * message unless it has ended with exit status 0. */
int daemon_process_wait(struct daemon_process *process, uint32_t timeout_ms,
			char **error);

/* Asks the system whether the daemon has ended. If so, reads the rest of the
 * log, for a second at most. */
bool daemon_process_has_ended(struct daemon_process *process);

/* "exit status 1", "killed by signal 11 (Segmentation fault)"; to be freed. */
char *daemon_process_end_text(const struct daemon_process *process);
