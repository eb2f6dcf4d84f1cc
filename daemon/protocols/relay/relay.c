/* SPDX-License-Identifier: MIT */
/*
 * relay: passes whole lines from each client to all others, or from one
 * upstream to all clients; or gives each client its own upstream connection.
 * This file has the handlers that lined calls, and the handlers of clients'
 * sockets.
 */
#include "relay/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/filter.h"
#include "relay/hold.h"
#include "relay/input.h"
#include "relay/mode_proxy.h"
#include "relay/push.h"
#include "relay/readers.h"
#include "relay/slow_readers.h"
#include "relay/upstreams.h"

/* ---- clients ------------------------------------------------------------ */

static void client_on_read(struct lined_socket *sock, void *arg)
{
	struct relay_client *client = arg;

	relay_input_read(client->relay, sock);
}

static void client_on_write(struct lined_socket *sock, void *arg)
{
	relay_slow_send_notice(arg);
}

static void client_on_close(struct lined_socket *sock, void *arg,
			    enum lined_close_reason reason, int error)
{
	struct relay_client *client = arg;

	relay_slow_count_dropped(client);
	relay_readers_leave(client->relay, client);
	free(client);
}

static const struct lined_socket_handlers client_handlers = {
	.handle_read = client_on_read,
	.handle_write = client_on_write,
	.handle_close = client_on_close,
};

static void datagram_on_read(struct lined_socket *sock, void *arg)
{
	relay_input_read(arg, sock);
}

static const struct lined_socket_handlers datagram_handlers = {
	.handle_read = datagram_on_read,
};

static void relay_on_accept(struct lined_service *service,
			    struct lined_socket *sock)
{
	struct relay *relay = lined_service_data(service);
	struct relay_client *client;

	if (lined_socket_is_datagram(sock)) {
		lined_socket_set_handlers(sock, &datagram_handlers, relay);
		return;
	}
	if (relay->options->mode == RELAY_PROXY) {
		relay_proxy_accept(relay, sock);
		return;
	}
	client = calloc(1, sizeof(*client));
	if (client == NULL) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	client->relay = relay;
	client->sock = sock;
	client->id = lined_client_id(sock);
	lined_socket_set_handlers(sock, &client_handlers, client);
	relay_readers_join(relay, client);
}

static void relay_on_drain(struct lined_socket *sock)
{
	struct relay_pair *const *pair = lined_client_data(sock);

	if (*pair != NULL)
		relay_proxy_drain(*pair);
	else
		lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
}

/* ---- life --------------------------------------------------------------- */

static void relay_read_options(struct relay *relay)
{
	relay->options = lined_service_options(relay->service);
	relay->limits_set = false;
}

/* Logs that the rules or the expression of this option cannot be compiled. */
static void relay_log_filter(const struct relay *relay, const char *option,
			     const char *error, bool reloads)
{
	lined_service_log(relay->service, LINED_LOG_ERR, "%s: %s%s", option,
			  error,
			  reloads ? ": the rules before stay in use" : "");
}

/* Reads the option dedupe-without. -1: failed and logged. */
static int relay_read_pattern(struct relay *relay, bool reloads)
{
	const char *expression = relay->options->dedupe_without;
	struct relay_pattern *fresh = NULL;
	char error[256];

	if (expression[0] != '\0') {
		fresh = relay_pattern_new(expression, error, sizeof(error));
		if (fresh == NULL) {
			relay_log_filter(relay, "dedupe-without", error,
					 reloads);
			return -1;
		}
	}
	relay_pattern_free(relay->dedupe_without);
	relay->dedupe_without = fresh;
	return 0;
}

/* Reads all filters. -1: some failed, which is logged, and are as before. Fails
 * only without memory: relay_options_check() has checked the rules. */
static int relay_read_filters(struct relay *relay, bool reloads)
{
	const struct relay_options *options = relay->options;
	const struct {
		const char *option;
		struct relay_filter **filter;
		const struct lined_option_list *rules;
	} filters[] = {
		{"filter", &relay->filter, &options->filter},
		{"filter-out", &relay->filter_out, &options->filter_out},
		{"filter-up", &relay->filter_up, &options->filter_up},
	};
	int result = 0;
	char error[256];
	size_t i;

	for (i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		struct relay_filter *fresh = relay_filter_new(
			filters[i].rules, error, sizeof(error));

		if (fresh == NULL && error[0] != '\0') {
			relay_log_filter(relay, filters[i].option, error,
					 reloads);
			result = -1;
			continue;
		}
		relay_filter_free(*filters[i].filter);
		*filters[i].filter = fresh;
	}
	return relay_read_pattern(relay, reloads) < 0 ? -1 : result;
}

