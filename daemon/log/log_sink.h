/* SPDX-License-Identifier: MIT */
/*
 * A sink writes messages to stderr, syslog(3) or the journal. A write may
 * block. Thread: the owner's, that is the log's writer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest text of a message, including the NUL. */
#define LOG_TEXT_MAX 2048

enum log_sink_kind {
	LOG_SINK_STDERR,
	LOG_SINK_SYSLOG,
	LOG_SINK_JOURNAL, /* if it refuses a message: syslog */
};

/* The prefix of a message on stderr. */
enum log_style {
	LOG_STYLE_BARE,
	LOG_STYLE_TIME,     /* "2026-11-29T12:00:00.123Z info: " */
	LOG_STYLE_PRIORITY, /* "<6>" */
};

struct log_sink_settings {
	enum log_sink_kind kind;
	bool fall_back; /* what syslog refuses goes to stderr */
	enum log_style style;
	int facility;
	char ident[64];
};

/* Lines for stderr are collected up to this size, because smaller writes to a
 * pipe are atomic. */
#define LOG_SINK_CHUNK 4096
/* The most bytes added to a message on stderr. */
#define LOG_SINK_HEAD 48

struct log_sink {
	struct log_sink_settings settings;
	char chunk[LOG_SINK_CHUNK];
	size_t chunk_len;
	size_t chunk_lines;
	int syslog_fd; /* valid if has_syslog */
	bool has_syslog, syslog_is_stream;
};

/* Opens a zeroed sink, or changes the settings of an open one. */
void log_sink_open(struct log_sink *sink,
		   const struct log_sink_settings *settings);
void log_sink_close(struct log_sink *sink);
bool log_sink_settings_equal(const struct log_sink_settings *a,
			     const struct log_sink_settings *b);

/* Writes a message of at most LOG_TEXT_MAX bytes, logged at at_ms of the
 * real-time clock. A message for stderr may wait for log_sink_flush(). Both
 * return how many messages could not be written and are lost. */
size_t log_sink_write(struct log_sink *sink, int level, uint64_t at_ms,
		      const char *text, size_t len);
size_t log_sink_flush(struct log_sink *sink);

/* Writes a line to stderr at once, without a sink. MT-safe. wait false: drops
 * the rest if writing would block. */
void log_sink_stderr(int level, enum log_style style, const char *text,
		     size_t len, bool wait);

/* The real-time clock, for log_sink_write(). MT-safe. */
uint64_t log_sink_now_ms(void);

/* Whether a process reads /dev/log. MT-safe. */
bool log_sink_has_syslog(void);
