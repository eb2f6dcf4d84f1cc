/* SPDX-License-Identifier: MIT */
/*
 * One run of a transcript: its daemon, its clients and its next step.
 * run_play.c makes a run and plays its steps, by the functions in step_*.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "linetest/client.h"
#include "linetest/bytes.h"
#include "linetest/cut.h"
#include "linetest/daemon_process.h"
#include "linetest/deadline.h"
#include "linetest/net_address.h"
#include "linetest/run_dir.h"
#include "linetest/transcript.h"
#include "linetest/template.h"

/* The limit for events that do not depend on the transcript: the start and end
 * of the daemon, a connection on this machine. */
#define RUN_DAEMON_MS 30000

struct run_settings {
	struct daemon_settings daemon;
	uint32_t patience_ms; /* for a single event */
	uint32_t timeout_ms;  /* for the whole run */
	unsigned workers;     /* 0: the config has the number */
	bool keep;            /* do not remove the directory */
	struct cut cut;
	const struct net_address *server; /* NULL: start lined */
};

/* Embedded by value. */
struct run {
	const struct transcript *transcript;
	const struct run_settings *settings;
	struct lined_dispatcher *dispatcher;
	struct run_dir dir;
	struct daemon_process process;
	struct client *clients; /* an item for each client of the transcript */
	struct values values;
	struct cut cut;
	uint32_t patience_ms;
	struct deadline timeout;
	size_t next;                /* the step to play after this one */
	const struct client *about; /* shown first in a failure, or NULL */
	bool is_stopping;           /* SIGTERM was sent to the daemon */
	char *config;               /* the text of the daemon's config file */
	struct bytes *failure;      /* the caller's; empty until a failure */
};

/* Makes the directory and the clients. False if that fails; *failure says why.
 */
bool run_init(struct run *run, const struct transcript *transcript,
	      const struct run_settings *settings, struct bytes *failure);

/* Kills the daemon if it still runs. */
void run_fini(struct run *run);

/* The client of a step, which must have one. */
struct client *run_client(struct run *run, const struct step *step);

/*
 * Runs one turn of a wait. False if the wait is over: the deadline or the time
 * of the run has passed, the daemon has died, or linetest is to end.
 */
bool run_turn(struct run *run, struct deadline *deadline);

/* deadline_wait_until() with run_turn(). */
#define run_wait_until(run, ms, condition)                                     \
	do {                                                                   \
		struct deadline deadline_;                                     \
                                                                               \
		deadline_start(&deadline_, (run)->dispatcher, ms);             \
		while (!(condition) && run_turn(run, &deadline_))              \
			;                                                      \
		deadline_stop(&deadline_);                                     \
	} while (0)

/* Whether the daemon ended by itself. */
bool run_daemon_has_died(struct run *run);

/* Receives for a moment longer, because bytes may be on their way: lines for
 * other clients, and the log, which the daemon writes after it has acted. */
void run_settle(struct run *run);

/* Why a wait failed: "nothing more came within 10 s", or how the daemon
 * or the client's connection ended. client may be NULL. To be freed. */
char *run_reason(struct run *run, const struct client *client);

/* Begin the text of a failure at a step. run_fail_waiting() adds run_reason()
 * to the message. Both return false. */
bool run_fail(struct run *run, const struct step *step, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool run_fail_waiting(struct run *run, const struct step *step,
		      const struct client *client, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Plays the transcript: starts the daemon, plays the steps one after another
 * and stops the daemon; fails if a client has received more than was expected.
 * True if the transcript passed; else *failure is the text of the failure. *log
 * is the daemon's log in any case.
 */
bool run_play(const struct transcript *transcript,
	      const struct run_settings *settings, struct bytes *failure,
	      struct bytes *log);
