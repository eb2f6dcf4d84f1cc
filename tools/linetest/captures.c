/* SPDX-License-Identifier: MIT */
/*
 * Named values. A transcript has a handful of them, so they lie in a row.
 */
#include "config.h"

#include "linetest/captures.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/bytes.h"

void captures_fini(struct captures *captures)
{
	size_t i;

	for (i = 0; i < captures->count; i++) {
		free(captures->items[i].name);
		free(captures->items[i].value);
	}
	free(captures->items);
	memset(captures, 0, sizeof(*captures));
}

static struct capture *find(const struct captures *captures, const char *name)
{
	size_t i;

	for (i = 0; i < captures->count; i++)
		if (strcmp(captures->items[i].name, name) == 0)
			return &captures->items[i];
	return NULL;
}

const struct capture *captures_find(const struct captures *captures,
				    const char *name)
{
	return find(captures, name);
}

void captures_set(struct captures *captures, const char *name,
		  const char *value, size_t len)
{
	struct capture *capture = find(captures, name);
	char *copy = memory_copy(value, len);

	if (capture == NULL) {
		captures->items =
			memory_resize(captures->items, captures->count + 1,
				      sizeof(*captures->items));
		capture = &captures->items[captures->count++];
		capture->name = memory_copy(name, strlen(name));
	} else {
		free(capture->value);
	}
	capture->value = copy;
	capture->len = len;
}
