/* SPDX-License-Identifier: MIT */
/*
 * The traffic of a socket, the queued bytes of its group, and the tap on its
 * lines. Other suites test the other counters.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "recorder.h"
#include "support.h"

struct traffic_case {
	struct lined_dispatcher *d;
	struct lined_socket *sock;
	struct lined_socket_group group;
	struct recorder recorder;
	int peer;
};

static void open_case(struct traffic_case *c)
{
	memset(c, 0, sizeof(*c));
	c->d = support_dispatcher();
	c->sock = support_pair_in_group(c->d, &recorder_handlers, &c->recorder,
					&c->group, &c->peer);
}

static void close_case(struct traffic_case *c)
{
	lined_dispatcher_free(c->d);
	close(c->peer);
	recorder_fini(&c->recorder);
}

static struct lined_traffic traffic_of(const struct traffic_case *c)
{
	struct lined_traffic traffic;

	lined_socket_traffic(c->sock, &traffic);
	return traffic;
}

/* ---- traffic ----------------------------------------------------------- */

START_TEST(lines_and_bytes_of_one_socket_are_its_own)
{
	struct traffic_case c;
	struct lined_traffic traffic;
	struct recorder recorder = {.lines = 0};
	struct lined_socket *other;
	int peer;

	open_case(&c);
	other = support_pair_in_group(c.d, &recorder_handlers, &recorder,
				      &c.group, &peer);
	c.recorder.echo = true;
	support_puts(c.peer, "one\ntwo\r\nthr");
	support_expect(c.d, c.peer, "one\ntwo\r\n");
	traffic = traffic_of(&c);
	ck_assert_uint_eq(traffic.lines_in, 2);
	ck_assert_uint_eq(traffic.bytes_in, 12);
	ck_assert_uint_eq(traffic.bytes_out, 9);
	lined_socket_traffic(other, &traffic);
	ck_assert_uint_eq(traffic.lines_in, 0);
	ck_assert_uint_eq(traffic.bytes_in, 0);
	ck_assert_uint_eq(traffic.bytes_out, 0);
	ck_assert_uint_eq(c.group.counters.lines_in, 2);
	close(peer);
	close_case(&c);
	recorder_fini(&recorder);
}
END_TEST

