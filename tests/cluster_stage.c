/* SPDX-License-Identifier: MIT */
/*
 * Plays the broker for a node, and drives the node; see cluster_stage.h.
 */
#include "config.h"

#include "cluster_stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static const struct lined_protocol quiet = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "quiet",
};

static const char *const servers[] = {"nats://127.0.0.1:4222"};
const struct broker_settings stage_settings = {
	.servers = servers,
	.server_count = 1,
	.name = "node-a",
	.prefix = "test",
};

/* ---- the broker ---------------------------------------------------------- */

struct stage_broker stage_broker;

static void *broker_open(const struct broker_settings *given, uint32_t lease_ms,
			 void (*event)(void *arg, struct broker_event *event),
			 void *arg)
{
	(void)given, (void)lease_ms;
	if (stage_broker.refuses) {
		errno = EAGAIN;
		return NULL;
	}
	stage_broker.event = event;
	stage_broker.arg = arg;
	stage_broker.opens++;
	return &stage_broker;
}

static uint64_t broker_close(void *arg)
{
	stage_broker.event = NULL;
	return stage_broker.unwritten;
}

static bool broker_send(void *arg, struct broker_request *request)
{
	if (stage_broker.drops ||
	    (request->kind != BROKER_SEND &&
	     request->connection != stage_broker.connection)) {
		free(request);
		return false;
	}
	stage_broker.requests++;
	stage_broker.frames += request->kind == BROKER_SEND;
	if (request->kind == BROKER_SEND && request->len > stage_broker.longest)
		stage_broker.longest = request->len;
	free(stage_broker.last);
	stage_broker.last = request;
	return true;
}

static size_t broker_backlog(const void *arg)
{
	return stage_broker.backlog;
}

static size_t broker_frame_max(const void *arg)
{
	return stage_broker.frame_max;
}

static const struct broker_ops ops = {
	.open = broker_open,
	.close = broker_close,
	.send = broker_send,
	.backlog = broker_backlog,
	.frame_max = broker_frame_max,
};

/* ---- the node ------------------------------------------------------------ */

void stage_turn(struct stage *stage)
{
	ck_assert_int_ge(lined_dispatcher_poll(stage->hall.main, 0), 0);
}

void stage_tell(struct stage *stage, enum broker_event_kind kind,
		enum broker_bucket bucket, uint64_t revision, const char *key,
		const char *text)
{
	struct broker_event *event = broker_event_new(
		kind, key, text, text != NULL ? strlen(text) : 0);

	ck_assert_ptr_nonnull(event);
	event->bucket = bucket;
	event->revision = revision;
	event->connection = stage_broker.connection;
	event->number = kind == BROKER_UP ? STAGE_BUCKET : 0;
	stage_broker.event(stage_broker.arg, event);
	stage_turn(stage);
}

void stage_answer(struct stage *stage, enum broker_event_kind kind,
		  uint64_t tag, uint64_t revision)
{
	struct broker_event *event = broker_event_new(kind, NULL, NULL, 0);

	ck_assert_ptr_nonnull(event);
	event->tag = tag;
	event->revision = revision;
	event->connection = stage_broker.connection;
	stage_broker.event(stage_broker.arg, event);
	stage_turn(stage);
}

struct cluster_report stage_report(const struct stage *stage)
{
	struct cluster_report report;

	cluster_describe(stage->cluster, &report);
	return report;
}

void stage_join(struct stage *stage, uint64_t revision)
{
	stage_broker.connection++;
	stage_tell(stage, BROKER_UP, 0, 0, NULL, NULL);
	stage_tell(stage, BROKER_LISTED, BROKER_NAMES, revision, NULL, NULL);
	stage_tell(stage, BROKER_LISTED, BROKER_NODES, 0, NULL, NULL);
	ck_assert_int_eq(stage_broker.last->kind, BROKER_STORE);
	stage_answer(stage, BROKER_DONE, stage_broker.last->tag, 1);
	ck_assert(stage_report(stage).up);
}

static void stage_on_line(void *arg, struct lined_buffer *message)
{
	struct stage *stage = arg;
	size_t len = lined_buffer_len(message);

	if (stage->keeps && stage->kept_count < STAGE_KEPT) {
		stage->kept[stage->kept_count++] = lined_buffer_ref(message);
	} else {
		must(strlen(stage->heard) + len < sizeof(stage->heard));
		strncat(stage->heard, lined_buffer_data(message), len);
	}
}

void stage_on_hold(struct bus_member *member, bool on)
{
	(void)member, (void)on;
}

static void stage_on_change(struct cluster *cluster, void *arg)
{
	((struct stage *)arg)->whole = cluster_is_whole(cluster);
}

void stage_open(struct stage *stage)
{
	memset(stage, 0, sizeof(*stage));
	memset(&stage_broker, 0, sizeof(stage_broker));
	stage_broker.frame_max = 1 << 20;
	hall_open(&stage->hall, 1, &quiet, NULL);
	stage->registry =
		registry_new(stage->hall.workers, 1, 0, &cluster_registry);
	ck_assert_ptr_nonnull(stage->registry);
	stage->events = (struct cluster_events){stage_on_change, stage};
	stage->cluster = cluster_new(stage->hall.main, stage->hall.workers, 1,
				     &ops, &stage->events);
	ck_assert_ptr_nonnull(stage->cluster);
	stage->service = cluster_add(stage->cluster, "a", 1, stage->registry);
	ck_assert_ptr_nonnull(stage->service);
	cluster_show(stage->service);
	stage_turn(stage);
	bus_member_init(&stage->member, &stage->hall.workers[0],
			stage->hall.instances[0][0], 1, stage_on_hold);
	stage->member.clustered = "a";
	stage->subscription =
		bus_subscribe(&stage->member, 1, "t", stage_on_line, stage);
	ck_assert_ptr_nonnull(stage->subscription);
}

void stage_close(struct stage *stage)
{
	size_t i;

	for (i = 0; i < stage->kept_count; i++)
		lined_buffer_unref(stage->kept[i]);
	lined_bus_unsubscribe(stage->subscription);
	bus_member_leave(&stage->member);
	bus_member_fini(&stage->member);
	cluster_open(stage->cluster, NULL, 0);
	stage_turn(stage);
	cluster_remove(stage->service);
	registry_unref(stage->registry);
	cluster_free(stage->cluster);
	hall_close(&stage->hall);
	free(stage_broker.last);
}

void stage_begin(struct stage *stage)
{
	stage_open(stage);
	ck_assert_int_eq(cluster_open(stage->cluster, &stage_settings, 60000),
			 0);
	stage_join(stage, 0);
}

void stage_meet(struct stage *stage)
{
	stage_tell(stage, BROKER_STORED, BROKER_NODES, 2, "n.node-b",
		   "1 8000000000000b0b 1.0");
}
