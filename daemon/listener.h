/* SPDX-License-Identifier: MIT */
/*
 * A listener: one address of a service, open on one socket or, for `*` and
 * localhost, on two. Opens, hands on to another service, closes and cleans up
 * UNIX paths; who comes is the service's business. Main thread.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <lined/socket.h>

#include "list.h"
#include "listen_address.h"

struct inherited;
struct service;

struct listener {
	struct list link; /* service.listeners */
	struct service *service;
	char *text; /* of the address; clients point to it */
	struct listen_address address;
	/* Those of stream addresses are the sockets', once started. */
	int fds[LISTEN_ENDPOINTS_MAX];
	size_t fd_count;
	bool datagram;
	bool open;
	bool failing;   /* accepting fails, which has been logged */
	bool owns_path; /* unlinks it when it closes */
	struct lined_socket *sockets[LISTEN_ENDPOINTS_MAX];
};

/* How UNIX sockets are made. */
struct listener_mode {
	mode_t mode;
	const char *owner, *group; /* NULL: as they come */
};

/*
 * Opens the address; systemd names are looked up in `inherited`. NULL and why
 * in error ("Address already in use").
 */
struct listener *listener_open(const struct listen_address *address,
			       const struct listener_mode *mode,
			       const struct inherited *inherited, char *error,
			       size_t size);

/*
 * A second listener on the descriptors of one that is open: when that one
 * closes nobody who is waiting to be accepted is lost. NULL and why.
 */
struct listener *listener_dup(struct listener *from, char *error, size_t size);

/* Applies mode and owners to a UNIX path that is open. -1 and why. */
int listener_set_mode(const struct listener *listener,
		      const struct listener_mode *mode, char *error,
		      size_t size);

/* Begins accepting. Datagram descriptors are taken with listener_take_fd().
 * -1 and errno. */
int listener_start(struct listener *listener, struct lined_dispatcher *d,
		   const struct lined_socket_handlers *handlers, void *arg);

/* Another descriptor for the i-th socket, the caller's. -1 and errno. */
int listener_take_fd(struct listener *listener, size_t i);

/* Stops listening; the record stays for its clients. `keep_path` leaves the
 * UNIX path to who took it over. */
void listener_close(struct listener *listener, bool keep_path);
void listener_free(struct listener *listener);

#endif
