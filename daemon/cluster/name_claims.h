/* SPDX-License-Identifier: MIT */
/*
 * The names of all nodes, and which claim has which name. While this node is
 * joined, a bucket of the broker orders the changes of all nodes: a claim is
 * stored as an entry if its key has no entry, and the bucket's events decide.
 * While this node is alone, it decides by itself; when it joins again, the
 * earlier of two claims keeps the name.
 *
 * Requests and results go out through struct names_ops: this file uses no
 * broker, thread or clock. Thread: the main thread.
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

/* A claim belongs to the caller. The claim is in the table from names_claim()
 * until refused(), released() or lost(). These three must not call functions of
 * this file. */
struct names_ops {
	/* Requests; names_answered() follows unless the link goes down. */
	void (*store)(struct names *names, const char *key,
		      const struct names_value *value, uint64_t expected,
		      uint64_t tag);
	void (*erase)(struct names *names, const char *key, uint64_t expected,
		      uint64_t tag);
	/* The claim now has the name (won), or will never have it (refused). */
	void (*won)(struct names *names, void *claim);
	void (*refused)(struct names *names, void *claim);
	/* A claim that had won has lost its name: the client released it
	 * (released), or another node's claim is older (lost). */
	void (*released)(struct names *names, void *claim);
	void (*lost)(struct names *names, void *claim);
	/* Another node's claim has the name. Returns a handle for gone(). NULL:
	 * no memory, or the key belongs to no service here. */
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
	uint64_t applied;     /* the last revision received from the bucket */
	uint64_t tags, asked; /* asked: `tags` at the last names_ask_again() */
	void *tree;           /* struct name, sorted by key */
	struct list all;
	size_t count; /* number of names in `all` */
	/* pending: names with a request under way. awaiting: names whose answer
	 * has a later revision than the bucket's last event. Oldest first. */
	struct list pending, awaiting;
	size_t taken; /* claims that lost their name to another node */
};

void names_init(struct names *names, const struct names_ops *ops,
		uint64_t node);
/* Frees the table; all claims must have ended. */
void names_fini(struct names *names);

/* Claims the key for this node (value->node is ignored). -1: no memory, and
 * none of the ops is called for this claim. */
int names_claim(struct names *names, const char *key,
		const struct names_value *value, void *claim);
/* Ends the claim: refused() or released() is called, now or after the broker's
 * answer. */
void names_release(struct names *names, const char *key, void *claim);

/* ---- the broker's events ------------------------------------------------ */

/* Forgets the bucket's entries: the bucket will list them all again. */
void names_begin(struct names *names);
void names_stored(struct names *names, const char *key, uint64_t revision,
		  const struct names_value *value);
void names_erased(struct names *names, const char *key, uint64_t revision);
/* The bucket has listed all entries up to this revision. */
void names_listed(struct names *names, uint64_t revision);
/* The bucket decides from now on. */
void names_join(struct names *names);
/* This node decides from now on. */
void names_part(struct names *names);
/* done: the request was carried out. Otherwise the request was refused, because
 * the key has this revision. */
void names_answered(struct names *names, uint64_t tag, uint64_t revision,
		    bool done);

/* Repeats the requests that were made before the previous call and are still
 * unanswered. */
void names_ask_again(struct names *names);

/* ---- services that come and go ------------------------------------------ */

/* A newer service takes over the entries with this prefix: calls came() for
 * each entry of another node, after gone() if an earlier came() has returned a
 * handle. */
void names_move(struct names *names, const char *prefix);
/* Ends this node's claims with this prefix, and calls gone() for claims of
 * other nodes. */
void names_end(struct names *names, const char *prefix);

/* ---- nodes that are gone ------------------------------------------------ */

/* Removes the names of all other nodes. Does nothing unless this node is alone.
 */
void names_forget(struct names *names);
/* Erases the entries of all nodes that are not alive. Only one node of the
 * cluster calls this. */
void names_clean(struct names *names,
		 bool (*is_alive)(void *arg, uint64_t node), void *arg);
