/* SPDX-License-Identifier: MIT */
/*
 * A table of kinds of messages, each with its window. The search is linear: few
 * entries are in use, and formatting a message takes much longer.
 */
#include "config.h"

#include "log/log_limit.h"

#include <stddef.h>
#include <string.h>

#include <lined/text.h>

#include "log/log.h"

void log_limit_init(struct log_limit *limit)
{
	memset(limit, 0, sizeof(*limit));
	limit->due_ms = UINT64_MAX;
}

/* The entry of the kind, or one that it can use: free, or with its window over
 * and nothing to report. NULL: the table is full. */
static struct log_kind *log_limit_find(struct log_limit *limit,
				       const void *kind, uint64_t now_ms)
{
	struct log_kind *place = NULL, *k;
	size_t i;

	for (i = 0; i < LOG_LIMIT_KINDS; i++) {
		k = &limit->kinds[i];
		if (k->kind == kind)
			return k;
		if (place == NULL && k->suppressed == 0 &&
		    (k->kind == NULL || now_ms >= k->end_ms))
			place = k;
	}
	if (place != NULL) {
		place->kind = kind;
		place->end_ms = now_ms;
	}
	return place;
}

enum log_verdict log_limit_check(struct log_limit *limit, const void *kind,
				 int level, uint32_t burst, uint64_t now_ms)
{
	struct log_kind *k = log_limit_find(limit, kind, now_ms);

	if (k == NULL)
		return LOG_PASS;
	if (now_ms >= k->end_ms) {
		k->end_ms = now_ms + LOG_LIMIT_WINDOW_MS;
		k->passed = 0;
	}
	if (k->passed < burst) {
		k->passed++;
		return LOG_PASS;
	}
	if (k->suppressed < UINT32_MAX)
		k->suppressed++;
	if (k->suppressed > 1)
		return LOG_SUPPRESS;
	k->due_ms = k->end_ms;
	k->level = level;
	k->sample[0] = '\0';
	if (k->due_ms < limit->due_ms)
		limit->due_ms = k->due_ms;
	return LOG_SUPPRESS_FIRST;
}

void log_limit_sample(struct log_limit *limit, const void *kind,
		      const char *text)
{
	size_t i;

	for (i = 0; i < LOG_LIMIT_KINDS; i++) {
		struct log_kind *k = &limit->kinds[i];

		/* Nothing is suppressed if the report was taken meanwhile. */
		if (k->kind == kind && k->suppressed > 0)
			lined_text_escape_rest(k->sample, sizeof(k->sample),
					       text, strlen(text));
	}
}

/* When the next report is due, after one was taken. */
static uint64_t log_limit_next_due(const struct log_limit *limit)
{
	uint64_t due_ms = UINT64_MAX;
	size_t i;

	for (i = 0; i < LOG_LIMIT_KINDS; i++)
		if (limit->kinds[i].suppressed > 0 &&
		    limit->kinds[i].due_ms < due_ms)
			due_ms = limit->kinds[i].due_ms;
	return due_ms;
}

bool log_limit_take(struct log_limit *limit, uint64_t now_ms,
		    struct log_report *report)
{
	size_t i;

	if (limit->due_ms == UINT64_MAX || now_ms < limit->due_ms)
		return false;
	for (i = 0; i < LOG_LIMIT_KINDS; i++) {
		struct log_kind *k = &limit->kinds[i];

		if (k->suppressed == 0 || k->due_ms > now_ms)
			continue;
		report->suppressed = k->suppressed;
		report->level = k->level;
		memcpy(report->sample, k->sample, sizeof(report->sample));
		k->suppressed = 0;
		limit->due_ms = log_limit_next_due(limit);
		return true;
	}
	return false;
}
