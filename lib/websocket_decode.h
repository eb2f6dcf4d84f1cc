/* SPDX-License-Identifier: MIT */
/*
 * Decodes the frames of a WebSocket client (RFC 6455) in place. Knows no
 * sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "utf8_check.h"

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

/* The codes of a closing frame. */
enum websocket_code {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_GOING_AWAY = 1001,
	WEBSOCKET_PROTOCOL_ERROR = 1002,
	WEBSOCKET_INVALID = 1007, /* text that is not UTF-8 */
	WEBSOCKET_POLICY = 1008,
	WEBSOCKET_TOO_BIG = 1009,
	WEBSOCKET_ERROR = 1011,
};

/* The longest payload of a control frame. */
#define WEBSOCKET_CONTROL_MAX 125

/* The most bytes that decoding adds to those that were read: the terminator of
 * a message whose head came with an earlier read. */
#define WEBSOCKET_SLACK 2

/* Zeroed memory is a connection of which no byte was read. */
struct websocket_decoder {
	uint64_t left; /* payload bytes of the frame that are to come */
	/* The head of the current frame, of which head_len bytes have come. */
	unsigned char head[14];
	uint8_t head_len;
	uint8_t phase;   /* the position in the mask */
	uint8_t message; /* opcode of the message that has begun; 0: none */
	struct utf8_check utf8;
	char tail[2]; /* the last bytes of the message so far */
	uint8_t tail_len;
	bool in_payload;
	/* Events besides data. After `closed` or `failed` nothing is
	 * decoded. */
	bool ponged, closed, failed;
	uint16_t code; /* closed: the peer's, or 0; failed: the one to send */
	/* The payload of a control frame that is coming, with its length in the
	 * first byte; NULL: none. */
	unsigned char *control;
};

void websocket_decoder_fini(struct websocket_decoder *decoder);

/* A ping has come, of at most WEBSOCKET_CONTROL_MAX bytes. */
typedef void websocket_pinged(void *arg, const unsigned char *payload,
			      size_t len);

/*
 * Decodes the len bytes at `from`. Writes to `to` the payloads of data frames,
 * and a terminator behind each message that does not end with one. `to` may be
 * WEBSOCKET_SLACK bytes before `from`. Returns how many bytes were written.
 * After a fault, what came before it is written, too. Calls pinged(arg) for
 * each ping.
 */
size_t websocket_decode(struct websocket_decoder *decoder, char *to,
			const char *from, size_t len, const char *terminator,
			size_t terminator_len, websocket_pinged *pinged,
			void *arg);
