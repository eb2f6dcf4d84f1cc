/* SPDX-License-Identifier: MIT */
/*
 * Datagrams that wait or are dropped, how they are counted, and how a datagram
 * socket closes.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "socket_priv.h"
#include "support.h"
#include "udp_fixture.h"

static bool admit_none(struct lined_socket *sock, const struct sockaddr *from,
		       socklen_t len)
{
	ck_assert_int_eq(from->sa_family, AF_INET);
	ck_assert_uint_eq(len, sizeof(struct sockaddr_in));
	return false;
}

START_TEST(datagram_not_admitted_is_dropped_and_counted)
{
	udp_open();
	udp.group.admit = admit_none;
	PUT("let me in\n");
	udp_expect_nothing(udp.d, udp.peer);
	ck_assert_uint_eq(udp.recorder.lines, 0);
	ck_assert_uint_eq(udp.group.counters.datagrams_dropped, 1);
	udp.group.admit = NULL;
	PUT("now\n");
	EXPECT("now\n");
}
END_TEST

START_TEST(paused_socket_keeps_datagrams_in_the_kernel)
{
	udp_open();
	lined_socket_pause(udp.sock);
	PUT("wait\n");
	udp_expect_nothing(udp.d, udp.peer);
	ck_assert_uint_le(support_run_for(udp.d, 30), 3);
	lined_socket_resume(udp.sock);
	EXPECT("wait\n");
}
END_TEST

struct late_reader {
	bool raw, pauses;
	unsigned calls, taken;
	size_t len;
};

/* Reads nothing at its first call. */
static void late_read(struct lined_socket *sock, void *arg)
{
	struct late_reader *late = arg;
	enum lined_line_status status;
	struct lined_line line;

	if (late->calls++ == 0) {
		if (late->pauses)
			lined_socket_pause(sock);
		return;
	}
	status = late->raw ? lined_socket_read(sock, &line)
			   : lined_socket_read_line(sock, &line);
	if (status != LINED_LINE_READY)
		return;
	late->taken++;
	late->len += line.len;
	ck_assert_int_eq(line.text[line.len], '\0');
	lined_socket_send_line(sock, &line);
}

START_TEST(datagram_waits_for_a_reader_that_looks_away)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = late_read,
	};

	for (int i = 0; i < 8; i++) {
		struct late_reader late = {.raw = i & 1, .pauses = i & 4};
		if (!late.raw && !(i & 2))
			continue; /* an empty datagram has no line */
		udp_open();
		lined_socket_set_handlers(udp.sock, &handlers, &late);
		udp_put(udp.peer, "line", i & 2 ? 4 : 0);
		if (late.pauses) {
			support_run_until_count(udp.d, &late.calls, 1);
			ck_assert_uint_le(support_run_for(udp.d, 30), 3);
			lined_socket_resume(udp.sock);
		}
		udp_expect(udp.d, udp.peer, "line", i & 2 ? 4 : 0);
		support_run_turns(udp.d, 3);
		ck_assert_uint_eq(late.taken, 1);
		udp_close();
	}
}
END_TEST

/* The state of framing (a discarded rest, a last CR) is not carried into the
 * next datagram. */
START_TEST(datagrams_share_nothing_of_the_framing)
{
	struct lined_framing f = LINED_FRAMING_DEFAULT;

	f.terminator = LINED_TERMINATOR_CRLF;
	f.line_length = 4;
	for (unsigned policy = 0; policy <= LINED_TOO_LONG_TRUNCATE; policy++) {
		udp_open();
		f.too_long = (uint8_t)policy;
		lined_socket_set_framing(udp.sock, &f);
		PUT("too long\r");
		if (policy == LINED_TOO_LONG_TRUNCATE)
			EXPECT("too ");
		PUT("\nab\r\n");
		EXPECT("\nab\r\n");
		ck_assert_str_eq(recorder_log(&udp.recorder),
				 policy == LINED_TOO_LONG_TRUNCATE
					 ? "<too ...><\\nab\\r\\n>"
					 : "!<\\nab\\r\\n>");
		ck_assert_uint_eq(udp.group.counters.bare_lf, 1);
		udp_close();
	}
}
END_TEST

