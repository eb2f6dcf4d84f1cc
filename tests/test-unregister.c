/* SPDX-License-Identifier: MIT */
/*
 * Sockets that are taken out of their dispatcher, and sockets that are left
 * when the dispatcher ends.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ending_fixture.h"
#include "socket_priv.h"
#include "support.h"

/* ---- taken out of the dispatcher ------------------------------------- */

static struct lined_delegate *register_again(struct lined_dispatcher *d)
{
	struct lined_delegate *delegate =
		lined_dispatcher_register_socket(d, ending.sock);

	ck_assert_msg(delegate != NULL, "register: %s", strerror(errno));
	return delegate;
}

/* A socket is moved by its delegate, and keeps its input and output. */
START_TEST(a_socket_moves_to_another_dispatcher)
{
	struct lined_dispatcher *other = support_dispatcher();
	struct lined_delegate *delegate;
	struct lined_line line;

	ending_begin();
	delegate = &ending.sock->delegate;
	support_puts(ending.peer, "one\ntw");
	support_run_until_count(ending.dispatcher, &ending.lines, 1);
	lined_socket_send(ending.sock, "queued\n", 7);
	support_fails(lined_dispatcher_unregister(other, delegate), ENOENT);
	ck_assert_int_eq(
		lined_dispatcher_unregister(ending.dispatcher, delegate), 0);
	ck_assert_uint_eq(lined_dispatcher_len(ending.dispatcher), 0);
	ck_assert_int_eq(lined_dispatcher_poll(ending.dispatcher, -1), 0);
	support_fails(lined_dispatcher_unregister(ending.dispatcher, delegate),
		      ENOENT);
	/* Without a dispatcher the socket does nothing. */
	support_fails(lined_socket_send(ending.sock, "lost\n", 5), ENOTCONN);
	ck_assert_int_eq(lined_socket_read_line(ending.sock, &line),
			 LINED_LINE_PARTIAL);
	ck_assert_ptr_eq(register_again(other), delegate);
	support_puts(ending.peer, "o\n");
	support_run_until_count(other, &ending.lines, 2);
	support_expect(other, ending.peer, "queued\n");
	lined_dispatcher_free(ending.dispatcher);
	ending.dispatcher = other;
	lined_socket_close(ending.sock);
	ending_wait();
	ending_finish(LINED_CLOSE_LOCAL, 0);
}
END_TEST

/* A caller may keep only a socket's delegate, and register it again like one of
 * its own. */
START_TEST(a_socket_comes_back_by_its_delegate)
{
	struct lined_delegate *delegate;

	ending_begin();
	delegate = &ending.sock->delegate;
	support_fails(lined_dispatcher_register(ending.dispatcher, delegate),
		      EEXIST);
	ck_assert_int_eq(
		lined_dispatcher_unregister(ending.dispatcher, delegate), 0);
	ck_assert_int_eq(lined_dispatcher_register(ending.dispatcher, delegate),
			 0);
	ck_assert_ptr_eq(lined_socket_dispatcher(ending.sock),
			 ending.dispatcher);
	ck_assert_uint_eq(lined_dispatcher_len(ending.dispatcher), 1);
	support_puts(ending.peer, "one\n");
	support_run_until_count(ending.dispatcher, &ending.lines, 1);
	lined_socket_close(ending.sock);
	ending_wait();
	ending_finish(LINED_CLOSE_LOCAL, 0);
}
END_TEST

START_TEST(a_socket_that_was_taken_out_may_be_closed)
{
	ending_begin();
	lined_socket_send(ending.sock, "queued\n", 7);
	ck_assert_int_eq(lined_dispatcher_unregister(ending.dispatcher,
						     &ending.sock->delegate),
			 0);
	lined_socket_close(ending.sock);
	ck_assert_uint_eq(ending.closes, 1);
	ck_assert_int_eq(lined_dispatcher_poll(ending.dispatcher, -1), 0);
	ending_finish(LINED_CLOSE_LOCAL, 0);
}
END_TEST

