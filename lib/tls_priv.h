/* SPDX-License-Identifier: MIT */
/*
 * What tls_context.c and transport_tls.c share: the contexts as OpenSSL has
 * them. Only these three files include OpenSSL.
 */
#ifndef TLS_PRIV_H
#define TLS_PRIV_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "tls.h"

struct tls_context {
	atomic_uint refs;
	SSL_CTX *ctx;
	struct tls_files *files;           /* NULL: a client's */
	const struct tls_tickets *tickets; /* NULL: a client's */
};

/* Is the app_data of an SSL during the handshake. */
struct tls_server {
	unsigned refs; /* the owner's, and one for each handshake */
	size_t count;
	struct tls_context *contexts[];
};

struct lined_tls_client {
	struct tls_context *context;
};

/* The reason of the last error of OpenSSL, and its code; the error is removed.
 * code may be NULL. Static text. */
const char *tls_take_error(unsigned long *code);

#endif
