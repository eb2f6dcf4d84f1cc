/* SPDX-License-Identifier: MIT */
/*
 * Makes the upgrade to WebSocket, translates data frames in both directions,
 * and answers pings. A close frame, or a response that is no upgrade, ends the
 * connection. Other frames are ignored.
 */
#include "config.h"

#include "linetest/websocket_bridge.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/memory_or_exit.h"
#include "linetest/bytes.h"
#include "linetest/net_address.h"

#define FIN    0x80
#define MASKED 0x80

enum { OPCODE_CONTINUE, OPCODE_BINARY = 2, OPCODE_CLOSE = 8, OPCODE_PING };

struct websocket_bridge {
	struct lined_socket *outer, *inner; /* to lined; to the client */
	void (*connected)(void *arg);       /* NULL: the client has left */
	void *arg;
	struct bytes in; /* from lined, not decoded yet */
	bool open;       /* the upgrade has succeeded */
	bool in_message; /* a fragment was sent that does not end its message */
};

static const char upgrade[] = "GET / HTTP/1.1\r\nHost: localhost\r\n"
			      "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			      "Sec-WebSocket-Version: 13\r\n"
			      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			      "\r\n";

/* ---- to lined ------------------------------------------------------------ */

/* With a mask of zeros the payload stays as it is. */
static void bridge_send_frame(struct websocket_bridge *bridge, unsigned first,
			      const char *data, size_t len)
{
	unsigned char head[14] = {(unsigned char)first};
	size_t head_len = 2, i;

	if (bridge->outer == NULL)
		return;
	if (len < 126) {
		head[1] = (unsigned char)(MASKED | len);
	} else if (len < 65536) {
		head[1] = MASKED | 126;
		head[2] = (unsigned char)(len >> 8);
		head[3] = (unsigned char)len;
		head_len = 4;
	} else {
		head[1] = MASKED | 127;
		for (i = 0; i < 8; i++)
			head[2 + i] =
				(unsigned char)((uint64_t)len >> (56 - 8 * i));
		head_len = 10;
	}
	lined_socket_send(bridge->outer, head, head_len + 4);
	lined_socket_send(bridge->outer, data, len);
}

static void bridge_on_client(struct lined_socket *sock, void *arg)
{
	struct websocket_bridge *bridge = arg;
	enum lined_line_status status;
	struct lined_line data;

	while ((status = lined_socket_read(sock, &data)) == LINED_LINE_READY) {
		bool ends = data.text[data.len - 1] == '\n';

		bridge_send_frame(
			bridge,
			(bridge->in_message ? OPCODE_CONTINUE : OPCODE_BINARY) |
				(ends ? FIN : 0),
			data.text, data.len);
		bridge->in_message = !ends;
	}
	if (status == LINED_LINE_CLOSED)
		bridge_send_frame(bridge, FIN | OPCODE_CLOSE, "\x03\xe8", 2);
}

/* ---- from lined ---------------------------------------------------------- */

static void bridge_end(struct websocket_bridge *bridge)
{
	if (bridge->inner != NULL)
		lined_socket_close_after_flush(bridge->inner, LINED_CLOSE_LOCAL,
					       0);
}

static void bridge_take_frame(struct websocket_bridge *bridge, unsigned first,
			      const char *data, size_t len)
{
	unsigned opcode = first & 0x0f;

	if (opcode == OPCODE_PING)
		bridge_send_frame(bridge, FIN | (OPCODE_PING + 1), data, len);
	else if (opcode == OPCODE_CLOSE)
		bridge_end(bridge);
	else if (opcode <= OPCODE_BINARY && bridge->inner != NULL) {
		lined_socket_send(bridge->inner, data, len);
		if (first & FIN)
			lined_socket_send(bridge->inner, "\n", 1);
	}
}

/* Handles the first frame. Returns its length; 0: it is not whole. */
static size_t bridge_decode(struct websocket_bridge *bridge, const char *bytes,
			    size_t len)
{
	const unsigned char *head = (const unsigned char *)bytes;
	size_t head_len = 2, size, i;

	if (len < 2)
		return 0;
	size = head[1];
	if (size > 125) {
		head_len += size == 126 ? 2 : 8;
		if (len < head_len)
			return 0;
		size = 0;
		for (i = 2; i < head_len; i++)
			size = size << 8 | head[i];
	}
	if (len - head_len < size)
		return 0;
	bridge_take_frame(bridge, head[0], bytes + head_len, size);
	return head_len + size;
}

/* Handles the response to the upgrade. Returns its length; 0: it is not whole,
 * or it is no upgrade. */
