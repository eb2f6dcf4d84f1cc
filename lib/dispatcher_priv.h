/* SPDX-License-Identifier: MIT */
/*
 * The structure of a dispatcher, shared by its files and the socket's: the list
 * for each phase of a turn, and the memory that all its sockets share. The
 * dispatcher calls its sockets only through struct lined_socket_ops.
 *
 *	dispatcher.c	the turn and its phases
 *	delegate.c	what is registered, and what the poller watches
 *	timer.c		the clock, timers, deadlines
 *	message.c	messages from other threads and from its own thread
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "dispatcher_watch.h"
#include "list.h"
#include "mailbox.h"
#include "memory_ceiling.h"
#include "poller.h"
#include "send_queue.h"
#include "timer_heap.h"
#include "websocket_encode.h"

struct resolver;

/* The most bytes of one read. The buffer has one byte more, for the NUL behind
 * a line that fills it. */
#define READ_SIZE (64 * 1024)

/* The most events of a turn; the poller reports the others in the next one. */
#define TURN_EVENTS 256

/* lined_delegate.flags */
enum delegate_flag {
	DELEGATE_WATCHED = 1,    /* the poller watches the descriptor */
	DELEGATE_EVERY_TURN = 2, /* is in dispatcher.every_turn */
	DELEGATE_INTERNAL = 4,   /* the wakeup; not in dispatcher.len */
	DELEGATE_TASK = 8,       /* a socket with a handle_task */
};

/*
 * The operations of a dispatcher on a socket. The dispatcher knows only the
 * socket's delegate, its links in the lists and the slot of its deadline.
 * lined_dispatcher_register_socket() sets the table when the first socket is
 * registered.
 */
struct lined_socket_ops {
	/* The phases of a turn, in their order. The link is already removed
	 * from its list. */
	void (*serve_leftover)(struct list *ready_link);
	void (*expire)(uint32_t *deadline);
	void (*deliver_close)(struct list *ready_link);
	void (*flush)(struct list *dirty_link);
	void (*free)(struct list *ready_link);

	/* For memory_ceiling.c: writes output before the flush phase. */
	void (*send_early)(struct list *dirty_link);
	/* The bytes that shed() would free; 0: the socket may not be closed
	 * now. */
	uint64_t (*held)(const struct lined_delegate *delegate);
	/* Closes the socket and frees its buffers. False: its owner keeps
	 * memory until handle_close. */
	bool (*shed)(struct lined_delegate *delegate);

	/* For lined_dispatcher_free(): close a socket with a descriptor, and
	 * one without. */
	void (*shut_down)(struct lined_delegate *delegate);
	void (*shut_down_unattached)(struct list *ready_link);

	/* As lined_dispatcher_register() and lined_dispatcher_unregister(). */
	int (*register_delegate)(struct lined_dispatcher *d,
				 struct lined_delegate *delegate);
	int (*unregister_delegate)(struct lined_dispatcher *d,
				   struct lined_delegate *delegate);
};

struct lined_dispatcher {
	const struct poller_ops *ops;
	struct poller *poller;
	struct mailbox mailbox;
	struct lined_delegate wakeup;
	/* Deferred messages: for the next message phase, and for the one that
	 * runs now. */
	struct message_queue deferred, due;
	struct resolver *resolver;   /* NULL until the first lookup */
	struct timer_heap timers;    /* lined_timer.slot */
	struct timer_heap deadlines; /* lined_socket.deadline */
	uint64_t now_ms, now_ns;
	uint64_t woken_ns; /* when the turn began; 0: already counted */
	struct turn_stats turns;

	/* The registered delegates, by descriptor. */
	struct lined_delegate **by_fd;
	size_t by_fd_room;
	size_t len;
	/* Delegates with a task or has_data_buffered(); NULL: removed. */
	struct lined_delegate **every_turn;
	size_t every_turn_count, every_turn_room;

	/*
	 * The events of this turn; from `event` on they are not delivered yet.
	 */
	struct poll_event events[TURN_EVENTS];
	int event_count, event;
	/* The delegate whose handler runs; NULL after it was unregistered. */
	struct lined_delegate *running;

