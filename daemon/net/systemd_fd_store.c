/* SPDX-License-Identifier: MIT */
/*
 * Names stored sockets and finds them by name. The name contains the socket's
 * address, not its service, because services may be renamed.
 */
#include "config.h"

#include "net/systemd_fd_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lined/address.h>

#include "net/listener.h"
#include "system/hardening_helper.h"
#include "system/inherited_sockets.h"
#include "system/sd_notify.h"

/* A socket unit's name in the config (systemd:NAME) cannot contain a space, so
 * it never equals the name of a stored socket. */
#define PREFIX "lined "

/* Appends text to name. A space, % or colon, and each byte that is not
 * printable ASCII, becomes %XX: the service manager does not allow all bytes in
 * names. -1: no room. */
static int fd_store_escape(char name[FD_STORE_NAME_MAX], const char *text)
{
	size_t len = strlen(name);

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (len + 4 > FD_STORE_NAME_MAX)
			return -1;
		if (c > ' ' && c < 127 && c != ':' && c != '%')
			name[len++] = (char)c;
		else
			len += (size_t)sprintf(name + len, "%%%02X", c);
	}
	name[len] = '\0';
	return 0;
}

/* The name includes device and inode. If the path was removed or replaced, no
 * client reaches the stored socket, so a search for the path must not find it.
 */
static int fd_store_name_unix(const struct sockaddr_un *address,
			      char name[FD_STORE_NAME_MAX])
{
	struct stat status;

	if (address->sun_path[0] != '/' ||
	    lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return -1;
	snprintf(name, FD_STORE_NAME_MAX, PREFIX "unix %llu.%llu ",
		 (unsigned long long)status.st_dev,
		 (unsigned long long)status.st_ino);
	return fd_store_escape(name, address->sun_path);
}

int fd_store_name(const struct sockaddr *address, int type,
		  char name[FD_STORE_NAME_MAX])
{
	char text[LINED_ADDRESS_TEXT_MAX];

	if (address->sa_family == AF_UNIX)
		return type != SOCK_STREAM
			       ? -1
			       : fd_store_name_unix(
					 (const struct sockaddr_un *)address,
					 name);
	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return -1;
	snprintf(name, FD_STORE_NAME_MAX, PREFIX "%s ",
		 type == SOCK_DGRAM ? "udp" : "tcp");
	lined_address_format(address, text, sizeof(text));
	return fd_store_escape(name, text);
}

static int fd_store_name_of(const struct listener_socket *sock,
			    char name[FD_STORE_NAME_MAX])
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(address);

	if (getsockname(sock->fd, (struct sockaddr *)&address, &len) < 0)
		return -1;
	return fd_store_name((struct sockaddr *)&address,
			     sock->datagram ? SOCK_DGRAM : SOCK_STREAM, name);
}

void fd_store_add(struct listener *listener)
{
	char name[FD_STORE_NAME_MAX];
	size_t i;

	if (listener->address.name != NULL || !sd_notify_can_store())
		return;
	for (i = 0; i < listener->count; i++) {
		struct listener_socket *sock = &listener->sockets[i];

		/* Already stored: the socket came from another service. */
		if (sock->stored != NULL || fd_store_name_of(sock, name) < 0)
			continue;
		sock->stored = strdup(name);
		if (sock->stored != NULL)
			sd_notify_store(name, sock->fd);
	}
}

void fd_store_remove(struct listener *listener)
{
	size_t i;

	for (i = 0; i < listener->count; i++) {
		const struct listener_socket *sock = &listener->sockets[i];

		if (sock->stored == NULL)
			continue;
		/* Without the shutdown clients could still connect to the
		 * manager's copy, which nobody serves. */
		if (!sock->datagram && sock->fd >= 0)
			shutdown(sock->fd, SHUT_RDWR);
		sd_notify_unstore(sock->stored);
	}
}

/* ---- after a restart -------------------------------------------------- */

bool fd_store_is_own(const struct inherited_socket *item)
{
	return strncmp(item->name, PREFIX, strlen(PREFIX)) == 0;
}

static bool fd_store_has(const struct inherited_socket *item)
{
	return item->fd >= 0 && fd_store_is_own(item);
}

int fd_store_take(const struct inherited *inherited,
		  const struct sockaddr *address, int type)
{
	char name[FD_STORE_NAME_MAX];
	size_t i;

	if (inherited == NULL || fd_store_name(address, type, name) < 0)
		return -1;
	for (i = 0; i < inherited->count; i++) {
		struct inherited_socket *item = &inherited->items[i];
		int fd = item->fd;

		if (!fd_store_has(item) || strcmp(item->name, name) != 0)
			continue;
		item->fd = -1;
		item->taken = true;
		return fd;
	}
	return -1;
}

size_t fd_store_taken(const struct inherited *inherited)
{
	size_t count = 0, i;

	for (i = 0; inherited != NULL && i < inherited->count; i++)
		count += inherited->items[i].taken;
	return count;
}

/* Removes the path of a stored socket that no service takes, unless the path is
 * another file by now. */
static void fd_store_remove_path(const struct inherited_socket *item)
{
	struct sockaddr_un address = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(address) - 1;
	char name[FD_STORE_NAME_MAX];

	if (getsockname(item->fd, (struct sockaddr *)&address, &len) == 0 &&
	    address.sun_family == AF_UNIX &&
	    fd_store_name_unix(&address, name) == 0 &&
	    strcmp(name, item->name) == 0)
		helper_remove(address.sun_path);
}

static void fd_store_drop_item(struct inherited_socket *item)
{
	fd_store_remove_path(item);
	sd_notify_unstore(item->name);
	close(item->fd);
	item->fd = -1;
}

static bool fd_store_is_rival(int fd, const struct sockaddr *address, int type)
{
	struct sockaddr_storage kept = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(kept), type_len = sizeof(int);
	int kept_type;

	return getsockname(fd, (struct sockaddr *)&kept, &len) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &kept_type, &type_len) ==
		       0 &&
	       kept_type == type &&
	       listen_endpoints_overlap((struct sockaddr *)&kept, address);
}

void fd_store_drop_rivals(const struct inherited *inherited,
			  const struct sockaddr *address, int type)
{
	size_t i;

	for (i = 0; inherited != NULL && i < inherited->count; i++) {
		struct inherited_socket *item = &inherited->items[i];

		if (fd_store_has(item) &&
		    (address == NULL ||
		     fd_store_is_rival(item->fd, address, type)))
			fd_store_drop_item(item);
	}
}

void fd_store_drop(const struct inherited *inherited)
{
	fd_store_drop_rivals(inherited, NULL, 0);
}
