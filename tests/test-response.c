/* SPDX-License-Identifier: MIT */
/*
 * Answers as they are put together, and as lines of the control protocol.
 */
#include "config.h"

#include "control/response.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_record.h"
#include "system/peercred.h"
#include "support.h"

/* All records as the control protocol writes them. */
static void expect(struct answer *answer, const char *lines)
{
	struct text text = {.len = 0};
	struct lined_answer view;
	size_t i;

	answer_view(answer, true, &view);
	for (i = 0; i < view.count; i++)
		control_record_write(&text, &view.records[i]);
	text_add(&text, "", 1);
	ck_assert(!text.oom);
	ck_assert_str_eq(text.data, lines);
	text_fini(&text);
}

START_TEST(records_keep_their_values_in_order)
{
	static const char *const items[] = {"one", "two \"2\""};
	struct answer answer = {.oom = false};

	answer_record(&answer, "first");
	answer_text(&answer, "name", "echo");
	answer_number(&answer, "big", UINT64_MAX);
	answer_flag(&answer, "yes", true);
	answer_flag(&answer, "no", false);
	answer_record(&answer, "empty");
	answer_record(&answer, "last");
	answer_list(&answer, "items", items, 2);
	answer_list(&answer, "none", items, 0);
	answer_count(&answer, "closed", "too-long", 7);
	answer_count(&answer, "count", "Odd name=\n", 8);
	expect(&answer, "first name=\"echo\" big=18446744073709551615 yes=true "
			"no=false\n"
			"empty\n"
			"last items=[\"one\",\"two \\\"2\\\"\"] none=[] "
			"closed.too-long=7 count._dd_name__=8\n");
	answer_fini(&answer);
}
END_TEST

START_TEST(texts_become_printable)
{
	struct answer answer = {.oom = false};

	answer_record(&answer, "line");
	answer_text(&answer, "text", "a\033[31m\n\"\\");
	answer_bytes(&answer, "bytes", "\0\xff\\ \303\244", 6);
	expect(&answer, "line text=\"a\\\\x1b[31m\\\\n\\\"\\\\\" "
			"bytes=\"\\\\x00\\\\xff\\\\\\\\ \303\244\"\n");
	answer_fini(&answer);
}
END_TEST

START_TEST(many_records_stay_where_they_are)
{
	struct answer answer = {.oom = false};
	struct lined_answer view;
	unsigned i;

	for (i = 0; i < 5000; i++) {
		answer_record(&answer, "client");
		answer_number(&answer, "id", i);
		answer_text(&answer, "service", "echo");
	}
	answer_view(&answer, false, &view);
	ck_assert(!view.last);
	ck_assert_uint_eq(view.count, 5000);
	for (i = 0; i < 5000; i++) {
		ck_assert_uint_eq(view.records[i].count, 2);
		ck_assert_uint_eq(view.records[i].values[0].number, i);
		ck_assert_str_eq(view.records[i].values[1].text, "echo");
	}
	answer_fini(&answer);
}
END_TEST

START_TEST(refusal_stands_in_the_last_answer_only)
{
	struct answer answer = {.oom = false};
	struct lined_answer view;

	answer_refuse(&answer, "there is no \"%s\"", "x\n");
	answer_view(&answer, false, &view);
	ck_assert_ptr_null(view.error);
	answer_view(&answer, true, &view);
	ck_assert_str_eq(view.error, "there is no \"x\\n\"");
	answer_fini(&answer);
}
END_TEST

START_TEST(memory_that_ran_out_is_told_at_the_end)
{
	struct answer answer = {.oom = true};
	struct lined_answer view;

	answer_record(&answer, "daemon");
	answer_text(&answer, "name", "x");
	answer_view(&answer, true, &view);
	ck_assert_uint_eq(view.count, 0);
	ck_assert_str_eq(view.error, "out of memory");
	answer_fini(&answer);
}
END_TEST

/* ---- who asks --------------------------------------------------------------
 */

START_TEST(the_other_end_is_who_made_it)
{
	struct credentials peer;
	gid_t groups[256];
	int fds[2], count, i;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if (credentials_get(fds[0], &peer) == 0) {
		ck_assert_int_eq(peer.uid, getuid());
		ck_assert_int_eq(peer.gid, getgid());
		ck_assert(credentials_in_group(fds[0], &peer, getgid()));
		count = getgroups(256, groups);
		for (i = 0; i < count; i++)
			ck_assert(
				credentials_in_group(fds[0], &peer, groups[i]));
		ck_assert(!credentials_in_group(fds[0], &peer, 987654321));
	}
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(nobody_is_at_the_end_of_a_tcp_connection)
{
	struct credentials peer;
	int fds[2];

	support_tcp_fds(fds);
	ck_assert_int_eq(credentials_get(fds[0], &peer), -1);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("answer");
	TCase *tcase = support_case(suite, "answer");

	tcase_add_test(tcase, records_keep_their_values_in_order);
	tcase_add_test(tcase, texts_become_printable);
	tcase_add_test(tcase, many_records_stay_where_they_are);
	tcase_add_test(tcase, refusal_stands_in_the_last_answer_only);
	tcase_add_test(tcase, memory_that_ran_out_is_told_at_the_end);
	tcase = support_case(suite, "credentials");
	tcase_add_test(tcase, the_other_end_is_who_made_it);
	tcase_add_test(tcase, nobody_is_at_the_end_of_a_tcp_connection);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
