/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that outlive the process. The service manager stores a copy
 * of each descriptor (sd_pid_notify_with_fds(3)) and passes it to the next
 * lined, so that a restart refuses no connection. Decides which sockets are
 * stored and under which names; sd_notify.h sends them, inherited_sockets.h
 * receives them. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct inherited;
struct inherited_socket;
struct listener;

/* Longest name, including the NUL. */
#define FD_STORE_NAME_MAX 256

/*
 * The name of a socket of this type (SOCK_STREAM, SOCK_DGRAM) at this address.
 * For a UNIX path the name also contains device and inode of the file. -1: the
 * socket cannot be stored.
 */
int fd_store_name(const struct sockaddr *address, int type,
		  char name[FD_STORE_NAME_MAX]);

/* Stores the sockets of an open listener, except sockets of socket units:
 * systemd keeps these anyway. */
void fd_store_add(struct listener *listener);

/* Removes the listener's sockets from the store. No client can connect to them
 * after this call. Call this before they are closed. */
void fd_store_remove(struct listener *listener);

/* Whether the previous lined stored this inherited socket; false: a socket unit
 * passes it. */
bool fd_store_is_own(const struct inherited_socket *item);

/* Takes the stored socket of this address; the caller then owns the descriptor.
 * -1: none. */
int fd_store_take(const struct inherited *inherited,
		  const struct sockaddr *address, int type);

/* Call this if the address is in use. Drops stored sockets of this type that
 * overlap with the address, as 127.0.0.1 does with *. */
void fd_store_drop_rivals(const struct inherited *inherited,
			  const struct sockaddr *address, int type);

/* The number of stored sockets that were taken. */
size_t fd_store_taken(const struct inherited *inherited);
/* Drops the stored sockets that no service has taken, and removes their paths.
 */
void fd_store_drop(const struct inherited *inherited);
