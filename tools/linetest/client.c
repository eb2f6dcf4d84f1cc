/* SPDX-License-Identifier: MIT */
/*
 * Connects, sends and receives for a client of a transcript, or listens and
 * accepts for a server. Keeps everything that is received, so that the text of
 * a failure has all of it; lines are found when a step needs them.
 */
#include "config.h"

#include "linetest/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "linetest/websocket_bridge.h"

/* ---- events ------------------------------------------------------------- */

static struct client_event *client_add_event(struct client *client, int kind)
{
	struct client_event *event;

	client->events = memory_resize(client->events, client->event_count + 1,
				       sizeof(*client->events));
	event = &client->events[client->event_count++];
	memset(event, 0, sizeof(*event));
	event->kind = kind;
	return event;
}

void client_note(struct client *client, char *text)
{
	client_add_event(client, CLIENT_NOTE)->note = text;
}

/* Bytes that follow bytes of the same kind belong to the same event. */
static void client_add_bytes(struct client *client, int kind,
			     struct bytes *bytes, const char *data, size_t len)
{
	struct client_event *last = NULL;

	if (client->event_count > 0)
		last = &client->events[client->event_count - 1];
	if (last == NULL || (int)last->kind != kind) {
		last = client_add_event(client, kind);
		last->offset = bytes->len;
	}
	bytes_add(bytes, data, len);
	last->len += len;
}

/* ---- the client's connection --------------------------------------------- */

static void client_end_datagram(struct client *client)
{
	if (client->seen.len > 0 &&
	    client->seen.data[client->seen.len - 1] == '\n')
		return;
	client->ends = memory_resize(client->ends, client->end_count + 1,
				     sizeof(*client->ends));
	client->ends[client->end_count++] = client->seen.len;
}

static void client_connected(struct lined_socket *sock, void *arg)
{
	struct client *client = arg;

	client->connected = true;
}

static void client_readable(struct lined_socket *sock, void *arg)
{
	struct client *client = arg;
	struct lined_line data;
	enum lined_line_status status;

	while ((status = lined_socket_read(sock, &data)) == LINED_LINE_READY) {
		client_add_bytes(client, CLIENT_SAW, &client->seen, data.text,
				 data.len);
		if (client->is_datagram)
			client_end_datagram(client);
	}
	if (status == LINED_LINE_CLOSED && !client->eof) {
		client->eof = true;
		client_note(client, memory_format("eof"));
	}
}

static void client_closed(struct lined_socket *sock, void *arg,
			  enum lined_close_reason reason, int error)
{
	struct client *client = arg;

	client->sock = NULL;
	websocket_bridge_leave(client->web);
	client->web = NULL;
	if (reason == LINED_CLOSE_LOCAL)
		return;
	client->error = error;
	client_note(client,
		    memory_format("gone (%s)",
				  error != 0 ? strerror(error) : "closed"));
}

static const struct lined_socket_handlers handlers = {
	.handle_connect = client_connected,
	.handle_read = client_readable,
	.handle_close = client_closed,
};

void client_init(struct client *client, const char *name,
		 struct lined_dispatcher *d)
{
	memset(client, 0, sizeof(*client));
	client->name = name;
	client->dispatcher = d;
}

void client_fini(struct client *client)
{
	size_t i;

	client_close(client);
	client_deaf(client);
	for (i = 0; i < client->event_count; i++)
		free(client->events[i].note);
	free(client->events);
	free(client->ends);
	free(client->waiting);
	bytes_fini(&client->said);
	bytes_fini(&client->seen);
	bytes_fini(&client->pending);
}

/* Closes a socket. Removes its handlers first, because handle_close comes
 * later, when the client may have a new connection. */
static void socket_drop(struct lined_socket **sock)
{
	if (*sock == NULL)
		return;
	lined_socket_set_handlers(*sock, NULL, NULL);
	lined_socket_close(*sock);
	*sock = NULL;
}

static void client_drop(struct client *client)
{
	websocket_bridge_leave(client->web);
	client->web = NULL;
	socket_drop(&client->sock);
}

static void client_fail(struct client *client, int error)
{
	client->error = error;
	client_drop(client);
}

/* Begins a new stream. The unread rest of the previous stream was checked when
 * that stream ended. */
static bool client_renew(struct client *client)
{
	client_close(client);
	client->connected = client->eof = client->skipping = false;
	client->error = 0;
	client->read = client->seen.len;
	bytes_clear(&client->pending);
	client->sock = net_address_socket(&handlers, client);
	if (client->sock == NULL)
		client->error = errno;
	return client->sock != NULL;
}

static int client_open_datagram(struct client *client)
{
	bool ipv6 = client->peer.to.any.sa_family == AF_INET6;
	struct net_address own;

	if (net_address_free(&own, ipv6 ? TRANSPORT_UDP6 : TRANSPORT_UDP,
			     NULL) < 0 ||
	    lined_socket_bind(client->sock, SOCK_DGRAM, &own.to.any,
			      own.to.len) < 0)
		return -1;
	client->connected = true;
	return 0;
}

static void client_upgraded(void *arg)
{
	struct client *client = arg;

	client->connected = true;
}

static int client_open_web(struct client *client,
			   const struct net_address *address)
{
	int fd = websocket_bridge_open(client->dispatcher, address,
				       client_upgraded, client, &client->web);

	if (fd < 0)
		return -1;
	if (lined_socket_wrap(client->sock, fd, LINED_SOCKET_CONNECTED) == 0)
		return 0;
	close(fd);
	return -1;
}

