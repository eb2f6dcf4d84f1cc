/* SPDX-License-Identifier: MIT */
/*
 * Queues messages in one of two buffers of a fixed size while the thread writes
 * the other. If a reader of the log hangs, messages are lost, but memory does
 * not grow and no other thread waits. The owner frees `struct log_thread` when
 * the thread has ended. If the thread hangs in a write, which cannot be
 * interrupted, the thread itself frees the struct after the write.
 */
#include "config.h"

#include "log/log_thread.h"

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

#include "clock.h"

/* The header of each message in a buffer. */
struct log_record {
	uint32_t after_ms; /* ms after the batch's first message */
	uint16_t len;
	uint16_t level;
};

struct log_batch {
	char *data;
	size_t len;
	uint64_t began_ms; /* real time of the first message */
	uint64_t dropped;  /* messages that did not fit */
};

struct log_thread {
	pthread_mutex_t lock;
	pthread_cond_t changed;  /* wakes the thread */
	pthread_cond_t finished; /* wakes the owner: thread or tick ended */
	pthread_t thread;
	bool threadless;
	/* Used with the lock held: */
	struct log_limit limit;
	struct log_output_settings settings;
	struct log_batch filling;
	bool stopping, done, abandoned;
	uint32_t (*tick)(void *arg);
	void *tick_arg;
	uint64_t tick_ms; /* when to tick; UINT64_MAX: never, or running */
	bool ticking;
	/* Used by the thread only; without a thread, with the lock held: */
	struct log_batch writing;
	struct log_output output;
	uint64_t unreported; /* lost messages not yet reported in the log */
};

static _Atomic uint64_t lost_messages;

/* ---- writing --------------------------------------------------------- */

static void log_thread_count_lost(struct log_thread *t, size_t lost)
{
	t->unreported += lost;
	atomic_fetch_add(&lost_messages, lost);
}

/* Reports lost messages in the log; if the report is lost, too, the next batch
 * tries again. */
static void log_thread_report_lost(struct log_thread *t)
{
	char text[64];
	size_t lost;
	int n;

	if (t->unreported == 0)
		return;
	n = snprintf(text, sizeof(text), "log: %llu messages dropped",
		     (unsigned long long)t->unreported);
	lost = log_output_write(&t->output, LOG_WARNING, clock_real_ms(), text,
				(size_t)n);
	lost += log_output_flush(&t->output);
	if (lost == 0)
		t->unreported = 0;
}

static void log_thread_write_batch(struct log_thread *t)
{
	struct log_record record;
	size_t at = 0, lost = 0;

	while (at < t->writing.len) {
		memcpy(&record, t->writing.data + at, sizeof(record));
		at += sizeof(record);
		lost += log_output_write(&t->output, record.level,
					 t->writing.began_ms + record.after_ms,
					 t->writing.data + at, record.len);
		at += record.len;
	}
	lost += log_output_flush(&t->output);
	t->unreported += t->writing.dropped;
	log_thread_count_lost(t, lost);
	log_thread_report_lost(t);
	t->writing.len = 0;
	t->writing.dropped = 0;
}

static void log_thread_write_report(struct log_thread *t,
				    const struct log_report *report)
{
	char text[LOG_LIMIT_SAMPLE + 64];
	int n = snprintf(text, sizeof(text),
			 "%lu similar messages suppressed%s%s",
			 (unsigned long)report->suppressed,
			 report->sample[0] != '\0' ? ": " : "", report->sample);

	size_t lost = log_output_write(&t->output, report->level,
				       clock_real_ms(), text, (size_t)n);

	log_thread_count_lost(t, lost + log_output_flush(&t->output));
}

uint64_t log_thread_lost(void)
{
	return atomic_load(&lost_messages);
}

/* ---- the thread ------------------------------------------------------ */

