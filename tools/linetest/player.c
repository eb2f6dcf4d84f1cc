/* SPDX-License-Identifier: MIT */
/*
 * Plays a script step by step, as a person at several terminals would: it does
 * one thing, waits until that has happened, and does the next.
 */
#include "config.h"

#include "linetest/player.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "linetest/diagnosis.h"
#include "linetest/player_priv.h"

/* How long the daemon may take to end the connections at the end. A client
 * that left a line unfinished has it wait for the rest. */
#define LEAVE_MS 500

/* For the log, which is written behind, and what else is coming. */
#define LOOK_MS 50

/* How much is told of the client that a failure is about, and of the others. */
#define ROWS_FIRST 40
#define ROWS       20

/* Should linetest itself stand still, it ends so long after its timeout. */
#define ALARM_S 60

bool player_fail(struct player *player, const struct step *step,
		 const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	diagnosis_head(player->failure, step, message);
	return false;
}

/* ---- waiting ------------------------------------------------------------ */

static bool has_died(struct player *player)
{
	return !player->is_stopping && player->process.error == NULL &&
	       player->process.log_count > 0 &&
	       daemon_process_has_ended(&player->process);
}

bool player_turn(struct player *player, struct deadline *deadline)
{
	return !player->run.passed && !has_died(player) &&
	       deadline_turn(deadline);
}

/* What is on its way still belongs to the picture. */
static void look_around(struct player *player)
{
	struct deadline deadline;

	deadline_start(&deadline, player->dispatcher, LOOK_MS);
	while (!has_died(player) && deadline_turn(&deadline))
		;
	deadline_stop(&deadline);
}

char *player_excuse(struct player *player, const struct actor *actor)
{
	char *end, *text;

	/* A daemon that dies ends its connections first. */
	if (actor != NULL && actor_is_over(actor))
		look_around(player);
	if (has_died(player)) {
		end = daemon_process_end_text(&player->process);
		text = memory_format("the daemon is gone, %s", end);
		free(end);
		return text;
	}
	if (actor != NULL && actor->sock == NULL && actor->error != 0)
		return memory_format("the connection is gone (%s)",
				     strerror(actor->error));
	if (actor != NULL && actor_is_over(actor))
		return memory_format("the connection has ended");
	if (deadline_all_are_over())
		return memory_format("interrupted");
	if (player->run.passed)
		return memory_format("the time for all of it is over (%g s)",
				     player->settings->timeout_ms / 1000.0);
	return memory_format("nothing more came within %g s",
			     player->patience_ms / 1000.0);
}

/* ---- steps -------------------------------------------------------------- */

static bool wait_step(struct player *player, const struct step *step)
{
	struct deadline deadline;

	deadline_start(&deadline, player->dispatcher, step->ms);
	while (player_turn(player, &deadline))
		;
	deadline_stop(&deadline);
	return true;
}

static bool daemon_step(struct player *player, const struct step *step)
{
	player->about = NULL;
	switch (step->kind) {
	case STEP_START:
		return serve_start(player);
	case STEP_STOP:
		player->is_stopping = true;
		daemon_process_stop(&player->process);
		return true;
	case STEP_RELOAD:
		return serve_reload(player, step);
	case STEP_LOG:
		return expect_log(player, step);
	case STEP_SILENCE:
		return expect_silence(player, NULL, step);
	default:
		return wait_step(player, step);
	}
}

static bool actor_step(struct player *player, struct actor *actor,
		       const struct step *step, size_t count)
{
	player->about = actor;
	switch (step->kind) {
	case STEP_CONNECT:
		return act_connect(player, actor, step);
	case STEP_SEND:
	case STEP_SEND_RAW:
		return act_send(player, actor, step);
	case STEP_LINE:
		return expect_lines(player, actor, step, count);
	case STEP_RAW:
		return expect_raw(player, actor, step);
	case STEP_SKIP:
		actor->skipping = true;
		return true;
	case STEP_SILENCE:
		return expect_silence(player, actor, step);
	case STEP_EOF:
	case STEP_GONE:
		return expect_end(player, actor, step);
	case STEP_HALF_CLOSE:
		actor_half_close(actor);
		return true;
	case STEP_LISTEN:
		return act_listen(player, actor, step);
	case STEP_ACCEPT:
		return act_accept(player, actor, step);
	case STEP_DEAF:
		actor_deaf(actor);
		lined_dispatcher_poll(player->dispatcher, 0);
		return true;
	default:
		return act_close(player, actor, step);
	}
}

/* How many steps from this one on belong together. */
static size_t count_together(const struct script *script, size_t first)
{
	const struct step *steps = script->steps;
	size_t end = first + 1;

	if (steps[first].kind == STEP_LINE && steps[first].any_order)
		while (end < script->step_count &&
		       steps[end].kind == STEP_LINE && steps[end].any_order &&
		       steps[end].actor == steps[first].actor)
			end++;
	return end - first;
}

static bool out_of_time(struct player *player, const struct step *step)
{
	char *excuse = player_excuse(player, NULL);

	player_fail(player, step, "%s", excuse);
	free(excuse);
	return false;
}

static bool play_steps(struct player *player)
{
	const struct script *script = player->script;
	size_t at = 0, count;
	bool good = true;

	while (good && at < script->step_count) {
		const struct step *step = &script->steps[at];

		player->step = step;
		count = count_together(script, at);
		good = step->actor == STEP_NO_ACTOR
			       ? daemon_step(player, step)
			       : actor_step(player,
					    &player->actors[step->actor], step,
					    count);
		at += count;
		if (good && (player->run.passed || deadline_all_are_over()))
			good = out_of_time(player, step);
	}
	return good;
}

