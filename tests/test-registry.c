/* SPDX-License-Identifier: MIT */
/*
 * Claims of the registry: a name has one winner, and is released when its owner
 * is closed. To be run under a thread sanitizer as well.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lined/registry.h>

#include "claims_fixture.h"
#include "serve/service_instance.h"
#include "support.h"

/* ---- claims, on one worker and on several ------------------------------- */

START_TEST(the_first_claim_wins)
{
	int a, b;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	a = hall_client(&claims_hall, 0, 0);
	b = hall_client(&claims_hall, 0, claims_hall.count - 1);
	claims_ask(a, "c alice\n", "won\n");
	claims_ask(b, "c alice\n", "lost\n");
	claims_ask(a, "c alice\n", "lost\n"); /* lost, although the client
					       * itself owns the name */
	claims_expect_list("", "alice=alice:1 ");
	close(a);
	close(b);
	hall_close(&claims_hall);
}
END_TEST

/* The claim is charged once, and its copy once for each worker. */
START_TEST(a_name_is_charged_until_it_is_free)
{
	uint64_t before, most;
	int a;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	a = hall_client(&claims_hall, 0, claims_hall.count - 1);
	claims_ask(a, "hello\n", "hello\n");
	before = memory_kept(&claims_hall.memory);
	claims_ask(a, "c alice\n", "won\n");
	claims_expect_list("", "alice=alice:1 ");
	most = memory_kept(&claims_hall.memory);
	ck_assert_uint_ge(most, before + sizeof(struct registry_claim) +
					claims_hall.count *
						sizeof(struct registry_copy));
	claims_ask(a, "c alice\n", "lost\n");
	ck_assert_uint_eq(memory_kept(&claims_hall.memory), most);
	support_puts(a, "r alice\n");
	claims_expect_list("", "");
	ck_assert_uint_eq(memory_kept(&claims_hall.memory), before);
	claims_ask(a, "c bob\n", "won\n");
	close(a);
	claims_expect_list("", "");
	hall_wait_held(&claims_hall, 0, 0);
	hall_close(&claims_hall);
}
END_TEST

START_TEST(lines_wait_for_the_answer)
{
	int a, b;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	a = hall_client(&claims_hall, 0, 0);
	b = hall_client(&claims_hall, 0, claims_hall.count - 1);
	claims_ask(a, "1\nc x\n2 y\n3\nc x\n4\n",
		   "1\nwon\nwon\nwon\n3\nlost\n4\n");
	claims_ask(b, "1\nc x\n3\nc z\n4\nr z\nc z\n5\n",
		   "1\nlost\n3\nwon\n4\nwon\n5\n");
	close(a);
	close(b);
	hall_close(&claims_hall);
}
END_TEST

START_TEST(a_released_name_is_free)
{
	int a, b;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	a = hall_client(&claims_hall, 0, claims_hall.count - 1);
	b = hall_client(&claims_hall, 0, 0);
	claims_ask(a, "c x\n", "won\n");
	claims_ask(b, "r x\nr y\nc x\n", "lost\n"); /* b cannot release x */
	support_puts(a, "r x\n");
	claims_expect_list("", "");
	claims_ask(b, "c x\n", "won\n");
	claims_expect_list("", "x=x:2 ");
	close(a);
	close(b);
	hall_close(&claims_hall);
}
END_TEST

START_TEST(a_release_may_overtake_the_answer)
{
	int a, b;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	a = hall_client(&claims_hall, 0, claims_hall.count - 1);
	b = hall_client(&claims_hall, 0, 0);
	claims_ask(a, "d x\nd x\n", "won\nwon\n");
	claims_expect_list("", "");
	claims_ask(b, "c x\n", "won\n");
	claims_ask(a, "d x\n1\n",
		   "lost\n1\n"); /* lost, so there is nothing to release */
	claims_expect_list("", "x=x:2 ");
	close(a);
	close(b);
	hall_close(&claims_hall);
}
END_TEST

START_TEST(names_die_with_their_owner)
{
	int a, b;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	a = hall_client(&claims_hall, 0, claims_hall.count - 1);
	b = hall_client(&claims_hall, 0, 0);
	claims_ask(a, "c x\nc y\nc z\nr y\n1\n", "won\nwon\nwon\n1\n");
	claims_expect_list("", "x=x:1 z=z:1 ");
	close(a);
	claims_expect_list("", "");
	claims_ask(b, "c x\n", "won\n");
	close(b);
	hall_close(&claims_hall);
}
END_TEST

