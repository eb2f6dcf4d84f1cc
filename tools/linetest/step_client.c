/* SPDX-License-Identifier: MIT */
/*
 * The steps in which a client acts: it connects, sends (cut as the run has it)
 * and closes; or, as a server, listens and accepts.
 */
#include "config.h"

#include "linetest/step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

/* How long to wait for the daemon's log to say that it has accepted a client.
 * If the daemon logs nothing until then, its log level may be higher: go on. */
#define ACCEPTED_MS 1000

/* How often, and how many times, to check whether the daemon has read the bytes
 * before a cut; otherwise it might read both parts at once. */
#define PACE_STEP_NS 20000
#define PACE_STEPS   250

/* ---- sending ------------------------------------------------------------ */

/* Whether the daemon has read all written bytes. This is known for a UNIX
 * socket only; for other sockets, whether the bytes have arrived in the receive
 * queue. */
static bool actor_output_is_read(const struct actor *actor)
{
	int left = 1;

	return ioctl(lined_socket_fd(actor->sock), TIOCOUTQ, &left) < 0 ||
	       left == 0;
}

/* Gives the daemon time to read the written bytes. False: the daemon does
 * not read. */
static bool actor_pace(const struct actor *actor)
{
	static const struct timespec pause = {.tv_nsec = PACE_STEP_NS};
	unsigned i;

	for (i = 0; i < PACE_STEPS && actor->sock != NULL; i++) {
		nanosleep(&pause, NULL);
		if (actor_output_is_read(actor))
			return true;
	}
	return false;
}

static void actor_write_pending(struct actor *actor, struct cut *cut)
{
	struct bytes *pending = &actor->pending;
	bool paces = cut->mode != CUT_WHOLE && cut->mode != CUT_JOINED;
	size_t at = 0, size;

	if (actor->is_datagram && pending->len > 0) {
		actor_write(actor, pending->data, pending->len);
		at = pending->len;
	}
	while (at < pending->len) {
		size = cut_next(cut, pending->data + at, pending->len - at);
		actor_write(actor, pending->data + at, size);
		at += size;
		/* If the daemon does not read, write the rest without pauses.
		 */
		if (paces)
			paces = actor_pace(actor);
	}
	bytes_clear(pending);
}

bool step_send(struct run *run, const struct step *step)
{
	struct actor *actor = run_actor(run, step);
	const struct step *next = step + 1;
	const struct script *script = run->script;
	bool crlf = step->end == LINE_END_CRLF ||
		    (step->end == LINE_END_ANY && run->cut.mode == CUT_SPLIT &&
		     !actor->is_datagram);

	template_expand(&step->text, &run->values, &actor->pending);
	if (step->kind == STEP_SEND)
		bytes_add_text(&actor->pending, crlf ? "\r\n" : "\n");
	if (next < script->steps + script->step_count &&
	    next->actor == step->actor &&
	    (next->kind == STEP_SEND || next->kind == STEP_SEND_RAW) &&
	    !actor->is_datagram && cut_joins(&run->cut))
		return true;
	actor_write_pending(actor, &run->cut);
	return true;
}

bool step_half_close(struct run *run, const struct step *step)
{
	actor_half_close(run_actor(run, step));
	return true;
}

/* ---- connecting and closing --------------------------------------------- */

static bool all_output_is_read(const struct run *run)
{
	size_t i;

	for (i = 0; i < run->script->actor_count; i++) {
		const struct actor *actor = &run->actors[i];

		if (actor->sock != NULL && actor->connected &&
		    !actor->is_datagram && !actor_output_is_read(actor))
			return false;
	}
	return true;
}

bool step_connect(struct run *run, const struct step *step)
{
	struct actor *actor = run_actor(run, step);
	struct net_address address;
	struct deadline deadline;
	size_t arrivals_before;
	char *error = NULL;

	if (step->url == NULL) {
		address = run->settings->server != NULL
				  ? *run->settings->server
				  : run->dir.addresses[step->address];
	} else if (net_address_read(&address, step->url, &error) < 0) {
		run_fail(run, step, "%s", error);
		free(error);
		return false;
	}
	/* A client must not get lines that were sent before it connected. With
	 * one worker this is certain: it accepts clients after it has handled
	 * the input it read. */
	run_wait_until(run, ACCEPTED_MS, all_output_is_read(run));
	arrivals_before = run->process.arrivals;
	deadline_start(&deadline, run->dispatcher, RUN_DAEMON_MS);
	do {
		actor_connect(actor, &address);
		while (!actor->connected && !actor->failed &&
		       run_turn(run, &deadline))
			;
		/* connect(2) to a UNIX socket whose backlog is full does not
		 * wait: try again. */
	} while (!actor->connected && actor->error == EAGAIN &&
		 run_turn(run, &deadline));
	deadline_stop(&deadline);
	if (!actor->connected)
		return run_fail_waiting(run, step, actor,
					"%s could not connect", actor->name);
	/* The system completes connections that the daemon has not accepted
	 * yet. The order of the clients, and which of them gets the next line,
	 * is certain only when the daemon has accepted them. */
	if (!actor->is_datagram && step->url == NULL &&
	    run->settings->server == NULL)
		run_wait_until(run, ACCEPTED_MS,
			       run->process.arrivals != arrivals_before ||
				       actor_is_over(actor));
	return true;
}

/* Sends the queued bytes before it closes. */
bool step_close(struct run *run, const struct step *step)
{
	struct actor *actor = run_actor(run, step);

	if (!step_nothing_left(run, actor, step))
		return false;
	run_wait_until(run, RUN_DAEMON_MS,
		       actor->sock == NULL ||
			       lined_socket_queued(actor->sock) == 0);
	if (step->kind == STEP_RESET)
		actor_reset(actor);
	else
		actor_close(actor);
	return true;
}

/* ---- as a server -------------------------------------------------------- */

bool step_listen(struct run *run, const struct step *step)
{
	struct actor *actor = run_actor(run, step);
	const struct net_address *address = &run->dir.addresses[step->address];
	char *url;

	if (actor_listen(actor, address) == 0)
		return true;
	url = net_address_url(address);
	run_fail(run, step, "%s could not listen on %s: %s", actor->name, url,
		 strerror(errno));
	free(url);
	return false;
}

bool step_accept(struct run *run, const struct step *step)
{
	struct actor *actor = run_actor(run, step);
	bool accepted;

	run_wait_until(run, run->patience_ms, (accepted = actor_accept(actor)));
	return (accepted && actor->connected) ||
	       run_fail_waiting(run, step, NULL, "nobody connected to %s",
				actor->name);
}

bool step_deaf(struct run *run, const struct step *step)
{
	actor_deaf(run_actor(run, step));
	lined_dispatcher_poll(run->dispatcher, 0);
	return true;
}
