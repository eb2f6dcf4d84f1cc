/* SPDX-License-Identifier: MIT */
/*
 * The inside of a socket, shared by the socket's files and, for its phases,
 * by the dispatcher:
 *
 *	socket_open.c	  making: memory, descriptor, transport
 *	socket_accept.c	  listening
 *	socket_connect.c  connecting
 *	transport_*.c	  how bytes get over the descriptor (transport.h)
 *
 *	socket.c	  registering, events, asking
 *	socket_read.c	  input: fill, then serve the handler
 *	socket_send.c	  output: queue, then flush
 *	socket_state.c	  the states: what is read, written and timed in each
 *	socket_deadline.c when time is up
 *	socket_close.c	  the end
 *
 * socket.c, socket_read.c, socket_send.c, socket_deadline.c and socket_close.c
 * are one object and call each other. They know nothing of the files above
 * them but the transport's table.
 */
#ifndef SOCKET_PRIV_H
#define SOCKET_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/rate.h>
#include <lined/socket.h>

#include "counter.h"
#include "dispatcher_priv.h"
#include "framing.h"
#include "input.h"
#include "list.h"
#include "send_queue.h"
#include "transport.h"

struct connector;
struct datagrams;

/* A socket's deadlines: those that lined_socket_missed_deadline() names, and
 * two that close nothing before its time. */
enum deadline {
	DEADLINE_NONE,
	DEADLINE_IDLE,
	DEADLINE_FIRST_LINE,
	DEADLINE_LINE,
	DEADLINE_STALL,
	DEADLINE_FLUSH,
	DEADLINE_CONNECT,
	DEADLINE_LOOKUP, /* of a connect, while its name is looked up */
	DEADLINE_RESUME, /* reading or accepting goes on */
	DEADLINE_LINGER, /* input has been discarded for long enough */
};

#define DEADLINE_BIT(deadline) (1u << (deadline))

struct lined_socket {
	struct lined_delegate delegate;
	const struct lined_socket_handlers *handlers;
	void *arg;
	struct lined_socket_group *group;
	/* Where it is registered; the delegate's is set while it has an fd. */
	struct lined_dispatcher *dispatcher;

	/* dispatcher.ready, unattached, closed or dead: one at a time. */
	struct list ready_link;
	struct list dirty_link;

	struct input in;
	struct framer framer;
	struct send_queue out;
	union {
		struct connector *connector; /* while CONNECTING */
		struct datagrams *datagrams; /* of a datagram socket */
		struct lined_rate rate;      /* else: of its lines */
	};

	/* lined_socket_traffic(). What a connection cannot outgrow: 250 TB,
	 * and with started_at 8,900 years. */
	uint64_t lines_in : 48;
	uint64_t started_high : 16;
	uint64_t bytes_in : 48;
	uint64_t bytes_out : 48;

	/* Ticks: milliseconds, cut to 32 bits. Compared by difference. */
	uint32_t active_at;  /* last line received or byte taken */
	uint32_t started_at; /* connected */
	uint32_t line_at;    /* the first byte of the line in the making */
	uint32_t stalled_at; /* the peer has taken nothing since */
	uint32_t resume_at;  /* a rested listener or a slowed reader goes on */
	union {
		uint32_t end_at;        /* a close after flush gives up */
		uint32_t kernel_unsent; /* else: what it had to take when looked
					   at */
	};
	uint32_t deadline; /* the slot of the first in dispatcher.deadlines */

	uint32_t dropped;     /* sends, by the overflow policy */
	uint16_t budget;      /* lines left in this call of handle_read */
	int16_t error;        /* of reading, or that it was closed with */
	int16_t send_error;   /* what is left to be read is read first */
	uint8_t state;        /* enum lined_socket_state */
	uint8_t reason;       /* enum lined_close_reason */
	uint8_t overflow;     /* enum lined_overflow */
	uint8_t expired;      /* enum deadline: which one closed it */
	uint8_t hold_reasons; /* reasons of socket_hold() */
	char saved_byte;      /* the byte that a NUL stands on, while `holds` */

	bool in_read : 1;      /* handle_read is running */
	bool needs_more : 1;   /* the reader needs more than there is */
	bool eof : 1;          /* the peer has ended */
	bool end_reported : 1; /* the reader has seen CLOSED or ERROR */
	bool half_close : 1;   /* allowed: CLOSED does not close */
	bool byte_saved : 1;
	bool paused : 1;        /* by hand */
	bool throttled : 1;     /* the queue is above its high mark */
	bool slowed : 1;        /* over the line rate, until resume_at */
	bool accept_paused : 1; /* a listener without descriptors, likewise */
	bool blocked : 1;       /* the kernel takes no more for now */
	bool want_write : 1;
	bool closing : 1;   /* close when flushed, by end_at */
	bool lingering : 1; /* flushed; discarding input until end_at */
	bool ending : 1;    /* the write side ends when flushed */
	bool ended : 1;     /* it has ended */
	bool got_line : 1;
	bool line_begun : 1; /* line_at holds */
	bool in_line : 1;    /* and the reader waits for more of it */
	bool accepted : 1;   /* accept was called in this handle_accept */
};

/* ---- the transport ---- */

