/* SPDX-License-Identifier: MIT */
/*
 * Prints each record as it comes. With --json, the records become the items of
 * one array.
 */
#include "config.h"

#include "linectl/tap.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"
#include "linectl/format_number.h"
#include "linectl/json.h"

/* A signal that arrives just before a wait does not end the wait, so waits are
 * short. */
#define POLL_MS 200

struct tap {
	struct answer answer;
	const struct command_call *call;
	unsigned long lines; /* the number of lines that were shown */
	unsigned long records;
	bool stopping;
};

static volatile sig_atomic_t interrupted;

/* The first SIGINT or SIGTERM stops the tap. The second one kills linectl,
 * because a daemon that hangs does not end the tap. */
static void handle_interrupt(int number)
{
	interrupted = 1;
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

static void tap_stop(struct tap *tap)
{
	if (tap->stopping)
		return;
	tap->stopping = true;
	control_socket_send(tap->call->control, "stop\n", 5);
}

static void tap_print_record(const struct record *record)
{
	struct number_text when = format_clock();

	if (record_is(record, "lost"))
		printf("%s (%" PRIu64 " lines were skipped)\n", when.s,
		       record_number(record, "lines"));
	else
		printf("%s %" PRIu64 " %s  %s%s\n", when.s,
		       record_number(record, "client"),
		       record_text(record, "address"),
		       record_text(record, "text"),
		       record_number(record, "len") > 1000 ? "..." : "");
}

static void tap_take_record(struct answer *answer, const struct record *record)
{
	struct tap *tap = lined_container_of(answer, struct tap, answer);

	if (tap->stopping)
		return;
	if (tap->call->json) {
		fputs(tap->records++ > 0 ? ",\n" : "", stdout);
		json_record(stdout, record);
	} else {
		tap_print_record(record);
	}
	if (fflush(stdout) == EOF)
		tap_stop(tap);
	if (record_is(record, "line") && ++tap->lines == tap->call->lines)
		tap_stop(tap);
}

static void tap_wait(struct tap *tap)
{
	struct sigaction action = {.sa_handler = handle_interrupt}, before,
			 term;
	char *request = memory_format("tap %s\n", tap->call->argument);

	sigaction(SIGINT, &action, &before);
	sigaction(SIGTERM, &action, &term);
	control_socket_ask(tap->call->control, request, strlen(request), 0,
			   &tap->answer, tap_take_record);
	while (control_socket_poll(tap->call->control, POLL_MS))
		if (interrupted)
			tap_stop(tap);
	sigaction(SIGINT, &before, NULL);
	sigaction(SIGTERM, &term, NULL);
	free(request);
}

enum linectl_status tap_run(const struct command_call *call)
{
	struct tap tap = {.call = call};
	enum linectl_status status;

	if (call->json)
		fputs("{\"lines\":[", stdout);
	tap_wait(&tap);
	if (call->json) {
		fputs("]", stdout);
		if (tap.answer.end != ANSWER_OK) {
			fputs(",\"error\":", stdout);
			json_string(stdout, tap.answer.error,
				    strlen(tap.answer.error));
		}
		fputs("}\n", stdout);
	}
	status = error_status(tap.answer.end);
	if (status != LINECTL_DONE)
		error_print(tap.answer.error);
	answer_fini(&tap.answer);
	return status;
}
