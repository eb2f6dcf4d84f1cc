/* SPDX-License-Identifier: MIT */
/*
 * What is wrong, told on standard error.
 */
#ifndef LINECTL_COMPLAINT_H
#define LINECTL_COMPLAINT_H

/* "linectl: TEXT", as a terminal may be given it: a text of the daemon's, or
 * with a name in it, is any bytes. */
void complain(const char *text);

#endif
