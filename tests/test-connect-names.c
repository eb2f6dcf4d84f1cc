/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a name: the lookup outside of the loop, one address after
 * another, the deadline. A function of the test looks names up if the answer or
 * its time matters. To be run under a thread sanitizer as well.
 */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "connect_fixture.h"
#include "dispatcher_priv.h"
#include "resolver.h"
#include "support.h"

/* The answer of the test's lookup, and its time. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool held; /* answers wait until it is false */
	unsigned asked, answered;
	int error;
	unsigned count;
	uint16_t ports[4];
	pthread_t thread;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER,
	   .changed = PTHREAD_COND_INITIALIZER};

static struct addrinfo *address_info(uint16_t to)
{
	struct addrinfo *info;
	struct sockaddr_in *address;

	info = calloc(1, sizeof(*info) + sizeof(*address));
	if (info == NULL)
		abort();
	address = (struct sockaddr_in *)(void *)(info + 1);
	*address = support_loopback(to);
	info->ai_family = AF_INET;
	info->ai_socktype = SOCK_STREAM;
	info->ai_addr = (struct sockaddr *)address;
	info->ai_addrlen = sizeof(*address);
	return info;
}

static int test_lookup(const char *host, const char *service,
		       const struct addrinfo *hints, struct addrinfo **result)
{
	struct addrinfo **last = result;
	unsigned i;
	int error;

	pthread_mutex_lock(&names.lock);
	names.thread = pthread_self();
	names.asked++;
	pthread_cond_broadcast(&names.changed);
	while (names.held)
		pthread_cond_wait(&names.changed, &names.lock);
	error = names.error;
	*result = NULL;
	if (error == 0) {
		for (i = 0; i < names.count; i++) {
			*last = address_info(names.ports[i]);
			last = &(*last)->ai_next;
		}
	}
	names.answered++;
	pthread_cond_broadcast(&names.changed);
	pthread_mutex_unlock(&names.lock);
	return error;
}

static void test_free(struct addrinfo *result)
{
	struct addrinfo *next;

	for (; result != NULL; result = next) {
		next = result->ai_next;
		free(result);
	}
}

static const struct resolver_lookup test_names = {
	.lookup = test_lookup,
	.free = test_free,
};

/* From now on the test answers for names. held: answers wait for
 * let_answers_go(). */
static void answer_names(bool held)
{
	struct resolver *resolver = dispatcher_resolver(dispatcher);

	ck_assert_ptr_nonnull(resolver);
	resolver_set_lookup(resolver, &test_names);
	pthread_mutex_lock(&names.lock);
	names.held = held;
	names.asked = names.answered = names.count = 0;
	names.error = 0;
	pthread_mutex_unlock(&names.lock);
}

/* Adds an address to the answer. To be called before the first lookup. */
static void name_add(uint16_t to)
{
	names.ports[names.count++] = to;
}

static void wait_until(const unsigned *count, unsigned n)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += SUPPORT_WATCHDOG_MS / 1000;
	pthread_mutex_lock(&names.lock);
	while (*count < n)
		ck_assert_int_eq(pthread_cond_timedwait(&names.changed,
							&names.lock, &end),
				 0);
	pthread_mutex_unlock(&names.lock);
}

static void let_answers_go(void)
{
	pthread_mutex_lock(&names.lock);
	names.held = false;
	pthread_cond_broadcast(&names.changed);
	pthread_mutex_unlock(&names.lock);
}

