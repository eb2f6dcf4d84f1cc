/* SPDX-License-Identifier: MIT */
/*
 * Signals as events of the main dispatcher: by signalfd(2) where the system
 * has it (signals_signalfd.c), by a handler that writes into a pipe elsewhere
 * (signals_pipe.c). One instance in a process. Main thread, before other
 * threads exist that do not block these signals.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <lined/dispatcher.h>

struct signals {
	struct lined_delegate delegate;
	void (*handle)(struct signals *signals, int number);
};

/* Blocks SIGHUP and SIGUSR1 until signals_start(): by default they would end
 * the process during its start. SIGTERM and SIGINT do end it. */
void signals_hold(void);
/* Catches SIGTERM, SIGINT, SIGHUP and SIGUSR1, and ignores SIGPIPE. -1 and
 * errno. */
int signals_start(struct signals *signals, struct lined_dispatcher *dispatcher,
		  void (*handle)(struct signals *signals, int number));
/* Signals are no longer handled, nor do they end the process. */
void signals_stop(struct signals *signals);

#endif
