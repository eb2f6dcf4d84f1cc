/* SPDX-License-Identifier: MIT */
/*
 * The chat's parts that keep nothing: cleaning text, names, networks of
 * operators, and the answer to floods.
 */
#include "config.h"

#include "chat/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "chat/flood.h"
#include "chat/options.h"
#include "support.h"

/* ---- cleaning ----------------------------------------------------------- */

#define REPLACED "\xef\xbf\xbd"

/* In exactly the room that is asked for: a byte too many is seen by ASan. */
static void cleans_bytes(const char *line, size_t len, const char *wanted)
{
	char *in = malloc(len > 0 ? len : 1);
	char *out = malloc(CHAT_TEXT_ROOM(len));
	size_t used;

	ck_assert_ptr_nonnull(in);
	ck_assert_ptr_nonnull(out);
	memcpy(in, line, len);
	used = chat_text_clean(in, len, out);
	ck_assert_str_eq(out, wanted);
	ck_assert_uint_eq(used, strlen(wanted));
	ck_assert(chat_text_is_clean(out));
	free(in);
	free(out);
}

#define cleans(line, wanted) cleans_bytes(line, sizeof(line) - 1, wanted)

START_TEST(plain_text_stays_as_it_is)
{
	cleans("", "");
	cleans("hello, world ~", "hello, world ~");
	cleans("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
	       "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	cleans("\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf",
	       "\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf");
}
END_TEST

START_TEST(control_characters_are_removed)
{
	cleans("\x1b[31mred\x07", "[31mred");
	cleans("a\0b\x01"
	       "c\x1f"
	       "d\x7f"
	       "e",
	       "abcde");
	cleans("a\tb", "a b");
	cleans("\xc2\x80\xc2\x9b\xc2\x9f!", "!");
	/* They would turn the rest of the line around. */
	cleans("a\xe2\x80\xae"
	       "b\xe2\x81\xa7"
	       "c",
	       "abc");
	ck_assert(!chat_text_is_clean("a\x1b"));
	ck_assert(!chat_text_is_clean("\xe2\x80\xae"));
	ck_assert(!chat_text_is_clean("\xc2\x9b"));
	ck_assert(!chat_text_is_clean("\xff"));
}
END_TEST

START_TEST(bad_utf8_is_replaced_piece_by_piece)
{
	cleans("a\x80"
	       "b",
	       "a" REPLACED "b");
	cleans("\xc3", REPLACED);
	cleans("\xc3(", REPLACED "(");
	cleans("\xe2\x82", REPLACED);
	cleans("\xe2\x82x", REPLACED "x");
	cleans("\xf0\x9f\x98", REPLACED);
	cleans("\xc0\xaf", REPLACED REPLACED);
	cleans("\xe0\x80\xaf", REPLACED REPLACED REPLACED);
	cleans("\xed\xa0\x80", REPLACED REPLACED REPLACED);
	cleans("\xf4\x90\x80\x80", REPLACED REPLACED REPLACED REPLACED);
	cleans("\xf5\xfe", REPLACED REPLACED);
}
END_TEST

START_TEST(telnet_commands_are_removed)
{
	cleans("\xff\xfb\x18\xff\xfd\x01hi", "hi");
	cleans("h\xff\xf1i", "hi");
	cleans("h\xff\xfa\x18\0xterm\xff\xffy\xff\xf0i", "hi");
	cleans("hi\xff\xfa\x18 and no end", "hi");
	cleans("hi\xff", "hi");
	cleans("hi\xff\xfb", "hi");
	/* No commands: the byte itself, doubled or followed by text. */
	cleans("h\xff\xffi", "h" REPLACED "i");
	cleans("h\xffi", "h" REPLACED "i");
}
END_TEST

START_TEST(what_telnet_commands_split_is_read_as_one)
{
	cleans("\xc3\xff\xf1\xbc", "\xc3\xbc");
	cleans("\xc2\xff\xfb\x01\x9b", "");
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
		char *in = malloc(len + 1), *out = malloc(CHAT_TEXT_ROOM(len));

		ck_assert(in != NULL && out != NULL);
		for (i = 0; i < len; i++)
			in[i] = rand_r(&seed) % 2
					? (char)favourites[(size_t)rand_r(
								   &seed) %
							   sizeof(favourites)]
					: (char)rand_r(&seed);
		i = chat_text_clean(in, len, out);
		ck_assert_uint_eq(i, strlen(out));
		ck_assert(chat_text_is_clean(out));
		free(in);
		free(out);
	}
}
END_TEST

