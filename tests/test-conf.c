/* SPDX-License-Identifier: MIT */
/*
 * Config files: which of them can be read, their syntax, includes, and the
 * sections of which there is one. Every message is compared whole, with its
 * line number.
 */
#include "config.h"

#include "conf_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "tls.h"

/* A good service on one line, on a port of its own. */
#define SERVICE(name, port)                                                    \
	"service \"" name "\" { protocol = \"echo\" "                          \
	"listen = \"tcp://127.0.0.1:" port "\" }\n"

/* ---- files ----------------------------------------------------------- */

START_TEST(missing_file_is_an_error)
{
	fixture_load("nosuch.conf");
	ck_assert_str_eq(fixture_errors(),
			 "nosuch.conf: No such file or directory\n");
}
END_TEST

START_TEST(directory_is_an_error_and_not_the_end_of_the_process)
{
	ck_assert_int_eq(mkdir(fixture_path("dir"), 0755), 0);
	fixture_load("dir");
	ck_assert_str_eq(fixture_errors(), "dir: is a directory\n");
}
END_TEST

START_TEST(fifo_is_an_error_and_does_not_block)
{
	ck_assert_int_eq(mkfifo(fixture_path("fifo"), 0600), 0);
	fixture_load("fifo");
	ck_assert_str_eq(fixture_errors(), "fifo: is not a regular file\n");
}
END_TEST

START_TEST(all_files_together_have_a_bound)
{
	char *text = malloc(1 << 20), name[16];
	unsigned i;

	ck_assert_ptr_nonnull(text);
	memset(text, '\n', 1 << 20);
	ck_assert_int_eq(mkdir(fixture_path("d"), 0755), 0);
	for (i = 0; i < 17; i++) {
		snprintf(name, sizeof(name), "d/%02u", i);
		fixture_write_bytes(name, text, i < 16 ? 1 << 20 : 1);
	}
	free(text);
	fixture_bad("include(\"d/*\")\n",
		    "1: the config files have more than 16777216 bytes in "
		    "all\n");
}
END_TEST

START_TEST(huge_file_is_an_error)
{
	fixture_write("huge.conf", "");
	ck_assert_int_eq(truncate(fixture_path("huge.conf"), 2 << 20), 0);
	fixture_load("huge.conf");
	ck_assert_str_eq(fixture_errors(),
			 "huge.conf: is larger than 1 MiB: not a config "
			 "file\n");
}
END_TEST

START_TEST(empty_file_is_good_with_a_warning)
{
	fixture_good("");
	ck_assert_str_eq(fixture_warnings(),
			 "lined.conf: there is no service\n");
}
END_TEST

START_TEST(binary_junk_is_named_with_its_line)
{
	static const char nul[] = "workers = 1\n\0user = \"x\"\n";

	fixture_bad("workers = 1\n# \x01\n",
		    "2: byte 0x01: this is not a text file\n");
	fixture_bad("user = \"\x7f\"",
		    "1: byte 0x7f: this is not a text file\n");
	fixture_write_bytes("nul.conf", nul, sizeof(nul) - 1);
	fixture_load("nul.conf");
	ck_assert_str_eq(fixture_errors(),
			 "nul.conf:2: byte 0x00: this is not a text file\n");
}
END_TEST

START_TEST(other_encodings_and_line_ends_are_text)
{
	const struct conf *conf = fixture_good(
		"\xef\xbb\xbfworkers = 2\r\nlog { ident = \"l\xc3\xaf\xff\" "
		"}\r\n" SERVICE("s", "1"));

	ck_assert_uint_eq(conf->workers, 2);
	ck_assert_str_eq(conf->log.ident, "l\xc3\xaf\xff");
	fixture_bad("# by an old Macintosh\rcolour = 1\r",
		    "1: a CR without LF: lines end with LF here\n");
	fixture_bad("workers = 1\r\nuser = 'a\rb'\r\n",
		    "2: a CR without LF: lines end with LF here\n");
}
END_TEST

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

