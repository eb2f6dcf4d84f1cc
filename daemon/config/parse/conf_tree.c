/* SPDX-License-Identifier: MIT */
/* Initialises the tree, and finds sections with the same title. */
#include "config.h"

#include "config/parse/conf_tree.h"

#include <stdlib.h>
#include <string.h>

#include "memory_pool.h"

void conf_node_init(struct conf_node *node)
{
	memset(node, 0, sizeof(*node));
	node->keys_end = &node->keys;
	node->children_end = &node->children;
}

void conf_tree_init(struct conf_tree *tree, struct pool *pool)
{
	memset(tree, 0, sizeof(*tree));
	tree->pool = pool;
	conf_node_init(&tree->root);
	tree->includes_end = &tree->includes;
}

/* ---- sections of one title ---------------------------------------------- */

struct titled {
	struct conf_node *node;
	size_t order; /* its place in file order */
};

static int titled_compare_titles(const struct titled *a, const struct titled *b)
{
	int order = strcmp(a->node->name, b->node->name);

	return order != 0 ? order : strcmp(a->node->title, b->node->title);
}

static int titled_compare(const void *a, const void *b)
{
	const struct titled *x = a, *y = b;
	int order = titled_compare_titles(x, y);

	return order != 0 ? order
			  : (x->order > y->order) - (x->order < y->order);
}

int conf_tree_find_doubles(const struct conf_tree *tree,
			   struct conf_node *parent)
{
	struct conf_node *node;
	struct titled *titled;
	size_t count = 0, i;

	for (node = parent->children; node != NULL; node = node->next) {
		count += node->title != NULL;
		if (conf_tree_find_doubles(tree, node) < 0)
			return -1;
	}
	titled = pool_array(tree->pool, count, sizeof(*titled));
	if (titled == NULL)
		return -1;
	for (i = 0, node = parent->children; node != NULL; node = node->next)
		if (node->title != NULL) {
			titled[i].node = node;
			titled[i].order = i;
			i++;
		}
	qsort(titled, count, sizeof(*titled), titled_compare);
	for (i = 1; i < count; i++)
		if (titled_compare_titles(&titled[i - 1], &titled[i]) == 0)
			titled[i].node->first =
				titled[i - 1].node->first != NULL
					? titled[i - 1].node->first
					: titled[i - 1].node;
	return 0;
}
