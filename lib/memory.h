/* SPDX-License-Identifier: MIT */
/*
 * The memory that the sockets of a process hold: send queues with the segments
 * and shared buffers in them, input that waits for the rest of a line, TLS
 * sessions. Each dispatcher counts its own with plain additions (struct
 * memory_account). A ceiling on the sum of several dispatchers closes sockets,
 * the one that holds most first.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lined_dispatcher;
struct lined_socket;

/*
 * The count of one dispatcher. Only its thread adds to it, any thread may read
 * it. What was charged on one thread may be returned on another: a single count
 * may be negative, their sum is not.
 */
struct memory_account {
	int64_t held;
	int64_t check_at; /* from here on memory_check() is called */
};

static inline void memory_charge(struct memory_account *account, int64_t bytes)
{
	__atomic_store_n(&account->held, account->held + bytes,
			 __ATOMIC_RELAXED);
}

/* Other threads may ask for a check, so it is atomic. */
static inline bool memory_is_due(const struct memory_account *account)
{
	return account->held >=
	       __atomic_load_n(&account->check_at, __ATOMIC_RELAXED);
}

/* A ceiling and the dispatchers under it; zeroed, it has neither. */
struct memory {
	uint64_t limit;  /* atomic; 0: there is no ceiling */
	uint64_t closed; /* atomic: sockets that were closed */
	/* Whether a socket may be closed for its memory. Its thread. */
	bool (*may_close)(const struct lined_socket *sock);
	struct lined_dispatcher **dispatchers;
	size_t count;
};

/* Puts dispatchers under a ceiling, which is off; they may run already. Takes
 * the array, which is freed by memory_fini(). */
void memory_init(struct memory *memory, struct lined_dispatcher **dispatchers,
		 size_t count);
/* To be called when no dispatcher runs a turn any more. */
void memory_fini(struct memory *memory);

/* Makes all dispatchers check the ceiling at the end of a turn. MT-safe. */
void memory_ask_all(struct memory *memory);
/* Sets the ceiling and lets it be checked. MT-safe. */
void memory_set_limit(struct memory *memory, uint64_t limit);
uint64_t memory_limit(const struct memory *memory);

/* The bytes that all dispatchers hold now. MT-safe. */
uint64_t memory_held(const struct memory *memory);

/* Near the ceiling, from 7/8 of it on, a program should let nobody in.
 * MT-safe. */
bool memory_is_near(const struct memory *memory);

/*
 * Above the ceiling: first sends what can be sent, then closes sockets of this
 * dispatcher with the reason SLOW, as long as they hold more than those of the
 * others; otherwise the others are woken to do so. May be called in any
 * handler.
 */
void memory_check(struct lined_dispatcher *d);

/* Charges what a program keeps for the clients of a dispatcher; negative: it
 * was freed. */
void dispatcher_charge(struct lined_dispatcher *d, int64_t bytes);

#endif
