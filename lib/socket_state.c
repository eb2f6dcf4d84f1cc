/* SPDX-License-Identifier: MIT */
/*
 * The states of a socket as one table: what is read and written in each state,
 * and which deadlines run. Calls no other file.
 */
#include "config.h"

#include "socket_priv.h"

/* Whether the poller watches for input. */
enum read_rule {
	READ_NEVER,
	READ_HANDSHAKE, /* as the transport says */
	READ_CLIENTS,   /* unless paused, held, or short of descriptors */
	READ_INPUT,     /* unless reading is stopped or at the end */
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
 * in socket_connect.c; HANDSHAKE is that of socket_handshake(). */
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
