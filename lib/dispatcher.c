/* SPDX-License-Identifier: MIT */
/*
 * Makes and frees dispatchers, and runs the phases of a turn
 * (lined/dispatcher.h). A dispatcher has the lists in which sockets wait for a
 * phase; the files of the socket do the work.
 */
#include "config.h"

#include <lined/dispatcher.h>

#include <limits.h>
#include <stdlib.h>

#include "cache_line.h"
#include "counter.h"
#include "dispatcher_priv.h"
#include "fail.h"
#include "resolver.h"

/* ---- making and ending ------------------------------------------------ */

static void dispatcher_woken(struct lined_delegate *delegate)
{
	struct lined_dispatcher *d = delegate->dispatcher;

	mailbox_seen(&d->mailbox);
	d->mail_seen = true;
}

static const struct lined_delegate_handlers wakeup_handlers = {
	.handle_read = dispatcher_woken,
};

static int dispatcher_init_poller(struct lined_dispatcher *d)
{
	d->ops = poller_find(getenv("LINED_POLLER"));
	if (d->ops == NULL)
		return -1;
	d->poller = d->ops->new ();
	return d->poller == NULL ? -1 : 0;
}

static int dispatcher_init_wakeup(struct lined_dispatcher *d)
{
	if (mailbox_init(&d->mailbox) < 0)
		return -1;
	d->wakeup.fd = d->mailbox.wakeup.read_fd;
	d->wakeup.mode = LINED_MODE_READ;
	d->wakeup.handlers = &wakeup_handlers;
	d->wakeup.flags = DELEGATE_INTERNAL;
	if (delegate_attach(d, &d->wakeup) < 0) {
		int error = errno;

		mailbox_fini(&d->mailbox);
		return fail_with(error);
	}
	return 0;
}

struct lined_dispatcher *lined_dispatcher_new(void)
{
	struct lined_dispatcher *d = cache_line_calloc(sizeof(*d));
	int error;

	if (d == NULL)
		return NULL;
	list_init(&d->ready);
	list_init(&d->closed);
	list_init(&d->dead);
	list_init(&d->dirty);
	list_init(&d->unattached);
	list_init(&d->keepers);
	message_queue_init(&d->deferred);
	message_queue_init(&d->due);
	dispatcher_read_clock(d);
	d->read_buffer = malloc(READ_SIZE + 1);
	if (d->read_buffer == NULL || dispatcher_init_poller(d) < 0)
		goto fail;
	if (dispatcher_init_wakeup(d) == 0)
		return d;
fail:
	error = errno;
	if (d->poller != NULL)
		d->ops->free(d->poller);
	free(d->by_fd);
	free(d->read_buffer);
	free(d);
	return fail_null(error);
}

#define ENDING_ROUNDS 8

/* Calls a function for each member of a list. Members that are added meanwhile
 * stay for the next call. */
static inline void dispatcher_work_off(struct list *waiting,
				       void (*work)(struct list *link))
{
	struct list now;

	if (list_is_empty(waiting))
		return;
	list_init(&now);
	list_splice(&now, waiting);
	while (!list_is_empty(&now)) {
		struct list *link = now.next;

		list_remove(link);
		work(link);
	}
}

static void dispatcher_shut_down(struct lined_dispatcher *d,
				 struct lined_delegate *delegate)
{
	if (delegate->handlers->socket_ops != NULL)
		delegate->handlers->socket_ops->shut_down(delegate);
	else
		lined_dispatcher_unregister(d, delegate);
}

/* A handle_close may register another socket, which the next round closes. From
 * round ENDING_ROUNDS on, registering fails: otherwise the rounds might never
 * end. */
static void dispatcher_close_all(struct lined_dispatcher *d)
{
	const struct lined_socket_ops *ops = d->socket_ops;
	unsigned rounds = 0;
	size_t fd;

	while (d->len > 0 || !list_is_empty(&d->closed)) {
		d->ending = ++rounds >= ENDING_ROUNDS;
		for (fd = 0; fd < d->by_fd_room; fd++)
			if (d->by_fd[fd] != NULL && d->by_fd[fd] != &d->wakeup)
				dispatcher_shut_down(d, d->by_fd[fd]);
		if (ops == NULL)
			continue;
		dispatcher_work_off(&d->unattached, ops->shut_down_unattached);
		dispatcher_work_off(&d->closed, ops->deliver_close);
		dispatcher_work_off(&d->dead, ops->free);
	}
}

void lined_dispatcher_free(struct lined_dispatcher *d)
{
	if (d == NULL)
		return;
	mailbox_set_open(&d->mailbox, false);
	dispatcher_close_all(d);
	resolver_free(d->resolver);
	messages_cancel(d);
	timer_heap_fini(&d->timers);
	timer_heap_fini(&d->deadlines);
	delegate_detach(d, &d->wakeup);
	mailbox_fini(&d->mailbox);
	d->ops->free(d->poller);
	websocket_cache_clear(&d->websockets);
	send_pool_fini(&d->pool);
	if (d->transport_memory != NULL)
		d->transport_memory_free(d->transport_memory);
	free(d->every_turn);
	free(d->by_fd);
	free(d->read_buffer);
	free(d);
}

