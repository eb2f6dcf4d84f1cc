/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses as text and back. The one place that writes a peer's
 * address, so that logs, tools and protocols all show the same form. Does no
 * I/O and resolves no names.
 */
#include "config.h"

#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sockaddr_in *as_in(const struct sockaddr *address)
{
	return (const struct sockaddr_in *)(const void *)address;
}

static const struct sockaddr_in6 *as_in6(const struct sockaddr *address)
{
	return (const struct sockaddr_in6 *)(const void *)address;
}

bool address_is_mapped(const struct sockaddr *address)
{
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_V4MAPPED(&as_in6(address)->sin6_addr);
}

/* The host of an IP address; false for any other family. */
static bool format_ip(const struct sockaddr *address, char *text, size_t size)
{
	const struct sockaddr_in6 *in6 = as_in6(address);
	size_t used;

	if (address->sa_family == AF_INET)
		return inet_ntop(AF_INET, &as_in(address)->sin_addr, text,
				 (socklen_t)size) != NULL;
	if (address->sa_family != AF_INET6)
		return false;
	if (address_is_mapped(address))
		return inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text,
				 (socklen_t)size) != NULL;
	if (inet_ntop(AF_INET6, &in6->sin6_addr, text, (socklen_t)size) == NULL)
		return false;
	if (in6->sin6_scope_id != 0) {
		used = strlen(text);
		snprintf(text + used, size - used, "%%%u",
			 (unsigned)in6->sin6_scope_id);
	}
	return true;
}

char *address_format_host(const struct sockaddr *address, char *text,
			  size_t size)
{
	if (!format_ip(address, text, size))
		snprintf(text, size, "%s",
			 address->sa_family == AF_UNIX ? "unix" : "unknown");
	return text;
}

char *address_format(const struct sockaddr *address, char *text, size_t size)
{
	char host[ADDRESS_TEXT_MAX];
	bool brackets;

	if (!format_ip(address, host, sizeof(host)))
		return address_format_host(address, text, size);
	brackets =
		address->sa_family == AF_INET6 && !address_is_mapped(address);
	snprintf(text, size, brackets ? "[%s]:%u" : "%s:%u", host,
		 (unsigned)address_port(address));
	return text;
}

/* The interface behind a %, by name or by number. */
static int parse_scope(const char *scope, uint32_t *id)
{
	unsigned long number;
	char *end;

	*id = if_nametoindex(scope);
	if (*id != 0)
		return 0;
	if (scope[0] >= '0' && scope[0] <= '9') {
		number = strtoul(scope, &end, 10);
		if (*end == '\0' && number > 0 && number <= UINT32_MAX) {
			*id = (uint32_t)number;
			return 0;
		}
	}
	errno = ENODEV;
	return -1;
}

static int parse_in6(const char *host, struct sockaddr_in6 *in6)
{
	const char *percent = strchr(host, '%');
	size_t len = percent != NULL ? (size_t)(percent - host) : strlen(host);
	char bare[INET6_ADDRSTRLEN];

	if (len >= sizeof(bare)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(bare, host, len);
	bare[len] = '\0';
	if (inet_pton(AF_INET6, bare, &in6->sin6_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	return percent != NULL ? parse_scope(percent + 1, &in6->sin6_scope_id)
			       : 0;
}

int address_parse(const char *host, uint16_t port,
		  struct sockaddr_storage *address, socklen_t *len)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		in.sin_port = htons(port);
		memcpy(address, &in, sizeof(in));
		*len = sizeof(in);
		return 0;
	}
	if (parse_in6(host, &in6) < 0)
		return -1;
	in6.sin6_port = htons(port);
	memcpy(address, &in6, sizeof(in6));
	*len = sizeof(in6);
	return 0;
}

int address_parse_port(const char *text, uint16_t *port)
{
	unsigned long value = 0;
	const char *p;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0')) {
		errno = EINVAL;
		return -1;
	}
	for (p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9') {
			errno = EINVAL;
			return -1;
		}
		if (value <= UINT16_MAX)
			value = value * 10 + (unsigned long)(*p - '0');
	}
	if (value == 0 || value > UINT16_MAX) {
		errno = ERANGE;
		return -1;
	}
	*port = (uint16_t)value;
	return 0;
}

uint16_t address_port(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohs(as_in(address)->sin_port);
	if (address->sa_family == AF_INET6)
		return ntohs(as_in6(address)->sin6_port);
	return 0;
}

bool address_is_any(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return as_in(address)->sin_addr.s_addr == htonl(INADDR_ANY);
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&as_in6(address)->sin6_addr);
}

bool address_equal(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family || address_port(a) != address_port(b))
		return false;
	if (a->sa_family == AF_INET)
		return as_in(a)->sin_addr.s_addr == as_in(b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 &&
	       as_in6(a)->sin6_scope_id == as_in6(b)->sin6_scope_id &&
	       memcmp(&as_in6(a)->sin6_addr, &as_in6(b)->sin6_addr,
		      sizeof(struct in6_addr)) == 0;
}
