/* SPDX-License-Identifier: MIT */
/*
 * A client's wait for a later answer from the registry, the verifier or the
 * main thread. Until the answer the client's socket is held: otherwise its next
 * line would be handled first. A wait may stay in the client's list after the
 * answer: if the client owns a name, gone() releases the name when the client
 * closes. The timer and the topics of a client are waits, too: they end with
 * the client.
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

struct client_wait {
	struct client_wait *next;   /* next wait of the client */
	struct client_wait **first; /* the client's list; NULL: not in a list */
	struct lined_socket *sock;
	unsigned hold; /* enum client_hold; 0: does not hold the client */
	void (*gone)(struct client_wait *wait);
};

/*
 * Adds the wait to the client's list, which starts at *first, and holds the
 * client unless hold is 0. If the client closes, the wait is removed and then
 * gone() is called once.
 */
void client_wait_begin(struct client_wait *wait, struct client_wait **first,
		       struct lined_socket *sock, unsigned hold,
		       void (*gone)(struct client_wait *wait));

/* The answer has come: resumes reading, unless another wait holds the client
 * for the same reason. The wait stays in the list. */
void client_wait_answered(struct client_wait *wait);

/* As client_wait_answered(), and removes the wait: gone() will not be called.
 */
void client_wait_end(struct client_wait *wait);

/* False: the wait has not begun, has ended, or the client has closed. */
static inline bool client_wait_is_open(const struct client_wait *wait)
{
	return wait->first != NULL;
}

/* The client closes: removes each wait and calls gone(). */
void client_wait_end_all(struct client_wait **first);
