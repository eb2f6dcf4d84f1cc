/* SPDX-License-Identifier: MIT */
/*
 * The command line: each option in both spellings, errors, and what goes to
 * stdout and to stderr.
 */
#include "config.h"

#include "cmdline.h"

#include <check.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

#define ARGUMENTS 12

static struct cmdline cmdline;
static char out[8192], err[8192];

/* ---- running it with stdout and stderr caught ------------------------ */

static FILE *divert(int fd, int *kept)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	*kept = dup(fd);
	ck_assert_int_ge(*kept, 0);
	ck_assert_int_eq(dup2(fileno(file), fd), fd);
	return file;
}

static void restore(int fd, int kept, FILE *file, char *text, size_t size)
{
	size_t len;

	dup2(kept, fd);
	close(kept);
	rewind(file);
	len = fread(text, 1, size - 1, file);
	text[len] = '\0';
	fclose(file);
}

/* words is the rest of the command line after "lined"; single spaces separate
 * the words. */
static enum cmdline_result parse(const char *words)
{
	static char line[1024], name[] = "lined";
	char *argv[ARGUMENTS] = {name}, *rest = line;
	enum cmdline_result result;
	int argc = 1, kept_out, kept_err;
	FILE *file_out, *file_err;

	snprintf(line, sizeof(line), "%s", words);
	while (*words != '\0' && rest != NULL && argc < ARGUMENTS - 1)
		argv[argc++] = strsep(&rest, " ");
	fflush(stdout);
	file_out = divert(STDOUT_FILENO, &kept_out);
	file_err = divert(STDERR_FILENO, &kept_err);
	result = cmdline_parse(&cmdline, argc, argv);
	fflush(stdout);
	fflush(stderr);
	restore(STDOUT_FILENO, kept_out, file_out, out, sizeof(out));
	restore(STDERR_FILENO, kept_err, file_err, err, sizeof(err));
	return result;
}

static void runs(const char *words)
{
	ck_assert_int_eq(parse(words), CMDLINE_RUN);
	ck_assert_str_eq(out, "");
	ck_assert_str_eq(err, "");
}

/* ---- tests ----------------------------------------------------------- */

START_TEST(nothing_given_is_the_defaults)
{
	runs("");
	ck_assert_ptr_nonnull(strstr(cmdline.config, "/lined/lined.conf"));
	ck_assert_uint_eq(cmdline.module_dir_count, 0);
	ck_assert(!cmdline.check);
	ck_assert(!cmdline.detach);
	ck_assert(!cmdline.log_level_given);
	ck_assert(!cmdline.log_target_given);
	ck_assert_ptr_null(cmdline.pid_file);
	ck_assert_int_eq(cmdline.notify_fd, -1);
}
END_TEST

static const char *const spellings[] = {
	"-c a.conf -t -d -l warning -L syslog -m mods",
	"-tdca.conf -lwarning -Lsyslog -mmods",
	"--config a.conf --check --daemon --log-level warning --log syslog "
	"--module-dir mods",
	"--config=a.conf --check --daemon --log-level=warning --log=syslog "
	"--module-dir=mods",
};

START_TEST(every_option_is_taken_in_both_spellings)
{
	runs(spellings[_i]);
	ck_assert_str_eq(cmdline.config, "a.conf");
	ck_assert_uint_eq(cmdline.module_dir_count, 1);
	ck_assert_str_eq(cmdline.module_dirs[0], "mods");
	ck_assert(cmdline.check);
	ck_assert(cmdline.detach);
	ck_assert(cmdline.log_level_given);
	ck_assert_int_eq(cmdline.log_level, LINED_LOG_WARNING);
	ck_assert(cmdline.log_target_given);
	ck_assert_int_eq(cmdline.log_target, LOG_TARGET_SYSLOG);
}
END_TEST

START_TEST(a_descriptor_to_notify_is_not_passed_on)
{
	char words[32];
	int fd = dup(STDERR_FILENO);

	ck_assert_int_gt(fd, STDERR_FILENO);
	snprintf(words, sizeof(words), "--notify-fd %d", fd);
	runs(words);
	ck_assert_int_eq(cmdline.notify_fd, fd);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}
END_TEST

START_TEST(paths_are_absolute_if_it_detaches)
{
	char here[4096];

	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	runs("-c a.conf -m mods -m /m --pid-file x.pid");
	ck_assert_str_eq(cmdline.config, "a.conf");
	ck_assert_str_eq(cmdline.pid_file, "x.pid");
	runs("-d -c a.conf -m mods -m /m --pid-file x.pid");
	ck_assert_int_eq(strncmp(cmdline.config, here, strlen(here)), 0);
	ck_assert_str_eq(cmdline.config + strlen(here), "/a.conf");
	ck_assert_str_eq(cmdline.pid_file + strlen(here), "/x.pid");
	ck_assert_str_eq(cmdline.module_dirs[0] + strlen(here), "/mods");
	ck_assert_str_eq(cmdline.module_dirs[1], "/m");
	free((void *)(uintptr_t)cmdline.config);
	free((void *)(uintptr_t)cmdline.pid_file);
	free((void *)(uintptr_t)cmdline.module_dirs[0]);
}
END_TEST

