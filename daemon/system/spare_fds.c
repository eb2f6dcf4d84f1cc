/* SPDX-License-Identifier: MIT */
/*
 * The descriptors kept back. They stand on /dev/null.
 */
#include "config.h"

#include "system/spare_fds.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

/* A config, a directory of an include, a module and a few listeners. */
#define RESERVED 8

static int fds[RESERVED];
static size_t held;

void reserve_hold(void)
{
	while (held < RESERVED) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return;
		fds[held++] = fd;
	}
}

void reserve_release(void)
{
	while (held > 0)
		close(fds[--held]);
}
