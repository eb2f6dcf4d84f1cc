/* SPDX-License-Identifier: MIT */
/*
 * Sends the feed, through filter-up, to other servers: over connectors, which
 * reconnect, or as datagrams. Lines that a target does not take are kept, up to
 * push-hold.
 */
#include "relay/push.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/input.h"
#include "relay/relay.h"
#include "relay/unsent_lines.h"

/* Time for targets to take their last lines when pushing ends and the service
 * goes on. */
#define PUSH_LEAVE_MS 10000

struct push_target {
	struct relay_connector connector; /* used for a stream */
	struct relay_unsent unsent;
	struct lined_socket *sock; /* used for datagrams */
};

struct relay_push {
	struct relay *relay;
	struct push_target **list;
	size_t count;
	struct lined_subscription *feed;
	/* Only lines published before this mark are still pushed. 0: all. */
	uint64_t leave_mark, leave_ms;
	struct lined_timer leave;
};

static struct push_target *push_target_of(struct relay_connector *connector)
{
	return lined_container_of(connector, struct push_target, connector);
}

/* ---- a stream ----------------------------------------------------------- */

static size_t push_hold(const struct push_target *target)
{
	return (size_t)target->connector.relay->options->push_hold;
}

/* Sends waiting lines; at most push-hold bytes stay waiting. */
static void push_send(struct push_target *target)
{
	relay_unsent_send(&target->unsent, &target->connector,
			  push_hold(target));
}

static void push_on_write(struct relay_connector *connector)
{
	push_send(push_target_of(connector));
}

/* Counts and drops lines from a target. */
static void push_on_read(struct relay_connector *connector)
{
	if (relay_input_discard(connector->relay, connector->sock) ==
	    LINED_LINE_CLOSED)
		lined_socket_close_for(connector->sock, LINED_CLOSE_PEER, 0);
}

static void push_on_close(struct relay_connector *connector, bool was_connected)
{
	if (was_connected)
		push_send(push_target_of(connector));
}

static void push_on_unsent(struct relay_connector *connector)
{
	relay_unsent_return(&push_target_of(connector)->unsent, connector);
}

static const struct relay_connector_handlers push_handlers = {
	.kind = "push",
	.connects = "push_connects",
	.losses = "push_losses",
	.failures = "push_failures",
	.preamble = offsetof(struct relay_options, push_preamble),
	.handle_connect = relay_connector_good,
	.handle_read = push_on_read,
	.handle_write = push_on_write,
	.handle_unsent = push_on_unsent,
	.handle_close = push_on_close,
};

/* ---- datagrams ---------------------------------------------------------- */

/* Opens a datagram socket of the target's family. NULL and errno. */
static struct lined_socket *push_bind(const struct push_target *target)
{
	struct lined_service *service = target->connector.relay->service;
	const struct lined_address *to = &target->connector.address.local;
	struct lined_address any = {.len = to->len};
	struct lined_socket *sock = lined_socket_new(NULL, NULL);
	int error;

	if (sock == NULL)
		return NULL;
	any.any.sa_family = to->any.sa_family;
	lined_socket_set_group(sock, lined_service_group(service));
	if (lined_socket_bind(sock, SOCK_DGRAM, &any.any, any.len) == 0 &&
	    lined_dispatcher_register_socket(lined_service_dispatcher(service),
					     sock) != NULL)
		return sock;
	error = errno;
	lined_socket_close(sock);
	errno = error;
	return NULL;
}

/* A failure is logged and counted, as that of a connector is. */
static void push_open(struct push_target *target)
{
	const struct relay *relay = target->connector.relay;

	target->sock = push_bind(target);
	if (target->sock != NULL)
		return;
	relay_count(relay, push_handlers.failures, 1);
	lined_service_log(relay->service, LINED_LOG_ERR,
			  "push %s: not opened: %s",
			  target->connector.address.text, strerror(errno));
}