START_TEST(no_path_is_relative_to_a_directory_that_is_gone)
{
	static const char *const words[] = {
		"-d -c a.conf",
		"-d -c /a.conf --pid-file x.pid",
		"-d -c /a.conf -m mods",
	};
	char dir[] = "/tmp/lined-test-XXXXXX";
	int here = open(".", O_RDONLY | O_DIRECTORY);
	size_t i;

	ck_assert_int_ge(here, 0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir) + rmdir(dir), 0);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		ck_assert_int_eq(parse(words[i]), CMDLINE_WRONG);
		ck_assert_str_eq(err, "lined: working directory: No such file "
				      "or directory\n");
	}
	runs("-d -c /a.conf -m /m");
	ck_assert_int_eq(fchdir(here), 0);
	close(here);
}
END_TEST

START_TEST(a_second_run_starts_anew)
{
	runs("-t -l debug -m mods");
	runs("-c b.conf");
	ck_assert_str_eq(cmdline.config, "b.conf");
	ck_assert(!cmdline.check);
	ck_assert(!cmdline.log_level_given);
	ck_assert_uint_eq(cmdline.module_dir_count, 0);
}
END_TEST

START_TEST(the_last_of_two_counts)
{
	runs("-L stderr -c a.conf -L auto -c b.conf");
	ck_assert_int_eq(cmdline.log_target, LOG_TARGET_AUTO);
	ck_assert_str_eq(cmdline.config, "b.conf");
}
END_TEST

/* The arguments, and the text that stderr must name. */
static const char *const wrong[][2] = {
	{"--nosuch", "--nosuch"},
	{"-Z", "Z"},
	{"stray", "stray"},
	{"-t stray", "stray"},
	{"-c", "c"},
	{"--config", "--config"},
	{"--check=1", "--check"},
	{"-l loud", "loud"},
	{"-l 7", "7"},
	{"--log-level INFO", "INFO"},
	{"-L nowhere", "nowhere"},
	{"--notify-fd x", "\"x\""},
	{"--notify-fd 2", "\"2\" is not a descriptor from 3 on"},
	{"--notify-fd 3x", "\"3x\""},
	{"--notify-fd 999", "descriptor 999: Bad file descriptor"},
	{"--pid-file", "--pid-file"},
	{"-- -t", "-t"},
};

START_TEST(what_is_wrong_is_named_on_stderr)
{
	ck_assert_int_eq(parse(wrong[_i][0]), CMDLINE_WRONG);
	ck_assert_str_eq(out, "");
	ck_assert_ptr_nonnull(strstr(err, "lined: "));
	ck_assert_ptr_nonnull(strstr(err, wrong[_i][1]));
	/* The message also says where to find help. */
	ck_assert_ptr_nonnull(strstr(err, "lined -h"));
}
END_TEST

START_TEST(help_is_on_stdout_and_has_every_option)
{
	static const char *const words[] = {
		"-c",           "--config",  "-t",
		"--check",      "-d",        "-l",
		"--daemon",     "-L",        "--log-level",
		"--log TARGET", "-m",        "--module-dir",
		"-V",           "--version", "-h",
		"--help",       "auto",      "stderr",
		"syslog",       "warning",   "/lined/lined.conf",
		"--pid-file",   "journal",   "--notify-fd",
	};
	size_t i;

	ck_assert_int_eq(parse(_i == 0 ? "-h" : "--help"), CMDLINE_SHOWN);
	ck_assert_str_eq(err, "");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		ck_assert_msg(strstr(out, words[i]) != NULL, "no %s in:\n%s",
			      words[i], out);
}
END_TEST

START_TEST(version_is_on_stdout_with_what_was_built_in)
{
	ck_assert_int_eq(parse(_i == 0 ? "-V" : "--version"), CMDLINE_SHOWN);
	ck_assert_str_eq(err, "");
	ck_assert_int_eq(strncmp(out, "lined " PACKAGE_VERSION "\n",
				 strlen("lined " PACKAGE_VERSION "\n")),
			 0);
	ck_assert_ptr_nonnull(strstr(out, "poll"));
#ifdef HAVE_EPOLL
	ck_assert_ptr_nonnull(strstr(out, "epoll"));
#endif
#ifdef HAVE_LIBSYSTEMD
	ck_assert_ptr_nonnull(strstr(out, "systemd: yes"));
#else
	ck_assert_ptr_nonnull(strstr(out, "systemd: no"));
#endif
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("cmdline");
	TCase *tc = support_case(suite, "cmdline");

	tcase_add_test(tc, nothing_given_is_the_defaults);
	tcase_add_loop_test(tc, every_option_is_taken_in_both_spellings, 0,
			    sizeof(spellings) / sizeof(spellings[0]));
	tcase_add_test(tc, a_descriptor_to_notify_is_not_passed_on);
	tcase_add_test(tc, paths_are_absolute_if_it_detaches);
	tcase_add_test(tc, no_path_is_relative_to_a_directory_that_is_gone);
	tcase_add_test(tc, a_second_run_starts_anew);
	tcase_add_test(tc, the_last_of_two_counts);
	tcase_add_loop_test(tc, what_is_wrong_is_named_on_stderr, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_loop_test(tc, help_is_on_stdout_and_has_every_option, 0, 2);
	tcase_add_loop_test(tc, version_is_on_stdout_with_what_was_built_in, 0,
			    2);
	return suite;
}

int main(void)
{
	return support_main_once(make);
}
