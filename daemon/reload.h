/* SPDX-License-Identifier: MIT */
/*
 * Reads the config file at the start, for a reload and for a plan; applies the
 * config to the server; opens the log as the command line and the config say.
 * Main thread.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

#include "config/conf.h"
#include "config/conf_subprocess.h"

struct cmdline;
struct worker_watch;
struct modules;
struct reload_plan;
struct report;
struct server;

struct reload {
	const struct cmdline *cmdline;
	struct modules *modules;
	struct server *server;
	const struct worker_watch *worker_watch;
	/* The directory of modules, set by reload_start(). No later config
	 * changes it: the text of a plan must not choose which code runs. */
	const char *module_dir;
	struct conf_subprocess child; /* for reload_begin() */
	bool reading;                 /* between reload_begin() and finished */
	/* Called when a reload has ended. done is false if nothing was changed.
	 */
	void (*finished)(struct reload *reload, bool done,
			 struct report *report);
	time_t read; /* when the current config was read */
	unsigned long done, refused;
};

/* Reads the config file. Initialises errors; the caller calls
 * conf_errors_fini(). NULL: errors says why. check_names: see conf.h. */
struct conf *reload_read(const struct reload *reload, bool check_names,
			 struct conf_errors *errors);

/* Logs the errors and warnings, and adds them to report unless report is NULL.
 */
void reload_add_errors(struct report *report, const struct conf_errors *errors);

/* Opens the log, or changes the settings of the open one. conf NULL: not read
 * yet. -1: logged. */
int reload_open_log(const struct cmdline *cmdline, const struct conf *conf);

/* Applies the first config to the server. -1: logged. */
int reload_start(struct reload *reload, struct conf *conf);

/* Starts reading the config again in a child process. When the child has ended,
 * applies or refuses the config and calls finished. If the child cannot be
 * started, calls finished within this call. The reasons of a refused reload are
 * logged and in the report. */
void reload_begin(struct reload *reload);
/* Refuses a reload that is still reading; does nothing if there is none. */
void reload_cancel(struct reload *reload);

/* Fills *source, so that a child process reads the config as a reload would. */
void reload_describe(const struct reload *reload, struct conf_source *source);

/* Plans a reload to the config that a child has read. Loads no module. The
 * caller initialises errors. NULL: errors says why the reload would be refused;
 * if errors is empty, there is no memory for the plan. */
struct reload_plan *reload_plan_read(const struct reload *reload,
				     const struct conf_subprocess *child,
				     struct conf_errors *errors);

/* main() of the child process. */
int reload_child_main(void);
