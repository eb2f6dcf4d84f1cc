/* SPDX-License-Identifier: MIT */
/*
 * The list of a client's waits. The list is short, and singly linked to save
 * memory in idle clients.
 */
#include "config.h"

#include "threads/client_wait.h"

#include "socket_daemon.h"

void client_wait_begin(struct client_wait *wait, struct client_wait **first,
		       struct lined_socket *sock, unsigned hold,
		       void (*gone)(struct client_wait *wait))
{
	wait->next = *first;
	wait->first = first;
	wait->sock = sock;
	wait->hold = hold;
	wait->gone = gone;
	*first = wait;
	if (hold != 0)
		socket_hold(sock, hold);
}

void client_wait_answered(struct client_wait *wait)
{
	const struct client_wait *other;
	unsigned hold = wait->hold;

	if (hold == 0)
		return;
	wait->hold = 0;
	for (other = *wait->first; other != NULL; other = other->next)
		if (other->hold == hold)
			return;
	socket_unhold(wait->sock, hold);
}

static void client_wait_remove(struct client_wait *wait)
{
	struct client_wait **at = wait->first;

	while (*at != wait)
		at = &(*at)->next;
	*at = wait->next;
	wait->first = NULL;
}

void client_wait_end(struct client_wait *wait)
{
	client_wait_answered(wait);
	client_wait_remove(wait);
}

void client_wait_end_all(struct client_wait **first)
{
	struct client_wait *wait;

	while ((wait = *first) != NULL) {
		client_wait_remove(wait);
		wait->gone(wait);
	}
}
