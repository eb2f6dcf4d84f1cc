/* SPDX-License-Identifier: MIT */
/*
 * An output writes messages to stderr, syslog(3) or the journal. A write may
 * block. Thread: the owner's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest text of a message, including the NUL. */
#define LOG_TEXT_MAX 2048

enum log_output_kind {
	LOG_OUTPUT_STDERR,
	LOG_OUTPUT_SYSLOG,
	LOG_OUTPUT_JOURNAL, /* a refused message goes to syslog */
};

/* The prefix of a message on stderr. */
enum log_style {
	LOG_STYLE_BARE,
	LOG_STYLE_TIME,     /* "2026-11-29T12:00:00.123Z info: " */
	LOG_STYLE_PRIORITY, /* "<6>" */
};

struct log_output_settings {
	enum log_output_kind kind;
	bool fall_back; /* messages that syslog refuses go to stderr */
	enum log_style style;
	int facility;
	char ident[64];
};

/* Lines for stderr are collected up to this size, PIPE_BUF of Linux: a longer
 * write to a pipe is not atomic. */
#define LOG_OUTPUT_CHUNK 4096
/* The most bytes added to a message on stderr. */
#define LOG_OUTPUT_HEAD 48

struct log_output {
	struct log_output_settings settings;
	char chunk[LOG_OUTPUT_CHUNK];
	size_t chunk_len;
	size_t chunk_lines;
	int syslog_fd; /* valid if has_syslog */
	bool has_syslog, syslog_is_stream;
};

/* Opens a zeroed output, or changes the settings of an open one. */
void log_output_open(struct log_output *output,
		     const struct log_output_settings *settings);
void log_output_close(struct log_output *output);
bool log_output_settings_equal(const struct log_output_settings *a,
			       const struct log_output_settings *b);

/* Writes a message of at most LOG_TEXT_MAX bytes, logged at at_ms of the
 * real-time clock. A message for stderr may wait for log_output_flush(). Both
 * functions return how many messages could not be written and are lost. */
size_t log_output_write(struct log_output *output, int level, uint64_t at_ms,
			const char *text, size_t len);
size_t log_output_flush(struct log_output *output);

/* Writes a line to stderr at once, without an output. MT-safe. wait false:
 * drops the rest of the line if writing would block. */
void log_output_stderr(int level, enum log_style style, const char *text,
		       size_t len, bool wait);

/* Whether a process reads /dev/log. MT-safe. */
bool log_output_has_syslog(void);
