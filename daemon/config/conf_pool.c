/* SPDX-License-Identifier: MIT */
/*
 * Chunks that grow with what is asked of them, freed together. Allocations
 * are never given back singly, which is what makes every error path of the
 * configuration free of leaks.
 */
#include "config.h"

#include "config/conf_pool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 8192

struct chunk {
	struct chunk *next;
	size_t used, size;
	max_align_t data[];
};

struct conf_pool {
	struct chunk *chunks;
};

struct conf_pool *conf_pool_new(void)
{
	return calloc(1, sizeof(struct conf_pool));
}

void conf_pool_free(struct conf_pool *pool)
{
	struct chunk *chunk;

	if (pool == NULL)
		return;
	while ((chunk = pool->chunks) != NULL) {
		pool->chunks = chunk->next;
		free(chunk);
	}
	free(pool);
}

static struct chunk *add_chunk(struct conf_pool *pool, size_t size)
{
	struct chunk *chunk;

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

void *conf_pool_alloc(struct conf_pool *pool, size_t size)
{
	struct chunk *chunk = pool->chunks;
	void *memory;

	if (size > SIZE_MAX / 2) {
		errno = ENOMEM;
		return NULL;
	}
	size += size == 0;
	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) *
	       sizeof(max_align_t);
	if (chunk == NULL || chunk->size - chunk->used < size) {
		chunk = add_chunk(pool, size);
		if (chunk == NULL)
			return NULL;
	}
	memory = (char *)chunk->data + chunk->used;
	chunk->used += size;
	return memory;
}

void *conf_pool_array(struct conf_pool *pool, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / 2 / size) {
		errno = ENOMEM;
		return NULL;
	}
	return conf_pool_alloc(pool, count * size);
}

char *conf_pool_strndup(struct conf_pool *pool, const char *text, size_t len)
{
	char *copy = conf_pool_alloc(pool, len + 1);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

char *conf_pool_strdup(struct conf_pool *pool, const char *text)
{
	return conf_pool_strndup(pool, text, strlen(text));
}

char *conf_pool_printf(struct conf_pool *pool, const char *format, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, format);
	len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (len < 0)
		return NULL;
	text = conf_pool_alloc(pool, (size_t)len + 1);
	if (text == NULL)
		return NULL;
	va_start(ap, format);
	vsnprintf(text, (size_t)len + 1, format, ap);
	va_end(ap);
	return text;
}
