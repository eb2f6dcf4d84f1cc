/* SPDX-License-Identifier: MIT */
/*
 * The keeper: a process between lined and the programs of a service. It starts
 * them, reports how each ended, and kills all that is left of them when lined
 * ends, however it ends. It is lined's own binary under another name: a process
 * with threads, with keys and clients in its memory, should not fork.
 *
 * Both ends are here: keeper_open() is lined's, keeper_main() the process. Each
 * message is a packet of a SOCK_SEQPACKET pair.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "system/peercred.h"

/* argv[0] of the process. */
#define KEEPER_NAME "lined-programs"

/* The longest request, with its texts. */
#define KEEPER_REQUEST_MAX 65536

enum keeper_request_kind {
	KEEPER_START, /* with three descriptors: standard input, output, error
		       */
	KEEPER_KILL,
};

/*
 * Behind a KEEPER_START follow texts, each with its NUL: the path of the file,
 * the directory, what it may read (none: any file), the arguments, the
 * environment.
 */
struct keeper_request {
	uint32_t kind, id;
	int32_t signal;  /* KEEPER_KILL: to the program's process group */
	int32_t watcher; /* helper_process(): it may look at the program */
	uint32_t readable, arguments, variables;
	/* Limits of the program; 0: those of lined. */
	uint64_t memory, cpu_s, files;
};

enum keeper_report_kind {
	KEEPER_STARTED, /* pid */
	KEEPER_FAILED,  /* error: an errno; step: of enum keeper_step */
	KEEPER_ENDED,   /* status: of waitpid(2) */
};

enum keeper_step {
	KEEPER_FORK,
	KEEPER_LIMITS,
	KEEPER_READABLE,
	KEEPER_DIRECTORY,
	KEEPER_EXECUTE,
};

struct keeper_report {
	uint32_t kind, id;
	int32_t pid, error, step, status;
};

/*
 * Starts a keeper. Returns the socket to it, which is non-blocking, and its
 * process in *pid; -1 and errno.
 */
int keeper_open(pid_t *pid);

/* Sends a request with its texts, and three descriptors for KEEPER_START. -1
 * and errno: EMSGSIZE, EAGAIN (it is too busy), EPIPE (it has ended). */
int keeper_send(int sock, const struct keeper_request *request,
		const char *texts, size_t texts_len, const int fds[3]);

/* The next report. -1 and errno: EAGAIN (none is there), EPIPE (it has ended).
 */
int keeper_receive(int sock, struct keeper_report *report);

/* Ends it, and with it all programs; waits until they are gone. */
void keeper_close(int sock, pid_t pid);

/* The process; returns its exit status. */
int keeper_main(void);

/* ---- systems --------------------------------------------------------- */

/* Closes inherited descriptors above the standard ones. Where the system can,
 * orphans among the descendants become children of this process. */
void keeper_settle(void);
/* Kills all children of this process, as far as the system names them. */
void keeper_kill_children(void);
/* In a new program: it is killed when the keeper ends, cannot gain rights, and
 * is marked. -1 and errno. */
int keeper_bind_program(pid_t watcher);
/* Whether the process, as it was when it connected, may be a program or descend
 * from one: true if it bears the mark, or has ended since. */
bool keeper_may_have(const struct peercred *peer);
