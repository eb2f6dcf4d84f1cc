/* SPDX-License-Identifier: MIT */
/*
 * A socket's life: making and registering, and what can be asked of it. What
 * it does meanwhile, and its end, are in the files beside this one
 * (socket_priv.h lists them).
 */
#include "config.h"

#include <lined/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "socket_priv.h"

/* Of sockets without a group of their own. */
static const struct lined_limits default_limits = {
	.send_stall_ms = LINED_SEND_STALL_DEFAULT_MS,
	.send_queue = LINED_SEND_QUEUE_DEFAULT,
};

/* ---- the delegate ----------------------------------------------------- */

static struct lined_socket *of(struct lined_delegate *delegate)
{
	return lined_container_of(delegate, struct lined_socket, delegate);
}

static void on_readable(struct lined_delegate *delegate)
{
	struct lined_socket *sock = of(delegate);
	struct lined_dispatcher *d = sock->dispatcher;

	socket_begin_serving(d, sock);
	if (sock->state == LINED_SOCKET_LISTENING)
		socket_acceptable(sock);
	else if (sock->datagram)
		udp_readable(sock);
	else
		socket_readable(sock);
	socket_end_serving(d);
}

/* Who has ended the write side can write no more. */
static bool wants_write(const struct lined_socket *sock)
{
	return sock->want_write && !sock->closing && !sock->ending &&
	       !sock->ended;
}

static void on_writable(struct lined_delegate *delegate)
{
	struct lined_socket *sock = of(delegate);

	if (sock->state == LINED_SOCKET_CONNECTING) {
		socket_connect_writable(sock);
		return;
	}
	if (sock->blocked) {
		sock->blocked = false;
		socket_mark_dirty(sock);
	}
	if (wants_write(sock) && socket_is_low(sock) &&
	    sock->handlers->handle_write != NULL) {
		socket_begin_serving(sock->dispatcher, sock);
		sock->handlers->handle_write(sock, sock->arg);
		socket_end_serving(sock->dispatcher);
	}
}

/*
 * Only while nothing is read: who reads finds the error. A writer may have
 * nothing to write, and then would not.
 */
