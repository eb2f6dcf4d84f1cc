/* SPDX-License-Identifier: MIT */
/*
 * One node over a broker that the test plays: what it makes of the frames and
 * entries of other nodes, whoever has written them, and what it counts.
 */
#include "config.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/bus.h>

#include "cluster/cluster_priv.h"
#include "threads/bus.h"
#include "worker_fixture.h"

/* The number of another node, and the life of the buckets. */
#define OTHER  UINT64_C(0x8000000000000b0b)
#define BUCKET UINT64_C(77)

/* More frames than may be on their way. */
#define KEPT  1200
#define FRAME 65000

static const struct lined_protocol quiet = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "quiet",
};

static const char *const servers[] = {"nats://127.0.0.1:4222"};
static const struct broker_settings settings = {
	.servers = servers,
	.server_count = 1,
	.name = "node-a",
	.prefix = "test",
};

/* ---- the broker ---------------------------------------------------------- */

static struct {
	void (*event)(void *arg, struct broker_event *event);
	void *arg;
	bool refuses; /* to open */
	size_t opens;
	bool drops;
	struct broker_request *last;
	size_t requests, frames, longest, backlog, frame_max;
	uint64_t life;
} broker;

static void *broker_open(const struct broker_settings *given, uint32_t lease_ms,
			 void (*event)(void *arg, struct broker_event *event),
			 void *arg)
{
	(void)given, (void)lease_ms;
	if (broker.refuses) {
		errno = EAGAIN;
		return NULL;
	}
	broker.event = event;
	broker.arg = arg;
	broker.opens++;
	return &broker;
}

static void broker_close(void *arg)
{
	(void)arg;
	broker.event = NULL;
}

static bool broker_send(void *arg, struct broker_request *request)
{
	(void)arg;
	if (broker.drops) {
		free(request);
		return false;
	}
	broker.requests++;
	broker.frames += request->kind == BROKER_SEND;
	if (request->kind == BROKER_SEND && request->len > broker.longest)
		broker.longest = request->len;
	free(broker.last);
	broker.last = request;
	return true;
}

static size_t broker_backlog(const void *arg)
{
	(void)arg;
	return broker.backlog;
}

static size_t broker_frame_max(const void *arg)
{
	(void)arg;
	return broker.frame_max;
}

static const struct broker_ops ops = {
	.open = broker_open,
	.close = broker_close,
	.send = broker_send,
	.backlog = broker_backlog,
	.frame_max = broker_frame_max,
};

/* ---- the node ------------------------------------------------------------ */

struct stage {
	struct hall hall;
	struct cluster *cluster;
	struct registry *registry;
	struct cluster_service *service;
	struct bus_member member;
	struct lined_subscription *subscription;
	char heard[256]; /* on the topic "t" of the service "a" */
	struct lined_buffer *kept[KEPT];
	size_t kept_count;
	bool keeps;
	uint64_t seen; /* the revision as a name changed */
	struct cluster_events events;
	bool whole; /* as it was told last */
};

static void turn(struct stage *stage)
{
	ck_assert_int_ge(lined_dispatcher_poll(stage->hall.main, 0), 0);
}

static void tell(struct stage *stage, enum broker_event_kind kind,
		 enum broker_bucket bucket, uint64_t revision, const char *key,
		 const char *text)
{
	struct broker_event *event = broker_event_new(
		kind, key, text, text != NULL ? strlen(text) : 0);

	ck_assert_ptr_nonnull(event);
	event->bucket = bucket;
	event->revision = revision;
	event->life = broker.life;
	event->number = kind == BROKER_UP ? BUCKET : 0;
	broker.event(broker.arg, event);
	turn(stage);
}

static void answer(struct stage *stage, enum broker_event_kind kind,
		   uint64_t tag, uint64_t revision)
{
	struct broker_event *event = broker_event_new(kind, NULL, NULL, 0);

	ck_assert_ptr_nonnull(event);
	event->tag = tag;
	event->revision = revision;
	event->life = broker.life;
	broker.event(broker.arg, event);
	turn(stage);
}

static struct cluster_report report_of(const struct stage *stage)
{
	struct cluster_report report;

	cluster_describe(stage->cluster, &report);
	return report;
}

/* The link is up, and the node is joined; the stream of names ends with this
 * revision. */
static void join(struct stage *stage, uint64_t revision)
{
	broker.life++;
	tell(stage, BROKER_UP, 0, 0, NULL, NULL);
	tell(stage, BROKER_LISTED, BROKER_NAMES, revision, NULL, NULL);
	tell(stage, BROKER_LISTED, BROKER_NODES, 0, NULL, NULL);
	ck_assert_int_eq(broker.last->kind, BROKER_STORE);
	answer(stage, BROKER_DONE, broker.last->tag, 1);
	ck_assert(report_of(stage).up);
}

static void on_line(void *arg, struct lined_buffer *message)
{
	struct stage *stage = arg;
	size_t len = lined_buffer_len(message);

	if (stage->keeps && stage->kept_count < KEPT) {
		stage->kept[stage->kept_count++] = lined_buffer_ref(message);
	} else {
		must(strlen(stage->heard) + len < sizeof(stage->heard));
		strncat(stage->heard, lined_buffer_data(message), len);
	}
}

