/* SPDX-License-Identifier: MIT */
/*
 * Holds the state of a run. Steps wait by run_turn(); run_fail() keeps the
 * reason why the run has failed.
 */
#include "config.h"

#include "linetest/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linetest/diagnosis.h"

#define SETTLE_MS 50

bool run_init(struct run *run, const struct transcript *transcript,
	      const struct run_settings *settings, struct bytes *failure)
{
	char *error;
	size_t i;

	memset(run, 0, sizeof(*run));
	run->transcript = transcript;
	run->settings = settings;
	run->failure = failure;
	if (run_dir_open(&run->dir, transcript, &error) < 0) {
		bytes_add_format(failure, "%s: %s\n", transcript->path, error);
		free(error);
		return false;
	}
	run->dispatcher = lined_dispatcher_new();
	if (run->dispatcher == NULL) {
		bytes_add_format(failure, "%s: %s\n", transcript->path,
				 strerror(errno));
		run_dir_close(&run->dir, false);
		return false;
	}
	run->patience_ms = transcript->patience_ms > 0 ? transcript->patience_ms
						       : settings->patience_ms;
	run->cut = settings->cut;
	daemon_process_init(&run->process, run->dispatcher);
	run->clients =
		memory_new(transcript->client_count + 1, sizeof(*run->clients));
	for (i = 0; i < transcript->client_count; i++)
		client_init(&run->clients[i], transcript->clients[i],
			    run->dispatcher);
	deadline_start(&run->timeout, run->dispatcher, settings->timeout_ms);
	return true;
}

void run_fini(struct run *run)
{
	size_t i;

	for (i = 0; i < run->transcript->client_count; i++)
		client_fini(&run->clients[i]);
	daemon_process_fini(&run->process);
	deadline_stop(&run->timeout);
	free(run->clients);
	free(run->config);
	values_fini(&run->values);
	lined_dispatcher_free(run->dispatcher);
	run_dir_close(&run->dir, run->settings->keep);
}

struct client *run_client(struct run *run, const struct step *step)
{
	return &run->clients[step->client];
}

/* ---- waiting ------------------------------------------------------------ */

bool run_daemon_has_died(struct run *run)
{
	return !run->is_stopping && run->process.error == NULL &&
	       run->process.log_count > 0 &&
	       daemon_process_has_ended(&run->process);
}

bool run_turn(struct run *run, struct deadline *deadline)
{
	return !run->timeout.passed && !run_daemon_has_died(run) &&
	       deadline_turn(deadline);
}

void run_settle(struct run *run)
{
	deadline_wait_until(run->dispatcher, SETTLE_MS,
			    run_daemon_has_died(run));
}

/* ---- failing ------------------------------------------------------------ */

char *run_reason(struct run *run, const struct client *client)
{
	char *end, *text;

	/* When a daemon dies, its connections end before its process does: wait
	 * a moment, so that the cause can be reported. */
	if (client != NULL && client_is_over(client))
		run_settle(run);
	if (run_daemon_has_died(run)) {
		end = daemon_process_end_text(&run->process);
		text = memory_format("the daemon is gone, %s", end);
		free(end);
		return text;
	}
	if (client != NULL && client->sock == NULL && client->error != 0)
		return memory_format("the connection is gone (%s)",
				     strerror(client->error));
	if (client != NULL && client_is_over(client))
		return memory_format("the connection has ended");
	if (deadline_all_are_over())
		return memory_format("interrupted");
	if (run->timeout.passed)
		return memory_format("the run took longer than %g s",
				     run->settings->timeout_ms / 1000.0);
	return memory_format("nothing more came within %g s",
			     run->patience_ms / 1000.0);
}

bool run_fail(struct run *run, const struct step *step, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	diagnosis_head(run->failure, step, message);
	return false;
}

bool run_fail_waiting(struct run *run, const struct step *step,
		      const struct client *client, const char *format, ...)
{
	char message[256], *reason = run_reason(run, client);
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	run_fail(run, step, "%s: %s", message, reason);
	free(reason);
	return false;
}
