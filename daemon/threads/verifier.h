/* SPDX-License-Identifier: MIT */
/*
 * Verifies the passwords of clients on a thread of its own: crypt(3) is slow on
 * purpose, and would delay the other clients of a worker. The first password
 * starts the thread.
 */
#ifndef VERIFIER_H
#define VERIFIER_H

#include "threads/client_wait.h"
#include "threads/worker.h"

/*
 * lined_service_verify_password(), for a client of the instance on this worker.
 * `waits` is the client's list of waits. Thread: the worker's.
 */
int verifier_verify(struct worker *worker, const struct lined_service *instance,
		    struct lined_socket *client, struct client_wait **waits,
		    const char *password, const char *hash,
		    void (*verified)(struct lined_socket *client, void *arg,
				     bool good),
		    void *arg);

#endif
