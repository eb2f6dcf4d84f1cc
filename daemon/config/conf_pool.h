/* SPDX-License-Identifier: MIT */
/*
 * Memory of one lifetime: what a configuration is made of is given back all
 * at once. Not for what grows and shrinks.
 */
#ifndef CONF_POOL_H
#define CONF_POOL_H

#include <stddef.h>

struct conf_pool;

/* NULL/ENOMEM. */
struct conf_pool *conf_pool_new(void);
void conf_pool_free(struct conf_pool *pool);

/* Zeroed, aligned for any type, the pool's. NULL/ENOMEM. */
void *conf_pool_alloc(struct conf_pool *pool, size_t size);

/* An array; NULL/ENOMEM, on overflow too. Never NULL for a count of 0. */
void *conf_pool_array(struct conf_pool *pool, size_t count, size_t size);

char *conf_pool_strdup(struct conf_pool *pool, const char *text);
char *conf_pool_strndup(struct conf_pool *pool, const char *text, size_t len);
char *conf_pool_printf(struct conf_pool *pool, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
