/* SPDX-License-Identifier: MIT */
/*
 * Stores this node's leases, follows the leases of other nodes, and decides
 * which nodes are there and which is primary. The bucket reports a renewed
 * lease but not an expired one, so each node measures the time itself.
 */
#include "config.h"

#include "cluster/nodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/broker_escape.h"
#include "log/log.h"

/* The version of frames and entries. */
#define NODES_VERSION 1
#define PRIMARY_KEY   "primary"
#define NODE_PREFIX   "n."

/* With this many nodes, frames of unknown nodes are dropped. */
#define NODES_HEARD_MAX 1024

/* Tags of requests about nodes are above this number; tags of requests about
 * names count from 1. */
#define NODES_TAGS (UINT64_C(1) << 62)

/* ---- requests ----------------------------------------------------------- */

static void nodes_set_state(struct nodes *nodes, enum nodes_state state)
{
	bool before = nodes->state == NODES_JOINED;
	bool after = state == NODES_JOINED;

	nodes->state = state;
	nodes->ever_joined |= after;
	if (!before && after)
		nodes->ops->joined(nodes);
	else if (before && !after)
		nodes->ops->parted(nodes);
}

static void nodes_store(struct nodes *nodes, struct nodes_lease *lease,
			const char *key, const char *text, uint64_t now_us)
{
	lease->tag = NODES_TAGS + ++nodes->tags;
	lease->renewed_us = now_us;
	nodes->ops->store(nodes, key, text, lease->revision, lease->tag);
}

static void nodes_store_own(struct nodes *nodes, uint64_t now_us)
{
	char text[128];

	snprintf(text, sizeof(text), "%d %" PRIx64 " %s %" PRIu64,
		 NODES_VERSION, nodes->number, PACKAGE_VERSION,
		 nodes->lease_us / 1000);
	nodes_store(nodes, &nodes->own, nodes->key, text, now_us);
}

static void nodes_store_primary(struct nodes *nodes, uint64_t now_us)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIx64, nodes->number);
	nodes_store(nodes, &nodes->primary_lease, PRIMARY_KEY, text, now_us);
}

static void nodes_probe(struct nodes *nodes, uint64_t now_us)
{
	nodes->probed_us = now_us;
	nodes->twin_heard_us = 0;
	nodes_set_state(nodes, NODES_PROBING);
	nodes->ops->probe(nodes);
}

static void nodes_give_up_primary(struct nodes *nodes)
{
	if (nodes->state == NODES_JOINED && nodes->primary == nodes->number)
		nodes->ops->erase(nodes, PRIMARY_KEY,
				  nodes->primary_lease.revision);
}

static void nodes_set_primary(struct nodes *nodes, uint64_t number,
			      uint64_t revision, uint64_t now_us)
{
	bool before = nodes->is_primary;

	nodes->primary = number;
	nodes->primary_lease.revision = revision;
	nodes->primary_heard_us = now_us;
	nodes->is_primary = number == nodes->number;
	if (before != nodes->is_primary) {
		log_notice("cluster: this node is %s the primary",
			   nodes->is_primary ? "now" : "no longer");
		nodes->ops->changed(nodes);
	}
	if (nodes->retires)
		nodes_give_up_primary(nodes);
}

/* ---- the broker's events ------------------------------------------------ */

void nodes_up(struct nodes *nodes)
{
	struct node *node;

	list_for_each(node, &nodes->list, link)
		node->stored = false;
	nodes->own.revision = nodes->primary_lease.revision = 0;
	nodes->own.tag = nodes->primary_lease.tag = 0;
	nodes->primary = nodes->twin = 0;
	nodes_set_state(nodes, NODES_LISTING);
}

void nodes_down(struct nodes *nodes)
{
	nodes->own.tag = nodes->primary_lease.tag = 0;
	nodes_set_state(nodes, NODES_DOWN);
}

