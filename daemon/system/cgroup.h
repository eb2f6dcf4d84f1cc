/* SPDX-License-Identifier: MIT */
/*
 * The control groups of this process, versions 1 and 2, and the limits in their
 * files. `root` is "" except in tests, which have their own /proc and /sys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Calls each() with the directories of the group that has this controller, and
 * of all groups above it. Calls nothing on a system without groups. */
void cgroup_each(const char *root, const char *controller,
		 void (*each)(const char *directory, void *arg), void *arg);

/* Reads the first line of a file in such a directory. False: there is none. */
bool cgroup_read(const char *directory, const char *name, char *line,
		 size_t size);

/* The memory that the groups allow (memory.max, memory.high; version 1:
 * memory.limit_in_bytes). 0: there is no limit. */
uint64_t cgroup_memory(const char *root);

/* That, or the memory of the machine where it is less. 0: unknown. */
uint64_t cgroup_memory_available(void);
