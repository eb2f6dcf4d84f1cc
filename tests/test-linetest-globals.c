/* SPDX-License-Identifier: MIT */
/*
 * Finds global variables in modules, that is, in files that a compiler has
 * made, and in damaged files.
 */
#include "config.h"

#include "linetest/module_globals.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

/* A variable of this program. The test uses the program's file as a module. */
int globals_seen = 1;

static char dir[64], path[80];
static char *text;
static size_t size;

static void make(void)
{
	FILE *file = fopen("/proc/self/exe", "r");

	strcpy(dir, "/tmp/lined-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a.so", dir);
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
	size = (size_t)ftell(file);
	rewind(file);
	text = malloc(size);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(fread(text, 1, size, file), size);
	fclose(file);
}

static void discard(void)
{
	free(text);
	unlink(path);
	rmdir(dir);
}

static bool has_globals(void)
{
	struct bytes found = {0};
	bool has;

	module_globals_find(dir, &found);
	has = strstr(bytes_text(&found), "globals_seen") != NULL;
	bytes_fini(&found);
	return has;
}

/* Writes the first len bytes of the file. */
static void write_module(size_t len)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

static bool part_has_globals(size_t len)
{
	write_module(len);
	return has_globals();
}

START_TEST(a_variable_is_found)
{
	ck_assert_int_eq(globals_seen, 1);
	ck_assert(part_has_globals(size));
}
END_TEST

START_TEST(half_a_module_has_none)
{
	size_t len;

	for (len = 0; len < 200; len++)
		ck_assert(!part_has_globals(len));
	ck_assert(!part_has_globals(size / 2));
	text[0] ^= 1;
	ck_assert(!part_has_globals(size));
}
END_TEST

/* A damaged table of sections causes no read outside of the file. */
START_TEST(a_damaged_module_ends_nothing)
{
	size_t table, count, i;
	char changed;
	int fd;

	/* ELF of 64 bits only: e_shoff, e_shnum. */
	if (sizeof(void *) != 8)
		return;
	memcpy(&table, text + 40, sizeof(table));
	count = (unsigned char)text[60] * (size_t)64;
	write_module(size);
	fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	/* Changes each byte of a field, in one section after another. */
	for (i = 0; i < count; i += 5) {
		changed = (char)(text[table + i] ^ (i % 2 != 0 ? 0xff : 0x15));
		ck_assert_int_eq(pwrite(fd, &changed, 1, (off_t)(table + i)),
				 1);
		has_globals();
		ck_assert_int_eq(
			pwrite(fd, text + table + i, 1, (off_t)(table + i)), 1);
	}
	close(fd);
	ck_assert(has_globals());
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("linetest-globals");
	TCase *tcase = support_case(suite, "globals");

	tcase_add_checked_fixture(tcase, make, discard);
	tcase_add_test(tcase, a_variable_is_found);
	tcase_add_test(tcase, half_a_module_has_none);
	tcase_add_test(tcase, a_damaged_module_ends_nothing);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
