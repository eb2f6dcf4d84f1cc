/* SPDX-License-Identifier: MIT */
/*
 * All of an answer: its records, and how it ended. Asks and waits.
 */
#ifndef LINECTL_ANSWER_H
#define LINECTL_ANSWER_H

#include <stddef.h>

#include "linectl/channel.h"
#include "linectl/record.h"

struct answer {
	struct record *records;
	size_t count, room;
	enum channel_end end;
	char *error; /* "" for CHANNEL_OK */
};

/* Sends the request and waits for the whole answer. */
void answer_get(struct answer *answer, struct channel *channel,
		const char *request, size_t len, unsigned timeout_ms);

/* The same for an answer that is gathered while others are waited for: these,
 * with the answer as their argument. */
extern const struct channel_handlers answer_handlers;

void answer_fini(struct answer *answer);

/* The first record of this kind; NULL: there is none. */
const struct record *answer_find(const struct answer *answer, const char *kind);

#endif
