/* SPDX-License-Identifier: MIT */
/*
 * Spare descriptors. If clients use up all others, the daemon can still read
 * its config, open a listener and reset its watchdog, and let linectl in. Main
 * thread.
 */
#pragma once

#include <stdbool.h>

/* Opens the spare descriptors that are missing, as many as the limit allows. */
void spare_fds_hold(void);

/* Closes them, so that the caller can open others; to be followed by
 * spare_fds_hold(). Those to lend stay. */
void spare_fds_release(void);

/* Closes one that is kept for the control socket, for the caller to open
 * another. False: none is left. */
bool spare_fds_lend(void);

/* Replaces what was lent, as far as descriptors are free again; to be called
 * before clients are let in. No system call if all are there. */
void spare_fds_take_back(void);
