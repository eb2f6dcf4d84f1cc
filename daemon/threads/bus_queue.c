/* SPDX-License-Identifier: MIT */
/*
 * Publishes and delivers messages. In the queue of an end, the messages that
 * its worker has published wait for the message phase.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "counter.h"
#include "log/log.h"
#include "threads/bus_priv.h"

#define BUS_QUEUE_MIN 64

/* ---- marks ------------------------------------------------------------ */

/*
 * Relaxed order is enough: all threads see changes of one variable in the same
 * order, and the order of a message and a mark matters only if something else
 * has synchronized their threads.
 */
uint64_t bus_end_stamp(const struct bus_end *end)
{
	return __atomic_load_n(&end->bus->marks, __ATOMIC_RELAXED);
}

uint64_t bus_mark(const struct bus_member *member)
{
	return __atomic_add_fetch(&member->end->bus->marks, 1,
				  __ATOMIC_RELAXED);
}

bool bus_is_before(const struct bus_member *member, uint64_t mark)
{
	return member->end->serving != NULL && member->end->stamp < mark;
}

bool bus_is_elsewhere(const struct bus_member *member)
{
	return member->end->serving != NULL && member->end->elsewhere;
}

/* ---- delivery --------------------------------------------------------- */

void bus_end_release(struct bus_end *end, struct bus_topic *topic)
{
	if (list_is_empty(&topic->subscriptions) && topic->queued == 0 &&
	    topic != end->serving)
		bus_topic_free(&end->topics, topic);
}

/* Delivers a message. A handler may publish, subscribe, and end any
 * subscription: lined_bus_unsubscribe() moves `cursor` off a subscription that
 * ends. Messages that a handler publishes wait for the next message phase. */
static void bus_queue_serve(struct bus_end *end, struct bus_topic *topic,
			    struct lined_buffer *message, uint64_t stamp)
{
	struct list *head = &topic->subscriptions;

	end->serving = topic;
	end->stamp = stamp;
	end->cursor = head->next;
	while (end->cursor != head) {
		struct lined_subscription *subscription = list_entry(
			end->cursor, struct lined_subscription, link);

		end->cursor = end->cursor->next;
		if (stamp < subscription->mark)
			continue;
		worker_enter(end->worker, subscription->member->instance);
		subscription->handler(subscription->arg, message);
	}
	worker_leave(end->worker);
	end->serving = NULL;
	end->cursor = NULL;
	bus_end_release(end, topic);
}

bool bus_end_deliver(struct bus_end *end, const struct bus_topic_name *name,
		     uint64_t stamp, const void *data, size_t len,
		     void (*release)(void *arg), void *arg)
{
	struct bus_topic *topic = bus_topic_find(&end->topics, name);
	struct lined_buffer *message;

	if (topic == NULL)
		return false;
	message = release != NULL ? lined_buffer_wrap(data, len, release, arg)
				  : lined_buffer_new(data, len);
	if (message == NULL) {
		log_err("worker %u: a message was lost: %s", end->worker->index,
			strerror(errno));
		return false;
	}
	bus_queue_serve(end, topic, message, stamp);
	lined_buffer_unref(message);
	return true;
}

/* ---- the message phase ------------------------------------------------- */

static void bus_queue_turn(struct lined_message *message)
{
	struct bus_end *end = lined_container_of(message, struct bus_end, turn);
	struct bus_queue queue = end->queue;
	size_t i, bytes = end->queued_bytes;

	end->turn_due = false;
	end->queue = end->served;
	end->served = queue;
	end->queued_bytes = 0;
	end->budget.published = 0;
	/* Flush before delivering here, so that other workers start at once. */
	if (end->backend != NULL)
		end->backend->flush(end->backend_link);
	if (end->uplink != NULL)
		end->uplink->flush(end->uplink_link);
	bus_budget_begin(&end->budget);
	for (i = 0; i < queue.count; i++) {
		struct bus_waiting *item = &queue.items[i];

		item->topic->queued--;
		bus_queue_serve(end, item->topic, item->message, item->stamp);
		lined_buffer_unref(item->message);
	}
	bus_budget_end(&end->budget, bytes + queue.count * BUS_MESSAGE_COST);
	end->served.count = 0;
	bus_hold_check(end);
}

static void bus_queue_turn_cancelled(struct lined_message *message)
{
	lined_container_of(message, struct bus_end, turn)->turn_due = false;
}

