/* SPDX-License-Identifier: MIT */
/*
 * The bus: each message once to each subscription, in the order of its
 * publisher, and never within the publishing call; topics, and instances that
 * end.
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

/* ---- one worker ---------------------------------------------------------- */

START_TEST(publishing_never_calls_a_handler)
{
	struct inbox inbox = {.topic = "t"};

	hall_open(&hall, 1, &quiet, NULL);
	subscribe(hall.instances[0][0], &inbox);
	ck_assert_int_eq(publish_text(hall.instances[0][0], "t", "1"), 0);
	ck_assert_int_eq(publish_text(hall.instances[0][0], "t", "2"), 0);
	ck_assert_str_eq(inbox.text, "");
	turn();
	ck_assert_str_eq(inbox.text, "12");
	hall_close(&hall);
}
END_TEST

START_TEST(one_worker_neither_copies_nor_wakes)
{
	struct inbox inbox = {.topic = "t"};
	struct lined_buffer *message = lined_buffer_new("1", 1);

	hall_open(&hall, 1, &quiet, NULL);
	support_run_turns(hall.main, 3);
	subscribe(hall.instances[0][0], &inbox);
	ck_assert_int_eq(lined_bus_publish(hall.instances[0][0], "t", message),
			 0);
	ck_assert(!atomic_load(&hall.main->mailbox.signalled));
	turn();
	ck_assert_ptr_eq(inbox.last, message);
	ck_assert_str_eq(inbox.text, "1");
	lined_buffer_unref(message);
	hall_close(&hall);
}
END_TEST

START_TEST(every_subscription_gets_each_message_once)
{
	struct inbox inboxes[3] = {
		{.topic = "t"}, {.topic = "t"}, {.topic = "u"}};
	unsigned i;

	hall_open(&hall, 1, &quiet, NULL);
	for (i = 0; i < 3; i++)
		subscribe(hall.instances[0][0], &inboxes[i]);
	publish_text(hall.instances[0][0], "t", "1");
	publish_text(hall.instances[0][0], "u", "2");
	publish_text(hall.instances[0][0], "t", "3");
	publish_text(hall.instances[0][0], "", "4");
	support_run_turns(hall.main, 3);
	ck_assert_str_eq(inboxes[0].text, "13");
	ck_assert_str_eq(inboxes[1].text, "13");
	ck_assert_str_eq(inboxes[2].text, "2");
	hall_close(&hall);
}
END_TEST

START_TEST(a_newcomer_gets_what_comes_from_now_on)
{
	struct inbox first = {.topic = "t"}, second = {.topic = "t"};

	hall_open(&hall, 1, &quiet, NULL);
	subscribe(hall.instances[0][0], &first);
	publish_text(hall.instances[0][0], "t", "1");
	subscribe(hall.instances[0][0], &second);
	publish_text(hall.instances[0][0], "t", "2");
	turn();
	ck_assert_str_eq(first.text, "12");
	ck_assert_str_eq(second.text, "2");
	hall_close(&hall);
}
END_TEST

START_TEST(unsubscribing_drops_what_is_on_its_way)
{
	struct inbox inbox = {.topic = "t"};

	hall_open(&hall, 1, &quiet, NULL);
	subscribe(hall.instances[0][0], &inbox);
	publish_text(hall.instances[0][0], "t", "1");
	unsubscribe(&inbox);
	turn();
	ck_assert_str_eq(inbox.text, "");
	/* A later subscription gets only later messages. */
	subscribe(hall.instances[0][0], &inbox);
	publish_text(hall.instances[0][0], "t", "2");
	turn();
	ck_assert_str_eq(inbox.text, "2");
	lined_bus_unsubscribe(NULL);
	hall_close(&hall);
}
END_TEST

/* The handler of one of three subscriptions unsubscribes one of them, perhaps
 * its own. */
START_TEST(a_handler_may_unsubscribe_any)
{
	int by = _i / 3, whom = _i % 3, i;
	struct inbox inboxes[3] = {
		{.topic = "t"}, {.topic = "t"}, {.topic = "t"}};

	hall_open(&hall, 1, &quiet, NULL);
	for (i = 0; i < 3; i++)
		subscribe(hall.instances[0][0], &inboxes[i]);
	inboxes[by].unsubscribe = &inboxes[whom];
	publish_text(hall.instances[0][0], "t", "1");
	publish_text(hall.instances[0][0], "t", "2");
	support_run_turns(hall.main, 2);
	for (i = 0; i < 3; i++) {
		/* A subscriber that was called before it was unsubscribed has
		 * the first message. */
		const char *text = i == whom ? (whom <= by ? "1" : "") : "12";

		ck_assert_str_eq(inboxes[i].text, text);
	}
	hall_close(&hall);
}
END_TEST

