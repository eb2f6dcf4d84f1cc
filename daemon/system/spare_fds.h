/* SPDX-License-Identifier: MIT */
/*
 * Spare descriptors. If clients use up all others, the daemon can still read
 * its config, open a listener and reset its watchdog. Main thread.
 */
#pragma once

/* Opens the spare descriptors that are missing, as many as the limit allows. */
void spare_fds_hold(void);

/* Closes them, so that the caller can open others; to be followed by
 * spare_fds_hold(). */
void spare_fds_release(void);
