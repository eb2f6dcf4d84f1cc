/* SPDX-License-Identifier: MIT */
/*
 * The broker that connects the nodes of a cluster: it carries lines from each
 * node to all others, and stores entries, each a key with a value and a
 * revision, in two buckets. Only this interface is used; broker_nats.c speaks
 * to nats-server.
 *
 * A broker connects again and again by itself. It makes no decision about what
 * it carries.
 */
#ifndef BROKER_H
#define BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts are NULL if not set. */
struct broker_settings {
	const char *const *servers; /* nats://HOST:PORT or tls://HOST:PORT */
	size_t server_count;
	const char *name;   /* of this node */
	const char *prefix; /* of subjects and buckets */
	const char *user, *password, *token, *credentials;
	const char *tls_ca, *tls_certificate, *tls_key;
};

/* False: lined was built without a library for a broker. */
bool broker_available(void);

#endif
