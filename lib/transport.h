/* SPDX-License-Identifier: MIT */
/*
 * A transport: how the bytes of a socket get over its descriptor. Plain streams
 * and datagrams are one constant table each, as TLS will be, and the files
 * above (framing, limits, queues, deadlines) do not know which one a socket
 * has. Two more tables are for sockets without a connection: those that connect
 * (socket_connect.c) and those that listen (socket_accept.c).
 *
 * The table takes the place of the delegate's handlers, which are its first
 * member: a socket needs no pointer for it. A transport that needs memory for
 * each socket allocates it and frees it in free().
 *
 * Thread: the socket's. Every function may end the socket (socket_end()), and
 * must look at sock->state after a handler of the protocol has run. Members
 * that may be NULL say so.
 *
 * Another stream (TLS, PROXY, WebSocket) needs two tables:
 *
 * - The handshake, in state CONNECTING: readable() and writable() advance it,
 *   handshake_mode is what the poller watches, and socket_established()
 * replaces the table by the next one. The protocol sees nothing before, and its
 * sends are queued.
 * - The connection: TRANSPORT_STREAM_IO and its own recv() and send(). Input
 * that it has decoded ahead is reported by holds_input(), so that the socket is
 *   served without the kernel. Output that it has encoded and the kernel has
 * not taken is reported by holds_output(), so that the poller watches for
 * writing. send() gets the whole queue, up to 64 pieces, in one call a turn,
 * and may encode all of it for one write. A last message is end_output()'s.
 * - A transport that encodes each send separately, as WebSocket does, has a
 *   sendv() and send_shared() of its own in front of stream_sendv().
 *
 * The union of struct lined_socket is in use in CONNECTED, for the line rate.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

struct transport {
	/* TRANSPORT_DELEGATE. First: see above. */
	struct lined_delegate_handlers delegate;

	/*
	 * Datagrams: no connection, hence no deadlines, no line rate, no half
	 * close and no entry in the counters of closed sockets.
	 */
	bool is_datagram;

	/* ---- events -------------------------------------------------- */

	/* CONNECTING: the enum lined_mode that is watched; LINED_MODE_WRITE is
	 * added while `blocked` is set. */
	uint8_t handshake_mode;

	/* CONNECTING, and registered just now. NULL: nothing to begin. */
	void (*begin)(struct lined_socket *sock);

	/*
	 * The descriptor is ready; any state but IDLE and CLOSED, and only for
	 * what socket_state.c has watched. failed(): it is in error, and
	 * perhaps nothing is watched that would find that out.
	 */
	void (*readable)(struct lined_socket *sock);
	void (*writable)(struct lined_socket *sock);
	void (*failed)(
		struct lined_socket *sock); /* NULL: it does not matter */

	/* ---- input: CONNECTED, UDP_BOUND ----------------------------- */

	/* Runs handle_read over input that is there already. */
	void (*serve)(struct lined_socket *sock);
	/* Something is there that serve() should be called for. */
	bool (*is_unserved)(const struct lined_socket *sock);

	/* lined_socket_read_line() and its like, in any state. */
	enum lined_line_status (*read_line)(struct lined_socket *sock,
					    struct lined_line *line);
	enum lined_line_status (*read_block)(struct lined_socket *sock,
					     size_t len, size_t max_len,
					     struct lined_line *line);
	enum lined_line_status (*read)(struct lined_socket *sock,
				       struct lined_line *data);

	/* ---- output -------------------------------------------------- */

	/* lined_socket_sendv() and lined_socket_send_shared(), in any state;
	 * total is the sum of the pieces. */
	int (*sendv)(struct lined_socket *sock, const struct iovec *pieces,
		     size_t count, size_t total);
	int (*send_shared)(struct lined_socket *sock,
			   struct lined_buffer *buffer, size_t offset,
			   size_t len);
	/* The flush phase of a turn, where the socket was marked dirty; any
	 * state but CLOSED. */
	void (*flush)(struct lined_socket *sock);
	/* The bytes that are queued for sending, in any state. */
	size_t (*queued)(const struct lined_socket *sock);

	/* ---- the bytes of a stream: CONNECTED; NULL in other tables -- */

	/* As recv(2): up to size bytes, 0 at the end, -1 and errno. */
	ssize_t (*recv)(struct lined_socket *sock, char *to, size_t size);
	/*
	 * Takes bytes from the front of the vector: how many, or -1 and errno
	 * (EAGAIN among others). With a count of 0 it only writes what it
	 * holds.
	 */
	ssize_t (*send)(struct lined_socket *sock, const struct iovec *vector,
			int count);
	/* Bytes are decoded that recv() would give now. NULL: never. */
	bool (*holds_input)(const struct lined_socket *sock);
	/* Bytes were taken that the kernel has not. NULL: never. */
	bool (*holds_output)(const struct lined_socket *sock);
	/*
	 * All is sent and the write side is to end, or the socket: puts the
	 * transport's last message into the queue, or holds it as output. True:
	 * there was one, and this is called again behind it. False: nothing is
	 * left to say. NULL: never anything.
	 */
	bool (*end_output)(struct lined_socket *sock);

	/* ---- the rest ------------------------------------------------ */

	/* lined_socket_peer(), in any state. */
	int (*peer)(const struct lined_socket *sock,
		    struct sockaddr_storage *address, socklen_t *len);
	/* The socket is closed now: nothing may call back any more. NULL. */
	void (*stop)(struct lined_socket *sock);
	/* After handle_close: frees what the transport keeps. NULL. */
	void (*free)(struct lined_socket *sock);
};

/* A connected stream socket's bytes are what is sent and received. */
extern const struct transport transport_stream;
/* The table of sockets that listen; see socket_accept.c. */
extern const struct transport transport_listener;

/*
 * Makes a new socket's transport datagrams. -1/ENOMEM, and then it is what it
 * was before.
 */
int transport_datagram_init(struct lined_socket *sock);

#endif
