/* SPDX-License-Identifier: MIT */
/*
 * Topics and subscriptions of each worker, and the queue in which local
 * messages wait for the message phase. With one worker that is all of the bus:
 * no copy and no lock. Messages of other workers come in by bus_arrived().
 */
#include "config.h"

#include "threads/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "threads/bus_threads.h"
#include "cache_line.h"
#include "serve/instance.h"
#include "log/log.h"
#include "serving.h"
#include "socket_hold.h"

/* How often an end that holds clients looks whether it may let them go on. */
#define HOLD_CHECK_MS 2

#define BUCKETS_MIN 64
#define QUEUE_MIN   64

/* A topic that somebody here is subscribed to, or was when messages were
 * queued for it. */
struct topic {
	struct topic *next; /* in its bucket */
	struct list subscriptions;
	size_t queued; /* messages in the local queue */
	struct bus_topic_name name;
	char text[];
};

struct lined_subscription {
	struct list link;        /* topic.subscriptions */
	struct list member_link; /* bus_member.subscriptions */
	struct topic *topic;     /* NULL: the instance has left */
	struct lined_service *service;
	uint64_t mark; /* gets what was published behind it */
	void (*handler)(void *arg, struct lined_buffer *message);
	void *arg;
};

/* A local message that waits for its phase. */
struct waiting {
	struct topic *topic;
	struct lined_buffer *message;
	uint64_t stamp;
};

struct queue {
	struct waiting *items;
	size_t count, room;
};

struct bus_end {
	struct worker *worker;
	struct bus *bus;
	uint64_t seed;
	const struct bus_backend *backend; /* NULL: there is no other end */
	void *backend_link;

	struct topic **buckets;
	size_t bucket_count, topic_count;

	/* Filled by publish; swapped with `served` in the message phase. */
	struct queue queue, served;
	size_t queued_bytes;
	struct lined_message turn;
	bool turn_due;

	/* The topic whose subscribers are being served, the next of them, and
	 * the stamp of the message that they get. */
	struct topic *serving;
	struct list *cursor;
	uint64_t stamp;

	struct list held; /* members whose clients wait: held_link */
	struct lined_timer hold_check;

	/* Read by the main thread, too. */
	uint64_t published, refused, pauses;
};

struct bus {
	struct bus_end **ends;
	size_t count;
	struct bus_threads *threads;
	/*
	 * How many marks there are. A message bears as its stamp how many
	 * there were when it was published: those marks come before it. It is
	 * read with every message and written with a new mark only, so that
	 * all workers keep the cache line.
	 */
	_Alignas(CACHE_LINE) uint64_t marks;
};

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* ---- marks ------------------------------------------------------------ */

/*
 * Relaxed: where a message was published before a mark, or behind it, so that
 * anybody could tell, something else has put the two in order, and then a
 * single variable keeps to it.
 */
static uint64_t stamp_now(const struct bus_end *end)
{
	return __atomic_load_n(&end->bus->marks, __ATOMIC_RELAXED);
}

static uint64_t new_mark(struct bus_end *end)
{
	return __atomic_add_fetch(&end->bus->marks, 1, __ATOMIC_RELAXED);
}

static bool is_before(uint64_t stamp, uint64_t mark)
{
	return stamp < mark;
}

uint64_t lined_bus_mark(struct lined_service *service)
{
	return new_mark(service->worker->bus);
}

bool lined_bus_is_before(const struct lined_service *service, uint64_t mark)
{
	const struct bus_end *end = service->worker->bus;

	return end->serving != NULL && is_before(end->stamp, mark);
}

/* ---- topics ----------------------------------------------------------- */

/* Seeded: names are chosen by clients, too. FNV-1a, folded. */
static uint32_t hash_of(const struct bus_end *end, uint64_t scope,
			const char *text, size_t len)
{
	uint64_t hash = (14695981039346656037u ^ end->seed) + scope;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
	return (uint32_t)(hash ^ hash >> 32);
}

