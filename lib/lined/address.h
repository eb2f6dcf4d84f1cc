/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes Internet addresses and networks as text: "192.0.2.1:5123",
 * "[2001:db8::1]:5123", "192.0.2.0/24". IPv6 is written as in RFC 5952 and read
 * in every form of RFC 4291. Numbers are decimal, without sign or leading zero.
 * No function allocates memory, resolves a name or blocks; all are MT-safe.
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
 * Reads a numeric address as lined_client_peer() and lined_address_format()
 * write it, with or without a port: "192.0.2.1", "192.0.2.1:5123",
 * "2001:db8::1", "[2001:db8::1]", "[fe80::1%eth0]:5123" or "unix". Without a
 * port, the port is 0. -1 with errno: EINVAL (not such an address), ENODEV (the
 * interface behind the % does not exist).
 */
LINED_API int lined_address_parse(struct lined_address *address,
				  const char *text);

/* Sets an address to a numeric host, without brackets, and a port from 0 to
 * 65535. -1 with errno: EINVAL (not numeric), ENODEV (no such interface). */
LINED_API int lined_address_set(struct lined_address *address, const char *host,
				uint16_t port);

/* Sets an address to a UNIX path. -1 with errno: ENOENT (the path is empty),
 * ENAMETOOLONG. */
LINED_API int lined_address_set_unix(struct lined_address *address,
				     const char *path);

/* A size that holds every text of lined_address_format() and its NUL. */
#define LINED_ADDRESS_TEXT_MAX 80

/*
 * Writes "192.0.2.1:5123", "[2001:db8::1]:5123", "unix" or "unknown" to text
 * and returns text. An IPv4 address mapped into IPv6 is written as IPv4. A size
 * below LINED_ADDRESS_TEXT_MAX may cut the text.
 */
LINED_API char *lined_address_format(const struct sockaddr *address, char *text,
				     size_t size);

/* The same without brackets and port. "unknown" also replaces an address that
 * does not fit. */
LINED_API char *lined_address_format_host(const struct sockaddr *address,
					  char *text, size_t size);

/* The port; 0: the family has none. */
LINED_API uint16_t lined_address_port(const struct sockaddr *address);

/* Whether family, host, port and interface are the same. UNIX addresses are
 * never equal. */
LINED_API bool lined_address_equal(const struct sockaddr *a,
				   const struct sockaddr *b);

/* Whether the host is 0.0.0.0 or ::, with any port. */
LINED_API bool lined_address_is_any(const struct sockaddr *address);

/* Whether the address is IPv4 mapped into IPv6, such as ::ffff:192.0.2.1. */
LINED_API bool lined_address_is_mapped(const struct sockaddr *address);

/* ---- hosts and ports -------------------------------------------------- */

enum lined_host_kind {
	LINED_HOST_NAME, /* letters, digits, "._-"; to be resolved */
	LINED_HOST_IPV4,
	LINED_HOST_IPV6, /* was in brackets; may end with %INTERFACE */
	LINED_HOST_ANY,  /* "*" */
};

#define LINED_HOST_MAX 256

struct lined_host_port {
	char host[LINED_HOST_MAX]; /* without brackets */
	uint16_t port;             /* 1 and up */
	enum lined_host_kind kind;
};

/*
 * Splits "HOST:PORT" into host and port; an IPv6 host is in brackets. A host of
 * digits and dots only must be an IPv4 address. The interface behind a % is not
 * looked up. Returns NULL, or the fault as a constant text such as "the port is
 * missing".
 */
LINED_API const char *lined_host_port_parse(struct lined_host_port *to,
					    const char *text);

/* ---- networks --------------------------------------------------------- */

/* A network. All functions below treat IPv4 mapped into IPv6 as IPv4. */
struct lined_network {
	int family; /* AF_INET, AF_INET6 */
	unsigned prefix;
	uint8_t bytes[16]; /* AF_INET uses 4; bits past the prefix are 0 */
};

enum lined_network_status {
	LINED_NETWORK_OK,
	LINED_NETWORK_HOST_BITS, /* bits past the prefix were cleared */
	LINED_NETWORK_BAD,
};

/* Reads "192.0.2.0/24" or "2001:db8::/32". An address without a prefix is a
 * network of that one address. */
LINED_API enum lined_network_status
lined_network_parse(struct lined_network *network, const char *text);

/* Sets *network to the network that contains the address, with the prefix that
 * is given for its family, such as 24 or 64. False: the family is neither IPv4
 * nor IPv6. */
LINED_API bool lined_network_of(struct lined_network *network,
				const struct sockaddr *address,
				unsigned ipv4_prefix, unsigned ipv6_prefix);

LINED_API bool lined_network_contains(const struct lined_network *network,
				      const struct sockaddr *address);

/* Returns the network with the longest prefix that contains the address, and
 * the first of these if there are several. NULL: none contains it.
 */
LINED_API const struct lined_network *
lined_network_longest(const struct lined_network *networks, size_t count,
		      const struct sockaddr *address);

LINED_API bool lined_network_equal(const struct lined_network *a,
				   const struct lined_network *b);

/* Writes "192.0.2.0/24", or "192.0.2.1" for a network of one address, to text
 * and returns text. */
#define LINED_NETWORK_TEXT_MAX 64
LINED_API char *lined_network_format(const struct lined_network *network,
				     char *text, size_t size);

/* ---- connections ------------------------------------------------------ */

/*
 * Enables TCP keepalive: after 60 s without data from the peer the kernel
 * probes it every 10 s, and after 6 probes without an answer the connection
 * fails with ETIMEDOUT. Accepted sockets inherit this setting from their
 * listener. -1 with errno of setsockopt(2).
 */
LINED_API int lined_tcp_keepalive(int fd);

/*
 * Sets how long sent bytes may stay without acknowledgement before the kernel
 * ends a TCP connection (TCP_USER_TIMEOUT): 60 s, so that the loss of a peer is
 * noticed while data is sent to it. The kernel also counts the time in which a
 * connected peer does not read: therefore a send_stall_ms above 60 s is used
 * instead. If send_stall_ms is 0 (unlimited), the kernel's own time applies,
 * about 15 minutes. Accepted sockets inherit the time from their listener. -1
 * and errno.
 */
LINED_API int lined_tcp_user_timeout(int fd, uint32_t send_stall_ms);

LINED_END_DECLS

#endif
