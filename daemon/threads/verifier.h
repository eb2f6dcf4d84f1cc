/* SPDX-License-Identifier: MIT */
/*
 * Passwords of clients, verified off the loops by one thread, which is made
 * when it is first needed: crypt(3) takes as long as it does on purpose.
 */
#ifndef PASSWORD_H
#define PASSWORD_H

#include <stdbool.h>

#include <lined/service.h>

struct client;

/* A client is gone: it gets no answer. Its worker's thread. */
void password_client_gone(struct client *client);

/* ---- one of password_crypt.c and password_none.c ----------------------- */

/* -1 with errno: EINVAL (no hash that the system knows), ENOSYS. MT-safe. */
int password_check_hash(const char *hash);

/* Whether the password has this hash. Takes its time. MT-safe. */
bool password_matches(const char *password, const char *hash);

#endif
