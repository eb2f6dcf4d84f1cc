/* SPDX-License-Identifier: MIT */
/*
 * Makes clients from accepted descriptors, gives them to their protocol, and
 * removes them when they close.
 */
#include "config.h"

#include "serve/client.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "serve/client_lines.h"
#include "serve/client_log.h"
#include "serve/instance.h"
#include "socket_hold.h"

/* The offset of the protocol's bytes, which follow struct client. */
#define DATA_OFFSET                                                            \
	((sizeof(struct client) + _Alignof(max_align_t) - 1) &                 \
	 ~(_Alignof(max_align_t) - 1))

void *client_data(struct lined_socket *sock)
{
	if (client_instance(sock)->protocol->client_size == 0)
		return NULL;
	return (char *)client_of(sock) + DATA_OFFSET;
}

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
		size = DATA_OFFSET + protocol->client_size;
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
	if (lined_socket_wrap(sock, arrival->fd,
			      arrival->datagram ? LINED_SOCKET_UDP_BOUND
						: LINED_SOCKET_CONNECTED) < 0) {
		lined_socket_close(sock);
		return NULL;
	}
	if (arrival->datagram && lined_socket_local(sock, &own, &len) == 0)
		client_address_pack(&client->peer,
				    (const struct sockaddr *)&own);
	return sock;
}

int client_start(struct lined_service *instance,
		 const struct client_arrival *arrival)
{
	const struct lined_protocol *protocol = instance->protocol;
	struct lined_socket *sock = client_make_socket(protocol, arrival);
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
		lined_socket_close(sock); /* closes the descriptor too */
		errno = error;
		return -1;
	}
	lined_socket_set_group(sock, &instance->group);
	if (arrival->datagram) {
		list_append(&instance->datagrams, &client_of(sock)->link);
	} else {
		list_append(&instance->clients, &client_of(sock)->link);
		instance->client_count++;
	}
	if (bus_member_is_held(&instance->bus))
		socket_hold(sock, CLIENT_HOLD_BUS);
	client_log_connected(sock);
	if (protocol->handle_line != NULL)
		lined_socket_set_handlers(sock, &client_lines_handlers, NULL);
	if (protocol->handle_accept != NULL) {
		worker_enter(instance->worker, instance);
		protocol->handle_accept(instance, sock);
		worker_leave(instance->worker);
	}
	return 0;
}

void client_leaving(struct lined_socket *sock)
{
	struct client *client = client_of(sock);
	struct lined_service *instance = client_instance(sock);

	if (client->entry != NULL)
		instance->ops->client_leaves(instance, client->entry);
	client->entry = NULL;
}

void client_closed(struct lined_socket *sock, enum lined_close_reason reason,
		   int error)
{
	struct client *client = client_of(sock);
	struct lined_service *instance = client_instance(sock);

	if (!list_is_linked(&client->link))
		return; /* client_start() has failed */
	list_remove(&client->link);
	client_wait_end_all(&client->waits);
	if (lined_socket_is_datagram(sock)) {
		if (reason != LINED_CLOSE_SHUTDOWN)
			log_err("service %s: %s: lost: %s", instance->name,
				client->listen, strerror(error));
		return;
	}
	client_log_closed(sock, reason, error);
	instance->client_count--;
	client_leaving(sock);
	instance->ops->client_gone(instance);
}
