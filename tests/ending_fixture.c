/* SPDX-License-Identifier: MIT */
/*
 * Notes and checks how a socket ends.
 */
#include "config.h"

#include "ending_fixture.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

static void ending_read(struct lined_socket *sock, void *arg)
{
	struct ending *one = arg;
	struct lined_line line;

	ck_assert_uint_eq(one->closes, 0);
	one->reads++;
	for (;;) {
		one->status = lined_socket_read_line(sock, &line);
		if (one->status != LINED_LINE_READY)
			break;
		one->lines++;
	}
	if (one->status == LINED_LINE_CLOSED && one->answer_the_end)
		ck_assert_int_eq(lined_socket_send(sock, "bye\n", 4), 0);
}

void ending_close(struct lined_socket *sock, void *arg,
		  enum lined_close_reason reason, int error)
{
	struct ending *one = arg;

	ck_assert_uint_eq(one->closes, 0);
	one->closes++;
	one->reason = reason;
	one->error = error;
	/* In handle_close the socket can still be queried, and its descriptor
	 * is open. */
	ck_assert_ptr_eq(lined_socket_arg(sock), one);
	ck_assert_int_eq(lined_socket_send(sock, "x", 1), -1);
	if (one->fd >= 0)
		ck_assert_int_ge(fcntl(one->fd, F_GETFD), 0);
	one->sock = NULL;
}

static void ending_group_closed(struct lined_socket *sock,
				enum lined_close_reason reason, int error)
{
	struct ending *one = lined_socket_arg(sock);

	/* The group's callback comes after handle_close, with the same
	 * arguments. */
	ck_assert_uint_eq(one->closes, 1);
	ck_assert_int_eq(one->reason, reason);
	ck_assert_int_eq(one->error, error);
	one->group_closes++;
}

static void ending_write(struct lined_socket *sock, void *arg)
{
}

const struct lined_socket_handlers ending_handlers = {
	.handle_read = ending_read,
	.handle_write = ending_write,
	.handle_close = ending_close,
};

struct ending ending;

void ending_begin(void)
{
	memset(&ending, 0, sizeof(ending));
	ending.dispatcher = support_dispatcher();
	ending.group.closed = ending_group_closed;
	ending.sock =
		support_pair_in_group(ending.dispatcher, &ending_handlers,
				      &ending, &ending.group, &ending.peer);
	ending.fd = lined_socket_fd(ending.sock);
}

void ending_wait(void)
{
	support_run_until_count(ending.dispatcher, &ending.closes, 1);
	support_run_turns(ending.dispatcher, 2);
}

void ending_finish(enum lined_close_reason reason, int error)
{
	ck_assert_uint_eq(ending.closes, 1);
	ck_assert_uint_eq(ending.group_closes, 1);
	ck_assert_uint_eq(ending.group.counters.closed[reason], 1);
	ck_assert_int_eq(ending.reason, reason);
	ck_assert_int_eq(ending.error, error);
	ck_assert_int_eq(fcntl(ending.fd, F_GETFD), -1);
	close(ending.peer);
	lined_dispatcher_free(ending.dispatcher);
	ck_assert_uint_eq(ending.closes, 1);
}