/* ---- includes -------------------------------------------------------- */

START_TEST(includes_are_read_sorted_after_the_file)
{
	const struct conf *conf;

	ck_assert_int_eq(mkdir(fixture_path("conf.d"), 0755), 0);
	fixture_write("conf.d/b.conf", SERVICE("b", "3"));
	fixture_write("conf.d/a.conf", SERVICE("a", "2"));
	fixture_write("conf.d/c.txt", "nonsense");
	conf = fixture_good("include(\"conf.d/*.conf\")\n" SERVICE("z", "1"));
	ck_assert_uint_eq(conf->service_count, 3);
	ck_assert_str_eq(conf->services[0].name, "z");
	ck_assert_str_eq(conf->services[1].name, "a");
	ck_assert_str_eq(conf->services[2].name, "b");
}
END_TEST

START_TEST(lines_are_right_in_included_files)
{
	fixture_write("one.conf", "# first\n\n/* x\n*/\ncolour = 1\n"
				  "include(\"two.conf\")\n");
	fixture_write("two.conf", "\nhue = 1\n");
	fixture_bad("include(\"one.conf\")\ntint = 1\n",
		    "2: unknown key \"tint\"\n"
		    "one.conf:5: unknown key \"colour\"\n"
		    "two.conf:2: unknown key \"hue\"\n");
}
END_TEST

START_TEST(empty_globs_are_good)
{
	fixture_good(
		"include(\"nosuch/*.conf\")\ninclude(\"*.none\")\n" SERVICE(
			"s", "1"));
}
END_TEST

START_TEST(a_glob_in_a_directory_that_cannot_be_read_is_an_error)
{
	ck_assert_int_eq(symlink("loop", fixture_path("loop")), 0);
	fixture_bad("include(\"none/*.conf\")\ninclude(\"loop/*.conf\")\n",
		    "2: include \"loop/*.conf\": Too many levels of symbolic "
		    "links\n");
}
END_TEST

START_TEST(a_pattern_without_wildcards_must_match)
{
	fixture_bad("workers = 0\ninclude(\"nosuch.conf\")\ncolour = 1\n",
		    "1: workers: \"0\" is out of range (auto, or 1 to 1024)\n"
		    "2: include \"nosuch.conf\": No such file or directory\n"
		    "3: unknown key \"colour\"\n");
	fixture_bad("include(\"\")\n", "1: include(): the pattern is empty\n");
}
END_TEST

START_TEST(include_of_a_directory_is_an_error)
{
	ck_assert_int_eq(mkdir(fixture_path("d.conf"), 0755), 0);
	fixture_bad("include(\"*.conf\")\n",
		    "1: include \"d.conf\": is a directory\n"
		    "1: include \"lined.conf\": this is the file that reading "
		    "began with\n");
}
END_TEST

START_TEST(include_loops_end_with_an_error)
{
	fixture_write("a.conf", "\ninclude(\"b.conf\")\n");
	fixture_write("b.conf", "include(\"a.conf\")\n");
	fixture_bad("include(\"a.conf\")\n",
		    "b.conf:1: include \"a.conf\": the file is already "
		    "included at lined.conf:1\n");
	fixture_bad("include(\"lined.conf\")\n",
		    "1: include \"lined.conf\": this is the file that reading "
		    "began with\n");
}
END_TEST

START_TEST(include_stands_at_top_level_with_one_pattern)
{
	fixture_bad("log {\n include(\"x\") }\n",
		    "2: include() stands outside of any section\n");
	fixture_bad("include = \"x\"\n",
		    "1: expected (\"PATTERN\") after \"include\", found "
		    "\"=\"\n");
	fixture_bad("include(\"a\", \"b\")\n",
		    "1: expected \")\" after \"include(\"...\"\", found "
		    "\",\"\n");
	fixture_bad("include()\n", "1: expected one pattern after "
				   "\"include(\", found \")\"\n");
	fixture_bad("include(\"a\"", "1: expected \")\" after "
				     "\"include(\"...\"\", found the end of "
				     "the file\n");
}
END_TEST

