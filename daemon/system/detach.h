/* SPDX-License-Identifier: MIT */
/*
 * Detaching for inits that expect it (lined -d). The process that was started
 * waits until the daemon says how its start went, and exits with that.
 */
#ifndef DETACH_H
#define DETACH_H

/*
 * Goes on in a child of init without a terminal; its caller's process ends
 * with the code of detach_done(), or 3 when the daemon dies before. Standard
 * input and output become /dev/null, standard error stays until detach_done().
 * No thread may exist yet. -1 and errno.
 */
int detach(void);

/* Tells the code; the first call counts. Does nothing where detach() did not
 * happen. */
void detach_done(int code);

#endif
