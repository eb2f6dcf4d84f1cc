/* SPDX-License-Identifier: MIT */
/*
 * The log's writer: a thread that takes messages out of a bounded buffer and
 * writes them to the sink, so that no other thread waits for a reader of the
 * log. For log.c alone; formats nothing.
 *
 * Thread: log_writer_start() and log_writer_stop() are the owner's, the rest
 * is MT-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/log_limit.h"
#include "log/log_sink.h"

/* Bytes of messages that may wait to be written. */
#define LOG_WRITER_BYTES ((size_t)256 * 1024)

struct log_writer;

/*
 * Starts a writer, whose thread has all signals blocked. If the thread cannot
 * be created, log_writer_put() writes by itself. NULL/ENOMEM.
 */
struct log_writer *log_writer_start(const struct log_sink_settings *settings);

/*
 * Ends the thread when it has written all messages, and frees the writer.
 * -1/ETIMEDOUT after timeout_ms: the thread hangs in a write, and frees the
 * writer if that ever returns.
 */
int log_writer_stop(struct log_writer *writer, int timeout_ms);

/* Calls tick(arg) on the thread after after_ms, then again after as many ms as
 * it returns. NULL: no more calls; waits for one that runs. There is no call
 * without a thread, nor while it hangs in a write. */
void log_writer_tick(struct log_writer *writer, uint32_t after_ms,
		     uint32_t (*tick)(void *arg), void *arg);

/* Changes the settings for messages from now on and for those that wait. */
void log_writer_set(struct log_writer *writer,
		    const struct log_sink_settings *settings);

/* Messages of all writers that were lost: dropped, or not taken by the sink. */
uint64_t log_writer_lost(void);

/* Whether a message of this kind may be put (log_limit.h); else it is counted,
 * for a report. */
bool log_writer_admits(struct log_writer *writer,
		       const struct log_limit_key *key, int level,
		       const struct log_burst *burst, const char *text);

/* Queues a printable text of at most LOG_TEXT_MAX, or drops and counts it. */
void log_writer_put(struct log_writer *writer, int level, const char *text,
		    size_t len);
