/* SPDX-License-Identifier: MIT */
/*
 * WebSocket (RFC 6455), the server's side, over a plain stream or TLS: a
 * message is a line. The caller parses the request and chooses the response;
 * the files that websocket_priv.h lists receive the request, send the response,
 * and handle the frames.
 *
 * Thread: the socket's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <lined/socket.h>

/* The most bytes of a request. */
#define WEBSOCKET_REQUEST_MAX 8192

/*
 * More bytes of the request have come. The callback calls websocket_accept() or
 * websocket_respond(), at once or later, or waits for more bytes. It may close
 * the socket. When a request has WEBSOCKET_REQUEST_MAX bytes, no more are read.
 */
typedef void websocket_request(struct lined_socket *sock, const char *request,
			       size_t len);

/*
 * Begins the upgrade of a registered socket that has a descriptor. The socket
 * is CONNECTING then, for timeout_ms at most. If it has TLS, the TLS handshake
 * must just have ended. early: bytes of the request that were read already.
 * -1/ENOMEM.
 */
int websocket_begin(struct lined_socket *sock, const char *early,
		    size_t early_len, uint32_t timeout_ms,
		    websocket_request *request);

/*
 * Sends the response and ends the handshake: the socket is CONNECTED, and
 * handle_connect is called. request_len: how many bytes the request had; frames
 * may have come behind it. ping_ms: as `ping` in lined.conf(5); 0: never.
 */
void websocket_accept(struct lined_socket *sock, size_t request_len,
		      const char *response, size_t len, uint32_t ping_ms);

/* The ping_ms of an accepted socket. */
uint32_t websocket_ping_ms(const struct lined_socket *sock);

/* Sends a response that refuses the upgrade, then closes. Only handle_close
 * follows. */
void websocket_respond(struct lined_socket *sock, const char *response,
		       size_t len);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key of 24 characters. */
#define WEBSOCKET_ACCEPT_LEN 28
void websocket_accept_key(char accept[WEBSOCKET_ACCEPT_LEN + 1],
			  const char key[24]);
