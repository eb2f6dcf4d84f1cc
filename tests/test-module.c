/* SPDX-License-Identifier: MIT */
/*
 * The module loader: which files it accepts, how it refuses the others, and
 * what happens when a file changes. The modules of tests/modules/ are built
 * here with $CC, in a directory of the test.
 */
#include "config.h"

#include "module/module.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module/protocol_check.h"
#include "support.h"

static char dir[] = "/tmp/lined-test-module-XXXXXX";
static struct modules *modules;
static char error[1024];

/* ---- building -------------------------------------------------------- */

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
	char command[4096];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	ck_assert_msg(system(command) == 0, "failed: %s", command);
}

/* Builds tests/modules/SOURCE.c as a new file NAME.so. */
static void build(const char *source, const char *name, const char *flags)
{
	const char *cc = getenv("CC"), *top = getenv("srcdir");

	if (cc == NULL || *cc == '\0')
		cc = "cc";
	if (top == NULL)
		top = ".";
	run("umask 022 && %s -std=gnu11 -shared -fPIC -I'%s/lib' "
	    "-I'%s/daemon' %s -o '%s/new' '%s/tests/modules/%s.c' && "
	    "mv '%s/new' '%s/%s.so'",
	    cc, top, top, flags, dir, top, source, dir, dir, name);
}

static void path_of(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s.so", dir, name);
}

static const struct lined_protocol *load(const char *name)
{
	error[0] = '\0';
	return module_load(modules, dir, name, error, sizeof(error));
}

static const struct lined_protocol *loaded(const char *name)
{
	const struct lined_protocol *protocol = load(name);

	ck_assert_msg(protocol != NULL, "%s", error);
	return protocol;
}

/* The error must have the file's name, and then the reason. */
static void refused(const char *name, const char *why)
{
	char want[1024];

	ck_assert_ptr_null(load(name));
	snprintf(want, sizeof(want), "%s/%s.so: %s", dir, name, why);
	ck_assert_str_eq(error, want);
}

static void setup(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	modules = modules_new();
	ck_assert_ptr_nonnull(modules);
	build("good", "good", "");
}

static void teardown(void)
{
	modules_free(modules);
	run("rm -rf '%s'", dir);
}

/* ---- lists --------------------------------------------------------- */

START_TEST(the_list_has_the_names_of_all_module_files)
{
	char text[64];

	run("cd '%s' && mkdir '[a]*' && cd '[a]*' && "
	    "touch b.so a.so .hidden.so c.so.old so",
	    dir);
	snprintf(error, sizeof(error), "%s/[a]*", dir);
	module_list(error, text, sizeof(text));
	ck_assert_str_eq(text, "a, b");
	/* The list is cut to the given size. */
	module_list(error, text, 3);
	ck_assert_str_eq(text, "a,");
	module_list("/nowhere", text, sizeof(text));
	ck_assert_str_eq(text, "");
}
END_TEST

/* ---- good modules -------------------------------------------------- */

START_TEST(a_good_module_is_loaded_once)
{
	const struct lined_protocol *good = loaded("good");

	ck_assert_str_eq(good->name, "good");
	ck_assert_str_eq(good->summary, "first");
	ck_assert_ptr_nonnull(good->handle_accept);
	ck_assert_ptr_nonnull(good->options);
	ck_assert_uint_eq(good->task_ms, 7);
	ck_assert_ptr_eq(loaded("good"), good);
}
END_TEST

START_TEST(a_link_is_followed)
{
	run("mv '%s/good.so' '%s/good.so.1' && ln -s good.so.1 '%s/good.so'",
	    dir, dir, dir);
	ck_assert_str_eq(loaded("good")->name, "good");
}
END_TEST

START_TEST(members_that_it_was_built_without_are_zero)
{
	const struct lined_protocol *sized;

	build("sized", "sized",
	      "-D'SIZE=offsetof(struct lined_protocol, options)'");
	sized = loaded("sized");
	ck_assert_ptr_nonnull(sized->handle_line);
	ck_assert_ptr_null(sized->options);
	ck_assert_uint_eq(sized->task_ms, 0);
	ck_assert_ptr_eq(loaded("sized"), sized);
}
END_TEST

START_TEST(members_that_we_do_not_know_are_left_alone)
{
	build("sized", "sized", "-D'SIZE=sizeof(struct lined_protocol) + 64'");
	ck_assert_uint_eq(loaded("sized")->task_ms, 99);
}
END_TEST

