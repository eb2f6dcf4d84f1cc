/* SPDX-License-Identifier: MIT */
/*
 * The words for the log's levels, targets and facilities.
 */
#include "config.h"

#include "log/log.h"

#include <string.h>
#include <syslog.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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
