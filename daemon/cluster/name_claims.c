/* SPDX-License-Identifier: MIT */
/*
 * Decides which claim has which name. name_settle() compares this node's claim
 * of a name with the bucket's entry and takes the next step. While a request is
 * under way, the name only follows the bucket.
 */
#include "config.h"

#include "cluster/name_claims.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* A claim that waits until the previous claim of its name has ended. */
struct name_waiter {
	struct name_waiter *next;
	void *claim;
	struct names_value value;
};

struct name {
	const char *key;         /* must be first, see name_compare() */
	struct list link;        /* names.all */
	struct list answer_link; /* names.pending or names.awaiting */

	/* This node's claim. */
	void *claim;
	struct names_value own;
	bool held;   /* the claim has won */
	bool ending; /* the claim is being released */
	struct name_waiter *waiters;

	/* The bucket's entry as last received. */
	bool stored;
	uint64_t revision; /* the last revision of the key; 0: none */
	struct names_value entry;

	/* Another node's claim, as the workers know it. */
	void *remote;
	uint64_t remote_node, remote_since, remote_owner;

	uint64_t tag;   /* request under way; 0: none */
	uint64_t await; /* no step before this revision is received */
};

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct name *name_find(const struct names *names, const char *key)
{
	void *node = tfind(&key, &names->tree, name_compare);

	return node != NULL ? *(struct name **)node : NULL;
}

static struct name *name_get(struct names *names, const char *key)
{
	struct name *name = name_find(names, key);
	size_t size = strlen(key) + 1;

	if (name != NULL)
		return name;
	name = calloc(1, sizeof(*name) + size);
	if (name == NULL)
		return NULL;
	name->key = memcpy(name + 1, key, size);
	list_init(&name->answer_link);
	if (tsearch(name, &names->tree, name_compare) == NULL) {
		free(name);
		return NULL;
	}
	list_append(&names->all, &name->link);
	names->count++;
	return name;
}

static void name_free(struct names *names, struct name *name)
{
	tdelete(name, &names->tree, name_compare);
	names->count--;
	list_remove(&name->link);
	list_remove(&name->answer_link);
	free((void *)(uintptr_t)name->own.data);
	free((void *)(uintptr_t)name->entry.data);
	free(name);
}

static int name_copy_value(struct names_value *to,
			   const struct names_value *from)
{
	char *data = malloc(from->len + 1);

	if (data == NULL)
		return -1;
	if (from->len > 0)
		memcpy(data, from->data, from->len);
	free((void *)(uintptr_t)to->data);
	*to = *from;
	to->data = data;
	return 0;
}

/* ---- requests ----------------------------------------------------------- */

static void name_ask(struct names *names, struct name *name)
{
	name->tag = ++names->tags;
	list_remove(&name->answer_link); /* the name may be in names.awaiting */
	list_append(&names->pending, &name->answer_link);
}

static void name_store(struct names *names, struct name *name)
{
	name_ask(names, name);
	names->ops->store(names, name->key, &name->own, name->revision,
			  name->tag);
}

static void name_erase(struct names *names, struct name *name)
{
	name_ask(names, name);
	names->ops->erase(names, name->key, name->revision, name->tag);
}

/* ---- settling ----------------------------------------------------------- */

/* Ends the claim and reports the result. */
static void name_end_claim(struct names *names, struct name *name, bool lost)
{
	void *claim = name->claim;
	bool held = name->held, ending = name->ending;

	name->claim = NULL;
	name->held = name->ending = false;
	if (!held)
		names->ops->refused(names, claim);
	else if (lost && !ending)
		names->ops->lost(names, claim);
	else
		names->ops->released(names, claim);
	names->taken += held && lost;
}

static void name_win(struct names *names, struct name *name)
{
	name->held = true;
	names->ops->won(names, name->claim);
}

/* theirs: shows the other node's claim to the workers, in place of the claim
 * shown before. Otherwise only removes the claim shown before. */
static void name_show(struct names *names, struct name *name, bool theirs)
{
	const struct names_value *entry = &name->entry;

	if (name->remote != NULL &&
	    (!theirs || name->remote_node != entry->node ||
	     name->remote_since != entry->since ||
	     name->remote_owner != entry->owner)) {
		names->ops->gone(names, name->remote);
		name->remote = NULL;
	}
	if (!theirs || name->remote != NULL)
		return;
	name->remote = names->ops->came(names, name->key, entry);
	name->remote_node = entry->node;
	name->remote_since = entry->since;
	name->remote_owner = entry->owner;
}

static bool name_is_earlier(const struct names_value *a,
			    const struct names_value *b)
{
	return a->since != b->since ? a->since < b->since : a->node < b->node;
}

static bool name_is_stored(const struct name *name)
{
	return name->entry.owner == name->own.owner &&
	       name->entry.since == name->own.since;
}

