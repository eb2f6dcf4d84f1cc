/* SPDX-License-Identifier: MIT */
/*
 * Compares an address with those of listeners. For a listener on every address,
 * the kernel says whether the address belongs to this host.
 */
#include "config.h"

#include "net/own_address.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Only an address of this host can be bound, so a bind is tried. */
static bool own_address_is_local(const struct sockaddr *address)
{
	struct lined_address own = {.len = sizeof(struct sockaddr_in)};
	bool local;
	int fd;

	if (address->sa_family == AF_INET6)
		own.len = sizeof(struct sockaddr_in6);
	memcpy(&own.storage, address, own.len);
	if (address->sa_family == AF_INET6)
		((struct sockaddr_in6 *)&own.storage)->sin6_port = 0;
	else
		((struct sockaddr_in *)&own.storage)->sin_port = 0;
	fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	local = fd >= 0 && bind(fd, &own.any, own.len) == 0;
	if (fd >= 0)
		close(fd);
	return local;
}

static bool own_address_is_endpoint(const struct sockaddr *endpoint,
				    const struct sockaddr *address)
{
	if (lined_address_equal(endpoint, address))
		return true;
	return endpoint->sa_family == address->sa_family &&
	       lined_address_port(endpoint) == lined_address_port(address) &&
	       lined_address_is_any(endpoint) && own_address_is_local(address);
}

bool own_address_listens(const struct listen_address *listen, size_t count,
			 const struct sockaddr *address, int type)
{
	const struct sockaddr_un *path = (const void *)address;
	size_t i, k;

	for (i = 0; i < count; i++, listen++) {
		if ((listen->kind == LISTEN_UDP) != (type == SOCK_DGRAM))
			continue;
		if (listen->path != NULL && address->sa_family == AF_UNIX &&
		    strncmp(listen->path, path->sun_path,
			    sizeof(path->sun_path)) == 0)
			return true;
		for (k = 0; k < listen->endpoint_count; k++)
			if (own_address_is_endpoint(
				    &listen->endpoints[k].address.any, address))
				return true;
	}
	return false;
}