static void log_thread_destroy(struct log_thread *t)
{
	log_output_close(&t->output);
	log_limit_fini(&t->limit);
	pthread_cond_destroy(&t->changed);
	pthread_cond_destroy(&t->finished);
	pthread_mutex_destroy(&t->lock);
	free(t->filling.data);
	free(t->writing.data);
	free(t);
}

/* Swaps the buffers. Called with the lock held. False: nothing to write. */
static bool log_thread_take_batch(struct log_thread *t)
{
	struct log_batch empty = t->writing;

	if (t->filling.len == 0 && t->filling.dropped == 0)
		return false;
	t->writing = t->filling;
	t->filling = empty;
	return true;
}

/* Waits until something changes, or a report or a tick is due. Called with the
 * lock held. */
static void log_thread_wait(struct log_thread *t)
{
	uint64_t due_ms =
		t->limit.due_ms < t->tick_ms ? t->limit.due_ms : t->tick_ms;
	struct timespec until;

	if (due_ms == UINT64_MAX) {
		pthread_cond_wait(&t->changed, &t->lock);
		return;
	}
	until = clock_timespec(due_ms);
	pthread_cond_timedwait(&t->changed, &t->lock, &until);
}

/* One round of writing. Called with the lock held, which is released while
 * writing. False: nothing to write. */
static bool log_thread_round(struct log_thread *t)
{
	struct log_output_settings settings = t->settings;
	struct log_report report;
	bool has_report, has_batch, same;

	same = log_output_settings_equal(&settings, &t->output.settings);
	has_batch = log_thread_take_batch(t);
	has_report = log_limit_take(
		&t->limit, t->stopping ? UINT64_MAX : clock_monotonic_ms(),
		&report);
	if (!has_batch && !has_report && same)
		return false;
	pthread_mutex_unlock(&t->lock);
	if (!same)
		log_output_open(&t->output, &settings);
	if (has_batch)
		log_thread_write_batch(t);
	if (has_report)
		log_thread_write_report(t, &report);
	pthread_mutex_lock(&t->lock);
	return true;
}

/* Runs the tick if it is due; false: not due. Called with the lock held, which
 * is released during the tick. */
static bool log_thread_run_tick(struct log_thread *t)
{
	uint32_t (*due)(void *arg) = t->tick;
	void *arg = t->tick_arg;
	uint32_t after_ms;

	if (t->tick_ms == UINT64_MAX || t->tick_ms > clock_monotonic_ms())
		return false;
	t->tick_ms = UINT64_MAX;
	t->ticking = true;
	pthread_mutex_unlock(&t->lock);
	after_ms = due(arg);
	pthread_mutex_lock(&t->lock);
	t->ticking = false;
	if (t->tick != NULL)
		t->tick_ms = clock_monotonic_ms() + after_ms;
	pthread_cond_signal(&t->finished);
	return true;
}

static void *log_thread_run(void *arg)
{
	struct log_thread *t = arg;
	bool abandoned;

	pthread_mutex_lock(&t->lock);
	while (!t->abandoned) {
		if (log_thread_round(t) || log_thread_run_tick(t))
			continue;
		if (t->stopping)
			break;
		log_thread_wait(t);
	}
	abandoned = t->abandoned;
	t->done = true;
	pthread_cond_signal(&t->finished);
	pthread_mutex_unlock(&t->lock);
	if (abandoned)
		log_thread_destroy(t);
	return NULL;
}

/* ---- the owner ------------------------------------------------------- */

static void log_thread_init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

struct log_thread *log_thread_start(const struct log_output_settings *settings)
{
	struct log_thread *t = calloc(1, sizeof(*t));
	sigset_t all, before;

