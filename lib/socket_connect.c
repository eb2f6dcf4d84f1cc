/* SPDX-License-Identifier: MIT */
/*
 * Connects a socket: a name is resolved on another thread, its addresses are
 * tried in turn, and one deadline applies to all. Each address gets its share
 * of the time that is left, so that an address that does not answer leaves time
 * for the next. A UNIX listener whose backlog is full refuses at once, and no
 * event reports that it has room: the connect is tried again, less and less
 * often, until the deadline.
 */
#include "config.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lined/address.h>

#include "fail.h"
#include "socket_priv.h"

#define CONNECT_MS_DEFAULT 30000

/* The shortest and the longest time between two tries at a listener whose
 * backlog is full. The time doubles with each try. */
#define FULL_MS_MIN 10
#define FULL_MS_MAX 250

struct connector {
	struct lined_socket *sock;
	const struct transport *then; /* the transport once connected */
	struct layers *layers;        /* those of the socket; NULL: none */
	struct lined_lookup *lookup;  /* while the name is looked up */
	struct lined_timer timer;     /* for an address, a wait or the lookup */
	uint64_t end_ms;
	uint32_t timeout_ms;
	uint32_t full_ms; /* the wait for a full listener; 0: none */
	int last_error;
	unsigned count, next;
	struct lined_address addresses[LINED_LOOKUP_MAX];
	uint16_t port;
	char *host; /* the name; NULL: an address or a descriptor was given */
};

static void connector_stop(struct lined_socket *sock)
{
	struct connector *connector = sock->connector;

	sock->layers = connector->layers;
	sock->layered = connector->layers != NULL;
	socket_set_transport(sock, connector->then);
	lined_lookup_cancel(connector->lookup);
	if (connector->timer.dispatcher != NULL)
		lined_timer_stop(&connector->timer);
	free(connector->host);
	free(connector);
}

/* ---- one address after another ---------------------------------------- */

static void connector_give_up(struct connector *connector)
{
	struct lined_socket *sock = connector->sock;
	int error = connector->last_error;

	if (error == 0)
		error = EADDRNOTAVAIL;
	if (error == ETIMEDOUT) {
		sock->expired = connector->lookup != NULL ? DEADLINE_LOOKUP
							  : DEADLINE_CONNECT;
		socket_end(sock, LINED_CLOSE_TIMEOUT, error);
	} else {
		socket_end(sock, LINED_CLOSE_ERROR, error);
	}
}

/* Opens a descriptor for an address, or returns the one that the socket has
 * already if its family fits. */
static int connector_open_fd(struct lined_socket *sock, int family)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	int fd = sock->delegate.fd, on = 1;

	if (fd >= 0) {
		sock->delegate.fd = -1;
		if (getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
		    own.ss_family == family)
			return fd;
		close(fd);
	}
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A turn's output leaves in one write: Nagle's algorithm would only
	 * delay it. */
	if (fd >= 0 && family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static bool connector_is_full(const struct lined_address *address, int error)
{
	return address->any.sa_family == AF_UNIX && error == EAGAIN;
}

/* Begins to connect to an address; the poller reports the end. -1 and errno. If
 * the backlog of a UNIX listener is full (EAGAIN), the socket keeps the
 * descriptor for the next try. */
static int connector_try_address(struct connector *connector,
				 const struct lined_address *address)
{
	struct lined_socket *sock = connector->sock;
	int fd = connector_open_fd(sock, address->any.sa_family), error;

	if (fd < 0)
		return -1;
	if ((connect(fd, &address->any, address->len) == 0 ||
	     errno == EINPROGRESS) &&
	    socket_attach(sock, fd) == 0)
		return 0;
	error = errno;
	if (connector_is_full(address, error))
		sock->delegate.fd = fd;
	else
		close(fd);
	return fail_with(error);
}

static uint64_t connector_time_left(const struct connector *connector)
{
	uint64_t now_ms = connector->sock->dispatcher->now_ms;

	return connector->end_ms > now_ms ? connector->end_ms - now_ms : 0;
}

/* Tries the same address again later. */
static int connector_wait_for_room(struct connector *connector)
{
	uint64_t left = connector_time_left(connector);
	uint32_t wait_ms = connector->full_ms * 2;

	if (wait_ms == 0)
		wait_ms = FULL_MS_MIN;
	if (wait_ms > FULL_MS_MAX)
		wait_ms = FULL_MS_MAX;
	connector->full_ms = wait_ms;
	connector->next--;
	return lined_timer_start(&connector->timer,
				 left < wait_ms ? left : wait_ms, 0);
}

static void connector_try_next(struct connector *connector)
{
	uint64_t left;

	while (connector->next < connector->count) {
		const struct lined_address *address =
			&connector->addresses[connector->next++];

		if (connector_try_address(connector, address) < 0) {
			connector->last_error = errno;
			if (!connector_is_full(address, errno))
				continue;
			if (connector_wait_for_room(connector) == 0)
				return;
			connector->last_error = errno;
			break;
		}
		connector->full_ms = 0;
		left = connector_time_left(connector);
		left /= connector->count - connector->next + 1;
		if (lined_timer_start(&connector->timer, left, 0) == 0)
			return;
		connector->last_error = errno;
		close(socket_detach(connector->sock));
	}
	connector_give_up(connector);
}

static void connector_timer_fired(struct lined_timer *timer)
{
	struct connector *connector =
		lined_container_of(timer, struct connector, timer);

	if (connector->full_ms > 0 && connector_time_left(connector) > 0) {
		connector_try_next(connector);
		return;
	}
	connector->last_error = ETIMEDOUT;
	if (connector->full_ms > 0) {
		connector_give_up(connector);
		return;
	}
	if (connector->sock->delegate.fd >= 0)
		close(socket_detach(connector->sock));
	/* Gives up if the name is still being looked up: there is no address
	 * to try. */
	connector_try_next(connector);
}

static void connector_ready(struct lined_socket *sock)
{
	struct connector *connector = sock->connector;
	const struct transport *then;
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(sock->delegate.fd, SOL_SOCKET, SO_ERROR, &error, &len) <
	    0)
		error = errno;
	if (error != 0) {
		connector->last_error = error;
		close(socket_detach(sock));
		connector_try_next(connector);
		return;
	}
	then = connector->then;
	connector_stop(sock);
	if (then->begin != NULL)
		then->begin(sock);
	else
		socket_established(sock, then);
}

