/* SPDX-License-Identifier: MIT */
/*
 * The bus over several workers: order, limits, marks, publishers that pause,
 * and memory that services share. To be run under a thread sanitizer as well.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus_fixture.h"
#include "dispatcher_priv.h"
#include "serve/service_instance.h"
#include "support.h"
#include "threads/bus.h"

enum { MESSAGES = 20000, BURST = 50 };

/* A worker that publishes numbers, and checks those of all workers. */
struct counting {
	struct hall *hall;
	struct lined_service *service;
	unsigned worker, sent;
	unsigned next[HALL_WORKERS];
	unsigned got;
	struct lined_message go_on;
};

struct numbered {
	unsigned worker, number;
	char filler[40];
};

static void count_message(void *arg, struct lined_buffer *message)
{
	struct counting *counting = arg;
	struct numbered numbered;

	must(lined_buffer_len(message) == sizeof(numbered));
	memcpy(&numbered, lined_buffer_data(message), sizeof(numbered));
	must(numbered.worker < HALL_WORKERS);
	must(numbered.number == counting->next[numbered.worker]);
	counting->next[numbered.worker]++;
	hall_count(&counting->got);
}

/* Sends one burst in each turn, until all are sent. */
static void send_burst(struct lined_message *message)
{
	struct counting *counting =
		lined_container_of(message, struct counting, go_on);
	unsigned i;

	for (i = 0; i < BURST && counting->sent < MESSAGES; i++) {
		struct numbered numbered = {.worker = counting->worker,
					    .number = counting->sent++};
		struct lined_buffer *buffer =
			lined_buffer_new(&numbered, sizeof(numbered));

		must(buffer != NULL);
		must(lined_bus_publish(counting->service, "numbers", buffer) ==
		     0);
		lined_buffer_unref(buffer);
	}
	if (counting->sent < MESSAGES)
		lined_dispatcher_defer(
			lined_service_dispatcher(counting->service), message);
}

static void start_counting(struct lined_service *service, void *arg)
{
	struct counting *counting = arg;

	counting->service = service;
	counting->go_on.handler = send_burst;
	must(lined_bus_subscribe(service, "numbers", count_message, counting) !=
	     NULL);
}

static void start_sending(struct lined_service *service, void *arg)
{
	struct counting *counting = arg;

	lined_dispatcher_defer(lined_service_dispatcher(service),
			       &counting->go_on);
}

START_TEST(all_workers_get_all_messages_in_each_publishers_order)
{
	struct counting counting[HALL_WORKERS];
	unsigned i, w;

	hall_open(&hall, HALL_WORKERS, &quiet, NULL);
	for (i = 0; i < HALL_WORKERS; i++) {
		counting[i] = (struct counting){.hall = &hall, .worker = i};
		hall_call(&hall, 0, i, start_counting, &counting[i]);
	}
	for (i = 0; i < HALL_WORKERS; i++)
		hall_call(&hall, 0, i, start_sending, &counting[i]);
	for (i = 0; i < HALL_WORKERS; i++)
		hall_wait_count(&hall, &counting[i].got,
				HALL_WORKERS * MESSAGES);
	hall_close(&hall);
	for (i = 0; i < HALL_WORKERS; i++)
		for (w = 0; w < HALL_WORKERS; w++)
			ck_assert_uint_eq(counting[i].next[w], MESSAGES);
	/* Each burst caused one post to each other worker. */
	ck_assert_uint_eq(hall.posts, (uint64_t)HALL_WORKERS *
					      (HALL_WORKERS - 1) *
					      (MESSAGES / BURST));
}
END_TEST

struct sending {
	const char *topic;
	const char *text;
	size_t size; /* the size of each message, if text is NULL */
	unsigned count;
	unsigned sent, refused;
	int error;
};

