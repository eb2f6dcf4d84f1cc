/* SPDX-License-Identifier: MIT */
/*
 * A sorted set of names, intrusive: a skip list. Putting a name in cannot
 * fail, which is why it is one: what all workers have agreed on must not be
 * missing on one of them. Thread: the owner's.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A quarter of the names of a level are on the next: good for 65,536. */
#define NAMES_LEVELS 8

struct name {
	const char *text; /* the owner's, as long as it is in the set */
	bool linked;
	struct name *next[NAMES_LEVELS];
};

struct names {
	struct name *first[NAMES_LEVELS];
	uint32_t random;
};

void names_init(struct names *names);

/* Adds a name that is not there yet. */
void names_add(struct names *names, struct name *name, const char *text);
void names_remove(struct names *names, struct name *name);

/* The name with this text; NULL: none. */
struct name *names_find(const struct names *names, const char *text);

/* The first that is not before text; NULL: none. Then name->next[0]. */
struct name *names_from(const struct names *names, const char *text);

#endif