	if (t == NULL)
		return NULL;
	t->filling.data = malloc(LOG_THREAD_BYTES);
	t->writing.data = malloc(LOG_THREAD_BYTES);
	if (t->filling.data == NULL || t->writing.data == NULL) {
		free(t->filling.data);
		free(t->writing.data);
		free(t);
		errno = ENOMEM;
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	log_thread_init_cond(&t->changed);
	log_thread_init_cond(&t->finished);
	log_limit_init(&t->limit);
	t->tick_ms = UINT64_MAX;
	t->settings = *settings;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	t->threadless =
		pthread_create(&t->thread, NULL, log_thread_run, t) != 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (t->threadless)
		log_output_open(&t->output, settings);
	return t;
}

/* Does the thread's work in the calling thread if there is no thread. Called
 * with the lock held. */
static void log_thread_work_here(struct log_thread *t)
{
	struct log_report report;

	while (log_limit_take(&t->limit,
			      t->stopping ? UINT64_MAX : clock_monotonic_ms(),
			      &report))
		log_thread_write_report(t, &report);
	if (log_thread_take_batch(t))
		log_thread_write_batch(t);
}

int log_thread_stop(struct log_thread *t, int timeout_ms)
{
	struct timespec until =
		clock_timespec(clock_monotonic_ms() + (uint64_t)timeout_ms);
	int rc = 0;

	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_signal(&t->changed);
	if (t->threadless) {
		log_thread_work_here(t);
		t->done = true;
	}
	while (!t->done && rc == 0)
		rc = pthread_cond_timedwait(&t->finished, &t->lock, &until);
	if (!t->done) {
		t->abandoned = true;
		pthread_detach(t->thread);
		pthread_mutex_unlock(&t->lock);
		errno = ETIMEDOUT;
		return -1;
	}
	pthread_mutex_unlock(&t->lock);
	if (!t->threadless)
		pthread_join(t->thread, NULL);
	log_thread_destroy(t);
	return 0;
}

void log_thread_tick(struct log_thread *t, uint32_t after_ms,
		     uint32_t (*tick)(void *arg), void *arg)
{
	pthread_mutex_lock(&t->lock);
	t->tick = NULL;
	while (t->ticking)
		pthread_cond_wait(&t->finished, &t->lock);
	t->tick = tick;
	t->tick_arg = arg;
	t->tick_ms =
		tick != NULL ? clock_monotonic_ms() + after_ms : UINT64_MAX;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

void log_thread_set(struct log_thread *t,
		    const struct log_output_settings *settings)
{
	pthread_mutex_lock(&t->lock);
	t->settings = *settings;
	if (t->threadless)
		log_output_open(&t->output, settings);
	else
		pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

/* ---- any thread ------------------------------------------------------ */

bool log_thread_admits(struct log_thread *t, const struct log_limit_key *key,
		       int level, const struct log_burst *burst,
		       const char *text)
{
	enum log_verdict verdict;

	pthread_mutex_lock(&t->lock);
	verdict = log_limit_check(&t->limit, key, level, burst,
				  clock_monotonic_ms(), text);
	/* The report of this window may be due before the time for which the
	 * thread waits. */
	if (verdict == LOG_SUPPRESS_FIRST)
		pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	return verdict == LOG_PASS;
}

void log_thread_put(struct log_thread *t, int level, const char *text,
		    size_t len)
{
	struct log_record record = {
		.len = (uint16_t)len,
		.level = (uint16_t)level,
	};
	struct log_batch *batch = &t->filling;
	uint64_t now_ms = clock_real_ms();
	/* Info and debug messages may use only half of the room: otherwise
	 * messages about clients could leave no room for errors. */
	size_t room =
		level < LOG_INFO ? LOG_THREAD_BYTES : LOG_THREAD_BYTES / 2;
	bool was_empty;

	pthread_mutex_lock(&t->lock);
	was_empty = batch->len == 0 && batch->dropped == 0;
	if (batch->len == 0)
		batch->began_ms = now_ms;
	/* If the clock was set back, after_ms stays 0. */
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
	if (t->threadless)
		log_thread_work_here(t);
	else if (was_empty)
		pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}
