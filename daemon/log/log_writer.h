/* SPDX-License-Identifier: MIT */
/*
 * The log's writer: a thread that takes messages out of a bounded buffer and
 * writes them to stderr or syslog(3), so that nobody else waits for a reader
 * of the log. For log.c alone; formats nothing, knows no levels but to pass
 * them on.
 *
 * Thread: log_writer_start() and log_writer_stop() are the owner's, the rest
 * is MT-safe.
 */
#ifndef LOG_WRITER_H
#define LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of messages that may wait to be written. */
#define LOG_WRITER_BYTES ((size_t)256 * 1024)

/* A message's longest text, its NUL included. */
#define LOG_TEXT_MAX 2048

struct log_writer;

/* Where messages go. */
struct log_sink {
	bool syslog;     /* else stderr */
	bool journal;    /* the journal itself, in place of syslog */
	bool priorities; /* on stderr: "<N>" before each line */
	int facility;
	char ident[64];
};

/*
 * Starts a writer, whose thread has all signals blocked. Where no thread can
 * be had log_writer_put() writes by itself. NULL/ENOMEM.
 */
struct log_writer *log_writer_start(const struct log_sink *sink);

/*
 * Ends the thread when it has written what there is, and frees the writer;
 * after timeout_ms, -1/ETIMEDOUT, it leaves both to themselves: the thread
 * stands in a write and will free the writer should it come back.
 */
int log_writer_stop(struct log_writer *writer, int timeout_ms);

/*
 * Calls tick(arg) on the thread in after_ms, then again after as many as it
 * returns; NULL: no more, and it has returned. Nothing without a thread, or
 * while that stands in a write.
 */
void log_writer_tick(struct log_writer *writer, uint32_t after_ms,
		     uint32_t (*tick)(void *arg), void *arg);

/* What is put from now on, or is still waiting, goes there. */
void log_writer_set_sink(struct log_writer *writer,
			 const struct log_sink *sink);

/*
 * Whether a message of this kind should be put (log_limit.h). *sample is set
 * where it should not, but its text is wanted: log_writer_sample().
 */
bool log_writer_admits(struct log_writer *writer, const void *kind, int level,
		       unsigned burst, bool *sample);
void log_writer_sample(struct log_writer *writer, const void *kind,
		       const char *text);

/* Queues a printable text of at most LOG_TEXT_MAX, or drops and counts it. */
void log_writer_put(struct log_writer *writer, int level, const char *text,
		    size_t len);

/*
 * Writes a line to stderr at once, by the calling thread. Where wait is false
 * it is given up if that would take time.
 */
void log_write_stderr(int level, bool priorities, const char *text, size_t len,
		      bool wait);

#endif
