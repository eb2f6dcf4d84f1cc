/* SPDX-License-Identifier: MIT */
/*
 * Takes messages from other threads. Calls no handler.
 */
#include "config.h"

#include "mailbox.h"

#include "fail.h"

int mailbox_init(struct mailbox *mailbox)
{
	int error;

	if (wakeup_open(&mailbox->wakeup) < 0)
		return -1;
	error = pthread_mutex_init(&mailbox->lock, NULL);
	if (error != 0) {
		wakeup_close(&mailbox->wakeup);
		return fail_with(error);
	}
	message_queue_init(&mailbox->posted);
	mailbox->open = false;
	atomic_init(&mailbox->signalled, false);
	mailbox->wakeups = 0;
	return 0;
}

void mailbox_fini(struct mailbox *mailbox)
{
	pthread_mutex_destroy(&mailbox->lock);
	wakeup_close(&mailbox->wakeup);
}

void mailbox_set_open(struct mailbox *mailbox, bool open)
{
	pthread_mutex_lock(&mailbox->lock);
	mailbox->open = open;
	pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_wake(struct mailbox *mailbox)
{
	if (!atomic_exchange(&mailbox->signalled, true))
		wakeup_signal(&mailbox->wakeup);
}

void mailbox_seen(struct mailbox *mailbox)
{
	/* Must precede the clearing of `signalled`: otherwise the wakeup of a
	 * post between the two would be lost. */
	wakeup_clear(&mailbox->wakeup);
	__atomic_store_n(&mailbox->wakeups, mailbox->wakeups + 1,
			 __ATOMIC_RELAXED);
	/* An exchange, not a store: it acquires the writes of threads that
	 * found `signalled` set and therefore made no system call. */
	atomic_exchange(&mailbox->signalled, false);
}

int mailbox_post(struct mailbox *mailbox, struct lined_message *message,
		 bool internal)
{
	bool was_empty;

	pthread_mutex_lock(&mailbox->lock);
	if (!mailbox->open && !internal) {
		pthread_mutex_unlock(&mailbox->lock);
		return fail_with(EPIPE);
	}
	was_empty = mailbox->posted.first == NULL;
	message_queue_append(&mailbox->posted, message);
	/* Wake under the lock: when it is released, the dispatcher may take the
	 * message, stop and be freed. */
	if (was_empty)
		mailbox_wake(mailbox);
	pthread_mutex_unlock(&mailbox->lock);
	return 0;
}

struct lined_message *mailbox_take(struct mailbox *mailbox)
{
	struct lined_message *first;

	pthread_mutex_lock(&mailbox->lock);
	first = mailbox->posted.first;
	message_queue_init(&mailbox->posted);
	pthread_mutex_unlock(&mailbox->lock);
	return first;
}
