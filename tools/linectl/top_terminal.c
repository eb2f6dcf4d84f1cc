/* SPDX-License-Identifier: MIT */
/*
 * Looks the terminal up in terminfo.
 */
#include "config.h"

#include "linectl/top_terminal.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool terminal_can_draw(void)
{
	const char *cursor;
	int error;

	if (setupterm(NULL, STDOUT_FILENO, &error) == ERR)
		return false;
	cursor = tigetstr("cup");
	del_curterm(cur_term);
	return cursor != NULL && cursor != (const char *)-1;
}
