/* SPDX-License-Identifier: MIT */
/*
 * Admission: decides whether a service accepts one more client (`clients`,
 * `clients-per-address`, `connect-rate-per-address`) or one more datagram
 * (`line-rate`). Counts the clients of each address and its rate of connecting.
 * An IPv6 address counts with its /64, unless it is link-local; UNIX clients
 * count towards `clients` only.
 *
 * Thread: the one that accepts. Other threads may call admission_leave(),
 * admission_gone() and read the counters.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* The clients and handshakes of a class, for those of its limits that count the
 * class alone. */
struct admission_counts {
	atomic_uint clients, handshakes;
};

/* The limits of a service, or of one of its classes. */
struct admission_limits {
	uint32_t clients; /* 0: unlimited, as below */
	/* For admission_enter_user(). clients_kept: places of `clients` that
	 * only privileged users may take. */
	uint32_t clients_per_user, clients_kept;
	uint32_t clients_per_address;
	uint32_t connect_rate_per_address; /* a second */
	uint32_t datagram_rate;            /* a second and address */
	uint32_t datagram_burst;
	uint32_t handshakes;
	/* A class with its own `clients`, or `handshakes`, counts them here
	 * instead of with the service. NULL: it counts with the service. */
	struct admission_counts *own_clients, *own_handshakes;
};

enum admission_verdict {
	ADMISSION_OK,
	ADMISSION_CLIENTS,
	ADMISSION_ADDRESS,
	ADMISSION_USER,
	ADMISSION_RATE,
	ADMISSION_HANDSHAKES, /* admission_begin_handshake() */
	ADMISSION_MEMORY, /* none left; or, by the caller, near the ceiling */
	/* The caller's decisions: */
	ADMISSION_DENIED,   /* by `access` */
	ADMISSION_PENALTY,  /* penalties_hold() */
	ADMISSION_PROXY,    /* no PROXY header */
	ADMISSION_ORIGIN,   /* by `web { origins }` */
	ADMISSION_PROGRAMS, /* lined_program_refuse() */
	ADMISSION_VERDICTS
};

struct admission;
struct admission_entry;

/* NULL and errno. The limits are copied. */
struct admission *admission_new(const struct admission_limits *limits);
void admission_free(struct admission *admission);
void admission_set_limits(struct admission *admission,
			  const struct admission_limits *limits);

/*
 * Below, class is the limits of the client's class; NULL: it is in none, and
 * those of the service apply. A client is in the same class from its beginning
 * to its end, unless admission_move() changes that.
 */

/*
 * Admits or refuses a client that connects from the address at now_ms. An
 * admitted client is counted until admission_leave(), which gets *entry, and
 * admission_gone(). Refusals are counted by verdict.
 */
enum admission_verdict admission_enter(struct admission *admission,
				       const struct admission_limits *class,
				       const struct sockaddr *address,
				       uint64_t now_ms,
				       struct admission_entry **entry);
/* The same for a process of this machine. A privileged user has no limit but
 * `clients`. The entry counts the user in place of an address. */
enum admission_verdict admission_enter_user(struct admission *admission,
					    uid_t uid, bool privileged,
					    uint64_t now_ms,
					    struct admission_entry **entry);

/* The client no longer counts towards its address: to be called before its peer
 * can know of the end, or a peer that connects again at once may be refused.
 * Allocates nothing and takes no lock. MT-safe. */
void admission_leave(struct admission *admission,
		     struct admission_entry *entry);
/* Its descriptor is about to be closed: it no longer counts towards `clients`.
 * MT-safe. */
void admission_gone(struct admission *admission,
		    const struct admission_limits *class);

/* A client, or a handshake, changes its class. MT-safe. */
void admission_move(struct admission *admission,
		    const struct admission_limits *from,
		    const struct admission_limits *to);
void admission_move_handshake(struct admission *admission,
			      const struct admission_limits *from,
			      const struct admission_limits *to);

/*
 * A handshake begins: TLS, a PROXY header, the upgrade to WebSocket. False: no
 * more may begin now; the refusal is counted. It ends with
 * admission_end_handshake(), which is MT-safe, however it ends.
 */
bool admission_begin_handshake(struct admission *admission,
			       const struct admission_limits *class);
void admission_end_handshake(struct admission *admission,
			     const struct admission_limits *class);
/* Those not counted in a class. */
uint32_t admission_handshakes(const struct admission *admission);

/* Whether one more line in a datagram of this address is within its rate. */
enum admission_verdict
admission_datagram_line(struct admission *admission,
			const struct admission_limits *class,
			const struct sockaddr *address, uint64_t now_ms);

/* Counts a refusal that was the caller's decision. MT-safe. */
void admission_refuse(struct admission *admission,
		      enum admission_verdict verdict);
uint64_t admission_refused(const struct admission *admission,
			   enum admission_verdict verdict);
/* All clients, those of classes too. */
uint32_t admission_clients(const struct admission *admission);
/* How many addresses have an entry. */
size_t admission_addresses(const struct admission *admission);
/* How many were admitted so far. */
uint64_t admission_admitted(const struct admission *admission);

/* Answers as admission_enter() would, without counting anything. */
struct admission_ruling {
	enum admission_verdict verdict;
	uint32_t clients; /* of the address, or of its /64 */
	uint32_t places;  /* clients counted by the same `clients` */
	bool counted;     /* false: UNIX, counted by `clients` only */
};

void admission_ask(const struct admission *admission,
		   const struct admission_limits *class,
		   const struct sockaddr *address, uint64_t now_ms,
		   struct admission_ruling *ruling);

/* The config key of a verdict: "clients-per-address". */
const char *admission_verdict_text(enum admission_verdict verdict);
