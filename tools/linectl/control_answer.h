/* SPDX-License-Identifier: MIT */
/*
 * A whole answer of the daemon: its records, and how it ended.
 */
#pragma once

#include <stddef.h>

#include "linectl/answer_record.h"
#include "linectl/control_socket.h"

struct answer {
	struct record *records;
	size_t count, room;
	enum answer_end end;
	char *error; /* "" for ANSWER_OK */
};

/* Sends the request and waits for the whole answer. */
void answer_get(struct answer *answer, struct control_socket *control,
		const char *request, size_t len, unsigned timeout_ms);

/* Handlers for control_socket_ask() that gather an answer without waiting for
 * it; their argument is the struct answer. */
extern const struct answer_handlers answer_handlers;

/* Adds the records of another request, which may fail. */
void answer_add(struct answer *answer, struct control_socket *control,
		const char *request, size_t len, unsigned timeout_ms);

void answer_fini(struct answer *answer);

/* The first record of this kind; NULL: there is none. */
const struct record *answer_find(const struct answer *answer, const char *kind);