void nodes_listed(struct nodes *nodes, uint64_t now_us)
{
	struct node *node;

	if (nodes->state != NODES_LISTING)
		return;
	list_for_each(node, &nodes->list, link)
		if (!node->stored)
			nodes_await(nodes, node, now_us);
	/* This node is not primary any more if another node is. Without a
	 * primary in the bucket, this node stays primary and stores the
	 * primary's lease again. */
	if (nodes->is_primary && nodes->primary != 0 &&
	    nodes->primary != nodes->number)
		nodes_set_primary(nodes, nodes->primary,
				  nodes->primary_lease.revision, now_us);
	if (nodes->twin != 0) {
		nodes_probe(nodes, now_us);
		return;
	}
	nodes_set_state(nodes, NODES_ASKING);
	nodes_store_own(nodes, now_us);
}

static void nodes_stored_own(struct nodes *nodes, uint64_t number,
			     uint64_t revision, uint64_t now_us)
{
	nodes->own.revision = revision;
	if (number == nodes->number)
		return;
	nodes->twin = number;
	if (nodes->state == NODES_JOINED || nodes->state == NODES_ASKING)
		nodes_probe(nodes, now_us);
}

/* Notes whether the node has another `lease`: two nodes that start at the same
 * time may both have set their own in a new bucket. */
static void nodes_compare_lease(struct nodes *nodes, struct node *node,
				uint64_t lease_ms)
{
	bool unequal = lease_ms != 0 && lease_ms != nodes->lease_us / 1000;

	if (unequal && !node->unequal)
		log_err("cluster: lease must be the same on every node: node "
			"%s has %" PRIu64 " ms, this one has %" PRIu64 " ms",
			node->name, lease_ms, nodes->lease_us / 1000);
	node->unequal = unequal;
	nodes->lease_differs |= unequal;
}

static void nodes_stored_other(struct nodes *nodes, const char *key,
			       uint64_t number, int version, uint64_t lease_ms,
			       uint64_t now_us)
{
	struct node *node = nodes_find(nodes, number);
	struct node *other, *next;
	char text[3 * NODE_NAME_MAX + 2], name[NODE_NAME_MAX + 1];

	if (strlen(key) >= sizeof(text) - 1 ||
	    broker_unescape(text, key, strlen(key)) == NULL ||
	    !nodes_read_name(name, text, strlen(text)) ||
	    number == nodes->number)
		return;
	if (node == NULL)
		node = nodes_add(nodes, number, now_us);
	if (node == NULL)
		return;
	if (!node->stored)
		log_notice("cluster: node %s is there", name);
	/* If another struct node has this name, the node was restarted: remove
	 * the old struct. */
	list_for_each_safe(other, next, &nodes->list, link) {
		if (other == node || strcmp(other->name, name) != 0)
			continue;
		node->lost += other->lost;
		nodes_remove(nodes, other);
	}
	strcpy(node->name, name);
	node->stored = true;
	node->heard_us = now_us;
	nodes->there += node->gone;
	node->gone = false;
	if (version != NODES_VERSION && !node->foreign)
		log_err("cluster: node %s has version %d of the frames, this "
			"one has %d: neither hears the other",
			name, version, NODES_VERSION);
	node->foreign = version != NODES_VERSION;
	nodes_compare_lease(nodes, node, lease_ms);
	nodes_set_missing(nodes, node, false);
}

void nodes_stored(struct nodes *nodes, const char *key, uint64_t revision,
		  const char *text, uint64_t now_us)
{
	uint64_t number = 0, lease_ms = 0;
	int version;

	if (strcmp(key, PRIMARY_KEY) == 0) {
		number = strtoull(text, NULL, 16);
		/* During the listing, only remember the primary: nodes_listed()
		 * decides. */
		if (nodes->state == NODES_LISTING) {
			nodes->primary = number;
			nodes->primary_lease.revision = revision;
			nodes->primary_heard_us = now_us;
		} else {
			nodes_set_primary(nodes, number, revision, now_us);
		}
		return;
	}
	if (sscanf(text, "%d %" SCNx64 " %*s %" SCNu64, &version, &number,
		   &lease_ms) < 2)
		return;
	if (strcmp(key, nodes->key) == 0)
		nodes_stored_own(nodes, number, revision, now_us);
	else if (strncmp(key, NODE_PREFIX, strlen(NODE_PREFIX)) == 0)
		nodes_stored_other(nodes, key + strlen(NODE_PREFIX), number,
				   version, lease_ms, now_us);
}

