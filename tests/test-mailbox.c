/* SPDX-License-Identifier: MIT */
/*
 * The mailbox: messages of other threads arrive once, in each thread's order,
 * and cost one wakeup per batch. To be run under a thread sanitizer as well.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <lined/dispatcher.h>

#include "cache_line.h"
#include "dispatcher_priv.h"
#include "dispatcher_watch.h"
#include "support.h"

enum { THREADS = 4, POSTS = 20000 };

struct letter {
	struct lined_message message;
	struct office *office;
	unsigned thread, number;
};

struct office {
	struct lined_dispatcher *dispatcher;
	pthread_t reader;
	unsigned next[THREADS]; /* the number expected from each thread */
	unsigned handled, cancelled;
	struct letter *reply;
};

struct poster {
	struct office *office;
	unsigned thread;
	unsigned posted;
};

static void letter_arrived(struct lined_message *message)
{
	struct letter *letter =
		lined_container_of(message, struct letter, message);
	struct office *office = letter->office;

	ck_assert(pthread_equal(pthread_self(), office->reader));
	ck_assert_uint_eq(letter->number, office->next[letter->thread]);
	office->next[letter->thread]++;
	office->handled++;
	free(letter);
}

static void letter_cancelled(struct lined_message *message)
{
	struct letter *letter =
		lined_container_of(message, struct letter, message);

	letter->office->cancelled++;
	free(letter);
}

static struct letter *letter_new(struct office *office, unsigned thread,
				 unsigned number)
{
	struct letter *letter = calloc(1, sizeof(*letter));

	if (letter == NULL)
		abort();
	letter->message.handler = letter_arrived;
	letter->message.cancel = letter_cancelled;
	letter->office = office;
	letter->thread = thread;
	letter->number = number;
	return letter;
}

static void office_open(struct office *office)
{
	*office = (struct office){.dispatcher = support_dispatcher(),
				  .reader = pthread_self()};
	lined_dispatcher_open_mailbox(office->dispatcher);
}

static void post(struct office *office, unsigned thread, unsigned number)
{
	ck_assert_int_eq(lined_dispatcher_post(
				 office->dispatcher,
				 &letter_new(office, thread, number)->message),
			 0);
}

/* No ck_assert here: Check's assertions may be used only on the test's own
 * thread. */
static void *post_many(void *arg)
{
	struct poster *poster = arg;
	unsigned i;

	for (i = 0; i < POSTS; i++) {
		struct letter *letter =
			letter_new(poster->office, poster->thread, i);

		if (lined_dispatcher_post(poster->office->dispatcher,
					  &letter->message) < 0) {
			free(letter);
			break;
		}
		poster->posted++;
	}
	return NULL;
}

static void start_posters(struct office *office, pthread_t *threads,
			  struct poster *posters)
{
	unsigned i;

	for (i = 0; i < THREADS; i++) {
		posters[i] = (struct poster){.office = office, .thread = i};
		ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many,
						&posters[i]),
				 0);
	}
}

START_TEST(posts_of_many_threads_arrive_all_and_in_order)
{
	struct office office;
	struct poster posters[THREADS];
	pthread_t threads[THREADS];
	unsigned i;

	office_open(&office);
	start_posters(&office, threads, posters);
	/* With -1, a wakeup that is missed makes the test hang. */
	while (office.handled < THREADS * POSTS)
		ck_assert_int_eq(lined_dispatcher_poll(office.dispatcher, -1),
				 1);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_uint_eq(office.next[i], POSTS);
	}
	lined_dispatcher_free(office.dispatcher);
	ck_assert_uint_eq(office.handled, THREADS * POSTS);
	ck_assert_uint_eq(office.cancelled, 0);
}
END_TEST

/* Returns how many signals of the wakeup are not handled yet, and resets
 * them. */
static uint64_t take_wakeups(struct lined_dispatcher *d)
{
	uint64_t value = 0;
	char bytes[64];
	ssize_t n = read(d->mailbox.wakeup.read_fd, bytes, sizeof(bytes));

	if (d->mailbox.wakeup.read_fd != d->mailbox.wakeup.write_fd)
		return n < 0 ? 0 : (uint64_t)n; /* a pipe has a byte for each
						 * signal */
	if (n == sizeof(value))
		__builtin_memcpy(&value, bytes, sizeof(value));
	return value;
}

