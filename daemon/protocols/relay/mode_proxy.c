/* SPDX-License-Identifier: MIT */
/*
 * Mode proxy: an upstream connection for each client. Bytes, and the end of a
 * stream, are passed on in both directions as they arrive. The directions do
 * not block each other: a send queue is filled only to its high mark, because
 * above it lined would stop reading the same socket.
 */
#include "relay/mode_proxy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/address.h>

#include "proxy_header.h"
#include "relay/address.h"
#include "relay/relay.h"
#include "relay/tls.h"
#include "relay/unreached.h"

/* Time to send the last data after the other side has closed. A client's limits
 * may shorten this time. */
#define FLUSH_CLIENT_MS   (5 * 60 * 1000)
#define FLUSH_UPSTREAM_MS 5000

/* One of the two sockets, and data waiting to be sent on it. */
struct side {
	struct lined_socket *sock; /* NULL: closed */
	char *rest;                /* data that did not fit into the queue */
	size_t rest_at, rest_len;
	bool ended; /* the other side has ended: nothing follows `rest` */
};

struct relay_pair {
	struct relay_pair *prev, *next;
	struct relay *relay;
	struct side client, upstream;
	struct lined_place *place;
	uint64_t tried; /* a bit for each of the first 64 addresses */
	size_t next_address;
	bool try_dead;  /* the second pass, see pair_leaves_out() */
	size_t address; /* index of this attempt or connection */
	bool connected; /* connected to the upstream */
	bool draining;  /* the end of input was sent to the upstream */
};

static const struct lined_socket_handlers pair_upstream_handlers;

/* ---- pairs -------------------------------------------------------------- */

static void side_drop_rest(const struct relay_pair *pair, struct side *to)
{
	lined_service_charge(pair->relay->service, -(int64_t)to->rest_len);
	free(to->rest);
	to->rest = NULL;
	to->rest_at = to->rest_len = 0;
}

static void pair_free(struct relay_pair *pair)
{
	if (pair->prev != NULL)
		pair->prev->next = pair->next;
	else
		pair->relay->pairs = pair->next;
	if (pair->next != NULL)
		pair->next->prev = pair->prev;
	side_drop_rest(pair, &pair->client);
	side_drop_rest(pair, &pair->upstream);
	lined_place_return(pair->place);
	free(pair);
}

/* ---- one direction ------------------------------------------------------ */

static size_t side_room(const struct lined_socket *sock)
{
	uint32_t limit = lined_socket_limits(sock)->send_queue;
	size_t mark = (limit > 0 ? limit : LINED_SEND_QUEUE_DEFAULT) / 4;
	size_t queued = lined_socket_queued(sock);

	if (mark == 0)
		mark = 1;
	return queued < mark ? mark - queued : 0;
}

/* Queues data; a failure closes the socket, because the peer would get a stream
 * with a gap. */
static void side_queue(struct side *to, const char *data, size_t len)
{
	if (lined_socket_send(to->sock, data, len) < 0 &&
	    !lined_socket_is_closed(to->sock))
		lined_socket_close_for(to->sock, LINED_CLOSE_ERROR, errno);
}

/* Sends data. True: everything fitted, and there is more room. False: data that
 * did not fit is kept, and the other side must not be read until there is room
 * again. */
static bool side_give(const struct relay_pair *pair, struct side *to,
		      const char *data, size_t len)
{
	size_t room = side_room(to->sock);

	if (len <= room) {
		side_queue(to, data, len);
		return len < room;
	}
	if (room > 0)
		side_queue(to, data, room);
	to->rest = malloc(len - room);
	if (to->rest == NULL) {
		lined_socket_close_for(to->sock, LINED_CLOSE_ERROR, ENOMEM);
		return false;
	}
	memcpy(to->rest, data + room, len - room);
	to->rest_len = len - room;
	lined_service_charge(pair->relay->service, (int64_t)to->rest_len);
	return false;
}

/* Passes on the end of the other side's stream. If both streams have ended now,
 * frees the client's place before the client can see the end. */
