/* SPDX-License-Identifier: MIT */
/*
 * Carries messages from worker to worker. An envelope is one message, with a
 * reference for each other worker. A batch is the list of a turn's envelopes;
 * after posting it does not change. A parcel carries a batch to one worker.
 */
#include "config.h"

#include "threads/bus_batch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache_line.h"
#include "counter.h"
#include "memory_ceiling.h"
#include "threads/bus_priv.h"

/* Followed by the topic's text with its NUL, then by the message. */
struct envelope {
	struct envelope *next;
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
	struct envelope *first, **last;
	struct parcel parcels[];
};

struct thread_end {
	/* Constant, or written by the worker's thread only: */
	_Alignas(CACHE_LINE) struct bus_batches *batches;
	struct bus_end *bus;
	struct lined_dispatcher *dispatcher;
	struct batch *batch; /* this turn's; NULL: nothing published */
	uint64_t posts;      /* atomic: read by the main thread */
	/* Bytes posted to this end and not handled yet. Any thread. */
	_Alignas(CACHE_LINE) atomic_size_t backlog;
};

struct bus_batches {
	size_t count;
	struct thread_end *ends;
};

static void envelope_unref(void *arg)
{
	struct envelope *envelope = arg;

	if (atomic_fetch_sub_explicit(&envelope->refs, 1,
				      memory_order_acq_rel) == 1)
		free(envelope);
}

/* ---- publishing ------------------------------------------------------- */

static struct envelope *envelope_new(const struct bus_topic_name *topic,
				     uint64_t stamp,
				     struct lined_buffer *message,
				     unsigned refs)
{
	size_t len = lined_buffer_len(message);
	struct envelope *envelope =
		malloc(sizeof(*envelope) + topic->len + 1 + len);
	char *bytes;

	if (envelope == NULL)
		return NULL;
	bytes = (char *)(envelope + 1);
	memcpy(bytes, topic->text, topic->len + 1);
	memcpy(bytes + topic->len + 1, lined_buffer_data(message), len);
	envelope->next = NULL;
	atomic_init(&envelope->refs, refs);
	envelope->topic = *topic;
	envelope->topic.text = bytes;
	envelope->stamp = stamp;
	envelope->len = len;
	return envelope;
}

static void parcel_arrived(struct lined_message *message);
static void parcel_cancelled(struct lined_message *message);

static struct batch *bus_batch_new(struct thread_end *from)
{
	struct bus_batches *batches = from->batches;
	unsigned others = (unsigned)batches->count - 1;
	struct batch *batch =
		malloc(sizeof(*batch) + others * sizeof(batch->parcels[0]));
	size_t i, k = 0;

	if (batch == NULL)
		return NULL;
	atomic_init(&batch->refs, others);
	batch->bytes = 0;
	batch->first = NULL;
	batch->last = &batch->first;
	for (i = 0; i < batches->count; i++) {
		if (&batches->ends[i] == from)
			continue;
		batch->parcels[k++] = (struct parcel){
			.message.handler = parcel_arrived,
			.message.cancel = parcel_cancelled,
			.batch = batch,
			.to = &batches->ends[i],
		};
	}
	return batch;
}

static int bus_batch_publish(void *link, const struct bus_topic_name *topic,
			     uint64_t stamp, struct lined_buffer *message)
{
	struct thread_end *end = link;
	struct envelope *envelope;

	if (end->batch == NULL)
		end->batch = bus_batch_new(end);
	if (end->batch == NULL)
		return -1;
	envelope = envelope_new(topic, stamp, message,
				(unsigned)end->batches->count - 1);
	if (envelope == NULL)
		return -1; /* keeps an empty batch for the next message */
	*end->batch->last = envelope;
	end->batch->last = &envelope->next;
	end->batch->bytes +=
		sizeof(*envelope) + envelope->topic.len + 1 + envelope->len;
	return 0;
}

static void bus_batch_flush(void *link)
{
	struct thread_end *end = link;
	struct batch *batch = end->batch;
	size_t bytes, others = end->batches->count - 1, i;

	if (batch == NULL)
		return;
	end->batch = NULL;
	bytes = batch->bytes;
	/* The batch is charged until the last worker has handled it. Workers
	 * that queue its messages for clients charge these messages again. */
	dispatcher_hold(end->dispatcher, (int64_t)bytes);
	counter_add(&end->posts, others);
	/* The loop's condition does not read the batch: receivers may free it
	 * right after the last post. */
	for (i = 0; i < others; i++) {
		struct parcel *parcel = &batch->parcels[i];
		struct lined_dispatcher *to = parcel->to->dispatcher;

		atomic_fetch_add_explicit(&parcel->to->backlog, bytes,
					  memory_order_relaxed);
		if (lined_dispatcher_post(to, &parcel->message) < 0)
			parcel_cancelled(&parcel->message);
	}
}