START_TEST(a_syntax_error_in_an_include_has_its_place)
{
	fixture_write("a.conf", "workers = 1\nlog {\n");
	fixture_bad("include(\"a.conf\")\n",
		    "a.conf:2: section log is never closed: its } is "
		    "missing\n");
}
END_TEST

START_TEST(names_over_files_are_compared)
{
	fixture_write("a.conf", "workers = 2\n" SERVICE("s", "2"));
	fixture_bad("workers = 1\n" SERVICE("s", "1") "include(\"a.conf\")\n",
		    "a.conf:1: workers is set already at lined.conf:1\n"
		    "a.conf:2: service \"s\" is defined already at "
		    "lined.conf:2\n");
}
END_TEST

/* ---- what stands once ------------------------------------------------ */

START_TEST(defaults_are_as_documented)
{
	const struct conf *conf = fixture_good(SERVICE("s", "1"));

	ck_assert_str_eq(fixture_warnings(), "");
	ck_assert_uint_eq(conf->workers, 0);
	ck_assert_ptr_null(conf->user);
	ck_assert_ptr_null(conf->group);
	ck_assert_ptr_null(conf->module_dir);
	ck_assert_uint_eq(conf->drain_timeout_ms, 10000);
	ck_assert_int_eq(conf->log.target, LOG_TARGET_AUTO);
	ck_assert_int_eq(conf->log.facility, LOG_DAEMON);
	ck_assert_int_eq(conf->log.level, LOG_INFO);
	ck_assert_str_eq(conf->log.ident, "lined");
	ck_assert_uint_eq(conf->internal_count, 0);
	ck_assert_uint_eq(conf->tls_count, 0);
}
END_TEST

START_TEST(every_top_key_is_read)
{
	const struct conf *conf = fixture_good(
		"workers = 10\nuser = u\ngroup = g\nmodule-dir = \"/m\"\n"
		"pid-file = \"/run/x.pid\"\n"
		"drain-timeout = 2m\nmemory = 2G\n"
		"hardening { writable = { \"state\", \"/srv\" } }\n"
		"log { target = \"syslog\" format = plain facility = "
		"\"local3\" level = "
		"\"debug\" ident = \"x\" }\n"
		"control { socket = \"/run/c\" group = \"adm\" }\n"
		"metrics { listen = \"tcp://127.0.0.1:9117\" }\n" SERVICE("s",
									  "1"));

	ck_assert_uint_eq(conf->workers, 10);
	ck_assert_str_eq(conf->user, "u");
	ck_assert_str_eq(conf->group, "g");
	ck_assert_str_eq(conf->module_dir, "/m");
	ck_assert_str_eq(conf->pid_file, "/run/x.pid");
	ck_assert_uint_eq(conf->drain_timeout_ms, 120000);
	ck_assert_int_eq(conf->memory, INT64_C(2) << 30);
	ck_assert_uint_eq(conf->hardening.writable_count, 2);
	ck_assert_str_eq(conf->hardening.writable[0], fixture_path("state"));
	ck_assert_str_eq(conf->hardening.writable[1], "/srv");
	ck_assert_int_eq(conf->log.target, LOG_TARGET_SYSLOG);
	ck_assert_int_eq(conf->log.format, LOG_FORMAT_PLAIN);
	ck_assert_int_eq(conf->log.facility, LOG_LOCAL3);
	ck_assert_int_eq(conf->log.level, LOG_DEBUG);
	ck_assert_str_eq(conf->log.ident, "x");
	ck_assert_uint_eq(conf->internal_count, 2);
	ck_assert_str_eq(conf->internal[0].listen[0].path, "/run/c");
	ck_assert_str_eq(conf->internal[0].socket_group, "adm");
	ck_assert_int_eq(conf->internal[1].listen[0].kind, LISTEN_TCP);
}
END_TEST

