/* SPDX-License-Identifier: MIT */
/*
 * Measures deliveries. A slow delivery lowers the allowance at once. A fast
 * delivery at most doubles the allowance, which is enough to restore it soon
 * after an interruption.
 */
#include "config.h"

#include "threads/bus_budget.h"

#include "clock.h"

/* How long the deliveries of one turn should take. */
#define BUDGET_NS ((uint64_t)2000000)

static void bus_budget_set(struct bus_budget *budget, uint64_t allowance)
{
	__atomic_store_n(&budget->allowance, allowance, __ATOMIC_RELAXED);
}

void bus_budget_init(struct bus_budget *budget)
{
	budget->published = 0;
	bus_budget_set(budget, BUS_ALLOWANCE_MAX);
}

void bus_budget_begin(struct bus_budget *budget)
{
	budget->begun_ns = clock_ns(CLOCK_MONOTONIC);
}

void bus_budget_end(struct bus_budget *budget, size_t bytes)
{
	uint64_t took_ns = clock_ns(CLOCK_MONOTONIC) - budget->begun_ns;
	uint64_t before = bus_budget_allowance(budget);
	uint64_t fits =
		took_ns > 0 ? BUDGET_NS * bytes / took_ns : BUS_ALLOWANCE_MAX;

	if (bytes == 0)
		return;
	if (fits > 2 * before)
		fits = 2 * before;
	if (fits > BUS_ALLOWANCE_MAX)
		fits = BUS_ALLOWANCE_MAX;
	bus_budget_set(budget, fits > 0 ? fits : 1);
}