static int name_topic(const struct bus_end *end, struct bus_topic_name *name,
		      uint64_t scope, const char *text)
{
	size_t len = strnlen(text, LINED_TOPIC_MAX + 1);

	if (len > LINED_TOPIC_MAX) {
		errno = EINVAL;
		return -1;
	}
	name->scope = scope;
	name->hash = hash_of(end, scope, text, len);
	name->len = (uint32_t)len;
	name->text = text;
	return 0;
}

static struct topic **bucket_of(struct bus_end *end, uint32_t hash)
{
	return &end->buckets[hash & (end->bucket_count - 1)];
}

static struct topic *find_topic(struct bus_end *end,
				const struct bus_topic_name *name)
{
	struct topic *topic = *bucket_of(end, name->hash);

	for (; topic != NULL; topic = topic->next)
		if (topic->name.hash == name->hash &&
		    topic->name.scope == name->scope &&
		    topic->name.len == name->len &&
		    memcmp(topic->text, name->text, name->len) == 0)
			return topic;
	return NULL;
}

/* Without memory chains are longer, that is all. */
static void grow_buckets(struct bus_end *end)
{
	size_t before = end->bucket_count, i;
	struct topic **old = end->buckets;
	struct topic **buckets = calloc(before * 2, sizeof(*buckets));

	if (buckets == NULL)
		return;
	end->buckets = buckets;
	end->bucket_count = before * 2;
	for (i = 0; i < before; i++) {
		struct topic *topic, *next;

		for (topic = old[i]; topic != NULL; topic = next) {
			struct topic **to = bucket_of(end, topic->name.hash);

			next = topic->next;
			topic->next = *to;
			*to = topic;
		}
	}
	free(old);
}

static struct topic *make_topic(struct bus_end *end,
				const struct bus_topic_name *name)
{
	struct topic *topic = malloc(sizeof(*topic) + name->len + 1);
	struct topic **bucket;

	if (topic == NULL)
		return NULL;
	if (end->topic_count >= end->bucket_count)
		grow_buckets(end);
	memcpy(topic->text, name->text, name->len + 1);
	topic->name = *name;
	topic->name.text = topic->text;
	topic->queued = 0;
	list_init(&topic->subscriptions);
	bucket = bucket_of(end, name->hash);
	topic->next = *bucket;
	*bucket = topic;
	end->topic_count++;
	return topic;
}

/* Goes when nobody wants it any more. */
static void release_topic(struct bus_end *end, struct topic *topic)
{
	struct topic **at;

	if (!list_is_empty(&topic->subscriptions) || topic->queued > 0 ||
	    topic == end->serving)
		return;
	for (at = bucket_of(end, topic->name.hash); *at != topic;
	     at = &(*at)->next)
		;
	*at = topic->next;
	end->topic_count--;
	free(topic);
}

/* ---- serving ---------------------------------------------------------- */

/*
 * A handler may subscribe, unsubscribe whom it likes, and publish; what is
 * published waits for its own turn.
 */
static void serve(struct bus_end *end, struct topic *topic,
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
		if (is_before(stamp, subscription->mark))
			continue;
		worker_enter(end->worker, subscription->service);
		subscription->handler(subscription->arg, message);
	}
	worker_leave(end->worker);
	end->serving = NULL;
	end->cursor = NULL;
	release_topic(end, topic);
}

bool bus_arrived(struct bus_end *end, const struct bus_topic_name *name,
		 uint64_t stamp, const void *data, size_t len,
		 void (*release)(void *arg), void *arg)
{
	struct topic *topic = find_topic(end, name);
	struct lined_buffer *message;

	if (topic == NULL)
		return false;
	message = lined_buffer_wrap(data, len, release, arg);
	if (message == NULL) {
		log_err("worker %u: a message was lost: %s", end->worker->index,
			strerror(errno));
		return false;
	}
	serve(end, topic, message, stamp);
	lined_buffer_unref(message);
	return true;
}

