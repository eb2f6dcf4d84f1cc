/* SPDX-License-Identifier: MIT */
/*
 * The checks of a protocol's constant. Each test has a single fault in an
 * otherwise correct protocol, and checks the message.
 */
#include "config.h"

#include "module/protocol_check.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

static void accept_nobody(struct lined_service *service,
			  struct lined_socket *client)
{
}

struct settings {
	int64_t number;
	const char *word;
	bool flag;
	struct lined_option_list list;
	struct lined_option_sections rooms;
};

struct room {
	const char *title;
	int64_t seats;
};

/* An option of each type. Each test makes one thing wrong. */
static struct lined_option room[2], options[6];
static struct lined_protocol protocol;

static void sound(void)
{
	const struct lined_option seats = {
		.name = "seats",
		.type = LINED_OPTION_INTEGER,
		.min = 1,
		.max = 9,
		.offset = offsetof(struct room, seats),
	};
	const struct lined_option all[] = {
		{.name = "number",
		 .type = LINED_OPTION_INTEGER,
		 .offset = offsetof(struct settings, number)},
		{.name = "word",
		 .type = LINED_OPTION_STRING,
		 .offset = offsetof(struct settings, word)},
		{.name = "flag",
		 .type = LINED_OPTION_BOOLEAN,
		 .offset = offsetof(struct settings, flag)},
		{.name = "list",
		 .type = LINED_OPTION_LIST,
		 .offset = offsetof(struct settings, list)},
		{.name = "room",
		 .type = LINED_OPTION_SECTION,
		 .section = room,
		 .section_size = sizeof(struct room),
		 .offset = offsetof(struct settings, rooms)},
		{0},
	};

	memset(room, 0, sizeof(room));
	room[0] = seats;
	memcpy(options, all, sizeof(all));
	protocol = (struct lined_protocol){
		.abi = LINED_ABI,
		.size = sizeof(protocol),
		.name = "sound",
		.handle_accept = accept_nobody,
		.options = options,
		.options_size = sizeof(struct settings),
	};
}

static void accepted(void)
{
	char error[200] = "";

	ck_assert_msg(
		protocol_check(&protocol, "sound", error, sizeof(error)) == 0,
		"%s", error);
}

static void refused(const char *want)
{
	char error[200] = "";

	ck_assert_int_eq(
		protocol_check(&protocol, "sound", error, sizeof(error)), -1);
	ck_assert_str_eq(error, want);
}

/* The protocol is refused with the option "number" at this offset. */
static void refused_at(size_t offset)
{
	char want[200];

	options[0].offset = offset;
	snprintf(want, sizeof(want),
		 "option number: no place for it at offset %zu of %zu", offset,
		 sizeof(struct settings));
	refused(want);
}

START_TEST(a_sound_protocol_is_taken)
{
	accepted();
	protocol.transports = LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM;
	protocol.flags =
		LINED_ONE_WORKER | LINED_NO_REFLECTION | LINED_NO_IDLE_TIMEOUT;
	protocol.framing_fixed = LINED_FRAMING_TERMINATOR;
	protocol.framing = (struct lined_framing)LINED_FRAMING_DEFAULT;
	accepted();
	protocol.options = NULL;
	protocol.options_size = 0;
	accepted();
}
END_TEST

START_TEST(another_abi_is_refused_and_both_are_named)
{
	char error[200];

	protocol.abi = LINED_ABI + 6;
	ck_assert_int_eq(protocol_check_abi(&protocol, error, sizeof(error)),
			 -1);
	ck_assert_str_eq(error, "built for ABI 8, this lined has ABI 2");
	protocol.abi = LINED_ABI;
	protocol.size = PROTOCOL_SIZE_MIN - 1;
	ck_assert_int_eq(protocol_check_abi(&protocol, error, sizeof(error)),
			 -1);
	ck_assert_ptr_nonnull(strstr(error, "size"));
	protocol.size = PROTOCOL_SIZE_MIN;
	ck_assert_int_eq(protocol_check_abi(&protocol, error, sizeof(error)),
			 0);
}
END_TEST

START_TEST(its_name_must_be_the_files)
{
	protocol.name = "soun";
	refused("it claims to be \"soun\"");
	protocol.name = "a\x1b\n";
	refused("it claims to be \"a\\x1b\\n\"");
	protocol.name = NULL;
	refused("it has no name");
}
END_TEST

START_TEST(it_must_have_a_callback)
{
	protocol.handle_accept = NULL;
	refused("it has none of handle_accept, handle_line and handle_task");
}
END_TEST

static void do_nothing(struct lined_service *service)
{
}

START_TEST(a_task_is_enough_and_has_its_time)
{
	protocol.handle_accept = NULL;
	protocol.handle_task = do_nothing;
	refused("it has a handle_task, but no task_ms");
	protocol.task_ms = 1;
	accepted();
}
END_TEST

START_TEST(clients_do_not_cost_more_than_they_may)
{
	protocol.client_size = 1048576;
	accepted();
	protocol.client_size++;
	refused("its client_size is over 1048576");
	protocol.client_size = 0;
	protocol.instance_size = 1048576;
	accepted();
	protocol.instance_size++;
	refused("its instance_size is over 1048576");
}
END_TEST

