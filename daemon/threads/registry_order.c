/* SPDX-License-Identifier: MIT */
/*
 * A claim is posted to the service's primary worker. It wins if the replica
 * there does not have the name, and is then posted to all other workers; for
 * the claimant's worker that is also the answer. Messages from one worker to
 * another keep their order, so all replicas change in the same order.
 *
 * The cancel functions run when the daemon ends and all workers have stopped:
 * they only free memory, and may do so for any worker.
 */
#include "config.h"

#include "threads/registry_order.h"

static void order_deliver(struct registry *registry, size_t from, size_t to,
			  struct lined_message *message)
{
	struct lined_dispatcher *d = registry->replicas[to].worker->dispatcher;

	if (from == to)
		lined_dispatcher_defer(d, message);
	else if (lined_dispatcher_post(d, message) < 0)
		message->cancel(message);
}

static struct registry_replica *order_replica(struct registry_copy *copy)
{
	struct registry_claim *claim = copy->claim;

	return &claim->registry->replicas[copy - claim->copies];
}

/* ---- at a replica ------------------------------------------------------ */

static void order_add(struct lined_message *message)
{
	struct registry_copy *copy =
		lined_container_of(message, struct registry_copy, add);
	struct registry_claim *claim = copy->claim;

	registry_claim_ref(claim); /* a watch may cause its release */
	registry_replica_add(order_replica(copy), copy);
	if (copy == &claim->copies[claim->from])
		registry_claim_answered(claim);
	registry_claim_unref(claim);
}

static void order_add_cancelled(struct lined_message *message)
{
	registry_claim_unref(
		lined_container_of(message, struct registry_copy, add)->claim);
}

static void order_lost(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_copy, add)->claim;

	registry_claim_answered(claim);
	registry_claim_unref(claim);
}

static void order_remove(struct lined_message *message)
{
	struct registry_copy *copy =
		lined_container_of(message, struct registry_copy, remove);
	struct registry_claim *claim = copy->claim;

	registry_replica_remove(order_replica(copy), copy);
	registry_claim_unref(claim);
}

static void order_forget(struct registry_copy *copy)
{
	if (!copy->node.linked)
		return;
	name_set_remove(&order_replica(copy)->names, &copy->node);
	registry_claim_unref(copy->claim);
}

static void order_remove_cancelled(struct lined_message *message)
{
	struct registry_copy *copy =
		lined_container_of(message, struct registry_copy, remove);
	struct registry_claim *claim = copy->claim;

	order_forget(copy);
	registry_claim_unref(claim);
}

/* ---- at the primary worker --------------------------------------------- */

/*
 * Posts the change to all workers but the primary, to the claimant's last. The
 * claimant may then publish on the bus: in another order its message could
 * arrive at a worker before the change.
 */
static void order_deliver_to_others(struct registry_claim *claim, bool added)
{
	struct registry *registry = claim->registry;
	size_t primary = registry->primary, k, i;

	for (k = 1; k <= registry->count; k++) {
		struct registry_copy *copy;

		i = (claim->from + k) % registry->count;
		if (i == primary)
			continue;
		copy = &claim->copies[i];
		registry_claim_ref(claim);
		order_deliver(registry, primary, i,
			      added ? &copy->add : &copy->remove);
	}
}

static void order_decide_claim(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, claim);
	struct registry *registry = claim->registry;
	struct registry_copy *answer = &claim->copies[claim->from];
	size_t primary = registry->primary;

	claim->won = name_set_find(&registry->replicas[primary].names,
				   claim->name) == NULL;
	if (!claim->won) {
		answer->add.handler = order_lost;
		if (claim->from == primary)
			order_lost(&answer->add);
		else
			order_deliver(registry, primary, claim->from,
				      &answer->add);
		return; /* the answer has taken the reference */
	}
	/* Here last, for the same reason. */
	order_deliver_to_others(claim, true);
	registry_claim_ref(claim);
	order_add(&claim->copies[primary].add);
	registry_claim_unref(claim);
}

static void order_decide_release(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, release);

	if (claim->won) {
		order_deliver_to_others(claim, false);
		registry_claim_ref(claim);
		order_remove(&claim->copies[claim->registry->primary].remove);
	}
	registry_claim_unref(claim);
}

static void order_claim_cancelled(struct lined_message *message)
{
	registry_claim_unref(
		lined_container_of(message, struct registry_claim, claim));
}

static void order_release_cancelled(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, release);
	size_t i;

	for (i = 0; i < claim->registry->count; i++)
		order_forget(&claim->copies[i]);
	registry_claim_unref(claim);
}

/* ---- at the claimant's worker ------------------------------------------ */

static void order_claim(struct registry_claim *claim)
{
	struct registry *registry = claim->registry;
	size_t i;

	claim->claim.handler = order_decide_claim;
	claim->claim.cancel = order_claim_cancelled;
	claim->release.handler = order_decide_release;
	claim->release.cancel = order_release_cancelled;
	for (i = 0; i < registry->count; i++) {
		claim->copies[i].add.handler = order_add;
		claim->copies[i].add.cancel = order_add_cancelled;
		claim->copies[i].remove.handler = order_remove;
		claim->copies[i].remove.cancel = order_remove_cancelled;
	}
	registry_claim_ref(claim);
	order_deliver(registry, claim->from, registry->primary, &claim->claim);
}

static void order_release(struct registry_claim *claim)
{
	struct registry *registry = claim->registry;

	registry_claim_ref(claim);
	order_deliver(registry, claim->from, registry->primary,
		      &claim->release);
}

const struct registry_backend registry_order = {
	.claim = order_claim,
	.release = order_release,
};
