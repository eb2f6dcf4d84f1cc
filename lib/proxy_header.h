/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes the header of the PROXY protocol, version 1 and 2, with
 * which a proxy names the client of a connection. Knows no sockets, keeps
 * nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define PROXY_HEADER_V1_MAX 107 /* the longest header of version 1 */
#define PROXY_HEADER_V2_MIN 16  /* the fixed part of version 2 */
#define PROXY_HEADER_ROOM   232 /* the longest header without TLVs */

enum proxy_header_status {
	PROXY_HEADER_MORE, /* perhaps a header, not complete yet */
	PROXY_HEADER_READY,
	PROXY_HEADER_NONE, /* the bytes do not begin as a header does */
	PROXY_HEADER_BAD,  /* a malformed header */
};

/* A part of the header, without a NUL at its end. `text` is NULL if the header
 * does not have this part. */
struct proxy_header_text {
	const char *text;
	size_t len;
};

struct proxy_header {
	/* READY: the header's length. MORE: the least length that the header
	 * can have, more than the bytes that are there. */
	size_t len;
	/* The header names no client of a stream, because it has LOCAL,
	 * UNKNOWN, UNSPEC or DGRAM. `address` is not valid then. */
	bool is_local;
	/* The client's: AF_INET, AF_INET6, or AF_UNIX without a path. */
	struct sockaddr_storage address;
	/* `tls`: the client speaks TLS with the proxy. `verified`: its
	 * certificate was verified, too. */
	bool tls, verified;
	/* The host name that the client asked for, the version of TLS, the
	 * cipher, and the common name of the client's certificate. */
	struct proxy_header_text authority, version, cipher, name;
};

/* Reads the header at the beginning of the bytes. The texts of *header point
 * into these bytes. The result does not depend on what follows the header. */
enum proxy_header_status proxy_header_parse(struct proxy_header *header,
					    const char *data, size_t len);

/*
 * Writes a header of version 1 or 2 with the client's address and the address
 * that the client has connected to. Unless both are IPv4 or both IPv6, writes
 * UNKNOWN (version 1) or LOCAL (version 2). out has PROXY_HEADER_ROOM bytes.
 * Returns the length.
 */
size_t proxy_header_format(char *out, int version,
			   const struct sockaddr *client,
			   const struct sockaddr *server);
