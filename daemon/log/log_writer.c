/* SPDX-License-Identifier: MIT */
/*
 * The thread that writes the log. Messages are put into one buffer while it
 * writes out the other; both have a fixed size, so a reader that stands still
 * costs messages, never memory and never anybody's time. The thread and its
 * owner share `struct log_writer`; who leaves last frees it, since a write to
 * a pipe that nobody reads cannot be called back.
 */
#include "config.h"

#include "log/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "log/log_journal.h"
#include "log/log_limit.h"

/* Lines are gathered to this size for one write: a pipe takes it whole. */
#define CHUNK 4096

/* Before each message in a buffer. */
struct record {
	uint16_t len;
	uint16_t level;
};

struct batch {
	char *data;
	size_t len;
	uint64_t dropped; /* what came when it was full */
};

struct log_writer {
	pthread_mutex_t lock;
	pthread_cond_t changed;  /* for the thread */
	pthread_cond_t finished; /* for the owner: the thread, or a tick */
	pthread_t thread;
	bool threadless;
	/* Under lock. */
	struct log_limit limit;
	struct log_sink sink;
	struct batch filling;
	bool stopping, done, abandoned;
	uint32_t (*tick)(void *arg);
	void *tick_arg;
	uint64_t tick_ms; /* when it is due; UINT64_MAX: none, or it runs */
	bool ticking;
	/* The thread's (threadless: under lock). */
	struct batch writing;
	struct log_sink current;
	char chunk[CHUNK];
	size_t chunk_len;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct timespec at_ms(uint64_t ms)
{
	struct timespec at = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	return at;
}

/* ---- writing --------------------------------------------------------- */

/*
 * All of it, or as much as stderr takes before it fails: a log that cannot be
 * written has nowhere to be complained about. stderr may be non-blocking,
 * since it may be shared with whoever made it so.
 */
static void write_all(const char *data, size_t len, bool wait)
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

static size_t format_line(char *line, size_t size, int level, bool priorities,
			  const char *text, size_t len)
{
	int n = priorities ? snprintf(line, size, "<%d>%.*s\n", level, (int)len,
				      text)
			   : snprintf(line, size, "%.*s\n", (int)len, text);

	return n < 0 ? 0 : (size_t)n;
}

void log_write_stderr(int level, bool priorities, const char *text, size_t len,
		      bool wait)
{
	char line[LOG_TEXT_MAX + 16];

	write_all(line,
		  format_line(line, sizeof(line), level, priorities, text, len),
		  wait);
}

static void flush_chunk(struct log_writer *w)
{
	write_all(w->chunk, w->chunk_len, true);
	w->chunk_len = 0;
}

static void write_text(struct log_writer *w, int level, const char *text,
		       size_t len)
{
	if (w->current.journal &&
	    log_journal_write(level, w->current.facility, w->current.ident,
			      text, len) == 0)
		return;
	if (w->current.syslog) {
		syslog(level | w->current.facility, "%.*s", (int)len, text);
		return;
	}
	if (w->chunk_len + len + 16 > sizeof(w->chunk))
		flush_chunk(w);
	w->chunk_len += format_line(w->chunk + w->chunk_len,
				    sizeof(w->chunk) - w->chunk_len, level,
				    w->current.priorities, text, len);
}

static void write_batch(struct log_writer *w)
{
	struct record record;
	char text[64];
	size_t at = 0;
	int n;

	while (at < w->writing.len) {
		memcpy(&record, w->writing.data + at, sizeof(record));
		at += sizeof(record);
		write_text(w, record.level, w->writing.data + at, record.len);
		at += record.len;
	}
	if (w->writing.dropped > 0) {
		n = snprintf(text, sizeof(text), "log: %llu messages dropped",
			     (unsigned long long)w->writing.dropped);
		write_text(w, LOG_WARNING, text, (size_t)n);
	}
	flush_chunk(w);
	w->writing.len = 0;
	w->writing.dropped = 0;
}

static void write_report(struct log_writer *w, const struct log_report *report)
{
	char text[LOG_LIMIT_SAMPLE + 64];
	int n = snprintf(text, sizeof(text),
			 "%lu similar messages suppressed%s%s",
			 (unsigned long)report->suppressed,
			 report->sample[0] != '\0' ? ": " : "", report->sample);

	write_text(w, report->level, text, (size_t)n);
	flush_chunk(w);
}

/* syslog(3) keeps the pointer to the name: it is to that of w->current. */
static void use_sink(struct log_writer *w, const struct log_sink *sink)
{
	if (w->current.syslog)
		closelog();
	w->current = *sink;
	if (w->current.syslog)
		openlog(w->current.ident, LOG_PID | LOG_NDELAY,
			w->current.facility);
}

static bool same_sink(const struct log_sink *a, const struct log_sink *b)
{
	return a->syslog == b->syslog && a->journal == b->journal &&
	       a->priorities == b->priorities && a->facility == b->facility &&
	       strcmp(a->ident, b->ident) == 0;
}

/* ---- the thread ------------------------------------------------------ */

static void destroy(struct log_writer *w)
{
	if (w->current.syslog)
		closelog();
	pthread_cond_destroy(&w->changed);
	pthread_cond_destroy(&w->finished);
	pthread_mutex_destroy(&w->lock);
	free(w->filling.data);
	free(w->writing.data);
	free(w);
}

/* Takes what is to be written, under lock; false where there is nothing. */
static bool take(struct log_writer *w)
{
	struct batch empty = w->writing;

	if (w->filling.len == 0 && w->filling.dropped == 0)
		return false;
	w->writing = w->filling;
	w->filling = empty;
	return true;
}

/* Waits, under lock, until something happens, or a report or a tick is due. */
static void wait_for_work(struct log_writer *w)
{
	uint64_t due_ms =
		w->limit.due_ms < w->tick_ms ? w->limit.due_ms : w->tick_ms;
	struct timespec until;

	if (due_ms == UINT64_MAX) {
		pthread_cond_wait(&w->changed, &w->lock);
		return;
	}
	until = at_ms(due_ms);
	pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

/* One round of writing; false where there was nothing to write. */
static bool work(struct log_writer *w)
{
	struct log_sink sink = w->sink;
	struct log_report report;
	bool has_report, has_batch;

	has_batch = take(w);
	has_report = log_limit_take(
		&w->limit, w->stopping ? UINT64_MAX : now_ms(), &report);
	if (!has_batch && !has_report && same_sink(&sink, &w->current))
		return false;
	pthread_mutex_unlock(&w->lock);
	if (!same_sink(&sink, &w->current))
		use_sink(w, &sink);
	if (has_batch)
		write_batch(w);
	if (has_report)
		write_report(w, &report);
	pthread_mutex_lock(&w->lock);
	return true;
}

/* Under lock; false where none is due. */
static bool run_tick(struct log_writer *w)
{
	uint32_t (*due)(void *arg) = w->tick;
	void *arg = w->tick_arg;
	uint32_t after_ms;

	if (w->tick_ms == UINT64_MAX || w->tick_ms > now_ms())
		return false;
	w->tick_ms = UINT64_MAX;
	w->ticking = true;
	pthread_mutex_unlock(&w->lock);
	after_ms = due(arg);
	pthread_mutex_lock(&w->lock);
	w->ticking = false;
	if (w->tick != NULL)
		w->tick_ms = now_ms() + after_ms;
	pthread_cond_signal(&w->finished);
	return true;
}

static void *run(void *arg)
{
	struct log_writer *w = arg;
	bool abandoned;

	pthread_mutex_lock(&w->lock);
	while (!w->abandoned) {
		if (work(w) || run_tick(w))
			continue;
		if (w->stopping)
			break;
		wait_for_work(w);
	}
	abandoned = w->abandoned;
	w->done = true;
	pthread_cond_signal(&w->finished);
	pthread_mutex_unlock(&w->lock);
	if (abandoned)
		destroy(w);
	return NULL;
}

/* ---- the owner ------------------------------------------------------- */

static void init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

struct log_writer *log_writer_start(const struct log_sink *sink)
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
	init_cond(&w->changed);
	init_cond(&w->finished);
	log_limit_init(&w->limit);
	w->tick_ms = UINT64_MAX;
	w->sink = *sink;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	w->threadless = pthread_create(&w->thread, NULL, run, w) != 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (w->threadless)
		use_sink(w, sink);
	return w;
}

/* Without a thread its work is done here, by whoever has the lock. */
static void work_here(struct log_writer *w)
{
	struct log_report report;

	while (log_limit_take(&w->limit, w->stopping ? UINT64_MAX : now_ms(),
			      &report))
		write_report(w, &report);
	if (take(w))
		write_batch(w);
}

int log_writer_stop(struct log_writer *w, int timeout_ms)
{
	struct timespec until = at_ms(now_ms() + (uint64_t)timeout_ms);
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->changed);
	if (w->threadless) {
		work_here(w);
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
	destroy(w);
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
	w->tick_ms = tick != NULL ? now_ms() + after_ms : UINT64_MAX;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void log_writer_set_sink(struct log_writer *w, const struct log_sink *sink)
{
	pthread_mutex_lock(&w->lock);
	w->sink = *sink;
	if (w->threadless)
		use_sink(w, sink);
	else
		pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* ---- any thread ------------------------------------------------------ */

bool log_writer_admits(struct log_writer *w, const void *kind, int level,
		       unsigned burst, bool *sample)
{
	enum log_verdict verdict;

	pthread_mutex_lock(&w->lock);
	verdict = log_limit_check(&w->limit, kind, level, burst, now_ms());
	/* It has a report to wait for now. */
	if (verdict == LOG_SUPPRESS_FIRST)
		pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	*sample = verdict == LOG_SUPPRESS_FIRST;
	return verdict == LOG_PASS;
}

void log_writer_sample(struct log_writer *w, const void *kind, const char *text)
{
	pthread_mutex_lock(&w->lock);
	log_limit_sample(&w->limit, kind, text);
	pthread_mutex_unlock(&w->lock);
}

void log_writer_put(struct log_writer *w, int level, const char *text,
		    size_t len)
{
	struct record record = {(uint16_t)len, (uint16_t)level};
	struct batch *batch = &w->filling;
	/* Clients who come and go shall not crowd out what is wrong. */
	size_t room =
		level < LOG_INFO ? LOG_WRITER_BYTES : LOG_WRITER_BYTES / 2;
	bool was_empty;

	pthread_mutex_lock(&w->lock);
	was_empty = batch->len == 0 && batch->dropped == 0;
	if (batch->len + sizeof(record) + len > room) {
		batch->dropped++;
	} else {
		memcpy(batch->data + batch->len, &record, sizeof(record));
		batch->len += sizeof(record);
		memcpy(batch->data + batch->len, text, len);
		batch->len += len;
	}
	if (w->threadless)
		work_here(w);
	else if (was_empty)
		pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}
