/* SPDX-License-Identifier: MIT */
/*
 * Detaching, for init systems that expect it (lined -d). The process that was
 * started waits for the result of the daemon's start, and exits with it.
 */
#ifndef DETACH_H
#define DETACH_H

/*
 * Returns in a child of init without a terminal; the calling process exits with
 * the code of detach_done(), or with 3 if the daemon dies before. Standard
 * input and output become /dev/null, standard error stays until detach_done().
 * No other thread may exist yet. -1 and errno.
 */
int detach(void);

/* Gives the exit code to the process that was started; only the first call
 * counts. Does nothing without detach(). */
void detach_done(int code);

#endif
