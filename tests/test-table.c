/* SPDX-License-Identifier: MIT */
/*
 * Tables: entries are found until they expire, the bound is kept, and a long
 * random sequence of calls has the same results as with an array.
 */
#include "config.h"

#include <lined/table.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static struct lined_dispatcher *d;
static struct lined_table *table;

static void setup(void)
{
	d = support_dispatcher();
	table = lined_table_new(d, 100000);
	ck_assert_ptr_nonnull(table);
}

static void teardown(void)
{
	lined_table_free(table);
	lined_dispatcher_free(d);
}

static uint64_t in_ms(uint64_t ms)
{
	return lined_dispatcher_now_ms(d) + ms;
}

static int put_entry(const char *key, struct lined_buffer *value, uint64_t tag,
		     uint64_t expires_ms)
{
	const struct lined_table_entry entry = {value, tag, expires_ms};

	return lined_table_put(table, key, strlen(key), &entry);
}

static int put(const char *key, const char *value, uint64_t expires_ms)
{
	struct lined_buffer *buffer = lined_buffer_new(value, strlen(value));
	int rc;

	ck_assert_ptr_nonnull(buffer);
	rc = put_entry(key, buffer, 0, expires_ms);
	lined_buffer_unref(buffer);
	return rc;
}

static const struct lined_table_entry *find(const char *key)
{
	return lined_table_find(table, key, strlen(key));
}

static void expect(const char *key, const char *want)
{
	const struct lined_table_entry *entry = find(key);

	if (want == NULL) {
		ck_assert_ptr_null(entry);
		return;
	}
	ck_assert_ptr_nonnull(entry);
	ck_assert_uint_eq(lined_buffer_len(entry->value), strlen(want));
	ck_assert_mem_eq(lined_buffer_data(entry->value), want, strlen(want));
}

START_TEST(what_is_put_is_found_and_removed)
{
	expect("a", NULL);
	ck_assert_int_eq(put("a", "one", 0), 0);
	ck_assert_int_eq(put("ab", "two", 0), 0);
	ck_assert_int_eq(put("", "three", 0), 0);
	expect("a", "one");
	expect("ab", "two");
	expect("", "three");
	expect("b", NULL);
	ck_assert_uint_eq(lined_table_len(table), 3);
	ck_assert_int_eq(put("a", "four", 0), 0);
	expect("a", "four");
	ck_assert_uint_eq(lined_table_len(table), 3);
	ck_assert_int_eq(lined_table_remove(table, "a", 1), 0);
	expect("a", NULL);
	support_fails(lined_table_remove(table, "a", 1), ENOENT);
	expect("ab", "two");
	ck_assert_uint_eq(lined_table_len(table), 2);
}
END_TEST

START_TEST(clear_removes_all_and_gives_the_room_back)
{
	ck_assert_uint_eq(lined_table_bytes(table), 0);
	ck_assert_int_eq(put("a", "one", 0), 0);
	ck_assert_uint_gt(lined_table_bytes(table), 0);
	ck_assert_int_eq(put("b", "two", lined_dispatcher_now_ms(d) + 1000), 0);
	lined_table_clear(table);
	expect("a", NULL);
	expect("b", NULL);
	ck_assert_uint_eq(lined_table_len(table), 0);
	ck_assert_uint_eq(lined_table_bytes(table), 0);
	ck_assert_uint_eq(lined_table_take_evicted(table), 0);
	ck_assert_int_eq(put("a", "three", 0), 0);
	expect("a", "three");
}
END_TEST

START_TEST(keys_are_bytes)
{
	const struct lined_table_entry entry = {.tag = 7};

	ck_assert_int_eq(lined_table_put(table, "a\0b", 3, &entry), 0);
	ck_assert_ptr_null(lined_table_find(table, "a\0c", 3));
	ck_assert_ptr_null(lined_table_find(table, "a", 1));
	ck_assert_ptr_nonnull(lined_table_find(table, "a\0b", 3));
}
END_TEST

