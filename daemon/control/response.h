/* SPDX-License-Identifier: MIT */
/*
 * A response under construction: records of named values (lined/control.h) and
 * their memory. Thread: any, but only one at a time.
 *
 * If memory runs out, `oom` is set and nothing more is added. The view then has
 * no records, and the view of a last response has an error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/control.h>
#include <lined/service.h>

struct pool;

struct response {
	struct pool *pool;
	struct lined_record *records;
	size_t count, room;
	/* The values of the current record. */
	struct lined_value *values;
	size_t value_count, value_room;
	const char *error;
	bool oom;
};

/* A zeroed struct is an empty response. */
void response_fini(struct response *response);

/* Begins a record: values added from now on belong to this record. kind is a
 * string literal. */
void response_record(struct response *response, const char *kind);

/* Adds a value. Names are string literals. A text is copied and made
 * printable. */
void response_text(struct response *response, const char *name,
		   const char *text);
void response_bytes(struct response *response, const char *name,
		    const char *bytes, size_t len);
void response_number(struct response *response, const char *name,
		     uint64_t number);
void response_flag(struct response *response, const char *name, bool flag);
void response_list(struct response *response, const char *name,
		   const char *const *items, size_t count);

/* Adds the number "GROUP.NAME". The name is copied; bytes that are not allowed
 * in names become "_". */
void response_count(struct response *response, const char *group,
		    const char *name, uint64_t number);

/* Adds a record `message`. */
void response_message(struct response *response, enum lined_log_level level,
		      const char *text);

/* Makes the request fail with this reason (printf(3) format). */
void response_refuse(struct response *response, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Fills in the public view of the response, valid until the response changes.
 */
void response_view(struct response *response, bool last,
		   struct lined_response *view);
