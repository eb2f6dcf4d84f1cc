/* SPDX-License-Identifier: MIT */
/*
 * The stream of a test: a connected socket, a recorder as its handlers, and the
 * descriptor of its peer. Closed after each test of a stream_case().
 */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "recorder.h"

struct stream {
	struct lined_dispatcher *d; /* NULL: not open */
	struct lined_socket *sock;
	struct lined_socket_group group;
	struct recorder recorder;
	int peer; /* -1: the test has closed it */
};

extern struct stream stream;

/* Opens the stream. framing NULL: the default framing. */
void stream_open(const struct lined_framing *framing);

/* Opens the stream with handlers of the test; group may be NULL. arg must live
 * until stream_close(). */
void stream_open_with(const struct lined_socket_handlers *handlers, void *arg,
		      struct lined_socket_group *group);

/* Opens the stream as a pair of UNIX sockets with small buffers: the queue
 * fills soon, and empties as soon as the peer reads. */
void stream_open_small(uint32_t send_queue);

/* Does nothing if the stream is not open. */
void stream_close(void);

/* support_case() for tests with a stream. */
TCase *stream_case(Suite *suite, const char *name);

/* ---- framings -------------------------------------------------------- */

#define ANY     LINED_TERMINATOR_ANY
#define LF      LINED_TERMINATOR_LF
#define CRLF    LINED_TERMINATOR_CRLF
#define DROP    LINED_UNTERMINATED_DROP
#define DELIVER LINED_UNTERMINATED_DELIVER

struct lined_framing framing_of(enum lined_terminator terminator,
				uint32_t limit, enum lined_too_long too_long,
				enum lined_unterminated unterminated);

/* ---- readers --------------------------------------------------------- */

/* The lines and blocks that a handler of a test has read. */
struct reader {
	char log[512];
	size_t len;
	size_t want; /* length of the next block; 0: a line comes next */
	bool closed;
	struct lined_framing second; /* the framing that the handler switches
				      * to */
	unsigned reads;
	enum lined_line_status status;
	int error;
};

void reader_add(struct reader *reader, const char *text, size_t len);
