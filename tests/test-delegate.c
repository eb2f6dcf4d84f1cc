/* SPDX-License-Identifier: MIT */
/*
 * Delegates of a user: registering and unregistering them in any callback;
 * their modes, buffered data and tasks; and that they work for any pollable
 * descriptor.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "dispatcher_priv.h"
#include "support.h"
#include "watch.h"

/* The dispatcher of each test. */
static struct lined_dispatcher *d;

static void setup(void)
{
	d = support_dispatcher();
}

static void teardown(void)
{
	lined_dispatcher_free(d);
}

static TCase *delegate_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	return tcase;
}

/* ---- registering ----------------------------------------------------- */

START_TEST(len_counts_what_is_registered)
{
	struct watch *watches[100];
	int i;

	for (i = 0; i < 100; i++) {
		watches[i] = watch_add(d, LINED_MODE_READ, &watch_plain);
		ck_assert_uint_eq(lined_dispatcher_len(d), (size_t)i + 1);
		ck_assert(watches[i]->delegate.open);
	}
	for (i = 0; i < 100; i++) {
		lined_dispatcher_unregister(d, &watches[i]->delegate);
		ck_assert(!watches[i]->delegate.open);
		ck_assert_uint_eq(lined_dispatcher_len(d), 99 - (size_t)i);
		watch_free(watches[i]);
	}
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
}
END_TEST

START_TEST(double_registration_is_EEXIST)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);
	struct lined_delegate twin = {.fd = watch->delegate.fd,
				      .mode = LINED_MODE_READ,
				      .handlers = &watch_plain};

	support_fails(lined_dispatcher_register(d, &watch->delegate), EEXIST);
	support_fails(lined_dispatcher_register(d, &twin), EEXIST);
	ck_assert_uint_eq(lined_dispatcher_len(d), 1);
	watch_remove(watch);
}
END_TEST

START_TEST(unregistering_what_is_not_there_is_ENOENT)
{
	struct lined_dispatcher *other = support_dispatcher();
	struct watch *watch = watch_new(d, LINED_MODE_READ, &watch_plain);

	support_fails(lined_dispatcher_unregister(d, &watch->delegate), ENOENT);
	ck_assert_int_eq(lined_dispatcher_register(d, &watch->delegate), 0);
	support_fails(lined_dispatcher_unregister(other, &watch->delegate),
		      ENOENT);
	ck_assert_int_eq(lined_dispatcher_unregister(d, &watch->delegate), 0);
	support_fails(lined_dispatcher_unregister(d, &watch->delegate), ENOENT);
	/* The delegate may be registered again. */
	ck_assert_int_eq(lined_dispatcher_register(d, &watch->delegate), 0);
	watch_fill(watch);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_uint_eq(watch->reads, 1);
	watch_remove(watch);
	lined_dispatcher_free(other);
}
END_TEST

START_TEST(a_bad_delegate_is_refused)
{
	struct lined_delegate delegate = {
		.fd = -1, .mode = LINED_MODE_READ, .handlers = &watch_plain};

	support_fails(lined_dispatcher_register(d, &delegate), EBADF);
	delegate.fd = dup(0);
	close(delegate.fd);
	support_fails(lined_dispatcher_register(d, &delegate), EBADF);
	delegate.handlers = NULL;
	support_fails(lined_dispatcher_register(d, &delegate), EINVAL);
	ck_assert_uint_eq(lined_dispatcher_len(d), 0);
}
END_TEST

START_TEST(epoll_cannot_watch_a_regular_file)
{
	struct lined_delegate delegate = {.mode = LINED_MODE_READ,
					  .handlers = &watch_plain};

	if (strcmp(lined_dispatcher_poller(d), "epoll") == 0) {
		delegate.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		ck_assert_int_ge(delegate.fd, 0);
		support_fails(lined_dispatcher_register(d, &delegate), EPERM);
		ck_assert_uint_eq(lined_dispatcher_len(d), 0);
		close(delegate.fd);
	}
}
END_TEST

