/* SPDX-License-Identifier: MIT */
/*
 * Opens and closes the broker. Receives the broker's events and passes them on
 * to the nodes, the names and the bus. Decides when this node works alone.
 */
#include "config.h"

#include "cluster/cluster_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "log/log.h"

/* After the start, claims wait until this node has joined: FIRST_WAIT_US at
 * most without a connection, JOIN_WAIT_US at most with one. */
#define FIRST_WAIT_US 1000000
#define JOIN_WAIT_US  5000000
#define TICK_MIN_MS   30

/* ---- delete markers ----------------------------------------------------- */

/* An erased entry leaves a delete marker in the bucket. The primary purges the
 * marker after two lease times, when all nodes have seen it. */
struct cluster_marker {
	struct list link;
	uint64_t revision, since_us;
	char key[];
};

static void cluster_add_marker(struct cluster *cluster,
			       const struct broker_event *event,
			       uint64_t now_us)
{
	size_t size = strlen(event->key) + 1;
	struct cluster_marker *marker = malloc(sizeof(*marker) + size);

	if (marker == NULL)
		return;
	marker->revision = event->revision;
	marker->since_us = now_us;
	memcpy(marker->key, event->key, size);
	list_append(&cluster->markers, &marker->link);
}

/* Forgets old markers; if this node is primary, also purges them in the bucket.
 * all: forgets all markers and purges none. */
static void cluster_purge_markers(struct cluster *cluster, uint64_t now_us,
				  bool all)
{
	struct cluster_marker *marker, *next;

	list_for_each_safe(marker, next, &cluster->markers, link) {
		if (!all &&
		    now_us < marker->since_us + 2 * cluster->nodes.lease_us)
			return;
		if (!all && cluster->nodes.is_primary)
			cluster_out_request(&cluster->out, BROKER_PURGE,
					    BROKER_NAMES, marker->key, NULL, 0,
					    marker->revision, 0);
		list_remove(&marker->link);
		free(marker);
	}
}

/* ---- events ------------------------------------------------------------- */

static void cluster_up(struct cluster *cluster,
		       const struct broker_event *event)
{
	cluster->out.connection = event->connection;
	cluster->names_listed = false;
	atomic_store(&cluster->out.frame_max,
		     cluster->out.ops->frame_max(cluster->out.broker));
	atomic_store(&cluster->out.buckets_id, event->number);
	atomic_store(&cluster->out.revision, 0);
	cluster_purge_markers(cluster, 0, true);
	names_begin(&cluster->names);
	nodes_up(&cluster->nodes);
}

static void cluster_trouble(struct cluster *cluster, const char *text)
{
	if (strcmp(cluster->trouble, text) == 0)
		return;
	snprintf(cluster->trouble, sizeof(cluster->trouble), "%s", text);
	log_warning("cluster: %s: %s", cluster->settings->servers[0], text);
}

static void cluster_down(struct cluster *cluster, uint64_t now_us)
{
	cluster->out.connection = 0;
	atomic_store(&cluster->out.buckets_id, 0);
	nodes_down(&cluster->nodes);
	cluster_be_alone(cluster, now_us);
	cluster_frames_deliver(cluster, UINT64_MAX);
}

/* Call this before a change is passed on: a worker that gets the change may
 * publish a line at once, and the line's frame must carry the change's
 * revision. */
static void cluster_see(struct cluster *cluster, uint64_t revision)
{
	if (atomic_load(&cluster->out.revision) < revision)
		atomic_store(&cluster->out.revision, revision);
}

static void cluster_stored(struct cluster *cluster,
			   const struct broker_event *event, uint64_t now_us)
{
	struct names_value value;

	if (event->bucket == BROKER_NODES) {
		nodes_stored(&cluster->nodes, event->key, event->revision,
			     event->text, now_us);
		return;
	}
	/* A node of another version may write values that this node cannot
	 * read: the name counts as taken. */
	if (!cluster_registry_read(&value, event->text, event->len))
		value = (struct names_value){.node = NODES_NOBODY};
	cluster_see(cluster, event->revision);
	names_stored(&cluster->names, event->key, event->revision, &value);
}

