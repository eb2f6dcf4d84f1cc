/* SPDX-License-Identifier: MIT */
/*
 * The registry: names known to all workers, such as nicknames in use, each with
 * an owner (a client) and a small value. Each service has its own registry. A
 * name is released when its owner closes.
 *
 * On every worker the same claims win, and changes arrive in the same order. If
 * the owner's worker has seen a change and then publishes a message on the bus,
 * the other workers see the change before the message. Thread: the service's
 * worker.
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

/* A name in the registry. Borrowed: valid until visit() or changed() returns;
 * after lined_registry_find(), until the protocol's callback returns. */
struct lined_registry_entry {
	const char *name;
	uint64_t owner; /* lined_client_id() */
	const char *value;
	size_t value_len;
};

/*
 * Claims a name for a client; the claim wins if no client has the name. The
 * answer is one later call, never within this one: claimed(client, arg, won).
 * Until then the client is not read, so that its next line is handled after the
 * answer. If the client closes first, there is no answer, and the claim is
 * released. The value is copied. After a failure no answer follows. -1 with
 * errno: EINVAL (the name is empty or too long, or the value is too long),
 * ENOMEM.
 */
LINED_API int lined_registry_claim(
	struct lined_service *service, struct lined_socket *client,
	const char *name, const void *value, size_t value_len,
	void (*claimed)(struct lined_socket *client, void *arg, bool won),
	void *arg);

/*
 * Sets the function for clients of this instance that lose a name. In a
 * cluster, two nodes that do not hear each other may give the same name to two
 * clients. When the nodes hear each other again, the earlier claim keeps the
 * name, and taken() is called for the other client, after the changed()
 * functions of all watches.
 */
LINED_API void lined_registry_on_taken(
	struct lined_service *service,
	void (*taken)(struct lined_socket *client, const char *name, void *arg),
	void *arg);

/* Releases a name of this client; does nothing if the client does not own the
 * name. The release takes effect later, after claims made earlier on this
 * worker. */
LINED_API void lined_registry_release(struct lined_service *service,
				      struct lined_socket *client,
				      const char *name);

/* Calls visit for each entry that this worker knows now and whose name begins
 * with the prefix, sorted by name. */
LINED_API void lined_registry_list(
	struct lined_service *service, const char *prefix,
	void (*visit)(const struct lined_registry_entry *entry, void *arg),
	void *arg);

/* Fills in *entry. False: this worker has no entry of that name now. */
LINED_API bool lined_registry_find(struct lined_service *service,
				   const char *name,
				   struct lined_registry_entry *entry);

/*
 * From now on calls changed for each entry that is added (here true) or removed
 * (here false) on this worker, if its name begins with the prefix. The watch
 * ends with lined_registry_unwatch() or with the instance. NULL with errno:
 * ENOMEM, ESHUTDOWN (after stop()).
 */
LINED_API struct lined_registry_watch *
lined_registry_watch(struct lined_service *service, const char *prefix,
		     void (*changed)(const struct lined_registry_entry *entry,
				     bool here, void *arg),
		     void *arg);
/* Ends the watch. changed() may call this. NULL is fine. */
LINED_API void lined_registry_unwatch(struct lined_registry_watch *watch);

LINED_END_DECLS

#endif
