/* SPDX-License-Identifier: MIT */
/*
 * Parts of relay: the store of histories and held lines, batches, the lines
 * that dedupe remembers, the expressions of filters.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "relay/batch.h"
#include "relay/dedupe.h"
#include "relay/filter.h"
#include "relay/line_store.h"
#include "support.h"

/* ---- the store --------------------------------------------------------- */

enum { LINES = 3000 };

/* Makes the line with this number. The lengths of lines and tags differ
 * much. */
static struct relay_line line_of(unsigned number)
{
	static char text[20000];
	size_t len = number % 7 == 0 ? number * 5 % sizeof(text) : number % 300;

	memset(text, 'a' + (int)(number % 26), sizeof(text));
	return (struct relay_line){text, len, len / 3, len > 2 ? 2 : 0};
}

static void check_lines(const struct relay_store *store, unsigned first,
			unsigned end)
{
	struct relay_store_place place = {0};
	struct relay_line line;
	size_t bytes = 0;
	unsigned i;

	for (i = first; i < end; i++) {
		struct relay_line wanted = line_of(i);

		ck_assert(relay_store_next(store, &place, &line));
		ck_assert_uint_eq(line.len, wanted.len);
		ck_assert_uint_eq(line.tag_len, wanted.tag_len);
		ck_assert_uint_eq(line.terminator_len, wanted.terminator_len);
		ck_assert_int_eq(memcmp(line.text, wanted.text, line.len), 0);
		bytes += line.len;
	}
	ck_assert(!relay_store_next(store, &place, &line));
	ck_assert_uint_eq(store->lines, end - first);
	ck_assert_uint_eq(store->bytes, bytes);
}

START_TEST(lines_are_kept_in_order_and_dropped_from_the_oldest)
{
	struct relay_store store = {0};
	unsigned i, first = 0;

	check_lines(&store, 0, 0);
	for (i = 0; i < LINES; i++) {
		struct relay_line line = line_of(i);

		ck_assert_int_eq(relay_store_add(&store, &line), 0);
		if (i % 3 == 0) {
			relay_store_drop(&store, 1);
			first++;
		}
	}
	check_lines(&store, first, LINES);
	while (store.lines > 0)
		relay_store_drop(&store, 1);
	check_lines(&store, 0, 0);
	for (i = 0; i < 10; i++) {
		struct relay_line line = line_of(i);

		ck_assert_int_eq(relay_store_add(&store, &line), 0);
	}
	check_lines(&store, 0, 10);
	relay_store_shrink(&store, 0);
	check_lines(&store, 0, 0);
}
END_TEST

/* ---- batches ------------------------------------------------------------ */

/* Whether a batch with sixteen bytes of lines and this table of lengths is
 * valid. */
static bool is_batch(uint32_t count, const struct relay_lengths lengths[2])
{
	struct {
		uint32_t sender[2];
		uint32_t count, ends;
		char bytes[16];
		struct relay_lengths lengths[2];
	} batch = {{0, htonl(1)},
		   htonl(count),
		   htonl(2),
		   "#ab\r\n#cdefghij\r",
		   {{0, 0, 0}}};
	struct lined_buffer *buffer;
	struct relay_message message;
	bool whole;
	size_t i;

	for (i = 0; i < 2; i++)
		batch.lengths[i] = (struct relay_lengths){
			htonl(lengths[i].len), htons(lengths[i].tag_len),
			htons(lengths[i].terminator_len)};
	buffer = lined_buffer_new(&batch, sizeof(batch));
	ck_assert_ptr_nonnull(buffer);
	whole = relay_message_read(&message, buffer);
	lined_buffer_unref(buffer);
	return whole;
}