START_TEST(bad_top_values_are_refused)
{
	fixture_bad("workers = many\nuser = \"\"\ndrain-timeout = 0\n"
		    "log { target = \"file\" facility = \"loud\" }\n"
		    "control { group = \"adm\" }\n"
		    "metrics { listen = \"udp://127.0.0.1:1\" }\n"
		    "user = { \"a\", \"b\" }\n",
		    "1: workers: \"many\" is not a whole number (auto, or 1 "
		    "to 1024)\n"
		    "2: user is empty\n"
		    "3: drain-timeout: \"0\" is out of range (1ms to 24h)\n"
		    "4: log: target: \"file\" is not one of auto, stderr, "
		    "syslog, journal\n"
		    "4: log: facility: \"loud\" is not one of daemon, auth, "
		    "authpriv, cron, ftp, lpr, mail, news, syslog, user, uucp, "
		    "local0, local1, local2, local3, local4, local5, local6, "
		    "local7\n"
		    "5: control: socket is missing\n"
		    "6: metrics: listen udp://127.0.0.1:1: metrics are served "
		    "at tcp://, unix:// or systemd:\n"
		    "7: user is set already at lined.conf:2\n");
	fixture_bad("control { idle-timeout = 4m }\nmetrics { }\n",
		    "1: control: socket is missing\n"
		    "2: metrics: listen is missing\n");
	fixture_bad("workers = 010\n",
		    "1: workers: \"010\" has a leading zero (auto, or 1 to "
		    "1024)\n");
	fixture_bad("memory = 1k\nhardening { writable = { \"\" } }\n",
		    "1: memory: \"1k\" is not auto, 0 (no ceiling) or a size "
		    "of at least 1M\n"
		    "2: hardening: writable: a path is empty\n");
	fixture_bad("control { socket = \"run/c\" }\nworkers = { }\n",
		    "1: control: socket: the path is not absolute "
		    "(unix:///path)\n"
		    "2: workers takes one value, not a list of 0\n");
}
END_TEST

START_TEST(relative_module_dir_is_beside_its_file)
{
	const struct conf *conf =
		fixture_good("module-dir = \"modules\"\n" SERVICE("s", "1"));

	ck_assert_str_eq(conf->module_dir, fixture_path("modules"));
}
END_TEST

START_TEST(services_are_found_by_name)
{
	const struct conf *conf =
		fixture_good(SERVICE("a", "1") SERVICE("b", "2"));

	ck_assert_ptr_eq(conf_find_service(conf, "b"), &conf->services[1]);
	ck_assert_ptr_null(conf_find_service(conf, "c"));
	ck_assert_uint_eq(conf->services[1].place.line, 2);
}
END_TEST

START_TEST(defaults_has_limits_only)
{
	fixture_bad("defaults { framing { } limit { } clients = 3 }\n",
		    "1: defaults: unknown key \"clients\"\n"
		    "1: defaults: unknown section \"framing\"\n"
		    "1: defaults: unknown section \"limit\" (did you mean "
		    "\"limits\"?)\n");
}
END_TEST

/* ---- tls ------------------------------------------------------------- */

START_TEST(tls_sections_are_read_with_paths_of_their_file)
{
	const struct conf *conf;

	fixture_write("c.pem", "");
	fixture_write("k.pem", "");
	conf = fixture_good("tls \"a\" { certificate = \"c.pem\" key = "
			    "\"k.pem\" client-ca = \"c.pem\" crl = \"c.pem\" "
			    "client-cert = required min-version = 1.3 }\n"
			    "service \"s\" { protocol = echo listen = "
			    "\"tls://127.0.0.1:1\" tls = \"a\" }\n");
	ck_assert_uint_eq(conf->tls_count, 1);
	ck_assert_str_eq(conf->tls[0].name, "a");
	ck_assert_str_eq(conf->tls[0].certificate, fixture_path("c.pem"));
	ck_assert_str_eq(conf->tls[0].key, fixture_path("k.pem"));
	ck_assert_int_eq(conf->tls[0].client_cert, CONF_CLIENT_CERT_REQUIRED);
	ck_assert_int_eq(conf->tls[0].min_version, CONF_TLS_1_3);
	ck_assert_ptr_eq(conf->services[0].tls[0], &conf->tls[0]);
}
END_TEST

