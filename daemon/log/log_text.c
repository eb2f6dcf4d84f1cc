/* SPDX-License-Identifier: MIT */
/*
 * The text side of the log: bytes made printable, and the words for levels,
 * targets and facilities. Writes nothing anywhere.
 */
#include "config.h"

#include "log/log.h"

#include <stdint.h>
#include <string.h>
#include <syslog.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Characters that do not print but change how others look: C1 controls, line
 * and paragraph separators, marks and overrides of the writing direction.
 */
static bool is_hidden(uint32_t c)
{
	return (c >= 0x80 && c <= 0x9f) || c == 0x061c || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/*
 * The length of the well-formed character of several bytes at s that may be
 * shown as it is; 0 where there is none.
 */
static size_t shown_character(const unsigned char *s, size_t len)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	uint32_t c = s[0] & (0x7fu >> size);
	size_t i;

	if (s[0] < 0xc2 || s[0] > 0xf4 || size > len)
		return 0;
	for (i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < smallest[size] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return is_hidden(c) ? 0 : size;
}

/* How s begins, printable, in piece; how many bytes of s that is. */
static size_t next_piece(char piece[5], const unsigned char *s, size_t len,
			 bool backslash)
{
	static const char hex[] = "0123456789abcdef";
	size_t size = 1;

	if (s[0] == '\n' || s[0] == '\r' || s[0] == '\t' ||
	    (s[0] == '\\' && backslash)) {
		piece[0] = '\\';
		piece[1] = s[0] == '\n'   ? 'n'
			   : s[0] == '\r' ? 'r'
			   : s[0] == '\t' ? 't'
					  : '\\';
		piece[2] = '\0';
		return 1;
	}
	if (s[0] >= 0x80)
		size = shown_character(s, len);
	if (size == 0 || s[0] < 0x20 || s[0] == 0x7f) {
		piece[0] = '\\';
		piece[1] = 'x';
		piece[2] = hex[s[0] >> 4];
		piece[3] = hex[s[0] & 15];
		piece[4] = '\0';
		return 1;
	}
	memcpy(piece, s, size);
	piece[size] = '\0';
	return size;
}

/* Ends a text that did not fit behind its first len bytes. */
static size_t cut(char *out, size_t size, size_t len)
{
	if (len + 3 >= size) {
		out[len] = '\0';
		return len;
	}
	memcpy(out + len, "...", 4);
	return len + 3;
}

static size_t make_printable(char *out, size_t size, const char *bytes,
			     size_t len, bool backslash)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t at = 0, used = 0, fits = 0, taken, piece_len;
	char piece[5];

	while (at < len) {
		taken = next_piece(piece, s + at, len - at, backslash);
		piece_len = strlen(piece);
		if (piece_len >= size - used)
			return cut(out, size, fits);
		memcpy(out + used, piece, piece_len);
		at += taken;
		used += piece_len;
		/* As long as "..." still finds its place behind. */
		if (used + 3 < size)
			fits = used;
	}
	out[used] = '\0';
	return used;
}

size_t log_escape(char *out, size_t size, const char *bytes, size_t len)
{
	return make_printable(out, size, bytes, len, true);
}

size_t log_clean(char *out, size_t size, const char *bytes, size_t len)
{
	return make_printable(out, size, bytes, len, false);
}

/* ---- words ----------------------------------------------------------- */

struct word {
	const char *text;
	int value;
};

static const struct word levels[] = {
	{"err", LINED_LOG_ERR},       {"warning", LINED_LOG_WARNING},
	{"notice", LINED_LOG_NOTICE}, {"info", LINED_LOG_INFO},
	{"debug", LINED_LOG_DEBUG},
};

static const struct word targets[] = {
	{"auto", LOG_TARGET_AUTO},
	{"stderr", LOG_TARGET_STDERR},
	{"syslog", LOG_TARGET_SYSLOG},
};

static const struct word facilities[] = {
	{"daemon", LOG_DAEMON},     {"auth", LOG_AUTH},
	{"cron", LOG_CRON},         {"ftp", LOG_FTP},
	{"lpr", LOG_LPR},           {"mail", LOG_MAIL},
	{"news", LOG_NEWS},         {"syslog", LOG_SYSLOG},
	{"user", LOG_USER},         {"uucp", LOG_UUCP},
	{"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1},
	{"local2", LOG_LOCAL2},     {"local3", LOG_LOCAL3},
	{"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5},
	{"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7},
#ifdef LOG_AUTHPRIV
	{"authpriv", LOG_AUTHPRIV},
#endif
};

static int find_word(const struct word *words, size_t count, const char *text)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(words[i].text, text) == 0)
			return words[i].value;
	return -1;
}

int log_level_from_text(const char *text)
{
	return find_word(levels, COUNT(levels), text);
}

int log_target_from_text(const char *text)
{
	return find_word(targets, COUNT(targets), text);
}

int log_facility_from_text(const char *text)
{
	return find_word(facilities, COUNT(facilities), text);
}

const char *log_level_text(enum lined_log_level level)
{
	size_t i;

	for (i = 0; i < COUNT(levels); i++)
		if (levels[i].value == (int)level)
			return levels[i].text;
	return "?";
}
