/* SPDX-License-Identifier: MIT */
/*
 * The syntax of config files, and names that are unknown or occur twice. Every
 * message is compared whole, with its line number.
 */
#include "config.h"

#include "conf_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- syntax ---------------------------------------------------------- */

START_TEST(unclosed_section_names_where_it_opened)
{
	fixture_bad("\n# one\nservice \"echo\" {\n protocol = \"echo\"\n\n",
		    "3: section service \"echo\" is never closed: its } is "
		    "missing\n");
	fixture_bad("defaults {\nlimits {\n",
		    "1: section defaults is never closed: its } is missing\n"
		    "2: section limits is never closed: its } is missing\n");
}
END_TEST

START_TEST(unclosed_list_and_string_and_comment_are_named)
{
	fixture_bad("workers = 1\nuser = {\n\"a\",\n",
		    "2: the list of \"user\" is never closed\n");
	fixture_bad("workers = 1\nuser = \"abc\nworkers = 2\n",
		    "2: this string is not closed on its line\n");
	fixture_bad("user = 'abc",
		    "1: this string is not closed on its line\n");
	fixture_bad("user = 'abc\\'\n",
		    "1: this string is not closed on its line (\\' does not "
		    "close it; a \\ before the closing ' is written "
		    "\\\\)\n");
	fixture_bad("user = \"abc\\", "1: this string is not closed on its "
				      "line\n");
	fixture_bad("workers = 1\n/* x\n", "2: this comment is never closed\n");
	fixture_bad("user = \"${HOME\"\n",
		    "1: ${ without its } on the same line\n");
}
END_TEST

START_TEST(syntax_errors_say_what_was_expected)
{
	fixture_bad("workers 3\n",
		    "1: expected \"=\" or \"{\" after \"workers\", found "
		    "\"3\"\n");
	fixture_bad("workers = \n}\n",
		    "2: expected a value after \"=\", found \"}\"\n");
	fixture_bad("workers =", "1: expected a value after \"=\", found the "
				 "end of the file\n");
	fixture_bad("}\n", "1: } without a section to close\n");
	fixture_bad("= 3\n", "1: expected the name of a key or section, found "
			     "=\n");
	fixture_bad("\"workers\" = 3\n",
		    "1: expected the name of a key or section, found "
		    "\"workers\"\n");
	fixture_bad("a|b = 3\n",
		    "1: expected the name of a key or section, found a|b\n");
	fixture_bad("service \"x\" = 3\n",
		    "1: expected \"{\" and the section's keys after "
		    "\"service\", found \"=\"\n");
	fixture_bad("user = { \"a\" \"b\" }\n",
		    "1: expected \",\" or \"}\" after \"user\", found "
		    "\"b\"\n");
	fixture_bad("user = { , }\n",
		    "1: expected a value in the list after \"user\", found "
		    "\",\"\n");
	fixture_bad("user += \"a\"\n",
		    "1: += is not known here: write the whole list\n");
	fixture_bad("user = *\n",
		    "1: unexpected \"*\": does it belong in quotes?\n");
	fixture_bad("call(\"x\")\n",
		    "1: expected \"=\" or \"{\" after \"call\", found "
		    "\"(\"\n");
}
END_TEST

START_TEST(syntax_error_ends_the_reading)
{
	fixture_bad("colour = 1\nworkers 3\ncolour = 2\n",
		    "2: expected \"=\" or \"{\" after \"workers\", found "
		    "\"3\"\n");
}
END_TEST

START_TEST(a_bad_string_does_not_spoil_the_next_load)
{
	fixture_bad("user = \"\\999\"\n",
		    "1: bad number after \\ in a string (\\1 to \\377, \\x01 "
		    "to \\xff)\n");
	fixture_bad("user = \"a\\0b\"\n",
		    "1: bad number after \\ in a string (\\1 to \\377, \\x01 "
		    "to \\xff)\n");
	fixture_bad("user = \"a\\x00b\"\n",
		    "1: bad number after \\ in a string (\\1 to \\377, \\x01 "
		    "to \\xff)\n");
	fixture_good(SERVICE("s", "1"));
}
END_TEST