static void side_pass_end(struct relay_pair *pair, struct side *to)
{
	if (to == &pair->client && pair->upstream.ended &&
	    (pair->upstream.sock == NULL ||
	     (pair->upstream.rest == NULL &&
	      !lined_socket_is_send_data_buffered(pair->upstream.sock)))) {
		lined_place_return(pair->place);
		pair->place = NULL;
	}
	lined_socket_shutdown_write(to->sock);
}

/* Reads one side and sends to the other side. */
static void side_carry(struct relay_pair *pair, struct side *from,
		       struct side *to)
{
	enum lined_line_status status;
	struct lined_line data;

	for (;;) {
		status = lined_socket_read(from->sock, &data);
		if (status != LINED_LINE_READY)
			break;
		if (to->sock == NULL || lined_socket_is_closed(to->sock))
			continue;
		if (!side_give(pair, to, data.text, data.len)) {
			lined_socket_pause(from->sock);
			lined_socket_want_write(to->sock, true);
		}
	}
	if (status != LINED_LINE_CLOSED)
		return;
	to->ended = true;
	if (to->sock != NULL && to->rest == NULL)
		side_pass_end(pair, to);
}

/* Call this when the send queue of `to` is low: sends what fits of the rest.
 * When all is sent, resumes reading `from`, or passes on its end. */
static void side_carry_on(struct relay_pair *pair, struct side *from,
			  struct side *to)
{
	size_t room = side_room(to->sock);

	if (to->rest != NULL && room > 0) {
		size_t left = to->rest_len - to->rest_at;
		size_t len = left < room ? left : room;

		side_queue(to, to->rest + to->rest_at, len);
		to->rest_at += len;
		if (len == left)
			side_drop_rest(pair, to);
	}
	if (to->rest != NULL || side_room(to->sock) == 0)
		return;
	lined_socket_want_write(to->sock, false);
	if (to->ended)
		side_pass_end(pair, to);
	else if (from->sock != NULL)
		lined_socket_resume(from->sock);
}

/* Call this when the other side has closed: sends the rest, then closes. */
static void side_finish(const struct relay_pair *pair, struct side *to,
			enum lined_close_reason reason, uint32_t flush_ms)
{
	if (to->rest != NULL)
		side_queue(to, to->rest + to->rest_at,
			   to->rest_len - to->rest_at);
	side_drop_rest(pair, to);
	lined_socket_close_after_flush(to->sock, reason, flush_ms);
}

static void pair_on_read(struct lined_socket *sock, void *arg)
{
	struct relay_pair *pair = arg;

	if (sock == pair->client.sock)
		side_carry(pair, &pair->client, &pair->upstream);
	else
		side_carry(pair, &pair->upstream, &pair->client);
}

static void pair_on_write(struct lined_socket *sock, void *arg)
{
	struct relay_pair *pair = arg;

	if (sock == pair->client.sock)
		side_carry_on(pair, &pair->upstream, &pair->client);
	else
		side_carry_on(pair, &pair->client, &pair->upstream);
}

/* ---- the upstream ------------------------------------------------------- */

/* `upstream`: the address, or "". */
static void pair_log(const struct relay_pair *pair, enum lined_log_level level,
		     const char *upstream, const char *why)
{
	const struct lined_socket *client = pair->client.sock;

	lined_service_log(pair->relay->service, level,
			  "client %" PRIu64 " %s: upstream%s%s: %s",
			  lined_client_id(client), lined_client_peer(client),
			  upstream[0] != '\0' ? " " : "", upstream, why);
}

/* ---- connecting --------------------------------------------------------- */

static void pair_mark(const struct relay_pair *pair, bool reached)
{
	const struct lined_option_list *list = &pair->relay->options->upstream;

	/* A reload may have shortened the list. */
	if (pair->address < list->count)
		relay_unreached_mark(pair->relay, list->items[pair->address],
				     reached);
}

/* Whether this pass skips the address. The first pass skips addresses that
 * could not be reached lately; the second pass skips addresses that the first
 * has tried. */
static bool pair_leaves_out(struct relay_pair *pair, const char *text)
{
	uint64_t bit = pair->address < 64 ? UINT64_C(1) << pair->address : 0;

	if (pair->try_dead)
		return bit == 0 || (pair->tried & bit) != 0;
	if (bit != 0 && relay_unreached_lately(pair->relay, text))
		return true;
	pair->tried |= bit;
	return false;
}

