/* SPDX-License-Identifier: MIT */
/*
 * Counts CPUs. A missing or malformed file means no quota: the daemon then has
 * more threads than it needs, but works.
 */
#include "config.h"

#include "system/cpus.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "system/cgroup.h"

#ifdef HAVE_SCHED_GETAFFINITY
#include <sched.h>

static size_t cpus_in_mask(void)
{
	cpu_set_t mask;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	/* Fails on machines with more than 1,024 CPUs. */
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

/* The smaller of two quotas; 0: no quota. */
static size_t cpus_smaller(size_t a, double quota, double period)
{
	double cpus = period > 0 ? quota / period : 0;
	size_t b = (size_t)cpus;

	if (cpus <= 0 || cpus > INT_MAX)
		return a;
	b += cpus > (double)b;
	return a == 0 || b < a ? b : a;
}

static void cpus_of_directory(const char *directory, void *arg)
{
	size_t *cpus = arg;
	char line[128];
	double quota, period;

	/* "200000 100000", "max 100000" */
	if (cgroup_read(directory, "cpu.max", line, sizeof(line)) &&
	    sscanf(line, "%lf %lf", &quota, &period) == 2)
		*cpus = cpus_smaller(*cpus, quota, period);
	/* -1 in the file: no quota */
	else if (cgroup_read(directory, "cpu.cfs_quota_us", line,
			     sizeof(line)) &&
		 sscanf(line, "%lf", &quota) == 1 &&
		 cgroup_read(directory, "cpu.cfs_period_us", line,
			     sizeof(line)) &&
		 sscanf(line, "%lf", &period) == 1)
		*cpus = cpus_smaller(*cpus, quota, period);
}

size_t cpus_quota(const char *root)
{
	size_t cpus = 0;

	cgroup_each(root, "cpu", cpus_of_directory, &cpus);
	return cpus;
}

size_t cpus_available(void)
{
	size_t mask = cpus_in_mask(), quota = cpus_quota("");

	return quota > 0 && quota < mask ? quota : mask;
}
