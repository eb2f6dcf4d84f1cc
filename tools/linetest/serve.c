/* SPDX-License-Identifier: MIT */
/*
 * The steps that are the daemon's: writes its config, starts it, has it read
 * another one.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "linetest/diagnosis.h"
#include "linetest/player_priv.h"

/* Ports are looked for without holding them: somebody else may be faster. */
#define START_TRIES 5

/* The config of the script or of a step, for this run; its path is to be
 * freed. NULL and a message. */
static char *write_config(struct player *player, const char *text, char **error)
{
	free(player->config);
	player->config = run_dir_fill(&player->dir, text);
	return run_dir_write_config(&player->dir, player->config,
				    player->settings->workers, error);
}

static bool is_address_taken(const struct daemon_process *process, size_t from)
{
	size_t i;

	for (i = from; i < process->log_count; i++)
		if (strstr(process->log[i], strerror(EADDRINUSE)) != NULL)
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
	struct run_dir other;
	char *error;

	if (try == START_TRIES || listens(player) ||
	    !is_address_taken(&player->process, from))
		return false;
	if (run_dir_open(&other, player->script, &error) < 0) {
		free(error);
		return false;
	}
	run_dir_close(&player->dir, false);
	player->dir = other;
	return true;
}

static int start_once(struct player *player, char **error)
{
	char *path = write_config(player, player->script->config, error);
	int result;

	if (path == NULL)
		return -1;
	result = daemon_process_start(&player->process,
				      &player->settings->daemon, path,
				      PLAYER_DAEMON_MS, error);
	free(path);
	return result;
}

static bool fail(struct player *player, const struct step *step, char *error)
{
	player_fail(player, step, "%s", error);
	if (player->config != NULL)
		diagnosis_config(player->failure, player->config);
	free(error);
	return false;
}

/* Where it was stopped, it ended well. */
bool serve_start(struct player *player)
{
	unsigned try = 1;
	char *error = NULL;
	size_t from;

	if (daemon_process_wait(&player->process, PLAYER_DAEMON_MS, &error) < 0)
		return fail(player, player->step, error);
	for (;;) {
		from = player->process.log_count;
		player->is_stopping = false;
		if (start_once(player, &error) == 0)
			return true;
		if (!move_on(player, from, try++))
			return fail(player, player->step, error);
		free(error);
		daemon_process_fini(&player->process);
		daemon_process_init(&player->process, player->dispatcher);
	}
}

bool serve_reload(struct player *player, const struct step *step)
{
	char *error, *path;

	if (step->config != NULL) {
		path = write_config(player, step->config, &error);
		if (path == NULL)
			return fail(player, step, error);
		free(path);
	}
	if (daemon_process_reload(&player->process, PLAYER_DAEMON_MS, &error) <
	    0)
		return fail(player, step, error);
	return true;
}