/* The memory of two threads shares no cache line. */
START_TEST(memory_of_a_thread_is_on_lines_of_its_own)
{
	size_t size;

	for (size = 1; size <= 3 * CACHE_LINE; size += 37) {
		char *memory = cache_line_calloc(size);
		size_t i;

		ck_assert_ptr_nonnull(memory);
		ck_assert_uint_eq((uintptr_t)memory % CACHE_LINE, 0);
		for (i = 0;
		     i < (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE; i++)
			ck_assert_int_eq(memory[i], 0);
		free(memory);
	}
}
END_TEST

START_TEST(wakeups_are_counted_as_they_are_seen)
{
	struct office office;

	office_open(&office);
	ck_assert_uint_eq(dispatcher_wakeups(office.dispatcher), 0);
	lined_dispatcher_wake(office.dispatcher);
	lined_dispatcher_wake(office.dispatcher);
	post(&office, 0, 0);
	lined_dispatcher_poll(office.dispatcher, 0);
	ck_assert_uint_eq(office.handled, 1);
	ck_assert_uint_eq(dispatcher_wakeups(office.dispatcher), 1);
	post(&office, 0, 1);
	lined_dispatcher_poll(office.dispatcher, 0);
	ck_assert_uint_eq(office.handled, 2);
	ck_assert_uint_eq(dispatcher_wakeups(office.dispatcher), 2);
	lined_dispatcher_poll(office.dispatcher, 0);
	ck_assert_uint_eq(dispatcher_wakeups(office.dispatcher), 2);
	lined_dispatcher_free(office.dispatcher);
}
END_TEST

START_TEST(a_full_mailbox_wakes_once)
{
	struct office office;
	unsigned i;

	office_open(&office);
	for (i = 0; i < 1000; i++)
		post(&office, 0, i);
	ck_assert_uint_eq(take_wakeups(office.dispatcher), 1);
	lined_dispatcher_free(office.dispatcher);
	ck_assert_uint_eq(office.cancelled, 1000);
}
END_TEST

/* Ten batches take ten turns, not one turn for each message. */
START_TEST(a_batch_is_one_turn)
{
	struct office office;
	unsigned i, batch;

	office_open(&office);
	for (batch = 0; batch < 10; batch++) {
		for (i = 0; i < 100; i++)
			post(&office, 0, batch * 100 + i);
		ck_assert_int_eq(lined_dispatcher_poll(office.dispatcher, -1),
				 1);
		ck_assert_uint_eq(office.handled, (batch + 1) * 100);
	}
	/* Afterwards nothing wakes the dispatcher. */
	ck_assert_uint_le(support_run_for(office.dispatcher, 30), 3);
	lined_dispatcher_free(office.dispatcher);
}
END_TEST

static void post_reply(struct lined_message *message)
{
	struct letter *letter =
		lined_container_of(message, struct letter, message);
	struct office *office = letter->office;

	office->handled++;
	ck_assert_int_eq(lined_dispatcher_post(office->dispatcher,
					       &office->reply->message),
			 0);
	office->reply = NULL;
	free(letter);
}

START_TEST(a_handler_may_post_again)
{
	struct office office;
	struct letter *letter;

	office_open(&office);
	office.reply = letter_new(&office, 0, 0);
	letter = letter_new(&office, 0, 0);
	letter->message.handler = post_reply;
	ck_assert_int_eq(
		lined_dispatcher_post(office.dispatcher, &letter->message), 0);
	while (office.handled < 2)
		ck_assert_int_eq(lined_dispatcher_poll(office.dispatcher, -1),
				 1);
	ck_assert_uint_eq(office.next[0], 1);
	lined_dispatcher_free(office.dispatcher);
}
END_TEST

START_TEST(a_post_to_a_closed_mailbox_is_EPIPE)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct office office = {.dispatcher = d, .reader = pthread_self()};
	struct letter *letter = letter_new(&office, 0, 0);

	support_fails(lined_dispatcher_post(d, &letter->message), EPIPE);
	lined_dispatcher_open_mailbox(d);
	lined_dispatcher_close_mailbox(d);
	support_fails(lined_dispatcher_post(d, &letter->message), EPIPE);
	free(letter); /* the letter was not taken */
	lined_dispatcher_free(d);
	ck_assert_uint_eq(office.handled + office.cancelled, 0);
}
END_TEST

