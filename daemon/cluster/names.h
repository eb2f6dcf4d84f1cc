/* SPDX-License-Identifier: MIT */
/*
 * The names of all nodes, and which claim has which name. While the node is
 * joined, a bucket of the broker orders all nodes' changes: a claim becomes an
 * entry if its key has none, and the bucket's events decide. While the node is
 * alone it decides by itself; when it joins again, each name is settled: the
 * claim that was made earlier keeps it.
 *
 * Makes requests and calls through struct names_ops; has no broker, thread or
 * clock. Thread: the main one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"

struct names;

/* An entry of the bucket. data is borrowed. */
struct names_value {
	uint64_t node;  /* the number of the node that has made the claim */
	uint64_t since; /* microseconds of UTC */
	uint64_t owner; /* lined_client_id() */
	const char *data;
	size_t len;
};

/* A claim is the caller's; it is in the table from names_claim() until one of
 * refused(), released() and lost(). They must not call the table. */
struct names_ops {
	/* Requests, for which names_answered() follows unless the link goes
	 * down. */
	void (*store)(struct names *names, const char *key,
		      const struct names_value *value, uint64_t expected,
		      uint64_t tag);
	void (*erase)(struct names *names, const char *key, uint64_t expected,
		      uint64_t tag);
	/* The claim has the name, or will not have it. */
	void (*won)(struct names *names, void *claim);
	void (*refused)(struct names *names, void *claim);
	/* A claim that had won has lost its name: it was released, or another
	 * node's claim is older. */
	void (*released)(struct names *names, void *claim);
	void (*lost)(struct names *names, void *claim);
	/* Another node's claim has the name: returns a handle for gone().
	 * NULL: no memory. */
	void *(*came)(struct names *names, const char *key,
		      const struct names_value *value);
	void (*gone)(struct names *names, void *handle);
};

enum names_mode {
	NAMES_WAITING, /* nothing is decided yet */
	NAMES_ALONE,
	NAMES_JOINED,
};

struct names {
	const struct names_ops *ops;
	uint64_t node;
	enum names_mode mode;
	uint64_t applied;     /* the last revision received */
	uint64_t tags, asked; /* asked: tags when last asked */
	void *tree;           /* struct name, by key */
	struct list all;
	/* Names with a request under way; names whose answer is newer than the
	 * bucket's last event. Oldest first. */
	struct list pending, awaiting;
	size_t settled; /* how many claims were ever lost */
};

void names_init(struct names *names, const struct names_ops *ops,
		uint64_t node);
/* Frees the table, which has no claim left. */
void names_fini(struct names *names);

/* Claims the key. The value's node is set here. -1: no memory, and no call
 * follows. */
int names_claim(struct names *names, const char *key,
		const struct names_value *value, void *claim);
/* refused() or released() follows. */
void names_release(struct names *names, const char *key, void *claim);

/* ---- the broker's events ------------------------------------------------ */

/* Forgets what the bucket had: it will list all its entries. */
void names_begin(struct names *names);
void names_stored(struct names *names, const char *key, uint64_t revision,
		  const struct names_value *value);
void names_erased(struct names *names, const char *key, uint64_t revision);
/* All entries as of this revision are listed. */
void names_listed(struct names *names, uint64_t revision);
/* From now on the bucket decides. */
void names_join(struct names *names);
/* From now on this node decides. */
void names_part(struct names *names);
/* done: the request was carried out. Else: the key has this revision. */
void names_answered(struct names *names, uint64_t tag, uint64_t revision,
		    bool done);

/* Repeats unanswered requests from before the previous call. */
void names_ask_again(struct names *names);

/* ---- services that come and go ------------------------------------------ */

/* Calls came() again for the entries for which it returned NULL. */
void names_show(struct names *names);
/* Calls gone() and came() for entries with this prefix: another service has
 * them now. */
void names_move(struct names *names, const char *prefix);
/* Ends the claims with this prefix, and calls gone() for other nodes'. */
void names_end(struct names *names, const char *prefix);

/* ---- nodes that are gone ------------------------------------------------ */

/* Removes the names of all other nodes, while this one is alone. */
void names_forget(struct names *names);
/* Erases the entries of all nodes that are not alive. One node calls it. */
void names_clean(struct names *names,
		 bool (*is_alive)(void *arg, uint64_t node), void *arg);
