/* SPDX-License-Identifier: MIT */
/*
 * Writes error messages, as text and as JSON.
 */
#include "config.h"

#include "linectl/error.h"

#include <stdio.h>
#include <stdlib.h>

#include "linectl/json.h"
#include "linectl/utf8.h"

void error_print(const char *text)
{
	char *shown = utf8_shown(text);

	fprintf(stderr, "linectl: %s\n", shown);
	free(shown);
}

enum linectl_status error_report(bool json, enum linectl_status status,
				 const char *text)
{
	if (json)
		json_error(stdout, text);
	error_print(text);
	return status;
}

enum linectl_status error_status(enum answer_end end)
{
	switch (end) {
	case ANSWER_OK:
		return LINECTL_DONE;
	case ANSWER_REFUSED:
		return LINECTL_REFUSED;
	default:
		return LINECTL_NO_DAEMON;
	}
}
