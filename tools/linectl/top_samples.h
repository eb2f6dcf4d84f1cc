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

/* The newest value is the last one. Values are 0 where there is no sample
 * yet. */
struct history {
	double values[SAMPLES_HISTORY];
};

/* A service or a worker. */
struct sample {
	const char *name;
	const struct record *now;    /* its record in the last answer */
	const struct record *before; /* valid only within samples_take() */
	uint64_t clients;
	struct history history; /* of `lines` or of `load` */

	/* For a service only: */
	uint64_t queued, drops;
	double lines, in, out; /* per second */

	/* For a worker only: */
	double load;     /* 0 to 1, since the previous answer */
	double delay_ms; /* samples_delay_ms() since the previous answer */
	struct history delays;
};

struct samples {
	struct answer answer; /* the last answer */
	struct sample *services, *workers;
	size_t service_count, service_room, worker_count, worker_room;
	uint64_t taken_ms; /* the time of the last answer; 0: none yet */
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

/* Takes the answer to "all" and zeroes it; now_ms is monotonic. */
void samples_take(struct samples *samples, struct answer *answer,
		  uint64_t now_ms);
void samples_fini(struct samples *samples);

/*
 * Sorts the services whose name or protocol contains the filter into `order`,
 * which has room for all. Returns how many.
 */
size_t samples_order(const struct samples *samples, const char *filter,
		     enum sort_key key, const struct sample **order);

/* The duration that 99 of 100 turns of a worker did not exceed since the
 * earlier record `before` (NULL: since the worker's start). If *more is true,
 * the duration exceeds the result, which is then the largest bound. */
double samples_delay_ms(const struct record *now, const struct record *before,
			bool *more);
