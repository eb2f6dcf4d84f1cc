/* SPDX-License-Identifier: MIT */
/*
 * Cuts a stream into lines: a small machine that looks at each
 * byte once, whatever packets it came in. Works on an input's bytes; knows no
 * sockets, and decides nothing about closing them.
 */
#ifndef FRAMING_H
#define FRAMING_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/line.h>

#include "input.h"

enum framer_state {
	FRAMER_LINE,     /* collecting a line */
	FRAMER_SKIP,     /* discarding to its terminator */
	FRAMER_TRUNCATE, /* the same, its beginning being kept */
	FRAMER_END,      /* a line was too long and no more are read */
};

struct framer {
	struct lined_framing framing;
	uint32_t scanned; /* bytes of the input known to hold no end */
	uint8_t state;    /* enum framer_state */
	bool cr;          /* the last byte discarded was a CR */
	/* FRAMER_SKIP: what ends the rest, as when the line was met. */
	uint8_t skip_terminator, skip_byte;
};

enum framer_result {
	FRAMER_READY,
	FRAMER_TOO_LONG,
	FRAMER_NEED_MORE,
};

/* Forgets all about the line in the making, whose bytes are gone. */
void framer_restart(struct framer *framer);

/*
 * Other rules from here on; bytes of a line already discarded stay so. A rest
 * that is being skipped still ends where its own line does: whether all of it
 * has come yet is a matter of packets.
 */
void framer_set(struct framer *framer, const struct lined_framing *framing);

/*
 * The next line of the input. On FRAMER_NEED_MORE the input holds no more than
 * the limit and a CR. *bare_lf grows by the violations met.
 */
enum framer_result framer_next(struct framer *framer, struct input *input,
			       struct lined_line *line, uint64_t *bare_lf);

/*
 * True between two lines. A rest that is being discarded is discarded first:
 * false where its terminator has not come yet.
 */
bool framer_finish(struct framer *framer, struct input *input,
		   uint64_t *bare_lf);

/*
 * The stream ended: what is left, which is gone afterwards. FRAMER_READY with
 * an unterminated line where there is one and `deliver` is set,
 * FRAMER_TOO_LONG where it passed the limit by its last CR, else
 * FRAMER_NEED_MORE; *dropped grows by 1 where a rest was dropped.
 */
enum framer_result framer_end(struct framer *framer, struct input *input,
			      struct lined_line *line, bool deliver,
			      uint64_t *dropped);

#endif
