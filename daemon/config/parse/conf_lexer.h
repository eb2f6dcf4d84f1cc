/* SPDX-License-Identifier: MIT */
/*
 * Splits a config file into the tokens that libconfuse 3.3 sees, with their
 * lines, and copies the text with blanks in place of comments. Reports what
 * libconfuse accepts silently or cannot handle: unclosed strings and comments,
 * escapes out of range, stray characters, bytes that are not text.
 */
#pragma once

#include "config/parse/conf_message.h"

enum conf_token {
	CONF_TOKEN_ERROR, /* reported */
	CONF_TOKEN_END,
	CONF_TOKEN_WORD,     /* unquoted */
	CONF_TOKEN_STRING,   /* quoted */
	CONF_TOKEN_VARIABLE, /* ${...} */
	CONF_TOKEN_PUNCT,    /* one of { } ( ) = , */
};

struct conf_lexer {
	const char *at; /* NUL-terminated */
	char *out;      /* where the copy goes; the caller provides room */
	unsigned line;
	const struct conf_place *file;
	struct conf_report *report;
	/* The last token as written, with its quotes. */
	enum conf_token token;
	const char *start;
	size_t len;
	unsigned token_line;
};

/* Checks for bytes that a text file cannot contain. -1: reported. */
int conf_lexer_check_text(const char *text, size_t len,
			  const struct conf_place *file,
			  struct conf_report *report);

/* Reads the next token, and stores it in lexer->token. */
enum conf_token conf_lexer_next(struct conf_lexer *lexer);

/* Whether the last token is this punctuation character. */
bool conf_lexer_is(const struct conf_lexer *lexer, char punct);

/* Reports an error at a line. Returns CONF_TOKEN_ERROR. */
enum conf_token conf_lexer_fail(struct conf_lexer *lexer, unsigned line,
				const char *format, ...)
	__attribute__((format(printf, 3, 4)));
