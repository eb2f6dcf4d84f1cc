/* SPDX-License-Identifier: MIT */
/*
 * Plays the steps of a transcript: does each step, and waits for its effect
 * before the next one. Stops the daemon at the end.
 */
#include "config.h"

#include "linetest/run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "linetest/diagnosis.h"
#include "linetest/step.h"

/* How long the daemon may take at the end to close the connections. It waits
 * for the rest of a line that a client left unfinished. */
#define LEAVE_MS 500

/* How many lines are shown of the client that failed, and of each of the
 * others. */
#define ROWS_FIRST 40
#define ROWS       20

/* If linetest itself hangs, SIGALRM ends it this long after its timeout. */
#define ALARM_S 60

/* ---- steps -------------------------------------------------------------- */

static bool (*const operations[])(struct run *run, const struct step *step) = {
	[STEP_CONNECT] = step_connect,
	[STEP_SEND] = step_send,
	[STEP_SEND_RAW] = step_send,
	[STEP_LINE] = step_line,
	[STEP_RAW] = step_raw,
	[STEP_SKIP] = step_skip,
	[STEP_SILENCE] = step_silence,
	[STEP_EOF] = step_end,
	[STEP_GONE] = step_end,
	[STEP_CLOSE] = step_close,
	[STEP_HALF_CLOSE] = step_half_close,
	[STEP_RESET] = step_close,
	[STEP_LISTEN] = step_listen,
	[STEP_ACCEPT] = step_accept,
	[STEP_DEAF] = step_deaf,
	[STEP_START] = step_start,
	[STEP_STOP] = step_stop,
	[STEP_RELOAD] = step_reload,
	[STEP_LOG] = step_log,
	[STEP_WAIT] = step_wait,
};

static bool play_steps(struct run *run)
{
	const struct transcript *transcript = run->transcript;
	char *reason;

	while (run->next < transcript->step_count) {
		const struct step *step = &transcript->steps[run->next++];

		run->about = step->client == STEP_NO_CLIENT
				     ? NULL
				     : run_client(run, step);
		if (!operations[step->kind](run, step))
			return false;
		if (run->timeout.passed || deadline_all_are_over()) {
			reason = run_reason(run, NULL);
			run_fail(run, step, "%s", reason);
			free(reason);
			return false;
		}
	}
	return true;
}

/* ---- the end ------------------------------------------------------------ */

/* Whether the daemon closes this connection as soon as it stops. If the
 * client's last line is unfinished, the daemon waits for the rest. */
static bool client_is_closed_at_once(const struct client *client)
{
	return !client->is_datagram &&
	       (client->said.len == 0 ||
		client->said.data[client->said.len - 1] == '\n');
}

static bool clients_are_over(const struct run *run)
{
	size_t i;

	for (i = 0; i < run->transcript->client_count; i++)
		if (!client_is_over(&run->clients[i]) &&
		    client_is_closed_at_once(&run->clients[i]))
			return false;
	return true;
}

#define ANNOUNCEMENT "* announcement: this service is closing"

/*
 * Drops the announcement that chat sends as the daemon stops: a transcript
 * must expect this line only if it has a `stop`.
 */
static void drop_announcement(struct client *client, const char *announcement)
{
	size_t len = strlen(announcement), left = client_unread(client);
	struct bytes *seen = &client->seen;

	if (left < len ||
	    memcmp(seen->data + seen->len - len, announcement, len) != 0 ||
	    (left > len && seen->data[seen->len - len - 1] != '\n'))
		return;
	seen->len -= len;
	seen->data[seen->len] = '\0';
}

/*
 * Stops the daemon while the clients are connected. The daemon then answers the
 * lines that it has received and closes the connections, so that all output of
 * the daemon arrives without a wait for silence. A server of --connect is not
 * stopped.
 */
static bool play_end(struct run *run)
{
	struct step end = {.file = run->transcript->path,
			   .line = run->transcript->last_line};
	bool good = !run_daemon_has_died(run), was_stopped = run->is_stopping;
	char *error;
	size_t count = run->transcript->client_count, i;

	if (run->process.pid != 0 && !was_stopped)
		daemon_process_stop(&run->process);
	run->is_stopping = true;
	if (run->settings->server == NULL)
		run_wait_until(run, LEAVE_MS, clients_are_over(run));
	else
		run_settle(run);
	for (i = 0; !was_stopped && i < count; i++) {
		drop_announcement(&run->clients[i], ANNOUNCEMENT "\n");
		drop_announcement(&run->clients[i], ANNOUNCEMENT "\r\n");
	}
	for (i = 0; good && i < count; i++)
		good = step_nothing_left(run, &run->clients[i], &end);
	for (i = 0; i < count; i++) {
		client_close(&run->clients[i]);
		client_deaf(&run->clients[i]);
	}
	if (daemon_process_wait(&run->process, RUN_DAEMON_MS, &error) < 0) {
		if (run->failure->len == 0)
			run_fail(run, &end, "%s", error);
		free(error);
		good = false;
	}
	return good;
}

static void add_failure_details(struct run *run)
{
	size_t i;

	run_settle(run);
	if (run->about != NULL)
		diagnosis_client(run->failure, run->about, ROWS_FIRST);
	for (i = 0; i < run->transcript->client_count; i++)
		if (&run->clients[i] != run->about)
			diagnosis_client(run->failure, &run->clients[i], ROWS);
	if (run->settings->server == NULL)
		diagnosis_log(run->failure, &run->process);
	if (run->settings->keep)
		bytes_add_format(run->failure, "  everything is kept in %s\n",
				 run->dir.path);
}

bool run_play(const struct transcript *transcript,
	      const struct run_settings *settings, struct bytes *failure,
	      struct bytes *log)
{
	struct run run;
	size_t i;
	bool good;

	if (!run_init(&run, transcript, settings, failure))
		return false;
	alarm(settings->timeout_ms / 1000 + ALARM_S);
	good = play_steps(&run) && play_end(&run);
	if (!good)
		add_failure_details(&run);
	for (i = 0; i < run.process.log_count; i++)
		bytes_add_format(log, "%s\n", run.process.log[i]);
	run_fini(&run);
	alarm(0);
	return good;
}
