/* SPDX-License-Identifier: MIT */
/*
 * The asynchronous socket: TCP and UNIX streams and UDP on a dispatcher, with
 * lines in and a send queue out.
 *
 * Ownership: a new socket belongs to the caller until it is registered, then
 * to the dispatcher. lined_socket_close() ends it: handle_close is called once,
 * later in the turn, and is the last callback; the memory is freed at the end
 * of that turn.
 *
 * Thread: every function here is called on the dispatcher's thread.
 *
 * Errors: a function that returns int returns 0, or -1 with errno. Later
 * failures are reported once, by handle_close.
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

/* The state of a socket. */
enum lined_socket_state {
	LINED_SOCKET_IDLE,       /* new: neither connected nor bound */
	LINED_SOCKET_CONNECTING, /* connect was called */
	LINED_SOCKET_CONNECTED,
	LINED_SOCKET_LISTENING,
	LINED_SOCKET_CLOSED,    /* handle_close has run or will */
	LINED_SOCKET_UDP_BOUND, /* a datagram socket that is bound */
};

/* Why a socket was closed; lined_close_reason_text() gives the quoted name. */
enum lined_close_reason {
	LINED_CLOSE_LOCAL,    /* this side closed it: "closed" */
	LINED_CLOSE_PEER,     /* the peer ended the stream: "peer" */
	LINED_CLOSE_ERROR,    /* a system call failed, see errno: "error" */
	LINED_CLOSE_TIMEOUT,  /* a deadline passed: "timeout" */
	LINED_CLOSE_TOO_LONG, /* a line was over the limit: "too-long" */
	LINED_CLOSE_SLOW,     /* the peer does not read: "slow" */
	LINED_CLOSE_LIMIT,    /* a limit refused it: "limit" */
	LINED_CLOSE_SHUTDOWN, /* the program or the service stops: "shutdown" */
	LINED_CLOSE_KICKED,   /* an operator closed it: "kicked" */
	LINED_CLOSE_REASONS   /* how many there are */
};

/* The policy for a send that does not fit into the send queue. */
enum lined_overflow {
	LINED_OVERFLOW_CLOSE,       /* close with LINED_CLOSE_SLOW */
	LINED_OVERFLOW_DROP_NEWEST, /* drop this send */
	/* Drop queued sends, whole ones that have not begun to leave. */
	LINED_OVERFLOW_DROP_OLDEST,
};

/*
 * The callbacks of a socket: one constant table for all sockets of a kind. Any
 * member may be NULL. `arg` is what lined_socket_new() or
 * lined_socket_set_handlers() was given.
 */
struct lined_socket_handlers {
	/* Connections are waiting on a listener: accept none, one or many. */
	void (*handle_accept)(struct lined_socket *sock, void *arg);
	/* The connect succeeded; the state is CONNECTED already. */
	void (*handle_connect)(struct lined_socket *sock, void *arg);
	/* Input is there, or its end: call lined_socket_read_line() in a loop.
	 * Without this handler input is read and dropped. */
	void (*handle_read)(struct lined_socket *sock, void *arg);
	/* The queue has room; only while lined_socket_want_write() is on. */
	void (*handle_write)(struct lined_socket *sock, void *arg);
	/* Called once in every turn. */
	void (*handle_task)(struct lined_socket *sock, void *arg);
	/*
	 * The last callback, exactly once: the reason, and the errno behind it
	 * (0: none). Functions that only ask (lined_socket_peer(),
	 * lined_socket_traffic()) may still be called.
	 */
	void (*handle_close)(struct lined_socket *sock, void *arg,
			     enum lined_close_reason reason, int error);
};

/*
 * The limits of every socket in a group, for example of all clients of a
 * service. 0 means off, or unlimited. Times are measured on the monotonic
 * clock.
 */
struct lined_limits {
	/* Without a complete line from the peer, or a byte that it took. */
	uint32_t idle_ms;
	/* From the start of the connection to the first complete line. */
	uint32_t first_line_ms;
	/* From the first byte of a line to its terminator. */
	uint32_t line_ms;
	/* While output is queued and the peer takes none of it. */
	uint32_t send_stall_ms;
	/* Lines a second, and how many may come at once. A peer that sends
	 * faster is read more slowly. */
	uint32_t line_rate;
	uint32_t line_burst;
	/* The most that may be queued for sending, in bytes. Above a quarter of
	 * it the socket's input is not read, until an eighth is left. */
	uint32_t send_queue;
};

