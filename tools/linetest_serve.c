/* SPDX-License-Identifier: MIT */
/*
 * The steps that are the daemon's: writes its config, starts it, has it read
 * another one.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linetest_diagnosis.h"
#include "linetest_player_priv.h"

/* Ports are looked for without holding them: somebody else may be faster. */
#define START_TRIES 5

/* ---- the daemon -------------------------------------------------------------
 */

/* The config's first line, with the number of workers where it has none of
 * its own: on the same line, so that the others keep their numbers. */
static int write_config(struct player *player, const char *text)
{
	char *path = memory_format("%s/lined.conf", player->places.dir);
	FILE *file = fopen(path, "we");
	int result = -1;

	free(player->config);
	player->config = places_fill(&player->places, text);
	if (file != NULL) {
		if (player->settings->workers > 0)
			fprintf(file, "workers = %u ",
				player->settings->workers);
		fputs(player->config, file);
		result = ferror(file) ? -1 : 0;
		if (fclose(file) != 0)
			result = -1;
	}
	free(path);
	return result;
}

static bool is_address_taken(const struct subject *subject, size_t from)
{
	size_t i;

	for (i = from; i < subject->log_count; i++)
		if (strstr(subject->log[i], strerror(EADDRINUSE)) != NULL)
			return true;
	return false;
}

static bool listens(const struct player *player)
{
	size_t i;

	for (i = 0; i < player->script->actor_count; i++)
		if (player->actors[i].listener != NULL)
			return true;
	return false;
}

/* Other addresses than before; not when one of them is known already. */
static bool move_on(struct player *player, size_t from, unsigned try)
{
	struct places other;
	char *error;

	if (try == START_TRIES || listens(player) ||
	    !is_address_taken(&player->subject, from))
		return false;
	if (places_open(&other, player->script, &error) < 0) {
		free(error);
		return false;
	}
	places_close(&player->places, false);
	player->places = other;
	return true;
}

static int start_once(struct player *player, char **error)
{
	char *path;
	int result;

	if (write_config(player, player->script->config) < 0) {
		*error = memory_format("%s/lined.conf: %s", player->places.dir,
				       strerror(errno));
		return -1;
	}
	path = memory_format("%s/lined.conf", player->places.dir);
	result = subject_start(&player->subject, &player->settings->subject,
			       path, PLAYER_DAEMON_MS, error);
	free(path);
	return result;
}

bool serve_start(struct player *player)
{
	unsigned try = 1;
	char *error = NULL;
	size_t from;

	if (player->subject.pid != 0 &&
	    subject_wait(&player->subject, PLAYER_DAEMON_MS, &error) < 0)
		goto fail;
	for (;;) {
		from = player->subject.log_count;
		player->is_stopping = false;
		if (start_once(player, &error) == 0)
			return true;
		if (!move_on(player, from, try++))
			goto fail;
		free(error);
		subject_fini(&player->subject);
		subject_init(&player->subject, player->dispatcher);
	}
fail:
	player_fail(player, player->step, "%s", error);
	if (player->config != NULL)
		diagnosis_config(player->failure, player->config);
	free(error);
	return false;
}

bool serve_reload(struct player *player, const struct step *step)
{
	char *error;

	if (step->config != NULL && write_config(player, step->config) < 0)
		return player_fail(player, step, "lined.conf: %s",
				   strerror(errno));
	if (subject_reload(&player->subject, PLAYER_DAEMON_MS, &error) == 0)
		return true;
	player_fail(player, step, "%s", error);
	if (player->config != NULL)
		diagnosis_config(player->failure, player->config);
	free(error);
	return false;
}
