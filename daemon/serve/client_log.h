/* SPDX-License-Identifier: MIT */
/*
 * Logs when clients connect and close. If the config sets `access`, also logs
 * for each closed client an access line, which programs can parse. At level
 * debug, logs each line of a client. Thread: the client's worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/socket.h>
#include <lined/tls.h>

#include "serve/client.h"

/* The peer's address; for a datagram socket, the sender of the datagram being
 * read. Returns text, or a constant if no datagram is being read. */
const char *client_peer(struct lined_socket *sock, char *text, size_t size);
/* Writes the address of the client's proxy to text. NULL: no proxy. */
const char *client_via(struct lined_socket *sock, char *text, size_t size);
/* Implements lined_client_tls(): the connection's TLS, or the TLS between
 * client and proxy. */
bool client_tls(struct lined_socket *sock, struct lined_tls *out);
/* As client_peer(), for a socket that a protocol has opened. */
const char *client_opened_peer(struct lined_socket *sock, char *text,
			       size_t size);

/* Logs that a client or datagram of this service was refused. why: the result
 * of admission_verdict_text(), or "line-rate". MT-safe. */
void client_log_refusal(const char *service, const struct sockaddr *address,
			const char *why);

/* Counts and logs the refusal of a client that is already on its worker. */
void client_refused(struct lined_socket *sock, enum admission_verdict verdict);

void client_log_connected(struct lined_socket *sock);
/* Logs that the client has closed; also the access line, if the config sets
 * `access`. */
void client_log_closed(struct lined_socket *sock,
		       enum lined_close_reason reason, int error);

/* The config key of the timeout: "idle-timeout". */
const char *timeout_key(enum timeout timeout);
/* The timeout that has closed the socket; TIMEOUTS: none. */
enum timeout timeout_missed(const struct lined_socket *sock);

/* The `tap` hooks of an instance's groups, called before a line is handled:
 * client_tap() for lines of clients, client_opened_tap() for lines of sockets
 * that the protocol has opened. */
void client_tap(struct lined_socket *sock, const struct lined_line *line);
void client_opened_tap(struct lined_socket *sock,
		       const struct lined_line *line);