START_TEST(unreadable_tls_files_are_errors)
{
	ck_assert_int_eq(mkdir(fixture_path("dir"), 0755), 0);
	fixture_write("k.pem", "");
	fixture_bad("tls \"a\" {\n certificate = \"no.pem\"\n key = \"dir\" }\n"
		    "tls \"b\" { }\n"
		    "tls \"c\" { certificate = \"k.pem\" key = \"k.pem\"\n"
		    " client-cert = \"optional\" min-version = 1.1 }\n",
		    "2: tls \"a\": certificate: no.pem: No such file or "
		    "directory\n"
		    "3: tls \"a\": key: dir: Is a directory\n"
		    "4: tls \"b\": certificate is missing\n"
		    "4: tls \"b\": key is missing\n"
		    "5: tls \"c\": client-cert needs client-ca\n"
		    "6: tls \"c\": min-version: \"1.1\" is not one of 1.2, "
		    "1.3\n");
}
END_TEST

START_TEST(what_is_in_tls_files_is_checked)
{
	static const char text[] =
		"tls \"a\" {\n certificate = \"c.pem\"\n key = \"c.pem\"\n"
		" client-ca = \"c.pem\" }\n";
	struct conf_env env = fixture_env;

	if (!tls_available())
		return;
	env.read_tls = true;
	fixture_write("c.pem", "");
	fixture_write("lined.conf", text);
	fixture_load_with("lined.conf", &env);
	ck_assert_ptr_nonnull(strstr(fixture_errors(),
				     "lined.conf:2: tls \"a\": certificate: "));
	ck_assert_ptr_nonnull(strstr(fixture_warnings(),
				     "lined.conf:1: tls \"a\": client-ca and "
				     "crl do nothing while client-cert is "
				     "none\n"));
}
END_TEST

START_TEST(credentials_are_files_that_the_manager_passed)
{
	const struct conf *conf;

	ck_assert_int_eq(mkdir(fixture_path("passed"), 0755), 0);
	fixture_write("passed/cert", "");
	fixture_write("passed/key", "");
	setenv("CREDENTIALS_DIRECTORY", fixture_path("passed"), 1);
	conf = fixture_good("tls \"a\" { certificate = \"credential:cert\" "
			    "key = \"credential:key\" }\n"
			    "service \"s\" { protocol = echo listen = "
			    "\"tls://127.0.0.1:1\" tls = \"a\" }\n");
	ck_assert_str_eq(conf->tls[0].certificate, fixture_path("passed/cert"));
	ck_assert_str_eq(conf->tls[0].key, fixture_path("passed/key"));
	ck_assert_str_eq(fixture_warnings(), "");
	fixture_bad("tls \"a\" {\n certificate = \"credential:../cert\"\n"
		    " key = \"credential:\"\n crl = \"credential:none\"\n"
		    " client-cert = \"optional\" client-ca = "
		    "\"credential:cert\" }\n",
		    "2: tls \"a\": certificate: \"../cert\" is not the name "
		    "of a credential\n"
		    "3: tls \"a\": key: \"\" is not the name of a "
		    "credential\n"
		    "4: tls \"a\": crl: passed/none: No such file or "
		    "directory\n");
	unsetenv("CREDENTIALS_DIRECTORY");
}
END_TEST

START_TEST(credentials_that_nobody_passed_are_not_checked)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	fixture_good("tls \"a\" { certificate = \"credential:cert\"\n"
		     "key = \"credential:key\" }\n"
		     "service \"s\" { protocol = echo listen = "
		     "\"tls://127.0.0.1:1\" tls = \"a\" }\n");
	ck_assert_str_eq(
		fixture_warnings(),
		"lined.conf:1: tls \"a\": certificate: credential:cert: only "
		"lined's own service has its credentials, so this was "
		"not checked\n"
		"lined.conf:2: tls \"a\": key: credential:key: only lined's "
		"own "
		"service has its credentials, so this was not "
		"checked\n");
}
END_TEST

