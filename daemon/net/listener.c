/* SPDX-License-Identifier: MIT */
/* Opens and closes the addresses that services listen on. */
#include "config.h"

#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <lined/address.h>

#include "fail.h"
#include "net/inet_socket.h"
#include "net/multicast.h"
#include "net/systemd_fd_store.h"
#include "system/inherited_sockets.h"

/* ---- texts --------------------------------------------------------------- */

static int listen_text_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

const char *listen_texts_keep(struct listen_texts *texts, const char *text)
{
	char **found = tfind(text, &texts->root, listen_text_compare), *copy;

	if (found != NULL)
		return *found;
	copy = strdup(text);
	if (copy == NULL)
		return NULL;
	if (tsearch(copy, &texts->root, listen_text_compare) != NULL)
		return copy;
	free(copy);
	return NULL;
}

void listen_texts_fini(struct listen_texts *texts)
{
	while (texts->root != NULL) {
		char *text = *(char **)texts->root;

		tdelete(text, &texts->root, listen_text_compare);
		free(text);
	}
}

/* ---- making -------------------------------------------------------------- */

static struct listener *listener_new(const struct listen_address *address,
				     char *error, size_t size)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL) {
		snprintf(error, size, "%s", strerror(ENOMEM));
		return NULL;
	}
	listener->text = address->text;
	listener->address = *address;
	return listener;
}

static void listener_add(struct listener *listener, int fd, bool datagram)
{
	struct listener_socket *to = &listener->sockets[listener->count++];

	to->fd = fd;
	to->datagram = datagram;
}

static bool listener_has(const struct listener *listener, bool datagram)
{
	size_t i;

	for (i = 0; i < listener->count; i++)
		if (listener->sockets[i].datagram == datagram)
			return true;
	return false;
}

bool listener_has_datagrams(const struct listener *listener)
{
	return listener_has(listener, true);
}

bool listener_has_streams(const struct listener *listener)
{
	return listener_has(listener, false);
}

/* ---- texts ------------------------------------------------------------ */

char *listener_fd_text(int fd, char *text, size_t size)
{
	struct lined_address address = {.storage.ss_family = AF_UNSPEC};
	const struct sockaddr_un *own = (const void *)&address.storage;
	socklen_t len = sizeof(address.storage);

	getsockname(fd, &address.any, &len);
	if (own->sun_family == AF_UNIX && own->sun_path[0] == '/')
		snprintf(text, size, "%s", own->sun_path);
	else
		lined_address_format(&address.any, text, size);
	return text;
}

const char *listener_address_text(const struct listener *listener, char *text,
				  size_t size)
{
	char bound[LISTENER_TEXT_MAX];

	if (listener->address.name == NULL || listener->count == 0)
		return listener->text;
	snprintf(
		text, size, "%s (%s%s)", listener->text,
		listener_fd_text(listener->sockets[0].fd, bound, sizeof(bound)),
		listener->count > 1 ? ", ..." : "");
	return text;
}

/* ---- internet addresses ----------------------------------------------- */

/* Writes the error and, if the remedy is not obvious, advice. */
static void listener_say_error(const struct lined_address *address, int number,
			       char *error, size_t size)
{
	const struct sockaddr_in6 loopback = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const char *cure = "";

	if (number == EACCES && lined_address_port(&address->any) < 1024)
		cure = " (a port below 1024 needs a right: under systemd the "
		       "drop-in low-ports.conf of the examples or a socket "
		       "unit; else start as root and set user)";
	else if (address->any.sa_family == AF_INET6 &&
		 (number == EAFNOSUPPORT || number == EADDRNOTAVAIL) &&
		 !listen_is_of_host((const struct sockaddr *)&loopback))
		cure = " (this host has no IPv6: remove the address, or use "
		       "localhost or *, of which the IPv6 half is optional)";
	snprintf(error, size, "%s%s", strerror(number), cure);
}

