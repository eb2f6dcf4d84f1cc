/* SPDX-License-Identifier: MIT */
/*
 * Keeps everything that is received, so that the text of a failure has all of
 * it; lines are found when a step needs them.
 */
#include "config.h"

#include "linetest/actor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "linetest/web_client.h"

#define CONNECT_MS 10000
#define BACKLOG    16

/* ---- events ------------------------------------------------------------- */

static struct actor_event *actor_add_event(struct actor *actor, int kind)
{
	struct actor_event *event;

	actor->events = memory_resize(actor->events, actor->event_count + 1,
				      sizeof(*actor->events));
	event = &actor->events[actor->event_count++];
	memset(event, 0, sizeof(*event));
	event->kind = kind;
	return event;
}

void actor_note(struct actor *actor, char *text)
{
	actor_add_event(actor, ACTOR_NOTE)->note = text;
}

/* Bytes that follow bytes of the same kind belong to the same event. */
static void actor_add_bytes(struct actor *actor, int kind, struct bytes *bytes,
			    const char *data, size_t len)
{
	struct actor_event *last = NULL;

	if (actor->event_count > 0)
		last = &actor->events[actor->event_count - 1];
	if (last == NULL || (int)last->kind != kind) {
		last = actor_add_event(actor, kind);
		last->offset = bytes->len;
	}
	bytes_add(bytes, data, len);
	last->len += len;
}

/* ---- the actor's connection --------------------------------------------- */

static void actor_end_datagram(struct actor *actor)
{
	if (actor->seen.len > 0 &&
	    actor->seen.data[actor->seen.len - 1] == '\n')
		return;
	actor->ends = memory_resize(actor->ends, actor->end_count + 1,
				    sizeof(*actor->ends));
	actor->ends[actor->end_count++] = actor->seen.len;
}

static void actor_connected(struct lined_socket *sock, void *arg)
{
	struct actor *actor = arg;

	actor->connected = true;
}

static void actor_readable(struct lined_socket *sock, void *arg)
{
	struct actor *actor = arg;
	struct lined_line data;
	enum lined_line_status status;

	while ((status = lined_socket_read(sock, &data)) == LINED_LINE_READY) {
		actor_add_bytes(actor, ACTOR_SAW, &actor->seen, data.text,
				data.len);
		if (actor->is_datagram)
			actor_end_datagram(actor);
	}
	if (status == LINED_LINE_CLOSED && !actor->eof) {
		actor->eof = true;
		actor_note(actor, memory_format("eof"));
	}
}

static void actor_closed(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error)
{
	struct actor *actor = arg;

	actor->sock = NULL;
	web_client_leave(actor->web);
	actor->web = NULL;
	if (reason == LINED_CLOSE_LOCAL)
		return;
	actor->failed = !actor->eof;
	actor->error = error;
	actor_note(actor,
		   memory_format("gone (%s)",
				 error != 0 ? strerror(error) : "closed"));
}

static const struct lined_socket_handlers handlers = {
	.handle_connect = actor_connected,
	.handle_read = actor_readable,
	.handle_close = actor_closed,
};

void actor_init(struct actor *actor, const char *name,
		struct lined_dispatcher *d)
{
	memset(actor, 0, sizeof(*actor));
	actor->name = name;
	actor->dispatcher = d;
}

void actor_fini(struct actor *actor)
{
	size_t i;

	actor_close(actor);
	actor_deaf(actor);
	for (i = 0; i < actor->event_count; i++)
		free(actor->events[i].note);
	free(actor->events);
	free(actor->ends);
	free(actor->waiting);
	bytes_fini(&actor->said);
	bytes_fini(&actor->seen);
	bytes_fini(&actor->pending);
}

/* Removes the handlers: handle_close comes later, when the actor may have a new
 * connection. */
static void socket_drop(struct lined_socket **sock)
{
	if (*sock == NULL)
		return;
	lined_socket_set_handlers(*sock, NULL, NULL);
	lined_socket_close(*sock);
	*sock = NULL;
}

