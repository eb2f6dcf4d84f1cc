/* SPDX-License-Identifier: MIT */
/*
 * Makes clients from accepted descriptors, passes them to their protocol, and
 * removes them when they close.
 */
#include "config.h"

#include "serve/client.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "counter.h"
#include "log/log.h"
#include "serve/client_class.h"
#include "serve/client_lines.h"
#include "serve/client_log.h"
#include "serve/client_penalty.h"
#include "serve/client_tls.h"
#include "serve/client_web.h"
#include "serve/service_instance.h"
#include "socket_daemon.h"

/* The limits of the client's class. */
static const struct admission_limits *client_limits(struct lined_socket *sock)
{
	return conf_class_admission(client_instance(sock)->conf,
				    socket_class(sock));
}

static void client_count_timeout(struct lined_socket *sock)
{
	enum timeout timeout = timeout_missed(sock);
	uint64_t *counts = client_instance(sock)->timeouts;

	if (timeout < TIMEOUTS)
		counter_add(&counts[timeout], 1);
}

/* ---- life -------------------------------------------------------------- */

static struct lined_socket *
client_make_socket(const struct lined_protocol *protocol,
		   const struct client_arrival *arrival)
{
	size_t size = sizeof(struct client);
	struct sockaddr_storage own;
	struct lined_socket *sock;
	struct client *client;
	socklen_t len;

	if (protocol->client_size > 0)
		size = CLIENT_DATA_OFFSET + protocol->client_size;
	sock = lined_socket_new_owned(NULL, NULL, size);
	if (sock == NULL)
		return NULL;
	client = client_of(sock);
	list_init(&client->link);
	client->id = arrival->id;
	client->listen = arrival->listen;
	client->entry = arrival->entry;
	client_address_pack(&client->peer,
			    (const struct sockaddr *)&arrival->address);
	if ((arrival->datagram
		     ? lined_socket_wrap(sock, arrival->fd,
					 LINED_SOCKET_UDP_BOUND)
		     : socket_wrap_accepted(sock, arrival->fd,
					    arrival->handshake
						    ? LINED_SOCKET_IDLE
						    : LINED_SOCKET_CONNECTED)) <
	    0) {
		lined_socket_close(sock);
		return NULL;
	}
	if (arrival->datagram && lined_socket_local(sock, &own, &len) == 0)
		client_address_pack(&client->peer,
				    (const struct sockaddr *)&own);
	return sock;
}

/* Passes the client to the protocol. */
static void client_accept(struct lined_service *instance,
			  struct lined_socket *sock)
{
	const struct lined_protocol *protocol = instance->protocol;

	if (bus_member_is_held(&instance->bus))
		socket_hold(sock, CLIENT_HOLD_BUS);
	client_log_connected(sock);
	lined_socket_set_handlers(
		sock,
		protocol->handle_line != NULL ? &client_lines_handlers : NULL,
		NULL);
	if (protocol->handle_accept == NULL)
		return;
	worker_enter(instance->worker, instance);
	protocol->handle_accept(instance, sock);
	worker_leave(instance->worker);
}

static void client_join(struct lined_service *instance,
			struct lined_socket *sock)
{
	list_append(&instance->clients, &client_of(sock)->link);
	instance->client_count++;
	client_accept(instance, sock);
}

/* ---- handshakes -------------------------------------------------------- */

static void client_established(struct lined_socket *sock, void *arg)
{
	struct lined_service *instance = client_instance(sock);
	struct client *client = client_of(sock);

	client_web_free(arg);
	client->peer.unadmitted = client->peer.web = false;
	list_remove(&client->link);
	admission_end_handshake(instance->admission, client_limits(sock));
	client_join(instance, sock);
}

static void client_handshake_failed(struct lined_socket *sock, void *arg,
				    enum lined_close_reason reason, int error)
{
	client_web_free(arg);
}

static const struct lined_socket_handlers client_handshake_handlers = {
	.handle_connect = client_established,
	.handle_close = client_handshake_failed,
};

