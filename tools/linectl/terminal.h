/* SPDX-License-Identifier: MIT */
/*
 * The terminal before ncurses opens it. Apart from the rest because <term.h>
 * makes macros of words such as `lines`.
 */
#ifndef LINECTL_TERMINAL_H
#define LINECTL_TERMINAL_H

#include <stdbool.h>

/*
 * Whether terminfo knows $TERM, the terminal on standard output, and it can
 * move its cursor. Asked first because initscr() would end the program, and
 * newterm() keeps memory for a terminal that it refuses.
 */
bool terminal_can_draw(void);

#endif
