/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: the event loop of one thread, and the delegates registered
 * with it. This loop runs a program until nothing is left to wait for:
 *
 *	while (lined_dispatcher_poll(d, 500) > 0)
 *		;
 *
 * One call of lined_dispatcher_poll() is a turn with these phases: ready I/O,
 * and sockets with input left over; messages posted by other threads, then
 * deferred ones; due timers; tasks; handle_close of the sockets that were
 * closed; one write for each socket that has output; handle_close of sockets
 * that were to close after this write; freeing.
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
	/* fd can be read, or is at its end; needs LINED_MODE_READ. */
	void (*handle_read)(struct lined_delegate *delegate);
	/* fd can be written; needs LINED_MODE_WRITE. */
	void (*handle_write)(struct lined_delegate *delegate);
	/*
	 * fd is in error. The handler of the mode is called next, and finds the
	 * error by its own system call. Without a handler of the mode, fd is
	 * not watched until the mode is set again, because the error would be
	 * reported in every turn. If handle_error is missing, too, the delegate
	 * is unregistered.
	 */
	void (*handle_error)(struct lined_delegate *delegate);
	/*
	 * Whether data waits outside the kernel, for example in a library's
	 * buffer: if so, handle_read is called in this turn even if fd is not
	 * readable. Called before the turn waits and again after the wait;
	 * needs LINED_MODE_READ.
	 */
	bool (*has_data_buffered)(struct lined_delegate *delegate);
	/* Called once in every turn. */
	void (*task)(struct lined_delegate *delegate);
	/* Private: NULL except in a socket's delegate. */
	const struct lined_socket_ops *socket_ops;
};

/*
 * Wraps any pollable descriptor: a pipe, signalfd, timerfd, inotify, the socket
 * of another library. The caller sets fd, mode and handlers (all else zero).
 * The caller owns the memory and the descriptor, and keeps both until the
 * delegate is unregistered.
 */
