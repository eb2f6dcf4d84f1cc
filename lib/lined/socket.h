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
	LINED_SOCKET_IDLE,       /* new; a bound stream socket, too */
	LINED_SOCKET_CONNECTING, /* connecting, or in a handshake */
	LINED_SOCKET_CONNECTED,
	LINED_SOCKET_LISTENING,
	LINED_SOCKET_CLOSED,    /* handle_close was called or is due */
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
	LINED_CLOSE_REASONS   /* the number of reasons */
};

/* The policy for a send that does not fit into the send queue. */
enum lined_overflow {
	LINED_OVERFLOW_CLOSE,       /* close with LINED_CLOSE_SLOW */
	LINED_OVERFLOW_DROP_NEWEST, /* drop this send */
	/* Drop the oldest queued sends that have not begun to leave. Each
	 * queued send counts 48 bytes more than its length. */
	LINED_OVERFLOW_DROP_OLDEST,
};

/*
 * The callbacks of a socket: one constant table for all sockets of a kind. Any
 * member may be NULL. `arg` is the argument of lined_socket_new() or
 * lined_socket_set_handlers().
 */
struct lined_socket_handlers {
	/*
	 * Connections are waiting on a listener: accept none, one or many. If
	 * the handler calls no accept function, the listener pauses for 100 ms.
	 */
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
	 * The last callback, called exactly once, with the reason and the errno
	 * behind it (0: none). Functions that only read the state of the socket
	 * (lined_socket_peer(), lined_socket_traffic()) may still be called.
	 */
	void (*handle_close)(struct lined_socket *sock, void *arg,
			     enum lined_close_reason reason, int error);
	/*
	 * Bytes of a stream have come, which are not split into lines yet. The
	 * handler may change them in place, shorten them, or add up to
	 * LINED_INPUT_SPARE bytes; it returns their new number. For example it
	 * removes the commands of telnet and answers them at once. It may send
	 * and close. The counters count the bytes as they came.
	 */
	size_t (*handle_input)(struct lined_socket *sock, void *arg,
			       char *bytes, size_t len);
	/*
	 * A limit of time has passed: idle_ms, first_line_ms or line_ms of the
	 * group. The socket is closed with LINED_CLOSE_TIMEOUT after this call;
	 * a reply that is sent here is flushed first, for example "421
	 * timeout". lined_socket_missed_deadline() names the limit.
	 */
	void (*handle_timeout)(struct lined_socket *sock, void *arg);
};

/* How many bytes handle_input may add. */
#define LINED_INPUT_SPARE 16

/*
 * The limits of every socket in a group, for example of all clients of a
 * service. 0 means off, or unlimited. Times are measured on the monotonic
 * clock.
 */
struct lined_limits {
	/* The longest time in which the peer neither completes a line nor takes
	 * a byte. */
	uint32_t idle_ms;
	/* The longest time from the start of the connection to the first
	 * complete line. */
	uint32_t first_line_ms;
	/* The longest time from the first byte of a line to its terminator. */
	uint32_t line_ms;
	/* The longest time in which output is queued and the peer takes none of
	 * it. */
	uint32_t send_stall_ms;
	/* Lines a second, and the burst: lines that may come at once. The input
	 * of a faster peer is read at this rate. */
	uint32_t line_rate;
	uint32_t line_burst;
	/*
	 * The most bytes that may be queued for sending. Above a quarter of it
	 * (the high mark) the socket's input is not read, until at most an
	 * eighth (the low mark) is left.
	 */
	uint32_t send_queue;
};

#define LINED_SEND_QUEUE_DEFAULT    (1024u * 1024)
#define LINED_SEND_STALL_DEFAULT_MS 30000u

/*
 * The counters of a group's sockets. All but `queued` only grow. One thread
 * writes them; other threads may read them with relaxed atomic loads.
 */
