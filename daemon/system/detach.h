/* SPDX-License-Identifier: MIT */
/*
 * Detaches from the terminal, for init systems that expect it (lined -d). The
 * first process waits for the result of the start, and exits with it.
 */
#pragma once

/*
 * Returns in a grandchild without a terminal, whose directory is "/". The
 * calling process exits with the code of detach_done(), or with 3 if the daemon
 * ends before that. Standard input and output become /dev/null, standard error
 * stays until detach_done(). No other thread may exist yet. -1 and errno.
 */
int detach(void);

/* Passes the exit code to the first process; only the first call has an effect.
 * Without detach() it does nothing. */
void detach_done(int code);
