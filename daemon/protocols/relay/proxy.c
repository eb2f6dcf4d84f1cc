/* SPDX-License-Identifier: MIT */
/*
 * Mode proxy: a connection to the upstream for each client. Bytes go both ways
 * as they come, whatever lines they make, and an end goes on as an end. The
 * two ways do not wait for each other: a queue is not filled beyond its high
 * mark, above which the core would stop reading the other way.
 */
#include "relay/relay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How long what was said may take to arrive when its other side is gone. */
#define FLUSH_MS (5 * 60 * 1000)

/* One of the two, and what is on its way to it. */
struct side {
	struct lined_socket *sock; /* NULL: gone */
	char *rest;                /* what the queue had no room for */
	size_t rest_at, rest_len;
	bool over; /* nothing comes behind that */
};

struct relay_pair {
	struct relay_pair *prev, *next;
	struct relay *relay;
	struct side near, far; /* the client, its upstream */
	size_t next_address;
	size_t address; /* that far is connected to, or is to be */
	bool stands;    /* far does */
	bool draining;  /* far was told that the client is done */
};

static void near_read(struct lined_socket *sock, void *arg);
static void near_writeable(struct lined_socket *sock, void *arg);
static void near_closed(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error);
static void far_connected(struct lined_socket *sock, void *arg);
static void far_read(struct lined_socket *sock, void *arg);
static void far_writeable(struct lined_socket *sock, void *arg);
static void far_closed(struct lined_socket *sock, void *arg,
		       enum lined_close_reason reason, int error);

static const struct lined_socket_handlers near_handlers = {
	.handle_read = near_read,
	.handle_write = near_writeable,
	.handle_close = near_closed,
};

static const struct lined_socket_handlers far_handlers = {
	.handle_connect = far_connected,
	.handle_read = far_read,
	.handle_write = far_writeable,
	.handle_close = far_closed,
};

/* ---- pairs -------------------------------------------------------------- */

static void pair_add(struct relay *relay, struct relay_pair *pair)
{
	pair->relay = relay;
	pair->next = relay->pairs;
	if (relay->pairs != NULL)
		relay->pairs->prev = pair;
	relay->pairs = pair;
}

static void pair_free(struct relay_pair *pair)
{
	if (pair->prev != NULL)
		pair->prev->next = pair->next;
	else
		pair->relay->pairs = pair->next;
	if (pair->next != NULL)
		pair->next->prev = pair->prev;
	free(pair->near.rest);
	free(pair->far.rest);
	free(pair);
}

/* ---- one way ------------------------------------------------------------ */

static void drop_rest(struct side *to)
{
	free(to->rest);
	to->rest = NULL;
	to->rest_at = to->rest_len = 0;
}

static size_t room_of(const struct lined_socket *sock)
{
	uint32_t limit = lined_socket_group(sock)->limits.send_queue;
	size_t mark = (limit > 0 ? limit : LINED_SEND_QUEUE_DEFAULT) / 4;
	size_t queued = lined_socket_queued(sock);

	if (mark == 0)
		mark = 1;
	return queued < mark ? mark - queued : 0;
}

/* A gap would be worse than an end. */
static void queue(struct side *to, const char *data, size_t len)
{
	if (lined_socket_send(to->sock, data, len) < 0 &&
	    !lined_socket_is_closed(to->sock))
		lined_socket_close_for(to->sock, LINED_CLOSE_ERROR, errno);
}

/* True where all of it has room; else the rest is kept. There is none yet: who
 * sends is not read until it is gone. */
static bool give(struct side *to, const char *data, size_t len)
{
	size_t room = room_of(to->sock);

	if (len <= room) {
		queue(to, data, len);
		return len < room;
	}
	if (room > 0)
		queue(to, data, room);
	to->rest = malloc(len - room);
	if (to->rest == NULL) {
		lined_socket_close_for(to->sock, LINED_CLOSE_ERROR, ENOMEM);
		return false;
	}
	memcpy(to->rest, data + room, len - room);
	to->rest_len = len - room;
	return false;
}

