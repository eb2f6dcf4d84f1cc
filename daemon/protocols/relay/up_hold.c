/* SPDX-License-Identifier: MIT */
/*
 * Counts dropped lines; unsent_lines.c keeps the lines, upstreams.c decides
 * where they go.
 */
#include "relay/up_hold.h"

#include "relay/relay.h"
#include "relay/upstream.h"

static size_t up_hold_max(const struct relay_up_hold *hold)
{
	return (size_t)hold->relay->options->up_hold;
}

static void up_hold_count_down(const struct relay_up_hold *hold, uint64_t lines)
{
	if (lines > 0)
		lined_service_count(hold->relay->service, "upstream_down",
				    lines);
}

/* Gives waiting lines to the target, if there is one; then drops the oldest, so
 * that at most `most` bytes wait. */
static void up_hold_send(struct relay_up_hold *hold,
			 struct relay_upstream *target, size_t most)
{
	if (target != NULL &&
	    !relay_address_is_source(&target->connector.address))
		relay_unsent_send(&hold->lines, &target->connector);
	up_hold_count_down(hold, relay_unsent_trim(&hold->lines, most));
}

void relay_up_hold_send(struct relay_up_hold *hold,
			struct relay_upstream *target)
{
	up_hold_send(hold, target, up_hold_max(hold));
}

bool relay_up_hold_waits(const struct relay_up_hold *hold)
{
	return hold->lines.waiting > 0;
}

int relay_up_hold_add(struct relay_up_hold *hold,
		      const struct relay_message *message,
		      struct relay_upstream *target)
{
	size_t most;

	if (up_hold_max(hold) == 0 ||
	    (target != NULL &&
	     relay_address_is_source(&target->connector.address)))
		return -1;
	most = relay_unsent_most(&hold->lines, up_hold_max(hold));
	if (relay_unsent_add(&hold->lines, message) == 0)
		up_hold_send(hold, target, most);
	else if (relay_up_hold_waits(hold))
		up_hold_count_down(hold, message->count);
	else
		return -1;
	return 0;
}

void relay_up_hold_return(struct relay_up_hold *hold,
			  struct relay_upstream *upstream)
{
	up_hold_count_down(
		hold, relay_unsent_return(&hold->lines, &upstream->connector));
	/* Without up-hold nothing waits: later lines would pass it. */
	if (up_hold_max(hold) == 0)
		up_hold_send(hold, NULL, 0);
}

void relay_up_hold_give_up(struct relay_up_hold *hold, uint64_t bytes)
{
	up_hold_count_down(hold, relay_unsent_give_up(&hold->lines, bytes));
}

void relay_up_hold_start(struct relay_up_hold *hold, struct relay *relay)
{
	hold->relay = relay;
	hold->lines.service = relay->service;
}

void relay_up_hold_stop(struct relay_up_hold *hold)
{
	up_hold_count_down(hold, relay_unsent_trim(&hold->lines, 0));
}