static void on_hold(struct bus_member *member, bool on)
{
	(void)member, (void)on;
}

static void on_change(struct cluster *cluster, void *arg)
{
	((struct stage *)arg)->whole = cluster_is_whole(cluster);
}

static void stage_open(struct stage *stage)
{
	memset(stage, 0, sizeof(*stage));
	memset(&broker, 0, sizeof(broker));
	broker.frame_max = 1 << 20;
	hall_open(&stage->hall, 1, &quiet, NULL);
	stage->registry =
		registry_new(stage->hall.workers, 1, 0, &cluster_registry);
	ck_assert_ptr_nonnull(stage->registry);
	stage->events = (struct cluster_events){on_change, stage};
	stage->cluster = cluster_new(stage->hall.main, stage->hall.workers, 1,
				     &ops, &stage->events);
	ck_assert_ptr_nonnull(stage->cluster);
	stage->service = cluster_add(stage->cluster, "a", 1, stage->registry);
	ck_assert_ptr_nonnull(stage->service);
	cluster_show(stage->cluster);
	turn(stage);
	bus_member_init(&stage->member, &stage->hall.workers[0],
			stage->hall.instances[0][0], 1, on_hold);
	stage->member.clustered = "a";
	stage->subscription =
		bus_subscribe(&stage->member, 1, "t", on_line, stage);
	ck_assert_ptr_nonnull(stage->subscription);
}

static void stage_close(struct stage *stage)
{
	size_t i;

	for (i = 0; i < stage->kept_count; i++)
		lined_buffer_unref(stage->kept[i]);
	bus_unsubscribe(stage->subscription);
	bus_member_leave(&stage->member);
	bus_member_fini(&stage->member);
	cluster_open(stage->cluster, NULL, 0);
	turn(stage);
	cluster_remove(stage->service);
	registry_unref(stage->registry);
	cluster_free(stage->cluster);
	hall_close(&stage->hall);
	free(broker.last);
}

static void stage_begin(struct stage *stage)
{
	stage_open(stage);
	ck_assert_int_eq(cluster_open(stage->cluster, &settings, 60000), 0);
	join(stage, 0);
}

/* Another node is there. */
static void meet(struct stage *stage)
{
	tell(stage, BROKER_STORED, BROKER_NODES, 2, "n.node-b",
	     "1 8000000000000b0b 1.0");
}

static const char *owner_of(const struct registry *registry, const char *name)
{
	struct name_node *node =
		name_set_find(&registry->replicas[0].names, name);

	return node != NULL ? node->text : NULL;
}

/* ---- frames -------------------------------------------------------------- */

struct frame_text {
	char bytes[1 << 17];
	size_t len;
	uint32_t lines;
};

static void put(struct frame_text *frame, uint64_t number, size_t bytes)
{
	while (bytes-- > 0)
		frame->bytes[frame->len++] = (char)(number >> (8 * bytes));
}

static void frame_begin(struct frame_text *frame, char kind, uint64_t node,
			uint64_t line, uint64_t revision)
{
	frame->len = frame->lines = 0;
	put(frame, 'L', 1);
	put(frame, '1', 1);
	put(frame, (uint64_t)kind, 1);
	put(frame, 0, 1);
	put(frame, node, 8);
	put(frame, line, 8);
	put(frame, 0, 4);
	put(frame, BUCKET, 8);
	put(frame, revision, 8);
}

static void frame_text(struct frame_text *frame, const char *text)
{
	memcpy(frame->bytes + frame->len, text, strlen(text));
	frame->len += strlen(text);
}

/* A message of several lines. */
static void frame_lines(struct frame_text *frame, const char *topic,
			const char *text, uint32_t lines)
{
	put(frame, 1, 1);
	frame_text(frame, "a");
	put(frame, 1, 1);
	frame_text(frame, topic);
	put(frame, 0, 1);
	put(frame, lines, 4);
	put(frame, strlen(text), 4);
	frame_text(frame, text);
	frame->lines += lines;
}

static void frame_line(struct frame_text *frame, const char *topic,
		       const char *text)
{
	frame_lines(frame, topic, text, 1);
}

static void frame_send(struct stage *stage, struct frame_text *frame)
{
	size_t len = frame->len;
	struct broker_event *event;

	frame->len = 20;
	put(frame, frame->lines, 4);
	event = broker_event_new(BROKER_FRAME, NULL, frame->bytes, len);
	ck_assert_ptr_nonnull(event);
	event->life = broker.life;
	broker.event(broker.arg, event);
	turn(stage);
}

static void send_line(struct stage *stage, char kind, uint64_t node,
		      uint64_t line, uint64_t revision, const char *text)
{
	static struct frame_text frame;

	frame_begin(&frame, kind, node, line, revision);
	frame_line(&frame, "t", text);
	frame_send(stage, &frame);
}

/* ---- names --------------------------------------------------------------- */

