/* SPDX-License-Identifier: MIT */
/*
 * Whose socket a dispatcher is serving, what else it is calling and how often
 * it has been woken: for whoever watches over its thread from another one.
 */
#ifndef SERVING_H
#define SERVING_H

#include <stdint.h>

#include <lined/socket.h>

/*
 * The group of the socket whose handlers run now; NULL: none. The group may be
 * gone already: to be compared, not looked into. MT-safe.
 */
const struct lined_socket_group *
dispatcher_serving(const struct lined_dispatcher *d);

/*
 * The address of the handler of a timer, a message or a delegate that runs
 * now; 0: none. MT-safe.
 */
uintptr_t dispatcher_calling(const struct lined_dispatcher *d);

/* How often other threads' messages and wakes have woken it. MT-safe. */
uint64_t dispatcher_wakeups(const struct lined_dispatcher *d);

#endif
