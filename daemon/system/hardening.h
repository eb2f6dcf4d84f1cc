/* SPDX-License-Identifier: MIT */
/*
 * Before lined serves clients, it gives up rights that it does not need: to
 * gain privileges (prctl(2)), to write to files (Landlock), and to make system
 * calls that services do not use (seccomp). Threads created later inherit these
 * restrictions. The helper (system/hardening_helper.h) does what lined itself
 * may no longer do.
 */
#pragma once

#include <errno.h>
#include <stddef.h>

#include <lined/protocol.h>

enum hardening_choice {
	HARDENING_AUTO, /* on where the system has it */
	HARDENING_ON,
	HARDENING_OFF,
};

/* The section `hardening`, see lined.conf(5). */
struct hardening {
	enum hardening_choice no_new_privileges, landlock, seccomp;
	/* Paths below which Landlock allows everything but execution, in
	 * addition to directories that a service manager has made for lined. */
	struct lined_option_list writable;
};

/*
 * Gives up the rights. Starts the helper before Landlock or seccomp is tried.
 * removable: see helper_open(). No other thread may exist yet. report says what
 * was done: "no-new-privileges on, landlock on, seccomp off". -1: a choice that
 * is `on` is not possible; report says which and why.
 */
int hardening_apply(const struct hardening *wanted, const char *removable,
		    char *report, size_t size);

/* ---- the parts: 0; -1 and the reason in *why ----------------------------- */

#ifdef HAVE_LANDLOCK

/* Restricts file access. Skips paths of `writable` that cannot be opened. */
int hardening_landlock(const struct hardening *wanted, const char **why);

/*
 * Restricts the program that this process will execute: call it before
 * execve(2). From Landlock version 2 on, the program can trace only its own
 * processes; from Linux 6.12 on, it can also signal only those. readable ends
 * with NULL. If readable has paths, the program can read only files below them,
 * its own file, the system's programs and libraries, /dev and /proc. -1 and
 * errno: reading cannot be restricted.
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
