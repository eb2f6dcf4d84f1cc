/* SPDX-License-Identifier: MIT */
/*
 * Two buffers of a fixed size: messages are added to one while the thread
 * writes the other. If a reader of the log hangs, messages are lost, but memory
 * does not grow and no other thread waits. Thread and owner share `struct
 * log_writer`, and the last of them frees it, because a write to a pipe without
 * a reader cannot be interrupted.
 */
#include "config.h"

#include "log/log_writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

/* The header of each message in a buffer. */
struct log_record {
	uint32_t after_ms; /* ms after the batch's first message */
	uint16_t len;
	uint16_t level;
};

struct log_batch {
	char *data;
	size_t len;
	uint64_t began_ms; /* log_sink_now_ms() of the first message */
	uint64_t dropped;  /* messages that did not fit */
};

struct log_writer {
	pthread_mutex_t lock;
	pthread_cond_t changed;  /* wakes the thread */
	pthread_cond_t finished; /* wakes the owner: thread or tick ended */
	pthread_t thread;
	bool threadless;
	/* Used with the lock held: */
	struct log_limit limit;
	struct log_sink_settings settings;
	struct log_batch filling;
	bool stopping, done, abandoned;
	uint32_t (*tick)(void *arg);
	void *tick_arg;
	uint64_t tick_ms; /* when to tick; UINT64_MAX: never, or running */
	bool ticking;
	/* Used by the thread only; without a thread, with the lock held: */
	struct log_batch writing;
	struct log_sink sink;
	uint64_t unreported; /* lost messages not yet reported in the log */
};

static _Atomic uint64_t lost_messages;

static uint64_t log_writer_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct timespec log_writer_timespec(uint64_t ms)
{
	struct timespec at = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	return at;
}

/* ---- writing --------------------------------------------------------- */

static void log_writer_count_lost(struct log_writer *w, size_t lost)
{
	w->unreported += lost;
	atomic_fetch_add(&lost_messages, lost);
}

/* Reports lost messages in the log; if the report is lost, too, the next batch
 * tries again. */
static void log_writer_report_lost(struct log_writer *w)
{
	char text[64];
	size_t lost;
	int n;

	if (w->unreported == 0)
		return;
	n = snprintf(text, sizeof(text), "log: %llu messages dropped",
		     (unsigned long long)w->unreported);
	lost = log_sink_write(&w->sink, LOG_WARNING, log_sink_now_ms(), text,
			      (size_t)n);
	lost += log_sink_flush(&w->sink);
	if (lost == 0)
		w->unreported = 0;
}

static void log_writer_write_batch(struct log_writer *w)
{
	struct log_record record;
	size_t at = 0, lost = 0;

	while (at < w->writing.len) {
		memcpy(&record, w->writing.data + at, sizeof(record));
		at += sizeof(record);
		lost += log_sink_write(&w->sink, record.level,
				       w->writing.began_ms + record.after_ms,
				       w->writing.data + at, record.len);
		at += record.len;
	}
	lost += log_sink_flush(&w->sink);
	w->unreported += w->writing.dropped;
	log_writer_count_lost(w, lost);
	log_writer_report_lost(w);
	w->writing.len = 0;
	w->writing.dropped = 0;
}

static void log_writer_write_report(struct log_writer *w,
				    const struct log_report *report)
{
	char text[LOG_LIMIT_SAMPLE + 64];
	int n = snprintf(text, sizeof(text),
			 "%lu similar messages suppressed%s%s",
			 (unsigned long)report->suppressed,
			 report->sample[0] != '\0' ? ": " : "", report->sample);

	size_t lost = log_sink_write(&w->sink, report->level, log_sink_now_ms(),
				     text, (size_t)n);

	log_writer_count_lost(w, lost + log_sink_flush(&w->sink));
}

uint64_t log_writer_lost(void)
{
	return atomic_load(&lost_messages);
}

/* ---- the thread ------------------------------------------------------ */

