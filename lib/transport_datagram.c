/* SPDX-License-Identifier: MIT */
/*
 * Receives and sends datagrams. A datagram is read whole into the dispatcher's
 * read buffer and served as lines. The last line needs no terminator, and NULs
 * at the end are not read. All that handle_read sends while it reads a datagram
 * leaves as one datagram to the sender. No state is kept for a sender.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "datagram_source.h"
#include "fail.h"
#include "socket_priv.h"

#define ANSWER_MAX    65507
#define DATAGRAM_ROOM 512

struct datagram {
	struct datagram *next;
	struct sockaddr_storage to;
	socklen_t to_len;
	struct datagram_source local; /* the address it is sent from */
	size_t len;
	char data[];
};

struct datagrams {
	/* The datagram that is being read, and the answer to it. */
	struct sockaddr_storage sender;
	socklen_t sender_len;
	struct datagram_source local; /* the address that it reached */
	bool has_sources;             /* the kernel reports `local` */
	bool reading;
	bool began;   /* the reader has called a read function */
	char *answer; /* NULL: nothing was sent yet */
	size_t answer_len, answer_room;
	/* The datagrams that wait to be sent. */
	struct datagram *first, **last;
	size_t queued; /* bytes of these datagrams */
	size_t cost;   /* their memory; charged to the dispatcher */
};

static void datagram_charge(struct lined_socket *sock, int64_t bytes)
{
	sock->datagrams->cost += (size_t)bytes;
	if (sock->dispatcher != NULL)
		memory_charge(&sock->dispatcher->pool.memory, bytes);
}

static void datagram_free(struct lined_socket *sock)
{
	struct datagrams *datagrams = sock->datagrams;
	struct datagram *datagram;

	datagram_charge(sock, -(int64_t)datagrams->cost);
	while ((datagram = datagrams->first) != NULL) {
		datagrams->first = datagram->next;
		free(datagram);
	}
	free(datagrams->answer);
	free(datagrams);
	sock->datagrams = NULL;
}

static size_t datagram_queued(const struct lined_socket *sock)
{
	return sock->datagrams->queued;
}

static size_t datagram_memory(const struct lined_socket *sock)
{
	return sock->datagrams->cost;
}

static int datagram_peer(const struct lined_socket *sock,
			 struct sockaddr_storage *address, socklen_t *len)
{
	if (!sock->datagrams->reading)
		return fail_with(ENOTCONN);
	*address = sock->datagrams->sender;
	*len = sock->datagrams->sender_len;
	return 0;
}

/* ---- sending ---------------------------------------------------------- */

/* The memory of the queue is at most twice its limit, as a stream's is, however
 * short the datagrams are. */
static bool datagram_fits(const struct lined_socket *sock, size_t len)
{
	const struct datagrams *datagrams = sock->datagrams;
	uint64_t limit = socket_limits(sock)->send_queue;

	return limit == 0 ||
	       (len <= limit && datagrams->queued <= limit - len &&
		datagrams->cost + sizeof(struct datagram) + len <= 2 * limit);
}

static void datagram_count_drop(struct lined_socket *sock)
{
	counter_add(&sock->group->counters.datagrams_dropped, 1);
}

static int datagram_refuse(struct lined_socket *sock, int error)
{
	datagram_count_drop(sock);
	return fail_with(error);
}

static ssize_t datagram_send_one(int fd, struct datagram *datagram)
{
	struct iovec piece = {datagram->data, datagram->len};
	const struct msghdr message = {
		.msg_name = &datagram->to,
		.msg_namelen = datagram->to_len,
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = datagram->local.bytes,
		.msg_controllen = datagram->local.len,
	};

	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* Sends until the queue is empty or the kernel takes no more. */
static void datagram_send_queued(struct lined_socket *sock)
{
	struct datagrams *datagrams = sock->datagrams;
	struct datagram *datagram;
	ssize_t n;

	while ((datagram = datagrams->first) != NULL && !sock->blocked) {
		n = datagram_send_one(sock->delegate.fd, datagram);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			sock->blocked = true;
			break;
		}
		/* An unreachable address is not an error of the socket. */
		if (n < 0) {
			datagram_count_drop(sock);
		} else {
			counter_add(&sock->group->counters.datagrams_out, 1);
			counter_add(&sock->group->counters.bytes_out,
				    (uint64_t)n);
		}
		datagrams->queued -= datagram->len;
		datagram_charge(sock,
				-(int64_t)(sizeof(*datagram) + datagram->len));
		counter_add(&sock->group->counters.queued, -datagram->len);
		datagrams->first = datagram->next;
		if (datagrams->first == NULL)
			datagrams->last = &datagrams->first;
		free(datagram);
	}
}