START_TEST(free_unregisters_delegates_and_forgets_timers)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_with_task);
	struct lined_timer timer;

	lined_timer_init(&timer, d, NULL);
	ck_assert_int_eq(lined_timer_start(&timer, 100000, 0), 0);
	lined_dispatcher_free(d);
	d = NULL;
	ck_assert(!watch->delegate.open);
	ck_assert(!lined_timer_is_armed(&timer));
	ck_assert_uint_eq(watch->reads + watch->tasks, 0);
	watch_free(watch);
}
END_TEST
/* ---- modes and readiness --------------------------------------------- */

START_TEST(only_the_handlers_of_the_mode_run)
{
	struct watch *reader = watch_add(d, LINED_MODE_READ, &watch_plain);
	struct watch *writer = watch_add(d, LINED_MODE_WRITE, &watch_plain);

	support_run_turns(d, 3);
	ck_assert_uint_eq(reader->reads, 0);
	ck_assert_uint_eq(writer->writes, 3);
	watch_fill(reader);
	support_run_turns(d, 3);
	ck_assert_uint_eq(reader->reads, 3);
	ck_assert_uint_eq(reader->writes, 0);
	ck_assert_uint_eq(writer->reads, 0);
	watch_remove(reader);
	watch_remove(writer);
}
END_TEST

START_TEST(a_changed_mode_holds_at_once)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);

	watch_fill(watch);
	support_run_turns(d, 1);
	ck_assert_uint_eq(watch->reads, 1);
	ck_assert_int_eq(lined_delegate_set_mode(&watch->delegate, 0), 0);
	support_run_turns(d, 3);
	ck_assert_uint_eq(watch->reads, 1);
	ck_assert_int_eq(
		lined_delegate_set_mode(&watch->delegate, LINED_MODE_READ), 0);
	support_run_turns(d, 1);
	ck_assert_uint_eq(watch->reads, 2);
	watch_remove(watch);
}
END_TEST

/* If the mode is 0 and there is input, a poll must sleep, not spin. */
START_TEST(a_delegate_of_no_mode_does_not_spin_the_loop)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);

	watch_fill(watch);
	support_run_turns(d, 1);
	lined_delegate_set_mode(&watch->delegate, 0);
	ck_assert_uint_le(support_run_for(d, 50), 5);
	close(watch->other_fd); /* a hang-up is reported in any mode */
	watch->other_fd = -1;
	ck_assert_uint_le(support_run_for(d, 50), 5);
	ck_assert_uint_eq(watch->reads, 1);
	watch_remove(watch);
}
END_TEST

static void set_not_open(struct watch *watch)
{
	watch->delegate.open = false;
}

START_TEST(a_handler_that_clears_open_unregisters)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);

	watch->act = set_not_open;
	watch_fill(watch);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	ck_assert_uint_eq(watch->reads, 1);
	ck_assert_uint_eq(lined_dispatcher_len(d), 0);
	support_fails(lined_dispatcher_unregister(d, &watch->delegate), ENOENT);
	watch_free(watch);
}
END_TEST

START_TEST(a_hang_up_reaches_the_reader)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);
	char byte;

	close(watch->other_fd);
	watch->other_fd = -1;
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_uint_eq(watch->reads, 1);
	ck_assert_int_eq(read(watch->delegate.fd, &byte, 1), 0);
	watch_remove(watch);
}
END_TEST

/* The writing end of a pipe reports an error if the reading end is closed. */
static struct watch *broken_pipe(unsigned mode,
				 const struct lined_delegate_handlers *handlers)
{
	struct watch *watch = watch_add(d, LINED_MODE_WRITE, handlers);

	close(watch->other_fd);
	watch->other_fd = -1;
	ck_assert_int_eq(lined_delegate_set_mode(&watch->delegate, mode), 0);
	return watch;
}

START_TEST(an_error_reaches_handle_error)
{
	struct watch *watch = broken_pipe(LINED_MODE_WRITE, &watch_with_error);

	watch->act = set_not_open;
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	ck_assert_uint_eq(watch->errors, 1);
	ck_assert_uint_eq(watch->writes, 0);
	watch_free(watch);
}
END_TEST

