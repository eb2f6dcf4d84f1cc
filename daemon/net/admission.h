/* SPDX-License-Identifier: MIT */
/*
 * Who may come in: a service's count of clients and, for each address that has
 * any or has lately had, how many and how fast (`clients`,
 * `clients-per-address`, `connect-rate-per-address`, `line-rate` of
 * datagrams). An IPv6 address counts with its /64. UNIX clients count to
 * `clients` only. Thread: the one that accepts; other threads may say that
 * somebody has left, and read counters.
 */
#ifndef ADMISSION_H
#define ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct admission_limits {
	uint32_t clients; /* 0: unlimited, as below */
	uint32_t clients_per_address;
	uint32_t connect_rate_per_address; /* a second */
	uint32_t datagram_rate;            /* a second and address */
	uint32_t datagram_burst;
};

enum admission_verdict {
	ADMISSION_OK,
	ADMISSION_CLIENTS,
	ADMISSION_ADDRESS,
	ADMISSION_RATE,
	ADMISSION_DENIED, /* by `access`; decided by the caller */
	ADMISSION_VERDICTS
};

struct admission;
struct admission_entry;

/* NULL and errno. The limits stay the caller's. */
struct admission *admission_new(const struct admission_limits *limits);
void admission_free(struct admission *admission);
void admission_set_limits(struct admission *admission,
			  const struct admission_limits *limits);

/*
 * Asks for a client from this address (AF_UNIX: any) at now_ms. On
 * ADMISSION_OK it is counted, and *entry goes to admission_leave() or
 * admission_depart() when it is gone. A refusal is counted by its verdict.
 */
enum admission_verdict admission_enter(struct admission *admission,
				       const struct sockaddr *address,
				       uint64_t now_ms,
				       struct admission_entry **entry);
void admission_leave(struct admission *admission,
		     struct admission_entry *entry);

/* The same from another thread: it is taken off the counts by the next
 * admission_collect(). Needs no memory and waits for nobody. MT-safe. */
void admission_depart(struct admission *admission,
		      struct admission_entry *entry);
void admission_collect(struct admission *admission);

/* Whether a datagram of this address is within its rate. */
enum admission_verdict admission_datagram(struct admission *admission,
					  const struct sockaddr *address,
					  uint64_t now_ms);

/* Counts a refusal that the caller decided. */
void admission_refuse(struct admission *admission,
		      enum admission_verdict verdict);
uint64_t admission_refused(const struct admission *admission,
			   enum admission_verdict verdict);
uint32_t admission_clients(const struct admission *admission);
/* How many addresses it remembers. */
size_t admission_addresses(const struct admission *admission);
/* How many were admitted so far. */
uint64_t admission_admitted(const struct admission *admission);

/* What an address has, and would be told, where it asked now; nothing is
 * counted. */
struct admission_ruling {
	enum admission_verdict verdict;
	uint32_t clients; /* of the address, or of its /64 */
	bool counted;     /* false: UNIX, which counts to `clients` only */
};

void admission_ask(const struct admission *admission,
		   const struct sockaddr *address, uint64_t now_ms,
		   struct admission_ruling *ruling);

/* The config key behind a verdict: "clients-per-address". */
const char *admission_verdict_text(enum admission_verdict verdict);

#endif
