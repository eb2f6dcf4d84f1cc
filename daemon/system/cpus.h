/* SPDX-License-Identifier: MIT */
/*
 * How many CPUs the daemon may use: those of its affinity mask
 * (sched_setaffinity(2), taskset, CPUAffinity=), but no more than the CPU quota
 * of its cgroup and of those above it. Containers and CPUQuota= set the quota
 * (version 2: cpu.max; version 1: cpu.cfs_quota_us).
 */
#pragma once

#include <stddef.h>

/* At least 1; a quota of a part of a CPU is rounded up. */
size_t cpus_available(void);

/* The quota alone; tests pass a root other than "" to replace /proc and /sys.
 * 0: there is none, or the system has no cgroups. */
size_t cpus_quota(const char *root);
