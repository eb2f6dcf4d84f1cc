/* SPDX-License-Identifier: MIT */
/*
 * Lines: how a stream is split into lines, and the line that a reader gets. The
 * result never depends on how the bytes were cut into packets.
 */
#ifndef LINED_LINE_H
#define LINED_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

/* The results of lined_socket_read_line() and the other read functions. */
enum lined_line_status {
	/* A line or a block is in *line. */
	LINED_LINE_READY,
	/*
	 * No line for now: none is complete, handle_read has had its share of
	 * lines for this turn, the send queue has passed its high mark, or the
	 * socket is paused or over its line rate. The input is kept. Return
	 * from handle_read: it is called again.
	 */
	LINED_LINE_PARTIAL,
	/* A line is over the limit, and is not to be truncated. Reported once
	 * for each such line. A reply that is sent now is still delivered. */
	LINED_LINE_TOO_LONG,
	/*
	 * The peer has ended the stream, or the socket was closed. After the
	 * end of the stream the socket is closed when everything queued is
	 * sent, unless half-close is allowed.
	 */
	LINED_LINE_CLOSED,
	/* The connection failed with errno, and handle_close follows. Or
	 * lined_socket_read_block() refused its arguments, also with errno. */
	LINED_LINE_ERROR,
};

/*
 * A line, borrowed from the socket: valid until the next read function is
 * called on the socket or the handler returns. A NUL follows the text, but NUL
 * bytes are data: use len.
 */
struct lined_line {
	const char *text;
	size_t len; /* without the terminator */
	const char *terminator;
	size_t terminator_len;
	/* The stream or the datagram ended before a terminator came. */
	bool unterminated;
	/* The rest of the line was discarded (LINED_TOO_LONG_TRUNCATE). */
	bool truncated;
};

enum lined_terminator {
	LINED_TERMINATOR_ANY,  /* LF or CRLF; a lone CR is data */
	LINED_TERMINATOR_LF,   /* LF; a CR before it is data */
	LINED_TERMINATOR_CRLF, /* CRLF; an LF without CR is data and counted */
	LINED_TERMINATOR_BYTE, /* framing.byte, for example NUL */
	LINED_TERMINATOR_CR,   /* CR and an LF right after it, if any */
	/*
	 * Syslog over TCP (RFC 6587): "LENGTH MESSAGE" and lines that end with
	 * LF or CRLF, mixed. A newline or NUL within a counted message becomes
	 * a blank; at the end of the message both are dropped. The terminator
	 * that a reader gets is LF.
	 */
	LINED_TERMINATOR_SYSLOG,
};

/* The policy for a line over the limit. */
enum lined_too_long {
	LINED_TOO_LONG_CLOSE,    /* report the line, close after the flush */
	LINED_TOO_LONG_SKIP,     /* report the line, discard its rest */
	LINED_TOO_LONG_TRUNCATE, /* deliver the part that fits */
};

/* The policy for a last line that has no terminator. */
enum lined_unterminated {
	LINED_UNTERMINATED_DROP,
	LINED_UNTERMINATED_DELIVER,
};

#define LINED_LINE_LENGTH_DEFAULT 8192u
#define LINED_LINE_LENGTH_MAX     (256u * 1024 * 1024)

/* The rules by which the input of a socket is split into lines. */
struct lined_framing {
	/* The longest line, in bytes without its terminator; at least 1. */
	uint32_t line_length;
	uint8_t terminator;   /* enum lined_terminator */
	uint8_t byte;         /* for LINED_TERMINATOR_BYTE */
	uint8_t too_long;     /* enum lined_too_long */
	uint8_t unterminated; /* enum lined_unterminated */
};

/* LF or CRLF, 8192 bytes, close, drop. */
#define LINED_FRAMING_DEFAULT                                                  \
	{                                                                      \
		LINED_LINE_LENGTH_DEFAULT, LINED_TERMINATOR_ANY, 0,            \
			LINED_TOO_LONG_CLOSE, LINED_UNTERMINATED_DROP          \
	}

/*
 * The terminator for lines that are sent under this framing: CRLF (crlf), CR
 * (cr), framing->byte (byte), LF (the others). Stores it in *bytes and returns
 * its length. It is valid as long as the framing.
 */
LINED_API size_t lined_framing_terminator(const struct lined_framing *framing,
					  const char **bytes);

LINED_END_DECLS

#endif
