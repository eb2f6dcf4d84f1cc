/* SPDX-License-Identifier: MIT */
/*
 * Counts CPUs. A file that is missing or malformed means that there is no
 * quota: the daemon then has more threads than it needs, but works.
 */
#include "config.h"

#include "system/cpus.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_SCHED_GETAFFINITY
#include <sched.h>

static size_t cpus_in_mask(void)
{
	cpu_set_t mask;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	/* It fails on machines with more than 1,024 CPUs. */
	if (sched_getaffinity(0, sizeof(mask), &mask) == 0)
		return (size_t)CPU_COUNT(&mask);
	return online > 0 ? (size_t)online : 1;
}
#else
static size_t cpus_in_mask(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	return online > 0 ? (size_t)online : 1;
}
#endif

/* Reads the first line of a file; false: there is none. */
static bool cpus_read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool good;

	if (file == NULL)
		return false;
	good = fgets(line, (int)size, file) != NULL;
	fclose(file);
	return good;
}

/* The smaller of two quotas; 0 means no quota. */
static size_t cpus_smaller(size_t a, double quota, double period)
{
	double cpus = period > 0 ? quota / period : 0;
	size_t b = (size_t)cpus;

	if (cpus <= 0 || cpus > INT_MAX)
		return a;
	b += cpus > (double)b;
	return a == 0 || b < a ? b : a;
}

static size_t cpus_of_directory(const char *directory, size_t so_far)
{
	char path[PATH_MAX], line[128];
	double quota, period;

	/* "200000 100000", "max 100000" */
	snprintf(path, sizeof(path), "%s/cpu.max", directory);
	if (cpus_read_line(path, line, sizeof(line)) &&
	    sscanf(line, "%lf %lf", &quota, &period) == 2)
		return cpus_smaller(so_far, quota, period);
	/* -1: none */
	snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", directory);
	if (!cpus_read_line(path, line, sizeof(line)) ||
	    sscanf(line, "%lf", &quota) != 1)
		return so_far;
	snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", directory);
	if (!cpus_read_line(path, line, sizeof(line)) ||
	    sscanf(line, "%lf", &period) != 1)
		return so_far;
	return cpus_smaller(so_far, quota, period);
}

/* Reads the quota of the cgroup and of all above it, in the hierarchy at mount.
 * A container's own group is the root there; its path in /proc may not
 * exist. */
static size_t cpus_of_group(const char *mount, char *group, size_t so_far)
{
	char directory[PATH_MAX - 32];
	char *slash;

	for (;;) {
		snprintf(directory, sizeof(directory), "%s%s", mount, group);
		so_far = cpus_of_directory(directory, so_far);
		slash = strrchr(group, '/');
		if (slash == NULL)
			return so_far;
		*slash = '\0';
	}
}

size_t cpus_quota(const char *root)
{
	char path[PATH_MAX / 4], mount[PATH_MAX / 2], line[PATH_MAX / 4];
	char *controllers, *group;
	size_t cpus = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
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
		if (*controllers != '\0' &&
		    strncmp(controllers, "cpu,", 4) != 0 &&
		    strcmp(controllers, "cpu") != 0 &&
		    strcmp(controllers, "cpuacct,cpu") != 0)
			continue;
		snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup%s%s", root,
			 *controllers != '\0' ? "/" : "", controllers);
		cpus = cpus_of_group(mount, group, cpus);
	}
	fclose(file);
	return cpus;
}

size_t cpus_available(void)
{
	size_t mask = cpus_in_mask(), quota = cpus_quota("");

	return quota > 0 && quota < mask ? quota : mask;
}
