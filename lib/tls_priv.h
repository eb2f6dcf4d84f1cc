/* SPDX-License-Identifier: MIT */
/*
 * The declarations that the files of TLS share. Only these include OpenSSL:
 *
 *	transport_tls.c	 the stream: records in and out
 *	tls_handshake.c	 the handshake before it
 *	tls_peer.c	 the description of the peer
 *	tls_session.c	 the session of a socket, below all three
 *	tls_context.c	 contexts, chosen by SNI
 *	tls_files.c	 the files of certificates
 *	tls_certificate.c the names and dates in them
 *	tls_tickets.c	 session tickets
 */
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdatomic.h>

#include "tls.h"

/* ---- tls_files.c --------------------------------------------------------- */

/* Sets up a server's context. warnings: NULL if they were given before. On
 * -1, *problem says why. */
int tls_files_use(const struct tls_files *files, SSL_CTX *ctx, int64_t now_s,
		  struct tls_problem *problem, struct tls_warnings *warnings);
/* The same for a client's context; reads the files. */
int tls_files_use_client(SSL_CTX *ctx,
			 const struct lined_tls_client_settings *settings,
			 struct tls_problem *problem);

/* Removes the errors of OpenSSL. Returns the reason of the last one, or that
 * memory was short. Stores the code of the last one, unless code is NULL. The
 * text is not to be freed. */
const char *tls_take_error(unsigned long *code);

/* ---- tls_certificate.c --------------------------------------------------- */

void tls_problem_set(struct tls_problem *problem, const char *key,
		     const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds a warning, unless there are too many. */
#define tls_warn(warnings, ...)                                                \
	do {                                                                   \
		if ((warnings)->count < TLS_WARNINGS_MAX)                      \
			tls_problem_set(                                       \
				&(warnings)->items[(warnings)->count++],       \
				__VA_ARGS__);                                  \
	} while (0)

/* The type of a name in a certificate is GEN_DNS, GEN_IPADD, GEN_EMAIL, GEN_URI
 * or, for the common name, TLS_COMMON_NAME. */
#define TLS_COMMON_NAME (-1)
typedef int tls_name_taker(void *arg, int type, const ASN1_STRING *name);

/* Calls take() for each name, the common name last, until take() returns
 * another value than 0. Returns that value; 0: take() has had all names. */
int tls_each_name(const X509 *certificate, tls_name_taker *take, void *arg);

/* The seconds from now_s to the time. */
int64_t tls_seconds_to(const ASN1_TIME *time, int64_t now_s);
const char *tls_date(char text[16], int64_t at_s);

/* Warns if a certificate has expired or will soon, is not valid yet, or is not
 * for servers. Returns the end of its validity. */
int64_t tls_check_certificate(X509 *certificate, const char *path,
			      int64_t now_s, struct tls_warnings *warnings);

/* ---- tls_tickets.c ------------------------------------------------------- */

/* The tickets must outlive the context. */
void tls_tickets_use(const struct tls_tickets *tickets, SSL_CTX *ctx);

/* ---- tls_context.c ------------------------------------------------------- */

struct tls_context {
	atomic_uint refs;
	SSL_CTX *ctx;
	struct tls_files *files;
};

/* The contexts of a service; the app_data of an SSL during its handshake. */
struct tls_server {
	unsigned refs; /* the owner's, and one for each handshake */
	size_t count;
	struct tls_context *contexts[];
};

struct lined_tls_client {
	SSL_CTX *ctx;
};
