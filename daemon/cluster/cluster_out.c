/* SPDX-License-Identifier: MIT */
/*
 * Sends to the broker. Frames get their header here, under one lock, so that
 * line numbers grow in the order in which lines leave. The lines of a frame
 * are counted as sent or unsent, and are numbered in both cases, so that other
 * nodes notice lost lines.
 */
#include "config.h"

#include "cluster/cluster_priv.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_MAGIC 'L'
/* NODES_VERSION as a digit. */
#define FRAME_VERSION '1'

char *frame_put(char *at, uint64_t number, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		at[i] = (char)(number >> (8 * (bytes - 1 - i)));
	return at + bytes;
}

uint64_t frame_get(const char **at, size_t bytes)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < bytes; i++)
		number = number << 8 | (unsigned char)*(*at)++;
	return number;
}

static void frame_write(const struct frame *frame, char *at)
{
	*at++ = FRAME_MAGIC;
	*at++ = FRAME_VERSION;
	*at++ = (char)frame->kind;
	*at++ = 0;
	at = frame_put(at, frame->number, 8);
	at = frame_put(at, frame->line, 8);
	at = frame_put(at, frame->lines, 4);
	at = frame_put(at, frame->buckets_id, 8);
	frame_put(at, frame->revision, 8);
}

bool frame_read(struct frame *frame, const char *bytes, size_t len)
{
	const char *at = bytes + 4;

	if (len < FRAME_HEADER || bytes[0] != FRAME_MAGIC ||
	    bytes[1] != FRAME_VERSION ||
	    memchr("lhq", bytes[2], strlen("lhq")) == NULL)
		return false;
	frame->kind = (enum frame_kind)bytes[2];
	frame->number = frame_get(&at, 8);
	frame->line = frame_get(&at, 8);
	frame->lines = (uint32_t)frame_get(&at, 4);
	frame->buckets_id = frame_get(&at, 8);
	frame->revision = frame_get(&at, 8);
	frame->data = at;
	frame->len = len - FRAME_HEADER;
	return frame->kind == FRAME_LINES ? frame->lines <= frame->len
					  : frame->lines == 0;
}

void cluster_out_send(struct cluster_out *out, enum frame_kind kind,
		      char *bytes, size_t len, uint32_t lines)
{
	struct frame frame = {
		.kind = kind,
		.number = out->number,
		.lines = lines,
		.buckets_id = atomic_load(&out->buckets_id),
		.revision = atomic_load(&out->revision),
	};
	struct broker_request *request = NULL;
	bool sent = false;

	pthread_mutex_lock(&out->lock);
	frame.line = out->next_line;
	out->next_line += lines;
	frame_write(&frame, bytes);
	if (out->broker != NULL &&
	    (kind != FRAME_LINES || atomic_load(&out->up)))
		request = broker_request_new(BROKER_SEND, NULL, bytes, len);
	if (request != NULL) {
		request->lines = lines;
		sent = out->ops->send(out->broker, request);
	}
	pthread_mutex_unlock(&out->lock);
	atomic_fetch_add(sent ? &out->sent : &out->unsent, lines);
}

void cluster_out_skip(struct cluster_out *out, uint32_t lines)
{
	bool up = atomic_load(&out->up);

	pthread_mutex_lock(&out->lock);
	out->next_line += lines;
	pthread_mutex_unlock(&out->lock);
	atomic_fetch_add(up ? &out->sent : &out->unsent, lines);
}

void cluster_out_unsend(struct cluster_out *out, uint64_t lines)
{
	atomic_fetch_sub(&out->sent, lines);
	atomic_fetch_add(&out->unsent, lines);
}

void cluster_out_send_name(struct cluster_out *out, enum frame_kind kind,
			   const char *name)
{
	char bytes[FRAME_HEADER + NODE_NAME_MAX];
	size_t len = strlen(name);

	memcpy(bytes + FRAME_HEADER, name, len);
	cluster_out_send(out, kind, bytes, FRAME_HEADER + len, 0);
}

void cluster_out_request(struct cluster_out *out, enum broker_request_kind kind,
			 enum broker_bucket bucket, const char *key,
			 const void *data, size_t len, uint64_t expected,
			 uint64_t tag)
{
	struct broker_request *request =
		broker_request_new(kind, key, data, len);

	if (request == NULL)
		return;
	request->bucket = bucket;
	request->expected = expected;
	request->tag = tag;
	request->connection = out->connection;
	pthread_mutex_lock(&out->lock);
	if (out->broker != NULL)
		out->ops->send(out->broker, request);
	else
		free(request);
	pthread_mutex_unlock(&out->lock);
}

size_t cluster_out_backlog(struct cluster_out *out)
{
	size_t backlog;

	pthread_mutex_lock(&out->lock);
	backlog = out->broker != NULL ? out->ops->backlog(out->broker) : 0;
	pthread_mutex_unlock(&out->lock);
	return backlog;
}

void cluster_out_init(struct cluster_out *out, const struct broker_ops *ops,
		      uint64_t number)
{
	memset(out, 0, sizeof(*out));
	out->ops = ops;
	out->number = number;
	out->next_line = 1;
	atomic_init(&out->frame_max, SIZE_MAX);
	pthread_mutex_init(&out->lock, NULL);
}

void cluster_out_fini(struct cluster_out *out)
{
	pthread_mutex_destroy(&out->lock);
}
