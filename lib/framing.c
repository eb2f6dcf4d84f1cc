/* SPDX-License-Identifier: MIT */
/*
 * Splits input into lines. A partial line stays in the input, and the search
 * for its terminator continues where the last one ended. A line is too long as
 * soon as its bytes pass the limit, not when its terminator comes: otherwise a
 * peer could fill the memory.
 */
#include "config.h"

#include "framing.h"

#include <string.h>

static const char lf[] = "\n";
static const char crlf[] = "\r\n";
static const char cr[] = "\r";

size_t lined_framing_terminator(const struct lined_framing *framing,
				const char **bytes)
{
	switch (framing->terminator) {
	case LINED_TERMINATOR_BYTE:
		*bytes = (const char *)&framing->byte;
		return 1;
	case LINED_TERMINATOR_CR:
		*bytes = cr;
		return 1;
	case LINED_TERMINATOR_CRLF:
		*bytes = crlf;
		return 2;
	default:
		*bytes = lf;
		return 1;
	}
}

void framer_restart(struct framer *framer)
{
	framer->state = FRAMER_LINE;
	framer->scanned = 0;
	framer->cr = framer->drops_lf = false;
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
	       framer->framing.terminator == LINED_TERMINATOR_CRLF ||
	       framer->framing.terminator == LINED_TERMINATOR_SYSLOG;
}

/* Searches from..end for a terminator. Returns its last byte; NULL: none. */
static char *framer_find_end(const struct framer *framer, char *begin,
			     char *from, char *end, uint64_t *bare_lf)
{
	const struct lined_framing *framing = &framer->framing;

	if (framing->terminator == LINED_TERMINATOR_BYTE)
		return memchr(from, framing->byte, (size_t)(end - from));
	if (framing->terminator == LINED_TERMINATOR_CR)
		return memchr(from, '\r', (size_t)(end - from));
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
	if (after_cr && framer->framing.terminator == LINED_TERMINATOR_ANY) {
		line->terminator = crlf;
		line->terminator_len = 2;
	} else {
		line->terminator_len = lined_framing_terminator(
			&framer->framing, &line->terminator);
	}
}

static void framer_emit(struct lined_line *line, char *text, size_t len)
{
	/* text[len] exists: it is a byte of the terminator or of the discarded
	 * part of the line, or the spare byte of every input. */
	text[len] = '\0';
	line->text = text;
	line->len = len;
	line->unterminated = false;
	line->truncated = false;
}

static void framer_start_line(struct framer *framer, struct input_buffer *input,
			      char *from)
{
	input->off = (uint32_t)(from - input->data);
	framer_restart(framer);
}

/* Starts the next line behind `at`, the last byte of a terminator. */
static void framer_pass_terminator(struct framer *framer,
				   struct input_buffer *input, char *at,
				   uint8_t terminator)
{
	framer_start_line(framer, input, at + 1);
	framer->drops_lf = terminator == LINED_TERMINATOR_CR;
}

/* Handles a whole line: from begin to `at`, the last byte of its terminator. */
static enum framer_result framer_end_line(struct framer *framer,
					  struct input_buffer *input,
					  char *begin, char *at,
					  struct lined_line *line)
{
	bool after_cr = at > begin && at[-1] == '\r';
	size_t len = (size_t)(at - begin);

	if (after_cr && framer_ends_with_cr(framer))
		len--;
	if (len <= framer->framing.line_length) {
		framer_emit(line, begin, len);
		framer_set_terminator(framer, line, after_cr);
		framer_pass_terminator(framer, input, at,
				       framer->framing.terminator);
		return FRAMER_READY;
	}
	switch (framer->framing.too_long) {
	case LINED_TOO_LONG_TRUNCATE:
		framer_emit(line, begin, framer->framing.line_length);
		line->truncated = true;
		framer_set_terminator(framer, line, after_cr);
		framer_pass_terminator(framer, input, at,
				       framer->framing.terminator);
		return FRAMER_READY;
	case LINED_TOO_LONG_SKIP:
		framer_pass_terminator(framer, input, at,
				       framer->framing.terminator);
		return FRAMER_TOO_LONG;
	default:
		framer->state = FRAMER_END;
		return FRAMER_TOO_LONG;
	}
}