START_TEST(the_last_one_may_unsubscribe_itself)
{
	struct inbox inbox = {.topic = "t"};

	hall_open(&hall, 1, &quiet, NULL);
	subscribe(hall.instances[0][0], &inbox);
	inbox.unsubscribe = &inbox;
	inbox.publish = "2"; /* there is no subscription */
	publish_text(hall.instances[0][0], "t", "1");
	support_run_turns(hall.main, 3);
	ck_assert_str_eq(inbox.text, "1");
	hall_close(&hall);
}
END_TEST

START_TEST(a_handler_may_subscribe_and_publish)
{
	struct inbox first = {.topic = "t"}, second = {.topic = "t"};

	hall_open(&hall, 1, &quiet, NULL);
	subscribe(hall.instances[0][0], &first);
	first.subscribe = &second;
	first.publish = "2";
	publish_text(hall.instances[0][0], "t", "1");
	turn();
	ck_assert_str_eq(first.text, "1"); /* its own message comes in the next
					    * turn */
	turn();
	ck_assert_str_eq(first.text, "12");
	ck_assert_str_eq(second.text, "2");
	hall_close(&hall);
}
END_TEST

START_TEST(what_a_topic_may_be)
{
	char topic[LINED_TOPIC_MAX + 2];
	struct inbox inbox = {.topic = topic};

	hall_open(&hall, 1, &quiet, NULL);
	memset(topic, 'x', sizeof(topic));
	topic[LINED_TOPIC_MAX + 1] = '\0';
	support_fails(publish_text(hall.instances[0][0], topic, "1"), EINVAL);
	errno = 0;
	ck_assert_ptr_null(
		lined_bus_subscribe(hall.instances[0][0], topic, take, NULL));
	ck_assert_int_eq(errno, EINVAL);
	topic[LINED_TOPIC_MAX] = '\0';
	subscribe(hall.instances[0][0], &inbox);
	ck_assert_int_eq(publish_text(hall.instances[0][0], topic, "1"), 0);
	turn();
	ck_assert_str_eq(inbox.text, "1");
	hall_close(&hall);
}
END_TEST

static void publish_shared(struct lined_service *service, void *arg)
{
	struct lined_buffer *message = lined_buffer_new(arg, strlen(arg));

	must(message != NULL);
	must(lined_bus_publish_shared(service, "t", message) == 0);
	lined_buffer_unref(message);
}

START_TEST(topics_are_the_services_own_or_shared)
{
	char own_text[] = "a", shared_text[] = "s";
	struct inbox own[2] = {{.topic = "t"}, {.topic = "t"}};
	struct inbox shared[2] = {{.topic = "t"}, {.topic = "t"}};
	unsigned s;

	hall_open(&hall, (unsigned)_i, &quiet, NULL);
	for (s = 0; s < 2; s++) {
		/* On different workers, if there are several. */
		hall_call(&hall, s, s % hall.count, subscribe, &own[s]);
		hall_call(&hall, s, s % hall.count, subscribe_shared,
			  &shared[s]);
	}
	hall_call(&hall, 0, hall.count - 1, publish_own, own_text);
	hall_call(&hall, 1, 0, publish_shared, shared_text);
	hall_wait_count(&hall, &own[0].got, 1);
	hall_wait_count(&hall, &shared[0].got, 1);
	hall_wait_count(&hall, &shared[1].got, 1);
	hall_close(&hall);
	ck_assert_str_eq(own[0].text, "a");
	ck_assert_str_eq(own[1].text, "");
	ck_assert_str_eq(shared[0].text, "s");
	ck_assert_str_eq(shared[1].text, "s");
}
END_TEST

