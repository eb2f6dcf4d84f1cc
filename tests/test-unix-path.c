/* SPDX-License-Identifier: MIT */
/* The file at a UNIX socket's path. */
#include "config.h"

#include "net/unix_path.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static char dir[] = "/tmp/lined-test-unix-path-XXXXXX";
static char path[64];
static const struct unix_path_mode mode = {.mode = 0600};

static void setup(void)
{
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
}

static void teardown(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* Opens the path, with a limit of so many further descriptors. */
static int open_with_fds(rlim_t count, struct unix_path_file *file, char *error,
			 size_t size)
{
	struct rlimit before, files;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	files = before;
	files.rlim_cur = (rlim_t)fd + count;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	fd = unix_path_open(path, &mode, 1, NULL, file, error, size);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	return fd;
}

/* The directory's lock and the socket take a descriptor each, the change of
 * mode takes a third one. */
START_TEST(path_whose_open_fails_is_removed)
{
	struct unix_path_file file;
	struct stat status;
	char error[200] = "";
	int fd = open_with_fds((rlim_t)_i, &file, error, sizeof(error));

	if (_i < 3) {
		ck_assert_int_lt(fd, 0);
		ck_assert_str_eq(error, strerror(EMFILE));
		ck_assert_int_lt(lstat(path, &status), 0);
		return;
	}
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lstat(path, &status), 0);
	unix_path_remove(path, &file);
	ck_assert_int_lt(lstat(path, &status), 0);
	close(fd);
}
END_TEST

static Suite *unix_path_suite(void)
{
	Suite *suite = suite_create("unix_path");
	TCase *tc = support_case(suite, "unix_path");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, path_whose_open_fails_is_removed, 0, 4);
	return suite;
}

int main(void)
{
	return support_main_once(unix_path_suite);
}
