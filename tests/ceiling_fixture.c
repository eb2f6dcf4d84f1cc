/* SPDX-License-Identifier: MIT */
/*
 * Opens, fills and closes clients for the suites of the memory ceiling.
 */
#include "config.h"

#include "ceiling_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

enum memory_closing ceiling_any_socket(const struct lined_socket *sock)
{
	return MEMORY_CLOSE;
}

struct lined_socket *ceiling_open_client(struct ceiling_case *c,
					 struct lined_dispatcher *d, size_t i)
{
	int size = 16384, fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int k = 0; k < 2; k++)
		setsockopt(fds[k], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	c->peers[i] = fds[1];
	c->socks[i] = support_socket(&recorder_handlers, &c->recorders[i]);
	lined_socket_set_group(c->socks[i], &c->group);
	support_wrap(d, c->socks[i], fds[0]);
	return c->socks[i];
}

void ceiling_open(struct ceiling_case *c, bool two)
{
	struct lined_dispatcher **dispatchers = calloc(2, sizeof(*dispatchers));

	memset(c, 0, sizeof(*c));
	c->d = dispatchers[0] = support_dispatcher();
	if (two)
		c->others = dispatchers[1] = support_dispatcher();
	memory_init(&c->memory, dispatchers, two ? 2 : 1);
	c->memory.may_close = ceiling_any_socket;
	for (size_t i = 0; i < CEILING_CLIENTS; i++)
		ceiling_open_client(
			c, two && i == CEILING_CLIENTS - 1 ? c->others : c->d,
			i);
}

void ceiling_close(struct ceiling_case *c)
{
	lined_dispatcher_free(c->d);
	if (c->others != NULL)
		lined_dispatcher_free(c->others);
	/* Everything that was charged must have been given back. */
	free(c->memory.dispatchers);
	for (size_t i = 0; i < CEILING_CLIENTS; i++) {
		close(c->peers[i]);
		recorder_fini(&c->recorders[i]);
	}
}

void ceiling_run(struct ceiling_case *c)
{
	for (int i = 0; i < 3; i++) {
		support_run_turns(c->d, 1);
		if (c->others != NULL)
			support_run_turns(c->others, 1);
	}
}

void ceiling_fill(struct ceiling_case *c, size_t i, size_t bytes)
{
	char *data = calloc(1, bytes);

	ck_assert_int_eq(lined_socket_send(c->socks[i], data, bytes), 0);
	free(data);
	ceiling_run(c);
}

bool ceiling_is_closed(struct ceiling_case *c, size_t i)
{
	return c->recorders[i].closes > 0;
}
