/* SPDX-License-Identifier: MIT */
/*
 * The functions of the C library that allocate, see allocation.h.
 */
#include "allocation.h"

#include <errno.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static _Thread_local unsigned long failing, counted;
static _Thread_local bool lasts;

void allocation_fail(unsigned long number, bool lasting)
{
	failing = number;
	lasts = lasting;
	counted = 0;
}

unsigned long allocation_count(void)
{
	return counted;
}

bool allocation_fails(void)
{
	if (failing == 0 || ++counted < failing ||
	    (counted > failing && !lasts))
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return allocation_fails() ? NULL : __real_realloc(old, size);
}
