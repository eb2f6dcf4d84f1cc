/* SPDX-License-Identifier: MIT */
/*
 * Mode proxy: the upstream addresses that could not be reached lately. They are
 * tried last: otherwise each client would wait for them.
 */
#pragma once

#include <stdbool.h>

struct relay;

/* Records whether the address was reached. */
void relay_unreached_mark(struct relay *relay, const char *address,
			  bool reached);

/* Whether the last attempt to reach the address failed, less than a minute ago.
 */
bool relay_unreached_lately(struct relay *relay, const char *address);