static size_t bridge_take_response(struct websocket_bridge *bridge)
{
	static const char good[] = "HTTP/1.1 101 ";
	const char *end =
		memmem(bridge->in.data, bridge->in.len, "\r\n\r\n", 4);

	if (end == NULL)
		return 0;
	if (strncmp(bridge->in.data, good, sizeof(good) - 1) != 0) {
		lined_socket_close(bridge->outer);
		return 0;
	}
	bridge->open = true;
	lined_socket_resume(bridge->inner);
	if (bridge->connected != NULL)
		bridge->connected(bridge->arg);
	return (size_t)(end - bridge->in.data) + 4;
}

static void bridge_on_data(struct lined_socket *sock, void *arg)
{
	struct websocket_bridge *bridge = arg;
	struct lined_line data;
	size_t at = 0, len;

	while (lined_socket_read(sock, &data) == LINED_LINE_READY)
		bytes_add(&bridge->in, data.text, data.len);
	if (!bridge->open)
		at = bridge_take_response(bridge);
	while (bridge->open &&
	       (len = bridge_decode(bridge, bridge->in.data + at,
				    bridge->in.len - at)) > 0)
		at += len;
	bytes_drop(&bridge->in, at);
}

static void bridge_on_connect(struct lined_socket *sock, void *arg)
{
	lined_socket_send(sock, upgrade, sizeof(upgrade) - 1);
}

/* ---- ends ---------------------------------------------------------------- */

/* Frees the bridge, once both connections have ended and the client has left.
 */
static void bridge_free(struct websocket_bridge *bridge)
{
	if (bridge->outer != NULL || bridge->inner != NULL ||
	    bridge->connected != NULL)
		return;
	bytes_fini(&bridge->in);
	free(bridge);
}

static void bridge_outer_closed(struct lined_socket *sock, void *arg,
				enum lined_close_reason reason, int error)
{
	struct websocket_bridge *bridge = arg;

	bridge->outer = NULL;
	bridge_end(bridge);
	bridge_free(bridge);
}

static void bridge_inner_closed(struct lined_socket *sock, void *arg,
				enum lined_close_reason reason, int error)
{
	struct websocket_bridge *bridge = arg;

	bridge->inner = NULL;
	if (bridge->outer != NULL)
		lined_socket_close_after_flush(bridge->outer, LINED_CLOSE_LOCAL,
					       0);
	bridge_free(bridge);
}

static const struct lined_socket_handlers outer_handlers = {
	.handle_connect = bridge_on_connect,
	.handle_read = bridge_on_data,
	.handle_close = bridge_outer_closed,
};

static const struct lined_socket_handlers inner_handlers = {
	.handle_read = bridge_on_client,
	.handle_close = bridge_inner_closed,
};

void websocket_bridge_leave(struct websocket_bridge *bridge)
{
	if (bridge == NULL)
		return;
	bridge->connected = NULL;
	bridge_free(bridge);
}

/* ---- opening ------------------------------------------------------------- */

static int bridge_connect(struct websocket_bridge *bridge,
			  struct lined_dispatcher *d,
			  const struct net_address *address, int fd)
{
	bridge->inner = net_address_socket(&inner_handlers, bridge);
	bridge->outer = net_address_socket(&outer_handlers, bridge);
	if (bridge->inner == NULL || bridge->outer == NULL ||
	    lined_socket_wrap(bridge->inner, fd, LINED_SOCKET_CONNECTED) < 0) {
		close(fd);
		return -1;
	}
	lined_socket_pause(bridge->inner);
	if (lined_dispatcher_register_socket(d, bridge->inner) == NULL ||
	    net_address_connect(address, bridge->outer) < 0 ||
	    lined_dispatcher_register_socket(d, bridge->outer) == NULL)
		return -1;
	return 0;
}

int websocket_bridge_open(struct lined_dispatcher *d,
			  const struct net_address *address,
			  void (*connected)(void *arg), void *arg,
			  struct websocket_bridge **bridge)
{
	struct websocket_bridge *new = memory_new(1, sizeof(*new));
	int ends[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0) {
		if (bridge_connect(new, d, address, ends[1]) == 0) {
			new->connected = connected;
			new->arg = arg;
			*bridge = new;
			return ends[0];
		}
		error = errno;
		close(ends[0]);
		errno = error;
	}
	error = errno;
	if (new->inner != NULL)
		lined_socket_close(new->inner);
	else if (new->outer != NULL)
		lined_socket_close(new->outer);
	else
		free(new);
	errno = error;
	return -1;
}
