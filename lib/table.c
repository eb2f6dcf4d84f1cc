/* SPDX-License-Identifier: MIT */
/*
 * Stores entries by key. A table has a tree of tsearch(3), which libc keeps
 * balanced whatever the keys are, a list of its entries by last use, and a
 * timer for each entry that expires.
 */
#include "config.h"

#include <lined/table.h>

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "list.h"
#include "memory_ceiling.h"

/* The bytes that malloc() and the tree's node add to each cell. */
#define OVERHEAD 128

/* The key that the tree compares; the first member of a cell. */
struct key {
	const void *bytes;
	size_t len;
};

struct cell {
	struct key key;
	struct lined_table *table;
	struct lined_table_entry entry;
	struct list by_use;
	struct lined_timer timer;
	char bytes[];
};

struct lined_table {
	struct lined_dispatcher *dispatcher;
	void *root;
	struct list by_use; /* the least recently used first */
	size_t count, bytes, max_bytes;
	uint64_t evicted;
};

static int key_compare(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = len > 0 ? memcmp(x->bytes, y->bytes, len) : 0;

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* The bytes of a cell except its value, which dispatcher_keep() charges. */
static size_t cell_own_cost(const struct cell *cell)
{
	return sizeof(*cell) + cell->key.len + OVERHEAD;
}

static size_t cell_cost(const struct cell *cell)
{
	const struct lined_buffer *value = cell->entry.value;

	return cell_own_cost(cell) +
	       (value != NULL ? lined_buffer_len(value) : 0);
}

static void cell_free(struct cell *cell)
{
	struct lined_dispatcher *d = cell->table->dispatcher;

	lined_timer_stop(&cell->timer);
	if (cell->entry.value != NULL)
		dispatcher_unkeep(d, cell->entry.value);
	dispatcher_charge(d, -(int64_t)cell_own_cost(cell));
	free(cell);
}

static void cell_drop(struct cell *cell)
{
	struct lined_table *table = cell->table;

	tdelete(&cell->key, &table->root, key_compare);
	list_remove(&cell->by_use);
	table->count--;
	table->bytes -= cell_cost(cell);
	cell_free(cell);
}

static bool cell_has_expired(const struct cell *cell)
{
	return cell->entry.expires_ms != 0 &&
	       cell->entry.expires_ms <=
		       lined_dispatcher_now_ms(cell->table->dispatcher);
}

static void cell_expired(struct lined_timer *timer)
{
	cell_drop(lined_container_of(timer, struct cell, timer));
}

/* Evicts entries until `bytes` more fit, or none is left. */
static void table_make_room(struct lined_table *table, size_t bytes)
{
	while (!list_is_empty(&table->by_use) &&
	       (bytes > table->max_bytes ||
		table->bytes > table->max_bytes - bytes)) {
		cell_drop(list_entry(table->by_use.next, struct cell, by_use));
		table->evicted++;
	}
}

static struct cell *table_look_up(struct lined_table *table, const void *key,
				  size_t key_len)
{
	const struct key wanted = {key, key_len};
	struct cell **found = tfind(&wanted, &table->root, key_compare);
	struct cell *cell = found != NULL ? *found : NULL;

	/* The entry has expired, but its timer has not fired yet. */
	if (cell != NULL && cell_has_expired(cell)) {
		cell_drop(cell);
		return NULL;
	}
	return cell;
}

static struct cell *cell_new(struct lined_table *table, const void *key,
			     size_t key_len,
			     const struct lined_table_entry *entry)
{
	struct cell *cell = malloc(sizeof(*cell) + key_len);

	if (cell == NULL)
		return NULL;
	if (key_len > 0)
		memcpy(cell->bytes, key, key_len);
	cell->key = (struct key){cell->bytes, key_len};
	cell->table = table;
	cell->entry = *entry;
	dispatcher_charge(table->dispatcher, (int64_t)cell_own_cost(cell));
	if (entry->value != NULL)
		dispatcher_keep(table->dispatcher, entry->value);
	list_init(&cell->by_use);
	lined_timer_init(&cell->timer, table->dispatcher, cell_expired);
	return cell;
}

/* ---- the table ------------------------------------------------------- */

struct lined_table *lined_table_new(struct lined_dispatcher *dispatcher,
				    size_t max_bytes)
{
	struct lined_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->dispatcher = dispatcher;
	table->max_bytes = max_bytes;
	list_init(&table->by_use);
	return table;
}

void lined_table_free(struct lined_table *table)
{
	if (table == NULL)
		return;
	lined_table_clear(table);
	free(table);
}

void lined_table_clear(struct lined_table *table)
{
	while (!list_is_empty(&table->by_use))
		cell_drop(list_entry(table->by_use.next, struct cell, by_use));
}

void lined_table_set_max(struct lined_table *table, size_t max_bytes)
{
	table->max_bytes = max_bytes;
	table_make_room(table, 0);
}

int lined_table_put(struct lined_table *table, const void *key, size_t key_len,
		    const struct lined_table_entry *entry)
{
	uint64_t now_ms = lined_dispatcher_now_ms(table->dispatcher);
	uint64_t expires_ms = entry->expires_ms;
	/* Copy first: the key and the entry may be in the old cell. */
	struct cell *cell = cell_new(table, key, key_len, entry);
	struct cell *old = table_look_up(table, key, key_len);

	if (old != NULL)
		cell_drop(old);
	if (cell == NULL)
		return -1;
	if (cell_cost(cell) > table->max_bytes) {
		cell_free(cell);
		return fail_with(ENOBUFS);
	}
	table_make_room(table, cell_cost(cell));
	if ((expires_ms != 0 &&
	     lined_timer_start(&cell->timer,
			       expires_ms > now_ms ? expires_ms - now_ms : 0,
			       0) < 0) ||
	    tsearch(&cell->key, &table->root, key_compare) == NULL) {
		cell_free(cell);
		return fail_with(ENOMEM);
	}
	list_append(&table->by_use, &cell->by_use);
	table->count++;
	table->bytes += cell_cost(cell);
	return 0;
}

const struct lined_table_entry *
lined_table_find(struct lined_table *table, const void *key, size_t key_len)
{
	struct cell *cell = table_look_up(table, key, key_len);

	if (cell == NULL)
		return NULL;
	list_remove(&cell->by_use);
	list_append(&table->by_use, &cell->by_use);
	return &cell->entry;
}

int lined_table_remove(struct lined_table *table, const void *key,
		       size_t key_len)
{
	struct cell *cell = table_look_up(table, key, key_len);

	if (cell == NULL)
		return fail_with(ENOENT);
	cell_drop(cell);
	return 0;
}

/* The cursor keeps the next link, because the caller may remove the entry. */
bool lined_table_next(struct lined_table *table,
		      struct lined_table_cursor *cursor)
{
	struct list *link =
		cursor->next != NULL ? cursor->next : table->by_use.next;
	struct cell *cell;

	for (; link != &table->by_use; link = link->next) {
		cell = list_entry(link, struct cell, by_use);
		if (cell_has_expired(cell))
			continue; /* its timer removes it */
		cursor->key = cell->key.bytes;
		cursor->key_len = cell->key.len;
		cursor->entry = &cell->entry;
		cursor->next = link->next;
		return true;
	}
	cursor->next = link;
	return false;
}

size_t lined_table_len(const struct lined_table *table)
{
	return table->count;
}

size_t lined_table_bytes(const struct lined_table *table)
{
	return table->bytes;
}

uint64_t lined_table_take_evicted(struct lined_table *table)
{
	uint64_t evicted = table->evicted;

	table->evicted = 0;
	return evicted;
}
