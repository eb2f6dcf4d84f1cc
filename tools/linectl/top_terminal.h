/* SPDX-License-Identifier: MIT */
/*
 * Checks the terminal before ncurses opens it. This is not in top.c because
 * <term.h> defines macros such as `lines`.
 */
#pragma once

#include <stdbool.h>

/*
 * Whether terminfo knows $TERM, and the terminal can move its cursor. If not,
 * initscr() would exit, and newterm() would leak memory.
 */
bool terminal_can_draw(void);
