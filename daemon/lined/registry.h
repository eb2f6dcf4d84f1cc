/* SPDX-License-Identifier: MIT */
/*
 * The registry: names that all workers know, each with an owner (a client) and
 * a small value, for example nicknames that are taken. Each service has its
 * own. A name is released when its owner closes.
 *
 * There is one order for all: every worker sees the same claims win and the
 * same changes in the same order. What the owner's worker publishes on the bus
 * after it was told of a change arrives at the other workers after that change.
 * Thread: the service's worker.
 */
#ifndef LINED_REGISTRY_H
#define LINED_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/service.h>
#include <lined/socket.h>

LINED_BEGIN_DECLS

#define LINED_REGISTRY_NAME_MAX  255
#define LINED_REGISTRY_VALUE_MAX 1024

struct lined_registry_watch;

/* A name that exists. Borrowed: valid until the visit or the changed callback
 * returns; after lined_registry_find(), until the handler returns. */
struct lined_registry_entry {
	const char *name;
	uint64_t owner; /* lined_client_id() */
	const char *value;
	size_t value_len;
};

/*
 * Claims a name for a client. The claim wins if no client has the name. The
 * answer comes once, after this call: claimed(client, arg, won). The client is
 * not read until then, so that its next line is handled after the answer. If
 * the client closes first, there is no answer and the claim is released. The
 * value is copied. -1 with errno, and no answer comes: EINVAL (the name is
 * empty or too long, or the value is), ENOMEM.
 */
LINED_API int lined_registry_claim(
	struct lined_service *service, struct lined_socket *client,
	const char *name, const void *value, size_t value_len,
	void (*claimed)(struct lined_socket *client, void *arg, bool won),
	void *arg);

/* Releases a name of this client; nothing happens if it does not own the name.
 * Takes effect in the common order, after earlier claims of this worker. */
LINED_API void lined_registry_release(struct lined_service *service,
				      struct lined_socket *client,
				      const char *name);

/* Calls visit for each entry whose name begins with the prefix, sorted by name,
 * as this worker knows them now. */
LINED_API void lined_registry_list(
	struct lined_service *service, const char *prefix,
	void (*visit)(const struct lined_registry_entry *entry, void *arg),
	void *arg);

/* Fills in *entry if this worker knows an entry of that name now; else false.
 */
LINED_API bool lined_registry_find(struct lined_service *service,
				   const char *name,
				   struct lined_registry_entry *entry);

/*
 * Calls changed for each entry whose name begins with the prefix and that is
 * added (`here`) or removed from now on, on this worker, in the common order.
 * What is not unwatched ends with the instance. NULL with errno: ENOMEM,
 * ESHUTDOWN (after stop()).
 */
LINED_API struct lined_registry_watch *
lined_registry_watch(struct lined_service *service, const char *prefix,
		     void (*changed)(const struct lined_registry_entry *entry,
				     bool here, void *arg),
		     void *arg);
/* Ends the watch. May be called by its callback. NULL is fine. */
LINED_API void lined_registry_unwatch(struct lined_registry_watch *watch);

LINED_END_DECLS

#endif
