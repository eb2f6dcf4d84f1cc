/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: timers, messages and the phases of a turn
 * (lined/dispatcher.h). What is registered is kept by delegate.c. Of sockets it
 * knows only the lists in which they wait for a phase; what happens to them
 * there is in the socket's files.
 */
#include "config.h"

#include <lined/dispatcher.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "cache_line.h"
#include "dispatcher_priv.h"
#include "resolver.h"
#include "serving.h"

static void read_clock(struct lined_dispatcher *d)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	d->now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	d->now_ms = d->now_ns / 1000000;
}

uint64_t dispatcher_clock(struct lined_dispatcher *d)
{
	if (!d->in_turn)
		read_clock(d);
	return d->now_ms;
}

static void message_queue_init(struct message_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

/* ---- making and ending ------------------------------------------------ */

static void wakeup_seen(struct lined_delegate *delegate)
{
	struct lined_dispatcher *d = delegate->dispatcher;

	mailbox_seen(&d->mailbox);
	d->mail_seen = true;
}

static const struct lined_delegate_handlers wakeup_handlers = {
	.handle_read = wakeup_seen,
};

static int init_poller(struct lined_dispatcher *d)
{
	d->ops = poller_find(getenv("LINED_POLLER"));
	if (d->ops == NULL)
		return -1;
	d->poller = d->ops->new ();
	return d->poller == NULL ? -1 : 0;
}

static int init_wakeup(struct lined_dispatcher *d)
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
		errno = error;
		return -1;
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
	message_queue_init(&d->deferred);
	message_queue_init(&d->due);
	read_clock(d);
	d->read_buffer = malloc(READ_SIZE + 1);
	if (d->read_buffer == NULL || init_poller(d) < 0)
		goto fail;
	if (init_wakeup(d) == 0)
		return d;
fail:
	error = errno;
	if (d->poller != NULL)
		d->ops->free(d->poller);
	free(d->by_fd);
	free(d->read_buffer);
	free(d);
	errno = error;
	return NULL;
}

#define ENDING_ROUNDS 8

static void deliver_mail(struct lined_dispatcher *d, bool cancel);
static void deliver_deferred(struct lined_dispatcher *d, bool cancel);

/* Works off a list. What joins it meanwhile stays for the next time. */
static void work_off(struct list *waiting, void (*work)(struct list *link))
{
	struct list now;

	list_init(&now);
	list_splice(&now, waiting);
	while (!list_is_empty(&now)) {
		struct list *link = now.next;

		list_remove(link);
		work(link);
	}
}

static void shut_down(struct lined_dispatcher *d,
		      struct lined_delegate *delegate)
{
	if (delegate->handlers->socket_ops != NULL)
		delegate->handlers->socket_ops->shut_down(delegate);
	else
		lined_dispatcher_unregister(d, delegate);
}

/* What handle_close opens anew is closed as well; who never has enough of it is
 * refused in the end. */
static void close_everything(struct lined_dispatcher *d)
{
	const struct lined_socket_ops *ops = d->socket_ops;
	unsigned rounds = 0;
	size_t fd;

	while (d->len > 0 || !list_is_empty(&d->closed)) {
		d->ending = ++rounds == ENDING_ROUNDS;
		for (fd = 0; fd < d->by_fd_room; fd++)
			if (d->by_fd[fd] != NULL && d->by_fd[fd] != &d->wakeup)
				shut_down(d, d->by_fd[fd]);
		if (ops == NULL)
			continue;
		work_off(&d->unattached, ops->shut_down_unattached);
		work_off(&d->closed, ops->deliver_close);
		work_off(&d->dead, ops->free);
	}
}