/* Begins the handshake that the client's listen address needs. */
static void client_begin_handshake(struct lined_socket *sock,
				   const struct client_arrival *arrival)
{
	struct client_web *web = NULL;

	if (arrival->web) {
		web = client_web_new(arrival);
		if (web == NULL) {
			lined_socket_close_for(sock, LINED_CLOSE_ERROR, ENOMEM);
			return;
		}
	}
	lined_socket_set_handlers(sock, &client_handshake_handlers, web);
	client_of(sock)->peer.web = web != NULL;
	client_of(sock)->peer.unadmitted =
		arrival->refused || arrival->forwarded;
	if ((arrival->tls ? client_begin_tls(client_instance(sock), sock)
			  : client_web_begin(sock)) < 0)
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, errno);
}

/* ---- life -------------------------------------------------------------- */

int client_start(struct lined_service *instance,
		 const struct client_arrival *arrival)
{
	struct lined_socket *sock =
		client_make_socket(instance->protocol, arrival);
	int error = errno;

	if (sock == NULL) {
		close(arrival->fd);
		errno = error;
		return -1;
	}
	lined_socket_set_framing(sock, &instance->conf->framing);
	if (lined_dispatcher_register_socket(instance->worker->dispatcher,
					     sock) == NULL) {
		error = errno;
		lined_socket_close(sock); /* also closes the descriptor */
		errno = error;
		return -1;
	}
	lined_socket_set_group(sock, &instance->group);
	client_set_class(sock, arrival->class);
	dispatcher_hold(instance->worker->dispatcher,
			(int64_t)instance->protocol->client_size);
	if (arrival->datagram) {
		list_append(&instance->datagrams, &client_of(sock)->link);
		client_accept(instance, sock);
		return 0;
	}
	if (arrival->via != NULL) {
		client_of(sock)->via = arrival->via;
		client_of(sock)->peer.proxied = true;
	}
	if (!arrival->handshake) {
		client_join(instance, sock);
		return 0;
	}
	list_append(&instance->handshakes, &client_of(sock)->link);
	client_begin_handshake(sock, arrival);
	return 0;
}

void client_leaving(struct lined_socket *sock)
{
	struct client *client = client_of(sock);
	struct lined_service *instance = client_instance(sock);

	/* Penalize before the peer sees the end: the peer may connect again at
	 * once. */
	if (!lined_socket_is_datagram(sock))
		client_penalize_close(sock);
	if (client->entry != NULL)
		admission_leave(instance->admission, client->entry);
	client->entry = NULL;
}

/* Frees `via`; the listener's text stays. */
static void client_forget_via(struct client *client)
{
	struct client_via *via = client->via;

	if (!client->peer.proxied)
		return;
	client->listen = via->listen;
	client->peer.proxied = false;
	free(via);
}

void client_closed(struct lined_socket *sock, enum lined_close_reason reason,
		   int error)
{
	struct client *client = client_of(sock);
	struct lined_service *instance = client_instance(sock);

	list_remove(&client->link);
	dispatcher_hold(instance->worker->dispatcher,
			-(int64_t)instance->protocol->client_size);
	client_pending_end_all(&client->pending);
	if (lined_socket_is_datagram(sock)) {
		if (reason != LINED_CLOSE_SHUTDOWN)
			log_err("service %s: %s: lost: %s", instance->name,
				client_listen(client), strerror(error));
		return;
	}
	if (lined_socket_handlers(sock) == &client_handshake_handlers)
		admission_end_handshake(instance->admission,
					client_limits(sock));
	else
		instance->client_count--;
	client_count_timeout(sock);
	client_log_closed(sock, reason, error);
	client_leaving(sock);
	client_forget_via(client);
	if (!client->peer.place_taken && !client->peer.unadmitted)
		admission_gone(instance->admission, client_limits(sock));
	instance_client_gone(instance);
}
