/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: accepting none, one or many, running out of descriptors,
 * adopting and lending descriptors. Other suites test accepted sockets.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "support.h"

enum { CLIENTS = 16 };

struct server {
	struct lined_dispatcher *dispatcher;
	struct lined_socket *listener;
	uint16_t port;
	unsigned calls;    /* calls of handle_accept */
	unsigned per_call; /* how many clients to accept in one call */
	unsigned accepted, refused, lines, closes;
	int last_error;
	struct lined_socket *clients[CLIENTS];
};

static struct server server;

static void client_read(struct lined_socket *sock, void *arg)
{
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY) {
		server.lines++;
		lined_socket_send_line(sock, &line);
	}
}

static void client_close(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error)
{
	server.closes++;
}

static const struct lined_socket_handlers client_handlers = {
	.handle_read = client_read,
	.handle_close = client_close,
};

static bool accept_one(void)
{
	struct lined_socket *client = support_socket(&client_handlers, &server);

	if (lined_socket_accept(server.listener, client) == 0) {
		server.clients[server.accepted++ % CLIENTS] = client;
		return true;
	}
	server.last_error = errno;
	server.refused++;
	/* After a failure the socket is unchanged, and the caller closes it. */
	ck_assert_int_eq(lined_socket_state(client), LINED_SOCKET_IDLE);
	lined_socket_set_handlers(client, NULL, NULL);
	lined_socket_close(client);
	return false;
}

static void server_accept(struct lined_socket *sock, void *arg)
{
	unsigned i;

	ck_assert_ptr_eq(sock, server.listener);
	server.calls++;
	for (i = 0; i < server.per_call && accept_one(); i++)
		;
}

static const struct lined_socket_handlers server_handlers = {
	.handle_accept = server_accept,
};

static void server_init(unsigned per_call)
{
	memset(&server, 0, sizeof(server));
	server.dispatcher = support_dispatcher();
	server.per_call = per_call;
}

static void server_start(unsigned per_call)
{
	server_init(per_call);
	server.listener = support_listen(server.dispatcher, &server_handlers,
					 &server, &server.port);
}

/* Called by tests, and after each test. */
static void server_stop(void)
{
	lined_dispatcher_free(server.dispatcher);
	server.dispatcher = NULL;
}

static TCase *server_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, NULL, server_stop);
	return tcase;
}

static void connect_peers(int *peers, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		peers[i] = support_connect_fd(server.port);
}

static void close_peers(const int *peers, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		close(peers[i]);
}

START_TEST(one_a_call_accepts_all_in_the_end)
{
	int peers[10];

	server_start(1);
	connect_peers(peers, 10);
	support_run_until_count(server.dispatcher, &server.accepted, 10);
	ck_assert_uint_eq(server.calls, 10);
	ck_assert_uint_eq(lined_dispatcher_len(server.dispatcher), 11);
	server_stop();
	ck_assert_uint_eq(server.closes, 10);
	close_peers(peers, 10);
}
END_TEST

START_TEST(many_are_accepted_in_one_call)
{
	int peers[10];

	server_start(1000);
	connect_peers(peers, 10);
	support_run_turns(server.dispatcher, 1);
	ck_assert_uint_eq(server.accepted, 10);
	ck_assert_uint_eq(server.calls, 1);
	ck_assert_int_eq(server.last_error, EAGAIN);
	close_peers(peers, 10);
}
END_TEST

/* A handler that accepts no connection is called again, but not in every
 * turn. */
START_TEST(accepting_none_does_not_spin_and_is_asked_again)
{
	int peer;

	server_start(0);
	connect_peers(&peer, 1);
	ck_assert_uint_le(support_run_for(server.dispatcher, 250), 20);
	ck_assert_uint_ge(server.calls, 1);
	server.per_call = 1;
	support_run_until_count(server.dispatcher, &server.accepted, 1);
	close(peer);
}
END_TEST