static void bus_queue_want_turn(struct bus_end *end)
{
	if (end->turn_due)
		return;
	end->turn_due = true;
	lined_dispatcher_defer(end->worker->dispatcher, &end->turn);
}

/* ---- publishing ------------------------------------------------------- */

static int bus_queue_reserve(struct bus_queue *queue)
{
	size_t room = queue->room > 0 ? queue->room * 2 : BUS_QUEUE_MIN;
	struct bus_waiting *items;

	if (queue->count < queue->room)
		return 0;
	items = realloc(queue->items, room * sizeof(*items));
	if (items == NULL)
		return -1;
	queue->items = items;
	queue->room = room;
	return 0;
}

static int bus_queue_refuse(struct bus_end *end)
{
	counter_add(&end->refused, 1);
	errno = ENOBUFS;
	return -1;
}

static int bus_queue_publish_to_others(struct bus_end *end,
				       const struct bus_topic_name *name,
				       uint64_t stamp,
				       struct lined_buffer *message)
{
	size_t backlog = end->backend->backlog(end->backend_link) +
			 lined_buffer_len(message);

	if (backlog > BUS_BACKLOG_MAX)
		return bus_queue_refuse(end);
	if (end->backend->publish(end->backend_link, name, stamp, message) < 0)
		return -1;
	bus_queue_want_turn(end);
	return 0;
}

/* Publishes to other nodes. The other workers have the message already: if the
 * uplink refuses the message, the refusal is counted, but the message stays
 * published on this node. */
static void bus_queue_publish_to_nodes(struct bus_end *end,
				       const struct bus_member *member,
				       uint64_t scope,
				       const struct bus_topic_name *name,
				       struct lined_buffer *message)
{
	const char *service = scope == BUS_SHARED ? "" : member->clustered;

	if (end->uplink->publish(end->uplink_link, service, name, message) < 0)
		counter_add(&end->refused, 1);
	bus_queue_want_turn(end);
}

int bus_publish(struct bus_member *member, uint64_t scope, const char *text,
		struct lined_buffer *message)
{
	struct bus_end *end = member->end;
	bool to_nodes = end->uplink != NULL && member->clustered != NULL;
	size_t len = lined_buffer_len(message), cost = len + BUS_MESSAGE_COST;
	uint64_t stamp = bus_end_stamp(end);
	struct bus_topic_name name;
	struct bus_topic *topic;

	if (bus_topic_name(&end->topics, &name, scope, text) < 0)
		return -1;
	topic = bus_topic_find(&end->topics, &name);
	if (topic != NULL && end->queued_bytes + len > BUS_BACKLOG_MAX)
		return bus_queue_refuse(end);
	if (topic != NULL && bus_queue_reserve(&end->queue) < 0)
		return -1;
	if (to_nodes &&
	    end->uplink->backlog(end->uplink_link) + len > BUS_BACKLOG_MAX)
		return bus_queue_refuse(end);
	if (end->backend != NULL &&
	    bus_queue_publish_to_others(end, &name, stamp, message) < 0)
		return -1;
	if (to_nodes)
		bus_queue_publish_to_nodes(end, member, scope, &name, message);
	counter_add(&end->published, 1);
	if (topic == NULL) {
		bus_hold_spend(end, member, cost);
		return 0;
	}
	topic->queued++;
	end->queued_bytes += len;
	end->queue.items[end->queue.count++] = (struct bus_waiting){
		.topic = topic,
		.message = lined_buffer_ref(message),
		.stamp = stamp,
	};
	bus_queue_want_turn(end);
	bus_hold_spend(end, member, cost);
	return 0;
}

/* ---- life ------------------------------------------------------------- */

void bus_queue_init(struct bus_end *end)
{
	end->turn.handler = bus_queue_turn;
	end->turn.cancel = bus_queue_turn_cancelled;
}

void bus_queue_fini(struct bus_end *end)
{
	size_t i;

	if (end->turn_due)
		lined_dispatcher_undefer(end->worker->dispatcher, &end->turn);
	for (i = 0; i < end->queue.count; i++) {
		struct bus_waiting *item = &end->queue.items[i];

		item->topic->queued--;
		bus_end_release(end, item->topic);
		lined_buffer_unref(item->message);
	}
	free(end->queue.items);
	free(end->served.items);
}