static void name_settle_joined(struct names *names, struct name *name)
{
	bool theirs = name->stored && name->entry.node != names->node;
	bool own = name->stored && !theirs;

	if (theirs && name->claim != NULL) {
		if (name->held && !name->ending &&
		    name_is_earlier(&name->own, &name->entry)) {
			name_store(names, name);
			return;
		}
		name_end_claim(names, name, true);
	}
	name_show(names, name, theirs);
	if (name->claim == NULL) {
		if (own) /* the claim ended while this node was alone */
			name_erase(names, name);
	} else if (own && name_is_stored(name)) {
		if (!name->held && !name->ending)
			name_win(names, name);
		if (name->ending)
			name_erase(names, name);
	} else if (name->ending) {
		name_end_claim(names, name, false);
		if (own)
			name_erase(names, name);
	} else {
		name_store(names, name);
	}
}

/* While a request is under way no other request is made, but the bucket's
 * changes are shown at once: this keeps the order of changes across names. */
static void name_follow(struct names *names, struct name *name)
{
	bool theirs = name->stored && name->entry.node != names->node;
	bool own = name->stored && !theirs;

	if (name->claim != NULL && name->held) {
		if (!name->ending || own)
			return;
		name_end_claim(names, name, theirs);
	}
	name_show(names, name, theirs);
	if (name->claim != NULL && !name->ending && own && name_is_stored(name))
		name_win(names, name);
}

static void name_settle_alone(struct names *names, struct name *name)
{
	if (name->claim == NULL)
		return;
	if (name->ending || (!name->held && name->remote != NULL))
		name_end_claim(names, name, false);
	else if (!name->held)
		name_win(names, name);
}

/* Refuses the waiting claim at *at and removes it from the list. */
static void name_refuse_waiter(struct names *names, struct name_waiter **at)
{
	struct name_waiter *waiter = *at;

	*at = waiter->next;
	names->ops->refused(names, waiter->claim);
	free((void *)(uintptr_t)waiter->value.data);
	free(waiter);
}

static void name_refuse_waiters(struct names *names, struct name *name)
{
	while (name->waiters != NULL)
		name_refuse_waiter(names, &name->waiters);
}

/* Makes the next waiting claim the current one. False: none waits, or the
 * current claim or request has not ended. */
static bool name_take_waiter(struct name *name)
{
	struct name_waiter *waiter = name->waiters;

	if (waiter == NULL || name->claim != NULL || name->tag != 0)
		return false;
	name->waiters = waiter->next;
	free((void *)(uintptr_t)name->own.data);
	name->claim = waiter->claim;
	name->own = waiter->value;
	name->held = name->ending = false;
	free(waiter);
	return true;
}

/* Takes the next steps for a name. May free the name. */
static void name_settle(struct names *names, struct name *name)
{
	if (names->mode == NAMES_WAITING)
		return;
	do {
		if (names->mode == NAMES_ALONE)
			name_settle_alone(names, name);
		else if (name->tag == 0 && name->await <= names->applied)
			name_settle_joined(names, name);
		else
			name_follow(names, name);
	} while (name_take_waiter(name));
	if (name->claim != NULL && !name->ending)
		name_refuse_waiters(names, name);
	if (name->claim == NULL && !name->stored && name->remote == NULL &&
	    name->tag == 0 && name->await <= names->applied)
		name_free(names, name);
}

static void names_settle_all(struct names *names)
{
	struct name *name, *next;

	list_for_each_safe(name, next, &names->all, link)
		name_settle(names, name);
}

/* ---- claims ------------------------------------------------------------- */

void names_init(struct names *names, const struct names_ops *ops, uint64_t node)
{
	memset(names, 0, sizeof(*names));
	names->ops = ops;
	names->node = node;
	list_init(&names->all);
	list_init(&names->pending);
	list_init(&names->awaiting);
}

void names_fini(struct names *names)
{
	struct name *name, *next;

	list_for_each_safe(name, next, &names->all, link)
		name_free(names, name);
}

static int name_wait(struct name *name, const struct names_value *value,
		     void *claim)
{
	struct name_waiter **at = &name->waiters;
	struct name_waiter *waiter = calloc(1, sizeof(*waiter));

	if (waiter == NULL || name_copy_value(&waiter->value, value) < 0) {
		free(waiter);
		return -1;
	}
	waiter->claim = claim;
	while (*at != NULL)
		at = &(*at)->next;
	*at = waiter;
	return 0;
}

int names_claim(struct names *names, const char *key,
		const struct names_value *value, void *claim)
{
	struct name *name = name_get(names, key);
	struct names_value own = *value;

	if (name == NULL)
		return -1;
	own.node = names->node;
	if (name_wait(name, &own, claim) < 0) {
		name_settle(names, name);
		return -1;
	}
	name_take_waiter(name);
	name_settle(names, name);
	return 0;
}