static void send_some(struct lined_service *service, void *arg)
{
	struct sending *sending = arg;
	char *bytes = calloc(1, sending->size + 1);
	struct lined_buffer *buffer;
	unsigned i;

	must(bytes != NULL);
	buffer = sending->text != NULL ? lined_buffer_new(sending->text,
							  strlen(sending->text))
				       : lined_buffer_new(bytes, sending->size);
	must(buffer != NULL);
	for (i = 0; i < sending->count; i++) {
		if (lined_bus_publish(service, sending->topic, buffer) == 0) {
			sending->sent++;
		} else {
			sending->refused++;
			sending->error = errno;
		}
	}
	lined_buffer_unref(buffer);
	free(bytes);
}

static void count_any(void *arg, struct lined_buffer *message)
{
	hall_count(arg);
}

static void subscribe_counter(struct lined_service *service, void *arg)
{
	must(lined_bus_subscribe(service, "t", count_any, arg) != NULL);
}

START_TEST(above_the_limit_nothing_is_published_to_anyone)
{
	struct hall_stop stop;
	struct sending sending = {.topic = "t", .size = 1 << 20, .count = 100};
	unsigned got[HALL_WORKERS] = {0}, before, i;

	hall_open(&hall, HALL_WORKERS, &quiet, NULL);
	for (i = 0; i < HALL_WORKERS; i++)
		hall_call(&hall, 0, i, subscribe_counter, &got[i]);
	hall_stop(&hall, 2, &stop);
	hall_call(&hall, 0, 0, send_some, &sending);
	ck_assert_uint_ge(sending.sent, 60);
	ck_assert_uint_le(sending.sent, 64);
	ck_assert_uint_eq(sending.sent + sending.refused, 100);
	ck_assert_int_eq(sending.error, ENOBUFS);
	/* Other workers do not wait for the stopped one. */
	hall_wait_count(&hall, &got[1], sending.sent);
	hall_wait_count(&hall, &got[0], sending.sent);
	ck_assert_uint_eq(__atomic_load_n(&got[2], __ATOMIC_RELAXED), 0);
	hall_let_go(&hall, &stop);
	hall_wait_count(&hall, &got[2], sending.sent);
	before = sending.sent;
	/* Publishing works again. */
	sending = (struct sending){.topic = "t", .text = "x", .count = 1};
	hall_call(&hall, 0, 0, send_some, &sending);
	ck_assert_uint_eq(sending.sent, 1);
	for (i = 0; i < HALL_WORKERS; i++)
		hall_wait_count(&hall, &got[i], before + 1);
	hall_close(&hall);
	for (i = 0; i < HALL_WORKERS; i++)
		ck_assert_uint_eq(got[i], before + 1);
}
END_TEST

/* The messages of a subscriber, and whether each was before a mark. */
struct marked {
	struct lined_service *service;
	uint64_t mark;
	char text[TEXT_MAX];
	unsigned got;
};

static void take_marked(void *arg, struct lined_buffer *message)
{
	struct marked *marked = arg;
	bool before = lined_bus_is_before(marked->service, marked->mark);
	size_t len = strlen(marked->text);

	snprintf(marked->text + len, TEXT_MAX - len, "%.*s%s",
		 (int)lined_buffer_len(message),
		 (const char *)lined_buffer_data(message),
		 before ? "before " : "behind ");
	hall_count(&marked->got);
}

static void subscribe_marked(struct lined_service *service, void *arg)
{
	struct marked *marked = arg;

	marked->service = service;
	must(lined_bus_subscribe(service, "t", take_marked, marked) != NULL);
}

static void set_mark(struct lined_service *service, void *arg)
{
	struct marked *marked = arg;

	marked->mark = lined_bus_mark(service);
	/* No message is being handled. */
	must(!lined_bus_is_before(service, marked->mark));
}

static void publish_much(struct lined_service *service, void *bytes)
{
	must(publish_text(service, "t", bytes) == 0);
}

