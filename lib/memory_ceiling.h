/* SPDX-License-Identifier: MIT */
/*
 * The memory that the sockets of a process hold (send queues with the segments
 * and shared buffers in them, input that waits for the rest of a line, TLS
 * sessions) and the memory that a program keeps for clients (keepers). Each
 * dispatcher counts its own with plain additions (struct memory_account).
 *
 * A ceiling on the sum of several dispatchers has steps: from 3/4 on, keepers
 * do not grow, and give up data that nobody waits for; from 7/8 on, a program
 * should accept no clients; at the ceiling sockets are closed, the socket that
 * holds most first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"

struct lined_buffer;
struct lined_dispatcher;
struct lined_socket;

/*
 * The count of one dispatcher. Only its thread adds to it, any thread may read
 * it. Bytes charged on one thread may be returned on another: a single count
 * may be negative, the sum is not.
 */
struct memory_account {
	int64_t held;
	int64_t kept;     /* by keepers, queued or not */
	int64_t check_at; /* memory_check() is due when `held` reaches this */
};

static inline void memory_charge(struct memory_account *account, int64_t bytes)
{
	__atomic_store_n(&account->held, account->held + bytes,
			 __ATOMIC_RELAXED);
}

/* Other threads may ask for a check, so check_at is atomic. */
static inline bool memory_is_due(const struct memory_account *account)
{
	return account->held >=
	       __atomic_load_n(&account->check_at, __ATOMIC_RELAXED);
}

/* The charge for a registered socket and its owner's memory, without queue and
 * input. */
#define MEMORY_SOCKET 768
/* The charge for a TLS session of OpenSSL 3.0, without buffers. */
#define MEMORY_TLS 14336
/* The highest charge for the ciphertext that waits in a TLS session. */
#define MEMORY_TLS_RESTS (160 * 1024)

/* Whether a socket may be closed for its memory. */
enum memory_closing {
	MEMORY_SPARE,
	MEMORY_CLOSE,
	/* Its owner keeps the bytes until handle_close. Until then no other
	 * socket of the dispatcher is closed for its memory. */
	MEMORY_CLOSE_AND_WAIT,
};

/* A ceiling and the dispatchers under it; zeroed, it has neither. */
struct memory_ceiling {
	uint64_t limit;    /* atomic; 0: there is no ceiling */
	uint64_t closed;   /* atomic: sockets that were closed */
	uint64_t given_up; /* atomic: bytes that keepers have given up */
	/* Called on the socket's thread. NULL: all are spared. */
	enum memory_closing (*may_close)(const struct lined_socket *sock);
	struct lined_dispatcher **dispatchers;
	size_t count;
};

/* Puts dispatchers, which may run already, under a ceiling that is off. Takes
 * over the array; memory_fini() frees it. */
void memory_init(struct memory_ceiling *memory,
		 struct lined_dispatcher **dispatchers, size_t count);
/* To be called when no dispatcher runs a turn any more. */
void memory_fini(struct memory_ceiling *memory);

/* Makes all dispatchers check the ceiling at the end of a turn. MT-safe. */
void memory_ask_all(struct memory_ceiling *memory);
/* Sets the ceiling, and makes all dispatchers check it. MT-safe. */
void memory_set_limit(struct memory_ceiling *memory, uint64_t limit);
uint64_t memory_limit(const struct memory_ceiling *memory);

/* The bytes that all dispatchers hold now, and those that their keepers keep.
 * MT-safe. */
uint64_t memory_held(const struct memory_ceiling *memory);
uint64_t memory_kept(const struct memory_ceiling *memory);

/* Whether 7/8 of the ceiling is reached: programs should accept no clients.
 * MT-safe. */
bool memory_is_near(const struct memory_ceiling *memory);

/*
 * Compares what all dispatchers hold with the ceiling. At the ceiling, first
 * writes output, then closes the largest socket of this dispatcher, with the
 * reason SLOW, and more if necessary. If another dispatcher may have a larger
 * socket, leaves the closing to that dispatcher for a short time. May be called
 * in any handler.
 */
void memory_check(struct lined_dispatcher *d);

/* Asks the keepers to give up memory, then calls memory_check(). To be called
 * at the end of a turn. */
void memory_check_turn(struct lined_dispatcher *d);

/* Charges what waits on a dispatcher, such as messages for other dispatchers; a
 * negative number returns the charge. */
void dispatcher_hold(struct lined_dispatcher *d, int64_t bytes);

/* ---- keepers ------------------------------------------------------------- */

/* Charges memory that a program keeps for the clients of a dispatcher; a
 * negative number returns the charge. */
void dispatcher_charge(struct lined_dispatcher *d, int64_t bytes);

/* Take and drop a reference to a buffer. A buffer is charged once, although it
 * may be kept and queued several times on this dispatcher. */
void dispatcher_keep(struct lined_dispatcher *d, struct lined_buffer *buffer);
void dispatcher_unkeep(struct lined_dispatcher *d, struct lined_buffer *buffer);

/* Whether keepers may take `bytes` more: up to 3/4 of the ceiling. */
bool dispatcher_may_keep(const struct lined_dispatcher *d, uint64_t bytes);

/* A member of an object that keeps memory on a dispatcher and can give it
 * up. */
struct memory_keeper {
	struct list link;
	/*
	 * Frees about `bytes` of the object's memory, the oldest data first. If
	 * `spare` is true, frees only data that nobody waits for. It is false
	 * if all keepers together keep more than 3/4 of the ceiling, for
	 * example because the ceiling was lowered. Called at the end of a turn.
	 */
	void (*give_up)(struct memory_keeper *keeper, uint64_t bytes,
			bool spare);
};

void dispatcher_add_keeper(struct lined_dispatcher *d,
			   struct memory_keeper *keeper);
void dispatcher_remove_keeper(struct memory_keeper *keeper);