/* A machine with another byte order reads the same batch. */
START_TEST(a_batch_is_in_network_byte_order)
{
	static const char wanted[] = "\1\2\3\4\5\6\7\10" /* the sender */
				     "\0\0\0\2\0\0\0\3" /* lines; LF and CRLF */
				     "#one\ntwo\r\n"
				     "\0\0\0\5\0\1\0\1"
				     "\0\0\0\5\0\0\0\2";
	static const struct lined_line one = {
		.text = "one",
		.len = 3,
		.terminator = "\n",
		.terminator_len = 1,
	};
	static const struct lined_line two = {
		.text = "two",
		.len = 3,
		.terminator = "\r\n",
		.terminator_len = 2,
	};
	const struct lined_framing framing = {0};
	struct relay_batch batch = {0};
	struct relay_message message;
	struct relay_line line;
	struct lined_buffer *buffer;

	ck_assert_int_eq(relay_batch_add(&batch, "#", 1, &one, &framing), 0);
	ck_assert_int_eq(relay_batch_add(&batch, "", 0, &two, &framing), 0);
	buffer = relay_batch_seal(&batch, UINT64_C(0x0102030405060708));
	ck_assert_ptr_nonnull(buffer);
	ck_assert_uint_eq(lined_buffer_len(buffer), sizeof(wanted) - 1);
	ck_assert_mem_eq(lined_buffer_data(buffer), wanted, sizeof(wanted) - 1);
	ck_assert(relay_message_read(&message, buffer));
	ck_assert_uint_eq(message.sender, UINT64_C(0x0102030405060708));
	relay_message_line(&message, 0, &line);
	ck_assert_mem_eq(line.text, "#one\n", 5);
	ck_assert_uint_eq(line.tag_len, 1);
	relay_message_line(&message, 1, &line);
	ck_assert_mem_eq(line.text, "two\r\n", 5);
	ck_assert_uint_eq(line.len, 5);
	ck_assert_uint_eq(line.tag_len, 0);
	ck_assert_uint_eq(line.terminator_len, 2);
	lined_buffer_unref(buffer);
	relay_batch_fini(&batch);
}
END_TEST

START_TEST(a_batch_whose_lengths_are_not_its_lines_is_refused)
{
	static const struct relay_lengths good[] = {{5, 1, 2}, {11, 9, 2}};
	static const struct relay_lengths bad[][2] = {
		{{5, 1, 2}, {12, 1, 2}},
		{{5, 1, 2}, {10, 1, 2}},
		{{17, 1, 2}, {UINT32_MAX, 1, 2}},
		{{5, 4, 2}, {11, 1, 2}},
		{{5, 1, 6}, {11, 1, 2}},
		{{5, UINT16_MAX, UINT16_MAX}, {11, 1, 2}},
		{{0, 1, 0}, {16, 1, 2}},
		{{5, 1, 0}, {11, 1, 2}},
	};
	static const char empty[16]; /* a header for zero lines */
	struct lined_buffer *buffer = lined_buffer_new("short", 5);
	struct relay_message message;
	size_t i;

	ck_assert_ptr_nonnull(buffer);
	ck_assert(!relay_message_read(&message, buffer));
	lined_buffer_unref(buffer);
	buffer = lined_buffer_new(empty, sizeof(empty));
	ck_assert_ptr_nonnull(buffer);
	ck_assert(!relay_message_read(&message, buffer));
	lined_buffer_unref(buffer);
	ck_assert(is_batch(2, good));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert(!is_batch(2, bad[i]));
	ck_assert(!is_batch(5, good));
	ck_assert(!is_batch(UINT32_MAX, good));
}
END_TEST

/* ---- dedupe ------------------------------------------------------------ */

static bool seen(struct relay_dedupe *dedupe, const char *text,
		 uint32_t window_ms, uint64_t now_ms)
{
	struct relay_digest digest =
		relay_dedupe_digest(dedupe, text, strlen(text));

	return relay_dedupe_seen(dedupe, &digest, window_ms, now_ms, true);
}

