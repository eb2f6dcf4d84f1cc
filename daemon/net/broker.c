/* SPDX-License-Identifier: MIT */
/*
 * Settings of a broker, its events, and requests to it: one block of memory
 * each.
 */
#include "config.h"

#include "net/broker.h"

#include <stdlib.h>
#include <string.h>

/* ---- settings ----------------------------------------------------------- */

#define SETTINGS_TEXT(NAME) offsetof(struct broker_settings, NAME)

static const size_t settings_texts[] = {
	SETTINGS_TEXT(name),    SETTINGS_TEXT(prefix),
	SETTINGS_TEXT(user),    SETTINGS_TEXT(password),
	SETTINGS_TEXT(token),   SETTINGS_TEXT(credentials),
	SETTINGS_TEXT(tls_ca),  SETTINGS_TEXT(tls_certificate),
	SETTINGS_TEXT(tls_key),
};

#define SETTINGS_TEXTS (sizeof(settings_texts) / sizeof(settings_texts[0]))

static const char **settings_text(const struct broker_settings *settings,
				  size_t i)
{
	return (const char **)((uintptr_t)settings + settings_texts[i]);
}

static size_t settings_room(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

static const char *settings_put(char **at, const char *text)
{
	char *copy = *at;

	if (text == NULL)
		return NULL;
	*at += settings_room(text);
	return strcpy(copy, text);
}

struct broker_settings *
broker_settings_copy(const struct broker_settings *settings)
{
	size_t servers = settings->server_count, i;
	size_t size = sizeof(*settings) + servers * sizeof(char *);
	struct broker_settings *copy;
	const char **server;
	char *at;

	for (i = 0; i < SETTINGS_TEXTS; i++)
		size += settings_room(*settings_text(settings, i));
	for (i = 0; i < servers; i++)
		size += settings_room(settings->servers[i]);
	copy = malloc(size);
	if (copy == NULL)
		return NULL;
	*copy = *settings;
	server = (const char **)(copy + 1);
	copy->servers = server;
	at = (char *)(server + servers);
	for (i = 0; i < SETTINGS_TEXTS; i++)
		*settings_text(copy, i) =
			settings_put(&at, *settings_text(settings, i));
	for (i = 0; i < servers; i++)
		server[i] = settings_put(&at, settings->servers[i]);
	return copy;
}

/* ---- events and requests ------------------------------------------------ */

/* Copies key and data to `at`, each followed by a NUL. */
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
