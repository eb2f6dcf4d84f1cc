/* SPDX-License-Identifier: MIT */
/*
 * Delegates: what is registered with a dispatcher, and what the poller is told
 * of it. When their handlers run is for dispatcher.c to say.
 */
#include "config.h"

#include <lined/dispatcher.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher_priv.h"

static int reserve_fd(struct lined_dispatcher *d, int fd)
{
	size_t room = d->by_fd_room > 0 ? d->by_fd_room : 64;
	struct lined_delegate **table;

	while (room <= (size_t)fd)
		room *= 2;
	if (room == d->by_fd_room)
		return 0;
	table = realloc(d->by_fd, room * sizeof(*table));
	if (table == NULL)
		return -1;
	memset(table + d->by_fd_room, 0,
	       (room - d->by_fd_room) * sizeof(*table));
	d->by_fd = table;
	d->by_fd_room = room;
	return 0;
}

static int add_regular(struct lined_dispatcher *d,
		       struct lined_delegate *delegate)
{
	if (d->regular_count == d->regular_room) {
		size_t room = d->regular_room > 0 ? d->regular_room * 2 : 8;
		struct lined_delegate **table;

		table = realloc(d->regulars, room * sizeof(*table));
		if (table == NULL)
			return -1;
		d->regulars = table;
		d->regular_room = room;
	}
	d->regulars[d->regular_count++] = delegate;
	delegate->flags |= DELEGATE_REGULAR;
	return 0;
}

static void remove_regular(struct lined_dispatcher *d,
			   struct lined_delegate *delegate)
{
	size_t i;

	/* A hole: the turn may be walking the table. */
	for (i = 0; i < d->regular_count; i++)
		if (d->regulars[i] == delegate)
			d->regulars[i] = NULL;
	delegate->flags &= (uint8_t)~DELEGATE_REGULAR;
}

void delegates_close_holes(struct lined_dispatcher *d)
{
	size_t from, to = 0;

	for (from = 0; from < d->regular_count; from++)
		if (d->regulars[from] != NULL)
			d->regulars[to++] = d->regulars[from];
	d->regular_count = to;
}

static bool is_regular(const struct lined_delegate *delegate)
{
	/* A socket's table serves those with a task and those without. */
	if (delegate->handlers->socket_ops != NULL)
		return delegate->flags & DELEGATE_TASK;
	return delegate->handlers->task != NULL ||
	       delegate->handlers->has_data_buffered != NULL;
}

int delegate_attach(struct lined_dispatcher *d, struct lined_delegate *delegate)
{
	if (delegate->fd < 0) {
		errno = EBADF;
		return -1;
	}
	if (reserve_fd(d, delegate->fd) < 0)
		return -1;
	if (d->by_fd[delegate->fd] != NULL) {
		errno = EEXIST;
		return -1;
	}
	if (is_regular(delegate) && add_regular(d, delegate) < 0)
		return -1;
	if (d->ops->add(d->poller, delegate, delegate->mode) < 0) {
		int error = errno;

		if (delegate->flags & DELEGATE_REGULAR)
			remove_regular(d, delegate);
		errno = error;
		return -1;
	}
	delegate->interest = delegate->mode;
	delegate->flags |= DELEGATE_WATCHED;
	delegate->dispatcher = d;
	delegate->open = true;
	d->by_fd[delegate->fd] = delegate;
	return 0;
}

/* Events that were read for it but not delivered are forgotten. */
static void forget_events(struct lined_dispatcher *d,
			  const struct lined_delegate *delegate)
{
	int i;

	for (i = d->event; i < d->event_count; i++)
		if (d->events[i].delegate == delegate)
			d->events[i].delegate = NULL;
}

void delegate_unwatch(struct lined_dispatcher *d,
		      struct lined_delegate *delegate)
{
	if (!(delegate->flags & DELEGATE_WATCHED))
		return;
	d->ops->remove(d->poller, delegate);
	delegate->flags &= (uint8_t)~DELEGATE_WATCHED;
	delegate->interest = 0;
}

void delegate_detach(struct lined_dispatcher *d,
		     struct lined_delegate *delegate)
{
	delegate_unwatch(d, delegate);
	if (delegate->flags & DELEGATE_REGULAR)
		remove_regular(d, delegate);
	forget_events(d, delegate);
	d->by_fd[delegate->fd] = NULL;
	if (d->running == delegate)
		d->running = NULL;
	delegate->dispatcher = NULL;
	delegate->open = false;
}

int delegate_set_task(struct lined_delegate *delegate, bool task)
{
	struct lined_dispatcher *d = delegate->dispatcher;

	if (task)
		delegate->flags |= DELEGATE_TASK;
	else
		delegate->flags &= (uint8_t)~DELEGATE_TASK;
	if (d == NULL || task == !!(delegate->flags & DELEGATE_REGULAR))
		return 0;
	if (task)
		return add_regular(d, delegate);
	remove_regular(d, delegate);
	return 0;
}

int lined_dispatcher_register(struct lined_dispatcher *d,
			      struct lined_delegate *delegate)
{
	if (delegate->handlers == NULL) {
		errno = EINVAL;
		return -1;
	}
	/* One that was taken out comes back with its socket. */
	if (delegate->handlers->socket_ops != NULL)
		return delegate->handlers->socket_ops->register_delegate(
			d, delegate);
	if (delegate->dispatcher != NULL) {
		errno = EEXIST;
		return -1;
	}
	delegate->flags = 0;
	if (delegate_attach(d, delegate) < 0)
		return -1;
	d->len++;
	return 0;
}

int lined_dispatcher_unregister(struct lined_dispatcher *d,
				struct lined_delegate *delegate)
{
	if (delegate->handlers != NULL &&
	    delegate->handlers->socket_ops != NULL)
		return delegate->handlers->socket_ops->unregister_delegate(
			d, delegate);
	if (delegate->dispatcher != d ||
	    (delegate->flags & DELEGATE_INTERNAL)) {
		errno = ENOENT;
		return -1;
	}
	delegate_detach(d, delegate);
	d->len--;
	return 0;
}

/*
 * Interest is added at once but taken back only when an event comes that
 * nobody wants: a socket that stops reading for a moment costs no system call.
 */
int lined_delegate_set_mode(struct lined_delegate *delegate, unsigned mode)
{
	struct lined_dispatcher *d = delegate->dispatcher;

	if (d == NULL) {
		delegate->mode = (uint8_t)mode;
		return 0;
	}
	if (!(delegate->flags & DELEGATE_WATCHED)) {
		if (mode != 0) {
			if (d->ops->add(d->poller, delegate, mode) < 0)
				return -1;
			delegate->flags |= DELEGATE_WATCHED;
			delegate->interest = (uint8_t)mode;
		}
	} else if (mode & ~(unsigned)delegate->interest) {
		if (d->ops->change(d->poller, delegate, mode) < 0)
			return -1;
		delegate->interest = (uint8_t)mode;
	}
	delegate->mode = (uint8_t)mode;
	return 0;
}
