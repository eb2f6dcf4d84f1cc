/* SPDX-License-Identifier: MIT */
/*
 * Decides what is read and written in each state of a socket and which
 * deadlines run, by one table; and answers the public questions about a socket.
 */
#include "config.h"

#include <lined/socket.h>

#include <string.h>

#include "fail.h"
#include "socket_priv.h"

/* Whether the poller watches for input. */
enum read_rule {
	READ_NEVER,
	READ_HANDSHAKE, /* as the transport says */
	READ_CLIENTS,   /* unless paused, held, or accept_paused */
	READ_INPUT,     /* unless reading is stopped or the stream has ended */
	READ_DISCARD,   /* always: lingering close */
};

/* Whether the poller watches for room to write. */
enum write_rule {
	WRITE_NEVER,
	WRITE_REST,   /* while `blocked`: output is left */
	WRITE_WANTED, /* the same, or while the protocol wants to write */
};

/* The progress of a close. */
enum stage {
	STAGE_OPEN,
	STAGE_FLUSHING,  /* sends what is queued, then closes */
	STAGE_LINGERING, /* lingering close */
	STAGES
};

struct rules {
	uint8_t read, write;
	uint16_t deadlines; /* bits, DEADLINE_BIT() */
};

#define BIT(deadline) DEADLINE_BIT(DEADLINE_##deadline)

/* In IDLE and CLOSED nothing is watched. The deadline of a connect is a timer
 * in socket_connect.c; socket_handshake() sets that of HANDSHAKE. */
static const struct rules rules[LINED_SOCKET_UDP_BOUND + 1][STAGES] = {
	[LINED_SOCKET_CONNECTING] =
		{
			[STAGE_OPEN] = {READ_HANDSHAKE, WRITE_REST,
					BIT(HANDSHAKE)},
			[STAGE_FLUSHING] = {READ_HANDSHAKE, WRITE_REST,
					    BIT(HANDSHAKE) | BIT(FLUSH)},
		},
	[LINED_SOCKET_CONNECTED] =
		{
			[STAGE_OPEN] = {READ_INPUT, WRITE_WANTED,
					BIT(IDLE) | BIT(FIRST_LINE) |
						BIT(LINE) | BIT(STALL) |
						BIT(RESUME) | BIT(WAKE)},
			[STAGE_FLUSHING] = {READ_NEVER, WRITE_REST, BIT(FLUSH)},
			[STAGE_LINGERING] = {READ_DISCARD, WRITE_NEVER,
					     BIT(LINGER)},
		},
	[LINED_SOCKET_LISTENING] =
		{
			[STAGE_OPEN] = {READ_CLIENTS, WRITE_NEVER, BIT(RESUME)},
		},
	[LINED_SOCKET_UDP_BOUND] =
		{
			[STAGE_OPEN] = {READ_INPUT, WRITE_WANTED, 0},
			[STAGE_FLUSHING] = {READ_NEVER, WRITE_REST, BIT(FLUSH)},
		},
};

static const struct rules *socket_rules(const struct lined_socket *sock)
{
	enum stage stage = sock->lingering ? STAGE_LINGERING
			   : sock->closing ? STAGE_FLUSHING
					   : STAGE_OPEN;

	return &rules[sock->state][stage];
}

static bool rules_read(const struct rules *r, const struct lined_socket *sock)
{
	switch ((enum read_rule)r->read) {
	case READ_HANDSHAKE:
		return socket_transport(sock)->handshake_mode & LINED_MODE_READ;
	case READ_CLIENTS:
		return !sock->accept_paused && !socket_is_paused(sock);
	case READ_INPUT:
		return socket_may_read(sock) && !sock->eof;
	case READ_DISCARD:
		return true;
	default:
		return false;
	}
}

static bool rules_write(const struct rules *r, const struct lined_socket *sock)
{
	if (r->read == READ_HANDSHAKE &&
	    socket_transport(sock)->handshake_mode & LINED_MODE_WRITE)
		return true;
	if (r->write == WRITE_NEVER)
		return false;
	return sock->blocked ||
	       (r->write == WRITE_WANTED && socket_wants_write(sock));
}

unsigned socket_wanted_mode(const struct lined_socket *sock)
{
	const struct rules *r = socket_rules(sock);
	unsigned mode = rules_read(r, sock) ? LINED_MODE_READ : 0;

	return rules_write(r, sock) ? mode | LINED_MODE_WRITE : mode;
}

unsigned socket_deadlines(const struct lined_socket *sock)
{
	return socket_rules(sock)->deadlines;
}

/* ---- asking ----------------------------------------------------------- */

enum lined_socket_state lined_socket_state(const struct lined_socket *sock)
{
	return sock->state;
}

bool lined_socket_is_connected(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_CONNECTED;
}

bool lined_socket_is_listening(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_LISTENING;
}

bool lined_socket_is_connecting(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_CONNECTING;
}

bool lined_socket_is_closed(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_CLOSED;
}

bool lined_socket_is_writeable(const struct lined_socket *sock)
{
	return (sock->state == LINED_SOCKET_CONNECTED ||
		sock->state == LINED_SOCKET_UDP_BOUND) &&
	       !sock->throttled && !sock->ended && !sock->ending;
}

bool lined_socket_is_datagram(const struct lined_socket *sock)
{
	return socket_transport(sock)->is_datagram;
}

int lined_socket_fd(const struct lined_socket *sock)
{
	return sock->delegate.fd;
}

struct lined_dispatcher *
lined_socket_dispatcher(const struct lined_socket *sock)
{
	return sock->dispatcher;
}

int stream_peer(const struct lined_socket *sock,
		struct sockaddr_storage *address, socklen_t *len)
{
	if (sock->delegate.fd < 0)
		return fail_with(ENOTCONN);
	*len = sizeof(*address);
	return getpeername(sock->delegate.fd, (struct sockaddr *)address, len);
}

int lined_socket_peer(const struct lined_socket *sock,
		      struct sockaddr_storage *address, socklen_t *len)
{
	return socket_transport(sock)->peer(sock, address, len);
}

int lined_socket_local(const struct lined_socket *sock,
		       struct sockaddr_storage *address, socklen_t *len)
{
	*len = sizeof(*address);
	return getsockname(sock->delegate.fd, (struct sockaddr *)address, len);
}

bool lined_socket_is_within_line(const struct lined_socket *sock)
{
	return input_len(&sock->in) > 0 || sock->framer.state != FRAMER_LINE;
}

const struct lined_framing *
lined_socket_framing(const struct lined_socket *sock)
{
	return &sock->framer.framing;
}

void lined_socket_traffic(const struct lined_socket *sock,
			  struct lined_traffic *traffic)
{
	uint64_t started_ms =
		(uint64_t)sock->started_high << 32 | sock->started_at;

	memset(traffic, 0, sizeof(*traffic));
	traffic->lines_in = sock->lines_in;
	traffic->bytes_in = sock->bytes_in;
	traffic->bytes_out = sock->bytes_out;
	if (sock->dispatcher == NULL || socket_transport(sock)->is_datagram)
		return;
	traffic->connected_ms = sock->dispatcher->now_ms - started_ms;
	traffic->silent_ms = socket_now(sock) - sock->active_at;
}