START_TEST(two_keys_are_never_one_name)
{
	/* The second and the following would be the first name, too. */
	static const char *const keys[] = {"a.bob",   "a.=62ob", "a.b=6fb",
					   "a.b=6Fb", "a.b= 6b", "a.b=00b",
					   "a.",      "=61.bob"};
	struct stage stage;
	size_t i;

	stage_begin(&stage);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		tell(&stage, BROKER_STORED, BROKER_NAMES, i + 1, keys[i],
		     "1 8000000000000b0b 5 6\nvalue");
	ck_assert_uint_eq(stage.registry->replicas[0].counters.names, 1);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		tell(&stage, BROKER_ERASED, BROKER_NAMES, i + 100, keys[i], "");
	ck_assert_uint_eq(stage.registry->replicas[0].counters.names, 0);
	ck_assert_ptr_null(owner_of(stage.registry, "bob"));
	stage_close(&stage);
}
END_TEST

START_TEST(a_service_that_is_replaced_hands_its_names_over)
{
	struct cluster_service *before;
	struct registry *old;
	struct stage stage;

	stage_begin(&stage);
	before = stage.service;
	old = stage.registry;
	tell(&stage, BROKER_STORED, BROKER_NAMES, 1, "a.bob",
	     "1 8000000000000b0b 5 6\nvalue");
	ck_assert_uint_eq(old->replicas[0].counters.names, 1);
	stage.registry =
		registry_new(stage.hall.workers, 1, 0, &cluster_registry);
	ck_assert_ptr_nonnull(stage.registry);
	stage.service = cluster_add(stage.cluster, "a", 2, stage.registry);
	ck_assert_ptr_nonnull(stage.service);
	tell(&stage, BROKER_STORED, BROKER_NAMES, 2, "a.carol",
	     "1 8000000000000b0b 5 6\nvalue");
	ck_assert_uint_eq(old->replicas[0].counters.names, 2);
	ck_assert_uint_eq(cluster_scope(stage.service), cluster_scope(before));
	stage.cluster->nodes.is_primary = true;
	ck_assert(cluster_service_is_primary(before));
	ck_assert(!cluster_service_is_primary(stage.service));
	cluster_show(stage.cluster);
	ck_assert(!cluster_service_is_primary(before));
	ck_assert(cluster_service_is_primary(stage.service));
	cluster_remove(before);
	registry_unref(old);
	ck_assert_uint_eq(stage.registry->replicas[0].counters.names, 2);
	ck_assert_str_eq(owner_of(stage.registry, "carol"), "carol");
	stage_close(&stage);
}
END_TEST

/* The claim of a client that the test has not got. */
static struct registry_claim *claim(struct stage *stage, const char *name)
{
	struct registry_claim *made =
		registry_claim_new(stage->registry, 0, name, "v", 1);

	ck_assert_ptr_nonnull(made);
	made->owner = 7;
	cluster_registry.claim(made);
	turn(stage);
	return made;
}

START_TEST(a_lost_answer_is_asked_for_again)
{
	struct registry_claim *alice;
	struct stage stage;
	uint64_t tag, late_us = cluster_now_us() + 60000000;
	char text[128];

	stage_begin(&stage);
	nodes_tick(&stage.cluster->nodes, late_us);
	tag = stage.cluster->nodes.own_tag;
	ck_assert_uint_ne(tag, 0);
	nodes_tick(&stage.cluster->nodes, 2 * late_us);
	ck_assert_uint_gt(stage.cluster->nodes.own_tag, tag);
	tag = stage.cluster->nodes.primary_tag;
	ck_assert_uint_ne(tag, 0);
	nodes_tick(&stage.cluster->nodes, 3 * late_us);
	ck_assert_uint_gt(stage.cluster->nodes.primary_tag, tag);

	alice = claim(&stage, "alice");
	ck_assert_int_eq(broker.last->kind, BROKER_STORE);
	tag = broker.last->tag;
	names_ask_again(&stage.cluster->names);
	ck_assert_uint_eq(broker.last->tag, tag);
	names_ask_again(&stage.cluster->names);
	ck_assert_uint_gt(broker.last->tag, tag);
	snprintf(text, sizeof(text), "%s", broker.last->data);
	answer(&stage, BROKER_DONE, broker.last->tag, 3);
	tell(&stage, BROKER_STORED, BROKER_NAMES, 3, "a.alice", text);
	ck_assert(alice->won);
	cluster_registry.release(alice);
	stage_close(&stage);
	registry_claim_unref(alice);
}
END_TEST

static void note_revision(const struct lined_registry_entry *entry, bool here,
			  void *arg)
{
	struct stage *stage = arg;

	(void)entry, (void)here;
	stage->seen = atomic_load(&stage->cluster->out.revision);
}