START_TEST(strings_are_what_libconfuse_makes_of_them)
{
	char name[200] = "", text[1024];
	const struct conf *conf;

	ck_assert_int_eq(setenv("LINED_TEST", "from here", 1), 0);
	ck_assert_int_eq(unsetenv("LINED_NONE"), 0);
	conf = fixture_good("user = \"\\x41\\102\\q\\\"\"\n"
			    "group = 'a\\d\"${LINED_TEST}'\n"
			    "log { ident = \"${LINED_TEST}, "
			    "${LINED_NONE:-else}\" }\n"
			    "module-dir = \"/a\\\nb\"\n" SERVICE("s", "1"));
	ck_assert_str_eq(conf->user, "ABq\"");
	ck_assert_str_eq(conf->group, "a\\d\"${LINED_TEST}");
	ck_assert_str_eq(conf->log.ident, "from here, else");
	ck_assert_str_eq(conf->module_dir, "/ab");
	conf = fixture_good("user = ${LINED_TEST}\n" SERVICE("s", "1"));
	ck_assert_str_eq(conf->user, "from here");
	memset(name, 'N', sizeof(name) - 1);
	snprintf(text, sizeof(text), "user = \"${%s:-else}\"\n%s", name,
		 SERVICE("s", "1"));
	ck_assert_str_eq(fixture_good(text)->user, "else");
}
END_TEST

START_TEST(a_variable_that_is_not_set_is_an_error)
{
	ck_assert_int_eq(unsetenv("LINED_NONE"), 0);
	fixture_bad("workers = 1\nuser = \"x${LINED_NONE}\"\n",
		    "2: ${LINED_NONE}: the environment has no such variable "
		    "(${LINED_NONE:-text} has a default)\n");
	fixture_bad("user = ${LINED_NONE}\n",
		    "1: ${LINED_NONE}: the environment has no such variable "
		    "(${LINED_NONE:-text} has a default)\n");
	fixture_good(
		"user = '${LINED_NONE}' # ${LINED_NONE}\n" SERVICE("s", "1"));
	ck_assert_int_eq(setenv("LINED_NONE", "", 1), 0);
	ck_assert_str_eq(
		fixture_good("user = \"x${LINED_NONE}\"\n" SERVICE("s", "1"))
			->user,
		"x");
}
END_TEST

START_TEST(comments_do_not_disturb_lines_or_lists)
{
	fixture_bad(
		"# one\n## two\n// three\n/* four\n * five\n */ colour = 1\n"
		"service \"s\" { # seven\n protocol = \"echo\"\n"
		" listen = { # nine\n\n \"tcp://127.0.0.1:7\", // eleven\n"
		" /* twelve */ \"tcp:\" }\n"
		" hue = \"a # b // c /* d\" }\n",
		"6: unknown key \"colour\"\n"
		"12: service \"s\": listen tcp:: an address begins with "
		"tcp://, tls://, udp://, unix://, "
		"ws://, wss://, systemd: or "
		"systemd+tls:\n"
		"13: service \"s\": unknown key \"hue\"\n");
}
END_TEST

START_TEST(a_key_of_many_lines_has_the_line_of_its_name)
{
	fixture_bad("\ncolours\n=\n{\n1,\n2\n}\nhues = { }\n",
		    "2: unknown key \"colours\"\n"
		    "8: unknown key \"hues\"\n");
}
END_TEST

START_TEST(nesting_is_bounded)
{
	char text[4096] = "";
	int i;

	for (i = 0; i < 17; i++)
		strcat(text, "a {\n");
	fixture_bad(text, "17: sections are nested too deeply\n");
}
END_TEST

START_TEST(many_names_and_sections_are_bounded)
{
	static char text[64 * 1024];
	size_t used = 0;
	int i;

	for (i = 0; i < 65; i++)
		used += (size_t)sprintf(text + used, "k%d = 1\n", i);
	fixture_bad(text, "65: too many different names in one section\n");
	for (i = 0, used = 0; i < 8193; i++)
		used += (size_t)sprintf(text + used, "a{}\n");
	fixture_bad(text, "8193: too many sections in one file\n");
}
END_TEST

START_TEST(a_name_cannot_be_a_key_and_a_section)
{
	fixture_bad("a = 1\na { }\n",
		    "2: \"a\" is a section here and a key in line 1\n");
	fixture_bad("service \"a\" {}\nservice {}\n",
		    "2: \"service\" is a section here and a section with a "
		    "title in line 1\n");
}
END_TEST

