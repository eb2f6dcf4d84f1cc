/* SPDX-License-Identifier: MIT */
/*
 * One node of a cluster, with a service "a" on one worker, over a broker that
 * the test plays: for the suites of the cluster. Code of the node runs only in
 * stage_turn(), which the functions below call after they have sent something.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/bus.h>

#include "cluster/cluster_priv.h"
#include "threads/bus.h"
#include "worker_fixture.h"

/* Identifies the buckets: buckets that are made again have another number. */
#define STAGE_BUCKET UINT64_C(77)

/* More frames than may be under way. */
#define STAGE_KEPT 1200

/* The broker: the requests that it got from the node, and how it behaves. */
struct stage_broker {
	void (*event)(void *arg, struct broker_event *event);
	void *arg;
	bool refuses; /* refuses to open */
	size_t opens;
	bool drops;
	struct broker_request *last;
	size_t requests, frames, longest, backlog, frame_max;
	uint64_t connection;
	uint64_t unwritten; /* how many lines it reports as unwritten when it is
			     * closed */
};
extern struct stage_broker stage_broker;

extern const struct broker_settings stage_settings;

struct stage {
	struct hall hall;
	struct cluster *cluster;
	struct registry *registry;
	struct cluster_service *service;
	struct bus_member member;
	struct lined_subscription *subscription;
	char heard[256]; /* messages on the topic "t" of the service "a" */
	struct lined_buffer *kept[STAGE_KEPT];
	size_t kept_count;
	bool keeps;
	uint64_t seen; /* the revision when a name changed */
	struct cluster_events events;
	bool whole; /* whether the cluster was whole, by its last event */
};

/* stage_open() makes a node that has not joined; stage_close() ends it. */
void stage_open(struct stage *stage);
void stage_close(struct stage *stage);

/* The same for a node that has joined, with a lease of a minute. */
void stage_begin(struct stage *stage);

/* Runs a turn of the node. */
void stage_turn(struct stage *stage);

/* The broker reports an event; key and text may be NULL. */
void stage_tell(struct stage *stage, enum broker_event_kind kind,
		enum broker_bucket bucket, uint64_t revision, const char *key,
		const char *text);

/* The broker answers the request with this tag. */
void stage_answer(struct stage *stage, enum broker_event_kind kind,
		  uint64_t tag, uint64_t revision);

/* The link comes up, and the node joins. The list of names ends with this
 * revision. */
void stage_join(struct stage *stage, uint64_t revision);

/* Another node joins: node-b. */
void stage_meet(struct stage *stage);

struct cluster_report stage_report(const struct stage *stage);

/* The handler of a further member of the bus: does nothing. */
void stage_on_hold(struct bus_member *member, bool on);
