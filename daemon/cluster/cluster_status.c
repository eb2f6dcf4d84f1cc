/* SPDX-License-Identifier: MIT */
/*
 * Answers services and the operator: which node is primary, whether all nodes
 * hear each other, and the counters. Changes nothing.
 */
#include "config.h"

#include "cluster/cluster_priv.h"

#include <stdint.h>

/* Bits 32 to 51 of a client id are the low bits of the node's number: ids stay
 * below 2^52, because JSON numbers are doubles. */
#define CLIENT_BASE_SHIFT 32
#define CLIENT_BASE_MASK  UINT64_C(0xfffff)

bool cluster_is_primary(const struct cluster *cluster)
{
	return cluster->nodes.is_primary;
}

static bool cluster_hears_all(const struct cluster *cluster)
{
	return cluster->names.mode == NAMES_JOINED &&
	       nodes_are_whole(&cluster->nodes);
}

bool cluster_is_whole(const struct cluster *cluster)
{
	return !cluster->ever_up || cluster_hears_all(cluster);
}

uint64_t cluster_client_base(const struct cluster *cluster)
{
	return (cluster->out.number & CLIENT_BASE_MASK) << CLIENT_BASE_SHIFT;
}

bool cluster_is_open(const struct cluster *cluster)
{
	return cluster != NULL && cluster->settings != NULL;
}

void cluster_describe(const struct cluster *cluster,
		      struct cluster_report *report)
{
	struct cluster_out *out =
		(struct cluster_out *)(uintptr_t)&cluster->out;
	const struct node *node;

	*report = (struct cluster_report){
		.name = cluster->nodes.name,
		.server = cluster->settings->servers[0],
		.trouble = cluster->trouble,
		.up = cluster->names.mode == NAMES_JOINED,
		.is_primary = cluster->nodes.is_primary,
		.is_whole = cluster->names.mode == NAMES_WAITING ||
			    cluster_hears_all(cluster),
		.revision = cluster->names.applied,
		.round_trip_us = cluster->nodes.round_trip_us,
		.names = cluster->names.count,
		.taken = cluster->names.taken,
		.sent = atomic_load(&out->sent),
		.unsent = atomic_load(&out->unsent),
		.too_long = atomic_load(&out->too_long),
		.received = cluster->received,
		.late = cluster->late,
		.waiting = cluster->waiting,
		.backlog = cluster_out_backlog(out),
	};
	list_for_each(node, &cluster->nodes.list, link) {
		report->lost += node->lost;
		report->nodes += !node->gone;
	}
	report->state = report->up                              ? "joined"
			: cluster->nodes.state == NODES_DOWN    ? "cut off"
			: cluster->nodes.state == NODES_PROBING ? "name in use"
								: "joining";
}

void cluster_each_node(const struct cluster *cluster,
		       void (*visit)(const struct cluster_node_report *node,
				     void *arg),
		       void *arg)
{
	uint64_t now_us = cluster_now_us();
	const struct node *node;

	list_for_each(node, &cluster->nodes.list, link) {
		const struct cluster_node_report report = {
			.name = node->name,
			.state = node->gone      ? "gone"
				 : node->foreign ? "other version"
				 : node->missing ? "missing"
						 : "there",
			.is_primary = node->number == cluster->nodes.primary,
			.silent_ms = (now_us - node->heard_us) / 1000,
			.lost = node->lost,
			.waiting = !list_is_empty(&node->waiting),
		};

		visit(&report, arg);
	}
}
