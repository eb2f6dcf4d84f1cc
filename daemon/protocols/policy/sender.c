/* SPDX-License-Identifier: MIT */
/*
 * Rewrites the local part of a sender: the forms of SRS (Sender Rewriting
 * Scheme, as in libsrs2), BATV (draft-levine-smtp-batv), and VERP of list
 * managers.
 */
#include "policy/sender.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Skips the variable part before the next "=". Returns the rest. */
static const char *sender_skip_part(const char *at, const char *end)
{
	while (at < end && *at != '=')
		at++;
	return at;
}

static bool sender_begins(const char *text, const char *end, const char *with)
{
	size_t len = strlen(with);

	return (size_t)(end - text) >= len && strncasecmp(text, with, len) == 0;
}

static bool sender_is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

struct sender_text {
	char *at, *end; /* end: the last byte, kept for the NUL */
};

static void sender_put(struct sender_text *to, char c)
{
	if (to->at < to->end)
		*to->at++ = (char)tolower((unsigned char)c);
}

/* Copies the prefix and writes "#" for each variable part after it:
 * "SRS0=HASH=TIME=host=user", "SRS1=HASH=host==HASH=TIME=host=user" (the first
 * "=" may be "+" or "-"), "prvs=TAG=user". Returns the rest. */
static const char *sender_skip_prefix(struct sender_text *to, const char *at,
				      const char *end)
{
	const char *from = at;
	int parts = 0;

	if (sender_begins(at, end, "SRS0") && end - at > 4 &&
	    strchr("=+-", at[4]) != NULL)
		parts = 2;
	else if (sender_begins(at, end, "SRS1") && end - at > 4 &&
		 strchr("=+-", at[4]) != NULL)
		parts = 1;
	else if (sender_begins(at, end, "prvs="))
		parts = 1;
	if (parts == 0)
		return at;
	for (at += strcspn(at, "=+-"); from < at; from++)
		sender_put(to, *from);
	for (; parts > 0 && at < end; parts--) {
		at = sender_skip_part(at + 1, end);
		sender_put(to, '=');
		sender_put(to, '#');
	}
	return at;
}

/* Copies the local part from `at`. A number between separators becomes "#";
 * "+" and everything after it are left out. In SRS1 a hash and a time follow
 * "==". */
static void sender_fold_local(struct sender_text *to, const char *at,
			      const char *end)
{
	const char *next;
	int parts;

	for (; at < end && *at != '+'; at = next) {
		next = at + 1;
		if (sender_begins(at, end, "==")) {
			sender_put(to, '=');
			for (parts = 2; parts > 0 && next < end; parts--) {
				next = sender_skip_part(next + 1, end);
				sender_put(to, '=');
				sender_put(to, '#');
			}
		} else if (isdigit((unsigned char)*at)) {
			while (next < end && isdigit((unsigned char)*next))
				next++;
			if (next < end && sender_is_word(*next)) {
				while (next < end && sender_is_word(*next))
					next++;
				for (; at < next; at++)
					sender_put(to, *at);
			} else {
				sender_put(to, '#');
			}
		} else if (sender_is_word(*at)) {
			while (next < end && sender_is_word(*next))
				next++;
			for (; at < next; at++)
				sender_put(to, *at);
		} else {
			sender_put(to, *at);
		}
	}
}

void sender_fold(char *to, size_t size, const char *address)
{
	struct sender_text text = {to, to + size - 1};
	const char *domain = strrchr(address, '@');
	const char *end = domain != NULL ? domain : address + strlen(address);
	const char *at = sender_skip_prefix(&text, address, end);

	sender_fold_local(&text, at, end);
	for (; *end != '\0'; end++)
		sender_put(&text, *end);
	*text.at = '\0';
}
