/* SPDX-License-Identifier: MIT */
/*
 * A sink writes messages to stderr, syslog(3) or the journal. A write may
 * block. Thread: the owner's, which is the log's writer. One sink in a process,
 * because openlog(3) keeps one name.
 */
#ifndef LOG_SINK_H
#define LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>

/* A message's longest text, its NUL included. */
#define LOG_TEXT_MAX 2048

struct log_sink_settings {
	bool syslog;     /* else stderr */
	bool journal;    /* the journal itself, in place of syslog */
	bool priorities; /* on stderr: "<N>" before each line */
	int facility;
	char ident[64];
};

/* Lines for stderr are collected up to this size: a pipe takes so many bytes as
 * a whole. */
#define LOG_SINK_CHUNK 4096

struct log_sink {
	struct log_sink_settings settings;
	char chunk[LOG_SINK_CHUNK];
	size_t chunk_len;
};

/* Opens a zeroed sink, or changes the settings of an open one. */
void log_sink_open(struct log_sink *sink,
		   const struct log_sink_settings *settings);
void log_sink_close(struct log_sink *sink);
bool log_sink_settings_equal(const struct log_sink_settings *a,
			     const struct log_sink_settings *b);

/* Writes a message of at most LOG_TEXT_MAX bytes. On stderr it may wait for
 * log_sink_flush(). */
void log_sink_write(struct log_sink *sink, int level, const char *text,
		    size_t len);
void log_sink_flush(struct log_sink *sink);

/* Writes a line to stderr at once, without a sink: MT-safe. With wait false,
 * the rest is dropped if writing would block. */
void log_sink_stderr(int level, bool priorities, const char *text, size_t len,
		     bool wait);

#endif
