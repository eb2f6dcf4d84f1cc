/* SPDX-License-Identifier: MIT */
/*
 * Encodes the lines of a protocol as frames of WebSocket.
 */
#include "config.h"

#include "websocket_encode.h"

#include <string.h>

#define FIN 0x80

size_t websocket_head(char head[WEBSOCKET_HEAD_MAX],
		      enum websocket_opcode opcode, size_t len)
{
	size_t i, bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;

	head[0] = (char)(FIN | opcode);
	head[1] = (char)(bytes == 0 ? len : bytes == 2 ? 126 : 127);
	for (i = 0; i < bytes; i++)
		head[2 + i] = (char)(len >> 8 * (bytes - 1 - i));
	return 2 + bytes;
}

struct websocket_cut websocket_cut_of(const struct lined_framing *framing)
{
	switch (framing->terminator) {
	case LINED_TERMINATOR_BYTE:
		return (struct websocket_cut){(char)framing->byte, false};
	case LINED_TERMINATOR_CR:
		return (struct websocket_cut){'\r', false};
	case LINED_TERMINATOR_LF:
		return (struct websocket_cut){'\n', false};
	default:
		return (struct websocket_cut){'\n', true};
	}
}

/* The length of the line that ends at `end`, its terminator's last byte. */
static size_t cut_line_len(struct websocket_cut cut, const char *line,
			   const char *end)
{
	return (size_t)(end - line) -
	       (cut.strips_cr && end > line && end[-1] == '\r');
}

long websocket_single_line(struct websocket_cut cut, const char *text,
			   size_t len)
{
	const char *end = memchr(text, cut.end, len);

	if (end == NULL || end + 1 != text + len)
		return -1;
	return (long)cut_line_len(cut, text, end);
}

size_t websocket_line_head(char *head, const char *line, size_t len)
{
	struct utf8_check utf8 = {0};
	bool text =
		utf8_check(&utf8, line, len) && utf8_check_is_complete(&utf8);

	return websocket_head(head, text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY,
			      len);
}

size_t websocket_encoded_len(struct websocket_cut cut, const char *text,
			     size_t len)
{
	const char *end = text + len, *stop;
	char head[WEBSOCKET_HEAD_MAX];
	size_t total = 0;

	for (; (stop = memchr(text, cut.end, (size_t)(end - text))) != NULL;
	     text = stop + 1) {
		size_t line_len = cut_line_len(cut, text, stop);

		total += line_len +
			 websocket_head(head, WEBSOCKET_TEXT, line_len);
	}
	return total;
}

size_t websocket_encode(struct websocket_cut cut, char *out, const char *text,
			size_t len, size_t *rest)
{
	const char *end = text + len, *stop;
	char *at = out;

	while ((stop = memchr(text, cut.end, (size_t)(end - text))) != NULL) {
		size_t line_len = cut_line_len(cut, text, stop);

		at += websocket_line_head(at, text, line_len);
		memcpy(at, text, line_len);
		at += line_len;
		text = stop + 1;
	}
	*rest = (size_t)(end - text);
	return (size_t)(at - out);
}

/* ---- the cache ----------------------------------------------------------- */

static void cached_free(struct websocket_cached *item)
{
	lined_buffer_unref(item->source);
	lined_buffer_unref(item->frames);
}

void websocket_cache_clear(struct websocket_cache *cache)
{
	while (cache->count > 0)
		cached_free(&cache->items[--cache->count]);
	cache->next = 0;
}

static struct lined_buffer *cache_encode(struct websocket_cut cut,
					 const char *text, size_t len)
{
	struct lined_buffer *frames;
	size_t rest;
	char *out;

	if (len == 0 || text[len - 1] != cut.end)
		return NULL;
	frames =
		lined_buffer_alloc(websocket_encoded_len(cut, text, len), &out);
	if (frames != NULL)
		websocket_encode(cut, out, text, len, &rest);
	return frames;
}

struct lined_buffer *websocket_cache_get(struct websocket_cache *cache,
					 struct lined_buffer *source,
					 size_t offset, size_t len,
					 struct websocket_cut cut)
{
	struct websocket_cached *item;
	struct lined_buffer *frames;
	unsigned i;

	for (i = 0; i < cache->count; i++) {
		item = &cache->items[i];
		if (item->source == source && item->offset == offset &&
		    item->len == len && item->cut.end == cut.end &&
		    item->cut.strips_cr == cut.strips_cr)
			return item->frames;
	}
	frames = cache_encode(cut, lined_buffer_data(source) + offset, len);
	if (frames == NULL)
		return NULL;
	item = &cache->items[cache->next];
	if (cache->count == WEBSOCKET_CACHE_MAX)
		cached_free(item);
	else
		cache->count++;
	cache->next = (cache->next + 1) % WEBSOCKET_CACHE_MAX;
	*item = (struct websocket_cached){lined_buffer_ref(source), frames,
					  offset, len, cut};
	return frames;
}
