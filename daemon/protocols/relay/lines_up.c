/* SPDX-License-Identifier: MIT */
/*
 * Sends lines of clients to the upstreams: to the upstream that feeds, or with
 * `use = "all"` to all of them. With up-hold the lines wait until an upstream
 * is connected, and lines that a lost connection has not sent go to the next
 * upstream.
 */
#include "relay/relay.h"
#include "relay/upstream.h"
#include "relay/upstreams_priv.h"

static size_t lines_up_hold(const struct relay_upstreams *upstreams)
{
	return (size_t)upstreams->relay->options->up_hold;
}

/* Finds the upstream that feeds, or with `all` the upstream that was last given
 * lines of `hold`. If this upstream is not open, finds the first open upstream;
 * a source, which takes no lines, only if no other upstream is open. NULL: none
 * is open. */
static struct relay_upstream *
lines_up_find_target(const struct relay_upstreams *upstreams)
{
	struct relay_upstream *first = NULL;
	size_t i;

	for (i = upstreams->count; i-- > 0;) {
		struct relay_upstream *upstream = upstreams->list[i];

		if (!relay_connector_is_open(&upstream->connector))
			continue;
		if (upstreams->all ? &upstream->connector == upstreams->hold.to
				   : upstream == upstreams->feed)
			return upstream;
		if (first == NULL ||
		    !relay_address_is_source(&upstream->connector.address))
			first = upstream;
	}
	return first;
}

/* The upstream that gets lines of clients; NULL: none. If other upstreams were
 * given later lines, drops the lines of `hold`, unless the result is the
 * upstream that was last given lines of `hold`. */
static struct relay_upstream *lines_up_target(struct relay_upstreams *upstreams)
{
	struct relay_upstream *target = lines_up_find_target(upstreams);

	if (upstreams->passed &&
	    (target == NULL || &target->connector != upstreams->hold.to)) {
		relay_unsent_send(&upstreams->hold, NULL, 0);
		upstreams->passed = false;
	}
	return target;
}

/* The connector that takes lines of `hold`; NULL: none. */
static struct relay_connector *lines_up_taker(struct relay_upstream *target)
{
	return target != NULL && !relay_address_is_source(
					 &target->connector.address)
		       ? &target->connector
		       : NULL;
}

void relay_lines_up_drop_passed(struct relay_upstreams *upstreams)
{
	lines_up_target(upstreams);
	upstreams->passed = false;
}

bool relay_lines_up_send(struct relay_upstreams *upstreams)
{
	struct relay_connector *taker =
		lines_up_taker(lines_up_target(upstreams));

	relay_unsent_send(&upstreams->hold, taker, lines_up_hold(upstreams));
	return taker != NULL && upstreams->hold.waiting > 0;
}

void relay_lines_up_return(struct relay_upstreams *upstreams,
			   struct relay_upstream *upstream)
{
	relay_unsent_return(&upstreams->hold, &upstream->connector);
	/* Without up-hold no line waits: later lines would pass it. */
	if (lines_up_hold(upstreams) == 0)
		relay_unsent_send(&upstreams->hold, NULL, 0);
}

/* Gives the lines to the upstream without holding any. */
static void lines_up_send_now(const struct relay_upstreams *upstreams,
			      struct relay_upstream *upstream,
			      const struct relay_message *message)
{
	relay_count(upstreams->relay, "upstream_slow",
		    message->count - relay_upstream_send(upstream, message));
}

/* Holds the lines until the target takes them. False: not held. */
static bool lines_up_add(struct relay_upstreams *upstreams,
			 struct relay_upstream *target,
			 const struct relay_message *message)
{
	struct relay_connector *taker = lines_up_taker(target);
	size_t hold = lines_up_hold(upstreams);

	if (hold == 0 || (target != NULL && taker == NULL) ||
	    (target != NULL && upstreams->all && upstreams->hold.waiting == 0))
		return false;
	return relay_unsent_add(&upstreams->hold, message, taker, hold) == 0;
}

void relay_lines_up_on_batch(void *arg, struct lined_buffer *buffer)
{
	struct relay_upstreams *upstreams = arg;
	struct relay_upstream *target = lines_up_target(upstreams);
	struct relay_message message;
	size_t i;

	if (!relay_message_read(&message, buffer))
		return;
	if (!lines_up_add(upstreams, target, &message)) {
		if (target == NULL)
			relay_count(upstreams->relay, "upstream_down",
				    message.count);
		else
			lines_up_send_now(upstreams, target, &message);
	}
	for (i = 0; upstreams->all && i < upstreams->count; i++) {
		struct relay_upstream *other = upstreams->list[i];

		if (other == target ||
		    !relay_connector_is_open(&other->connector))
			continue;
		lines_up_send_now(upstreams, other, &message);
		upstreams->passed |=
			!relay_address_is_source(&other->connector.address);
	}
}
