/* SPDX-License-Identifier: MIT */
/*
 * This daemon as a node of a cluster: with `cluster = true`, services of one
 * name are one service on all nodes. Their bus sends what is published to every
 * other node; registry changes have one order on all.
 *
 * The main thread handles broker, nodes and names; a worker only fills frames
 * and receives messages. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/broker.h"
#include "threads/registry.h"
#include "threads/worker.h"

struct cluster;
struct cluster_service;

struct cluster_events {
	/* `primary` or `whole` may have changed. */
	void (*changed)(struct cluster *cluster, void *arg);
	void *arg;
};

/* For the workers of a daemon, after bus_new(). It does nothing until it is
 * opened. NULL/ENOMEM. */
struct cluster *cluster_new(struct lined_dispatcher *dispatcher,
			    struct worker *workers, size_t count,
			    const struct broker_ops *broker,
			    const struct cluster_events *events);
/* After all workers have stopped. NULL is fine. */
void cluster_free(struct cluster *cluster);

/* Leaves the cluster that it is in, if any, and connects to this one; settings
 * are borrowed until the next call. NULL: only leaves. -1/ENOMEM: it stays
 * alone. */
int cluster_open(struct cluster *cluster,
		 const struct broker_settings *settings, uint32_t lease_ms);

/* A service joins. Its topics get this `scope`, or that of a draining service
 * of the same name. The registry is borrowed until cluster_remove().
 * NULL/ENOMEM. */
struct cluster_service *cluster_add(struct cluster *cluster, const char *name,
				    uint64_t scope, struct registry *registry);
uint64_t cluster_scope(const struct cluster_service *service);
/* The instances of services that were added have started: they, not a draining
 * one of the same name, now get other nodes' names and may be primary. */
void cluster_show(struct cluster *cluster);
/* It has ended: it has no clients any more. NULL is fine. */
void cluster_remove(struct cluster_service *service);

extern const struct registry_backend cluster_registry;

/* Whether this node, and among services of one name this one, does what only
 * one may, such as a relay's upstream. */
bool cluster_is_primary(const struct cluster *cluster);
bool cluster_service_is_primary(const struct cluster_service *service);
/* Whether all nodes hear each other, as far as this one knows. */
bool cluster_is_whole(const struct cluster *cluster);

/* A number that differs on each node and at each start, above those that a
 * daemon gives to its clients. MT-safe. */
uint64_t cluster_client_base(const struct cluster *cluster);

/* ---- what an operator sees ---------------------------------------------- */

struct cluster_report {
	const char *name, *server, *state, *trouble;
	bool up, is_primary, is_whole;
	uint64_t revision, round_trip_us, names, settled;
	uint64_t sent, unsent, too_long, received, lost, late, waiting;
	size_t backlog, nodes;
};

struct cluster_node_report {
	const char *name, *state;
	bool is_primary;
	uint64_t silent_ms, lost;
	size_t waiting;
};

bool cluster_is_open(const struct cluster *cluster);
void cluster_describe(const struct cluster *cluster,
		      struct cluster_report *report);
/* Calls visit for each other node. */
void cluster_each_node(const struct cluster *cluster,
		       void (*visit)(const struct cluster_node_report *node,
				     void *arg),
		       void *arg);
