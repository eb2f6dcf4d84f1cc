/* SPDX-License-Identifier: MIT */
/*
 * Receives the frames of other nodes: counts lost lines, waits for the revision
 * that the sending node had seen, and posts the frame to all workers.
 */
#include "config.h"

#include "cluster/cluster_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "memory_ceiling.h"
#include "threads/bus.h"

/* How long a frame waits for its revision. */
#define WAIT_US 1000000

/* ---- delivering --------------------------------------------------------- */

struct arrival;

struct arrival_parcel {
	struct lined_message message;
	struct arrival *arrival;
	struct worker *worker;
};

struct arrival_message {
	struct bus_topic_name topic;
	const char *data;
	size_t len;
	uint32_t lines;
};

/* A frame on its way to the workers. */
struct arrival {
	atomic_uint refs;
	struct cluster *cluster;
	struct broker_event *event;
	uint64_t stamp;
	struct arrival_message *messages; /* those for this node */
	size_t count;
	struct arrival_parcel parcels[];
};

/* Frees the event of a frame and ends the charge for the event's memory. d:
 * this thread's dispatcher; NULL: the dispatchers have ended. */
static void cluster_frames_free_event(struct cluster *cluster,
				      struct broker_event *event,
				      struct lined_dispatcher *d)
{
	if (d != NULL)
		dispatcher_hold(d, -(int64_t)event->len);
	atomic_fetch_sub(&cluster->arrived_bytes, event->len);
	free(event);
}

static void arrival_unref(struct arrival *arrival, struct lined_dispatcher *d)
{
	if (atomic_fetch_sub_explicit(&arrival->refs, 1,
				      memory_order_acq_rel) != 1)
		return;
	cluster_frames_free_event(arrival->cluster, arrival->event, d);
	free(arrival->messages);
	free(arrival);
}

static void arrival_cancelled(struct lined_message *message)
{
	arrival_unref(
		lined_container_of(message, struct arrival_parcel, message)
			->arrival,
		NULL);
}

static void arrival_arrived(struct lined_message *message)
{
	struct arrival_parcel *parcel =
		lined_container_of(message, struct arrival_parcel, message);
	struct arrival *arrival = parcel->arrival;
	struct bus_end *end = parcel->worker->bus;
	size_t i;

	bus_end_set_elsewhere(end, true);
	/* Copy each message: otherwise one line that waits for a slow client
	 * would keep the whole frame in memory. */
	for (i = 0; i < arrival->count; i++) {
		const struct arrival_message *sent = &arrival->messages[i];

		bus_end_deliver(end, &sent->topic, arrival->stamp, sent->data,
				sent->len, NULL, NULL);
	}
	bus_end_set_elsewhere(end, false);
	arrival_unref(arrival, parcel->worker->dispatcher);
}

/* Reads one message of a frame; returns the end of the message. NULL: damaged.
 * *here: the message is for a service of this node, or for all services. */
static const char *arrival_read_message(struct cluster *cluster, const char *at,
					const char *end,
					struct arrival_message *message,
					bool *here)
{
	const struct cluster_service *service = NULL;
	const char *name;
	size_t name_len, topic_len;

	if (end - at < 1)
		return NULL;
	name_len = (unsigned char)*at;
	if ((size_t)(end - at) < name_len + 2)
		return NULL;
	name = at + 1;
	at = name + name_len;
	topic_len = (unsigned char)*at++;
	if ((size_t)(end - at) < topic_len + 9 || at[topic_len] != '\0')
		return NULL;
	if (name_len > 0)
		service = cluster_find_service(cluster, name, name_len);
	*here = name_len == 0 || service != NULL;
	if (*here &&
	    bus_end_topic_name(cluster->workers[0].bus, &message->topic,
			       service != NULL ? service->scope : BUS_SHARED,
			       at) < 0)
		return NULL;
	at += topic_len + 1;
	message->lines = (uint32_t)frame_get(&at, 4);
	message->len = frame_get(&at, 4);
	message->data = at;
	return (size_t)(end - message->data) >= message->len
		       ? message->data + message->len
		       : NULL;
}

