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

static void sender_put_all(struct sender_text *to, const char *from,
			   const char *end)
{
	while (from < end)
		sender_put(to, *from++);
}

/* Skips up to `parts` variable parts, each a "=" and what follows it, and
 * writes "=#" for each. Returns the rest. */
static const char *sender_skip_parts(struct sender_text *to, const char *at,
				     const char *end, int parts)
{
	for (; parts > 0 && at < end; parts--) {
		for (at++; at < end && *at != '=';)
			at++;
		sender_put(to, '=');
		sender_put(to, '#');
	}
	return at;
}

/* Copies the prefix and replaces the variable parts after it:
 * "SRS0=HASH=TIME=host=user", "SRS1=HASH=host==HASH=TIME=host=user" (the first
 * "=" may be "+" or "-"), "prvs=TAG=user". Returns the rest. */
static const char *sender_skip_prefix(struct sender_text *to, const char *at,
				      const char *end)
{
	const char *rest;
	int parts = 0;

	if ((sender_begins(at, end, "SRS0") ||
	     sender_begins(at, end, "SRS1")) &&
	    end - at > 4 && strchr("=+-", at[4]) != NULL)
		parts = at[3] == '0' ? 2 : 1;
	else if (sender_begins(at, end, "prvs="))
		parts = 1;
	if (parts == 0)
		return at;
	rest = at + strcspn(at, "=+-");
	sender_put_all(to, at, rest);
	return sender_skip_parts(to, rest, end, parts);
}

/* Copies the local part from `at`. A number between separators becomes "#";
 * "+" and everything after it are left out. In SRS1 a hash and a time follow
 * "==". */
static void sender_fold_local(struct sender_text *to, const char *at,
			      const char *end)
{
	const char *digits_end, *next;

	for (; at < end && *at != '+'; at = next) {
		if (sender_begins(at, end, "==")) {
			sender_put(to, '=');
			next = sender_skip_parts(to, at + 1, end, 2);
			continue;
		}
		for (next = at; next < end && isdigit((unsigned char)*next);)
			next++;
		digits_end = next;
		while (next < end && sender_is_word(*next))
			next++;
		if (next == at)
			sender_put(to, *next++);
		else if (next == digits_end)
			sender_put(to, '#');
		else
			sender_put_all(to, at, next);
	}
}

void sender_fold(char *to, size_t size, const char *address)
{
	struct sender_text text = {to, to + size - 1};
	const char *domain = strrchr(address, '@');
	const char *end = domain != NULL ? domain : address + strlen(address);
	const char *at = sender_skip_prefix(&text, address, end);

	sender_fold_local(&text, at, end);
	sender_put_all(&text, end, end + strlen(end));
	*text.at = '\0';
}
