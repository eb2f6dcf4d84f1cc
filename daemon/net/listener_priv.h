/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the listener only. Main thread.
 */
#ifndef LISTENER_PRIV_H
#define LISTENER_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "net/listener.h"

/* One more open socket, the listener's from now on. There must be room. */
void listener_add(struct listener *listener, int fd, bool datagram);

/*
 * Takes the path of the listener's address, from `inherited` or anew. -1 and
 * why; what was added by then is closed with the listener.
 */
int listener_open_unix(struct listener *listener,
		       const struct listener_mode *mode,
		       const struct inherited *inherited, char *error,
		       size_t size);

/* Unlinks the path, unless somebody has put another socket there meanwhile. */
void listener_remove_path(const struct listener *listener);

#endif