#define LINED_SEND_QUEUE_DEFAULT    (1024u * 1024)
#define LINED_SEND_STALL_DEFAULT_MS 30000u

/*
 * The counters of a group's sockets. All but `queued` only grow. One thread
 * writes them; any other may read them with relaxed atomic loads.
 */
struct lined_counters {
	uint64_t lines_in;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t sends;         /* calls of a send function that were queued */
	uint64_t too_long;      /* lines over the limit */
	uint64_t bare_lf;       /* LF without CR under CRLF framing */
	uint64_t unterminated;  /* last lines dropped for want of an end */
	uint64_t sends_dropped; /* by an overflow policy */
	uint64_t datagrams_in;
	uint64_t datagrams_out;
	uint64_t datagrams_dropped; /* truncated, refused or not sendable */
	uint64_t rate_slowed;       /* times a socket met its line rate */
	uint64_t closed[LINED_CLOSE_REASONS]; /* connections, by reason */
	uint64_t queued;                      /* bytes queued for sending now */
	uint64_t queue_most; /* the most that one socket has had queued */
};

/*
 * A group: what sockets of a kind share. The caller owns it and keeps it until
 * the last of its sockets is freed. The limits may be changed at any time on
 * the dispatcher's thread; lined_socket_limits_changed() must then be called
 * for each socket whose deadlines moved.
 */
struct lined_socket_group {
	struct lined_limits limits;
	struct lined_counters counters;
	/* Called after handle_close, with the same arguments. NULL: nothing. */
	void (*closed)(struct lined_socket *sock,
		       enum lined_close_reason reason, int error);
	/* Called with the sender of a datagram before handle_read: false drops
	 * the datagram, and it is counted. NULL: all are taken. */
	bool (*admit)(struct lined_socket *sock, const struct sockaddr *from,
		      socklen_t len);
	/* Called with each line before its reader gets it; must not change it.
	 * NULL: nothing. */
	void (*tap)(struct lined_socket *sock, const struct lined_line *line);
};

/* ---- making ---------------------------------------------------------- */

/*
 * Makes a socket without a descriptor, in state IDLE. The table is not copied
 * and must outlive the socket; NULL is a table without handlers. NULL/ENOMEM.
 */
LINED_API struct lined_socket *
lined_socket_new(const struct lined_socket_handlers *handlers, void *arg);

/*
 * Makes a socket with owner_size zeroed bytes of the caller's in the same
 * allocation: lined_socket_owner() returns them, aligned for any type, and
 * lined_socket_of_owner() finds the socket again. They are freed with it.
 */
LINED_API struct lined_socket *
lined_socket_new_owned(const struct lined_socket_handlers *handlers, void *arg,
		       size_t owner_size);
LINED_API void *lined_socket_owner(struct lined_socket *sock);
LINED_API struct lined_socket *lined_socket_of_owner(void *owner);

/* Replaces the table and the argument. Legal at any time, also in a handler. */
LINED_API void
lined_socket_set_handlers(struct lined_socket *sock,
			  const struct lined_socket_handlers *handlers,
			  void *arg);
/* The table that is in force; never NULL. */
LINED_API const struct lined_socket_handlers *
lined_socket_handlers(const struct lined_socket *sock);
/* The argument that the handlers get. */
LINED_API void *lined_socket_arg(const struct lined_socket *sock);

/*
 * Opens a descriptor now, so that options can be set on it: family AF_INET,
 * AF_INET6 or AF_UNIX, type SOCK_STREAM or SOCK_DGRAM. bind and connect open
 * one by themselves. -1 with errno: EISCONN (there is one already), ENOMEM, or
 * of socket(2).
 */
LINED_API int lined_socket_open(struct lined_socket *sock, int family,
				int type);

/*
 * Gives an idle socket a descriptor in the given state and makes it
 * non-blocking. The socket owns the descriptor from then on; on failure the
 * caller still does. CONNECTING: connect(2) was called on it; it gets the
 * default deadline. -1 with errno: EISCONN, EINVAL (state CLOSED), ENOMEM, or
 * of fcntl(2) and lined_dispatcher_register().
 */
