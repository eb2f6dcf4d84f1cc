/* SPDX-License-Identifier: MIT */
/* The words of the log's settings in config and command line: levels, targets,
 * formats and facilities. */
#include "config.h"

#include "log/log.h"

#include <string.h>
#include <syslog.h>

const char *const log_level_words[] = {"err",  "warning", "notice",
				       "info", "debug",   NULL};

const char *const log_target_words[] = {"auto", "stderr", "syslog", "journal",
					NULL};

const char *const log_format_words[] = {"auto", "plain", "priority", NULL};

const char *const log_facility_words[] = {
	"daemon", "auth",   "authpriv", "cron",   "ftp",    "lpr",    "mail",
	"news",   "syslog", "user",     "uucp",   "local0", "local1", "local2",
	"local3", "local4", "local5",   "local6", "local7", NULL};

const int log_facility_values[] = {
	LOG_DAEMON, LOG_AUTH,   LOG_AUTHPRIV, LOG_CRON,   LOG_FTP,
	LOG_LPR,    LOG_MAIL,   LOG_NEWS,     LOG_SYSLOG, LOG_USER,
	LOG_UUCP,   LOG_LOCAL0, LOG_LOCAL1,   LOG_LOCAL2, LOG_LOCAL3,
	LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6,   LOG_LOCAL7};

static int log_find_word(const char *const *words, const char *text)
{
	int i;

	for (i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	return -1;
}

int log_level_from_text(const char *text)
{
	int i = log_find_word(log_level_words, text);

	return i < 0 ? -1 : LINED_LOG_ERR + i;
}

int log_target_from_text(const char *text)
{
	return log_find_word(log_target_words, text);
}

const char *log_level_text(enum lined_log_level level)
{
	return log_level_words[level - LINED_LOG_ERR];
}
