/* SPDX-License-Identifier: MIT */
/*
 * Detaching: which process ends when and with which exit code, and the state of
 * the process that continues. There are three processes: the test; one that the
 * test starts, as a shell would; and the daemon, which the test reaps.
 */
#include "config.h"

#include "system/detach.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* go: the test tells the daemon to continue. seen: the daemon tells the test
 * what it sees. */
static int go[2], seen[2];

static void setup(void)
{
	/* When the process that the test started has ended, the daemon becomes
	 * a child of this process. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1L), 0);
	ck_assert_int_eq(pipe(go), 0);
	ck_assert_int_eq(pipe(seen), 0);
}

static void close_if(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void teardown(void)
{
	close_if(&go[0]);
	close_if(&go[1]);
	close_if(&seen[0]);
	close_if(&seen[1]);
}

/* Starts a process that detaches and then runs as the daemon. The exit code is
 * that of run(). */
static pid_t start(int (*run)(void))
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0) {
		close_if(&seen[1]);
		close_if(&go[0]);
		return pid;
	}
	/* The daemon ends with the test, even if the test fails. */
	close(go[1]);
	close(seen[0]);
	dup2(seen[1], STDERR_FILENO);
	alarm(30);
	if (detach() < 0)
		_exit(99);
	alarm(30);
	_exit(run());
}

static int code_of(pid_t pid)
{
	int status = 0;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	ck_assert_int_gt(got, 0);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Reads the daemon's output, up to its end. */
static void read_seen(char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 &&
	       (n = read(seen[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

static void tell(const char *text)
{
	if (write(seen[1], text, strlen(text)) < 0)
		_exit(98);
}

static void wait_for_go(void)
{
	char byte;

	if (read(go[0], &byte, 1) != 1)
		_exit(97);
}

static int told_code;
static pid_t test_pid;

static int run_told(void)
{
	tell("here\n");
	wait_for_go();
	detach_done(told_code);
	/* Only the first call counts. */
	detach_done(77);
	return 0;
}

START_TEST(who_started_it_waits_and_ends_with_its_code)
{
	static const int codes[] = {0, 1, 3};
	pid_t pid;
	char text[16];

	told_code = codes[_i];
	pid = start(run_told);
	support_wait_readable(seen[0]);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	ck_assert_int_eq(write(go[1], "g", 1), 1);
	ck_assert_int_eq(code_of(pid), codes[_i]);
	read_seen(text, sizeof(text));
	ck_assert_str_eq(text, "here\n");
	ck_assert_int_eq(code_of(-1), 0);
}
END_TEST

static int run_dying(void)
{
	return 55;
}

START_TEST(a_daemon_that_dies_at_its_start_is_code_3)
{
	pid_t pid = start(run_dying);

	ck_assert_int_eq(code_of(pid), 3);
	ck_assert_int_eq(code_of(-1), 55);
}
END_TEST

static bool is_null(int fd)
{
	struct stat null, st;

	return stat("/dev/null", &null) == 0 && fstat(fd, &st) == 0 &&
	       S_ISCHR(st.st_mode) && st.st_rdev == null.st_rdev;
}

static int run_looking(void)
{
	char text[200];
	int length;

	length = snprintf(text, sizeof(text), "null %d%d%d, ", is_null(0),
			  is_null(1), is_null(2));
	detach_done(0);
	/* Waits until the process that the test started has ended. */
	while (getppid() != test_pid)
		sched_yield();
	length += snprintf(text + length, sizeof(text) - (size_t)length,
			   "then %d%d%d; ", is_null(0), is_null(1), is_null(2));
	snprintf(text + length, sizeof(text) - (size_t)length,
		 "leader %d, terminal %d, sid %s", getsid(0) == getpid(),
		 open("/dev/tty", O_RDWR | O_NOCTTY) >= 0,
		 getsid(0) == getsid(getppid()) ? "old" : "new");
	tell(text);
	return 0;
}

START_TEST(the_daemon_has_a_session_without_a_terminal_and_no_stdio)
{
	char text[200];
	pid_t pid;

	test_pid = getpid();
	pid = start(run_looking);
	ck_assert_int_eq(code_of(pid), 0);
	read_seen(text, sizeof(text));
	ck_assert_str_eq(text, "null 110, then 111; leader 0, terminal 0, "
			       "sid new");
	ck_assert_int_eq(code_of(-1), 0);
}
END_TEST

START_TEST(without_detaching_nothing_is_told)
{
	bool was_null = is_null(STDERR_FILENO);

	detach_done(1);
	ck_assert_int_eq(is_null(STDERR_FILENO), was_null);
}
END_TEST

static Suite *detach_suite(void)
{
	Suite *suite = suite_create("detach");
	TCase *tc = support_case(suite, "detach");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, who_started_it_waits_and_ends_with_its_code, 0,
			    3);
	tcase_add_test(tc, a_daemon_that_dies_at_its_start_is_code_3);
	tcase_add_test(
		tc, the_daemon_has_a_session_without_a_terminal_and_no_stdio);
	tcase_add_test(tc, without_detaching_nothing_is_told);
	return suite;
}

int main(void)
{
	return support_main_once(detach_suite);
}
