/* SPDX-License-Identifier: MIT */
/*
 * The lines between nodes: how a node handles frames of others, malformed ones
 * too; what it sends; what it counts.
 */
#include "config.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "cluster_stage.h"

/* The number of another node. */
#define OTHER UINT64_C(0x8000000000000b0b)

#define FRAME 65000

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
	put(frame, STAGE_BUCKET, 8);
	put(frame, revision, 8);
}

static void frame_text(struct frame_text *frame, const char *text)
{
	memcpy(frame->bytes + frame->len, text, strlen(text));
	frame->len += strlen(text);
}

/* Adds a message of several lines. */
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
	event->connection = stage_broker.connection;
	stage_broker.event(stage_broker.arg, event);
	stage_turn(stage);
}

static void send_line(struct stage *stage, char kind, uint64_t node,
		      uint64_t line, uint64_t revision, const char *text)
{
	static struct frame_text frame;

	frame_begin(&frame, kind, node, line, revision);
	frame_line(&frame, "t", text);
	frame_send(stage, &frame);
}

/* ---- lines --------------------------------------------------------------- */

/* Reads a number in the last frame that was sent. At 4 is the node's number, at
 * 12 the number of the first line. */
static uint64_t number_at(size_t at)
{
	uint64_t number = 0;
	size_t i;

	ck_assert_int_eq(stage_broker.last->kind, BROKER_SEND);
	for (i = at; i < at + 8; i++)
		number =
			number << 8 | (unsigned char)stage_broker.last->data[i];
	return number;
}

START_TEST(what_is_no_frame_of_another_node_is_ignored)
{
	struct stage stage;

	stage_begin(&stage);
	send_line(&stage, 'l', number_at(4), 1, 0, "own");
	send_line(&stage, 'x', OTHER, 1, 0, "unknown");
	ck_assert_uint_eq(stage_report(&stage).nodes, 0);
	send_line(&stage, 'h', OTHER, 1, 0, "\033[2Jnode");
	ck_assert_uint_eq(stage_report(&stage).nodes, 0);
	send_line(&stage, 'l', OTHER, 1, 0, "line");
	ck_assert_str_eq(stage.heard, "line");
	ck_assert_uint_eq(stage_report(&stage).nodes, 1);
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
	ck_assert_uint_eq(stage_report(&stage).nodes, 0);
	send_name(&stage, 'h', "node-b");
	ck_assert_uint_eq(stage_report(&stage).nodes, 1);
	stage_close(&stage);
}
END_TEST

