/* SPDX-License-Identifier: MIT */
/*
 * Ends a function that has failed.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

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

/* Writes why the function has failed and returns -1. */
static inline int fail_text(char *error, size_t size, const char *why)
{
	snprintf(error, size, "%s", why);
	return -1;
}