/* ---- names -------------------------------------------------------------- */

/* Texts of events lie in buffers whose last byte is a newline. */
START_TEST(a_copy_reads_no_further_than_its_text)
{
	char *text = malloc(3), *copy;

	ck_assert_ptr_nonnull(text);
	memcpy(text, "tea", 3);
	copy = chat_text_copy(text, 3);
	ck_assert_ptr_nonnull(copy);
	ck_assert_str_eq(copy, "tea");
	free(copy);
	copy = chat_text_copy(text, 0);
	ck_assert_ptr_nonnull(copy);
	ck_assert_str_eq(copy, "");
	free(copy);
	free(text);
}
END_TEST

START_TEST(names_have_their_letters_and_length)
{
	char lower[CHAT_NAME_MAX + 1];

	ck_assert(chat_text_is_nickname("a"));
	ck_assert(chat_text_is_nickname("Az09_-"));
	ck_assert(chat_text_is_nickname("12345678901234567890123456789012"));
	ck_assert(!chat_text_is_nickname("123456789012345678901234567890123"));
	ck_assert(!chat_text_is_nickname(""));
	ck_assert(!chat_text_is_nickname("a b"));
	ck_assert(!chat_text_is_nickname("a/b"));
	ck_assert(chat_text_is_room("a0_-"));
	ck_assert(!chat_text_is_room("A"));
	ck_assert(chat_text_is_guest("guest1"));
	ck_assert(chat_text_is_guest("GUEST007"));
	ck_assert(!chat_text_is_guest("guest"));
	ck_assert(!chat_text_is_guest("guest1a"));
	ck_assert(!chat_text_is_guest("aguest1"));
	chat_text_lower(lower, "AlIcE-Z_9");
	ck_assert_str_eq(lower, "alice-z_9");
}
END_TEST

/* ---- operators ---------------------------------------------------------- */

static bool may_be_operator(const char *peer, const char *const *from,
			    size_t count)
{
	const struct chat_operator_options operator= {
		.title = "op",
		.from = {count, from},
	};
	const struct chat_options options = {.operators = {1, &operator} };

	ck_assert_ptr_null(chat_options_operator(&options, "other", peer));
	return chat_options_operator(&options, "op", peer) != NULL;
}

START_TEST(operators_come_from_their_networks)
{
	static const char *const from[] = {"10.32.0.0/11", "2001:db8::/32",
					   "fe80::/10", "unix"};

	ck_assert(may_be_operator("10.63.255.255:1", from, 4));
	ck_assert(!may_be_operator("10.64.0.0:1", from, 4));
	ck_assert(may_be_operator("[2001:db8::1]:5", from, 4));
	ck_assert(!may_be_operator("[2001:db9::1]:5", from, 4));
	ck_assert(may_be_operator("[fe80::1%1]:5", from, 4));
	ck_assert(may_be_operator("unix", from, 4));
	ck_assert(!may_be_operator("unix", from, 3));
	ck_assert(may_be_operator("192.0.2.1:1", NULL, 0));
	ck_assert(may_be_operator("unix", NULL, 0));
}
END_TEST

START_TEST(networks_are_written_in_full)
{
	static const char *const bad[] = {"",       "10.0.0.0/33", "10.0.0.0/",
					  "::/129", "unix/0",      "localhost"};
	struct chat_operator_options operator= {
		.title = "op",
		/* of crypt(3): "x" */
		.hash = "$6$saltsalt$"
			"qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"
			"jctKu9YterLp8"
			"wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
		.from = {1, NULL},
	};
	const struct chat_options options = {.motd = "",
					     .default_room = "",
					     .password = "",
					     .operators =
						     {
							     1,
							     &operator},
					     };
	char error[200];
	size_t i;

	if (lined_password_check_hash(operator.hash) < 0)
		return; /* built without crypt(3) */
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		operator.from.items = & bad[i];
		ck_assert_int_eq(
			chat_options_check(&options, error, sizeof(error)), -1);
		ck_assert_ptr_nonnull(strstr(error, "from: "));
	}
}
END_TEST

/* ---- floods ------------------------------------------------------------- */