static size_t bus_batch_backlog(const void *link)
{
	const struct thread_end *end = link;
	size_t most = 0, i;

	for (i = 0; i < end->batches->count; i++) {
		size_t bytes = atomic_load_explicit(
			&end->batches->ends[i].backlog, memory_order_relaxed);

		if (&end->batches->ends[i] != end && bytes > most)
			most = bytes;
	}
	return most + (end->batch != NULL ? end->batch->bytes : 0);
}

/* An end is behind if its backlog is more than it delivers in four turns. */
static bool bus_batch_is_behind(const void *link)
{
	const struct thread_end *end = link;
	size_t i;

	for (i = 0; i < end->batches->count; i++) {
		const struct thread_end *other = &end->batches->ends[i];
		size_t backlog = atomic_load_explicit(&other->backlog,
						      memory_order_relaxed);

		if (other != end && backlog > 0 &&
		    backlog > 4 * bus_end_allowance(other->bus))
			return true;
	}
	return false;
}

static uint64_t bus_batch_allowance(const void *link)
{
	const struct thread_end *end = link;
	uint64_t least = BUS_ALLOWANCE_MAX;
	size_t i;

	for (i = 0; i < end->batches->count; i++) {
		uint64_t allowance =
			bus_end_allowance(end->batches->ends[i].bus);

		if (&end->batches->ends[i] != end && allowance < least)
			least = allowance;
	}
	return least;
}

static uint64_t bus_batch_posts(const void *link)
{
	const struct thread_end *end = link;

	return counter_read(&end->posts);
}

static const struct bus_backend bus_batch_backend = {
	.publish = bus_batch_publish,
	.flush = bus_batch_flush,
	.backlog = bus_batch_backlog,
	.is_behind = bus_batch_is_behind,
	.allowance = bus_batch_allowance,
	.posts = bus_batch_posts,
};

/* ---- arriving --------------------------------------------------------- */

/* Drops the parcel. True: it was the last parcel of its batch, and the batch is
 * freed. */
static bool parcel_done(struct parcel *parcel)
{
	atomic_fetch_sub_explicit(&parcel->to->backlog, parcel->batch->bytes,
				  memory_order_relaxed);
	if (atomic_fetch_sub_explicit(&parcel->batch->refs, 1,
				      memory_order_acq_rel) != 1)
		return false;
	free(parcel->batch);
	return true;
}

static void parcel_arrived(struct lined_message *message)
{
	struct parcel *parcel =
		lined_container_of(message, struct parcel, message);
	struct lined_dispatcher *to = parcel->to->dispatcher;
	struct envelope *envelope, *next;
	size_t bytes;

	bus_budget_begin(&parcel->to->bus->budget);
	for (envelope = parcel->batch->first; envelope != NULL;
	     envelope = next) {
		const char *data =
			envelope->topic.text + envelope->topic.len + 1;

		next = envelope->next; /* before it may be freed */
		if (!bus_end_deliver(parcel->to->bus, &envelope->topic,
				     envelope->stamp, data, envelope->len,
				     envelope_unref, envelope))
			envelope_unref(envelope);
	}
	bytes = parcel->batch->bytes;
	bus_budget_end(&parcel->to->bus->budget, bytes);
	if (parcel_done(parcel))
		dispatcher_hold(to, -(int64_t)bytes);
}

static void parcel_cancelled(struct lined_message *message)
{
	struct parcel *parcel =
		lined_container_of(message, struct parcel, message);
	struct envelope *envelope, *next;

	for (envelope = parcel->batch->first; envelope != NULL;
	     envelope = next) {
		next = envelope->next;
		envelope_unref(envelope);
	}
	parcel_done(parcel);
}

/* ---- life ------------------------------------------------------------- */

struct bus_batches *bus_batches_new(struct worker *workers, size_t count)
{
	struct bus_batches *batches = malloc(sizeof(*batches));
	size_t i;

	if (batches == NULL)
		return NULL;
	batches->count = count;
	batches->ends = cache_line_calloc(count * sizeof(*batches->ends));
	if (batches->ends == NULL) {
		free(batches);
		return NULL;
	}
	for (i = 0; i < count; i++) {
		struct thread_end *end = &batches->ends[i];

		end->batches = batches;
		end->bus = workers[i].bus;
		end->dispatcher = workers[i].dispatcher;
		atomic_init(&end->backlog, 0);
		end->bus->backend = &bus_batch_backend;
		end->bus->backend_link = end;
	}
	return batches;
}

/* Frees a batch that was never flushed: no other worker refers to it. */
static void bus_batch_free(struct thread_end *end)
{
	struct batch *batch = end->batch;
	struct envelope *envelope, *next;

	if (batch == NULL)
		return;
	for (envelope = batch->first; envelope != NULL; envelope = next) {
		next = envelope->next;
		free(envelope);
	}
	free(batch);
}

void bus_batches_free(struct bus_batches *batches)
{
	size_t i;

	if (batches == NULL)
		return;
	for (i = 0; i < batches->count; i++)
		bus_batch_free(&batches->ends[i]);
	free(batches->ends);
	free(batches);
}
