/* SPDX-License-Identifier: MIT */
/*
 * A claim is posted to the service's primary worker. The claim wins if the
 * primary's replica does not have the name. A claim that has won is posted to
 * all other workers. For the claimant's worker this is the answer. Messages
 * between two workers keep their order, so all replicas change in the same
 * order.
 *
 * The cancel functions run when the daemon ends and all workers have stopped:
 * they only free memory, also that of other workers.
 */
#include "config.h"

#include "threads/registry_arbiter.h"

/* ---- at the primary worker --------------------------------------------- */

/*
 * Posts the change to all workers except the primary. The claimant's worker
 * comes last. The claimant may publish on the bus at once, and that message
 * must not arrive anywhere before the change.
 */
static void arbiter_deliver_to_others(struct registry_claim *claim, bool added)
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
		registry_copy_deliver(registry, primary, i,
				      added ? &copy->add : &copy->remove);
	}
}

static void arbiter_decide_claim(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, claim);
	struct registry *registry = claim->registry;
	struct registry_copy *answer = &claim->copies[claim->from];
	size_t primary = registry->primary;

	claim->won = name_set_find(&registry->replicas[primary].names,
				   claim->name) == NULL;
	if (!claim->won) {
		answer->add.handler = registry_copy_refused;
		if (claim->from == primary)
			registry_copy_refused(&answer->add);
		else
			registry_copy_deliver(registry, primary, claim->from,
					      &answer->add);
		return; /* the answer took the reference */
	}
	/* The replica here changes last: what its watches publish must not
	 * arrive anywhere before the change. */
	arbiter_deliver_to_others(claim, true);
	registry_claim_ref(claim);
	registry_copy_added(&claim->copies[primary].add);
	registry_claim_unref(claim);
}

static void arbiter_decide_release(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, release);

	if (claim->won) {
		arbiter_deliver_to_others(claim, false);
		registry_claim_ref(claim);
		registry_copy_removed(
			&claim->copies[claim->registry->primary].remove);
	}
	registry_claim_unref(claim);
}

static void arbiter_claim_cancelled(struct lined_message *message)
{
	registry_claim_unref(
		lined_container_of(message, struct registry_claim, claim));
}

static void arbiter_release_cancelled(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, release);
	size_t i;

	for (i = 0; i < claim->registry->count; i++)
		registry_copy_forget(&claim->copies[i]);
	registry_claim_unref(claim);
}

/* ---- at the claimant's worker ------------------------------------------ */

static void arbiter_claim(struct registry_claim *claim)
{
	struct registry *registry = claim->registry;

	registry_copies_init(claim);
	claim->claim.handler = arbiter_decide_claim;
	claim->claim.cancel = arbiter_claim_cancelled;
	claim->release.handler = arbiter_decide_release;
	claim->release.cancel = arbiter_release_cancelled;
	registry_claim_ref(claim);
	registry_copy_deliver(registry, claim->from, registry->primary,
			      &claim->claim);
}

static void arbiter_release(struct registry_claim *claim)
{
	struct registry *registry = claim->registry;

	registry_claim_ref(claim);
	registry_copy_deliver(registry, claim->from, registry->primary,
			      &claim->release);
}

const struct registry_backend registry_arbiter = {
	.claim = arbiter_claim,
	.release = arbiter_release,
};
