/* SPDX-License-Identifier: MIT */
/*
 * relay: whole lines from each client to all others, from one upstream to all
 * clients, or through a connection of each client's own. This file is what
 * lined calls: the options, the clients and what they send.
 */
#include "relay/relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A block goes out when it is this long, for readers with small queues; a
 * longer line is a block of its own. */
#define BLOCK_MAX 16384

#define TOPIC_MAX 100

/* ---- options ------------------------------------------------------------ */

static const char *const modes[] = {"hub", "upstream", "proxy", NULL};
static const char *const slow_ways[] = {"disconnect", "drop-oldest",
					"drop-newest", NULL};
static const char *const booleans[] = {"true", "false", "yes", "no",
				       "on",   "off",   NULL};

#define DAY_MS (24 * 3600 * INT64_C(1000))

#define OPTION(NAME, TYPE, MEMBER)                                             \
	LINED_OPTION(NAME, TYPE, struct relay_options, MEMBER)

static const struct lined_option relay_table[] = {
	{OPTION("mode", STRING, mode), .fallback = "hub", .choices = modes},
	{OPTION("loopback", BOOLEAN, loopback)},
	{OPTION("upstream", LIST, upstream)},
	{OPTION("upstream-ca", STRING, upstream_ca)},
	{OPTION("upstream-name", STRING, upstream_name)},
	{OPTION("retry-min", DURATION, retry_min_ms), .fallback = "1s",
	 .min = 1, .max = DAY_MS},
	{OPTION("retry-max", DURATION, retry_max_ms), .fallback = "60s",
	 .min = 1, .max = DAY_MS},
	{OPTION("stale-timeout", DURATION, stale_timeout_ms), .max = DAY_MS},
	{OPTION("preamble", LIST, preamble)},
	{OPTION("subscribe-only", STRING, subscribe_only), .choices = booleans},
	{OPTION("publish-only", BOOLEAN, publish_only)},
	{OPTION("topic", STRING, topic)},
	{OPTION("filter", LIST, filter)},
	{OPTION("dedupe", DURATION, dedupe_ms), .max = DAY_MS},
	{OPTION("tag", BOOLEAN, tag)},
	{OPTION("history", INTEGER, history), .max = 100000},
	{OPTION("slow", STRING, slow), .fallback = "disconnect",
	 .choices = slow_ways},
	{OPTION("gap-notice", STRING, gap_notice)},
	{OPTION("hold", SIZE, hold), .max = INT64_C(1) << 40},
	{.name = NULL},
};

enum relay_mode relay_mode(const struct relay_options *options)
{
	if (strcmp(options->mode, "upstream") == 0)
		return RELAY_UPSTREAM;
	if (strcmp(options->mode, "proxy") == 0)
		return RELAY_PROXY;
	return RELAY_HUB;
}

static bool is_subscribe_only(const struct relay_options *options)
{
	const char *text = options->subscribe_only;

	if (text[0] == '\0')
		return relay_mode(options) == RELAY_UPSTREAM;
	return strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 ||
	       strcmp(text, "on") == 0;
}

/* ---- checking them ------------------------------------------------------ */

static bool is_one_line(const char *text)
{
	return text[strcspn(text, "\r\n")] == '\0';
}

static int check_upstream(const struct relay_options *options, char *error,
			  size_t size)
{
	struct relay_address address;
	bool wanted = relay_mode(options) != RELAY_HUB;
	size_t i;

	if (wanted && options->upstream.count == 0)
		snprintf(error, size, "mode \"%s\" needs an upstream",
			 options->mode);
	else if (!wanted && options->upstream.count > 0)
		snprintf(error, size, "upstream: mode \"hub\" has none");
	else if (options->retry_min_ms > options->retry_max_ms)
		snprintf(error, size, "retry-min is longer than retry-max");
	else
		error[0] = '\0';
	if (error[0] != '\0')
		return -1;
	for (i = 0; i < options->upstream.count; i++)
		if (relay_address_parse(options->upstream.items[i], &address,
					error, size) < 0)
			return -1;
	return 0;
}