START_TEST(only_the_node_of_that_name_answers_a_probe)
{
	struct stage stage;
	size_t before;

	stage_begin(&stage);
	before = stage_broker.frames;
	send_name(&stage, 'q', "node-b");
	ck_assert_uint_eq(stage_broker.frames, before);
	send_name(&stage, 'q', "node-a");
	ck_assert_uint_eq(stage_broker.frames, before + 1);
	ck_assert_int_eq(stage_broker.last->data[2], 'h');
	ck_assert_uint_eq(stage_broker.last->len,
			  FRAME_HEADER + strlen("node-a"));
	ck_assert_mem_eq(stage_broker.last->data + FRAME_HEADER, "node-a",
			 strlen("node-a"));
	ck_assert_uint_eq(stage_report(&stage).nodes, 0);
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
	ck_assert_uint_lt(stage_report(&stage).nodes, 2000);
	stage_tell(&stage, BROKER_STORED, BROKER_NODES, 9, "n.node-b",
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
	stage_turn(stage);
}

/* Begins with a broker that takes frames of at most so many bytes; another node
 * is joined. */
static void begin_narrow(struct stage *stage, size_t frame_max)
{
	stage_open(stage);
	stage_broker.frame_max = frame_max;
	ck_assert_int_eq(cluster_open(stage->cluster, &stage_settings, 60000),
			 0);
	stage_join(stage, 0);
	stage_meet(stage);
}

START_TEST(frames_are_no_longer_than_the_broker_takes)
{
	static char text[401];
	struct stage stage;
	size_t before, i;

	begin_narrow(&stage, 1000);
	before = stage_broker.frames;
	memset(text, 'x', sizeof(text) - 1);
	stage.keeps = true;
	for (i = 0; i < 4; i++)
		publish_as(&stage.member, text);
	stage_turn(&stage);
	ck_assert_uint_eq(stage_broker.frames, before + 2);
	ck_assert_uint_le(stage_broker.longest, 1000);
	ck_assert_uint_eq(stage_report(&stage).sent, 4);
	stage_close(&stage);
}
END_TEST

/* Clients of this node get the line, although the broker does not take it. */
START_TEST(a_line_that_the_broker_does_not_take_is_counted)
{
	char text[200];
	struct stage stage;
	size_t before, i;

	begin_narrow(&stage, 100);
	before = stage_broker.frames;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	stage.keeps = true;
	for (i = 0; i < 2; i++)
		publish(&stage, text);
	ck_assert_uint_eq(stage.kept_count, 2);
	ck_assert_uint_eq(stage_broker.frames, before);
	ck_assert_uint_eq(stage_report(&stage).too_long, 2);
	publish(&stage, "short");
	ck_assert_uint_eq(stage_broker.frames, before + 1);
	ck_assert_uint_eq(stage_report(&stage).too_long, 2);
	stage_close(&stage);
}
END_TEST

START_TEST(a_long_line_does_not_keep_its_memory)
{
	static char text[1 << 18];
	struct stage stage;

	stage_begin(&stage);
	stage_meet(&stage);
	memset(text, 'x', sizeof(text) - 1);
	stage.keeps = true;
	publish(&stage, text);
	ck_assert_uint_gt(stage_broker.longest, sizeof(text));
	ck_assert_uint_lt(stage.cluster->ends[0].room, sizeof(text));
	publish(&stage, "short");
	ck_assert_uint_eq(stage_report(&stage).sent, 2);
	stage_close(&stage);
}
END_TEST

/* The numbers of the lines grow although they are not sent: another node that
 * joins later sees the gap. */
START_TEST(a_node_that_nobody_hears_sends_no_lines)
{
	struct stage stage;
	size_t before;

	stage_begin(&stage);
	before = stage_broker.requests;
	publish(&stage, "one");
	ck_assert_str_eq(stage.heard, "one");
	ck_assert_uint_eq(stage_broker.requests, before);
	publish_as(&stage.member, "two");
	stage_meet(&stage);
	publish(&stage, "three");
	ck_assert_uint_eq(stage_broker.requests, before + 1);
	ck_assert_uint_eq(number_at(12), 3);
	stage_tell(&stage, BROKER_ERASED, BROKER_NODES, 3, "n.node-b", "");
	publish(&stage, "four");
	ck_assert_uint_eq(stage_broker.requests, before + 1);
	send_line(&stage, 'l', OTHER + 1, 1, 0, " ");
	publish(&stage, "five");
	ck_assert_uint_eq(stage_broker.requests, before + 2);
	ck_assert_uint_eq(number_at(12), 5);
	ck_assert_uint_eq(stage_report(&stage).sent, 5);
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
			stage.hall.instances[1][0], 2, stage_on_hold);
	stage_broker.backlog = BUS_UPLINK_HIGH + 1;
	publish_as(&stage.member, "one");
	publish_as(&plain, "two");
	ck_assert(bus_member_is_held(&stage.member));
	ck_assert(!bus_member_is_held(&plain));
	stage_turn(&stage);
	ck_assert(bus_is_lagging(&stage.member));
	stage_broker.backlog = 0;
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
	stage_meet(&stage);
	publish(&stage, "one");
	stage_broker.drops = true;
	publish(&stage, "two");
	ck_assert_uint_eq(stage_report(&stage).sent, 1);
	ck_assert_uint_eq(stage_report(&stage).unsent, 1);
	/* The broker's queue still had the first line. */
	down = broker_event_new(BROKER_DOWN, NULL, "cut", 3);
	ck_assert_ptr_nonnull(down);
	down->connection = stage_broker.connection;
	down->number = 1;
	stage_broker.event(stage_broker.arg, down);
	stage_turn(&stage);
	ck_assert_uint_eq(stage_report(&stage).sent, 0);
	ck_assert_uint_eq(stage_report(&stage).unsent, 2);
	stage_close(&stage);
}
END_TEST