static void log_writer_destroy(struct log_writer *w)
{
	log_sink_close(&w->sink);
	log_limit_fini(&w->limit);
	pthread_cond_destroy(&w->changed);
	pthread_cond_destroy(&w->finished);
	pthread_mutex_destroy(&w->lock);
	free(w->filling.data);
	free(w->writing.data);
	free(w);
}

/* Swaps the buffers. Called with the lock held. False: nothing to write. */
static bool log_writer_take_batch(struct log_writer *w)
{
	struct log_batch empty = w->writing;

	if (w->filling.len == 0 && w->filling.dropped == 0)
		return false;
	w->writing = w->filling;
	w->filling = empty;
	return true;
}

/* Waits until something changes, or a report or a tick is due. Called with the
 * lock held. */
static void log_writer_wait(struct log_writer *w)
{
	uint64_t due_ms =
		w->limit.due_ms < w->tick_ms ? w->limit.due_ms : w->tick_ms;
	struct timespec until;

	if (due_ms == UINT64_MAX) {
		pthread_cond_wait(&w->changed, &w->lock);
		return;
	}
	until = log_writer_timespec(due_ms);
	pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

/* One round of writing; false: nothing to write. */
static bool log_writer_round(struct log_writer *w)
{
	struct log_sink_settings settings = w->settings;
	struct log_report report;
	bool has_report, has_batch, same;

	same = log_sink_settings_equal(&settings, &w->sink.settings);
	has_batch = log_writer_take_batch(w);
	has_report = log_limit_take(
		&w->limit, w->stopping ? UINT64_MAX : log_writer_now_ms(),
		&report);
	if (!has_batch && !has_report && same)
		return false;
	pthread_mutex_unlock(&w->lock);
	if (!same)
		log_sink_open(&w->sink, &settings);
	if (has_batch)
		log_writer_write_batch(w);
	if (has_report)
		log_writer_write_report(w, &report);
	pthread_mutex_lock(&w->lock);
	return true;
}

/* Runs the tick if it is due; false: not due. Called with the lock held, which
 * is released during the tick. */
static bool log_writer_run_tick(struct log_writer *w)
{
	uint32_t (*due)(void *arg) = w->tick;
	void *arg = w->tick_arg;
	uint32_t after_ms;

	if (w->tick_ms == UINT64_MAX || w->tick_ms > log_writer_now_ms())
		return false;
	w->tick_ms = UINT64_MAX;
	w->ticking = true;
	pthread_mutex_unlock(&w->lock);
	after_ms = due(arg);
	pthread_mutex_lock(&w->lock);
	w->ticking = false;
	if (w->tick != NULL)
		w->tick_ms = log_writer_now_ms() + after_ms;
	pthread_cond_signal(&w->finished);
	return true;
}

static void *log_writer_run(void *arg)
{
	struct log_writer *w = arg;
	bool abandoned;

	pthread_mutex_lock(&w->lock);
	while (!w->abandoned) {
		if (log_writer_round(w) || log_writer_run_tick(w))
			continue;
		if (w->stopping)
			break;
		log_writer_wait(w);
	}
	abandoned = w->abandoned;
	w->done = true;
	pthread_cond_signal(&w->finished);
	pthread_mutex_unlock(&w->lock);
	if (abandoned)
		log_writer_destroy(w);
	return NULL;
}

/* ---- the owner ------------------------------------------------------- */

static void log_writer_init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

struct log_writer *log_writer_start(const struct log_sink_settings *settings)
{
	struct log_writer *w = calloc(1, sizeof(*w));
	sigset_t all, before;

	if (w == NULL)
		return NULL;
	w->filling.data = malloc(LOG_WRITER_BYTES);
	w->writing.data = malloc(LOG_WRITER_BYTES);
	if (w->filling.data == NULL || w->writing.data == NULL) {
		free(w->filling.data);
		free(w->writing.data);
		free(w);
		errno = ENOMEM;
		return NULL;
	}
	pthread_mutex_init(&w->lock, NULL);
	log_writer_init_cond(&w->changed);
	log_writer_init_cond(&w->finished);
	log_limit_init(&w->limit);
	w->tick_ms = UINT64_MAX;
	w->settings = *settings;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	w->threadless =
		pthread_create(&w->thread, NULL, log_writer_run, w) != 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (w->threadless)
		log_sink_open(&w->sink, settings);
	return w;
}

/* Does the thread's work in the caller if there is no thread. Called with the
 * lock held. */
static void log_writer_work_here(struct log_writer *w)
{
	struct log_report report;

	while (log_limit_take(&w->limit,
			      w->stopping ? UINT64_MAX : log_writer_now_ms(),
			      &report))
		log_writer_write_report(w, &report);
	if (log_writer_take_batch(w))
		log_writer_write_batch(w);
}

int log_writer_stop(struct log_writer *w, int timeout_ms)
{
	struct timespec until =
		log_writer_timespec(log_writer_now_ms() + (uint64_t)timeout_ms);
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->changed);
	if (w->threadless) {
		log_writer_work_here(w);
		w->done = true;
	}
	while (!w->done && rc == 0)
		rc = pthread_cond_timedwait(&w->finished, &w->lock, &until);
	if (!w->done) {
		w->abandoned = true;
		pthread_detach(w->thread);
		pthread_mutex_unlock(&w->lock);
		errno = ETIMEDOUT;
		return -1;
	}
	pthread_mutex_unlock(&w->lock);
	if (!w->threadless)
		pthread_join(w->thread, NULL);
	log_writer_destroy(w);
	return 0;
}

