/* SPDX-License-Identifier: MIT */
/*
 * The registry of a service (lined/registry.h). Each worker has a replica: a
 * copy of all names, and its own watches. A backend decides which claim wins,
 * and in which order all replicas change: registry_arbiter.c within one daemon.
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
#include "threads/client_pending.h"
#include "threads/name_set.h"
#include "threads/worker.h"

struct registry;
struct registry_backend;
struct registry_claim;
struct registry_replica;

/* Written by the worker; other threads use relaxed loads. */
struct registry_counters {
	uint64_t names;     /* existing now */
	uint64_t claims;    /* made on this worker */
	uint64_t won, lost; /* claims from this worker */
	uint64_t taken;     /* won, later lost to another node's claim */
};

/* ---- the service, on the main thread ---------------------------------- */

/* Makes the registry of a service on these workers. `primary`: index of the
 * worker that decides. NULL/ENOMEM. */
struct registry *registry_new(struct worker *workers, size_t count,
			      size_t primary,
			      const struct registry_backend *backend);

/* Sums the counters of all workers; `names` is taken from the primary worker.
 */
void registry_count(const struct registry *registry,
		    struct registry_counters *counters);

/* Drops the service's reference. Claims also have references. The registry is
 * freed with its last reference. NULL is fine. */
void registry_unref(struct registry *registry);

/* ---- members, on their worker's thread -------------------------------- */

/* An instance's membership in its service's registry, embedded in the instance.
 */
struct registry_member {
	struct registry_replica *replica;
	struct list dead; /* watches of an instance that has left */
	bool left;
};

/* Call this before the instance starts. `instance` is passed to worker_enter()
 * only. Any thread. */
void registry_join(struct registry *registry, size_t worker,
		   struct registry_member *member,
		   const struct lined_service *instance);

/* Call this when the instance ends: none of its handlers is called any more.
 * Watches remain valid for lined_registry_unwatch(). */
void registry_member_leave(struct registry_member *member);

/* Frees the remaining watches. Any thread, after registry_member_leave(). */
void registry_member_fini(struct registry_member *member);

/* Implements lined/registry.h. */
void registry_on_taken(struct registry_member *member,
		       void (*taken)(struct lined_socket *client,
				     const char *name, void *arg),
		       void *arg);

/*
 * Implement lined/registry.h. `owner`: the client's id. `pending`: the
 * client's list, which contains its claims and names.
 */
int registry_claim(struct registry_member *member, struct lined_socket *client,
		   struct client_pending **pending, uint64_t owner,
		   const char *name, const void *value, size_t value_len,
		   void (*claimed)(struct lined_socket *client, void *arg,
				   bool won),
		   void *arg);
void registry_release(struct client_pending *first, const char *name);
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

/* ---- backends ---------------------------------------------------------- */

/*
 * claim() and release() are called on the claimant's worker and cannot fail.
 * The backend answers later, never within these calls: it delivers the messages
 * in claim->copies, each to the copy's worker. After claim(): if the claim
 * wins, registry_copy_added() on every worker; if not, registry_copy_refused()
 * on the claimant's worker. After release() of a claim that has won:
 * registry_copy_removed() on every worker.
 */
struct registry_backend {
	void (*claim)(struct registry_claim *claim);
	void (*release)(struct registry_claim *claim);
	/* The registry with this `backend_link` is freed. Any thread. NULL: not
	 * called. */
	void (*freed)(void *backend_link);
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
	/* The number of changes so far. A watch reports only changes after its
	 * `since`. */
	uint64_t changes;
	struct list *cursor; /* the watch to call next */
	struct registry_counters counters;
};

/* A claim's part for one worker: messages to this worker, and the entry in its
 * replica. */
struct registry_copy {
	struct registry_claim *claim;
	struct lined_message add, remove;
	struct name_node node;
};

/* The value of `from` for a claimant on another node. */
#define REGISTRY_ELSEWHERE SIZE_MAX

/*
 * A name that a client claims or owns. References: the client's, one for each
 * message under way, one for each replica with the entry.
 */
struct registry_claim {
	atomic_uint refs;
	struct registry *registry;
	size_t from; /* the claimant's worker, or REGISTRY_ELSEWHERE */

	/* Constant after registry_claim_new(): */
	uint64_t owner;
	const char *name;
	const void *value;
	size_t value_len;

	/* Used by the claimant's worker only: */
	struct client_pending pending; /* holds the client until answered */
	void (*claimed)(struct lined_socket *client, void *arg, bool won);
	void *arg;
	bool releasing;

	/* Used by the backend only; `won` is valid after the answer. */
	bool won;
	struct lined_message claim, release;
	struct registry_copy copies[]; /* one per worker */
};

struct registry {
	atomic_uint refs;
	const struct registry_backend *backend;
	void *backend_link; /* private to the backend */
	size_t count, primary;
	struct registry_replica replicas[]; /* one per worker */
};

/* Makes a claim with one reference. from: the claimant's worker, or
 * REGISTRY_ELSEWHERE. NULL/ENOMEM. */
struct registry_claim *registry_claim_new(struct registry *registry,
					  size_t from, const char *name,
					  const void *value, size_t value_len);

/*
 * The handlers of a copy's messages, `add` and `remove`. registry_copies_init()
 * sets registry_copy_added() and registry_copy_removed() in all copies.
 * registry_copy_refused() is for `add` if the claim has lost;
 * registry_copy_taken() is for `remove` if another node's claim has the name.
 * These two are only for the claimant's worker. Each message owns a reference.
 */
void registry_copies_init(struct registry_claim *claim);
void registry_copy_added(struct lined_message *message);
void registry_copy_refused(struct lined_message *message);
void registry_copy_removed(struct lined_message *message);
void registry_copy_taken(struct lined_message *message);
/* Removes the copy from its replica, if it is there, without calling watches.
 */
void registry_copy_forget(struct registry_copy *copy);
/* Defers a message on the same worker, or posts it to another worker. */
void registry_copy_deliver(struct registry *registry, size_t from, size_t to,
			   struct lined_message *message);

/* Call this on the claimant's worker when the claim is decided: calls
 * claimed(), if the client is open. */
void registry_claim_answered(struct registry_claim *claim);

/* Call this on the claimant's worker when another node's claim has the name:
 * the client loses the name. Calls taken(). */
void registry_claim_taken(struct registry_claim *claim);

void registry_claim_ref(struct registry_claim *claim);
void registry_claim_unref(struct registry_claim *claim);