static int check_lines(const struct relay_options *options, char *error,
		       size_t size)
{
	size_t i;

	if (!is_one_line(options->gap_notice)) {
		snprintf(error, size, "gap-notice is more than one line");
		return -1;
	}
	if (strlen(options->gap_notice) > RELAY_NOTICE_MAX) {
		snprintf(error, size, "gap-notice is longer than %d bytes",
			 RELAY_NOTICE_MAX);
		return -1;
	}
	for (i = 0; i < options->preamble.count; i++) {
		if (is_one_line(options->preamble.items[i]))
			continue;
		snprintf(error, size,
			 "preamble: item %zu is more than one line", i + 1);
		return -1;
	}
	return 0;
}

static int check(const void *arg, char *error, size_t size)
{
	const struct relay_options *options = arg;
	struct relay_filter *filter;

	if (check_upstream(options, error, size) < 0 ||
	    check_lines(options, error, size) < 0)
		return -1;
	if (options->publish_only && options->subscribe_only[0] != '\0' &&
	    is_subscribe_only(options)) {
		snprintf(error, size,
			 "publish-only and subscribe-only: clients could do "
			 "nothing");
		return -1;
	}
	if (strlen(options->topic) > TOPIC_MAX) {
		snprintf(error, size, "topic is longer than %d bytes",
			 TOPIC_MAX);
		return -1;
	}
	filter = relay_filter_new(&options->filter, error, size);
	if (filter == NULL && error[0] != '\0')
		return -1;
	relay_filter_free(filter);
	return 0;
}

/* ---- what is sent ------------------------------------------------------- */

void relay_take_line(struct relay *relay, const char *tag, size_t tag_len,
		     uint64_t sender, const struct lined_line *line)
{
	size_t len = line->len + tag_len;

	if (!relay_filter_allows(relay->filter, line->text, line->len)) {
		lined_service_count(relay->service, "lines_filtered", 1);
		return;
	}
	if (relay->block.count > 0 &&
	    (relay_block_bytes(&relay->block) + len > BLOCK_MAX ||
	     relay->block.tag_len != tag_len))
		relay_feed_publish(relay, sender);
	if (relay_block_add(&relay->block, tag, tag_len, line) < 0)
		lined_service_count(relay->service, "lines_not_relayed", 1);
}