static int client_open(struct client *client, const struct net_address *address)
{
	if (client->is_datagram)
		return client_open_datagram(client);
	if (transports[address->transport].web)
		return client_open_web(client, address);
	return net_address_connect(address, client->sock);
}

void client_connect(struct client *client, const struct net_address *address)
{
	char *url = net_address_url(address);

	client_note(client, memory_format("connect %s", url));
	free(url);
	client->peer = *address;
	client->is_datagram = transports[address->transport].type == SOCK_DGRAM;
	if (!client_renew(client))
		return;
	if (client_open(client, address) < 0 ||
	    lined_dispatcher_register_socket(client->dispatcher,
					     client->sock) == NULL)
		client_fail(client, errno);
}

/* ---- as a server -------------------------------------------------------- */

static void client_acceptable(struct lined_socket *listener, void *arg)
{
	struct client *client = arg;
	int fd;

	while ((fd = lined_socket_accept_fd(listener, NULL, NULL)) >= 0) {
		client->waiting = memory_resize(client->waiting,
						client->waiting_count + 1,
						sizeof(*client->waiting));
		client->waiting[client->waiting_count++] = fd;
	}
}

static void client_listener_closed(struct lined_socket *sock, void *arg,
				   enum lined_close_reason reason, int error)
{
	struct client *client = arg;

	if (client->listener == sock)
		client->listener = NULL;
}

static const struct lined_socket_handlers listener_handlers = {
	.handle_accept = client_acceptable,
	.handle_close = client_listener_closed,
};

int client_listen(struct client *client, const struct net_address *address)
{
	client->listener = net_address_listen(address, client->dispatcher,
					      &listener_handlers, client);
	return client->listener != NULL ? 0 : -1;
}

bool client_accept(struct client *client)
{
	int fd;

	if (client->waiting_count == 0)
		return false;
	fd = client->waiting[0];
	memmove(client->waiting, client->waiting + 1,
		--client->waiting_count * sizeof(*client->waiting));
	client_note(client, memory_format("accept"));
	client->is_datagram = false;
	if (!client_renew(client)) {
		close(fd);
		return true;
	}
	if (lined_socket_wrap(client->sock, fd, LINED_SOCKET_CONNECTED) < 0) {
		close(fd);
		client_fail(client, errno);
		return true;
	}
	client->connected = true;
	if (lined_dispatcher_register_socket(client->dispatcher,
					     client->sock) == NULL)
		client_fail(client, errno);
	return true;
}

void client_deaf(struct client *client)
{
	size_t i;

	socket_drop(&client->listener);
	for (i = 0; i < client->waiting_count; i++)
		close(client->waiting[i]);
	client->waiting_count = 0;
}

/* ---- sending and closing ------------------------------------------------ */

void client_write(struct client *client, const char *data, size_t len)
{
	client_add_bytes(client, CLIENT_SAID, &client->said, data, len);
	if (client->sock == NULL)
		return;
	if (client->is_datagram)
		lined_socket_send_to(client->sock, data, len,
				     &client->peer.to.any, client->peer.to.len);
	else
		lined_socket_send(client->sock, data, len);
	lined_dispatcher_poll(client->dispatcher, 0);
}

void client_half_close(struct client *client)
{
	client_note(client, memory_format("half-close"));
	if (client->sock != NULL && !client->is_datagram)
		lined_socket_shutdown_write(client->sock);
	lined_dispatcher_poll(client->dispatcher, 0);
}

void client_close(struct client *client)
{
	if (client->sock == NULL)
		return;
	client_note(client, memory_format("close"));
	client_drop(client);
	lined_dispatcher_poll(client->dispatcher, 0);
}

void client_reset(struct client *client)
{
	static const struct linger none = {.l_onoff = 1, .l_linger = 0};

	if (client->sock != NULL)
		setsockopt(lined_socket_fd(client->sock), SOL_SOCKET, SO_LINGER,
			   &none, sizeof(none));
	client_close(client);
}

/* ---- what a client got -------------------------------------------------- */

size_t client_unread(const struct client *client)
{
	return client->seen.len - client->read;
}

void client_take(struct client *client, size_t len)
{
	client->read += len;
}

/* The first place behind `from` where a datagram ends without a line end;
 * SIZE_MAX: there is none. */
static size_t datagram_end(const struct client *client, size_t from)
{
	size_t i;

	for (i = 0; i < client->end_count; i++)
		if (client->ends[i] > from)
			return client->ends[i];
	return SIZE_MAX;
}

bool client_line(const struct client *client, struct client_line *line)
{
	const char *begin, *lf;
	size_t left = client_unread(client), end;

	if (left == 0)
		return false;
	begin = client->seen.data + client->read;
	lf = memchr(begin, '\n', left);
	end = datagram_end(client, client->read);
	line->text = begin;
	if (end != SIZE_MAX &&
	    (lf == NULL || (size_t)(lf - client->seen.data) >= end)) {
		line->len = line->whole = end - client->read;
		return true;
	}
	if (lf == NULL)
		return false;
	line->len = (size_t)(lf - begin);
	line->whole = line->len + 1;
	if (line->len > 0 && begin[line->len - 1] == '\r')
		line->len--;
	return true;
}

bool client_is_over(const struct client *client)
{
	return client->sock == NULL || client->eof;
}
