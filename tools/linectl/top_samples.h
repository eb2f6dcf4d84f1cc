/* SPDX-License-Identifier: MIT */
/*
 * Computes the numbers of `linectl top`: rates, loads and their history, from
 * one answer after another. Draws nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linectl/control_answer.h"

/* As many samples as a wide terminal has columns. */
#define SAMPLES_HISTORY 400

/* The newest is the last; 0 before the first. */
struct history {
	double values[SAMPLES_HISTORY];
};

struct service_sample {
	char *name, *protocol, *state;
	uint64_t clients, clients_limit, queued;
	uint64_t drops, refusals; /* totals of the service */
	double lines, in, out;    /* per second */
	struct history history;   /* the values of `lines` */
	/* The counters at the last sample. */
	uint64_t lines_before, in_before, out_before;
	bool seen; /* it is in the answer that is being taken */
};

struct worker_sample {
	char *name;
	uint64_t clients;
	bool stuck;
	double load;     /* 0 to 1, since the last sample */
	double delay_ms; /* 99 of 100 turns took at most this, likewise */
	struct history loads, delays;
	uint64_t turns_before, busy_before;
	uint64_t *lasted_before; /* turns by duration, by index in the record */
	size_t lasted_count;
	bool seen;
};

struct samples {
	char *version, *state, *log_level;
	uint64_t uptime_s, clients, service_total;
	struct service_sample *services;
	size_t service_count, service_room;
	struct worker_sample *workers;
	size_t worker_count, worker_room;
	uint64_t taken_ms; /* the time of the last sample; 0: none yet */
};

enum sort_key {
	SORT_NAME,
	SORT_CLIENTS,
	SORT_LINES,
	SORT_IN,
	SORT_OUT,
	SORT_QUEUE,
	SORT_DROPS,
	SORT_KEYS
};

/* Takes the answer to "all"; now_ms is monotonic. */
void samples_take(struct samples *samples, const struct answer *answer,
		  uint64_t now_ms);
void samples_fini(struct samples *samples);

/*
 * Sorts the services whose name or protocol contains the filter into `order`,
 * which has room for all. Returns how many.
 */
size_t samples_order(const struct samples *samples, const char *filter,
		     enum sort_key key, const struct service_sample **order);
