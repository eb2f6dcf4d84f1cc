/* SPDX-License-Identifier: MIT */
/*
 * The structure of a socket, shared by its files:
 *
 *	socket_open.c		making: memory, descriptor, transport
 *	socket_accept.c		listening
 *	socket_connect.c	connecting
 *	transport_*.c		how bytes get over the descriptor (transport.h)
 *
 *	socket_register.c	registering, groups
 *	socket_read.c		input: one read, then handle_read
 *	socket_send.c		output: queue, then one write
 *	socket_pause.c		pausing and holding the input (socket_daemon.h)
 *	socket_state.c		reading, writing, deadlines by state; queries
 *	socket_deadline.c	the deadlines
 *	socket_close.c		closing and half-close
 *
 *	socket_turn.c		events and the phases of a turn
 *
 * socket_register.c, socket_read.c, socket_send.c, socket_deadline.c and
 * socket_close.c call each other. They call the files of the first group only
 * through the transport's table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lined/rate.h>
#include <lined/socket.h>

#include "counter.h"
#include "dispatcher_priv.h"
#include "framing.h"
#include "input_buffer.h"
#include "list.h"
#include "send_queue.h"
#include "transport.h"

struct connector;
struct datagrams;
struct tls_session;
struct websocket;

/* The deadlines of a socket, in the order in which they are checked; RESUME and
 * WAKE are checked first. lined_socket_missed_deadline() names them. */
enum deadline {
	DEADLINE_NONE,
	DEADLINE_CONNECT, /* a timer of socket_connect.c */
	DEADLINE_LOOKUP,  /* the same, while the name is looked up */
	DEADLINE_HANDSHAKE,
	DEADLINE_STALL,
	DEADLINE_FIRST_LINE,
	DEADLINE_LINE,
	DEADLINE_IDLE,
	DEADLINE_FLUSH,
	DEADLINE_LINGER, /* the lingering close ends; has no name */
	DEADLINE_RESUME, /* reading or accepting is resumed; has no name */
	DEADLINE_WAKE,   /* the transport's, see transport.h */
};

#define DEADLINE_BIT(deadline) (1u << (deadline))

/* The sessions of the transports above a plain stream, for sockets with TLS or
 * WebSocket. Each transport allocates and frees its own session. */
struct layers {
	struct lined_rate rate; /* the line rate */
	struct tls_session *tls;
	struct websocket *websocket;
};

struct lined_socket {
	struct lined_delegate delegate;
	const struct lined_socket_handlers *handlers;
	void *arg;
	struct lined_socket_group *group;
	/* The dispatcher of a registered socket, with or without a descriptor.
	 * delegate.dispatcher is set only if the socket has a descriptor. */
	struct lined_dispatcher *dispatcher;

	/* In dispatcher.ready, unattached, closed or dead, or in no list. */
	struct list ready_link;
	struct list dirty_link;

	struct input_buffer in;
	struct framer framer;
	struct send_queue out;
	union {
		struct connector *connector; /* during a connect */
		struct datagrams *datagrams; /* in a datagram socket */
		struct layers *layers;       /* if `layered` */
		struct lined_rate rate;      /* else: the line rate */
	};

	/* For lined_socket_traffic(). 48 bits of bytes are 281 TB; started_high
	 * and started_at together are 8,900 years of milliseconds. */
	uint64_t lines_in : 48;
	uint64_t started_high : 16;
	uint64_t bytes_in : 48;
	uint64_t class : 8; /* socket_set_class(); 0: the group's limits */
	uint64_t bytes_out : 48;

	/* Times: the low 32 bits of milliseconds, compared by difference. */
	uint32_t active_at;  /* last line received, or byte taken by the peer */
	uint32_t started_at; /* connected */
	uint32_t line_at;    /* first byte of the current partial line */
	uint32_t stalled_at; /* when the peer last took output */
	uint32_t resume_at; /* when accept_paused, slowed or catching_up ends */
	union {
		uint32_t end_at; /* deadline of handshake, close, linger */
		/* else: bytes in the kernel's queue at the last check */
		uint32_t kernel_unsent;
	};
	uint32_t deadline; /* slot in dispatcher.deadlines */

