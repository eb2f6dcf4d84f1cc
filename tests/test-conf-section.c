/* SPDX-License-Identifier: MIT */
/*
 * A protocol's options: every type is read into the protocol's struct, refused
 * with its place, and compared.
 */
#include "config.h"

#include "conf_fixture.h"

#include <stdio.h>
#include <string.h>

#define RELAY(section)                                                         \
	"service \"s\" { protocol = relay listen = \"unix:///s\"\n" section    \
	"\n}\n"

static const struct fake_relay *relay(const char *section)
{
	static char text[4096];

	snprintf(text, sizeof(text),
		 "service \"s\" { protocol = relay listen = \"unix:///s\"\n"
		 "%s\n}\n",
		 section);
	return fixture_good(text)->services[0].options;
}

static void check_defaults(const struct fake_relay *r)
{
	ck_assert_int_eq(r->mode, FAKE_HUB);
	ck_assert_int_eq(r->pace, -1);
	ck_assert_str_eq(r->style, "");
	ck_assert_uint_eq(r->filter.count, 0);
	ck_assert_uint_eq(r->order.count, 0);
	ck_assert_int_eq(r->retry_ms, 1000);
	ck_assert_int_eq(r->hold, 0);
	ck_assert_int_eq(r->level, -3);
	ck_assert(!r->loopback);
	ck_assert_uint_eq(r->rooms.count, 0);
}

START_TEST(defaults_fill_the_struct_without_a_section)
{
	check_defaults(relay(""));
	check_defaults(relay("relay { }"));
}
END_TEST

START_TEST(every_type_is_stored)
{
	const struct fake_relay *r =
		relay("relay { mode = upstream pace = 'walk' style = trot\n"
		      "filter = { 'deny ^!\\d', \"\" }\n"
		      "order = tag retry-min = 250ms hold = 1G level = -5\n"
		      "loopback = on }");

	ck_assert_int_eq(r->mode, FAKE_UPSTREAM);
	ck_assert_int_eq(r->pace, 0);
	ck_assert_str_eq(r->style, "trot");
	ck_assert_uint_eq(r->filter.count, 2);
	ck_assert_str_eq(r->filter.items[0], "deny ^!\\d");
	ck_assert_str_eq(r->filter.items[1], "");
	ck_assert_uint_eq(r->order.count, 1);
	ck_assert_int_eq(r->retry_ms, 250);
	ck_assert_int_eq(r->hold, INT64_C(1) << 30);
	ck_assert_int_eq(r->level, -5);
	ck_assert(r->loopback);
}
END_TEST

START_TEST(titled_sections_become_an_array)
{
	const struct fake_relay *r =
		relay("relay { room \"den\" { topic = \"x y\" size = 3k open = "
		      "no }\nroom \"hall\" { } }");
	const struct fake_room *rooms = r->rooms.items;

	ck_assert_uint_eq(r->rooms.count, 2);
	ck_assert_str_eq(rooms[0].title, "den");
	ck_assert_str_eq(rooms[0].topic, "x y");
	ck_assert_int_eq(rooms[0].size, 3072);
	ck_assert(!rooms[0].open);
	ck_assert_str_eq(rooms[1].title, "hall");
	ck_assert_str_eq(rooms[1].topic, "none");
	ck_assert_int_eq(rooms[1].size, 2048);
	ck_assert(rooms[1].open);
}
END_TEST

START_TEST(everything_wrong_has_its_line)
{
	fixture_bad(
		RELAY("relay {\nmode = \"hubb\"\norder = { filter,\n tga }\n"
		      "retry-min = 99ms\nhold = -1\nlevel = 21\n"
		      "loopback = maybe\nlopback = no\npace = \"\"\nstyle = "
		      "run\n"
		      "room = 1\n}"),
		"3: service \"s\": relay: mode: \"hubb\" is not one of hub, "
		"upstream, proxy\n"
		"5: service \"s\": relay: order: \"tga\" is not one of filter, "
		"dedupe, tag\n"
		"6: service \"s\": relay: retry-min: \"99ms\" is out of range "
		"(100ms to 1m)\n"
		"7: service \"s\": relay: hold: \"-1\" is not a size (a number "
		"and k, M or G)\n"
		"8: service \"s\": relay: level: \"21\" is out of range (-5 to "
		"20)\n"
		"9: service \"s\": relay: loopback: \"maybe\" is not true or "
		"false\n"
		"10: service \"s\": relay: unknown key \"lopback\" (did you "
		"mean \"loopback\"?)\n"
		"11: service \"s\": relay: pace: \"\" is not one of walk, "
		"trot\n"
		"12: service \"s\": relay: style: \"run\" is not one of walk, "
		"trot\n"
		"13: service \"s\": relay: \"room\" is a section, not a key\n");
}
END_TEST

START_TEST(a_key_outside_of_its_section_is_told_where_it_belongs)
{
	fixture_bad(RELAY("mode = \"hub\"\nroom \"a\" { }"),
		    "2: service \"s\": mode belongs into its section "
		    "\"relay\"\n"
		    "3: service \"s\": section \"room\" is not that of "
		    "protocol relay\n");
}
END_TEST

