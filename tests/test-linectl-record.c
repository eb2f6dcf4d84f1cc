/* SPDX-License-Identifier: MIT */
/*
 * Records as linectl reads them, and as JSON.
 */
#include "config.h"

#include "linectl/answer_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linectl/json.h"
#include "linectl/metrics.h"
#include "support.h"

static struct record parse(const char *line)
{
	struct record record;

	ck_assert_msg(record_parse(&record, line, strlen(line)) == 0, "%s",
		      line);
	return record;
}

START_TEST(values_are_read_by_their_types)
{
	struct record record = parse("{\"kind\":\"client\",\"id\":42,\"big\":"
				     "18446744073709551615,\"name\":\"a "
				     "b\",\"yes\":true,\"no\":false,\"list\":["
				     "\"x\",\"y z\"],\"none\":[]}");

	ck_assert(record_is(&record, "client"));
	ck_assert_uint_eq(record.count, 7);
	ck_assert_uint_eq(record_number(&record, "id"), 42);
	ck_assert_uint_eq(record_number(&record, "big"), UINT64_MAX);
	ck_assert_str_eq(record_text(&record, "name"), "a b");
	ck_assert_uint_eq(record_number(&record, "yes"), 1);
	ck_assert_int_eq(record_find(&record, "no")->type, VALUE_FLAG);
	ck_assert_uint_eq(record_number(&record, "no"), 0);
	ck_assert_str_eq(record_text(&record, "list"), "x y z");
	ck_assert_str_eq(record_find(&record, "none")->text, "");
	/* "id" is no text; "missing" does not exist. */
	ck_assert_str_eq(record_text(&record, "id"), "");
	ck_assert_uint_eq(record_number(&record, "missing"), 0);
	ck_assert_str_eq(record_text(&record, "missing"), "");
	record_fini(&record);
}
END_TEST

START_TEST(escapes_are_those_of_json)
{
	struct record record =
		parse("{\"kind\":\"line\",\"text\":\"\\\"\\\\\\/"
		      "\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\303\244\"}");

	ck_assert_str_eq(record_exact(&record, "text"),
			 "\"\\/\b\f\n\r\tA\303\251\342\202\254\357\277\275"
			 "\303\244");
	record_fini(&record);
}
END_TEST

START_TEST(what_would_command_a_terminal_is_shown_as_escapes)
{
	struct record record =
		parse("{\"kind\":\"line\",\"text\":\"\\u001b["
		      "31m\\n\\t\\u007f\\u009b\\u202e\177\302\233\303\244\\\\x"
		      "\",\"list\":[\"\\u0007\",\"b\"]}");

	ck_assert_str_eq(record_text(&record, "text"),
			 "\\x1b[31m\\n\\t\\x7f\\xc2\\x9b\\xe2\\x80\\xae\\x7f"
			 "\\xc2\\x9b\303\244\\x");
	ck_assert_str_eq(record_text(&record, "list"), "\\x07 b");
	record_fini(&record);
}
END_TEST

/* Writes the longest escapes: a sanitizer finds a write past the end of the
 * memory. */
START_TEST(there_is_room_for_every_escape)
{
	char line[4096];
	struct record record;
	size_t len = 0, i;

	len = (size_t)sprintf(line, "{\"kind\":\"a\"");
	for (i = 0; i < 300; i++)
		len += (size_t)sprintf(line + len, ",\"b\":\"\\b\177\"");
	len += (size_t)sprintf(line + len, "}");
	ck_assert_int_eq(record_parse(&record, line, len), 0);
	for (i = 0; i < 300; i++)
		ck_assert_str_eq(record.values[i].text, "\\x08\\x7f");
	record_fini(&record);
}
END_TEST

START_TEST(groups_are_summed)
{
	struct record record =
		parse("{\"kind\":\"service\",\"refused\":9,\"refused\":{"
		      "\"clients\":2,\"access\":3},\"refusedx\":{\"a\":7},"
		      "\"closed\":{\"peer\":1}}");

	ck_assert_uint_eq(record_sum(&record, "refused"), 5);
	ck_assert_uint_eq(record_sum(&record, "closed"), 1);
	ck_assert_uint_eq(record_sum(&record, "none"), 0);
	record_fini(&record);
}
END_TEST