size_t lined_dispatcher_len(const struct lined_dispatcher *d)
{
	return d->len;
}

const char *lined_dispatcher_poller(const struct lined_dispatcher *d)
{
	return d->ops->name;
}

uint64_t lined_dispatcher_now_ms(const struct lined_dispatcher *d)
{
	return d->now_ms;
}

uintptr_t dispatcher_calling(const struct lined_dispatcher *d)
{
	return __atomic_load_n(&d->calling, __ATOMIC_RELAXED);
}

const struct lined_socket_group *
dispatcher_serving(const struct lined_dispatcher *d)
{
	return __atomic_load_n(&d->serving, __ATOMIC_RELAXED);
}

/* ---- a turn ----------------------------------------------------------- */

static bool dispatcher_is_pending(const struct lined_dispatcher *d)
{
	return !list_is_empty(&d->ready) || !list_is_empty(&d->closed) ||
	       !list_is_empty(&d->dirty) || !list_is_empty(&d->dead) ||
	       d->deferred.first != NULL || d->mail_seen;
}

static bool dispatcher_is_open(const struct lined_dispatcher *d)
{
	return d->len > 0 || d->timers.count > 0 || d->mailbox_open ||
	       dispatcher_is_pending(d);
}

/*
 * Whether to call handle_read of every_turn[i] for buffered data. Data that no
 * handler takes does not count: it would stay, and poll would never wait.
 * has_data_buffered() may have unregistered the delegate.
 */
static bool dispatcher_may_give_data(struct lined_dispatcher *d, size_t i)
{
	struct lined_delegate *delegate = d->every_turn[i];

	return delegate != NULL && delegate->mode & LINED_MODE_READ &&
	       delegate->handlers->handle_read != NULL &&
	       delegate->handlers->has_data_buffered != NULL &&
	       delegate->handlers->has_data_buffered(delegate) &&
	       d->every_turn[i] == delegate;
}

static bool dispatcher_has_data(struct lined_dispatcher *d)
{
	size_t i;

	for (i = 0; i < d->every_turn_count; i++)
		if (dispatcher_may_give_data(d, i))
			return true;
	return false;
}

static int dispatcher_wait_ms(struct lined_dispatcher *d, int timeout_ms)
{
	uint64_t due = timers_due(d), left;

	if (dispatcher_is_pending(d) || dispatcher_has_data(d))
		return 0;
	if (due == UINT64_MAX)
		return timeout_ms;
	if (due <= d->now_ms)
		return 0;
	if (d->ops->arm != NULL && d->ops->arm(d->poller, due) == 0)
		return timeout_ms;
	left = due - d->now_ms;
	if (left > INT_MAX)
		left = INT_MAX;
	return timeout_ms < 0 || (uint64_t)timeout_ms > left ? (int)left
							     : timeout_ms;
}

/* Calls a handler. False: the delegate is no longer registered. */
static bool dispatcher_call(struct lined_dispatcher *d,
			    struct lined_delegate *delegate,
			    void (*handler)(struct lined_delegate *delegate))
{
	d->running = delegate;
	dispatcher_begin_call(d, (uintptr_t)handler);
	handler(delegate);
	dispatcher_end_call(d);
	if (d->running == NULL)
		return false;
	d->running = NULL;
	if (!delegate->open) {
		lined_dispatcher_unregister(d, delegate);
		return false;
	}
	return true;
}

/*
 * The poller reports error and hang-up in any mode. For an error handle_error
 * is called, then the handler of the mode, which finds the error or the end by
 * its system call. A delegate without a handler of its mode is no longer
 * watched, because the poller would report the same in every turn. If such a
 * delegate has an error and no handle_error, it is unregistered. False: the
 * handler of the mode is not to be called.
 */
static bool dispatcher_deliver_error(struct lined_dispatcher *d,
				     struct lined_delegate *delegate,
				     unsigned *ready)
{
	const struct lined_delegate_handlers *handlers = delegate->handlers;
	unsigned wanted = 0;

	if (delegate->mode & LINED_MODE_READ && handlers->handle_read != NULL)
		wanted |= POLL_READY_READ;
	else if (delegate->mode & LINED_MODE_WRITE &&
		 handlers->handle_write != NULL)
		wanted |= POLL_READY_WRITE;
	if (*ready & POLL_READY_ERROR && handlers->handle_error != NULL) {
		if (!dispatcher_call(d, delegate, handlers->handle_error))
			return false;
		if (!(delegate->flags & DELEGATE_WATCHED))
			return false;
	}
	if (wanted != 0) {
		*ready |= wanted;
		return true;
	}
	if (*ready & POLL_READY_ERROR && handlers->handle_error == NULL)
		lined_dispatcher_unregister(d, delegate);
	else
		delegate_unwatch(d, delegate); /* until its mode is set */
	return false;
}