START_TEST(what_was_posted_before_the_closing_is_handled)
{
	struct office office;

	office_open(&office);
	post(&office, 0, 0);
	post(&office, 0, 1);
	lined_dispatcher_close_mailbox(office.dispatcher);
	while (lined_dispatcher_poll(office.dispatcher, 100) > 0)
		;
	ck_assert_uint_eq(office.handled, 2);
	lined_dispatcher_free(office.dispatcher);
	ck_assert_uint_eq(office.cancelled, 0);
}
END_TEST

START_TEST(what_is_left_at_the_end_is_cancelled)
{
	struct office office;

	office_open(&office);
	post(&office, 0, 0);
	post(&office, 0, 1);
	lined_dispatcher_free(office.dispatcher);
	ck_assert_uint_eq(office.handled, 0);
	ck_assert_uint_eq(office.cancelled, 2);
}
END_TEST

/* The mailbox closes while threads post: each post is either handled or
 * refused. */
START_TEST(closing_while_threads_post_loses_nothing)
{
	struct office office;
	struct poster posters[THREADS];
	pthread_t threads[THREADS];
	unsigned i, posted = 0;

	office_open(&office);
	start_posters(&office, threads, posters);
	while (office.handled < POSTS / 4)
		ck_assert_int_eq(lined_dispatcher_poll(office.dispatcher, -1),
				 1);
	lined_dispatcher_close_mailbox(office.dispatcher);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		posted += posters[i].posted;
	}
	while (lined_dispatcher_poll(office.dispatcher, 0) > 0)
		;
	ck_assert_uint_eq(office.handled, posted);
	lined_dispatcher_free(office.dispatcher);
	ck_assert_uint_eq(office.handled + office.cancelled, posted);
}
END_TEST

struct waker {
	struct lined_dispatcher *dispatcher;
	int told; /* not atomic: only the wakeup orders the accesses */
	atomic_bool woke;
};

static void *tell_and_wake(void *arg)
{
	struct waker *waker = arg;

	waker->told = 1;
	lined_dispatcher_wake(waker->dispatcher);
	atomic_store_explicit(&waker->woke, true, memory_order_relaxed);
	return NULL;
}

/* If a wakeup is already under way, a second wake makes no system call, but
 * must still order memory: a thread sanitizer would report a race on the
 * flag. */
START_TEST(what_was_written_before_any_wake_is_seen_by_the_turn)
{
	struct waker waker = {.dispatcher = support_dispatcher()};
	pthread_t thread;

	lined_dispatcher_open_mailbox(waker.dispatcher);
	lined_dispatcher_wake(waker.dispatcher);
	ck_assert_int_eq(pthread_create(&thread, NULL, tell_and_wake, &waker),
			 0);
	while (!atomic_load_explicit(&waker.woke, memory_order_relaxed))
		sched_yield();
	ck_assert_int_eq(lined_dispatcher_poll(waker.dispatcher, 0), 1);
	ck_assert_uint_eq(dispatcher_wakeups(waker.dispatcher), 1);
	ck_assert_int_eq(waker.told, 1);
	pthread_join(thread, NULL);
	lined_dispatcher_free(waker.dispatcher);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("mailbox");
	TCase *tcase = support_case(suite, "mailbox");

	tcase_add_test(tcase, posts_of_many_threads_arrive_all_and_in_order);
	tcase_add_test(tcase, wakeups_are_counted_as_they_are_seen);
	tcase_add_test(tcase, memory_of_a_thread_is_on_lines_of_its_own);
	tcase_add_test(tcase,
		       what_was_written_before_any_wake_is_seen_by_the_turn);
	tcase_add_test(tcase, a_full_mailbox_wakes_once);
	tcase_add_test(tcase, a_batch_is_one_turn);
	tcase_add_test(tcase, a_handler_may_post_again);
	tcase_add_test(tcase, a_post_to_a_closed_mailbox_is_EPIPE);
	tcase_add_test(tcase, what_was_posted_before_the_closing_is_handled);
	tcase_add_test(tcase, what_is_left_at_the_end_is_cancelled);
	tcase_add_test(tcase, closing_while_threads_post_loses_nothing);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
