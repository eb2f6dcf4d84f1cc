/* SPDX-License-Identifier: MIT */
/*
 * The bytes that a socket has to send: a list of segments, each with bytes of
 * its own or a part of a shared buffer. Keeps sends apart if the overflow
 * policy may drop them one by one; knows no limits and no sockets. An empty
 * queue has no memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include <lined/buffer.h>

#include "memory_ceiling.h"

/* The free segments of a dispatcher, kept for the next turn, and the account of
 * all memory of the dispatcher. A shared buffer in several queues is charged
 * once. */
struct send_pool {
	struct memory_account memory;
	struct segment *shared; /* for parts of shared buffers */
	struct segment *chunks; /* with room for CHUNK_ROOM bytes */
	unsigned shared_count, chunk_count;
};

struct send_queue {
	struct segment *first, *last;
	uint64_t bytes : 36;
	uint64_t count : 27; /* segments */
	/* A part of the first send was written: that send cannot be dropped. */
	uint64_t begun : 1;
};

/* The charge for a segment besides its bytes. */
#define SEND_QUEUE_SEGMENT_COST 48

/* Copies the pieces to `to`, one after the other. */
static inline void pieces_copy(char *to, const struct iovec *pieces,
			       size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (pieces[i].iov_len == 0)
			continue;
		memcpy(to, pieces[i].iov_base, pieces[i].iov_len);
		to += pieces[i].iov_len;
	}
}

void send_pool_fini(struct send_pool *pool);

static inline bool send_queue_is_empty(const struct send_queue *queue)
{
	return queue->first == NULL;
}

void send_queue_clear(struct send_queue *queue, struct send_pool *pool);

/* Charges the queue's memory to the pool, or takes the charge back. */
void send_queue_charge(struct send_queue *queue, struct send_pool *pool,
		       bool charge);

/*
 * Appends a copy of the pieces, `total` bytes together, as one send. `join`:
 * the send may share a segment with the one before it, because sends need not
 * be dropped one by one. If it fails, nothing is appended: -1 with ENOMEM or
 * EMSGSIZE.
 */
int send_queue_push(struct send_queue *queue, struct send_pool *pool,
		    const struct iovec *pieces, size_t count, size_t total,
		    bool join);

/* Appends part of a shared buffer: refers to it, or copies a short part.
 * -1/ENOMEM. */
int send_queue_push_shared(struct send_queue *queue, struct send_pool *pool,
			   struct lined_buffer *buffer, size_t offset,
			   size_t len, bool join);

/* Returns the bytes of the queue plus a cost for each segment: many short sends
 * take more memory than their bytes. The first segment is free, so that a send
 * of the whole limit fits into an empty queue. */
static inline size_t send_queue_cost(const struct send_queue *queue)
{
	size_t count = queue->count > 0 ? queue->count - 1 : 0;

	return queue->bytes + count * SEND_QUEUE_SEGMENT_COST;
}

/* Forbids dropping the last send, which must have been appended without `join`.
 */
void send_queue_keep(struct send_queue *queue);

/* Drops the oldest sends until the queue costs at most `cost`. Passes over
 * sends that are partly written or kept. Drops nothing if the rest of a partly
 * written send is longer than `cost`. Returns how many were dropped. */
unsigned send_queue_drop_oldest(struct send_queue *queue,
				struct send_pool *pool, size_t cost);

/* Notes when the last send was queued. */
void send_queue_stamp(struct send_queue *queue, uint32_t now_ms);

/* Drops the sends that were queued before time_ms. Passes over sends that are
 * partly written or kept. Returns how many were dropped. */
unsigned send_queue_drop_before(struct send_queue *queue,
				struct send_pool *pool, uint32_t time_ms);

/* Stores the first segments, at most max, in a vector. Returns how many. */
int send_queue_peek(const struct send_queue *queue, struct iovec *vector,
		    int max);

/* Removes the first `bytes` bytes, which were written. */
void send_queue_advance(struct send_queue *queue, struct send_pool *pool,
			size_t bytes);