START_TEST(what_waits_for_a_worker_is_charged_once)
{
	static char bytes[TEXT_MAX];
	struct inbox inbox = {.topic = "t"};
	struct hall_stop stops[2];

	memset(bytes, 'x', TEXT_MAX - 1);
	hall_open(&hall, 3, &quiet, NULL);
	hall_call(&hall, 0, 2, subscribe, &inbox);
	hall_wait_held(&hall, 0, 0);
	hall_stop(&hall, 1, &stops[0]);
	hall_stop(&hall, 2, &stops[1]);
	hall_call(&hall, 0, 0, publish_much, bytes);
	hall_wait_held(&hall, TEXT_MAX, TEXT_MAX + 500);
	/* First the worker without a subscriber, then the last one. */
	hall_let_go(&hall, &stops[0]);
	hall_wait_held(&hall, TEXT_MAX, TEXT_MAX + 500);
	hall_let_go(&hall, &stops[1]);
	hall_wait_count(&hall, &inbox.got, 1);
	hall_wait_held(&hall, 0, 0);
	ck_assert_uint_eq(memory_kept(&hall.memory), 0);
	hall_close(&hall);
}
END_TEST

/* A client subscribes when a message has been published but has not arrived at
 * its worker. */
START_TEST(what_was_published_before_does_not_come_later)
{
	char old[] = "1", new[] = "2";
	struct hall_stop stop;
	struct inbox first = {.topic = "t"}, second = {.topic = "t"};

	hall_open(&hall, 2, &quiet, NULL);
	hall_call(&hall, 0, 1, subscribe, &first);
	hall_stop_behind(&hall, 0, 0, publish_own, old, &stop);
	hall_call(&hall, 0, 1, subscribe, &second);
	hall_let_go(&hall, &stop);
	hall_call(&hall, 0, 0, publish_own, new);
	hall_wait_count(&hall, &first.got, 2);
	hall_wait_count(&hall, &second.got, 1);
	hall_close(&hall);
	ck_assert_str_eq(first.text, "12");
	ck_assert_str_eq(second.text, "2");
}
END_TEST

START_TEST(a_mark_parts_what_was_published_before_and_after)
{
	char old[] = "1", new[] = "2";
	struct hall_stop stop;
	struct marked marked[2] = {{.mark = 0}, {.mark = 0}};
	unsigned i;

	hall_open(&hall, 2, &quiet, NULL);
	/* The same on the publisher's own worker. */
	for (i = 0; i < 2; i++)
		hall_call(&hall, 0, i, subscribe_marked, &marked[i]);
	hall_stop_behind(&hall, 0, 0, publish_own, old, &stop);
	hall_call(&hall, 0, 1, set_mark, &marked[1]);
	marked[0].mark = marked[1].mark;
	hall_let_go(&hall, &stop);
	hall_call(&hall, 0, 0, publish_own, new);
	for (i = 0; i < 2; i++)
		hall_wait_count(&hall, &marked[i].got, 2);
	hall_close(&hall);
	for (i = 0; i < 2; i++)
		ck_assert_str_eq(marked[i].text, "1before 2behind ");
}
END_TEST

/* Each line of a client is a number, and publishes so many KiB. */
static void publish_line(struct lined_socket *client,
			 const struct lined_line *line)
{
	struct lined_service *service = lined_client_service(client);
	unsigned *lines = (unsigned *)(uintptr_t)lined_service_options(service);
	size_t size = (size_t)atoi(line->text) << 10;
	struct lined_buffer *buffer = lined_buffer_alloc(size, NULL);

	must(buffer != NULL);
	memset((char *)(uintptr_t)lined_buffer_data(buffer), 0, size);
	must(lined_bus_publish(service, "t", buffer) == 0);
	lined_buffer_unref(buffer);
	hall_count(lines);
}

static const struct lined_protocol publishing = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "publishing",
	.handle_line = publish_line,
};

static void ask_lagging(struct lined_service *service, void *arg)
{
	bool *lagging = arg;

	*lagging = lined_bus_is_lagging(service);
}

static bool is_lagging(unsigned service, unsigned worker)
{
	bool lagging = false;

	hall_call(&hall, service, worker, ask_lagging, &lagging);
	return lagging;
}

