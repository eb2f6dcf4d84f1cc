/* SPDX-License-Identifier: MIT */
/*
 * Blocks and batches. A block is one message, counted atomically, with a
 * reference for each other worker; a batch is the chain of a turn's blocks,
 * which nobody changes once it has been posted. Knows nothing of topics but
 * that they have a name.
 */
#include "config.h"

#include "threads/bus_threads.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache_line.h"

/* The topic's text and its NUL are behind it, and then the message. */
struct block {
	struct block *next;
	atomic_uint refs;
	struct bus_topic_name topic;
	uint64_t stamp;
	size_t len;
};

struct batch;

/* A batch on its way to one worker. */
struct parcel {
	struct lined_message message;
	struct batch *batch;
	struct thread_end *to;
};

struct batch {
	atomic_uint refs;
	size_t bytes;
	struct block *first, **last;
	struct parcel parcels[];
};

struct thread_end {
	/* Of its worker's thread. */
	_Alignas(CACHE_LINE) struct bus_threads *threads;
	struct bus_end *bus;
	struct lined_dispatcher *dispatcher;
	struct batch *batch; /* of this turn; NULL: nothing published */
	uint64_t posts;      /* read by others, too */
	/* Bytes posted to it and not yet handled. */
	_Alignas(CACHE_LINE) atomic_size_t backlog;
};

struct bus_threads {
	size_t count;
	struct thread_end *ends;
};

static void block_unref(void *arg)
{
	struct block *block = arg;

	if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) ==
	    1)
		free(block);
}

static void batch_unref(struct batch *batch)
{
	if (atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) ==
	    1)
		free(batch);
}

static size_t cost(const struct block *block)
{
	return sizeof(*block) + block->topic.len + 1 + block->len;
}

/* ---- publishing ------------------------------------------------------- */

static struct block *block_new(const struct bus_topic_name *topic,
			       uint64_t stamp, struct lined_buffer *message,
			       unsigned refs)
{
	size_t len = lined_buffer_len(message);
	struct block *block = malloc(sizeof(*block) + topic->len + 1 + len);
	char *bytes = (char *)(block + 1);

	if (block == NULL)
		return NULL;
	memcpy(bytes, topic->text, topic->len + 1);
	memcpy(bytes + topic->len + 1, lined_buffer_data(message), len);
	block->next = NULL;
	atomic_init(&block->refs, refs);
	block->topic = *topic;
	block->topic.text = bytes;
	block->stamp = stamp;
	block->len = len;
	return block;
}

static void parcel_arrived(struct lined_message *message);
static void parcel_cancelled(struct lined_message *message);

static struct batch *batch_new(struct thread_end *from)
{
	struct bus_threads *threads = from->threads;
	unsigned others = (unsigned)threads->count - 1;
	struct batch *batch =
		malloc(sizeof(*batch) + others * sizeof(batch->parcels[0]));
	size_t i, k = 0;

	if (batch == NULL)
		return NULL;
	atomic_init(&batch->refs, others);
	batch->bytes = 0;
	batch->first = NULL;
	batch->last = &batch->first;
	for (i = 0; i < threads->count; i++) {
		if (&threads->ends[i] == from)
			continue;
		batch->parcels[k++] = (struct parcel){
			.message.handler = parcel_arrived,
			.message.cancel = parcel_cancelled,
			.batch = batch,
			.to = &threads->ends[i],
		};
	}
	return batch;
}

static int publish(void *link, const struct bus_topic_name *topic,
		   uint64_t stamp, struct lined_buffer *message)
{
	struct thread_end *end = link;
	struct block *block;

	if (end->batch == NULL)
		end->batch = batch_new(end);
	if (end->batch == NULL)
		return -1;
	block = block_new(topic, stamp, message,
			  (unsigned)end->threads->count - 1);
	if (block == NULL)
		return -1; /* an empty batch harms nobody */
	*end->batch->last = block;
	end->batch->last = &block->next;
	end->batch->bytes += cost(block);
	return 0;
}