START_TEST(a_claim_of_who_is_gone_is_released)
{
	int a, i;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	for (i = 0; i < 20; i++) {
		a = hall_client(&claims_hall, 0,
				(unsigned)i % claims_hall.count);
		support_puts(a, "x name\n");
		claims_expect_end(a);
	}
	a = hall_client(&claims_hall, 0, 0);
	claims_ask(a, "c name\n", "won\n");
	close(a);
	hall_close(&claims_hall);
}
END_TEST

START_TEST(services_have_names_of_their_own)
{
	int a, b;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	a = hall_client(&claims_hall, 0, 0);
	b = hall_client(&claims_hall, 1, claims_hall.count - 1);
	claims_ask(a, "c x\n", "won\n");
	claims_ask(b, "c x\n", "won\n");
	claims_expect_list("", "x=x:1 ");
	close(a);
	close(b);
	hall_close(&claims_hall);
}
END_TEST

START_TEST(a_list_is_sorted_and_by_prefix)
{
	int a;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	a = hall_client(&claims_hall, 0, claims_hall.count - 1);
	claims_ask(a, "c n/bob\nc r/den\nc n/al\nc n\nc n0\nc m/z\n",
		   "won\nwon\nwon\nwon\nwon\nwon\n");
	claims_expect_list("n/", "n/al=n/al:1 n/bob=n/bob:1 ");
	claims_expect_list("r/den", "r/den=r/den:1 ");
	claims_expect_list("r/den/", "");
	claims_expect_list("n", "n=n:1 n/al=n/al:1 n/bob=n/bob:1 n0=n0:1 ");
	close(a);
	hall_close(&claims_hall);
}
END_TEST

/* ---- arguments, on the test's own thread --------------------------------- */

static void never(struct lined_socket *client, void *arg, bool won)
{
	must(false);
}

static void take_client(struct lined_socket *client, void *arg)
{
	*(struct lined_socket **)arg = client;
}

START_TEST(a_bad_claim_gets_no_answer)
{
	static char name[LINED_REGISTRY_NAME_MAX + 2];
	static char value[LINED_REGISTRY_VALUE_MAX + 1];
	struct lined_socket *client;
	struct lined_service *service;
	int fd;

	hall_open(&claims_hall, 1, &claiming, NULL);
	fd = hall_client(&claims_hall, 0, 0);
	service = claims_hall.instances[0][0];
	lined_service_each_client(service, take_client, &client);
	memset(name, 'x', LINED_REGISTRY_NAME_MAX + 1);
	support_fails(lined_registry_claim(service, client, name, NULL, 0,
					   never, NULL),
		      EINVAL);
	support_fails(
		lined_registry_claim(service, client, "", "", 0, never, NULL),
		EINVAL);
	support_fails(lined_registry_claim(service, client, "x", value,
					   sizeof(value), never, NULL),
		      EINVAL);
	claims_ask(fd, "1\n", "1\n"); /* the client waits for no answer */
	close(fd);
	hall_close(&claims_hall);
}
END_TEST

static void set_true(struct lined_socket *client, void *arg, bool won)
{
	must(won);
	*(bool *)arg = true;
}

START_TEST(a_value_is_any_bytes)
{
	static char name[LINED_REGISTRY_NAME_MAX + 1];
	static char value[LINED_REGISTRY_VALUE_MAX];
	struct lined_socket *client;
	struct lined_registry_entry entry;
	bool answered = false;
	int fd;

	hall_open(&claims_hall, 1, &claiming, NULL);
	fd = hall_client(&claims_hall, 0, 0);
	lined_service_each_client(claims_hall.instances[0][0], take_client,
				  &client);
	memset(name, 'x', LINED_REGISTRY_NAME_MAX);
	value[7] = 'v';
	ck_assert_int_eq(
		lined_registry_claim(claims_hall.instances[0][0], client, name,
				     value, sizeof(value), set_true, &answered),
		0);
	ck_assert(!answered);
	ck_assert(!lined_registry_find(claims_hall.instances[0][0], name,
				       &entry));
	support_run_until_set(claims_hall.main, &answered);
	ck_assert(
		lined_registry_find(claims_hall.instances[0][0], name, &entry));
	ck_assert_str_eq(entry.name, name);
	ck_assert_uint_eq(entry.owner, lined_client_id(client));
	ck_assert_uint_eq(entry.value_len, sizeof(value));
	ck_assert_mem_eq(entry.value, value, sizeof(value));
	close(fd);
	hall_close(&claims_hall);
}
END_TEST