/* Work in progress elsewhere, a lookup for instance, cannot be moved. */
START_TEST(a_socket_that_connects_is_not_taken_out)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_delegate *delegate;

	memset(&ending, 0, sizeof(ending));
	ending.sock = support_socket(&ending_handlers, &ending);
	delegate = lined_dispatcher_register_socket(d, ending.sock);
	ck_assert_ptr_nonnull(delegate);
	ck_assert_int_eq(lined_socket_connect(ending.sock, "localhost", 1, 0),
			 0);
	support_fails(lined_dispatcher_unregister(d, delegate), EBUSY);
	lined_dispatcher_free(d);
	ck_assert_uint_eq(ending.closes, 1);
}
END_TEST

/* After a failure the socket and the dispatcher have no reference to each
 * other. */
START_TEST(a_socket_that_could_not_be_registered_is_of_nobody)
{
	static const struct lined_delegate_handlers nothing;
	struct lined_delegate rival = {.handlers = &nothing};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket *sock = support_socket(NULL, NULL);
	int fds[2];

	support_tcp_fds(fds);
	rival.fd = fds[0];
	ck_assert_int_eq(lined_dispatcher_register(d, &rival), 0);
	d->group.limits.idle_ms = 1;
	ck_assert_int_eq(
		lined_socket_wrap(sock, fds[0], LINED_SOCKET_CONNECTED), 0);
	ck_assert_ptr_null(lined_dispatcher_register_socket(d, sock));
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_ptr_null(lined_socket_group(sock));
	ck_assert_ptr_null(lined_socket_limits(sock));
	support_run_for(d, 20);
	ck_assert(lined_socket_is_connected(sock));
	lined_dispatcher_free(d);
	lined_socket_close(sock);
	close(fds[1]);
}
END_TEST

static void try_to_take_out(struct lined_socket *sock, void *arg)
{
	struct lined_line line;

	support_fails(
		lined_dispatcher_unregister(ending.dispatcher, &sock->delegate),
		EBUSY);
	if (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		ending.lines++;
	lined_socket_want_write(sock, false);
}

/* If the handler then closed the socket, it would be freed before the handler
 * returns. */
START_TEST(a_socket_is_not_taken_out_in_its_own_handler)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = try_to_take_out,
		.handle_write = try_to_take_out,
		.handle_task = try_to_take_out,
		.handle_close = ending_close,
	};

	ending_begin();
	lined_socket_set_handlers(ending.sock, &handlers, &ending);
	ck_assert_ptr_eq(lined_socket_handlers(ending.sock), &handlers);
	lined_socket_want_write(ending.sock, true);
	support_puts(ending.peer, "one\ntwo\n"); /* read, and left over */
	support_run_until_count(ending.dispatcher, &ending.lines, 2);
	lined_socket_close(ending.sock);
	ending_wait();
	ending_finish(LINED_CLOSE_LOCAL, 0);
}
END_TEST

/* ---- the end of the dispatcher --------------------------------------- */

START_TEST(the_end_of_the_dispatcher_is_SHUTDOWN_for_all)
{
	static char block[1024 * 1024];
	struct lined_dispatcher *d = support_dispatcher();
	struct ending endings[4];
	uint16_t port;
	int i;

	for (i = 0; i < 4; i++) {
		memset(&endings[i], 0, sizeof(endings[i]));
		endings[i].fd = -1;
		endings[i].dispatcher = d;
		endings[i].peer = -1;
	}
	endings[0].sock = support_pair(d, &ending_handlers, &endings[0],
				       &endings[0].peer);
	lined_socket_send(endings[0].sock, block, sizeof(block));
	endings[1].sock =
		support_listen(d, &ending_handlers, &endings[1], &port);
	endings[2].sock = support_socket(&ending_handlers, &endings[2]);
	lined_dispatcher_register_socket(d, endings[2].sock);
	lined_socket_connect(endings[2].sock, "localhost", port, 0);
	endings[3].sock = support_socket(&ending_handlers, &endings[3]);
	lined_dispatcher_register_socket(d, endings[3].sock);
	lined_dispatcher_free(d);
	for (i = 0; i < 4; i++) {
		ck_assert_uint_eq(endings[i].closes, 1);
		ck_assert_int_eq(endings[i].reason, LINED_CLOSE_SHUTDOWN);
		ck_assert_int_eq(endings[i].error, 0);
		if (endings[i].peer >= 0)
			close(endings[i].peer);
	}
}
END_TEST

