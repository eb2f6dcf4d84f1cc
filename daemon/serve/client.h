/* SPDX-License-Identifier: MIT */
/*
 * What the daemon knows of a client, in the memory that its socket owns
 * (lined_socket_owner()), with the protocol's own bytes behind. The same for a
 * datagram socket. Thread: the client's worker.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <lined/service.h>

#include "list.h"
#include "serve/client_address.h"
#include "threads/client_wait.h"

struct admission_entry;

struct client {
	struct list link; /* lined_service.clients or .datagrams */
	uint64_t id;
	const char *listen; /* the listener's text, which outlives it */
	struct admission_entry *entry;
	struct client_wait *waits;  /* its names are among them */
	struct client_address peer; /* of a datagram socket: its own address */
};

/* A client that was accepted and counted, on its way to its worker. */
struct client_arrival {
	int fd;
	uint64_t id;
	const char *listen;
	struct admission_entry *entry;
	bool datagram; /* a datagram socket, not a client */
	struct sockaddr_storage address;
};

/* Makes a client of the instance. -1 and errno: the descriptor was closed, and
 * the caller takes back what was counted. */
int client_start(struct lined_service *instance,
		 const struct client_arrival *arrival);

/* The `closed` hook of an instance's group. */
void client_closed(struct lined_socket *sock, enum lined_close_reason reason,
		   int error);

/* lined_client_data(). */
void *client_data(struct lined_socket *sock);

static inline struct client *client_of(struct lined_socket *sock)
{
	return lined_socket_owner(sock);
}

static inline struct lined_socket *client_socket(struct client *client)
{
	return lined_socket_of_owner(client);
}

#endif