static void flush(void *link)
{
	struct thread_end *end = link;
	struct batch *batch = end->batch;
	size_t bytes, others = end->threads->count - 1, i;

	if (batch == NULL)
		return;
	end->batch = NULL;
	bytes = batch->bytes;
	__atomic_store_n(&end->posts, end->posts + others, __ATOMIC_RELAXED);
	/* With the last post the batch may be gone. */
	for (i = 0; i < others; i++) {
		struct parcel *parcel = &batch->parcels[i];
		struct lined_dispatcher *to = parcel->to->dispatcher;

		atomic_fetch_add_explicit(&parcel->to->backlog, bytes,
					  memory_order_relaxed);
		if (lined_dispatcher_post(to, &parcel->message) < 0)
			parcel_cancelled(&parcel->message);
	}
}

static size_t backlog(const void *link)
{
	const struct thread_end *end = link;
	size_t most = 0, i;

	for (i = 0; i < end->threads->count; i++) {
		size_t bytes = atomic_load_explicit(
			&end->threads->ends[i].backlog, memory_order_relaxed);

		if (&end->threads->ends[i] != end && bytes > most)
			most = bytes;
	}
	return most + (end->batch != NULL ? end->batch->bytes : 0);
}

static const struct bus_backend backend = {
	.publish = publish,
	.flush = flush,
	.backlog = backlog,
};

/* ---- arriving --------------------------------------------------------- */

static void parcel_done(struct parcel *parcel)
{
	atomic_fetch_sub_explicit(&parcel->to->backlog, parcel->batch->bytes,
				  memory_order_relaxed);
	batch_unref(parcel->batch);
}

static void parcel_arrived(struct lined_message *message)
{
	struct parcel *parcel =
		lined_container_of(message, struct parcel, message);
	struct block *block, *next;

	for (block = parcel->batch->first; block != NULL; block = next) {
		const char *data = block->topic.text + block->topic.len + 1;

		next = block->next; /* ours only until it is let go */
		if (!bus_arrived(parcel->to->bus, &block->topic, block->stamp,
				 data, block->len, block_unref, block))
			block_unref(block);
	}
	parcel_done(parcel);
}

static void parcel_cancelled(struct lined_message *message)
{
	struct parcel *parcel =
		lined_container_of(message, struct parcel, message);
	struct block *block, *next;

	for (block = parcel->batch->first; block != NULL; block = next) {
		next = block->next;
		block_unref(block);
	}
	parcel_done(parcel);
}

/* ---- life ------------------------------------------------------------- */

struct bus_threads *bus_threads_new(struct worker *workers,
				    struct bus_end *const *ends, size_t count)
{
	struct bus_threads *threads = malloc(sizeof(*threads));
	size_t i;

	if (threads == NULL)
		return NULL;
	threads->count = count;
	threads->ends = cache_line_calloc(count * sizeof(*threads->ends));
	if (threads->ends == NULL) {
		free(threads);
		return NULL;
	}
	for (i = 0; i < count; i++) {
		struct thread_end *end = &threads->ends[i];

		end->threads = threads;
		end->bus = ends[i];
		end->dispatcher = workers[i].dispatcher;
		atomic_init(&end->backlog, 0);
		bus_end_attach(ends[i], &backend, end);
	}
	return threads;
}

/* A batch that was never flushed goes to nobody. */
static void drop_batch(struct thread_end *end)
{
	struct batch *batch = end->batch;
	struct block *block, *next;

	if (batch == NULL)
		return;
	for (block = batch->first; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	free(batch);
}

void bus_threads_free(struct bus_threads *threads)
{
	size_t i;

	if (threads == NULL)
		return;
	for (i = 0; i < threads->count; i++)
		drop_batch(&threads->ends[i]);
	free(threads->ends);
	free(threads);
}

uint64_t bus_threads_posts(const struct bus_threads *threads)
{
	uint64_t posts = 0;
	size_t i;

	for (i = 0; i < threads->count; i++)
		posts += __atomic_load_n(&threads->ends[i].posts,
					 __ATOMIC_RELAXED);
	return posts;
}
