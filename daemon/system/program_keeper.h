/* SPDX-License-Identifier: MIT */
/*
 * The keeper: a process between lined and the programs of a service. The keeper
 * starts programs, reports how each ended, and kills all remaining processes
 * when lined ends, even in a crash. lined itself should not fork, because it
 * has threads, and keys and clients in its memory. So the keeper is lined's own
 * binary, executed under another name.
 *
 * Both ends are declared here: keeper_open() for lined, keeper_main() for the
 * process. Each message is a packet of a SOCK_SEQPACKET pair.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "system/peercred.h"

/* argv[0] of the keeper. */
#define KEEPER_NAME "lined-programs"

/* The longest request, including its texts. */
#define KEEPER_REQUEST_MAX 65536

enum keeper_request_kind {
	KEEPER_START, /* with standard input, output and error as descriptors */
	KEEPER_KILL,
};

/*
 * A KEEPER_START is followed by texts, each with its NUL: path of the file,
 * directory, readable paths (none: any file), arguments, environment.
 */
struct keeper_request {
	uint32_t kind, id;
	int32_t signal;  /* KEEPER_KILL: for the process group */
	int32_t watcher; /* helper_process(), which may inspect the program */
	uint32_t readable, arguments, variables;
	/* Limits of the program; 0: as lined's. */
	uint64_t memory, cpu_s, files;
};

enum keeper_report_kind {
	KEEPER_STARTED, /* pid */
	KEEPER_FAILED,  /* error: an errno; step: enum keeper_step */
	KEEPER_ENDED,   /* status: as from waitpid(2) */
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
 * Starts a keeper. Returns the non-blocking socket to the keeper, and the
 * process id in pid; -1 and errno.
 */
int keeper_open(pid_t *pid);

/* Sends a request with its texts; for KEEPER_START also three descriptors. -1
 * and errno: EMSGSIZE, EAGAIN (the keeper is too busy), EPIPE (the keeper has
 * ended). */
int keeper_send(int sock, const struct keeper_request *request,
		const char *texts, size_t texts_len, const int fds[3]);

/* Receives the next report. -1 and errno: EAGAIN (none yet), EPIPE (the keeper
 * has ended). */
int keeper_receive(int sock, struct keeper_report *report);

/* Ends the keeper and all its programs; waits until they are gone. */
void keeper_close(int sock, pid_t pid);

/* The main() of the keeper; returns the exit status. */
int keeper_main(void);

/* ---- systems --------------------------------------------------------- */

/* Closes inherited descriptors above the standard ones, and makes this process
 * adopt orphans among its descendants where the system can. */
void keeper_settle(void);
/* Kills all children of this process that the system can list. */
void keeper_kill_children(void);
/* Called in a new process before execve(2). Where the system can: the program
 * is killed when the keeper ends, cannot gain rights, and gets the mark of
 * programs. -1 and errno. */
int keeper_bind_program(pid_t watcher);
/* Whether the peer may be a program or a descendant of a program. True if the
 * system has no mark of programs. Otherwise true if the peer has lined's user
 * and group, and either has the mark or has ended since it connected. */
bool keeper_may_have(const struct peercred *peer);
