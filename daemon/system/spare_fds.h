/* SPDX-License-Identifier: MIT */
/*
 * Spare descriptors, so that a daemon whose clients have taken all others can
 * still read its config, open a listener and reset its watchdog. Main thread.
 */
#ifndef SPARE_FDS_H
#define SPARE_FDS_H

/* Opens the descriptors that are missing, as far as the system has any. */
void spare_fds_hold(void);

/* Closes them for what the caller opens next; spare_fds_hold() afterwards. */
void spare_fds_release(void);

#endif
