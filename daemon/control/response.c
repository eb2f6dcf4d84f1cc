/* SPDX-License-Identifier: MIT */
/*
 * Builds responses. The values of the current record are in a growing array,
 * and are copied to the pool when the record is finished.
 */
#include "config.h"

#include "control/response.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/text.h>

#include "log/log.h"
#include "memory_pool.h"

/* The longest text; longer texts are cut. */
#define RESPONSE_TEXT_MAX 4096

void response_fini(struct response *response)
{
	pool_free(response->pool);
	free(response->records);
	free(response->values);
	memset(response, 0, sizeof(*response));
}

static struct pool *response_pool(struct response *response)
{
	if (response->pool == NULL)
		response->pool = pool_new();
	if (response->pool == NULL)
		response->oom = true;
	return response->pool;
}

/* Returns a zeroed new item at the end of an array, which may grow; NULL: no
 * memory. */
static void *response_grow(struct response *response, void **array,
			   size_t *count, size_t *room, size_t size)
{
	char *place;

	if (*count == *room) {
		size_t more = *room > 0 ? *room * 2 : 32;
		void *bigger = realloc(*array, more * size);

		if (bigger == NULL) {
			response->oom = true;
			return NULL;
		}
		*array = bigger;
		*room = more;
	}
	place = (char *)*array + (*count)++ * size;
	memset(place, 0, size);
	return place;
}

static void response_finish_record(struct response *response)
{
	struct lined_record *record;
	struct lined_value *values;

	if (response->value_count == 0 || response->count == 0)
		return;
	record = &response->records[response->count - 1];
	values = pool_array(response_pool(response), response->value_count,
			    sizeof(*values));
	if (values == NULL) {
		response->oom = true;
		return;
	}
	memcpy(values, response->values,
	       response->value_count * sizeof(*values));
	record->values = values;
	record->count = response->value_count;
	response->value_count = 0;
}

void response_record(struct response *response, const char *kind)
{
	struct lined_record *record;
	void *records = response->records;

	if (response_pool(response) == NULL)
		return;
	response_finish_record(response);
	record = response_grow(response, &records, &response->count,
			       &response->room, sizeof(*record));
	response->records = records;
	if (record != NULL)
		record->kind = kind;
}

static struct lined_value *response_add(struct response *response,
					const char *name,
					enum lined_value_type type)
{
	void *values = response->values;
	struct lined_value *value;

	if (response->oom)
		return NULL;
	value = response_grow(response, &values, &response->value_count,
			      &response->value_room, sizeof(*value));
	response->values = values;
	if (value == NULL)
		return NULL;
	value->name = name;
	value->type = type;
	return value;
}

static const char *response_printable(struct response *response,
				      const char *bytes, size_t len,
				      bool escape)
{
	char text[RESPONSE_TEXT_MAX];
	const char *copy;

	if (escape)
		lined_text_escape(text, sizeof(text), bytes, len);
	else
		lined_text_escape_rest(text, sizeof(text), bytes, len);
	copy = pool_strdup(response->pool, text);
	if (copy == NULL)
		response->oom = true;
	return copy;
}

void response_text(struct response *response, const char *name,
		   const char *text)
{
	struct lined_value *value =
		response_add(response, name, LINED_VALUE_TEXT);

	if (value != NULL)
		value->text =
			response_printable(response, text, strlen(text), false);
}

void response_bytes(struct response *response, const char *name,
		    const char *bytes, size_t len)
{
	struct lined_value *value =
		response_add(response, name, LINED_VALUE_TEXT);

	if (value != NULL)
		value->text = response_printable(response, bytes, len, true);
}

void response_number(struct response *response, const char *name,
		     uint64_t number)
{
	struct lined_value *value =
		response_add(response, name, LINED_VALUE_NUMBER);

	if (value != NULL)
		value->number = number;
}

void response_flag(struct response *response, const char *name, bool flag)
{
	struct lined_value *value =
		response_add(response, name, LINED_VALUE_FLAG);

	if (value != NULL)
		value->number = flag;
}

void response_list(struct response *response, const char *name,
		   const char *const *items, size_t count)
{
	struct lined_value *value =
		response_add(response, name, LINED_VALUE_LIST);
	const char **copies;
	size_t i;

	if (value == NULL)
		return;
	copies = pool_array(response->pool, count, sizeof(*copies));
	if (copies == NULL) {
		response->oom = true;
		return;
	}
	for (i = 0; i < count; i++)
		copies[i] = response_printable(response, items[i],
					       strlen(items[i]), false);
	value->items = copies;
	value->number = count;
}

void response_count(struct response *response, const char *group,
		    const char *name, uint64_t number)
{
	char *whole, *at;

	if (response->oom)
		return;
	whole = pool_printf(response->pool, "%s.%s", group, name);
	if (whole == NULL) {
		response->oom = true;
		return;
	}
	for (at = whole + strlen(group) + 1; *at != '\0'; at++)
		if (strchr("abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
			   *at) == NULL)
			*at = '_';
	response_number(response, whole, number);
}

void response_message(struct response *response, enum lined_log_level level,
		      const char *text)
{
	response_record(response, "message");
	response_text(response, "level", log_level_text(level));
	response_text(response, "text", text);
}

void response_refuse(struct response *response, const char *format, ...)
{
	char text[RESPONSE_TEXT_MAX];
	va_list arguments;

	if (response_pool(response) == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	response->error =
		response_printable(response, text, strlen(text), false);
}

void response_view(struct response *response, bool last,
		   struct lined_response *view)
{
	response_finish_record(response);
	memset(view, 0, sizeof(*view));
	view->last = last;
	if (response->oom) {
		view->error = last ? "out of memory" : NULL;
		return;
	}
	view->count = response->count;
	view->records = response->records;
	view->error = last ? response->error : NULL;
}
