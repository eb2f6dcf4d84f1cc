/* SPDX-License-Identifier: MIT */
/*
 * Records (lined/control.h) as lines of the control protocol, each a JSON
 * object:
 *
 * 	{"kind":"client","id":42,"service":"echo","address":"192.0.2.7:5123"}
 *
 * The values of a group (names GROUP.MEMBER) form an object:
 * "closed":{"peer":3}.
 */
#pragma once

#include <lined/control.h>

#include "growing_text.h"

/* Adds the record as a line. */
void control_record_write(struct text *text, const struct lined_record *record);

/* Adds the last line of a response: kind "ok", or "error" with the reason. */
void control_record_write_end(struct text *text, const char *error);