static void actor_drop(struct actor *actor)
{
	web_client_leave(actor->web);
	actor->web = NULL;
	socket_drop(&actor->sock);
}

static void actor_fail(struct actor *actor, int error)
{
	actor->failed = true;
	actor->error = error;
	actor_drop(actor);
}

/* No limits: deadlines of the script end a wait, not those of a socket. */
static struct lined_socket_group unlimited;

/* Begins a new stream. The unread rest of the previous stream was checked when
 * that stream ended. */
static bool actor_renew(struct actor *actor)
{
	actor_close(actor);
	actor->connected = actor->eof = actor->failed = actor->skipping = false;
	actor->error = 0;
	actor->read = actor->seen.len;
	bytes_clear(&actor->pending);
	actor->sock = lined_socket_new(&handlers, actor);
	if (actor->sock == NULL) {
		actor_fail(actor, errno);
		return false;
	}
	lined_socket_set_group(actor->sock, &unlimited);
	lined_socket_allow_half_close(actor->sock, true);
	return true;
}

static int actor_open_datagram(struct actor *actor)
{
	const struct sockaddr *peer = &actor->peer.to.any;
	struct net_address own;

	if (net_address_free(&own, peer->sa_family, SOCK_DGRAM, NULL) < 0 ||
	    lined_socket_bind(actor->sock, SOCK_DGRAM, &own.to.any,
			      own.to.len) < 0)
		return -1;
	actor->connected = true;
	return 0;
}

static void actor_upgraded(void *arg)
{
	struct actor *actor = arg;

	actor->connected = true;
}

static int actor_open_web(struct actor *actor,
			  const struct net_address *address)
{
	int fd = web_client_open(actor->dispatcher, address, CONNECT_MS,
				 actor_upgraded, actor, &actor->web);

	if (fd < 0)
		return -1;
	if (lined_socket_wrap(actor->sock, fd, LINED_SOCKET_CONNECTED) == 0)
		return 0;
	close(fd);
	return -1;
}

static int actor_open_stream(struct actor *actor,
			     const struct net_address *address)
{
	if (address->web)
		return actor_open_web(actor, address);
	if (address->tls && net_address_use_tls(actor->sock, CONNECT_MS) < 0)
		return -1;
	return lined_socket_connect_to(actor->sock, &address->to.any,
				       address->to.len, CONNECT_MS);
}

void actor_connect(struct actor *actor, const struct net_address *address)
{
	char *url = net_address_url(address);

	actor_note(actor, memory_format("connect %s", url));
	free(url);
	actor->peer = *address;
	actor->is_datagram = address->datagram;
	if (!actor_renew(actor))
		return;
	if ((address->datagram ? actor_open_datagram(actor)
			       : actor_open_stream(actor, address)) < 0 ||
	    lined_dispatcher_register_socket(actor->dispatcher, actor->sock) ==
		    NULL)
		actor_fail(actor, errno);
}

/* ---- as a server -------------------------------------------------------- */

static void actor_acceptable(struct lined_socket *listener, void *arg)
{
	struct actor *actor = arg;
	int fd;

	while ((fd = lined_socket_accept_fd(listener, NULL, NULL)) >= 0) {
		actor->waiting =
			memory_resize(actor->waiting, actor->waiting_count + 1,
				      sizeof(*actor->waiting));
		actor->waiting[actor->waiting_count++] = fd;
	}
}

static void actor_listener_closed(struct lined_socket *sock, void *arg,
				  enum lined_close_reason reason, int error)
{
	struct actor *actor = arg;

	if (actor->listener == sock)
		actor->listener = NULL;
}

static const struct lined_socket_handlers listener_handlers = {
	.handle_accept = actor_acceptable,
	.handle_close = actor_listener_closed,
};

