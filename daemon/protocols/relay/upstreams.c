/* SPDX-License-Identifier: MIT */
/*
 * Decides which upstreams are connected, and which one feeds. With `use =
 * "all"` all of them feed. Otherwise the upstreams are connected in the
 * config's order, and the first upstream with a line that passes the filter
 * feeds. Upstreams before this one are retried with back-off; when one is good,
 * it takes over at the end of a line. Lines do not pass through this file.
 */
#include "relay/upstreams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/relay.h"
#include "relay/upstream.h"
#include "relay/upstreams_priv.h"

/* Time for the feeding upstream to end its line when a better upstream is good.
 */
#define HAND_OVER_MS 10000

/* The longest time for which the previous upstream then stays connected. */
#define SPARE_MS_MAX 10000

/* How long the last lines of and to an upstream may take while the service goes
 * on without it. */
#define LEAVE_MS 10000

static void upstreams_update(struct relay_upstreams *upstreams);
static void upstreams_leave(struct relay *relay);

static struct relay_upstreams *
upstreams_of(const struct relay_upstream *upstream)
{
	return upstream->connector.relay->upstreams;
}

/* ---- the upstream that feeds -------------------------------------------- */

static bool upstreams_is_before(const struct relay_upstreams *upstreams,
				const struct relay_upstream *a,
				const struct relay_upstream *b)
{
	size_t i = 0;

	while (upstreams->list[i] != a && upstreams->list[i] != b)
		i++;
	return upstreams->list[i] == a && a != b;
}

static void upstreams_drop_next(struct relay_upstreams *upstreams)
{
	upstreams->next = NULL;
	lined_timer_stop(&upstreams->hand_over);
	if (upstreams->feed != NULL)
		upstreams->feed->leaving = false;
}

static void upstreams_drop_spare(struct relay_upstreams *upstreams)
{
	struct relay_upstream *spare = upstreams->spare;

	upstreams->spare = NULL;
	lined_timer_stop(&upstreams->leave);
	if (spare != NULL)
		relay_upstream_stop(spare);
}

/*
 * `next` takes over from `feed`. The old upstream stays connected for a while
 * as `spare`, in case the new one sends one line and closes; its lines wait in
 * the kernel.
 */
static void upstreams_hand_over(struct relay_upstreams *upstreams)
{
	struct relay_upstream *next = upstreams->next, *old = upstreams->feed;
	uint64_t spare_ms = (uint64_t)upstreams->relay->options->retry_min_ms;

	upstreams_drop_next(upstreams);
	upstreams_drop_spare(upstreams);
	relay_upstream_wait(old);
	upstreams->spare = old;
	relay_connector_start_timer(upstreams->relay, &upstreams->leave,
				    spare_ms < SPARE_MS_MAX ? spare_ms
							    : SPARE_MS_MAX);
	upstreams->feed = next;
	lined_service_log(upstreams->relay->service, LINED_LOG_NOTICE,
			  "upstream %s: taken back from %s",
			  next->connector.address.text,
			  old->connector.address.text);
	relay_upstream_feed(next);
	upstreams_update(upstreams);
}

static void upstreams_hand_over_fired(struct lined_timer *timer)
{
	upstreams_hand_over(
		lined_container_of(timer, struct relay_upstreams, hand_over));
}

static void upstreams_leave_fired(struct lined_timer *timer)
{
	struct relay_upstreams *upstreams =
		lined_container_of(timer, struct relay_upstreams, leave);

	if (upstreams->handover.leaves) {
		upstreams_leave(upstreams->relay);
		return;
	}
	upstreams_drop_spare(upstreams);
	upstreams_update(upstreams);
}

static void upstreams_choose(struct relay_upstreams *upstreams,
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
	upstreams_update(upstreams);
}

/* The feeding upstream is gone: another connected and good upstream feeds at
 * once. */
static void upstreams_replace(struct relay_upstreams *upstreams)
{
	struct relay_upstream *other = upstreams->next;

	upstreams->feed = NULL;
	if (other != NULL) {
		upstreams_drop_next(upstreams);
	} else if (upstreams->spare != NULL) {
		other = upstreams->spare;
		upstreams->spare = NULL;
		lined_timer_stop(&upstreams->leave);
	}
	if (other != NULL)
		upstreams_choose(upstreams, other, "feeds in its place");
}

/* ---- which ones are connected ------------------------------------------- */

/* Whether upstreams after this one must wait. They wait for the first attempt
 * only, not for the retries of an upstream that has failed. */
static bool upstreams_keeps_waiting(const struct relay_upstream *upstream)
{
	const struct relay_connector *connector = &upstream->connector;

	return connector->failures == 0 &&
	       (connector->state == RELAY_CONNECTOR_CONNECTING ||
		connector->state == RELAY_CONNECTOR_CONNECTED);
}

