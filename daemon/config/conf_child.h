/* SPDX-License-Identifier: MIT */
/*
 * Reads a config in a child process with bounds on memory and time: a pattern
 * that takes all memory, an include without an end or a crash of libconfuse
 * makes a load fail and leaves the daemon alone. The child reads, parses and
 * checks; the caller makes a struct conf of its result. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/dispatcher.h>
#include <lined/timer.h>

#include "config/conf.h"
#include "system/subprocess.h"

/* The files to read: see conf_env. */
struct conf_source {
	const char *path;
	const char *const *module_dirs; /* of the command line */
	size_t module_dir_count;
	const char *module_dir; /* overrides that of the config; NULL: none */
	bool check_names, blind;
	const char *files;
	size_t files_len;
};

struct conf_child {
	struct subprocess process;
	struct lined_dispatcher *dispatcher;
	struct lined_delegate delegate;
	struct lined_timer timer;
	void (*done)(struct conf_child *child);
	char *path;
	char *data; /* the result */
	size_t len, room;
	char why[256]; /* why data is missing; "": it is not */
	bool running;
};

/* Reads, within this call. */
void conf_child_run(struct conf_child *child, const struct conf_source *source);

/* Begins to read. done is called later, never within this call. The source is
 * copied. -1: done is not called; conf_child_load() knows the reason. */
int conf_child_start(struct conf_child *child, const struct conf_source *source,
		     struct lined_dispatcher *d,
		     void (*done)(struct conf_child *child));

/* Makes the conf of what was read, as conf_load() does. */
struct conf *conf_child_load(const struct conf_child *child,
			     const struct conf_env *env,
			     struct conf_errors *errors);

/* Ends a child that still runs, and frees its result. For zeroed memory, too.
 */
void conf_child_fini(struct conf_child *child);

/* The child's main(). find completes an env for the source. Returns the exit
 * code. */
int conf_child_main(void (*find)(const struct conf_source *source,
				 struct conf_env *env));
