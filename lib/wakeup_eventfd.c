/* SPDX-License-Identifier: MIT */
/*
 * Wakes a dispatcher by an eventfd(2).
 */
#include "config.h"

#include "wakeup.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int wakeup_open(struct wakeup *wakeup)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	wakeup->read_fd = wakeup->write_fd = fd;
	return fd < 0 ? -1 : 0;
}

void wakeup_close(struct wakeup *wakeup)
{
	close(wakeup->read_fd);
}

void wakeup_signal(struct wakeup *wakeup)
{
	uint64_t one = 1;

	/* EAGAIN: the counter is full, and the descriptor is readable. */
	while (write(wakeup->write_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void wakeup_clear(struct wakeup *wakeup)
{
	uint64_t count;

	while (read(wakeup->read_fd, &count, sizeof(count)) < 0 &&
	       errno == EINTR)
		;
}
