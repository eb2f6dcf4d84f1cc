/* SPDX-License-Identifier: MIT */
/*
 * Which values of a record are shown, and in which words.
 */
#include "config.h"

#include "linectl/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "linectl/format.h"
#include "common/memory.h"
#include "linectl/table.h"

/* ---- cells -------------------------------------------------------------- */

static void add_count_cell(struct table *table, uint64_t n)
{
	table_add(table, format_count(n));
}

/* "3/100", or "3" if there is no limit. */
static void add_limited_cell(struct table *table, uint64_t n, uint64_t limit)
{
	table_add(table,
		  limit > 0 ? memory_format("%" PRIu64 "/%" PRIu64, n, limit)
			    : memory_format("%" PRIu64, n));
}

void show_messages(const struct answer *answer)
{
	size_t i;

	for (i = 0; i < answer->count; i++) {
		const struct record *record = &answer->records[i];

		if (!record_is(record, "message"))
			continue;
		fprintf(stderr, "%s%s\n",
			strcmp(record_text(record, "level"), "warning") == 0
				? "warning: "
				: "",
			record_text(record, "text"));
	}
}

/* ---- status ------------------------------------------------------------ */

static void show_status_line(FILE *out, const char *name, char *text)
{
	fprintf(out, "%-9s %s\n", name, text);
	free(text);
}

static void show_daemon(const struct record *daemon, FILE *out)
{
	char *since = format_date(record_number(daemon, "started_s"));
	char *age = format_time(record_number(daemon, "uptime_s") * 1000);
	char *read = format_date(record_number(daemon, "config_read_s"));
	char *clients = format_count(record_number(daemon, "clients"));
	char *published = format_count(record_number(daemon, "bus.published"));
	char *posted = format_count(record_number(daemon, "bus.posted"));
	uint64_t services = record_number(daemon, "services");

	fprintf(out, "lined %s, pid %" PRIu64 ", %s since %s (%s)\n",
		record_text(daemon, "version"), record_number(daemon, "pid"),
		record_text(daemon, "state"), since, age);
	show_status_line(
		out, "config",
		memory_format("%s, read %s; reloads: %" PRIu64 " done, %" PRIu64
			      " refused",
			      record_text(daemon, "config"), read,
			      record_number(daemon, "reloads.done"),
			      record_number(daemon, "reloads.refused")));
	show_status_line(out, "log",
			 memory_format("%s", record_text(daemon, "log_level")));
	show_status_line(out, "clients",
			 memory_format("%s, in %" PRIu64 " service%s", clients,
				       services, services == 1 ? "" : "s"));
	show_status_line(
		out, "bus",
		memory_format("%s published, %s batches between workers, "
			      "%" PRIu64 " refused",
			      published, posted,
			      record_number(daemon, "bus.refused")));
	show_status_line(out, "poller",
			 memory_format("%s", record_text(daemon, "poller")));
	free(since);
	free(age);
	free(read);
	free(clients);
	free(published);
	free(posted);
}

uint64_t show_delay_us(const struct record *worker)
{
	static const char group[] = "turns_us.";
	uint64_t turns = record_number(worker, "turns"), seen = 0;
	size_t i;

	for (i = 0; i < worker->count; i++) {
		const struct value *value = &worker->values[i];

		if (strncmp(value->name, group, sizeof(group) - 1) != 0)
			continue;
		seen += value->number;
		if (seen >= turns - turns / 100)
			return strtoull(value->name + sizeof(group) - 1, NULL,
					10);
	}
	return 0;
}

static char *worker_delay_text(const struct record *worker)
{
	uint64_t us = show_delay_us(worker);

	if (us == 0)
		return memory_format("more");
	return memory_format("%g ms", (double)us / 1000);
}

static void show_workers(const struct answer *answer, uint64_t uptime_s,
			 FILE *out)
{
	static const struct table_column columns[] = {
		{"WORKER", false}, {"CLIENTS", true}, {"BUSY", true},
		{"TURNS", true},   {"DELAY", true},   {"", false},
	};
	struct table table;
	size_t i;

	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	for (i = 0; i < answer->count; i++) {
		const struct record *worker = &answer->records[i];
		uint64_t busy_us = record_number(worker, "busy_us");

		if (!record_is(worker, "worker"))
			continue;
		table_add_text(&table, record_text(worker, "name"));
		add_count_cell(&table, record_number(worker, "clients"));
		table_add(&table,
			  memory_format("%.1f %%",
					(double)busy_us / 10000.0 /
						(double)(uptime_s + 1)));
		add_count_cell(&table, record_number(worker, "turns"));
		table_add(&table, worker_delay_text(worker));
		table_add_text(&table, record_number(worker, "stuck")
					       ? "STUCK: see the log"
					       : "");
	}
	table_write(&table, out);
	table_fini(&table);
}

