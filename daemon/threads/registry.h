/* SPDX-License-Identifier: MIT */
/*
 * The registry of a service (lined/registry.h). Each worker has a replica of
 * the names, with its watches. A backend decides which claim wins, and in which
 * order all replicas change: registry_order.c for the workers of this daemon.
 *
 * Thread: a replica and the claims made there belong to its worker.
 */
#pragma once

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

/* Written by the worker; other threads read with relaxed loads. */
struct registry_counters {
	uint64_t names;     /* that exist now */
	uint64_t claims;    /* made on this worker */
	uint64_t won, lost; /* of these claims */
	uint64_t taken;     /* won, and then lost to another node's claim */
};

/* ---- the service, on the main thread ---------------------------------- */

/* Makes the registry of a service on these workers. `primary` is the index of
 * the worker on which the backend decides. NULL/ENOMEM. */
struct registry *registry_new(struct worker *workers, size_t count,
			      size_t primary,
			      const struct registry_backend *backend);

/* Sums the counters of all workers; `names` is the primary worker's. */
void registry_count(const struct registry *registry,
		    struct registry_counters *counters);

/* Drops the service's reference. Claims have references too: the registry is
 * freed with the last one. NULL is fine. */
void registry_unref(struct registry *registry);

/* ---- members, on their worker's thread -------------------------------- */

/* The membership of an instance in its service's registry, embedded in the
 * instance. */
struct registry_member {
	struct registry_replica *replica;
	struct list dead; /* watches left behind by the instance */
	bool left;
};

/* To be called before the instance starts. `instance` is only for
 * worker_enter(). Any thread. */
void registry_join(struct registry *registry, size_t worker,
		   struct registry_member *member,
		   const struct lined_service *instance);

/* The instance ends: its handlers are not called any more. Its watches remain
 * valid for registry_unwatch(). */
void registry_member_leave(struct registry_member *member);

/* Frees the remaining watches. Any thread, after registry_member_leave(). */
void registry_member_fini(struct registry_member *member);

/* The function of lined/registry.h. */
void registry_on_taken(struct registry_member *member,
		       void (*taken)(struct lined_socket *client,
				     const char *name, void *arg),
		       void *arg);

/*
 * The functions of lined/registry.h. `owner` is the client's id; `waits` is the
 * client's list of waits, which has its claims and names.
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
 * Both functions are called on the claimant's worker and cannot fail. The
 * following calls come later, never within them. After claim(): if the claim
 * wins, registry_replica_add() on every worker; in either case
 * registry_claim_answered() on the claimant's worker, after the addition there.
 * After release() of a claim that has won: registry_replica_remove() on every
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
	/* NULL: not set. */
	void (*taken)(struct lined_socket *client, const char *name, void *arg);
	void *taken_arg;
	/* Counts the changes: a watch begins with the change after `since`. */
	uint64_t changes;
	struct list *cursor; /* the watch that is called next */
	struct registry_counters counters;
};

/* A claim on one worker: the messages to that worker, and the entry. */
struct registry_copy {
	struct registry_claim *claim;
	struct lined_message add, remove;
	struct name_node node;
};

/* The claimant is on another node. */
#define REGISTRY_ELSEWHERE SIZE_MAX

/*
 * A name that a client claims or owns. The client, each message on its way and
 * each replica with the entry have a reference.
 */
struct registry_claim {
	atomic_uint refs;
	struct registry *registry;
	size_t from; /* the claimant's worker, or REGISTRY_ELSEWHERE */

	/* Constant: */
	uint64_t owner;
	const char *name;
	const void *value;
	size_t value_len;

	/* The claimant's worker's: */
	struct client_wait wait; /* holds the client until the answer */
	void (*claimed)(struct lined_socket *client, void *arg, bool won);
	void *arg;
	bool releasing;

	/* The backend's; `won` is valid from the answer on. */
	bool won;
	struct lined_message claim, release;
	struct registry_copy copies[]; /* one a worker */
};

struct registry {
	atomic_uint refs;
	const struct registry_backend *backend;
	void *backend_link; /* the backend's own */
	size_t count, primary;
	struct registry_replica replicas[]; /* one a worker */
};

/* A claim that no client of this daemon has made, with one reference.
 * NULL/ENOMEM. */
struct registry_claim *registry_claim_new(struct registry *registry,
					  size_t from, const char *name,
					  const void *value, size_t value_len);

/* Sets the handlers of all copies' messages. `add`: the claim has won, or
 * (refused, on the claimant's worker only) has not. `remove`: the name was
 * released, or (taken, on the claimant's worker) another node's claim has it
 * now. A message owns a reference. */
void registry_copies_init(struct registry_claim *claim);
void registry_copy_added(struct lined_message *message);
void registry_copy_refused(struct lined_message *message);
void registry_copy_removed(struct lined_message *message);
void registry_copy_taken(struct lined_message *message);
/* Removes the copy, if it is in the replica, without any call. */
void registry_copy_forget(struct registry_copy *copy);
/* Defers a message to a worker, or posts it from another one. */
void registry_copy_deliver(struct registry *registry, size_t from, size_t to,
			   struct lined_message *message);

/* The claim has won: the name now exists on this worker. Takes over a reference
 * to the claim. */
void registry_replica_add(struct registry_replica *replica,
			  struct registry_copy *copy);
/* The name was released: drops that reference. */
void registry_replica_remove(struct registry_replica *replica,
			     struct registry_copy *copy);
/* Calls claimed() on the claimant's worker, if the client is still open. */
void registry_claim_answered(struct registry_claim *claim);

/* Another node's claim has the name: the client no longer owns it. Calls
 * taken(). */
void registry_claim_taken(struct registry_claim *claim);

void registry_claim_ref(struct registry_claim *claim);
void registry_claim_unref(struct registry_claim *claim);