/* Else a line that tells of it could be heard before it is so. */
START_TEST(a_worker_that_learns_of_a_change_publishes_with_its_revision)
{
	struct lined_registry_watch *watch;
	struct registry_member member;
	struct stage stage;

	stage_begin(&stage);
	registry_join(stage.registry, 0, &member, stage.hall.instances[0][0]);
	watch = registry_watch(&member, "", note_revision, &stage);
	ck_assert_ptr_nonnull(watch);
	tell(&stage, BROKER_STORED, BROKER_NAMES, 5, "a.alice", "1 b0b 1 7\n");
	ck_assert_uint_eq(stage.seen, 5);
	tell(&stage, BROKER_ERASED, BROKER_NAMES, 6, "a.alice", NULL);
	ck_assert_uint_eq(stage.seen, 6);
	registry_unwatch(watch);
	registry_member_leave(&member);
	registry_member_fini(&member);
	stage_close(&stage);
}
END_TEST

/* The broker gives an answer out of order. */
START_TEST(an_answer_that_cannot_be_is_not_repeated)
{
	struct stage stage;
	size_t before;

	stage_open(&stage);
	ck_assert_int_eq(cluster_open(stage.cluster, &settings, 60000), 0);
	broker.life++;
	tell(&stage, BROKER_UP, 0, 0, NULL, NULL);
	tell(&stage, BROKER_LISTED, BROKER_NAMES, 0, NULL, NULL);
	tell(&stage, BROKER_LISTED, BROKER_NODES, 0, NULL, NULL);
	before = broker.requests;
	answer(&stage, BROKER_FAILED, broker.last->tag, 0);
	ck_assert_uint_eq(broker.requests, before);
	answer(&stage, BROKER_DONE, broker.last->tag, 1);
	ck_assert(report_of(&stage).up);
	/* No request has the tag 0. */
	answer(&stage, BROKER_FAILED, 0, 9);
	ck_assert(report_of(&stage).up);
	stage_close(&stage);
}
END_TEST

/* ---- life ---------------------------------------------------------------- */

static bool is_decided(void *claim)
{
	return ((struct registry_claim *)claim)->won;
}

static bool is_open(void *arg)
{
	(void)arg;
	return broker.event != NULL;
}

START_TEST(a_node_without_a_broker_serves_alone_and_tries_again)
{
	struct registry_claim *alice;
	struct stage stage;

	stage_open(&stage);
	broker.refuses = true;
	ck_assert_int_eq(cluster_open(stage.cluster, &settings, 1000), 0);
	alice = claim(&stage, "alice");
	hall_wait(&stage.hall, is_decided, alice);
	broker.refuses = false;
	hall_wait(&stage.hall, is_open, NULL);
	join(&stage, 0);
	cluster_registry.release(alice);
	stage_close(&stage);
	registry_claim_unref(alice);
}
END_TEST

static bool is_open_again(void *arg)
{
	(void)arg;
	return broker.event != NULL && broker.opens == 2;
}

/* Both may have found the bucket empty; which one it has, the broker says. */
START_TEST(a_node_with_another_lease_makes_both_connect_anew)
{
	struct stage stage;

	stage_open(&stage);
	ck_assert_int_eq(cluster_open(stage.cluster, &settings, 1000), 0);
	join(&stage, 0);
	tell(&stage, BROKER_STORED, BROKER_NODES, 2, "n.node-b",
	     "1 8000000000000b0b 1.0 1000");
	ck_assert(!stage.cluster->nodes.lease_differs);
	tell(&stage, BROKER_STORED, BROKER_NODES, 3, "n.node-c",
	     "1 8000000000000b0c 1.0 3000");
	hall_wait(&stage.hall, is_open_again, NULL);
	broker.life = 0;
	join(&stage, 0);
	ck_assert(!stage.cluster->nodes.lease_differs);
	stage_close(&stage);
}
END_TEST

/* Two renewals of the other node have not come. */
static void miss(struct stage *stage)
{
	ck_assert(stage->whole);
	nodes_tick(&stage->cluster->nodes,
		   cluster_now_us() + stage->cluster->nodes.lease_us / 5 * 4);
	ck_assert(!stage->whole);
}

START_TEST(a_node_that_is_missing_may_leave_or_be_started_again)
{
	struct stage stage;

	stage_begin(&stage);
	meet(&stage);
	miss(&stage);
	tell(&stage, BROKER_ERASED, BROKER_NODES, 3, "n.node-b", "");
	ck_assert(stage.whole);
	meet(&stage);
	miss(&stage);
	tell(&stage, BROKER_STORED, BROKER_NODES, 4, "n.node-b",
	     "1 8000000000000b0c 1.0");
	ck_assert(stage.whole);
	stage_close(&stage);
}
END_TEST

/* Those who were cut off together do not come back at one moment. */
START_TEST(a_node_that_is_back_waits_for_the_others)
{
	struct nodes *nodes;
	struct stage stage;

	stage_begin(&stage);
	nodes = &stage.cluster->nodes;
	meet(&stage);
	ck_assert(stage.whole);
	tell(&stage, BROKER_DOWN, 0, 0, NULL, "gone");
	ck_assert(!stage.whole);
	join(&stage, 0);
	ck_assert(!stage.whole);
	meet(&stage);
	ck_assert(stage.whole);
	tell(&stage, BROKER_DOWN, 0, 0, NULL, "gone");
	join(&stage, 0);
	tell(&stage, BROKER_DOWN, 0, 0, NULL, "gone");
	join(&stage, 0);
	nodes_tick(nodes, cluster_now_us() + nodes->lease_us / 10 * 9);
	ck_assert(!stage.whole);
	nodes_tick(nodes, cluster_now_us() + nodes->lease_us / 10 * 11);
	ck_assert(stage.whole);
	ck_assert_uint_eq(report_of(&stage).nodes, 0);
	stage_close(&stage);
}
END_TEST

