/* SPDX-License-Identifier: MIT */
/*
 * A listener: one address of a service and its open sockets. Most addresses
 * have one socket, `*` and localhost have two, a systemd name has as many as
 * systemd passes. Opens, closes and hands over listeners; accepting is the
 * service's part. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/socket.h>

#include "list.h"
#include "net/listen_address.h"
#include "net/unix_path.h"

struct inherited;
struct closing_fds;
struct service;

#define LISTENER_SOCKETS_MAX 16
#define LISTENER_BACKLOG     4096

struct listener_socket {
	int fd; /* -1: closed; sock, if set, owns the descriptor */
	bool datagram;
	struct lined_socket *sock;
	/* The socket's name in the service manager's store
	 * (systemd_fd_store.h); NULL: not stored. */
	char *stored;
};

/* A set of the texts of listeners, kept until listen_texts_fini(). All zero:
 * empty. */
struct listen_texts {
	void *root;
};

/* Returns the kept copy of the text. NULL/ENOMEM. */
const char *listen_texts_keep(struct listen_texts *texts, const char *text);
void listen_texts_fini(struct listen_texts *texts);

struct listener {
	struct list link; /* service.listeners */
	struct service *service;
	/* The address as written. Kept until the daemon ends: clients point to
	 * the text and may outlive the listener. */
	const char *text;
	struct listen_address address;
	struct listener_socket sockets[LISTENER_SOCKETS_MAX];
	size_t count;
	bool open;
	bool failing;               /* the failure to accept has been logged */
	struct unix_path_file file; /* a UNIX path's file */
};

/* Room for every text of listener_fd_text(). A longer text of
 * listener_address_text() is cut. */
#define LISTENER_TEXT_MAX 128

/* Writes "127.0.0.1:7007", or the path of a UNIX socket. Returns text. */
char *listener_fd_text(int fd, char *text, size_t size);

/* The address as written; for a systemd name also the address of its first
 * socket: "systemd:echo (127.0.0.1:7007)". */
const char *listener_address_text(const struct listener *listener, char *text,
				  size_t size);

/* Opens the address, or takes its sockets from `inherited`. The address's text
 * must outlive the listener. Sockets in `closing` may occupy the address: see
 * inet_socket.h. NULL and the reason in error ("Address already in use"). */
struct listener *listener_open(const struct listen_address *address,
			       const struct unix_path_mode *mode,
			       const struct inherited *inherited,
			       const struct closing_fds *closing, char *error,
			       size_t size);

/*
 * Makes a second listener with copies of an open listener's descriptors: when
 * the first listener is closed, no connection in the backlog is lost. NULL and
 * why in error.
 */
struct listener *listener_dup(struct listener *from, char *error, size_t size);

/* Whether clients that connect to the address still reach this listener. False:
 * the path, or a directory of the path, was removed or replaced. */
bool listener_is_reached(const struct listener *listener);

/* Applies mode and owners to an open listener's path, if it has one. -1 and
 * why in error. */
int listener_set_mode(struct listener *listener,
		      const struct unix_path_mode *mode, char *error,
		      size_t size);

/* Whether any of the listener's sockets is for datagrams. */
bool listener_has_datagrams(const struct listener *listener);
bool listener_has_streams(const struct listener *listener);

/* Starts accepting on the stream sockets. For datagrams the caller uses
 * listener_take_fd(). -1 and errno. */
int listener_start(struct listener *listener, struct lined_dispatcher *d,
		   const struct lined_socket_handlers *handlers, void *arg);

/* Sets TCP_USER_TIMEOUT for connections accepted from now on: a connection ends
 * when sent bytes are not acknowledged for a minute, or for send_stall_ms if
 * that is longer. send_stall_ms 0: the kernel's timeout, about 15 minutes. */
void listener_set_send_stall(const struct listener *listener,
			     uint32_t send_stall_ms);

/* A copy of the descriptor of the i-th socket; the caller closes it. -1 and
 * errno. */
int listener_take_fd(struct listener *listener, size_t i);

/* Call this in handle_close of one of the listener's sockets. Closes the other
 * sockets: an address is open as a whole or not at all. */
void listener_lost(struct listener *listener, const struct lined_socket *sock);

/* Stops listening; the struct must stay until its sockets' last event. With
 * `keep`, a second listener (listener_dup()) or the next lined continues to use
 * the sockets: they stay stored, and a UNIX path is not removed. */
void listener_close(struct listener *listener, bool keep);

/* Whether all the listener's sockets are stored for the next lined. */
bool listener_is_stored(const struct listener *listener);
void listener_free(struct listener *listener);