START_TEST(kind_alone_is_a_record)
{
	struct record record = parse("{\"kind\":\"ok\"}");

	ck_assert_str_eq(record.kind, "ok");
	ck_assert_uint_eq(record.count, 0);
	record_fini(&record);
}
END_TEST

START_TEST(what_is_no_record_is_refused)
{
	static const char *const lines[] = {
		"",
		"client",
		"{}",
		"{\"kind\":\"client\"",
		"{\"kind\":\"client\"}x",
		"{\"kind\":\"client\"} ",
		" {\"kind\":\"client\"}",
		"{\"kind\":\"Client\"}",
		"{\"kind\":\"\"}",
		"{\"kind\":1}",
		"{\"id\":1}",
		"{\"id\":1,\"kind\":\"client\"}",
		"{\"kind\":\"client\",}",
		"{\"kind\":\"client\",\"id\"}",
		"{\"kind\":\"client\",\"id\":}",
		"{\"kind\":\"client\",\"\":1}",
		"{\"kind\":\"client\",\"i.d\":1}",
		"{\"kind\":\"client\",\"I\":1}",
		"{\"kind\":\"client\", \"id\":1}",
		"{\"kind\":\"client\",\"id\": 1}",
		"{\"kind\":\"client\",\"id\":1x}",
		"{\"kind\":\"client\",\"id\":-1}",
		"{\"kind\":\"client\",\"id\":+1}",
		"{\"kind\":\"client\",\"id\":01}",
		"{\"kind\":\"client\",\"id\":1.5}",
		"{\"kind\":\"client\",\"id\":null}",
		"{\"kind\":\"client\",\"id\":18446744073709551616}",
		"{\"kind\":\"client\",\"id\":true1}",
		"{\"kind\":\"client\",\"id\":tru}",
		"{\"kind\":\"client\",\"id\":\"}",
		"{\"kind\":\"client\",\"id\":\"a}",
		"{\"kind\":\"client\",\"id\":\"\\\"}",
		"{\"kind\":\"client\",\"id\":\"\\x\"}",
		"{\"kind\":\"client\",\"id\":\"\\u12\"}",
		"{\"kind\":\"client\",\"id\":\"\\u0000\"}",
		"{\"kind\":\"client\",\"id\":\"a\tb\"}",
		"{\"kind\":\"client\",\"id\":[}",
		"{\"kind\":\"client\",\"id\":[\"a\"}",
		"{\"kind\":\"client\",\"id\":[\"a\",]}",
		"{\"kind\":\"client\",\"id\":[,\"a\"]}",
		"{\"kind\":\"client\",\"id\":[1]}",
		"{\"kind\":\"client\",\"id\":[\"a\" \"b\"]}",
		"{\"kind\":\"client\",\"closed\":{}}",
		"{\"kind\":\"client\",\"closed\":{\"a\":1}",
		"{\"kind\":\"client\",\"closed\":{\"a\":1,}}",
		"{\"kind\":\"client\",\"closed\":{\"a\":{\"b\":1}}}",
		"{\"kind\":\"client\",\"id\":1}\n",
	};
	struct record record;
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(
			record_parse(&record, lines[i], strlen(lines[i])) < 0,
			"%s", lines[i]);
	ck_assert_int_eq(record_parse(&record, "{\"kind\":\"a\"}\0b", 14), -1);
}
END_TEST

/* ---- JSON -------------------------------------------------------------- */

static void expect_json(const char *line, const char *json)
{
	struct record record = parse(line);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	json_record(out, &record);
	fclose(out);
	ck_assert_str_eq(text, json);
	free(text);
	record_fini(&record);
}

