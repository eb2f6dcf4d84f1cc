/* SPDX-License-Identifier: MIT */
/*
 * A connected socket of a test, and how it ended: which callbacks of its
 * handlers and its group were called, and in which order.
 */
#pragma once

#include <stdbool.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

struct ending {
	struct lined_dispatcher *dispatcher;
	struct lined_socket *sock;
	struct lined_socket_group group;
	int peer;
	unsigned closes, reads, lines, group_closes;
	enum lined_line_status status; /* the last status other than a line */
	enum lined_close_reason reason;
	int error;
	int fd;
	bool answer_the_end;
};

/* The socket of the current test. */
extern struct ending ending;

extern const struct lined_socket_handlers ending_handlers;

/* A handle_close whose arg is a struct ending. */
void ending_close(struct lined_socket *sock, void *arg,
		  enum lined_close_reason reason, int error);

/* Connects the socket. It has no limits but those that the test sets in
 * ending.group. */
void ending_begin(void);

/* Runs until the socket is closed, and a little longer. */
void ending_wait(void);

/* The socket must have ended once, for this reason. */
void ending_finish(enum lined_close_reason reason, int error);
