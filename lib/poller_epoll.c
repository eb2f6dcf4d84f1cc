/* SPDX-License-Identifier: MIT */
/*
 * Polls by epoll(7), level-triggered: a descriptor that still has input is
 * reported again, so a handler need not read until EAGAIN.
 *
 * A time-out of epoll_wait(2) would arm a timer of the kernel in each wait, and
 * disarm it when a line comes. A timerfd(2) stays armed, and is set again only
 * for an earlier time. If the timer or deadline for which it was set has been
 * stopped or moved, one wait ends too early.
 */
#include "config.h"

#include "poller.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <lined/dispatcher.h>

#include "fail.h"

#define BATCH 256

struct poller {
	int fd;
	int timer;
	/* When the timer ends the wait; UINT64_MAX: it is not armed. */
	uint64_t armed_ms;
	struct epoll_event batch[BATCH];
};

static void epoll_free(struct poller *poller)
{
	if (poller->timer >= 0)
		close(poller->timer);
	if (poller->fd >= 0)
		close(poller->fd);
	free(poller);
}

static struct poller *epoll_new(void)
{
	struct poller *poller = malloc(sizeof(*poller));
	/* Edge-triggered: an expiry is reported once, and need not be read. */
	struct epoll_event end = {.events = EPOLLIN | EPOLLET};

	if (poller == NULL)
		return NULL;
	poller->armed_ms = UINT64_MAX;
	poller->fd = epoll_create1(EPOLL_CLOEXEC);
	poller->timer =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (poller->fd < 0 || poller->timer < 0 ||
	    epoll_ctl(poller->fd, EPOLL_CTL_ADD, poller->timer, &end) < 0) {
		int error = errno;

		epoll_free(poller);
		return fail_null(error);
	}
	return poller;
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

static int epoll_arm(struct poller *poller, uint64_t due_ms)
{
	struct itimerspec due = {
		.it_value.tv_sec = (time_t)(due_ms / 1000),
		.it_value.tv_nsec = (long)(due_ms % 1000) * 1000000,
	};

	if (poller->armed_ms <= due_ms)
		return 0;
	if (timerfd_settime(poller->timer, TFD_TIMER_ABSTIME, &due, NULL) < 0)
		return -1;
	poller->armed_ms = due_ms;
	return 0;
}

static int epoll_wait_events(struct poller *poller, struct poll_event *events,
			     int max, int timeout_ms)
{
	int n, i, reported = 0;

	n = epoll_wait(poller->fd, poller->batch, max < BATCH ? max : BATCH,
		       timeout_ms);
	for (i = 0; i < n; i++) {
		const struct epoll_event *event = &poller->batch[i];

		if (event->data.ptr == NULL) {
			poller->armed_ms = UINT64_MAX;
			continue;
		}
		events[reported].delegate = event->data.ptr;
		events[reported++].ready = epoll_ready_of(event->events);
	}
	return n < 0 ? n : reported;
}

const struct poller_ops poller_epoll = {
	.name = "epoll",
	.new = epoll_new,
	.free = epoll_free,
	.add = epoll_add,
	.change = epoll_change,
	.remove = epoll_remove,
	.arm = epoll_arm,
	.wait = epoll_wait_events,
};
