/* SPDX-License-Identifier: MIT */
/*
 * Stream sockets over AF_UNIX: listening at a path, connecting to it, and what
 * TCP does not have: a peer that closes with unread data.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "recorder.h"
#include "support.h"

struct unix_case {
	struct lined_dispatcher *d;
	struct lined_socket *listener;
	struct lined_socket *client; /* the last accepted client */
	struct recorder recorder;
	char dir[64];
	struct sockaddr_un address;
	unsigned accepted;
};

static void unix_accept(struct lined_socket *listener, void *arg)
{
	struct unix_case *c = arg;
	struct lined_socket *client =
		support_socket(&recorder_handlers, &c->recorder);

	ck_assert_int_eq(lined_socket_accept(listener, client), 0);
	c->client = client;
	c->accepted++;
}

static const struct lined_socket_handlers accept_handlers = {
	.handle_accept = unix_accept,
};

static void open_case(struct unix_case *c)
{
	memset(c, 0, sizeof(*c));
	c->d = support_dispatcher();
	strcpy(c->dir, "/tmp/lined-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(c->dir));
	c->address.sun_family = AF_UNIX;
	snprintf(c->address.sun_path, sizeof(c->address.sun_path), "%s/socket",
		 c->dir);
	c->listener = support_socket(&accept_handlers, c);
	ck_assert_int_eq(lined_socket_bind(c->listener, SOCK_STREAM,
					   (struct sockaddr *)&c->address,
					   sizeof(c->address)),
			 0);
	ck_assert_int_eq(lined_socket_listen(c->listener, 16), 0);
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(c->d, c->listener));
	c->recorder.echo = true;
}

static void close_case(struct unix_case *c)
{
	lined_dispatcher_free(c->d);
	recorder_fini(&c->recorder);
	unlink(c->address.sun_path);
	rmdir(c->dir);
}

static int connect_client(struct unix_case *c)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(
		connect(fd, (struct sockaddr *)&c->address, sizeof(c->address)),
		0);
	support_run_until_count(c->d, &c->accepted, c->accepted + 1);
	return fd;
}

START_TEST(unix_client_is_echoed)
{
	struct unix_case c;
	int fd;

	open_case(&c);
	fd = connect_client(&c);
	support_puts(fd, "one\ntwo\r\n");
	support_expect(c.d, fd, "one\ntwo\r\n");
	shutdown(fd, SHUT_WR);
	support_expect_eof(c.d, fd);
	close(fd);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder),
			 "<one\\n><two\\r\\n>$#peer");
	close_case(&c);
}
END_TEST

START_TEST(unix_peer_has_an_address)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	struct unix_case c;
	int fd;

	open_case(&c);
	fd = connect_client(&c);
	ck_assert_int_eq(lined_socket_peer(c.client, &address, &len), 0);
	ck_assert_int_eq(address.ss_family, AF_UNIX);
	len = sizeof(address);
	ck_assert_int_eq(lined_socket_local(c.client, &address, &len), 0);
	ck_assert_int_eq(address.ss_family, AF_UNIX);
	ck_assert_str_eq(((struct sockaddr_un *)&address)->sun_path,
			 c.address.sun_path);
	close(fd);
	close_case(&c);
}
END_TEST

START_TEST(data_before_the_peers_close_is_read)
{
	struct unix_case c;
	int fd;

	open_case(&c);
	c.recorder.echo = false;
	fd = connect_client(&c);
	support_puts(fd, "one\ntwo\nrest");
	close(fd);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), "<one\\n><two\\n>$#peer");
	close_case(&c);
}
END_TEST

/* Unread answers turn the peer's close into a reset, but its lines come
 * first. */
