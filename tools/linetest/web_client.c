/* SPDX-License-Identifier: MIT */
/*
 * The upgrade, and frames in both directions. Frames of other opcodes are
 * ignored. A response that is no upgrade ends the connection.
 */
#include "config.h"

#include "linetest/web_client.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/memory.h"
#include "linetest/bytes.h"
#include "linetest/net_address.h"

#define FIN    0x80
#define MASKED 0x80

enum { OPCODE_CONTINUE, OPCODE_BINARY = 2, OPCODE_CLOSE = 8, OPCODE_PING };

struct web_client {
	struct lined_socket *outer, *inner; /* to lined; to the actor */
	void (*connected)(void *arg);       /* NULL: the actor has left */
	void *arg;
	struct bytes in; /* from lined, not decoded yet */
	bool open;       /* the upgrade is over */
	bool in_message; /* a fragment was sent, its message goes on */
};

static const char upgrade[] = "GET / HTTP/1.1\r\nHost: localhost\r\n"
			      "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			      "Sec-WebSocket-Version: 13\r\n"
			      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			      "\r\n";

/* ---- to lined ------------------------------------------------------------ */

/* With a mask of zeros the payload stays as it is. */
static void web_client_send_frame(struct web_client *client, unsigned first,
				  const char *data, size_t len)
{
	unsigned char head[14] = {(unsigned char)first};
	size_t head_len = 2, i;

	if (client->outer == NULL)
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
	lined_socket_send(client->outer, head, head_len + 4);
	lined_socket_send(client->outer, data, len);
}

static void web_client_on_actor(struct lined_socket *sock, void *arg)
{
	struct web_client *client = arg;
	enum lined_line_status status;
	struct lined_line data;

	while ((status = lined_socket_read(sock, &data)) == LINED_LINE_READY) {
		bool ends = data.text[data.len - 1] == '\n';

		web_client_send_frame(
			client,
			(client->in_message ? OPCODE_CONTINUE : OPCODE_BINARY) |
				(ends ? FIN : 0),
			data.text, data.len);
		client->in_message = !ends;
	}
	if (status == LINED_LINE_CLOSED)
		web_client_send_frame(client, FIN | OPCODE_CLOSE, "\x03\xe8",
				      2);
}

/* ---- from lined ---------------------------------------------------------- */

static void web_client_end(struct web_client *client)
{
	if (client->inner != NULL)
		lined_socket_close_after_flush(client->inner, LINED_CLOSE_LOCAL,
					       0);
}

static void web_client_take_frame(struct web_client *client, unsigned first,
				  const char *data, size_t len)
{
	unsigned opcode = first & 0x0f;

	if (opcode == OPCODE_PING)
		web_client_send_frame(client, FIN | (OPCODE_PING + 1), data,
				      len);
	else if (opcode == OPCODE_CLOSE)
		web_client_end(client);
	else if (opcode <= OPCODE_BINARY && client->inner != NULL) {
		lined_socket_send(client->inner, data, len);
		if (first & FIN)
			lined_socket_send(client->inner, "\n", 1);
	}
}

/* Handles the first whole frame. Returns its length; 0: there is none. */
static size_t web_client_decode(struct web_client *client, const char *bytes,
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
	web_client_take_frame(client, head[0], bytes + head_len, size);
	return head_len + size;
}

/* Handles the response to the upgrade. Returns its length; 0: it is not whole,
 * or it is no upgrade. */
static size_t web_client_take_response(struct web_client *client)
{
	static const char good[] = "HTTP/1.1 101 ";
	const char *end =
		memmem(client->in.data, client->in.len, "\r\n\r\n", 4);

	if (end == NULL)
		return 0;
	if (strncmp(client->in.data, good, sizeof(good) - 1) != 0) {
		lined_socket_close(client->outer);
		return 0;
	}
	client->open = true;
	lined_socket_resume(client->inner);
	if (client->connected != NULL)
		client->connected(client->arg);
	return (size_t)(end - client->in.data) + 4;
}