void nodes_erased(struct nodes *nodes, const char *key, uint64_t revision)
{
	struct node *node, *next;
	char escaped[sizeof(nodes->key)];

	if (strcmp(key, PRIMARY_KEY) == 0) {
		nodes->primary = 0;
		nodes->primary_lease.revision = revision;
		return;
	}
	if (strcmp(key, nodes->key) == 0) {
		nodes->own.revision = revision;
		nodes->twin = 0;
		return;
	}
	list_for_each_safe(node, next, &nodes->list, link) {
		strcpy(escaped, NODE_PREFIX);
		broker_escape(escaped + strlen(NODE_PREFIX), node->name);
		if (strcmp(escaped, key) != 0)
			continue;
		if (!node->gone)
			log_notice("cluster: node %s has left", node->name);
		nodes_lose(nodes, node);
	}
}

static void nodes_own_answered(struct nodes *nodes, uint64_t revision,
			       bool done, uint64_t now_us)
{
	/* This node already knew that the key has no entry: do not retry at
	 * once. */
	if (!done && revision == 0 && nodes->own.revision == 0)
		return;
	nodes->own.tag = 0;
	if (!done) {
		/* Revision 0: the key has no entry, because this node's lease
		 * has ended. Otherwise another node has the name; the bucket's
		 * event will say which. */
		nodes->own.revision = revision;
		if (revision == 0) {
			nodes_set_state(nodes, NODES_ASKING);
			nodes_store_own(nodes, now_us);
		} else {
			nodes_probe(nodes, now_us);
		}
		return;
	}
	if (revision > nodes->own.revision)
		nodes->own.revision = revision;
	nodes->round_trip_us = now_us - nodes->own.renewed_us;
	nodes->twin = 0;
	nodes->twin_logged = false;
	nodes_set_state(nodes, NODES_JOINED);
	nodes->ops->hello(nodes);
}

void nodes_answered(struct nodes *nodes, uint64_t tag, uint64_t revision,
		    bool done, uint64_t now_us)
{
	if (tag == 0)
		return;
	if (tag == nodes->own.tag) {
		nodes_own_answered(nodes, revision, done, now_us);
	} else if (tag == nodes->primary_lease.tag) {
		nodes->primary_lease.tag = 0;
		if (done)
			nodes_set_primary(nodes, nodes->number, revision,
					  now_us);
		else if (revision == 0)
			nodes->primary_lease.revision = 0, nodes->primary = 0;
		else if (nodes->primary_lease.revision < revision)
			nodes->primary_lease.revision = revision;
	}
}

struct node *nodes_heard(struct nodes *nodes, uint64_t number, const char *name,
			 uint64_t now_us)
{
	struct node *node = nodes_find(nodes, number);

	if (name != NULL && strcmp(name, nodes->name) == 0) {
		nodes->twin_heard_us = now_us;
		return NULL;
	}
	if (node == NULL && nodes->count >= NODES_HEARD_MAX) {
		if (!nodes->full_logged)
			log_err("cluster: %zu nodes: lines of others that have "
				"no lease are dropped",
				nodes->count);
		nodes->full_logged = true;
		return NULL;
	}
	if (node == NULL)
		node = nodes_add(nodes, number, now_us);
	if (node != NULL && name != NULL)
		snprintf(node->name, sizeof(node->name), "%s", name);
	return node;
}

/* ---- time --------------------------------------------------------------- */

static void nodes_tick_probe(struct nodes *nodes, uint64_t now_us)
{
	/* A probe takes one second, or a third of the lease time if that is
	 * shorter. */
	uint64_t third_us = nodes->lease_us / 3;
	uint64_t probe_us = third_us < 1000000 ? third_us : 1000000;

	if (nodes->twin_heard_us != 0) {
		if (!nodes->twin_logged)
			log_err("cluster: another node has the name %s, too: "
				"this one stays cut off until it has another "
				"name or that one is gone",
				nodes->name);
		nodes->twin_logged = true;
		if (now_us > nodes->probed_us + third_us)
			nodes_probe(nodes, now_us);
	} else if (now_us > nodes->probed_us + probe_us) {
		nodes_set_state(nodes, NODES_ASKING);
		nodes_store_own(nodes, now_us);
	}
}