static void cluster_erased(struct cluster *cluster,
			   const struct broker_event *event, uint64_t now_us)
{
	if (event->bucket == BROKER_NODES) {
		nodes_erased(&cluster->nodes, event->key, event->revision);
		return;
	}
	cluster_see(cluster, event->revision);
	names_erased(&cluster->names, event->key, event->revision);
	cluster_add_marker(cluster, event, now_us);
}

static void cluster_listed(struct cluster *cluster,
			   const struct broker_event *event, uint64_t now_us)
{
	if (event->bucket == BROKER_NODES) {
		nodes_listed(&cluster->nodes, now_us);
		return;
	}
	cluster_see(cluster, event->revision);
	names_listed(&cluster->names, event->revision);
	cluster->names_listed = true;
	cluster_try_join(cluster);
}

static void cluster_answered(struct cluster *cluster,
			     const struct broker_event *event, uint64_t now_us)
{
	bool done = event->kind == BROKER_DONE;

	nodes_answered(&cluster->nodes, event->tag, event->revision, done,
		       now_us);
	names_answered(&cluster->names, event->tag, event->revision, done);
}

/* Handles an event. False: the event no longer belongs to the caller. */
static bool cluster_handle(struct cluster *cluster, struct broker_event *event,
			   uint64_t now_us)
{
	switch (event->kind) {
	case BROKER_UP:
		cluster_up(cluster, event);
		return true;
	case BROKER_REFUSED:
		cluster_trouble(cluster, event->text);
		if (cluster->names.mode == NAMES_WAITING)
			cluster_be_alone(cluster, now_us);
		return true;
	case BROKER_TROUBLE:
		cluster_out_unsend(&cluster->out, event->number);
		log_warning("cluster: %s: %s", cluster->settings->servers[0],
			    event->text);
		return true;
	default:
		break;
	}
	if (event->connection != cluster->out.connection)
		return true;
	switch (event->kind) {
	case BROKER_DOWN:
		cluster_out_unsend(&cluster->out, event->number);
		cluster_trouble(cluster, event->text);
		cluster_down(cluster, now_us);
		break;
	case BROKER_FRAME:
		cluster_frames_take(cluster, event);
		return false;
	case BROKER_STORED:
		cluster_stored(cluster, event, now_us);
		break;
	case BROKER_ERASED:
		cluster_erased(cluster, event, now_us);
		break;
	case BROKER_LISTED:
		cluster_listed(cluster, event, now_us);
		break;
	default:
		cluster_answered(cluster, event, now_us);
		break;
	}
	return true;
}

static void cluster_free_event(struct cluster *cluster,
			       struct broker_event *event)
{
	if (event->kind == BROKER_FRAME)
		atomic_fetch_sub(&cluster->arrived_bytes, event->len);
	free(event);
}

/* Empties the queue of events. due: whether the arrival message is still in the
 * mailbox. */
static struct broker_event *cluster_take_events(struct cluster *cluster,
						bool due)
{
	struct broker_event *event;

	pthread_mutex_lock(&cluster->lock);
	cluster->arrived_due &= due;
	event = cluster->first;
	cluster->first = NULL;
	cluster->last = &cluster->first;
	pthread_mutex_unlock(&cluster->lock);
	return event;
}

/* If the cluster was freed, frees the message and returns NULL. */
static struct cluster *cluster_of_arrival(struct lined_message *message)
{
	struct cluster_arrival *arrival =
		lined_container_of(message, struct cluster_arrival, message);
	struct cluster *cluster = arrival->cluster;

	if (cluster == NULL)
		free(arrival);
	return cluster;
}

static void cluster_events_arrived(struct lined_message *message)
{
	struct cluster *cluster = cluster_of_arrival(message);
	struct broker_event *event, *next;
	uint64_t now_us = cluster_now_us();

	if (cluster == NULL)
		return;
	event = cluster_take_events(cluster, false);
	for (; event != NULL; event = next) {
		next = event->next;
		if (cluster->settings == NULL ||
		    cluster_handle(cluster, event, now_us))
			cluster_free_event(cluster, event);
	}
	cluster_frames_deliver(cluster, now_us);
}

