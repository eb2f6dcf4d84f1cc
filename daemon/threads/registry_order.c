/* SPDX-License-Identifier: MIT */
/*
 * A claim goes to the service's primary worker, whose replica is the truth;
 * from there it goes to all replicas, the claimant's answer with it. Messages
 * of one worker to another keep their order, so all replicas change alike.
 *
 * The cancel functions run when the daemon ends, after all threads have: they
 * only give back memory, of whichever worker.
 */
#include "config.h"

#include "threads/registry_order.h"

static void deliver(struct registry *registry, size_t from, size_t to,
		    struct lined_message *message)
{
	struct lined_dispatcher *d = registry->replicas[to].worker->dispatcher;

	if (from == to)
		lined_dispatcher_defer(d, message);
	else if (lined_dispatcher_post(d, message) < 0)
		message->cancel(message);
}

static struct registry_replica *replica_of(struct registry_copy *copy)
{
	struct registry_claim *claim = copy->claim;

	return &claim->registry->replicas[copy - claim->copies];
}

/* ---- at a replica ------------------------------------------------------ */

static void come(struct lined_message *message)
{
	struct registry_copy *copy =
		lined_container_of(message, struct registry_copy, come);
	struct registry_claim *claim = copy->claim;

	registry_claim_ref(claim); /* a watcher may cause its release */
	registry_come(replica_of(copy), copy);
	if (copy == &claim->copies[claim->from])
		registry_answer(claim);
	registry_claim_unref(claim);
}

static void cancel_come(struct lined_message *message)
{
	registry_claim_unref(
		lined_container_of(message, struct registry_copy, come)->claim);
}

static void lost(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_copy, come)->claim;

	registry_answer(claim);
	registry_claim_unref(claim);
}

static void go(struct lined_message *message)
{
	struct registry_copy *copy =
		lined_container_of(message, struct registry_copy, go);
	struct registry_claim *claim = copy->claim;

	registry_go(replica_of(copy), copy);
	registry_claim_unref(claim);
}

static void forget(struct registry_copy *copy)
{
	if (!copy->name.linked)
		return;
	names_remove(&replica_of(copy)->names, &copy->name);
	registry_claim_unref(copy->claim);
}

static void cancel_go(struct lined_message *message)
{
	struct registry_copy *copy =
		lined_container_of(message, struct registry_copy, go);
	struct registry_claim *claim = copy->claim;

	forget(copy);
	registry_claim_unref(claim);
}

/* ---- at the primary worker --------------------------------------------- */

/*
 * To all other workers, the claimant's last: what it does about it, and tells
 * the others on the bus, then comes to them behind the change itself.
 */
static void deliver_to_others(struct registry_claim *claim, bool here)
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
		deliver(registry, primary, i, here ? &copy->come : &copy->go);
	}
}

static void decide_claim(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, claim);
	struct registry *registry = claim->registry;
	struct registry_copy *answer = &claim->copies[claim->from];
	size_t primary = registry->primary;

	claim->won = names_find(&registry->replicas[primary].names,
				claim->name) == NULL;
	if (!claim->won) {
		answer->come.handler = lost;
		if (claim->from == primary)
			lost(&answer->come);
		else
			deliver(registry, primary, claim->from, &answer->come);
		return; /* the reference went with the answer */
	}
	/* Ours last: what its watchers do then finds the others told. */
	deliver_to_others(claim, true);
	registry_claim_ref(claim);
	come(&claim->copies[primary].come);
	registry_claim_unref(claim);
}

static void decide_release(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, release);

	if (claim->won) {
		deliver_to_others(claim, false);
		registry_claim_ref(claim);
		go(&claim->copies[claim->registry->primary].go);
	}
	registry_claim_unref(claim);
}

static void cancel_claim(struct lined_message *message)
{
	registry_claim_unref(
		lined_container_of(message, struct registry_claim, claim));
}

static void cancel_release(struct lined_message *message)
{
	struct registry_claim *claim =
		lined_container_of(message, struct registry_claim, release);
	size_t i;

	for (i = 0; i < claim->registry->count; i++)
		forget(&claim->copies[i]);
	registry_claim_unref(claim);
}

/* ---- at the claimant's worker ------------------------------------------ */

void registry_order_claim(struct registry_claim *claim)
{
	struct registry *registry = claim->registry;
	size_t i;

	claim->claim.handler = decide_claim;
	claim->claim.cancel = cancel_claim;
	claim->release.handler = decide_release;
	claim->release.cancel = cancel_release;
	for (i = 0; i < registry->count; i++) {
		claim->copies[i].come.handler = come;
		claim->copies[i].come.cancel = cancel_come;
		claim->copies[i].go.handler = go;
		claim->copies[i].go.cancel = cancel_go;
	}
	registry_claim_ref(claim);
	deliver(registry, claim->from, registry->primary, &claim->claim);
}

void registry_order_release(struct registry_claim *claim)
{
	struct registry *registry = claim->registry;

	registry_claim_ref(claim);
	deliver(registry, claim->from, registry->primary, &claim->release);
}