static void on_error(struct lined_delegate *delegate)
{
	struct lined_socket *sock = of(delegate);
	socklen_t len = sizeof(int);
	int error = 0;

	if (delegate->mode & LINED_MODE_READ || sock->datagram ||
	    sock->state == LINED_SOCKET_CONNECTING)
		return;
	if (getsockopt(delegate->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	    error != 0)
		socket_end(sock, LINED_CLOSE_ERROR, error);
}

static void on_task(struct lined_delegate *delegate)
{
	struct lined_socket *sock = of(delegate);

	if (sock->handlers->handle_task == NULL)
		return;
	socket_begin_serving(sock->dispatcher, sock);
	sock->handlers->handle_task(sock, sock->arg);
	socket_end_serving(sock->dispatcher);
}

static const struct lined_socket_ops socket_ops;

static const struct lined_delegate_handlers plain = {
	.handle_read = on_readable,
	.handle_write = on_writable,
	.handle_error = on_error,
	.socket_ops = &socket_ops,
};

static const struct lined_delegate_handlers with_task = {
	.handle_read = on_readable,
	.handle_write = on_writable,
	.handle_error = on_error,
	.task = on_task,
	.socket_ops = &socket_ops,
};

static const struct lined_delegate_handlers *
table_for(const struct lined_socket_handlers *handlers)
{
	return handlers->handle_task != NULL ? &with_task : &plain;
}

/* ---- making ----------------------------------------------------------- */

static const struct lined_socket_handlers no_handlers;

/* The owner's bytes begin at an address good for any type. */
#define OWNER_OFFSET                                                           \
	((sizeof(struct lined_socket) + _Alignof(max_align_t) - 1) /           \
	 _Alignof(max_align_t) * _Alignof(max_align_t))

struct lined_socket *
lined_socket_new_owned(const struct lined_socket_handlers *handlers, void *arg,
		       size_t owner_size)
{
	const struct lined_framing framing = LINED_FRAMING_DEFAULT;
	struct lined_socket *sock;

	sock = calloc(1, owner_size > 0 ? OWNER_OFFSET + owner_size
					: sizeof(*sock));
	if (sock == NULL)
		return NULL;
	sock->handlers = handlers != NULL ? handlers : &no_handlers;
	sock->arg = arg;
	sock->delegate.fd = -1;
	sock->delegate.handlers = table_for(sock->handlers);
	sock->deadline = TIMER_UNARMED;
	sock->framer.framing = framing;
	list_init(&sock->ready_link);
	list_init(&sock->dirty_link);
	return sock;
}

struct lined_socket *
lined_socket_new(const struct lined_socket_handlers *handlers, void *arg)
{
	return lined_socket_new_owned(handlers, arg, 0);
}

void *lined_socket_owner(struct lined_socket *sock)
{
	return (char *)sock + OWNER_OFFSET;
}

struct lined_socket *lined_socket_of_owner(void *owner)
{
	return (struct lined_socket *)(void *)((char *)owner - OWNER_OFFSET);
}

void lined_socket_set_handlers(struct lined_socket *sock,
			       const struct lined_socket_handlers *handlers,
			       void *arg)
{
	const struct lined_delegate_handlers *table;

	sock->handlers = handlers != NULL ? handlers : &no_handlers;
	sock->arg = arg;
	table = table_for(sock->handlers);
	if (sock->delegate.dispatcher == NULL)
		sock->delegate.handlers = table;
	else if (table != sock->delegate.handlers &&
		 delegate_set_handlers(sock->dispatcher, &sock->delegate,
				       table) < 0)
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

static int adopt(struct lined_socket *sock, int fd,
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

int lined_socket_open(struct lined_socket *sock, int family, int type)
{
	int fd, error;

	if (sock->delegate.fd >= 0 || sock->state != LINED_SOCKET_IDLE) {
		errno = EISCONN;
		return -1;
	}
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	sock->datagram = type == SOCK_DGRAM;
	/* Kept out of the poller until it is bound or connected: an idle
	 * stream socket would be reported as hung up. */
	if (!sock->datagram || udp_init(sock) == 0) {
		sock->delegate.fd = fd;
		return 0;
	}
	error = errno;
	sock->datagram = false;
	close(fd);
	errno = error;
	return -1;
}

static int make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	return 0;
}

static bool is_datagram_fd(int fd)
{
	int type = SOCK_STREAM;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_DGRAM;
}

static int take_over(struct lined_socket *sock, int fd,
		     enum lined_socket_state state)
{
	switch (state) {
	case LINED_SOCKET_IDLE: /* kept out of the poller, as above */
		sock->delegate.fd = fd;
		return 0;
	case LINED_SOCKET_CONNECTING:
		return socket_connect_adopt(sock, fd);
	default:
		return adopt(sock, fd, state);
	}
}

int lined_socket_wrap(struct lined_socket *sock, int fd,
		      enum lined_socket_state state)
{
	int error;

	if (sock->delegate.fd >= 0 || sock->state != LINED_SOCKET_IDLE) {
		errno = EISCONN;
		return -1;
	}
	if (state == LINED_SOCKET_CLOSED) {
		errno = EINVAL;
		return -1;
	}
	if (make_nonblocking(fd) < 0)
		return -1;
	sock->datagram = state == LINED_SOCKET_UDP_BOUND ||
			 (state == LINED_SOCKET_IDLE && is_datagram_fd(fd));
	if ((!sock->datagram || udp_init(sock) == 0) &&
	    take_over(sock, fd, state) == 0)
		return 0;
	error = errno;
	if (sock->datagram)
		udp_free(sock);
	sock->datagram = false;
	errno = error;
	return -1;
}

int lined_socket_bind(struct lined_socket *sock, int type,
		      const struct sockaddr *address, socklen_t len)
{
	int on = 1, fd;

	if (sock->state != LINED_SOCKET_IDLE) {
		errno = EINVAL;
		return -1;
	}
	if (sock->delegate.fd < 0 &&
	    lined_socket_open(sock, address->sa_family, type) < 0)
		return -1;
	fd = sock->delegate.fd;
	if (address->sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -1;
	if (type == SOCK_STREAM && address->sa_family != AF_UNIX &&
	    (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	     setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0))
		return -1;
	if (bind(fd, address, len) < 0)
		return -1;
	if (!sock->datagram)
		return 0;
	return adopt(sock, fd, LINED_SOCKET_UDP_BOUND);
}

/* It is of nobody again; len is the caller's. */
static void leave(struct lined_socket *sock, struct lined_dispatcher *d)
{
	list_remove(&sock->ready_link);
	list_remove(&sock->dirty_link);
	timer_heap_remove(&d->deadlines, &sock->deadline);
	sock->rested = sock->slowed = sock->blocked = false;
	sock->dispatcher = NULL;
	if (sock->group == &d->group)
		lined_socket_set_group(sock, NULL);
}

struct lined_delegate *
lined_dispatcher_register_socket(struct lined_dispatcher *d,
				 struct lined_socket *sock)
{
	if (sock->dispatcher != NULL || d->ending) {
		errno = d->ending ? ESHUTDOWN : EEXIST;
		return NULL;
	}
	sock->dispatcher = d;
	if (d->socket_ops == NULL) {
		d->socket_ops = &socket_ops;
		d->group.limits = default_limits;
	}
	if (sock->group == NULL)
		lined_socket_set_group(sock, NULL);
	list_append(&d->unattached, &sock->ready_link);
	if (sock->delegate.fd >= 0 && sock->state != LINED_SOCKET_IDLE &&
	    sock->state != LINED_SOCKET_CONNECTING &&
	    adopt(sock, sock->delegate.fd, sock->state) < 0) {
		leave(sock, d);
		return NULL;
	}
	d->len++;
	if (sock->ending || lined_socket_queued(sock) > 0)
		socket_mark_dirty(sock);
	if (sock->state == LINED_SOCKET_CONNECTING)
		socket_connect_begin(sock);
	else
		socket_read_on(sock);
	return &sock->delegate;
}

static int unregister_socket(struct lined_dispatcher *d,
			     struct lined_socket *sock)
{
	if (sock->dispatcher != d || sock->state == LINED_SOCKET_CLOSED) {
		errno = ENOENT;
		return -1;
	}
	/* In its own handler it could be closed next, and be gone when the
	 * handler returns. */
	if (sock->state == LINED_SOCKET_CONNECTING || sock->closing ||
	    sock->in_read || d->running == &sock->delegate) {
		errno = EBUSY;
		return -1;
	}
	if (sock->delegate.dispatcher != NULL)
		delegate_detach(d, &sock->delegate);
	leave(sock, d);
	d->len--;
	return 0;
}

static int register_delegate(struct lined_dispatcher *d,
			     struct lined_delegate *delegate)
{
	return lined_dispatcher_register_socket(d, of(delegate)) != NULL ? 0
									 : -1;
}

static int unregister_delegate(struct lined_dispatcher *d,
			       struct lined_delegate *delegate)
{
	return unregister_socket(d, of(delegate));
}

/* ---- the phases of a turn --------------------------------------------- */

static void phase_serve_leftover(struct list *ready_link)
{
	struct lined_socket *sock =
		list_entry(ready_link, struct lined_socket, ready_link);
	struct lined_dispatcher *d = sock->dispatcher;

	socket_begin_serving(d, sock);
	socket_serve_leftover(sock);
	socket_end_serving(d);
}

static void phase_expire(uint32_t *deadline)
{
	socket_deadline(
		lined_container_of(deadline, struct lined_socket, deadline));
}

static void phase_deliver_close(struct list *ready_link)
{
	struct lined_socket *sock =
		list_entry(ready_link, struct lined_socket, ready_link);
	struct lined_dispatcher *d = sock->dispatcher;

	list_append(&d->dead, ready_link);
	socket_begin_serving(d, sock);
	socket_deliver_close(sock);
	socket_end_serving(d);
}

static void phase_flush(struct list *dirty_link)
{
	socket_flush(list_entry(dirty_link, struct lined_socket, dirty_link));
}

static void phase_free(struct list *ready_link)
{
	socket_free(list_entry(ready_link, struct lined_socket, ready_link));
}

static void shut_down(struct lined_delegate *delegate)
{
	lined_socket_close_for(of(delegate), LINED_CLOSE_SHUTDOWN, 0);
}

static void shut_down_unattached(struct list *ready_link)
{
	lined_socket_close_for(
		list_entry(ready_link, struct lined_socket, ready_link),
		LINED_CLOSE_SHUTDOWN, 0);
}

static const struct lined_socket_ops socket_ops = {
	.serve_leftover = phase_serve_leftover,
	.expire = phase_expire,
	.deliver_close = phase_deliver_close,
	.flush = phase_flush,
	.free = phase_free,
	.shut_down = shut_down,
	.shut_down_unattached = shut_down_unattached,
	.register_delegate = register_delegate,
	.unregister_delegate = unregister_delegate,
};

/* ---- what the poller watches ------------------------------------------ */

static unsigned wanted_mode(const struct lined_socket *sock)
{
	unsigned mode = 0;

	switch ((enum lined_socket_state)sock->state) {
	case LINED_SOCKET_CONNECTING:
		return LINED_MODE_WRITE;
	case LINED_SOCKET_LISTENING:
		return sock->rested || socket_is_paused(sock) ? 0
							      : LINED_MODE_READ;
	case LINED_SOCKET_UDP_BOUND:
		if (socket_may_read(sock))
			mode |= LINED_MODE_READ;
		break;
	case LINED_SOCKET_CONNECTED:
		if (sock->lingering || (socket_may_read(sock) && !sock->eof))
			mode |= LINED_MODE_READ;
		break;
	default:
		return 0;
	}
	if (sock->blocked || wants_write(sock))
		mode |= LINED_MODE_WRITE;
	return mode;
}

void socket_update_mode(struct lined_socket *sock)
{
	unsigned mode;

	if (sock->delegate.dispatcher == NULL)
		return;
	mode = wanted_mode(sock);
	if (mode != sock->delegate.mode &&
	    lined_delegate_set_mode(&sock->delegate, mode) < 0)
		socket_end(sock, LINED_CLOSE_ERROR, errno);
}

int socket_attach(struct lined_socket *sock, int fd)
{
	int before = sock->delegate.fd;

	sock->delegate.fd = fd;
	if (sock->dispatcher == NULL)
		return 0;
	sock->delegate.mode = (uint8_t)wanted_mode(sock);
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

/* ---- asking ----------------------------------------------------------- */

enum lined_socket_state lined_socket_state(const struct lined_socket *sock)
{
	return sock->state;
}

bool lined_socket_is_connected(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_CONNECTED;
}

bool lined_socket_is_listening(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_LISTENING;
}

bool lined_socket_is_connecting(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_CONNECTING;
}

bool lined_socket_is_closed(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_CLOSED;
}

bool lined_socket_is_writeable(const struct lined_socket *sock)
{
	return (sock->state == LINED_SOCKET_CONNECTED ||
		sock->state == LINED_SOCKET_UDP_BOUND) &&
	       !sock->throttled && !sock->ended && !sock->ending;
}

bool lined_socket_is_datagram(const struct lined_socket *sock)
{
	return sock->datagram;
}

int lined_socket_fd(const struct lined_socket *sock)
{
	return sock->delegate.fd;
}

struct lined_dispatcher *
lined_socket_dispatcher(const struct lined_socket *sock)
{
	return sock->dispatcher;
}

int lined_socket_peer(const struct lined_socket *sock,
		      struct sockaddr_storage *address, socklen_t *len)
{
	if (sock->datagram)
		return udp_peer(sock, address, len);
	if (sock->delegate.fd < 0) {
		errno = ENOTCONN;
		return -1;
	}
	*len = sizeof(*address);
	return getpeername(sock->delegate.fd, (struct sockaddr *)address, len);
}

int lined_socket_local(const struct lined_socket *sock,
		       struct sockaddr_storage *address, socklen_t *len)
{
	*len = sizeof(*address);
	return getsockname(sock->delegate.fd, (struct sockaddr *)address, len);
}

void lined_socket_traffic(const struct lined_socket *sock,
			  struct lined_traffic *traffic)
{
	uint64_t started_ms =
		(uint64_t)sock->started_high << 32 | sock->started_at;

	memset(traffic, 0, sizeof(*traffic));
	traffic->lines_in = sock->lines_in;
	traffic->bytes_in = sock->bytes_in;
	traffic->bytes_out = sock->bytes_out;
	if (sock->dispatcher == NULL || sock->datagram)
		return;
	traffic->connected_ms = sock->dispatcher->now_ms - started_ms;
	traffic->silent_ms = socket_now(sock) - sock->active_at;
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

void lined_socket_limits_changed(struct lined_socket *sock)
{
	/* Whether it is over the rate that holds now is seen when it reads. */
	if (sock->slowed) {
		sock->slowed = false;
		socket_read_on(sock);
	}
	socket_arm(sock);
}
