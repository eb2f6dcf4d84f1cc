/* SPDX-License-Identifier: MIT */
/*
 * The registry: names that are known on every worker, each with an owner (a
 * client) and a small value: "this nickname is taken", "who is here".
 * Each service has its own. Names die with their owner.
 *
 * One order for all: every worker sees the same claims win and the same
 * changes in the same order. What the owner's worker publishes on the bus when
 * it has been told of a change comes to the others behind the change. Thread:
 * the service's worker.
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

/* An entry as list and watch show it; borrowed for the call. */
struct lined_registry_entry {
	const char *name;
	uint64_t owner; /* lined_client_id() */
	const char *value;
	size_t value_len;
};

/*
 * Claims a name for a client if nobody has it. The answer comes later, once:
 * claimed(client, arg, won), never within this call. Meanwhile the client's
 * reading is paused (and resumed before the answer), so that what it sends next
 * finds the answer given. A client that goes away meanwhile gets no answer and
 * its claim is released. -1 with errno: EINVAL (name, value), ENOMEM, and then
 * no answer comes.
 */
LINED_API int lined_registry_claim(
	struct lined_service *service, struct lined_socket *client,
	const char *name, const void *value, size_t value_len,
	void (*claimed)(struct lined_socket *client, void *arg, bool won),
	void *arg);

/* Gives a name of this client back; a name that it does not own is left alone.
 * Takes effect in the common order, after earlier claims of this worker. */
LINED_API void lined_registry_release(struct lined_service *service,
				      struct lined_socket *client,
				      const char *name);

/* Calls visit for each entry whose name begins with prefix, sorted by name, as
 * this worker knows them now. */
LINED_API void lined_registry_list(
	struct lined_service *service, const char *prefix,
	void (*visit)(const struct lined_registry_entry *entry, void *arg),
	void *arg);

/* The entry of that name as this worker knows it now: true and *entry. */
LINED_API bool lined_registry_find(struct lined_service *service,
				   const char *name,
				   struct lined_registry_entry *entry);

/*
 * Calls changed for each entry under the prefix that comes (`here`) or goes
 * from now on, on this worker, in the common order. NULL with errno: ENOMEM,
 * ESHUTDOWN (after stop).
 */
LINED_API struct lined_registry_watch *
lined_registry_watch(struct lined_service *service, const char *prefix,
		     void (*changed)(const struct lined_registry_entry *entry,
				     bool here, void *arg),
		     void *arg);
LINED_API void lined_registry_unwatch(struct lined_registry_watch *watch);

LINED_END_DECLS

#endif