LINED_API int lined_socket_wrap(struct lined_socket *sock, int fd,
				enum lined_socket_state state);

/*
 * Binds to an address, opening a descriptor of that type where there is none.
 * IPv6 sockets take IPv6 only, streams get SO_REUSEADDR. A datagram socket is
 * UDP_BOUND afterwards. -1 with errno: EINVAL (not idle), or of socket(2),
 * setsockopt(2) and bind(2).
 */
LINED_API int lined_socket_bind(struct lined_socket *sock, int type,
				const struct sockaddr *address, socklen_t len);

/*
 * Listens on a bound socket, whose handle_accept is called when connections
 * are waiting. -1 with errno: EINVAL (not bound), or of listen(2).
 */
LINED_API int lined_socket_listen(struct lined_socket *sock, int backlog);

/*
 * Accepts one connection into an idle socket and registers it with the
 * listener's dispatcher. Connections that have ended meanwhile are passed over.
 * On failure the client is unchanged and still the caller's. -1 with errno:
 * EAGAIN (none is waiting), EINVAL; after any other (EMFILE, ENFILE, ENOMEM,
 * ...) the listener accepts nothing for 100 ms and then resumes by itself.
 */
LINED_API int lined_socket_accept(struct lined_socket *listener,
				  struct lined_socket *client);

/*
 * Accepts one connection as a descriptor (non-blocking, close-on-exec) that the
 * caller owns. The peer's address is stored in *address and its size in *len
 * unless both are NULL. -1 and errno as above.
 */
LINED_API int lined_socket_accept_fd(struct lined_socket *listener,
				     struct sockaddr_storage *address,
				     socklen_t *len);

/*
 * Connects to host:port and never blocks: a name is resolved on another thread,
 * and its addresses are tried in turn, within timeout_ms (0: 30 s) altogether.
 * Either handle_connect or handle_close follows, exactly one of them and never
 * within this call. Before the socket is registered nothing begins. -1 with
 * errno where nothing was begun: EISCONN, EALREADY, EINVAL, ENOMEM.
 */
LINED_API int lined_socket_connect(struct lined_socket *sock, const char *host,
				   uint16_t port, uint32_t timeout_ms);

/*
 * Connects to one address, which may be a UNIX path. A UNIX listener whose
 * backlog is full is tried again until timeout_ms have passed. Errors as above.
 */
LINED_API int lined_socket_connect_to(struct lined_socket *sock,
				      const struct sockaddr *address,
				      socklen_t len, uint32_t timeout_ms);

/* ---- ending ---------------------------------------------------------- */

/*
 * Closes at once with LINED_CLOSE_LOCAL: nothing more is read or written, and
 * what is queued is dropped. Idempotent; legal in every callback, on any
 * socket. A socket that is not registered gets its handle_close within this
 * call and is freed.
 */
LINED_API void lined_socket_close(struct lined_socket *sock);

/* The same with a reason and an errno of the caller's choice. */
LINED_API void lined_socket_close_for(struct lined_socket *sock,
				      enum lined_close_reason reason,
				      int error);

/*
 * Stops reading, sends what is queued, then closes for that reason; after
 * timeout_ms (0: 30 s) it closes without having sent all. Lingering close: the
 * input of a peer that is still sending, or has not acknowledged everything, is
 * read and discarded for up to two seconds, since a reset could otherwise
 * overtake the last bytes.
 */
LINED_API void lined_socket_close_after_flush(struct lined_socket *sock,
					      enum lined_close_reason reason,
					      uint32_t timeout_ms);

/* Half-close: ends the write side behind what is queued. Reading continues. */
LINED_API void lined_socket_shutdown_write(struct lined_socket *sock);

/*
 * Whether the socket stays open for sending after its peer has ended the
 * stream and the reader has seen LINED_LINE_CLOSED. Default: false, it closes
 * when the queue is empty.
 */
LINED_API void lined_socket_allow_half_close(struct lined_socket *sock,
					     bool allow);

/* The name of a reason, as quoted above; "unknown" for other numbers. */
LINED_API const char *lined_close_reason_text(enum lined_close_reason reason);

/*
 * The deadline by which a socket was closed with LINED_CLOSE_TIMEOUT or
 * LINED_CLOSE_SLOW: "idle", "first line", "line", "send stall", "flush",
 * "connect", "name lookup"; "" if there was none.
 */
