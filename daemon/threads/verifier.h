/* SPDX-License-Identifier: MIT */
/*
 * Verifies passwords of clients on a separate thread: crypt(3) is slow on
 * purpose and would delay all clients of a worker. The first password starts
 * the thread.
 */
#pragma once

#include "net/address_hash.h"
#include "threads/client_pending.h"
#include "threads/worker.h"

/*
 * Implements lined_service_verify_password() for a client of the instance on
 * this worker. `pending`: the client's list. key: stands for the client's
 * address or user. The passwords of an address are verified one at a time, in
 * turn with those of other addresses. After a wrong password the address pauses
 * for a second. If this password waited for such a pause, delayed() is called
 * before verified(). Thread: the worker's.
 */
int verifier_verify(struct worker *worker, struct lined_service *instance,
		    struct lined_socket *client,
		    struct client_pending **pending, uint64_t key,
		    const char *password, const char *hash,
		    void (*verified)(struct lined_socket *client, void *arg,
				     bool good),
		    void *arg, void (*delayed)(struct lined_service *instance));
