/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes addresses, finds free ones, and makes sockets for them.
 * Looks for free ports below those that the system gives to clients, so that no
 * client takes a port before the daemon does.
 */
#include "config.h"

#include "linetest/net_address.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>
#include <unistd.h>

#include <lined/address.h>
#include <lined/tls.h>

#include "linetest/bytes.h"

#define CONNECT_MS 10000
#define BACKLOG    64
#define PORT_FIRST 22000
#define PORT_LAST  32767
#define PORT_TRIES 1000

static const int reuse_on = 1;

/* ---- text ---------------------------------------------------------------- */

int net_address_unix(struct net_address *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	return lined_address_set_unix(&address->to, path);
}

/* Reads HOST:PORT, with IPv6 in brackets. Returns NULL, or the fault. */
static const char *read_inet(struct net_address *address, const char *text)
{
	struct lined_host_port to;
	const char *why = lined_host_port_parse(&to, text);

	if (why == NULL &&
	    lined_address_set(&address->to,
			      strcmp(to.host, "localhost") == 0 ? "127.0.0.1"
								: to.host,
			      to.port) < 0)
		why = strerror(errno);
	return why;
}

int net_address_read(struct net_address *address, const char *url, char **error)
{
	const char *colon = strstr(url, "://"), *why = NULL;
	size_t scheme_len = colon != NULL ? (size_t)(colon - url) : 0;

	memset(address, 0, sizeof(*address));
	address->transport = transport_find(url, scheme_len);
	if (address->transport == TRANSPORTS ||
	    transports[address->transport].family == AF_INET6)
		why = strerror(EINVAL);
	else if (address->transport != TRANSPORT_UNIX)
		why = read_inet(address, colon + 3);
	else if (colon[3] != '/')
		why = strerror(EINVAL);
	else if (net_address_unix(address, colon + 3) < 0)
		why = strerror(errno);
	if (why == NULL)
		return 0;
	*error = memory_format("\"%s\" is no address (tcp://HOST:PORT, "
			       "tls://HOST:PORT, ws://HOST:PORT, "
			       "wss://HOST:PORT, udp://HOST:PORT, "
			       "unix:///PATH): %s",
			       url, why);
	return -1;
}

char *net_address_url(const struct net_address *address)
{
	const struct sockaddr *any = &address->to.any;
	const struct sockaddr_un *sun =
		(const struct sockaddr_un *)&address->to.storage;
	const char *name = transports[address->transport].name;
	char text[LINED_ADDRESS_TEXT_MAX];

	if (any->sa_family == AF_UNIX)
		return memory_format("unix://%s", sun->sun_path);
	return memory_format("%.*s://%s", (int)strcspn(name, "6"), name,
			     lined_address_format(any, text, sizeof(text)));
}

/* ---- sockets ------------------------------------------------------------- */

/* A group without limits: the deadlines of a run end a wait, and the recorder
 * has a limit of its own for its queues. */
static struct lined_socket_group unlimited;

struct lined_socket *
net_address_socket(const struct lined_socket_handlers *handlers, void *arg)
{
	struct lined_socket *sock = lined_socket_new(handlers, arg);

	if (sock == NULL)
		return NULL;
	lined_socket_set_group(sock, &unlimited);
	lined_socket_allow_half_close(sock, true);
	return sock;
}

static int use_tls(struct lined_socket *sock)
{
	const struct lined_tls_client_settings settings = {.insecure = true};
	struct lined_tls_client *tls;
	char error[256];
	int result;

	tls = lined_tls_client_new(&settings, error, sizeof(error));
	if (tls == NULL)
		return -1;
	result = lined_socket_use_tls(sock, tls, "localhost", CONNECT_MS);
	lined_tls_client_free(tls);
	return result;
}

int net_address_connect(const struct net_address *address,
			struct lined_socket *sock)
{
	if (transports[address->transport].tls && use_tls(sock) < 0)
		return -1;
	return lined_socket_connect_to(sock, &address->to.any, address->to.len,
				       CONNECT_MS);
}

struct lined_socket *
net_address_listen(const struct net_address *address,
		   struct lined_dispatcher *d,
		   const struct lined_socket_handlers *handlers, void *arg)
{
	struct lined_socket *sock = lined_socket_new(handlers, arg);
	int error;

	if (sock == NULL)
		return NULL;
	if (lined_socket_bind(sock, SOCK_STREAM, &address->to.any,
			      address->to.len) == 0 &&
	    lined_socket_listen(sock, BACKLOG) == 0 &&
	    lined_dispatcher_register_socket(d, sock) != NULL)
		return sock;
	error = errno;
	lined_socket_close(sock);
	errno = error;
	return NULL;
}

/* ---- free ports --------------------------------------------------------- */

static unsigned net_address_draw(void)
{
	unsigned number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return (unsigned)getpid();
	return number;
}

/* The lowest port that the system assigns to clients; PORT_LAST + 1 if it is
 * not known. */
static unsigned client_ports(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned low = PORT_LAST + 1;

	if (file == NULL)
		return low;
	if (fscanf(file, "%u", &low) != 1 || low < 2048)
		low = PORT_LAST + 1;
	fclose(file);
	return low;
}

static int open_and_bind(const struct net_address *address, int type,
			 bool reuse)
{
	int fd = socket(address->to.any.sa_family, type | SOCK_CLOEXEC, 0),
	    error;

	if (fd < 0)
		return -1;
	if ((!reuse || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse_on,
				  sizeof(reuse_on)) == 0) &&
	    bind(fd, &address->to.any, address->to.len) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* fd is bound without SO_REUSEADDR, and so keeps the port from programs that
 * look for a free one. Servers that set SO_REUSEADDR can still bind the port.
 * Returns fd. If the system does not let such servers bind the port, closes fd
 * and returns -1. */
static int port_hold(int fd, const struct net_address *address)
{
	int other;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse_on,
		       sizeof(reuse_on)) == 0) {
		other = open_and_bind(address, SOCK_STREAM, true);
		if (other >= 0) {
			close(other);
			return fd;
		}
	}
	close(fd);
	return -1;
}

int net_address_free(struct net_address *address, enum transport transport,
		     int *held)
{
	const struct transport_info *info = &transports[transport];
	const char *host = info->family == AF_INET6 ? "::1" : "127.0.0.1";
	unsigned end = client_ports(), first = PORT_FIRST, i;
	int fd;

	if (end > PORT_LAST + 1)
		end = PORT_LAST + 1;
	if (end <= first + PORT_TRIES)
		first = end / 2;
	memset(address, 0, sizeof(*address));
	address->transport = transport;
	for (i = 0; i < PORT_TRIES; i++) {
		unsigned port = first + net_address_draw() % (end - first);

		if (lined_address_set(&address->to, host, (uint16_t)port) < 0)
			return -1;
		fd = open_and_bind(address, info->type, false);
		if (fd >= 0 && held != NULL && info->type == SOCK_STREAM)
			*held = port_hold(fd, address);
		else if (fd >= 0)
			close(fd);
		if (fd >= 0)
			return 0;
		if (errno != EADDRINUSE && errno != EACCES)
			return -1;
	}
	errno = EADDRINUSE;
	return -1;
}
