/* SPDX-License-Identifier: MIT */
/*
 * Systems without capabilities: nothing of root is kept.
 */
#include "config.h"

#include "system/privileges.h"

int privileges_keep_begin(void)
{
	return 0;
}

int privileges_keep_end(void)
{
	return 0;
}
