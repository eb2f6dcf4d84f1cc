/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "linectl/error.h"

#include <stdio.h>
#include <stdlib.h>

#include "linectl/utf8.h"

void error_print(const char *text)
{
	char *shown = utf8_shown(text);

	fprintf(stderr, "linectl: %s\n", shown);
	free(shown);
}
