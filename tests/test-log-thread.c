/* SPDX-License-Identifier: MIT */
/*
 * The thread that writes the log: lines of many threads, ticks, and that no
 * thread waits for a reader of the log.
 */
#include "config.h"

#include "log/log_thread.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/log.h"
#include "log_fixture.h"
#include "support.h"

/* Few enough for the buffer, even if the log thread starts late. */
#define THREADS    4
#define PER_THREAD 1000

static void *log_a_lot(void *arg)
{
	int i;

	for (i = 0; i < PER_THREAD; i++)
		log_debug("thread %d message %d end", *(int *)arg, i);
	return NULL;
}

/* Each line must be whole, and the lines of each thread in order. */
static void expect_in_order(char *text)
{
	int next[THREADS] = {0}, thread, number, used;
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		used = 0;
		ck_assert_int_eq(sscanf(line, "<7>thread %d message %d end%n",
					&thread, &number, &used),
				 2);
		ck_assert_uint_eq((size_t)used, strlen(line));
		ck_assert_int_eq(number, next[thread]++);
	}
	for (thread = 0; thread < THREADS; thread++)
		ck_assert_int_eq(next[thread], PER_THREAD);
}

START_TEST(lines_of_many_threads_stay_whole_and_in_order)
{
	static int numbers[THREADS] = {0, 1, 2, 3};
	pthread_t threads[THREADS];
	char name[] = "/tmp/lined-test-log-XXXXXX";
	int i, fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	unlink(name);
	/* stderr is a file: nothing is dropped, and nobody has to read
	 * meanwhile. */
	use_stderr(dup(fd), fd);
	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, log_a_lot,
						&numbers[i]),
				 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	log_close();
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_ptr_null(strstr(read_all(), "dropped"));
	expect_in_order(got);
}
END_TEST

struct ticks {
	unsigned count; /* how many calls there were */
	unsigned soon;  /* the first calls, which follow one another at once */
	pthread_t thread;
};

static uint32_t count_tick(void *arg)
{
	struct ticks *ticks = arg;

	ticks->thread = pthread_self();
	ticks->count++;
	log_info("tick %u", ticks->count);
	return ticks->count < ticks->soon ? 1 : 3600 * 1000;
}

START_TEST(ticks_come_on_another_thread_until_they_are_taken_back)
{
	struct ticks ticks = {.soon = 3};

	open_stderr();
	log_tick(0, count_tick, &ticks);
	ck_assert_str_eq(read_until("tick 3\n"),
			 "<6>tick 1\n<6>tick 2\n<6>tick 3\n");
	log_tick(0, NULL, NULL);
	ck_assert_uint_eq(ticks.count, 3);
	ck_assert(!pthread_equal(ticks.thread, pthread_self()));
	log_info("others go on");
	read_until("<6>others go on\n");
	log_tick(0, count_tick, &ticks);
	read_until("<6>tick 4\n");
	log_close();
}
END_TEST

struct nap {
	atomic_uint count;
	atomic_bool inside;
	atomic_bool taken_back; /* log_tick() is about to take the tick back */
};

/* Runs until the test takes the tick back, and a little longer. */
static uint32_t take_a_nap(void *arg)
{
	struct nap *nap = arg;
	unsigned i;

	atomic_store(&nap->inside, true);
	atomic_fetch_add(&nap->count, 1);
	while (!atomic_load(&nap->taken_back))
		sched_yield();
	for (i = 0; i < 100; i++)
		sched_yield();
	atomic_store(&nap->inside, false);
	return 0;
}

START_TEST(a_tick_that_was_taken_back_is_over)
{
	struct nap nap = {0};
	unsigned i, count;

	open_stderr();
	for (i = 0; i < 50; i++) {
		atomic_store(&nap.taken_back, false);
		log_tick(0, take_a_nap, &nap);
		while (atomic_load(&nap.count) <= i)
			sched_yield();
		atomic_store(&nap.taken_back, true);
		log_tick(0, NULL, NULL);
		ck_assert(!atomic_load(&nap.inside));
		count = atomic_load(&nap.count);
		ck_assert_uint_gt(count, i);
		atomic_store(&nap.count, i + 1);
	}
	log_close();
}
END_TEST

/* Returns the number of messages in the text and of those that it reports as
 * dropped. */
