/* SPDX-License-Identifier: MIT */
/*
 * Errors of system calls: calls of the core fail with an errno of the test, as
 * often as the test says. Other suites test errors of the network (resets,
 * refusals, full buffers).
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#ifdef HAVE_EPOLL
#include <sys/epoll.h>
#endif
#include <unistd.h>

#include "recorder.h"
#include "support.h"

/* ---- the system -------------------------------------------------------- */

struct refusal {
	int error;
	unsigned times; /* how many calls will still fail */
	unsigned calls;
};

static struct {
	struct refusal accept, send, epoll_change;
} system_calls;

static bool is_refused(struct refusal *refusal)
{
	refusal->calls++;
	if (refusal->times == 0)
		return false;
	refusal->times--;
	errno = refusal->error;
	return true;
}

#define FOREVER 1000000

static void refuse(struct refusal *refusal, int error, unsigned times)
{
	*refusal = (struct refusal){.error = error, .times = times};
}

/* The core is linked with these functions instead of the C library's. */
int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	if (is_refused(&system_calls.accept))
		return -1;
	return (int)syscall(SYS_accept4, fd, address, len, flags);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	if (is_refused(&system_calls.send))
		return -1;
	return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}

#ifdef HAVE_EPOLL
int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_MOD && is_refused(&system_calls.epoll_change))
		return -1;
	return (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}
#endif

static bool is_epoll(const struct lined_dispatcher *d)
{
	return strcmp(lined_dispatcher_poller(d), "epoll") == 0;
}

/* ---- accept ------------------------------------------------------------ */

struct server {
	struct lined_dispatcher *d;
	struct lined_socket *listener;
	uint16_t port;
	unsigned calls, accepted, closes;
	enum lined_close_reason reason;
	int error;
};

static void server_accept(struct lined_socket *listener, void *arg)
{
	struct server *server = arg;
	int fd;

	server->calls++;
	while ((fd = lined_socket_accept_fd(listener, NULL, NULL)) >= 0) {
		server->accepted++;
		close(fd);
	}
	server->error = errno;
}

static void server_close(struct lined_socket *listener, void *arg,
			 enum lined_close_reason reason, int error)
{
	struct server *server = arg;

	server->closes++;
	server->reason = reason;
	server->error = error;
}

static const struct lined_socket_handlers server_handlers = {
	.handle_accept = server_accept,
	.handle_close = server_close,
};

static void server_start(struct server *server)
{
	memset(server, 0, sizeof(*server));
	memset(&system_calls, 0, sizeof(system_calls));
	server->d = support_dispatcher();
	server->listener = support_listen(server->d, &server_handlers, server,
					  &server->port);
}

/* No error of accept(2) stops the loop or keeps it busy. */
START_TEST(an_accept_that_always_fails_rests_and_recovers)
{
	static const int errors[] = {EPERM,   EINVAL,     ENOMEM,
				     ENOBUFS, EOPNOTSUPP, EACCES};
	struct server server;
	int peer;

	server_start(&server);
	peer = support_connect_fd(server.port);
	refuse(&system_calls.accept, errors[_i], FOREVER);
	ck_assert_uint_le(support_run_for(server.d, 250), 30);
	ck_assert_uint_ge(server.calls, 2);
	ck_assert_uint_le(system_calls.accept.calls, 30);
	ck_assert_uint_eq(server.accepted, 0);
	ck_assert_int_eq(server.error, errors[_i]);
	system_calls.accept.times = 0;
	support_run_until_count(server.d, &server.accepted, 1);
	close(peer);
	lined_dispatcher_free(server.d);
}
END_TEST

START_TEST(a_connection_that_is_gone_is_passed_over)
{
	static const int errors[] = {ECONNABORTED, EPROTO, ENETDOWN, EINTR};
	struct server server;
	int peer;

	server_start(&server);
	peer = support_connect_fd(server.port);
	refuse(&system_calls.accept, errors[_i], 3);
	support_run_until_count(server.d, &server.accepted, 1);
	ck_assert_uint_eq(server.calls, 1);
	close(peer);
	lined_dispatcher_free(server.d);
}
END_TEST

