/* SPDX-License-Identifier: MIT */
/*
 * The bus's backend between the workers of one daemon. All messages that a
 * worker publishes in a turn are one batch, posted once to each other worker. A
 * message is copied once, into memory shared by all workers.
 */
#pragma once

#include <stddef.h>

#include "threads/bus.h"

struct bus_batches;

/* Attaches this backend to the ends of the workers, after bus_new().
 * NULL/ENOMEM. */
struct bus_batches *bus_batches_new(struct worker *workers, size_t count);

/* Call this when all workers have stopped, after bus_free(). NULL is fine. */
void bus_batches_free(struct bus_batches *batches);