static unsigned long long accounted_for(const char *text)
{
	unsigned long long sum = count_of(text, "<7>message");

	while ((text = strstr(text, "<4>log: ")) != NULL) {
		text += strlen("<4>log: ");
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

START_TEST(what_is_dropped_is_counted)
{
	size_t len = 0;
	int i;

	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	for (i = 0; i < 20000; i++)
		log_debug("message %05d %0100d", i, 0);
	/* Twice as many messages as fit into the buffer and the pipe were
	 * logged. Now read them. */
	do {
		read_more(&len);
	} while (accounted_for(got) < 20000);
	ck_assert_uint_eq(accounted_for(got), 20000);
	ck_assert_ptr_nonnull(strstr(got, "messages dropped"));
	log_close();
	ck_assert_uint_eq(accounted_for(read_all()), 0);
}
END_TEST

START_TEST(clients_do_not_crowd_out_what_is_wrong)
{
	int i;

	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	for (i = 0; i < 20000; i++)
		log_debug("message %05d %0100d", i, 0);
	log_err("the end is near");
	read_until("<3>the end is near\n");
	log_close();
}
END_TEST

static unsigned thread_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

START_TEST(a_reader_that_never_reads_holds_nobody_up)
{
	uint64_t start_ms, took_ms;
	unsigned threads;
	int i, null;

	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	start_ms = support_now_ms();
	for (i = 0; i < 20000; i++)
		log_debug("%0100d", i);
	log_close();
	took_ms = support_now_ms() - start_ms;
	ck_assert_uint_ge(took_ms, 1900);
	ck_assert_uint_lt(took_ms, 8000);
	/* A later message does not wait either. */
	log_err("last words");
	ck_assert_uint_lt(support_now_ms() - start_ms, 8000);
	/* Once stderr is read, the log thread continues and ends. */
	threads = thread_count();
	null = open("/dev/null", O_WRONLY);
	ck_assert_int_eq(dup2(null, STDERR_FILENO), STDERR_FILENO);
	close(null);
	while (read(out, got, sizeof(got)) > 0)
		ck_assert_ptr_null(memmem(got, sizeof(got), "last words", 10));
	while (thread_count() == threads)
		ck_assert_uint_lt(support_now_ms() - start_ms, 20000);
}
END_TEST

START_TEST(a_reader_that_is_gone_kills_nobody)
{
	ck_assert_ptr_eq(signal(SIGPIPE, SIG_DFL), SIG_IGN);
	close(out);
	out = -1;
	open_stderr();
	log_err("to nobody");
	log_close();
	signal(SIGPIPE, SIG_IGN);
}
END_TEST

START_TEST(a_stderr_that_does_not_block_gets_everything)
{
	const char *text;
	int i;

	ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	for (i = 0; i < 1000; i++)
		log_debug("%0100d", i);
	text = read_until("999\n");
	ck_assert_uint_eq(count_of(text, "\n"), 1000);
	log_close();
}
END_TEST

START_TEST(the_thread_takes_no_signals)
{
	sigset_t set, pending;

	open_stderr();
	log_err("it runs");
	read_until("it runs");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	/* The signal would end the process if a thread did not block it. */
	ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
	log_err("still");
	read_until("still");
	ck_assert_int_eq(sigpending(&pending), 0);
	ck_assert_int_eq(sigismember(&pending, SIGUSR1), 1);
	signal(SIGUSR1, SIG_IGN);
	log_close();
}
END_TEST

START_TEST(without_a_thread_messages_are_written_all_the_same)
{
	pthread_attr_t attr, before;
	const char *text;
	int i;

	/* The system has no room for a stack of this size. */
	ck_assert_int_eq(pthread_getattr_default_np(&before), 0);
	ck_assert_int_eq(pthread_attr_init(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, (size_t)1 << 47), 0);
	ck_assert_int_eq(pthread_setattr_default_np(&attr), 0);
	open_stderr();
	ck_assert_int_eq(pthread_setattr_default_np(&before), 0);
	for (i = 0; i < 22; i++)
		log_err("alone");
	text = read_until("alone\n");
	serve_syslog(SOCK_DGRAM);
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_INFO);
	log_notice("moved");
	ck_assert_str_eq(read_syslog(syslog_reader), "<157>lined: moved");
	log_close();
	ck_assert_uint_eq(count_of(text, "<3>alone\n"), 20);
	ck_assert_ptr_nonnull(
		strstr(read_syslog(syslog_reader), "2 similar messages"));
	pthread_attr_destroy(&attr);
	pthread_attr_destroy(&before);
}
END_TEST

static Suite *log_thread_suite(void)
{
	Suite *suite = suite_create("log_thread");
	TCase *tc = log_case(suite, "readers");

	tcase_add_test(tc, lines_of_many_threads_stay_whole_and_in_order);
	tcase_add_test(tc,
		       ticks_come_on_another_thread_until_they_are_taken_back);
	tcase_add_test(tc, a_tick_that_was_taken_back_is_over);
	tcase_add_test(tc, what_is_dropped_is_counted);
	tcase_add_test(tc, clients_do_not_crowd_out_what_is_wrong);
	tcase_add_test(tc, a_reader_that_never_reads_holds_nobody_up);
	tcase_add_test(tc, a_reader_that_is_gone_kills_nobody);
	tcase_add_test(tc, a_stderr_that_does_not_block_gets_everything);
	tcase_add_test(tc, the_thread_takes_no_signals);
	tcase_add_test(tc, without_a_thread_messages_are_written_all_the_same);
	return suite;
}

int main(void)
{
	return support_main_once(log_thread_suite);
}
