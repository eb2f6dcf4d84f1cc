/* SPDX-License-Identifier: MIT */
/*
 * Raises the limit of open files and changes the user. privileges_linux.c
 * handles capabilities.
 */
#include "config.h"

#include "system/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fail.h"

int privileges_raise_nofile(uint64_t *before, uint64_t *limit)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	*before = files.rlim_cur;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	*limit = files.rlim_cur;
	return 0;
}

struct identity {
	uid_t uid;
	gid_t gid;
	const char *user; /* NULL: change only the group */
};

static int identity_find(const char *user, const char *group,
			 struct identity *identity, char *error, size_t size)
{
	const struct passwd *passwd;
	const struct group *entry;

	identity->uid = geteuid();
	identity->gid = getegid();
	identity->user = user;
	errno = 0;
	if (user != NULL) {
		passwd = getpwnam(user);
		if (passwd == NULL) {
			snprintf(error, size, "user \"%s\": %s", user,
				 errno != 0 ? strerror(errno) : "no such user");
			return -1;
		}
		identity->uid = passwd->pw_uid;
		identity->gid = passwd->pw_gid;
	}
	if (group == NULL)
		return 0;
	entry = getgrnam(group);
	if (entry == NULL) {
		snprintf(error, size, "group \"%s\": %s", group,
			 errno != 0 ? strerror(errno) : "no such group");
		return -1;
	}
	identity->gid = entry->gr_gid;
	return 0;
}

static int identity_become(const struct identity *identity)
{
	if (identity->user != NULL) {
		if (initgroups(identity->user, identity->gid) < 0)
			return -1;
	} else if (setgroups(1, &identity->gid) < 0) {
		return -1;
	}
	if (setgid(identity->gid) < 0)
		return -1;
	if (identity->user == NULL || identity->uid == 0)
		return 0;
	if (privileges_keep_begin() < 0 || setuid(identity->uid) < 0 ||
	    privileges_keep_end() < 0)
		return -1;
	/* If the process can become root again, root was not dropped. */
	if (setuid(0) == 0)
		return fail_with(EPERM);
	return 0;
}

int privileges_drop(const char *user, const char *group, char *error,
		    size_t size)
{
	struct identity identity;

	if (identity_find(user, group, &identity, error, size) < 0)
		return -1;
	if (geteuid() == identity.uid && getegid() == identity.gid &&
	    geteuid() != 0)
		return 0;
	if (identity_become(&identity) == 0)
		return 0;
	if (user != NULL)
		snprintf(error, size, "user \"%s\": cannot become: %s", user,
			 strerror(errno));
	else
		snprintf(error, size, "group \"%s\": cannot become: %s", group,
			 strerror(errno));
	return -1;
}

/* ---- another user's rights for a while ---------------------------------- */

struct privileges_visit {
	uid_t uid;
	gid_t gid, own_gid;
	int count, own_count;
	gid_t groups[]; /* the user's, then the process's own */
};

struct privileges_visit *privileges_visit_new(const char *user,
					      const char *group)
{
	struct privileges_visit *visit;
	struct identity identity;
	char error[256];
	int count = 0, own = getgroups(0, NULL);

	if (getuid() != 0 || geteuid() != 0 || user == NULL || own < 0 ||
	    identity_find(user, group, &identity, error, sizeof(error)) < 0 ||
	    identity.uid == 0)
		return NULL;
	getgrouplist(user, identity.gid, NULL, &count);
	visit = calloc(1, sizeof(*visit) + (size_t)(count + own) *
						   sizeof(visit->groups[0]));
	if (visit == NULL)
		return NULL;
	visit->uid = identity.uid;
	visit->gid = identity.gid;
	visit->own_gid = getegid();
	visit->count = count;
	visit->own_count = own;
	if (getgrouplist(user, identity.gid, visit->groups, &visit->count) >=
		    0 &&
	    getgroups(own, visit->groups + visit->count) == own)
		return visit;
	free(visit);
	return NULL;
}

void privileges_visit_free(struct privileges_visit *visit)
{
	free(visit);
}

/* Aborts if a call has failed: the process must not go on with another user's
 * rights. */
static void visit_require(int result)
{
	if (result < 0)
		abort();
}

static void visit_restore_groups(const struct privileges_visit *visit)
{
	visit_require(setgroups((size_t)visit->own_count,
				visit->groups + visit->count));
}

bool privileges_visit_begin(const struct privileges_visit *visit)
{
	gid_t own;

	if (visit == NULL || setgroups((size_t)visit->count, visit->groups) < 0)
		return false;
	own = visit->own_gid;
	/* The real ids change too: access(2) checks them. */
	if (setresgid(visit->gid, visit->gid, own) == 0) {
		if (setresuid(visit->uid, visit->uid, 0) == 0)
			return true;
		visit_require(setresgid(own, own, own));
	}
	/* Undo only the calls that have succeeded: a sandbox may forbid the
	 * other calls. */
	visit_restore_groups(visit);
	return false;
}

void privileges_visit_end(const struct privileges_visit *visit)
{
	const gid_t own = visit->own_gid;

	visit_require(setresuid(0, 0, 0));
	visit_require(setresgid(own, own, own));
	visit_restore_groups(visit);
}