/* Sends the PROXY header with the client's address, before anything else. */
static void pair_send_header(const struct relay_pair *pair)
{
	int version = pair->relay->options->upstream_proxy;
	struct lined_address client, server = {.len = 0};
	char header[PROXY_HEADER_ROOM];

	if (version == 0)
		return;
	if (lined_address_parse(&client, lined_client_peer(pair->client.sock)) <
	    0)
		client.any.sa_family = AF_UNSPEC;
	lined_socket_local(pair->client.sock, &server.storage, &server.len);
	lined_socket_send(
		pair->upstream.sock, header,
		proxy_header_format(header, version, &client.any, &server.any));
}

/* Connects to the next address of the current config. False: none is left. */
static bool pair_try_next(struct relay_pair *pair)
{
	const struct lined_option_list *list = &pair->relay->options->upstream;
	struct relay_address address;
	char error[512];

	while (pair->next_address < list->count) {
		pair->address = pair->next_address++;
		if (pair_leaves_out(pair, list->items[pair->address]))
			continue;
		if (relay_address_parse(RELAY_USE_PROXY,
					list->items[pair->address], &address,
					error, sizeof(error)) < 0)
			continue;
		pair->upstream.sock = relay_address_connect(
			pair->relay->service, &address, NULL, &pair->relay->tls,
			&pair_upstream_handlers, pair);
		if (pair->upstream.sock != NULL) {
			pair_send_header(pair);
			return true;
		}
		pair_log(pair, LINED_LOG_WARNING, "",
			 relay_address_error_text(errno));
	}
	if (pair->try_dead)
		return false;
	pair->try_dead = true;
	pair->next_address = 0;
	return pair_try_next(pair);
}

static void pair_refuse(struct relay_pair *pair)
{
	relay_count(pair->relay, "upstream_failures", 1);
	lined_socket_close_for(pair->client.sock, LINED_CLOSE_ERROR,
			       ECONNREFUSED);
}

static void pair_on_connect(struct lined_socket *sock, void *arg)
{
	struct relay_pair *pair = arg;

	if (!relay_address_connected(sock))
		return;
	pair->connected = true;
	pair_mark(pair, true);
	relay_count(pair->relay, "upstream_connects", 1);
	lined_socket_allow_half_close(sock, true);
	lined_socket_resume(pair->client.sock);
}

/* Logs why a connection failed, with the address. */
static void pair_log_unreached(const struct relay_pair *pair,
			       const struct lined_socket *sock,
			       enum lined_close_reason reason, int error)
{
	const struct lined_option_list *list = &pair->relay->options->upstream;
	struct relay_address address = {.scheme = NULL};
	char unused[512];

	/* A reload may have shortened the list. */
	if (pair->address < list->count)
		relay_address_parse(RELAY_USE_PROXY, list->items[pair->address],
				    &address, unused, sizeof(unused));
	pair_log(
		pair, LINED_LOG_WARNING, address.text,
		relay_address_close_text(&address, sock, reason, error, false));
}

static void pair_on_upstream_close(struct lined_socket *sock, void *arg,
				   enum lined_close_reason reason, int error)
{
	struct relay_pair *pair = arg;

	pair->upstream.sock = NULL;
	side_drop_rest(pair, &pair->upstream);
	if (pair->client.sock == NULL) {
		pair_free(pair);
		return;
	}
	if (lined_socket_is_closed(pair->client.sock))
		return; /* the client's handle_close comes next */
	if (!pair->connected) {
		pair_log_unreached(pair, sock, reason, error);
		pair_mark(pair, false);
		if (!pair_try_next(pair))
			pair_refuse(pair);
		return;
	}
	/* A clean end of the upstream's stream was passed on already, or is
	 * passed on after the rest. */
	if (reason == LINED_CLOSE_PEER && pair->client.ended) {
		if (pair->draining)
			side_finish(pair, &pair->client, LINED_CLOSE_SHUTDOWN,
				    FLUSH_CLIENT_MS);
		return;
	}
	pair_log(pair, LINED_LOG_NOTICE, "",
		 error != 0 ? strerror(error)
			    : lined_close_reason_text(reason));
	side_finish(pair, &pair->client, LINED_CLOSE_ERROR, FLUSH_CLIENT_MS);
}

