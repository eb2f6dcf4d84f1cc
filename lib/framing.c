/* SPDX-License-Identifier: MIT */
/*
 * The framer. A partial line stays in the input, and the search for its
 * terminator continues where the last one ended. A line is too long as soon as
 * its bytes pass the limit, not when its terminator comes: otherwise a peer
 * could fill the memory.
 */
#include "config.h"

#include "framing.h"

#include <string.h>

static const char lf[] = "\n";
static const char crlf[] = "\r\n";

void framer_restart(struct framer *framer)
{
	framer->state = FRAMER_LINE;
	framer->scanned = 0;
	framer->cr = false;
}

void framer_set(struct framer *framer, const struct lined_framing *framing)
{
	framer->framing = *framing;
	if (framer->state == FRAMER_LINE)
		framer->scanned = 0;
}

static bool framer_ends_with_cr(const struct framer *framer)
{
	return framer->framing.terminator == LINED_TERMINATOR_ANY ||
	       framer->framing.terminator == LINED_TERMINATOR_CRLF;
}

/* Searches from..end for a terminator. Returns its last byte; NULL: none. */
static char *framer_find_end(const struct framer *framer, char *begin,
			     char *from, char *end, uint64_t *bare_lf)
{
	const struct lined_framing *framing = &framer->framing;

	if (framing->terminator == LINED_TERMINATOR_BYTE)
		return memchr(from, framing->byte, (size_t)(end - from));
	while ((from = memchr(from, '\n', (size_t)(end - from))) != NULL) {
		if (framing->terminator != LINED_TERMINATOR_CRLF)
			break;
		if (from > begin ? from[-1] == '\r' : framer->cr)
			break;
		(*bare_lf)++;
		if (++from == end)
			return NULL;
	}
	return from;
}

static void framer_set_terminator(const struct framer *framer,
				  struct lined_line *line, bool after_cr)
{
	if (framer->framing.terminator == LINED_TERMINATOR_BYTE) {
		line->terminator = (const char *)&framer->framing.byte;
		line->terminator_len = 1;
	} else if (after_cr && framer_ends_with_cr(framer)) {
		line->terminator = crlf;
		line->terminator_len = 2;
	} else {
		line->terminator = lf;
		line->terminator_len = 1;
	}
}

static void framer_emit(struct lined_line *line, char *text, size_t len)
{
	/* text[len] exists: it is a byte of the terminator, of a discarded
	 * rest, or the spare byte of every input. */
	text[len] = '\0';
	line->text = text;
	line->len = len;
	line->unterminated = false;
	line->truncated = false;
}

static void framer_start_line(struct framer *framer, struct input *input,
			      char *from)
{
	input->off = (uint32_t)(from - input->data);
	framer->scanned = 0;
	framer->state = FRAMER_LINE;
	framer->cr = false;
}

/* Handles a whole line: from begin to `at`, the last byte of its terminator. */
static enum framer_result framer_end_line(struct framer *framer,
					  struct input *input, char *begin,
					  char *at, struct lined_line *line)
{
	bool after_cr = at > begin && at[-1] == '\r';
	size_t len = (size_t)(at - begin);

	if (after_cr && framer_ends_with_cr(framer))
		len--;
	if (len <= framer->framing.line_length) {
		framer_emit(line, begin, len);
		framer_set_terminator(framer, line, after_cr);
		framer_start_line(framer, input, at + 1);
		return FRAMER_READY;
	}
	switch (framer->framing.too_long) {
	case LINED_TOO_LONG_TRUNCATE:
		framer_emit(line, begin, framer->framing.line_length);
		line->truncated = true;
		framer_set_terminator(framer, line, after_cr);
		framer_start_line(framer, input, at + 1);
		return FRAMER_READY;
	case LINED_TOO_LONG_SKIP:
		framer_start_line(framer, input, at + 1);
		return FRAMER_TOO_LONG;
	default:
		framer->state = FRAMER_END;
		return FRAMER_TOO_LONG;
	}
}

/* Handles a line that is over the limit before its terminator has come. */
static enum framer_result framer_exceed_limit(struct framer *framer,
					      struct input *input)
{
	framer->cr = input->data[input->end - 1] == '\r';
	switch (framer->framing.too_long) {
	case LINED_TOO_LONG_TRUNCATE:
		framer->state = FRAMER_TRUNCATE;
		input->end = input->off + framer->framing.line_length;
		framer->scanned = framer->framing.line_length;
		return FRAMER_NEED_MORE;
	case LINED_TOO_LONG_SKIP:
		framer->state = FRAMER_SKIP;
		framer->skip_terminator = framer->framing.terminator;
		framer->skip_byte = framer->framing.byte;
		input->off = input->end;
		return FRAMER_TOO_LONG;
	default:
		framer->state = FRAMER_END;
		return FRAMER_TOO_LONG;
	}
}

