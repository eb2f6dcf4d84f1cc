/* SPDX-License-Identifier: MIT */
/*
 * The keys of `limits` sections and of classes. Each source overrides the
 * sources before it in this list: the daemon's default, the protocol's default,
 * `defaults`, the service's section; for a class also its section in
 * `defaults`, then its section in the service.
 */
#include "config.h"

#include "config/conf_build.h"

#include <string.h>

#include "config/conf_value.h"

#define COUNT_MAX   10000000
#define RATE_MAX    1000000
#define TIMEOUT_MAX (1000 * 3600 * INT64_C(1000)) /* 1000h; fits in 32 bits */
#define QUEUE_MIN   1024
#define QUEUE_MAX   (1024 * 1024 * 1024)

static const struct lined_option class_table[] = {
	{LINED_OPTION("from", LIST, struct conf_limits, from)},
	{LINED_OPTION("clients", INTEGER, struct conf_limits, clients),
	 .fallback = "10000", .min = 1, .max = COUNT_MAX},
	{LINED_OPTION("clients-per-address", INTEGER, struct conf_limits,
		      clients_per_address),
	 .fallback = "100", .max = COUNT_MAX},
	{LINED_OPTION("connect-rate-per-address", INTEGER, struct conf_limits,
		      connect_rate_per_address),
	 .fallback = "100", .max = RATE_MAX},
	{LINED_OPTION("line-rate", INTEGER, struct conf_limits, line_rate),
	 .max = RATE_MAX},
	/* Not set: equals line-rate. */
	{LINED_OPTION("line-burst", INTEGER, struct conf_limits, line_burst),
	 .min = 1, .max = RATE_MAX},
	{LINED_OPTION("idle-timeout", DURATION, struct conf_limits, idle_ms),
	 .fallback = "10m", .max = TIMEOUT_MAX},
	{LINED_OPTION("first-line-timeout", DURATION, struct conf_limits,
		      first_line_ms),
	 .max = TIMEOUT_MAX},
	{LINED_OPTION("line-timeout", DURATION, struct conf_limits, line_ms),
	 .max = TIMEOUT_MAX},
	{LINED_OPTION("send-queue", SIZE, struct conf_limits, send_queue),
	 .fallback = "1M", .min = QUEUE_MIN, .max = QUEUE_MAX},
	{LINED_OPTION("send-stall", DURATION, struct conf_limits,
		      send_stall_ms),
	 .fallback = "30s", .max = TIMEOUT_MAX},
	{LINED_OPTION("handshake-timeout", DURATION, struct conf_limits,
		      handshake_ms),
	 .fallback = "10s", .min = 1, .max = TIMEOUT_MAX},
	{LINED_OPTION("handshakes", INTEGER, struct conf_limits, handshakes),
	 .fallback = "256", .min = 1, .max = COUNT_MAX},
	{LINED_OPTION("penalty", DURATION, struct conf_limits, penalty_ms),
	 .max = TIMEOUT_MAX},
	{LINED_OPTION("penalty-max", DURATION, struct conf_limits,
		      penalty_max_ms),
	 .fallback = "10m", .min = 1, .max = TIMEOUT_MAX},
	{LINED_OPTION("exempt", LIST, struct conf_limits, exempt)},
	{.name = NULL},
};

/* The table without `from`, which a `limits` section does not have. */
#define limits_table (class_table + 1)

static int64_t *limits_value(const struct conf_limits *limits,
			     const struct lined_option *option)
{
	return (int64_t *)(uintptr_t)((const char *)limits + option->offset);
}

static void limits_note_penalty(struct conf_node *node, const char *context,
				struct conf_limits *limits)
{
	struct conf_key *key, *first = NULL, *max = NULL;

	for (key = node->keys; key != NULL; key = key->next)
		if (strcmp(key->name, "penalty") == 0)
			first = key;
		else if (strcmp(key->name, "penalty-max") == 0)
			max = key;
	if (first == NULL && max == NULL)
		return;
	limits->penalty_key = max != NULL ? max : first;
	limits->penalty_context = context;
}

static void limits_fill(struct conf_build *build, struct conf_node *node,
			const char *context, const struct lined_option *table,
			struct conf_limits *limits, bool keep)
{
	struct conf_options options = conf_build_options(build, context);

	options.keep = keep;
	conf_options_fill(&options, node, table, limits);
	if (node != NULL)
		limits_note_penalty(node, context, limits);
	if (node != NULL && conf_options_key(node, "exempt") != NULL)
		limits->exempt_networks.items = conf_access_networks(
			build, conf_options_key(node, "exempt"), context,
			&limits->exempt_networks.count, NULL);
}

/* Fills limits; keys that the section does not set stay -1. */
static void limits_fill_set(struct conf_build *build, struct conf_node *node,
			    const char *context,
			    const struct lined_option *table,
			    struct conf_limits *limits)
{
	const struct lined_option *option;

