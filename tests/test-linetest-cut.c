/* SPDX-License-Identifier: MIT */
/*
 * How writes are cut: nothing is lost, each mode cuts as its name says, and a
 * seed gives the same cuts again.
 */
#include "config.h"

#include "linetest/cut.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static const char text[] = "one\r\n\r\ntwo\n\nthree \r x\r\nfour";

#define LEN (sizeof(text) - 1)

/* Cuts the text. Sets sizes to the sizes of the pieces, followed by 0, and
 * returns how many there are. */
static size_t cut_all(struct cut *cut, size_t sizes[LEN + 1])
{
	size_t at = 0, count = 0;

	while (at < LEN) {
		size_t size = cut_next(cut, text + at, LEN - at);

		ck_assert_uint_ge(size, 1);
		ck_assert_uint_le(size, LEN - at);
		sizes[count++] = size;
		at += size;
	}
	sizes[count] = 0;
	return count;
}

START_TEST(whole_and_joined_are_one_piece)
{
	size_t sizes[LEN + 1];
	struct cut cut;

	cut_init(&cut, CUT_WHOLE, 0);
	ck_assert_uint_eq(cut_all(&cut, sizes), 1);
	ck_assert(!cut_joins(&cut));
	cut_init(&cut, CUT_JOINED, 0);
	ck_assert_uint_eq(cut_all(&cut, sizes), 1);
	ck_assert(cut_joins(&cut));
}
END_TEST

START_TEST(bytes_are_single)
{
	size_t sizes[LEN + 1];
	struct cut cut;

	cut_init(&cut, CUT_BYTES, 0);
	ck_assert_uint_eq(cut_all(&cut, sizes), LEN);
	ck_assert(!cut_joins(&cut));
}
END_TEST

START_TEST(split_parts_every_cr_from_its_lf)
{
	size_t sizes[LEN + 1], at = 0, i, count;
	bool begins[LEN + 1] = {false};
	struct cut cut;

	cut_init(&cut, CUT_SPLIT, 0);
	count = cut_all(&cut, sizes);
	for (i = 0; i < count; i++) {
		begins[at] = true;
		at += sizes[i];
	}
	for (i = 0; i < LEN; i++)
		if (text[i] == '\n')
			ck_assert(begins[i]);
	ck_assert_uint_lt(count, LEN);
}
END_TEST

START_TEST(a_seed_is_the_same_cuts_again)
{
	size_t a[LEN + 1], b[LEN + 1];
	bool seen[LEN + 1] = {false};
	unsigned joined = 0, different = 0;
	uint64_t seed;
	struct cut cut;

	for (seed = 0; seed < 200; seed++) {
		cut_init(&cut, CUT_RANDOM, seed);
		seen[cut_all(&cut, a)] = true;
		joined += cut_joins(&cut);
		cut_init(&cut, CUT_RANDOM, seed);
		cut_all(&cut, b);
		ck_assert_mem_eq(a, b, sizeof(*a));
		cut_init(&cut, CUT_RANDOM, seed + 1000);
		cut_all(&cut, b);
		different += memcmp(a, b, sizeof(*a)) != 0;
	}
	/* There are cuts into few pieces, into many, and all numbers
	 * between. */
	ck_assert(seen[1] && seen[2] && seen[LEN / 2]);
	ck_assert_uint_gt(joined, 60);
	ck_assert_uint_lt(joined, 140);
	ck_assert_uint_gt(different, 60);
}
END_TEST

START_TEST(the_text_has_the_seed)
{
	struct cut cut;
	char *name;

	cut_init(&cut, CUT_RANDOM, 12345678901u);
	name = cut_text(&cut);
	ck_assert_str_eq(name, "random cuts, seed 12345678901");
	free(name);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("linetest-cut");
	TCase *cuts = support_case(suite, "cut");

	tcase_add_test(cuts, whole_and_joined_are_one_piece);
	tcase_add_test(cuts, bytes_are_single);
	tcase_add_test(cuts, split_parts_every_cr_from_its_lf);
	tcase_add_test(cuts, a_seed_is_the_same_cuts_again);
	tcase_add_test(cuts, the_text_has_the_seed);
	return suite;
}

int main(void)
{
	return support_main_once(suite);
}
