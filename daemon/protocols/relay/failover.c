/* SPDX-License-Identifier: MIT */
/*
 * Decides which upstreams are connected, and which one feeds. With `use =
 * "all"` all of them feed. Otherwise the upstreams are connected in the
 * config's order, and the first upstream with a line that passes the filter
 * feeds. Upstreams before this one are retried with back-off; when one is good,
 * the service fails back to it at the end of a line.
 */
#include "relay/relay.h"
#include "relay/upstream.h"
#include "relay/upstreams_priv.h"

/* Time for the feeding upstream to end its line when a better upstream is good.
 */
#define FAIL_BACK_MS 10000

/* The interval between checks whether the feeding upstream is between two
 * lines: the upstream may have ended a line and send nothing more. */
#define FAIL_BACK_STEP_MS 50

/* The longest time for which the previous upstream stays connected after a
 * fail-back. */
#define SPARE_MS_MAX 10000

static struct relay_upstreams *
failover_of(const struct relay_upstream *upstream)
{
	return upstream->connector.relay->upstreams;
}

/* ---- the upstream that feeds -------------------------------------------- */

static bool failover_is_before(const struct relay_upstreams *upstreams,
			       const struct relay_upstream *a,
			       const struct relay_upstream *b)
{
	size_t i = 0;

	while (upstreams->list[i] != a && upstreams->list[i] != b)
		i++;
	return upstreams->list[i] == a && a != b;
}

static void failover_drop_next(struct relay_upstreams *upstreams)
{
	upstreams->next = NULL;
	lined_timer_stop(&upstreams->fail_back);
	if (upstreams->feed != NULL)
		upstreams->feed->leaving = false;
}

static struct relay_upstream *
failover_take_spare(struct relay_upstreams *upstreams)
{
	struct relay_upstream *spare = upstreams->spare;

	upstreams->spare = NULL;
	lined_timer_stop(&upstreams->spare_timer);
	return spare;
}

static void failover_drop_spare(struct relay_upstreams *upstreams)
{
	struct relay_upstream *spare = failover_take_spare(upstreams);

	if (spare != NULL)
		relay_upstream_stop(spare);
}

static void failover_spare_fired(struct lined_timer *timer)
{
	struct relay_upstreams *upstreams =
		lined_container_of(timer, struct relay_upstreams, spare_timer);

	failover_drop_spare(upstreams);
	relay_failover_update(upstreams);
}

/*
 * `next` takes over from `feed`. The old upstream stays connected for a while
 * as `spare`, in case the new one sends one line and closes. The lines of
 * `spare` wait in the kernel.
 */
static void failover_fail_back(struct relay_upstreams *upstreams)
{
	struct relay_upstream *next = upstreams->next, *old = upstreams->feed;
	uint64_t spare_ms = (uint64_t)upstreams->relay->options->retry_min_ms;

	failover_drop_next(upstreams);
	failover_drop_spare(upstreams);
	relay_upstream_wait(old);
	upstreams->spare = old;
	relay_start_timer(upstreams->relay, "upstream", &upstreams->spare_timer,
			  spare_ms < SPARE_MS_MAX ? spare_ms : SPARE_MS_MAX);
	upstreams->feed = next;
	lined_service_log(upstreams->relay->service, LINED_LOG_NOTICE,
			  "upstream %s: taken back from %s",
			  next->connector.address.text,
			  old->connector.address.text);
	relay_upstream_feed(next);
	relay_failover_update(upstreams);
}

static void failover_fail_back_fired(struct lined_timer *timer)
{
	struct relay_upstreams *upstreams =
		lined_container_of(timer, struct relay_upstreams, fail_back);

	if (relay_upstream_is_between_lines(upstreams->feed) ||
	    relay_now_ms(upstreams->relay) >= upstreams->fail_back_ms ||
	    !relay_start_timer(upstreams->relay, "upstream", timer,
			       FAIL_BACK_STEP_MS))
		failover_fail_back(upstreams);
}

static void failover_choose(struct relay_upstreams *upstreams,
			    struct relay_upstream *upstream, const char *what)
{
	char text[RELAY_CONNECTOR_TEXT_MAX];

	upstreams->feed = upstream;
	if (upstreams->count > 1)
		lined_service_log(
			upstreams->relay->service, LINED_LOG_NOTICE,
			"upstream %s: %s",
			relay_connector_text(&upstream->connector, text), what);
	relay_upstream_feed(upstream);
	relay_failover_update(upstreams);
}

/* The feeding upstream is gone: another upstream, if one is connected and good,
 * feeds at once. */
static void failover_replace(struct relay_upstreams *upstreams)
{
	struct relay_upstream *other = upstreams->next;

	upstreams->feed = NULL;
	if (other == NULL)
		other = failover_take_spare(upstreams);
	failover_drop_next(upstreams);
	if (other != NULL)
		failover_choose(upstreams, other, "feeds in its place");
}

/* ---- which upstreams are connected -------------------------------------- */

/* Whether upstreams after this one must wait. They wait for the first attempt
 * only, not for the retries of an upstream that has failed. */
static bool failover_keeps_waiting(const struct relay_upstream *upstream)
{
	const struct relay_connector *connector = &upstream->connector;

	return connector->failures == 0 &&
	       (connector->state == RELAY_CONNECTOR_CONNECTING ||
		connector->state == RELAY_CONNECTOR_CONNECTED);
}

