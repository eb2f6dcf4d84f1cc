/* SPDX-License-Identifier: MIT */
/*
 * A 4-ary heap by due time, of what each keeps its place in the heap in a slot
 * of its own: all that the heap knows of it. An entry holds its due time beside
 * the pointer, so that sifting compares without touching the owners.
 */
#ifndef TIMER_HEAP_H
#define TIMER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A slot that is not in the heap. */
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

/* Inserts, or moves where it is in. -1/ENOMEM on insertion. */
int timer_heap_set(struct timer_heap *heap, uint32_t *slot, uint64_t due_ms);
/* Does nothing where it is not in. */
void timer_heap_remove(struct timer_heap *heap, uint32_t *slot);

/* When this one, which is in, is due. */
uint64_t timer_heap_due_of(const struct timer_heap *heap, uint32_t slot);

/* When the first is due, entries[0]; UINT64_MAX where there is none. */
static inline uint64_t timer_heap_due(const struct timer_heap *heap)
{
	return heap->count > 0 ? heap->entries[0].due_ms : UINT64_MAX;
}

#endif
