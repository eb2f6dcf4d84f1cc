/* SPDX-License-Identifier: MIT */
/*
 * The instance of a relay service and its clients. A line goes
 *
 * 	client or upstream -> filter -> dedupe -> tag -> batch (-> hold)
 * 	-> bus -> filter-out -> every reader and history
 *
 * and is copied once, into its batch, and once more if filter-out or the
 * framing changes the batch. topic.h has the decisions shared by all workers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lined/bus.h>
#include <lined/protocol.h>

#include "relay/batch.h"
#include "relay/line_store.h"
#include "relay/options.h"
#include "relay/tls.h"
#include "relay/topic.h"

struct relay {
	struct lined_service *service;
	const struct relay_options *options;
	bool limits_set; /* relay_connector_set_limits() has run */
	struct relay_filter *filter, *filter_out, *filter_up;
	struct relay_pattern *dedupe_without;
	struct relay_seat seat;
	struct relay_batch batch;
	struct relay_store history;
	/* The bus mark at which a reader here got held lines: messages
	 * published before it are too late for the history. 0: never. */
	uint64_t held_since;
	char topic[RELAY_TOPIC_MAX + 1]; /* "": the feed is not shared */
	struct relay_client *clients;    /* none in mode proxy */
	size_t client_count;
	struct lined_subscription *feed; /* NULL: clients only publish */
	struct lined_timer heartbeat, aging;
	uint64_t fed_ms;                   /* when readers last got a line */
	struct relay_upstreams *upstreams; /* only on the primary worker */
	struct relay_push *push;           /* only on the primary worker */
	struct relay_tls tls;
	/* Mode proxy: pairs are the clients; unreached: addresses not reached,
	 * shared by all workers. */
	struct relay_pair *pairs;
	struct lined_shared *unreached;
};

struct relay_client {
	struct relay_client *prev, *next;
	struct relay *relay;
	struct lined_socket *sock;
	uint64_t id;
	uint64_t lost;  /* lines lost since the last gap-notice */
	uint64_t since; /* gets lines published after this bus mark; 0: all */
};

/* The time of the worker's dispatcher. */
static inline uint64_t relay_now_ms(const struct relay *relay)
{
	return lined_dispatcher_now_ms(
		lined_service_dispatcher(relay->service));
}

/* Adds n to the service's counter of this name, a string literal. If n is 0,
 * the counter is not created. */
static inline void relay_count(const struct relay *relay, const char *name,
			       uint64_t n)
{
	if (n > 0)
		lined_service_count(relay->service, name, n);
}

/* Sends a line that the service itself writes. Returns as
 * lined_socket_send_line(). */
static inline int relay_send_text(struct lined_socket *sock, const char *text,
				  size_t len)
{
	struct lined_line line = {.text = text, .len = len};

	line.terminator_len = lined_framing_terminator(
		lined_socket_framing(sock), &line.terminator);
	return lined_socket_send_line(sock, &line);
}

/* Starts a one-shot timer. `what`, for the log: the option that the timer is
 * for, "upstream" or "push". False: out of memory; logged. */
static inline bool relay_start_timer(const struct relay *relay,
				     const char *what,
				     struct lined_timer *timer,
				     uint64_t delay_ms)
{
	if (lined_timer_start(timer, delay_ms, 0) == 0)
		return true;
	lined_service_log(relay->service, LINED_LOG_ERR,
			  "%s: no timer: out of memory", what);
	return false;
}
