/* SPDX-License-Identifier: MIT */
/*
 * Penalties: after a fault of a client, a service refuses the client's address
 * for some time. A further fault doubles the time, up to a maximum, while the
 * last penalty is remembered. The table is bounded: in a full table a new entry
 * replaces the oldest one. An IPv6 address counts as its /64, unless it is
 * link-local (address_hash.h).
 *
 * Thread: any. One table serves all workers of a service, so that all of them
 * refuse an address at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/address.h>

struct penalty_limits {
	uint32_t first_ms; /* 0: no penalties */
	uint32_t max_ms;
	/* These networks are never penalized. */
	const struct lined_network *exempt;
	size_t exempt_count;
};

/* The most addresses in a table. */
#define PENALTIES_MAX 65536u

/* A running penalty, or a past one that is still remembered. */
struct penalty_ruling {
	uint32_t left_ms; /* 0: the penalty has ended */
	uint32_t length_ms;
	const char *cause;
};

struct penalties;

/* NULL/ENOMEM. */
struct penalties *penalties_new(void);
void penalties_free(struct penalties *penalties);

/*
 * Penalizes an address, unless it already has a running penalty or the limits
 * exempt it. cause is not copied: the text must outlive the table. Returns the
 * length in ms; 0: not penalized.
 */
uint32_t penalties_add(struct penalties *penalties,
		       const struct penalty_limits *limits,
		       const struct sockaddr *address, uint64_t now_ms,
		       const char *cause);

/* Whether the address is penalized now; takes O(1). An exempt address is not
 * penalized, even if a neighbour in its /64 caused a penalty. ruling may be
 * NULL. */
bool penalties_hold(struct penalties *penalties,
		    const struct penalty_limits *limits,
		    const struct sockaddr *address, uint64_t now_ms,
		    struct penalty_ruling *ruling);

/* Removes an address from the table. False: no penalty of the address is
 * remembered. */
bool penalties_forgive(struct penalties *penalties,
		       const struct sockaddr *address, uint64_t now_ms,
		       struct penalty_ruling *ruling);

/* The number of running penalties. Also frees entries that need not be
 * remembered. */
size_t penalties_count(struct penalties *penalties, uint64_t now_ms);

/* The limits have changed: shortens penalties above the new maximum and removes
 * penalties of addresses that are now exempt. */
void penalties_revise(struct penalties *penalties,
		      const struct penalty_limits *(*limits_of)(
			      void *arg, const struct sockaddr *address),
		      void *arg);
