/* SPDX-License-Identifier: MIT */
/*
 * Configs that a load gets from memory instead of from the disk: the files of a
 * plan, and the tree that another process has read.
 */
#include "config.h"

#include "conf_fixture.h"
#include "config/conf_serialize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- files ------------------------------------------------------------ */

/* load_given() loads lined.conf from these items (struct conf_env, files). The
 * errors of the last load are in given_errors. */
static struct conf_errors given_errors;

static struct conf *load_given(const char *files)
{
	struct conf_env env = fixture_env;

	conf_errors_fini(&given_errors);
	env.files = files;
	env.files_len = strlen(files);
	return conf_load("lined.conf", &env, &given_errors);
}

/* The only error; "" if there is none. */
static const char *given_error(void)
{
	return given_errors.errors.count == 1
		       ? given_errors.errors.items[0].text
		       : "";
}

#define GIVEN                                                                  \
	"service \"given\" { protocol = \"echo\" listen = { "                  \
	"\"tcp://[::1]:7\" } }\n"

START_TEST(files_that_are_given_are_read_in_place_of_the_disk)
{
	struct conf *conf = load_given("file 67 - lined.conf\n" GIVEN);

	ck_assert_ptr_nonnull(conf);
	ck_assert_str_eq(conf->services[0].name, "given");
	conf_unref(conf);
}
END_TEST

/* Two names of one file are one file. A glob reads the files that match it. */
START_TEST(files_that_are_given_include_one_another)
{
	struct conf *conf = load_given("file 20 - lined.conf\n"
				       "include(\"d/*.conf\")\n"
				       "glob 0 - d/*.conf\n"
				       "file 1 1.2 d/a.conf\n\n"
				       "file 1 1.4 d/.hidden.conf\n{"
				       "file 67 1.3 d/b.conf\n" GIVEN);

	ck_assert_ptr_nonnull(conf);
	ck_assert_str_eq(conf->services[0].name, "given");
	conf_unref(conf);
	ck_assert_ptr_null(load_given("file 20 9.9 lined.conf\n"
				      "include(\"d/*.conf\")\n"
				      "glob 0 - d/*.conf\n"
				      "file 67 9.9 d/b.conf\n" GIVEN));
	ck_assert_ptr_nonnull(strstr(given_error(), "began with"));
	ck_assert_ptr_null(load_given("file 18 - lined.conf\n"
				      "include(\"a.conf\")\n"
				      "fail 5 - a.conf\nNo, no"));
	ck_assert_str_eq(given_error(),
			 "lined.conf:1: include \"a.conf\": No, n");
}
END_TEST

static struct conf *load_given_of(const char *head, size_t size,
				  const char *tail)
{
	char *files = malloc(strlen(head) + 32 + size + strlen(tail));
	struct conf *conf;
	int len;

	ck_assert_ptr_nonnull(files);
	len = sprintf(files, "%s%zu - a.conf\n", head, size);
	memset(files + len, '\n', size);
	strcpy(files + len + size, tail);
	conf = load_given(files);
	free(files);
	return conf;
}

/* Files from memory have the same limits as files on the disk. */
START_TEST(files_that_are_given_have_the_bounds_of_files)
{
	static const char head[] = "file 18 - lined.conf\n"
				   "include(\"a.conf\")\nfile ";
	struct conf *conf = load_given_of(head, (1 << 20), "");

	ck_assert_ptr_nonnull(conf);
	conf_unref(conf);
	ck_assert_ptr_null(load_given_of(head, (1 << 20) + 1, ""));
	ck_assert_str_eq(given_error(),
			 "lined.conf:1: include \"a.conf\": is larger than 1 "
			 "MiB: not a config file");
	/* As on the disk, the other files are read in spite of the error. */
	ck_assert_ptr_null(
		load_given_of("file 36 - lined.conf\n"
			      "include(\"a.conf\")\ninclude(\"b.conf\")\nfile ",
			      (1 << 20) + 1, "fail 6 - b.conf\nBroken"));
	ck_assert_uint_eq(given_errors.errors.count, 2);
	ck_assert_str_eq(given_errors.errors.items[1].text,
			 "lined.conf:2: include \"b.conf\": Broken");
	ck_assert_ptr_null(load_given("fail 6 - lined.conf\nBroken"));
	ck_assert_str_eq(given_error(), "lined.conf: Broken");
}
END_TEST

/* The paths need not exist on the disk: no rights of the user are checked. */
START_TEST(files_that_are_given_are_not_opened_as_the_user)
{
	struct conf *conf = load_given("file 83 - lined.conf\n"
				       "user = \"daemon\"\n" GIVEN);

	ck_assert_ptr_nonnull(conf);
	ck_assert_uint_eq(given_errors.warnings.count, 0);
	conf_unref(conf);
}
END_TEST

/* A missing include is not looked for on the disk, where the daemon may have
 * more rights than the user who asks for the plan. */
START_TEST(include_that_is_not_given_is_needed)
{
	fixture_write("a.conf", GIVEN);
	ck_assert_ptr_null(load_given("file 18 - lined.conf\n"
				      "include(\"a.conf\")\n"));
	ck_assert_uint_eq(given_errors.errors.count, 0);
	ck_assert_uint_eq(given_errors.warnings.count, 0);
	ck_assert_uint_eq(given_errors.needs.count, 1);
	ck_assert_str_eq(given_errors.needs.items[0].text, "a.conf");
}
END_TEST