static void run_turn(struct lined_message *message)
{
	struct bus_end *end = lined_container_of(message, struct bus_end, turn);
	struct queue queue = end->queue;
	size_t i;

	end->turn_due = false;
	end->queue = end->served;
	end->served = queue;
	end->queued_bytes = 0;
	/* First: the others work on it meanwhile. */
	if (end->backend != NULL)
		end->backend->flush(end->backend_link);
	for (i = 0; i < queue.count; i++) {
		struct waiting *item = &queue.items[i];

		item->topic->queued--;
		serve(end, item->topic, item->message, item->stamp);
		lined_buffer_unref(item->message);
	}
	end->served.count = 0;
}

static void cancel_turn(struct lined_message *message)
{
	lined_container_of(message, struct bus_end, turn)->turn_due = false;
}

static void want_turn(struct bus_end *end)
{
	if (end->turn_due)
		return;
	end->turn_due = true;
	lined_dispatcher_defer(end->worker->dispatcher, &end->turn);
}

/* ---- back-pressure ---------------------------------------------------- */

static void hold_client(struct lined_socket *client, void *arg)
{
	(void)arg;
	socket_hold(client, CLIENT_HOLD_BUS);
}

static void unhold_client(struct lined_socket *client, void *arg)
{
	(void)arg;
	socket_unhold(client, CLIENT_HOLD_BUS);
}

static void hold(struct bus_end *end, struct lined_service *service)
{
	if (bus_is_held(&service->bus) || service->bus.left ||
	    (!lined_timer_is_armed(&end->hold_check) &&
	     lined_timer_start(&end->hold_check, HOLD_CHECK_MS, HOLD_CHECK_MS) <
		     0))
		return;
	count(&end->pauses);
	list_append(&end->held, &service->bus.held_link);
	instance_each_socket(service, hold_client, NULL);
}

static void unhold(struct bus_end *end, struct lined_service *service)
{
	if (!bus_is_held(&service->bus))
		return;
	list_remove(&service->bus.held_link);
	if (list_is_empty(&end->held))
		lined_timer_stop(&end->hold_check);
	instance_each_socket(service, unhold_client, NULL);
}

static void check_held(struct lined_timer *timer)
{
	struct bus_end *end =
		lined_container_of(timer, struct bus_end, hold_check);
	struct bus_member *member, *next;

	if (end->backend->backlog(end->backend_link) > BUS_BACKLOG_LOW)
		return;
	list_for_each_safe(member, next, &end->held, held_link)
		unhold(end,
		       lined_container_of(member, struct lined_service, bus));
}

/* ---- publishing ------------------------------------------------------- */

static int reserve(struct queue *queue)
{
	size_t room = queue->room > 0 ? queue->room * 2 : QUEUE_MIN;
	struct waiting *items;

	if (queue->count < queue->room)
		return 0;
	items = realloc(queue->items, room * sizeof(*items));
	if (items == NULL)
		return -1;
	queue->items = items;
	queue->room = room;
	return 0;
}

static int refuse(struct bus_end *end)
{
	count(&end->refused);
	errno = ENOBUFS;
	return -1;
}

/* To the other ends. */
static int publish_far(struct bus_end *end, struct lined_service *service,
		       const struct bus_topic_name *name, uint64_t stamp,
		       struct lined_buffer *message)
{
	size_t backlog = end->backend->backlog(end->backend_link) +
			 lined_buffer_len(message);

	if (backlog > BUS_BACKLOG_MAX)
		return refuse(end);
	if (end->backend->publish(end->backend_link, name, stamp, message) < 0)
		return -1;
	if (backlog > BUS_BACKLOG_HIGH)
		hold(end, service);
	want_turn(end);
	return 0;
}

static int publish(struct lined_service *service, uint64_t scope,
		   const char *text, struct lined_buffer *message)
{
	struct bus_end *end = service->worker->bus;
	size_t len = lined_buffer_len(message);
	uint64_t stamp = stamp_now(end);
	struct bus_topic_name name;
	struct topic *topic;

	if (name_topic(end, &name, scope, text) < 0)
		return -1;
	topic = find_topic(end, &name);
	if (topic != NULL && end->queued_bytes + len > BUS_BACKLOG_MAX)
		return refuse(end);
	if (topic != NULL && reserve(&end->queue) < 0)
		return -1;
	if (end->backend != NULL &&
	    publish_far(end, service, &name, stamp, message) < 0)
		return -1;
	count(&end->published);
	if (topic == NULL)
		return 0;
	topic->queued++;
	end->queued_bytes += len;
	end->queue.items[end->queue.count++] = (struct waiting){
		.topic = topic,
		.message = lined_buffer_ref(message),
		.stamp = stamp,
	};
	want_turn(end);
	return 0;
}

