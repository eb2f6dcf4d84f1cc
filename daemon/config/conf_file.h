/* SPDX-License-Identifier: MIT */
/*
 * The files of a configuration: reads the first and, after it, what it
 * includes, into one tree.
 */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include "config/conf_message.h"
#include "pool.h"
#include "config/conf_tree.h"

/*
 * Fills the tree, whose pool is set. Names of files go to names, which must
 * live as long as any place. -1 where reading had to end; what could not be
 * read besides is reported and passed over. Of env: the first file's text,
 * where that is given, and what may be read.
 */
int conf_file_read(const char *path, const struct conf_env *env,
		   struct pool *names, struct conf_tree *tree,
		   struct conf_report *report);

/*
 * A path as a file at place means it: relative ones are relative to that
 * file's directory. NULL: no memory.
 */
const char *conf_file_path(const char *path, const struct conf_place *place,
			   struct pool *pool);

#endif
