/* SPDX-License-Identifier: MIT */
/*
 * A listener: one address of a service, open on one socket; for `*` and
 * localhost on two, for a name of systemd's on as many as it was given. Opens,
 * hands on to another service and closes; who comes is
 * the service's business. Main thread.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include <lined/socket.h>

#include "list.h"
#include "net/listen_address.h"
#include "net/unix_path.h"

struct inherited;
struct leavers;
struct service;

#define LISTENER_SOCKETS_MAX 16
#define LISTENER_BACKLOG     4096

struct listener_socket {
	int fd; /* of a stream the socket's, once started; -1: lost */
	bool datagram;
	struct lined_socket *sock;
	/* The name by which it is kept over a restart (fd_store.h); NULL: it
	 * is not. */
	char *stored;
};

struct listener {
	struct list link; /* service.listeners */
	struct service *service;
	char *text; /* of the address; clients point to it */
	struct listen_address address;
	struct listener_socket sockets[LISTENER_SOCKETS_MAX];
	size_t count;
	bool open;
	bool failing;               /* accepting fails, which has been logged */
	struct unix_path_file file; /* of a UNIX path; closing unlinks it */
};

/*
 * Opens the address, or takes it from `inherited`: what the lined before has
 * left open, and systemd names; where it is taken, beside the leavers. NULL and
 * why in error ("Address already in use").
 */
struct listener *listener_open(const struct listen_address *address,
			       const struct unix_path_mode *mode,
			       const struct inherited *inherited,
			       const struct leavers *leavers, char *error,
			       size_t size);

/*
 * A second listener on the descriptors of one that is open: when that one
 * closes nobody who is waiting to be accepted is lost. NULL and why.
 */
struct listener *listener_dup(struct listener *from, char *error, size_t size);

/* Applies mode and owners to the path of an open listener, if it has one. -1
 * and why. */
int listener_set_mode(const struct listener *listener,
		      const struct unix_path_mode *mode, char *error,
		      size_t size);

/* Whether any of its sockets is for datagrams. */
bool listener_has_datagrams(const struct listener *listener);
bool listener_has_streams(const struct listener *listener);

/* Begins accepting. Datagram descriptors are taken with listener_take_fd().
 * -1 and errno. */
int listener_start(struct listener *listener, struct lined_dispatcher *d,
		   const struct lined_socket_handlers *handlers, void *arg);

/* Another descriptor for the i-th socket, the caller's. -1 and errno. */
int listener_take_fd(struct listener *listener, size_t i);

/* The system has closed one of its sockets: an address that is not all there is
 * not kept. To be told from handle_close. */
void listener_lost(struct listener *listener, const struct lined_socket *sock);

/* Stops listening; the record stays for its clients. `keep` leaves the socket
 * and its UNIX path to who took it over. */
void listener_close(struct listener *listener, bool keep);

/* Whether the next lined will go on with its sockets. */
bool listener_is_stored(const struct listener *listener);
void listener_free(struct listener *listener);

#endif
