/* SPDX-License-Identifier: MIT */
/*
 * Reads `limits` sections and the limits of classes. Each source in this list
 * overrides the sources before it: the daemon's default, the protocol's
 * default, `defaults`, the service's section, then, for a class, the class's
 * section in `defaults` and the class's section in the service.
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
	/* The default is the value of line-rate. */
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

static void limits_note_penalty(const struct conf_section *section,
				struct conf_limits *limits)
{
	struct conf_key *key, *first = NULL, *max = NULL;

	for (key = section->node->keys; key != NULL; key = key->next)
		if (strcmp(key->name, "penalty") == 0)
			first = key;
		else if (strcmp(key->name, "penalty-max") == 0)
			max = key;
	if (first == NULL && max == NULL)
		return;
	limits->penalty_key = max != NULL ? max : first;
	limits->penalty_context = section->context;
}

/* Overrides limits with the keys that the section sets. */
static void limits_fill(const struct conf_section *section,
			const struct lined_option *table,
			struct conf_limits *limits)
{
	struct conf_section set = *section;

	if (section->node == NULL)
		return;
	set.keep = true;
	conf_section_fill(&set, table, limits);
	limits_note_penalty(section, limits);
	if (conf_section_key(section, "exempt") != NULL)
		limits->exempt_networks.items = conf_access_networks(
			section, "exempt", &limits->exempt_networks.count,
			NULL);
}

/* Fills limits; keys that the section does not set stay -1. */
static void limits_fill_set(const struct conf_section *section,
			    const struct lined_option *table,
			    struct conf_limits *limits)
{
	const struct lined_option *option;

	*limits = (struct conf_limits){.clients = -1};
	for (option = limits_table; option->name != NULL; option++)
		if (option->type != LINED_OPTION_LIST)
			*limits_value(limits, option) = -1;
	limits_fill(section, table, limits);
}

void conf_limits_read_defaults(const struct conf_section *limits)
{
	limits_fill_set(limits, limits_table, &limits->build->defaults);
}

void conf_limits_read_class(const struct conf_section *class,
			    struct conf_limits *limits)
{
	limits_fill_set(class, class_table, limits);
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

/* Reports penalty > penalty-max, at penalty_key and only once: many services
 * may share the section. */
static void limits_check_penalty(struct conf_report *report,
				 const struct conf_limits *limits)
{
	char text[CONF_VALUE_TEXT_MAX], max_text[CONF_VALUE_TEXT_MAX];
	struct conf_key *key = limits->penalty_key;

	if (key == NULL || key->reported ||
	    limits->penalty_ms <= limits->penalty_max_ms)
		return;
	key->reported = true;
	conf_error_with(
		report, limits->penalty_context, &key->place,
		"penalty (%s) is longer than penalty-max (%s)",
		conf_value_duration_text(limits->penalty_ms, text),
		conf_value_duration_text(limits->penalty_max_ms, max_text));
}

/* Each value fits into 32 bits: the table's ranges ensure this. */
void conf_limits_store(const struct conf_section *section,
		       const struct conf_limits *limits,
		       struct conf_bounds *bounds)
{
	const struct conf_key *burst = conf_section_key(section, "line-burst");
	uint32_t line_rate = (uint32_t)limits->line_rate;
	uint32_t line_burst = (uint32_t)limits->line_burst;

	if (burst != NULL && line_rate == 0)
		conf_warning_in(section, &burst->place,
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
	limits_check_penalty(section->report, limits);
}

void conf_limits_read(const struct conf_section *section,
		      struct conf_service *service, struct conf_limits *limits)
{
	struct conf_section none = *section;

	none.node = NULL;
	*limits = (struct conf_limits){.clients = 0};
	conf_section_fill(&none, limits_table, limits);
	if (service->module != NULL &&
	    (service->module->flags & LINED_NO_IDLE_TIMEOUT) != 0)
		limits->idle_ms = 0;
	conf_limits_overlay(limits, &section->build->defaults);
	limits_fill(section, limits_table, limits);
	conf_limits_store(section, limits, &service->bounds);
}