static void push_send_datagrams(struct push_target *target,
				const struct relay_message *message)
{
	const struct lined_address *to = &target->connector.address.local;
	struct relay_line line;
	uint64_t dropped = 0;
	uint32_t i;

	if (target->sock == NULL)
		push_open(target);
	for (i = 0; i < message->count; i++) {
		relay_message_line(message, i, &line);
		dropped +=
			target->sock == NULL ||
			lined_socket_send_to(target->sock, line.text, line.len,
					     &to->any, to->len) < 0;
	}
	relay_count(target->connector.relay, "push_lines_dropped", dropped);
}

/* ---- lines -------------------------------------------------------------- */

static void push_on_batch(void *arg, struct lined_buffer *buffer)
{
	struct relay_push *push = arg;
	struct relay *relay = push->relay;
	struct relay_message message;
	uint32_t denied;
	size_t i;

	if (push->leave_mark != 0 &&
	    !lined_bus_is_before(relay->service, push->leave_mark))
		return;
	if (!relay_message_read(&message, buffer))
		return;
	buffer = relay_message_convert(&message,
				       lined_service_framing(relay->service),
				       relay->filter_up, &denied);
	relay_count(relay, "lines_filtered_up", denied);
	if (buffer == NULL) {
		if (errno != 0)
			relay_count(relay, "push_lines_dropped",
				    (uint64_t)(message.count - denied) *
					    push->count);
		return;
	}
	for (i = 0; i < push->count; i++) {
		struct push_target *target = push->list[i];

		if (relay_address_type(&target->connector.address) ==
		    SOCK_DGRAM)
			push_send_datagrams(target, &message);
		else if (relay_unsent_add(&target->unsent, &message,
					  &target->connector,
					  push_hold(target)) < 0)
			relay_count(relay, "push_lines_dropped", message.count);
	}
	lined_buffer_unref(buffer);
}

/* ---- the list ----------------------------------------------------------- */

static void push_free_target(struct push_target *target)
{
	relay_connector_fini(&target->connector);
	relay_unsent_send(&target->unsent, NULL, 0);
	if (target->sock != NULL)
		lined_socket_close(target->sock);
	free(target);
}

static struct push_target *push_new_target(struct relay_push *push,
					   const struct relay_address *address)
{
	struct push_target *target = calloc(1, sizeof(*target));

	if (target == NULL)
		return NULL;
	target->unsent.relay = push->relay;
	target->unsent.dropped = "push_lines_dropped";
	relay_connector_init(&target->connector, push->relay, address,
			     &push_handlers);
	return target;
}

static struct push_target *push_take(struct relay_push *push, const char *text)
{
	struct push_target *found;
	size_t i;

	for (i = 0; i < push->count; i++) {
		found = push->list[i];
		if (strcmp(found->connector.address.text, text) != 0)
			continue;
		push->list[i] = push->list[--push->count];
		return found;
	}
	return NULL;
}

/* Makes the list of targets in the config. -1/ENOMEM. */
static int push_read_list(struct relay_push *push)
{
	const struct lined_option_list *texts = &push->relay->options->push;
	struct push_target **list = calloc(texts->count + 1, sizeof(*list));
	struct relay_address address;
	size_t count = 0, i;
	char error[512];

	if (list == NULL)
		return -1;
	for (i = 0; i < texts->count; i++) {
		/* relay_options_check() has reported this address. */
		if (relay_address_parse(RELAY_USE_PUSH, texts->items[i],
					&address, error, sizeof(error)) < 0)
			continue;
		list[count] = push_take(push, address.text);
		if (list[count] == NULL)
			list[count] = push_new_target(push, &address);
		if (list[count] != NULL)
			count++;
		else
			lined_service_log(push->relay->service, LINED_LOG_ERR,
					  "push %s: out of memory",
					  texts->items[i]);
	}
	while (push->count > 0)
		push_free_target(push->list[--push->count]);
	free(push->list);
	push->list = list;
	push->count = count;
	for (i = 0; i < count; i++) {
		relay_address_limits_changed(list[i]->connector.sock);
		if (relay_address_type(&list[i]->connector.address) !=
		    SOCK_DGRAM)
			relay_connector_start(&list[i]->connector);
	}
	return 0;
}

