/* SPDX-License-Identifier: MIT */
/*
 * A registry and its replicas, with entries and watches. The backend changes
 * entries only in the message phase, so they do not change during a call from
 * the protocol. registry_claim.c handles the claims of clients.
 */
#include "config.h"

#include "threads/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory_ceiling.h"

struct lined_registry_watch {
	struct list link; /* registry_replica.watches */
	struct registry_replica *replica;
	uint64_t since; /* changed() reports only later changes */
	void (*changed)(const struct lined_registry_entry *entry, bool here,
			void *arg);
	void *arg;
	size_t len;
	char prefix[];
};

/* ---- life ------------------------------------------------------------- */

struct registry *registry_new(struct worker *workers, size_t count,
			      size_t primary,
			      const struct registry_backend *backend)
{
	struct registry *registry;
	size_t i;

	registry = calloc(1, sizeof(*registry) +
				     count * sizeof(registry->replicas[0]));
	if (registry == NULL)
		return NULL;
	atomic_init(&registry->refs, 1);
	registry->backend = backend;
	registry->count = count;
	registry->primary = primary;
	for (i = 0; i < count; i++) {
		struct registry_replica *replica = &registry->replicas[i];

		replica->registry = registry;
		replica->worker = &workers[i];
		name_set_init(&replica->names);
		list_init(&replica->watches);
	}
	return registry;
}

void registry_unref(struct registry *registry)
{
	if (registry == NULL ||
	    atomic_fetch_sub_explicit(&registry->refs, 1,
				      memory_order_acq_rel) != 1)
		return;
	if (registry->backend->freed != NULL)
		registry->backend->freed(registry->backend_link);
	free(registry);
}

void registry_claim_ref(struct registry_claim *claim)
{
	atomic_fetch_add_explicit(&claim->refs, 1, memory_order_relaxed);
}

void registry_claim_unref(struct registry_claim *claim)
{
	struct registry *registry = claim->registry;

	if (atomic_fetch_sub_explicit(&claim->refs, 1, memory_order_acq_rel) !=
	    1)
		return;
	free(claim);
	registry_unref(registry);
}

static uint64_t registry_counter(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void registry_count(const struct registry *registry,
		    struct registry_counters *sum)
{
	size_t i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < registry->count; i++) {
		const struct registry_counters *counters =
			&registry->replicas[i].counters;

		sum->claims += registry_counter(&counters->claims);
		sum->won += registry_counter(&counters->won);
		sum->lost += registry_counter(&counters->lost);
		sum->taken += registry_counter(&counters->taken);
	}
	sum->names = registry_counter(
		&registry->replicas[registry->primary].counters.names);
}

/* ---- members ---------------------------------------------------------- */

void registry_join(struct registry *registry, size_t worker,
		   struct registry_member *member,
		   const struct lined_service *instance)
{
	member->replica = &registry->replicas[worker];
	member->replica->instance = instance;
	member->left = false;
	list_init(&member->dead);
}

void registry_on_taken(struct registry_member *member,
		       void (*taken)(struct lined_socket *client,
				     const char *name, void *arg),
		       void *arg)
{
	member->replica->taken = taken;
	member->replica->taken_arg = arg;
}

void registry_member_leave(struct registry_member *member)
{
	if (member->left)
		return;
	member->left = true;
	member->replica->taken = NULL;
	list_splice(&member->dead, &member->replica->watches);
}

void registry_member_fini(struct registry_member *member)
{
	struct lined_registry_watch *watch, *next;

	list_for_each_safe(watch, next, &member->dead, link)
		free(watch);
	list_init(&member->dead);
}

/* ---- changes ---------------------------------------------------------- */

static struct lined_registry_entry
registry_entry_of(const struct registry_claim *claim)
{
	return (struct lined_registry_entry){
		.name = claim->name,
		.owner = claim->owner,
		.value = claim->value,
		.value_len = claim->value_len,
	};
}

static struct lined_registry_entry registry_entry_at(struct name_node *node)
{
	return registry_entry_of(
		lined_container_of(node, struct registry_copy, node)->claim);
}

