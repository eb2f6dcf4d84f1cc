/* SPDX-License-Identifier: MIT */
/*
 * Faults of the asyncio module of Nim, from which this core descends. Each test
 * has the name of a fault, and fails if lib/ has this fault again. The other
 * suites test everything else.
 */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "dispatcher_priv.h"
#include "resolver.h"
#include "support.h"

/* A delegate over one end of a socket pair. */
struct probe {
	struct lined_delegate delegate;
	struct lined_dispatcher *dispatcher;
	int other_fd;
	unsigned reads, writes, tasks;
	void (*on_read)(struct probe *probe);
	void *arg;
};

static struct probe *probe_of(struct lined_delegate *delegate)
{
	return lined_container_of(delegate, struct probe, delegate);
}

static void probe_read(struct lined_delegate *delegate)
{
	struct probe *probe = probe_of(delegate);

	probe->reads++;
	if (probe->on_read != NULL)
		probe->on_read(probe);
}

static void probe_write(struct lined_delegate *delegate)
{
	probe_of(delegate)->writes++;
}

static void probe_task(struct lined_delegate *delegate)
{
	probe_of(delegate)->tasks++;
}

static bool always(struct lined_delegate *delegate)
{
	return true;
}

static const struct lined_delegate_handlers probe_handlers = {
	.handle_read = probe_read,
	.handle_write = probe_write,
};

static const struct lined_delegate_handlers task_handlers = {
	.handle_read = probe_read,
	.task = probe_task,
};

static const struct lined_delegate_handlers greedy_handlers = {
	.handle_read = probe_read,
	.has_data_buffered = always,
};

static void probe_init(struct probe *probe, struct lined_dispatcher *d,
		       const struct lined_delegate_handlers *handlers,
		       unsigned mode)
{
	int fds[2];

	memset(probe, 0, sizeof(*probe));
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	probe->dispatcher = d;
	probe->delegate.fd = fds[0];
	probe->delegate.mode = (uint8_t)mode;
	probe->delegate.handlers = handlers;
	probe->other_fd = fds[1];
}

static void probe_add(struct probe *probe, struct lined_dispatcher *d,
		      const struct lined_delegate_handlers *handlers,
		      unsigned mode)
{
	probe_init(probe, d, handlers, mode);
	ck_assert_int_eq(lined_dispatcher_register(d, &probe->delegate), 0);
}

static void probe_fini(struct probe *probe)
{
	if (probe->delegate.open)
		lined_dispatcher_unregister(probe->dispatcher,
					    &probe->delegate);
	close(probe->delegate.fd);
	close(probe->other_fd);
}

/* ---- a failed wait --------------------------------------------------- */

/* A poller that fails, and leaves events for this delegate in the array. */
static struct lined_delegate *lie;
static int wait_error;

static int failing_wait(struct poller *poller, struct poll_event *events,
			int max, int timeout_ms)
{
	int i;

	for (i = 0; i < max; i++) {
		events[i].delegate = lie;
		events[i].ready =
			POLL_READY_READ | POLL_READY_WRITE | POLL_READY_ERROR;
	}
	errno = wait_error;
	return -1;
}

START_TEST(fault_a_failed_wait_is_taken_for_everything_ready)
{
	struct lined_dispatcher *d = support_dispatcher();
	const struct poller_ops *working = d->ops;
	struct poller_ops failing = *working;
	struct probe probe;

	failing.wait = failing_wait;
	probe_add(&probe, d, &probe_handlers,
		  LINED_MODE_READ | LINED_MODE_WRITE);
	lie = &probe.delegate;
	d->ops = &failing;
	wait_error = EBADF;
	support_fails(lined_dispatcher_poll(d, 0), EBADF);
	/* An interrupted wait is not a failure, and reports no event. */
	wait_error = EINTR;
	ck_assert_int_eq(lined_dispatcher_poll(d, 0), 1);
	ck_assert_uint_eq(probe.reads + probe.writes, 0);
	d->ops = working;
	support_run_turns(d, 1);
	ck_assert_uint_eq(probe.reads, 0);
	ck_assert_uint_eq(probe.writes, 1);
	probe_fini(&probe);
	lined_dispatcher_free(d);
}
END_TEST

/* ---- readiness ------------------------------------------------------- */

