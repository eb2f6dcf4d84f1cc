/* SPDX-License-Identifier: MIT */
/*
 * The account between the machines of a cluster: each line arrives or is
 * counted as lost. When nothing moves any more, all machines have the same
 * names, one of them is the primary, and nothing waits to be sent.
 */
#pragma once

#include <stdbool.h>

struct machine;
struct peer;

void account_begin(void);

/* Must be called at each step: notes which machines know each other from now
 * on. */
void account_look(void);

/* Whether the machine was the primary earlier, and is not the primary now. */
bool account_was_primary(const struct machine *machine);

/* A peer has not heard a line that it should have heard. If the speaker is on
 * the same machine, calls violated(). Else the line must be among those that
 * are counted as lost: account_check() compares. */
void account_miss(const struct peer *peer, const struct peer *speaker,
		  unsigned number);

/* Checks that every machine knows the same names. */
void account_check_names(void);
/* Makes all checks. To be called when all links have been whole for long and
 * nothing moves, after all calls of account_miss(). */
void account_check(void);
