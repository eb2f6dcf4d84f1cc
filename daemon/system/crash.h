/* SPDX-License-Identifier: MIT */
/*
 * Reports a crash. A fault in a module ends the daemon; one line in the log
 * names the protocol, so that no core dump is needed to find the module. Then
 * the signal has its usual effect. A module that calls exit(3) is reported in
 * the same way, and the process ends by SIGABRT: an exit would look like a
 * clean stop.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#define CRASH_NO_WORKER (-1)

/* A thread and the code that it runs. */
struct crash_thread {
	int worker;           /* its number, or CRASH_NO_WORKER */
	const char *protocol; /* NULL: lined's own code */
	const char *service;  /* NULL: not known */
};

/*
 * Finds out what threads are running. Both functions may be called in a signal
 * handler, on any thread: they take no lock and allocate nothing.
 */
struct crash_reporter {
	/* Describes the calling thread. */
	void (*this_thread)(const struct crash_reporter *reporter,
			    struct crash_thread *thread);
	/* Describes the thread of the worker `at`, from 0 up. False: there are
	 * no more workers with a thread of their own. */
	bool (*others)(const struct crash_reporter *reporter, size_t at,
		       struct crash_thread *thread);
};

/*
 * Reports SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT and exit(3) from
 * now on. To be called on the main thread of the process that serves, after
 * detaching; its signal stack is never freed. reporter is not copied; NULL:
 * there are no workers. Errors are ignored: lined then runs without reports.
 */
void crash_watch(const struct crash_reporter *reporter);

/* From now on exit(3) is not reported. To be called before lined itself exits,
 * on the main thread. */
void crash_watch_end(void);

/* The signal stack of a thread, from its begin to its end. */
struct crash_stack {
	stack_t before;
	void *memory;
};

/* To be called by the thread itself. Between the two calls, faults and exit(3)
 * on this thread are reported, even if it blocks all signals. */
void crash_thread_begin(struct crash_stack *stack);
void crash_thread_end(struct crash_stack *stack);

/* Notes what this thread is about to run, if no reporter can know it, for
 * example "protocol x, checking its options"; NULL: it has ended. The text must
 * remain valid until the next call. */
void crash_doing(const char *what);