/* Reads the frame's messages until one is damaged; returns how many lines were
 * read. */
static uint32_t arrival_read(struct arrival *arrival, const struct frame *frame)
{
	const char *at = frame->data, *end = frame->data + frame->len;
	uint32_t lines = 0;

	while (lines < frame->lines) {
		struct arrival_message message;
		bool here = false;

		at = arrival_read_message(arrival->cluster, at, end, &message,
					  &here);
		if (at == NULL || message.lines == 0 ||
		    message.lines > frame->lines - lines)
			break;
		lines += message.lines;
		if (here)
			arrival->messages[arrival->count++] = message;
	}
	return lines;
}

static size_t arrival_messages_max(const struct frame *frame)
{
	size_t max = frame->len / FRAME_MESSAGE_MIN + 1;

	return frame->lines < max ? frame->lines : max;
}

static struct arrival *arrival_new(struct cluster *cluster,
				   struct broker_event *event,
				   const struct frame *frame)
{
	size_t count = cluster->count, i;
	struct arrival *arrival = calloc(
		1, sizeof(*arrival) + count * sizeof(arrival->parcels[0]));

	if (arrival == NULL)
		return NULL;
	arrival->messages =
		calloc(arrival_messages_max(frame), sizeof(*arrival->messages));
	if (arrival->messages == NULL) {
		free(arrival);
		return NULL;
	}
	atomic_init(&arrival->refs, (unsigned)count + 1);
	arrival->cluster = cluster;
	arrival->event = event;
	arrival->stamp = bus_end_stamp(cluster->workers[0].bus);
	for (i = 0; i < count; i++)
		arrival->parcels[i] = (struct arrival_parcel){
			.message.handler = arrival_arrived,
			.message.cancel = arrival_cancelled,
			.arrival = arrival,
			.worker = &cluster->workers[i],
		};
	return arrival;
}

static void cluster_frames_lose(struct node *node, uint64_t lines,
				const char *why)
{
	node->lost += lines;
	log_warning("cluster: %" PRIu64 " line%s of node %s %s lost%s", lines,
		    lines == 1 ? "" : "s", node->name,
		    lines == 1 ? "was" : "were", why);
}

static void cluster_frames_post(struct cluster *cluster, struct node *node,
				struct broker_event *event,
				const struct frame *frame)
{
	struct arrival *arrival = arrival_new(cluster, event, frame);
	uint32_t lines;
	size_t i;

	if (arrival == NULL) {
		cluster_frames_lose(node, frame->lines, ": no memory");
		cluster_frames_free_event(cluster, event, cluster->dispatcher);
		return;
	}
	lines = arrival_read(arrival, frame);
	cluster->received += lines;
	if (lines < frame->lines)
		cluster_frames_lose(node, frame->lines - lines,
				    ": a frame is damaged");
	for (i = 0; i < cluster->count; i++)
		cluster_post(arrival->parcels[i].worker,
			     &arrival->parcels[i].message);
	arrival_unref(arrival, cluster->dispatcher);
}

/* ---- order -------------------------------------------------------------- */

/* A frame that waits for its revision. */
struct cluster_wait {
	struct list link; /* node.waiting */
	struct broker_event *event;
	struct frame frame;
	uint64_t until_us;
};

static bool cluster_frames_is_ahead(const struct cluster *cluster,
				    const struct frame *frame)
{
	return frame->buckets_id == atomic_load(&cluster->out.buckets_id) &&
	       frame->revision > cluster->names.applied;
}