START_TEST(many_topics_are_kept_apart)
{
	enum { TOPICS = 1000 };
	static struct inbox inboxes[TOPICS];
	static char names[TOPICS][16];
	unsigned i;

	hall_open(&hall, 1, &quiet, NULL);
	for (i = 0; i < TOPICS; i++) {
		snprintf(names[i], sizeof(names[i]), "room/%u", i);
		inboxes[i] = (struct inbox){.topic = names[i]};
		subscribe(hall.instances[0][0], &inboxes[i]);
	}
	for (i = 0; i < TOPICS; i += 2)
		unsubscribe(&inboxes[i]);
	for (i = 0; i < TOPICS; i++)
		publish_text(hall.instances[0][0], names[i], names[i] + 5);
	turn();
	for (i = 0; i < TOPICS; i++)
		ck_assert_str_eq(inboxes[i].text,
				 i % 2 == 0 ? "" : names[i] + 5);
	hall_close(&hall);
}
END_TEST

START_TEST(a_local_backlog_has_its_limit)
{
	static char bytes[1 << 20];
	struct lined_buffer *message = lined_buffer_new(bytes, sizeof(bytes));
	struct inbox inbox = {.topic = "t"};
	unsigned i;

	hall_open(&hall, 1, &quiet, NULL);
	subscribe(hall.instances[0][0], &inbox);
	for (i = 0; i < 64; i++)
		ck_assert_int_eq(
			lined_bus_publish(hall.instances[0][0], "t", message),
			0);
	support_fails(lined_bus_publish(hall.instances[0][0], "t", message),
		      ENOBUFS);
	unsubscribe(&inbox);
	turn();
	subscribe(hall.instances[0][0], &inbox);
	ck_assert_int_eq(publish_text(hall.instances[0][0], "t", "1"), 0);
	lined_buffer_unref(message);
	hall_close(&hall);
}
END_TEST

/* ---- ending -------------------------------------------------------------- */

START_TEST(an_instance_that_ends_has_no_subscriptions)
{
	struct inbox inbox = {.topic = "t"}, kept = {.topic = "t"};

	hall_open(&hall, 1, &late, NULL);
	subscribe(hall.instances[0][0], &inbox);
	subscribe(hall.instances[0][0], &kept);
	publish_text(hall.instances[0][0], "t", "1");
	bus_member_leave(&hall.instances[0][0]->bus);
	turn();
	ck_assert_str_eq(inbox.text, "");
	unsubscribe(&inbox); /* still legal */
	errno = 0;
	ck_assert_ptr_null(
		lined_bus_subscribe(hall.instances[0][0], "t", take, &inbox));
	ck_assert_int_eq(errno, ESHUTDOWN);
	hall_end_instance(&hall, 0, 0);
	ck_assert_str_eq(kept.text, "");
	hall_close(&hall);
}
END_TEST

START_TEST(the_daemon_may_end_with_messages_waiting)
{
	struct inbox inbox = {.topic = "t"};

	hall_open(&hall, 1, &late, NULL);
	hall_end_instance(&hall, 0, 0);
	subscribe(hall.instances[1][0], &inbox);
	publish_text(hall.instances[1][0], "t", "1");
	hall_close(&hall);
	ck_assert_str_eq(inbox.text, "1");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("bus");
	TCase *tcase;

	tcase = support_case(suite, "one worker");
	tcase_add_test(tcase, publishing_never_calls_a_handler);
	tcase_add_test(tcase, one_worker_neither_copies_nor_wakes);
	tcase_add_test(tcase, every_subscription_gets_each_message_once);
	tcase_add_test(tcase, a_newcomer_gets_what_comes_from_now_on);
	tcase_add_test(tcase, unsubscribing_drops_what_is_on_its_way);
	tcase_add_loop_test(tcase, a_handler_may_unsubscribe_any, 0, 9);
	tcase_add_test(tcase, the_last_one_may_unsubscribe_itself);
	tcase_add_test(tcase, a_handler_may_subscribe_and_publish);
	tcase_add_test(tcase, what_a_topic_may_be);
	tcase_add_test(tcase, many_topics_are_kept_apart);
	tcase_add_test(tcase, a_local_backlog_has_its_limit);

	tcase = support_case(suite, "ending");
	tcase_add_test(tcase, an_instance_that_ends_has_no_subscriptions);
	tcase_add_test(tcase, the_daemon_may_end_with_messages_waiting);

	tcase = support_case(suite, "topics");
	tcase_add_loop_test(tcase, topics_are_the_services_own_or_shared, 1, 3);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
