/* SPDX-License-Identifier: MIT */
/*
 * A few descriptors kept back, so that a daemon whose clients have taken all
 * the others can still read its config, open a listener and feed its watchdog.
 * Main thread.
 */
#ifndef RESERVE_H
#define RESERVE_H

/* Takes the descriptors that are missing, as far as there are any. */
void reserve_hold(void);

/* Gives them up for what follows; reserve_hold() afterwards. */
void reserve_release(void);

#endif