START_TEST(fault_a_write_only_delegate_is_read)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct probe probe;

	probe_add(&probe, d, &probe_handlers, LINED_MODE_WRITE);
	support_puts(probe.other_fd, "input waits");
	support_run_turns(d, 3);
	shutdown(probe.other_fd, SHUT_WR);
	support_run_turns(d, 3);
	ck_assert_uint_eq(probe.reads, 0);
	ck_assert_uint_eq(probe.writes, 6);
	probe_fini(&probe);
	lined_dispatcher_free(d);
}
END_TEST

static void close_other(struct probe *probe)
{
	struct probe *other = probe->arg;

	/* The first one called unregisters the other, which must not be called
	 * then. */
	ck_assert(other->delegate.open);
	ck_assert_int_eq(lined_dispatcher_unregister(probe->dispatcher,
						     &other->delegate),
			 0);
}

START_TEST(fault_a_delegate_closed_earlier_in_the_turn_is_called)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct probe a, b;

	probe_add(&a, d, &probe_handlers, LINED_MODE_READ);
	probe_add(&b, d, &probe_handlers, LINED_MODE_READ);
	a.on_read = b.on_read = close_other;
	a.arg = &b;
	b.arg = &a;
	support_puts(a.other_fd, "x");
	support_puts(b.other_fd, "x");
	support_run_turns(d, 1);
	ck_assert_uint_eq(a.reads + b.reads, 1);
	ck_assert_uint_eq(lined_dispatcher_len(d), 1);
	probe_fini(&a);
	probe_fini(&b);
	lined_dispatcher_free(d);
}
END_TEST

/* Two sockets, each of which closes the other when it reads. */
struct rival {
	struct lined_socket *sock;
	struct rival *other;
	unsigned reads, closes;
};

static void rival_read(struct lined_socket *sock, void *arg)
{
	struct rival *rival = arg;

	rival->reads++;
	lined_socket_close(rival->other->sock);
}

static void rival_close(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct rival *rival = arg;

	rival->closes++;
}

static const struct lined_socket_handlers rival_handlers = {
	.handle_read = rival_read,
	.handle_close = rival_close,
};

START_TEST(fault_a_socket_closed_earlier_in_the_turn_is_called)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct rival rivals[2] = {{.other = &rivals[1]}, {.other = &rivals[0]}};
	int peers[2], i;

	for (i = 0; i < 2; i++)
		rivals[i].sock =
			support_pair(d, &rival_handlers, &rivals[i], &peers[i]);
	support_puts(peers[0], "x\n");
	support_puts(peers[1], "x\n");
	support_run_turns(d, 1);
	ck_assert_uint_eq(rivals[0].reads + rivals[1].reads, 1);
	ck_assert_uint_eq(rivals[0].closes + rivals[1].closes, 1);
	lined_dispatcher_free(d);
	close(peers[0]);
	close(peers[1]);
}
END_TEST

/*
 * Puts another descriptor under the other delegate, in the same memory and
 * with the same number, while the turn still has an event for it.
 */
static void replace_other(struct probe *probe)
{
	struct probe *other = probe->arg;
	int fd;

	if (other->arg == NULL)
		return; /* this was done already */
	probe->arg = other->arg = NULL;
	fd = other->delegate.fd;
	probe_fini(other);
	probe_init(other, probe->dispatcher, &probe_handlers, LINED_MODE_READ);
	if (other->delegate.fd != fd && other->other_fd != fd) {
		ck_assert_int_eq(dup2(other->delegate.fd, fd), fd);
		close(other->delegate.fd);
		other->delegate.fd = fd;
	} else if (other->other_fd == fd) {
		other->other_fd = other->delegate.fd;
		other->delegate.fd = fd;
	}
	ck_assert_int_eq(
		lined_dispatcher_register(probe->dispatcher, &other->delegate),
		0);
}

START_TEST(fault_a_delegate_registered_in_a_callback_is_called_unpolled)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct probe a, b;

	probe_add(&a, d, &probe_handlers, LINED_MODE_READ);
	probe_add(&b, d, &probe_handlers, LINED_MODE_READ);
	a.on_read = b.on_read = replace_other;
	a.arg = &b;
	b.arg = &a;
	support_puts(a.other_fd, "x");
	support_puts(b.other_fd, "x");
	support_run_turns(d, 1);
	/* One delegate was called, and replaced the other one's descriptor by a
	 * new one, which has no input. */
	ck_assert_uint_eq(a.reads + b.reads, 1);
	a.on_read = b.on_read = NULL;
	support_run_turns(d, 2);
	ck_assert_uint_eq(a.reads + b.reads, 3);
	ck_assert(a.reads == 0 || b.reads == 0);
	probe_fini(&a);
	probe_fini(&b);
	lined_dispatcher_free(d);
}
END_TEST