/* An answer to a port where nobody listens is an ICMP error, not an end. */
START_TEST(sender_that_is_gone_closes_nothing)
{
	udp_open();
	for (int i = 0; i < 3; i++) {
		int gone = udp_connect_to(udp.sock);

		udp_put(gone, "bye\n", 4);
		close(gone);
		support_run_turns(udp.d, 3);
	}
	PUT("still there\n");
	EXPECT("still there\n");
	ck_assert_uint_eq(udp.recorder.closes, 0);
}
END_TEST

/*
 * UNIX datagrams show what loopback UDP cannot: a receiver whose queue is full
 * (EAGAIN), and a datagram bigger than any UDP one.
 */
static struct sockaddr_un abstract_address(socklen_t *len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
		 "lined-test-%ld-%s", (long)getpid(), getenv("LINED_POLLER"));
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   strlen(address.sun_path + 1));
	return address;
}

static struct lined_socket *wrap_datagram(struct lined_dispatcher *d,
					  struct recorder *recorder,
					  struct lined_socket_group *group,
					  int fd)
{
	struct lined_socket *sock =
		support_socket(&recorder_handlers, recorder);

	lined_socket_set_group(sock, group);
	ck_assert_int_eq(lined_socket_wrap(sock, fd, LINED_SOCKET_UDP_BOUND),
			 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	return sock;
}

START_TEST(full_receiver_is_waited_for)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {0};
	struct lined_socket_group group = {.limits = {.send_queue = 1 << 20}};
	struct lined_socket *sock;
	socklen_t len;
	struct sockaddr_un address = abstract_address(&len);
	int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[32];

	ck_assert_int_ge(receiver, 0);
	ck_assert_int_eq(bind(receiver, (struct sockaddr *)&address, len), 0);
	sock = wrap_datagram(d, &recorder, &group,
			     socket(AF_UNIX, SOCK_DGRAM, 0));
	for (int i = 0; i < 3000; i++) {
		int n = snprintf(text, sizeof(text), "datagram %d", i);

		ck_assert_int_eq(
			lined_socket_send_to(sock, text, (size_t)n,
					     (struct sockaddr *)&address, len),
			0);
	}
	support_run_turns(d, 3);
	ck_assert(lined_socket_is_send_data_buffered(sock));
	for (int i = 0; i < 3000; i++) {
		int n = snprintf(text, sizeof(text), "datagram %d", i);

		udp_expect(d, receiver, text, (size_t)n);
	}
	ck_assert(!lined_socket_is_send_data_buffered(sock));
	ck_assert_uint_eq(group.counters.datagrams_out, 3000);
	ck_assert_uint_eq(group.counters.datagrams_dropped, 0);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(receiver);
}
END_TEST

START_TEST(send_over_the_queues_limit_is_dropped_and_counted)
{
	struct sockaddr_in address = support_loopback(support_refused_port());
	static char data[3000];

	udp_open();
	udp.group.limits.send_queue = 5000;
	udp.sock->blocked = true;
	ck_assert_int_eq(lined_socket_send_to(udp.sock, data, sizeof(data),
					      (struct sockaddr *)&address,
					      sizeof(address)),
			 0);
	support_fails(lined_socket_send_to(udp.sock, data, sizeof(data),
					   (struct sockaddr *)&address,
					   sizeof(address)),
		      ENOBUFS);
	ck_assert_uint_eq(udp.group.counters.datagrams_dropped, 1);
}
END_TEST

START_TEST(queue_is_sent_before_a_datagram_is_dropped)
{
	struct sockaddr_in address = support_loopback(support_refused_port());
	static char data[3000];
	unsigned i;

	udp_open();
	udp.group.limits.send_queue = 5000;
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(
			lined_socket_send_to(udp.sock, data, sizeof(data),
					     (struct sockaddr *)&address,
					     sizeof(address)),
			0);
	ck_assert_uint_eq(lined_socket_queued(udp.sock), sizeof(data));
}
END_TEST

