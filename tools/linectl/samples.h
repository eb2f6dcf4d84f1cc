/* SPDX-License-Identifier: MIT */
/*
 * What `linectl top` shows, made of one answer after another: rates, loads and
 * their history. Draws nothing.
 */
#ifndef LINECTL_SAMPLES_H
#define LINECTL_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linectl/answer.h"

/* As wide as terminals are. */
#define SAMPLES_HISTORY 400

/* The newest is the last; those that are not there yet are 0. */
struct history {
	double values[SAMPLES_HISTORY];
};

struct service_sample {
	char *name, *protocol, *state;
	uint64_t clients, clients_limit, queued;
	uint64_t drops, refusals; /* since the service began */
	double lines, in, out;    /* a second */
	struct history history;   /* of lines */
	/* The counters of the sample before. */
	uint64_t lines_before, in_before, out_before;
	bool seen; /* in the answer being taken */
};

struct worker_sample {
	char *name;
	uint64_t clients;
	bool stuck;
	double load;     /* 0 to 1, since the sample before */
	double delay_ms; /* that 99 of 100 turns kept, likewise */
	struct history loads, delays;
	uint64_t turns_before, busy_before;
	uint64_t *lasted_before; /* by place in the record */
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
	uint64_t taken_ms; /* 0: none yet */
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

/* Takes the answer to "all" that came at that time (monotonic). */
void samples_take(struct samples *samples, const struct answer *answer,
		  uint64_t now_ms);
void samples_fini(struct samples *samples);

/*
 * The services whose name or protocol has the filter in it, in order; how many.
 * `order` has room for all.
 */
size_t samples_order(const struct samples *samples, const char *filter,
		     enum sort_key key, const struct service_sample **order);

#endif
