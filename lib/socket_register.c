/* SPDX-License-Identifier: MIT */
/*
 * Registers a socket with its dispatcher and the poller, and puts it into its
 * group. socket_priv.h lists the other files of a socket.
 */
#include "config.h"

#include <lined/socket.h>

#include <stdlib.h>

#include "fail.h"
#include "socket_daemon.h"
#include "socket_priv.h"

/* The limits of sockets that are in no group. */
static const struct lined_limits default_limits = {
	.send_stall_ms = LINED_SEND_STALL_DEFAULT_MS,
	.send_queue = LINED_SEND_QUEUE_DEFAULT,
};

static const struct lined_socket_handlers no_handlers;

void lined_socket_set_handlers(struct lined_socket *sock,
			       const struct lined_socket_handlers *handlers,
			       void *arg)
{
	sock->handlers = handlers != NULL ? handlers : &no_handlers;
	sock->arg = arg;
	if (delegate_set_task(&sock->delegate,
			      sock->handlers->handle_task != NULL) < 0)
		socket_end(sock, LINED_CLOSE_ERROR, ENOMEM);
}

const struct lined_socket_handlers *
lined_socket_handlers(const struct lined_socket *sock)
{
	return sock->handlers;
}

void *lined_socket_arg(const struct lined_socket *sock)
{
	return sock->arg;
}

/* ---- registering ------------------------------------------------------ */

int socket_adopt(struct lined_socket *sock, int fd,
		 enum lined_socket_state state)
{
	enum lined_socket_state before = sock->state;

	sock->state = (uint8_t)state;
	if (socket_attach(sock, fd) < 0) {
		sock->state = (uint8_t)before;
		return -1;
	}
	if (state == LINED_SOCKET_CONNECTED)
		socket_connected(sock);
	return 0;
}

struct layers *socket_layers(struct lined_socket *sock)
{
	struct layers *layers;

	if (sock->layered)
		return sock->layers;
	layers = calloc(1, sizeof(*layers));
	if (layers == NULL)
		return NULL;
	layers->rate = sock->rate;
	sock->layers = layers;
	sock->layered = true;
	return layers;
}

void socket_handshake(struct lined_socket *sock,
		      const struct transport *transport, uint32_t timeout_ms)
{
	socket_set_transport(sock, transport);
	if (sock->state == LINED_SOCKET_CONNECTED) {
		/* STARTTLS: drops the unread input, which came without TLS. */
		socket_drop_input(sock);
		sock->byte_saved = sock->line_begun = sock->in_line = false;
		sock->throttled = sock->slowed = sock->blocked = false;
		list_remove(&sock->ready_link);
	}
	sock->state = LINED_SOCKET_CONNECTING;
	if (!sock->handshaking) {
		sock->handshaking = true;
		socket_note_start(sock);
		sock->end_at = socket_now(sock) + timeout_ms;
	}
	if (sock->delegate.dispatcher == NULL &&
	    socket_attach(sock, sock->delegate.fd) < 0) {
		socket_end(sock, LINED_CLOSE_ERROR, errno);
		return;
	}
	socket_arm(sock);
	socket_update_mode(sock);
}

void socket_established(struct lined_socket *sock,
			const struct transport *transport)
{
	socket_set_transport(sock, transport);
	sock->state = LINED_SOCKET_CONNECTED;
	sock->handshaking = false;
	socket_connected(sock);
	if (!send_queue_is_empty(&sock->out) || sock->closing || sock->ending)
		socket_mark_dirty(sock);
	/* The transport may hold input that came with the handshake's end. */
	socket_read_on(sock);
	if (sock->state == LINED_SOCKET_CONNECTED && !sock->closing &&
	    sock->handlers->handle_connect != NULL)
		sock->handlers->handle_connect(sock, sock->arg);
}

/* Charges the memory of a socket when it is registered, or takes the charge
 * back. */
static void socket_charge(struct lined_socket *sock, struct lined_dispatcher *d,
			  bool charge)
{
	int64_t held = MEMORY_SOCKET +
		       (int64_t)input_memory(&sock->in, d->read_buffer);

	if (socket_transport(sock)->is_datagram)
		held += (int64_t)socket_transport(sock)->memory(sock);
	memory_charge(&d->pool.memory, charge ? held : -held);
	send_queue_charge(&sock->out, &d->pool, charge);
}

void socket_clear_input(struct lined_socket *sock)
{
	struct lined_dispatcher *d = sock->dispatcher;

	if (d != NULL)
		memory_charge(
			&d->pool.memory,
			-(int64_t)input_memory(&sock->in, d->read_buffer));
	input_clear(&sock->in, socket_read_buffer(sock));
}

/* Undoes the registration; the caller changes d->len. */
static void socket_leave(struct lined_socket *sock, struct lined_dispatcher *d)
{
	list_remove(&sock->ready_link);
	list_remove(&sock->dirty_link);
	timer_heap_remove(&d->deadlines, &sock->deadline);
	sock->accept_paused = sock->slowed = sock->blocked = false;
	socket_charge(sock, d, false);
	sock->dispatcher = NULL;
	if (sock->group == &d->group)
		lined_socket_set_group(sock, NULL);
}

