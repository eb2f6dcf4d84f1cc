/* SPDX-License-Identifier: MIT */
/*
 * The option hold: keeps lines while the topic has no reader, and gives them to
 * the first reader.
 */
#include "relay/hold.h"

#include <string.h>

#include "relay/relay.h"
#include "relay/topic_priv.h"

/* Whether a reader would get the sender's lines: any reader but the sender or,
 * with loopback, the sender, too. */
static bool hold_is_read(const struct relay *relay,
			 const struct relay_topic *topic, uint64_t sender)
{
	bool only_sender = topic->readers == 1 && relay->seat.readers == 1 &&
			   relay->clients->id == sender &&
			   !relay->options->loopback;

	return topic->readers > 0 && !only_sender;
}

/*
 * Holds the lines of a batch. If the lines exceed the option hold, or memory is
 * short, the oldest held lines are dropped, even lines of this batch. Returns
 * how many lines were added. *dropped: how many lines were dropped or found no
 * memory.
 */
static uint32_t hold_lines(struct relay_topic *topic,
			   const struct relay_batch *batch, bool may_grow,
			   size_t *dropped)
{
	const char *text = relay_batch_text(batch);
	size_t most = may_grow ? SIZE_MAX : topic->held.memory;
	uint32_t i, held = 0;

	for (i = 0; i < batch->count; i++) {
		const struct relay_lengths *lengths = &batch->lengths[i];
		struct relay_line line = {text, lengths->len, lengths->tag_len,
					  lengths->terminator_len};

		held += relay_store_add(&topic->held, &line) == 0;
		text += lengths->len;
	}
	*dropped = relay_topic_trim(topic, most) + batch->count - held;
	return held;
}

static bool hold_is_on(const struct relay_seat *seat)
{
	return seat->shared != NULL &&
	       relay_topic_load(&seat->topic->holds) > 0;
}

void relay_hold_give_up(struct relay *relay, uint64_t bytes)
{
	struct relay_seat *seat = &relay->seat;
	struct relay_topic *topic;
	size_t memory;

	if (!hold_is_on(seat))
		return;
	topic = lined_shared_lock(seat->shared);
	memory = topic->held.memory;
	relay_topic_unlock(
		relay,
		relay_topic_trim(topic,
				 memory > bytes ? memory - (size_t)bytes : 0));
}

bool relay_hold_batch(struct relay *relay, const struct relay_batch *batch,
		      uint64_t sender)
{
	struct relay_seat *seat = &relay->seat;
	struct relay_topic *topic;
	bool may_grow, read;
	size_t dropped = 0;
	uint32_t held = 0;

	if (!hold_is_on(seat))
		return false;
	may_grow = lined_service_may_keep(relay->service,
					  relay_batch_bytes(batch));
	topic = lined_shared_lock(seat->shared);
	read = topic->hold == 0 || hold_is_read(relay, topic, sender);
	if (!read)
		held = hold_lines(topic, batch, may_grow, &dropped);
	relay_topic_unlock(relay, dropped);
	relay_count(relay, "lines_held", held);
	return !read;
}

bool relay_hold_set_readers(struct relay *relay, size_t readers,
			    struct relay_store *held, uint64_t *since)
{
	struct relay_seat *seat = &relay->seat;
	struct relay_topic *topic;
	bool more = readers > seat->readers;

	if (seat->shared == NULL || readers == seat->readers)
		return false;
	topic = lined_shared_lock(seat->shared);
	topic->readers += readers - seat->readers;
	seat->readers = readers;
	memset(held, 0, sizeof(*held));
	if (more) {
		*held = topic->held;
		memset(&topic->held, 0, sizeof(topic->held));
	}
	/* From now on the other workers publish their lines. The mark is taken
	 * under the lock, so that these lines are published after it. */
	if (held->lines > 0)
		*since = lined_bus_mark(relay->service);
	lined_shared_unlock(seat->shared);
	return held->lines > 0;
}
