/* SPDX-License-Identifier: MIT */
/*
 * A pool: memory that is allocated piece by piece and freed all at once, as
 * that of a configuration is. Not for data that grows and shrinks. One thread
 * at a time.
 */
#ifndef POOL_H
#define POOL_H

#include <stddef.h>

struct pool;

/* NULL/ENOMEM. */
struct pool *pool_new(void);
void pool_free(struct pool *pool);

/* Zeroed, aligned for any type; the pool's. NULL/ENOMEM. */
void *pool_alloc(struct pool *pool, size_t size);

/* An array; NULL/ENOMEM, on overflow too. Never NULL for a count of 0. */
void *pool_array(struct pool *pool, size_t count, size_t size);

char *pool_strdup(struct pool *pool, const char *text);
char *pool_strndup(struct pool *pool, const char *text, size_t len);
char *pool_printf(struct pool *pool, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
