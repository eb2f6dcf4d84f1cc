/* SPDX-License-Identifier: MIT */
/*
 * Plays a script step by step, as a person at several terminals would: it does
 * one thing, waits until that has happened, and does the next.
 */
#include "config.h"

#include "linetest_player.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "linetest_diagnosis.h"
#include "linetest_match.h"
#include "linetest_player_priv.h"

/* Ports are looked for without holding them: somebody else may be faster. */
#define START_TRIES 5

/* How long the daemon may take to end the connections at the end. A client
 * that left a line unfinished has it wait for the rest. */
#define LEAVE_MS 500

/* For a cut to be seen, the daemon must have read what stands before it. */
#define PACE_STEP_NS 20000
#define PACE_STEPS   250

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

/* ---- waiting ----------------------------------------------------------------
 */

static bool has_died(struct player *player)
{
	return !player->is_stopping && player->subject.error == NULL &&
	       player->subject.log_count > 0 &&
	       subject_has_ended(&player->subject);
}

bool player_turn(struct player *player, struct deadline *deadline)
{
	if (player->run.passed || has_died(player))
		return false;
	return deadline_turn(deadline);
}

char *player_excuse(struct player *player, const struct actor *actor)
{
	char *end, *text;

	if (has_died(player)) {
		end = subject_end_text(&player->subject);
		text = memory_format("the daemon is gone, %s", end);
		free(end);
		return text;
	}
	if (actor != NULL && actor->sock == NULL && actor->error != 0)
		return memory_format("the connection is gone (%s)",
				     strerror(actor->error));
	if (actor != NULL && actor_is_over(actor))
		return memory_format("the connection has ended");
	if (player->run.passed)
		return memory_format("the time for all of it is over (%g s)",
				     player->settings->timeout_ms / 1000.0);
	return memory_format("nothing more came within %g s",
			     player->patience_ms / 1000.0);
}

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
			       path, player->patience_ms, error);
	free(path);
	return result;
}

