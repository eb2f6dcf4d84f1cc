/* SPDX-License-Identifier: MIT */
/*
 * Records a transcript: stands between clients and a daemon, passes on what
 * they say to each other, and writes it down as they do. What it wrote can be
 * played against a daemon of the same config.
 */
#ifndef LINETEST_RECORDER_H
#define LINETEST_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "linetest/script.h"
#include "linetest/daemon_process.h"

struct recorder_settings {
	const char *file; /* must not be there yet; "-": standard output */
	/* A transcript that says what is served and does nothing; NULL: the
	 * recording begins without. */
	const struct script *head;
	const char *listen;  /* NULL: a free port on loopback */
	const char *connect; /* NULL: a daemon of its own, by the head */
	struct daemon_settings daemon;
	unsigned workers;
	uint32_t timeout_ms; /* 0: until it is told to end */
};

/*
 * Records until deadline_end_all(), the timeout, or the end of the daemon. -1
 * where it could not begin, or not go on; said on standard error.
 */
int recorder_run(const struct recorder_settings *settings);

#endif