START_TEST(a_line_is_a_repeat_within_its_own_window)
{
	struct relay_dedupe *dedupe = relay_dedupe_new(1000);

	ck_assert_ptr_nonnull(dedupe);
	ck_assert(!seen(dedupe, "one", 1000, 5000));
	ck_assert(seen(dedupe, "one", 1000, 5999));
	/* A dropped repeat does not prolong the window. */
	ck_assert(!seen(dedupe, "one", 1000, 6000));
	/* Another service has a shorter window, or none. */
	ck_assert(!seen(dedupe, "one", 100, 6200));
	ck_assert(seen(dedupe, "one", 1000, 6300));
	ck_assert(!seen(dedupe, "one", 0, 6300));
	/* Another worker's clock is a little behind. */
	ck_assert(seen(dedupe, "one", 1000, 6290));
	ck_assert(!seen(dedupe, "", 1000, 6290));
	ck_assert(seen(dedupe, "", 1000, 6290));
	relay_dedupe_free(dedupe);
}
END_TEST

START_TEST(many_lines_are_told_apart)
{
	struct relay_dedupe *dedupe = relay_dedupe_new(1000);
	char text[64];
	unsigned i, turn;

	for (turn = 0; turn < 2; turn++)
		for (i = 0; i < 20000; i++) {
			snprintf(text, sizeof(text), "%.*s%u", (int)(i % 20),
				 "xxxxxxxxxxxxxxxxxxxxxxxx", i);
			ck_assert_int_eq(seen(dedupe, text, 1000, 10 + i / 100),
					 turn);
		}
	ck_assert(!seen(dedupe, text, 1000, 5000));
	relay_dedupe_free(dedupe);
}
END_TEST

static bool seen_number(struct relay_dedupe *dedupe, unsigned number,
			uint64_t now_ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", number);
	return seen(dedupe, text, 1000, now_ms);
}

/* With many old entries (`first`) the ring is wrapped, with few it is not. */
static void check_shrunk(unsigned first, unsigned count)
{
	struct relay_dedupe *dedupe = relay_dedupe_new(1000);
	size_t full, memory;
	unsigned i, kept;

	for (i = 0; i < first; i++)
		ck_assert(!seen_number(dedupe, i, 0));
	for (; i < first + count; i++)
		ck_assert(!seen_number(dedupe, i, 1000));
	full = relay_dedupe_memory(dedupe);
	relay_dedupe_shrink(dedupe, full, 1500);
	ck_assert_uint_eq(relay_dedupe_memory(dedupe), full);
	relay_dedupe_shrink(dedupe, full / 3, 1500);
	memory = relay_dedupe_memory(dedupe);
	ck_assert_uint_eq(memory, full / 4);
	kept = (unsigned)(memory / 36);
	if (kept > count)
		kept = count;
	ck_assert_uint_eq(relay_dedupe_take_evicted(dedupe), count - kept);
	ck_assert_uint_eq(relay_dedupe_take_evicted(dedupe), 0);
	for (i = first + count - kept; i < first + count; i++)
		ck_assert(seen_number(dedupe, i, 1500));
	if (kept < count)
		ck_assert(!seen_number(dedupe, first, 1500));
	/* The table grows again. */
	for (i = 0; i < 5000; i++)
		ck_assert(!seen_number(dedupe, 100000 + i, 1600));
	for (i = 0; i < 5000; i++)
		ck_assert(seen_number(dedupe, 100000 + i, 1600));
	relay_dedupe_shrink(dedupe, 0, 1600);
	ck_assert_uint_eq(relay_dedupe_memory(dedupe), 256 * 36);
	ck_assert(seen_number(dedupe, 104999, 1600));
	relay_dedupe_free(dedupe);
}

START_TEST(the_oldest_lines_are_forgotten_for_memory)
{
	check_shrunk(0, 4096);
	check_shrunk(2000, 4096);
	check_shrunk(4000, 4090);
	check_shrunk(1000, 3000);
	check_shrunk(4000, 300);
	check_shrunk(2000, 50);
	check_shrunk(2040, 50);
}
END_TEST

