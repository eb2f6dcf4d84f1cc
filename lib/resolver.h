/* SPDX-License-Identifier: MIT */
/*
 * Resolves names on a few threads for each dispatcher, because getaddrinfo(3)
 * blocks. The first names start the threads. Freeing the dispatcher does not
 * wait for a lookup that is running.
 */
#pragma once

#include <netdb.h>
#include <stdint.h>

#include "list.h"

struct mailbox;
struct resolver;

/* The functions that look up a name: getaddrinfo(3) and freeaddrinfo(3), or
 * those of a test. Called on a thread of the resolver. */
struct resolver_lookup {
	int (*lookup)(const char *host, const char *service,
		      const struct addrinfo *hints, struct addrinfo **result);
	void (*free)(struct addrinfo *result);
};

/* The most names that a resolver looks up at the same time. */
#define RESOLVER_THREADS 4

struct resolver_query;

/*
 * A caller that waits for a name. The resolver owns it from resolver_ask()
 * until `answered` has returned or the request is cancelled. Thread: the
 * dispatcher's.
 */
struct resolver_request {
	struct list link; /* query.requests */
	struct resolver_query *query;
	void (*answered)(void *arg, int error, const struct addrinfo *result);
	void *arg;
};

/* Makes a resolver whose answers go to this mailbox. NULL and errno. */
struct resolver *resolver_new(struct mailbox *mailbox);
/* Frees a resolver: no `answered` is called after this. Does not block. NULL is
 * allowed. */
void resolver_free(struct resolver *resolver);

/* To be called before the first resolver_ask(). The caller owns the table, and
 * keeps it until the last lookup has ended. */
void resolver_set_lookup(struct resolver *resolver,
			 const struct resolver_lookup *lookup);

/*
 * Asks for the stream addresses of host. answered() is called later, once, on
 * the dispatcher's thread: error is 0 or an EAI_ code, result is valid until
 * answered() returns. Simultaneous requests for the same host and port share
 * one lookup. NULL and errno.
 */
struct resolver_request *resolver_ask(
	struct resolver *resolver, const char *host, uint16_t port,
	void (*answered)(void *arg, int error, const struct addrinfo *result),
	void *arg);

/* Frees a request: `answered` is not called. A lookup that no request waits for
 * is not begun. */
void resolver_cancel(struct resolver_request *request);
