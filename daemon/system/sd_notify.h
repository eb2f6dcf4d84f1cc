/* SPDX-License-Identifier: MIT */
/*
 * Notices to the service manager in the format of sd_notify(3); nothing is sent
 * without NOTIFY_SOCKET in the environment. Main thread.
 *
 * Only sd_notify_settle() waits for the manager. Notices that the manager does
 * not read are kept, up to a limit, and sent in order by sd_notify_flush().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Whether NOTIFY_SOCKET is set. */
bool sd_notify_is_wanted(void);

void sd_notify_ready(void);
/* A reload begins; sd_notify_ready() ends it. */
void sd_notify_reloading(void);
/* The daemon stops within this time. */
void sd_notify_stopping(uint64_t at_most_ms);
/* Sets the line for `systemctl status`; printf(3) format. */
void sd_notify_status(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* The watchdog's timeout; 0: none, or a build without libsystemd. */
#ifdef HAVE_LIBSYSTEMD
uint64_t sd_notify_watchdog_ms(void);
#else
static inline uint64_t sd_notify_watchdog_ms(void)
{
	return 0;
}
#endif
/* Resets the watchdog. This notice is never kept: sent late, it would hide that
 * the daemon hangs. */
void sd_notify_watchdog(void);

/* Sends the kept notices. False: some are still waiting. */
bool sd_notify_flush(void);

/* ---- descriptors that the manager keeps ------------------------------- */

/* Whether the manager stores descriptors: FDSTORE in the environment is above
 * 0. */
bool sd_notify_can_store(void);

/* Asks the manager to keep a copy of the descriptor over a restart. name:
 * printable ASCII without colons, at most 255 bytes. */
void sd_notify_store(const char *name, int fd);
/* Asks the manager to close its descriptors of this name. */
void sd_notify_unstore(const char *name);

/* Waits, at most one second, until the manager has closed the descriptors
 * unstored since the last call. False: none was unstored, or no barrier could
 * be sent. */
bool sd_notify_settle(void);
