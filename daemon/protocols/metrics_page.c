/* SPDX-License-Identifier: MIT */
/*
 * Writes the page of the metrics. A table says which value of which record
 * belongs to which family, because the format requires all samples of a family
 * to be adjacent.
 */
#include "metrics_page.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum unit {
	UNIT_ONE,
	UNIT_MICROSECONDS, /* written as seconds */
	UNIT_GOOD,         /* a text: 1 if it is "good", else 0 */
};

struct family {
	const char *name;
	const char *type;
	const char *record;
	/* Without a label: the name of a value. With a label: the name of a
	 * group; each value GROUP.MEMBER is a sample with LABEL="MEMBER". */
	const char *value;
	const char *label;
	const char *help;
	enum unit unit;
	/* Writes the samples of a record. NULL: they are written from `value`
	 * and `label`. */
	void (*write)(struct text *text, const struct family *family,
		      const struct lined_record *record);
};

/* ---- records ----------------------------------------------------------- */

static const struct lined_value *metrics_find(const struct lined_record *record,
					      const char *name)
{
	size_t i;

	for (i = 0; i < record->count; i++)
		if (strcmp(record->values[i].name, name) == 0)
			return &record->values[i];
	return NULL;
}

static const char *metrics_text_of(const struct lined_record *record,
				   const char *name)
{
	const struct lined_value *value = metrics_find(record, name);

	return value != NULL && value->type == LINED_VALUE_TEXT ? value->text
								: "";
}

