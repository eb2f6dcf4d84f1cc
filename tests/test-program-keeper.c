/* SPDX-License-Identifier: MIT */
/*
 * The processes that act for lined, with requests from the test. The keeper
 * starts programs and reports how each of them ended; the helper removes, opens
 * and examines files. A malformed request changes nothing.
 */
#include "config.h"

#include "system/program_keeper.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"
#include "system/fd_message.h"
#include "system/hardening_helper.h"
#include "system/hardening_helper_messages.h"
#include "system/self_spawn.h"

/* ---- the process -------------------------------------------------------- */

/* The socket to the process, and the output of the last program. */
static int sock = -1, output = -1;
static pid_t process;

static void begin(int (*run)(void))
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	process = fork();
	ck_assert_int_ge(process, 0);
	if (process == 0) {
		dup2(ends[1], STDIN_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(run());
	}
	close(ends[1]);
	sock = ends[0];
}

/* Closes the socket: the process must end. */
static void end(void)
{
	int status;

	close(sock);
	close(output);
	ck_assert_int_eq(waitpid(process, &status, 0), process);
	ck_assert_int_eq(status, 0);
}

/* ---- the keeper --------------------------------------------------------- */

static struct keeper_report report;

static void next_report(void)
{
	ck_assert_int_eq(keeper_receive(sock, &report), 0);
}

/* Sends a request to start a program. "|" separates the texts. */
static void ask(struct keeper_request request, const char *texts)
{
	int fds[3] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO}, ends[2];
	char bytes[512];
	size_t len = strlen(texts), i;

	for (i = 0; i < len; i++)
		bytes[i] = texts[i] == '|' ? '\0' : texts[i];
	ck_assert_int_eq(pipe(ends), 0);
	fds[1] = ends[1];
	ck_assert_int_eq(keeper_send(sock, &request, bytes, len, fds), 0);
	close(ends[1]);
	close(output);
	output = ends[0];
	next_report();
	ck_assert_uint_eq(report.id, request.id);
}

static void fails(struct keeper_request request, const char *texts, int step,
		  int error)
{
	ask(request, texts);
	ck_assert_uint_eq(report.kind, KEEPER_FAILED);
	ck_assert_int_eq(report.step, step);
	ck_assert_int_eq(report.error, error);
}