START_TEST(what_the_broker_of_before_has_told_is_forgotten)
{
	struct broker_event *up;
	struct stage stage;

	stage_begin(&stage);
	up = broker_event_new(BROKER_UP, NULL, NULL, 0);
	ck_assert_ptr_nonnull(up);
	up->life = broker.life;
	broker.event(broker.arg, up);
	ck_assert_int_eq(cluster_open(stage.cluster, &settings, 60000), 0);
	turn(&stage);
	ck_assert_str_eq(report_of(&stage).state, "cut off");
	broker.life = 0;
	join(&stage, 0);
	stage_close(&stage);
}
END_TEST

/* ---- lines --------------------------------------------------------------- */

/* In the last frame that was sent: the node's at 4, its line's at 12. */
static uint64_t number_at(size_t at)
{
	uint64_t number = 0;
	size_t i;

	ck_assert_int_eq(broker.last->kind, BROKER_SEND);
	for (i = at; i < at + 8; i++)
		number = number << 8 | (unsigned char)broker.last->data[i];
	return number;
}

START_TEST(what_is_no_frame_of_another_node_is_ignored)
{
	struct stage stage;

	stage_begin(&stage);
	send_line(&stage, 'l', number_at(4), 1, 0, "own");
	send_line(&stage, 'x', OTHER, 1, 0, "unknown");
	ck_assert_uint_eq(report_of(&stage).nodes, 0);
	send_line(&stage, 'h', OTHER, 1, 0, "\033[2Jnode");
	ck_assert_uint_eq(report_of(&stage).nodes, 0);
	send_line(&stage, 'l', OTHER, 1, 0, "line");
	ck_assert_str_eq(stage.heard, "line");
	ck_assert_uint_eq(report_of(&stage).nodes, 1);
	stage_close(&stage);
}
END_TEST

static void send_name(struct stage *stage, char kind, const char *name)
{
	static struct frame_text frame;

	frame_begin(&frame, kind, OTHER, 1, 0);
	frame_text(&frame, name);
	frame_send(stage, &frame);
}

START_TEST(a_name_that_no_node_has_is_ignored)
{
	static const char *const names[] = {"", "\033[2Jnode", "two words"};
	char name[512];
	struct stage stage;
	size_t i;

	stage_begin(&stage);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	send_name(&stage, 'h', name);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		send_name(&stage, 'h', names[i]);
	ck_assert_uint_eq(report_of(&stage).nodes, 0);
	send_name(&stage, 'h', "node-b");
	ck_assert_uint_eq(report_of(&stage).nodes, 1);
	stage_close(&stage);
}
END_TEST

START_TEST(only_the_node_of_that_name_answers_a_probe)
{
	struct stage stage;
	size_t before;

	stage_begin(&stage);
	before = broker.frames;
	send_name(&stage, 'q', "node-b");
	ck_assert_uint_eq(broker.frames, before);
	send_name(&stage, 'q', "node-a");
	ck_assert_uint_eq(broker.frames, before + 1);
	ck_assert_int_eq(broker.last->data[2], 'h');
	ck_assert_uint_eq(broker.last->len, FRAME_HEADER + strlen("node-a"));
	ck_assert_mem_eq(broker.last->data + FRAME_HEADER, "node-a",
			 strlen("node-a"));
	ck_assert_uint_eq(report_of(&stage).nodes, 0);
	stage_close(&stage);
}
END_TEST

START_TEST(nodes_without_a_lease_are_not_many)
{
	struct stage stage;
	uint64_t i;

	stage_begin(&stage);
	for (i = 0; i < 3000; i++)
		send_line(&stage, 'l', OTHER + i, 1, 0, "");
	ck_assert_uint_lt(report_of(&stage).nodes, 2000);
	tell(&stage, BROKER_STORED, BROKER_NODES, 9, "n.node-b",
	     "1 80000000000a0000 1.0");
	send_line(&stage, 'l', UINT64_C(0x80000000000a0000), 1, 0, "line");
	ck_assert_str_eq(stage.heard, "line");
	stage_close(&stage);
}
END_TEST

static void publish_as(struct bus_member *member, const char *text)
{
	struct lined_buffer *buffer = lined_buffer_new(text, strlen(text));

	ck_assert_ptr_nonnull(buffer);
	ck_assert_int_eq(bus_publish(member, 1, "t", buffer), 0);
	lined_buffer_unref(buffer);
}

static void publish(struct stage *stage, const char *text)
{
	publish_as(&stage->member, text);
	turn(stage);
}