START_TEST(what_a_closed_broker_has_not_written_is_not_sent)
{
	struct broker_event *down;
	struct stage stage;

	stage_begin(&stage);
	stage_meet(&stage);
	publish(&stage, "one");
	publish(&stage, "two");
	publish(&stage, "three");
	ck_assert_uint_eq(stage_report(&stage).sent, 3);
	/* The broker has reported the loss, and the node has not handled the
	 * report yet. */
	down = broker_event_new(BROKER_DOWN, NULL, "cut", 3);
	ck_assert_ptr_nonnull(down);
	down->connection = stage_broker.connection;
	down->number = 1;
	stage_broker.event(stage_broker.arg, down);
	stage_broker.unwritten = 1;
	ck_assert_int_eq(cluster_open(stage.cluster, &stage_settings, 60000),
			 0);
	ck_assert_uint_eq(stage_report(&stage).sent, 1);
	ck_assert_uint_eq(stage_report(&stage).unsent, 2);
	stage_broker.unwritten = 0;
	stage_close(&stage);
}
END_TEST

/* The memory charged for frames, without that for names. */
static uint64_t frames_held(const struct stage *stage)
{
	return memory_held(&stage->hall.memory) -
	       memory_kept(&stage->hall.memory);
}

START_TEST(a_line_does_not_wait_for_a_revision_of_before)
{
	struct stage stage;
	uint64_t before;

	stage_open(&stage);
	ck_assert_int_eq(cluster_open(stage.cluster, &stage_settings, 60000),
			 0);
	stage_join(&stage, 5);
	send_line(&stage, 'l', OTHER, 1, 5, "now ");
	ck_assert_str_eq(stage.heard, "now ");
	before = frames_held(&stage);
	send_line(&stage, 'l', OTHER, 2, 6, "then");
	ck_assert_str_eq(stage.heard, "now ");
	ck_assert_uint_eq(frames_held(&stage), before + FRAME_HEADER +
						       FRAME_MESSAGE_MIN +
						       strlen("a"
							      "t"
							      "then"));
	stage_tell(&stage, BROKER_STORED, BROKER_NAMES, 6, "a.bob",
		   "1 8000000000000b0b 5 6\nvalue");
	ck_assert_str_eq(stage.heard, "now then");
	ck_assert_uint_eq(frames_held(&stage), before);
	stage_close(&stage);
}
END_TEST

START_TEST(a_node_that_has_left_is_heard_out)
{
	struct stage stage;

	stage_begin(&stage);
	stage_tell(&stage, BROKER_STORED, BROKER_NODES, 2, "n.node-b",
		   "1 8000000000000b0b 1.0");
	send_line(&stage, 'l', OTHER, 1, 9, "early ");
	ck_assert_str_eq(stage.heard, "");
	stage_tell(&stage, BROKER_ERASED, BROKER_NODES, 3, "n.node-b", "");
	send_line(&stage, 'l', OTHER, 2, 9, "last ");
	/* A frame that arrives after the node's end does not bring the node
	 * back. */
	ck_assert_uint_eq(stage_report(&stage).nodes, 0);
	stage_tell(&stage, BROKER_STORED, BROKER_NAMES, 9, "a.bob",
		   "1 8000000000000b0b 5 6\nvalue");
	ck_assert_str_eq(stage.heard, "early last ");
	/* The node is started again under its name: its earlier entry is
	 * freed. */
	send_line(&stage, 'l', OTHER, 3, 10, "forgotten");
	stage_tell(&stage, BROKER_STORED, BROKER_NODES, 4, "n.node-b",
		   "1 8000000000000b0c 1.0");
	ck_assert_str_eq(stage.heard, "early last forgotten");
	ck_assert_uint_eq(stage_report(&stage).received, 3);
	ck_assert_uint_eq(stage_report(&stage).waiting, 0);
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
	ck_assert_uint_eq(stage_report(&stage).received, 1);
	ck_assert_uint_eq(stage_report(&stage).lost, 1);
	/* The frame is too short for so many lines: it is dropped, and the next
	 * frame shows the gap. */
	frame_begin(&frame, 'l', OTHER, 3, 0);
	frame_line(&frame, "t", "never");
	frame.lines = UINT32_MAX;
	frame_send(&stage, &frame);
	send_line(&stage, 'l', OTHER, 4, 0, " again");
	ck_assert_str_eq(stage.heard, "good again");
	ck_assert_uint_eq(stage_report(&stage).lost, 2);
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
	ck_assert_uint_eq(stage_report(&stage).lost, bad);
	ck_assert_uint_eq(stage_report(&stage).received, 1);
	stage_close(&stage);
}
END_TEST

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