START_TEST(records_become_objects_and_groups_objects_in_them)
{
	expect_json("{\"kind\":\"client\",\"id\":1,\"name\":\"a\\\"b\","
		    "\"list\":[\"x\"],\"on\":true}",
		    "{\"id\":1,\"name\":\"a\\\"b\",\"list\":[\"x\"],"
		    "\"on\":true}");
	expect_json("{\"kind\":\"service\",\"a\":1,\"closed\":{\"peer\":2,"
		    "\"too-long\":3},\"b\":4,\"bus\":{\"x\":5}}",
		    "{\"a\":1,\"closed\":{\"peer\":2,\"too-long\":3},\"b\":4,"
		    "\"bus\":{\"x\":5}}");
	expect_json("{\"kind\":\"ok\"}", "{}");
	/* JSON cannot contain bytes that are not UTF-8. */
	expect_json("{\"kind\":\"a\",\"b\":\"\303\244\377\303\",\"c\":["
		    "\"\355\240\200\200\"]}",
		    "{\"b\":\"\303\244??\",\"c\":[\"????\"]}");
}
END_TEST

START_TEST(members_hold_the_records_of_a_kind)
{
	struct record records[3] = {parse("{\"kind\":\"a\",\"n\":1}"),
				    parse("{\"kind\":\"b\",\"n\":2}"),
				    parse("{\"kind\":\"a\",\"n\":3}")};
	char *text = NULL;
	bool first = true;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);

	json_member(out, &first, "all", "a", false, records, 3);
	json_member(out, &first, "one", "b", true, records, 3);
	json_member(out, &first, "none", "c", true, records, 3);
	json_member(out, &first, "empty", "c", false, records, 3);
	fclose(out);
	ck_assert_str_eq(text, "\"all\":[{\"n\":1},\n{\"n\":3}],"
			       "\"one\":{\"n\":2},\"none\":null,\"empty\":[]");
	free(text);
	for (i = 0; i < 3; i++)
		record_fini(&records[i]);
}
END_TEST

static void expect_sample(const char *line, const char *json)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool is_one = metrics_write_sample(out, line);

	fclose(out);
	ck_assert_int_eq(is_one, json != NULL);
	if (json != NULL)
		ck_assert_str_eq(text, json);
	free(text);
}

START_TEST(samples_become_objects)
{
	expect_sample("lined_workers 2", "{\"name\":\"lined_workers\","
					 "\"labels\":{},\"value\":2}");
	expect_sample("x_total{service=\"a\",reason=\"b\\\"\\\\c\"} 1.5",
		      "{\"name\":\"x_total\",\"labels\":{\"service\":\"a\","
		      "\"reason\":\"b\\\"\\\\c\"},\"value\":1.5}");
	expect_sample("x{a=\"1\\n2\\t\033\"} 1",
		      "{\"name\":\"x\",\"labels\":{"
		      "\"a\":\"1\\u000a2\\\\t\\u001b\"},\"value\":1}");
	expect_sample("# HELP x y", NULL);
	expect_sample("", NULL);
	expect_sample("name", NULL);
	expect_sample("x{a=\"b", NULL);
	expect_sample("x{a=\"b\"", NULL);
	expect_sample("x{a} 1", NULL);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("linectl_record");
	TCase *tcase = support_case(suite, "record");

	tcase_add_test(tcase, values_are_read_by_their_types);
	tcase_add_test(tcase, escapes_are_those_of_json);
	tcase_add_test(tcase,
		       what_would_command_a_terminal_is_shown_as_escapes);
	tcase_add_test(tcase, there_is_room_for_every_escape);
	tcase_add_test(tcase, groups_are_summed);
	tcase_add_test(tcase, kind_alone_is_a_record);
	tcase_add_test(tcase, what_is_no_record_is_refused);
	tcase = support_case(suite, "json");
	tcase_add_test(tcase,
		       records_become_objects_and_groups_objects_in_them);
	tcase_add_test(tcase, members_hold_the_records_of_a_kind);
	tcase_add_test(tcase, samples_become_objects);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
