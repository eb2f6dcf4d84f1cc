/* SPDX-License-Identifier: MIT */
/*
 * Does what nodes.c asks of the cluster: sends requests to the broker, joins
 * the cluster, or lets this node work alone.
 */
#include "config.h"

#include "cluster/cluster_priv.h"

#include "log/log.h"

static struct cluster *cluster_of_nodes(struct nodes *nodes)
{
	return lined_container_of(nodes, struct cluster, nodes);
}

static void cluster_nodes_store(struct nodes *nodes, const char *key,
				const char *text, uint64_t expected,
				uint64_t tag)
{
	cluster_out_request(&cluster_of_nodes(nodes)->out, BROKER_STORE,
			    BROKER_NODES, key, text, strlen(text), expected,
			    tag);
}

static void cluster_nodes_erase(struct nodes *nodes, const char *key,
				uint64_t expected)
{
	cluster_out_request(&cluster_of_nodes(nodes)->out, BROKER_ERASE,
			    BROKER_NODES, key, NULL, 0, expected, 0);
}

static void cluster_nodes_probe(struct nodes *nodes)
{
	cluster_out_send_name(&cluster_of_nodes(nodes)->out, FRAME_PROBE,
			      nodes->name);
}

static void cluster_nodes_hello(struct nodes *nodes)
{
	cluster_out_send_name(&cluster_of_nodes(nodes)->out, FRAME_HELLO,
			      nodes->name);
}

void cluster_try_join(struct cluster *cluster)
{
	if (cluster->nodes.state != NODES_JOINED || !cluster->names_listed ||
	    cluster->names.mode == NAMES_JOINED)
		return;
	log_notice("cluster: joined as node %s", cluster->nodes.name);
	cluster->trouble[0] = '\0';
	cluster->down_us = 0;
	cluster->ever_up = true;
	atomic_store(&cluster->out.up, true);
	names_join(&cluster->names);
	cluster_changed(cluster);
}

void cluster_be_alone(struct cluster *cluster, uint64_t now_us)
{
	if (cluster->names.mode == NAMES_ALONE)
		return;
	atomic_store(&cluster->out.up, false);
	names_part(&cluster->names);
	cluster->down_us = now_us;
	cluster->forgot = false;
	cluster_changed(cluster);
}

static void cluster_nodes_joined(struct nodes *nodes)
{
	cluster_try_join(cluster_of_nodes(nodes));
}

static void cluster_nodes_parted(struct nodes *nodes)
{
	cluster_be_alone(cluster_of_nodes(nodes), cluster_now_us());
}

static void cluster_nodes_gone(struct nodes *nodes, struct node *node)
{
	cluster_frames_leave(cluster_of_nodes(nodes), node);
}

static void cluster_nodes_changed(struct nodes *nodes)
{
	cluster_changed(cluster_of_nodes(nodes));
}

const struct nodes_ops cluster_nodes_ops = {
	.store = cluster_nodes_store,
	.erase = cluster_nodes_erase,
	.probe = cluster_nodes_probe,
	.hello = cluster_nodes_hello,
	.joined = cluster_nodes_joined,
	.parted = cluster_nodes_parted,
	.gone = cluster_nodes_gone,
	.changed = cluster_nodes_changed,
};