/* Each datagram takes more memory than its single byte. */
START_TEST(queue_of_the_shortest_datagrams_is_charged_and_has_its_limit)
{
	struct sockaddr_in address = support_loopback(support_refused_port());
	const struct sockaddr *to = (const struct sockaddr *)&address;
	struct memory_account *account;
	int64_t before;
	unsigned sent = 0;

	udp_open();
	udp.group.limits.send_queue = 50000;
	account = &udp.d->pool.memory;
	before = account->held;
	udp.sock->blocked = true;
	while (sent < 50000 &&
	       lined_socket_send_to(udp.sock, "x", 1, to, sizeof(address)) == 0)
		sent++;
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_gt(sent, 200);
	ck_assert_int_ge(account->held, before + 90000);
	ck_assert_int_le(account->held, before + 100000);
	/* The queue belongs to the socket, not to the dispatcher. */
	ck_assert_int_eq(lined_dispatcher_unregister(udp.d, udp.delegate), 0);
	ck_assert_int_le(account->held, before);
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(udp.d, udp.sock));
	ck_assert_int_ge(account->held, before + 90000);
	support_run_turns(udp.d, 2);
	ck_assert(!lined_socket_is_send_data_buffered(udp.sock));
	ck_assert_int_eq(account->held, before);
}
END_TEST

START_TEST(truncated_datagram_is_counted_and_never_half_used)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {0};
	struct lined_socket_group group = {.limits = {.send_queue = 1 << 20}};
	static char big[100000];
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	wrap_datagram(d, &recorder, &group, fds[0]);
	memset(big, '\n', sizeof(big));
	udp_put(fds[1], big, sizeof(big));
	udp_put(fds[1], "small\n", 6);
	support_run_until_count(d, &recorder.lines, 1);
	ck_assert_str_eq(recorder_log(&recorder), "<small\\n>");
	ck_assert_uint_eq(group.counters.datagrams_dropped, 1);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(fds[1]);
}
END_TEST

/* Otherwise the kernel would install a descriptor that nobody closes. */
START_TEST(descriptors_that_a_sender_passes_are_not_taken)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {0};
	struct lined_socket_group group = {.limits = {.send_queue = 1 << 20}};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS}};
	char line[] = "line\n";
	struct iovec piece = {line, 5};
	const struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	size_t before;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	wrap_datagram(d, &recorder, &group, fds[0]);
	before = support_fd_count();
	memcpy(CMSG_DATA(&control.head), &fds[1], sizeof(int));
	ck_assert_int_eq(sendmsg(fds[1], &message, 0), 5);
	support_run_until_count(d, &recorder.lines, 1);
	ck_assert_str_eq(recorder_log(&recorder), "<line\\n>");
	ck_assert_uint_eq(support_fd_count(), before);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(fds[1]);
}
END_TEST

/* Answers a line, and closes the socket after the flush. */
static void last_read(struct lined_socket *sock, void *arg)
{
	struct recorder *recorder = arg;
	struct lined_line line;

	recorder->reads++;
	ck_assert_int_eq(lined_socket_read_line(sock, &line), LINED_LINE_READY);
	lined_socket_send_line(sock, &line);
	lined_socket_close_after_flush(sock, LINED_CLOSE_LIMIT, 0);
	ck_assert_int_eq(lined_socket_read_line(sock, &line),
			 LINED_LINE_CLOSED);
	lined_socket_send(sock, "bye\n", 4);
}

static void last_close(struct lined_socket *sock, void *arg,
		       enum lined_close_reason reason, int error)
{
	recorder_handlers.handle_close(sock, arg, reason, error);
}

START_TEST(close_after_flush_sends_what_was_answered)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = last_read,
		.handle_close = last_close,
	};

	udp_open();
	lined_socket_set_handlers(udp.sock, &handlers, &udp.recorder);
	PUT("one\ntwo\n");
	PUT("three\n");
	EXPECT("one\nbye\n");
	support_run_until_count(udp.d, &udp.recorder.closes, 1);
	ck_assert_int_eq(udp.recorder.reason, LINED_CLOSE_LIMIT);
	ck_assert_uint_eq(udp.recorder.reads, 1);
	ck_assert_uint_eq(udp.group.counters.queued, 0);
}
END_TEST

