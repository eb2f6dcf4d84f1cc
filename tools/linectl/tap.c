/* SPDX-License-Identifier: MIT */
/*
 * Prints each record as it comes; as JSON, the members of one array.
 */
#include "config.h"

#include "linectl/tap.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "linectl/error.h"
#include "linectl/json.h"
#include "common/memory.h"

/* An interrupt that comes just before a wait is seen after it. */
#define STEP_MS 200

struct tap {
	const struct command_call *call;
	unsigned long lines; /* shown */
	unsigned long records;
	bool stopping;
	enum answer_end end;
	char *error;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static void stop(struct tap *tap)
{
	if (tap->stopping)
		return;
	tap->stopping = true;
	control_socket_send(tap->call->control, "stop\n", 5);
}

static void print_text(const struct record *record)
{
	char when[32] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm) != NULL)
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
	if (record_is(record, "lost"))
		printf("%s (%" PRIu64 " lines were passed over)\n", when,
		       record_number(record, "lines"));
	else
		printf("%s %" PRIu64 " %s  %s%s\n", when,
		       record_number(record, "client"),
		       record_text(record, "address"),
		       record_text(record, "text"),
		       record_number(record, "len") > 1000 ? "..." : "");
}

static void on_record(void *arg, struct record *record)
{
	struct tap *tap = arg;

	if (tap->stopping)
		return;
	if (tap->call->json) {
		fputs(tap->records++ > 0 ? ",\n" : "", stdout);
		json_record(stdout, record);
	} else {
		print_text(record);
	}
	if (fflush(stdout) == EOF)
		stop(tap);
	if (record_is(record, "line") && ++tap->lines == tap->call->lines)
		stop(tap);
}

static void on_end(void *arg, enum answer_end end, const char *text)
{
	struct tap *tap = arg;

	tap->end = end;
	tap->error = memory_copy(text, strlen(text));
}

static const struct answer_handlers handlers = {
	.record = on_record,
	.ended = on_end,
	.endless = true,
};

static void wait_for_end(struct tap *tap)
{
	struct sigaction action = {.sa_handler = on_signal}, before, term;
	char *request = memory_format("tap %s\n", tap->call->argument);

	/* The first ends it as it should be ended, the second at once. */
	action.sa_flags = (int)SA_RESETHAND;
	sigaction(SIGINT, &action, &before);
	sigaction(SIGTERM, &action, &term);
	control_socket_ask(tap->call->control, request, strlen(request), 0,
			   &handlers, tap);
	while (control_socket_poll(tap->call->control, STEP_MS))
		if (interrupted)
			stop(tap);
	sigaction(SIGINT, &before, NULL);
	sigaction(SIGTERM, &term, NULL);
	free(request);
}

enum linectl_status tap_run(const struct command_call *call)
{
	struct tap tap = {.call = call};
	enum linectl_status status = LINECTL_DONE;

	if (call->json)
		fputs("{\"lines\":[", stdout);
	wait_for_end(&tap);
	if (call->json)
		fputs("]", stdout);
	if (tap.end != ANSWER_OK && call->json) {
		fputs(",\"error\":", stdout);
		json_string(stdout, tap.error);
	}
	if (call->json)
		fputs("}\n", stdout);
	if (tap.end != ANSWER_OK) {
		error_print(tap.error);
		status = tap.end == ANSWER_REFUSED ? LINECTL_REFUSED
						   : LINECTL_NO_DAEMON;
	}
	free(tap.error);
	return status;
}
