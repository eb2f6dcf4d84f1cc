/* SPDX-License-Identifier: MIT */
/*
 * Penalties: addresses that a service does not let in for some time, because a
 * connection of theirs was closed for cause. Each further cause doubles the
 * time. The table is bounded: the address that was penalized longest ago makes
 * room. Knows nothing of clients; an IPv6 address counts with its /64
 * (address_key.h).
 *
 * Thread: any. One table serves all workers of a service, so that an address is
 * out on all of them at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/address.h>

struct penalty_limits {
	uint32_t first_ms; /* 0: no penalties */
	uint32_t max_ms;
	/* These are never penalized. */
	const struct lined_network *exempt;
	size_t exempt_count;
};

/* How many addresses a table has at most. */
#define PENALTIES_MAX 65536u

/* A penalty that runs, or a past one that is remembered. */
struct penalty_ruling {
	uint32_t left_ms; /* 0: it is over */
	uint32_t length_ms;
	const char *cause;
};

struct penalties;

/* NULL/ENOMEM. */
struct penalties *penalties_new(void);
void penalties_free(struct penalties *penalties);

/*
 * Penalizes an address, unless it is penalized already or the limits exempt it.
 * cause must be a constant. Returns for how long; 0: not.
 */
uint32_t penalties_add(struct penalties *penalties,
		       const struct penalty_limits *limits,
		       const struct sockaddr *address, uint64_t now_ms,
		       const char *cause);

/* Whether the address is penalized now; takes O(1). An exempt address never is,
 * even if its /64 is, because of a neighbour. ruling may be NULL. */
bool penalties_hold(struct penalties *penalties,
		    const struct penalty_limits *limits,
		    const struct sockaddr *address, uint64_t now_ms,
		    struct penalty_ruling *ruling);

/* Forgets an address. False: it was not known. */
bool penalties_forgive(struct penalties *penalties,
		       const struct sockaddr *address, uint64_t now_ms,
		       struct penalty_ruling *ruling);

/* How many run now. Forgets those that are to be forgotten. */
size_t penalties_count(struct penalties *penalties, uint64_t now_ms);

/* The limits have changed: penalties that would now be shorter are shortened,
 * those that would not be given are forgotten. */
void penalties_revise(struct penalties *penalties,
		      const struct penalty_limits *(*limits_of)(
			      void *arg, const struct sockaddr *address),
		      void *arg);
