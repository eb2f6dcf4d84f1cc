/* SPDX-License-Identifier: MIT */
/*
 * A response as it is built: records of named values (lined/control.h), and the
 * memory of all of them. Knows no requests. Belongs to one thread at a time;
 * may be handed on.
 *
 * If memory runs out, that is noted and nothing more is added; response_view()
 * then makes it an error.
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
	/* Those of the last record, until the next begins. */
	struct lined_value *values;
	size_t value_count, value_room;
	const char *error;
	bool oom;
};

/* Zeroed memory is an empty response. */
void response_fini(struct response *response);

/* Begins a record, to which the following values are added. kind is a
 * literal. */
void response_record(struct response *response, const char *kind);

/* Names are literals. A text is copied and made printable. */
void response_text(struct response *response, const char *name,
		   const char *text);
void response_bytes(struct response *response, const char *name,
		    const char *bytes, size_t len);
void response_number(struct response *response, const char *name,
		     uint64_t number);
void response_flag(struct response *response, const char *name, bool flag);
void response_list(struct response *response, const char *name,
		   const char *const *items, size_t count);

/* A number "group.name". The name may be any printable text and is copied; a
 * byte that a name must not have becomes "_". */
void response_count(struct response *response, const char *group,
		    const char *name, uint64_t number);

/* Why the request fails: printf(3). */
void response_refuse(struct response *response, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The response as a protocol sees it; valid until it is changed. */
void response_view(struct response *response, bool last,
		   struct lined_response *view);

#endif
