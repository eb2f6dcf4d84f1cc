/* SPDX-License-Identifier: MIT */
/*
 * Keeps spare descriptors open on /dev/null.
 */
#include "config.h"

#include "system/spare_fds.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

/* Enough for a config, an include's directory, a module and a few listeners. */
#define SPARE_FDS 8
/* The most connections to the control socket on lent descriptors. */
#define LOAN_FDS 4

static int fds[SPARE_FDS], loan_fds[LOAN_FDS];
static size_t held, loans_left;
static bool has_loans; /* spare_fds_take_back() fills loan_fds */

static size_t spare_fds_fill(int *to, size_t count, size_t most)
{
	while (count < most) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			break;
		to[count++] = fd;
	}
	return count;
}

void spare_fds_hold(void)
{
	held = spare_fds_fill(fds, held, SPARE_FDS);
	has_loans = true;
	spare_fds_take_back();
}

void spare_fds_release(void)
{
	while (held > 0)
		close(fds[--held]);
}

bool spare_fds_lend(void)
{
	if (loans_left == 0)
		return false;
	close(loan_fds[--loans_left]);
	return true;
}

void spare_fds_take_back(void)
{
	if (has_loans && loans_left < LOAN_FDS)
		loans_left = spare_fds_fill(loan_fds, loans_left, LOAN_FDS);
}
