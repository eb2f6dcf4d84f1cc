/* SPDX-License-Identifier: MIT */
/*
 * The text of a failure: where, what was expected, what came, what each client
 * saw, and the daemon's log. It says what is there; it looks for no causes.
 */
#ifndef LINETEST_DIAGNOSIS_H
#define LINETEST_DIAGNOSIS_H

#include "linetest/actor.h"
#include "linetest/bytes.h"
#include "linetest/script.h"
#include "linetest/daemon_process.h"

/* "FILE:LINE: WHO WHAT", and the statement where it helps. */
void diagnosis_head(struct bytes *out, const struct step *step,
		    const char *message);

/* "  expected: TEXT"; text is shown already, of any length. */
void diagnosis_item(struct bytes *out, const char *label, const char *text);

/* Both, with a mark below at the first difference. */
void diagnosis_difference(struct bytes *out, const char *expected,
			  const char *got);

/* What a client said and saw, as a transcript has it: the last `most` lines. */
void diagnosis_actor(struct bytes *out, const struct actor *actor, size_t most);

void diagnosis_log(struct bytes *out, const struct daemon_process *process);

/* A config with its lines numbered. */
void diagnosis_config(struct bytes *out, const char *config);

#endif