static void failover_update_first(struct relay_upstreams *upstreams)
{
	bool behind = false, wait = false;
	size_t i;

	for (i = 0; i < upstreams->count; i++) {
		struct relay_upstream *upstream = upstreams->list[i];
		bool feeds = upstream == upstreams->feed;

		/* An upstream that has just taken over is also patient: if its
		 * connection is lost now, spare feeds again. */
		upstream->connector.patient =
			upstreams->feed != NULL &&
			(!feeds || upstreams->spare != NULL);
		if (behind && upstream != upstreams->spare)
			relay_upstream_stop(upstream);
		else if (!behind && (feeds || !wait))
			relay_connector_start(&upstream->connector);
		behind |= feeds;
		wait |= failover_keeps_waiting(upstream);
	}
}

/* Whether the previous instance still has the upstreams. */
static bool failover_waits(struct relay_upstreams *upstreams)
{
	return relay_handover_waits(&upstreams->handover, upstreams->relay) &&
	       relay_start_timer(upstreams->relay, "upstream",
				 &upstreams->leave_timer, RELAY_END_STEP_MS);
}

void relay_failover_update(struct relay_upstreams *upstreams)
{
	size_t i;

	if (upstreams->updating || upstreams->finishing ||
	    failover_waits(upstreams))
		return;
	/* Prevents recursion: a connector that fails at once calls this
	 * function again. */
	upstreams->updating = true;
	if (!upstreams->all)
		failover_update_first(upstreams);
	for (i = 0; upstreams->all && i < upstreams->count; i++) {
		upstreams->list[i]->connector.patient = false;
		relay_connector_start(&upstreams->list[i]->connector);
	}
	upstreams->updating = false;
	/* The target of waiting lines may have changed. Without up-hold, lines
	 * that the new target does not take are dropped, because later lines
	 * would pass them. */
	relay_lines_up_send(upstreams);
}

/* ---- calls from upstreams ----------------------------------------------- */

static bool failover_on_good(struct relay_upstream *upstream)
{
	struct relay_upstreams *upstreams = failover_of(upstream);

	if (upstreams->all) {
		relay_upstream_feed(upstream);
		return true;
	}
	if (upstreams->feed == NULL) {
		failover_choose(upstreams, upstream, "feeds");
		return true;
	}
	if (upstreams->finishing ||
	    (upstreams->next != NULL &&
	     !failover_is_before(upstreams, upstream, upstreams->next)))
		return false;
	upstreams->next = upstream;
	if (relay_upstream_is_between_lines(upstreams->feed)) {
		failover_fail_back(upstreams);
		return true;
	}
	upstreams->feed->leaving = true;
	if (!lined_timer_is_armed(&upstreams->fail_back)) {
		upstreams->fail_back_ms =
			relay_now_ms(upstreams->relay) + FAIL_BACK_MS;
		relay_start_timer(upstreams->relay, "upstream",
				  &upstreams->fail_back, FAIL_BACK_STEP_MS);
	}
	return false;
}

static void failover_on_line_end(struct relay_upstream *upstream)
{
	failover_fail_back(failover_of(upstream));
}

static void failover_on_room(struct relay_upstream *upstream)
{
	relay_lines_up_send(failover_of(upstream));
}

/* The upstream's unsent lines wait again. They are sent here only if nothing
 * else sends them: handle_close does, which follows unless the connector is
 * idle; so does the code that has set `updating` or `finishing`. */
static void failover_on_unsent(struct relay_upstream *upstream)
{
	struct relay_upstreams *upstreams = failover_of(upstream);

	relay_lines_up_return(upstreams, upstream);
	if (upstream->connector.state == RELAY_CONNECTOR_IDLE &&
	    !upstreams->updating && !upstreams->finishing)
		relay_lines_up_send(upstreams);
}

static void failover_on_close(struct relay_upstream *upstream)
{
	struct relay_upstreams *upstreams = failover_of(upstream);

	if (upstream == upstreams->next)
		failover_drop_next(upstreams);
	if (upstream == upstreams->spare)
		failover_take_spare(upstreams);
	if (upstream == upstreams->feed)
		failover_replace(upstreams);
	relay_failover_update(upstreams);
}

const struct relay_upstream_handlers relay_failover_handlers = {
	.handle_good = failover_on_good,
	.handle_line_end = failover_on_line_end,
	.handle_room = failover_on_room,
	.handle_unsent = failover_on_unsent,
	.handle_close = failover_on_close,
};

/* ---- changes ------------------------------------------------------------ */

void relay_failover_remove(struct relay_upstreams *upstreams,
			   struct relay_upstream *upstream)
{
	if (upstream == upstreams->next)
		failover_drop_next(upstreams);
	if (upstream == upstreams->spare)
		failover_drop_spare(upstreams);
	if (upstream == upstreams->feed) {
		upstream->leaving = false;
		failover_replace(upstreams);
	}
}

void relay_failover_set_all(struct relay_upstreams *upstreams, bool all)
{
	size_t i;

	if (all == upstreams->all)
		return;
	failover_drop_next(upstreams);
	failover_drop_spare(upstreams);
	upstreams->feed = NULL;
	upstreams->all = all;
	for (i = 0; i < upstreams->count; i++) {
		struct relay_upstream *upstream = upstreams->list[i];

		if (all || !upstream->feeds)
			continue;
		if (upstreams->feed == NULL)
			upstreams->feed = upstream;
		else
			relay_upstream_stop(upstream);
	}
	relay_lines_up_drop_passed(upstreams);
}

void relay_failover_end(struct relay_upstreams *upstreams)
{
	upstreams->finishing = true;
	failover_drop_next(upstreams);
	failover_take_spare(upstreams);
}

void relay_failover_init(struct relay_upstreams *upstreams)
{
	struct lined_service *service = upstreams->relay->service;

	lined_service_timer(service, &upstreams->fail_back,
			    failover_fail_back_fired);
	lined_service_timer(service, &upstreams->spare_timer,
			    failover_spare_fired);
}