START_TEST(an_error_without_handle_error_reaches_the_mode)
{
	struct watch *watch = broken_pipe(LINED_MODE_WRITE, &watch_plain);

	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_uint_eq(watch->writes, 1);
	ck_assert_uint_eq(watch->reads, 0);
	watch_remove(watch);
}
END_TEST

START_TEST(an_error_that_nobody_takes_unregisters)
{
	static const struct lined_delegate_handlers none = {0};
	struct watch *watch = broken_pipe(LINED_MODE_WRITE, &none);

	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	ck_assert(!watch->delegate.open);
	watch_free(watch);
}
END_TEST

/* ---- data buffered, tasks -------------------------------------------- */

START_TEST(buffered_data_is_served_each_turn_without_waiting)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_with_buffer);

	watch->buffered = true;
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_uint_eq(watch->reads, 2);
	watch->buffered = false;
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 1);
	ck_assert_uint_eq(watch->reads, 2);
	watch_remove(watch);
}
END_TEST

/* handle_read is not called without LINED_MODE_READ, and the loop sleeps
 * meanwhile. */
START_TEST(buffered_data_waits_for_the_mode)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_with_buffer);

	watch->buffered = true;
	lined_delegate_set_mode(&watch->delegate, 0);
	ck_assert_uint_le(support_run_for(d, 50), 5);
	ck_assert_uint_eq(watch->reads, 0);
	lined_delegate_set_mode(&watch->delegate, LINED_MODE_READ);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_uint_eq(watch->reads, 1);
	watch_remove(watch);
}
END_TEST

START_TEST(buffered_data_makes_no_reader_of_a_writer)
{
	struct watch *watch =
		watch_add(d, LINED_MODE_WRITE, &watch_with_buffer);

	watch->buffered = true;
	support_run_turns(d, 3);
	ck_assert_uint_eq(watch->reads, 0);
	watch_remove(watch);
}
END_TEST

static bool always(struct lined_delegate *delegate)
{
	return true;
}

START_TEST(buffered_data_that_nobody_reads_does_not_spin_the_loop)
{
	static const struct lined_delegate_handlers unread = {
		.has_data_buffered = always,
	};
	struct watch *watch = watch_add(d, LINED_MODE_READ, &unread);

	ck_assert_uint_le(support_run_for(d, 50), 5);
	watch_remove(watch);
}
END_TEST

/* Unregisters during the turn, and still reports buffered data. */
static bool vanish(struct lined_delegate *delegate)
{
	struct watch *watch = watch_of(delegate);

	if (!watch->buffered) {
		watch->buffered = true;
		return false;
	}
	watch_remove(watch);
	return true;
}

START_TEST(a_delegate_may_free_itself_when_it_is_asked_for_data)
{
	static const struct lined_delegate_handlers vanishing = {
		.handle_read = watch_count_read,
		.has_data_buffered = vanish,
	};

	watch_add(d, LINED_MODE_READ, &vanishing);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 0);
	ck_assert_uint_eq(lined_dispatcher_len(d), 0);
}
END_TEST

START_TEST(a_task_runs_once_in_every_turn)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_with_task);

	support_run_turns(d, 5);
	ck_assert_uint_eq(watch->tasks, 5);
	watch_fill(watch);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_uint_eq(watch->tasks, 6);
	watch_remove(watch);
}
END_TEST

/* A turn visits only delegates with a task. */
START_TEST(only_delegates_with_a_task_cost_a_turn)
{
	struct watch *watches[200], *task;
	int i;

	for (i = 0; i < 200; i++)
		watches[i] = watch_add(d, LINED_MODE_READ, &watch_plain);
	task = watch_add(d, LINED_MODE_READ, &watch_with_task);
	support_run_turns(d, 4);
	ck_assert_uint_eq(task->tasks, 4);
	ck_assert_uint_eq(d->every_turn_count, 1);
	for (i = 0; i < 200; i++) {
		ck_assert_uint_eq(watches[i]->tasks, 0);
		watch_remove(watches[i]);
	}
	watch_remove(task);
	support_run_turns(d, 1);
}
END_TEST

