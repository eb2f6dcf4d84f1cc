/* SPDX-License-Identifier: MIT */
/*
 * Records a transcript: passes bytes on between clients and a daemon, and
 * writes them down. The transcript can be played against a daemon with the same
 * config.
 */
#pragma once

#include <stdint.h>

#include "linetest/transcript.h"
#include "linetest/daemon_process.h"

struct recorder_settings {
	const char *file; /* must not exist; "-": standard output */
	/* A transcript that only says what is served. May be NULL if connect is
	 * given. */
	const struct transcript *head;
	const char *listen;  /* NULL: a free port on loopback */
	const char *connect; /* NULL: start a daemon with the head's config */
	struct daemon_settings daemon;
	unsigned workers;
	uint32_t timeout_ms; /* 0: until deadline_end_all() */
};

/*
 * Records until deadline_end_all(), the timeout, or the end of the daemon. -1:
 * recording failed, and a message on standard error says why.
 */
int recorder_run(const struct recorder_settings *settings);