/* What comes from one side goes to the other. */
static void carry(struct side *from, struct side *to)
{
	enum lined_line_status status;
	struct lined_line data;

	for (;;) {
		status = lined_socket_read(from->sock, &data);
		if (status != LINED_LINE_READY)
			break;
		if (to->sock == NULL || lined_socket_is_closed(to->sock))
			continue;
		if (!give(to, data.text, data.len)) {
			lined_socket_pause(from->sock);
			lined_socket_want_write(to->sock, true);
		}
	}
	if (status != LINED_LINE_CLOSED)
		return;
	to->over = true;
	if (to->sock != NULL && to->rest == NULL)
		lined_socket_shutdown_write(to->sock);
}

/* The queue of one side is low: what waits goes there, then more is read. */
static void carry_on(struct side *from, struct side *to)
{
	size_t room = room_of(to->sock);

	if (to->rest != NULL && room > 0) {
		size_t left = to->rest_len - to->rest_at;
		size_t len = left < room ? left : room;

		queue(to, to->rest + to->rest_at, len);
		to->rest_at += len;
		if (len == left)
			drop_rest(to);
	}
	if (to->rest != NULL || room_of(to->sock) == 0)
		return;
	lined_socket_want_write(to->sock, false);
	if (to->over)
		lined_socket_shutdown_write(to->sock);
	else if (from->sock != NULL)
		lined_socket_resume(from->sock);
}

/* The other side is gone: this one gets what was said, and its end. */
static void finish(struct side *to, enum lined_close_reason reason)
{
	if (to->rest != NULL)
		queue(to, to->rest + to->rest_at, to->rest_len - to->rest_at);
	drop_rest(to);
	lined_socket_close_after_flush(to->sock, reason, FLUSH_MS);
}

/* ---- the upstream ------------------------------------------------------- */

static void log_failure(const struct relay_pair *pair,
			enum lined_log_level level, const char *upstream,
			const char *why)
{
	const struct lined_socket *client = pair->near.sock;

	lined_service_log(pair->relay->service, level,
			  "client %" PRIu64 " %s: upstream%s: %s",
			  lined_client_id(client), lined_client_peer(client),
			  upstream, why);
}

/* The addresses of the config as it is now, one after the other. False: there
 * is none left. */
static bool try_next(struct relay_pair *pair)
{
	const struct lined_option_list *list = &pair->relay->options->upstream;
	struct relay_address address;
	char error[512];

	while (pair->next_address < list->count) {
		pair->address = pair->next_address++;
		if (relay_address_parse(list->items[pair->address], &address,
					error, sizeof(error)) < 0 ||
		    address.tls)
			continue;
		pair->far.sock = relay_address_connect(pair->relay, &address,
						       &far_handlers, pair);
		if (pair->far.sock != NULL)
			return true;
		log_failure(pair, LINED_LOG_WARNING, "", strerror(errno));
	}
	return false;
}

static void refuse(struct relay_pair *pair)
{
	lined_service_count(pair->relay->service, "upstream_failures", 1);
	lined_socket_close_for(pair->near.sock, LINED_CLOSE_ERROR,
			       ECONNREFUSED);
}

static void far_connected(struct lined_socket *sock, void *arg)
{
	struct relay_pair *pair = arg;

	if (!relay_address_reached(sock))
		return;
	pair->stands = true;
	lined_service_count(pair->relay->service, "upstream_connects", 1);
	lined_socket_allow_half_close(sock, true);
	lined_socket_resume(pair->near.sock);
}

/* It could not be connected: why, with its address. */
static void tell_unreached(const struct relay_pair *pair,
			   enum lined_close_reason reason, int error)
{
	const struct lined_option_list *list = &pair->relay->options->upstream;
	struct relay_address address;
	char text[sizeof(address.text) + 1] = "", unused[512];

	memset(&address, 0, sizeof(address));
	/* The list may be another by now. */
	if (pair->address < list->count &&
	    relay_address_parse(list->items[pair->address], &address, unused,
				sizeof(unused)) == 0) {
		text[0] = ' ';
		memcpy(text + 1, address.text, sizeof(address.text));
	}
	log_failure(pair, LINED_LOG_WARNING, text,
		    relay_address_why(&address, reason, error, false));
}