LINED_API const char *
lined_socket_missed_deadline(const struct lined_socket *sock);

/* ---- asking ---------------------------------------------------------- */

LINED_API enum lined_socket_state
lined_socket_state(const struct lined_socket *sock);
LINED_API bool lined_socket_is_connected(const struct lined_socket *sock);
LINED_API bool lined_socket_is_listening(const struct lined_socket *sock);
LINED_API bool lined_socket_is_connecting(const struct lined_socket *sock);
LINED_API bool lined_socket_is_closed(const struct lined_socket *sock);

/* Whether it is connected, or a bound datagram socket, its write side is open
 * and its queue is below the high mark. */
LINED_API bool lined_socket_is_writeable(const struct lined_socket *sock);
/* Whether anything is queued for sending. */
LINED_API bool lined_socket_is_send_data_buffered(const struct lined_socket *s);
/* Whether it sends and receives datagrams. */
LINED_API bool lined_socket_is_datagram(const struct lined_socket *sock);

/*
 * Whether closing now loses nothing: no input waits in the kernel or here, and
 * everything sent was acknowledged. Costs up to three system calls.
 */
LINED_API bool lined_socket_is_quiet(const struct lined_socket *sock);

/* The bytes queued for sending. */
LINED_API size_t lined_socket_queued(const struct lined_socket *sock);
/* How many bytes may be sent now without the overflow policy acting, even if
 * the peer reads nothing; SIZE_MAX where the queue is unlimited. */
LINED_API size_t lined_socket_room(const struct lined_socket *sock);

/* The traffic of a stream socket since it was connected. */
struct lined_traffic {
	uint64_t connected_ms; /* how long ago that was */
	uint64_t silent_ms;    /* since a line came or the peer took a byte */
	uint64_t lines_in;
	uint64_t bytes_in;
	uint64_t bytes_out;
};

/* Fills *traffic; with zeros for a datagram socket. */
LINED_API void lined_socket_traffic(const struct lined_socket *sock,
				    struct lined_traffic *traffic);

/* The descriptor, which stays the socket's; -1: none. */
LINED_API int lined_socket_fd(const struct lined_socket *sock);
/* The dispatcher it is registered with; NULL: none. */
LINED_API struct lined_dispatcher *
lined_socket_dispatcher(const struct lined_socket *sock);

/*
 * The address of the peer; of a datagram socket, that of the sender of the
 * datagram that handle_read is reading. -1 with errno: ENOTCONN, or of
 * getpeername(2).
 */
LINED_API int lined_socket_peer(const struct lined_socket *sock,
				struct sockaddr_storage *address,
				socklen_t *len);

/* The local address. -1 and errno of getsockname(2). */
LINED_API int lined_socket_local(const struct lined_socket *sock,
				 struct sockaddr_storage *address,
				 socklen_t *len);

/* ---- reading --------------------------------------------------------- */

/* Sets how the input is cut into lines from here on; the framing is copied. */
LINED_API void lined_socket_set_framing(struct lined_socket *sock,
					const struct lined_framing *framing);
/* The framing in force, which stays the socket's. */
LINED_API const struct lined_framing *
lined_socket_framing(const struct lined_socket *sock);

/*
 * Gives the next line, see lined/line.h. Called in a loop from handle_read
 * until it returns something other than LINED_LINE_READY or
 * LINED_LINE_TOO_LONG. Outside of handle_read it gives what was left over.
 */
LINED_API enum lined_line_status
lined_socket_read_line(struct lined_socket *sock, struct lined_line *line);

/*
 * Gives exactly len bytes, at least 1, as one block, with the same statuses.
 * Lines and blocks may alternate: no input is lost by the change. A rest that
 * is shorter than len at the end of the stream follows the `unterminated`
 * policy. max_len is the caller's bound on what a peer may ask for. Returns
 * LINED_LINE_ERROR with EMSGSIZE where len is over it, with EINVAL for a len of
 * 0 or a datagram socket. Nothing is taken then: the caller must close the
 * socket, or handle_read is called again in every turn.
 */
LINED_API enum lined_line_status
lined_socket_read_block(struct lined_socket *sock, size_t len, size_t max_len,
			struct lined_line *line);

