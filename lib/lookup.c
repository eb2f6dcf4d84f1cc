/* SPDX-License-Identifier: MIT */
/*
 * Looks up the addresses of a name: the resolver's answer as socket addresses
 * and an errno.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lined/address.h>

#include "dispatcher_priv.h"
#include "resolver.h"

struct lined_lookup {
	struct resolver_request *request;
	void (*answered)(void *arg, int error,
			 const struct lined_address *addresses, size_t count);
	void *arg;
};

static int lookup_errno(int error)
{
	switch (error) {
	case 0:
		return 0;
	case EAI_MEMORY:
		return ENOMEM;
	case EAI_AGAIN:
		return EAGAIN;
	default:
		return EHOSTUNREACH;
	}
}

static void lookup_answered(void *arg, int error, const struct addrinfo *result)
{
	struct lined_lookup *lookup = arg, copy = *lookup;
	struct lined_address addresses[LINED_LOOKUP_MAX];
	size_t count = 0;

	for (; result != NULL && count < LINED_LOOKUP_MAX;
	     result = result->ai_next) {
		if (result->ai_addrlen > sizeof(addresses[0].storage))
			continue;
		memset(&addresses[count], 0, sizeof(addresses[0]));
		memcpy(&addresses[count].storage, result->ai_addr,
		       result->ai_addrlen);
		addresses[count++].len = result->ai_addrlen;
	}
	free(lookup);
	error = lookup_errno(error);
	if (error == 0 && count == 0)
		error = EADDRNOTAVAIL;
	copy.answered(copy.arg, error, addresses, count);
}

struct lined_lookup *lined_dispatcher_look_up(
	struct lined_dispatcher *d, const char *host, uint16_t port,
	void (*answered)(void *arg, int error,
			 const struct lined_address *addresses, size_t count),
	void *arg)
{
	struct resolver *resolver = dispatcher_resolver(d);
	struct lined_lookup *lookup = malloc(sizeof(*lookup));

	if (lookup == NULL || resolver == NULL) {
		free(lookup);
		return NULL;
	}
	*lookup = (struct lined_lookup){.answered = answered, .arg = arg};
	lookup->request =
		resolver_ask(resolver, host, port, lookup_answered, lookup);
	if (lookup->request == NULL) {
		int error = errno;

		free(lookup);
		errno = error;
		return NULL;
	}
	return lookup;
}

void lined_lookup_cancel(struct lined_lookup *lookup)
{
	if (lookup == NULL)
		return;
	resolver_cancel(lookup->request);
	free(lookup);
}
