/* SPDX-License-Identifier: MIT */
/*
 * The asynchronous socket: TCP, UDP and UNIX streams on a dispatcher, with
 * lines in and a send queue out.
 *
 * Ownership: a socket is its maker's until it is registered, then the
 * dispatcher's. lined_socket_close() ends it: handle_close is called once,
 * later in the turn, and is the last callback; the memory goes at the end of
 * that turn. Thread: the dispatcher's, always.
 */
#ifndef LINED_SOCKET_H
#define LINED_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <lined/api.h>
#include <lined/buffer.h>
#include <lined/dispatcher.h>
#include <lined/line.h>

LINED_BEGIN_DECLS

/* The seed's SocketStatus. */
enum lined_socket_state {
	LINED_SOCKET_IDLE,       /* made, not connected */
	LINED_SOCKET_CONNECTING, /* connect was asked for */
	LINED_SOCKET_CONNECTED,
	LINED_SOCKET_LISTENING,
	LINED_SOCKET_CLOSED,    /* closed; handle_close has come or will */
	LINED_SOCKET_UDP_BOUND, /* a datagram socket, bound */
};

/* Why a socket was closed; lined_close_reason_text() names it. */
enum lined_close_reason {
	LINED_CLOSE_LOCAL,    /* this side asked: "closed" */
	LINED_CLOSE_PEER,     /* the peer ended: "peer" */
	LINED_CLOSE_ERROR,    /* the system said so, see errno: "error" */
	LINED_CLOSE_TIMEOUT,  /* a deadline passed: "timeout" */
	LINED_CLOSE_TOO_LONG, /* a line over the limit: "too-long" */
	LINED_CLOSE_SLOW,     /* the peer does not read: "slow" */
	LINED_CLOSE_LIMIT,    /* refused by a limit: "limit" */
	LINED_CLOSE_SHUTDOWN, /* the program or the service stops: "shutdown" */
	LINED_CLOSE_KICKED,   /* an operator said so: "kicked" */
	LINED_CLOSE_REASONS
};

/* What a full send queue does; whole sends only. */
enum lined_overflow {
	LINED_OVERFLOW_CLOSE, /* close with LINED_CLOSE_SLOW */
	LINED_OVERFLOW_DROP_NEWEST,
	LINED_OVERFLOW_DROP_OLDEST, /* never a send already begun */
};

/* What a socket does; a constant table shared by all of a kind. Any may be
 * NULL. arg is the socket's own, lined_socket_set_handlers(). */
struct lined_socket_handlers {
	/* A listening socket has someone waiting: accept none, one or many. */
	void (*handle_accept)(struct lined_socket *sock, void *arg);
	/* The connect succeeded; the state is already CONNECTED. */
	void (*handle_connect)(struct lined_socket *sock, void *arg);
	/* Input waits, or the end of it: loop over read_line. Without this
	 * handler input is read and discarded. */
	void (*handle_read)(struct lined_socket *sock, void *arg);
	/* More may be sent; only while lined_socket_want_write() is on. */
	void (*handle_write)(struct lined_socket *sock, void *arg);
	/* Once in every turn. */
	void (*handle_task)(struct lined_socket *sock, void *arg);
	/*
	 * The last callback, exactly once: why, and the errno behind it (0
	 * where there is none). The socket may still be asked (peer, arg), not
	 * used.
	 */
	void (*handle_close)(struct lined_socket *sock, void *arg,
			     enum lined_close_reason reason, int error);
};

/*
 * What every socket of a group must keep to, e.g. all clients of a service. 0
 * is off or unlimited. Times run on the monotonic clock.
 */
struct lined_limits {
	/* Since the last complete line received or byte the peer took. */
	uint32_t idle_ms;
	/* From the start of the connection to the first complete line. */
	uint32_t first_line_ms;
	/* From a line's first byte to its terminator. */
	uint32_t line_ms;
	/* A queue from which the peer takes nothing. */
	uint32_t send_stall_ms;
	/* Lines a second, and how many at once; excess is slowed. */
	uint32_t line_rate;
	uint32_t line_burst;
	/* The send queue's hard limit in bytes; high mark a quarter, low mark
	 * an eighth of it. */
	uint32_t send_queue;
};

#define LINED_SEND_QUEUE_DEFAULT    (1024u * 1024)
#define LINED_SEND_STALL_DEFAULT_MS 30000u

/* What the sockets of a group have done; only grows but for `queued`. Written
 * by one thread; another may read it at any time with relaxed atomic loads. */