/* ---- the end ------------------------------------------------------------ */

/* Somebody whose connection the daemon ends at once, since it knows that
 * nothing is missing. */
static bool is_let_go(const struct actor *actor)
{
	return !actor->is_datagram &&
	       (actor->said.len == 0 ||
		actor->said.data[actor->said.len - 1] == '\n');
}

static bool all_are_over(const struct player *player)
{
	size_t i;

	for (i = 0; i < player->script->actor_count; i++)
		if (!actor_is_over(&player->actors[i]) &&
		    is_let_go(&player->actors[i]))
			return false;
	return true;
}

/*
 * What chat tells its members as the daemon is stopped is the end's own, and
 * nothing that a transcript would have to say; of one that stops the daemon
 * itself it is asked for like any line.
 */
static void drop_goodbye(struct actor *actor)
{
	static const char goodbye[] =
		"* announcement: this service is closing\n";
	size_t len = sizeof(goodbye) - 1, left = actor_unread(actor);
	struct bytes *seen = &actor->seen;

	if (left < len ||
	    memcmp(seen->data + seen->len - len, goodbye, len) != 0 ||
	    (left > len && seen->data[seen->len - len - 1] != '\n'))
		return;
	seen->len -= len;
	seen->data[seen->len] = '\0';
}

/*
 * The daemon is stopped with the clients still there. It then answers what it
 * has, and ends the connections: so everything that it had to say has been
 * seen, without waiting for silence.
 */
static bool play_end(struct player *player)
{
	struct step end = {.file = player->script->path,
			   .line = player->script->last_line};
	struct deadline deadline;
	bool good = !has_died(player), by_itself = player->is_stopping;
	char *error;
	size_t i;

	if (player->process.pid != 0 && !player->is_stopping)
		daemon_process_stop(&player->process);
	player->is_stopping = true;
	deadline_start(&deadline, player->dispatcher, LEAVE_MS);
	while (!all_are_over(player) && player_turn(player, &deadline))
		;
	deadline_stop(&deadline);
	for (i = 0; !by_itself && i < player->script->actor_count; i++)
		drop_goodbye(&player->actors[i]);
	for (i = 0; good && i < player->script->actor_count; i++)
		good = expect_nothing_left(player, &player->actors[i], &end);
	for (i = 0; i < player->script->actor_count; i++) {
		actor_close(&player->actors[i]);
		actor_deaf(&player->actors[i]);
	}
	if (daemon_process_wait(&player->process, PLAYER_DAEMON_MS, &error) <
	    0) {
		if (player->failure->len == 0)
			player_fail(player, &end, "%s", error);
		free(error);
		good = false;
	}
	return good;
}

static void tell_all(struct player *player)
{
	size_t i;

	look_around(player);
	if (player->about != NULL)
		diagnosis_actor(player->failure, player->about, ROWS_FIRST);
	for (i = 0; i < player->script->actor_count; i++)
		if (&player->actors[i] != player->about)
			diagnosis_actor(player->failure, &player->actors[i],
					ROWS);
	diagnosis_log(player->failure, &player->process);
	if (player->settings->keep)
		bytes_add_format(player->failure, "  all of it is in %s\n",
				 player->dir.path);
}

static void player_init(struct player *player)
{
	const struct script *script = player->script;
	size_t i;

	player->patience_ms = script->patience_ms > 0
				      ? script->patience_ms
				      : player->settings->patience_ms;
	player->cut = player->settings->cut;
	daemon_process_init(&player->process, player->dispatcher);
	player->actors =
		memory_get((script->actor_count + 1) * sizeof(*player->actors));
	for (i = 0; i < script->actor_count; i++)
		actor_init(&player->actors[i], script->actors[i],
			   player->dispatcher);
	deadline_start(&player->run, player->dispatcher,
		       player->settings->timeout_ms);
}

static void player_fini(struct player *player)
{
	size_t i;

	for (i = 0; i < player->script->actor_count; i++)
		actor_fini(&player->actors[i]);
	daemon_process_fini(&player->process);
	deadline_stop(&player->run);
	free(player->actors);
	free(player->config);
	values_fini(&player->values);
	lined_dispatcher_free(player->dispatcher);
	run_dir_close(&player->dir, player->settings->keep);
}

static void copy_log(const struct daemon_process *process, struct bytes *log)
{
	size_t i;

	for (i = 0; i < process->log_count; i++)
		bytes_add_format(log, "%s\n", process->log[i]);
}

bool player_run(const struct script *script,
		const struct player_settings *settings, struct bytes *failure,
		struct bytes *log)
{
	struct player player = {
		.script = script, .settings = settings, .failure = failure};
	char *error;
	bool good;

	if (run_dir_open(&player.dir, script, &error) < 0) {
		bytes_add_format(failure, "%s: %s\n", script->path, error);
		free(error);
		return false;
	}
	player.dispatcher = lined_dispatcher_new();
	if (player.dispatcher == NULL) {
		bytes_add_format(failure, "%s: %s\n", script->path,
				 strerror(errno));
		run_dir_close(&player.dir, false);
		return false;
	}
	player_init(&player);
	alarm(settings->timeout_ms / 1000 + ALARM_S);
	good = play_steps(&player);
	if (good)
		good = play_end(&player);
	if (!good)
		tell_all(&player);
	copy_log(&player.process, log);
	player_fini(&player);
	alarm(0);
	return good;
}
