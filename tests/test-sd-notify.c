/* SPDX-License-Identifier: MIT */
/*
 * The notifications to the service manager, and the sockets that it passes on.
 * The manager is a datagram socket of the test. Without libsystemd no sockets
 * are taken and there is no watchdog.
 */
#include "config.h"

#include "system/inherited_sockets.h"
#include "system/sd_notify.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static char path[] = "/tmp/lined-test-notify-XXXXXX/socket";
static int manager = -1;

/* The first message opens a descriptor that stays open: send one before
 * descriptors are counted. */
static void open_once(void)
{
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
	sd_notify_ready();
	unsetenv("NOTIFY_SOCKET");
}

static void setup(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *slash = strrchr(path, '/');

	memcpy(slash - 6, "XXXXXX", 6);
	*slash = '\0';
	ck_assert_ptr_nonnull(mkdtemp(path));
	*slash = '/';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(manager, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_eq(
		bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
}

static void teardown(void)
{
	char *slash = strrchr(path, '/');

	close(manager);
	unlink(path);
	*slash = '\0';
	rmdir(path);
	*slash = '/';
	unsetenv("NOTIFY_SOCKET");
}

/* Returns all datagrams that the manager has received, a line for each, with
 * "|" for newlines within them. */
static const char *heard(void)
{
	static char text[4096];
	size_t len = 0, i;
	ssize_t n;

	while ((n = recv(manager, text + len, sizeof(text) - len - 2,
			 MSG_DONTWAIT)) >= 0) {
		for (i = len; i < len + (size_t)n; i++)
			if (text[i] == '\n')
				text[i] = '|';
		len += (size_t)n;
		text[len++] = '\n';
	}
	ck_assert_int_eq(errno, EAGAIN);
	text[len] = '\0';
	return text;
}

START_TEST(without_a_manager_nothing_is_wanted)
{
	unsetenv("NOTIFY_SOCKET");
	ck_assert(!sd_notify_is_wanted());
	sd_notify_ready();
	sd_notify_reloading();
	sd_notify_status("%d clients", 3);
	sd_notify_watchdog();
	sd_notify_stopping(0);
	ck_assert_uint_eq(sd_notify_watchdog_ms(), 0);
	ck_assert_ptr_null(inherited_take());
	inherited_free(NULL);
	ck_assert_str_eq(heard(), "");
}
END_TEST

START_TEST(each_notice_is_heard)
{
	ck_assert(sd_notify_is_wanted());
	sd_notify_ready();
	sd_notify_status("%d clients of %s", 3, "echo");
	sd_notify_watchdog();
	sd_notify_stopping(1500);
	ck_assert_str_eq(heard(), "READY=1\n"
				  "STATUS=3 clients of echo\n"
				  "WATCHDOG=1\n"
				  "STOPPING=1|EXTEND_TIMEOUT_USEC=1500000\n");
}
END_TEST

START_TEST(a_reload_says_when_it_began)
{
	uint64_t before_ms = support_now_ms(), after_ms;
	unsigned long long usec = 0;
	int used = 0;

	sd_notify_reloading();
	after_ms = support_now_ms();
	ck_assert_int_eq(sscanf(heard(), "RELOADING=1|MONOTONIC_USEC=%llu%n",
				&usec, &used),
			 1);
	ck_assert_uint_ge(usec / 1000, before_ms);
	ck_assert_uint_le(usec / 1000, after_ms);
}
END_TEST

START_TEST(a_manager_that_is_gone_is_no_harm)
{
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/nowhere/notify", 1), 0);
	sd_notify_ready();
	sd_notify_reloading();
	sd_notify_status("%s", "nobody listens");
	sd_notify_stopping(0);
}
END_TEST

/* Sends until the manager's queue is full. Returns how many messages it
 * took. */
static unsigned fill(void)
{
	unsigned sent = 0;

	while (sd_notify_flush() && sent < 100000) {
		sd_notify_ready();
		sent++;
	}
	ck_assert(!sd_notify_flush());
	return sent - 1;
}

static void drain(unsigned count)
{
	char text[64];

	while (count-- > 0)
		ck_assert_int_eq(
			recv(manager, text, sizeof(text), MSG_DONTWAIT), 7);
}

START_TEST(a_manager_that_does_not_read_is_not_waited_for)
{
	unsigned full = fill();

	/* Delayed messages are sent in order: only the last status, and no
	 * watchdog message. */
	sd_notify_status("one");
	sd_notify_status("two");
	sd_notify_watchdog();
	sd_notify_reloading();
	sd_notify_ready();
	ck_assert(!sd_notify_flush());
	drain(full);
	ck_assert(sd_notify_flush());
	sd_notify_watchdog();
	drain(1);
	ck_assert_ptr_nonnull(strstr(heard(), "STATUS=two\nRELOADING=1|"));
}
END_TEST

START_TEST(what_waits_is_sent_in_order)
{
	unsigned full = fill();
	const char *text;

	sd_notify_status("one");
	sd_notify_stopping(0);
	drain(full);
	sd_notify_status("two");
	drain(1);
	text = heard();
	ck_assert_str_eq(text, "STATUS=one\n"
			       "STOPPING=1|EXTEND_TIMEOUT_USEC=0\n"
			       "STATUS=two\n");
}
END_TEST

/* Receives a message into text. Returns the descriptor that came with it. */
static int receive(char *text, size_t size)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {text, size - 1};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(manager, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd = -1;

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	if (CMSG_FIRSTHDR(&message) != NULL)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 &&
	       one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

START_TEST(a_descriptor_is_given_to_be_kept)
{
	unsigned late = _i == 1 ? fill() : 0;
	char text[128];
	int fds[2], got;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	sd_notify_store("lined tcp 127.0.0.1%3A7007", fds[0]);
	sd_notify_unstore("another");
	drain(late);
	ck_assert(sd_notify_flush());
	drain(late > 0);
	got = receive(text, sizeof(text));
	ck_assert_str_eq(text, "FDSTORE=1\n"
			       "FDNAME=lined tcp 127.0.0.1%3A7007");
	ck_assert_int_ge(got, 0);
	ck_assert(same_file(got, fds[0]));
	close(got);
	ck_assert_int_eq(receive(text, sizeof(text)), -1);
	ck_assert_str_eq(text, "FDSTOREREMOVE=1\nFDNAME=another");
	close(fds[0]);
	close(fds[1]);
	ck_assert(sd_notify_settle());
	got = receive(text, sizeof(text));
	ck_assert_str_eq(text, "BARRIER=1");
	close(got);
	/* Only the first call has something to send. */
	ck_assert(!sd_notify_settle());
}
END_TEST

START_TEST(descriptors_are_kept_where_the_manager_says_so)
{
	unsetenv("FDSTORE");
	ck_assert(!sd_notify_can_store());
	ck_assert_int_eq(setenv("FDSTORE", "0", 1), 0);
	ck_assert(!sd_notify_can_store());
	ck_assert_int_eq(setenv("FDSTORE", "16", 1), 0);
	ck_assert(sd_notify_can_store());
	unsetenv("NOTIFY_SOCKET");
	ck_assert(!sd_notify_can_store());
	unsetenv("FDSTORE");
}
END_TEST

START_TEST(an_abstract_manager_hears_too)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length, path_socket = manager;

	length = snprintf(address.sun_path, sizeof(address.sun_path),
			  "@lined-test-notify-%d", (int)getpid());
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
	address.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
		bind(manager, (struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				 (size_t)length)),
		0);
	sd_notify_ready();
	ck_assert_str_eq(heard(), "READY=1\n");
	close(manager);
	manager = path_socket;
}
END_TEST

START_TEST(it_is_told_with_all_descriptors_in_use)
{
	struct rlimit before, few;
	int fds[64], count = 0;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (count < 64 && (fds[count] = dup(manager)) >= 0)
		count++;
	ck_assert_int_eq(errno, EMFILE);
	sd_notify_watchdog();
	sd_notify_watchdog();
	while (count > 0)
		close(fds[--count]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_str_eq(heard(), "WATCHDOG=1\nWATCHDOG=1\n");
}
END_TEST

#ifdef HAVE_LIBSYSTEMD

START_TEST(the_watchdogs_interval_is_ours_alone)
{
	char pid[32];

	ck_assert_int_eq(setenv("WATCHDOG_USEC", "30000000", 1), 0);
	ck_assert_uint_eq(sd_notify_watchdog_ms(), 30000);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	ck_assert_int_eq(setenv("WATCHDOG_PID", pid, 1), 0);
	ck_assert_uint_eq(sd_notify_watchdog_ms(), 30000);
	/* The watchdog is for another process. */
	snprintf(pid, sizeof(pid), "%d", (int)getpid() + 1);
	ck_assert_int_eq(setenv("WATCHDOG_PID", pid, 1), 0);
	ck_assert_uint_eq(sd_notify_watchdog_ms(), 0);
	ck_assert_int_eq(setenv("WATCHDOG_USEC", "junk", 1), 0);
	unsetenv("WATCHDOG_PID");
	ck_assert_uint_eq(sd_notify_watchdog_ms(), 0);
	unsetenv("WATCHDOG_USEC");
}
END_TEST

/* ---- sockets that are passed on -------------------------------------- */

/*
 * The test framework uses the descriptors from 3 on; a child process may
 * overwrite them. The child's exit code is 0, or the line of the failed
 * condition.
 */
#define EXPECT(condition)                                                      \
	do {                                                                   \
		if (!(condition))                                              \
			_exit(__LINE__ > 255 ? __LINE__ - 200 : __LINE__);     \
	} while (0)

static void pass_on(const char *count, const char *names, int pid)
{
	char text[32];

	EXPECT(dup2(manager, 3) == 3 && dup2(manager, 4) == 4);
	snprintf(text, sizeof(text), "%d", pid);
	EXPECT(setenv("LISTEN_PID", text, 1) == 0);
	EXPECT(setenv("LISTEN_FDS", count, 1) == 0);
	if (names != NULL)
		EXPECT(setenv("LISTEN_FDNAMES", names, 1) == 0);
}

static void expect_child(void (*run)(void))
{
	int status = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		run();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_msg(WEXITSTATUS(status) == 0, "line %d (or 200 on)",
		      WEXITSTATUS(status));
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void take_two(void)
{
	struct inherited *inherited;

	pass_on("2", "echo:lobby", (int)getpid());
	inherited = inherited_take();
	EXPECT(inherited != NULL && inherited->count == 2);
	EXPECT(inherited->items[0].fd == 3);
	EXPECT(strcmp(inherited->items[0].name, "echo") == 0);
	EXPECT(inherited->items[1].fd == 4);
	EXPECT(strcmp(inherited->items[1].name, "lobby") == 0);
	EXPECT((fcntl(3, F_GETFD) & FD_CLOEXEC) != 0);
	EXPECT((fcntl(4, F_GETFD) & FD_CLOEXEC) != 0);
	/* The sockets are taken only once: no program that we start takes them
	 * again. */
	EXPECT(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_PID") == NULL &&
	       getenv("LISTEN_FDNAMES") == NULL);
	EXPECT(inherited_take() == NULL);
	inherited_free(inherited);
	EXPECT(!is_open(3) && !is_open(4));
}

static void take_nameless(void)
{
	struct inherited *inherited;

	pass_on("1", NULL, (int)getpid());
	inherited = inherited_take();
	EXPECT(inherited != NULL && inherited->count == 1);
	EXPECT(strcmp(inherited->items[0].name, "unknown") == 0);
	inherited_free(inherited);
}

static void take_anothers(void)
{
	pass_on("2", "echo:lobby", (int)getpid() + 1);
	EXPECT(inherited_take() == NULL);
	EXPECT(is_open(3) && is_open(4));
}

static void take_junk(void)
{
	pass_on("many", "echo", (int)getpid());
	EXPECT(inherited_take() == NULL);
	EXPECT(setenv("LISTEN_FDS", "-1", 1) == 0);
	EXPECT(inherited_take() == NULL);
}

static void (*const takers[])(void) = {take_two, take_nameless, take_anothers,
				       take_junk};

START_TEST(sockets_are_taken_by_name_where_they_are_ours)
{
	expect_child(takers[_i]);
}
END_TEST

#endif

static Suite *notify_suite(void)
{
	Suite *suite = suite_create("notify");
	TCase *tc = support_case(suite, "notify");

	tcase_add_unchecked_fixture(tc, open_once, NULL);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, without_a_manager_nothing_is_wanted);
	tcase_add_test(tc, each_notice_is_heard);
	tcase_add_test(tc, a_reload_says_when_it_began);
	tcase_add_test(tc, a_manager_that_is_gone_is_no_harm);
	tcase_add_test(tc, a_manager_that_does_not_read_is_not_waited_for);
	tcase_add_test(tc, what_waits_is_sent_in_order);
	tcase_add_loop_test(tc, a_descriptor_is_given_to_be_kept, 0, 2);
	tcase_add_test(tc, descriptors_are_kept_where_the_manager_says_so);
	tcase_add_test(tc, an_abstract_manager_hears_too);
	tcase_add_test(tc, it_is_told_with_all_descriptors_in_use);
#ifdef HAVE_LIBSYSTEMD
	tcase_add_test(tc, the_watchdogs_interval_is_ours_alone);
	tcase_add_loop_test(tc, sockets_are_taken_by_name_where_they_are_ours,
			    0, sizeof(takers) / sizeof(takers[0]));
#endif
	return suite;
}

int main(void)
{
	return support_main_once(notify_suite);
}
