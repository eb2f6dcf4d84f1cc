/* SPDX-License-Identifier: MIT */
/*
 * The messages of an error report, and their order.
 */
#include "config.h"

#include "log/error_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

START_TEST(errors_and_warnings_are_kept_in_order)
{
	struct report report = {.count = 0};
	size_t i;

	report_add(&report, LINED_LOG_WARNING, "port %d: %s", 7, "odd");
	report_add(&report, LINED_LOG_NOTICE, "listening");
	report_keep(&report, LINED_LOG_DEBUG, "detail");
	for (i = 0; i < 20; i++)
		report_keep(&report, LINED_LOG_ERR, "wrong");
	ck_assert_uint_eq(report.count, 21);
	ck_assert_int_eq(report.messages[0].level, LINED_LOG_WARNING);
	ck_assert_str_eq(report.messages[0].text, "port 7: odd");
	ck_assert_int_eq(report.messages[20].level, LINED_LOG_ERR);
	ck_assert_str_eq(report.messages[20].text, "wrong");
	report_fini(&report);
	ck_assert_uint_eq(report.count, 0);
	report_fini(&report);
}
END_TEST

START_TEST(without_a_report_it_is_only_logged)
{
	errno = ENOENT;
	report_add(NULL, LINED_LOG_ERR, "nobody asked");
	report_keep(NULL, LINED_LOG_ERR, "nobody asked");
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(a_long_message_is_cut)
{
	struct report report = {.count = 0};
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	report_add(&report, LINED_LOG_ERR, "%s", text);
	ck_assert_uint_eq(strlen(report.messages[0].text), 2047);
	report_fini(&report);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("report");
	TCase *tcase = support_case(suite, "report");

	tcase_add_test(tcase, errors_and_warnings_are_kept_in_order);
	tcase_add_test(tcase, without_a_report_it_is_only_logged);
	tcase_add_test(tcase, a_long_message_is_cut);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
