/* SPDX-License-Identifier: MIT */
/*
 * UTF-8: which bytes are a character, which characters may be shown, and how
 * text is cleaned and escaped.
 */
#include "config.h"

#include <lined/text.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- decoding ------------------------------------------------------------ */

/* Decodes from memory of exactly this size, so that ASan sees a read beyond
 * it. */
static size_t decode(const char *bytes, size_t len, uint32_t *code)
{
	char *copy = malloc(len);
	size_t size;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, len);
	size = lined_text_decode(copy, len, code);
	free(copy);
	return size;
}

START_TEST(characters_are_decoded_up_to_the_last)
{
	static const struct {
		const char *bytes;
		size_t size;
		uint32_t code;
	} cases[] = {
		{"\0", 1, 0},
		{"a", 1, 'a'},
		{"\x7f", 1, 0x7f},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xed\x9f\xbf", 3, 0xd7ff},
		{"\xee\x80\x80", 3, 0xe000},
		{"\xef\xbf\xbf", 3, 0xffff},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
	};
	char more[8];
	uint32_t code;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		ck_assert_uint_eq(decode(cases[i].bytes, cases[i].size, &code),
				  cases[i].size);
		ck_assert_uint_eq(code, cases[i].code);
		memset(more, 0x80, sizeof(more));
		memcpy(more, cases[i].bytes, cases[i].size);
		ck_assert_uint_eq(decode(more, sizeof(more), &code),
				  cases[i].size);
		ck_assert_uint_eq(code, cases[i].code);
	}
}
END_TEST

START_TEST(what_is_no_character_is_as_long_as_it_could_be_one)
{
	static const struct {
		const char *bytes;
		size_t len, size;
	} cases[] = {
		{"\x80", 1, 1},
		{"\xff\xff", 2, 1},
		{"\xc3", 1, 1},
		{"\xc3(", 2, 1},
		{"\xe2\x82", 2, 2},
		{"\xe2\x82x", 3, 2},
		{"\xf0\x9f\x98", 3, 3},
		{"\xf0\x9f\x98x", 4, 3},
		/* overlong, a surrogate, beyond the last */
		{"\xc0\xaf", 2, 1},
		{"\xe0\x80\xaf", 3, 1},
		{"\xf0\x8f\xbf\xbf", 4, 1},
		{"\xed\xa0\x80", 3, 1},
		{"\xf4\x90\x80\x80", 4, 1},
		{"\xf5\x80\x80\x80", 4, 1},
	};
	uint32_t code;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		ck_assert_uint_eq(decode(cases[i].bytes, cases[i].len, &code),
				  cases[i].size);
		ck_assert_uint_eq(code, LINED_TEXT_BAD);
	}
}
END_TEST

START_TEST(controls_and_what_turns_text_around_are_not_shown)
{
	static const uint32_t hidden[] = {
		0,      0x1f,   0x7f,           0x80,   0x9f,   0x061c,
		0x200e, 0x200f, 0x2028,         0x2029, 0x202a, 0x202e,
		0x2066, 0x2069, LINED_TEXT_BAD, 0xfeff,
	};
	static const uint32_t shown[] = {
		0x20,   0x7e,   0xa0,   0x061b, 0x061d, 0x200d,   0x2010,
		0x2027, 0x202f, 0x2065, 0x206a, 0xfffd, 0x10ffff,
	};
	size_t i;

	for (i = 0; i < COUNT(hidden); i++)
		ck_assert(!lined_text_is_shown(hidden[i]));
	for (i = 0; i < COUNT(shown); i++)
		ck_assert(lined_text_is_shown(shown[i]));
}
END_TEST

/* ---- cleaning ------------------------------------------------------------ */

#define REPLACED "\xef\xbf\xbd"

/* Cleans text that is at the end of memory of exactly the required size. */
static void cleans_bytes(const char *text, size_t len, const char *wanted)
{
	char *out = malloc(LINED_TEXT_CLEAN_ROOM(len));

	ck_assert_ptr_nonnull(out);
	memcpy(out + 2 * len, text, len);
	ck_assert_uint_eq(lined_text_clean(out, out + 2 * len, len),
			  strlen(wanted));
	ck_assert_str_eq(out, wanted);
	ck_assert(lined_text_is_clean(out, strlen(out)));
	ck_assert_int_eq(lined_text_is_clean(text, len),
			 strlen(wanted) == len &&
				 memcmp(text, wanted, len) == 0);
	free(out);
}

#define cleans(text, wanted) cleans_bytes(text, sizeof(text) - 1, wanted)

