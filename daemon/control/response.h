/* SPDX-License-Identifier: MIT */
/*
 * An answer in the making: records of named values (lined/control.h), and the
 * memory of all of them. Knows nothing of what is asked. Belongs to one thread
 * at a time; may be handed on.
 *
 * Memory that runs out is noted and nothing more: who gives the answer looks
 * at the end.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/control.h>

struct pool;

struct response {
	struct pool *pool;
	struct lined_record *records;
	size_t count, room;
	/* Of the last record, until the next begins. */
	struct lined_value *values;
	size_t value_count, value_room;
	const char *error;
	bool oom;
};

/* Zeroed memory is an empty answer. */
void response_fini(struct response *response);

/* Begins a record; what is added from now on is its. kind is a literal. */
void response_record(struct response *response, const char *kind);

/* Names are literals. A text is copied, and made printable. */
void response_text(struct response *response, const char *name,
		   const char *text);
void response_bytes(struct response *response, const char *name,
		    const char *bytes, size_t len);
void response_number(struct response *response, const char *name,
		     uint64_t number);
void response_flag(struct response *response, const char *name, bool flag);
void response_list(struct response *response, const char *name,
		   const char *const *items, size_t count);

/* "group.name"; the name may be anything printable, and is copied. What a name
 * may not hold becomes "_". */
void response_count(struct response *response, const char *group,
		    const char *name, uint64_t number);

/* Why what was asked cannot be done: printf(3). */
void response_refuse(struct response *response, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What a protocol sees of it, as long as the answer is not changed. */
void response_view(struct response *response, bool last,
		   struct lined_response *view);

#endif