static bool start(struct player *player)
{
	unsigned try = 1;
	char *error = NULL;
	size_t from;

	if (player->subject.pid != 0 &&
	    subject_wait(&player->subject, player->patience_ms, &error) < 0)
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

static bool reload(struct player *player, const struct step *step)
{
	char *error;

	if (step->config != NULL && write_config(player, step->config) < 0)
		return player_fail(player, step, "lined.conf: %s",
				   strerror(errno));
	if (subject_reload(&player->subject, player->patience_ms, &error) == 0)
		return true;
	player_fail(player, step, "%s", error);
	if (player->config != NULL)
		diagnosis_config(player->failure, player->config);
	free(error);
	return false;
}

/* ---- saying -----------------------------------------------------------------
 */

static void nap(void)
{
	static const struct timespec step = {.tv_nsec = PACE_STEP_NS};

	nanosleep(&step, NULL);
}

/*
 * Gives the daemon time to read what was written. On a UNIX socket the system
 * says when it has; elsewhere it says only that it has arrived. False where
 * the daemon does not read: then it is not waited for again.
 */
static bool pace(const struct actor *actor)
{
	int left = 1;
	unsigned i;

	for (i = 0; i < PACE_STEPS && actor->sock != NULL; i++) {
		nap();
		if (ioctl(lined_socket_fd(actor->sock), TIOCOUTQ, &left) < 0 ||
		    left == 0)
			return true;
	}
	return false;
}

static void flush(struct player *player, struct actor *actor)
{
	struct bytes *pending = &actor->pending;
	size_t at = 0, size;
	bool paced = true;

	if (actor->is_datagram && pending->len > 0) {
		actor_write(actor, pending->data, pending->len);
		at = pending->len;
	}
	while (at < pending->len) {
		size = cut_next(&player->cut, pending->data + at,
				pending->len - at);
		actor_write(actor, pending->data + at, size);
		at += size;
		if (player->cut.mode != CUT_WHOLE &&
		    player->cut.mode != CUT_JOINED && paced)
			paced = pace(actor);
	}
	bytes_clear(pending);
}

static bool send_text(struct player *player, struct actor *actor,
		      const struct step *step)
{
	const struct step *next = step + 1;
	const struct script *script = player->script;
	bool crlf = step->end == LINE_END_CRLF ||
		    (step->end == LINE_END_ANY &&
		     player->cut.mode == CUT_SPLIT && !actor->is_datagram);

	template_expand(&step->text, &player->captures, &actor->pending);
	if (step->kind == STEP_SEND)
		bytes_add_text(&actor->pending, crlf ? "\r\n" : "\n");
	if (next < script->steps + script->step_count &&
	    next->actor == step->actor &&
	    (next->kind == STEP_SEND || next->kind == STEP_SEND_RAW) &&
	    !actor->is_datagram && cut_joins(&player->cut))
		return true;
	flush(player, actor);
	return true;
}

/* ---- connecting and closing
 * --------------------------------------------------- */

static bool connect_actor(struct player *player, struct actor *actor,
			  const struct step *step)
{
	struct net_address address;
	struct deadline deadline;
	char *error = NULL;

	if (step->address == NULL) {
		address = player->places.addresses[step->place];
	} else if (net_address_read(&address, step->address, &error) < 0) {
		player_fail(player, step, "%s", error);
		free(error);
		return false;
	}
	deadline_start(&deadline, player->dispatcher, player->patience_ms);
	do {
		actor_connect(actor, &address);
		while (!actor->connected && !actor->failed &&
		       player_turn(player, &deadline))
			;
		/* A UNIX socket whose backlog is full does not wait. */
	} while (!actor->connected && actor->error == EAGAIN &&
		 player_turn(player, &deadline));
	deadline_stop(&deadline);
	if (actor->connected)
		return true;
	error = player_excuse(player, actor);
	player_fail(player, step, "%s could not connect: %s", actor->name,
		    error);
	free(error);
	return false;
}

static bool listen_actor(struct player *player, struct actor *actor,
			 const struct step *step)
{
	const struct net_address *address =
		&player->places.addresses[step->place];
	char *url;

	if (actor_listen(actor, address) == 0)
		return true;
	url = net_address_url(address);
	player_fail(player, step, "%s could not listen on %s: %s", actor->name,
		    url, strerror(errno));
	free(url);
	return false;
}

static bool accept_actor(struct player *player, struct actor *actor,
			 const struct step *step)
{
	struct deadline deadline;
	bool accepted;
	char *excuse;

	deadline_start(&deadline, player->dispatcher, player->patience_ms);
	do
		accepted = actor_accept(actor);
	while (!accepted && player_turn(player, &deadline));
	deadline_stop(&deadline);
	if (accepted && actor->connected)
		return true;
	excuse = player_excuse(player, NULL);
	player_fail(player, step, "nobody came to %s: %s", actor->name, excuse);
	free(excuse);
	return false;
}

/* What it said last is on its way before it goes. */
static bool close_actor(struct player *player, struct actor *actor,
			const struct step *step)
{
	struct deadline deadline;

	if (!expect_nothing_left(player, actor, step))
		return false;
	deadline_start(&deadline, player->dispatcher, player->patience_ms);
	while (actor->sock != NULL && lined_socket_queued(actor->sock) > 0 &&
	       player_turn(player, &deadline))
		;
	deadline_stop(&deadline);
	if (step->kind == STEP_RESET)
		actor_reset(actor);
	else
		actor_close(actor);
	return true;
}

/* ---- steps
 * ---------------------------------------------------------------------- */

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
	switch (step->kind) {
	case STEP_START:
		return start(player);
	case STEP_STOP:
		player->is_stopping = true;
		subject_stop(&player->subject);
		return true;
	case STEP_RELOAD:
		return reload(player, step);
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
	switch (step->kind) {
	case STEP_CONNECT:
		return connect_actor(player, actor, step);
	case STEP_SEND:
	case STEP_SEND_RAW:
		return send_text(player, actor, step);
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
		return listen_actor(player, actor, step);
	case STEP_ACCEPT:
		return accept_actor(player, actor, step);
	case STEP_DEAF:
		actor_deaf(actor);
		lined_dispatcher_poll(player->dispatcher, 0);
		return true;
	default:
		return close_actor(player, actor, step);
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
		if (good && player->run.passed)
			good = player_fail(player, step,
					   "the time for all of it is over "
					   "(%g s)",
					   player->settings->timeout_ms /
						   1000.0);
	}
	return good;
}

/* ---- the end
 * ---------------------------------------------------------------------- */

/* Somebody of whom the daemon knows that nothing is missing. */
static bool is_idle(const struct actor *actor)
{
	return actor->said.len == 0 ||
	       actor->said.data[actor->said.len - 1] == '\n';
}

static bool all_are_over(const struct player *player)
{
	size_t i;

	for (i = 0; i < player->script->actor_count; i++)
		if (!actor_is_over(&player->actors[i]) &&
		    is_idle(&player->actors[i]))
			return false;
	return true;
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
	bool good = !has_died(player);
	char *error;
	size_t i;

	if (player->subject.pid != 0 && !player->is_stopping)
		subject_stop(&player->subject);
	player->is_stopping = true;
	deadline_start(&deadline, player->dispatcher, LEAVE_MS);
	while (!all_are_over(player) && player_turn(player, &deadline))
		;
	deadline_stop(&deadline);
	for (i = 0; good && i < player->script->actor_count; i++)
		good = expect_nothing_left(player, &player->actors[i], &end);
	for (i = 0; i < player->script->actor_count; i++) {
		actor_close(&player->actors[i]);
		actor_deaf(&player->actors[i]);
	}
	if (subject_wait(&player->subject, player->patience_ms, &error) < 0) {
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

	for (i = 0; i < player->script->actor_count; i++)
		diagnosis_actor(player->failure, &player->actors[i]);
	diagnosis_log(player->failure, &player->subject);
	if (player->settings->keep)
		bytes_add_format(player->failure, "  all of it is in %s\n",
				 player->places.dir);
}

static void player_init(struct player *player)
{
	const struct script *script = player->script;
	size_t i;

	player->patience_ms = script->patience_ms > 0
				      ? script->patience_ms
				      : player->settings->patience_ms;
	player->cut = player->settings->cut;
	subject_init(&player->subject, player->dispatcher);
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
	subject_fini(&player->subject);
	deadline_stop(&player->run);
	free(player->actors);
	free(player->config);
	captures_fini(&player->captures);
	lined_dispatcher_free(player->dispatcher);
	places_close(&player->places, player->settings->keep);
}

static void copy_log(const struct subject *subject, struct bytes *log)
{
	size_t i;

	for (i = 0; i < subject->log_count; i++)
		bytes_add_format(log, "%s\n", subject->log[i]);
}

bool player_run(const struct script *script,
		const struct player_settings *settings, struct bytes *failure,
		struct bytes *log)
{
	struct player player = {
		.script = script, .settings = settings, .failure = failure};
	char *error;
	bool good;

	if (places_open(&player.places, script, &error) < 0) {
		bytes_add_format(failure, "%s: %s\n", script->path, error);
		free(error);
		return false;
	}
	player.dispatcher = lined_dispatcher_new();
	if (player.dispatcher == NULL) {
		bytes_add_format(failure, "%s: %s\n", script->path,
				 strerror(errno));
		places_close(&player.places, false);
		return false;
	}
	player_init(&player);
	good = play_steps(&player);
	if (good)
		good = play_end(&player);
	if (!good)
		tell_all(&player);
	copy_log(&player.subject, log);
	player_fini(&player);
	return good;
}
