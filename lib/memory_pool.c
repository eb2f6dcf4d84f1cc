/* SPDX-License-Identifier: MIT */
/*
 * Allocates from chunks of memory that are freed together. No allocation is
 * freed alone, so the error paths of a pool's user cannot leak.
 */
#include "config.h"

#include "memory_pool.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

#define CHUNK_SIZE 8192

struct pool_chunk {
	struct pool_chunk *next;
	size_t used, size;
	max_align_t data[];
};

struct pool {
	struct pool_chunk *chunks;
	bool failed;
};

struct pool *pool_new(void)
{
	return calloc(1, sizeof(struct pool));
}

bool pool_failed(const struct pool *pool)
{
	return pool->failed;
}

void pool_free(struct pool *pool)
{
	struct pool_chunk *chunk;

	if (pool == NULL)
		return;
	while ((chunk = pool->chunks) != NULL) {
		pool->chunks = chunk->next;
		free(chunk);
	}
	free(pool);
}

static struct pool_chunk *pool_add_chunk(struct pool *pool, size_t size)
{
	struct pool_chunk *chunk;

	if (size < CHUNK_SIZE)
		size = CHUNK_SIZE;
	chunk = calloc(1, sizeof(*chunk) + size);
	if (chunk == NULL)
		return NULL;
	chunk->size = size;
	chunk->next = pool->chunks;
	pool->chunks = chunk;
	return chunk;
}

static void *pool_fail(struct pool *pool)
{
	pool->failed = true;
	return fail_null(ENOMEM);
}

void *pool_alloc(struct pool *pool, size_t size)
{
	struct pool_chunk *chunk = pool->chunks;
	void *memory;

	if (size > SIZE_MAX / 2)
		return pool_fail(pool);
	size += size == 0;
	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) *
	       sizeof(max_align_t);
	if (chunk == NULL || chunk->size - chunk->used < size) {
		chunk = pool_add_chunk(pool, size);
		if (chunk == NULL)
			return pool_fail(pool);
	}
	memory = (char *)chunk->data + chunk->used;
	chunk->used += size;
	return memory;
}

void *pool_array(struct pool *pool, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / 2 / size)
		return pool_fail(pool);
	return pool_alloc(pool, count * size);
}

char *pool_strndup(struct pool *pool, const char *text, size_t len)
{
	char *copy = pool_alloc(pool, len + 1);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

char *pool_strdup(struct pool *pool, const char *text)
{
	return pool_strndup(pool, text, strlen(text));
}

char *pool_printf(struct pool *pool, const char *format, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, format);
	len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (len < 0)
		return NULL;
	text = pool_alloc(pool, (size_t)len + 1);
	if (text == NULL)
		return NULL;
	va_start(ap, format);
	vsnprintf(text, (size_t)len + 1, format, ap);
	va_end(ap);
	return text;
}