START_TEST(faults_in_titled_sections_have_their_line)
{
	fixture_bad(RELAY("relay {\nroom \"a\" {\ntopc = \"x\"\nsize = big }\n"
			  "room \"b\" { }\nroom \"a\" { hue = 1 }\n"
			  "room \"\" { } }\n"),
		    "4: service \"s\": relay: room \"a\": unknown key \"topc\" "
		    "(did you mean \"topic\"?)\n"
		    "5: service \"s\": relay: room \"a\": size: \"big\" is not "
		    "a size (a number and k, M or G)\n"
		    "7: service \"s\": relay: room \"a\" is defined already at "
		    "lined.conf:3\n"
		    "7: service \"s\": relay: room \"a\": unknown key "
		    "\"hue\"\n"
		    "8: service \"s\": relay: room needs a title: room "
		    "\"NAME\" { ... }\n");
	fixture_bad(RELAY("relay { room { } mode \"x\" { } }"),
		    "2: service \"s\": relay: room needs a title: room "
		    "\"NAME\" { ... }\n"
		    "2: service \"s\": relay: \"mode\" is a key, not a "
		    "section\n");
}
END_TEST

START_TEST(the_protocols_own_check_has_the_last_word)
{
	fixture_bad(RELAY("\nrelay { level = 13 }"),
		    "3: service \"s\": relay: level 13 brings bad luck\n");
	fixture_bad(RELAY("\nrelay { level = 13 hue = 1 }"),
		    "3: service \"s\": relay: unknown key \"hue\"\n");
}
END_TEST

START_TEST(the_protocols_faults_are_reported_where_the_options_are_set)
{
	fixture_bad(RELAY("\nrelay {\nlevel = 14\n}"),
		    "3: service \"s\": relay: pace: not set\n"
		    "4: service \"s\": relay: level: 14 is too much\n");
	fixture_good(RELAY("\nrelay {\n\nretry-min = 60s\n}"));
	ck_assert_str_eq(
		fixture_warnings(),
		"lined.conf:5: service \"s\": relay: retry-min: that is "
		"long\n");
}
END_TEST

START_TEST(two_sections_of_the_protocol_are_one_too_many)
{
	fixture_bad(RELAY("relay { }\nrelay { }"),
		    "3: service \"s\": relay is defined already at "
		    "lined.conf:2\n");
}
END_TEST

START_TEST(a_default_that_cannot_be_read_is_the_protocols_fault)
{
	fixture_bad("service \"s\" { protocol = faulty listen = "
		    "\"unix:///s\" }\n",
		    "protocol: service \"s\": faulty: size: the built-in "
		    "default \"much\" is not a size (a number and k, M or "
		    "G)\n"
		    "protocol: service \"s\": faulty: pace: the built-in "
		    "default \"fly\" is not one of its choices\n");
}
END_TEST

static bool same(const char *a, const char *b)
{
	const struct conf *x, *y;
	char text[2][1024];

	snprintf(text[0], sizeof(text[0]), RELAY("%s"), a);
	snprintf(text[1], sizeof(text[1]), RELAY("%s"), b);
	x = fixture_good(text[0]);
	y = fixture_good(text[1]);
	return conf_options_equal(&x->services[0], &y->services[0]);
}

START_TEST(options_are_compared_by_value)
{
	ck_assert(same("", "relay { mode = hub hold = 0 loopback = off }"));
	ck_assert(!same("", "relay { mode = proxy }"));
	ck_assert(!same("", "relay { pace = walk }"));
	ck_assert(same("relay { retry-min = 2 filter = x }",
		       "relay { filter = { \"x\" } retry-min = 2000ms }"));
	ck_assert(!same("relay { filter = { a, bc } }",
			"relay { filter = { ab, c } }"));
	ck_assert(!same("relay { filter = { a, b } }",
			"relay { filter = { b, a } }"));
	ck_assert(!same("", "relay { filter = { \"\" } }"));
	ck_assert(!same("relay { room \"a\" { } }", ""));
	ck_assert(!same("relay { room \"a\" { } }",
			"relay { room \"a\" { open = no } }"));
	ck_assert(!same("relay { room \"a\" { } room \"b\" { } }",
			"relay { room \"b\" { } room \"a\" { } }"));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("conf-options");
	TCase *tcase = fixture_case(suite, "options");

	tcase_add_test(tcase, defaults_fill_the_struct_without_a_section);
	tcase_add_test(tcase, every_type_is_stored);
	tcase_add_test(tcase, titled_sections_become_an_array);
	tcase_add_test(tcase, everything_wrong_has_its_line);
	tcase_add_test(tcase,
		       a_key_outside_of_its_section_is_told_where_it_belongs);
	tcase_add_test(tcase, faults_in_titled_sections_have_their_line);
	tcase_add_test(tcase, the_protocols_own_check_has_the_last_word);
	tcase_add_test(
		tcase,
		the_protocols_faults_are_reported_where_the_options_are_set);
	tcase_add_test(tcase, two_sections_of_the_protocol_are_one_too_many);
	tcase_add_test(tcase,
		       a_default_that_cannot_be_read_is_the_protocols_fault);
	tcase_add_test(tcase, options_are_compared_by_value);
	return suite;
}

int main(void)
{
	return fixture_main(make_suite);
}
