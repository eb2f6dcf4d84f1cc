/* SPDX-License-Identifier: MIT */
/*
 * The thread that takes messages from a bounded buffer and writes them to the
 * output, so that no other thread waits for a reader of the log. Only for
 * log.c; messages are already formatted.
 *
 * Thread: the owner's for log_thread_start() and log_thread_stop(); the other
 * functions are MT-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/log_limit.h"
#include "log/log_output.h"

/* The most bytes of messages in each buffer. */
#define LOG_THREAD_BYTES ((size_t)256 * 1024)

struct log_thread;

/*
 * Starts the thread, with all signals blocked. If the thread cannot be created,
 * log_thread_put() writes in the calling thread. NULL/ENOMEM.
 */
struct log_thread *log_thread_start(const struct log_output_settings *settings);

/*
 * Ends the thread when all messages are written, and frees the struct.
 * -1/ETIMEDOUT after timeout_ms: the thread hangs in a write, and frees the
 * struct when that write returns.
 */
int log_thread_stop(struct log_thread *thread, int timeout_ms);

/* See log_tick(). */
void log_thread_tick(struct log_thread *thread, uint32_t after_ms,
		     uint32_t (*tick)(void *arg), void *arg);

/* Changes the settings, also for messages that wait. */
void log_thread_set(struct log_thread *thread,
		    const struct log_output_settings *settings);

/* The number of messages lost so far: dropped, or not accepted by the output.
 */
uint64_t log_thread_lost(void);

/* Whether a message of this kind may be written (log_limit.h). Otherwise the
 * message is counted for a report. */
bool log_thread_admits(struct log_thread *thread,
		       const struct log_limit_key *key, int level,
		       const struct log_burst *burst, const char *text);

/* Queues a printable text of at most LOG_TEXT_MAX bytes, or drops and counts
 * it. */
void log_thread_put(struct log_thread *thread, int level, const char *text,
		    size_t len);
