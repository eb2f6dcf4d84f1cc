/* SPDX-License-Identifier: MIT */
/*
 * Responses: how they are built, and their lines in the control protocol.
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

/* Compares all records, as the control protocol writes them. */
static void expect(struct response *response, const char *lines)
{
	struct text text = {.len = 0};
	struct lined_response view;
	size_t i;

	response_view(response, true, &view);
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
	struct response response = {.oom = false};

	response_record(&response, "first");
	response_text(&response, "name", "echo");
	response_number(&response, "big", UINT64_MAX);
	response_flag(&response, "yes", true);
	response_flag(&response, "no", false);
	response_record(&response, "empty");
	response_record(&response, "last");
	response_list(&response, "items", items, 2);
	response_list(&response, "none", items, 0);
	response_count(&response, "closed", "too-long", 7);
	response_count(&response, "count", "Odd name=\n", 8);
	expect(&response,
	       "{\"kind\":\"first\",\"name\":\"echo\","
	       "\"big\":18446744073709551615,\"yes\":true,\"no\":false}\n"
	       "{\"kind\":\"empty\"}\n"
	       "{\"kind\":\"last\",\"items\":[\"one\",\"two \\\"2\\\"\"],"
	       "\"none\":[],\"closed\":{\"too-long\":7},"
	       "\"count\":{\"Odd_name__\":8}}\n");
	response_fini(&response);
}
END_TEST

START_TEST(members_of_a_group_stand_together)
{
	struct response response = {.oom = false};

	response_record(&response, "service");
	response_number(&response, "closed.peer", 1);
	response_number(&response, "closed.error", 2);
	response_number(&response, "refused.access", 3);
	response_number(&response, "clients", 4);
	response_number(&response, "closed.late", 5);
	expect(&response,
	       "{\"kind\":\"service\",\"closed\":{\"peer\":1,\"error\":2},"
	       "\"refused\":{\"access\":3},\"clients\":4,"
	       "\"closed\":{\"late\":5}}\n");
	response_fini(&response);
}
END_TEST

START_TEST(the_last_line_says_how_it_went)
{
	struct text text = {.len = 0};

	control_record_write_end(&text, NULL);
	control_record_write_end(&text, "no \"x\"");
	text_add(&text, "", 1);
	ck_assert_str_eq(text.data, "{\"kind\":\"ok\"}\n{\"kind\":\"error\","
				    "\"error\":\"no \\\"x\\\"\"}\n");
	text_fini(&text);
}
END_TEST

START_TEST(texts_become_printable)
{
	struct response response = {.oom = false};

	response_record(&response, "line");
	response_text(&response, "text", "a\033[31m\n\"\\");
	response_bytes(&response, "bytes", "\0\xff\\ \303\244", 6);
	expect(&response,
	       "{\"kind\":\"line\",\"text\":\"a\\\\x1b[31m\\\\n\\\"\\\\\","
	       "\"bytes\":\"\\\\x00\\\\xff\\\\\\\\ \303\244\"}\n");
	response_fini(&response);
}
END_TEST

START_TEST(many_records_stay_where_they_are)
{
	struct response response = {.oom = false};
	struct lined_response view;
	unsigned i;

	for (i = 0; i < 5000; i++) {
		response_record(&response, "client");
		response_number(&response, "id", i);
		response_text(&response, "service", "echo");
	}
	response_view(&response, false, &view);
	ck_assert(!view.last);
	ck_assert_uint_eq(view.count, 5000);
	for (i = 0; i < 5000; i++) {
		ck_assert_uint_eq(view.records[i].count, 2);
		ck_assert_uint_eq(view.records[i].values[0].number, i);
		ck_assert_str_eq(view.records[i].values[1].text, "echo");
	}
	response_fini(&response);
}
END_TEST

START_TEST(refusal_stands_in_the_last_answer_only)
{
	struct response response = {.oom = false};
	struct lined_response view;

	response_refuse(&response, "there is no \"%s\"", "x\n");
	response_view(&response, false, &view);
	ck_assert_ptr_null(view.error);
	response_view(&response, true, &view);
	ck_assert_str_eq(view.error, "there is no \"x\\n\"");
	response_fini(&response);
}
END_TEST

START_TEST(memory_that_ran_out_is_told_at_the_end)
{
	struct response response = {.oom = true};
	struct lined_response view;

	response_record(&response, "daemon");
	response_text(&response, "name", "x");
	response_view(&response, true, &view);
	ck_assert_uint_eq(view.count, 0);
	ck_assert_str_eq(view.error, "out of memory");
	response_fini(&response);
}
END_TEST

/* ---- rights of the client -------------------------------------------- */

START_TEST(the_other_end_is_who_made_it)
{
	struct peercred peer;
	gid_t groups[256];
	int fds[2], count, i;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if (peercred_get(fds[0], &peer) == 0) {
		ck_assert_int_eq(peer.uid, getuid());
		ck_assert_int_eq(peer.gid, getgid());
		ck_assert(peercred_in_group(fds[0], &peer, getgid()));
		count = getgroups(256, groups);
		for (i = 0; i < count; i++)
			ck_assert(peercred_in_group(fds[0], &peer, groups[i]));
		ck_assert(!peercred_in_group(fds[0], &peer, 987654321));
	}
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(nobody_is_at_the_end_of_a_tcp_connection)
{
	struct peercred peer;
	int fds[2];

	support_tcp_fds(fds);
	ck_assert_int_eq(peercred_get(fds[0], &peer), -1);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("response");
	TCase *tcase = support_case(suite, "response");

	tcase_add_test(tcase, records_keep_their_values_in_order);
	tcase_add_test(tcase, members_of_a_group_stand_together);
	tcase_add_test(tcase, the_last_line_says_how_it_went);
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
