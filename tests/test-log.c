/* SPDX-License-Identifier: MIT */
/*
 * The log: levels and targets, messages, and repeats that are suppressed.
 */
#include "config.h"

#include "log/log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "log/log_limit.h"
#include "log/log_output.h"
#include "log_fixture.h"
#include "support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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
	unsetenv("JOURNAL_STREAM");
	log_err("lined.conf:3: no such key: %s", "nubmer");
	log_debug("not this");
	ck_assert_str_eq(read_all(), "lined.conf:3: no such key: nubmer\n");
}
END_TEST

/* Sets JOURNAL_STREAM to stderr (other 0) or to another stream (other 1). */
static void set_journal_stream(unsigned other)
{
	char stream[64];
	struct stat st;

	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + other);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
}

START_TEST(before_it_is_open_the_journal_gets_priorities)
{
	set_journal_stream(0);
	log_err("one");
	set_journal_stream(1);
	log_err("two");
	unsetenv("JOURNAL_STREAM");
	ck_assert_str_eq(read_all(), "<3>one\ntwo\n");
}
END_TEST

START_TEST(lines_on_stderr_have_their_priority)
{
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
}
END_TEST

START_TEST(auto_without_a_terminal_is_syslog)
{
	serve_syslog(SOCK_DGRAM);
	unsetenv("JOURNAL_STREAM");
	open_to(LOG_TARGET_AUTO, LINED_LOG_INFO);
	log_notice("to %s", "syslog");
	log_close();
	ck_assert_str_eq(read_all(), "");
	ck_assert_str_eq(read_syslog(syslog_reader), "<157>lined: to syslog");
	ck_assert_int_eq(LOG_LOCAL3 | LOG_NOTICE, 157);
}
END_TEST

START_TEST(a_stream_of_syslog_gets_records_that_end_in_nul)
{
	int fd;

	serve_syslog(SOCK_STREAM);
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_INFO);
	log_notice("one");
	log_close();
	fd = accept(syslog_reader, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(read_syslog(fd), "<157>lined: one");
	ck_assert_int_eq(recv(fd, got, 1, 0), 0);
	close(fd);
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
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_INFO);
	log_notice("lost");
	while (log_lost() == 0)
		sched_yield();
	serve_syslog(SOCK_DGRAM);
	log_notice("taken");
	/* The notice about dropped messages may come before the message. */
	if (strcmp(read_syslog(syslog_reader), "<157>lined: taken") == 0) {
		ck_assert_str_eq(read_syslog(syslog_reader),
				 "<156>lined: log: 1 messages dropped");
	} else {
		ck_assert_str_eq(syslog_text,
				 "<156>lined: log: 1 messages dropped");
		ck_assert_str_eq(read_syslog(syslog_reader),
				 "<157>lined: taken");
	}
	/* A reader of /dev/log that was restarted is found again. */
	end_syslog();
	serve_syslog(SOCK_DGRAM);
	log_notice("again");
	ck_assert_str_eq(read_syslog(syslog_reader), "<157>lined: again");
	log_close();
	ck_assert_uint_eq(log_lost(), 1);
	ck_assert_str_eq(read_all(), "");
}
END_TEST

START_TEST(auto_goes_on_at_stderr_when_syslog_ends)
{
	serve_syslog(SOCK_DGRAM);
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
}
END_TEST

START_TEST(errors_of_the_start_are_copied_to_stderr)
{
	serve_syslog(SOCK_DGRAM);
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
}
END_TEST

START_TEST(errors_of_the_start_are_once_in_the_journal)
{
	serve_syslog(SOCK_DGRAM);
	set_journal_stream(0);
	open_to(LOG_TARGET_SYSLOG, LINED_LOG_INFO);
	log_copy_errors(true);
	log_err("lost");
	log_copy_errors(false);
	log_close();
	unsetenv("JOURNAL_STREAM");
	ck_assert_str_eq(read_syslog(syslog_reader), "<155>lined: lost");
	ck_assert_str_eq(read_all(), "");
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
	open_stderr();
	log_err("%s", text);
	text[LOG_TEXT_MAX - 1] = '\0';
	log_err("%s", text);
	log_close();
	line = read_all();
	ck_assert_uint_eq(strchr(line, '\n') - line, 3 + LOG_TEXT_MAX - 1);
	ck_assert_int_eq(strncmp(strchr(line, '\n') - 4, "x...", 4), 0);
	/* A message that just fits is not cut. */
	ck_assert_uint_eq(strlen(line), 2 * (3 + LOG_TEXT_MAX));
	ck_assert_str_eq(line + strlen(line) - 4, "xxx\n");
}
END_TEST