START_TEST(data_before_a_close_with_answers_pending_is_read)
{
	struct unix_case c;
	char want[64];
	int fd;

	open_case(&c);
	fd = connect_client(&c);
	support_puts(fd, "one\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	c.recorder.echo = false;
	support_puts(fd, "two\n");
	close(fd);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	snprintf(want, sizeof(want), "<one\\n><two\\n>E%d#error", ECONNRESET);
	ck_assert_str_eq(recorder_log(&c.recorder), want);
	close_case(&c);
}
END_TEST

START_TEST(peer_that_closed_makes_the_flush_fail)
{
	static char bytes[1 << 19];
	struct unix_case c;
	int fd;

	open_case(&c);
	fd = connect_client(&c);
	ck_assert_int_eq(lined_socket_send(c.client, bytes, sizeof(bytes)), 0);
	support_run_turns(c.d, 3);
	ck_assert(lined_socket_is_send_data_buffered(c.client));
	close(fd);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_ERROR);
	close_case(&c);
}
END_TEST

struct dialer {
	struct recorder recorder;
	unsigned connects;
};

static void dialer_connect(struct lined_socket *sock, void *arg)
{
	struct dialer *dialer = arg;

	dialer->connects++;
	ck_assert(lined_socket_is_connected(sock));
	ck_assert_int_eq(lined_socket_send(sock, "hello\n", 6), 0);
}

static void dialer_read(struct lined_socket *sock, void *arg)
{
	recorder_handlers.handle_read(sock, &((struct dialer *)arg)->recorder);
}

static void dialer_close(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error)
{
	recorder_handlers.handle_close(sock, &((struct dialer *)arg)->recorder,
				       reason, error);
}

static const struct lined_socket_handlers dialer_handlers = {
	.handle_connect = dialer_connect,
	.handle_read = dialer_read,
	.handle_close = dialer_close,
};

static struct lined_socket *dial(struct unix_case *c, struct dialer *dialer)
{
	struct lined_socket *sock = support_socket(&dialer_handlers, dialer);

	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(c->d, sock));
	ck_assert_int_eq(lined_socket_connect_to(sock,
						 (struct sockaddr *)&c->address,
						 sizeof(c->address), 0),
			 0);
	return sock;
}

START_TEST(socket_connects_to_a_path)
{
	struct dialer dialer = {.connects = 0};
	struct unix_case c;

	open_case(&c);
	dial(&c, &dialer);
	support_run_until_count(c.d, &dialer.recorder.lines, 1);
	ck_assert_uint_eq(dialer.connects, 1);
	ck_assert_str_eq(recorder_log(&dialer.recorder), "<hello\\n>");
	close_case(&c);
	recorder_fini(&dialer.recorder);
}
END_TEST

START_TEST(path_where_nobody_listens_is_refused)
{
	struct dialer dialer = {.connects = 0};
	struct unix_case c;

	open_case(&c);
	lined_socket_close(c.listener);
	support_run_turns(c.d, 2);
	dial(&c, &dialer);
	ck_assert_uint_eq(dialer.recorder.closes, 0); /* handle_close is never
						       * called within the
						       * call */
	support_run_until_count(c.d, &dialer.recorder.closes, 1);
	ck_assert_uint_eq(dialer.connects, 0);
	ck_assert_int_eq(dialer.recorder.reason, LINED_CLOSE_ERROR);
	ck_assert_int_eq(dialer.recorder.error, ECONNREFUSED);
	unlink(c.address.sun_path);
	recorder_fini(&dialer.recorder);
	memset(&dialer, 0, sizeof(dialer));
	dial(&c, &dialer);
	support_run_until_count(c.d, &dialer.recorder.closes, 1);
	ck_assert_int_eq(dialer.recorder.error, ENOENT);
	close_case(&c);
	recorder_fini(&dialer.recorder);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("unix");
	TCase *tcase = support_case(suite, "unix");

	tcase_add_test(tcase, unix_client_is_echoed);
	tcase_add_test(tcase, unix_peer_has_an_address);
	tcase_add_test(tcase, data_before_the_peers_close_is_read);
	tcase_add_test(tcase, data_before_a_close_with_answers_pending_is_read);
	tcase_add_test(tcase, peer_that_closed_makes_the_flush_fail);
	tcase_add_test(tcase, socket_connects_to_a_path);
	tcase_add_test(tcase, path_where_nobody_listens_is_refused);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
