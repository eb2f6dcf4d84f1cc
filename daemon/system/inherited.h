/* SPDX-License-Identifier: MIT */
/*
 * The sockets that the service manager passes on: those of its socket units,
 * and those that the lined before has stored with it (fd_store.h). Main thread.
 */
#ifndef INHERITED_H
#define INHERITED_H

#include <stdbool.h>
#include <stddef.h>

struct inherited_socket {
	char *name;
	int fd;     /* -1: taken, and the taker's */
	bool taken; /* from the store, by the service that goes on with it */
};

struct inherited {
	struct inherited_socket *items;
	size_t count;
};

#ifdef HAVE_LIBSYSTEMD

/*
 * The sockets that were passed on, by name, close-on-exec; what the environment
 * says of them is removed. Those that are not taken stay open until
 * inherited_free(). NULL: there are none.
 */
struct inherited *inherited_take(void);
void inherited_free(struct inherited *inherited);

#else

static inline struct inherited *inherited_take(void)
{
	return NULL;
}

static inline void inherited_free(struct inherited *inherited)
{
	(void)inherited;
}

#endif

#endif
