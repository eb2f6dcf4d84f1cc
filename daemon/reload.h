/* SPDX-License-Identifier: MIT */
/*
 * Reads the config file at the start, for a reload and for a plan; applies it
 * to the server; opens the log as the command line and the config say. daemon.c
 * calls it. Main thread.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>
#include <time.h>

#include "config/conf.h"

struct cmdline;
struct control_text;
struct heartbeat;
struct modules;
struct reload_plan;
struct report;
struct server;

struct reload {
	const struct cmdline *cmdline;
	struct modules *modules;
	struct server *server;
	const struct heartbeat *heartbeat;
	time_t read; /* when the config in use was read */
	unsigned long done, refused;
};

/* Reads the config file. NULL: it has errors. Initialises errors; the caller
 * calls conf_errors_fini(). check_names: see conf.h. */
struct conf *reload_read(const struct reload *reload, bool check_names,
			 struct conf_errors *errors);

/* Logs the errors and warnings, and adds them to report unless it is NULL. */
void reload_add_errors(struct report *report, const struct conf_errors *errors);

/* Calls tell for each setting of the config that this version does not serve
 * yet. */
void reload_each_unserved(const struct conf *conf,
			  void (*tell)(const char *text));

/* Opens the log, or changes the settings of the open one. conf NULL: the config
 * has not been read. -1 and errno. */
int reload_open_log(const struct cmdline *cmdline, const struct conf *conf);

/* Applies the first config to the server. -1: logged. */
int reload_start(struct reload *reload, struct conf *conf);

/* Reads the config again and applies it. False: nothing was changed; the
 * reasons are logged, and added to report unless it is NULL. */
bool reload_run(struct reload *reload, struct report *report);

/* Plans a reload with this text as the config. NULL: the reload would be
 * refused; errors, which the caller has initialised, has the reasons. */
struct reload_plan *reload_plan_text(const struct reload *reload,
				     const struct control_text *text,
				     struct conf_errors *errors);

#endif
