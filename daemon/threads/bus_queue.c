/* SPDX-License-Identifier: MIT */
/*
 * A worker's end of the bus: publishing, the queue in which messages of this
 * worker wait for the message phase, delivery, and back-pressure.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "log/log.h"
#include "threads/bus_priv.h"

/* The interval between checks of the backlog while members are held. */
#define HOLD_CHECK_MS 2

#define BUS_QUEUE_MIN 64

/* The most bytes that an end publishes in a turn without holding members. */
#define TURN_MOST ((uint64_t)65536)

static void bus_end_count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

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

int bus_end_topic_name(const struct bus_end *end, struct bus_topic_name *name,
		       uint64_t scope, const char *topic)
{
	return bus_topic_name(&end->topics, name, scope, topic);
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

void bus_end_set_elsewhere(struct bus_end *end, bool on)
{
	end->elsewhere = on;
}

/* ---- delivery --------------------------------------------------------- */

void bus_end_release(struct bus_end *end, struct bus_topic *topic)
{
	if (list_is_empty(&topic->subscriptions) && topic->queued == 0 &&
	    topic != end->serving)
		bus_topic_free(&end->topics, topic);
}

/* Delivers a message. A handler may publish, subscribe, and end any
 * subscription: bus_unsubscribe() moves `cursor` off a subscription that ends.
 * Messages that a handler publishes wait for the next message phase. */
static void bus_end_serve(struct bus_end *end, struct bus_topic *topic,
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
	bus_end_serve(end, topic, message, stamp);
	lined_buffer_unref(message);
	return true;
}

void bus_end_begin(struct bus_end *end)
{
	bus_budget_begin(&end->budget);
}

void bus_end_done(struct bus_end *end, size_t bytes)
{
	bus_budget_end(&end->budget, bytes);
}

uint64_t bus_end_allowance(const struct bus_end *end)
{
	return bus_budget_allowance(&end->budget);
}

/* ---- back-pressure ---------------------------------------------------- */

/* Whether other ends, or the uplink if the member uses it, are behind. */
static bool bus_member_is_ahead(const struct bus_member *member)
{
	const struct bus_end *end = member->end;

	return (end->backend != NULL &&
		end->backend->is_behind(end->backend_link)) ||
	       (end->uplink != NULL && member->clustered != NULL &&
		end->uplink->backlog(end->uplink_link) > BUS_UPLINK_HIGH);
}

bool bus_is_lagging(const struct bus_member *member)
{
	return bus_member_is_held(member) && bus_member_is_ahead(member);
}

/* The bytes that this end may publish in a turn. All ends publish, so each gets
 * an equal share. The limit TURN_MOST is needed because the duration of
 * deliveries is known only afterwards. */
static uint64_t bus_end_share(const struct bus_end *end)
{
	uint64_t least = bus_end_allowance(end), others;

	if (end->backend != NULL) {
		others = end->backend->allowance(end->backend_link);
		least = (others < least ? others : least) / end->bus->count;
	}
	return least < TURN_MOST ? least : TURN_MOST;
}

void bus_end_unhold(struct bus_end *end, struct bus_member *member)
{
	if (!bus_member_is_held(member))
		return;
	list_remove(&member->held_link);
	if (list_is_empty(&end->held))
		lined_timer_stop(&end->hold_check);
	member->hold(member, false);
}

/* Ends the holds of members that are no longer ahead; none: ends all holds. */
static void bus_end_check_holds(struct bus_end *end, bool none)
{
	struct bus_member *member, *next;

	list_for_each_safe(member, next, &end->held, held_link)
		if (none || !bus_member_is_ahead(member))
			bus_end_unhold(end, member);
}

/* Ends holds. If the timer for later checks cannot start, ends all holds:
 * otherwise nothing would end them. */
static void bus_end_end_holds(struct bus_end *end)
{
	if (lined_timer_is_armed(&end->hold_check))
		return;
	bus_end_check_holds(end, false);
	if (!list_is_empty(&end->held) &&
	    lined_timer_start(&end->hold_check, HOLD_CHECK_MS, HOLD_CHECK_MS) <
		    0)
		bus_end_check_holds(end, true);
}

static void bus_end_check_hold(struct lined_timer *timer)
{
	bus_end_check_holds(
		lined_container_of(timer, struct bus_end, hold_check), false);
}

/* ---- the message phase ------------------------------------------------- */

static void bus_end_turn(struct lined_message *message)
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
	bus_end_begin(end);
	for (i = 0; i < queue.count; i++) {
		struct bus_waiting *item = &queue.items[i];

		item->topic->queued--;
		bus_end_serve(end, item->topic, item->message, item->stamp);
		lined_buffer_unref(item->message);
	}
	bus_end_done(end, bytes + queue.count * BUS_MESSAGE_COST);
	end->served.count = 0;
	bus_end_end_holds(end);
}

