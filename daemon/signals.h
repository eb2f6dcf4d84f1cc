/* SPDX-License-Identifier: MIT */
/*
 * Signals as events of the main dispatcher: a handler writes the number into a
 * pipe, a delegate reads it. Main thread; one instance a process, since
 * signals are the process's.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <lined/dispatcher.h>

struct signals {
	struct lined_delegate delegate;
	void (*handle)(struct signals *signals, int number);
};

/* Catches SIGTERM, SIGINT, SIGHUP and SIGUSR1, and ignores SIGPIPE. -1 and
 * errno. */
int signals_start(struct signals *signals, struct lined_dispatcher *dispatcher,
		  void (*handle)(struct signals *signals, int number));
void signals_stop(struct signals *signals);

#endif
