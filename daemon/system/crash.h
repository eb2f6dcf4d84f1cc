/* SPDX-License-Identifier: MIT */
/*
 * Reports a crash. A fault in a module ends the daemon; one line in the log
 * names the protocol, so that no core dump is needed to find it. The signal
 * then has its usual effect. A module that calls exit(3) is reported in the
 * same way, and the process ends by SIGABRT, which cannot be taken for a clean
 * stop.
 */
#ifndef CRASH_H
#define CRASH_H

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
 * now on. To be called in the process that serves, after detaching. reporter
 * is not copied; NULL: there are no workers. Main thread, whose signal stack is
 * never freed. Errors are ignored: lined runs without reports, too.
 */
void crash_watch(const struct crash_reporter *reporter);

/* The next exit(3) is lined's own. Main thread. */
void crash_watch_end(void);

/* The signal stack of a thread, from its begin to its end. */
struct crash_stack {
	stack_t before;
	void *memory;
};

/* Called by the thread itself, which may have blocked all signals. Between the
 * two its exit(3) is reported as well. */
void crash_thread_begin(struct crash_stack *stack);
void crash_thread_end(struct crash_stack *stack);

/*
 * Says what this thread is about to run that no reporter knows of, for example
 * "protocol x: checking its options"; NULL: it is done. The text must remain
 * valid until the next call.
 */
void crash_doing(const char *what);

#endif
