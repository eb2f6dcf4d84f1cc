/* SPDX-License-Identifier: MIT */
/*
 * The parts of chat that need no service: telnet, names, networks of operators,
 * and the limit against floods.
 */
#include "config.h"

#include "chat/name_syntax.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/flood_limit.h"
#include "chat/options.h"
#include "chat/telnet.h"
#include "support.h"

/* ---- telnet ------------------------------------------------------------- */

struct answers {
	char text[200];
	size_t len;
};

/* "W6 " for WONT 6, in words of one letter: w WILL, W WONT, D DONT. */
static void note_answer(void *arg, unsigned char command, unsigned char option)
{
	struct answers *answers = arg;
	static const char letters[] = "wWdD";

	answers->len +=
		(size_t)snprintf(answers->text + answers->len,
				 sizeof(answers->text) - answers->len, "%c%u ",
				 letters[command - 0xfb], option);
}

/* Gives the first `cut` bytes and then the rest to telnet, with exactly the
 * room that the socket gives. */
static size_t take_cut(struct chat_telnet *telnet, const char *in, size_t len,
		       size_t cut, char *out, struct answers *answers)
{
	size_t used = 0, part, from = 0;
	char *bytes;

	for (part = cut; from < len; part = len - cut) {
		if (part > 0) {
			bytes = malloc(part + 1);
			ck_assert_ptr_nonnull(bytes);
			memcpy(bytes, in + from, part);
			from += part;
			part = chat_telnet_take(telnet, bytes, part,
						note_answer, answers);
			memcpy(out + used, bytes, part);
			used += part;
			free(bytes);
		}
	}
	return used;
}

static void takes_bytes(const char *in, size_t len, const char *wanted,
			size_t wanted_len, const char *answered, bool secret)
{
	size_t cut, used;
	char out[200];

	for (cut = 0; cut < len; cut++) {
		struct chat_telnet telnet = {.secret = secret};
		struct answers answers = {.len = 0};

		used = take_cut(&telnet, in, len, cut, out, &answers);
		ck_assert_mem_eq(out, wanted, used);
		ck_assert_uint_eq(used, wanted_len);
		ck_assert_str_eq(answers.text, answered);
		chat_telnet_fini(&telnet);
	}
}

#define takes(in, wanted, answered)                                            \
	takes_bytes(in, sizeof(in) - 1, wanted, sizeof(wanted) - 1, answered,  \
		    false)

START_TEST(commands_are_removed_and_requests_refused)
{
	takes("\xff\xfb\x18\xff\xfd\x01hi\n", "hi\n", "D24 W1 ");
	takes("h\xff\xf1i\n", "hi\n", "");
	takes("h\xff\xfa\x18\0xterm\xff\xffy\xff\xf0i\n", "hi\n", "");
	/* If the client refuses an option, there is no answer: the option is
	 * already off. */
	takes("\xff\xfc\x18\xff\xfe\x01\n", "\n", "");
}
END_TEST

START_TEST(a_request_is_answered_once_a_timing_mark_each_time)
{
	takes("\xff\xfd\x03\xff\xfd\x03\n\xff\xfd\x03\xff\xfb\x03\xff\xfb\x03",
	      "\n", "W3 D3 ");
	/* What Debian's telnet sends for ^C: IP, then a timing mark to end its
	 * flushing. */
	takes("\xff\xf4\xff\xfd\x06\n\xff\xf4\xff\xfd\x06\n", "\n\n", "W6 W6 ");
}
END_TEST

START_TEST(a_byte_that_begins_no_command_is_data)
{
	takes("h\xff\xffi\n", "h\xffi\n", "");
	takes("h\xffi\n", "h\xffi\n", "");
	takes("plain\r\0\r\n", "plain\r\0\r\n", "");
}
END_TEST

START_TEST(a_line_end_ends_half_a_command)
{
	takes("hi\xff\xfa\x18 and no end\nx\n", "hi\nx\n", "");
	takes("hi\xff\xfa\x18\xff\nx\n", "hi\nx\n", "");
	takes("hi\xff\nx\n", "hi\nx\n", "");
	takes("hi\xff\xfb\nx\n", "hi\nx\n", "D10 ");
	takes("hi\xff\xfb\r\nx\n", "hi\nx\n", "D13 ");
}
END_TEST

START_TEST(a_telnet_client_may_end_lines_in_cr)
{
	takes("\xff\xf1one\r\0two\rthree\r\nfour\n\n\r\r\n",
	      "one\ntwo\nthree\nfour\n\n\n\n", "");
	/* Commands may come between CR and LF. */
	takes("\xff\xf1one\r\xff\xf1\ntwo", "one\ntwo", "");
	/* Before the first command, the framing alone handles a CR. */
	takes("one\r\0\xff\xf1two\r\0", "one\r\0two\n", "");
}
END_TEST

