/* SPDX-License-Identifier: MIT */
/*
 * Reports crashes. After a fault in a module one line in the log names the
 * protocol, so that no core dump is needed to find the module; then the signal
 * has its usual effect. A module that calls exit(3) is reported in the same
 * way, and the process ends by SIGABRT, because an exit would look like a clean
 * stop.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#define CRASH_NO_WORKER (-1)

/* A thread and the code that it runs. */
struct crash_thread {
	int worker;           /* the worker's number, or CRASH_NO_WORKER */
	const char *protocol; /* NULL: lined's own code */
	const char *service;  /* NULL: unknown */
};

/*
 * Tells what code the threads run. Both functions may be called in a signal
 * handler, on any thread: they take no lock and allocate nothing.
 */
struct crash_reporter {
	/* Describes the calling thread. */
	void (*this_thread)(const struct crash_reporter *reporter,
			    struct crash_thread *thread);
	/* Describes the thread of worker `at` (0, 1, ...). False: no such
	 * worker with its own thread. */
	bool (*others)(const struct crash_reporter *reporter, size_t at,
		       struct crash_thread *thread);
};

/*
 * Starts reporting SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT and
 * exit(3). Call this on the main thread, after detaching; the thread's signal
 * stack is never freed. reporter is not copied; NULL: no workers. Errors are
 * ignored: lined then runs without reports.
 */
void crash_watch(const struct crash_reporter *reporter);

/* Stops reporting exit(3). Call this before lined itself exits, on the main
 * thread. */
void crash_watch_end(void);

/* The signal stack of a thread. */
struct crash_stack {
	stack_t before;
	void *memory;
};

/* Called by the thread itself. Between the two calls, faults and exit(3) on
 * this thread are reported, even if it blocks all signals. */
void crash_thread_begin(struct crash_stack *stack);
void crash_thread_end(struct crash_stack *stack);

/* Says what this thread does, such as "protocol x, checking its options", where
 * the reporter cannot know it. NULL: the thread does this no more. The text
 * must stay valid until the next call. */
void crash_doing(const char *what);