static void upstreams_update_first(struct relay_upstreams *upstreams)
{
	bool behind = false, wait = false;
	size_t i;

	for (i = 0; i < upstreams->count; i++) {
		struct relay_upstream *upstream = upstreams->list[i];
		bool feeds = upstream == upstreams->feed;

		/* An upstream that has just taken over is patient, too: if its
		 * connection is lost now, spare feeds again. */
		upstream->connector.patient =
			upstreams->feed != NULL &&
			(!feeds || upstreams->spare != NULL);
		if (behind && upstream != upstreams->spare)
			relay_upstream_stop(upstream);
		else if (!behind && (feeds || !wait))
			relay_connector_start(&upstream->connector);
		behind |= feeds;
		wait |= upstreams_keeps_waiting(upstream);
	}
}

/* Whether it is still the turn of the previous instance. */
static bool upstreams_wait_handover(struct relay_upstreams *upstreams)
{
	struct relay_handover *handover = &upstreams->handover;

	if (!relay_handover_waits(handover, relay_now_ms(upstreams->relay)))
		return false;
	if (relay_connector_start_timer(upstreams->relay, &upstreams->leave,
					RELAY_END_STEP_MS))
		return true;
	relay_handover_take(handover);
	return false;
}

static void upstreams_update(struct relay_upstreams *upstreams)
{
	size_t i;

	if (upstreams->updating || upstreams->finishing ||
	    upstreams_wait_handover(upstreams))
		return;
	/* Prevents recursion: a connector that fails at once calls this
	 * function again. */
	upstreams->updating = true;
	if (!upstreams->all)
		upstreams_update_first(upstreams);
	for (i = 0; upstreams->all && i < upstreams->count; i++) {
		upstreams->list[i]->connector.patient = false;
		relay_connector_start(&upstreams->list[i]->connector);
	}
	upstreams->updating = false;
	/* Another upstream may be the target now. Without up-hold no line may
	 * wait, because later lines would pass it. */
	relay_lines_up_send(upstreams);
}

/* ---- calls from upstreams ----------------------------------------------- */

static bool upstreams_on_good(struct relay_upstream *upstream)
{
	struct relay_upstreams *upstreams = upstreams_of(upstream);

	if (upstreams->all) {
		relay_upstream_feed(upstream);
		return true;
	}
	if (upstreams->feed == NULL) {
		upstreams_choose(upstreams, upstream, "feeds");
		return true;
	}
	if (upstreams->finishing ||
	    (upstreams->next != NULL &&
	     !upstreams_is_before(upstreams, upstream, upstreams->next)))
		return false;
	upstreams->next = upstream;
	if (relay_upstream_is_between_lines(upstreams->feed)) {
		upstreams_hand_over(upstreams);
		return true;
	}
	upstreams->feed->leaving = true;
	if (!lined_timer_is_armed(&upstreams->hand_over))
		relay_connector_start_timer(
			upstreams->relay, &upstreams->hand_over, HAND_OVER_MS);
	return false;
}

static bool upstreams_on_line_end(struct relay_upstream *upstream)
{
	upstreams_hand_over(upstreams_of(upstream));
	return true;
}

static void upstreams_on_room(struct relay_upstream *upstream)
{
	struct relay_upstreams *upstreams = upstreams_of(upstream);

	relay_lines_up_send(upstreams);
}

/* An upstream that was left and has ended is idle: send now. Otherwise
 * handle_close or upstreams_update() follows. */
static void upstreams_on_unsent(struct relay_upstream *upstream)
{
	struct relay_upstreams *upstreams = upstreams_of(upstream);

	relay_lines_up_return(upstreams, upstream);
	if (upstream->connector.state == RELAY_CONNECTOR_IDLE &&
	    !upstreams->updating && !upstreams->finishing)
		upstreams_on_room(upstream);
}

static void upstreams_on_close(struct relay_upstream *upstream)
{
	struct relay_upstreams *upstreams = upstreams_of(upstream);

	if (upstream == upstreams->next)
		upstreams_drop_next(upstreams);
	if (upstream == upstreams->spare) {
		upstreams->spare = NULL;
		lined_timer_stop(&upstreams->leave);
	}
	if (upstream == upstreams->feed)
		upstreams_replace(upstreams);
	upstreams_update(upstreams);
}

static const struct relay_upstream_handlers upstreams_handlers = {
	.handle_good = upstreams_on_good,
	.handle_line_end = upstreams_on_line_end,
	.handle_room = upstreams_on_room,
	.handle_unsent = upstreams_on_unsent,
	.handle_close = upstreams_on_close,
};

/* ---- the list ----------------------------------------------------------- */