/* Which allocation of this thread fails, counted from 1; 0: none. */
static _Thread_local unsigned failing;

void *__wrap_calloc(size_t count, size_t size)
{
	return failing > 0 && --failing == 0 ? NULL
					     : __real_calloc(count, size);
}

/* Makes an allocation fail, counted after that of the event itself, which the
 * broker makes. */
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
	/* This frame would have to wait for a revision of the names. */
	send_without_memory(&stage, 1, 4, 9);
	send_line(&stage, 'l', OTHER, 5, 0, "five");
	ck_assert_str_eq(stage.heard, "one five");
	ck_assert_uint_eq(stage_report(&stage).received, 2);
	ck_assert_uint_eq(stage_report(&stage).lost, 3);
	ck_assert_uint_eq(stage_report(&stage).waiting, 0);
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
	ck_assert_uint_eq(stage_report(&stage).received, 3);
	frame_begin(&frame, 'l', OTHER, 9, 0);
	frame_lines(&frame, "t", " nine ten", 2);
	frame_send(&stage, &frame);
	ck_assert_uint_eq(stage_report(&stage).received, 5);
	ck_assert_uint_eq(stage_report(&stage).lost, 5);
	/* The frame has fewer lines than its header says. */
	frame_begin(&frame, 'l', OTHER, 11, 0);
	frame_line(&frame, "t", " eleven");
	frame.lines = 2;
	frame_send(&stage, &frame);
	ck_assert_uint_eq(stage_report(&stage).received, 6);
	ck_assert_uint_eq(stage_report(&stage).lost, 6);
	/* A message without lines is malformed. */
	frame_begin(&frame, 'l', OTHER, 13, 0);
	frame_lines(&frame, "t", "none", 0);
	frame.lines = 1;
	frame_send(&stage, &frame);
	ck_assert_str_eq(stage.heard, "one two three nine ten eleven");
	ck_assert_uint_eq(stage_report(&stage).lost, 7);
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
	for (line = 1; line < 2 * STAGE_KEPT; line += 2) {
		frame_begin(&frame, 'l', OTHER, line, 0);
		frame_line(&frame, "t", "short");
		frame_line(&frame, "u", text);
		frame_send(&stage, &frame);
	}
	ck_assert_uint_eq(stage.kept_count, STAGE_KEPT);
	send_line(&stage, 'l', OTHER, line, 0, "last");
	ck_assert_str_eq(stage.heard, "last");
	ck_assert_uint_eq(stage_report(&stage).lost, 0);
	stage_close(&stage);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("cluster-lines");
	TCase *lines = support_case(suite, "lines");

	tcase_add_test(lines, what_is_no_frame_of_another_node_is_ignored);
	tcase_add_test(lines, nodes_without_a_lease_are_not_many);
	tcase_add_test(lines, what_the_broker_drops_is_not_sent);
	tcase_add_test(lines, what_a_closed_broker_has_not_written_is_not_sent);
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
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