struct lined_counters {
	uint64_t lines_in;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t sends;         /* whole sends queued */
	uint64_t too_long;      /* lines over the limit */
	uint64_t bare_lf;       /* violations under CRLF framing */
	uint64_t unterminated;  /* rests dropped at the end of a stream */
	uint64_t sends_dropped; /* by an overflow policy */
	uint64_t datagrams_in;
	uint64_t datagrams_out;
	uint64_t datagrams_dropped; /* truncated, or with no room to answer */
	uint64_t rate_slowed;       /* times a socket met its line rate */
	uint64_t closed[LINED_CLOSE_REASONS]; /* no datagram sockets */
	/* The bytes queued for sending now, which go up and down, and the most
	 * that a single socket has had queued. */
	uint64_t queued;
	uint64_t queue_most;
};

/*
 * What sockets of a kind share. The owner keeps it until the last of them is
 * gone, and may change the limits at any time on the dispatcher's thread; it
 * calls lined_socket_limits_changed() for sockets whose deadlines moved.
 */
struct lined_socket_group {
	struct lined_limits limits;
	struct lined_counters counters;
	/* Called after handle_close, with the same arguments. May be NULL. */
	void (*closed)(struct lined_socket *sock,
		       enum lined_close_reason reason, int error);
	/* Asked about a datagram before the protocol sees it: false drops it,
	 * counted. May be NULL. */
	bool (*admit)(struct lined_socket *sock, const struct sockaddr *from,
		      socklen_t len);
	/* Sees each line before its reader does, and changes nothing. NULL: it
	 * costs nothing. */
	void (*tap)(struct lined_socket *sock, const struct lined_line *line);
};

/* ---- making ---------------------------------------------------------- */

/* A socket without a descriptor, state IDLE. NULL/ENOMEM. */
LINED_API struct lined_socket *
lined_socket_new(const struct lined_socket_handlers *handlers, void *arg);

/*
 * The same with owner_size zeroed bytes behind it, for whoever keeps books on
 * the socket: lined_socket_owner() gives them, aligned for any type, and they
 * go with the socket.
 */
LINED_API struct lined_socket *
lined_socket_new_owned(const struct lined_socket_handlers *handlers, void *arg,
		       size_t owner_size);
LINED_API void *lined_socket_owner(struct lined_socket *sock);
LINED_API struct lined_socket *lined_socket_of_owner(void *owner);

/* Replaces the table and the argument, legal at any time; and the table that is
 * in force, never NULL. */
LINED_API void
lined_socket_set_handlers(struct lined_socket *sock,
			  const struct lined_socket_handlers *handlers,
			  void *arg);
LINED_API const struct lined_socket_handlers *
lined_socket_handlers(const struct lined_socket *sock);
LINED_API void *lined_socket_arg(const struct lined_socket *sock);

/*
 * Opens a descriptor of the family (AF_INET, AF_INET6, AF_UNIX) and type
 * (SOCK_STREAM, SOCK_DGRAM) now, for options to be set on it; bind and connect
 * open one themselves. -1 and errno.
 */
LINED_API int lined_socket_open(struct lined_socket *sock, int family,
				int type);

/*
 * Adopts a descriptor in the given state and makes it non-blocking. It is the
 * socket's from then on; on failure (-1/errno) it stays the caller's.
 * CONNECTING adopts a connect under way, with the default deadline.
 */
LINED_API int lined_socket_wrap(struct lined_socket *sock, int fd,
				enum lined_socket_state state);

/*
 * Binds to an address; a datagram socket is UDP_BOUND afterwards. IPv6 sockets
 * are IPv6 only; stream sockets get SO_REUSEADDR. -1 and errno.
 */
LINED_API int lined_socket_bind(struct lined_socket *sock, int type,
				const struct sockaddr *address, socklen_t len);

/* Listens; handle_accept is called for who comes. -1 and errno. */
LINED_API int lined_socket_listen(struct lined_socket *sock, int backlog);

/*
 * Accepts one connection into an idle socket, whose handlers stay; it is then
 * registered with the listener's dispatcher. -1 with errno: EAGAIN (nobody is
 * waiting); after any other (EMFILE, ENFILE, ENOMEM, ...) the listener rests a
 * tenth of a second by itself and then asks again. A connection that is gone
 * already is passed over. On failure client is untouched and the caller's.
 */
LINED_API int lined_socket_accept(struct lined_socket *listener,
				  struct lined_socket *client);

/*
 * The same as a bare descriptor (non-blocking, close-on-exec), for a caller
 * that hands it on; the peer's address is put in *address where not NULL.
 */
LINED_API int lined_socket_accept_fd(struct lined_socket *listener,
				     struct sockaddr_storage *address,
				     socklen_t *len);

/*
 * Connects to host:port, never blocking: names are resolved off the loop,
 * every address is tried in turn within timeout_ms (0: 30 s) altogether.
 * Exactly one of handle_connect and handle_close follows, never within this
 * call. On an unregistered socket it begins at registration. -1 with errno only
 * where nothing was begun: EISCONN, EALREADY, EINVAL, ENOMEM.
 */