enum lined_line_status relay_take_lines(struct relay *relay,
					struct lined_socket *sock,
					const char *tag, size_t tag_len,
					uint64_t sender)
{
	enum lined_line_status status;
	struct lined_line line;

	do {
		status = lined_socket_read_line(sock, &line);
		if (status == LINED_LINE_READY)
			relay_take_line(relay, tag, tag_len, sender, &line);
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
	relay_feed_publish(relay, sender);
	return status;
}

enum lined_line_status relay_discard_lines(struct relay *relay,
					   struct lined_socket *sock)
{
	enum lined_line_status status;
	struct lined_line line;
	uint64_t lines = 0;

	do {
		status = lined_socket_read_line(sock, &line);
		lines += status == LINED_LINE_READY;
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
	if (lines > 0)
		lined_service_count(relay->service, "lines_discarded", lines);
	return status;
}

/* ---- clients ------------------------------------------------------------ */

/* "ADDRESS ", without the port. */
static size_t make_tag(const struct lined_socket *sock, char *tag, size_t size)
{
	char text[128];
	const char *host = text;
	size_t len;

	snprintf(text, sizeof(text), "%s", lined_client_peer(sock));
	if (host[0] == '[') {
		host++;
		len = strcspn(host, "]");
	} else {
		len = strcspn(host, ":");
	}
	snprintf(tag, size, "%.*s ", (int)len, host);
	return strlen(tag);
}

static void client_read(struct lined_socket *sock, void *arg)
{
	struct relay_client *client = arg;
	struct relay *relay = client->relay;
	bool tag = relay->options->tag;

	if (relay->subscribe_only)
		relay_discard_lines(relay, sock);
	else
		relay_take_lines(relay, sock, client->tag,
				 tag ? client->tag_len : 0, client->id);
}

static void client_writeable(struct lined_socket *sock, void *arg)
{
	struct relay_client *client = arg;

	(void)sock;
	relay_feed_tell_gap(client->relay, client);
}

static void client_close(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error)
{
	struct relay_client *client = arg;

	(void)sock;
	(void)reason;
	(void)error;
	relay_feed_leave(client->relay, client);
	free(client);
}

static const struct lined_socket_handlers client_handlers = {
	.handle_read = client_read,
	.handle_write = client_writeable,
	.handle_close = client_close,
};

/* One socket, many senders: each datagram has a tag of its own. */
static void datagram_read(struct lined_socket *sock, void *arg)
{
	struct relay *relay = arg;
	char tag[128] = "";
	struct lined_line line;
	enum lined_line_status status;

	if (relay->subscribe_only || relay->mode == RELAY_PROXY) {
		relay_discard_lines(relay, sock);
		return;
	}
	do {
		status = lined_socket_read_line(sock, &line);
		if (status == LINED_LINE_READY)
			relay_take_line(
				relay, tag,
				relay->options->tag
					? make_tag(sock, tag, sizeof(tag))
					: 0,
				lined_client_id(sock), &line);
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
	relay_feed_publish(relay, lined_client_id(sock));
}

static const struct lined_socket_handlers datagram_handlers = {
	.handle_read = datagram_read,
};

static void relay_accept(struct lined_service *service,
			 struct lined_socket *sock)
{
	struct relay *relay = lined_service_data(service);
	struct relay_client *client;
	char tag[128];
	size_t tag_len;

	if (lined_socket_is_datagram(sock)) {
		lined_socket_set_handlers(sock, &datagram_handlers, relay);
		return;
	}
	if (relay->mode == RELAY_PROXY) {
		relay_proxy_accept(relay, sock);
		return;
	}
	tag_len = make_tag(sock, tag, sizeof(tag));
	client = calloc(1, sizeof(*client) + tag_len);
	if (client == NULL) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	client->relay = relay;
	client->sock = sock;
	client->id = lined_client_id(sock);
	client->tag_len = (uint8_t)tag_len;
	memcpy(client->tag, tag, tag_len);
	lined_socket_set_handlers(sock, &client_handlers, client);
	relay_feed_join(relay, client);
}

static void relay_drain(struct lined_socket *sock)
{
	struct relay_pair *const *pair = lined_client_data(sock);

	if (*pair != NULL)
		relay_proxy_drain(*pair);
	else
		lined_socket_close_for(sock, LINED_CLOSE_SHUTDOWN, 0);
}

/* ---- life --------------------------------------------------------------- */

static void take_options(struct relay *relay)
{
	relay->options = lined_service_options(relay->service);
	relay->mode = relay_mode(relay->options);
	relay->publish_only = relay->options->publish_only;
	relay->subscribe_only = is_subscribe_only(relay->options);
}

static void stop(struct lined_service *service)
{
	struct relay *relay = lined_service_data(service);

	if (relay == NULL)
		return;
	relay_upstream_stop(relay);
	relay_proxy_stop(relay);
	relay_feed_stop(relay);
	relay_filter_free(relay->filter);
	relay_block_fini(&relay->block);
	free(relay);
	lined_service_set_data(service, NULL);
}

/* Only memory can lack: check() has seen these rules. */
static int take_filter(struct relay *relay)
{
	struct relay_filter *filter;
	char error[256];

	filter =
		relay_filter_new(&relay->options->filter, error, sizeof(error));
	if (filter == NULL && error[0] != '\0') {
		lined_service_log(relay->service, LINED_LOG_ERR, "%s", error);
		return -1;
	}
	relay_filter_free(relay->filter);
	relay->filter = filter;
	return 0;
}

static int start(struct lined_service *service)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (relay == NULL) {
		lined_service_log(service, LINED_LOG_ERR, "out of memory");
		return -1;
	}
	relay->service = service;
	lined_service_set_data(service, relay);
	take_options(relay);
	if (take_filter(relay) == 0 && relay_feed_start(relay) == 0 &&
	    relay_upstream_start(relay) == 0)
		return 0;
	stop(service);
	return -1;
}

static void reload(struct lined_service *service)
{
	struct relay *relay = lined_service_data(service);

	take_options(relay);
	take_filter(relay);
	relay_feed_reload(relay);
	relay_upstream_reload(relay);
}

static bool finish(struct lined_service *service)
{
	struct relay *relay = lined_service_data(service);
	bool proxied = relay_proxy_finish(relay);

	return relay_upstream_finish(relay) && proxied;
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "relay",
	.summary = "relays whole lines: hub, upstream feed or proxy",
	.flags = LINED_NO_IDLE_TIMEOUT,
	.transports = LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM,
	.handle_accept = relay_accept,
	.options = relay_table,
	.options_size = sizeof(struct relay_options),
	.check = check,
	.start = start,
	.stop = stop,
	.reload = reload,
	.client_size = sizeof(struct relay_pair *), /* where it is proxied */
	.handle_drain = relay_drain,
	.finish = finish,
};