struct lined_delegate {
	int fd;
	/* enum lined_mode; lined_delegate_set_mode() changes it later. */
	uint8_t mode;
	/* True while registered. If a callback of this delegate, other than
	 * has_data_buffered, sets it to false, the delegate is unregistered
	 * when that callback returns. */
	bool open;
	const struct lined_delegate_handlers *handlers;
	/* For the caller; lined does not use it. */
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
 * Frees a dispatcher; must not be called within a turn. Registered sockets are
 * closed with LINED_CLOSE_SHUTDOWN and get their handle_close, delegates are
 * unregistered, timers disarmed, and messages get their `cancel`. Sockets are
 * closed in rounds: one that a handle_close registers is closed in the next
 * round. From the eighth round on, registering a socket fails with ESHUTDOWN.
 * NULL is allowed.
 */
LINED_API void lined_dispatcher_free(struct lined_dispatcher *dispatcher);

/* The number of registered delegates and sockets. */
LINED_API size_t lined_dispatcher_len(const struct lined_dispatcher *d);

/* The name of the poller: "epoll" or "poll". */
LINED_API const char *
lined_dispatcher_poller(const struct lined_dispatcher *dispatcher);

/*
 * Registers a delegate: its callbacks run from the next turn on. Legal in every
 * callback. For the delegate of a socket that was unregistered, registers the
 * socket again. -1 with errno: EEXIST (this delegate, or another with this
 * descriptor, is registered), EINVAL (no handlers), EBADF, EPERM (the poller
 * cannot watch such a descriptor), ENOMEM.
 */
LINED_API int lined_dispatcher_register(struct lined_dispatcher *dispatcher,
					struct lined_delegate *delegate);

/*
 * Unregisters a delegate at once: none of its callbacks runs again, events that
 * were read for it are dropped, and its memory may be freed. Legal in every
 * callback, also in its own. For the delegate of a socket, unregisters the
 * socket: the caller then owns it with everything it has buffered, and
 * registers it again or closes it. -1 with errno: ENOENT (not registered here),
 * EBUSY (a socket that is connecting or closing, that has used TLS or
 * WebSocket, or whose handler is running).
 */
LINED_API int lined_dispatcher_unregister(struct lined_dispatcher *dispatcher,
					  struct lined_delegate *delegate);

/* Changes the events that a delegate waits for. mode: enum lined_mode. -1 with
 * errno: ENOMEM, or of epoll_ctl(2). */
LINED_API int lined_delegate_set_mode(struct lined_delegate *delegate,
				      unsigned mode);

/*
 * Registers a socket and returns its delegate; the dispatcher then owns the
 * socket. A connect that was called before begins now. NULL with errno: EEXIST
 * (already registered, as accepted sockets are), ESHUTDOWN (the dispatcher is
 * being freed), or of lined_dispatcher_register().
 */
LINED_API struct lined_delegate *
lined_dispatcher_register_socket(struct lined_dispatcher *dispatcher,
				 struct lined_socket *sock);

/*
 * Runs one turn. Waits at most timeout_ms (-1: until there is an event, a
 * timer, a wakeup or a signal), and not at all if there is work left. Returns 1
 * while something is open (a delegate, a socket, an armed timer, the mailbox, a
 * deferred message), 0 when nothing is. -1 with errno: EDEADLK (called within a
 * turn), or of epoll_wait(2).
 */
LINED_API int lined_dispatcher_poll(struct lined_dispatcher *dispatcher,
				    int timeout_ms);

/* The monotonic clock in milliseconds, as the dispatcher has last read it:
 * within a turn, at the start of the turn. */
LINED_API uint64_t lined_dispatcher_now_ms(const struct lined_dispatcher *d);

/*
 * Wakes the dispatcher if it waits; otherwise its next turn does not wait.
 * Memory that the caller wrote before is visible to the messages, timers and
 * tasks of the turn that this call wakes (release and acquire), even if an
 * earlier wakeup was pending. MT-safe.
 */
LINED_API void lined_dispatcher_wake(struct lined_dispatcher *dispatcher);

/*
 * A message to the dispatcher's thread: a member of the structure that is sent.
 * The dispatcher owns the structure until it calls handler, or cancel if the
 * dispatcher is freed first; either may free the structure. cancel may be NULL.
 */
struct lined_message {
	void (*handler)(struct lined_message *message);
	void (*cancel)(struct lined_message *message);
	/* Private. */
	struct lined_message *next;
};

/*
 * Open and close the mailbox. lined_dispatcher_post() succeeds only while it is
 * open, and lined_dispatcher_poll() returns 1 until it is closed. Messages that
 * were posted before it is closed are still handled.
 */
LINED_API void lined_dispatcher_open_mailbox(struct lined_dispatcher *d);
LINED_API void lined_dispatcher_close_mailbox(struct lined_dispatcher *d);

/*
 * Posts a message. Messages from the same thread are handled in the order of
 * their posts. Only the first message in an empty mailbox costs a system call,
 * to wake the dispatcher. -1/EPIPE: the mailbox is not open, and the caller
 * still owns the message. MT-safe.
 */
LINED_API int lined_dispatcher_post(struct lined_dispatcher *dispatcher,
				    struct lined_message *message);

/*
 * Defers a message to the next message phase, without a system call or a lock.
 * If this turn has begun to handle deferred messages, the message is handled in
 * the next turn, which then does not wait for events. Deferred messages are
 * handled after posted ones, in the order of the calls. The mailbox need not be
 * open.
 */
LINED_API void lined_dispatcher_defer(struct lined_dispatcher *dispatcher,
				      struct lined_message *message);

/* Takes back a deferred message: the caller owns it again. Does nothing if the
 * message was not deferred or has been handled. */
LINED_API void lined_dispatcher_undefer(struct lined_dispatcher *dispatcher,
					struct lined_message *message);

struct lined_address;
struct lined_lookup;

/* The most addresses that one lookup gives. */
#define LINED_LOOKUP_MAX 16

/*
 * Looks up the stream addresses of a host on another thread. answered() is
 * called once, never within this call. If error is 0, it gets at least one
 * address, in the order in which they should be tried. Otherwise count is 0,
 * and error is EHOSTUNREACH (the name is not known), EAGAIN (it cannot be
 * looked up now), EADDRNOTAVAIL or ENOMEM. The addresses are valid until
 * answered() returns. A lookup does not keep lined_dispatcher_poll() from
 * returning 0. It has no deadline: the caller may set a timer and cancel the
 * lookup. If this call fails, answered() is not called. NULL with errno:
 * ENOMEM, EAGAIN (no thread can be created).
 */
LINED_API struct lined_lookup *lined_dispatcher_look_up(
	struct lined_dispatcher *dispatcher, const char *host, uint16_t port,
	void (*answered)(void *arg, int error,
			 const struct lined_address *addresses, size_t count),
	void *arg);

/* Ends a lookup that was not answered: answered() is not called. To be called
 * before the dispatcher is freed. NULL is allowed. */
LINED_API void lined_lookup_cancel(struct lined_lookup *lookup);

LINED_END_DECLS

#endif