	uint32_t dropped;     /* sends that the overflow policy dropped */
	uint16_t budget;      /* lines left for this call of handle_read */
	int16_t error;        /* errno of reading, later of handle_close */
	int16_t send_error;   /* errno of sending, while input is left */
	uint8_t state;        /* enum lined_socket_state */
	uint8_t reason;       /* enum lined_close_reason */
	uint8_t overflow;     /* enum lined_overflow */
	uint8_t expired;      /* enum deadline: the one that has passed */
	uint8_t hold_reasons; /* bits of socket_hold() */
	char saved_byte;      /* the byte that a block's NUL replaced */

	bool in_read : 1;      /* handle_read is running */
	bool needs_more : 1;   /* the reader needs more input than there is */
	bool eof : 1;          /* the peer has ended the stream */
	bool end_reported : 1; /* the reader got CLOSED or ERROR */
	bool half_close : 1;   /* lined_socket_allow_half_close() */
	bool byte_saved : 1;
	bool paused : 1;        /* lined_socket_pause() */
	bool throttled : 1;     /* above the high mark, until the low mark */
	bool slowed : 1;        /* over the line rate until resume_at */
	bool accept_paused : 1; /* accepts nothing until resume_at */
	bool blocked : 1;       /* the kernel takes no more output for now */
	bool want_write : 1;
	bool closing : 1;   /* closes when flushed, or at end_at */
	bool lingering : 1; /* lingering close: flushed, until end_at */
	bool ending : 1;    /* the write side ends when flushed */
	bool ended : 1;     /* the write side has ended */
	bool got_line : 1;
	bool line_begun : 1;  /* line_at is set */
	bool in_line : 1;     /* the reader waits for the rest of the line */
	bool busy : 1;        /* socket_set_busy() */
	bool accepted : 1;    /* accept was called in this handle_accept */
	bool handshaking : 1; /* until end_at; see socket_handshake() */
	bool layered : 1;
	bool apart : 1;       /* lined_socket_keep_apart() */
	bool catching_up : 1; /* socket_catch_up() */
};

/* ---- the transport ---- */

static inline const struct transport *
socket_transport(const struct lined_socket *sock)
{
	return lined_container_of(sock->delegate.handlers,
				  const struct transport, delegate);
}

/* The bytes that the transport has taken and the kernel has not. */
static inline size_t socket_held_output(const struct lined_socket *sock)
{
	return transport_held_output(socket_transport(sock), sock);
}

static inline void socket_set_transport(struct lined_socket *sock,
					const struct transport *transport)
{
	sock->delegate.handlers = &transport->delegate;
}

/* The first member of every transport. */
#define TRANSPORT_DELEGATE                                                     \
	{                                                                      \
		.handle_read = socket_on_readable,                             \
		.handle_write = socket_on_writable,                            \
		.handle_error = socket_on_error, .task = socket_on_task,       \
		.socket_ops = &socket_ops                                      \
	}

/* The members for input, which the tables of all streams share, connected or
 * not. TRANSPORT_STREAM_IO, below, adds most of those for output. */
#define TRANSPORT_STREAM_INPUT                                                 \
	.serve = stream_serve, .is_unserved = stream_is_unserved,              \
	.read_line = stream_read_line, .read_block = stream_read_block,        \
	.read = stream_read, .queued = stream_queued, .peer = stream_peer
/* The events of a stream that is connected. */
#define TRANSPORT_STREAM_EVENTS                                                \
	.readable = stream_readable, .writable = socket_writable,              \
	.failed = stream_failed
