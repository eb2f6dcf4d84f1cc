/* SPDX-License-Identifier: MIT */
/*
 * Upgrades a connection to WebSocket: reads the request of a client, over a
 * plain stream or TLS, and sends the response. websocket_lower_*() call the
 * transport below.
 */
#include "config.h"

#include "websocket_priv.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* How long a response that is no upgrade may take to leave. */
#define RESPONSE_MS 10000

static const struct transport transport_upgrade, transport_upgrade_full,
	transport_response;

/* ---- the transport below ------------------------------------------------- */

ssize_t websocket_lower_recv(struct lined_socket *sock, char *to, size_t size)
{
	return websocket_of(sock)->lower->recv(sock, to, size);
}

ssize_t websocket_lower_send(struct lined_socket *sock,
			     const struct iovec *vector, int count)
{
	return websocket_of(sock)->lower->send(sock, vector, count);
}

bool websocket_lower_holds_input(const struct lined_socket *sock)
{
	return transport_holds_input(websocket_of(sock)->lower, sock);
}

size_t websocket_lower_held_output(const struct lined_socket *sock)
{
	return transport_held_output(websocket_of(sock)->lower, sock);
}

bool websocket_lower_end_output(struct lined_socket *sock)
{
	const struct transport *lower = websocket_of(sock)->lower;

	return lower->end_output != NULL && lower->end_output(sock);
}

void websocket_lower_stop(struct lined_socket *sock)
{
	const struct transport *lower = websocket_of(sock)->lower;

	if (lower->stop != NULL)
		lower->stop(sock);
}

/* ---- memory -------------------------------------------------------------- */

void websocket_charge(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);
	size_t bytes = ws->partial_room;

	/* While the request is read, `bytes` has room for the longest one. */
	if (ws->bytes != NULL)
		bytes += ws->request != NULL ? WEBSOCKET_REQUEST_MAX
					     : ws->bytes_len;
	memory_charge(&sock->dispatcher->pool.memory,
		      (int64_t)bytes - (int64_t)ws->charged);
	ws->charged = bytes;
}

void websocket_drop_bytes(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);

	free(ws->bytes);
	ws->bytes = NULL;
	ws->bytes_len = 0;
	websocket_charge(sock);
}

void websocket_free(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);
	const struct transport *lower = ws->lower;

	websocket_decoder_fini(&ws->in);
	free(ws->partial);
	ws->partial_room = 0;
	websocket_drop_bytes(sock);
	free(ws);
	sock->layers->websocket = NULL;
	if (lower->free != NULL)
		lower->free(sock);
}

/* ---- the request --------------------------------------------------------- */

static bool upgrade_is_waiting(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_CONNECTING &&
	       socket_transport(sock) == &transport_upgrade;
}

static void upgrade_received(struct lined_socket *sock, struct websocket *ws)
{
	ws->request(sock, ws->bytes, ws->bytes_len);
	/* The buffer is full: read nothing more until the callback has decided.
	 */
	if (upgrade_is_waiting(sock) &&
	    ws->bytes_len == WEBSOCKET_REQUEST_MAX) {
		socket_set_transport(sock, &transport_upgrade_full);
		socket_update_mode(sock);
	}
}

static void upgrade_readable(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);
	ssize_t n;

	do {
		n = websocket_lower_recv(sock, ws->bytes + ws->bytes_len,
					 WEBSOCKET_REQUEST_MAX - ws->bytes_len);
		if (n < 0 && fail_is_for_now(errno))
			return;
		if (n <= 0) {
			socket_end(sock,
				   n == 0 ? LINED_CLOSE_PEER
					  : LINED_CLOSE_ERROR,
				   n == 0 ? 0 : errno);
			return;
		}
		ws->bytes_len += (uint32_t)n;
		upgrade_received(sock, ws);
	} while (upgrade_is_waiting(sock) && websocket_lower_holds_input(sock));
}

#define TRANSPORT_UPGRADE                                                      \
	.delegate = TRANSPORT_DELEGATE, TRANSPORT_STREAM_IO,                   \
	.readable = upgrade_readable, .writable = socket_writable,             \
	.failed = stream_failed, .stop = websocket_lower_stop,                 \
	.free = websocket_free

static const struct transport transport_upgrade = {
	TRANSPORT_UPGRADE,
	.handshake_mode = LINED_MODE_READ,
};

static const struct transport transport_upgrade_full = {
	TRANSPORT_UPGRADE,
};

int websocket_begin(struct lined_socket *sock, const char *early,
		    size_t early_len, uint32_t timeout_ms,
		    websocket_request *request)
{
	struct layers *layers = socket_layers(sock);
	struct websocket *ws = calloc(1, sizeof(*ws));

	if (layers == NULL || ws == NULL)
		goto fail;
	ws->bytes = malloc(WEBSOCKET_REQUEST_MAX);
	if (ws->bytes == NULL)
		goto fail;
	ws->lower = tls_layer(sock);
	if (ws->lower == NULL)
		ws->lower = &transport_stream;
	ws->request = request;
	layers->websocket = ws;
	websocket_charge(sock);
	socket_handshake(sock, &transport_upgrade, timeout_ms);
	if (sock->state != LINED_SOCKET_CONNECTING)
		return 0;
	if (early_len > 0) {
		memcpy(ws->bytes, early, early_len);
		ws->bytes_len = (uint32_t)early_len;
		upgrade_received(sock, ws);
	}
	if (upgrade_is_waiting(sock) && websocket_lower_holds_input(sock))
		upgrade_readable(sock);
	return 0;
fail:
	free(ws);
	return fail_with(ENOMEM);
}

void websocket_accept(struct lined_socket *sock, size_t request_len,
		      const char *response, size_t len, uint32_t ping_ms)
{
	struct websocket *ws = websocket_of(sock);
	char *smaller;

	ws->request = NULL;
	ws->bytes_len -= (uint32_t)request_len;
	memmove(ws->bytes, ws->bytes + request_len, ws->bytes_len);
	if (ws->bytes_len == 0)
		websocket_drop_bytes(sock);
	else if ((smaller = realloc(ws->bytes, ws->bytes_len)) != NULL)
		ws->bytes = smaller;
	websocket_charge(sock);
	ws->ping_ms = ping_ms;
	ws->ping_at = socket_now(sock) + ping_ms;
	if (websocket_queue(sock, response, len) < 0) {
		socket_end(sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	socket_established(sock, &transport_websocket);
}

/* For a response that is no upgrade: bytes are sent as they are. */
static const struct transport transport_response = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	TRANSPORT_STREAM_EVENTS,
	.recv = websocket_lower_recv,
	.send = websocket_lower_send,
	.held_output = websocket_lower_held_output,
	.end_output = websocket_lower_end_output,
	.stop = websocket_lower_stop,
	.free = websocket_free,
};

void websocket_respond(struct lined_socket *sock, const char *response,
		       size_t len)
{
	const struct iovec piece = {(void *)(uintptr_t)response, len};

	socket_set_transport(sock, &transport_response);
	sock->state = LINED_SOCKET_CONNECTED;
	sock->handshaking = false;
	socket_connected(sock);
	if (stream_sendv(sock, &piece, 1, len) == 0)
		lined_socket_close_after_flush(sock, LINED_CLOSE_LOCAL,
					       RESPONSE_MS);
	else
		socket_end(sock, LINED_CLOSE_ERROR, errno);
}