START_TEST(lines_whose_window_has_passed_do_not_count_as_evicted)
{
	struct relay_dedupe *dedupe = relay_dedupe_new(1000);
	unsigned i;

	for (i = 0; i < 4096; i++)
		seen_number(dedupe, i, 0);
	relay_dedupe_shrink(dedupe, 0, 1000);
	ck_assert_uint_eq(relay_dedupe_take_evicted(dedupe), 0);
	/* Memory is short: the table cannot grow. */
	for (i = 0; i < 300; i++) {
		struct relay_digest digest =
			relay_dedupe_digest(dedupe, (const char *)&i, 4);

		ck_assert(
			!relay_dedupe_seen(dedupe, &digest, 1000, 1000, false));
	}
	ck_assert_uint_eq(relay_dedupe_take_evicted(dedupe), 300 - 256);
	relay_dedupe_free(dedupe);
}
END_TEST

/* Every byte and the length change the digest. */
START_TEST(digests_depend_on_every_byte_and_on_the_key)
{
	struct relay_dedupe *dedupe = relay_dedupe_new(1);
	struct relay_dedupe *other = relay_dedupe_new(1);
	char text[40] = {0};
	size_t len, i;

	for (len = 0; len < sizeof(text); len++) {
		struct relay_digest a = relay_dedupe_digest(dedupe, text, len);
		struct relay_digest b = relay_dedupe_digest(other, text, len);

		ck_assert(a.a != b.a && a.b != b.b);
		b = relay_dedupe_digest(dedupe, text, len + 1);
		ck_assert(a.a != b.a && a.b != b.b && a.a != a.b);
		for (i = 0; i < len; i++) {
			text[i] ^= (char)0x80;
			b = relay_dedupe_digest(dedupe, text, len);
			text[i] ^= (char)0x80;
			ck_assert(a.a != b.a && a.b != b.b);
		}
	}
	relay_dedupe_free(dedupe);
	relay_dedupe_free(other);
}
END_TEST

/* ---- expressions ------------------------------------------------------- */

START_TEST(an_expression_without_memory_is_an_error)
{
	static const char *const items[] = {"deny (b)\\1", "allow ."};
	const struct lined_option_list rules = {2, items};
	const char *text = "a1b2";
	struct relay_pattern *pattern;
	size_t len = strlen(text);
	char error[128] = "";
	unsigned at;

	for (at = 1; at <= 2; at++) {
		allocation_fail(at, false);
		ck_assert_ptr_null(
			relay_filter_new(&rules, error, sizeof(error)));
		ck_assert_uint_ge(allocation_count(), at);
		ck_assert_str_eq(error, "out of memory");
	}
	allocation_fail(1, false);
	ck_assert_ptr_null(relay_pattern_new("[0-9]", error, sizeof(error)));
	ck_assert_str_eq(error, "out of memory");
	pattern = relay_pattern_new("[0-9]", error, sizeof(error));
	ck_assert_ptr_nonnull(pattern);
	/* Without memory, the line is compared unchanged. */
	allocation_fail(1, false);
	relay_pattern_leave_out(pattern, &text, &len);
	ck_assert_uint_eq(len, 4);
	relay_pattern_leave_out(pattern, &text, &len);
	ck_assert_uint_eq(len, 2);
	relay_pattern_free(pattern);
}
END_TEST

static void check_left(const char *expression, const char *text,
		       const char *wanted)
{
	char error[128];
	struct relay_pattern *pattern =
		relay_pattern_new(expression, error, sizeof(error));
	size_t len = strlen(text);

	ck_assert_ptr_nonnull(pattern);
	relay_pattern_leave_out(pattern, &text, &len);
	ck_assert_uint_eq(len, strlen(wanted));
	ck_assert_int_eq(memcmp(text, wanted, len), 0);
	relay_pattern_free(pattern);
}

START_TEST(all_that_matches_is_left_out)
{
	check_left("[0-9]+", "a1b22c", "abc");
	check_left("[0-9]+", "abc", "abc");
	check_left("[0-9]*", "1a2b3", "ab");
	check_left("^[0-9]", "123", "23");
	check_left("[0-9]$", "123", "12");
	check_left("x*", "", "");
	check_left(".*", "all", "");
	check_left("[0-9]*$", "abc", "abc");
	check_left("[0-9]*$", "a12", "a");
	check_left("^[\\][^\\]*[\\]", "\\s:a*00\\!AIVDM", "!AIVDM");
}
END_TEST

