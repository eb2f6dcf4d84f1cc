/* SPDX-License-Identifier: MIT */
/*
 * A connection to the control socket of a daemon: sends requests, one at a
 * time, and reads the records that answer them. Shows nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/dispatcher.h>

#include "linectl/control_answer.h"

struct control_socket;

/*
 * Connects to the daemon, and waits until the connection is open. NULL: *error,
 * which the caller frees, says what is wrong and, if that is known, what to do.
 */
struct control_socket *control_socket_open(const char *path, char **error);
void control_socket_close(struct control_socket *control);

/* Connects again after ANSWER_BROKEN. -1: it could not connect. */
int control_socket_reopen(struct control_socket *control);

struct lined_dispatcher *
control_socket_dispatcher(struct control_socket *control);

/*
 * Sends a request: a line with its LF, and bytes that follow it. The answer is
 * complete when control_socket_poll() returns false. If timeout_ms (0: no
 * limit) pass without a record, the answer ends as ANSWER_BROKEN. Records are
 * added to the answer. If take_record is not NULL, each record is passed to it
 * instead and then freed, so that an answer may have any number of records.
 */
void control_socket_ask(struct control_socket *control, const char *request,
			size_t len, unsigned timeout_ms, struct answer *answer,
			void (*take_record)(struct answer *answer,
					    const struct record *record));

/* Sends a request and waits for the whole answer. */
void control_socket_get(struct control_socket *control, const char *request,
			size_t len, unsigned timeout_ms, struct answer *answer);

/* Sends more bytes while a request is being answered. */
void control_socket_send(struct control_socket *control, const char *bytes,
			 size_t len);

/* One turn of at most timeout_ms; false: no request is being answered. */
bool control_socket_poll(struct control_socket *control, int timeout_ms);
