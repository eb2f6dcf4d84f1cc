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
	uint64_t sent, received; /* lines sent; bytes received */
};

struct echo_load {
	const struct subject *subjects; /* client i connects to subject i modulo
					 * the count */
	unsigned subject_count;
	unsigned window; /* lines that a client sends at once, at most 16 */
	bool is_web;     /* the clients speak WebSocket */
	unsigned bursts; /* bursts a second, over all clients; 0: a closed
			  * loop */
	uint64_t due_ns; /* when the next burst is due */
	unsigned turn;
	struct echo_client clients[ECHO_CLIENTS];
	int poller, timer;
};

/*
 * Connects the clients. With bursts, each burst is sent when it is due, whether
 * or not the previous ones were answered. Without bursts, each client has
 * `window` lines in flight, and sends another line for each answer. The
 * subjects remain the caller's.
 */
void echo_load_open(struct echo_load *load, const struct subject *subjects,
		    unsigned count, unsigned window, unsigned bursts);
/* The same without bursts, over the ws:// address of a lined. */
void echo_load_open_web(struct echo_load *load, const struct subject *subject,
			unsigned window);
void echo_load_close(struct echo_load *load);

/* Runs a round. Returns the subjects' CPU time in nanoseconds for each echoed
 * line. */
double echo_load_measure(struct echo_load *load, unsigned round_ms);
