/* SPDX-License-Identifier: MIT */
/*
 * Parses the address of an upstream or a push target, connects to it, and
 * explains failures. address.c has a table with an entry for each kind of
 * address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/address.h>
#include <lined/protocol.h>

#include "relay/device.h"

struct relay_tls;

/* The longest time for connecting, and again for the TLS handshake. */
#define RELAY_CONNECT_MS 10000

/* Uses of addresses; not every kind of address is allowed for each use. */
enum relay_use {
	RELAY_USE_UPSTREAM = 1,
	RELAY_USE_PROXY = 2,
	RELAY_USE_PUSH = 4,
};

struct relay_address {
	const struct relay_scheme *scheme;
	struct lined_host_port to;      /* tcp://, tls://, udp:// */
	struct lined_address local;     /* unix://, udp:// */
	struct relay_device device;     /* serial://, fifo:// */
	char text[LINED_HOST_MAX + 24]; /* as configured */
};

/* A kind of address. */
struct relay_scheme {
	const char *prefix; /* "tcp://" */
	unsigned uses;      /* enum relay_use */
	/* Parses what follows the prefix. Returns NULL, or a constant text that
	 * says what is wrong. */
	const char *(*parse)(struct relay_address *address, const char *rest);
	/* Starts connecting a new socket. `to`: one of the addresses of a name;
	 * NULL: the socket looks up a name itself. -1 and errno. */
	int (*connect)(struct lined_socket *sock,
		       const struct relay_address *address,
		       const struct lined_address *to);
};

/* Parses an address for this use. -1 and the reason in error. */
int relay_address_parse(enum relay_use use, const char *text,
			struct relay_address *address, char *error,
			size_t size);

bool relay_address_is_tls(const struct relay_address *address);

/* Whether the address only provides lines: nothing may be sent to it. */
bool relay_address_is_source(const struct relay_address *address);

/* Whether a name must be looked up before connecting. */
bool relay_address_is_name(const struct relay_address *address);

/* Fills in the socket address of an address that is not a name. len 0: this
 * kind of address has none. -1 with errno: ENODEV (no such interface). */
int relay_address_socket(const struct relay_address *address,
			 struct lined_address *to);

/* The socket type for the address, e.g. SOCK_STREAM. */
int relay_address_type(const struct relay_address *address);

/* The name that `tag` gives to the sender of lines from this address: the host
 * as configured, "unix", or the path of a device. */
const char *relay_address_host(const struct relay_address *address);

/*
 * Returns a socket that connects to the address within RELAY_CONNECT_MS;
 * handle_connect or handle_close is called later. A device is connected at once
 * and paused: the caller must do what handle_connect does. `to`: one of the
 * addresses of a name; NULL: the socket looks up a name itself. The socket has
 * the service's group and framing; an unterminated last line is dropped. NULL
 * and errno: ELOOP (the service itself listens there), and others.
 */
struct lined_socket *relay_address_connect(
	struct lined_service *service, const struct relay_address *address,
	const struct lined_address *to, const struct relay_tls *tls,
	const struct lined_socket_handlers *handlers, void *arg);

/* Call this first in handle_connect. Sets keep-alive and TCP's user timeout. A
 * socket that is connected to itself is closed, and false returned: TCP allows
 * this on a local port without a listener. */
bool relay_address_connected(struct lined_socket *sock);

/* Call this when the limits of the socket's group have changed: sets the
 * socket's deadlines anew, and TCP's user timeout from send-stall. sock NULL:
 * does nothing. */
void relay_address_limits_changed(struct lined_socket *sock);

/* As strerror(3), with other texts for errors of relay_address_connect(). */
const char *relay_address_error_text(int error);

/* Why a socket was closed, before or after it was connected. sock NULL: there
 * was no socket. */
const char *relay_address_close_text(const struct relay_address *address,
				     const struct lined_socket *sock,
				     enum lined_close_reason reason, int error,
				     bool connected);
