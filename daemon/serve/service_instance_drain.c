/* SPDX-License-Identifier: MIT */
/*
 * Ends an instance. First the service handles the lines that its clients sent
 * before the drain. Then each client is closed when its lines have been
 * answered. At last the protocol's finish() and stop() are called.
 */
#include "config.h"

#include "serve/service_instance.h"
#include "socket_daemon.h"

/* The interval between checks of a draining instance. */
#define DRAIN_STEP_MS 10

/* A client counts as new for this long after connecting, if it has sent
 * nothing. */
#define NEWCOMER_MS 250

/* Datagrams have no end: a socket is closed after this time even if more
 * arrive. */
#define DATAGRAMS_MS 1000

/* Whether the client has just connected: its first line probably follows soon.
 * Without this check a restart would accept the client and close it unread. */
static bool instance_is_newcomer(const struct lined_socket *sock)
{
	struct lined_traffic traffic;

	lined_socket_traffic(sock, &traffic);
	return traffic.bytes_in == 0 && traffic.connected_ms < NEWCOMER_MS;
}

static void instance_drain_client(struct lined_service *instance,
				  struct lined_socket *sock)
{
	if (instance->protocol->handle_drain == NULL || !instance->started) {
		lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
		return;
	}
	worker_enter(instance->worker, instance);
	instance->protocol->handle_drain(sock);
	worker_leave(instance->worker);
}

/* Whether the client's line waits until its claim or password is decided. */
static bool instance_is_deciding(const struct lined_socket *sock)
{
	return socket_is_held(sock, CLIENT_HOLD_CLAIM | CLIENT_HOLD_PASSWORD);
}

/*
 * Whether all input is answered. A client that waits for the response to
 * a request (lined/control.h) counts as answered: the request may itself wait
 * for this drain.
 */
static bool instance_is_answered(const struct lined_socket *sock)
{
	return lined_socket_is_quiet(sock) && !instance_is_newcomer(sock) &&
	       !instance_is_deciding(sock);
}

/*
 * Marks each client without unread input: its lines from before the drain,
 * which may be for other clients, are handled. Returns whether all clients are
 * marked. A mark stays: otherwise, while many clients go on sending, there
 * would always be a client with unread input.
 */
static bool instance_mark_heard(const struct list *clients)
{
	struct client *client;
	bool all = true;

	list_for_each(client, clients, link) {
		const struct lined_socket *sock = client_socket(client);

		if (!client->peer.heard)
			client->peer.heard = lined_socket_is_closed(sock) ||
					     (!socket_has_unread(sock) &&
					      !instance_is_deciding(sock));
		all = all && client->peer.heard;
	}
	return all;
}

static bool instance_has_heard(const struct lined_service *instance,
			       uint64_t now_ms)
{
	return instance_mark_heard(&instance->clients) &&
	       (now_ms >= instance->datagrams_end_ms ||
		instance_mark_heard(&instance->datagrams));
}

/* Closes all clients in a handshake, and each client whose lines have been
 * answered. `all`: closes all clients. */
static void instance_drain_clients(struct lined_service *instance, bool all)
{
	struct client *client, *next;

	list_for_each_safe(client, next, &instance->handshakes, link)
		lined_socket_close_for(client_socket(client),
				       LINED_CLOSE_SHUTDOWN, 0);

	list_for_each_safe(client, next, &instance->clients, link) {
		struct lined_socket *sock = client_socket(client);

		if (all)
			lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
		else if (instance->parting && !lined_socket_is_closed(sock) &&
			 instance_is_answered(sock))
			instance_drain_client(instance, sock);
	}
}

/* Whether the protocol may be stopped: no instance of the service has clients,
 * and finish() has returned true or the timeout is over (`late`). */
static bool instance_is_finished(struct lined_service *instance, bool late)
{
	const struct lined_protocol *protocol = instance->protocol;
	bool finished;

	if (!instance->emptied) {
		instance->emptied = true;
		worker_answer(instance->worker, &instance->calls.emptied);
	}
	if (!instance->finishing)
		return false;
	if (late || !instance->started || protocol->finish == NULL)
		return true;
	worker_enter(instance->worker, instance);
	finished = protocol->finish(instance);
	worker_leave(instance->worker);
	return finished;
}

static void instance_stop_protocol(struct lined_service *instance)
{
	instance->ending = true;
	lined_timer_stop(&instance->task);
	worker_enter(instance->worker, instance);
	if (instance->started && instance->protocol->stop != NULL)
		instance->protocol->stop(instance);
	worker_leave(instance->worker);
	instance_leave(instance);
}

/* Returns true when the instance has ended: one call later than stop(), because
 * handle_close must be called first for the sockets that stop() closed. */
static bool instance_end(struct lined_service *instance, bool late)
{
	if (!list_is_empty(&instance->clients) ||
	    !list_is_empty(&instance->handshakes) || instance->asking > 0 ||
	    !list_is_empty(&instance->datagrams))
		return false;
	if (!instance->ending) {
		if (instance_is_finished(instance, late))
			instance_stop_protocol(instance);
		return false;
	}
	lined_table_set_max(instance->table, 0);
	worker_answer(instance->worker, &instance->calls.ended);
	return true;
}

static void instance_drain_fired(struct lined_timer *timer)
{
	struct lined_service *instance =
		lined_container_of(timer, struct lined_service, drain);
	uint64_t now_ms = lined_dispatcher_now_ms(instance->worker->dispatcher);
	bool late = now_ms >= instance->drain_end_ms;
	struct client *client, *next;

	if (!instance->heard &&
	    (late || instance_has_heard(instance, now_ms))) {
		instance->heard = true;
		worker_answer(instance->worker, &instance->calls.heard);
	}
	instance_drain_clients(instance, late);
	/* Closes each datagram socket whose input has been handled. Closes all
	 * of them when it is late, or after DATAGRAMS_MS. */
	list_for_each_safe(client, next, &instance->datagrams, link) {
		struct lined_socket *sock = client_socket(client);

		if (late || now_ms >= instance->datagrams_end_ms ||
		    lined_socket_is_quiet(sock))
			lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
	}
	if (!instance_end(instance, late))
		lined_timer_start(timer, DRAIN_STEP_MS, 0);
}

void instance_drain(struct lined_service *instance, uint32_t timeout_ms)
{
	struct lined_dispatcher *d = instance->worker->dispatcher;

	if (instance->draining)
		return;
	instance->draining = true;
	worker_enter(instance->worker, instance);
	if (instance->started && instance->protocol->drain != NULL)
		instance->protocol->drain(instance);
	worker_leave(instance->worker);
	lined_timer_init(&instance->drain, d, instance_drain_fired);
	instance->drain_end_ms = lined_dispatcher_now_ms(d) + timeout_ms;
	instance->datagrams_end_ms = lined_dispatcher_now_ms(d) + DATAGRAMS_MS;
	/* Fires in the next turn: lines that have arrived are handled in this
	 * turn. */
	lined_timer_start(&instance->drain, 1, 0);
}

void instance_part(struct lined_service *instance)
{
	instance->parting = true;
	lined_timer_start(&instance->drain, 0, 0);
}

void instance_finish(struct lined_service *instance)
{
	instance->finishing = true;
	lined_timer_start(&instance->drain, 0, 0);
}