START_TEST(a_worker_that_lags_makes_publishers_pause)
{
	struct hall_stop stop;
	unsigned lines = 0, got = 0, i;
	int first, late_one, other;

	hall_open(&hall, 2, &publishing, &lines);
	hall_call(&hall, 0, 1, subscribe_counter, &got);
	hall_stop(&hall, 1, &stop);
	first = hall_client(&hall, 0, 0);
	for (i = 0; i < 100; i++)
		support_puts(first, "1000\n");
	hall_wait_count(&hall, &lines, 5);
	/* A new client waits like the others; another service does not. */
	late_one = hall_client(&hall, 0, 0);
	support_puts(late_one, "1\n");
	support_run_for(hall.main, 50);
	ck_assert_uint_eq(__atomic_load_n(&lines, __ATOMIC_ACQUIRE), 5);
	ck_assert(is_lagging(0, 0));
	ck_assert(!is_lagging(1, 0));
	other = hall_client(&hall, 1, 0);
	support_puts(other, "1\n");
	hall_wait_count(&hall, &lines, 6);
	hall_let_go(&hall, &stop);
	hall_wait_count(&hall, &lines, 102);
	hall_wait_count(&hall, &got, 101);
	while (is_lagging(0, 0))
		support_run_for(hall.main, 1);
	close(first);
	close(late_one);
	close(other);
	hall_close(&hall);
}
END_TEST

/* In each turn, on one worker as well, only as much is published as the budget
 * allows. The rest follows in later turns; nothing is lost. */
START_TEST(a_flood_is_cut_into_turns)
{
	struct bus_counters counters;
	unsigned lines = 0, got = 0, i, before = 0;
	int client;

	hall_open(&hall, 1, &publishing, &lines);
	hall_call(&hall, 0, 0, subscribe_counter, &got);
	client = hall_client(&hall, 0, 0);
	for (i = 0; i < 40; i++)
		support_puts(client, "60\n");
	while (lines < 40) {
		turn();
		/* 60 KiB are within the budget, 120 KiB are not. */
		ck_assert_uint_le(lines, before + 2);
		before = lines;
	}
	hall_wait_count(&hall, &got, 40);
	bus_count(hall.bus, &counters);
	ck_assert_uint_ge(counters.pauses, 19);
	ck_assert(!is_lagging(0, 0));
	close(client);
	hall_close(&hall);
}
END_TEST

/* ---- shared memory ------------------------------------------------------- */

enum { ADDITIONS = 100 };

static void add_to_shared(struct lined_service *service, void *arg)
{
	struct lined_shared **shared = arg;
	unsigned long *data;
	unsigned i;

	*shared = lined_shared_get(service, "test sum", sizeof(*data));
	must(*shared != NULL);
	for (i = 0; i < ADDITIONS; i++) {
		data = lined_shared_lock(*shared);
		(*data)++;
		lined_shared_unlock(*shared);
	}
}

static unsigned finished;

static void finish_sum(void *data)
{
	finished += *(unsigned long *)data == 2 * HALL_WORKERS * ADDITIONS;
}

static void leave_shared(struct lined_service *service, void *arg)
{
	struct lined_shared **shared = arg;

	must(lined_shared_get(service, "test sum", 1) == NULL);
	must(errno == EINVAL);
	lined_shared_put(*shared, finish_sum);
}

START_TEST(services_on_all_workers_share_memory_by_name)
{
	struct lined_shared *shared[2][HALL_WORKERS];
	unsigned i, k;

	finished = 0;
	hall_open(&hall, HALL_WORKERS, &quiet, NULL);
	for (k = 0; k < 2; k++)
		for (i = 0; i < HALL_WORKERS; i++)
			hall_call(&hall, k, i, add_to_shared, &shared[k][i]);
	for (k = 0; k < 2; k++)
		for (i = 0; i < HALL_WORKERS; i++)
			hall_call(&hall, k, i, leave_shared, &shared[k][i]);
	hall_close(&hall);
	ck_assert_uint_eq(finished, 1);
}
END_TEST

static void check_kept(struct lined_service *service, void *arg)
{
	struct lined_buffer **kept = arg;

	if (lined_buffer_len(*kept) == 4)
		must(memcmp(lined_buffer_data(*kept), "kept", 4) == 0);
	else
		must(lined_buffer_len(*kept) == 5 &&
		     memcmp(lined_buffer_data(*kept), "other", 5) == 0);
	lined_buffer_unref(*kept);
}

