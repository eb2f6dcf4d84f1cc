/* SPDX-License-Identifier: MIT */
/*
 * Lines of clients go up: to the upstream that feeds, or with `use = "all"` to
 * all of them. With up-hold they may wait.
 */
#include "relay/relay.h"
#include "relay/upstream.h"
#include "relay/upstreams.h"
#include "relay/upstreams_priv.h"

/* The open upstream that was given lines of `hold` last, if with `all`, or that
 * feeds; else the first open one, a source only if there is no other. NULL:
 * none. */
static struct relay_upstream *
upstreams_find_target(const struct relay_upstreams *upstreams)
{
	struct relay_upstream *first = NULL;
	size_t i;

	for (i = upstreams->count; i-- > 0;) {
		struct relay_upstream *upstream = upstreams->list[i];

		if (!relay_upstream_is_open(upstream))
			continue;
		if (upstreams->all
			    ? &upstream->connector == upstreams->hold.lines.to
			    : upstream == upstreams->feed)
			return upstream;
		if (first == NULL ||
		    !relay_address_is_source(&upstream->connector.address))
			first = upstream;
	}
	return first;
}

/* The upstream that gets lines of `hold`. Drops lines that would come behind
 * later ones there. NULL: none. */
static struct relay_upstream *
upstreams_target(struct relay_upstreams *upstreams)
{
	struct relay_upstream *target = upstreams_find_target(upstreams);

	if (upstreams->passed &&
	    (target == NULL ||
	     &target->connector != upstreams->hold.lines.to)) {
		relay_up_hold_give_up(&upstreams->hold, UINT64_MAX);
		upstreams->passed = false;
	}
	return target;
}

void relay_upstreams_drop_passed(struct relay_upstreams *upstreams)
{
	upstreams_target(upstreams);
	upstreams->passed = false;
}

void relay_upstreams_send_held(struct relay_upstreams *upstreams)
{
	relay_up_hold_send(&upstreams->hold, upstreams_target(upstreams));
}

bool relay_upstreams_send_rest(struct relay_upstreams *upstreams)
{
	struct relay_upstream *target = upstreams_target(upstreams);

	relay_up_hold_send(&upstreams->hold, target);
	return target != NULL && relay_up_hold_waits(&upstreams->hold) &&
	       !relay_address_is_source(&target->connector.address);
}

static void upstreams_send(struct relay_upstreams *upstreams,
			   struct relay_upstream *upstream,
			   const struct relay_message *message)
{
	uint32_t sent = relay_upstream_send(upstream, message);

	if (sent < message->count)
		relay_count(upstreams->relay, "upstream_slow",
			    message->count - sent);
}

void relay_upstreams_give_up(struct relay *relay, uint64_t bytes)
{
	struct relay_upstreams *upstreams = relay->upstreams;

	if (upstreams != NULL)
		relay_up_hold_give_up(&upstreams->hold, bytes);
}

void relay_upstreams_on_batch(void *arg, struct lined_buffer *buffer)
{
	struct relay_upstreams *upstreams = arg;
	struct relay_upstream *target = upstreams_target(upstreams);
	struct relay_message message;
	bool held;
	size_t i;

	if (!relay_message_read(&message, buffer))
		return;
	held = (target == NULL || !upstreams->all ||
		relay_up_hold_waits(&upstreams->hold)) &&
	       relay_up_hold_add(&upstreams->hold, &message, target) == 0;
	if (!held && target == NULL)
		relay_count(upstreams->relay, "upstream_down", message.count);
	else if (!held)
		upstreams_send(upstreams, target, &message);
	for (i = 0; upstreams->all && i < upstreams->count; i++) {
		struct relay_upstream *other = upstreams->list[i];

		if (other == target || !relay_upstream_is_open(other))
			continue;
		upstreams_send(upstreams, other, &message);
		upstreams->passed |=
			!relay_address_is_source(&other->connector.address);
	}
}
