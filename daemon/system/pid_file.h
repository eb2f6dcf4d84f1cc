/* SPDX-License-Identifier: MIT */
/*
 * The file that contains the process's number, for init systems and scripts
 * that do not start lined themselves. It is locked while the process runs, so
 * that a second lined with the same file does not start. One in a process. Main
 * thread.
 */
#pragma once

#include <stddef.h>

/*
 * Creates or opens the file and locks it. To be called while the process may
 * write to the directory, which it may not be able to later; not before the
 * last fork(). -1 and why in error: "is locked by process 42".
 */
int pid_file_open(const char *path, char *error, size_t size);

/* Writes the number. Does nothing without pid_file_open(). -1 and errno. */
int pid_file_write(void);

/* Removes the file, or empties it if the process may not remove it. Does
 * nothing without pid_file_open(). */
void pid_file_remove(void);
