/* SPDX-License-Identifier: MIT */
/*
 * What the daemon knows of a client, kept behind its socket
 * (lined_socket_owner()): who it is, whose client it is, and the place it has
 * taken. Belongs to the worker's thread.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <lined/service.h>

#include "list.h"
#include "threads/client_wait.h"

struct admission_entry;

/* An address without what a sockaddr wastes. */
struct client_address {
	unsigned char host[16];
	uint16_t port; /* network order */
	uint16_t family;
	uint32_t scope;
};

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

/*
 * Takes the arrival in, on the instance's thread; the descriptor is closed
 * where that fails, -1 and errno, and the place is to be given back.
 */
int client_start(struct lined_service *service,
		 const struct client_arrival *arrival);

/* The peer's address; of a datagram socket, the sender of the datagram that is
 * being read. */
const char *client_peer(struct lined_socket *sock, char *text, size_t size);

/* "client 42 10.0.0.7:5123", for log lines. */
const char *client_label(struct lined_socket *sock, char *text, size_t size);

/* A line of a client's is about to be read: the tap of the group of clients. */
void client_line_came(struct lined_socket *sock, const struct lined_line *line);

/* The same for sockets that a protocol has opened itself, which are nobody's
 * clients: the tap of own_group; whose they are; with whom they speak. */
void client_opened_line_came(struct lined_socket *sock,
			     const struct lined_line *line);
struct lined_service *client_opened_by(struct lined_socket *sock);
const char *client_opened_peer(struct lined_socket *sock, char *text,
			       size_t size);

/* Of the client: lined_client_data(), lined_client_expect_block(). */
void *client_data(struct client *client);
int client_expect_block(struct lined_socket *sock, size_t len);

struct client *client_of(struct lined_socket *sock);
struct lined_socket *client_socket(struct client *client);
/* Whose group its socket is in. */
struct lined_service *client_service(struct client *client);

#endif
