/* SPDX-License-Identifier: MIT */
/*
 * A worker's replica: its copy of all names, its watches, and the messages with
 * which a backend changes it. Each message runs on the worker of its replica
 * and owns a reference to the claim. The backend changes names only in the
 * message phase, so they do not change during a call from the protocol.
 *
 * The cancel functions run when the daemon ends and all workers have stopped:
 * they only free memory, also that of other workers.
 */
#include "config.h"

#include "threads/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "counter.h"
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

/* Counts the copy of a claim as memory of the replica's worker, or ends this if
 * `charge` is false. The claim itself is counted once, together with the copy
 * on the primary worker. */
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

/* ---- the backend's messages -------------------------------------------- */

void registry_copy_deliver(struct registry *registry, size_t from, size_t to,
			   struct lined_message *message)
{
	struct lined_dispatcher *d = registry->replicas[to].worker->dispatcher;

	if (from == to)
		lined_dispatcher_defer(d, message);
	else if (lined_dispatcher_post(d, message) < 0)
		message->cancel(message);
}

static struct registry_replica *
registry_copy_replica(struct registry_copy *copy)
{
	struct registry_claim *claim = copy->claim;

	return &claim->registry->replicas[copy - claim->copies];
}

static bool registry_copy_is_claimants(const struct registry_copy *copy)
{
	const struct registry_claim *claim = copy->claim;

	return claim->from != REGISTRY_ELSEWHERE &&
	       copy == &claim->copies[claim->from];
}

void registry_copy_added(struct lined_message *message)
{
	struct registry_copy *copy =
		lined_container_of(message, struct registry_copy, add);
	struct registry_replica *replica = registry_copy_replica(copy);
	struct registry_claim *claim = copy->claim;

	registry_claim_ref(claim); /* a watch may release the claim */
	counter_add(&replica->counters.names, 1);
	registry_replica_charge(replica, claim, true);
	name_set_add(&replica->names, &copy->node, claim->name);
	registry_replica_notify(replica, claim, true);
	if (registry_copy_is_claimants(copy))
		registry_claim_answered(claim);
	registry_claim_unref(claim);
}

void registry_copy_refused(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_copy, add)->claim;

	registry_claim_answered(claim);
	registry_claim_unref(claim);
}

void registry_copy_removed(struct lined_message *message)
{
	struct registry_copy *copy =
		lined_container_of(message, struct registry_copy, remove);
	struct registry_replica *replica = registry_copy_replica(copy);
	struct registry_claim *claim = copy->claim;

	counter_add(&replica->counters.names, -(uint64_t)1);
	registry_replica_charge(replica, claim, false);
	name_set_remove(&replica->names, &copy->node);
	registry_replica_notify(replica, claim, false);
	registry_claim_unref(claim); /* the replica's reference */
	registry_claim_unref(claim);
}

void registry_copy_taken(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_copy, remove)
			->claim;

	registry_claim_ref(claim);
	registry_copy_removed(message);
	registry_claim_taken(claim);
	registry_claim_unref(claim);
}

static void registry_copy_add_cancelled(struct lined_message *message)
{
	registry_claim_unref(
		lined_container_of(message, struct registry_copy, add)->claim);
}

void registry_copy_forget(struct registry_copy *copy)
{
	if (!copy->node.linked)
		return;
	name_set_remove(&registry_copy_replica(copy)->names, &copy->node);
	registry_claim_unref(copy->claim);
}

static void registry_copy_remove_cancelled(struct lined_message *message)
{
	struct registry_copy *copy =
		lined_container_of(message, struct registry_copy, remove);
	struct registry_claim *claim = copy->claim;

	registry_copy_forget(copy);
	registry_claim_unref(claim);
}

void registry_copies_init(struct registry_claim *claim)
{
	size_t i;

	for (i = 0; i < claim->registry->count; i++) {
		struct registry_copy *copy = &claim->copies[i];

		copy->add.handler = registry_copy_added;
		copy->add.cancel = registry_copy_add_cancelled;
		copy->remove.handler = registry_copy_removed;
		copy->remove.cancel = registry_copy_remove_cancelled;
	}
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

void lined_registry_unwatch(struct lined_registry_watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->replica->cursor == &watch->link)
		watch->replica->cursor = watch->link.next;
	list_remove(&watch->link);
	free(watch);
}
