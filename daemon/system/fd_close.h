/* SPDX-License-Identifier: MIT */
/* close(2) for error paths. */
#pragma once

#include <errno.h>
#include <unistd.h>

/* Closes the descriptor, unless it is negative, and keeps errno. */
static inline void fd_close(int fd)
{
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
}