START_TEST(frames_are_no_longer_than_the_broker_takes)
{
	static char text[401];
	struct stage stage;
	size_t before, i;

	stage_open(&stage);
	broker.frame_max = 1000;
	ck_assert_int_eq(cluster_open(stage.cluster, &settings, 60000), 0);
	join(&stage, 0);
	meet(&stage);
	before = broker.frames;
	memset(text, 'x', sizeof(text) - 1);
	stage.keeps = true;
	for (i = 0; i < 4; i++)
		publish_as(&stage.member, text);
	turn(&stage);
	ck_assert_uint_eq(broker.frames, before + 2);
	ck_assert_uint_le(broker.longest, 1000);
	ck_assert_uint_eq(report_of(&stage).sent, 4);
	stage_close(&stage);
}
END_TEST

/* Those who read it here get it all the same. */
START_TEST(a_line_that_the_broker_does_not_take_is_counted)
{
	char text[200];
	struct stage stage;
	size_t before, i;

	stage_open(&stage);
	broker.frame_max = 100;
	ck_assert_int_eq(cluster_open(stage.cluster, &settings, 60000), 0);
	join(&stage, 0);
	meet(&stage);
	before = broker.frames;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	stage.keeps = true;
	for (i = 0; i < 2; i++)
		publish(&stage, text);
	ck_assert_uint_eq(stage.kept_count, 2);
	ck_assert_uint_eq(broker.frames, before);
	ck_assert_uint_eq(report_of(&stage).too_long, 2);
	publish(&stage, "short");
	ck_assert_uint_eq(broker.frames, before + 1);
	ck_assert_uint_eq(report_of(&stage).too_long, 2);
	stage_close(&stage);
}
END_TEST

START_TEST(a_long_line_does_not_keep_its_memory)
{
	static char text[1 << 18];
	struct stage stage;

	stage_begin(&stage);
	meet(&stage);
	memset(text, 'x', sizeof(text) - 1);
	stage.keeps = true;
	publish(&stage, text);
	ck_assert_uint_gt(broker.longest, sizeof(text));
	ck_assert_uint_lt(stage.cluster->ends[0].room, sizeof(text));
	publish(&stage, "short");
	ck_assert_uint_eq(report_of(&stage).sent, 2);
	stage_close(&stage);
}
END_TEST

/* The numbers of its lines grow: a node that comes again sees the gap. */
START_TEST(a_node_that_nobody_hears_sends_no_lines)
{
	struct stage stage;
	size_t before;

	stage_begin(&stage);
	before = broker.requests;
	publish(&stage, "one");
	ck_assert_str_eq(stage.heard, "one");
	ck_assert_uint_eq(broker.requests, before);
	publish_as(&stage.member, "two");
	meet(&stage);
	publish(&stage, "three");
	ck_assert_uint_eq(broker.requests, before + 1);
	ck_assert_uint_eq(number_at(12), 3);
	tell(&stage, BROKER_ERASED, BROKER_NODES, 3, "n.node-b", "");
	publish(&stage, "four");
	ck_assert_uint_eq(broker.requests, before + 1);
	send_line(&stage, 'l', OTHER + 1, 1, 0, " ");
	publish(&stage, "five");
	ck_assert_uint_eq(broker.requests, before + 2);
	ck_assert_uint_eq(number_at(12), 5);
	ck_assert_uint_eq(report_of(&stage).sent, 5);
	stage_close(&stage);
}
END_TEST

static bool is_free(void *member)
{
	return !bus_member_is_held(member);
}

START_TEST(a_slow_link_holds_only_clustered_members)
{
	struct bus_member plain;
	struct stage stage;

	stage_begin(&stage);
	bus_member_init(&plain, &stage.hall.workers[0],
			stage.hall.instances[1][0], 2, on_hold);
	broker.backlog = BUS_UPLINK_HIGH + 1;
	publish_as(&stage.member, "one");
	publish_as(&plain, "two");
	ck_assert(bus_member_is_held(&stage.member));
	ck_assert(!bus_member_is_held(&plain));
	turn(&stage);
	ck_assert(bus_is_lagging(&stage.member));
	broker.backlog = 0;
	hall_wait(&stage.hall, is_free, &stage.member);
	bus_member_leave(&plain);
	bus_member_fini(&plain);
	stage_close(&stage);
}
END_TEST

START_TEST(what_the_broker_drops_is_not_sent)
{
	struct broker_event *down;
	struct stage stage;

	stage_begin(&stage);
	meet(&stage);
	publish(&stage, "one");
	broker.drops = true;
	publish(&stage, "two");
	ck_assert_uint_eq(report_of(&stage).sent, 1);
	ck_assert_uint_eq(report_of(&stage).unsent, 1);
	/* Its queue had the first line. */
	down = broker_event_new(BROKER_DOWN, NULL, "cut", 3);
	ck_assert_ptr_nonnull(down);
	down->life = broker.life;
	down->number = 1;
	broker.event(broker.arg, down);
	turn(&stage);
	ck_assert_uint_eq(report_of(&stage).sent, 0);
	ck_assert_uint_eq(report_of(&stage).unsent, 2);
	stage_close(&stage);
}
END_TEST

