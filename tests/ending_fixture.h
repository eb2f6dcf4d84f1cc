/* SPDX-License-Identifier: MIT */
/*
 * A connected socket of a test, and how it ended: what its handlers and its
 * group were told, and in which order.
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
	enum lined_line_status status; /* the last that was not a line */
	enum lined_close_reason reason;
	int error;
	int fd;
	bool answer_the_end;
};

/* The ending of each test. */
extern struct ending ending;

extern const struct lined_socket_handlers ending_handlers;

/* One of these handlers; arg is a struct ending. */
void ending_close(struct lined_socket *sock, void *arg,
		  enum lined_close_reason reason, int error);

/* Connects the socket; without limits but those the test sets in ending.group.
 */
void ending_begin(void);

/* Runs until it is closed, and a little longer. */
void ending_wait(void);

/* It has ended once, for this reason. */
void ending_finish(enum lined_close_reason reason, int error);