/* ---- many at once -------------------------------------------------------- */

enum { CROWD = 200 };

START_TEST(of_many_who_claim_a_name_one_wins)
{
	static int fds[CROWD];
	char answer_text[6];
	unsigned i, won = 0;

	hall_open(&claims_hall, WORKERS, &claiming, NULL);
	for (i = 0; i < CROWD; i++)
		fds[i] = hall_client(&claims_hall, 0, i % claims_hall.count);
	for (i = 0; i < CROWD; i++)
		support_puts(fds[i], "c alice\n");
	for (i = 0; i < CROWD; i++) {
		claims_expect(fds[i], ""); /* lets one worker run a turn */
		while (poll(&(struct pollfd){.fd = fds[i], .events = POLLIN}, 1,
			    1) == 0)
			lined_dispatcher_poll(claims_hall.main, 1);
		ck_assert_int_gt(read(fds[i], answer_text, 1), 0);
		won += answer_text[0] == 'w';
		claims_expect(fds[i], answer_text[0] == 'w' ? "on\n" : "ost\n");
	}
	ck_assert_uint_eq(won, 1);
	for (i = 0; i < CROWD; i++)
		close(fds[i]);
	claims_expect_list("", "");
	hall_close(&claims_hall);
}
END_TEST

/* The daemon ends while claims and releases are under way. */
START_TEST(ending_with_claims_on_their_way_loses_no_memory)
{
	struct hall_stop stop;
	int fds[HALL_WORKERS];
	unsigned i;

	hall_open(&claims_hall, HALL_WORKERS, &claiming, NULL);
	for (i = 0; i < claims_hall.count; i++)
		fds[i] = hall_client(&claims_hall, 0, i);
	for (i = 0; i < claims_hall.count; i++) {
		char text[16];

		snprintf(text, sizeof(text), "c n/%u\n", i);
		support_puts(fds[i], text);
		claims_expect(fds[i], "won\n");
	}
	hall_stop(&claims_hall, 0, &stop); /* the primary, which decides */
	for (i = 1; i < claims_hall.count; i++)
		support_puts(fds[i], "c more\n");
	for (i = 1; i < claims_hall.count; i++)
		hall_end_instance(&claims_hall, 0, i);
	hall_let_go(&claims_hall, &stop);
	for (i = 0; i < claims_hall.count; i++)
		close(fds[i]);
	hall_close(&claims_hall);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("registry");
	TCase *tcase;

	tcase = support_case(suite, "claims");
	tcase_add_loop_test(tcase, the_first_claim_wins, 0, CLAIMS_VARIANTS);
	tcase_add_loop_test(tcase, a_name_is_charged_until_it_is_free, 0,
			    CLAIMS_VARIANTS);
	tcase_add_loop_test(tcase, lines_wait_for_the_answer, 0,
			    CLAIMS_VARIANTS);
	tcase_add_loop_test(tcase, a_released_name_is_free, 0, CLAIMS_VARIANTS);
	tcase_add_loop_test(tcase, a_release_may_overtake_the_answer, 0,
			    CLAIMS_VARIANTS);
	tcase_add_loop_test(tcase, names_die_with_their_owner, 0,
			    CLAIMS_VARIANTS);
	tcase_add_loop_test(tcase, a_claim_of_who_is_gone_is_released, 0,
			    CLAIMS_VARIANTS);
	tcase_add_loop_test(tcase, services_have_names_of_their_own, 0,
			    CLAIMS_VARIANTS);
	tcase_add_loop_test(tcase, a_list_is_sorted_and_by_prefix, 0,
			    CLAIMS_VARIANTS);
	tcase_add_test(tcase, a_bad_claim_gets_no_answer);
	tcase_add_test(tcase, a_value_is_any_bytes);

	tcase = support_case(suite, "many");
	tcase_add_loop_test(tcase, of_many_who_claim_a_name_one_wins, 0,
			    CLAIMS_VARIANTS);
	tcase_add_test(tcase, ending_with_claims_on_their_way_loses_no_memory);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
