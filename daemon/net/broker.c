/* SPDX-License-Identifier: MIT */
/*
 * Events of a broker and requests to it: one block of memory each.
 */
#include "config.h"

#include "net/broker.h"

#include <stdlib.h>
#include <string.h>

/* Copies key and data, each with a NUL behind it, to `at`. */
static void broker_copy(char *at, const char *key, const void *data, size_t len,
			const char **key_out, const char **data_out)
{
	size_t key_len = key != NULL ? strlen(key) : 0;

	if (key_len > 0)
		memcpy(at, key, key_len);
	at[key_len] = '\0';
	*key_out = at;
	at += key_len + 1;
	if (len > 0)
		memcpy(at, data, len);
	at[len] = '\0';
	*data_out = at;
}

static size_t broker_room(const char *key, size_t len)
{
	return (key != NULL ? strlen(key) : 0) + len + 2;
}

struct broker_event *broker_event_new(enum broker_event_kind kind,
				      const char *key, const void *text,
				      size_t len)
{
	struct broker_event *event =
		calloc(1, sizeof(*event) + broker_room(key, len));

	if (event == NULL)
		return NULL;
	event->kind = kind;
	event->len = len;
	broker_copy((char *)(event + 1), key, text, len, &event->key,
		    &event->text);
	return event;
}

struct broker_request *broker_request_new(enum broker_request_kind kind,
					  const char *key, const void *data,
					  size_t len)
{
	struct broker_request *request =
		calloc(1, sizeof(*request) + broker_room(key, len));

	if (request == NULL)
		return NULL;
	request->kind = kind;
	request->len = len;
	broker_copy((char *)(request + 1), key, data, len, &request->key,
		    &request->data);
	return request;
}