static inline const struct transport *
socket_transport(const struct lined_socket *sock)
{
	return lined_container_of(sock->delegate.handlers,
				  const struct transport, delegate);
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

void socket_on_readable(struct lined_delegate *delegate);
void socket_on_writable(struct lined_delegate *delegate);
void socket_on_error(struct lined_delegate *delegate);
void socket_on_task(struct lined_delegate *delegate);
extern const struct lined_socket_ops socket_ops;

/* What all streams share, connected or not yet. */
#define TRANSPORT_STREAM_IO                                                    \
	.serve = stream_serve, .is_unserved = stream_is_unserved,              \
	.read_line = stream_read_line, .read_block = stream_read_block,        \
	.read = stream_read, .sendv = stream_sendv,                            \
	.send_shared = stream_send_shared, .flush = stream_flush,              \
	.queued = stream_queued, .peer = stream_peer

/* ---- socket.c ---- */

static inline const struct lined_limits *
socket_limits(const struct lined_socket *sock)
{
	return &sock->group->limits;
}

/* A line on its way to its reader. */
static inline void socket_tap(struct lined_socket *sock,
			      const struct lined_line *line)
{
	if (sock->group->tap != NULL)
		sock->group->tap(sock, line);
}

/* Around what may call a handler of the socket: see serving.h. */
static inline void socket_begin_serving(struct lined_dispatcher *d,
					const struct lined_socket *sock)
{
	__atomic_store_n(&d->serving, sock->group, __ATOMIC_RELAXED);
}

static inline void socket_end_serving(struct lined_dispatcher *d)
{
	__atomic_store_n(&d->serving, NULL, __ATOMIC_RELAXED);
}

/* What its input may have borrowed; NULL where it is not registered. */
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

/* The descriptor, in its state, is the socket's. -1 and errno: it is not. */
int socket_adopt(struct lined_socket *sock, int fd,
		 enum lined_socket_state state);
/* The handshake is over: the socket is CONNECTED over this transport, and
 * handle_connect is called. */
void socket_established(struct lined_socket *sock,
			const struct transport *transport);
/* Of a transport whose writable() has nothing else to do. */
void socket_writable(struct lined_socket *sock);
void stream_failed(struct lined_socket *sock);
int stream_peer(const struct lined_socket *sock,
		struct sockaddr_storage *address, socklen_t *len);

/* Sets fd and puts it under the dispatcher, where there is one already. */
int socket_attach(struct lined_socket *sock, int fd);
/* Takes the descriptor away; the caller closes it. */
int socket_detach(struct lined_socket *sock);

/* Tells the poller what it should watch now. */
void socket_update_mode(struct lined_socket *sock);

/* ---- socket_state.c ---- */

/* Paused by hand, or held. */
static inline bool socket_is_paused(const struct lined_socket *sock)
{
	return sock->paused || sock->hold_reasons != 0;
}

/* Nothing holds the reader back: it may have what there is. */
static inline bool socket_may_read(const struct lined_socket *sock)
{
	return !sock->paused && !sock->throttled && !sock->slowed &&
	       !sock->closing && sock->hold_reasons == 0;
}

/* The protocol wants handle_write, and could write. */
static inline bool socket_wants_write(const struct lined_socket *sock)
{
	return sock->want_write && !sock->closing && !sock->ending &&
	       !sock->ended;
}

/* What the poller should watch now, enum lined_mode. */
unsigned socket_wanted_mode(const struct lined_socket *sock);
/* Which deadlines may run in this state, as DEADLINE_BIT()s; limits and flags
 * say which of them do. */
unsigned socket_deadlines(const struct lined_socket *sock);

/* ---- socket_deadline.c ---- */

/* Now connected: the deadlines begin. */
void socket_connected(struct lined_socket *sock);
/* Now blocked. */
void socket_stalls(struct lined_socket *sock);
/* A deadline may have come nearer: what is set is moved if it is too late. */
void socket_arm(struct lined_socket *sock);
/* One may have passed. */
void socket_deadline(struct lined_socket *sock);

/* ---- socket_close.c ---- */

/* The end: no handler but handle_close runs any more. Idempotent. */
void socket_end(struct lined_socket *sock, enum lined_close_reason reason,
		int error);
/* The queue is empty: what waited for that happens. */
void socket_flushed(struct lined_socket *sock);

/* Phases of a turn. */
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
/* Something that held reading back is over. */
void socket_read_on(struct lined_socket *sock);
/* Runs handle_read over what is there; without a handler drops it. False: the
 * socket was closed meanwhile. */
bool socket_run_reader(struct lined_socket *sock);

/* ---- socket_send.c ---- */

void socket_mark_dirty(struct lined_socket *sock);
int stream_sendv(struct lined_socket *sock, const struct iovec *pieces,
		 size_t count, size_t total);
int stream_send_shared(struct lined_socket *sock, struct lined_buffer *buffer,
		       size_t offset, size_t len);
void stream_flush(struct lined_socket *sock);
size_t stream_queued(const struct lined_socket *sock);
/* At or below the low mark. */
bool socket_is_low(const struct lined_socket *sock);

/* ---- socket_connect.c ---- */

/* The socket's descriptor is connecting already. -1/ENOMEM. */
int socket_connect_adopt(struct lined_socket *sock, int fd);

#endif
