/* SPDX-License-Identifier: MIT */
/*
 * This daemon as a node of a cluster. Services with `cluster = true` and the
 * same name act as one service on all nodes: lines published on the bus are
 * sent to every other node, and all nodes see registry changes in the same
 * order.
 *
 * The main thread handles broker, nodes and names; a worker only fills frames
 * and receives messages. Call these functions on the main thread, except those
 * marked MT-safe.
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
	/* The results of cluster_is_primary(), cluster_service_is_primary() or
	 * cluster_is_whole() may have changed. */
	void (*changed)(struct cluster *cluster, void *arg);
	void *arg;
};

/* Makes a cluster for the workers of a daemon. Call this after bus_new(). The
 * cluster does nothing until cluster_open(). NULL/ENOMEM. */
struct cluster *cluster_new(struct lined_dispatcher *dispatcher,
			    struct worker *workers, size_t count,
			    const struct broker_ops *broker,
			    const struct cluster_events *events);
/* Call this when all workers have stopped. NULL is fine. */
void cluster_free(struct cluster *cluster);

/* Leaves the current cluster, if any, and joins the cluster in the settings,
 * which are borrowed until the next call. NULL: only leaves. -1/ENOMEM: the
 * node stays alone. */
int cluster_open(struct cluster *cluster,
		 const struct broker_settings *settings, uint32_t lease_ms);

/* Call this when the daemon stops or will leave the cluster: another node, if
 * there is one, becomes primary. */
void cluster_retire(struct cluster *cluster);

/* Adds a service to the cluster. The service's topics get this `scope`, or the
 * scope of a draining service of the same name. The registry is borrowed until
 * cluster_remove(). NULL/ENOMEM. */
struct cluster_service *cluster_add(struct cluster *cluster, const char *name,
				    uint64_t scope, struct registry *registry);
uint64_t cluster_scope(const struct cluster_service *service);
/* Call this when the service's instances have started and the reload that added
 * the service cannot fail any more. From now on this service gets the names and
 * lines of other nodes and may be primary, in place of a draining service of
 * the same name. */
void cluster_show(struct cluster_service *service);
/* Tells services whether they are primary. Call this after the cluster_show()
 * of all services of a reload. */
void cluster_tell_shown(struct cluster *cluster);
/* Call this when the service has ended and has no clients. NULL is fine. */
void cluster_remove(struct cluster_service *service);

extern const struct registry_backend cluster_registry;

/* Whether this node is the primary: only the primary does what a cluster needs
 * only once, such as a relay's upstream. For cluster_service_is_primary(), the
 * service must also be the newest of its name on this node. */
bool cluster_is_primary(const struct cluster *cluster);
bool cluster_service_is_primary(const struct cluster_service *service);
/* Whether all nodes hear each other, as far as this node knows; true until this
 * node has joined for the first time. */
bool cluster_is_whole(const struct cluster *cluster);

/* Client ids of this node begin above this number: 20 random bits, shifted left
 * by 32. Two nodes, or two starts of a node, almost certainly have different
 * numbers. The ids of a daemon without a cluster are below them. MT-safe. */
uint64_t cluster_client_base(const struct cluster *cluster);

/* ---- what an operator sees ---------------------------------------------- */

struct cluster_report {
	const char *name, *server, *state, *trouble;
	bool up, is_primary;
	/* As cluster_is_whole(), but also false if this node could not join at
	 * the start: the operator should know that nothing is shared. */
	bool is_whole;
	uint64_t revision, round_trip_us, names, taken;
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
/* Calls visit for every node except this one. */
void cluster_each_node(const struct cluster *cluster,
		       void (*visit)(const struct cluster_node_report *node,
				     void *arg),
		       void *arg);
