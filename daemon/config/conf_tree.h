/* SPDX-License-Identifier: MIT */
/*
 * What the files say before anyone has asked what it means: sections, keys
 * and values as text, in file order, with their places. Made by conf_parse.c,
 * read by what checks it. Lives in a pool that goes when the load is over.
 */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include "config/conf.h"

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
	bool used;    /* somebody knows this key */
};

/* One `name { ... }` or `name "title" { ... }`. The root has neither. */
struct conf_node {
	struct conf_node *next;
	const char *name;
	const char *title; /* NULL: none */
	struct conf_place place;
	struct conf_key *keys, **keys_end;
	struct conf_node *children, **children_end;
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

#endif
