/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket client for benchmarks: lines without their terminator are the
 * text messages, of less than 126 bytes.
 */
#pragma once

#include <stddef.h>

#include "subject.h"

/* The bytes by which a frame is longer than its line: the head, less the
 * terminator. */
#define WEB_HEAD 6u /* of a client, with its mask */
#define WEB_MORE (WEB_HEAD - 1)

/* A connection to the ws:// address of a lined, after the upgrade. */
int web_connect(const struct subject *subject);

/* Writes the frame of a client, or of the server, for a line that ends with a
 * newline. Returns its length. */
size_t web_write_request(char *out, const char *line, size_t len);
size_t web_write_answer(char *out, const char *line, size_t len);