/* ---- the process ----------------------------------------------------- */

START_TEST(loads_leave_no_descriptors_behind)
{
	int before = dup(0), after;
	char path[128];

	close(before);
	snprintf(path, sizeof(path), "%s", fixture_path("a.conf"));
	fixture_write("a.conf", "x");
	fixture_bad("include(\"a.conf\")\n", "a.conf:1: expected \"=\" or "
					     "\"{\" after \"x\", found the end "
					     "of the file\n");
	fixture_load("nosuch.conf");
	fixture_good(SERVICE("s", "1"));
	after = dup(0);
	close(after);
	ck_assert_int_eq(before, after);
}
END_TEST

START_TEST(nothing_is_printed)
{
	int saved = dup(STDERR_FILENO), fd;
	struct stat st;

	fd = open(fixture_path("stderr"), O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	dup2(fd, STDERR_FILENO);
	fixture_write("lined.conf", "a = 1\nb { c = 2 }\n");
	fixture_load("lined.conf");
	fixture_write("lined.conf", "a \"b\" \"c\"\n");
	fixture_load("lined.conf");
	dup2(saved, STDERR_FILENO);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	close(fd);
	close(saved);
}
END_TEST

static void add_syntax(Suite *suite)
{
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
}

static void add_files(Suite *suite)
{
	TCase *tcase = fixture_case(suite, "files");

	tcase_add_test(tcase, missing_file_is_an_error);
	tcase_add_test(tcase,
		       directory_is_an_error_and_not_the_end_of_the_process);
	tcase_add_test(tcase, fifo_is_an_error_and_does_not_block);
	tcase_add_test(tcase, huge_file_is_an_error);
	tcase_add_test(tcase, all_files_together_have_a_bound);
	tcase_add_test(tcase, empty_file_is_good_with_a_warning);
	tcase_add_test(tcase, binary_junk_is_named_with_its_line);
	tcase_add_test(tcase, other_encodings_and_line_ends_are_text);
	tcase_add_test(tcase, includes_are_read_sorted_after_the_file);
	tcase_add_test(tcase, lines_are_right_in_included_files);
	tcase_add_test(tcase, empty_globs_are_good);
	tcase_add_test(tcase,
		       a_glob_in_a_directory_that_cannot_be_read_is_an_error);
	tcase_add_test(tcase, a_pattern_without_wildcards_must_match);
	tcase_add_test(tcase, include_of_a_directory_is_an_error);
	tcase_add_test(tcase, include_loops_end_with_an_error);
	tcase_add_test(tcase, include_stands_at_top_level_with_one_pattern);
	tcase_add_test(tcase, a_syntax_error_in_an_include_has_its_place);
	tcase_add_test(tcase, names_over_files_are_compared);
	tcase_add_test(tcase, loads_leave_no_descriptors_behind);
	tcase_add_test(tcase, nothing_is_printed);
}

/* ---- control and metrics ----------------------------------------------- */

START_TEST(without_their_sections_nothing_internal_is_served)
{
	ck_assert_uint_eq(fixture_good(SERVICE("s", "1"))->internal_count, 0);
}
END_TEST

START_TEST(control_and_metrics_become_services_of_their_own)
{
	const struct conf *conf =
		fixture_good("control { socket = \"/run/c\" }\n"
			     "metrics { listen = \"tcp://127.0.0.1:9117\" }\n"
			     "defaults { limits { clients = 7 idle-timeout = "
			     "3s } }\n" SERVICE("control", "1"));
	const struct conf_service *control = &conf->internal[0];
	const struct conf_service *metrics = &conf->internal[1];

	ck_assert_uint_eq(conf->service_count, 1);
	ck_assert(!conf->services[0].internal);
	ck_assert_uint_eq(conf->internal_count, 2);
	ck_assert(control->internal);
	ck_assert_str_eq(control->name, "control");
	ck_assert_str_eq(control->module->name, "control");
	ck_assert_uint_eq(control->listen_count, 1);
	ck_assert_str_eq(control->listen[0].path, "/run/c");
	ck_assert_uint_eq(control->framing.line_length, 99);
	/* The limits for services do not apply to the control socket. */
	ck_assert_uint_ne(control->clients, 7);
	ck_assert_uint_eq(control->limits.idle_ms, 300000);
	ck_assert(metrics->internal);
	ck_assert_str_eq(metrics->name, "metrics");
	ck_assert_str_eq(metrics->listen[0].text, "tcp://127.0.0.1:9117");
	ck_assert_uint_gt(metrics->clients, 0);
	ck_assert_uint_gt(metrics->limits.first_line_ms, 0);
}
END_TEST

START_TEST(control_socket_is_its_owners_unless_a_group_is_named)
{
	const struct conf *conf;

	conf = fixture_good(
		"control { socket = \"/run/c\" }\n" SERVICE("s", "1"));
	ck_assert_uint_eq(conf->internal[0].socket_mode, 0600);
	ck_assert_ptr_null(conf->internal[0].socket_group);
	ck_assert(conf->internal[0].socket_gid == (gid_t)-1);
	conf = fixture_good("control { socket = \"/run/c\" group = \"root\" "
			    "}\n" SERVICE("s", "1"));
	ck_assert_uint_eq(conf->internal[0].socket_mode, 0660);
	ck_assert_str_eq(conf->internal[0].socket_group, "root");
	ck_assert(conf->internal[0].socket_gid == 0);
}
END_TEST

static const struct lined_protocol *only_echo(void *arg, const char *module_dir,
					      const char *name, char *error,
					      size_t size)
{
	if (strcmp(name, "echo") == 0)
		return fixture_env.find_protocol(arg, module_dir, name, error,
						 size);
	snprintf(error, size, "/m/%s.so: not here", name);
	return NULL;
}

START_TEST(control_without_its_module_is_refused)
{
	const struct conf_env env = {.find_protocol = only_echo};

	fixture_write(
		"lined.conf",
		SERVICE("s", "1") "control {\n\tsocket = \"/run/c\"\n}\n");
	ck_assert_ptr_null(fixture_load_with("lined.conf", &env));
	ck_assert_ptr_nonnull(strstr(fixture_errors(),
				     "control: protocol control: "
				     "/m/control.so: not here"));
}
END_TEST

static void add_control(Suite *suite)
{
	TCase *tcase = fixture_case(suite, "control and metrics");

	tcase_add_test(tcase,
		       without_their_sections_nothing_internal_is_served);
	tcase_add_test(tcase, control_and_metrics_become_services_of_their_own);
	tcase_add_test(tcase,
		       control_socket_is_its_owners_unless_a_group_is_named);
	tcase_add_test(tcase, control_without_its_module_is_refused);
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("conf");
	TCase *tcase;

	add_files(suite);
	add_syntax(suite);
	add_control(suite);
	tcase = fixture_case(suite, "top");
	tcase_add_test(tcase, defaults_are_as_documented);
	tcase_add_test(tcase, every_top_key_is_read);
	tcase_add_test(tcase, bad_top_values_are_refused);
	tcase_add_test(tcase, relative_module_dir_is_beside_its_file);
	tcase_add_test(tcase, services_are_found_by_name);
	tcase_add_test(tcase, defaults_has_limits_only);
	tcase_add_test(tcase, unreadable_tls_files_are_errors);
	tcase_add_test(tcase, what_is_in_tls_files_is_checked);
	if (!tls_available())
		return suite;
	tcase_add_test(tcase, tls_sections_are_read_with_paths_of_their_file);
	tcase_add_test(tcase, credentials_are_files_that_the_manager_passed);
	tcase_add_test(tcase, credentials_that_nobody_passed_are_not_checked);
	return suite;
}

int main(void)
{
	return fixture_main(make_suite);
}
