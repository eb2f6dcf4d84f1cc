/* SPDX-License-Identifier: MIT */
/*
 * Detaches from the terminal, for init systems that expect this (lined -d). The
 * first process waits for the result of the start, and exits with it.
 */
#pragma once

/*
 * Returns in a grandchild without a terminal, in the directory "/". The calling
 * process exits with the code given to detach_done(), or with 3 if the daemon
 * ends earlier. Standard input and output become /dev/null; standard error
 * stays until detach_done(). No other thread may exist yet. -1 and errno.
 */
int detach(void);

/* Passes the exit code to the first process; only the first call has an effect.
 * Does nothing without detach(). */
void detach_done(int code);