START_TEST(a_section_named_root_cannot_end_the_lexer)
{
	fixture_bad("root \"a\" { }\nroot \"a\" { }\n",
		    "1: unknown section \"root\"\n");
	fixture_good(SERVICE("s", "1"));
}
END_TEST

/* ---- unknown and twice ----------------------------------------------- */

START_TEST(everything_wrong_is_reported_in_one_go)
{
	fixture_bad("colour = 1\nworker = 2\nlog { levle = \"info\" }\n"
		    "service \"a\" {\n protocol = \"echo\"\n"
		    " listen = \"tcp://127.0.0.1:0\"\n"
		    " limits { clients = 0  colour = 3 }\n colour { }\n}\n"
		    "paint \"it\" { colour = { \"black\" } }\n",
		    "1: unknown key \"colour\"\n"
		    "2: unknown key \"worker\" (did you mean \"workers\"?)\n"
		    "3: log: unknown key \"levle\" (did you mean "
		    "\"level\"?)\n"
		    "6: service \"a\": listen tcp://127.0.0.1:0: the port is "
		    "not 1 to 65535\n"
		    "7: service \"a\": limits: clients: \"0\" is out of range "
		    "(1 to 10000000)\n"
		    "7: service \"a\": limits: unknown key \"colour\"\n"
		    "8: service \"a\": section \"colour\" is not that of "
		    "protocol echo\n"
		    "10: unknown section \"paint\"\n");
}
END_TEST

START_TEST(what_stands_twice_names_both_places)
{
	fixture_bad("workers = 1\nworkers = 2\nlog { }\nlog { }\n" SERVICE(
			    "s", "1") SERVICE("s", "1"),
		    "2: workers is set already at lined.conf:1\n"
		    "4: log is defined already at lined.conf:3\n"
		    "6: service \"s\" is defined already at lined.conf:5\n");
}
END_TEST

START_TEST(a_double_is_checked_as_well)
{
	fixture_bad(SERVICE("s", "1") "service \"s\" {\n protocol = \"echo\"\n "
				      "listen = \"tcp://127.0.0.1:1\"\n hue = "
				      "1 }\n",
		    "2: service \"s\" is defined already at lined.conf:1\n"
		    "5: service \"s\": unknown key \"hue\"\n");
}
END_TEST

START_TEST(keys_are_not_sections_nor_sections_keys)
{
	fixture_bad("workers { }\nlog = 1\nservice { }\nlimits \"x\" { }\n",
		    "1: \"workers\" is a key, not a section\n"
		    "2: \"log\" is a section, not a key\n"
		    "3: service needs a title: service \"NAME\" { ... }\n"
		    "4: unknown section \"limits\"\n");
	fixture_bad("log \"x\" { }\n", "1: log takes no title\n");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("conf-syntax");
	TCase *tcase = fixture_case(suite, "syntax");

	tcase_add_test(tcase, unclosed_section_names_where_it_opened);
	tcase_add_test(tcase, unclosed_list_and_string_and_comment_are_named);
	tcase_add_test(tcase, syntax_errors_say_what_was_expected);
	tcase_add_test(tcase, syntax_error_ends_the_reading);
	tcase_add_test(tcase, a_bad_string_does_not_spoil_the_next_load);
	tcase_add_test(tcase, strings_are_what_libconfuse_makes_of_them);
	tcase_add_test(tcase, a_variable_that_is_not_set_is_an_error);
	tcase_add_test(tcase, comments_do_not_disturb_lines_or_lists);
	tcase_add_test(tcase, a_key_of_many_lines_has_the_line_of_its_name);
	tcase_add_test(tcase, nesting_is_bounded);
	tcase_add_test(tcase, many_names_and_sections_are_bounded);
	tcase_add_test(tcase, a_name_cannot_be_a_key_and_a_section);
	tcase_add_test(tcase, a_section_named_root_cannot_end_the_lexer);
	tcase_add_test(tcase, everything_wrong_is_reported_in_one_go);
	tcase_add_test(tcase, what_stands_twice_names_both_places);
	tcase_add_test(tcase, a_double_is_checked_as_well);
	tcase_add_test(tcase, keys_are_not_sections_nor_sections_keys);
	return suite;
}

int main(void)
{
	return fixture_main(make_suite);
}
