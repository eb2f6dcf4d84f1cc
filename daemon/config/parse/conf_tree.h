/* SPDX-License-Identifier: MIT */
/*
 * The uninterpreted contents of the files: sections, keys and values as text,
 * in file order, with their places. Allocated in a pool that is freed at the
 * end of the load.
 */
#pragma once

#include "config/parse/conf_message.h"

/* How deep sections may nest. */
#define CONF_DEPTH_MAX 16

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
	size_t count;  /* 0: an empty list */
	bool used;     /* the reader of a section knows this key */
	bool reported; /* a conflict with another key was reported */
};

/* One `name { ... }` or `name "title" { ... }`. The root has no name and no
 * title. */
struct conf_node {
	struct conf_node *next;
	const char *name;
	const char *title; /* NULL: none */
	struct conf_place place;
	struct conf_key *keys, **keys_end;
	struct conf_node *children, **children_end;
	/* The first section in the parent with the same name and title; NULL:
	 * this section is the first. Set by conf_tree_find_doubles(). */
	const struct conf_node *first;
	bool used;
};

/* One include("pattern"). */
struct conf_include {
	struct conf_include *next;
	const char *pattern;
	struct conf_place place;
};

/* A file that was read; reading it again is an error. */
struct conf_tree_file {
	struct conf_tree_file *next;
	const char *path;
	const char *id;                /* equal for all paths of one file */
	const struct conf_place *from; /* the include; NULL: the first file */
};

struct conf_tree {
	struct pool *pool;            /* for nodes and texts */
	struct conf_tree_file *files; /* the newest first */
	struct conf_node root;
	/* All includes, in the order in which they are read. */
	struct conf_include *includes, **includes_end;
};

/* Makes an empty tree. The pool must outlive the tree. */
void conf_tree_init(struct conf_tree *tree, struct pool *pool);

/* Sets `first` in all sections within parent, unless memory runs out. */
void conf_tree_find_doubles(const struct conf_tree *tree,
			    struct conf_node *parent);

/* ---- writing ------------------------------------------------------------ */

/* Adds sections, keys and values to a tree in file order. */
struct conf_tree_writer {
	struct conf_tree *tree;
	struct conf_node *nodes[CONF_DEPTH_MAX + 1]; /* the open sections */
	size_t depth;
	struct conf_key *key; /* the last key; NULL: none in this section */
	struct conf_value **values_end;
};

void conf_tree_begin(struct conf_tree_writer *writer, struct conf_tree *tree);

/* Texts are borrowed. -1: no memory, or name or text is NULL. The caller makes
 * sure that depth is in range and that key is set. */
int conf_tree_open(struct conf_tree_writer *writer, const char *name,
		   const char *title, struct conf_place place);
void conf_tree_close(struct conf_tree_writer *writer);
int conf_tree_add_key(struct conf_tree_writer *writer, const char *name,
		      struct conf_place place);
int conf_tree_add_value(struct conf_tree_writer *writer, const char *text,
			struct conf_place place);
