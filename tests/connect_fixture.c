/* SPDX-License-Identifier: MIT */
/*
 * Opens, connects and checks sockets for the suites of connecting.
 */
#include "config.h"

#include "connect_fixture.h"

#include <string.h>
#include <unistd.h>

#include "support.h"

static void on_connect(struct lined_socket *sock, void *arg)
{
	struct attempt *a = arg;

	a->connects++;
	a->state_in_handler = lined_socket_state(sock);
	if (a->on_connect != NULL)
		a->on_connect(a);
}

static void on_close(struct lined_socket *sock, void *arg,
		     enum lined_close_reason reason, int error)
{
	struct attempt *a = arg;

	ck_assert(lined_socket_is_closed(sock));
	a->closes++;
	a->reason = reason;
	a->error = error;
	a->sock = NULL;
}

static void on_read(struct lined_socket *sock, void *arg)
{
	struct attempt *a = arg;
	struct lined_line line;

	a->reads++;
	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		lined_socket_send_line(sock, &line);
}

const struct lined_socket_handlers attempt_handlers = {
	.handle_connect = on_connect,
	.handle_read = on_read,
	.handle_close = on_close,
};

struct lined_dispatcher *dispatcher;
struct attempt attempt;
int listener;
uint16_t port, silent_port;
static int silent, fillers[4];

static void setup(void)
{
	dispatcher = support_dispatcher();
	listener = support_listen_fd(100, &port);
	silent = -1;
}

void free_dispatcher(void)
{
	lined_dispatcher_free(dispatcher);
	dispatcher = NULL;
}

static void teardown(void)
{
	size_t i;

	free_dispatcher();
	close(listener);
	for (i = 0; silent >= 0 && i < 4; i++)
		close(fillers[i]);
	if (silent >= 0)
		close(silent);
}

TCase *connect_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	return tcase;
}

void attempt_init(struct attempt *a)
{
	memset(a, 0, sizeof(*a));
	a->sock = support_socket(&attempt_handlers, a);
}

void attempt_register(struct attempt *a)
{
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(dispatcher, a->sock));
}

void attempt_open(struct attempt *a)
{
	attempt_init(a);
	attempt_register(a);
}

void attempt_connect(struct attempt *a, const char *host, uint16_t to,
		     uint32_t timeout_ms)
{
	ck_assert_int_eq(lined_socket_connect(a->sock, host, to, timeout_ms),
			 0);
}

void attempt_start(struct attempt *a, const char *host, uint16_t to,
		   uint32_t timeout_ms)
{
	attempt_open(a);
	attempt_connect(a, host, to, timeout_ms);
}

void attempt_connect_to(struct attempt *a, const void *address, socklen_t len,
			uint32_t timeout_ms)
{
	ck_assert_int_eq(
		lined_socket_connect_to(a->sock, address, len, timeout_ms), 0);
}

static bool is_decided(void *arg)
{
	const struct attempt *a = arg;

	return a->connects + a->closes > 0;
}

void decide(struct attempt *a)
{
	support_run_until(dispatcher, is_decided, a);
}

void assert_connected(const struct attempt *a)
{
	ck_assert_uint_eq(a->connects, 1);
	ck_assert_uint_eq(a->closes, 0);
	ck_assert_int_eq(a->state_in_handler, LINED_SOCKET_CONNECTED);
	ck_assert(lined_socket_is_connected(a->sock));
}

void assert_failed(struct attempt *a, enum lined_close_reason reason, int error)
{
	support_run_turns(dispatcher, 3);
	ck_assert_uint_eq(a->connects, 0);
	ck_assert_uint_eq(a->closes, 1);
	ck_assert_int_eq(a->reason, reason);
	ck_assert_int_eq(a->error, error);
}

void assert_connects(struct attempt *a)
{
	decide(a);
	assert_connected(a);
}

void assert_fails(struct attempt *a, enum lined_close_reason reason, int error)
{
	decide(a);
	assert_failed(a, reason, error);
}

void assert_echoes(struct attempt *a, int at)
{
	int peer = accept(at, NULL, NULL);

	ck_assert_int_ge(peer, 0);
	support_puts(peer, "hello\n");
	support_expect(dispatcher, peer, "hello\n");
	close(peer);
}

void silent_listen(void)
{
	struct sockaddr_in address;
	int i;

	silent = support_listen_fd(0, &silent_port);
	address = support_loopback(silent_port);
	for (i = 0; i < 4; i++) {
		fillers[i] = socket(
			AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_int_ge(fillers[i], 0);
		connect(fillers[i], (struct sockaddr *)&address,
			sizeof(address));
	}
}
