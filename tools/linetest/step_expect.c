/* SPDX-License-Identifier: MIT */
/*
 * Plays the steps that expect something: lines, bytes, silence, the end of a
 * connection, a line of the log. Each waits until the expected text or event
 * has come and marks the text as read, or reports the difference.
 */
#include "config.h"

#include "linetest/step.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/diagnosis.h"
#include "linetest/match.h"
#include "linetest/escape.h"

/* The text that a step expects, as the transcript has it; to be freed. */
static char *step_text(const struct run *run, const struct step *step)
{
	const char *tilde;
	struct bytes out = {0};

	if (!step->text.is_pattern) {
		template_show(&step->text, &run->values, &out);
		return bytes_take(&out);
	}
	tilde = strchr(step->statement, '~');
	tilde += strcspn(tilde, " ");
	return memory_format("(a match of)%s", tilde);
}

static const char *client_unread_data(const struct client *client)
{
	return bytes_text(&client->seen) + client->read;
}

/* ---- lines -------------------------------------------------------------- */

/* Steps whose lines may come in any order, and which of the lines have come. */
struct expected_lines {
	const struct step *steps;
	size_t count;
	bool *met;
};

static void add_expected_lines(struct run *run, const struct expected_lines *e)
{
	const char *label = "expected";
	size_t i;

	for (i = 0; i < e->count; i++) {
		char *text;

		if (e->met[i])
			continue;
		text = step_text(run, &e->steps[i]);
		diagnosis_item(run->failure, label, text);
		free(text);
		label = "or";
	}
}

static void fail_at_line(struct run *run, const struct client *client,
			 const struct expected_lines *e,
			 const struct client_line *line)
{
	char *expected;

	run_fail(run, e->steps, "%s got another line than was expected",
		 client->name);
	if (e->count == 1 && !e->steps->text.is_pattern) {
		expected = step_text(run, e->steps);
		diagnosis_difference(run->failure, expected, line->text,
				     line->len);
		free(expected);
	} else {
		add_expected_lines(run, e);
		diagnosis_bytes(run->failure, "got", line->text, line->len);
	}
}

static void fail_without_line(struct run *run, struct client *client,
			      const struct expected_lines *e)
{
	run_fail_waiting(run, e->steps, client,
			 "%s did not get what was expected", client->name);
	add_expected_lines(run, e);
	if (client_unread(client) > 0) {
		diagnosis_bytes(run->failure, "got", client_unread_data(client),
				client_unread(client));
		bytes_add_text(run->failure, "            (without the end "
					     "of a line)\n");
	} else {
		diagnosis_item(run->failure, "got",
			       client->skipping
				       ? "nothing of the kind (see below)"
				       : "nothing");
	}
}

/* Which of the steps a line matches; count if none. */
static size_t find_expected_line(struct run *run,
				 const struct expected_lines *e,
				 const struct client_line *line)
{
	/* match_line() needs a NUL behind the line. */
	char *text = memory_copy(line->text, line->len);
	size_t i;

	for (i = 0; i < e->count; i++)
		if (!e->met[i] && match_line(&e->steps[i].text, &run->values,
					     text, line->len))
			break;
	free(text);
	return i;
}

static bool expect_lines(struct run *run, struct client *client,
			 const struct expected_lines *e)
{
	struct deadline deadline;
	struct client_line line;
	size_t left = e->count, found;
	bool good = true;

	deadline_start(&deadline, run->dispatcher, run->patience_ms);
	while (good && left > 0) {
		if (!client_line(client, &line)) {
			good = !client_is_over(client) &&
			       run_turn(run, &deadline);
			if (!good)
				fail_without_line(run, client, e);
			continue;
		}
		found = find_expected_line(run, e, &line);
		if (found < e->count) {
			e->met[found] = true;
			left--;
		} else if (!client->skipping) {
			fail_at_line(run, client, e, &line);
			good = false;
		}
		if (good)
			client_take(client, line.whole);
	}
	deadline_stop(&deadline);
	return good;
}

/* How many steps from this one on may come in any order. */
static size_t count_any_order(const struct transcript *transcript,
			      const struct step *first)
{
	const struct step *end = transcript->steps + transcript->step_count;
	const struct step *step = first + 1;

	while (first->any_order && step < end && step->kind == STEP_LINE &&
	       step->any_order && step->client == first->client)
		step++;
	return (size_t)(step - first);
}

bool step_line(struct run *run, const struct step *step)
{
	struct client *client = run_client(run, step);
	struct expected_lines e = {
		.steps = step,
		.count = count_any_order(run->transcript, step),
	};
	bool good;

	e.met = memory_new(e.count, sizeof(*e.met));
	good = expect_lines(run, client, &e);
	free(e.met);
	run->next += e.count - 1;
	if (good)
		client->skipping = false;
	return good;
}

bool step_skip(struct run *run, const struct step *step)
{
	run_client(run, step)->skipping = true;
	return true;
}

/* ---- bytes -------------------------------------------------------------- */

/* How many of the unread bytes are as wanted, up to the first that differs.
 * *have is the number of unread bytes that were compared. */
static size_t count_same_bytes(const struct client *client,
			       const struct bytes *wanted, size_t *have)
{
	const char *data = client_unread_data(client);
	size_t same;

	*have = client_unread(client);
	if (*have > wanted->len)
		*have = wanted->len;
	for (same = 0; same < *have && data[same] == wanted->data[same]; same++)
		;
	return same;
}

