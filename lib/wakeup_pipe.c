/* SPDX-License-Identifier: MIT */
/*
 * Wakes a dispatcher by a pipe, on systems without eventfd.
 */
#include "config.h"

#include "wakeup.h"

#include <fcntl.h>
#include <unistd.h>

#include "fail.h"

static int wakeup_prepare_fd(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int wakeup_open(struct wakeup *wakeup)
{
	int fds[2];

	if (pipe(fds) < 0)
		return -1;
	wakeup->read_fd = fds[0];
	wakeup->write_fd = fds[1];
	if (wakeup_prepare_fd(fds[0]) < 0 || wakeup_prepare_fd(fds[1]) < 0) {
		int error = errno;

		wakeup_close(wakeup);
		return fail_with(error);
	}
	return 0;
}

void wakeup_close(struct wakeup *wakeup)
{
	close(wakeup->read_fd);
	close(wakeup->write_fd);
}

void wakeup_signal(struct wakeup *wakeup)
{
	/* EAGAIN: the pipe is full, and readable. */
	while (write(wakeup->write_fd, "", 1) < 0 && errno == EINTR)
		;
}

void wakeup_clear(struct wakeup *wakeup)
{
	char sink[256];
	ssize_t n;

	do
		n = read(wakeup->read_fd, sink, sizeof(sink));
	while (n == (ssize_t)sizeof(sink) || (n < 0 && errno == EINTR));
}