int lined_bus_publish(struct lined_service *service, const char *topic,
		      struct lined_buffer *message)
{
	return publish(service, service->bus.scope, topic, message);
}

int lined_bus_publish_shared(struct lined_service *service, const char *shared,
			     struct lined_buffer *message)
{
	return publish(service, BUS_SHARED, shared, message);
}

bool lined_bus_is_lagging(const struct lined_service *service)
{
	return bus_is_held(&service->bus);
}

/* ---- subscribing ------------------------------------------------------ */

static struct lined_subscription *
subscribe(struct lined_service *service, uint64_t scope, const char *text,
	  void (*handler)(void *arg, struct lined_buffer *message), void *arg)
{
	struct bus_end *end = service->worker->bus;
	struct lined_subscription *subscription;
	struct bus_topic_name name;

	if (service->bus.left) {
		errno = ESHUTDOWN;
		return NULL;
	}
	if (name_topic(end, &name, scope, text) < 0)
		return NULL;
	subscription = malloc(sizeof(*subscription));
	if (subscription == NULL)
		return NULL;
	subscription->topic = find_topic(end, &name);
	if (subscription->topic == NULL)
		subscription->topic = make_topic(end, &name);
	if (subscription->topic == NULL) {
		free(subscription);
		return NULL;
	}
	subscription->service = service;
	subscription->mark = new_mark(end);
	subscription->handler = handler;
	subscription->arg = arg;
	list_append(&subscription->topic->subscriptions, &subscription->link);
	list_append(&service->bus.subscriptions, &subscription->member_link);
	return subscription;
}

struct lined_subscription *
lined_bus_subscribe(struct lined_service *service, const char *topic,
		    void (*handler)(void *arg, struct lined_buffer *message),
		    void *arg)
{
	return subscribe(service, service->bus.scope, topic, handler, arg);
}

struct lined_subscription *lined_bus_subscribe_shared(
	struct lined_service *service, const char *shared,
	void (*handler)(void *arg, struct lined_buffer *message), void *arg)
{
	return subscribe(service, BUS_SHARED, shared, handler, arg);
}

static void detach(struct lined_subscription *subscription)
{
	struct bus_end *end = subscription->service->worker->bus;
	struct topic *topic = subscription->topic;

	if (topic == NULL)
		return;
	if (end->cursor == &subscription->link)
		end->cursor = subscription->link.next;
	list_remove(&subscription->link);
	subscription->topic = NULL;
	release_topic(end, topic);
}

void lined_bus_unsubscribe(struct lined_subscription *subscription)
{
	if (subscription == NULL)
		return;
	detach(subscription);
	list_remove(&subscription->member_link);
	free(subscription);
}

/* ---- instances -------------------------------------------------------- */

void bus_member_init(struct bus_member *member, uint64_t scope)
{
	member->scope = scope;
	list_init(&member->subscriptions);
	list_init(&member->held_link);
	member->left = false;
}

void bus_leave(struct lined_service *service)
{
	struct bus_end *end = service->worker->bus;
	struct lined_subscription *subscription;

	if (service->bus.left)
		return;
	service->bus.left = true;
	unhold(end, service);
	list_for_each(subscription, &service->bus.subscriptions, member_link)
		detach(subscription);
}

void bus_member_fini(struct bus_member *member)
{
	struct lined_subscription *subscription, *next;

	list_for_each_safe(subscription, next, &member->subscriptions,
			   member_link)
		free(subscription);
	list_init(&member->subscriptions);
}

/* ---- life ------------------------------------------------------------- */