static void bus_end_turn_cancelled(struct lined_message *message)
{
	lined_container_of(message, struct bus_end, turn)->turn_due = false;
}

static void bus_end_want_turn(struct bus_end *end)
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

static int bus_end_refuse(struct bus_end *end)
{
	bus_end_count(&end->refused);
	errno = ENOBUFS;
	return -1;
}

static int bus_end_publish_to_others(struct bus_end *end,
				     const struct bus_topic_name *name,
				     uint64_t stamp,
				     struct lined_buffer *message)
{
	size_t backlog = end->backend->backlog(end->backend_link) +
			 lined_buffer_len(message);

	if (backlog > BUS_BACKLOG_MAX)
		return bus_end_refuse(end);
	if (end->backend->publish(end->backend_link, name, stamp, message) < 0)
		return -1;
	bus_end_want_turn(end);
	return 0;
}

/* Publishes to other nodes, after the other workers: a message that the uplink
 * refuses is counted as refused, but stays published on this node. */
static void bus_end_publish_to_nodes(struct bus_end *end,
				     const struct bus_member *member,
				     uint64_t scope,
				     const struct bus_topic_name *name,
				     struct lined_buffer *message)
{
	const char *service = scope == BUS_SHARED ? "" : member->clustered;

	if (end->uplink->publish(end->uplink_link, service, name, message) < 0)
		bus_end_count(&end->refused);
	bus_end_want_turn(end);
}

/* Counts a published message; holds the member if the budget is used up. */
static void bus_end_spend(struct bus_end *end, struct bus_member *member,
			  size_t cost)
{
	end->budget.published += cost;
	if (end->turn_due &&
	    (end->budget.published > bus_end_share(end) ||
	     bus_member_is_ahead(member)) &&
	    !bus_member_is_held(member) && !member->left) {
		/* The message phase of this turn checks the hold. */
		bus_end_count(&end->pauses);
		list_append(&end->held, &member->held_link);
		member->hold(member, true);
	}
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
		return bus_end_refuse(end);
	if (topic != NULL && bus_queue_reserve(&end->queue) < 0)
		return -1;
	if (to_nodes &&
	    end->uplink->backlog(end->uplink_link) + len > BUS_BACKLOG_MAX)
		return bus_end_refuse(end);
	if (end->backend != NULL &&
	    bus_end_publish_to_others(end, &name, stamp, message) < 0)
		return -1;
	if (to_nodes)
		bus_end_publish_to_nodes(end, member, scope, &name, message);
	bus_end_count(&end->published);
	if (topic == NULL) {
		bus_end_spend(end, member, cost);
		return 0;
	}
	topic->queued++;
	end->queued_bytes += len;
	end->queue.items[end->queue.count++] = (struct bus_waiting){
		.topic = topic,
		.message = lined_buffer_ref(message),
		.stamp = stamp,
	};
	bus_end_want_turn(end);
	bus_end_spend(end, member, cost);
	return 0;
}

/* ---- life ------------------------------------------------------------- */

void bus_end_attach(struct bus_end *end, const struct bus_backend *backend,
		    void *link)
{
	end->backend = backend;
	end->backend_link = link;
}

void bus_end_attach_uplink(struct bus_end *end, const struct bus_uplink *uplink,
			   void *link)
{
	end->uplink = uplink;
	end->uplink_link = link;
}

struct bus_end *bus_end_new(struct bus *bus, struct worker *worker,
			    uint64_t seed)
{
	struct bus_end *end = cache_line_calloc(sizeof(*end));

	if (end == NULL)
		return NULL;
	if (bus_topics_init(&end->topics, seed) < 0) {
		free(end);
		return NULL;
	}
	end->worker = worker;
	end->bus = bus;
	end->turn.handler = bus_end_turn;
	end->turn.cancel = bus_end_turn_cancelled;
	list_init(&end->held);
	bus_budget_init(&end->budget);
	lined_timer_init(&end->hold_check, worker->dispatcher,
			 bus_end_check_hold);
	return end;
}

void bus_end_free(struct bus_end *end)
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
	bus_topics_fini(&end->topics);
	free(end);
}