static int listener_open_inet(struct listener *listener,
			      const struct inherited *inherited,
			      const struct closing_fds *closing, char *error,
			      size_t size)
{
	const struct listen_address *address = &listener->address;
	bool datagram = address->kind == LISTEN_UDP;
	size_t i;

	for (i = 0; i < address->endpoint_count; i++) {
		int fd = inet_socket_open(&address->endpoints[i], datagram,
					  LISTENER_BACKLOG, inherited, closing);

		if (fd >= 0) {
			listener_add(listener, fd, datagram);
			if (multicast_is_group(&address->endpoints[i]) &&
			    multicast_join(fd, &address->endpoints[i], error,
					   size) < 0)
				return -1;
		} else if (!address->endpoints[i].optional ||
			   (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) {
			listener_say_error(&address->endpoints[i].address,
					   errno, error, size);
			return -1;
		}
	}
	if (listener->count > 0)
		return 0;
	return fail_text(error, size, strerror(EADDRNOTAVAIL));
}

/* ---- UNIX paths ------------------------------------------------------- */

static int listener_open_unix(struct listener *listener,
			      const struct unix_path_mode *mode,
			      const struct inherited *inherited, char *error,
			      size_t size)
{
	int fd = unix_path_open(listener->address.path, mode, LISTENER_BACKLOG,
				inherited, &listener->file, error, size);

	if (fd < 0)
		return -1;
	listener_add(listener, fd, false);
	return 0;
}

bool listener_is_reached(const struct listener *listener)
{
	return listener->address.path == NULL || !listener->file.known ||
	       unix_path_is(listener->address.path, &listener->file);
}

int listener_set_mode(struct listener *listener,
		      const struct unix_path_mode *mode, char *error,
		      size_t size)
{
	const char *path = listener->address.path;

	return path == NULL ? 0
			    : unix_path_set_mode(path, &listener->file, mode,
						 error, size);
}

/* ---- inherited descriptors -------------------------------------------- */

static int listener_socket_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

static bool listener_is_tcp(int fd)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	return getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
	       (own.ss_family == AF_INET || own.ss_family == AF_INET6);
}

/* Adds a copy of an inherited descriptor and sets lined's options on it.
 * Accepts only datagram sockets and listening stream sockets. */