START_TEST(unknown_bits_are_refused)
{
	protocol.flags = 0x80000001;
	refused("unknown bits in flags: 0x80000001");
	protocol.flags = 0;
	protocol.transports = 4;
	refused("unknown bits in transports: 0x4");
	protocol.transports = 0;
	protocol.framing_fixed = 16;
	refused("unknown bits in framing_fixed: 0x10");
}
END_TEST

START_TEST(its_framing_must_be_known)
{
	protocol.framing = (struct lined_framing)LINED_FRAMING_DEFAULT;
	protocol.framing.terminator = LINED_TERMINATOR_SYSLOG + 1;
	refused("framing: an unknown value");
	protocol.framing.terminator = 0;
	protocol.framing.too_long = LINED_TOO_LONG_TRUNCATE + 1;
	refused("framing: an unknown value");
	protocol.framing.too_long = 0;
	protocol.framing.unterminated = LINED_UNTERMINATED_DELIVER + 1;
	refused("framing: an unknown value");
	protocol.framing.unterminated = 0;
	protocol.framing.line_length = LINED_LINE_LENGTH_MAX + 1;
	refused("framing: line_length is over 268435456");
}
END_TEST

START_TEST(options_need_their_struct)
{
	protocol.options_size = 0;
	refused("it has options, but no options_size");
	protocol.options_size = (size_t)1 << 30;
	refused("its options_size is over 1048576");
}
END_TEST

START_TEST(an_option_must_lie_within_the_struct)
{
	char error[200];

	refused_at(sizeof(struct settings));
	refused_at(sizeof(struct settings) - 4);
	refused_at(SIZE_MAX - 7);
	refused_at(4); /* not aligned */
	sound();
	/* An option of a section overlaps the section's title. */
	room[0].offset = 0;
	ck_assert_int_eq(
		protocol_check(&protocol, "sound", error, sizeof(error)), -1);
	ck_assert_ptr_nonnull(strstr(error, "option seats: no place for it"));
}
END_TEST

START_TEST(an_option_must_make_sense)
{
	options[1].name = NULL;
	refused("an option has no name");
	options[1].name = "Bad Key";
	refused("option \"Bad Key\": not a key");
	options[1].name = "number";
	refused("option number: there are two");
	sound();
	options[1].type = 99;
	refused("option word: unknown type 99");
	options[1].type = (enum lined_option_type) - 1;
	refused("option word: unknown type -1");
	sound();
	options[0].min = 5;
	options[0].max = 4;
	refused("option number: its min is over its max");
	sound();
	options[0].choices = (const char *const[]){"a", NULL};
	refused("option number: choices, but not a choice or a string");
	options[0].restarts = true;
	refused("option number: restarts, but not a choice");
	options[0].restarts = false;
	sound();
	options[1].type = LINED_OPTION_CHOICE;
	refused("option word: a choice without choices");
	options[1].choices = (const char *const[]){NULL};
	refused("option word: a choice without choices");
	options[1].choices = (const char *const[]){"a", "b", NULL};
	options[1].fallback = "c";
	refused("option word: its default is not one of its choices");
	sound();
	options[0].min = 1;
	options[0].max = 4;
	options[0].fallback = "5";
	refused("option number: its default \"5\" is out of its range");
	options[0].fallback = "0";
	refused("option number: its default \"0\" is out of its range");
	options[0].fallback = "5 s";
	refused("option number: its default \"5 s\" is not a value of its "
		"type");
}
END_TEST

START_TEST(a_section_must_have_a_struct_and_no_section)
{
	options[4].section_size = 0;
	refused("option room: a section of no struct");
	options[4].section_size = sizeof(struct room);
	options[4].section = NULL;
	refused("option room: a section of no struct");
	sound();
	/* A section that contains itself: following it would never end. */
	options[4].section = options;
	options[4].section_size = sizeof(struct settings) + 8;
	options[0].offset = 8;
	room[0].offset = 8;
	options[0] = room[0];
	options[4].offset = 8;
	protocol.options_size = sizeof(struct settings) + 8;
	refused("option room: a section within a section");
}
END_TEST

START_TEST(a_table_without_end_is_noticed)
{
	static struct lined_option many[300];
	size_t i;

	for (i = 0; i < 300; i++)
		many[i] = options[0];
	protocol.options = many;
	refused("its table of options has no end");
}
END_TEST

static Suite *protocol_check_suite(void)
{
	Suite *suite = suite_create("protocol_check");
	TCase *tc = support_case(suite, "protocol_check");

	tcase_add_checked_fixture(tc, sound, NULL);
	tcase_add_test(tc, a_sound_protocol_is_taken);
	tcase_add_test(tc, another_abi_is_refused_and_both_are_named);
	tcase_add_test(tc, its_name_must_be_the_files);
	tcase_add_test(tc, it_must_have_a_callback);
	tcase_add_test(tc, a_task_is_enough_and_has_its_time);
	tcase_add_test(tc, clients_do_not_cost_more_than_they_may);
	tcase_add_test(tc, unknown_bits_are_refused);
	tcase_add_test(tc, its_framing_must_be_known);
	tcase_add_test(tc, options_need_their_struct);
	tcase_add_test(tc, an_option_must_lie_within_the_struct);
	tcase_add_test(tc, an_option_must_make_sense);
	tcase_add_test(tc, a_section_must_have_a_struct_and_no_section);
	tcase_add_test(tc, a_table_without_end_is_noticed);
	return suite;
}

int main(void)
{
	return support_main_once(protocol_check_suite);
}
