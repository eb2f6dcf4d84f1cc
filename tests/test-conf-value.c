/* SPDX-License-Identifier: MIT */
/*
 * Single values: numbers, durations, sizes, booleans, modes.
 */
#include "config.h"

#include "config/conf_value.h"

#include <check.h>
#include <stdlib.h>

typedef enum conf_value_status read_fn(const char *text, int64_t *value);

static void good(read_fn *read, const char *text, int64_t expected)
{
	int64_t value = -1;

	ck_assert_msg(read(text, &value) == CONF_VALUE_OK, "\"%s\"", text);
	ck_assert_int_eq(value, expected);
}

static void bad(read_fn *read, enum conf_value_status status, const char *text)
{
	int64_t value;

	ck_assert_msg(read(text, &value) == status, "\"%s\"", text);
}

START_TEST(integers_are_decimal)
{
	good(conf_value_integer, "0", 0);
	good(conf_value_integer, "010", 10);
	good(conf_value_integer, "-7", -7);
	good(conf_value_integer, "9223372036854775807", INT64_MAX);
	bad(conf_value_integer, CONF_VALUE_RANGE, "9223372036854775808");
	bad(conf_value_integer, CONF_VALUE_BAD, "");
	bad(conf_value_integer, CONF_VALUE_BAD, "-");
	bad(conf_value_integer, CONF_VALUE_BAD, "+1");
	bad(conf_value_integer, CONF_VALUE_BAD, "0x10");
	bad(conf_value_integer, CONF_VALUE_BAD, "1 ");
	bad(conf_value_integer, CONF_VALUE_BAD, " 1");
	bad(conf_value_integer, CONF_VALUE_BAD, "1.5");
	bad(conf_value_integer, CONF_VALUE_BAD, "99999999999999999999x");
}
END_TEST

START_TEST(leading_zeros_are_seen)
{
	ck_assert(conf_value_has_leading_zero("010"));
	ck_assert(conf_value_has_leading_zero("-00"));
	ck_assert(conf_value_has_leading_zero("01ms"));
	ck_assert(!conf_value_has_leading_zero("0"));
	ck_assert(!conf_value_has_leading_zero("0ms"));
	ck_assert(!conf_value_has_leading_zero("10"));
	ck_assert(!conf_value_has_leading_zero(""));
}
END_TEST

START_TEST(durations_are_milliseconds)
{
	good(conf_value_duration, "10", 10000);
	good(conf_value_duration, "10ms", 10);
	good(conf_value_duration, "10s", 10000);
	good(conf_value_duration, "10m", 600000);
	good(conf_value_duration, "010h", 36000000);
	good(conf_value_duration, "0", 0);
	bad(conf_value_duration, CONF_VALUE_BAD, "10d");
	bad(conf_value_duration, CONF_VALUE_BAD, "10 s");
	bad(conf_value_duration, CONF_VALUE_BAD, "s");
	bad(conf_value_duration, CONF_VALUE_BAD, "10S");
	bad(conf_value_duration, CONF_VALUE_BAD, "1.5s");
	bad(conf_value_duration, CONF_VALUE_BAD, "-1s");
	bad(conf_value_duration, CONF_VALUE_BAD, "1h30m");
	bad(conf_value_duration, CONF_VALUE_BAD, "10k");
	bad(conf_value_duration, CONF_VALUE_RANGE, "9223372036854775807h");
	bad(conf_value_duration, CONF_VALUE_RANGE, "99999999999999999999ms");
}
END_TEST

START_TEST(sizes_are_bytes)
{
	good(conf_value_size, "10", 10);
	good(conf_value_size, "1k", 1024);
	good(conf_value_size, "3M", 3 * 1024 * 1024);
	good(conf_value_size, "2G", INT64_C(2) * 1024 * 1024 * 1024);
	bad(conf_value_size, CONF_VALUE_BAD, "1m");
	bad(conf_value_size, CONF_VALUE_BAD, "1kB");
	bad(conf_value_size, CONF_VALUE_BAD, "k");
	bad(conf_value_size, CONF_VALUE_RANGE, "9007199254740992G");
}
END_TEST

