/* SPDX-License-Identifier: MIT */
/*
 * linectl top of a build without ncurses.
 */
#include "config.h"

#include "linectl/top.h"

#include <stdio.h>

enum linectl_status top_run(const struct command_call *call)
{
	(void)call;
	fputs("linectl: this one was built without ncurses, and has no top; "
	      "see status and services\n",
	      stderr);
	return LINECTL_REFUSED;
}