START_TEST(localhost_is_resolved_and_connected)
{
	attempt_start(&attempt, "localhost", port, 0);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

START_TEST(the_next_address_is_tried_when_one_refuses)
{
	answer_names(false);
	name_add(support_refused_port());
	name_add(support_refused_port());
	name_add(port);
	attempt_start(&attempt, "three", port, 0);
	assert_connects(&attempt);
	ck_assert(!pthread_equal(names.thread, pthread_self()));
	assert_echoes(&attempt, listener);
}
END_TEST

static void nothing(struct lined_timer *timer)
{
}

START_TEST(the_next_address_is_tried_when_one_is_silent)
{
	struct lined_timer late;

	answer_names(false);
	silent_listen();
	name_add(silent_port);
	name_add(port);
	attempt_start(&attempt, "two", port, 2000);
	/* The address that does not answer may use only its share of the
	 * time. */
	lined_timer_init(&late, dispatcher, nothing);
	ck_assert_int_eq(lined_timer_start(&late, 1900, 0), 0);
	decide(&attempt);
	ck_assert(lined_timer_is_armed(&late));
	lined_timer_stop(&late);
	assert_connected(&attempt);
}
END_TEST

/* The dispatcher is busy before it connects. */
START_TEST(the_deadline_runs_from_the_call)
{
	uint64_t start_ms;

	answer_names(false);
	silent_listen();
	name_add(silent_port);
	name_add(silent_port);
	attempt_open(&attempt);
	poll(NULL, 0, 300);
	start_ms = support_now_ms();
	attempt_connect(&attempt, "two", silent_port, 400);
	decide(&attempt);
	ck_assert_uint_ge(support_now_ms() - start_ms + 2, 400);
	assert_failed(&attempt, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
}
END_TEST

START_TEST(when_all_addresses_refuse_the_last_error_is_told)
{
	answer_names(false);
	name_add(support_refused_port());
	name_add(support_refused_port());
	attempt_start(&attempt, "two", 1, 0);
	assert_fails(&attempt, LINED_CLOSE_ERROR, ECONNREFUSED);
}
END_TEST

START_TEST(an_unknown_name_is_an_error)
{
	answer_names(false);
	names.error = EAI_NONAME;
	attempt_start(&attempt, "none", 1, 0);
	ck_assert_uint_eq(attempt.closes, 0);
	assert_fails(&attempt, LINED_CLOSE_ERROR, EHOSTUNREACH);
}
END_TEST

START_TEST(a_name_without_addresses_is_an_error)
{
	answer_names(false);
	attempt_start(&attempt, "empty", 1, 0);
	decide(&attempt);
	ck_assert_uint_eq(attempt.connects, 0);
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_ERROR);
	ck_assert_int_ne(attempt.error, 0);
}
END_TEST

START_TEST(a_slow_lookup_does_not_block_the_loop)
{
	static struct attempt other; /* closed by teardown() */
	int peer, i;

	answer_names(true);
	name_add(port);
	attempt_start(&attempt, "slow", port, 0);
	wait_until(&names.asked, 1);
	/* Meanwhile another socket is served. */
	other.sock = support_pair(dispatcher, &attempt_handlers, &other, &peer);
	for (i = 0; i < 10; i++) {
		support_puts(peer, "ping\n");
		support_expect(dispatcher, peer, "ping\n");
	}
	ck_assert_uint_eq(attempt.connects + attempt.closes, 0);
	ck_assert(lined_socket_is_connecting(attempt.sock));
	let_answers_go();
	assert_connects(&attempt);
	close(peer);
}
END_TEST

/* The answer of the first lookup comes while a second one is waited for: no
 * socket waits for the first any more. */
static void take_late_answer(void)
{
	struct attempt second;

	attempt_start(&second, "second", 1, 0);
	let_answers_go();
	support_run_until_count(dispatcher, &second.closes, 1);
	ck_assert_int_eq(second.error, ECONNREFUSED);
}

START_TEST(a_lookup_counts_to_the_deadline)
{
	answer_names(true);
	name_add(support_refused_port());
	attempt_start(&attempt, "slow", 1, 50);
	wait_until(&names.asked, 1);
	assert_fails(&attempt, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
	/* The answer comes later, after the socket has closed. */
	take_late_answer();
	ck_assert_uint_eq(attempt.closes, 1);
}
END_TEST

START_TEST(a_close_during_the_lookup_is_final)
{
	answer_names(true);
	name_add(support_refused_port());
	attempt_start(&attempt, "slow", 1, 0);
	wait_until(&names.asked, 1);
	lined_socket_close(attempt.sock);
	ck_assert_int_eq(lined_dispatcher_poll(dispatcher, -1), 0);
	assert_failed(&attempt, LINED_CLOSE_LOCAL, 0);
	take_late_answer();
	free_dispatcher();
	ck_assert_uint_eq(attempt.closes, 1);
}
END_TEST

/* getaddrinfo() may never return: the end does not wait for it. */
START_TEST(a_dispatcher_ends_while_a_name_is_looked_up)
{
	answer_names(true);
	name_add(1);
	attempt_start(&attempt, "slow", 1, 0);
	wait_until(&names.asked, 1);
	free_dispatcher();
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_SHUTDOWN);
	let_answers_go();
	wait_until(&names.answered, 1);
}
END_TEST

START_TEST(a_dispatcher_ends_with_questions_unasked)
{
	struct attempt attempts[3];
	int i;

	answer_names(true);
	name_add(1);
	for (i = 0; i < 3; i++) {
		attempt_start(&attempts[i], "slow", 1, 0);
	}
	wait_until(&names.asked, 1);
	free_dispatcher();
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(attempts[i].closes, 1);
	let_answers_go();
	wait_until(&names.answered, 1);
	ck_assert_uint_eq(names.asked, 1);
}
END_TEST

/* The dispatcher ends while the answer is in the mailbox or on its way. */
START_TEST(a_dispatcher_ends_while_an_answer_waits)
{
	int i;

	for (i = 0; i < 50; i++) {
		free_dispatcher();
		dispatcher = support_dispatcher();
		answer_names(false);
		name_add(1);
		attempt_start(&attempt, "quick", 1, 0);
		wait_until(&names.answered, 1);
		if (i & 1)
			sched_yield();
		free_dispatcher();
		ck_assert_uint_eq(attempt.closes, 1);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("connect_names");
	TCase *tcase = connect_case(suite, "names");

	tcase_add_test(tcase, localhost_is_resolved_and_connected);
	tcase_add_test(tcase, the_next_address_is_tried_when_one_refuses);
	tcase_add_test(tcase, the_next_address_is_tried_when_one_is_silent);
	tcase_add_test(tcase, the_deadline_runs_from_the_call);
	tcase_add_test(tcase, when_all_addresses_refuse_the_last_error_is_told);
	tcase_add_test(tcase, an_unknown_name_is_an_error);
	tcase_add_test(tcase, a_name_without_addresses_is_an_error);
	tcase_add_test(tcase, a_slow_lookup_does_not_block_the_loop);
	tcase_add_test(tcase, a_lookup_counts_to_the_deadline);
	tcase_add_test(tcase, a_close_during_the_lookup_is_final);
	tcase_add_test(tcase, a_dispatcher_ends_while_a_name_is_looked_up);
	tcase_add_test(tcase, a_dispatcher_ends_with_questions_unasked);
	tcase_add_test(tcase, a_dispatcher_ends_while_an_answer_waits);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
