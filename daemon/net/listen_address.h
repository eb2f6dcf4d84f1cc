/* SPDX-License-Identifier: MIT */
/*
 * An address to listen on, as in the config (lined.conf(5), listen):
 *
 *	tcp://HOST:PORT  tls://HOST:PORT  udp://HOST:PORT  unix:///path
 *	ws://HOST:PORT/PATH  wss://HOST:PORT/PATH
 *	systemd:NAME  systemd+tls:NAME
 *
 * HOST is numeric (IPv6 in brackets), `localhost`, or `*`. `localhost` and `*`
 * mean both families. A multicast group of udp:// may be followed by
 * ?source=ADDRESS&interface=NAME. Opens no listen address and owns no memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <lined/address.h>

enum listen_kind {
	LISTEN_TCP,
	LISTEN_TLS,
	LISTEN_UDP,
	LISTEN_UNIX,
	LISTEN_WS,
	LISTEN_WSS,
	LISTEN_SYSTEMD,
	LISTEN_SYSTEMD_TLS,
};

struct listen_endpoint {
	struct lined_address address;
	/* Set for the IPv6 half of localhost and *, which a host without IPv6
	 * cannot open (EAFNOSUPPORT, EADDRNOTAVAIL): this is no error. */
	bool optional;
	/* For a multicast group: the only accepted sender (len 0: all) and the
	 * interface's index (0: the routes decide). */
	struct lined_address source;
	unsigned interface;
};

#define LISTEN_ENDPOINTS_MAX 2

/* The pointers point into the parsed text, which must outlive this struct. */
struct listen_address {
	enum listen_kind kind;
	const char *text; /* as written */
	/* TCP, TLS, WS, WSS, UDP: the addresses to bind. UNIX has none: see
	 * path. */
	struct listen_endpoint endpoints[LISTEN_ENDPOINTS_MAX];
	size_t endpoint_count;
	const char *path;     /* UNIX; NULL for others */
	const char *web_path; /* WS, WSS: the URL's path; NULL for others */
	const char *name;     /* SYSTEMD, SYSTEMD_TLS; NULL for others */
};

/*
 * Reads text into *listen. -1: error says what is wrong, without repeating the
 * text.
 */
int listen_address_parse(const char *text, struct listen_address *listen,
			 char *error, size_t size);

/* Whether clients of this address speak WebSocket. */
bool listen_address_is_web(const struct listen_address *listen);
/* Whether clients of this address speak TLS. */
bool listen_address_is_tls(const struct listen_address *listen);

/* Compares for sorting: below 0, 0 or above. 0: the same kind and address, even
 * if written differently. */
int listen_address_compare(const struct listen_address *a,
			   const struct listen_address *b);
bool listen_address_equal(const struct listen_address *a,
			  const struct listen_address *b);

/* Whether the two addresses conflict: sockets of one type cannot be bound to
 * both. */
bool listen_endpoints_overlap(const struct sockaddr *a,
			      const struct sockaddr *b);

/*
 * Whether the two addresses conflict, so that only one can be open: same port
 * on the same address or on all addresses of a family, same path, or same
 * systemd name.
 */
bool listen_address_overlap(const struct listen_address *a,
			    const struct listen_address *b);

/*
 * Whether a connection or datagram to `address` would reach one of these listen
 * addresses: the listen address is equal, or it is a wildcard and `address`
 * belongs to this host. type: SOCK_STREAM or SOCK_DGRAM. Addresses of systemd's
 * sockets are not compared. MT-safe.
 */
bool listen_addresses_are_reached(const struct listen_address *listen,
				  size_t count, const struct sockaddr *address,
				  int type);

/* Whether the address belongs to this host. */
bool listen_is_of_host(const struct sockaddr *address);
