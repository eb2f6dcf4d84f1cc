/* SPDX-License-Identifier: MIT */
/*
 * Restricts file access with Landlock. Permitted, as far as file modes allow:
 * reading any file, because a reload may name any, from an include to a key;
 * creating sockets anywhere, because a reload may name any path; writing to the
 * terminals of programs and to /dev/null. Anything else may be created, written
 * and removed only in `writable` and in the directories that a service manager
 * has made for lined. Nothing may be executed. Programs have their own rules.
 */
#include "config.h"

#include "system/hardening.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/landlock.h>

#include "system/fd_close.h"

/* Landlock version 3, Linux 6.2. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

/* Version 6, Linux 6.12. */
#ifndef LANDLOCK_SCOPE_SIGNAL
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)
#endif

/* struct landlock_ruleset_attr of version 6. */
struct landlock_wanted {
	uint64_t files, network, scopes;
};

#define LANDLOCK_EVERY_VERSION                                                 \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |          \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |      \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |          \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |          \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |        \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)
#define LANDLOCK_OF_FILES                                                      \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |        \
	 LANDLOCK_ACCESS_FS_TRUNCATE)

/* Permits access below a path; for a file only the rights that apply to files.
 */
static int landlock_permit(int rules, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr below = {.allowed_access = access};
	struct stat file;
	int result = -1;

	below.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (below.parent_fd < 0)
		return -1;
	if (fstat(below.parent_fd, &file) == 0) {
		if (!S_ISDIR(file.st_mode))
			below.allowed_access &= LANDLOCK_OF_FILES;
		result = (int)syscall(SYS_landlock_add_rule, rules,
				      LANDLOCK_RULE_PATH_BENEATH, &below, 0);
	}
	fd_close(below.parent_fd);
	return result;
}

/* Permits access to the directories of StateDirectory= and the like. The
 * environment lists them, separated by colons. */
static void landlock_permit_managed(int rules, uint64_t access)
{
	static const char *const names[] = {
		"STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY"};
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *at = getenv(names[i]);

		while (at != NULL && *at != '\0') {
			size_t len = strcspn(at, ":");

			snprintf(path, sizeof(path), "%.*s", (int)len, at);
			landlock_permit(rules, path, access);
			at += len + (at[len] == ':');
		}
	}
}

static int landlock_permit_all(int rules, uint64_t known,
			       const struct hardening *wanted)
{
	/* /dev/null, and the devices for terminals of programs. */
	static const char *const devices[] = {"/dev/null", "/dev/ptmx",
					      "/dev/pts"};
	const uint64_t write = known & ~LANDLOCK_ACCESS_FS_EXECUTE;
	size_t i;

	landlock_permit_managed(rules, write);
	if (landlock_permit(rules, "/", LANDLOCK_ACCESS_FS_MAKE_SOCK) < 0)
		return -1;
	for (i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (landlock_permit(rules, devices[i],
				    known & LANDLOCK_OF_FILES) < 0 &&
		    errno != ENOENT)
			return -1;
	for (i = 0; i < wanted->writable.count; i++)
		landlock_permit(rules, wanted->writable.items[i], write);
	return 0;
}

/* The kernel's version of Landlock; -1: none. */
static int landlock_version(const char **why)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);

	if (version > 0)
		return (int)version;
	*why = errno == EOPNOTSUPP ? "the kernel was started without it"
	       : errno == ENOSYS   ? "the kernel has none"
				   : strerror(errno);
	return -1;
}

int hardening_landlock(const struct hardening *wanted, const char **why)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs =
						     LANDLOCK_EVERY_VERSION};
	int version = landlock_version(why), rules, result = -1;

	if (version < 0)
		return -1;
	if (version >= 2)
		attr.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		attr.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
			     0);
	if (rules >= 0 &&
	    landlock_permit_all(rules, attr.handled_access_fs, wanted) == 0)
		result = (int)syscall(SYS_landlock_restrict_self, rules, 0);
	if (result < 0)
		*why = errno == EPERM ? "it needs no-new-privileges"
				      : strerror(errno);
	fd_close(rules);
	return result;
}

/* ---- programs ----------------------------------------------------------- */

/* The files that a program may read besides `readable` and its own: programs,
 * interpreters, libraries, /dev and /proc. Some paths may be missing. In /proc
 * a program can read the memory and environment only of processes that it may
 * trace. */
static const char *const landlock_system[] = {
	"/usr",
	"/bin",
	"/sbin",
	"/lib",
	"/lib32",
	"/lib64",
	"/etc/ld.so.cache",
	"/dev",
	"/proc",
};

static int landlock_permit_program(int rules, const char *file,
				   char *const *readable)
{
	const uint64_t read = LANDLOCK_ACCESS_FS_READ_FILE;
	size_t i;

	if (readable[0] == NULL)
		return 0;
	for (i = 0; i < sizeof(landlock_system) / sizeof(landlock_system[0]);
	     i++)
		landlock_permit(rules, landlock_system[i], read);
	for (i = 0; readable[i] != NULL; i++)
		if (landlock_permit(rules, readable[i], read) < 0)
			return -1;
	return landlock_permit(rules, file, read);
}

int hardening_program(const char *file, char *const *readable)
{
	struct landlock_wanted wanted = {0};
	const char *why;
	int version = landlock_version(&why), rules, result = -1;

	if (version >= 6)
		wanted.scopes = LANDLOCK_SCOPE_SIGNAL;
	/* A ruleset that handles file access also denies renaming between
	 * directories, unless a rule permits LANDLOCK_ACCESS_FS_REFER. If no
	 * other restriction is wanted, a ruleset with this right alone is made:
	 * any ruleset keeps the program from tracing other processes. */
	if (readable[0] != NULL)
		wanted.files = LANDLOCK_ACCESS_FS_READ_FILE;
	if (version >= 2 && (wanted.files != 0 || wanted.scopes == 0))
		wanted.files |= LANDLOCK_ACCESS_FS_REFER;
	if (wanted.files == 0 && wanted.scopes == 0)
		return 0;
	rules = (int)syscall(SYS_landlock_create_ruleset, &wanted,
			     sizeof(wanted), 0);
	if (rules < 0)
		return readable[0] != NULL ? -1 : 0;
	if (((wanted.files & LANDLOCK_ACCESS_FS_REFER) == 0 ||
	     landlock_permit(rules, "/", LANDLOCK_ACCESS_FS_REFER) == 0) &&
	    landlock_permit_program(rules, file, readable) == 0)
		result = (int)syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
	return readable[0] != NULL ? result : 0;
}
