/* SPDX-License-Identifier: MIT */
/*
 * Sends published lines to other nodes. A worker collects the lines of one turn
 * in a frame. The broker carries the frame to every other node, where
 * cluster_frames.c receives it.
 *
 * A message in a frame: the length of the service's name (one byte), the name
 * (empty: a shared topic), the length of the topic (one byte), the topic with
 * its NUL, the number of lines and the length of the message (four bytes each),
 * the message.
 */
#include "config.h"

#include "cluster/cluster_priv.h"

#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "threads/bus.h"

/* A frame is sent in the message phase of the turn, or earlier if the next
 * message would make it longer than this. */
#define FRAME_FULL ((size_t)64 * 1024)

static int cluster_bus_reserve(struct cluster_end *end, size_t size)
{
	size_t room = end->room > 0 ? end->room : 4096;
	char *frame;

	while (room < end->len + size)
		room *= 2;
	if (room == end->room)
		return 0;
	frame = realloc(end->frame, room);
	if (frame == NULL)
		return -1;
	end->frame = frame;
	end->room = room;
	return 0;
}

static void cluster_bus_flush(void *link)
{
	struct cluster_end *end = link;

	if (end->lines == 0)
		return;
	cluster_out_send(&end->cluster->out, FRAME_LINES, end->frame, end->len,
			 end->lines);
	end->lines = 0;
	end->len = FRAME_HEADER;
	/* Free the large buffer that a very long line needed. */
	if (end->room > 2 * FRAME_FULL) {
		free(end->frame);
		end->frame = NULL;
		end->room = 0;
	}
}

static void cluster_bus_append(struct cluster_end *end, const void *bytes,
			       size_t len)
{
	memcpy(end->frame + end->len, bytes, len);
	end->len += len;
}

static void cluster_bus_append_message(struct cluster_end *end,
				       const char *service,
				       const struct bus_topic_name *topic,
				       struct lined_buffer *message)
{
	uint32_t len = (uint32_t)lined_buffer_len(message);
	uint32_t lines = lined_buffer_lines(message);
	unsigned char name_len = (unsigned char)strlen(service);
	unsigned char topic_len = (unsigned char)topic->len;
	char numbers[8];

	cluster_bus_append(end, &name_len, 1);
	cluster_bus_append(end, service, name_len);
	cluster_bus_append(end, &topic_len, 1);
	cluster_bus_append(end, topic->text, (size_t)topic->len + 1);
	frame_put(frame_put(numbers, lines, 4), len, 4);
	cluster_bus_append(end, numbers, sizeof(numbers));
	cluster_bus_append(end, lined_buffer_data(message), len);
	end->lines += lines;
}

/* Counts a message that is too long for a frame, and logs the first one: only
 * clients of this node get the message. */
static int cluster_bus_skip(struct cluster_end *end,
			    const struct lined_buffer *message)
{
	atomic_fetch_add(&end->cluster->out.too_long,
			 lined_buffer_lines(message));
	if (!end->too_long_logged)
		log_warning("cluster: a line of %zu bytes is too long for "
			    "NATS's max_payload: other nodes do not get such "
			    "lines",
			    lined_buffer_len(message));
	end->too_long_logged = true;
	return 0;
}

static int cluster_bus_publish(void *link, const char *service,
			       const struct bus_topic_name *topic,
			       struct lined_buffer *message)
{
	struct cluster_end *end = link;
	struct cluster *cluster = end->cluster;
	size_t len = lined_buffer_len(message);
	size_t size = strlen(service) + topic->len + FRAME_MESSAGE_MIN + len;
	size_t max = atomic_load(&cluster->out.frame_max);

	if (size + FRAME_HEADER > max)
		return cluster_bus_skip(end, message);
	if (atomic_load(&cluster->nodes.there) == 0) {
		cluster_bus_flush(end);
		cluster_out_skip(&cluster->out, lined_buffer_lines(message));
		return 0;
	}
	if (end->len + size > (max < FRAME_FULL ? max : FRAME_FULL))
		cluster_bus_flush(end);
	if (cluster_bus_reserve(end, size) < 0)
		return -1;
	cluster_bus_append_message(end, service, topic, message);
	return 0;
}

static size_t cluster_bus_backlog(const void *link)
{
	const struct cluster_end *end = link;

	return end->len + cluster_out_backlog(&end->cluster->out);
}

static const struct bus_uplink cluster_uplink = {
	.publish = cluster_bus_publish,
	.flush = cluster_bus_flush,
	.backlog = cluster_bus_backlog,
};

static void cluster_bus_run_attach(struct worker_call *call)
{
	struct cluster_end *end =
		lined_container_of(call, struct cluster_end, attach);

	bus_end_attach_uplink(end->worker->bus, &cluster_uplink, end);
}

int cluster_bus_init(struct cluster *cluster)
{
	size_t i;

	cluster->ends = calloc(cluster->count, sizeof(*cluster->ends));
	if (cluster->ends == NULL)
		return -1;
	for (i = 0; i < cluster->count; i++) {
		struct cluster_end *end = &cluster->ends[i];

		end->cluster = cluster;
		end->worker = &cluster->workers[i];
		end->len = FRAME_HEADER;
		end->attach.run = cluster_bus_run_attach;
		worker_post(end->worker, &end->attach);
	}
	return 0;
}

void cluster_bus_fini(struct cluster *cluster)
{
	size_t i;

	for (i = 0; i < cluster->count; i++)
		free(cluster->ends[i].frame);
	free(cluster->ends);
}
