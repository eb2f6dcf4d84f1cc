/* SPDX-License-Identifier: MIT */
/*
 * Checks a text that comes in pieces for UTF-8 (RFC 3629). Zeroed memory is the
 * beginning of a text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct utf8_check {
	uint8_t left;      /* bytes of the current character that are missing */
	uint8_t low, high; /* the range of the next byte */
};

/* False: no UTF-8 text begins with the bytes so far. */
bool utf8_check(struct utf8_check *check, const char *text, size_t len);

static inline bool utf8_check_is_complete(const struct utf8_check *check)
{
	return check->left == 0;
}
