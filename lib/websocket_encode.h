/* SPDX-License-Identifier: MIT */
/*
 * Cuts the output of a protocol into lines, and makes a message of each line:
 * text, or binary if the line is not UTF-8. The only state is the cache of a
 * dispatcher, by which a shared buffer for many clients is encoded once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/buffer.h>
#include <lined/line.h>

#include "websocket_decode.h"

#define WEBSOCKET_HEAD_MAX 10 /* without a mask */

/* Writes the head of a frame that is a whole message, or a control frame.
 * Returns its length. */
size_t websocket_head(char head[WEBSOCKET_HEAD_MAX],
		      enum websocket_opcode opcode, size_t len);

/* How the lines of a socket end; the terminator is not sent. */
struct websocket_cut {
	char end;
	bool strips_cr; /* a CR before `end` is part of the terminator */
};

struct websocket_cut websocket_cut_of(const struct lined_framing *framing);

/* If the text is exactly one line, returns its length without the terminator,
 * else -1. */
long websocket_single_line(struct websocket_cut cut, const char *text,
			   size_t len);

/* Writes the head of the message that a line becomes. Returns its length. */
size_t websocket_line_head(char *head, const char *line, size_t len);

/* The length of the messages that websocket_encode() makes of a text. */
size_t websocket_encoded_len(struct websocket_cut cut, const char *text,
			     size_t len);

/* Writes a message for each line. Returns the length of the messages; *rest is
 * the length of the text after the last terminator. */
size_t websocket_encode(struct websocket_cut cut, char *out, const char *text,
			size_t len, size_t *rest);

/* ---- the cache ----------------------------------------------------------- */

#define WEBSOCKET_CACHE_MAX 4

struct websocket_cache {
	struct websocket_cached {
		struct lined_buffer *source, *frames;
		size_t offset, len;
		struct websocket_cut cut;
	} items[WEBSOCKET_CACHE_MAX];
	unsigned count, next;
};

/* Returns the messages for a part of a buffer; they belong to the cache. NULL:
 * the part does not end with a terminator, or no memory. */
struct lined_buffer *websocket_cache_get(struct websocket_cache *cache,
					 struct lined_buffer *source,
					 size_t offset, size_t len,
					 struct websocket_cut cut);
/* To be called when the turn's sends are over, so that the cache keeps no
 * buffer longer. */
void websocket_cache_clear(struct websocket_cache *cache);
