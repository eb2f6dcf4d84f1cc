/* SPDX-License-Identifier: MIT */
/*
 * Finds the groups in /proc/self/cgroup and their directories below
 * /sys/fs/cgroup. A missing or malformed file means no limit.
 */
#include "config.h"

#include "system/cgroup.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool cgroup_read(const char *directory, const char *name, char *line,
		 size_t size)
{
	char path[PATH_MAX];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	good = fgets(line, (int)size, file) != NULL;
	fclose(file);
	return good;
}

/* Visits the group and all groups above it. In a container the path in /proc
 * may not exist below `mount`: then only the root, which is the container's own
 * group, has files. */
static void cgroup_each_above(const char *mount, char *group,
			      void (*each)(const char *directory, void *arg),
			      void *arg)
{
	char directory[PATH_MAX - 32];
	char *slash;

	for (;;) {
		snprintf(directory, sizeof(directory), "%s%s", mount, group);
		each(directory, arg);
		slash = strrchr(group, '/');
		if (slash == NULL)
			return;
		*slash = '\0';
	}
}

/* Whether a list of controllers, such as "cpu,cpuacct", has this one. The empty
 * list of version 2 means all controllers. */
static bool cgroup_has(const char *controllers, const char *controller)
{
	size_t len = strlen(controller);
	const char *at = controllers;

	if (*controllers == '\0')
		return true;
	while ((at = strstr(at, controller)) != NULL) {
		if ((at == controllers || at[-1] == ',') &&
		    (at[len] == ',' || at[len] == '\0'))
			return true;
		at += len;
	}
	return false;
}

void cgroup_each(const char *root, const char *controller,
		 void (*each)(const char *directory, void *arg), void *arg)
{
	char path[PATH_MAX / 4], mount[PATH_MAX / 2], line[PATH_MAX / 4];
	char *controllers, *group;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	/* "0::/system.slice/lined.service", "4:cpu,cpuacct:/docker/1234" */
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		controllers = strchr(line, ':');
		group = controllers != NULL ? strchr(controllers + 1, ':')
					    : NULL;
		if (group == NULL)
			continue;
		*controllers++ = '\0';
		*group++ = '\0';
		if (!cgroup_has(controllers, controller))
			continue;
		snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup%s%s", root,
			 *controllers != '\0' ? "/" : "", controllers);
		cgroup_each_above(mount, group, each, arg);
	}
	fclose(file);
}

/* ---- memory -------------------------------------------------------------- */

/* Larger numbers mean no limit: version 1 then has a number near 2^63. */
#define CGROUP_MEMORY_MOST ((uint64_t)1 << 60)

static void cgroup_memory_of(const char *directory, void *arg)
{
	static const char *const files[] = {"memory.max", "memory.high",
					    "memory.limit_in_bytes"};
	uint64_t *least = arg, bytes;
	char line[128];
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (cgroup_read(directory, files[i], line, sizeof(line)) &&
		    sscanf(line, "%" SCNu64, &bytes) == 1 && bytes > 0 &&
		    bytes < CGROUP_MEMORY_MOST &&
		    (*least == 0 || bytes < *least))
			*least = bytes;
}

uint64_t cgroup_memory(const char *root)
{
	uint64_t least = 0;

	cgroup_each(root, "memory", cgroup_memory_of, &least);
	return least;
}

uint64_t cgroup_memory_available(void)
{
	uint64_t group = cgroup_memory("");
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	uint64_t all = pages > 0 ? (uint64_t)pages * (uint64_t)size : 0;

	return group > 0 && (all == 0 || group < all) ? group : all;
}
