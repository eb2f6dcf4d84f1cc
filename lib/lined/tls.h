/* SPDX-License-Identifier: MIT */
/*
 * TLS, for protocols: the description of a client's TLS, STARTTLS, and TLS for
 * the connections that a protocol opens itself.
 *
 * A client that connected to a tls:// address has finished its handshake before
 * the protocol sees it, and is used like any other client.
 *
 * Thread: the socket's.
 */
#ifndef LINED_TLS_H
#define LINED_TLS_H

#include <lined/api.h>

#include <stdbool.h>
#include <stddef.h>

LINED_BEGIN_DECLS

struct lined_socket;

/* ---- clients ------------------------------------------------------------ */

struct lined_tls {
	const char *version;     /* "TLSv1.3" */
	const char *cipher;      /* "TLS_AES_256_GCM_SHA384" */
	const char *server_name; /* by SNI; "" if there was none */
	/* The name in the verified certificate: the first DNS, e-mail or URI
	 * name in it, else its common name. "": no such name, or no verified
	 * certificate. Bytes of the client: escape them before you show them.
	 */
	const char *name;
	unsigned char sha256[32]; /* of the certificate; zeroed: none */
	bool verified;            /* the peer has a good certificate */
};

/*
 * Describes the TLS of a connected socket. The texts are valid until the
 * handler returns or calls this function again. False: no TLS, or its handshake
 * is not over; *out is zeroed.
 */
LINED_API bool lined_client_tls(struct lined_socket *client,
				struct lined_tls *out);

/*
 * STARTTLS: begins the handshake with a client. Queued output is sent without
 * TLS first, input that was not read is dropped, and later sends use TLS.
 * handle_connect is called when the handshake is over, or handle_close if it
 * has failed. -1 and errno: EINVAL if the service has no `tls` or the client is
 * a datagram socket, EALREADY if it has TLS already, EPIPE if the connection is
 * ending, ENOMEM.
 */
LINED_API int lined_client_start_tls(struct lined_socket *client);

/* ---- connections that a protocol opens ----------------------------------- */

struct lined_tls_client;

/* Files in PEM format; NULL: none. */
struct lined_tls_client_settings {
	const char *ca;          /* NULL: the CAs of the system */
	const char *certificate; /* with its chain; needs key */
	const char *key;
	bool insecure; /* accept any certificate of the server */
};

/* Reads and checks the files, and makes what lined_socket_use_tls() needs. If
 * that fails, returns NULL and writes to `error` the key of the settings and
 * the reason, such as "ca: /x.pem: No such file or directory". */
LINED_API struct lined_tls_client *
lined_tls_client_new(const struct lined_tls_client_settings *settings,
		     char *error, size_t size);

/* Frees what lined_tls_client_new() has made. Sockets that use it are not
 * affected. NULL is allowed. */
LINED_API void lined_tls_client_free(struct lined_tls_client *client);

/*
 * Makes the socket speak TLS once it is connected; to be called before
 * lined_socket_connect(). The server's certificate must be for `name`, a host
 * or an address; the name is copied. handle_connect is called after the
 * handshake, which may take timeout_ms (0: 10 s). -1 and errno: EISCONN if the
 * socket is in use, ENOMEM.
 */
LINED_API int lined_socket_use_tls(struct lined_socket *sock,
				   struct lined_tls_client *client,
				   const char *name, unsigned timeout_ms);

/* In handle_close: why the handshake or TLS itself has failed ("certificate
 * verify failed: certificate has expired"); "": TLS has not failed. */
LINED_API const char *lined_socket_tls_error(const struct lined_socket *sock);

LINED_END_DECLS

#endif
