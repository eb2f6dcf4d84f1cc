/* SPDX-License-Identifier: MIT */
/*
 * The datagram socket of a test, which echoes, and a plain peer connected to
 * it. Closed after each test of a udp_case().
 */
#pragma once

#include <check.h>
#include <stddef.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "recorder.h"

struct udp {
	struct lined_dispatcher *d;
	struct lined_socket *sock;
	struct lined_delegate *delegate; /* the delegate of the socket */
	struct lined_socket_group group;
	struct recorder recorder;
	int peer; /* a plain socket, connected to sock */
};

extern struct udp udp;

TCase *udp_case(Suite *suite, const char *name);

/* Opens the socket, over IPv4 or over the given family. */
void udp_open(void);
void udp_open_family(int family);

/* Does nothing if the socket is not open. */
void udp_close(void);

void udp_bind_loopback(struct lined_socket *sock, int family);

/* Returns a plain socket that is connected to `sock`. */
int udp_connect_to(struct lined_socket *sock);

void udp_put(int fd, const void *data, size_t len);

/* The next datagram at fd must be exactly this. */
void udp_expect(struct lined_dispatcher *d, int fd, const void *data,
		size_t len);
void udp_expect_nothing(struct lined_dispatcher *d, int fd);

#define PUT(text)    udp_put(udp.peer, text, sizeof(text) - 1)
#define EXPECT(text) udp_expect(udp.d, udp.peer, text, sizeof(text) - 1)
