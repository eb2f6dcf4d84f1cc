/* SPDX-License-Identifier: MIT */
/*
 * Splits a text by the lexical rules of libconfuse 3.3. After an unclosed
 * string or a bad escape, libconfuse's own lexer stays inside the string and
 * would read the next file as part of it. This lexer refuses such a file first.
 * Escapes are not interpreted.
 */
#include "config.h"

#include "config/parse/conf_lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum conf_token conf_lexer_fail(struct conf_lexer *lexer, unsigned line,
				const char *format, ...)
{
	struct conf_place place = *lexer->file;
	char text[512];
	va_list ap;

	place.line = line;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	conf_error(lexer->report, &place, "%s", text);
	return lexer->token = CONF_TOKEN_ERROR;
}

int conf_lexer_check_text(const char *text, size_t len,
			  const struct conf_place *file,
			  struct conf_report *report)
{
	struct conf_place place = *file;
	size_t i;

	place.line = 1;
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n') {
			place.line++;
		} else if (c == '\r' && text[i + 1] != '\n') {
			/* For libconfuse, a CR does not end a line: a comment
			 * would go on up to the next LF. */
			conf_error(report, &place,
				   "a CR without LF: lines end with LF here");
			return -1;
		} else if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f) {
			conf_error(report, &place,
				   "byte 0x%02x: this is not a text file", c);
			return -1;
		}
	}
	return 0;
}

static void lexer_copy(struct conf_lexer *lexer, size_t n)
{
	memcpy(lexer->out, lexer->at, n);
	lexer->out += n;
	lexer->at += n;
}

/* Replaces a character of white space or comment by a blank; a newline stays,
 * so that libconfuse counts lines correctly. */
static void lexer_blank(struct conf_lexer *lexer)
{
	if (*lexer->at == '\n')
		lexer->line++;
	*lexer->out++ = *lexer->at++ == '\n' ? '\n' : ' ';
}

static void lexer_skip_line(struct conf_lexer *lexer)
{
	while (*lexer->at != '\0' && *lexer->at != '\n')
		lexer_blank(lexer);
}

static int lexer_skip_comment(struct conf_lexer *lexer)
{
	unsigned opened = lexer->line;

	lexer_blank(lexer);
	lexer_blank(lexer);
	while (*lexer->at != '\0') {
		if (lexer->at[0] == '*' && lexer->at[1] == '/') {
			lexer_blank(lexer);
			lexer_blank(lexer);
			return 0;
		}
		lexer_blank(lexer);
	}
	conf_lexer_fail(lexer, opened, "this comment is never closed");
	return -1;
}

