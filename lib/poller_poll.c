/* SPDX-License-Identifier: MIT */
/*
 * Polls by poll(2), for every system and every kind of descriptor. The pollfd
 * array has no holes; a delegate's slot is its index.
 */
#include "config.h"

#include "poller.h"

#include <poll.h>
#include <stdlib.h>

#include <lined/dispatcher.h>

#include "fail.h"

struct poller {
	struct pollfd *fds;
	struct lined_delegate **delegates;
	size_t count, room;
	/* Where the next report begins. With a fixed start, descriptors at the
	 * end would starve. */
	size_t next;
};

static struct poller *poll_new(void)
{
	return calloc(1, sizeof(struct poller));
}

static void poll_free(struct poller *poller)
{
	free(poller->fds);
	free(poller->delegates);
	free(poller);
}

static short poll_events_of(unsigned mode)
{
	short events = 0;

	if (mode & LINED_MODE_READ)
		events |= POLLIN;
	if (mode & LINED_MODE_WRITE)
		events |= POLLOUT;
	return events;
}

static int poll_grow(struct poller *poller)
{
	size_t room = poller->room > 0 ? poller->room * 2 : 16;
	struct pollfd *fds;
	struct lined_delegate **delegates;

	fds = realloc(poller->fds, room * sizeof(*fds));
	if (fds == NULL)
		return -1;
	poller->fds = fds;
	delegates = realloc(poller->delegates, room * sizeof(*delegates));
	if (delegates == NULL)
		return -1;
	poller->delegates = delegates;
	poller->room = room;
	return 0;
}

static int poll_add(struct poller *poller, struct lined_delegate *delegate,
		    unsigned mode)
{
	struct pollfd probe = {.fd = delegate->fd};

	/* epoll refuses a bad descriptor at once; do the same here, because
	 * poll would report it in every turn. */
	if (poll(&probe, 1, 0) > 0 && (probe.revents & POLLNVAL))
		return fail_with(EBADF);
	if (poller->count == poller->room && poll_grow(poller) < 0)
		return -1;
	delegate->slot = (uint32_t)poller->count;
	poller->fds[poller->count].fd = delegate->fd;
	poller->fds[poller->count].events = poll_events_of(mode);
	poller->fds[poller->count].revents = 0;
	poller->delegates[poller->count] = delegate;
	poller->count++;
	return 0;
}

static int poll_change(struct poller *poller, struct lined_delegate *delegate,
		       unsigned mode)
{
	poller->fds[delegate->slot].events = poll_events_of(mode);
	return 0;
}

static void poll_remove(struct poller *poller, struct lined_delegate *delegate)
{
	size_t last = --poller->count, slot = delegate->slot;

	poller->fds[slot] = poller->fds[last];
	poller->delegates[slot] = poller->delegates[last];
	poller->delegates[slot]->slot = (uint32_t)slot;
}

static unsigned poll_ready_of(short revents)
{
	unsigned ready = 0;

	if (revents & (POLLIN | POLLPRI))
		ready |= POLL_READY_READ;
	if (revents & POLLOUT)
		ready |= POLL_READY_WRITE;
	if (revents & (POLLERR | POLLNVAL))
		ready |= POLL_READY_ERROR;
	if (revents & POLLHUP)
		ready |= POLL_READY_HANGUP;
	return ready;
}

static int poll_wait(struct poller *poller, struct poll_event *events, int max,
		     int timeout_ms)
{
	int left = poll(poller->fds, (nfds_t)poller->count, timeout_ms);
	int n = 0;
	size_t seen, at;

	if (left < 0)
		return -1;
	at = poller->next < poller->count ? poller->next : 0;
	for (seen = 0; seen < poller->count && n < left && n < max; seen++) {
		if (poller->fds[at].revents != 0) {
			events[n].delegate = poller->delegates[at];
			events[n].ready =
				poll_ready_of(poller->fds[at].revents);
			n++;
		}
		if (++at == poller->count)
			at = 0;
	}
	poller->next = at;
	return n;
}

const struct poller_ops poller_poll = {
	.name = "poll",
	.new = poll_new,
	.free = poll_free,
	.add = poll_add,
	.change = poll_change,
	.remove = poll_remove,
	.wait = poll_wait,
};
