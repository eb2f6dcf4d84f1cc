/* SPDX-License-Identifier: MIT */
/*
 * The budget of a worker's end of the bus: how many bytes may be published for
 * this end in a turn, so that delivering them takes about two milliseconds. The
 * budget is derived from the duration of the last deliveries: a message for
 * 10,000 clients costs more than one for three. Clients that publish more are
 * held until the next turn, so that other clients are served.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BUS_ALLOWANCE_MAX ((uint64_t)1 << 20)

struct bus_budget {
	uint64_t allowance; /* atomic: other workers read it */
	uint64_t begun_ns;
	uint64_t published; /* cost of what was published in this turn */
};

void bus_budget_init(struct bus_budget *budget);

/* Call these before and after delivering messages, of `bytes` in all. */
void bus_budget_begin(struct bus_budget *budget);
void bus_budget_end(struct bus_budget *budget, size_t bytes);

static inline uint64_t bus_budget_allowance(const struct bus_budget *budget)
{
	return __atomic_load_n(&budget->allowance, __ATOMIC_RELAXED);
}
