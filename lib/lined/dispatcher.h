/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: the event loop of one thread, and the delegates registered
 * with it. This runs a program until nothing is left to wait for:
 *
 *	while (lined_dispatcher_poll(d, 500) > 0)
 *		;
 *
 * One call of it is a turn, in these phases: ready I/O, and sockets with input
 * left over; messages posted by other threads, then deferred ones; due timers;
 * tasks; handle_close of the sockets that were closed; one write for each
 * socket that has output; freeing.
 *
 * Thread: a dispatcher and everything registered with it belong to the thread
 * that polls it. Functions marked MT-safe may be called by any thread.
 */
#ifndef LINED_DISPATCHER_H
#define LINED_DISPATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/timer.h>

LINED_BEGIN_DECLS

struct lined_dispatcher;
struct lined_delegate;
struct lined_socket;
struct lined_socket_ops;

/* The events that a delegate waits for: bits that may be combined. */
enum lined_mode {
	LINED_MODE_READ = 1,
	LINED_MODE_WRITE = 2,
};

/*
 * The callbacks of a delegate: one constant table for all delegates of a kind.
 * Any member may be NULL. Each callback may unregister, and then free, any
 * delegate, also its own.
 */
struct lined_delegate_handlers {
	/* fd can be read, or its peer has ended; needs LINED_MODE_READ. */
	void (*handle_read)(struct lined_delegate *delegate);
	/* fd can be written; needs LINED_MODE_WRITE. */
	void (*handle_write)(struct lined_delegate *delegate);
	/*
	 * fd is in error. Without this callback the handler of the mode runs,
	 * and finds the error by its own system call. A delegate that has
	 * neither is unregistered: it would be reported in every turn.
	 */
	void (*handle_error)(struct lined_delegate *delegate);
	/*
	 * Whether data waits outside the kernel: if so, handle_read runs in
	 * each turn whether or not fd is readable. Called before the turn waits
	 * and again in it; needs LINED_MODE_READ.
	 */
	bool (*has_data_buffered)(struct lined_delegate *delegate);
	/* Called once in every turn. */
	void (*task)(struct lined_delegate *delegate);
	/* Private: NULL except in a socket's delegate. */
	const struct lined_socket_ops *socket_ops;
};

/*
 * Wraps any pollable descriptor: a pipe, signalfd, timerfd, inotify, the socket
 * of another library. The caller owns the memory and the descriptor, sets fd,
 * mode and handlers (all else zero) and keeps both until the delegate is
 * unregistered.
 */
struct lined_delegate {
	int fd;
	/* enum lined_mode; changed by lined_delegate_set_mode() later. */
	uint8_t mode;
	/*
	 * True while registered. If a callback sets it to false, the delegate
	 * is unregistered when that callback returns.
	 */
	bool open;
	const struct lined_delegate_handlers *handlers;
	/* The caller's; not used here. */
	void *value;
	/* Private. */
	uint8_t interest;
	uint8_t flags;
	uint32_t slot;
	struct lined_dispatcher *dispatcher;
};

/*
 * Makes a dispatcher with the best poller of the system, or with the one that
 * LINED_POLLER in the environment names: "epoll" or "poll". The caller frees
 * it. NULL with errno: EINVAL (no such poller), ENOMEM, EMFILE, ENFILE.
 */
LINED_API struct lined_dispatcher *lined_dispatcher_new(void);

/*
 * Frees a dispatcher; not within a turn. Each socket that is still registered
 * is closed with LINED_CLOSE_SHUTDOWN and gets its handle_close, delegates are
 * unregistered, timers disarmed, and messages get their `cancel`. A socket that
 * a handle_close registers is closed as well; after eight rounds registering
 * fails with ESHUTDOWN. NULL is allowed.
 */
LINED_API void lined_dispatcher_free(struct lined_dispatcher *dispatcher);

/* The number of registered delegates and sockets. */
LINED_API size_t lined_dispatcher_len(const struct lined_dispatcher *d);

/* The name of its poller: "epoll" or "poll". */
LINED_API const char *
lined_dispatcher_poller(const struct lined_dispatcher *dispatcher);

/*
 * Registers a delegate: its callbacks run from the next turn on. Legal in every
 * callback. The delegate of a socket that was unregistered registers the socket
 * again. -1 with errno: EEXIST (this delegate, or another with this descriptor,
 * is registered), EINVAL (no handlers), EBADF, EPERM (the poller cannot watch
 * such a descriptor), ENOMEM.
 */
