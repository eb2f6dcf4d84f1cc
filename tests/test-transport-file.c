/* SPDX-License-Identifier: MIT */
/*
 * Sockets over descriptors that are no sockets (lib/transport_file.c): the ends
 * of pipes, and a pseudo-terminal.
 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "recorder.h"
#include "support.h"

struct file_case {
	struct lined_dispatcher *d;
	struct recorder recorder;
	struct lined_socket *sock;
	int other; /* the other end */
};

static void file_case_wrap(struct file_case *c, int fd)
{
	signal(SIGPIPE, SIG_IGN);
	c->d = support_dispatcher();
	c->sock = support_socket(&recorder_handlers, &c->recorder);
	support_wrap(c->d, c->sock, fd);
}

/* Makes a socket of one end of a new pipe (0: reading, 1: writing). */
static void file_case_open(struct file_case *c, int end)
{
	int fds[2];

	memset(c, 0, sizeof(*c));
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	file_case_wrap(c, fds[end]);
	c->other = fds[1 - end];
}

static void file_case_close(struct file_case *c)
{
	lined_dispatcher_free(c->d);
	recorder_fini(&c->recorder);
}

START_TEST(reads_a_pipe_to_its_end)
{
	struct file_case c;

	file_case_open(&c, 0);
	ck_assert_int_eq(write(c.other, "one\ntw", 6), 6);
	support_run_until_count(c.d, &c.recorder.lines, 1);
	ck_assert_int_eq(write(c.other, "o\n", 2), 2);
	close(c.other);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), "<one\\n><two\\n>$#peer");
	file_case_close(&c);
}
END_TEST

START_TEST(writes_a_pipe_and_waits_for_room)
{
	static char block[200000], got[200000];
	struct file_case c;
	size_t len = 0;
	ssize_t n;

	file_case_open(&c, 1);
	memset(block, 'x', sizeof(block));
	ck_assert_int_eq(lined_socket_send(c.sock, block, sizeof(block)), 0);
	support_run_turns(c.d, 2);
	ck_assert_uint_gt(lined_socket_queued(c.sock), 0);
	lined_socket_close_after_flush(c.sock, LINED_CLOSE_LOCAL, 0);
	fcntl(c.other, F_SETFL, O_NONBLOCK);
	while (c.recorder.closes == 0) {
		n = read(c.other, got + len, sizeof(got) - len);
		len += n > 0 ? (size_t)n : 0;
		lined_dispatcher_poll(c.d, 1);
	}
	while ((n = read(c.other, got + len, sizeof(got) - len)) > 0)
		len += (size_t)n;
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(len, sizeof(block));
	ck_assert_mem_eq(got, block, len);
	ck_assert_str_eq(recorder_log(&c.recorder), "#closed");
	close(c.other);
	file_case_close(&c);
}
END_TEST

START_TEST(a_pipe_that_nobody_reads_is_an_error)
{
	struct file_case c;

	file_case_open(&c, 1);
	support_run_turns(c.d, 2);
	close(c.other);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_ERROR);
	ck_assert_int_eq(c.recorder.error, EPIPE);
	file_case_close(&c);
}
END_TEST

START_TEST(a_paused_pipe_that_nobody_reads_is_an_error)
{
	struct file_case c;

	file_case_open(&c, 1);
	lined_socket_pause(c.sock);
	support_run_turns(c.d, 2);
	close(c.other);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.error, EPIPE);
	file_case_close(&c);
}
END_TEST

START_TEST(the_last_end_of_a_terminal_is_the_end)
{
	struct file_case c;
	struct termios raw;
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	memset(&c, 0, sizeof(c));
	c.other = open(ptsname(master), O_RDWR | O_NOCTTY);
	ck_assert_int_ge(c.other, 0);
	ck_assert_int_eq(tcgetattr(c.other, &raw), 0);
	cfmakeraw(&raw);
	ck_assert_int_eq(tcsetattr(c.other, TCSANOW, &raw), 0);
	file_case_wrap(&c, master);
	ck_assert_int_eq(write(c.other, "from a terminal\n", 16), 16);
	support_run_until_count(c.d, &c.recorder.lines, 1);
	ck_assert_int_eq(lined_socket_send(c.sock, "back\n", 5), 0);
	support_run_turns(c.d, 2);
	close(c.other);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder),
			 "<from a terminal\\n>$#peer");
	file_case_close(&c);
}
END_TEST

static Suite *transport_file_suite(void)
{
	Suite *suite = suite_create("transport-file");
	TCase *tcase = support_case(suite, "file");

	tcase_add_test(tcase, reads_a_pipe_to_its_end);
	tcase_add_test(tcase, writes_a_pipe_and_waits_for_room);
	tcase_add_test(tcase, a_pipe_that_nobody_reads_is_an_error);
	tcase_add_test(tcase, a_paused_pipe_that_nobody_reads_is_an_error);
	tcase_add_test(tcase, the_last_end_of_a_terminal_is_the_end);
	return suite;
}

int main(void)
{
	return support_main(transport_file_suite);
}
