/* SPDX-License-Identifier: MIT */
/*
 * Admission: decides whether a service accepts one more client (`clients`,
 * `clients-per-address`, `connect-rate-per-address`) or one more line in a
 * datagram (`line-rate`). Counts clients and connection attempts of each
 * address. An IPv6 address counts as its /64, unless it is link-local. UNIX
 * clients count towards `clients`; on the control socket they also count
 * towards the limit of their user.
 *
 * Thread: the thread that accepts clients or reads datagrams. Other threads may
 * call the functions that are MT-safe, and read the counters.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Clients and handshakes of a class that has its own limits for them. */
struct admission_counts {
	atomic_uint clients, handshakes;
};

/* The limits of a service, or of one of its classes. */
struct admission_limits {
	/* 0: unlimited. The same holds for the limits below, except
	 * clients_kept, datagram_burst (0: datagram_rate) and handshakes. */
	uint32_t clients;
	/* For admission_enter_user(). clients_kept: how many of the `clients`
	 * places are reserved for privileged users. */
	uint32_t clients_per_user, clients_kept;
	uint32_t clients_per_address;
	uint32_t connect_rate_per_address; /* per second */
	uint32_t datagram_rate;            /* per second and address */
	uint32_t datagram_burst;
	uint32_t handshakes;
	/* The counters of a class that has its own `clients` or `handshakes`.
	 * NULL: the service's counters count the class, too. */
	struct admission_counts *own_clients, *own_handshakes;
};

enum admission_verdict {
	ADMISSION_OK,
	ADMISSION_CLIENTS,
	ADMISSION_ADDRESS,
	ADMISSION_USER,
	ADMISSION_RATE,
	ADMISSION_HANDSHAKES, /* admission_begin_handshake() */
	ADMISSION_MEMORY,     /* no memory, or near the ceiling */
	/* Verdicts of the caller: */
	ADMISSION_DENIED,   /* refused by `access` */
	ADMISSION_PENALTY,  /* penalties_hold() */
	ADMISSION_PROXY,    /* no PROXY header */
	ADMISSION_ORIGIN,   /* refused by `web { origins }` */
	ADMISSION_PROGRAMS, /* lined_program_refuse() */
	ADMISSION_VERDICTS
};

struct admission;
struct admission_entry;

/* NULL and errno. Copies the limits. */
struct admission *admission_new(const struct admission_limits *limits);
void admission_free(struct admission *admission);
void admission_set_limits(struct admission *admission,
			  const struct admission_limits *limits);

/*
 * In the functions below, class is the limits of the client's class; NULL: the
 * client has no class, and the service's limits apply. A client keeps its class
 * from beginning to end, unless admission_move() changes it.
 */

/*
 * Admits or refuses a client that connects from the address at now_ms. For an
 * admitted client, the caller must call admission_leave() with *entry, then
 * admission_gone(): each function undoes a part of the counting. Refusals are
 * counted by verdict.
 */
enum admission_verdict admission_enter(struct admission *admission,
				       const struct admission_limits *class,
				       const struct sockaddr *address,
				       uint64_t now_ms,
				       struct admission_entry **entry);
/* As admission_enter(), for a process of this host: the entry counts a user's
 * clients, not an address's. For a privileged user only `clients` is a limit.
 */
enum admission_verdict admission_enter_user(struct admission *admission,
					    uid_t uid, bool privileged,
					    uint64_t now_ms,
					    struct admission_entry **entry);

/* Stops counting the client for its address. Call this before the peer can
 * notice that the connection ends: otherwise a peer that reconnects at once
 * could be refused. Allocates nothing and takes no lock. MT-safe. */
void admission_leave(struct admission *admission,
		     struct admission_entry *entry);
/* Stops counting the client towards `clients`. Call this just before the
 * client's descriptor is closed. MT-safe. */
void admission_gone(struct admission *admission,
		    const struct admission_limits *class);

/* A client, or a handshake, moves from one class to another. MT-safe. */
void admission_move(struct admission *admission,
		    const struct admission_limits *from,
		    const struct admission_limits *to);
void admission_move_handshake(struct admission *admission,
			      const struct admission_limits *from,
			      const struct admission_limits *to);

/*
 * Begins a handshake: TLS, a PROXY header, or the upgrade to WebSocket. False:
 * too many handshakes are running; the refusal is counted. Call
 * admission_end_handshake() (MT-safe) when the handshake ends, with or without
 * success.
 */
bool admission_begin_handshake(struct admission *admission,
			       const struct admission_limits *class);
void admission_end_handshake(struct admission *admission,
			     const struct admission_limits *class);
/* The number of running handshakes, without those counted in a class. */
uint32_t admission_handshakes(const struct admission *admission);

/* Whether this address may send one more line in a datagram now. */
enum admission_verdict
admission_datagram_line(struct admission *admission,
			const struct admission_limits *class,
			const struct sockaddr *address, uint64_t now_ms);

/* Counts a refusal that the caller decided. MT-safe. */
void admission_refuse(struct admission *admission,
		      enum admission_verdict verdict);
uint64_t admission_refused(const struct admission *admission,
			   enum admission_verdict verdict);
/* All clients, including those counted in a class. */
uint32_t admission_clients(const struct admission *admission);
/* The number of entries, of addresses and of users. */
size_t admission_entries(const struct admission *admission);
/* The number of clients admitted so far. */
uint64_t admission_admitted(const struct admission *admission);

/* The decision that admission_enter() would make now. admission_ask() counts
 * nothing. */
struct admission_ruling {
	enum admission_verdict verdict;
	uint32_t clients; /* clients of the address or its /64 */
	uint32_t places;  /* clients under the same limit `clients` */
	bool counted;     /* false: UNIX, counts towards `clients` only */
};

void admission_ask(const struct admission *admission,
		   const struct admission_limits *class,
		   const struct sockaddr *address, uint64_t now_ms,
		   struct admission_ruling *ruling);

/* The name of a verdict in counters and logs, such as "clients-per-address". */
const char *admission_verdict_text(enum admission_verdict verdict);