static void count_timer(struct lined_timer *timer);

struct counted_timer {
	struct lined_timer timer;
	unsigned fired;
};

static void count_timer(struct lined_timer *timer)
{
	lined_container_of(timer, struct counted_timer, timer)->fired++;
}

START_TEST(fault_a_delegate_with_buffered_data_starves_the_rest)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct probe greedy, other, task;
	struct counted_timer timer = {.fired = 0};

	probe_add(&greedy, d, &greedy_handlers, LINED_MODE_READ);
	probe_add(&other, d, &probe_handlers, LINED_MODE_READ);
	probe_add(&task, d, &task_handlers, LINED_MODE_READ);
	lined_timer_init(&timer.timer, d, count_timer);
	lined_timer_start(&timer.timer, 0, 0);
	support_puts(other.other_fd, "x");
	support_run_turns(d, 4);
	ck_assert_uint_eq(greedy.reads, 4);
	ck_assert_uint_eq(other.reads, 4);
	ck_assert_uint_eq(task.tasks, 4);
	ck_assert_uint_eq(timer.fired, 1);
	probe_fini(&greedy);
	probe_fini(&other);
	probe_fini(&task);
	lined_dispatcher_free(d);
}
END_TEST

/* ---- sockets --------------------------------------------------------- */

/* The calls of a socket's handlers, for the tests below. */
struct story {
	struct lined_socket *sock;
	unsigned connects, reads, closes, tasks, lines;
	enum lined_socket_state state_in_connect;
	enum lined_close_reason reason;
	int error;
	bool one_line, close_in_connect;
	char text[256]; /* the lines, each followed by its terminator or '$' */
};

static void story_connect(struct lined_socket *sock, void *arg)
{
	struct story *story = arg;

	story->connects++;
	story->state_in_connect = lined_socket_state(sock);
	if (story->close_in_connect)
		lined_socket_close(sock);
}

static void story_read(struct lined_socket *sock, void *arg)
{
	struct story *story = arg;
	struct lined_line line;

	story->reads++;
	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY) {
		story->lines++;
		if (strlen(story->text) + line.len + line.terminator_len + 2 <
		    sizeof(story->text)) {
			strncat(story->text, line.text, line.len);
			if (line.unterminated)
				strcat(story->text, "$");
			else
				strncat(story->text, line.terminator,
					line.terminator_len);
		}
		if (story->one_line)
			break;
	}
}

static void story_task(struct lined_socket *sock, void *arg)
{
	struct story *story = arg;

	story->tasks++;
}

static void story_close(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct story *story = arg;

	ck_assert(lined_socket_is_closed(sock));
	story->closes++;
	story->reason = reason;
	story->error = error;
	story->sock = NULL;
}

static const struct lined_socket_handlers story_handlers = {
	.handle_connect = story_connect,
	.handle_read = story_read,
	.handle_close = story_close,
};

static const struct lined_socket_handlers story_task_handlers = {
	.handle_read = story_read,
	.handle_task = story_task,
	.handle_close = story_close,
};

