/* SPDX-License-Identifier: MIT */
/*
 * Signals as events of the main dispatcher. A second SIGTERM or SIGINT ends the
 * process within two seconds, even if a module hangs on the main thread. One
 * instance in a process. Main thread; other threads must block these signals or
 * start later.
 */
#pragma once

#include <lined/dispatcher.h>

struct signals {
	struct lined_delegate delegate;
	void (*handle)(struct signals *signals, int number);
};

/* Blocks SIGHUP, SIGUSR1 and SIGALRM until signals_start(): by default they
 * would end the process during its start. SIGTERM and SIGINT still end it. */
void signals_hold(void);
/* Catches SIGTERM, SIGINT, SIGHUP and SIGUSR1, and ignores SIGPIPE. -1 and
 * errno. */
int signals_start(struct signals *signals, struct lined_dispatcher *dispatcher,
		  void (*handle)(struct signals *signals, int number));
/* Stops handling signals; they are ignored from then on. */
void signals_stop(struct signals *signals);
