/* SPDX-License-Identifier: MIT */
/*
 * Load for echo services: clients that check every byte that comes back.
 * Errors end the benchmark with a message.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "subject.h"

#define ECHO_LINE    64u
#define ECHO_CLIENTS 50

struct echo_client {
	int fd;
	unsigned number;
	uint64_t sent, received; /* lines; bytes of the answers */
};

struct echo_load {
	const struct subject *subjects; /* the clients take turns */
	unsigned subject_count;
	unsigned window; /* lines that a client sends at once, at most 16 */
	bool is_web;     /* the clients speak WebSocket */
	unsigned bursts; /* a second, of all clients; 0: a closed loop */
	uint64_t due_ns; /* the next burst, and whose */
	unsigned turn;
	struct echo_client clients[ECHO_CLIENTS];
	int poller, timer;
};

/*
 * With bursts each is sent when it is due, answered or not; without, each
 * client has `window` lines in flight, an answered one is followed by the next.
 * The subjects stay the caller's.
 */
void echo_load_open(struct echo_load *load, const struct subject *subjects,
		    unsigned count, unsigned window, unsigned bursts);
/* A closed loop over the ws:// address of a lined. */
void echo_load_open_web(struct echo_load *load, const struct subject *subject,
			unsigned window);
void echo_load_close(struct echo_load *load);

/* A round: the subjects' CPU nanoseconds for each echoed line. */
double echo_load_measure(struct echo_load *load, unsigned round_ms);