START_TEST(clean_text_stays_as_it_is)
{
	cleans("", "");
	cleans("hello, world ~", "hello, world ~");
	cleans("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
	       "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
}
END_TEST

START_TEST(what_may_not_be_shown_is_removed)
{
	cleans("\x1b[31mred\x07", "[31mred");
	cleans("a\0b\x01", "ab");
	cleans("a\tb", "a b");
	cleans("\xc2\x9b!", "!");
	cleans("a\xe2\x80\xae"
	       "b\xe2\x81\xa6"
	       "c",
	       "abc");
	cleans("\xef\xbb\xbfx\xe2\x80\xa8", "x");
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_replaced)
{
	cleans("a\x80"
	       "b",
	       "a" REPLACED "b");
	cleans("\xc3", REPLACED);
	cleans("\xe2\x82x", REPLACED "x");
	cleans("\xff\xff\xff", REPLACED REPLACED REPLACED);
}
END_TEST

START_TEST(any_bytes_come_out_clean)
{
	static const unsigned char favourites[] = {
		0x1b, 0xff, 0xfa, 0xf0, 0xc2, 0x9b, 0xe2, 0x82, 0xed, 0xf4,
	};
	unsigned seed = 1;
	int round;

	for (round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % 40, i;
		char *out = malloc(LINED_TEXT_CLEAN_ROOM(len));
		char *in = out + 2 * len;

		ck_assert_ptr_nonnull(out);
		for (i = 0; i < len; i++)
			in[i] = rand_r(&seed) % 2
					? (char)favourites[(size_t)rand_r(
								   &seed) %
							   sizeof(favourites)]
					: (char)rand_r(&seed);
		i = lined_text_clean(out, in, len);
		ck_assert_uint_eq(i, strlen(out));
		ck_assert(lined_text_is_clean(out, i));
		free(out);
	}
}
END_TEST

/* ---- escaping ------------------------------------------------------------ */

static void expect_escape(const char *bytes, size_t len, const char *escaped)
{
	char text[200];

	ck_assert_uint_eq(lined_text_escape(text, sizeof(text), bytes, len),
			  strlen(escaped));
	ck_assert_str_eq(text, escaped);
}

START_TEST(bytes_are_escaped)
{
	expect_escape("", 0, "");
	expect_escape("plain ~", 7, "plain ~");
	expect_escape("a\nb\rc\td\\e", 9, "a\\nb\\rc\\td\\\\e");
	expect_escape("\0\x1b[31m\x7f", 7, "\\x00\\x1b[31m\\x7f");
	expect_escape("\x9b\xff\xfe", 3, "\\x9b\\xff\\xfe");
}
END_TEST

START_TEST(utf8_stays_unless_it_is_malformed_or_hides)
{
	expect_escape("gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f");
	expect_escape("\xe2\x82\xac", 3, "\xe2\x82\xac");
	expect_escape("\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80");
	/* cut off, overlong, a surrogate, beyond the last */
	expect_escape("\xe2\x82", 2, "\\xe2\\x82");
	expect_escape("\xc0\xaf", 2, "\\xc0\\xaf");
	expect_escape("\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf");
	expect_escape("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");
	expect_escape("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80");
	/* C1 CSI, right-to-left override, line separator, byte order mark */
	expect_escape("\xc2\x9b", 2, "\\xc2\\x9b");
	expect_escape("\xe2\x80\xae", 3, "\\xe2\\x80\\xae");
	expect_escape("\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8");
	expect_escape("\xef\xbb\xbf", 3, "\\xef\\xbb\\xbf");
}
END_TEST

START_TEST(a_backslash_stays_in_what_is_escaped_already)
{
	char text[20];

	ck_assert_uint_eq(
		lined_text_escape_rest(text, sizeof(text), "a\\x\n", 4), 5);
	ck_assert_str_eq(text, "a\\x\\n");
}
END_TEST

START_TEST(what_does_not_fit_is_cut_between_escapes)
{
	static const char *const expected[] = {
		"",    "",    "",    "",         "...",
		"...", "...", "...", "\\x01...", "\\x01a...",
	};
	static const char whole[] = "\\x01a\xc3\xbc\\n";
	char text[16];
	size_t size;

	/* Nine bytes of text need ten bytes of memory, because of the NUL. */
	for (size = 1; size <= 11; size++) {
		const char *want = size >= 10 ? whole : expected[size];

		memset(text, '#', sizeof(text));
		ck_assert_uint_eq(lined_text_escape(text, size,
						    "\x01"
						    "a\xc3\xbc\n",
						    5),
				  strlen(want));
		ck_assert_str_eq(text, want);
		ck_assert_int_eq(text[size], '#');
	}
}
END_TEST

START_TEST(no_bytes_at_all_pass_a_control)
{
	unsigned char bytes[3];
	char text[64];
	unsigned i, j, controls = 0;
	size_t len;

	/* An assertion for each byte would take too long for a test. */
	for (i = 0; i < 65536; i++) {
		bytes[0] = (unsigned char)(i >> 8);
		bytes[1] = (unsigned char)i;
		bytes[2] = 0x85;
		len = lined_text_escape(text, sizeof(text), (char *)bytes, 3);
		for (j = 0; j < len; j++)
			controls += (unsigned char)text[j] < 0x20 ||
				    text[j] == 0x7f;
		controls += strstr(text, "\xc2\x85") != NULL;
	}
	ck_assert_uint_eq(controls, 0);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("text");
	TCase *tc = tcase_create("text");

	tcase_add_test(tc, characters_are_decoded_up_to_the_last);
	tcase_add_test(tc, what_is_no_character_is_as_long_as_it_could_be_one);
	tcase_add_test(tc, controls_and_what_turns_text_around_are_not_shown);
	tcase_add_test(tc, clean_text_stays_as_it_is);
	tcase_add_test(tc, what_may_not_be_shown_is_removed);
	tcase_add_test(tc, bytes_that_are_not_utf8_are_replaced);
	tcase_add_test(tc, any_bytes_come_out_clean);
	tcase_add_test(tc, bytes_are_escaped);
	tcase_add_test(tc, utf8_stays_unless_it_is_malformed_or_hides);
	tcase_add_test(tc, a_backslash_stays_in_what_is_escaped_already);
	tcase_add_test(tc, what_does_not_fit_is_cut_between_escapes);
	tcase_add_test(tc, no_bytes_at_all_pass_a_control);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
