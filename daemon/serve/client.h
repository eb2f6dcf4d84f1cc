/* SPDX-License-Identifier: MIT */
/*
 * The daemon's data of a client, followed by the protocol's bytes. The client's
 * socket owns this memory (lined_socket_owner()). A datagram socket has the
 * same data. Thread: the client's worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <lined/service.h>

#include "list.h"
#include "net/admission.h"
#include "serve/client_address.h"
#include "serve/client_timeout.h"
#include "threads/client_wait.h"
#include "threads/worker.h"

struct conf_service;

struct client {
	struct list link; /* lined_service.clients, .handshakes, .datagrams */
	uint64_t id;
	union {
		const char
			*listen; /* the listener's text outlives the client */
		struct client_via *via; /* if peer.proxied; client_listen() */
	};
	struct admission_entry *entry; /* NULL: it is no longer counted */
	struct client_wait *waits;     /* open ones, and names it owns */
	struct client_address peer;    /* datagram socket: its own address */
};

#define CLIENT_EARLY_MAX 16

/* Asks the main thread whether a client of this address may come in. */
struct client_ask {
	struct worker_call call;
	struct lined_service *instance;
	struct lined_socket *sock; /* NULL: it has closed meanwhile */
	struct sockaddr_storage address;
	enum admission_verdict verdict;
	struct admission_entry *entry;
	uint8_t class;
	void (*answered)(struct client_ask *ask); /* on the worker; frees it */
};

/* A client that was accepted and counted, to be started on its worker. */
struct client_arrival {
	int fd;
	uint64_t id;
	const char *listen;
	struct admission_entry *entry;
	uint8_t class; /* conf_class_of() */
	bool datagram; /* a datagram socket, not a client */
	/*
	 * The protocol sees the client after a handshake, which
	 * admission_begin_handshake() has counted. client_start() begins it,
	 * and the instance ends the count.
	 */
	bool handshake;
	bool tls; /* a handshake of TLS */
	/* The client's proxy; NULL: none (`address` is not the proxy's). The
	 * client takes it over. */
	struct client_via *via;
	/*
	 * For WebSocket. `refused`: the service is full, which the response is
	 * to say. `forwarded`: a field of the request has the client's address;
	 * it is not admitted yet. Neither has an entry. early: the first bytes,
	 * which were taken for a PROXY header.
	 */
	bool web, refused, forwarded;
	uint8_t early_len;
	char early[CLIENT_EARLY_MAX];
	struct sockaddr_storage address;
};

/* Makes a client of the instance. -1 and errno: the descriptor was closed; the
 * caller must decrease the counts of clients again. */
int client_start(struct lined_service *instance,
		 const struct client_arrival *arrival);

/* The hooks `leaving` and `closed` of an instance's group. */
void client_leaving(struct lined_socket *sock);
void client_closed(struct lined_socket *sock, enum lined_close_reason reason,
		   int error);

/* The instance has a new config with other classes. */
void client_classes_changed(struct lined_service *instance,
			    const struct conf_service *before);

/* lined_client_take_place(), lined_place_return(). */
struct lined_place *client_take_place(struct lined_socket *sock);
void client_return_place(struct lined_place *place);

/* lined_client_data(). */
void *client_data(struct lined_socket *sock);

/* lined_client_timer(). */
int client_timer_start(struct lined_socket *sock, uint64_t delay_ms,
		       void (*expired)(struct lined_socket *client));

/* The text of the listener. */
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