struct lined_counters {
	uint64_t lines_in;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t sends;         /* calls of a send function that were queued */
	uint64_t too_long;      /* lines over the limit */
	uint64_t bare_lf;       /* LF without CR under CRLF framing */
	uint64_t unterminated;  /* last lines dropped, without terminator */
	uint64_t tls_truncated; /* TLS streams without their end */
	uint64_t sends_dropped; /* by an overflow policy */
	uint64_t datagrams_in;
	uint64_t datagrams_out;
	uint64_t datagrams_dropped; /* truncated, refused or not sendable */
	uint64_t rate_slowed;       /* times a socket exceeded its line rate */
	uint64_t closed[LINED_CLOSE_REASONS]; /* connections, by reason */
	uint64_t queued;                      /* bytes queued for sending now */
	uint64_t queue_most; /* the longest queue of one socket so far */
	uint64_t truncated;  /* lines whose rest was discarded */
};

/*
 * A group: the limits, counters and callbacks that sockets of a kind share. The
 * caller owns it and keeps it until `closed` was called for the last of its
 * sockets. The limits may be changed at any time on the dispatcher's thread;
 * call lined_socket_limits_changed() for each of the sockets then.
 */
struct lined_socket_group {
	struct lined_limits limits;
	struct lined_counters counters;
	/* Called when a closing socket has sent everything, before the peer can
	 * see the end of the stream; not if the connection was lost. Comes
	 * before `closed`, perhaps more than once. NULL: nothing. */
	void (*leaving)(struct lined_socket *sock);
	/* Called after handle_close, with the same reason and errno. NULL:
	 * nothing. */
	void (*closed)(struct lined_socket *sock,
		       enum lined_close_reason reason, int error);
	/* Called with the sender of a datagram before handle_read: false drops
	 * and counts the datagram. NULL: all are accepted. */
	bool (*admit)(struct lined_socket *sock, const struct sockaddr *from,
		      socklen_t len);
	/* Called with the sender before each line of a datagram: false drops
	 * the line. NULL: all are accepted. */
	bool (*admit_line)(struct lined_socket *sock,
			   const struct sockaddr *from, socklen_t len);
	/* Called with each line before lined_socket_read_line() returns it;
	 * must not change it. NULL: nothing. */
	void (*tap)(struct lined_socket *sock, const struct lined_line *line);
	/* Private: limits that replace `limits` for some of its sockets. */
	const struct lined_limits *classes;
};

/* ---- making ---------------------------------------------------------- */

/*
 * Makes a socket without a descriptor, in state IDLE. The table of handlers is
 * not copied and must outlive the socket; `handlers` may be NULL. NULL/ENOMEM.
 */
LINED_API struct lined_socket *
lined_socket_new(const struct lined_socket_handlers *handlers, void *arg);

/*
 * Makes a socket with owner_size zeroed bytes for the caller in the same
 * allocation: lined_socket_owner() returns them, aligned for any type, and
 * lined_socket_of_owner() finds the socket again. They are freed with the
 * socket.
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
 * AF_INET6 or AF_UNIX, type SOCK_STREAM or SOCK_DGRAM. Without this call, bind
 * and connect open a descriptor. -1 with errno: EISCONN (the socket has one
 * already), ENOMEM, or of socket(2).
 */
LINED_API int lined_socket_open(struct lined_socket *sock, int family,
				int type);

/*
 * Gives an idle socket a descriptor in the given state and makes it
 * non-blocking. From then on the socket owns the descriptor; on failure the
 * caller keeps it. CONNECTING: connect(2) was called on it, and has 30 s to
 * succeed. CONNECTED: the descriptor may also be an end of a pipe, a FIFO or a
 * terminal; the program must ignore SIGPIPE then. -1 with errno: EISCONN,
 * EINVAL (state CLOSED), ENOMEM, or of fcntl(2) and
 * lined_dispatcher_register().
 */
LINED_API int lined_socket_wrap(struct lined_socket *sock, int fd,
				enum lined_socket_state state);

/*
 * Binds to an address; opens a descriptor of this type (SOCK_STREAM or
 * SOCK_DGRAM) if the socket has none. IPv6 sockets accept IPv6 only, TCP
 * sockets get SO_REUSEADDR. A datagram socket is UDP_BOUND afterwards. -1 with
 * errno: EINVAL (not idle), ENOMEM, or of socket(2), setsockopt(2), bind(2) and
 * lined_dispatcher_register().
 */
LINED_API int lined_socket_bind(struct lined_socket *sock, int type,
				const struct sockaddr *address, socklen_t len);

