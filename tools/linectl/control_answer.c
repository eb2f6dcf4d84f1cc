/* SPDX-License-Identifier: MIT */
/*
 * Gathers the records of an answer.
 */
#include "config.h"

#include "linectl/control_answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"

void answer_take(struct answer *answer, struct record *record)
{
	answer->records = memory_grow(answer->records, answer->count,
				      &answer->room, sizeof(*answer->records));
	answer->records[answer->count++] = *record;
	memset(record, 0, sizeof(*record));
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
