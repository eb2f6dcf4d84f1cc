/* SPDX-License-Identifier: MIT */
/*
 * The skip list. A node's height is random and independent of its name, so that
 * nobody can choose names that make the list slow.
 */
#include "config.h"

#include "threads/name_set.h"

#include <string.h>

void name_set_init(struct name_set *set)
{
	memset(set, 0, sizeof(*set));
	set->random = 2463534242u;
}

static unsigned name_set_height(struct name_set *set)
{
	uint32_t bits = set->random;
	unsigned height = 1;

	/* xorshift32 */
	bits ^= bits << 13;
	bits ^= bits >> 17;
	bits ^= bits << 5;
	set->random = bits;
	for (; height < NAME_SET_LEVELS && (bits & 3) == 0; bits >>= 2)
		height++;
	return height;
}

/* Finds on each level the link to the first name that equals text or follows
 * it. */
static void name_set_links(struct name_node *first[NAME_SET_LEVELS],
			   const char *text,
			   struct name_node **links[NAME_SET_LEVELS])
{
	struct name_node **next = first;
	int level;

	for (level = NAME_SET_LEVELS - 1; level >= 0; level--) {
		while (next[level] != NULL &&
		       strcmp(next[level]->text, text) < 0)
			next = next[level]->next;
		links[level] = &next[level];
	}
}

void name_set_add(struct name_set *set, struct name_node *node,
		  const char *text)
{
	struct name_node **links[NAME_SET_LEVELS];
	unsigned height = name_set_height(set), level;

	memset(node->next, 0, sizeof(node->next));
	node->text = text;
	node->linked = true;
	name_set_links(set->first, text, links);
	for (level = 0; level < height; level++) {
		node->next[level] = *links[level];
		*links[level] = node;
	}
}

void name_set_remove(struct name_set *set, struct name_node *node)
{
	struct name_node **links[NAME_SET_LEVELS];
	unsigned level;

	name_set_links(set->first, node->text, links);
	for (level = 0; level < NAME_SET_LEVELS; level++)
		if (*links[level] == node)
			*links[level] = node->next[level];
	node->linked = false;
}

struct name_node *name_set_from(const struct name_set *set, const char *text)
{
	struct name_node *const *next = set->first;
	int level;

	for (level = NAME_SET_LEVELS - 1; level >= 0; level--)
		while (next[level] != NULL &&
		       strcmp(next[level]->text, text) < 0)
			next = next[level]->next;
	return next[0];
}

struct name_node *name_set_find(const struct name_set *set, const char *text)
{
	struct name_node *node = name_set_from(set, text);

	return node != NULL && strcmp(node->text, text) == 0 ? node : NULL;
}