/* Handles a line that is over the limit before its terminator has come. */
static enum framer_result framer_exceed_limit(struct framer *framer,
					      struct input_buffer *input)
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
					   struct input_buffer *input,
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
static bool framer_skip_rest(struct framer *framer, struct input_buffer *input,
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
		framer_pass_terminator(framer, input, at,
				       framer->skip_terminator);
		return true;
	}
	if (begin < end)
		framer->cr = end[-1] == '\r';
	input->off = input->end;
	return false;
}

static enum framer_result framer_truncate_line(struct framer *framer,
					       struct input_buffer *input,
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
	framer_pass_terminator(framer, input, at, framer->framing.terminator);
	return FRAMER_READY;
}

/* ---- counted messages (RFC 6587) ---------------------------------------- */

enum count_status {
	COUNT_NONE,    /* the input does not begin with a count */
	COUNT_PARTIAL, /* only digits so far: the next byte decides */
	COUNT_READY,
};

/* Reads the "LENGTH " with which the input begins, and leaves it there. */
static enum count_status framer_read_count(const struct framer *framer,
					   const struct input_buffer *input,
					   size_t *header, size_t *count)
{
	const char *at = input->data + input->off;
	size_t len = input_len(input), i;

	*count = 0;
	if (framer->framing.terminator != LINED_TERMINATOR_SYSLOG ||
	    framer->state != FRAMER_LINE || len == 0 || *at == '0')
		return COUNT_NONE;
	for (i = 0; i < len && i < FRAMER_COUNT_MAX; i++) {
		if (at[i] == ' ' && i > 0) {
			*header = i + 1;
			return COUNT_READY;
		}
		if (at[i] < '0' || at[i] > '9')
			return COUNT_NONE;
		*count = *count * 10 + (size_t)(at[i] - '0');
	}
	return i < FRAMER_COUNT_MAX ? COUNT_PARTIAL : COUNT_NONE;
}

/* Emits a message of len bytes, with blanks for LF and NUL. Moves the bytes
 * over the blank in front, which makes room for the NUL at the end. */
static void framer_emit_counted(struct lined_line *line, char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		text[i - 1] =
			text[i] == '\n' || text[i] == '\0' ? ' ' : text[i];
	framer_emit(line, text - 1, len);
	line->terminator = lf;
	line->terminator_len = 1;
}

/* The length without the newlines and NULs at the end: many senders count them
 * as part of the message. */
static size_t framer_trim_counted(const char *text, size_t len)
{
	size_t whole = len;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\0'))
		len--;
	if (len < whole && len > 0 && text[len - 1] == '\r')
		len--;
	return len;
}

/* False: the end of the message has not come yet. */
static bool framer_skip_counted(struct framer *framer,
				struct input_buffer *input)
{
	size_t len = input_len(input);

	if (len < framer->scanned) {
		framer->scanned -= (uint32_t)len;
		input->off = input->end;
		return false;
	}
	framer_start_line(framer, input,
			  input->data + input->off + framer->scanned);
	framer->drops_lf = true;
	return true;
}

static enum framer_result framer_next_counted(struct framer *framer,
					      struct input_buffer *input,
					      size_t header, size_t count,
					      struct lined_line *line)
{
	size_t limit = framer->framing.line_length;
	size_t len = count < limit ? count : limit;
	bool over = count > limit;
	char *text = input->data + input->off + header;

	if (over && framer->framing.too_long == LINED_TOO_LONG_CLOSE) {
		framer->state = FRAMER_END;
		return FRAMER_TOO_LONG;
	}
	if (over && framer->framing.too_long == LINED_TOO_LONG_SKIP) {
		len = 0;
	} else {
		if (input_len(input) - header < len)
			return FRAMER_NEED_MORE;
		framer_emit_counted(line, text,
				    over ? len
					 : framer_trim_counted(text, len));
		line->truncated = over;
	}
	framer_start_line(framer, input, text + len);
	framer->drops_lf = !over;
	if (!over)
		return FRAMER_READY;
	framer->state = FRAMER_COUNT;
	framer->scanned = (uint32_t)(count - len);
	return len > 0 ? FRAMER_READY : FRAMER_TOO_LONG;
}

