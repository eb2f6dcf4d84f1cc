/* SPDX-License-Identifier: MIT */
/*
 * The daemon under test: one lined in a process of its own, its log, its
 * signals and its end. Knows nothing of clients.
 */
#ifndef LINETEST_DAEMON_PROCESS_H
#define LINETEST_DAEMON_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lined/dispatcher.h>

/* Embedded by value. */
struct daemon_process {
	struct lined_dispatcher *dispatcher;
	struct lined_socket *error; /* its standard error; NULL at the end */
	pid_t pid;                  /* 0: it does not run */
	int status;                 /* of waitpid(2), once it has ended */
	char **log;                 /* lines, without priorities */
	size_t log_count;
	size_t arrivals;
	size_t log_read; /* how many a script has been through */
};

/* What to run, and with what; kept by the caller. */
struct daemon_settings {
	const char *lined;
	const char *modules; /* NULL: lined's own */
};

void daemon_process_init(struct daemon_process *process,
			 struct lined_dispatcher *d);

/* Kills it where it still runs, and forgets its log. */
void daemon_process_fini(struct daemon_process *process);

/*
 * Starts lined with a config file and waits until it serves. -1 and a message,
 * to be freed, where it does not within timeout_ms; it may have ended then,
 * and its log says why.
 */
int daemon_process_start(struct daemon_process *process,
			 const struct daemon_settings *settings,
			 const char *config, uint32_t timeout_ms, char **error);

/* SIGHUP, and waits for the new config to be served. The same results. */
int daemon_process_reload(struct daemon_process *process, uint32_t timeout_ms,
			  char **error);

/* SIGTERM; it goes on with what it has to finish. */
void daemon_process_stop(struct daemon_process *process);

/* Waits for its end, which must be a good one: -1 and a message where it is
 * not, or does not come (then it is killed). */
int daemon_process_wait(struct daemon_process *process, uint32_t timeout_ms,
			char **error);

/* Whether it has ended, asked of the system; its log is complete then. */
bool daemon_process_has_ended(struct daemon_process *process);

/* "exit status 1", "killed by signal 11 (Segmentation fault)". */
char *daemon_process_end_text(const struct daemon_process *process);

#endif