static enum chat_flood_verdict take(struct chat_flood *flood, uint64_t now_ms,
				    uint64_t *wait_ms)
{
	return chat_flood_take(flood, 5, 20, now_ms, wait_ms);
}

static void use_up(struct chat_flood *flood, uint64_t now_ms)
{
	uint64_t wait_ms;
	int i;

	memset(flood, 0, sizeof(*flood));
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(take(flood, now_ms, &wait_ms),
				 CHAT_FLOOD_TAKE);
		ck_assert_uint_eq(wait_ms, 0);
	}
}

START_TEST(a_burst_is_taken_and_then_the_rate)
{
	struct chat_flood flood;
	uint64_t now_ms = 1000, wait_ms;
	int i;

	use_up(&flood, now_ms);
	ck_assert_int_eq(take(&flood, now_ms, &wait_ms), CHAT_FLOOD_SLOW);
	ck_assert_uint_eq(wait_ms, 200);
	/* Told once, and slowed to five a second. */
	for (i = 1; i < 20; i++) {
		now_ms += wait_ms;
		ck_assert_int_eq(take(&flood, now_ms, &wait_ms),
				 CHAT_FLOOD_TAKE);
		ck_assert_uint_eq(wait_ms, 200);
	}
}
END_TEST

START_TEST(who_goes_on_is_muted_and_then_closed)
{
	struct chat_flood flood;
	uint64_t now_ms = 1000, wait_ms;
	int i;

	use_up(&flood, now_ms);
	for (i = 0; i < 20; i++)
		take(&flood, now_ms, &wait_ms);
	ck_assert_int_eq(take(&flood, now_ms, &wait_ms), CHAT_FLOOD_MUTE);
	for (i = 0; i < 20; i++)
		ck_assert_int_eq(take(&flood, now_ms + 1, &wait_ms),
				 CHAT_FLOOD_DROP);
	ck_assert_int_eq(take(&flood, now_ms + 1, &wait_ms), CHAT_FLOOD_CLOSE);
}
END_TEST

START_TEST(rest_is_rewarded)
{
	struct chat_flood flood;
	uint64_t now_ms = 1000, wait_ms;
	int i;

	use_up(&flood, now_ms);
	for (i = 0; i < 21; i++)
		take(&flood, now_ms, &wait_ms);
	now_ms += CHAT_FLOOD_MUTE_MS - 1;
	ck_assert_int_eq(take(&flood, now_ms, &wait_ms), CHAT_FLOOD_DROP);
	now_ms += 1;
	ck_assert_int_eq(take(&flood, now_ms, &wait_ms), CHAT_FLOOD_TAKE);
	/* And after a full rest it would be told again. */
	now_ms += 3600 * 1000;
	for (i = 0; i < 20; i++)
		ck_assert_int_eq(take(&flood, now_ms, &wait_ms),
				 CHAT_FLOOD_TAKE);
	ck_assert_int_eq(take(&flood, now_ms, &wait_ms), CHAT_FLOOD_SLOW);
}
END_TEST

START_TEST(a_rate_of_0_knows_no_flood)
{
	struct chat_flood flood = {.told = false};
	uint64_t wait_ms;
	int i;

	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(chat_flood_take(&flood, 0, 1, 0, &wait_ms),
				 CHAT_FLOOD_TAKE);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("chat-text");
	TCase *text = tcase_create("text"), *flood = tcase_create("flood");

	tcase_add_test(text, plain_text_stays_as_it_is);
	tcase_add_test(text, control_characters_are_removed);
	tcase_add_test(text, bad_utf8_is_replaced_piece_by_piece);
	tcase_add_test(text, telnet_commands_are_removed);
	tcase_add_test(text, what_telnet_commands_split_is_read_as_one);
	tcase_add_test(text, any_bytes_come_out_clean);
	tcase_add_test(text, a_copy_reads_no_further_than_its_text);
	tcase_add_test(text, names_have_their_letters_and_length);
	tcase_add_test(text, operators_come_from_their_networks);
	tcase_add_test(text, networks_are_written_in_full);
	suite_add_tcase(suite, text);
	tcase_add_test(flood, a_burst_is_taken_and_then_the_rate);
	tcase_add_test(flood, who_goes_on_is_muted_and_then_closed);
	tcase_add_test(flood, rest_is_rewarded);
	tcase_add_test(flood, a_rate_of_0_knows_no_flood);
	suite_add_tcase(suite, flood);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
