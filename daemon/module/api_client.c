/* SPDX-License-Identifier: MIT */
/* Implements the functions of lined/service.h that are about a client. */
#include "config.h"

#include <lined/service.h>

#include <stdlib.h>

#include <lined/address.h>

#include "net/admission.h"
#include "serve/client.h"
#include "serve/client_lines.h"
#include "serve/client_log.h"
#include "serve/client_penalty.h"
#include "serve/service_instance.h"
#include "socket_daemon.h"

/* Removes const: client_of() takes a mutable socket, but the callers change
 * nothing. */
static struct lined_socket *api_socket(const struct lined_socket *client)
{
	return (struct lined_socket *)(uintptr_t)client;
}

uint64_t lined_client_id(const struct lined_socket *client)
{
	return client_of(api_socket(client))->id;
}

const char *lined_client_peer(const struct lined_socket *client)
{
	static _Thread_local char text[LINED_ADDRESS_TEXT_MAX];

	return client_peer(api_socket(client), text, sizeof(text));
}

const char *lined_client_listen(const struct lined_socket *client)
{
	return client_listen(client_of(api_socket(client)));
}

struct lined_service *lined_client_service(const struct lined_socket *client)
{
	return client_instance(api_socket(client));
}

void *lined_client_data(struct lined_socket *client)
{
	if (client_instance(client)->protocol->client_size == 0)
		return NULL;
	return (char *)client_of(client) + CLIENT_DATA_OFFSET;
}

/* A client's timer. `pending` is in the client's list, so client_timer_gone()
 * is called when the client closes. Clients without a timer need no memory for
 * one. */
struct client_timer {
	struct client_pending pending;
	struct lined_timer timer;
	void (*expired)(struct lined_socket *client);
};

static void client_timer_gone(struct client_pending *pending)
{
	struct client_timer *timer =
		lined_container_of(pending, struct client_timer, pending);

	lined_timer_stop(&timer->timer);
	free(timer);
}

static void client_timer_fired(struct lined_timer *fired)
{
	struct client_timer *timer =
		lined_container_of(fired, struct client_timer, timer);
	struct lined_socket *sock = timer->pending.sock;
	void (*expired)(struct lined_socket * client) = timer->expired;

	client_pending_end(&timer->pending);
	free(timer);
	if (!lined_socket_is_closed(sock))
		expired(sock);
}

static struct client_timer *client_timer_find(struct lined_socket *sock)
{
	struct client_pending *pending = client_of(sock)->pending;

	while (pending != NULL && pending->gone != client_timer_gone)
		pending = pending->next;
	return pending != NULL ? lined_container_of(
					 pending, struct client_timer, pending)
			       : NULL;
}

int lined_client_timer(struct lined_socket *sock, uint64_t delay_ms,
		       void (*expired)(struct lined_socket *client))
{
	struct client_timer *timer = client_timer_find(sock);

	if (timer == NULL && (expired == NULL || lined_socket_is_closed(sock)))
		return 0;
	if (timer == NULL) {
		timer = malloc(sizeof(*timer));
		if (timer == NULL)
			return -1;
		client_pending_begin(&timer->pending, &client_of(sock)->pending,
				     sock, 0, client_timer_gone);
		lined_timer_init(&timer->timer, lined_socket_dispatcher(sock),
				 client_timer_fired);
	}
	timer->expired = expired;
	if (expired != NULL &&
	    lined_timer_start(&timer->timer, delay_ms, 0) == 0)
		return 0;
	client_pending_end(&timer->pending);
	client_timer_gone(&timer->pending);
	return expired != NULL ? -1 : 0;
}

void lined_client_penalize(struct lined_socket *client)
{
	client_penalize(client, client_instance(client)->protocol->name);
}

struct lined_place *lined_client_take_place(struct lined_socket *sock)
{
	struct client *client = client_of(sock);
	struct lined_place *place = malloc(sizeof(*place));

	if (place == NULL)
		return NULL;
	*place = (struct lined_place){
		.instance = client_instance(sock),
		.entry = client->entry,
		.peer = client->peer,
		.class = socket_class(sock),
	};
	list_init(&place->link);
	list_append(&place->instance->places, &place->link);
	client->entry = NULL;
	client->peer.place_taken = true;
	return place;
}

void lined_place_return(struct lined_place *place)
{
	struct admission *admission;

	if (place == NULL)
		return;
	admission = place->instance->admission;
	if (place->entry != NULL)
		admission_leave(admission, place->entry);
	admission_gone(admission, conf_class_admission(place->instance->conf,
						       place->class));
	list_remove(&place->link);
	free(place);
}

int lined_client_expect_block(struct lined_socket *client, size_t len)
{
	return client_lines_expect_block(client, len);
}
