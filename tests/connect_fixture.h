/* SPDX-License-Identifier: MIT */
/*
 * A socket that connects, for the suites of connecting: which of its handlers
 * were called, and how the attempt ended.
 */
#pragma once

#include <check.h>
#include <stdint.h>
#include <sys/socket.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

/* One connecting socket, which echoes lines, and the calls of its handlers. */
struct attempt {
	struct lined_socket *sock;
	unsigned connects, closes, reads;
	enum lined_close_reason reason;
	int error;
	enum lined_socket_state state_in_handler;
	void (*on_connect)(struct attempt *attempt);
};

extern const struct lined_socket_handlers attempt_handlers;

/* Each test of a connect_case() begins with a dispatcher, a listener and the
 * memory of an attempt. */
extern struct lined_dispatcher *dispatcher;
extern struct attempt attempt;
extern int listener;
extern uint16_t port;

TCase *connect_case(Suite *suite, const char *name);

/* Frees the dispatcher before the end of the test. */
void free_dispatcher(void);

/* Listens at silent_port until the end of the test, with a full backlog:
 * connection attempts get no answer. */
void silent_listen(void);
extern uint16_t silent_port;

/* ---- an attempt ------------------------------------------------------ */

void attempt_init(struct attempt *a);
void attempt_register(struct attempt *a);

/* Calls attempt_init() and attempt_register(). */
void attempt_open(struct attempt *a);

void attempt_connect(struct attempt *a, const char *host, uint16_t to,
		     uint32_t timeout_ms);
void attempt_connect_to(struct attempt *a, const void *address, socklen_t len,
			uint32_t timeout_ms);

/* Calls attempt_open() and attempt_connect(). */
void attempt_start(struct attempt *a, const char *host, uint16_t to,
		   uint32_t timeout_ms);

/* Runs until the attempt has connected or failed. */
void decide(struct attempt *a);

void assert_connected(const struct attempt *a);

/* The attempt has failed for this reason, and no other callback follows. */
void assert_failed(struct attempt *a, enum lined_close_reason reason,
		   int error);

/* The same, after decide(). */
void assert_connects(struct attempt *a);
void assert_fails(struct attempt *a, enum lined_close_reason reason, int error);

/* Accepts the connection at a listener. The socket must echo what this end
 * sends. */
void assert_echoes(struct attempt *a, int at);