START_TEST(a_line_does_not_wait_for_a_revision_of_before)
{
	struct stage stage;

	stage_open(&stage);
	ck_assert_int_eq(cluster_open(stage.cluster, &settings, 60000), 0);
	join(&stage, 5);
	send_line(&stage, 'l', OTHER, 1, 5, "now ");
	ck_assert_str_eq(stage.heard, "now ");
	send_line(&stage, 'l', OTHER, 2, 6, "then");
	ck_assert_str_eq(stage.heard, "now ");
	tell(&stage, BROKER_STORED, BROKER_NAMES, 6, "a.bob",
	     "1 8000000000000b0b 5 6\nvalue");
	ck_assert_str_eq(stage.heard, "now then");
	stage_close(&stage);
}
END_TEST

START_TEST(a_node_that_has_left_is_heard_out)
{
	struct stage stage;

	stage_begin(&stage);
	tell(&stage, BROKER_STORED, BROKER_NODES, 2, "n.node-b",
	     "1 8000000000000b0b 1.0");
	send_line(&stage, 'l', OTHER, 1, 9, "early ");
	ck_assert_str_eq(stage.heard, "");
	tell(&stage, BROKER_ERASED, BROKER_NODES, 3, "n.node-b", "");
	send_line(&stage, 'l', OTHER, 2, 9, "last ");
	/* It does not live again because of what it has said. */
	ck_assert_uint_eq(report_of(&stage).nodes, 0);
	tell(&stage, BROKER_STORED, BROKER_NAMES, 9, "a.bob",
	     "1 8000000000000b0b 5 6\nvalue");
	ck_assert_str_eq(stage.heard, "early last ");
	/* Started again under its name: the entry of before is freed. */
	send_line(&stage, 'l', OTHER, 3, 10, "forgotten");
	tell(&stage, BROKER_STORED, BROKER_NODES, 4, "n.node-b",
	     "1 8000000000000b0c 1.0");
	ck_assert_str_eq(stage.heard, "early last forgotten");
	ck_assert_uint_eq(report_of(&stage).received, 3);
	ck_assert_uint_eq(report_of(&stage).waiting, 0);
	stage_close(&stage);
}
END_TEST

START_TEST(lines_of_a_damaged_frame_are_lost)
{
	static struct frame_text frame;
	struct stage stage;

	stage_begin(&stage);
	frame_begin(&frame, 'l', OTHER, 1, 0);
	frame_line(&frame, "t", "good");
	frame_line(&frame, "t", "cut off");
	frame.len--;
	frame_send(&stage, &frame);
	ck_assert_str_eq(stage.heard, "good");
	ck_assert_uint_eq(report_of(&stage).received, 1);
	ck_assert_uint_eq(report_of(&stage).lost, 1);
	/* So many lines cannot be in it: the next one shows the gap. */
	frame_begin(&frame, 'l', OTHER, 3, 0);
	frame_line(&frame, "t", "never");
	frame.lines = UINT32_MAX;
	frame_send(&stage, &frame);
	send_line(&stage, 'l', OTHER, 4, 0, " again");
	ck_assert_str_eq(stage.heard, "good again");
	ck_assert_uint_eq(report_of(&stage).lost, 2);
	stage_close(&stage);
}
END_TEST

START_TEST(a_frame_that_is_cut_anywhere_has_no_line)
{
	static struct frame_text frame;
	struct stage stage;
	uint64_t line = 1, bad = 0;
	size_t cut = FRAME_HEADER + 1;

	stage_begin(&stage);
	for (;; cut++, line++, bad++) {
		frame_begin(&frame, 'l', OTHER, line, 0);
		frame_line(&frame, "t", "line");
		if (cut == frame.len)
			break;
		frame.len = cut;
		frame_send(&stage, &frame);
	}
	frame_send(&stage, &frame);
	ck_assert_uint_gt(bad, 10);
	ck_assert_str_eq(stage.heard, "line");
	ck_assert_uint_eq(report_of(&stage).lost, bad);
	ck_assert_uint_eq(report_of(&stage).received, 1);
	stage_close(&stage);
}
END_TEST

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

/* Which one of this thread fails, from 1; 0: none. */
static _Thread_local unsigned failing;

void *__wrap_calloc(size_t count, size_t size)
{
	return failing > 0 && --failing == 0 ? NULL
					     : __real_calloc(count, size);
}

/* The event itself is the broker's, and comes first. */
static void send_without_memory(struct stage *stage, unsigned at, uint64_t line,
				uint64_t revision)
{
	failing = 1 + at;
	send_line(stage, 'l', OTHER, line, revision, "lost");
	ck_assert_uint_eq(failing, 0);
}

START_TEST(lines_without_memory_are_lost)
{
	struct stage stage;

	stage_begin(&stage);
	send_line(&stage, 'l', OTHER, 1, 0, "one ");
	send_without_memory(&stage, 1, 2, 0);
	send_without_memory(&stage, 2, 3, 0);
	/* This one would wait for a name. */
	send_without_memory(&stage, 1, 4, 9);
	send_line(&stage, 'l', OTHER, 5, 0, "five");
	ck_assert_str_eq(stage.heard, "one five");
	ck_assert_uint_eq(report_of(&stage).received, 2);
	ck_assert_uint_eq(report_of(&stage).lost, 3);
	ck_assert_uint_eq(report_of(&stage).waiting, 0);
	stage_close(&stage);
}
END_TEST

