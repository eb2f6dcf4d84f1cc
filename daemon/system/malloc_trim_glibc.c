/* SPDX-License-Identifier: MIT */
/*
 * memory.h on glibc.
 */
#include "config.h"

#include "system/malloc_trim.h"

#include <malloc.h>

void memory_trim(void)
{
	malloc_trim(0);
}