static void web_client_on_data(struct lined_socket *sock, void *arg)
{
	struct web_client *client = arg;
	struct lined_line data;
	size_t at = 0, len;

	while (lined_socket_read(sock, &data) == LINED_LINE_READY)
		bytes_add(&client->in, data.text, data.len);
	if (!client->open)
		at = web_client_take_response(client);
	while (client->open &&
	       (len = web_client_decode(client, client->in.data + at,
					client->in.len - at)) > 0)
		at += len;
	if (at == 0)
		return;
	memmove(client->in.data, client->in.data + at, client->in.len - at);
	client->in.len -= at;
}

static void web_client_on_connect(struct lined_socket *sock, void *arg)
{
	lined_socket_send(sock, upgrade, sizeof(upgrade) - 1);
}

/* ---- ends ---------------------------------------------------------------- */

/* Frees the client, once both connections have ended and the actor has left. */
static void web_client_free(struct web_client *client)
{
	if (client->outer != NULL || client->inner != NULL ||
	    client->connected != NULL)
		return;
	bytes_fini(&client->in);
	free(client);
}

static void web_client_outer_closed(struct lined_socket *sock, void *arg,
				    enum lined_close_reason reason, int error)
{
	struct web_client *client = arg;

	client->outer = NULL;
	web_client_end(client);
	web_client_free(client);
}

static void web_client_inner_closed(struct lined_socket *sock, void *arg,
				    enum lined_close_reason reason, int error)
{
	struct web_client *client = arg;

	client->inner = NULL;
	if (client->outer != NULL)
		lined_socket_close_after_flush(client->outer, LINED_CLOSE_LOCAL,
					       0);
	web_client_free(client);
}

static const struct lined_socket_handlers outer_handlers = {
	.handle_connect = web_client_on_connect,
	.handle_read = web_client_on_data,
	.handle_close = web_client_outer_closed,
};

static const struct lined_socket_handlers inner_handlers = {
	.handle_read = web_client_on_actor,
	.handle_close = web_client_inner_closed,
};

void web_client_leave(struct web_client *client)
{
	if (client == NULL)
		return;
	client->connected = NULL;
	web_client_free(client);
}

/* ---- opening ------------------------------------------------------------- */

static struct lined_socket_group unlimited;

static struct lined_socket *
web_client_socket(const struct lined_socket_handlers *handlers,
		  struct web_client *client)
{
	struct lined_socket *sock = lined_socket_new(handlers, client);

	if (sock == NULL)
		return NULL;
	lined_socket_set_group(sock, &unlimited);
	lined_socket_allow_half_close(sock, true);
	return sock;
}

static int web_client_connect(struct web_client *client,
			      struct lined_dispatcher *d,
			      const struct net_address *address, int fd,
			      unsigned timeout_ms)
{
	client->inner = web_client_socket(&inner_handlers, client);
	client->outer = web_client_socket(&outer_handlers, client);
	if (client->inner == NULL || client->outer == NULL ||
	    lined_socket_wrap(client->inner, fd, LINED_SOCKET_CONNECTED) < 0) {
		close(fd);
		return -1;
	}
	lined_socket_pause(client->inner);
	if (lined_dispatcher_register_socket(d, client->inner) == NULL ||
	    (address->tls &&
	     net_address_use_tls(client->outer, timeout_ms) < 0) ||
	    lined_socket_connect_to(client->outer, &address->to.any,
				    address->to.len, timeout_ms) < 0 ||
	    lined_dispatcher_register_socket(d, client->outer) == NULL)
		return -1;
	return 0;
}

int web_client_open(struct lined_dispatcher *d,
		    const struct net_address *address, unsigned timeout_ms,
		    void (*connected)(void *arg), void *arg,
		    struct web_client **client)
{
	struct web_client *new = memory_new(1, sizeof(*new));
	int ends[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0) {
		if (web_client_connect(new, d, address, ends[1], timeout_ms) ==
		    0) {
			new->connected = connected;
			new->arg = arg;
			*client = new;
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