static int datagram_send_from(struct lined_socket *sock,
			      const struct datagram_source *from,
			      const void *data, size_t len,
			      const struct sockaddr *address,
			      socklen_t address_len)
{
	struct datagrams *datagrams = sock->datagrams;
	struct datagram *datagram;

	if (!socket_transport(sock)->is_datagram)
		return fail_with(EOPNOTSUPP);
	if (sock->state != LINED_SOCKET_UDP_BOUND || sock->dispatcher == NULL)
		return fail_with(ENOTCONN);
	if (address_len > sizeof(datagram->to))
		return fail_with(EINVAL);
	/* The queue may have filled up within this turn. */
	if (!datagram_fits(sock, len))
		datagram_send_queued(sock);
	if (!datagram_fits(sock, len))
		return datagram_refuse(sock, ENOBUFS);
	if (len > SIZE_MAX - sizeof(*datagram))
		return fail_with(EMSGSIZE);
	datagram = malloc(sizeof(*datagram) + len);
	if (datagram == NULL)
		return datagram_refuse(sock, ENOMEM);
	datagram->next = NULL;
	memcpy(&datagram->to, address, address_len);
	datagram->to_len = address_len;
	datagram->local = *from;
	datagram->len = len;
	if (len > 0)
		memcpy(datagram->data, data, len);
	*datagrams->last = datagram;
	datagrams->last = &datagram->next;
	datagrams->queued += len;
	datagram_charge(sock, (int64_t)(sizeof(*datagram) + len));
	counter_add(&sock->group->counters.sends, 1);
	counter_add(&sock->group->counters.queued, len);
	counter_most(&sock->group->counters.queue_most, datagrams->queued);
	if (!sock->blocked)
		socket_mark_dirty(sock);
	return 0;
}

int lined_socket_send_to(struct lined_socket *sock, const void *data,
			 size_t len, const struct sockaddr *address,
			 socklen_t address_len)
{
	static const struct datagram_source any;

	return datagram_send_from(sock, &any, data, len, address, address_len);
}

static int datagram_reserve_answer(struct datagrams *datagrams, size_t total)
{
	size_t room = datagrams->answer_len + total;
	char *answer;

	if (datagrams->answer != NULL && room <= datagrams->answer_room)
		return 0;
	room = room < DATAGRAM_ROOM ? DATAGRAM_ROOM : room + room / 2;
	answer = realloc(datagrams->answer, room);
	if (answer == NULL)
		return -1;
	datagrams->answer = answer;
	datagrams->answer_room = room;
	return 0;
}

static int datagram_sendv(struct lined_socket *sock, const struct iovec *pieces,
			  size_t count, size_t total)
{
	struct datagrams *datagrams = sock->datagrams;

	if (sock->state == LINED_SOCKET_CLOSED)
		return fail_with(EPIPE);
	if (sock->dispatcher == NULL)
		return fail_with(ENOTCONN);
	if (!datagrams->reading)
		return fail_with(EDESTADDRREQ);
	if (total > ANSWER_MAX - datagrams->answer_len)
		return datagram_refuse(sock, EMSGSIZE);
	if (datagram_reserve_answer(datagrams, total) < 0)
		return datagram_refuse(sock, ENOMEM);
	pieces_copy(datagrams->answer + datagrams->answer_len, pieces, count);
	datagrams->answer_len += total;
	return 0;
}

/* ---- reading ---------------------------------------------------------- */

static bool datagram_is_unserved(const struct lined_socket *sock)
{
	return sock->datagrams->reading && !sock->needs_more;
}

/* Ends the reading of a datagram, and queues the answer. */
static void datagram_finish(struct lined_socket *sock)
{
	struct datagrams *datagrams = sock->datagrams;

	input_clear(&sock->in, socket_read_buffer(sock));
	framer_restart(&sock->framer);
	datagrams->reading = false;
	if (datagrams->answer == NULL)
		return;
	datagram_send_from(sock, &datagrams->local, datagrams->answer,
			   datagrams->answer_len,
			   (struct sockaddr *)&datagrams->sender,
			   datagrams->sender_len);
	free(datagrams->answer);
	datagrams->answer = NULL;
	datagrams->answer_len = datagrams->answer_room = 0;
}