START_TEST(echo_is_off_while_a_secret_is_typed)
{
	struct chat_telnet telnet = {.secret = false};
	struct answers answers = {.len = 0};
	char typed[] = "pw\n", agrees[] = "\xff\xfd\x01",
	     later[] = "\xff\xfe\x01";

	/* PuTTY itself asks for echo. */
	takes_bytes("\xff\xfb\x1f\xff\xfd\x01\xff\xfb\x03pw\n", 12, "pw\n", 3,
		    "w1 D31 D3 ", true);
	chat_telnet_secret(&telnet, true, note_answer, &answers);
	chat_telnet_take(&telnet, typed, 3, note_answer, &answers);
	chat_telnet_secret(&telnet, false, note_answer, &answers);
	ck_assert_str_eq(answers.text, "");
	chat_telnet_secret(&telnet, true, note_answer, &answers);
	ck_assert_uint_eq(
		chat_telnet_take(&telnet, agrees, 3, note_answer, &answers), 0);
	chat_telnet_secret(&telnet, false, note_answer, &answers);
	chat_telnet_take(&telnet, later, 3, note_answer, &answers);
	ck_assert_str_eq(answers.text, "w1 W1 ");
	chat_telnet_fini(&telnet);
}
END_TEST

/* ---- names -------------------------------------------------------------- */

START_TEST(names_have_their_letters_and_length)
{
	char lower[CHAT_NAME_MAX + 1];

	ck_assert(chat_name_is_nickname("a"));
	ck_assert(chat_name_is_nickname("Az09_-"));
	ck_assert(chat_name_is_nickname("12345678901234567890123456789012"));
	ck_assert(!chat_name_is_nickname("123456789012345678901234567890123"));
	ck_assert(!chat_name_is_nickname(""));
	ck_assert(!chat_name_is_nickname("a b"));
	ck_assert(!chat_name_is_nickname("a/b"));
	ck_assert(chat_name_is_room("a0_-"));
	ck_assert(!chat_name_is_room("A"));
	ck_assert(chat_name_is_guest("guest1"));
	ck_assert(chat_name_is_guest("GUEST007"));
	ck_assert(!chat_name_is_guest("guest"));
	ck_assert(!chat_name_is_guest("guest1a"));
	ck_assert(!chat_name_is_guest("aguest1"));
	chat_name_lower(lower, "AlIcE-Z_9");
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
		/* crypt(3) of "x" */
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
	/* The client is warned once, and slowed to five lines a second. */
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
	/* After a long pause the client would be warned again. */
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

static void erases(const char *line, const char *wanted)
{
	char out[64];
	size_t len = chat_telnet_erase(out, line, strlen(line));

	ck_assert_uint_eq(len, strlen(wanted));
	ck_assert_mem_eq(out, wanted, len);
}

START_TEST(what_was_erased_while_it_was_typed_is_not_said)
{
	erases("hello", "hello");
	erases("helo\blo", "hello");
	erases("ab\x7f\b\b\bc", "c");
	/* Each backspace erases a whole character, of one to four bytes. */
	erases("a\xc3\xa9\b", "a");
	erases("a\xe2\x82\xac\x7f"
	       "b",
	       "ab");
	erases("\xf0\x9f\x98\x80\x7f", "");
	erases("\xa9\xa9\b", "");
}
END_TEST

START_TEST(names_that_nobody_could_type_are_refused)
{
	struct chat_room_options room = {
		.title = "den", .topic = "", .key = "key "};
	const struct chat_operator_options operator= {
		.title = "two words", .hash = "", .from = {0, NULL}};
	struct chat_options options = {.motd = "",
				       .default_room = "",
				       .password = "",
				       .rooms = {1, &room}};
	char error[200];

	ck_assert_int_eq(chat_options_check(&options, error, sizeof(error)),
			 -1);
	ck_assert_str_eq(error, "room \"den\": key cannot be typed by a "
				"client");
	room.key = " key";
	ck_assert_int_eq(chat_options_check(&options, error, sizeof(error)),
			 -1);
	room.key = "key";
	options.operators.count = 1;
	options.operators.items = &operator;
	ck_assert_int_eq(chat_options_check(&options, error, sizeof(error)),
			 -1);
	ck_assert_str_eq(error, "operator \"two words\": a name is one word");
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("chat-text");
	TCase *text = tcase_create("text"), *flood = tcase_create("flood");
	TCase *telnet = tcase_create("telnet");

	tcase_add_test(text, names_have_their_letters_and_length);
	tcase_add_test(text, operators_come_from_their_networks);
	tcase_add_test(text, networks_are_written_in_full);
	tcase_add_test(text, names_that_nobody_could_type_are_refused);
	suite_add_tcase(suite, text);
	tcase_add_test(telnet, commands_are_removed_and_requests_refused);
	tcase_add_test(telnet,
		       a_request_is_answered_once_a_timing_mark_each_time);
	tcase_add_test(telnet, a_byte_that_begins_no_command_is_data);
	tcase_add_test(telnet, a_line_end_ends_half_a_command);
	tcase_add_test(telnet, a_telnet_client_may_end_lines_in_cr);
	tcase_add_test(telnet, echo_is_off_while_a_secret_is_typed);
	tcase_add_test(telnet, what_was_erased_while_it_was_typed_is_not_said);
	suite_add_tcase(suite, telnet);
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