/* Whether to store the lease again. A request without an answer is repeated
 * after NODES_ANSWER_US. A dead link is noticed before that, by pings. */
static bool nodes_is_due(const struct nodes *nodes,
			 const struct nodes_lease *lease, uint64_t now_us)
{
	return now_us > lease->renewed_us + (lease->tag != 0
						     ? NODES_ANSWER_US
						     : nodes->lease_us / 3);
}

static void nodes_tick_own(struct nodes *nodes, uint64_t now_us)
{
	if (nodes_is_due(nodes, &nodes->own, now_us))
		nodes_store_own(nodes, now_us);
}

static void nodes_tick_primary(struct nodes *nodes, uint64_t now_us)
{
	uint64_t silent_us = now_us - nodes->primary_heard_us;
	bool dead = !nodes_is_alive(nodes, nodes->primary) &&
		    silent_us > nodes->lease_us / 6;

	if (nodes->retires)
		return;
	if (nodes->primary_lease.tag != 0 || nodes->primary == nodes->number
		    ? nodes_is_due(nodes, &nodes->primary_lease, now_us)
		    : nodes->primary == 0 || dead ||
			      silent_us > nodes->lease_us)
		nodes_store_primary(nodes, now_us);
}

static void nodes_tick_others(struct nodes *nodes, uint64_t now_us)
{
	struct node *node, *next;

	list_for_each_safe(node, next, &nodes->list, link) {
		uint64_t silent_us = now_us - node->heard_us;

		if (node->gone && !node->missing)
			continue;
		if (silent_us > nodes->lease_us) {
			log_warning("cluster: node %s is gone: no sign of life "
				    "for %" PRIu64 " s",
				    node->name, silent_us / 1000000);
			nodes_lose(nodes, node);
			nodes->ops->changed(nodes);
		} else if (!node->missing && node->stored &&
			   silent_us > nodes->lease_us / 3 * 2 +
					       nodes->lease_us / 30) {
			nodes_set_missing(nodes, node, true);
		}
	}
}

void nodes_tick(struct nodes *nodes, uint64_t now_us)
{
	switch (nodes->state) {
	case NODES_PROBING:
		nodes_tick_probe(nodes, now_us);
		break;
	case NODES_ASKING:
		nodes_tick_own(nodes, now_us);
		break;
	case NODES_JOINED:
		nodes_tick_own(nodes, now_us);
		nodes_tick_primary(nodes, now_us);
		nodes_tick_others(nodes, now_us);
		break;
	default:
		break;
	}
	/* A node that has never joined makes itself primary, to serve its own
	 * clients. */
	if (!nodes->ever_joined && !nodes->is_primary &&
	    nodes->state == NODES_DOWN &&
	    now_us > nodes->opened_us + nodes->lease_us / 3)
		nodes_set_primary(nodes, nodes->number, 0, now_us);
}

/* ---- life --------------------------------------------------------------- */

void nodes_init(struct nodes *nodes, const struct nodes_ops *ops,
		uint64_t number)
{
	memset(nodes, 0, sizeof(*nodes));
	nodes->ops = ops;
	nodes->number = number;
	list_init(&nodes->list);
}

void nodes_open(struct nodes *nodes, const char *name, uint32_t lease_ms,
		uint64_t now_us)
{
	snprintf(nodes->name, sizeof(nodes->name), "%s", name);
	strcpy(nodes->key, NODE_PREFIX);
	broker_escape(nodes->key + strlen(NODE_PREFIX), name);
	nodes->lease_us = (uint64_t)lease_ms * 1000;
	nodes->opened_us = now_us;
	nodes->ever_joined = nodes->lease_differs = nodes->retires = false;
}

void nodes_retire(struct nodes *nodes)
{
	if (nodes->there == 0)
		return;
	nodes->retires = true;
	nodes_give_up_primary(nodes);
}

void nodes_close(struct nodes *nodes)
{
	struct node *node, *next;

	nodes_give_up_primary(nodes);
	if (nodes->state == NODES_JOINED)
		nodes->ops->erase(nodes, nodes->key, nodes->own.revision);
	nodes->is_primary = false;
	nodes->primary = 0;
	nodes_down(nodes);
	list_for_each_safe(node, next, &nodes->list, link)
		nodes_remove(nodes, node);
}
