/* SPDX-License-Identifier: MIT */
/*
 * linectl top of a build without ncurses.
 */
#include "config.h"

#include "linectl/top.h"

#include <stdio.h>

enum linectl_status top_run(const struct command_call *call)
{
	fputs("linectl: built without ncurses, and so without top; see status "
	      "and services\n",
	      stderr);
	return LINECTL_REFUSED;
}
