/* SPDX-License-Identifier: MIT */
/*
 * Builds the records of this node and of the other nodes of the cluster from
 * what the main thread knows. Does not ask the broker.
 */
#include "config.h"

#include "cluster/cluster.h"

#include "control/verbs.h"
#include "serve/server.h"

static void cluster_add_node(const struct cluster_node_report *node, void *arg)
{
	struct response *response = arg;

	response_record(response, "node");
	response_text(response, "name", node->name);
	response_text(response, "state", node->state);
	response_flag(response, "primary", node->is_primary);
	response_number(response, "silent_ms", node->silent_ms);
	response_number(response, "lost", node->lost);
	response_number(response, "waiting", node->waiting);
}

void cluster_add_records(struct control *control, struct response *response)
{
	const struct cluster *cluster = control->server->env.cluster;
	struct cluster_report report;

	if (!cluster_is_open(cluster))
		return;
	cluster_describe(cluster, &report);
	response_record(response, "cluster");
	response_text(response, "name", report.name);
	response_text(response, "server", report.server);
	response_text(response, "state", report.state);
	response_text(response, "error", report.trouble);
	response_flag(response, "up", report.up);
	response_flag(response, "primary", report.is_primary);
	response_flag(response, "whole", report.is_whole);
	response_number(response, "nodes", report.nodes + 1);
	response_number(response, "round_trip_us", report.round_trip_us);
	response_number(response, "revision", report.revision);
	response_number(response, "names", report.names);
	response_number(response, "names_taken", report.taken);
	response_number(response, "lines_sent", report.sent);
	response_number(response, "lines_unsent", report.unsent);
	response_number(response, "lines_too_long", report.too_long);
	response_number(response, "lines_received", report.received);
	response_number(response, "lines_lost", report.lost);
	response_number(response, "lines_late", report.late);
	response_number(response, "lines_waiting", report.waiting);
	response_number(response, "queued", report.backlog);
	cluster_each_node(cluster, cluster_add_node, response);
}

void cluster_run(struct control *control, struct request *request)
{
	struct response response = {.oom = false};

	cluster_add_records(control, &response);
	request_finish(request, &response);
}
