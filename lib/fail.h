/* SPDX-License-Identifier: MIT */
/*
 * Ends a function that has failed.
 */
#pragma once

#include <errno.h>
#include <stddef.h>

/* Sets errno and returns -1. */
static inline int fail_with(int error)
{
	errno = error;
	return -1;
}

/* Sets errno and returns NULL. */
static inline void *fail_null(int error)
{
	errno = error;
	return NULL;
}