void names_release(struct names *names, const char *key, void *claim)
{
	struct name *name = name_find(names, key);
	struct name_waiter **at;

	if (name == NULL)
		return;
	if (name->claim == claim) {
		name->ending = true;
		name_settle(names, name);
		return;
	}
	for (at = &name->waiters; *at != NULL; at = &(*at)->next)
		if ((*at)->claim == claim) {
			name_refuse_waiter(names, at);
			return;
		}
}

/* ---- the broker's events ------------------------------------------------ */

void names_begin(struct names *names)
{
	struct name *name;

	names->applied = 0;
	list_for_each(name, &names->all, link) {
		name->stored = false;
		name->revision = 0;
	}
}

/* Settles names that waited because the answer came before the bucket's event.
 */
static void names_settle_awaiting(struct names *names)
{
	while (!list_is_empty(&names->awaiting)) {
		struct name *name = list_entry(names->awaiting.next,
					       struct name, answer_link);

		if (name->await > names->applied)
			return;
		list_remove(&name->answer_link);
		name_settle(names, name);
	}
}

void names_listed(struct names *names, uint64_t revision)
{
	if (names->applied < revision)
		names->applied = revision;
}

static void names_told(struct names *names, struct name *name,
		       uint64_t revision)
{
	names_listed(names, revision);
	if (name != NULL) {
		name->revision = revision;
		if (names->mode == NAMES_JOINED)
			name_settle(names, name);
	}
	if (names->mode == NAMES_JOINED)
		names_settle_awaiting(names);
}

void names_stored(struct names *names, const char *key, uint64_t revision,
		  const struct names_value *value)
{
	struct name *name = name_get(names, key);

	if (name != NULL)
		name->stored = name_copy_value(&name->entry, value) == 0;
	names_told(names, name, revision);
}

void names_erased(struct names *names, const char *key, uint64_t revision)
{
	struct name *name = name_find(names, key);

	if (name != NULL)
		name->stored = false;
	names_told(names, name, revision);
}

void names_join(struct names *names)
{
	names->mode = NAMES_JOINED;
	names_settle_all(names);
}

void names_part(struct names *names)
{
	struct name *name;

	names->mode = NAMES_ALONE;
	list_for_each(name, &names->all, link) {
		name->tag = name->await = 0;
		list_remove(&name->answer_link);
	}
	names_settle_all(names);
}

void names_answered(struct names *names, uint64_t tag, uint64_t revision,
		    bool done)
{
	struct name *name;

	list_for_each(name, &names->pending, answer_link)
		if (name->tag == tag)
			break;
	if (&name->answer_link == &names->pending)
		return;
	/* This node already knew that the key has no entry: do not retry at
	 * once. */
	if (!done && revision == 0 && name->revision == 0)
		return;
	list_remove(&name->answer_link);
	name->tag = 0;
	name->await = revision;
	if (revision > names->applied) {
		list_append(&names->awaiting, &name->answer_link);
		return;
	}
	/* The revision belongs to a delete marker: the entry was erased before
	 * the listing, or purged. */
	if (!done && !name->stored)
		name->revision = revision;
	name_settle(names, name);
}

void names_ask_again(struct names *names)
{
	uint64_t before = names->asked;

	names->asked = names->tags;
	while (!list_is_empty(&names->pending)) {
		struct name *name = list_entry(names->pending.next, struct name,
					       answer_link);

		if (name->tag > before)
			return;
		list_remove(&name->answer_link);
		name->tag = 0;
		name_settle(names, name);
	}
}

/* ---- services and nodes that come and go -------------------------------- */

void names_move(struct names *names, const char *prefix)
{
	struct name *name, *next;

	list_for_each_safe(name, next, &names->all, link) {
		if (strncmp(name->key, prefix, strlen(prefix)) != 0)
			continue;
		if (name->remote != NULL) {
			name_show(names, name, false);
			name_show(names, name,
				  name->stored &&
					  name->entry.node != names->node);
		} else if (names->mode == NAMES_JOINED) {
			name_settle(names, name);
		}
	}
}

void names_end(struct names *names, const char *prefix)
{
	struct name *name, *next;

	list_for_each_safe(name, next, &names->all, link) {
		if (strncmp(name->key, prefix, strlen(prefix)) != 0)
			continue;
		name_show(names, name, false);
		name_refuse_waiters(names, name);
		name->ending = name->claim != NULL;
		name_settle(names, name);
	}
}

void names_forget(struct names *names)
{
	struct name *name;

	if (names->mode != NAMES_ALONE)
		return;
	list_for_each(name, &names->all, link)
		name_show(names, name, false);
	names_settle_all(names);
}

void names_clean(struct names *names,
		 bool (*is_alive)(void *arg, uint64_t node), void *arg)
{
	struct name *name;

	list_for_each(name, &names->all, link)
		if (name->stored && name->tag == 0 &&
		    name->entry.node != names->node &&
		    !is_alive(arg, name->entry.node))
			name_erase(names, name);
}
