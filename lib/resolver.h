/* SPDX-License-Identifier: MIT */
/*
 * Names to addresses, off the loop: one thread a dispatcher, started by the
 * first name. getaddrinfo(3) may take as long as it likes; a
 * dispatcher that ends meanwhile does not wait for it.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include <netdb.h>
#include <stdint.h>

#include <lined/dispatcher.h>

struct mailbox;
struct resolver;

/* How names are looked up; getaddrinfo(3), or what a test puts in its place.
 * Called on the resolver's thread. */
struct resolver_lookup {
	int (*lookup)(const char *host, const char *service,
		      const struct addrinfo *hints, struct addrinfo **result);
	void (*free)(struct addrinfo *result);
};

/*
 * A question. The resolver owns it from resolver_ask() until `answered` has
 * returned; result is freed then.
 */
struct resolver_request {
	struct lined_message message;
	/*
	 * Called on the dispatcher's thread, error being 0 or an EAI_ code.
	 * NULL (set by resolver_cancel()): nobody waits any more.
	 */
	void (*answered)(void *arg, int error, const struct addrinfo *result);
	void *arg;
	int error;
	struct addrinfo *result;
	const struct resolver_lookup *lookup;
	struct resolver_request *next;
	char service[8];
	char host[];
};

/* Answers go to this mailbox. NULL and errno. */
struct resolver *resolver_new(struct mailbox *mailbox);
/* No answer comes after this. Does not block. NULL is fine. */
void resolver_free(struct resolver *resolver);

/* Before the first question; the table stays the caller's. */
void resolver_set_lookup(struct resolver *resolver,
			 const struct resolver_lookup *lookup);

/* Asks for the stream addresses of host. NULL and errno. */
struct resolver_request *resolver_ask(
	struct resolver *resolver, const char *host, uint16_t port,
	void (*answered)(void *arg, int error, const struct addrinfo *result),
	void *arg);

/* `answered` is not called any more; the request is forgotten. */
void resolver_cancel(struct resolver_request *request);

#endif
