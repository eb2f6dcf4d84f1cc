/* SPDX-License-Identifier: MIT */
/*
 * The nodes of the cluster as this node knows them: which are there, which is
 * the primary, and whether this node is joined. A node's lease is an entry in a
 * bucket under the node's name; the node stores the entry again after each
 * third of the lease time. The primary has a second lease.
 *
 * Requests and results go out through struct nodes_ops; callers pass the time.
 * Thread: the main thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"

#define NODE_NAME_MAX 64

/* An unanswered request is repeated after this time. */
#define NODES_ANSWER_US UINT64_C(5000000)

/* A number that no node has. */
#define NODES_NOBODY UINT64_C(1)

struct node {
	struct list link;
	uint64_t number; /* random, new at each start of the daemon */
	char name[NODE_NAME_MAX + 1];
	uint64_t heard_us; /* when the node's lease was last renewed */
	bool stored;       /* the node's lease is in the bucket */
	/* The node's lease has ended. This struct stays, to count the lines
	 * that are lost until the node is back. */
	bool gone;
	/* The node has missed two renewals. Or the bucket's listing did not
	 * have the node's lease: then the node has one lease time to come back.
	 */
	bool missing;
	bool foreign; /* the node has another version */
	bool unequal; /* the node has another `lease` */
	/* next_line: the sequence number of the node's next line (0: unknown).
	 * lost: how many of the node's lines were lost. */
	uint64_t next_line, lost;
	struct list waiting; /* frames that wait for a revision */
};

enum nodes_state {
	NODES_DOWN,
	NODES_LISTING, /* the bucket is being listed */
	NODES_PROBING, /* asking whether another node of this name is alive */
	NODES_ASKING,  /* this node's lease is being stored */
	NODES_JOINED,
};

struct nodes;

struct nodes_ops {
	/* Requests; nodes_answered() follows a store() unless the link goes
	 * down. */
	void (*store)(struct nodes *nodes, const char *key, const char *text,
		      uint64_t expected, uint64_t tag);
	void (*erase)(struct nodes *nodes, const char *key, uint64_t expected);
	/* Asks other nodes of the same name for a hello. */
	void (*probe)(struct nodes *nodes);
	/* This node's lease was stored or renewed: sends a hello. */
	void (*hello)(struct nodes *nodes);
	void (*joined)(struct nodes *nodes);
	void (*parted)(struct nodes *nodes);
	/* A struct node is about to be freed. */
	void (*gone)(struct nodes *nodes, struct node *node);
	/* is_primary or a node's `missing` may have changed. */
	void (*changed)(struct nodes *nodes);
};

/* A lease that this node renews. */
struct nodes_lease {
	uint64_t revision;   /* the last revision of the lease's key; 0: none */
	uint64_t tag;        /* the request under way; 0: none */
	uint64_t renewed_us; /* when the lease was last stored */
};

struct nodes {
	const struct nodes_ops *ops;
	char name[NODE_NAME_MAX + 1], key[3 * NODE_NAME_MAX + 8];
	uint64_t number, lease_us;
	enum nodes_state state;
	struct list list; /* struct node */
	size_t count;
	atomic_size_t there; /* nodes that are not gone */

	uint64_t opened_us, probed_us, tags;
	struct nodes_lease own, primary_lease;
	uint64_t twin, twin_heard_us; /* node of the same name; 0: none */
	bool twin_logged, full_logged, ever_joined;
	/* A node with another `lease` has joined. Both nodes connect anew; the
	 * node whose lease differs from the bucket's is refused. */
	bool lease_differs;
	uint64_t round_trip_us; /* how long the last renewal took */

	uint64_t primary; /* number; 0: none */
	uint64_t primary_heard_us;
	bool is_primary;
	bool retires; /* another node should become primary */
};

void nodes_init(struct nodes *nodes, const struct nodes_ops *ops,
		uint64_t number);
/* Sets name and lease; the node is not joined yet. */
void nodes_open(struct nodes *nodes, const char *name, uint32_t lease_ms,
		uint64_t now_us);
/* Erases this node's leases if the node is joined, and forgets all nodes. */
void nodes_close(struct nodes *nodes);
/* Does nothing if there is no other node. Otherwise erases the primary's lease
 * if this node has it, and does not store it again. A primary node stays
 * primary until another node has stored the lease. */
void nodes_retire(struct nodes *nodes);

void nodes_up(struct nodes *nodes);
void nodes_down(struct nodes *nodes);
void nodes_listed(struct nodes *nodes, uint64_t now_us);
void nodes_stored(struct nodes *nodes, const char *key, uint64_t revision,
		  const char *text, uint64_t now_us);
void nodes_erased(struct nodes *nodes, const char *key, uint64_t revision);
void nodes_answered(struct nodes *nodes, uint64_t tag, uint64_t revision,
		    bool done, uint64_t now_us);
/* Call this when a frame has come from a node, which may have left meanwhile.
 * name: NULL if the frame has none. Returns the node, and adds it if it is
 * unknown. NULL: the name is this node's own, or the unknown node cannot be
 * added (too many nodes, or no memory). */
struct node *nodes_heard(struct nodes *nodes, uint64_t number, const char *name,
			 uint64_t now_us);
/* Call this thirty times in each lease time. */
void nodes_tick(struct nodes *nodes, uint64_t now_us);

/* Whether the node with this number may still have names. */
bool nodes_is_alive(const struct nodes *nodes, uint64_t number);
/* Whether this node and all others hear each other, as far as this node knows.
 */
bool nodes_are_whole(const struct nodes *nodes);

/* Copies a name of len bytes. False: the name is not valid. */
bool nodes_read_name(char name[NODE_NAME_MAX + 1], const char *text,
		     size_t len);

/* ---- node_list.c, for nodes.c ------------------------------------------- */

/* NULL: not in the list. */
struct node *nodes_find(const struct nodes *nodes, uint64_t number);
/* NULL: no memory. */
struct node *nodes_add(struct nodes *nodes, uint64_t number, uint64_t now_us);
void nodes_set_missing(struct nodes *nodes, struct node *node, bool missing);
void nodes_remove(struct nodes *nodes, struct node *node);
/* Marks the node as gone. If too many nodes are gone, frees the first of these.
 */
void nodes_lose(struct nodes *nodes, struct node *node);
/* Call this if the node's lease left the bucket while this node was cut off, or
 * if the bucket itself is new. Until the node stores its lease again, the node
 * counts as gone. For one lease time at most, it also counts as missing. */
void nodes_await(struct nodes *nodes, struct node *node, uint64_t now_us);
