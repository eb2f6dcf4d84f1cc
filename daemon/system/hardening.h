/* SPDX-License-Identifier: MIT */
/*
 * lined gives up rights that it does not need, before it serves anybody: no new
 * privileges (prctl(2)), no writing to files (Landlock), no system calls that
 * no service makes (seccomp). The rights of threads that are made later are
 * those of their maker. The helper (system/helper.h) does what lined may not do
 * any more.
 */
#pragma once

#include <errno.h>
#include <stddef.h>

enum hardening_choice {
	HARDENING_AUTO, /* if the system has it */
	HARDENING_ON,
	HARDENING_OFF,
};

/* The section `hardening`, see lined.conf(5). */
struct hardening {
	enum hardening_choice no_new_privileges, landlock, seccomp;
	/* Directories and files in which Landlock permits everything but to
	 * execute; beside those that a service manager has made for lined. */
	const char *const *writable;
	size_t writable_count;
};

/*
 * Starts the helper, unless all is off, and gives the rights up. removable: see
 * helper_open(). To be called while this is the only thread. report gets what
 * has been done: "no-new-privileges on, landlock on, seccomp off". -1: what is
 * `on` cannot be had; report says what and why.
 */
int hardening_apply(const struct hardening *wanted, const char *removable,
		    char *report, size_t size);

/* ---- the parts: 0; -1 and the reason in *why ----------------------------- */

#ifdef HAVE_LANDLOCK

/* Passes over a path of `writable` that cannot be opened. */
int hardening_landlock(const struct hardening *wanted, const char **why);

/*
 * In a new program, before execve(2): it cannot trace a process that is not its
 * own, nor, from Linux 6.12 on, send it a signal. With readable, a list with a
 * NULL at the end, it can read no file but what is below these paths, below
 * those of the system's programs, and its own file. -1 and errno: that cannot
 * be had.
 */
int hardening_program(const char *file, char *const *readable);

#else

static inline int hardening_landlock(const struct hardening *wanted,
				     const char **why)
{
	*why = "this system has none";
	return -1;
}

static inline int hardening_program(const char *file, char *const *readable)
{
	errno = ENOSYS;
	return readable[0] != NULL ? -1 : 0;
}

#endif

#ifdef HAVE_SECCOMP

int hardening_seccomp(const struct hardening *wanted, const char **why);

#else

static inline int hardening_seccomp(const struct hardening *wanted,
				    const char **why)
{
	*why = "lined was built without libseccomp";
	return -1;
}

#endif