START_TEST(without_handle_accept_nothing_spins)
{
	static const struct lined_socket_handlers none = {0};
	struct lined_dispatcher *d = support_dispatcher();
	uint16_t port;
	int peer;

	support_listen(d, &none, NULL, &port);
	peer = support_connect_fd(port);
	ck_assert_uint_le(support_run_for(d, 250), 20);
	close(peer);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(handlers_set_before_the_accept_are_kept)
{
	int peer;

	server_start(1);
	connect_peers(&peer, 1);
	support_puts(peer, "first\nsecond\n");
	support_expect(server.dispatcher, peer, "first\nsecond\n");
	ck_assert_uint_eq(server.lines, 2);
	ck_assert_ptr_eq(lined_socket_arg(server.clients[0]), &server);
	ck_assert(lined_socket_is_connected(server.clients[0]));
	/* An accepted socket is registered already. */
	errno = 0;
	ck_assert_ptr_null(lined_dispatcher_register_socket(server.dispatcher,
							    server.clients[0]));
	ck_assert_int_eq(errno, EEXIST);
	close(peer);
	support_run_until_count(server.dispatcher, &server.closes, 1);
}
END_TEST

START_TEST(a_peer_that_is_gone_again_is_accepted_and_closed)
{
	int peers[3];

	server_start(1);
	connect_peers(peers, 3);
	support_reset(peers[1]);
	support_puts(peers[2], "x\n");
	support_expect(server.dispatcher, peers[2], "x\n");
	close(peers[0]);
	close(peers[2]);
	while (server.closes < server.accepted)
		support_run_turns(server.dispatcher, 1);
}
END_TEST

static void close_listener(struct lined_socket *sock, void *arg)
{
	accept_one();
	lined_socket_close(sock);
	ck_assert(!accept_one());
	ck_assert_int_eq(server.last_error, EINVAL);
}

START_TEST(a_listener_may_be_closed_in_its_own_handler)
{
	static const struct lined_socket_handlers closing = {
		.handle_accept = close_listener,
		.handle_close = client_close,
	};
	int peers[2];

	server_start(1);
	lined_socket_set_handlers(server.listener, &closing, &server);
	connect_peers(peers, 2);
	support_run_until_count(server.dispatcher, &server.accepted, 1);
	ck_assert_uint_eq(server.closes, 1);
	support_puts(peers[0], "still\n");
	support_expect(server.dispatcher, peers[0], "still\n");
	close_peers(peers, 2);
}
END_TEST

START_TEST(accept_fd_gives_the_address_and_a_tame_descriptor)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct sockaddr_storage address;
	struct sockaddr_in own;
	struct lined_socket *listener;
	socklen_t len = sizeof(address);
	uint16_t port;
	int peer, fd;

	listener = support_listen(d, NULL, NULL, &port);
	support_fails(lined_socket_accept_fd(listener, &address, &len), EAGAIN);
	peer = support_connect_fd(port);
	support_wait_readable(lined_socket_fd(listener));
	fd = lined_socket_accept_fd(listener, &address, &len);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(address.ss_family, AF_INET);
	ck_assert_uint_eq(len, sizeof(own));
	getsockname(peer, (struct sockaddr *)&own, &len);
	ck_assert_uint_eq(((struct sockaddr_in *)&address)->sin_port,
			  own.sin_port);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(peer);
	lined_dispatcher_free(d);
}
END_TEST

/* ---- pausing --------------------------------------------------------- */

START_TEST(a_paused_listener_accepts_nobody_until_it_resumes)
{
	int peers[3];

	server_start(1);
	lined_socket_pause(server.listener);
	ck_assert(lined_socket_is_paused(server.listener));
	connect_peers(peers, 3);
	ck_assert_uint_le(support_run_for(server.dispatcher, 150), 5);
	ck_assert_uint_eq(server.calls, 0);
	lined_socket_resume(server.listener);
	ck_assert(!lined_socket_is_paused(server.listener));
	support_run_until_count(server.dispatcher, &server.accepted, 3);
	close_peers(peers, 3);
}
END_TEST

/* ---- no descriptors left --------------------------------------------- */

/* Sets the limit so that no descriptor is left. Returns the limit before. */
static rlim_t use_up_descriptors(void)
{
	struct rlimit limit;
	rlim_t before;
	int lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);

	ck_assert_int_ge(lowest, 0);
	close(lowest);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	before = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)lowest;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

