/* SPDX-License-Identifier: MIT */
/*
 * A connection to the control socket of a daemon: sends requests, one at a
 * time, and hands on the records that answer them. Shows nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/dispatcher.h>

#include "linectl/answer_record.h"

struct control_socket;

/* How a request ended. */
enum answer_end {
	ANSWER_OK,
	ANSWER_REFUSED, /* the daemon refuses it; text is the reason */
	ANSWER_BROKEN,  /* the connection is lost, with the reason */
};

struct answer_handlers {
	/* A record of the answer. It is freed after the call, unless the
	 * handler has moved it elsewhere and zeroed *record. */
	void (*record)(void *arg, struct record *record);
	/* The last call. text is "" for ANSWER_OK, else the daemon's text,
	 * which is not escaped: print it by error_print() or utf8_shown(). */
	void (*ended)(void *arg, enum answer_end end, const char *text);
	bool endless; /* records are not kept: there may be any number */
};

/*
 * Connects, and waits until that is done. NULL: *error, which the caller frees,
 * says what is wrong and what to do.
 */
struct control_socket *control_socket_open(const char *path, char **error);
void control_socket_close(struct control_socket *control);

/* Connects again after ANSWER_BROKEN. -1: the daemon is not there yet. */
int control_socket_reopen(struct control_socket *control);

struct lined_dispatcher *
control_socket_dispatcher(struct control_socket *control);

/*
 * Sends a request: a line with its LF, and bytes that follow it. ended() is
 * called later, once; with ANSWER_BROKEN if timeout_ms (0: no limit) pass
 * without a record.
 */
void control_socket_ask(struct control_socket *control, const char *request,
			size_t len, unsigned timeout_ms,
			const struct answer_handlers *handlers, void *arg);

/* Sends more bytes while a request is being answered. */
void control_socket_send(struct control_socket *control, const char *bytes,
			 size_t len);

/* One turn of at most timeout_ms; false: no request is being answered. */
bool control_socket_poll(struct control_socket *control, int timeout_ms);
