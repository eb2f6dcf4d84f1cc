/* SPDX-License-Identifier: MIT */
/*
 * Writes records and errors as JSON.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "linectl/answer_record.h"

/* A string of len bytes, in quotes. */
void json_string(FILE *out, const char *text, size_t len);

/* The record as an object, without its kind. */
void json_record(FILE *out, const struct record *record);

/*
 * Writes a member `"key": [records of the kind]` or, if `single`, `"key":
 * record` (null if there is none). Writes a comma before the member unless
 * *first is true; clears *first.
 */
void json_member(FILE *out, bool *first, const char *key, const char *kind,
		 bool single, const struct record *records, size_t count);

/* {"error":"..."} and a LF. */
void json_error(FILE *out, const char *text);