static bool allows(const char *rule, const char *text, size_t len)
{
	const char *const items[] = {rule};
	const struct lined_option_list rules = {1, items};
	char error[128];
	struct relay_filter *filter =
		relay_filter_new(&rules, error, sizeof(error));
	bool allowed;

	ck_assert_ptr_nonnull(filter);
	allowed = relay_filter_allows(filter, text, len);
	relay_filter_free(filter);
	return allowed;
}

/* An expression may be compiled in several ways; all of them match the same
 * lines. */
START_TEST(expressions_match_anywhere_and_any_bytes)
{
	ck_assert(!allows("deny b", "abc", 3));
	ck_assert(!allows("deny ^a|x", "abc", 3));
	ck_assert(allows("deny ^b|x", "abc", 3));
	ck_assert(!allows("deny c$", "a\0c", 3));
	ck_assert(!allows("deny c", "\n\0c", 3));
	ck_assert(!allows("deny c$",
			  "\xff\xfe"
			  "c",
			  3));
	ck_assert(allows("deny c$", "cb", 2));
	ck_assert(!allows("deny ^$", "", 0));
	ck_assert(allows("deny .", "", 0));
	ck_assert(!allows("deny (b)\\1", "abb", 3));
	ck_assert(allows("deny (b)\\1", "ab", 2));
}
END_TEST

START_TEST(what_a_rule_cannot_be_is_told)
{
	static const char *const bad[] = {"deny a[", "deny (", "denya",
					  "",        "allow",  "Deny a"};
	char error[128], begin[32];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct lined_option_list rules = {1, &bad[i]};

		ck_assert_ptr_null(
			relay_filter_new(&rules, error, sizeof(error)));
		snprintf(begin, sizeof(begin), "\"%s\"", bad[i]);
		ck_assert_int_eq(strncmp(error, begin, strlen(begin)), 0);
	}
}
END_TEST

START_TEST(a_dollar_sign_within_an_expression_is_seen)
{
	static const char unclosed[] = "a[\0]$b";

	ck_assert(relay_filter_is_anchored_early("a$b"));
	ck_assert(!relay_filter_is_anchored_early("a$"));
	ck_assert(!relay_filter_is_anchored_early("(a$|b$)"));
	ck_assert(!relay_filter_is_anchored_early("\\$b"));
	ck_assert(!relay_filter_is_anchored_early("[]$]b"));
	/* Bytes behind the text are not a part of it. */
	ck_assert(!relay_filter_is_anchored_early(unclosed));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("relay-lines");
	TCase *tcase = tcase_create("relay-lines");

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase,
		       lines_are_kept_in_order_and_dropped_from_the_oldest);
	tcase_add_test(tcase,
		       a_batch_whose_lengths_are_not_its_lines_is_refused);
	tcase_add_test(tcase, a_batch_is_in_network_byte_order);
	tcase_add_test(tcase, a_line_is_a_repeat_within_its_own_window);
	tcase_add_test(tcase, many_lines_are_told_apart);
	tcase_add_test(tcase, the_oldest_lines_are_forgotten_for_memory);
	tcase_add_test(tcase,
		       lines_whose_window_has_passed_do_not_count_as_evicted);
	tcase_add_test(tcase, digests_depend_on_every_byte_and_on_the_key);
	tcase_add_test(tcase, all_that_matches_is_left_out);
	tcase_add_test(tcase, expressions_match_anywhere_and_any_bytes);
	tcase_add_test(tcase, an_expression_without_memory_is_an_error);
	tcase_add_test(tcase, what_a_rule_cannot_be_is_told);
	tcase_add_test(tcase, a_dollar_sign_within_an_expression_is_seen);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
