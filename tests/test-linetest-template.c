/* SPDX-License-Identifier: MIT */
/*
 * The text of a transcript: escapes both ways, names in braces, and whether a
 * line matches the expected text.
 */
#include "config.h"

#include "linetest/escape.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "linetest/match.h"
#include "linetest/template.h"
#include "support.h"

static struct values values;

static void forget(void)
{
	values_fini(&values);
}

static void know(const char *name, const char *value)
{
	values_set(&values, name, value, strlen(value));
}

/* ---- escapes ------------------------------------------------------------ */

static void shows(const char *data, size_t len, const char *wanted)
{
	struct bytes shown = {0};

	escape_text(&shown, data, len);
	ck_assert_str_eq(bytes_text(&shown), wanted);
	bytes_fini(&shown);
}

static void reads_as(const char *text, const char *wanted, size_t len)
{
	struct template template;
	struct bytes out = {0};
	char *error = NULL;

	ck_assert_int_eq(
		template_read(&template, text, strlen(text), false, &error), 0);
	ck_assert_ptr_null(template_unknown(&template, &values));
	template_expand(&template, &values, &out);
	ck_assert_uint_eq(out.len, len);
	if (len > 0)
		ck_assert_mem_eq(out.data, wanted, len);
	bytes_fini(&out);
	template_fini(&template);
}

static void refuses(const char *text, bool is_pattern, const char *wanted)
{
	struct template template;
	char *error = NULL;

	if (template_read(&template, text, strlen(text), is_pattern, &error) ==
	    0) {
		error = match_check(&template);
		template_fini(&template);
	}
	ck_assert_msg(error != NULL, "\"%s\" was taken", text);
	ck_assert_msg(strstr(error, wanted) != NULL, "\"%s\": %s", text, error);
	free(error);
}

#define reads(text, wanted) reads_as(text, wanted, sizeof(wanted) - 1)

START_TEST(every_escape_is_read)
{
	reads("", "");
	reads("plain text  ", "plain text  ");
	reads("\\\\\\a\\b\\e\\f\\n\\r\\t\\v\\\"\\{\\}\\.",
	      "\\\a\b\033\f\n\r\t\v\"{}.");
	reads("\\0", "\0");
	reads("\\012", "\0"
		       "12");
	reads("\\x00\\xfF\\x7f", "\0\xff\x7f");
	reads("{x*3}{\\n*2}{\xc3\xa9*2}{ *2}{**2}",
	      "xxx\n\n\xc3\xa9\xc3\xa9  **");
	reads("{x*0}|", "|");
}
END_TEST

START_TEST(braces_that_begin_nothing_are_braces)
{
	reads("{}{ }{1}{\"a\":1}{a b}{a:}{x*}{x*y}{x*3", "{}{ }{1}{\"a\":1}"
							 "{a b}{a:}{x*}{x*y}"
							 "{x*3");
}
END_TEST

START_TEST(wrong_escapes_are_refused)
{
	refuses("a\\", false, "at the end");
	refuses("a\\q", false, "unknown escape \"\\q\"");
	refuses("\\x1", false, "unknown escape");
	refuses("\\xg0", false, "unknown escape");
	refuses("{x*99999999999999999999}", false, "at most");
	refuses("a\\", true, "at the end");
	refuses("\\x1", true, "two hexadecimal digits");
	refuses("a)b(c", true, "atch");
	refuses("[a", true, "");
	refuses("{n:[a}", false, "");
	refuses("\\x00", true, "NUL");
	refuses("{n}\\0", false, "NUL");
}
END_TEST

