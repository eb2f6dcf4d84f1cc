/* SPDX-License-Identifier: MIT */
/*
 * Fixtures of the Check suites of the core: dispatchers, connected pairs with a
 * plain peer descriptor, a loop with a watchdog, a count of open descriptors. A
 * helper that fails ends the running test: no helper returns an error.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

/* How long support_run_until() and the like wait before the test fails. */
#define SUPPORT_WATCHDOG_MS 10000

/*
 * Runs the suite once with each poller, or only with that of LINED_POLLER if it
 * is set. Returns the exit code of main().
 */
int support_main(Suite *(*make)(void));

/* The same for a suite that has nothing to do with pollers: runs it once. */
int support_main_once(Suite *(*make)(void));

/*
 * A case of the suite in which every test ends with as many descriptors open
 * as it began with, and is ended after 60 s.
 */
TCase *support_case(Suite *suite, const char *name);

/* Checks that a call returns -1 with this errno. */
#define support_fails(call, error)                                             \
	do {                                                                   \
		errno = 0;                                                     \
		ck_assert_int_eq(call, -1);                                    \
		ck_assert_int_eq(errno, error);                                \
	} while (0)

/* How many descriptors this process has open. */
size_t support_fd_count(void);

/* Monotonic milliseconds. */
uint64_t support_now_ms(void);

/* ---- making ---------------------------------------------------------- */

/* A dispatcher with the poller of this run. */
struct lined_dispatcher *support_dispatcher(void);

/* A socket with these handlers, not registered. */
struct lined_socket *support_socket(const struct lined_socket_handlers *h,
				    void *arg);

/* Gives the socket a connected descriptor, and registers it. */
void support_wrap(struct lined_dispatcher *d, struct lined_socket *sock,
		  int fd);

/*
 * A TCP connection over loopback: a registered, connected socket on this side
 * and *peer, a blocking descriptor that the caller closes, on the other.
 */
struct lined_socket *support_pair(struct lined_dispatcher *d,
				  const struct lined_socket_handlers *handlers,
				  void *arg, int *peer);

/* The same with the socket in a group from the beginning. */
struct lined_socket *
support_pair_in_group(struct lined_dispatcher *d,
		      const struct lined_socket_handlers *handlers, void *arg,
		      struct lined_socket_group *group, int *peer);

/* Returns a registered socket that listens on 127.0.0.1, and its port. */
struct lined_socket *
support_listen(struct lined_dispatcher *d,
	       const struct lined_socket_handlers *handlers, void *arg,
	       uint16_t *port);

/* Two plain blocking descriptors, connected over TCP on loopback. */
void support_tcp_fds(int fds[2]);

/* A plain blocking listener on 127.0.0.1, and its port. */
int support_listen_fd(int backlog, uint16_t *port);

/* A plain blocking connection to 127.0.0.1:port. */
int support_connect_fd(uint16_t port);

/* A port of 127.0.0.1 on which nobody listens: it was free just now. */
uint16_t support_refused_port(void);

/* 127.0.0.1:port. */
struct sockaddr_in support_loopback(uint16_t port);

/* ---- running --------------------------------------------------------- */

/* Runs turns until done(arg) is true; fails the test after
 * SUPPORT_WATCHDOG_MS. */
void support_run_until(struct lined_dispatcher *d, bool (*done)(void *arg),
		       void *arg);

/* The same until *flag is true, and until *count is at least n. */
void support_run_until_set(struct lined_dispatcher *d, const bool *flag);
void support_run_until_count(struct lined_dispatcher *d, const unsigned *count,
			     unsigned n);

/* Runs this many turns, which do not wait. */
void support_run_turns(struct lined_dispatcher *d, unsigned turns);

/* Runs turns for at least ms milliseconds. Returns how many. */
unsigned support_run_for(struct lined_dispatcher *d, unsigned ms);

/* ---- the peer's side ------------------------------------------------- */

/* Both write everything to a blocking descriptor. */
void support_write(int fd, const void *data, size_t len);
void support_puts(int fd, const char *text);

/* Waits (not on a dispatcher) until fd is readable. */
void support_wait_readable(int fd);

/* Runs turns until the peer's descriptor has received exactly this text. */
void support_expect(struct lined_dispatcher *d, int fd, const char *text);

/* Runs turns until the peer's descriptor is at its end. Fails if data comes. */
void support_expect_eof(struct lined_dispatcher *d, int fd);

/* Runs turns until the peer's descriptor is at its end or fails (*error is 0 or
 * -errno). Returns how many bytes came. */
size_t support_drain(struct lined_dispatcher *d, int fd, int *error);

/* Closes with a reset (SO_LINGER 0). */
void support_reset(int fd);
