/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket client for benchmarks. Lines without their terminator are text
 * messages of less than 126 bytes.
 */
#pragma once

#include <stddef.h>

#include "subject.h"

/* How many bytes a frame is longer than its line: the frame has a header, the
 * line has a terminator. */
#define WEB_HEAD 6u /* the header of a client's frame, with its mask */
#define WEB_MORE (WEB_HEAD - 1)

/* Connects to the ws:// address of a lined, and makes the upgrade. */
int web_connect(const struct subject *subject);

/* Write the frame of a client, or of the server, for a line that ends with a
 * newline. Both return the frame's length. */
size_t web_write_request(char *out, const char *line, size_t len);
size_t web_write_answer(char *out, const char *line, size_t len);