START_TEST(bytes_are_shown_as_they_would_be_written)
{
	shows("", 0, "");
	shows("plain", 5, "plain");
	shows("a\0b\x01\x7f\xff\n", 7, "a\\0b\\x01\\x7f\\xff\\n");
	shows("\a\b\033\f\r\t\v", 7, "\\a\\b\\e\\f\\r\\t\\v");
	shows("back\\slash", 10, "back\\\\slash");
	shows("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", 11,
	      "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
	shows("\xc2\x9b\xc0\xaf\xed\xa0\x80\xc3", 8,
	      "\\xc2\\x9b\\xc0\\xaf\\xed\\xa0\\x80\\xc3");
	shows("end  ", 5, "end \\x20");
	shows("...", 3, "\\...");
	shows("{\"a\": {b}}", 10, "{\"a\": \\{b}}");
	shows("{x*3}", 5, "\\{x*3}");
}
END_TEST

START_TEST(what_is_shown_reads_back)
{
	char data[64];
	struct bytes shown = {0};
	uint64_t state = 1;
	size_t i, len;
	int round;

	for (round = 0; round < 20000; round++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		len = (state >> 33) % sizeof(data);
		for (i = 0; i < len; i++) {
			static const char odd[] = "\\{}*.: \0\n\xc3\xa9x3";

			state = state * 6364136223846793005u +
				1442695040888963407u;
			data[i] = state >> 62 ? odd[(state >> 40) % sizeof(odd)]
					      : (char)(state >> 48);
		}
		bytes_clear(&shown);
		escape_text(&shown, data, len);
		reads_as(bytes_text(&shown), data, len);
	}
	bytes_fini(&shown);
}
END_TEST

/* ---- matching ----------------------------------------------------------- */

static bool matches_bytes(const char *text, bool is_pattern, const char *line,
			  size_t len)
{
	struct template template;
	char *error = NULL;
	bool matched;

	ck_assert_msg(template_read(&template, text, strlen(text), is_pattern,
				    &error) == 0,
		      "%s", error);
	error = match_check(&template);
	ck_assert_msg(error == NULL, "%s", error);
	matched = match_line(&template, &values, line, len);
	template_fini(&template);
	return matched;
}

static bool meets(const char *text, const char *line)
{
	return matches_bytes(text, false, line, strlen(line));
}

static bool pattern_meets(const char *text, const char *line)
{
	return matches_bytes(text, true, line, strlen(line));
}

static void is_known(const char *name, const char *value)
{
	const struct value *found = values_find(&values, name);

	ck_assert_msg(found != NULL, "%s has no value", name);
	ck_assert_str_eq(found->text, value);
}

START_TEST(a_text_is_all_of_the_line)
{
	ck_assert(meets("hello", "hello"));
	ck_assert(!meets("hello", "hello "));
	ck_assert(!meets("hello", "hell"));
	ck_assert(!meets("hello", "Hello"));
	ck_assert(!meets("a.c", "abc"));
	ck_assert(meets("", ""));
	ck_assert(!meets("", "x"));
	ck_assert(matches_bytes("a\\0b", false, "a\0b", 3));
	ck_assert(!matches_bytes("a\\0b", false, "a\0c", 3));
}
END_TEST

START_TEST(a_pattern_is_all_of_the_line)
{
	ck_assert(pattern_meets("h.*o", "hello"));
	ck_assert(!pattern_meets("h.*l", "hello"));
	ck_assert(!pattern_meets("ello", "hello"));
	ck_assert(pattern_meets("^hello$", "hello"));
	ck_assert(pattern_meets("ab|abc", "abc"));
	ck_assert(!pattern_meets("ab|abcd", "abc"));
	ck_assert(pattern_meets("a{3}\\.[0-9]{1,2}", "aaa.07"));
	ck_assert(pattern_meets("\\x2e\\t\\x5b", ".\t["));
	ck_assert(!pattern_meets("\\x2e", "x"));
	ck_assert(pattern_meets("(a)\\1", "aa"));
}
END_TEST

START_TEST(a_name_stands_for_a_word)
{
	ck_assert(meets("* {who} joined {room}", "* guest1 joined lobby"));
	is_known("who", "guest1");
	is_known("room", "lobby");
	ck_assert(!meets("* {other} joined", "* two words joined"));
	ck_assert_ptr_null(values_find(&values, "other"));
	ck_assert(meets("You are {who}.", "You are guest1."));
	ck_assert(!meets("You are {who}.", "You are guest2."));
	is_known("who", "guest1");
	ck_assert(meets("1.5+({a}", "1.5+(x"));
	is_known("a", "x");
	ck_assert(!meets("1.5+({b}", "1x5+(x"));
}
END_TEST

START_TEST(a_name_may_have_a_pattern)
{
	ck_assert(meets("id {id:[0-9]+}, {rest:.*}", "id 42, all of this"));
	is_known("id", "42");
	is_known("rest", "all of this");
	ck_assert(!meets("id {id:[0-9]+}", "id x"));
	is_known("id", "42");
	ck_assert(meets("id {id:[0-9]{2}}", "id 17"));
	is_known("id", "17");
	ck_assert(meets("{outer:(a|(b))+}{last:.}", "abax"));
	is_known("last", "x");
	ck_assert(pattern_meets("([[:alpha:](]+) {n:(x|y)z} (b)", "ab( yz b"));
	is_known("n", "yz");
}
END_TEST

START_TEST(a_name_twice_in_a_line_is_one_value)
{
	ck_assert(!meets("{a} {a}", "x y"));
	ck_assert_ptr_null(values_find(&values, "a"));
	ck_assert(meets("{a} {a}", "x x"));
	is_known("a", "x");
}
END_TEST

START_TEST(a_value_is_no_expression)
{
	know("v", "a.*(");
	ck_assert(meets("{v} {w}", "a.*( x"));
	ck_assert(!meets("{v} {w}", "abc( x"));
	ck_assert(pattern_meets("{v}+", "a.*(("));
	reads("<{v}>", "<a.*(>");
}
END_TEST

START_TEST(open_names_are_found)
{
	struct template template;
	char *error = NULL;
	struct bytes out = {0};

	know("a", "one");
	ck_assert_int_eq(template_read(&template, "{a} {b}", 7, false, &error),
			 0);
	ck_assert_str_eq(template_unknown(&template, &values), "b");
	template_show(&template, &values, &out);
	ck_assert_str_eq(bytes_text(&out), "one {b}");
	know("b", "t o ");
	ck_assert_ptr_null(template_unknown(&template, &values));
	bytes_clear(&out);
	template_show(&template, &values, &out);
	ck_assert_str_eq(bytes_text(&out), "one t o\\x20");
	bytes_fini(&out);
	template_fini(&template);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("linetest-template");
	TCase *text = support_case(suite, "text");
	TCase *match = support_case(suite, "match");

	tcase_add_checked_fixture(text, NULL, forget);
	tcase_add_test(text, every_escape_is_read);
	tcase_add_test(text, braces_that_begin_nothing_are_braces);
	tcase_add_test(text, wrong_escapes_are_refused);
	tcase_add_test(text, bytes_are_shown_as_they_would_be_written);
	tcase_add_test(text, what_is_shown_reads_back);
	tcase_add_checked_fixture(match, NULL, forget);
	tcase_add_test(match, a_text_is_all_of_the_line);
	tcase_add_test(match, a_pattern_is_all_of_the_line);
	tcase_add_test(match, a_name_stands_for_a_word);
	tcase_add_test(match, a_name_may_have_a_pattern);
	tcase_add_test(match, a_name_twice_in_a_line_is_one_value);
	tcase_add_test(match, a_value_is_no_expression);
	tcase_add_test(match, open_names_are_found);
	return suite;
}

int main(void)
{
	return support_main_once(suite);
}
