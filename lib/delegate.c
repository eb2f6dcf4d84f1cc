/* SPDX-License-Identifier: MIT */
/*
 * Registers delegates with a dispatcher and its poller. dispatcher.c calls
 * their callbacks.
 */
#include "config.h"

#include <lined/dispatcher.h>

#include <stdlib.h>
#include <string.h>

#include "dispatcher_priv.h"
#include "fail.h"

static int delegates_reserve_fd(struct lined_dispatcher *d, int fd)
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

static int delegate_add_every_turn(struct lined_dispatcher *d,
				   struct lined_delegate *delegate)
{
	if (d->every_turn_count == d->every_turn_room) {
		size_t room =
			d->every_turn_room > 0 ? d->every_turn_room * 2 : 8;
		struct lined_delegate **table;

		table = realloc(d->every_turn, room * sizeof(*table));
		if (table == NULL)
			return -1;
		d->every_turn = table;
		d->every_turn_room = room;
	}
	d->every_turn[d->every_turn_count++] = delegate;
	delegate->flags |= DELEGATE_EVERY_TURN;
	return 0;
}

static void delegate_remove_every_turn(struct lined_dispatcher *d,
				       struct lined_delegate *delegate)
{
	size_t i;

	/* Leave a hole: the turn may be walking the table. */
	for (i = 0; i < d->every_turn_count; i++)
		if (d->every_turn[i] == delegate)
			d->every_turn[i] = NULL;
	delegate->flags &= (uint8_t)~DELEGATE_EVERY_TURN;
}

void delegates_close_holes(struct lined_dispatcher *d)
{
	size_t from, to = 0;

	for (from = 0; from < d->every_turn_count; from++)
		if (d->every_turn[from] != NULL)
			d->every_turn[to++] = d->every_turn[from];
	d->every_turn_count = to;
}

static bool delegate_is_every_turn(const struct lined_delegate *delegate)
{
	/* The handlers of all sockets have a task; DELEGATE_TASK says whether
	 * this socket needs it. */
	if (delegate->handlers->socket_ops != NULL)
		return delegate->flags & DELEGATE_TASK;
	return delegate->handlers->task != NULL ||
	       delegate->handlers->has_data_buffered != NULL;
}

int delegate_attach(struct lined_dispatcher *d, struct lined_delegate *delegate)
{
	if (delegate->fd < 0)
		return fail_with(EBADF);
	if (delegates_reserve_fd(d, delegate->fd) < 0)
		return -1;
	if (d->by_fd[delegate->fd] != NULL)
		return fail_with(EEXIST);
	if (delegate_is_every_turn(delegate) &&
	    delegate_add_every_turn(d, delegate) < 0)
		return -1;
	if (d->ops->add(d->poller, delegate, delegate->mode) < 0) {
		int error = errno;

		if (delegate->flags & DELEGATE_EVERY_TURN)
			delegate_remove_every_turn(d, delegate);
		return fail_with(error);
	}
	delegate->interest = delegate->mode;
	delegate->flags |= DELEGATE_WATCHED;
	delegate->dispatcher = d;
	delegate->open = true;
	d->by_fd[delegate->fd] = delegate;
	return 0;
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
	int i;

	delegate_unwatch(d, delegate);
	if (delegate->flags & DELEGATE_EVERY_TURN)
		delegate_remove_every_turn(d, delegate);
	/* Drops the events that were read for a delegate but not delivered. */
	for (i = d->event; i < d->event_count; i++)
		if (d->events[i].delegate == delegate)
			d->events[i].delegate = NULL;
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
	if (d == NULL || task == !!(delegate->flags & DELEGATE_EVERY_TURN))
		return 0;
	if (task)
		return delegate_add_every_turn(d, delegate);
	delegate_remove_every_turn(d, delegate);
	return 0;
}

int lined_dispatcher_register(struct lined_dispatcher *d,
			      struct lined_delegate *delegate)
{
	if (delegate->handlers == NULL)
		return fail_with(EINVAL);
	/* For the delegate of a socket, registers the socket. */
	if (delegate->handlers->socket_ops != NULL)
		return delegate->handlers->socket_ops->register_delegate(
			d, delegate);
	if (delegate->dispatcher != NULL)
		return fail_with(EEXIST);
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
	if (delegate->dispatcher != d || (delegate->flags & DELEGATE_INTERNAL))
		return fail_with(ENOENT);
	delegate_detach(d, delegate);
	d->len--;
	return 0;
}

/*
 * Added interest is passed to the poller at once. Removed interest is passed
 * only when the delegate's next event comes, so that a socket that stops
 * reading for a moment costs no system call.
 */
int lined_delegate_set_mode(struct lined_delegate *delegate, unsigned mode)
{
	struct lined_dispatcher *d = delegate->dispatcher;
	bool watched = delegate->flags & DELEGATE_WATCHED;

	/* The interest of a delegate that is not watched is 0. */
	if (d != NULL && mode & ~(unsigned)delegate->interest) {
		if ((watched ? d->ops->change
			     : d->ops->add)(d->poller, delegate, mode) < 0)
			return -1;
		delegate->flags |= DELEGATE_WATCHED;
		delegate->interest = (uint8_t)mode;
	}
	delegate->mode = (uint8_t)mode;
	return 0;
}