/* Takes the upstream with this address out of the list. NULL: none. */
static struct relay_upstream *upstreams_take(struct relay_upstreams *upstreams,
					     const char *text)
{
	struct relay_upstream *found;
	size_t i;

	for (i = 0; i < upstreams->count; i++) {
		found = upstreams->list[i];
		if (strcmp(found->connector.address.text, text) != 0)
			continue;
		upstreams->list[i] = upstreams->list[--upstreams->count];
		return found;
	}
	return NULL;
}

/* Leaves an upstream that is no longer configured. */
static void upstreams_remove(struct relay_upstreams *upstreams,
			     struct relay_upstream *upstream)
{
	if (relay_connector_connected(&upstream->connector))
		lined_service_log(upstreams->relay->service, LINED_LOG_NOTICE,
				  "upstream %s: left, it is not configured any "
				  "more",
				  upstream->connector.address.text);
	if (upstream == upstreams->next)
		upstreams_drop_next(upstreams);
	if (upstream == upstreams->spare)
		upstreams_drop_spare(upstreams);
	if (upstream == upstreams->feed) {
		upstream->leaving = false;
		upstreams_replace(upstreams);
	}
	upstream->connector.flush_ms = LEAVE_MS;
	relay_upstream_finish(upstream);
	upstream->next_left = upstreams->left;
	upstreams->left = upstream;
}

/* Frees removed upstreams that have ended, or all removed ones. */
static void upstreams_free_left(struct relay_upstreams *upstreams, bool all)
{
	struct relay_upstream **at = &upstreams->left, *upstream;

	while ((upstream = *at) != NULL) {
		if (!all && upstream->connector.state != RELAY_CONNECTOR_IDLE) {
			at = &upstream->next_left;
			continue;
		}
		*at = upstream->next_left;
		relay_upstream_free(upstream);
	}
}

/* Makes the list of upstreams in the config; upstreams already there keep their
 * connection. -1/ENOMEM: nothing has changed. */
static int upstreams_read_list(struct relay_upstreams *upstreams)
{
	const struct lined_option_list *texts =
		&upstreams->relay->options->upstream;
	struct relay_upstream **list = calloc(texts->count + 1, sizeof(*list));
	struct relay_address address;
	size_t count = 0, i;
	char error[512];

	if (list == NULL)
		return -1;
	/* `updating` prevents new connections while the list is incomplete. */
	upstreams->updating = true;
	for (i = 0; i < texts->count; i++) {
		/* relay_options_check() has reported this address. */
		if (relay_address_parse(RELAY_USE_UPSTREAM, texts->items[i],
					&address, error, sizeof(error)) < 0)
			continue;
		list[count] = upstreams_take(upstreams, address.text);
		if (list[count] == NULL)
			list[count] =
				relay_upstream_new(upstreams->relay, &address,
						   &upstreams_handlers);
		if (list[count] == NULL)
			lined_service_log(
				upstreams->relay->service, LINED_LOG_ERR,
				"upstream %s: out of memory", address.text);
		else
			count++;
	}
	upstreams_free_left(upstreams, false);
	while (upstreams->count > 0)
		upstreams_remove(upstreams,
				 upstreams->list[--upstreams->count]);
	free(upstreams->list);
	upstreams->list = list;
	upstreams->count = count;
	upstreams->updating = false;
	return 0;
}

/* ---- life --------------------------------------------------------------- */

void relay_upstreams_describe(const struct relay *relay,
			      struct lined_records *records)
{
	const struct relay_upstreams *upstreams = relay->upstreams;
	size_t i;

	for (i = 0; upstreams != NULL && i < upstreams->count; i++)
		relay_upstream_describe(upstreams->list[i], records);
}

/* `use` has changed: either no upstream is better than another now, or they are
 * tried in order again. */
