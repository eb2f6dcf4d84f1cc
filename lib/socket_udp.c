/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets. A datagram is read whole into the read buffer and served
 * as lines, the last of which needs no terminator; what handle_read sends
 * meanwhile is gathered and leaves as one datagram, to the sender. Nothing is
 * known of a sender afterwards.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "socket_priv.h"

#define LINES_A_TURN  1024
#define ANSWER_MAX    65507
#define DATAGRAM_ROOM 512

struct datagram {
	struct datagram *next;
	struct sockaddr_storage to;
	socklen_t to_len;
	size_t len;
	char data[];
};

struct udp {
	/* The datagram being read, and what it is answered. */
	struct sockaddr_storage from;
	socklen_t from_len;
	bool reading;
	bool began; /* a line of it has been read */
	bool answered;
	char *answer;
	size_t answer_len, answer_room;
	/* What waits to be sent. */
	struct datagram *first, **last;
	size_t queued;
};

int udp_init(struct lined_socket *sock)
{
	sock->udp = calloc(1, sizeof(*sock->udp));
	if (sock->udp == NULL)
		return -1;
	sock->udp->last = &sock->udp->first;
	return 0;
}

void udp_free(struct lined_socket *sock)
{
	struct udp *udp = sock->udp;
	struct datagram *datagram;

	if (udp == NULL)
		return;
	while ((datagram = udp->first) != NULL) {
		udp->first = datagram->next;
		free(datagram);
	}
	free(udp->answer);
	free(udp);
	sock->udp = NULL;
}

size_t lined_socket_queued(const struct lined_socket *sock)
{
	return sock->datagram && sock->udp != NULL ? sock->udp->queued
						   : sock->out.bytes;
}

int udp_peer(const struct lined_socket *sock, struct sockaddr_storage *address,
	     socklen_t *len)
{
	if (sock->udp == NULL || !sock->udp->reading) {
		errno = ENOTCONN;
		return -1;
	}
	*address = sock->udp->from;
	*len = sock->udp->from_len;
	return 0;
}

/* ---- sending ---------------------------------------------------------- */

static void count_drop(struct lined_socket *sock)
{
	counter_add(&sock->group->counters.datagrams_dropped, 1);
}

int lined_socket_send_to(struct lined_socket *sock, const void *data,
			 size_t len, const struct sockaddr *address,
			 socklen_t address_len)
{
	struct udp *udp = sock->udp;
	struct datagram *datagram;
	uint32_t limit;

	if (!sock->datagram || sock->state != LINED_SOCKET_UDP_BOUND ||
	    sock->dispatcher == NULL || address_len > sizeof(datagram->to)) {
		errno = sock->datagram ? ENOTCONN : EOPNOTSUPP;
		return -1;
	}
	limit = socket_limits(sock)->send_queue;
	if (limit > 0 && (len > limit || udp->queued > limit - len)) {
		count_drop(sock);
		errno = ENOBUFS;
		return -1;
	}
	if (len > SIZE_MAX - sizeof(*datagram)) {
		errno = EMSGSIZE;
		return -1;
	}
	datagram = malloc(sizeof(*datagram) + len);
	if (datagram == NULL)
		return -1;
	datagram->next = NULL;
	memcpy(&datagram->to, address, address_len);
	datagram->to_len = address_len;
	datagram->len = len;
	if (len > 0)
		memcpy(datagram->data, data, len);
	*udp->last = datagram;
	udp->last = &datagram->next;
	udp->queued += len;
	counter_add(&sock->group->counters.sends, 1);
	counter_add(&sock->group->counters.queued, len);
	counter_most(&sock->group->counters.queue_most, udp->queued);
	if (!sock->blocked)
		socket_mark_dirty(sock);
	return 0;
}

static int reserve_answer(struct udp *udp, size_t total)
{
	size_t room = udp->answer_len + total;
	char *answer;

	if (room <= udp->answer_room)
		return 0;
	if (room < DATAGRAM_ROOM)
		room = DATAGRAM_ROOM;
	else
		room += room / 2;
	answer = realloc(udp->answer, room);
	if (answer == NULL)
		return -1;
	udp->answer = answer;
	udp->answer_room = room;
	return 0;
}