START_TEST(an_entry_is_a_value_a_number_or_both)
{
	struct lined_buffer *value = lined_buffer_new("v", 1);
	const struct lined_table_entry *entry;
	uint64_t expires_ms = in_ms(60000);

	ck_assert_int_eq(put_entry("number", NULL, UINT64_MAX, 0), 0);
	ck_assert_int_eq(put_entry("both", value, 7, expires_ms), 0);
	entry = find("number");
	ck_assert_ptr_nonnull(entry);
	ck_assert_ptr_null(entry->value);
	ck_assert_uint_eq(entry->tag, UINT64_MAX);
	ck_assert_uint_eq(entry->expires_ms, 0);
	entry = find("both");
	ck_assert_ptr_nonnull(entry);
	ck_assert_ptr_eq(entry->value, value);
	ck_assert_uint_eq(entry->tag, 7);
	ck_assert_uint_eq(entry->expires_ms, expires_ms);
	/* Entries with numbers count for the bound, too. */
	lined_table_set_max(table, 0);
	support_fails(put_entry("number", NULL, 1, 0), ENOBUFS);
	lined_buffer_unref(value);
}
END_TEST

START_TEST(an_entry_may_be_put_again_from_itself)
{
	const struct lined_table_entry *entry;
	uint64_t expires_ms = in_ms(60000);

	ck_assert_int_eq(put("a", "one", expires_ms), 0);
	entry = find("a");
	ck_assert_int_eq(lined_table_put(table, lined_buffer_data(entry->value),
					 3, entry),
			 0);
	ck_assert_int_eq(lined_table_put(table, "a", 1, find("a")), 0);
	expect("one", "one");
	expect("a", "one");
	ck_assert_uint_eq(find("a")->expires_ms, expires_ms);
}
END_TEST

/* ---- time ---------------------------------------------------------------- */

static bool is_empty(void *arg)
{
	return lined_table_len(table) == 0;
}

START_TEST(a_value_goes_by_itself_and_not_before_its_time)
{
	uint64_t start_ms = support_now_ms(), until;

	/* A dispatcher that has not run has an old time. */
	lined_dispatcher_poll(d, 0);
	until = in_ms(40);
	ck_assert_int_eq(put("a", "one", until), 0);
	ck_assert_uint_eq(find("a")->expires_ms, until);
	support_run_until(d, is_empty, NULL);
	ck_assert_uint_ge(support_now_ms() - start_ms, 40);
	expect("a", NULL);
}
END_TEST

START_TEST(a_value_put_anew_has_its_new_time)
{
	ck_assert_int_eq(put("a", "one", in_ms(1)), 0);
	ck_assert_int_eq(put("a", "two", 0), 0);
	ck_assert_int_eq(put("b", "three", 0), 0);
	ck_assert_int_eq(put("b", "four", in_ms(1)), 0);
	while (find("b") != NULL)
		lined_dispatcher_poll(d, 10);
	support_run_for(d, 30);
	expect("a", "two");
	ck_assert_uint_eq(lined_table_len(table), 1);
}
END_TEST

START_TEST(what_has_expired_already_is_not_found)
{
	lined_dispatcher_poll(d, 0);
	ck_assert_int_eq(put("a", "one", 0), 0);
	ck_assert_int_eq(put("a", "two", lined_dispatcher_now_ms(d)), 0);
	expect("a", NULL);
	ck_assert_int_eq(put("b", "two", 1), 0);
	ck_assert_int_eq(lined_table_remove(table, "b", 1), -1);
}
END_TEST

/* ---- the bound ----------------------------------------------------------- */

START_TEST(what_was_not_used_for_longest_goes_first)
{
	char key[16];
	unsigned i, full;

	for (i = 0; lined_table_take_evicted(table) == 0; i++) {
		ck_assert_uint_lt(i, 10000);
		sprintf(key, "%u", i);
		ck_assert_int_eq(put(key, "value", 0), 0);
	}
	full = i - 1;
	ck_assert_uint_eq(lined_table_len(table), full);
	expect("0", NULL);
	/* Key 1 is no longer the oldest, because it was found. */
	expect("1", "value");
	ck_assert_int_eq(put("x", "value", 0), 0);
	expect("1", "value");
	expect("2", NULL);
	ck_assert_uint_eq(lined_table_take_evicted(table), 1);
	ck_assert_uint_eq(lined_table_take_evicted(table), 0);
	ck_assert_uint_eq(lined_table_len(table), full);
}
END_TEST

START_TEST(what_is_over_the_bound_alone_is_refused)
{
	char *big = malloc(100001);

	ck_assert_ptr_nonnull(big);
	memset(big, 'x', 100000);
	big[100000] = '\0';
	ck_assert_int_eq(put("other", "stays", 0), 0);
	ck_assert_int_eq(put("a", "old", 0), 0);
	support_fails(put("a", big, 0), ENOBUFS);
	expect("a", NULL);
	expect("other", "stays");
	free(big);
}
END_TEST

