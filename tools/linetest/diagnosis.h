/* SPDX-License-Identifier: MIT */
/*
 * Adds to the text of a failure: its place, the expected and the received text,
 * everything that each client sent and received, and the daemon's log.
 */
#pragma once

#include "linetest/client.h"
#include "linetest/bytes.h"
#include "linetest/daemon_process.h"
#include "linetest/transcript.h"

/* "FILE:LINE: MESSAGE" */
void diagnosis_head(struct bytes *out, const struct step *step,
		    const char *message);

/* "  expected: TEXT"; text is escaped already, and may be long. */
void diagnosis_item(struct bytes *out, const char *label, const char *text);

/* The same for bytes, which it escapes. */
void diagnosis_bytes(struct bytes *out, const char *label, const char *data,
		     size_t len);

/* The expected text, escaped already, and the received bytes, with a mark below
 * the first difference. */
void diagnosis_difference(struct bytes *out, const char *expected,
			  const char *data, size_t len);

/* The last `most` lines that a client sent and got, as a transcript has them.
 */
void diagnosis_client(struct bytes *out, const struct client *client,
		      size_t most);

void diagnosis_log(struct bytes *out, const struct daemon_process *process);

/* A config with its lines numbered. */
void diagnosis_config(struct bytes *out, const char *config);
