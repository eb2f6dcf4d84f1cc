/* SPDX-License-Identifier: MIT */
/*
 * Config files: which of them can be read, includes, and what a load leaves
 * behind. Every message is compared whole, with its line number.
 */
#include "config.h"

#include "conf_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static Suite *make_suite(void)
{
	Suite *suite = suite_create("conf-files");
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
	return suite;
}

int main(void)
{
	return fixture_main(make_suite);
}
