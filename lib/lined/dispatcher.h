/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: one thread's event loop, and the delegates registered with
 * it. It is a whole program already:
 *
 *	while (lined_dispatcher_poll(d, 500) > 0)
 *		;
 *
 * A turn runs in this order: ready I/O and sockets with data still buffered,
 * messages posted by other threads and then those deferred, due timers, tasks,
 * handle_close of what was closed, the flush of what the turn queued (one write
 * a socket), freeing.
 *
 * Thread: a dispatcher and all that is registered with it belong to the one
 * thread that polls it. Functions marked MT-safe may be called by any thread.
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

/* What a delegate waits for; a bit mask. */
enum lined_mode {
	LINED_MODE_READ = 1,
	LINED_MODE_WRITE = 2,
};

/*
 * What a delegate does; one constant table for all delegates of a kind. Every
 * member may be NULL. Each may unregister, and then free, any delegate, its
 * own too.
 */
struct lined_delegate_handlers {
	/* fd can be read, or its peer is gone; only under LINED_MODE_READ. */
	void (*handle_read)(struct lined_delegate *delegate);
	/* fd can be written; only under LINED_MODE_WRITE. */
	void (*handle_write)(struct lined_delegate *delegate);
	/*
	 * fd is in error. Where it is NULL the handlers of the mode run, to
	 * find the error by their own call; where there are none, the delegate
	 * is unregistered rather than reported for ever.
	 */
	void (*handle_error)(struct lined_delegate *delegate);
	/*
	 * Whether data waits outside the kernel: then handle_read runs each
	 * turn without waiting for fd. Asked before the turn waits and in it;
	 * only under LINED_MODE_READ.
	 */
	bool (*has_data_buffered)(struct lined_delegate *delegate);
	/* Run once in every turn. */
	void (*task)(struct lined_delegate *delegate);
	/* Private: NULL but in a socket's delegate. */
	const struct lined_socket_ops *socket_ops;
};

/*
 * Wraps any pollable descriptor: pipe, signalfd, timerfd, inotify, a foreign
 * library's socket. The caller owns the memory and the descriptor, fills the
 * first four members (the rest zero), and keeps both until it has been
 * unregistered.
 */
struct lined_delegate {
	int fd;
	/* enum lined_mode; lined_delegate_set_mode() once registered. */
	uint8_t mode;
	/*
	 * True while registered. A handler that sets it to false has the
	 * delegate unregistered when it returns.
	 */
	bool open;
	const struct lined_delegate_handlers *handlers;
	/* The seed's deleVal: the owner's, untouched here. */
	void *value;
	/* Private. */
	uint8_t interest;
	uint8_t flags;
	uint32_t slot;
	struct lined_dispatcher *dispatcher;
};

/*
 * A dispatcher with the system's best poller; LINED_POLLER=epoll|poll in the
 * environment chooses (an unknown name is EINVAL). NULL and errno on failure.
 */
LINED_API struct lined_dispatcher *lined_dispatcher_new(void);

/*
 * Ends a dispatcher, outside of any turn: every socket still registered is
 * closed with LINED_CLOSE_SHUTDOWN and gets its handle_close; delegates are
 * unregistered, timers forgotten, posted messages handed to their `cancel`.
 * What handle_close registers anew is closed as well, up to some rounds: then
 * it is refused (ESHUTDOWN). NULL is fine.
 */
LINED_API void lined_dispatcher_free(struct lined_dispatcher *dispatcher);

/* How many delegates, those of sockets among them, are registered. */
LINED_API size_t lined_dispatcher_len(const struct lined_dispatcher *d);

/* The name of its poller: "epoll", "poll". */
LINED_API const char *
lined_dispatcher_poller(const struct lined_dispatcher *dispatcher);

/*
 * Registers a delegate: from the next turn on its handlers are called. Legal
 * in every callback. -1 with errno: EEXIST (this delegate, or another with
 * this descriptor, is registered), EINVAL, EBADF, EPERM (the poller cannot
 * watch such a descriptor), ENOMEM. A socket's delegate brings back the socket.
 */
