/* SPDX-License-Identifier: MIT */
/*
 * Reads the files of a configuration into one tree: the first, then those that
 * it includes.
 */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include "config/conf.h"
#include "config/parse/conf_tree.h"

/*
 * Fills an empty tree. The names of the files are allocated in names, which
 * must live as long as any place. Uses env's text and may_read. A file that
 * cannot be read is reported and skipped; -1 where that made reading end.
 */
int conf_file_read(const char *path, const struct conf_env *env,
		   struct pool *names, struct conf_tree *tree,
		   struct conf_report *report);

/*
 * A path that is written at place: a relative one is relative to the directory
 * of that file. In pool; NULL: no memory.
 */
const char *conf_file_path(const char *path, const struct conf_place *place,
			   struct pool *pool);

#endif