static void says(const char *wanted)
{
	char text[64] = "";
	size_t len = 0;
	ssize_t n;

	while ((n = read(output, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	ck_assert_str_eq(text, wanted);
}

static void begin_keeper(void)
{
	begin(keeper_main);
}

START_TEST(a_program_is_started_and_its_end_is_told)
{
	ask((struct keeper_request){.id = 7, .arguments = 3, .variables = 2},
	    "/bin/sh|/|sh|-c|echo \"$A $B\"; pwd; exit 3|A=a|B=b|");
	ck_assert_uint_eq(report.kind, KEEPER_STARTED);
	ck_assert_int_gt(report.pid, 0);
	says("a b\n/\n");
	next_report();
	ck_assert_uint_eq(report.kind, KEEPER_ENDED);
	ck_assert_uint_eq(report.id, 7);
	ck_assert_int_eq(WEXITSTATUS(report.status), 3);
}
END_TEST

START_TEST(a_program_is_killed_with_what_it_has_started)
{
	struct keeper_request request = {
		.kind = KEEPER_KILL, .id = 8, .signal = SIGTERM};

	ask((struct keeper_request){.id = 7, .arguments = 3},
	    "/bin/sh|/|sh|-c|sleep 1000 & echo x; wait|");
	ck_assert_uint_eq(report.kind, KEEPER_STARTED);
	/* A request with an unknown id kills nothing. */
	ck_assert_int_eq(keeper_send(sock, &request, "", 0, NULL), 0);
	request.id = 7;
	ck_assert_int_eq(keeper_send(sock, &request, "", 0, NULL), 0);
	next_report();
	ck_assert_uint_eq(report.kind, KEEPER_ENDED);
	ck_assert_int_eq(WTERMSIG(report.status), SIGTERM);
	/* Waits for the end of the output: no other process has the pipe
	 * open. */
	while (read(output, &(char){0}, 1) > 0)
		;
}
END_TEST

START_TEST(the_step_that_fails_is_told)
{
	const struct keeper_request one = {.id = 1, .arguments = 1};

	fails(one, "/nosuch|/|x|", KEEPER_EXECUTE, ENOENT);
	fails(one, "/|/|x|", KEEPER_EXECUTE, EACCES);
	fails(one, "/bin/true|/nosuch|x|", KEEPER_DIRECTORY, ENOENT);
	fails((struct keeper_request){.id = 2, .readable = 1, .arguments = 1},
	      "/bin/true|/|/nosuch|x|", KEEPER_READABLE, ENOENT);
}
END_TEST

START_TEST(limits_are_only_lowered)
{
	struct rlimit now;
	char wanted[32];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
	snprintf(wanted, sizeof(wanted), "%llu\n",
		 (unsigned long long)now.rlim_max);
	ask((struct keeper_request){.id = 1,
				    .arguments = 3,
				    .files = UINT64_MAX / 2},
	    "/bin/sh|/|sh|-c|ulimit -n|");
	says(wanted);
	next_report();
	ask((struct keeper_request){.id = 1, .arguments = 3, .files = 12},
	    "/bin/sh|/|sh|-c|ulimit -n|");
	says("12\n");
	next_report();
}
END_TEST

START_TEST(what_is_no_request_starts_nothing)
{
	const struct keeper_request none = {.id = 3, .arguments = 1};

	/* Texts that are incomplete, or fewer than the request says. */
	fails(none, "", KEEPER_FORK, ENOMEM);
	fails(none, "/bin/true|/|true", KEEPER_FORK, ENOMEM);
	fails(none, "/bin/true|/|", KEEPER_FORK, ENOMEM);
	fails((struct keeper_request){.id = 3, .readable = UINT32_MAX},
	      "/bin/true|/|true|", KEEPER_FORK, ENOMEM);
	fails((struct keeper_request){.id = 3, .variables = UINT32_MAX},
	      "/bin/true|/|true|", KEEPER_FORK, ENOMEM);
	/* A request without its descriptors. */
	ck_assert_int_eq(keeper_send(sock, &none, "/bin/true\0/\0x", 14, NULL),
			 0);
	next_report();
	ck_assert_uint_eq(report.kind, KEEPER_FAILED);
	ck_assert_int_eq(report.error, EMFILE);
	/* An incomplete request ends the process, as the end of lined does. */
	ck_assert_int_eq(send(sock, &none, 8, 0), 8);
	support_fails(keeper_receive(sock, &report), EPIPE);
}
END_TEST

/* ---- the helper ---------------------------------------------------------- */

static void begin_helper(void)
{
	begin(helper_main);
}

/* Sends a request to the helper. Returns the value of the answer, and sets
 * errno to its error. */
static int request(enum helper_kind kind, int number, const char *path)
{
	struct helper_request request = {.kind = (int32_t)kind,
					 .number = number};
	struct helper_answer answer;
	int fds[3];

	snprintf(request.path, sizeof(request.path), "%s", path);
	ck_assert_int_gt(send(sock, &request, sizeof(request), MSG_NOSIGNAL),
			 0);
	ck_assert_int_eq(fd_message_receive(sock, &answer, sizeof(answer), fds),
			 sizeof(answer));
	close(fds[0]);
	errno = answer.error;
	return answer.value;
}

static void refuses(enum helper_kind kind, int number, const char *path,
		    int error)
{
	ck_assert_int_eq(request(kind, number, path), -1);
	ck_assert_int_eq(errno, error);
}

START_TEST(only_sockets_and_one_file_are_removed)
{
	char dir[] = "/tmp/lined-test-XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	refuses(HELPER_REMOVE, 0, path, EPERM);
	refuses(HELPER_DEVICE, 0, path, ENODEV);
	refuses(HELPER_REMOVE, 0, dir, EPERM);
	refuses(HELPER_REMOVE, 0, "", ENOENT);
	refuses(HELPER_REMOVE, 0, "/nosuch", ENOENT);
	refuses(HELPER_REMOVE, 0, "/nosuch/socket", ENOENT);
	ck_assert_int_eq(request(HELPER_REMOVABLE, 0, path), 0);
	refuses(HELPER_REMOVABLE, 0, "/etc/passwd", EINVAL);
	ck_assert_int_eq(request(HELPER_REMOVE, 0, path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(only_lineds_own_processes_are_started)
{
	refuses(HELPER_SPAWN, SELF_HELPER, "", EINVAL);
	refuses(HELPER_SPAWN, 99, "", EINVAL);
	refuses(HELPER_SPAWN, SELF_KEEPER, "", EINVAL); /* no descriptors */
	refuses((enum helper_kind)99, 0, "", EINVAL);
	refuses(HELPER_DEVICE, 0, "/nosuch", ENOENT);
	ck_assert_int_gt(request(HELPER_MEMORY, (int)getpid(), ""), 0);
	ck_assert_int_eq(request(HELPER_MEMORY, -1, ""), -1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("keeper");
	TCase *keeper = support_case(suite, "keeper");
	TCase *helper = support_case(suite, "helper");

	tcase_add_checked_fixture(keeper, begin_keeper, end);
	tcase_add_test(keeper, a_program_is_started_and_its_end_is_told);
	tcase_add_test(keeper, a_program_is_killed_with_what_it_has_started);
	tcase_add_test(keeper, the_step_that_fails_is_told);
	tcase_add_test(keeper, limits_are_only_lowered);
	tcase_add_test(keeper, what_is_no_request_starts_nothing);
	tcase_add_checked_fixture(helper, begin_helper, end);
	tcase_add_test(helper, only_sockets_and_one_file_are_removed);
	tcase_add_test(helper, only_lineds_own_processes_are_started);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
