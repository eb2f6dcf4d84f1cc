/* SPDX-License-Identifier: MIT */
/*
 * A TLS connection for tests: a socket of lib/ at one end of a socket pair, and
 * OpenSSL as the peer at the other end. Also certificates, which each test
 * makes, with EC keys, because they are quick to make.
 */
#pragma once

#include <check.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder.h"
#include "tls.h"

/* ---- certificates -------------------------------------------------------- */

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
	char certificate_path[128], key_path[128];
};

/* The directory of the certificates' files. */
extern char tls_directory[64];

extern struct identity ca, server_id, other_id, client_id, stranger_ca;
extern struct tls_tickets tickets;

/* Makes a certificate for a common name and names, as subjectAltName
 * ("DNS:a.example"); NULL: a CA. issuer NULL: signed by itself. */
void identity_make(struct identity *to, const char *cn, const char *names,
		   const struct identity *issuer, int from_days, int to_days);
void identity_fini(struct identity *identity);

/* The settings that serve this certificate. */
struct tls_settings settings_of(const struct identity *identity);
struct tls_files *files_read(const struct tls_settings *settings);
struct tls_server *server_make(const struct tls_settings *settings,
			       size_t count);

/* ---- the connection ------------------------------------------------------ */

struct tls_connection {
	struct lined_dispatcher *d; /* NULL: not open */
	struct lined_socket *sock;
	struct recorder recorder;
	struct tls_server *server;
	int fd; /* the peer's end; -1: the test has closed it */
	SSL_CTX *ctx;
	SSL *ssl;
};

extern struct tls_connection conn;

/* The handshakes that the socket has reported: their number, and the last
 * result. */
extern struct outcome {
	unsigned count;
	enum tls_result result;
	char why[128];
} outcome;

/* A case of the suite whose tests have certificates, and whose connection is
 * closed after each test. */
TCase *tls_case(Suite *suite, const char *name);

/* Opens the connection with these settings. The handshake does not begin before
 * case_accept(). */
void open_with(const struct tls_settings *settings, size_t count);
void case_accept(uint32_t timeout_ms);

/* Opens the connection with server_id, and begins the handshake. */
void open_case(void);

/* Does nothing if the connection is not open. */
void close_case(void);

/* Runs until the handshake of the peer has ended, and returns its result. */
int peer_shakes(void);

/* The same for a handshake that succeeds on both sides. */
void shake(void);

void peer_writes(const char *text);

/* The peer must receive this text, in any records. */
void peer_expects(const char *text);

/* Reads to the end of the stream. Returns the result of SSL_get_error(). */
int peer_end(void);
