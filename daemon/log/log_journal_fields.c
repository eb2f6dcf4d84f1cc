/* SPDX-License-Identifier: MIT */
/*
 * Reads a message's fields from its text: the subject, and the keys of an
 * access line.
 */
#include "config.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "log/log_journal.h"

#define PREFIX "LINED_"

/* ---- the subject ------------------------------------------------------- */

struct subject_words {
	const char *at, *end;
};

static bool subject_skip(struct subject_words *words, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(words->end - words->at) < len ||
	    memcmp(words->at, text, len) != 0)
		return false;
	words->at += len;
	return true;
}

/* Takes the word before `until` and skips both. ": " is a safe end of an IPv6
 * address, which has colons but no space. */
static bool subject_take(struct subject_words *words, const char *until,
			 struct log_word *word)
{
	const char *found = memmem(words->at, (size_t)(words->end - words->at),
				   until, strlen(until));

	if (found == NULL || found == words->at ||
	    memchr(words->at, ' ', (size_t)(found - words->at)) != NULL)
		return false;
	word->text = words->at;
	word->len = (size_t)(found - words->at);
	words->at = found + strlen(until);
	return true;
}

/* Takes "client ID PEER: ". */
static bool subject_take_client(struct subject_words *words,
				struct log_subject *subject)
{
	return subject_skip(words, "client ") &&
	       subject_take(words, " ", &subject->client) &&
	       subject_take(words, ": ", &subject->peer);
}

/* Takes "service NAME: ". */
static bool subject_take_service(struct subject_words *words,
				 struct log_subject *subject)
{
	return subject_skip(words, "service ") &&
	       subject_take(words, ": ", &subject->service);
}

void log_subject_read(struct log_subject *subject, const char *text, size_t len)
{
	static const struct log_word none = {"", 0};
	struct subject_words start = {text, text + len}, words = start;

	subject->service = subject->client = subject->peer = none;
	if (subject_take_client(&words, subject)) {
		subject->rest = words.at;
		if (subject_take_service(&words, subject))
			subject->rest = words.at;
		return;
	}
	subject->client = none;
	words = start;
	subject->rest = text;
	if (!subject_take_service(&words, subject))
		return;
	subject->rest = words.at;
	if (subject_skip(&words, "refused ") ||
	    subject_skip(&words, "penalty "))
		subject_take(&words, ": ", &subject->peer);
}

/* ---- the fields -------------------------------------------------------- */

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
			     const struct log_word *word)
{
	if (word->len > 0)
		fields_add(fields, key, strlen(key), word->text, word->len);
}

/* Reads KEY=VALUE words up to the end. */
static void fields_read_access(struct log_fields *fields, const char *at,
			       const char *end)
{
	while (at < end) {
		size_t left = (size_t)(end - at), len;
		const char *space = memchr(at, ' ', left), *equals;

		len = space != NULL ? (size_t)(space - at) : left;
		equals = memchr(at, '=', len);
		if (equals != NULL && equals > at)
			fields_add(fields, at, (size_t)(equals - at),
				   equals + 1, (size_t)(at + len - equals) - 1);
		at += len + (space != NULL);
	}
}

void log_fields_read(struct log_fields *fields, const char *text, size_t len)
{
	static const char access[] = "access: ";
	const char *end = text + len;
	struct log_subject subject;

	fields->count = 0;
	fields->used = 0;
	log_subject_read(&subject, text, len);
	fields_add_named(fields, "client", &subject.client);
	if (subject.client.len == 0)
		fields_add_named(fields, "service", &subject.service);
	fields_add_named(fields, "peer", &subject.peer);
	if (subject.client.len == 0)
		return;
	fields_add_named(fields, "service", &subject.service);
	if (subject.service.len == 0 &&
	    (size_t)(end - subject.rest) >= strlen(access) &&
	    memcmp(subject.rest, access, strlen(access)) == 0)
		fields_read_access(fields, subject.rest + strlen(access), end);
}
