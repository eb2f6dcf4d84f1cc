/* SPDX-License-Identifier: MIT */
/*
 * The memory of a WebSocket, and the declarations that its files share:
 *
 *	websocket_upgrade.c	the request and its response, before frames
 *	transport_websocket.c	frames: input, control frames, pings, closing
 *	websocket_send.c	output: lines become messages
 *
 * Thread: the socket's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "socket_priv.h"
#include "websocket.h"
#include "websocket_decode.h"

struct websocket {
	struct websocket_decoder in;
	const struct transport *lower; /* the plain stream, or TLS */
	websocket_request *request;
	/* During the upgrade, the request. Afterwards, bytes that came behind
	 * it. NULL: nothing. */
	char *bytes;
	uint32_t bytes_len;
	/* `partial`: bytes that the protocol sent without a terminator, and
	 * that wait for one. They count as queued. NULL: none. */
	uint32_t partial_len, partial_room;
	size_t charged; /* for `bytes` and `partial` */
	char *partial;
	uint32_t ping_ms, ping_at;
	bool awaits_pong;
	bool close_sent;
};

static inline struct websocket *websocket_of(const struct lined_socket *sock)
{
	return sock->layers->websocket;
}

/* ---- transport_websocket.c ----------------------------------------------- */

/* The table of a connection, after the upgrade. */
extern const struct transport transport_websocket;

/* ---- websocket_upgrade.c: the transport below, and the memory ------------ */

ssize_t websocket_lower_recv(struct lined_socket *sock, char *to, size_t size);
ssize_t websocket_lower_send(struct lined_socket *sock,
			     const struct iovec *vector, int count);
bool websocket_lower_holds_input(const struct lined_socket *sock);
size_t websocket_lower_held_output(const struct lined_socket *sock);
bool websocket_lower_end_output(struct lined_socket *sock);
void websocket_lower_stop(struct lined_socket *sock);
/* To be called after a change of `bytes` or `partial`. */
void websocket_charge(struct lined_socket *sock);
void websocket_drop_bytes(struct lined_socket *sock);
void websocket_free(struct lined_socket *sock);

/* ---- websocket_send.c ---------------------------------------------------- */

/* sendv(), send_shared() and flush() of struct transport. */
int websocket_sendv(struct lined_socket *sock, const struct iovec *pieces,
		    size_t count, size_t total);
int websocket_send_shared(struct lined_socket *sock,
			  struct lined_buffer *buffer, size_t offset,
			  size_t len);
void websocket_flush(struct lined_socket *sock);

/* Queues a frame, or a response, without a limit; it is not dropped.
 * -1/ENOMEM. */
int websocket_queue(struct lined_socket *sock, const void *bytes, size_t len);
/* Queues `partial`, the bytes without a terminator, as the last message.
 * -1/ENOMEM. */
int websocket_end_partial(struct lined_socket *sock);
void websocket_drop_partial(struct lined_socket *sock);
