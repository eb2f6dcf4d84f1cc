/* SPDX-License-Identifier: MIT */
/*
 * The present work of a dispatcher, for another thread that watches it: the
 * group of the socket that it serves, the handler that it calls, the number of
 * its wakeups.
 */
#pragma once

#include <stdint.h>

#include <lined/socket.h>

/*
 * The group of the socket whose handlers run now; NULL: none. The group may
 * have been freed meanwhile: compare the pointer, do not follow it. MT-safe.
 */
const struct lined_socket_group *
dispatcher_serving(const struct lined_dispatcher *d);

/*
 * The address of the handler that runs now, of a timer, a message or a
 * delegate; 0: none. MT-safe.
 */
uintptr_t dispatcher_calling(const struct lined_dispatcher *d);

/* The number of times that other threads have woken the dispatcher, by messages
 * or wakes. MT-safe. */
uint64_t dispatcher_wakeups(const struct lined_dispatcher *d);