static void upstreams_set_use(struct relay_upstreams *upstreams, bool all)
{
	size_t i;

	if (all == upstreams->all)
		return;
	upstreams_drop_next(upstreams);
	upstreams_drop_spare(upstreams);
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

static int upstreams_log_error(const struct relay *relay)
{
	lined_service_log(relay->service, LINED_LOG_ERR, "upstream: %s",
			  strerror(errno));
	return -1;
}

/* Applies the options. */
static int upstreams_read_options(struct relay_upstreams *upstreams)
{
	const struct relay_options *options = upstreams->relay->options;
	bool same = upstreams->retry_min_ms == options->retry_min_ms &&
		    upstreams->retry_max_ms == options->retry_max_ms;
	size_t i;

	relay_upstream_set_limits(upstreams->relay);
	if (upstreams_read_list(upstreams) < 0)
		return upstreams_log_error(upstreams->relay);
	upstreams_set_use(upstreams, options->use == RELAY_CHOICE_ALL);
	upstreams->retry_min_ms = options->retry_min_ms;
	upstreams->retry_max_ms = options->retry_max_ms;
	for (i = 0; i < upstreams->count; i++) {
		relay_upstream_reload(upstreams->list[i]);
		if (!same)
			relay_connector_retry_changed(
				&upstreams->list[i]->connector);
	}
	upstreams_update(upstreams);
	return 0;
}

static int upstreams_open(struct relay *relay)
{
	struct relay_upstreams *upstreams = calloc(1, sizeof(*upstreams));

	if (upstreams == NULL)
		return upstreams_log_error(relay);
	relay->upstreams = upstreams;
	upstreams->relay = relay;
	if (relay_handover_open(&upstreams->handover, relay,
				relay_now_ms(relay)) < 0)
		return upstreams_log_error(relay);
	upstreams->hold.relay = relay;
	upstreams->hold.dropped = "upstream_down";
	lined_service_timer(relay->service, &upstreams->hand_over,
			    upstreams_hand_over_fired);
	lined_service_timer(relay->service, &upstreams->leave,
			    upstreams_leave_fired);
	upstreams->lines = relay_topic_subscribe(
		relay, RELAY_UP, relay_lines_up_on_batch, upstreams);
	if (upstreams->lines == NULL)
		return -1;
	return upstreams_read_options(upstreams);
}

void relay_upstreams_give_up(struct relay *relay, uint64_t bytes)
{
	if (relay->upstreams != NULL)
		relay_unsent_give_up(&relay->upstreams->hold, bytes);
}

int relay_upstreams_start(struct relay *relay)
{
	if (relay->options->mode != RELAY_UPSTREAM ||
	    !lined_service_is_primary(relay->service))
		return 0;
	return upstreams_open(relay);
}

void relay_upstreams_stop(struct relay *relay)
{
	struct relay_upstreams *upstreams = relay->upstreams;

	if (upstreams == NULL)
		return;
	upstreams->finishing = true;
	lined_bus_unsubscribe(upstreams->lines);
	lined_timer_stop(&upstreams->hand_over);
	lined_timer_stop(&upstreams->leave);
	upstreams_free_left(upstreams, true);
	while (upstreams->count > 0)
		relay_upstream_free(upstreams->list[--upstreams->count]);
	relay_unsent_send(&upstreams->hold, NULL, 0);
	relay_handover_close(&upstreams->handover);
	free(upstreams->list);
	free(upstreams);
	relay->upstreams = NULL;
}

/* From now on no upstream is connected again, and none takes over. */
static void upstreams_begin_finish(struct relay_upstreams *upstreams)
{
	upstreams->finishing = true;
	upstreams_drop_next(upstreams);
	upstreams->spare = NULL;
	lined_timer_stop(&upstreams->leave);
}

bool relay_upstreams_finish(struct relay *relay)
{
	struct relay_upstreams *upstreams = relay->upstreams;
	bool finished = true, waits;
	size_t i;

	if (upstreams == NULL)
		return true;
	if (!upstreams->finishing)
		upstreams_begin_finish(upstreams);
	waits = relay_lines_up_send(upstreams);
	for (i = 0; i < upstreams->count; i++) {
		struct relay_upstream *upstream = upstreams->list[i];

		if (upstream->connector.state != RELAY_CONNECTOR_FINISHING &&
		    !(waits && relay_connector_is_open(&upstream->connector)))
			relay_upstream_finish(upstream);
		finished &= upstream->connector.state == RELAY_CONNECTOR_IDLE;
	}
	upstreams_free_left(upstreams, false);
	return finished && upstreams->left == NULL;
}

/* Stops after reading all that the upstreams have sent and sending what waits
 * for them. Lines of clients are no longer taken. */
static void upstreams_leave(struct relay *relay)
{
	struct relay_upstreams *upstreams = relay->upstreams;
	uint64_t now_ms = relay_now_ms(relay);

	lined_bus_unsubscribe(upstreams->lines);
	upstreams->lines = NULL;
	if (!upstreams->handover.leaves) {
		relay_handover_leave(&upstreams->handover);
		upstreams->leave_ms = now_ms + LEAVE_MS;
	}
	if (relay_upstreams_finish(relay) || now_ms >= upstreams->leave_ms ||
	    !relay_connector_start_timer(relay, &upstreams->leave,
					 RELAY_END_STEP_MS))
		relay_upstreams_stop(relay);
}

void relay_upstreams_reload(struct relay *relay)
{
	if (relay->options->mode != RELAY_UPSTREAM ||
	    !lined_service_is_primary(relay->service)) {
		if (relay->upstreams != NULL)
			upstreams_leave(relay);
		return;
	}
	if (relay->upstreams != NULL && relay->upstreams->finishing)
		relay_upstreams_stop(relay);
	if (relay->upstreams != NULL)
		upstreams_read_options(relay->upstreams);
	else if (upstreams_open(relay) < 0)
		relay_upstreams_stop(relay);
}
