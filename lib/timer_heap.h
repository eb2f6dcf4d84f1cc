/* SPDX-License-Identifier: MIT */
/*
 * A 4-ary heap of due times. The owner of an entry has only a slot: the place
 * of the entry in the heap. The due time is kept in the entry, so that
 * comparing entries does not read the memory of their owners.
 */
#pragma once

#include <stdint.h>

/* The slot of an owner that has no entry. */
#define TIMER_UNARMED UINT32_MAX

struct timer_entry {
	uint64_t due_ms;
	uint32_t *slot;
};

struct timer_heap {
	struct timer_entry *entries;
	uint32_t count, room;
};

void timer_heap_fini(struct timer_heap *heap);

/* Inserts an entry, or moves it if it is there. -1/ENOMEM, on insertion only.
 */
int timer_heap_set(struct timer_heap *heap, uint32_t *slot, uint64_t due_ms);
/* Removes an entry, if it is there. */
void timer_heap_remove(struct timer_heap *heap, uint32_t *slot);

/* The due time of entries[0], the first; UINT64_MAX: there is none. */
static inline uint64_t timer_heap_due(const struct timer_heap *heap)
{
	return heap->count > 0 ? heap->entries[0].due_ms : UINT64_MAX;
}
