/* SPDX-License-Identifier: MIT */
/*
 * The trace: what happened, as lines. The last lines are kept, and are printed
 * when an invariant is violated, or after a crash. The daemon's log goes to the
 * trace.
 */
#include "config.h"

#include "world.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"

enum { TRACE_LINES = 64, TRACE_LEN = 200 };

static struct {
	uint64_t seed, hash;
	bool shown, ending;
	unsigned next;
	char lines[TRACE_LINES][TRACE_LEN];
} kept;

static void trace_print(void)
{
	unsigned i;

	for (i = 0; i < TRACE_LINES; i++) {
		const char *line = kept.lines[(kept.next + i) % TRACE_LINES];

		if (line[0] != '\0')
			fprintf(stderr, "  %s\n", line);
	}
}

static void trace_crashed(int number)
{
	signal(number, SIG_DFL);
	if (!kept.ending) {
		kept.ending = true;
		fprintf(stderr, "seed %" PRIu64 ": signal %d\n", kept.seed,
			number);
		if (!kept.shown)
			trace_print();
	}
	raise(number);
}

/* When a sanitizer ends the program, its report does not have the seed: print
 * it here. */
static void trace_exits(void)
{
	if (kept.ending || kept.seed == 0)
		return;
	fprintf(stderr, "the program ended within seed %" PRIu64 "\n",
		kept.seed);
	trace_print();
}

void trace_begin(uint64_t seed, bool shown)
{
	static bool watched;

	if (!watched) {
		watched = true;
		signal(SIGABRT, trace_crashed);
		signal(SIGSEGV, trace_crashed);
		signal(SIGBUS, trace_crashed);
		atexit(trace_exits);
	}
	memset(&kept, 0, sizeof(kept));
	kept.seed = seed;
	kept.hash = 14695981039346656037ull;
	kept.shown = shown;
}

uint64_t trace_hash(void)
{
	return kept.hash;
}

static void trace_add(const char *format, va_list args)
{
	uint64_t us = (world_now_ns() - 1000 * WORLD_SECOND_NS) / 1000;
	char *line = kept.lines[kept.next++ % TRACE_LINES];
	int len =
		snprintf(line, TRACE_LEN, "%" PRIu64 ".%06u #%" PRIu64 " ",
			 us / 1000000, (unsigned)(us % 1000000), world_steps());

	vsnprintf(line + len, TRACE_LEN - (size_t)len, format, args);
	for (; *line != '\0'; line++)
		kept.hash = (kept.hash ^ (unsigned char)*line) * 1099511628211u;
	if (kept.shown)
		puts(kept.lines[(kept.next - 1) % TRACE_LINES]);
}

void trace(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	trace_add(format, args);
	va_end(args);
}

void violated(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fflush(stdout);
	if (!kept.shown) {
		fprintf(stderr, "the last events:\n");
		trace_print();
	}
	fprintf(stderr, "seed %" PRIu64 ": %s\n", kept.seed, text);
	kept.ending = true;
	exit(1);
}

/* ---- the log ------------------------------------------------------------- */

void __wrap_log_msg(enum lined_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void __wrap_log_msg_of(const void *kind, enum lined_log_level level,
		       const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void trace_log(const char *format, va_list args)
{
	char text[TRACE_LEN];

	vsnprintf(text, sizeof(text), format, args);
	trace("log: %s", text);
}

void __wrap_log_msg(enum lined_log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	trace_log(format, args);
	va_end(args);
}

void __wrap_log_msg_of(const void *kind, enum lined_log_level level,
		       const char *format, ...)
{
	va_list args;

	(void)kind, (void)level;
	va_start(args, format);
	trace_log(format, args);
	va_end(args);
}