START_TEST(long_last_words_end_with_their_line)
{
	struct log_words words;
	char text[2 * sizeof(words.text)] = "";
	const char *line;

	memset(text, 'x', sizeof(text) - 1);
	open_stderr();
	log_last_words(text);
	log_last_words("more");
	log_close();
	line = read_all();
	ck_assert_int_eq(strncmp(line, "<3>xxx", 6), 0);
	ck_assert_ptr_nonnull(strstr(line, "xxx\n<3>more\n"));
}
END_TEST

START_TEST(errno_is_kept)
{
	errno = EXDEV;
	log_err("before");
	ck_assert_int_eq(errno, EXDEV);
	open_stderr();
	ck_assert_int_eq(errno, EXDEV);
	log_err("while");
	ck_assert_int_eq(errno, EXDEV);
	log_close();
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

/* ---- repeats --------------------------------------------------------- */

START_TEST(repeats_are_counted_and_the_count_is_told)
{
	const char *text;
	int i;

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

	open_stderr();
	start_ms = support_now_ms();
	for (i = 0; i < 21; i++)
		log_warning("refused");
	read_until("<4>1 similar messages suppressed: refused\n");
	ck_assert_uint_ge(support_now_ms() - start_ms, 4900);
	log_close();
}
END_TEST

START_TEST(connections_may_be_more_and_debug_is_never_suppressed)
{
	const char *text;
	int i;

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
	/* An address has one limit for all its ports. */
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

/* Keys of one set differ only in their low bits. */
START_TEST(address_does_not_take_the_window_of_its_kind)
{
	static const struct log_burst burst = {.each = 20, .all = 100};
	static const uint64_t set = UINT64_C(1) << 32;
	static struct log_limit limit;
	struct log_limit_key key = {.from = 0};
	unsigned passed = 0, i;

	log_limit_init(&limit);
	for (i = 0; i < 2 * (LOG_LIMIT_WAYS - 1); i++) {
		key.kind = set + 1 + i / 2;
		ck_assert_int_eq(
			log_limit_check(&limit, &key, 4, &burst, 0, "other"),
			LOG_PASS);
	}
	key.kind = set + 100;
	key.from = set + 101;
	for (i = 0; i < 200; i++)
		passed += log_limit_check(&limit, &key, 4, &burst, 0, "same") ==
			  LOG_PASS;
	ck_assert_uint_eq(passed, burst.each);
	log_limit_fini(&limit);
}
END_TEST

START_TEST(many_addresses_do_not_fill_the_log)
{
	static const char access[] = "access";
	char peer[64];
	const char *text;
	int i;

	open_stderr();
	for (i = 0; i < 1000; i++) {
		snprintf(peer, sizeof(peer), "10.0.%d.%d:5", i / 250, i % 250);
		log_refusals("a", peer, access, 1);
	}
	/* All addresses of one IPv6 network have one limit. */
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

static Suite *log_suite(void)
{
	Suite *suite = suite_create("log");
	TCase *tc;

	tc = log_case(suite, "text");
	tcase_add_test(tc, words_are_known_and_others_are_not);

	tc = log_case(suite, "targets");
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

	tc = log_case(suite, "messages");
	tcase_add_test(tc, the_level_is_kept_to_and_spares_the_arguments);
	tcase_add_test(tc, no_control_byte_leaves_whatever_the_message_holds);
	tcase_add_test(tc, a_long_message_is_cut_and_says_so);
	tcase_add_test(tc, long_last_words_end_with_their_line);
	tcase_add_test(tc, errno_is_kept);

	tc = log_case(suite, "repeats");
	tcase_add_test(tc, repeats_are_counted_and_the_count_is_told);
	tcase_add_test(tc, the_count_comes_by_itself_when_the_time_is_over);
	tcase_add_test(tc,
		       connections_may_be_more_and_debug_is_never_suppressed);
	tcase_add_loop_test(tc, a_wrapper_names_the_kind, 0, 2);
	tcase_add_test(tc, no_service_reason_or_address_hides_another);
	tcase_add_test(tc, address_does_not_take_the_window_of_its_kind);
	tcase_add_test(tc, many_addresses_do_not_fill_the_log);
	return suite;
}

int main(void)
{
	return support_main_once(log_suite);
}
