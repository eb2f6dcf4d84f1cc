/* SPDX-License-Identifier: MIT */
/*
 * The registry of a service (lined/registry.h): a replica of its names on each
 * worker, with the watches there, and the claims of clients. A backend decides
 * which claim wins, and in which order all replicas change: registry_order.c
 * among the workers of this daemon; a backend between machines would be another
 * one.
 *
 * Thread: a replica and the claims made there belong to its worker.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/registry.h>

#include "list.h"
#include "threads/client_wait.h"
#include "threads/name_set.h"
#include "threads/worker.h"

struct registry;
struct registry_backend;
struct registry_claim;
struct registry_replica;

/* Written by a worker's thread; others may read with relaxed loads. */
struct registry_counters {
	uint64_t names;     /* there are now */
	uint64_t claims;    /* made here */
	uint64_t won, lost; /* of them */
};

/* ---- the service, on the main thread ---------------------------------- */

/* The registry of a service on these workers; `primary` is the number of the
 * one that the backend may give a part of its own. NULL/ENOMEM. */
struct registry *registry_new(struct worker *workers, size_t count,
			      size_t primary,
			      const struct registry_backend *backend);

/* The sum over all workers; of names, what the primary has. */
void registry_count(const struct registry *registry,
		    struct registry_counters *counters);

/* The service has ended; messages on their way hold the registry until they
 * arrive. NULL is fine. */
void registry_unref(struct registry *registry);

/* ---- members, on their worker's thread -------------------------------- */

/* An instance's part of its registry, embedded in it. */
struct registry_member {
	struct registry_replica *replica;
	struct list dead; /* watches that ended with the instance */
	bool left;
};

/* Before the instance starts. `instance` is only passed on to worker_enter().
 * Any thread. */
void registry_join(struct registry *registry, size_t worker,
		   struct registry_member *member,
		   const struct lined_service *instance);

/* The instance ends: none of its handlers is called any more. Its watches may
 * still be given to registry_unwatch(). */
void registry_member_leave(struct registry_member *member);

/* Frees what was never unwatched. Any thread, after registry_member_leave(). */
void registry_member_fini(struct registry_member *member);

/*
 * As their namesakes in lined/registry.h. `owner` is the client's id, *waits
 * the first of its waits, with which its names are released.
 */
int registry_claim(struct registry_member *member, struct lined_socket *client,
		   struct client_wait **waits, uint64_t owner, const char *name,
		   const void *value, size_t value_len,
		   void (*claimed)(struct lined_socket *client, void *arg,
				   bool won),
		   void *arg);
void registry_release(struct client_wait *waits, const char *name);
void registry_list(struct registry_member *member, const char *prefix,
		   void (*visit)(const struct lined_registry_entry *entry,
				 void *arg),
		   void *arg);
bool registry_find(const struct registry_member *member, const char *name,
		   struct lined_registry_entry *entry);
struct lined_registry_watch *
registry_watch(struct registry_member *member, const char *prefix,
	       void (*changed)(const struct lined_registry_entry *entry,
			       bool here, void *arg),
	       void *arg);
void registry_unwatch(struct lined_registry_watch *watch);

/* ---- backends ---------------------------------------------------------- */

/*
 * Both are called on the claimant's worker, cannot fail, and return before
 * anything follows. After a claim: registry_replica_add() on every worker if it
 * wins, then registry_claim_answered() on the claimant's, in either case. After
 * the release of a claim that has won: registry_replica_remove() on every
 * worker.
 */
struct registry_backend {
	void (*claim)(struct registry_claim *claim);
	void (*release)(struct registry_claim *claim);
};

struct registry_replica {
	struct registry *registry;
	struct worker *worker;
	const struct lined_service *instance;
	struct name_set names;
	struct list watches;
	/* Counts changes: a watch is told of those after its beginning. */
	uint64_t changes;
	struct list *cursor; /* the watch that is told next */
	struct registry_counters counters;
};

/* A claim's part on one worker: the messages to it, and the entry. */
struct registry_copy {
	struct registry_claim *claim;
	struct lined_message add, remove;
	struct name_node node;
};

/*
 * A name that a client claims or owns. Each message on its way, each replica
 * that has it as an entry, and the client have a reference.
 */
struct registry_claim {
	atomic_uint refs;
	struct registry *registry;
	size_t from; /* the claimant's worker */

	/* Constant: */
	uint64_t owner;
	const char *name;
	const void *value;
	size_t value_len;

	/* The claimant's worker's: */
	struct client_wait wait; /* held until the answer */
	void (*claimed)(struct lined_socket *client, void *arg, bool won);
	void *arg;
	bool releasing;

	/* The backend's; `won` is read with the answer. */
	bool won;
	struct lined_message claim, release;
	struct registry_copy copies[]; /* one a worker */
};

struct registry {
	atomic_uint refs;
	const struct registry_backend *backend;
	size_t count, primary;
	struct registry_replica replicas[]; /* one a worker */
};

/* The claim has won: the name exists on this worker now. The replica takes over
 * a reference. */
void registry_replica_add(struct registry_replica *replica,
			  struct registry_copy *copy);
/* The name was released. */
void registry_replica_remove(struct registry_replica *replica,
			     struct registry_copy *copy);
/* Tells the claimant, on its worker, after registry_replica_add() if it won. */
void registry_claim_answered(struct registry_claim *claim);

void registry_claim_ref(struct registry_claim *claim);
void registry_claim_unref(struct registry_claim *claim);

#endif
