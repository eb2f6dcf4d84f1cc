/* SPDX-License-Identifier: MIT */
/*
 * Opens UNIX sockets at their paths with mode and owners, and removes the
 * paths. Other daemons may open the same path at the same time. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct inherited;

/* Mode and owners of a path. */
struct unix_path_mode {
	mode_t mode;
	/* NULL: the owner or group with which a new socket is created. */
	const char *owner, *group;
	/* True: the path is already open. Then NULL resets the owner or the
	 * group. */
	bool again;
};

/* The file that a path named when the path was opened. */
struct unix_path_file {
	bool known;
	dev_t device;
	ino_t inode;
};

/*
 * Returns a socket that listens on the path: taken from `inherited` or bound
 * anew. Replaces a socket file on which no process listens. The caller closes
 * the descriptor; file is filled in. -1 and the reason in error: then the path
 * is removed, if this call has bound it or taken its socket.
 */
int unix_path_open(const char *path, const struct unix_path_mode *mode,
		   int backlog, const struct inherited *inherited,
		   struct unix_path_file *file, char *error, size_t size);

/* Checks that the owners exist. -1: error says which owner does not. */
int unix_path_check_mode(const struct unix_path_mode *mode, char *error,
			 size_t size);

/* Applies mode and owners to the socket at the path, but not to a file that has
 * replaced the socket. -1 and why in error. */
int unix_path_set_mode(const char *path, struct unix_path_file *file,
		       const struct unix_path_mode *mode, char *error,
		       size_t size);

/* Whether the path still is this file. */
bool unix_path_is(const char *path, const struct unix_path_file *file);

/* Unlinks the path if it still is this file: another daemon may have put its
 * own socket there. */
void unix_path_remove(const char *path, const struct unix_path_file *file);