static void relay_stop(struct lined_service *service)
{
	struct relay *relay = lined_service_data(service);

	if (relay == NULL)
		return;
	relay_push_stop(relay);
	relay_upstreams_stop(relay);
	relay_proxy_stop(relay);
	relay_readers_stop(relay);
	relay_filter_free(relay->filter);
	relay_filter_free(relay->filter_out);
	relay_filter_free(relay->filter_up);
	relay_pattern_free(relay->dedupe_without);
	relay_batch_fini(&relay->batch);
	relay_tls_fini(&relay->tls);
	free(relay);
	lined_service_set_data(service, NULL);
}

static int relay_start(struct lined_service *service)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (relay == NULL) {
		lined_service_log(service, LINED_LOG_ERR, "out of memory");
		return -1;
	}
	relay->service = service;
	lined_service_set_data(service, relay);
	relay_read_options(relay);
	if (relay_read_filters(relay, false) == 0 &&
	    relay_tls_read(&relay->tls, service, relay->options) == 0 &&
	    relay_readers_start(relay) == 0 &&
	    relay_upstreams_start(relay) == 0 && relay_push_start(relay) == 0)
		return 0;
	relay_stop(service);
	return -1;
}

static void relay_reload(struct lined_service *service)
{
	struct relay *relay = lined_service_data(service);

	relay_read_options(relay);
	relay_read_filters(relay, true);
	relay_tls_read(&relay->tls, service, relay->options);
	relay_readers_reload(relay);
	relay_upstreams_reload(relay);
	relay_push_reload(relay);
	relay_proxy_reload(relay);
}

/* The primary node has changed. Only the primary node has connections to
 * upstreams and push targets. */
static void relay_cluster(struct lined_service *service,
			  enum lined_cluster_event event)
{
	struct relay *relay = lined_service_data(service);

	if (event != LINED_CLUSTER_PRIMARY)
		return;
	relay_upstreams_reload(relay);
	relay_push_reload(relay);
}

static bool relay_finish(struct lined_service *service)
{
	struct relay *relay = lined_service_data(service);
	bool proxied = relay_proxy_finish(relay);

	/* Push comes after upstreams, so that the last lines of upstreams are
	 * pushed. */
	return relay_upstreams_finish(relay) && relay_push_finish(relay) &&
	       proxied;
}

static void relay_give_up(struct lined_service *service, uint64_t bytes,
			  bool spare)
{
	struct relay *relay = lined_service_data(service);
	uint64_t freed;

	if (spare) {
		freed = relay_readers_give_up(relay, bytes);
		if (freed < bytes)
			relay_topic_forget(relay, bytes - freed);
		return;
	}
	relay_hold_give_up(relay, bytes);
	relay_push_give_up(relay, bytes);
	relay_upstreams_give_up(relay, bytes);
}

static void relay_describe(struct lined_service *service,
			   struct lined_records *records)
{
	relay_upstreams_describe(lined_service_data(service), records);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "relay",
	.summary = "relays whole lines: hub, upstream feed or proxy",
	.flags = LINED_NO_IDLE_TIMEOUT,
	.transports = LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM,
	.handle_accept = relay_on_accept,
	.options = relay_option_table,
	.options_size = sizeof(struct relay_options),
	.check_options = relay_options_check,
	.needs_listen = relay_options_needs_listen,
	.describe = relay_describe,
	.handle_cluster = relay_cluster,
	.give_up = relay_give_up,
	.keeps_most = relay_options_keeps_most,
	.connects_most = relay_options_connects_most,
	.start = relay_start,
	.stop = relay_stop,
	.reload = relay_reload,
	.client_size = sizeof(struct relay_pair *), /* used in mode proxy */
	.handle_drain = relay_on_drain,
	.finish = relay_finish,
};
