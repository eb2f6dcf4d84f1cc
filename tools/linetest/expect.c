/* SPDX-License-Identifier: MIT */
/*
 * What a client is to see: lines, bytes, silence, the end. Compares, and tells
 * the difference; when to give up waiting is the player's to say.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/diagnosis.h"
#include "linetest/match.h"
#include "linetest/player_priv.h"
#include "linetest/text.h"

/* What a step expects, as a person reads it; to be freed. */
static char *expected_text(const struct player *player, const struct step *step)
{
	const char *tilde;
	struct bytes out = {0};

	if (!step->text.is_pattern) {
		template_show(&step->text, &player->values, &out);
		return bytes_take(&out);
	}
	tilde = strchr(step->source, '~');
	tilde += strcspn(tilde, " ");
	return memory_format("(a match of)%s", tilde);
}

static char *shown(const char *data, size_t len)
{
	struct bytes out = {0};

	text_show(&out, data, len);
	return bytes_take(&out);
}

/* ---- lines -------------------------------------------------------------- */

static void tell_expected(struct player *player, const struct step *steps,
			  size_t count, const bool *met)
{
	const char *label = "expected";
	size_t i;

	for (i = 0; i < count; i++) {
		char *expected;

		if (met[i])
			continue;
		expected = expected_text(player, &steps[i]);
		diagnosis_item(player->failure, label, expected);
		free(expected);
		label = "or";
	}
}

static bool another_line(struct player *player, const struct actor *actor,
			 const struct step *steps, size_t count,
			 const bool *met, const struct actor_line *line)
{
	char *got = shown(line->text, line->len), *expected;

	player_fail(player, steps, "%s got another line than was expected",
		    actor->name);
	if (count == 1 && !steps->text.is_pattern) {
		expected = expected_text(player, steps);
		diagnosis_difference(player->failure, expected, got);
		free(expected);
	} else {
		tell_expected(player, steps, count, met);
		diagnosis_item(player->failure, "got", got);
	}
	free(got);
	return false;
}

static bool no_line(struct player *player, struct actor *actor,
		    const struct step *steps, size_t count, const bool *met)
{
	char *excuse = player_excuse(player, actor), *rest;
	size_t left = actor_unread(actor);

	player_fail(player, steps, "%s did not get what was expected: %s",
		    actor->name, excuse);
	tell_expected(player, steps, count, met);
	if (left > 0) {
		rest = shown(actor->seen.data + actor->read, left);
		diagnosis_item(player->failure, "got", rest);
		bytes_add_text(player->failure, "            (without the end "
						"of a line)\n");
		free(rest);
	} else {
		diagnosis_item(player->failure, "got",
			       actor->skipping
				       ? "nothing of the kind (see below)"
				       : "nothing");
	}
	free(excuse);
	return false;
}

/* Which of the steps a line meets; count where none. */
static size_t find_match(struct player *player, const struct step *steps,
			 size_t count, const bool *met,
			 const struct actor_line *line)
{
	/* Matching wants a NUL behind the line. */
	char *text = memory_copy(line->text, line->len);
	size_t i;

	for (i = 0; i < count; i++)
		if (!met[i] && match_line(&steps[i].text, &player->values, text,
					  line->len))
			break;
	free(text);
	return i;
}

static bool is_complete(const bool *met, size_t count)
{
	return memchr(met, false, count * sizeof(*met)) == NULL;
}

static bool run_lines(struct player *player, struct actor *actor,
		      const struct step *steps, size_t count, bool *met)
{
	struct deadline deadline;
	struct actor_line line;
	bool result = true;
	size_t found;

	deadline_start(&deadline, player->dispatcher, player->patience_ms);
	while (result && !is_complete(met, count)) {
		if (!actor_line(actor, &line)) {
			if (actor_is_over(actor) ||
			    !player_turn(player, &deadline))
				result = no_line(player, actor, steps, count,
						 met);
			continue;
		}
		found = find_match(player, steps, count, met, &line);
		if (found < count)
			met[found] = true;
		else if (!actor->skipping)
			result = another_line(player, actor, steps, count, met,
					      &line);
		if (result)
			actor_take(actor, line.whole);
	}
	deadline_stop(&deadline);
	return result;
}

bool expect_lines(struct player *player, struct actor *actor,
		  const struct step *steps, size_t count)
{
	bool *met = memory_get(count * sizeof(*met));
	bool result = run_lines(player, actor, steps, count, met);

	free(met);
	if (result)
		actor->skipping = false;
	return result;
}

/* ---- bytes -------------------------------------------------------------- */

static size_t same_bytes(const char *a, const char *b, size_t len)
{
	size_t i;

	for (i = 0; i < len && a[i] == b[i]; i++)
		;
	return i;
}

static bool other_bytes(struct player *player, struct actor *actor,
			const struct step *step, const struct bytes *wanted,
			size_t same)
{
	size_t left = actor_unread(actor);
	char *excuse = player_excuse(player, actor);
	char *expected = shown(wanted->data, wanted->len), *got;

	if (left > same)
		player_fail(player, step,
			    "%s got other bytes than were expected",
			    actor->name);
	else
		player_fail(player, step,
			    "%s did not get what was expected: %s", actor->name,
			    excuse);
	if (left > wanted->len)
		left = wanted->len;
	got = shown(actor->seen.data + actor->read, left);
	if (left > 0)
		diagnosis_difference(player->failure, expected, got);
	else
		diagnosis_item(player->failure, "expected", expected);
	if (left == 0)
		diagnosis_item(player->failure, "got", "nothing");
	free(excuse);
	free(expected);
	free(got);
	return false;
}