static void cluster_drop_events(struct cluster *cluster, bool due)
{
	struct broker_event *event = cluster_take_events(cluster, due), *next;

	for (; event != NULL; event = next) {
		next = event->next;
		if (event->kind == BROKER_DOWN || event->kind == BROKER_TROUBLE)
			cluster_out_unsend(&cluster->out, event->number);
		cluster_free_event(cluster, event);
	}
}

static void cluster_events_cancelled(struct lined_message *message)
{
	struct cluster *cluster = cluster_of_arrival(message);

	if (cluster != NULL)
		cluster_drop_events(cluster, false);
}

/* Called on a thread of the broker. */
static void cluster_event(void *arg, struct broker_event *event)
{
	struct cluster *cluster = arg;
	bool post;

	if (event->kind == BROKER_FRAME &&
	    atomic_fetch_add(&cluster->arrived_bytes, event->len) >
		    CLUSTER_ARRIVED_MAX) {
		/* Drop the frame. Its lines are numbered, so the next frame
		 * shows the gap. */
		cluster_free_event(cluster, event);
		return;
	}
	event->next = NULL;
	pthread_mutex_lock(&cluster->lock);
	*cluster->last = event;
	cluster->last = &event->next;
	post = !cluster->arrived_due;
	cluster->arrived_due = true;
	pthread_mutex_unlock(&cluster->lock);
	if (post && lined_dispatcher_post(cluster->dispatcher,
					  &cluster->arrival->message) < 0)
		cluster_drop_events(cluster, false);
}

/* Opens the broker; if that fails, the next tick tries again. */
static void cluster_begin(struct cluster *cluster)
{
	void *broker = cluster->out.ops->open(
		cluster->settings, cluster->lease_ms, cluster_event, cluster);

	if (broker == NULL) {
		cluster_trouble(cluster, strerror(errno));
		return;
	}
	pthread_mutex_lock(&cluster->out.lock);
	cluster->out.broker = broker;
	pthread_mutex_unlock(&cluster->out.lock);
}

/* ---- time --------------------------------------------------------------- */

static bool cluster_is_alive(void *cluster, uint64_t number)
{
	return number == NODES_NOBODY ||
	       nodes_is_alive(&((struct cluster *)cluster)->nodes, number);
}

static void cluster_ticked(struct lined_timer *timer)
{
	struct cluster *cluster =
		lined_container_of(timer, struct cluster, tick);
	uint64_t now_us = cluster_now_us();

	if (cluster->nodes.lease_differs &&
	    now_us > cluster->opened_us + cluster->nodes.lease_us) {
		cluster_open(cluster, cluster->settings, cluster->lease_ms);
		return;
	}
	if (cluster->out.broker == NULL)
		cluster_begin(cluster);
	nodes_tick(&cluster->nodes, now_us);
	if (cluster->names.mode == NAMES_WAITING &&
	    (cluster->nodes.twin_logged ||
	     now_us > cluster->opened_us + (cluster->out.connection != 0
						    ? JOIN_WAIT_US
						    : FIRST_WAIT_US)))
		cluster_be_alone(cluster, now_us);
	/* After one lease time alone, this node counts all other nodes as gone.
	 */
	if (cluster->names.mode == NAMES_ALONE && !cluster->forgot &&
	    now_us > cluster->down_us + cluster->nodes.lease_us) {
		names_forget(&cluster->names);
		cluster->forgot = true;
	}
	if (cluster->names.mode == NAMES_JOINED) {
		if (cluster->nodes.is_primary)
			names_clean(&cluster->names, cluster_is_alive, cluster);
		cluster_purge_markers(cluster, now_us, false);
		if (now_us > cluster->asked_us + NODES_ANSWER_US) {
			names_ask_again(&cluster->names);
			cluster->asked_us = now_us;
		}
	}
	cluster_frames_deliver(cluster, now_us);
}

