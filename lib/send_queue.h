/* SPDX-License-Identifier: MIT */
/*
 * The bytes that a socket has to send: a list of segments, each with bytes of
 * its own or a part of a shared buffer. Keeps sends apart if the overflow
 * policy may drop them one by one; knows no limits and no sockets. An empty
 * queue has no memory.
 */
#ifndef SEND_QUEUE_H
#define SEND_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <lined/buffer.h>

/* The free segments of a dispatcher, kept for the next turn. */
struct send_pool {
	struct segment *shared; /* for parts of shared buffers */
	struct segment *chunks; /* with room for CHUNK_ROOM bytes */
	unsigned shared_count, chunk_count;
};

struct send_queue {
	struct segment *first, *last;
	size_t bytes : sizeof(size_t) * 8 - 1;
	/* A part of the first send was written: that send cannot be dropped. */
	size_t begun : 1;
};

void send_pool_fini(struct send_pool *pool);

static inline bool send_queue_is_empty(const struct send_queue *queue)
{
	return queue->first == NULL;
}

/* Drops everything. */
void send_queue_clear(struct send_queue *queue, struct send_pool *pool);

/*
 * Appends a copy of the pieces, total bytes, as one send. `join`: the send may
 * share a segment with the one before it, because sends need not be dropped one
 * by one. -1/ENOMEM, and then nothing was appended.
 */
int send_queue_push(struct send_queue *queue, struct send_pool *pool,
		    const struct iovec *pieces, size_t count, size_t total,
		    bool join);

/* Appends part of a shared buffer and takes a reference. -1/ENOMEM. */
int send_queue_push_shared(struct send_queue *queue, struct send_pool *pool,
			   struct lined_buffer *buffer, size_t offset,
			   size_t len, bool join);

/*
 * Drops the oldest sends until at most `bytes` are queued, but not a send that
 * is partly written; drops nothing if the rest of that one is longer. Returns
 * how many were dropped.
 */
unsigned send_queue_drop_oldest(struct send_queue *queue,
				struct send_pool *pool, size_t bytes);

/* Stores the first segments, at most max, in a vector. Returns how many. */
int send_queue_peek(const struct send_queue *queue, struct iovec *vector,
		    int max);

/* Removes the first `bytes` bytes, which were written. */
void send_queue_advance(struct send_queue *queue, struct send_pool *pool,
			size_t bytes);

#endif