/* A datagram socket counts neither as an opened nor as a closed connection. */
START_TEST(its_end_counts_as_no_connections)
{
	udp_open();
	lined_socket_close_for(udp.sock, LINED_CLOSE_SHUTDOWN, 0);
	support_run_until_count(udp.d, &udp.recorder.closes, 1);
	for (int i = 0; i < LINED_CLOSE_REASONS; i++)
		ck_assert_uint_eq(udp.group.counters.closed[i], 0);
}
END_TEST

/* Lines of the datagram that were not read before the close get no answer. */
START_TEST(close_after_flush_ends_a_datagram_half_read)
{
	udp_open();
	udp.recorder.stop_after = 1;
	PUT("one\ntwo\n");
	support_run_until_count(udp.d, &udp.recorder.lines, 1);
	lined_socket_close_after_flush(udp.sock, LINED_CLOSE_LIMIT, 0);
	EXPECT("one\n");
	support_run_until_count(udp.d, &udp.recorder.closes, 1);
	ck_assert_uint_eq(udp.recorder.lines, 1);
}
END_TEST

START_TEST(close_after_flush_waits_until_its_time_is_up)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {0};
	struct lined_socket_group group = {.limits = {.send_queue = 1 << 20}};
	struct lined_socket *sock;
	socklen_t len;
	struct sockaddr_un address = abstract_address(&len);
	int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);

	ck_assert_int_ge(receiver, 0);
	ck_assert_int_eq(bind(receiver, (struct sockaddr *)&address, len), 0);
	sock = wrap_datagram(d, &recorder, &group,
			     socket(AF_UNIX, SOCK_DGRAM, 0));
	for (int i = 0; i < 3000; i++)
		ck_assert_int_eq(
			lined_socket_send_to(sock, "x", 1,
					     (struct sockaddr *)&address, len),
			0);
	lined_socket_close_after_flush(sock, LINED_CLOSE_LIMIT, 50);
	support_run_turns(d, 2);
	ck_assert_uint_eq(recorder.closes, 0);
	support_run_until_count(d, &recorder.closes, 1);
	ck_assert_int_eq(recorder.reason, LINED_CLOSE_LIMIT);
	ck_assert_uint_eq(group.counters.queued, 0);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(receiver);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("udp_drops");
	TCase *lines = udp_case(suite, "lines");
	TCase *addresses = udp_case(suite, "addresses");
	TCase *drops = udp_case(suite, "drops");
	TCase *ends = udp_case(suite, "ends");

	tcase_add_test(lines, datagram_waits_for_a_reader_that_looks_away);
	tcase_add_test(lines, datagrams_share_nothing_of_the_framing);
	tcase_add_test(addresses, sender_that_is_gone_closes_nothing);
	tcase_add_test(drops, datagram_not_admitted_is_dropped_and_counted);
	tcase_add_test(drops, paused_socket_keeps_datagrams_in_the_kernel);
	tcase_add_test(drops, full_receiver_is_waited_for);
	tcase_add_test(drops, queue_is_sent_before_a_datagram_is_dropped);
	tcase_add_test(drops,
		       send_over_the_queues_limit_is_dropped_and_counted);
	tcase_add_test(
		drops,
		queue_of_the_shortest_datagrams_is_charged_and_has_its_limit);
	tcase_add_test(drops,
		       truncated_datagram_is_counted_and_never_half_used);
	tcase_add_test(drops, descriptors_that_a_sender_passes_are_not_taken);
	tcase_add_test(ends, its_end_counts_as_no_connections);
	tcase_add_test(ends, close_after_flush_sends_what_was_answered);
	tcase_add_test(ends, close_after_flush_ends_a_datagram_half_read);
	tcase_add_test(ends, close_after_flush_waits_until_its_time_is_up);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
