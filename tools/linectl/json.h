/* SPDX-License-Identifier: MIT */
/*
 * Records as JSON. Values "group.name" that stand together become an object
 * named group.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "linectl/answer_record.h"

/* A string, in quotes. */
void json_string(FILE *out, const char *text);

/* An object of the record's values. */
void json_record(FILE *out, const struct record *record);

/*
 * A member `"key": [records of the kind]`, or, if `single`, `"key": record`
 * (null without one); a comma before it unless *first, which is cleared.
 */
void json_member(FILE *out, bool *first, const char *key, const char *kind,
		 bool single, const struct record *records, size_t count);

/* {"error":"..."} and a LF. */
void json_error(FILE *out, const char *text);