/*
 * Gives all the input that is there, at least one byte, borrowed as a line is;
 * the same statuses without TOO_LONG.
 */
LINED_API enum lined_line_status lined_socket_read(struct lined_socket *sock,
						   struct lined_line *data);

/* Whether input is left over: part of a line, or more lines than a turn
 * serves. False: all that came was taken, up to the end of a line. */
LINED_API bool lined_socket_is_within_line(const struct lined_socket *sock);

/*
 * Stops reading, behind the current line, until lined_socket_resume(). Calls do
 * not nest. A reset by the peer is noticed while paused. A paused listener
 * accepts nothing.
 */
LINED_API void lined_socket_pause(struct lined_socket *sock);
LINED_API void lined_socket_resume(struct lined_socket *sock);
LINED_API bool lined_socket_is_paused(const struct lined_socket *sock);

/* ---- sending --------------------------------------------------------- */

/*
 * Queues a copy of the bytes; never blocks and keeps the order. Legal before
 * the socket is connected. All that a turn queues leaves at its end in one
 * gathering write. The overflow policy drops whole calls, never parts. In
 * handle_read of a datagram socket this answers the sender: all sends for one
 * datagram leave as one. -1 with errno: EPIPE (closed, or the write side has
 * ended), ENOBUFS (the overflow policy dropped it, or closed the socket),
 * EDESTADDRREQ (a datagram socket outside of handle_read), ENOTCONN (not
 * registered, or listening), EMSGSIZE (over 4 GiB, or longer than a datagram
 * can be), ENOMEM.
 */
LINED_API int lined_socket_send(struct lined_socket *sock, const void *data,
				size_t len);

/* Sends the pieces, gathered as if by one call. Same errors. */
LINED_API int lined_socket_sendv(struct lined_socket *sock,
				 const struct iovec *pieces, size_t count);

/* Sends a text that is formatted as by printf(3). Same errors, and those of
 * vsnprintf(3). */
LINED_API int lined_socket_printf(struct lined_socket *sock, const char *format,
				  ...) __attribute__((format(printf, 2, 3)));

/* Sends a line with the terminator it came with. Same errors. */
LINED_API int lined_socket_send_line(struct lined_socket *sock,
				     const struct lined_line *line);

/*
 * Sends len bytes of a shared buffer from an offset on, without copying them: a
 * reference is held until they are sent. Same errors, and EINVAL where the
 * buffer does not have them.
 */
LINED_API int lined_socket_send_shared(struct lined_socket *sock,
				       struct lined_buffer *buffer,
				       size_t offset, size_t len);

/*
 * Queues a datagram to an address. A datagram that the system does not take
 * later is only counted. -1 with errno: ENOBUFS (the queue is full; counted),
 * ENOTCONN (not bound, not registered, or closed), EOPNOTSUPP (a stream),
 * EMSGSIZE, ENOMEM.
 */
LINED_API int lined_socket_send_to(struct lined_socket *sock, const void *data,
				   size_t len, const struct sockaddr *address,
				   socklen_t address_len);

/* While on, handle_write is called in each turn in which the socket can be
 * written and its queue is below the low mark. */
LINED_API void lined_socket_want_write(struct lined_socket *sock, bool want);

/* Sets what happens when the queue is full. Default: LINED_OVERFLOW_CLOSE. */
LINED_API void lined_socket_set_overflow(struct lined_socket *sock,
					 enum lined_overflow overflow);

/* How many sends the overflow policy has dropped since the last call. */
LINED_API uint32_t lined_socket_take_dropped(struct lined_socket *sock);

/* ---- groups ---------------------------------------------------------- */

/*
 * Puts the socket into a group. Without one, or with NULL, it has the defaults:
 * a send queue of 1 MiB, a send stall of 30 s, no other limit, and counters
 * that nobody reads.
 */
LINED_API void lined_socket_set_group(struct lined_socket *sock,
				      struct lined_socket_group *group);
/* Its group; NULL where it is not registered and was given none. */
LINED_API struct lined_socket_group *
lined_socket_group(const struct lined_socket *sock);

/* To be called when the group's limits have changed: the socket's deadlines are
 * set anew. */
LINED_API void lined_socket_limits_changed(struct lined_socket *sock);

LINED_END_DECLS

#endif
