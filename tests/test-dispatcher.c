/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: the order of a turn, and what poll returns and when.
 * test-delegate.c tests registering. Sockets are used only for the order of a
 * turn.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "support.h"
#include "watch.h"

/* ---- making ---------------------------------------------------------- */

START_TEST(an_empty_dispatcher_has_nothing_open)
{
	struct lined_dispatcher *d = support_dispatcher();

	ck_assert_uint_eq(lined_dispatcher_len(d), 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 0);
	lined_dispatcher_free(d);
	lined_dispatcher_free(NULL);
}
END_TEST

START_TEST(the_environment_chooses_the_poller)
{
	struct lined_dispatcher *d = support_dispatcher();

	ck_assert_str_eq(lined_dispatcher_poller(d), getenv("LINED_POLLER"));
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(an_unknown_poller_is_refused)
{
	char *before = strdup(getenv("LINED_POLLER"));

	setenv("LINED_POLLER", "select", 1);
	errno = 0;
	ck_assert_ptr_null(lined_dispatcher_new());
	ck_assert_int_eq(errno, EINVAL);
	setenv("LINED_POLLER", before, 1);
	free(before);
}
END_TEST

/* ---- the order of a turn --------------------------------------------- */

struct turn {
	char trace[32];
	struct lined_dispatcher *dispatcher;
	struct lined_socket *victim, *speaker;
	int speaker_peer;
	struct lined_timer timer;
	struct lined_message message;
};

static void note(struct turn *turn, const char *what)
{
	strcat(turn->trace, what);
}

static void trace_io(struct watch *watch)
{
	struct turn *turn = watch->arg;

	/* This watch also has a task. */
	if (strchr(turn->trace, 'i') == NULL) {
		note(turn, "i");
		ck_assert_int_eq(lined_socket_send(turn->speaker, "1", 1), 0);
		lined_socket_close(turn->victim);
		lined_socket_close(turn->victim);
		note(turn, ".");
	} else {
		note(turn, "k");
	}
}

static void trace_buffered(struct watch *watch)
{
	note(watch->arg, "b");
	watch->buffered = false;
}

static void trace_message(struct lined_message *message)
{
	note(lined_container_of(message, struct turn, message), "m");
}

static void trace_timer(struct lined_timer *timer)
{
	note(lined_container_of(timer, struct turn, timer), "t");
}

static void trace_close(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct turn *turn = arg;
	char byte;

	if (sock != turn->victim)
		return;
	ck_assert_int_eq(reason, LINED_CLOSE_LOCAL);
	ck_assert_int_eq(error, 0);
	note(turn, "c");
	/* The flush comes later: the peer has received nothing yet. */
	ck_assert_int_eq(recv(turn->speaker_peer, &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(lined_socket_send(turn->speaker, "2", 1), 0);
}

static const struct lined_socket_handlers trace_handlers = {
	.handle_close = trace_close,
};

START_TEST(a_turn_runs_in_the_promised_order)
{
	struct turn turn = {.dispatcher = support_dispatcher()};
	struct lined_dispatcher *d = turn.dispatcher;
	struct watch *io, *buffered;
	int victim_peer;
	char got[8] = "";

	turn.victim = support_pair(d, &trace_handlers, &turn, &victim_peer);
	turn.speaker =
		support_pair(d, &trace_handlers, &turn, &turn.speaker_peer);
	buffered = watch_add(d, LINED_MODE_READ, &watch_with_buffer);
	buffered->buffered = true;
	buffered->act = trace_buffered;
	buffered->arg = &turn;
	io = watch_add(d, LINED_MODE_READ, &watch_with_task);
	io->act = trace_io;
	io->arg = &turn;
	watch_fill(io);
	lined_timer_init(&turn.timer, d, trace_timer);
	ck_assert_int_eq(lined_timer_start(&turn.timer, 0, 0), 0);
	lined_dispatcher_open_mailbox(d);
	turn.message.handler = trace_message;
	ck_assert_int_eq(lined_dispatcher_post(d, &turn.message), 0);

	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_str_eq(turn.trace, "i.bmtkc");
	/* Bytes that handle_close queued were sent in the same turn. */
	ck_assert_int_eq(recv(turn.speaker_peer, got, 4, MSG_DONTWAIT), 2);
	ck_assert_str_eq(got, "12");

	watch_remove(io);
	watch_remove(buffered);
	close(victim_peer);
	lined_dispatcher_free(d);
	close(turn.speaker_peer);
}
END_TEST

/* A chain in which each handle_close closes the next socket. */
struct chain {
	struct lined_socket *socks[4];
	unsigned closed;
};

static void close_next(struct lined_socket *sock, void *arg,
		       enum lined_close_reason reason, int error)
{
	struct chain *chain = arg;

	if (++chain->closed < 4)
		lined_socket_close(chain->socks[chain->closed]);
}

static const struct lined_socket_handlers chain_handlers = {
	.handle_close = close_next,
};

START_TEST(what_handle_close_closes_is_not_left_waiting)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *idle = watch_add(d, LINED_MODE_READ, &watch_plain);
	struct chain chain = {.closed = 0};
	int peers[4], i;

	for (i = 0; i < 4; i++)
		chain.socks[i] =
			support_pair(d, &chain_handlers, &chain, &peers[i]);
	lined_socket_close(chain.socks[0]);
	/* No other event is coming: a poll that waits would run into the time
	 * limit. */
	while (chain.closed < 4)
		ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	for (i = 0; i < 4; i++)
		close(peers[i]);
	watch_remove(idle);
	lined_dispatcher_free(d);
}
END_TEST

static void count_message(struct lined_message *message);

struct late {
	struct lined_message message;
	unsigned handled;
	bool posted;
};

static void count_message(struct lined_message *message)
{
	lined_container_of(message, struct late, message)->handled++;
}

static void post_late(struct watch *watch)
{
	struct late *late = watch->arg;

	if (!late->posted)
		ck_assert_int_eq(lined_dispatcher_post(watch->dispatcher,
						       &late->message),
				 0);
	late->posted = true;
}

START_TEST(what_a_task_posts_is_not_left_waiting)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_with_task);
	struct late late = {.message.handler = count_message};

	lined_dispatcher_open_mailbox(d);
	watch->act = post_late;
	watch->arg = &late;
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 1);
	ck_assert_uint_eq(late.handled, 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_uint_eq(late.handled, 1);
	watch_remove(watch);
	lined_dispatcher_free(d);
}
END_TEST

