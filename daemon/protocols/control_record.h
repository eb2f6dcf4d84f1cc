/* SPDX-License-Identifier: MIT */
/*
 * Records (lined/control.h) as lines of the control protocol:
 *
 *	client id=42 service="echo" address="192.0.2.7:5123" ...
 *
 * a kind and then name=value, where a value is written as in JSON.
 */
#ifndef CONTROL_RECORD_H
#define CONTROL_RECORD_H

#include <lined/control.h>

#include "text.h"

/* Adds the record as a line. */
void control_record_write(struct text *text, const struct lined_record *record);

#endif
