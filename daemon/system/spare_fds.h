/* SPDX-License-Identifier: MIT */
/*
 * Spare descriptors: if clients use up all others, the daemon can still read
 * its config, open a listener, reset its watchdog, and accept linectl. Main
 * thread.
 */
#pragma once

#include <stdbool.h>

/* Opens missing spare descriptors, as many as the limit allows. */
void spare_fds_hold(void);

/* Closes the spare descriptors, so that the caller can open others and then
 * call spare_fds_hold(). The spare descriptors for the control socket stay
 * open. */
void spare_fds_release(void);

/* Closes a descriptor reserved for the control socket, so that the caller can
 * open another. False: none is left. */
bool spare_fds_lend(void);

/* Opens lent descriptors again, as many as the limit allows; call this before
 * clients are accepted. Makes no system call if none is lent. */
void spare_fds_take_back(void);
