/* SPDX-License-Identifier: MIT */
/*
 * The daemon's last words. A fault of a module ends the daemon, and whoever
 * looks for the cause afterwards should not need a core dump to know which
 * protocol it was: one line in the log names it. The signal goes on to do what
 * it would have done. So it is with a module that calls exit(3): the process
 * ends by SIGABRT then, which nobody takes for a clean stop.
 */
#ifndef CRASH_H
#define CRASH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct server;

/*
 * From now on SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT and exit(3) are
 * told, once the process is the one that serves: after detaching. The server
 * may still be all zero. Main thread; its own stack for the signals is never
 * given back. A failure is not worth to stop for, and not told.
 */
void crash_watch(const struct server *server);

/* The next exit(3) is lined's own. Main thread. */
void crash_watch_end(void);

/* A stack for the signals of a thread, for as long as it runs; from its
 * beginning the thread's exit(3) is told, too. */
struct crash_stack {
	stack_t before;
	void *memory;
};

/* On the thread itself, which may have blocked all signals. */
void crash_thread_begin(struct crash_stack *stack);
void crash_thread_end(struct crash_stack *stack);

/*
 * What this thread does that no worker's notes say, as "protocol x: checking
 * its options"; NULL: nothing. Must stay until the next call.
 */
void crash_doing(const char *what);

#endif