struct keeper {
	struct lined_buffer *message;
	unsigned got;
};

static void keep(void *arg, struct lined_buffer *message)
{
	struct keeper *keeper = arg;

	if (keeper->message == NULL)
		keeper->message = lined_buffer_ref(message);
	hall_count(&keeper->got);
}

static void subscribe_keeper(struct lined_service *service, void *arg)
{
	must(lined_bus_subscribe(service, "t", keep, arg) != NULL);
}

START_TEST(a_message_may_be_kept)
{
	struct keeper keepers[HALL_WORKERS] = {{NULL, 0}};
	struct sending sending = {.topic = "t", .text = "kept", .count = 1};
	unsigned i;

	hall_open(&hall, HALL_WORKERS, &quiet, NULL);
	for (i = 0; i < HALL_WORKERS; i++)
		hall_call(&hall, 0, i, subscribe_keeper, &keepers[i]);
	hall_call(&hall, 0, 0, send_some, &sending);
	sending.text = "other";
	hall_call(&hall, 0, 1, send_some, &sending);
	for (i = 0; i < HALL_WORKERS; i++)
		hall_wait_count(&hall, &keepers[i].got, 2);
	for (i = 0; i < HALL_WORKERS; i++)
		hall_call(&hall, 0, i, check_kept, &keepers[i].message);
	hall_close(&hall);
}
END_TEST

/* Instances end while others publish to them. */
START_TEST(an_instance_may_end_with_messages_on_their_way)
{
	struct counting counting[HALL_WORKERS];
	unsigned i;

	hall_open(&hall, HALL_WORKERS, &late, NULL);
	for (i = 0; i < HALL_WORKERS; i++) {
		counting[i] = (struct counting){.hall = &hall, .worker = i};
		hall_call(&hall, 0, i, start_counting, &counting[i]);
	}
	hall_call(&hall, 0, 0, start_sending, &counting[0]);
	hall_call(&hall, 0, 1, start_sending, &counting[1]);
	hall_wait_count(&hall, &counting[2].got, MESSAGES / 10);
	hall_end_instance(&hall, 0, 2);
	hall_end_instance(&hall, 0, 3);
	hall_wait_count(&hall, &counting[0].got, 2 * MESSAGES);
	hall_wait_count(&hall, &counting[1].got, 2 * MESSAGES);
	hall_close(&hall);
}
END_TEST

START_TEST(what_was_published_last_harms_nobody)
{
	struct hall_stop stop;
	struct sending sending = {.topic = "t", .text = "x", .count = 100};
	unsigned got = 0, i;

	hall_open(&hall, HALL_WORKERS, &late, NULL);
	hall_call(&hall, 1, 1, subscribe_counter, &got);
	hall_stop(&hall, 3, &stop);
	for (i = 0; i < 3; i++)
		hall_call(&hall, 0, i, send_some, &sending);
	hall_let_go(&hall, &stop);
	hall_close(&hall);
	/* At most the messages that the other instances of b published in
	 * stop(). */
	ck_assert_uint_le(got, HALL_WORKERS - 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("bus_workers");
	TCase *tcase = support_case(suite, "several workers");

	tcase_add_test(tcase,
		       all_workers_get_all_messages_in_each_publishers_order);
	tcase_add_test(tcase, what_waits_for_a_worker_is_charged_once);
	tcase_add_test(tcase, what_was_published_before_does_not_come_later);
	tcase_add_test(tcase, a_mark_parts_what_was_published_before_and_after);
	tcase_add_test(tcase, above_the_limit_nothing_is_published_to_anyone);
	tcase_add_test(tcase, a_worker_that_lags_makes_publishers_pause);
	tcase_add_test(tcase, a_flood_is_cut_into_turns);
	tcase_add_test(tcase, a_message_may_be_kept);
	tcase_add_test(tcase, services_on_all_workers_share_memory_by_name);
	tcase_add_test(tcase, an_instance_may_end_with_messages_on_their_way);
	tcase_add_test(tcase, what_was_published_last_harms_nobody);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
