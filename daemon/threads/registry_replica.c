/* SPDX-License-Identifier: MIT */
/*
 * The messages with which a backend changes the replicas. Each runs on the
 * worker of its replica and owns a reference to the claim.
 *
 * The cancel functions run when the daemon ends and all workers have stopped:
 * they only free memory, for any worker.
 */
#include "config.h"

#include "threads/registry.h"

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
	struct registry_claim *claim = copy->claim;

	registry_claim_ref(claim); /* a watch may release the claim */
	registry_replica_add(registry_copy_replica(copy), copy);
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
	struct registry_claim *claim = copy->claim;

	registry_replica_remove(registry_copy_replica(copy), copy);
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
