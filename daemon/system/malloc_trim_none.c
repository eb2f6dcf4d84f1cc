/* SPDX-License-Identifier: MIT */
/*
 * memory.h for allocators that give memory back by themselves.
 */
#include "config.h"

#include "system/malloc_trim.h"

void memory_trim(void)
{
}
