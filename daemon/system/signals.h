/* SPDX-License-Identifier: MIT */
/*
 * Signals as events of the main dispatcher: by signalfd(2) where the system
 * has it (signals_signalfd.c), by a handler that writes into a pipe elsewhere
 * (signals_pipe.c). Main thread, before other threads exist that do not block
 * them; one instance a process, since signals are the process's.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <lined/dispatcher.h>

struct signals {
	struct lined_delegate delegate;
	void (*handle)(struct signals *signals, int number);
};

/* Until signals_start SIGHUP and SIGUSR1 wait: they would end a process that is
 * only about to begin. SIGTERM and SIGINT do end it. */
void signals_hold(void);
/* Catches SIGTERM, SIGINT, SIGHUP and SIGUSR1, and ignores SIGPIPE. -1 and
 * errno. */
int signals_start(struct signals *signals, struct lined_dispatcher *dispatcher,
		  void (*handle)(struct signals *signals, int number));
/* What comes from now on waits for the process's end. */
void signals_stop(struct signals *signals);

#endif
