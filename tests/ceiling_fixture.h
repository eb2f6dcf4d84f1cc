/* SPDX-License-Identifier: MIT */
/*
 * Clients whose memory is charged to a ceiling, on one dispatcher or on two.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "memory_ceiling.h"
#include "recorder.h"

#define CEILING_CLIENTS 4

struct ceiling_case {
	struct lined_dispatcher *d;
	struct lined_dispatcher *others; /* the second dispatcher, or NULL */
	struct memory_ceiling memory;
	struct lined_socket_group group;
	struct lined_socket *socks[CEILING_CLIENTS];
	struct recorder recorders[CEILING_CLIENTS];
	int peers[CEILING_CLIENTS];
};

/* The last client is on the second dispatcher, if there is one. */
void ceiling_open(struct ceiling_case *c, bool two);
void ceiling_close(struct ceiling_case *c);

/* Opens client i, the first time or again. */
struct lined_socket *ceiling_open_client(struct ceiling_case *c,
					 struct lined_dispatcher *d, size_t i);

/* Runs a few turns of each dispatcher. */
void ceiling_run(struct ceiling_case *c);

/* Queues bytes that the kernel does not take: more than its buffers. */
void ceiling_fill(struct ceiling_case *c, size_t i, size_t bytes);

/* Whether client i was closed. */
bool ceiling_is_closed(struct ceiling_case *c, size_t i);

/* The may_close of a new case: each socket may be closed. */
enum memory_closing ceiling_any_socket(const struct lined_socket *sock);
