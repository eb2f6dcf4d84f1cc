/* SPDX-License-Identifier: MIT */
/*
 * Where other threads leave messages for a dispatcher. One of the two places
 * in lib/ with a lock; it is never held while a handler runs.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lined/dispatcher.h>

#include "wakeup.h"

struct mailbox {
	struct wakeup wakeup;
	pthread_mutex_t lock;
	struct lined_message *first, **last; /* under lock */
	bool open;                           /* under lock */
	/* A wakeup was sent and not yet seen: no second one is needed. */
	atomic_bool signalled;
	/* Wakeups seen: the dispatcher's thread counts, any may read. */
	uint64_t wakeups;
};

int mailbox_init(struct mailbox *mailbox);
void mailbox_fini(struct mailbox *mailbox);

void mailbox_set_open(struct mailbox *mailbox, bool open);

/*
 * Appends; wakes the dispatcher where the mailbox was empty. -1/EPIPE where
 * it is not open, unless the message is one of the core's own. MT-safe.
 */
int mailbox_post(struct mailbox *mailbox, struct lined_message *message,
		 bool internal);

/* Wakes the dispatcher, once until it has seen it. MT-safe. */
void mailbox_wake(struct mailbox *mailbox);

/* The wakeup was seen: the next one is needed again. What was written before
 * any mailbox_wake() that it answers is visible afterwards. */
void mailbox_seen(struct mailbox *mailbox);

/* All that is there, oldest first; the mailbox is empty then. */
struct lined_message *mailbox_take(struct mailbox *mailbox);

#endif