/* ---- life --------------------------------------------------------------- */

struct cluster *cluster_new(struct lined_dispatcher *dispatcher,
			    struct worker *workers, size_t count,
			    const struct broker_ops *broker,
			    const struct cluster_events *events)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));
	struct cluster_arrival *arrival = calloc(1, sizeof(*arrival));
	uint64_t number;

	if (cluster == NULL || arrival == NULL ||
	    getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
		free(arrival);
		free(cluster);
		return NULL;
	}
	cluster->arrival = arrival;
	number |= UINT64_C(1) << 63; /* differs from 0 and NODES_NOBODY */
	cluster->dispatcher = dispatcher;
	cluster->workers = workers;
	cluster->count = count;
	cluster->events = events;
	cluster_out_init(&cluster->out, broker, number);
	names_init(&cluster->names, &cluster_names_ops, number);
	nodes_init(&cluster->nodes, &cluster_nodes_ops, number);
	list_init(&cluster->services);
	list_init(&cluster->markers);
	pthread_mutex_init(&cluster->lock, NULL);
	cluster->last = &cluster->first;
	cluster->arrival->cluster = cluster;
	cluster->arrival->message.handler = cluster_events_arrived;
	cluster->arrival->message.cancel = cluster_events_cancelled;
	lined_timer_init(&cluster->tick, dispatcher, cluster_ticked);
	if (cluster_bus_init(cluster) == 0)
		return cluster;
	cluster_out_fini(&cluster->out);
	free(arrival);
	free(cluster);
	errno = ENOMEM;
	return NULL;
}

static void cluster_close(struct cluster *cluster)
{
	void *broker;

	if (cluster->settings == NULL)
		return;
	nodes_close(&cluster->nodes);
	lined_timer_stop(&cluster->tick);
	pthread_mutex_lock(&cluster->out.lock);
	broker = cluster->out.broker;
	cluster->out.broker = NULL;
	pthread_mutex_unlock(&cluster->out.lock);
	if (broker != NULL)
		cluster_out_unsend(&cluster->out,
				   cluster->out.ops->close(broker));
	/* Drop this broker's events now: the next broker numbers its
	 * connections from 1 again, so these events would be taken for the next
	 * broker's. */
	cluster_drop_events(cluster, true);
	cluster->settings = NULL;
	cluster->out.connection = 0;
	cluster_be_alone(cluster, cluster_now_us());
	names_forget(&cluster->names);
	cluster->trouble[0] = '\0';
}

int cluster_open(struct cluster *cluster,
		 const struct broker_settings *settings, uint32_t lease_ms)
{
	uint32_t tick_ms = lease_ms / 30;

	cluster_close(cluster);
	if (settings == NULL) {
		cluster->ever_up = false;
		return 0;
	}
	lined_dispatcher_open_mailbox(cluster->dispatcher);
	cluster->opened_us = cluster_now_us();
	nodes_open(&cluster->nodes, settings->name, lease_ms,
		   cluster->opened_us);
	if (tick_ms < TICK_MIN_MS)
		tick_ms = TICK_MIN_MS;
	if (lined_timer_start(&cluster->tick, tick_ms, tick_ms) < 0) {
		cluster_be_alone(cluster, cluster->opened_us);
		return -1;
	}
	cluster->settings = settings;
	cluster->lease_ms = lease_ms;
	cluster_begin(cluster);
	return 0;
}

void cluster_retire(struct cluster *cluster)
{
	nodes_retire(&cluster->nodes);
}

void cluster_free(struct cluster *cluster)
{
	if (cluster == NULL)
		return;
	if (cluster->arrived_due)
		cluster->arrival->cluster = NULL;
	else
		free(cluster->arrival);
	cluster_drop_events(cluster, false);
	cluster_purge_markers(cluster, 0, true);
	names_fini(&cluster->names);
	cluster_bus_fini(cluster);
	cluster_out_fini(&cluster->out);
	pthread_mutex_destroy(&cluster->lock);
	free(cluster);
}
