/* SPDX-License-Identifier: MIT */
/*
 * A sorted set of names: an intrusive skip list. Adding a name allocates
 * nothing and cannot fail: otherwise a worker without memory would lack a name
 * that all other workers have. Thread: the owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Each level has a quarter of the names of the level below: 8 levels are enough
 * for 65,536 names. */
#define NAME_SET_LEVELS 8

struct name_node {
	const char *text; /* borrowed while the node is in the set */
	bool linked;
	struct name_node *next[NAME_SET_LEVELS];
};

struct name_set {
	struct name_node *first[NAME_SET_LEVELS];
	uint32_t random;
};

void name_set_init(struct name_set *set);

/* Adds a name that is not in the set. */
void name_set_add(struct name_set *set, struct name_node *node,
		  const char *text);
void name_set_remove(struct name_set *set, struct name_node *node);

/* Finds the name with this text; NULL: none. */
struct name_node *name_set_find(const struct name_set *set, const char *text);

/* Finds the first name that equals text or follows it; NULL: none.
 * node->next[0] is the next name. */
struct name_node *name_set_from(const struct name_set *set, const char *text);
