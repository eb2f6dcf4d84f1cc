/* SPDX-License-Identifier: MIT */
/*
 * The sockets that the service manager passes at the start: those of its socket
 * units, and those that the previous lined has stored (fd_store.h). Main
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct inherited_socket {
	char *name;
	int fd;     /* -1: taken; the taker closes it */
	bool taken; /* a stored one that a service now uses */
};

struct inherited {
	struct inherited_socket *items;
	size_t count;
};

#ifdef HAVE_LIBSYSTEMD

/* The passed sockets with their names, close-on-exec. The variables that
 * describe them are removed from the environment. Sockets that are not taken
 * stay open until inherited_free(). NULL: there are none. */
struct inherited *inherited_take(void);
void inherited_free(struct inherited *inherited);

#else

static inline struct inherited *inherited_take(void)
{
	return NULL;
}

static inline void inherited_free(struct inherited *inherited)
{
}

#endif