int actor_listen(struct actor *actor, const struct net_address *address)
{
	struct lined_socket *sock = lined_socket_new(&listener_handlers, actor);
	int error;

	if (sock == NULL)
		return -1;
	if (lined_socket_bind(sock, SOCK_STREAM, &address->to.any,
			      address->to.len) < 0 ||
	    lined_socket_listen(sock, BACKLOG) < 0 ||
	    lined_dispatcher_register_socket(actor->dispatcher, sock) == NULL) {
		error = errno;
		lined_socket_close(sock);
		errno = error;
		return -1;
	}
	actor->listener = sock;
	return 0;
}

bool actor_accept(struct actor *actor)
{
	int fd;

	if (actor->waiting_count == 0)
		return false;
	fd = actor->waiting[0];
	memmove(actor->waiting, actor->waiting + 1,
		--actor->waiting_count * sizeof(*actor->waiting));
	actor_note(actor, memory_format("accept"));
	actor->is_datagram = false;
	if (!actor_renew(actor)) {
		close(fd);
		return true;
	}
	if (lined_socket_wrap(actor->sock, fd, LINED_SOCKET_CONNECTED) < 0) {
		close(fd);
		actor_fail(actor, errno);
		return true;
	}
	actor->connected = true;
	if (lined_dispatcher_register_socket(actor->dispatcher, actor->sock) ==
	    NULL)
		actor_fail(actor, errno);
	return true;
}

void actor_deaf(struct actor *actor)
{
	size_t i;

	socket_drop(&actor->listener);
	for (i = 0; i < actor->waiting_count; i++)
		close(actor->waiting[i]);
	actor->waiting_count = 0;
}

/* ---- sending and closing ------------------------------------------------ */

void actor_write(struct actor *actor, const char *data, size_t len)
{
	actor_add_bytes(actor, ACTOR_SAID, &actor->said, data, len);
	if (actor->sock == NULL)
		return;
	if (actor->is_datagram)
		lined_socket_send_to(actor->sock, data, len,
				     &actor->peer.to.any, actor->peer.to.len);
	else
		lined_socket_send(actor->sock, data, len);
	lined_dispatcher_poll(actor->dispatcher, 0);
}

void actor_half_close(struct actor *actor)
{
	actor_note(actor, memory_format("half-close"));
	if (actor->sock != NULL && !actor->is_datagram)
		lined_socket_shutdown_write(actor->sock);
	lined_dispatcher_poll(actor->dispatcher, 0);
}

void actor_close(struct actor *actor)
{
	if (actor->sock == NULL)
		return;
	actor_note(actor, memory_format("close"));
	actor_drop(actor);
	lined_dispatcher_poll(actor->dispatcher, 0);
}

void actor_reset(struct actor *actor)
{
	static const struct linger none = {.l_onoff = 1, .l_linger = 0};

	if (actor->sock != NULL)
		setsockopt(lined_socket_fd(actor->sock), SOL_SOCKET, SO_LINGER,
			   &none, sizeof(none));
	actor_close(actor);
}

/* ---- what an actor got -------------------------------------------------- */

size_t actor_unread(const struct actor *actor)
{
	return actor->seen.len - actor->read;
}

void actor_take(struct actor *actor, size_t len)
{
	actor->read += len;
}

/* The first end behind `from` of a datagram without a line end; SIZE_MAX: there
 * is none. */
static size_t datagram_end(const struct actor *actor, size_t from)
{
	size_t i;

	for (i = 0; i < actor->end_count; i++)
		if (actor->ends[i] > from)
			return actor->ends[i];
	return SIZE_MAX;
}

bool actor_line(const struct actor *actor, struct actor_line *line)
{
	const char *begin, *lf;
	size_t left = actor_unread(actor), end;

	if (left == 0)
		return false;
	begin = actor->seen.data + actor->read;
	lf = memchr(begin, '\n', left);
	end = datagram_end(actor, actor->read);
	line->text = begin;
	if (end != SIZE_MAX &&
	    (lf == NULL || (size_t)(lf - actor->seen.data) >= end)) {
		line->len = line->whole = end - actor->read;
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

bool actor_is_over(const struct actor *actor)
{
	return actor->sock == NULL || actor->eof;
}