START_TEST(fault_one_socket_with_buffered_data_starves_poll_and_tasks)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct story flood = {.one_line = true}, other = {.lines = 0};
	struct story task = {.lines = 0};
	char lines[2000];
	int peers[3];
	size_t i;

	for (i = 0; i < sizeof(lines); i++)
		lines[i] = i % 2 == 0 ? 'x' : '\n';
	flood.sock = support_pair(d, &story_handlers, &flood, &peers[0]);
	other.sock = support_pair(d, &story_handlers, &other, &peers[1]);
	task.sock = support_pair(d, &story_task_handlers, &task, &peers[2]);
	support_write(peers[0], lines, sizeof(lines));
	support_run_turns(d, 5);
	ck_assert_uint_eq(flood.lines, 5);
	ck_assert_uint_eq(task.tasks, 5);
	support_puts(peers[1], "me too\n");
	support_run_turns(d, 2);
	ck_assert_uint_eq(other.lines, 1);
	/* The remaining lines are served without waiting for the kernel. */
	while (flood.lines < sizeof(lines) / 2)
		ck_assert_int_eq(lined_dispatcher_poll(d, -1), 1);
	for (i = 0; i < 3; i++)
		close(peers[i]);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(fault_SO_ERROR_unchecked_lets_a_refused_connect_connect)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct story story = {.lines = 0};

	story.sock = support_socket(&story_handlers, &story);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, story.sock));
	ck_assert_int_eq(lined_socket_connect(story.sock, "127.0.0.1",
					      support_refused_port(), 0),
			 0);
	support_run_until_count(d, &story.closes, 1);
	ck_assert_uint_eq(story.connects, 0);
	ck_assert_int_eq(story.reason, LINED_CLOSE_ERROR);
	ck_assert_int_eq(story.error, ECONNREFUSED);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(fault_the_state_is_set_after_the_connect_handler)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct story story = {.close_in_connect = (bool)_i};
	uint16_t port;
	int listener = support_listen_fd(1, &port);

	story.sock = support_socket(&story_handlers, &story);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, story.sock));
	ck_assert_int_eq(lined_socket_connect(story.sock, "127.0.0.1", port, 0),
			 0);
	support_run_until_count(d, &story.connects, 1);
	ck_assert_int_eq(story.state_in_connect, LINED_SOCKET_CONNECTED);
	/* If the handler calls close(), the state must not be set
	 * afterwards. */
	ck_assert_uint_eq(story.closes, (unsigned)_i);
	if (story.sock != NULL)
		ck_assert(lined_socket_is_connected(story.sock));
	lined_dispatcher_free(d);
	ck_assert_uint_eq(story.closes, 1);
	close(listener);
}
END_TEST

static pthread_t lookup_thread;
static uint16_t lookup_port;

static int here_lookup(const char *host, const char *service,
		       const struct addrinfo *hints, struct addrinfo **result)
{
	char port[8];

	lookup_thread = pthread_self();
	snprintf(port, sizeof(port), "%u", lookup_port);
	return getaddrinfo("127.0.0.1", port, hints, result);
}

START_TEST(fault_names_are_looked_up_in_connect)
{
	static const struct resolver_lookup here = {
		.lookup = here_lookup,
		.free = freeaddrinfo,
	};
	struct lined_dispatcher *d = support_dispatcher();
	struct story story = {.lines = 0};
	int listener = support_listen_fd(1, &lookup_port);

	lookup_thread = pthread_self();
	resolver_set_lookup(dispatcher_resolver(d), &here);
	story.sock = support_socket(&story_handlers, &story);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, story.sock));
	ck_assert_int_eq(lined_socket_connect(story.sock, "a.name", 1, 0), 0);
	support_run_until_count(d, &story.connects, 1);
	ck_assert(!pthread_equal(lookup_thread, pthread_self()));
	lined_dispatcher_free(d);
	close(listener);
}
END_TEST

/* Sends each piece only after the previous one was read. */
static void send_in_reads(struct lined_dispatcher *d, struct story *story,
			  int peer, const char *const *pieces)
{
	for (; *pieces != NULL; pieces++) {
		unsigned reads = story->reads;

		support_puts(peer, *pieces);
		support_run_until_count(d, &story->reads, reads + 1);
	}
}

