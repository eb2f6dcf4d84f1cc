/* SPDX-License-Identifier: MIT */
/*
 * A transport: how the bytes of a socket get over its descriptor. Plain
 * streams, files, datagrams, TLS and WebSocket have one constant table each,
 * and the code above them (framing, limits, queues, deadlines) does not know
 * which one a socket has. Two more tables are for sockets without a connection:
 * those that connect (socket_connect.c) and those that listen
 * (socket_accept.c).
 *
 * The delegate's handlers are the first member of the table: a socket finds its
 * table by its handlers, and needs no other pointer. A transport that needs
 * memory for each socket allocates it, and frees it in free().
 *
 * Thread: the socket's. Every function may close the socket (socket_end()), and
 * must check sock->state after it has called a handler of the protocol. The
 * comment of a member says whether NULL is allowed.
 *
 * A stream over another one (TLS, WebSocket) needs two tables.
 *
 * The first is for the handshake, in state CONNECTING. readable() and
 * writable() advance it, handshake_mode is what the poller watches, and
 * socket_established() replaces the table by the next one. The protocol sees
 * nothing before that, and its sends are queued.
 *
 * The second is for the connection: TRANSPORT_STREAM_IO, and its own recv() and
 * send(). holds_input() reports input that the transport has decoded but not
 * given yet: otherwise the socket would wait for the kernel. held_output()
 * reports output that the transport has encoded but the kernel has not taken:
 * otherwise the poller would not watch for writing. send() gets the queue, up
 * to 64 pieces, in one call, and may encode all of it for one write.
 * end_output() sends a last message.
 *
 * A transport that encodes each send separately, as websocket_send.c does,
 * has its own sendv() and send_shared(), which call stream_sendv().
 *
 * A transport above the plain stream has a pointer to its memory in
 * socket_layers(). WebSocket works over a plain stream and over TLS: it calls
 * recv(), send(), holds_input(), held_output() and end_output() of the table
 * below it, in CONNECTING and CONNECTED. These functions must use
 * socket_layers() only, and never the present table of the socket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

struct transport {
	/* TRANSPORT_DELEGATE. Must be the first member, see above. */
	struct lined_delegate_handlers delegate;

	/*
	 * Datagrams have no connection: no deadline but that of a flush, no
	 * line rate, no half-close, and no entry in the counters of closed
	 * sockets.
	 */
	bool is_datagram;

	/* ---- events -------------------------------------------------- */

	/* CONNECTING: the enum lined_mode to watch; LINED_MODE_WRITE is added
	 * while `blocked` is set. */
	uint8_t handshake_mode;

	/* In CONNECTING, called when the socket is registered; for TLS to a
	 * server, when the socket is connected. NULL: there is nothing to
	 * begin. */
	void (*begin)(struct lined_socket *sock);

	/*
	 * The descriptor is ready; in any state but IDLE and CLOSED, and only
	 * for the mode that socket_wanted_mode() has returned. failed(): the
	 * descriptor is in error, and perhaps no mode is watched that would
	 * report the error.
	 */
	void (*readable)(struct lined_socket *sock);
	void (*writable)(struct lined_socket *sock);
	void (*failed)(struct lined_socket *sock); /* may be NULL */

	/* ---- input: CONNECTED, UDP_BOUND ----------------------------- */

	/* Calls handle_read for input that is there already. */
	void (*serve)(struct lined_socket *sock);
	/* Whether serve() should be called. */
	bool (*is_unserved)(const struct lined_socket *sock);

	/* The read functions of lined/socket.h, in any state. */
	enum lined_line_status (*read_line)(struct lined_socket *sock,
					    struct lined_line *line);
	enum lined_line_status (*read_block)(struct lined_socket *sock,
					     size_t len, size_t max_len,
					     struct lined_line *line);
	enum lined_line_status (*read)(struct lined_socket *sock,
				       struct lined_line *data);

	/* ---- output -------------------------------------------------- */

	/* lined_socket_sendv() and lined_socket_send_shared(), in any state;
	 * total is the sum of the pieces. send_shared NULL: sendv() copies. */
	int (*sendv)(struct lined_socket *sock, const struct iovec *pieces,
		     size_t count, size_t total);
	int (*send_shared)(struct lined_socket *sock,
			   struct lined_buffer *buffer, size_t offset,
			   size_t len);
	/* The flush phase of a turn, if the socket was marked dirty; in any
	 * state but CLOSED. */
	void (*flush)(struct lined_socket *sock);
	/* The bytes that are queued for sending, in any state. */
	size_t (*queued)(const struct lined_socket *sock);

	/* ---- the bytes of a stream: CONNECTED; NULL in other tables -- */

	/* As recv(2): up to size bytes; 0 at the end of the stream; -1 and
	 * errno. */
	ssize_t (*recv)(struct lined_socket *sock, char *to, size_t size);
	/*
	 * Takes bytes from the front of the vector. Returns how many, or -1 and
	 * errno (EAGAIN among others). With a count of 0 it only writes the
	 * output that it holds.
	 */
	ssize_t (*send)(struct lined_socket *sock, const struct iovec *vector,
			int count);
	/* recv() can give decoded bytes without the kernel. NULL: never. */
	bool (*holds_input)(const struct lined_socket *sock);
	/* The bytes that send() took and the kernel has not taken yet. NULL:
	 * never any. */
	size_t (*held_output)(const struct lined_socket *sock);
	/*
	 * Called before the write side ends or the socket closes, when
	 * everything is sent. True: the transport has queued its last message,
	 * or holds it as output, and end_output() is called again when the
	 * message is sent. False: no message is left to send. NULL: there never
	 * is one.
	 */
	bool (*end_output)(struct lined_socket *sock);

	/* Called when all output is sent: whether the peer will still answer
	 * the last message, so that the socket lingers. NULL: never. */
	bool (*is_answered)(const struct lined_socket *sock);
	/* CONNECTED. False: no deadline of the transport runs. True: wake() is
	 * to be called at *at, a time of socket_now(). NULL: never. */
	bool (*wakes)(const struct lined_socket *sock, uint32_t *at);
	void (*wake)(struct lined_socket *sock);

	/* ---- the rest ------------------------------------------------ */

	/* lined_socket_peer(), in any state. */
	int (*peer)(const struct lined_socket *sock,
		    struct sockaddr_storage *address, socklen_t *len);
	/* The bytes that the transport holds until stop() or, for datagrams,
	 * free(); they are charged to the dispatcher's memory. NULL: none. */
	size_t (*memory)(const struct lined_socket *sock);
	/* The socket was closed: no callback of the transport may run after
	 * this. May be NULL. */
	void (*stop)(struct lined_socket *sock);
	/* After handle_close: frees the transport's memory. May be NULL. */
	void (*free)(struct lined_socket *sock);
};

/* The calls of members that may be NULL. */
static inline bool transport_holds_input(const struct transport *transport,
					 const struct lined_socket *sock)
{
	return transport->holds_input != NULL && transport->holds_input(sock);
}

static inline size_t transport_held_output(const struct transport *transport,
					   const struct lined_socket *sock)
{
	return transport->held_output != NULL ? transport->held_output(sock)
					      : 0;
}

/* The plain stream: bytes are sent and received as they are. */
extern const struct transport transport_stream;
/* The same over a descriptor that is no socket: a pipe, a terminal. */
extern const struct transport transport_file;
/* TLS, after its handshake (tls.h). Only if built with OpenSSL. */
extern const struct transport transport_tls;
/* The table of TLS, for a transport above it; NULL: the socket has no TLS. */
const struct transport *tls_layer(const struct lined_socket *sock);
/* The table of sockets that listen; see socket_accept.c. */
extern const struct transport transport_listener;

/* Gives a new socket the transport for datagrams. -1/ENOMEM: nothing has
 * changed. */
int transport_datagram_init(struct lined_socket *sock);
/* To be called when the socket's descriptor is bound. */
void transport_datagram_bound(struct lined_socket *sock, int fd);
