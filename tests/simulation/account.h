/* SPDX-License-Identifier: MIT */
/*
 * What the machines of a cluster owe each other: lines, of which those that
 * are lost are counted, and, when they are at rest, the same names, one
 * primary, and nothing that waits.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>

struct machine;
struct peer;

void account_begin(void);

/* To be called at each step: which machines know each other from now on. */
void account_look(void);

/* A peer has not heard a line that it should have, of a peer of its machine
 * (violated()) or of another: then it must be among the lines that are counted
 * as lost. */
void account_miss(const struct peer *peer, const struct peer *speaker,
		  unsigned number);

/* Every machine knows the same names. */
void account_check_names(void);
/* When all links were whole for long and nothing moves. Behind all
 * account_miss(). */
void account_check(void);

#endif
