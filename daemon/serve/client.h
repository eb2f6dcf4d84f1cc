/* SPDX-License-Identifier: MIT */
/*
 * The daemon's data of a client, followed by the protocol's bytes, in memory
 * that the client's socket owns (lined_socket_owner()). A datagram socket has
 * the same data. Thread: the client's worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <lined/service.h>

#include "list.h"
#include "net/admission.h"
#include "serve/client_address.h"
#include "threads/client_pending.h"
#include "threads/worker.h"

struct conf_service;

/* The timeouts that close a client. */
enum timeout {
	TIMEOUT_IDLE,
	TIMEOUT_FIRST_LINE,
	TIMEOUT_LINE,
	TIMEOUT_HANDSHAKE,
	TIMEOUT_SEND_STALL,
	TIMEOUT_PING,
	TIMEOUTS
};

struct client {
	struct list link; /* lined_service.clients, .handshakes, .datagrams */
	uint64_t id;
	union {
		const char
			*listen; /* the listener's text outlives the client */
		struct client_via *via; /* only if peer.proxied */
	};
	struct admission_entry *entry;  /* NULL: not counted */
	struct client_pending *pending; /* entries that end with the client */
	struct client_address peer;     /* for a datagram socket: its own
					 * address */
};

/* The offset of the protocol's bytes after struct client. */
#define CLIENT_DATA_OFFSET                                                     \
	((sizeof(struct client) + _Alignof(max_align_t) - 1) &                 \
	 ~(_Alignof(max_align_t) - 1))

/* A client's place, kept by lined_client_take_place(). */
struct lined_place {
	struct list link; /* lined_service.places */
	struct lined_service *instance;
	struct admission_entry *entry;
	struct client_address peer;
	uint8_t class;
};

#define CLIENT_EARLY_MAX 16

/* Asks the main thread whether to admit a client from this address. */
struct client_ask {
	struct worker_call call;
	struct lined_service *instance;
	struct lined_socket *sock; /* NULL: the socket has closed */
	struct sockaddr_storage address;
	enum admission_verdict verdict;
	struct admission_entry *entry;
	uint8_t class;
	/* Called on the worker; frees the client_ask. */
	void (*answered)(struct worker_call *call);
};

/* A connection that was accepted and counted, before its worker makes the
 * client. */
struct client_arrival {
	int fd;
	uint64_t id;
	const char *listen;
	struct admission_entry *entry;
	uint8_t class; /* conf_class_of() */
	bool datagram; /* a datagram socket, not a client */
	/*
	 * The client needs a handshake before the protocol gets the client.
	 * client_start() begins the handshake. admission_begin_handshake() has
	 * counted it already.
	 */
	bool handshake;
	bool tls; /* the handshake is TLS */
	/* The client's proxy; NULL: none. A successful client_start() takes
	 * ownership of `via`. `address` is the proxy's address if `forwarded`
	 * is set or the PROXY header says LOCAL, otherwise the client's. */
	struct client_via *via;
	/*
	 * For WebSocket. refused: the service is full, and the response must
	 * say so. forwarded: a header field of the request may have the
	 * client's address, so the client is not admitted yet. In both cases
	 * `entry` is NULL. early: the first bytes, read in search of a PROXY
	 * header.
	 */
	bool web, refused, forwarded;
	uint8_t early_len;
	char early[CLIENT_EARLY_MAX];
	struct sockaddr_storage address;
};

/* Makes a client of the instance. -1 and errno: the descriptor was closed, and
 * the caller must undo the counting. */
int client_start(struct lined_service *instance,
		 const struct client_arrival *arrival);

/* The `leaving` and `closed` hooks of an instance's socket group. */
void client_leaving(struct lined_socket *sock);
void client_closed(struct lined_socket *sock, enum lined_close_reason reason,
		   int error);

/* The text of the listener that accepted the client. */
static inline const char *client_listen(const struct client *client)
{
	return client->peer.proxied ? client->via->listen : client->listen;
}

static inline struct client *client_of(struct lined_socket *sock)
{
	return lined_socket_owner(sock);
}

static inline struct lined_socket *client_socket(struct client *client)
{
	return lined_socket_of_owner(client);
}