#define TRANSPORT_STREAM_IO                                                    \
	TRANSPORT_STREAM_INPUT, .sendv = stream_sendv,                         \
				.send_shared = stream_send_shared,             \
				.flush = stream_flush

/* ---- socket_turn.c ---- */

void socket_on_readable(struct lined_delegate *delegate);
void socket_on_writable(struct lined_delegate *delegate);
void socket_on_error(struct lined_delegate *delegate);
void socket_on_task(struct lined_delegate *delegate);
extern const struct lined_socket_ops socket_ops;

/* The writable() and failed() of most transports. */
void socket_writable(struct lined_socket *sock);
void stream_failed(struct lined_socket *sock);

/* ---- socket_register.c ---- */

static inline const struct lined_limits *
socket_limits(const struct lined_socket *sock)
{
	const struct lined_socket_group *group = sock->group;

	return sock->class == 0 ? &group->limits
				: &group->classes[sock->class - 1];
}

/* The `shared` of the socket's input (input_buffer.h); NULL while the socket is
 * not registered. */
static inline char *socket_read_buffer(const struct lined_socket *sock)
{
	return sock->dispatcher != NULL ? sock->dispatcher->read_buffer : NULL;
}

static inline struct lined_socket *
socket_of_delegate(struct lined_delegate *delegate)
{
	return lined_container_of(delegate, struct lined_socket, delegate);
}

static inline uint32_t socket_now(const struct lined_socket *sock)
{
	return (uint32_t)sock->dispatcher->now_ms;
}

/* As lined_dispatcher_register() and lined_dispatcher_unregister(). */
int socket_register_delegate(struct lined_dispatcher *d,
			     struct lined_delegate *delegate);
int socket_unregister_delegate(struct lined_dispatcher *d,
			       struct lined_delegate *delegate);

/* Drops the input. Not to be called while handle_read runs. */
void socket_clear_input(struct lined_socket *sock);

/* Gives the socket a descriptor and its state. -1 and errno: nothing has
 * changed. */
int socket_adopt(struct lined_socket *sock, int fd,
		 enum lined_socket_state state);
/*
 * Begins a handshake on a registered socket, whose descriptor is connected.
 * Until socket_established() the socket is CONNECTING over this transport, for
 * timeout_ms at most. If the socket is already CONNECTED, input that was
 * received and not read is dropped. A second handshake (WebSocket over TLS) has
 * the deadline of the first.
 */
void socket_handshake(struct lined_socket *sock,
		      const struct transport *transport, uint32_t timeout_ms);
/* Returns the layers, which the first call allocates. Not to be called while a
 * connect is under way. NULL/ENOMEM. */
struct layers *socket_layers(struct lined_socket *sock);

static inline struct lined_rate *socket_rate(struct lined_socket *sock)
{
	return sock->layered ? &sock->layers->rate : &sock->rate;
}

/* Ends a handshake: makes the socket CONNECTED over this transport, and calls
 * handle_connect. */
void socket_established(struct lined_socket *sock,
			const struct transport *transport);

/* Sets the descriptor. If the socket is registered, the poller watches it. -1
 * and errno. */
int socket_attach(struct lined_socket *sock, int fd);
/* Takes the descriptor from the socket and the poller, and returns it for the
 * caller to close. */
int socket_detach(struct lined_socket *sock);

/* Makes the poller watch socket_wanted_mode(). To be called after a change of
 * anything that socket_state.c reads. */
void socket_update_mode(struct lined_socket *sock);

/* ---- socket_state.c ---- */

/* Paused by the protocol, or held by the daemon. */
static inline bool socket_is_paused(const struct lined_socket *sock)
{
	return sock->paused || sock->hold_reasons != 0;
}

/* The input may be read: nothing stops it. */
static inline bool socket_may_read(const struct lined_socket *sock)
{
	return !sock->paused && !sock->throttled && !sock->slowed &&
	       !sock->closing && sock->hold_reasons == 0;
}