static void cluster_frames_wait(struct cluster *cluster, struct node *node,
				struct broker_event *event,
				const struct frame *frame, uint64_t now_us)
{
	struct cluster_wait *wait = calloc(1, sizeof(*wait));

	if (wait == NULL) {
		cluster_frames_lose(node, frame->lines, ": no memory");
		cluster_frames_free_event(cluster, event, cluster->dispatcher);
		return;
	}
	wait->event = event;
	wait->frame = *frame;
	wait->until_us = now_us + WAIT_US;
	list_append(&node->waiting, &wait->link);
	cluster->waiting += frame->lines;
}

static void cluster_frames_deliver_node(struct cluster *cluster,
					struct node *node, uint64_t now_us)
{
	while (!list_is_empty(&node->waiting)) {
		struct cluster_wait *wait = list_entry(
			node->waiting.next, struct cluster_wait, link);

		if (cluster_frames_is_ahead(cluster, &wait->frame)) {
			if (now_us < wait->until_us)
				return;
			cluster->late += wait->frame.lines;
		}
		list_remove(&wait->link);
		cluster->waiting -= wait->frame.lines;
		cluster_frames_post(cluster, node, wait->event, &wait->frame);
		free(wait);
	}
}

void cluster_frames_deliver(struct cluster *cluster, uint64_t now_us)
{
	struct node *node;

	if (cluster->waiting == 0)
		return;
	list_for_each(node, &cluster->nodes.list, link)
		cluster_frames_deliver_node(cluster, node, now_us);
}

void cluster_frames_leave(struct cluster *cluster, struct node *node)
{
	cluster_frames_deliver_node(cluster, node, UINT64_MAX);
}

/* Counts the lines that were lost before this frame. False: the frame is a
 * duplicate. */
static bool cluster_frames_follow(struct node *node, const struct frame *frame)
{
	uint64_t lost = 0;

	if (node->next_line != 0 && frame->line < node->next_line)
		return false;
	if (node->next_line != 0)
		lost = frame->line - node->next_line;
	node->next_line = frame->line + frame->lines;
	if (lost > 0)
		cluster_frames_lose(node, lost, "");
	return true;
}

void cluster_frames_take(struct cluster *cluster, struct broker_event *event)
{
	char name[NODE_NAME_MAX + 1] = "";
	uint64_t now_us = cluster_now_us();
	struct frame frame;
	struct node *node;

	/* The event's memory is charged while the frame waits for its revision
	 * and for the workers. */
	dispatcher_hold(cluster->dispatcher, (int64_t)event->len);
	/* A frame that this node sent on an earlier connection may come back.
	 */
	if (!frame_read(&frame, event->text, event->len) ||
	    frame.number == cluster->out.number ||
	    (frame.kind != FRAME_LINES &&
	     !nodes_read_name(name, frame.data, frame.len))) {
		cluster_frames_free_event(cluster, event, cluster->dispatcher);
		return;
	}
	if (frame.kind == FRAME_PROBE) {
		if (strcmp(name, cluster->nodes.name) == 0 &&
		    cluster->nodes.state == NODES_JOINED)
			cluster_out_send_name(&cluster->out, FRAME_HELLO, name);
		cluster_frames_free_event(cluster, event, cluster->dispatcher);
		return;
	}
	/* While this node probes for another node of the same name, this node
	 * counts as cut off and receives no lines. */
	if (cluster->nodes.state == NODES_PROBING &&
	    frame.kind == FRAME_LINES) {
		cluster_frames_free_event(cluster, event, cluster->dispatcher);
		return;
	}
	node = nodes_heard(&cluster->nodes, frame.number,
			   frame.kind == FRAME_HELLO ? name : NULL, now_us);
	if (node == NULL || !cluster_frames_follow(node, &frame) ||
	    frame.lines == 0)
		cluster_frames_free_event(cluster, event, cluster->dispatcher);
	else if (cluster_frames_is_ahead(cluster, &frame) ||
		 !list_is_empty(&node->waiting))
		cluster_frames_wait(cluster, node, event, &frame, now_us);
	else
		cluster_frames_post(cluster, node, event, &frame);
}
