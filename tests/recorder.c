/* SPDX-License-Identifier: MIT */
/*
 * Writes down what a socket reads, see recorder.h. Checks only that every line
 * is NUL-terminated.
 */
#include "config.h"

#include "recorder.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct recorder *r, const char *text, size_t len)
{
	if (r->quiet)
		return;
	if (r->len + len + 1 > r->room) {
		r->room = 2 * (r->len + len) + 256;
		r->log = realloc(r->log, r->room);
		ck_assert_ptr_nonnull(r->log);
	}
	memcpy(r->log + r->len, text, len);
	r->len += len;
	r->log[r->len] = '\0';
}

static void put_text(struct recorder *r, const char *text)
{
	put(r, text, strlen(text));
}

static void put_escaped(struct recorder *r, const char *text, size_t len)
{
	char escape[8];

	for (; len > 0; text++, len--) {
		unsigned char c = (unsigned char)*text;

		if (c == '\n')
			put_text(r, "\\n");
		else if (c == '\r')
			put_text(r, "\\r");
		else if (isprint(c))
			put(r, text, 1);
		else {
			snprintf(escape, sizeof(escape), "\\x%02x", c);
			put_text(r, escape);
		}
	}
}

static void put_line(struct recorder *r, const struct lined_line *line)
{
	ck_assert_int_eq(line->text[line->len], '\0');
	ck_assert(line->unterminated == (line->terminator_len == 0));
	put_text(r, "<");
	put_escaped(r, line->text, line->len);
	if (line->truncated)
		put_text(r, "...");
	put_escaped(r, line->terminator, line->terminator_len);
	put_text(r, ">");
}

static void put_number(struct recorder *r, const char *before, int number)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%d", before, number);
	put_text(r, text);
}

static void recorder_read(struct lined_socket *sock, void *arg)
{
	struct recorder *r = arg;
	struct lined_line line;
	unsigned taken = 0;

	r->reads++;
	for (;;) {
		switch (lined_socket_read_line(sock, &line)) {
		case LINED_LINE_READY:
			r->lines++;
			put_line(r, &line);
			if (r->echo)
				lined_socket_send_line(sock, &line);
			if (++taken == r->stop_after)
				return;
			break;
		case LINED_LINE_TOO_LONG:
			r->too_long++;
			put_text(r, "!");
			if (r->scold != NULL)
				lined_socket_send(sock, r->scold,
						  strlen(r->scold));
			break;
		case LINED_LINE_PARTIAL:
			return;
		case LINED_LINE_CLOSED:
			put_text(r, "$");
			return;
		case LINED_LINE_ERROR:
			put_number(r, "E", errno);
			return;
		}
	}
}

static void recorder_close(struct lined_socket *sock, void *arg,
			   enum lined_close_reason reason, int error)
{
	struct recorder *r = arg;

	ck_assert_uint_eq(r->closes, 0);
	r->closes++;
	r->reason = reason;
	r->error = error;
	put_text(r, "#");
	put_text(r, lined_close_reason_text(reason));
}

const struct lined_socket_handlers recorder_handlers = {
	.handle_read = recorder_read,
	.handle_close = recorder_close,
};

const char *recorder_log(const struct recorder *recorder)
{
	return recorder->len > 0 ? recorder->log : "";
}

void recorder_fini(struct recorder *recorder)
{
	free(recorder->log);
	recorder->log = NULL;
	recorder->len = recorder->room = 0;
}
