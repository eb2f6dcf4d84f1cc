/* SPDX-License-Identifier: MIT */
/*
 * Plays the steps in which a client acts: it connects, sends and closes or, as
 * a server, listens and accepts. run->cut says how the sent bytes are cut into
 * writes.
 */
#include "config.h"

#include "linetest/step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

/* How long step_connect() waits until the daemon has read all earlier bytes,
 * and then until the daemon's log says that the client was accepted. After this
 * time the step goes on, because a higher log level may leave that line out. */
#define ACCEPTED_MS 1000

/* The pause between two checks whether the daemon has read the bytes before a
 * cut, and the largest number of checks. Without them the daemon might read the
 * parts before and behind the cut at once. */
#define PACE_STEP_NS 20000
#define PACE_STEPS   250

/* ---- sending ------------------------------------------------------------ */

/* Whether the daemon has read all written bytes. For sockets that are no UNIX
 * sockets: whether the bytes have arrived in the daemon's receive queue. */
static bool client_output_is_read(const struct client *client)
{
	int left = 1;

	return ioctl(lined_socket_fd(client->sock), TIOCOUTQ, &left) < 0 ||
	       left == 0;
}

/* Gives the daemon time to read the written bytes. False: the daemon does
 * not read. */
static bool client_pace(const struct client *client)
{
	static const struct timespec pause = {.tv_nsec = PACE_STEP_NS};
	unsigned i;

	for (i = 0; i < PACE_STEPS && client->sock != NULL; i++) {
		nanosleep(&pause, NULL);
		if (client_output_is_read(client))
			return true;
	}
	return false;
}

static void client_write_pending(struct client *client, struct cut *cut)
{
	struct bytes *pending = &client->pending;
	bool paces = cut->mode != CUT_WHOLE && cut->mode != CUT_JOINED;
	size_t at = 0, size;

	if (client->is_datagram && pending->len > 0) {
		client_write(client, pending->data, pending->len);
		at = pending->len;
	}
	while (at < pending->len) {
		size = cut_next(cut, pending->data + at, pending->len - at);
		client_write(client, pending->data + at, size);
		at += size;
		/* If the daemon does not read, stop pausing. */
		if (paces)
			paces = client_pace(client);
	}
	bytes_clear(pending);
}

bool step_send(struct run *run, const struct step *step)
{
	struct client *client = run_client(run, step);
	const struct step *next = step + 1;
	const struct transcript *transcript = run->transcript;
	bool crlf = step->end == LINE_END_CRLF ||
		    (step->end == LINE_END_ANY && run->cut.mode == CUT_SPLIT &&
		     !client->is_datagram);

	template_expand(&step->text, &run->values, &client->pending);
	if (step->kind == STEP_SEND)
		bytes_add_text(&client->pending, crlf ? "\r\n" : "\n");
	if (next < transcript->steps + transcript->step_count &&
	    next->client == step->client &&
	    (next->kind == STEP_SEND || next->kind == STEP_SEND_RAW) &&
	    !client->is_datagram && cut_joins(&run->cut))
		return true;
	client_write_pending(client, &run->cut);
	return true;
}

bool step_half_close(struct run *run, const struct step *step)
{
	client_half_close(run_client(run, step));
	return true;
}

/* ---- connecting and closing --------------------------------------------- */

static bool all_output_is_read(const struct run *run)
{
	size_t i;

	for (i = 0; i < run->transcript->client_count; i++) {
		const struct client *client = &run->clients[i];

		if (client->sock != NULL && client->connected &&
		    !client->is_datagram && !client_output_is_read(client))
			return false;
	}
	return true;
}

bool step_connect(struct run *run, const struct step *step)
{
	struct client *client = run_client(run, step);
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
	 * one worker this is certain, because the worker accepts clients after
	 * it has handled the input that it has read. */
	run_wait_until(run, ACCEPTED_MS, all_output_is_read(run));
	arrivals_before = run->process.arrivals;
	deadline_start(&deadline, run->dispatcher, RUN_DAEMON_MS);
	do {
		client_connect(client, &address);
		while (!client->connected && client->sock != NULL &&
		       run_turn(run, &deadline))
			;
		/* connect(2) to a UNIX socket whose backlog is full does not
		 * wait: try again. */
	} while (!client->connected && client->error == EAGAIN &&
		 run_turn(run, &deadline));
	deadline_stop(&deadline);
	if (!client->connected)
		return run_fail_waiting(run, step, client,
					"%s could not connect", client->name);
	/* The system completes connections that the daemon has not accepted
	 * yet. The order of the clients, and which of them gets the next line,
	 * is certain only when the daemon has accepted them. */
	if (!client->is_datagram && step->url == NULL &&
	    run->settings->server == NULL)
		run_wait_until(run, ACCEPTED_MS,
			       run->process.arrivals != arrivals_before ||
				       client_is_over(client));
	return true;
}

/* Waits until the queued bytes are sent, then closes. */
bool step_close(struct run *run, const struct step *step)
{
	struct client *client = run_client(run, step);

	if (!step_nothing_left(run, client, step))
		return false;
	run_wait_until(run, RUN_DAEMON_MS,
		       client->sock == NULL ||
			       lined_socket_queued(client->sock) == 0);
	if (step->kind == STEP_RESET)
		client_reset(client);
	else
		client_close(client);
	return true;
}

/* ---- as a server -------------------------------------------------------- */

bool step_listen(struct run *run, const struct step *step)
{
	struct client *client = run_client(run, step);
	const struct net_address *address = &run->dir.addresses[step->address];
	char *url;

	if (client_listen(client, address) == 0)
		return true;
	url = net_address_url(address);
	run_fail(run, step, "%s could not listen on %s: %s", client->name, url,
		 strerror(errno));
	free(url);
	return false;
}

bool step_accept(struct run *run, const struct step *step)
{
	struct client *client = run_client(run, step);
	bool accepted;

	run_wait_until(run, run->patience_ms,
		       (accepted = client_accept(client)));
	return (accepted && client->connected) ||
	       run_fail_waiting(run, step, NULL, "nobody connected to %s",
				client->name);
}

bool step_deaf(struct run *run, const struct step *step)
{
	client_deaf(run_client(run, step));
	lined_dispatcher_poll(run->dispatcher, 0);
	return true;
}
