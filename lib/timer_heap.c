/* SPDX-License-Identifier: MIT */
/*
 * Sorts due times in a heap. timer.c fires the entries.
 */
#include "config.h"

#include "timer_heap.h"

#include <stdlib.h>

#define ARITY 4

void timer_heap_fini(struct timer_heap *heap)
{
	uint32_t i;

	for (i = 0; i < heap->count; i++)
		*heap->entries[i].slot = TIMER_UNARMED;
	free(heap->entries);
	heap->entries = NULL;
	heap->count = heap->room = 0;
}

static void timer_heap_place(struct timer_heap *heap, uint32_t slot,
			     struct timer_entry entry)
{
	heap->entries[slot] = entry;
	*entry.slot = slot;
}

static void timer_heap_sift_up(struct timer_heap *heap, uint32_t slot,
			       struct timer_entry entry)
{
	while (slot > 0) {
		uint32_t parent = (slot - 1) / ARITY;

		if (heap->entries[parent].due_ms <= entry.due_ms)
			break;
		timer_heap_place(heap, slot, heap->entries[parent]);
		slot = parent;
	}
	timer_heap_place(heap, slot, entry);
}

static void timer_heap_sift_down(struct timer_heap *heap, uint32_t slot,
				 struct timer_entry entry)
{
	for (;;) {
		uint32_t first = slot * ARITY + 1, least = first, i;

		if (first >= heap->count)
			break;
		for (i = first + 1; i < heap->count && i < first + ARITY; i++)
			if (heap->entries[i].due_ms <
			    heap->entries[least].due_ms)
				least = i;
		if (heap->entries[least].due_ms >= entry.due_ms)
			break;
		timer_heap_place(heap, slot, heap->entries[least]);
		slot = least;
	}
	timer_heap_place(heap, slot, entry);
}

static void timer_heap_settle(struct timer_heap *heap, uint32_t slot,
			      struct timer_entry entry)
{
	if (slot > 0 && heap->entries[(slot - 1) / ARITY].due_ms > entry.due_ms)
		timer_heap_sift_up(heap, slot, entry);
	else
		timer_heap_sift_down(heap, slot, entry);
}

static int timer_heap_grow(struct timer_heap *heap)
{
	/* Grows by half instead of doubling: each client with a deadline has an
	 * entry, and unused entries cost memory. */
	uint32_t room = heap->room + heap->room / 2 + 16;
	struct timer_entry *entries;

	entries = realloc(heap->entries, room * sizeof(*entries));
	if (entries == NULL)
		return -1;
	heap->entries = entries;
	heap->room = room;
	return 0;
}

int timer_heap_set(struct timer_heap *heap, uint32_t *slot, uint64_t due_ms)
{
	struct timer_entry entry = {due_ms, slot};

	if (*slot != TIMER_UNARMED) {
		timer_heap_settle(heap, *slot, entry);
		return 0;
	}
	if (heap->count == heap->room && timer_heap_grow(heap) < 0)
		return -1;
	heap->count++;
	timer_heap_sift_up(heap, heap->count - 1, entry);
	return 0;
}

void timer_heap_remove(struct timer_heap *heap, uint32_t *slot)
{
	uint32_t hole = *slot;
	struct timer_entry last;

	if (hole == TIMER_UNARMED)
		return;
	*slot = TIMER_UNARMED;
	last = heap->entries[--heap->count];
	if (hole < heap->count)
		timer_heap_settle(heap, hole, last);
}
