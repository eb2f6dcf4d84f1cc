/* SPDX-License-Identifier: MIT */
/*
 * Decodes frames by a state machine over bytes, so that a frame may be cut
 * anywhere. A message is never collected: its pieces are passed on as they
 * come.
 */
#include "config.h"

#include "websocket_decode.h"

#include <stdlib.h>
#include <string.h>

#define FIN    0x80
#define RSV    0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f

void websocket_decoder_fini(struct websocket_decoder *decoder)
{
	free(decoder->control);
	decoder->control = NULL;
}

static void decoder_fail(struct websocket_decoder *decoder,
			 enum websocket_code code)
{
	decoder->failed = true;
	decoder->code = (uint16_t)code;
}

/* ---- the head of a frame ------------------------------------------------- */

static enum websocket_opcode decoder_opcode(const struct websocket_decoder *d)
{
	return (enum websocket_opcode)(d->head[0] & OPCODE);
}

static bool decoder_is_control(const struct websocket_decoder *decoder)
{
	return decoder->head[0] & 8;
}

/* The size of the extended length, which follows the first two bytes. */
static size_t decoder_length_bytes(const struct websocket_decoder *decoder)
{
	switch (decoder->head[1] & LENGTH) {
	case 126:
		return 2;
	case 127:
		return 8;
	default:
		return 0;
	}
}

static size_t decoder_head_size(const struct websocket_decoder *decoder)
{
	return decoder->head_len < 2 ? 2
				     : 2 + decoder_length_bytes(decoder) + 4;
}

/* Checks the first two bytes of a frame. */
static bool decoder_head_is_good(const struct websocket_decoder *decoder)
{
	bool fin = decoder->head[0] & FIN;

	if (decoder->head[0] & RSV || !(decoder->head[1] & MASKED))
		return false;
	switch (decoder_opcode(decoder)) {
	case WEBSOCKET_CONTINUATION:
		return decoder->message != 0;
	case WEBSOCKET_TEXT:
	case WEBSOCKET_BINARY:
		return decoder->message == 0;
	case WEBSOCKET_CLOSE:
	case WEBSOCKET_PING:
	case WEBSOCKET_PONG:
		return fin &&
		       (decoder->head[1] & LENGTH) <= WEBSOCKET_CONTROL_MAX;
	default:
		return false;
	}
}

/* The head is complete: its payload follows. */
static void decoder_begin_payload(struct websocket_decoder *decoder)
{
	size_t bytes = decoder_length_bytes(decoder), i;

	decoder->left = bytes == 0 ? decoder->head[1] & LENGTH : 0;
	for (i = 0; i < bytes; i++)
		decoder->left = decoder->left << 8 | decoder->head[2 + i];
	/* The shortest form is required, and the highest bit is 0. */
	if ((bytes == 2 && decoder->left < 126) ||
	    (bytes == 8 &&
	     (decoder->left <= UINT16_MAX || decoder->left > INT64_MAX))) {
		decoder_fail(decoder, WEBSOCKET_PROTOCOL_ERROR);
		return;
	}
	decoder->phase = 0;
	decoder->in_payload = true;
	if (decoder_is_control(decoder)) {
		if (decoder->control == NULL)
			decoder->control = malloc(1 + WEBSOCKET_CONTROL_MAX);
		if (decoder->control == NULL)
			decoder_fail(decoder, WEBSOCKET_ERROR);
		else
			decoder->control[0] = 0;
	} else if (decoder->message == 0) {
		decoder->message = (uint8_t)decoder_opcode(decoder);
		memset(&decoder->utf8, 0, sizeof(decoder->utf8));
		decoder->tail_len = 0;
	}
}

/* Takes bytes until the head has `size`, or there are no more. */
static const char *decoder_fill_head(struct websocket_decoder *decoder,
				     const char *from, const char *end,
				     size_t size)
{
	while (decoder->head_len < size && from < end)
		decoder->head[decoder->head_len++] = (unsigned char)*from++;
	return from;
}

/* Takes bytes of a head, and returns the end of them. Checks the first two
 * bytes as soon as they are there. */
static const char *decoder_take_head(struct websocket_decoder *decoder,
				     const char *from, const char *end)
{
	if (decoder->head_len < 2) {
		from = decoder_fill_head(decoder, from, end, 2);
		if (decoder->head_len < 2)
			return from;
		if (!decoder_head_is_good(decoder)) {
			decoder_fail(decoder, WEBSOCKET_PROTOCOL_ERROR);
			return from;
		}
	}
	from = decoder_fill_head(decoder, from, end,
				 decoder_head_size(decoder));
	if (decoder->head_len == decoder_head_size(decoder))
		decoder_begin_payload(decoder);
	return from;
}

/* ---- payloads ------------------------------------------------------------ */