	*limits = (struct conf_limits){.clients = -1};
	for (option = limits_table; option->name != NULL; option++)
		if (option->type != LINED_OPTION_LIST)
			*limits_value(limits, option) = -1;
	if (node != NULL)
		limits_fill(build, node, context, table, limits, true);
}

void conf_limits_read_defaults(struct conf_build *build, struct conf_node *node)
{
	limits_fill_set(build, node, "defaults: limits", limits_table,
			&build->defaults);
}

void conf_limits_read_class(struct conf_build *build, struct conf_node *node,
			    const char *context, struct conf_limits *limits)
{
	limits_fill_set(build, node, context, class_table, limits);
}

unsigned conf_limits_overlay(struct conf_limits *limits,
			     const struct conf_limits *stronger)
{
	const struct lined_option *option;
	unsigned count = 0;

	for (option = limits_table; option->name != NULL; option++) {
		if (option->type == LINED_OPTION_LIST ||
		    *limits_value(stronger, option) < 0)
			continue;
		*limits_value(limits, option) = *limits_value(stronger, option);
		count++;
	}
	if (stronger->penalty_key != NULL) {
		limits->penalty_key = stronger->penalty_key;
		limits->penalty_context = stronger->penalty_context;
	}
	if (stronger->exempt_networks.items == NULL)
		return count;
	limits->exempt_networks = stronger->exempt_networks;
	return count + 1;
}

/* Reports penalty > penalty-max once, where the last of the two is set: they
 * may be in different sections, which many services share. */
static void limits_check_penalty(struct conf_build *build,
				 const struct conf_limits *limits)
{
	char text[CONF_VALUE_TEXT_MAX], max_text[CONF_VALUE_TEXT_MAX];
	struct conf_key *key = limits->penalty_key;

	if (key == NULL || key->told ||
	    limits->penalty_ms <= limits->penalty_max_ms)
		return;
	key->told = true;
	conf_error_in(
		&build->report, limits->penalty_context, &key->place,
		"penalty (%s) is longer than penalty-max (%s)",
		conf_value_duration_text(limits->penalty_ms, text),
		conf_value_duration_text(limits->penalty_max_ms, max_text));
}

/* Checks and stores limits. The table's ranges keep each value in 32 bits. */
void conf_limits_store(struct conf_build *build, const struct conf_node *node,
		       const char *context, const struct conf_limits *limits,
		       struct conf_bounds *bounds)
{
	const struct conf_key *burst =
		node != NULL ? conf_options_key(node, "line-burst") : NULL;
	uint32_t line_rate = (uint32_t)limits->line_rate;
	uint32_t line_burst = (uint32_t)limits->line_burst;

	if (burst != NULL && line_rate == 0)
		conf_warning_in(&build->report, context, &burst->place,
				"line-burst does nothing without line-rate");
	if (line_rate == 0 || line_burst == 0)
		line_burst = line_rate;
	bounds->sockets = (struct lined_limits){
		.idle_ms = (uint32_t)limits->idle_ms,
		.first_line_ms = (uint32_t)limits->first_line_ms,
		.line_ms = (uint32_t)limits->line_ms,
		.send_stall_ms = (uint32_t)limits->send_stall_ms,
		.line_rate = line_rate,
		.line_burst = line_burst,
		.send_queue = (uint32_t)limits->send_queue,
	};
	bounds->admission = (struct admission_limits){
		.clients = (uint32_t)limits->clients,
		.clients_per_address = (uint32_t)limits->clients_per_address,
		.connect_rate_per_address =
			(uint32_t)limits->connect_rate_per_address,
		.datagram_rate = line_rate,
		.datagram_burst = line_burst,
		.handshakes = (uint32_t)limits->handshakes,
	};
	bounds->handshake_ms = (uint32_t)limits->handshake_ms;
	bounds->penalty = (struct penalty_limits){
		.first_ms = (uint32_t)limits->penalty_ms,
		.max_ms = (uint32_t)limits->penalty_max_ms,
		.exempt = limits->exempt_networks.items,
		.exempt_count = limits->exempt_networks.count,
	};
	limits_check_penalty(build, limits);
}

void conf_limits_read(struct conf_build *build, struct conf_node *node,
		      const char *context, struct conf_service *service,
		      struct conf_limits *limits)
{
	struct conf_bounds bounds;

	*limits = (struct conf_limits){.clients = 0};
	limits_fill(build, NULL, context, limits_table, limits, false);
	if (service->module != NULL &&
	    (service->module->flags & LINED_NO_IDLE_TIMEOUT) != 0)
		limits->idle_ms = 0;
	conf_limits_overlay(limits, &build->defaults);
	if (node != NULL)
		limits_fill(build, node, context, limits_table, limits, true);
	conf_limits_store(build, node, context, limits, &bounds);
	service->limits = bounds.sockets;
	service->clients = bounds.admission.clients;
	service->clients_per_address = bounds.admission.clients_per_address;
	service->connect_rate_per_address =
		bounds.admission.connect_rate_per_address;
	service->handshake_ms = bounds.handshake_ms;
	service->handshakes = bounds.admission.handshakes;
	service->penalty = bounds.penalty;
}
