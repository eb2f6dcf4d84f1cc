/* SPDX-License-Identifier: MIT */
/*
 * What a client waits for, while an answer comes from another thread: that of
 * the registry, the verifier or the main thread. Its socket is held meanwhile,
 * so that what it sends next is read when the answer has been given. A wait may
 * also remain with the client afterwards, like a name that it owns, to be told
 * when the client goes.
 *
 * Thread: the client's worker.
 */
#ifndef CLIENT_WAIT_H
#define CLIENT_WAIT_H

#include <stdbool.h>
#include <stddef.h>

#include <lined/socket.h>

/* Why the daemon does not read from a client, socket_hold(). */
enum client_hold {
	CLIENT_HOLD_BUS = 1,      /* the bus is overloaded */
	CLIENT_HOLD_CLAIM = 2,    /* it waits for the answer to a claim */
	CLIENT_HOLD_PASSWORD = 4, /* its password is being verified */
	CLIENT_HOLD_REQUEST = 8,  /* it waits for a response, lined/control.h */
};

struct client_wait {
	struct client_wait *next;   /* of the same client */
	struct client_wait **first; /* the client's; NULL: none, or gone */
	struct lined_socket *sock;
	unsigned hold; /* enum client_hold; 0: reading is not held */
	void (*gone)(struct client_wait *wait);
};

/*
 * Adds the wait to its client, whose list of waits begins at *first, and holds
 * the client's reading if hold is not 0. If the client goes away, gone() is
 * called once; the wait has been removed then.
 */
void client_wait_begin(struct client_wait *wait, struct client_wait **first,
		       struct lined_socket *sock, unsigned hold,
		       void (*gone)(struct client_wait *wait));

/* The client has its answer: reading is resumed, unless another wait holds it
 * for the same reason. The wait stays with the client. */
void client_wait_answered(struct client_wait *wait);

/* The same, and removes the wait: gone() will not be called. */
void client_wait_end(struct client_wait *wait);

/* False: it never began, has ended, or the client has gone. */
static inline bool client_wait_is_open(const struct client_wait *wait)
{
	return wait->first != NULL;
}

/* The client has gone. */
void client_wait_end_all(struct client_wait **first);

#endif