/* lined_socket_want_write() is on and the write side is open. */
static inline bool socket_wants_write(const struct lined_socket *sock)
{
	return sock->want_write && !sock->closing && !sock->ending &&
	       !sock->ended;
}

/* The enum lined_mode to be watched now. */
unsigned socket_wanted_mode(const struct lined_socket *sock);
/* The deadlines that this state allows, as DEADLINE_BIT()s. Limits and flags
 * decide which of them run. */
unsigned socket_deadlines(const struct lined_socket *sock);

int stream_peer(const struct lined_socket *sock,
		struct sockaddr_storage *address, socklen_t *len);

/* ---- socket_deadline.c ---- */

/* Notes when the connection, or its handshake, begins. */
void socket_note_start(struct lined_socket *sock);
/* The socket is connected: the deadlines begin. */
void socket_connected(struct lined_socket *sock);
/* The kernel takes no more output: the send stall begins. */
void socket_stalls(struct lined_socket *sock);
/* Sets the slot to the nearest deadline. To be called when a deadline may have
 * become earlier. */
void socket_arm(struct lined_socket *sock);
/* The slot is due: acts on the deadline that has passed, or sets the slot again
 * if that deadline has moved. */
void socket_expire(struct lined_socket *sock);

/* ---- socket_close.c ---- */

/* Ends the socket: no handler but handle_close runs from now on. Idempotent. */
void socket_end(struct lined_socket *sock, enum lined_close_reason reason,
		int error);
/* The queue is empty: does the half-close or close that had to wait. */
void socket_flushed(struct lined_socket *sock);

/* Whether the kernel has input that was not read. */
bool fd_has_unread(int fd);

/* The close phase and the free phase of a turn. */
void socket_deliver_close(struct lined_socket *sock);
void socket_free(struct lined_socket *sock);

/* ---- socket_read.c ---- */

void stream_readable(struct lined_socket *sock);
void stream_serve(struct lined_socket *sock);
bool stream_is_unserved(const struct lined_socket *sock);
enum lined_line_status stream_read_line(struct lined_socket *sock,
					struct lined_line *line);
enum lined_line_status stream_read_block(struct lined_socket *sock, size_t len,
					 size_t max_len,
					 struct lined_line *line);
enum lined_line_status stream_read(struct lined_socket *sock,
				   struct lined_line *data);
/* Resumes reading, unless something still stops it. Input that is left is
 * served later, without waiting for the kernel. */
void socket_read_on(struct lined_socket *sock);
/* To be called when reading resumes. More input may be on its way then, until
 * the peer has sent nothing for some time. */
void socket_catch_up(struct lined_socket *sock);
bool socket_is_catching_up(const struct lined_socket *sock);
/* Calls handle_read; drops the input if the protocol has no handle_read. False:
 * the socket was closed meanwhile. */
bool socket_run_reader(struct lined_socket *sock);
/* Drops the input that is there; the next byte begins a line. */
void socket_drop_input(struct lined_socket *sock);

/* ---- socket_send.c ---- */

void socket_mark_dirty(struct lined_socket *sock);
/* Writes as much as the kernel takes, before the flush of the turn. */
void socket_send_early(struct list *dirty_link);
/* The first bytes of the queue were written: removes and counts them. */
void socket_note_written(struct lined_socket *sock, size_t bytes);
int stream_sendv(struct lined_socket *sock, const struct iovec *pieces,
		 size_t count, size_t total);
int stream_send_shared(struct lined_socket *sock, struct lined_buffer *buffer,
		       size_t offset, size_t len);
void stream_flush(struct lined_socket *sock);
size_t stream_queued(const struct lined_socket *sock);
/* The queue is at or below the low mark. */
bool socket_is_low(const struct lined_socket *sock);

/* ---- socket_connect.c ---- */

/* Gives the socket a descriptor on which connect(2) was called. -1/ENOMEM. */
int socket_connect_adopt(struct lined_socket *sock, int fd);
