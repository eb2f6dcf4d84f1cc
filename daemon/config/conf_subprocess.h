/* SPDX-License-Identifier: MIT */
/*
 * Reads a config in a child process with limits on memory and time: a pattern
 * that takes all memory, an endless include or a crash of libconfuse fails the
 * load without harm to the daemon. The child reads, parses and checks; the
 * caller makes a struct conf of the result. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/dispatcher.h>
#include <lined/timer.h>

#include "config/conf.h"
#include "system/subprocess.h"

/* The config to read. check_names, blind and files are as in conf_env. */
struct conf_source {
	const char *path;
	const char *const *module_dirs; /* from the command line */
	size_t module_dir_count;
	const char *module_dir; /* in place of the config's; NULL: none */
	bool check_names, blind;
	const char *files;
	size_t files_len;
};

struct conf_subprocess {
	struct subprocess process;
	struct lined_dispatcher *dispatcher;
	struct lined_delegate delegate;
	struct lined_timer timer;
	void (*done)(struct conf_subprocess *child);
	char *path;
	char *data; /* the result */
	size_t len, room;
	char why[256]; /* why there is no data, or "" */
	bool running;
};

/* Reads the config in a child process and waits for the result. */
void conf_subprocess_run(struct conf_subprocess *child,
			 const struct conf_source *source);

/* Starts reading. done is called later, never within this call. Copies the
 * source. -1: done is not called; conf_subprocess_load() reports the reason. */
int conf_subprocess_start(struct conf_subprocess *child,
			  const struct conf_source *source,
			  struct lined_dispatcher *d,
			  void (*done)(struct conf_subprocess *child));

/* Makes a struct conf from the child's result. Returns and reports as
 * conf_load() does. */
struct conf *conf_subprocess_load(const struct conf_subprocess *child,
				  const struct conf_env *env,
				  struct conf_errors *errors);

/* Ends the child if it still runs, and frees the result. A zeroed struct is
 * fine. */
void conf_subprocess_fini(struct conf_subprocess *child);

/* The child's main(). find() fills in the env for a source. Returns the exit
 * code. */
int conf_subprocess_main(void (*find)(const struct conf_source *source,
				      struct conf_env *env));
