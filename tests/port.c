/* SPDX-License-Identifier: MIT */
/*
 * Ports for tests. An abstract UNIX socket named after a port reserves the port
 * while nothing is bound to it; the scripts use the same names.
 */
#include "port.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOWEST   10000
#define HIGHEST  22000 /* linetest uses the ports above */
#define TRIES    10000
#define MARK     "lined-test-port-%u"
#define LOW_FILE "/proc/sys/net/ipv4/ip_local_port_range"

static unsigned first_of_clients(void)
{
	unsigned first = HIGHEST;
	FILE *file = fopen(LOW_FILE, "re");

	if (file == NULL)
		return first;
	if (fscanf(file, "%u", &first) != 1)
		first = HIGHEST;
	fclose(file);
	return first;
}

/* Reserves the port. The socket stays open, so that the port is reserved as
 * long as the process runs. */
static bool mark(unsigned port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
			   MARK, port);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address,
			    (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
					1 + (size_t)len)) == 0)
		return true;
	close(fd);
	return false;
}

static bool is_free(int family, int type, unsigned port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons((uint16_t)port)};
	int fd = socket(family, type | SOCK_CLOEXEC, 0), on = 1, rc;

	/* The machine may have no IPv6. */
	if (fd < 0)
		return true;
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		rc = bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	} else {
		rc = bind(fd, (struct sockaddr *)&v4, sizeof(v4));
	}
	close(fd);
	return rc == 0;
}

uint16_t private_port(void)
{
	unsigned end = first_of_clients(), port, tries;
	unsigned first = end / 2 < LOWEST ? end / 2 : LOWEST;
	struct timespec now;
	unsigned seed;

	clock_gettime(CLOCK_MONOTONIC, &now);
	seed = (unsigned)now.tv_nsec ^ (unsigned)getpid() << 12;
	if (end > HIGHEST)
		end = HIGHEST;
	for (tries = 0; tries < TRIES; tries++) {
		port = first + (unsigned)rand_r(&seed) % (end - first);
		if (mark(port) && is_free(AF_INET, SOCK_STREAM, port) &&
		    is_free(AF_INET, SOCK_DGRAM, port) &&
		    is_free(AF_INET6, SOCK_STREAM, port) &&
		    is_free(AF_INET6, SOCK_DGRAM, port))
			return (uint16_t)port;
	}
	return 0;
}