static void count_close(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	++*(unsigned *)arg;
}

static const struct lined_socket_handlers count_closes = {
	.handle_close = count_close,
};

/* The flush comes late in a turn: if a socket fails there, its handle_close
 * must come without delay. */
START_TEST(what_the_flush_closes_is_not_left_waiting)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *idle = watch_add(d, LINED_MODE_READ, &watch_plain);
	unsigned closed = 0;
	int peer;
	struct lined_socket *sock;

	sock = support_pair(d, &count_closes, &closed, &peer);
	shutdown(lined_socket_fd(sock), SHUT_WR);
	lined_socket_pause(sock);
	ck_assert_int_eq(lined_socket_send(sock, "x", 1), 0);
	while (closed == 0)
		ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	ck_assert_uint_eq(closed, 1);
	close(peer);
	watch_remove(idle);
	lined_dispatcher_free(d);
}
END_TEST

/* ---- poll ------------------------------------------------------------ */

static void do_nothing(struct lined_timer *timer)
{
}

START_TEST(poll_tells_whether_something_is_open)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *watch;
	struct lined_timer timer;

	watch = watch_add(d, LINED_MODE_READ, &watch_plain);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 1);
	watch_remove(watch);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 0);

	lined_timer_init(&timer, d, do_nothing);
	lined_timer_start(&timer, 100000, 0);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 1);
	lined_timer_stop(&timer);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 0);

	lined_dispatcher_open_mailbox(d);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 1);
	lined_dispatcher_close_mailbox(d);
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 0);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(poll_waits_as_long_as_it_was_told)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);
	uint64_t start_ms = support_now_ms();

	ck_assert_int_eq(lined_dispatcher_poll(d, 40), 1);
	ck_assert_uint_ge(support_now_ms() - start_ms + 1, 40);
	watch_remove(watch);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(poll_without_a_timeout_ends_with_a_timer)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);
	struct lined_timer timer;

	lined_timer_init(&timer, d, do_nothing);
	ck_assert_int_eq(lined_timer_start(&timer, 30, 0), 0);
	while (lined_timer_is_armed(&timer))
		ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	watch_remove(watch);
	lined_dispatcher_free(d);
}
END_TEST