struct lined_delegate *
lined_dispatcher_register_socket(struct lined_dispatcher *d,
				 struct lined_socket *sock)
{
	if (sock->dispatcher != NULL || d->ending)
		return fail_null(d->ending ? ESHUTDOWN : EEXIST);
	sock->dispatcher = d;
	if (d->socket_ops == NULL) {
		d->socket_ops = sock->delegate.handlers->socket_ops;
		d->group.limits = default_limits;
	}
	if (sock->group == NULL)
		lined_socket_set_group(sock, NULL);
	socket_charge(sock, d, true);
	list_append(&d->unattached, &sock->ready_link);
	if (sock->delegate.fd >= 0 && sock->state != LINED_SOCKET_IDLE &&
	    sock->state != LINED_SOCKET_CONNECTING &&
	    socket_adopt(sock, sock->delegate.fd, sock->state) < 0) {
		socket_leave(sock, d);
		return NULL;
	}
	d->len++;
	if (sock->ending || lined_socket_queued(sock) > 0)
		socket_mark_dirty(sock);
	if (sock->state == LINED_SOCKET_CONNECTING) {
		if (socket_transport(sock)->begin != NULL)
			socket_transport(sock)->begin(sock);
	} else {
		socket_read_on(sock);
	}
	return &sock->delegate;
}

int socket_unregister_delegate(struct lined_dispatcher *d,
			       struct lined_delegate *delegate)
{
	struct lined_socket *sock = socket_of_delegate(delegate);

	if (sock->dispatcher != d || sock->state == LINED_SOCKET_CLOSED)
		return fail_with(ENOENT);
	/* Refused in a handler of the socket, too: if the caller then closed
	 * the socket, it would be freed while the handler still runs. */
	if (sock->state == LINED_SOCKET_CONNECTING || sock->closing ||
	    sock->layered || sock->in_read || d->running == &sock->delegate)
		return fail_with(EBUSY);
	if (sock->delegate.dispatcher != NULL)
		delegate_detach(d, &sock->delegate);
	socket_leave(sock, d);
	d->len--;
	return 0;
}

int socket_register_delegate(struct lined_dispatcher *d,
			     struct lined_delegate *delegate)
{
	return lined_dispatcher_register_socket(
		       d, socket_of_delegate(delegate)) != NULL
		       ? 0
		       : -1;
}

/* ---- what the poller watches ------------------------------------------ */

void socket_update_mode(struct lined_socket *sock)
{
	unsigned mode;

	if (sock->delegate.dispatcher == NULL)
		return;
	mode = socket_wanted_mode(sock);
	if (mode == sock->delegate.mode)
		return;
	if (mode & ~sock->delegate.mode & LINED_MODE_READ &&
	    sock->state == LINED_SOCKET_CONNECTED)
		socket_catch_up(sock);
	if (lined_delegate_set_mode(&sock->delegate, mode) < 0)
		socket_end(sock, LINED_CLOSE_ERROR, errno);
}

int socket_attach(struct lined_socket *sock, int fd)
{
	int before = sock->delegate.fd;

	sock->delegate.fd = fd;
	if (sock->dispatcher == NULL)
		return 0;
	sock->delegate.mode = (uint8_t)socket_wanted_mode(sock);
	if (delegate_attach(sock->dispatcher, &sock->delegate) < 0) {
		sock->delegate.fd = before;
		return -1;
	}
	list_remove(&sock->ready_link);
	return 0;
}

int socket_detach(struct lined_socket *sock)
{
	int fd = sock->delegate.fd;

	if (sock->delegate.dispatcher != NULL) {
		delegate_detach(sock->dispatcher, &sock->delegate);
		list_append(&sock->dispatcher->unattached, &sock->ready_link);
	}
	sock->delegate.fd = -1;
	return fd;
}

/* ---- groups ----------------------------------------------------------- */

void lined_socket_set_group(struct lined_socket *sock,
			    struct lined_socket_group *group)
{
	size_t queued = lined_socket_queued(sock);

	if (group == NULL && sock->dispatcher != NULL)
		group = &sock->dispatcher->group;
	if (sock->group != NULL)
		counter_add(&sock->group->counters.queued, -queued);
	if (group != NULL)
		counter_add(&group->counters.queued, queued);
	sock->group = group;
	socket_arm(sock);
}

struct lined_socket_group *lined_socket_group(const struct lined_socket *sock)
{
	return sock->group;
}

void socket_set_class(struct lined_socket *sock, uint8_t class)
{
	sock->class = class;
	lined_socket_limits_changed(sock);
}

uint8_t socket_class(const struct lined_socket *sock)
{
	return sock->class;
}

const struct lined_limits *lined_socket_limits(const struct lined_socket *sock)
{
	return sock->group != NULL ? socket_limits(sock) : NULL;
}

void lined_socket_limits_changed(struct lined_socket *sock)
{
	/* The next read checks the new rate. */
	if (sock->slowed) {
		sock->slowed = false;
		socket_read_on(sock);
	}
	/* The flush compares the queue with the new marks. */
	if (sock->throttled)
		socket_mark_dirty(sock);
	socket_arm(sock);
}
