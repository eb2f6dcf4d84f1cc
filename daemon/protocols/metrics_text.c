/* SPDX-License-Identifier: MIT */
/*
 * Which value of which record is which metric: a table of families, each with
 * the samples of all records behind it, as the format wants it.
 */
#include "metrics_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum unit {
	UNIT_ONE,
	UNIT_MICROSECONDS, /* shown in seconds */
};

struct family {
	const char *name;
	const char *type;
	const char *record;
	/* A value; or, with a label, all "value.NAME", each as label="NAME". */
	const char *value;
	const char *label;
	const char *help;
	enum unit unit;
};

#define DAEMON(name, type, value, label, help)                                 \
	{                                                                      \
		"lined_" name, type, "daemon", value, label, help, UNIT_ONE    \
	}
#define WORKER(name, type, value, help, unit)                                  \
	{                                                                      \
		"lined_worker_" name, type, "worker", value, NULL, help, unit  \
	}
#define COUNTER(name, value, label, help)                                      \
	{                                                                      \
		"lined_" name "_total", "counter", "service", value, label,    \
			help, UNIT_ONE                                         \
	}
#define GAUGE(name, value, help)                                               \
	{                                                                      \
		"lined_" name, "gauge", "service", value, NULL, help, UNIT_ONE \
	}

static const struct family families[] = {
	DAEMON("start_time_seconds", "gauge", "started_s", NULL,
	       "When the daemon was started, in seconds of UNIX time."),
	DAEMON("config_time_seconds", "gauge", "config_read_s", NULL,
	       "When the configuration in use was read, in seconds of UNIX "
	       "time."),
	DAEMON("reloads_total", "counter", "reloads", "result",
	       "Reloads of the configuration, done and refused."),
	DAEMON("workers", "gauge", "workers", NULL,
	       "Threads that serve clients."),
	DAEMON("bus_published_total", "counter", "bus.published", NULL,
	       "Messages published on the bus."),
	DAEMON("bus_posted_total", "counter", "bus.posted", NULL,
	       "Batches of messages posted by a worker to another."),
	DAEMON("bus_refused_total", "counter", "bus.refused", NULL,
	       "Messages not published, since a worker lagged too far behind."),
	DAEMON("bus_pauses_total", "counter", "bus.pauses", NULL,
	       "Times the clients of a publishing worker were not read."),
	WORKER("clients", "gauge", "clients", "Clients that it serves.",
	       UNIT_ONE),
	WORKER("stuck", "gauge", "stuck",
	       "Whether it has not turned for some seconds.", UNIT_ONE),
	WORKER("turns_total", "counter", "turns", "Turns of its loop.",
	       UNIT_ONE),
	WORKER("busy_seconds_total", "counter", "busy_us",
	       "Time that it worked, and did not wait for events.",
	       UNIT_MICROSECONDS),
	COUNTER("accepts", "accepted", NULL, "Clients that were let in."),
	COUNTER("refused", "refused", "reason",
		"Clients, and of line-rate datagrams, that were not let in, by "
		"the key that refused them."),
	COUNTER("closed", "closed", "reason",
		"Clients whose connection ended, by the reason."),
	GAUGE("clients", "clients", "Clients that are connected."),
	GAUGE("clients_limit", "clients_limit",
	      "How many may be connected at once."),
	COUNTER("lines_in", "lines_in", NULL, "Lines received."),
	COUNTER("bytes_in", "bytes_in", NULL, "Bytes received."),
	COUNTER("bytes_out", "bytes_out", NULL, "Bytes sent."),
	COUNTER("sends", "sends", NULL,
		"Lines, or answers of several, queued for sending."),
	COUNTER("sends_dropped", "sends_dropped", NULL,
		"Sends dropped since a client did not read."),
	GAUGE("queued_bytes", "queued", "Bytes queued for sending now."),
	GAUGE("queue_high_bytes", "queue_most",
	      "The most bytes that one client has had queued."),
	COUNTER("lines_too_long", "too_long", NULL,
		"Lines over the limit of line-length."),
	COUNTER("lines_bare_lf", "bare_lf", NULL,
		"Lines ended by a bare LF where CRLF is asked for."),
	COUNTER("lines_unterminated", "unterminated", NULL,
		"Rests without a terminator that were dropped."),
	COUNTER("rate_slowed", "rate_slowed", NULL,
		"Times that a client met line-rate and was slowed."),
	COUNTER("datagrams_in", "datagrams_in", NULL, "Datagrams received."),
	COUNTER("datagrams_out", "datagrams_out", NULL, "Datagrams sent."),
	COUNTER("datagrams_dropped", "datagrams_dropped", NULL,
		"Datagrams not taken, or not answered."),
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
	COUNTER("protocol_events", "count", "event",
		"What the protocol counts by itself."),
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

/* ---- records ----------------------------------------------------------- */

static const struct lined_value *find(const struct lined_record *record,
				      const char *name)
{
	size_t i;

	for (i = 0; i < record->count; i++)
		if (strcmp(record->values[i].name, name) == 0)
			return &record->values[i];
	return NULL;
}

static const char *text_of(const struct lined_record *record, const char *name)
{
	const struct lined_value *value = find(record, name);

	return value != NULL && value->type == LINED_VALUE_TEXT ? value->text
								: "";
}

static bool is_kind(const struct lined_record *record, const char *kind)
{
	return strcmp(record->kind, kind) == 0;
}

/*
 * A service that was begun anew while the old one drains has two records; a
 * series must not come twice. The open one is the first.
 */
static bool is_double(const struct lined_response *response, size_t at)
{
	const char *name = text_of(&response->records[at], "name");
	size_t i;

	for (i = 0; i < at; i++)
		if (is_kind(&response->records[i],
			    response->records[at].kind) &&
		    strcmp(text_of(&response->records[i], "name"), name) == 0)
			return true;
	return false;
}

/* ---- the format -------------------------------------------------------- */

static void write_head(struct text *text, const char *name, const char *type,
		       const char *help)
{
	text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		    type);
}