/* ---- life --------------------------------------------------------------- */

static void push_leave_fired(struct lined_timer *timer)
{
	struct relay_push *push =
		lined_container_of(timer, struct relay_push, leave);
	struct relay *relay = push->relay;

	if (relay_push_finish(relay) || relay_now_ms(relay) >= push->leave_ms ||
	    !relay_start_timer(relay, "push", timer, RELAY_END_STEP_MS))
		relay_push_stop(relay);
}

/* Ends pushing when the lines under way are sent. Another instance pushes from
 * now on, or the config has no target any more. */
static void push_leave(struct relay_push *push)
{
	if (push->leave_mark != 0)
		return;
	push->leave_mark = lined_bus_mark(push->relay->service);
	push->leave_ms = relay_now_ms(push->relay) + PUSH_LEAVE_MS;
	if (!relay_start_timer(push->relay, "push", &push->leave,
			       RELAY_END_STEP_MS))
		relay_push_stop(push->relay);
}

static bool push_is_wanted(const struct relay *relay)
{
	return lined_service_is_primary(relay->service) &&
	       relay->options->push.count > 0 &&
	       relay->options->mode != RELAY_PROXY;
}

/* Applies the options. Subscribes again, because the topic may have changed.
 * -1: failed and logged. */
static int push_read_options(struct relay_push *push)
{
	struct relay *relay = push->relay;
	struct lined_subscription *feed =
		relay_topic_subscribe(relay, relay->topic, push_on_batch, push);
	int result = push_read_list(push);

	if (result < 0)
		lined_service_log(relay->service, LINED_LOG_ERR, "push: %s",
				  strerror(errno));
	if (feed == NULL)
		return -1;
	lined_bus_unsubscribe(push->feed);
	push->feed = feed;
	return result;
}

int relay_push_start(struct relay *relay)
{
	struct relay_push *push;

	if (!push_is_wanted(relay))
		return 0;
	relay_connector_set_limits(relay);
	push = calloc(1, sizeof(*push));
	if (push == NULL) {
		lined_service_log(relay->service, LINED_LOG_ERR, "push: %s",
				  strerror(errno));
		return -1;
	}
	push->relay = relay;
	relay->push = push;
	lined_service_timer(relay->service, &push->leave, push_leave_fired);
	if (push_read_options(push) == 0)
		return 0;
	relay_push_stop(relay);
	return -1;
}

void relay_push_stop(struct relay *relay)
{
	struct relay_push *push = relay->push;

	if (push == NULL)
		return;
	lined_bus_unsubscribe(push->feed);
	lined_timer_stop(&push->leave);
	while (push->count > 0)
		push_free_target(push->list[--push->count]);
	free(push->list);
	free(push);
	relay->push = NULL;
}

void relay_push_reload(struct relay *relay)
{
	struct relay_push *push = relay->push;

	if (push != NULL && !push_is_wanted(relay)) {
		push_leave(push);
	} else if (push == NULL || push->leave_mark != 0) {
		relay_push_stop(relay);
		relay_push_start(relay);
	} else {
		relay_connector_set_limits(relay);
		push_read_options(push);
	}
}

void relay_push_give_up(struct relay *relay, uint64_t bytes)
{
	struct relay_push *push = relay->push;
	size_t i;

	for (i = 0; push != NULL && i < push->count; i++)
		relay_unsent_give_up(&push->list[i]->unsent,
				     bytes / push->count + 1);
}

bool relay_push_finish(struct relay *relay)
{
	struct relay_push *push = relay->push;
	bool finished = true;
	size_t i;

	for (i = 0; push != NULL && i < push->count; i++) {
		struct push_target *target = push->list[i];

		if (relay_connector_connected(&target->connector) &&
		    target->unsent.waiting == 0)
			relay_connector_finish(&target->connector);
		else if (!relay_connector_connected(&target->connector) &&
			 target->connector.state != RELAY_CONNECTOR_FINISHING)
			relay_connector_stop(&target->connector);
		finished &= target->connector.state == RELAY_CONNECTOR_IDLE;
	}
	return finished;
}