LINED_API int lined_dispatcher_register(struct lined_dispatcher *dispatcher,
					struct lined_delegate *delegate);

/*
 * Takes it out at once: none of its handlers is called again, events already
 * read for it are forgotten, its memory is the caller's. -1/ENOENT where it is
 * not registered here. Legal in every callback, on the running delegate too. A
 * socket's delegate takes out the socket, which is its maker's again, with what
 * it holds, to be registered anew or closed; -1/EBUSY where it connects, closes
 * after its flush, or a handler of its own is running.
 */
LINED_API int lined_dispatcher_unregister(struct lined_dispatcher *dispatcher,
					  struct lined_delegate *delegate);

/* Changes what a registered delegate waits for. -1 and errno on failure. */
LINED_API int lined_delegate_set_mode(struct lined_delegate *delegate,
				      unsigned mode);

/*
 * Registers a socket and returns its delegate, which stays the socket's. A
 * connect that was asked for before starts now. NULL with errno: EEXIST where
 * it is registered already (accepted sockets are), ESHUTDOWN, else as above.
 */
LINED_API struct lined_delegate *
lined_dispatcher_register_socket(struct lined_dispatcher *dispatcher,
				 struct lined_socket *sock);

/*
 * One turn. Waits at most timeout_ms (-1: until an event, a timer or a wakeup)
 * and not at all while something is left to do. Returns 1 while something is
 * open (a registered delegate, an armed timer, a pending connect, an open
 * mailbox), 0 when nothing is left, -1 with errno when waiting failed
 * (EDEADLK: called from within a turn).
 */
LINED_API int lined_dispatcher_poll(struct lined_dispatcher *dispatcher,
				    int timeout_ms);

/* Monotonic milliseconds, read once a turn. */
LINED_API uint64_t lined_dispatcher_now_ms(const struct lined_dispatcher *d);

/*
 * Makes a waiting poll return soon. What the caller wrote before, a flag of its
 * own for instance, is visible to the messages, timers and tasks of the turn
 * that is woken, and when poll returns: a release and an acquire, whether or
 * not an earlier wakeup was still on its way. MT-safe.
 */
LINED_API void lined_dispatcher_wake(struct lined_dispatcher *dispatcher);

/*
 * A message, from another thread or for later, embedded in what it carries.
 * The memory is the dispatcher's from the post until handler (or, where the
 * dispatcher ends first, cancel) is called with it, on the dispatcher's thread.
 */
struct lined_message {
	void (*handler)(struct lined_message *message);
	void (*cancel)(struct lined_message *message);
	/* Private. */
	struct lined_message *next;
};

/*
 * Opens the mailbox: from now on lined_dispatcher_post() is taken, and the
 * dispatcher counts as open until the mailbox is closed. Closing drops
 * nothing: what was posted before is still handled, a post after it fails.
 */
LINED_API void lined_dispatcher_open_mailbox(struct lined_dispatcher *d);
LINED_API void lined_dispatcher_close_mailbox(struct lined_dispatcher *d);

/*
 * Posts a message; posts of one thread are handled in order. The dispatcher is
 * woken by the first message in an empty mailbox only. -1/EPIPE where the
 * mailbox is not open, and then the message stays the caller's. MT-safe.
 */
LINED_API int lined_dispatcher_post(struct lined_dispatcher *dispatcher,
				    struct lined_message *message);

/*
 * A message to one's own thread, at no system call and no lock: it is handled
 * behind the posted ones in the message phase of this turn, or of the next,
 * which then does not wait, where that phase has begun. Messages are handled
 * in the order they were deferred in. The mailbox need not be open.
 */
LINED_API void lined_dispatcher_defer(struct lined_dispatcher *dispatcher,
				      struct lined_message *message);

/* Takes back a deferred message, which is the caller's again; does nothing
 * where it is not one, or has been handled. */
LINED_API void lined_dispatcher_undefer(struct lined_dispatcher *dispatcher,
					struct lined_message *message);

LINED_END_DECLS

#endif
