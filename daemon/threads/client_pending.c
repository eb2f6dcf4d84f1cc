/* SPDX-License-Identifier: MIT */
/*
 * The list of a client's pending entries. The list is short, and singly linked
 * to save memory in idle clients.
 */
#include "config.h"

#include "threads/client_pending.h"

#include "socket_daemon.h"

void client_pending_begin(struct client_pending *pending,
			  struct client_pending **first,
			  struct lined_socket *sock, unsigned hold,
			  void (*gone)(struct client_pending *pending))
{
	pending->next = *first;
	pending->first = first;
	pending->sock = sock;
	pending->hold = hold;
	pending->gone = gone;
	*first = pending;
	if (hold != 0)
		socket_hold(sock, hold);
}

void client_pending_answered(struct client_pending *pending)
{
	const struct client_pending *other;
	unsigned hold = pending->hold;

	if (hold == 0)
		return;
	pending->hold = 0;
	for (other = *pending->first; other != NULL; other = other->next)
		if (other->hold == hold)
			return;
	socket_unhold(pending->sock, hold);
}

static void client_pending_remove(struct client_pending *pending)
{
	struct client_pending **at = pending->first;

	while (*at != pending)
		at = &(*at)->next;
	*at = pending->next;
	pending->first = NULL;
}

void client_pending_end(struct client_pending *pending)
{
	client_pending_answered(pending);
	client_pending_remove(pending);
}

void client_pending_end_all(struct client_pending **first)
{
	struct client_pending *pending;

	while ((pending = *first) != NULL) {
		client_pending_remove(pending);
		pending->gone(pending);
	}
}