/* Compares records by the values that distinguish records of a kind. */
static int metrics_compare(const void *a, const void *b)
{
	static const char *const names[] = {"name", "service", "upstream"};
	const struct lined_record *x = a, *y = b;
	int order = strcmp(x->kind, y->kind);
	size_t i;

	for (i = 0; order == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		order = strcmp(metrics_text_of(x, names[i]),
			       metrics_text_of(y, names[i]));
	return order;
}

/* Returns an array with the first record of each name; the caller frees the
 * array. NULL: no memory. Two services can have the same name: an open one and
 * one that drains, whose record comes later. The later record is left out,
 * because a page must not contain a series twice. */
static const struct lined_record **
metrics_choose(const struct lined_response *response, size_t *count)
{
	const struct lined_record **records =
		calloc(response->count + 1, sizeof(*records));
	void *seen = NULL;
	size_t i;

	*count = 0;
	for (i = 0; records != NULL && i < response->count; i++) {
		const struct lined_record *record = &response->records[i];
		const struct lined_record **node =
			tsearch(record, &seen, metrics_compare);

		if (node == NULL) {
			free(records);
			records = NULL;
		} else if (*node == record) {
			records[(*count)++] = record;
		}
	}
	while (seen != NULL)
		tdelete(*(void **)seen, &seen, metrics_compare);
	return records;
}

/* ---- the format -------------------------------------------------------- */

/* Writes a label in quotes, with \ " and LF escaped. */
static void metrics_write_label(struct text *text, const char *before,
				const char *name, const char *value)
{
	text_printf(text, "%s%s=\"", before, name);
	while (*value != '\0') {
		size_t plain = strcspn(value, "\\\"\n");

		text_add(text, value, plain);
		value += plain;
		if (*value == '\0')
			break;
		text_puts(text, *value == '\n'  ? "\\n"
				: *value == '"' ? "\\\""
						: "\\\\");
		value++;
	}
	text_puts(text, "\"");
}

static void metrics_write_number(struct text *text, uint64_t number,
				 enum unit unit)
{
	if (unit == UNIT_MICROSECONDS)
		text_printf(text, "%llu.%06llu",
			    (unsigned long long)number / 1000000,
			    (unsigned long long)number % 1000000);
	else
		text_printf(text, "%llu", (unsigned long long)number);
}

/* Writes the labels of a record, and one more label (NULL: none). */
static void metrics_write_labels(struct text *text,
				 const struct lined_record *record,
				 const char *label, const char *value)
{
	const char *before = "{";

	if (strcmp(record->kind, "upstream") == 0) {
		metrics_write_label(text, before, "service",
				    metrics_text_of(record, "service"));
		metrics_write_label(text, ",", "upstream",
				    metrics_text_of(record, "upstream"));
		before = ",";
	} else if (strcmp(record->kind, "daemon") != 0 &&
		   strcmp(record->kind, "cluster") != 0) {
		metrics_write_label(text, before, record->kind,
				    metrics_text_of(record, "name"));
		before = ",";
	}
	if (label != NULL) {
		metrics_write_label(text, before, label, value);
		before = ",";
	}
	if (before[0] == ',')
		text_puts(text, "}");
	text_puts(text, " ");
}

static void metrics_write_sample(struct text *text, const struct family *family,
				 const struct lined_record *record,
				 const struct lined_value *value,
				 const char *label)
{
	text_puts(text, family->name);
	metrics_write_labels(text, record, family->label, label);
	metrics_write_number(text,
			     family->unit == UNIT_GOOD
				     ? strcmp(value->text, "good") == 0
				     : value->number,
			     family->unit);
	text_puts(text, "\n");
}

/* Writes a family's samples from one record. */
static void metrics_write_samples(struct text *text,
				  const struct family *family,
				  const struct lined_record *record)
{
	size_t len = strlen(family->value), i;

	for (i = 0; i < record->count; i++) {
		const struct lined_value *value = &record->values[i];
		const char *name = value->name;

		if (family->label == NULL) {
			if (strcmp(name, family->value) == 0)
				metrics_write_sample(text, family, record,
						     value, "");
		} else if (strncmp(name, family->value, len) == 0 &&
			   name[len] == '.') {
			metrics_write_sample(text, family, record, value,
					     name + len + 1);
		}
	}
}

/* ---- families with a form of their own --------------------------- */

static void metrics_write_build(struct text *text, const struct family *family,
				const struct lined_record *record)
{
	metrics_write_label(text, "lined_build_info{", "version",
			    metrics_text_of(record, "version"));
	metrics_write_label(text, ",", "poller",
			    metrics_text_of(record, "poller"));
	text_puts(text, "} 1\n");
}

static void metrics_write_open(struct text *text, const struct family *family,
			       const struct lined_record *record)
{
	text_puts(text, family->name);
	metrics_write_labels(text, record, "protocol",
			     metrics_text_of(record, "protocol"));
	text_puts(text, strcmp(metrics_text_of(record, "state"), "open") == 0
				? "1\n"
				: "0\n");
}

/* An event can wait for as long as a turn lasts: so turns are shown as delays.
 */
static void metrics_write_delays(struct text *text, const struct family *family,
				 const struct lined_record *record)
{
	static const char group[] = "turns_us.";
	const struct lined_value *busy = metrics_find(record, "busy_us");
	uint64_t total = 0;
	char bound[32];
	size_t i;

	for (i = 0; i < record->count; i++) {
		const struct lined_value *value = &record->values[i];
		const char *us = value->name + sizeof(group) - 1;

		if (strncmp(value->name, group, sizeof(group) - 1) != 0)
			continue;
		total += value->number;
		if (strcmp(us, "more") == 0)
			strcpy(bound, "+Inf");
		else
			snprintf(bound, sizeof(bound), "%g", atof(us) / 1e6);
		text_printf(text, "%s_bucket", family->name);
		metrics_write_labels(text, record, "le", bound);
		text_printf(text, "%llu\n", (unsigned long long)total);
	}
	text_printf(text, "%s_sum", family->name);
	metrics_write_labels(text, record, NULL, NULL);
	metrics_write_number(text, busy != NULL ? busy->number : 0,
			     UNIT_MICROSECONDS);
	text_printf(text, "\n%s_count", family->name);
	metrics_write_labels(text, record, NULL, NULL);
	text_printf(text, "%llu\n", (unsigned long long)total);
}

/* ---- the page ---------------------------------------------------------- */

#define DAEMON(name, type, value, label, help)                                 \
	{                                                                      \
		"lined_" name, type, "daemon", value, label, help,             \
			.unit = UNIT_ONE                                       \
	}
#define WORKER(name, type, value, help, in)                                    \
	{                                                                      \
		"lined_worker_" name, type, "worker", value, NULL, help,       \
			.unit = in                                             \
	}
#define CLUSTER(name, type, value, help, in)                                   \
	{                                                                      \
		"lined_cluster_" name, type, "cluster", value, NULL, help,     \
			.unit = in                                             \
	}
#define NODE(name, type, value, help)                                          \
	{                                                                      \
		"lined_cluster_" name, type, "node", value, NULL, help,        \
			.unit = UNIT_ONE                                       \
	}
#define COUNTER(name, value, label, help)                                      \
	{                                                                      \
		"lined_" name "_total", "counter", "service", value, label,    \
			help, .unit = UNIT_ONE                                 \
	}
#define UPSTREAM(name, type, value, help, in)                                  \
	{                                                                      \
		"lined_relay_upstream_" name, type, "upstream", value, NULL,   \
			help, .unit = in                                       \
	}
#define GAUGE(name, value, help)                                               \
	{                                                                      \
		"lined_" name, "gauge", "service", value, NULL, help,          \
			.unit = UNIT_ONE                                       \
	}

static const struct family families[] = {
	{"lined_build_info", "gauge", "daemon",
	 .help = "The version that runs, and how it waits for events.",
	 .write = metrics_write_build},
	DAEMON("start_time_seconds", "gauge", "started_s", NULL,
	       "When the daemon was started, in seconds of UNIX time."),
	DAEMON("config_time_seconds", "gauge", "config_read_s", NULL,
	       "When the configuration in use was read, in seconds of UNIX "
	       "time."),
	DAEMON("reloads_total", "counter", "reloads", "result",
	       "Reloads of the configuration, done and refused."),
	DAEMON("log_lost_total", "counter", "log_lost", NULL,
	       "Log messages that were dropped, or that the target did not "
	       "take."),
	DAEMON("control_denied_total", "counter", "control_denied", NULL,
	       "Requests that a client of the control socket had no right "
	       "to."),
	DAEMON("memory_held_bytes", "gauge", "memory_held", NULL,
	       "What all clients hold: queues, input, TLS sessions, and what "
	       "protocols keep."),
	DAEMON("memory_kept_bytes", "gauge", "memory_kept", NULL,
	       "What protocols keep of it: histories, held lines, items."),
	DAEMON("memory_given_up_bytes_total", "counter", "memory_given_up",
	       NULL,
	       "What protocols gave up of it from 3/4 of the ceiling on."),
	DAEMON("memory_limit_bytes", "gauge", "memory_limit", NULL,
	       "The ceiling on it; 0: there is none."),
	DAEMON("memory_closed_total", "counter", "memory_closed", NULL,
	       "Clients with the longest queues that were closed at the "
	       "ceiling."),
	DAEMON("workers", "gauge", "workers", NULL,
	       "Threads that serve clients."),
	DAEMON("bus_published_total", "counter", "bus.published", NULL,
	       "Messages published on the bus."),
	DAEMON("bus_posted_total", "counter", "bus.posted", NULL,
	       "Batches of messages posted by one worker to another."),
	DAEMON("bus_refused_total", "counter", "bus.refused", NULL,
	       "Messages not published because a worker lagged too far "
	       "behind."),
	DAEMON("bus_pauses_total", "counter", "bus.pauses", NULL,
	       "Times the clients of a publishing worker were paused."),
	WORKER("clients", "gauge", "clients", "Clients that the worker serves.",
	       UNIT_ONE),
	WORKER("stuck", "gauge", "stuck",
	       "Whether the loop has made no turn for some seconds.", UNIT_ONE),
	WORKER("turns_total", "counter", "turns", "Turns of the worker's loop.",
	       UNIT_ONE),
	WORKER("busy_seconds_total", "counter", "busy_us",
	       "Time that the loop worked and did not wait for events.",
	       UNIT_MICROSECONDS),
	CLUSTER("up", "gauge", "up",
		"Whether this node is joined to the cluster.", UNIT_ONE),
	CLUSTER("whole", "gauge", "whole",
		"Whether all nodes hear each other, as far as this one knows.",
		UNIT_ONE),
	CLUSTER("primary", "gauge", "primary",
		"Whether this node is the primary.", UNIT_ONE),
	CLUSTER("nodes", "gauge", "nodes",
		"Nodes that are there, this one included.", UNIT_ONE),
	CLUSTER("round_trip_seconds", "gauge", "round_trip_us",
		"How long NATS took to store this node's lease.",
		UNIT_MICROSECONDS),
	CLUSTER("names", "gauge", "names", "Names of all nodes.", UNIT_ONE),
	CLUSTER("names_taken_total", "counter", "names_taken",
		"Names that another node's earlier claim has kept.", UNIT_ONE),
	CLUSTER("lines_sent_total", "counter", "lines_sent",
		"Lines sent to the other nodes.", UNIT_ONE),
	CLUSTER("lines_unsent_total", "counter", "lines_unsent",
		"Lines that were published while this node was cut off.",
		UNIT_ONE),
	CLUSTER("lines_too_long_total", "counter", "lines_too_long",
		"Lines over NATS's max_payload.", UNIT_ONE),
	CLUSTER("lines_received_total", "counter", "lines_received",
		"Lines received from other nodes.", UNIT_ONE),
	CLUSTER("lines_late_total", "counter", "lines_late",
		"Lines that waited for a change of names in vain.", UNIT_ONE),
	CLUSTER("lines_waiting", "gauge", "lines_waiting",
		"Lines that wait for a change of names.", UNIT_ONE),
	CLUSTER("queued_bytes", "gauge", "queued",
		"Bytes that were not sent to NATS yet.", UNIT_ONE),
	NODE("lost_total", "counter", "lost",
	     "Lines of the node that were lost on the way."),
	COUNTER("accepts", "accepted", NULL, "Clients that were accepted."),
	COUNTER("refused", "refused", "reason",
		"Clients that were refused, by the config key; with line-rate, "
		"lines of datagrams."),
	COUNTER("closed", "closed", "reason",
		"Clients whose connection ended, by the reason."),
	COUNTER("timeouts", "timeouts", "limit",
		"Clients that were closed because a limit of time was over, by "
		"its config key."),
	GAUGE("clients", "clients", "Clients that are connected."),
	GAUGE("penalties", "penalties",
	      "Addresses that are penalized, and not let in."),
	GAUGE("clients_limit", "clients_limit",
	      "How many clients may be connected at once."),
	COUNTER("lines_in", "lines_in", NULL,
		"Lines received from clients and upstreams."),
	COUNTER("bytes_in", "bytes_in", NULL, "Bytes received."),
	COUNTER("bytes_out", "bytes_out", NULL, "Bytes sent."),
	COUNTER("sends", "sends", NULL,
		"Lines, or responses of several lines, queued for sending."),
	COUNTER("sends_dropped", "sends_dropped", NULL,
		"Sends dropped because a client did not read."),
	GAUGE("queued_bytes", "queued", "Bytes queued for sending now."),
	GAUGE("queue_high_bytes", "queue_most",
	      "The most bytes that one client has had queued."),
	COUNTER("lines_too_long", "too_long", NULL,
		"Lines over the limit of line-length."),
	COUNTER("lines_truncated", "truncated", NULL,
		"Lines over the limit of line-length whose rest was "
		"discarded."),
	COUNTER("lines_bare_lf", "bare_lf", NULL,
		"Lines ended by a bare LF where CRLF is required."),
	COUNTER("lines_unterminated", "unterminated", NULL,
		"Last lines dropped because they had no terminator."),
	COUNTER("rate_slowed", "rate_slowed", NULL,
		"Times that a client exceeded line-rate and was slowed."),
	COUNTER("datagrams_in", "datagrams_in", NULL, "Datagrams received."),
	COUNTER("datagrams_out", "datagrams_out", NULL, "Datagrams sent."),
	COUNTER("datagrams_dropped", "datagrams_dropped", NULL,
		"Datagrams truncated, refused or not sent."),
	COUNTER("opened_lines_in", "opened.lines_in", NULL,
		"Lines received by connections that the protocol made."),
	COUNTER("opened_bytes_in", "opened.bytes_in", NULL,
		"Bytes received by connections that the protocol made."),
	COUNTER("opened_bytes_out", "opened.bytes_out", NULL,
		"Bytes sent by connections that the protocol made."),
	GAUGE("registry_names", "registry.names",
	      "Names in the service's registry."),
	COUNTER("registry_claims", "registry.claims", NULL,
		"Names that clients asked for."),
	COUNTER("registry_won", "registry.won", NULL,
		"Claims that got their name."),
	COUNTER("registry_lost", "registry.lost", NULL,
		"Claims of a name that was taken."),
	COUNTER("tls_handshakes", "tls", "result",
		"TLS handshakes, by how they ended."),
	COUNTER("tls_truncated", "tls_truncated", NULL,
		"TLS connections that ended without close_notify."),
	{"lined_tls_certificate_expiry_timestamp_seconds", "gauge", "tls",
	 "expires_s", NULL,
	 .help = "When the certificate of a tls section expires, in seconds of "
		 "UNIX time."},
	COUNTER("protocol_events", "count", "event",
		"Events that the protocol itself counts."),
	{"lined_worker_loop_delay_seconds", "histogram", "worker",
	 .help = "How long the turns of the worker's loop lasted, which is how "
		 "long an event may have waited.",
	 .write = metrics_write_delays},
	{"lined_service_open", "gauge", "service",
	 .help = "Whether the service accepts clients.",
	 .write = metrics_write_open},
	UPSTREAM("up", "gauge", "state",
		 "Whether the upstream is good: connected, and a line of it "
		 "has passed the filter.",
		 UNIT_GOOD),
	UPSTREAM("lines_total", "counter", "lines",
		 "Lines received from the upstream.", UNIT_ONE),
	UPSTREAM("connects_total", "counter", "connects",
		 "Connections made to the upstream.", UNIT_ONE),
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

void metrics_page_write(struct text *text,
			const struct lined_response *response)
{
	const struct family *family = families;
	const struct lined_record **records;
	size_t count, i;

	records = metrics_choose(response, &count);
	text->oom |= records == NULL;
	for (; records != NULL && family < families + FAMILIES; family++) {
		text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", family->name,
			    family->help, family->name, family->type);
		for (i = 0; i < count; i++) {
			if (strcmp(records[i]->kind, family->record) != 0)
				continue;
			if (family->write != NULL)
				family->write(text, family, records[i]);
			else
				metrics_write_samples(text, family, records[i]);
		}
	}
	free(records);
}