START_TEST(time_runs_from_the_connection_and_from_the_last_line)
{
	struct traffic_case c;
	struct lined_traffic traffic;
	uint64_t begin_ms = support_now_ms();

	open_case(&c);
	support_run_for(c.d, 30);
	traffic = traffic_of(&c);
	ck_assert_uint_ge(traffic.connected_ms, 25);
	ck_assert_uint_eq(traffic.silent_ms, traffic.connected_ms);
	support_puts(c.peer, "line\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	traffic = traffic_of(&c);
	ck_assert_uint_eq(traffic.silent_ms, 0);
	ck_assert_uint_ge(traffic.connected_ms, 25);
	ck_assert_uint_le(traffic.connected_ms,
			  support_now_ms() - begin_ms + 1);
	close_case(&c);
}
END_TEST

START_TEST(socket_without_a_connection_has_done_nothing)
{
	struct lined_socket *sock = support_socket(&recorder_handlers, NULL);
	struct lined_traffic traffic;

	memset(&traffic, 0xff, sizeof(traffic));
	lined_socket_traffic(sock, &traffic);
	ck_assert_uint_eq(traffic.connected_ms, 0);
	ck_assert_uint_eq(traffic.silent_ms, 0);
	ck_assert_uint_eq(traffic.lines_in, 0);
	lined_socket_set_handlers(sock, NULL, NULL);
	lined_socket_close(sock);
}
END_TEST

/* ---- what is queued ----------------------------------------------------- */

START_TEST(group_knows_what_its_sockets_have_queued)
{
	struct traffic_case c;
	const struct lined_counters *counters = &c.group.counters;
	struct recorder recorder = {.lines = 0};
	struct lined_socket *other;
	int peer;

	open_case(&c);
	other = support_pair_in_group(c.d, &recorder_handlers, &recorder,
				      &c.group, &peer);
	ck_assert_int_eq(lined_socket_send(c.sock, "twelve bytes", 12), 0);
	ck_assert_int_eq(lined_socket_send(other, "eight by", 8), 0);
	ck_assert_uint_eq(counters->queued, 20);
	ck_assert_uint_eq(counters->queue_most, 12);
	support_expect(c.d, c.peer, "twelve bytes");
	ck_assert_uint_eq(counters->queued, 0);
	ck_assert_uint_eq(counters->queue_most, 12);
	close(peer);
	close_case(&c);
	recorder_fini(&recorder);
}
END_TEST

START_TEST(queue_of_a_closed_socket_is_gone)
{
	struct traffic_case c;

	open_case(&c);
	ck_assert_int_eq(lined_socket_send(c.sock, "never sent", 10), 0);
	ck_assert_uint_eq(c.group.counters.queued, 10);
	lined_socket_close(c.sock);
	support_run_turns(c.d, 1);
	ck_assert_uint_eq(c.recorder.closes, 1);
	ck_assert_uint_eq(c.group.counters.queued, 0);
	close_case(&c);
}
END_TEST

START_TEST(queue_moves_with_its_socket_to_another_group)
{
	struct lined_socket_group other = {.limits.send_queue = 0};
	struct traffic_case c;

	open_case(&c);
	ck_assert_int_eq(lined_socket_send(c.sock, "moves", 5), 0);
	lined_socket_set_group(c.sock, &other);
	ck_assert_uint_eq(c.group.counters.queued, 0);
	ck_assert_uint_eq(other.counters.queued, 5);
	support_expect(c.d, c.peer, "moves");
	ck_assert_uint_eq(other.counters.queued, 0);
	close_case(&c);
}
END_TEST

START_TEST(dropped_sends_are_queued_no_more)
{
	struct traffic_case c;
	char big[1000] = {0};
	unsigned i;

	open_case(&c);
	c.group.limits.send_queue = 4000;
	lined_socket_set_overflow(c.sock, LINED_OVERFLOW_DROP_OLDEST);
	/* The kernel takes some megabytes before anything is dropped. */
	for (i = 0; i < 100000 && c.group.counters.sends_dropped == 0; i++)
		lined_socket_send(c.sock, big, sizeof(big));
	ck_assert_uint_gt(c.group.counters.sends_dropped, 0);
	ck_assert_uint_eq(c.group.counters.queued, lined_socket_queued(c.sock));
	close_case(&c);
}
END_TEST

START_TEST(datagrams_that_wait_are_queued_too)
{
	struct lined_socket_group group = {.limits.send_queue = 0};
	struct lined_dispatcher *d = support_dispatcher();
	struct sockaddr_in to = support_loopback(support_refused_port());
	struct sockaddr_in own = support_loopback(0);
	struct lined_socket *sock = support_socket(&recorder_handlers, NULL);

	lined_socket_set_handlers(sock, NULL, NULL);
	lined_socket_set_group(sock, &group);
	ck_assert_int_eq(lined_socket_bind(sock, SOCK_DGRAM,
					   (struct sockaddr *)&own,
					   sizeof(own)),
			 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	ck_assert_int_eq(lined_socket_send_to(sock, "four", 4,
					      (struct sockaddr *)&to,
					      sizeof(to)),
			 0);
	ck_assert_uint_eq(group.counters.queued, 4);
	ck_assert_uint_eq(group.counters.queue_most, 4);
	support_run_turns(d, 1);
	ck_assert_uint_eq(group.counters.queued, 0);
	ck_assert_int_eq(lined_socket_send_to(sock, "left", 4,
					      (struct sockaddr *)&to,
					      sizeof(to)),
			 0);
	lined_dispatcher_free(d);
	ck_assert_uint_eq(group.counters.queued, 0);
}
END_TEST

/* ---- the tap ------------------------------------------------------------ */

static char tapped[256];

static void tap(struct lined_socket *sock, const struct lined_line *line)
{
	size_t len = strlen(tapped);

	ck_assert_ptr_nonnull(sock);
	snprintf(tapped + len, sizeof(tapped) - len, "[%.*s]", (int)line->len,
		 line->text);
}

START_TEST(tap_sees_each_line_once)
{
	struct traffic_case c;

	tapped[0] = '\0';
	open_case(&c);
	c.group.tap = tap;
	support_puts(c.peer, "one\ntwo\r\n\nthr");
	support_run_until_count(c.d, &c.recorder.lines, 3);
	ck_assert_str_eq(tapped, "[one][two][]");
	c.group.tap = NULL;
	support_puts(c.peer, "ee\nfour\n");
	support_run_until_count(c.d, &c.recorder.lines, 5);
	ck_assert_str_eq(tapped, "[one][two][]");
	ck_assert_str_eq(recorder_log(&c.recorder),
			 "<one\\n><two\\r\\n><\\n><three\\n><four\\n>");
	close_case(&c);
}
END_TEST

START_TEST(tap_sees_the_lines_of_datagrams)
{
	struct lined_socket_group group = {.tap = tap};
	struct lined_dispatcher *d = support_dispatcher();
	struct sockaddr_in own = support_loopback(0);
	struct sockaddr_storage address;
	struct recorder recorder = {.lines = 0};
	socklen_t len;
	struct lined_socket *sock =
		support_socket(&recorder_handlers, &recorder);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	tapped[0] = '\0';
	lined_socket_set_group(sock, &group);
	ck_assert_int_eq(lined_socket_bind(sock, SOCK_DGRAM,
					   (struct sockaddr *)&own,
					   sizeof(own)),
			 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	ck_assert_int_eq(lined_socket_local(sock, &address, &len), 0);
	ck_assert_int_eq(
		sendto(fd, "one\ntwo", 7, 0, (struct sockaddr *)&address, len),
		7);
	support_run_until_count(d, &recorder.lines, 2);
	ck_assert_str_eq(tapped, "[one][two]");
	close(fd);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("traffic");
	TCase *tcase = support_case(suite, "traffic");

	tcase_add_test(tcase, lines_and_bytes_of_one_socket_are_its_own);
	tcase_add_test(tcase,
		       time_runs_from_the_connection_and_from_the_last_line);
	tcase_add_test(tcase, socket_without_a_connection_has_done_nothing);
	tcase_add_test(tcase, group_knows_what_its_sockets_have_queued);
	tcase_add_test(tcase, queue_of_a_closed_socket_is_gone);
	tcase_add_test(tcase, queue_moves_with_its_socket_to_another_group);
	tcase_add_test(tcase, dropped_sends_are_queued_no_more);
	tcase_add_test(tcase, datagrams_that_wait_are_queued_too);

	tcase = support_case(suite, "tap");
	tcase_add_test(tcase, tap_sees_each_line_once);
	tcase_add_test(tcase, tap_sees_the_lines_of_datagrams);
	return suite;
}

int main(void)
{
	return support_main(make);
}