START_TEST(files_that_are_not_in_the_format_are_refused)
{
	static const char *const wrong[] = {
		"",
		"x",
		"file\n",
		"file 1 - lined.conf\n",
		"file 99999999999999999999 - lined.conf\n",
		"file -1 - lined.conf\n",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_ptr_null(load_given(wrong[i]));
}
END_TEST

/* ---- trees ------------------------------------------------------------ */

/* A load makes the same conf from the tree that another load has read. */
START_TEST(tree_of_a_load_makes_the_same_conf)
{
	static const char text[] =
		"workers = 3\n"
		"defaults { limits { clients = 5 } }\n"
		"service \"a\" { protocol = \"echo\" listen = "
		"{\"tcp://[::1]:7\",\n"
		"\t\"udp://[::1]:7\"} access { allow = {} } }\n"
		"include(\"b.conf\")\n";
	struct serialized tree = {NULL, 0, 0, false};
	struct conf_env env = fixture_env;
	const struct conf *conf;

	fixture_write("lined.conf", text);
	fixture_write("b.conf", "\n\nservice \"b\" { protocol = \"echo\"\n"
				"listen = { \"tcp://[::1]:8\" } }");
	env.write_tree = &tree;
	ck_assert_ptr_nonnull(fixture_load_with("lined.conf", &env));
	env.write_tree = NULL;
	env.tree = tree.data;
	env.tree_len = tree.len;
	fixture_write("lined.conf", "{");
	conf = fixture_load_with("lined.conf", &env);
	ck_assert_str_eq(fixture_errors(), "");
	ck_assert_uint_eq(conf->workers, 3);
	ck_assert_uint_eq(conf->service_count, 2);
	ck_assert_uint_eq(conf->services[0].bounds.admission.clients, 5);
	ck_assert_uint_eq(conf->services[0].listen_count, 2);
	ck_assert(conf->services[0].access.has_allow);
	ck_assert_str_eq(conf->services[1].place.file, fixture_path("b.conf"));
	ck_assert_uint_eq(conf->services[1].place.line, 3);
	/* A tree that is cut at any byte gives no conf. */
	for (env.tree_len = 0; env.tree_len < tree.len; env.tree_len++)
		ck_assert_ptr_null(fixture_load_with("lined.conf", &env));
	serialized_fini(&tree);
}
END_TEST

/* The author of a config may have taken over the process that reads it: the
 * tree may contain anything. */
START_TEST(tree_that_no_load_has_made_is_damaged)
{
	/* The kinds of items: END 0, FILE 1, SECTION 2, SECTION_END 3, KEY 4,
	 * VALUE 5. */
#define ITEM(kind, line) kind "\0\0\0" line "\0\0\0"
#define TEXT(text)       "\1\0\0\0" text "\0"
#define FILE_A           "\1\0\0\0" TEXT("a") "\0\0\0\0"
#define NO_TITLE         "\xff\xff\xff\xff"
	static const struct {
		const char *bytes;
		size_t len;
	} trees[] = {
#define TREE(bytes) {bytes "\0\0\0", sizeof(bytes) + 3}
		TREE(FILE_A ITEM("\6", "\1")),
		TREE(ITEM("\4", "\1") TEXT("x")),
		TREE(FILE_A ITEM("\5", "\1") TEXT("x")),
		TREE(FILE_A "\3\0\0\0"),
		TREE(FILE_A ITEM("\2", "\1") TEXT("x") NO_TITLE),
		TREE(FILE_A ITEM("\4", "\1") NO_TITLE),
		TREE(FILE_A ITEM("\4", "\1") "\1\0\0\0xy"),
		TREE("\1\0\0\0" NO_TITLE "\0\0\0\0"),
	};
	struct serialized deep = {NULL, 0, 0, false};
	struct conf_env env = fixture_env;
	size_t i;

	for (i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		env.tree = trees[i].bytes;
		env.tree_len = trees[i].len;
		fixture_load_with("lined.conf", &env);
		ck_assert_str_eq(fixture_errors(),
				 "lined.conf: what was read from it is "
				 "damaged\n");
	}
	serialize_number(&deep, 1);
	serialize_text(&deep, "a");
	serialize_number(&deep, 0);
	for (i = 0; i < 1000; i++) {
		serialize_number(&deep, 2);
		serialize_number(&deep, 1);
		serialize_text(&deep, "x");
		serialize_text(&deep, NULL);
	}
	env.tree = deep.data;
	env.tree_len = deep.len;
	fixture_load_with("lined.conf", &env);
	ck_assert_str_eq(fixture_errors(),
			 "lined.conf: what was read from it is damaged\n");
	serialized_fini(&deep);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("conf-given");
	TCase *tcase = fixture_case(suite, "files");

	tcase_add_test(tcase,
		       files_that_are_given_are_read_in_place_of_the_disk);
	tcase_add_test(tcase, files_that_are_given_include_one_another);
	tcase_add_test(tcase, files_that_are_given_have_the_bounds_of_files);
	tcase_add_test(tcase, files_that_are_given_are_not_opened_as_the_user);
	tcase_add_test(tcase, include_that_is_not_given_is_needed);
	tcase_add_test(tcase, files_that_are_not_in_the_format_are_refused);
	tcase = fixture_case(suite, "trees");
	tcase_add_test(tcase, tree_of_a_load_makes_the_same_conf);
	tcase_add_test(tcase, tree_that_no_load_has_made_is_damaged);
	return suite;
}

int main(void)
{
	return fixture_main(make_suite);
}
