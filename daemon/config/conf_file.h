/* SPDX-License-Identifier: MIT */
/*
 * Reads the files of a configuration into one tree: the first, then those that
 * it includes.
 */
#pragma once

#include "config/conf.h"
#include "config/parse/conf_tree.h"

/*
 * Fills an empty tree. The names of the files are allocated in names, which
 * must outlive all places. Reads env->files, if given. An included file that
 * cannot be read is reported and skipped. -1, reported: the first file cannot
 * be read, a file is malformed, too many files are included, or memory ran out.
 */
int conf_file_read(const char *path, const struct conf_env *env,
		   struct pool *names, struct conf_tree *tree,
		   struct conf_report *report);

/* The path that a value at place means: a relative path is relative to the
 * directory of its file. In pool; NULL: no memory. */
const char *conf_file_path(const char *path, const struct conf_place *place,
			   struct pool *pool);
