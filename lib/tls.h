/* SPDX-License-Identifier: MIT */
/*
 * TLS for the daemon: reads and checks certificates, makes contexts from them,
 * and begins the handshake of a client. lined/tls.h is the part for protocols,
 * tls_priv.h lists the files.
 *
 * Thread: files, contexts and servers may be made on one thread and used on
 * another; then only that other thread may use them. Only the counts of
 * references to files and contexts are MT-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/socket.h>
#include <lined/tls.h>

/* False: built without OpenSSL. Then tls_files_read() fails, and no object
 * exists for the other functions. */
bool tls_available(void);

/* Takes OpenSSL's list of compression methods away and keeps it: at exit
 * libnats frees the list, and OpenSSL would free it again. Thread: one at a
 * time. */
void tls_keep_compressions(void);

/* ---- files --------------------------------------------------------------- */

enum tls_client_cert {
	TLS_CLIENT_CERT_NONE,
	TLS_CLIENT_CERT_OPTIONAL, /* a bad certificate is refused */
	TLS_CLIENT_CERT_REQUIRED,
};

/* Paths of files in PEM format; NULL: none. */
struct tls_settings {
	const char *certificate, *key;
	const char *client_ca, *crl;
	enum tls_client_cert client_cert;
	bool tls_1_3; /* 1.3 only, else 1.2 too */
};

/* The contents of the files of one certificate, checked. Immutable. */
struct tls_files;

#define TLS_PROBLEM_MAX 512

/* An error, or a warning about files that are good otherwise. */
struct tls_problem {
	const char *key; /* "certificate", "key", "client-ca", "crl" */
	char text[TLS_PROBLEM_MAX];
};

#define TLS_WARNINGS_MAX 4

struct tls_warnings {
	struct tls_problem items[TLS_WARNINGS_MAX];
	size_t count;
};

/*
 * Reads the files and checks that they fit together. now_s is UNIX time.
 * Warnings are, among others, that the certificate is not valid at this time,
 * or expires within the next 14 days. NULL: *problem says why. The first
 * reference is the caller's.
 */
struct tls_files *tls_files_read(const struct tls_settings *settings,
				 int64_t now_s, struct tls_problem *problem,
				 struct tls_warnings *warnings);
struct tls_files *tls_files_ref(struct tls_files *files);
void tls_files_unref(struct tls_files *files); /* NULL is fine */

/* Whether both have the same contents and settings. */
bool tls_files_equal(const struct tls_files *a, const struct tls_files *b);

/* Stores in *names the DNS names and addresses of the certificate or, if it has
 * none, its common name. Returns how many. */
size_t tls_files_names(const struct tls_files *files,
		       const char *const **names);
/* The end of the certificate's validity, in seconds since the epoch. */
int64_t tls_files_not_after(const struct tls_files *files);

/* ---- session tickets ----------------------------------------------------- */

/* The keys of session tickets: `now` encrypts new tickets, `now` and `before`
 * decrypt. Contexts with equal keys resume each other's sessions. */
struct tls_tickets {
	struct tls_ticket_key {
		unsigned char name[16], cipher[32], mac[32];
	} now, before;
};

/* Makes a new key `now`; the previous one becomes `before`. The first call sets
 * both to the new key. -1/EIO: no random bytes. */
int tls_tickets_turn(struct tls_tickets *tickets);

/* ---- the server's side --------------------------------------------------- */

struct tls_context;
struct tls_server;

/* The context of a certificate on one thread. The tickets are read in
 * handshakes and must outlive the context. NULL: no memory. */
struct tls_context *tls_context_new(struct tls_files *files,
				    const struct tls_tickets *tickets);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* NULL is fine */

/* The contexts of a service: SNI chooses one; the first is the default. Takes a
 * reference to each. NULL/ENOMEM. */
struct tls_server *tls_server_new(struct tls_context *const *contexts,
				  size_t count);
/* Handshakes that are under way are not affected. NULL is fine. */
void tls_server_free(struct tls_server *server);

/* The index of the certificate for a name, without regard to case; 0 if none
 * fits. For tests. */
size_t tls_server_choose(const struct tls_server *server, const char *name);

/* ---- handshakes ---------------------------------------------------------- */

enum tls_result {
	TLS_OK,
	TLS_PLAINTEXT,   /* the first byte is not that of a handshake */
	TLS_TIMEOUT,     /* the deadline has passed */
	TLS_CERTIFICATE, /* the peer's certificate is not good, or missing */
	TLS_GONE,        /* the peer left, or rejects our certificate */
	TLS_PROTOCOL,    /* any other error */
	TLS_CLOSED,      /* the socket was closed on this side */
	TLS_RESULTS
};

/*
 * Called once, at the handshake's end. With TLS_OK the callback calls
 * tls_established(), or begins the next handshake (transport.h); with any other
 * result the socket closes when the callback returns, and `why` is the reason
 * or "".
 */
typedef void tls_done(struct lined_socket *sock, enum tls_result result,
		      const char *why);

/*
 * Begins the handshake as the server, on a registered socket. The socket must
 * be new and IDLE, or have just ended another handshake, or be CONNECTED
 * (STARTTLS). If it is CONNECTED, queued output is first sent without TLS, and
 * input that was not read is dropped. The socket is CONNECTING until the
 * handshake is over or timeout_ms have passed. If done is NULL,
 * tls_established() is called. -1 and errno as lined_client_start_tls().
 */
int tls_accept(struct lined_socket *sock, struct tls_server *server,
	       uint32_t timeout_ms, tls_done *done);

/* Makes the socket CONNECTED, and calls handle_connect. */
void tls_established(struct lined_socket *sock);

/* As lined_client_tls(), for any socket. */
bool tls_describe(struct lined_socket *sock, struct lined_tls *out);
