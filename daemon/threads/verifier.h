/* SPDX-License-Identifier: MIT */
/*
 * Passwords of clients, verified off the loops by one thread, which is made
 * when it is first needed: crypt(3) takes as long as it does on purpose.
 */
#ifndef PASSWORD_H
#define PASSWORD_H

#include <lined/service.h>

struct client;

/* A client is gone: it gets no answer. Its worker's thread. */
void password_client_gone(struct client *client);

#endif
