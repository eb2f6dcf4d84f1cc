/* SPDX-License-Identifier: MIT */
/*
 * Gets the events of a socket and the phases of a turn from the dispatcher, and
 * passes them on to the socket's other files and its transport.
 */
#include "config.h"

#include "socket_priv.h"

/* To be called before and after code that may call a handler of the socket, for
 * dispatcher_serving(). */
static void socket_begin_serving(struct lined_dispatcher *d,
				 const struct lined_socket *sock)
{
	__atomic_store_n(&d->serving, sock->group, __ATOMIC_RELAXED);
}

static void socket_end_serving(struct lined_dispatcher *d)
{
	__atomic_store_n(&d->serving, NULL, __ATOMIC_RELAXED);
}

/* ---- events ----------------------------------------------------------- */

static void socket_serve(struct lined_socket *sock,
			 void (*serve)(struct lined_socket *sock))
{
	struct lined_dispatcher *d = sock->dispatcher;
	size_t before = input_memory(&sock->in, d->read_buffer), after;

	d->served = sock;
	socket_begin_serving(d, sock);
	serve(sock);
	socket_end_serving(d);
	d->served = NULL;
	after = input_memory(&sock->in, d->read_buffer);
	if (after != before)
		memory_charge(&d->pool.memory,
			      (int64_t)after - (int64_t)before);
}

void socket_on_readable(struct lined_delegate *delegate)
{
	struct lined_socket *sock = socket_of_delegate(delegate);

	socket_serve(sock, socket_transport(sock)->readable);
}

void socket_on_writable(struct lined_delegate *delegate)
{
	struct lined_socket *sock = socket_of_delegate(delegate);
	struct lined_dispatcher *d = sock->dispatcher;

	socket_begin_serving(d, sock);
	socket_transport(sock)->writable(sock);
	socket_end_serving(d);
}

void socket_on_error(struct lined_delegate *delegate)
{
	struct lined_socket *sock = socket_of_delegate(delegate);

	if (socket_transport(sock)->failed != NULL)
		socket_transport(sock)->failed(sock);
}

void socket_on_task(struct lined_delegate *delegate)
{
	struct lined_socket *sock = socket_of_delegate(delegate);
	struct lined_dispatcher *d = sock->dispatcher;

	if (sock->handlers->handle_task == NULL)
		return;
	socket_begin_serving(d, sock);
	sock->handlers->handle_task(sock, sock->arg);
	socket_end_serving(d);
}

void socket_writable(struct lined_socket *sock)
{
	if (sock->blocked) {
		sock->blocked = false;
		socket_mark_dirty(sock);
	}
	if (socket_wants_write(sock) && socket_is_low(sock) &&
	    sock->handlers->handle_write != NULL)
		sock->handlers->handle_write(sock, sock->arg);
}

/* If the poller watches for input, recv() reports the error. Otherwise get the
 * error here: there may be no output whose write would report it. */
void stream_failed(struct lined_socket *sock)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (sock->delegate.mode & LINED_MODE_READ)
		return;
	if (getsockopt(sock->delegate.fd, SOL_SOCKET, SO_ERROR, &error, &len) ==
		    0 &&
	    error != 0)
		socket_end(sock, LINED_CLOSE_ERROR, error);
}

/* ---- the phases of a turn --------------------------------------------- */

static struct lined_socket *socket_of_ready(struct list *ready_link)
{
	return list_entry(ready_link, struct lined_socket, ready_link);
}

static void socket_phase_serve(struct list *ready_link)
{
	struct lined_socket *sock = socket_of_ready(ready_link);

	socket_serve(sock, socket_transport(sock)->serve);
}

static void socket_phase_expire(uint32_t *slot)
{
	struct lined_socket *sock =
		lined_container_of(slot, struct lined_socket, deadline);
	struct lined_dispatcher *d = sock->dispatcher;

	socket_begin_serving(d, sock);
	socket_expire(sock);
	socket_end_serving(d);
}

static void socket_phase_close(struct list *ready_link)
{
	struct lined_socket *sock = socket_of_ready(ready_link);
	struct lined_dispatcher *d = sock->dispatcher;

	list_append(&d->dead, ready_link);
	socket_begin_serving(d, sock);
	socket_deliver_close(sock);
	socket_end_serving(d);
	if (d->memory_awaits_close == &sock->delegate)
		d->memory_awaits_close = NULL;
}

static void socket_phase_flush(struct list *dirty_link)
{
	struct lined_socket *sock =
		list_entry(dirty_link, struct lined_socket, dirty_link);

	if (sock->state != LINED_SOCKET_CLOSED)
		socket_transport(sock)->flush(sock);
}

/* A send queue does not count while the kernel still accepts its bytes: it is
 * about to be empty. */
static uint64_t socket_held(const struct lined_delegate *delegate)
{
	const struct lined_socket *sock = lined_container_of(
		delegate, const struct lined_socket, delegate);
	const struct lined_dispatcher *d = sock->dispatcher;
	uint64_t held;

	if (sock == d->served || sock->state != LINED_SOCKET_CONNECTED ||
	    d->memory->may_close == NULL)
		return 0;
	held = input_memory(&sock->in, d->read_buffer);
	if (socket_transport(sock)->memory != NULL)
		held += socket_transport(sock)->memory(sock);
	if (sock->blocked)
		held += sock->out.bytes +
			sock->out.count * SEND_QUEUE_SEGMENT_COST;
	return held > 0 && d->memory->may_close(sock) != MEMORY_SPARE ? held
								      : 0;
}

/* Closes a socket. Frees its buffers at once, because the memory that is left
 * decides whether another socket is closed. */
static bool socket_shed(struct lined_delegate *delegate)
{
	struct lined_socket *sock = socket_of_delegate(delegate);
	bool is_free =
		sock->dispatcher->memory->may_close(sock) == MEMORY_CLOSE;

	/* socket_end() must come before the queue is cleared, because the
	 * stop() of a transport reads out.begun. */
	socket_end(sock, LINED_CLOSE_SLOW, 0);
	counter_add(&sock->group->counters.queued, -(uint64_t)sock->out.bytes);
	send_queue_clear(&sock->out, &sock->dispatcher->pool);
	socket_clear_input(sock);
	return is_free;
}

static void socket_phase_free(struct list *ready_link)
{
	socket_free(socket_of_ready(ready_link));
}

static void socket_shut_down(struct lined_delegate *delegate)
{
	lined_socket_close_for(socket_of_delegate(delegate),
			       LINED_CLOSE_SHUTDOWN, 0);
}

static void socket_shut_down_unattached(struct list *ready_link)
{
	lined_socket_close_for(socket_of_ready(ready_link),
			       LINED_CLOSE_SHUTDOWN, 0);
}

const struct lined_socket_ops socket_ops = {
	.serve_leftover = socket_phase_serve,
	.expire = socket_phase_expire,
	.deliver_close = socket_phase_close,
	.flush = socket_phase_flush,
	.free = socket_phase_free,
	.send_early = socket_send_early,
	.held = socket_held,
	.shed = socket_shed,
	.shut_down = socket_shut_down,
	.shut_down_unattached = socket_shut_down_unattached,
	.register_delegate = socket_register_delegate,
	.unregister_delegate = socket_unregister_delegate,
};
