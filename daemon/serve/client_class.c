/* SPDX-License-Identifier: MIT */
/*
 * Gives clients their classes, and moves clients to other classes after a
 * reload.
 */
#include "config.h"

#include "serve/client_class.h"

#include <lined/address.h>

#include "serve/client.h"
#include "serve/service_instance.h"
#include "socket_daemon.h"

void client_set_user_timeout(struct lined_socket *sock)
{
	(void)lined_tcp_user_timeout(lined_socket_fd(sock),
				     lined_socket_limits(sock)->send_stall_ms);
}

void client_set_class(struct lined_socket *sock, uint8_t class)
{
	socket_set_class(sock, class);
	client_set_user_timeout(sock);
}

static uint8_t client_find_class(const struct lined_service *instance,
				 const struct client_address *peer)
{
	struct sockaddr_storage address;

	if (peer->unadmitted)
		return 0;
	client_address_unpack(&address, peer);
	return conf_class_of(instance->conf, (struct sockaddr *)&address);
}

/* Gives the client its class in the new config, and moves the client to the
 * counters of the new config: those of the old config are about to be freed. */
static void client_change_class(struct lined_service *instance,
				const struct conf_service *before,
				struct client *client, bool in_handshake)
{
	struct lined_socket *sock = client_socket(client);
	uint8_t class = client_find_class(instance, &client->peer);
	const struct admission_limits *from =
		conf_class_admission(before, socket_class(sock));
	const struct admission_limits *to =
		conf_class_admission(instance->conf, class);

	socket_set_class(sock, class);
	if (!client->peer.place_taken && !client->peer.unadmitted)
		admission_move(instance->admission, from, to);
	if (in_handshake)
		admission_move_handshake(instance->admission, from, to);
}

void client_classes_changed(struct lined_service *instance,
			    const struct conf_service *before)
{
	struct lined_place *place;
	struct client *client;

	list_for_each(client, &instance->clients, link)
		client_change_class(instance, before, client, false);
	list_for_each(client, &instance->handshakes, link)
		client_change_class(instance, before, client, true);
	list_for_each(place, &instance->places, link) {
		uint8_t class = client_find_class(instance, &place->peer);

		admission_move(instance->admission,
			       conf_class_admission(before, place->class),
			       conf_class_admission(instance->conf, class));
		place->class = class;
	}
}
