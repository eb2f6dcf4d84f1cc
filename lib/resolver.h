/* SPDX-License-Identifier: MIT */
/*
 * Names to addresses, off the loop: a few threads for each dispatcher, started
 * by the first names. getaddrinfo(3) may take as long as it likes; a dispatcher
 * that ends meanwhile does not wait for it.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include <netdb.h>
#include <stdint.h>

#include "list.h"

struct mailbox;
struct resolver;

/* How names are looked up; getaddrinfo(3), or what a test puts in its place.
 * Called on a thread of the resolver's. */
struct resolver_lookup {
	int (*lookup)(const char *host, const char *service,
		      const struct addrinfo *hints, struct addrinfo **result);
	void (*free)(struct addrinfo *result);
};

/* How many names a resolver looks up at the same time. */
#define RESOLVER_THREADS 4

struct resolver_query;

/*
 * One who waits for a name. The resolver's from resolver_ask() until `answered`
 * has returned or the request was cancelled. The dispatcher's thread.
 */
struct resolver_request {
	struct list link; /* query.requests */
	struct resolver_query *query;
	void (*answered)(void *arg, int error, const struct addrinfo *result);
	void *arg;
};

/* Answers go to this mailbox. NULL and errno. */
struct resolver *resolver_new(struct mailbox *mailbox);
/* No answer comes after this. Does not block. NULL is fine. */
void resolver_free(struct resolver *resolver);

/* Before the first question; the table stays the caller's. */
void resolver_set_lookup(struct resolver *resolver,
			 const struct resolver_lookup *lookup);

/*
 * Asks for the stream addresses of host. answered() is called later, once, on
 * the dispatcher's thread: error is 0 or an EAI_ code, result is valid until it
 * returns. Requests for the same host and port at the same time are one lookup.
 * NULL and errno.
 */
struct resolver_request *resolver_ask(
	struct resolver *resolver, const char *host, uint16_t port,
	void (*answered)(void *arg, int error, const struct addrinfo *result),
	void *arg);

/* answered() is not called any more, and the request is gone; a lookup that
 * nobody waits for is not begun. */
void resolver_cancel(struct resolver_request *request);

#endif