static void datagram_flush(struct lined_socket *sock)
{
	struct datagrams *datagrams = sock->datagrams;

	/* The rest of the datagram is not read: the answer is complete. */
	if (sock->closing && datagrams->reading) {
		socket_clear_input(sock);
		datagram_finish(sock);
	}
	datagram_send_queued(sock);
	if (sock->closing && datagrams->first == NULL)
		socket_end(sock, sock->reason, sock->error);
	else
		socket_update_mode(sock);
}

/* Reads the next datagram. False: there is none, or it was dropped. */
static bool datagram_receive(struct lined_socket *sock)
{
	struct datagrams *datagrams = sock->datagrams;
	struct iovec room = {sock->dispatcher->read_buffer, READ_SIZE};
	struct msghdr message = {
		.msg_name = &datagrams->sender,
		.msg_namelen = sizeof(datagrams->sender),
		.msg_iov = &room,
		.msg_iovlen = 1,
		.msg_control = datagrams->local.bytes,
		/* With 0, descriptors that a UNIX peer sends are dropped. */
		.msg_controllen = datagrams->has_sources
					  ? sizeof(datagrams->local.bytes)
					  : 0,
	};
	ssize_t n = recvmsg(sock->delegate.fd, &message, 0);

	if (n < 0)
		return false;
	datagrams->sender_len = message.msg_namelen;
	datagram_source_read(&datagrams->local, &message);
	counter_add(&sock->group->counters.datagrams_in, 1);
	counter_add(&sock->group->counters.bytes_in, (uint64_t)n);
	if (message.msg_flags & MSG_TRUNC ||
	    (sock->group->admit != NULL &&
	     !sock->group->admit(sock, (struct sockaddr *)&datagrams->sender,
				 datagrams->sender_len))) {
		if (sock->state != LINED_SOCKET_CLOSED)
			datagram_count_drop(sock);
		return false;
	}
	sock->in.data = sock->dispatcher->read_buffer;
	sock->in.off = 0;
	sock->in.end = (uint32_t)n;
	datagrams->reading = true;
	datagrams->began = false;
	sock->needs_more = false;
	return true;
}

static void datagram_serve(struct lined_socket *sock)
{
	if (!socket_may_read(sock) || !socket_run_reader(sock))
		return;
	if (sock->needs_more || sock->closing ||
	    (sock->datagrams->began && input_len(&sock->in) == 0)) {
		datagram_finish(sock);
	} else if (input_settle(&sock->in, socket_read_buffer(sock)) < 0) {
		datagram_count_drop(sock);
		datagram_finish(sock);
	} else if (!list_is_linked(&sock->ready_link) &&
		   !socket_is_paused(sock)) {
		list_append(&sock->dispatcher->ready, &sock->ready_link);
	}
}

static void datagram_readable(struct lined_socket *sock)
{
	if (!socket_may_read(sock))
		socket_update_mode(sock);
	else if (sock->datagrams->reading)
		return; /* served later in this turn */
	else if (datagram_receive(sock))
		datagram_serve(sock);
}

static enum lined_line_status datagram_read_gate(struct lined_socket *sock)
{
	if (sock->state == LINED_SOCKET_CLOSED || sock->closing)
		return LINED_LINE_CLOSED;
	if (sock->dispatcher == NULL || !sock->datagrams->reading ||
	    sock->needs_more || socket_is_paused(sock) ||
	    (sock->in_read && sock->budget == 0))
		return LINED_LINE_PARTIAL;
	return LINED_LINE_READY;
}

static enum lined_line_status datagram_took_line(struct lined_socket *sock,
						 enum lined_line_status status)
{
	sock->datagrams->began = true;
	if (sock->budget > 0)
		sock->budget--;
	counter_add(&sock->group->counters.lines_in, 1);
	if (status == LINED_LINE_TOO_LONG)
		counter_add(&sock->group->counters.too_long, 1);
	return status;
}

/* Drops NULs at the end: some senders send the NUL that ends a C string. If NUL
 * is the terminator, the last line keeps it. */
