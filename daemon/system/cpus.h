/* SPDX-License-Identifier: MIT */
/*
 * How many CPUs the daemon may use: those in its affinity mask
 * (sched_setaffinity(2), taskset, CPUAffinity=), limited by the CPU quotas of
 * its cgroup and the groups above. Containers and CPUQuota= set the quota
 * (version 2: cpu.max; version 1: cpu.cfs_quota_us).
 */
#pragma once

#include <stddef.h>

/* At least 1; a fraction of a CPU in a quota is rounded up. */
size_t cpus_available(void);

/* The quota alone; 0: none, or no cgroups. Tests pass a root other than "" to
 * replace /proc and /sys. */
size_t cpus_quota(const char *root);
