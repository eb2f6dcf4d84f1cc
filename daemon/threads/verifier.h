/* SPDX-License-Identifier: MIT */
/*
 * Verifies the passwords of clients on a thread of its own: crypt(3) is slow on
 * purpose, and would delay the other clients of a worker. The first password
 * starts the thread.
 */
#pragma once

#include "net/address_key.h"
#include "threads/client_wait.h"
#include "threads/worker.h"

/*
 * lined_service_verify_password(), for a client of the instance on this worker.
 * `waits` is the client's list of waits, key that of its address or user. An
 * address has one password verified at a time, in turn with the others, and
 * pauses for a second after a wrong one; delayed() is called before verified()
 * if this one had to wait for that. Thread: the worker's.
 */
int verifier_verify(struct worker *worker, struct lined_service *instance,
		    struct lined_socket *client, struct client_wait **waits,
		    const unsigned char key[ADDRESS_KEY_LEN],
		    const char *password, const char *hash,
		    void (*verified)(struct lined_socket *client, void *arg,
				     bool good),
		    void *arg, void (*delayed)(struct lined_service *instance));
