/* SPDX-License-Identifier: MIT */
/*
 * Words of a line, and numbers up to their bounds.
 */
#include "config.h"

#include <lined/word.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { WORDS = 4 };

/* Cuts a text, and writes its first words as "a|b|c". */
static size_t cut(const char *bytes, size_t len, char *said)
{
	/* A copy of exactly this size, so that a sanitizer finds a read past
	 * its end. */
	char *text = malloc(len > 0 ? len : 1);
	struct lined_word words[WORDS];
	struct lined_line line = {.text = text, .len = len};
	size_t count, i;

	ck_assert_ptr_nonnull(text);
	memcpy(text, bytes, len);
	count = lined_line_words(&line, words, WORDS);
	said[0] = '\0';
	for (i = 0; i < count && i < WORDS; i++) {
		ck_assert_uint_gt(words[i].len, 0);
		if (i > 0)
			strcat(said, "|");
		strncat(said, words[i].text, words[i].len);
	}
	free(text);
	return count;
}

static void expect(const char *text, size_t count, const char *want)
{
	char said[100];

	ck_assert_uint_eq(cut(text, strlen(text), said), count);
	ck_assert_str_eq(said, want);
}

START_TEST(words_stand_between_spaces_and_tabs)
{
	expect("", 0, "");
	expect(" \t ", 0, "");
	expect("one", 1, "one");
	expect("one two", 2, "one|two");
	expect("\t one  two\t\tthree ", 3, "one|two|three");
	expect("a,b;c\r", 1, "a,b;c\r");
}
END_TEST

START_TEST(words_over_the_bound_are_counted)
{
	expect("a b c d", 4, "a|b|c|d");
	expect("a b c d e  f ", 6, "a|b|c|d");
}
END_TEST

START_TEST(a_nul_byte_is_a_part_of_a_word)
{
	struct lined_line line = {.text = "a\0b c", .len = 5};
	struct lined_word words[WORDS];

	ck_assert_uint_eq(lined_line_words(&line, words, WORDS), 2);
	ck_assert_uint_eq(words[0].len, 3);
	ck_assert(!lined_word_is(&words[0], "a"));
	ck_assert(lined_word_is(&words[1], "c"));
}
END_TEST

START_TEST(a_word_is_compared_to_the_letter)
{
	const struct lined_word word = {"getter", 3};

	ck_assert(lined_word_is(&word, "get"));
	ck_assert(!lined_word_is(&word, "Get"));
	ck_assert(!lined_word_is(&word, "ge"));
	ck_assert(!lined_word_is(&word, "getter"));
	ck_assert(!lined_word_is(&word, ""));
}
END_TEST

/* ---- numbers ----------------------------------------------------------- */

static bool read_unsigned(const char *text, uint64_t max, uint64_t *number)
{
	const struct lined_word word = {text, strlen(text)};

	return lined_word_unsigned(&word, max, number);
}

static bool read_signed(const char *text, int64_t min, int64_t max,
			int64_t *number)
{
	const struct lined_word word = {text, strlen(text)};

	return lined_word_signed(&word, min, max, number);
}

START_TEST(an_unsigned_number_is_digits_within_the_bound)
{
	static const char *const none[] = {"",   "-",   "-1",  "+1", "1 ", "x",
					   "1x", "0x1", "1.0", ":",  "/"};
	uint64_t n = 4711;
	size_t i;

	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ck_assert_msg(!read_unsigned(none[i], UINT64_MAX, &n), "%s",
			      none[i]);
	ck_assert(!read_unsigned("1", 0, &n));
	ck_assert(!read_unsigned("10", 9, &n));
	ck_assert(!read_unsigned("100", 99, &n));
	ck_assert(!read_unsigned("18446744073709551616", UINT64_MAX, &n));
	ck_assert(!read_unsigned("99999999999999999999", UINT64_MAX, &n));
	ck_assert(!read_unsigned("100000000000000000000", UINT64_MAX, &n));
	ck_assert_uint_eq(n, 4711);
	ck_assert(read_unsigned("0", 0, &n) && n == 0);
	ck_assert(read_unsigned("010", 10, &n) && n == 10);
	ck_assert(read_unsigned("99", 99, &n) && n == 99);
	ck_assert(read_unsigned("18446744073709551615", UINT64_MAX, &n));
	ck_assert(n == UINT64_MAX);
}
END_TEST