/* Listens on a bound socket: its handle_accept is called when connections are
 * waiting. -1 with errno: EINVAL (not idle, or no descriptor), or of listen(2)
 * and lined_dispatcher_register(). */
LINED_API int lined_socket_listen(struct lined_socket *sock, int backlog);

/*
 * Accepts one connection into an idle socket and registers it with the
 * listener's dispatcher. Connections that have ended meanwhile are skipped. On
 * failure the client is unchanged and still the caller's. -1 with errno: EAGAIN
 * (none is waiting), EINVAL. If accept(2) fails in another way (EMFILE, ENFILE,
 * ENOMEM, ...) the listener accepts nothing for 100 ms and then resumes by
 * itself. If the client cannot be registered, the connection is closed.
 */
LINED_API int lined_socket_accept(struct lined_socket *listener,
				  struct lined_socket *client);

/*
 * Accepts one connection as a descriptor (non-blocking, close-on-exec) that the
 * caller owns. Stores the peer's address in *address and its size in *len,
 * unless both are NULL. -1 and errno as above.
 */
LINED_API int lined_socket_accept_fd(struct lined_socket *listener,
				     struct sockaddr_storage *address,
				     socklen_t *len);

/*
 * Connects to host:port and never blocks: another thread resolves a name, and
 * its addresses are tried in turn, within timeout_ms (0: 30 s) altogether.
 * Either handle_connect or handle_close follows, never within this call. If the
 * socket is not registered, the connect begins when it is. -1 with errno, and
 * nothing follows: EISCONN, EALREADY, EINVAL, ENOMEM.
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
 * queued output is dropped. Idempotent; legal in every callback, on any socket.
 * If the socket is not registered, this call runs its handle_close and frees
 * it.
 */
LINED_API void lined_socket_close(struct lined_socket *sock);

/* The same with a reason and an errno of the caller's choice. */
LINED_API void lined_socket_close_for(struct lined_socket *sock,
				      enum lined_close_reason reason,
				      int error);

/*
 * Stops reading, sends the queued output, then closes for this reason; after
 * timeout_ms (0: 30 s) it closes even if output is left. Lingering close: if
 * the peer may still be sending, or has not acknowledged everything, its input
 * is read and discarded for up to two seconds. Otherwise a reset could destroy
 * the last bytes before the peer has read them.
 */
LINED_API void lined_socket_close_after_flush(struct lined_socket *sock,
					      enum lined_close_reason reason,
					      uint32_t timeout_ms);

/* Half-close: ends the write side when everything queued is sent. Reading
 * continues. */
LINED_API void lined_socket_shutdown_write(struct lined_socket *sock);

/*
 * Sets whether the socket stays open for sending after its peer has ended the
 * stream and the reader has seen LINED_LINE_CLOSED. Default: false, the socket
 * closes when everything queued is sent.
 */
LINED_API void lined_socket_allow_half_close(struct lined_socket *sock,
					     bool allow);

/* The name of a reason, as quoted above; "unknown" for other numbers. */
LINED_API const char *lined_close_reason_text(enum lined_close_reason reason);

/*
 * The deadline that closed a socket: "idle", "first line", "line", "handshake",
 * "connect", "name lookup" or "ping" (WebSocket) with LINED_CLOSE_TIMEOUT,
 * "send stall" with LINED_CLOSE_SLOW, "flush" with the reason given to
 * lined_socket_close_after_flush(). "": none did.
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

/*
 * Whether the socket is connected (a datagram socket: bound), its write side is
 * open, and its queue has not passed the high mark since it was last at the low
 * mark.
 */
LINED_API bool lined_socket_is_writeable(const struct lined_socket *sock);
/* Whether anything is queued for sending. */
LINED_API bool lined_socket_is_send_data_buffered(const struct lined_socket *s);
/* Whether the socket sends and receives datagrams. */
LINED_API bool lined_socket_is_datagram(const struct lined_socket *sock);

/*
 * Whether closing now loses nothing: no input waits in the kernel or here,
 * except part of a line, and everything sent was acknowledged. A peer that was
 * kept from sending (by a pause, a full queue, a line rate) may have more on
 * its way, and is not quiet until it has sent nothing for 250 ms. Costs up to
 * three system calls.
 */
LINED_API bool lined_socket_is_quiet(const struct lined_socket *sock);