static void set_descriptors(rlim_t n)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(without_descriptors_the_loop_is_idle_and_recovers)
{
	int peers[6], spare[2];
	unsigned turns;
	rlim_t before;

	server_start(1000);
	/* These two descriptors are closed later. */
	spare[0] = dup(0);
	spare[1] = dup(0);
	connect_peers(peers, 6);
	before = use_up_descriptors();
	turns = support_run_for(server.dispatcher, 350);
	ck_assert_uint_eq(server.accepted, 0);
	ck_assert_int_eq(server.last_error, EMFILE);
	ck_assert_uint_ge(server.calls, 2);
	ck_assert_uint_le(turns, 30);

	close(spare[0]);
	close(spare[1]);
	support_run_until_count(server.dispatcher, &server.accepted, 2);
	turns = support_run_for(server.dispatcher, 250);
	ck_assert_uint_eq(server.accepted, 2);
	ck_assert_uint_le(turns, 30);
	/* Accepted clients are served meanwhile. */
	support_puts(peers[0], "in\n");
	support_expect(server.dispatcher, peers[0], "in\n");

	set_descriptors(before);
	support_run_until_count(server.dispatcher, &server.accepted, 6);
	close_peers(peers, 6);
	server_stop();
	ck_assert_uint_eq(server.closes, 6);
}
END_TEST

START_TEST(a_listener_may_be_closed_while_it_rests)
{
	rlim_t before;
	int peer;

	server_start(1);
	connect_peers(&peer, 1);
	before = use_up_descriptors();
	support_run_until_count(server.dispatcher, &server.refused, 1);
	lined_socket_close(server.listener);
	while (lined_dispatcher_poll(server.dispatcher, 500) > 0)
		;
	ck_assert_uint_eq(server.calls, 1);
	set_descriptors(before);
	close(peer);
}
END_TEST

START_TEST(pause_and_resume_hold_over_a_rest)
{
	rlim_t before;
	int peer;

	server_start(1);
	connect_peers(&peer, 1);
	before = use_up_descriptors();
	support_run_until_count(server.dispatcher, &server.refused, 1);
	set_descriptors(before);
	lined_socket_pause(server.listener);
	/* The wait for a descriptor ends meanwhile, the pause does not. */
	support_run_for(server.dispatcher, 250);
	ck_assert_uint_eq(server.accepted, 0);
	lined_socket_resume(server.listener);
	support_run_until_count(server.dispatcher, &server.accepted, 1);
	close(peer);
}
END_TEST

/* ---- binding, wrapping, lending -------------------------------------- */

START_TEST(a_port_in_use_is_EADDRINUSE)
{
	struct lined_socket *second = support_socket(NULL, NULL);
	struct sockaddr_in address;

	server_start(1);
	address = support_loopback(server.port);
	errno = 0;
	ck_assert(lined_socket_bind(second, SOCK_STREAM,
				    (struct sockaddr *)&address,
				    sizeof(address)) < 0 ||
		  lined_socket_listen(second, 5) < 0);
	ck_assert_int_eq(errno, EADDRINUSE);
	lined_socket_close(second);
}
END_TEST

START_TEST(listening_without_an_address_is_EINVAL)
{
	struct lined_socket *sock = support_socket(NULL, NULL);

	support_fails(lined_socket_listen(sock, 5), EINVAL);
	ck_assert_int_eq(lined_socket_state(sock), LINED_SOCKET_IDLE);
	lined_socket_close(sock);
}
END_TEST

START_TEST(a_listener_may_be_registered_before_it_listens)
{
	struct sockaddr_in address = support_loopback(0);
	socklen_t len = sizeof(address);
	int peer;

	server_init(1);
	server.listener = support_socket(&server_handlers, &server);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(
		server.dispatcher, server.listener));
	ck_assert_int_eq(lined_socket_bind(server.listener, SOCK_STREAM,
					   (struct sockaddr *)&address, len),
			 0);
	support_run_turns(server.dispatcher, 2);
	ck_assert_int_eq(lined_socket_listen(server.listener, 5), 0);
	ck_assert(lined_socket_is_listening(server.listener));
	getsockname(lined_socket_fd(server.listener),
		    (struct sockaddr *)&address, &len);
	peer = support_connect_fd(ntohs(address.sin_port));
	support_run_until_count(server.dispatcher, &server.accepted, 1);
	close(peer);
}
END_TEST

