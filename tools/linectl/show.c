/* SPDX-License-Identifier: MIT */
/*
 * Prints answers: which values of a record are shown, and in which words.
 */
#include "config.h"

#include "linectl/show.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/memory_or_exit.h"
#include "linectl/format_number.h"
#include "linectl/record_table.h"
#include "linectl/top_samples.h"

/* Writes the table after an empty line, if there are records of the kind. */
static void show_table(FILE *out, const struct answer *answer, const char *kind,
		       const struct table_column *columns, size_t column_count)
{
	if (answer_find(answer, kind) == NULL)
		return;
	fputs("\n", out);
	table_write(out, columns, column_count, answer, kind);
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

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

static void __attribute__((format(printf, 3, 4)))
show_line(FILE *out, const char *name, const char *format, ...)
{
	va_list arguments;

	fprintf(out, "%-9s ", name);
	va_start(arguments, format);
	vfprintf(out, format, arguments);
	va_end(arguments);
	fputs("\n", out);
}

static void show_memory(const struct record *daemon, FILE *out)
{
	uint64_t limit = record_number(daemon, "memory_limit");

	if (limit == 0)
		show_line(out, "memory",
			  "%s held by clients, no ceiling, %s of it kept by "
			  "protocols",
			  format_bytes(record_number(daemon, "memory_held")).s,
			  format_bytes(record_number(daemon, "memory_kept")).s);
	else
		show_line(out, "memory",
			  "%s held by clients, of at most %s, %s of it kept by "
			  "protocols; %" PRIu64 " closed for it",
			  format_bytes(record_number(daemon, "memory_held")).s,
			  format_bytes(limit).s,
			  format_bytes(record_number(daemon, "memory_kept")).s,
			  record_number(daemon, "memory_closed"));
}

static void show_own_node(const struct record *cluster, FILE *out)
{
	const char *error = record_text(cluster, "error");

	show_line(out, "node", "%s, %s%s, at %s%s%s",
		  record_text(cluster, "name"), record_text(cluster, "state"),
		  record_number(cluster, "primary") ? ", primary" : "",
		  record_text(cluster, "server"), error[0] != '\0' ? ": " : "",
		  error);
	show_line(out, "names",
		  "%" PRIu64 ", revision %" PRIu64
		  ", round trip %.1f ms, %" PRIu64 " taken",
		  record_number(cluster, "names"),
		  record_number(cluster, "revision"),
		  (double)record_number(cluster, "round_trip_us") / 1000,
		  record_number(cluster, "names_taken"));
	show_line(out, "lines",
		  "%s sent, %s not sent, %s received, %" PRIu64
		  " lost, %" PRIu64 " waiting",
		  format_count(record_number(cluster, "lines_sent")).s,
		  format_count(record_number(cluster, "lines_unsent")).s,
		  format_count(record_number(cluster, "lines_received")).s,
		  record_number(cluster, "lines_lost"),
		  record_number(cluster, "lines_waiting"));
}

void show_cluster(struct answer *answer, const char *argument, FILE *out)
{
	static const struct table_column columns[] = {
		{"NODE", CELL_TEXT, .value = "name"},
		{"STATE", CELL_TEXT, .value = "state"},
		{"SILENT", CELL_TIME, .value = "silent_ms"},
		{"LOST", CELL_COUNT, .value = "lost"},
		{"WAITING", CELL_COUNT, .value = "waiting"},
		{"PRIMARY", CELL_FLAG, .value = "primary", .second = "yes"},
	};
	const struct record *cluster = answer_find(answer, "cluster");

	if (cluster == NULL) {
		if (answer->end == ANSWER_OK)
			fputs("this daemon is in no cluster\n", out);
		return;
	}
	show_own_node(cluster, out);
	show_table(out, answer, "node", columns, COUNT_OF(columns));
}

static void show_daemon(const struct record *daemon, FILE *out)
{
	uint64_t services = record_number(daemon, "services");
	uint64_t lost = record_number(daemon, "log_lost");
	const char *level = record_text(daemon, "log_level");

	fprintf(out, "lined %s, pid %" PRIu64 ", %s since %s (%s)\n",
		record_text(daemon, "version"), record_number(daemon, "pid"),
		record_text(daemon, "state"),
		format_date(record_number(daemon, "started_s")).s,
		format_age(record_number(daemon, "uptime_s")).s);
	show_line(out, "config",
		  "%s, read %s; reloads: %" PRIu64 " done, %" PRIu64 " refused",
		  record_text(daemon, "config"),
		  format_date(record_number(daemon, "config_read_s")).s,
		  record_number(daemon, "reloads.done"),
		  record_number(daemon, "reloads.refused"));
	if (lost == 0)
		show_line(out, "log", "%s", level);
	else
		show_line(out, "log", "%s, %" PRIu64 " message%s lost", level,
			  lost, lost == 1 ? "" : "s");
	show_line(out, "clients", "%s, in %" PRIu64 " service%s",
		  format_count(record_number(daemon, "clients")).s, services,
		  services == 1 ? "" : "s");
	show_memory(daemon, out);
	show_line(out, "bus",
		  "%s published, %s batches between workers, %" PRIu64
		  " refused",
		  format_count(record_number(daemon, "bus.published")).s,
		  format_count(record_number(daemon, "bus.posted")).s,
		  record_number(daemon, "bus.refused"));
	show_line(out, "poller", "%s", record_text(daemon, "poller"));
}

static char *busy_cell(const struct record *worker, const struct answer *answer)
{
	uint64_t uptime_s =
		record_number(answer_find(answer, "daemon"), "uptime_s");

	return memory_format("%.1f %%",
			     (double)record_number(worker, "busy_us") / 10000 /
				     (double)(uptime_s + 1));
}

static char *delay_cell(const struct record *worker,
			const struct answer *answer)
{
	bool more;
	double ms = samples_delay_ms(worker, NULL, &more);

	return more ? memory_format("more") : memory_format("%g ms", ms);
}

static const struct table_column worker_columns[] = {
	{"WORKER", CELL_TEXT, .value = "name"},
	{"CLIENTS", CELL_COUNT, .value = "clients"},
	{"BUSY", CELL_NUMBER, .cell = busy_cell},
	{"TURNS", CELL_COUNT, .value = "turns"},
	{"DELAY", CELL_NUMBER, .cell = delay_cell},
	{"", CELL_FLAG, .value = "stuck", .second = "STUCK: see the log"},
};

static char *expires_cell(const struct record *tls, const struct answer *answer)
{
	time_t end = (time_t)record_number(tls, "expires_s");
	char date[16] = "?";
	struct tm day;

	if (gmtime_r(&end, &day) != NULL)
		strftime(date, sizeof(date), "%F", &day);
	return memory_format("%s", date);
}

static const struct table_column tls_columns[] = {
	{"TLS", CELL_TEXT, .value = "name"},
	{"DAYS LEFT", CELL_COUNT, .value = "days_left"},
	{"EXPIRES", CELL_TEXT, .cell = expires_cell},
	{"NAMES", CELL_TEXT, .value = "names"},
};

static const struct table_column program_columns[] = {
	{"PROGRAMS OF", CELL_TEXT, .value = "service"},
	{"RUNNING", CELL_OF, .value = "running", .second = "programs_limit"},
	{"RESTARTS", CELL_COUNT, .value = "restarts"},
	{"MEMORY", CELL_BYTES, .value = "memory_bytes"},
};

void show_status(struct answer *answer, const char *argument, FILE *out)
{
	const struct record *daemon = answer_find(answer, "daemon");

	if (daemon == NULL)
		return;
	show_daemon(daemon, out);
	fputs("\n", out);
	table_write(out, worker_columns, COUNT_OF(worker_columns), answer,
		    "worker");
	fputs("\nBUSY is since the start; 99 of 100 turns took no longer than "
	      "DELAY.\n",
	      out);
	show_table(out, answer, "tls", tls_columns, COUNT_OF(tls_columns));
	show_table(out, answer, "programs", program_columns,
		   COUNT_OF(program_columns));
	if (answer_find(answer, "cluster") != NULL) {
		fputs("\n", out);
		show_cluster(answer, "", out);
	}
}

/* ---- services ---------------------------------------------------------- */

static const struct table_column service_columns[] = {
	{"SERVICE", CELL_TEXT, .value = "name"},
	{"PROTOCOL", CELL_TEXT, .value = "protocol"},
	{"STATE", CELL_TEXT, .value = "state"},
	{"CLIENTS", CELL_OF, .value = "clients", .second = "clients_limit"},
	{"LINES IN", CELL_COUNT, .value = "lines_in"},
	{"IN", CELL_BYTES, .value = "bytes_in"},
	{"OUT", CELL_BYTES, .value = "bytes_out"},
	{"QUEUED", CELL_BYTES, .value = "queued"},
	{"DROPPED", CELL_COUNT, .value = "sends_dropped",
	 .second = "datagrams_dropped"},
	{"REFUSED", CELL_SUM, .value = "refused"},
	{"LISTEN", CELL_TEXT, .value = "listen"},
};

/* Prints every value of one service. */
static void show_whole_service(const struct record *service, FILE *out)
{
	size_t i;

	for (i = 0; i < service->count; i++) {
		const struct value *value = &service->values[i];

		fprintf(out, "%-34s %s\n", value->name,
			value->type == VALUE_TEXT
				? value->text
				: format_count(value->number).s);
	}
}

void show_services(struct answer *answer, const char *argument, FILE *out)
{
	size_t i, shown = 0;

	if (argument[0] == '\0') {
		table_write(out, service_columns, COUNT_OF(service_columns),
			    answer, "service");
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
	uint64_t left = record_number(a, "id"), right = record_number(b, "id");

	return left < right ? -1 : left > right;
}

void show_sort_clients(struct answer *answer)
{
	if (answer->count > 0)
		qsort(answer->records, answer->count, sizeof(*answer->records),
		      compare_client_ids);
}

void show_clients(struct answer *answer, const char *argument, FILE *out)
{
	static const struct table_column columns[] = {
		{"ID", CELL_NUMBER, .value = "id"},
		{"SERVICE", CELL_TEXT, .value = "service"},
		{"ADDRESS", CELL_TEXT, .value = "address"},
		{"VIA", CELL_TEXT, .value = "via"},
		{"CONNECTED", CELL_TIME, .value = "connected_ms"},
		{"SILENT", CELL_TIME, .value = "silent_ms"},
		{"LINES IN", CELL_COUNT, .value = "lines_in"},
		{"IN", CELL_BYTES, .value = "bytes_in"},
		{"OUT", CELL_BYTES, .value = "bytes_out"},
		{"QUEUED", CELL_BYTES, .value = "queued"},
		{"WORKER", CELL_NUMBER, .value = "worker"},
	};

	show_sort_clients(answer);
	table_write(out, columns, COUNT_OF(columns), answer, "client");
}

/* ---- upstreams --------------------------------------------------------- */

void show_upstreams(struct answer *answer, const char *argument, FILE *out)
{
	static const struct table_column columns[] = {
		{"SERVICE", CELL_TEXT, .value = "service"},
		{"UPSTREAM", CELL_TEXT, .value = "upstream"},
		{"ADDRESS", CELL_TEXT, .value = "address"},
		{"STATE", CELL_TEXT, .value = "state"},
		{"SINCE", CELL_AGE, .value = "since_s"},
		{"SILENT", CELL_AGE, .value = "silent_s"},
		{"LINES", CELL_COUNT, .value = "lines"},
		{"CONNECTS", CELL_COUNT, .value = "connects"},
		{"LAST ERROR", CELL_TEXT, .value = "error"},
	};

	table_write(out, columns, COUNT_OF(columns), answer, "upstream");
}

/* ---- why, plan --------------------------------------------------------- */

static char *verdict_cell(const struct record *ruling,
			  const struct answer *answer)
{
	return memory_format("%s", record_number(ruling, "accepted")
					   ? "accepted"
					   : "refused");
}

void show_why(struct answer *answer, const char *argument, FILE *out)
{
	static const struct table_column columns[] = {
		{"SERVICE", CELL_TEXT, .value = "service"},
		{"VERDICT", CELL_TEXT, .cell = verdict_cell},
		{"BY", CELL_TEXT, .value = "by"},
		{"CLASS", CELL_TEXT, .value = "class"},
		{"CLIENTS", CELL_OF, .value = "clients",
		 .second = "clients_limit"},
		{"OF ADDRESS", CELL_OF, .value = "address_clients",
		 .second = "address_limit"},
		{"RULE", CELL_TEXT, .value = "rule"},
	};

	table_write(out, columns, COUNT_OF(columns), answer, "ruling");
}

void show_plan(struct answer *answer, const char *argument, FILE *out)
{
	size_t steps = 0, i;

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

void show_kick(struct answer *answer, const char *argument, FILE *out)
{
	const struct record *client = answer_find(answer, "client");

	if (client != NULL)
		fprintf(out, "client %" PRIu64 " %s of service %s was closed\n",
			record_number(client, "id"),
			record_text(client, "address"),
			record_text(client, "service"));
}

void show_forgive(struct answer *answer, const char *argument, FILE *out)
{
	size_t count = 0, i;

	for (i = 0; i < answer->count; i++) {
		const struct record *forgiven = &answer->records[i];
		uint64_t left_ms = record_number(forgiven, "left_ms");
		const char *service = record_text(forgiven, "service");
		const char *address = record_text(forgiven, "address");

		if (!record_is(forgiven, "forgiven"))
			continue;
		count++;
		if (left_ms > 0)
			fprintf(out,
				"service %s: %s is let in again: %g s of %g s "
				"were left, for %s\n",
				service, address, (double)left_ms / 1000,
				(double)record_number(forgiven, "length_ms") /
					1000,
				record_text(forgiven, "cause"));
		else
			fprintf(out,
				"service %s: a penalty of %s, which is over, "
				"is forgotten\n",
				service, address);
	}
	if (count == 0 && answer->end == ANSWER_OK)
		fprintf(out, "%s has no penalty\n", argument);
}

void show_drain(struct answer *answer, const char *argument, FILE *out)
{
	if (answer->end == ANSWER_OK)
		fprintf(out,
			"service %s was drained; the next reload begins it "
			"again, if it is still in the configuration\n",
			argument);
}

void show_reload(struct answer *answer, const char *argument, FILE *out)
{
	if (answer->end == ANSWER_OK)
		fputs("reloaded\n", out);
}

void show_log(struct answer *answer, const char *argument, FILE *out)
{
	if (answer->end == ANSWER_OK)
		fprintf(out, "logging from %s on, until the next reload\n",
			argument);
}