START_TEST(a_listener_that_was_shut_down_does_not_spin)
{
	struct server server;

	server_start(&server);
	ck_assert_int_eq(shutdown(lined_socket_fd(server.listener), SHUT_RD),
			 0);
	ck_assert_uint_le(support_run_for(server.d, 250), 30);
	ck_assert_uint_eq(server.closes, 0);
	lined_dispatcher_free(server.d);
}
END_TEST

/* ---- send -------------------------------------------------------------- */

START_TEST(an_interrupted_send_is_repeated)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {.echo = true};
	int peer;

	memset(&system_calls, 0, sizeof(system_calls));
	support_pair(d, &recorder_handlers, &recorder, &peer);
	support_puts(peer, "one\n");
	refuse(&system_calls.send, EINTR, 5);
	support_expect(d, peer, "one\n");
	ck_assert_uint_eq(recorder.closes, 0);
	close(peer);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
}
END_TEST

START_TEST(a_failed_send_closes_with_its_errno)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {.echo = true};
	int peer;

	memset(&system_calls, 0, sizeof(system_calls));
	support_pair(d, &recorder_handlers, &recorder, &peer);
	support_puts(peer, "one\n");
	refuse(&system_calls.send, ENETUNREACH, FOREVER);
	support_run_until_count(d, &recorder.closes, 1);
	ck_assert_int_eq(recorder.reason, LINED_CLOSE_ERROR);
	ck_assert_int_eq(recorder.error, ENETUNREACH);
	system_calls.send.times = 0;
	close(peer);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
}
END_TEST

/* ---- epoll_ctl --------------------------------------------------------- */

/* If a change of interest fails, it is made the next time. */
START_TEST(a_failed_change_of_interest_does_not_spin_the_loop)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {.quiet = true};
	struct lined_socket *sock;
	int peer;

	memset(&system_calls, 0, sizeof(system_calls));
	sock = support_pair(d, &recorder_handlers, &recorder, &peer);
	lined_socket_pause(sock);
	support_puts(peer, "waits\n");
	refuse(&system_calls.epoll_change, ENOMEM, 2);
	support_run_turns(d, 5);
	ck_assert_uint_le(support_run_for(d, 60), 3);
	ck_assert_uint_eq(recorder.lines, 0);
	lined_socket_resume(sock);
	support_run_until_count(d, &recorder.lines, 1);
	ck_assert_uint_eq(recorder.closes, 0);
	close(peer);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
}
END_TEST

/* A listener that can no longer be watched reports that once. */
START_TEST(a_listener_that_cannot_go_on_is_told_of)
{
	struct server server;
	int peer;

	server_start(&server);
	peer = support_connect_fd(server.port);
	refuse(&system_calls.accept, EMFILE, FOREVER);
	support_run_turns(server.d, 3); /* the listener pauses, and then is no
					 * longer watched */
	refuse(&system_calls.epoll_change, ENOMEM, FOREVER);
	if (is_epoll(server.d)) {
		support_run_until_count(server.d, &server.closes, 1);
		ck_assert_int_eq(server.reason, LINED_CLOSE_ERROR);
		ck_assert_int_eq(server.error, ENOMEM);
		ck_assert_int_eq(lined_dispatcher_poll(server.d, -1), 0);
	}
	system_calls.epoll_change.times = 0;
	close(peer);
	lined_dispatcher_free(server.d);
	ck_assert_uint_eq(server.closes, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("system errors");
	TCase *tcase = support_case(suite, "accept");

	tcase_add_loop_test(
		tcase, an_accept_that_always_fails_rests_and_recovers, 0, 6);
	tcase_add_loop_test(tcase, a_connection_that_is_gone_is_passed_over, 0,
			    4);
	tcase_add_test(tcase, a_listener_that_was_shut_down_does_not_spin);

	tcase = support_case(suite, "send");
	tcase_add_test(tcase, an_interrupted_send_is_repeated);
	tcase_add_test(tcase, a_failed_send_closes_with_its_errno);

	tcase = support_case(suite, "epoll_ctl");
	tcase_add_test(tcase,
		       a_failed_change_of_interest_does_not_spin_the_loop);
	tcase_add_test(tcase, a_listener_that_cannot_go_on_is_told_of);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