START_TEST(a_file_that_was_replaced_is_loaded_beside_the_old)
{
	const struct lined_protocol *first = loaded("good"), *second, *third;

	build("good", "good", "-DMARK='\"second\"'");
	second = loaded("good");
	ck_assert_ptr_ne(first, second);
	ck_assert_str_eq(second->summary, "second");
	ck_assert_str_eq(first->summary, "first");
	build("good", "good", "-DMARK='\"third\"'");
	third = loaded("good");
	ck_assert_str_eq(third->summary, "third");
	ck_assert_str_eq(second->summary, "second");
	ck_assert_ptr_eq(loaded("good"), third);
}
END_TEST

START_TEST(a_file_that_was_changed_in_place_is_refused)
{
	const struct lined_protocol *first = loaded("good");
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	char path[256];

	path_of(path, sizeof(path), "good");
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	refused("good", "it was changed in place since it was loaded: restart "
			"lined, or install it as a new file");
	build("good", "good", "-DMARK='\"second\"'");
	ck_assert_str_eq(loaded("good")->summary, "second");
	ck_assert_str_eq(first->summary, "first");
}
END_TEST

START_TEST(what_was_refused_is_taken_once_it_is_mended)
{
	build("bad-abi", "good", "");
	ck_assert_ptr_null(load("good"));
	build("wrong-name", "good", "");
	ck_assert_ptr_null(load("good"));
	build("good", "good", "");
	ck_assert_str_eq(loaded("good")->summary, "first");
}
END_TEST

/* ---- bad contents ---------------------------------------------------- */

START_TEST(another_abi_is_refused)
{
	build("bad-abi", "bad-abi", "");
	refused("bad-abi", "built for ABI 4711, this lined has ABI 2");
}
END_TEST

START_TEST(a_size_below_the_first_is_refused)
{
	char want[200];

	build("sized", "sized", "-DSIZE=8");
	snprintf(want, sizeof(want),
		 "its lined_protocol says a size of 8, ABI 2 has at least %zu",
		 PROTOCOL_SIZE_MIN);
	refused("sized", want);
}
END_TEST

START_TEST(a_missing_symbol_is_refused)
{
	build("no-symbol", "no-symbol", "");
	refused("no-symbol", "it exports no lined_protocol");
}
END_TEST

START_TEST(an_undefined_symbol_is_refused_and_named)
{
	build("undefined", "undefined", "");
	refused("undefined", "undefined symbol: lined_of_the_future");
}
END_TEST

START_TEST(another_name_is_refused_and_escaped)
{
	build("wrong-name", "wrong-name", "");
	refused("wrong-name", "it claims to be \"x\\x1b[31m\"");
	run("cp '%s/good.so' '%s/bad.so'", dir, dir);
	refused("bad", "it claims to be \"good\"");
	/* The same file has another name. */
	loaded("good");
	run("ln '%s/good.so' '%s/better.so'", dir, dir);
	refused("better", "it claims to be \"good\"");
}
END_TEST

START_TEST(what_is_no_shared_object_is_refused)
{
	run("umask 022 && printf %%8192s text >'%s/text.so'", dir);
	refused("text", "invalid ELF header");
	run("umask 022 && : >'%s/empty.so'", dir);
	refused("empty", "file too short");
}
END_TEST

/* ---- bad files ------------------------------------------------------- */

START_TEST(what_is_no_file_is_refused)
{
	char path[256];

	refused("missing", "No such file or directory");
	path_of(path, sizeof(path), "folder");
	ck_assert_int_eq(mkdir(path, 0755), 0);
	refused("folder", "not a regular file");
	/* To open a FIFO would wait for a writer. */
	path_of(path, sizeof(path), "fifo");
	ck_assert_int_eq(mkfifo(path, 0644), 0);
	refused("fifo", "not a regular file");
	path_of(path, sizeof(path), "dangling");
	ck_assert_int_eq(symlink("nowhere", path), 0);
	refused("dangling", "No such file or directory");
	path_of(path, sizeof(path), "circle");
	ck_assert_int_eq(symlink("circle.so", path), 0);
	refused("circle", "Too many levels of symbolic links");
}
END_TEST

START_TEST(a_name_that_is_none_is_refused)
{
	static const char *const names[] = {
		"",
		"../good",
		"Good",
		"good.so",
		"a/b",
		"\x1b[31m",
		"a23456789012345678901234567890123"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_ptr_null(load(names[i]));
		ck_assert_ptr_nonnull(
			strstr(error, ".so: not the name of a protocol"));
		ck_assert_ptr_null(strchr(error, '\x1b'));
	}
	/* The longest name that is allowed. */
	refused("a2345678901234567890123456789012",
		"No such file or directory");
}
END_TEST

