/* SPDX-License-Identifier: MIT */
/*
 * An answer of the daemon: its records, and how it ended. control_socket.h
 * fills it in.
 */
#pragma once

#include <stddef.h>

#include "linectl/answer_record.h"

enum answer_end {
	ANSWER_OK,
	ANSWER_REFUSED, /* the daemon refuses the request */
	ANSWER_BROKEN,  /* the connection is lost */
};

/* A zeroed struct is an answer without records. */
struct answer {
	struct record *records;
	size_t count, room;
	enum answer_end end;
	/* "" for ANSWER_OK, else the reason. The text of the daemon is not
	 * escaped: print it by error_print() or utf8_shown(). */
	char *error;
};

/* Moves a record to the answer, and zeroes *record. */
void answer_take(struct answer *answer, struct record *record);

void answer_fini(struct answer *answer);

/* The first record of this kind; NULL: there is none. */
const struct record *answer_find(const struct answer *answer, const char *kind);
