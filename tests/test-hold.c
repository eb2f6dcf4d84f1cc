/* SPDX-License-Identifier: MIT */
/*
 * socket_hold() and the protocol's own pause(): neither undoes the other, and
 * no input is lost.
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "socket_daemon.h"
#include "support.h"

enum { FIRST = 1, SECOND = 2 };

/* Holds the socket after the line "hold". text has the first letter of each
 * line. */
struct reader {
	char text[32];
	size_t len;
};

static void read_lines(struct lined_socket *sock, void *arg)
{
	struct reader *reader = arg;
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY) {
		ck_assert_uint_lt(reader->len, sizeof(reader->text) - 1);
		reader->text[reader->len++] = line.text[0];
		if (strcmp(line.text, "hold") == 0)
			socket_hold(sock, FIRST);
	}
}

static const struct lined_socket_handlers handlers = {
	.handle_read = read_lines,
};

static void run(struct lined_dispatcher *d)
{
	support_run_for(d, 30);
}

START_TEST(a_hold_stops_at_the_current_line)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct reader reader = {.len = 0};
	int peer;
	struct lined_socket *sock = support_pair(d, &handlers, &reader, &peer);

	support_puts(peer, "a\nhold\nb\n");
	run(d);
	ck_assert_str_eq(reader.text, "ah");
	ck_assert(!lined_socket_is_paused(sock));
	support_puts(peer, "c\n");
	run(d);
	ck_assert_str_eq(reader.text, "ah");
	socket_unhold(sock, FIRST);
	ck_assert_str_eq(reader.text, "ah"); /* nothing was read within the
					      * call */
	run(d);
	ck_assert_str_eq(reader.text, "ahbc");
	close(peer);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(reading_goes_on_when_no_reason_is_left)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct reader reader = {.len = 0};
	int peer;
	struct lined_socket *sock = support_pair(d, &handlers, &reader, &peer);

	socket_hold(sock, FIRST);
	socket_hold(sock, FIRST); /* does not count twice */
	socket_hold(sock, SECOND);
	support_puts(peer, "a\n");
	socket_unhold(sock, FIRST);
	run(d);
	ck_assert_str_eq(reader.text, "");
	socket_unhold(sock, SECOND);
	run(d);
	ck_assert_str_eq(reader.text, "a");
	close(peer);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(a_hold_and_a_pause_do_not_undo_each_other)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct reader reader = {.len = 0};
	int peer;
	struct lined_socket *sock = support_pair(d, &handlers, &reader, &peer);

	lined_socket_pause(sock);
	socket_hold(sock, FIRST);
	support_puts(peer, "a\n");
	lined_socket_resume(sock);
	run(d);
	ck_assert_str_eq(reader.text, "");
	lined_socket_pause(sock);
	socket_unhold(sock, FIRST);
	run(d);
	ck_assert_str_eq(reader.text, "");
	lined_socket_resume(sock);
	run(d);
	ck_assert_str_eq(reader.text, "a");
	close(peer);
	lined_dispatcher_free(d);
}
END_TEST

START_TEST(a_held_datagram_socket_leaves_them_to_the_kernel)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct reader reader = {.len = 0};
	struct lined_socket *sock = support_socket(&handlers, &reader);
	struct sockaddr_in address = support_loopback(0);
	struct sockaddr_storage bound;
	socklen_t len;
	int peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(lined_socket_bind(sock, SOCK_DGRAM,
					   (struct sockaddr *)&address,
					   sizeof(address)),
			 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	ck_assert_int_eq(lined_socket_local(sock, &bound, &len), 0);
	ck_assert_int_eq(connect(peer, (struct sockaddr *)&bound, len), 0);
	support_puts(peer, "a\nhold\nb\n");
	run(d);
	ck_assert_str_eq(reader.text, "ah");
	support_puts(peer, "c");
	run(d);
	ck_assert_str_eq(reader.text, "ah");
	socket_unhold(sock, FIRST);
	run(d);
	ck_assert_str_eq(reader.text, "ahbc");
	close(peer);
	lined_dispatcher_free(d);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("hold");
	TCase *tcase = support_case(suite, "hold");

	tcase_add_test(tcase, a_hold_stops_at_the_current_line);
	tcase_add_test(tcase, reading_goes_on_when_no_reason_is_left);
	tcase_add_test(tcase, a_hold_and_a_pause_do_not_undo_each_other);
	tcase_add_test(tcase, a_held_datagram_socket_leaves_them_to_the_kernel);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