START_TEST(a_directory_that_is_none_is_refused)
{
	char text[64] = "";
	static char longer[8192];

	ck_assert_ptr_null(
		module_load(modules, "/nowhere", "good", text, sizeof(text)));
	ck_assert_str_eq(text, "/nowhere/good.so: No such file or directory");
	memset(longer, '/', sizeof(longer) - 1);
	ck_assert_ptr_null(
		module_load(modules, longer, "good", error, sizeof(error)));
	/* The error is cut to the given size. */
	ck_assert_ptr_null(module_load(modules, "/nowhere", "good", text, 8));
	ck_assert_str_eq(text, "/now...");
}
END_TEST

START_TEST(a_file_that_others_may_write_is_refused)
{
	char path[256];

	path_of(path, sizeof(path), "good");
	ck_assert_int_eq(chmod(path, 0775), 0);
	refused("good", "is group-writable");
	ck_assert_int_eq(chmod(path, 0757), 0);
	refused("good", "is world-writable");
	ck_assert_int_eq(chmod(path, 0755), 0);
	loaded("good");
	/* The refusal is the same if the module is already loaded. */
	ck_assert_int_eq(chmod(path, 0777), 0);
	refused("good", "is group-writable");
}
END_TEST

START_TEST(a_directory_that_others_may_write_is_refused)
{
	char want[256];

	ck_assert_int_eq(chmod(dir, 0770), 0);
	snprintf(want, sizeof(want), "its directory %s is group-writable", dir);
	refused("good", want);
	ck_assert_int_eq(chmod(dir, 01707), 0);
	snprintf(want, sizeof(want), "its directory %s is world-writable", dir);
	refused("good", want);
	/* The link's directory is good, the file's is not. */
	run("chmod 700 '%s' && mkdir '%s/sub' && mv '%s/good.so' '%s/sub' && "
	    "ln -s sub/good.so '%s' && chmod 777 '%s/sub'",
	    dir, dir, dir, dir, dir, dir);
	snprintf(want, sizeof(want), "its directory %s/sub is group-writable",
		 dir);
	refused("good", want);
}
END_TEST

/* Only root can give files away. */
START_TEST(a_file_of_another_user_is_refused)
{
	char path[256], want[256];

	path_of(path, sizeof(path), "good");
	ck_assert_int_eq(chown(path, 1, 1), 0);
	refused("good", "does not belong to root, and root started lined");
	ck_assert_int_eq(chown(path, 0, 0), 0);
	ck_assert_int_eq(chown(dir, 1, 1), 0);
	snprintf(want, sizeof(want),
		 "its directory %s does not belong to root, and root started "
		 "lined",
		 dir);
	refused("good", want);
	/* The rule is the same after root has become that user. */
	ck_assert_int_eq(seteuid(1), 0);
	refused("good", want);
	modules_free(modules);
	modules = modules_new();
	loaded("good");
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

static Suite *module_suite(void)
{
	Suite *suite = suite_create("module");
	TCase *tc = support_case(suite, "good");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_good_module_is_loaded_once);
	tcase_add_test(tc, a_link_is_followed);
	tcase_add_test(tc, members_that_it_was_built_without_are_zero);
	tcase_add_test(tc, members_that_we_do_not_know_are_left_alone);
	tcase_add_test(tc, a_file_that_was_replaced_is_loaded_beside_the_old);
	tcase_add_test(tc, a_file_that_was_changed_in_place_is_refused);
	tcase_add_test(tc, what_was_refused_is_taken_once_it_is_mended);

	tc = support_case(suite, "contents");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, another_abi_is_refused);
	tcase_add_test(tc, a_size_below_the_first_is_refused);
	tcase_add_test(tc, a_missing_symbol_is_refused);
	tcase_add_test(tc, an_undefined_symbol_is_refused_and_named);
	tcase_add_test(tc, another_name_is_refused_and_escaped);
	tcase_add_test(tc, what_is_no_shared_object_is_refused);

	tc = support_case(suite, "files");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_list_has_the_names_of_all_module_files);
	tcase_add_test(tc, what_is_no_file_is_refused);
	tcase_add_test(tc, a_name_that_is_none_is_refused);
	tcase_add_test(tc, a_directory_that_is_none_is_refused);
	tcase_add_test(tc, a_file_that_others_may_write_is_refused);
	tcase_add_test(tc, a_directory_that_others_may_write_is_refused);
	if (geteuid() == 0)
		tcase_add_test(tc, a_file_of_another_user_is_refused);
	return suite;
}

int main(void)
{
	return support_main_once(module_suite);
}