void log_writer_tick(struct log_writer *w, uint32_t after_ms,
		     uint32_t (*tick)(void *arg), void *arg)
{
	pthread_mutex_lock(&w->lock);
	w->tick = NULL;
	while (w->ticking)
		pthread_cond_wait(&w->finished, &w->lock);
	w->tick = tick;
	w->tick_arg = arg;
	w->tick_ms = tick != NULL ? log_writer_now_ms() + after_ms : UINT64_MAX;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void log_writer_set(struct log_writer *w,
		    const struct log_sink_settings *settings)
{
	pthread_mutex_lock(&w->lock);
	w->settings = *settings;
	if (w->threadless)
		log_sink_open(&w->sink, settings);
	else
		pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* ---- any thread ------------------------------------------------------ */

bool log_writer_admits(struct log_writer *w, const struct log_limit_key *key,
		       int level, const struct log_burst *burst,
		       const char *text)
{
	enum log_verdict verdict;

	pthread_mutex_lock(&w->lock);
	verdict = log_limit_check(&w->limit, key, level, burst,
				  log_writer_now_ms(), text);
	/* Wake the thread, which must now wait for this report, too. */
	if (verdict == LOG_SUPPRESS_FIRST)
		pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return verdict == LOG_PASS;
}

void log_writer_put(struct log_writer *w, int level, const char *text,
		    size_t len)
{
	struct log_record record = {
		.len = (uint16_t)len,
		.level = (uint16_t)level,
	};
	struct log_batch *batch = &w->filling;
	uint64_t now_ms = log_sink_now_ms();
	/* Info and debug messages may use only half of the room: otherwise
	 * messages about clients could leave no room for errors. */
	size_t room =
		level < LOG_INFO ? LOG_WRITER_BYTES : LOG_WRITER_BYTES / 2;
	bool was_empty;

	pthread_mutex_lock(&w->lock);
	was_empty = batch->len == 0 && batch->dropped == 0;
	if (batch->len == 0)
		batch->began_ms = now_ms;
	/* False if the clock was set back. */
	if (now_ms > batch->began_ms)
		record.after_ms = (uint32_t)(now_ms - batch->began_ms);
	if (batch->len + sizeof(record) + len > room) {
		batch->dropped++;
		atomic_fetch_add(&lost_messages, 1);
	} else {
		memcpy(batch->data + batch->len, &record, sizeof(record));
		batch->len += sizeof(record);
		memcpy(batch->data + batch->len, text, len);
		batch->len += len;
	}
	if (w->threadless)
		log_writer_work_here(w);
	else if (was_empty)
		pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}
