/* SPDX-License-Identifier: MIT */
/*
 * The TLS session of a socket: an SSL, and the bytes that wait. All sockets of
 * a dispatcher share one BIO. It gives OpenSSL the bytes of one read, and
 * collects records for one write. Bytes that are left over are kept in the
 * session, so that the BIO is empty when another socket uses it.
 */
#pragma once

#include "socket_priv.h"
#include "tls_priv.h"

#define TLS_RECORD_MAX SSL3_RT_MAX_PLAIN_LENGTH
/* The longest name of a peer, with its NUL. */
#define TLS_NAME_MAX 256

/* The memory that the TLS sockets of a dispatcher share. */
struct tls_io {
	BIO_METHOD *method;
	BIO *bio;
	const unsigned char *in; /* input of the BIO, in_len bytes */
	size_t in_len;
	unsigned char *out; /* output of the BIO */
	size_t out_len, out_room;
	uint64_t turn; /* the last turn with a handshake */
	unsigned handshakes;
	char name[TLS_NAME_MAX]; /* for tls_describe() */
	unsigned char read[READ_SIZE];
	unsigned char plain[TLS_RECORD_MAX];
};

/* Bytes that wait: data[off .. len), NULL if there are none. */
struct tls_rest {
	unsigned char *data;
	size_t off, len;
};

struct tls_session {
	SSL *ssl;             /* client's side: NULL before the handshake */
	struct tls_rest held; /* output that the kernel has not taken */
	struct tls_rest left; /* input that OpenSSL has not taken */
	char *error;          /* the reason of a failure */
	/* These five are for the handshake only: */
	struct tls_server *server; /* NULL: the client's side */
	SSL_CTX *ctx;              /* for the client's side */
	char *name;
	tls_done *done;
	uint32_t timeout_ms;
	/* For the whole session: the bytes charged to the dispatcher. */
	size_t charged;
	/* How many messages besides data the peer caused since messages_at. */
	uint32_t messages, messages_at;
	bool began;    /* the first byte was checked */
	bool end_sent; /* close_notify was sent */
	bool broken;   /* after an error: recv() and send() give EPROTO */
};

static inline struct tls_session *tls_of(const struct lined_socket *sock)
{
	return sock->layered ? sock->layers->tls : NULL;
}

static inline struct tls_io *tls_io(const struct lined_socket *sock)
{
	return sock->dispatcher->transport_memory;
}

static inline bool tls_rest_is_empty(const struct tls_rest *rest)
{
	return rest->data == NULL;
}

/* -1/ENOMEM. */
int tls_rest_append(struct tls_rest *rest, const void *data, size_t len);

/* Gives the socket an SSL on its dispatcher's BIO. -1/ENOMEM. */
int tls_session_begin(struct lined_socket *sock, struct tls_session *tls,
		      SSL_CTX *ctx);
/* Frees the memory that only the handshake needs. */
void tls_session_end_handshake(struct tls_session *tls);
/* Frees the input and output that waits. */
void tls_session_drop_rests(struct lined_socket *sock, struct tls_session *tls);
void tls_session_free(struct lined_socket *sock, struct tls_session *tls);
/* The free() of the transports. */
void tls_free(struct lined_socket *sock);

/* Writes the held output and that of the BIO; holds the rest that the kernel
 * does not take. -1 and errno: the write side has failed and nothing is held.
 * The session is broken then, unless the peer has gone. */
int tls_session_write(struct lined_socket *sock, struct tls_session *tls);

/* Gives the BIO the input that is left, or else the bytes of one read. As
 * recv(2). */
ssize_t tls_session_load(struct lined_socket *sock,
			 const struct tls_session *tls);
/* Keeps the input that OpenSSL has not taken. Without memory the session is
 * broken. */
void tls_session_unload(struct lined_socket *sock, struct tls_session *tls);

/* Breaks the session: nothing more is read or written. Keeps the reason, if
 * there is none yet. */
void tls_session_break(struct tls_session *tls, const char *why);
/* The same for the last error of OpenSSL. Returns its code. */
unsigned long tls_session_fail(struct tls_session *tls);
