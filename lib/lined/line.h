/* SPDX-License-Identifier: MIT */
/*
 * Lines: how a stream is cut into them and what a reader gets.
 * The result never depends on how the bytes were cut into packets.
 */
#ifndef LINED_LINE_H
#define LINED_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

/* What lined_socket_read_line() and lined_socket_read_block() return. */
enum lined_line_status {
	/* A line or a block is in *line. */
	LINED_LINE_READY,
	/*
	 * Nothing more now: no full line yet, the turn's budget is spent, the
	 * send queue is above its high mark, the socket is paused or over its
	 * line rate. What there is stays saved; return, handle_read comes
	 * again.
	 */
	LINED_LINE_PARTIAL,
	/*
	 * The line passed the limit. Reported once a line, before the policy
	 * acts; what is sent now is still flushed.
	 */
	LINED_LINE_TOO_LONG,
	/*
	 * The peer is done, or the socket was closed. Afterwards the core
	 * flushes what is queued and closes, unless half-close is allowed.
	 */
	LINED_LINE_CLOSED,
	/* The connection failed; errno says how. handle_close follows. Or, of
	 * lined_socket_read_block(), more was asked for than may be. */
	LINED_LINE_ERROR,
};

/*
 * A line, borrowed: valid until the next call on the socket or until the
 * handler returns. text is NUL-terminated too, but len counts: NUL bytes are
 * data.
 */
struct lined_line {
	const char *text;
	size_t len; /* without the terminator */
	const char *terminator;
	size_t terminator_len;
	/* The peer ended, or the datagram did, before a terminator came. */
	bool unterminated;
	/* The line was longer; the rest was discarded (LINED_TRUNCATE). */
	bool truncated;
};

enum lined_terminator {
	LINED_TERMINATOR_ANY,  /* LF or CRLF; a lone CR is data */
	LINED_TERMINATOR_LF,   /* LF; a CR before it is data */
	LINED_TERMINATOR_CRLF, /* CRLF; a bare LF is data, and counted */
	LINED_TERMINATOR_BYTE, /* framing.byte, NUL for instance */
};

/* What happens to a line over the limit. */
enum lined_too_long {
	LINED_TOO_LONG_CLOSE,    /* report, then close after the flush */
	LINED_TOO_LONG_SKIP,     /* report, discard to the terminator */
	LINED_TOO_LONG_TRUNCATE, /* deliver what fits, at its terminator */
};

/* What happens to a rest without terminator at the end of the stream. */
enum lined_unterminated {
	LINED_UNTERMINATED_DROP,
	LINED_UNTERMINATED_DELIVER,
};

#define LINED_LINE_LENGTH_DEFAULT 8192u
#define LINED_LINE_LENGTH_MAX     (256u * 1024 * 1024)

/* How one socket's input is cut; copied into the socket. */
struct lined_framing {
	/* Longest line, in bytes, without its terminator; 1 and up. */
	uint32_t line_length;
	uint8_t terminator;   /* enum lined_terminator */
	uint8_t byte;         /* for LINED_TERMINATOR_BYTE */
	uint8_t too_long;     /* enum lined_too_long */
	uint8_t unterminated; /* enum lined_unterminated */
};

/* The defaults: any, 8192, close, drop. */
#define LINED_FRAMING_DEFAULT                                                  \
	{                                                                      \
		LINED_LINE_LENGTH_DEFAULT, LINED_TERMINATOR_ANY, 0,            \
			LINED_TOO_LONG_CLOSE, LINED_UNTERMINATED_DROP          \
	}

LINED_END_DECLS

#endif
