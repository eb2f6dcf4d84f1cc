/* SPDX-License-Identifier: MIT */
/*
 * Looks up names for lined_dispatcher_look_up(), on a few threads for each
 * dispatcher, because getaddrinfo(3) blocks. Freeing the dispatcher does not
 * wait for a name that is being looked up.
 */
#pragma once

#include <netdb.h>

struct lined_dispatcher;
struct resolver;

/* The most names that a resolver looks up at the same time. Simultaneous
 * lookups of the same host and port count as one. */
#define RESOLVER_THREADS 4

/* The resolver of a dispatcher; the first call makes it. NULL and errno. */
struct resolver *dispatcher_resolver(struct lined_dispatcher *d);
/* Frees a resolver: no lookup is answered after this. Does not block. NULL is
 * allowed. */
void resolver_free(struct resolver *resolver);

/* The functions that look up a name: getaddrinfo(3) and freeaddrinfo(3), or
 * those of a test. Called on a thread of the resolver. */
struct resolver_lookup {
	int (*lookup)(const char *host, const char *service,
		      const struct addrinfo *hints, struct addrinfo **result);
	void (*free)(struct addrinfo *result);
};

/* For tests, before the first lookup. The caller owns the table, and keeps it
 * until the last lookup has ended. */
void resolver_set_lookup(struct resolver *resolver,
			 const struct resolver_lookup *functions);
