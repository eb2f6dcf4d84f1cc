/* SPDX-License-Identifier: MIT */
/*
 * Replicas, watches and the claims of clients. Nothing changes within a call
 * of the protocol: changes come in by registry_come() and registry_go(), in
 * the message phase.
 */
#include "config.h"

#include "threads/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/client.h"
#include "serve/instance.h"
#include "threads/registry_order.h"
#include "socket_hold.h"

/*
 * The seam to another order. An answer follows each claim: registry_come() on
 * every worker where it won, then registry_answer() on the claimant's; and
 * registry_go() on every worker after the release of one that won.
 */
struct registry_backend {
	void (*claim)(struct registry_claim *claim);
	void (*release)(struct registry_claim *claim);
};

static const struct registry_backend backend = {
	.claim = registry_order_claim,
	.release = registry_order_release,
};

struct lined_registry_watch {
	struct list link; /* registry_replica.watches */
	struct registry_replica *replica;
	struct lined_service *service;
	uint64_t since; /* is told of later changes */
	void (*changed)(const struct lined_registry_entry *entry, bool here,
			void *arg);
	void *arg;
	size_t len;
	char prefix[];
};

/* ---- life ------------------------------------------------------------- */

struct registry *registry_new(struct worker *workers, size_t count,
			      size_t primary)
{
	struct registry *registry;
	size_t i;

	registry = calloc(1, sizeof(*registry) +
				     count * sizeof(registry->replicas[0]));
	if (registry == NULL)
		return NULL;
	atomic_init(&registry->refs, 1);
	registry->count = count;
	registry->primary = primary;
	for (i = 0; i < count; i++) {
		struct registry_replica *replica = &registry->replicas[i];

		replica->registry = registry;
		replica->worker = &workers[i];
		names_init(&replica->names);
		list_init(&replica->watches);
	}
	return registry;
}

void registry_unref(struct registry *registry)
{
	if (registry != NULL &&
	    atomic_fetch_sub_explicit(&registry->refs, 1,
				      memory_order_acq_rel) == 1)
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

static uint64_t counted(const uint64_t *counter)
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

		sum->claims += counted(&counters->claims);
		sum->won += counted(&counters->won);
		sum->lost += counted(&counters->lost);
	}
	sum->names =
		counted(&registry->replicas[registry->primary].counters.names);
}

void registry_member_init(struct registry_member *member)
{
	member->replica = NULL;
	member->left = false;
	list_init(&member->dead);
}

void registry_join(struct registry *registry, size_t worker,
		   struct lined_service *instance)
{
	instance->registry.replica = &registry->replicas[worker];
}

void registry_leave(struct lined_service *service)
{
	if (service->registry.left)
		return;
	service->registry.left = true;
	list_splice(&service->registry.dead,
		    &service->registry.replica->watches);
}

void registry_member_fini(struct registry_member *member)
{
	struct lined_registry_watch *watch, *next;

	list_for_each_safe(watch, next, &member->dead, link)
		free(watch);
	list_init(&member->dead);
}

/* ---- changes ---------------------------------------------------------- */

static struct lined_registry_entry entry_of(const struct registry_claim *claim)
{
	return (struct lined_registry_entry){
		.name = claim->name,
		.owner = claim->owner,
		.value = claim->value,
		.value_len = claim->value_len,
	};
}

static struct lined_registry_entry entry_of_name(struct name *name)
{
	return entry_of(
		lined_container_of(name, struct registry_copy, name)->claim);
}

static void tell(struct registry_replica *replica,
		 const struct registry_claim *claim, bool here)
{
	const struct lined_registry_entry entry = entry_of(claim);
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
		worker_enter(replica->worker, watch->service);
		watch->changed(&entry, here, watch->arg);
	}
	worker_leave(replica->worker);
	replica->cursor = NULL;
}

static void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

void registry_come(struct registry_replica *replica, struct registry_copy *copy)
{
	count(&replica->counters.names, 1);
	names_add(&replica->names, &copy->name, copy->claim->name);
	tell(replica, copy->claim, true);
}

void registry_go(struct registry_replica *replica, struct registry_copy *copy)
{
	count(&replica->counters.names, -(uint64_t)1);
	names_remove(&replica->names, &copy->name);
	tell(replica, copy->claim, false);
	registry_claim_unref(copy->claim);
}

/* ---- claims ----------------------------------------------------------- */

static bool is_waiting(const struct client *client)
{
	const struct registry_claim *claim;

	for (claim = client->claims; claim != NULL; claim = claim->next)
		if (!claim->answered)
			return true;
	return false;
}

