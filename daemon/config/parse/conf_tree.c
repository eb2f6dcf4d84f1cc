/* SPDX-License-Identifier: MIT */
/* Makes the tree, and finds sections with the same title. */
#include "config.h"

#include "config/parse/conf_tree.h"

#include <stdlib.h>
#include <string.h>

#include "memory_pool.h"

static void tree_init_node(struct conf_node *node)
{
	memset(node, 0, sizeof(*node));
	node->keys_end = &node->keys;
	node->children_end = &node->children;
}

void conf_tree_init(struct conf_tree *tree, struct pool *pool)
{
	memset(tree, 0, sizeof(*tree));
	tree->pool = pool;
	tree_init_node(&tree->root);
	tree->includes_end = &tree->includes;
}

/* ---- writing ------------------------------------------------------------ */

void conf_tree_begin(struct conf_tree_writer *writer, struct conf_tree *tree)
{
	*writer =
		(struct conf_tree_writer){.tree = tree, .nodes = {&tree->root}};
}

int conf_tree_open(struct conf_tree_writer *writer, const char *name,
		   const char *title, struct conf_place place)
{
	struct conf_node *parent = writer->nodes[writer->depth];
	struct conf_node *node = pool_alloc(writer->tree->pool, sizeof(*node));

	if (node == NULL || name == NULL)
		return -1;
	tree_init_node(node);
	node->name = name;
	node->title = title;
	node->place = place;
	*parent->children_end = node;
	parent->children_end = &node->next;
	writer->nodes[++writer->depth] = node;
	writer->key = NULL;
	return 0;
}

void conf_tree_close(struct conf_tree_writer *writer)
{
	writer->depth--;
	writer->key = NULL;
}

int conf_tree_add_key(struct conf_tree_writer *writer, const char *name,
		      struct conf_place place)
{
	struct conf_node *node = writer->nodes[writer->depth];
	struct conf_key *key = pool_alloc(writer->tree->pool, sizeof(*key));

	if (key == NULL || name == NULL)
		return -1;
	key->name = name;
	key->place = place;
	*node->keys_end = key;
	node->keys_end = &key->next;
	writer->key = key;
	writer->values_end = &key->values;
	return 0;
}

int conf_tree_add_value(struct conf_tree_writer *writer, const char *text,
			struct conf_place place)
{
	struct conf_value *value =
		pool_alloc(writer->tree->pool, sizeof(*value));

	if (value == NULL || text == NULL)
		return -1;
	value->text = text;
	value->place = place;
	*writer->values_end = value;
	writer->values_end = &value->next;
	writer->key->count++;
	return 0;
}

/* ---- sections with the same title --------------------------------------- */

struct titled {
	struct conf_node *node;
	size_t order; /* position in file order */
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

void conf_tree_find_doubles(const struct conf_tree *tree,
			    struct conf_node *parent)
{
	struct conf_node *node;
	struct titled *titled;
	size_t count = 0, i;

	for (node = parent->children; node != NULL; node = node->next) {
		count += node->title != NULL;
		conf_tree_find_doubles(tree, node);
	}
	titled = pool_array(tree->pool, count, sizeof(*titled));
	if (titled == NULL)
		return;
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
}
