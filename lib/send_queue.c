/* SPDX-License-Identifier: MIT */
/*
 * Queues output. Small sends of a turn are gathered in one chunk, and adjacent
 * parts of a shared buffer are joined, so that the vector of the write is
 * short. Segments come from a pool, because most queues live for less than a
 * turn.
 */
#include "config.h"

#include "send_queue.h"

#include <stdlib.h>
#include <string.h>

#include "buffer_priv.h"
#include "fail.h"

/* A chunk fills a page, including the header of its allocation. */
#define CHUNK_ROOM  (4096 - sizeof(struct segment) - 16)
#define SMALL_ROOM  (128 - sizeof(struct segment) - 16)
#define CHUNKS_KEPT 64
#define SHARED_KEPT 1024

/* A queue with this many segments belongs to a slow reader. */
#define SEGMENTS_FEW 16

struct segment {
	struct segment *next;
	struct lined_buffer *buffer; /* NULL: the bytes are in own[] */
	uint32_t offset, len;
	uint32_t room;      /* the size of own[] */
	uint32_t queued_at; /* send_queue_stamp() */
	bool keep;          /* send_queue_keep() */
	char own[];
};

static void segment_free_all(struct segment *segment)
{
	while (segment != NULL) {
		struct segment *next = segment->next;

		free(segment);
		segment = next;
	}
}

void send_pool_fini(struct send_pool *pool)
{
	segment_free_all(pool->shared);
	segment_free_all(pool->chunks);
	memset(pool, 0, sizeof(*pool));
}

/* Charges a segment's memory to the pool, or takes the charge back. */
static void segment_charge(struct send_pool *pool,
			   const struct segment *segment, bool charge)
{
	int64_t cost = SEND_QUEUE_SEGMENT_COST + (int64_t)segment->room;

	if (segment->buffer != NULL)
		cost += charge ? buffer_charge(segment->buffer)
			       : buffer_discharge(segment->buffer);
	memory_charge(&pool->memory, charge ? cost : -cost);
}

/* Makes a segment: for a part of `buffer`, or with room for bytes of its own if
 * `buffer` is NULL. */
static struct segment *segment_new(struct send_pool *pool,
				   struct lined_buffer *buffer, size_t room)
{
	struct segment *segment;

	if (room == 0 && pool->shared != NULL) {
		segment = pool->shared;
		pool->shared = segment->next;
		pool->shared_count--;
	} else if (room == CHUNK_ROOM && pool->chunks != NULL) {
		segment = pool->chunks;
		pool->chunks = segment->next;
		pool->chunk_count--;
	} else {
		segment = malloc(sizeof(*segment) + room);
		if (segment == NULL)
			return NULL;
		segment->room = (uint32_t)room;
	}
	segment->next = NULL;
	segment->buffer = buffer != NULL ? lined_buffer_ref(buffer) : NULL;
	segment->offset = segment->len = segment->queued_at = 0;
	segment->keep = false;
	segment_charge(pool, segment, true);
	return segment;
}

static void segment_free(struct send_pool *pool, struct segment *segment)
{
	segment_charge(pool, segment, false);
	if (segment->buffer != NULL) {
		lined_buffer_unref(segment->buffer);
		if (pool->shared_count < SHARED_KEPT) {
			segment->next = pool->shared;
			pool->shared = segment;
			pool->shared_count++;
			return;
		}
	} else if (segment->room == CHUNK_ROOM &&
		   pool->chunk_count < CHUNKS_KEPT) {
		segment->next = pool->chunks;
		pool->chunks = segment;
		pool->chunk_count++;
		return;
	}
	free(segment);
}

static void send_queue_append(struct send_queue *queue, struct segment *segment)
{
	if (queue->first == NULL)
		queue->first = segment;
	else
		queue->last->next = segment;
	queue->last = segment;
	queue->count++;
}

/* Removes the segment after `kept`, or the first one if `kept` is NULL. */
static void send_queue_drop_after(struct send_queue *queue,
				  struct send_pool *pool, struct segment *kept)
{
	struct segment *segment = kept != NULL ? kept->next : queue->first;

	if (kept != NULL)
		kept->next = segment->next;
	else
		queue->first = segment->next;
	if (queue->last == segment)
		queue->last = kept;
	queue->bytes -= segment->len;
	queue->count--;
	segment_free(pool, segment);
}

void send_queue_clear(struct send_queue *queue, struct send_pool *pool)
{
	while (queue->first != NULL)
		send_queue_drop_after(queue, pool, NULL);
	queue->begun = false;
}

void send_queue_charge(struct send_queue *queue, struct send_pool *pool,
		       bool charge)
{
	const struct segment *segment;

	for (segment = queue->first; segment != NULL; segment = segment->next)
		segment_charge(pool, segment, charge);
}

/*
 * Returns the room of a new segment for `total` bytes. Usually this is a whole
 * chunk, which later sends can join. After a part of a shared buffer it is
 * SMALL_ROOM: otherwise a queue in which short sends and such parts alternate
 * would be mostly unused room. It is `total` if that is more, or if the send
 * may not be joined.
 */