static const struct lined_socket_handlers pair_upstream_handlers = {
	.handle_connect = pair_on_connect,
	.handle_read = pair_on_read,
	.handle_write = pair_on_write,
	.handle_close = pair_on_upstream_close,
};

/* ---- the client --------------------------------------------------------- */

static void pair_on_client_close(struct lined_socket *sock, void *arg,
				 enum lined_close_reason reason, int error)
{
	struct relay_pair *pair = arg;

	pair->client.sock = NULL;
	side_drop_rest(pair, &pair->client);
	if (pair->upstream.sock == NULL)
		pair_free(pair);
	else if (!pair->connected)
		lined_socket_close(pair->upstream.sock);
	else if (reason != LINED_CLOSE_PEER || !pair->upstream.ended)
		side_finish(pair, &pair->upstream, LINED_CLOSE_LOCAL,
			    FLUSH_UPSTREAM_MS);
}

static const struct lined_socket_handlers pair_client_handlers = {
	.handle_read = pair_on_read,
	.handle_write = pair_on_write,
	.handle_close = pair_on_client_close,
};

/* The rest of each side and the upstream's input: at most one read each. */
#define PAIR_READS ((uint64_t)3 * 65536)
/* The upstream's socket, and its TLS session with buffered data. */
#define PAIR_SOCKET 1024
#define PAIR_TLS    (176 * 1024)

uint64_t relay_proxy_pair_max(const struct lined_option_list *upstreams)
{
	return sizeof(struct relay_pair) + PAIR_SOCKET + PAIR_READS +
	       (relay_tls_is_in(upstreams) ? PAIR_TLS : 0);
}

void relay_proxy_accept(struct relay *relay, struct lined_socket *client)
{
	struct relay_pair *pair = calloc(1, sizeof(*pair));

	if (pair == NULL) {
		lined_socket_close_for(client, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	pair->relay = relay;
	pair->next = relay->pairs;
	if (relay->pairs != NULL)
		relay->pairs->prev = pair;
	relay->pairs = pair;
	pair->client.sock = client;
	pair->place = lined_client_take_place(client);
	*(struct relay_pair **)lined_client_data(client) = pair;
	lined_socket_set_handlers(client, &pair_client_handlers, pair);
	lined_socket_allow_half_close(client, true);
	lined_socket_pause(client);
	if (!pair_try_next(pair))
		pair_refuse(pair);
}

/* Only the upstream knows whether the client waits for a response. So the
 * client is no longer read, the upstream gets the end of its input, and the
 * client gets the upstream's output until that ends. */
void relay_proxy_drain(struct relay_pair *pair)
{
	struct side *client = &pair->client, *upstream = &pair->upstream;

	if (upstream->sock == NULL || !pair->connected) {
		lined_socket_close_for(client->sock, LINED_CLOSE_SHUTDOWN, 0);
		return;
	}
	if (pair->draining)
		return;
	pair->draining = true;
	upstream->ended = true;
	lined_socket_pause(client->sock);
	if (upstream->rest == NULL)
		lined_socket_shutdown_write(upstream->sock);
}

void relay_proxy_reload(const struct relay *relay)
{
	const struct relay_pair *pair;

	for (pair = relay->pairs; pair != NULL; pair = pair->next)
		relay_address_limits_changed(pair->upstream.sock);
}

bool relay_proxy_finish(const struct relay *relay)
{
	return relay->pairs == NULL;
}

void relay_proxy_stop(struct relay *relay)
{
	while (relay->pairs != NULL) {
		struct relay_pair *pair = relay->pairs;

		if (pair->upstream.sock != NULL) {
			lined_socket_set_handlers(pair->upstream.sock, NULL,
						  NULL);
			lined_socket_close(pair->upstream.sock);
		}
		pair_free(pair);
	}
	if (relay->unreached != NULL)
		lined_shared_put(relay->unreached, NULL);
	relay->unreached = NULL;
}