static int listener_add_inherited(struct listener *listener, int inherited,
				  char *error, size_t size)
{
	int type = listener_socket_option(inherited, SO_TYPE), fd;

	if (type != SOCK_DGRAM &&
	    (type != SOCK_STREAM ||
	     listener_socket_option(inherited, SO_ACCEPTCONN) != 1)) {
		snprintf(error, size,
			 "descriptor %d is neither a listening stream nor a "
			 "datagram socket",
			 inherited);
		return -1;
	}
	fd = fcntl(inherited, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return fail_text(error, size, strerror(errno));
	listener_add(listener, fd, type == SOCK_DGRAM);
	if (type == SOCK_STREAM && listener_is_tcp(fd) &&
	    inet_socket_set_tcp_options(fd) < 0)
		return fail_text(error, size, strerror(errno));
	return 0;
}

static int listener_open_inherited(struct listener *listener,
				   const struct inherited *inherited,
				   char *error, size_t size)
{
	const char *name = listener->address.name;
	size_t i;

	for (i = 0; inherited != NULL && i < inherited->count; i++) {
		if (strcmp(inherited->items[i].name, name) != 0)
			continue;
		if (listener->count == LISTENER_SOCKETS_MAX) {
			snprintf(error, size,
				 "more than %d sockets of that name",
				 LISTENER_SOCKETS_MAX);
			return -1;
		}
		if (listener_add_inherited(listener, inherited->items[i].fd,
					   error, size) < 0)
			return -1;
	}
	if (listener->count > 0)
		return 0;
	return fail_text(error, size, "no socket of that name was passed on");
}

/* ---- life ------------------------------------------------------------- */

struct listener *listener_open(const struct listen_address *address,
			       const struct unix_path_mode *mode,
			       const struct inherited *inherited,
			       const struct closing_fds *closing, char *error,
			       size_t size)
{
	struct listener *listener = listener_new(address, error, size);
	int result;

	if (listener == NULL)
		return NULL;
	if (address->path != NULL)
		result = listener_open_unix(listener, mode, inherited, error,
					    size);
	else if (address->name != NULL)
		result = listener_open_inherited(listener, inherited, error,
						 size);
	else
		result = listener_open_inet(listener, inherited, closing, error,
					    size);
	listener->open = true;
	if (result == 0)
		return listener;
	listener_close(listener, false);
	listener_free(listener);
	return NULL;
}

struct listener *listener_dup(struct listener *from, char *error, size_t size)
{
	struct listener *listener = listener_new(&from->address, error, size);
	size_t i;

	if (listener == NULL)
		return NULL;
	listener->open = true;
	for (i = 0; i < from->count; i++) {
		int fd = fcntl(from->sockets[i].fd, F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			snprintf(error, size, "%s", strerror(errno));
			listener_close(listener, true);
			listener_free(listener);
			return NULL;
		}
		listener_add(listener, fd, from->sockets[i].datagram);
		if (from->sockets[i].stored != NULL)
			listener->sockets[i].stored =
				strdup(from->sockets[i].stored);
	}
	listener->file = from->file;
	return listener;
}

int listener_start(struct listener *listener, struct lined_dispatcher *d,
		   const struct lined_socket_handlers *handlers, void *arg)
{
	size_t i;

	for (i = 0; i < listener->count; i++) {
		struct lined_socket *sock;

		if (listener->sockets[i].datagram)
			continue;
		sock = lined_socket_new(handlers, arg);
		if (sock == NULL)
			return -1;
		if (lined_socket_wrap(sock, listener->sockets[i].fd,
				      LINED_SOCKET_LISTENING) < 0) {
			int error = errno;

			lined_socket_set_handlers(sock, NULL, NULL);
			lined_socket_close(sock);
			errno = error;
			return -1;
		}
		listener->sockets[i].sock = sock;
		if (lined_dispatcher_register_socket(d, sock) == NULL)
			return -1;
	}
	return 0;
}

void listener_set_send_stall(const struct listener *listener,
			     uint32_t send_stall_ms)
{
	size_t i;

	/* Sockets other than TCP refuse the option: the error is ignored. */
	for (i = 0; i < listener->count; i++)
		if (listener->sockets[i].fd >= 0)
			lined_tcp_user_timeout(listener->sockets[i].fd,
					       send_stall_ms);
}

int listener_take_fd(struct listener *listener, size_t i)
{
	/* A copy: a reload may hand the original to another service. */
	return fcntl(listener->sockets[i].fd, F_DUPFD_CLOEXEC, 0);
}

void listener_lost(struct listener *listener, const struct lined_socket *sock)
{
	size_t i;

	for (i = 0; i < listener->count; i++) {
		if (listener->sockets[i].sock != sock)
			continue;
		listener->sockets[i].sock = NULL;
		listener->sockets[i].fd = -1; /* closed by the socket */
	}
	listener_close(listener, false);
}

void listener_close(struct listener *listener, bool keep)
{
	size_t i;

	if (!listener->open)
		return;
	listener->open = false;
	if (!keep) {
		fd_store_remove(listener);
		unix_path_remove(listener->address.path, &listener->file);
	}
	for (i = 0; i < listener->count; i++) {
		struct listener_socket *at = &listener->sockets[i];

		if (at->sock != NULL)
			lined_socket_close_for(at->sock, LINED_CLOSE_SHUTDOWN,
					       0);
		else if (at->fd >= 0)
			close(at->fd);
		at->sock = NULL;
		at->fd = -1;
	}
}

bool listener_is_stored(const struct listener *listener)
{
	size_t i;

	for (i = 0; i < listener->count; i++)
		if (listener->sockets[i].stored == NULL)
			return false;
	return listener->count > 0;
}

void listener_free(struct listener *listener)
{
	size_t i;

	if (listener == NULL)
		return;
	listener_close(listener, false);
	for (i = 0; i < listener->count; i++)
		free(listener->sockets[i].stored);
	free(listener);
}
