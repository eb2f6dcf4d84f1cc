/* SPDX-License-Identifier: MIT */
/*
 * Counts messages in windows of time. The windows are in sets: a key can be in
 * one set only, so a search is short and needs no list. An address may get no
 * window because its set is full. Its messages still count towards the limit of
 * their kind.
 */
#include "config.h"

#include "log/log_limit.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <lined/text.h>

#define WINDOWS (LOG_LIMIT_SETS * LOG_LIMIT_WAYS)

void log_limit_init(struct log_limit *limit)
{
	memset(limit, 0, sizeof(*limit));
	limit->due_ms = UINT64_MAX;
}

void log_limit_fini(struct log_limit *limit)
{
	size_t i;

	for (i = 0; i < WINDOWS; i++)
		free(limit->windows[i].sample);
}

static bool log_window_is_over(const struct log_window *w, uint64_t now_ms)
{
	return w->key == 0 || now_ms >= w->end_ms;
}

/* Whether a new key should replace window `a` rather than window `b`: an ended
 * window is replaced first, else the window with fewer messages. */
static bool log_window_is_less(const struct log_window *a,
			       const struct log_window *b, uint64_t now_ms)
{
	if (b == NULL || log_window_is_over(b, now_ms))
		return b == NULL;
	return log_window_is_over(a, now_ms) || a->passed < b->passed;
}

/* Returns the key's window. A new key replaces a window of its set, but never
 * `kept`. NULL: all other windows of the set await a report. */
static struct log_window *log_limit_find(struct log_limit *limit, uint64_t key,
					 const struct log_window *kept,
					 uint64_t now_ms)
{
	struct log_window *set =
		&limit->windows[(key >> 32) % LOG_LIMIT_SETS * LOG_LIMIT_WAYS];
	struct log_window *place = NULL, *w;

	for (w = set; w < set + LOG_LIMIT_WAYS; w++) {
		if (w->key == key) {
			place = w;
			break;
		}
		if (w != kept && w->suppressed == 0 &&
		    log_window_is_less(w, place, now_ms))
			place = w;
	}
	if (place == NULL)
		return NULL;
	if (place->key != key || now_ms >= place->end_ms) {
		place->key = key;
		place->end_ms = now_ms + LOG_LIMIT_WINDOW_MS;
		place->passed = 0;
	}
	return place;
}

static enum log_verdict log_limit_suppress(struct log_limit *limit,
					   struct log_window *w, int level,
					   const char *text)
{
	if (w->suppressed < UINT32_MAX)
		w->suppressed++;
	if (w->suppressed > 1)
		return LOG_SUPPRESS;
	w->due_ms = w->end_ms;
	w->level = level;
	w->sample = malloc(LOG_LIMIT_SAMPLE);
	if (w->sample != NULL)
		lined_text_escape_rest(w->sample, LOG_LIMIT_SAMPLE, text,
				       strlen(text));
	if (w->due_ms < limit->due_ms)
		limit->due_ms = w->due_ms;
	return LOG_SUPPRESS_FIRST;
}

enum log_verdict log_limit_check(struct log_limit *limit,
				 const struct log_limit_key *key, int level,
				 const struct log_burst *burst, uint64_t now_ms,
				 const char *text)
{
	uint32_t most = key->from != 0 ? burst->all : burst->each;
	struct log_window *all = log_limit_find(limit, key->kind, NULL, now_ms);
	struct log_window *each = NULL;

	if (all != NULL && all->passed >= most)
		return log_limit_suppress(limit, all, level, text);
	/* Do not replace `all`, which may be in the same set. */
	if (key->from != 0)
		each = log_limit_find(limit, key->from, all, now_ms);
	if (each != NULL && each->passed >= burst->each)
		return log_limit_suppress(limit, each, level, text);
	if (all != NULL)
		all->passed++;
	if (each != NULL)
		each->passed++;
	return LOG_PASS;
}

/* When the first of the remaining reports is due. */
static uint64_t log_limit_next_due(const struct log_limit *limit)
{
	uint64_t due_ms = UINT64_MAX;
	size_t i;

	for (i = 0; i < WINDOWS; i++)
		if (limit->windows[i].suppressed > 0 &&
		    limit->windows[i].due_ms < due_ms)
			due_ms = limit->windows[i].due_ms;
	return due_ms;
}

bool log_limit_take(struct log_limit *limit, uint64_t now_ms,
		    struct log_report *report)
{
	size_t i;

	if (limit->due_ms == UINT64_MAX || now_ms < limit->due_ms)
		return false;
	for (i = 0; i < WINDOWS; i++) {
		struct log_window *w = &limit->windows[i];

		if (w->suppressed == 0 || w->due_ms > now_ms)
			continue;
		report->suppressed = w->suppressed;
		report->level = w->level;
		strcpy(report->sample, w->sample != NULL ? w->sample : "");
		free(w->sample);
		w->sample = NULL;
		w->suppressed = 0;
		limit->due_ms = log_limit_next_due(limit);
		return true;
	}
	return false;
}
