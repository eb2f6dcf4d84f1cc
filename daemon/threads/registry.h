/* SPDX-License-Identifier: MIT */
/*
 * The registry of a service (lined/registry.h): a replica of the names on each
 * worker, with its watches, and the claims of the clients there. Which claim
 * wins, and in which order all replicas learn of it, is a backend's business:
 * registry_order.c among the workers of this daemon; one between machines goes
 * beside it.
 *
 * Thread: a replica and the claims made there belong to the worker's.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/registry.h>

#include "list.h"
#include "threads/name_set.h"
#include "threads/worker.h"

struct client;
struct registry;
struct registry_claim;

/* Written by a worker's thread; another may read with relaxed loads. */
struct registry_counters {
	uint64_t names;     /* there are now */
	uint64_t claims;    /* made here */
	uint64_t won, lost; /* of them */
};

/* What an instance has of its registry; embedded in struct lined_service. */
struct registry_member {
	struct registry_replica *replica;
	struct list dead; /* watches that ended with the instance */
	bool left;
};

/* ---- the service, on the main thread ---------------------------------- */

/* The registry of a service whose primary worker this is. NULL/ENOMEM. */
struct registry *registry_new(struct worker *workers, size_t count,
			      size_t primary);

/* Gives the instance on that worker, which has not been started, its part. */
void registry_join(struct registry *registry, size_t worker,
		   struct lined_service *instance);

/* What all workers have counted; of names, what the primary has. */
void registry_count(const struct registry *registry,
		    struct registry_counters *counters);

/* The service is gone; what is still on its way holds the rest. NULL is fine.
 */
void registry_unref(struct registry *registry);

/* ---- instances, on their worker's thread ------------------------------ */

void registry_member_init(struct registry_member *member);

/* The instance ends: none of its handlers is called any more. Its watches may
 * still be given to lined_registry_unwatch(). */
void registry_leave(struct lined_service *service);

/* Frees what was never unwatched. Any thread, after registry_leave(). */
void registry_member_fini(struct registry_member *member);

/* A client is gone: its names are released. */
void registry_client_gone(struct client *client);

/* ---- for backends ------------------------------------------------------ */

struct registry_replica {
	struct registry *registry;
	struct worker *worker;
	struct names names;
	struct list watches;
	/* Counts changes: which of them a watch is to be told of. */
	uint64_t changes;
	struct list *cursor; /* the watch that is told next */
	struct registry_counters counters;
};

/* What one worker has of a claim: the messages to it, and the entry. */
struct registry_copy {
	struct registry_claim *claim;
	struct lined_message come, go;
	struct name name;
};

/*
 * A name that a client claims or has. Each message on its way, each replica
 * that has it as an entry and the client have a reference.
 */
struct registry_claim {
	atomic_uint refs;
	struct registry *registry;
	size_t from; /* the claimant's worker */

	/* Never change: */
	uint64_t owner;
	const char *name;
	const void *value;
	size_t value_len;

	/* The claimant's worker's: */
	struct client *client; /* NULL: gone, or it need not know any more */
	struct registry_claim *next; /* of the same client */
	void (*claimed)(struct lined_socket *client, void *arg, bool won);
	void *arg;
	bool answered, releasing;

	/* The backend's; `won` is read with the answer. */
	bool won;
	struct lined_message claim, release;
	struct registry_copy copies[]; /* one a worker */
};

struct registry {
	atomic_uint refs;
	size_t count, primary;
	struct registry_replica replicas[]; /* one a worker */
};

/* The claim has won: on this worker the name is there now. The replica takes
 * over a reference. */
void registry_come(struct registry_replica *replica,
		   struct registry_copy *copy);
/* It has been released. */
void registry_go(struct registry_replica *replica, struct registry_copy *copy);
/* Tells the claimant, on its worker, behind registry_come() where it won. */
void registry_answer(struct registry_claim *claim);

void registry_claim_ref(struct registry_claim *claim);
void registry_claim_unref(struct registry_claim *claim);

#endif