/* ---- the next line ------------------------------------------------------ */

/* Discards what is left of the last line: the undelivered part of a line over
 * the limit, and an LF that belongs to it. False: more input must come first,
 * or no more lines are read. */
static bool framer_finish_last(struct framer *framer,
			       struct input_buffer *input, uint64_t *bare_lf)
{
	if (framer->state == FRAMER_SKIP &&
	    !framer_skip_rest(framer, input, bare_lf))
		return false;
	if (framer->state == FRAMER_COUNT &&
	    !framer_skip_counted(framer, input))
		return false;
	if (framer->drops_lf && input_len(input) > 0) {
		framer->drops_lf = false;
		if (input->data[input->off] == '\n')
			input->off++;
	}
	return framer->state != FRAMER_END;
}

enum framer_result framer_next(struct framer *framer,
			       struct input_buffer *input,
			       struct lined_line *line, uint64_t *bare_lf)
{
	size_t header, count;

	/* The most frequent case: the last line left nothing to discard. */
	if (framer->state == FRAMER_LINE && !framer->drops_lf &&
	    framer->framing.terminator != LINED_TERMINATOR_SYSLOG)
		return framer_next_line(framer, input, line, bare_lf);
	if (framer->state == FRAMER_TRUNCATE)
		return framer_truncate_line(framer, input, line, bare_lf);
	if (!framer_finish_last(framer, input, bare_lf))
		return FRAMER_NEED_MORE;
	switch (framer_read_count(framer, input, &header, &count)) {
	case COUNT_READY:
		return framer_next_counted(framer, input, header, count, line);
	case COUNT_PARTIAL:
		return FRAMER_NEED_MORE;
	default:
		return framer_next_line(framer, input, line, bare_lf);
	}
}

bool framer_finish(struct framer *framer, struct input_buffer *input,
		   uint64_t *bare_lf)
{
	struct lined_line truncated;

	if (framer->state == FRAMER_TRUNCATE &&
	    framer_truncate_line(framer, input, &truncated, bare_lf) !=
		    FRAMER_READY)
		return false;
	return framer_finish_last(framer, input, bare_lf);
}

static enum framer_result framer_emit_unterminated(struct lined_line *line)
{
	line->terminator = "";
	line->terminator_len = 0;
	line->unterminated = true;
	return FRAMER_READY;
}

/* Takes the part of a counted message that has come. */
static enum framer_result framer_end_counted(struct framer *framer,
					     struct input_buffer *input,
					     size_t header,
					     struct lined_line *line,
					     bool deliver, uint64_t *dropped)
{
	char *begin = input->data + input->off;
	size_t len = input_len(input) - header;

	framer_start_line(framer, input, input->data + input->end);
	if (!deliver || len == 0) {
		(*dropped)++;
		return FRAMER_NEED_MORE;
	}
	framer_emit_counted(line, begin + header, len);
	return framer_emit_unterminated(line);
}

enum framer_result framer_end(struct framer *framer, struct input_buffer *input,
			      struct lined_line *line, bool deliver,
			      uint64_t *dropped)
{
	char *begin = input->data + input->off;
	size_t len = input->end - input->off;
	size_t limit = framer->framing.line_length;
	bool truncated = framer->state == FRAMER_TRUNCATE;
	enum lined_too_long too_long = framer->framing.too_long;
	size_t header, count;

	if (framer_read_count(framer, input, &header, &count) == COUNT_READY)
		return framer_end_counted(framer, input, header, line, deliver,
					  dropped);
	if ((framer->state != FRAMER_LINE && !truncated) || len == 0) {
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
	line->truncated = truncated;
	return framer_emit_unterminated(line);
}
