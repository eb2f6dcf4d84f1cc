/* SPDX-License-Identifier: MIT */
/*
 * Entries that end with a client. Most stand for an answer that the client
 * waits for, from the registry, the verifier or the main thread. Until the
 * answer comes, the client's socket is held: otherwise the client's next line
 * would be handled first. An entry may stay in the client's list after the
 * answer: if the client owns a name, gone() releases the name when the client
 * closes. The entries of a client's timer, topics and taps never hold the
 * client.
 *
 * Thread: the client's worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/socket.h>

/* Why socket_hold() stops reading from a client. */
enum client_hold {
	CLIENT_HOLD_BUS = 1,      /* the bus is overloaded */
	CLIENT_HOLD_CLAIM = 2,    /* a claim was not answered yet */
	CLIENT_HOLD_PASSWORD = 4, /* a password is being verified */
	CLIENT_HOLD_REQUEST = 8,  /* a request, lined/control.h */
};

struct client_pending {
	struct client_pending *next; /* the client's next entry */
	struct client_pending *
		*first; /* the client's list; NULL: not in a list */
	struct lined_socket *sock;
	unsigned hold; /* enum client_hold; 0: does not hold the client */
	void (*gone)(struct client_pending *pending);
};

/*
 * Adds an entry to the client's list, which starts at *first, and holds the
 * client unless hold is 0. If the client closes, the entry is removed and then
 * gone() is called once.
 */
void client_pending_begin(struct client_pending *pending,
			  struct client_pending **first,
			  struct lined_socket *sock, unsigned hold,
			  void (*gone)(struct client_pending *pending));

/* Call this when the answer has come: resumes reading, unless another entry
 * holds the client for the same reason. The entry stays in the list. */
void client_pending_answered(struct client_pending *pending);

/* As client_pending_answered(), and removes the entry: gone() will not be
 * called.
 */
void client_pending_end(struct client_pending *pending);

/* False: not begun, ended, or the client has closed. */
static inline bool client_pending_is_open(const struct client_pending *pending)
{
	return pending->first != NULL;
}

/* Call this when the client closes: removes each entry and calls its gone(). */
void client_pending_end_all(struct client_pending **first);