int udp_answer(struct lined_socket *sock, const struct iovec *pieces,
	       size_t count, size_t total)
{
	struct udp *udp = sock->udp;
	size_t i;

	if (sock->state == LINED_SOCKET_CLOSED) {
		errno = EPIPE;
		return -1;
	}
	if (udp == NULL || !udp->reading) {
		errno = EDESTADDRREQ;
		return -1;
	}
	if (total > ANSWER_MAX - udp->answer_len) {
		count_drop(sock);
		errno = EMSGSIZE;
		return -1;
	}
	if (reserve_answer(udp, total) < 0)
		return -1;
	for (i = 0; i < count; i++) {
		if (pieces[i].iov_len > 0)
			memcpy(udp->answer + udp->answer_len,
			       pieces[i].iov_base, pieces[i].iov_len);
		udp->answer_len += pieces[i].iov_len;
	}
	udp->answered = true;
	return 0;
}

/* Sends until there is nothing more or the kernel takes no more. */
static void send_queued(struct lined_socket *sock)
{
	struct udp *udp = sock->udp;
	struct datagram *datagram;
	ssize_t n;

	while ((datagram = udp->first) != NULL && !sock->blocked) {
		n = sendto(sock->delegate.fd, datagram->data, datagram->len,
			   MSG_NOSIGNAL, (struct sockaddr *)&datagram->to,
			   datagram->to_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			sock->blocked = true;
			break;
		}
		/* An address that cannot be reached is the sender's matter. */
		if (n < 0) {
			count_drop(sock);
		} else {
			counter_add(&sock->group->counters.datagrams_out, 1);
			counter_add(&sock->group->counters.bytes_out,
				    (uint64_t)n);
		}
		udp->queued -= datagram->len;
		counter_add(&sock->group->counters.queued, -datagram->len);
		udp->first = datagram->next;
		if (udp->first == NULL)
			udp->last = &udp->first;
		free(datagram);
	}
}

/* ---- reading ---------------------------------------------------------- */

bool udp_is_unserved(const struct lined_socket *sock)
{
	return sock->udp->reading && !sock->starved;
}

/* It is done with: its answer is queued. */
static void finish_datagram(struct lined_socket *sock)
{
	struct udp *udp = sock->udp;

	input_clear(&sock->in, socket_read_buffer(sock));
	framer_restart(&sock->framer);
	udp->reading = false;
	if (!udp->answered)
		return;
	lined_socket_send_to(sock, udp->answer, udp->answer_len,
			     (struct sockaddr *)&udp->from, udp->from_len);
	free(udp->answer);
	udp->answer = NULL;
	udp->answer_len = udp->answer_room = 0;
	udp->answered = false;
}

void udp_flush(struct lined_socket *sock)
{
	struct udp *udp = sock->udp;

	/* No more of it is read: its answer is whole. */
	if (sock->closing && udp->reading)
		finish_datagram(sock);
	send_queued(sock);
	if (sock->closing && udp->first == NULL)
		socket_end(sock, sock->reason, sock->error);
	else
		socket_update_mode(sock);
}

/* The next datagram, into the read buffer. False: none that counts. */
static bool receive(struct lined_socket *sock)
{
	struct udp *udp = sock->udp;
	struct iovec room = {sock->dispatcher->read_buffer, READ_SIZE};
	struct msghdr message = {
		.msg_name = &udp->from,
		.msg_namelen = sizeof(udp->from),
		.msg_iov = &room,
		.msg_iovlen = 1,
	};
	ssize_t n = recvmsg(sock->delegate.fd, &message, 0);

	if (n < 0)
		return false;
	udp->from_len = message.msg_namelen;
	counter_add(&sock->group->counters.datagrams_in, 1);
	counter_add(&sock->group->counters.bytes_in, (uint64_t)n);
	if (message.msg_flags & MSG_TRUNC ||
	    (sock->group->admit != NULL &&
	     !sock->group->admit(sock, (struct sockaddr *)&udp->from,
				 udp->from_len))) {
		if (sock->state != LINED_SOCKET_CLOSED)
			count_drop(sock);
		return false;
	}
	sock->in.data = sock->dispatcher->read_buffer;
	sock->in.off = 0;
	sock->in.end = (uint32_t)n;
	udp->reading = true;
	udp->began = false;
	sock->starved = false;
	return true;
}

