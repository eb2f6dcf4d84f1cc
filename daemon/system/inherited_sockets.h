/* SPDX-License-Identifier: MIT */
/*
 * The sockets that the service manager passes at the start: those of socket
 * units, and those that the previous lined has stored (systemd_fd_store.h).
 * Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct inherited_socket {
	char *name;
	int fd;     /* -1: a listener has taken it, or it was closed */
	bool taken; /* stored earlier, now used by a service */
};

struct inherited {
	struct inherited_socket *items;
	size_t count;
};

#ifdef HAVE_LIBSYSTEMD

/* Returns the passed sockets with their names, close-on-exec, and removes the
 * variables that describe them from the environment. Sockets that nobody takes
 * stay open until inherited_free(). Without memory the sockets are closed.
 * NULL: there are none. */
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
