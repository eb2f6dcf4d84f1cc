/* SPDX-License-Identifier: MIT */
/*
 * The log: messages and targets, and that no thread waits for its reader. While
 * a test runs, stderr is a pipe or a terminal of the test, and /dev/log is the
 * test's own socket.
 */
#include "config.h"

#include "log/log.h"

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "log/log_thread.h"
#include "support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- a /dev/log of our own ------------------------------------------- */

static int syslog_reader = -1; /* -1: there is no /dev/log */
static struct sockaddr_un syslog_address = {.sun_family = AF_UNIX};
static char syslog_text[4096];

/* Connections to /dev/log go to the test's socket. */
int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	const struct sockaddr_un *to = (const struct sockaddr_un *)address;

	if (to->sun_family == AF_UNIX && strcmp(to->sun_path, "/dev/log") == 0)
		return (int)syscall(SYS_connect, fd, &syslog_address,
				    sizeof(syslog_address));
	return (int)syscall(SYS_connect, fd, address, len);
}

static void serve_syslog(int type)
{
	static const struct timeval patience = {.tv_sec = 10};

	snprintf(syslog_address.sun_path, sizeof(syslog_address.sun_path),
		 "/tmp/lined-test-log-%ld", (long)getpid());
	syslog_reader = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(syslog_reader, 0);
	ck_assert_int_eq(bind(syslog_reader, (struct sockaddr *)&syslog_address,
			      sizeof(syslog_address)),
			 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(syslog_reader, 1), 0);
	setsockopt(syslog_reader, SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
}

static void end_syslog(void)
{
	close(syslog_reader);
	unlink(syslog_address.sun_path);
}

/* The next record without time and process: "<157>lined: text". */
static const char *read_syslog(int fd)
{
	ssize_t n = recv(fd, syslog_text, sizeof(syslog_text) - 1, 0);
	char *head, *name, *process, *text;

	ck_assert_int_gt(n, 0);
	syslog_text[n] = '\0';
	head = strchr(syslog_text, '>');
	ck_assert_ptr_nonnull(head);
	/* "Nov  9 12:00:00 " */
	name = head + 1 + 16;
	process = strchr(name, '[');
	ck_assert_ptr_nonnull(process);
	ck_assert_int_eq(strtol(process + 1, &text, 10), getpid());
	memmove(process, text + 1, strlen(text));
	memmove(head + 1, name, strlen(name) + 1);
	return syslog_text;
}

/* ---- a stderr of our own --------------------------------------------- */

static int true_stderr = -1;
static int out = -1; /* where stderr can be read */
static char got[1 << 20];

static void use_stderr(int fd, int read_end)
{
	true_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(true_stderr, 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	out = read_end;
}

static void use_pipe(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	use_stderr(fds[1], fds[0]);
}

static void end_stderr(void)
{
	if (true_stderr < 0)
		return;
	dup2(true_stderr, STDERR_FILENO);
	close(true_stderr);
	true_stderr = -1;
}

/* Everything that went to stderr; it is the old one again afterwards. */
static const char *read_all(void)
{
	size_t len = 0;
	ssize_t n;

	end_stderr();
	while (len < sizeof(got) - 1 &&
	       (n = read(out, got + len, sizeof(got) - 1 - len)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	close(out);
	out = -1;
	return got;
}

/* Reads on where it stopped; at the end of what came so far it waits. */
static void read_more(size_t *len)
{
	ssize_t n;

	support_wait_readable(out);
	n = read(out, got + *len, sizeof(got) - 1 - *len);
	ck_assert_int_gt(n, 0);
	*len += (size_t)n;
	got[*len] = '\0';
}

/* Reads stderr until this is in it. */
static const char *read_until(const char *text)
{
	size_t len = 0;

	do {
		read_more(&len);
	} while (strstr(got, text) == NULL);
	return got;
}

static unsigned count_of(const char *text, const char *part)
{
	unsigned count = 0;

	while ((text = strstr(text, part)) != NULL) {
		count++;
		text += strlen(part);
	}
	return count;
}

static void open_to(enum log_target target, enum lined_log_level level)
{
	const struct log_settings settings = {
		.target = target,
		.facility = LOG_LOCAL3,
		.level = level,
		.ident = "lined",
	};

	ck_assert_int_eq(log_open(&settings), 0);
}

static void open_stderr(void)
{
	open_to(LOG_TARGET_STDERR, LINED_LOG_INFO);
}

/* ---- words ----------------------------------------------------------- */

START_TEST(words_are_known_and_others_are_not)
{
	static const char *const levels[] = {"err", "warning", "notice", "info",
					     "debug"};
	size_t i;

	for (i = 0; i < COUNT(levels); i++) {
		ck_assert_int_eq(log_level_from_text(levels[i]), 3 + (int)i);
		ck_assert_str_eq(log_level_text(3 + (int)i), levels[i]);
	}
	ck_assert_int_eq(log_level_from_text("loud"), -1);
	ck_assert_int_eq(log_level_from_text(""), -1);
	ck_assert_int_eq(log_target_from_text("auto"), LOG_TARGET_AUTO);
	ck_assert_int_eq(log_target_from_text("stderr"), LOG_TARGET_STDERR);
	ck_assert_int_eq(log_target_from_text("syslog"), LOG_TARGET_SYSLOG);
	ck_assert_int_eq(log_target_from_text("nowhere"), -1);
}
END_TEST

/* ---- where messages go ----------------------------------------------- */

START_TEST(before_it_is_open_messages_go_to_stderr_at_once)
{
	use_pipe();
	unsetenv("JOURNAL_STREAM");
	log_err("lined.conf:3: no such key: %s", "nubmer");
	log_debug("not this");
	ck_assert_str_eq(read_all(), "lined.conf:3: no such key: nubmer\n");
}
END_TEST

START_TEST(before_it_is_open_the_journal_gets_priorities)
{
	char stream[64];
	struct stat st;

	use_pipe();
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_err("one");
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_err("two");
	unsetenv("JOURNAL_STREAM");
	ck_assert_str_eq(read_all(), "<3>one\ntwo\n");
}
END_TEST

START_TEST(lines_on_stderr_have_their_priority)
{
	use_pipe();
	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	log_err("a %d", 1);
	log_warning("b");
	log_notice("c");
	log_info("d");
	log_debug("e");
	log_close();
	ck_assert_str_eq(read_all(), "<3>a 1\n<4>b\n<5>c\n<6>d\n<7>e\n");
}
END_TEST

START_TEST(lines_on_a_terminal_are_plain)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	enum log_target target = _i == 0 ? LOG_TARGET_STDERR : LOG_TARGET_AUTO;

	ck_assert_int_ge(terminal, 0);
	ck_assert_int_eq(grantpt(terminal), 0);
	ck_assert_int_eq(unlockpt(terminal), 0);
	use_stderr(open(ptsname(terminal), O_RDWR | O_NOCTTY), terminal);
	open_to(target, LINED_LOG_INFO);
	log_warning("readable");
	ck_assert_str_eq(read_until("\n"), "readable\r\n");
	log_close();
	end_stderr();
	close(terminal);
}
END_TEST

START_TEST(auto_without_a_terminal_is_syslog)
{
	serve_syslog(SOCK_DGRAM);
	use_pipe();
	unsetenv("JOURNAL_STREAM");
	open_to(LOG_TARGET_AUTO, LINED_LOG_INFO);
	log_notice("to %s", "syslog");
	log_close();
	ck_assert_str_eq(read_all(), "");
	ck_assert_str_eq(read_syslog(syslog_reader), "<157>lined: to syslog");
	ck_assert_int_eq(LOG_LOCAL3 | LOG_NOTICE, 157);
	end_syslog();
}
END_TEST

START_TEST(a_stream_of_syslog_gets_records_that_end_in_nul)
{
	int fd;

	serve_syslog(SOCK_STREAM);
	use_pipe();
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_INFO);
	log_notice("one");
	log_close();
	/* Also to find out whether it is there, in other tests. */
	fd = accept(syslog_reader, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(read_syslog(fd), "<157>lined: one");
	ck_assert_int_eq(recv(fd, got, 1, 0), 0);
	close(fd);
	read_all();
	end_syslog();
}
END_TEST

/* "2026-11-29T12:00:00.123Z LEVEL: " */
#define TIME_LEN 24

static void expect_plain(const char *line, const char *rest)
{
	static const char like[] = "2026-11-29T12:00:00.123Z";
	size_t i;

	ck_assert_uint_gt(strlen(line), TIME_LEN);
	for (i = 0; i < TIME_LEN; i++)
		ck_assert_msg(isdigit((unsigned char)like[i])
				      ? isdigit((unsigned char)line[i]) != 0
				      : line[i] == like[i],
			      "%s", line);
	ck_assert_str_eq(line + TIME_LEN, rest);
}

START_TEST(auto_without_terminal_and_syslog_is_stderr_with_the_time)
{
	use_pipe();
	unsetenv("JOURNAL_STREAM");
	log_copy_errors(true);
	open_to(LOG_TARGET_AUTO, LINED_LOG_INFO);
	log_err("to stderr");
	log_close();
	expect_plain(read_all(), " err: to stderr\n");
	ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

START_TEST(the_format_is_as_set)
{
	struct log_settings settings = {.target = LOG_TARGET_STDERR,
					.facility = LOG_DAEMON,
					.level = LINED_LOG_INFO,
					.ident = "lined"};

	use_pipe();
	settings.format = _i == 0 ? LOG_FORMAT_PLAIN : LOG_FORMAT_PRIORITY;
	settings.target = _i == 0 ? LOG_TARGET_STDERR : LOG_TARGET_AUTO;
	ck_assert_int_eq(log_open(&settings), 0);
	log_warning("degraded");
	log_close();
	read_all();
	if (_i == 0)
		expect_plain(got, " warning: degraded\n");
	else
		ck_assert_str_eq(got, "<4>degraded\n");
}
END_TEST

START_TEST(what_syslog_does_not_take_is_counted_and_told)
{
	use_pipe();
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_INFO);
	log_notice("lost");
	while (log_lost() == 0)
		sched_yield();
	serve_syslog(SOCK_DGRAM);
	log_notice("taken");
	/* The count may still have been on its way. */
	if (strcmp(read_syslog(syslog_reader), "<157>lined: taken") == 0) {
		ck_assert_str_eq(read_syslog(syslog_reader),
				 "<156>lined: log: 1 messages dropped");
	} else {
		ck_assert_str_eq(syslog_text,
				 "<156>lined: log: 1 messages dropped");
		ck_assert_str_eq(read_syslog(syslog_reader),
				 "<157>lined: taken");
	}
	/* A reader that was restarted is found again. */
	end_syslog();
	serve_syslog(SOCK_DGRAM);
	log_notice("again");
	ck_assert_str_eq(read_syslog(syslog_reader), "<157>lined: again");
	log_close();
	ck_assert_uint_eq(log_lost(), 1);
	ck_assert_str_eq(read_all(), "");
	end_syslog();
}
END_TEST

START_TEST(auto_goes_on_at_stderr_when_syslog_ends)
{
	serve_syslog(SOCK_DGRAM);
	use_pipe();
	unsetenv("JOURNAL_STREAM");
	open_to(LOG_TARGET_AUTO, LINED_LOG_INFO);
	log_notice("one");
	ck_assert_str_eq(read_syslog(syslog_reader), "<157>lined: one");
	end_syslog();
	log_notice("two");
	log_close();
	expect_plain(read_all(), " notice: two\n");
	ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

START_TEST(opening_it_again_moves_it)
{
	serve_syslog(SOCK_DGRAM);
	use_pipe();
	open_stderr();
	log_notice("one");
	read_until("one");
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_ERR);
	log_notice("not this");
	log_err("two");
	log_close();
	log_err("three");
	ck_assert_str_eq(read_all(), "three\n");
	ck_assert_str_eq(read_syslog(syslog_reader), "<155>lined: two");
	end_syslog();
}
END_TEST

START_TEST(errors_of_the_start_are_copied_to_stderr)
{
	serve_syslog(SOCK_DGRAM);
	use_pipe();
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_INFO);
	log_copy_errors(true);
	log_warning("degraded");
	log_err("lost");
	log_copy_errors(false);
	log_err("later");
	log_close();
	ck_assert_str_eq(read_all(), "lost\n");
	ck_assert_str_eq(read_syslog(syslog_reader), "<156>lined: degraded");
	ck_assert_str_eq(read_syslog(syslog_reader), "<155>lined: lost");
	ck_assert_str_eq(read_syslog(syslog_reader), "<155>lined: later");
	end_syslog();
}
END_TEST

START_TEST(errors_of_the_start_are_once_in_the_journal)
{
	char stream[64];
	struct stat st;

	serve_syslog(SOCK_DGRAM);
	use_pipe();
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_INFO);
	log_copy_errors(true);
	log_err("lost");
	log_copy_errors(false);
	log_close();
	unsetenv("JOURNAL_STREAM");
	ck_assert_str_eq(read_syslog(syslog_reader), "<155>lined: lost");
	ck_assert_str_eq(read_all(), "");
	end_syslog();
}
END_TEST

/* ---- messages -------------------------------------------------------- */

static int evaluated;

static int evaluate(void)
{
	return ++evaluated;
}

START_TEST(the_level_is_kept_to_and_spares_the_arguments)
{
	use_pipe();
	open_to(LOG_TARGET_STDERR, LINED_LOG_WARNING);
	log_notice("%d", evaluate());
	log_each(LINED_LOG_NOTICE, "not this either");
	ck_assert_int_eq(evaluated, 0);
	log_set_level(LINED_LOG_NOTICE);
	log_notice("%d", evaluate());
	log_info("%d", evaluate());
	log_close();
	ck_assert_str_eq(read_all(), "<5>1\n");
}
END_TEST

START_TEST(no_control_byte_leaves_whatever_the_message_holds)
{
	use_pipe();
	open_stderr();
	log_err("client 7: \x1b[31m%s\xc2\x9b", "a\n<0>b\x7f\\");
	log_close();
	ck_assert_str_eq(read_all(),
			 "<3>client 7: \\x1b[31ma\\n<0>b\\x7f\\\\xc2\\x9b\n");
}
END_TEST

START_TEST(a_long_message_is_cut_and_says_so)
{
	char text[3000];
	const char *line;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	use_pipe();
	open_stderr();
	log_err("%s", text);
	text[LOG_TEXT_MAX - 1] = '\0';
	log_err("%s", text);
	log_close();
	line = read_all();
	ck_assert_uint_eq(strchr(line, '\n') - line, 3 + LOG_TEXT_MAX - 1);
	ck_assert_int_eq(strncmp(strchr(line, '\n') - 4, "x...", 4), 0);
	/* One that just fits is whole. */
	ck_assert_uint_eq(strlen(line), 2 * (3 + LOG_TEXT_MAX));
	ck_assert_str_eq(line + strlen(line) - 4, "xxx\n");
}
END_TEST

START_TEST(errno_is_kept)
{
	use_pipe();
	errno = EXDEV;
	log_err("before");
	ck_assert_int_eq(errno, EXDEV);
	open_stderr();
	ck_assert_int_eq(errno, EXDEV);
	log_err("while");
	ck_assert_int_eq(errno, EXDEV);
	log_close();
	ck_assert_int_eq(errno, EXDEV);
	read_all();
}
END_TEST

/* ---- repeats --------------------------------------------------------- */

START_TEST(repeats_are_counted_and_the_count_is_told)
{
	const char *text;
	int i;

	use_pipe();
	open_stderr();
	for (i = 0; i < 50; i++)
		log_warning("refused: client %d", i);
	log_warning("something else");
	log_close();
	text = read_all();
	ck_assert_uint_eq(count_of(text, "<4>refused"), 20);
	ck_assert_uint_eq(count_of(text, "something else"), 1);
	ck_assert_ptr_nonnull(strstr(text, "<4>30 similar messages suppressed: "
					   "refused: client 20\n"));
}
END_TEST

START_TEST(the_count_comes_by_itself_when_the_time_is_over)
{
	uint64_t start_ms;
	int i;

	use_pipe();
	open_stderr();
	start_ms = support_now_ms();
	for (i = 0; i < 21; i++)
		log_warning("refused");
	read_until("<4>1 similar messages suppressed: refused\n");
	ck_assert_uint_ge(support_now_ms() - start_ms, 4900);
	log_close();
	read_all();
}
END_TEST

START_TEST(connections_may_be_more_and_debug_is_never_suppressed)
{
	const char *text;
	int i;

	use_pipe();
	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	for (i = 0; i < 120; i++) {
		log_info("connection");
		log_debug("line");
		log_each(LINED_LOG_ERR, "fault");
	}
	log_close();
	text = read_all();
	ck_assert_uint_eq(count_of(text, "<6>connection"), 100);
	ck_assert_uint_eq(count_of(text, "<6>20 similar"), 1);
	ck_assert_uint_eq(count_of(text, "<7>line"), 120);
	ck_assert_uint_eq(count_of(text, "<3>fault"), 120);
}
END_TEST

START_TEST(a_wrapper_names_the_kind)
{
	static const char one[] = "one", two[] = "two";
	const char *text;
	int i;

	use_pipe();
	open_stderr();
	for (i = 0; i < 30; i++)
		log_msg_of(_i == 0 ? one
			   : i % 2 ? one
				   : two,
			   LINED_LOG_ERR, "service x: %d", i);
	log_close();
	text = read_all();
	ck_assert_uint_eq(count_of(text, "<3>service"), _i == 0 ? 20 : 30);
}
END_TEST

static const char *log_refusals(const char *service, const char *peer,
				const char *reason, unsigned count)
{
	while (count-- > 0)
		log_msg_of(reason, LINED_LOG_INFO, "service %s: refused %s: %s",
			   service, peer, reason);
	return reason;
}

START_TEST(no_service_reason_or_address_hides_another)
{
	static const char access[] = "access", clients[] = "clients";
	const char *text;
	int i;

	use_pipe();
	open_stderr();
	log_refusals("a", "192.0.2.1:5", access, 150);
	log_refusals("a", "192.0.2.1:6", access, 150);
	log_refusals("a", "192.0.2.1:5", clients, 1);
	log_refusals("a", "192.0.2.2:5", access, 1);
	log_refusals("b", "192.0.2.1:5", access, 1);
	for (i = 0; i < 40; i++)
		log_warning("service c: client 1 192.0.2.%d:5: no", i < 39);
	log_close();
	text = read_all();
	/* The limit is for an address with any port. */
	ck_assert_uint_eq(
		count_of(text, "<6>service a: refused 192.0.2.1:5: access"),
		100);
	ck_assert_uint_eq(count_of(text, "<6>service a: refused 192.0.2.1:6"),
			  0);
	ck_assert_uint_eq(count_of(text, "<6>200 similar messages suppressed: "
					 "service a: refused 192.0.2.1:5: "
					 "access\n"),
			  1);
	ck_assert_uint_eq(
		count_of(text, "<6>service a: refused 192.0.2.1:5: clients\n"),
		1);
	ck_assert_uint_eq(count_of(text, "<6>service a: refused 192.0.2.2:5"),
			  1);
	ck_assert_uint_eq(count_of(text, "<6>service b: refused 192.0.2.1:5"),
			  1);
	ck_assert_uint_eq(count_of(text, "<4>service c: client 1 192.0.2.0:5"),
			  1);
}
END_TEST

START_TEST(many_addresses_do_not_fill_the_log)
{
	static const char access[] = "access";
	char peer[64];
	const char *text;
	int i;

	use_pipe();
	open_stderr();
	for (i = 0; i < 1000; i++) {
		snprintf(peer, sizeof(peer), "10.0.%d.%d:5", i / 250, i % 250);
		log_refusals("a", peer, access, 1);
	}
	/* One network is one address. */
	for (i = 0; i < 200; i++) {
		snprintf(peer, sizeof(peer), "[2001:db8::%x]:5", i + 1);
		log_refusals("b", peer, access, 1);
	}
	log_refusals("b", "[2001:db8:0:1::1]:5", access, 1);
	log_close();
	text = read_all();
	ck_assert_uint_eq(count_of(text, "<6>service a: refused "), 300);
	ck_assert_uint_eq(count_of(text, "<6>700 similar messages suppressed: "
					 "service a: refused 10.0.1.50:5"),
			  1);
	ck_assert_uint_eq(count_of(text, "<6>service b: refused [2001:db8::"),
			  100);
	ck_assert_uint_eq(
		count_of(text, "<6>service b: refused [2001:db8:0:1::1]"), 1);
}
END_TEST

/* ---- threads and readers --------------------------------------------- */

/* So many that the buffer holds them all, should the thread come late. */
#define THREADS    4
#define PER_THREAD 1000

static void *log_a_lot(void *arg)
{
	int i;

	for (i = 0; i < PER_THREAD; i++)
		log_debug("thread %d message %d end", *(int *)arg, i);
	return NULL;
}

/* Each line whole, each thread's in its order. */
static void expect_in_order(char *text)
{
	int next[THREADS] = {0}, thread, number, used;
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		used = 0;
		ck_assert_int_eq(sscanf(line, "<7>thread %d message %d end%n",
					&thread, &number, &used),
				 2);
		ck_assert_uint_eq((size_t)used, strlen(line));
		ck_assert_int_eq(number, next[thread]++);
	}
	for (thread = 0; thread < THREADS; thread++)
		ck_assert_int_eq(next[thread], PER_THREAD);
}

