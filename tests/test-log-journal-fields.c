/* SPDX-License-Identifier: MIT */
/* The fields of a message in the journal. */
#include "config.h"

#include <string.h>

#include <check.h>

#include "log/log_journal.h"
#include "support.h"

/* Compares the fields, which are written as "A=1 B=2". */
static void fields_are(const char *text, const char *wanted)
{
	struct log_fields fields;
	char got[2048] = "";
	size_t i;

	log_fields_read(&fields, text, strlen(text));
	for (i = 0; i < fields.count; i++) {
		ck_assert(strncmp(fields.texts[i], "LINED_", 6) == 0);
		if (i > 0)
			strcat(got, " ");
		strcat(got, fields.texts[i] + 6);
	}
	ck_assert_str_eq(got, wanted);
}

START_TEST(the_subject_of_a_message_is_its_fields)
{
	fields_are("service feed: listening on tcp://*:7008", "SERVICE=feed");
	fields_are("client 42 10.0.0.7:5123: closed: idle 300 s",
		   "CLIENT=42 PEER=10.0.0.7:5123");
	fields_are("client 42 [2001:db8::1]:5123: service feed: connected to x",
		   "CLIENT=42 PEER=[2001:db8::1]:5123 SERVICE=feed");
	fields_are("client 3 unix: closed: peer", "CLIENT=3 PEER=unix");
	fields_are("service feed: refused 10.0.0.7:1: access",
		   "SERVICE=feed PEER=10.0.0.7:1");
}
END_TEST

START_TEST(an_access_line_is_all_fields)
{
	fields_are("client 1 unix: access: service=a listen=unix:///x "
		   "duration=1.002 lines_in=3 reason=timeout,idle",
		   "CLIENT=1 PEER=unix SERVICE=a LISTEN=unix:///x "
		   "DURATION=1.002 LINES_IN=3 REASON=timeout,idle");
	fields_are("client 1 unix: access: junk =x k= a=b=c",
		   "CLIENT=1 PEER=unix K= A=b=c");
}
END_TEST

START_TEST(what_is_no_subject_makes_no_field)
{
	fields_are("", "");
	fields_are("stopping", "");
	fields_are("service ", "");
	fields_are("service feed", "");
	fields_are("service : x", "");
	fields_are("service a b: x", "");
	fields_are("client 42: x", "");
	fields_are("client 42 unix", "");
	fields_are("workers: service feed: x", "");
}
END_TEST

/* A message of a protocol comes after the name of its service, and adds no
 * fields. */
START_TEST(nobody_else_makes_fields)
{
	fields_are("service chat: client 9 1.2.3.4:5: access: reason=peer",
		   "SERVICE=chat");
	fields_are("service chat: service feed: x", "SERVICE=chat");
	fields_are("client 1 unix: service a: access: k=v",
		   "CLIENT=1 PEER=unix SERVICE=a");
}
END_TEST

START_TEST(what_does_not_fit_is_left_out)
{
	static char text[2000] = "client 1 unix: access: ";
	struct log_fields fields;
	size_t i, head = strlen(text);

	for (i = head; i + 4 < sizeof(text); i += 4)
		memcpy(text + i, "k=v ", 4);
	log_fields_read(&fields, text, strlen(text));
	ck_assert_uint_eq(fields.count, LOG_FIELDS_MAX);
	memset(text + head, 'x', sizeof(text) - head - 1);
	memcpy(text + head, "k=", 2);
	log_fields_read(&fields, text, strlen(text));
	ck_assert_uint_eq(fields.count, 2);
}
END_TEST

static Suite *log_fields_suite(void)
{
	Suite *suite = suite_create("log_fields");
	TCase *tc = support_case(suite, "log_fields");

	tcase_add_test(tc, the_subject_of_a_message_is_its_fields);
	tcase_add_test(tc, an_access_line_is_all_fields);
	tcase_add_test(tc, what_is_no_subject_makes_no_field);
	tcase_add_test(tc, nobody_else_makes_fields);
	tcase_add_test(tc, what_does_not_fit_is_left_out);
	return suite;
}

int main(void)
{
	return support_main_once(log_fields_suite);
}
