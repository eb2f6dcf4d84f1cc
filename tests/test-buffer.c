/* SPDX-License-Identifier: MIT */
/*
 * Shared buffers alone: copies, room to write, wrapped bytes, and release.
 * test-send tests the references of send queues.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "support.h"

static void count_release(void *arg)
{
	(*(unsigned *)arg)++;
}

START_TEST(new_buffer_copies)
{
	char bytes[] = "ab\0cd";
	struct lined_buffer *buffer = lined_buffer_new(bytes, 5);

	ck_assert_ptr_nonnull(buffer);
	memset(bytes, 'x', 5);
	ck_assert_uint_eq(lined_buffer_len(buffer), 5);
	ck_assert_mem_eq(lined_buffer_data(buffer), "ab\0cd", 5);
	lined_buffer_unref(buffer);
}
END_TEST

START_TEST(allocated_room_is_the_buffer)
{
	char *room;
	struct lined_buffer *buffer = lined_buffer_alloc(4, &room);

	ck_assert_ptr_nonnull(buffer);
	memcpy(room, "room", 4);
	ck_assert_mem_eq(lined_buffer_data(buffer), "room", 4);
	ck_assert_uint_eq(lined_buffer_len(buffer), 4);
	lined_buffer_unref(buffer);
}
END_TEST

START_TEST(empty_buffer_is_a_buffer)
{
	struct lined_buffer *buffer = lined_buffer_new(NULL, 0);

	ck_assert_ptr_nonnull(buffer);
	ck_assert_uint_eq(lined_buffer_len(buffer), 0);
	lined_buffer_unref(buffer);
}
END_TEST

START_TEST(wrapped_bytes_are_released_with_the_last_reference)
{
	static const char bytes[] = "elsewhere";
	unsigned released = 0;
	struct lined_buffer *buffer =
		lined_buffer_wrap(bytes, 9, count_release, &released);

	ck_assert_ptr_nonnull(buffer);
	ck_assert_ptr_eq(lined_buffer_data(buffer), bytes);
	ck_assert_ptr_eq(lined_buffer_ref(buffer), buffer);
	lined_buffer_unref(buffer);
	ck_assert_uint_eq(released, 0);
	lined_buffer_unref(buffer);
	ck_assert_uint_eq(released, 1);
}
END_TEST

START_TEST(wrap_without_release_frees_only_itself)
{
	static const char bytes[] = "constant";
	struct lined_buffer *buffer = lined_buffer_wrap(bytes, 8, NULL, NULL);

	ck_assert_ptr_nonnull(buffer);
	lined_buffer_unref(buffer);
	ck_assert_str_eq(bytes, "constant");
}
END_TEST

START_TEST(too_big_is_refused)
{
	const size_t too_big = ((size_t)1 << 30) + 1;
	unsigned released = 0;
	char *room;

	errno = 0;
	ck_assert_ptr_null(lined_buffer_new("x", too_big));
	ck_assert_int_eq(errno, EOVERFLOW);
	errno = 0;
	ck_assert_ptr_null(lined_buffer_alloc(too_big, &room));
	ck_assert_int_eq(errno, EOVERFLOW);
	errno = 0;
	ck_assert_ptr_null(
		lined_buffer_wrap("x", too_big, count_release, &released));
	ck_assert_int_eq(errno, EOVERFLOW);
	ck_assert_uint_eq(released, 0); /* the bytes stay the caller's */
}
END_TEST

START_TEST(unref_of_null_does_nothing)
{
	lined_buffer_unref(NULL);
}
END_TEST

START_TEST(a_buffer_is_one_line_unless_it_is_said)
{
	struct lined_buffer *buffer = lined_buffer_new("a\nb\n", 4);

	ck_assert_uint_eq(lined_buffer_lines(buffer), 1);
	lined_buffer_set_lines(buffer, 2);
	ck_assert_uint_eq(lined_buffer_lines(buffer), 2);
	lined_buffer_unref(buffer);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("buffer");
	TCase *tcase = support_case(suite, "buffer");

	tcase_add_test(tcase, new_buffer_copies);
	tcase_add_test(tcase, allocated_room_is_the_buffer);
	tcase_add_test(tcase, empty_buffer_is_a_buffer);
	tcase_add_test(tcase,
		       wrapped_bytes_are_released_with_the_last_reference);
	tcase_add_test(tcase, wrap_without_release_frees_only_itself);
	tcase_add_test(tcase, too_big_is_refused);
	tcase_add_test(tcase, unref_of_null_does_nothing);
	tcase_add_test(tcase, a_buffer_is_one_line_unless_it_is_said);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