/* More delegates are ready than one turn handles: each is called in the end. */
START_TEST(more_ready_delegates_than_a_turn_takes_are_all_served)
{
	struct watch *watches[400];
	int i;

	for (i = 0; i < 400; i++) {
		watches[i] = watch_add(d, LINED_MODE_READ, &watch_plain);
		watch_fill(watches[i]);
	}
	support_run_turns(d, 8);
	for (i = 0; i < 400; i++) {
		ck_assert_uint_ge(watches[i]->reads, 1);
		watch_remove(watches[i]);
	}
}
END_TEST

/* ---- unregister and free from any callback --------------------------- */

/* The callback that unregisters. */
enum striker {
	STRIKE_READ,
	STRIKE_WRITE,
	STRIKE_TASK,
	STRIKE_ERROR,
	STRIKE_BUFFERED,
	STRIKE_TIMER,
	STRIKE_MESSAGE,
	STRIKERS
};

enum { VICTIMS = 5 };

struct strike {
	struct watch *victims[VICTIMS];
	struct watch *self;
	struct lined_timer timer;
	struct lined_message message;
	unsigned strikes, late;
};

static void strike(struct strike *strike)
{
	int i;

	if (strike->strikes++ > 0) {
		strike->late++;
		return;
	}
	for (i = 0; i < VICTIMS; i++)
		watch_remove(strike->victims[i]);
	if (strike->self != NULL)
		watch_remove(strike->self);
}

static void strike_from_watch(struct watch *watch)
{
	strike(watch->arg);
}

static bool strike_when_asked(struct lined_delegate *delegate)
{
	strike(watch_of(delegate)->arg);
	return false;
}

static void strike_from_timer(struct lined_timer *timer)
{
	strike(lined_container_of(timer, struct strike, timer));
}

static void strike_from_message(struct lined_message *message)
{
	strike(lined_container_of(message, struct strike, message));
}

static const struct lined_delegate_handlers strike_task = {
	.task = watch_count_task,
};

static const struct lined_delegate_handlers strike_error = {
	.handle_error = watch_count_error,
};

static const struct lined_delegate_handlers strike_buffered = {
	.handle_read = watch_count_read,
	.has_data_buffered = strike_when_asked,
};

static struct watch *striker_new(struct strike *strike, int kind)
{
	struct watch *self = NULL;

	switch (kind) {
	case STRIKE_READ:
		self = watch_add(d, LINED_MODE_READ, &watch_plain);
		watch_fill(self);
		break;
	case STRIKE_WRITE:
		self = watch_add(d, LINED_MODE_WRITE, &watch_plain);
		break;
	case STRIKE_TASK:
		self = watch_add(d, LINED_MODE_READ, &strike_task);
		break;
	case STRIKE_ERROR:
		self = broken_pipe(LINED_MODE_WRITE, &strike_error);
		break;
	case STRIKE_BUFFERED:
		self = watch_add(d, LINED_MODE_READ, &strike_buffered);
		break;
	case STRIKE_TIMER:
		lined_timer_init(&strike->timer, d, strike_from_timer);
		ck_assert_int_eq(lined_timer_start(&strike->timer, 0, 0), 0);
		break;
	default:
		lined_dispatcher_open_mailbox(d);
		strike->message.handler = strike_from_message;
		ck_assert_int_eq(lined_dispatcher_post(d, &strike->message), 0);
	}
	if (self != NULL) {
		self->act = strike_from_watch;
		self->arg = strike;
	}
	return self;
}

/* In the I/O phase, victims before the striker may have been called already,
 * later ones not. None may be called after it was unregistered: ASan would
 * report it. */
START_TEST(any_callback_may_unregister_and_free_any_delegate)
{
	struct strike strike = {0};
	int i;

	for (i = 0; i < VICTIMS; i++) {
		if (i == VICTIMS / 2)
			strike.self = striker_new(&strike, _i);
		strike.victims[i] =
			watch_add(d, LINED_MODE_READ, &watch_with_task);
		watch_fill(strike.victims[i]);
	}
	lined_dispatcher_poll(d, 100);
	ck_assert_uint_eq(strike.strikes, 1);
	lined_dispatcher_close_mailbox(d);
	ck_assert_uint_eq(lined_dispatcher_len(d), 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 0);
	ck_assert_uint_eq(strike.late, 0);
}
END_TEST

