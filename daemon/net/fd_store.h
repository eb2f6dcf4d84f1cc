/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that outlive the process: the service manager is given a
 * descriptor of each (sd_pid_notify_with_fds(3)) and passes it to the next
 * lined, so that a restart refuses nobody. Decides what is stored and under
 * which name; how it is told is notify.h's. Main thread.
 */
#ifndef FD_STORE_H
#define FD_STORE_H

#include <stddef.h>
#include <sys/socket.h>

struct inherited;
struct listener;

/* Longest name, with its NUL. */
#define FD_STORE_NAME_MAX 256

/*
 * The name of a socket of this type (SOCK_STREAM, SOCK_DGRAM) at this address;
 * that of a UNIX path also tells which file is there. -1: it can have none.
 */
int fd_store_name(const struct sockaddr *address, int type,
		  char name[FD_STORE_NAME_MAX]);

/* An open listener's sockets are to be kept; not those that systemd opened,
 * which it has anyway. */
void fd_store_add(struct listener *listener);

/* They are wanted no more: nobody gets in from now on. Before they close. */
void fd_store_remove(struct listener *listener);

/* The socket that was kept for this address, the caller's now; -1: none. */
int fd_store_take(const struct inherited *inherited,
		  const struct sockaddr *address, int type);

/*
 * Drops what was kept for the same port, for an address that is not this one
 * but in its way (127.0.0.1 and *): no config has both.
 */
void fd_store_drop_rivals(const struct inherited *inherited,
			  const struct sockaddr *address, int type);

/* How many have been taken. */
size_t fd_store_taken(const struct inherited *inherited);
/* Those that nobody wanted go. */
void fd_store_drop(const struct inherited *inherited);

#endif
