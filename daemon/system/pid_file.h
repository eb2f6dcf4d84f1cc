/* SPDX-License-Identifier: MIT */
/*
 * The file with the process id, for init systems and scripts that do not start
 * lined themselves. The file is locked while the process runs, so that a second
 * lined with the same file does not start. One file in a process. Main thread.
 */
#pragma once

#include <stddef.h>

/*
 * Creates or opens the file and locks it. Call this after the last fork(),
 * while the process may still write to the directory. -1 and why in error: "is
 * locked by process 42".
 */
int pid_file_open(const char *path, char *error, size_t size);

/* Writes the process id. Does nothing without pid_file_open(). -1 and errno. */
int pid_file_write(void);

/* Removes the file; empties it if it may not be removed. Does nothing without
 * pid_file_open(). */
void pid_file_remove(void);