	const struct lined_socket_ops *socket_ops; /* NULL: none yet */
	/* Sockets, by the phase they wait for. */
	struct list ready;      /* input is left over: ready_link */
	struct list closed;     /* handle_close is due: ready_link */
	struct list dead;       /* to be freed: ready_link */
	struct list dirty;      /* output is queued: dirty_link */
	struct list unattached; /* registered, no descriptor: ready_link */

	char *read_buffer;               /* READ_SIZE + 1 */
	struct lined_socket_group group; /* for sockets without a group */
	struct send_pool pool;
	const struct lined_socket *served; /* its input is being read */
	struct memory_ceiling *memory;     /* the ceiling; NULL: none */
	uint64_t memory_longest;     /* atomic: bytes of the largest socket */
	uint64_t memory_measured_ms; /* atomic: when that was measured */
	uint64_t memory_waits_ms; /* when a wait for another dispatcher began */
	/* memory->closed at that time, plus the number of sockets closed here
	 * since. */
	uint64_t memory_waits_closed;
	/* The socket for which shed() returned false, until its handle_close;
	 * NULL: none. Until then memory_check() closes no other socket. */
	const struct lined_delegate *memory_awaits_close;
	struct websocket_cache websockets;
	/* Memory that a transport shares among its sockets (tls_session.c);
	 * NULL until the first socket needs it. */
	void *transport_memory;
	void (*transport_memory_free)(void *memory);

	/* Read by other threads: dispatcher_serving(), dispatcher_calling(). */
	const struct lined_socket_group *serving;
	uintptr_t calling;

	struct list keepers;
	bool memory_shedding;
	bool memory_asks_keepers; /* ask the keepers at the end of this turn */
	bool memory_was_asked;    /* memory_ask() has caused the check */
	bool in_turn;
	bool ending; /* registering a socket fails */
	bool mail_seen;
	bool mailbox_open;
};

/* To be called before and after a handler of a timer, a message or a delegate,
 * for dispatcher_calling(). */
static inline void dispatcher_begin_call(struct lined_dispatcher *d,
					 uintptr_t handler)
{
	__atomic_store_n(&d->calling, handler, __ATOMIC_RELAXED);
}

static inline void dispatcher_end_call(struct lined_dispatcher *d)
{
	__atomic_store_n(&d->calling, 0, __ATOMIC_RELAXED);
}

/* ---- timer.c ---- */

/* Reads the clock into now_ms and now_ns. */
void dispatcher_read_clock(struct lined_dispatcher *d);
/* Returns now_ms. Reads the clock first outside of a turn, where now_ms may be
 * old. */
uint64_t dispatcher_clock(struct lined_dispatcher *d);

/* Sets or moves the deadline of a socket, as lined_timer_start() does a timer.
 * A deadline costs a socket only its slot. -1/ENOMEM. */
int dispatcher_set_deadline(struct lined_dispatcher *d, uint32_t *slot,
			    uint64_t delay_ms);

/* The time of the first timer or deadline; UINT64_MAX: none. */
static inline uint64_t timers_due(const struct lined_dispatcher *d)
{
	uint64_t timer = timer_heap_due(&d->timers);
	uint64_t deadline = timer_heap_due(&d->deadlines);

	return timer < deadline ? timer : deadline;
}

/* Fires the timers and deadlines that are due, in the order of their times. */
void timers_fire(struct lined_dispatcher *d);

/* ---- message.c ---- */

/* Calls the handlers of posted messages, then of deferred ones. */
void messages_deliver(struct lined_dispatcher *d);
/* Calls `cancel` of all messages: the dispatcher is being freed. */
void messages_cancel(struct lined_dispatcher *d);

/* ---- delegate.c ---- */

/*
 * Makes the poller watch a delegate; the caller counts it in len. -1 and errno.
 */
int delegate_attach(struct lined_dispatcher *d,
		    struct lined_delegate *delegate);
void delegate_detach(struct lined_dispatcher *d,
		     struct lined_delegate *delegate);

/* Sets whether a socket's delegate, attached or not, has a task. -1/ENOMEM. */
int delegate_set_task(struct lined_delegate *delegate, bool task);

/* Removes a delegate from the poller until its mode is set again. */
void delegate_unwatch(struct lined_dispatcher *d,
		      struct lined_delegate *delegate);

/* Removes the holes that removed delegates have left in every_turn. Not to be
 * called while the table is walked. */
void delegates_close_holes(struct lined_dispatcher *d);