void show_status(const struct answer *answer, const char *argument, FILE *out)
{
	const struct record *daemon = answer_find(answer, "daemon");

	(void)argument;
	if (daemon == NULL)
		return;
	show_daemon(daemon, out);
	fputs("\n", out);
	show_workers(answer, record_number(daemon, "uptime_s"), out);
	fputs("\nBUSY is since the start; 99 of 100 turns took no longer than "
	      "DELAY.\n",
	      out);
}

/* ---- services ---------------------------------------------------------- */

static char *value_list_text(const struct value *list)
{
	char *text = memory_copy("", 0);
	size_t i;

	for (i = 0; list != NULL && i < list->count; i++) {
		char *longer = memory_format("%s%s%s", text, i > 0 ? " " : "",
					     list->items[i]);

		free(text);
		text = longer;
	}
	return text;
}

static void add_service_row(struct table *table, const struct record *service)
{
	table_add_text(table, record_text(service, "name"));
	table_add_text(table, record_text(service, "protocol"));
	table_add_text(table, record_text(service, "state"));
	add_limited_cell(table, record_number(service, "clients"),
			 record_number(service, "clients_limit"));
	add_count_cell(table, record_number(service, "lines_in"));
	table_add(table, format_bytes(record_number(service, "bytes_in")));
	table_add(table, format_bytes(record_number(service, "bytes_out")));
	table_add(table, format_bytes(record_number(service, "queued")));
	add_count_cell(table,
		       record_number(service, "sends_dropped") +
			       record_number(service, "datagrams_dropped"));
	add_count_cell(table, record_sum(service, "refused"));
	table_add(table, value_list_text(record_find(service, "listen")));
}

static void show_service_table(const struct answer *answer, FILE *out)
{
	static const struct table_column columns[] = {
		{"SERVICE", false}, {"PROTOCOL", false}, {"STATE", false},
		{"CLIENTS", true},  {"LINES IN", true},  {"IN", true},
		{"OUT", true},      {"QUEUED", true},    {"DROPPED", true},
		{"REFUSED", true},  {"LISTEN", false},
	};
	struct table table;
	size_t i;

	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	for (i = 0; i < answer->count; i++)
		if (record_is(&answer->records[i], "service"))
			add_service_row(&table, &answer->records[i]);
	table_write(&table, out);
	table_fini(&table);
}

/* Every counter of one service. */
static void show_whole_service(const struct record *service, FILE *out)
{
	size_t i;

	for (i = 0; i < service->count; i++) {
		const struct value *value = &service->values[i];
		char *text = value->type == VALUE_LIST ? value_list_text(value)
			     : value->type == VALUE_TEXT
				     ? memory_format("%s", value->text)
				     : format_count(value->number);

		fprintf(out, "%-34s %s\n", value->name, text);
		free(text);
	}
}

void show_services(const struct answer *answer, const char *argument, FILE *out)
{
	size_t i, shown = 0;

	if (argument[0] == '\0') {
		show_service_table(answer, out);
		return;
	}
	for (i = 0; i < answer->count; i++) {
		if (!record_is(&answer->records[i], "service"))
			continue;
		fputs(shown++ > 0 ? "\n" : "", out);
		show_whole_service(&answer->records[i], out);
	}
}

/* ---- clients ----------------------------------------------------------- */

static int compare_client_ids(const void *a, const void *b)
{
	uint64_t left = record_number(*(const struct record *const *)a, "id");
	uint64_t right = record_number(*(const struct record *const *)b, "id");

	return left < right ? -1 : left > right;
}

const struct record **show_sort_clients(const struct answer *answer,
					size_t *count)
{
	const struct record **sorted =
		memory_new(answer->count, sizeof(*sorted));
	size_t i;

	*count = 0;
	for (i = 0; i < answer->count; i++)
		if (record_is(&answer->records[i], "client"))
			sorted[(*count)++] = &answer->records[i];
	qsort(sorted, *count, sizeof(*sorted), compare_client_ids);
	return sorted;
}