/* The bytes queued for sending. */
LINED_API size_t lined_socket_queued(const struct lined_socket *sock);
/*
 * The bytes that the send queue can take now, even if the peer reads nothing,
 * before the overflow policy acts; SIZE_MAX: the queue is unlimited, for
 * instance because the socket is neither registered nor in a group.
 */
LINED_API size_t lined_socket_room(const struct lined_socket *sock);

/* The traffic of a stream socket since it was connected. */
struct lined_traffic {
	uint64_t connected_ms; /* time since the connect */
	/* time since the peer last completed a line or took a byte */
	uint64_t silent_ms;
	uint64_t lines_in;
	uint64_t bytes_in;
	uint64_t bytes_out;
};

/* Fills *traffic; with zeros for a datagram socket. */
LINED_API void lined_socket_traffic(const struct lined_socket *sock,
				    struct lined_traffic *traffic);

/* The descriptor, which stays the socket's; -1: none. */
LINED_API int lined_socket_fd(const struct lined_socket *sock);
/* The dispatcher that the socket is registered with; NULL: none. */
LINED_API struct lined_dispatcher *
lined_socket_dispatcher(const struct lined_socket *sock);

/*
 * Stores the address of the peer; for a datagram socket, the sender of the
 * datagram that handle_read is reading. -1 with errno: ENOTCONN, or of
 * getpeername(2).
 */
LINED_API int lined_socket_peer(const struct lined_socket *sock,
				struct sockaddr_storage *address,
				socklen_t *len);

/* Stores the local address. -1 and errno of getsockname(2). */
LINED_API int lined_socket_local(const struct lined_socket *sock,
				 struct sockaddr_storage *address,
				 socklen_t *len);

/* ---- reading --------------------------------------------------------- */

/*
 * Sets how the input is split into lines from here on; the framing is copied.
 */
LINED_API void lined_socket_set_framing(struct lined_socket *sock,
					const struct lined_framing *framing);
/* The framing in force, which stays the socket's. */
LINED_API const struct lined_framing *
lined_socket_framing(const struct lined_socket *sock);

/*
 * Gives the next line, see lined/line.h. Call it in a loop from handle_read
 * until it returns something other than LINED_LINE_READY or
 * LINED_LINE_TOO_LONG. Outside of handle_read it gives input that was left
 * over.
 */
LINED_API enum lined_line_status
lined_socket_read_line(struct lined_socket *sock, struct lined_line *line);

/*
 * Gives exactly len bytes, at least 1, as one block, with the same statuses.
 * Lines and blocks may alternate: no input is lost by the change. If the stream
 * ends before len bytes have come, the `unterminated` policy applies to the
 * incomplete block. max_len is the caller's bound on the length that a peer may
 * ask for. Returns LINED_LINE_ERROR with EMSGSIZE if len is over max_len, with
 * EINVAL for a len of 0 or a datagram socket. No input is taken then: the
 * caller must close the socket, or handle_read is called again in every turn.
 */
LINED_API enum lined_line_status
lined_socket_read_block(struct lined_socket *sock, size_t len, size_t max_len,
			struct lined_line *line);

/* Gives all the input that is there, borrowed as a line is, with the same
 * statuses except TOO_LONG. With LINED_LINE_READY it gives at least one byte,
 * except for an empty datagram. */
LINED_API enum lined_line_status lined_socket_read(struct lined_socket *sock,
						   struct lined_line *data);

/* Whether input is left over: part of a line, or lines that were not read yet.
 * False: all input was taken, up to the end of a line. */
LINED_API bool lined_socket_is_within_line(const struct lined_socket *sock);

/*
 * Stops reading after the current line, until lined_socket_resume(). Calls do
 * not nest. A reset by the peer is noticed even while paused. A paused listener
 * accepts nothing.
 */
LINED_API void lined_socket_pause(struct lined_socket *sock);
LINED_API void lined_socket_resume(struct lined_socket *sock);
LINED_API bool lined_socket_is_paused(const struct lined_socket *sock);

/* ---- sending --------------------------------------------------------- */