START_TEST(a_signed_number_may_have_a_minus)
{
	int64_t n = 4711;

	ck_assert(!read_signed("", INT64_MIN, INT64_MAX, &n));
	ck_assert(!read_signed("-", INT64_MIN, INT64_MAX, &n));
	ck_assert(!read_signed("--1", INT64_MIN, INT64_MAX, &n));
	ck_assert(
		!read_signed("9223372036854775808", INT64_MIN, INT64_MAX, &n));
	ck_assert(
		!read_signed("-9223372036854775809", INT64_MIN, INT64_MAX, &n));
	ck_assert(!read_signed("-6", -5, 5, &n));
	ck_assert(!read_signed("6", -5, 5, &n));
	ck_assert_int_eq(n, 4711);
	ck_assert(read_signed("-5", -5, 5, &n) && n == -5);
	ck_assert(read_signed("5", -5, 5, &n) && n == 5);
	ck_assert(read_signed("-0", 0, 0, &n) && n == 0);
	ck_assert(read_signed("9223372036854775807", INT64_MIN, INT64_MAX, &n));
	ck_assert(n == INT64_MAX);
	ck_assert(
		read_signed("-9223372036854775808", INT64_MIN, INT64_MAX, &n));
	ck_assert(n == INT64_MIN);
}
END_TEST

/* Reads every number up to a maximum, with every bound. */
START_TEST(bounds_hold_for_every_number)
{
	char text[8];
	uint64_t n;
	unsigned i, max;

	for (max = 0; max <= 120; max++)
		for (i = 0; i <= 130; i++) {
			sprintf(text, "%u", i);
			ck_assert_int_eq(read_unsigned(text, max, &n),
					 i <= max);
			ck_assert(i > max || n == i);
		}
}
END_TEST

static void expect_rest(const char *text, size_t n, const char *wanted)
{
	const struct lined_line line = {.text = text, .len = strlen(text)};
	struct lined_word rest = lined_line_rest(&line, n);

	ck_assert_uint_eq(rest.len, strlen(wanted));
	ck_assert_mem_eq(rest.text, wanted, rest.len);
	ck_assert(rest.text >= text && rest.text <= text + line.len);
}

START_TEST(the_rest_of_a_line_keeps_its_inner_blanks)
{
	static const char line[] = " /msg  bob\t hello  there ";

	expect_rest(line, 0, "/msg  bob\t hello  there");
	expect_rest(line, 1, "bob\t hello  there");
	expect_rest(line, 2, "hello  there");
	expect_rest(line, 4, "");
	expect_rest(line, 9, "");
	expect_rest("", 0, "");
	expect_rest("  ", 1, "");
	expect_rest("word", 1, "");
}
END_TEST

START_TEST(a_word_is_copied_as_a_whole_or_not_at_all)
{
	char to[4] = "x";

	ck_assert(lined_word_copy(&(struct lined_word){"abcd", 3}, to, 4));
	ck_assert_str_eq(to, "abc");
	ck_assert(!lined_word_copy(&(struct lined_word){"abcd", 4}, to, 4));
	ck_assert_str_eq(to, "");
	ck_assert(!lined_word_copy(&(struct lined_word){"a\0b", 3}, to, 4));
	ck_assert(lined_word_copy(&(struct lined_word){"", 0}, to, 1));
	ck_assert_str_eq(to, "");
}
END_TEST

static Suite *word_suite(void)
{
	Suite *suite = suite_create("word");
	TCase *tcase = support_case(suite, "words");

	tcase_add_test(tcase, words_stand_between_spaces_and_tabs);
	tcase_add_test(tcase, words_over_the_bound_are_counted);
	tcase_add_test(tcase, a_nul_byte_is_a_part_of_a_word);
	tcase_add_test(tcase, a_word_is_compared_to_the_letter);
	tcase_add_test(tcase, the_rest_of_a_line_keeps_its_inner_blanks);
	tcase_add_test(tcase, a_word_is_copied_as_a_whole_or_not_at_all);
	tcase = support_case(suite, "numbers");
	tcase_add_test(tcase, an_unsigned_number_is_digits_within_the_bound);
	tcase_add_test(tcase, a_signed_number_may_have_a_minus);
	tcase_add_test(tcase, bounds_hold_for_every_number);
	return suite;
}

int main(void)
{
	return support_main_once(word_suite);
}
