/* SPDX-License-Identifier: MIT */
/*
 * The sorted set of names, against an array that is sorted by qsort().
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threads/name_set.h"
#include "support.h"

enum { NAMES = 2000, STEPS = 20000 };

struct item {
	struct name_node name;
	char text[16];
};

static int compare(const void *a, const void *b)
{
	return strcmp((*(struct item *const *)a)->text,
		      (*(struct item *const *)b)->text);
}

/* The set contains the linked items, sorted. */
static void check(const struct name_set *names, struct item *items)
{
	static struct item *sorted[NAMES];
	const struct name_node *name = name_set_from(names, "");
	size_t count = 0, i;

	for (i = 0; i < NAMES; i++)
		if (items[i].name.linked)
			sorted[count++] = &items[i];
	qsort(sorted, count, sizeof(sorted[0]), compare);
	for (i = 0; i < count; i++, name = name->next[0])
		ck_assert_ptr_eq(name, &sorted[i]->name);
	ck_assert_ptr_null(name);
}

START_TEST(names_come_and_go_and_stay_sorted)
{
	static struct item items[NAMES];
	struct name_set names;
	unsigned i;

	name_set_init(&names);
	srandom(7);
	for (i = 0; i < NAMES; i++)
		snprintf(items[i].text, sizeof(items[i].text), "%lx.%u",
			 (unsigned long)random() & 0xfff, i);
	for (i = 0; i < STEPS; i++) {
		struct item *item = &items[random() % NAMES];

		ck_assert_ptr_eq(name_set_find(&names, item->text),
				 item->name.linked ? &item->name : NULL);
		if (item->name.linked)
			name_set_remove(&names, &item->name);
		else
			name_set_add(&names, &item->name, item->text);
		if (i % 500 == 0)
			check(&names, items);
	}
	check(&names, items);
	for (i = 0; i < NAMES; i++)
		if (items[i].name.linked)
			name_set_remove(&names, &items[i].name);
	for (i = 0; i < NAME_SET_LEVELS; i++)
		ck_assert_ptr_null(names.first[i]);
}
END_TEST

START_TEST(a_search_begins_where_the_text_would_stand)
{
	struct name_node b, d;
	struct name_set names;

	name_set_init(&names);
	ck_assert_ptr_null(name_set_from(&names, ""));
	name_set_add(&names, &d, "d");
	name_set_add(&names, &b, "b");
	ck_assert_ptr_eq(name_set_from(&names, "a"), &b);
	ck_assert_ptr_eq(name_set_from(&names, "b"), &b);
	ck_assert_ptr_eq(name_set_from(&names, "ba"), &d);
	ck_assert_ptr_null(name_set_from(&names, "da"));
	ck_assert_ptr_null(name_set_find(&names, "c"));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("names");
	TCase *tcase = support_case(suite, "names");

	tcase_add_test(tcase, names_come_and_go_and_stay_sorted);
	tcase_add_test(tcase, a_search_begins_where_the_text_would_stand);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
