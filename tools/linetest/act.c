/* SPDX-License-Identifier: MIT */
/*
 * The steps in which a client does something: it connects, speaks, cut as the
 * run has it, and goes; or listens and is connected to.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "linetest/player_priv.h"

/* For the daemon to say that it has taken a client; where its log does not, it
 * is not waited for longer. */
#define TAKEN_MS 1000

/* For a cut to be seen, the daemon must have read what stands before it. */
#define PACE_STEP_NS 20000
#define PACE_STEPS   250

/* ---- saying ------------------------------------------------------------- */

static void nap(void)
{
	static const struct timespec step = {.tv_nsec = PACE_STEP_NS};

	nanosleep(&step, NULL);
}

/* On a UNIX socket the system says when the daemon has read what was written;
 * elsewhere it says only that it has arrived. */
static bool is_read(const struct actor *actor)
{
	int left = 1;

	return ioctl(lined_socket_fd(actor->sock), TIOCOUTQ, &left) < 0 ||
	       left == 0;
}

/*
 * Gives the daemon time to read what was written. False where it does not read:
 * then it is not waited for again.
 */
static bool pace(const struct actor *actor)
{
	unsigned i;

	for (i = 0; i < PACE_STEPS && actor->sock != NULL; i++) {
		nap();
		if (is_read(actor))
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

bool act_send(struct player *player, struct actor *actor,
	      const struct step *step)
{
	const struct step *next = step + 1;
	const struct script *script = player->script;
	bool crlf = step->end == LINE_END_CRLF ||
		    (step->end == LINE_END_ANY &&
		     player->cut.mode == CUT_SPLIT && !actor->is_datagram);

	template_expand(&step->text, &player->values, &actor->pending);
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

/* ---- connecting and closing --------------------------------------------- */

/*
 * The system accepts connections for a daemon that has not looked yet. Who is
 * there first, and who hears what is said next, is known when the daemon has
 * taken this client.
 */
static void wait_until_taken(struct player *player, struct actor *actor,
			     size_t before)
{
	struct deadline deadline;

	deadline_start(&deadline, player->dispatcher, TAKEN_MS);
	while (daemon_process_arrivals(&player->process) == before &&
	       !actor_is_over(actor) && player_turn(player, &deadline))
		;
	deadline_stop(&deadline);
}

static bool all_is_read(const struct player *player)
{
	size_t i;

	for (i = 0; i < player->script->actor_count; i++) {
		const struct actor *actor = &player->actors[i];

		if (actor->sock != NULL && actor->connected &&
		    !actor->is_datagram && !is_read(actor))
			return false;
	}
	return true;
}

/*
 * Who comes after something was said is not to hear it. With one worker, which
 * looks for new clients when it has handled what it read, that is certain.
 */
static void wait_until_read(struct player *player)
{
	struct deadline deadline;

	deadline_start(&deadline, player->dispatcher, TAKEN_MS);
	while (!all_is_read(player) && player_turn(player, &deadline))
		;
	deadline_stop(&deadline);
}

bool act_connect(struct player *player, struct actor *actor,
		 const struct step *step)
{
	struct net_address address;
	struct deadline deadline;
	size_t before;
	char *error = NULL;

	if (step->url == NULL) {
		address = player->dir.addresses[step->address];
	} else if (net_address_read(&address, step->url, &error) < 0) {
		player_fail(player, step, "%s", error);
		free(error);
		return false;
	}
	wait_until_read(player);
	before = daemon_process_arrivals(&player->process);
	deadline_start(&deadline, player->dispatcher, PLAYER_DAEMON_MS);
	do {
		actor_connect(actor, &address);
		while (!actor->connected && !actor->failed &&
		       player_turn(player, &deadline))
			;
		/* A UNIX socket whose backlog is full does not wait. */
	} while (!actor->connected && actor->error == EAGAIN &&
		 player_turn(player, &deadline));
	deadline_stop(&deadline);
	if (actor->connected && !actor->is_datagram && step->url == NULL)
		wait_until_taken(player, actor, before);
	if (actor->connected)
		return true;
	error = player_excuse(player, actor);
	player_fail(player, step, "%s could not connect: %s", actor->name,
		    error);
	free(error);
	return false;
}

bool act_listen(struct player *player, struct actor *actor,
		const struct step *step)
{
	const struct net_address *address =
		&player->dir.addresses[step->address];
	char *url;

	if (actor_listen(actor, address) == 0)
		return true;
	url = net_address_url(address);
	player_fail(player, step, "%s could not listen on %s: %s", actor->name,
		    url, strerror(errno));
	free(url);
	return false;
}

bool act_accept(struct player *player, struct actor *actor,
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
bool act_close(struct player *player, struct actor *actor,
	       const struct step *step)
{
	struct deadline deadline;

	if (!expect_nothing_left(player, actor, step))
		return false;
	deadline_start(&deadline, player->dispatcher, PLAYER_DAEMON_MS);
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
