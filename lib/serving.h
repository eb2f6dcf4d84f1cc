/* SPDX-License-Identifier: MIT */
/*
 * Whose socket a dispatcher is serving: for whoever watches over its thread
 * from another one.
 */
#ifndef SERVING_H
#define SERVING_H

#include <lined/socket.h>

/*
 * The group of the socket whose handlers run now; NULL: none. The group may be
 * gone already: to be compared, not looked into. MT-safe.
 */
const struct lined_socket_group *
dispatcher_serving(const struct lined_dispatcher *d);

#endif