/*
 * Queues a copy of the bytes; never blocks and keeps the order. Legal while the
 * socket is connecting. One gathering write at the end of the turn sends
 * everything that the turn has queued. The overflow policy drops whole sends,
 * never parts. In handle_read of a datagram socket this answers the sender: all
 * sends for one datagram leave as one datagram. -1 with errno: EPIPE (closed,
 * or the write side has ended), ENOBUFS (the overflow policy dropped this send,
 * or closed the socket), EDESTADDRREQ (a datagram socket outside of
 * handle_read), ENOTCONN (idle, listening or not registered), EMSGSIZE (over 4
 * GiB, or longer than a datagram can be), ENOMEM.
 */
LINED_API int lined_socket_send(struct lined_socket *sock, const void *data,
				size_t len);

/* Sends the pieces as one send. Same errors. */
LINED_API int lined_socket_sendv(struct lined_socket *sock,
				 const struct iovec *pieces, size_t count);

/* Formats a text as printf(3) does and sends it. Same errors, and those of
 * vsnprintf(3). */
LINED_API int lined_socket_printf(struct lined_socket *sock, const char *format,
				  ...) __attribute__((format(printf, 2, 3)));

/* Sends a line with the terminator with which it came. Same errors. */
LINED_API int lined_socket_send_line(struct lined_socket *sock,
				     const struct lined_line *line);

/*
 * Sends len bytes of a shared buffer from offset on. A stream does not copy
 * them and holds a reference until they are sent; a datagram socket copies
 * them. Same errors, and EINVAL if the buffer is too short.
 */
LINED_API int lined_socket_send_shared(struct lined_socket *sock,
				       struct lined_buffer *buffer,
				       size_t offset, size_t len);

/*
 * Queues a datagram to an address. A datagram that the kernel refuses later,
 * for example because it is too long, is only counted. -1 with errno: ENOBUFS
 * (the queue is full; counted), ENOTCONN (not bound, not registered, or
 * closed), EINVAL (the address is too long), EOPNOTSUPP (a stream), EMSGSIZE,
 * ENOMEM.
 */
LINED_API int lined_socket_send_to(struct lined_socket *sock, const void *data,
				   size_t len, const struct sockaddr *address,
				   socklen_t address_len);

/* While on, handle_write is called in each turn in which the socket can be
 * written and its queue is at or below the low mark. */
LINED_API void lined_socket_want_write(struct lined_socket *sock, bool want);

/* Sets what happens when the queue is full. Default: LINED_OVERFLOW_CLOSE. */
LINED_API void lined_socket_set_overflow(struct lined_socket *sock,
					 enum lined_overflow overflow);

/*
 * Keeps the sends of a stream apart from here on, with the time at which each
 * was queued, for lined_socket_drop_older(). As with
 * LINED_OVERFLOW_DROP_OLDEST, each queued send counts 48 bytes more than its
 * length towards send_queue, because it takes more memory.
 */
LINED_API void lined_socket_keep_apart(struct lined_socket *sock, bool apart);

/*
 * Drops the sends that were queued more than age_ms ago and have not begun to
 * leave, as an overflow policy would. Returns how many. Nothing is dropped
 * unless sends are kept apart and the socket is registered.
 */
LINED_API uint32_t lined_socket_drop_older(struct lined_socket *sock,
					   uint32_t age_ms);

/*
 * Returns how many sends the overflow policy has dropped since the last call.
 */
LINED_API uint32_t lined_socket_take_dropped(struct lined_socket *sock);

/* ---- groups ---------------------------------------------------------- */

/*
 * Puts the socket into a group. Without a group, or with NULL, the defaults
 * apply: a send queue of 1 MiB, a send stall of 30 s, no other limit, and
 * counters that nobody reads.
 */
LINED_API void lined_socket_set_group(struct lined_socket *sock,
				      struct lined_socket_group *group);
/* The socket's group. NULL: it has none and is not registered. */
LINED_API struct lined_socket_group *
lined_socket_group(const struct lined_socket *sock);

/* The limits that apply to the socket: those of its group, or of its class in
 * lined.conf. NULL: it has no group and is not registered. */
LINED_API const struct lined_limits *
lined_socket_limits(const struct lined_socket *sock);

/* Sets the socket's deadlines anew. Call it after a change of the group's
 * limits: without it, a shorter limit may apply too late. */
LINED_API void lined_socket_limits_changed(struct lined_socket *sock);

LINED_END_DECLS

#endif
