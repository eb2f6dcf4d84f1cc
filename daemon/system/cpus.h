/* SPDX-License-Identifier: MIT */
/*
 * How many CPUs the daemon may use: those of its affinity mask
 * (sched_setaffinity(2), taskset, CPUAffinity=), and no more than the CPU quota
 * of its cgroup and of those above it (version 2: cpu.max; version 1:
 * cpu.cfs_quota_us), as containers and CPUQuota= set it.
 */
#ifndef LINED_CPUS_H
#define LINED_CPUS_H

#include <stddef.h>

/* 1 and up; a part of a CPU counts as one. */
size_t cpus_available(void);

/* The quota alone, with /proc and /sys below root ("" but in tests); 0: there
 * is none, or the system has no cgroups. */
size_t cpus_quota(const char *root);

#endif
