/* SPDX-License-Identifier: MIT */
/*
 * Reads the fields of a message from its text: the subject, and the keys of an
 * access line.
 */
#include "config.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "log/log_journal.h"

#define PREFIX "LINED_"

struct field_words {
	const char *at, *end;
};

static bool fields_skip(struct field_words *words, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(words->end - words->at) < len ||
	    memcmp(words->at, text, len) != 0)
		return false;
	words->at += len;
	return true;
}

/* Takes the word before `until` and skips both. ": " ends an IPv6 address
 * safely: the address has colons but no space. */
static bool fields_take(struct field_words *words, const char *until,
			const char **text, size_t *len)
{
	size_t size = strlen(until);
	const char *found = memmem(words->at, (size_t)(words->end - words->at),
				   until, size);

	if (found == NULL || found == words->at ||
	    memchr(words->at, ' ', (size_t)(found - words->at)) != NULL)
		return false;
	*text = words->at;
	*len = (size_t)(found - words->at);
	words->at = found + size;
	return true;
}

static void fields_add(struct log_fields *fields, const char *key,
		       size_t key_len, const char *value, size_t len)
{
	size_t need = strlen(PREFIX) + key_len + 1 + len + 1, i;
	char *to = fields->room + fields->used;

	if (fields->count == LOG_FIELDS_MAX ||
	    need > sizeof(fields->room) - fields->used)
		return;
	fields->texts[fields->count++] = to;
	fields->used += need;
	memcpy(to, PREFIX, strlen(PREFIX));
	to += strlen(PREFIX);
	for (i = 0; i < key_len; i++)
		*to++ = (char)toupper((unsigned char)key[i]);
	*to++ = '=';
	memcpy(to, value, len);
	to[len] = '\0';
}

static void fields_add_named(struct log_fields *fields, const char *key,
			     const char *value, size_t len)
{
	fields_add(fields, key, strlen(key), value, len);
}

/* KEY=VALUE words to the end. */
static void fields_read_access(struct log_fields *fields,
			       struct field_words words)
{
	while (words.at < words.end) {
		size_t left = (size_t)(words.end - words.at), len;
		const char *space = memchr(words.at, ' ', left), *equals;

		len = space != NULL ? (size_t)(space - words.at) : left;
		equals = memchr(words.at, '=', len);
		if (equals != NULL && equals > words.at)
			fields_add(fields, words.at,
				   (size_t)(equals - words.at), equals + 1,
				   (size_t)(words.at + len - equals) - 1);
		words.at += len + (space != NULL);
	}
}

/* "service NAME: ", once. */
static bool fields_read_service(struct log_fields *fields,
				struct field_words *words)
{
	const char *name;
	size_t len;

	if (!fields_skip(words, "service ") ||
	    !fields_take(words, ": ", &name, &len))
		return false;
	fields_add_named(fields, "service", name, len);
	return true;
}

/* "client ID PEER: ". */
static bool fields_read_client(struct log_fields *fields,
			       struct field_words *words)
{
	const char *id, *peer;
	size_t id_len, peer_len;

	if (!fields_skip(words, "client ") ||
	    !fields_take(words, " ", &id, &id_len) ||
	    !fields_take(words, ": ", &peer, &peer_len))
		return false;
	fields_add_named(fields, "client", id, id_len);
	fields_add_named(fields, "peer", peer, peer_len);
	return true;
}

void log_fields_read(struct log_fields *fields, const char *text, size_t len)
{
	struct field_words words = {text, text + len};
	const char *peer;

	fields->count = 0;
	fields->used = 0;
	if (fields_read_client(fields, &words)) {
		if (fields_skip(&words, "access: "))
			fields_read_access(fields, words);
		else
			fields_read_service(fields, &words);
	} else if (fields_read_service(fields, &words) &&
		   fields_skip(&words, "refused ") &&
		   fields_take(&words, ": ", &peer, &len)) {
		fields_add_named(fields, "peer", peer, len);
	}
}
