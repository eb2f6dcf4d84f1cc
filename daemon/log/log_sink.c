/* SPDX-License-Identifier: MIT */
/*
 * Writing to stderr, syslog(3) or the journal. Errors end here: a log that
 * cannot be written has no place to report them to.
 */
#include "config.h"

#include "log/log_sink.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log/log_journal.h"

/* ---- stderr ------------------------------------------------------------ */

/* Handles EAGAIN: another process that shares stderr may have made it
 * non-blocking. */
static void log_sink_write_all(const char *data, size_t len, bool wait)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n;

	while (len > 0) {
		if (!wait && poll(&pfd, 1, 0) <= 0)
			return;
		n = write(STDERR_FILENO, data, len);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			if (!wait || (poll(&pfd, 1, -1) < 0 && errno != EINTR))
				return;
		} else if (n == 0 || errno != EINTR) {
			return;
		}
	}
}

static size_t log_sink_format(char *line, size_t size, int level,
			      bool priorities, const char *text, size_t len)
{
	int n = priorities ? snprintf(line, size, "<%d>%.*s\n", level, (int)len,
				      text)
			   : snprintf(line, size, "%.*s\n", (int)len, text);

	return n < 0 ? 0 : (size_t)n;
}

void log_sink_stderr(int level, bool priorities, const char *text, size_t len,
		     bool wait)
{
	char line[LOG_TEXT_MAX + 16];

	len = log_sink_format(line, sizeof(line), level, priorities, text, len);
	log_sink_write_all(line, len, wait);
}

void log_sink_flush(struct log_sink *sink)
{
	log_sink_write_all(sink->chunk, sink->chunk_len, true);
	sink->chunk_len = 0;
}

/* ---- the sink ---------------------------------------------------------- */

void log_sink_open(struct log_sink *sink,
		   const struct log_sink_settings *settings)
{
	log_sink_close(sink);
	sink->settings = *settings;
	/* openlog(3) keeps the pointer to the name. */
	if (sink->settings.syslog)
		openlog(sink->settings.ident, LOG_PID | LOG_NDELAY,
			sink->settings.facility);
}

void log_sink_close(struct log_sink *sink)
{
	if (sink->settings.syslog)
		closelog();
}

bool log_sink_settings_equal(const struct log_sink_settings *a,
			     const struct log_sink_settings *b)
{
	return a->syslog == b->syslog && a->journal == b->journal &&
	       a->priorities == b->priorities && a->facility == b->facility &&
	       strcmp(a->ident, b->ident) == 0;
}

void log_sink_write(struct log_sink *sink, int level, const char *text,
		    size_t len)
{
	const struct log_sink_settings *settings = &sink->settings;

	if (settings->journal &&
	    log_journal_write(level, settings->facility, settings->ident, text,
			      len) == 0)
		return;
	if (settings->syslog) {
		syslog(level | settings->facility, "%.*s", (int)len, text);
		return;
	}
	if (sink->chunk_len + len + 16 > sizeof(sink->chunk))
		log_sink_flush(sink);
	sink->chunk_len +=
		log_sink_format(sink->chunk + sink->chunk_len,
				sizeof(sink->chunk) - sink->chunk_len, level,
				settings->priorities, text, len);
}
