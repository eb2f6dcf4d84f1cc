/* SPDX-License-Identifier: MIT */
/*
 * The messages that other threads have posted to a dispatcher: a list under a
 * lock, which is never held while a handler runs. Only the mailbox and the
 * resolver have locks in lib/.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lined/dispatcher.h>

#include "wakeup.h"

/* First in, first out. */
struct message_queue {
	struct lined_message *first, **last;
};

static inline void message_queue_init(struct message_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static inline void message_queue_append(struct message_queue *queue,
					struct lined_message *message)
{
	message->next = NULL;
	*queue->last = message;
	queue->last = &message->next;
}

struct mailbox {
	struct wakeup wakeup;
	pthread_mutex_t lock;
	struct message_queue posted; /* under lock */
	bool open;                   /* under lock */
	/* A wakeup was sent and not seen yet: another is not needed. */
	atomic_bool signalled;
	/* Wakeups seen. Written by the dispatcher's thread, read by any. */
	uint64_t wakeups;
};

int mailbox_init(struct mailbox *mailbox);
void mailbox_fini(struct mailbox *mailbox);

void mailbox_set_open(struct mailbox *mailbox, bool open);

/*
 * Appends a message, and wakes the dispatcher if the mailbox was empty.
 * -1/EPIPE: the mailbox is not open, and the message is not `internal` (posted
 * by lib/ itself). MT-safe.
 */
int mailbox_post(struct mailbox *mailbox, struct lined_message *message,
		 bool internal);

/* Wakes the dispatcher, unless a wakeup is pending. MT-safe. */
void mailbox_wake(struct mailbox *mailbox);

/* Clears a wakeup: the next mailbox_wake() sends another one. Memory that was
 * written before earlier calls of mailbox_wake() is visible afterwards. */
void mailbox_seen(struct mailbox *mailbox);

/* Takes all messages, oldest first, linked by `next`. */
struct lined_message *mailbox_take(struct mailbox *mailbox);