LINED_API int lined_dispatcher_register(struct lined_dispatcher *dispatcher,
					struct lined_delegate *delegate);

/*
 * Unregisters a delegate at once: none of its callbacks runs again, events that
 * were read for it are dropped, and its memory may be freed. Legal in every
 * callback, also in its own. The delegate of a socket unregisters the socket,
 * which then belongs to the caller with everything it has buffered, to be
 * registered again or closed. -1 with errno: ENOENT (not registered here),
 * EBUSY (a socket that is connecting or closing, or whose handler is running).
 */
LINED_API int lined_dispatcher_unregister(struct lined_dispatcher *dispatcher,
					  struct lined_delegate *delegate);

/* Changes what a registered delegate waits for, enum lined_mode. -1 with errno:
 * ENOMEM, or of epoll_ctl(2). */
LINED_API int lined_delegate_set_mode(struct lined_delegate *delegate,
				      unsigned mode);

/*
 * Registers a socket, which then belongs to the dispatcher, and returns its
 * delegate. A connect that was called before begins now. NULL with errno:
 * EEXIST (it is registered; accepted sockets are), ESHUTDOWN (the dispatcher is
 * being freed), or of lined_dispatcher_register().
 */
LINED_API struct lined_delegate *
lined_dispatcher_register_socket(struct lined_dispatcher *dispatcher,
				 struct lined_socket *sock);

/*
 * Runs one turn. Waits at most timeout_ms (-1: until there is an event, a timer
 * or a wakeup), and not at all if there is work left. Returns 1 while something
 * is open (a delegate, a socket, an armed timer, the mailbox), 0 when nothing
 * is. -1 with errno: EDEADLK (called within a turn), or of epoll_wait(2).
 */
LINED_API int lined_dispatcher_poll(struct lined_dispatcher *dispatcher,
				    int timeout_ms);

/* The monotonic clock in milliseconds, as read once in each turn. */
LINED_API uint64_t lined_dispatcher_now_ms(const struct lined_dispatcher *d);

/*
 * Wakes a poll that waits, or the next one. Memory that the caller wrote before
 * is visible to the messages, timers and tasks of the turn that it wakes (a
 * release here, an acquire there), also if an earlier wakeup was pending.
 * MT-safe.
 */
LINED_API void lined_dispatcher_wake(struct lined_dispatcher *dispatcher);

/*
 * A message to the dispatcher's thread, embedded in the structure that it
 * carries. The dispatcher owns the memory until it calls handler with it, or
 * cancel if the dispatcher is freed first; either may free it. cancel may be
 * NULL.
 */
struct lined_message {
	void (*handler)(struct lined_message *message);
	void (*cancel)(struct lined_message *message);
	/* Private. */
	struct lined_message *next;
};

/*
 * Opens the mailbox, so that lined_dispatcher_post() succeeds; poll returns 1
 * until it is closed. Closing drops nothing: messages that were posted before
 * are still handled, later posts fail.
 */
LINED_API void lined_dispatcher_open_mailbox(struct lined_dispatcher *d);
LINED_API void lined_dispatcher_close_mailbox(struct lined_dispatcher *d);

/*
 * Posts a message. Those of one thread are handled in their order. Only the
 * first message in an empty mailbox costs a system call, to wake the
 * dispatcher. -1/EPIPE: the mailbox is not open, and the message is still the
 * caller's. MT-safe.
 */
LINED_API int lined_dispatcher_post(struct lined_dispatcher *dispatcher,
				    struct lined_message *message);

/*
 * Defers a message of the dispatcher's own thread, without a system call or a
 * lock, to the next message phase: in this turn, or in the next, which then
 * does not wait, if that of this turn has begun. Deferred messages are handled
 * behind posted ones, in their order. The mailbox need not be open.
 */
LINED_API void lined_dispatcher_defer(struct lined_dispatcher *dispatcher,
				      struct lined_message *message);

/* Takes back a deferred message, which is then the caller's again. Does nothing
 * if it was not deferred, or has been handled. */
LINED_API void lined_dispatcher_undefer(struct lined_dispatcher *dispatcher,
					struct lined_message *message);

LINED_END_DECLS

#endif
