/* SPDX-License-Identifier: MIT */
/*
 * Reads the files of a configuration into one tree: the first file, then the
 * included ones.
 */
#pragma once

#include "config/conf.h"
#include "config/parse/conf_tree.h"

/*
 * Fills an empty tree, from env->files if given. File names are allocated in
 * names, which must outlive all places. An included file that cannot be read is
 * reported and skipped. -1, reported: the first file cannot be read, a file is
 * malformed, too many files are included, or memory ran out.
 */
int conf_file_read(const char *path, const struct conf_env *env,
		   struct pool *names, struct conf_tree *tree,
		   struct conf_report *report);

/* Resolves a path in a value: a relative path is relative to the directory of
 * the config file at place. Allocated in pool; NULL: no memory. */
const char *conf_file_path(const char *path, const struct conf_place *place,
			   struct pool *pool);