START_TEST(a_listening_descriptor_is_adopted)
{
	int fd, peer;

	server_init(1000);
	fd = support_listen_fd(5, &server.port);
	server.listener = support_socket(&server_handlers, &server);
	ck_assert_int_eq(
		lined_socket_wrap(server.listener, fd, LINED_SOCKET_LISTENING),
		0);
	ck_assert_int_eq(lined_socket_fd(server.listener), fd);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(
		server.dispatcher, server.listener));
	peer = support_connect_fd(server.port);
	support_run_until_count(server.dispatcher, &server.accepted, 1);
	close(peer);
	server_stop();
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(a_descriptor_may_be_wrapped_by_a_registered_socket)
{
	struct lined_socket *sock = support_socket(&client_handlers, &server);
	int fds[2];

	server_init(0);
	support_tcp_fds(fds);
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(server.dispatcher, sock));
	ck_assert_int_eq(lined_socket_fd(sock), -1);
	ck_assert_int_eq(
		lined_socket_wrap(sock, fds[0], LINED_SOCKET_CONNECTED), 0);
	support_puts(fds[1], "wrapped\n");
	support_expect(server.dispatcher, fds[1], "wrapped\n");
	close(fds[1]);
}
END_TEST

START_TEST(an_idle_descriptor_is_adopted_and_listens)
{
	struct sockaddr_in address = support_loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	socklen_t len = sizeof(address);

	server_init(1000);
	server.listener = support_socket(&server_handlers, &server);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(
		server.dispatcher, server.listener));
	ck_assert_int_eq(
		lined_socket_wrap(server.listener, fd, LINED_SOCKET_IDLE), 0);
	support_run_turns(server.dispatcher, 2);
	ck_assert_int_eq(lined_socket_bind(server.listener, SOCK_STREAM,
					   (struct sockaddr *)&address, len),
			 0);
	ck_assert_int_eq(lined_socket_listen(server.listener, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	peer = support_connect_fd(ntohs(address.sin_port));
	support_run_until_count(server.dispatcher, &server.accepted, 1);
	close(peer);
}
END_TEST

START_TEST(an_idle_datagram_descriptor_is_adopted_and_bound)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct sockaddr_in address = support_loopback(0);
	struct lined_socket *sock = support_socket(NULL, NULL);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	ck_assert_int_eq(lined_socket_wrap(sock, fd, LINED_SOCKET_IDLE), 0);
	ck_assert(lined_socket_is_datagram(sock));
	ck_assert_int_eq(lined_socket_bind(sock, SOCK_DGRAM,
					   (struct sockaddr *)&address,
					   sizeof(address)),
			 0);
	ck_assert_int_eq(lined_socket_state(sock), LINED_SOCKET_UDP_BOUND);
	support_run_turns(d, 2);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(a_closed_socket_is_not_bound_again)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct sockaddr_in address = support_loopback(0);
	struct lined_socket *sock = support_socket(NULL, NULL);

	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	ck_assert_int_eq(lined_socket_open(sock, AF_INET, SOCK_DGRAM), 0);
	lined_socket_close(sock);
	support_fails(lined_socket_bind(sock, SOCK_DGRAM,
					(struct sockaddr *)&address,
					sizeof(address)),
		      EINVAL);
	ck_assert(lined_socket_is_closed(sock));
	ck_assert_int_eq(lined_dispatcher_poll(d, -1), 0);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(a_failed_wrap_leaves_the_descriptor_to_its_owner)
{
	struct lined_socket *sock = support_socket(NULL, NULL);
	int fds[2];

	support_tcp_fds(fds);
	support_fails(lined_socket_wrap(sock, fds[0], LINED_SOCKET_CLOSED),
		      EINVAL);
	ck_assert_int_eq(lined_socket_state(sock), LINED_SOCKET_IDLE);
	ck_assert_int_eq(
		lined_socket_wrap(sock, fds[0], LINED_SOCKET_CONNECTED), 0);
	support_fails(lined_socket_wrap(sock, fds[1], LINED_SOCKET_CONNECTED),
		      EISCONN);
	lined_socket_close(sock); /* closes only what it adopted */
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
	ck_assert_int_ge(fcntl(fds[1], F_GETFD), 0);
	close(fds[1]);
}
END_TEST

START_TEST(addresses_of_both_ends_can_be_asked_for)
{
	struct sockaddr_storage address;
	struct sockaddr_in own;
	struct lined_socket *idle = support_socket(NULL, NULL);
	socklen_t len = sizeof(address), own_len = sizeof(own);
	int peer;

	server_start(1);
	connect_peers(&peer, 1);
	support_run_until_count(server.dispatcher, &server.accepted, 1);
	getsockname(peer, (struct sockaddr *)&own, &own_len);
	ck_assert_int_eq(lined_socket_peer(server.clients[0], &address, &len),
			 0);
	ck_assert_uint_eq(((struct sockaddr_in *)&address)->sin_port,
			  own.sin_port);
	len = sizeof(address);
	ck_assert_int_eq(lined_socket_local(server.clients[0], &address, &len),
			 0);
	ck_assert_uint_eq(((struct sockaddr_in *)&address)->sin_port,
			  htons(server.port));
	len = sizeof(address);
	support_fails(lined_socket_peer(idle, &address, &len), ENOTCONN);
	lined_socket_close(idle);
	close(peer);
}
END_TEST

START_TEST(accepts_over_unix)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	server_init(1);
	snprintf(address.sun_path, sizeof(address.sun_path),
		 "/tmp/lined-test-accept.%d", (int)getpid());
	unlink(address.sun_path);
	server.listener = support_socket(&server_handlers, &server);
	ck_assert_int_eq(lined_socket_bind(server.listener, SOCK_STREAM,
					   (struct sockaddr *)&address,
					   sizeof(address)),
			 0);
	ck_assert_int_eq(lined_socket_listen(server.listener, 5), 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(
		server.dispatcher, server.listener));
	ck_assert_int_eq(
		connect(peer, (struct sockaddr *)&address, sizeof(address)), 0);
	support_puts(peer, "unix\n");
	support_expect(server.dispatcher, peer, "unix\n");
	unlink(address.sun_path);
	close(peer);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("accept");
	TCase *tcase = server_case(suite, "accepting");

	tcase_add_test(tcase, one_a_call_accepts_all_in_the_end);
	tcase_add_test(tcase, many_are_accepted_in_one_call);
	tcase_add_test(tcase, accepting_none_does_not_spin_and_is_asked_again);
	tcase_add_test(tcase, without_handle_accept_nothing_spins);
	tcase_add_test(tcase, handlers_set_before_the_accept_are_kept);
	tcase_add_test(tcase, a_peer_that_is_gone_again_is_accepted_and_closed);
	tcase_add_test(tcase, a_listener_may_be_closed_in_its_own_handler);
	tcase_add_test(tcase,
		       accept_fd_gives_the_address_and_a_tame_descriptor);
	tcase_add_test(tcase,
		       a_paused_listener_accepts_nobody_until_it_resumes);
	tcase_add_test(tcase, accepts_over_unix);

	tcase = server_case(suite, "no descriptors");
	tcase_add_test(tcase,
		       without_descriptors_the_loop_is_idle_and_recovers);
	tcase_add_test(tcase, a_listener_may_be_closed_while_it_rests);
	tcase_add_test(tcase, pause_and_resume_hold_over_a_rest);

	tcase = server_case(suite, "binding and wrapping");
	tcase_add_test(tcase, a_port_in_use_is_EADDRINUSE);
	tcase_add_test(tcase, listening_without_an_address_is_EINVAL);
	tcase_add_test(tcase, a_listener_may_be_registered_before_it_listens);
	tcase_add_test(tcase, a_listening_descriptor_is_adopted);
	tcase_add_test(tcase,
		       a_descriptor_may_be_wrapped_by_a_registered_socket);
	tcase_add_test(tcase, an_idle_descriptor_is_adopted_and_listens);
	tcase_add_test(tcase, an_idle_datagram_descriptor_is_adopted_and_bound);
	tcase_add_test(tcase, a_closed_socket_is_not_bound_again);
	tcase_add_test(tcase, a_failed_wrap_leaves_the_descriptor_to_its_owner);
	tcase_add_test(tcase, addresses_of_both_ends_can_be_asked_for);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