LINED_API int lined_socket_connect(struct lined_socket *sock, const char *host,
				   uint16_t port, uint32_t timeout_ms);

/* The same to one address, UNIX paths among them: there, a listener whose
 * backlog is full is tried again until timeout_ms have passed. */
LINED_API int lined_socket_connect_to(struct lined_socket *sock,
				      const struct sockaddr *address,
				      socklen_t len, uint32_t timeout_ms);

/* ---- ending ---------------------------------------------------------- */

/*
 * Drops the connection now: nothing is read or written any more, what is
 * queued is dropped. Idempotent; legal in every callback, on any socket. An
 * unregistered socket gets its handle_close within this call, and is freed.
 */
LINED_API void lined_socket_close(struct lined_socket *sock);

/* The same with a reason and an errno of the caller's. */
LINED_API void lined_socket_close_for(struct lined_socket *sock,
				      enum lined_close_reason reason,
				      int error);

/*
 * Reads no more, flushes what is queued, then closes for the reason; after
 * timeout_ms (0: 30 s) it drops the rest. A peer that was still sending, or has
 * not got all yet, has its input discarded until it closes, for up to two
 * seconds, so that no reset overtakes the last answer.
 */
LINED_API void lined_socket_close_after_flush(struct lined_socket *sock,
					      enum lined_close_reason reason,
					      uint32_t timeout_ms);

/* Ends the sending side once the queue is flushed; reading goes on. */
LINED_API void lined_socket_shutdown_write(struct lined_socket *sock);

/*
 * After LINED_LINE_CLOSED the socket stays open for sending until it is closed
 * by hand. Default off.
 */
LINED_API void lined_socket_allow_half_close(struct lined_socket *sock,
					     bool allow);

LINED_API const char *lined_close_reason_text(enum lined_close_reason reason);

/* Which deadline a socket closed with LINED_CLOSE_TIMEOUT or LINED_CLOSE_SLOW
 * missed: "idle", "first line", "line", "send stall", "flush", "connect",
 * "name lookup"; "" where it was none. */
LINED_API const char *
lined_socket_missed_deadline(const struct lined_socket *sock);

/* ---- asking ---------------------------------------------------------- */

LINED_API enum lined_socket_state
lined_socket_state(const struct lined_socket *sock);
LINED_API bool lined_socket_is_connected(const struct lined_socket *sock);
LINED_API bool lined_socket_is_listening(const struct lined_socket *sock);
LINED_API bool lined_socket_is_connecting(const struct lined_socket *sock);
LINED_API bool lined_socket_is_closed(const struct lined_socket *sock);
/* Connected (or a bound datagram socket) and below the queue's high mark. */
LINED_API bool lined_socket_is_writeable(const struct lined_socket *sock);
LINED_API bool lined_socket_is_send_data_buffered(const struct lined_socket *s);
LINED_API bool lined_socket_is_datagram(const struct lined_socket *sock);
/* Nothing to read, nothing read and not yet served, nothing to send or on its
 * way: closing now loses nothing. Asks the system. */
LINED_API bool lined_socket_is_quiet(const struct lined_socket *sock);
LINED_API size_t lined_socket_queued(const struct lined_socket *sock);
/* How many bytes more the send queue takes, whatever the peer does, before the
 * overflow policy may act; SIZE_MAX where it is unlimited. */
LINED_API size_t lined_socket_room(const struct lined_socket *sock);

/* What a stream socket has done since it was connected. */
struct lined_traffic {
	uint64_t connected_ms;
	uint64_t silent_ms; /* no line came, and the peer took no byte */
	uint64_t lines_in;
	uint64_t bytes_in;
	uint64_t bytes_out;
};

LINED_API void lined_socket_traffic(const struct lined_socket *sock,
				    struct lined_traffic *traffic);

/* Lends the descriptor, -1 where there is none; it stays the socket's. */
LINED_API int lined_socket_fd(const struct lined_socket *sock);
LINED_API struct lined_dispatcher *
lined_socket_dispatcher(const struct lined_socket *sock);

/*
 * The peer's address (of a datagram socket: the sender of the datagram that is
 * being read). -1/ENOTCONN where there is none.
 */
LINED_API int lined_socket_peer(const struct lined_socket *sock,
				struct sockaddr_storage *address,
				socklen_t *len);

/* The local address. -1 and errno. */
LINED_API int lined_socket_local(const struct lined_socket *sock,
				 struct sockaddr_storage *address,
				 socklen_t *len);

/* ---- reading --------------------------------------------------------- */

LINED_API void lined_socket_set_framing(struct lined_socket *sock,
					const struct lined_framing *framing);
LINED_API const struct lined_framing *
lined_socket_framing(const struct lined_socket *sock);