void bus_end_attach(struct bus_end *end, const struct bus_backend *backend,
		    void *link)
{
	end->backend = backend;
	end->backend_link = link;
}

static struct bus_end *end_new(struct bus *bus, struct worker *worker,
			       uint64_t seed)
{
	struct bus_end *end = cache_line_calloc(sizeof(*end));

	if (end == NULL)
		return NULL;
	end->buckets = calloc(BUCKETS_MIN, sizeof(struct topic *));
	if (end->buckets == NULL) {
		free(end);
		return NULL;
	}
	end->bucket_count = BUCKETS_MIN;
	end->worker = worker;
	end->bus = bus;
	end->seed = seed;
	end->turn.handler = run_turn;
	end->turn.cancel = cancel_turn;
	list_init(&end->held);
	lined_timer_init(&end->hold_check, worker->dispatcher, check_held);
	return end;
}

static void end_free(struct bus_end *end)
{
	size_t i;

	if (end->turn_due)
		lined_dispatcher_undefer(end->worker->dispatcher, &end->turn);
	for (i = 0; i < end->queue.count; i++) {
		struct waiting *item = &end->queue.items[i];

		item->topic->queued--;
		release_topic(end, item->topic);
		lined_buffer_unref(item->message);
	}
	free(end->queue.items);
	free(end->served.items);
	free(end->buckets);
	free(end);
}

struct bus *bus_new(struct worker *workers, size_t workers_count)
{
	struct bus *bus = cache_line_calloc(sizeof(*bus));
	uint64_t seed;

	if (bus == NULL)
		return NULL;
	bus->ends = calloc(workers_count, sizeof(struct bus_end *));
	if (bus->ends == NULL ||
	    getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		goto fail;
	for (; bus->count < workers_count; bus->count++) {
		struct bus_end *end = end_new(bus, &workers[bus->count], seed);

		if (end == NULL)
			goto fail;
		bus->ends[bus->count] = end;
		workers[bus->count].bus = end;
	}
	if (workers_count > 1) {
		bus->threads =
			bus_threads_new(workers, bus->ends, workers_count);
		if (bus->threads == NULL)
			goto fail;
	}
	return bus;
fail:
	bus_free(bus);
	errno = ENOMEM;
	return NULL;
}

void bus_free(struct bus *bus)
{
	size_t i;

	if (bus == NULL)
		return;
	for (i = 0; i < bus->count; i++)
		end_free(bus->ends[i]);
	bus_threads_free(bus->threads);
	free(bus->ends);
	free(bus);
}

static uint64_t sum(const struct bus *bus, size_t offset)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < bus->count; i++) {
		const char *end = (const char *)bus->ends[i];

		total += __atomic_load_n(
			(const uint64_t *)(const void *)(end + offset),
			__ATOMIC_RELAXED);
	}
	return total;
}

uint64_t bus_posts(const struct bus *bus)
{
	return bus->threads != NULL ? bus_threads_posts(bus->threads) : 0;
}

uint64_t bus_wakeups(const struct bus *bus)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < bus->count; i++)
		total += dispatcher_wakeups(bus->ends[i]->worker->dispatcher);
	return total;
}

#define SUM(bus, member) sum(bus, offsetof(struct bus_end, member))

void bus_count(const struct bus *bus, struct bus_counters *counters)
{
	counters->published = SUM(bus, published);
	counters->posts = bus_posts(bus);
	counters->wakeups = bus_wakeups(bus);
	counters->refused = SUM(bus, refused);
	counters->pauses = SUM(bus, pauses);
}

void bus_log_counters(const struct bus *bus)
{
	struct bus_counters counters;

	bus_count(bus, &counters);
	if (counters.published == 0)
		return;
	log_notice("bus: published %llu, posted to workers %llu, wakeups %llu, "
		   "refused %llu, pauses %llu",
		   (unsigned long long)counters.published,
		   (unsigned long long)counters.posts,
		   (unsigned long long)counters.wakeups,
		   (unsigned long long)counters.refused,
		   (unsigned long long)counters.pauses);
}