static bool run_raw(struct player *player, struct actor *actor,
		    const struct step *step, const struct bytes *wanted)
{
	struct deadline deadline;
	size_t have, same;
	bool result = false;

	deadline_start(&deadline, player->dispatcher, player->patience_ms);
	do {
		have = actor_unread(actor);
		if (have > wanted->len)
			have = wanted->len;
		same = have > 0 ? same_bytes(actor->seen.data + actor->read,
					     wanted->data, have)
				: 0;
		result = same == wanted->len;
	} while (!result && same == have && !actor_is_over(actor) &&
		 player_turn(player, &deadline));
	deadline_stop(&deadline);
	if (!result)
		return other_bytes(player, actor, step, wanted, same);
	actor_take(actor, wanted->len);
	return true;
}

bool expect_raw(struct player *player, struct actor *actor,
		const struct step *step)
{
	struct bytes wanted = {0};
	bool result;

	template_expand(&step->text, &player->values, &wanted);
	result = run_raw(player, actor, step, &wanted);
	bytes_fini(&wanted);
	return result;
}

/* ---- silence and ends --------------------------------------------------- */

static bool something_came(struct player *player, const struct actor *actor,
			   const struct step *step)
{
	size_t left = actor_unread(actor);
	char *got;

	player->about = actor;
	player_fail(player, step, "%s was to get nothing for %u ms",
		    actor->name, (unsigned)step->ms);
	if (left == 0) {
		diagnosis_item(player->failure, "got",
			       "the end of the connection");
		return false;
	}
	got = shown(actor->seen.data + actor->read, left);
	diagnosis_item(player->failure, "got", got);
	free(got);
	return false;
}

/* The actors a silence is about, from `from` on, that have got something; the
 * end of a connection that was over before is no news. */
static struct actor *find_noisy(struct player *player, struct actor *only,
				const bool *was_over)
{
	size_t i;

	for (i = 0; i < player->script->actor_count; i++) {
		struct actor *actor = &player->actors[i];

		if (only != NULL && actor != only)
			continue;
		if (!actor->connected)
			continue;
		if (actor_unread(actor) > 0 ||
		    (actor_is_over(actor) && !was_over[i]))
			return actor;
	}
	return NULL;
}

bool expect_silence(struct player *player, struct actor *actor,
		    const struct step *step)
{
	size_t count = player->script->actor_count, i;
	bool *was_over = memory_get((count + 1) * sizeof(*was_over));
	struct actor *noisy;
	struct deadline deadline;
	bool in_time;

	for (i = 0; i < count; i++)
		was_over[i] = actor_is_over(&player->actors[i]);
	deadline_start(&deadline, player->dispatcher, step->ms);
	do {
		noisy = find_noisy(player, actor, was_over);
		in_time = noisy == NULL && player_turn(player, &deadline);
	} while (in_time);
	if (noisy == NULL)
		noisy = find_noisy(player, actor, was_over);
	deadline_stop(&deadline);
	free(was_over);
	return noisy == NULL || something_came(player, noisy, step);
}

bool expect_nothing_left(struct player *player, struct actor *actor,
			 const struct step *step)
{
	size_t left = actor_unread(actor);
	char *got;

	if (left == 0 || actor->skipping)
		return true;
	got = shown(actor->seen.data + actor->read, left);
	player->about = actor;
	player_fail(player, step, "%s got more than was expected", actor->name);
	diagnosis_item(player->failure, "got", got);
	free(got);
	return false;
}

bool expect_end(struct player *player, struct actor *actor,
		const struct step *step)
{
	struct deadline deadline;
	char *excuse;

	deadline_start(&deadline, player->dispatcher, player->patience_ms);
	while (!actor_is_over(actor) &&
	       (actor->skipping || actor_unread(actor) == 0) &&
	       player_turn(player, &deadline))
		;
	deadline_stop(&deadline);
	if (actor->skipping)
		actor_take(actor, actor_unread(actor));
	actor->skipping = false;
	if (!expect_nothing_left(player, actor, step))
		return false;
	if (actor->eof || (actor_is_over(actor) && step->kind == STEP_GONE))
		return true;
	excuse = player_excuse(player, actor);
	player_fail(player, step, "%s was to see the end: %s", actor->name,
		    excuse);
	free(excuse);
	return false;
}

/* ---- the log ------------------------------------------------------------ */

static bool find_in_log(struct player *player, const struct step *step)
{
	struct daemon_process *process = &player->process;

	while (process->log_read < process->log_count) {
		const char *line = process->log[process->log_read++];

		if (match_line(&step->text, &player->values, line,
			       strlen(line)))
			return true;
	}
	return false;
}

bool expect_log(struct player *player, const struct step *step)
{
	size_t begin = player->process.log_read;
	struct deadline deadline;
	char *expected, *excuse;
	bool found;

	deadline_start(&deadline, player->dispatcher, player->patience_ms);
	do
		found = find_in_log(player, step);
	while (!found && player_turn(player, &deadline));
	deadline_stop(&deadline);
	if (found)
		return true;
	excuse = player_excuse(player, NULL);
	player_fail(player, step,
		    "the log has no such line, from its line "
		    "%zu on: %s",
		    begin + 1, excuse);
	expected = expected_text(player, step);
	diagnosis_item(player->failure, "expected", expected);
	free(expected);
	free(excuse);
	return false;
}
