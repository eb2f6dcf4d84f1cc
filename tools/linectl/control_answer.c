/* SPDX-License-Identifier: MIT */
/*
 * Gathers the records of an answer.
 */
#include "config.h"

#include "linectl/control_answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"

static void answer_take_record(void *arg, struct record *record)
{
	struct answer *answer = arg;

	answer->records = memory_grow(answer->records, answer->count,
				      &answer->room, sizeof(*answer->records));
	answer->records[answer->count++] = *record;
	memset(record, 0, sizeof(*record));
}

static void answer_ended(void *arg, enum answer_end end, const char *text)
{
	struct answer *answer = arg;

	answer->end = end;
	answer->error = memory_copy(text, strlen(text));
}

const struct answer_handlers answer_handlers = {
	.record = answer_take_record,
	.ended = answer_ended,
};

void answer_get(struct answer *answer, struct control_socket *control,
		const char *request, size_t len, unsigned timeout_ms)
{
	memset(answer, 0, sizeof(*answer));
	control_socket_ask(control, request, len, timeout_ms, &answer_handlers,
			   answer);
	while (control_socket_poll(control, -1))
		;
}

void answer_add(struct answer *answer, struct control_socket *control,
		const char *request, size_t len, unsigned timeout_ms)
{
	struct answer more;
	size_t i;

	answer_get(&more, control, request, len, timeout_ms);
	for (i = 0; i < more.count; i++)
		answer_take_record(answer, &more.records[i]);
	more.count = 0;
	answer_fini(&more);
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