START_TEST(fault_a_lone_CR_at_the_end_of_a_read_is_swallowed)
{
	static const char *const pieces[] = {"a\r", "b\nc\r", "\nd\r",
					     "\r",  "\n",     NULL};
	struct lined_dispatcher *d = support_dispatcher();
	struct story story = {.lines = 0};
	int peer;

	story.sock = support_pair(d, &story_handlers, &story, &peer);
	send_in_reads(d, &story, peer, pieces);
	ck_assert_str_eq(story.text, "a\rb\nc\r\nd\r\r\n");
	ck_assert_uint_eq(story.lines, 3);
	close(peer);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(fault_partial_data_is_lost_at_the_end)
{
	const struct lined_framing deliver = {
		.line_length = 100,
		.unterminated = LINED_UNTERMINATED_DELIVER,
	};
	struct lined_dispatcher *d = support_dispatcher();
	struct story story = {.lines = 0};
	int peer;

	story.sock = support_pair(d, &story_handlers, &story, &peer);
	lined_socket_set_framing(story.sock, &deliver);
	if (_i == 0) {
		support_puts(peer, "whole\nrest");
	} else {
		support_puts(peer, "whole\nre");
		support_run_until_count(d, &story.lines, 1);
		support_puts(peer, "st");
	}
	close(peer);
	support_run_until_count(d, &story.closes, 1);
	ck_assert_str_eq(story.text, "whole\nrest$");
	ck_assert_int_eq(story.reason, LINED_CLOSE_PEER);
	lined_dispatcher_free(d);
}
END_TEST

static void accept_story(struct lined_socket *sock, void *arg)
{
	struct story *story = arg;

	story->sock = support_socket(&story_handlers, story);
	ck_assert_int_eq(lined_socket_accept(sock, story->sock), 0);
}

START_TEST(fault_handlers_set_before_accept_are_lost)
{
	static const struct lined_socket_handlers accepting = {
		.handle_accept = accept_story,
	};
	struct lined_dispatcher *d = support_dispatcher();
	struct story story = {.lines = 0};
	uint16_t port;
	int peer;

	support_listen(d, &accepting, &story, &port);
	peer = support_connect_fd(port);
	support_puts(peer, "hello\n");
	support_run_until_count(d, &story.lines, 1);
	ck_assert_str_eq(story.text, "hello\n");
	close(peer);
	support_run_until_count(d, &story.closes, 1);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(fault_the_send_queue_is_unbounded)
{
	static char block[16 * 1024];
	struct lined_dispatcher *d = support_dispatcher();
	struct story story = {.lines = 0};
	unsigned sends = 0;
	int peer;

	story.sock = support_pair(d, &story_handlers, &story, &peer);
	while (lined_socket_send(story.sock, block, sizeof(block)) == 0) {
		ck_assert_uint_le(lined_socket_queued(story.sock),
				  LINED_SEND_QUEUE_DEFAULT);
		/* The kernel takes only some megabytes. */
		ck_assert_uint_lt(++sends, 4096);
		if (sends % 8 == 0)
			support_run_turns(d, 1);
	}
	ck_assert_int_eq(errno, ENOBUFS);
	support_run_until_count(d, &story.closes, 1);
	ck_assert_int_eq(story.reason, LINED_CLOSE_SLOW);
	close(peer);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(fault_a_flush_error_closes_silently)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct story story = {.lines = 0};
	int peer;

	story.sock = support_pair(d, &story_handlers, &story, &peer);
	/* The socket is paused, so that no read finds the error. */
	lined_socket_pause(story.sock);
	support_run_turns(d, 1);
	shutdown(lined_socket_fd(story.sock), SHUT_WR);
	ck_assert_int_eq(lined_socket_send(story.sock, "x\n", 2), 0);
	support_run_until_count(d, &story.closes, 1);
	ck_assert_int_eq(story.reason, LINED_CLOSE_ERROR);
	ck_assert_int_eq(story.error, EPIPE);
	close(peer);
	lined_dispatcher_free(d);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("faults");
	TCase *tcase = support_case(suite, "faults");

	tcase_add_test(tcase,
		       fault_a_failed_wait_is_taken_for_everything_ready);
	tcase_add_test(tcase, fault_a_write_only_delegate_is_read);
	tcase_add_test(tcase,
		       fault_a_delegate_closed_earlier_in_the_turn_is_called);
	tcase_add_test(tcase,
		       fault_a_socket_closed_earlier_in_the_turn_is_called);
	tcase_add_test(
		tcase,
		fault_a_delegate_registered_in_a_callback_is_called_unpolled);
	tcase_add_test(tcase,
		       fault_a_delegate_with_buffered_data_starves_the_rest);
	tcase_add_test(
		tcase,
		fault_one_socket_with_buffered_data_starves_poll_and_tasks);
	tcase_add_test(tcase,
		       fault_SO_ERROR_unchecked_lets_a_refused_connect_connect);
	tcase_add_loop_test(
		tcase, fault_the_state_is_set_after_the_connect_handler, 0, 2);
	tcase_add_test(tcase, fault_names_are_looked_up_in_connect);
	tcase_add_test(tcase,
		       fault_a_lone_CR_at_the_end_of_a_read_is_swallowed);
	tcase_add_loop_test(tcase, fault_partial_data_is_lost_at_the_end, 0, 2);
	tcase_add_test(tcase, fault_handlers_set_before_accept_are_lost);
	tcase_add_test(tcase, fault_the_send_queue_is_unbounded);
	tcase_add_test(tcase, fault_a_flush_error_closes_silently);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
