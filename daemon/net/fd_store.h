/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that outlive the process. The service manager stores a copy
 * of each descriptor (sd_pid_notify_with_fds(3)) and passes it to the next
 * lined, so that a restart refuses no connection. Decides what is stored and
 * under which name; sd_notify.h sends it, inherited.h receives it. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct inherited;
struct inherited_socket;
struct listener;

/* Longest name, with its NUL. */
#define FD_STORE_NAME_MAX 256

/*
 * The name of a socket of this type (SOCK_STREAM, SOCK_DGRAM) at this address;
 * that of a UNIX path includes which file is there. -1: it cannot be stored.
 */
int fd_store_name(const struct sockaddr *address, int type,
		  char name[FD_STORE_NAME_MAX]);

/* Stores the sockets of an open listener, but not those of systemd's socket
 * units, which systemd has anyway. */
void fd_store_add(struct listener *listener);

/* Removes them from the store, before they close; no client can connect to them
 * from now on. */
void fd_store_remove(struct listener *listener);

/* Whether an inherited socket is one that the previous lined has stored, not
 * one of a socket unit. */
bool fd_store_is_own(const struct inherited_socket *item);

/* The socket that was stored for this address, the caller's now; -1: none. */
int fd_store_take(const struct inherited *inherited,
		  const struct sockaddr *address, int type);

/* To be called when the address is in use: drops the stored sockets of its
 * type that overlap with it, as 127.0.0.1 does with *. */
void fd_store_drop_rivals(const struct inherited *inherited,
			  const struct sockaddr *address, int type);

/* How many stored sockets were taken. */
size_t fd_store_taken(const struct inherited *inherited);
/* Drops the stored sockets that no service has taken, and their paths. */
void fd_store_drop(const struct inherited *inherited);