static bool fail_at_bytes(struct run *run, struct client *client,
			  const struct step *step, const struct bytes *wanted,
			  size_t same)
{
	size_t left = client_unread(client);
	struct bytes expected = {0};

	if (left > same)
		run_fail(run, step, "%s got other bytes than were expected",
			 client->name);
	else
		run_fail_waiting(run, step, client,
				 "%s did not get what was expected",
				 client->name);
	if (left > wanted->len)
		left = wanted->len;
	escape_text(&expected, wanted->data, wanted->len);
	if (left > 0) {
		diagnosis_difference(run->failure, bytes_text(&expected),
				     client_unread_data(client), left);
	} else {
		diagnosis_item(run->failure, "expected", bytes_text(&expected));
		diagnosis_item(run->failure, "got", "nothing");
	}
	bytes_fini(&expected);
	return false;
}

static bool expect_bytes(struct run *run, struct client *client,
			 const struct step *step, const struct bytes *wanted)
{
	size_t have, same;

	run_wait_until(run, run->patience_ms,
		       (same = count_same_bytes(client, wanted, &have)) ==
				       wanted->len ||
			       same < have || client_is_over(client));
	if (same < wanted->len)
		return fail_at_bytes(run, client, step, wanted, same);
	client_take(client, wanted->len);
	return true;
}

/* Replaces each CRLF by LF, because a message of WebSocket becomes a line with
 * LF. */
static void drop_line_ends(struct bytes *text)
{
	size_t from, to = 0;

	for (from = 0; from < text->len; from++)
		if (text->data[from] != '\r' || from + 1 == text->len ||
		    text->data[from + 1] != '\n')
			text->data[to++] = text->data[from];
	text->len = to;
}

bool step_raw(struct run *run, const struct step *step)
{
	struct bytes wanted = {0};
	bool good;

	template_expand(&step->text, &run->values, &wanted);
	if (transports[run_client(run, step)->peer.transport].web)
		drop_line_ends(&wanted);
	good = expect_bytes(run, run_client(run, step), step, &wanted);
	bytes_fini(&wanted);
	return good;
}

/* ---- silence and ends --------------------------------------------------- */

static bool fail_at_noise(struct run *run, const struct client *client,
			  const struct step *step)
{
	run->about = client;
	run_fail(run, step, "%s should have got nothing for %u ms",
		 client->name, (unsigned)step->ms);
	if (client_unread(client) > 0)
		diagnosis_bytes(run->failure, "got", client_unread_data(client),
				client_unread(client));
	else
		diagnosis_item(run->failure, "got",
			       "the end of the connection");
	return false;
}

/* A client that received something, or whose connection ended, during a
 * silence; NULL: there is none. only: the client that the silence is for; NULL:
 * all clients. was_over: the connections that had ended before. */
static struct client *find_noisy_client(struct run *run,
					const struct client *only,
					const bool *was_over)
{
	size_t i;

	for (i = 0; i < run->transcript->client_count; i++) {
		struct client *client = &run->clients[i];

		if ((only == NULL || client == only) && client->connected &&
		    (client_unread(client) > 0 ||
		     (client_is_over(client) && !was_over[i])))
			return client;
	}
	return NULL;
}

bool step_silence(struct run *run, const struct step *step)
{
	struct client *only =
		step->client == STEP_NO_CLIENT ? NULL : run_client(run, step);
	size_t count = run->transcript->client_count, i;
	bool *was_over = memory_new(count + 1, sizeof(*was_over));
	struct client *noisy;

	for (i = 0; i < count; i++)
		was_over[i] = client_is_over(&run->clients[i]);
	run_wait_until(run, step->ms,
		       find_noisy_client(run, only, was_over) != NULL);
	noisy = find_noisy_client(run, only, was_over);
	free(was_over);
	return noisy == NULL || fail_at_noise(run, noisy, step);
}

bool step_nothing_left(struct run *run, struct client *client,
		       const struct step *step)
{
	if (client_unread(client) == 0 || client->skipping)
		return true;
	run->about = client;
	run_fail(run, step, "%s got more than was expected", client->name);
	diagnosis_bytes(run->failure, "got", client_unread_data(client),
			client_unread(client));
	return false;
}

bool step_end(struct run *run, const struct step *step)
{
	struct client *client = run_client(run, step);

	run_wait_until(run, run->patience_ms,
		       client_is_over(client) || (!client->skipping &&
						  client_unread(client) > 0));
	if (client->skipping)
		client_take(client, client_unread(client));
	client->skipping = false;
	if (!step_nothing_left(run, client, step))
		return false;
	return client->eof ||
	       (client_is_over(client) && step->kind == STEP_GONE) ||
	       run_fail_waiting(run, step, client, "%s did not see the end",
				client->name);
}

/* ---- the log ------------------------------------------------------------ */

static bool find_log_line(struct run *run, const struct step *step)
{
	struct daemon_process *process = &run->process;

	while (process->log_read < process->log_count) {
		const char *line = process->log[process->log_read++];

		if (match_line(&step->text, &run->values, line, strlen(line)))
			return true;
	}
	return false;
}

bool step_log(struct run *run, const struct step *step)
{
	size_t begin = run->process.log_read;
	char *expected;
	bool found;

	run_wait_until(run, run->patience_ms,
		       (found = find_log_line(run, step)));
	if (found)
		return true;
	run_fail_waiting(run, step, NULL,
			 "the log has no such line, from its line %zu on",
			 begin + 1);
	expected = step_text(run, step);
	diagnosis_item(run->failure, "expected", expected);
	free(expected);
	return false;
}
