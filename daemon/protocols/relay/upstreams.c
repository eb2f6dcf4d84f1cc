/* SPDX-License-Identifier: MIT */
/*
 * The list of upstreams that the config names: made at the start, changed by a
 * reload, and left when the service ends or another instance takes over.
 */
#include "relay/upstreams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/relay.h"
#include "relay/upstream.h"
#include "relay/upstreams_priv.h"

/* The longest time for the last lines from and to upstreams, when they are
 * removed or another instance takes over. */
#define LEAVE_MS 10000

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

/* Ends an upstream that is not configured any more. */
static void upstreams_remove(struct relay_upstreams *upstreams,
			     struct relay_upstream *upstream)
{
	if (relay_connector_connected(&upstream->connector))
		lined_service_log(upstreams->relay->service, LINED_LOG_NOTICE,
				  "upstream %s: left, it is not configured any "
				  "more",
				  upstream->connector.address.text);
	relay_failover_remove(upstreams, upstream);
	upstream->connector.flush_ms = LEAVE_MS;
	relay_upstream_finish(upstream);
	upstream->next_left = upstreams->left;
	upstreams->left = upstream;
}

/* Frees the removed upstreams that are idle; `all`: frees all removed
 * upstreams. */
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
						   &relay_failover_handlers);
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

static int upstreams_log_error(const struct relay *relay)
{
	lined_service_log(relay->service, LINED_LOG_ERR, "upstream: %s",
			  strerror(errno));
	return -1;
}

static int upstreams_read_options(struct relay_upstreams *upstreams)
{
	const struct relay_options *options = upstreams->relay->options;
	bool same = upstreams->retry_min_ms == options->retry_min_ms &&
		    upstreams->retry_max_ms == options->retry_max_ms;
	int result = 0;
	size_t i;

	relay_connector_set_limits(upstreams->relay);
	if (upstreams_read_list(upstreams) < 0)
		result = upstreams_log_error(upstreams->relay);
	relay_failover_set_all(upstreams, options->use == RELAY_CHOICE_ALL);
	upstreams->retry_min_ms = options->retry_min_ms;
	upstreams->retry_max_ms = options->retry_max_ms;
	for (i = 0; i < upstreams->count; i++) {
		relay_upstream_reload(upstreams->list[i]);
		if (!same)
			relay_connector_retry_changed(
				&upstreams->list[i]->connector);
	}
	relay_failover_update(upstreams);
	return result;
}

void relay_upstreams_give_up(struct relay *relay, uint64_t bytes)
{
	if (relay->upstreams != NULL)
		relay_unsent_give_up(&relay->upstreams->hold, bytes);
}

void relay_upstreams_stop(struct relay *relay)
{
	struct relay_upstreams *upstreams = relay->upstreams;

	if (upstreams == NULL)
		return;
	relay_failover_end(upstreams);
	lined_bus_unsubscribe(upstreams->lines);
	lined_timer_stop(&upstreams->leave_timer);
	upstreams_free_left(upstreams, true);
	while (upstreams->count > 0)
		relay_upstream_free(upstreams->list[--upstreams->count]);
	relay_unsent_send(&upstreams->hold, NULL, 0);
	relay_handover_close(&upstreams->handover);
	free(upstreams->list);
	free(upstreams);
	relay->upstreams = NULL;
}

bool relay_upstreams_finish(struct relay *relay)
{
	struct relay_upstreams *upstreams = relay->upstreams;
	bool finished = true, waits;
	size_t i;

	if (upstreams == NULL)
		return true;
	relay_failover_end(upstreams);
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

/* Reads the last lines from the upstreams, sends them the waiting lines, then
 * stops. Lines of clients are no longer taken. */
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
	    !relay_start_timer(relay, "upstream", &upstreams->leave_timer,
			       RELAY_END_STEP_MS))
		relay_upstreams_stop(relay);
}

static void upstreams_leave_fired(struct lined_timer *timer)
{
	struct relay_upstreams *upstreams =
		lined_container_of(timer, struct relay_upstreams, leave_timer);

	if (upstreams->handover.leaves)
		upstreams_leave(upstreams->relay);
	else
		relay_failover_update(upstreams);
}

static int upstreams_open(struct relay *relay)
{
	struct relay_upstreams *upstreams = calloc(1, sizeof(*upstreams));

	if (upstreams == NULL)
		return upstreams_log_error(relay);
	relay->upstreams = upstreams;
	upstreams->relay = relay;
	if (relay_handover_open(&upstreams->handover, relay) < 0)
		return upstreams_log_error(relay);
	upstreams->hold.relay = relay;
	upstreams->hold.dropped = "upstream_down";
	relay_failover_init(upstreams);
	lined_service_timer(relay->service, &upstreams->leave_timer,
			    upstreams_leave_fired);
	upstreams->lines = lined_bus_subscribe(
		relay->service, RELAY_UP, relay_lines_up_on_batch, upstreams);
	if (upstreams->lines == NULL) {
		lined_service_log(relay->service, LINED_LOG_ERR,
				  "cannot subscribe: %s", strerror(errno));
		return -1;
	}
	return upstreams_read_options(upstreams);
}

static bool upstreams_are_wanted(const struct relay *relay)
{
	return relay->options->mode == RELAY_UPSTREAM &&
	       lined_service_is_primary(relay->service);
}

int relay_upstreams_start(struct relay *relay)
{
	return upstreams_are_wanted(relay) ? upstreams_open(relay) : 0;
}

void relay_upstreams_reload(struct relay *relay)
{
	bool wanted = upstreams_are_wanted(relay);

	if (wanted && relay->upstreams != NULL && relay->upstreams->finishing)
		relay_upstreams_stop(relay);
	if (wanted && relay->upstreams != NULL)
		upstreams_read_options(relay->upstreams);
	else if (wanted && upstreams_open(relay) < 0)
		relay_upstreams_stop(relay);
	else if (!wanted && relay->upstreams != NULL)
		upstreams_leave(relay);
}
