/* SPDX-License-Identifier: MIT */
/*
 * One run of a transcript: a daemon, the clients, the steps one after another,
 * and the end, at which nothing may be left that nobody expected.
 */
#ifndef LINETEST_PLAYER_H
#define LINETEST_PLAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "linetest/bytes.h"
#include "linetest/cut.h"
#include "linetest/script.h"
#include "linetest/daemon_process.h"

/* How to run it. */
struct player_settings {
	struct daemon_settings daemon;
	uint32_t patience_ms; /* for one thing to happen */
	uint32_t timeout_ms;  /* for all of it */
	unsigned workers;
	bool keep; /* the directory, for a person to look into */
	struct cut cut;
};

/*
 * Plays the script. True where all of it went as it says; else *failure has
 * the text of the failure, and *log in any case the daemon's log.
 */
bool player_run(const struct script *script,
		const struct player_settings *settings, struct bytes *failure,
		struct bytes *log);

#endif
