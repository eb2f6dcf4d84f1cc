/* SPDX-License-Identifier: MIT */
/*
 * Keeps spare descriptors open on /dev/null.
 */
#include "config.h"

#include "system/spare_fds.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

/* Enough for a config, the directory of an include, a module and a few
 * listeners. */
#define SPARE_FDS 8

static int fds[SPARE_FDS];
static size_t held;

void spare_fds_hold(void)
{
	while (held < SPARE_FDS) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return;
		fds[held++] = fd;
	}
}

void spare_fds_release(void)
{
	while (held > 0)
		close(fds[--held]);
}