static void on_alarm(int sig)
{
}

START_TEST(a_signal_is_not_a_failure)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);
	const struct sigaction action = {.sa_handler = on_alarm};
	/* The signal is repeated, because the first one may come before the
	 * wait. */
	const struct itimerval often = {.it_interval.tv_usec = 20000,
					.it_value.tv_usec = 20000};
	const struct itimerval never = {.it_value.tv_sec = 0};

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	setitimer(ITIMER_REAL, &never, NULL);
	ck_assert_uint_eq(watch->reads, 0);
	signal(SIGALRM, SIG_DFL);
	watch_remove(watch);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(a_wake_before_the_poll_counts_once)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);
	uint64_t start_ms;

	lined_dispatcher_wake(d);
	lined_dispatcher_wake(d);
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	start_ms = support_now_ms();
	ck_assert_int_eq(lined_dispatcher_poll(d, 40), 1);
	ck_assert_uint_ge(support_now_ms() - start_ms + 1, 40);
	watch_remove(watch);
	lined_dispatcher_free(d);
}
END_TEST

static void *wake(void *arg)
{
	lined_dispatcher_wake(arg);
	return NULL;
}

START_TEST(another_thread_wakes_a_poll)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_plain);
	pthread_t thread;
	int i;

	for (i = 0; i < 50; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, wake, d), 0);
		ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
		pthread_join(thread, NULL);
	}
	watch_remove(watch);
	lined_dispatcher_free(d);
}
END_TEST

static void poll_inside(struct watch *watch)
{
	support_fails(lined_dispatcher_poll(watch->dispatcher, 0), EDEADLK);
}

START_TEST(poll_within_a_turn_is_EDEADLK)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct watch *watch = watch_add(d, LINED_MODE_READ, &watch_with_task);

	watch->act = poll_inside;
	watch_fill(watch);
	support_run_turns(d, 3);
	ck_assert_uint_eq(watch->reads, 3);
	ck_assert_uint_eq(watch->tasks, 3);
	watch_remove(watch);
	lined_dispatcher_free(d);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("dispatcher");
	TCase *tcase;

	tcase = support_case(suite, "registering");
	tcase_add_test(tcase, an_empty_dispatcher_has_nothing_open);
	tcase_add_test(tcase, the_environment_chooses_the_poller);
	tcase_add_test(tcase, an_unknown_poller_is_refused);

	tcase = support_case(suite, "turn");
	tcase_add_test(tcase, a_turn_runs_in_the_promised_order);
	tcase_add_test(tcase, what_handle_close_closes_is_not_left_waiting);
	tcase_add_test(tcase, what_a_task_posts_is_not_left_waiting);
	tcase_add_test(tcase, what_the_flush_closes_is_not_left_waiting);

	tcase = support_case(suite, "poll");
	tcase_add_test(tcase, poll_tells_whether_something_is_open);
	tcase_add_test(tcase, poll_waits_as_long_as_it_was_told);
	tcase_add_test(tcase, poll_without_a_timeout_ends_with_a_timer);
	tcase_add_test(tcase, a_signal_is_not_a_failure);
	tcase_add_test(tcase, a_wake_before_the_poll_counts_once);
	tcase_add_test(tcase, another_thread_wakes_a_poll);
	tcase_add_test(tcase, poll_within_a_turn_is_EDEADLK);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