void lined_dispatcher_free(struct lined_dispatcher *d)
{
	if (d == NULL)
		return;
	mailbox_set_open(&d->mailbox, false);
	close_everything(d);
	resolver_free(d->resolver);
	deliver_mail(d, true);
	deliver_deferred(d, true);
	timer_heap_fini(&d->timers);
	timer_heap_fini(&d->deadlines);
	delegate_detach(d, &d->wakeup);
	mailbox_fini(&d->mailbox);
	d->ops->free(d->poller);
	send_pool_fini(&d->pool);
	free(d->regulars);
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

static void begin_calling(struct lined_dispatcher *d, uintptr_t handler)
{
	__atomic_store_n(&d->calling, handler, __ATOMIC_RELAXED);
}

static void end_calling(struct lined_dispatcher *d)
{
	__atomic_store_n(&d->calling, 0, __ATOMIC_RELAXED);
}

const struct lined_socket_group *
dispatcher_serving(const struct lined_dispatcher *d)
{
	return __atomic_load_n(&d->serving, __ATOMIC_RELAXED);
}

struct resolver *dispatcher_resolver(struct lined_dispatcher *d)
{
	if (d->resolver == NULL)
		d->resolver = resolver_new(&d->mailbox);
	return d->resolver;
}

/* ---- timers ----------------------------------------------------------- */

void lined_timer_init(struct lined_timer *timer,
		      struct lined_dispatcher *dispatcher,
		      void (*handler)(struct lined_timer *timer))
{
	timer->dispatcher = dispatcher;
	timer->handler = handler;
	timer->interval_ms = 0;
	timer->slot = TIMER_UNARMED;
}

/* The next turn at the earliest: the timer phase of this one may be running,
 * and would never end. */
static int arm(struct lined_dispatcher *d, struct timer_heap *heap,
	       uint32_t *slot, uint64_t delay_ms)
{
	uint64_t now_ms = dispatcher_clock(d);

	if (delay_ms == 0 && d->in_turn)
		delay_ms = 1;
	if (delay_ms > UINT64_MAX - 1 - now_ms)
		delay_ms = UINT64_MAX - 1 - now_ms;
	return timer_heap_set(heap, slot, now_ms + delay_ms);
}

int lined_timer_start(struct lined_timer *timer, uint64_t delay_ms,
		      uint32_t interval_ms)
{
	struct lined_dispatcher *d = timer->dispatcher;

	if (arm(d, &d->timers, &timer->slot, delay_ms) < 0)
		return -1;
	timer->interval_ms = interval_ms;
	return 0;
}

void lined_timer_stop(struct lined_timer *timer)
{
	timer_heap_remove(&timer->dispatcher->timers, &timer->slot);
}

bool lined_timer_is_armed(const struct lined_timer *timer)
{
	return timer->slot != TIMER_UNARMED;
}

int dispatcher_set_deadline(struct lined_dispatcher *d, uint32_t *slot,
			    uint64_t delay_ms)
{
	return arm(d, &d->deadlines, slot, delay_ms);
}

static void fire_timer(struct lined_dispatcher *d)
{
	struct lined_timer *timer = lined_container_of(
		d->timers.entries[0].slot, struct lined_timer, slot);

	/* Re-armed before the call: the handler may stop or free it. */
	if (timer->interval_ms > 0)
		timer_heap_set(&d->timers, &timer->slot,
			       d->now_ms + timer->interval_ms);
	else
		timer_heap_remove(&d->timers, &timer->slot);
	begin_calling(d, (uintptr_t)timer->handler);
	timer->handler(timer);
	end_calling(d);
}

static void fire_deadline(struct lined_dispatcher *d)
{
	uint32_t *slot = d->deadlines.entries[0].slot;

	timer_heap_remove(&d->deadlines, slot);
	begin_calling(d, (uintptr_t)d->socket_ops->expire);
	d->socket_ops->expire(slot);
	end_calling(d);
}

static uint64_t first_due(const struct lined_dispatcher *d)
{
	uint64_t timer = timer_heap_due(&d->timers);
	uint64_t deadline = timer_heap_due(&d->deadlines);

	return timer < deadline ? timer : deadline;
}

/* Of both kinds, in the order in which they are due. */
static void fire_timers(struct lined_dispatcher *d)
{
	uint64_t due;

	while ((due = first_due(d)) <= d->now_ms)
		if (due == timer_heap_due(&d->timers))
			fire_timer(d);
		else
			fire_deadline(d);
}

/* ---- messages --------------------------------------------------------- */

void lined_dispatcher_wake(struct lined_dispatcher *d)
{
	mailbox_wake(&d->mailbox);
}

uint64_t dispatcher_wakeups(const struct lined_dispatcher *d)
{
	return __atomic_load_n(&d->mailbox.wakeups, __ATOMIC_RELAXED);
}

void lined_dispatcher_open_mailbox(struct lined_dispatcher *d)
{
	mailbox_set_open(&d->mailbox, true);
	d->mailbox_open = true;
}

void lined_dispatcher_close_mailbox(struct lined_dispatcher *d)
{
	mailbox_set_open(&d->mailbox, false);
	d->mailbox_open = false;
	/* What was posted before has to be handled by one more turn. */
	d->mail_seen = true;
}

int lined_dispatcher_post(struct lined_dispatcher *d,
			  struct lined_message *message)
{
	return mailbox_post(&d->mailbox, message, false);
}

static void deliver_message(struct lined_dispatcher *d,
			    struct lined_message *message, bool cancel)
{
	begin_calling(d, (uintptr_t)message->handler);
	if (!cancel)
		message->handler(message);
	else if (message->cancel != NULL)
		message->cancel(message);
	end_calling(d);
}

static void deliver_mail(struct lined_dispatcher *d, bool cancel)
{
	struct lined_message *message, *next;

	d->mail_seen = false;
	for (message = mailbox_take(&d->mailbox); message != NULL;
	     message = next) {
		next = message->next;
		deliver_message(d, message, cancel);
	}
}

void lined_dispatcher_defer(struct lined_dispatcher *d,
			    struct lined_message *message)
{
	message->next = NULL;
	*d->deferred.last = message;
	d->deferred.last = &message->next;
}

static void take_out(struct message_queue *queue,
		     const struct lined_message *message)
{
	struct lined_message **at;

	for (at = &queue->first; *at != NULL; at = &(*at)->next) {
		if (*at != message)
			continue;
		*at = message->next;
		if (*at == NULL)
			queue->last = at;
		return;
	}
}

void lined_dispatcher_undefer(struct lined_dispatcher *d,
			      struct lined_message *message)
{
	take_out(&d->deferred, message);
	take_out(&d->due, message);
}

/* What is deferred meanwhile is for the next phase. */
static void deliver_deferred(struct lined_dispatcher *d, bool cancel)
{
	struct lined_message *message;

	if (d->deferred.first == NULL)
		return;
	d->due.first = d->deferred.first;
	d->due.last = d->deferred.last;
	message_queue_init(&d->deferred);
	while ((message = d->due.first) != NULL) {
		d->due.first = message->next;
		if (d->due.first == NULL)
			d->due.last = &d->due.first;
		deliver_message(d, message, cancel);
	}
}

/* ---- a turn ----------------------------------------------------------- */

static bool is_pending(const struct lined_dispatcher *d)
{
	return !list_is_empty(&d->ready) || !list_is_empty(&d->closed) ||
	       !list_is_empty(&d->dirty) || !list_is_empty(&d->dead) ||
	       d->deferred.first != NULL || d->mail_seen;
}

static bool is_open(const struct lined_dispatcher *d)
{
	return d->len > 0 || d->timers.count > 0 || d->mailbox_open ||
	       is_pending(d);
}

/*
 * Whether a regular has data buffered that it may be given now: one that does
 * not read, or has nothing to read with, would be asked for ever. Asking may
 * have unregistered it.
 */
static bool has_data(struct lined_dispatcher *d, size_t i)
{
	struct lined_delegate *delegate = d->regulars[i];

	return delegate != NULL && delegate->mode & LINED_MODE_READ &&
	       delegate->handlers->handle_read != NULL &&
	       delegate->handlers->has_data_buffered != NULL &&
	       delegate->handlers->has_data_buffered(delegate) &&
	       d->regulars[i] == delegate;
}

static bool is_data_buffered(struct lined_dispatcher *d)
{
	size_t i;

	for (i = 0; i < d->regular_count; i++)
		if (has_data(d, i))
			return true;
	return false;
}

static int wait_ms(struct lined_dispatcher *d, int timeout_ms)
{
	uint64_t due = first_due(d), left;

	if (is_pending(d) || is_data_buffered(d))
		return 0;
	if (due == UINT64_MAX)
		return timeout_ms;
	if (due <= d->now_ms)
		return 0;
	left = due - d->now_ms;
	if (left > INT_MAX)
		left = INT_MAX;
	return timeout_ms < 0 || (uint64_t)timeout_ms > left ? (int)left
							     : timeout_ms;
}

/* Calls one handler; false when the delegate is gone afterwards. */
static bool call(struct lined_dispatcher *d, struct lined_delegate *delegate,
		 void (*handler)(struct lined_delegate *delegate))
{
	d->running = delegate;
	begin_calling(d, (uintptr_t)handler);
	handler(delegate);
	end_calling(d);
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
 * Error and hang-up come whether one asks for them or not. Whoever reads or
 * writes finds them by doing so; for the rest there is handle_error. What
 * nobody takes is not reported for ever.
 */
static bool deliver_trouble(struct lined_dispatcher *d,
			    struct lined_delegate *delegate, unsigned *ready)
{
	const struct lined_delegate_handlers *handlers = delegate->handlers;
	unsigned wanted = 0;

	if (delegate->mode & LINED_MODE_READ && handlers->handle_read != NULL)
		wanted |= POLL_READY_READ;
	else if (delegate->mode & LINED_MODE_WRITE &&
		 handlers->handle_write != NULL)
		wanted |= POLL_READY_WRITE;
	if (*ready & POLL_READY_ERROR && handlers->handle_error != NULL) {
		if (!call(d, delegate, handlers->handle_error))
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
		delegate_unwatch(d, delegate); /* until its mode is set again */
	return false;
}

static void deliver(struct lined_dispatcher *d, struct lined_delegate *delegate,
		    unsigned ready)
{
	const struct lined_delegate_handlers *handlers = delegate->handlers;

	if (ready & (POLL_READY_ERROR | POLL_READY_HANGUP) &&
	    !deliver_trouble(d, delegate, &ready))
		return;
	/* An event for what is not wanted any more: say so to the poller. */
	if (delegate->interest & ~delegate->mode &&
	    d->ops->change(d->poller, delegate, delegate->mode) == 0)
		delegate->interest = delegate->mode;
	if (ready & POLL_READY_READ && delegate->mode & LINED_MODE_READ &&
	    handlers->handle_read != NULL &&
	    !call(d, delegate, handlers->handle_read))
		return;
	if (ready & POLL_READY_WRITE && delegate->mode & LINED_MODE_WRITE &&
	    handlers->handle_write != NULL)
		call(d, delegate, handlers->handle_write);
}

static void io_phase(struct lined_dispatcher *d)
{
	struct list leftover;
	size_t i, regulars = d->regular_count;

	/* Only what was left over by the turn before: what becomes ready now
	 * waits its turn. */
	list_init(&leftover);
	list_splice(&leftover, &d->ready);

	for (d->event = 0; d->event < d->event_count;) {
		struct poll_event event = d->events[d->event++];

		if (event.delegate != NULL)
			deliver(d, event.delegate, event.ready);
	}
	d->event_count = 0;
	for (i = 0; i < regulars; i++)
		if (has_data(d, i))
			call(d, d->regulars[i],
			     d->regulars[i]->handlers->handle_read);
	if (!list_is_empty(&leftover))
		work_off(&leftover, d->socket_ops->serve_leftover);
}

/* Of the first `count`: what this turn registered has its task in the next. */
static void task_phase(struct lined_dispatcher *d, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct lined_delegate *delegate = d->regulars[i];

		if (delegate != NULL && delegate->handlers->task != NULL)
			call(d, delegate, delegate->handlers->task);
	}
	delegates_close_holes(d);
}

/* handle_close, then the flush, then freeing. */
static void socket_phases(struct lined_dispatcher *d)
{
	work_off(&d->closed, d->socket_ops->deliver_close);
	work_off(&d->dirty, d->socket_ops->flush);
	work_off(&d->dead, d->socket_ops->free);
}

/*
 * The turn before lasted until now: what the program does between two polls
 * keeps events waiting as well.
 */
static void begin_wait(struct lined_dispatcher *d)
{
	read_clock(d);
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
	size_t regulars;
	int n;

	if (d->in_turn) {
		errno = EDEADLK;
		return -1;
	}
	if (!is_open(d))
		return 0;
	begin_wait(d);
	n = d->ops->wait(d->poller, d->events, TURN_EVENTS,
			 wait_ms(d, timeout_ms));
	if (n < 0 && errno != EINTR)
		return -1;
	d->in_turn = true;
	d->event_count = n < 0 ? 0 : n;
	regulars = d->regular_count;
	read_clock(d);
	d->woken_ns = d->now_ns;
	io_phase(d);
	if (d->mail_seen)
		deliver_mail(d, false);
	deliver_deferred(d, false);
	fire_timers(d);
	task_phase(d, regulars);
	if (d->socket_ops != NULL)
		socket_phases(d);
	d->in_turn = false;
	return is_open(d) ? 1 : 0;
}
