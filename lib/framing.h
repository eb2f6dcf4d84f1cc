/* SPDX-License-Identifier: MIT */
/*
 * Splits a stream into lines: a state machine that searches each byte once for
 * a terminator, however the bytes were cut into packets. Knows no sockets.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lined/line.h>

#include "input_buffer.h"

enum framer_state {
	FRAMER_LINE,     /* collecting a line */
	FRAMER_SKIP,     /* discarding a line up to its terminator */
	FRAMER_COUNT,    /* discarding `scanned` bytes of a counted message */
	FRAMER_TRUNCATE, /* as FRAMER_SKIP; the line's beginning is kept */
	FRAMER_END,      /* a line was too long: no more lines are read */
};

struct framer {
	struct lined_framing framing;
	uint32_t scanned; /* bytes already searched for a terminator */
	uint8_t state;    /* enum framer_state */
	bool cr : 1;      /* the last discarded byte was a CR */
	/* Between lines: an LF that comes next belongs to the last line. */
	bool drops_lf : 1;
	/* FRAMER_SKIP: the terminator in force when the skipping began. */
	uint8_t skip_terminator, skip_byte;
};

/* The longest "LENGTH " of a counted message. Longer numbers are text. */
#define FRAMER_COUNT_MAX 10

enum framer_result {
	FRAMER_READY,
	FRAMER_TOO_LONG,
	FRAMER_NEED_MORE,
};

/* Forgets the current partial line; the caller has dropped its bytes. */
void framer_restart(struct framer *framer);

/*
 * Changes the framing from here on. Bytes that were discarded stay discarded. A
 * line that is being skipped ends at the terminator that was in force when the
 * skipping began: otherwise the result would depend on how packets were cut.
 */
void framer_set(struct framer *framer, const struct lined_framing *framing);

/*
 * Gives the next line of the input. After FRAMER_NEED_MORE the input holds at
 * most line_length bytes and a CR, or FRAMER_COUNT_MAX and line_length bytes
 * of a counted message. Adds to *bare_lf each LF without CR under CRLF framing.
 */
enum framer_result framer_next(struct framer *framer,
			       struct input_buffer *input,
			       struct lined_line *line, uint64_t *bare_lf);

/*
 * Discards the rest of a line that was too long, and an LF that belongs to the
 * last line. False: more input must come first, or no more lines are read.
 */
bool framer_finish(struct framer *framer, struct input_buffer *input,
		   uint64_t *bare_lf);

/*
 * Takes what is left when the stream has ended. FRAMER_READY, only if `deliver`
 * is set: a line without a terminator, or a part of a counted message.
 * FRAMER_TOO_LONG: a CR at the end makes the line longer than the limit.
 * FRAMER_NEED_MORE: no line; *dropped is increased if bytes were dropped.
 */
enum framer_result framer_end(struct framer *framer, struct input_buffer *input,
			      struct lined_line *line, bool deliver,
			      uint64_t *dropped);
