/* SPDX-License-Identifier: MIT */
/*
 * Sets errno or an error text for a function that fails, and recognizes
 * temporary errors.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Sets errno and returns -1. */
static inline int fail_with(int error)
{
	errno = error;
	return -1;
}

/* Whether a read or write has failed only for now: the descriptor is not ready,
 * or a signal came. */
static inline bool fail_is_for_now(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
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
