/* SPDX-License-Identifier: MIT */
/* Copies and compares settings of a broker. Makes events and requests, each in
 * one block of memory. */
#include "config.h"

#include "net/broker.h"

#include <stdlib.h>
#include <string.h>

#include "memory_pool.h"

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

struct broker_settings *
broker_settings_copy(const struct broker_settings *settings, struct pool *pool)
{
	struct broker_settings *copy = pool_alloc(pool, sizeof(*copy));
	const char **servers =
		pool_array(pool, settings->server_count, sizeof(*servers));
	size_t i;

	if (copy == NULL || servers == NULL)
		return NULL;
	*copy = *settings;
	copy->servers = servers;
	for (i = 0; i < settings->server_count; i++)
		servers[i] = pool_strdup(pool, settings->servers[i]);
	for (i = 0; i < SETTINGS_TEXTS; i++) {
		const char **text = settings_text(copy, i);

		if (*text != NULL)
			*text = pool_strdup(pool, *text);
	}
	return pool_failed(pool) ? NULL : copy;
}

static bool settings_text_equal(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool broker_settings_equal(const struct broker_settings *a,
			   const struct broker_settings *b)
{
	size_t i;

	if (a->server_count != b->server_count)
		return false;
	for (i = 0; i < a->server_count; i++)
		if (strcmp(a->servers[i], b->servers[i]) != 0)
			return false;
	for (i = 0; i < SETTINGS_TEXTS; i++)
		if (!settings_text_equal(*settings_text(a, i),
					 *settings_text(b, i)))
			return false;
	return true;
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
