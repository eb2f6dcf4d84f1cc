/* SPDX-License-Identifier: MIT */
/*
 * The control groups of this process, versions 1 and 2, and the limits in their
 * files. `root` is "" except in tests, which have their own /proc and /sys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Calls each() for the directory of this process's group with this controller,
 * and for the directories of all groups above. Without cgroups there are no
 * calls. */
void cgroup_each(const char *root, const char *controller,
		 void (*each)(const char *directory, void *arg), void *arg);

/* Reads the first line of a file in such a directory. False: no such file or
 * line. */
bool cgroup_read(const char *directory, const char *name, char *line,
		 size_t size);

/* The lowest memory limit of these groups (memory.max, memory.high; version 1:
 * memory.limit_in_bytes). 0: no limit. */
uint64_t cgroup_memory(const char *root);

/* The smaller of cgroup_memory() and the memory of the machine. 0: unknown. */
uint64_t cgroup_memory_available(void);
