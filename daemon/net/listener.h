/* SPDX-License-Identifier: MIT */
/*
 * A listener: one address of a service and its open sockets. Most addresses
 * have one socket, `*` and localhost have two, a systemd name has as many as
 * systemd passes. Opens, closes and hands over listeners; the service accepts.
 * Main thread.
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
	int fd; /* started stream: sock closes it; -1: lost */
	bool datagram;
	struct lined_socket *sock;
	/* The name under which it is stored for the next lined (fd_store.h);
	 * NULL: it is not. */
	char *stored;
};

/* The texts of listeners, each stored once, until listen_texts_fini(). Zeroed:
 * none. */
struct listen_texts {
	void *root;
};

/* The text that is kept. NULL/ENOMEM. */
const char *listen_texts_keep(struct listen_texts *texts, const char *text);
void listen_texts_fini(struct listen_texts *texts);

struct listener {
	struct list link; /* service.listeners */
	struct service *service;
	/* The address as written. Lives as long as the daemon: clients, which
	 * may outlive the listener, point to it. */
	const char *text;
	struct listen_address address;
	struct listener_socket sockets[LISTENER_SOCKETS_MAX];
	size_t count;
	bool open;
	bool failing;               /* accepting fails, which has been logged */
	struct unix_path_file file; /* of a UNIX path; closing unlinks it */
};

/* Holds every text of listener_fd_text() and listener_address_text(). */
#define LISTENER_TEXT_MAX 128

/* "127.0.0.1:7007", or the path of a UNIX socket. Returns text. */
char *listener_fd_text(int fd, char *text, size_t size);

/* The address as written; with a systemd name, also where its first socket is
 * bound: "systemd:echo (127.0.0.1:7007)". */
const char *listener_address_text(const struct listener *listener, char *text,
				  size_t size);

/* Opens the address, whose text outlives the listener, or takes its sockets
 * from `inherited`. `closing` sockets do not prevent that: see endpoint.h. NULL
 * and the reason in error ("Address already in use"). */
struct listener *listener_open(const struct listen_address *address,
			       const struct unix_path_mode *mode,
			       const struct inherited *inherited,
			       const struct closing_fds *closing, char *error,
			       size_t size);

/*
 * A second listener on copies of the descriptors of an open one: when that one
 * closes, no connection in its backlog is lost. NULL and why in error.
 */
struct listener *listener_dup(struct listener *from, char *error, size_t size);

/* Whether clients that connect to the address still reach the listener: neither
 * its path nor a directory of it was removed or replaced. */
bool listener_is_reached(const struct listener *listener);

/* Applies mode and owners to the path of an open listener, if it has one. -1
 * and why. */
int listener_set_mode(struct listener *listener,
		      const struct unix_path_mode *mode, char *error,
		      size_t size);

/* Whether any of its sockets is for datagrams. */
bool listener_has_datagrams(const struct listener *listener);
bool listener_has_streams(const struct listener *listener);

/* Starts to accept on the stream sockets. The owner takes datagram descriptors
 * with listener_take_fd(). -1 and errno. */
int listener_start(struct listener *listener, struct lined_dispatcher *d,
		   const struct lined_socket_handlers *handlers, void *arg);

/* Connections accepted from now on end when bytes sent to them are not
 * acknowledged for a minute, or send_stall_ms if longer. */
void listener_set_send_stall(const struct listener *listener,
			     uint32_t send_stall_ms);

/* A copy of the descriptor of the i-th socket; the caller closes it. -1 and
 * errno. */
int listener_take_fd(struct listener *listener, size_t i);

/* To be called from handle_close of one of its sockets: closes the others too,
 * because an address is open as a whole or not at all. */
void listener_lost(struct listener *listener, const struct lined_socket *sock);

/* Stops listening; the structure stays until its sockets' last event. With
 * `keep`, a second listener (listener_dup()) continues to use the sockets: they
 * stay stored, and a UNIX path is not removed. */
void listener_close(struct listener *listener, bool keep);

/* Whether all its sockets are stored for the next lined. */
bool listener_is_stored(const struct listener *listener);
void listener_free(struct listener *listener);