/* In quotes, where \ " and LF are escaped. */
static void write_label(struct text *text, const char *before, const char *name,
			const char *value)
{
	text_printf(text, "%s%s=\"", before, name);
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			text_printf(text, "\\%c", *value);
		else if (*value == '\n')
			text_puts(text, "\\n");
		else
			text_add(text, value, 1);
	}
	text_puts(text, "\"");
}

static void write_number(struct text *text, uint64_t number, enum unit unit)
{
	if (unit == UNIT_MICROSECONDS)
		text_printf(text, "%llu.%06llu",
			    (unsigned long long)number / 1000000,
			    (unsigned long long)number % 1000000);
	else
		text_printf(text, "%llu", (unsigned long long)number);
}

/* The labels of a record, and one more where there is one. */
static void write_labels(struct text *text, const struct lined_record *record,
			 const char *label, const char *value)
{
	const char *before = "{";

	if (!is_kind(record, "daemon")) {
		write_label(text, before, record->kind,
			    text_of(record, "name"));
		before = ",";
	}
	if (label != NULL) {
		write_label(text, before, label, value);
		before = ",";
	}
	if (before[0] == ',')
		text_puts(text, "}");
	text_puts(text, " ");
}

static void write_sample(struct text *text, const struct family *family,
			 const struct lined_record *record,
			 const struct lined_value *value, const char *label)
{
	text_puts(text, family->name);
	write_labels(text, record, family->label, label);
	write_number(text, value->number, family->unit);
	text_puts(text, "\n");
}

/* What a record has for a family. */
static void write_samples(struct text *text, const struct family *family,
			  const struct lined_record *record)
{
	size_t len = strlen(family->value), i;

	for (i = 0; i < record->count; i++) {
		const struct lined_value *value = &record->values[i];
		const char *name = value->name;

		if (family->label == NULL) {
			if (strcmp(name, family->value) == 0)
				write_sample(text, family, record, value, "");
		} else if (strncmp(name, family->value, len) == 0 &&
			   name[len] == '.') {
			write_sample(text, family, record, value,
				     name + len + 1);
		}
	}
}

static void write_family(struct text *text, const struct family *family,
			 const struct lined_response *response)
{
	size_t i;

	write_head(text, family->name, family->type, family->help);
	for (i = 0; i < response->count; i++)
		if (is_kind(&response->records[i], family->record) &&
		    !is_double(response, i))
			write_samples(text, family, &response->records[i]);
}

/* ---- what is not a number of a record ---------------------------------- */

static void write_build(struct text *text,
			const struct lined_response *response)
{
	size_t i;

	write_head(text, "lined_build_info", "gauge",
		   "The version that runs, and how it waits for events.");
	for (i = 0; i < response->count; i++) {
		const struct lined_record *record = &response->records[i];

		if (!is_kind(record, "daemon"))
			continue;
		write_label(text, "lined_build_info{", "version",
			    text_of(record, "version"));
		write_label(text, ",", "poller", text_of(record, "poller"));
		text_puts(text, "} 1\n");
	}
}

static void write_open(struct text *text, const struct lined_response *response)
{
	size_t i;

	write_head(text, "lined_service_open", "gauge",
		   "Whether the service takes clients.");
	for (i = 0; i < response->count; i++) {
		const struct lined_record *record = &response->records[i];

		if (!is_kind(record, "service") || is_double(response, i))
			continue;
		text_puts(text, "lined_service_open");
		write_labels(text, record, "protocol",
			     text_of(record, "protocol"));
		text_puts(text, strcmp(text_of(record, "state"), "open") == 0
					? "1\n"
					: "0\n");
	}
}

/* A turn's length is what an event that came in it had to wait at most. */
static void write_delays_of(struct text *text,
			    const struct lined_record *record)
{
	static const char name[] = "lined_worker_loop_delay_seconds";
	static const char group[] = "turns_us.";
	const struct lined_value *busy = find(record, "busy_us");
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
		text_printf(text, "%s_bucket", name);
		write_labels(text, record, "le", bound);
		text_printf(text, "%llu\n", (unsigned long long)total);
	}
	text_printf(text, "%s_sum", name);
	write_labels(text, record, NULL, NULL);
	write_number(text, busy != NULL ? busy->number : 0, UNIT_MICROSECONDS);
	text_printf(text, "\n%s_count", name);
	write_labels(text, record, NULL, NULL);
	text_printf(text, "%llu\n", (unsigned long long)total);
}

static void write_delays(struct text *text,
			 const struct lined_response *response)
{
	size_t i;

	write_head(text, "lined_worker_loop_delay_seconds", "histogram",
		   "How long turns of its loop lasted: what an event that came "
		   "meanwhile had to wait.");
	for (i = 0; i < response->count; i++)
		if (is_kind(&response->records[i], "worker"))
			write_delays_of(text, &response->records[i]);
}

void metrics_text_write(struct text *text,
			const struct lined_response *response)
{
	size_t i;

	write_build(text, response);
	for (i = 0; i < FAMILIES; i++)
		write_family(text, &families[i], response);
	write_delays(text, response);
	write_open(text, response);
}
