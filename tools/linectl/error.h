/* SPDX-License-Identifier: MIT */
/*
 * What is wrong, told on standard error.
 */
#ifndef LINECTL_ERROR_H
#define LINECTL_ERROR_H

/* "linectl: TEXT", as a terminal may be given it: a text of the daemon's, or
 * with a name in it, is any bytes. */
void error_print(const char *text);

#endif
