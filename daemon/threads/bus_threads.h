/* SPDX-License-Identifier: MIT */
/*
 * The bus between the workers of one daemon: what a worker publishes in a turn
 * leaves as one batch, posted once to each of the others. A message is copied
 * once, into a block that all workers share.
 */
#ifndef BUS_THREADS_H
#define BUS_THREADS_H

#include <stddef.h>
#include <stdint.h>

#include "threads/bus.h"

struct bus_threads;

/* Joins the ends, one a worker, in the workers' order. NULL and errno. */
struct bus_threads *bus_threads_new(struct worker *workers,
				    struct bus_end *const *ends, size_t count);

/* When none of the threads runs any more. */
void bus_threads_free(struct bus_threads *threads);

/* Batches posted by all workers so far. MT-safe. */
uint64_t bus_threads_posts(const struct bus_threads *threads);

#endif
