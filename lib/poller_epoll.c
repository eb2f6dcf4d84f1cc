/* SPDX-License-Identifier: MIT */
/*
 * The epoll(7) poller, level-triggered: a descriptor that still has input is
 * reported again, so a handler need not read until EAGAIN.
 */
#include "config.h"

#include "poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <lined/dispatcher.h>

#define BATCH 256

struct poller {
	int fd;
	struct epoll_event batch[BATCH];
};

static struct poller *epoll_new(void)
{
	struct poller *poller = malloc(sizeof(*poller));

	if (poller == NULL)
		return NULL;
	poller->fd = epoll_create1(EPOLL_CLOEXEC);
	if (poller->fd < 0) {
		int error = errno;

		free(poller);
		errno = error;
		return NULL;
	}
	return poller;
}

static void epoll_free(struct poller *poller)
{
	close(poller->fd);
	free(poller);
}

static int epoll_control(struct poller *poller, int op,
			 struct lined_delegate *delegate, unsigned mode)
{
	struct epoll_event event = {.data.ptr = delegate};

	if (mode & LINED_MODE_READ)
		event.events |= EPOLLIN;
	if (mode & LINED_MODE_WRITE)
		event.events |= EPOLLOUT;
	return epoll_ctl(poller->fd, op, delegate->fd, &event);
}

static int epoll_add(struct poller *poller, struct lined_delegate *delegate,
		     unsigned mode)
{
	return epoll_control(poller, EPOLL_CTL_ADD, delegate, mode);
}

static int epoll_change(struct poller *poller, struct lined_delegate *delegate,
			unsigned mode)
{
	return epoll_control(poller, EPOLL_CTL_MOD, delegate, mode);
}

static void epoll_remove(struct poller *poller, struct lined_delegate *delegate)
{
	epoll_control(poller, EPOLL_CTL_DEL, delegate, 0);
}

static unsigned epoll_ready_of(uint32_t events)
{
	unsigned ready = 0;

	if (events & (EPOLLIN | EPOLLPRI))
		ready |= POLL_READY_READ;
	if (events & EPOLLOUT)
		ready |= POLL_READY_WRITE;
	if (events & EPOLLERR)
		ready |= POLL_READY_ERROR;
	if (events & EPOLLHUP)
		ready |= POLL_READY_HANGUP;
	return ready;
}

static int epoll_wait_events(struct poller *poller, struct poll_event *events,
			     int max, int timeout_ms)
{
	int n, i;

	n = epoll_wait(poller->fd, poller->batch, max < BATCH ? max : BATCH,
		       timeout_ms);
	for (i = 0; i < n; i++) {
		events[i].delegate = poller->batch[i].data.ptr;
		events[i].ready = epoll_ready_of(poller->batch[i].events);
	}
	return n;
}

const struct poller_ops poller_epoll = {
	.name = "epoll",
	.new = epoll_new,
	.free = epoll_free,
	.add = epoll_add,
	.change = epoll_change,
	.remove = epoll_remove,
	.wait = epoll_wait_events,
};
