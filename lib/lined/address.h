/* SPDX-License-Identifier: MIT */
/*
 * Internet addresses and networks as text and back: "192.0.2.1:5123",
 * "[2001:db8::1]:5123", "192.0.2.0/24". IPv6 is written as RFC 5952 says and
 * read in every form of RFC 4291. Numbers are decimal, without sign or leading
 * zero. Nothing here allocates, resolves a name or blocks; every function is
 * MT-safe.
 */
#ifndef LINED_ADDRESS_H
#define LINED_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

/* ---- addresses -------------------------------------------------------- */

/* A socket address of any family; ready for bind(2) and connect(2). */
struct lined_address {
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
	};
	socklen_t len;
};

/*
 * Reads a numeric address: "192.0.2.1", "192.0.2.1:5123", "2001:db8::1",
 * "[2001:db8::1]", "[fe80::1%eth0]:5123" or "unix", which is what
 * lined_client_peer() and lined_address_format() write. The port is 0 where
 * none is written. -1 with errno: EINVAL (not such an address), ENODEV (no
 * such interface behind the %).
 */
LINED_API int lined_address_parse(struct lined_address *address,
				  const char *text);

/*
 * The address of a numeric host, without brackets, and a port from 0 to 65535.
 * -1 with errno: EINVAL (not numeric), ENODEV (no such interface).
 */
LINED_API int lined_address_set(struct lined_address *address, const char *host,
				uint16_t port);

/* The address of a UNIX socket. -1 with errno: ENOENT (the path is empty),
 * ENAMETOOLONG. */
LINED_API int lined_address_set_unix(struct lined_address *address,
				     const char *path);

/* Room for any text that lined_address_format() makes, with its NUL. */
#define LINED_ADDRESS_TEXT_MAX 80

/*
 * Writes "192.0.2.1:5123", "[2001:db8::1]:5123", "unix" or "unknown" to text,
 * which it returns. An IPv4 address mapped into IPv6 is written as IPv4. A size
 * below LINED_ADDRESS_TEXT_MAX may cut the text.
 */
LINED_API char *lined_address_format(const struct sockaddr *address, char *text,
				     size_t size);

/* The same without brackets and port. */
LINED_API char *lined_address_format_host(const struct sockaddr *address,
					  char *text, size_t size);

/* 0 where the family has no ports. */
LINED_API uint16_t lined_address_port(const struct sockaddr *address);

/* Same family, host, port and interface. UNIX addresses are never equal. */
LINED_API bool lined_address_equal(const struct sockaddr *a,
				   const struct sockaddr *b);

/* 0.0.0.0 or ::, whatever the port. */
LINED_API bool lined_address_is_any(const struct sockaddr *address);

/* An IPv4 address mapped into IPv6: ::ffff:192.0.2.1. */
LINED_API bool lined_address_is_mapped(const struct sockaddr *address);

/* ---- hosts and ports -------------------------------------------------- */

enum lined_host_kind {
	LINED_HOST_NAME, /* letters, digits, "._-": for a resolver */
	LINED_HOST_IPV4,
	LINED_HOST_IPV6, /* was in brackets; perhaps with %INTERFACE */
	LINED_HOST_ANY,  /* "*" */
};

#define LINED_HOST_MAX 256

struct lined_host_port {
	char host[LINED_HOST_MAX]; /* without brackets */
	uint16_t port;             /* 1 and up */
	enum lined_host_kind kind;
};

/*
 * Cuts "HOST:PORT" in two, IPv6 in brackets. A host of digits and dots must be
 * an IPv4 address; whether an interface exists is not checked. Returns NULL, or
 * what is wrong, a constant text such as "the port is missing".
 */
LINED_API const char *lined_host_port_parse(struct lined_host_port *to,
					    const char *text);

/* ---- networks --------------------------------------------------------- */

/* IPv4 mapped into IPv6 counts as IPv4 throughout. */
struct lined_network {
	int family; /* AF_INET, AF_INET6 */
	unsigned prefix;
	uint8_t bytes[16]; /* 4 of them for AF_INET; no bits past the prefix */
};

enum lined_network_status {
	LINED_NETWORK_OK,
	LINED_NETWORK_HOST_BITS, /* bits past the prefix were cleared */
	LINED_NETWORK_BAD,
};

/* Reads "192.0.2.0/24", "2001:db8::/32"; an address without a prefix is that
 * address alone. */
LINED_API enum lined_network_status
lined_network_parse(struct lined_network *network, const char *text);

/* The network of an address, such as its /24 or /64. False for UNIX and other
 * families. */
LINED_API bool lined_network_of(struct lined_network *network,
				const struct sockaddr *address,
				unsigned ipv4_prefix, unsigned ipv6_prefix);

LINED_API bool lined_network_contains(const struct lined_network *network,
				      const struct sockaddr *address);

/* The one with the longest prefix, and of equal ones the first, among those
 * that contain the address; NULL: none does. */
LINED_API const struct lined_network *
lined_network_longest(const struct lined_network *networks, size_t count,
		      const struct sockaddr *address);

LINED_API bool lined_network_equal(const struct lined_network *a,
				   const struct lined_network *b);

/* Writes "192.0.2.0/24", of a single address that alone, to text, which it
 * returns. */
#define LINED_NETWORK_TEXT_MAX 64
LINED_API char *lined_network_format(const struct lined_network *network,
				     char *text, size_t size);

/* ---- connections ------------------------------------------------------ */

/*
 * TCP keepalive: a peer that is silent for 60 s is probed every 10 s, and after
 * 6 probes without an answer the connection fails with ETIMEDOUT. Sockets that
 * a listening one accepts inherit it. -1 with errno of setsockopt(2).
 */
LINED_API int lined_tcp_keepalive(int fd);

LINED_END_DECLS

#endif
