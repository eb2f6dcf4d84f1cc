/* SPDX-License-Identifier: MIT */
/*
 * The claims of clients: made, answered, released. A claim that has won stays
 * in the client's list `pending`, because the client owns the name until it
 * releases the name or closes.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "counter.h"
#include "threads/registry.h"

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

struct registry_claim *registry_claim_new(struct registry *registry,
					  size_t from, const char *name,
					  const void *value, size_t value_len)
{
	size_t copies = registry->count * sizeof(struct registry_copy);
	size_t name_len = strlen(name), i;
	struct registry_claim *claim;
	char *bytes;

	claim = calloc(1, sizeof(*claim) + copies + name_len + 1 + value_len);
	if (claim == NULL)
		return NULL;
	bytes = (char *)(claim + 1) + copies;
	memcpy(bytes, name, name_len + 1);
	if (value_len > 0)
		memcpy(bytes + name_len + 1, value, value_len);
	atomic_init(&claim->refs, 1); /* the client's */
	claim->registry = registry;
	atomic_fetch_add_explicit(&registry->refs, 1, memory_order_relaxed);
	claim->from = from;
	claim->name = bytes;
	claim->value = bytes + name_len + 1;
	claim->value_len = value_len;
	for (i = 0; i < registry->count; i++)
		claim->copies[i].claim = claim;
	return claim;
}

/* Removes the claim from its client and drops the client's reference. */
static void registry_claim_part(struct registry_claim *claim)
{
	client_pending_end(&claim->pending);
	registry_claim_unref(claim);
}

static void registry_claim_release(struct registry_claim *claim)
{
	if (claim->releasing)
		return;
	claim->releasing = true;
	claim->registry->backend->release(claim);
}

static void registry_claim_client_gone(struct client_pending *pending)
{
	struct registry_claim *claim =
		lined_container_of(pending, struct registry_claim, pending);

	registry_claim_release(claim);
	registry_claim_unref(claim);
}

int registry_claim(struct registry_member *member, struct lined_socket *client,
		   struct client_pending **pending, uint64_t owner,
		   const char *name, const void *value, size_t value_len,
		   void (*claimed)(struct lined_socket *client, void *arg,
				   bool won),
		   void *arg)
{
	struct registry_replica *replica = member->replica;
	size_t len = strnlen(name, LINED_REGISTRY_NAME_MAX + 1);
	struct registry_claim *claim;

	if (len == 0 || len > LINED_REGISTRY_NAME_MAX ||
	    value_len > LINED_REGISTRY_VALUE_MAX) {
		errno = EINVAL;
		return -1;
	}
	claim = registry_claim_new(replica->registry, replica->worker->index,
				   name, value, value_len);
	if (claim == NULL)
		return -1;
	claim->owner = owner;
	claim->claimed = claimed;
	claim->arg = arg;
	client_pending_begin(&claim->pending, pending, client,
			     CLIENT_HOLD_CLAIM, registry_claim_client_gone);
	counter_add(&replica->counters.claims, 1);
	replica->registry->backend->claim(claim);
	return 0;
}

void registry_claim_answered(struct registry_claim *claim)
{
	struct registry_replica *replica =
		&claim->registry->replicas[claim->from];
	struct registry_counters *counters = &replica->counters;

	counter_add(claim->won ? &counters->won : &counters->lost, 1);
	if (!client_pending_is_open(&claim->pending))
		return;
	if (!claim->won || claim->releasing)
		registry_claim_part(claim); /* the caller has a reference */
	else
		client_pending_answered(&claim->pending);
	worker_enter(replica->worker, replica->instance);
	claim->claimed(claim->pending.sock, claim->arg, claim->won);
	worker_leave(replica->worker);
}

void registry_claim_taken(struct registry_claim *claim)
{
	struct registry_replica *replica =
		&claim->registry->replicas[claim->from];
	struct lined_socket *client = claim->pending.sock;

	counter_add(&replica->counters.taken, 1);
	if (claim->releasing || !client_pending_is_open(&claim->pending))
		return;
	claim->releasing = true;
	registry_claim_part(claim); /* the caller has a reference */
	if (replica->taken == NULL)
		return;
	worker_enter(replica->worker, replica->instance);
	replica->taken(client, claim->name, replica->taken_arg);
	worker_leave(replica->worker);
}

void registry_release(struct client_pending *first, const char *name)
{
	struct client_pending *pending, *next;

	for (pending = first; pending != NULL; pending = next) {
		struct registry_claim *claim = lined_container_of(
			pending, struct registry_claim, pending);

		next = pending->next;
		if (pending->gone != registry_claim_client_gone ||
		    strcmp(claim->name, name) != 0)
			continue;
		registry_claim_release(claim);
		/* A claim that is not answered yet stays until its answer. */
		if (pending->hold == 0)
			registry_claim_part(claim);
	}
}