static size_t segment_room_for(const struct send_queue *queue, size_t total,
			       bool join)
{
	size_t room = queue->last != NULL && queue->last->buffer != NULL
			      ? SMALL_ROOM
			      : CHUNK_ROOM;

	return join && room > total ? room : total;
}

int send_queue_push(struct send_queue *queue, struct send_pool *pool,
		    const struct iovec *pieces, size_t count, size_t total,
		    bool join)
{
	struct segment *last = queue->last;

	if (total > UINT32_MAX - CHUNK_ROOM)
		return fail_with(EMSGSIZE);
	if (!join || last == NULL || last->buffer != NULL ||
	    last->room - last->offset - last->len < total) {
		last = segment_new(pool, NULL,
				   segment_room_for(queue, total, join));
		if (last == NULL)
			return -1;
		send_queue_append(queue, last);
	}
	pieces_copy(last->own + last->offset + last->len, pieces, count);
	last->len += (uint32_t)total;
	queue->bytes += total;
	return 0;
}

int send_queue_push_shared(struct send_queue *queue, struct send_pool *pool,
			   struct lined_buffer *buffer, size_t offset,
			   size_t len, bool join)
{
	struct segment *last = queue->last;
	struct iovec piece;

	/* In a queue of many segments, a part that is not longer than the cost
	 * of a segment is copied: a segment for each part would take many times
	 * the bytes of the queue. */
	if (join && len <= SEND_QUEUE_SEGMENT_COST &&
	    queue->count >= SEGMENTS_FEW) {
		piece.iov_base = (void *)(uintptr_t)(buffer->data + offset);
		piece.iov_len = len;
		return send_queue_push(queue, pool, &piece, 1, len, true);
	}
	if (!join || last == NULL || last->buffer != buffer ||
	    last->offset + last->len != offset) {
		last = segment_new(pool, buffer, 0);
		if (last == NULL)
			return -1;
		last->offset = (uint32_t)offset;
		send_queue_append(queue, last);
	}
	last->len += (uint32_t)len;
	queue->bytes += len;
	return 0;
}

void send_queue_keep(struct send_queue *queue)
{
	queue->last->keep = true;
}

/* The segment that is partly sent, and so must not be dropped; NULL: none. */
static struct segment *send_queue_kept(const struct send_queue *queue)
{
	return queue->begun ? queue->first : NULL;
}

/* Returns the next segment after *kept that may be dropped, or NULL. Moves
 * *kept to the segment before it. */
static struct segment *send_queue_droppable(const struct send_queue *queue,
					    struct segment **kept)
{
	struct segment *segment = *kept != NULL ? (*kept)->next : queue->first;

	for (; segment != NULL && segment->keep; segment = segment->next)
		*kept = segment;
	return segment;
}

unsigned send_queue_drop_oldest(struct send_queue *queue,
				struct send_pool *pool, size_t cost)
{
	struct segment *kept = send_queue_kept(queue);
	unsigned dropped = 0;

	if (kept != NULL && kept->len > cost)
		return 0;
	for (; send_queue_cost(queue) > cost; dropped++) {
		if (send_queue_droppable(queue, &kept) == NULL)
			break;
		send_queue_drop_after(queue, pool, kept);
	}
	return dropped;
}

void send_queue_stamp(struct send_queue *queue, uint32_t now_ms)
{
	queue->last->queued_at = now_ms;
}

unsigned send_queue_drop_before(struct send_queue *queue,
				struct send_pool *pool, uint32_t time_ms)
{
	struct segment *kept = send_queue_kept(queue), *segment;
	unsigned dropped = 0;

	for (; (segment = send_queue_droppable(queue, &kept)) != NULL;
	     dropped++) {
		if ((int32_t)(segment->queued_at - time_ms) >= 0)
			break;
		send_queue_drop_after(queue, pool, kept);
	}
	return dropped;
}

int send_queue_peek(const struct send_queue *queue, struct iovec *vector,
		    int max)
{
	struct segment *segment;
	int n = 0;

	for (segment = queue->first; segment != NULL && n < max;
	     segment = segment->next) {
		const char *base = segment->buffer != NULL
					   ? segment->buffer->data
					   : segment->own;

		vector[n].iov_base =
			(void *)(uintptr_t)(base + segment->offset);
		vector[n].iov_len = segment->len;
		n++;
	}
	return n;
}

void send_queue_advance(struct send_queue *queue, struct send_pool *pool,
			size_t bytes)
{
	while (bytes > 0) {
		struct segment *segment = queue->first;

		if (bytes < segment->len) {
			segment->offset += (uint32_t)bytes;
			segment->len -= (uint32_t)bytes;
			queue->bytes -= bytes;
			queue->begun = true;
			return;
		}
		bytes -= segment->len;
		send_queue_drop_after(queue, pool, NULL);
	}
	queue->begun = false;
}