/*
 * The next line, called in a loop from handle_read (see lined/line.h). Outside
 * of handle_read it serves what is saved.
 */
LINED_API enum lined_line_status
lined_socket_read_line(struct lined_socket *sock, struct lined_line *line);

/*
 * Exactly len bytes as one block, with the same statuses; 1 and up. Lines and
 * blocks may alternate: what was buffered is never lost by the switch. A rest
 * shorter than len at the end of the stream follows the unterminated policy.
 * -> LINED_LINE_ERROR/EMSGSIZE where len is over max_len, the bound the caller
 * sets on what a peer may ask for. Nothing is taken then, and it is the caller
 * who closes the socket: with input left handle_read comes again in each turn.
 */
LINED_API enum lined_line_status
lined_socket_read_block(struct lined_socket *sock, size_t len, size_t max_len,
			struct lined_line *line);

/*
 * Takes what is there, at least one byte, borrowed like a line; the same
 * statuses without TOO_LONG.
 */
LINED_API enum lined_line_status lined_socket_read(struct lined_socket *sock,
						   struct lined_line *data);

/* Whether something has come that was not yet taken: part of a line, or more
 * lines than a turn serves. Where false, the input ended at a line's end. */
LINED_API bool lined_socket_is_within_line(const struct lined_socket *sock);

/*
 * Stops reading, at the current line, and goes on. A reset is noticed while
 * paused. Calls do not nest.
 */
LINED_API void lined_socket_pause(struct lined_socket *sock);
LINED_API void lined_socket_resume(struct lined_socket *sock);
LINED_API bool lined_socket_is_paused(const struct lined_socket *sock);

/* ---- sending --------------------------------------------------------- */

/*
 * Queues bytes, which are copied; never blocks, keeps order, legal before the
 * connection stands. The queue leaves in one gathering write at the end of the
 * turn. Each call is one whole send to the overflow policy. In a datagram
 * socket's handle_read it answers the sender: all sends for one datagram leave
 * as one. 0; -1 with errno: EPIPE (closed, or the writing side was ended),
 * ENOBUFS (dropped, or the socket is being closed, by the overflow policy),
 * EDESTADDRREQ (a datagram socket outside of handle_read), ENOTCONN (not
 * registered, or listening), EMSGSIZE (more than a send, or a datagram, can
 * be), ENOMEM.
 */
LINED_API int lined_socket_send(struct lined_socket *sock, const void *data,
				size_t len);

/* The same gathered from pieces, as one whole send. */
LINED_API int lined_socket_sendv(struct lined_socket *sock,
				 const struct iovec *pieces, size_t count);

/* A text made as printf(3) does, as one whole send. Same errors, EINVAL or
 * EOVERFLOW of the format, too. */
LINED_API int lined_socket_printf(struct lined_socket *sock, const char *format,
				  ...) __attribute__((format(printf, 2, 3)));

/* A line with its own terminator, as it came. */
LINED_API int lined_socket_send_line(struct lined_socket *sock,
				     const struct lined_line *line);

/* Part of a shared buffer, not copied: a reference is held until it is sent.
 * Same errors; EINVAL where the buffer has no such part. */
LINED_API int lined_socket_send_shared(struct lined_socket *sock,
				       struct lined_buffer *buffer,
				       size_t offset, size_t len);

/* A datagram to an address, from a bound datagram socket. -1 with errno:
 * ENOBUFS (the queue is full: it was dropped, counted), ENOTCONN (not bound,
 * not registered, or closed), EOPNOTSUPP (a stream), ENOMEM. One that the
 * system does not take later is counted only. */
LINED_API int lined_socket_send_to(struct lined_socket *sock, const void *data,
				   size_t len, const struct sockaddr *address,
				   socklen_t address_len);

/*
 * The seed's setHandleWrite and delHandleWrite: while on, handle_write is
 * called each turn in which the socket can be written and its queue is below
 * the low mark.
 */
LINED_API void lined_socket_want_write(struct lined_socket *sock, bool want);

LINED_API void lined_socket_set_overflow(struct lined_socket *sock,
					 enum lined_overflow overflow);

/* How many whole sends the overflow policy has dropped since last asked. */
LINED_API uint32_t lined_socket_take_dropped(struct lined_socket *sock);

/* ---- groups ---------------------------------------------------------- */

/*
 * Puts the socket under a group; without one it has the defaults: send queue
 * 1 MiB, stall 30 s, no other limit, counters nobody reads.
 */
LINED_API void lined_socket_set_group(struct lined_socket *sock,
				      struct lined_socket_group *group);
LINED_API struct lined_socket_group *
lined_socket_group(const struct lined_socket *sock);

/* The group's limits changed: this socket's deadlines are counted anew. */
LINED_API void lined_socket_limits_changed(struct lined_socket *sock);

LINED_END_DECLS

#endif