/* Takes the claim from the client's list, and its reference. */
static void take_out(struct registry_claim *claim)
{
	struct registry_claim **at = &claim->client->claims;

	while (*at != claim)
		at = &(*at)->next;
	*at = claim->next;
	claim->client = NULL;
	registry_claim_unref(claim);
}

void registry_answer(struct registry_claim *claim)
{
	struct registry_counters *counters =
		&claim->registry->replicas[claim->from].counters;
	struct client *client = claim->client;
	struct worker *worker;
	struct lined_socket *sock;

	claim->answered = true;
	count(claim->won ? &counters->won : &counters->lost, 1);
	if (client == NULL)
		return;
	if (!claim->won || claim->releasing)
		take_out(claim);
	sock = client_socket(client);
	worker = client_service(client)->worker;
	if (!is_waiting(client))
		socket_unhold(sock, CLIENT_HOLD_CLAIM);
	worker_enter(worker, client_service(client));
	claim->claimed(sock, claim->arg, claim->won);
	worker_leave(worker);
}

static struct registry_claim *claim_new(struct registry *registry, size_t from,
					const char *name, const void *value,
					size_t value_len)
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

int lined_registry_claim(struct lined_service *service,
			 struct lined_socket *sock, const char *name,
			 const void *value, size_t value_len,
			 void (*claimed)(struct lined_socket *client, void *arg,
					 bool won),
			 void *arg)
{
	size_t len = strnlen(name, LINED_REGISTRY_NAME_MAX + 1);
	struct client *client = client_of(sock);
	struct registry_claim *claim;

	if (len == 0 || len > LINED_REGISTRY_NAME_MAX ||
	    value_len > LINED_REGISTRY_VALUE_MAX) {
		errno = EINVAL;
		return -1;
	}
	claim = claim_new(service->registry.replica->registry,
			  service->worker->index, name, value, value_len);
	if (claim == NULL)
		return -1;
	claim->owner = client->id;
	claim->claimed = claimed;
	claim->arg = arg;
	claim->client = client;
	claim->next = client->claims;
	client->claims = claim;
	socket_hold(sock, CLIENT_HOLD_CLAIM);
	count(&service->registry.replica->counters.claims, 1);
	backend.claim(claim);
	return 0;
}

static void release(struct registry_claim *claim)
{
	if (claim->releasing)
		return;
	claim->releasing = true;
	backend.release(claim);
}

void lined_registry_release(struct lined_service *service,
			    struct lined_socket *sock, const char *name)
{
	struct registry_claim *claim, *next;

	(void)service;
	for (claim = client_of(sock)->claims; claim != NULL; claim = next) {
		next = claim->next;
		if (strcmp(claim->name, name) != 0)
			continue;
		release(claim);
		/* One that waits stays until its answer has been given. */
		if (claim->answered)
			take_out(claim);
	}
}

void registry_client_gone(struct client *client)
{
	while (client->claims != NULL) {
		release(client->claims);
		take_out(client->claims);
	}
}

/* ---- looking ---------------------------------------------------------- */

void lined_registry_list(struct lined_service *service, const char *prefix,
			 void (*visit)(const struct lined_registry_entry *entry,
				       void *arg),
			 void *arg)
{
	size_t len = strlen(prefix);
	struct name *name;

	for (name = names_from(&service->registry.replica->names, prefix);
	     name != NULL && strncmp(name->text, prefix, len) == 0;
	     name = name->next[0]) {
		const struct lined_registry_entry entry = entry_of_name(name);

		visit(&entry, arg);
	}
}

bool lined_registry_find(struct lined_service *service, const char *text,
			 struct lined_registry_entry *entry)
{
	struct name *name = names_find(&service->registry.replica->names, text);

	if (name == NULL)
		return false;
	*entry = entry_of_name(name);
	return true;
}

struct lined_registry_watch *
lined_registry_watch(struct lined_service *service, const char *prefix,
		     void (*changed)(const struct lined_registry_entry *entry,
				     bool here, void *arg),
		     void *arg)
{
	struct registry_replica *replica = service->registry.replica;
	size_t len = strlen(prefix);
	struct lined_registry_watch *watch;

	if (service->registry.left) {
		errno = ESHUTDOWN;
		return NULL;
	}
	watch = malloc(sizeof(*watch) + len + 1);
	if (watch == NULL)
		return NULL;
	watch->replica = replica;
	watch->service = service;
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