/* Skips white space and comments. -1: reported. */
static int lexer_skip(struct conf_lexer *lexer)
{
	const char *at;

	for (;;) {
		at = lexer->at;
		if (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')
			lexer_blank(lexer);
		else if (*at == '#' || (at[0] == '/' && at[1] == '/'))
			lexer_skip_line(lexer);
		else if (at[0] != '/' || at[1] != '*')
			return 0;
		else if (lexer_skip_comment(lexer) < 0)
			return -1;
	}
}

/* The length of the number after a backslash (0: none); -1: out of range. */
static int lexer_escape_length(const char *at)
{
	size_t digits = strspn(at, "0123456789");
	size_t octal = strspn(at, "01234567");
	unsigned value = 0;
	size_t i;

	if (*at == 'x') {
		digits = strspn(at + 1, "0123456789abcdefABCDEF");
		if (digits == 0)
			return 0;
		if (at[1] == '0' && (digits == 1 || at[2] == '0'))
			return -1;
		return digits == 1 ? 2 : 3;
	}
	if (digits == 0)
		return 0;
	for (i = 0; i < octal && i < 3; i++)
		value = value * 8 + (unsigned)(at[i] - '0');
	return digits > 3 || octal != digits || value == 0 || value > 0xff
		       ? -1
		       : (int)digits;
}

static enum conf_token lexer_escape(struct conf_lexer *lexer)
{
	int len = lexer_escape_length(lexer->at + 1);

	if (len < 0)
		return conf_lexer_fail(lexer, lexer->line,
				       "bad number after \\ in a string (\\1 "
				       "to \\377, \\x01 to \\xff)");
	if (lexer->at[1] == '\0') {
		lexer_copy(lexer, 1);
		return CONF_TOKEN_STRING;
	}
	if (lexer->at[1] == '\n')
		lexer->line++;
	lexer_copy(lexer, len == 0 ? 2 : (size_t)len + 1);
	return CONF_TOKEN_STRING;
}

/* Reads ${NAME} or ${NAME:-text}. If the line has no }, libconfuse would search
 * later lines for a }. An unset variable is refused: libconfuse reads it as
 * empty, which could be an empty password. */
static enum conf_token lexer_variable(struct conf_lexer *lexer)
{
	size_t len = strcspn(lexer->at, "}\"\n");
	char *name;
	bool good;

	if (lexer->at[len] != '}')
		return conf_lexer_fail(lexer, lexer->line,
				       "${ without its } on the same line");
	name = strndup(lexer->at + 2, len - 2);
	if (name == NULL) {
		lexer->report->oom = true;
		return CONF_TOKEN_ERROR;
	}
	good = strstr(name, ":-") != NULL || getenv(name) != NULL;
	if (!good)
		conf_lexer_fail(lexer, lexer->line,
				"${%.128s}: the environment has no such "
				"variable (${%.128s:-text} has a default)",
				name, name);
	free(name);
	if (!good)
		return CONF_TOKEN_ERROR;
	lexer_copy(lexer, len + 1);
	return CONF_TOKEN_VARIABLE;
}

static enum conf_token lexer_string(struct conf_lexer *lexer, char quote)
{
	unsigned opened = lexer->line;
	enum conf_token status = CONF_TOKEN_STRING;
	bool escaped = false; /* \' was seen */

	lexer_copy(lexer, 1);
	while (status != CONF_TOKEN_ERROR) {
		if (*lexer->at == quote) {
			lexer_copy(lexer, 1);
			return CONF_TOKEN_STRING;
		}
		if (*lexer->at == '\0' || *lexer->at == '\n')
			return conf_lexer_fail(
				lexer, opened,
				"this string is not closed on its line%s",
				escaped ? " (\\' does not close it; a \\ "
					  "before the closing ' is written "
					  "\\\\)"
					: "");
		if (quote == '"' && *lexer->at == '\\')
			status = lexer_escape(lexer);
		else if (quote == '"' && strncmp(lexer->at, "${", 2) == 0)
			status = lexer_variable(lexer);
		else if (*lexer->at == '\\' && lexer->at[1] == '\n')
			lexer->line++, lexer_copy(lexer, 2);
		else {
			escaped |= strncmp(lexer->at, "\\'", 2) == 0;
			lexer_copy(lexer,
				   *lexer->at == '\\' && lexer->at[1] ? 2 : 1);
		}
	}
	return CONF_TOKEN_ERROR;
}

static enum conf_token lexer_read(struct conf_lexer *lexer)
{
	size_t word = strcspn(lexer->at, " #\"'\t\n\r={}()+,*");
	char c = *lexer->at;

	if (c == '\0')
		return CONF_TOKEN_END;
	if (c == '"' || c == '\'')
		return lexer_string(lexer, c);
	if (c == '$' && lexer->at[1] == '{')
		return lexer_variable(lexer);
	if (word > 0) {
		lexer_copy(lexer, word);
		return CONF_TOKEN_WORD;
	}
	if (c == '+' && lexer->at[1] == '=')
		return conf_lexer_fail(
			lexer, lexer->line,
			"+= is not known here: write the whole list");
	if (c == '+' || c == '*')
		return conf_lexer_fail(
			lexer, lexer->line,
			"unexpected \"%c\": does it belong in quotes?", c);
	lexer_copy(lexer, 1);
	return CONF_TOKEN_PUNCT;
}

enum conf_token conf_lexer_next(struct conf_lexer *lexer)
{
	if (lexer_skip(lexer) < 0)
		return CONF_TOKEN_ERROR;
	lexer->start = lexer->at;
	lexer->token_line = lexer->line;
	lexer->token = lexer_read(lexer);
	lexer->len = (size_t)(lexer->at - lexer->start);
	return lexer->token;
}

bool conf_lexer_is(const struct conf_lexer *lexer, char punct)
{
	return lexer->token == CONF_TOKEN_PUNCT && *lexer->start == punct;
}
