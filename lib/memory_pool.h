/* SPDX-License-Identifier: MIT */
/*
 * A pool: memory that is allocated piece by piece and freed all at once, for
 * example a configuration. Not for data that grows and shrinks. Only one thread
 * may use it at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pool;

/* NULL/ENOMEM. */
struct pool *pool_new(void);
/* Whether an allocation has failed so far. */
bool pool_failed(const struct pool *pool);
void pool_free(struct pool *pool);

/*
 * Returns zeroed memory, aligned for any type, that the pool owns. NULL/ENOMEM.
 */
void *pool_alloc(struct pool *pool, size_t size);

/* Returns an array. NULL/ENOMEM, also if its size overflows. An array of 0
 * members is not NULL. */
void *pool_array(struct pool *pool, size_t count, size_t size);

char *pool_strdup(struct pool *pool, const char *text);
char *pool_strndup(struct pool *pool, const char *text, size_t len);
char *pool_printf(struct pool *pool, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
