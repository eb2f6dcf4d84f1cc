/* SPDX-License-Identifier: MIT */
/*
 * The files' contents, not interpreted: sections, keys and values as text,
 * in file order, with their places. Lives in a pool that is freed at the end of
 * the load.
 */
#pragma once

#include "config/parse/conf_message.h"

struct pool;

struct conf_value {
	struct conf_value *next;
	const char *text;
	struct conf_place place;
};

/* One `name = ...`. */
struct conf_key {
	struct conf_key *next;
	const char *name;
	struct conf_place place;
	struct conf_value *values;
	size_t count; /* 0: an empty list was written */
	bool used;    /* a reader knows this key */
	bool told;    /* a clash with another key was reported */
};

/* One `name { ... }` or `name "title" { ... }`. The root has neither. */
struct conf_node {
	struct conf_node *next;
	const char *name;
	const char *title; /* NULL: none */
	struct conf_place place;
	struct conf_key *keys, **keys_end;
	struct conf_node *children, **children_end;
	/* The first section with the same name and title in the parent; NULL:
	 * this is the first. See conf_tree_find_doubles(). */
	const struct conf_node *first;
	bool used;
};

/* One include("pattern"). */
struct conf_include {
	struct conf_include *next;
	const char *pattern;
	struct conf_place place;
};

struct conf_tree {
	struct pool *pool; /* of nodes and texts */
	struct conf_node root;
	/* Not yet read, in file order. */
	struct conf_include *includes, **includes_end;
};

void conf_node_init(struct conf_node *node);

/* An empty tree in a pool that outlives it. */
void conf_tree_init(struct conf_tree *tree, struct pool *pool);

/* Sets `first` in all sections within parent. -1: no memory. */
int conf_tree_find_doubles(const struct conf_tree *tree,
			   struct conf_node *parent);
