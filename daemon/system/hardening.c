/* SPDX-License-Identifier: MIT */
/*
 * Decides which rights are given up, in which order, and reports the result.
 * hardening_landlock.c and hardening_seccomp.c give them up.
 */
#include "config.h"

#include "system/hardening.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "system/hardening_helper.h"
#include "system/privileges.h"

struct hardening_part {
	const char *name;
	enum hardening_choice choice;
	int (*apply)(const struct hardening *wanted, const char **why);
};

static int hardening_no_new_privileges(const struct hardening *wanted,
				       const char **why)
{
	if (privileges_no_new() == 0)
		return 0;
	*why = strerror(errno);
	return -1;
}

static int hardening_helper(const char *removable, char *why, size_t size)
{
	if (helper_open(removable) == 0)
		return 0;
	snprintf(why, size, "the helper cannot be started: %s",
		 strerror(errno));
	return -1;
}

int hardening_apply(const struct hardening *wanted, const char *removable,
		    char *report, size_t size)
{
	const struct hardening_part parts[] = {
		{"no-new-privileges", wanted->no_new_privileges,
		 hardening_no_new_privileges},
		{"landlock", wanted->landlock, hardening_landlock},
		{"seccomp", wanted->seccomp, hardening_seccomp},
	};
	char no_helper[128] = "";
	size_t i, len = 0;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct hardening_part *part = &parts[i];
		const char *why = no_helper;
		int result = -1;

		if (part->choice != HARDENING_OFF &&
		    (i == 0 || helper_is_there() ||
		     hardening_helper(removable, no_helper,
				      sizeof(no_helper)) == 0))
			result = part->apply(wanted, &why);
		if (result < 0 && part->choice == HARDENING_ON) {
			snprintf(report, size, "%s: %s", part->name, why);
			return -1;
		}
		if (len < size)
			len += (size_t)snprintf(
				report + len, size - len, "%s%s %s%s%s%s",
				i > 0 ? ", " : "", part->name,
				result == 0 ? "on" : "off",
				result < 0 && why[0] != '\0' ? " (" : "",
				result < 0 ? why : "",
				result < 0 && why[0] != '\0' ? ")" : "");
	}
	return 0;
}