struct reborn {
	struct lined_dispatcher *dispatcher;
	unsigned closes;
	int fd;
};

static void reopen(struct lined_socket *sock, void *arg,
		   enum lined_close_reason reason, int error)
{
	static const struct lined_socket_handlers again = {
		.handle_close = reopen,
	};
	struct reborn *reborn = arg;
	struct lined_socket *next;
	int fd = reborn->fd;

	ck_assert_int_eq(reason, LINED_CLOSE_SHUTDOWN);
	reborn->closes++;
	if (fd < 0)
		return;
	reborn->fd = -1;
	next = support_socket(&again, reborn);
	support_wrap(reborn->dispatcher, next, fd);
}

/* A relay opens a new connection in handle_close: the dispatcher must end in
 * spite of that. */
START_TEST(what_is_opened_at_the_end_is_closed_too)
{
	static const struct lined_socket_handlers first = {
		.handle_close = reopen,
	};
	struct reborn reborn = {.dispatcher = support_dispatcher()};
	int peer, fds[2];

	support_tcp_fds(fds);
	reborn.fd = fds[0];
	support_pair(reborn.dispatcher, &first, &reborn, &peer);
	lined_dispatcher_free(reborn.dispatcher);
	ck_assert_uint_eq(reborn.closes, 2);
	close(peer);
	close(fds[1]);
}
END_TEST

struct stubborn {
	struct lined_dispatcher *dispatcher;
	unsigned opened, closes, refused;
};

static void reconnect(struct lined_socket *sock, void *arg,
		      enum lined_close_reason reason, int error);

static const struct lined_socket_handlers stubborn_handlers = {
	.handle_close = reconnect,
};

static void reconnect(struct lined_socket *sock, void *arg,
		      enum lined_close_reason reason, int error)
{
	struct stubborn *stubborn = arg;
	struct lined_socket *next;

	stubborn->closes++;
	next = support_socket(&stubborn_handlers, stubborn);
	if (lined_dispatcher_register_socket(stubborn->dispatcher, next) ==
	    NULL) {
		ck_assert_int_eq(errno, ESHUTDOWN);
		stubborn->refused++;
		lined_socket_set_handlers(next, NULL, NULL);
		lined_socket_close(next);
		return;
	}
	ck_assert_int_eq(lined_socket_connect(next, "127.0.0.1", 1, 0), 0);
	/* Every socket but the first also has output to flush. */
	if (stubborn->opened++ > 0)
		ck_assert_int_eq(lined_socket_send(next, "again\n", 6), 0);
}

START_TEST(the_end_comes_though_everybody_reconnects)
{
	struct stubborn stubborn = {.dispatcher = support_dispatcher()};
	struct lined_socket *first;
	int peer;

	first = support_pair(stubborn.dispatcher, &stubborn_handlers, &stubborn,
			     &peer);
	lined_socket_send(first, "first\n", 6);
	lined_dispatcher_free(stubborn.dispatcher);
	ck_assert_uint_ge(stubborn.opened, 3);
	ck_assert_uint_eq(stubborn.refused, 1);
	ck_assert_uint_eq(stubborn.closes, stubborn.opened + 1);
	close(peer);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("unregister");
	TCase *tcase = support_case(suite, "unregistering");

	tcase_add_test(tcase, a_socket_moves_to_another_dispatcher);
	tcase_add_test(tcase, a_socket_comes_back_by_its_delegate);
	tcase_add_test(tcase, a_socket_that_was_taken_out_may_be_closed);
	tcase_add_test(tcase, a_socket_that_connects_is_not_taken_out);
	tcase_add_test(tcase, a_socket_is_not_taken_out_in_its_own_handler);
	tcase_add_test(tcase,
		       a_socket_that_could_not_be_registered_is_of_nobody);

	tcase = support_case(suite, "dispatcher");
	tcase_add_test(tcase, the_end_of_the_dispatcher_is_SHUTDOWN_for_all);
	tcase_add_test(tcase, what_is_opened_at_the_end_is_closed_too);
	tcase_add_test(tcase, the_end_comes_though_everybody_reconnects);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
