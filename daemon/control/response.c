/* SPDX-License-Identifier: MIT */
/*
 * Builds answers. The values of the record in the making are in an array that
 * grows; those of finished ones are copied to the pool, where they stay put.
 */
#include "config.h"

#include "control/response.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_pool.h"
#include "log/log.h"

/* Longer texts are cut. */
#define TEXT_MAX 4096

void answer_fini(struct answer *answer)
{
	conf_pool_free(answer->pool);
	free(answer->records);
	free(answer->values);
	memset(answer, 0, sizeof(*answer));
}

static struct conf_pool *pool_of(struct answer *answer)
{
	if (answer->pool == NULL)
		answer->pool = conf_pool_new();
	if (answer->pool == NULL)
		answer->oom = true;
	return answer->pool;
}

/* One more place in an array, zeroed; NULL: none. */
static void *grow(struct answer *answer, void **array, size_t *count,
		  size_t *room, size_t size)
{
	char *place;

	if (*count == *room) {
		size_t more = *room > 0 ? *room * 2 : 32;
		void *bigger = realloc(*array, more * size);

		if (bigger == NULL) {
			answer->oom = true;
			return NULL;
		}
		*array = bigger;
		*room = more;
	}
	place = (char *)*array + (*count)++ * size;
	memset(place, 0, size);
	return place;
}

static void finish_record(struct answer *answer)
{
	struct lined_record *record;
	struct lined_value *values;

	if (answer->value_count == 0 || answer->count == 0)
		return;
	record = &answer->records[answer->count - 1];
	values = conf_pool_array(pool_of(answer), answer->value_count,
				 sizeof(*values));
	if (values == NULL) {
		answer->oom = true;
		return;
	}
	memcpy(values, answer->values, answer->value_count * sizeof(*values));
	record->values = values;
	record->count = answer->value_count;
	answer->value_count = 0;
}

void answer_record(struct answer *answer, const char *kind)
{
	struct lined_record *record;
	void *records = answer->records;

	if (pool_of(answer) == NULL)
		return;
	finish_record(answer);
	record = grow(answer, &records, &answer->count, &answer->room,
		      sizeof(*record));
	answer->records = records;
	if (record != NULL)
		record->kind = kind;
}

static struct lined_value *add(struct answer *answer, const char *name,
			       enum lined_value_type type)
{
	void *values = answer->values;
	struct lined_value *value;

	if (answer->oom)
		return NULL;
	value = grow(answer, &values, &answer->value_count, &answer->value_room,
		     sizeof(*value));
	answer->values = values;
	if (value == NULL)
		return NULL;
	value->name = name;
	value->type = type;
	return value;
}

static const char *printable(struct answer *answer, const char *bytes,
			     size_t len, bool escape)
{
	char text[TEXT_MAX];
	const char *copy;

	if (escape)
		log_escape(text, sizeof(text), bytes, len);
	else
		log_clean(text, sizeof(text), bytes, len);
	copy = conf_pool_strdup(answer->pool, text);
	if (copy == NULL)
		answer->oom = true;
	return copy;
}

void answer_text(struct answer *answer, const char *name, const char *text)
{
	struct lined_value *value = add(answer, name, LINED_VALUE_TEXT);

	if (value != NULL)
		value->text = printable(answer, text, strlen(text), false);
}

void answer_bytes(struct answer *answer, const char *name, const char *bytes,
		  size_t len)
{
	struct lined_value *value = add(answer, name, LINED_VALUE_TEXT);

	if (value != NULL)
		value->text = printable(answer, bytes, len, true);
}

void answer_number(struct answer *answer, const char *name, uint64_t number)
{
	struct lined_value *value = add(answer, name, LINED_VALUE_NUMBER);

	if (value != NULL)
		value->number = number;
}

void answer_flag(struct answer *answer, const char *name, bool flag)
{
	struct lined_value *value = add(answer, name, LINED_VALUE_FLAG);

	if (value != NULL)
		value->number = flag;
}

void answer_list(struct answer *answer, const char *name,
		 const char *const *items, size_t count)
{
	struct lined_value *value = add(answer, name, LINED_VALUE_LIST);
	const char **copies;
	size_t i;

	if (value == NULL)
		return;
	copies = conf_pool_array(answer->pool, count, sizeof(*copies));
	if (copies == NULL) {
		answer->oom = true;
		return;
	}
	for (i = 0; i < count; i++)
		copies[i] =
			printable(answer, items[i], strlen(items[i]), false);
	value->items = copies;
	value->number = count;
}

void answer_count(struct answer *answer, const char *group, const char *name,
		  uint64_t number)
{
	char *whole, *at;

	if (answer->oom)
		return;
	whole = conf_pool_printf(answer->pool, "%s.%s", group, name);
	if (whole == NULL) {
		answer->oom = true;
		return;
	}
	for (at = whole + strlen(group) + 1; *at != '\0'; at++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", *at) ==
		    NULL)
			*at = '_';
	answer_number(answer, whole, number);
}

void answer_refuse(struct answer *answer, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;

	if (pool_of(answer) == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	answer->error = printable(answer, text, strlen(text), false);
}

void answer_view(struct answer *answer, bool last, struct lined_answer *view)
{
	finish_record(answer);
	memset(view, 0, sizeof(*view));
	view->last = last;
	if (answer->oom) {
		view->error = last ? "out of memory" : NULL;
		return;
	}
	view->count = answer->count;
	view->records = answer->records;
	view->error = last ? answer->error : NULL;
}
