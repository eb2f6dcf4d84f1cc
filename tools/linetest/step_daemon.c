/* SPDX-License-Identifier: MIT */
/*
 * Plays the steps of the daemon: writes its config, starts it, reloads it,
 * stops it.
 */
#include "config.h"

#include "linetest/step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "linetest/diagnosis.h"

/* A free port cannot always be held, see net_address_free(): another program
 * may take it before the daemon does. */
#define START_TRIES 5

/* Writes a config for this run. Returns its path, to be freed; NULL and a
 * message. */
static char *run_write_config(struct run *run, const char *text, char **error)
{
	free(run->config);
	run->config = run_dir_fill(&run->dir, text);
	return run_dir_write_config(&run->dir, run->config,
				    run->settings->workers, error);
}

static bool log_has_address_in_use(const struct daemon_process *process,
				   size_t from)
{
	size_t i;

	for (i = from; i < process->log_count; i++)
		if (strstr(process->log[i], strerror(EADDRINUSE)) != NULL)
			return true;
	return false;
}

static bool run_has_listener(const struct run *run)
{
	size_t i;

	for (i = 0; i < run->transcript->client_count; i++)
		if (run->clients[i].listener != NULL)
			return true;
	return false;
}

/* If the daemon did not start because a port was taken, chooses other addresses
 * and returns true. Returns false if a client listens already, because it would
 * keep its old address. */
static bool run_change_addresses(struct run *run, size_t log_from, unsigned try)
{
	struct run_dir other;
	char *error;

	if (try == START_TRIES || run_has_listener(run) ||
	    !log_has_address_in_use(&run->process, log_from))
		return false;
	if (run_dir_open(&other, run->transcript, &error) < 0) {
		free(error);
		return false;
	}
	run_dir_close(&run->dir, false);
	run->dir = other;
	return true;
}

static int start_once(struct run *run, char **error)
{
	char *path = run_write_config(run, run->transcript->config, error);
	int result;

	if (path == NULL)
		return -1;
	result = daemon_process_start(&run->process, &run->settings->daemon,
				      path, RUN_DAEMON_MS, error);
	free(path);
	return result;
}

/* Reports a failure with the message `error`, and frees the message. */
static bool daemon_step_fail(struct run *run, const struct step *step,
			     char *error)
{
	run_fail(run, step, "%s", error);
	if (run->config != NULL)
		diagnosis_config(run->failure, run->config);
	free(error);
	return false;
}

bool step_start(struct run *run, const struct step *step)
{
	unsigned try = 1;
	char *error = NULL;
	size_t log_from;

	if (run->settings->server != NULL)
		return true;
	/* A daemon that was stopped before must first exit with 0. */
	if (daemon_process_wait(&run->process, RUN_DAEMON_MS, &error) < 0)
		return daemon_step_fail(run, step, error);
	for (;;) {
		log_from = run->process.log_count;
		run->is_stopping = false;
		if (start_once(run, &error) == 0)
			return true;
		if (!run_change_addresses(run, log_from, try++))
			return daemon_step_fail(run, step, error);
		free(error);
		daemon_process_fini(&run->process);
		daemon_process_init(&run->process, run->dispatcher);
	}
}

bool step_stop(struct run *run, const struct step *step)
{
	run->is_stopping = true;
	daemon_process_stop(&run->process);
	return true;
}

bool step_reload(struct run *run, const struct step *step)
{
	char *error, *path;

	if (step->config != NULL) {
		path = run_write_config(run, step->config, &error);
		if (path == NULL)
			return daemon_step_fail(run, step, error);
		free(path);
	}
	if (daemon_process_reload(&run->process, RUN_DAEMON_MS, &error) < 0)
		return daemon_step_fail(run, step, error);
	return true;
}

bool step_wait(struct run *run, const struct step *step)
{
	run_wait_until(run, step->ms, false);
	return true;
}