START_TEST(lines_of_many_threads_stay_whole_and_in_order)
{
	static int numbers[THREADS] = {0, 1, 2, 3};
	pthread_t threads[THREADS];
	char name[] = "/tmp/lined-test-log-XXXXXX";
	int i, fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	unlink(name);
	/* A file, so that nothing needs to be dropped or read meanwhile. */
	use_stderr(dup(fd), fd);
	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, log_a_lot,
						&numbers[i]),
				 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	log_close();
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_ptr_null(strstr(read_all(), "dropped"));
	expect_in_order(got);
}
END_TEST

struct ticks {
	unsigned count; /* so far */
	unsigned soon;  /* how many of them come at once */
	pthread_t thread;
};

static uint32_t count_tick(void *arg)
{
	struct ticks *ticks = arg;

	ticks->thread = pthread_self();
	ticks->count++;
	log_info("tick %u", ticks->count);
	return ticks->count < ticks->soon ? 1 : 3600 * 1000;
}

START_TEST(ticks_come_on_another_thread_until_they_are_taken_back)
{
	struct ticks ticks = {.soon = 3};

	use_pipe();
	open_stderr();
	log_tick(0, count_tick, &ticks);
	ck_assert_str_eq(read_until("tick 3\n"),
			 "<6>tick 1\n<6>tick 2\n<6>tick 3\n");
	log_tick(0, NULL, NULL);
	ck_assert_uint_eq(ticks.count, 3);
	ck_assert(!pthread_equal(ticks.thread, pthread_self()));
	log_info("others go on");
	read_until("<6>others go on\n");
	log_tick(0, count_tick, &ticks);
	read_until("<6>tick 4\n");
	log_close();
	read_all();
}
END_TEST