START_TEST(booleans_have_three_words_each)
{
	static const char *const yes[] = {"true", "yes", "on", "Yes"};
	static const char *const no[] = {"false", "no", "off", "OFF"};
	bool value;
	size_t i;

	for (i = 0; i < 4; i++) {
		value = false;
		ck_assert_int_eq(conf_value_boolean(yes[i], &value),
				 CONF_VALUE_OK);
		ck_assert(value);
		ck_assert_int_eq(conf_value_boolean(no[i], &value),
				 CONF_VALUE_OK);
		ck_assert(!value);
	}
	ck_assert_int_eq(conf_value_boolean("1", &value), CONF_VALUE_BAD);
	ck_assert_int_eq(conf_value_boolean("", &value), CONF_VALUE_BAD);
}
END_TEST

START_TEST(modes_are_octal)
{
	unsigned mode = 0;

	ck_assert_int_eq(conf_value_mode("0660", &mode), CONF_VALUE_OK);
	ck_assert_uint_eq(mode, 0660);
	ck_assert_int_eq(conf_value_mode("7", &mode), CONF_VALUE_OK);
	ck_assert_uint_eq(mode, 7);
	ck_assert_int_eq(conf_value_mode("1777", &mode), CONF_VALUE_RANGE);
	ck_assert_int_eq(conf_value_mode("77777777777777", &mode),
			 CONF_VALUE_RANGE);
	ck_assert_int_eq(conf_value_mode("0880", &mode), CONF_VALUE_BAD);
	ck_assert_int_eq(conf_value_mode("rw", &mode), CONF_VALUE_BAD);
	ck_assert_int_eq(conf_value_mode("", &mode), CONF_VALUE_BAD);
}
END_TEST

START_TEST(texts_take_the_largest_unit)
{
	char buf[CONF_VALUE_TEXT_MAX];

	ck_assert_str_eq(conf_value_duration_text(0, buf), "0");
	ck_assert_str_eq(conf_value_duration_text(1, buf), "1ms");
	ck_assert_str_eq(conf_value_duration_text(90000, buf), "90s");
	ck_assert_str_eq(conf_value_duration_text(7200000, buf), "2h");
	ck_assert_str_eq(conf_value_size_text(0, buf), "0");
	ck_assert_str_eq(conf_value_size_text(1000, buf), "1000");
	ck_assert_str_eq(conf_value_size_text(2048, buf), "2k");
}
END_TEST

START_TEST(distance_counts_letters)
{
	ck_assert_uint_eq(conf_value_distance("limits", "limits"), 0);
	ck_assert_uint_eq(conf_value_distance("limts", "limits"), 1);
	ck_assert_uint_eq(conf_value_distance("", "abc"), 3);
	ck_assert_uint_eq(conf_value_distance("abc", ""), 3);
	ck_assert_uint_eq(conf_value_distance("kitten", "sitting"), 3);
	ck_assert_uint_eq(conf_value_distance("modt", "motd"), 1);
	ck_assert_uint_eq(conf_value_distance("levle", "level"), 1);
	ck_assert_uint_ge(
		conf_value_distance("a name that is far too long for a guess",
				    "a"),
		32);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf-value");
	TCase *tcase = tcase_create("conf-value");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, integers_are_decimal);
	tcase_add_test(tcase, leading_zeros_are_seen);
	tcase_add_test(tcase, durations_are_milliseconds);
	tcase_add_test(tcase, sizes_are_bytes);
	tcase_add_test(tcase, booleans_have_three_words_each);
	tcase_add_test(tcase, modes_are_octal);
	tcase_add_test(tcase, texts_take_the_largest_unit);
	tcase_add_test(tcase, distance_counts_letters);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