START_TEST(a_lower_bound_holds_at_once)
{
	ck_assert_int_eq(put("a", "one", 0), 0);
	ck_assert_int_eq(put("b", "two", in_ms(60000)), 0);
	lined_table_set_max(table, 400);
	expect("a", NULL);
	expect("b", "two");
	lined_table_set_max(table, 0);
	ck_assert_uint_eq(lined_table_len(table), 0);
	ck_assert_int_eq(put("c", "three", 0), -1);
	lined_table_set_max(table, 100000);
	ck_assert_int_eq(put("c", "three", 0), 0);
}
END_TEST

/* ---- random calls ---------------------------------------------------- */

enum { KEYS = 50, STEPS = 20000 };

START_TEST(it_agrees_with_an_array)
{
	unsigned values[KEYS] = {0}, step;
	char key[8], value[16];
	size_t count = 0;

	srandom(11);
	for (step = 1; step <= STEPS; step++) {
		unsigned k = (unsigned)random() % KEYS;

		sprintf(key, "k%u", k);
		sprintf(value, "%u", values[k]);
		switch (random() % 3) {
		case 0:
			expect(key, values[k] > 0 ? value : NULL);
			break;
		case 1:
			count += values[k] == 0;
			values[k] = step;
			sprintf(value, "%u", step);
			ck_assert_int_eq(put(key, value,
					     random() % 2 ? 0 : in_ms(3600000)),
					 0);
			break;
		default:
			count -= values[k] > 0;
			ck_assert_int_eq(
				lined_table_remove(table, key, strlen(key)),
				values[k] > 0 ? 0 : -1);
			values[k] = 0;
		}
		ck_assert_uint_eq(lined_table_len(table), count);
	}
	ck_assert_uint_eq(lined_table_take_evicted(table), 0);
}
END_TEST

/* Returns the keys in the order of the cursor. */
static const char *walk(void)
{
	static char keys[100];
	struct lined_table_cursor at = {.entry = NULL};
	size_t len = 0;

	while (lined_table_next(table, &at)) {
		memcpy(keys + len, at.key, at.key_len);
		len += at.key_len;
		ck_assert_ptr_nonnull(at.entry->value);
	}
	/* At the end, the cursor stays there. */
	ck_assert(!lined_table_next(table, &at));
	keys[len] = '\0';
	return keys;
}

START_TEST(a_cursor_sees_each_entry_once)
{
	struct lined_table_cursor at = {.entry = NULL};

	ck_assert_str_eq(walk(), "");
	ck_assert_int_eq(put("a", "1", 0), 0);
	ck_assert_int_eq(put("b", "2", in_ms(60000)), 0);
	ck_assert_int_eq(put("c", "3", 0), 0);
	ck_assert_int_eq(put("gone", "4", in_ms(0)), 0);
	ck_assert_str_eq(walk(), "abc");
	find("a");
	ck_assert_str_eq(walk(), "bca");
	/* The cursor's entry may be removed. */
	while (lined_table_next(table, &at))
		if (*(const char *)at.key != 'c')
			lined_table_remove(table, at.key, at.key_len);
	ck_assert_str_eq(walk(), "c");
}
END_TEST

static Suite *table_suite(void)
{
	Suite *suite = suite_create("table");
	TCase *tcase = support_case(suite, "table");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_put_is_found_and_removed);
	tcase_add_test(tcase, clear_removes_all_and_gives_the_room_back);
	tcase_add_test(tcase, keys_are_bytes);
	tcase_add_test(tcase, an_entry_is_a_value_a_number_or_both);
	tcase_add_test(tcase, an_entry_may_be_put_again_from_itself);
	tcase_add_test(tcase, a_value_goes_by_itself_and_not_before_its_time);
	tcase_add_test(tcase, a_value_put_anew_has_its_new_time);
	tcase_add_test(tcase, what_has_expired_already_is_not_found);
	tcase_add_test(tcase, what_was_not_used_for_longest_goes_first);
	tcase_add_test(tcase, what_is_over_the_bound_alone_is_refused);
	tcase_add_test(tcase, a_lower_bound_holds_at_once);
	tcase_add_test(tcase, a_cursor_sees_each_entry_once);
	tcase_add_test(tcase, it_agrees_with_an_array);
	return suite;
}

int main(void)
{
	return support_main_once(table_suite);
}
