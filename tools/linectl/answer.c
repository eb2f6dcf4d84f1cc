/* SPDX-License-Identifier: MIT */
/*
 * Gathers the records of an answer.
 */
#include "config.h"

#include "linectl/answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static void take(void *arg, struct record *record)
{
	struct answer *answer = arg;

	answer->records = memory_grow(answer->records, answer->count,
				      &answer->room, sizeof(*answer->records));
	answer->records[answer->count++] = *record;
	memset(record, 0, sizeof(*record));
}

static void ended(void *arg, enum channel_end end, const char *text)
{
	struct answer *answer = arg;

	answer->end = end;
	answer->error = memory_copy(text, strlen(text));
}

const struct channel_handlers answer_handlers = {
	.record = take,
	.ended = ended,
};

void answer_get(struct answer *answer, struct channel *channel,
		const char *request, size_t len, unsigned timeout_ms)
{
	memset(answer, 0, sizeof(*answer));
	channel_ask(channel, request, len, timeout_ms, &answer_handlers,
		    answer);
	while (channel_poll(channel, -1))
		;
}

void answer_fini(struct answer *answer)
{
	size_t i;

	for (i = 0; i < answer->count; i++)
		record_fini(&answer->records[i]);
	free(answer->records);
	free(answer->error);
	memset(answer, 0, sizeof(*answer));
}

const struct record *answer_find(const struct answer *answer, const char *kind)
{
	size_t i;

	for (i = 0; i < answer->count; i++)
		if (record_is(&answer->records[i], kind))
			return &answer->records[i];
	return NULL;
}
