/* SPDX-License-Identifier: MIT */
/*
 * The nodes of the cluster, as one of them knows them: which are there, which
 * is the primary, and whether this one is joined. A node has a lease: an entry
 * in a bucket, under its name, that it stores again at each third of the
 * lease's time. The primary has another one.
 *
 * Calls out by struct nodes_ops only; callers pass the time. Thread: the main
 * one.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"

#define NODE_NAME_MAX 64

/* After this time an unanswered request is repeated. */
#define NODES_ANSWER_US UINT64_C(5000000)

/* Not any node's number. */
#define NODES_NOBODY UINT64_C(1)

/* Another node. */
struct node {
	struct list link;
	uint64_t number; /* random, new at each start of the daemon */
	char name[NODE_NAME_MAX + 1];
	uint64_t heard_us; /* when its lease was last renewed */
	bool stored;       /* its lease is in the bucket */
	/* Its lease has ended. The entry stays, to count the lines that are
	 * lost until it is back. */
	bool gone;
	bool missing; /* two renewals were missed, or it may come back */
	bool foreign; /* it has another version */
	bool unequal; /* it has another `lease` */
	/* The sequence number of its next line (0: not known), and how many of
	 * its lines were lost. */
	uint64_t next_line, lost;
	struct list waiting; /* frames that wait for a revision */
};

enum nodes_state {
	NODES_DOWN,
	NODES_LISTING, /* until the bucket was listed */
	NODES_PROBING, /* another node has this one's name: is it alive? */
	NODES_ASKING,  /* its lease is being stored */
	NODES_JOINED,
};

struct nodes;

struct nodes_ops {
	/* Requests; nodes_answered() follows unless the link goes down. */
	void (*store)(struct nodes *nodes, const char *key, const char *text,
		      uint64_t expected, uint64_t tag);
	void (*erase)(struct nodes *nodes, const char *key, uint64_t expected);
	/* Asks other nodes of the same name to say hello. */
	void (*probe)(struct nodes *nodes);
	/* Says hello: the lease was stored or renewed. */
	void (*hello)(struct nodes *nodes);
	void (*joined)(struct nodes *nodes);
	void (*parted)(struct nodes *nodes);
	/* The entry of a node is freed. */
	void (*gone)(struct nodes *nodes, struct node *node);
	/* is_primary, or a node's `missing`, may have changed. */
	void (*changed)(struct nodes *nodes);
};

struct nodes {
	const struct nodes_ops *ops;
	char name[NODE_NAME_MAX + 1], key[3 * NODE_NAME_MAX + 8];
	uint64_t number, lease_us;
	enum nodes_state state;
	struct list list; /* struct node */
	size_t count;
	atomic_size_t there; /* those that are not gone */

	uint64_t opened_us, asked_us, renewed_us;
	uint64_t own_revision, tags;
	uint64_t own_tag, primary_tag; /* requests under way; 0: none */
	uint64_t twin, twin_heard_us;  /* another node of this name; 0: none */
	bool twin_logged, full_logged, ever_joined;
	/* A node with another `lease` has come. Both connect anew; the one that
	 * differs from the bucket's is refused. */
	bool lease_differs;
	uint64_t round_trip_us; /* of the last renewal */

	uint64_t primary, primary_revision; /* number; 0: none */
	uint64_t primary_heard_us, primary_renewed_us;
	bool is_primary;
};

void nodes_init(struct nodes *nodes, const struct nodes_ops *ops,
		uint64_t number);
/* Begins with a name and a lease, not joined. */
void nodes_open(struct nodes *nodes, const char *name, uint32_t lease_ms,
		uint64_t now_us);
/* Gives its leases back, if it is joined. All nodes are forgotten. */
void nodes_close(struct nodes *nodes);

void nodes_up(struct nodes *nodes);
void nodes_down(struct nodes *nodes);
void nodes_listed(struct nodes *nodes, uint64_t now_us);
void nodes_stored(struct nodes *nodes, const char *key, uint64_t revision,
		  const char *text, uint64_t now_us);
void nodes_erased(struct nodes *nodes, const char *key, uint64_t revision);
void nodes_answered(struct nodes *nodes, uint64_t tag, uint64_t revision,
		    bool done, uint64_t now_us);
/* A frame has come from a node, which may have left since. name: NULL if the
 * frame has none. Returns NULL: the name is this node's own, too many nodes, or
 * no memory. */
struct node *nodes_heard(struct nodes *nodes, uint64_t number, const char *name,
			 uint64_t now_us);
/* To be called thirty times per lease. */
void nodes_tick(struct nodes *nodes, uint64_t now_us);

/* Whether the node with this number may still have names. */
bool nodes_is_alive(const struct nodes *nodes, uint64_t number);
/* Whether this node and all others hear each other, as far as it knows. */
bool nodes_are_whole(const struct nodes *nodes);

/* Copies a name of len bytes. False: it is not a valid name. */
bool nodes_read_name(char name[NODE_NAME_MAX + 1], const char *text,
		     size_t len);