static void registry_replica_notify(struct registry_replica *replica,
				    const struct registry_claim *claim,
				    bool here)
{
	const struct lined_registry_entry entry = registry_entry_of(claim);
	struct list *head = &replica->watches;
	uint64_t change = ++replica->changes;

	if (list_is_empty(head))
		return;
	replica->cursor = head->next;
	while (replica->cursor != head) {
		struct lined_registry_watch *watch = list_entry(
			replica->cursor, struct lined_registry_watch, link);

		replica->cursor = replica->cursor->next;
		if (change <= watch->since ||
		    strncmp(entry.name, watch->prefix, watch->len) != 0)
			continue;
		worker_enter(replica->worker, replica->instance);
		watch->changed(&entry, here, watch->arg);
	}
	worker_leave(replica->worker);
	replica->cursor = NULL;
}

static void registry_count_names(struct registry_replica *replica,
				 uint64_t change)
{
	uint64_t *names = &replica->counters.names;

	__atomic_store_n(names, *names + change, __ATOMIC_RELAXED);
}

/* Charges the copy of a claim. The copy on the primary worker is charged
 * together with the claim itself, so that the claim is charged once. */
static void registry_replica_charge(const struct registry_replica *replica,
				    const struct registry_claim *claim,
				    bool charge)
{
	const struct registry *registry = replica->registry;
	int64_t bytes = sizeof(struct registry_copy);

	if (replica == &registry->replicas[registry->primary])
		bytes += (int64_t)(sizeof(*claim) + strlen(claim->name) + 1 +
				   claim->value_len);
	dispatcher_charge(replica->worker->dispatcher, charge ? bytes : -bytes);
}

void registry_replica_add(struct registry_replica *replica,
			  struct registry_copy *copy)
{
	registry_count_names(replica, 1);
	registry_replica_charge(replica, copy->claim, true);
	name_set_add(&replica->names, &copy->node, copy->claim->name);
	registry_replica_notify(replica, copy->claim, true);
}

void registry_replica_remove(struct registry_replica *replica,
			     struct registry_copy *copy)
{
	registry_count_names(replica, -(uint64_t)1);
	registry_replica_charge(replica, copy->claim, false);
	name_set_remove(&replica->names, &copy->node);
	registry_replica_notify(replica, copy->claim, false);
	registry_claim_unref(copy->claim);
}

/* ---- looking ---------------------------------------------------------- */

void registry_list(struct registry_member *member, const char *prefix,
		   void (*visit)(const struct lined_registry_entry *entry,
				 void *arg),
		   void *arg)
{
	size_t len = strlen(prefix);
	struct name_node *node;

	for (node = name_set_from(&member->replica->names, prefix);
	     node != NULL && strncmp(node->text, prefix, len) == 0;
	     node = node->next[0]) {
		const struct lined_registry_entry entry =
			registry_entry_at(node);

		visit(&entry, arg);
	}
}

bool registry_find(const struct registry_member *member, const char *name,
		   struct lined_registry_entry *entry)
{
	struct name_node *node = name_set_find(&member->replica->names, name);

	if (node == NULL)
		return false;
	*entry = registry_entry_at(node);
	return true;
}

struct lined_registry_watch *
registry_watch(struct registry_member *member, const char *prefix,
	       void (*changed)(const struct lined_registry_entry *entry,
			       bool here, void *arg),
	       void *arg)
{
	struct registry_replica *replica = member->replica;
	size_t len = strlen(prefix);
	struct lined_registry_watch *watch;

	if (member->left) {
		errno = ESHUTDOWN;
		return NULL;
	}
	watch = malloc(sizeof(*watch) + len + 1);
	if (watch == NULL)
		return NULL;
	watch->replica = replica;
	watch->since = replica->changes;
	watch->changed = changed;
	watch->arg = arg;
	watch->len = len;
	memcpy(watch->prefix, prefix, len + 1);
	list_append(&replica->watches, &watch->link);
	return watch;
}

void registry_unwatch(struct lined_registry_watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->replica->cursor == &watch->link)
		watch->replica->cursor = watch->link.next;
	list_remove(&watch->link);
	free(watch);
}
