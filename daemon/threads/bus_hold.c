/* SPDX-License-Identifier: MIT */
/*
 * Back-pressure of the bus: holds members that publish faster than the workers
 * and the other nodes take their messages, and ends these holds.
 */
#include "config.h"

#include "counter.h"
#include "threads/bus_priv.h"

/* The interval between checks of the backlog while members are held. */
#define HOLD_CHECK_MS 2

/* The most bytes that an end publishes in a turn without holding members. */
#define TURN_MOST ((uint64_t)65536)

/* Whether other ends, or the uplink if the member uses it, are behind. */
static bool bus_hold_is_due(const struct bus_member *member)
{
	const struct bus_end *end = member->end;

	return (end->backend != NULL &&
		end->backend->is_behind(end->backend_link)) ||
	       (end->uplink != NULL && member->clustered != NULL &&
		end->uplink->backlog(end->uplink_link) > BUS_UPLINK_HIGH);
}

bool bus_is_lagging(const struct bus_member *member)
{
	return bus_member_is_held(member) && bus_hold_is_due(member);
}

/* The bytes that this end may publish in a turn. All ends publish, so each gets
 * an equal share. The limit TURN_MOST is needed because the duration of
 * deliveries is known only afterwards. */
static uint64_t bus_hold_share(const struct bus_end *end)
{
	uint64_t least = bus_budget_allowance(&end->budget), others;

	if (end->backend != NULL) {
		others = end->backend->allowance(end->backend_link);
		least = (others < least ? others : least) / end->bus->count;
	}
	return least < TURN_MOST ? least : TURN_MOST;
}

void bus_hold_end(struct bus_member *member)
{
	struct bus_end *end = member->end;

	if (!bus_member_is_held(member))
		return;
	list_remove(&member->held_link);
	if (list_is_empty(&end->held))
		lined_timer_stop(&end->hold_check);
	member->hold(member, false);
}

/* Ends the holds that are no longer due; all: ends all holds. */
static void bus_hold_end_some(struct bus_end *end, bool all)
{
	struct bus_member *member, *next;

	list_for_each_safe(member, next, &end->held, held_link)
		if (all || !bus_hold_is_due(member))
			bus_hold_end(member);
}

/* Ends the holds that are no longer due, and starts the timer that checks the
 * others. If the timer cannot start, ends all holds: otherwise nothing would
 * end them. Does nothing while the timer runs. */
void bus_hold_check(struct bus_end *end)
{
	if (lined_timer_is_armed(&end->hold_check))
		return;
	bus_hold_end_some(end, false);
	if (!list_is_empty(&end->held) &&
	    lined_timer_start(&end->hold_check, HOLD_CHECK_MS, HOLD_CHECK_MS) <
		    0)
		bus_hold_end_some(end, true);
}

static void bus_hold_check_fired(struct lined_timer *timer)
{
	bus_hold_end_some(lined_container_of(timer, struct bus_end, hold_check),
			  false);
}

void bus_hold_spend(struct bus_end *end, struct bus_member *member, size_t cost)
{
	end->budget.published += cost;
	if (end->turn_due &&
	    (end->budget.published > bus_hold_share(end) ||
	     bus_hold_is_due(member)) &&
	    !bus_member_is_held(member) && !member->left) {
		/* The message phase of this turn checks the hold. */
		counter_add(&end->pauses, 1);
		list_append(&end->held, &member->held_link);
		member->hold(member, true);
	}
}

void bus_hold_init(struct bus_end *end)
{
	list_init(&end->held);
	lined_timer_init(&end->hold_check, end->worker->dispatcher,
			 bus_hold_check_fired);
}
