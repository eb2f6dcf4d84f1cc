/* SPDX-License-Identifier: MIT */
/*
 * A transcript has a handful of names, so they are kept in an array.
 */
#include "config.h"

#include "linetest/values.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/bytes.h"

void values_fini(struct values *values)
{
	size_t i;

	for (i = 0; i < values->count; i++) {
		free(values->items[i].name);
		free(values->items[i].text);
	}
	free(values->items);
	memset(values, 0, sizeof(*values));
}

const struct value *values_find(const struct values *values, const char *name)
{
	size_t i;

	for (i = 0; i < values->count; i++)
		if (strcmp(values->items[i].name, name) == 0)
			return &values->items[i];
	return NULL;
}

void values_set(struct values *values, const char *name, const char *text,
		size_t len)
{
	struct value *value = (struct value *)values_find(values, name);
	char *copy = memory_copy(text, len);

	if (value == NULL) {
		values->items = memory_resize(values->items, values->count + 1,
					      sizeof(*values->items));
		value = &values->items[values->count++];
		value->name = memory_copy(name, strlen(name));
	} else {
		free(value->text);
	}
	value->text = copy;
	value->len = len;
}
