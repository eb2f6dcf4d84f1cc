/* SPDX-License-Identifier: MIT */
/*
 * Replaces and escapes bytes, with the functions of lined/text.h.
 */
#include "config.h"

#include "linectl/utf8.h"

#include <string.h>

#include <lined/text.h>

#include "common/memory_or_exit.h"

void utf8_mend(char *text, size_t len)
{
	size_t at = 0, n;
	uint32_t code;

	for (; at < len; at += n) {
		n = lined_text_decode(text + at, len - at, &code);
		if (code == LINED_TEXT_BAD)
			memset(text + at, '?', n);
	}
}

size_t utf8_show(char *to, const char *text)
{
	size_t len = strlen(text);

	return lined_text_escape_rest(to, UTF8_SHOWN * len + 1, text, len);
}

char *utf8_shown(const char *text)
{
	char *shown = memory_new(strlen(text) * UTF8_SHOWN + 1, 1);

	utf8_show(shown, text);
	return shown;
}