static void far_closed(struct lined_socket *sock, void *arg,
		       enum lined_close_reason reason, int error)
{
	struct relay_pair *pair = arg;

	(void)sock;
	pair->far.sock = NULL;
	drop_rest(&pair->far);
	if (pair->near.sock == NULL) {
		pair_free(pair);
		return;
	}
	if (lined_socket_is_closed(pair->near.sock))
		return; /* and it is told so next */
	if (!pair->stands) {
		tell_unreached(pair, reason, error);
		if (!try_next(pair))
			refuse(pair);
		return;
	}
	/* Where it ended well the client has been told, or will be. */
	if (reason == LINED_CLOSE_PEER && pair->near.over) {
		if (pair->draining)
			finish(&pair->near, LINED_CLOSE_SHUTDOWN);
		return;
	}
	log_failure(pair, LINED_LOG_NOTICE, "",
		    error != 0 ? strerror(error)
			       : lined_close_reason_text(reason));
	finish(&pair->near, LINED_CLOSE_ERROR);
}

static void far_read(struct lined_socket *sock, void *arg)
{
	struct relay_pair *pair = arg;

	(void)sock;
	carry(&pair->far, &pair->near);
}

static void far_writeable(struct lined_socket *sock, void *arg)
{
	struct relay_pair *pair = arg;

	(void)sock;
	carry_on(&pair->near, &pair->far);
}

/* ---- the client --------------------------------------------------------- */

static void near_read(struct lined_socket *sock, void *arg)
{
	struct relay_pair *pair = arg;

	(void)sock;
	carry(&pair->near, &pair->far);
}

static void near_writeable(struct lined_socket *sock, void *arg)
{
	struct relay_pair *pair = arg;

	(void)sock;
	carry_on(&pair->far, &pair->near);
}

static void near_closed(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct relay_pair *pair = arg;

	(void)sock;
	(void)error;
	pair->near.sock = NULL;
	drop_rest(&pair->near);
	if (pair->far.sock == NULL)
		pair_free(pair);
	else if (!pair->stands)
		lined_socket_close(pair->far.sock);
	else if (reason != LINED_CLOSE_PEER || !pair->far.over)
		finish(&pair->far, LINED_CLOSE_LOCAL);
}

void relay_proxy_accept(struct relay *relay, struct lined_socket *client)
{
	struct relay_pair *pair = calloc(1, sizeof(*pair));

	if (pair == NULL) {
		lined_socket_close_for(client, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	pair_add(relay, pair);
	pair->near.sock = client;
	*(struct relay_pair **)lined_client_data(client) = pair;
	lined_socket_set_handlers(client, &near_handlers, pair);
	lined_socket_allow_half_close(client, true);
	lined_socket_pause(client);
	if (!try_next(pair))
		refuse(pair);
}

/*
 * Whether the client waits for an answer is for nobody but the upstream to
 * know. So that is told that nothing more will come, and what it says until it
 * ends is carried on. What the client says now is left to the kernel.
 */
void relay_proxy_drain(struct relay_pair *pair)
{
	struct side *near = &pair->near, *far = &pair->far;

	if (far->sock == NULL || !pair->stands) {
		lined_socket_close_for(near->sock, LINED_CLOSE_SHUTDOWN, 0);
		return;
	}
	if (pair->draining)
		return;
	pair->draining = true;
	far->over = true;
	lined_socket_pause(near->sock);
	if (far->rest == NULL)
		lined_socket_shutdown_write(far->sock);
}

bool relay_proxy_finish(const struct relay *relay)
{
	return relay->pairs == NULL;
}

void relay_proxy_stop(struct relay *relay)
{
	while (relay->pairs != NULL) {
		struct relay_pair *pair = relay->pairs;

		if (pair->far.sock != NULL) {
			lined_socket_set_handlers(pair->far.sock, NULL, NULL);
			lined_socket_close(pair->far.sock);
		}
		pair_free(pair);
	}
}