static void decoder_unmask(struct websocket_decoder *decoder, char *to,
			   const char *from, size_t len)
{
	const unsigned char *mask =
		decoder->head + decoder_head_size(decoder) - 4;
	unsigned char turned[8];
	uint64_t key, word;
	uint32_t half;
	size_t i;

	for (i = 0; i < 4; i++)
		turned[i] = turned[4 + i] = mask[(decoder->phase + i) & 3];
	memcpy(&key, turned, sizeof(key));
	for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, from + i, sizeof(word));
		word ^= key;
		memcpy(to + i, &word, sizeof(word));
	}
	if (len - i >= sizeof(half)) {
		memcpy(&half, from + i, sizeof(half));
		half ^= (uint32_t)key;
		memcpy(to + i, &half, sizeof(half));
		i += sizeof(half);
	}
	for (; i < len; i++)
		to[i] = (char)(from[i] ^ turned[i & 7]);
	decoder->phase = (uint8_t)((decoder->phase + len) & 3);
}

/* Whether a closing frame may have this code. */
static bool websocket_code_is_good(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
		code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

static void decoder_take_close(struct websocket_decoder *decoder)
{
	const unsigned char *payload = decoder->control + 1;
	size_t len = decoder->control[0];
	struct utf8_check utf8 = {0};
	unsigned code = 0;

	if (len >= 2)
		code = (unsigned)payload[0] << 8 | payload[1];
	if (len == 1 || (len >= 2 && !websocket_code_is_good(code))) {
		decoder_fail(decoder, WEBSOCKET_PROTOCOL_ERROR);
	} else if (len > 2 &&
		   (!utf8_check(&utf8, (const char *)payload + 2, len - 2) ||
		    !utf8_check_is_complete(&utf8))) {
		decoder_fail(decoder, WEBSOCKET_INVALID);
	} else {
		decoder->closed = true;
		decoder->code = (uint16_t)code;
	}
}

static void decoder_end_control(struct websocket_decoder *decoder,
				websocket_pinged *pinged, void *arg)
{
	if (decoder_opcode(decoder) == WEBSOCKET_CLOSE)
		decoder_take_close(decoder);
	else if (decoder_opcode(decoder) == WEBSOCKET_PING)
		pinged(arg, decoder->control + 1, decoder->control[0]);
	else
		decoder->ponged = true;
	websocket_decoder_fini(decoder);
}

/* Adds a terminator, unless the message ends with one. Returns the length of
 * what was added. */
static size_t decoder_end_message(struct websocket_decoder *decoder, char *to,
				  const char *terminator, size_t len)
{
	bool text = decoder->message == WEBSOCKET_TEXT;

	decoder->message = 0;
	if (text && !utf8_check_is_complete(&decoder->utf8)) {
		decoder_fail(decoder, WEBSOCKET_INVALID);
		return 0;
	}
	if (decoder->tail_len >= len &&
	    memcmp(decoder->tail + 2 - len, terminator, len) == 0)
		return 0;
	memcpy(to, terminator, len);
	return len;
}

static void decoder_take_control(struct websocket_decoder *decoder,
				 const char *from, size_t len)
{
	unsigned char *control = decoder->control;

	decoder_unmask(decoder, (char *)control + 1 + control[0], from, len);
	control[0] = (unsigned char)(control[0] + len);
}

/* False: the text is not UTF-8. */
static bool decoder_take_data(struct websocket_decoder *decoder, char *to,
			      const char *from, size_t len)
{
	decoder_unmask(decoder, to, from, len);
	if (decoder->message == WEBSOCKET_TEXT &&
	    !utf8_check(&decoder->utf8, to, len)) {
		decoder_fail(decoder, WEBSOCKET_INVALID);
		return false;
	}
	if (len != 0) {
		decoder->tail[0] = len > 1 ? to[len - 2] : decoder->tail[1];
		decoder->tail[1] = to[len - 1];
		decoder->tail_len = len > 1 || decoder->tail_len > 0 ? 2 : 1;
	}
	return true;
}

size_t websocket_decode(struct websocket_decoder *decoder, char *to,
			const char *from, size_t len, const char *terminator,
			size_t terminator_len, websocket_pinged *pinged,
			void *arg)
{
	const char *end = from + len;
	char *begin = to;

	while (!decoder->failed && !decoder->closed) {
		size_t n = (size_t)(end - from);

		if (!decoder->in_payload) {
			if (n == 0)
				break;
			from = decoder_take_head(decoder, from, end);
			continue;
		}
		if (n > decoder->left)
			n = (size_t)decoder->left;
		if (decoder_is_control(decoder)) {
			decoder_take_control(decoder, from, n);
		} else {
			if (!decoder_take_data(decoder, to, from, n))
				break;
			to += n;
		}
		from += n;
		decoder->left -= n;
		if (decoder->left > 0)
			break;
		decoder->in_payload = false;
		if (decoder_is_control(decoder))
			decoder_end_control(decoder, pinged, arg);
		else if (decoder->head[0] & FIN)
			to += decoder_end_message(decoder, to, terminator,
						  terminator_len);
		decoder->head_len = 0;
	}
	return (size_t)(to - begin);
}
