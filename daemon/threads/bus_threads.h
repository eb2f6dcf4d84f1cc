/* SPDX-License-Identifier: MIT */
/*
 * The bus's backend between the workers of one daemon. All that a worker
 * publishes in a turn leaves as one batch, posted once to each of the others. A
 * message is copied once, into memory that all workers share.
 */
#ifndef BUS_THREADS_H
#define BUS_THREADS_H

#include <stddef.h>

#include "threads/bus.h"

struct bus_threads;

/* Attaches the ends of the workers, after bus_new(). NULL and errno. */
struct bus_threads *bus_threads_new(struct worker *workers, size_t count);

/* When none of the threads runs any more, after bus_free(). NULL is fine. */
void bus_threads_free(struct bus_threads *threads);

#endif