START_TEST(each_line_of_a_message_counts)
{
	static struct frame_text frame;
	struct stage stage;

	stage_begin(&stage);
	frame_begin(&frame, 'l', OTHER, 1, 0);
	frame_lines(&frame, "t", "one two ", 2);
	frame_line(&frame, "t", "three");
	frame_send(&stage, &frame);
	ck_assert_str_eq(stage.heard, "one two three");
	ck_assert_uint_eq(report_of(&stage).received, 3);
	frame_begin(&frame, 'l', OTHER, 9, 0);
	frame_lines(&frame, "t", " nine ten", 2);
	frame_send(&stage, &frame);
	ck_assert_uint_eq(report_of(&stage).received, 5);
	ck_assert_uint_eq(report_of(&stage).lost, 5);
	/* Less than it says. */
	frame_begin(&frame, 'l', OTHER, 11, 0);
	frame_line(&frame, "t", " eleven");
	frame.lines = 2;
	frame_send(&stage, &frame);
	ck_assert_uint_eq(report_of(&stage).received, 6);
	ck_assert_uint_eq(report_of(&stage).lost, 6);
	/* One of no lines is damaged. */
	frame_begin(&frame, 'l', OTHER, 13, 0);
	frame_lines(&frame, "t", "none", 0);
	frame.lines = 1;
	frame_send(&stage, &frame);
	ck_assert_str_eq(stage.heard, "one two three nine ten eleven");
	ck_assert_uint_eq(report_of(&stage).lost, 7);
	stage_close(&stage);
}
END_TEST

START_TEST(a_line_that_is_kept_does_not_keep_its_frame)
{
	static struct frame_text frame;
	static char text[FRAME];
	struct stage stage;
	uint64_t line;

	stage_begin(&stage);
	memset(text, 'x', sizeof(text) - 1);
	stage.keeps = true;
	for (line = 1; line < 2 * KEPT; line += 2) {
		frame_begin(&frame, 'l', OTHER, line, 0);
		frame_line(&frame, "t", "short");
		frame_line(&frame, "u", text);
		frame_send(&stage, &frame);
	}
	ck_assert_uint_eq(stage.kept_count, KEPT);
	send_line(&stage, 'l', OTHER, line, 0, "last");
	ck_assert_str_eq(stage.heard, "last");
	ck_assert_uint_eq(report_of(&stage).lost, 0);
	stage_close(&stage);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cluster");
	TCase *names = support_case(suite, "names");
	TCase *life = support_case(suite, "life");
	TCase *lines = support_case(suite, "lines");

	tcase_add_test(names, a_service_that_is_replaced_hands_its_names_over);
	tcase_add_test(names, a_lost_answer_is_asked_for_again);
	tcase_add_test(names, an_answer_that_cannot_be_is_not_repeated);
	tcase_add_test(
		names,
		a_worker_that_learns_of_a_change_publishes_with_its_revision);
	tcase_add_test(life,
		       a_node_without_a_broker_serves_alone_and_tries_again);
	tcase_add_test(life, a_node_with_another_lease_makes_both_connect_anew);
	tcase_add_test(life,
		       a_node_that_is_missing_may_leave_or_be_started_again);
	tcase_add_test(life, a_node_that_is_back_waits_for_the_others);
	tcase_add_test(life, what_the_broker_of_before_has_told_is_forgotten);
	tcase_add_test(lines, what_is_no_frame_of_another_node_is_ignored);
	tcase_add_test(lines, nodes_without_a_lease_are_not_many);
	tcase_add_test(lines, what_the_broker_drops_is_not_sent);
	tcase_add_test(lines, frames_are_no_longer_than_the_broker_takes);
	tcase_add_test(lines, a_node_that_nobody_hears_sends_no_lines);
	tcase_add_test(lines, a_slow_link_holds_only_clustered_members);
	tcase_add_test(lines, a_node_that_has_left_is_heard_out);
	tcase_add_test(lines, lines_of_a_damaged_frame_are_lost);
	tcase_add_test(lines, a_frame_that_is_cut_anywhere_has_no_line);
	tcase_add_test(lines, lines_without_memory_are_lost);
	tcase_add_test(lines, a_line_that_the_broker_does_not_take_is_counted);
	tcase_add_test(lines, a_long_line_does_not_keep_its_memory);
	tcase_add_test(lines, a_name_that_no_node_has_is_ignored);
	tcase_add_test(lines, only_the_node_of_that_name_answers_a_probe);
	tcase_add_test(lines, each_line_of_a_message_counts);
	tcase_add_test(lines, a_line_that_is_kept_does_not_keep_its_frame);
	tcase_add_test(lines, a_line_does_not_wait_for_a_revision_of_before);
	tcase_add_test(names, two_keys_are_never_one_name);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