struct nap {
	atomic_uint count;
	atomic_bool inside;
};

static uint32_t take_a_nap(void *arg)
{
	const struct timespec millisecond = {0, 1000000};
	struct nap *nap = arg;

	atomic_store(&nap->inside, true);
	atomic_fetch_add(&nap->count, 1);
	nanosleep(&millisecond, NULL);
	atomic_store(&nap->inside, false);
	return 0;
}

START_TEST(a_tick_that_was_taken_back_is_over)
{
	struct nap nap = {0};
	unsigned i, count;

	use_pipe();
	open_stderr();
	for (i = 0; i < 50; i++) {
		log_tick(0, take_a_nap, &nap);
		while (atomic_load(&nap.count) <= i)
			sched_yield();
		log_tick(0, NULL, NULL);
		ck_assert(!atomic_load(&nap.inside));
		count = atomic_load(&nap.count);
		ck_assert_uint_gt(count, i);
		atomic_store(&nap.count, i + 1);
	}
	log_close();
	read_all();
}
END_TEST

/* The number of messages in the text, and of those that its notices report as
 * dropped. */
static unsigned long long accounted_for(const char *text)
{
	unsigned long long sum = count_of(text, "<7>message");

	while ((text = strstr(text, "<4>log: ")) != NULL) {
		text += strlen("<4>log: ");
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

START_TEST(what_is_dropped_is_counted)
{
	size_t len = 0;
	int i;

	use_pipe();
	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	for (i = 0; i < 20000; i++)
		log_debug("message %05d %0100d", i, 0);
	/* Twice the buffer and the pipe are full; now somebody reads. */
	do {
		read_more(&len);
	} while (accounted_for(got) < 20000);
	ck_assert_uint_eq(accounted_for(got), 20000);
	ck_assert_ptr_nonnull(strstr(got, "messages dropped"));
	log_close();
	ck_assert_uint_eq(accounted_for(read_all()), 0);
}
END_TEST

START_TEST(clients_do_not_crowd_out_what_is_wrong)
{
	int i;

	use_pipe();
	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	for (i = 0; i < 20000; i++)
		log_debug("message %05d %0100d", i, 0);
	log_err("the end is near");
	read_until("<3>the end is near\n");
	log_close();
	read_all();
}
END_TEST

static unsigned thread_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

START_TEST(a_reader_that_never_reads_holds_nobody_up)
{
	uint64_t start_ms, took_ms;
	unsigned threads;
	int i, null;

	use_pipe();
	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	start_ms = support_now_ms();
	for (i = 0; i < 20000; i++)
		log_debug("%0100d", i);
	log_close();
	took_ms = support_now_ms() - start_ms;
	ck_assert_uint_ge(took_ms, 1900);
	ck_assert_uint_lt(took_ms, 8000);
	/* And what follows does not wait either. */
	log_err("last words");
	ck_assert_uint_lt(support_now_ms() - start_ms, 8000);
	/* Once it is read the thread comes back, and goes. */
	threads = thread_count();
	null = open("/dev/null", O_WRONLY);
	ck_assert_int_eq(dup2(null, STDERR_FILENO), STDERR_FILENO);
	close(null);
	while (read(out, got, sizeof(got)) > 0)
		ck_assert_ptr_null(memmem(got, sizeof(got), "last words", 10));
	while (thread_count() == threads)
		ck_assert_uint_lt(support_now_ms() - start_ms, 20000);
	read_all();
}
END_TEST

START_TEST(a_reader_that_is_gone_kills_nobody)
{
	use_pipe();
	ck_assert_ptr_eq(signal(SIGPIPE, SIG_DFL), SIG_IGN);
	close(out);
	open_stderr();
	log_err("to nobody");
	log_close();
	end_stderr();
	signal(SIGPIPE, SIG_IGN);
}
END_TEST

START_TEST(a_stderr_that_does_not_block_gets_everything)
{
	const char *text;
	int i;

	use_pipe();
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
	open_to(LOG_TARGET_STDERR, LINED_LOG_DEBUG);
	for (i = 0; i < 1000; i++)
		log_debug("%0100d", i);
	text = read_until("999\n");
	ck_assert_uint_eq(count_of(text, "\n"), 1000);
	log_close();
	read_all();
}
END_TEST

START_TEST(the_thread_takes_no_signals)
{
	sigset_t set, pending;

	use_pipe();
	open_stderr();
	log_err("it runs");
	read_until("it runs");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	/* Were there a thread to take it, it would end the process. */
	ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
	log_err("still");
	read_until("still");
	ck_assert_int_eq(sigpending(&pending), 0);
	ck_assert_int_eq(sigismember(&pending, SIGUSR1), 1);
	signal(SIGUSR1, SIG_IGN);
	log_close();
	read_all();
}
END_TEST

START_TEST(without_a_thread_messages_are_written_all_the_same)
{
	pthread_attr_t attr, before;
	const char *text;
	int i;

	/* Such a stack cannot be had. */
	ck_assert_int_eq(pthread_getattr_default_np(&before), 0);
	ck_assert_int_eq(pthread_attr_init(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, (size_t)1 << 47), 0);
	ck_assert_int_eq(pthread_setattr_default_np(&attr), 0);
	use_pipe();
	open_stderr();
	ck_assert_int_eq(pthread_setattr_default_np(&before), 0);
	for (i = 0; i < 22; i++)
		log_err("alone");
	text = read_until("alone\n");
	serve_syslog(SOCK_DGRAM);
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_INFO);
	log_notice("moved");
	ck_assert_str_eq(read_syslog(syslog_reader), "<157>lined: moved");
	log_close();
	ck_assert_uint_eq(count_of(text, "<3>alone\n"), 20);
	ck_assert_ptr_nonnull(
		strstr(read_syslog(syslog_reader), "2 similar messages"));
	end_syslog();
	read_all();
	pthread_attr_destroy(&attr);
	pthread_attr_destroy(&before);
}
END_TEST

static Suite *log_suite(void)
{
	Suite *suite = suite_create("log");
	TCase *tc;

	tc = support_case(suite, "text");
	tcase_add_test(tc, words_are_known_and_others_are_not);

	tc = support_case(suite, "targets");
	tcase_add_test(tc, before_it_is_open_messages_go_to_stderr_at_once);
	tcase_add_test(tc, before_it_is_open_the_journal_gets_priorities);
	tcase_add_test(tc, lines_on_stderr_have_their_priority);
	tcase_add_loop_test(tc, lines_on_a_terminal_are_plain, 0, 2);
	tcase_add_test(tc, auto_without_a_terminal_is_syslog);
	tcase_add_test(tc, a_stream_of_syslog_gets_records_that_end_in_nul);
	tcase_add_test(
		tc, auto_without_terminal_and_syslog_is_stderr_with_the_time);
	tcase_add_loop_test(tc, the_format_is_as_set, 0, 2);
	tcase_add_test(tc, what_syslog_does_not_take_is_counted_and_told);
	tcase_add_test(tc, auto_goes_on_at_stderr_when_syslog_ends);
	tcase_add_test(tc, opening_it_again_moves_it);
	tcase_add_test(tc, errors_of_the_start_are_copied_to_stderr);
	tcase_add_test(tc, errors_of_the_start_are_once_in_the_journal);

	tc = support_case(suite, "messages");
	tcase_add_test(tc, the_level_is_kept_to_and_spares_the_arguments);
	tcase_add_test(tc, no_control_byte_leaves_whatever_the_message_holds);
	tcase_add_test(tc, a_long_message_is_cut_and_says_so);
	tcase_add_test(tc, errno_is_kept);

	tc = support_case(suite, "repeats");
	tcase_add_test(tc, repeats_are_counted_and_the_count_is_told);
	tcase_add_test(tc, the_count_comes_by_itself_when_the_time_is_over);
	tcase_add_test(tc,
		       connections_may_be_more_and_debug_is_never_suppressed);
	tcase_add_loop_test(tc, a_wrapper_names_the_kind, 0, 2);
	tcase_add_test(tc, no_service_reason_or_address_hides_another);
	tcase_add_test(tc, many_addresses_do_not_fill_the_log);

	tc = support_case(suite, "readers");
	tcase_add_test(tc, lines_of_many_threads_stay_whole_and_in_order);
	tcase_add_test(tc,
		       ticks_come_on_another_thread_until_they_are_taken_back);
	tcase_add_test(tc, a_tick_that_was_taken_back_is_over);
	tcase_add_test(tc, what_is_dropped_is_counted);
	tcase_add_test(tc, clients_do_not_crowd_out_what_is_wrong);
	tcase_add_test(tc, a_reader_that_never_reads_holds_nobody_up);
	tcase_add_test(tc, a_reader_that_is_gone_kills_nobody);
	tcase_add_test(tc, a_stderr_that_does_not_block_gets_everything);
	tcase_add_test(tc, the_thread_takes_no_signals);
	tcase_add_test(tc, without_a_thread_messages_are_written_all_the_same);
	return suite;
}

int main(void)
{
	return support_main_once(log_suite);
}