static void datagram_trim(struct lined_socket *sock)
{
	const struct lined_framing *framing = &sock->framer.framing;
	uint32_t end = sock->in.end;

	while (end > sock->in.off && sock->in.data[end - 1] == '\0')
		end--;
	if (end > sock->in.off && end < sock->in.end &&
	    framing->terminator == LINED_TERMINATOR_BYTE && framing->byte == 0)
		end++;
	sock->in.end = end;
}

/* Takes the next line out of the datagram. There is no connection to close:
 * LINED_TOO_LONG_CLOSE skips the line. */
static enum framer_result datagram_next(struct lined_socket *sock,
					struct lined_line *line)
{
	uint8_t too_long = sock->framer.framing.too_long;
	uint64_t bare_lf = 0, dropped = 0;
	enum framer_result result;

	if (input_len(&sock->in) == 0)
		return FRAMER_NEED_MORE;
	if (too_long == LINED_TOO_LONG_CLOSE)
		sock->framer.framing.too_long = LINED_TOO_LONG_SKIP;
	result = framer_next(&sock->framer, &sock->in, line, &bare_lf);
	if (result == FRAMER_NEED_MORE)
		result = framer_end(&sock->framer, &sock->in, line, true,
				    &dropped);
	sock->framer.framing.too_long = too_long;
	counter_add(&sock->group->counters.bare_lf, bare_lf);
	counter_add(&sock->group->counters.unterminated, dropped);
	return result;
}

static enum lined_line_status datagram_read_line(struct lined_socket *sock,
						 struct lined_line *line)
{
	enum lined_line_status status = datagram_read_gate(sock);
	struct datagrams *datagrams = sock->datagrams;
	enum framer_result result;

	if (status != LINED_LINE_READY)
		return status;
	if (!datagrams->began)
		datagram_trim(sock);
	datagrams->began = true;
	while ((result = datagram_next(sock, line)) != FRAMER_NEED_MORE)
		if (sock->group->admit_line == NULL ||
		    sock->group->admit_line(
			    sock, (const struct sockaddr *)&datagrams->sender,
			    datagrams->sender_len))
			return datagram_took_line(
				sock, result == FRAMER_READY
					      ? LINED_LINE_READY
					      : LINED_LINE_TOO_LONG);
	sock->needs_more = true;
	return LINED_LINE_PARTIAL;
}

static enum lined_line_status datagram_read(struct lined_socket *sock,
					    struct lined_line *data)
{
	enum lined_line_status status = datagram_read_gate(sock);

	if (status != LINED_LINE_READY)
		return status;
	if (sock->in.data != NULL)
		sock->in.data[sock->in.end] = '\0';
	*data = (struct lined_line){
		.text = sock->in.data != NULL ? sock->in.data + sock->in.off
					      : "",
		.len = input_len(&sock->in),
		.terminator = "",
	};
	sock->in.off = sock->in.end;
	sock->needs_more = true;
	return datagram_took_line(sock, LINED_LINE_READY);
}

/* Blocks are for streams. */
static enum lined_line_status datagram_read_block(struct lined_socket *sock,
						  size_t len, size_t max_len,
						  struct lined_line *line)
{
	enum lined_line_status status = datagram_read_gate(sock);

	if (status != LINED_LINE_READY)
		return status;
	errno = EINVAL;
	return LINED_LINE_ERROR;
}

static const struct transport transport_datagram = {
	.delegate = TRANSPORT_DELEGATE,
	.is_datagram = true,
	.readable = datagram_readable,
	.writable = socket_writable,
	.serve = datagram_serve,
	.is_unserved = datagram_is_unserved,
	.read_line = datagram_read_line,
	.read_block = datagram_read_block,
	.read = datagram_read,
	.sendv = datagram_sendv,
	.flush = datagram_flush,
	.queued = datagram_queued,
	.peer = datagram_peer,
	.memory = datagram_memory,
	.free = datagram_free,
};

int transport_datagram_init(struct lined_socket *sock)
{
	struct datagrams *datagrams = calloc(1, sizeof(*datagrams));

	if (datagrams == NULL)
		return -1;
	datagrams->last = &datagrams->first;
	sock->datagrams = datagrams;
	socket_set_transport(sock, &transport_datagram);
	return 0;
}

void transport_datagram_bound(struct lined_socket *sock, int fd)
{
	sock->datagrams->has_sources = datagram_source_enable(fd);
}