static void dispatcher_deliver_event(struct lined_dispatcher *d,
				     struct lined_delegate *delegate,
				     unsigned ready)
{
	const struct lined_delegate_handlers *handlers = delegate->handlers;

	if (ready & (POLL_READY_ERROR | POLL_READY_HANGUP) &&
	    !dispatcher_deliver_error(d, delegate, &ready))
		return;
	/* lined_delegate_set_mode() does not pass removed interest to the
	 * poller; this event may be an unwanted one. */
	if (delegate->interest & ~delegate->mode &&
	    d->ops->change(d->poller, delegate, delegate->mode) == 0)
		delegate->interest = delegate->mode;
	if (ready & POLL_READY_READ && delegate->mode & LINED_MODE_READ &&
	    handlers->handle_read != NULL &&
	    !dispatcher_call(d, delegate, handlers->handle_read))
		return;
	if (ready & POLL_READY_WRITE && delegate->mode & LINED_MODE_WRITE &&
	    handlers->handle_write != NULL)
		dispatcher_call(d, delegate, handlers->handle_write);
}

static void dispatcher_io_phase(struct lined_dispatcher *d)
{
	struct list leftover;
	size_t i, every_turn = d->every_turn_count;

	/* Serves only the sockets that are in d->ready now: a socket that this
	 * phase puts there waits for the next turn. */
	list_init(&leftover);
	list_splice(&leftover, &d->ready);

	for (d->event = 0; d->event < d->event_count;) {
		struct poll_event event = d->events[d->event++];

		if (event.delegate != NULL)
			dispatcher_deliver_event(d, event.delegate,
						 event.ready);
	}
	d->event_count = 0;
	for (i = 0; i < every_turn; i++)
		if (dispatcher_may_give_data(d, i))
			dispatcher_call(
				d, d->every_turn[i],
				d->every_turn[i]->handlers->handle_read);
	if (d->socket_ops != NULL)
		dispatcher_work_off(&leftover, d->socket_ops->serve_leftover);
}

/* Calls the tasks of the first `count` delegates: delegates that were
 * registered in this turn wait for the next turn. */
static void dispatcher_task_phase(struct lined_dispatcher *d, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct lined_delegate *delegate = d->every_turn[i];

		if (delegate != NULL && delegate->handlers->task != NULL)
			dispatcher_call(d, delegate, delegate->handlers->task);
	}
	delegates_close_holes(d);
}

/* Calls handle_close before the flush, because handle_close may send to other
 * sockets, and after the flush, because a flush may close sockets. */
static void dispatcher_socket_phases(struct lined_dispatcher *d)
{
	dispatcher_work_off(&d->closed, d->socket_ops->deliver_close);
	dispatcher_work_off(&d->dirty, d->socket_ops->flush);
	dispatcher_work_off(&d->closed, d->socket_ops->deliver_close);
	dispatcher_work_off(&d->dead, d->socket_ops->free);
}

const uint32_t turn_stats_bounds_us[TURN_STATS_BOUNDS] = {
	100, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000,
};

void turn_stats_count(struct turn_stats *stats, uint64_t busy_ns)
{
	unsigned i = 0;

	/* Almost all turns are within the first bound. */
	while (i < TURN_STATS_BOUNDS &&
	       busy_ns > turn_stats_bounds_us[i] * UINT64_C(1000))
		i++;
	counter_add(&stats->turns, 1);
	counter_add(&stats->busy_ns, busy_ns);
	counter_add(&stats->lasted[i], 1);
}

/* Counts the last turn. A turn lasts until the next wait: events also wait
 * while the program works between two calls of lined_dispatcher_poll(). */
static void dispatcher_begin_wait(struct lined_dispatcher *d)
{
	dispatcher_read_clock(d);
	if (d->woken_ns > 0)
		turn_stats_count(&d->turns, d->now_ns - d->woken_ns);
	d->woken_ns = 0;
}

const struct turn_stats *dispatcher_turns(const struct lined_dispatcher *d)
{
	return &d->turns;
}

int lined_dispatcher_poll(struct lined_dispatcher *d, int timeout_ms)
{
	size_t every_turn;
	int n;

	if (d->in_turn)
		return fail_with(EDEADLK);
	if (!dispatcher_is_open(d))
		return 0;
	dispatcher_begin_wait(d);
	n = d->ops->wait(d->poller, d->events, TURN_EVENTS,
			 dispatcher_wait_ms(d, timeout_ms));
	if (n < 0 && errno != EINTR)
		return -1;
	d->in_turn = true;
	d->event_count = n < 0 ? 0 : n;
	every_turn = d->every_turn_count;
	dispatcher_read_clock(d);
	d->woken_ns = d->now_ns;
	dispatcher_io_phase(d);
	if (d->mail_seen || d->deferred.first != NULL)
		messages_deliver(d);
	if (timers_due(d) <= d->now_ms)
		timers_fire(d);
	dispatcher_task_phase(d, every_turn);
	if (d->socket_ops != NULL)
		dispatcher_socket_phases(d);
	if (d->memory_asks_keepers || memory_is_due(&d->pool.memory))
		memory_check_turn(d);
	d->in_turn = false;
	return dispatcher_is_open(d) ? 1 : 0;
}