/* The first handler removes all other delegates, so that there is only one
 * call. */
START_TEST(the_first_of_many_ready_may_remove_the_others)
{
	struct strike strike_all = {0};
	int i;

	for (i = 0; i < VICTIMS; i++) {
		strike_all.victims[i] =
			watch_add(d, LINED_MODE_READ, &watch_plain);
		watch_fill(strike_all.victims[i]);
		strike_all.victims[i]->act = strike_from_watch;
		strike_all.victims[i]->arg = &strike_all;
	}
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	ck_assert_uint_eq(strike_all.strikes, 1);
}
END_TEST

static void register_again(struct watch *watch)
{
	ck_assert_int_eq(lined_dispatcher_unregister(d, &watch->delegate), 0);
	ck_assert_int_eq(lined_dispatcher_register(d, &watch->delegate), 0);
}

START_TEST(a_delegate_may_register_itself_again_in_its_handler)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_with_task);

	watch->act = register_again;
	watch_fill(watch);
	support_run_turns(d, 3);
	ck_assert_uint_eq(watch->reads, 3);
	ck_assert_uint_eq(lined_dispatcher_len(d), 1);
	watch_remove(watch);
}
END_TEST

static void register_task(struct watch *watch)
{
	struct watch *other = watch->arg;

	if (!other->delegate.open)
		ck_assert_int_eq(lined_dispatcher_register(watch->dispatcher,
							   &other->delegate),
				 0);
}

START_TEST(a_new_delegate_has_its_task_from_the_next_turn_on)
{
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);
	struct watch *other = watch_new(d, LINED_MODE_READ, &watch_with_task);

	watch->act = register_task;
	watch->arg = other;
	watch_fill(watch);
	support_run_turns(d, 1);
	ck_assert(other->delegate.open);
	ck_assert_uint_eq(other->tasks, 0);
	support_run_turns(d, 1);
	ck_assert_uint_eq(other->tasks, 1);
	watch_remove(watch);
	watch_remove(other);
}
END_TEST

/* ---- any pollable descriptor ----------------------------------------- */

/* A descriptor that lib/ did not make, which is read when it is ready. */
struct foreign {
	struct lined_delegate delegate;
	char data[512];
	ssize_t got;
	bool done;
};

static void read_foreign(struct lined_delegate *delegate)
{
	struct foreign *foreign =
		lined_container_of(delegate, struct foreign, delegate);

	foreign->got = read(delegate->fd, foreign->data, sizeof(foreign->data));
	foreign->done = true;
	ck_assert_int_eq(
		lined_dispatcher_unregister(delegate->dispatcher, delegate), 0);
}

static const struct lined_delegate_handlers foreign_handlers = {
	.handle_read = read_foreign,
};

static void foreign_register(struct foreign *foreign, int fd)
{
	ck_assert_int_ge(fd, 0);
	memset(foreign, 0, sizeof(*foreign));
	foreign->delegate.fd = fd;
	foreign->delegate.mode = LINED_MODE_READ;
	foreign->delegate.handlers = &foreign_handlers;
	ck_assert_int_eq(lined_dispatcher_register(d, &foreign->delegate), 0);
	support_run_turns(d, 2);
	ck_assert(!foreign->done);
}

static void foreign_finish(struct foreign *foreign)
{
	support_run_until_set(d, &foreign->done);
	close(foreign->delegate.fd);
}

START_TEST(a_delegate_wraps_an_eventfd)
{
	struct foreign foreign;
	uint64_t value = 7;

	foreign_register(&foreign, eventfd(0, EFD_CLOEXEC));
	ck_assert_int_eq(write(foreign.delegate.fd, &value, 8), 8);
	foreign_finish(&foreign);
	memcpy(&value, foreign.data, 8);
	ck_assert_uint_eq(value, 7);
}
END_TEST

