/* SPDX-License-Identifier: MIT */
/*
 * Writes to stderr, syslog or the journal. syslog(3) does not report lost
 * messages, so this file writes to /dev/log itself. A write error only counts
 * as lost messages: there is no place to report that the log cannot be written.
 */
#include "config.h"

#include "log/log_output.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log/log.h"
#include "log/log_journal.h"

/* ---- stderr ------------------------------------------------------------ */

/* Writes all; handles EAGAIN, because another process that shares stderr may
 * have made it non-blocking. -1: some bytes were not written. */
static int log_output_write_all(const char *data, size_t len, bool wait)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n;

	while (len > 0) {
		if (!wait && poll(&pfd, 1, 0) <= 0)
			return -1;
		n = write(STDERR_FILENO, data, len);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			if (!wait || (poll(&pfd, 1, -1) < 0 && errno != EINTR))
				return -1;
		} else if (n == 0 || errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

/* Writes what precedes the message on stderr; returns the length. */
static size_t log_output_format_head(char *head, size_t size, int level,
				     enum log_style style, uint64_t at_ms)
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm utc;
	size_t len;

	if (style == LOG_STYLE_PRIORITY)
		return (size_t)snprintf(head, size, "<%d>", level);
	if (style == LOG_STYLE_BARE || gmtime_r(&seconds, &utc) == NULL)
		return 0;
	len = strftime(head, size, "%Y-%m-%dT%H:%M:%S", &utc);
	return len + (size_t)snprintf(head + len, size - len,
				      ".%03uZ %s: ", (unsigned)(at_ms % 1000),
				      log_level_text(level));
}

static size_t log_output_format(char *line, size_t size, int level,
				enum log_style style, uint64_t at_ms,
				const char *text, size_t len)
{
	size_t head = log_output_format_head(line, size, level, style, at_ms);
	int n = snprintf(line + head, size - head, "%.*s\n", (int)len, text);

	return n < 0 ? 0 : head + (size_t)n;
}

void log_output_stderr(int level, enum log_style style, const char *text,
		       size_t len, bool wait)
{
	char line[LOG_TEXT_MAX + LOG_OUTPUT_HEAD];

	len = log_output_format(line, sizeof(line), level, style,
				clock_real_ms(), text, len);
	log_output_write_all(line, len, wait);
}

size_t log_output_flush(struct log_output *output)
{
	size_t lines = output->chunk_lines;
	int result =
		log_output_write_all(output->chunk, output->chunk_len, true);

	output->chunk_len = output->chunk_lines = 0;
	return result < 0 ? lines : 0;
}

/* ---- syslog ------------------------------------------------------------ */

/* -1 and errno: for instance, no process reads /dev/log. */
static int log_output_connect(bool *is_stream)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX,
					    .sun_path = "/dev/log"};
	static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
	size_t i;

	for (i = 0; i < 2; i++) {
		int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return -1;
		*is_stream = types[i] == SOCK_STREAM;
		if (connect(fd, (const struct sockaddr *)&address,
			    sizeof(address)) == 0)
			return fd;
		close(fd);
	}
	return -1;
}

bool log_output_has_syslog(void)
{
	bool is_stream;
	int fd = log_output_connect(&is_stream), saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return fd >= 0;
}

void log_output_close(struct log_output *output)
{
	if (output->has_syslog)
		close(output->syslog_fd);
	output->has_syslog = false;
}

static int log_output_open_syslog(struct log_output *output)
{
	int fd = log_output_connect(&output->syslog_is_stream);

	output->has_syslog = fd >= 0;
	output->syslog_fd = fd;
	return fd < 0 ? -1 : 0;
}

/* Formats a record as syslog(3) does (RFC 3164). On a stream a NUL ends the
 * record. */
static size_t log_output_format_syslog(const struct log_output *output,
				       char *record, size_t size, int level,
				       uint64_t at_ms, const char *text,
				       size_t len)
{
	time_t seconds = (time_t)(at_ms / 1000);
	char when[32] = "";
	struct tm local;
	int n;

	if (localtime_r(&seconds, &local) != NULL)
		strftime(when, sizeof(when), "%b %e %T ", &local);
	n = snprintf(record, size, "<%d>%s%s[%ld]: %.*s",
		     level | output->settings.facility, when,
		     output->settings.ident, (long)getpid(), (int)len, text);
	return (size_t)n + output->syslog_is_stream;
}

/* Writes to syslog; after an error connects again once, because the reader may
 * have been restarted. */
static int log_output_put_syslog(struct log_output *output, int level,
				 uint64_t at_ms, const char *text, size_t len)
{
	char record[LOG_TEXT_MAX + 160];
	int tries;

	for (tries = 0; tries < 2; tries++) {
		size_t size;

		if (!output->has_syslog && log_output_open_syslog(output) < 0)
			return -1;
		size = log_output_format_syslog(output, record, sizeof(record),
						level, at_ms, text, len);
		while (size > 0) {
			ssize_t n = send(output->syslog_fd, record, size,
					 MSG_NOSIGNAL);

			if (n == (ssize_t)size)
				return 0;
			if (n < 0 && errno != EINTR)
				break;
			if (n > 0) {
				size -= (size_t)n;
				memmove(record, record + n, size);
			}
		}
		log_output_close(output);
	}
	return -1;
}

/* ---- the output ---------------------------------------------------------- */

void log_output_open(struct log_output *output,
		     const struct log_output_settings *settings)
{
	log_output_close(output);
	output->settings = *settings;
}

bool log_output_settings_equal(const struct log_output_settings *a,
			       const struct log_output_settings *b)
{
	return a->kind == b->kind && a->fall_back == b->fall_back &&
	       a->style == b->style && a->facility == b->facility &&
	       strcmp(a->ident, b->ident) == 0;
}

size_t log_output_write(struct log_output *output, int level, uint64_t at_ms,
			const char *text, size_t len)
{
	const struct log_output_settings *settings = &output->settings;
	size_t lost = 0;

	if (settings->kind == LOG_OUTPUT_JOURNAL &&
	    log_journal_write(level, settings->facility, settings->ident, text,
			      len) == 0)
		return 0;
	if (settings->kind != LOG_OUTPUT_STDERR) {
		if (log_output_put_syslog(output, level, at_ms, text, len) == 0)
			return 0;
		if (!settings->fall_back)
			return 1;
	}
	if (output->chunk_len + len + LOG_OUTPUT_HEAD > sizeof(output->chunk))
		lost = log_output_flush(output);
	output->chunk_len += log_output_format(
		output->chunk + output->chunk_len,
		sizeof(output->chunk) - output->chunk_len, level,
		output->settings.style, at_ms, text, len);
	output->chunk_lines++;
	return lost;
}
