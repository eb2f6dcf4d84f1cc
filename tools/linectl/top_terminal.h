/* SPDX-License-Identifier: MIT */
/*
 * The terminal before ncurses opens it. A file of its own, because
 * <term.h> defines macros such as `lines`.
 */
#pragma once

#include <stdbool.h>

/*
 * Whether terminfo knows $TERM, and the terminal can move its cursor. If not,
 * initscr() would exit, and newterm() would leak memory.
 */
bool terminal_can_draw(void);