START_TEST(a_delegate_wraps_a_timerfd)
{
	const struct itimerspec soon = {.it_value.tv_nsec = 5000000};
	struct foreign foreign;

	foreign_register(&foreign,
			 timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	ck_assert_int_eq(timerfd_settime(foreign.delegate.fd, 0, &soon, NULL),
			 0);
	foreign_finish(&foreign);
	ck_assert_int_eq(foreign.got, 8);
}
END_TEST

START_TEST(a_delegate_wraps_a_signalfd)
{
	struct signalfd_siginfo info;
	struct foreign foreign;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	foreign_register(&foreign, signalfd(-1, &set, SFD_CLOEXEC));
	kill(getpid(), SIGUSR1);
	foreign_finish(&foreign);
	memcpy(&info, foreign.data, sizeof(info));
	ck_assert_uint_eq(info.ssi_signo, SIGUSR1);
}
END_TEST

START_TEST(a_delegate_wraps_an_inotify)
{
	char dir[] = "/tmp/lined-test-XXXXXX", file[64];
	struct foreign foreign;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	foreign_register(&foreign, inotify_init1(IN_CLOEXEC));
	ck_assert_int_ge(inotify_add_watch(foreign.delegate.fd, dir, IN_CREATE),
			 0);
	snprintf(file, sizeof(file), "%s/new", dir);
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	foreign_finish(&foreign);
	ck_assert_int_ge(foreign.got, (int)sizeof(struct inotify_event));
	unlink(file);
	rmdir(dir);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("delegate");
	TCase *tcase;

	tcase = delegate_case(suite, "registering");
	tcase_add_test(tcase, len_counts_what_is_registered);
	tcase_add_test(tcase, double_registration_is_EEXIST);
	tcase_add_test(tcase, unregistering_what_is_not_there_is_ENOENT);
	tcase_add_test(tcase, a_bad_delegate_is_refused);
	tcase_add_test(tcase, epoll_cannot_watch_a_regular_file);
	tcase_add_test(tcase, free_unregisters_delegates_and_forgets_timers);

	tcase = delegate_case(suite, "readiness");
	tcase_add_test(tcase, only_the_handlers_of_the_mode_run);
	tcase_add_test(tcase, a_changed_mode_holds_at_once);
	tcase_add_test(tcase, a_delegate_of_no_mode_does_not_spin_the_loop);
	tcase_add_test(tcase, a_handler_that_clears_open_unregisters);
	tcase_add_test(tcase, a_hang_up_reaches_the_reader);
	tcase_add_test(tcase, an_error_reaches_handle_error);
	tcase_add_test(tcase, an_error_without_handle_error_reaches_the_mode);
	tcase_add_test(tcase, an_error_that_nobody_takes_unregisters);
	tcase_add_test(tcase,
		       buffered_data_is_served_each_turn_without_waiting);
	tcase_add_test(tcase, buffered_data_waits_for_the_mode);
	tcase_add_test(tcase, buffered_data_makes_no_reader_of_a_writer);
	tcase_add_test(tcase,
		       buffered_data_that_nobody_reads_does_not_spin_the_loop);
	tcase_add_test(tcase,
		       a_delegate_may_free_itself_when_it_is_asked_for_data);
	tcase_add_test(tcase, a_task_runs_once_in_every_turn);
	tcase_add_test(tcase, only_delegates_with_a_task_cost_a_turn);
	tcase_add_test(tcase,
		       more_ready_delegates_than_a_turn_takes_are_all_served);

	tcase = delegate_case(suite, "unregistering in a turn");
	tcase_add_loop_test(tcase,
			    any_callback_may_unregister_and_free_any_delegate,
			    0, STRIKERS);
	tcase_add_test(tcase, the_first_of_many_ready_may_remove_the_others);
	tcase_add_test(tcase,
		       a_delegate_may_register_itself_again_in_its_handler);
	tcase_add_test(tcase,
		       a_new_delegate_has_its_task_from_the_next_turn_on);

	tcase = delegate_case(suite, "foreign descriptors");
	tcase_add_test(tcase, a_delegate_wraps_an_eventfd);
	tcase_add_test(tcase, a_delegate_wraps_a_timerfd);
	tcase_add_test(tcase, a_delegate_wraps_a_signalfd);
	tcase_add_test(tcase, a_delegate_wraps_an_inotify);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
