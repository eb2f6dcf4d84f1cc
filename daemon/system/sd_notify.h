/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told (sd_notify(3)), and its watchdog and the
 * sockets it has opened for us (sd_listen_fds(3)): these by libsystemd
 * (notify_systemd.c), or not at all (notify_none.c). Nobody is told where
 * NOTIFY_SOCKET is not set. Main thread.
 *
 * A manager that does not read is not waited for: what it does not take is
 * kept, up to a bound, and sent in order by notify_flush().
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether anybody listens. */
bool notify_is_wanted(void);

void notify_ready(void);
/* A reload begins; notify_ready() ends it. */
void notify_reloading(void);
/* The end begins, and may take this long. */
void notify_stopping(uint64_t at_most_ms);
/* A line for `systemctl status`; printf(3). */
void notify_status(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* How often the watchdog wants to be fed, in milliseconds; 0: not at all. */
uint64_t notify_watchdog_ms(void);
/* Not kept where the manager does not take it: late food is none. */
void notify_watchdog(void);

/* Sends what was kept. False: some of it still waits. */
bool notify_flush(void);

/* ---- descriptors that the manager keeps ------------------------------- */

/* Whether it does: FDSTORE in the environment says how many. */
bool notify_can_store(void);

/* Gives it a descriptor to keep over a restart, by this name: printable ASCII
 * without colons, at most 255. Ours stays ours. */
void notify_store(const char *name, int fd);
/* It closes what it has by this name. */
void notify_unstore(const char *name);

/*
 * Where something was unstored since the last call: waits until the manager
 * has closed it, a second at most. Whether it was worth waiting for.
 */
bool notify_settle(void);

/* ---- inherited sockets ----------------------------------------------- */

struct inherited_socket {
	char *name;
	int fd;     /* -1: somebody has taken it for good */
	bool taken; /* from the store, to go on with it */
};

struct inherited {
	struct inherited_socket *items;
	size_t count;
};

/*
 * The sockets that were passed on, by name; the environment that tells of them
 * is removed. Descriptors are close-on-exec and stay open until
 * inherited_free(). NULL: there are none.
 */
struct inherited *inherited_take(void);
void inherited_free(struct inherited *inherited);

#endif
