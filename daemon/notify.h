/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told (sd_notify(3)), and its watchdog and the
 * sockets it has opened for us (sd_listen_fds(3)): these by libsystemd
 * (notify_systemd.c), or not at all (notify_none.c). Nobody is told where
 * NOTIFY_SOCKET is not set; nobody is waited for. Main thread.
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
void notify_stopping(void);
/* A line for `systemctl status`; printf(3). */
void notify_status(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* How often the watchdog wants to be fed, in milliseconds; 0: not at all. */
uint64_t notify_watchdog_ms(void);
void notify_watchdog(void);

/* ---- inherited sockets ----------------------------------------------- */

struct inherited_socket {
	char *name;
	int fd;
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
