/* SPDX-License-Identifier: MIT */
/*
 * Delivers the messages of a dispatcher: posted to its mailbox by other
 * threads, or deferred by its own thread.
 */
#include "config.h"

#include <lined/dispatcher.h>

#include "dispatcher_priv.h"

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
	/* Messages that were posted before need one more turn. */
	d->mail_seen = true;
}

int lined_dispatcher_post(struct lined_dispatcher *d,
			  struct lined_message *message)
{
	return mailbox_post(&d->mailbox, message, false);
}

static void message_deliver(struct lined_dispatcher *d,
			    struct lined_message *message, bool cancel)
{
	dispatcher_begin_call(d, (uintptr_t)message->handler);
	if (!cancel)
		message->handler(message);
	else if (message->cancel != NULL)
		message->cancel(message);
	dispatcher_end_call(d);
}

static void messages_deliver_posted(struct lined_dispatcher *d, bool cancel)
{
	struct lined_message *message, *next;

	if (!d->mail_seen && !cancel)
		return;
	d->mail_seen = false;
	for (message = mailbox_take(&d->mailbox); message != NULL;
	     message = next) {
		next = message->next;
		message_deliver(d, message, cancel);
	}
}

void lined_dispatcher_defer(struct lined_dispatcher *d,
			    struct lined_message *message)
{
	message_queue_append(&d->deferred, message);
}

static void message_queue_remove(struct message_queue *queue,
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
	message_queue_remove(&d->deferred, message);
	message_queue_remove(&d->due, message);
}

/* A message that a handler defers during this call waits for the next call. */
static void messages_deliver_deferred(struct lined_dispatcher *d, bool cancel)
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
		message_deliver(d, message, cancel);
	}
}

void messages_deliver(struct lined_dispatcher *d)
{
	messages_deliver_posted(d, false);
	messages_deliver_deferred(d, false);
}

void messages_cancel(struct lined_dispatcher *d)
{
	messages_deliver_posted(d, true);
	messages_deliver_deferred(d, true);
}