static void add_client_row(struct table *table, const struct record *client)
{
	table_add(table,
		  memory_format("%" PRIu64, record_number(client, "id")));
	table_add_text(table, record_text(client, "service"));
	table_add_text(table, record_text(client, "address"));
	table_add(table, format_time(record_number(client, "connected_ms")));
	table_add(table, format_time(record_number(client, "silent_ms")));
	add_count_cell(table, record_number(client, "lines_in"));
	table_add(table, format_bytes(record_number(client, "bytes_in")));
	table_add(table, format_bytes(record_number(client, "bytes_out")));
	table_add(table, format_bytes(record_number(client, "queued")));
	table_add(table,
		  memory_format("%" PRIu64, record_number(client, "worker")));
}

void show_clients(const struct answer *answer, const char *argument, FILE *out)
{
	static const struct table_column columns[] = {
		{"ID", true},        {"SERVICE", false}, {"ADDRESS", false},
		{"CONNECTED", true}, {"SILENT", true},   {"LINES IN", true},
		{"IN", true},        {"OUT", true},      {"QUEUED", true},
		{"WORKER", true},
	};
	const struct record **sorted;
	struct table table;
	size_t count, i;

	(void)argument;
	sorted = show_sort_clients(answer, &count);
	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	for (i = 0; i < count; i++)
		add_client_row(&table, sorted[i]);
	table_write(&table, out);
	table_fini(&table);
	free(sorted);
}

/* ---- why, plan --------------------------------------------------------- */

void show_why(const struct answer *answer, const char *argument, FILE *out)
{
	static const struct table_column columns[] = {
		{"SERVICE", false}, {"VERDICT", false},   {"BY", false},
		{"CLIENTS", true},  {"OF ADDRESS", true}, {"RULE", false},
	};
	struct table table;
	size_t i;

	(void)argument;
	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	for (i = 0; i < answer->count; i++) {
		const struct record *ruling = &answer->records[i];

		if (!record_is(ruling, "ruling"))
			continue;
		table_add_text(&table, record_text(ruling, "service"));
		table_add_text(&table, record_number(ruling, "accepted")
					       ? "accepted"
					       : "refused");
		table_add_text(&table, record_text(ruling, "by"));
		add_limited_cell(&table, record_number(ruling, "clients"),
				 record_number(ruling, "clients_limit"));
		add_limited_cell(&table,
				 record_number(ruling, "address_clients"),
				 record_number(ruling, "address_limit"));
		table_add_text(&table, record_text(ruling, "rule"));
	}
	table_write(&table, out);
	table_fini(&table);
}

void show_plan(const struct answer *answer, const char *argument, FILE *out)
{
	size_t steps = 0, i;

	(void)argument;
	for (i = 0; i < answer->count; i++) {
		const struct record *step = &answer->records[i];
		const char *service = record_text(step, "service");

		if (!record_is(step, "step"))
			continue;
		steps++;
		if (service[0] != '\0')
			fprintf(out, "service %s: ", service);
		fprintf(out, "%s\n", record_text(step, "text"));
	}
	if (steps == 0 && answer->end == ANSWER_OK)
		fputs("a reload would change nothing\n", out);
}

/* ---- changes ----------------------------------------------------------- */

void show_kick(const struct answer *answer, const char *argument, FILE *out)
{
	const struct record *client = answer_find(answer, "client");

	(void)argument;
	if (client != NULL)
		fprintf(out, "client %" PRIu64 " %s of service %s was closed\n",
			record_number(client, "id"),
			record_text(client, "address"),
			record_text(client, "service"));
}

void show_drain(const struct answer *answer, const char *argument, FILE *out)
{
	if (answer->end == ANSWER_OK)
		fprintf(out,
			"service %s was drained; the next reload begins it "
			"again, if it is still in the configuration\n",
			argument);
}

void show_reload(const struct answer *answer, const char *argument, FILE *out)
{
	(void)argument;
	if (answer->end == ANSWER_OK)
		fputs("reloaded\n", out);
}

void show_log(const struct answer *answer, const char *argument, FILE *out)
{
	if (answer->end == ANSWER_OK)
		fprintf(out, "logging from %s on, until the next reload\n",
			argument);
}

void show_metrics(const struct answer *answer, const char *argument, FILE *out)
{
	size_t i;

	(void)argument;
	for (i = 0; i < answer->count; i++)
		if (record_is(&answer->records[i], "text"))
			fprintf(out, "%s\n",
				record_text(&answer->records[i], "line"));
}
