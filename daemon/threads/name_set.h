/* SPDX-License-Identifier: MIT */
/*
 * A sorted set of names: an intrusive skip list. Adding a name needs no memory
 * and so cannot fail: a name that all workers have agreed on must not be
 * missing on one of them. Thread: the owner's.
 */
#ifndef NAME_SET_H
#define NAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A quarter of the names of each level are on the next one: enough for 65,536
 * names. */
#define NAME_SET_LEVELS 8

struct name_node {
	const char *text; /* the owner's, valid while it is in the set */
	bool linked;
	struct name_node *next[NAME_SET_LEVELS];
};

struct name_set {
	struct name_node *first[NAME_SET_LEVELS];
	uint32_t random;
};

void name_set_init(struct name_set *set);

/* Adds a name that is not there yet. */
void name_set_add(struct name_set *set, struct name_node *node,
		  const char *text);
void name_set_remove(struct name_set *set, struct name_node *node);

/* The name with this text; NULL: none. */
struct name_node *name_set_find(const struct name_set *set, const char *text);

/* The first name that is not before text; NULL: none. node->next[0] is the
 * next one. */
struct name_node *name_set_from(const struct name_set *set, const char *text);

#endif