void udp_serve(struct lined_socket *sock)
{
	if (!socket_may_read(sock))
		return;
	sock->budget = LINES_A_TURN;
	sock->in_read = true;
	if (sock->handlers->handle_read != NULL)
		sock->handlers->handle_read(sock, sock->arg);
	else
		sock->starved = true;
	sock->in_read = false;
	socket_release_hold(sock);
	if (sock->state == LINED_SOCKET_CLOSED) {
		input_clear(&sock->in, socket_read_buffer(sock));
		return;
	}
	if (sock->starved || sock->closing ||
	    (sock->udp->began && input_len(&sock->in) == 0)) {
		finish_datagram(sock);
	} else if (input_settle(&sock->in, socket_read_buffer(sock)) < 0) {
		count_drop(sock);
		finish_datagram(sock);
	} else if (!list_is_linked(&sock->ready_link) &&
		   !socket_is_paused(sock)) {
		list_append(&sock->dispatcher->ready, &sock->ready_link);
	}
}

void udp_readable(struct lined_socket *sock)
{
	if (!socket_may_read(sock)) {
		socket_update_mode(sock);
		return;
	}
	if (sock->udp->reading) /* its place in the turn comes */
		return;
	if (receive(sock))
		udp_serve(sock);
}

static enum lined_line_status gate(struct lined_socket *sock)
{
	if (sock->state == LINED_SOCKET_CLOSED || sock->closing)
		return LINED_LINE_CLOSED;
	if (!sock->udp->reading || sock->starved || socket_is_paused(sock) ||
	    (sock->in_read && sock->budget == 0))
		return LINED_LINE_PARTIAL;
	return LINED_LINE_READY;
}

static enum lined_line_status took(struct lined_socket *sock,
				   enum lined_line_status status)
{
	sock->udp->began = true;
	if (sock->budget > 0)
		sock->budget--;
	counter_add(&sock->group->counters.lines_in, 1);
	if (status == LINED_LINE_TOO_LONG) {
		counter_add(&sock->group->counters.too_long, 1);
		/* There is no connection to close: the datagram ends here. */
		if (sock->framer.state == FRAMER_END)
			sock->in.off = sock->in.end;
	}
	return status;
}

static enum lined_line_status empty(struct lined_socket *sock,
				    struct lined_line *line)
{
	line->text = "";
	line->len = 0;
	line->terminator = "";
	line->terminator_len = 0;
	line->unterminated = true;
	line->truncated = false;
	return took(sock, LINED_LINE_READY);
}

enum lined_line_status udp_read_line(struct lined_socket *sock,
				     struct lined_line *line)
{
	enum lined_line_status status = gate(sock);
	enum framer_result result;
	uint64_t bare_lf = 0, dropped = 0;

	if (status != LINED_LINE_READY)
		return status;
	/* A datagram without a byte is an empty line. */
	if (!sock->udp->began && input_len(&sock->in) == 0)
		return empty(sock, line);
	if (input_len(&sock->in) > 0) {
		result = framer_next(&sock->framer, &sock->in, line, &bare_lf);
		if (bare_lf > 0)
			counter_add(&sock->group->counters.bare_lf, bare_lf);
		switch (result) {
		case FRAMER_READY:
			return took(sock, LINED_LINE_READY);
		case FRAMER_TOO_LONG:
			return took(sock, LINED_LINE_TOO_LONG);
		default:
			break;
		}
		switch (framer_end(&sock->framer, &sock->in, line, true,
				   &dropped)) {
		case FRAMER_READY:
			return took(sock, LINED_LINE_READY);
		case FRAMER_TOO_LONG:
			return took(sock, LINED_LINE_TOO_LONG);
		default:
			break;
		}
	}
	sock->starved = true;
	return LINED_LINE_PARTIAL;
}

enum lined_line_status udp_read(struct lined_socket *sock,
				struct lined_line *data)
{
	if (!sock->udp->reading || sock->starved)
		return LINED_LINE_PARTIAL;
	if (sock->in.data != NULL)
		sock->in.data[sock->in.end] = '\0';
	data->text = sock->in.data != NULL ? sock->in.data + sock->in.off : "";
	data->len = input_len(&sock->in);
	data->terminator = "";
	data->terminator_len = 0;
	data->unterminated = data->truncated = false;
	sock->in.off = sock->in.end;
	sock->starved = true;
	return took(sock, LINED_LINE_READY);
}