static enum framer_result framer_next_line(struct framer *framer,
					   struct input *input,
					   struct lined_line *line,
					   uint64_t *bare_lf)
{
	char *begin = input->data + input->off;
	char *end = input->data + input->end;
	char *at = NULL;
	size_t len;

	if (input->end - input->off > framer->scanned)
		at = framer_find_end(framer, begin, begin + framer->scanned,
				     end, bare_lf);
	if (at != NULL)
		return framer_end_line(framer, input, begin, at, line);
	len = framer->scanned = input->end - input->off;
	if (len > 0 && end[-1] == '\r' && framer_ends_with_cr(framer))
		len--; /* may belong to a CRLF: not counted */
	if (len > framer->framing.line_length)
		return framer_exceed_limit(framer, input);
	return FRAMER_NEED_MORE;
}

/* False: the terminator has not come yet. */
static bool framer_skip_rest(struct framer *framer, struct input *input,
			     uint64_t *bare_lf)
{
	char *begin = input->data + input->off;
	char *end = input->data + input->end;
	struct framer of_line = *framer;
	char *at = NULL;

	of_line.framing.terminator = framer->skip_terminator;
	of_line.framing.byte = framer->skip_byte;
	if (begin < end)
		at = framer_find_end(&of_line, begin, begin, end, bare_lf);
	if (at != NULL) {
		framer_start_line(framer, input, at + 1);
		return true;
	}
	if (begin < end)
		framer->cr = end[-1] == '\r';
	input->off = input->end;
	return false;
}

static enum framer_result framer_truncate_line(struct framer *framer,
					       struct input *input,
					       struct lined_line *line,
					       uint64_t *bare_lf)
{
	char *begin = input->data + input->off;
	char *rest = begin + framer->scanned;
	char *end = input->data + input->end;
	char *at = NULL;
	bool after_cr;

	if (rest < end)
		at = framer_find_end(framer, rest, rest, end, bare_lf);
	if (at == NULL) {
		if (rest < end)
			framer->cr = end[-1] == '\r';
		input->end = input->off + framer->scanned;
		return FRAMER_NEED_MORE;
	}
	after_cr = at > rest ? at[-1] == '\r' : framer->cr;
	/* The limit may be lower now than when the line began. */
	framer_emit(line, begin,
		    framer->scanned < framer->framing.line_length
			    ? framer->scanned
			    : framer->framing.line_length);
	line->truncated = true;
	framer_set_terminator(framer, line, after_cr);
	framer_start_line(framer, input, at + 1);
	return FRAMER_READY;
}

enum framer_result framer_next(struct framer *framer, struct input *input,
			       struct lined_line *line, uint64_t *bare_lf)
{
	switch (framer->state) {
	case FRAMER_TRUNCATE:
		return framer_truncate_line(framer, input, line, bare_lf);
	case FRAMER_SKIP:
		if (!framer_skip_rest(framer, input, bare_lf))
			return FRAMER_NEED_MORE;
		break;
	case FRAMER_END:
		return FRAMER_NEED_MORE;
	}
	return framer_next_line(framer, input, line, bare_lf);
}

bool framer_finish(struct framer *framer, struct input *input,
		   uint64_t *bare_lf)
{
	struct lined_line truncated;

	switch (framer->state) {
	case FRAMER_LINE:
		return true;
	case FRAMER_SKIP:
		return framer_skip_rest(framer, input, bare_lf);
	case FRAMER_TRUNCATE:
		return framer_truncate_line(framer, input, &truncated,
					    bare_lf) == FRAMER_READY;
	default:
		return false;
	}
}

enum framer_result framer_end(struct framer *framer, struct input *input,
			      struct lined_line *line, bool deliver,
			      uint64_t *dropped)
{
	char *begin = input->data + input->off;
	size_t len = input->end - input->off;
	size_t limit = framer->framing.line_length;
	bool truncated = framer->state == FRAMER_TRUNCATE;
	enum lined_too_long too_long = framer->framing.too_long;

	if (framer->state == FRAMER_SKIP || framer->state == FRAMER_END ||
	    len == 0) {
		framer->state = FRAMER_LINE;
		input->off = input->end;
		return FRAMER_NEED_MORE;
	}
	/* A last CR without an LF is data. */
	if (len > limit) {
		if (too_long != LINED_TOO_LONG_TRUNCATE) {
			framer_start_line(framer, input, begin + len);
			return FRAMER_TOO_LONG;
		}
		truncated = true;
		len = limit;
	}
	framer_start_line(framer, input, input->data + input->end);
	if (!deliver) {
		(*dropped)++;
		return FRAMER_NEED_MORE;
	}
	framer_emit(line, begin, len);
	line->terminator = "";
	line->terminator_len = 0;
	line->unterminated = true;
	line->truncated = truncated;
	return FRAMER_READY;
}
