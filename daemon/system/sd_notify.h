/* SPDX-License-Identifier: MIT */
/*
 * Notices to the service manager, as sd_notify(3) defines them; without
 * NOTIFY_SOCKET in the environment none is sent. Main thread.
 *
 * No call waits for the manager, except sd_notify_settle(): notices that it
 * does not read are kept, up to a bound, and sent in order by
 * sd_notify_flush().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Whether there is a service manager to notify. */
bool sd_notify_is_wanted(void);

void sd_notify_ready(void);
/* A reload begins; sd_notify_ready() ends it. */
void sd_notify_reloading(void);
/* The daemon ends, within this time. */
void sd_notify_stopping(uint64_t at_most_ms);
/* A line for `systemctl status`; printf(3). */
void sd_notify_status(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* The watchdog's timeout; 0: there is none, or this build has no libsystemd. */
#ifdef HAVE_LIBSYSTEMD
uint64_t sd_notify_watchdog_ms(void);
#else
static inline uint64_t sd_notify_watchdog_ms(void)
{
	return 0;
}
#endif
/* Resets the watchdog. The notice is not kept if the manager does not read:
 * sent late, it would hide that the daemon hangs. */
void sd_notify_watchdog(void);

/* Sends the notices that were kept. False: some still wait. */
bool sd_notify_flush(void);

/* ---- descriptors that the manager keeps ------------------------------- */

/* Whether the manager stores descriptors: FDSTORE in the environment is the
 * maximum. */
bool sd_notify_can_store(void);

/* Asks the manager to keep a copy of the descriptor over a restart. name:
 * printable ASCII without colons, at most 255 bytes. */
void sd_notify_store(const char *name, int fd);
/* Asks the manager to close the descriptors of this name. */
void sd_notify_unstore(const char *name);

/* Waits, at most one second, until the manager has closed what was unstored
 * after the last call. False: nothing was unstored, or no barrier could be
 * sent. */
bool sd_notify_settle(void);
