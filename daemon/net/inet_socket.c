/* SPDX-License-Identifier: MIT */
/*
 * Binds endpoints. If an address is in use, first waits until the service
 * manager has closed its stored sockets, then binds beside a socket that lined
 * is about to close.
 */
#include "config.h"

#include "net/inet_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lined/address.h>

#include "net/multicast.h"
#include "net/systemd_fd_store.h"
#include "system/fd_close.h"
#include "system/sd_notify.h"

#define BIND_TRIES   20
#define BIND_STEP_MS 10

/* ---- sockets that are about to be closed ------------------------------- */

int closing_fds_add(struct closing_fds *closing, int fd)
{
	int *fds = realloc(closing->fds, (closing->count + 1) * sizeof(*fds));

	if (fds == NULL)
		return -1;
	closing->fds = fds;
	fds[closing->count++] = fd;
	return 0;
}

void closing_fds_fini(struct closing_fds *closing)
{
	free(closing->fds);
}

static bool closing_fd_has_port(int fd, uint16_t port)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	return getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
	       own.ss_family != AF_UNIX &&
	       lined_address_port((struct sockaddr *)&own) == port;
}

/* Sets or clears SO_REUSEPORT on the closing sockets at the port. While the
 * option is set, other sockets of this user that have the option can bind to
 * the port. False: no closing socket is at the port. */
static bool closing_fds_share_port(const struct closing_fds *closing,
				   uint16_t port, int share)
{
	bool any = false;
	size_t i;

	for (i = 0; i < closing->count; i++)
		any |= closing_fd_has_port(closing->fds[i], port) &&
		       setsockopt(closing->fds[i], SOL_SOCKET, SO_REUSEPORT,
				  &share, sizeof(share)) == 0;
	return any;
}

/* ---- opening ----------------------------------------------------------- */

int inet_socket_set_tcp_options(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -1;
	/* Keep urgent bytes in the stream (RFC 6093): otherwise the DATA MARK
	 * of telnet's ^C would be missing after its IAC. */
	if (setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)) < 0)
		return -1;
	return lined_tcp_keepalive(fd);
}

static int inet_socket_set_options(int fd,
				   const struct listen_endpoint *endpoint,
				   bool datagram)
{
	int on = 1;

	if (endpoint->address.any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -1;
	/* Several programs of a host may join one group; other datagram ports
	 * are not shared. */
	if (datagram && !multicast_is_group(endpoint))
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -1;
	return datagram ? 0 : inet_socket_set_tcp_options(fd);
}

static int inet_socket_bind(int fd, const struct listen_endpoint *endpoint,
			    int backlog)
{
	if (bind(fd, &endpoint->address.any, endpoint->address.len) < 0)
		return -1;
	return backlog > 0 ? listen(fd, backlog) : 0;
}

/* Retries the bind until the service manager has closed the stored sockets that
 * were dropped. */
static int inet_socket_bind_after_drop(int fd,
				       const struct listen_endpoint *endpoint,
				       int backlog)
{
	int tries;

	if (!sd_notify_settle())
		return -1;
	for (tries = 0; tries < BIND_TRIES; tries++) {
		if (inet_socket_bind(fd, endpoint, backlog) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -1;
		poll(NULL, 0, BIND_STEP_MS);
	}
	return -1;
}

/* Binds to a port that a closing socket still has. SO_REUSEPORT is set only
 * for the bind: otherwise other processes of this user could share the port
 * later. */
static int inet_socket_bind_beside(int fd,
				   const struct listen_endpoint *endpoint,
				   int backlog,
				   const struct closing_fds *closing)
{
	uint16_t port = lined_address_port(&endpoint->address.any);
	int on = 1, off = 0, result = -1, error = EADDRINUSE;

	if (closing_fds_share_port(closing, port, true)) {
		if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ==
			    0 &&
		    inet_socket_bind(fd, endpoint, backlog) == 0)
			result = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &off,
					    sizeof(off));
		error = errno;
		closing_fds_share_port(closing, port, false);
	}
	errno = error;
	return result;
}

int inet_socket_open(const struct listen_endpoint *endpoint, bool datagram,
		     int backlog, const struct inherited *inherited,
		     const struct closing_fds *closing)
{
	const struct sockaddr *address = &endpoint->address.any;
	int type = datagram ? SOCK_DGRAM : SOCK_STREAM;
	int fd = fd_store_take(inherited, address, type), error;

	if (fd >= 0)
		return fd;
	fd = socket(address->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (datagram)
		backlog = 0;
	if (inet_socket_set_options(fd, endpoint, datagram) < 0)
		goto fail;
	if (inet_socket_bind(fd, endpoint, backlog) == 0)
		return fd;
	error = errno;
	if (error == EADDRINUSE) {
		fd_store_drop_rivals(inherited, address, type);
		if (inet_socket_bind_after_drop(fd, endpoint, backlog) == 0 ||
		    inet_socket_bind_beside(fd, endpoint, backlog, closing) ==
			    0)
			return fd;
	}
	errno = error;
fail:
	fd_close(fd);
	return -1;
}