/* ---- names ------------------------------------------------------------ */

static void connector_answered(void *arg, int error,
			       const struct lined_address *addresses,
			       size_t count)
{
	struct connector *connector = arg;

	connector->lookup = NULL;
	lined_timer_stop(&connector->timer);
	connector->last_error = error;
	memcpy(connector->addresses, addresses, count * sizeof(*addresses));
	connector->count = (unsigned)count;
	connector_try_next(connector);
}

/* Tries the address, looks up the name, or watches the descriptor of
 * lined_socket_wrap(), on which the program has called connect(2). */
static void connector_begin(struct lined_socket *sock)
{
	struct connector *connector = sock->connector;
	struct lined_dispatcher *d = sock->dispatcher;
	bool begun;

	lined_timer_init(&connector->timer, d, connector_timer_fired);
	connector->end_ms = dispatcher_clock(d) + connector->timeout_ms;
	if (connector->count > 0) {
		connector_try_next(connector);
		return;
	}
	if (connector->host != NULL) {
		connector->lookup = lined_dispatcher_look_up(
			d, connector->host, connector->port, connector_answered,
			connector);
		begun = connector->lookup != NULL;
	} else {
		begun = socket_attach(sock, sock->delegate.fd) == 0;
	}
	if (begun &&
	    lined_timer_start(&connector->timer, connector->timeout_ms, 0) == 0)
		return;
	connector->last_error = errno;
	connector_give_up(connector);
}

/* ---- beginning --------------------------------------------------- */

static struct connector *connector_new(struct lined_socket *sock,
				       uint32_t timeout_ms)
{
	struct connector *connector;

	if (sock->state != LINED_SOCKET_IDLE ||
	    socket_transport(sock)->is_datagram)
		return fail_null(
			sock->state == LINED_SOCKET_CONNECTING  ? EALREADY
			: sock->state == LINED_SOCKET_CONNECTED ? EISCONN
								: EINVAL);
	connector = calloc(1, sizeof(*connector));
	if (connector == NULL)
		return NULL;
	connector->sock = sock;
	connector->timeout_ms =
		timeout_ms > 0 ? timeout_ms : CONNECT_MS_DEFAULT;
	return connector;
}

static const struct transport transport_connecting = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	.handshake_mode = LINED_MODE_WRITE,
	.begin = connector_begin,
	.readable = connector_ready,
	.writable = connector_ready,
	.stop = connector_stop,
};

static int connector_start(struct lined_socket *sock,
			   struct connector *connector)
{
	connector->layers = sock->layered ? sock->layers : NULL;
	sock->layered = false;
	sock->connector = connector;
	sock->state = LINED_SOCKET_CONNECTING;
	connector->then = socket_transport(sock);
	socket_set_transport(sock, &transport_connecting);
	if (sock->dispatcher != NULL)
		connector_begin(sock);
	return 0;
}

int socket_connect_adopt(struct lined_socket *sock, int fd)
{
	struct connector *connector = connector_new(sock, 0);

	if (connector == NULL)
		return -1;
	sock->delegate.fd = fd;
	return connector_start(sock, connector);
}

int lined_socket_connect_to(struct lined_socket *sock,
			    const struct sockaddr *address, socklen_t len,
			    uint32_t timeout_ms)
{
	struct connector *connector;

	if (len < sizeof(sa_family_t) || len > sizeof(struct sockaddr_storage))
		return fail_with(EINVAL);
	connector = connector_new(sock, timeout_ms);
	if (connector == NULL)
		return -1;
	memcpy(&connector->addresses[0].storage, address, len);
	connector->addresses[0].len = len;
	connector->count = 1;
	return connector_start(sock, connector);
}

int lined_socket_connect(struct lined_socket *sock, const char *host,
			 uint16_t port, uint32_t timeout_ms)
{
	struct connector *connector;
	struct lined_address address;

	if (lined_address_set(&address, host, port) == 0)
		return lined_socket_connect_to(sock, &address.any, address.len,
					       timeout_ms);
	connector = connector_new(sock, timeout_ms);
	if (connector == NULL)
		return -1;
	connector->port = port;
	connector->host = strdup(host);
	if (connector->host == NULL) {
		free(connector);
		return fail_with(ENOMEM);
	}
	return connector_start(sock, connector);
}
